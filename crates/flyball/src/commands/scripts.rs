//! Files of tests: found by their ending.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The files that `paths` name, each once, in order; of directories all below that end in `.ending`.
///
/// # Errors
///
/// A path that cannot be read, a directory without any such file.
pub(super) fn scripts(paths: &[PathBuf], ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let about = || format!("cannot read {}", path.display());
        if std::fs::metadata(path).with_context(about)?.is_dir() {
            let mut found = BTreeSet::new();
            collect(path, ending, &mut found)?;
            if found.is_empty() {
                bail!("no scripts in {}\nhint: scripts end in .{ending}", path.display());
            }
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

fn collect(directory: &Path, ending: &str, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        // Links to directories are not followed, so a loop of them cannot trap us.
        if path.is_dir() && !path.is_symlink() {
            collect(&path, ending, files)?;
        } else if path.extension().is_some_and(|found| found == ending) {
            files.insert(path);
        }
    }
    Ok(())
}
