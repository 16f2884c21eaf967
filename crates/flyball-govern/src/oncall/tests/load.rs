//! Load against the norms, and hours for pay.

use flyball_model::Duration;

use super::*;

/// Ada (developers, in Berlin) by day, Bo (operations) by night; the fifth of January 2026 is a Monday.
fn day_and_night() -> Rota {
    let layer = |name: &str, who: &str, (from, to): (&str, &str)| {
        json!({"name": name, "members": [who],
            "rotation": {"unit": "day", "start": "2026-01-05T06:00"},
            "hours": [{"days": weekdays([1; 7]), "from": from, "to": to}]})
    };
    rota(json!({
        "members": [
            {"name": "ada", "side": "developers", "timeZone": "Europe/Berlin", "paid": "standby",
                "holidays": "DE"},
            {"name": "bo", "side": "operations", "week": "20h"},
        ],
        "calendars": [{"name": "DE", "days": [{"date": "2026-12-25"}]}],
        "layers": [layer("day", "ada", ("06:00", "18:00")), layer("night", "bo", ("18:00", "06:00"))],
    }))
}

fn called(id: &str, who: &str, from: &str, minutes: Option<u32>) -> CallOut {
    let called = at(&format!("2026-01-{from}:00Z"));
    let ended = minutes.map(|minutes| called.plus(Duration::from_minutes(minutes)));
    let (id, who) = (id.to_owned(), who.to_owned());
    CallOut { id, who, severity: flyball_model::Severity::Page, called, ended }
}

fn week() -> Interval {
    span("2026-01-05T06:00:00Z", "2026-01-12T06:00:00Z")
}

/// A time that is over.
fn over(during: Interval) -> (Interval, Timestamp) {
    (during, during.end())
}

#[test]
fn two_events_a_shift_are_the_norm_and_three_are_over() {
    let rota = day_and_night();
    let shifts = rota.shifts(week(), &Exceptions::default());
    assert_eq!(shifts.len(), 14);
    let calls = [
        // One trouble that paged three times is one event.
        called("a", "ada", "05T07:00", Some(30)),
        called("a", "ada", "05T08:00", Some(30)),
        called("a", "ada", "05T09:00", Some(30)),
        called("b", "ada", "05T17:59", Some(30)),
        called("c", "bo", "05T18:00", Some(10)),
        called("d", "bo", "05T23:00", Some(10)),
        called("e", "bo", "06T05:59", Some(10)),
    ];
    let load = Past::always(rota.clone()).load(&shifts, (&calls, &[]), week());
    let brief = |at: usize| {
        let of = &load.shifts[at];
        (of.events, of.at_night, of.busiest, of.is_over)
    };
    assert_eq!(
        (brief(0), brief(1), brief(2)),
        ((2, 0, 2, false), (3, 2, 3, true), (0, 0, 0, false))
    );
    let person = |name: &str| load.people.iter().find(|person| person.who == name).unwrap();
    let (ada, bo) = (person("ada"), person("bo"));
    assert_eq!((ada.turns, ada.shifts_over, ada.events, ada.out_of_hours), (7, 0, 2, 2));
    assert_eq!((bo.turns, bo.shifts_over, bo.events, bo.at_night), (7, 1, 3, 2));
    assert_eq!((ada.on_call, ada.worked), (Duration::from_hours(84), Duration::from_hours(2)));
    assert!((ada.operations_share.unwrap() - 0.05).abs() < 1e-12);
    let share = |at: usize| (load.sides[at].side, load.sides[at].events, load.sides[at].share);
    assert_eq!(share(0), (Some(Side::Developers), 2, Some(0.8)));
    assert_eq!(share(1), (Some(Side::Operations), 3, Some(0.2)));
}

