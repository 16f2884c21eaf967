//! What an objective allows, what was spent of it, and what is left.
//!
//! `allowed = valid × (1 - target)`, `spent = bad`, `remaining = allowed - spent`, all exact and
//! never clamped: a budget overspent three times over says so. Under `Occurrences` the unit is the
//! event; under the time-slice methods it is the slice.
//!
//! In the middle of a calendar period the traffic to come is unknown, so three numbers stand
//! side by side: what was bad so far, the budget at the traffic so far, and a projection that is
//! named as one.
//!
//! Sources: SRE Workbook, chapters 2 and 5; `OpenSLO` v1, `budgetingMethod`.

use std::cmp::Ordering;

use flyball_model::{Duration, Interval, NoDataRule, Rational, Tally, Target};

use crate::account::{Account, Frame};
use crate::exact::{Fraction, Threshold};
use crate::series::slots_in;
use crate::sum::{Kind, Sum};
use crate::window::WindowAt;

/// The most gaps listed one by one; the longest are kept.
pub const GAPS_MAX: usize = 20;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Events, under `Occurrences`.
    Events,
    /// Slices of time, under `Timeslices` and `RatioTimeslices`.
    Slices,
}

/// The error budget of one objective over one window.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Budget {
    /// The stretch that was counted: the elapsed window, up to its last complete slot.
    pub counted: Interval,
    /// The unit of `allowed`, `spent` and `remaining`.
    pub unit: Unit,
    /// Valid events.
    pub valid: u64,
    /// Good events.
    pub good: u64,
    /// Bad events, the undecided ones included.
    pub bad: u64,
    /// Valid events for which "good" was neither true nor false.
    pub undecided: u64,
    /// Slices of time with an answer; `None` under `Occurrences`.
    pub slices: Option<u64>,
    /// The achieved share of good by the objective's method; `None` when nothing was valid.
    pub sli: Option<f64>,
    /// The promised share of good.
    pub target: Target,
    /// Bad units that the target allows among those counted.
    pub allowed: Fraction,
    /// Bad units; a fraction under `RatioTimeslices`.
    pub spent: Fraction,
    /// `allowed - spent`; negative when overspent.
    pub remaining: Fraction,
    /// `spent / allowed`; `None` when nothing was valid.
    pub spent_share: Option<f64>,
    /// `remaining / allowed`; negative when overspent, `None` when nothing was valid.
    pub remaining_share: Option<f64>,
    /// The same budget as time.
    pub minutes: Minutes,
    /// For calendar windows, the period's three views.
    pub calendar: Option<CalendarBudget>,
}

/// A budget as time.
///
/// Under the time-slice methods these are real minutes: slices times their length. Under
/// `Occurrences` they are equivalents: the counted stretch times the share, so that ten minutes
/// means "as much as ten minutes of total outage at even traffic".
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Minutes {
    /// Allowed in the counted stretch.
    pub allowed: f64,
    /// Spent; `None` when nothing was valid.
    pub spent: Option<f64>,
    /// `allowed - spent`; negative when overspent, `None` when nothing was valid.
    pub remaining: Option<f64>,
    /// `whole window × (1 - target)`, whatever was observed.
    pub allowed_whole_window: f64,
}

/// The budget of a calendar period that may still be running.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CalendarBudget {
    /// The whole period.
    pub period: Interval,
    /// The counted share of the period, 0 to 1.
    pub elapsed_share: f64,
    /// Bad units so far.
    pub bad_so_far: Fraction,
    /// What the target allows of the units counted so far.
    pub budget_at_traffic_so_far: Fraction,
    /// The period's end if it goes on as it has; `None` before anything was valid.
    pub projection: Option<Projection>,
}

/// A calendar period extrapolated in a straight line from its elapsed part.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Projection {
    /// Units at the period's end.
    #[serde(rename = "valid_projected")]
    pub valid: f64,
    /// Bad units at the period's end.
    #[serde(rename = "bad_projected")]
    pub bad: f64,
    /// What the target allows at the projected traffic.
    pub allowed: f64,
    /// `allowed - bad so far`: what is left to spend until the period ends.
    pub remaining_now: f64,
    /// `allowed - bad`: what would be left at the end.
    pub remaining_at_end: f64,
}

