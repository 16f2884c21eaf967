//! SQL boolean expressions over attributes, shared by all SLOs that use them.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::rc::Rc;

use arrow::array::RecordBatch;
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr as SqlExpr, Function, FunctionArguments, UnaryOperator, Value,
    ValueWithSpan, visit_expressions, visit_expressions_mut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::{PredicateError, QueryError};
use crate::leaf::Leaf;
use crate::names::tokens;
use crate::outline::Outline;
use crate::truth::Truth;

/// How deep a predicate may nest; past it an expression is a program, and parsing it a risk.
const DEPTH_MAX: usize = 50;
/// The longest predicate, in bytes.
const LENGTH_MAX: usize = 64 * 1024;

/// Operators in a predicate: each may nest it one level deeper, and the engine recurses.
const OPERATORS_MAX: usize = 400;

/// A predicate of one [`PredicateSet`]. Equal terms have equal ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PredicateId(usize);

/// Predicates compiled together, so that what they share is evaluated once per batch.
pub struct PredicateSet {
    state: SessionState,
    nodes: Vec<Node>,
    ids: HashMap<String, PredicateId>,
    leaves: Vec<Leaf>,
}

#[derive(Debug)]
enum Node {
    Leaf(usize),
    And(Vec<PredicateId>),
    Or(Vec<PredicateId>),
    Not(PredicateId),
}

/// Answers of the predicates of one set over one batch.
#[derive(Debug)]
pub(crate) struct Answers(Vec<Option<Rc<Truth>>>);

impl std::fmt::Debug for PredicateSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PredicateSet").field("predicates", &self.ids.keys()).finish_non_exhaustive()
    }
}

impl Default for PredicateSet {
    fn default() -> Self {
        Self::new()
    }
}

impl PredicateSet {
    /// No predicates.
    pub fn new() -> Self {
        let state = SessionContext::new().state();
        Self { state, nodes: Vec::new(), ids: HashMap::new(), leaves: Vec::new() }
    }

    /// Compiles `text` and shares whatever is already there.
    ///
    /// # Errors
    ///
    /// [`PredicateError`] with the place in the text when it is no SQL boolean expression over
    /// attributes: bad syntax, unknown functions, subqueries, aggregates, or functions whose
    /// answer depends on more than the event (the clock, chance).
    pub fn add(&mut self, text: &str) -> Result<PredicateId, PredicateError> {
        let mut sql = parse(text)?;
        let _ = visit_expressions_mut(&mut sql, |expr| {
            // `user` and the like are functions in SQL, and attributes here.
            if let SqlExpr::Function(Function { name, args: FunctionArguments::None, .. }) = expr
                && let Some(ident) = name.0.pop().and_then(|part| part.as_ident().cloned())
            {
                *expr = SqlExpr::Identifier(ident);
            }
            // DataFusion folds the case of names without quotes; attributes keep theirs.
            if let SqlExpr::Identifier(name) = expr {
                name.quote_style = Some('"');
            }
            ControlFlow::<()>::Continue(())
        });
        refuse_foreign(&sql)?;
        self.intern(sql)
    }

    /// Attributes that a predicate reads, sorted, each once.
    pub fn attributes(&self, id: PredicateId) -> BTreeSet<&str> {
        match &self.nodes[id.0] {
            Node::Leaf(leaf) => self.leaves[*leaf].attributes.iter().map(String::as_str).collect(),
            Node::And(parts) | Node::Or(parts) => {
                parts.iter().flat_map(|part| self.attributes(*part)).collect()
            }
            Node::Not(inner) => self.attributes(*inner),
        }
    }

    /// The value that `attribute` must equal for the predicate to be true, where it says so with
    /// `attribute = 'value'` as one of its AND terms.
    pub fn required_value(&self, id: PredicateId, attribute: &str) -> Option<String> {
        match &self.nodes[id.0] {
            Node::Leaf(leaf) => self.leaves[*leaf].required_value(attribute),
            Node::And(parts) => parts.iter().find_map(|p| self.required_value(*p, attribute)),
            Node::Or(_) | Node::Not(_) => None,
        }
    }

    /// Takes note of what the terms mean over the types of events that are not here, for
    /// [`Self::fault`].
    pub fn meet(&mut self, outline: &Outline) {
        for leaf in &mut self.leaves {
            outline.shapes().for_each(|shape| leaf.meet(&self.state, shape));
        }
    }

    /// What is wrong with a predicate after everything that it met, though it could be evaluated: a
    /// text compared with an attribute that never held texts. `None` before it met anything.
    pub fn fault(&self, id: PredicateId) -> Option<PredicateError> {
        match &self.nodes[id.0] {
            Node::Leaf(leaf) => self.leaves[*leaf].fault(),
            Node::And(parts) | Node::Or(parts) => parts.iter().find_map(|part| self.fault(*part)),
            Node::Not(inner) => self.fault(*inner),
        }
    }

