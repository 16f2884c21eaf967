//! Values of Arrow arrays, one row at a time, as what our columns hold.

mod map;

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::DEPTH_MAX;
use crate::batch::{BatchBuilder, Role};
use crate::codec::infer::{set_inferred, set_role};
use crate::time::{TimeReader, epoch_nanos_float, epoch_nanos_int};

/// A column without further structure but that of a map.
pub(super) enum Leaf {
    /// One value a row.
    Plain(Role, Values),
    /// As many as there are keys.
    Map(Box<map::Map>),
}

impl Leaf {
    /// Sets what there is of `row`.
    #[inline]
    pub(super) fn set(&mut self, row: usize, batch: &mut BatchBuilder, times: &mut TimeReader) {
        match self {
            Self::Plain(role, values) => values.set(row, *role, batch, times),
            Self::Map(map) => map.set(row, batch, times),
        }
    }
}

/// The values of a leaf, in one of our types.
pub(super) enum Values {
    Bool(BooleanArray),
    Int(Int64Array),
    Float(Float64Array),
    Text(StringArray),
    /// Nanoseconds since the epoch.
    Nanos(Int64Array),
    /// Digits of numbers that a double may not hold.
    Digits(StringArray),
    /// Whatever else: its JSON.
    Json(ArrayRef, Option<NullBuffer>),
}

/// Adds the leaves of `array`, the column `path`, that somebody wants.
pub(super) fn collect(
    path: &str,
    array: &ArrayRef,
    parents: Option<&NullBuffer>,
    depth: usize,
    batch: &mut BatchBuilder,
    out: &mut Vec<Leaf>,
) {
    // What is null above is null below, whatever the child says.
    let nulls = NullBuffer::union(parents, array.logical_nulls().as_ref());
    if let (Some(fields), true) = (array.as_struct_opt(), depth < DEPTH_MAX) {
        for (field, child) in fields.fields().iter().zip(fields.columns()) {
            let path = format!("{path}.{}", field.name());
            collect(&path, child, nulls.as_ref(), depth + 1, batch, out);
        }
        return;
    }
    if let (Some(map), true) = (array.as_map_opt(), depth < DEPTH_MAX) {
        out.extend(map::Map::new(path, map, nulls).map(Box::new).map(Leaf::Map));
        return;
    }
    let role = batch.role(path);
    if role != Role::Skip
        && let Some(values) = values(array, nulls)
    {
        out.push(Leaf::Plain(role, values));
    }
}

fn values(array: &ArrayRef, nulls: Option<NullBuffer>) -> Option<Values> {
    let to = |target: &DataType| cast(array, target).ok();
    let text = || {
        let texts = to(&DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        Some(StringArray::new(texts.offsets().clone(), texts.values().clone(), nulls.clone()))
    };
    let int = |array: &ArrayRef| {
        let ints = array.as_primitive::<Int64Type>();
        // A value that does not fit is null after the cast.
        let nulls = NullBuffer::union(nulls.as_ref(), ints.nulls());
        Int64Array::new(ints.values().clone(), nulls)
    };
    Some(match array.data_type() {
        DataType::Null => return None,
        DataType::Boolean => {
            Values::Bool(BooleanArray::new(array.as_boolean().values().clone(), nulls))
        }
        DataType::UInt64 => {
            let wide = array.as_primitive::<UInt64Type>().iter().flatten().max();
            if wide.is_some_and(|value| i64::try_from(value).is_err()) {
                Values::Digits(text()?)
            } else {
                Values::Int(int(&to(&DataType::Int64)?))
            }
        }
        kind if kind.is_integer() => Values::Int(int(&to(&DataType::Int64)?)),
        kind if kind.is_floating() => {
            let floats = to(&DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            Values::Float(Float64Array::new(floats.values().clone(), nulls))
        }
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Values::Digits(text()?),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Values::Text(text()?),
        DataType::Dictionary(_, value) => match **value {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Values::Text(text()?),
            _ => return values(&to(value)?, nulls),
        },
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            let times = to(&DataType::Timestamp(TimeUnit::Nanosecond, None))?;
            let times = times.as_primitive::<TimestampNanosecondType>();
            let nulls = NullBuffer::union(nulls.as_ref(), times.nulls());
            Values::Nanos(Int64Array::new(times.values().clone(), nulls))
        }
        _ => Values::Json(array.clone(), nulls),
    })
}

impl Values {
    /// Sets the value of `row` where `role` says; a null sets nothing.
    #[inline]
    pub(super) fn set(
        &self,
        row: usize,
        role: Role,
        batch: &mut BatchBuilder,
        times: &mut TimeReader,
    ) {
        let null = match self {
            Self::Bool(array) => array.is_null(row),
            Self::Int(array) | Self::Nanos(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Text(array) | Self::Digits(array) => array.is_null(row),
            Self::Json(_, nulls) => nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)),
        };
        if null {
            return;
        }
        let column = match role {
            Role::Skip => return,
            Role::Attribute(column) => column,
            Role::Time { rank, column } => {
                let nanos = match self {
                    Self::Int(array) => epoch_nanos_int(array.value(row)),
                    Self::Nanos(array) => Some(array.value(row)),
                    Self::Float(array) => epoch_nanos_float(array.value(row)),
                    Self::Text(array) | Self::Digits(array) => {
                        times.text(array.value(row).as_bytes())
                    }
                    Self::Bool(_) | Self::Json(..) => None,
                };
                if let Some(nanos) = nanos {
                    batch.set_time(rank, nanos);
                }
                let Some(column) = column else { return };
                column
            }
        };
        match self {
            Self::Bool(array) => batch.set_bool(column, array.value(row)),
            Self::Int(array) => batch.set_int(column, array.value(row)),
            Self::Float(array) => {
                let value = array.value(row);
                batch.set_float(column, value, &format!("{value:?}"));
            }
            Self::Text(array) => batch.set_text(column, array.value(row)),
            Self::Digits(array) => {
                let digits = array.value(row);
                if is_held(digits) {
                    set_inferred(batch, column, digits);
                } else {
                    // No double says the same, so the digits alone are kept.
                    batch.set_float(column, f64::NAN, digits);
                }
            }
            Self::Nanos(array) => batch.set_text(column, &rfc3339(array.value(row))),
            Self::Json(array, _) => {
                let mut text = String::new();
                json(array.as_ref(), row, &mut text);
                // A text that stands alone needs no quotes; lists and maps have none.
                let plain = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                set_role(batch, times, Role::Attribute(column), plain.unwrap_or(&text));
            }
        }
    }
}

