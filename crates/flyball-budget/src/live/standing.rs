//! What is said of a live objective at the moment it has advanced to.

use std::ops::ControlFlow;

use flyball_model::{Interval, Slot};

use super::read::{first_unit, starts, walk};
use super::view::parts;
use super::{History, Live, LiveError, Plan};
use crate::alert::Firing;
use crate::budget::{Budget, Count, Reason, Seen, Status, verdict};
use crate::burn::Burn;
use crate::error::BudgetError;
use crate::exact::Threshold;
use crate::forecast::{Basis, Forecast};
use crate::sum::Sum;
use crate::window::{WindowAt, window_at};

/// What can be said of a live objective, or of one slice of it: the keys of
/// [`Assessment`](crate::report::Assessment), without those that take a walk over its history.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Standing {
    /// Whether the promise is kept.
    pub status: Status,
    /// Why the status is what it is.
    pub reason: Reason,
    /// The window of the promise, up to the last complete slot.
    pub window: WindowAt,
    /// The budget over the window.
    pub budget: Budget,
    /// How much of the window is known.
    pub coverage: Seen,
    /// The burn over each lookback.
    pub burns: Vec<Burn>,
    /// When the budget will be gone.
    pub forecast: Forecast,
    /// The same at the rate of the rule that fires at the highest burn: what is to be expected if nobody does
    /// anything; `None` while none fires.
    pub forecast_firing: Option<Forecast>,
    /// Who is being called now.
    pub firings: Vec<Firing>,
    /// Rules that cannot work for this objective, and why.
    pub rule_errors: Vec<String>,
}

impl Standing {
    /// What is to be expected if nobody does anything: at the rate of what fires, else of the usual lookback.
    pub fn outlook(&self) -> &Forecast {
        self.forecast_firing.as_ref().unwrap_or(&self.forecast)
    }
}

impl Live {
    /// Everything that can be said at the moment advanced to.
    ///
    /// # Errors
    ///
    /// As [`Self::budget`], [`Self::status`] and [`Self::forecast`].
    pub fn standing<H: History>(
        &self,
        plan: &Plan,
        history: &H,
    ) -> Result<Standing, LiveError<H::Error>> {
        let (status, reason) = self.status(plan, history)?;
        Ok(Standing {
            status,
            reason,
            window: self.window(plan)?,
            budget: self.budget(plan, history)?,
            coverage: self.seen(plan),
            burns: self.burns(plan).collect(),
            forecast: self.forecast(plan, history)?,
            forecast_firing: self.forecast_firing(plan, history)?,
            firings: self.firings(plan),
            rule_errors: plan.refused().to_vec(),
        })
    }

    /// The window of the promise, up to the last complete unit.
    ///
    /// # Errors
    ///
    /// [`BudgetError::WindowOutOfRange`] where a calendar window cannot be computed.
    pub fn window(&self, plan: &Plan) -> Result<WindowAt, BudgetError> {
        window_at(&plan.window, starts(plan, self.sums.end()))
    }

    /// The stretch that is counted: all of it has ended.
    fn counted(&self, plan: &Plan) -> Interval {
        let (start, end) = (self.sums.window().start, starts(plan, self.sums.end()));
        Interval::starting(start, end.since(start))
    }

    /// How much of the window is known.
    pub fn seen(&self, plan: &Plan) -> Seen {
        let known = self.sums.window().units.known;
        Seen::new(known, self.counted(plan), plan.unit, &plan.frame(self.at))
    }

    /// Whether the promise is kept, and why.
    ///
    /// # Errors
    ///
    /// [`LiveError::History`], under `RatioTimeslices` only.
    pub fn status<H: History>(
        &self,
        plan: &Plan,
        history: &H,
    ) -> Result<(Status, Reason), LiveError<H::Error>> {
        let window = self.sums.window();
        let allowed = Threshold::of(plan.target.error_budget());
        let order = window
            .units
            .compare(allowed, || parts(plan, history, window.start, self.sums.end()))
            .map_err(LiveError::History)?;
        let is_covered = self.seen(plan).reaches(plan.coverage_floor);
        Ok(verdict(order, self.counted(plan), is_covered, &plan.frame(self.at)))
    }