/// How much of the window is known.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Coverage {
    /// Slots (or slices) of the counted stretch that hold data or an agreed meaning.
    pub observed: u64,
    /// Slots (or slices) of the counted stretch, without those taken out by corrections.
    pub expected: u64,
    /// `observed / expected`; 0 when nothing was expected.
    pub share: f64,
    /// How many stretches hold no data.
    pub gap_count: u64,
    /// The longest of them, at most [`GAPS_MAX`], in order of time.
    pub gaps: Vec<Interval>,
}

/// Whether the promise was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// At or above the target.
    Met,
    /// Below the target: the budget is overspent.
    Missed,
    /// Too little is known to say; never to be read as health.
    NoData,
}

impl Status {
    /// The worst of all: a miss outweighs no data, no data outweighs a success. No data for none.
    pub fn worst(statuses: &[Self]) -> Self {
        let any = |status| statuses.contains(&status);
        if any(Self::Missed) {
            Self::Missed
        } else if any(Self::NoData) || statuses.is_empty() {
            Self::NoData
        } else {
            Self::Met
        }
    }
}

/// Why a [`Status`] is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Spent no more than allowed.
    WithinBudget,
    /// Spent more than allowed.
    BudgetOverspent,
    /// No event was valid in the window.
    NothingValid,
    /// Less of the window holds data than the SLO's coverage floor asks for.
    CoverageBelowFloor,
    /// No event was valid, and the SLO says that silence is good.
    SilenceIsGood,
    /// No event was valid, and the SLO says that silence is bad.
    SilenceIsBad,
}

impl Budget {
    /// The budget of `target` over `window` in `account`.
    ///
    /// The window's end should lie on a slot of the account; where it does not, the slot that is
    /// still filling is left out. With nothing valid the amounts are zero and the shares `None`.
    pub fn new(account: &Account<'_>, target: Target, window: WindowAt, is_calendar: bool) -> Self {
        let counted = counted(account.width(), window.elapsed);
        let range = account.units().range(counted);
        let count = Count {
            counted,
            width: account.width(),
            events: account.events().sum(counted),
            units: account.sum(&range),
            spent: account.bad_units(&range),
        };
        Self::of(&count, target, window, is_calendar)
    }

    /// The budget of `target` for what was counted in `window`.
    pub(crate) fn of(count: &Count, target: Target, window: WindowAt, is_calendar: bool) -> Self {
        let Count { counted, width, events, units, spent } = *count;
        let valid_units = units.valid;
        let counts_time = units.kind != Kind::Events;
        let allowed = Fraction::share_of(valid_units, target.error_budget());
        let remaining = allowed.checked_sub(spent).unwrap_or_else(|| coarse(allowed, spent));
        let share =
            |amount: Fraction| (valid_units > 0).then(|| amount.to_f64() / allowed.to_f64());
        let minutes_each = if counts_time {
            width.as_minutes_f64()
        } else {
            counted.length().as_minutes_f64() / valid_units.max(1) as f64
        };
        let budget_share = target.error_budget().to_f64();
        let known = |minutes: f64| (valid_units > 0).then_some(minutes);
        let minutes = Minutes {
            allowed: if counts_time {
                allowed.to_f64() * minutes_each
            } else {
                counted.length().as_minutes_f64() * budget_share
            },
            spent: known(spent.to_f64() * minutes_each),
            remaining: known(remaining.to_f64() * minutes_each),
            allowed_whole_window: window.full.length().as_minutes_f64() * budget_share,
        };
        let calendar = is_calendar.then(|| CalendarBudget {
            period: window.full,
            elapsed_share: counted.length().as_seconds_f64()
                / window.full.length().as_seconds_f64(),
            bad_so_far: spent,
            budget_at_traffic_so_far: allowed,
            projection: project(valid_units, allowed, spent, counted, window.full),
        });
        Self {
            counted,
            unit: if counts_time { Unit::Slices } else { Unit::Events },
            valid: events.valid(),
            good: events.good(),
            bad: events.bad(),
            undecided: events.undecided(),
            slices: counts_time.then_some(valid_units),
            sli: units.error_ratio().map(|ratio| sli(valid_units, spent, ratio)),
            target,
            allowed,
            spent,
            remaining,
            spent_share: share(spent),
            remaining_share: share(remaining),
            minutes,
            calendar,
        }
    }
}

