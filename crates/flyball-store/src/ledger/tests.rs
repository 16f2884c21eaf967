//! The ledger against plain maps, and against files that somebody has changed.

use std::collections::BTreeMap;
use std::path::Path;

use flyball_model::Interval;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const DAY: i64 = 8_640;

fn open(path: &Path) -> Ledger {
    Ledger::open(&DataDirectory::open(path).unwrap()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn tally(valid: u64, good: u64, undecided: u64) -> Tally {
    Tally::with_undecided(valid, good, undecided).unwrap()
}

fn slots(from: i64, to: i64) -> Interval {
    Interval::new(at(from * 10), at(to * 10)).unwrap()
}

fn commit(after: u64, through: u64, deltas: Vec<Delta>) -> Commit {
    let (after, through) = (Sequence(after), Sequence(through));
    Commit { after, through, deltas, ..Commit::default() }
}

fn value(key: &[u8], value: Option<&[u8]>) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.to_vec(), value.map(<[u8]>::to_vec))
}

/// A ledger with one slice.
fn with_slice(path: &Path) -> (Ledger, SliceId) {
    let mut ledger = open(path);
    let generation = ledger.generation("checkout", [1; 32], at(5)).unwrap();
    let slice = ledger.slice(generation.id, "").unwrap();
    (ledger, slice)
}

/// Changes the ledger's file behind its back.
fn meddle(path: &Path, sql: &str) {
    Connection::open(path.join(FILE)).unwrap().execute_batch(sql).unwrap();
}

fn deltas() -> impl Strategy<Value = Vec<(usize, i64, (u64, u64, u64))>> {
    let counts = (0u64..5, 0u64..5, 0u64..5);
    // Two days and their border, and one before the epoch.
    let slot = prop_oneof![DAY - 3..DAY + 3, 0..3i64, -3..0i64, 2 * DAY - 2..2 * DAY];
    proptest::collection::vec((0usize..2, slot, counts), 0..12)
}

proptest! {
    // Every commit waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_holds_what_a_map_holds(
        commits in proptest::collection::vec((1u64..5, deltas(), any::<bool>()), 1..6),
        start in -10..2 * DAY, length in 0..2 * DAY,
    ) {
        let directory = TempDir::new().unwrap();
        let mut ledger = open(directory.path());
        let generation = ledger.generation("checkout", [1; 32], at(5)).unwrap();
        let ids = ["", "eu"].map(|name| ledger.slice(generation.id, name).unwrap());
        let mut maps = [BTreeMap::new(), BTreeMap::new()];
        let mut position = 0;
        for (entries, deltas, reopens) in commits {
            let deltas = deltas
                .into_iter()
                .map(|(slice, slot, (good, bad, undecided))| {
                    let tally = tally(good + bad + undecided, good, undecided);
                    if !tally.is_empty() {
                        let sum: &mut Tally = maps[slice].entry(Slot(slot)).or_default();
                        *sum = sum.plus(tally);
                    }
                    Delta { slice: ids[slice], slot: Slot(slot), tally }
                })
                .collect();
            let once = commit(position, position + entries, deltas);
            ledger.commit(&once).unwrap();
            let twice = ledger.commit(&once).unwrap_err();
            let is_refused = matches!(twice, StoreError::Position { .. });
            prop_assert!(is_refused);
            position += entries;
            if reopens {
                drop(ledger);
                ledger = open(directory.path());
            }
        }
        let interval = slots(start, start + length);
        let mut reader = ledger.reader().unwrap();
        let snapshot = reader.snapshot().unwrap();
        prop_assert_eq!(snapshot.position(), Sequence(position));
        for (id, map) in ids.into_iter().zip(maps) {
            let expected: Vec<_> =
                map.into_iter().filter(|(slot, _)| (start..start + length).contains(&slot.0)).collect();
            prop_assert_eq!(snapshot.tallies(id, interval).unwrap(), expected);
        }
    }
}

