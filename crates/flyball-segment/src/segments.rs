//! The files that count: adding, joining, deleting and reading them.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;

use crate::file::{self, Reader};
use crate::manifest::{self, Manifest};
use crate::unify::{names, unify};
use crate::{Buffer, DIRECTORY_MODE, Hour, SegmentError, SegmentFile};

/// Attributes of one file. A source with more names than this is not events but keys as data; its
/// events go to several files.
const COLUMNS_MAX: usize = 4_096;
/// So many files of an hour that could be joined are.
const JOIN_FILES_MIN: usize = 8;
/// What files that are joined may take in memory together. Bytes; twice that is used meanwhile.
const JOIN_BYTES_MAX: u64 = 64 << 20;

/// A file that counts, or that somebody still reads.
#[derive(Debug)]
struct Held {
    file: SegmentFile,
    path: PathBuf,
    /// It counts no more: whoever holds it last deletes it.
    is_obsolete: AtomicBool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Acquire) {
            // What stays is deleted when the directory is opened the next time.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Which files count at one moment.
#[derive(Debug, Clone)]
pub struct View {
    files: Vec<Arc<Held>>,
    after: u64,
    through: u64,
    next: u64,
    kept_from: Option<Hour>,
}

impl View {
    /// The last journal entry before the first whose events were stored.
    pub const fn after(&self) -> u64 {
        self.after
    }

    /// The last journal entry whose events are in the files.
    pub const fn through(&self) -> u64 {
        self.through
    }

    /// Hours before this one may have been deleted; `None` when none was.
    pub const fn kept_from(&self) -> Option<Hour> {
        self.kept_from
    }

    /// The files, by hour.
    pub fn files(&self) -> impl Iterator<Item = &SegmentFile> {
        self.files.iter().map(|held| &held.file)
    }

    /// Where the files lie, for whoever copies them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|held| held.path.as_path())
    }

    /// The manifest of these files: its name in their directory, and what it says.
    pub fn manifest(&self) -> (&'static str, Vec<u8>) {
        let manifest = Manifest {
            after: self.after,
            through: self.through,
            next: self.next,
            kept_from: self.kept_from,
            files: self.files().cloned().collect(),
            ..Manifest::default()
        };
        (manifest::FILE, manifest.text())
    }

    /// The hours that have events, in order.
    pub fn hours(&self) -> BTreeSet<Hour> {
        self.files().map(|file| file.hour).collect()
    }

    /// The events of `hour`, file by file: their times, their entries, and of their attributes those
    /// in `columns`, or all. Batches may differ in their columns.
    pub fn read<'a>(
        &'a self,
        hour: Hour,
        columns: Option<&'a [String]>,
    ) -> impl Iterator<Item = Result<RecordBatch, SegmentError>> + 'a {
        let files = self.files.iter().filter(move |held| held.file.hour == hour);
        files.flat_map(move |held| {
            let (reader, failed) = match Reader::open(&held.path, columns) {
                Ok(reader) => (Some(reader), None),
                Err(error) => (None, Some(Err(error))),
            };
            failed.into_iter().chain(reader.into_iter().flatten())
        })
    }

    /// For each file a batch of its columns without its events: two rows with the smallest and the
    /// largest of each integer, nothing else. What a reader must know before it reads.
    pub fn outlines(&self) -> impl Iterator<Item = Result<RecordBatch, SegmentError>> + '_ {
        self.files.iter().map(|held| file::outline(&held.path))
    }

    /// Compares every file with what the manifest says of it, and reads all of its events; `told` is called
    /// with what of all bytes has been looked at. Returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// The first file that is missing, does not hold what was written, or cannot be read.
    pub fn check(&self, told: &mut dyn FnMut(u64)) -> Result<u64, SegmentError> {
        let mut total = 0;
        for held in &self.files {
            let (bytes, crc32c) = file::sum(&held.path)?;
            if (bytes, crc32c) != (held.file.bytes, held.file.crc32c) {
                let what = format!("its bytes are not the {} that were written", held.file.bytes);
                return Err(SegmentError::damaged(&held.path, what));
            }
            let mut rows = 0;
            for batch in Reader::open(&held.path, None)? {
                rows += batch?.num_rows() as u64;
            }
            if rows != held.file.rows {
                let what = format!("it has {rows} events and {} were written", held.file.rows);
                return Err(SegmentError::damaged(&held.path, what));
            }
            total += bytes;
            told(total);
        }
        Ok(total)
    }
}

/// A way to the stored events from any thread.
#[derive(Debug, Clone)]
pub struct Segments(Arc<Mutex<View>>);

