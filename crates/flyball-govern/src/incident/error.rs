//! What cannot be said of an incident.

use flyball_model::{CHANGE_TEXT_BYTES_MAX, Timestamp};

/// Why an incident is not opened or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncidentError {
    /// Something that it cannot be without.
    #[error("{what} says nothing; hint: say it in a sentence, it is read later")]
    Missing {
        /// What is empty.
        what: &'static str,
    },
    /// A text that is longer than what is kept.
    #[error(
        "{what} has {bytes} bytes; hint: say it in {CHANGE_TEXT_BYTES_MAX}, and link to the rest"
    )]
    Long {
        /// What is too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// Moments in an impossible order.
    #[error(
        "`{earlier}` ({earlier_at}) would be after `{later}` ({later_at}); hint: correct the one that is wrong first"
    )]
    Order {
        /// What cannot be later.
        earlier: &'static str,
        /// When it would be.
        earlier_at: Timestamp,
        /// What cannot be earlier.
        later: &'static str,
        /// When it would be.
        later_at: Timestamp,
    },
    /// A moment that has not come.
    #[error("{at} has not come; hint: say what has happened, in UTC or with an offset")]
    Future {
        /// The moment.
        at: Timestamp,
    },
    /// Nobody holds the role.
    #[error("nobody holds the role; hint: assign it")]
    NotHeld,
    /// More than is kept.
    #[error("an incident has at most {most} {what}; hint: link to what holds more")]
    Many {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// It repeats itself.
    #[error("an incident does not repeat itself; hint: name the earlier one")]
    RepeatsItself,
}
