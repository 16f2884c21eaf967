//! All events of one moment, for queries: segments, and the journal behind them.

use std::error::Error;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, TimestampNanosecondArray};
use arrow::compute::kernels::cmp::{gt_eq, lt};
use arrow::compute::{and, filter_record_batch};
use arrow::datatypes::TimestampNanosecondType;
use arrow::error::ArrowError;
use flyball_events::Projection;
use flyball_model::Timestamp;
use flyball_query::Outline;
use flyball_query::sql::EventSource;
use flyball_segment::{ENTRY_COLUMN, Hour, View};
use flyball_store::{Journal, Sequence};

use super::tail;
use crate::limits::Limits;

/// The events of one moment.
#[derive(Debug)]
pub(crate) struct Source {
    pub(super) view: View,
    pub(super) journal: Arc<Journal>,
    pub(super) limits: Limits,
    /// The last entry that is read.
    pub(super) through: Sequence,
}

impl Source {
    /// Shows `each` the events that are not in segments yet.
    fn tail(
        &self,
        projection: Projection,
        each: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let range = (Sequence(self.view.through()), self.through);
        let mut failed = None;
        tail(&self.journal, &self.limits, projection, range, &mut |_, batches, times| {
            batches.iter().all(|batch| match inside(batch, times) {
                Ok(batch) => batch.num_rows() == 0 || each(batch),
                Err(error) => {
                    failed = Some(error);
                    false
                }
            })
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

impl Source {
    /// The first hour of which segments are stored; `None` while everything is in the journal.
    pub(crate) fn begins(&self) -> Option<Timestamp> {
        self.view.hours().into_iter().next().map(Hour::start)
    }

    /// The attributes that the events have, and their types; none when there are no events.
    ///
    /// # Errors
    ///
    /// What cannot be read.
    pub(crate) fn attributes(&self) -> Result<Outline, String> {
        let mut met = Outline::default();
        let read = self.outline(&mut |batch| {
            met.add(&batch);
            true
        });
        read.map(|()| met).map_err(|error| error.to_string())
    }
}

impl EventSource for Source {
    fn scan(
        &self,
        columns: Option<&[String]>,
        sink: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        match columns {
            Some(columns) => self.scan_between(columns, (Timestamp::MIN, Timestamp::MAX), sink),
            None => self.outline(sink),
        }
    }

    fn scan_between(
        &self,
        columns: &[String],
        (from, to): (Timestamp, Timestamp),
        sink: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        for hour in self.view.hours() {
            if hour < Hour::of(from) || hour > Hour::of(to) {
                continue;
            }
            for batch in self.view.read(hour, Some(columns)) {
                if !sink(batch?) {
                    return Ok(());
                }
            }
        }
        self.tail(Projection::Only(columns.to_vec()), sink)
    }

    fn outline(
        &self,
        sink: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        for batch in self.view.outlines() {
            let mut batch = batch?;
            if let Ok(at) = batch.schema_ref().index_of(ENTRY_COLUMN) {
                batch.remove_column(at);
            }
            if !sink(batch) {
                return Ok(());
            }
        }
        self.tail(Projection::All, sink)
    }
}

/// The events of `batch` in `[from, to)`.
fn inside(
    batch: &RecordBatch,
    (from, to): (Timestamp, Timestamp),
) -> Result<RecordBatch, ArrowError> {
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
    let bound = |at: Timestamp| {
        let at = TimestampNanosecondArray::from(vec![at.nanos()]).with_timezone("UTC");
        arrow::array::Scalar::new(at)
    };
    let is_inside = and(&gt_eq(times, &bound(from))?, &lt(times, &bound(to))?)?;
    filter_record_batch(batch, &is_inside)
}
