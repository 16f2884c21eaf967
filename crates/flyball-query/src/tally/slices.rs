//! Which slice each row of a batch belongs to.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, UInt32Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use flyball_events::TWIN_SUFFIX;

/// A code per row, and what each code stands for.
#[derive(Debug)]
pub(crate) struct SliceCodes {
    pub(crate) rows: Vec<u32>,
    /// The values of the attributes, in their order; `None` for one that an event does not have.
    pub(crate) values: Vec<Vec<Option<String>>>,
}

/// The slices of the rows of `batch` by the attributes `by`.
pub(crate) fn slice_codes(batch: &RecordBatch, by: &[String]) -> SliceCodes {
    let mut joined: Option<SliceCodes> = None;
    for name in by {
        let codes = attribute_codes(batch, name);
        joined = Some(match joined {
            None => codes,
            Some(left) => join(&left, &codes),
        });
    }
    joined
        .unwrap_or_else(|| SliceCodes { rows: vec![0; batch.num_rows()], values: vec![Vec::new()] })
}

fn attribute_codes(batch: &RecordBatch, name: &str) -> SliceCodes {
    let rows = batch.num_rows();
    let twin = batch.column_by_name(&format!("{name}{TWIN_SUFFIX}"));
    match (batch.column_by_name(name), twin) {
        (Some(column), None) if column.as_dictionary_opt::<UInt32Type>().is_some() => {
            let dictionary = column.as_dictionary::<UInt32Type>();
            let values = dictionary.values().as_string::<i32>();
            let mut values: Vec<Vec<Option<String>>> =
                values.iter().map(|value| vec![value.map(str::to_owned)]).collect();
            let absent = u32::try_from(values.len()).unwrap_or(u32::MAX);
            values.push(vec![None]);
            let keys = dictionary.keys();
            let rows = (0..rows)
                .map(|row| if keys.is_null(row) { absent } else { keys.value(row) })
                .collect();
            SliceCodes { rows, values }
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
            let mut values = Vec::new();
            let rows = (0..rows)
                .map(|row| {
                    let value = text(twin, row).or_else(|| text(column, row));
                    *known.entry(value).or_insert_with_key(|value| {
                        values.push(vec![value.clone()]);
                        u32::try_from(values.len() - 1).unwrap_or(u32::MAX)
                    })
                })
                .collect();
            SliceCodes { rows, values }
        }
    }
}

fn join(left: &SliceCodes, right: &SliceCodes) -> SliceCodes {
    let mut known = HashMap::new();
    let mut values: Vec<Vec<Option<String>>> = Vec::new();
    let rows = left
        .rows
        .iter()
        .zip(&right.rows)
        .map(|pair| {
            *known.entry(pair).or_insert_with(|| {
                let (left_code, right_code) = pair;
                let (left, right) =
                    (&left.values[*left_code as usize], &right.values[*right_code as usize]);
                values.push([left.as_slice(), right].concat());
                u32::try_from(values.len() - 1).unwrap_or(u32::MAX)
            })
        })
        .collect();
    SliceCodes { rows, values }
}
