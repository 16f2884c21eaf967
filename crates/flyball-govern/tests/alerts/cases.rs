//! One thing at a time.

use std::sync::Arc;

use flyball_govern::alert::{
    ALERTS_OPEN_MAX, About, Act, DeadReason, Desk, DeskError, Facts, Field, Matcher, Notice,
    Observed, Outcome, RESOLVED_KEPT, Reminder, Retry, Route, Silence, SilenceError, State,
    Subject, TransitionKind,
};
use flyball_govern::oncall::{Rota, Switchboard};
use flyball_model::{Duration, Severity};
use serde_json::json;

use super::{RULES, at, board, calling, desk, fired, pair, resolved, route, subject};

/// What each target is told at `seconds`, delivered: target, what to do, number.
fn told(desk: &mut Desk, seconds: i64) -> Vec<(String, Act, u32)> {
    let mut told = Vec::new();
    loop {
        let begun = desk.begin(at(seconds), usize::MAX, usize::MAX);
        if begun.is_empty() {
            return told;
        }
        for notice in begun {
            desk.settle(notice.id, Outcome::Delivered, at(seconds), &Retry::default());
            if let About::Alert { act, number, .. } = notice.about {
                told.push((notice.target, act, number));
            }
        }
    }
}

fn row(target: &str, act: Act, number: u32) -> (String, Act, u32) {
    (target.to_owned(), act, number)
}

fn see(desk: &mut Desk, seen: Vec<Observed>, seconds: i64) {
    desk.observe(&subject(0), seen, &Facts::default(), at(seconds));
}

#[test]
fn a_page_over_a_ticket_is_one_alert() {
    let mut desk = desk();
    see(&mut desk, vec![fired(2, at(10))], 10);
    assert_eq!(told(&mut desk, 10), [row("chat", Act::Open, 1)]);
    see(&mut desk, vec![fired(0, at(20)), fired(1, at(20))], 20);
    assert_eq!(told(&mut desk, 20), [row("chat", Act::Update, 2), row("pager", Act::Open, 2)]);
    let alert = desk.alerts().next().unwrap();
    assert_eq!(desk.alerts().count(), 1);
    assert_eq!(alert.severity, Severity::Page);
    let leading = alert.leading().unwrap().rule.clone();
    let inhibited: Vec<&str> = alert.inhibited().map(|pair| pair.rule.as_str()).collect();
    assert_eq!((leading.as_str(), inhibited), ("medium", vec!["slow", "fast"]));
    // A pair more or less of the same severity is no news.
    see(&mut desk, vec![resolved(1, at(20), at(25))], 25);
    assert_eq!(told(&mut desk, 25), []);
    see(&mut desk, vec![resolved(0, at(20), at(30))], 30);
    assert_eq!(told(&mut desk, 30), [row("chat", Act::Update, 3), row("pager", Act::Close, 3)]);
    see(&mut desk, vec![resolved(2, at(10), at(40))], 40);
    assert_eq!(told(&mut desk, 40), [row("chat", Act::Close, 4)]);
    let alert = desk.alerts().next().unwrap();
    let kinds: Vec<_> = alert.transitions.iter().map(|transition| transition.kind).collect();
    assert_eq!(
        kinds,
        [
            TransitionKind::Fired,
            TransitionKind::Escalated,
            TransitionKind::Eased,
            TransitionKind::Resolved
        ]
    );
    assert_eq!((alert.state, alert.severity_max), (State::Resolved, Severity::Page));
    // The next time is another alert.
    see(&mut desk, vec![fired(0, at(50))], 50);
    assert_eq!(desk.alerts().last().unwrap().id, 2);
}

#[test]
fn what_is_pending_is_seen_and_told_to_nobody() {
    let mut desk = desk();
    let pending =
        Observed::Pending { rule: "fast".to_owned(), severity: Severity::Page, since: at(5) };
    see(&mut desk, vec![pending.clone()], 5);
    assert_eq!(desk.alerts().next().unwrap().state, State::Pending);
    see(&mut desk, vec![Observed::Calm { rule: "fast".to_owned(), at: at(6) }], 6);
    assert_eq!(desk.alerts().count(), 0);
    see(&mut desk, vec![pending], 7);
    assert_eq!(told(&mut desk, 7), []);
    see(&mut desk, vec![fired(0, at(9))], 9);
    assert_eq!(told(&mut desk, 9), [row("chat", Act::Open, 2), row("pager", Act::Open, 2)]);
    assert_eq!(desk.alerts().next().unwrap().opened, at(5));
}

