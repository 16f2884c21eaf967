//! What differs between two definitions of an SLO, in words: from what to what.

use std::collections::{BTreeMap, BTreeSet};

use flyball_budget::nominal_length;
use flyball_model::{
    AlertRule, Comparison, Condition, Correction, CorrectionMode, EventSli, Factor, GoodOrBad,
    Indicator, MetricQuery, MetricSli, Objective, Schedule, Slo, Window,
};

/// The most that is shown of a condition or a query on each side. Characters; all but the longest are
/// shorter.
const TEXT_CHARS_MAX: usize = 500;
/// Annotations that are settings, which are told as what they set.
const SETTINGS: &str = "flyball.dev/";

/// Adds a line to `changes` for everything in which `new` differs from `old`.
pub(super) fn compare(old: &Slo, new: &Slo, changes: &mut Vec<String>) {
    let before = changes.len();
    let mut text = |what: &str, old: &Option<String>, new: &Option<String>| {
        differ(what, old, new, changes, |text| or_none(text.as_ref()));
    };
    text("display name", &old.display_name, &new.display_name);
    text("description", &old.description, &new.description);
    text("service", &Some(old.service.clone()), &Some(new.service.clone()));
    differ("window", &old.window, &new.window, changes, window);
    differ("method", &old.method, &new.method, changes, |method| format!("{method:?}"));
    indicator("", old.indicator.as_ref(), new.indicator.as_ref(), changes);
    let counts = (old.objectives.len(), new.objectives.len());
    differ("objectives", &counts.0, &counts.1, changes, ToString::to_string);
    for (at, (old, new)) in old.objectives.iter().zip(&new.objectives).enumerate() {
        let of = if counts.1 == 1 { String::new() } else { format!(" of objective {}", at + 1) };
        objective(&of, old, new, changes);
    }
    alert_rules(&old.alert_rules, &new.alert_rules, changes);
    differ("composite", &old.composition, &new.composition, changes, |composition| {
        or_none(composition.map(|composition| format!("{composition:?}")))
    });
    differ("lookbacks", &old.lookbacks, &new.lookbacks, changes, |lookbacks| {
        list(lookbacks.iter().map(ToString::to_string))
    });
    differ("no data", &old.no_data, &new.no_data, changes, |rule| {
        format!("{rule:?}").to_lowercase()
    });
    differ(
        "coverage floor",
        &old.coverage_floor,
        &new.coverage_floor,
        changes,
        ToString::to_string,
    );
    let name = |key: &String| format!("label {key}");
    by_key(&old.labels, &new.labels, changes, name, |values| list(values.iter().cloned()));
    let annotations = |slo: &Slo, are_settings: bool| -> BTreeMap<String, String> {
        let annotations = slo.annotations.iter();
        let annotations = annotations.filter(|(key, _)| key.starts_with(SETTINGS) == are_settings);
        annotations.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    // Settings alone, where they set what was so before.
    for are_settings in [false, true] {
        if !are_settings || changes.len() == before {
            let (old, new) = (annotations(old, are_settings), annotations(new, are_settings));
            by_key(&old, &new, changes, |key| format!("annotation {key}"), |value| shown(value));
        }
    }
}

/// Adds what differs in the corrections of an SLO.
pub(super) fn corrections(old: &[&Correction], new: &[&Correction], changes: &mut Vec<String>) {
    let by_name = |all: &[&Correction]| -> BTreeMap<String, Correction> {
        all.iter().map(|one| (one.name.clone(), (*one).clone())).collect()
    };
    let names = |all: &BTreeMap<String, Correction>| list(all.keys().cloned());
    let (old, new) = (by_name(old), by_name(new));
    if !old.keys().eq(new.keys()) {
        changes.push(format!("corrections: {} → {}", names(&old), names(&new)));
    }
    for (name, new) in &new {
        let Some(old) = old.get(name) else { continue };
        let what = |what: &str| format!("{what} of correction {name}");
        differ(&what("mode"), &old.mode, &new.mode, changes, |mode| match mode {
            CorrectionMode::Drop => "drop".to_owned(),
            CorrectionMode::CountAsGood => "countAsGood".to_owned(),
        });
        differ(&what("schedule"), &old.schedule, &new.schedule, changes, when);
        differ(&what("category"), &old.category, &new.category, changes, String::clone);
        differ(&what("author"), &old.author, &new.author, changes, String::clone);
        differ(&what("reason"), &old.reason, &new.reason, changes, |reason| {
            or_none(reason.as_ref())
        });
    }
}

/// When a correction applies.
fn when(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Once(interval) => format!("{} to {}", interval.start(), interval.end()),
        Schedule::Recurring { start, zone, length, rule } => {
            let zone = zone.iana_name().unwrap_or_default();
            shown(&format!("{start} {zone} for {length}, {rule}"))
        }
    }
}

