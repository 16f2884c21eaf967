//! One value read as another type, the same wherever it stands.
//!
//! An attribute has the type its source wrote, and a batch of mixed types keeps some values as
//! numbers and some as text. A condition must count an event the same in either, so every change
//! of type in a condition goes through here: the text of a number is its shortest decimal form,
//! and a text is a number if it is written like one.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, StringArray};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast as cast_array, is_not_null};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, ScalarUDF, Volatility, cast, create_udf, lit,
};

/// Up to here every integer is a double: 2⁵³.
pub(crate) const DOUBLE_EXACT_MAX: u64 = 1 << 53;
/// Digits after the point of a [`DECIMAL`].
const DECIMAL_SCALE: i8 = 8;
/// Holds every 64-bit integer, and the decimals that people write.
pub(crate) const DECIMAL: DataType = DataType::Decimal128(38, DECIMAL_SCALE);

/// What sort of value a type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Truth,
    Text,
    /// No value yet.
    Null,
    /// Times and whatever else has rules of its own.
    Other,
}

impl Kind {
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::Boolean => Self::Truth,
            DataType::Null => Self::Null,
            other if other.is_numeric() => Self::Number,
            _ => Self::Other,
        }
    }
}

/// `expr` as a number; a text that is none, or a truth value, is unknown.
pub(crate) fn number_of(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    static NUMBER: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        function("as_number", DataType::Utf8, DataType::Float64, |texts| {
            let numbers: Float64Array =
                texts.as_string::<i32>().iter().map(|text| text.and_then(number)).collect();
            Ok(Arc::new(numbers))
        })
    });
    if Kind::of(&expr.get_type(schema)?) == Kind::Number {
        return Ok(expr);
    }
    Ok(NUMBER.call(vec![text_of(expr, schema)?]))
}

/// `expr` as text.
pub(crate) fn text_of(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(match expr.get_type(schema)? {
        DataType::Utf8 | DataType::Null => expr,
        DataType::Float64 => text_of_double(expr),
        _ => cast(expr, DataType::Utf8),
    })
}

/// `expr` as an exact decimal: unknown where [`number_of`] is, and where a [`DECIMAL`] cannot hold
/// it.
pub(crate) fn decimal_of(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    static EXACT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        function("as_decimal", DataType::Utf8, DECIMAL, |texts| {
            let decimals: Decimal128Array =
                texts.as_string::<i32>().iter().map(|text| text.and_then(decimal)).collect();
            Ok(Arc::new(decimals.with_data_type(DECIMAL)))
        })
    });
    Ok(EXACT.call(vec![text_of(expr, schema)?]))
}

/// `expr` as a truth value: `true` and `false`, in any case; anything else is unknown.
pub(crate) fn truth_of(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    static TRUTH: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        function("as_truth", DataType::Utf8, DataType::Boolean, |texts| {
            let truths: BooleanArray =
                texts.as_string::<i32>().iter().map(|text| text.and_then(truth)).collect();
            Ok(Arc::new(truths))
        })
    });
    Ok(match Kind::of(&expr.get_type(schema)?) {
        Kind::Truth | Kind::Null => expr,
        Kind::Text => TRUTH.call(vec![text_of(expr, schema)?]),
        Kind::Number | Kind::Other => lit(ScalarValue::Boolean(None)),
    })
}

/// Replaces what the engine makes of doubles where it wants a text (`5.0`, `1e16`).
pub(crate) fn with_plain_doubles(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let replace = |expr| match expr {
        Expr::Cast(Cast { expr, field })
            if Kind::of(field.data_type()) == Kind::Text
                && expr.get_type(schema)? == DataType::Float64 =>
        {
            Ok(Transformed::yes(cast(text_of_double(*expr), field.data_type().clone())))
        }
        other => Ok(Transformed::no(other)),
    };
    expr.transform_up(replace).map(|transformed| transformed.data)
}

fn text_of_double(expr: Expr) -> Expr {
    static TEXT: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| function("as_text", DataType::Float64, DataType::Utf8, texts));
    TEXT.call(vec![expr])
}

