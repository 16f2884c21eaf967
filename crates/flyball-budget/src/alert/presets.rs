//! Ready-made rules: the six strategies of the SRE Workbook, chapter 5, as published.
//!
//! Each is written down there for 99.9 % over 30 days. What is a share of the budget is kept as a
//! share, so that over another window the lookbacks stay and the factors move.

use flyball_model::{
    AlertRule, Comparison, Condition, Duration, Evidence, Factor, Rational, Severity, Window,
};

use super::rule::low_factor;

/// `numerator / 100`.
const fn percent(numerator: u64) -> Rational {
    match Rational::new(numerator, 100) {
        Some(share) => share,
        None => Rational::ZERO,
    }
}

/// What the default rules ask beside the ratio: at least two bad events, and 99.9 % certainty
/// that the burn is above the factor, or above [`BURN_GRAVE`](super::BURN_GRAVE) where that is less.
///
/// One failure is never evidence. The certainty is high because the rules are asked at every slot:
/// at ten requests an hour a service right below would otherwise still page on chance.
pub const EVIDENCE_DEFAULT: Evidence =
    Evidence { confidence: Rational::new(999, 1000), bad_min: 2, valid_min: 0 };

fn rule(name: &str, severity: Severity, condition: Condition) -> AlertRule {
    AlertRule { name: name.to_owned(), severity, condition, hold: Duration::ZERO, evidence: None }
}

const fn above(long: Duration, short: Option<Duration>, factor: Factor) -> Condition {
    Condition::Burn { long, short, factor, comparison: Comparison::Above }
}

/// Strategy 1, "Target error rate ≥ SLO threshold": the last 10 minutes miss the target.
///
/// Calls up to 144 times a day while the objective is met; here for comparison.
pub fn target_rate() -> Vec<AlertRule> {
    let condition = Condition::Burn {
        long: Duration::from_minutes(10),
        short: None,
        factor: Factor::Exact(Rational::ONE),
        comparison: Comparison::AtLeast,
    };
    vec![rule("target-rate-10m", Severity::Page, condition)]
}

/// Strategy 2, "Increased alert window": the last 36 hours miss the target, 5 % of 30 days.
pub fn increased_window() -> Vec<AlertRule> {
    let condition = above(Duration::from_hours(36), None, Factor::Exact(Rational::ONE));
    vec![rule("increased-window-36h", Severity::Page, condition)]
}

/// Strategy 3, "Incrementing alert duration": each minute of an hour misses the target.
pub fn duration() -> Vec<AlertRule> {
    let condition = above(Duration::from_minutes(1), None, Factor::Exact(Rational::ONE));
    vec![AlertRule {
        hold: Duration::from_hours(1),
        ..rule("duration-1h", Severity::Page, condition)
    }]
}

/// Strategy 4, "Alert on burn rate": 5 % of the budget within an hour, a burn of 36 over 30 days.
pub fn burn_rate() -> Vec<AlertRule> {
    let condition = above(Duration::from_hours(1), None, Factor::BudgetShare(percent(5)));
    vec![rule("burn-1h", Severity::Page, condition)]
}

/// Strategy 5, "Multiple burn rate alerts": 2 % in 1 h or 5 % in 6 h pages, 10 % in 3 days is a
/// ticket (table 5-6).
pub fn multi_burn() -> Vec<AlertRule> {
    let of = |share, long| above(long, None, Factor::BudgetShare(percent(share)));
    vec![
        rule("burn-1h", Severity::Page, of(2, Duration::from_hours(1))),
        rule("burn-6h", Severity::Page, of(5, Duration::from_hours(6))),
        rule("burn-3d", Severity::Ticket, of(10, Duration::from_days(3))),
    ]
}

/// Strategy 6, "Multiwindow, multi-burn-rate alerts": what the default of Flyball is made of.
///
/// Pages on 2 % in 1 h (and still burning over 5 min) or 5 % in 6 h (30 min); a ticket on 10 % in
/// 1 day (2 h) or in 3 days (6 h). Over 30 days the factors are 14.4, 6, 3 and 1 (table 5-8 and
/// the rule text below it). `evidence` is asked of every rule; `None` fires on the ratio alone.
pub fn multi_window(evidence: Option<Evidence>) -> Vec<AlertRule> {
    let pair = |name, severity, share, long, short| AlertRule {
        evidence,
        ..rule(name, severity, above(long, Some(short), Factor::BudgetShare(percent(share))))
    };
    let (hours, minutes) = (Duration::from_hours, Duration::from_minutes);
    vec![
        pair("burn-1h-5m", Severity::Page, 2, hours(1), minutes(5)),
        pair("burn-6h-30m", Severity::Page, 5, hours(6), minutes(30)),
        pair("burn-1d-2h", Severity::Ticket, 10, hours(24), hours(2)),
        pair("burn-3d-6h", Severity::Ticket, 10, hours(72), hours(6)),
    ]
}

/// The pair that the default has before the published ones: 0.5 % in 15 min, and still burning over
/// 5 min, which is the burn of 2 % in 1 h.
///
/// An hour is to make sure that a burn is no accident. Where [`EVIDENCE_DEFAULT`] does that, a quarter
/// of it is enough, and a person comes at a quarter of the cost.
fn prompt() -> AlertRule {
    let share = Factor::BudgetShare(Rational::new(5, 1000).unwrap_or(Rational::ZERO));
    let (long, short) = (Duration::from_minutes(15), Duration::from_minutes(5));
    AlertRule {
        evidence: Some(EVIDENCE_DEFAULT),
        ..rule("burn-15m-5m", Severity::Page, above(long, Some(short), share))
    }
}

/// The rules of an SLO that says nothing, with those that do not suit its window.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// The rules that apply.
    pub rules: Vec<AlertRule>,
    /// Rules left out, with the factor that each would have, below
    /// [`FACTOR_MIN`](super::FACTOR_MIN).
    pub left_out: Vec<(AlertRule, f64)>,
}

/// The rules of an SLO over `window` that says nothing: a prompt pair of 15 minutes and those of
/// [`multi_window`], with [`EVIDENCE_DEFAULT`], without the pairs whose shares are burns that keep the
/// objective.
///
/// The shares are made for a month. 10 % within 3 days is a burn of 1 there, and 0.23 over a week,
/// where it would call about an SLO that spends a quarter of its budget.
pub fn default_rules(window: &Window) -> Defaults {
    let mut defaults = Defaults { rules: Vec::new(), left_out: Vec::new() };
    for rule in std::iter::once(prompt()).chain(multi_window(Some(EVIDENCE_DEFAULT))) {
        match low_factor(&rule, window) {
            Some(factor) => defaults.left_out.push((rule, factor)),
            None => defaults.rules.push(rule),
        }
    }
    defaults
}

/// The six strategies by name, in the order of the book.
pub fn strategies() -> Vec<(&'static str, Vec<AlertRule>)> {
    vec![
        ("target-rate", target_rate()),
        ("increased-window", increased_window()),
        ("duration", duration()),
        ("burn-rate", burn_rate()),
        ("multi-burn", multi_burn()),
        ("multi-window", multi_window(None)),
    ]
}
