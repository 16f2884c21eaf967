//! The journal: an append-only log of opaque entries, durable before it says so.
//!
//! One thread writes. What waits while a sync runs is written at once and synced once (group
//! commit), so that many small entries cost hardly more than one; a [`Ticket`] tells when an entry
//! is on disk. The log is kept in files of bounded size, so that what is no longer needed can be
//! deleted by whole files ([`Journal::release`]).
//!
//! What was acknowledged is never given up silently: only the end of the last file can be torn by a
//! crash, and it is cut off there only where nothing proves that the disk had confirmed it. Damage
//! anywhere else is an error that names file and byte. When the disk does not confirm a write,
//! nothing more is written at all (see `docs/adr/009-own-journal.md`).
//!
//! It deliberately has no index by time or content, no compression and no deletion of single
//! entries: it is read once, in order, by whoever counts.

mod copy;
mod files;
mod format;
mod queue;
mod reader;
mod scan;
mod ticket;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use flyball_model::Timestamp;

use crate::counted::Counted;
use crate::directory::DataDirectory;
use crate::{Sequence, StoreError};
use files::Files;
use queue::Queue;
use writer::Writer;

pub(crate) use copy::JournalFiles;
pub use files::{Recovery, Torn};
pub use reader::JournalReader;
pub use ticket::Ticket;

/// The directory of the journal's files in the data directory.
pub(crate) const DIRECTORY: &str = "journal";

/// One entry, as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub sequence: Sequence,
    /// When it arrived, as whoever appended it said.
    pub arrival: Timestamp,
    /// The bytes that were appended.
    pub payload: Vec<u8>,
}

/// The bounds of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalOptions {
    /// A file that would grow past this is left, and the next one begun. Bytes; 64 MiB unless told:
    /// large enough that beginning a file (three syncs) is rare, small enough to be read at once
    /// when the journal is opened.
    pub file_bytes_max: u64,
    /// The largest payload of one entry. Bytes; 16 MiB unless told: what one request may bring.
    pub entry_bytes_max: usize,
    /// Payloads that are written together at most, unless a single one is larger. Bytes; 4 MiB
    /// unless told: more would not make a sync cheaper, and delays those that wait for it.
    pub group_bytes_max: usize,
    /// Entries that wait at most, those being written included. 65,536 unless told.
    pub queue_entries_max: usize,
    /// Payloads that wait at most, those being written included. Bytes; 64 MiB unless told.
    pub queue_bytes_max: usize,
}

/// Bounds what is read at once when a journal is opened.
const FILE_BYTES_LIMIT: u64 = 1 << 30;

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            file_bytes_max: 64 << 20,
            entry_bytes_max: 16 << 20,
            group_bytes_max: 4 << 20,
            queue_entries_max: 65_536,
            queue_bytes_max: 64 << 20,
        }
    }
}

impl JournalOptions {
    fn check(&self) -> Result<(), StoreError> {
        let refuse = |option, value, range| Err(StoreError::Option { option, value, range });
        let whole_file = format::file_bytes_with_one(self.entry_bytes_max);
        if self.file_bytes_max > FILE_BYTES_LIMIT {
            return refuse("file_bytes_max", self.file_bytes_max, "at most 1 GiB");
        }
        if self.file_bytes_max < whole_file {
            let range = "enough for an entry of entry_bytes_max";
            return refuse("file_bytes_max", self.file_bytes_max, range);
        }
        if self.queue_bytes_max < self.entry_bytes_max {
            let range = "at least entry_bytes_max";
            return refuse("queue_bytes_max", self.queue_bytes_max as u64, range);
        }
        if self.queue_entries_max == 0 {
            return refuse("queue_entries_max", 0, "at least 1");
        }
        Ok(())
    }
}

/// An open journal. Threads may append, read and release at the same time.
///
/// Dropping it closes it: what was appended is still written, and then nothing more is accepted.
#[derive(Debug)]
pub struct Journal {
    options: JournalOptions,
    files: Arc<Files>,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    /// Up to where entries may be released.
    counted: Counted,
    /// Kept so that nobody else opens the directory before the last entry is written.
    directory: DataDirectory,
}

