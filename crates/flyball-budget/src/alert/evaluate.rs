//! Rules over history: each moment that can change an answer, and what was true then.

mod lookback;
mod skip;

use std::cmp::Ordering;
use std::ops::Range;

use flyball_model::{
    AlertRule, Comparison, Duration, Evidence, Interval, Severity, Slot, Target, Timestamp, Window,
};

use self::lookback::Lookback;
use super::evidence::exceeds;
use super::onset::onset;
use super::rule::{Check, Ready, ready};
use crate::account::Account;
use crate::error::{BudgetError, RuleProblem};
use crate::exact::Natural;
use crate::series::slot_from;
use crate::window::{nominal_length, window_at};

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
        firings.extend(Run::new(account, target, window, &ready, interval)?.firings()?);
    }
    firings.sort_by_key(|firing| firing.start);
    Ok(firings)
}

/// A condition's answer; unknown when a lookback holds nothing valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    True,
    False,
    Unknown,
}

/// The state of a rule.
#[derive(Debug)]
enum State {
    Idle,
    /// True since the end of this slot, but not yet for long enough, or without evidence.
    Pending(i64),
    Firing(Firing),
}

/// One rule on its way through history.
struct Run<'a> {
    account: &'a Account<'a>,
    target: Target,
    window: &'a Window,
    ready: &'a Ready<'a>,
    /// Slot numbers: the first and the last end to look at.
    first: i64,
    last: i64,
    long: Lookback,
    short: Option<Lookback>,
    /// The SLO's window; its start moves by calendar where that is the window.
    whole: Lookback,
    /// The calendar period that `whole` lies in, up to the slot end that leaves it.
    period: Option<(Interval, i64)>,
    hold: i64,
}

impl<'a> Run<'a> {
    fn new(
        account: &'a Account<'a>,
        target: Target,
        window: &'a Window,
        ready: &'a Ready<'a>,
        interval: Interval,
    ) -> Result<Self, BudgetError> {
        let width = account.width();
        let whole_slots = |lookback: Duration| {
            if lookback.is_multiple_of(width) {
                return Ok(lookback.nanos() / width.nanos());
            }
            let problem = Box::new(RuleProblem::NotWholeSlots { lookback, width });
            Err(BudgetError::Rule { rule: ready.rule.name.clone(), problem })
        };
        let window_slots = match window {
            Window::Rolling { length } => length.nanos() / width.nanos(),
            // Departures do not matter: the start moves by period.
            Window::Calendar(_) => i64::MAX,
        };
        let short = match ready.check {
            Check::Ratio { short: Some(short), .. } => Some(Lookback::new(whole_slots(short)?)),
            _ => None,
        };
        let hold = ready.rule.hold.nanos();
        Ok(Self {
            account,
            target,
            window,
            ready,
            first: Slot::of(interval.start(), width).0 + 1,
            last: Slot::of(interval.end(), width).0,
            long: Lookback::new(ready.long.map_or(Ok(window_slots), whole_slots)?),
            short,
            whole: Lookback::new(window_slots),
            period: None,
            // A hold that ends inside a slot is seen at that slot's end.
            hold: hold.div_euclid(width.nanos()) + i64::from(hold % width.nanos() != 0),
        })
    }

    fn firings(mut self) -> Result<Vec<Firing>, BudgetError> {
        let mut firings = Vec::new();
        let mut state = State::Idle;
        let mut now = self.first;
        let mut answer = Answer::Unknown;
        // When it last resolved.
        let mut let_go = None;
        while now <= self.last {
            self.advance(now)?;
            answer = self.answer(now);
            state = match (state, answer) {
                (State::Firing(firing), Answer::False) => {
                    let_go = Some(self.time(now));
                    firings.push(Firing { end: let_go, ..firing });
                    State::Idle
                }
                (State::Firing(mut firing), _) => {
                    firing.burn_peak = firing.burn_peak.max(self.burn().unwrap_or(0.0));
                    State::Firing(firing)
                }
                (State::Pending(_), Answer::False) => State::Idle,
                (state @ (State::Idle | State::Pending(_)), Answer::True) => {
                    let since = if let State::Pending(since) = state { since } else { now };
                    if now - since >= self.hold && self.is_evident(now, let_go) {
                        State::Firing(self.fire(now, since)?)
                    } else {
                        State::Pending(since)
                    }
                }
                (state, _) => state,
            };
            now = self.next(now, &state).max(now + 1);
        }
        if let State::Firing(firing) = state {
            firings.push(Firing { frozen: answer == Answer::Unknown, ..firing });
        }
        Ok(firings)
    }

