//! What a drill came to: what it burned, who noticed, who assumed too much, and what it measured.

use std::collections::BTreeMap;

use flyball_model::{Duration, Interval, Rational, Tally, Target, Timestamp};
use statrs::distribution::{Binomial, DiscreteCDF};

use super::document::Drill;
use super::watch::{Stop, Watch, WatchState};
use crate::policy::Number;

/// How far what was burned may be from what was dosed: a tenth of it.
pub const WITHIN_DOSE: Rational = match Rational::new(1, 10) {
    Some(tenth) => tenth,
    None => Rational::ZERO,
};
/// How unlikely bad events of a dependant are by chance when they are put down to a drill: one in a thousand, so that of
/// the most dependants that a service has no innocent one is likely named.
pub const SUSPECT_BELOW: f64 = 0.001;

/// An SLO of a service that depends on the one that was made worse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependant {
    /// The service.
    pub service: String,
    /// The SLO.
    pub slo: String,
    /// Whether it says of itself that it can do without the other.
    pub is_soft: bool,
    /// What it promises.
    pub target: Target,
    /// What was counted while the drill lasted.
    pub during: Tally,
    /// What was counted before, over a time that is usual; nothing of the drill.
    pub before: Tally,
    /// The valid events of the SLO's window.
    pub window_valid: u64,
}

/// What a dependant burned.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DependantBurn {
    /// The service.
    pub service: String,
    /// The SLO.
    pub slo: String,
    /// Whether it says of itself that it can do without the other.
    pub is_soft: bool,
    /// Bad events past the usual ones.
    pub excess: u64,
    /// The share of its window's budget that they spent; `None` when nothing was valid in the window.
    pub budget: Option<Number>,
    /// How likely so many are by chance; `None` when there is nothing to compare with.
    pub by_chance: Option<f64>,
    /// Whether it assumed too much: it burned, and not by chance. `None` when nothing was valid.
    pub assumed_too_much: Option<bool>,
}

/// Whether something that was believed holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It cannot be told.
    Unknown,
}

/// What became of a hypothesis.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HypothesisReport {
    /// What was believed.
    pub text: String,
    /// Whether it holds: all of it.
    pub held: Held,
    /// Each SLO with what was counted, the share that was believed, and whether it holds.
    pub by_slo: Vec<(String, Tally, Held)>,
}

/// What a report is made from.
#[derive(Debug, Clone)]
pub struct ReportInputs<'a> {
    /// The drill.
    pub drill: &'a Drill,
    /// How it went.
    pub watch: &'a Watch,
    /// The bad events that attribution leaves the drill, all of them counted; `None` when nothing was counted.
    pub burned: Option<u64>,
    /// Bad and valid events of its own SLO while it lasted.
    pub during: Tally,
    /// Who depends on the service.
    pub dependants: &'a [Dependant],
    /// What was counted of the SLOs of its hypothesis while it lasted.
    pub steady: &'a BTreeMap<String, Tally>,
    /// When an alert first called somebody for what the drill burned, or would have; `None` when none did.
    pub detected: Option<Timestamp>,
    /// When users were served as before; `None` when that is not known.
    pub recovered: Option<Timestamp>,
}

/// What a drill came to.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// The drill, by name.
    pub drill: String,
    /// What it was known by.
    pub key: String,
    /// While the fault was there; `None` when it never was.
    pub during: Option<Interval>,
    /// Why it ended; `None` while it lasts.
    pub why: Option<Stop>,
    /// The bad events that it might spend.
    pub dosed: u64,
    /// The bad events that it spent; `None` when nothing was counted.
    pub burned: Option<u64>,
    /// Whether that is within a tenth of the dose; `None` when it was not counted, and for a drill that was
    /// stopped before it was dosed.
    pub as_dosed: Option<bool>,
    /// The share of events that went bad while it lasted; `None` when nothing was valid.
    pub share: Option<Number>,
    /// Who depends on the service, whoever burned most of their budget first.
    pub dependants: Vec<DependantBurn>,
    /// What became of its hypothesis; `None` without one.
    pub hypothesis: Option<HypothesisReport>,
    /// From the fault to the alert.
    pub detect: Option<Duration>,
    /// From the fault's end to users being served as before.
    pub recover: Option<Duration>,
}

