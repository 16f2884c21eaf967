use std::fs::File;
use std::io::Write;
use std::time::{Duration, SystemTime};

use super::follow::{QUIET_LOOKS, Reached};
use super::position::HEAD_BYTES;
use super::*;
use crate::telemetry::Telemetry;

struct Log {
    directory: tempfile::TempDir,
    telemetry: Arc<Telemetry>,
}

impl Log {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), telemetry: Arc::default() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("access.log")
    }

    fn open(&self) -> File {
        File::options().create(true).append(true).open(self.path()).unwrap()
    }

    fn follow(&self, reached: Reached) -> Follow {
        Follow::resume(self.path(), reached, Arc::clone(&self.telemetry))
    }

    fn beside(&self, added: &str) -> PathBuf {
        self.directory.path().join(format!("access.log{added}"))
    }

    /// Makes a file beside the log that was written to last at so many seconds.
    fn write(&self, added: &str, text: &str, seconds: u64) {
        let mut file = File::create(self.beside(added)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.beside(from), self.beside(to)).unwrap();
    }

    /// How many files were told to be lost, by reason.
    fn lost(&self) -> Vec<(String, String)> {
        let text = self.telemetry.render();
        let told = text.lines().filter_map(|line| {
            line.strip_prefix("flyball_tail_files_lost_total{reason=\"")?.split_once("\"} ")
        });
        let mut told: Vec<_> = told.map(|(why, n)| (why.to_owned(), n.to_owned())).collect();
        told.sort();
        told
    }
}

/// Everything that is there until a log is quiet for as long as rotation may take.
fn all(follow: &mut Follow) -> String {
    let mut text = String::new();
    for _ in 0..2 * QUIET_LOOKS {
        while let Some(lines) = follow.look().unwrap() {
            text += &String::from_utf8(lines).unwrap();
        }
    }
    text
}

#[test]
fn lines_are_read_when_they_are_whole() {
    let log = Log::new();
    let mut follow = log.follow(Reached::default());
    assert_eq!(follow.look().unwrap(), None, "the file comes later");
    let mut file = log.open();
    file.write_all(b"one\ntw").unwrap();
    assert_eq!(all(&mut follow), "one\n");
    file.write_all(b"o\n").unwrap();
    assert_eq!(all(&mut follow), "two\n");
}

#[test]
fn a_renamed_log_is_read_to_its_end_before_and_after_a_restart() {
    for restarts in [false, true] {
        let log = Log::new();
        let mut before = log.open();
        before.write_all(b"a\nb").unwrap();
        let mut follow = log.follow(Reached::default());
        assert_eq!(follow.look().unwrap().unwrap(), b"a\n");
        std::fs::rename(log.path(), log.directory.path().join("access.log.1")).unwrap();
        let mut after = log.open();
        after.write_all(b"x\n").unwrap();
        before.write_all(b"b\nc").unwrap();
        if restarts {
            follow = log.follow(follow.reached());
        }
        let read = all(&mut follow);
        let mut lines: Vec<&str> = read.split('\n').collect();
        lines.sort_unstable();
        assert_eq!(lines.concat(), "bbcx", "{read:?}");
        assert_eq!(follow.open_files(), 1, "the old one is done with");
    }
}

#[test]
fn a_log_that_was_cut_is_read_from_its_beginning() {
    let log = Log::new();
    let mut follow = log.follow(Reached::default());
    let line = |text: &str| format!("{text}{}\n", "-".repeat(HEAD_BYTES));
    log.open().write_all(line("old").as_bytes()).unwrap();
    assert_eq!(all(&mut follow), line("old"));
    // Shorter than before.
    std::fs::write(log.path(), "new\n").unwrap();
    assert_eq!(all(&mut follow), "new\n");
    // Longer than before, and another beginning.
    std::fs::write(log.path(), line("first")).unwrap();
    let mut follow = log.follow(Reached::default());
    assert_eq!(all(&mut follow), line("first"));
    let grown = line("again") + &line("and again");
    std::fs::write(log.path(), &grown).unwrap();
    assert_eq!(all(&mut follow), grown);
}

#[test]
fn every_file_that_had_the_name_while_nobody_looked_is_read_once() {
    for restarts in [false, true] {
        let log = Log::new();
        log.write(".3", "before all\n", 50);
        log.write("", "a\n", 100);
        let mut follow = log.follow(Reached::default());
        assert_eq!(all(&mut follow), "a\n");
        let reached = follow.reached();
        drop(follow);
        // It goes on, and is then rotated three times.
        log.write("", "a\nb\n", 110);
        log.rename("", ".2");
        log.write("-20261122", "c\nd\n", 120);
        log.write(".1", "e\n", 130);
        log.write("", "f\n", 140);
        // Another log, and one that was made of the first.
        log.write(".json", "{}\n", 135);
        let mut follow = log.follow(reached);
        let mut read = Vec::new();
        for _ in 0..2 {
            read.extend(follow.look().unwrap().unwrap());
            if restarts {
                let noted = serde_json::to_string(&follow.reached()).unwrap();
                follow = log.follow(serde_json::from_str(&noted).unwrap());
            }
        }
        assert_eq!(read, b"b\nc\nd\n", "the oldest first");
        assert_eq!(all(&mut follow), "e\nf\n");
        assert_eq!(follow.open_files(), 1);
        let mut follow = log.follow(follow.reached());
        assert_eq!(all(&mut follow), "", "nothing again");
        // What is finished is known, whatever has the name now.
        log.rename("", ".0");
        log.write("", "g\n", 150);
        let mut follow = log.follow(follow.reached());
        assert_eq!(all(&mut follow), "g\n");
        assert_eq!(log.lost(), []);
    }
}

