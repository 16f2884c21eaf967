//! The ledger's tables, and the way from each version of them to the next.
//!
//! A step is never changed once it was shipped: a ledger that has taken it would differ from one
//! that takes it now. What changes goes into a new step at the end.

use std::path::Path;

use rusqlite::Connection;

use crate::StoreError;
use crate::ledger::sqlite;

/// The format's name and version; the ledger holds it.
pub(super) const SCHEMA: &str = "flyball.dev/ledger/v1";

/// The steps, in order. `user_version` says how many a ledger has taken.
pub(super) const STEPS: &[&str] = &[
    "
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format TEXT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0)
) STRICT;
INSERT INTO ledger (id, format, position) VALUES (1, 'flyball.dev/ledger/v1', 0);

CREATE TABLE generations (
    id INTEGER PRIMARY KEY,
    slo TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    created INTEGER NOT NULL,
    since INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('filling', 'live', 'retired')),
    UNIQUE (slo, hash)
) STRICT;
CREATE UNIQUE INDEX generations_live ON generations (slo) WHERE state = 'live';

CREATE TABLE slices (
    id INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL REFERENCES generations (id),
    name TEXT NOT NULL,
    UNIQUE (generation, name)
) STRICT;

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    slice INTEGER NOT NULL REFERENCES slices (id),
    day INTEGER NOT NULL,
    slots BLOB NOT NULL,
    UNIQUE (slice, day)
) STRICT;

CREATE TABLE keys (
    key BLOB PRIMARY KEY,
    sequence INTEGER NOT NULL,
    arrival INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_arrival ON keys (arrival);
",
    "
CREATE TABLE kept (
    key BLOB PRIMARY KEY,
    value BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
];

/// Brings the tables to the newest version.
///
/// Each step and the number that says that it was taken are one transaction.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let cannot = || sqlite("set up", path);
    let taken: u32 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(cannot())?;
    let unknown =
        |found: String| StoreError::Format { path: path.to_owned(), found, known: SCHEMA };
    if taken as usize > STEPS.len() {
        return Err(unknown(format!("{SCHEMA}, tables of version {taken}")));
    }
    if taken == 0 {
        let is_foreign: bool = connection
            .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
            .map_err(cannot())?;
        if is_foreign {
            return Err(unknown("tables of another program".to_owned()));
        }
    }
    for (number, step) in (1_u32..).zip(STEPS).skip(taken as usize) {
        let transaction = connection.transaction().map_err(cannot())?;
        transaction.execute_batch(step).map_err(cannot())?;
        transaction.pragma_update(None, "user_version", number).map_err(cannot())?;
        transaction.commit().map_err(cannot())?;
    }
    let format: String =
        connection.query_row("SELECT format FROM ledger", [], |row| row.get(0)).map_err(cannot())?;
    if format == SCHEMA { Ok(()) } else { Err(unknown(format)) }
}
