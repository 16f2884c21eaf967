//! Conditions of a policy: the grammar of CEL, our own exact arithmetic, three values.
//!
//! The text is parsed as CEL (Common Expression Language, `cel-spec`), so that what people know of it
//! holds: operators, precedence, literals, `in`. What is accepted is a part of it that always ends
//! and is always decided exactly: `&&`, `||`, `!`, comparisons, `in` with a list of literals, and
//! `duration("24h")`. Macros over lists, calls and arithmetic are refused when the policy is read.
//!
//! Values are exact fractions, not doubles, so that `budget.remaining_share < 0.1` is decided on
//! integers. A variable without data is unknown, and unknown spreads as in SQL and as errors do in
//! CEL: `false && unknown` is false, `true || unknown` is true, all else is unknown.

mod compile;
mod number;
mod variable;

use std::borrow::Cow;
use std::collections::BTreeSet;

use flyball_model::Duration;

pub use number::Number;
pub(crate) use variable::{HOLDERS, Name, Place, VARIABLES_MAX, Values, variables};
pub use variable::{Kind, VARIABLES, Variable};

/// The longest condition, in bytes.
pub const CONDITION_BYTES_MAX: usize = 4_096;

/// Why a text is no condition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ConditionError {
    /// The line in the condition, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// A condition that is compiled and can be decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    root: Node,
    variables: &'static [Variable],
    places: BTreeSet<Place>,
}

impl Condition {
    /// Compiles `text`.
    ///
    /// # Errors
    ///
    /// The first [`ConditionError`]: a text that is not CEL or too long, a variable that does not exist,
    /// types that do not go together, a word that a variable never is, or a part of CEL that is not
    /// accepted.
    pub fn compile(text: &str) -> Result<Self, ConditionError> {
        Self::compile_over(text, VARIABLES)
    }

    /// Compiles `text` over other variables than those of a policy.
    ///
    /// # Errors
    ///
    /// As [`Self::compile`].
    pub(crate) fn compile_over(
        text: &str,
        variables: &'static [Variable],
    ) -> Result<Self, ConditionError> {
        let (root, places) = compile::compile(text, variables)?;
        Ok(Self { text: text.to_owned(), root, variables, places })
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it depends on, each once, in the order of the list of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &'static Variable> + '_ {
        self.places.iter().map(|place| &self.variables[place.0])
    }

    /// As [`Self::variables`], each with where it stands in that list.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (Place, &'static Variable)> + '_ {
        self.places.iter().map(|place| (*place, &self.variables[place.0]))
    }

    /// Whether it asks anything of a budget.
    pub(crate) fn asks_of_budget(&self) -> bool {
        self.asked().any(|(_, variable)| variable.is_of_budget())
    }

    /// Where what it depends on stands in the list of its variables, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.places.iter().copied()
    }

    /// Whether it holds; `None` when what is unknown decides.
    pub(crate) fn holds(&self, values: &Values) -> Option<bool> {
        self.root.holds(values)
    }
}

/// The value of a variable or literal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Number(Number),
    Text(Cow<'static, str>),
    Length(Duration),
}

impl Value {
    fn kind(&self) -> Kind {
        match self {
            Self::Bool(_) => Kind::Bool,
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
            Self::Length(_) => Kind::Length,
        }
    }

    /// Their order; `None` between kinds, which compiling has ruled out.
    fn compare(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Length(a), Self::Length(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
            Self::Length(value) => value.fmt(f),
        }
    }
}

/// One node of a compiled condition, true, false or unknown.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(bool),
    Variable(Place),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Compare(Operand, Operator, Operand),
    In(Operand, Vec<Value>),
}

/// A side of a comparison.
#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Literal(Value),
    Variable(Place),
}

impl Operand {
    fn value<'a>(&'a self, values: &'a Values) -> Option<&'a Value> {
        match self {
            Self::Literal(value) => Some(value),
            Self::Variable(place) => values.get(*place),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Operator {
    fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    fn accepts(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl Node {
    fn holds(&self, values: &Values) -> Option<bool> {
        match self {
            Self::Literal(value) => Some(*value),
            Self::Variable(place) => match values.get(*place) {
                Some(Value::Bool(value)) => Some(*value),
                _ => None,
            },
            Self::Not(inner) => inner.holds(values).map(|value| !value),
            Self::And(left, right) => match (left.holds(values), right.holds(values)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.holds(values), right.holds(values)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Compare(left, operator, right) => {
                let order = left.value(values)?.compare(right.value(values)?)?;
                Some(operator.accepts(order))
            }
            Self::In(operand, list) => Some(list.contains(operand.value(values)?)),
        }
    }
}

#[cfg(test)]
mod tests;
