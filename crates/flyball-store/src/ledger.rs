//! The ledger: durable tallies, and the position in the journal up to which they count.
//!
//! Both are written in one transaction, which is what makes each journal entry count exactly once:
//! after a crash the ledger is as of some position, and whoever counts goes on behind it. A commit
//! names the position it goes on from, so that one that is given twice is refused the second time.
//!
//! Tallies are kept for a *generation* of an SLO (the SLO as long as nothing that changes counting
//! changes), for each of its slices, in slots of 10 s. Late events simply add to their slot. How
//! slots become rows, so that a commit to all slices writes few of them, is `tallies`' business.
//!
//! One value owns the one connection that writes, and is called by one thread at a time; other
//! threads read by a [`LedgerReader`] of their own. The ledger does not bound how many slices
//! there are: whoever counts does, before it gives a slice a name here.

mod chunk;
mod schema;
mod snapshot;
mod tallies;
mod values;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use flyball_model::{Duration, Slot, Tally, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::counted::Counted;
use crate::directory::{self, DataDirectory};
use crate::{Sequence, StoreError, sqlite};
use chunk::{ChunkKey, SLOTS_PER_HOUR};

pub use snapshot::{Checked, KeyUse, LedgerReader, LedgerSnapshot};
pub use tallies::SLOT_EVENTS_MAX;
pub use values::{KeptValue, VALUE_BYTES_MAX, VALUE_KEY_BYTES_MAX};

/// The ledger's file in the data directory.
pub(crate) const FILE: &str = "ledger.sqlite";

/// The longest idempotency key. Bytes; long enough for a UUID or a digest with a prefix, short
/// enough that a million keys take no more than 300 MB.
pub const KEY_BYTES_MAX: usize = 256;

/// The number of a generation in one ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(i64);

/// The number of a slice of one generation in one ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceId(i64);

/// What a generation is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GenerationState {
    /// Its past is still being counted: budgets do not use it yet.
    Filling,
    /// Budgets use it. An SLO has at most one such generation.
    Live,
    /// Another generation took its place.
    Retired,
}

impl GenerationState {
    const fn text(self) -> &'static str {
        match self {
            Self::Filling => "filling",
            Self::Live => "live",
            Self::Retired => "retired",
        }
    }
}

/// One SLO as long as nothing that changes counting changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number here.
    pub id: GenerationId,
    /// The SLO's name.
    pub slo: String,
    /// A hash of everything that changes counting.
    pub hash: [u8; 32],
    /// When it was begun.
    pub created: Timestamp,
    /// The ledger's position when it was begun: what is behind it is counted as it comes, what is
    /// before it only where the past is counted again.
    pub since: Sequence,
    /// What it is used for.
    pub state: GenerationState,
}

/// Events to add to one slot of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// The slice.
    pub slice: SliceId,
    /// The slot, of [`Ledger::SLOT_WIDTH`]; any time, past or future.
    pub slot: Slot,
    /// What to add.
    pub tally: Tally,
}

/// An idempotency key that came with a journal entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key; at most [`KEY_BYTES_MAX`] bytes.
    pub key: Vec<u8>,
    /// The entry that it came with.
    pub sequence: Sequence,
    /// When that arrived; what it is forgotten by.
    pub arrival: Timestamp,
}

/// What a stretch of journal entries adds to the ledger.
///
/// One without entries (`through` is `after`) is possible, and then not refused when it is given
/// twice: leave its `deltas` empty, unless they are of entries that the position does not stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// The position that the entries follow; the ledger must stand there.
    pub after: Sequence,
    /// The last of the entries, which must be committed in the journal; `after` for no entries.
    pub through: Sequence,
    /// What they count, in any order; more than one for a slot are added up.
    pub deltas: Vec<Delta>,
    /// The keys that they came with, none of which was used before.
    pub keys: Vec<Key>,
    /// Opaque values to keep under their keys, or to forget (`None`; forgetting what is not there
    /// is nothing). At most [`VALUE_KEY_BYTES_MAX`] and [`VALUE_BYTES_MAX`] bytes; the last word on
    /// a key counts. Read by [`LedgerSnapshot::value`] and [`LedgerSnapshot::values`].
    pub values: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    /// Tells the journal what may be released.
    counted: Counted,
    /// Kept so that nobody else opens the directory meanwhile.
    _directory: DataDirectory,
}

