//! What can go wrong with stored events.

use std::io;
use std::path::{Path, PathBuf};

/// Stored events that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The system refused something.
    #[error("cannot {doing} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file does not hold what was written.
    #[error(
        "{} is damaged: {what}\nhint: take it from a backup; without it its events can neither be \
         queried nor counted again, what the ledger has counted stays", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Written by another version of this program.
    #[error("{} has the unknown form `{form}`\nhint: open it with a newer flyball", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        form: String,
    },
    /// More is stored than the journal holds.
    #[error(
        "events are stored up to entry {through}, and the journal ends at entry {last}\nhint: a part \
         of the directory is older than the rest; restore all of it from one backup"
    )]
    Ahead {
        /// The last entry whose events are stored.
        through: u64,
        /// The journal's last entry.
        last: u64,
    },
    /// Columns that cannot be put together.
    #[error("events cannot be put into a file: {0}")]
    Columns(#[from] arrow::error::ArrowError),
}

impl SegmentError {
    /// For `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |cause| Self::Io { doing, path, cause }
    }

    pub(crate) fn damaged(path: &Path, what: impl std::fmt::Display) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.to_string() }
    }
}
