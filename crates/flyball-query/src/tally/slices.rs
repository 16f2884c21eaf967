//! Which slice each row of a batch belongs to.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, UInt32Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use flyball_events::TWIN_SUFFIX;

/// The value of an attribute that an event does not have.
const ABSENT: &str = "(none)";

/// A code per row, and what each code stands for.
#[derive(Debug)]
pub(crate) struct SliceCodes {
    pub(crate) rows: Vec<u32>,
    /// `eu` for one attribute, `region=eu,version=2` for several.
    pub(crate) labels: Vec<String>,
}

/// The slices of the rows of `batch` by the attributes `by`.
pub(crate) fn slice_codes(batch: &RecordBatch, by: &[String]) -> SliceCodes {
    let mut joined: Option<SliceCodes> = None;
    for name in by {
        let mut codes = attribute_codes(batch, name);
        if by.len() > 1 {
            for label in &mut codes.labels {
                *label = format!("{name}={label}");
            }
        }
        joined = Some(match joined {
            None => codes,
            Some(left) => join(&left, &codes),
        });
    }
    joined.unwrap_or_else(|| SliceCodes {
        rows: vec![0; batch.num_rows()],
        labels: vec![String::new()],
    })
}

fn attribute_codes(batch: &RecordBatch, name: &str) -> SliceCodes {
    let rows = batch.num_rows();
    let twin = batch.column_by_name(&format!("{name}{TWIN_SUFFIX}"));
    match (batch.column_by_name(name), twin) {
        (Some(column), None) if column.as_dictionary_opt::<UInt32Type>().is_some() => {
            let dictionary = column.as_dictionary::<UInt32Type>();
            let values = dictionary.values().as_string::<i32>();
            let mut labels: Vec<String> =
                values.iter().map(|value| value.unwrap_or(ABSENT).to_owned()).collect();
            let absent = u32::try_from(labels.len()).unwrap_or(u32::MAX);
            labels.push(ABSENT.to_owned());
            let keys = dictionary.keys();
            let rows = (0..rows)
                .map(|row| if keys.is_null(row) { absent } else { keys.value(row) })
                .collect();
            SliceCodes { rows, labels }
        }
        (column, twin) => {
            let text = |column: Option<&ArrayRef>, row: usize| {
                let column = column.filter(|column| !column.is_null(row))?;
                // Whole numbers are written alike, whether the batch had others or not.
                if let Some(floats) = column.as_primitive_opt::<Float64Type>() {
                    return Some(floats.value(row).to_string());
                }
                let format = FormatOptions::default();
                Some(ArrayFormatter::try_new(column, &format).ok()?.value(row).to_string())
            };
            let mut known = HashMap::new();
            let mut labels = Vec::new();
            let rows = (0..rows)
                .map(|row| {
                    let label = text(twin, row)
                        .or_else(|| text(column, row))
                        .unwrap_or_else(|| ABSENT.to_owned());
                    *known.entry(label).or_insert_with_key(|label| {
                        labels.push(label.clone());
                        u32::try_from(labels.len() - 1).unwrap_or(u32::MAX)
                    })
                })
                .collect();
            SliceCodes { rows, labels }
        }
    }
}

fn join(left: &SliceCodes, right: &SliceCodes) -> SliceCodes {
    let mut known = HashMap::new();
    let mut labels = Vec::new();
    let rows = left
        .rows
        .iter()
        .zip(&right.rows)
        .map(|pair| {
            *known.entry(pair).or_insert_with(|| {
                let (left_code, right_code) = pair;
                labels.push(format!(
                    "{},{}",
                    left.labels[*left_code as usize], right.labels[*right_code as usize]
                ));
                u32::try_from(labels.len() - 1).unwrap_or(u32::MAX)
            })
        })
        .collect();
    SliceCodes { rows, labels }
}
