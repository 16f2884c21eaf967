//! Backups made while the store is in use, broken ones, and the way back.

use std::collections::BTreeMap;
use std::fs;
use std::hint::spin_loop;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use flyball_model::{Interval, Slot, Tally};
use flyball_store::{
    Backup, Commit, Delta, Grant, Journal, KeptValue, Ledger, SegmentFiles, SliceId, Store,
    StoreError,
};
use tempfile::TempDir;

use super::child::{number, of_payload, payload, value_key};
use super::*;

/// What the ledger counts and keeps of the first so many entries, counted the naive way: entry
/// number *n* has the payload *n*.
fn naive(position: Sequence) -> (Vec<(Slot, Tally)>, Vec<KeptValue>) {
    let (mut tallies, mut values) = (BTreeMap::<Slot, Tally>::new(), BTreeMap::new());
    for entry in 1..=position.0 {
        let (slot, tally) = of_payload(&payload(entry));
        if !tally.is_empty() {
            let sum = tallies.entry(slot).or_default();
            *sum = sum.plus(tally);
        }
        values.insert(value_key(entry), payload(entry));
    }
    (tallies.into_iter().collect(), values.into_iter().collect())
}

/// Opens the copy at `path` as the next process would, and holds it against a naive count.
fn verify(path: &Path, made: &Backup) {
    let mut store = Store::open(path, options()).unwrap();
    assert_eq!(store.recovery.torn, None);
    assert_eq!(store.recovery.last, made.last);
    let mut reader = store.journal.read_from(store.journal.first()).unwrap();
    let mut last = Sequence::NONE;
    while let Some(entry) = reader.read().unwrap() {
        assert_eq!(entry.payload, payload(entry.sequence.0));
        assert_eq!(number(&entry.payload), entry.sequence.0);
        last = entry.sequence;
    }
    assert_eq!(last, made.last);
    let snapshot = store.ledger.snapshot().unwrap();
    assert_eq!(snapshot.position(), made.position);
    let (tallies, values) = naive(made.position);
    let generation = snapshot.generations().unwrap()[0].id;
    let always = Interval::new(Timestamp::MIN, Timestamp::MAX).unwrap();
    for (slice, _) in snapshot.slices(generation).unwrap() {
        assert_eq!(snapshot.tallies(slice, always).unwrap(), tallies);
    }
    assert_eq!(snapshot.values(b"").unwrap(), values);
    assert_eq!(store.control.verify_audit().unwrap().head, made.audit);
}

fn append(journal: &Journal, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let next = journal.committed().0 + 1;
        let tickets: Vec<_> = (next..next + 20)
            .map(|entry| journal.append(ARRIVAL, payload(entry)).unwrap())
            .collect();
        for (entry, ticket) in (next..).zip(tickets) {
            assert_eq!(ticket.wait().unwrap(), Sequence(entry));
        }
    }
}

/// Counts what is in the journal into two slices, so that tallies are open first, and releases what
/// is counted.
fn count(journal: &Journal, ledger: &mut Ledger, slices: &[SliceId], stop: &AtomicBool) {
    let mut after = ledger.position().unwrap();
    let mut reader = journal.read_from(after.next()).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let mut commit = Commit { after, through: after, ..Commit::default() };
        while commit.values.len() < 7 {
            let Some(entry) = reader.read().unwrap() else { break };
            commit.through = entry.sequence;
            let (slot, tally) = of_payload(&entry.payload);
            commit.deltas.extend(slices.iter().map(|slice| Delta { slice: *slice, slot, tally }));
            commit.values.push((value_key(entry.sequence.0), Some(entry.payload)));
        }
        ledger.commit(&commit).unwrap();
        after = commit.through;
        journal.release(after).unwrap();
    }
}

