//! One objective kept up to date: running sums instead of a walk over its whole history.
//!
//! A [`Plan`] says what is kept: how units are counted, which stretches are summed, which rules are
//! watched. A [`Live`] is the state of one objective, or of one slice of it, under a plan. Both say
//! what [`assess`](crate::assess) says of the same history, to the last bit, and share its
//! arithmetic: the same sums are made, only otherwise.
//!
//! [`Live::advance`] moves from unit to unit (a slot, or a time slice). What enters each stretch is
//! added, what leaves it is taken away, and each rule's [`Watch`] is stepped; units at whose ends no answer can
//! change are left out, many at once.
//! The work does not depend on how long the stretches are. What leaves is old: it is read from the
//! caller's ledger, a [`History`], a chunk at a time; nothing else of the past is held but the
//! latest hour.
//!
//! # Order
//!
//! The ledger is the truth, and what is held here is a copy of parts of it. So:
//!
//! 1. New counts go into the ledger first.
//! 2. They are then told to [`Live::record`], once, before anything else is asked of the same
//!    state.
//!
//! Then nothing is counted twice and nothing is missed, however late it comes: a slot that has not
//! been read will be read with it; a copy of a slot, and every sum that holds the slot, are
//! corrected. Counts only grow; after anything else that changes what was counted (corrections,
//! a definition, a repaired ledger) the state is made anew by [`Live::load`].
//!
//! A late count corrects sums, never decisions: who was called stays called, as it was known then.
//! An error of the ledger leaves a state that can go on: the step that failed is made again.
//!
//! # What asks the ledger for more
//!
//! The forecast of a rolling window plays that window forward, and under `RatioTimeslices` the
//! exact sum of ratios needs each of them; a firing's onset is looked for in its lookback. These
//! read the stretch, when they are asked for. A tick needs none of them, but for a firing and for
//! a comparison of ratios that is closer than 2^-64 for each.

mod plan;
mod read;
mod shadow;
mod standing;
mod sums;
mod view;

use flyball_model::{Slot, Tally, Timestamp, Window};

pub use self::plan::Plan;
pub use self::read::History;
pub use self::shadow::Shadow;
pub use self::standing::Standing;
use self::sums::Sums;
use self::view::Eye;
use crate::alert::{Change, Firing, Watch};
use crate::error::BudgetError;
use crate::window::nominal_length;

/// Why a live objective cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveError<E> {
    /// A question that has no answer.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The ledger cannot be read.
    #[error("the ledger cannot be read: {0}")]
    History(E),
    /// Corrections are not expanded so far.
    #[error("the plan ends at {until}; hint: make a new one and go on with it")]
    PlanEnded {
        /// The plan's end.
        until: Timestamp,
    },
}

/// What survives a restart: what the ledger cannot tell.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Saved {
    /// The last moment looked at, in nanoseconds since the epoch.
    pub at: i64,
    /// The rules' states.
    pub watches: Vec<Watch>,
}

/// How many events a slice must have led to expect in a stretch so that none in it means that it has gone silent: by
/// chance there would be none once in nine million times (Poisson, `e^-16`).
pub const SILENT_MIN: u64 = 16;

/// What a rule that fires has in its long lookback.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The rule.
    pub rule: String,
    /// The events.
    pub events: Tally,
    /// The burn; 0 where nothing was valid.
    pub burn: f64,
    /// The share of the whole budget that the lookback has spent: `burn × lookback / window`.
    pub spent_in_lookback: f64,
    /// The share of what the window allows by what it has counted so far that the lookback spent, as what is left is
    /// a share of; `None` where nothing may be bad, and where the lookback begins before a calendar window. The two
    /// differ while the window fills, and where traffic is uneven.
    pub spent_of_window: Option<f64>,
}

/// The state of one objective, or of one slice of it; see the module's documentation.
#[derive(Debug, Clone)]
pub struct Live {
    /// The moment advanced to.
    at: Timestamp,
    sums: Sums,
    /// One for each of the plan's rules.
    watches: Vec<Watch>,
    /// The unit that the state began with: rules are looked at when the next one ends.
    began: i64,
}

