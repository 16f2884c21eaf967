//! Bringing to disk what need not wait for it.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use flyball_model::Timestamp;
use rusqlite::Connection;

use super::Control;
use super::records::Noting;
use crate::{StoreError, sqlite};

/// The log of changes that are not in the tables yet is written into them by whoever settles, from so many
/// bytes on.
const LOG_BYTES_MIN: u64 = 4 << 20;
/// Where nobody settles, or not fast enough, whoever writes does so, from so many pages on: 64 MiB.
const LOG_PAGES_MAX: u32 = 16_384;

/// Has a connection write its log into the tables late: that takes tens of milliseconds, in which nobody else
/// can write.
pub(super) fn leave_to_settler(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let set = connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX);
    set.map_err(sqlite::cannot("open", path))
}

impl Control {
    /// As [`Control::note`], without waiting for the disk: what is noted outlives the process when this returns,
    /// and a power failure once the [`Log`] was synced, or anything else was changed.
    ///
    /// # Errors
    ///
    /// What `work` answers; nothing was noted then. [`StoreError`] when it cannot be written.
    pub fn note_soon<T, E: From<StoreError>>(
        &mut self,
        actor: &str,
        at: Timestamp,
        work: impl FnOnce(&Noting<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.set_synchronous("NORMAL")?;
        // Also where `work` panics: what comes after waits for the disk.
        let noted = catch_unwind(AssertUnwindSafe(|| self.note(actor, at, work)));
        self.set_synchronous("FULL")?;
        noted.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn set_synchronous(&self, word: &str) -> Result<(), StoreError> {
        let set = self.connection.pragma_update(None, "synchronous", word);
        set.map_err(sqlite::cannot("write to", &self.path))
    }

    /// Who writes what was noted soon into the tables, beside whoever notes more.
    pub fn settler(&self) -> Settler {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        Settler { path: self.path.clone(), log: Log(log.into()), connection: None }
    }
}

/// SQLite's log of changes, beside the file.
#[derive(Debug, Clone)]
pub struct Log(PathBuf);

impl Log {
    /// Waits until everything that was noted before is on disk.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when the disk does not confirm it.
    pub fn sync(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.0).and_then(|file| file.sync_data());
        synced.map_err(StoreError::io("sync", &self.0))
    }
}

/// Writes the log of what [`Control::note_soon`] has noted into the tables. It holds nobody up who writes.
#[derive(Debug)]
pub struct Settler {
    path: PathBuf,
    log: Log,
    connection: Option<Connection>,
}

impl Settler {
    /// The log.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Writes a log that has grown into the tables, as far as nobody needs it any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`], [`StoreError::Io`].
    pub fn settle(&mut self) -> Result<(), StoreError> {
        let Log(log) = &self.log;
        let bytes = log.metadata().map_err(StoreError::io("read", log))?.len();
        if bytes < LOG_BYTES_MIN {
            return Ok(());
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => sqlite::open_again(&self.path)?,
        };
        let settled = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        settled.map_err(sqlite::cannot("write to", &self.path))?;
        self.connection = Some(connection);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NewRecord, RecordBound};

    const BOUND: RecordBound = RecordBound { rows: 10_000, bytes: 1 << 30 };

    fn synchronous(control: &Control) -> i64 {
        control.connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_noted_soon_is_there_and_leaves_no_long_log() {
        let directory = tempfile::tempdir().unwrap();
        let mut control = Control::open_alone(directory.path()).unwrap();
        let mut settler = control.settler();
        let at = Timestamp::from_seconds(1);
        let text = "x".repeat(4 << 10);
        let Log(log) = settler.log();
        for number in 0..3_000 {
            let (kind, id) = ("decision", number.to_string());
            let new = NewRecord { kind, id, service: None, at, text: text.clone() };
            let noted = control.note_soon("bo", at, |noting| {
                noting.keep(&new, BOUND, Some(("gate.decide", &serde_json::json!({})))).map(drop)
            });
            noted.unwrap_or_else(|error: StoreError| panic!("{error}"));
            if number % 100 == 0 {
                settler.settle().unwrap();
            }
        }
        settler.log().sync().unwrap();
        let bytes = log.metadata().unwrap().len();
        assert!(bytes < 3 * LOG_BYTES_MIN, "the log was written over, not on: {bytes}");
        assert_eq!(synchronous(&control), 2, "other changes wait for the disk");
        let refused = control.note_soon("bo", at, |_| {
            Err::<(), _>(StoreError::TooMany { what: "decisions", most: 0 })
        });
        assert!(refused.is_err());
        assert_eq!(synchronous(&control), 2);
        drop(control);

        let control = Control::open_alone(directory.path()).unwrap();
        assert_eq!(control.record_total("decision").unwrap(), (3_000, 3_000 * 4_096));
        assert_eq!(control.verify_audit().unwrap().records, 3_000);
    }
}