impl Ledger {
    /// How wide the ledger's slots are.
    pub const SLOT_WIDTH: Duration = chunk::SLOT_WIDTH;

    /// Opens the ledger of `directory`, or begins an empty one at [`Sequence::NONE`].
    pub(crate) fn open(directory: &DataDirectory) -> Result<Self, StoreError> {
        let path = directory.path().join(FILE);
        let connection = sqlite::open(&path, &schema::TABLES)?;
        directory::sync(directory.path())?;
        let position = snapshot::position(&connection).map_err(sqlite::cannot("read", &path))?;
        let counted = Counted::at(position);
        Ok(Self { connection, path, counted, _directory: directory.clone() })
    }

    /// The position as of the last commit, for the journal.
    pub(crate) fn counted(&self) -> Counted {
        self.counted.clone()
    }

    /// The last journal entry that is counted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn position(&self) -> Result<Sequence, StoreError> {
        snapshot::position(&self.connection).map_err(sqlite::cannot("read", &self.path))
    }

    /// Reads the ledger as of the last commit.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn snapshot(&mut self) -> Result<LedgerSnapshot<'_>, StoreError> {
        LedgerSnapshot::new(&mut self.connection, &self.path)
    }

    /// A way to read the ledger from another thread, while this one writes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when the file cannot be opened once more.
    pub fn reader(&self) -> Result<LedgerReader, StoreError> {
        let connection = sqlite::open_reader(&self.path)?;
        Ok(LedgerReader { connection, path: self.path.clone() })
    }

    /// The generation of `slo` with this hash: the one that is there, else a new one in the state
    /// [`GenerationState::Filling`], begun at `created` and the present position.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn generation(
        &mut self,
        slo: &str,
        hash: [u8; 32],
        created: Timestamp,
    ) -> Result<Generation, StoreError> {
        self.write(|transaction, path| {
            let cannot = || sqlite::cannot("write a generation to", path);
            let new = "INSERT INTO generations (slo, hash, created, since, state)
                       SELECT ?1, ?2, ?3, position, 'filling' FROM ledger
                       WHERE true ON CONFLICT (slo, hash) DO NOTHING";
            transaction.execute(new, params![slo, hash, created.nanos()]).map_err(cannot())?;
            let same = "SELECT id, slo, hash, created, since, state FROM generations
                        WHERE slo = ?1 AND hash = ?2";
            transaction.query_row(same, params![slo, hash], snapshot::generation).map_err(cannot())
        })
    }

    /// Says what a generation is used for from now on. One that becomes live retires the one of the
    /// same SLO that was.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] for a generation that is not in this ledger, [`StoreError::Sqlite`]
    /// when it cannot be written.
    pub fn set_state(
        &mut self,
        generation: GenerationId,
        state: GenerationState,
    ) -> Result<(), StoreError> {
        self.set_states(&[(generation, state)])
    }

    /// As [`Self::set_state`] for many, in this order; all of it or nothing. Without any, nothing is
    /// written.
    ///
    /// # Errors
    ///
    /// Those of [`Self::set_state`].
    pub fn set_states(
        &mut self,
        states: &[(GenerationId, GenerationState)],
    ) -> Result<(), StoreError> {
        if states.is_empty() {
            return Ok(());
        }
        self.write(|transaction, path| {
            states.iter().try_for_each(|state| set_state(transaction, path, *state))
        })
    }

    /// The slice of `generation` with this name, which is added when it is not there yet. All events
    /// of the SLO are the slice that the caller names so, mostly by the empty text.
    ///
    /// A slice cannot be removed: bound their number before naming them here.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] for a generation that is not in this ledger, [`StoreError::Sqlite`]
    /// when it cannot be written.
    pub fn slice(&mut self, generation: GenerationId, name: &str) -> Result<SliceId, StoreError> {
        let found = find_slice(&self.connection, &self.path, generation, name)?;
        match found {
            Some(id) => Ok(id),
            None => self.slices(generation, &[name]).map(|ids| ids[0]),
        }
    }

    /// The slices of `generation` with these names, in their order; those that are not there yet
    /// are added together, in one transaction. Otherwise as [`Self::slice`].
    ///
    /// # Errors
    ///
    /// As [`Self::slice`]; none was added then.
    pub fn slices(
        &mut self,
        generation: GenerationId,
        names: &[&str],
    ) -> Result<Vec<SliceId>, StoreError> {
        self.write(|transaction, path| {
            let cannot = || sqlite::cannot("write a slice to", path);
            let is_known: bool = transaction
                .query_row(
                    "SELECT EXISTS (SELECT 1 FROM generations WHERE id = ?1)",
                    [generation.0],
                    |row| row.get(0),
                )
                .map_err(cannot())?;
            if !is_known {
                return Err(unknown("generation", generation.0));
            }
            let add = "INSERT INTO slices (generation, name) VALUES (?1, ?2)";
            let mut add = transaction.prepare(add).map_err(cannot())?;
            let id = |name: &&str| match find_slice(transaction, path, generation, name)? {
                Some(id) => Ok(id),
                None => add.insert(params![generation.0, name]).map(SliceId).map_err(cannot()),
            };
            names.iter().map(id).collect()
        })
    }

    /// Adds what a stretch of journal entries counts, keeps its values, and moves the position
    /// behind them: all or nothing, and on disk when this returns.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`StoreError::Position`] when the ledger does not stand at
    /// `after`; [`StoreError::KeyUsed`] when a key was used before; [`StoreError::TooLong`] for a
    /// key or a value; [`StoreError::Overflow`] when a count would pass [`SLOT_EVENTS_MAX`];
    /// [`StoreError::Unknown`] for a slice that is not in this ledger; [`StoreError::DamagedChunk`]
    /// when a chunk to add to does not hold what was written; [`StoreError::Sqlite`] when it cannot
    /// be written.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.write(|transaction, path| {
            let cannot = || sqlite::cannot("commit to", path);
            let ledger = snapshot::position(transaction).map_err(cannot())?;
            if ledger != commit.after || commit.through < commit.after {
                let (after, through) = (commit.after, commit.through);
                return Err(StoreError::Position { ledger, after, through });
            }
            let position = commit.through.0.cast_signed();
            let advance = "UPDATE ledger SET position = ?1, commits = commits + 1
                           RETURNING commits";
            let number =
                transaction.query_row(advance, [position], |row| row.get(0)).map_err(cannot())?;
            tallies::add(transaction, path, number, &commit.deltas)?;
            add_keys(transaction, path, commit)?;
            values::write(transaction, path, &commit.values)
        })?;
        self.counted.set(commit.through);
        Ok(())
    }

    /// Forgets the idempotency keys that arrived before `before`, and returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn forget_keys(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        self.write(|transaction, path| {
            transaction
                .execute("DELETE FROM keys WHERE arrival < ?1", [before.nanos()])
                .map_err(sqlite::cannot("forget keys in", path))
        })
    }

    /// Deletes the tallies of hours that ended before `before`, of all slices, and returns how many
    /// hours that were. What was added to some moments ago may stay for a while.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn forget_tallies(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let first = Slot::of(before, chunk::SLOT_WIDTH);
        let (hour, _) = chunk::split(first.0, SLOTS_PER_HOUR);
        self.write(|transaction, path| {
            // By the slice first: so the rows are together.
            let delete = "DELETE FROM hours WHERE slice IN (SELECT id FROM slices) AND hour < ?1";
            transaction.execute(delete, [hour]).map_err(sqlite::cannot("forget tallies in", path))
        })
    }

    /// How much of the file is in use. Bytes; what was deleted is room for more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        let pages = "SELECT (page_count - freelist_count) * page_size
                     FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
        let bytes = self.connection.query_row(pages, [], |row| row.get(0));
        bytes.map(i64::cast_unsigned).map_err(sqlite::cannot("read", &self.path))
    }

    /// When the first hour begins that has tallies, of any slice; `None` where there are none. What was
    /// added some moments ago may not be seen yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn first_tallies(&self) -> Result<Option<Timestamp>, StoreError> {
        // Slice by slice, each of which has its hours in order.
        let first = "SELECT MIN((SELECT MIN(hour) FROM hours WHERE slice = slices.id)) FROM slices";
        let hour: Option<i64> = self
            .connection
            .query_row(first, [], |row| row.get(0))
            .map_err(sqlite::cannot("read", &self.path))?;
        let start =
            |hour: i64| Slot(hour * i64::from(SLOTS_PER_HOUR)).interval(chunk::SLOT_WIDTH).start();
        Ok(hour.map(start))
    }

    /// Does `work` in one transaction, which counts only when all of it succeeds.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &Path) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        sqlite::write(&mut self.connection, &self.path, work)
    }
}

