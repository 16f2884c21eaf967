//! How large a statement becomes when it is planned.
//!
//! A common table expression takes the place of each of its names, so that thirty lines can stand for a
//! billion tables. Planning is one step that nothing interrupts: what would take too long is refused
//! before.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::ptr;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArguments, ObjectName, Query, SetExpr, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::QueryError;
use crate::names::tokens;

/// The most words and signs of a statement, blanks among them. A sum of half as many can be read, visited and
/// forgotten by recursion on the stack that there is.
const TOKENS_MAX: usize = 10_000;
/// The most operators that may be inside one another: `1 + 1 + 1` is two. What plans them goes down and up for
/// each several times; 500 take a second or more.
const DEPTH_MAX: usize = 250;
/// The most of expressions and tables, each as often as it is planned. Planning takes a second for that.
const PARTS_MAX: u64 = 5_000;
/// The most brackets inside one another, and the most types made of others.
const NESTED_MAX: usize = 100;
/// Words that make a type of others, in angle brackets.
const TYPE_WORDS: [&str; 4] = ["array", "struct", "map", "list"];
/// The most sets to group by: each is planned and kept for itself.
const SETS_MAX: u64 = 64;
/// How much larger values can become by joining them, in one step of which nothing counts the memory.
const GROWTH_MAX: u64 = 64;
/// Functions that make one value of several.
const JOINING: [&str; 12] = [
    "concat",
    "concat_ws",
    "array_concat",
    "array_cat",
    "list_concat",
    "list_cat",
    "array_append",
    "array_push_back",
    "list_append",
    "array_prepend",
    "make_array",
    "make_list",
];
/// What a table, a select or a branch of a union counts: as many expressions.
const TABLE_PARTS: u64 = 50;

/// Refuses a statement that is too long to be looked at.
///
/// # Errors
///
/// [`QueryError::Bound`].
pub(super) fn check_length(sql: &str) -> Result<(), QueryError> {
    // What cannot be read is told by whoever reads it.
    let Ok(tokens) = tokens(sql, |_| None) else { return Ok(()) };
    refuse(tokens.len() > TOKENS_MAX, format_args!("{TOKENS_MAX} words and signs"))?;
    let mut signs = Signs::default();
    let is_too_deep = tokens.iter().any(|token| signs.step(&token.token));
    refuse(is_too_deep, format_args!("{NESTED_MAX} brackets inside one another"))
}

/// Brackets that are open, and types that are made of others: what reads these goes down for each, and
/// has no bound of its own.
#[derive(Debug, Default)]
struct Signs {
    open: usize,
    /// `[]` and `<` behind a word, of which each is a type around a type.
    types: usize,
    before: Option<Sign>,
}

/// What stood before a sign, blanks left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Bracket,
    TypeWord,
    Other,
}

impl Signs {
    /// Whether there are too many with `token`.
    fn step(&mut self, token: &Token) -> bool {
        let now = match token {
            Token::Whitespace(_) => return false,
            Token::LBracket => Sign::Bracket,
            Token::Word(word) => {
                let name = word.value.to_lowercase();
                if TYPE_WORDS.contains(&name.as_str()) { Sign::TypeWord } else { Sign::Other }
            }
            _ => Sign::Other,
        };
        match (token, self.before) {
            (Token::LParen, _) => self.open += 1,
            (Token::RParen, _) => self.open = self.open.saturating_sub(1),
            (Token::RBracket, Some(Sign::Bracket)) | (Token::Lt, Some(Sign::TypeWord)) => {
                self.types += 1;
            }
            _ => {}
        }
        self.before = Some(now);
        self.open > NESTED_MAX || self.types > NESTED_MAX
    }
}

/// Refuses a statement of which too much would be planned.
///
/// # Errors
///
/// [`QueryError::Bound`].
pub(super) fn check_parts(statement: &Statement) -> Result<(), QueryError> {
    let Statement::Statement(statement) = statement else { return Ok(()) };
    let mut sizes = Sizes { open: vec![0], sets: 1, growth: 1, ..Sizes::default() };
    let is_too_deep = statement.visit(&mut sizes).is_break();
    refuse(is_too_deep, format_args!("{DEPTH_MAX} operators inside one another"))?;
    refuse(sizes.sets > SETS_MAX, format_args!("{SETS_MAX} sets to group by"))?;
    let growth = format_args!("{GROWTH_MAX} times as much text or lists as there are to make");
    refuse(sizes.growth > GROWTH_MAX, growth)?;
    let parts = sizes.open.first().copied().unwrap_or(0);
    let many = format_args!(
        "{PARTS_MAX} parts, tables {TABLE_PARTS} each, named selects wherever they are used"
    );
    refuse(parts > PARTS_MAX, many)
}

