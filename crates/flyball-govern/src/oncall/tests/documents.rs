//! What a document may say.

use flyball_model::Severity::{Page, Ticket};

use super::*;

#[test]
fn a_rota_is_read_and_written_alike() {
    let spec = json!({
        "description": "Payments", "timeZone": "Europe/Berlin",
        "members": [
            {"name": "ada", "side": "developers", "timeZone": "Europe/London", "holidays": "GB",
                "hours": [{"days": ["mon", "fri"], "from": "09:00", "to": "17:00"}],
                "rest": [{"days": ["sat"]}], "target": "ada-phone", "paid": "standby", "week": "32h"},
            {"name": "bo", "side": "operations", "duty": "tickets"},
        ],
        "calendars": [{"name": "GB", "days": [{"date": "2026-12-25", "name": "Christmas"}]}],
        "layers": [
            {"name": "primary", "members": ["ada"],
                "rotation": {"unit": "week", "start": "2026-01-05T09:00"}},
            {"name": "triage", "carries": "tickets", "members": ["bo", "ada"],
                "rotation": {"unit": "month", "every": 2, "start": "2026-01-31T09:00"}},
        ],
        "cover": [{"days": ["mon"], "from": "08:00", "to": "18:00"}],
    });
    let read: RotaSpec = serde_json::from_value(spec).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(written["layers"][0]["rotation"]["start"], "2026-01-05T09:00");
    assert_eq!(serde_json::from_value::<RotaSpec>(written).unwrap(), read);
    let rota = Rota::new("payments", read).unwrap();
    let monday = at("2026-03-02T12:00:00Z");
    let none = Exceptions::default();
    let called = |severity, layer| rota.called(monday, severity, layer, &none);
    assert_eq!(called(Page, None), ["ada"]);
    assert_eq!(called(Ticket, None), ["bo"], "tickets go to triage");
    assert_eq!(called(Ticket, Some("primary")), ["ada"]);
    assert_eq!(called(Page, Some("triage")), [] as [&str; 0], "triage is never paged");
    assert_eq!(rota.called(at("2026-03-03T12:00:00Z"), Page, None, &none), [] as [&str; 0]);
}

#[test]
fn a_month_that_is_anchored_on_the_31st_ends_on_the_last_day() {
    let rota = rota(json!({
        "members": members(&["ada", "bo"]),
        "layers": [{"name": "primary", "members": ["ada", "bo"],
            "rotation": {"unit": "month", "start": "2026-01-31T09:00"}}],
    }));
    let during = span("2026-01-31T09:00:00Z", "2026-04-30T09:00:00Z");
    let shifts = rota.shifts(during, &Exceptions::default());
    assert!(shifts.iter().all(|shift| !shift.continues), "the last ends with what was asked for");
    let starts: Vec<String> = shifts
        .iter()
        .map(|shift| format!("{} {}", shift.who, &shift.start.to_string()[..10]))
        .collect();
    assert_eq!(starts, ["ada 2026-01-31", "bo 2026-02-28", "ada 2026-03-31"]);
}

#[test]
fn shadows_look_on_and_cover_nothing() {
    let rota = rota(json!({
        "members": members(&["ada", "bo"]),
        "layers": [
            {"name": "primary", "members": ["ada"], "hours": [{"days": ["mon"]}],
                "rotation": {"unit": "week", "start": "2026-01-05T00:00"}},
            {"name": "learning", "carries": "shadow", "members": ["bo"],
                "rotation": {"unit": "week", "start": "2026-01-05T00:00"}},
        ],
    }));
    let none = Exceptions::default();
    let tuesday = at("2026-01-06T12:00:00Z");
    let said: Vec<Option<&str>> = vec![None, Some("bo")];
    let on_call = rota.on_call(tuesday, &none);
    assert_eq!(on_call.iter().map(|said| said.answer.who()).collect::<Vec<_>>(), said);
    assert!(rota.called(tuesday, Page, None, &none).is_empty());
    let week = span("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z");
    let gaps = rota.coverage(week, &none).gaps;
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].span, span("2026-01-06T00:00:00Z", "2026-01-12T00:00:00Z"));
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let spec = json!({
        "timeZone": "Europe/Berlln",
        "members": [
            {"name": "ada", "side": "developers", "rest": [{"days": []}], "holidays": "DE"},
            {"name": "ada", "side": "developers", "timeZone": "here", "week": "8d"},
            {"name": "bo", "side": "sre", "duty": "tickets"},
        ],
        "calendars": [{"name": "GB", "days": []}],
        "layers": [
            {"name": "", "members": [], "rotation": {"unit": "day", "every": 0, "start": "1960-01-05T00:00"}},
            {"name": "a", "members": ["bo", "cy", "ada", "ada"],
                "rotation": {"unit": "day", "start": "2026-01-05T00:00"}},
        ],
    });
    let wrong = Rota::new(" ", serde_json::from_value(spec).unwrap()).unwrap_err();
    let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
    let expected = [
        "metadata.name",
        "spec.timeZone",
        "spec.members[0].rest[0].days",
        "spec.members[0].holidays",
        "spec.members[1].name",
        "spec.members[1].timeZone",
        "spec.members[1].week",
        "spec.calendars[0].days",
        "spec.layers[0].name",
        "spec.layers[0].rotation.every",
        "spec.layers[0].rotation.start",
        "spec.layers[0].members",
        "spec.layers[1].members[0]",
        "spec.layers[1].members[1]",
        "spec.layers[1].members[3]",
    ];
    assert_eq!(paths, expected);
    for refused in [
        r#"{"members": [], "layers": [], "rotor": 1}"#,
        r#"{"members": [{"name": "a", "side": "managers"}], "layers": []}"#,
        r#"{"members": [{"name": "a", "side": "sre", "hours": [{"days": ["mon"], "from": "9:00"}]}], "layers": []}"#,
        r#"{"members": [{"name": "a", "side": "sre", "hours": [{"days": ["mon"], "from": "24:00"}]}], "layers": []}"#,
        r#"{"members": [], "layers": [{"name": "a", "members": [], "rotation": {"unit": "day", "start": "2026-01-05"}}]}"#,
        r#"{"members": [], "layers": [{"name": "a", "members": [], "rotation": {"unit": "day", "start": "2026-01-05T09:00:30"}}]}"#,
        r#"{"members": [], "layers": [{"name": "a", "members": [], "rotation": {"unit": "year", "start": "2026-01-05T09:00"}}]}"#,
    ] {
        assert!(serde_json::from_str::<RotaSpec>(refused).is_err(), "{refused} was accepted");
    }
}

#[test]
fn the_ends_of_time_are_answered() {
    let rota = rota(json!({
        "members": members(&["ada", "bo"]),
        "layers": [{"name": "primary", "members": ["ada", "bo"],
            "rotation": {"unit": "hour", "start": "2026-01-05T09:00"}}],
    }));
    let none = Exceptions::default();
    let before = Answer::Nobody { why: Absence::NotStarted };
    assert_eq!(rota.on_call(Timestamp::MIN, &none)[0].answer, before);
    assert!(rota.on_call(at("2260-01-01T00:00:00Z"), &none)[0].answer.who().is_some());
    let everything = Interval::new(Timestamp::MIN, Timestamp::MAX).unwrap();
    assert!(rota.shifts(everything, &none).is_empty(), "no more than a year is told");
}
