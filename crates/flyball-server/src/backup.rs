//! Copies of a whole data directory, and the way back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flyball_model::Timestamp;
use flyball_segment::{SegmentError, Segments};
use flyball_store::{Backup, Backups, SegmentFiles, Sequence, Store, StoreError};
use tokio::sync::Semaphore;

use crate::control::SharedControl;
use crate::limits::Limits;
use crate::stored::{self, Stored};

/// The longest name of a backup. Bytes.
const NAME_BYTES_MAX: usize = 64;

/// A backup that cannot be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored events are at fault.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The server was told no directory for backups.
    #[error("the server has no directory for backups; hint: start it with `--backups DIR`")]
    NoPlace,
    /// No directory can be called so.
    #[error(
        "`{0}` is no name for a backup; hint: 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` and \
         `.`, which does not come first"
    )]
    Name(String),
    /// One at a time.
    #[error("a backup is being made; hint: ask again when it is done")]
    Busy,
}

/// Makes backups of the data directory of a server that runs.
#[derive(Debug, Clone)]
pub(crate) struct Copies {
    backups: Backups,
    segments: Segments,
    directory: Option<PathBuf>,
    control: SharedControl,
    turn: Arc<Semaphore>,
}

impl Copies {
    /// Those of what `backups` and `stored` are of, in `directory`, recorded in `control`.
    pub(crate) fn new(
        backups: Backups,
        stored: &Stored,
        directory: Option<PathBuf>,
        control: SharedControl,
    ) -> Self {
        let segments = stored.segments().clone();
        Self { backups, segments, directory, control, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Makes one in a directory called `name`, for `actor`. Waits for the disk. Requests go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; the directory is empty then, or was not when this began.
    pub(crate) fn make(
        &self,
        name: &str,
        actor: &str,
        at: Timestamp,
    ) -> Result<Backup, BackupError> {
        let directory = self.directory.as_ref().ok_or(BackupError::NoPlace)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(is_plain)
            && !name.starts_with('.');
        if !is_name {
            return Err(BackupError::Name(name.to_owned()));
        }
        let _turn = self.turn.try_acquire().map_err(|_| BackupError::Busy)?;
        // Nobody takes a copy of everything without a trace.
        self.control.lock().record_backup(name, actor, at)?;
        copy(&self.backups, &self.segments, &directory.join(name))
    }
}

/// Copies the data directory `data`, which nobody has open, into the directory `to`. Read back and
/// checked when this returns.
///
/// # Errors
///
/// [`BackupError`]; `to` is empty then, or was not when this began.
pub fn backup(data: &Path, to: &Path, limits: &Limits) -> Result<Backup, BackupError> {
    let store = Store::open(data, limits.journal())?;
    let segments = stored::open(data, &store.journal)?.segments();
    copy(&store.backups(), &segments, to)
}

fn copy(backups: &Backups, segments: &Segments, to: &Path) -> Result<Backup, BackupError> {
    // Its files stay for as long as it does.
    let mut viewed = None;
    backups.write(to, || {
        let view = viewed.insert(segments.view());
        view.check(&mut |_| {})?;
        let (name, text) = view.manifest();
        Ok(Some(SegmentFiles {
            files: view.paths().map(Path::to_owned).collect(),
            manifest: (name.to_owned(), text),
            through: Sequence(view.through()),
        }))
    })
}

/// Checks the backup in `from` and copies it into the empty data directory `to`.
///
/// # Errors
///
/// [`BackupError`]; `to` is empty then, or was not when this began.
pub fn restore(from: &Path, to: &Path) -> Result<Backup, BackupError> {
    Ok(Backup::restore(from, to)?)
}
