use flyball_model::{
    Change, ChangeKind, ChangeOutcome, ChangeSource, Incident, Tally, Target, Timestamp,
};
use proptest::prelude::*;

use super::super::*;
use crate::policy::Number;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(minute * 60)
}

fn by(minute: i64) -> By<'static> {
    By { who: "ada", at: at(minute), why: "the logs say so" }
}

fn opened() -> IncidentRecord {
    let incident = Incident {
        service: Some("shop".to_owned()),
        summary: Some("checkout answers 500".to_owned()),
        ..Incident::new("INC-1".to_owned())
    };
    IncidentRecord::by_hand(incident, "bo", at(100)).unwrap()
}

#[test]
fn an_incident_that_is_opened_by_hand_says_what_and_is_detected_then() {
    let record = opened();
    assert_eq!(record.incident.detected, Some(at(100)));
    assert_eq!((record.state(), record.lasts()), (IncidentState::Open, true));
    let silent = Incident::new("INC-2".to_owned());
    let refused = IncidentRecord::by_hand(silent, "bo", at(0)).unwrap_err();
    assert_eq!(refused, IncidentError::Missing { what: "the summary" });
    let summary = Some("later".to_owned());
    let ahead = Incident { summary, started: Some(at(1)), ..Incident::new("INC-3".to_owned()) };
    let refused = IncidentRecord::by_hand(ahead, "bo", at(0)).unwrap_err();
    assert_eq!(refused, IncidentError::Future { at: at(1) });
}

#[test]
fn moments_are_corrected_in_order_and_what_was_said_before_stays() {
    let mut record = opened();
    record.set(Moment::Started, Some(at(80)), by(101)).unwrap();
    record.set(Moment::Detected, Some(at(90)), by(102)).unwrap();
    let late = record.set(Moment::Started, Some(at(91)), by(103)).unwrap_err();
    assert!(matches!(late, IncidentError::Order { earlier: "started", later: "detected", .. }));
    assert!(record.set(Moment::Resolved, Some(at(105)), by(104)).is_err(), "it has not come");
    record.set(Moment::Mitigated, Some(at(85)), by(104)).unwrap();
    record.set(Moment::Resolved, Some(at(104)), by(104)).unwrap();
    assert_eq!(record.state(), IncidentState::Resolved);
    record.set(Moment::Resolved, None, by(110)).unwrap();
    assert_eq!(record.state(), IncidentState::Mitigated, "it is open again");
    let edits: Vec<_> = record.edits.iter().map(|edit| edit.field.as_str()).collect();
    assert_eq!(edits, ["started", "detected", "mitigated", "resolved", "resolved"]);
    assert_eq!(record.edits[1].before, Some(at(100).to_string()));
    let silent = By { why: " ", ..by(111) };
    assert!(record.set(Moment::Started, None, silent).is_err(), "a correction has a reason");
    let same = record.edits.len();
    record.set(Moment::Started, Some(at(80)), by(112)).unwrap();
    assert_eq!(record.edits.len(), same, "nothing changed");
    let kept = serde_json::to_value(&record).unwrap();
    assert_eq!(serde_json::from_value::<IncidentRecord>(kept).unwrap(), record);
}

#[test]
fn a_false_alarm_names_nobody_and_may_be_real_after_all() {
    let mut record = opened();
    record.call_false(FalseAlarmCause::TooSensitive, "one user for a minute", by(120)).unwrap();
    assert_eq!((record.state(), record.lasts()), (IncidentState::FalseAlarm, false));
    let shown = serde_json::to_string(&record.false_alarm).unwrap();
    assert!(!shown.contains("ada") && !shown.contains("bo"), "{shown}");
    record.call_real(by(121)).unwrap();
    assert!(record.lasts());
    assert_eq!(record.edits.len(), 2);
}

#[test]
fn roles_are_handed_over_and_the_commander_holds_what_nobody_has() {
    let mut record = opened();
    assert_eq!(record.holder(IncidentRole::Operations), None);
    record.assign(IncidentRole::Commander, "ada", at(101)).unwrap();
    assert_eq!(record.holder(IncidentRole::Communications), Some("ada"));
    record.assign(IncidentRole::Operations, "bo", at(102)).unwrap();
    record.assign(IncidentRole::Operations, "bo", at(103)).unwrap();
    assert!(record.assign(IncidentRole::Operations, "cy", at(101)).is_err(), "before it was taken");
    record.assign(IncidentRole::Operations, "cy", at(110)).unwrap();
    assert_eq!(record.roles[&IncidentRole::Operations].len(), 2);
    assert_eq!(record.roles[&IncidentRole::Operations][0].until, Some(at(110)));
    record.relieve(IncidentRole::Operations, at(111)).unwrap();
    assert_eq!(record.holder(IncidentRole::Operations), Some("ada"));
    assert_eq!(record.relieve(IncidentRole::Operations, at(112)), Err(IncidentError::NotHeld));
    assert_eq!(record.people(), ["ada", "bo", "cy"]);
}

