//! Reads inputs of any format into batches: opens, decompresses, splits, decodes, in order.
//!
//! Line formats are cut into units of whole records that threads decode apart; whatever the
//! number of threads, batches arrive in the order of the input. Memory is bounded by the units in
//! flight, not by the input. Files are read, not mapped: a mapping would count as memory and fault
//! where a file shrinks.
//!
//! What cannot be read is counted with its reason in the [`ReadSummary`]; only what the system
//! refuses is an error, unless reading is strict.

mod error;
mod input;
mod lines;
mod remedy;
mod split;
mod summary;
mod whole;

use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::batch::{BatchBuilder, Projection, TimeRule};
use crate::format::{Codec, Format};
use crate::semantic::Mapping;
pub use error::EventsError;
pub use input::{Compression, Expanded, Input, expand};
pub use remedy::{lacks_time, remedy};
pub use summary::{InputSummary, ReadSummary};

/// Decompressed bytes looked at to tell the format.
const HEAD_BYTES: usize = 64 << 10;
/// The same where the first line is longer: the longest line, and more.
const HEAD_BYTES_MAX: usize = 2 * split::LINE_BYTES_MAX;

/// Rows after which a format that is read as a whole passes its batch on.
pub const BATCH_ROWS: usize = 16 << 10;

/// How to read inputs.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The format of every input; `None` finds it for each by content, then by name.
    pub format: Option<Format>,
    /// Which attributes are materialised.
    pub projection: Projection,
    /// The user's renames.
    pub mapping: Arc<Mapping>,
    /// What to do with events without a readable time.
    pub time_rule: TimeRule,
    /// Given to events without a `service.name`.
    pub service: Option<String>,
    /// Stop at the first record that cannot be read.
    pub strict: bool,
    /// Threads that decode; 0 and 1 decode on the caller's.
    pub threads: usize,
}

impl Default for ReadOptions {
    /// All attributes, times required, one thread, not strict.
    fn default() -> Self {
        Self {
            format: None,
            projection: Projection::All,
            mapping: Arc::default(),
            time_rule: TimeRule::Required,
            service: None,
            strict: false,
            threads: 1,
        }
    }
}

impl ReadOptions {
    fn builder(&self) -> BatchBuilder {
        BatchBuilder::new(
            self.projection.clone(),
            Arc::clone(&self.mapping),
            self.time_rule,
            self.service.clone(),
        )
    }
}

/// How far reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which input is being read, from 0.
    pub input: usize,
    /// Bytes that came from the system, all inputs together, before decompression.
    pub bytes_read: u64,
    /// Their sum at the end; `None` when an input is no regular file.
    pub bytes_total: Option<u64>,
    /// Events so far.
    pub events: u64,
}

/// Reads `inputs` one after the other and passes their batches, in order, to `sink`.
///
/// Batches have at least one row. `progress` is called now and then on the caller's thread.
/// `sink` stops the reading by answering `Break`; the summary then covers what was read.
///
/// # Errors
///
/// [`EventsError`] for an input that the system does not let us read or whose format cannot be
/// told, and, when reading is strict, for the first record that cannot be read; batches before it
/// have been passed on.
pub fn read(
    inputs: &[Input],
    options: &ReadOptions,
    progress: &mut dyn FnMut(Progress),
    sink: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
) -> Result<ReadSummary, EventsError> {
    read_mapped(inputs, options, progress, &|batch| batch, sink)
}

/// As [`read`], with `map` applied to each batch on the thread that decoded it.
pub fn read_mapped<T: Send>(
    inputs: &[Input],
    options: &ReadOptions,
    progress: &mut dyn FnMut(Progress),
    map: &(dyn Fn(RecordBatch) -> T + Sync),
    sink: &mut dyn FnMut(T) -> ControlFlow<()>,
) -> Result<ReadSummary, EventsError> {
    let bytes_total = inputs.iter().map(Input::size_bytes).sum();
    let mut summary = ReadSummary::default();
    for (index, input) in inputs.iter().enumerate() {
        let before = summary.clone();
        let mut report = |bytes_read: u64, events: u64| {
            progress(Progress {
                input: index,
                bytes_read: before.bytes_read() + bytes_read,
                bytes_total,
                events: before.events() + events,
            });
        };
        let mut delivery = Delivery { map, sink, report: &mut report, events: 0, stopped: false };
        let read = read_one(input, options, &mut delivery)?;
        let stopped = delivery.stopped;
        summary.inputs.push(read);
        if stopped {
            summary.stopped = true;
            break;
        }
    }
    Ok(summary)
}