/// What a drill came to.
pub fn report(inputs: &ReportInputs<'_>) -> Report {
    let ReportInputs { drill, watch, burned, during, detected, recovered, .. } = inputs;
    let (began, ended, why) = match &watch.state {
        WatchState::Ended { began, at, why } => (*began, Some(*at), Some(why.clone())),
        WatchState::Running { since } => (Some(*since), None, None),
        WatchState::Stopping { began, why, .. } => (*began, None, Some(why.clone())),
        WatchState::Planned | WatchState::Arming { .. } | WatchState::Injecting { .. } => {
            (None, None, None)
        }
    };
    let lasted = began.zip(ended).and_then(|(began, ended)| Interval::new(began, ended).ok());
    let mut dependants: Vec<DependantBurn> = inputs.dependants.iter().map(burn).collect();
    dependants.sort_by(|one, other| {
        other.budget.cmp(&one.budget).then_with(|| one.service.cmp(&other.service))
    });
    let is_dosed = why == Some(Stop::Dosed);
    let between = |from: Option<Timestamp>, to: Option<Timestamp>| {
        let (from, to) = from.zip(to)?;
        (from <= to).then(|| to.since(from))
    };
    Report {
        drill: drill.name.clone(),
        key: watch.key.clone(),
        during: lasted,
        why,
        dosed: watch.dose,
        burned: *burned,
        as_dosed: burned.filter(|_| is_dosed).map(|burned| is_within(burned, watch.dose)),
        share: Number::ratio(during.bad(), during.valid()),
        dependants,
        hypothesis: hypothesis(drill, inputs.steady),
        detect: between(began, *detected),
        recover: between(ended, *recovered),
    }
}

fn is_within(burned: u64, dose: u64) -> bool {
    let off = u128::from(burned.abs_diff(dose)) * u128::from(WITHIN_DOSE.denominator());
    off <= u128::from(dose) * u128::from(WITHIN_DOSE.numerator())
}

/// What a dependant burned past what is usual of it.
///
/// The usual ratio is estimated by `(bad + 1) / (valid + 2)` of the time before (Laplace's rule of succession), so that a
/// dependant that never failed is not accused by one bad event. How likely so many are by chance is the upper
/// tail of a binomial distribution.
fn burn(dependant: &Dependant) -> DependantBurn {
    let Dependant { service, slo, is_soft, target, during, before, window_valid } = dependant;
    let (valid, bad) = (during.valid(), during.bad());
    let usual = Rational::new(before.bad() + 1, before.valid().saturating_add(2));
    let usual = usual.filter(|_| !before.is_empty());
    let expected = usual.map_or(0, |usual| {
        let part =
            u128::from(valid) * u128::from(usual.numerator()) / u128::from(usual.denominator());
        u64::try_from(part).unwrap_or(u64::MAX)
    });
    let excess = bad.saturating_sub(expected);
    let by_chance = usual.filter(|_| valid > 0).and_then(|usual| {
        let draws = Binomial::new(usual.to_f64(), valid).ok()?;
        // P(X ≥ bad) is P(X > bad − 1).
        Some(bad.checked_sub(1).map_or(1.0, |below| draws.sf(below)))
    });
    let is_unlikely = by_chance.map(|chance| excess > 0 && chance < SUSPECT_BELOW);
    DependantBurn {
        service: service.clone(),
        slo: slo.clone(),
        is_soft: *is_soft,
        excess,
        budget: Number::spent(excess, *window_valid, *target),
        by_chance,
        assumed_too_much: is_unlikely,
    }
}

fn hypothesis(drill: &Drill, counted: &BTreeMap<String, Tally>) -> Option<HypothesisReport> {
    let of = drill.spec.hypothesis.as_ref()?;
    let held = |slo: &str, most: Rational| {
        let tally = counted.get(slo).copied().unwrap_or(Tally::EMPTY);
        let held = match Number::ratio(tally.bad(), tally.valid()) {
            None => Held::Unknown,
            Some(share) if share <= Number::of(most) => Held::Yes,
            Some(_) => Held::No,
        };
        (slo.to_owned(), tally, held)
    };
    let by_slo: Vec<_> = drill.steady().into_iter().map(|(slo, most)| held(slo, most)).collect();
    let is = |what: Held| move |(.., held): &(String, Tally, Held)| *held == what;
    let held = if by_slo.iter().any(is(Held::No)) {
        Held::No
    } else if by_slo.iter().any(is(Held::Unknown)) {
        Held::Unknown
    } else {
        Held::Yes
    };
    Some(HypothesisReport { text: of.text.clone(), held, by_slo })
}
