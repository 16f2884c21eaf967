//! The queue, and days of rest and holidays that are skipped and made up for.

use std::collections::BTreeMap;

use flyball_model::Duration;

use super::*;
use crate::oncall::fair::Queue;
use crate::oncall::layer::EPOCH_TURNS;

/// Who has each day at midnight, for `days` from `first` on.
fn by_day(rota: &Rota, first: &str, days: u32) -> Vec<String> {
    let start = at(first);
    let whole = Interval::starting(start, Duration::from_days(days));
    let line = rota.lines(whole, &Exceptions::default()).swap_remove(0);
    let who = |day: u32| {
        let midnight = start.plus(Duration::from_days(day));
        let piece = line.pieces.iter().find(|piece| piece.span.contains(midnight)).unwrap();
        piece.answer.who().unwrap_or("-").to_owned()
    };
    (0..days).map(who).collect()
}

fn days(members: &Value, extra: &Value) -> Rota {
    let names: Vec<&str> =
        members.as_array().unwrap().iter().map(|who| who["name"].as_str().unwrap()).collect();
    // The fifth of January 2026 is a Monday.
    let mut spec = json!({
        "members": members,
        "layers": [{"name": "primary", "members": names,
            "rotation": {"unit": "day", "start": "2026-01-05T00:00"}}],
    });
    for (key, value) in extra.as_object().unwrap() {
        spec[key] = value.clone();
    }
    rota(spec)
}

#[test]
fn without_exclusions_turns_go_round() {
    let names = ["ada", "bo", "cy"];
    let rota = days(&json!(members(&names)), &json!({}));
    let found = by_day(&rota, "2026-01-05T00:00:00Z", 3_000);
    for (day, who) in found.iter().enumerate() {
        assert_eq!(who, names[day % 3], "day {day}");
    }
}

#[test]
fn a_day_of_rest_is_skipped_and_made_up_for() {
    let members = json!([
        {"name": "ada", "side": "developers", "rest": [{"days": ["fri"]}]},
        {"name": "bo", "side": "developers"},
    ]);
    let rota = days(&members, &json!({}));
    // Ada's Friday goes to Bo, and Saturday, which would have been his, to her.
    let week = by_day(&rota, "2026-01-05T00:00:00Z", 7);
    assert_eq!(week, ["ada", "bo", "ada", "bo", "bo", "ada", "bo"]);
    let found = by_day(&rota, "2026-01-05T00:00:00Z", 7 * 20);
    let mut counts = BTreeMap::new();
    for (day, who) in found.iter().enumerate() {
        assert!(who != "ada" || day % 7 != 4, "day {day} is Ada's day of rest");
        *counts.entry(who.clone()).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("ada".to_owned(), 70), ("bo".to_owned(), 70)]));
}

#[test]
fn of_a_week_a_day_of_rest_is_stood_in_for() {
    let people = json!([
        {"name": "ada", "side": "developers", "rest": [{"days": ["fri"], "from": "18:00", "to": "18:00"}]},
        {"name": "bo", "side": "developers"},
        {"name": "cy", "side": "developers"},
    ]);
    let rota = rota(json!({
        "timeZone": "Europe/Berlin", "members": people,
        "layers": [{"name": "primary", "members": ["ada", "bo", "cy"],
            "rotation": {"unit": "week", "start": "2026-01-05T09:00"}}],
    }));
    let during = span("2026-01-05T08:00:00Z", "2026-02-16T08:00:00Z");
    let found: Vec<(String, String, By)> = rota
        .shifts(during, &Exceptions::default())
        .into_iter()
        .map(|shift| (shift.who, shift.start.to_string(), shift.by))
        .collect();
    let row = |who: &str, start: &str, by: By| (who.to_owned(), start.to_owned(), by);
    let expected = [
        row("ada", "2026-01-05T08:00:00Z", By::Turn),
        row("bo", "2026-01-09T17:00:00Z", By::StandIn),
        row("ada", "2026-01-10T17:00:00Z", By::Turn),
        // Whoever stood in has a seventh of a turn more.
        row("cy", "2026-01-12T08:00:00Z", By::Turn),
        row("bo", "2026-01-19T08:00:00Z", By::Turn),
        row("ada", "2026-01-26T08:00:00Z", By::Turn),
        row("cy", "2026-01-30T17:00:00Z", By::StandIn),
        row("ada", "2026-01-31T17:00:00Z", By::Turn),
        row("bo", "2026-02-02T08:00:00Z", By::Turn),
        row("cy", "2026-02-09T08:00:00Z", By::Turn),
    ];
    assert_eq!(found, expected);
}