impl Segments {
    /// The files that count now. They stay as long as the view does.
    pub fn view(&self) -> View {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whoever changes which files count; there is one.
#[derive(Debug)]
pub struct SegmentWriter {
    directory: PathBuf,
    next: u64,
    segments: Segments,
}

/// What opening has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opened {
    /// Files that a crash had left and that do not count; they are deleted.
    pub leftovers: usize,
}

impl SegmentWriter {
    /// Opens the segments in `directory`, which is made where it is not there yet. The caller sees to
    /// it that no other process does.
    ///
    /// # Errors
    ///
    /// What cannot be read; a file that counts and is missing or of another length.
    pub fn open(directory: &Path) -> Result<(Self, Opened), SegmentError> {
        let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
        made.map_err(SegmentError::io("create", directory))?;
        let Manifest { after, through, next, kept_from, files, .. } = Manifest::read(directory)?;
        let mut leftovers = 0;
        let known: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let cannot = || SegmentError::io("list", directory);
        for entry in fs::read_dir(directory).map_err(cannot())? {
            let entry = entry.map_err(cannot())?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name == manifest::FILE || known.contains(&*name) {
                continue;
            }
            fs::remove_file(entry.path()).map_err(SegmentError::io("delete", &entry.path()))?;
            leftovers += 1;
        }
        let mut held = Vec::with_capacity(files.len());
        for file in files {
            let path = directory.join(&file.name);
            let length = fs::metadata(&path).map_err(SegmentError::io("read", &path))?.len();
            if length != file.bytes {
                let what = format!("it has {length} bytes and {} were written", file.bytes);
                return Err(SegmentError::damaged(&path, what));
            }
            held.push(Arc::new(Held { file, path, is_obsolete: AtomicBool::new(false) }));
        }
        let view = View { files: held, after, through, next, kept_from };
        let segments = Segments(Arc::new(Mutex::new(view)));
        Ok((Self { directory: directory.to_owned(), next, segments }, Opened { leftovers }))
    }

    /// A way to read what counts.
    pub fn segments(&self) -> Segments {
        self.segments.clone()
    }

    /// Begins behind `after` instead of where the last entry was stored, because what lies between is
    /// no longer to be had. Nothing may be stored behind it.
    ///
    /// # Errors
    ///
    /// A manifest that cannot be written.
    pub fn begin_after(&mut self, after: u64) -> Result<(), SegmentError> {
        let mut view = self.segments.view();
        (view.after, view.through) = (after, after);
        self.publish(view, &[])
    }

    /// Stores the events of `buffer`, which follows what is stored already. All of them count when
    /// this returns, and none when it fails.
    ///
    /// # Errors
    ///
    /// What cannot be written.
    pub fn append(&mut self, buffer: &Buffer) -> Result<(), SegmentError> {
        let mut view = self.segments.view();
        let hours = buffer.hours.iter();
        let parts = hours
            .flat_map(|(hour, batches)| groups(batches).into_iter().map(|group| (*hour, group)));
        let new = self.write_all(parts, (buffer.after + 1, buffer.through))?;
        view.files.extend_from_slice(&new);
        view.files.sort_by_key(|held| held.file.hour);
        view.through = buffer.through;
        self.publish(view, &new)
    }

    /// Joins small files of one hour, where there are many. `true` when it has, and there may be
    /// more to do.
    ///
    /// # Errors
    ///
    /// What cannot be read or written; what counted before does.
    pub fn compact(&mut self) -> Result<bool, SegmentError> {
        let view = self.segments.view();
        let Some(files) = view.files.chunk_by(|a, b| a.file.hour == b.file.hour).find_map(joined)
        else {
            return Ok(false);
        };
        let mut batches = Vec::new();
        for held in &files {
            for batch in Reader::open(&held.path, None)? {
                batches.push(batch?);
            }
        }
        let from = files.iter().map(|held| held.file.from).min().unwrap_or_default();
        let through = files.iter().map(|held| held.file.through).max().unwrap_or_default();
        let mut view = view;
        view.files.retain(|held| files.iter().all(|old| !Arc::ptr_eq(old, held)));
        let hour = files[0].file.hour;
        let parts = groups(&batches).into_iter().map(|group| (hour, group));
        let new = self.write_all(parts, (from, through))?;
        view.files.extend_from_slice(&new);
        view.files.sort_by_key(|held| held.file.hour);
        self.publish(view, &new)?;
        discard(&files);
        Ok(true)
    }

