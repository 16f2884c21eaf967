//! A process that appends and counts, killed over and over: what it acknowledged is in the journal,
//! and the ledger counts what the journal holds.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::spin_loop;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use flyball_model::{Interval, Slot, Tally};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::child::{number, of_payload, value_key};
use super::*;

const ROUNDS: usize = 40;
const SEED: u64 = 0x5eed_0009;

#[test]
fn what_is_acknowledged_outlives_a_kill_and_counts_once() {
    let directory = TempDir::new().unwrap();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut acknowledged = BTreeSet::new();
    let mut torn = 0;
    let mut uncounted = 0;
    for round in 0..ROUNDS {
        let mut child = child(&format!("work {}", directory.path().display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Some are killed while they open the store.
        let wanted = random.random_range(0..200);
        let mut seen = 0;
        while seen < wanted {
            let line = lines.next().expect("the child goes on until it is killed").unwrap();
            seen += usize::from(acknowledge(&line, &mut acknowledged));
        }
        for _ in 0..random.random_range(0..300_000) {
            spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died, as far as whole lines go; the child ends each by a full stop.
        for line in lines.map_while(Result::ok) {
            acknowledge(&line, &mut acknowledged);
        }
        let (was_torn, behind) = verify(directory.path(), &acknowledged, round);
        torn += usize::from(was_torn);
        uncounted += behind;
    }
    assert!(acknowledged.len() > ROUNDS * 50, "{} acknowledged", acknowledged.len());
    assert!(uncounted > 0, "no kill came between journal and ledger: the test tests nothing");
    println!(
        "{} acknowledged over {ROUNDS} kills; {torn} torn ends; {uncounted} entries were in the \
         journal and not yet counted when a process was killed",
        acknowledged.len()
    );
}

/// Takes note of an acknowledgement; other lines are the test harness's.
fn acknowledge(line: &str, acknowledged: &mut BTreeSet<u64>) -> bool {
    let number = line.strip_prefix("ack ").and_then(|rest| rest.strip_suffix('.'));
    let Some(number) = number else { return false };
    assert!(acknowledged.insert(number.parse().unwrap()), "acknowledged twice");
    true
}

/// Opens the store as the next process would and holds it against what was acknowledged.
fn verify(directory: &std::path::Path, acknowledged: &BTreeSet<u64>, round: usize) -> (bool, u64) {
    let mut store = Store::open(directory, options()).unwrap();
    let payloads = payloads(&store);
    let numbers: Vec<u64> = payloads.iter().map(|payload| number(payload)).collect();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(distinct.len(), numbers.len(), "round {round}: something is there twice");
    let lost: Vec<_> = acknowledged.difference(&distinct).collect();
    assert!(lost.is_empty(), "round {round}: acknowledged and lost: {lost:?}");
    for payload in &payloads {
        assert_eq!(payload, &super::child::payload(number(payload)), "round {round}");
    }
    let snapshot = store.ledger.snapshot().unwrap();
    let position = snapshot.position();
    let counted = usize::try_from(position.0).unwrap();
    let mut expected: BTreeMap<Slot, Tally> = BTreeMap::new();
    let mut values = BTreeMap::new();
    for payload in &payloads[..counted] {
        match number(payload) % 4 {
            0 => values.remove(&value_key(number(payload))),
            _ => values.insert(value_key(number(payload)), payload.clone()),
        };
        let (slot, tally) = of_payload(payload);
        let sum = expected.entry(slot).or_default();
        *sum = sum.plus(tally);
    }
    let always = Interval::new(Timestamp::MIN, Timestamp::MAX).unwrap();
    let expected: Vec<_> = expected.into_iter().collect();
    for generation in snapshot.generations().unwrap() {
        for (slice, name) in snapshot.slices(generation.id).unwrap() {
            let found = snapshot.tallies(slice, always).unwrap();
            assert_eq!(found, expected, "round {round}: the ledger, slice `{name}`");
        }
    }
    let values: Vec<_> = values.into_iter().collect();
    assert_eq!(snapshot.values(b"last/").unwrap(), values, "round {round}: the values");
    snapshot.check().unwrap();
    drop(snapshot);
    (store.recovery.torn.is_some(), payloads.len() as u64 - position.0)
}