/// Few different keys, so that they meet; bytes at the end of their range, where prefixes have none
/// behind them.
fn value_key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0_u8), Just(7), Just(254), Just(255)], 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn values_are_a_map_that_moves_with_the_position(
        commits in proptest::collection::vec(
            (0u64..3, proptest::collection::vec((value_key(), any::<Option<[u8; 2]>>()), 0..8)), 1..6),
        prefixes in proptest::collection::vec(value_key(), 4),
    ) {
        let directory = TempDir::new().unwrap();
        let mut ledger = open(directory.path());
        let mut map = BTreeMap::new();
        let mut position = 0;
        for (entries, values) in commits {
            let values: Vec<_> = values
                .into_iter()
                .map(|(key, value)| (key, value.map(|value| value.to_vec())))
                .collect();
            let commit =
                Commit { values: values.clone(), ..commit(position, position + entries, Vec::new()) };
            ledger.commit(&commit).unwrap();
            position += entries;
            for (key, value) in values {
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
        }
        drop(ledger);
        let mut ledger = open(directory.path());
        let snapshot = ledger.snapshot().unwrap();
        prop_assert_eq!(snapshot.position(), Sequence(position));
        prop_assert_eq!(snapshot.check().unwrap().values, map.len() as u64);
        for prefix in prefixes.into_iter().chain([Vec::new()]) {
            prop_assert_eq!(snapshot.value(&prefix).unwrap(), map.get(&prefix).cloned());
            let expected: Vec<_> = map
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            prop_assert_eq!(snapshot.values(&prefix).unwrap(), expected);
        }
    }
}

#[test]
fn a_changed_value_is_found_by_its_checksum() {
    let directory = TempDir::new().unwrap();
    let mut ledger = open(directory.path());
    let values = vec![value(b"rule/1", Some(b"ok")), value(b"rule/2", Some(b"firing"))];
    ledger.commit(&Commit { values, ..commit(0, 1, Vec::new()) }).unwrap();
    drop(ledger);
    // It is whole, and under another's key.
    let other = "key = CAST('rule/4' AS BLOB)";
    meddle(
        directory.path(),
        &format!("UPDATE kept SET {other} WHERE key = CAST('rule/1' AS BLOB)"),
    );
    let mut ledger = open(directory.path());
    let snapshot = ledger.snapshot().unwrap();
    assert_eq!(snapshot.value(b"rule/2").unwrap().as_deref(), Some(b"firing".as_slice()));
    for error in [snapshot.value(b"rule/4").unwrap_err(), snapshot.check().unwrap_err()] {
        assert!(error.to_string().contains("the value under `rule/4` in "), "{error}");
    }
}

#[test]
fn a_commit_that_fails_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, slice) = with_slice(directory.path());
    let delta = Delta { slice, slot: Slot(3), tally: tally(SLOT_EVENTS_MAX - 1, 0, 0) };
    let key = |key: &[u8]| Key { key: key.to_vec(), sequence: Sequence(1), arrival: at(9) };
    ledger.commit(&Commit { keys: vec![key(b"a")], ..commit(0, 2, vec![delta]) }).unwrap();

    let small = Delta { tally: tally(1, 1, 0), ..delta };
    let stranger = Delta { slice: SliceId(99), ..small };
    let long = vec![0; KEY_BYTES_MAX + 1];
    let too_much = vec![0; VALUE_BYTES_MAX + 1];
    for (attempt, why) in [
        (commit(0, 2, vec![small]), "the ledger stands at entry 2, and the commit covers 0"),
        (commit(3, 4, vec![small]), "read the ledger's position and count from there"),
        (commit(2, 1, vec![small]), "covers 2 (exclusive) to 1"),
        (
            commit(2, 3, vec![small, small]),
            "slot of slice 1 in 1970-01-01T00 would count more than 9223372036854775808",
        ),
        (commit(2, 3, vec![small, stranger]), "there is no slice 99"),
        (Commit { keys: vec![key(b"a")], ..commit(2, 3, vec![small]) }, "key `a` was used"),
        (Commit { keys: vec![key(b"b"), key(b"b")], ..commit(2, 3, vec![small]) }, "key `b`"),
        (Commit { keys: vec![key(&long)], ..commit(2, 3, vec![small]) }, "of 257 bytes"),
        (
            Commit {
                values: vec![value(b"b", Some(b"")), value(&[0; VALUE_KEY_BYTES_MAX + 1], None)],
                ..commit(2, 3, vec![small])
            },
            "the key of a value of 1025 bytes is more than the 1024",
        ),
        (
            Commit {
                values: vec![value(b"b", Some(b"")), value(b"c", Some(&too_much))],
                keys: vec![key(b"b")],
                ..commit(2, 3, vec![small])
            },
            "a value of 1048577 bytes",
        ),
    ] {
        let error = ledger.commit(&attempt).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        let snapshot = ledger.snapshot().unwrap();
        assert_eq!(snapshot.position(), Sequence(2));
        assert_eq!(snapshot.tallies(slice, slots(0, 9)).unwrap(), [(Slot(3), delta.tally)]);
        assert_eq!(snapshot.key(b"b").unwrap(), None);
        assert_eq!(snapshot.values(b"").unwrap(), []);
    }
}

