//! Types of attributes meet types of literals.
//!
//! An attribute's type is whatever its source wrote, so `status < 500` must work on a number, on
//! the text "200" and on a batch without the attribute. The rule: the literal says which type is
//! meant; a value that cannot be read as that type is unknown.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit, try_cast};
use datafusion::prelude::coalesce;
use flyball_events::TWIN_SUFFIX;

/// Inserts the casts that make comparisons mean what the literal says.
pub(crate) fn coerce(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    expr.transform_up(|expr| match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let (left, right) = compare(*left, *right, schema)?;
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(
                Box::new(left),
                op,
                Box::new(right),
            ))))
        }
        Expr::InList(mut list) => {
            if let Some(first) = list.list.first() {
                let (tested, _) = compare((*list.expr).clone(), first.clone(), schema)?;
                list.expr = Box::new(tested);
            }
            Ok(Transformed::yes(Expr::InList(list)))
        }
        Expr::Between(mut between) => {
            let (tested, low) = compare((*between.expr).clone(), (*between.low).clone(), schema)?;
            let (_, high) = compare((*between.expr).clone(), (*between.high).clone(), schema)?;
            (between.expr, between.low, between.high) =
                (Box::new(tested), Box::new(low), Box::new(high));
            Ok(Transformed::yes(Expr::Between(between)))
        }
        Expr::Like(mut like) => {
            like.expr = Box::new(as_text((*like.expr).clone(), schema)?);
            Ok(Transformed::yes(Expr::Like(like)))
        }
        other => Ok(Transformed::no(other)),
    })
    .map(|transformed| transformed.data)
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// Both sides with the casts that let them be compared.
fn compare(left: Expr, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let (left_type, right_type) = (left.get_type(schema)?, right.get_type(schema)?);
    if is_text(&left_type) && !is_text(&right_type) {
        let (right, left) = against_text(right, &right_type, left, schema)?;
        return Ok((left, right));
    }
    if is_text(&right_type) && !is_text(&left_type) {
        return against_text(left, &left_type, right, schema);
    }
    Ok((left, right))
}

/// `other` has a type of its own and `text` is text: the literal among them decides.
fn against_text(
    other: Expr,
    other_type: &DataType,
    text: Expr,
    schema: &DFSchema,
) -> Result<(Expr, Expr)> {
    if !other_type.is_numeric() && *other_type != DataType::Boolean {
        return Ok((other, text));
    }
    if let Expr::Literal(ScalarValue::Utf8(Some(value)), _) = &text {
        // `status = '500'` on a number: compare numbers if the literal is one, else texts.
        return match value.parse::<f64>() {
            Ok(number) if number.is_finite() && other_type.is_numeric() => Ok((other, lit(number))),
            _ => Ok((as_text(other, schema)?, text)),
        };
    }
    let target =
        if *other_type == DataType::Boolean { DataType::Boolean } else { DataType::Float64 };
    Ok((other, try_cast(text, target)))
}

/// The expression as text; a column gives the text of its twin where it has one.
fn as_text(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let data_type = expr.get_type(schema)?;
    if is_text(&data_type) || data_type == DataType::Null {
        return Ok(expr);
    }
    let twin = match &expr {
        Expr::Column(column) => {
            let name = format!("{}{TWIN_SUFFIX}", column.name);
            schema
                .has_column_with_unqualified_name(&name)
                .then(|| Expr::Column(datafusion::common::Column::from_name(name)))
        }
        _ => None,
    };
    let text = cast(expr, DataType::Utf8);
    Ok(match twin {
        Some(twin) => coalesce(vec![twin, text]),
        None => text,
    })
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}
