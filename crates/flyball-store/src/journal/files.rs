//! The files of a journal: which there are, what of them is committed, beginning and deleting them.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::format::{self, HEADER_BYTES};
use super::scan::{End, Scanned, scan};
use crate::directory;
use crate::{Sequence, StoreError};

const ENDING: &str = ".journal";
/// A file has this ending until its header is on disk, so that no torn header can be met.
const ENDING_NEW: &str = ".journal.new";

/// The name of the file that begins with `first`. Digits to the full width, so that names sort.
fn name(first: Sequence) -> String {
    format!("{:020}{ENDING}", first.0)
}

/// What opening a journal has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The first entry that is kept; one past `last` when none is.
    pub first: Sequence,
    /// The last entry.
    pub last: Sequence,
    /// Files that were read.
    pub files: usize,
    /// Bytes that were read, all files together.
    pub bytes: u64,
    /// What was cut off the end of the last file.
    pub torn: Option<Torn>,
}

/// The end of a file that a crash has torn while it was written. It held no acknowledged entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub path: PathBuf,
    /// Where it was cut, in bytes from its start.
    pub offset: u64,
    /// How many bytes went.
    pub bytes: u64,
}

/// The file that is written to.
#[derive(Debug)]
pub(super) struct ActiveFile {
    pub(super) path: PathBuf,
    /// Stands at `bytes`.
    pub(super) file: File,
    pub(super) salt: u32,
    /// Bytes that the disk has confirmed.
    pub(super) bytes: u64,
    /// The next entry's number.
    pub(super) next: Sequence,
}

/// One file, as readers need it.
#[derive(Debug, Clone)]
pub(super) struct FilePart {
    pub(super) path: PathBuf,
    pub(super) first: Sequence,
    /// The last committed entry in it.
    pub(super) last: Sequence,
    /// Bytes of it that are committed.
    pub(super) bytes: u64,
}

/// What is committed, shared by the writer and all readers.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    /// Oldest first, without gaps, never empty.
    parts: Mutex<VecDeque<FilePart>>,
    /// How many copy files at the moment, so that none may be deleted. Changed under the lock.
    holds: AtomicUsize,
}

impl Files {
    fn new(path: &Path, parts: VecDeque<FilePart>) -> Self {
        let (path, parts) = (path.to_owned(), Mutex::new(parts));
        Self { path, parts, holds: AtomicUsize::new(0) }
    }

    fn parts(&self) -> MutexGuard<'_, VecDeque<FilePart>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn committed(&self) -> Sequence {
        self.parts().back().map_or(Sequence::NONE, |part| part.last)
    }

    pub(super) fn first(&self) -> Sequence {
        self.parts().front().map_or(Sequence::NONE, |part| part.first)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.parts().iter().map(|part| part.bytes).sum()
    }

    pub(super) fn list(&self) -> Vec<(Sequence, PathBuf)> {
        self.parts().iter().map(|part| (part.first, part.path.clone())).collect()
    }

    /// The file with the entry `wanted`; `None` when it is not committed yet.
    pub(super) fn with(&self, wanted: Sequence) -> Result<Option<FilePart>, StoreError> {
        let parts = self.parts();
        let first = parts.front().map_or(Sequence::NONE, |part| part.first);
        if wanted < first {
            return Err(StoreError::Released { asked: wanted, first });
        }
        let after = parts.partition_point(|part| part.first <= wanted);
        Ok(parts.get(after.wrapping_sub(1)).filter(|part| part.last >= wanted).cloned())
    }

    /// The active file now holds entries up to `last` in its first `bytes` bytes.
    pub(super) fn publish(&self, last: Sequence, bytes: u64) {
        if let Some(active) = self.parts().back_mut() {
            active.last = last;
            active.bytes = bytes;
        }
    }

    /// Begins the next file.
    pub(super) fn begin(&self, first: Sequence) -> Result<ActiveFile, StoreError> {
        let active = begin(&self.path, first)?;
        self.parts().push_back(part(&active));
        Ok(active)
    }

    /// Keeps all files until [`Self::let_go`].
    pub(super) fn hold(&self) {
        let _parts = self.parts();
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn let_go(&self) {
        let _parts = self.parts();
        self.holds.fetch_sub(1, Ordering::Relaxed);
    }

    /// The files from the one with the entry `from` on, or from the first one when that is behind
    /// it, as far as they are committed now.
    pub(super) fn parts_from(&self, from: Sequence) -> Vec<FilePart> {
        let parts = self.parts();
        let after = parts.partition_point(|part| part.first <= from);
        parts.iter().skip(after.saturating_sub(1)).cloned().collect()
    }

    pub(super) fn release(&self, up_to: Sequence) -> Result<usize, StoreError> {
        let mut parts = self.parts();
        let mut released = 0;
        let is_held = self.holds.load(Ordering::Relaxed) > 0;
        while !is_held && parts.len() > 1 && parts[0].last <= up_to {
            let path = &parts[0].path;
            fs::remove_file(path).map_err(StoreError::io("delete", path))?;
            parts.pop_front();
            released += 1;
        }
        if released > 0 {
            directory::sync(&self.path)?;
        }
        Ok(released)
    }
}

