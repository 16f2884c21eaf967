//! Adding tallies and reading them: where they are kept, and when they move.
//!
//! At rest, tallies are *hours*: the slots of one slice in one hour are one row. A commit that adds
//! one slot to each of 10,000 slices would rewrite 10,000 such rows. So what is added to many slices
//! at once is kept the other way round first, as *open slots*: one row for one slot of a block of
//! 256 slices. Whichever way writes fewer rows is taken, and reading adds both, so that
//! what is counted does not depend on it.
//!
//! When nothing more was added to an hour of a block for a while, its open slots are *folded* into
//! hours: a few blocks with each commit, so that the turn of an hour does not make one commit
//! slow. All of it happens in the commit's own transaction. There is no clock: recency is counted
//! in commits, and an hour far in the future is folded as any other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flyball_model::{Interval, Slot, Tally};
use rusqlite::{OptionalExtension, Statement, Transaction, params};

use super::chunk::{self, ChunkKey, Place, SLICES_PER_BLOCK, SLOT_WIDTH, SLOTS_PER_HOUR};
use super::{Delta, damaged_chunk, unknown};
use crate::{StoreError, sqlite};

/// The most events that a slot of a slice may count.
pub const SLOT_EVENTS_MAX: u64 = 1 << 63;

/// The most events that an open slot holds for a slice; with more it goes to its hour at once, which
/// tells whether [`SLOT_EVENTS_MAX`] is passed.
///
/// Folding adds this to an hour without asking, so that it cannot fail: it would take 2^31 folds of
/// the same slot until a count no longer fits 64 bits.
const OPEN_EVENTS_MAX: u64 = 1 << 32;

/// An hour of a block is folded when this many commits have added nothing to it. At a commit a
/// second or two, what is late by less than a minute still meets open slots.
const QUIET_COMMITS: i64 = 32;

/// Of the hours that can be folded, one in so many is, with each commit: their number falls by half
/// in 44 commits, and 10,000 slices are folded in 40 steps.
const FOLD_ONE_IN: usize = 64;

/// The most hours of blocks that stay open beside the newest of each block. Past that, those that
/// were added to the longest ago are folded at once. At 256 slices each 400 KB at most places.
const OPEN_HOURS_MAX: usize = 1024;

/// A tally to add, by where it goes.
#[derive(Debug, Clone, Copy)]
struct Part {
    block: i64,
    hour: i64,
    /// The slot in its hour.
    slot: Place,
    /// The slice in its block.
    slice: Place,
    tally: Tally,
}

impl Part {
    fn of(delta: &Delta) -> Self {
        let (block, slice) = chunk::split(delta.slice.0, SLICES_PER_BLOCK);
        let (hour, slot) = chunk::split(delta.slot.0, SLOTS_PER_HOUR);
        Self { block, hour, slot, slice, tally: delta.tally }
    }
}

/// Adds tallies, and folds some of what is open. `commit` is the commit's number.
pub(super) fn add(
    transaction: &Transaction<'_>,
    path: &Path,
    commit: i64,
    deltas: &[Delta],
) -> Result<(), StoreError> {
    check_slices(transaction, path, deltas)?;
    let mut parts: Vec<Part> =
        deltas.iter().filter(|delta| !delta.tally.is_empty()).map(Part::of).collect();
    parts.sort_unstable_by_key(|part| (part.block, part.hour, part.slot, part.slice));
    let mut tables = Tables::new(transaction, path)?;
    for hour in parts.chunk_by(|a, b| (a.block, a.hour) == (b.block, b.hour)) {
        let slices: BTreeSet<Place> = hour.iter().map(|part| part.slice).collect();
        let slots = || hour.chunk_by(|a, b| a.slot == b.slot);
        if slices.len() <= slots().count() {
            tables.add_to_hours(hour)?;
            continue;
        }
        for slot in slots() {
            if !tables.add_to_open_slot(slot)? {
                tables.add_to_hours(slot)?;
            }
        }
        tables.touch(hour[0].block, hour[0].hour, commit)?;
    }
    for (block, hour) in due(transaction, path, commit)? {
        tables.fold(block, hour)?;
    }
    Ok(())
}

