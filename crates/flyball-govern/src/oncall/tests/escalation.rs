//! A trouble on its way along its levels.

use flyball_model::{Duration, Severity};

use super::*;

fn chain(repeat: u32) -> Escalation {
    let level = |name: &str, side: &str, rota: &str, wait: &str| json!({"name": name, "side": side, "rota": rota, "wait": wait});
    let spec = json!({
        "services": ["checkout"], "repeat": repeat,
        "levels": [
            level("service desk", "operations", "desk", "10m"),
            level("operations", "operations", "operators", "15m"),
            level("developers", "developers", "payments", "30m"),
        ],
    });
    Escalation::new("checkout", serde_json::from_value(spec).unwrap()).unwrap()
}

fn minute(minute: u32) -> Timestamp {
    Timestamp::from_seconds(0).plus(Duration::from_minutes(minute))
}

fn call() -> Call {
    Call::new("alert:1".to_owned(), "checkout".to_owned(), Severity::Page, minute(0))
}

/// One person a rota, but nobody at the operators' desk.
fn people(level: &SupportLevel, _: Timestamp) -> Vec<String> {
    if level.rota == "operators" { Vec::new() } else { vec![format!("{}-one", level.rota)] }
}

fn levels(call: &Call) -> Vec<(usize, u32)> {
    let minutes = |step: &CallStep| step.at.since(minute(0)).nanos() / 60_000_000_000;
    call.steps.iter().map(|step| (step.level, u32::try_from(minutes(step)).unwrap())).collect()
}

#[test]
fn levels_follow_each_other_until_somebody_takes_it() {
    let chain = chain(0);
    let mut call = call();
    assert_eq!(call.due(&chain), Some(minute(0)));
    assert_eq!(call.advance(&chain, minute(0), people).len(), 1);
    assert_eq!(call.advance(&chain, minute(9), people), []);
    // A level with nobody is passed over at once.
    assert_eq!(call.advance(&chain, minute(10), people).len(), 2);
    assert_eq!(levels(&call), [(0, 0), (1, 10), (2, 10)]);
    let step = &call.steps[2];
    assert_eq!((step.name.as_str(), step.rota.as_str()), ("developers", "payments"));
    let hand_offs = call.hand_offs();
    assert_eq!((hand_offs.unanswered, hand_offs.nobody, hand_offs.total()), (1, 1, 2));
    assert_eq!(hand_offs.delay, Duration::from_minutes(10));
    call.take("payments-one", minute(21)).unwrap();
    assert_eq!(call.due(&chain), None);
    assert_eq!(
        call.take("desk-one", minute(22)),
        Err(CallError::Taken { who: "payments-one".to_owned() })
    );
    assert!(!call.is_unanswered(&chain, minute(99)));
    call.close(minute(30));
    assert!(matches!(call.take("desk-one", minute(31)), Err(CallError::Closed { .. })));
    let kept = serde_json::to_value(&call).unwrap();
    assert_eq!(serde_json::from_value::<Call>(kept).unwrap(), call);
}

#[test]
fn a_chain_begins_anew_and_ends_some_time() {
    let chain = chain(1);
    let mut call = call();
    for now in 0..1_000 {
        call.advance(&chain, minute(now), people);
    }
    assert_eq!(levels(&call), [(0, 0), (1, 10), (2, 10), (0, 40), (1, 50), (2, 50)]);
    assert_eq!(call.due(&chain), None);
    assert!(!call.is_unanswered(&chain, minute(79)), "the last has time to answer");
    assert!(call.is_unanswered(&chain, minute(80)));
}

#[test]
fn a_level_that_was_due_while_nobody_looked_has_its_whole_time_from_then() {
    let chain = chain(0);
    let everybody = |level: &SupportLevel, _: Timestamp| vec![level.rota.clone()];
    let mut call = call();
    call.advance(&chain, minute(0), everybody);
    call.advance(&chain, minute(300), everybody);
    assert_eq!(levels(&call), [(0, 0), (1, 300)]);
    assert_eq!(call.due(&chain), Some(minute(315)));
}

#[test]
fn who_was_called_out_and_until_when() {
    let chain = chain(0);
    let two = |level: &SupportLevel, _: Timestamp| {
        ["one", "two"].map(|who| format!("{}-{who}", level.rota)).to_vec()
    };
    let mut call = call();
    let outs = |call: &Call, rota: &str| {
        let minutes = |at: Timestamp| at.since(minute(0)).nanos() / 60_000_000_000;
        let brief = |out: CallOut| (out.who, minutes(out.called), out.ended.map(minutes));
        call.outs(rota).into_iter().map(brief).collect::<Vec<_>>()
    };
    let out = |who: &str, called, ended| (who.to_owned(), called, ended);
    call.advance(&chain, minute(0), two);
    assert_eq!(outs(&call, "desk"), [out("desk-one", 0, None), out("desk-two", 0, None)]);
    call.take("desk-one (one@shop.example)", minute(4)).unwrap();
    assert_eq!(outs(&call, "desk"), [out("desk-one", 0, None), out("desk-two", 0, Some(4))]);
    call.pass_on(&chain, ("desk-one", "no access"), minute(20), two).unwrap();
    call.take("Cy", minute(22)).unwrap();
    call.close(minute(60));
    assert_eq!(outs(&call, "desk"), [out("desk-one", 0, Some(20)), out("desk-two", 0, Some(22))]);
    // Nobody called Cy, who took it: that is work for whoever was called last.
    let expected = [
        out("operators-one", 20, Some(22)),
        out("operators-two", 20, Some(22)),
        out("Cy", 22, Some(60)),
    ];
    assert_eq!(outs(&call, "operators"), expected);
    assert_eq!(outs(&call, "payments"), []);
}

