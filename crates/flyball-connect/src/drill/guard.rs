//! What a server and the guard of its drill say to each other, a line each.
//!
//! The server says first what takes the fault away, as JSON: a [`Charge`]. The guard answers [`ARMED`], and only then is
//! anything broken. From then on the server says [`BEAT`] every [`BEAT_EVERY`], and [`DISMISSED`] when it has taken the
//! fault away itself. A guard that had to do it says [`UNDONE`], if anybody still listens. What the guard makes of what
//! it hears is decided by `flyball_govern::drill::Guard`.
//!
//! [`BEAT_EVERY`]: flyball_govern::drill::BEAT_EVERY

use flyball_model::Timestamp;

use super::Ask;

/// The guard knows what to do: the fault may be injected.
pub const ARMED: &str = "armed";
/// The server lives.
pub const BEAT: &str = "beat";
/// The server has taken the fault away itself.
pub const DISMISSED: &str = "dismissed";
/// The guard has taken the fault away.
pub const UNDONE: &str = "undone";
/// The longest line, in bytes: an address and a body of each of a few asks.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// The most that a guard asks.
const ASKS_MAX: usize = 16;

/// What a guard is charged with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// What takes the fault away: each of them, in any order.
    pub asks: Vec<Ask>,
    /// When the fault is taken away at the latest, whoever lives.
    pub latest: Timestamp,
}

/// Why a line charges nobody with anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// It is too long, or does not end.
    #[error("the first line has no end within {LINE_BYTES_MAX} bytes; hint: write less into it")]
    Long,
    /// It is something else.
    #[error(
        "the first line is no charge: {what}; hint: it reads {{\"asks\":[…],\"latest\":\"2026-01-01T00:00:00Z\"}}"
    )]
    Unknown {
        /// What is wrong.
        what: String,
    },
    /// It asks nothing, or too much.
    #[error(
        "the first line asks {asks} times; hint: a fault is taken away by 1 to {ASKS_MAX} asks"
    )]
    Asks {
        /// How often.
        asks: usize,
    },
}

impl Charge {
    /// The line that says it, with its end.
    pub fn line(&self) -> String {
        // Neither has a key that is no text.
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{text}\n")
    }

    /// Reads the line that says it.
    ///
    /// # Errors
    ///
    /// [`ChargeError`].
    pub fn read(line: &str) -> Result<Self, ChargeError> {
        if line.len() > LINE_BYTES_MAX {
            return Err(ChargeError::Long);
        }
        let charge: Self = serde_json::from_str(line)
            .map_err(|error| ChargeError::Unknown { what: error.to_string() })?;
        let asks = charge.asks.len();
        if asks == 0 || asks > ASKS_MAX { Err(ChargeError::Asks { asks }) } else { Ok(charge) }
    }
}
