use std::collections::BTreeSet;

use flyball_model::{Duration, Incident, Rational, Timestamp};

use super::super::*;
use crate::policy::{Number, PostMortem, PostMortemReason};

fn day(day: i64) -> Timestamp {
    Timestamp::from_seconds(day * 86_400)
}

fn item(id: &str, priority: Priority) -> ActionItem {
    ActionItem {
        id: id.to_owned(),
        text: "time out before the caller does".to_owned(),
        kind: ActionKind::Prevent,
        owner: "payments".to_owned(),
        priority,
        due: "1970-01-11".parse().unwrap(),
        ticket: None,
        outcome: Outcome::SloTest { file: "pay.slotest".to_owned(), test: None },
        opened: day(2),
        state: ActionState::Open,
        failed: None,
        undone: 0,
    }
}

fn run(of: &ActionItem, at: i64, passed: Option<bool>) -> Run {
    Run { of: of.outcome.clone(), at: day(at), passed, version: format!("v{at}") }
}

#[test]
fn an_item_is_done_when_its_test_passes_and_open_when_it_fails_again() {
    let mut item = item("a", Priority::P0);
    assert!(!item.learn(&run(&item.clone(), 1, Some(true))), "before it was written down");
    assert!(item.learn(&run(&item.clone(), 1, Some(false))), "the test can fail");
    assert_eq!(item.is_proof(), Some(true));
    assert!(!item.learn(&run(&item.clone(), 3, None)), "nothing is known");
    let other =
        Run { of: Outcome::Drill { name: "pay.slotest".into() }, ..run(&item, 3, Some(true)) };
    assert!(!item.learn(&other), "another test");
    assert!(matches!(item.seen("it works", day(3)), Err(ActionError::Tested { .. })));
    assert!(item.learn(&run(&item.clone(), 5, Some(true))));
    assert_eq!(item.state, ActionState::Done { at: day(5), shown: "v5".to_owned() });
    assert_eq!(item.age(day(99)), Duration::from_days(3));
    assert!(!item.learn(&run(&item.clone(), 4, Some(false))) || item.state != ActionState::Open);
    assert!(item.learn(&run(&item.clone(), 7, Some(false))));
    assert_eq!((&item.state, item.undone), (&ActionState::Open, 1));
    assert!(!item.learn(&run(&item.clone(), 6, Some(true))), "an older run than the last failure");
    assert!(!item.is_late(day(10)) && item.is_late(day(11)), "it is due on the tenth day");
    let kept = serde_json::to_value(&item).unwrap();
    assert_eq!(serde_json::from_value::<ActionItem>(kept).unwrap(), item);
}

#[test]
fn items_are_counted_by_what_is_known_of_them() {
    let mut tested = item("a", Priority::P1);
    tested.learn(&run(&tested.clone(), 5, Some(true)));
    let looked = Outcome::Looked { text: "the runbook says so".to_owned() };
    let mut seen = ActionItem { outcome: looked, ..item("b", Priority::P2) };
    assert!(seen.seen(" ", day(3)).is_err());
    seen.seen("it does", day(3)).unwrap();
    assert!(seen.drop_it("no", day(4)).is_err(), "it is over");
    let mut dropped = item("c", Priority::P3);
    dropped.drop_it("the service is retired", day(4)).unwrap();
    let found = summary([&tested, &seen, &dropped, &item("d", Priority::P0)], day(12));
    let counts = (found.tested, found.never_failed, found.looked, found.dropped, found.late);
    assert_eq!(counts, (1, 1, 1, 1, 1));
    assert_eq!(found.open.get(&Priority::P0), Some(&1));
    assert_eq!(found.age.unwrap().spread.max, Duration::from_days(10));
    let nobody = ActionItem { owner: " ".to_owned(), ..item("e", Priority::P0) };
    assert_eq!(nobody.checked(), Err(ActionError::Missing { what: "an owner" }));
}

fn record(id: &str, class: Option<&str>) -> IncidentRecord {
    let incident = Incident {
        summary: Some("payments time out".to_owned()),
        started: Some(day(1)),
        resolved: Some(day(2)),
        ..Incident::new(id.to_owned())
    };
    let by = Opened::ByHand { who: "Bo Li".to_owned() };
    let mut record = IncidentRecord::new(incident, by, day(1));
    record.class = class.map(str::to_owned);
    record
}

