//! What the processes do that the tests start.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::thread;

use flyball_model::{Slot, Tally};
use flyball_store::{Backup, Commit, Delta, Journal, Ledger, SliceId, StoreError, Ticket};

use super::*;

#[test]
fn child() {
    let Ok(task) = env::var(TASK) else { return };
    let (role, directory) = task.split_once(' ').unwrap();
    let directory = Path::new(directory);
    match role {
        "work" => work(directory),
        "restore" => restore(directory),
        "fill" => fill(directory),
        "limit" => limit(directory),
        "sync" => sync(directory),
        "sync-begin" => sync_begin(directory),
        other => panic!("no such role: {other}"),
    }
}

/// Restores a backup; killed meanwhile, or not.
fn restore(directory: &Path) {
    Backup::restore(&directory.join("backup"), &directory.join("to")).unwrap();
}

/// The entry with this number: its length depends on it, and so does every byte.
pub(super) fn payload(number: u64) -> Vec<u8> {
    let length = usize::try_from(number % 300).unwrap();
    let mut payload = number.to_le_bytes().to_vec();
    payload.extend((0..length).map(|at| u8::try_from((number + at as u64) % 251).unwrap()));
    payload
}

pub(super) fn number(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload[..8].try_into().unwrap())
}

/// The slices that every entry counts in: more than slots of most commits, so that these are open
/// before they are folded.
const SLICES: [&str; 3] = ["", "eu", "us"];

/// What an entry counts in each slice. An hour goes by in 400 entries, whose slots are not in
/// order, and some are late, so that hours are folded and added to again.
pub(super) fn of_payload(payload: &[u8]) -> (Slot, Tally) {
    const HOUR: u64 = 360;
    let number = number(payload);
    let late = if number.is_multiple_of(50) { 2 * HOUR } else { 0 };
    let slot = number / 400 * HOUR + number * 7_919 % HOUR;
    let tally = Tally::with_undecided(3, number % 3, number % 2).unwrap();
    (Slot(slot.cast_signed() - late.cast_signed()), tally)
}

/// What the last of the entries with this key has left in the ledger's values.
pub(super) fn value_key(number: u64) -> Vec<u8> {
    format!("last/{}", number * 7_919 % 23).into_bytes()
}

/// Appends numbered entries, says which are acknowledged, and counts them, until it is killed.
fn work(directory: &Path) {
    let Store { journal, mut ledger, .. } = Store::open(directory, options()).unwrap();
    let generation = ledger.generation("checkout", [7; 32], ARRIVAL).unwrap();
    let slices = ledger.slices(generation.id, &SLICES).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| count(&journal, &mut ledger, &slices));
        append_numbered(&journal);
    });
}