impl Journal {
    /// Opens the journal of `directory`, or begins a new one.
    ///
    /// All files are read and checked. An end of the last file that a crash has torn is cut off and
    /// reported; what remains is synced before it counts as committed. `counted` is the ledger's
    /// position, which is known to have been durable: a journal that does not reach it is refused.
    ///
    /// # Errors
    ///
    /// Options that cannot work, what the system refuses, and [`StoreError::Damaged`],
    /// [`StoreError::Missing`], [`StoreError::Format`] for what cannot be read; nothing on disk is
    /// changed then.
    pub(crate) fn open(
        directory: &DataDirectory,
        options: JournalOptions,
        counted: Counted,
    ) -> Result<(Self, Recovery), StoreError> {
        options.check()?;
        let path = directory.subdirectory(DIRECTORY)?;
        let (files, active, recovery) = files::open(&path, counted.get())?;
        let files = Arc::new(files);
        let queue = Arc::new(Queue::new(&options));
        let writer = Writer::new(active, Arc::clone(&files), Arc::clone(&queue), &options);
        let writer = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())
            .map_err(StoreError::io("start the thread that writes", &path))?;
        let directory = directory.clone();
        let writer = Some(writer);
        let journal = Self { options, files, queue, writer, counted, directory };
        Ok((journal, recovery))
    }

    /// Offers an entry and returns at once; the [`Ticket`] tells when it is on disk. Entries of one
    /// thread get numbers in the order of its calls.
    ///
    /// `arrival` is kept with it and not looked at.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when too much waits already, [`StoreError::TooLarge`],
    /// [`StoreError::Poisoned`] after the disk failed to confirm a write. Nothing was appended then.
    pub fn append(&self, arrival: Timestamp, payload: Vec<u8>) -> Result<Ticket, StoreError> {
        let most = self.options.entry_bytes_max;
        if payload.len() > most {
            return Err(StoreError::TooLarge { bytes: payload.len(), most });
        }
        self.queue.push(arrival, payload)
    }

    /// Why nothing more can be appended: the disk failed to confirm a write, and only a new start tells
    /// what it holds. `None` while more can be.
    pub fn ended(&self) -> Option<StoreError> {
        self.queue.ended()
    }

    /// The last entry that is known to be on disk; [`Sequence::NONE`] before the first.
    pub fn committed(&self) -> Sequence {
        self.files.committed()
    }

    /// The first entry that is kept. One past [`Self::committed`] when none is.
    pub fn first(&self) -> Sequence {
        self.files.first()
    }

    /// Reads the committed entries from `from` on, while others append.
    ///
    /// # Errors
    ///
    /// [`StoreError::Released`] when `from` is no longer kept.
    pub fn read_from(&self, from: Sequence) -> Result<JournalReader, StoreError> {
        JournalReader::new(Arc::clone(&self.files), from)
    }

    /// Deletes the files all of whose entries are at or before `up_to`, and returns how many that
    /// were. The file that is written to is always kept, and all are while a backup is made: none is
    /// deleted then, until it is asked for again.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotCounted`] when `up_to` is past the ledger's position: what is not counted
    /// yet would be lost. What the system refuses. Files are deleted from the oldest on, so that
    /// what remains is without gaps whenever this ends early.
    pub fn release(&self, up_to: Sequence) -> Result<usize, StoreError> {
        let counted = self.counted.get();
        if up_to > counted {
            return Err(StoreError::NotCounted { asked: up_to, counted });
        }
        self.files.release(up_to)
    }

    /// What is committed, in bytes on disk, all kept files with their headers together.
    pub fn bytes(&self) -> u64 {
        self.files.bytes()
    }

    /// The directory of the journal's files.
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    pub(crate) fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    /// For whoever copies the files.
    pub(crate) fn shared(&self) -> JournalFiles {
        JournalFiles::new(&self.files)
    }

    /// The journal's files with the number of the first entry of each, oldest first.
    pub fn files(&self) -> Vec<(Sequence, PathBuf)> {
        self.files.list()
    }
}

/// Reads and checks a journal that nobody has open and of which nothing may be torn: a copy. Returns
/// its last entry.
pub(crate) fn check(path: &Path, counted: Sequence) -> Result<Sequence, StoreError> {
    files::check(path, counted)
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // It has told everybody who waits even where it panicked; there is nobody left to tell.
            let _ = writer.join();
        }
    }
}
