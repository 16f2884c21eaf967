//! Errors of this crate.

use crate::tally::SliPart;

/// A predicate that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PredicateError {
    /// What is wrong.
    pub message: String,
    /// The line in the predicate's text, from 1, where known.
    pub line: Option<u64>,
    /// The character in that line, from 1, where known.
    pub column: Option<u64>,
    /// What to do.
    pub hint: Option<String>,
}

impl PredicateError {
    /// What the engine has against a term; `message` may end in a line with a hint.
    pub(crate) fn of_term(term: &str, message: &str) -> Self {
        let (message, hint) = match message.split_once("\nhint: ") {
            Some((message, hint)) => (message, Some(hint.to_owned())),
            None => (message, None),
        };
        Self { message: format!("`{term}`: {message}"), line: None, column: None, hint }
    }
}

/// A query or a run over events that failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A predicate of an SLI cannot be evaluated over the data's types.
    #[error("{error}")]
    Condition {
        /// The SLI, by index.
        sli: usize,
        /// Which of its predicates.
        part: SliPart,
        /// What is wrong.
        error: PredicateError,
    },
    /// A term does not yield a truth value over the data's types.
    #[error("`{predicate}`: {message}")]
    Predicate {
        /// The predicate's text.
        predicate: String,
        /// What is wrong.
        message: String,
    },
    /// The events spread over more slots than memory is kept for, at the widest slot allowed.
    #[error(
        "the events fall into more than {limit} slots of {width}\nhint: narrow the time range with --from and --to, or keep fewer slices"
    )]
    TooManySlots {
        /// The limit.
        limit: usize,
        /// The widest slot width that was allowed.
        width: flyball_model::Duration,
    },
    /// A SQL query is wrong or failed.
    #[error("{message}")]
    Sql {
        /// What is wrong, in the engine's words.
        message: String,
    },
    /// A SQL query needs more than it is given.
    #[error("{message}")]
    Bound {
        /// Which bound, and what to do.
        message: String,
    },
    /// Nobody waits for the answer any more.
    #[error("the query was given up")]
    GivenUp,
    /// The events could not be read.
    #[error(transparent)]
    Read(#[from] Box<dyn std::error::Error + Send + Sync>),
}
