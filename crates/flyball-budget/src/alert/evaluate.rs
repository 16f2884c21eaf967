//! Rules over history: each moment that can change an answer, and what was true then.

mod lookback;
mod skip;

use std::ops::Range;

use flyball_model::{
    AlertRule, Duration, Interval, Severity, Slot, Tally, Target, Timestamp, Window,
};

use self::lookback::Lookback;
use super::rule::{Ready, ready};
use super::watch::{Change, Look, View, Watch};
use crate::account::Account;
use crate::error::BudgetError;
use crate::series::slot_from;
use crate::sum::{Parts, Sum};
use crate::window::window_at;

/// One time that a rule called somebody.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Firing {
    /// The rule.
    pub rule: String,
    /// Whether it woke a person.
    pub severity: Severity,
    /// The end of the slot at which the rule fired.
    pub start: Timestamp,
    /// The end of the slot at which it resolved; `None` while it is still firing.
    pub end: Option<Timestamp>,
    /// The end of the last bad slot of the spell that led to it, known once it resolved; `None` where nothing stands out.
    #[serde(skip)]
    pub spell_end: Option<Timestamp>,
    /// Still firing only because the lookback holds no data to resolve it.
    pub frozen: bool,
    /// The start of the first bad slot of the spell that led to it.
    pub onset: Timestamp,
    /// From the onset to the firing.
    pub detection_delay_seconds: f64,
    /// Valid events in the long lookback when it fired.
    pub valid: u64,
    /// Good events in the long lookback when it fired.
    pub good: u64,
    /// Bad events in the long lookback when it fired.
    pub bad: u64,
    /// The burn factor of the rule, where it has one.
    pub factor: Option<f64>,
    /// The burn over the long lookback when it fired.
    pub burn: f64,
    /// The highest burn over the long lookback while it fired.
    pub burn_peak: f64,
    /// The share of the whole budget that the long lookback had spent when it fired:
    /// `burn × lookback / window`.
    pub spent_in_lookback: f64,
    /// The share of the SLO window's budget spent when it fired, whenever it was spent.
    pub spent_in_window: Option<f64>,
}

/// Every firing of `rules` at the slot ends after `interval`'s start, up to its end, by start.
///
/// Lookbacks reach back before `interval` where the account has data there.
///
/// # Errors
///
/// [`BudgetError::Rule`] for a rule that cannot work: see [`check`](super::check); also when a
/// lookback is not a whole multiple of the account's slots. [`BudgetError::WindowOutOfRange`]
/// when a calendar window cannot be computed.
pub fn evaluate(
    account: &Account<'_>,
    target: Target,
    window: &Window,
    rules: &[AlertRule],
    interval: Interval,
) -> Result<Vec<Firing>, BudgetError> {
    let mut firings = Vec::new();
    for rule in rules {
        let ready = ready(rule, target, window)?;
        firings.extend(Run::new(account, window, &ready, interval)?.firings()?);
    }
    firings.sort_by_key(|firing| firing.start);
    Ok(firings)
}

/// One rule on its way through history.
struct Run<'a> {
    account: &'a Account<'a>,
    window: &'a Window,
    ready: &'a Ready,
    /// Slot numbers: the first and the last end to look at.
    first: i64,
    last: i64,
    /// The slot end looked at now.
    now: i64,
    long: Lookback,
    short: Option<Lookback>,
    /// The SLO's window; its start moves by calendar where that is the window.
    whole: Lookback,
    /// The calendar period that `whole` lies in, up to the slot end that leaves it.
    period: Option<(Interval, i64)>,
}

impl<'a> Run<'a> {
    fn new(
        account: &'a Account<'a>,
        window: &'a Window,
        ready: &'a Ready,
        interval: Interval,
    ) -> Result<Self, BudgetError> {
        let width = account.width();
        ready.fits(width)?;
        let slots = |length: Duration| length.nanos() / width.nanos();
        let window_slots = match window {
            Window::Rolling { length } => slots(*length),
            // Departures do not matter: the start moves by period.
            Window::Calendar(_) => i64::MAX,
        };
        let first = Slot::of(interval.start(), width).0 + 1;
        Ok(Self {
            account,
            window,
            ready,
            first,
            last: Slot::of(interval.end(), width).0,
            now: first,
            long: Lookback::new(ready.long.map_or(window_slots, slots)),
            short: ready.short().map(|short| Lookback::new(slots(short))),
            whole: Lookback::new(window_slots),
            period: None,
        })
    }

