//! Types of attributes meet types of literals.
//!
//! An attribute's type is whatever its source wrote, so `status < 500` must work on a number, on
//! the text "200" and on a batch without the attribute. The rule: the literal says which type is
//! meant; a value that cannot be read as that type is unknown.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit, try_cast};

/// A literal that is compared with numbers or truth values, and is no such thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clash {
    /// What is compared with it, in SQL.
    pub(crate) compared: String,
    /// The literal.
    pub(crate) literal: String,
    /// Whether that has truth values; numbers otherwise.
    pub(crate) is_boolean: bool,
}

/// Inserts the casts that make comparisons mean what the literal says; answers a comparison that
/// can mean nothing with these types as well.
pub(crate) fn coerce(expr: Expr, schema: &DFSchema) -> Result<(Expr, Option<Clash>)> {
    let mut found = None;
    let expr = expr.transform_up(|expr| match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let of = clash(&left, &right, schema).or_else(|| clash(&right, &left, schema));
            found = found.take().or(of);
            let (left, right) = compare(*left, *right, schema)?;
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(
                Box::new(left),
                op,
                Box::new(right),
            ))))
        }
        Expr::InList(mut list) => {
            // One of many may be for other events; none that fits is a mistake.
            let clashes: Option<Vec<Clash>> =
                list.list.iter().map(|text| clash(&list.expr, text, schema)).collect();
            found = found.take().or(clashes.unwrap_or_default().into_iter().next());
            list.list = of_one_kind(&list.expr, list.list, schema)?;
            if let Some(first) = list.list.first() {
                let (tested, _) = compare((*list.expr).clone(), first.clone(), schema)?;
                list.expr = Box::new(tested);
            }
            Ok(Transformed::yes(Expr::InList(list)))
        }
        Expr::Between(mut between) => {
            found = found
                .take()
                .or_else(|| clash(&between.expr, &between.low, schema))
                .or_else(|| clash(&between.expr, &between.high, schema));
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
    })?;
    Ok((expr.data, found))
}

/// Whether `compared` has numbers or truth values and `text`, a literal, is no such thing.
fn clash(compared: &Expr, text: &Expr, schema: &DFSchema) -> Option<Clash> {
    let Expr::Literal(value, _) = text else { return None };
    let data_type = compared.get_type(schema).ok()?;
    let is_boolean = data_type == DataType::Boolean;
    if value.is_null() || !is_boolean && !data_type.is_numeric() {
        return None;
    }
    let fits = match value {
        ScalarValue::Utf8(Some(text)) if is_boolean => text == "true" || text == "false",
        ScalarValue::Utf8(Some(text)) => text.parse::<f64>().is_ok(),
        ScalarValue::Boolean(_) => is_boolean,
        value => !value.data_type().is_numeric() || !is_boolean,
    };
    if fits {
        return None;
    }
    Some(Clash { compared: compared.to_string(), literal: value.to_string(), is_boolean })
}

/// A list of numbers and texts as one kind, by what `tested` has: texts that no number can equal
/// are left out, or numbers are written as texts. Other lists stay as they are.
fn of_one_kind(tested: &Expr, list: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let is_literal = |item: &Expr| matches!(item, Expr::Literal(ScalarValue::Utf8(Some(_)), _));
    let is_word = |item: &Expr| match item {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => text.parse::<f64>().is_err(),
        _ => false,
    };
    let data_type = tested.get_type(schema)?;
    let is_tested_text = is_text(&data_type);
    let is_of_texts = list.iter().all(is_literal) && !data_type.is_numeric();
    if is_of_texts || list.iter().all(is_word) || !list.iter().any(is_word) {
        return Ok(list);
    }
    Ok(list
        .into_iter()
        .filter(|item| is_tested_text || !is_word(item))
        .map(|item| match item {
            Expr::Literal(value, _) if is_tested_text => lit(value.to_string()),
            item => item,
        })
        .collect())
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
    if left_type == DataType::Boolean && right_type.is_numeric() {
        let (right, left) = against_boolean(right, left, schema)?;
        return Ok((left, right));
    }
    if right_type == DataType::Boolean && left_type.is_numeric() {
        return against_boolean(left, right, schema);
    }
    Ok((left, right))
}

/// A number against a truth value: what is no literal cannot be read as the other, so it is
/// unknown, as it would be among texts.
fn against_boolean(number: Expr, boolean: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    if matches!(boolean, Expr::Literal(..)) {
        return Ok((try_cast(as_text(number, schema)?, DataType::Boolean), boolean));
    }
    let boolean = try_cast(as_text(boolean, schema)?, DataType::Float64);
    Ok((number, boolean))
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

/// The expression as text.
fn as_text(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let data_type = expr.get_type(schema)?;
    if is_text(&data_type) || data_type == DataType::Null {
        return Ok(expr);
    }
    Ok(cast(expr, DataType::Utf8))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}
