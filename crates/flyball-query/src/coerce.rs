//! Types of attributes meet types of literals.
//!
//! An attribute's type is whatever its source wrote, so `status < 500` must work on a number, on
//! the text "200" and on a batch without the attribute. The rules:
//!
//! - Against a literal the literal says which type is meant: a number compares numbers, TRUE truth
//!   values, a quoted text texts. A value that cannot be read as that type is unknown.
//! - Two attributes are equal if their texts are, and in order as numbers if both are numbers,
//!   otherwise as texts.
//! - Arithmetic is done on numbers, division in doubles; nothing is divided by zero. `greatest` and
//!   `least` take numbers.
//! - Where one of several values is taken (`coalesce`, `CASE`) they are as they are if they are of
//!   one kind, else their texts.
//!
//! What a value is as another type is decided in [`crate::value`] alone.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::expr::{Case, Cast, InList, ScalarFunction, TryCast};
use datafusion::logical_expr::{
    Between, BinaryExpr, Expr, ExprSchemable, Operator, binary_expr, cast, lit, not, when,
};

use crate::error::PredicateError;
use crate::value::{
    DOUBLE_EXACT_MAX, Kind, decimal_of, is_text_of_number, number_of, text_of, truth_of,
};

/// Inserts the changes of type that make a term mean what it says; answers what in it can mean
/// nothing with these types as well.
pub(crate) fn coerce(expr: Expr, schema: &DFSchema) -> Result<(Expr, Option<PredicateError>)> {
    let mut fault = None;
    let expr = expr.transform_up(|expr| {
        Ok(Transformed::yes(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
                comparison(*left, op, *right, schema, &mut fault)?
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_arithmetic(op) => {
                arithmetic(*left, op, *right, schema)?
            }
            Expr::Negative(inner) if kind(&inner, schema)? == Kind::Text => {
                Expr::Negative(Box::new(number_of(*inner, schema)?))
            }
            Expr::InList(list) => among(list, schema, &mut fault)?,
            Expr::Between(Between { expr, negated, low, high }) => {
                let low = comparison(*expr.clone(), Operator::GtEq, *low, schema, &mut fault)?;
                let high = comparison(*expr, Operator::LtEq, *high, schema, &mut fault)?;
                negated_if(negated, low.and(high))
            }
            Expr::Like(mut like) => {
                like.expr = Box::new(text_of(*like.expr, schema)?);
                Expr::Like(like)
            }
            Expr::IsTrue(inner) => Expr::IsTrue(Box::new(truth_of(*inner, schema)?)),
            Expr::IsFalse(inner) => Expr::IsFalse(Box::new(truth_of(*inner, schema)?)),
            Expr::IsUnknown(inner) => Expr::IsUnknown(Box::new(truth_of(*inner, schema)?)),
            Expr::IsNotTrue(inner) => Expr::IsNotTrue(Box::new(truth_of(*inner, schema)?)),
            Expr::IsNotFalse(inner) => Expr::IsNotFalse(Box::new(truth_of(*inner, schema)?)),
            Expr::IsNotUnknown(inner) => Expr::IsNotUnknown(Box::new(truth_of(*inner, schema)?)),
            Expr::Case(case) => branches(case, schema)?,
            Expr::ScalarFunction(call) => function(call, schema, &mut fault)?,
            Expr::Cast(Cast { expr, field }) => {
                let expr = Box::new(as_kind(*expr, Kind::of(field.data_type()), schema)?);
                Expr::Cast(Cast { expr, field })
            }
            Expr::TryCast(TryCast { expr, field }) => {
                let expr = Box::new(as_kind(*expr, Kind::of(field.data_type()), schema)?);
                Expr::TryCast(TryCast { expr, field })
            }
            other => return Ok(Transformed::no(other)),
        }))
    })?;
    Ok((expr.data, fault))
}

fn kind(expr: &Expr, schema: &DFSchema) -> Result<Kind> {
    Ok(Kind::of(&expr.get_type(schema)?))
}

fn is_comparison(op: Operator) -> bool {
    is_equality(op) || matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

fn is_equality(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom
    )
}

fn is_arithmetic(op: Operator) -> bool {
    matches!(
        op,
        Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo
    )
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    if negated { not(expr) } else { expr }
}

