//! What people and machines have told the server to do, and who did: documents, tokens, grants,
//! sessions of people, and the audit log of every change to them.
//!
//! It is small, changes seldom and is read often, so it has a file of its own, `control.sqlite`: a
//! restored ledger does not bring back a revoked token, and the ledger's many commits do not wait
//! for it. Each change and its audit records are one transaction, on disk when the call returns.
//!
//! Texts are opaque: what a document means, which roles and scopes there are, whether an expired
//! token may do something is decided by the caller. Secrets never come here, only their digests.
//! The tables are described in `docs/format/control-v1.md`.

mod audit;
mod documents;
mod grants;
mod people;
mod schema;
mod tokens;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use flyball_model::Timestamp;
use rusqlite::{Connection, Transaction};

use crate::directory::{self, DataDirectory};
use crate::{StoreError, sqlite};

pub use audit::{AUDIT_PAGE_MAX, AuditChecked, AuditHead, AuditRecord};
pub use documents::{Change, DOCUMENT_BYTES_MAX, Document, Documents, NewDocument};
pub use grants::Grant;
pub use people::{
    Identity, NewSession, PERSON_GROUPS_MAX, Person, SESSIONS_MAX, SESSIONS_OF_PERSON_MAX, Session,
};
pub use tokens::{NewToken, Token};

/// The file in the data directory.
pub(crate) const FILE: &str = "control.sqlite";

/// The longest name, kind, origin, actor, subject, role, scope or service. Bytes.
pub const CONTROL_TEXT_BYTES_MAX: usize = 1024;

/// The most documents, the most tokens (revoked ones included), the most grants, the most people,
/// and the most of each that one change may name.
pub const CONTROL_ROWS_MAX: usize = 100_000;

/// The most scopes, and the most services, of one token.
pub const TOKEN_LIST_MAX: usize = 256;

/// The open control state.
///
/// It can be sent to another thread and is used by one at a time: what is read and what is written
/// goes through the same connection, so that a reader sees every change that was made before.
#[derive(Debug)]
pub struct Control {
    connection: Connection,
    path: PathBuf,
    /// Kept so that nobody else opens the directory meanwhile.
    _directory: DataDirectory,
}

impl Control {
    /// Opens the control state of the data directory at `path` and nothing else of it, which is
    /// quick however much was counted there. The directory is made where it is not there yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when a process has the directory open; else what cannot be read.
    pub fn open_alone(path: &Path) -> Result<Self, StoreError> {
        Self::open(&DataDirectory::open(path)?)
    }

    /// Opens the control state of `directory`, or begins an empty one at revision 0.
    pub(crate) fn open(directory: &DataDirectory) -> Result<Self, StoreError> {
        let path = directory.path().join(FILE);
        let connection = sqlite::open(&path, &schema::TABLES)?;
        directory::sync(directory.path())?;
        Ok(Self { connection, path, _directory: directory.clone() })
    }

    /// Reads and checks the file at `path`, which nobody writes to and which is not changed.
    pub(crate) fn check_copy(path: &Path) -> Result<AuditChecked, StoreError> {
        let connection = sqlite::open_reader(path)?;
        sqlite::check_newest(&connection, path, &schema::TABLES)?;
        sqlite::check_structure(&connection, path)?;
        audit::verify(&connection, path)
    }

    /// Makes a change and its audit records in one transaction.
    fn change<T>(
        &mut self,
        actor: &str,
        at: Timestamp,
        work: impl FnOnce(&Changing<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        check_text("an actor", actor)?;
        sqlite::write(&mut self.connection, &self.path, |transaction, path| {
            work(&Changing { transaction, path, actor, at })
        })
    }

    fn cannot_read(&self) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
        sqlite::cannot("read", &self.path)
    }
}

/// A change being made: where, by whom, when.
struct Changing<'a> {
    transaction: &'a Transaction<'a>,
    path: &'a Path,
    actor: &'a str,
    at: Timestamp,
}

impl Changing<'_> {
    fn cannot(&self) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
        sqlite::cannot("write to", self.path)
    }

    /// Refuses what was added when a table holds more than it may now.
    fn check_count(&self, what: &'static str, count: &str) -> Result<(), StoreError> {
        let rows: i64 =
            self.transaction.query_row(count, [], |row| row.get(0)).map_err(self.cannot())?;
        if usize::try_from(rows).is_ok_and(|rows| rows <= CONTROL_ROWS_MAX) {
            return Ok(());
        }
        Err(StoreError::TooMany { what, most: CONTROL_ROWS_MAX })
    }

    fn record(
        &self,
        action: &str,
        target: &str,
        detail: &serde_json::Value,
    ) -> Result<(), StoreError> {
        audit::append(self, action, target, &detail.to_string())
    }
}

/// Refuses a text that is empty or longer than is kept.
fn check_text(what: &'static str, text: &str) -> Result<(), StoreError> {
    if text.is_empty() {
        return Err(StoreError::Invalid { what, value: String::new(), why: "must not be empty" });
    }
    StoreError::check_length(what, text.len(), CONTROL_TEXT_BYTES_MAX)
}