/// The values of `array` as text.
pub(crate) fn texts(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let Some(doubles) = array.as_primitive_opt::<Float64Type>() else {
        return cast_array(array, &DataType::Utf8);
    };
    let texts: StringArray = doubles.iter().map(|double| double.map(text)).collect();
    Ok(Arc::new(texts))
}

/// The values of `first`, and where it has none those of `second`; `None` for neither array.
pub(crate) fn either(
    first: Option<ArrayRef>,
    second: Option<ArrayRef>,
) -> Result<Option<ArrayRef>, ArrowError> {
    match (first, second) {
        (Some(first), Some(second)) => zip(&is_not_null(&first)?, &first, &second).map(Some),
        (first, second) => Ok(first.or(second)),
    }
}

/// The shortest decimal form of a number, without an exponent: `5`, `0.25`.
fn text(number: f64) -> String {
    // Adding zero makes a negative zero positive.
    (number + 0.0).to_string()
}

/// The number that `text` is written like: digits, a point, an exponent, or infinity; past the
/// range of a double it is infinite.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| !number.is_nan())
}

/// The same in units of 10⁻⁸, where it is that without rounding.
fn decimal(text: &str) -> Option<i128> {
    number(text).filter(|number| number.is_finite())?;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
        None => (text, 0_i32),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let shift = i32::from(DECIMAL_SCALE).checked_sub(places)?;
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    let scaled = if shift >= 0 {
        digits.checked_mul(power)?
    } else {
        (digits % power == 0).then(|| digits / power)?
    };
    (scaled.unsigned_abs() < 10_u128.pow(38)).then_some(scaled)
}

fn truth(text: &str) -> Option<bool> {
    [true, false].into_iter().find(|truth| truth.to_string().eq_ignore_ascii_case(text))
}

/// Whether `literal`, in quotes, is just what the text of a number looks like.
pub(crate) fn is_text_of_number(literal: &str) -> bool {
    literal.parse::<i64>().is_ok_and(|int| int.to_string() == literal)
        || number(literal).is_some_and(|double| double.is_finite() && text(double) == literal)
}

fn function(
    name: &str,
    from: DataType,
    to: DataType,
    convert: fn(&ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Arc<ScalarUDF> {
    let implementation = move |arguments: &[ColumnarValue]| {
        let array = ColumnarValue::values_to_arrays(arguments)?.swap_remove(0);
        Ok(ColumnarValue::Array(convert(&array)?))
    };
    Arc::new(create_udf(name, vec![from], to, Volatility::Immutable, Arc::new(implementation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_number_if_it_is_written_like_one() {
        let cases =
            [("5", 5.0), ("-0.5", -0.5), ("+5", 5.0), (".5", 0.5), ("1e3", 1000.0), ("007", 7.0)];
        for (text, expected) in cases {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in ["1e400", "inf", "Infinity"] {
            assert_eq!(number(text), Some(f64::INFINITY), "{text}");
        }
        for text in ["", "-", "n/a", "NaN", "-nan", " 5", "5 ", "0x10", "1_000"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_or_not_at_all() {
        for (text, expected) in [
            ("5", 500_000_000),
            ("-0.25", -25_000_000),
            ("+.5", 50_000_000),
            ("5.", 500_000_000),
            ("2e2", 20_000_000_000),
            ("9007199254740993", 900_719_925_474_099_300_000_000),
            ("10000000000000000.0", 1_000_000_000_000_000_000_000_000),
            ("1500e-2", 1_500_000_000),
            ("0.00000001000", 1),
            ("-0.0", 0),
        ] {
            assert_eq!(decimal(text), Some(expected), "{text}");
        }
        for text in ["0.000000001", "1e31", "1e400", "1e-400", "n/a", "inf", " 5", "e5", "-", "."] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_have_one_text() {
        for (number, expected) in
            [(5.0, "5"), (-0.0, "0"), (0.25, "0.25"), (1e16, "10000000000000000")]
        {
            assert_eq!(text(number), expected);
            assert!(is_text_of_number(expected));
        }
        assert!(is_text_of_number("9007199254740993"));
        for text in ["5.0", "05", "5e0", "+5", "-0", "n/a", "", "1e400"] {
            assert!(!is_text_of_number(text), "{text}");
        }
    }
}
