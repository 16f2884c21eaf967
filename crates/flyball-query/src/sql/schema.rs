//! One schema for batches that differ.
//!
//! A column is a number if any batch has numbers in it; texts among them go into its text twin, as
//! they do within a batch, and into the column as well where they are written like a number. So a
//! single `n/a` neither turns a column of numbers into text nor is it lost.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use flyball_events::{TIME_COLUMN, TWIN_SUFFIX};
use indexmap::IndexMap;

use crate::value::{self, DOUBLE_EXACT_MAX, either};

/// What all batches together have.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    columns: IndexMap<String, Kinds>,
}

/// The types met in one column.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of types, each met or not")]
struct Kinds {
    bool: bool,
    int: bool,
    float: bool,
    text: bool,
    /// Integers that a double cannot hold.
    wide: bool,
    other: Option<DataType>,
}

impl Discovery {
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if let Some(name) = field.name().strip_suffix(TWIN_SUFFIX) {
                self.columns.entry(name.to_owned()).or_default().text = true;
                continue;
            }
            let kinds = self.columns.entry(field.name().clone()).or_default();
            match field.data_type() {
                DataType::Boolean => kinds.bool = true,
                DataType::Int64 => {
                    kinds.int = true;
                    kinds.wide |= !kinds.wide
                        && column.as_primitive::<Int64Type>().iter().flatten().any(is_wide);
                }
                DataType::Float64 => kinds.float = true,
                DataType::Utf8 | DataType::Dictionary(..) => kinds.text = true,
                other => kinds.other = Some(other.clone()),
            }
        }
    }

    /// The columns that have a text twin.
    pub(super) fn mixed(&self) -> Vec<String> {
        let has_twin = |(name, kinds): (&String, &Kinds)| kinds.types().1.then(|| name.clone());
        self.columns.iter().filter_map(has_twin).collect()
    }

    /// `time` first, then the attributes as they were met, each text twin after its column.
    pub(super) fn schema(&self) -> SchemaRef {
        let mut fields = Vec::new();
        for (name, kinds) in &self.columns {
            let (main, has_twin) = kinds.types();
            fields.push(Field::new(name, main, true));
            if has_twin {
                fields.push(Field::new(format!("{name}{TWIN_SUFFIX}"), DataType::Utf8, true));
            }
        }
        if fields.is_empty() {
            let time =
                DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, Some("UTC".into()));
            fields.push(Field::new(TIME_COLUMN, time, true));
        }
        Arc::new(Schema::new(fields))
    }
}

impl Kinds {
    fn types(&self) -> (DataType, bool) {
        if let Some(other) = &self.other {
            return (other.clone(), self.text);
        }
        let number = self.int || self.float;
        let main = match (number, self.bool) {
            (true, _) if self.float => DataType::Float64,
            (true, _) => DataType::Int64,
            (false, true) => DataType::Boolean,
            (false, false) => DataType::Utf8,
        };
        let is_text = main == DataType::Utf8;
        let has_twin =
            (self.text && !is_text) || (number && self.bool) || (self.float && self.wide);
        (main, has_twin)
    }
}

fn is_wide(value: i64) -> bool {
    value.unsigned_abs() > DOUBLE_EXACT_MAX
}

/// The attributes that must be read for the columns of `schema`.
pub(super) fn attributes(schema: &Schema) -> Vec<String> {
    let mut names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().strip_suffix(TWIN_SUFFIX).unwrap_or(field.name()).to_owned())
        .collect();
    names.dedup();
    names
}

/// The columns of `schema` from a batch of any.
pub(super) fn adapt(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| match field.name().strip_suffix(TWIN_SUFFIX) {
            Some(name) => twin(batch, name, schema),
            None => main(batch, field),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

fn main(batch: &RecordBatch, field: &Field) -> Result<ArrayRef, ArrowError> {
    let wanted = field.data_type();
    if *wanted == DataType::Utf8 {
        return text(batch, field.name());
    }
    let own = match batch.column_by_name(field.name()) {
        Some(column) => match (plain_type(column), wanted) {
            (have, want) if have == *want => Some(cast(column, want)?),
            (DataType::Int64, DataType::Float64) => Some(cast(column, wanted)?),
            (DataType::Utf8, _) => Some(numbers(column, wanted)?),
            _ => None,
        },
        None => None,
    };
    let twin = batch.column_by_name(&format!("{}{TWIN_SUFFIX}", field.name()));
    let twin = twin.map(|twin| numbers(twin, wanted)).transpose()?;
    Ok(either(own, twin)?.unwrap_or_else(|| new_null_array(wanted, batch.num_rows())))
}

/// Texts that are written like a number as `wanted`; the others are null.
fn numbers(texts: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    let texts = cast(texts, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>().iter();
    Ok(match wanted {
        DataType::Int64 => Arc::new(
            texts.map(|text| text.and_then(|text| text.parse().ok())).collect::<Int64Array>(),
        ),
        DataType::Float64 => {
            Arc::new(texts.map(|text| text.and_then(value::number)).collect::<Float64Array>())
        }
        other => new_null_array(other, texts.len()),
    })
}

/// The texts of `name`, those that its column could not hold included.
fn text(batch: &RecordBatch, name: &str) -> Result<ArrayRef, ArrowError> {
    let column = batch.column_by_name(name).map(|column| cast(column, &DataType::Utf8));
    let twin = batch.column_by_name(&format!("{name}{TWIN_SUFFIX}"));
    let texts = either(twin.cloned(), column.transpose()?)?;
    Ok(texts.unwrap_or_else(|| new_null_array(&DataType::Utf8, batch.num_rows())))
}

/// What does not fit the main column of `name`, as text.
fn twin(batch: &RecordBatch, name: &str, schema: &Schema) -> Result<ArrayRef, ArrowError> {
    let main_type = schema.field_with_name(name).map_or(DataType::Null, |f| f.data_type().clone());
    let own = batch.column_by_name(&format!("{name}{TWIN_SUFFIX}"));
    let converted = match batch.column_by_name(name) {
        Some(column) => match (plain_type(column), &main_type) {
            (have, want) if have == *want => None,
            (DataType::Int64, DataType::Float64) => {
                let wide: StringArray = column
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|value| value.filter(|value| is_wide(*value)).map(|v| v.to_string()))
                    .collect();
                Some(Arc::new(wide) as ArrayRef)
            }
            _ => Some(cast(column, &DataType::Utf8)?),
        },
        None => None,
    };
    let texts = either(own.cloned(), converted)?;
    Ok(texts.unwrap_or_else(|| new_null_array(&DataType::Utf8, batch.num_rows())))
}

fn plain_type(column: &ArrayRef) -> DataType {
    match column.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    }
}
