//! Copying the journal's files while others append: those that are complete never change, and of the
//! last one only what is committed is copied.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::files::{FilePart, Files};
use crate::{Sequence, StoreError, directory};

/// The files of an open journal, for whoever copies them. Says nothing about who has it open.
#[derive(Debug, Clone)]
pub(crate) struct JournalFiles(Arc<Files>);

/// While it lives, none of the journal's files is deleted.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Files>);

impl JournalFiles {
    pub(super) fn new(files: &Arc<Files>) -> Self {
        Self(Arc::clone(files))
    }

    /// Keeps all files that are there now.
    pub(crate) fn hold(&self) -> Hold {
        self.0.hold();
        Hold(Arc::clone(&self.0))
    }
}

impl Hold {
    /// Copies what is committed now, from the file with the entry `from` on (from the first one,
    /// when that begins behind it), into the empty directory `to`; on disk when this returns.
    ///
    /// Nobody who appends or reads waits for it.
    pub(crate) fn copy(&self, from: Sequence, to: &Path) -> Result<(), StoreError> {
        for part in self.0.parts_from(from) {
            copy(&part, to)?;
        }
        directory::sync(to)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

fn copy(part: &FilePart, to: &Path) -> Result<(), StoreError> {
    let name = part.path.file_name().unwrap_or_default();
    let path = to.join(name);
    let source = File::open(&part.path).map_err(StoreError::io("read", &part.path))?;
    let cannot = || StoreError::io("write", &path);
    let mut target = directory::create_new(&path).map_err(cannot())?;
    let copied = io::copy(&mut source.take(part.bytes), &mut target).map_err(cannot())?;
    if copied < part.bytes {
        let what = "the file is shorter than what was committed";
        return Err(StoreError::damaged(&part.path, copied, what));
    }
    target.sync_all().map_err(cannot())
}
