//! Logs that grow, are rotated, and are cut: every whole line is read once.
//!
//! A file is known by its device, its inode and its first bytes, never by its name. A log that is
//! renamed is read to its end, as its writer may go on for a while; then the one that took its name
//! is read from its beginning. After a restart the renamed one is looked for among its neighbours.
//! What a file held when it was cut, and had not been read, is gone.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Context;
use crate::decode::log_codec;
use crate::entry::{Compression, Content, Mark};
use crate::intake::Offer;

/// How often a log is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Looks without growth after which a renamed log is taken to be finished: writers reopen their log
/// within seconds.
const QUIET_LOOKS: u32 = 50;
/// Read at once at most. Bytes.
const READ_BYTES: usize = 1 << 20;
/// The longest line; a longer one is left out and counted. Bytes.
const LINE_BYTES_MAX: usize = READ_BYTES;
/// First bytes that a file is known by, once it has so many.
const HEAD_BYTES: usize = 256;

/// A log to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The log's path; the file may come later.
    pub path: PathBuf,
    /// What its lines are, as `flyball replay --format` names it.
    pub format: String,
    /// The service of lines that name none.
    pub service: Option<String>,
}

/// A log that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TailError {
    /// The option is not in the form `PATH;format=NAME;service=NAME`.
    #[error("`{0}` is no option of a log\nhint: write PATH;format=combined;service=NAME")]
    Option(String),
    /// The format cannot be used.
    #[error("{0}")]
    Format(String),
}

impl std::str::FromStr for Tail {
    type Err = TailError;

    /// Reads `PATH;format=NAME;service=NAME`. The format is `combined` unless told.
    fn from_str(text: &str) -> Result<Self, TailError> {
        let mut parts = text.split(';');
        let path = PathBuf::from(parts.next().unwrap_or_default());
        let (mut format, mut service) = ("combined".to_owned(), None);
        for part in parts {
            match part.split_once('=') {
                Some(("format", name)) => name.clone_into(&mut format),
                Some(("service", name)) if !name.is_empty() => service = Some(name.to_owned()),
                _ => return Err(TailError::Option(part.to_owned())),
            }
        }
        log_codec(&format).map_err(|error| TailError::Format(error.to_string()))?;
        Ok(Self { path, format, service })
    }
}

/// How far a log has been read: the files that are not finished, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    files: VecDeque<Position>,
}

/// How far one file has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    device: u64,
    inode: u64,
    /// The bytes that are done with.
    offset: u64,
    /// A checksum of the first bytes, once there were [`HEAD_BYTES`] of them.
    head: Option<u32>,
}

/// A file that is being read.
#[derive(Debug)]
struct Open {
    file: File,
    position: Position,
    /// Looks since it has grown.
    quiet: u32,
}

impl Tail {
    /// Follows the log until the server goes down.
    pub(super) async fn run(self, context: Context) {
        let name = format!("tail {}", self.path.display());
        let reached = context.mark(&name).await;
        let reached = reached.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let mut follow = Follow { files: reopen(&self.path, reached), path: self.path.clone() };
        loop {
            match follow.look() {
                Ok(Some(lines)) => {
                    let content = Content::AccessLog;
                    let body = Bytes::from(lines);
                    let reached = serde_json::to_string(&follow.reached()).unwrap_or_default();
                    let offer = Offer {
                        service: self.service.clone(),
                        format: Some(self.format.clone()),
                        mark: Some(Mark { source: name.clone(), reached }),
                        ..Offer::new(content, Compression::None, body)
                    };
                    match context.offer(&name, offer).await {
                        None => return,
                        Some(Ok(_)) => {}
                        Some(Err(refusal)) => {
                            tracing::error!(source = name, %refusal, "lines of a log are left out");
                        }
                    }
                }
                Ok(None) => {
                    if context.wait(LOOK).await.is_none() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(source = name, %error, "a log cannot be read");
                    if context.pause().await.is_none() {
                        return;
                    }
                }
            }
        }
    }
}

/// A log and those of its files that are not finished.
#[derive(Debug)]
struct Follow {
    path: PathBuf,
    /// The newest last.
    files: VecDeque<Open>,
}

impl Follow {
    fn reached(&self) -> Reached {
        Reached { files: self.files.iter().map(|open| open.position.clone()).collect() }
    }

    /// The next whole lines, of the oldest file that has any; `None` when there are none now.
    fn look(&mut self) -> io::Result<Option<Vec<u8>>> {
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
        self.files.retain(|open| open.quiet <= QUIET_LOOKS);
        self.files.extend(last);
        Ok(None)
    }

    /// Opens the file that has the log's name now, unless it is known.
    fn meet(&mut self) -> io::Result<()> {
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            // Between renaming and making anew there is none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let is_known = self.files.iter().any(|open| open.position.is_of(&metadata));
        if !is_known {
            let file = File::open(&self.path)?;
            // The name may have gone on to another file meanwhile.
            let position = Position::begin(&file.metadata()?);
            self.files.push_back(Open { file, position, quiet: 0 });
        }
        Ok(())
    }
}

