//! What is said at a step is so at that step.

use flyball_govern::alert::{
    About, Act, Because, Desk, Facts, Field, Notice, OF_DRILL, Observed, Outcome, Reading, Retry,
    Silence, TransitionKind,
};

use super::cases::silence;
use super::{at, calling, desk, fired, resolved, subject};

fn left(remaining: f64, bad: u64) -> Facts {
    let reading = Reading {
        rule: "fast".to_owned(),
        valid: 100,
        bad,
        burn: 10.0 * bad as f64,
        spent_in_lookback: 0.01 * bad as f64,
        spent_of_window: None,
    };
    Facts { remaining: Some(remaining), readings: vec![reading], ..Facts::default() }
}

fn see(desk: &mut Desk, seen: Vec<Observed>, facts: &Facts, seconds: i64) {
    desk.observe(&subject(0), seen, facts, at(seconds));
}

/// Everything that is sent at `seconds`.
fn sent(desk: &mut Desk, seconds: i64) -> Vec<Notice> {
    let mut sent = Vec::new();
    loop {
        let begun = desk.begin(at(seconds), usize::MAX, usize::MAX);
        if begun.is_empty() {
            return sent;
        }
        for notice in begun {
            desk.settle(notice.id, Outcome::Delivered, at(seconds), &Retry::default());
            sent.push(notice);
        }
    }
}

#[test]
fn whoever_is_called_next_hears_what_is_so_then() {
    let mut desk = calling();
    see(&mut desk, vec![fired(0, at(10))], &left(0.45, 50), 10);
    sent(&mut desk, 10);
    assert!(desk.due(at(69)).is_empty());
    assert_eq!(desk.due(at(70)).into_iter().collect::<Vec<_>>(), [1]);
    desk.refresh(1, &left(-0.43, 97));
    let told = sent(&mut desk, 70);
    assert_eq!(told.len(), 3);
    for notice in told {
        let About::Alert { alert, act: Act::Update, .. } = notice.about else { panic!() };
        assert_eq!(alert.facts.remaining, Some(-0.43));
        let reading = alert.reading(alert.leading().unwrap());
        assert_eq!((reading.bad, reading.burn), (97, 970.0));
        assert_eq!(alert.leading().unwrap().bad, 60, "what it fired with stays in the pair");
    }
}

#[test]
fn what_is_no_step_changes_nothing_that_is_said_of_the_budget() {
    let mut desk = desk();
    see(&mut desk, vec![fired(0, at(10))], &left(0.4, 50), 10);
    see(&mut desk, vec![fired(1, at(20))], &left(-0.7, 90), 20);
    let alert = desk.alert(1).unwrap();
    assert_eq!((alert.pairs.len(), alert.transitions.len()), (2, 1));
    assert_eq!(alert.facts.remaining, Some(0.4));
    see(&mut desk, vec![fired(2, at(30))], &left(-0.8, 90), 30);
    let over = vec![resolved(0, at(10), at(40)), resolved(1, at(20), at(40))];
    see(&mut desk, over, &left(-0.9, 95), 40);
    let alert = desk.alert(1).unwrap();
    assert_eq!((alert.transitions.len(), alert.facts.remaining), (2, Some(-0.9)));
    assert_eq!(alert.firing_since(), Some(at(40)), "since then it is a ticket");
    see(&mut desk, vec![fired(0, at(50))], &left(-1.0, 99), 50);
    let alert = desk.alert(1).unwrap();
    assert_eq!((alert.fired, alert.firing_since()), (Some(at(10)), Some(at(50))));
}

#[test]
fn that_nobody_is_left_to_call_is_a_step_that_is_told() {
    let mut desk = calling();
    see(&mut desk, vec![fired(0, at(10))], &left(0.4, 50), 10);
    for seconds in [10, 70, 130, 250, 310, 370] {
        assert!(!sent(&mut desk, seconds).is_empty(), "{seconds}");
        assert!(!desk.alert(1).unwrap().is_unanswered());
    }
    assert_eq!(desk.next(), Some(at(490)), "the last level has its time");
    assert_eq!(sent(&mut desk, 489), []);
    // A restart in between loses nothing.
    let mut desk = Desk::of_rows(desk.take_changed().into_iter().filter_map(|(_, row)| row));
    desk.resume(at(489));
    desk.call_by(super::board(), at(489));
    let told = sent(&mut desk, 490);
    assert_eq!(told.len(), 4);
    let alert = desk.alert(1).unwrap();
    assert_eq!(alert.transition().unwrap().kind, TransitionKind::Unanswered);
    assert!(alert.is_unanswered());
    assert_eq!(alert.call().unwrap().unanswered, Some(at(490)));
    assert_eq!((sent(&mut desk, 9_000), desk.next()), (Vec::new(), None), "once");
    assert!(desk.due(at(9_000)).is_empty(), "and nothing is due any more");
    desk.acknowledge(1, "ada", None, at(9_001)).unwrap();
    assert!(!desk.alert(1).unwrap().is_unanswered());
}