/// `expr` as a value of `kind`.
fn as_kind(expr: Expr, kind: Kind, schema: &DFSchema) -> Result<Expr> {
    match kind {
        Kind::Number => number_of(expr, schema),
        Kind::Truth => truth_of(expr, schema),
        Kind::Text => text_of(expr, schema),
        Kind::Null | Kind::Other => Ok(expr),
    }
}

/// Values of which one is taken, as they are if they are of one kind, else all as texts.
fn alike(values: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let kinds = values.iter().map(|value| kind(value, schema)).collect::<Result<Vec<_>>>()?;
    let mut known = kinds.iter().filter(|kind| **kind != Kind::Null);
    let first = known.next();
    if known.all(|kind| Some(kind) == first) || kinds.contains(&Kind::Other) {
        return Ok(values);
    }
    values.into_iter().map(|value| text_of(value, schema)).collect()
}

/// Functions that compare their arguments or return one of them. The engine would make all of them
/// one type, and which one would depend on what it met.
fn function(
    call: ScalarFunction,
    schema: &DFSchema,
    fault: &mut Option<PredicateError>,
) -> Result<Expr> {
    let ScalarFunction { func, args } = call;
    let args = match (func.name(), args.as_slice()) {
        ("nullif", [value, other]) => {
            let equal = comparison(value.clone(), Operator::Eq, other.clone(), schema, fault)?;
            let null = ScalarValue::try_from(value.get_type(schema)?)?;
            return when(equal, lit(null)).otherwise(value.clone());
        }
        ("coalesce" | "nvl", _) => alike(args, schema)?,
        ("greatest" | "least", _) => {
            args.into_iter().map(|arg| number_of(arg, schema)).collect::<Result<_>>()?
        }
        _ => args,
    };
    Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
}

/// `CASE`: what it compares is compared as elsewhere, and what it yields is of one kind.
fn branches(case: Case, schema: &DFSchema) -> Result<Expr> {
    let Case { expr, when_then_expr, else_expr } = case;
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    for (condition, value) in when_then_expr {
        conditions.push(match &expr {
            Some(expr) => comparison(*expr.clone(), Operator::Eq, *condition, schema, &mut None)?,
            None => truth_of(*condition, schema)?,
        });
        values.push(*value);
    }
    let has_else = else_expr.is_some();
    values.extend(else_expr.map(|value| *value));
    let mut values = alike(values, schema)?;
    let else_expr = if has_else { values.pop().map(Box::new) } else { None };
    let when_then_expr = conditions
        .into_iter()
        .zip(values)
        .map(|(condition, value)| (Box::new(condition), Box::new(value)))
        .collect();
    Ok(Expr::Case(Case { expr: None, when_then_expr, else_expr }))
}

fn arithmetic(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let kinds = [kind(&left, schema)?, kind(&right, schema)?];
    let is_of_numbers = |kind: &Kind| matches!(kind, Kind::Number | Kind::Text | Kind::Null);
    if !kinds.iter().all(is_of_numbers) || kinds == [Kind::Null; 2] {
        return Ok(binary_expr(left, op, right));
    }
    let as_number = |expr: Expr, kind| match kind {
        // The digits of a large identifier count here, and a double would lose the last.
        Kind::Text if op == Operator::Modulo => decimal_of(expr, schema),
        Kind::Text => number_of(expr, schema),
        _ => Ok(expr),
    };
    let (left, right) = (as_number(left, kinds[0])?, as_number(right, kinds[1])?);
    Ok(match op {
        // Whether `5` was written as an integer must not decide what half of it is.
        Operator::Divide => {
            binary_expr(cast(left, DataType::Float64), op, nullif(right, lit(0_i64)))
        }
        Operator::Modulo => binary_expr(left, op, nullif(right, lit(0_i64))),
        _ => binary_expr(left, op, right),
    })
}

fn comparison(
    left: Expr,
    op: Operator,
    right: Expr,
    schema: &DFSchema,
    fault: &mut Option<PredicateError>,
) -> Result<Expr> {
    match (&left, &right) {
        (_, Expr::Literal(value, _)) => {
            let value = value.clone();
            against(left, op, value, schema, fault)
        }
        (Expr::Literal(value, _), _) => {
            let value = value.clone();
            against(right, op.swap().unwrap_or(op), value, schema, fault)
        }
        _ => between_values(&left, op, &right, schema),
    }
}