fn refuse(is_too_large: bool, what: std::fmt::Arguments<'_>) -> Result<(), QueryError> {
    if !is_too_large {
        return Ok(());
    }
    let message = format!("the statement has more than {what}\nhint: ask for less at once");
    Err(QueryError::Bound { message })
}

/// What was met of a statement.
#[derive(Debug, Default)]
struct Sizes {
    /// The sizes of the selects that are being visited, around each other; the statement's comes first.
    open: Vec<u64>,
    /// The sizes of named selects. A name that is there twice has the larger one.
    named: HashMap<String, u64>,
    /// The names of selects that will be visited.
    names: HashMap<*const Query, String>,
    /// How many expressions are being visited, inside one another.
    depth: usize,
    /// How many sets are grouped by, if all groupings are of one select.
    sets: u64,
    /// How much larger a value can become by joining, if every select joins what the one before has made.
    growth: u64,
    /// The same for the expressions that are being visited, inside one another, and the most of each select.
    path: Vec<u64>,
    growths: Vec<u64>,
}

impl Sizes {
    fn add(&mut self, size: u64) {
        if let Some(open) = self.open.last_mut() {
            *open = open.saturating_add(size);
        }
    }
}

impl Visitor for Sizes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = cte.alias.name.value.to_lowercase();
            self.names.insert(ptr::from_ref(&*cte.query), name);
        }
        self.open.push(TABLE_PARTS.saturating_mul(branches(&query.body)));
        self.growths.push(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let size = self.open.pop().unwrap_or(0);
        self.growth = self.growth.saturating_mul(self.growths.pop().unwrap_or(1));
        match self.names.remove(&ptr::from_ref(query)) {
            Some(name) => {
                let known = self.named.entry(name).or_default();
                *known = size.max(*known);
            }
            None => self.add(size),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = relation.0.last().and_then(|part| part.as_ident());
        let size = name.and_then(|name| self.named.get(&name.value.to_lowercase()).copied());
        self.add(size.unwrap_or(TABLE_PARTS));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        self.add(1);
        self.sets = self.sets.saturating_mul(sets(expression));
        let inside = self.path.last().copied().unwrap_or(1);
        let growth = inside.saturating_mul(joined(expression));
        self.path.push(growth);
        if let Some(most) = self.growths.last_mut() {
            *most = growth.max(*most);
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.path.pop();
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// How many sets `expression` stands for in GROUP BY.
fn sets(expression: &Expr) -> u64 {
    match expression {
        Expr::Cube(parts) => 1_u64.checked_shl(u32::try_from(parts.len()).unwrap_or(u32::MAX)),
        Expr::Rollup(parts) => Some(parts.len() as u64 + 1),
        Expr::GroupingSets(sets) => Some(sets.len() as u64),
        _ => Some(1),
    }
    .unwrap_or(u64::MAX)
    .max(1)
}

/// How many values `expression` makes one of.
fn joined(expression: &Expr) -> u64 {
    let count = match expression {
        Expr::BinaryOp { op: BinaryOperator::StringConcat, .. } => 2,
        Expr::Array(list) => list.elem.iter().filter(|one| !matches!(one, Expr::Value(_))).count(),
        Expr::Function(call) => {
            let name = call.name.0.last().and_then(|part| part.as_ident());
            let name = name.map(|name| name.value.to_lowercase()).unwrap_or_default();
            match &call.args {
                FunctionArguments::List(list) if JOINING.contains(&name.as_str()) => {
                    list.args.len()
                }
                _ => 1,
            }
        }
        _ => 1,
    };
    (count as u64).max(1)
}

/// How many selects stand beside each other in a union or its kin.
fn branches(body: &SetExpr) -> u64 {
    let (mut count, mut rest) = (0_u64, vec![body]);
    while let Some(body) = rest.pop() {
        match body {
            SetExpr::SetOperation { left, right, .. } => rest.extend([&**left, &**right]),
            _ => count += 1,
        }
    }
    count
}