fn written(record: &IncidentRecord) -> WriteUp {
    let mut write_up = WriteUp::begin(record, "ada", "1,000 failed payments.".to_owned(), day(3));
    let texts = [
        &mut write_up.summary,
        &mut write_up.root_causes,
        &mut write_up.trigger,
        &mut write_up.lessons.well,
        &mut write_up.lessons.wrong,
        &mut write_up.lessons.lucky,
    ];
    for text in texts {
        "The pool had no bound.".clone_into(text);
    }
    write_up.actions = vec![item("a", Priority::P0)];
    write_up
}

#[test]
fn a_write_up_is_complete_names_nobody_and_is_read_by_somebody_else() {
    let record = record("INC-1", None);
    let mut empty = WriteUp::begin(&record, "ada", String::new(), day(3));
    let missing = empty.missing();
    assert!(
        missing.contains(&Field::Impact) && !missing.contains(&Field::Detection),
        "{missing:?}"
    );
    assert!(matches!(empty.submit([], day(3)), Err(WriteUpError::Incomplete { .. })));
    let mut draft = written(&record);
    draft.lessons.wrong = "bo li, should have known better.".to_owned();
    let blames = draft.blames(record.people());
    let words: Vec<_> = blames.iter().map(|of| (of.words.as_str(), of.is_name)).collect();
    assert_eq!(words, [("Bo Li", true), ("should have known", false)]);
    assert!(matches!(draft.submit(record.people(), day(3)), Err(WriteUpError::Named { .. })));
    draft.lessons.wrong = "Whoever was on call had no dashboard.".to_owned();
    draft.actions = vec![item("a", Priority::P1)];
    assert_eq!(draft.submit(record.people(), day(3)), Err(WriteUpError::NothingFirst));
    draft.actions = vec![item("a", Priority::P0), item("a", Priority::P2)];
    assert!(matches!(draft.submit(record.people(), day(3)), Err(WriteUpError::Twice { .. })));
    draft.actions.pop();
    draft.submit(record.people(), day(3)).unwrap();
    let own = draft.publish("ada", record.people(), day(4)).unwrap_err();
    assert_eq!(own, WriteUpError::OwnReview { who: "ada".to_owned() });
    draft.send_back().unwrap();
    assert!(draft.publish("cy", record.people(), day(4)).is_err(), "it is a draft again");
    draft.submit(record.people(), day(4)).unwrap();
    draft.publish("cy", record.people(), day(5)).unwrap();
    assert!(draft.is_published() && draft.send_back().is_err());
    let kept = serde_json::to_value(&draft).unwrap();
    assert_eq!(serde_json::from_value::<WriteUp>(kept).unwrap(), draft);
}

#[test]
fn names_are_whole_words() {
    let named = |text: &str| names_in(text, &["bo", "Ada", "42", "Żaneta"]);
    assert_eq!(named("the bottle, Adas, reboot"), Vec::<&str>::new());
    assert_eq!(named("BO's, and (ada) 42 żaneta."), ["bo", "Ada", "Żaneta"]);
    assert!(named("").is_empty());
}

#[test]
fn what_policies_demand_is_due_and_met_when_it_is_published() {
    let demanded = |reason| PostMortem { reason, share: Number::ratio(1, 4).unwrap() };
    let incident = |id: &str| demanded(PostMortemReason::Incident { id: id.to_owned() });
    let class = demanded(PostMortemReason::Class { class: "capacity".to_owned() });
    let mut alarm = record("INC-2", None);
    let by = By { who: "ada", at: day(3), why: "a test" };
    alarm.call_false(FalseAlarmCause::OnPurpose, "a load test", by).unwrap();
    let records = [record("INC-1", Some("capacity")), alarm];
    let mut write_up = written(&records[0]);
    let all = || vec![incident("INC-1"), incident("INC-2"), class.clone()];
    let found = demands(all(), &records, std::slice::from_ref(&write_up));
    assert_eq!(found.len(), 2, "a false alarm demands nothing");
    assert_eq!((found[0].due, found[0].is_met), (Some(day(16)), false));
    assert_eq!((found[1].due, found[1].is_met), (None, false));
    write_up.submit([], day(3)).unwrap();
    write_up.publish("cy", [], day(4)).unwrap();
    let found = demands(all(), &records, &[write_up]);
    assert!(found.iter().all(|demand| demand.is_met));
}

