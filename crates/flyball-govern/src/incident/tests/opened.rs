use flyball_model::{Incident, Timestamp};
use serde_json::json;

use super::super::*;
use crate::alert::Paged;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(minute * 60)
}

/// A page of `service` that began, called and was over at these minutes.
fn page(id: u64, service: &str, (onset, called, over): (i64, i64, Option<i64>)) -> Paged {
    let pair = json!({
        "rule": "page-1h", "severity": "page", "start": at(called), "end": over.map(at), "onset": at(onset),
        "valid": 10, "good": 0, "bad": 10, "factor": null, "burn": 1.0, "burn_peak": 1.0, "spent_in_lookback": 0.1,
        "spent_in_window": null,
    });
    let alert = json!({
        "id": id, "subject": {"service": service, "slo": "answered", "objective": 0, "slice": null},
        "state": "firing", "severity": "page", "severity_max": "page", "opened": at(called), "fired": at(called),
        "resolved": over.map(at), "pairs": [pair], "acknowledged": null,
        "facts": crate::alert::Facts::default(), "transitions": [],
    });
    let alert = serde_json::from_value(alert).unwrap();
    Paged { alert, first: at(called), last: at(called) }
}

fn opens(records: &[IncidentRecord], paged: &Paged) -> Option<IncidentRecord> {
    match open(records, &paged.alert, paged.first) {
        Opening::Opens(record) => Some(*record),
        Opening::Joins { .. } => None,
    }
}

#[test]
fn a_page_opens_an_incident_and_the_next_of_its_service_joins_it() {
    let first = page(1, "shop", (10, 14, None));
    let mut record = opens(&[], &first).unwrap();
    assert_eq!((record.incident.id.as_str(), record.recorded), ("alert:1", at(14)));
    assert_eq!((record.incident.started, record.incident.detected), (Some(at(10)), Some(at(14))));
    let records = [record.clone()];
    assert!(opens(&records, &first).is_none(), "it is known");
    assert!(opens(&records, &page(2, "shop", (15, 20, None))).is_none());
    assert!(opens(&records, &page(3, "bank", (15, 20, None))).is_some());
    record.incident.resolved = Some(at(30));
    let records = [record.clone()];
    assert!(opens(&records, &page(4, "shop", (50, 60, None))).is_none(), "it was not over");
    assert!(opens(&records, &page(5, "shop", (50, 61, None))).is_some());
    let by = By { who: "ada", at: at(40), why: "a load test" };
    record.call_false(FalseAlarmCause::OnPurpose, "a load test", by).unwrap();
    assert!(opens(&[record], &page(6, "shop", (20, 25, None))).is_some());
}

#[test]
fn alerts_fill_in_what_nobody_has_said() {
    let first = page(1, "shop", (10, 14, None));
    let mut record = opens(&[], &first).unwrap();
    let second = page(2, "shop", (8, 12, Some(40)));
    assert!(follow(&mut record, &[first.clone(), second.clone()]));
    assert!(!follow(&mut record, &[first.clone(), second.clone()]), "nothing is new");
    let Incident { started, detected, resolved, .. } = record.incident;
    assert_eq!((started, detected, resolved), (Some(at(8)), Some(at(12)), None));
    let over = page(1, "shop", (10, 14, Some(35)));
    follow(&mut record, &[over.clone(), second.clone()]);
    assert_eq!(record.incident.resolved, Some(at(40)));
    let third = page(3, "shop", (44, 45, None));
    follow(&mut record, &[over.clone(), second.clone(), third]);
    assert_eq!(record.state(), IncidentState::Open, "it fires again");
    assert_eq!(record.opened, Opened::ByAlerts { alerts: vec![1, 2, 3] });
    let by = By { who: "ada", at: at(60), why: "users say so" };
    record.set(Moment::Started, Some(at(5)), by).unwrap();
    record.set(Moment::Resolved, Some(at(59)), by).unwrap();
    follow(&mut record, &[over, second]);
    assert_eq!((record.incident.started, record.incident.resolved), (Some(at(5)), Some(at(59))));
}

#[test]
fn what_a_person_opened_ends_when_a_person_says_so() {
    let told = Incident {
        service: Some("shop".to_owned()),
        summary: Some("checkout fails".to_owned()),
        ..Incident::new("INC-1".to_owned())
    };
    let mut record = IncidentRecord::by_hand(told, "bo", at(12)).unwrap();
    follow(&mut record, &[page(1, "shop", (20, 24, Some(30)))]);
    let Incident { started, detected, resolved, .. } = record.incident;
    assert_eq!((started, detected, resolved), (Some(at(12)), Some(at(12)), None));
}

