//! Reads committed entries in order, while the writer goes on.
//!
//! Behind what is committed a file may hold bytes that are taken back again. They are never read,
//! not even into a buffer.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use super::Entry;
use super::files::{FilePart, Files};
use super::format::{self, HEADER_BYTES, RECORD_BYTES};
use crate::{Sequence, StoreError};

/// Read at once at least, where there is so much.
const BLOCK_BYTES: usize = 1 << 18;

/// Reads a journal from some entry on. See [`crate::Journal::read_from`].
#[derive(Debug)]
pub struct JournalReader {
    files: Arc<Files>,
    next: Sequence,
    open: Option<OpenFile>,
}

/// The file that holds the next entry, as far as it was committed when it was last asked.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    file: File,
    salt: u32,
    first: Sequence,
    /// The entry at `at`.
    next: Sequence,
    /// The last entry that may be read.
    last: Sequence,
    /// The bytes that may be read.
    limit: u64,
    /// Bytes of the file that were read; the last of them are in `buffer`.
    read: u64,
    buffer: Vec<u8>,
    /// Where the next record begins in `buffer`.
    at: usize,
}

impl JournalReader {
    pub(super) fn new(files: Arc<Files>, from: Sequence) -> Result<Self, StoreError> {
        let from = from.max(Sequence(1));
        let first = files.first();
        if from < first {
            return Err(StoreError::Released { asked: from, first });
        }
        Ok(Self { files, next: from, open: None })
    }

    /// The next entry; `None` when it is not committed yet. It may be there when asked again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Released`] when the entry was released meanwhile, [`StoreError::Damaged`] when
    /// the file does not hold what was written, what the system refuses. The next call tries the
    /// same entry again: none is ever left out.
    pub fn read(&mut self) -> Result<Option<Entry>, StoreError> {
        if self.open.as_ref().is_none_or(|open| self.next > open.last) {
            let Some(part) = self.files.with(self.next)? else { return Ok(None) };
            match &mut self.open {
                Some(open) if open.first == part.first => open.extend(&part),
                _ => {
                    self.open = None;
                    let mut open = OpenFile::new(&part)?;
                    while open.next < self.next {
                        open.step()?;
                    }
                    self.open = Some(open);
                }
            }
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        match open.step() {
            Ok(entry) => {
                self.next = self.next.next();
                Ok(Some(entry))
            }
            Err(error) => {
                // Where the file stands is not certain: it is opened again next time.
                self.open = None;
                Err(error)
            }
        }
    }
}

impl OpenFile {
    fn new(part: &FilePart) -> Result<Self, StoreError> {
        let cannot = || StoreError::io("read", &part.path);
        let mut file = File::open(&part.path).map_err(cannot())?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header).map_err(cannot())?;
        let salt = format::parse_header(&part.path, &header, part.first)?;
        Ok(Self {
            path: part.path.clone(),
            file,
            salt,
            first: part.first,
            next: part.first,
            last: part.last,
            limit: part.bytes,
            read: HEADER_BYTES as u64,
            buffer: Vec::new(),
            at: 0,
        })
    }

    /// More of the file was committed meanwhile.
    fn extend(&mut self, part: &FilePart) {
        self.last = part.last;
        self.limit = part.bytes;
    }

    /// The entry at `next`, which is committed.
    fn step(&mut self) -> Result<Entry, StoreError> {
        self.ensure(RECORD_BYTES)?;
        let length = format::record_bytes(&self.buffer[self.at..]).unwrap_or(RECORD_BYTES);
        self.ensure(length)?;
        let record = match format::parse(self.salt, &self.buffer[self.at..]) {
            Ok(record) if record.sequence == self.next => record,
            Ok(record) => {
                let what = format!("entry {} is where {} should be", record.sequence, self.next);
                return Err(self.damaged(what));
            }
            Err(what) => return Err(self.damaged(format!("{what} ({})", self.next))),
        };
        let entry = Entry {
            sequence: record.sequence,
            arrival: record.arrival,
            payload: record.payload.to_vec(),
        };
        self.at += length;
        self.next = self.next.next();
        Ok(entry)
    }

    /// Makes the buffer hold `wanted` bytes from `at` on.
    fn ensure(&mut self, wanted: usize) -> Result<(), StoreError> {
        let held = self.buffer.len() - self.at;
        if held >= wanted {
            return Ok(());
        }
        let lacking = (wanted - held) as u64;
        let left = self.limit - self.read;
        if left < lacking {
            return Err(self.damaged(format!("what is committed ends inside entry {}", self.next)));
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let bytes = left.min(lacking.max(BLOCK_BYTES as u64));
        let cannot = StoreError::io("read", &self.path);
        let got = (&self.file).take(bytes).read_to_end(&mut self.buffer).map_err(cannot)?;
        self.read += got as u64;
        if (got as u64) < bytes {
            return Err(self.damaged("the file is shorter than what was committed"));
        }
        Ok(())
    }

    fn damaged(&self, what: impl Into<String>) -> StoreError {
        let offset = self.read - (self.buffer.len() - self.at) as u64;
        StoreError::damaged(&self.path, offset, what)
    }
}