fn trace(id: &str, began: i64, class: Option<&str>) -> Trace {
    Trace {
        id: id.to_owned(),
        began: Some(day(began)),
        services: BTreeSet::from(["shop".to_owned()]),
        class: class.map(str::to_owned),
        burned: BTreeSet::from(["answered".to_owned()]),
        ..Trace::default()
    }
}

#[test]
fn an_incident_that_comes_again_says_what_was_done_and_what_was_not() {
    let mut first = trace("a", 0, Some("capacity"));
    let mut done = item("done", Priority::P0);
    done.state = ActionState::Done { at: day(5), shown: String::new() };
    let late = ActionItem {
        state: ActionState::Done { at: day(50), shown: String::new() },
        ..item("late", Priority::P1)
    };
    first.actions = vec![done, late, item("open", Priority::P2)];
    let traces = [
        trace("c", 390, Some("capacity")),
        first,
        trace("b", 30, Some("capacity")),
        trace("other", 31, Some("dns")),
        Trace {
            services: BTreeSet::from(["bank".to_owned()]),
            ..trace("bank", 32, Some("capacity"))
        },
        Trace { began: None, ..trace("unknown", 0, Some("capacity")) },
        Trace {
            repeats: Some("a".to_owned()),
            services: BTreeSet::new(),
            ..trace("said", 900, None)
        },
    ];
    let found = recurrences(&traces);
    let ids: Vec<_> = found.iter().map(|of| of.id.as_str()).collect();
    assert_eq!(ids, ["b", "c", "said"], "an SLO that burned alone is a sign of any outage");
    let earlier = &found[0].earlier[0];
    assert_eq!((earlier.id.as_str(), earlier.ago), ("a", Duration::from_days(30)));
    assert_eq!(
        (&earlier.despite, &earlier.undone),
        (&vec!["done".to_owned()], &vec!["late".to_owned(), "open".to_owned()])
    );
    let of_c: Vec<_> = found[1].earlier.iter().map(|of| of.id.as_str()).collect();
    assert_eq!(of_c, ["b"], "390 days ago is too long ago, 360 is not");
    assert_eq!(found[2].earlier[0].by, [Sign::Said]);
}

#[test]
fn what_somebody_says_repeats_another_may_have_begun_with_it() {
    let said = Trace { repeats: Some("page".to_owned()), ..trace("by-hand", 3, None) };
    let found = recurrences(&[said, trace("page", 3, None)]);
    let found: Vec<_> =
        found.iter().map(|of| (of.id.as_str(), of.earlier[0].id.as_str())).collect();
    assert_eq!(found, [("by-hand", "page")]);
}

#[test]
fn a_burned_slo_and_a_failed_dependency_are_enough() {
    let below = |of: Trace| Trace { dependencies: BTreeSet::from(["db".to_owned()]), ..of };
    let found = recurrences(&[
        below(trace("a", 0, None)),
        below(trace("b", 9, None)),
        trace("c", 10, None),
    ]);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), found[0].earlier[0].by.len()), ("b", 2));
}

#[test]
fn a_runbook_says_when_to_go_back_and_who_decides() {
    let text = serde_json::json!({
        "description": "Payments time out",
        "classes": ["dependency"],
        "steps": ["Look at the pool."],
        "rollback": [{"when": "budget.remaining_share < 0.5", "holds": "5m", "then": "Go back to the version before.", "who": "on_call"}],
    });
    let spec: RunbookSpec = serde_json::from_value(text.clone()).unwrap();
    let runbook = Runbook::new("payments", spec.clone()).unwrap();
    assert!(runbook.is_of(&["shop"]) && runbook.waits_for_found());
    assert!(runbook.is_for(&["dependency"]) && !runbook.is_for(&[]));
    let (criterion, condition) = runbook.criteria().next().unwrap();
    assert_eq!(
        (criterion.holds, condition.text()),
        (Some(Duration::from_minutes(5)), "budget.remaining_share < 0.5")
    );
    let none = RunbookSpec { rollback: Vec::new(), steps: Vec::new(), ..spec.clone() };
    let wrong = Runbook::new("payments", none).unwrap_err();
    let paths: Vec<_> = wrong.iter().map(|of| of.path.as_str()).collect();
    assert_eq!(paths, ["spec.steps", "spec.rollback"]);
    let mut unknown = spec;
    unknown.rollback[0].when = "budget.remainin < 0.5".to_owned();
    let wrong = Runbook::new("payments", unknown).unwrap_err();
    assert_eq!((wrong[0].path.as_str(), wrong[0].place.is_some()), ("spec.rollback[0].when", true));
    let mut extra = text;
    extra["stepss"] = "no".into();
    assert!(serde_json::from_value::<RunbookSpec>(extra).is_err());
}