#[test]
fn a_page_that_comes_again_takes_back_what_was_said_of_the_end() {
    let first = page(1, "shop", (10, 14, Some(20)));
    let mut record = opens(&[], &first).unwrap();
    follow(&mut record, std::slice::from_ref(&first));
    assert_eq!(record.incident.resolved, Some(at(20)));
    let by = |minute| By { who: "ada", at: at(minute), why: "rolled back" };
    record.set(Moment::Mitigated, Some(at(17)), by(21)).unwrap();
    let again = Paged { last: at(25), ..page(1, "shop", (10, 14, None)) };
    assert!(follow(&mut record, std::slice::from_ref(&again)));
    assert_eq!((record.incident.mitigated, record.incident.resolved), (None, None));
    assert_eq!((record.state(), record.came_back.as_slice()), (IncidentState::Open, &[at(25)][..]));
    let edit = record.edits.last().unwrap();
    assert_eq!((edit.who.as_str(), edit.field.as_str(), edit.at), ("server", "mitigated", at(25)));
    assert!(!follow(&mut record, std::slice::from_ref(&again)), "once");
    assert_eq!(record.calm, [Calm { from: at(17), to: at(25) }], "nothing newer is known to burn");
    // Whoever says so after the page knows of it.
    record.set(Moment::Mitigated, Some(at(26)), by(26)).unwrap();
    assert!(!follow(&mut record, std::slice::from_ref(&again)));
    let over = Paged { last: at(25), ..page(1, "shop", (10, 14, Some(30))) };
    follow(&mut record, std::slice::from_ref(&over));
    assert_eq!((record.incident.mitigated, record.incident.resolved), (Some(at(26)), Some(at(30))));
    // An end by hand that a page refutes is told by alerts from then on.
    record.set(Moment::Resolved, Some(at(31)), by(31)).unwrap();
    let third = page(2, "shop", (38, 40, None));
    follow(&mut record, &[over.clone(), third]);
    assert_eq!((record.incident.resolved, record.came_back.len()), (None, 2));
    follow(&mut record, &[over, page(2, "shop", (38, 40, Some(45)))]);
    assert_eq!(record.incident.resolved, Some(at(45)));
}

#[test]
fn an_incident_that_came_back_is_open_until_somebody_takes_that_on() {
    let taken = |minute: i64, mut paged: Paged| {
        let (who, note) = ("ada".to_owned(), None);
        paged.alert.acknowledged =
            Some(crate::alert::Acknowledgement { who, at: at(minute), note });
        paged
    };
    let first = taken(15, page(1, "shop", (10, 14, Some(20))));
    let mut record = opens(&[], &first).unwrap();
    follow(&mut record, std::slice::from_ref(&first));
    assert_eq!(record.incident.acknowledged, Some(at(15)));
    let again = page(2, "shop", (24, 26, None));
    follow(&mut record, &[first.clone(), again.clone()]);
    assert_eq!((record.state(), record.came_back.as_slice()), (IncidentState::Open, &[at(26)][..]));
    follow(&mut record, &[first, taken(28, again)]);
    assert_eq!((record.state(), record.taken_again), (IncidentState::Acknowledged, Some(at(28))));
    assert_eq!(record.incident.acknowledged, Some(at(15)), "the first is what is measured");
}

#[test]
fn what_came_back_lasted_in_its_parts_and_not_between_them() {
    let parts = |record: &IncidentRecord, from, to| {
        let parts = record.parts(at(from), at(to)).into_iter();
        let minutes = |of: Timestamp| of.since(at(0)).nanos() / 60_000_000_000;
        parts.map(|of| (minutes(of.start()), minutes(of.end()))).collect::<Vec<_>>()
    };
    let first = page(1, "shop", (10, 14, Some(20)));
    let mut record = opens(&[], &first).unwrap();
    follow(&mut record, std::slice::from_ref(&first));
    assert_eq!(parts(&record, 10, 20), [(10, 20)]);
    // Users were hit again from 24 on, two minutes before somebody was called.
    let second = page(2, "shop", (24, 26, Some(30)));
    follow(&mut record, &[first.clone(), page(2, "shop", (24, 26, None))]);
    follow(&mut record, &[first.clone(), second.clone()]);
    let third = page(3, "shop", (41, 45, None));
    follow(&mut record, &[first, second, third]);
    assert_eq!(parts(&record, 10, 50), [(10, 20), (24, 30), (41, 50)]);
    assert_eq!(parts(&record, 22, 43), [(24, 30), (41, 43)]);
    assert_eq!(parts(&record, 31, 40), []);
    let kept = serde_json::to_value(&record).unwrap();
    assert_eq!(serde_json::from_value::<IncidentRecord>(kept).unwrap(), record);
}