/// Lets the other threads end, also when this one panics.
struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_backup_made_while_the_store_is_in_use_is_a_store_as_of_one_moment() {
    const BACKUPS: usize = 8;
    let directory = TempDir::new().unwrap();
    let store = Store::open(&directory.path().join("data"), options()).unwrap();
    let backups = store.backups();
    let Store { journal, mut ledger, mut control, .. } = store;
    let generation = ledger.generation("checkout", [7; 32], ARRIVAL).unwrap();
    let slices = ledger.slices(generation.id, &["a", "b", "c"]).unwrap();
    let stop = AtomicBool::new(false);
    let made: Vec<Backup> = thread::scope(|scope| {
        scope.spawn(|| append(&journal, &stop));
        scope.spawn(|| count(&journal, &mut ledger, &slices, &stop));
        let made = (0..BACKUPS).map(|number| {
            let (subject, role) = (format!("user {number}"), "viewer".to_owned());
            let grant = Grant { subject, service: None, role, functions: Vec::new() };
            control.set_grant(&grant, "root", ARRIVAL).unwrap();
            let path = directory.path().join(format!("backup-{number}"));
            backups.write(&path, without_segments).unwrap()
        });
        let _stopper = Stopper(&stop);
        made.collect()
    });
    let positions: Vec<_> = made.iter().map(|made| made.position).collect();
    assert!(positions.is_sorted() && positions[0] < positions[BACKUPS - 1], "{positions:?}");
    assert!(journal.first() > Sequence(1), "nothing was released: the test tests less");
    let first = &made[0];
    assert!(first.ledger.chunks > 0 || first.position == Sequence::NONE);
    for (number, made) in made.iter().enumerate() {
        let path = directory.path().join(format!("backup-{number}"));
        assert_eq!(&Backup::check(&path).unwrap(), made);
        assert_eq!(made.audit.number, number as u64 + 1);
        let restored = directory.path().join(format!("restored-{number}"));
        let again = Backup::restore(&path, &restored).unwrap();
        assert_eq!(
            (again.position, again.last, again.audit),
            (made.position, made.last, made.audit)
        );
        verify(&restored, made);
        // It is a data directory as it is, too.
        verify(&path, made);
        let error = Backup::check(&path).unwrap_err();
        assert!(matches!(error, StoreError::BackupBroken { .. }), "{error}");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is asked for so")]
fn without_segments() -> Result<Option<SegmentFiles>, StoreError> {
    Ok(None)
}

/// A store with some entries and commits, and a backup of it.
fn with_backup(directory: &Path) -> Store {
    let mut store = Store::open(&directory.join("data"), options()).unwrap();
    let generation = store.ledger.generation("checkout", [7; 32], ARRIVAL).unwrap();
    let slice = store.ledger.slice(generation.id, "").unwrap();
    for entry in 1..=200 {
        store.journal.append(ARRIVAL, payload(entry)).unwrap().wait().unwrap();
    }
    let delta = |entry| {
        let (slot, tally) = of_payload(&payload(entry));
        Delta { slice, slot, tally }
    };
    let deltas = (1..=150).map(delta).collect();
    store.ledger.commit(&Commit { through: Sequence(150), deltas, ..Commit::default() }).unwrap();
    store.backups().write(&directory.join("backup"), without_segments).unwrap();
    store
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_directory_with_something_in_it_is_not_touched() {
    let directory = TempDir::new().unwrap();
    let store = with_backup(directory.path());
    let taken = directory.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("mine"), "").unwrap();
    let backup = directory.path().join("backup");
    for error in [
        store.backups().write(&taken, without_segments).unwrap_err(),
        store.backups().write(&backup, without_segments).unwrap_err(),
        Backup::restore(&backup, &taken).unwrap_err(),
        Backup::restore(&backup, &directory.path().join("data")).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::NotEmpty { .. }), "{error}");
    }
    assert_eq!(names(&taken), ["mine"]);
    Backup::check(&backup).unwrap();
}