#[test]
fn a_long_shift_is_held_to_the_norm_every_twelve_hours() {
    let rota = rota(json!({
        "members": members(&["ada"]),
        "layers": [{"name": "primary", "members": ["ada"],
            "rotation": {"unit": "week", "start": "2026-01-05T06:00"}}],
    }));
    let shifts = rota.shifts(week(), &Exceptions::default());
    let spread = ["05T10:00", "05T20:00", "05T22:00", "06T10:00", "06T22:00", "07T10:00"];
    let calls = |times: &[&str]| {
        let call = |(at, time): (usize, &&str)| called(&at.to_string(), "ada", time, Some(5));
        times.iter().enumerate().map(call).collect::<Vec<_>>()
    };
    let fine = Past::always(rota.clone()).load(&shifts, (&calls(&spread), &[]), week());
    assert_eq!((fine.shifts[0].events, fine.shifts[0].busiest), (6, 2));
    assert!(!fine.shifts[0].is_over);
    let bad = Past::always(rota.clone()).load(
        &shifts,
        (&calls(&["07T01:00", "07T02:00", "07T12:59"]), &[]),
        week(),
    );
    assert_eq!((bad.shifts[0].events, bad.shifts[0].is_over), (3, true));
}

#[test]
fn half_of_the_week_is_the_most_for_operations_and_the_unknown_is_not_fine() {
    let rota = day_and_night();
    let work = |minutes: u32| called("a", "bo", "06T08:00", Some(minutes));
    let bo = |calls: &[CallOut]| {
        let load = Past::always(rota.clone()).load(&[], (calls, &[]), week());
        let of = load.people.into_iter().find(|person| person.who == "bo").unwrap();
        (of.is_over, of.unknown)
    };
    assert_eq!(bo(&[work(600)]), (Some(false), 0), "half of 20 h is no more than half");
    assert_eq!(bo(&[work(601)]), (Some(true), 0));
    let unknown = called("b", "bo", "07T08:00", None);
    assert_eq!(bo(&[work(600), unknown.clone()]), (None, 1));
    assert_eq!(bo(&[work(601), unknown]), (Some(true), 1));
    let nobody = Past::always(rota.clone()).load(&[], (&[], &[]), week());
    assert!(nobody.people.is_empty() && nobody.sides.is_empty());
}

#[test]
fn hours_for_pay_add_up() {
    let rota = day_and_night();
    let shifts = rota.shifts(week(), &Exceptions::default());
    let calls = [
        called("a", "bo", "06T02:00", Some(90)),
        called("b", "bo", "06T03:00", Some(60)),
        called("c", "bo", "07T02:00", None),
        called("d", "ada", "05T09:00", Some(30)),
        // In her working hours until 16:00 in UTC, and on after them.
        called("e", "ada", "05T15:30", Some(60)),
        called("f", "ada", "06T22:30", Some(20)),
        called("g", "zoe", "06T22:30", Some(20)),
    ];
    let sheet = Past::always(rota.clone()).pay(&shifts, &calls, over(week()));
    let names: Vec<&str> = sheet.lines.iter().map(|line| line.who.as_str()).collect();
    assert_eq!(names, ["ada", "bo", "zoe"]);
    let (ada, bo) = (&sheet.lines[0], &sheet.lines[1]);
    let hours = Duration::from_hours;
    // Five days of 12 hours of which she works 8, and two of 12.
    assert_eq!((ada.standby, ada.out_of_hours), (hours(84), hours(5 * 4 + 24)));
    assert_eq!((bo.standby, bo.out_of_hours, bo.at_night), (hours(84), hours(84), hours(56)));
    assert_eq!((ada.call_outs, ada.called_out), (2, Duration::from_minutes(50)));
    // Two at once count once.
    assert_eq!((bo.call_outs, bo.called_out, bo.unknown), (3, hours(2), 1));
    let unpaid: Vec<_> = sheet
        .unpaid
        .iter()
        .map(|call| (call.id.as_str(), call.why, call.length.map(|length| length.to_string())))
        .collect();
    let length = |text: &str| Some(text.to_owned());
    assert_eq!(
        unpaid,
        [
            ("a", UnpaidReason::NotSaid, length("90m")),
            ("b", UnpaidReason::NotSaid, length("1h")),
            ("f", UnpaidReason::NotOnCall, length("20m")),
            ("g", UnpaidReason::Stranger, length("20m")),
            ("c", UnpaidReason::NotSaid, None),
        ]
    );
    let csv = sheet.csv();
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(rows[0].split(',').count(), 15);
    assert_eq!(
        rows[1],
        "ada,2026-01-05T06:00:00Z,2026-01-12T06:00:00Z,standby,84.0000,44.0000,0.0000,0.0000,0.0000,\
         0.0000,2,0.8333,0,0.0000,"
    );
    assert_eq!(rows.len(), 10, "a line each, and one for each call-out that nobody pays");
    assert_eq!(rows[4], "bo,2026-01-06T02:00:00Z,2026-01-06T03:30:00Z,,,,,,,,1,1.5000,0,,not_said");
}