/// The same page, of which the last slot that was bad beyond what it allows ended at this minute.
fn calmed(paged: Paged, minute: i64) -> Paged {
    let mut paged = paged;
    paged.alert.pairs[0].spell_end = Some(at(minute));
    paged
}

#[test]
fn when_users_were_served_again_is_what_the_ledger_says_unless_somebody_does() {
    let first = page(1, "shop", (10, 14, None));
    let mut record = opens(&[], &first).unwrap();
    let over = calmed(page(1, "shop", (10, 14, Some(30))), 22);
    assert!(follow(&mut record, std::slice::from_ref(&over)));
    let told = |record: &IncidentRecord| {
        (record.incident.mitigated, record.is_by_ledger, record.incident.resolved)
    };
    assert_eq!(told(&record), (Some(at(22)), true, Some(at(30))));
    assert_eq!(record.incident.served_again(), Some(at(22)));
    assert!(!follow(&mut record, std::slice::from_ref(&over)), "nothing is new");
    assert_eq!((record.came_back.len(), record.state()), (0, IncidentState::Resolved));
    // It burns again: what the ledger said was the end of a part.
    let again = Paged { last: at(40), ..page(1, "shop", (10, 14, None)) };
    let mut back = record.clone();
    follow(&mut back, std::slice::from_ref(&again));
    assert_eq!(told(&back), (None, false, None));
    assert_eq!(back.calm, [Calm { from: at(22), to: at(40) }]);
    // Whoever looks later sees the same.
    let later = Paged { last: at(40), ..calmed(page(1, "shop", (10, 14, Some(50))), 44) };
    follow(&mut back, std::slice::from_ref(&later));
    let mut late = record.clone();
    follow(&mut late, std::slice::from_ref(&later));
    assert_eq!(told(&back), (Some(at(44)), true, Some(at(50))));
    assert_eq!(late, back);
    // What somebody says stands, and is no longer by the ledger.
    let by = |why| By { who: "ada", at: at(60), why };
    let mut said = record.clone();
    said.set(Moment::Mitigated, Some(at(20)), by("users say so")).unwrap();
    follow(&mut said, std::slice::from_ref(&over));
    assert_eq!(told(&said), (Some(at(20)), false, Some(at(30))));
    said.set(Moment::Mitigated, None, by("they do not")).unwrap();
    follow(&mut said, std::slice::from_ref(&over));
    assert_eq!(told(&said), (None, false, Some(at(30))));
    // It gives way to an end that somebody says.
    let mut ended = record.clone();
    ended.set(Moment::Resolved, Some(at(18)), by("users say so")).unwrap();
    follow(&mut ended, std::slice::from_ref(&over));
    assert_eq!(told(&ended), (None, false, Some(at(18))));
    let mut lasts = record;
    lasts.set(Moment::Resolved, None, by("users say so")).unwrap();
    follow(&mut lasts, std::slice::from_ref(&over));
    assert_eq!((told(&lasts), lasts.state()), ((None, false, None), IncidentState::Open));
}

#[test]
fn the_ledger_says_nothing_while_one_page_fires_or_is_not_known() {
    let first = calmed(page(1, "shop", (10, 14, Some(30))), 22);
    let mut record = opens(&[], &first).unwrap();
    follow(&mut record, &[first.clone(), page(2, "shop", (11, 15, None))]);
    assert_eq!((record.incident.mitigated, record.is_by_ledger), (None, false));
    follow(&mut record, &[first.clone(), page(2, "shop", (11, 15, Some(40)))]);
    assert_eq!((record.incident.mitigated, record.is_by_ledger), (None, false));
    follow(&mut record, &[first, calmed(page(2, "shop", (11, 15, Some(40))), 25)]);
    assert_eq!((record.incident.mitigated, record.is_by_ledger), (Some(at(25)), true));
    // Another system says better.
    record.told(Incident { mitigated: Some(at(21)), ..Incident::new("alert:1".to_owned()) });
    assert_eq!((record.incident.mitigated, record.is_by_ledger), (Some(at(21)), false));
}
