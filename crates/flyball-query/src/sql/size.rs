//! How large a statement becomes when it is planned.
//!
//! A common table expression takes the place of each of its names, so that thirty lines can stand for a
//! billion tables. Planning is one step that nothing interrupts: what would take too long is refused
//! before.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::ptr;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Query, SetExpr, Visit, Visitor};

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
/// What a table, a select or a branch of a union counts: as many expressions.
const TABLE_PARTS: u64 = 50;

/// Refuses a statement that is too long to be looked at.
///
/// # Errors
///
/// [`QueryError::Bound`].
pub(super) fn check_length(sql: &str) -> Result<(), QueryError> {
    // What cannot be read is told by whoever reads it.
    let count = tokens(sql, |_| None).map_or(0, |tokens| tokens.len());
    refuse(count > TOKENS_MAX, format_args!("{TOKENS_MAX} words and signs"))
}

/// Refuses a statement of which too much would be planned.
///
/// # Errors
///
/// [`QueryError::Bound`].
pub(super) fn check_parts(statement: &Statement) -> Result<(), QueryError> {
    let Statement::Statement(statement) = statement else { return Ok(()) };
    let mut sizes = Sizes { open: vec![0], ..Sizes::default() };
    let is_too_deep = statement.visit(&mut sizes).is_break();
    refuse(is_too_deep, format_args!("{DEPTH_MAX} operators inside one another"))?;
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
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let size = self.open.pop().unwrap_or(0);
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

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.add(1);
        self.depth += 1;
        if self.depth > DEPTH_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
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
