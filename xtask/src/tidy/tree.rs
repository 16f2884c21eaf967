//! The texts of the repository that the checks look at.
//!
//! Build output and test data are left out: the first is not ours, the second is other people's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// Directories that are never entered, wherever they are.
const SKIPPED: &[&str] = &["target", "node_modules", "demo-out", ".git", "artifacts", "corpus"];
/// What is read; everything else is known by its path only.
const READ: &[&str] = &["rs", "md", "toml", "yaml", "yml", "json", "slotest"];
/// Larger files are data.
const BYTES_MAX: u64 = 1 << 20;

/// The repository's files.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Paths relative to the root, with `/`, and the text where it is read.
    texts: BTreeMap<String, Option<String>>,
    directories: BTreeSet<String>,
}

impl Tree {
    /// Reads what is under `root`.
    ///
    /// # Errors
    ///
    /// What the file system answers.
    pub(super) fn load(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.enter(root, "")?;
        Ok(tree)
    }

    fn enter(&mut self, directory: &Path, prefix: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.directories.insert(path.clone());
                self.enter(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() {
                let is_read = READ.iter().any(|end| extension(&name) == Some(end))
                    && !is_test_data(&path)
                    && entry.metadata()?.len() <= BYTES_MAX;
                let text = if is_read { std::fs::read_to_string(entry.path()).ok() } else { None };
                self.texts.insert(path, text);
            }
        }
        Ok(())
    }

    /// A repository for tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            let mut at = 0;
            while let Some(slash) = path[at..].find('/') {
                at += slash + 1;
                tree.directories.insert(path[..at - 1].to_owned());
            }
            tree.texts.insert((*path).to_owned(), Some((*text).to_owned()));
        }
        tree
    }

    /// Every path.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// Every text that was read and whose path ends in `.extension`.
    pub(super) fn texts<'a>(
        &'a self,
        wanted: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.texts
            .iter()
            .filter(move |(path, _)| extension(path) == Some(wanted))
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path)?.as_deref()
    }

    /// True for a file or directory.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.texts.contains_key(path) || self.directories.contains(path)
    }

    /// The directories right under `parent`, by name.
    pub(super) fn directories_in<'a>(
        &'a self,
        parent: &'a str,
    ) -> impl Iterator<Item = &'a str> + 'a {
        self.directories.iter().filter_map(move |path| {
            path.strip_prefix(parent)?.strip_prefix('/').filter(|name| !name.contains('/'))
        })
    }
}

fn extension(path: &str) -> Option<&str> {
    Path::new(path).extension()?.to_str()
}

fn is_test_data(path: &str) -> bool {
    path.contains("/tests/data/") || path.contains("/testdata/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_read_without_build_output_and_test_data() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("docs/a.md", "a"),
            ("target/b.md", "b"),
            ("crates/c/tests/data/d.yaml", "d"),
            ("crates/c/Cargo.toml", "e"),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let tree = Tree::load(root.path()).unwrap();
        assert_eq!(tree.text("docs/a.md"), Some("a"));
        assert!(!tree.exists("target/b.md"));
        assert!(tree.exists("crates/c/tests/data/d.yaml"));
        assert_eq!(tree.text("crates/c/tests/data/d.yaml"), None);
        assert_eq!(tree.directories_in("crates").collect::<Vec<_>>(), ["c"]);
        assert!(tree.exists("crates/c"));
    }
}
