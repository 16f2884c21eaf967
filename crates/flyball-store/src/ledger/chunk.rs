//! A day of one slice's tallies as bytes: `docs/format/ledger-v1.md`, byte by byte.
//!
//! Only slots with events are there. Most slots follow each other and most events are good, so
//! that a slot mostly takes a byte for its distance, one or two for its valid events and one for
//! none bad.

use flyball_model::{Duration, Slot, Tally};

/// How wide the ledger's slots are.
pub(super) const SLOT_WIDTH: Duration = Duration::from_seconds(10);
/// Slots in a UTC day. Days of the epoch have no leap seconds.
pub(super) const SLOTS_PER_DAY: i64 = 24 * 60 * 6;

/// The first byte of a chunk.
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Which chunk it is. Part of the checksum, so that a chunk in another's place is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChunkKey {
    pub(super) slice: i64,
    /// Days since 1970-01-01.
    pub(super) day: i64,
}

impl ChunkKey {
    /// The chunk of `slice` that `slot` is in.
    pub(super) const fn of(slice: i64, slot: Slot) -> Self {
        Self { slice, day: slot.0.div_euclid(SLOTS_PER_DAY) }
    }

    fn checksum(self, bytes: &[u8]) -> u32 {
        let key = crc32c::crc32c(&self.slice.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c_append(key, &self.day.to_le_bytes()), bytes)
    }
}

/// Writes tallies, each in a slot of the chunk's day, in order, none empty.
pub(super) fn encode(key: ChunkKey, tallies: &[(Slot, Tally)]) -> Vec<u8> {
    // Distance 1, valid 2, bad 1.
    let mut bytes = Vec::with_capacity(tallies.len() * 4 + 8);
    bytes.push(VERSION);
    put(&mut bytes, tallies.len() as u64);
    let mut expected = key.day * SLOTS_PER_DAY;
    for (slot, tally) in tallies {
        put(&mut bytes, (slot.0 - expected).cast_unsigned());
        put(&mut bytes, tally.valid());
        put(&mut bytes, tally.bad());
        if tally.bad() > 0 {
            put(&mut bytes, tally.undecided());
        }
        expected = slot.0 + 1;
    }
    let checksum = key.checksum(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// Reads a chunk; what is wrong with it otherwise.
pub(super) fn decode(key: ChunkKey, bytes: &[u8]) -> Result<Vec<(Slot, Tally)>, &'static str> {
    let split = bytes.split_last_chunk::<CHECKSUM_BYTES>();
    let (mut rest, checksum) = split.ok_or("it is too short")?;
    if key.checksum(rest) != u32::from_le_bytes(*checksum) {
        return Err("the checksum does not fit");
    }
    // From here on, what is wrong was written wrong.
    let (version, after) = rest.split_first().ok_or("it is too short")?;
    if *version != VERSION {
        return Err("its version is not known");
    }
    rest = after;
    let count = take(&mut rest)?;
    let start = key.day.checked_mul(SLOTS_PER_DAY).ok_or("its day is out of range")?;
    let mut expected = start;
    let mut tallies = Vec::with_capacity(usize::try_from(count).unwrap_or(0).min(rest.len()));
    for _ in 0..count {
        let distance = i64::try_from(take(&mut rest)?).map_err(|_| "a slot is out of its day")?;
        let slot = expected
            .checked_add(distance)
            .filter(|slot| *slot < start.saturating_add(SLOTS_PER_DAY))
            .ok_or("a slot is out of its day")?;
        let (valid, bad) = (take(&mut rest)?, take(&mut rest)?);
        let undecided = if bad > 0 { take(&mut rest)? } else { 0 };
        let tally = valid
            .checked_sub(bad)
            .and_then(|good| Tally::with_undecided(valid, good, undecided))
            .filter(|tally| !tally.is_empty())
            .ok_or("a slot's counts contradict each other")?;
        tallies.push((Slot(slot), tally));
        expected = slot + 1;
    }
    if rest.is_empty() { Ok(tallies) } else { Err("bytes follow its last slot") }
}

/// Adds tallies in any order to a chunk's; `None` when a count would pass 2^64.
pub(super) fn merge(
    chunk: Vec<(Slot, Tally)>,
    deltas: impl IntoIterator<Item = (Slot, Tally)>,
) -> Option<Vec<(Slot, Tally)>> {
    let mut all = chunk;
    all.extend(deltas.into_iter().filter(|(_, tally)| !tally.is_empty()));
    all.sort_by_key(|(slot, _)| *slot);
    let mut merged: Vec<(Slot, Tally)> = Vec::with_capacity(all.len());
    for (slot, tally) in all {
        match merged.last_mut().filter(|(last, _)| *last == slot) {
            Some((_, sum)) => *sum = exact_sum(*sum, tally)?,
            None => merged.push((slot, tally)),
        }
    }
    Some(merged)
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