/// Refuses numbers of slices that were not given out.
fn check_slices(
    transaction: &Transaction<'_>,
    path: &Path,
    deltas: &[Delta],
) -> Result<(), StoreError> {
    // Slices are never removed, so that their numbers have no gaps.
    let last: i64 = transaction
        .query_row("SELECT coalesce(max(id), 0) FROM slices", [], |row| row.get(0))
        .map_err(sqlite::cannot("commit to", path))?;
    let is_unknown = |delta: &&Delta| !(1..=last).contains(&delta.slice.0);
    match deltas.iter().find(is_unknown) {
        Some(delta) => Err(unknown("slice", delta.slice.0)),
        None => Ok(()),
    }
}

/// The hours of blocks to fold with this commit.
fn due(
    transaction: &Transaction<'_>,
    path: &Path,
    commit: i64,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let cannot = || sqlite::cannot("commit to", path);
    let mut statement = transaction
        .prepare(
            "SELECT block, hour, touched FROM open_hours ORDER BY block, touched DESC, hour DESC",
        )
        .map_err(cannot())?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(cannot())?;
    let mut waiting: Vec<(i64, i64, i64)> = Vec::new();
    let mut newest_of = None;
    for row in rows {
        let (block, hour, touched): (i64, i64, i64) = row.map_err(cannot())?;
        if newest_of == Some(block) {
            waiting.push((touched, block, hour));
        }
        newest_of = Some(block);
    }
    waiting.sort_unstable();
    let quiet = waiting.partition_point(|(touched, ..)| commit - touched >= QUIET_COMMITS);
    let count = quiet.div_ceil(FOLD_ONE_IN).max(waiting.len().saturating_sub(OPEN_HOURS_MAX));
    Ok(waiting.into_iter().take(count).map(|(_, block, hour)| (block, hour)).collect())
}

/// The tables that hold tallies, in one transaction.
struct Tables<'a> {
    path: &'a Path,
    read_hour: Statement<'a>,
    write_hour: Statement<'a>,
    read_slot: Statement<'a>,
    write_slot: Statement<'a>,
    touch: Statement<'a>,
    transaction: &'a Transaction<'a>,
}

impl<'a> Tables<'a> {
    fn new(transaction: &'a Transaction<'a>, path: &'a Path) -> Result<Self, StoreError> {
        let prepare = |sql| transaction.prepare(sql).map_err(sqlite::cannot("commit to", path));
        Ok(Self {
            path,
            read_hour: prepare("SELECT slots FROM hours WHERE slice = ?1 AND hour = ?2")?,
            write_hour: prepare(
                "INSERT INTO hours (slice, hour, slots) VALUES (?1, ?2, ?3)
                 ON CONFLICT (slice, hour) DO UPDATE SET slots = excluded.slots",
            )?,
            read_slot: prepare("SELECT slices FROM open_slots WHERE block = ?1 AND slot = ?2")?,
            write_slot: prepare(
                "INSERT INTO open_slots (block, slot, slices) VALUES (?1, ?2, ?3)
                 ON CONFLICT (block, slot) DO UPDATE SET slices = excluded.slices",
            )?,
            touch: prepare(
                "INSERT INTO open_hours (block, hour, touched) VALUES (?1, ?2, ?3)
                 ON CONFLICT (block, hour) DO UPDATE SET touched = excluded.touched",
            )?,
            transaction,
        })
    }