    /// Whether some predicate compares another attribute with `name`, or lists it, as one would a
    /// text in quotes.
    pub fn is_compared_with(&self, name: &str) -> bool {
        let is_name = |expr: &SqlExpr| matches!(expr, SqlExpr::Identifier(it) if it.value == name);
        self.leaves.iter().any(|leaf| {
            visit_expressions(leaf.sql(), |expr| {
                let found = match expr {
                    SqlExpr::BinaryOp { left, right, .. } => {
                        matches!(left.as_ref(), SqlExpr::Identifier(_)) && is_name(right)
                    }
                    SqlExpr::InList { list, .. } => list.iter().any(is_name),
                    SqlExpr::Like { pattern, .. } => is_name(pattern),
                    _ => false,
                };
                if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .is_break()
        })
    }

    /// No answers yet, for a new batch.
    pub(crate) fn answers(&self) -> Answers {
        Answers(vec![None; self.nodes.len()])
    }

    /// The truth of a predicate for each row of `batch`; `answers` must belong to that batch.
    pub(crate) fn evaluate(
        &mut self,
        id: PredicateId,
        batch: &RecordBatch,
        answers: &mut Answers,
    ) -> Result<Rc<Truth>, QueryError> {
        if let Some(truth) = &answers.0[id.0] {
            return Ok(Rc::clone(truth));
        }
        let truth = match &self.nodes[id.0] {
            Node::Leaf(leaf) => self.leaves[*leaf].evaluate(&self.state, batch)?,
            Node::Not(inner) => {
                let inner = *inner;
                let mut truth = Truth::clone(&*self.evaluate(inner, batch, answers)?);
                truth.not();
                truth
            }
            Node::And(parts) => self.fold(&parts.clone(), batch, answers, Truth::and)?,
            Node::Or(parts) => self.fold(&parts.clone(), batch, answers, Truth::or)?,
        };
        let truth = Rc::new(truth);
        answers.0[id.0] = Some(Rc::clone(&truth));
        Ok(truth)
    }

    fn fold(
        &mut self,
        parts: &[PredicateId],
        batch: &RecordBatch,
        answers: &mut Answers,
        join: fn(&mut Truth, &Truth),
    ) -> Result<Truth, QueryError> {
        let mut parts = parts.iter();
        let first = match parts.next() {
            Some(first) => self.evaluate(*first, batch, answers)?,
            None => return Ok(Truth::unknown(batch.num_rows())),
        };
        let mut truth = Truth::clone(&first);
        for part in parts {
            join(&mut truth, &*self.evaluate(*part, batch, answers)?);
        }
        Ok(truth)
    }

    fn intern(&mut self, sql: SqlExpr) -> Result<PredicateId, PredicateError> {
        let sql = match sql {
            SqlExpr::Nested(inner) => return self.intern(*inner),
            other => other,
        };
        let (key, node) = match sql {
            SqlExpr::BinaryOp { ref op, .. }
                if matches!(op, BinaryOperator::And | BinaryOperator::Or) =>
            {
                let op = op.clone();
                let mut parts = Vec::new();
                flatten(sql, &op, &mut parts);
                let mut parts =
                    parts.into_iter().map(|p| self.intern(p)).collect::<Result<Vec<_>, _>>()?;
                // Kleene's AND and OR do not depend on the order of their terms.
                parts.sort_unstable();
                parts.dedup();
                let node = if op == BinaryOperator::And { Node::And } else { Node::Or };
                (format!("{op} {parts:?}"), node(parts))
            }
            SqlExpr::UnaryOp { op: UnaryOperator::Not, expr } => {
                let inner = self.intern(*expr)?;
                (format!("NOT {inner:?}"), Node::Not(inner))
            }
            leaf => {
                let text = leaf.to_string();
                if let Some(id) = self.ids.get(&text) {
                    return Ok(*id);
                }
                let mut leaf = Leaf::new(text.clone(), leaf.clone(), attributes_of(&leaf));
                leaf.check(&self.state)?;
                self.leaves.push(leaf);
                (text, Node::Leaf(self.leaves.len() - 1))
            }
        };
        if let Some(id) = self.ids.get(&key) {
            return Ok(*id);
        }
        let id = PredicateId(self.nodes.len());
        self.nodes.push(node);
        self.ids.insert(key, id);
        Ok(id)
    }
}

impl Leaf {
    fn required_value(&self, attribute: &str) -> Option<String> {
        let SqlExpr::BinaryOp { left, op: BinaryOperator::Eq, right } = self.sql() else {
            return None;
        };
        match (left.as_ref(), right.as_ref()) {
            (SqlExpr::Identifier(name), SqlExpr::Value(ValueWithSpan { value, .. }))
            | (SqlExpr::Value(ValueWithSpan { value, .. }), SqlExpr::Identifier(name))
                if name.value == attribute =>
            {
                match value {
                    Value::SingleQuotedString(text) => Some(text.clone()),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Functions that make a value of any length from a number: one event could take all memory.
const UNBOUNDED: [&str; 7] =
    ["array_repeat", "array_resize", "generate_series", "lpad", "range", "repeat", "rpad"];

/// Refuses functions whose answer depends on more than the event (others, the clock, chance), and
/// those whose answer has no bound.
pub(crate) fn refuse_unfit(expr: &Expr) -> PlanResult<()> {
    expr.apply(|expr| match expr {
        Expr::AggregateFunction(call) => datafusion::common::plan_err!(
            "{}() is about many events, and a condition judges each event alone",
            call.func.name()
        ),
        Expr::ScalarFunction(call) if UNBOUNDED.contains(&call.func.name()) => {
            datafusion::common::plan_err!(
                "{}() can make a value of any length, and a condition is asked of every event",
                call.func.name()
            )
        }
        Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
            datafusion::common::plan_err!(
                "{}() depends on more than the event, so the same events would not always count the same",
                call.func.name()
            )
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })
    .map(|_| ())
}

fn parse(text: &str) -> Result<SqlExpr, PredicateError> {
    let refuse = |message: String| PredicateError { message, line: None, column: None, hint: None };
    if text.trim().is_empty() {
        return Err(PredicateError {
            hint: Some("write a SQL condition, such as `http.response.status_code < 500`".into()),
            ..refuse("the condition is empty".to_owned())
        });
    }
    if text.len() > LENGTH_MAX {
        return Err(refuse(format!("the condition is longer than {LENGTH_MAX} bytes")));
    }
    let tokens = tokens(text, |parts| (parts.len() > 1).then_some(0))?;
    let operators = tokens.iter().filter(|token| is_nesting(&token.token)).count();
    if operators > OPERATORS_MAX {
        return Err(PredicateError {
            hint: Some("list many values with IN".to_owned()),
            ..refuse(format!("the condition has {operators} operators, more than {OPERATORS_MAX}"))
        });
    }
    let mut parser = Parser::new(&GenericDialect {})
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(tokens);
    let sql = parser.parse_expr().map_err(|error| syntax_error(&error))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        let hint = match &rest.token {
            Token::Word(_) => {
                Some("join terms with AND or OR; put unusual names in double quotes".to_owned())
            }
            _ => None,
        };
        return Err(PredicateError {
            message: format!("unexpected `{}` after the condition", rest.token),
            line: Some(rest.span.start.line),
            column: Some(rest.span.start.column),
            hint,
        });
    }
    Ok(sql)
}

/// Whether a token may nest the expression by one more level.
fn is_nesting(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_none()
                && matches!(
                    word.keyword,
                    Keyword::AND
                        | Keyword::OR
                        | Keyword::NOT
                        | Keyword::XOR
                        | Keyword::DIV
                        | Keyword::IS
                        | Keyword::LIKE
                        | Keyword::ILIKE
                        | Keyword::IN
                        | Keyword::BETWEEN
                        | Keyword::COLLATE
                )
        }
        Token::Whitespace(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::Number(..)
        | Token::SingleQuotedString(_) => false,
        _ => true,
    }
}

fn syntax_error(error: &ParserError) -> PredicateError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => {
            format!("the condition nests deeper than {DEPTH_MAX} levels")
        }
    };
    // The parser writes the place into its message: `… at Line: 1, Column: 5`.
    let place = text.rsplit_once(" at Line: ").and_then(|(message, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((message.to_owned(), line.parse().ok()?, column.trim().parse().ok()?))
    });
    match place {
        Some((message, line, column)) => {
            PredicateError { message, line: Some(line), column: Some(column), hint: None }
        }
        None => PredicateError { message: text, line: None, column: None, hint: None },
    }
}

/// Refuses what is SQL but no condition on one event.
fn refuse_foreign(sql: &SqlExpr) -> Result<(), PredicateError> {
    let found = visit_expressions(sql, |expr| {
        let what = match expr {
            SqlExpr::Subquery(_) | SqlExpr::Exists { .. } | SqlExpr::InSubquery { .. } => {
                "a subquery"
            }
            SqlExpr::Wildcard(_) | SqlExpr::QualifiedWildcard(..) => "`*`",
            SqlExpr::Value(ValueWithSpan { value: Value::Placeholder(_), .. }) => "a placeholder",
            SqlExpr::Function(function) if function.over.is_some() => "a window function",
            _ => return ControlFlow::Continue(()),
        };
        ControlFlow::Break(what)
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(what) => Err(PredicateError {
            message: format!("{what} cannot stand in a condition on one event"),
            line: None,
            column: None,
            hint: None,
        }),
    }
}

fn flatten(sql: SqlExpr, op: &BinaryOperator, out: &mut Vec<SqlExpr>) {
    match sql {
        SqlExpr::BinaryOp { left, op: own, right } if own == *op => {
            flatten(*left, op, out);
            flatten(*right, op, out);
        }
        SqlExpr::Nested(inner) => flatten(*inner, op, out),
        other => out.push(other),
    }
}

fn attributes_of(sql: &SqlExpr) -> Vec<String> {
    let mut names = BTreeSet::new();
    let _ = visit_expressions(sql, |expr| {
        if let SqlExpr::Identifier(name) = expr {
            names.insert(name.value.clone());
        }
        ControlFlow::<()>::Continue(())
    });
    names.into_iter().collect()
}

#[cfg(test)]
mod tests;
