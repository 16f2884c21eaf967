//! Several objectives joined into one promise.
//!
//! *Weighted*: what each component spent of its own budget is averaged by weight, so a component
//! of weight 3 counts three times one of weight 1. Under `RatioTimeslices` the shortfalls are
//! added instead, each times its weight, as `OpenSLO` has it: two components at 95 % make 90 %.
//!
//! *All-of*: a slice of time is bad when any component is bad in it and good when none is; it is
//! judged by the components that have data there. Its target is what the components' own targets
//! guarantee together, `1 - Σ(1 - target)`: the worst case is that they never fail at the same
//! time.
//!
//! A composite is made of components that carry their own indicators, never of other composites,
//! so it cannot contain itself.
//!
//! Source: `OpenSLO` v1, "Objectives", composite SLOs.

use std::cmp::Ordering;

use flyball_model::{BudgetingMethod, Duration, NoDataRule, Objective, Rational, Slot, Target};

use crate::account::{Account, Frame, one, slice_width};
use crate::budget::{Budget, Reason, Status};
use crate::error::BudgetError;
use crate::exact::{Fraction, Natural};
use crate::series::Series;

/// What one component has spent over its window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Bad units: a count, or a sum of ratios.
    pub bad: Fraction,
    /// Units that count; 0 when the component has no data.
    pub valid: u64,
    /// Its promise.
    pub target: Target,
    /// Its weight.
    pub weight: Rational,
}

impl Part {
    /// A component of this weight whose window is told by `budget`.
    pub fn of(budget: &Budget, weight: Rational) -> Self {
        let valid = budget.slices.unwrap_or(budget.valid);
        Self { bad: budget.spent, valid, target: budget.target, weight }
    }
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
pub fn weighted(parts: &[Part], method: BudgetingMethod) -> Result<Weighted, BudgetError> {
    if parts.iter().all(|part| part.weight.is_zero()) {
        return Err(BudgetError::EmptyComposite);
    }
    let shortfalls = method == BudgetingMethod::RatioTimeslices;
    let (mut spent, mut allowed) = (Quotient::zero(), Quotient::zero());
    let (mut spent_shown, mut allowed_shown) = (0.0, 0.0);
    for part in parts.iter().filter(|part| !part.weight.is_zero()) {
        if part.valid == 0 {
            return Ok(Weighted {
                spent_share: None,
                remaining_share: None,
                sli: None,
                target: None,
                status: Status::NoData,
                reason: Reason::NothingValid,
            });
        }
        let bad = part.bad;
        let ratio = bad.to_f64() / part.valid as f64;
        let budget = part.target.error_budget();
        let whole = |value: u64| u128::from(value);
        let (weight, over) = (whole(part.weight.numerator()), whole(part.weight.denominator()));
        let (share, of) = (whole(budget.numerator()), whole(budget.denominator()));
        let valid = whole(part.valid);
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

/// The length of the joint slices of an all-of composite whose method has none of its own.
///
/// Fixed, so that neither the events' slots nor what else is loaded has a say in the verdict.
pub const ALL_OF_SLICE: Duration = Duration::from_minutes(1);

/// The slices of an all-of composite: one valid unit each.
#[derive(Debug)]
pub struct Joint {
    /// Those in which a component has an answer: good when every component that has one is good.
    pub slices: Series,
    /// Those of them in which every component has an answer.
    pub complete: Series,
    /// What each component says.
    pub parts: Vec<Series>,
}

/// The joint slices of an all-of composite, each judged by the components that have data in it.
///
/// Neither other way to read silence is fair. To leave out what is good but incomplete keeps the
/// bad and drops the good; to leave out all that is incomplete drops the outages that silence
/// the components behind them. What is incomplete is told by [`Joint::complete`].
///
/// `parts` are the components' events with their objectives. The slices are the objectives' time
/// slices (the longest, where they differ); under `Occurrences` they are [`ALL_OF_SLICE`] long, or
/// as long as the series' slots where those are whole multiples of it. A component is good in a
/// slice when its share of good there reaches its `timeSliceTarget`, or its target where that is
/// not given. Under the time-slice methods the frame says what its silence means, as for the
/// component alone; under `Occurrences` there is no event to count in silence. Slices still filling
/// at the end of the span do not count.
///
/// # Errors
///
/// [`BudgetError::EmptyComposite`] without parts; as [`Account::new`].
pub fn all_of(
    parts: &[(&Series, &Objective)],
    method: BudgetingMethod,
    frame: &Frame<'_>,
) -> Result<Joint, BudgetError> {
    let width = joint_width(parts, method)?;
    let frame = match method {
        BudgetingMethod::Occurrences => Frame { no_data: NoDataRule::Gap, ..*frame },
        BudgetingMethod::Timeslices | BudgetingMethod::RatioTimeslices => *frame,
    };
    let mut judged = Vec::with_capacity(parts.len());
    let mut verdicts: std::collections::BTreeMap<Slot, (usize, bool)> =
        std::collections::BTreeMap::new();
    for (events, objective) in parts {
        let sliced = Objective {
            timeslice_window: Some(width),
            timeslice_target: objective.timeslice_target.or(Some(objective.target.share())),
            ..(*objective).clone()
        };
        let account = Account::new(events, BudgetingMethod::Timeslices, &sliced, &frame)?;
        for (slot, tally) in account.units().iter() {
            let (known, all_good) = verdicts.entry(slot).or_insert((0, true));
            *known += 1;
            *all_good &= tally.bad() == 0;
        }
        judged.push(account.units().clone());
    }
    let series = |known_min: usize| {
        let known = verdicts.iter().filter(|(_, (known, _))| *known >= known_min);
        Series::new(width, known.map(|(slot, (_, all_good))| (*slot, one(*all_good))))
    };
    Ok(Joint { slices: series(1)?, complete: series(parts.len())?, parts: judged })
}

fn joint_width(
    parts: &[(&Series, &Objective)],
    method: BudgetingMethod,
) -> Result<Duration, BudgetError> {
    let mut widest = None;
    for (events, objective) in parts {
        let width = match method {
            BudgetingMethod::Occurrences if events.width().is_multiple_of(ALL_OF_SLICE) => {
                events.width()
            }
            BudgetingMethod::Occurrences => ALL_OF_SLICE,
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
