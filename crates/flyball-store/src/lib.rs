//! What outlives the process: the journal of what came in, the ledger of what was counted, and the
//! control state: what the server was told to do.
//!
//! A request is answered only after its bytes are in the [`Journal`] and the disk has them. Whoever
//! counts reads the journal from the [`Ledger`]'s position on and commits the tallies together with
//! the new position, in one transaction: so each entry is counted exactly once, whatever crashes
//! when. What is to be counted, and who may say so, is in [`Control`], with a log of all changes.
//! All live in one data directory, which one process at a time may have open ([`Store`]).
//!
//! [`Backups`] copies a directory that is in use, [`Backup`] checks and restores such a copy.
//!
//! This crate does not know what an entry says (bytes in, bytes out) nor what an SLO counts. It
//! reads no clock: whoever appends says when the entry arrived. It has no async runtime: one thread
//! writes the journal, and whoever owns the ledger calls it. The formats on disk are described in
//! the pages `…-v1.md` of `docs/format`: `journal`, `ledger`, `control` and `backup`.

mod backup;
mod control;
mod counted;
mod directory;
mod error;
mod journal;
mod ledger;
mod sqlite;
mod store;

pub use backup::{Backup, Backups, SegmentFiles};
pub use control::{
    AUDIT_PAGE_MAX, AuditChecked, AuditHead, AuditRecord, CONTROL_ROWS_MAX, CONTROL_TEXT_MAX,
    Change, Control, DELIVERIES_MAX, DOCUMENT_BYTES_MAX, Delivered, Delivery, Document, Documents,
    Grant, Identity, Log, NewDocument, NewRecord, NewSession, NewToken, Noting, PERSON_GROUPS_MAX,
    Person, RECORD_BYTES_MAX, RECORDS_PAGE_MAX, Record, RecordBound, RecordFilter, SESSIONS_MAX,
    SESSIONS_OF_PERSON_MAX, Session, Settled, Settler, TOKEN_LIST_MAX, Token,
};
pub use error::StoreError;
pub use journal::{Entry, Journal, JournalOptions, JournalReader, Recovery, Ticket, Torn};
pub use ledger::{
    Checked, Commit, Delta, Generation, GenerationId, GenerationState, KEY_BYTES_MAX, KeptValue,
    Key, KeyUse, Ledger, LedgerReader, LedgerSnapshot, SLOT_EVENTS_MAX, SliceId, VALUE_BYTES_MAX,
    VALUE_KEY_BYTES_MAX,
};
pub use store::Store;

use std::fmt;

/// The number of a journal entry: 1 for the first that was ever appended, then without gaps.
///
/// As a position it means "everything up to and including this one".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The position before the first entry.
    pub const NONE: Self = Self(0);

    /// The number of the entry after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// This number moved on by `count` entries.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        // A number a nanosecond would reach this end in 584 years.
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
