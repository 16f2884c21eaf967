//! Batches of any columns as one.
//!
//! A column that has one type everywhere keeps it. Where types differ it becomes what a batch would
//! have made of the same values (see `docs/adr/004-column-builders.md`): a number where any batch
//! has numbers, and what does not fit it is text in its twin. What an event counts as does not
//! depend on which others share its batch, so nothing that is counted from the whole differs from
//! what the parts count.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, NullBufferBuilder, RecordBatch, RecordBatchOptions,
    StringArray, UInt32Array, new_null_array,
};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, UInt32Type};
use arrow::error::ArrowError;
use flyball_events::{TIME_COLUMN, TWIN_SUFFIX};

use crate::ENTRY_COLUMN;

/// The largest integer below which every integer is a double: 2⁵³.
const DOUBLE_EXACT_MAX: u64 = 1 << 53;

/// What of an attribute there is in some batch.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a kind that is there or not")]
struct Kinds {
    bool: bool,
    int: bool,
    float: bool,
    text: bool,
    /// Some of the texts are no codes of a dictionary.
    plain: bool,
    twin: bool,
    other: Option<DataType>,
}

impl Kinds {
    fn add(&mut self, kind: &DataType) {
        match kind {
            DataType::Boolean => self.bool = true,
            DataType::Int64 => self.int = true,
            DataType::Float64 => self.float = true,
            DataType::Utf8 => (self.text, self.plain) = (true, true),
            DataType::Dictionary(..) => self.text = true,
            other => self.other = Some(other.clone()),
        }
    }

    /// The column's type, and whether there is a twin.
    fn types(&self) -> (Option<DataType>, bool) {
        if let Some(other) = &self.other {
            return (Some(other.clone()), self.twin);
        }
        let numbers = self.int || self.float;
        let main = match (numbers, self.bool, self.text) {
            (true, ..) if self.float => Some(DataType::Float64),
            (true, ..) => Some(DataType::Int64),
            (false, true, _) => Some(DataType::Boolean),
            (false, false, true) if self.plain => Some(DataType::Utf8),
            (false, false, true) => Some(coded()),
            (false, false, false) => None,
        };
        let kinds = [numbers, self.bool, self.text].into_iter().filter(|there| *there).count();
        let mixed = kinds > 1 || (self.int && self.float);
        (main, self.twin || mixed)
    }
}

/// The type of a column of texts as builders make it: numbers of texts in a dictionary.
fn coded() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

/// The names of the attributes of `batch`, twins left out.
pub(crate) fn names(batch: &RecordBatch) -> impl Iterator<Item = &str> {
    let fields = batch.schema_ref().fields().iter();
    fields.map(|field| field.name().strip_suffix(TWIN_SUFFIX).unwrap_or(field.name()))
}

/// All rows of `batches`, in order: `time`, the entry, then the attributes by name, each before its
/// twin.
///
/// # Errors
///
/// Columns that Arrow cannot put together.
pub(crate) fn unify(batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
    if let [only] = batches {
        return Ok(only.clone());
    }
    let mut columns: BTreeMap<&str, Kinds> = BTreeMap::new();
    for batch in batches {
        for field in batch.schema_ref().fields() {
            match field.name().strip_suffix(TWIN_SUFFIX) {
                Some(name) => columns.entry(name).or_default().twin = true,
                None => columns.entry(field.name()).or_default().add(field.data_type()),
            }
        }
    }
    let first = [TIME_COLUMN, ENTRY_COLUMN];
    let firsts = first.iter().filter_map(|name| columns.get_key_value(name));
    let others = columns.iter().filter(|(name, _)| !first.contains(name));
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (name, kinds) in firsts.chain(others) {
        let (main, has_twin) = kinds.types();
        let twin_name = format!("{name}{TWIN_SUFFIX}");
        let (mut mains, mut twins) = (Vec::new(), Vec::new());
        for batch in batches {
            let twin = batch.column_by_name(&twin_name);
            let wanted = main.as_ref().unwrap_or(&DataType::Utf8);
            let (own, text) = split(batch.column_by_name(name), wanted, batch.num_rows())?;
            mains.push(own);
            twins.push(
                either(twin, text)?
                    .unwrap_or_else(|| new_null_array(&DataType::Utf8, batch.num_rows())),
            );
        }
        if let Some(main) = main {
            fields.push(Field::new(*name, main, true));
            arrays.push(join(&mains)?);
        }
        if has_twin {
            let twin = join(&twins)?;
            if twin.null_count() < twin.len() {
                fields.push(Field::new(twin_name, DataType::Utf8, true));
                arrays.push(twin);
            }
        }
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    RecordBatch::try_new_with_options(
        schema,
        arrays,
        &RecordBatchOptions::new().with_row_count(Some(rows)),
    )
}

/// The arrays one behind the other; all are of one type.
fn join(parts: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    match parts {
        [first, ..] if *first.data_type() == coded() => join_coded(parts),
        _ => concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()),
    }
}