#[test]
fn an_acknowledgement_of_a_ticket_is_none_of_the_page() {
    let mut desk = desk();
    see(&mut desk, vec![fired(2, at(1))], 1);
    told(&mut desk, 1);
    assert_eq!(desk.acknowledge(9, "ana", None, at(2)), Err(DeskError::Unknown(9)));
    assert_eq!(desk.acknowledge(1, " ", None, at(2)), Err(DeskError::Unsigned));
    desk.acknowledge(1, "ana", Some("looking"), at(2)).unwrap();
    let taken = DeskError::Taken { id: 1, who: "ana".to_owned() };
    assert_eq!(desk.acknowledge(1, "ben", None, at(3)), Err(taken));
    assert_eq!(told(&mut desk, 3), [row("chat", Act::Acknowledge, 2)]);
    see(&mut desk, vec![fired(0, at(4))], 4);
    assert_eq!(desk.alert(1).unwrap().acknowledged, None);
    see(&mut desk, vec![resolved(0, at(4), at(5)), resolved(2, at(1), at(5))], 5);
    assert_eq!(desk.acknowledge(1, "ben", None, at(6)), Err(DeskError::NotFiring(1)));
}

pub(super) fn silence(field: Field, value: &str, from: i64, until: i64) -> Silence {
    Silence {
        id: 0,
        matchers: vec![Matcher { field, value: value.to_owned(), is_not: false }],
        from: at(from),
        until: at(until),
        who: "ana".to_owned(),
        why: "moving the database".to_owned(),
        ended_by: None,
        is_announced: false,
        because_of: None,
        drill: None,
    }
}

#[test]
fn the_end_of_a_silence_is_announced_and_what_fires_then_is_told() {
    let mut desk = desk();
    let id = desk.silence(silence(Field::Service, "shop-0", 0, 100), at(0)).unwrap();
    see(&mut desk, vec![fired(0, at(10))], 10);
    assert_eq!(told(&mut desk, 10), []);
    assert_eq!(desk.silenced_by(desk.alert(1).unwrap(), at(10)).collect::<Vec<_>>(), [id]);
    assert_eq!(desk.next(), Some(at(100)));
    let begun = desk.begin(at(100), usize::MAX, usize::MAX);
    let over = begun.iter().find_map(|notice| match &notice.about {
        About::SilenceOver(over) => Some((notice.target.as_str(), over)),
        About::Alert { .. } | About::Restored(_) | About::Reminder(_) => None,
    });
    let (target, over) = over.unwrap();
    assert_eq!((target, over.firing.as_slice()), ("chat", &[(1, subject(0))][..]));
    assert_eq!(begun.len(), 3);
    assert!(matches!(&begun[1].about, About::Alert { act: Act::Open, number: 2, .. }));
}

#[test]
fn phones_of_people_are_silent_about_silences() {
    let mut desk = calling();
    let mut routes = desk.routes().to_vec();
    for route in &mut routes {
        route.announces = true;
    }
    desk.route(routes, at(0)).unwrap();
    desk.silence(silence(Field::Service, "shop-0", 0, 100), at(0)).unwrap();
    see(&mut desk, vec![fired(0, at(10))], 10);
    let begun = desk.begin(at(100), usize::MAX, usize::MAX);
    let over = begun.iter().filter(|notice| matches!(notice.about, About::SilenceOver(_)));
    let over: Vec<&str> = over.map(|notice| notice.target.as_str()).collect();
    assert_eq!(over, ["chat", "pager"]);
    // Ada, who is called now, hears of the alert.
    let called = |notice: &&Notice| notice.target == "ada-phone";
    assert_eq!(begun.iter().filter(called).count(), 1);
    assert!(!begun.iter().any(|notice| notice.target == "cy-phone"));
}