#[test]
fn keys_are_remembered_until_they_are_old() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = with_slice(directory.path());
    let keys = (1..=3)
        .map(|n: u8| Key { key: vec![n, n], sequence: Sequence(n.into()), arrival: at(n.into()) })
        .collect();
    ledger.commit(&Commit { keys, ..commit(0, 3, Vec::new()) }).unwrap();
    assert_eq!(ledger.forget_keys(at(3)).unwrap(), 2);
    drop(ledger);
    let mut ledger = open(directory.path());
    let snapshot = ledger.snapshot().unwrap();
    assert_eq!(snapshot.key(&[2, 2]).unwrap(), None);
    let last = KeyUse { sequence: Sequence(3), arrival: at(3) };
    assert_eq!(snapshot.key(&[3, 3]).unwrap(), Some(last));
    for (prefix, found) in
        [(&[][..], true), (&[3], true), (&[3, 3], true), (&[2], false), (&[4], false)]
    {
        assert_eq!(snapshot.key_from(prefix).unwrap(), found.then(|| vec![3, 3]), "{prefix:?}");
    }
}

#[test]
fn generations_follow_each_other() {
    let directory = TempDir::new().unwrap();
    let mut ledger = open(directory.path());
    let first = ledger.generation("checkout", [1; 32], at(5)).unwrap();
    ledger.set_state(first.id, GenerationState::Live).unwrap();
    ledger.commit(&commit(0, 7, Vec::new())).unwrap();
    let second = ledger.generation("checkout", [2; 32], at(6)).unwrap();
    assert_eq!((second.state, second.since), (GenerationState::Filling, Sequence(7)));
    let other = ledger.generation("search", [2; 32], at(6)).unwrap();
    ledger.set_state(other.id, GenerationState::Live).unwrap();
    ledger.set_state(second.id, GenerationState::Live).unwrap();
    let again = ledger.generation("checkout", [1; 32], at(99)).unwrap();
    assert_eq!(again, Generation { state: GenerationState::Retired, ..first.clone() });
    let eu = ledger.slice(second.id, "eu").unwrap();
    assert_eq!(ledger.slice(second.id, "eu").unwrap(), eu);
    assert_ne!(ledger.slice(first.id, "eu").unwrap(), eu);
    drop(ledger);
    let mut ledger = open(directory.path());
    let snapshot = ledger.snapshot().unwrap();
    let states: Vec<_> = snapshot.generations().unwrap().iter().map(|g| (g.id, g.state)).collect();
    let live = GenerationState::Live;
    assert_eq!(states, [(first.id, GenerationState::Retired), (second.id, live), (other.id, live)]);
    assert_eq!(snapshot.slices(second.id).unwrap(), [(eu, "eu".to_owned())]);
    drop(snapshot);
    let unknown = ledger.slice(GenerationId(9), "").unwrap_err().to_string();
    assert_eq!(unknown, "there is no generation 9 in this ledger");
    assert!(ledger.set_state(GenerationId(9), live).is_err());
}

#[test]
fn a_snapshot_does_not_move() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, slice) = with_slice(directory.path());
    let mut reader = ledger.reader().unwrap();
    let before = reader.snapshot().unwrap();
    let delta = Delta { slice, slot: Slot(3), tally: tally(2, 1, 1) };
    ledger.commit(&commit(0, 1, vec![delta])).unwrap();
    assert_eq!(before.position(), Sequence::NONE);
    assert_eq!(before.tallies(slice, slots(0, 9)).unwrap(), []);
    drop(before);
    let after = reader.snapshot().unwrap();
    assert_eq!(after.position(), Sequence(1));
    assert_eq!(after.tallies(slice, slots(0, 9)).unwrap(), [(Slot(3), tally(2, 1, 1))]);
}

