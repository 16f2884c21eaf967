//! Events on their way into segments, by hour.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, TimestampNanosecondType};
use flyball_model::Timestamp;

use crate::{ENTRY_COLUMN, ENTRY_TAKEN, Hour, SegmentError};

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

    /// Adds the events of `batches`, which came with `entry`, whose times lie in `[from, to)`. Others,
    /// and those without a time, are left out.
    ///
    /// Entries come in order, each once; one without events is added as well, with no batches.
    ///
    /// # Errors
    ///
    /// Columns that Arrow cannot handle; the entry is not added then.
    pub fn add(
        &mut self,
        entry: u64,
        batches: &[RecordBatch],
        (from, to): (Timestamp, Timestamp),
    ) -> Result<(), SegmentError> {
        let mut parts = Vec::new();
        for batch in batches {
            let mut rows: BTreeMap<Hour, Vec<u32>> = BTreeMap::new();
            let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
            for (row, nanos) in (0_u32..).zip(times) {
                let at = nanos.map(Timestamp::from_nanos);
                if let Some(at) = at.filter(|at| from <= *at && *at < to) {
                    rows.entry(Hour::of(at)).or_default().push(row);
                }
            }
            let whole = plain(batch, entry)?;
            for (hour, rows) in rows {
                let part = if rows.len() == whole.num_rows() {
                    whole.clone()
                } else {
                    take_record_batch(&whole, &UInt32Array::from(rows))?
                };
                parts.push((hour, part));
            }
        }
        for (hour, part) in parts {
            self.rows += part.num_rows() as u64;
            self.bytes += part.get_array_memory_size();
            self.hours.entry(hour).or_default().push(part);
        }
        self.through = entry;
        Ok(())
    }

    /// The last entry that was added.
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

/// `batch` with plain texts, and with its entry behind the time.
fn plain(batch: &RecordBatch, entry: u64) -> Result<RecordBatch, SegmentError> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let array = match array.data_type() {
            DataType::Dictionary(..) => cast(array, &DataType::Utf8)?,
            _ => Arc::clone(array),
        };
        let name = if field.name() == ENTRY_COLUMN { ENTRY_TAKEN } else { field.name() };
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
        if fields.len() == 1 {
            fields.push(Field::new(ENTRY_COLUMN, DataType::Int64, true));
            let entries = vec![entry.cast_signed(); batch.num_rows()];
            arrays.push(Arc::new(Int64Array::from(entries)));
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}
