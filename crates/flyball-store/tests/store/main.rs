//! The store in processes of its own, which are killed, find the disk full, or a disk that does not
//! confirm what was written.
//!
//! A test starts this very binary again, for the one test `child`, which does what the environment
//! says and passes at once where it says nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod child;
mod disk;
mod kill;
mod parts;

use std::process::Command;

use flyball_model::Timestamp;
use flyball_store::{JournalOptions, Sequence, Store};

/// Says what the child does: `ROLE DIRECTORY`.
const TASK: &str = "FLYBALL_STORE_TASK";

/// Arguments that make this binary run the child alone, with its output going out as it is.
const ONLY_CHILD: [&str; 4] = ["--exact", "child::child", "--nocapture", "--test-threads=1"];

/// The command that runs the child.
fn child(task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(ONLY_CHILD).env(TASK, task);
    command
}

/// Small files, so that many are begun.
fn options() -> JournalOptions {
    JournalOptions {
        file_bytes_max: 16 << 10,
        entry_bytes_max: 8 << 10,
        ..JournalOptions::default()
    }
}

/// Entries do not differ in when they arrived here.
const ARRIVAL: Timestamp = Timestamp::from_seconds(1_764_000_000);

/// All payloads that the journal keeps, in order.
fn payloads(store: &Store) -> Vec<Vec<u8>> {
    let mut reader = store.journal.read_from(store.journal.first()).unwrap();
    let mut payloads = Vec::new();
    while let Some(entry) = reader.read().unwrap() {
        payloads.push(entry.payload);
    }
    payloads
}
