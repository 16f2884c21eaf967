//! Several objectives joined into one promise.
//!
//! *Weighted*: what each component spent of its own budget is averaged by weight, so a component
//! of weight 3 counts three times one of weight 1. Under `RatioTimeslices` the shortfalls are
//! added instead, each times its weight, as `OpenSLO` has it: two components at 95 % make 90 %.
//!
//! *All-of*: a slice of time is good only when every component is good in it, bad when any is
//! bad, and unknown when none is bad and some have no data. Its target is what the components'
//! own targets guarantee together, `1 - Σ(1 - target)`: the worst case is that they never fail
//! at the same time.
//!
//! A composite is made of components that carry their own indicators, never of other composites,
//! so it cannot contain itself.
//!
//! Source: `OpenSLO` v1, "Objectives", composite SLOs.

use std::cmp::Ordering;
use std::ops::Range;

use flyball_model::{BudgetingMethod, Duration, Interval, Objective, Rational, Slot, Target};

use crate::account::{Account, keeps, one, slice_width};
use crate::budget::{Reason, Status};
use crate::error::BudgetError;
use crate::exact::{Fraction, Natural};
use crate::series::Series;

/// One component over one stretch of time.
#[derive(Debug)]
pub struct Part<'a> {
    /// The component as its objective counts it.
    pub account: &'a Account<'a>,
    /// Its promise.
    pub target: Target,
    /// Its weight.
    pub weight: Rational,
    /// The positions in the account that are looked at.
    pub range: Range<usize>,
}

/// The spending of a weighted composite.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Weighted {
    /// The share of the composite's budget that is spent; `None` when a component has no data.
    pub spent_share: Option<f64>,
    /// `1 - spent share`; negative when overspent.
    pub remaining_share: Option<f64>,
    /// Under `RatioTimeslices`: one less the weighted shortfalls.
    pub sli: Option<f64>,
    /// Under `RatioTimeslices`: one less the weighted budgets.
    pub target: Option<f64>,
    /// Whether the joint promise was kept.
    pub status: Status,
    /// Why.
    pub reason: Reason,
}

/// A non-negative quotient of any size.
struct Quotient {
    numerator: Natural,
    denominator: Natural,
}

impl Quotient {
    fn zero() -> Self {
        Self { numerator: Natural::new(0), denominator: Natural::new(1) }
    }

    /// Adds a product of numerators over a product of denominators.
    fn add(&mut self, numerators: &[u128], denominators: &[u128]) {
        let scale = |number: &Natural, factors: &[u128]| {
            factors.iter().fold(number.clone(), |product, factor| product.times(*factor))
        };
        self.numerator =
            scale(&self.numerator, denominators).plus(&scale(&self.denominator, numerators));
        self.denominator = scale(&self.denominator, denominators);
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.numerator
            .times_natural(&other.denominator)
            .cmp(&other.numerator.times_natural(&self.denominator))
    }
}

