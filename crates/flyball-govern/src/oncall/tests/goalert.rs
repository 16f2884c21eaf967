//! Published cases of `GoAlert` (Apache-2.0), restated: `schedule/rotation/rotation_test.go`,
//! `schedule/rule/rule_test.go`, `oncall/state_test.go`, `oncall/overridecalculator_test.go`,
//! `oncall/singlerulecalculator_test.go`, `oncall/activecalculator_test.go`, `oncall/usercalculator_test.go`,
//! `oncall/timeiterator_test.go`, `schedule/shiftcalc/overrides_test.go`, `schedule/shiftcalc/shiftcalc_test.go`,
//! `schedule/temporaryschedule_test.go`.
//!
//! `GoAlert` keeps where a rotation stands; here it follows from the anchor, so cases that begin in the
//! middle are anchored there. Differences are meant: `GoAlert` goes from minute to minute, cut to whole ones, and here an
//! instant is as fine as it was told; a layer of a temporary schedule holds one person at a time; a turn that the hours
//! of a layer do not touch is counted by `GoAlert` and not here (goalert#55).

use flyball_model::Duration;

use super::*;
use crate::oncall::rotation::Rotation;
use crate::oncall::{spans, weekly};

const CHICAGO: &str = "America/Chicago";

fn rotation(unit: &str, every: u32, start: &str) -> Rotation {
    serde_json::from_value(json!({"unit": unit, "every": every, "start": start})).unwrap()
}

#[test]
fn turns_end_by_the_clock_when_clocks_change() {
    let zone = TimeZone::get(CHICAGO).unwrap();
    let cases = [
        ("week", 1, "2017-06-10T08:00", "2017-06-17T08:00", 168),
        ("week", 2, "2017-06-10T08:00", "2017-06-24T08:00", 336),
        ("week", 1, "2017-03-10T08:00", "2017-03-17T08:00", 167),
        ("week", 1, "2017-11-04T08:00", "2017-11-11T08:00", 169),
        ("day", 1, "2017-06-10T08:00", "2017-06-11T08:00", 24),
        ("day", 2, "2017-06-10T08:00", "2017-06-12T08:00", 48),
        ("day", 1, "2017-03-11T08:00", "2017-03-12T08:00", 23),
        ("day", 1, "2017-11-04T08:00", "2017-11-05T08:00", 25),
        ("hour", 1, "2017-06-10T08:00", "2017-06-10T09:00", 1),
        ("hour", 2, "2017-06-10T08:00", "2017-06-10T10:00", 2),
        ("hour", 3, "2017-03-12T00:00", "2017-03-12T03:00", 2),
        ("hour", 3, "2017-11-05T00:00", "2017-11-05T03:00", 4),
    ];
    for (unit, every, start, end, hours) in cases {
        let rotation = rotation(unit, every, start);
        let (start, end) = (local(start, CHICAGO), local(end, CHICAGO));
        let turn = rotation.turn(rotation.number_at(start, &zone), &zone);
        assert_eq!((turn.start(), turn.end()), (start, end), "{rotation:?}");
        assert_eq!(turn.length(), Duration::from_hours(hours), "{rotation:?}");
    }
}

#[test]
fn of_an_hourly_rotation_the_skipped_hour_is_nobodys_and_the_repeated_one_is_long() {
    let zone = TimeZone::get(CHICAGO).unwrap();
    let rotation = rotation("hour", 1, "2017-01-01T01:00");
    for (start, hours) in [("2017-03-12T01:00", 1), ("2017-11-05T01:00", 2)] {
        let start = local(start, CHICAGO);
        let turn = rotation.turn(rotation.number_at(start, &zone), &zone);
        assert_eq!(turn, Interval::starting(start, Duration::from_hours(hours)));
    }
    let skipped = rotation.number_at(local("2017-03-12T01:00", CHICAGO), &zone) + 1;
    assert!(rotation.turn(skipped, &zone).is_empty());
    assert_eq!(rotation.number_at(local("2017-03-12T03:00", CHICAGO), &zone), skipped + 1);
}