#[test]
fn a_holiday_is_out_of_hours_and_names_are_no_formulas() {
    let rota = day_and_night();
    let during = span("2026-12-25T06:00:00Z", "2026-12-25T18:00:00Z");
    let shift = Shift {
        rota: "payments".to_owned(),
        layer: Some("day".to_owned()),
        carries: Carries::Pages,
        who: "ada".to_owned(),
        by: By::Turn,
        start: during.start(),
        end: during.end(),
        continues: false,
    };
    let formula = Shift { who: "=cmd,\"x\"".to_owned(), ..shift.clone() };
    let sheet = Past::always(rota.clone()).pay(&[shift, formula], &[], over(during));
    let ada = sheet.lines.iter().find(|line| line.who == "ada").unwrap();
    let whole = Duration::from_hours(12);
    assert_eq!((ada.out_of_hours, ada.on_holidays), (whole, whole));
    assert!(sheet.csv().contains("\r\n\"'=cmd,\"\"x\"\"\","), "{}", sheet.csv());
}

#[test]
fn whoever_serves_on_a_public_holiday_is_paid_for_it() {
    let weekly = |named: Option<&str>, own: Option<&str>| {
        let spec = json!({
            "members": [{"name": "ada", "side": "developers", "publicHolidays": own}],
            "publicHolidays": named,
            "calendars": [{"name": "DE", "days": [{"date": "2026-12-25"}]},
                {"name": "SE", "days": [{"date": "2026-12-24"}]}],
            "layers": [{"name": "first", "members": ["ada"],
                "rotation": {"unit": "week", "start": "2026-01-05T09:00"}}],
        });
        Rota::new("payments", serde_json::from_value(spec).unwrap())
    };
    // Thursday and Friday, with eight hours of work each.
    let during = span("2026-12-24T00:00:00Z", "2026-12-26T00:00:00Z");
    let hours = |rota: Rota| {
        let shifts = rota.shifts(during, &Exceptions::default());
        assert_eq!(shifts.len(), 1, "she serves on both days");
        let called = at("2026-12-25T10:00:00Z");
        let ended = Some(called.plus(Duration::from_minutes(30)));
        let (id, who, severity) = ("a".to_owned(), "ada".to_owned(), flyball_model::Severity::Page);
        let call = CallOut { id, who, severity, called, ended };
        let sheet = Past::always(rota).pay(&shifts, &[call], over(during));
        let line = &sheet.lines[0];
        (line.out_of_hours, line.on_holidays, line.call_outs)
    };
    let of = Duration::from_hours;
    assert_eq!(hours(weekly(None, None).unwrap()), (of(32), of(0), 0));
    assert_eq!(hours(weekly(Some("DE"), None).unwrap()), (of(40), of(24), 1));
    assert_eq!(hours(weekly(Some("DE"), Some("SE")).unwrap()), (of(40), of(24), 0));
    let wrong = weekly(Some("FR"), Some("NO")).unwrap_err();
    let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["spec.publicHolidays", "spec.members[0].publicHolidays"]);
}

#[test]
fn tickets_count_while_people_are_at_work() {
    let rota = day_and_night();
    let ticket = |from: &str, minutes| CallOut {
        severity: flyball_model::Severity::Ticket,
        ..called("t", "bo", from, minutes)
    };
    // From Tuesday 16:00 to Wednesday 10:00: one hour of each working day.
    let calls = [ticket("06T16:00", Some(18 * 60)), called("a", "bo", "07T09:30", Some(60))];
    let load = Past::always(rota.clone()).load(&[], (&calls, &[]), week());
    let bo = &load.people[0];
    assert_eq!((bo.events, bo.tickets, bo.out_of_hours), (1, 1, 0));
    assert_eq!(bo.worked, Duration::from_minutes(60 + 60 + 30), "at once on both counts once");
    let sheet = Past::always(rota).pay(&[], &[ticket("06T02:00", Some(60))], over(week()));
    assert!(sheet.lines.is_empty() && sheet.unpaid.is_empty(), "nobody gets up for a ticket");
}

