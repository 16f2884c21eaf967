//! The verdict from tallies.

use flyball_govern::verdict::{
    Answer, Comparison, Pairing, Settings, Verdict, Why, Worse, judge, rank,
};
use flyball_model::{Rational, Slot, Tally};
use flyball_testkit::Random;
use proptest::prelude::*;

use crate::traffic::{SHAPES, Shape, Traffic};

/// A budget of one per cent, all of which a change would have to spend to matter.
fn settings() -> Settings {
    Settings::new(Rational::new(1, 100).unwrap(), Rational::ONE).unwrap()
}

fn before_after(before: &[(Slot, Tally)], after: &[(Slot, Tally)]) -> Verdict {
    let horizon = u32::try_from(after.len()).unwrap();
    let comparison = Comparison::before_after(before, after, Pairing::Nearest { horizon });
    judge(&comparison.unwrap(), &settings())
}

fn tally(valid: u64, bad: u64) -> Tally {
    Tally::new(valid, valid - bad).unwrap()
}

fn same(from: i64, count: i64, valid: u64, bad: u64) -> Vec<(Slot, Tally)> {
    (from..from + count).map(|slot| (Slot(slot), tally(valid, bad))).collect()
}

#[test]
fn an_outage_is_found_in_its_second_slot() {
    let verdict = before_after(&same(0, 300, 600, 1), &same(300, 10, 600, 600));
    assert_eq!((verdict.answer, verdict.why), (Answer::Regressed, Why::Worse));
    assert_eq!((verdict.decided_in, verdict.slots_to_decision), (Some(Slot(301)), Some(2)));
    // 6000 bad events, of which the time before explains ten.
    assert_eq!(verdict.burned.events, 5990);
    assert!(verdict.burned.low > 5000 && verdict.burned.high <= 6000, "{verdict:?}");
    let effect = verdict.effect.unwrap();
    assert!((effect.difference - 5990.0 / 6000.0).abs() < 1e-12);
    assert!(effect.difference_range.low > 0.9, "{effect:?}");
}

#[test]
fn what_stays_as_it_was_is_healthy_after_enough_of_it() {
    let verdict = before_after(&same(0, 300, 600, 1), &same(300, 30, 600, 1));
    assert_eq!((verdict.answer, verdict.why), (Answer::Healthy, Why::WithinMargin), "{verdict:?}");
    let effect = verdict.effect.unwrap();
    assert!(effect.difference_range.low <= 0.0 && effect.difference_range.high.unwrap() < 0.01);
    assert_eq!(verdict.burned.events, 0);
}

#[test]
fn absence_is_told_apart() {
    let verdict = before_after(&[], &same(300, 3, 600, 300));
    assert_eq!((verdict.answer, verdict.why), (Answer::Undecided, Why::NoBaseline));
    let verdict = before_after(&same(0, 300, 600, 1), &same(300, 3, 0, 0));
    assert_eq!((verdict.answer, verdict.why), (Answer::Undecided, Why::NoData));
    let verdict = before_after(&same(0, 300, 600, 1), &[]);
    assert_eq!((verdict.why, verdict.looks), (Why::NoData, 0));
    let verdict = before_after(&same(0, 300, 3, 0), &same(300, 3, 2, 0));
    assert_eq!((verdict.answer, verdict.why), (Answer::Undecided, Why::TooLittleData));
    assert_eq!(verdict.burned.events, 0);
}

#[test]
fn a_canary_is_judged_by_what_happens_beside_it() {
    // An outage of something both depend on: twenty per cent fail everywhere.
    let both: Vec<_> = (0..60)
        .map(|slot| {
            let bad = if (20..40).contains(&slot) { 20 } else { 0 };
            (Slot(slot), tally(900, 9 * bad), tally(100, bad))
        })
        .collect();
    let verdict = judge(&Comparison::concurrent(&both, &[]).unwrap(), &settings());
    assert_ne!(verdict.answer, Answer::Regressed, "{verdict:?}");
    assert_eq!(verdict.burned.events, 0);
    // The same seen by time alone is a regression.
    let after: Vec<_> = both[20..].iter().map(|slot| (Slot(300 + slot.0.0), slot.1)).collect();
    assert_eq!(before_after(&same(0, 320, 900, 0), &after).answer, Answer::Regressed);
}