/// Whether a double says the same as the `digits` of a decimal. Those of an integer are kept beside
/// it anyway.
fn is_held(digits: &str) -> bool {
    let Some((whole, fraction)) = digits.split_once('.') else { return true };
    let significant = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    let fraction = fraction.trim_end_matches('0');
    let count = significant(whole.trim_start_matches(['-', '0'])) + significant(fraction);
    // Every number of so few digits comes back from the nearest double.
    count <= f64::DIGITS as usize
        || digits.parse().is_ok_and(|value: f64| {
            // Written in full, a double that came from these digits has them, if it holds them.
            let shown = value.to_string();
            let (own_whole, own) = shown.split_once('.').unwrap_or((&shown, ""));
            own_whole == whole && own == fraction
        })
}

fn rfc3339(nanos: i64) -> String {
    jiff::Timestamp::from_nanosecond(nanos.into())
        .map_or_else(|_| nanos.to_string(), |time| time.to_string())
}

/// Appends the value of `row` as JSON; what JSON has no form for is a string.
fn json(array: &dyn Array, row: usize, out: &mut String) {
    if array.is_null(row) {
        out.push_str("null");
        return;
    }
    let list = |items: ArrayRef, out: &mut String| {
        out.push('[');
        for item in 0..items.len() {
            if item > 0 {
                out.push(',');
            }
            json(items.as_ref(), item, out);
        }
        out.push(']');
    };
    match array.data_type() {
        DataType::List(_) => list(array.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row), out),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(row), out),
        DataType::Struct(fields) => {
            out.push('{');
            for (index, (field, child)) in
                fields.iter().zip(array.as_struct().columns()).enumerate()
            {
                if index > 0 {
                    out.push(',');
                }
                quoted(field.name(), out);
                out.push(':');
                json(child.as_ref(), row, out);
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for entry in 0..entries.len() {
                if entry > 0 {
                    out.push(',');
                }
                quoted(&shown(entries.column(0).as_ref(), entry), out);
                out.push(':');
                json(entries.column(1).as_ref(), entry, out);
            }
            out.push('}');
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::FixedSizeBinary(_)
        | DataType::BinaryView => quoted(&bytes(array, row), out),
        kind if kind.is_numeric() || *kind == DataType::Boolean => {
            let text = shown(array, row);
            match &*text {
                "NaN" | "inf" | "-inf" => quoted(&text, out),
                _ => out.push_str(&text),
            }
        }
        _ => quoted(&shown(array, row), out),
    }
}

/// Bytes as text where they are text, else in hexadecimal.
fn bytes(array: &dyn Array, row: usize) -> String {
    let raw = cast(&array.slice(row, 1), &DataType::Binary);
    let Ok(raw) = raw else { return String::new() };
    let raw = raw.as_binary::<i32>().value(0);
    std::str::from_utf8(raw).map_or_else(
        |_| {
            raw.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        },
        str::to_owned,
    )
}

fn shown(array: &dyn Array, row: usize) -> String {
    ArrayFormatter::try_new(array, &FormatOptions::default())
        .and_then(|format| format.value(row).try_to_string())
        .unwrap_or_default()
}

fn quoted(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}