/// Where batches of one input go.
struct Delivery<'a, T> {
    map: &'a (dyn Fn(RecordBatch) -> T + Sync),
    sink: &'a mut dyn FnMut(T) -> ControlFlow<()>,
    /// Takes bytes read and events, of this input.
    report: &'a mut dyn FnMut(u64, u64),
    /// Rows of a format that is read as a whole.
    events: u64,
    stopped: bool,
}

impl<T> Delivery<'_, T> {
    fn deliver(&mut self, mapped: T) -> ControlFlow<()> {
        let flow = (self.sink)(mapped);
        self.stopped |= flow.is_break();
        flow
    }
}

fn read_one<T: Send>(
    input: &Input,
    options: &ReadOptions,
    delivery: &mut Delivery<'_, T>,
) -> Result<InputSummary, EventsError> {
    let mut opened = input::open(input).map_err(|error| input.error(error))?;
    let mut summary = InputSummary::new(input.name(), opened.compression);
    let mut head = Vec::new();
    let mut broken = None;
    let mut format = options.format.clone();
    let mut room = HEAD_BYTES;
    loop {
        fill_head(&mut *opened.reader, &mut head, room, &mut broken);
        let content = strip_mark(&head);
        format = format.or_else(|| Format::detect(&summary.name, content));
        let is_all = head.len() < room || room >= HEAD_BYTES_MAX;
        let has_lines = memchr::memchr_iter(b'\n', content).nth(1).is_some();
        if format.is_some() || is_all || has_lines {
            break;
        }
        room *= 8;
    }
    let is_told = format.is_some();
    if !is_told && !strip_mark(&head).trim_ascii().is_empty() {
        let Some(error) = broken else {
            return Err(EventsError::UnknownFormat { name: summary.name });
        };
        summary.take_meter(&opened.meter);
        summary.damage(input, &opened.meter, error, &[])?;
        summary.check_strict(options)?;
        return Ok(summary);
    }
    // Blank lines are counted like those of a line format, and nothing after them is lost.
    let format = format.unwrap_or(Format::Ndjson);
    summary.format = Some(format.name());
    let codec = format.codec();
    if !matches!(codec, Codec::Seekable(_)) {
        head.drain(..head.len() - strip_mark(&head).len());
    }
    let reader: Box<dyn Read + Send> =
        Box::new(Cursor::new(head).chain(Rest { reader: opened.reader, broken }));
    let source = Source { input, options, reader, meter: opened.meter };
    match codec {
        Codec::Lines { splitter, header, new } => {
            lines::read(source, splitter, header, &new, &mut summary, delivery)?;
        }
        Codec::Stream(mut codec) => whole::stream(source, &mut *codec, &mut summary, delivery)?,
        Codec::Seekable(mut codec) => {
            whole::seekable(source, &mut *codec, &mut summary, delivery)?;
        }
    }
    let damaged = u64::from(summary.damage.is_some());
    if !is_told && summary.events + summary.rejects.total() == damaged {
        summary.format = None;
    }
    Ok(summary)
}

/// An input opened, decompressed, its first bytes looked at.
struct Source<'a> {
    input: &'a Input,
    options: &'a ReadOptions,
    reader: Box<dyn Read + Send>,
    meter: Arc<input::Meter>,
}

/// Reads until the head has `len` bytes; an error is kept for when the reader gets there.
fn fill_head(
    reader: &mut dyn Read,
    head: &mut Vec<u8>,
    len: usize,
    broken: &mut Option<std::io::Error>,
) {
    if broken.is_none() {
        // What was read before an error stays in the head.
        let room = (len - head.len()) as u64;
        *broken = reader.take(room).read_to_end(head).err();
    }
}

/// What comes after the head: the error that ended it, if any, then the reader.
struct Rest {
    reader: Box<dyn Read + Send>,
    broken: Option<std::io::Error>,
}

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.broken.take() {
            Some(error) => Err(error),
            None => self.reader.read(buffer),
        }
    }
}

/// Without a byte order mark at the very beginning.
fn strip_mark(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head)
}

#[cfg(test)]
mod tests;
