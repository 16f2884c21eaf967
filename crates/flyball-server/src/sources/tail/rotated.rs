//! The files beside a log, and which of them had its name before.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use super::position::modified;

/// How names end of what was compressed.
const COMPRESSED: [&str; 8] = [".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".Z", ".zip"];

/// A file in the directory of a log.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
    /// Whether its name is the log's with what rotation adds to it.
    pub(super) is_rotated: bool,
    /// The path that it had before it was compressed; `None` for one that is not.
    pub(super) before: Option<PathBuf>,
}

impl Neighbour {
    /// Whether it was written to at `time` or later; for one that is compressed the second is enough.
    pub(super) fn is_since(&self, time: i64) -> bool {
        let unit = if self.before.is_some() { 1_000_000_000 } else { 1 };
        modified(&self.metadata).div_euclid(unit) >= time.div_euclid(unit)
    }
}

/// The files in the directory of the log `path`, the log among them, those first that were written to
/// first.
pub(super) fn neighbours(path: &Path) -> io::Result<Vec<Neighbour>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let log = path.file_name().unwrap_or_default().to_string_lossy();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory.unwrap_or(Path::new(".")))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // It may be gone already.
        let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
        if !metadata.is_file() {
            continue;
        }
        let plain = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending));
        let added = plain.unwrap_or(&name).strip_prefix(&*log);
        found.push(Neighbour {
            is_rotated: added.is_some_and(is_of_rotation),
            before: plain.map(|plain| entry.path().with_file_name(plain)),
            path: entry.path(),
            metadata,
        });
    }
    found.sort_by_key(|neighbour| modified(&neighbour.metadata));
    Ok(found)
}

/// The log `path` without its neighbours, where they cannot be listed; nothing where there is none.
pub(super) fn alone(path: &Path) -> Vec<Neighbour> {
    let log =
        |metadata| Neighbour { path: path.to_owned(), metadata, is_rotated: false, before: None };
    std::fs::metadata(path).map(log).into_iter().collect()
}

/// Whether rotation adds `text` to a log's name: a number or a time after a sign, or `.old`. Anything
/// else is taken to be another log, such as `access.log.json`.
fn is_of_rotation(text: &str) -> bool {
    let number = text.strip_prefix(['.', '-', '_']);
    text == ".old" || number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_alone_is_as_among_its_neighbours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        assert!(alone(&path).is_empty());
        std::fs::write(&path, "a\n").unwrap();
        std::fs::write(directory.path().join("access.log.1"), "b\n").unwrap();
        let beside = neighbours(&path).unwrap();
        let found = beside.iter().find(|one| one.path == path).unwrap();
        let [log] = &alone(&path)[..] else { panic!("it is alone") };
        assert_eq!(
            (&log.path, log.is_rotated, &log.before),
            (&found.path, found.is_rotated, &None)
        );
        assert!(beside.iter().any(|one| one.is_rotated));
    }

    #[test]
    fn names_of_rotation_are_told_from_other_logs() {
        for name in [".1", ".10", "-20261122", "-2026-11-22T10:00", "_3", ".old"] {
            assert!(is_of_rotation(name), "{name}");
        }
        for name in ["", ".json", "1", "-errors", ".", ".older", "~"] {
            assert!(!is_of_rotation(name), "{name}");
        }
    }
}