#[test]
fn whoever_was_told_of_an_alert_hears_its_end_in_a_silence_too() {
    let mut desk = desk();
    see(&mut desk, vec![fired(2, at(1))], 1);
    told(&mut desk, 1);
    desk.silence(silence(Field::Slo, "availability", 1, 100), at(1)).unwrap();
    see(&mut desk, vec![fired(0, at(2))], 2);
    assert_eq!(told(&mut desk, 2), []);
    see(&mut desk, vec![resolved(0, at(2), at(3)), resolved(2, at(1), at(3))], 3);
    assert_eq!(told(&mut desk, 3), [row("chat", Act::Close, 3)]);
    assert_eq!(desk.counts().silenced, 2);
}

#[test]
fn who_was_called_and_when_is_known_without_what_was_silenced() {
    let paged = |desk: &Desk| desk.paged().map(|(alert, at, _)| (alert.id, at)).collect::<Vec<_>>();
    let mut desk = desk();
    see(&mut desk, vec![fired(2, at(1))], 1);
    assert_eq!(paged(&desk), [], "a ticket calls nobody");
    see(&mut desk, vec![fired(0, at(20))], 20);
    assert_eq!(paged(&desk), [(1, at(20))]);
    see(&mut desk, vec![resolved(0, at(20), at(30)), resolved(2, at(1), at(30))], 30);
    assert_eq!(paged(&desk), [(1, at(20))], "that it is over takes nothing back");
    desk.silence(silence(Field::Service, "shop-0", 40, 100), at(40)).unwrap();
    see(&mut desk, vec![fired(0, at(50))], 50);
    assert_eq!(paged(&desk), [(1, at(20))]);
    desk.tick(at(100));
    assert_eq!(paged(&desk), [(1, at(20)), (2, at(100))], "it calls when the silence is over");
}

#[test]
fn a_silence_of_tickets_lets_pages_through() {
    let mut desk = desk();
    desk.silence(silence(Field::Severity, "ticket", 0, 100), at(0)).unwrap();
    see(&mut desk, vec![fired(2, at(1))], 1);
    assert_eq!(told(&mut desk, 1), []);
    see(&mut desk, vec![fired(0, at(2))], 2);
    assert_eq!(told(&mut desk, 2), [row("chat", Act::Open, 2), row("pager", Act::Open, 2)]);
}

#[test]
fn silences_are_bounded_and_signed() {
    let mut desk = desk();
    let refused = |silence: Silence| desk.clone().silence(silence, at(50)).unwrap_err();
    let good = silence(Field::Slice, "", 60, 100);
    assert_eq!(refused(Silence { matchers: vec![], ..good.clone() }), SilenceError::Everything);
    assert_eq!(refused(Silence { why: String::new(), ..good.clone() }), SilenceError::Unsigned);
    assert_eq!(refused(Silence { until: at(50), ..good.clone() }), SilenceError::Over);
    assert_eq!(refused(Silence { until: at(86_400 * 31), ..good.clone() }), SilenceError::Long);
    let id = desk.silence(good, at(50)).unwrap();
    // Called off before it began: nothing to announce.
    desk.end_silence(id, "ben", at(55)).unwrap();
    assert_eq!(desk.end_silence(id, "ben", at(56)), Err(SilenceError::Ended(id)));
    assert_eq!(desk.end_silence(7, "ben", at(56)), Err(SilenceError::Unknown(7)));
    assert!(desk.begin(at(60), 1, usize::MAX).is_empty());
}