#[test]
fn somebody_stands_in_the_place_of_people() {
    let people = ["Ada", "ada lovelace", "İ", "17"];
    let told = without_names("Ada Lovelace told ADA of 17 adamant pages; Adaİ", &people);
    assert_eq!(told, "somebody told somebody of 17 adamant pages; Adaİ");
    assert_eq!(without_names("", &people), "");
}

#[test]
fn a_demand_stands_until_it_is_met_and_not_until_the_window_forgets() {
    let share = Number::ratio(1, 4).unwrap();
    let of = |reason| PostMortem { reason, share };
    let incident = of(PostMortemReason::Incident { id: "INC-1".to_owned() });
    let kept = KeptDemand::new(("shop", "checkout"), &incident, day(1));
    let text = serde_json::to_string(&kept).unwrap();
    assert_eq!(serde_json::from_str::<KeptDemand>(&text).unwrap(), kept);
    let record = record("INC-1", Some("dns"));
    let stands = kept.stands(std::slice::from_ref(&record), &[]).unwrap();
    assert_eq!((stands.due, stands.is_met, stands.of.share), (Some(day(16)), false, share));
    assert!(
        kept.is_again(("checkout", &incident), day(400))
            && !kept.is_again(("cart", &incident), day(1))
    );
    let mut write_up = written(&record);
    write_up.submit([], day(4)).unwrap();
    write_up.publish("bo", [], day(5)).unwrap();
    let (records, written) = ([record.clone()], [write_up]);
    assert!(kept.stands(&records, &written).unwrap().is_met);
    let waived = Waived { who: "ada".to_owned(), at: day(2), why: "a load test".to_owned() };
    assert_eq!(KeptDemand { waived: Some(waived), ..kept.clone() }.stands(&records, &[]), None);
    let mut none = record;
    let cause = FalseAlarmCause::Measurement;
    none.false_alarm =
        Some(FalseAlarm { at: day(2), cause, text: "the probe was down".to_owned() });
    assert_eq!(kept.stands(&[none], &[]), None, "there was none");

    // A class is met by what was published since its outages, and demanded again by others.
    let class = of(PostMortemReason::Class { class: "dns".to_owned() });
    let kept = KeptDemand::new(("shop", "checkout"), &class, day(3));
    assert_eq!(kept.stands(&records, &[]).map(|of| (of.due, of.is_met)), Some((None, false)));
    assert!(kept.stands(&records, &written).unwrap().is_met);
    assert!(kept.is_again(("checkout", &class), day(92)));
    assert!(!kept.is_again(("checkout", &class), day(93)), "other outages");
    let later = KeptDemand::new(("shop", "checkout"), &class, day(100));
    assert!(!later.stands(&records, &written).unwrap().is_met, "it did not help");
}

