use flyball_model::{MetricQuery, MetricSli};

use super::*;
use crate::terms::Plan;

fn sli(side_is_bad: bool) -> SliState {
    let query = |name: &str| MetricQuery {
        source_type: None,
        source_ref: None,
        spec: format!("{{\"query\": \"{name}\"}}"),
    };
    let (side, total) = (query("a"), query("b"));
    let sli = MetricSli::Ratio { counter: true, side, side_is_bad, total };
    let plan = Plan::compile(&sli, None).unwrap();
    SliState::new(Watched { identity: "x".to_owned(), plan, after: None }, Timestamp::MIN)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// What is settled by a time: slots with valid and good.
fn settled(sli: &mut SliState, seconds: i64) -> Vec<(i64, u64, u64)> {
    let mut tallies = Vec::new();
    sli.settle(at(seconds), |slot, tally| tallies.push((slot.0, tally.valid(), tally.good())));
    tallies
}

fn put(sli: &mut SliState, slot: i64, side: i64, total: i64, seconds: i64) {
    sli.add(Slot(slot), (side, total), at(seconds), |_, _| panic!("few slots wait"));
}

#[test]
fn a_slot_waits_for_its_other_side() {
    let mut sli = sli(false);
    put(&mut sli, 1, 0, 10, 21);
    assert_eq!(settled(&mut sli, 50), []);
    put(&mut sli, 1, 9, 0, 50);
    assert_eq!(settled(&mut sli, 51), [(1, 10, 9)]);
    assert_eq!(settled(&mut sli, 500), []);
    // Slots that have not ended wait from their end on.
    put(&mut sli, 6, 1, 1, 60);
    assert_eq!(settled(&mut sli, 99), []);
    assert_eq!(settled(&mut sli, 100), [(6, 1, 1)]);
}

#[test]
fn what_exceeds_goes_on_and_is_dropped_when_it_persists() {
    for side_is_bad in [false, true] {
        let mut sli = sli(side_is_bad);
        let good = |valid, side| if side_is_bad { valid - side } else { side };
        put(&mut sli, 1, 7, 5, 20);
        assert_eq!(settled(&mut sli, 50), [(1, 5, good(5, 5))]);
        assert_eq!((sli.standing().ahead, sli.standing().ahead_since), (2, Some(at(50))));
        put(&mut sli, 2, 1, 5, 50);
        assert_eq!(settled(&mut sli, 80), [(2, 5, good(5, 3))]);
        assert_eq!((sli.standing().ahead, sli.standing().ahead_since), (0, None));
        // More and more: the excess is carried for five minutes, and then it is dropped.
        put(&mut sli, 10, 9, 1, 100);
        put(&mut sli, 12, 9, 1, 400);
        put(&mut sli, 13, 0, 4, 461);
        assert_eq!(
            settled(&mut sli, 500),
            [(10, 1, good(1, 1)), (12, 1, good(1, 1)), (13, 4, good(4, 0))]
        );
        assert_eq!((sli.standing().ahead, sli.standing().dropped), (0, 16));
    }
}

#[test]
fn a_total_below_zero_is_made_up_for() {
    let mut sli = sli(true);
    put(&mut sli, 1, 0, -3, 20);
    put(&mut sli, 2, 0, 5, 20);
    assert_eq!(settled(&mut sli, 60), [(1, 0, 0), (2, 2, 2)]);
    assert_eq!(sli.standing().ahead, 0);
}

#[test]
fn too_many_slots_are_settled_early() {
    let mut sli = sli(true);
    let mut early = Vec::new();
    for slot in 0..=PENDING_MAX {
        let slot = Slot(i64::try_from(slot).unwrap());
        sli.add(slot, (0, 1), at(0), |slot, tally| early.push((slot.0, tally.valid())));
    }
    assert_eq!(early, [(0, 1)]);
    assert_eq!(sli.standing().waiting, PENDING_MAX);
}

proptest::proptest! {
    /// When time is told of makes no difference, only when counts come.
    #[test]
    fn ticks_change_nothing(
        steps in proptest::collection::vec((0i64..80, 0i64..8, -3i64..9, -2i64..9), 1..60),
        ticks in proptest::collection::vec(0i64..2_000, 0..20),
    ) {
        let run = |ticks: &[i64]| {
            let (mut sli, mut all, mut now) = (sli(false), std::collections::BTreeMap::new(), 0);
            let mut add = |slot: Slot, tally: Tally| {
                let sum: &mut Tally = all.entry(slot.0).or_default();
                *sum = sum.plus(tally);
            };
            for (pause, back, side, total) in &steps {
                for tick in ticks.iter().filter(|tick| (now..now + pause).contains(*tick)) {
                    sli.settle(at(*tick), &mut add);
                }
                now += pause;
                sli.settle(at(now), &mut add);
                sli.add(Slot(now / 10 - back), (*side, *total), at(now), &mut add);
            }
            sli.settle(at(now + 1_000), &mut add);
            let standing = sli.standing();
            (all, standing.ahead, standing.dropped)
        };
        let mut sorted = ticks.clone();
        sorted.sort_unstable();
        proptest::prop_assert_eq!(run(&[]), run(&sorted));
    }
}