fn append_numbered(journal: &Journal) {
    const IN_FLIGHT: usize = 30;
    // Numbers of entries that were never acknowledged may be there too: begin behind them all.
    let mut reader = journal.read_from(Sequence::NONE).unwrap();
    let mut next = 0;
    while let Some(entry) = reader.read().unwrap() {
        next = next.max(number(&entry.payload) + 1);
    }
    let mut waiting: VecDeque<(u64, Ticket)> = VecDeque::new();
    let mut out = std::io::stdout().lock();
    loop {
        while waiting.len() < IN_FLIGHT {
            waiting.push_back((next, journal.append(ARRIVAL, payload(next)).unwrap()));
            next += 1;
        }
        let (number, ticket) = waiting.pop_front().unwrap();
        ticket.wait().unwrap();
        // One write, so that a line is there whole or not at all.
        out.write_all(format!("ack {number}.\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

fn count(journal: &Journal, ledger: &mut Ledger, slices: &[SliceId]) {
    const AT_ONCE: usize = 50;
    let mut after = ledger.position().unwrap();
    let mut reader = journal.read_from(after.next()).unwrap();
    loop {
        let mut commit = Commit { after, through: after, ..Commit::default() };
        while commit.values.len() < AT_ONCE {
            let Some(entry) = reader.read().unwrap() else { break };
            commit.through = entry.sequence;
            let (slot, tally) = of_payload(&entry.payload);
            commit.deltas.extend(slices.iter().map(|slice| Delta { slice: *slice, slot, tally }));
            let key = value_key(number(&entry.payload));
            // One in four forgets what an earlier one has left under the same key.
            let value = (!number(&entry.payload).is_multiple_of(4)).then_some(entry.payload);
            commit.values.push((key, value));
        }
        if commit.values.is_empty() {
            thread::yield_now();
            continue;
        }
        ledger.commit(&commit).unwrap();
        after = commit.through;
    }
}

fn append(journal: &Journal, payload: Vec<u8>) -> Result<Sequence, StoreError> {
    journal.append(ARRIVAL, payload)?.wait()
}

/// Fills a small file system, makes room, fills it again, opens the journal again.
fn fill(directory: &Path) {
    let data = directory.join("data");
    let filler = directory.join("filler");
    fs::write(&filler, vec![0; 100 << 10]).unwrap();
    let mut store = Store::open(&data, options()).unwrap();
    let mut kept = Vec::new();
    fill_up(&store, &mut kept);
    assert_eq!(payloads(&store), kept);
    // The ledger cannot be written either, or it can: what counts is that it says so.
    let half = Sequence(kept.len() as u64 / 2);
    let commit = Commit { through: half, ..Commit::default() };
    let counted = store.ledger.commit(&commit);
    assert!(matches!(counted, Ok(()) | Err(StoreError::Sqlite { .. })));
    fs::remove_file(filler).unwrap();
    if counted.is_err() {
        store.ledger.commit(&commit).unwrap();
    }
    assert!(store.journal.release(half).unwrap() > 0);
    fill_up(&store, &mut kept);
    let last = payloads(&store);
    assert_eq!(last, kept[kept.len() - last.len()..]);
    drop(store);
    let store = Store::open(&data, options()).unwrap();
    assert_eq!((&store.recovery.torn, payloads(&store)), (&None, last));
    say("full");
}

/// Appends until a few entries have not fitted, small ones among them.
fn fill_up(store: &Store, kept: &mut Vec<Vec<u8>>) {
    let (mut refused, mut number) = (0, 0);
    while refused < 5 {
        number += 1;
        let payload = vec![u8::try_from(number % 251).unwrap(); number * 997 % 8_000];
        match append(&store.journal, payload.clone()) {
            Ok(sequence) => {
                kept.push(payload);
                assert_eq!(sequence, Sequence(kept.len() as u64));
            }
            Err(StoreError::NotWritten { cause, .. }) => {
                assert_eq!(cause.kind(), std::io::ErrorKind::StorageFull);
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Meets the limit on the size of a file in the middle of an entry, as a full disk would.
fn limit(directory: &Path) {
    let options = JournalOptions { file_bytes_max: 1 << 20, ..options() };
    let store = Store::open(directory, options.clone()).unwrap();
    let mut kept = Vec::new();
    let (mut refused, mut after_refused) = (0, 0);
    for number in 0..400_usize {
        let payload = vec![u8::try_from(number % 251).unwrap(); number * 997 % 5_000];
        match append(&store.journal, payload.clone()) {
            Ok(_) => {
                kept.push(payload);
                after_refused += usize::from(refused > 0);
            }
            Err(error) => {
                assert!(matches!(error, StoreError::NotWritten { .. }), "{error}");
                refused += 1;
            }
        }
        assert_eq!(store.journal.committed(), Sequence(kept.len() as u64));
    }
    assert!(refused > 0 && after_refused > 0, "{refused} refused, {after_refused} after");
    assert_eq!(payloads(&store), kept);
    drop(store);
    let store = Store::open(directory, options).unwrap();
    assert_eq!((&store.recovery.torn, payloads(&store)), (&None, kept));
    say("limited");
}

/// Where this file is, syncs fail: see `disk.rs`.
fn switch(directory: &Path) -> std::path::PathBuf {
    directory.join("fail-sync")
}

fn poisoned(error: &StoreError) {
    assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("the disk did not confirm a write to") && text.contains("restart"));
}

/// A sync fails while entries are written.
fn sync(directory: &Path) {
    let data = directory.join("data");
    let store = Store::open(&data, options()).unwrap();
    append(&store.journal, b"before".to_vec()).unwrap();
    fs::write(switch(directory), "").unwrap();
    let tickets: Vec<_> =
        (0..50_u8).map_while(|n| store.journal.append(ARRIVAL, vec![n]).ok()).collect();
    assert!(!tickets.is_empty());
    for ticket in tickets {
        poisoned(&ticket.wait().unwrap_err());
    }
    // It works again, and must not be believed.
    fs::remove_file(switch(directory)).unwrap();
    poisoned(&store.journal.append(ARRIVAL, b"no".to_vec()).unwrap_err());
    assert_eq!(payloads(&store), [b"before".to_vec()]);
    drop(store);
    let store = Store::open(&data, options()).unwrap();
    assert_eq!(payloads(&store), [b"before".to_vec()], "only what was confirmed is read");
    assert_eq!(append(&store.journal, b"after".to_vec()).unwrap(), Sequence(2));
    say("poisoned");
}

/// A sync fails while a file is begun.
fn sync_begin(directory: &Path) {
    let data = directory.join("data");
    let store = Store::open(&data, options()).unwrap();
    let large = || vec![1; 8 << 10];
    append(&store.journal, large()).unwrap();
    fs::write(switch(directory), "").unwrap();
    poisoned(&append(&store.journal, large()).unwrap_err());
    drop(store);
    // Nor can it be opened on a disk like that.
    let error = Store::open(&data, options()).unwrap_err().to_string();
    assert!(error.contains("cannot "), "{error}");
    fs::remove_file(switch(directory)).unwrap();
    let store = Store::open(&data, options()).unwrap();
    assert_eq!(payloads(&store), [large()]);
    assert_eq!(append(&store.journal, large()).unwrap(), Sequence(2));
    say("poisoned");
}

/// Tells the parent that the role was played to its end.
fn say(word: &str) {
    writeln!(std::io::stdout().lock(), "\nend: {word}").unwrap();
}
