//! Which slice each row of a batch belongs to.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use flyball_events::TWIN_SUFFIX;

use crate::value::{either, texts};

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
            let texts = column.map(texts).transpose();
            let texts = texts.and_then(|texts| either(twin.cloned(), texts));
            // What cannot be written as text is no value to tell slices by.
            let texts = texts.ok().flatten();
            let texts = texts.as_ref().map(AsArray::as_string::<i32>);
            let text = |row: usize| {
                let texts = texts.filter(|texts| !texts.is_null(row))?;
                Some(texts.value(row).to_owned())
            };
            let mut known = HashMap::new();
            let mut values = Vec::new();
            let rows = (0..rows)
                .map(|row| {
                    *known.entry(text(row)).or_insert_with_key(|value| {
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