/// `expr` against a literal.
fn against(
    expr: Expr,
    op: Operator,
    literal: ScalarValue,
    schema: &DFSchema,
    fault: &mut Option<PredicateError>,
) -> Result<Expr> {
    let kind = kind(&expr, schema)?;
    if matches!(kind, Kind::Null | Kind::Other) {
        return Ok(binary_expr(expr, op, lit(literal)));
    }
    if fault.is_none() {
        *fault = misfit(&expr, kind, op, &literal);
    }
    let expr = match Kind::of(&literal.data_type()) {
        Kind::Number if is_wide(&literal) && expr.get_type(schema)? != DataType::Int64 => {
            return against_wide(expr, op, literal, schema);
        }
        Kind::Number => number_of(expr, schema)?,
        Kind::Truth => truth_of(expr, schema)?,
        Kind::Text => match number_in(&literal) {
            Some(number)
                if kind == Kind::Number
                    && is_equality(op)
                    && (!is_wide(&number) || expr.get_type(schema)? == DataType::Int64) =>
            {
                return Ok(binary_expr(expr, op, lit(number)));
            }
            _ => text_of(expr, schema)?,
        },
        Kind::Null | Kind::Other => expr,
    };
    Ok(binary_expr(expr, op, lit(literal)))
}

/// The number that a quoted literal is the text of.
fn number_in(literal: &ScalarValue) -> Option<ScalarValue> {
    let ScalarValue::Utf8(Some(text)) = literal else { return None };
    if !is_text_of_number(text) {
        return None;
    }
    let int = text.parse::<i64>().map(ScalarValue::from);
    int.or_else(|_| text.parse::<f64>().map(ScalarValue::from)).ok()
}

/// What is wrong with comparing `expr`, of numbers or truth values, with `literal`.
fn misfit(expr: &Expr, kind: Kind, op: Operator, literal: &ScalarValue) -> Option<PredicateError> {
    let hint = match (kind, literal) {
        (_, literal) if literal.is_null() => return None,
        (Kind::Number, ScalarValue::Utf8(Some(text))) => {
            if is_equality(op) && is_text_of_number(text) {
                return None;
            }
            if text.parse::<f64>().is_ok() {
                format!("without quotes it is a number: {text}")
            } else {
                "write a number without quotes, or LIKE for a pattern".to_owned()
            }
        }
        (Kind::Truth, ScalarValue::Utf8(Some(text))) if text == "true" || text == "false" => {
            return None;
        }
        (Kind::Truth, ScalarValue::Boolean(_)) => return None,
        (Kind::Truth, _) => {
            format!("write TRUE or FALSE without quotes, as in `{expr} = TRUE`")
        }
        (Kind::Number, ScalarValue::Boolean(_)) => {
            format!("compare it with a number, as in `{expr} = 1`")
        }
        _ => return None,
    };
    let what = if kind == Kind::Truth { "true or false" } else { "a number" };
    let literal = match literal {
        ScalarValue::Boolean(Some(truth)) => truth.to_string().to_uppercase(),
        ScalarValue::Utf8(_) => format!("'{literal}'"),
        number => number.to_string(),
    };
    Some(PredicateError {
        message: format!("`{expr}` is {what} in every event, and {literal} is not"),
        line: None,
        column: None,
        hint: Some(hint),
    })
}

/// Whether a double next to it may have been another integer.
fn is_wide(literal: &ScalarValue) -> bool {
    match literal {
        ScalarValue::Int64(Some(int)) => int.unsigned_abs() >= DOUBLE_EXACT_MAX,
        ScalarValue::UInt64(Some(int)) => *int >= DOUBLE_EXACT_MAX,
        _ => false,
    }
}

/// `expr` against an integer that a double may not hold.
fn against_wide(expr: Expr, op: Operator, literal: ScalarValue, schema: &DFSchema) -> Result<Expr> {
    let decimal = decimal_of(expr.clone(), schema)?;
    let exactly = binary_expr(decimal.clone(), op, lit(literal.clone()));
    let roughly = binary_expr(number_of(expr, schema)?, op, lit(literal));
    when(decimal.is_not_null(), exactly).otherwise(roughly)
}

