//! Messages of other systems against what their makers publish of them.

#![expect(clippy::print_stdout, reason = "tests say what they could not check")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod cdevents;
mod delivery_tools;
mod drills;
mod gates;
mod github;
mod notices;
mod oncall;
mod own;
mod peers;
mod restores;
mod robust;
mod signatures;

use std::path::{Path, PathBuf};

use flyball_connect::{ConnectError, Format, Headers, Hook, Received, Report, read};
use flyball_model::{Change, Incident, Timestamp};

/// When every message of these tests comes.
fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

fn hook() -> Hook {
    Hook::new(now())
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().copied().collect()
}

/// Reads a message without headers.
fn told(format: &Format, body: &str) -> Result<Received, ConnectError> {
    read(format, &Headers::default(), body.as_bytes(), &hook())
}

/// The one change of a message.
fn change(received: Received) -> Change {
    match <[Report; 1]>::try_from(received.reports) {
        Ok([Report::Change(change)]) => *change,
        other => panic!("{other:?}"),
    }
}

/// The one incident of a message.
fn incident(received: Received) -> Incident {
    match <[Report; 1]>::try_from(received.reports) {
        Ok([Report::Incident(incident)]) => *incident,
        other => panic!("{other:?}"),
    }
}

/// Why a message is not kept.
fn ignored(received: Received) -> String {
    match <[Report; 1]>::try_from(received.reports) {
        Ok([Report::Ignored { reason }]) => reason,
        other => panic!("{other:?}"),
    }
}

/// Files that come with the project.
fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// Recordings that do not come with the project; `None`, which is said, when they are absent.
fn recordings(of: &str) -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let recordings = std::env::var("FLYBALL_RECORDINGS").map_or_else(|_| shared, PathBuf::from);
    let directory = recordings.join(of);
    if directory.exists() {
        return Some(directory);
    }
    println!("absent, so not checked: {} (set FLYBALL_RECORDINGS)", directory.display());
    None
}

/// Every JSON file of a directory, sorted.
fn json_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", directory.display());
    files
}
