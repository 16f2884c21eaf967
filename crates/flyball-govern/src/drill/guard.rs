//! What ends a fault when the server dies: a process of its own that holds a pipe from the server.
//!
//! A guard is told how the fault is taken away before it is injected, and answers that it knows. From then on the
//! server beats: a line down the pipe every [`BEAT_EVERY`]. When the pipe ends, when no beat came for [`LEASE`], or
//! when the latest time is over, it takes the fault away, again and again until that worked. A server that ended the
//! drill itself says so, and the guard leaves. This is its state machine; it is told the time and what it hears, and
//! says what it does.
//!
//! A killed server's pipe ends at once, so that the fault is gone within the time of one request. A server that hangs
//! is noticed after the lease: both are below five seconds.

use flyball_model::{Duration, Timestamp};

/// How often a server beats.
pub const BEAT_EVERY: Duration = Duration::from_seconds(1);
/// For how long one beat holds: two may be lost, and one late.
pub const LEASE: Duration = Duration::from_seconds(3);
/// How long a guard waits after an attempt to take a fault away that failed.
pub const UNDO_AGAIN: Duration = Duration::from_seconds(1);

/// What a guard hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardHeard {
    /// The server beats.
    Beat,
    /// The server has taken the fault away itself.
    Dismissed,
    /// The pipe ended: the server is dead.
    PipeEnded,
    /// Somebody wants the guard itself to end.
    Terminated,
    /// Taking the fault away worked.
    Undone,
    /// Taking the fault away failed.
    UndoFailed,
    /// Nothing: time passed.
    Nothing,
}

/// What a guard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardAct {
    /// Nothing until then, unless it hears something.
    Wait(Timestamp),
    /// It takes the fault away.
    Undo,
    /// It ends.
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Watching { beat: Timestamp },
    Undoing,
    Failed { at: Timestamp },
    Gone,
}

/// A guard of one fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    state: State,
    latest: Timestamp,
}

impl Guard {
    /// A guard that was armed at `at`; `latest` is when the fault is taken away at the latest, whoever lives.
    pub const fn new(at: Timestamp, latest: Timestamp) -> Self {
        Self { state: State::Watching { beat: at }, latest }
    }

    /// Hears something at `now`, and says what is done.
    ///
    /// A dismissal is only heard while nothing is being taken away: a fault that is being taken away twice is gone
    /// all the same.
    pub fn hear(&mut self, heard: GuardHeard, now: Timestamp) -> GuardAct {
        match (self.state, heard) {
            (State::Watching { .. }, GuardHeard::Beat) => {
                self.state = State::Watching { beat: now };
            }
            (State::Watching { .. }, GuardHeard::Dismissed) | (_, GuardHeard::Undone) => {
                self.state = State::Gone;
            }
            (State::Watching { .. }, GuardHeard::PipeEnded | GuardHeard::Terminated) => {
                return self.undo();
            }
            (State::Undoing, GuardHeard::UndoFailed) => self.state = State::Failed { at: now },
            _ => {}
        }
        match self.state {
            State::Watching { beat } => {
                let until = beat.plus(LEASE).min(self.latest);
                if now >= until { self.undo() } else { GuardAct::Wait(until) }
            }
            // Whoever takes it away tells what came of it.
            State::Undoing => GuardAct::Wait(now.plus(UNDO_AGAIN)),
            State::Failed { at } => {
                let again = at.plus(UNDO_AGAIN);
                if now >= again { self.undo() } else { GuardAct::Wait(again) }
            }
            State::Gone => GuardAct::Leave,
        }
    }

    const fn undo(&mut self) -> GuardAct {
        self.state = State::Undoing;
        GuardAct::Undo
    }
}