/// Two expressions that are no literals.
fn between_values(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Result<Expr> {
    let both = |of: fn(Expr, &DFSchema) -> Result<Expr>| {
        let (left, right) = (of(left.clone(), schema)?, of(right.clone(), schema)?);
        let are_known = left.clone().is_not_null().and(right.clone().is_not_null());
        Ok::<_, DataFusionError>((are_known, binary_expr(left, op, right)))
    };
    let kinds = [kind(left, schema)?, kind(right, schema)?];
    let plain = || binary_expr(left.clone(), op, right.clone());
    match kinds {
        [Kind::Null | Kind::Other, _] | [_, Kind::Null | Kind::Other] => return Ok(plain()),
        [Kind::Number, Kind::Number] => {
            let int = match (left.get_type(schema)?, right.get_type(schema)?) {
                (DataType::Int64, DataType::Float64) => left,
                (DataType::Float64, DataType::Int64) => right,
                _ => return Ok(plain()),
            };
            // The engine rounds the integer to a double first; the widest would lose digits.
            let exact = DOUBLE_EXACT_MAX.cast_signed();
            let is_exact = int.clone().between(lit(-exact), lit(exact));
            let (are_decimals, as_decimals) = both(decimal_of)?;
            return when(is_exact, plain()).when(are_decimals, as_decimals).otherwise(plain());
        }
        [Kind::Text, Kind::Text] if !is_equality(op) => {}
        [left, right] if left == right => return Ok(plain()),
        _ => {}
    }
    let as_texts = binary_expr(text_of(left.clone(), schema)?, op, text_of(right.clone(), schema)?);
    if is_equality(op) {
        return Ok(as_texts);
    }
    let (are_decimals, as_decimals) = both(decimal_of)?;
    let (are_numbers, as_numbers) = both(number_of)?;
    when(are_decimals, as_decimals).when(are_numbers, as_numbers).otherwise(as_texts)
}

/// `expr IN (…)`: equal to any of the list, each item by its own type.
fn among(list: InList, schema: &DFSchema, fault: &mut Option<PredicateError>) -> Result<Expr> {
    let InList { expr, list, negated } = list;
    let kind = kind(&expr, schema)?;
    if matches!(kind, Kind::Null | Kind::Other) {
        return Ok(Expr::InList(InList { expr, list, negated }));
    }
    let (mut numbers, mut texts, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut misfits = Vec::new();
    let length = list.len();
    let has_words = list.iter().any(|item| {
        matches!(item, Expr::Literal(ScalarValue::Utf8(Some(text)), _) if !is_text_of_number(text))
    });
    // The engine makes a list one type: with a decimal in it, the widest integers lose digits.
    let is_integer = |item: &Expr| matches!(item, Expr::Literal(ScalarValue::Int64(_), _));
    let are_integers = expr.get_type(schema)? == DataType::Int64 && list.iter().all(is_integer);
    for item in list {
        let Expr::Literal(value, _) = &item else {
            others.push(between_values(&expr, Operator::Eq, &item, schema)?);
            continue;
        };
        misfits.extend(misfit(&expr, kind, Operator::Eq, value));
        match (Kind::of(&value.data_type()), number_in(value)) {
            (Kind::Number, _) if are_integers || !is_wide(value) => {
                numbers.push(item);
            }
            (Kind::Text, Some(number)) if kind == Kind::Number && !is_wide(&number) => {
                numbers.push(lit(number));
            }
            (Kind::Text, _) => texts.push(item),
            _ => {
                let item = value.clone();
                others.push(against(*expr.clone(), Operator::Eq, item, schema, &mut None)?);
            }
        }
    }
    // One of many may be for other events; none that fits is a mistake.
    if fault.is_none() && misfits.len() == length {
        *fault = misfits.into_iter().next();
    }
    let mut any = others;
    if !numbers.is_empty() {
        let equal = number_of(*expr.clone(), schema)?.in_list(numbers, false);
        // Beside words a text that is no number is just another word.
        any.push(if has_words && kind != Kind::Number {
            when(expr.clone().is_not_null(), equal.is_true()).end()?
        } else {
            equal
        });
    }
    if !texts.is_empty() {
        any.push(text_of(*expr, schema)?.in_list(texts, false));
    }
    let any = any_of(&any).unwrap_or_else(|| lit(ScalarValue::Boolean(None)));
    Ok(negated_if(negated, any))
}

/// True if any of `terms` is; halved, so that it does not nest as deep as the list is long.
fn any_of(terms: &[Expr]) -> Option<Expr> {
    match terms {
        [] => None,
        [term] => Some(term.clone()),
        terms => {
            let (left, right) = terms.split_at(terms.len() / 2);
            Some(any_of(left)?.or(any_of(right)?))
        }
    }
}