#[test]
fn a_broken_backup_is_found_and_restores_nothing() {
    let directory = TempDir::new().unwrap();
    drop(with_backup(directory.path()));
    let (backup, to) = (directory.path().join("backup"), directory.path().join("to"));
    let whole = Backup::check(&backup).unwrap();
    assert_eq!((whole.position, whole.last), (Sequence(150), Sequence(200)));
    let mut files: Vec<_> = names(&backup.join("journal"))
        .into_iter()
        .map(|name| format!("journal/{name}"))
        .chain(["control.sqlite".to_owned(), "ledger.sqlite".to_owned()])
        .collect();
    assert_eq!(files.len(), whole.files);
    files.push("backup.sha256".to_owned());
    let refused = |what: &str| {
        for error in
            [Backup::check(&backup).unwrap_err(), Backup::restore(&backup, &to).unwrap_err()]
        {
            let is_told = matches!(error, StoreError::BackupBroken { .. } | StoreError::Io { .. });
            assert!(is_told, "{what}: {error}");
        }
        assert!(!to.exists() || names(&to).is_empty(), "{what}: {:?}", names(&to));
    };
    for file in &files {
        let path = backup.join(file);
        let bytes = fs::read(&path).unwrap();
        for at in [bytes.len() / 3, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            fs::write(&path, changed).unwrap();
            refused(&format!("{file}, byte {at}"));
        }
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        refused(&format!("{file}, cut"));
        fs::remove_file(&path).unwrap();
        refused(&format!("{file}, gone"));
        fs::write(&path, &bytes).unwrap();
    }
    fs::write(backup.join("journal/00000000000000000999.journal"), "").unwrap();
    refused("a file more");
    fs::remove_file(backup.join("journal/00000000000000000999.journal")).unwrap();
    assert_eq!(Backup::restore(&backup, &to).unwrap().position, Sequence(150));
}

/// As a crash would leave it.
#[test]
fn a_directory_that_was_not_filled_to_the_end_is_not_opened() {
    let directory = TempDir::new().unwrap();
    drop(with_backup(directory.path()));
    let backup = directory.path().join("backup");
    fs::write(backup.join("unfinished"), "").unwrap();
    let error = Store::open(&backup, options()).unwrap_err();
    assert!(matches!(error, StoreError::Unfinished { .. }), "{error}");
    assert!(Backup::check(&backup).is_err());
}

/// What is damaged is not copied as if it were not.
#[test]
fn a_damaged_store_is_not_backed_up() {
    let directory = TempDir::new().unwrap();
    let store = with_backup(directory.path());
    let (_, path) = store.journal.files().pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let to = directory.path().join("to");
    let error = store.backups().write(&to, without_segments).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(names(&to), [""; 0]);
}

#[test]
fn nothing_can_be_backed_up_too() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&directory.path().join("data"), options()).unwrap();
    let (backup, to) = (directory.path().join("backup"), directory.path().join("to"));
    let made = store.backups().write(&backup, without_segments).unwrap();
    assert_eq!((made.position, made.last, made.files), (Sequence::NONE, Sequence::NONE, 3));
    assert_eq!(Backup::restore(&backup, &to).unwrap().last, Sequence::NONE);
    let restored = Store::open(&to, options()).unwrap();
    assert_eq!(restored.journal.append(ARRIVAL, Vec::new()).unwrap().wait().unwrap(), Sequence(1));
}

/// A process that restores is killed at any moment: what it leaves is whole, or empty, or refused.
#[test]
fn what_is_restored_is_restored_whole_or_not_at_all() {
    const ROUNDS: usize = 200;
    const EACH_WANTED: usize = 8;
    let directory = TempDir::new().unwrap();
    drop(with_backup(directory.path()));
    let to = directory.path().join("to");
    let (mut whole, mut unfinished) = (0, 0);
    // How long the process is let live: longer when it was too short, shorter when it was enough.
    let mut patience: u64 = 100_000;
    for round in 0..ROUNDS {
        let mut child = child(&format!("restore {}", directory.path().display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..patience {
            spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let is_empty = !to.exists() || names(&to).is_empty();
        match (!is_empty).then(|| Store::open(&to, options())) {
            Some(Ok(store)) => {
                assert_eq!(store.recovery.last, Sequence(200), "round {round}");
                assert_eq!(store.ledger.position().unwrap(), Sequence(150), "round {round}");
                whole += 1;
                patience -= patience / 16;
            }
            Some(Err(StoreError::Unfinished { .. })) => {
                unfinished += 1;
                patience += patience / 16;
            }
            Some(Err(other)) => panic!("round {round}: {other}"),
            None => patience *= 2,
        }
        if to.exists() {
            fs::remove_dir_all(&to).unwrap();
        }
        if whole >= EACH_WANTED && unfinished >= EACH_WANTED {
            return;
        }
    }
    panic!("{whole} whole and {unfinished} unfinished: the test tests nothing");
}
