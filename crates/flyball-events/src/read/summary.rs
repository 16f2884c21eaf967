//! What was read: counts, time range, and everything that was left out.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampNanosecondType;
use flyball_model::Timestamp;

use super::input::{Compression, Input, Meter, Trailing};
use super::{EventsError, ReadOptions};
use crate::batch::{Offered, TIME_COLUMN};
use crate::codec::Decoded;
use crate::reject::Rejects;

/// The reason for a compressed input that ends too early.
pub(super) const TRUNCATED: &str = "the compressed input ends in the middle";
/// The reason for a compressed input that cannot be decompressed.
pub(super) const DAMAGED: &str = "the compressed input is damaged";

/// The reason for bytes after a gzip member that begin no other.
pub(super) const TRAILING: &str = "other bytes follow the compressed data";

/// What was read of all inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReadSummary {
    /// One for each input, in order; fewer than asked for when the reading was stopped.
    pub inputs: Vec<InputSummary>,
    /// Whether the taker of batches wanted no more.
    pub stopped: bool,
}

/// What was read of one input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InputSummary {
    /// The path as given, `-` for standard input.
    pub name: String,
    /// The format's name; `None` for an input without content.
    pub format: Option<String>,
    /// What it was compressed with.
    pub compression: Compression,
    /// Bytes that came from the system.
    pub bytes_read: u64,
    /// Bytes after decompression.
    pub bytes_decoded: u64,
    /// Lines or records, the empty and refused ones included.
    pub lines: u64,
    /// Events passed on.
    pub events: u64,
    /// Records that could not be read, by reason.
    pub rejects: Rejects,
    /// Why the input ended before its end, if it did; it is one of the rejects as well.
    pub damage: Option<String>,
    /// The earliest event; `None` without events that have a time.
    pub first: Option<Timestamp>,
    /// The latest event.
    pub last: Option<Timestamp>,
    /// Attribute names met past the limit of a batch, whose values were left out.
    pub names_over_limit: u64,
    /// What the input's keys stand for, wanted or not.
    pub offered: Offered,
}

impl ReadSummary {
    /// Events of all inputs.
    pub fn events(&self) -> u64 {
        self.inputs.iter().map(|input| input.events).sum()
    }

    /// Lines of all inputs.
    pub fn lines(&self) -> u64 {
        self.inputs.iter().map(|input| input.lines).sum()
    }

    /// Records that could not be read, of all inputs.
    pub fn rejected(&self) -> u64 {
        self.inputs.iter().map(|input| input.rejects.total()).sum()
    }

    /// Bytes that came from the system.
    pub fn bytes_read(&self) -> u64 {
        self.inputs.iter().map(|input| input.bytes_read).sum()
    }

    /// Bytes after decompression.
    pub fn bytes_decoded(&self) -> u64 {
        self.inputs.iter().map(|input| input.bytes_decoded).sum()
    }

    /// The attribute names that any input offered, wanted or not, each once, sorted.
    pub fn attributes(&self) -> Vec<&str> {
        let names = self.inputs.iter().flat_map(|input| &input.offered.attributes);
        names.map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The earliest event of all.
    pub fn first(&self) -> Option<Timestamp> {
        self.inputs.iter().filter_map(|input| input.first).min()
    }

    /// The latest event of all.
    pub fn last(&self) -> Option<Timestamp> {
        self.inputs.iter().filter_map(|input| input.last).max()
    }
}

/// The earliest and latest time of a batch.
pub(super) fn time_range(batch: &RecordBatch) -> Option<(Timestamp, Timestamp)> {
    let times = batch.column_by_name(TIME_COLUMN)?;
    let times = times.as_primitive_opt::<TimestampNanosecondType>()?;
    let first = arrow::compute::min(times)?;
    let last = arrow::compute::max(times)?;
    Some((Timestamp::from_nanos(first), Timestamp::from_nanos(last)))
}

impl InputSummary {
    pub(super) fn new(name: String, compression: Compression) -> Self {
        Self {
            name,
            format: None,
            compression,
            bytes_read: 0,
            bytes_decoded: 0,
            lines: 0,
            events: 0,
            rejects: Rejects::default(),
            damage: None,
            first: None,
            last: None,
            names_over_limit: 0,
            offered: Offered::default(),
        }
    }

    /// Adds what the codec found next.
    pub(super) fn add(&mut self, decoded: Decoded) {
        self.rejects.append(decoded.rejects, self.lines);
        self.lines += decoded.lines;
        self.events += decoded.events;
    }

    pub(super) fn widen(&mut self, range: Option<(Timestamp, Timestamp)>) {
        let Some((first, last)) = range else { return };
        self.first = Some(self.first.map_or(first, |own| own.min(first)));
        self.last = Some(self.last.map_or(last, |own| own.max(last)));
    }

    pub(super) fn take_meter(&mut self, meter: &Meter) {
        self.bytes_read = meter.bytes_read.load(Ordering::Relaxed);
        self.bytes_decoded = meter.bytes_decoded.load(Ordering::Relaxed);
    }

    /// Notes that the input ended by `error` in the record that begins with `rest`.
    ///
    /// # Errors
    ///
    /// The system's own failures: they say nothing of the content.
    pub(super) fn damage(
        &mut self,
        input: &Input,
        meter: &Meter,
        error: io::Error,
        rest: &[u8],
    ) -> Result<(), EventsError> {
        if self.compression == Compression::None || !meter.is_damage() {
            return Err(input.error(error));
        }
        let reason = if matches!(error.get_ref(), Some(source) if source.is::<Trailing>()) {
            TRAILING
        } else if error.kind() == io::ErrorKind::UnexpectedEof {
            TRUNCATED
        } else {
            DAMAGED
        };
        let what = error.to_string();
        let shown = if rest.is_empty() { what.as_bytes() } else { rest };
        self.rejects.add(reason, self.lines + 1, None, shown);
        self.lines += u64::from(!rest.is_empty());
        self.damage = Some(format!("{reason}: {error}"));
        Ok(())
    }

    /// The first reject as an error, when reading is strict.
    pub(super) fn check_strict(&self, options: &ReadOptions) -> Result<(), EventsError> {
        match self.rejects.first() {
            Some((reason, example)) if options.strict => Err(EventsError::Strict {
                name: self.name.clone(),
                line: example.line,
                column: example.column.unwrap_or(1),
                reason,
                excerpt: example.excerpt.clone(),
            }),
            _ => Ok(()),
        }
    }
}