fn part(active: &ActiveFile) -> FilePart {
    let last = Sequence(active.next.0 - 1);
    FilePart { path: active.path.clone(), first: active.next, last, bytes: active.bytes }
}

/// Begins a file: it has its name only when its header is on disk.
///
/// Without room for it ([`StoreError::Io`]) there is no such file, and it may be tried again. What
/// fails later is [`StoreError::Poisoned`]: a file that may or may not be there after a crash must
/// not have its first number used elsewhere.
fn begin(directory: &Path, first: Sequence) -> Result<ActiveFile, StoreError> {
    let path = directory.join(name(first));
    let part = directory.join(format!("{:020}{ENDING_NEW}", first.0));
    let cannot = || StoreError::io("begin", &part);
    // From the system's source of chance. What it is makes no difference to what is computed.
    let salt = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default();
    let mut file = directory::create_file(&part).map_err(cannot())?;
    file.write_all(&format::header(first, salt)).map_err(cannot())?;
    file.sync_all()
        .and_then(|()| fs::rename(&part, &path))
        .and_then(|()| File::open(directory)?.sync_all())
        .map_err(|cause| StoreError::Poisoned { path: path.clone(), cause: Arc::new(cause) })?;
    Ok(ActiveFile { path, file, salt, bytes: HEADER_BYTES as u64, next: first })
}

/// Reads and checks all files in `path`, or begins the first one.
pub(super) fn open(
    path: &Path,
    counted: Sequence,
) -> Result<(Files, ActiveFile, Recovery), StoreError> {
    let (named, unfinished) = listed(path)?;
    if named.is_empty() {
        if counted > Sequence::NONE {
            let (path, from) = (path.to_owned(), Sequence(1));
            return Err(StoreError::Missing { path, from, to: counted });
        }
        remove(&unfinished)?;
        let active = begin(path, Sequence(1))?;
        let recovery =
            Recovery { first: active.next, last: Sequence::NONE, files: 0, bytes: 0, torn: None };
        return Ok((Files::new(path, VecDeque::from([part(&active)])), active, recovery));
    }
    // Everything is looked at before anything is changed.
    let (parts, scanned) = read_all(path, named, counted, End::MayBeTorn(counted))?;
    let (last, next) = (&parts[parts.len() - 1], scanned.last.next());
    let (active, torn) = reopen(&last.path, scanned.bytes, scanned.torn_bytes, scanned.salt, next)?;
    remove(&unfinished)?;
    directory::sync(path)?;
    let recovery = Recovery {
        first: parts[0].first,
        last: Sequence(next.0 - 1),
        files: parts.len(),
        bytes: parts.iter().map(|part| part.bytes).sum::<u64>() + scanned.torn_bytes,
        torn,
    };
    Ok((Files::new(path, parts), active, recovery))
}