/// What a drill came to decides about the items that name it, and about no others.
#[test]
fn a_drill_decides_by_its_hypothesis() {
    use crate::drill::{Held, HypothesisReport, Report, Stop};
    let report = |why: Option<Stop>, held: Option<Held>| Report {
        why,
        hypothesis: held.map(|held| HypothesisReport {
            text: "payments go on without the bank".to_owned(),
            held,
            by_slo: Vec::new(),
        }),
        drill: "bank-is-slow".to_owned(),
        key: "bank-is-slow:1".to_owned(),
        during: None,
        dosed: 10,
        burned: None,
        as_dosed: None,
        share: None,
        dependants: Vec::new(),
        detect: None,
        recover: None,
    };
    let ended = || Some(Stop::TimeUp);
    let passed = |of: &Report| Run::of_drill(of, day(5)).map(|run| run.passed);
    assert_eq!(passed(&report(ended(), Some(Held::Yes))), Some(Some(true)));
    assert_eq!(passed(&report(ended(), Some(Held::No))), Some(Some(false)));
    assert_eq!(passed(&report(ended(), Some(Held::Unknown))), Some(None), "it changes nothing");
    assert_eq!(passed(&report(ended(), None)), None, "it believed nothing");
    assert_eq!(passed(&report(None, Some(Held::Yes))), None, "it lasts");
    let early = |held| passed(&report(Some(Stop::Blind), Some(held)));
    assert_eq!((early(Held::Yes), early(Held::No)), (Some(None), Some(Some(false))));
    let named = |name: &str| Outcome::Drill { name: name.to_owned() };
    let mut own = ActionItem { outcome: named("bank-is-slow"), ..item("a", Priority::P0) };
    let mut other = ActionItem { outcome: named("bank-is-gone"), ..item("b", Priority::P1) };
    let run = Run::of_drill(&report(ended(), Some(Held::Yes)), day(5)).unwrap();
    assert!(own.learn(&run) && !other.learn(&run));
    let shown = "bank-is-slow:1".to_owned();
    assert_eq!(own.state, ActionState::Done { at: day(5), shown });
}

/// What came back after it was written up, and costs as much again, asks for a new edition; what was published stays.
#[test]
fn an_incident_that_came_back_asks_for_a_new_edition() {
    let of = |share| PostMortem {
        reason: PostMortemReason::Incident { id: "INC-1".to_owned() },
        share: Number::ratio(share, 100).unwrap(),
    };
    let fifth = Rational::new(1, 5).unwrap();
    let mut record = record("INC-1", None);
    let mut write_up = written(&record);
    write_up.submit([], day(4)).unwrap();
    write_up.publish("bo", [], day(5)).unwrap();
    write_up.spent.insert("checkout · fast".to_owned(), 50);
    assert_eq!((write_up.spent("checkout"), write_up.spent("check")), (50, 0));
    assert!(write_up.clone().reopen(&record).is_err(), "what is published stays");
    // Of 30 % of the budget the part counts that nothing was written of.
    let back = |record: &IncidentRecord, write_up: &WriteUp, own| {
        let (records, written) = ([record.clone()], [write_up.clone()]);
        come_back(("checkout", &of(30), own), fifth, &records, &written)
    };
    assert_eq!(back(&record, &write_up, 900), None, "it did not come back");
    record.came_back.push(day(6));
    assert_eq!(back(&record, &write_up, 150), None, "a fifth is not more than a fifth");
    assert_eq!(back(&record, &write_up, 151), Some(day(5)));

    let first = KeptDemand::new(("shop", "checkout"), &of(25), day(3));
    let after = Some(day(5));
    let again = KeptDemand { after, ..KeptDemand::new(("shop", "checkout"), &of(46), day(7)) };
    let is_met = |demand: &KeptDemand, write_up: &WriteUp| {
        demand.stands(std::slice::from_ref(&record), std::slice::from_ref(write_up)).unwrap().is_met
    };
    assert_eq!((is_met(&first, &write_up), is_met(&again, &write_up)), (true, false));
    let edition = |demand: &KeptDemand, write_up: &WriteUp| {
        demand.stands(std::slice::from_ref(&record), std::slice::from_ref(write_up)).unwrap().again
    };
    let second = Again { edition: 2, published: day(5), came_back: Some(day(6)) };
    assert_eq!((edition(&first, &write_up), edition(&again, &write_up)), (None, Some(second)));
    write_up.reopen(&record).unwrap();
    assert_eq!((write_up.is_published(), write_up.published_last()), (false, after));
    assert_eq!((is_met(&first, &write_up), is_met(&again, &write_up)), (true, false));
    assert_eq!(edition(&again, &write_up), Some(second), "it is being written");
    write_up.submit([], day(8)).unwrap();
    write_up.publish("bo", [], day(9)).unwrap();
    assert_eq!(edition(&again, &write_up), Some(second), "which is published now");
    assert!(is_met(&first, &write_up) && is_met(&again, &write_up));
}

#[test]
fn a_write_up_of_what_goes_on_says_nothing_of_its_end() {
    let mut lasting = record("INC-1", None);
    (lasting.incident.mitigated, lasting.incident.resolved) = (None, None);
    let begun = WriteUp::begin(&lasting, "ada", "some".to_owned(), day(1));
    assert!(begun.missing().contains(&Field::Resolution));
}