    fn firings(mut self) -> Result<Vec<Firing>, BudgetError> {
        let mut firings = Vec::new();
        let mut watch = Watch::new(self.ready);
        let mut now = self.first;
        while now <= self.last {
            self.advance(now)?;
            if let Some(Change::Resolved(firing)) = watch.step(self.ready, self.time(now), &self)? {
                firings.push(firing);
            }
            now = self.next(now, &watch).max(now + 1);
        }
        firings.extend(watch.firing(self.ready));
        Ok(firings)
    }

    /// Moves all lookbacks to end at the start of slot `now`.
    fn advance(&mut self, now: i64) -> Result<(), BudgetError> {
        let slots = self.account.units().slots();
        self.now = now;
        if let Some(short) = &mut self.short {
            short.advance(slots, now);
        }
        if let Window::Calendar(_) = self.window {
            let width = self.account.width();
            if self.period.is_none_or(|(_, leaves)| now >= leaves) {
                let full = window_at(self.window, self.time(now))?.full;
                self.period = Some((full, Slot::of(full.end(), width).0 + 1));
            }
            if let Some((period, _)) = self.period {
                let start = slot_from(period.start(), width).0.min(now);
                self.whole.advance_from(slots, start, now);
            }
        } else if self.ready.needs_window() {
            self.whole.advance(slots, now);
        }
        if self.ready.long.is_some() {
            self.long.advance(slots, now);
        } else {
            self.long.range = self.whole.range.clone();
        }
        Ok(())
    }

    fn range(&self, look: Look) -> Result<Range<usize>, BudgetError> {
        Ok(match look {
            Look::Long => self.long.range.clone(),
            Look::Short => self.short.as_ref().unwrap_or(&self.long).range.clone(),
            Look::Window if self.ready.needs_window() => self.whole.range.clone(),
            Look::Window => {
                let window = window_at(self.window, self.time(self.now))?;
                self.account.units().range(window.elapsed)
            }
        })
    }

    fn looked_at(&self) -> Interval {
        self.ready.looked_at(self.time(self.now), self.period())
    }

    fn time(&self, slot: i64) -> Timestamp {
        Slot(slot).interval(self.account.width()).start()
    }
}

impl View for Run<'_> {
    type Error = BudgetError;

    fn units(&self, look: Look) -> Result<Sum, BudgetError> {
        Ok(match look {
            Look::Long => self.account.sum(&self.long.range),
            _ => self.account.sum(&self.range(look)?),
        })
    }

    fn parts(&self, look: Look) -> Result<Parts, BudgetError> {
        Ok(self.account.parts(&self.range(look)?))
    }

    fn events(&self) -> Tally {
        self.account.events().sum(self.looked_at())
    }

    fn fresh(&self, let_go: Timestamp) -> (Tally, Sum) {
        let long = self.looked_at();
        let fresh = Interval::new(let_go.max(long.start()), long.end()).unwrap_or(long);
        let units = self.account.units().range(fresh);
        (self.account.events().sum(fresh), self.account.sum(&units))
    }

    fn period(&self) -> Option<Interval> {
        self.period.map(|(period, _)| period)
    }

    fn spell(&self, from: Timestamp, mut push: impl FnMut(Slot, &Sum)) -> Result<(), BudgetError> {
        let (units, now) = (self.account.units(), self.time(self.now));
        for index in units.range(Interval::new(from.min(now), now).map_err(BudgetError::from)?) {
            push(units.slots()[index], &self.account.sum(&(index..index + 1)));
        }
        Ok(())
    }

    fn width(&self) -> Duration {
        self.account.width()
    }
}