/// As [`join`], for codes. A text that several dictionaries have stands as often in the new one: to
/// find these would cost more than it saves.
fn join_coded(parts: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    let rows = parts.iter().map(Array::len).sum();
    let (mut codes, mut present) = (Vec::with_capacity(rows), NullBufferBuilder::new(rows));
    let (mut texts, mut known) = (Vec::<&dyn Array>::with_capacity(parts.len()), 0);
    for part in parts {
        let part = part.as_dictionary::<UInt32Type>();
        codes.extend(part.keys().values().iter().map(|code| code.wrapping_add(known)));
        match part.nulls() {
            Some(nulls) => present.append_buffer(nulls),
            None => present.append_n_non_nulls(part.len()),
        }
        let more = u32::try_from(part.values().len()).ok();
        let total = more.and_then(|more| known.checked_add(more));
        known = total.ok_or(ArrowError::DictionaryKeyOverflowError)?;
        texts.push(part.values().as_ref());
    }
    let codes = UInt32Array::new(codes.into(), present.finish());
    Ok(Arc::new(DictionaryArray::try_new(codes, concat(&texts)?)?))
}

/// The values of `column` that are of the type `wanted`, and the others as texts.
fn split(
    column: Option<&ArrayRef>,
    wanted: &DataType,
    rows: usize,
) -> Result<(ArrayRef, Option<ArrayRef>), ArrowError> {
    let Some(column) = column else { return Ok((new_null_array(wanted, rows), None)) };
    Ok(match (column.data_type(), wanted) {
        (have, wanted) if have == wanted => (Arc::clone(column), None),
        (DataType::Dictionary(..), DataType::Utf8) => (cast(column, wanted)?, None),
        (DataType::Int64, DataType::Float64) => {
            let wide: StringArray = column
                .as_primitive::<Int64Type>()
                .iter()
                .map(|value| {
                    let wide = value.filter(|value| value.unsigned_abs() > DOUBLE_EXACT_MAX);
                    wide.map(|value| value.to_string())
                })
                .collect();
            (cast(column, wanted)?, Some(Arc::new(wide)))
        }
        (DataType::Float64, _) => {
            // As builders write a number among texts.
            let texts: StringArray = column
                .as_primitive::<Float64Type>()
                .iter()
                .map(|value| value.map(|value| (value + 0.0).to_string()))
                .collect();
            (new_null_array(wanted, rows), Some(Arc::new(texts)))
        }
        _ => (new_null_array(wanted, rows), Some(cast(column, &DataType::Utf8)?)),
    })
}

/// The text of `twin` where it has one, else that of `text`.
fn either(twin: Option<&ArrayRef>, text: Option<ArrayRef>) -> Result<Option<ArrayRef>, ArrowError> {
    Ok(match (twin, text) {
        (Some(twin), Some(text)) => {
            let twin = cast(twin, &DataType::Utf8)?;
            let pairs = twin.as_string::<i32>().iter().zip(text.as_string::<i32>());
            let texts: StringArray = pairs.map(|(twin, text)| twin.or(text)).collect();
            Some(Arc::new(texts))
        }
        (Some(twin), None) => Some(cast(twin, &DataType::Utf8)?),
        (None, text) => text,
    })
}
