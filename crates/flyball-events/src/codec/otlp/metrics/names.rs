//! Names of metrics and labels as Prometheus knows them.
//!
//! The rules are those of Prometheus' own OTLP receiver with its default strategy,
//! `UnderscoreEscapingWithSuffixes` (`prometheus/otlptranslator`), so that the queries people have,
//! and documents that name metrics, mean the same here as there. They follow OpenTelemetry's
//! specification of compatibility with Prometheus but for one thing: underscores that follow each
//! other in the name of a label stay, which is the receiver's default.

/// Units of UCUM by which Prometheus calls them.
const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    // Spelt so by the receiver.
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// The same after a stroke: per second, per minute.
const UNITS_PER: &[(&str, &str)] = &[
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

/// What a name ends in because of what the metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suffix {
    None,
    /// `_total`, of counters.
    Total,
    /// `_ratio`, of gauges whose unit is 1.
    Ratio,
}

/// The name of a metric; `None` when nothing of `name` may be in one.
pub(super) fn metric_name(name: &str, unit: &str, suffix: Suffix) -> Option<String> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut words: Vec<&str> =
        name.split(|c| !is_valid(c)).filter(|word| !word.is_empty()).collect();
    let (unit_main, unit_per) = unit_words(unit);
    let mut main = unit_main.as_str();
    if words.contains(&main) {
        main = "";
    }
    let mut per =
        if unit_per == "per_" { "" } else { unit_per.strip_suffix('_').unwrap_or(&unit_per) };
    if words.contains(&per) {
        per = "";
    }
    if !per.is_empty() {
        main = main.strip_suffix('_').unwrap_or(main);
    }
    words.extend([main, per].into_iter().filter(|word| !word.is_empty()));
    let last = match suffix {
        Suffix::Total => Some("total"),
        Suffix::Ratio if unit == "1" => Some("ratio"),
        Suffix::Ratio | Suffix::None => None,
    };
    if let Some(last) = last {
        words.retain(|word| *word != last);
        // A suffix alone is no name.
        if words.is_empty() && name.split(|c| !is_valid(c)).all(str::is_empty) {
            return None;
        }
        words.push(last);
    }
    let mut out = words.join("_");
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    (!out.is_empty()).then_some(out)
}

/// What `By/s` adds to a name: `bytes` and `per_second`. Annotations, in braces, add nothing.
fn unit_words(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let word = |unit: &str, words: &[(&'static str, &'static str)]| {
        let unit = unit.trim();
        if unit.contains(['{', '}']) {
            return String::new();
        }
        let known = words.iter().find(|(name, _)| *name == unit);
        known.map_or(unit, |(_, word)| *word).to_owned()
    };
    let per = word(per, UNITS_PER);
    let per = if per.is_empty() { per } else { format!("per_{per}") };
    (clean(&word(main, UNITS)), clean(&per))
}

/// Underscores for what no name has, one for many, none in front.
fn clean(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    for c in unit.chars() {
        if c.is_ascii_alphanumeric() || c == ':' {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    out
}

/// The name of a label; `None` when nothing but underscores would be left of it.
pub(super) fn label_name(name: &str) -> Option<String> {
    let mut out: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if out.bytes().all(|byte| byte == b'_') {
        return None;
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert_str(0, "key_");
    } else if out.starts_with('_') && !out.starts_with("__") {
        out.insert_str(0, "key");
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases by which `prometheus/otlptranslator` tests its strategy of this name (Apache-2.0).
    #[test]
    fn metrics_are_called_as_the_receiver_of_prometheus_calls_them() {
        use Suffix::{None, Ratio, Total};
        for (name, unit, suffix, expected) in [
            ("requests", "", Total, "requests_total"),
            ("cpu_usage", "1", Ratio, "cpu_usage_ratio"),
            ("items", "1", Total, "items_total"),
            ("response_time", "ms", Ratio, "response_time_milliseconds"),
            ("memory_usage", "By", Ratio, "memory_usage_bytes"),
            ("requests", "1/s", Ratio, "requests_per_second"),
            ("throughput", "By/s", Ratio, "throughput_bytes_per_second"),
            ("custom_metric", "custom_unit", Ratio, "custom_metric_custom_unit"),
            ("custom_metric", "{custom}", Ratio, "custom_metric"),
            ("custom_metric", "By/{custom}", Ratio, "custom_metric_bytes"),
            ("requests_total", "", Total, "requests_total"),
            ("cpu_usage_ratio", "1", Ratio, "cpu_usage_ratio"),
            ("response_time_seconds", "s", Ratio, "response_time_seconds"),
            ("123_requests", "", Total, "_123_requests_total"),
            (
                "metric__with__multiple__underscores",
                "unit__multiple__underscores",
                Ratio,
                "metric_with_multiple_underscores_unit_multiple_underscores",
            ),
            (
                "custom_metric",
                "unit@with#special/chars",
                Ratio,
                "custom_metric_unit_with_special_per_chars",
            ),
            ("request_duration", "s", None, "request_duration_seconds"),
            ("active_connections", "", None, "active_connections"),
            ("requests", "1/m", Ratio, "requests_per_minute"),
            ("custom", "1/custom_unit", Ratio, "custom_per_custom_unit"),
            ("metric", "By/", Ratio, "metric_bytes"),
            ("metric", " By / s ", Ratio, "metric_bytes_per_second"),
            ("metric", "/", Ratio, "metric"),
            ("http.request.duration", "ms", None, "http_request_duration_milliseconds"),
            ("http.requests", "1", Total, "http_requests_total"),
            ("system.cpu.utilization", "1", Ratio, "system_cpu_utilization_ratio"),
        ] {
            assert_eq!(metric_name(name, unit, suffix).as_deref(), Some(expected), "{name} {unit}");
        }
        for unit in UNITS {
            let expected = ["uptime", unit.1].join(if unit.1.is_empty() { "" } else { "_" });
            assert_eq!(metric_name("uptime", unit.0, None), Some(expected));
        }
        assert_eq!(metric_name("@#$%", "", Ratio), Option::None);
        assert_eq!(metric_name("", "", Total), Option::None);
    }

    #[test]
    fn labels_are_called_as_the_receiver_of_prometheus_calls_them() {
        for (name, expected) in [
            ("label:with:colons", "label_with_colons"),
            ("LabelWithCapitalLetters", "LabelWithCapitalLetters"),
            ("label!with&special$chars)", "label_with_special_chars_"),
            ("label_with_foreign_characters_字符", "label_with_foreign_characters___"),
            ("label.with.dots", "label_with_dots"),
            ("123label", "key_123label"),
            ("_label_starting_with_underscore", "key_label_starting_with_underscore"),
            ("__label_starting_with_2underscores", "__label_starting_with_2underscores"),
        ] {
            assert_eq!(label_name(name).as_deref(), Some(expected));
        }
        for name in ["", "__", "ようこそ"] {
            assert_eq!(label_name(name), None);
        }
    }
}
