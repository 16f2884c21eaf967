//! Open slots and hours together against a plain map, and the way from the tables before them.

use std::collections::BTreeMap;

use flyball_model::Timestamp;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::*;
use crate::directory::DataDirectory;
use crate::ledger::chunk::Kind;
use crate::ledger::{Commit, FILE, Ledger, SliceId, schema};
use crate::sqlite::Schema;
use crate::{Sequence, StoreError};

const HOUR: i64 = SLOTS_PER_HOUR as i64;

fn open(path: &Path) -> Ledger {
    Ledger::open(&DataDirectory::open(path).unwrap()).unwrap()
}

/// A ledger with so many slices: more than a block, so that there are two.
fn with_slices(path: &Path, count: usize) -> (Ledger, Vec<SliceId>) {
    let mut ledger = open(path);
    let generation = ledger.generation("checkout", [1; 32], Timestamp::from_seconds(0)).unwrap();
    let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let slices = ledger.slices(generation.id, &names).unwrap();
    assert_eq!(ledger.slices(generation.id, &names).unwrap(), slices);
    (ledger, slices)
}

fn tally(valid: u64, good: u64) -> Tally {
    Tally::new(valid, good).unwrap()
}

fn slots(from: i64, to: i64) -> Interval {
    let at = |slot: i64| Timestamp::from_nanos(slot * SLOT_WIDTH.nanos());
    Interval::new(at(from), at(to)).unwrap()
}

fn count(ledger: &Ledger, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    ledger.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// Everything that was committed, the naive way.
#[derive(Default)]
struct Naive(BTreeMap<(SliceId, Slot), Tally>);

impl Naive {
    fn add(&mut self, deltas: &[Delta]) {
        for delta in deltas {
            let sum = self.0.entry((delta.slice, delta.slot)).or_default();
            *sum = sum.plus(delta.tally);
        }
    }

    fn of(&self, slice: SliceId, from: i64, to: i64) -> Vec<(Slot, Tally)> {
        let range = (slice, Slot(from))..(slice, Slot(to));
        self.0.range(range).map(|((_, slot), tally)| (*slot, *tally)).collect()
    }
}

/// Time goes on over many hours; most commits bring a slot for all slices, some are late, some for
/// the future, some fill a single slice's past.
#[test]
fn what_is_open_and_what_is_folded_add_up() {
    const SLICES: usize = 300;
    const COMMITS: i64 = 300;
    let directory = TempDir::new().unwrap();
    let (mut ledger, slices) = with_slices(directory.path(), SLICES);
    let mut random = StdRng::seed_from_u64(0x5eed_0010);
    let mut naive = Naive::default();
    let mut most_open = 0;
    for number in 0..COMMITS {
        // Some seven commits an hour: an hour is quiet, and folded, soon.
        let now = number * 53;
        let mut deltas = Vec::new();
        match random.random_range(0..10) {
            0 => {
                let slice = slices[random.random_range(0..SLICES)];
                let from = random.random_range(-2 * HOUR..now + 1);
                let past = (from..from + random.random_range(1..2 * HOUR)).map(Slot);
                deltas.extend(past.map(|slot| Delta { slice, slot, tally: tally(2, 1) }));
            }
            kind => {
                let slot = match kind {
                    1 => Slot(now - random.random_range(0..3 * HOUR)),
                    2 => Slot(now + random.random_range(0..9 * HOUR)),
                    _ => Slot(now),
                };
                for slice in &slices {
                    if random.random_bool(0.8) {
                        let good = random.random_range(0..3);
                        deltas.push(Delta { slice: *slice, slot, tally: tally(good + 1, good) });
                    }
                }
            }
        }
        naive.add(&deltas);
        let position = Sequence(number.cast_unsigned());
        let commit =
            Commit { after: position, through: position.next(), deltas, ..Commit::default() };
        ledger.commit(&commit).unwrap();
        most_open = most_open.max(count(&ledger, "open_hours"));
        if number % 59 == 0 {
            drop(ledger);
            ledger = open(directory.path());
        }
        let slice = slices[random.random_range(0..SLICES)];
        let from = now - random.random_range(0..5 * HOUR);
        let to = from + random.random_range(0..6 * HOUR);
        let snapshot = ledger.snapshot().unwrap();
        assert_eq!(snapshot.tallies(slice, slots(from, to)).unwrap(), naive.of(slice, from, to));
    }
    assert!(count(&ledger, "hours") > 300 * 20, "hours are folded");
    assert!(most_open < 2 * 80, "{most_open} hours of blocks were open at once");
    let orphans = "open_slots WHERE NOT EXISTS (SELECT 1 FROM open_hours
        WHERE open_hours.block = open_slots.block AND slot BETWEEN hour * 360 AND hour * 360 + 359)";
    assert_eq!(count(&ledger, orphans), 0, "open slots that would never be folded");
    let snapshot = ledger.snapshot().unwrap();
    let (from, to) = (-9 * HOUR, (COMMITS + 90) * 53);
    let mut tallies = 0;
    for slice in slices {
        let expected = naive.of(slice, from, to);
        tallies += expected.len();
        assert_eq!(snapshot.tallies(slice, slots(from, to)).unwrap(), expected);
    }
    assert_eq!(tallies, naive.0.len());
    assert!(snapshot.check().unwrap().slots >= tallies as u64);
}

