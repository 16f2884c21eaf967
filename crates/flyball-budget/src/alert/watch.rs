//! One alert rule as a state machine, stepped from slot end to slot end.
//!
//! There is one implementation for all: a replay steps it over a series' prefix sums and leaves out
//! moments at which no answer can change; a live objective steps it over running sums. What the
//! machine sees of either is a [`View`].

use std::cmp::Ordering;

use flyball_model::{Comparison, Duration, Evidence, Interval, Slot, Tally, Timestamp};

use super::evaluate::Firing;
use super::evidence::exceeds;
use super::onset::{Ebb, Onset};
use super::rule::{Check, Ready};
use crate::error::BudgetError;
use crate::exact::Natural;
use crate::sum::{Kind, Parts, Sum};

/// One of the stretches that a rule looks at; all end at the moment of looking.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look {
    /// What decides significance: the long lookback, or the window where a rule has none.
    Long,
    /// What decides whether it is still happening; asked for only where the rule has one.
    Short,
    /// The SLO's window.
    Window,
}

/// What a rule sees at one moment.
pub(crate) trait View {
    /// Why it cannot be seen.
    type Error: From<BudgetError>;

    /// The units in a stretch.
    fn units(&self, look: Look) -> Result<Sum, Self::Error>;

    /// The ratios in a stretch one by one, where sums leave a comparison open.
    fn parts(&self, look: Look) -> Result<Parts, Self::Error>;

    /// The events of the long lookback.
    fn events(&self) -> Tally;

    /// The events and units of the long lookback that came after the rule let go.
    fn fresh(&self, let_go: Timestamp) -> (Tally, Sum);

    /// The calendar period, where the window is one.
    fn period(&self) -> Option<Interval>;

    /// Shows `push` every slot with data from `from` on.
    fn spell(&self, from: Timestamp, push: impl FnMut(Slot, &Sum)) -> Result<(), Self::Error>;

    /// The length of what is counted.
    fn width(&self) -> Duration;
}

/// What a step changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The rule fires.
    Fired(Firing),
    /// The rule lets go.
    Resolved(Firing),
}

/// A condition's answer; unknown when a lookback holds nothing valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Answer {
    True,
    False,
    Unknown,
}

/// Where a rule is. Instants are nanoseconds since the epoch.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) enum State {
    Idle,
    /// True since then, but not yet for long enough, or without evidence.
    Pending(i64),
    Firing(Fired),
}

/// What a firing has to remember.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Fired {
    start: i64,
    onset: i64,
    valid: u64,
    good: u64,
    #[serde(with = "bits")]
    burn: f64,
    #[serde(with = "bits")]
    burn_peak: f64,
    #[serde(with = "bits")]
    spent_in_lookback: f64,
    /// NaN where nothing was valid.
    #[serde(with = "bits")]
    spent_in_window: f64,
}

/// Doubles by their bits, so that every format brings them back as they were.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

/// The state of one rule: what it has to remember from one slot end to the next.
///
/// Plain data that can be kept anywhere and taken up again after a restart. It holds no counts but
/// those of a firing, so it stays right when late events correct what it looked at.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Watch {
    rule: String,
    state: State,
    /// When it last resolved.
    let_go: Option<i64>,
    /// The last moment looked at, and what was true then.
    looked_at: Option<i64>,
    answer: Answer,
}

impl Watch {
    /// A rule that was never looked at.
    pub(crate) fn new(rule: &Ready) -> Self {
        Self {
            rule: rule.rule.name.clone(),
            state: State::Idle,
            let_go: None,
            looked_at: None,
            answer: Answer::Unknown,
        }
    }

    /// The name of the rule.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The last moment looked at; `None` before the first.
    pub fn looked_at(&self) -> Option<Timestamp> {
        self.looked_at.map(Timestamp::from_nanos)
    }

    /// Whether the rule is firing.
    pub const fn is_firing(&self) -> bool {
        matches!(self.state, State::Firing(_))
    }

    /// When it last resolved.
    pub fn let_go(&self) -> Option<Timestamp> {
        self.let_go.map(Timestamp::from_nanos)
    }

    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Since when its condition is true while it does not fire, because that is not for long enough yet
    /// or without evidence; `None` when it is false, or the rule fires.
    pub const fn pending_since(&self) -> Option<Timestamp> {
        match self.state {
            State::Pending(since) => Some(Timestamp::from_nanos(since)),
            State::Idle | State::Firing(_) => None,
        }
    }