    /// Moves all lookbacks to end at the start of slot `now`.
    fn advance(&mut self, now: i64) -> Result<(), BudgetError> {
        let slots = self.account.units().slots();
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
        } else if self.needs_window() {
            self.whole.advance(slots, now);
        }
        if self.ready.long.is_some() {
            self.long.advance(slots, now);
        } else {
            self.long.range = self.whole.range.clone();
        }
        Ok(())
    }

    /// Whether the condition looks at the SLO's own window.
    const fn needs_window(&self) -> bool {
        !matches!(self.ready.check, Check::Ratio { .. })
    }

    fn answer(&self, now: i64) -> Answer {
        match self.ready.check {
            Check::Ratio { bound, comparison, .. } => {
                let test = |range| match self.account.compare(range, bound) {
                    None => Answer::Unknown,
                    Some(order) if holds(order, comparison) => Answer::True,
                    Some(_) => Answer::False,
                };
                let long = test(&self.long.range);
                match &self.short {
                    // A pair is false as soon as one side is, whatever is unknown of the other.
                    Some(short) if long != Answer::False => match test(&short.range) {
                        Answer::True => long,
                        other => other,
                    },
                    _ => long,
                }
            }
            Check::Remaining { bound } => {
                let (elapsed, full) = self.shares(now);
                match self.account.compare_scaled(
                    &self.whole.range,
                    &[elapsed, bound.denominator()],
                    &[full, bound.numerator()],
                ) {
                    None => Answer::Unknown,
                    Some(Ordering::Greater) => Answer::True,
                    Some(_) => Answer::False,
                }
            }
            Check::Exhaustion { within } => self.exhausts(now, within),
        }
    }

    /// Elapsed and full length of the window, in nanoseconds.
    fn shares(&self, now: i64) -> (u128, u128) {
        let nanos = |length: Duration| u128::from(length.nanos().unsigned_abs());
        if let Some((period, _)) = self.period {
            return (nanos(self.time(now).since(period.start())), nanos(period.length()));
        }
        let length = nanos(nominal_length(self.window));
        (length, length)
    }

    /// Whether the rest of the budget would be gone within the horizon.
    ///
    /// With V valid and B bad units in the window so far, of which `elapsed` of `full` has
    /// passed, and v and b in the lookback, at an allowed share e: the rest of the whole budget is
    /// `1 - B elapsed / (V e full)`, it goes at `b / (v e full)` a unit of time, so it is gone
    /// within h when `V e full v <= B elapsed v + h b V`.
    fn exhausts(&self, now: i64, within: Duration) -> Answer {
        let (whole, recent) = (&self.whole.range, &self.long.range);
        let (valid, recent_valid) =
            (self.account.valid_units(whole), self.account.valid_units(recent));
        if valid == 0 || recent_valid == 0 {
            return Answer::Unknown;
        }
        if self.account.is_spotless(recent) {
            return Answer::False;
        }
        let (elapsed, full) = self.shares(now);
        let budget = self.target.error_budget();
        let within = u128::from(within.nanos().unsigned_abs());
        let ratio = |range| self.account.error_ratio(range).unwrap_or(0.0);
        let left = budget.to_f64() * full as f64;
        let right = ratio(whole) * elapsed as f64 + within as f64 * ratio(recent);
        // Doubles settle it unless they are within their own rounding of each other.
        if (left - right).abs() > 1e-9 * left.max(right) {
            return if left <= right { Answer::True } else { Answer::False };
        }
        let bad = |range: &Range<usize>| {
            let bad = self.account.bad_units(range);
            (bad.numerator().unsigned_abs(), bad.denominator())
        };
        let ((bad, bad_over), (recent_bad, recent_over)) = (bad(whole), bad(recent));
        let share = u128::from(budget.denominator());
        let (valid, recent_valid) = (u128::from(valid), u128::from(recent_valid));
        let left = Natural::product(&[valid, u128::from(budget.numerator()), full, recent_valid])
            .times(bad_over)
            .times(recent_over);
        let right = Natural::product(&[bad, share, elapsed, recent_valid, recent_over])
            .plus(&Natural::product(&[within, recent_bad, share, valid, bad_over]));
        if left <= right { Answer::True } else { Answer::False }
    }

    /// The error ratio that the condition asks the long lookback to exceed, for evidence.
    fn asked_ratio(&self, now: i64) -> f64 {
        let budget = self.target.error_budget().to_f64();
        let (elapsed, full) = self.shares(now);
        let elapsed_share = elapsed as f64 / full as f64;
        match self.ready.check {
            Check::Ratio { bound, .. } => bound.to_f64(),
            Check::Remaining { bound } => bound.to_f64() / elapsed_share,
            Check::Exhaustion { within } => {
                let spent = self.account.error_ratio(&self.whole.range).unwrap_or(0.0);
                let rest = (budget - spent * elapsed_share).max(0.0);
                rest * full as f64 / within.nanos() as f64
            }
        }
    }

    /// Whether the rule's evidence is there at `now`, for a rule that resolved at `let_go`.
    ///
    /// What was evidence of one firing is not evidence of the next: while an incident is still in
    /// the long lookback, one failure would do for the short one. So a rate has to be evident a
    /// second time among what came after. What remains of a budget is a sum, not a rate: all of
    /// the window speaks for it, always.
    fn is_evident(&self, now: i64, let_go: Option<Timestamp>) -> bool {
        let Some(evidence) = self.ready.rule.evidence else { return true };
        let long = self.long_interval(now);
        let valid = self.account.events().sum(long).valid();
        if valid < evidence.valid_min || !self.supports(evidence, long, now) {
            return false;
        }
        match (let_go, self.ready.check) {
            (None, _) | (_, Check::Remaining { .. }) => true,
            (Some(let_go), _) => Interval::new(let_go.max(long.start()), long.end())
                .is_ok_and(|fresh| self.supports(evidence, fresh, now)),
        }
    }

    /// Whether what is bad in `part` of the lookback is enough, and no matter of chance.
    fn supports(&self, evidence: Evidence, part: Interval, now: i64) -> bool {
        let events = self.account.events().sum(part);
        if events.bad() < evidence.bad_min {
            return false;
        }
        let Some(confidence) = evidence.confidence else { return true };
        // Whole units are trials; the ratios of slices are not, so there events are.
        let (bad, valid) = if self.account.counts_whole_units() {
            let units = self.account.units();
            let range = units.range(part);
            (units.bad_range(&range), self.account.valid_units(&range))
        } else {
            (events.bad(), events.valid())
        };
        exceeds(bad, valid, self.asked_ratio(now), confidence.to_f64())
    }

    fn long_interval(&self, now: i64) -> Interval {
        let end = self.time(now);
        match (self.ready.long, self.period) {
            (Some(long), _) => Interval::ending(end, long),
            (None, Some((period, _))) => {
                Interval::new(period.start().min(end), end).unwrap_or(period)
            }
            (None, None) => Interval::ending(end, nominal_length(self.window)),
        }
    }

    fn burn(&self) -> Option<f64> {
        let ratio = self.account.error_ratio(&self.long.range)?;
        Some(ratio / self.target.error_budget().to_f64())
    }

    /// The firing at `now` of a condition that has been true since `since`.
    fn fire(&self, now: i64, since: i64) -> Result<Firing, BudgetError> {
        let start = self.time(now);
        let budget = self.target.error_budget().to_f64();
        let bound = match self.ready.check {
            Check::Ratio { bound, .. } => bound.to_f64(),
            Check::Remaining { .. } | Check::Exhaustion { .. } => budget,
        };
        let units = self.account.units();
        // What made the condition true lies in the lookback of the moment it became true.
        let earliest = self.long_interval(since).start();
        let spell = Interval::new(earliest.min(start), start)?;
        let onset = onset(self.account, units.range(spell), bound)
            .map_or(start, |index| units.slots()[index].interval(units.width()).start());
        let looked_at = self.long_interval(now);
        let events = self.account.events().sum(looked_at);
        let burn = self.burn().unwrap_or(0.0);
        let window = window_at(self.window, start)?;
        let spent = self.account.error_ratio(&units.range(window.elapsed));
        let lookback = looked_at.length().as_seconds_f64();
        Ok(Firing {
            rule: self.ready.rule.name.clone(),
            severity: self.ready.rule.severity,
            start,
            end: None,
            frozen: false,
            onset,
            detection_delay_seconds: start.since(onset).as_seconds_f64(),
            valid: events.valid(),
            good: events.good(),
            bad: events.bad(),
            factor: self.ready.factor,
            burn,
            burn_peak: burn,
            spent_in_lookback: burn * lookback / nominal_length(self.window).as_seconds_f64(),
            spent_in_window: spent.map(|ratio| ratio / budget),
        })
    }

    fn time(&self, slot: i64) -> Timestamp {
        Slot(slot).interval(self.account.width()).start()
    }
}

/// Whether an order of observed against bound satisfies the comparison.
pub(super) const fn holds(order: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Above => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
        Comparison::Below => order.is_lt(),
        Comparison::AtMost => order.is_le(),
    }
}
