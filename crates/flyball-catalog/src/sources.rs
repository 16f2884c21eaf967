//! Documents from files and directories.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use flyball_spec::Source;

/// Endings of files that are taken from a directory.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// What every data directory of a server holds, by the names in it.
const DATA: [&str; 2] = ["journal", "ledger.sqlite"];

/// Why documents cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// The system refused.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A directory without any document.
    #[error("no documents in {path}\nhint: SLO documents end in .yaml, .yml or .json")]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// A document that is no text.
    #[error("{name}:{line}: not UTF-8\nhint: save the document as UTF-8")]
    NotUtf8 {
        /// The document's name.
        name: String,
        /// The line, counted from 1.
        line: usize,
    },
}

/// Reads the documents under `paths`: files as they are named, directories with all their YAML and
/// JSON files below, in the order of their paths, each once. What a server keeps in a data directory below
/// is no document.
///
/// # Errors
///
/// A path that cannot be read, or a directory without any document.
pub fn read_sources(paths: &[PathBuf]) -> Result<Vec<Source>, SourcesError> {
    let mut files = BTreeSet::new();
    for path in paths {
        if std::fs::metadata(path).map_err(cannot_read(path))?.is_dir() {
            let before = files.len();
            collect(path, &mut files)?;
            if files.len() == before {
                return Err(SourcesError::Empty { path: path.clone() });
            }
        } else {
            files.insert(path.clone());
        }
    }
    let read = |file: PathBuf| {
        let bytes = std::fs::read(&file).map_err(cannot_read(&file))?;
        source(file.display().to_string(), bytes)
    };
    files.into_iter().map(read).collect()
}

/// The document `name` with the content `bytes`.
///
/// # Errors
///
/// [`SourcesError::NotUtf8`].
pub fn source(name: String, bytes: Vec<u8>) -> Result<Source, SourcesError> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].split(|b| *b == b'\n').count();
            Err(SourcesError::NotUtf8 { name, line })
        }
    }
}

fn collect(directory: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), SourcesError> {
    for entry in std::fs::read_dir(directory).map_err(cannot_read(directory))? {
        let path = entry.map_err(cannot_read(directory))?.path();
        // Links to directories are not followed, so a loop of them cannot trap us.
        if path.is_dir() && !path.is_symlink() {
            if !is_data(&path) {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|e| ENDINGS.iter().any(|known| e == *known)) {
            files.insert(path);
        }
    }
    Ok(())
}

/// Whether a server keeps its data in `directory`.
fn is_data(directory: &Path) -> bool {
    DATA.iter().all(|name| directory.join(name).exists())
}

fn cannot_read(path: &Path) -> impl FnOnce(io::Error) -> SourcesError + use<> {
    let path = path.to_owned();
    move |cause| SourcesError::Read { path, cause }
}
