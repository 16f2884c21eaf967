//! Reading the ledger: everything that one snapshot says belongs to one position of the journal.

use std::path::{Path, PathBuf};

use flyball_model::{Interval, Slot, Tally, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::chunk::{self, ChunkKey, Kind, SLOT_WIDTH, SLOTS_PER_HOUR};
use super::{
    Generation, GenerationId, GenerationState, KeptValue, SliceId, damaged_chunk, schema, tallies,
    values,
};
use crate::{Sequence, StoreError, sqlite};

/// A way to read the ledger from another thread than the one that writes it, without either
/// waiting for the other. See [`super::Ledger::reader`].
#[derive(Debug)]
pub struct LedgerReader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl LedgerReader {
    /// Reads the ledger's file at `path`, which nobody writes to and which is not changed.
    pub(crate) fn of_copy(path: &Path) -> Result<Self, StoreError> {
        let connection = sqlite::open_reader(path)?;
        sqlite::check_newest(&connection, path, &schema::TABLES)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// The ledger as of the last commit; commits that follow do not change what it says.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn snapshot(&mut self) -> Result<LedgerSnapshot<'_>, StoreError> {
        LedgerSnapshot::new(&mut self.connection, &self.path)
    }
}

/// The ledger as it was at one commit.
#[derive(Debug)]
pub struct LedgerSnapshot<'a> {
    transaction: Transaction<'a>,
    path: &'a Path,
    position: Sequence,
}

/// Where and when an idempotency key was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// The journal's entry that came with it.
    pub sequence: Sequence,
    /// When that arrived.
    pub arrival: Timestamp,
}

/// What [`LedgerSnapshot::check`] has looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Chunks: hours of slices, and slots of many slices.
    pub chunks: u64,
    /// Tallies in all chunks.
    pub slots: u64,
    /// Values that are kept with the tallies.
    pub values: u64,
}

impl<'a> LedgerSnapshot<'a> {
    pub(super) fn new(connection: &'a mut Connection, path: &'a Path) -> Result<Self, StoreError> {
        let transaction = connection.transaction().map_err(sqlite::cannot("read", path))?;
        // The first thing read is what pins the snapshot.
        let position = position(&transaction).map_err(sqlite::cannot("read", path))?;
        Ok(Self { transaction, path, position })
    }