#[test]
fn an_hour_that_is_quiet_is_folded_and_its_open_slots_are_gone() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, slices) = with_slices(directory.path(), 3);
    let all =
        |slot| slices.iter().map(move |slice| Delta { slice: *slice, slot, tally: tally(2, 1) });
    for number in 0..=QUIET_COMMITS {
        let slot = Slot(if number == 0 { HOUR - 1 } else { HOUR });
        let deltas = all(slot).collect();
        ledger.commit(&Commit { deltas, ..Commit::default() }).unwrap();
        // The last of these commits is the first that finds it quiet.
        let is_open = number < QUIET_COMMITS;
        assert_eq!(count(&ledger, "hours"), if is_open { 0 } else { 3 }, "commit {number}");
    }
    assert_eq!((count(&ledger, "open_slots"), count(&ledger, "open_hours")), (1, 1));
    let expected = [(Slot(HOUR - 1), tally(2, 1)), (Slot(HOUR), tally(64, 32))];
    let snapshot = ledger.snapshot().unwrap();
    assert_eq!(snapshot.tallies(slices[1], slots(0, 2 * HOUR)).unwrap(), expected);
}

#[test]
fn counts_too_large_to_be_open_go_to_their_hour_and_are_bounded_there() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, slices) = with_slices(directory.path(), 2);
    let both = |valid| {
        let deltas = slices.iter().map(|slice| Delta {
            slice: *slice,
            slot: Slot(5),
            tally: tally(valid, valid),
        });
        Commit { deltas: deltas.collect(), ..Commit::default() }
    };
    ledger.commit(&both(OPEN_EVENTS_MAX)).unwrap();
    assert_eq!((count(&ledger, "open_slots"), count(&ledger, "hours")), (1, 0));
    ledger.commit(&both(1)).unwrap();
    assert_eq!((count(&ledger, "open_slots"), count(&ledger, "hours")), (1, 2));
    ledger.commit(&both(SLOT_EVENTS_MAX - 1)).unwrap();
    let error = ledger.commit(&both(OPEN_EVENTS_MAX)).unwrap_err();
    assert!(matches!(error, StoreError::Overflow { .. }), "{error}");
    let snapshot = ledger.snapshot().unwrap();
    let sum = SLOT_EVENTS_MAX + OPEN_EVENTS_MAX;
    let expected = [(Slot(5), tally(sum, sum))];
    assert_eq!(snapshot.tallies(slices[0], slots(0, 9)).unwrap(), expected);
}

