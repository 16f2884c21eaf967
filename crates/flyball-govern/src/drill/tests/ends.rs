use flyball_model::{Duration, Timestamp};
use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

fn planned() -> Watch {
    let lasts = Duration::from_minutes(5);
    let dose =
        Dose { bad: 600, allowed: 1_000, surplus: 700, bound: Bound::Share, lasts, is_cut: false };
    Watch::new("k-1", "locks-down", "ada", &dose, 100)
}

fn running() -> Watch {
    let mut watch = planned();
    watch.arm(at(0)).unwrap();
    watch.armed(at(1)).unwrap();
    watch.injected(at(2)).unwrap();
    watch
}

fn looked(second: i64) -> Looked {
    Looked {
        now: at(second),
        burned: Some(0),
        complete_up_to: at(second),
        late: Duration::ZERO,
        counted: Some(0),
        bad: Some(100),
        incident: None,
        is_guarded: true,
    }
}

fn reason(watch: &Watch) -> Option<Stop> {
    match &watch.state {
        WatchState::Stopping { why, .. } | WatchState::Ended { why, .. } => Some(why.clone()),
        _ => None,
    }
}

#[test]
fn a_drill_goes_from_plan_to_end_and_back_nowhere() {
    let mut watch = planned();
    assert_eq!(watch.look(&looked(0)), WatchAct::Wait);
    assert_eq!(watch.injected(at(0)), Err(WatchError));
    assert_eq!(watch.undone(at(0)), Err(WatchError));
    watch.arm(at(0)).unwrap();
    assert_eq!(watch.look(&looked(1)), WatchAct::Wait, "nothing is broken before a guard answers");
    watch.armed(at(1)).unwrap();
    assert_eq!(watch.look(&looked(1)), WatchAct::Inject);
    watch.injected(at(2)).unwrap();
    assert_eq!(watch.look(&looked(3)), WatchAct::Wait);
    watch.stop(Stop::Asked { who: "bo".to_owned() }, at(4));
    assert_eq!(watch.look(&looked(4)), WatchAct::Undo);
    watch.failed("connection refused", at(5));
    assert_eq!(watch.look(&looked(6)), WatchAct::Undo, "it is tried until it worked");
    watch.stop(Stop::TimeUp, at(7));
    watch.undone(at(8)).unwrap();
    assert_eq!(watch.look(&looked(9)), WatchAct::Done);
    let why = Stop::Asked { who: "bo".to_owned() };
    assert_eq!(watch.state, WatchState::Ended { began: Some(at(2)), at: at(8), why });
    assert_eq!(watch.arm(at(9)), Err(WatchError));
    let kept = serde_json::to_value(&watch).unwrap();
    assert_eq!(serde_json::from_value::<Watch>(kept).unwrap(), watch);
}

#[test]
fn every_reason_ends_it_and_the_gravest_is_told() {
    let cases = [
        (Looked { is_guarded: false, ..looked(9) }, Stop::GuardLost),
        (
            Looked { incident: Some("INC-1".into()), ..looked(9) },
            Stop::Incident { id: "INC-1".into() },
        ),
        (Looked { bad: Some(800), burned: Some(600), ..looked(9) }, Stop::Reserve),
        (Looked { burned: Some(600), ..looked(9) }, Stop::Dosed),
        (Looked { complete_up_to: at(2), counted: Some(600), ..looked(9) }, Stop::Dosed),
        (looked(302), Stop::TimeUp),
        (Looked { complete_up_to: at(0), burned: None, bad: None, ..looked(33) }, Stop::Blind),
    ];
    for (seen, why) in cases {
        let mut watch = running();
        assert_eq!(watch.look(&seen), WatchAct::Undo, "{why:?}");
        assert_eq!(reason(&watch), Some(why));
    }
    let mut watch = running();
    let fine = Looked { bad: Some(799), burned: Some(500), ..looked(301) };
    assert_eq!(watch.look(&fine), WatchAct::Wait);
    let old = Looked { complete_up_to: at(0), burned: None, ..looked(32) };
    assert_eq!(running().look(&old), WatchAct::Wait, "counts may be half a minute late");
    let late = |second| Looked { late: Duration::from_seconds(90), now: at(second), ..old.clone() };
    assert_eq!(running().look(&late(122)), WatchAct::Wait, "those of metrics later still");
    let mut watch = running();
    watch.look(&late(123));
    assert_eq!(reason(&watch), Some(Stop::Blind));
}

