//! By what a file is known again, and how far it has been read.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// First bytes that a file is known by, once it has so many; before, those that there are. Bytes.
pub(super) const HEAD_BYTES: usize = 256;
/// Nanoseconds in a second.
const NANOS: i64 = 1_000_000_000;

/// How far one file has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    device: u64,
    inode: u64,
    /// The bytes that are done with.
    pub(super) offset: u64,
    /// A checksum of the first bytes, once there are any.
    head: Option<u32>,
    /// Of how many bytes that is. Marks that do not say it had a checksum of [`HEAD_BYTES`] only.
    #[serde(default = "head_bytes")]
    head_bytes: usize,
    /// When the file had been written to last, when it was looked at. Nanoseconds since 1970; marks of
    /// before this was noted have none.
    #[serde(default)]
    pub(super) modified: Option<i64>,
}

const fn head_bytes() -> usize {
    HEAD_BYTES
}

/// When a file was written to last, in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(NANOS).saturating_add(metadata.mtime_nsec())
}

/// Whether a compressed file was made of one that had been written to at `of` last: who compresses
/// gives its file the time of the other, some of them in whole seconds.
pub(super) fn is_time_of(compressed: i64, of: i64) -> bool {
    compressed == of || compressed == of - of.rem_euclid(NANOS)
}

impl Position {
    /// The beginning of a file.
    pub(super) fn begin(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            offset: 0,
            head: None,
            head_bytes: 0,
            modified: Some(modified(metadata)),
        }
    }

    /// Whether the file has its device and inode. Those of a file that was deleted may be another's now.
    pub(super) fn is_at(&self, metadata: &Metadata) -> bool {
        (self.device, self.inode) == (metadata.dev(), metadata.ino())
    }

    /// Whether `file` begins as this one did and is as long as it was at least.
    pub(super) fn continues_in(&self, file: &mut File, metadata: &Metadata) -> io::Result<bool> {
        let is_long = metadata.len() >= self.offset;
        let Some(head) = self.head.filter(|_| is_long) else { return Ok(is_long) };
        let found = beginning(file, self.head_bytes)?;
        Ok(found.len() == self.head_bytes && crc32c::crc32c(&found) == head)
    }

    /// The same place in `file`, where that is a copy: it begins alike, and what was read is in it. `None`
    /// where nothing was read, so that nothing could be alike.
    pub(super) fn in_copy(&self, file: &mut File, metadata: &Metadata) -> io::Result<Option<Self>> {
        let is_copy =
            self.offset > 0 && self.head.is_some() && self.continues_in(file, metadata)?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        Ok(is_copy.then(|| Self { device, inode, ..self.clone() }))
    }

    /// Whether there is nothing to look at: all of the file has been read, and how it begins is known.
    pub(super) fn is_at_end(&self, metadata: &Metadata) -> bool {
        self.head.is_some() && self.offset == metadata.len()
    }

    /// Notes how `file` begins and when it was written to.
    pub(super) fn note(&mut self, file: &mut File, metadata: &Metadata) -> io::Result<()> {
        self.modified = Some(modified(metadata));
        if self.head.is_none() || self.head_bytes < HEAD_BYTES {
            let found = beginning(file, HEAD_BYTES)?;
            self.head_bytes = found.len();
            self.head = (!found.is_empty()).then(|| crc32c::crc32c(&found));
        }
        Ok(())
    }
}

/// The first bytes of a file, `most` at most.
fn beginning(file: &mut File, most: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(most as u64).read_to_end(&mut head)?;
    Ok(head)
}
