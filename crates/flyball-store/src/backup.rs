//! Copies of a data directory, made while it is in use, and the way back.
//!
//! A backup is a data directory itself: the ledger and the control state as they were at one moment
//! each, and the journal from the ledger's position to what was committed a moment later. So the
//! copy can go on counting where the ledger stands, and nothing is in it twice or half. A list of
//! digests lies beside them (`docs/format/backup-v1.md`), so that years later every byte can be
//! held against what was written.
//!
//! A backup that was made has been read back and checked. A directory that is being filled cannot
//! be opened, and what is not finished leaves nothing behind but, after a crash, a directory that
//! says so.

mod manifest;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::control::{self, Control};
use crate::directory::{self, DataDirectory};
use crate::journal::{self, DIRECTORY as JOURNAL, JournalFiles};
use crate::ledger::{self, LedgerReader};
use crate::{AuditHead, Checked, Ledger, Sequence, StoreError, sqlite};

/// The directory of the segments in a data directory, where a backup has them.
const SEGMENTS: &str = "segments";

/// Makes backups of one open data directory. See [`crate::Store::backups`].
///
/// Clones of it may be used by several threads. It keeps the directory open.
#[derive(Debug, Clone)]
pub struct Backups {
    directory: DataDirectory,
    journal: JournalFiles,
}

/// What a backup holds, all of which was read and is as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The last journal entry that its ledger counts.
    pub position: Sequence,
    /// The last journal entry in it; at or behind `position`.
    pub last: Sequence,
    /// What its ledger holds.
    pub ledger: Checked,
    /// The last record of its audit log.
    pub audit: AuditHead,
    /// Its files, without the list of their digests.
    pub files: usize,
    /// Their bytes together.
    pub bytes: u64,
}

/// Segments as a backup takes them; what they say is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentFiles {
    /// Files that do not change, and stay while they are copied.
    pub files: Vec<PathBuf>,
    /// The name of the list of them, and what it says.
    pub manifest: (String, Vec<u8>),
    /// The last journal entry whose events are in them.
    pub through: Sequence,
}

impl SegmentFiles {
    /// Copies them into the directory `to`, which is made; on disk when this returns.
    fn copy(&self, to: &Path) -> Result<(), StoreError> {
        directory::create(to)?;
        for file in &self.files {
            copy(file, &to.join(file.file_name().unwrap_or_default()))?;
        }
        let (name, text) = &self.manifest;
        let path = to.join(name);
        directory::create_new(&path)
            .and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()))
            .map_err(StoreError::io("write", &path))?;
        directory::sync(to)
    }
}

impl Backups {
    pub(crate) fn new(directory: &DataDirectory, journal: JournalFiles) -> Self {
        Self { directory: directory.clone(), journal }
    }

    /// Copies what the data directory holds into the directory `to`, which is made where it is not
    /// there yet, while others append to the journal and commit to the ledger. On disk, read back and
    /// checked when this returns.
    ///
    /// `segments` gives those of the moment when it is called: every event is in them, or in the
    /// journal behind them, which is then copied from there on. Their files must stay until this
    /// returns. With none of them nothing but the journal holds events.
    ///
    /// Nobody waits for it. While it runs no journal file is released, and what is committed to the
    /// ledger stays in SQLite's log, which grows.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotEmpty`] when something is in `to`, which is not touched then; what `segments`
    /// answers; what cannot be read or written; what is damaged in the data directory. `to` is empty
    /// again then.
    pub fn write<E: From<StoreError>>(
        &self,
        to: &Path,
        segments: impl FnOnce() -> Result<Option<SegmentFiles>, E>,
    ) -> Result<Backup, E> {
        directory::fill(to, || {
            let from = self.directory.path();
            // Before anything is looked at: what is not counted or not in segments then must not go
            // away.
            let hold = self.journal.hold();
            let segments = segments()?;
            for file in [control::FILE, ledger::FILE] {
                sqlite::copy(&from.join(file), &to.join(file))?;
            }
            let position = LedgerReader::of_copy(&to.join(ledger::FILE))?.snapshot()?.position();
            let journal = to.join(JOURNAL);
            directory::create(&journal)?;
            let from = segments.as_ref().map_or(position, |known| known.through.min(position));
            hold.copy(from, &journal)?;
            drop(hold);
            if let Some(segments) = segments {
                segments.copy(&to.join(SEGMENTS))?;
            }
            manifest::write(to)?;
            Ok(contents(to)?)
        })
    }
}

impl Backup {
    /// Reads the backup in `from` and compares everything: each file with its digest, each chunk,
    /// value and journal entry with its checksum, the audit log with its hashes, the ledger's
    /// position with the journal. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::BackupBroken`] for a file that is missing, changed or not a part of it, as all
    /// are after somebody has opened it as a data directory; [`StoreError::Format`] when an older
    /// version has written it, which [`Self::restore`] can read; what else is damaged.
    pub fn check(from: &Path) -> Result<Self, StoreError> {
        manifest::check(from)?;
        contents(from)
    }

    /// Checks the backup in `from` and copies it into the data directory `to`, which is made where
    /// it is not there yet. On disk and checked once more when this returns; its tables are of the
    /// newest version then.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotEmpty`] when something is in `to`, which is not touched then; those of
    /// [`Self::check`]; what cannot be written. `to` is empty again then.
    pub fn restore(from: &Path, to: &Path) -> Result<Self, StoreError> {
        manifest::check(from)?;
        directory::fill(to, || {
            directory::create(&to.join(JOURNAL))?;
            let has_segments = from.join(SEGMENTS).is_dir();
            if has_segments {
                directory::create(&to.join(SEGMENTS))?;
            }
            for name in manifest::listed(from)? {
                copy(&from.join(&name), &to.join(&name))?;
            }
            directory::sync(&to.join(JOURNAL))?;
            if has_segments {
                directory::sync(&to.join(SEGMENTS))?;
            }
            // Once more, so that what is there is what was checked.
            manifest::compare(from, to)?;
            let opened = DataDirectory::open_unfinished(to)?;
            drop((Ledger::open(&opened)?, Control::open(&opened)?));
            contents(to)
        })
    }
}

/// Reads and checks the parts of a data directory that nobody has open.
fn contents(path: &Path) -> Result<Backup, StoreError> {
    let mut ledger = LedgerReader::of_copy(&path.join(ledger::FILE))?;
    let snapshot = ledger.snapshot()?;
    let position = snapshot.position();
    let checked = snapshot.check()?;
    let audit = Control::check_copy(&path.join(control::FILE))?.head;
    let last = journal::check(&path.join(JOURNAL), position)?;
    let files = manifest::listed(path)?;
    let length = |name: &String| {
        let path = path.join(name);
        fs::metadata(&path).map(|file| file.len()).map_err(StoreError::io("read", &path))
    };
    let bytes = files.iter().map(length).sum::<Result<u64, _>>()?;
    Ok(Backup { position, last, ledger: checked, audit, files: files.len(), bytes })
}

/// Copies a file that is not changed meanwhile.
fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut source = File::open(from).map_err(StoreError::io("read", from))?;
    let cannot = || StoreError::io("write", to);
    let mut target = directory::create_new(to).map_err(cannot())?;
    io::copy(&mut source, &mut target).map_err(cannot())?;
    target.sync_all().map_err(cannot())
}
