//! Stored events: a thread of its own follows the journal and makes segments of it, at its own pace.
//!
//! The segments' manifest is its durable position. Entries are decoded once more, with all their
//! attributes, and what was too late or in the future by its arrival is left out as the evaluator
//! leaves it out: segments and ledger hold the same events. What both are past is released from the
//! journal, and what is older than the retention says is deleted.

mod gather;
mod source;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration as Wait;

use flyball_events::Projection;
use flyball_model::{Duration, Timestamp};
use flyball_segment::{Buffer, DIRECTORY, Hour, SegmentError, SegmentWriter, Segments};
use flyball_store::{Entry, Journal, JournalReader, Sequence, StoreError};

use crate::clock::Clock;
use crate::decode::{Decoder, Reading};
use crate::entry;
use crate::limits::Limits;
use crate::telemetry::Telemetry;
use gather::Gatherer;
pub(crate) use source::Source;

/// How often it is looked for new entries when there were none.
const TICK: Wait = Wait::from_millis(500);
/// Events that wait to be written, at most. Bytes of memory; twice that is used while they are.
const BUFFER_BYTES_MAX: usize = 32 << 20;
/// How long events wait to be written where there are few. A query reads those that do from the
/// journal.
const FLUSH_EVERY: Duration = Duration::from_minutes(1);
/// Entries that are read before it is looked for something else to do.
const ENTRIES_AT_ONCE: usize = 256;

/// How long things are kept. What a back-fill reads is never deleted under it, and an entry that is
/// not counted and stored yet never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Stored events are deleted when their hour is older. 35 days unless told: a new definition can
    /// then be counted over a window of 30 days.
    pub segments_age_max: Duration,
    /// The oldest stored events are deleted when all take more. Bytes on disk; 64 GiB unless told.
    pub segments_bytes_max: u64,
    /// The newest of the journal that is kept though it is counted and stored. Bytes on disk;
    /// 256 MiB unless told.
    pub journal_bytes_min: u64,
    /// What is counted and stored of the journal is deleted when it is older, however little there is. There
    /// is no bound unless told.
    pub journal_age_max: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            segments_age_max: Duration::from_days(35),
            segments_bytes_max: 64 << 30,
            journal_bytes_min: 256 << 20,
            journal_age_max: None,
        }
    }
}

/// Events that cannot be stored, or stored events that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The segments are at fault.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The journal is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// The server is going down.
    #[error("the server is going down")]
    Ended,
}

/// Something for the thread to do.
#[derive(Debug)]
enum Message {
    /// Store what the journal holds now, then tell.
    Flush(Sender<Result<(), StoredError>>),
    /// End.
    Stop,
}

/// A way to stored events from other threads.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    messages: Sender<Message>,
    segments: Segments,
    journal: Arc<Journal>,
    limits: Limits,
}

impl Stored {
    /// The segments.
    pub(crate) const fn segments(&self) -> &Segments {
        &self.segments
    }

    /// All events of this moment, for a query.
    pub(crate) fn source(&self) -> Source {
        // First what is committed: what is stored meanwhile is in the view then, or in both.
        let through = self.journal.committed();
        Source {
            view: self.segments.view(),
            journal: Arc::clone(&self.journal),
            limits: self.limits.clone(),
            through,
        }
    }

    /// Has everything stored that the journal holds now. Waits for it.
    ///
    /// # Errors
    ///
    /// What keeps it from being stored.
    pub(crate) fn flush(&self) -> Result<(), StoredError> {
        let (done, answer) = channel();
        self.messages.send(Message::Flush(done)).map_err(|_| StoredError::Ended)?;
        answer.recv().map_err(|_| StoredError::Ended)?
    }
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Running {
    messages: Sender<Message>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Ends it. What is not stored yet is in the journal.
    pub(crate) fn stop(self) {
        let _ = self.messages.send(Message::Stop);
        // A panic has been printed by the thread itself.
        let _ = self.thread.join();
    }
}

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) journal: Arc<Journal>,
    pub(crate) limits: Limits,
    pub(crate) retention: Retention,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Arc<Telemetry>,
}

