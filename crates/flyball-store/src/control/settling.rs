//! Bringing to disk what need not wait for it.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use flyball_model::Timestamp;
use rusqlite::{Connection, Row};

use super::Control;
use super::records::Noting;
use crate::{StoreError, sqlite};

/// The log of changes that are not in the tables yet is written into them by whoever settles, from so many pages on:
/// 16 MiB.
const PAGES_STEP: u64 = 4_096;
/// From so many pages on the log is begun anew, for which writers wait a moment: as long as they go on, there is
/// always more behind what was written into the tables. 128 MiB.
const PAGES_MAX: u64 = 32_768;
/// Writers wait until no more than about so many pages are written into the tables: half a MiB.
const PAGES_LEFT: u64 = 128;
/// How often it is tried to leave no more than that; each time takes about half as long as the time before.
const ROUNDS_MAX: usize = 8;
/// Where nobody settles, or not fast enough, whoever writes does so, from so many pages on: 256 MiB.
const PAGES_LONGEST: u32 = 65_536;

/// Has a connection write its log into the tables late, since that takes tens of milliseconds in which nobody else
/// can write.
pub(super) fn leave_to_settler(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let late = connection.pragma_update(None, "wal_autocheckpoint", PAGES_LONGEST);
    late.map_err(sqlite::cannot("open", path))
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

    /// Writes the rest of the log into the tables, so that it is begun anew. Nobody else writes meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        checkpoint("PASSIVE", &self.connection, &self.path).map(drop)
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

/// What a [`Settler`] leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Nothing.
    Enough,
    /// The log has become so long that it should be begun anew: [`Control::settle`].
    Long,
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
    pub fn settle(&mut self) -> Result<Settled, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => sqlite::open_again(&self.path)?,
        };
        let mut pages = checkpoint("NOOP", &connection, &self.path)?;
        let is_long = pages.log >= PAGES_MAX;
        for _ in 0..ROUNDS_MAX {
            if pages.waiting() < if is_long { PAGES_LEFT } else { PAGES_STEP } {
                break;
            }
            checkpoint("PASSIVE", &connection, &self.path)?;
            pages = checkpoint("NOOP", &connection, &self.path)?;
        }
        self.connection = Some(connection);
        Ok(if is_long { Settled::Long } else { Settled::Enough })
    }
}

/// Pages of the log.
struct Pages {
    /// Since it was begun anew.
    log: u64,
    /// Those of them that are in the tables.
    written: u64,
}

impl Pages {
    const fn waiting(&self) -> u64 {
        self.log.saturating_sub(self.written)
    }
}

/// Writes the log into the tables as `mode` has it, and tells how far that has come.
fn checkpoint(mode: &str, connection: &Connection, path: &Path) -> Result<Pages, StoreError> {
    let read = |row: &Row<'_>| {
        // -1 where there is no log.
        let (log, written): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(Pages { log: log.max(0).cast_unsigned(), written: written.max(0).cast_unsigned() })
    };
    let told = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], read);
    told.map_err(sqlite::cannot("write to", path))
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
        let (mut begun_anew, mut settled) = (0, 0);
        for number in 0..6_000 {
            let (kind, id) = ("decision", number.to_string());
            let new = NewRecord { kind, id, service: None, at, text: text.clone() };
            let noted = control.note_soon("bo", at, |noting| {
                noting.keep(&new, BOUND, Some(("gate.decide", &serde_json::json!({})))).map(drop)
            });
            noted.unwrap_or_else(|error: StoreError| panic!("{error}"));
            let pages = checkpoint("NOOP", &control.connection, &control.path).unwrap();
            assert!(pages.log < PAGES_MAX + PAGES_STEP, "it is begun anew: {}", pages.log);
            if pages.log >= PAGES_MAX {
                // Nobody has settled so far.
                assert_eq!(pages.waiting(), pages.log);
                assert_eq!(settler.settle().unwrap(), Settled::Long);
                control.settle().unwrap();
                begun_anew += 1;
            } else if begun_anew > 0 && pages.waiting() >= PAGES_STEP {
                assert_eq!(settler.settle().unwrap(), Settled::Enough);
                let pages = checkpoint("NOOP", &control.connection, &control.path).unwrap();
                assert_eq!(pages.waiting(), 0);
                settled += 1;
            }
        }
        settler.log().sync().unwrap();
        assert!(begun_anew == 1 && settled > 0, "{begun_anew} {settled}");
        let most = (u64::from(PAGES_LONGEST) + 1) * 4_096;
        assert!(log.metadata().unwrap().len() < most, "it was written over, not on");
        assert_eq!(synchronous(&control), 2, "other changes wait for the disk");
        let refused = control.note_soon("bo", at, |_| {
            Err::<(), _>(StoreError::TooMany { what: "decisions", most: 0 })
        });
        assert!(refused.is_err());
        assert_eq!(synchronous(&control), 2);
        drop(control);

        let control = Control::open_alone(directory.path()).unwrap();
        assert_eq!(control.record_total("decision").unwrap(), (6_000, 6_000 * 4_096));
        assert_eq!(control.verify_audit().unwrap().records, 6_000);
    }
}