#[test]
fn one_alert_is_told_in_order_and_others_go_on() {
    let mut desk = desk();
    let retry = Retry { base: Duration::from_seconds(8), ..Retry::default() };
    see(&mut desk, vec![fired(2, at(1)), resolved(2, at(1), at(2))], 2);
    desk.observe(&subject(1), vec![fired(2, at(2))], &Facts::default(), at(2));
    let begun = desk.begin(at(2), usize::MAX, usize::MAX);
    assert_eq!(begun.len(), 2, "the end waits for the beginning");
    let later = Outcome::Later { problem: "503".to_owned(), after: None };
    desk.settle(begun[0].id, later, at(2), &retry);
    desk.settle(begun[1].id, Outcome::Delivered, at(2), &retry);
    assert!(desk.begin(at(5), usize::MAX, usize::MAX).is_empty());
    let again = desk.begin(at(10), usize::MAX, usize::MAX);
    assert_eq!((again[0].id, again[0].attempts), (begun[0].id, 1));
    desk.settle(again[0].id, Outcome::Delivered, at(10), &retry);
    assert_eq!(told(&mut desk, 10), [row("chat", Act::Close, 2)]);
    assert_eq!(desk.outbox().delivered(), 3);
}

#[test]
fn what_cannot_be_delivered_is_counted() {
    let mut desk = desk();
    let retry = Retry { age_max: Duration::from_seconds(30), ..Retry::default() };
    see(&mut desk, vec![fired(0, at(1))], 1);
    let begun = desk.begin(at(1), usize::MAX, usize::MAX);
    let refused = Outcome::Refused { problem: "404".to_owned() };
    desk.settle(begun[0].id, refused, at(1), &retry);
    let after = Some(Duration::from_minutes(1));
    let later = Outcome::Later { problem: "away".to_owned(), after };
    desk.settle(begun[1].id, later, at(1), &retry);
    see(&mut desk, vec![resolved(0, at(1), at(2))], 2);
    desk.route(vec![], at(3)).unwrap();
    let dead: Vec<_> = desk.outbox().dead().iter().map(|dead| (dead.reason, dead.number)).collect();
    assert_eq!(
        dead,
        [
            (DeadReason::Refused, Some(1)),
            (DeadReason::Expired, Some(1)),
            (DeadReason::NoTarget, Some(2)),
            (DeadReason::NoTarget, Some(2))
        ]
    );
    assert_eq!(desk.outbox().dead_count()[&DeadReason::NoTarget], 2);
    assert_eq!(desk.next(), None);
}

#[test]
fn a_target_that_comes_late_hears_of_what_fires() {
    let mut desk = desk();
    see(&mut desk, vec![fired(0, at(1))], 1);
    told(&mut desk, 1);
    desk.observe(&subject(1), vec![fired(0, at(2))], &Facts::default(), at(2));
    told(&mut desk, 2);
    let quiet = silence(Field::Service, "shop-1", 3, 100);
    desk.silence(quiet, at(3)).unwrap();
    // One is new; the pager is for another service from here on.
    let of = |target, service: &str| Route {
        services: vec![service.to_owned()],
        ..route(target, Severity::Page)
    };
    desk.route(
        vec![route("chat", Severity::Ticket), of("pager", "shop-1"), route("new", Severity::Page)],
        at(4),
    )
    .unwrap();
    desk.catch_up(at(4));
    assert_eq!(told(&mut desk, 4), [row("pager", Act::Close, 1), row("new", Act::Open, 1)]);
    // What was silenced meanwhile is told when the silence is over.
    assert_eq!(
        told(&mut desk, 100),
        [row("chat", Act::Update, 2), row("pager", Act::Update, 2), row("new", Act::Open, 2)]
    );
}

#[test]
fn what_is_watched_no_more_is_over_and_what_was_missed_is_opened() {
    let mut desk = desk();
    see(&mut desk, vec![fired(0, at(1)), fired(2, at(1))], 1);
    told(&mut desk, 1);
    let other = (subject(1), vec![pair(2, at(3), None)]);
    desk.reconcile(&[other.clone(), (subject(0), vec![pair(2, at(1), None)])], Vec::new(), at(5));
    assert_eq!(
        told(&mut desk, 5),
        [row("chat", Act::Update, 2), row("pager", Act::Close, 2), row("chat", Act::Open, 1)]
    );
    desk.reconcile(std::slice::from_ref(&other), Vec::new(), at(6));
    assert_eq!(told(&mut desk, 6), [row("chat", Act::Close, 3)]);
    let before = desk.clone();
    desk.reconcile(&[other], Vec::new(), at(7));
    assert_eq!(desk, before);
}