#[test]
fn a_turn_is_found_from_its_middle_and_before_the_anchor() {
    let zone = TimeZone::get(CHICAGO).unwrap();
    let half_days = rotation("hour", 12, "2017-01-01T00:00");
    let number = half_days.number_at(local("2017-01-03T06:00", CHICAGO), &zone);
    assert_eq!(half_days.turn(number, &zone).end(), local("2017-01-03T12:00", CHICAGO));
    let weeks = rotation("week", 1, "2017-06-10T08:00");
    let number = weeks.number_at(local("2017-06-16T08:00", CHICAGO), &zone);
    assert_eq!((number, weeks.turn(number, &zone).end()), (0, local("2017-06-17T08:00", CHICAGO)));
    // The anchor lies in the future.
    let days = rotation("day", 1, "2018-12-10T00:00");
    for (asked, start, end) in [
        ("2018-12-05T00:00:00Z", "2018-12-05T00:00:00Z", "2018-12-06T00:00:00Z"),
        ("2018-12-04T23:59:59.999999999Z", "2018-12-04T00:00:00Z", "2018-12-05T00:00:00Z"),
        ("2018-12-10T00:00:00Z", "2018-12-10T00:00:00Z", "2018-12-11T00:00:00Z"),
        ("2018-12-09T23:59:59.999999999Z", "2018-12-09T00:00:00Z", "2018-12-10T00:00:00Z"),
    ] {
        let turn = days.turn(days.number_at(at(asked), &TimeZone::UTC), &TimeZone::UTC);
        assert_eq!(turn, span(start, end), "{asked}");
    }
}

/// Days from Sunday on, beginning and end.
type Rule = ([u8; 7], &'static str, &'static str);

#[test]
fn hours_are_active_as_rules_are() {
    let monday = [0, 1, 0, 0, 0, 0, 0];
    let workdays = [0, 1, 1, 1, 1, 1, 0];
    // July 24th is a Monday.
    let cases: [(Rule, &[(&str, bool)]); 5] = [
        (
            (monday, "08:00", "20:00"),
            &[
                ("20T08", false),
                ("25T08", false),
                ("24T08", true),
                ("24T20", false),
                ("24T09", true),
            ],
        ),
        (
            (monday, "20:00", "08:00"),
            &[
                ("20T08", false),
                ("26T08", false),
                ("24T20", true),
                ("25T08", false),
                ("24T09", false),
                ("24T21", true),
                ("25T07", true),
            ],
        ),
        (
            (workdays, "08:00", "20:00"),
            &[
                ("23T08", false),
                ("24T08", true),
                ("25T08", true),
                ("26T08", true),
                ("27T08", true),
                ("28T08", true),
                ("29T08", false),
            ],
        ),
        (
            (workdays, "08:00", "08:00"),
            &[
                ("23T08", false),
                ("24T07", false),
                ("24T08", true),
                ("28T08", true),
                ("29T07", true),
                ("29T08", false),
            ],
        ),
        (
            (workdays, "20:00", "08:00"),
            &[
                ("23T20", false),
                ("24T07", false),
                ("24T20", true),
                ("25T07", true),
                ("28T20", true),
                ("29T07", true),
                ("29T20", false),
                ("30T07", false),
            ],
        ),
    ];
    for ((filter, from, to), moments) in cases {
        let weekly = json!({"days": weekdays(filter), "from": from, "to": to});
        let hours: Weekly = serde_json::from_value(weekly).unwrap();
        for (moment, is_active) in moments {
            let moment = at(&format!("2017-07-{moment}:00:00Z"));
            let asked = Interval::starting(moment, Duration::from_seconds(1));
            let found = weekly::stretches(std::slice::from_ref(&hours), asked, &TimeZone::UTC);
            assert_eq!(!found.is_empty(), *is_active, "{hours:?} at {moment}");
        }
    }
}

