//! Looks at everything in a data directory that nobody has open, and says what to do.

use std::path::Path;

use flyball_model::{Duration, Timestamp};
use flyball_segment::SegmentError;
use flyball_store::{Journal, Sequence, Store, StoreError};

use crate::limits::Limits;
use crate::stored;

/// Free room below which the server is close to refusing events. Bytes.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// How far the newest entry may lie ahead of the clock.
const AHEAD_MAX: Duration = Duration::from_minutes(1);

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is as it should be.
    Well,
    /// It is not.
    Wrong,
    /// It could not be looked at, which says nothing of it.
    NotLooked,
}

/// What one check has found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What was found; where it is not as it should be, a line that begins with `hint:` says what to
    /// do.
    pub said: String,
}

/// Checks the data directory `data`, at `now`. Everything is read: the journal with its checksums, the
/// ledger's chunks and values, the audit log's chain, the segments against their manifest and event by
/// event. `told` is called with how many bytes of segments have been read, of how many. The torn
/// end that a crash may leave of the journal is cut off, as by the next start.
pub fn doctor(
    data: &Path,
    limits: &Limits,
    now: Timestamp,
    told: &mut dyn FnMut(u64, u64),
) -> Vec<Finding> {
    let mut findings = vec![space(data)];
    let mut store = match Store::open(data, limits.journal()) {
        Ok(store) => store,
        Err(StoreError::Locked { .. }) => {
            findings.push(Finding {
                check: "journal, ledger, audit log, segments, clock",
                outcome: Outcome::NotLooked,
                said: "a server has the directory open\nhint: ask that one: `flyball ready`, `flyball \
                       audit verify`, and what it says of itself at /metrics; or look at everything \
                       while it does not run"
                    .to_owned(),
            });
            return findings;
        }
        Err(error) => {
            findings.push(finding("journal and tables", Err(error.to_string())));
            findings.push(Finding {
                check: "ledger, audit log, segments, clock",
                outcome: Outcome::NotLooked,
                said: "they are looked at when the journal can be opened".to_owned(),
            });
            return findings;
        }
    };
    let recovery = &store.recovery;
    let torn = match &recovery.torn {
        Some(_) => "; a torn end that was never acknowledged was cut off",
        None => "",
    };
    let (first, last) = (recovery.first, recovery.last);
    let journal = format!(
        "{} files, {} bytes, entries {first} to {last}{torn}",
        recovery.files, recovery.bytes
    );
    findings.push(finding("journal", Ok(journal)));
    let ledger = store.ledger.snapshot().and_then(|ledger| {
        let checked = ledger.check()?;
        let (chunks, slots, position) = (checked.chunks, checked.slots, ledger.position());
        let behind = last.0.saturating_sub(position.0);
        Ok(format!(
            "{slots} tallies in {chunks} chunks, counted to entry {position}, {behind} to go"
        ))
    });
    let restore = "\nhint: restore the last backup into an empty directory";
    let or_restore = |error: StoreError| format!("{error}{restore}");
    findings.push(finding("ledger", ledger.map_err(or_restore)));
    let audit = store.control.verify_audit();
    let audit = audit.map(|checked| format!("{} records, unbroken", checked.records));
    findings.push(finding("audit log", audit.map_err(|error| error.to_string())));
    findings.push(finding("segments", segments(data, &store.journal, told)));
    findings.push(finding("clock", clock(&store.journal, last, now)));
    findings
}

fn finding(check: &'static str, found: Result<String, String>) -> Finding {
    match found {
        Ok(said) => Finding { check, outcome: Outcome::Well, said },
        Err(said) => Finding { check, outcome: Outcome::Wrong, said },
    }
}

fn segments(
    data: &Path,
    journal: &Journal,
    told: &mut dyn FnMut(u64, u64),
) -> Result<String, String> {
    let mut check = || -> Result<String, SegmentError> {
        let view = stored::open(data, journal)?.segments().view();
        let all = view.files().map(|file| file.bytes).sum();
        let bytes = view.check(&mut |read| told(read, all))?;
        let rows: u64 = view.files().map(|file| file.rows).sum();
        let (files, through) = (view.files().count(), view.through());
        Ok(format!("{rows} events in {files} files, {bytes} bytes, through entry {through}"))
    };
    check().map_err(|error| error.to_string())
}

/// Whether the newest entry arrived before now.
fn clock(journal: &Journal, last: Sequence, now: Timestamp) -> Result<String, String> {
    if last < journal.first() {
        return Ok(format!("it is {now}; the journal has nothing to compare with"));
    }
    let newest = journal.read_from(last).and_then(|mut reader| reader.read());
    match newest.map_err(|error| error.to_string())? {
        Some(entry) if entry.arrival > now.plus(AHEAD_MAX) => Err(format!(
            "it is {now}, and the newest entry arrived at {}\nhint: set the clock right (NTP); \
             events of the hours between would be refused as lying in the future",
            entry.arrival
        )),
        Some(entry) => Ok(format!("it is {now}; the newest entry arrived at {}", entry.arrival)),
        None => Ok(format!("it is {now}")),
    }
}

/// The room on the disk.
fn space(data: &Path) -> Finding {
    let free = rustix::fs::statvfs(data).map(|disk| disk.f_bavail * disk.f_frsize);
    let found = match free {
        Ok(free) if free < FREE_BYTES_MIN => Err(format!(
            "{free} bytes are free, fewer than {FREE_BYTES_MIN}\nhint: make room, or keep stored \
             events for less time; when the disk is full, events are refused"
        )),
        Ok(free) => Ok(format!("{free} bytes are free")),
        Err(error) => Err(format!("{}: {error}", data.display())),
    };
    finding("disk", found)
}