    fn cannot(&self) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
        sqlite::cannot("read", self.path)
    }

    /// The last journal entry that is counted.
    pub fn position(&self) -> Sequence {
        self.position
    }

    /// All generations of all SLOs, in the order in which they were begun.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        let sql = "SELECT id, slo, hash, created, since, state FROM generations ORDER BY id";
        self.rows(sql, [], generation)
    }

    /// The slices of a generation with their names, in the order in which they were met.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn slices(&self, generation: GenerationId) -> Result<Vec<(SliceId, String)>, StoreError> {
        let sql = "SELECT id, name FROM slices WHERE generation = ?1 ORDER BY id";
        self.rows(sql, [generation.0], |row| Ok((SliceId(row.get(0)?), row.get(1)?)))
    }

    /// The tallies of a slice in the slots of [`super::Ledger::SLOT_WIDTH`] that start inside
    /// `interval`, in order; slots without valid events are left out. It costs what the hours cost
    /// that the interval touches.
    ///
    /// # Errors
    ///
    /// [`StoreError::DamagedChunk`] when a chunk that the interval touches does not hold what was
    /// written, [`StoreError::Sqlite`] when it cannot be read.
    pub fn tallies(
        &self,
        slice: SliceId,
        interval: Interval,
    ) -> Result<Vec<(Slot, Tally)>, StoreError> {
        tallies::read(&self.transaction, self.path, slice.0, interval)
    }

    /// The start of the first slot of a slice that has a tally; `None` where there is none. What was added some moments
    /// ago may not be seen yet.
    ///
    /// # Errors
    ///
    /// As [`Self::tallies`].
    pub fn first_tally(&self, slice: SliceId) -> Result<Option<Timestamp>, StoreError> {
        let first = "SELECT MIN(hour) FROM hours WHERE slice = ?1";
        let hour: Option<i64> = self
            .transaction
            .query_row(first, [slice.0], |row| row.get(0))
            .map_err(sqlite::cannot("read", self.path))?;
        let Some(hour) = hour else { return Ok(None) };
        let span = |slot: Slot| slot.interval(SLOT_WIDTH);
        let (from, to) = (hour * i64::from(SLOTS_PER_HOUR), (hour + 1) * i64::from(SLOTS_PER_HOUR));
        let (from, to) = (span(Slot(from)).start(), span(Slot(to)).start());
        let slots = self.tallies(slice, Interval::starting(from, to.since(from)))?;
        Ok(slots.first().map(|(slot, _)| span(*slot).start()))
    }

    /// Where an idempotency key was used; `None` when it was not, or was forgotten by age.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn key(&self, key: &[u8]) -> Result<Option<KeyUse>, StoreError> {
        let sql = "SELECT sequence, arrival FROM keys WHERE key = ?1";
        let read = |row: &Row<'_>| {
            let (sequence, arrival) = (sequence(row.get(0)?), Timestamp::from_nanos(row.get(1)?));
            Ok(KeyUse { sequence, arrival })
        };
        self.transaction.query_row(sql, [key], read).optional().map_err(self.cannot())
    }

    /// The first idempotency key, in the order of their bytes, that begins with `prefix`; `None` when none
    /// does, or it was forgotten by age.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn key_from(&self, prefix: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT key FROM keys WHERE key >= ?1 ORDER BY key LIMIT 1";
        let found = self.transaction.query_row(sql, [prefix], |row| row.get::<_, Vec<u8>>(0));
        let found = found.optional().map_err(self.cannot())?;
        Ok(found.filter(|key| key.starts_with(prefix)))
    }

    /// What is kept under `key`; `None` when nothing is.
    ///
    /// # Errors
    ///
    /// [`StoreError::DamagedValue`] when it is not what was written, [`StoreError::Sqlite`] when it
    /// cannot be read.
    pub fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        values::one(&self.transaction, self.path, key)
    }

    /// The values whose keys begin with `prefix` (all for an empty one), in the order of their
    /// keys' bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::value`].
    pub fn values(&self, prefix: &[u8]) -> Result<Vec<KeptValue>, StoreError> {
        let mut values = Vec::new();
        values::beginning(&self.transaction, self.path, prefix, |value| values.push(value))?;
        Ok(values)
    }

    /// Reads everything: SQLite's own structure, and every chunk and value against its checksum.
    ///
    /// # Errors
    ///
    /// The first damage that is met.
    pub fn check(&self) -> Result<Checked, StoreError> {
        sqlite::check_structure(&self.transaction, self.path)?;
        let mut checked = Checked::default();
        for (sql, kind) in [
            ("SELECT slice, hour, slots FROM hours ORDER BY slice, hour", Kind::Hour),
            ("SELECT block, slot, slices FROM open_slots ORDER BY block, slot", Kind::Slot),
        ] {
            let mut statement = self.transaction.prepare(sql).map_err(self.cannot())?;
            let mut rows = statement.query([]).map_err(self.cannot())?;
            while let Some(row) = rows.next().map_err(self.cannot())? {
                let read = || Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?));
                let (of, at, bytes) = read().map_err(self.cannot())?;
                let key = ChunkKey { kind, of, at };
                chunk::walk(key, &bytes, |_, _| checked.slots += 1)
                    .map_err(damaged_chunk(self.path, key))?;
                checked.chunks += 1;
            }
        }
        values::beginning(&self.transaction, self.path, &[], |_| checked.values += 1)?;
        Ok(checked)
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.transaction.prepare(sql).map_err(self.cannot())?;
        let rows = statement.query_map(values, read).map_err(self.cannot())?;
        rows.collect::<Result<_, _>>().map_err(self.cannot())
    }
}

/// The last journal entry that is counted.
pub(super) fn position(connection: &Connection) -> rusqlite::Result<Sequence> {
    connection.query_row("SELECT position FROM ledger", [], |row| row.get(0)).map(sequence)
}

/// SQLite's integers are signed; the tables keep numbers of entries from being negative.
pub(super) fn sequence(number: i64) -> Sequence {
    Sequence(number.cast_unsigned())
}

/// A generation from a row of its columns in order.
pub(super) fn generation(row: &Row<'_>) -> rusqlite::Result<Generation> {
    let state: String = row.get(5)?;
    Ok(Generation {
        id: GenerationId(row.get(0)?),
        slo: row.get(1)?,
        hash: row.get(2)?,
        created: Timestamp::from_nanos(row.get(3)?),
        since: sequence(row.get(4)?),
        state: match state.as_str() {
            "live" => GenerationState::Live,
            "retired" => GenerationState::Retired,
            // The table takes no fourth.
            _ => GenerationState::Filling,
        },
    })
}
