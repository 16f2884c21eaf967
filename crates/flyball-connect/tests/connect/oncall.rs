//! Calendars: shifts against the ids that `GoAlert` publishes and a parser that we did not write, holidays as
//! governments write them.

use flyball_connect::oncall::{HolidaysError, ShiftCalendar, holidays, shifts};
use flyball_govern::oncall::{By, Carries, Shift};
use flyball_model::{Duration, Timestamp};
use icalendar::parser::{read_calendar, unfold};
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn shift(who: &str, start: &str, end: &str) -> Shift {
    Shift {
        rota: "100f0e0d-0c0b-0a09-0807-060504030201".to_owned(),
        layer: Some("primary".to_owned()),
        carries: Carries::Pages,
        who: who.to_owned(),
        by: By::Turn,
        start: at(start),
        end: at(end),
        continues: false,
    }
}

fn calendar(reminders: &[Duration]) -> ShiftCalendar<'_> {
    ShiftCalendar { name: "Sched", written: at("2020-01-01T05:00:00Z"), reminders, left_out: None }
}

/// The lines of one property.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.split("\r\n").filter_map(|line| line.strip_prefix(name)?.strip_prefix(':')).collect()
}

/// The two shifts of `calsub/renderical_test.go` of `GoAlert` (Apache-2.0), restated: their ids, times and
/// reminders.
#[test]
fn ids_times_and_reminders_are_those_that_goalert_publishes() {
    let user = "01020304-0506-0708-090a-0b0c0d0e0f10";
    let first = shift(user, "2020-01-01T08:00:00Z", "2020-01-15T08:00:00Z");
    let mut second = shift(user, "2020-02-01T08:00:00Z", "2020-02-15T08:00:00Z");
    second.continues = true;
    let reminders = [Duration::from_minutes(5), Duration::from_minutes(10)];
    let text = shifts(&calendar(&reminders), &[first, second]);
    let ids = [
        "4c7d37bf28d64eccc1e74a3889cfc97f6839a00fa781c91721058df915de27ce",
        "39514a8d78cada01fe7b66e1f9e511799cae36420a4b86a1d909c0bbbb99b747",
    ];
    assert_eq!(values(&text, "UID"), ids);
    assert_eq!(values(&text, "DTSTAMP"), ["20200101T050000Z"; 2]);
    assert_eq!(values(&text, "DTSTART"), ["20200101T080000Z", "20200201T080000Z"]);
    assert_eq!(values(&text, "DTEND"), ["20200115T080000Z", "20200215T080000Z"]);
    assert_eq!(values(&text, "TRIGGER"), ["-PT5M", "-PT10M", "-PT5M", "-PT10M"]);
    assert_eq!(values(&text, "BEGIN").len(), 1 + 2 + 4);
    let unfolded = unfold(&text);
    let summaries = values(&unfolded, "SUMMARY");
    assert!(!summaries[0].ends_with('*') && summaries[1].ends_with('*'), "{summaries:?}");
}

#[test]
fn one_person_in_two_layers_has_two_events() {
    let (start, end) = ("2026-01-05T08:00:00Z", "2026-01-06T08:00:00Z");
    let backup = Shift { layer: Some("backup".to_owned()), ..shift("ada", start, end) };
    let text = shifts(&calendar(&[]), &[shift("ada", start, end), backup]);
    let ids = values(&text, "UID");
    assert_ne!(ids[0], ids[1]);
    let empty = shifts(&calendar(&[]), &[]);
    assert!(empty.starts_with("BEGIN:VCALENDAR\r\n") && empty.ends_with("END:VCALENDAR\r\n"));
}