#[test]
fn more_files_than_are_read_at_the_same_time_are_all_read() {
    let log = Log::new();
    log.write("", "first\n", 100);
    let mut follow = log.follow(Reached::default());
    all(&mut follow);
    log.rename("", ".0");
    for number in 1..=40 {
        log.write(&format!(".{number}"), &format!("{number}\n"), 100 + number);
    }
    log.write("", "last\n", 200);
    let mut follow = log.follow(follow.reached());
    let mut text = String::new();
    for _ in 0..4 {
        text += &all(&mut follow);
    }
    let read: Vec<&str> = text.lines().collect();
    let numbers: Vec<String> = (1..=40).map(|number| number.to_string()).collect();
    assert_eq!(read[..40], numbers);
    assert_eq!(read[40..], ["last"]);
    assert_eq!(log.lost(), []);
}

#[test]
fn a_short_log_that_was_cut_and_has_grown_is_read_from_its_beginning() {
    let log = Log::new();
    log.open().write_all(b"old\n").unwrap();
    let mut follow = log.follow(Reached::default());
    assert_eq!(all(&mut follow), "old\n");
    log.open().write_all(b"more\n").unwrap();
    assert_eq!(all(&mut follow), "more\n");
    let reached = follow.reached();
    drop(follow);
    std::fs::write(log.path(), "new, and longer\n").unwrap();
    let mut follow = log.follow(reached);
    assert_eq!(all(&mut follow), "new, and longer\n");
    assert_eq!(log.lost(), [("cut".to_owned(), "1".to_owned())]);
}

#[test]
fn a_log_that_was_copied_and_cut_is_read_on_in_the_copy() {
    let log = Log::new();
    log.write("", "a\n", 100);
    let mut follow = log.follow(Reached::default());
    assert_eq!(all(&mut follow), "a\n");
    let reached = follow.reached();
    drop(follow);
    log.write(".2", "a\nb\n", 110);
    log.write(".1", "c\n", 120);
    std::fs::write(log.path(), "d\n").unwrap();
    let mut follow = log.follow(reached);
    assert_eq!(all(&mut follow), "b\nc\nd\n");
    assert_eq!(log.lost(), []);
}

#[test]
fn what_cannot_be_read_any_more_is_told_with_its_reason() {
    let log = Log::new();
    log.write("", "a\n", 100);
    let mut follow = log.follow(Reached::default());
    all(&mut follow);
    let reached = follow.reached();
    drop(follow);
    std::fs::remove_file(log.path()).unwrap();
    log.write(".2", "b\n", 110);
    log.write("", "c\n", 130);
    let mut follow = log.follow(reached.clone());
    assert_eq!(all(&mut follow), "b\nc\n", "the rest is read");
    assert_eq!(log.lost(), [("deleted".to_owned(), "1".to_owned())]);

    let log = Log { telemetry: Arc::default(), ..log };
    std::fs::remove_file(log.beside(".2")).unwrap();
    log.write(".3.gz", "was finished before", 90);
    log.write(".2.gz", "what was read last", 105);
    log.write(".1.gz", "what came then", 110);
    let mut follow = log.follow(reached);
    assert_eq!(all(&mut follow), "c\n");
    assert_eq!(log.lost(), [("compressed".to_owned(), "2".to_owned())]);
    let mut follow = log.follow(follow.reached());
    assert_eq!(all(&mut follow), "");
    assert_eq!(log.lost(), [("compressed".to_owned(), "2".to_owned())], "told once");
}

#[test]
fn what_is_compressed_while_it_is_read_is_not_lost() {
    let log = Log::new();
    log.write("", "a\n", 100);
    let mut follow = log.follow(Reached::default());
    all(&mut follow);
    log.rename("", ".1");
    log.write(".1.gz", "a", 100);
    std::fs::remove_file(log.beside(".1")).unwrap();
    log.write("", "b\n", 101);
    assert_eq!(all(&mut follow), "b\n");
    assert_eq!(log.lost(), []);
}

#[test]
fn marks_of_before_are_read() {
    use std::os::unix::fs::MetadataExt;
    let log = Log::new();
    log.write("", "a\nb\n", 100);
    let metadata = std::fs::metadata(log.path()).unwrap();
    let mark = serde_json::json!({ "files": [{
        "device": metadata.dev(), "inode": metadata.ino(), "offset": 2, "head": null,
    }]});
    let mut follow = log.follow(serde_json::from_value(mark).unwrap());
    assert_eq!(all(&mut follow), "b\n");
}
