//! Copies of a whole data directory, and the way back.

use std::path::Path;

use flyball_segment::SegmentError;
use flyball_store::{Backup, SegmentFiles, Sequence, Store, StoreError};

use crate::limits::Limits;
use crate::stored;

/// A backup that cannot be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored events are at fault.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

/// Copies the data directory `data`, which nobody has open, into the directory `to`. Read back and
/// checked when this returns.
///
/// # Errors
///
/// [`BackupError`]; `to` is empty then, or was not when this began.
pub fn backup(data: &Path, to: &Path, limits: &Limits) -> Result<Backup, BackupError> {
    let store = Store::open(data, limits.journal())?;
    let view = stored::open(data, &store.journal)?.segments().view();
    view.check()?;
    let (name, text) = view.manifest();
    let segments = SegmentFiles {
        files: view.paths().map(Path::to_owned).collect(),
        manifest: (name.to_owned(), text),
        through: Sequence(view.through()),
    };
    Ok(store.backups().write_with(to, Some(&segments))?)
}

/// Checks the backup in `from` and copies it into the empty data directory `to`.
///
/// # Errors
///
/// [`BackupError`]; `to` is empty then, or was not when this began.
pub fn restore(from: &Path, to: &Path) -> Result<Backup, BackupError> {
    Ok(Backup::restore(from, to)?)
}