    fn cannot(&self) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
        sqlite::cannot("commit to", self.path)
    }

    /// Adds tallies of one block and hour to the hours of their slices.
    fn add_to_hours(&mut self, parts: &[Part]) -> Result<(), StoreError> {
        let mut slices: BTreeMap<i64, Vec<(Place, Tally)>> = BTreeMap::new();
        for part in parts {
            let slice = chunk::join(part.block, SLICES_PER_BLOCK, part.slice);
            slices.entry(slice).or_default().push((part.slot, part.tally));
        }
        let Some(first) = parts.first() else { return Ok(()) };
        for (slice, slots) in slices {
            self.add_to_hour(ChunkKey::hour(slice, first.hour), slots, SLOT_EVENTS_MAX)?;
        }
        Ok(())
    }

    fn add_to_hour(
        &mut self,
        key: ChunkKey,
        slots: Vec<(Place, Tally)>,
        most: u64,
    ) -> Result<(), StoreError> {
        let cannot = self.cannot();
        let bytes: Option<Vec<u8>> = self
            .read_hour
            .query_row([key.of, key.at], |row| row.get(0))
            .optional()
            .map_err(cannot)?;
        let before = decode(self.path, key, bytes.as_deref())?;
        let after = chunk::merge(before, slots, most)
            .ok_or_else(|| StoreError::Overflow { of: key.text(), most: SLOT_EVENTS_MAX })?;
        let bytes = chunk::encode(key, &after);
        let cannot = self.cannot();
        self.write_hour.execute(params![key.of, key.at, bytes]).map_err(cannot)?;
        Ok(())
    }

    /// Adds tallies of one block and slot to what is open; `false` when they are too many for that,
    /// and nothing was added.
    fn add_to_open_slot(&mut self, parts: &[Part]) -> Result<bool, StoreError> {
        let Some(first) = parts.first() else { return Ok(true) };
        let key = ChunkKey::slot(first.block, chunk::join(first.hour, SLOTS_PER_HOUR, first.slot));
        let cannot = self.cannot();
        let bytes: Option<Vec<u8>> = self
            .read_slot
            .query_row([key.of, key.at], |row| row.get(0))
            .optional()
            .map_err(cannot)?;
        let before = decode(self.path, key, bytes.as_deref())?;
        let parts = parts.iter().map(|part| (part.slice, part.tally));
        let Some(after) = chunk::merge(before, parts, OPEN_EVENTS_MAX) else { return Ok(false) };
        let bytes = chunk::encode(key, &after);
        let cannot = self.cannot();
        self.write_slot.execute(params![key.of, key.at, bytes]).map_err(cannot)?;
        Ok(true)
    }

    /// Something was added to an hour of a block.
    fn touch(&mut self, block: i64, hour: i64, commit: i64) -> Result<(), StoreError> {
        let cannot = self.cannot();
        self.touch.execute([block, hour, commit]).map_err(cannot)?;
        Ok(())
    }

    /// Moves what is open of an hour of a block into the hours of its slices.
    fn fold(&mut self, block: i64, hour: i64) -> Result<(), StoreError> {
        let range = [
            block,
            chunk::join(hour, SLOTS_PER_HOUR, 0),
            chunk::join(hour, SLOTS_PER_HOUR, SLOTS_PER_HOUR - 1),
        ];
        let mut slices: BTreeMap<Place, Vec<(Place, Tally)>> = BTreeMap::new();
        open_slots(self.transaction, self.path, range, |slot, slice, tally| {
            let (_, place) = chunk::split(slot, SLOTS_PER_HOUR);
            slices.entry(slice).or_default().push((place, tally));
        })?;
        for (slice, slots) in slices {
            let slice = chunk::join(block, SLICES_PER_BLOCK, slice);
            self.add_to_hour(ChunkKey::hour(slice, hour), slots, u64::MAX)?;
        }
        let slots = "DELETE FROM open_slots WHERE block = ?1 AND slot BETWEEN ?2 AND ?3";
        self.transaction.execute(slots, range).map_err(self.cannot())?;
        let done = "DELETE FROM open_hours WHERE block = ?1 AND hour = ?2";
        self.transaction.execute(done, [block, hour]).map_err(self.cannot())?;
        Ok(())
    }
}

