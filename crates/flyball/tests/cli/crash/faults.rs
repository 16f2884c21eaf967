//! What a power cut leaves behind that SIGKILL alone does not.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use rand::Rng;
use rand::rngs::StdRng;

/// What takes up all room on a disk.
#[must_use = "the disk is full until it is emptied"]
pub(crate) struct Ballast(PathBuf);

/// Fills the disk of `directory` to its last byte.
pub(crate) fn fill(directory: &Path) -> Ballast {
    let path = directory.join("ballast");
    let mut file = File::create(&path).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![0; size];
        while file.write_all(&block).is_ok() {}
    }
    Ballast(path)
}

impl Ballast {
    /// Makes room again.
    pub(crate) fn empty(self) {
        std::fs::remove_file(self.0).unwrap();
    }
}

/// A fault of the disk between two runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// None.
    Nothing,
    /// The journal's last write reached the disk in part: bytes that are no whole record follow the
    /// last one.
    TornWrite,
    /// The file was made longer and what it was to hold was not written: zeros follow.
    Zeros,
}

impl Fault {
    pub(crate) fn choose(random: &mut StdRng) -> Self {
        match random.random_range(0..4) {
            0 => Self::TornWrite,
            1 => Self::Zeros,
            _ => Self::Nothing,
        }
    }

    pub(crate) fn inject(self, data: &Path, random: &mut StdRng) {
        let torn: Vec<u8> = match self {
            Self::Nothing => return,
            Self::TornWrite => {
                let length = random.random_range(1..200);
                (0..length).map(|_| random.random()).collect()
            }
            Self::Zeros => vec![0; random.random_range(1..10_000)],
        };
        let files = std::fs::read_dir(data.join("journal")).unwrap();
        let journals = files.map(|file| file.unwrap().path());
        let last = journals.filter(|path| path.extension().is_some_and(|e| e == "journal")).max();
        let mut file = OpenOptions::new().append(true).open(last.unwrap()).unwrap();
        file.write_all(&torn).unwrap();
    }
}
