//! Disks that are full, and disks that do not confirm what was written.
//!
//! The file system is a real one, mounted for the child alone where the system permits it. A sync
//! that fails is made by a library that is loaded before the system's: it stands where the kernel
//! would, so that all of the store above it is what is shipped.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::*;

fn ended(output: &Output, word: &str) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success() && text.contains(&format!("end: {word}")), "{text}");
}

#[test]
fn a_full_disk_fails_what_does_not_fit_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        let mount = "mount -t tmpfs -o size=700k flyball \"$0\" && ";
        command.args(["-r", "-m", "sh", "-c", &format!("{mount}{script}")]).arg(directory.path());
        command
    };
    let permitted = inside("true").output().is_ok_and(|output| output.status.success());
    if !permitted {
        eprintln!("skipped: this system does not let a test mount a file system");
        return;
    }
    let mut command = inside("exec \"$@\"");
    command.arg(std::env::current_exe().unwrap()).args(ONLY_CHILD);
    let task = format!("fill {}", directory.path().display());
    ended(&command.env(TASK, task).output().unwrap(), "full");
}

#[test]
fn a_limit_in_the_middle_of_an_entry_leaves_no_trace() {
    let directory = TempDir::new().unwrap();
    // The signal would end the process; without it the write fails, after what still fitted. The
    // ledger's files stay below the limit.
    let script = "trap '' XFSZ; ulimit -f 600; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(std::env::current_exe().unwrap()).args(ONLY_CHILD);
    let task = format!("limit {}", directory.path().display());
    ended(&command.env(TASK, task).output().unwrap(), "limited");
}

#[test]
fn a_sync_that_fails_ends_the_journal_until_it_is_opened_again() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: libraries are loaded first in another way here");
        return;
    }
    let directory = TempDir::new().unwrap();
    let library = flyball_testkit::failing_sync(directory.path());
    for role in ["sync", "sync-begin"] {
        let place = directory.path().join(role);
        fs::create_dir(&place).unwrap();
        let mut command = child(&format!("{role} {}", place.display()));
        command.env("LD_PRELOAD", &library).env("FAIL_SYNC_WHILE", place.join("fail-sync"));
        ended(&command.output().unwrap(), "poisoned");
    }
}
