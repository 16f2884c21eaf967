//! A drill while it runs, as a state machine: when the fault is injected, when it is taken away, and why.
//!
//! Whoever carries it out asks [`Watch::look`] every [`LOOK_EVERY`] and does what it says; what came of that is
//! told by [`Watch::armed`], [`Watch::injected`], [`Watch::undone`] and [`Watch::failed`]. A watch is kept before
//! anything is done, so that after a crash it is known what may be broken: a watch that is found running is
//! [`Watch::found`], and the fault taken away first of all. Once a drill is to end nothing begins it again, and taking
//! the fault away is tried until it worked.

use flyball_model::{Duration, Timestamp};

use super::dose::Dose;

/// How often a drill is looked at: a tenth of the shortest one.
pub const LOOK_EVERY: Duration = Duration::from_seconds(1);
/// How long a drill goes on without fresh counts: two of the ledger's slots, and the time to commit one. Longer by as
/// much as its events are counted later.
pub const BLIND_LONGEST: Duration = Duration::from_seconds(30);
/// How long a guard may take to answer.
const ARM_LONGEST: Duration = Duration::from_seconds(10);

/// Why a drill ends.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Stop {
    /// What was dosed is spent.
    Dosed,
    /// Its time is over.
    TimeUp,
    /// The budget came to its reserve: by the drill, or by something else at the same time.
    Reserve,
    /// Somebody said so.
    Asked {
        /// Who.
        who: String,
    },
    /// An incident began that is none of the drill's.
    Incident {
        /// Which.
        id: String,
    },
    /// The counts stayed away: nobody can see what it does.
    Blind,
    /// Nothing would end it if the server died.
    GuardLost,
    /// The other system did not do what it was asked.
    Driver {
        /// What it answered.
        problem: String,
    },
    /// The server died meanwhile.
    Died,
}

/// Where a drill is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WatchState {
    /// It is known what would be done.
    Planned,
    /// The guard is asked; nothing is broken.
    Arming {
        /// Since when.
        since: Timestamp,
    },
    /// The fault is being injected: it may be there.
    Injecting {
        /// Since when.
        since: Timestamp,
    },
    /// The fault is there.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// The fault is to be taken away, and may be there.
    Stopping {
        /// When the fault was injected; `None` when it may never have been.
        began: Option<Timestamp>,
        /// Since when it is to end.
        since: Timestamp,
        /// Why.
        why: Stop,
        /// How often taking it away failed.
        attempts: u32,
        /// What the last attempt met.
        problem: Option<String>,
    },
    /// The fault is gone.
    Ended {
        /// When it was injected; `None` when it never was.
        began: Option<Timestamp>,
        /// When it was gone.
        at: Timestamp,
        /// Why it ended.
        why: Stop,
    },
}

/// What a look sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Now.
    pub now: Timestamp,
    /// The bad events that the drill has spent so far, usual ones left out; `None` when nothing was counted.
    pub burned: Option<u64>,
    /// Up to when that is counted.
    pub complete_up_to: Timestamp,
    /// How much later than usual its events are counted, as those of metrics are.
    pub late: Duration,
    /// The same with what was counted of the time since, which is not all of it.
    pub counted: Option<u64>,
    /// The bad events of the whole window, whoever's they are; `None` when nothing was counted.
    pub bad: Option<u64>,
    /// An open incident that is none of the drill's.
    pub incident: Option<String>,
    /// Whether the guard answers; `true` where none is needed.
    pub is_guarded: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchAct {
    /// Nothing until the next look.
    Wait,
    /// The fault is to be injected.
    Inject,
    /// The fault is to be taken away, also when it may not be there.
    Undo,
    /// Nothing any more.
    Done,
}

/// A drill that is carried out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Watch {
    /// What it is known by to whoever carries it out, and in the other system.
    pub key: String,
    /// The drill, by name.
    pub drill: String,
    /// Who began it.
    pub by: String,
    /// The bad events that it may spend.
    pub dose: u64,
    /// The bad events of the window at which the reserve begins.
    pub reserve_at: u64,
    /// How long it lasts, in nanoseconds.
    lasts_nanos: i64,
    /// Where it is.
    pub state: WatchState,
    /// What it has spent, as it was last counted; `None` when nothing was.
    pub burned: Option<u64>,
    /// Up to when that was counted.
    pub counted_up_to: Option<Timestamp>,
}

/// Why a watch does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the drill is not where this happens; hint: look where it is, it may have ended")]
pub struct WatchError;

impl Watch {
    /// A drill that is planned, with its dose and `bad` events in the window so far.
    pub fn new(key: &str, drill: &str, by: &str, dose: &Dose, bad: u64) -> Self {
        Self {
            key: key.to_owned(),
            drill: drill.to_owned(),
            by: by.to_owned(),
            dose: dose.bad,
            reserve_at: bad.saturating_add(dose.surplus),
            lasts_nanos: dose.lasts.nanos(),
            state: WatchState::Planned,
            burned: None,
            counted_up_to: None,
        }
    }

    /// How long it lasts.
    pub const fn lasts(&self) -> Duration {
        match Duration::from_nanos(self.lasts_nanos) {
            Some(lasts) => lasts,
            None => Duration::ZERO,
        }
    }

    /// Asks the guard.
    ///
    /// # Errors
    ///
    /// [`WatchError`] unless it is planned.
    pub fn arm(&mut self, at: Timestamp) -> Result<(), WatchError> {
        if self.state != WatchState::Planned {
            return Err(WatchError);
        }
        self.state = WatchState::Arming { since: at };
        Ok(())
    }