/// Opens the segments in the data directory `data` and begins to follow the journal.
///
/// # Errors
///
/// Segments that cannot be opened, and a system that refuses a thread.
pub(crate) fn start(data: &Path, parts: Parts) -> Result<(Running, Stored), StoredError> {
    let writer = open(data, &parts.journal)?;
    let Parts { journal, limits, retention, clock, telemetry } = parts;
    let segments = writer.segments();
    let through = segments.view().through();
    let (messages, waiting) = channel();
    let stored = Stored {
        messages: messages.clone(),
        segments,
        journal: Arc::clone(&journal),
        limits: limits.clone(),
    };
    let mut keeper = Keeper {
        reader: journal.read_from(Sequence(through).next())?,
        buffer: Buffer::new(through),
        gatherer: Gatherer::new(limits),
        taken_up: through,
        flushed: clock.now(),
        journal,
        writer,
        retention,
        clock,
        telemetry,
    };
    let thread = thread::Builder::new()
        .name("segments".to_owned())
        .spawn(move || keeper.run(&waiting))
        .map_err(StoredError::Thread)?;
    Ok((Running { messages, thread }, stored))
}

/// Opens the segments beside `journal`. Where the journal begins behind them (a directory that was
/// restored without them), so do they.
///
/// # Errors
///
/// Segments that cannot be opened.
pub(crate) fn open(data: &Path, journal: &Journal) -> Result<SegmentWriter, SegmentError> {
    let (mut writer, opened) = SegmentWriter::open(&data.join(DIRECTORY))?;
    if opened.leftovers > 0 {
        tracing::info!(
            files = opened.leftovers,
            "deleted segments that a crash had left unfinished"
        );
    }
    let through = writer.segments().view().through();
    let last = journal.committed();
    if Sequence(through) > last {
        // Numbers of entries would be given out twice.
        return Err(SegmentError::Ahead { through, last: last.0 });
    }
    let first = journal.first();
    if Sequence(through).next() < first {
        tracing::warn!(
            after = through,
            first = first.0,
            "entries are no longer there to be stored"
        );
        writer.begin_after(first.0 - 1)?;
    }
    Ok(writer)
}

/// The thread's own.
#[derive(Debug)]
struct Keeper {
    journal: Arc<Journal>,
    reader: JournalReader,
    writer: SegmentWriter,
    buffer: Buffer,
    gatherer: Gatherer,
    /// The last entry that was read.
    taken_up: u64,
    retention: Retention,
    clock: Clock,
    telemetry: Arc<Telemetry>,
    /// When it was last written.
    flushed: Timestamp,
}

