//! What can go wrong with what is on disk, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Sequence;

/// Why the store cannot do what was asked.
///
/// It can be cloned because one failed write is the answer to everybody who waited for it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The data directory is open already.
    #[error(
        "{path} is in use by another process; stop that one, or give this one a data directory of \
         its own", path = path.display()
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// A directory to fill has something in it.
    #[error("{path} is not empty; name a directory that is, or is not there yet", path = path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A directory was being filled with a copy when that ended.
    #[error(
        "{path} is being filled, or that was not finished; when nobody is at it any more, delete it \
         and make the copy again", path = path.display()
    )]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// A backup is not as it was written.
    #[error("the backup in {path} cannot be used: {file} {what}; use another one", path = path.display())]
    BackupBroken {
        /// The directory of the backup.
        path: PathBuf,
        /// The file in it.
        file: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The system refused an operation on a file.
    #[error("cannot {doing} {path}: {cause}", path = path.display())]
    Io {
        /// What was tried, as in "cannot … the file".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        cause: Arc<io::Error>,
    },
    /// A file does not hold what was written to it.
    #[error(
        "{path} is damaged at byte {offset}: {what}; nothing was changed: restore the file from a \
         copy, or move the whole data directory away and begin a new one", path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the first thing that cannot be right begins, in bytes from the file's start.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A file was written in a format that this version does not know.
    #[error(
        "{path} is written in the format `{found}`, and this version knows `{known}`; use the \
         version of Flyball that wrote it, or a newer one", path = path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format it names.
        found: String,
        /// The format that can be read.
        known: &'static str,
    },
    /// Entries that must be there are not.
    #[error(
        "the journal in {path} lacks the entries {from} to {to}; restore its files from a copy, or \
         move the whole data directory away and begin a new one", path = path.display()
    )]
    Missing {
        /// The directory of the journal.
        path: PathBuf,
        /// The first entry that is not there.
        from: Sequence,
        /// The last entry that is not there.
        to: Sequence,
    },
    /// Too much waits to be written. Nothing was appended; the same entry may be offered again
    /// later.
    #[error(
        "the journal is busy: {entries} entries of {bytes} bytes wait to be written; retry later"
    )]
    Busy {
        /// Entries that wait, those being written included.
        entries: usize,
        /// Their payloads together.
        bytes: usize,
    },
    /// An entry is larger than the journal takes.
    #[error(
        "an entry of {bytes} bytes is more than the {most} that the journal takes; send less at once"
    )]
    TooLarge {
        /// The payload of the entry.
        bytes: usize,
        /// The most a payload may have.
        most: usize,
    },
    /// An entry could not be written and is not in the journal; later ones may be.
    #[error("the entry was not written to {path}: {cause}; make room on the disk, then retry", path = path.display())]
    NotWritten {
        /// The file that it was for.
        path: PathBuf,
        /// What the system said.
        cause: Arc<io::Error>,
    },
    /// The disk did not confirm a write. After that, what a file reads as is not what the disk
    /// holds, so that nothing more is written until the journal is opened again.
    ///
    /// An entry that is answered so may or may not be in the journal then.
    #[error(
        "the journal is closed because the disk did not confirm a write to {path}: {cause}; check the \
         disk, then restart", path = path.display()
    )]
    Poisoned {
        /// The file that was written.
        path: PathBuf,
        /// What the system said.
        cause: Arc<io::Error>,
    },
    /// The journal was closed.
    #[error("the journal is closed; nothing more can be appended")]
    Closed,
    /// Entries that are no longer kept were asked for.
    #[error("entry {asked} is no longer kept: the journal begins with {first}")]
    Released {
        /// The first entry that was asked for.
        asked: Sequence,
        /// The first entry that is kept.
        first: Sequence,
    },
    /// SQLite refused an operation on the ledger or the control state.
    #[error("cannot {doing} {path}: {cause}", path = path.display())]
    Sqlite {
        /// What was tried, as in "cannot … the ledger".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        cause: Arc<rusqlite::Error>,
    },
    /// The file system cannot do what SQLite needs here.
    #[error(
        "{path} cannot have a write-ahead log, for which processes must share memory through the \
         file system; keep the data directory on a local disk", path = path.display()
    )]
    NoWal {
        /// The file.
        path: PathBuf,
    },
    /// A chunk of the ledger does not hold what was written.
    #[error(
        "the tallies of {of} in {path} are damaged: {what}; restore the file from a copy",
        path = path.display()
    )]
    DamagedChunk {
        /// The ledger's file.
        path: PathBuf,
        /// Whose tallies, and when.
        of: String,
        /// What is wrong with them.
        what: &'static str,
    },
    /// A value in the ledger is not what was written.
    #[error(
        "the value under `{key}` in {path} is damaged: the checksum does not fit; restore the file \
         from a copy", path = path.display()
    )]
    DamagedValue {
        /// The ledger's file.
        path: PathBuf,
        /// The value's key, with bytes that cannot be shown escaped.
        key: String,
    },
    /// A commit does not go on where the ledger stands. Its entries were counted already, or some
    /// before them were not.
    #[error(
        "the ledger stands at entry {ledger}, and the commit covers {after} (exclusive) to \
         {through}; read the ledger's position and count from there"
    )]
    Position {
        /// The ledger's position.
        ledger: Sequence,
        /// The position that the commit follows.
        after: Sequence,
        /// The last entry of the commit.
        through: Sequence,
    },
    /// An idempotency key was used before, so that its entry must not be counted.
    #[error("the idempotency key `{key}` was used before; leave its entry out of the counts")]
    KeyUsed {
        /// The key, with bytes that cannot be shown escaped.
        key: String,
    },
    /// Something is longer than what is kept of its kind.
    #[error("{what} of {length} {unit} is more than the {most} that are kept; use a shorter one")]
    TooLong {
        /// What it is, with its article.
        what: &'static str,
        /// Its length.
        length: usize,
        /// In what that is counted: bytes, characters.
        unit: &'static str,
        /// The most it may have.
        most: usize,
    },
    /// A slot would count more events than it can.
    #[error("a slot of {of} would count more than {most} events; nothing was added")]
    Overflow {
        /// Whose slot, and when.
        of: String,
        /// The most it can.
        most: u64,
    },
    /// Entries that are not counted yet were to be deleted.
    #[error(
        "entry {asked} is not counted yet, the ledger stands at {counted}; nothing was deleted"
    )]
    NotCounted {
        /// The last entry that was to be released.
        asked: Sequence,
        /// The ledger's position.
        counted: Sequence,
    },
    /// A number was used that this ledger did not give out.
    #[error("there is no {what} {id} in this ledger")]
    Unknown {
        /// What it should be.
        what: &'static str,
        /// The number.
        id: i64,
    },
    /// Something has a value that it cannot have.
    #[error("{what} `{value}` {why}")]
    Invalid {
        /// What it is, with its article.
        what: &'static str,
        /// The value.
        value: String,
        /// Why it cannot have that.
        why: &'static str,
    },
    /// More than are kept were to be kept.
    #[error("more than the {most} {what} that are kept; remove some first")]
    TooMany {
        /// What they are.
        what: &'static str,
        /// The most there may be.
        most: usize,
    },
    /// Something new is there already.
    #[error("a {what} `{name}` is there already, or one with the same secret; choose another")]
    Exists {
        /// What it is.
        what: &'static str,
        /// What it is called.
        name: String,
    },
    /// The audit log is not as it was written.
    #[error(
        "the audit log in {path} is not as it was written: record {number}: {what}; compare it with \
         a copy", path = path.display()
    )]
    AuditBroken {
        /// The file.
        path: PathBuf,
        /// The first record that does not continue the log.
        number: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An option has a value that cannot work.
    #[error("the journal's {option} cannot be {value}; it must be {range}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// The value given.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
}

impl StoreError {
    /// For `map_err`: the system refused to `doing` the file at `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { doing, path, cause: Arc::new(cause) }
    }

    /// Refuses what has more bytes than are kept of its kind.
    pub(crate) fn check_length(what: &'static str, bytes: usize, most: usize) -> Result<(), Self> {
        if bytes <= most {
            return Ok(());
        }
        Err(Self::TooLong { what, length: bytes, unit: "bytes", most })
    }

    pub(crate) fn damaged(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), offset, what: what.into() }
    }
}
