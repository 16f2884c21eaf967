//! Tallies as bytes: `docs/format/ledger-v1.md`, byte by byte.
//!
//! A chunk holds the tallies of numbered places, in order: the slots of an hour for one slice, or
//! the slices of a block for one slot. Only places with events are there. Most follow each other
//! and most events are good, so that a place mostly takes a byte for its distance, one or two for its
//! valid events and one for none bad.

use flyball_model::{Duration, Slot, Tally};

/// How wide the ledger's slots are.
pub(super) const SLOT_WIDTH: Duration = Duration::from_seconds(10);
/// Slots in an hour: what one chunk of a slice holds. An hour takes 1.5 KB at most places, so that
/// five fit a page of the file, and reading a few slots decodes a few hundred.
pub(super) const SLOTS_PER_HOUR: u16 = 360;
/// Slots in a UTC day. Days of the epoch have no leap seconds.
pub(super) const SLOTS_PER_DAY: u16 = 24 * SLOTS_PER_HOUR;
/// Slices in a block, whose newest slots are kept together: their numbers divided by this are the
/// same. A slot of a block takes about 1 KB, so a commit to 10,000 slices writes 40 rows.
pub(super) const SLICES_PER_BLOCK: u16 = 256;

const CHECKSUM_BYTES: usize = 4;

/// The number of a slot in its hour, or of a slice in its block.
pub(super) type Place = u16;

/// What a chunk is a chunk of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A day of a slice; only in tables before version 3.
    Day,
    /// An hour of a slice.
    Hour,
    /// A slot of a block.
    Slot,
}

impl Kind {
    /// The first byte of such a chunk.
    const fn version(self) -> u8 {
        match self {
            Self::Day => 1,
            Self::Hour => 2,
            Self::Slot => 3,
        }
    }

    /// How many places it has.
    const fn places(self) -> u16 {
        match self {
            Self::Day => SLOTS_PER_DAY,
            Self::Hour => SLOTS_PER_HOUR,
            Self::Slot => SLICES_PER_BLOCK,
        }
    }
}

/// Which chunk it is. Part of the checksum, so that a chunk in another's place is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChunkKey {
    pub(super) kind: Kind,
    /// The slice or block.
    pub(super) of: i64,
    /// The day, hour or slot, counted from 1970-01-01T00:00:00Z.
    pub(super) at: i64,
}

impl ChunkKey {
    pub(super) const fn hour(slice: i64, hour: i64) -> Self {
        Self { kind: Kind::Hour, of: slice, at: hour }
    }

    pub(super) const fn slot(block: i64, slot: i64) -> Self {
        Self { kind: Kind::Slot, of: block, at: slot }
    }

    fn checksum(self, bytes: &[u8]) -> u32 {
        let key = crc32c::crc32c(&self.of.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c_append(key, &self.at.to_le_bytes()), bytes)
    }

    /// What it is, for people, such as `slice 7 in 2026-11-21T13`; numbers where no date has it.
    pub(super) fn text(self) -> String {
        let (slots, letters) = match self.kind {
            Kind::Day => (SLOTS_PER_DAY, "2026-11-21".len()),
            Kind::Hour => (SLOTS_PER_HOUR, "2026-11-21T13".len()),
            Kind::Slot => (1, "2026-11-21T13:00:00".len()),
        };
        let slot = Slot(self.at.saturating_mul(i64::from(slots)));
        let at: String =
            slot.interval(SLOT_WIDTH).start().to_string().chars().take(letters).collect();
        if self.kind == Kind::Slot {
            let first = self.of.saturating_mul(i64::from(SLICES_PER_BLOCK));
            let last = first.saturating_add(i64::from(SLICES_PER_BLOCK) - 1);
            return format!("the slices {first} to {last} in {at}");
        }
        format!("slice {} in {at}", self.of)
    }
}

/// A number as a row of so many has it, and the place in that row.
pub(super) fn split(number: i64, each: u16) -> (i64, Place) {
    let place = number.rem_euclid(i64::from(each));
    (number.div_euclid(i64::from(each)), u16::try_from(place).expect("less than `each`"))
}

/// The number of a place in a row of so many: what [`split`] takes apart.
pub(super) fn join(row: i64, each: u16, place: Place) -> i64 {
    row.saturating_mul(i64::from(each)).saturating_add(i64::from(place))
}

