//! Stored events: what came in, as Parquet files by the hour of their time, for whoever asks later.
//!
//! Whoever follows the journal fills a [`Buffer`] with the events of one entry after the other and
//! gives it to the [`SegmentWriter`], which writes one file or more for each hour, sorted by service
//! and time, and then the *manifest*: the list of the files that count, with the last entry that is
//! in them. The manifest is replaced as a whole, so that after a crash every event is in exactly one
//! file that counts, or in none and its entry behind the manifest's position. [`Segments`] gives
//! readers a [`View`]: the files of one moment, which stay as long as somebody reads them.
//!
//! The crate decodes no requests, counts nothing and knows no SQL. It reads no clock: which hour is
//! which is in the events. The format is described in `docs/format/segment-v1.md`.

mod buffer;
mod error;
mod file;
mod manifest;
mod segments;
mod unify;

#[cfg(test)]
mod tests;

pub use buffer::{Buffer, Run};
pub use error::SegmentError;
pub use file::Reader;
pub use manifest::SegmentFile;
pub use segments::{Opened, SegmentWriter, Segments, View};

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flyball_model::{Duration, Interval, Timestamp};

/// Events are personal data: nobody but the owner has a right to directories and files that are created.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The directory of the segments in a data directory.
pub const DIRECTORY: &str = "segments";

/// The column with the number of the journal entry that an event came with. An attribute of this
/// very name is kept as [`ENTRY_TAKEN`].
pub const ENTRY_COLUMN: &str = "~entry";

/// What an attribute called [`ENTRY_COLUMN`] is kept as.
pub const ENTRY_TAKEN: &str = "~entry~";

/// An hour of event time: hours since the epoch, rounded down.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Hour(pub i64);

impl Hour {
    /// How long it is.
    pub const LENGTH: Duration = Duration::from_hours(1);

    /// The hour that `at` lies in.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.nanos().div_euclid(Self::LENGTH.nanos()))
    }

    /// When it begins.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_nanos(self.0.saturating_mul(Self::LENGTH.nanos()))
    }

    /// Its moments.
    pub const fn interval(self) -> Interval {
        Interval::starting(self.start(), Self::LENGTH)
    }
}

/// Begins a file, in the place of what is there, for its owner alone.
fn create_file(path: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}