#[test]
fn a_changed_chunk_is_found_by_its_checksum() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, slice) = with_slice(directory.path());
    let delta = |slot| Delta { slice, slot: Slot(slot), tally: tally(200, 100, 0) };
    ledger.commit(&commit(0, 1, vec![delta(3), delta(DAY)])).unwrap();
    assert_eq!(
        ledger.snapshot().unwrap().check().unwrap(),
        Checked { chunks: 2, slots: 2, values: 0 }
    );
    drop(ledger);
    // One of the counts, in the table and still a valid encoding.
    let changed = "CAST(substr(slots, 1, 4) || x'02' || substr(slots, 6) AS BLOB)";
    meddle(directory.path(), &format!("UPDATE hours SET slots = {changed} WHERE hour = 0"));
    let mut ledger = open(directory.path());
    let damaged = "the tallies of slice 1 in 1970-01-01T00 in ";
    let is_told = |error: StoreError| {
        let error = error.to_string();
        assert!(error.contains(damaged) && error.contains("the checksum does not fit"), "{error}");
    };
    let snapshot = ledger.snapshot().unwrap();
    is_told(snapshot.tallies(slice, slots(0, 9)).unwrap_err());
    is_told(snapshot.check().unwrap_err());
    assert_eq!(snapshot.tallies(slice, slots(DAY, 2 * DAY)).unwrap().len(), 1);
    drop(snapshot);
    is_told(ledger.commit(&commit(1, 2, vec![delta(5)])).unwrap_err());
    assert_eq!(ledger.position().unwrap(), Sequence(1));
    drop(ledger);
    // A chunk in another's place is whole, and wrong.
    meddle(directory.path(), "DELETE FROM hours WHERE hour = 0; UPDATE hours SET hour = 0");
    is_told(open(directory.path()).snapshot().unwrap().check().unwrap_err());
}

#[test]
fn what_is_no_ledger_of_this_version_is_refused() {
    let refusal = |sql: &str, is_new: bool| {
        let directory = TempDir::new().unwrap();
        if !is_new {
            drop(open(directory.path()));
        }
        meddle(directory.path(), sql);
        let taken = DataDirectory::open(directory.path()).unwrap();
        Ledger::open(&taken).unwrap_err().to_string()
    };
    let next = schema::TABLES.steps.len() + 1;
    let error = refusal(&format!("PRAGMA user_version = {next}"), false);
    assert!(
        error.contains(&format!("`flyball.dev/ledger/v1, tables of version {next}`")),
        "{error}"
    );
    let error = refusal("UPDATE ledger SET format = 'flyball.dev/ledger/v9'", false);
    assert!(error.contains("`flyball.dev/ledger/v9`, and this version knows"), "{error}");
    let error = refusal("CREATE TABLE notes (text TEXT)", true);
    assert!(error.contains("`tables of another program`"), "{error}");
}

#[test]
fn a_file_that_sqlite_cannot_read_is_an_error() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join(FILE), vec![7; 9000]).unwrap();
    let error = Ledger::open(&DataDirectory::open(directory.path()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("ledger.sqlite: file is not a database"), "{error}");
}

#[test]
fn commits_are_synced() {
    let directory = TempDir::new().unwrap();
    let ledger = open(directory.path());
    let read = |pragma: &str| -> String {
        let value = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
        let value = ledger.connection.query_row(&format!("PRAGMA {pragma}"), [], value).unwrap();
        format!("{value:?}")
    };
    assert_eq!(read("journal_mode"), "Text(\"wal\")");
    // FULL.
    assert_eq!(read("synchronous"), "Integer(2)");
}

#[test]
fn old_hours_are_forgotten_and_newer_ones_stay() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, slice) = with_slice(directory.path());
    let hour = 360;
    let add = |slot| Delta { slice, slot: Slot(slot), tally: tally(1, 1, 0) };
    ledger.commit(&commit(0, 1, vec![add(0), add(hour - 1), add(hour), add(3 * hour)])).unwrap();
    // Until they are folded, slots may stay.
    for entry in 2..200 {
        ledger.commit(&commit(entry - 1, entry, vec![add(3 * hour)])).unwrap();
    }
    assert_eq!(ledger.first_tallies().unwrap(), Some(at(0)));
    assert_eq!(ledger.forget_tallies(at(hour * 10 + 5)).unwrap(), 1);
    assert_eq!(ledger.first_tallies().unwrap(), Some(at(hour * 10)));
    let snapshot = ledger.snapshot().unwrap();
    let left = snapshot.tallies(slice, slots(-1, 4 * hour)).unwrap();
    assert_eq!(left, [(Slot(hour), tally(1, 1, 0)), (Slot(3 * hour), tally(199, 199, 0))]);
    drop(snapshot);
    assert_eq!(ledger.forget_tallies(at(hour * 10 + 5)).unwrap(), 0);
}
