//! What a change did: healthy, regressed or undecided, with evidence that may be looked at any time.
//!
//! [`judge`] holds the tallies after a change against those without it, block by block
//! ([`Comparison`]); [`ChangeVerdict`] does so for all objectives of a service; [`rank`] does so for raw values such as latencies. Both are sequential tests:
//! however often and whenever the answer is read, a harmless change is called regressed with at
//! most the stated probability, and a harmful one healthy with at most another. The formulas, what
//! is guaranteed and what is not, and measurements are in `docs/verdicts.md`.
//!
//! [`suggest`] says what to do about a regression, [`attribute`] who spent the budget.

mod answer;
mod attribution;
mod bet;
mod blocks;
mod causes;
mod dispersion;
mod failed;
mod judge;
mod observation;
mod process;
mod rank;
mod suggest;

pub use answer::{Answer, Burned, Certainty, Effect, Range, Verdict, Why};
pub use attribution::{Attribution, Cause, CauseKind, Posting, Share, attribute, by_hour, usual};
pub use blocks::{Block, Comparison, Design, MATCHED_MAX, Pairing, SLOTS_MAX};
pub use causes::{NamedCause, Suspect, causes, where_it_failed};
pub use failed::{FELT_WITHIN, Failed, HEARD_WITHIN};
pub use judge::{Settings, judge};
pub use observation::{
    Arm, ChangeVerdict, ObjectiveTallies, ObjectiveVerdict, Observation, STEP, Versions,
};
pub use rank::{RankVerdict, Worse, rank};
pub use suggest::{Facts, Remedy, Suggestion, SuggestionReason, suggest};

/// Why a verdict or an attribution was not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// Slots that do not follow each other.
    #[error(
        "slot {slot} does not follow the one before it; hint: sort them, each once, and end before the change"
    )]
    Order {
        /// The number of the slot.
        slot: i64,
    },
    /// More slots than one comparison takes.
    #[error(
        "{count} slots are more than a comparison takes ({SLOTS_MAX} after the change); hint: use wider slots"
    )]
    TooManySlots {
        /// How many there are.
        count: u64,
    },
    /// A margin that is none.
    #[error(
        "the margin must be above zero and below one; hint: use a target below 100 % and a burn above zero"
    )]
    Margin,
    /// A probability of error that is none.
    #[error("a probability of error must be above zero and below one half; hint: use 0.05")]
    Level,
    /// A value that is no number.
    #[error("value {index} is not a number; hint: leave out what was not measured")]
    NotANumber {
        /// Its place, from zero.
        index: usize,
    },
    /// A factor below one.
    #[error(
        "a tolerance of {tolerance} is not a finite number of at least one; hint: 1.1 allows ten per cent"
    )]
    Tolerance {
        /// The factor as given.
        tolerance: String,
    },
    /// More bad events in a slot than a posting holds, or a slot posted twice.
    #[error(
        "slot {slot} is posted more than once or out of order; hint: add its bad events up and sort"
    )]
    Posting {
        /// The number of the slot.
        slot: i64,
    },
    /// A cause named twice.
    #[error("the cause `{id}` is given more than once; hint: join its intervals")]
    Cause {
        /// Its id.
        id: String,
    },
}