#[test]
fn a_silence_that_is_moved_is_one_and_its_end_says_what_is_told() {
    let mut desk = desk();
    let own = desk.silence(silence(Field::Service, "shop-0", 0, 100), at(0)).unwrap();
    see(&mut desk, vec![fired(0, at(10))], &left(0.4, 50), 10);
    let because = Because { from: at(5), to: at(20) };
    desk.move_silence(own, (at(200), Some(because)), at(20)).unwrap();
    assert_eq!(sent(&mut desk, 100), [], "it goes on");
    let other = desk.silence(silence(Field::Slo, "availability", 100, 300), at(100)).unwrap();
    desk.end_silence(own, "server", at(150)).unwrap();
    let told = sent(&mut desk, 150);
    let [Notice { about: About::SilenceOver(over), .. }] = told.as_slice() else { panic!() };
    assert_eq!((over.firing.len(), over.still_covered), (0, 1), "nobody is told of what fires");
    assert_eq!(over.silence.because_of, Some(because));
    assert!(desk.move_silence(own, (at(400), None), at(151)).is_err(), "it is over");
    desk.end_silence(other, "ana", at(160)).unwrap();
    let told = sent(&mut desk, 160);
    let over = told.iter().find_map(|notice| match &notice.about {
        About::SilenceOver(over) => Some((over.firing.len(), over.still_covered)),
        _ => None,
    });
    assert_eq!((over, told.len()), (Some((1, 0)), 3));
}

#[test]
fn a_drill_knows_its_own_silence_and_no_other() {
    let by_hand =
        Silence { why: format!("{OF_DRILL}db/1"), ..silence(Field::Service, "shop-0", 0, 100) };
    assert!(!by_hand.is_of_drill("db/1"), "somebody asked for it in the same words");
    let because = Some(Because { from: at(5), to: at(20) });
    let own = Silence { why: "said otherwise".to_owned(), because_of: because, ..by_hand.clone() };
    let own = Silence { drill: Some("db/1".to_owned()), ..own };
    assert!(own.is_of_drill("db/1") && !own.is_of_drill("db/2"));
    // One that was kept before runs were named.
    let mut kept = serde_json::to_value(Silence { because_of: because, ..by_hand }).unwrap();
    assert!(kept.as_object_mut().unwrap().get("drill").is_none());
    let kept: Silence = serde_json::from_value(kept).unwrap();
    assert!(kept.is_of_drill("db/1") && !kept.is_of_drill("db/2"));
}

#[test]
fn a_silence_about_a_time_waits_for_what_was_counted_up_to_its_end() {
    let because = Because { from: at(5), to: at(20) };
    let silenced = || {
        let mut desk = desk();
        let own = desk.silence(silence(Field::Service, "shop-0", 0, 300), at(0)).unwrap();
        see(&mut desk, vec![fired(0, at(10))], &left(0.4, 50), 10);
        desk.move_silence(own, (at(100), Some(because)), at(20)).unwrap();
        desk.observed(at(90));
        // Nothing was heard for an hour.
        assert_eq!(sent(&mut desk, 3_600), []);
        assert_eq!(desk.silenced_by(desk.alert(1).unwrap(), at(3_600)).count(), 1);
        assert!(desk.next().is_none() && desk.due(at(3_600)).is_empty());
        desk
    };
    let firing = |desk: &mut Desk| {
        let told = sent(desk, 3_600);
        told.iter().find_map(|notice| match &notice.about {
            About::SilenceOver(over) => Some((over.firing.len(), told.len())),
            _ => None,
        })
    };
    let mut desk = silenced();
    desk.observed(at(100));
    assert_eq!(firing(&mut desk), Some((1, 3)), "what fires is told then");
    let mut desk = silenced();
    see(&mut desk, vec![resolved(0, at(10), at(95))], &left(0.4, 50), 3_600);
    desk.observed(at(3_590));
    assert_eq!(firing(&mut desk), Some((0, 1)), "and what was over is not");
}
