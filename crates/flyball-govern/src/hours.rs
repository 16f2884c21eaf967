//! Hours of the week in which people are there, by a clock on a wall.

use std::collections::BTreeSet;

use flyball_model::{Duration, Interval, Timestamp};
use jiff::tz::TimeZone;

use crate::oncall::{Clock, Day, Weekly};
use crate::policy::PolicyError;

/// How far ahead hours are looked for: those of any week come again within eight days.
const AHEAD: Duration = Duration::from_days(9);

/// Hours that come again every week, by the clock of a zone: `[from, to)` on each of the days, into the next day where
/// `to` is not later than `from`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hours {
    /// On which days; one at least. Monday to Friday unless told.
    #[serde(default = "days")]
    pub days: BTreeSet<Day>,
    /// From when, like `10:00`; nine o'clock unless told.
    #[serde(default = "from")]
    pub from: Clock,
    /// Until when; five o'clock in the afternoon unless told.
    #[serde(default = "to")]
    pub to: Clock,
    /// The zone, by IANA's name.
    pub time_zone: String,
}

fn days() -> BTreeSet<Day> {
    Weekly::working().days
}

fn from() -> Clock {
    Weekly::working().from
}

fn to() -> Clock {
    Weekly::working().to
}

impl Hours {
    /// When that is, in words that follow "begins".
    pub fn words(&self) -> String {
        const WEEK: usize = 7;
        let Self { days, from, to, time_zone } = self;
        let names: Vec<&str> = days.iter().map(|day| day.name()).collect();
        let is_daily = days.len() == WEEK;
        // Midnight to midnight is the whole day.
        match (is_daily, from == to) {
            (true, true) => format!("at any time ({time_zone})"),
            (true, false) => format!("on any day between {from} and {to} ({time_zone})"),
            (false, true) => format!("on {} at any time ({time_zone})", names.join(", ")),
            (false, false) => {
                format!("on {} between {from} and {to} ({time_zone})", names.join(", "))
            }
        }
    }

    /// What is wrong with them, as errors of the fields below `path`: no day at all, a zone that nobody knows.
    pub fn faults(&self, path: &str) -> Vec<PolicyError> {
        let fault = |field: &str, message: String| PolicyError {
            path: format!("{path}.{field}"),
            place: None,
            message,
        };
        let mut wrong = Vec::new();
        if self.days.is_empty() {
            wrong.push(fault("days", "name a day at least, like mon".to_owned()));
        }
        if TimeZone::get(&self.time_zone).is_err() {
            let zone = &self.time_zone;
            let message = format!("`{zone}` is no zone\nhint: name one like Europe/Berlin");
            wrong.push(fault("timeZone", message));
        }
        wrong
    }

    /// Whether both `at` and `until`, which is not earlier, lie in the same stretch of hours; `None` when the zone is
    /// not known. `until` may be its end.
    pub fn cover(&self, at: Timestamp, until: Timestamp) -> Option<bool> {
        let stretches = self.stretches(at, until)?;
        Some(stretches.iter().any(|hours| hours.contains(at) && until <= hours.end()))
    }

    /// When people are there next: `at` itself within the hours, else their next beginning. `None` when the zone is
    /// not known, or there is no day.
    pub fn next(&self, at: Timestamp) -> Option<Timestamp> {
        let stretches = self.stretches(at, at.plus(AHEAD))?;
        let next = stretches.iter().find(|hours| at < hours.end())?;
        Some(next.start().max(at))
    }