#[test]
fn damage_to_open_slots_is_found() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, slices) = with_slices(directory.path(), 2);
    let deltas: Vec<_> = slices
        .iter()
        .map(|slice| Delta { slice: *slice, slot: Slot(7), tally: tally(5, 5) })
        .collect();
    let commit = Commit { deltas, ..Commit::default() };
    ledger.commit(&commit).unwrap();
    ledger.connection.execute("UPDATE open_slots SET slot = 8", []).unwrap();
    let is_told = |error: StoreError| {
        let error = error.to_string();
        let of = "the tallies of the slices 0 to 255 in 1970-01-01T00:01:20 in";
        assert!(error.contains(of), "{error}");
    };
    let snapshot = ledger.snapshot().unwrap();
    is_told(snapshot.tallies(slices[0], slots(0, 9)).unwrap_err());
    is_told(snapshot.check().unwrap_err());
}

/// A ledger as version 2 of the tables had it.
#[test]
fn days_become_hours() {
    let directory = TempDir::new().unwrap();
    let old = Schema { steps: &schema::TABLES.steps[..2], ..schema::TABLES };
    let path = directory.path().join(FILE);
    let connection = sqlite::open(&path, &old).unwrap();
    connection
        .execute_batch(
            "INSERT INTO generations VALUES (1, 'checkout', zeroblob(32), 0, 0, 'live');
             INSERT INTO slices VALUES (1, 1, 'a'), (2, 1, 'b');
             UPDATE ledger SET position = 9",
        )
        .unwrap();
    let mut naive = Naive::default();
    let mut random = StdRng::seed_from_u64(0x5eed_0011);
    for (slice, day) in [(1, 0), (1, -1), (2, 20_413)] {
        let tallies: Vec<(Place, Tally)> = (0..24 * SLOTS_PER_HOUR)
            .filter(|_| random.random_bool(0.1))
            .map(|place| (place, tally(3, u64::from(place % 4))))
            .collect();
        let of_place = |(place, tally): &(Place, Tally)| Delta {
            slice: SliceId(slice),
            slot: Slot(day * 24 * HOUR + i64::from(*place)),
            tally: *tally,
        };
        naive.add(&tallies.iter().map(of_place).collect::<Vec<_>>());
        let bytes = chunk::encode(ChunkKey { kind: Kind::Day, of: slice, at: day }, &tallies);
        let write = "INSERT INTO chunks (slice, day, slots) VALUES (?1, ?2, ?3)";
        connection.execute(write, params![slice, day, bytes]).unwrap();
    }
    drop(connection);
    let mut ledger = open(directory.path());
    let snapshot = ledger.snapshot().unwrap();
    assert_eq!(snapshot.position(), Sequence(9));
    let (from, to) = (-9_000, 20_414 * 24 * HOUR);
    for slice in [SliceId(1), SliceId(2)] {
        let found = snapshot.tallies(slice, slots(from, to)).unwrap();
        assert_eq!(found, naive.of(slice, from, to));
    }
    assert_eq!(snapshot.check().unwrap().slots, naive.0.len() as u64);
}

proptest! {
    #[test]
    fn slots_of_an_interval_are_those_that_start_in_it(
        start in -30_000_000_000i64..30_000_000_000, length in 0i64..40_000_000_000, whole: bool,
    ) {
        let snap = |at: i64| if whole { at - at.rem_euclid(SLOT_WIDTH.nanos()) } else { at };
        let [start, end] = [start, start + length].map(|at| Timestamp::from_nanos(snap(at)));
        let interval = Interval::new(start, end).unwrap();
        let expected: Vec<i64> = (-10..20)
            .filter(|slot| interval.contains(Slot(*slot).interval(SLOT_WIDTH).start()))
            .collect();
        let found = slots_in(interval).map_or_else(Vec::new, |(first, last)| (first..=last).collect());
        prop_assert_eq!(found, expected);
    }
}