/// The joint spending of `parts`, each counted by `method`.
///
/// A component without data makes the whole unknown: no data is not health.
///
/// # Errors
///
/// [`BudgetError::EmptyComposite`] without parts or when all weights are zero.
pub fn weighted(parts: &[Part<'_>], method: BudgetingMethod) -> Result<Weighted, BudgetError> {
    if parts.iter().all(|part| part.weight.is_zero()) {
        return Err(BudgetError::EmptyComposite);
    }
    let shortfalls = method == BudgetingMethod::RatioTimeslices;
    let (mut spent, mut allowed) = (Quotient::zero(), Quotient::zero());
    let (mut spent_shown, mut allowed_shown) = (0.0, 0.0);
    for part in parts.iter().filter(|part| !part.weight.is_zero()) {
        let Some(ratio) = part.account.error_ratio(&part.range) else {
            return Ok(Weighted {
                spent_share: None,
                remaining_share: None,
                sli: None,
                target: None,
                status: Status::NoData,
                reason: Reason::NothingValid,
            });
        };
        let bad = part.account.bad_units(&part.range);
        let budget = part.target.error_budget();
        let whole = |value: u64| u128::from(value);
        let (weight, over) = (whole(part.weight.numerator()), whole(part.weight.denominator()));
        let (share, of) = (whole(budget.numerator()), whole(budget.denominator()));
        let valid = whole(part.account.valid_units(&part.range));
        let bad_over = [bad.numerator().unsigned_abs(), bad.denominator()];
        if shortfalls {
            spent.add(&[weight, bad_over[0]], &[over, bad_over[1], valid]);
            allowed.add(&[weight, share], &[over, of]);
            spent_shown += part.weight.to_f64() * ratio;
            allowed_shown += part.weight.to_f64() * budget.to_f64();
        } else {
            spent.add(&[weight, bad_over[0], of], &[over, bad_over[1], valid, share]);
            allowed.add(&[weight], &[over]);
            spent_shown += part.weight.to_f64() * ratio / budget.to_f64();
            allowed_shown += part.weight.to_f64();
        }
    }
    let overspent = spent.cmp(&allowed).is_gt();
    let share = spent_shown / allowed_shown;
    Ok(Weighted {
        spent_share: Some(share),
        remaining_share: Some(1.0 - share),
        sli: shortfalls.then_some(1.0 - spent_shown),
        target: shortfalls.then_some(1.0 - allowed_shown),
        status: if overspent { Status::Missed } else { Status::Met },
        reason: if overspent { Reason::BudgetOverspent } else { Reason::WithinBudget },
    })
}

/// The joint slices of an all-of composite: one valid unit each, good when every component is.
///
/// `parts` are the components' events with their objectives. Under `Occurrences` the slices are
/// the series' own slots, else the objectives' time slices (the longest, where they differ).
/// A component is good in a slice when its share of good there reaches its `timeSliceTarget`, or
/// its target where that is not given. Slices still filling at the end of `span` do not count.
///
/// # Errors
///
/// [`BudgetError::EmptyComposite`] without parts; as [`Series::coarsen`] and [`Account::new`].
pub fn all_of(
    parts: &[(&Series, &Objective)],
    method: BudgetingMethod,
    span: Interval,
) -> Result<Series, BudgetError> {
    let width = joint_width(parts, method)?;
    let mut verdicts: std::collections::BTreeMap<Slot, (usize, bool)> =
        std::collections::BTreeMap::new();
    for (events, objective) in parts {
        let asked = objective.timeslice_target.unwrap_or(objective.target.share());
        for (slot, tally) in events.coarsen(width)?.iter() {
            if slot.interval(width).end() > span.end() {
                continue;
            }
            let (known, all_good) = verdicts.entry(slot).or_insert((0, true));
            *known += 1;
            *all_good &= keeps(tally, asked);
        }
    }
    let count = parts.len();
    Series::new(
        width,
        verdicts
            .into_iter()
            .filter(|(_, (known, all_good))| *known == count || !all_good)
            .map(|(slot, (_, all_good))| (slot, one(all_good))),
    )
}

fn joint_width(
    parts: &[(&Series, &Objective)],
    method: BudgetingMethod,
) -> Result<Duration, BudgetError> {
    let mut widest = None;
    for (events, objective) in parts {
        let width = match method {
            BudgetingMethod::Occurrences => events.width(),
            BudgetingMethod::Timeslices => slice_width(objective, "Timeslices")?,
            BudgetingMethod::RatioTimeslices => slice_width(objective, "RatioTimeslices")?,
        };
        widest = widest.max(Some(width));
    }
    widest.ok_or(BudgetError::EmptyComposite)
}

/// What the targets guarantee together: `1 - Σ(1 - target)`, at least 0.
pub fn joint_target(targets: impl IntoIterator<Item = Target>) -> Target {
    let spent = targets.into_iter().try_fold(Fraction::ZERO, |sum, target| {
        sum.checked_add(Fraction::share_of(1, target.error_budget()))
    });
    spent
        .and_then(|spent| Fraction::whole(1).checked_sub(spent))
        .filter(|left| !left.is_negative())
        .and_then(|left| {
            let numerator = u64::try_from(left.numerator()).ok()?;
            Rational::new(numerator, u64::try_from(left.denominator()).ok()?)
        })
        .and_then(|share| Target::new(share).ok())
        .or_else(|| Target::new(Rational::ZERO).ok())
        .expect("a target of zero leaves the whole budget")
}