#[test]
fn what_may_be_there_is_taken_away_whatever_was_heard() {
    let mut watch = planned();
    watch.arm(at(0)).unwrap();
    watch.armed(at(0)).unwrap();
    watch.failed("timed out", at(1));
    assert_eq!(watch.look(&looked(1)), WatchAct::Undo, "the answer may have been lost");
    watch.injected(at(2)).unwrap();
    watch.undone(at(3)).unwrap();
    let why = Stop::Driver { problem: "timed out".to_owned() };
    assert_eq!(watch.state, WatchState::Ended { began: Some(at(2)), at: at(3), why });
    for (mut watch, is_undone) in [(running(), true), (planned(), false)] {
        watch.found(at(50));
        assert_eq!(reason(&watch), Some(Stop::Died));
        let act = if is_undone { WatchAct::Undo } else { WatchAct::Done };
        assert_eq!(watch.look(&looked(50)), act);
    }
    let mut deaf = planned();
    deaf.arm(at(0)).unwrap();
    assert_eq!(deaf.look(&looked(10)), WatchAct::Wait);
    assert_eq!(deaf.look(&looked(11)), WatchAct::Done, "the guard did not answer");
}

proptest! {
    /// A service with a steady rate of bad events, slots of ten seconds that are counted late, and a fault that is gone
    /// some time after it was to be: what is burned is within a tenth of the dose.
    #[test]
    fn what_is_burned_is_what_was_dosed(rate in 1u64..15, began in 0u32..10, late in 0u32..10, undo in 0u32..3) {
        let lasts = Duration::from_hours(4);
        let dose = Dose { bad: 600, allowed: 1_000, surplus: 900, bound: Bound::Share, lasts, is_cut: false };
        let mut watch = Watch::new("k", "d", "ada", &dose, 0);
        let at = |second: u32| at(i64::from(second));
        watch.arm(at(began)).unwrap();
        watch.armed(at(began)).unwrap();
        watch.injected(at(began)).unwrap();
        let mut second = began;
        loop {
            let complete = (second.saturating_sub(late) / 10 * 10).max(began);
            let seen = Looked {
                now: at(second),
                burned: Some(rate * u64::from(complete - began)),
                complete_up_to: at(complete),
                bad: Some(0),
                ..looked(0)
            };
            if watch.look(&seen) == WatchAct::Undo {
                break;
            }
            second += 1;
            prop_assert!(second < 700);
        }
        prop_assert_eq!(reason(&watch), Some(Stop::Dosed));
        let burned = rate * u64::from(second + undo - began);
        prop_assert!(burned.abs_diff(600) <= 60, "{} at {} a second", burned, rate);
    }

    /// Whatever is heard in whatever order: a fault is injected only after a guard answered, what was injected is taken
    /// away before it is done, and nothing begins again.
    #[test]
    fn nothing_is_left_broken(steps in proptest::collection::vec(0u8..8, 0..60)) {
        let (mut watch, mut armed, mut broken, mut undoing) = (planned(), false, false, false);
        for (second, step) in (0..).zip(steps) {
            match step {
                0 => drop(watch.arm(at(second))),
                1 => armed |= watch.armed(at(second)).is_ok(),
                2 if armed && !undoing => broken |= watch.injected(at(second)).is_ok(),
                3 => watch.stop(Stop::TimeUp, at(second)),
                4 => broken &= watch.undone(at(second)).is_err(),
                5 => watch.failed("no", at(second)),
                6 => watch.found(at(second)),
                _ => match watch.look(&looked(second)) {
                    WatchAct::Inject => prop_assert!(armed && !undoing),
                    WatchAct::Undo => undoing = true,
                    WatchAct::Done => prop_assert!(!broken),
                    WatchAct::Wait => prop_assert!(!undoing),
                },
            }
        }
    }
}