    /// The guard answers, or none is needed: the fault may be injected. This is kept before anybody is asked.
    ///
    /// # Errors
    ///
    /// [`WatchError`] unless it is being armed.
    pub fn armed(&mut self, at: Timestamp) -> Result<(), WatchError> {
        let WatchState::Arming { .. } = self.state else { return Err(WatchError) };
        self.state = WatchState::Injecting { since: at };
        Ok(())
    }

    /// The fault is there. One that was to end meanwhile ends.
    ///
    /// # Errors
    ///
    /// [`WatchError`] unless it was to be injected.
    pub fn injected(&mut self, at: Timestamp) -> Result<(), WatchError> {
        match &mut self.state {
            WatchState::Injecting { .. } => self.state = WatchState::Running { since: at },
            WatchState::Stopping { began, .. } => {
                began.get_or_insert(at);
            }
            _ => return Err(WatchError),
        }
        Ok(())
    }

    /// It is to end. The first reason stands; one that ended already does not change.
    pub fn stop(&mut self, why: Stop, at: Timestamp) {
        let began = match self.state {
            WatchState::Planned | WatchState::Arming { .. } => {
                self.state = WatchState::Ended { began: None, at, why };
                return;
            }
            WatchState::Injecting { .. } => None,
            WatchState::Running { since } => Some(since),
            WatchState::Stopping { .. } | WatchState::Ended { .. } => return,
        };
        self.state = WatchState::Stopping { began, since: at, why, attempts: 0, problem: None };
    }

    /// The fault is gone: the other system says so. It may have gone by itself.
    ///
    /// # Errors
    ///
    /// [`WatchError`] unless it is to end.
    pub fn undone(&mut self, at: Timestamp) -> Result<(), WatchError> {
        let WatchState::Stopping { began, why, .. } = &self.state else { return Err(WatchError) };
        self.state = WatchState::Ended { began: *began, at, why: why.clone() };
        Ok(())
    }

    /// What was asked of the other system failed: injecting ends the drill, taking away is tried again.
    pub fn failed(&mut self, what: &str, at: Timestamp) {
        if let WatchState::Stopping { attempts, problem, .. } = &mut self.state {
            *attempts = attempts.saturating_add(1);
            *problem = Some(what.to_owned());
            return;
        }
        // An injection that failed may have worked: the answer may have been lost.
        self.stop(Stop::Driver { problem: what.to_owned() }, at);
    }

    /// It is found after the server died: what may be broken is taken away.
    pub fn found(&mut self, at: Timestamp) {
        self.stop(Stop::Died, at);
    }

    /// Looks, and says what is to be done.
    pub fn look(&mut self, seen: &Looked) -> WatchAct {
        let now = seen.now;
        match self.state {
            WatchState::Planned => return WatchAct::Wait,
            WatchState::Arming { since } => {
                if now.since(since) > ARM_LONGEST {
                    self.stop(Stop::GuardLost, now);
                    return WatchAct::Done;
                }
                return WatchAct::Wait;
            }
            WatchState::Injecting { since } | WatchState::Running { since } => {
                self.take(seen);
                if let Some(why) = self.why(seen, since) {
                    self.stop(why, now);
                }
            }
            WatchState::Stopping { .. } => self.take(seen),
            WatchState::Ended { .. } => {}
        }
        match self.state {
            WatchState::Injecting { .. } => WatchAct::Inject,
            WatchState::Stopping { .. } => WatchAct::Undo,
            WatchState::Ended { .. } => WatchAct::Done,
            WatchState::Planned | WatchState::Arming { .. } | WatchState::Running { .. } => {
                WatchAct::Wait
            }
        }
    }

    fn take(&mut self, seen: &Looked) {
        if seen.burned.is_some() {
            self.burned = seen.burned;
            self.counted_up_to = Some(seen.complete_up_to);
        }
    }

    /// Why it is to end now, the gravest first; `None` when it goes on.
    fn why(&self, seen: &Looked, since: Timestamp) -> Option<Stop> {
        if !seen.is_guarded {
            return Some(Stop::GuardLost);
        }
        if let Some(id) = &seen.incident {
            return Some(Stop::Incident { id: id.clone() });
        }
        if seen.bad.is_some_and(|bad| bad >= self.reserve_at) {
            return Some(Stop::Reserve);
        }
        let counted = seen.counted.map_or(0, u128::from);
        if foreseen(seen, since).max(counted) >= u128::from(self.dose) {
            return Some(Stop::Dosed);
        }
        if seen.now.since(since) >= self.lasts() {
            return Some(Stop::TimeUp);
        }
        let blind = seen.now.minus(seen.late).since(seen.complete_up_to.max(since));
        (blind > BLIND_LONGEST).then_some(Stop::Blind)
    }
}

/// What a drill that began at `since` will have spent when the fault is gone, if it goes on as it did: counts come
/// late, and taking the fault away takes until the next look. What goes bad meanwhile is part of the dose as well.
fn foreseen(seen: &Looked, since: Timestamp) -> u128 {
    let Some(burned) = seen.burned.map(u128::from) else { return 0 };
    let counted = seen.complete_up_to.since(since).nanos().unsigned_abs();
    if counted == 0 {
        return burned;
    }
    let ahead = seen.now.plus(LOOK_EVERY).since(seen.complete_up_to).nanos().unsigned_abs();
    burned + burned * u128::from(ahead) / u128::from(counted)
}