#[test]
fn of_two_the_one_who_rests_every_week_serves_as_much() {
    let rota = rota(json!({
        "timeZone": "Europe/Berlin",
        "members": [
            {"name": "ada", "side": "developers"},
            {"name": "bo", "side": "developers",
                "rest": [{"days": ["sat"], "from": "00:00", "to": "00:00"}]},
        ],
        "layers": [{"name": "primary", "members": ["ada", "bo"],
            "rotation": {"unit": "week", "start": "2026-01-05T09:00"}}],
    }));
    let during = span("2026-01-05T08:00:00Z", "2026-11-16T08:00:00Z");
    let served = |name: &str| {
        let shifts = rota.shifts(during, &Exceptions::default()).into_iter();
        let own = shifts.filter(|shift| shift.who == name);
        own.map(|shift| shift.span().length().nanos()).sum::<i64>()
    };
    let (ada, bo) = (served("ada"), served("bo"));
    assert_eq!(ada + bo, during.length().nanos());
    assert!((ada - bo).abs() <= Duration::from_days(7).nanos(), "{ada} {bo}");
}

#[test]
fn holidays_are_those_of_the_members_own_country_and_clock() {
    let members = json!([
        {"name": "ada", "side": "developers", "holidays": "DE", "timeZone": "Europe/Berlin"},
        {"name": "bo", "side": "developers"},
    ]);
    let calendars = json!([{"name": "DE", "days": [{"date": "2026-01-07", "name": "a holiday"}]}]);
    let rota = days(&members, &json!({"calendars": calendars}));
    let none = Exceptions::default();
    // Her holiday is the seventh as her clock shows it: it begins at 23:00 in UTC.
    let who = |text: &str| rota.on_call(at(text), &none)[0].answer.who().map(str::to_owned);
    assert_eq!(who("2026-01-07T12:00:00Z").as_deref(), Some("bo"));
    assert_eq!(by_day(&rota, "2026-01-05T00:00:00Z", 5), ["ada", "bo", "bo", "ada", "bo"]);
    let coverage = rota.coverage(span("2026-01-05T00:00:00Z", "2027-01-05T00:00:00Z"), &none);
    assert_eq!(coverage.silent, BTreeMap::from([("DE".to_owned(), [2027].into())]));
    assert!(coverage.gaps.is_empty(), "{:?}", coverage.gaps);
}

#[test]
fn business_hours_members_are_stood_in_for_at_night() {
    let members = json!([
        {"name": "ada", "side": "developers",
            "hours": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}]},
        {"name": "bo", "side": "operations"},
    ]);
    let rota = days(&members, &json!({}));
    let none = Exceptions::default();
    let shifts = rota.shifts(span("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z"), &none);
    let hers = shifts.iter().filter(|shift| shift.who == "ada");
    for shift in hers.clone() {
        assert_eq!(shift.span().length(), Duration::from_hours(8), "{shift:?}");
        assert_eq!(&shift.start.to_string()[11..16], "09:00");
    }
    // Monday and Wednesday are hers in turn, and Friday; the weekend cannot be, and is made up for.
    assert_eq!(hers.count(), 3);
}