/// Says that `what` differs, and from what to what where that can be told.
fn differ<T: PartialEq>(
    what: &str,
    old: &T,
    new: &T,
    changes: &mut Vec<String>,
    words: impl Fn(&T) -> String,
) {
    if old == new {
        return;
    }
    let (old, new) = (words(old), words(new));
    changes.push(if old == new {
        format!("{what}: another than before")
    } else {
        format!("{what}: {old} → {new}")
    });
}

/// Says which keys have another value, or came, or went; `name` is what the value of one is called.
fn by_key<K: Ord, T: PartialEq>(
    old: &BTreeMap<K, T>,
    new: &BTreeMap<K, T>,
    changes: &mut Vec<String>,
    name: impl Fn(&K) -> String,
    words: impl Fn(&T) -> String,
) {
    let keys: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    for key in keys {
        differ(&name(key), &old.get(key), &new.get(key), changes, |value| {
            or_none(value.map(&words))
        });
    }
}

fn objective(of: &str, old: &Objective, new: &Objective, changes: &mut Vec<String>) {
    let name = |what: &str| format!("{what}{of}");
    differ(&name("target"), &old.target, &new.target, changes, ToString::to_string);
    differ(&name("display name"), &old.display_name, &new.display_name, changes, |name| {
        or_none(name.as_ref())
    });
    differ(&name("compositeWeight"), &old.weight, &new.weight, changes, ToString::to_string);
    let (share, length) = ("timeSliceTarget", "timeSliceWindow");
    differ(&name(share), &old.timeslice_target, &new.timeslice_target, changes, |share| {
        or_none(share.as_ref())
    });
    differ(&name(length), &old.timeslice_window, &new.timeslice_window, changes, |length| {
        or_none(length.as_ref())
    });
    differ(&name("threshold"), &old.threshold, &new.threshold, changes, |threshold| {
        or_none(threshold.map(|(op, value)| format!("{} {value}", sign(op))))
    });
    indicator(of, old.indicator.as_ref(), new.indicator.as_ref(), changes);
}

fn indicator(
    of: &str,
    old: Option<&Indicator>,
    new: Option<&Indicator>,
    changes: &mut Vec<String>,
) {
    let kinds = (old.map(kind), new.map(kind));
    differ(&format!("indicator{of}"), &kinds.0, &kinds.1, changes, |kind| or_none(kind.as_ref()));
    let parts = |indicator: Option<&Indicator>| indicator.map(parts).unwrap_or_default();
    by_key(&parts(old), &parts(new), changes, |part| format!("{part}{of}"), |text| shown(text));
}