#[test]
fn a_guard_takes_the_fault_away_within_five_seconds_of_a_death() {
    let latest = at(1_000);
    // Killed: the pipe ends.
    let mut guard = Guard::new(at(0), latest);
    assert_eq!(guard.hear(GuardHeard::Beat, at(1)), GuardAct::Wait(at(4)));
    assert_eq!(guard.hear(GuardHeard::PipeEnded, at(2)), GuardAct::Undo);
    assert!(
        matches!(guard.hear(GuardHeard::UndoFailed, at(3)), GuardAct::Wait(then) if then == at(4))
    );
    assert_eq!(guard.hear(GuardHeard::Nothing, at(4)), GuardAct::Undo, "again and again");
    assert_eq!(
        guard.hear(GuardHeard::Dismissed, at(4)),
        GuardAct::Wait(at(5)),
        "too late to be called back"
    );
    assert_eq!(guard.hear(GuardHeard::Undone, at(5)), GuardAct::Leave);
    // Hangs: the beats stop.
    let mut guard = Guard::new(at(0), latest);
    guard.hear(GuardHeard::Beat, at(10));
    assert_eq!(guard.hear(GuardHeard::Nothing, at(12)), GuardAct::Wait(at(13)));
    assert_eq!(guard.hear(GuardHeard::Nothing, at(13)), GuardAct::Undo);
    // Its whole time is over, though the server beats.
    let mut guard = Guard::new(at(0), at(5));
    assert_eq!(guard.hear(GuardHeard::Beat, at(4)), GuardAct::Wait(at(5)));
    assert_eq!(guard.hear(GuardHeard::Beat, at(5)), GuardAct::Undo);
    // Dismissed, or ended itself.
    let mut guard = Guard::new(at(0), latest);
    assert_eq!(guard.hear(GuardHeard::Dismissed, at(1)), GuardAct::Leave);
    assert_eq!(guard.hear(GuardHeard::PipeEnded, at(1)), GuardAct::Leave);
    let mut guard = Guard::new(at(0), latest);
    assert_eq!(guard.hear(GuardHeard::Terminated, at(1)), GuardAct::Undo);
    let worst = LEASE.as_seconds_f64() + BEAT_EVERY.as_seconds_f64();
    assert!(worst < 5.0, "one lease, and a request's time");
}

proptest! {
    /// Whatever a guard hears, once nobody dismissed it it never leaves a fault: it leaves after one of the two only.
    #[test]
    fn a_guard_leaves_when_the_fault_is_gone(heard in proptest::collection::vec(0u8..7, 1..60)) {
        let mut guard = Guard::new(at(0), at(20));
        let (mut is_gone, mut has_begun) = (false, false);
        for (second, heard) in (1..).zip(heard) {
            let heard = match heard {
                0 => GuardHeard::Beat,
                1 => GuardHeard::Dismissed,
                2 => GuardHeard::PipeEnded,
                3 => GuardHeard::Terminated,
                4 if has_begun => GuardHeard::Undone,
                5 if has_begun => GuardHeard::UndoFailed,
                _ => GuardHeard::Nothing,
            };
            is_gone |= heard == GuardHeard::Undone || (heard == GuardHeard::Dismissed && !has_begun);
            match guard.hear(heard, at(second)) {
                GuardAct::Leave => prop_assert!(is_gone),
                GuardAct::Undo => {
                    prop_assert!(!is_gone);
                    has_begun = true;
                }
                GuardAct::Wait(until) => {
                    prop_assert!(!is_gone);
                    prop_assert!(until.since(at(second)) <= LEASE);
                }
            }
        }
    }
}