/// Writes tallies, each at a place of the chunk's, in order, none empty.
pub(super) fn encode(key: ChunkKey, tallies: &[(Place, Tally)]) -> Vec<u8> {
    // Distance 1, valid 2, bad 1.
    let mut bytes = Vec::with_capacity(tallies.len() * 4 + 8);
    bytes.push(key.kind.version());
    put(&mut bytes, tallies.len() as u64);
    let mut expected = 0;
    for (place, tally) in tallies {
        put(&mut bytes, u64::from(place - expected));
        put(&mut bytes, tally.valid());
        put(&mut bytes, tally.bad());
        if tally.bad() > 0 {
            put(&mut bytes, tally.undecided());
        }
        expected = place + 1;
    }
    let checksum = key.checksum(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// Reads a chunk; what is wrong with it otherwise.
pub(super) fn decode(key: ChunkKey, bytes: &[u8]) -> Result<Vec<(Place, Tally)>, &'static str> {
    let mut tallies = Vec::new();
    walk(key, bytes, |place, tally| tallies.push((place, tally)))?;
    Ok(tallies)
}

/// Shows `each` the places of a chunk with their tallies, in order; what is wrong with it
/// otherwise.
pub(super) fn walk(
    key: ChunkKey,
    bytes: &[u8],
    mut each: impl FnMut(Place, Tally),
) -> Result<(), &'static str> {
    let split = bytes.split_last_chunk::<CHECKSUM_BYTES>();
    let (mut rest, checksum) = split.ok_or("it is too short")?;
    if key.checksum(rest) != u32::from_le_bytes(*checksum) {
        return Err("the checksum does not fit");
    }
    // From here on, what is wrong was written wrong.
    let (version, after) = rest.split_first().ok_or("it is too short")?;
    if *version != key.kind.version() {
        return Err("its version is not the one of its table");
    }
    rest = after;
    let mut expected: u64 = 0;
    for _ in 0..take(&mut rest)? {
        let place = expected
            .checked_add(take(&mut rest)?)
            .filter(|place| *place < u64::from(key.kind.places()))
            .ok_or("a tally is out of its range")?;
        let (valid, bad) = (take(&mut rest)?, take(&mut rest)?);
        let undecided = if bad > 0 { take(&mut rest)? } else { 0 };
        let tally = valid
            .checked_sub(bad)
            .and_then(|good| Tally::with_undecided(valid, good, undecided))
            .filter(|tally| !tally.is_empty())
            .ok_or("the counts of a tally contradict each other")?;
        each(u16::try_from(place).map_err(|_| "a tally is out of its range")?, tally);
        expected = place + 1;
    }
    if rest.is_empty() { Ok(()) } else { Err("bytes follow its last tally") }
}

/// Adds tallies in any order to others; `None` when one would have more than `most` events.
pub(super) fn merge<At: Ord + Copy>(
    tallies: Vec<(At, Tally)>,
    more: impl IntoIterator<Item = (At, Tally)>,
    most: u64,
) -> Option<Vec<(At, Tally)>> {
    let mut all = tallies;
    all.extend(more.into_iter().filter(|(_, tally)| !tally.is_empty()));
    all.sort_by_key(|(at, _)| *at);
    let mut merged: Vec<(At, Tally)> = Vec::with_capacity(all.len());
    for (at, tally) in all {
        match merged.last_mut().filter(|(last, _)| *last == at) {
            Some((_, sum)) => *sum = exact_sum(*sum, tally)?,
            None => merged.push((at, tally)),
        }
    }
    merged.iter().all(|(_, tally)| tally.valid() <= most).then_some(merged)
}

/// Both together. The ledger's counts are exact or an error, where [`Tally::plus`] would hold them.
fn exact_sum(left: Tally, right: Tally) -> Option<Tally> {
    left.valid().checked_add(right.valid()).map(|_| left.plus(right))
}

/// Writes an integer in groups of 7 bits, the lowest first; all but the last have the top bit.
fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or_default());
}

fn take(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or("it ends inside a number")?;
        *bytes = rest;
        let part = u64::from(first & 0x7f);
        if (part << shift) >> shift != part {
            break;
        }
        value |= part << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number has more than 64 bits")
}

#[cfg(test)]
mod tests;
