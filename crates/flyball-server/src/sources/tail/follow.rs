//! A log and those of its files that are not finished.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::position::{Position, is_time_of, modified};
use super::rotated::{Neighbour, alone, neighbours};
use crate::telemetry::Telemetry;

/// Looks without growth after which a renamed log is taken to be finished: writers reopen their log
/// within seconds.
pub(super) const QUIET_LOOKS: u32 = 50;
/// Read at once at most. Bytes.
const READ_BYTES: usize = 1 << 20;
/// The longest line; a longer one is left out and counted. Bytes.
const LINE_BYTES_MAX: usize = READ_BYTES;
/// Files of one log that are read at the same time; more that were rotated are taken up when these are
/// finished. All of them are noted with each mark.
const FILES_MAX: usize = 16;
/// Finished files that are remembered, so as not to be read again: rotation leaves few that are as new as
/// the log itself.
const FINISHED_MAX: usize = 8;

/// How far a log has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reached {
    /// The files that are not finished, the newest last.
    files: VecDeque<Position>,
    /// Files that were finished or given up lately.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    finished: VecDeque<Position>,
}

/// A file that is being read.
#[derive(Debug)]
struct Open {
    file: File,
    position: Position,
    /// Looks since it has grown.
    quiet: u32,
}

/// A log that is followed through rotations.
#[derive(Debug)]
pub(super) struct Follow {
    path: PathBuf,
    /// The newest last.
    files: VecDeque<Open>,
    finished: VecDeque<Position>,
    telemetry: Arc<Telemetry>,
}

impl Follow {
    /// Goes on from `reached`: opens the files that were not finished, wherever rotation has put them.
    pub(super) fn resume(path: PathBuf, reached: Reached, telemetry: Arc<Telemetry>) -> Self {
        let Reached { files, finished } = reached;
        if !path.exists() {
            let path = path.display();
            tracing::warn!(%path, "the log is not there; it is read from the moment at which it is");
        }
        let mut this = Self { path, files: VecDeque::new(), finished, telemetry };
        if files.is_empty() {
            return this;
        }
        let mut beside = neighbours(&this.path).unwrap_or_else(|error| {
            let path = this.path.display();
            tracing::warn!(%path, %error, "a log's directory cannot be listed: only the log is looked at");
            alone(&this.path)
        });
        for position in files {
            this.reopen(position, &mut beside);
        }
        this
    }

    /// How far the log has been read.
    pub(super) fn reached(&self) -> Reached {
        let files = self.files.iter().map(|open| open.position.clone()).collect();
        Reached { files, finished: self.finished.clone() }
    }

    /// How many files are being read.
    #[cfg(test)]
    pub(super) fn open_files(&self) -> usize {
        self.files.len()
    }

    /// The next whole lines, of the oldest file that has any; `None` when there are none now.
    pub(super) fn look(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.meet()?;
        let newest = self.files.len().saturating_sub(1);
        for at in 0..self.files.len() {
            let open = &mut self.files[at];
            let is_finished = at < newest && open.quiet >= QUIET_LOOKS;
            let lines = open.read(is_finished)?;
            if !lines.is_empty() {
                open.quiet = 0;
                return Ok(Some(lines));
            }
            open.quiet = open.quiet.saturating_add(1);
        }
        let last = self.files.pop_back();
        for open in std::mem::take(&mut self.files) {
            if open.quiet <= QUIET_LOOKS {
                self.files.push_back(open);
            } else {
                self.finish(open.position);
            }
        }
        self.files.extend(last);
        Ok(None)
    }

