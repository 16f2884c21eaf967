//! Which target is worth its money: what each allows an outage to cost, and what each further nine buys.
//!
//! Source: Equal Experts' playbooks (availability by revenue at risk), whose bands are part of a
//! [`SupportCosts`] document and so editable.

use flyball_budget::Fraction;
use flyball_model::{Duration, Rational, Target};

use super::amount::Money;
use super::costs::{OutOfHours, SupportCosts};
use crate::risk::YEAR;

/// A week, in which bands are told.
const WEEK: Duration = Duration::from_days(7);
/// The targets of a worksheet that nobody has chosen others for: half a nine each.
const TARGETS: [(u64, u64); 8] = [
    (90, 100),
    (95, 100),
    (99, 100),
    (995, 1_000),
    (999, 1_000),
    (9_995, 10_000),
    (9_999, 10_000),
    (99_999, 100_000),
];

/// What a target allows: `(1 - target) × window`, exactly, in nanoseconds.
pub fn allowed(target: Target, window: Duration) -> Fraction {
    Fraction::share_of(window.nanos().unsigned_abs(), target.error_budget())
}

/// What it costs when all that a target allows in `window` is spent and an hour costs `an_hour`; `None` when the
/// exact amount does not fit; it does for windows of whole seconds.
pub fn exposure(an_hour: Money, target: Target, window: Duration) -> Option<Money> {
    an_hour.for_time(window)?.times(Fraction::of(target.error_budget()))
}

/// One target of a worksheet.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct WorksheetRow {
    /// The target.
    pub target: Target,
    /// Minutes that it allows in a week.
    pub minutes_a_week: f64,
    /// Minutes that it allows in a year of 365.25 days.
    pub minutes_a_year: f64,
    /// What that may cost in a week.
    pub exposure_a_week: Money,
    /// What that may cost in a year.
    pub exposure_a_year: Money,
    /// By how much less than the row before it, in a year: what the step buys. `None` in the first row.
    pub buys_a_year: Option<Money>,
    /// What the step costs in a year by the rule of thumb, in units of the currency; `None` in the first row.
    pub step_costs_a_year: Option<f64>,
    /// Whether it buys at least what it costs; `None` in the first row.
    pub pays: Option<bool>,
    /// Whether it is the target of the banding that decides.
    pub recommended: bool,
}

/// What a banding asks for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Banded {
    /// The banding.
    pub banding: String,
    /// The target.
    pub target: Target,
    /// Who is called out of hours.
    pub out_of_hours: OutOfHours,
}

/// Targets side by side.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Worksheet {
    /// What an hour of outage costs.
    pub an_hour: Money,
    /// What each banding asks for, the one that decides first.
    pub banded: Vec<Banded>,
    /// True when they ask for different things: the source of the ready ones contradicts itself.
    pub bandings_differ: bool,
    /// The targets, lowest first.
    pub rows: Vec<WorksheetRow>,
    /// True when the amounts are assumed.
    pub assumed: bool,
}

/// The worksheet of a service of which an hour of outage costs `an_hour`; without `targets` the usual ones, and
/// those of the bandings in any case. `None` when the costs are in another currency.
pub fn worksheet(costs: &SupportCosts, an_hour: Money, targets: &[Target]) -> Option<Worksheet> {
    let banded = banded(costs, an_hour)?;
    let decided = banded.first()?;
    let usual = TARGETS.into_iter().filter_map(|(part, whole)| Rational::new(part, whole));
    let usual = usual.filter_map(|share| Target::new(share).ok());
    let mut all: Vec<Target> = if targets.is_empty() { usual.collect() } else { targets.to_vec() };
    all.extend(banded.iter().map(|of| of.target));
    all.sort_unstable();
    all.dedup();
    let mut rows: Vec<WorksheetRow> = Vec::new();
    for target in all {
        let exposure_a_year = exposure(an_hour, target, YEAR)?;
        let before = rows.last();
        let buys_a_year = before.and_then(|before| before.exposure_a_year.minus(exposure_a_year));
        let step = before.map(|before| cost_of(costs, target) - cost_of(costs, before.target));
        let pays = buys_a_year.zip(step).map(|(buys, step)| buys.amount().to_f64() >= step);
        let minutes = |window| allowed(target, window).to_f64() / 60e9;
        rows.push(WorksheetRow {
            target,
            minutes_a_week: minutes(WEEK),
            minutes_a_year: minutes(YEAR),
            exposure_a_week: exposure(an_hour, target, WEEK)?,
            exposure_a_year,
            buys_a_year,
            step_costs_a_year: step,
            pays,
            recommended: target == decided.target,
        });
    }
    let differs =
        |of: &Banded| (of.target, of.out_of_hours) != (decided.target, decided.out_of_hours);
    Some(Worksheet {
        an_hour,
        bandings_differ: banded.iter().any(differs),
        rows,
        assumed: costs.spec.assumed,
        banded,
    })
}

/// What each banding asks for; `None` when one is in another currency.
pub(super) fn banded(costs: &SupportCosts, an_hour: Money) -> Option<Vec<Banded>> {
    let of = |banding: &super::costs::Banding| {
        let band = banding.band(an_hour)?;
        let (target, out_of_hours) = (band.target, band.out_of_hours);
        Some(Banded { banding: banding.name.clone(), target, out_of_hours })
    };
    costs.spec.bandings.iter().map(of).collect()
}

/// What a target costs a year by the rule of thumb: `first × times ^ (nines - 1)` with `nines = -log10(1 -
/// target)`.
fn cost_of(costs: &SupportCosts, target: Target) -> f64 {
    let nines = -target.error_budget().to_f64().log10();
    let rule = costs.spec.nines;
    rule.first.amount().to_f64() * f64::from(rule.times).powf(nines - 1.0)
}

/// What an outage cost beside what was tolerated.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Protection {
    /// What the target tolerates in the window.
    pub tolerated: Money,
    /// What was lost.
    pub lost: Money,
    /// The difference; below 0 when more was lost than is tolerated.
    pub saved: Money,
    /// The share of what is tolerated that was not lost, as the nearest double; `None` when nothing is at risk.
    pub share: Option<f64>,
}

/// Whether enough of `whole` was `observed` for money to be said of it: half. What nobody observed was neither served nor
/// lost.
pub fn is_observed(observed: Duration, whole: Duration) -> bool {
    !whole.is_zero() && i128::from(observed.nanos()) * 2 >= i128::from(whole.nanos())
}

/// Bad minutes of a week of which `observed` was, when `lost` of that was: as if the rest had been like it. `None` when it is
/// not observed enough, which is no good week.
pub fn weekly_minutes(observed: Duration, lost: Duration) -> Option<f64> {
    let share = lost.as_seconds_f64() / observed.as_seconds_f64();
    is_observed(observed, WEEK).then(|| share * WEEK.as_minutes_f64())
}

/// What support protected in `window`, all of which was observed: an outage that lasted `lost`, as time in which nobody was
/// served, against what `target` tolerates. `None` in two currencies.
///
/// What that cost is paid once for all objectives of a service, and is no part of it. Source: Equal Experts' playbooks, loss
/// protection.
pub fn protection(
    an_hour: Money,
    target: Target,
    window: Duration,
    lost: Duration,
) -> Option<Protection> {
    let (tolerated, lost) = (exposure(an_hour, target, window)?, an_hour.for_time(lost)?);
    let saved = tolerated.minus(lost)?;
    let share = saved.amount().to_f64() / tolerated.amount().to_f64();
    let is_at_risk = !tolerated.amount().is_zero();
    Some(Protection { tolerated, lost, saved, share: is_at_risk.then_some(share) })
}
