//! What Sloth and Pyrra take from Prometheus: durations and series selectors.

use flyball_model::{Duration, MetricQuery, MetricSli};

/// Reads a Prometheus duration such as `4w` or `1h30m`: units from `y` down to `ms`, each once.
///
/// A year has 365 days. `None` for anything else, for zero, and past 292 years.
pub(super) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, i64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let (mut rest, mut next, mut millis) = (text, 0, 0i64);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        let at = UNITS[next..].iter().position(|(unit, _)| *unit == &rest[..letters])?;
        millis = millis.checked_add(count.checked_mul(UNITS[next + at].1)?)?;
        next += at + 1;
        rest = &rest[letters..];
    }
    Duration::from_nanos(millis.checked_mul(1_000_000)?).filter(|length| !length.is_zero())
}

/// A metric query for Prometheus.
pub(super) fn query(text: &str) -> MetricQuery {
    MetricQuery {
        source_type: Some("prometheus".to_owned()),
        source_ref: None,
        spec: serde_json::json!({ "query": text }).to_string(),
    }
}

/// Has an SLI keep slices by the labels `by`, a budget for each; none where there are none.
pub(super) fn slice(sli: &mut MetricSli, by: Vec<String>) {
    let query = match sli {
        MetricSli::Ratio { total: query, .. }
        | MetricSli::Raw { query, .. }
        | MetricSli::Threshold { query } => query,
    };
    let spec = serde_json::from_str(&query.spec).ok();
    if let Some(serde_json::Value::Object(mut spec)) = spec.filter(|_| !by.is_empty()) {
        spec.insert("by".to_owned(), by.into());
        query.spec = serde_json::Value::Object(spec).to_string();
    }
}

/// A series selector taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) name: String,
    /// Label, operator, value.
    pub(super) matchers: Vec<(String, String, String)>,
}

/// Reads `name{label="value",…}`; `None` for any other expression.
pub(super) fn selector(text: &str) -> Option<Selector> {
    let word = |text: &str| {
        text.len()
            - text
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                .len()
    };
    let text = text.trim();
    let length = word(text);
    let (name, mut rest) = text.split_at(length);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut matchers = Vec::new();
    rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        while !rest.starts_with('}') {
            let length = word(rest);
            let (label, after) = rest.split_at(length);
            let after = after.trim_start();
            let operator = ["=~", "!~", "!=", "="].into_iter().find(|op| after.starts_with(op))?;
            let (value, after) = quoted(after[operator.len()..].trim_start())?;
            if label.is_empty() {
                return None;
            }
            matchers.push((label.to_owned(), operator.to_owned(), value));
            rest = after.trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if rest.starts_with('}') => {}
                None => return None,
            }
        }
        rest = rest[1..].trim_start();
    }
    let named = !name.is_empty() || !matchers.is_empty();
    (rest.is_empty() && named).then(|| Selector { name: name.to_owned(), matchers })
}

/// A quoted text at the start, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((value, &text[at + 1..]));
        }
        if c == '\\' && quote != '`' {
            value.push(c);
            value.push(chars.next()?.1);
            continue;
        }
        value.push(c);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_up_and_go_down() {
        for (text, seconds) in
            [("4w", 2_419_200), ("1h30m", 5_400), ("2w", 1_209_600), ("1y", 31_536_000)]
        {
            assert_eq!(duration(text), Some(Duration::from_seconds(seconds)), "{text}");
        }
        assert_eq!(duration("200ms").unwrap().nanos(), 200_000_000);
        for text in
            ["", "0s", "30m1h", "1h1h", "5", "h", "1M", "-1d", "99999999999w", "1.5h", "1d "]
        {
            assert_eq!(duration(text), None, "{text} was accepted");
        }
    }

    #[test]
    fn selectors_are_told_from_expressions() {
        let found = selector(r#"http_total{job="a",code=~"5..|x\"y",}"#).unwrap();
        assert_eq!(found.name, "http_total");
        assert_eq!(found.matchers.len(), 2);
        assert_eq!(found.matchers[0], ("job".into(), "=".into(), "a".into()));
        assert!(selector("up").is_some());
        for text in ["sum(up)", "up{job=a}", "up{job=\"a\"", "up[5m]", "{}", "", "1up", "up + 1"] {
            assert_eq!(selector(text), None, "{text} was accepted");
        }
    }
}
