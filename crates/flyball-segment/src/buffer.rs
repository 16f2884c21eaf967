//! Events on their way into segments, by hour.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, TimestampNanosecondType};
use arrow::error::ArrowError;
use flyball_model::Timestamp;

use crate::{ENTRY_COLUMN, ENTRY_TAKEN, Hour, SegmentError};

/// The rows of a batch that came with one journal entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The entry's number.
    pub entry: u64,
    /// How many rows they are.
    pub rows: usize,
    /// The first moment at which an event of the entry counts.
    pub from: Timestamp,
    /// The first moment after that at which none does any more.
    pub to: Timestamp,
}

/// Events of a stretch of journal entries, until they are written.
#[derive(Debug)]
pub struct Buffer {
    pub(crate) hours: BTreeMap<Hour, Vec<RecordBatch>>,
    /// The last entry before the stretch, and its own last one.
    pub(crate) after: u64,
    pub(crate) through: u64,
    rows: u64,
    bytes: usize,
}

impl Buffer {
    /// An empty one for the entries that follow `after`.
    pub const fn new(after: u64) -> Self {
        Self { hours: BTreeMap::new(), after, through: after, rows: 0, bytes: 0 }
    }

    /// Adds the events of `batch`, whose rows came with the entries of `runs`, one after the other.
    /// Events out of their entry's bounds, and those without a time, are left out.
    ///
    /// # Errors
    ///
    /// Columns that Arrow cannot handle; nothing of the batch is added then.
    pub fn add(&mut self, batch: &RecordBatch, runs: &[Run]) -> Result<(), SegmentError> {
        let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
        let mut hours: BTreeMap<Hour, Vec<u32>> = BTreeMap::new();
        let mut entries = Vec::with_capacity(batch.num_rows());
        let of_runs = runs.iter().flat_map(|run| std::iter::repeat_n(run, run.rows));
        for ((row, nanos), run) in (0_u32..).zip(times).zip(of_runs) {
            entries.push(run.entry.cast_signed());
            let at = nanos.map(Timestamp::from_nanos);
            if let Some(at) = at.filter(|at| run.from <= *at && *at < run.to) {
                hours.entry(Hour::of(at)).or_default().push(row);
            }
        }
        let whole = with_entries(batch, entries)?;
        let part = |(hour, rows): (Hour, Vec<u32>)| {
            let is_whole = rows.len() == whole.num_rows();
            let rows = UInt32Array::from(rows);
            let part = if is_whole { whole.clone() } else { take_record_batch(&whole, &rows)? };
            Ok((hour, part))
        };
        let parts = hours.into_iter().map(part).collect::<Result<Vec<_>, ArrowError>>()?;
        for (hour, part) in parts {
            self.rows += part.num_rows() as u64;
            self.bytes += part.get_array_memory_size();
            self.hours.entry(hour).or_default().push(part);
        }
        Ok(())
    }

    /// Says that it holds the events of all entries up to `entry`.
    pub const fn reach(&mut self, entry: u64) {
        self.through = entry;
    }

    /// The last entry whose events it holds.
    pub const fn through(&self) -> u64 {
        self.through
    }

    /// Events in it.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// What it takes in memory.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// `batch` with the entry of each row behind its time.
fn with_entries(batch: &RecordBatch, entries: Vec<i64>) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let name = if field.name() == ENTRY_COLUMN { ENTRY_TAKEN } else { field.name() };
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(Arc::clone(array));
    }
    fields.insert(1, Field::new(ENTRY_COLUMN, DataType::Int64, true));
    arrays.insert(1, Arc::new(Int64Array::from(entries)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}
