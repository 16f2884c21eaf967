//! The list of the files that count: `docs/format/segment-v1.md`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Hour, SegmentError};

/// The format's name and version.
const SCHEMA: &str = "flyball.dev/segment/v1";
/// The manifest's file.
pub(crate) const FILE: &str = "manifest.json";
/// What it is written to before it takes the place of the one that counts.
pub(crate) const FILE_NEW: &str = "manifest.json.new";
/// The longest manifest that is read. Bytes; about 400,000 files.
const BYTES_MAX: u64 = 64 << 20;

/// One file that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFile {
    /// Its name in the directory.
    pub name: String,
    /// The hour of all its events.
    pub hour: Hour,
    /// The first journal entry that may have events in it.
    pub from: u64,
    /// The last one.
    pub through: u64,
    /// Its events.
    pub rows: u64,
    /// Its length. Bytes.
    pub bytes: u64,
    /// What its events take in memory when they are read. Bytes.
    pub memory: u64,
    /// The CRC-32C of its bytes.
    pub crc32c: u32,
}

/// What counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) form: String,
    /// The last journal entry before the first whose events were stored.
    pub(crate) after: u64,
    /// The last journal entry whose events are stored.
    pub(crate) through: u64,
    /// The number of the next file.
    pub(crate) next: u64,
    /// Hours before this one may have been deleted by age or size.
    pub(crate) kept_from: Option<Hour>,
    /// By hour.
    pub(crate) files: Vec<SegmentFile>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            form: SCHEMA.to_owned(),
            after: 0,
            through: 0,
            next: 1,
            kept_from: None,
            files: Vec::new(),
        }
    }
}

impl Manifest {
    /// The manifest in `directory`; an empty one where there is none.
    pub(crate) fn read(directory: &Path) -> Result<Self, SegmentError> {
        let path = directory.join(FILE);
        let length = match fs::metadata(&path) {
            Ok(file) => file.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(SegmentError::io("read", &path)(error)),
        };
        if length > BYTES_MAX {
            return Err(SegmentError::damaged(&path, "it is too long"));
        }
        let bytes = fs::read(&path).map_err(SegmentError::io("read", &path))?;
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| SegmentError::damaged(&path, error))?;
        if manifest.form != SCHEMA {
            return Err(SegmentError::Form { path, form: manifest.form });
        }
        Ok(manifest)
    }

    /// What the file says.
    pub(crate) fn text(&self) -> Vec<u8> {
        // Numbers and texts always have a form.
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// Writes `text` beside the manifest in `directory`, to take its place by [`replace`]; on disk when this
/// returns.
pub(crate) fn prepare(directory: &Path, text: &[u8]) -> Result<(), SegmentError> {
    let new = directory.join(FILE_NEW);
    crate::create_file(&new)
        .and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()))
        .map_err(SegmentError::io("write", &new))
}

/// Makes what was prepared the manifest in `directory`; on disk when this returns.
pub(crate) fn replace(directory: &Path) -> Result<(), SegmentError> {
    let (new, path) = (directory.join(FILE_NEW), directory.join(FILE));
    fs::rename(&new, &path).map_err(SegmentError::io("replace", &path))?;
    sync(directory)
}

/// Makes the disk keep which names are in the directory.
pub(crate) fn sync(directory: &Path) -> Result<(), SegmentError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(SegmentError::io("sync the directory", directory))
}
