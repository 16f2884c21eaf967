//! Comparisons of one number with a constant, such as `duration_ms <= 300`, without the engine.
//!
//! Most terms have this shape, and many SLOs ask many of them of every batch; the engine would copy
//! the column for each. The answers are the engine's own, also for `-0.0` and NaN, which a test
//! holds it to.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};

/// A column of numbers against a constant of the column's own type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparison {
    op: Operator,
    constant: Constant,
}

#[derive(Debug, Clone, Copy)]
enum Constant {
    Int(i64),
    Float(f64),
}

impl Comparison {
    /// What `expr` compares, if that is all it does.
    pub(crate) fn of(expr: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        let binary: &BinaryExpr = as_type(expr)?;
        let (_, literal): (&Column, &Literal) = (as_type(binary.left())?, as_type(binary.right())?);
        let constant = match literal.value() {
            ScalarValue::Int64(Some(int)) => Constant::Int(*int),
            ScalarValue::Float64(Some(float)) => Constant::Float(*float),
            _ => return None,
        };
        Some(Self { op: *binary.op(), constant })
    }

    /// The answer for each value; `None` where `array` has another type than the constant or the
    /// operator is no plain comparison.
    pub(crate) fn evaluate(self, array: &ArrayRef) -> Option<BooleanArray> {
        match self.constant {
            Constant::Int(int) => decide::<Int64Type>(self.op, array, int, |int| int),
            // In the engine's order zeros are equal and NaN is above infinity; adding zero makes
            // a negative zero positive, and then that order is the one of the bits.
            Constant::Float(float) => decide::<Float64Type>(self.op, array, float, |float| {
                let bits = (float + 0.0).to_bits().cast_signed();
                bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
            }),
        }
    }
}

fn as_type<T: Any>(expr: &Arc<dyn PhysicalExpr>) -> Option<&T> {
    let expr: &dyn Any = expr.as_ref();
    expr.downcast_ref()
}

/// Compares by `key`, which orders values as the engine does.
#[inline]
fn decide<T: ArrowPrimitiveType>(
    op: Operator,
    array: &ArrayRef,
    constant: T::Native,
    key: impl Fn(T::Native) -> i64,
) -> Option<BooleanArray> {
    let array = array.as_primitive_opt::<T>()?;
    let values = array.values();
    let constant = key(constant);
    let bits = match op {
        Operator::Eq => bits(values, |value| key(value) == constant),
        Operator::NotEq => bits(values, |value| key(value) != constant),
        Operator::Lt => bits(values, |value| key(value) < constant),
        Operator::LtEq => bits(values, |value| key(value) <= constant),
        Operator::Gt => bits(values, |value| key(value) > constant),
        Operator::GtEq => bits(values, |value| key(value) >= constant),
        _ => return None,
    };
    Some(BooleanArray::new(bits, array.nulls().cloned()))
}

#[inline]
fn bits<N: Copy>(values: &[N], test: impl Fn(N) -> bool) -> BooleanBuffer {
    BooleanBuffer::collect_bool(values.len(), |row| test(values[row]))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::expressions::{binary, col, lit};
    use proptest::prelude::*;

    use super::*;

    const OPS: [Operator; 6] =
        [Operator::Eq, Operator::NotEq, Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq];

    fn same_as_the_engine(array: &ArrayRef, constant: &ScalarValue) {
        let schema = Schema::new(vec![Field::new("x", array.data_type().clone(), true)]);
        let batch =
            RecordBatch::try_new(Arc::new(schema.clone()), vec![Arc::clone(array)]).unwrap();
        for op in OPS {
            let column = col("x", &schema).unwrap();
            let expr = binary(column, op, lit(constant.clone()), &schema).unwrap();
            let ours = Comparison::of(&expr).unwrap().evaluate(array).unwrap();
            let theirs = expr.evaluate(&batch).unwrap().into_array(array.len()).unwrap();
            assert_eq!(&ours, theirs.as_boolean(), "{op} {constant}");
        }
    }

    fn float() -> impl Strategy<Value = f64> {
        let special = [0.0, -0.0, 1.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        prop_oneof![prop::sample::select(special.to_vec()), any::<f64>(), -3.0..3.0]
    }

    proptest! {
        #[test]
        fn integers_compare_as_in_the_engine(
            values in prop::collection::vec(prop::option::of(prop_oneof![any::<i64>(), -2..3_i64]), 0..150),
            constant in prop_oneof![any::<i64>(), -2..3_i64],
        ) {
            let array: ArrayRef = Arc::new(Int64Array::from(values));
            same_as_the_engine(&array, &ScalarValue::from(constant));
        }

        #[test]
        fn doubles_compare_as_in_the_engine(
            values in prop::collection::vec(prop::option::of(float()), 0..150),
            constant in float(),
        ) {
            let array: ArrayRef = Arc::new(Float64Array::from(values));
            same_as_the_engine(&array, &ScalarValue::from(constant));
        }
    }

    #[test]
    fn another_type_or_shape_is_left_to_the_engine() {
        let schema = Schema::new(vec![Field::new("x", DataType::Int64, true)]);
        let column = || col("x", &schema).unwrap();
        let text = binary(column(), Operator::Eq, lit("a"), &schema);
        assert!(text.is_err() || Comparison::of(&text.unwrap()).is_none());
        assert!(Comparison::of(&column()).is_none());
        let plus = binary(column(), Operator::Plus, lit(1_i64), &schema).unwrap();
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        assert!(Comparison::of(&plus).unwrap().evaluate(&numbers).is_none());
        let less = binary(column(), Operator::Lt, lit(1_i64), &schema).unwrap();
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        assert!(Comparison::of(&less).unwrap().evaluate(&floats).is_none());
    }
}
