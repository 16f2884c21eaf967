//! Parquet: columns of any type, read a row group at a time.
//!
//! Only the columns that somebody wants are read from the file. Structs and maps are flattened with
//! dots; lists are one text, their JSON, and so is what has structure within a map; decimals are doubles with their digits kept beside
//! where a double cannot hold them; timestamps of any unit serve as times. Attributes that are
//! timestamps or dates are texts in the form of RFC 3339.
//!
//! The file's end is read first, so it must be a file one can move about in.

mod leaf;

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use crate::batch::{BatchBuilder, Role};
use crate::codec::{Decoded, NO_TIME};
use crate::format::SeekableCodec;
use crate::read::BATCH_ROWS;
use crate::time::TimeReader;

/// The reason for a file that cannot be opened as Parquet.
pub(crate) const NOT_PARQUET: &str = "not a Parquet file that can be read";
/// The reason for rows that cannot be read.
pub(crate) const DAMAGED: &str = "the Parquet file is damaged: the rest cannot be read";

/// Structs within each other whose fields become columns of their own; deeper ones are JSON.
const DEPTH_MAX: usize = 16;

/// Decodes Parquet files.
#[derive(Debug, Default)]
pub struct ParquetCodec {
    times: TimeReader,
}

impl SeekableCodec for ParquetCodec {
    fn decode(
        &mut self,
        input: File,
        batch: &mut BatchBuilder,
        decoded: &mut Decoded,
        flush: &mut dyn FnMut(&mut BatchBuilder) -> bool,
    ) -> io::Result<()> {
        let mut reader = match guarded(|| open(input, batch)) {
            Ok(reader) => reader,
            Err(error) => {
                decoded.lines += 1;
                decoded.rejects.add(NOT_PARQUET, 1, None, error.as_bytes());
                return Ok(());
            }
        };
        loop {
            match guarded(|| reader.next().transpose()) {
                Ok(Some(rows)) => self.rows(&rows, batch, decoded),
                Ok(None) => return Ok(()),
                Err(error) => {
                    decoded.lines += 1;
                    decoded.rejects.add(DAMAGED, decoded.lines, None, error.as_bytes());
                    return Ok(());
                }
            }
            if batch.rows() >= BATCH_ROWS && !flush(batch) {
                return Ok(());
            }
        }
    }
}

/// Opens `input` for the columns that `batch` wants.
fn open(
    input: File,
    batch: &mut BatchBuilder,
) -> parquet::errors::Result<ParquetRecordBatchReader> {
    // The schema that Arrow's writers add says no more than Parquet's own for what is read here,
    // and its decoder panics on damage.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(input, options)?;
    let schema = builder.schema().clone();
    let wanted: Vec<usize> = schema
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| is_wanted(field, field.name(), 0, batch))
        .map(|(index, _)| index)
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()
}

/// Runs a step of the Parquet decoder, which panics on some damaged files: a panic is an error.
///
/// The step's reader is not used again after an error, so its state does not matter.
fn guarded<T, E: std::fmt::Display>(step: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the decoder gave up on it".to_owned()),
    }
}

impl ParquetCodec {
    fn rows(&mut self, rows: &RecordBatch, batch: &mut BatchBuilder, decoded: &mut Decoded) {
        let mut leaves = Vec::new();
        for (field, array) in rows.schema().fields().iter().zip(rows.columns()) {
            leaf::collect(field.name(), array, None, 0, batch, &mut leaves);
        }
        for row in 0..rows.num_rows() {
            decoded.lines += 1;
            for leaf in &mut leaves {
                leaf.set(row, batch, &mut self.times);
            }
            if batch.end_row() {
                decoded.events += 1;
            } else {
                decoded.rejects.add(NO_TIME, decoded.lines, None, b"");
            }
        }
    }
}

/// Whether anything of the column `field` is to be read.
fn is_wanted(field: &Field, path: &str, depth: usize, batch: &mut BatchBuilder) -> bool {
    match field.data_type() {
        DataType::Struct(fields) if depth < DEPTH_MAX => fields
            .iter()
            .any(|child| is_wanted(child, &format!("{path}.{}", child.name()), depth + 1, batch)),
        // Which keys a map has is only known from its rows.
        DataType::Map(..) if depth < DEPTH_MAX => batch.may_want_below(path),
        _ => batch.role(path) != Role::Skip,
    }
}

#[cfg(test)]
mod tests;