#[test]
fn nobody_is_a_gap_that_is_found_ahead() {
    let rest = json!([{"days": ["sun"], "from": "00:00", "to": "12:00"}]);
    let members = json!([
        {"name": "ada", "side": "developers", "rest": rest},
        {"name": "bo", "side": "developers", "rest": [{"days": ["sun"]}]},
    ]);
    let none = Exceptions::default();
    let during = span("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z");
    let rota = days(&members, &json!({}));
    let coverage = rota.coverage(during, &none);
    let gap = Gap {
        span: span("2026-01-11T00:00:00Z", "2026-01-11T12:00:00Z"),
        why: BTreeMap::from([("primary".to_owned(), Absence::NobodyFree)]),
    };
    assert_eq!(coverage.gaps, [gap]);
    // Where nobody has to be there on Sundays it is none.
    let week = json!([{"days": ["mon", "tue", "wed", "thu", "fri", "sat"]}]);
    assert_eq!(days(&members, &json!({"cover": week})).coverage(during, &none).gaps, []);
}

#[test]
fn who_is_on_call_without_a_target_is_found_ahead() {
    let members = json!([
        {"name": "ada", "side": "developers", "target": "ada-phone"},
        {"name": "bo", "side": "developers"},
        {"name": "cy", "side": "developers"},
    ]);
    let rota = days(&members, &json!({}));
    let found = |last: &str| {
        let during = span("2026-01-05T00:00:00Z", last);
        rota.coverage(during, &Exceptions::default()).unreachable
    };
    assert_eq!(found("2026-01-07T00:00:00Z"), ["bo".to_owned()].into(), "the second day is his");
    assert!(found("2026-01-06T00:00:00Z").is_empty());
}

#[test]
fn one_person_in_two_layers_is_found_ahead() {
    let layer = |name: &str, names: &[&str]| {
        json!({"name": name, "members": names,
            "rotation": {"unit": "day", "start": "2026-01-05T00:00"}})
    };
    let rota = rota(json!({
        "members": members(&["ada", "bo", "cy"]),
        "layers": [layer("primary", &["ada", "bo"]), layer("secondary", &["bo", "cy", "ada"])],
    }));
    let during = span("2026-01-05T00:00:00Z", "2026-01-11T00:00:00Z");
    let found = rota.coverage(during, &Exceptions::default()).doubled;
    let brief: Vec<_> = found.iter().map(|of| (of.who.as_str(), of.span.start())).collect();
    assert_eq!(
        brief,
        [("ada", at("2026-01-07T00:00:00Z")), ("bo", at("2026-01-08T00:00:00Z"))],
        "{found:#?}"
    );
}

#[test]
fn counting_begins_anew_after_an_epoch() {
    let members = json!([
        {"name": "ada", "side": "developers", "rest": [{"days": ["mon", "tue", "wed", "thu", "fri"]}]},
        {"name": "bo", "side": "developers"},
        {"name": "cy", "side": "developers"},
    ]);
    let rota = days(&members, &json!({}));
    let epoch = u32::try_from(EPOCH_TURNS).unwrap();
    let days = by_day(&rota, "2026-01-05T00:00:00Z", 2 * epoch);
    // Asked for alone a later epoch says the same.
    let later = at("2026-01-05T00:00:00Z").plus(Duration::from_days(epoch));
    assert_eq!(by_day(&rota, &later.to_string(), epoch), days[epoch as usize..]);
    let debt = |days: &[String]| days.iter().filter(|who| *who == "ada").count();
    assert_eq!(debt(&days[..epoch as usize]), 292, "she has all weekends, being behind");
}

#[test]
fn whoever_is_behind_is_next() {
    let mut queue = Queue::new(3, 1);
    let mut serve = |may: &dyn Fn(usize) -> bool| {
        let next = queue.next(may)?;
        queue.serve(next, 1);
        Some(next)
    };
    assert_eq!(serve(&|_| true), Some(1));
    assert_eq!(serve(&|who| who != 2), Some(0));
    assert_eq!(serve(&|who| who == 0), Some(0));
    assert_eq!(serve(&|_| true), Some(2), "who was skipped is next");
    assert_eq!(serve(&|_| true), Some(1), "of those who are behind the one who waited longest");
    assert_eq!(serve(&|_| false), None);
    assert_eq!(Queue::new(0, 0).next(|_| true), None);
}
