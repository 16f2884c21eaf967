//! What the SQLite files of a data directory have in common: how they are opened, and how their
//! tables come to the newest version.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration as Wait;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::{StoreError, directory};

/// How long to wait for somebody who reads the file with another program.
const BUSY_WAIT: Wait = Wait::from_secs(5);

/// A file's tables, and the way from each version of them to the next.
///
/// A step is never changed once it was shipped: a file that has taken it would differ from one
/// that takes it now. What changes goes into a new step at the end.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The format's name and version; the file holds it.
    pub(crate) format: &'static str,
    /// Reads it.
    pub(crate) read_format: &'static str,
    /// Bytes of a page, in a file that is begun.
    pub(crate) page_bytes: u32,
    /// The steps, in order. `user_version` says how many a file has taken.
    pub(crate) steps: &'static [Step],
}

/// From one version of the tables to the next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Statements.
    Sql(&'static str),
    /// What statements cannot say. It is given the file's path, for its errors.
    Code(fn(&Transaction<'_>, &Path) -> Result<(), StoreError>),
}

/// Opens the file at `path` to write it, or begins one, and brings its tables to the newest version.
pub(crate) fn open(path: &Path, schema: &Schema) -> Result<Connection, StoreError> {
    let cannot = || cannot("open", path);
    begin(path)?;
    let mut connection = Connection::open(path).map_err(cannot())?;
    connection.busy_timeout(BUSY_WAIT).map_err(cannot())?;
    // Only a file that is begun takes it.
    connection.pragma_update(None, "page_size", schema.page_bytes).map_err(cannot())?;
    // Readers do not wait for the writer, and a commit is one append and one sync.
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(cannot())?;
    if mode != "wal" {
        return Err(StoreError::NoWal { path: path.to_owned() });
    }
    for (pragma, value) in [
        // Without it a commit may be gone after a power failure.
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("cell_size_check", "ON"),
        ("trusted_schema", "OFF"),
        // KiB, negative by SQLite's rule: what a commit changes fits, so that no page is written
        // twice.
        ("cache_size", "-16384"),
    ] {
        connection.pragma_update(None, pragma, value).map_err(cannot())?;
    }
    migrate(&mut connection, path, schema)?;
    Ok(connection)
}

/// Opens the file at `path`, which another connection of the process has opened to write it, once more.
pub(crate) fn open_again(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(cannot("open", path))?;
    connection.busy_timeout(BUSY_WAIT).map_err(cannot("open", path))?;
    Ok(connection)
}

/// Begins the file at `path` where it is not there yet, since SQLite would let everybody read it; its
/// other files get the rights of this one.
fn begin(path: &Path) -> Result<(), StoreError> {
    match directory::create_new(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::io("create", path)(error))
        }
        _ => Ok(()),
    }
}

/// Opens the file at `path` to read it only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let cannot = || cannot("open", path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(cannot())?;
    connection.busy_timeout(BUSY_WAIT).map_err(cannot())?;
    Ok(connection)
}

/// Writes what the file at `path` holds at one moment to the new file `to`, while others write to
/// the former; on disk when this returns.
pub(crate) fn copy(path: &Path, to: &Path) -> Result<(), StoreError> {
    let connection = open_reader(path)?;
    let Some(target) = to.to_str() else {
        let (what, value) = ("the path", to.display().to_string());
        return Err(StoreError::Invalid { what, value, why: "must be UTF-8" });
    };
    // SQLite takes an empty file for a new one.
    directory::create_new(to).map_err(StoreError::io("create", to))?;
    connection.execute("VACUUM INTO ?1", [target]).map_err(cannot("copy", path))?;
    // It is complete, and so far only in the system's memory.
    File::open(to).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", to))
}

/// Refuses a file that is not of this format, or whose tables are not of the newest version.
pub(crate) fn check_newest(
    connection: &Connection,
    path: &Path,
    schema: &Schema,
) -> Result<(), StoreError> {
    let taken = version(connection, path, schema)?;
    if taken < schema.steps.len() {
        return Err(unknown(path, schema, format!("{}, tables of version {taken}", schema.format)));
    }
    check_format(connection, path, schema)
}

/// Compares SQLite's own structure with itself.
pub(crate) fn check_structure(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let said: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(cannot("read", path))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::damaged(path, 0, said)) }
}

/// Does `work` in one transaction, which counts only when all of it succeeds.
pub(crate) fn write<T, E: From<StoreError>>(
    connection: &mut Connection,
    path: &Path,
    work: impl FnOnce(&Transaction<'_>, &Path) -> Result<T, E>,
) -> Result<T, E> {
    let cannot = || cannot("commit to", path);
    let behavior = TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(behavior).map_err(cannot())?;
    let value = work(&transaction, path)?;
    transaction.commit().map_err(cannot())?;
    Ok(value)
}

/// Each step and the number that says that it was taken are one transaction.
fn migrate(connection: &mut Connection, path: &Path, schema: &Schema) -> Result<(), StoreError> {
    let cannot = || cannot("set up", path);
    let taken = version(connection, path, schema)?;
    if taken == 0 {
        let is_foreign: bool = connection
            .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
            .map_err(cannot())?;
        if is_foreign {
            return Err(unknown(path, schema, "tables of another program".to_owned()));
        }
    }
    for (number, step) in (1_u32..).zip(schema.steps).skip(taken) {
        write(connection, path, |transaction, path| {
            match step {
                Step::Sql(sql) => transaction.execute_batch(sql).map_err(cannot())?,
                Step::Code(work) => work(transaction, path)?,
            }
            transaction.pragma_update(None, "user_version", number).map_err(cannot())
        })?;
    }
    check_format(connection, path, schema)
}

/// How many steps the file has taken; refused when those are more than are known.
fn version(connection: &Connection, path: &Path, schema: &Schema) -> Result<usize, StoreError> {
    let taken: u32 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(cannot("open", path))?;
    if taken as usize > schema.steps.len() {
        return Err(unknown(path, schema, format!("{}, tables of version {taken}", schema.format)));
    }
    Ok(taken as usize)
}

fn check_format(connection: &Connection, path: &Path, schema: &Schema) -> Result<(), StoreError> {
    let read = |row: &rusqlite::Row<'_>| row.get(0);
    let format: String =
        connection.query_row(schema.read_format, [], read).map_err(cannot("open", path))?;
    if format == schema.format { Ok(()) } else { Err(unknown(path, schema, format)) }
}

fn unknown(path: &Path, schema: &Schema, found: String) -> StoreError {
    StoreError::Format { path: path.to_owned(), found, known: schema.format }
}

/// For `map_err`: SQLite refused to `doing` the file at `path`.
pub(crate) fn cannot(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |cause| StoreError::Sqlite { doing, path, cause: Arc::new(cause) }
}