#[test]
fn hours_begin_and_end_as_rules_do() {
    let year = span("2017-07-17T00:00:00Z", "2017-08-10T00:00:00Z");
    let cases: [(Rule, &str, (&str, &str)); 6] = [
        (([0, 1, 0, 0, 0, 0, 0], "08:00", "20:00"), "20T08", ("24T08", "24T20")),
        (([0, 1, 0, 0, 0, 0, 0], "08:00", "20:00"), "24T20", ("31T08", "31T20")),
        (([0, 1, 0, 0, 0, 1, 1], "08:00", "20:00"), "21T20", ("22T08", "22T20")),
        (([0, 1, 1, 0, 0, 0, 0], "08:00", "08:00"), "20T08", ("24T08", "26T08")),
        (([0, 1, 1, 0, 0, 0, 0], "08:00", "08:00"), "25T20", ("24T08", "26T08")),
        (([0, 1, 0, 0, 0, 0, 0], "20:00", "08:00"), "25T07", ("24T20", "25T08")),
    ];
    for ((filter, from, to), asked, (start, end)) in cases {
        let weekly = json!({"days": weekdays(filter), "from": from, "to": to});
        let hours: Weekly = serde_json::from_value(weekly).unwrap();
        let moment = |text: &str| at(&format!("2017-07-{text}:00:00Z"));
        let found = weekly::stretches(&[hours], year, &TimeZone::UTC);
        let next = found.iter().find(|span| span.end() > moment(asked)).unwrap();
        assert_eq!(*next, spans::between(moment(start), moment(end)), "{asked}");
    }
}

/// A rota in UTC of one layer for each member, who has it during the hours.
fn fixed(rules: &[(&str, [u8; 7], &str, &str)]) -> Rota {
    let names: Vec<&str> = rules.iter().map(|rule| rule.0).collect();
    let layer = |(who, filter, from, to): &(&str, [u8; 7], &str, &str)| {
        json!({
            "name": who, "members": [who], "rotation": {"unit": "week", "start": "2017-01-01T00:00"},
            "hours": [{"days": weekdays(*filter), "from": from, "to": to}],
        })
    };
    let layers: Vec<Value> = rules.iter().map(layer).collect();
    let mut people = members(&names);
    people.extend(members(&["binbaz", "baz"]));
    rota(json!({"members": people, "layers": layers}))
}

fn made() -> Value {
    json!({"by": "ada", "at": "2017-12-31T00:00:00Z", "why": "agreed"})
}

fn replaced(remove: Option<&str>, add: Option<&str>, (start, end): (&str, &str)) -> Override {
    let (start, end) = (format!("2018-01-01T{start}:00Z"), format!("2018-01-01T{end}:00Z"));
    let id = format!("{remove:?}-{add:?}-{start}");
    let of = json!({"id": id, "start": start, "end": end, "remove": remove, "add": add,
        "made": made()});
    serde_json::from_value(of).unwrap()
}

const EVERY_DAY: [u8; 7] = [1; 7];

/// The shifts of the first of January 2018 from eight to nine, with their clocks alone.
fn morning(rota: &Rota, exceptions: &Exceptions) -> Vec<(String, String, String, bool)> {
    let during = span("2018-01-01T08:00:00Z", "2018-01-01T09:00:00Z");
    let clock = |text: &str| text[11..16].to_owned();
    let found = brief(&rota.shifts(during, exceptions)).into_iter();
    found.map(|(who, from, to, goes_on)| (who, clock(&from), clock(&to), goes_on)).collect()
}

fn expected(rows: &[(&str, &str, &str, bool)]) -> Vec<(String, String, String, bool)> {
    let row = |(who, from, to, goes_on): &(&str, &str, &str, bool)| {
        ((*who).to_owned(), (*from).to_owned(), (*to).to_owned(), *goes_on)
    };
    rows.iter().map(row).collect()
}