/// Reads and checks the files in `path`, which nobody writes to and of which none may be torn, and
/// returns the last entry.
pub(super) fn check(path: &Path, counted: Sequence) -> Result<Sequence, StoreError> {
    let (named, _) = listed(path)?;
    if named.is_empty() {
        return Err(StoreError::damaged(path, 0, "there are no journal files"));
    }
    read_all(path, named, counted, End::Whole).map(|(_, scanned)| scanned.last)
}

/// Reads and checks files, of which there is at least one: each and their order, and that what is
/// behind `counted` is there. Returns them, and what was found in the last of them.
fn read_all(
    path: &Path,
    named: Named,
    counted: Sequence,
    end_of_last: End,
) -> Result<(VecDeque<FilePart>, Scanned), StoreError> {
    let missing = |from, to| Err(StoreError::Missing { path: path.to_owned(), from, to });
    let mut parts = VecDeque::with_capacity(named.len());
    let (begin, last_first) = (named[0].0, named[named.len() - 1].0);
    if counted.next() < begin {
        return missing(counted.next(), Sequence(begin.0 - 1));
    }
    let mut next = begin;
    let mut found = None;
    for (first, path) in named {
        if first > next {
            return missing(next, Sequence(first.0 - 1));
        }
        if first < next {
            let what = format!("entry {first} is in the file before it already");
            return Err(StoreError::damaged(&path, 0, what));
        }
        let end = if first == last_first { end_of_last } else { End::Whole };
        let scanned = scan(&path, first, end)?;
        next = scanned.last.next();
        parts.push_back(FilePart { path, first, last: scanned.last, bytes: scanned.bytes });
        found = Some(scanned);
    }
    match found {
        Some(scanned) if counted < next => Ok((parts, scanned)),
        _ => missing(next, counted),
    }
}

/// Takes up the last file again behind its last whole entry.
fn reopen(
    path: &Path,
    bytes: u64,
    torn_bytes: u64,
    salt: u32,
    next: Sequence,
) -> Result<(ActiveFile, Option<Torn>), StoreError> {
    let cannot = || StoreError::io("take up", path);
    let mut file = File::options().read(true).write(true).open(path).map_err(cannot())?;
    if torn_bytes > 0 {
        file.set_len(bytes).map_err(cannot())?;
    }
    // A process that was killed may have written entries that the disk does not have yet. They
    // count as committed from here on, so it must have them first.
    file.sync_all().map_err(cannot())?;
    file.seek(SeekFrom::Start(bytes)).map_err(cannot())?;
    let torn =
        (torn_bytes > 0).then(|| Torn { path: path.to_owned(), offset: bytes, bytes: torn_bytes });
    Ok((ActiveFile { path: path.to_owned(), file, salt, bytes, next }, torn))
}

/// Files with the number of their first entry.
type Named = Vec<(Sequence, PathBuf)>;

/// The journal's files, oldest first, and those that were never finished.
fn listed(path: &Path) -> Result<(Named, Vec<PathBuf>), StoreError> {
    let cannot = || StoreError::io("list", path);
    let (mut named, mut unfinished) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(cannot())? {
        let entry = entry.map_err(cannot())?;
        let file = entry.file_name();
        let Some(file) = file.to_str() else { continue };
        if file.ends_with(ENDING_NEW) {
            unfinished.push(entry.path());
        } else if let Some(digits) = file.strip_suffix(ENDING) {
            let first = digits.parse().map(Sequence).ok();
            let Some(first) = first.filter(|first| first.0 > 0 && name(*first) == file) else {
                let what = format!("`{digits}` is not the number of an entry with 20 digits");
                return Err(StoreError::damaged(&entry.path(), 0, what));
            };
            named.push((first, entry.path()));
        }
    }
    named.sort_unstable();
    Ok((named, unfinished))
}

fn remove(unfinished: &[PathBuf]) -> Result<(), StoreError> {
    for path in unfinished {
        fs::remove_file(path).map_err(StoreError::io("delete", path))?;
    }
    Ok(())
}
