//! What is kept of one objective, worked out once.

use flyball_model::{
    BudgetingMethod, Correction, CorrectionMode, Duration, Interval, NoDataRule, Rational, Slo,
    Slot, Tally, Target, Timestamp, Window,
};

use crate::account::{Frame, holds, keeps, one, slice_target, slice_width};
use crate::alert::{Ready, ready};
use crate::correction::{corrected, expand, stretches};
use crate::error::BudgetError;
use crate::report::forecast_lookback;
use crate::sum::Kind;

/// What is kept of one objective of an SLO: how it is counted, which stretches of time are summed,
/// which rules are watched. Slices of the objective share it.
#[derive(Debug)]
pub struct Plan {
    pub(super) kind: Kind,
    /// The length of the ledger's slots.
    pub(super) slot: Duration,
    /// The length of what is counted: a slot, or a time slice.
    pub(super) unit: Duration,
    /// How many slots make a unit.
    pub(super) slots_each: i64,
    /// `Timeslices` only: the share of good that makes a slice good.
    slice_target: Option<Rational>,
    pub(super) target: Target,
    pub(super) window: Window,
    pub(super) no_data: NoDataRule,
    pub(super) coverage_floor: Rational,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// What corrections take out, and what they count as good.
    dropped: Vec<Interval>,
    good: Vec<Interval>,
    /// Every lookback, once.
    pub(super) lengths: Vec<Duration>,
    /// Which of `lengths` are reported, and which one the forecast takes its rate from.
    pub(super) reported: Vec<usize>,
    pub(super) forecast: usize,
    pub(super) rules: Vec<Watched>,
    refused: Vec<String>,
}

/// A rule and which of a plan's lengths it looks at.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) ready: Ready,
    /// `None` is the SLO's window.
    pub(super) long: Option<usize>,
    pub(super) short: Option<usize>,
}

impl Plan {
    /// The plan for objective `objective` of `slo`, counted in slots of `slot`.
    ///
    /// `since` is when collection began: before it silence means nothing, and the first slot end
    /// after it is the first that rules are looked at. `until` is how far ahead recurring
    /// corrections are expanded; a plan that differs in `until` alone may take over at any time.
    ///
    /// Composites are joined from their components' budgets by the caller; here each component is
    /// an objective as any other.
    ///
    /// # Errors
    ///
    /// [`BudgetError::MissingField`], [`BudgetError::NotWholeSlots`] and
    /// [`BudgetError::IndicatorMismatch`] for an objective that cannot be counted or is not there,
    /// [`BudgetError::EmptyWindow`], and what [`expand`] refuses. A rule that cannot work is
    /// listed in [`Self::refused`] and stops nothing.
    pub fn new(
        slo: &Slo,
        objective: usize,
        slot: Duration,
        corrections: &[Correction],
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Self, BudgetError> {
        let Some(promise) = slo.objectives.get(objective) else {
            let (expected, given) = (objective + 1, slo.objectives.len());
            return Err(BudgetError::IndicatorMismatch { expected, given });
        };
        if slot.is_zero() {
            return Err(BudgetError::ZeroWidth);
        }
        if matches!(slo.window, Window::Rolling { length } if length.is_zero()) {
            return Err(BudgetError::EmptyWindow);
        }
        let (kind, unit, judged_by) = match slo.method {
            BudgetingMethod::Occurrences => (Kind::Events, slot, None),
            BudgetingMethod::Timeslices => {
                let name = "Timeslices";
                let unit = slice_width(promise, name)?;
                (Kind::Slices, unit, Some(slice_target(promise, name)?))
            }
            BudgetingMethod::RatioTimeslices => {
                (Kind::Ratios, slice_width(promise, "RatioTimeslices")?, None)
            }
        };
        if !unit.is_multiple_of(slot) {
            let what = "a time slice";
            return Err(BudgetError::NotWholeSlots { what, length: unit, width: slot });
        }
        let expanded = expand(corrections, &slo.name, Interval::new(since, until)?)?;
        let mut lengths: Vec<Duration> = Vec::new();
        let mut place = |length: Duration| {
            lengths.iter().position(|known| *known == length).unwrap_or_else(|| {
                lengths.push(length);
                lengths.len() - 1
            })
        };
        let reported = slo.lookbacks.iter().map(|lookback| place(*lookback)).collect();
        let forecast = place(forecast_lookback(&slo.lookbacks, &slo.window));
        let (mut rules, mut refused) = (Vec::new(), Vec::new());
        for rule in &slo.alert_rules {
            let checked = ready(rule, promise.target, &slo.window)
                .and_then(|ready| ready.fits(unit).map(|()| ready));
            match checked {
                Ok(ready) => rules.push(Watched {
                    long: ready.long.map(&mut place),
                    short: ready.short().map(&mut place),
                    ready,
                }),
                Err(error) => refused.push(error.to_string()),
            }
        }
        Ok(Self {
            kind,
            slot,
            unit,
            slots_each: unit.nanos() / slot.nanos(),
            slice_target: judged_by,
            target: promise.target,
            window: slo.window.clone(),
            no_data: slo.no_data,
            coverage_floor: slo.coverage_floor,
            since,
            until,
            dropped: stretches(&expanded, CorrectionMode::Drop),
            good: stretches(&expanded, CorrectionMode::CountAsGood),
            lengths,
            reported,
            forecast,
            rules,
            refused,
        })
    }

    /// The rules that cannot work for this objective, and why.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// When collection began.
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// Up to when corrections are expanded.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// How silence is read up to `at`.
    pub(super) fn frame(&self, at: Timestamp) -> Frame<'_> {
        let span = Interval::starting(self.since, at.since(self.since));
        Frame { span, dropped: &self.dropped, no_data: self.no_data }
    }

    /// The slot's tally after corrections. What is added to a slot is corrected alike.
    pub(super) fn corrected(&self, slot: Slot, tally: Tally) -> Tally {
        if self.dropped.is_empty() && self.good.is_empty() {
            return tally;
        }
        let start = slot.interval(self.slot).start();
        if holds(&self.dropped, start) {
            corrected(tally, CorrectionMode::Drop)
        } else if holds(&self.good, start) {
            corrected(tally, CorrectionMode::CountAsGood)
        } else {
            tally
        }
    }

    /// The unit that holds a slot.
    pub(super) const fn unit_of(&self, slot: Slot) -> i64 {
        slot.0.div_euclid(self.slots_each)
    }

    /// Whether silent units can count.
    pub(super) fn fills_silence(&self) -> bool {
        self.kind != Kind::Events && self.no_data != NoDataRule::Gap
    }

    /// A unit as the method counts it, from its events.
    pub(super) fn judged(&self, unit: i64, events: Tally) -> Tally {
        if self.kind == Kind::Events {
            return events;
        }
        if events.is_empty() {
            let start = Slot(unit).interval(self.unit).start();
            return match self.no_data {
                NoDataRule::Gap => Tally::EMPTY,
                _ if start < self.since || holds(&self.dropped, start) => Tally::EMPTY,
                NoDataRule::Good => one(true),
                NoDataRule::Bad => one(false),
            };
        }
        match self.slice_target {
            Some(asked) => one(keeps(events, asked)),
            None => events,
        }
    }
}
