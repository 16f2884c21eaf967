//! `PromQL` as far as queries of SLOs go: text to a tree whose parts know where they stand.
//!
//! Written for this crate because the parsers to be had keep no positions, and an author needs to
//! see which part of a query cannot be counted. The whole expression grammar is read, so that a
//! mistake in the text is told apart from a query that only a metrics system can evaluate; what has
//! no meaning for samples (`offset`, `@`, subqueries) is refused where it stands. Windows keep
//! their text, since tools write templates there (`[{{.window}}]`, `[$__rate_interval]`).
//!
//! Source of grammar and precedence: "Operators" and "Querying basics" of the Prometheus
//! documentation.

mod lex;
mod parse;

use std::ops::Range;

pub(crate) use parse::{parse, template};

use crate::error::QueryError;
use crate::matcher::Selector;

/// The longest query, in bytes: more than any tool writes.
pub(crate) const QUERY_BYTES_MAX: usize = 64 * 1024;
/// How deep expressions may nest; bounds the stack.
pub(crate) const DEPTH_MAX: usize = 64;

/// A part of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Its bytes in the query, parentheses around it included.
    pub(crate) span: Range<usize>,
    pub(crate) expression: Expression,
}

/// What a part of a query is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    Number(f64),
    Text,
    Selector(Selector),
    /// `selector[window]`.
    Range {
        selector: Selector,
        window: String,
    },
    Call {
        name: String,
        arguments: Vec<Node>,
    },
    /// An aggregation over series, such as `sum by (job) (…)`; its grouping changes no sum.
    Aggregate {
        name: String,
        arguments: Vec<Node>,
    },
    Binary {
        operator: &'static str,
        /// Where `on`, `ignoring`, `group_left`, `group_right` or `bool` stands.
        modifier: Option<Range<usize>>,
        left: Box<Node>,
        right: Box<Node>,
    },
    Negated(Box<Node>),
}

/// One series, by its name and labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The metric's name.
    pub name: String,
    /// Labels and the texts that they must equal, as they were written.
    pub labels: Vec<(String, String)>,
}

/// The series that a query names that does nothing else, such as `up{job="shop"}`; `None` for any other query.
///
/// # Errors
///
/// [`QueryError`] for a text that is no query.
pub fn selected(query: &str) -> Result<Option<Selected>, QueryError> {
    let Expression::Selector(Selector { name: Some(name), matchers }) = parse(query)?.expression
    else {
        return Ok(None);
    };
    let labels = matchers.iter().map(|matcher| {
        matcher.equality().map(|(label, value)| (label.to_owned(), value.to_owned()))
    });
    Ok(labels.collect::<Option<Vec<_>>>().map(|labels| Selected { name, labels }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_names_one_series_is_told_from_others() {
        let labels = |query: &str| selected(query).unwrap();
        let of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(label, value)| (label.to_string(), value.to_string())).collect()
        };
        assert_eq!(labels(" up "), Some(Selected { name: "up".to_owned(), labels: Vec::new() }));
        assert_eq!(
            labels(r#"up{job="a\"b", class='c d'}"#),
            Some(Selected {
                name: "up".to_owned(),
                labels: of(&[("job", "a\"b"), ("class", "c d")])
            })
        );
        for other in ["1", "sum(up)", "up > 0", r#"up{job!="a"}"#, r#"up{job=~"a"}"#, "up[5m]"] {
            assert_eq!(labels(other), None, "{other}");
        }
        assert!(selected("up{").is_err());
    }
}