/// Two members, of whom one rests on Saturdays: eight weeks are eight turns, whatever Saturdays cut.
#[test]
fn turns_are_counted_and_not_their_pieces() {
    let rota = rota(json!({
        "members": [
            {"name": "ada", "side": "developers"},
            {"name": "bo", "side": "developers", "rest": [{"days": ["sat"]}]},
        ],
        "layers": [{"name": "first", "members": ["ada", "bo"],
            "rotation": {"unit": "week", "start": "2026-01-05T09:00"}}],
    }));
    let during = span("2026-01-05T09:00:00Z", "2026-03-02T09:00:00Z");
    let shifts = rota.shifts(during, &Exceptions::default());
    assert!(shifts.len() > 8, "Saturdays cut turns: {}", shifts.len());
    let load = Past::always(rota.clone()).load(&shifts, (&[], &[]), during);
    let turns: Vec<usize> = load.people.iter().map(|of| of.turns).collect();
    assert_eq!(turns.iter().sum::<usize>(), 8);
    assert!(turns.iter().all(|turns| (3..=5).contains(turns)), "{turns:?}");
    // One member has as many turns as there are, though nobody hands over.
    let alone = Past::always(day_and_night());
    let of =
        alone.load(&day_and_night().shifts(week(), &Exceptions::default()), (&[], &[]), week());
    assert_eq!(of.people.iter().map(|of| of.turns).collect::<Vec<_>>(), [7, 7]);
}

/// Whoever takes a call by the name of a member is that member, and sides share all that was worked on a trouble.
#[test]
fn whoever_takes_a_call_as_a_member_is_one_and_sides_share_all_of_it() {
    let rota = day_and_night();
    let mut taken = called("a", "bo (token)", "05T10:00", Some(60));
    let load = Past::always(rota.clone()).load(&[], (std::slice::from_ref(&taken), &[]), week());
    assert_eq!((load.people[0].who.as_str(), load.people[0].side), ("bo", Some(Side::Operations)));
    taken.called = at("2026-01-05T19:00:00Z");
    taken.ended = Some(at("2026-01-05T20:00:00Z"));
    let sheet = Past::always(rota.clone()).pay(&[], &[taken], over(week()));
    assert_eq!(sheet.unpaid[0].why, UnpaidReason::NotSaid, "they are a member");

    let own = [called("a", "ada", "05T10:00", Some(30))];
    let other = (Some(Side::Operations), called("a", "eve", "05T10:30", Some(10)));
    // Who is told of by two rotas worked once.
    let elsewhere =
        [other.clone(), other, (None, called("a", "ada (token)", "05T10:00", Some(30)))];
    let load = Past::always(rota).load(&[], (&own, &elsewhere), week());
    let shares: Vec<_> = load.sides.iter().map(|of| (of.side, of.worked, of.events)).collect();
    let minutes = Duration::from_minutes;
    assert_eq!(
        shares,
        [(Some(Side::Developers), minutes(30), 1), (Some(Side::Operations), minutes(10), 1)]
    );
    assert_eq!(load.people.len(), 1, "people are those of the rota");
}

/// Hours that nobody has served yet are to come, and no pay.
#[test]
fn pay_is_of_what_was_served() {
    let rota = day_and_night();
    let shifts = rota.shifts(week(), &Exceptions::default());
    let now = at("2026-01-06T06:00:00Z");
    let sheet = Past::always(rota.clone()).pay(&shifts, &[], (week(), now));
    let hours = Duration::from_hours;
    assert_eq!(sheet.served_until, now);
    let lines: Vec<_> = sheet.lines.iter().map(|of| (of.standby, of.to_come)).collect();
    assert_eq!(lines, [(hours(12), hours(72)); 2]);
    assert!(sheet.csv().contains(",2026-01-06T06:00:00Z,standby,12.0000,"), "{}", sheet.csv());
    let before = Past::always(rota).pay(&shifts, &[], (week(), at("2026-01-01T00:00:00Z")));
    let lines: Vec<_> = before.lines.iter().map(|of| (of.standby, of.to_come)).collect();
    assert_eq!(lines, [(Duration::ZERO, hours(84)); 2]);
}