impl Live {
    /// The state when collection began. Advancing it to now is a replay.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn new<H: History>(plan: &Plan, history: &H) -> Result<Self, LiveError<H::Error>> {
        Self::load(plan, &Saved { at: plan.since.nanos(), watches: Vec::new() }, history)
    }

    /// The state at the moment of `saved`, every sum made anew from the ledger.
    ///
    /// Reads each stretch once. Rules are known by their names; those that were not saved begin
    /// idle, and those that the plan does not have are left out.
    ///
    /// # Errors
    ///
    /// [`LiveError::History`], and [`LiveError::Budget`] where a calendar window cannot be
    /// computed.
    pub fn load<H: History>(
        plan: &Plan,
        saved: &Saved,
        history: &H,
    ) -> Result<Self, LiveError<H::Error>> {
        let at = Timestamp::from_nanos(saved.at);
        let watches: Vec<Watch> = plan
            .rules
            .iter()
            .map(|rule| {
                let known = saved.watches.iter().find(|watch| watch.rule() == rule.ready.rule.name);
                known.cloned().unwrap_or_else(|| Watch::new(&rule.ready))
            })
            .collect();
        let sums = Sums::new(plan, at, &watches, history)?;
        Ok(Self { at, began: sums.end(), sums, watches })
    }

    /// What has to be kept to go on after a restart, as of the last moment advanced to.
    pub fn save(&self) -> Saved {
        Saved { at: self.at.nanos(), watches: self.watches.clone() }
    }

    /// The moment advanced to.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Takes in counts that the ledger holds already: see "Order" in the module's documentation.
    ///
    /// `added` are what slots gained, in any order, before corrections.
    ///
    /// # Errors
    ///
    /// [`LiveError::History`]; nothing was taken in, and the call is to be made again.
    pub fn record<H: History>(
        &mut self,
        plan: &Plan,
        added: &[(Slot, Tally)],
        history: &H,
    ) -> Result<(), LiveError<H::Error>> {
        self.sums.record(plan, added, history).map_err(LiveError::History)
    }

    /// Moves to `to` and appends to `changes` who is to be called, and who no longer. Moving
    /// backwards does nothing.
    ///
    /// # Errors
    ///
    /// [`LiveError::History`], [`LiveError::PlanEnded`], and [`LiveError::Budget`] where a calendar
    /// window cannot be computed. `changes` then holds what was decided until then, and the next
    /// call goes on from there.
    pub fn advance<H: History>(
        &mut self,
        plan: &Plan,
        to: Timestamp,
        history: &H,
        changes: &mut Vec<Change>,
    ) -> Result<(), LiveError<H::Error>> {
        if to > plan.until {
            return Err(LiveError::PlanEnded { until: plan.until });
        }
        // A step whose rules could not all be looked at is finished first.
        self.look(plan, history, changes)?;
        let end = Slot::of(to, plan.unit).0;
        while self.sums.end() < end {
            self.sums.step(plan, history)?;
            self.look(plan, history, changes)?;
            self.leap(plan, end, history)?;
            self.at = self.at.max(read::starts(plan, self.sums.end()));
        }
        self.at = self.at.max(to);
        Ok(())
    }

    /// Leaves out the units before `end` at whose ends no answer can change: after a night without traffic, or a server
    /// that was down, there are thousands of them.
    ///
    /// All rules have just been looked at. While no sum changes, one that waits for nothing answers the same.
    fn leap<H: History>(
        &mut self,
        plan: &Plan,
        end: i64,
        history: &H,
    ) -> Result<(), LiveError<H::Error>> {
        let is_calendar = matches!(plan.window, Window::Calendar(_));
        let mut both = self.watches.iter().zip(&plan.rules);
        // A hold goes by, and so does a calendar period.
        let waits = both.any(|(watch, rule)| {
            (watch.pending_since().is_some() && !watch.is_unknown())
                || (is_calendar && rule.ready.needs_window())
        });
        if waits || !self.sums.leap(plan, end, history).map_err(LiveError::History)? {
            return Ok(());
        }
        let now = read::starts(plan, self.sums.end());
        self.watches.iter_mut().for_each(|watch| watch.looked_again(now));
        Ok(())
    }

    /// Looks at the rules that were not looked at since the last step.
    fn look<H: History>(
        &mut self,
        plan: &Plan,
        history: &H,
        changes: &mut Vec<Change>,
    ) -> Result<(), LiveError<H::Error>> {
        if self.sums.end() <= self.began {
            return Ok(());
        }
        let now = read::starts(plan, self.sums.end());
        for (index, (watch, rule)) in self.watches.iter_mut().zip(&plan.rules).enumerate() {
            if watch.looked_at().is_some_and(|looked_at| looked_at >= now) {
                continue;
            }
            let eye = Eye { plan, rule, index, sums: &self.sums, history };
            let change = watch.step(&rule.ready, now, &eye)?;
            if let Some(Change::Resolved(_)) = change {
                self.sums.let_go(plan, index);
            }
            changes.extend(change);
        }
        Ok(())
    }

    /// Lets go, at the moment advanced to, of what fires for a slice that nobody asks any more, while events of `whole`,
    /// the state of all of them, go on: a version that was rolled back, a tenant that has left. No event would ever end
    /// it. Appends to `changes`.
    ///
    /// A slice has gone silent when nothing valid is left in the long lookback; or nothing in the short one, in which
    /// the long one makes at least [`SILENT_MIN`] events likely. Where the whole is silent too, nothing is done: no data
    /// is not health.
    pub fn release_silent<H: History>(
        &mut self,
        plan: &Plan,
        whole: &Self,
        history: &H,
        changes: &mut Vec<Change>,
    ) {
        for (index, (watch, rule)) in self.watches.iter_mut().zip(&plan.rules).enumerate() {
            if !watch.is_unknown() || !watch.is_firing() || whole.at != self.at {
                continue;
            }
            let eye = |sums| Eye { plan, rule, index, sums, history };
            if eye(&self.sums).is_silent() && eye(&whole.sums).goes_on() {
                changes.extend(watch.release(&rule.ready));
                self.sums.let_go(plan, index);
            }
        }
    }

    /// The firings that go on.
    pub fn firings(&self, plan: &Plan) -> Vec<Firing> {
        let both = self.watches.iter().zip(&plan.rules);
        both.filter_map(|(watch, rule)| watch.firing(&rule.ready)).collect()
    }

    /// What the rules that fire have in their long lookbacks at the moment advanced to.
    pub fn readings(&self, plan: &Plan) -> Vec<Reading> {
        let both = self.watches.iter().zip(&plan.rules).filter(|(watch, _)| watch.is_firing());
        let reading = |(watch, rule): (&Watch, &plan::Watched)| {
            let stretch = self.sums.stretch(rule.long);
            let budget = plan.target.error_budget().to_f64();
            let burn = stretch.units.error_ratio().map_or(0.0, |ratio| ratio / budget);
            let (now, period) = (read::starts(plan, self.sums.end()), self.sums.window().period);
            let looked_at = rule.ready.looked_at(now, period);
            // Before the period there was another budget.
            let is_inside = period.is_none_or(|period| looked_at.start() >= period.start());
            let lookback = looked_at.length().as_seconds_f64();
            let nominal = nominal_length(&plan.window).as_seconds_f64();
            let allowed = budget * self.sums.window().units.valid as f64;
            let spent = burn * budget * stretch.units.valid as f64;
            Reading {
                rule: watch.rule().to_owned(),
                events: stretch.events,
                burn,
                spent_in_lookback: burn * lookback / nominal,
                spent_of_window: (allowed > 0.0 && is_inside).then(|| spent / allowed),
            }
        };
        both.map(reading).collect()
    }

    /// The rules' states, in the order of the plan's rules.
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// Bytes that this state takes, on the heap and in itself.
    pub fn size(&self) -> usize {
        let names: usize = self.watches.iter().map(|watch| watch.rule().len()).sum();
        size_of::<Self>()
            + self.sums.heap_bytes()
            + self.watches.capacity() * size_of::<Watch>()
            + names
    }
}
