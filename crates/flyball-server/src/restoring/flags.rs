//! Files of flags that flagd reads: those below one directory, and no others.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flyball_connect::restore::switch_off;
use flyball_govern::restore::Edit;

/// The largest file. Bytes; thousands of flags have less.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A flag, and what it is switched off by.
#[derive(Debug, Clone)]
pub(super) struct Switch {
    /// The file, below the directory.
    pub(super) file: String,
    /// The flag.
    pub(super) flag: String,
    /// The variant that is off; found among the variants unless told.
    pub(super) off: Option<String>,
}

/// Why a flag is not switched off.
#[derive(Debug)]
pub(super) enum FlagsError {
    /// It may be later.
    Later(String),
    /// It will not be: the file, the flag or the action is wrong.
    Refused(String),
}

impl FlagsError {
    /// What is wrong.
    pub(super) fn problem(self) -> String {
        match self {
            Self::Later(problem) | Self::Refused(problem) => problem,
        }
    }
}

/// The directory with files of flags.
#[derive(Debug, Clone, Default)]
pub(super) struct FlagFiles {
    directory: Option<PathBuf>,
    /// Held by whoever reads a file in order to write it.
    writing: Arc<Mutex<()>>,
}

impl FlagFiles {
    /// The files below `directory`; there are none without it.
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, writing: Arc::default() }
    }

    /// What switching the flag off would change. It waits for a disk.
    ///
    /// # Errors
    ///
    /// [`FlagsError`].
    pub(super) fn plan(&self, switch: &Switch) -> Result<Vec<Edit>, FlagsError> {
        let (_, text) = self.read(&switch.file)?;
        Ok(switched(switch, &text)?.1)
    }

    /// Switches the flag off, on disk when this returns. Where it is off, nothing is written.
    ///
    /// # Errors
    ///
    /// [`FlagsError`]; the file is as it was.
    pub(super) fn switch_off(&self, switch: &Switch) -> Result<(), FlagsError> {
        // Whoever panicked has renamed a whole file, or none.
        let _held = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (path, before) = self.read(&switch.file)?;
        let (after, edits) = switched(switch, &before)?;
        if edits.is_empty() {
            return Ok(());
        }
        let cannot = |error: io::Error| later(&switch.file, "be written", &error);
        replace(&path, &before, &after).map_err(cannot)
    }

    /// The file behind all links, and its text. Links may lead to other files below the directory, as those of
    /// mounted configuration do, and to none outside.
    fn read(&self, name: &str) -> Result<(PathBuf, String), FlagsError> {
        let Some(directory) = &self.directory else {
            let said = format!(
                "the flag file {name} cannot be read: the server has no --flag-files directory; hint: start it \
                 with one"
            );
            return Err(FlagsError::Refused(said));
        };
        let cannot = |error: io::Error| later(name, "be read", &error);
        let directory = fs::canonicalize(directory).map_err(cannot)?;
        let path = fs::canonicalize(directory.join(name)).map_err(cannot)?;
        if !path.starts_with(&directory) {
            let said = format!(
                "the flag file {name} lies outside of --flag-files; hint: links must not lead out of it"
            );
            return Err(FlagsError::Refused(said));
        }
        let mut text = String::new();
        let file = File::open(&path).map_err(cannot)?;
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(cannot)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            let said = format!(
                "the flag file {name} has more than {FILE_BYTES_MAX} bytes; hint: split it"
            );
            return Err(FlagsError::Refused(said));
        }
        Ok((path, text))
    }
}

fn switched(switch: &Switch, text: &str) -> Result<(String, Vec<Edit>), FlagsError> {
    let Switch { file, flag, off } = switch;
    let done = switch_off(text, flag, off.as_deref());
    let done =
        done.map_err(|error| FlagsError::Refused(format!("the flag file {file}: {error}")))?;
    Ok((done.text, done.edits))
}

fn later(file: &str, what: &str, error: &io::Error) -> FlagsError {
    let said = format!(
        "the flag file {file} cannot {what}: {error}; hint: it must lie below --flag-files, and the server may \
         write there"
    );
    FlagsError::Later(said)
}

/// Puts `after` in the place of the file at `path`, whole or not at all, with the file's permissions. Fails when it is
/// not `before` any more.
fn replace(path: &Path, before: &str, after: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.flyball"));
    // What a crash has left. It is made anew, so that no link in its place is followed.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let known = fs::metadata(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    give(&file, &known).inspect_err(|_| _ = fs::remove_file(&beside))?;
    file.set_permissions(known.permissions())?;
    file.write_all(after.as_bytes())?;
    file.sync_all()?;
    if fs::read_to_string(path)? != before {
        fs::remove_file(&beside)?;
        return Err(io::Error::other("somebody else has changed it at the same moment"));
    }
    fs::rename(&beside, path)?;
    let directory = path.parent().unwrap_or(path);
    File::open(directory)?.sync_all()
}

/// Gives `file` to the owner and the group of the file that is `known`, or to the group alone where the system lets nobody
/// else give files away: whoever could read it can read it still.
fn give(file: &File, known: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (known.uid(), known.gid()) {
        return Ok(());
    }
    fchown(file, Some(known.uid()), Some(known.gid()))
        .or_else(|_| fchown(file, None, Some(known.gid())))
        .map_err(|error| {
            let said = format!("cannot be given to its group: {error}; hint: add the server to it");
            io::Error::new(error.kind(), said)
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const FLAGS: &str = r#"{"flags": {"cart": {"state": "ENABLED", "variants": {"on": true, "off": false},
        "defaultVariant": "on"}}, "other": 1}"#;

    fn switch(file: &str, flag: &str) -> Switch {
        Switch { file: file.to_owned(), flag: flag.to_owned(), off: None }
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_permissions_and_links() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("flags.json");
        fs::write(&path, FLAGS).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("flags.json", home.path().join("link.json")).unwrap();
        fs::write(home.path().join(".flags.json.flyball"), "half of").unwrap();
        let files = FlagFiles::new(Some(home.path().to_owned()));
        assert_eq!(files.plan(&switch("flags.json", "cart")).unwrap().len(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), FLAGS, "a plan changes nothing");
        files.switch_off(&switch("link.json", "cart")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            FLAGS.replace("\"defaultVariant\": \"on\"", "\"defaultVariant\": \"off\"")
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(home.path().join("link.json")).unwrap().is_symlink());
        let names = fs::read_dir(home.path()).unwrap().count();
        assert_eq!(names, 2, "nothing is left beside it");
    }

    #[test]
    fn nothing_outside_of_the_directory_is_read_or_written() {
        let home = tempfile::tempdir().unwrap();
        let (inside, outside) = (home.path().join("in"), home.path().join("out.json"));
        fs::create_dir(&inside).unwrap();
        fs::write(&outside, FLAGS).unwrap();
        symlink(&outside, inside.join("link.json")).unwrap();
        let files = FlagFiles::new(Some(inside));
        for name in ["link.json", "../out.json", outside.to_str().unwrap()] {
            let refused = files.switch_off(&switch(name, "cart")).unwrap_err();
            assert!(matches!(refused, FlagsError::Refused(_)), "{name}: {refused:?}");
        }
        assert_eq!(fs::read_to_string(&outside).unwrap(), FLAGS);
        let none = files.switch_off(&switch("none.json", "cart")).unwrap_err();
        assert!(matches!(none, FlagsError::Later(_)), "{none:?}");
        let none = FlagFiles::default().plan(&switch("a.json", "cart")).unwrap_err().problem();
        assert!(none.contains("--flag-files"), "{none}");
    }
}
