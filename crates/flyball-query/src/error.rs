//! Errors of this crate.

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

/// A query or a run over events that failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A predicate of an SLO does not yield a truth value over the data's types.
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
    /// The events could not be read.
    #[error(transparent)]
    Read(#[from] Box<dyn std::error::Error + Send + Sync>),
}