    /// Deletes the hours before `before`, and then the oldest hours until at most `bytes_max` are
    /// left; the newest hour always stays. Returns what was deleted.
    ///
    /// # Errors
    ///
    /// A manifest that cannot be written; nothing is deleted then.
    pub fn retain(
        &mut self,
        before: Hour,
        bytes_max: u64,
    ) -> Result<Vec<SegmentFile>, SegmentError> {
        let mut view = self.segments.view();
        let Some(newest) = view.files.last().map(|held| held.file.hour) else {
            return Ok(Vec::new());
        };
        let mut bytes: u64 = view.files().map(|file| file.bytes).sum();
        let mut from = before.min(newest);
        for held in &view.files {
            if held.file.hour >= from && bytes > bytes_max && held.file.hour < newest {
                from = Hour(held.file.hour.0 + 1);
            }
            if held.file.hour < from {
                bytes -= held.file.bytes;
            }
        }
        let gone: Vec<Arc<Held>> =
            view.files.iter().filter(|held| held.file.hour < from).cloned().collect();
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        view.files.retain(|held| held.file.hour >= from);
        view.kept_from = view.kept_from.max(Some(from));
        self.publish(view, &[])?;
        discard(&gone);
        Ok(gone.iter().map(|held| held.file.clone()).collect())
    }

    /// Writes a file for each of `parts`, none of which counts yet; none stays when one cannot be written.
    fn write_all<'a>(
        &mut self,
        parts: impl Iterator<Item = (Hour, &'a [RecordBatch])>,
        entries: (u64, u64),
    ) -> Result<Vec<Arc<Held>>, SegmentError> {
        let mut new = Vec::new();
        let mut written = Ok(());
        for (hour, group) in parts {
            match self.write(hour, entries, group) {
                Ok(file) => new.push(file),
                Err(error) => {
                    written = Err(error);
                    break;
                }
            }
        }
        match written.and_then(|()| manifest::sync(&self.directory)) {
            Ok(()) => Ok(new),
            Err(error) => {
                discard(&new);
                Err(error)
            }
        }
    }

    /// Writes one file, which does not count yet.
    fn write(
        &mut self,
        hour: Hour,
        (from, through): (u64, u64),
        batches: &[RecordBatch],
    ) -> Result<Arc<Held>, SegmentError> {
        let batch = file::sorted(&unify(batches)?)?;
        let start = hour.start().to_jiff().strftime("%Y-%m-%dT%H");
        let name = format!("{start}-{:08}.parquet", self.next);
        self.next += 1;
        let path = self.directory.join(&name);
        let written = file::write(&path, &batch).inspect_err(|_| {
            // What there is of it takes room that may be what is missing.
            let _ = fs::remove_file(&path);
        })?;
        let file = SegmentFile {
            name,
            hour,
            from,
            through,
            rows: batch.num_rows() as u64,
            bytes: written.bytes,
            memory: file::memory(&batch) as u64,
            crc32c: written.crc32c,
        };
        Ok(Arc::new(Held { file, path, is_obsolete: AtomicBool::new(false) }))
    }

    /// Makes `view` what counts. Those of its files that are `new` do not stay where it surely does not.
    fn publish(&self, mut view: View, new: &[Arc<Held>]) -> Result<(), SegmentError> {
        view.next = self.next;
        let (_, text) = view.manifest();
        manifest::prepare(&self.directory, &text).inspect_err(|_| discard(new))?;
        manifest::replace(&self.directory)?;
        *self.segments.0.lock().unwrap_or_else(PoisonError::into_inner) = view;
        Ok(())
    }
}

/// Has the files deleted when nobody reads them any more.
fn discard(files: &[Arc<Held>]) {
    for held in files {
        held.is_obsolete.store(true, Ordering::Release);
    }
}

/// The files of an hour that are worth joining.
fn joined(hour: &[Arc<Held>]) -> Option<Vec<Arc<Held>>> {
    let mut small: Vec<&Arc<Held>> =
        hour.iter().filter(|held| held.file.memory < JOIN_BYTES_MAX / 2).collect();
    small.sort_by_key(|held| held.file.memory);
    let mut room = JOIN_BYTES_MAX;
    let fits = small.into_iter().take_while(|held| {
        let fits = held.file.memory <= room;
        room = room.saturating_sub(held.file.memory);
        fits
    });
    let files: Vec<Arc<Held>> = fits.cloned().collect();
    (files.len() >= JOIN_FILES_MIN).then_some(files)
}

/// `batches` in stretches of at most [`COLUMNS_MAX`] attributes each.
fn groups(batches: &[RecordBatch]) -> Vec<&[RecordBatch]> {
    let mut groups = Vec::new();
    let (mut start, mut known) = (0, HashSet::new());
    for (at, batch) in batches.iter().enumerate() {
        known.extend(names(batch));
        if known.len() > COLUMNS_MAX && at > start {
            groups.push(&batches[start..at]);
            start = at;
            known = names(batch).collect();
        }
    }
    if start < batches.len() {
        groups.push(&batches[start..]);
    }
    groups
}
