//! Why inputs could not be read.

use std::path::PathBuf;

/// What stops the reading of inputs. A record that cannot be read is no error but a reject, unless
/// reading is strict.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// A pattern that names nothing.
    #[error("`{pattern}` matches no file\nhint: check the path; `-` reads standard input")]
    NoMatch {
        /// The pattern as given.
        pattern: String,
    },
    /// A pattern that is no glob.
    #[error("`{pattern}` is not a pattern: {reason}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No input at all.
    #[error("there is nothing to read\nhint: name files, or `-` for standard input")]
    NoInput,
    /// A file or stream that the system does not let us read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Where from.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An input whose format neither its content nor its name tells.
    #[error(
        "cannot tell the format of {name}\nhint: name it with `--format`; there are {}",
        crate::format::Format::NAMES.join(", ")
    )]
    UnknownFormat {
        /// The input.
        name: String,
    },
    /// The first record that could not be read, when reading is strict.
    #[error(
        "{name}:{line}:{column}: {reason}\n  {excerpt}\nhint: without `--strict` such records are counted and left out"
    )]
    Strict {
        /// The input.
        name: String,
        /// The line or record, from 1.
        line: u64,
        /// The byte in the line, from 1.
        column: u64,
        /// Why it was refused.
        reason: &'static str,
        /// The beginning of the line.
        excerpt: String,
    },
}
