//! Short ways to write SLOs and histories down.

use std::collections::BTreeMap;

use flyball_budget::Series;
use flyball_model::{
    BudgetingMethod, Duration, Interval, NoDataRule, Objective, Rational, Slo, Slot, Tally, Target,
    Timestamp, Window,
};

pub(crate) fn share(text: &str) -> Rational {
    Rational::parse(text).unwrap()
}

pub(crate) fn target(text: &str) -> Target {
    Target::new(share(text)).unwrap()
}

pub(crate) fn duration(text: &str) -> Duration {
    Duration::parse(text).unwrap()
}

pub(crate) fn rolling(text: &str) -> Window {
    Window::Rolling { length: duration(text) }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

pub(crate) fn span(start: i64, end: i64) -> Interval {
    Interval::new(at(start), at(end)).unwrap()
}

pub(crate) fn objective(target_text: &str) -> Objective {
    Objective {
        display_name: None,
        target: target(target_text),
        threshold: None,
        indicator: None,
        weight: Rational::ONE,
        timeslice_target: None,
        timeslice_window: None,
    }
}

pub(crate) fn slo(method: BudgetingMethod, window: Window, objectives: Vec<Objective>) -> Slo {
    Slo {
        name: "checkout".to_owned(),
        display_name: None,
        description: None,
        service: "shop".to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        indicator: None,
        composition: None,
        window,
        method,
        objectives,
        alert_rules: Vec::new(),
        lookbacks: Vec::new(),
        no_data: NoDataRule::Gap,
        coverage_floor: Rational::ZERO,
    }
}

/// Consecutive slots of `width` from the epoch: each stretch is (slots, valid, bad) a slot.
pub(crate) fn history(width: &str, stretches: &[(usize, u64, u64)]) -> Series {
    let tallies = stretches
        .iter()
        .flat_map(|(slots, valid, bad)| {
            std::iter::repeat_n(Tally::new(*valid, valid - bad).unwrap(), *slots)
        })
        .enumerate()
        .map(|(slot, tally)| (Slot(i64::try_from(slot).unwrap()), tally));
    Series::new(duration(width), tallies).unwrap()
}

/// Asserts that two numbers agree to the digits that a source prints.
#[track_caller]
pub(crate) fn close(ours: f64, published: f64, within: f64) {
    assert!((ours - published).abs() <= within, "{ours} is not {published} within {within}");
}