    /// Whether nothing could be told at the last look, or there was none.
    pub const fn is_unknown(&self) -> bool {
        matches!(self.answer, Answer::Unknown)
    }

    /// Looks at the slot end `now` with what was seen at the last look, which is known to be the same; nothing may be
    /// held back that time alone lets fire.
    pub(crate) fn looked_again(&mut self, now: Timestamp) {
        self.looked_at = Some(now.nanos());
    }

    /// Lets go at the last look, because whoever calls knows that it is over; nothing unless it fires.
    pub(crate) fn release(&mut self, rule: &Ready) -> Option<Change> {
        let (State::Firing(fired), Some(now)) = (&self.state, self.looked_at) else { return None };
        let firing = Firing { end: Some(Timestamp::from_nanos(now)), ..fired.firing(rule) };
        self.let_go = Some(now);
        self.state = State::Idle;
        Some(Change::Resolved(firing))
    }

    /// The firing that goes on, if one does.
    pub(crate) fn firing(&self, rule: &Ready) -> Option<Firing> {
        let State::Firing(fired) = &self.state else { return None };
        Some(Firing { frozen: self.answer == Answer::Unknown, ..fired.firing(rule) })
    }

    /// Looks at `rule` at the slot end `now`, later than all before. Nothing changes on an error.
    pub(crate) fn step<V: View>(
        &mut self,
        rule: &Ready,
        now: Timestamp,
        view: &V,
    ) -> Result<Option<Change>, V::Error> {
        let sight = Sight { rule, now, view };
        let answer = sight.answer()?;
        let mut change = None;
        match (&mut self.state, answer) {
            (State::Firing(fired), Answer::False) => {
                let firing = fired.firing(rule);
                let spell_end = sight.spell_end(firing.onset)?.map(|end| end.max(firing.onset));
                change = Some(Change::Resolved(Firing { end: Some(now), spell_end, ..firing }));
                self.let_go = Some(now.nanos());
                self.state = State::Idle;
            }
            (State::Firing(fired), _) => {
                fired.burn_peak = fired.burn_peak.max(sight.burn()?.unwrap_or(0.0));
            }
            (State::Pending(_), Answer::False) => self.state = State::Idle,
            (state @ (State::Idle | State::Pending(_)), Answer::True) => {
                let since = if let State::Pending(since) = state { *since } else { now.nanos() };
                let since = Timestamp::from_nanos(since);
                // A hold that ends inside a slot is seen at that slot's end.
                let held = now.since(since) >= rule.rule.hold;
                let let_go = self.let_go.map(Timestamp::from_nanos);
                self.state = if held && sight.is_evident(let_go)? {
                    let fired = sight.fire(since)?;
                    change = Some(Change::Fired(fired.firing(rule)));
                    State::Firing(fired)
                } else {
                    State::Pending(since.nanos())
                };
            }
            (State::Idle, _) | (State::Pending(_), Answer::Unknown) => {}
        }
        (self.looked_at, self.answer) = (Some(now.nanos()), answer);
        Ok(change)
    }
}

impl Fired {
    fn firing(&self, rule: &Ready) -> Firing {
        let (start, onset) = (Timestamp::from_nanos(self.start), Timestamp::from_nanos(self.onset));
        Firing {
            rule: rule.rule.name.clone(),
            severity: rule.rule.severity,
            start,
            end: None,
            spell_end: None,
            frozen: false,
            onset,
            detection_delay_seconds: start.since(onset).as_seconds_f64(),
            valid: self.valid,
            good: self.good,
            bad: self.valid - self.good,
            factor: rule.factor,
            burn: self.burn,
            burn_peak: self.burn_peak,
            spent_in_lookback: self.spent_in_lookback,
            spent_in_window: Some(self.spent_in_window).filter(|spent| !spent.is_nan()),
        }
    }
}

/// One look of one rule.
struct Sight<'a, V> {
    rule: &'a Ready,
    now: Timestamp,
    view: &'a V,
}