#[test]
fn what_is_about_to_fire_is_the_same_alert_after_a_restart() {
    let mut desk = desk();
    let sign = |rule: usize| Observed::Pending {
        rule: RULES[rule].0.to_owned(),
        severity: RULES[rule].1,
        since: at(1),
    };
    see(&mut desk, vec![sign(0), sign(2)], 1);
    desk.observe(&subject(1), vec![sign(0)], &Facts::default(), at(1));
    desk.reconcile(&[], vec![(subject(0), vec![sign(2)])], at(5));
    let left: Vec<_> =
        desk.alerts().map(|alert| (alert.id, alert.about_to_fire().count())).collect();
    assert_eq!(left, [(1, 1)]);
    see(&mut desk, vec![fired(2, at(6))], 6);
    assert_eq!(desk.alert(1).unwrap().state, State::Firing);
}

#[test]
fn everything_at_once_is_bounded() {
    let mut desk = desk();
    let all = ALERTS_OPEN_MAX + 3;
    let slice = |number: usize| Subject { slice: Some(number.to_string()), ..subject(0) };
    for number in 0..all {
        desk.observe(&slice(number), vec![fired(2, at(1))], &Facts::default(), at(1));
    }
    assert_eq!(desk.counts().alerts_refused, 3);
    assert_eq!(desk.alerts().count(), ALERTS_OPEN_MAX);
    assert_eq!(desk.outbox().waiting().count(), ALERTS_OPEN_MAX);
    for number in 0..all {
        let over = vec![resolved(2, at(1), at(2))];
        desk.observe(&slice(number), over, &Facts::default(), at(2));
    }
    // Those that had no room are told of when they are over, by then there is some.
    assert_eq!(desk.alerts().count(), RESOLVED_KEPT);
    let rows = desk.take_changed();
    assert!(rows.iter().all(|(_, row)| serde_json::to_vec(row).unwrap().len() < 4_096));
    let kept = rows.into_iter().filter_map(|(_, row)| row);
    assert_eq!(Desk::of_rows(kept), desk);
}

#[test]
fn a_page_goes_from_level_to_level_until_somebody_takes_it() {
    let mut desk = calling();
    see(&mut desk, vec![fired(2, at(1))], 1);
    assert_eq!(told(&mut desk, 1), [row("chat", Act::Open, 1)], "a ticket calls nobody");
    see(&mut desk, vec![fired(0, at(10))], 10);
    let rows =
        [row("chat", Act::Update, 2), row("pager", Act::Open, 2), row("ada-phone", Act::Open, 2)];
    assert_eq!(
        told(&mut desk, 10),
        rows,
        "who is called hears of it, and nobody else's own target"
    );
    assert_eq!(desk.next(), Some(at(70)));
    assert_eq!(told(&mut desk, 69), []);
    // Bo has no target: the others are told that he is called.
    let rows = [
        row("chat", Act::Update, 3),
        row("pager", Act::Update, 3),
        row("ada-phone", Act::Update, 3),
    ];
    assert_eq!(told(&mut desk, 70), rows);
    let called = |desk: &Desk| {
        let step = desk.alert(1).unwrap().called().cloned().unwrap();
        (step.name, step.who)
    };
    assert_eq!(called(&desk), ("bo".to_owned(), vec!["bo".to_owned()]));
    // The server was down while Cy was due: he is called now, once.
    let mut desk = Desk::of_rows(desk.take_changed().into_iter().filter_map(|(_, row)| row));
    desk.resume(at(500));
    desk.call_by(board(), at(500));
    let own: Vec<_> = told(&mut desk, 500).into_iter().filter(|row| row.0 == "cy-phone").collect();
    assert_eq!(own, [row("cy-phone", Act::Open, 4)]);
    assert_eq!(told(&mut desk, 500), []);
    desk.acknowledge(1, "Cy (cy)", None, at(510)).unwrap();
    assert_eq!(told(&mut desk, 510).len(), 4);
    assert_eq!(told(&mut desk, 9_000), [], "nobody else is called");
    // Somebody who knows no further passes it on: after the last the first, as often as the chain begins anew.
    desk.pass_on(1, ("Cy (cy)", "not mine"), at(9_001)).unwrap();
    assert_eq!(called(&desk).0, "ada");
    assert_eq!(told(&mut desk, 9_001).len(), 4);
    see(&mut desk, vec![resolved(0, at(10), at(9_010))], 9_010);
    let rows = [
        row("chat", Act::Update, 7),
        row("pager", Act::Close, 7),
        row("ada-phone", Act::Close, 7),
        row("cy-phone", Act::Close, 7),
    ];
    assert_eq!(told(&mut desk, 9_010), rows, "a ticket is nobody's page");
    let hand_offs = desk.alert(1).unwrap().calls[0].hand_offs();
    assert_eq!((hand_offs.unanswered, hand_offs.total()), (2, 3));
    assert!(matches!(desk.pass_on(1, ("ada", "x"), at(9_011)), Err(DeskError::NotCalled(1))));
}

