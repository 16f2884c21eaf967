//! The one thread that writes: takes a group, writes it, syncs once, tells everybody.

use std::collections::VecDeque;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use super::JournalOptions;
use super::files::{ActiveFile, Files};
use super::format::{self, HEADER_BYTES, RECORD_BYTES};
use super::queue::{Pending, Queue};
use crate::{Sequence, StoreError};

/// Writes what the queue holds until it ends.
#[derive(Debug)]
pub(super) struct Writer {
    active: ActiveFile,
    files: Arc<Files>,
    queue: Arc<Queue>,
    file_bytes_max: u64,
    /// Records of the group being written; kept for its memory.
    buffer: Vec<u8>,
}

/// What became of a group that is not on disk.
enum Failure {
    /// It is not in the journal, and the journal is as it was before.
    NotWritten(StoreError),
    /// The disk did not confirm something: nobody knows what it holds.
    Poisoned(StoreError),
}

impl Writer {
    pub(super) fn new(
        active: ActiveFile,
        files: Arc<Files>,
        queue: Arc<Queue>,
        options: &JournalOptions,
    ) -> Self {
        let file_bytes_max = options.file_bytes_max;
        Self { active, files, queue, file_bytes_max, buffer: Vec::new() }
    }

    /// Runs until the queue is closed and empty, or the disk has failed.
    pub(super) fn run(mut self) {
        while let Some(mut group) = self.queue.take() {
            while !group.is_empty() {
                if let Err(why) = self.write_part(&mut group) {
                    // The queue first: whoever hears of it must not be able to append any more.
                    self.queue.poison(&why);
                    self.answer(group, |_| Err(why.clone()));
                    return;
                }
            }
        }
    }

    /// Writes as much of `group` as the active file has room for, and tells those it belongs to.
    ///
    /// Fails only when the journal can no longer be used; what is then left in `group` was not
    /// answered yet.
    fn write_part(&mut self, group: &mut VecDeque<Pending>) -> Result<(), StoreError> {
        let outcome = self.make_room(group).and_then(|()| {
            let count = self.encode(group);
            self.write().map(|()| count).map_err(|failure| (failure, count))
        });
        match outcome {
            Ok(count) => {
                let first = self.active.next;
                self.active.next = first.plus(count as u64);
                self.active.bytes += self.buffer.len() as u64;
                // Readers first: whoever is told that an entry is there can read it.
                self.files.publish(Sequence(self.active.next.0 - 1), self.active.bytes);
                let rest = group.split_off(count);
                let written = std::mem::replace(group, rest);
                self.answer(written, |at| Ok(first.plus(at as u64)));
                Ok(())
            }
            Err((Failure::NotWritten(why), count)) => {
                let rest = group.split_off(count);
                let lost = std::mem::replace(group, rest);
                self.answer(lost, |_| Err(why.clone()));
                Ok(())
            }
            Err((Failure::Poisoned(why), _)) => Err(why),
        }
    }

    /// Begins a new file when the active one has no room for the first entry of `group`. On failure
    /// the whole group is what it failed for.
    fn make_room(&mut self, group: &VecDeque<Pending>) -> Result<(), (Failure, usize)> {
        let Some(first) = group.front() else { return Ok(()) };
        let is_empty = self.active.bytes == HEADER_BYTES as u64;
        if is_empty || self.active.bytes + record_bytes(first) <= self.file_bytes_max {
            return Ok(());
        }
        self.active = self.files.begin(self.active.next).map_err(|why| match why {
            // There is no new file: the old one stays, and the next entry tries again.
            StoreError::Io { path, cause, .. } => {
                (Failure::NotWritten(not_written(&path, cause)), group.len())
            }
            why => (Failure::Poisoned(why), group.len()),
        })?;
        Ok(())
    }

    /// Puts the records that the active file has room for into the buffer and returns how many.
    fn encode(&mut self, group: &VecDeque<Pending>) -> usize {
        self.buffer.clear();
        let mut end = self.active.bytes;
        let mut count = 0;
        for pending in group {
            end += record_bytes(pending);
            if count > 0 && end > self.file_bytes_max {
                break;
            }
            let sequence = self.active.next.plus(count);
            let place = u32::try_from(count).expect("a group has less than 2^32 entries");
            let (salt, arrival) = (self.active.salt, pending.arrival);
            format::encode(&mut self.buffer, salt, sequence, arrival, place, &pending.payload);
            count += 1;
        }
        usize::try_from(count).expect("no more than the group has")
    }

    /// Brings the buffer to the disk, or leaves the file as it was.
    fn write(&mut self) -> Result<(), Failure> {
        let ActiveFile { path, file, bytes, .. } = &mut self.active;
        let poisoned =
            |cause: io::Error| StoreError::Poisoned { path: path.clone(), cause: Arc::new(cause) };
        if let Err(cause) = file.write_all(&self.buffer) {
            // Part of it may be there. It has to be gone for good before anybody is told that the
            // entries are not in the journal: else a crash could bring them back.
            let restored = file
                .set_len(*bytes)
                .and_then(|()| file.seek(SeekFrom::Start(*bytes)))
                .and_then(|_| file.sync_data());
            return Err(match restored {
                Ok(()) => Failure::NotWritten(not_written(path, Arc::new(cause))),
                Err(cause) => Failure::Poisoned(poisoned(cause)),
            });
        }
        file.sync_data().map_err(|cause| {
            // Whoever opens the file next must not read from the system's cache what the disk does
            // not have. Where even this fails, the checksums are what is left.
            let _ = file.set_len(*bytes);
            Failure::Poisoned(poisoned(cause))
        })
    }

    /// Tells everybody in `group`, by place, and frees their room in the queue.
    fn answer(
        &self,
        group: VecDeque<Pending>,
        outcome: impl Fn(usize) -> Result<Sequence, StoreError>,
    ) {
        // The room first: whoever is told may append the next at once.
        self.queue.settle(group.len(), group.iter().map(|pending| pending.payload.len()).sum());
        for (at, pending) in group.into_iter().enumerate() {
            pending.resolver.resolve(outcome(at));
        }
    }
}

fn record_bytes(pending: &Pending) -> u64 {
    (RECORD_BYTES + pending.payload.len()) as u64
}

fn not_written(path: &Path, cause: Arc<io::Error>) -> StoreError {
    StoreError::NotWritten { path: path.to_owned(), cause }
}
