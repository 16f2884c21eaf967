//! The data directory: one process has it at a time, and what is created in it stays.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::StoreError;

/// Whoever holds the lock on this file has the directory. The file itself says nothing and stays.
const LOCK: &str = "lock";

/// A data directory that this process has for itself, as long as a clone of this value lives.
#[derive(Debug, Clone)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    /// The system gives a lock back when the process ends, however it ends.
    _lock: Arc<File>,
}

impl DataDirectory {
    /// Takes the directory at `path`, which is made where it is not there yet.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        create(path)?;
        let at = path.join(LOCK);
        let cannot = StoreError::io("create", &at);
        let lock =
            File::options().create(true).truncate(false).write(true).open(&at).map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: Arc::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(StoreError::io("lock", &at)(cause)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory `name` inside, which is made where it is not there yet.
    pub(crate) fn subdirectory(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        create(&path)?;
        Ok(path)
    }
}

/// Makes a directory and those above it, so that a crash right after does not undo it.
fn create(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create(parent)?;
    }
    fs::create_dir(path).map_err(StoreError::io("create", path))?;
    sync(parent.unwrap_or(Path::new(".")))
}

/// Makes the disk keep which names are in the directory.
pub(crate) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(StoreError::io("sync the directory", path))
}