/// What was counted of a window.
pub(crate) struct Count {
    /// The elapsed window up to its last complete slot.
    pub(crate) counted: Interval,
    /// The length of what is counted.
    pub(crate) width: Duration,
    pub(crate) events: Tally,
    pub(crate) units: Sum,
    /// The bad units.
    pub(crate) spent: Fraction,
}

/// The elapsed window up to its last complete slot, or slice, of `width`.
pub(crate) fn counted(width: Duration, elapsed: Interval) -> Interval {
    let end = elapsed.end().floor(width).max(elapsed.start());
    Interval::new(elapsed.start(), end).unwrap_or(elapsed)
}

/// The share of good; from the integers where there are any, so that 0.95 prints as 0.95.
fn sli(units: u64, bad: Fraction, error_ratio: f64) -> f64 {
    match Fraction::whole(units).checked_sub(bad) {
        Some(good) => good.to_f64() / units as f64,
        None => 1.0 - error_ratio,
    }
}

/// A difference that does not fit 127 bits, to 2^-40.
fn coarse(allowed: Fraction, spent: Fraction) -> Fraction {
    const ONE: f64 = 1_099_511_627_776.0;
    #[expect(clippy::cast_possible_truncation, reason = "held at the ends of i128, only shown")]
    let scaled = ((allowed.to_f64() - spent.to_f64()) * ONE) as i128;
    Fraction::new(scaled, 1 << 40).unwrap_or(Fraction::ZERO)
}

fn project(
    valid_units: u64,
    allowed: Fraction,
    spent: Fraction,
    counted: Interval,
    full: Interval,
) -> Option<Projection> {
    if valid_units == 0 || counted.is_empty() {
        return None;
    }
    let growth = full.length().as_seconds_f64() / counted.length().as_seconds_f64();
    let (allowed, bad) = (allowed.to_f64() * growth, spent.to_f64());
    Some(Projection {
        valid: valid_units as f64 * growth,
        bad: bad * growth,
        allowed,
        remaining_now: allowed - bad,
        remaining_at_end: allowed - bad * growth,
    })
}

impl Coverage {
    /// How much of `counted` is known in `account`.
    pub fn new(account: &Account<'_>, counted: Interval, frame: &Frame<'_>) -> Self {
        let units = account.units();
        let width = units.width();
        let range = units.range(counted);
        let seen = Seen::new(range.len() as u64, counted, width, frame);
        let mut gaps = Vec::new();
        // Under a rule, silence inside the observed span has an agreed meaning: it is no gap.
        let silence_means_something = frame.no_data != NoDataRule::Gap;
        let mut gap_count = 0;
        let mut note = |start, end| {
            let Ok(gap) = Interval::new(start, end) else { return };
            let silent = slots_in(gap, width);
            let unexplained = silent > frame.dropped_in(gap, width)
                && !(silence_means_something && frame.span.contains(start));
            if unexplained {
                gap_count += 1;
                gaps.push(gap);
                // Keeps the list short while it grows, at the cost of a sort now and then.
                if gaps.len() >= 4 * GAPS_MAX {
                    keep_longest(&mut gaps);
                }
            }
        };
        let mut reached = counted.start();
        for slot in &units.slots()[range] {
            let interval = slot.interval(width);
            if interval.start() > reached {
                note(reached, interval.start());
            }
            reached = reached.max(interval.end());
        }
        if reached < counted.end() {
            note(reached, counted.end());
        }
        keep_longest(&mut gaps);
        gaps.sort_unstable_by_key(|gap| gap.start());
        let Seen { observed, expected } = seen;
        Self { observed, expected, share: seen.share(), gap_count, gaps }
    }