    /// The stretches that hold any of `from` to `to`, whole, and perhaps one before and behind them.
    fn stretches(&self, from: Timestamp, to: Timestamp) -> Option<Vec<Interval>> {
        let zone = TimeZone::get(&self.time_zone).ok()?;
        let weekly = Weekly { days: self.days.clone(), from: self.from, to: self.to };
        // A stretch has a day at most, of 25 hours.
        let around = Duration::from_days(2);
        let during = Interval::new(from.minus(around), to.plus(around)).ok()?;
        Some(weekly.during(during, &zone))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(text: &str) -> Hours {
        serde_json::from_str(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn hours_are_told_without_repeating_what_is_always() {
        let week = r#"["mon", "tue", "wed", "thu", "fri", "sat", "sun"]"#;
        let day = r#""from": "00:00", "to": "00:00""#;
        for (text, said) in [
            (String::new(), "on mon, tue, wed, thu, fri between 09:00 and 17:00 (UTC)"),
            (format!(r#""days": {week}, {day},"#), "at any time (UTC)"),
            (format!(r#""days": ["sat"], {day},"#), "on sat at any time (UTC)"),
            (
                format!(r#""days": {week}, "from": "10:00","#),
                "on any day between 10:00 and 17:00 (UTC)",
            ),
        ] {
            assert_eq!(hours(&format!(r#"{{{text} "timeZone": "UTC"}}"#)).words(), said);
        }
    }

    #[test]
    fn a_friday_night_waits_for_monday_morning() {
        let berlin = hours(r#"{"timeZone": "Europe/Berlin"}"#);
        // 2026-11-20 is a Friday; Berlin is an hour ahead in winter.
        assert_eq!(berlin.next(at("2026-11-20T21:00:00Z")), Some(at("2026-11-23T08:00:00Z")));
        assert_eq!(berlin.next(at("2026-11-20T15:59:59Z")), Some(at("2026-11-20T15:59:59Z")));
        assert_eq!(berlin.next(at("2026-11-20T16:00:00Z")), Some(at("2026-11-23T08:00:00Z")));
        // Clocks went back in the night to Sunday, 2026-10-25.
        assert_eq!(berlin.next(at("2026-10-23T20:00:00Z")), Some(at("2026-10-26T08:00:00Z")));
        assert_eq!(berlin.next(at("2026-10-22T20:00:00Z")), Some(at("2026-10-23T07:00:00Z")));
    }

    #[test]
    fn what_is_begun_within_hours_ends_in_them() {
        let short =
            hours(r#"{"days": ["tue"], "from": "10:00", "to": "16:00", "timeZone": "UTC"}"#);
        let covers = |from, to| short.cover(at(from), at(to)).unwrap();
        assert!(covers("2026-11-24T10:00:00Z", "2026-11-24T16:00:00Z"));
        assert!(!covers("2026-11-24T09:59:59Z", "2026-11-24T11:00:00Z"));
        assert!(!covers("2026-11-24T15:00:00Z", "2026-11-24T16:00:01Z"));
        assert!(!covers("2026-11-25T11:00:00Z", "2026-11-25T12:00:00Z"));
        let night =
            hours(r#"{"days": ["tue"], "from": "22:00", "to": "06:00", "timeZone": "UTC"}"#);
        assert_eq!(night.cover(at("2026-11-24T23:00:00Z"), at("2026-11-25T05:00:00Z")), Some(true));
    }

    #[test]
    fn what_nobody_can_keep_is_told() {
        let wrong = hours(r#"{"days": [], "timeZone": "Mars/Olympus"}"#);
        let paths: Vec<String> =
            wrong.faults("spec.workingHours").into_iter().map(|error| error.path).collect();
        assert_eq!(paths, ["spec.workingHours.days", "spec.workingHours.timeZone"]);
        assert_eq!(wrong.next(at("2026-11-20T21:00:00Z")), None);
        let nobody = hours(r#"{"days": [], "timeZone": "UTC"}"#);
        assert_eq!(nobody.next(at("2026-11-20T21:00:00Z")), None);
        assert!(serde_json::from_str::<Hours>(r#"{"timeZone": "UTC", "until": "17:00"}"#).is_err());
    }

    proptest! {
        /// Asked minute by minute, as slowly as can be.
        #[test]
        fn the_next_hours_are_those_that_come_first(
            start in 1_700_000_000i64..1_900_000_000,
            from in 0u8..24, to in 0u8..24, day in 0usize..7,
        ) {
            let name = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][day];
            let text = format!(
                r#"{{"days": ["{name}"], "from": "{from:02}:00", "to": "{to:02}:30", "timeZone": "Europe/Berlin"}}"#
            );
            let hours = hours(&text);
            let minute = Duration::from_minutes(1);
            let asked = Timestamp::from_seconds(start).floor(minute);
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let is_in = |at: Timestamp| {
                let shown = at.to_jiff().to_zoned(zone.clone());
                let clock = (shown.hour(), shown.minute());
                let (from, to) = ((i8::try_from(from).unwrap(), 0), (i8::try_from(to).unwrap(), 30));
                let today = usize::try_from(shown.weekday().to_monday_zero_offset()).unwrap();
                if from < to {
                    return today == day && from <= clock && clock < to;
                }
                (today == day && clock >= from) || (today == (day + 1) % 7 && clock < to)
            };
            // The two nights of a year in which clocks change have times that there are twice, or not at all.
            prop_assume!(from > 3 && (to > 3 || from < to));
            let mut minutes = (0..9 * 24 * 60).map(|minutes| asked.plus(Duration::from_minutes(minutes)));
            let first = minutes.find(|at| is_in(*at));
            prop_assert_eq!(hours.next(asked), first);
        }
    }
}