#[test]
fn shifts_with_overrides_and_temporary_schedules() {
    let simple = fixed(&[("foobar", EVERY_DAY, "08:00", "10:00")]);
    let with = |overrides: Vec<Override>| Exceptions { overrides, ..Exceptions::default() };
    let none = Exceptions::default();
    assert_eq!(morning(&simple, &none), expected(&[("foobar", "08:00", "09:00", true)]));
    let replace = with(vec![replaced(Some("foobar"), Some("binbaz"), ("08:30", "08:45"))]);
    let rows = [
        ("foobar", "08:00", "08:30", false),
        ("binbaz", "08:30", "08:45", false),
        ("foobar", "08:45", "09:00", true),
    ];
    assert_eq!(morning(&simple, &replace), expected(&rows));
    let add = with(vec![
        replaced(None, Some("binbaz"), ("08:30", "08:45")),
        replaced(None, Some("binbaz"), ("08:00", "08:15")),
    ]);
    let rows = [
        ("binbaz", "08:00", "08:15", false),
        ("foobar", "08:00", "09:00", true),
        ("binbaz", "08:30", "08:45", false),
    ];
    let mut found = morning(&simple, &add);
    found.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
    assert_eq!(found, expected(&rows));
    let remove = with(vec![replaced(Some("foobar"), None, ("08:30", "08:45"))]);
    let rows = [("foobar", "08:00", "08:30", false), ("foobar", "08:45", "09:00", true)];
    assert_eq!(morning(&simple, &remove), expected(&rows));
    let temporary: TemporarySchedule = serde_json::from_value(json!({
        "id": "t", "start": "2018-01-01T08:15:00Z", "end": "2018-01-01T08:45:00Z", "made": made(),
        "shifts": [{"layer": "foobar", "who": "baz", "start": "2018-01-01T08:25:00Z",
            "end": "2018-01-01T08:35:00Z"}],
    }))
    .unwrap();
    temporary.check(&simple).unwrap();
    // Whatever was overridden, a temporary schedule stands above it.
    for overrides in [vec![], replace.overrides, add.overrides] {
        let meets = |of: &Override| of.span().intersect(temporary.span()).is_some();
        let overrides = overrides.into_iter().filter(meets).collect();
        let temporary = vec![temporary.clone()];
        let exceptions = Exceptions { overrides, temporary, ..Exceptions::default() };
        let rows = [
            ("foobar", "08:00", "08:15", false),
            ("baz", "08:25", "08:35", false),
            ("foobar", "08:45", "09:00", true),
        ];
        assert_eq!(morning(&simple, &exceptions), expected(&rows));
    }
}

