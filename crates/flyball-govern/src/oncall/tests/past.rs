//! What was served stays as it was when documents change.

use flyball_model::Duration;

use super::*;

/// Weekly turns, with what Ada is paid.
fn weeks(names: &[&str], start: &str, paid: &str) -> Rota {
    let member = |name: &&str| {
        let paid = if *name == "ada" { paid } else { "call_out" };
        json!({"name": name, "side": "developers", "paid": paid})
    };
    rota(json!({
        "members": names.iter().map(member).collect::<Vec<_>>(),
        "layers": [{"name": "first", "members": names, "rotation": {"unit": "week", "start": start}}],
    }))
}

fn january() -> Interval {
    span("2026-01-05T09:00:00Z", "2026-02-02T09:00:00Z")
}

fn standby(past: &Past) -> Vec<(String, Option<Paid>, Duration)> {
    let shifts = past.shifts(january(), &Exceptions::default());
    let lines = past.pay(&shifts, &[], (january(), january().end())).lines.into_iter();
    lines.map(|line| (line.who, line.paid, line.standby)).collect()
}

#[test]
fn a_new_document_changes_no_hours_that_were_served() {
    let old = weeks(&["ada", "bo"], "2026-01-05T09:00", "standby");
    let before = standby(&Past::always(old.clone()));
    let two_weeks = Duration::from_days(14);
    assert_eq!(before[0], ("ada".to_owned(), Some(Paid::Standby), two_weeks));
    // Ada leaves, Cy comes, turns begin anew: told on the second of February.
    let new = weeks(&["bo", "cy"], "2026-02-02T09:00", "nothing");
    let changed = at("2026-02-02T09:00:00Z");
    assert_eq!(standby(&Past::always(new.clone())), [], "what the new one alone would say");
    let past = Past::of([(at("2026-01-20T00:00:00Z"), Some(old)), (changed, Some(new))]);
    assert_eq!(standby(&past), before, "the first known one holds for the time before it");
    let call = |who: &str, from: &str| CallOut {
        id: "a".to_owned(),
        who: who.to_owned(),
        severity: flyball_model::Severity::Page,
        called: at(from),
        ended: Some(at(from).plus(Duration::from_hours(1))),
    };
    let both = span("2026-01-05T09:00:00Z", "2026-02-16T09:00:00Z");
    let shifts = past.shifts(both, &Exceptions::default());
    let calls = [
        call("ada", "2026-01-06T02:00:00Z"),
        call("ada", "2026-02-03T02:00:00Z"),
        call("cy", "2026-02-10T02:00:00Z"),
    ];
    let sheet = past.pay(&shifts, &calls, (both, both.end()));
    let unpaid: Vec<_> = sheet.unpaid.iter().map(|of| (of.who.as_str(), of.why)).collect();
    assert_eq!(unpaid, [("ada", UnpaidReason::Stranger)], "only once she had left");
    let load = past.load(&shifts, (&calls, &[]), both);
    assert!(load.people.iter().all(|person| person.side == Some(Side::Developers)), "{load:#?}");
}

#[test]
fn a_shift_that_goes_on_unchanged_is_one() {
    let old = weeks(&["ada", "bo"], "2026-01-05T09:00", "standby");
    let new = weeks(&["ada", "bo"], "2026-01-05T09:00", "nothing");
    let changed = at("2026-01-07T12:00:00Z");
    let past = Past::of([(at("2026-01-01T00:00:00Z"), Some(old.clone())), (changed, Some(new))]);
    let none = Exceptions::default();
    assert_eq!(past.shifts(january(), &none), old.shifts(january(), &none));
    let cut = span("2026-01-06T00:00:00Z", "2026-01-08T00:00:00Z");
    assert_eq!(past.shifts(cut, &none), old.shifts(cut, &none), "what goes on says so");
    // While there was no such rota nobody served.
    let gone = Past::of([(at("2026-01-01T00:00:00Z"), Some(old)), (changed, None)]);
    let shifts = gone.shifts(january(), &none);
    assert_eq!((shifts.len(), shifts[0].end, shifts[0].continues), (1, changed, false));
    assert_eq!(Past::of([]).shifts(january(), &none), []);
}

#[test]
fn documents_are_kept_as_they_were() {
    let turns = |unit: &str| json!({"unit": unit, "start": "2026-01-31T09:00"});
    let rota = rota(json!({
        "timeZone": "Europe/Berlin",
        "members": [{"name": "ada", "side": "sre", "week": "32h", "rest": [{"days": ["sat"]}],
            "hours": [{"days": ["mon"], "from": "09:30", "to": "18:00"}], "holidays": "DE"}],
        "calendars": [{"name": "DE", "days": [{"date": "2026-12-25", "name": "Christmas"}]}],
        "layers": [
            {"name": "first", "members": ["ada"], "carries": "shadow", "rotation": turns("month")},
            {"name": "second", "members": ["ada"], "rotation": turns("hour")},
        ],
    }));
    let kept = serde_json::to_string(rota.spec()).unwrap();
    assert_eq!(serde_json::from_str::<RotaSpec>(&kept).unwrap(), *rota.spec());
}