    /// The budget over the window. Reads the window from the ledger under `RatioTimeslices` only.
    ///
    /// # Errors
    ///
    /// [`LiveError::History`], and [`LiveError::Budget`] where a calendar window cannot be
    /// computed.
    pub fn budget<H: History>(
        &self,
        plan: &Plan,
        history: &H,
    ) -> Result<Budget, LiveError<H::Error>> {
        let window = self.sums.window();
        let spent = window
            .units
            .bad_units(|| parts(plan, history, window.start, self.sums.end()))
            .map_err(LiveError::History)?;
        let count = Count {
            counted: self.counted(plan),
            width: plan.unit,
            events: window.events,
            units: window.units,
            spent,
        };
        Ok(Budget::of(&count, plan.target, self.window(plan)?, window.period.is_some()))
    }

    /// The burn over each of the SLO's lookbacks, in their order.
    pub fn burns(&self, plan: &Plan) -> impl Iterator<Item = Burn> {
        plan.reported.iter().map(|place| {
            let stretch = self.sums.stretch(Some(*place));
            Burn::of(plan.lengths[*place], plan.target, stretch.events, &stretch.units)
        })
    }

    /// When the budget will be gone. Plays a rolling window forward, which reads it from the
    /// ledger unless sums settle the answer.
    ///
    /// # Errors
    ///
    /// [`LiveError::History`], and [`LiveError::Budget`] where a calendar window cannot be
    /// computed.
    pub fn forecast<H: History>(
        &self,
        plan: &Plan,
        history: &H,
    ) -> Result<Forecast, LiveError<H::Error>> {
        self.forecast_from(plan, history, plan.forecast)
    }

    /// The same from the long lookback of the rule that fires at the highest burn; `None` while none with a lookback
    /// of its own fires.
    ///
    /// # Errors
    ///
    /// As [`Self::forecast`].
    pub fn forecast_firing<H: History>(
        &self,
        plan: &Plan,
        history: &H,
    ) -> Result<Option<Forecast>, LiveError<H::Error>> {
        let firing = self.watches.iter().zip(&plan.rules).filter(|(watch, _)| watch.is_firing());
        let ratio = |place: &usize| self.sums.stretch(Some(*place)).units.error_ratio();
        let fastest = firing
            .filter_map(|(_, rule)| rule.long)
            .max_by(|one, two| ratio(one).unwrap_or(0.0).total_cmp(&ratio(two).unwrap_or(0.0)));
        fastest.map(|place| self.forecast_from(plan, history, place)).transpose()
    }

    fn forecast_from<H: History>(
        &self,
        plan: &Plan,
        history: &H,
        place: usize,
    ) -> Result<Forecast, LiveError<H::Error>> {
        let (window, end) = (self.sums.window(), self.sums.end());
        let basis = Basis {
            counted: self.counted(plan),
            full: self.window(plan)?.full,
            is_calendar: window.period.is_some(),
            target: plan.target,
            lookback: plan.lengths[place],
            since: plan.since,
            width: plan.unit,
            whole: window.units,
            recent: self.sums.stretch(Some(place)).units,
        };
        let from = first_unit(plan, window.start);
        let forecast = basis.forecast(
            || parts(plan, history, window.start, end),
            |each| {
                walk(plan, history, from, end, |unit, events| {
                    let judged = plan.judged(unit, events);
                    if judged.is_empty() {
                        return ControlFlow::Continue(());
                    }
                    each(Slot(unit), &Sum::of(plan.kind, judged))
                })
            },
        );
        forecast.map_err(LiveError::History)
    }
}