#[test]
fn a_timeline_is_put_together_in_order_and_says_what_it_left_out() {
    let mut record = opened();
    let note = |minute, text: &str| Note { who: "bo".into(), at: at(minute), text: text.into() };
    record.note(note(103, "errors come from eu-1"), at(104)).unwrap();
    record.note(note(101, "users call"), at(104)).unwrap();
    assert!(record.note(note(105, "soon"), at(104)).is_err());
    record.assign(IncidentRole::Commander, "ada", at(102)).unwrap();
    let change = |id: &str, service: &str, minute| {
        let source = ChangeSource { system: "api".to_owned(), delivery: id.to_owned() };
        let (kind, outcome) = (ChangeKind::Deploy, ChangeOutcome::Succeeded);
        let id = id.to_owned();
        let mut change = Change::new(id, service.to_owned(), kind, outcome, at(minute), source);
        change.finished = Some(at(minute));
        change
    };
    let changes = [
        change("d-1", "shop", 99),
        change("d-2", "bank", 98),
        change("d-3", "shop", 10),
        change("d-4", "bank", 97),
    ];
    record.put_down_to("d-4", by(106)).unwrap();
    let seen = Seen { changes: &changes, ..Seen::default() };
    let found = timeline(&record, &seen, at(120));
    let of: Vec<(Timestamp, EntryKind)> =
        found.entries.iter().map(|entry| (entry.at, entry.kind)).collect();
    let expected = [
        (at(97), EntryKind::Change),
        (at(99), EntryKind::Change),
        (at(100), EntryKind::Moment),
        (at(101), EntryKind::Note),
        (at(102), EntryKind::Role),
        (at(103), EntryKind::Note),
        (at(106), EntryKind::Edit),
    ];
    assert_eq!(of, expected);
    assert!(found.entries.iter().all(|entry| !entry.text.contains("ada")), "texts name nobody");
    let many: Vec<Change> =
        (0..3_000).map(|number| change(&format!("m-{number}"), "shop", 100)).collect();
    let found = timeline(&record, &Seen { changes: &many, ..Seen::default() }, at(120));
    assert_eq!((found.entries.len(), found.left_out), (ENTRIES_MAX, 1_005));
    assert_eq!(found.entries.iter().filter(|of| of.kind == EntryKind::Note).count(), 2);
}

/// SRE Workbook, appendix B: 1,000,000 requests in four weeks at 99.9 % allow 1,000 errors, of which 200 are 20 %.
#[test]
fn a_cost_is_a_share_of_the_budget_and_costs_are_not_added_up() {
    let target = Target::new(flyball_model::Rational::new(999, 1_000).unwrap()).unwrap();
    let counted = |slo: &str, own, during: (u64, u64)| Counted {
        slo: slo.to_owned(),
        service: "shop".to_owned(),
        target,
        during: Tally::new(during.0, during.1).unwrap(),
        own,
        window_valid: 1_000_000,
        users: None,
    };
    let costs = [
        IncidentCost::of(&counted("answered", 200, (1_000, 790))),
        IncidentCost::of(&counted("fast", 300, (1_000, 700))),
        IncidentCost::of(&Counted { window_valid: 0, ..counted("none", 0, (0, 0)) }),
    ];
    assert_eq!(costs[0].budget, Number::ratio(1, 5));
    assert_eq!(costs[0].events, Number::ratio(21, 100));
    assert_eq!((costs[2].budget, costs[2].events), (None, None), "no data is no health");
    assert_eq!(costliest(&costs).unwrap().slo, "fast");
    assert_eq!(costliest(&costs[2..]), None);
}

#[test]
fn journeys_are_hit_through_their_services() {
    let journeys = Journeys::of([
        ("web", vec!["buy", "look"]),
        ("pay", vec!["buy"]),
        ("search", vec!["look"]),
    ]);
    assert_eq!(journeys.services("buy").collect::<Vec<_>>(), ["pay", "web"]);
    let hit = journeys.hit(["pay", "unknown"]);
    assert_eq!((hit.len(), hit[0].journey.as_str(), hit[0].of), (1, "buy", 2));
    assert_eq!(hit[0].through, ["pay"]);
    assert!(journeys.hit([]).is_empty());
}

fn moment() -> impl Strategy<Value = Moment> {
    proptest::sample::select(Moment::ALL.to_vec())
}

proptest! {
    /// Whatever is corrected in whatever order, moments stay possible, and the corrections lead back to the start.
    #[test]
    fn corrections_keep_the_order_and_can_be_read_backwards(
        steps in proptest::collection::vec((moment(), proptest::option::of(0i64..200)), 0..40),
    ) {
        let first = opened();
        let mut record = first.clone();
        for (moment, minute) in steps {
            let before = record.clone();
            if record.set(moment, minute.map(at), by(200)).is_err() {
                prop_assert_eq!(&record, &before);
            }
            let Incident { started, detected, acknowledged, mitigated, resolved, .. } = record.incident;
            for (one, other) in [(started, detected), (started, mitigated), (detected, acknowledged), (mitigated, resolved)] {
                prop_assert!(one.zip(other).is_none_or(|(one, other)| one <= other));
            }
        }
        for edit in record.edits.iter().rev() {
            let moment = Moment::ALL.into_iter().find(|moment| moment.name() == edit.field).unwrap();
            let now = moment.of(&record.incident).map(|at| at.to_string());
            prop_assert_eq!(&now, &edit.after);
            let before = edit.before.as_ref().map(|text| Timestamp::parse(text).unwrap());
            match moment {
                Moment::Started => record.incident.started = before,
                Moment::Detected => record.incident.detected = before,
                Moment::Acknowledged => record.incident.acknowledged = before,
                Moment::Mitigated => record.incident.mitigated = before,
                Moment::Resolved => record.incident.resolved = before,
            }
        }
        prop_assert_eq!(record.incident, first.incident);
    }
}
