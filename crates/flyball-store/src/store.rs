//! The data directory as a whole.

use std::path::Path;

use crate::directory::DataDirectory;
use crate::{Backups, Control, Journal, JournalOptions, Ledger, Recovery, StoreError};

/// What a data directory holds, open for one process.
///
/// The parts are fields, so that each can go to the thread that uses it. The directory is free
/// again when the last of them is dropped, or the process ends.
#[derive(Debug)]
pub struct Store {
    /// What came in.
    pub journal: Journal,
    /// What was counted.
    pub ledger: Ledger,
    /// What the server was told to do, and by whom.
    pub control: Control,
    /// What opening the journal has found.
    pub recovery: Recovery,
}

impl Store {
    /// Opens the data directory at `path`; makes it, and the directories above it, where it is not
    /// there yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when another process has it open; what does not fit together or
    /// cannot be read: the journal must hold every entry behind the ledger's position, and must
    /// reach it. Nothing is repaired but the torn end of the journal's last file.
    pub fn open(path: &Path, options: JournalOptions) -> Result<Self, StoreError> {
        let directory = DataDirectory::open(path)?;
        let ledger = Ledger::open(&directory)?;
        let control = Control::open(&directory)?;
        let (journal, recovery) = Journal::open(&directory, options, ledger.counted())?;
        Ok(Self { journal, ledger, control, recovery })
    }

    /// A way to back the directory up from any thread, while the parts are in use on others.
    pub fn backups(&self) -> Backups {
        Backups::new(self.journal.directory(), self.journal.shared())
    }
}