proptest! {
    #[test]
    fn any_name_survives_the_way_through_a_parser_of_others(name in "\\PC{1,120}", rota in "\\PC{1,60}") {
        let shift = Shift { rota, by: By::Override { id: name.clone() }, ..shift(
            &name, "2026-01-05T08:00:00Z", "2026-01-06T08:00:00Z",
        ) };
        let reminders = [Duration::from_seconds(90)];
        let text = shifts(&calendar(&reminders), std::slice::from_ref(&shift));
        for line in text.split("\r\n") {
            prop_assert!(line.len() <= 75, "{}", line);
            prop_assert!(!line.contains(['\r', '\n']));
        }
        let unfolded = unfold(&text);
        let read = read_calendar(&unfolded).unwrap();
        prop_assert_eq!(read.components.len(), 1);
        let event = &read.components[0];
        let value = |name: &str| event.find_prop(name).map(|of| of.val.as_str().to_owned());
        let summary = format!("{}: on call ({}, primary)", name, shift.rota);
        prop_assert_eq!(value("SUMMARY"), Some(summary));
        let said = format!("By the override {name}.");
        prop_assert_eq!(value("DESCRIPTION"), Some(said));
        prop_assert_eq!(value("DTEND"), Some("20260106T080000Z".to_owned()));
        prop_assert_eq!(event.components[0].find_prop("TRIGGER").unwrap().val.as_str(), "-PT90S");
    }

    #[test]
    fn no_text_breaks_the_reader_of_holidays(text in "\\PC*", cut in 0_usize..600) {
        let _ = holidays(&text, 2026..=2027);
        let mut known = HOLIDAYS.replace('\n', "\r\n");
        known.truncate(known.floor_char_boundary(cut));
        let _ = holidays(&(known + &text), 2026..=2027);
    }
}

const HOLIDAYS: &str = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//A country//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20250101T000000Z
DTSTART;VALUE=DATE:20200101
RRULE:FREQ=YEARLY;UNTIL=20270101
EXDATE;VALUE=DATE:20260101
SUMMARY:New Year's Day\\, observed
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTAMP:20250101T000000Z
DTSTART;VALUE=DATE:20261225
DTEND;VALUE=DATE:20261227
SUMMARY:Christmas
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTAMP:20250101T000000Z
DTSTART;VALUE=DATE:19860120
RRULE:FREQ=YEARLY;BYMONTH=1;BYDAY=3MO
SUMMARY:Birthday of Martin Luther King
END:VEVENT
BEGIN:VEVENT
UID:4
DTSTAMP:20250101T000000Z
DTSTART:20260401T100000Z
DTEND:20260401T110000Z
SUMMARY:A meeting
END:VEVENT
END:VCALENDAR
";

#[test]
fn holidays_are_the_whole_days_of_the_years() {
    for text in [HOLIDAYS.to_owned(), HOLIDAYS.replace('\n', "\r\n")] {
        let read = holidays(&text, 2026..=2028).unwrap();
        let days: Vec<String> =
            read.days.iter().map(|day| format!("{} {}", day.date, day.name)).collect();
        assert_eq!(
            days,
            [
                "2026-01-19 Birthday of Martin Luther King",
                "2026-12-25 Christmas",
                "2026-12-26 Christmas",
                "2027-01-01 New Year's Day, observed",
                "2027-01-18 Birthday of Martin Luther King",
                "2028-01-17 Birthday of Martin Luther King",
            ]
        );
        assert_eq!(read.left_out, 1);
    }
}

#[test]
fn what_is_no_calendar_of_holidays_is_refused() {
    let event = |lines: &str| {
        let text = format!(
            "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nSUMMARY:x\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n"
        );
        holidays(&text, 2026..=2026)
    };
    for lines in [
        "DTSTART;VALUE=DATE:20261301",
        "DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260101",
        "DTSTART;VALUE=DATE:20260701\nDTEND;VALUE=DATE:20260815",
        "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY",
        "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;BYMONTHDAY=soon",
        "DTSTART;VALUE=DATE:18000101\nRRULE:FREQ=YEARLY;BYDAY=MO",
        "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;UNTIL=20300101\nEXDATE:never",
    ] {
        let refused = event(lines);
        assert!(matches!(refused, Err(HolidaysError::Event { number: 1, .. })), "{refused:?}");
    }
    let never = event("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30");
    assert!(never.is_err(), "a day that never comes: {never:?}");
    let other = HolidaysError::Nothing { first: 2026, last: 2026 };
    assert_eq!(event("DTSTART;VALUE=DATE:20200101"), Err(other.clone()));
    assert_eq!(event("DTSTART;VALUE=DATE:20260101\nSTATUS:CANCELLED"), Err(other));
    assert!(matches!(holidays("no calendar", 2026..=2026), Err(HolidaysError::Format { .. })));
    let deep = "BEGIN:VEVENT\r\n".repeat(50_000);
    assert!(matches!(holidays(&deep, 2026..=2026), Err(HolidaysError::Format { .. })));
    let large = " ".repeat(flyball_connect::oncall::HOLIDAYS_BYTES_MAX + 1);
    assert!(matches!(holidays(&large, 2026..=2026), Err(HolidaysError::Large { .. })));
}
