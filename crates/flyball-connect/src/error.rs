//! Why a message cannot be read.

use flyball_model::ChangeError;

use crate::{BODY_BYTES_MAX, DELIVERY_BYTES_MAX};

/// Why a message cannot be read, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// More than is read.
    #[error("the body has {bytes} bytes, of which at most {BODY_BYTES_MAX} are read")]
    Large {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON.
    #[error("the body is not JSON: {problem}")]
    Json {
        /// What is wrong, with line and column.
        problem: String,
    },
    /// A field that is missing or says something else than it should.
    #[error("`{field}` {problem}; {hint}")]
    Field {
        /// The field, as in `deployment.sha` or `commits[2].authored`.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A header that is missing or says something else than it should.
    #[error("the header `{header}` {problem}; {hint}")]
    Header {
        /// The header.
        header: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A name of the delivery that is too long to be kept.
    #[error(
        "the delivery is named with {bytes} bytes, of which at most {DELIVERY_BYTES_MAX} are kept"
    )]
    Delivery {
        /// The length of the name.
        bytes: usize,
    },
    /// What was read is no change that can be kept.
    #[error("{0}")]
    Change(#[from] ChangeError),
}

impl ConnectError {
    pub(crate) fn field_of(field: impl Into<String>, problem: &str, hint: &str) -> Self {
        Self::Field { field: field.into(), problem: problem.to_owned(), hint: hint.to_owned() }
    }

    /// The field that is wrong, where one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Field { field, .. } => Some(field),
            Self::Change(error) => Some(error.field()),
            Self::Large { .. }
            | Self::Json { .. }
            | Self::Header { .. }
            | Self::Delivery { .. } => None,
        }
    }

    /// What to do, in words.
    pub fn hint(&self) -> &str {
        match self {
            Self::Large { .. } => "send fewer commits at once",
            Self::Delivery { .. } => "name deliveries shortly, as with a UUID",
            Self::Json { .. } => "send one JSON object, in UTF-8",
            Self::Field { hint, .. } | Self::Header { hint, .. } => hint,
            Self::Change(_) => "correct the field and send the message again",
        }
    }
}