impl Keeper {
    fn run(&mut self, messages: &Receiver<Message>) {
        loop {
            let more = self.work().unwrap_or_else(|error| {
                // Nothing is lost: the journal holds it all, and it is tried again.
                self.telemetry.stored_failed(&error);
                false
            });
            let wait = if more { Wait::ZERO } else { TICK };
            match messages.recv_timeout(wait) {
                Ok(Message::Flush(done)) => {
                    // Whoever asked may have gone.
                    let _ = done.send(self.store_all());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes up some entries and writes what has waited; `true` when there is more to do.
    fn work(&mut self) -> Result<bool, StoredError> {
        let now = self.clock.now();
        if self.is_full() || now.since(self.flushed) > FLUSH_EVERY {
            self.flush(now)?;
        }
        for _ in 0..ENTRIES_AT_ONCE {
            if self.is_full() {
                return Ok(true);
            }
            if !self.step()? {
                // Nothing more comes soon.
                self.gather()?;
                return Ok(self.is_full());
            }
        }
        Ok(true)
    }

    /// Has everything that was read in the buffer.
    fn gather(&mut self) -> Result<(), StoredError> {
        let before = self.buffer.rows();
        let gathered = self.gatherer.finish(&mut self.buffer);
        self.telemetry.texts_cut("store", self.gatherer.take_texts_cut());
        self.telemetry.stored_events(self.buffer.rows() - before);
        Ok(gathered?)
    }

    fn is_full(&self) -> bool {
        self.buffer.bytes() > BUFFER_BYTES_MAX
    }

    /// Takes up the next entry; `false` when there is none.
    fn step(&mut self) -> Result<bool, StoredError> {
        let Some(entry) = self.reader.read()? else { return Ok(false) };
        let number = entry.sequence.0;
        let before = self.buffer.rows();
        let added = self.gatherer.add(entry, &mut self.buffer);
        self.taken_up = number;
        self.telemetry.stored_events(self.buffer.rows() - before);
        added?;
        Ok(true)
    }

    /// Stores everything that the journal holds at this moment.
    fn store_all(&mut self) -> Result<(), StoredError> {
        let to = self.journal.committed();
        while Sequence(self.taken_up) < to {
            if self.is_full() {
                self.flush(self.clock.now())?;
            }
            if !self.step()? {
                break;
            }
        }
        self.flush(self.clock.now())
    }

    fn flush(&mut self, now: Timestamp) -> Result<(), StoredError> {
        self.flushed = now;
        let stored = self.store();
        // A full disk is no reason to keep what is old: that makes room.
        let kept = self.retain(now).and_then(|()| self.release(now));
        let view = self.writer.segments().view();
        self.telemetry.stored(view.through(), view.files().map(|file| file.bytes).sum());
        stored.and(kept)
    }

    /// Writes what has waited, and joins some of what was written.
    fn store(&mut self) -> Result<(), StoredError> {
        self.gather()?;
        let through = self.taken_up;
        self.buffer.reach(through);
        if through > self.writer.segments().view().through() {
            self.writer.append(&self.buffer)?;
            self.buffer = Buffer::new(through);
        }
        // One file more at a time, so that an hour of many does not keep events waiting.
        self.writer.compact()?;
        Ok(())
    }

    /// Deletes what is older than it is kept.
    fn retain(&mut self, now: Timestamp) -> Result<(), StoredError> {
        let before = Hour::of(now.minus(self.retention.segments_age_max));
        let gone = self.writer.retain(before, self.retention.segments_bytes_max)?;
        if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
            let rows: u64 = gone.iter().map(|file| file.rows).sum();
            let (from, to) = (first.hour.start(), last.hour.start());
            tracing::info!(files = gone.len(), events = rows, %from, %to, "deleted old stored events");
            self.telemetry.deleted("segments", gone.len());
        }
        Ok(())
    }

    /// Gives up what of the journal is counted, stored, and past the least or the longest that is kept.
    fn release(&mut self, now: Timestamp) -> Result<(), StoredError> {
        let stored = Sequence(self.writer.segments().view().through());
        let mut kept = 0;
        let mut up_to = Sequence::NONE;
        for (first, path) in self.journal.files().into_iter().rev() {
            if kept >= self.retention.journal_bytes_min {
                // What lies before the file after this one.
                break;
            }
            kept += path.metadata().map_or(0, |file| file.len());
            up_to = Sequence(first.0.saturating_sub(1));
        }
        let up_to = up_to.max(self.outdated(now)?).min(stored);
        let released = match self.journal.release(up_to) {
            Err(StoreError::NotCounted { counted, .. }) => self.journal.release(counted),
            other => other,
        }?;
        if released > 0 {
            tracing::info!(files = released, through = up_to.0, "released counted journal files");
            self.telemetry.deleted("journal", released);
        }
        Ok(())
    }

    /// The last entry before the oldest file of the journal that still has some which are kept.
    fn outdated(&self, now: Timestamp) -> Result<Sequence, StoredError> {
        let mut up_to = Sequence::NONE;
        let Some(age_max) = self.retention.journal_age_max else { return Ok(up_to) };
        // A file has nothing newer than what the next one begins with.
        for (first, _) in self.journal.files().into_iter().skip(1) {
            match self.journal.read_from(first)?.read()? {
                Some(entry) if entry.arrival < now.minus(age_max) => {
                    up_to = Sequence(first.0.saturating_sub(1));
                }
                _ => break,
            }
        }
        Ok(up_to)
    }
}

/// The events of an entry, those out of bounds included.
fn batches(decoder: &mut Decoder, entry: Entry) -> Result<Vec<arrow::array::RecordBatch>, String> {
    let (header, body) = entry::decode(entry.payload).map_err(|error| error.to_string())?;
    if header.content.is_metrics() {
        return Ok(Vec::new());
    }
    let body = decoder.decode(&header, &body).map_err(|error| error.to_string())?;
    Ok(body.batches)
}

/// Shows `each` the events of the journal's entries in `(after, through]` that count, by entry.
///
/// # Errors
///
/// A journal that cannot be read, or no longer holds them. An entry that cannot be decoded is left
/// out, as the evaluator leaves it out.
pub(crate) fn tail(
    journal: &Journal,
    limits: &Limits,
    projection: Projection,
    (after, through): (Sequence, Sequence),
    each: &mut dyn FnMut(Sequence, Vec<arrow::array::RecordBatch>, (Timestamp, Timestamp)) -> bool,
) -> Result<(), StoreError> {
    if after >= through {
        return Ok(());
    }
    let reading = Arc::new(Reading { version: 0, projection });
    let mut decoder = Decoder::new(reading, limits.clone());
    let mut reader = journal.read_from(after.next())?;
    while let Some(entry) = reader.read()? {
        let (sequence, times) = (entry.sequence, limits.times(entry.arrival));
        if sequence > through {
            break;
        }
        let batches = batches(&mut decoder, entry).unwrap_or_default();
        if !each(sequence, batches, times) {
            break;
        }
    }
    Ok(())
}