/// What an indicator consists of, by what it is called in documents.
fn parts(indicator: &Indicator) -> BTreeMap<&'static str, String> {
    let side = |is_bad: bool| if is_bad { "bad" } else { "good" };
    match indicator {
        Indicator::Events(EventSli { total, side: good_or_bad, by, slice_limit }) => {
            let (side, text) = match good_or_bad {
                GoodOrBad::Good(text) => (side(false), text),
                GoodOrBad::Bad(text) => (side(true), text),
            };
            let mut parts = BTreeMap::from([
                ("total", total.clone()),
                (side, text.clone()),
                ("sliceLimit", slice_limit.to_string()),
            ]);
            if !by.is_empty() {
                parts.insert("by", by.join(", "));
            }
            parts
        }
        Indicator::Metric(MetricSli::Ratio { side: query, side_is_bad, total, .. }) => {
            BTreeMap::from([("total", asked(total)), (side(*side_is_bad), asked(query))])
        }
        Indicator::Metric(MetricSli::Raw { query, .. } | MetricSli::Threshold { query }) => {
            BTreeMap::from([("query", asked(query))])
        }
    }
}

/// A query as it is written, with what it is put to; settings beside it as JSON.
fn asked(query: &MetricQuery) -> String {
    let settings: Option<BTreeMap<String, String>> = serde_json::from_str(&query.spec).ok();
    let alone = settings.as_ref().and_then(|settings| match settings.len() {
        1 => settings.get("query"),
        _ => None,
    });
    let mut words: Vec<&str> = query.source_type.as_deref().into_iter().collect();
    words.extend(query.source_ref.as_deref());
    words.push(alone.unwrap_or(&query.spec));
    words.join(" ")
}

fn alert_rules(old: &[AlertRule], new: &[AlertRule], changes: &mut Vec<String>) {
    let names = |rules: &[AlertRule]| rules.iter().map(|rule| rule.name.clone()).collect();
    let (before, after): (Vec<String>, Vec<String>) = (names(old), names(new));
    differ("alert rules", &before, &after, changes, |names| list(names.iter().cloned()));
    for new in new {
        if let Some(old) = old.iter().find(|old| old.name == new.name) {
            differ(&format!("alert rule {}", new.name), old, new, changes, rule);
        }
    }
}

/// All that a rule says but its name.
fn rule(rule: &AlertRule) -> String {
    let mut words = vec![format!("{:?}", rule.severity).to_lowercase()];
    words.push(match &rule.condition {
        Condition::Burn { long, short, factor, comparison } => {
            let short = short.map_or_else(String::new, |short| format!(" and {short}"));
            let factor = match factor {
                Factor::Exact(factor) => factor.to_string(),
                Factor::BudgetShare(share) => {
                    format!("what spends {share} of the budget in {long}")
                }
            };
            format!("burn over {long}{short} {} {factor}", sign(*comparison))
        }
        Condition::Exhaustion { within, lookback } => {
            format!("gone within {within} at the burn over {lookback}")
        }
        Condition::RemainingBelow { share } => format!("remaining < {share}"),
    });
    words.push(format!("for {}", rule.hold));
    if let Some(evidence) = &rule.evidence {
        let confidence = or_none(evidence.confidence.as_ref());
        words.push(format!(
            "confidence {confidence}, at least {} bad of {} valid",
            evidence.bad_min, evidence.valid_min
        ));
    }
    words.join(", ")
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Below => "<",
        Comparison::AtMost => "<=",
        Comparison::Above => ">",
        Comparison::AtLeast => ">=",
    }
}

fn window(window: &Window) -> String {
    match window {
        Window::Rolling { length } => format!("rolling {length}"),
        Window::Calendar(calendar) => {
            let unit = calendar.unit.name();
            let about = nominal_length(window);
            format!("calendar {} × {unit} (about {about})", calendar.count)
        }
    }
}

fn kind(indicator: &Indicator) -> &'static str {
    match indicator {
        Indicator::Events(_) => "events",
        Indicator::Metric(MetricSli::Ratio { counter: true, .. }) => "a ratio of counters",
        Indicator::Metric(MetricSli::Ratio { counter: false, .. }) => "a ratio of counts",
        Indicator::Metric(MetricSli::Raw { failures: true, .. }) => "a ready ratio of failures",
        Indicator::Metric(MetricSli::Raw { failures: false, .. }) => "a ready ratio of successes",
        Indicator::Metric(MetricSli::Threshold { .. }) => "a value with a threshold",
    }
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn list(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The beginning of a text that may be long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
