//! What people and machines have told the server, and who did: documents, tokens, grants, sessions of
//! people, records of what happened elsewhere, and the audit log of every change to them.
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
mod records;
mod schema;
mod settling;
mod tokens;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use flyball_model::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction};

use crate::directory::{self, DataDirectory};
use crate::{StoreError, sqlite};

pub use audit::{AUDIT_PAGE_MAX, AuditChecked, AuditHead, AuditRecord};
pub use documents::{Change, DOCUMENT_BYTES_MAX, Document, Documents, NewDocument};
pub use grants::Grant;
pub use people::{
    Identity, NewSession, PERSON_GROUPS_MAX, Person, SESSIONS_MAX, SESSIONS_OF_PERSON_MAX, Session,
};
pub use records::{
    DELIVERIES_MAX, Delivered, Delivery, NewRecord, Noting, RECORD_BYTES_MAX, RECORDS_PAGE_MAX,
    Record, RecordBound, RecordFilter,
};
pub use settling::{Log, Settled, Settler};
pub use tokens::{NewToken, Token};

/// The file in the data directory.
pub(crate) const FILE: &str = "control.sqlite";

/// The longest name, kind, origin, actor, subject, role, scope or service. Characters, by which a schema of
/// JSON bounds texts as well; in UTF-8 that is four times as many bytes at most.
pub const CONTROL_TEXT_MAX: usize = 1024;

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
        settling::leave_to_settler(&connection, &path)?;
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

    /// Records `backup.make`, before everything is copied to a backup called `name`.
    ///
    /// # Errors
    ///
    /// Nothing was recorded then. [`StoreError::Invalid`] for an empty text, [`StoreError::TooLong`],
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn record_backup(
        &mut self,
        name: &str,
        actor: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        check_text("the name of a backup", name)?;
        self.change(actor, at, |changing| {
            changing.record("backup.make", name, &serde_json::json!({}))
        })
    }

    /// Records `action` on `target`, which is done elsewhere than here, before it is done.
    ///
    /// # Errors
    ///
    /// Nothing was recorded then. [`StoreError::Invalid`] for an empty text, [`StoreError::TooLong`],
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn record_action(
        &mut self,
        action: &str,
        target: &str,
        detail: &serde_json::Value,
        actor: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        check_text("an action", action)?;
        check_text("the target of an action", target)?;
        self.change(actor, at, |changing| changing.record(action, target, detail))
    }

    /// Makes a change and its audit records in one transaction.
    fn change<T, E: From<StoreError>>(
        &mut self,
        actor: &str,
        at: Timestamp,
        work: impl FnOnce(&Changing<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        check_text("an actor", actor)?;
        sqlite::write(&mut self.connection, &self.path, |transaction, path| {
            work(&Changing { transaction, path, actor, at })
        })
    }

    /// What `sql` finds, each row as `read` takes it.
    fn rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        rows(&self.connection, sql, values, read).map_err(self.cannot_read())
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

    /// What `sql` finds or returns first; `None` when it is nothing. The statement is kept for the next time.
    fn find<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let found = self.transaction.prepare_cached(sql).and_then(|mut statement| {
            let found = statement.query_row(values, read);
            found.optional()
        });
        found.map_err(self.cannot())
    }

    /// Does `sql`, and answers how many rows it changed. The statement is kept for the next time.
    fn execute(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        let done = self.transaction.prepare_cached(sql);
        done.and_then(|mut statement| statement.execute(values)).map_err(self.cannot())
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

/// What `sql` finds or returns, each row as `read` takes it.
fn rows<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(values, read)?.collect()
}

/// The list of texts in a column that holds it as JSON.
fn list(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|cause| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(cause))
    })
}

/// Refuses a text that is empty or longer than is kept.
fn check_text(what: &'static str, text: &str) -> Result<(), StoreError> {
    if text.is_empty() {
        return Err(StoreError::Invalid { what, value: String::new(), why: "must not be empty" });
    }
    match text.chars().count() {
        ..=CONTROL_TEXT_MAX => Ok(()),
        length => {
            Err(StoreError::TooLong { what, length, unit: "characters", most: CONTROL_TEXT_MAX })
        }
    }
}
