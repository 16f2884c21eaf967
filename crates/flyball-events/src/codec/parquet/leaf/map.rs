//! Maps: one attribute a key, found row by row, because only rows say which keys there are.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, MapArray, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::{Values, values};
use crate::batch::{BatchBuilder, Role};
use crate::time::TimeReader;

/// Keys whose role is remembered; a map with more of them has keys as data.
const ROLES_MAX: usize = 4_096;

/// The entries of a map of some rows.
pub(in crate::codec::parquet) struct Map {
    /// What attributes begin with: the column's path and a dot.
    prefix: String,
    offsets: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
    keys: StringArray,
    values: Values,
    roles: HashMap<String, Role>,
}

impl Map {
    /// The map `array` of the column `path`; `None` without values or where keys have no text.
    pub(super) fn new(path: &str, array: &MapArray, nulls: Option<NullBuffer>) -> Option<Self> {
        let child: &ArrayRef = array.values();
        Some(Self {
            prefix: format!("{path}."),
            offsets: array.offsets().clone(),
            nulls,
            keys: cast(array.keys(), &DataType::Utf8).ok()?.as_string::<i32>().clone(),
            values: values(child, child.logical_nulls())?,
            roles: HashMap::new(),
        })
    }

    /// Sets the entries of `row`; of a key that stands twice, the first value that is not null.
    pub(super) fn set(&mut self, row: usize, batch: &mut BatchBuilder, times: &mut TimeReader) {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return;
        }
        let at = |row: usize| usize::try_from(self.offsets[row]).unwrap_or(0);
        for entry in at(row)..at(row + 1) {
            if self.keys.is_null(entry) {
                continue;
            }
            let key = self.keys.value(entry);
            let known = self.roles.get(key).copied();
            let role = known.unwrap_or_else(|| {
                let role = batch.role(&format!("{}{key}", self.prefix));
                if self.roles.len() < ROLES_MAX {
                    self.roles.insert(key.to_owned(), role);
                }
                role
            });
            self.values.set(entry, role, batch, times);
        }
    }
}
