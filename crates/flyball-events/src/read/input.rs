//! Where bytes come from: files, standard input, and what they are compressed with.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use super::error::EventsError;

/// Compressed bytes that are read at once.
const COMPRESSED_BUFFER_BYTES: usize = 256 << 10;

/// One thing to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file, pipe or device.
    File(PathBuf),
}

impl Input {
    /// The name shown: the path as given, `-` for standard input.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Stdin => PathBuf::from("standard input"),
            Self::File(path) => path.clone(),
        }
    }

    /// The same for every path to a file.
    fn canonical(&self) -> Self {
        match self {
            Self::Stdin => Self::Stdin,
            // What has no other name, such as a pipe, or is not there, keeps its own.
            Self::File(path) => Self::File(path.canonicalize().unwrap_or_else(|_| path.clone())),
        }
    }

    /// The system's `source` as an error of this input.
    pub(super) fn error(&self, source: io::Error) -> EventsError {
        EventsError::Io { path: self.path(), source }
    }

    /// The size of a regular file.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => {
                let metadata = std::fs::metadata(path).ok()?;
                metadata.is_file().then_some(metadata.len())
            }
        }
    }
}

/// The inputs that some patterns name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// Each once, under the name that came first.
    pub inputs: Vec<Input>,
    /// Those that were named again, under the same or another name.
    pub repeated: Vec<Input>,
}

/// The inputs that `patterns` name, each once, in the order of the patterns. Two paths to the same
/// file are one input.
///
/// A pattern is `-` (standard input), a path, or a glob (`logs/*.gz`, `**` for any depth), whose
/// files come sorted by path. A directory stands for the files directly in it but hidden ones.
///
/// # Errors
///
/// [`EventsError`] for a pattern that names nothing or is malformed, for a directory that cannot be
/// listed, and for no patterns at all.
pub fn expand<S: AsRef<str>>(patterns: &[S]) -> Result<Expanded, EventsError> {
    let mut expanded = Expanded::default();
    let mut seen = std::collections::HashSet::new();
    for pattern in patterns {
        for input in expand_one(pattern.as_ref())? {
            // Overlapping patterns must not count an event twice.
            let is_new = seen.insert(input.canonical());
            if is_new { &mut expanded.inputs } else { &mut expanded.repeated }.push(input);
        }
    }
    if expanded.inputs.is_empty() { Err(EventsError::NoInput) } else { Ok(expanded) }
}

fn expand_one(pattern: &str) -> Result<Vec<Input>, EventsError> {
    if pattern == "-" {
        return Ok(vec![Input::Stdin]);
    }
    let path = Path::new(pattern);
    let no_match = || EventsError::NoMatch { pattern: pattern.to_owned() };
    if path.is_dir() {
        let io = |source| EventsError::Io { path: path.to_owned(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && entry.path().is_file() {
                files.push(Input::File(entry.path()));
            }
        }
        files.sort();
        return if files.is_empty() { Err(no_match()) } else { Ok(files) };
    }
    // A file may be called `a[1].log`, so what exists is not read as a pattern.
    if path.exists() {
        return Ok(vec![Input::File(path.to_owned())]);
    }
    let paths = glob::glob(pattern)
        .map_err(|error| EventsError::Pattern { pattern: pattern.to_owned(), reason: error.msg })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            EventsError::Io { path, source: error.into() }
        })?;
        if !path.is_dir() {
            files.push(Input::File(path));
        }
    }
    files.sort();
    if files.is_empty() { Err(no_match()) } else { Ok(files) }
}

/// What an input is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// Gzip, of one or more members.
    Gzip,
    /// Zstandard, of one or more frames.
    Zstd,
}

/// What is known of an input while it is read.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Bytes that came from the system.
    pub(super) bytes_read: AtomicU64,
    /// Bytes after decompression.
    pub(super) bytes_decoded: AtomicU64,
    /// Whether the system, not the content, failed.
    failed: AtomicBool,
}

impl Meter {
    /// Whether `error` came from damaged content rather than from the system.
    pub(super) fn is_damage(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }
}

/// An input opened and decompressed.
pub(super) struct Opened {
    pub(super) reader: Box<dyn Read + Send>,
    pub(super) compression: Compression,
    pub(super) meter: Arc<Meter>,
}

/// Opens `input` and finds its compression by its first bytes, whatever its name says.
pub(super) fn open(input: &Input) -> io::Result<Opened> {
    let raw: Box<dyn Read + Send> = match input {
        Input::Stdin => Box::new(io::stdin()),
        Input::File(path) => Box::new(File::open(path)?),
    };
    let meter = Arc::new(Meter::default());
    let mut raw = Metered { reader: raw, meter: Arc::clone(&meter) };
    let mut head = vec![0; 4];
    let len = read_full(&mut raw, &mut head)?;
    head.truncate(len);
    let compression = match *head {
        [0x1F, 0x8B, ..] => Compression::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD] => Compression::Zstd,
        _ => Compression::None,
    };
    let raw = Cursor::new(head).chain(raw);
    let reader: Box<dyn Read + Send> = match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => {
            let raw = BufReader::with_capacity(COMPRESSED_BUFFER_BYTES, raw);
            Box::new(Gzip { member: Some(GzDecoder::new(raw)), meter: Arc::clone(&meter) })
        }
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(raw)?),
    };
    Ok(Opened { reader, compression, meter })
}

/// Reads until `buffer` is full or the input ends; answers how much was read.
pub(super) fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match reader.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

/// Bytes after a gzip member that begin no other.
#[derive(Debug, thiserror::Error)]
#[error("from byte {at} on it is no gzip")]
pub(super) struct Trailing {
    /// The first of them, from 1.
    at: u64,
}

/// Members of gzip, one after the other; what else follows them is told from damage.
struct Gzip<R> {
    /// The member being read; there is always one between two calls.
    member: Option<GzDecoder<BufReader<R>>>,
    meter: Arc<Meter>,
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let raw = member.get_mut();
            match raw.fill_buf()? {
                [] => return Ok(0),
                [0x1F, ..] => {}
                rest => {
                    let rest = rest.len() as u64;
                    let at = self.meter.bytes_read.load(Ordering::Relaxed) - rest + 1;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, Trailing { at }));
                }
            }
            self.member = self.member.take().map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(0)
    }
}

/// Counts what comes from the system and whether it fails.
struct Metered {
    reader: Box<dyn Read + Send>,
    meter: Arc<Meter>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(buffer) {
            Ok(read) => {
                self.meter.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
                Ok(read)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.meter.failed.store(true, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }
}
