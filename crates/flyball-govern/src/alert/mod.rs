//! Alerts that people receive: one for each objective, and each slice of it, that somebody should know of.
//!
//! Alert rules fire pair by pair ([`flyball_budget::alert`]); a person is told of *one* trouble. So
//! everything that fires for one [`Subject`] is one [`Alert`]: a page over a ticket escalates it,
//! lower pairs are listed in it and tell nobody. Each step of an alert is a [`Transition`] with a
//! number, and leads to at most one [`Notice`] for each target.
//!
//! [`Desk`] holds all of it: alerts, silences and the notices that wait. It is plain data; what has
//! changed of it is kept row by row ([`Desk::take_changed`]) in the transaction that keeps the states of
//! rules, so that a crash neither forgets a transition nor tells it a second time. Sending is done elsewhere; what was answered is told to
//! [`Desk::settle`]. Nothing here reads a clock, sends, or draws a random number: the jitter of retries
//! is made from a seed.

mod calling;
mod desk;
mod episode;
mod facts;
mod foreign;
mod kept;
mod observed;
mod outbox;
mod plan;
mod silence;

pub use desk::{ALERTS_OPEN_MAX, Counts, Desk, DeskError, RESOLVED_KEPT, ROUTES_MAX, Route};
pub use episode::{
    Acknowledgement, Alert, CALLS_KEPT, PAIRS_MAX, Paged, State, TRANSITIONS_KEPT, Transition,
    TransitionKind,
};
pub use facts::{
    CHANGES_MAX, DIFFERENCES_MAX, Difference, Facts, LINK_BYTES_MAX, Links, Reading, RecentChange,
};
pub use foreign::{FOREIGN_BYTES_MAX, FOREIGN_MAX, Foreign, ForeignAlert};
pub use kept::{Head, Part, Row};
pub use observed::{Observed, Pair, Subject};
pub use outbox::{
    About, Act, DEAD_KEPT, Dead, DeadReason, NOTICES_MAX, Notice, Outbox, Outcome, Reminder,
    Restored, SilenceOver,
};
pub use plan::Retry;
pub use silence::{
    Because, Field, MATCHERS_MAX, Matcher, OF_DRILL, SILENCE_LENGTH_MAX, SILENCES_MAX, Silence,
    SilenceError,
};
