//! The data directory: one process has it at a time, and what is created in it stays.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::StoreError;

/// Whoever holds the lock on this file has the directory. The file itself says nothing and stays.
const LOCK: &str = "lock";

/// There while a directory is being filled with a copy: until all of it is there, nobody opens it.
const UNFINISHED: &str = "unfinished";

/// What is stored says who asked for what, and holds digests of secrets: nobody but the owner has a
/// right to directories and files that are created. Those that are there keep theirs.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

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
        let unfinished = path.join(UNFINISHED);
        if unfinished.try_exists().map_err(StoreError::io("look for", &unfinished))? {
            return Err(StoreError::Unfinished { path: path.to_owned() });
        }
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, StoreError> {
        let at = path.join(LOCK);
        let cannot = StoreError::io("create", &at);
        let lock = writing().create(true).truncate(false).open(&at).map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: Arc::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(StoreError::io("lock", &at)(cause)),
        }
    }

    /// Takes the directory at `path` while it is being filled, by whoever fills it.
    pub(crate) fn open_unfinished(path: &Path) -> Result<Self, StoreError> {
        Self::lock(path)
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

/// Fills the directory at `path` by `work`, all or nothing: it is made where it is not there yet,
/// must be empty otherwise, and is not opened by anybody before all of it is on disk.
///
/// When `work` fails, it is empty again. After a crash it is left as unfinished.
pub(crate) fn fill<T, E: From<StoreError>>(
    path: &Path,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    create(path)?;
    let cannot = || StoreError::io("list", path);
    let mut entries = fs::read_dir(path).map_err(cannot())?;
    if entries.next().transpose().map_err(cannot())?.is_some() {
        return Err(StoreError::NotEmpty { path: path.to_owned() }.into());
    }
    let mark = path.join(UNFINISHED);
    create_new(&mark).and_then(|file| file.sync_all()).map_err(StoreError::io("create", &mark))?;
    sync(path)?;
    let filled = work().and_then(|value| {
        sync(path)?;
        fs::remove_file(&mark).map_err(StoreError::io("delete", &mark))?;
        sync(path)?;
        Ok(value)
    });
    if filled.is_err() {
        // What fails here leaves the mark, or nothing: the mark goes last.
        let _ = clear(path, &mark);
    }
    filled
}

/// Deletes what is in a directory, `last` after all else.
fn clear(path: &Path, last: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if path != last {
            fs::remove_file(&path)?;
        }
    }
    fs::remove_file(last)
}

/// Makes a directory and those above it, so that a crash right after does not undo it.
pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create(parent)?;
    }
    let made = DirBuilder::new().mode(DIRECTORY_MODE).create(path);
    made.map_err(StoreError::io("create", path))?;
    sync(parent.unwrap_or(Path::new(".")))
}

/// Begins a file that is not there yet, for its owner alone.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    writing().create_new(true).open(path)
}

/// Begins a file, in the place of what is there, for its owner alone.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    writing().create(true).truncate(true).open(path)
}

/// To write a file; one that is created by it is its owner's alone.
fn writing() -> OpenOptions {
    let mut options = File::options();
    options.write(true).mode(FILE_MODE);
    options
}

/// Makes the disk keep which names are in the directory.
pub(crate) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(StoreError::io("sync the directory", path))
}