fn decode(
    path: &Path,
    key: ChunkKey,
    bytes: Option<&[u8]>,
) -> Result<Vec<(Place, Tally)>, StoreError> {
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    chunk::decode(key, bytes).map_err(damaged_chunk(path, key))
}

/// Shows `each` the open slots of a block from one to another, both included, with every slice in
/// them, in order.
fn open_slots(
    transaction: &Transaction<'_>,
    path: &Path,
    [block, first, last]: [i64; 3],
    mut each: impl FnMut(i64, Place, Tally),
) -> Result<(), StoreError> {
    let cannot = || sqlite::cannot("read", path);
    let sql = "SELECT slot, slices FROM open_slots
               WHERE block = ?1 AND slot BETWEEN ?2 AND ?3 ORDER BY slot";
    let mut statement = transaction.prepare(sql).map_err(cannot())?;
    let mut rows = statement.query([block, first, last]).map_err(cannot())?;
    while let Some(row) = rows.next().map_err(cannot())? {
        let slot: i64 = row.get(0).map_err(cannot())?;
        let bytes = row.get_ref(1).and_then(|value| Ok(value.as_blob()?)).map_err(cannot())?;
        let key = ChunkKey::slot(block, slot);
        chunk::walk(key, bytes, |slice, tally| each(slot, slice, tally))
            .map_err(damaged_chunk(path, key))?;
    }
    Ok(())
}

/// The tallies of `slice` in the slots that start inside `interval`, in order.
pub(super) fn read(
    transaction: &Transaction<'_>,
    path: &Path,
    slice: i64,
    interval: Interval,
) -> Result<Vec<(Slot, Tally)>, StoreError> {
    let Some((first, last)) = slots_in(interval) else { return Ok(Vec::new()) };
    let cannot = || sqlite::cannot("read", path);
    let (first_hour, _) = chunk::split(first, SLOTS_PER_HOUR);
    let (last_hour, _) = chunk::split(last, SLOTS_PER_HOUR);
    let sql = "SELECT hour, slots FROM hours WHERE slice = ?1 AND hour BETWEEN ?2 AND ?3
               ORDER BY hour";
    let mut statement = transaction.prepare(sql).map_err(cannot())?;
    let mut rows = statement.query([slice, first_hour, last_hour]).map_err(cannot())?;
    let mut tallies = Vec::new();
    while let Some(row) = rows.next().map_err(cannot())? {
        let hour: i64 = row.get(0).map_err(cannot())?;
        let bytes = row.get_ref(1).and_then(|value| Ok(value.as_blob()?)).map_err(cannot())?;
        let key = ChunkKey::hour(slice, hour);
        chunk::walk(key, bytes, |place, tally| {
            let slot = chunk::join(hour, SLOTS_PER_HOUR, place);
            if (first..=last).contains(&slot) {
                tallies.push((Slot(slot), tally));
            }
        })
        .map_err(damaged_chunk(path, key))?;
    }
    let (block, wanted) = chunk::split(slice, SLICES_PER_BLOCK);
    let mut open = Vec::new();
    open_slots(transaction, path, [block, first, last], |slot, slice, tally| {
        if slice == wanted {
            open.push((Slot(slot), tally));
        }
    })?;
    if open.is_empty() {
        return Ok(tallies);
    }
    let overflow = || {
        let of = ChunkKey::hour(slice, first_hour).text();
        StoreError::Overflow { of, most: SLOT_EVENTS_MAX }
    };
    chunk::merge(tallies, open, u64::MAX).ok_or_else(overflow)
}

/// The first and the last of the slots that start inside `interval`.
fn slots_in(interval: Interval) -> Option<(i64, i64)> {
    let width = SLOT_WIDTH.nanos();
    let (start, end) = (interval.start().nanos(), interval.end().nanos());
    let first = start.div_euclid(width) + i64::from(start.rem_euclid(width) > 0);
    // What starts at the end is outside.
    let last = end.checked_sub(1)?.div_euclid(width);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests;
