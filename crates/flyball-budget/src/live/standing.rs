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
use crate::forecast::{Basis, Forecast, Rate};
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
    /// The same at a shorter lookback of the SLO at which more goes bad, and not by chance, where the budget is gone before
    /// the usual one would have passed, also at the latest: it would see that too late. Of several the soonest; `None`
    /// without one.
    pub forecast_recent: Option<Forecast>,
    /// Who is being called now.
    pub firings: Vec<Firing>,
    /// Rules that cannot work for this objective, and why.
    pub rule_errors: Vec<String>,
}

/// Forecasts at different rates.
struct Forecasts {
    usual: Forecast,
    firing: Option<Forecast>,
    recent: Option<Forecast>,
}

impl Standing {
    /// What is to be expected if nobody does anything: at the rate of what fires or of what began just now, the sooner of
    /// both; else of the usual lookback.
    pub fn outlook(&self) -> &Forecast {
        let steeper = [&self.forecast_recent, &self.forecast_firing].into_iter().flatten();
        let soonest = steeper.min_by(|one, two| one.hours_left().total_cmp(&two.hours_left()));
        soonest.unwrap_or(&self.forecast)
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
        let Forecasts { usual, firing, recent } = self.forecasts(plan, history)?;
        Ok(Standing {
            status,
            reason,
            window: self.window(plan)?,
            budget: self.budget(plan, history)?,
            coverage: self.seen(plan),
            burns: self.burns(plan).collect(),
            forecast: usual,
            forecast_firing: firing,
            forecast_recent: recent,
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
        let mut found = self.forecasts_at(plan, history, &[self.rate(plan, plan.forecast)])?;
        Ok(found.remove(0))
    }

    /// The usual forecast; that from the long lookback of the rule that fires at the highest burn; and that of the lookback
    /// at which the budget is gone before the usual one sees it. The window is walked once for all.
    fn forecasts<H: History>(
        &self,
        plan: &Plan,
        history: &H,
    ) -> Result<Forecasts, LiveError<H::Error>> {
        let usual = self.rate(plan, plan.forecast);
        let firing = self.watches.iter().zip(&plan.rules).filter(|(watch, _)| watch.is_firing());
        let ratio = |rate: &Rate| rate.recent.error_ratio().unwrap_or(0.0);
        let firing = firing.filter_map(|(_, rule)| Some(self.rate(plan, rule.long?)));
        let fastest = firing.max_by(|one, two| ratio(one).total_cmp(&ratio(two)));
        let shorter = plan.reported.iter().map(|place| self.rate(plan, *place));
        let steeper =
            shorter.filter(|rate| rate.lookback < usual.lookback && rate.is_above(&usual));
        let rates: Vec<Rate> = [usual].into_iter().chain(fastest).chain(steeper).collect();
        let mut found = self.forecasts_at(plan, history, &rates)?.into_iter();
        let unknown = || Forecast::unknown(usual.lookback);
        let first = found.next().unwrap_or_else(unknown);
        let firing = fastest.and_then(|_| found.next());
        let hours = |of: &Forecast| of.hours.unwrap_or(f64::INFINITY);
        let too_late = usual.lookback.as_seconds_f64() / 3600.0;
        let recent = found.filter(|of| of.hours_latest.is_some_and(|hours| hours < too_late));
        let recent = recent.min_by(|one, two| hours(one).total_cmp(&hours(two)));
        Ok(Forecasts { usual: first, firing, recent })
    }

    /// The rate of the lookback in `place`.
    fn rate(&self, plan: &Plan, place: usize) -> Rate {
        Rate { lookback: plan.lengths[place], recent: self.sums.stretch(Some(place)).units }
    }

    fn forecasts_at<H: History>(
        &self,
        plan: &Plan,
        history: &H,
        rates: &[Rate],
    ) -> Result<Vec<Forecast>, LiveError<H::Error>> {
        let (window, end) = (self.sums.window(), self.sums.end());
        let basis = Basis {
            counted: self.counted(plan),
            full: self.window(plan)?.full,
            is_calendar: window.period.is_some(),
            target: plan.target,
            since: plan.since,
            width: plan.unit,
            whole: window.units,
        };
        let from = first_unit(plan, window.start);
        let forecasts = basis.forecast(
            rates,
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
        forecasts.map_err(LiveError::History)
    }
}
