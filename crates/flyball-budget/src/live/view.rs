//! What a rule sees of a live objective.

use std::ops::ControlFlow;

use flyball_model::{Duration, Interval, Slot, Tally, Timestamp};

use super::plan::Watched;
use super::read::{first_unit, walk};
use super::sums::{Stretch, Sums};
use super::{History, LiveError, Plan, SILENT_MIN};
use crate::alert::{Look, View};
use crate::sum::{Kind, Parts, Sum};

/// One rule's view of the sums.
pub(super) struct Eye<'a, H> {
    pub(super) plan: &'a Plan,
    pub(super) rule: &'a Watched,
    /// The rule's place in the plan.
    pub(super) index: usize,
    pub(super) sums: &'a Sums,
    pub(super) history: &'a H,
}

impl<H: History> Eye<'_, H> {
    /// Whether nobody asks any more; see [`Live::release_silent`](super::Live::release_silent).
    pub(super) fn is_silent(&self) -> bool {
        let valid = self.events().valid();
        if valid == 0 {
            return true;
        }
        let (Some(long), Some(short)) = (self.rule.ready.long, self.rule.ready.short()) else {
            return false;
        };
        let nanos = |length: Duration| u128::from(length.nanos().unsigned_abs());
        let expected = u128::from(valid) * nanos(short) / nanos(long).max(1);
        !self.goes_on() && expected >= u128::from(SILENT_MIN)
    }

    /// Whether anything valid is in the shortest lookback.
    pub(super) fn goes_on(&self) -> bool {
        let look = if self.rule.short.is_some() { Look::Short } else { Look::Long };
        self.stretch(look).events.valid() > 0
    }

    fn stretch(&self, look: Look) -> &Stretch {
        self.sums.stretch(match look {
            Look::Long => self.rule.long,
            Look::Short => self.rule.short,
            Look::Window => None,
        })
    }
}

impl<H: History> View for Eye<'_, H> {
    type Error = LiveError<H::Error>;

    fn units(&self, look: Look) -> Result<Sum, Self::Error> {
        Ok(self.stretch(look).units)
    }

    fn parts(&self, look: Look) -> Result<Parts, Self::Error> {
        parts(self.plan, self.history, self.stretch(look).start, self.sums.end())
            .map_err(LiveError::History)
    }

    fn events(&self) -> Tally {
        self.stretch(Look::Long).events
    }

    fn fresh(&self, _: Timestamp) -> (Tally, Sum) {
        if let Some(fresh) = self.sums.fresh(self.index) {
            return (fresh.events, fresh.units);
        }
        let long = self.stretch(Look::Long);
        (long.events, long.units)
    }

    fn period(&self) -> Option<Interval> {
        self.sums.window().period
    }

    fn spell(&self, from: Timestamp, mut push: impl FnMut(Slot, &Sum)) -> Result<(), Self::Error> {
        let (plan, from) = (self.plan, first_unit(self.plan, from));
        walk(plan, self.history, from, self.sums.end(), |unit, events| {
            let judged = plan.judged(unit, events);
            if !judged.is_empty() {
                push(Slot(unit), &Sum::of(plan.kind, judged));
            }
            ControlFlow::Continue(())
        })
        .map_err(LiveError::History)
    }

    fn width(&self) -> Duration {
        self.plan.unit
    }
}

/// The ratios from `start` up to the unit `end` one by one; nothing where none are counted.
pub(super) fn parts<H: History>(
    plan: &Plan,
    history: &H,
    start: Timestamp,
    end: i64,
) -> Result<Parts, H::Error> {
    let mut parts = Parts::default();
    if plan.kind == Kind::Ratios {
        walk(plan, history, first_unit(plan, start), end, |unit, events| {
            parts.add(plan.judged(unit, events));
            ControlFlow::Continue(())
        })?;
    }
    Ok(parts)
}
