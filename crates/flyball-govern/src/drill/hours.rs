//! Hours of the week in which people are there, by a clock on a wall.

use flyball_model::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

/// A day of the week.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    const fn of(day: jiff::civil::Weekday) -> Self {
        match day {
            jiff::civil::Weekday::Monday => Self::Mon,
            jiff::civil::Weekday::Tuesday => Self::Tue,
            jiff::civil::Weekday::Wednesday => Self::Wed,
            jiff::civil::Weekday::Thursday => Self::Thu,
            jiff::civil::Weekday::Friday => Self::Fri,
            jiff::civil::Weekday::Saturday => Self::Sat,
            jiff::civil::Weekday::Sunday => Self::Sun,
        }
    }
}

/// Hours of the week, `[from, to)` on each of the days, by the clock of a zone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hours {
    /// On which days; one at least.
    pub days: Vec<Weekday>,
    /// From when, like `10:00`.
    #[serde(with = "clock")]
    pub from: Time,
    /// Until when, later on the same day.
    #[serde(with = "clock")]
    pub to: Time,
    /// The zone, by IANA's name.
    pub time_zone: String,
}

impl Hours {
    /// What is wrong with them, with the field: an empty list of days, hours that do not go forward, a zone that
    /// nobody knows.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.days.is_empty() {
            wrong.push(("days", "name a day at least, like mon".to_owned()));
        }
        if self.from >= self.to {
            wrong.push((
                "to",
                "it is not after `from`\nhint: people go home before midnight".into(),
            ));
        }
        if TimeZone::get(&self.time_zone).is_err() {
            let zone = &self.time_zone;
            wrong.push((
                "timeZone",
                format!("`{zone}` is no zone\nhint: name one like Europe/Berlin"),
            ));
        }
        wrong
    }

    /// Whether both `at` and `until`, which is not earlier, lie in the same day's hours; `None` when the zone is not
    /// known. `until` may be their end.
    pub fn cover(&self, at: Timestamp, until: Timestamp) -> Option<bool> {
        let zone = TimeZone::get(&self.time_zone).ok()?;
        let (start, end) = (at.to_jiff().to_zoned(zone.clone()), until.to_jiff().to_zoned(zone));
        let is_day = self.days.contains(&Weekday::of(start.weekday()));
        let is_in = start.time() >= self.from && end.time() <= self.to;
        Some(is_day && start.date() == end.date() && start.time() < self.to && is_in)
    }
}

/// A time of the clock like `09:30`.
mod clock {
    use jiff::civil::Time;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Time, D::Error> {
        let text = String::deserialize(input)?;
        Time::strptime("%H:%M", &text)
            .map_err(|_| D::Error::custom(format!("`{text}` is no time; write it like 09:30")))
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub(super) fn serialize<S: serde::Serializer>(
        time: &Time,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        output.collect_str(&time.strftime("%H:%M"))
    }
}