#[test]
fn a_bad_canary_is_found_soon_and_a_good_one_cleared() {
    let before = same(0, 500, 600, 3);
    let beside = |bad: u64| {
        let slots: Vec<_> =
            (500..620).map(|slot| (Slot(slot), tally(540, 3), tally(60, bad))).collect();
        judge(&Comparison::concurrent(&slots, &before).unwrap(), &settings())
    };
    let worse = beside(6);
    assert_eq!(worse.answer, Answer::Regressed, "{worse:?}");
    assert!(worse.slots_to_decision.unwrap() <= 6, "{worse:?}");
    // Six in each slot, of which the control explains a third of one.
    assert_eq!(worse.burned.events, 120 * 6 - 40);
    assert_eq!(beside(0).answer, Answer::Healthy);
}

#[test]
fn a_rollout_in_steps_does_not_deceive() {
    // The hour is bad for both, and by then the candidate has most of the traffic.
    let steps: Vec<_> = (0..40)
        .map(|slot| match slot {
            0..20 => (Slot(slot), tally(950, 0), tally(50, 0)),
            _ => (Slot(slot), tally(50, 2), tally(950, 38)),
        })
        .collect();
    let verdict = judge(&Comparison::concurrent(&steps, &[]).unwrap(), &settings());
    assert_ne!(verdict.answer, Answer::Regressed, "{verdict:?}");
    let effect = verdict.effect.unwrap();
    assert!(effect.difference.abs() < 1e-9, "{effect:?}");
}

#[test]
fn a_leak_that_begins_late_is_found() {
    let before = same(0, 2000, 600, 1);
    let mut after = same(2000, 150, 600, 1);
    after.extend(same(2150, 20, 600, 60));
    let healthy = before_after(&before, &after[..150]);
    assert_eq!(healthy.answer, Answer::Healthy);
    let verdict = before_after(&before, &after);
    assert_eq!(verdict.answer, Answer::Regressed, "{verdict:?}");
    assert!(verdict.slots_to_decision.unwrap() < 160, "{verdict:?}");
}

#[test]
fn a_daily_rhythm_is_no_regression_when_the_same_hours_are_compared() {
    let day = 144;
    let ratio = |slot: i64| if (60..80).contains(&slot.rem_euclid(day)) { 30 } else { 1 };
    let slots = |from: i64, to: i64| -> Vec<_> {
        (from..to).map(|slot| (Slot(slot), tally(600, ratio(slot)))).collect()
    };
    let (before, after) = (slots(0, 6 * day), slots(6 * day, 7 * day));
    let pairing = Pairing::Period { slots: 144, count: 4 };
    let verdict = judge(&Comparison::before_after(&before, &after, pairing).unwrap(), &settings());
    assert_eq!(verdict.answer, Answer::Healthy, "{verdict:?}");
}

#[test]
fn verdicts_are_the_same_again_and_serialise() {
    let (before, after) = (same(0, 300, 600, 1), same(300, 10, 600, 60));
    let verdict = before_after(&before, &after);
    assert_eq!(verdict, before_after(&before, &after));
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["answer"], "regressed");
    assert_eq!(json["why"], "worse");
    assert_eq!(json["design"], "before_after");
    assert_eq!(json["decided_in"], verdict.decided_in.unwrap().0);
    assert_eq!(json["candidate"]["bad"], 600);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let half = Rational::new(1, 2).unwrap();
    assert!(Settings::new(Rational::ZERO, Rational::ONE).is_err());
    assert!(Settings::new(half, Rational::parse("2").unwrap()).is_err());
    assert!(settings().with_errors(0.0, 0.05).is_err());
    assert!(settings().with_errors(0.05, 0.5).is_err());
}

