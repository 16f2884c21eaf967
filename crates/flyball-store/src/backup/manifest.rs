//! The list of a backup's files with their digests: `docs/format/backup-v1.md`. It is what
//! `sha256sum -c` reads.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{JOURNAL, SEGMENTS};
use crate::{StoreError, control, directory, hex, ledger};

/// The list's file.
const FILE: &str = "backup.sha256";

/// The format's name and version, as the first line has it.
const SCHEMA: &str = "flyball.dev/backup/v1";

/// The longest list that is read. Bytes; 150,000 files.
const BYTES_MAX: u64 = 16 << 20;

/// What is read at once.
const BLOCK_BYTES: usize = 1 << 18;

/// What a backup made of the data directory at `path` consists of, by its parts' names.
pub(super) fn listed(path: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = vec![control::FILE.to_owned(), ledger::FILE.to_owned()];
    let journal = path.join(JOURNAL);
    names.extend(files_in(&journal)?.into_iter().map(|name| format!("{JOURNAL}/{name}")));
    let segments = path.join(SEGMENTS);
    if segments.is_dir() {
        names.extend(files_in(&segments)?.into_iter().map(|name| format!("{SEGMENTS}/{name}")));
    }
    names.sort_unstable();
    Ok(names)
}

/// The names of everything in a directory.
fn files_in(path: &Path) -> Result<Vec<String>, StoreError> {
    let cannot = || StoreError::io("list", path);
    fs::read_dir(path)
        .map_err(cannot())?
        .map(|entry| Ok(entry.map_err(cannot())?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Writes the list for the files in `path`; on disk when this returns.
pub(super) fn write(path: &Path) -> Result<(), StoreError> {
    let mut text = format!("# {SCHEMA}\n");
    for name in listed(path)? {
        let digest = digest(&path.join(&name))?;
        text.extend([digest.as_str(), "  ", name.as_str(), "\n"]);
    }
    let at = path.join(FILE);
    directory::create_new(&at)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(StoreError::io("write", &at))
}

/// Compares the files in `path` with the list, and that there are no others.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let mut others = files_in(path)?;
    others.retain(|name| {
        ![FILE, JOURNAL, SEGMENTS, control::FILE, ledger::FILE].contains(&name.as_str())
    });
    if let Some(file) = others.pop() {
        return Err(broken(path, file, "is not a part of it, or somebody has opened it"));
    }
    compare(path, path)
}

/// Compares the files in `path` with the list of the backup in `backup`.
pub(super) fn compare(backup: &Path, path: &Path) -> Result<(), StoreError> {
    let mut expected = read(backup)?;
    for name in listed(path)? {
        let Some(digest) = expected.remove(&name) else {
            return Err(broken(backup, name, "is not a part of it"));
        };
        let at = path.join(&name);
        if !at.is_file() {
            return Err(broken(backup, name, "is missing"));
        }
        if self::digest(&at)? != digest {
            return Err(broken(backup, name, "is not as it was written"));
        }
    }
    match expected.pop_first() {
        Some((name, _)) => Err(broken(backup, name, "is missing")),
        None => Ok(()),
    }
}

/// The digests in the list, by name.
fn read(backup: &Path) -> Result<BTreeMap<String, String>, StoreError> {
    let wrong = |what| broken(backup, FILE.to_owned(), what);
    let at = backup.join(FILE);
    let file = File::open(&at).map_err(StoreError::io("read", &at))?;
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(StoreError::io("read", &at))?;
    let mut lines = text.lines();
    let format = lines.next().and_then(|line| line.strip_prefix("# "));
    match format {
        Some(SCHEMA) => {}
        Some(found) if found.starts_with("flyball.dev/backup/") => {
            return Err(StoreError::Format { path: at, found: found.to_owned(), known: SCHEMA });
        }
        _ => return Err(wrong("does not begin as such a list does")),
    }
    let mut digests = BTreeMap::new();
    for line in lines {
        let Some((digest, name)) = line.split_once("  ") else {
            return Err(wrong("has a line without a digest"));
        };
        if digests.insert(name.to_owned(), digest.to_owned()).is_some() {
            return Err(wrong("names a file twice"));
        }
    }
    Ok(digests)
}

/// SHA-256 of a file, as lowercase hexadecimal digits.
fn digest(path: &Path) -> Result<String, StoreError> {
    let cannot = || StoreError::io("read", path);
    let mut file = File::open(path).map_err(cannot())?;
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let length = file.read(&mut block).map_err(cannot())?;
        if length == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&block[..length]);
    }
}

fn broken(path: &Path, file: String, what: &'static str) -> StoreError {
    StoreError::BackupBroken { path: path.to_owned(), file, what }
}
