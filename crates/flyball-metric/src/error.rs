//! What can be wrong with a metric SLI and with what was kept of it, in words for its author.

use std::fmt;
use std::ops::Range;

use flyball_model::MetricQuery;

use crate::terms::text_of;

/// Why a metric SLI cannot be counted from samples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// The query is for a source that does not speak `PromQL`.
    #[error("`{source_type}` is not queried in PromQL, so that its samples cannot be counted here")]
    Source {
        /// The type as the document has it.
        source_type: String,
    },
    /// The source's settings hold no query.
    #[error(
        "the metric source has no `query`; write it like query: sum(rate(http_requests_total[5m]))"
    )]
    NoQuery,
    /// The query is wrong, or more than samples can answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A threshold SLI without a threshold, or with one that is no number.
    #[error("a threshold metric needs an objective with `op` and a finite `value`")]
    NoThreshold,
    /// What is said of slices cannot be meant.
    #[error("{said}; hint: write `by: [handler]` beside `query`, of the total in a ratio")]
    Slices {
        /// What is wrong.
        said: String,
    },
    /// The sides of a ratio are not counts of the same kind.
    #[error(
        "the two queries of the ratio do not count alike: one is {side}, the other {total}; write \
         both as rates, or as increases over the same time"
    )]
    Unlike {
        /// What the good or bad side is.
        side: String,
        /// What the total is.
        total: String,
    },
}

impl MetricError {
    /// Whether `query` is to blame.
    pub fn is_about(&self, query: &MetricQuery) -> bool {
        match (self, text_of(query)) {
            (Self::Query(error), Ok(text)) => error.query == text,
            (own, Err(other)) => *own == other,
            (_, Ok(_)) => false,
        }
    }
}

/// A query that cannot be counted from samples, and which part of it is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    query: String,
    span: Range<usize>,
    fault: Fault,
}

/// What is wrong with a part of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no `PromQL`.
    Syntax(String),
    /// It is `PromQL` that needs a metrics system to evaluate it.
    Pull(String),
}

impl QueryError {
    pub(crate) fn new(query: &str, span: Range<usize>, fault: Fault) -> Self {
        Self { query: query.to_owned(), span, fault }
    }

    /// The whole query.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// Which bytes of the query are to blame; empty, at its end, where something is missing.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// True when the query is right and only a metrics system can answer it, so that what it answers
    /// can be judged, and nothing be counted.
    pub fn needs_pull(&self) -> bool {
        matches!(self.fault, Fault::Pull(_))
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More of a query than this does not help to find the place.
        const SHOWN_CHARS_MAX: usize = 60;
        let part = self.query.get(self.span.clone()).unwrap_or_default();
        let mut shown: String = part.chars().take(SHOWN_CHARS_MAX).collect();
        if shown.len() < part.len() {
            shown.push('…');
        }
        let column = self.query.get(..self.span.start).unwrap_or_default().chars().count() + 1;
        match &self.fault {
            Fault::Syntax(message) if shown.is_empty() => {
                write!(f, "{message}, at column {column}")
            }
            Fault::Syntax(message) => write!(f, "{message}: `{shown}`, at column {column}"),
            Fault::Pull(message) => write!(
                f,
                "{message}: `{shown}`, at column {column}; only the metrics system can answer this \
                 query, and what it answers are no counts; hint: write both sides as sums of rates \
                 or increases, or have each answer judged, by a threshold metric or a ready ratio \
                 under `budgetingMethod: Timeslices`"
            ),
        }
    }
}

impl std::error::Error for QueryError {}

/// Why what a meter kept cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A key that no meter writes.
    #[error("what the meter kept has a key of {bytes} bytes that no meter writes")]
    Key {
        /// The key's length.
        bytes: usize,
    },
    /// A value that ends too early, is too long, or is of a later version.
    #[error("what the meter kept of {what} cannot be read; it is damaged or of a later version")]
    Value {
        /// What the value is about.
        what: &'static str,
    },
    /// More series than a meter remembers.
    #[error("what the meter kept has more than {most} series")]
    Series {
        /// The most there can be.
        most: usize,
    },
}