/// Few enough runs for every build; the table in `docs/verdicts.md` has more of everything.
#[test]
fn false_alarms_stay_below_their_bound_under_continuous_looking() {
    const RUNS: u64 = 60;
    for (name, shape) in SHAPES {
        let mut regressed = 0;
        for seed in 0..RUNS {
            let mut traffic = Traffic::new(seed, shape);
            let before = traffic.slots(0, 600, 200.0, 0.005);
            let after = traffic.slots(600, 50, 200.0, 0.005);
            regressed += u64::from(before_after(&before, &after).answer == Answer::Regressed);
        }
        // With a probability of one in twenty, more than seven of sixty have one of 1.4 %.
        assert!(regressed <= 7, "{name}: {regressed} of {RUNS}");
    }
}

/// At the margin itself, the hardest of the harmless cases.
#[test]
fn a_change_at_the_margin_is_called_regressed_no_more_often_than_stated() {
    let regressed = (0..60)
        .filter(|seed| {
            let mut traffic = Traffic::new(*seed, Shape::Independent);
            let before = traffic.slots(0, 600, 200.0, 0.005);
            let after = traffic.slots(600, 50, 200.0, 0.015);
            before_after(&before, &after).answer == Answer::Regressed
        })
        .count();
    assert!(regressed <= 7, "{regressed} of 60");
}

#[test]
fn ranges_hold_the_truth() {
    let mut held = 0;
    for seed in 0..40 {
        let mut traffic = Traffic::new(seed, Shape::Independent);
        let before = traffic.slots(0, 600, 200.0, 0.01);
        let after = traffic.slots(600, 50, 200.0, 0.04);
        let effect = before_after(&before, &after).effect.unwrap();
        let inside = |range: flyball_govern::verdict::Range, truth: f64| {
            range.low <= truth && range.high.is_none_or(|high| truth <= high)
        };
        let difference = inside(effect.difference_range, 0.03);
        held += u32::from(difference && inside(effect.ratio_range, 4.0));
    }
    assert!(held >= 34, "{held} of 40");
}

#[test]
fn ranks_of_equal_arms_are_called_regressed_no_more_often_than_stated() {
    let mut regressed = 0;
    for seed in 0..200 {
        let mut random = Random::new(seed);
        // Heavy tails: the mean does not exist.
        let mut value = || 1e6 / (1 + random.below(1_000_000)) as f64;
        let control: Vec<f64> = (0..30).map(|_| value()).collect();
        let candidate: Vec<f64> = (0..200).map(|_| value()).collect();
        let verdict = rank(&control, &candidate, Worse::Higher, 1.0, (0.05, 0.05)).unwrap();
        regressed += u32::from(verdict.answer == Answer::Regressed);
    }
    // One in twenty is ten; more than nineteen then have a probability of 0.3 %.
    assert!(regressed <= 19, "{regressed} of 200");
}

proptest! {
    /// Whatever the counts: no panic, integers that fit, ranges in order.
    #[test]
    fn any_counts_are_judged(
        before in proptest::collection::vec((0u64..2000, 0u64..2000), 0..40),
        after in proptest::collection::vec((0u64..2000, 0u64..2000), 0..20),
        scale in 1u64..1_000_000_000,
    ) {
        let slots = |from: i64, counts: &[(u64, u64)]| -> Vec<_> {
            (from..).zip(counts).map(|(slot, (a, b))| (Slot(slot), tally(a.max(b) * scale, b * scale))).collect()
        };
        let verdict = before_after(&slots(0, &before), &slots(40, &after));
        prop_assert!(verdict.burned.low <= verdict.burned.events);
        prop_assert!(verdict.burned.events <= verdict.burned.high);
        prop_assert!(verdict.burned.high <= verdict.candidate.bad());
        if let Some(effect) = verdict.effect {
            let range = effect.difference_range;
            prop_assert!((-1.0..=1.0).contains(&range.low));
            prop_assert!(range.high.is_some_and(f64::is_finite));
        }
        if verdict.answer == Answer::Healthy {
            prop_assert!(verdict.effect.is_some());
        }
    }
}