#[test]
fn overrides_map_whoever_is_there() {
    let names: Vec<&str> = vec!["rab", "baz", "bin", "foo", "bar"];
    let layers: Vec<Value> = ["rab", "baz", "bin"]
        .map(|who| {
            json!({"name": who, "members": [who],
                "rotation": {"unit": "week", "start": "2017-01-01T00:00"}})
        })
        .into();
    let rota = rota(json!({"members": members(&names), "layers": layers}));
    let when = ("03:05", "03:06");
    let exceptions = Exceptions {
        overrides: vec![
            replaced(None, Some("foo"), when),
            replaced(Some("rab"), Some("bar"), when),
            replaced(Some("baz"), None, when),
        ],
        ..Exceptions::default()
    };
    let people = |clock: &str| {
        let said = rota.on_call(at(&format!("2018-01-01T{clock}:00Z")), &exceptions);
        said.iter().filter_map(|said| said.answer.who().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(people("03:04"), ["rab", "baz", "bin"]);
    assert_eq!(people("03:05"), ["bar", "bin", "foo"]);
    assert_eq!(people("03:06"), ["rab", "baz", "bin"]);
}

#[test]
fn a_rule_for_some_days_of_a_long_turn() {
    let layer = json!({
        "name": "rot", "members": ["Javon Goodwin", "Nora Bode", "Coby Blanda"],
        "rotation": {"unit": "week", "every": 6, "start": "2018-08-25T14:08"},
        "hours": [{"days": weekdays([1, 1, 1, 1, 0, 0, 0]), "from": "19:40", "to": "22:53"}],
    });
    let names = ["Javon Goodwin", "Nora Bode", "Coby Blanda"];
    let rota = rota(json!({"members": members(&names), "layers": [layer]}));
    let during = span("2018-09-10T00:00:00Z", "2018-09-17T00:00:00Z");
    let days = ["10", "11", "12", "16"];
    let row = |day: &str| {
        let clock = |clock: &str| format!("2018-09-{day}T{clock}:00Z");
        ("Javon Goodwin".to_owned(), clock("19:40"), clock("22:53"), false)
    };
    let shifts = rota.shifts(during, &Exceptions::default());
    assert_eq!(brief(&shifts), days.map(row));
}

#[test]
fn a_day_rotation_and_a_night_rotation() {
    let layer = |name: &str, members: &[&str], start: &str, (from, to): (&str, &str)| {
        json!({"name": name, "members": members, "rotation": {"unit": "day", "start": start},
            "hours": [{"days": weekdays(EVERY_DAY), "from": from, "to": to}]})
    };
    let rota = rota(json!({
        "timeZone": CHICAGO,
        "members": members(&["Donna", "Aru", "Craig", "Caza", "Cook"]),
        "layers": [
            layer("day", &["Craig", "Donna", "Aru"], "2018-09-12T08:00", ("08:00", "20:00")),
            layer("night", &["Caza", "Cook"], "2018-09-12T08:00", ("20:00", "08:00")),
        ],
    }));
    let during = span("2018-09-12T13:05:00Z", "2018-09-17T00:00:00Z");
    let found: Vec<(String, Timestamp, Timestamp, bool)> = rota
        .shifts(during, &Exceptions::default())
        .into_iter()
        .map(|shift| (shift.who, shift.start, shift.end, shift.continues))
        .collect();
    let rows = [
        ("Craig", "12T08:05", "12T20:00"),
        ("Caza", "12T20:00", "13T08:00"),
        ("Donna", "13T08:00", "13T20:00"),
        ("Cook", "13T20:00", "14T08:00"),
        ("Aru", "14T08:00", "14T20:00"),
        ("Caza", "14T20:00", "15T08:00"),
        ("Craig", "15T08:00", "15T20:00"),
        ("Cook", "15T20:00", "16T08:00"),
        ("Donna", "16T08:00", "16T19:00"),
    ];
    let row = |(who, from, to): &(&str, &str, &str)| {
        let civil = |text: &str| local(&format!("2018-09-{text}"), CHICAGO);
        ((*who).to_owned(), civil(from), civil(to), *to == "16T19:00")
    };
    assert_eq!(found, rows.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn on_working_days_everybody_of_a_daily_rotation_has_turns() {
    for (people, start, during, days) in [
        (8, "2026-02-01T09:00", ("2026-02-01T00:00", "2026-02-15T00:00"), 10),
        (14, "2025-12-03T09:00", ("2026-02-01T00:00", "2026-03-01T00:00"), 20),
    ] {
        let names: Vec<String> = (0..people).map(|number| format!("user-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rota = rota(json!({
            "timeZone": "Europe/Amsterdam", "members": members(&names),
            "layers": [{"name": "day", "members": names,
                "rotation": {"unit": "day", "start": start},
                "hours": [{"days": weekdays([0, 1, 1, 1, 1, 1, 0]), "from": "09:00", "to": "17:00"}]}],
        }));
        let zone = "Europe/Amsterdam";
        let during = spans::between(local(during.0, zone), local(during.1, zone));
        let shifts = rota.shifts(during, &Exceptions::default());
        assert_eq!(shifts.len(), days);
        let mut turns: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for shift in &shifts {
            *turns.entry(&shift.who).or_default() += 1;
        }
        assert_eq!(turns.len(), people, "{turns:?}");
        // Where weekends use up turns, as they do there, some have two more than others.
        assert!(turns.values().max().unwrap() - turns.values().min().unwrap() <= 1, "{turns:?}");
    }
}

/// One layer for each, by the stretch of the second of January 2000 that somebody has of it: a plan for all of the day.
fn planned(stretches: &[(&str, &str, &str)]) -> (Rota, Exceptions) {
    let layer = |number: usize| {
        json!({"name": format!("{number}"), "members": ["nobody"],
            "rotation": {"unit": "week", "start": "1999-12-27T00:00"}})
    };
    let layers: Vec<Value> = (0..stretches.len().max(1)).map(layer).collect();
    let people = ["nobody", "foo", "bar"];
    let rota = rota(json!({"members": members(&people), "layers": layers}));
    let shift = |(number, (who, start, end)): (usize, &(&str, &str, &str))| {
        let clock = |clock: &str| format!("2000-01-02T{clock}Z");
        json!({"layer": format!("{number}"), "who": who, "start": clock(start), "end": clock(end)})
    };
    let shifts: Vec<Value> = stretches.iter().enumerate().map(shift).collect();
    let temporary: TemporarySchedule = serde_json::from_value(json!({"id": "t", "made": made(),
        "start": "2000-01-02T00:00:00Z", "end": "2000-01-03T00:00:00Z", "shifts": shifts}))
    .unwrap();
    temporary.check(&rota).unwrap();
    (rota, Exceptions { temporary: vec![temporary], ..Exceptions::default() })
}

#[test]
fn each_minute_says_who_is_active_from_the_first_instant_to_that_after_the_last() {
    // Who is there at four minutes past three, and at each minute up to eight past.
    type Case<'a> = (&'a [(&'a str, &'a str, &'a str)], [&'a [&'a str]; 5]);
    let cases: [Case<'_>; 7] = [
        (&[], [&[], &[], &[], &[], &[]]),
        (&[("foo", "03:05:00", "03:07:00")], [&[], &["foo"], &["foo"], &[], &[]]),
        (&[("foo", "03:03:00", "03:07:00")], [&["foo"], &["foo"], &["foo"], &[], &[]]),
        (
            &[("foo", "03:05:00", "03:06:00"), ("foo", "03:07:00", "03:08:00")],
            [&[], &["foo"], &[], &["foo"], &[]],
        ),
        (
            &[("foo", "00:00:00", "23:59:59.999999999")],
            [&["foo"], &["foo"], &["foo"], &["foo"], &["foo"]],
        ),
        (
            &[("foo", "03:05:00", "03:07:00"), ("bar", "03:06:00", "03:07:00")],
            [&[], &["foo"], &["foo", "bar"], &[], &[]],
        ),
        // Not cut to whole minutes: begun a moment after four past, they are not there at it.
        (
            &[("foo", "03:04:05.000000006", "03:06:05.000000006")],
            [&[], &["foo"], &["foo"], &[], &[]],
        ),
    ];
    for (stretches, expected) in cases {
        let (rota, exceptions) = planned(stretches);
        for (minute, expected) in (4..).zip(expected) {
            let said = rota.on_call(at(&format!("2000-01-02T03:0{minute}:00Z")), &exceptions);
            let there: Vec<&str> = said.iter().filter_map(|said| said.answer.who()).collect();
            assert_eq!(there, expected, "{stretches:?} at {minute}");
        }
        // Told as shifts, each begins and ends where it was said to, and is cut by what is asked alone.
        let during = span("2000-01-02T03:04:00Z", "2000-01-02T03:08:00Z");
        let shifts = rota.shifts(during, &exceptions);
        let mut clocks: Vec<Interval> = stretches
            .iter()
            .map(|(_, start, end)| {
                span(&format!("2000-01-02T{start}Z"), &format!("2000-01-02T{end}Z"))
            })
            .filter_map(|own| own.intersect(during))
            .collect();
        clocks.sort_by_key(|own| own.start());
        assert_eq!(shifts.iter().map(Shift::span).collect::<Vec<_>>(), clocks, "{stretches:?}");
    }
}

#[test]
fn others_take_over_the_ends_of_half_days() {
    let rota = rota(json!({
        "members": members(&["Joey", "Srilekha", "Tom", "Dyanne"]),
        "layers": [{"name": "half days", "members": ["Joey", "Srilekha"],
            "rotation": {"unit": "hour", "every": 12, "start": "2018-03-16T13:30"}}],
    }));
    let clock = |text: &str| format!("2018-03-{text}:00Z");
    let of = |(number, (add, start, end)): (usize, (&str, &str, &str))| -> Override {
        let of = json!({"id": number.to_string(), "remove": "Joey", "add": add, "start": clock(start),
            "end": clock(end), "made": made()});
        serde_json::from_value(of).unwrap()
    };
    let taken = [
        ("Tom", "17T22:00", "18T01:30"),
        ("Dyanne", "20T13:30", "21T01:30"),
        ("Tom", "19T19:00", "20T01:30"),
    ];
    let overrides: Vec<Override> = taken.into_iter().enumerate().map(of).collect();
    for one in &overrides {
        assert_eq!(one.check(&rota, &Exceptions::default()), Ok(()));
    }
    let exceptions = Exceptions { overrides, ..Exceptions::default() };
    let shifts = rota.shifts(span(&clock("16T13:30"), &clock("22T13:30")), &exceptions);
    let rows = [
        ("Joey", "16T13:30", "17T01:30"),
        ("Srilekha", "17T01:30", "17T13:30"),
        ("Joey", "17T13:30", "17T22:00"),
        ("Tom", "17T22:00", "18T01:30"),
        ("Srilekha", "18T01:30", "18T13:30"),
        ("Joey", "18T13:30", "19T01:30"),
        ("Srilekha", "19T01:30", "19T13:30"),
        ("Joey", "19T13:30", "19T19:00"),
        ("Tom", "19T19:00", "20T01:30"),
        ("Srilekha", "20T01:30", "20T13:30"),
        ("Dyanne", "20T13:30", "21T01:30"),
        ("Srilekha", "21T01:30", "21T13:30"),
        ("Joey", "21T13:30", "22T01:30"),
        ("Srilekha", "22T01:30", "22T13:30"),
    ];
    let row =
        |(who, start, end): (&str, &str, &str)| (who.to_owned(), clock(start), clock(end), false);
    assert_eq!(brief(&shifts), rows.map(row));
}

#[test]
fn a_day_of_who_is_taken_away_is_nobodys_and_who_is_added_is_there_beside() {
    let rota = fixed(&[("a", EVERY_DAY, "09:00", "21:00")]);
    let during = span("2018-01-01T00:00:00Z", "2018-01-03T00:00:00Z");
    let told = |overrides: Vec<Override>| {
        let exceptions = Exceptions { overrides, ..Exceptions::default() };
        let shifts = rota.shifts(during, &exceptions);
        shifts.iter().map(|of| (of.who.clone(), of.start.to_string())).collect::<Vec<_>>()
    };
    let row = |who: &str, start: &str| (who.to_owned(), format!("2018-01-{start}:00:00Z"));
    let day = ("09:00", "21:00");
    assert_eq!(told(vec![]), [row("a", "01T09"), row("a", "02T09")]);
    assert_eq!(told(vec![replaced(Some("a"), None, day)]), [row("a", "02T09")]);
    let beside = [row("a", "01T09"), row("baz", "01T09"), row("a", "02T09")];
    assert_eq!(told(vec![replaced(None, Some("baz"), day)]), beside);
}

#[test]
fn a_month_of_days_and_five_weeks_of_three_days() {
    let days = rota(json!({
        "members": members(&["first", "second", "third"]),
        "layers": [{"name": "days", "members": ["second", "third", "first"],
            "rotation": {"unit": "day", "start": "2016-12-31T01:00"}}],
    }));
    let none = Exceptions::default();
    let shifts = days.shifts(span("2016-12-31T00:00:00Z", "2017-01-31T00:00:00Z"), &none);
    assert_eq!((shifts.len(), shifts[0].who.as_str()), (31, "second"));
    assert_eq!(shifts[0].start, at("2016-12-31T01:00:00Z"));
    let rules = |filter: [u8; 7], from: &str, to: &str| {
        let weekly = json!({"days": weekdays(filter), "from": "08:00", "to": "20:00"});
        let hours: Weekly = serde_json::from_value(weekly).unwrap();
        weekly::stretches(&[hours], span(from, to), &TimeZone::UTC)
    };
    let found = rules([0, 1, 0, 0, 0, 1, 1], "2017-07-20T11:00:00Z", "2017-07-24T11:00:00Z");
    let day = |day: &str, to: &str| {
        span(&format!("2017-07-{day}T08:00:00Z"), &format!("2017-07-{day}T{to}:00:00Z"))
    };
    // What is asked cuts the last.
    assert_eq!(found, [day("21", "20"), day("22", "20"), day("24", "11")]);
    let found = rules([1, 1, 1, 0, 0, 0, 0], "2018-07-20T11:00:00Z", "2018-08-24T11:00:00Z");
    assert_eq!(found.len(), 15);
    assert_eq!(found[1], span("2018-07-23T08:00:00Z", "2018-07-23T20:00:00Z"));
    assert!(found.contains(&span("2018-08-20T08:00:00Z", "2018-08-20T20:00:00Z")));
}

#[test]
fn a_temporary_schedule_that_ends_early_keeps_what_was_served() {
    let clock = |hour: u32| at(&format!("2000-01-01T{hour}:00:00Z"));
    let shift = |layer: &str, who: &str, end: u32| FixedShift {
        layer: layer.to_owned(),
        who: who.to_owned(),
        start: clock(12),
        end: clock(end),
    };
    let whole = TemporarySchedule {
        id: "t".to_owned(),
        start: clock(10),
        end: clock(20),
        shifts: vec![shift("one", "foo", 18), shift("other", "bar", 15)],
        made: serde_json::from_value(made()).unwrap(),
    };
    let cut = TemporarySchedule {
        end: clock(14),
        shifts: vec![shift("one", "foo", 14), shift("other", "bar", 14)],
        ..whole.clone()
    };
    assert_eq!(whole.clone().until(clock(14)), Some(cut));
    assert_eq!(whole.clone().until(clock(10)), None, "it had not begun");
    assert_eq!(whole.clone().until(clock(23)), Some(whole));
}