    /// True when the observed share is at least `floor`, exactly.
    pub fn reaches(&self, floor: Rational) -> bool {
        self.seen().reaches(floor)
    }

    /// Without the gaps.
    pub const fn seen(&self) -> Seen {
        Seen { observed: self.observed, expected: self.expected }
    }
}

/// How much of a window is known, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Slots (or slices) of the counted stretch that hold data or an agreed meaning.
    pub observed: u64,
    /// Slots (or slices) of the counted stretch, without those taken out by corrections.
    pub expected: u64,
}

impl Seen {
    /// Where `known` slots of `width` in `counted` hold data.
    pub(crate) fn new(known: u64, counted: Interval, width: Duration, frame: &Frame<'_>) -> Self {
        let left = |interval| {
            let slots = slots_in(interval, width);
            slots - frame.dropped_in(interval, width).min(slots)
        };
        let expected = left(counted);
        let mut observed = known;
        if frame.no_data != NoDataRule::Gap
            && let Some(known) = counted.intersect(frame.span)
        {
            observed = observed.max(left(known));
        }
        Self { observed: observed.min(expected), expected }
    }

    /// `observed / expected`; 0 when nothing was expected.
    pub fn share(self) -> f64 {
        if self.expected == 0 { 0.0 } else { self.observed as f64 / self.expected as f64 }
    }

    /// True when the observed share is at least `floor`, exactly.
    pub fn reaches(self, floor: Rational) -> bool {
        let observed = u128::from(self.observed) * u128::from(floor.denominator());
        observed >= u128::from(self.expected) * u128::from(floor.numerator())
    }
}

impl serde::Serialize for Seen {
    /// As [`Coverage`], without the gaps.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut seen = serializer.serialize_struct("Seen", 3)?;
        seen.serialize_field("observed", &self.observed)?;
        seen.serialize_field("expected", &self.expected)?;
        seen.serialize_field("share", &self.share())?;
        seen.end()
    }
}

fn keep_longest(gaps: &mut Vec<Interval>) {
    gaps.sort_unstable_by_key(|gap| (std::cmp::Reverse(gap.length()), gap.start()));
    gaps.truncate(GAPS_MAX);
}

/// Whether `target` was kept over `counted`, decided on integers.
///
/// Met is "at or above the target"; [`Status::NoData`] when nothing was valid, unless the frame
/// gives silence a meaning, and when less than `floor` of the window is known.
pub fn status(
    account: &Account<'_>,
    target: Target,
    counted: Interval,
    coverage: &Coverage,
    floor: Rational,
    frame: &Frame<'_>,
) -> (Status, Reason) {
    let range = account.units().range(counted);
    let order = account.compare(&range, Threshold::of(target.error_budget()));
    verdict(order, counted, coverage.reaches(floor), frame)
}

/// What follows from how the bad share of `counted` compares with what is allowed.
pub(crate) fn verdict(
    order: Option<Ordering>,
    counted: Interval,
    is_covered: bool,
    frame: &Frame<'_>,
) -> (Status, Reason) {
    match order {
        _ if !is_covered => (Status::NoData, Reason::CoverageBelowFloor),
        Some(Ordering::Greater) => (Status::Missed, Reason::BudgetOverspent),
        Some(_) => (Status::Met, Reason::WithinBudget),
        None => match frame.no_data {
            _ if counted.intersect(frame.span).is_none() => (Status::NoData, Reason::NothingValid),
            NoDataRule::Gap => (Status::NoData, Reason::NothingValid),
            NoDataRule::Good => (Status::Met, Reason::SilenceIsGood),
            NoDataRule::Bad => (Status::Missed, Reason::SilenceIsBad),
        },
    }
}