/// Opens the files that were not finished, wherever rotation has put them.
fn reopen(path: &Path, reached: Reached) -> VecDeque<Open> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = std::fs::read_dir(directory.unwrap_or(Path::new(".")));
    let paths: Vec<PathBuf> =
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    let find = |position: Position| {
        let found = paths.iter().find_map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            position.is_of(&metadata).then(|| File::open(path).ok()).flatten()
        });
        if found.is_none() {
            let path = path.display();
            tracing::warn!(%path, "a log was rotated away before it was read to its end");
        }
        Some(Open { file: found?, position, quiet: 0 })
    };
    reached.files.into_iter().filter_map(find).collect()
}

impl Position {
    fn begin(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), offset: 0, head: None }
    }

    fn is_of(&self, metadata: &Metadata) -> bool {
        (self.device, self.inode) == (metadata.dev(), metadata.ino())
    }
}

impl Open {
    /// The next whole lines; also one that was not ended, when the file is finished.
    fn read(&mut self, is_finished: bool) -> io::Result<Vec<u8>> {
        if self.was_cut()? {
            self.position.offset = 0;
            self.position.head = None;
        }
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

    /// Whether the file is shorter than it was, or begins with something else. Notes how it begins.
    fn was_cut(&mut self) -> io::Result<bool> {
        let length = self.file.metadata()?.len();
        if length < self.position.offset {
            return Ok(true);
        }
        if self.position.head.is_some() && self.position.offset == length {
            // Nothing to read: the look at its beginning can wait until there is.
            return Ok(false);
        }
        let mut head = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        (&mut self.file).take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        if head.len() < HEAD_BYTES {
            return Ok(false);
        }
        let head = crc32c::crc32c(&head);
        Ok(self.position.head.replace(head).is_some_and(|before| before != head))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    struct Log {
        directory: tempfile::TempDir,
    }

    impl Log {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap() }
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("access.log")
        }

        fn open(&self) -> File {
            File::options().create(true).append(true).open(self.path()).unwrap()
        }

        fn follow(&self, reached: Reached) -> Follow {
            Follow { path: self.path(), files: reopen(&self.path(), reached) }
        }
    }

    /// Everything that is there until a log is quiet for as long as rotation may take.
    fn all(follow: &mut Follow) -> String {
        let mut text = String::new();
        for _ in 0..2 * QUIET_LOOKS {
            while let Some(lines) = follow.look().unwrap() {
                text += &String::from_utf8(lines).unwrap();
            }
        }
        text
    }

    #[test]
    fn lines_are_read_when_they_are_whole() {
        let log = Log::new();
        let mut follow = log.follow(Reached::default());
        assert_eq!(follow.look().unwrap(), None, "the file comes later");
        let mut file = log.open();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(all(&mut follow), "one\n");
        file.write_all(b"o\n").unwrap();
        assert_eq!(all(&mut follow), "two\n");
    }

    #[test]
    fn a_renamed_log_is_read_to_its_end_before_and_after_a_restart() {
        for restarts in [false, true] {
            let log = Log::new();
            let mut before = log.open();
            before.write_all(b"a\nb").unwrap();
            let mut follow = log.follow(Reached::default());
            assert_eq!(follow.look().unwrap().unwrap(), b"a\n");
            std::fs::rename(log.path(), log.directory.path().join("access.log.1")).unwrap();
            let mut after = log.open();
            after.write_all(b"x\n").unwrap();
            before.write_all(b"b\nc").unwrap();
            if restarts {
                follow = log.follow(follow.reached());
            }
            let read = all(&mut follow);
            let mut lines: Vec<&str> = read.split('\n').collect();
            lines.sort_unstable();
            assert_eq!(lines.concat(), "bbcx", "{read:?}");
            assert_eq!(follow.files.len(), 1, "the old one is done with");
        }
    }

    #[test]
    fn a_log_that_was_cut_is_read_from_its_beginning() {
        let log = Log::new();
        let mut follow = log.follow(Reached::default());
        let line = |text: &str| format!("{text}{}\n", "-".repeat(HEAD_BYTES));
        log.open().write_all(line("old").as_bytes()).unwrap();
        assert_eq!(all(&mut follow), line("old"));
        // Shorter than before.
        std::fs::write(log.path(), "new\n").unwrap();
        assert_eq!(all(&mut follow), "new\n");
        // Longer than before, and another beginning.
        std::fs::write(log.path(), line("first")).unwrap();
        let mut follow = log.follow(Reached::default());
        assert_eq!(all(&mut follow), line("first"));
        let grown = line("again") + &line("and again");
        std::fs::write(log.path(), &grown).unwrap();
        assert_eq!(all(&mut follow), grown);
    }
}