    /// Opens the file that has the log's name now, unless it is known, and those that had the name
    /// before it and are not known either.
    fn meet(&mut self) -> io::Result<()> {
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            // Between renaming and making anew there is none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.is_open(&metadata) || self.files.len() >= FILES_MAX {
            return Ok(());
        }
        let mut file = File::open(&self.path)?;
        // The name may have gone on to another file meanwhile.
        let metadata = file.metadata()?;
        self.take_up_rotated(&metadata);
        if self.files.len() < FILES_MAX {
            let position = match self.finished_as(&mut file, &metadata)? {
                Some(at) => self.finished.remove(at),
                None => None,
            };
            let position = position.unwrap_or_else(|| Position::begin(&metadata));
            self.files.push_back(Open { file, position, quiet: 0 });
        }
        Ok(())
    }

    /// Opens the files that had the log's name after the newest that is known and before `present`, the
    /// oldest first. What cannot be read of them is told.
    fn take_up_rotated(&mut self, present: &Metadata) {
        // A log that was never read is read from its file of that name on.
        let newest = self.files.back().map(|open| &open.position).or(self.finished.back());
        let Some(since) = newest.and_then(|newest| newest.modified) else { return };
        let beside = match neighbours(&self.path) {
            Ok(beside) => beside,
            Err(error) => {
                self.lost("directory not readable", &self.path, Some(&error));
                return;
            }
        };
        let present = Position::begin(present);
        for neighbour in beside.iter().filter(|one| one.is_rotated && one.is_since(since)) {
            if self.files.len() >= FILES_MAX {
                return;
            }
            if present.is_at(&neighbour.metadata) || self.is_open(&neighbour.metadata) {
                continue;
            }
            if let Err(error) = self.take_up(neighbour, &beside) {
                let is_gone = error.kind() == io::ErrorKind::NotFound;
                let reason = if is_gone { "deleted" } else { "not readable" };
                self.lost(reason, &neighbour.path, Some(&error));
                self.finish(Position::begin(&neighbour.metadata));
            }
        }
    }

    /// Opens one file that had the log's name, unless it was finished.
    fn take_up(&mut self, neighbour: &Neighbour, beside: &[Neighbour]) -> io::Result<()> {
        let mut file = File::open(&neighbour.path)?;
        let metadata = file.metadata()?;
        let finished = self.finished_as(&mut file, &metadata)?;
        if let Some(before) = &neighbour.before {
            let is_being_made = beside.iter().any(|other| other.path == *before);
            if finished.is_none() && !is_being_made && !self.is_known_at(&metadata)? {
                self.lost("compressed", &neighbour.path, None);
                self.give_up(file, &metadata)?;
            }
            return Ok(());
        }
        let is_read = |at: usize| self.finished[at].offset >= metadata.len();
        if finished.is_some_and(is_read) {
            return Ok(());
        }
        let position = finished.and_then(|at| self.finished.remove(at));
        let position = position.unwrap_or_else(|| Position::begin(&metadata));
        self.files.push_back(Open { file, position, quiet: 0 });
        Ok(())
    }

    /// Whether a compressed file is one that is being read or was finished, by the time that it has.
    fn is_known_at(&self, compressed: &Metadata) -> io::Result<bool> {
        let time = modified(compressed);
        for open in &self.files {
            if is_time_of(time, modified(&open.file.metadata()?)) {
                return Ok(true);
            }
        }
        let finished = self.finished.iter().filter_map(|position| position.modified);
        Ok(finished.into_iter().any(|of| is_time_of(time, of)))
    }

    /// Opens the file that was noted as `position`, or a copy that was made of it before it was cut. One
    /// that is not there any more is told; a compressed one that stands for it is taken out of `beside`.
    fn reopen(&mut self, position: Position, beside: &mut Vec<Neighbour>) {
        let mut is_cut = false;
        for neighbour in beside.iter().filter(|one| position.is_at(&one.metadata)) {
            match continued(&position, neighbour) {
                Ok(Some(file)) => {
                    self.files.push_back(Open { file, position, quiet: 0 });
                    return;
                }
                Ok(None) => is_cut = neighbour.path == self.path,
                Err(error) => {
                    self.lost("not readable", &neighbour.path, Some(&error));
                    self.finish(position);
                    return;
                }
            }
        }
        for neighbour in beside.iter() {
            let may_be = neighbour.path == self.path || neighbour.is_rotated;
            if !may_be || neighbour.before.is_some() || self.is_open(&neighbour.metadata) {
                continue;
            }
            // One that cannot be read is told when it is its turn.
            if let Ok(Some(open)) = copied(&position, neighbour) {
                self.files.push_back(open);
                return;
            }
        }
        let compressed = position.modified.and_then(|since| {
            let stands =
                |one: &Neighbour| one.is_rotated && one.before.is_some() && one.is_since(since);
            beside.iter().position(stands)
        });
        if let Some(at) = compressed {
            let neighbour = beside.remove(at);
            self.lost("compressed", &neighbour.path, None);
            let given_up = File::open(&neighbour.path)
                .and_then(|file| self.give_up(file, &neighbour.metadata));
            if let Err(error) = given_up {
                tracing::debug!(path = %neighbour.path.display(), %error, "it is gone as well");
            }
        } else {
            self.lost(if is_cut { "cut" } else { "deleted" }, &self.path, None);
        }
        self.finish(position);
    }

    fn is_open(&self, metadata: &Metadata) -> bool {
        self.files.iter().any(|open| open.position.is_at(metadata))
    }

    /// Which finished file `file` is.
    fn finished_as(&self, file: &mut File, metadata: &Metadata) -> io::Result<Option<usize>> {
        for (at, position) in self.finished.iter().enumerate() {
            if position.is_at(metadata) && position.continues_in(file, metadata)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Remembers a file that is not read, so that it is told once.
    fn give_up(&mut self, mut file: File, metadata: &Metadata) -> io::Result<()> {
        let mut position = Position::begin(metadata);
        position.note(&mut file, metadata)?;
        self.finish(position);
        Ok(())
    }

    fn finish(&mut self, position: Position) {
        self.finished.push_back(position);
        if self.finished.len() > FINISHED_MAX {
            self.finished.pop_front();
        }
    }

    /// Tells that a file may not have been read to its end.
    fn lost(&self, reason: &'static str, path: &Path, error: Option<&io::Error>) {
        let error = error.map(tracing::field::display);
        tracing::warn!(
            path = %path.display(), reason, error,
            "lines of a rotated log may not have been read; hint: let rotation keep a file as it is \
             for longer than the server may be down, as by logrotate's delaycompress"
        );
        self.telemetry.log_lost(reason);
    }
}

/// The file beside the log, where it goes on from `position`.
fn continued(position: &Position, neighbour: &Neighbour) -> io::Result<Option<File>> {
    let mut file = File::open(&neighbour.path)?;
    let metadata = file.metadata()?;
    Ok(position.continues_in(&mut file, &metadata)?.then_some(file))
}

/// The file beside the log, where it is a copy of what was read up to `position`.
fn copied(position: &Position, neighbour: &Neighbour) -> io::Result<Option<Open>> {
    let mut file = File::open(&neighbour.path)?;
    let metadata = file.metadata()?;
    let position = position.in_copy(&mut file, &metadata)?;
    Ok(position.map(|position| Open { file, position, quiet: 0 }))
}

impl Open {
    /// The next whole lines; also one that was not ended, when the file is finished.
    fn read(&mut self, is_finished: bool) -> io::Result<Vec<u8>> {
        let metadata = self.file.metadata()?;
        if self.position.is_at_end(&metadata) {
            // The look at its beginning can wait until there is something to read.
            self.position.modified = Some(modified(&metadata));
            return Ok(Vec::new());
        }
        if !self.position.continues_in(&mut self.file, &metadata)? {
            // It was cut.
            self.position = Position::begin(&metadata);
        }
        self.position.note(&mut self.file, &metadata)?;
        self.file.seek(SeekFrom::Start(self.position.offset))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(READ_BYTES as u64).read_to_end(&mut bytes)?;
        let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if is_finished => bytes.len(),
            None if bytes.len() == LINE_BYTES_MAX => {
                // The decoder refuses it, and counts it; the rest of it too.
                tracing::warn!(bytes = LINE_BYTES_MAX, "a line of a log is too long");
                bytes.len()
            }
            None => 0,
        };
        bytes.truncate(end);
        self.position.offset += end as u64;
        Ok(bytes)
    }
}