/// The slice of `generation` with this name, where it is there.
fn find_slice(
    connection: &Connection,
    path: &Path,
    generation: GenerationId,
    name: &str,
) -> Result<Option<SliceId>, StoreError> {
    let find = "SELECT id FROM slices WHERE generation = ?1 AND name = ?2";
    connection
        .query_row(find, params![generation.0, name], |row| row.get(0).map(SliceId))
        .optional()
        .map_err(sqlite::cannot("read", path))
}

/// Keeps the keys of the entries that are committed.
fn add_keys(transaction: &Transaction<'_>, path: &Path, commit: &Commit) -> Result<(), StoreError> {
    let cannot = || sqlite::cannot("commit to", path);
    let mut add = transaction
        .prepare(
            "INSERT INTO keys (key, sequence, arrival) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO NOTHING",
        )
        .map_err(cannot())?;
    for Key { key, sequence, arrival } in &commit.keys {
        StoreError::check_length("an idempotency key", key.len(), KEY_BYTES_MAX)?;
        let values = params![key, sequence.0.cast_signed(), arrival.nanos()];
        if add.execute(values).map_err(cannot())? == 0 {
            return Err(StoreError::KeyUsed { key: key.escape_ascii().to_string() });
        }
    }
    Ok(())
}

/// For `map_err`: a chunk does not hold what was written.
fn damaged_chunk(path: &Path, key: ChunkKey) -> impl FnOnce(&'static str) -> StoreError + use<> {
    let path = path.to_owned();
    move |what| StoreError::DamagedChunk { path, of: key.text(), what }
}

fn unknown(what: &'static str, id: i64) -> StoreError {
    StoreError::Unknown { what, id }
}

/// Says in `transaction` what a generation is used for.
fn set_state(
    transaction: &Transaction<'_>,
    path: &Path,
    (generation, state): (GenerationId, GenerationState),
) -> Result<(), StoreError> {
    let cannot = || sqlite::cannot("write a generation to", path);
    if state == GenerationState::Live {
        let others = "UPDATE generations SET state = 'retired'
                      WHERE state = 'live' AND id <> ?1
                      AND slo = (SELECT slo FROM generations WHERE id = ?1)";
        transaction.execute(others, [generation.0]).map_err(cannot())?;
    }
    let this = "UPDATE generations SET state = ?2 WHERE id = ?1";
    let changed =
        transaction.execute(this, params![generation.0, state.text()]).map_err(cannot())?;
    if changed == 1 { Ok(()) } else { Err(unknown("generation", generation.0)) }
}
