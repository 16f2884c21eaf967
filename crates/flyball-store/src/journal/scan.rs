//! Looks through a file when the journal is opened: what is whole, and whether the rest is torn by a
//! crash or damaged.
//!
//! A crash while a group of entries is written leaves any of its blocks behind, in any order: the
//! entries of that group were not acknowledged and may go. An entry that does not check while a
//! later one says that the disk had confirmed it is damage, and so is anything before the last
//! file's end, and anything that was counted already. What cannot be told apart from a torn group
//! is damage to the very last group of the journal.

use std::fs::{self, File};
use std::path::Path;

use super::FILE_BYTES_LIMIT;
use super::format::{self, HEADER_BYTES};
use crate::{Sequence, StoreError};

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// The last whole entry; the one before the first when there is none.
    pub(super) last: Sequence,
    /// Where the last whole entry ends.
    pub(super) bytes: u64,
    /// What goes into its checksums.
    pub(super) salt: u32,
    /// Bytes behind that, which are no entry; none but for the last file.
    pub(super) torn_bytes: u64,
}

/// Whether an end that is not whole may be taken as torn by a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// No: the disk had confirmed this file before the next was begun.
    Whole,
    /// Yes, behind the entry with this number, which was durable.
    MayBeTorn(Sequence),
}

/// Reads and checks the file at `path`, whose first entry is `first`.
pub(super) fn scan(path: &Path, first: Sequence, end: End) -> Result<Scanned, StoreError> {
    let cannot = || StoreError::io("read", path);
    let length = File::open(path).and_then(|file| file.metadata()).map_err(cannot())?.len();
    if length > FILE_BYTES_LIMIT {
        let what = format!("the file has {length} bytes, more than any journal file");
        return Err(StoreError::damaged(path, FILE_BYTES_LIMIT, what));
    }
    let bytes = fs::read(path).map_err(cannot())?;
    let salt = format::parse_header(path, &bytes, first)?;
    let mut at = HEADER_BYTES;
    let mut next = first;
    while at < bytes.len() {
        let damaged = |what: String| Err(StoreError::damaged(path, at as u64, what));
        match format::parse(salt, &bytes[at..]) {
            Ok(record) if record.sequence == next => {
                at += record.bytes();
                next = next.next();
            }
            // No crash makes a checksum fit.
            Ok(record) => {
                return damaged(format!("entry {} is where {next} should be", record.sequence));
            }
            Err(what) => {
                let End::MayBeTorn(durable) = end else {
                    return damaged(format!("{what} ({next}), and this is not the last file"));
                };
                if durable >= next {
                    return damaged(format!("{what} ({next}), and it was counted already"));
                }
                if let Some(witness) = witness(salt, &bytes[at..], next) {
                    let why = format!("and entry {witness} proves that it was whole");
                    return damaged(format!("{what} ({next}), {why}"));
                }
                break;
            }
        }
    }
    let torn_bytes = (bytes.len() - at) as u64;
    Ok(Scanned { last: Sequence(next.0 - 1), bytes: at as u64, salt, torn_bytes })
}

/// The first entry behind a broken one that was written after the disk had confirmed `broken`.
fn witness(salt: u32, bytes: &[u8], broken: Sequence) -> Option<Sequence> {
    // Numbers grow by one, and an entry has at least its header.
    let most = broken.plus((bytes.len() / format::RECORD_BYTES) as u64);
    (1..bytes.len()).find_map(|at| {
        let claimed = format::claimed_sequence(&bytes[at..])?;
        if claimed <= broken || claimed > most {
            return None;
        }
        let record = format::parse(salt, &bytes[at..]).ok()?;
        (record.confirmed() >= broken).then_some(record.sequence)
    })
}