#[test]
fn a_silence_calls_nobody_and_who_passes_on_is_free() {
    let mut desk = calling();
    let matchers =
        vec![Matcher { field: Field::Service, value: "shop-0".to_owned(), is_not: false }];
    let (who, why) = ("ana".to_owned(), "a move".to_owned());
    let silence = Silence {
        id: 0,
        matchers,
        from: at(0),
        until: at(100),
        who,
        why,
        ended_by: None,
        is_announced: false,
        because_of: None,
        drill: None,
    };
    desk.silence(silence, at(0)).unwrap();
    see(&mut desk, vec![fired(0, at(10))], 10);
    assert_eq!(told(&mut desk, 99), []);
    assert_eq!(desk.alert(1).unwrap().calls, []);
    assert!(told(&mut desk, 100).contains(&row("ada-phone", Act::Open, 2)));
    desk.acknowledge(1, "ada", None, at(110)).unwrap();
    desk.pass_on(1, ("ada", "it is the bank"), at(120)).unwrap();
    let alert = desk.alert(1).unwrap();
    assert_eq!((alert.acknowledged.is_none(), alert.called().unwrap().name.as_str()), (true, "bo"));
    assert_eq!(alert.call().unwrap().hand_offs().passed_on, 1);
    desk.acknowledge(1, "bo", None, at(130)).unwrap();
    assert_eq!(desk.alert(1).unwrap().calls[0].taken.as_ref().unwrap().by, "bo");
}

#[test]
fn a_page_is_called_out_when_its_service_comes_to_a_rota() {
    let mut desk = desk();
    see(&mut desk, vec![fired(0, at(10))], 10);
    assert_eq!(told(&mut desk, 10).len(), 2);
    desk.call_by(board(), at(20));
    desk.call_by(board(), at(21));
    assert_eq!(told(&mut desk, 21), [row("chat", Act::Update, 2), row("pager", Act::Update, 2)]);
    assert_eq!(desk.alert(1).unwrap().called().unwrap().who, ["ada"]);
}

/// On weekdays from 9 to 17 Cy looks at tickets of `shop-0`; Ada is paged.
fn triage() -> Arc<Switchboard> {
    let turns = json!({"unit": "week", "start": "2026-01-05T09:00"});
    let office =
        json!([{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}]);
    let spec = json!({
        "members": [
            {"name": "ada", "side": "developers", "target": "ada-phone"},
            {"name": "cy", "side": "operations", "duty": "tickets", "target": "cy-phone", "hours": office},
        ],
        "layers": [
            {"name": "first", "members": ["ada"], "rotation": turns.clone()},
            {"name": "triage", "carries": "tickets", "members": ["cy"], "rotation": turns},
        ],
    });
    let rota = Rota::new("shop", serde_json::from_value(spec).unwrap()).unwrap();
    Arc::new(Switchboard::new([rota], [], [("shop-0", "shop")]))
}