impl<V: View> Sight<'_, V> {
    fn answer(&self) -> Result<Answer, V::Error> {
        match self.rule.check {
            Check::Ratio { bound, comparison, short } => {
                let test = |look| -> Result<Answer, V::Error> {
                    let units = self.view.units(look)?;
                    Ok(match units.compare(bound, || self.view.parts(look))? {
                        None => Answer::Unknown,
                        Some(order) if holds(order, comparison) => Answer::True,
                        Some(_) => Answer::False,
                    })
                };
                let long = test(Look::Long)?;
                // A pair is false as soon as one side is, whatever is unknown of the other.
                if short.is_none() || long == Answer::False {
                    return Ok(long);
                }
                Ok(match test(Look::Short)? {
                    Answer::True => long,
                    other => other,
                })
            }
            Check::Remaining { bound } => {
                let (elapsed, full) = self.shares();
                let order = self.view.units(Look::Window)?.compare_scaled(
                    &[elapsed, bound.denominator()],
                    &[full, bound.numerator()],
                    || self.view.parts(Look::Window),
                )?;
                Ok(match order {
                    None => Answer::Unknown,
                    Some(Ordering::Greater) => Answer::True,
                    Some(_) => Answer::False,
                })
            }
            Check::Exhaustion { within } => self.exhausts(within),
        }
    }

    /// Elapsed and full length of the window, in nanoseconds.
    fn shares(&self) -> (u128, u128) {
        let nanos = |length: Duration| u128::from(length.nanos().unsigned_abs());
        if let Some(period) = self.view.period() {
            return (nanos(self.now.since(period.start())), nanos(period.length()));
        }
        let length = nanos(self.rule.nominal);
        (length, length)
    }

    /// Whether the rest of the budget would be gone within the horizon.
    ///
    /// With V valid and B bad units in the window so far, of which `elapsed` of `full` has
    /// passed, and v and b in the lookback, at an allowed share e: the rest of the whole budget is
    /// `1 - B elapsed / (V e full)`, it goes at `b / (v e full)` a unit of time, so it is gone
    /// within h when `V e full v <= B elapsed v + h b V`.
    fn exhausts(&self, within: Duration) -> Result<Answer, V::Error> {
        let (whole, recent) = (self.view.units(Look::Window)?, self.view.units(Look::Long)?);
        let (Some(ratio), Some(recent_ratio)) = (whole.error_ratio(), recent.error_ratio()) else {
            return Ok(Answer::Unknown);
        };
        if recent.is_spotless() {
            return Ok(Answer::False);
        }
        let (elapsed, full) = self.shares();
        let budget = self.rule.target.error_budget();
        let within = u128::from(within.nanos().unsigned_abs());
        let left = budget.to_f64() * full as f64;
        let right = ratio * elapsed as f64 + within as f64 * recent_ratio;
        let answer = |gone| if gone { Answer::True } else { Answer::False };
        // Doubles settle it unless they are within their own rounding of each other.
        if (left - right).abs() > 1e-9 * left.max(right) {
            return Ok(answer(left <= right));
        }
        let bad = |units: &Sum, look| -> Result<(u128, u128), V::Error> {
            let bad = units.bad_units(|| self.view.parts(look))?;
            Ok((bad.numerator().unsigned_abs(), bad.denominator()))
        };
        let ((bad, bad_over), (recent_bad, recent_over)) =
            (bad(&whole, Look::Window)?, bad(&recent, Look::Long)?);
        let share = u128::from(budget.denominator());
        let (valid, recent_valid) = (u128::from(whole.valid), u128::from(recent.valid));
        let left = Natural::product(&[valid, u128::from(budget.numerator()), full, recent_valid])
            .times(bad_over)
            .times(recent_over);
        let right = Natural::product(&[bad, share, elapsed, recent_valid, recent_over])
            .plus(&Natural::product(&[within, recent_bad, share, valid, bad_over]));
        Ok(answer(left <= right))
    }

    /// The error ratio that the true one of the long lookback has to exceed, for evidence.
    fn asked_ratio(&self) -> Result<f64, V::Error> {
        let budget = self.rule.target.error_budget().to_f64();
        let (elapsed, full) = self.shares();
        let elapsed_share = elapsed as f64 / full as f64;
        Ok(match self.rule.check {
            Check::Ratio { bound, .. } => self.rule.evident(bound),
            Check::Remaining { bound } => bound.to_f64() / elapsed_share,
            Check::Exhaustion { within } => {
                let spent = self.view.units(Look::Window)?.error_ratio().unwrap_or(0.0);
                let rest = (budget - spent * elapsed_share).max(0.0);
                rest * full as f64 / within.nanos() as f64
            }
        })
    }

    /// Whether the rule's evidence is there, for a rule that resolved at `let_go`.
    ///
    /// What was evidence of one firing is not evidence of the next: while an incident is still in
    /// the long lookback, one failure would do for the short one. So a rate has to be evident a
    /// second time among what came after. What remains of a budget is a sum, not a rate: all of
    /// the window speaks for it, always.
    fn is_evident(&self, let_go: Option<Timestamp>) -> Result<bool, V::Error> {
        let Some(evidence) = self.rule.rule.evidence else { return Ok(true) };
        let (events, units) = (self.view.events(), self.view.units(Look::Long)?);
        if events.valid() < evidence.valid_min || !self.supports(evidence, events, &units)? {
            return Ok(false);
        }
        match (let_go, self.rule.check) {
            (None, _) | (_, Check::Remaining { .. }) => Ok(true),
            (Some(let_go), _) => {
                let (events, units) = self.view.fresh(let_go);
                self.supports(evidence, events, &units)
            }
        }
    }

    /// Whether what is bad in a part of the lookback is enough, and no matter of chance.
    fn supports(&self, evidence: Evidence, events: Tally, units: &Sum) -> Result<bool, V::Error> {
        if events.bad() < evidence.bad_min {
            return Ok(false);
        }
        let Some(confidence) = evidence.confidence else { return Ok(true) };
        // Whole units are trials; the ratios of slices are not, so there events are.
        let (bad, valid) = match units.kind {
            Kind::Ratios => (events.bad(), events.valid()),
            Kind::Events | Kind::Slices => (units.bad, units.valid),
        };
        Ok(exceeds(bad, valid, self.asked_ratio()?, confidence.to_f64()))
    }

    fn burn(&self) -> Result<Option<f64>, V::Error> {
        let ratio = self.view.units(Look::Long)?.error_ratio();
        Ok(ratio.map(|ratio| ratio / self.rule.target.error_budget().to_f64()))
    }

    /// The error ratio up to which slots are no part of a spell.
    fn bound(&self) -> f64 {
        match self.rule.check {
            Check::Ratio { bound, .. } => bound.to_f64(),
            Check::Remaining { .. } | Check::Exhaustion { .. } => {
                self.rule.target.error_budget().to_f64()
            }
        }
    }

    /// The end of the spell that began at `onset` and led to a firing which lets go now; `None` where nothing stands out in its
    /// lookback, nor in all the time since it began.
    fn spell_end(&self, onset: Timestamp) -> Result<Option<Timestamp>, V::Error> {
        let lookback = self.rule.looked_at(self.now, self.view.period()).start();
        let last = self.last_bad(lookback)?;
        // A rule without a short lookback lets go when all of it is past.
        let slot = if last.is_none() && onset < lookback { self.last_bad(onset)? } else { last };
        Ok(slot.map(|slot| slot.interval(self.view.width()).end()))
    }

    /// The slot with which what stands out since `from` ends.
    fn last_bad(&self, from: Timestamp) -> Result<Option<Slot>, V::Error> {
        let mut ebb = Ebb::new(self.bound());
        self.view.spell(from, |slot, units| ebb.push(slot, units))?;
        Ok(ebb.found())
    }

    /// What to remember of a firing whose condition has been true since `since`.
    fn fire(&self, since: Timestamp) -> Result<Fired, V::Error> {
        let budget = self.rule.target.error_budget().to_f64();
        let period = self.view.period();
        // What made the condition true lies in the lookback of the moment it became true.
        let mut onset = Onset::new(self.bound());
        let from = self.rule.looked_at(since, period).start();
        self.view.spell(from, |slot, units| onset.push(slot, units))?;
        let onset = onset.found().map_or(self.now, |slot| slot.interval(self.view.width()).start());
        let events = self.view.events();
        let burn = self.burn()?.unwrap_or(0.0);
        let spent = self.view.units(Look::Window)?.error_ratio();
        let lookback = self.rule.looked_at(self.now, period).length().as_seconds_f64();
        Ok(Fired {
            start: self.now.nanos(),
            onset: onset.nanos(),
            valid: events.valid(),
            good: events.good(),
            burn,
            burn_peak: burn,
            spent_in_lookback: burn * lookback / self.rule.nominal.as_seconds_f64(),
            spent_in_window: spent.map_or(f64::NAN, |ratio| ratio / budget),
        })
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
