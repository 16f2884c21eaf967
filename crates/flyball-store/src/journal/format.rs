//! How files and entries look on disk: `docs/format/journal-v1.md`, byte by byte.

use std::path::Path;

use flyball_model::Timestamp;

use crate::{Sequence, StoreError};

/// The format's name and version; a file begins with it.
pub(super) const SCHEMA: &str = "flyball.dev/journal/v1";

/// The name, a line end for people who look with `head`, a zero byte.
const MAGIC: &[u8; 24] = b"flyball.dev/journal/v1\n\0";
/// What the names of all versions have in common.
const MAGIC_FAMILY: &[u8] = b"flyball.dev/journal/v";

/// Bytes of a file before its first record: magic, first sequence, salt, checksum.
pub(super) const HEADER_BYTES: usize = 24 + 8 + 4 + 4;
/// Bytes of a record before its payload: checksum, length, sequence, arrival, place.
pub(super) const RECORD_BYTES: usize = 4 + 4 + 8 + 8 + 4;

/// How large a file with a single entry is.
pub(super) const fn file_bytes_with_one(payload_bytes: usize) -> u64 {
    (HEADER_BYTES + RECORD_BYTES + payload_bytes) as u64
}

/// What a file begins with.
///
/// `salt` is a random number that goes into every checksum of the file. It makes bytes that a
/// sender chose no valid record, wherever they stand, nor what a disk block held before.
pub(super) fn header(first: Sequence, salt: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..24].copy_from_slice(MAGIC);
    bytes[24..32].copy_from_slice(&first.0.to_le_bytes());
    bytes[32..36].copy_from_slice(&salt.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..36]);
    bytes[36..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads the header of the file at `path`, which must begin with the entry `first`, and returns
/// its salt.
pub(super) fn parse_header(path: &Path, bytes: &[u8], first: Sequence) -> Result<u32, StoreError> {
    let damaged = |offset, what: &str| Err(StoreError::damaged(path, offset, what));
    let Some(bytes) = bytes.get(..HEADER_BYTES) else {
        return damaged(bytes.len() as u64, "the file ends inside its header");
    };
    if &bytes[..24] != MAGIC {
        if bytes.starts_with(MAGIC_FAMILY) {
            let name = bytes[..24].split(|byte| *byte == b'\n').next().unwrap_or_default();
            let found = String::from_utf8_lossy(name).into_owned();
            return Err(StoreError::Format { path: path.to_owned(), found, known: SCHEMA });
        }
        return damaged(0, "it does not begin as a journal does");
    }
    if crc32c::crc32c(&bytes[..36]) != u32_at(bytes, 36) {
        return damaged(24, "the checksum of the header does not fit");
    }
    if u64_at(bytes, 24) != first.0 {
        return damaged(24, "the header names another first entry than the file's name");
    }
    Ok(u32_at(bytes, 32))
}

/// Adds a record to `out`.
///
/// `place` is its number in its group, from 0: everything before the group was confirmed by the
/// disk when the record was written.
pub(super) fn encode(
    out: &mut Vec<u8>,
    salt: u32,
    sequence: Sequence,
    arrival: Timestamp,
    place: u32,
    payload: &[u8],
) {
    let start = out.len();
    let length = u32::try_from(payload.len()).expect("entry_bytes_max is below 1 GiB");
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&sequence.0.to_le_bytes());
    out.extend_from_slice(&arrival.nanos().to_le_bytes());
    out.extend_from_slice(&place.to_le_bytes());
    out.extend_from_slice(payload);
    let checksum = crc32c::crc32c_append(salt, &out[start + 4..]);
    out[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
}

/// A record whose checksum fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) sequence: Sequence,
    pub(super) arrival: Timestamp,
    pub(super) place: u32,
    pub(super) payload: &'a [u8],
}

impl Record<'_> {
    /// How long it is on disk.
    pub(super) const fn bytes(&self) -> usize {
        RECORD_BYTES + self.payload.len()
    }

    /// The last entry that the disk had confirmed when this one was written.
    pub(super) const fn confirmed(&self) -> Sequence {
        Sequence(self.sequence.0.saturating_sub(self.place as u64 + 1))
    }
}

/// How long the record is that `bytes` begin with; `None` when they end before its header does.
pub(super) fn record_bytes(bytes: &[u8]) -> Option<usize> {
    (bytes.len() >= RECORD_BYTES).then(|| RECORD_BYTES + u32_at(bytes, 4) as usize)
}

/// The number that the record claims that `bytes` begin with, whether or not it is one.
pub(super) fn claimed_sequence(bytes: &[u8]) -> Option<Sequence> {
    (bytes.len() >= RECORD_BYTES).then(|| Sequence(u64_at(bytes, 8)))
}

/// The record that `bytes` begin with; what is wrong with it otherwise.
pub(super) fn parse(salt: u32, bytes: &[u8]) -> Result<Record<'_>, &'static str> {
    let length = record_bytes(bytes).ok_or("the file ends inside the header of an entry")?;
    let record = bytes.get(..length).ok_or("the file ends inside an entry")?;
    if crc32c::crc32c_append(salt, &record[4..]) != u32_at(record, 0) {
        return Err("the checksum of an entry does not fit");
    }
    let arrival = i64::from_le_bytes(array(record, 16));
    Ok(Record {
        sequence: Sequence(u64_at(record, 8)),
        arrival: Timestamp::from_nanos(arrival),
        place: u32_at(record, 24),
        payload: &record[RECORD_BYTES..],
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// The `N` bytes at `at`; the callers have looked at the length.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests;