#[test]
fn a_ticket_is_for_who_looks_at_tickets_once_they_are_there() {
    let mut desk = calling();
    desk.call_by(triage(), at(0));
    // It is Friday 2027-01-15, 08:00; Cy comes an hour later.
    see(&mut desk, vec![fired(2, at(10))], 10);
    assert_eq!(told(&mut desk, 10), [row("chat", Act::Open, 1)], "nobody who is paged is called");
    let comes = 3_600;
    assert_eq!(desk.next(), Some(at(comes)));
    let rows = [row("chat", Act::Update, 2), row("cy-phone", Act::Open, 2)];
    assert_eq!(told(&mut desk, comes), rows);
    assert_eq!(desk.alert(1).unwrap().called().unwrap().who, ["cy"]);
    assert_eq!((told(&mut desk, 9_000), desk.next()), (Vec::new(), None), "nobody comes after");
    desk.acknowledge(1, "cy", None, at(9_001)).unwrap();
    let out = desk.alert(1).unwrap().calls[0].outs("shop").remove(0);
    assert_eq!((out.who.as_str(), out.called, out.severity), ("cy", at(9_001), Severity::Ticket));
    told(&mut desk, 9_001);
    // Once it pages it is Ada's, and Cy hears that it is no ticket of his any more.
    see(&mut desk, vec![fired(0, at(9_010))], 9_010);
    let own = |rows: Vec<(String, Act, u32)>| {
        rows.into_iter().filter(|row| row.0.ends_with("-phone")).collect::<Vec<_>>()
    };
    let rows = [row("ada-phone", Act::Open, 4), row("cy-phone", Act::Close, 4)];
    assert_eq!(own(told(&mut desk, 9_010)), rows);
    let calls = &desk.alert(1).unwrap().calls;
    assert_eq!((calls.len(), calls[0].closed), (2, Some(at(9_010))));
    assert_eq!(calls[1].severity, Severity::Page);
    // When it eases, which is after five, it waits as a ticket until Monday.
    let evening = 10 * 3_600;
    see(&mut desk, vec![resolved(0, at(9_010), at(evening))], evening);
    assert_eq!(own(told(&mut desk, evening)), [row("ada-phone", Act::Close, 5)]);
    assert_eq!(desk.next(), Some(at(comes + 3 * 86_400)));
    see(&mut desk, vec![resolved(2, at(10), at(evening + 1))], evening + 1);
    told(&mut desk, evening + 1);
    assert_eq!(desk.next(), None, "what is over waits for nobody");
}

#[test]
fn who_hears_of_a_page_is_who_is_told_and_who_may_be_called() {
    let mut desk = calling();
    let hears = |desk: &Desk, service: &str| {
        desk.hearers(service).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(hears(&desk, "shop-0"), ["ada-phone", "chat", "cy-phone", "pager"]);
    assert_eq!(hears(&desk, "lonely"), ["chat", "pager"], "nobody's own target is told of it");
    let own = ["ada-phone", "cy-phone"].map(|target| route(target, Severity::Ticket));
    desk.route(own.to_vec(), at(0)).unwrap();
    assert_eq!(hears(&desk, "lonely"), [""; 0]);
    assert_eq!((desk.is_told("shop-0"), hears(&desk, "shop-0").len()), (false, 2));
    // Cy looks at tickets there, and no page calls him.
    desk.call_by(triage(), at(1));
    assert_eq!(hears(&desk, "shop-0"), ["ada-phone"]);
}

#[test]
fn a_reminder_that_nobody_hears_says_so() {
    let mut desk = desk();
    let reminder = |key: &str, service: &str| Reminder {
        key: key.to_owned(),
        service: service.to_owned(),
        title: "t".to_owned(),
        text: "t".to_owned(),
        at: at(0),
        target: None,
    };
    assert!(desk.remind(&reminder("one", "shop-0"), at(0)));
    assert!(desk.remind(&reminder("one", "shop-0"), at(1)), "it is on its way");
    let only = Route { services: vec!["ads".to_owned()], ..route("ads", Severity::Ticket) };
    desk.route(vec![only, route("pager", Severity::Page)], at(2)).unwrap();
    assert!(!desk.remind(&reminder("two", "shop-0"), at(2)), "pages alone are no tickets");
    assert!(desk.remind(&reminder("two", "ads"), at(2)));
}