#[test]
fn it_is_passed_on_by_hand_and_that_is_counted() {
    let chain = chain(0);
    let mut call = call();
    call.advance(&chain, minute(0), people);
    call.take("desk-one", minute(2)).unwrap();
    call.pass_on(&chain, ("desk-one", "no access"), minute(12), people).unwrap();
    // Nobody is there, so the next is called at once.
    call.advance(&chain, minute(12), people);
    assert_eq!(levels(&call), [(0, 0), (1, 12), (2, 12)]);
    let hand_offs = call.hand_offs();
    assert_eq!((hand_offs.passed_on, hand_offs.nobody, hand_offs.unanswered), (1, 1, 0));
    assert_eq!(hand_offs.delay, Duration::from_minutes(12));
    let last = call.pass_on(&chain, ("payments-one", "no idea"), minute(13), people);
    assert_eq!(last, Err(CallError::Last { level: "developers".to_owned() }));
    assert!(call.pass_on(&chain, ("", "no idea"), minute(13), people).is_err());
    // Where the chain begins anew by itself, it does so by hand, as often.
    let chain = self::chain(1);
    call.pass_on(&chain, ("payments-one", "no idea"), minute(14), people).unwrap();
    assert_eq!(levels(&call)[3], (0, 14));
    call.pass_on(&chain, ("desk-one", "no access"), minute(15), people).unwrap();
    call.advance(&chain, minute(15), people);
    let last = call.pass_on(&chain, ("payments-one", "no idea"), minute(16), people);
    assert_eq!(last, Err(CallError::Last { level: "developers".to_owned() }));
}

/// A level that is called again hands nothing off.
#[test]
fn hand_offs_are_to_another_level() {
    let mut chain = chain(1);
    chain.spec.levels.truncate(1);
    let mut call = call();
    call.advance(&chain, minute(0), people);
    call.advance(&chain, minute(600), people);
    assert_eq!(call.steps.len(), 2);
    assert_eq!(call.hand_offs().total(), 0);
}

#[test]
fn what_is_wrong_with_a_chain_is_told_with_its_place() {
    let spec = json!({
        "services": ["a", "a", ""], "repeat": 99,
        "levels": [
            {"name": "x", "side": "sre", "rota": "", "wait": "0s"},
            {"name": "x", "side": "sre", "rota": "r", "wait": "5d"},
        ],
    });
    let wrong = Escalation::new("checkout", serde_json::from_value(spec).unwrap()).unwrap_err();
    let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
    let expected = [
        "spec.services[1]",
        "spec.services[2]",
        "spec.levels[0].rota",
        "spec.levels[0].wait",
        "spec.levels[1].name",
        "spec.levels[1].wait",
        "spec.repeat",
    ];
    assert_eq!(paths, expected);
    let spec = json!({"services": [], "levels": [
        {"name": "x", "side": "sre", "rota": "r", "wait": "5m", "custody": ["sre", "shared"]},
    ]});
    let wrong = Escalation::new("checkout", serde_json::from_value(spec).unwrap()).unwrap_err();
    assert_eq!((wrong.len(), wrong[0].path.as_str()), (1, "spec.levels"));
    assert!(wrong[0].message.contains("`developers`"), "{}", wrong[0].message);
}

#[test]
fn a_ticket_is_work_for_who_takes_it_and_goes_no_further() {
    let chain = chain(3);
    let mut call = Call { severity: Severity::Ticket, ..call() };
    call.begin_at(&chain, (1, vec!["op-one".to_owned(), "op-two".to_owned()]), minute(0));
    assert_eq!((levels(&call), call.due(&chain)), (vec![(1, 0)], None));
    assert!(!call.is_unanswered(&chain, minute(999)));
    assert_eq!(call.outs("operators"), [], "nobody works on it before they take it");
    call.take("Op (op-two)", minute(30)).unwrap();
    call.close(minute(90));
    let [out] = call.outs("operators").try_into().unwrap();
    assert_eq!((out.who.as_str(), out.called, out.ended), ("op-two", minute(30), Some(minute(90))));
    assert_eq!((out.severity, call.outs("desk")), (Severity::Ticket, Vec::new()));
}
