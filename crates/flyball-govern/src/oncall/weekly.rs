//! Hours that come again every week: `mon` to `fri` from 09:00 to 17:00.
//!
//! Written in civil time and read in a zone, so that nine o'clock stays nine o'clock when clocks
//! change. A clock time that a zone skips or repeats is taken as RFC 5545 has it: the later offset's
//! instant in a gap, the first one in a fold.

use std::collections::BTreeSet;
use std::fmt;

use flyball_model::{Interval, Timestamp};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::spans;

/// A day of the week.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Day {
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

impl Day {
    /// Monday to Sunday.
    pub const ALL: [Self; 7] =
        [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The day in one word, as it is written in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    /// The day of the week that `date` is.
    pub fn of(date: Date) -> Self {
        match date.weekday() {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// A time of the day as clocks show it, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clock {
    hour: i8,
    minute: i8,
}

impl Clock {
    /// `hour` o'clock and `minute`; `None` when clocks never show that.
    pub const fn new(hour: i8, minute: i8) -> Option<Self> {
        if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
            return None;
        }
        Some(Self { hour, minute })
    }

    /// Reads `09:00`: two digits each, from `00:00` to `23:59`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let is_pair =
            |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_pair(hour) || !is_pair(minute) {
            return None;
        }
        Self::new(hour.parse().ok()?, minute.parse().ok()?)
    }

    const fn time(self) -> Time {
        jiff::civil::time(self.hour, self.minute, 0, 0)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl serde::Serialize for Clock {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Clock {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let message = format!(
                "`{text}` is not a time of the day; write it like '09:00', and until midnight as '00:00'"
            );
            serde::de::Error::custom(message)
        })
    }
}

/// Hours that come again every week.
///
/// A stretch begins at `from` on each of `days` and ends at `to`: on the same day, or on the next when
/// `to` is not later than `from`, so that equal clocks make 24 hours. Stretches that touch are one.
///
/// Source: the rules of `GoAlert`'s schedules (weekday filter, start, end).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// The days on which a stretch begins; one at least.
    pub days: BTreeSet<Day>,
    /// When it begins.
    #[serde(default = "midnight")]
    pub from: Clock,
    /// When it ends.
    #[serde(default = "midnight")]
    pub to: Clock,
}

/// The first minute of a day.
const fn midnight() -> Clock {
    Clock { hour: 0, minute: 0 }
}

impl Weekly {
    /// Monday to Friday from 09:00 to 17:00.
    pub fn working() -> Self {
        let days = Day::ALL[..5].iter().copied().collect();
        Self { days, from: Clock { hour: 9, minute: 0 }, to: Clock { hour: 17, minute: 0 } }
    }

    /// Every night from 22:00 to 06:00.
    ///
    /// Source: Directive 2003/88/EC, article 2: night time is seven hours or more and holds those from
    /// midnight to five; countries choose, most of them these.
    pub fn night() -> Self {
        let days = Day::ALL.into_iter().collect();
        Self { days, from: Clock { hour: 22, minute: 0 }, to: Clock { hour: 6, minute: 0 } }
    }

    /// Its stretches during `during`, in order, as clocks in `zone` show them; cut where that begins and ends.
    pub fn during(&self, during: Interval, zone: &TimeZone) -> Vec<Interval> {
        spans::union(self.stretches(during, zone))
    }

    /// Its stretches during `during`, as clocks in `zone` show them.
    fn stretches(&self, during: Interval, zone: &TimeZone) -> Vec<Interval> {
        let overnight = if self.to <= self.from { 1.day() } else { Span::new() };
        let ends = |date: Date| {
            let start = instant(date.to_datetime(self.from.time()), zone)?;
            let last = date.checked_add(overnight).ok()?;
            Some(spans::between(start, instant(last.to_datetime(self.to.time()), zone)?))
        };
        let here = days(during, zone).filter(|date| self.days.contains(&Day::of(*date)));
        here.filter_map(ends).filter_map(|span| span.intersect(during)).collect()
    }
}

/// The stretches of all of `hours` during `during`, in order.
pub(super) fn stretches(hours: &[Weekly], during: Interval, zone: &TimeZone) -> Vec<Interval> {
    spans::union(hours.iter().flat_map(|weekly| weekly.stretches(during, zone)).collect())
}

/// The civil days that `during` touches in `zone`, and one before, of which a night may reach into it.
pub(super) fn days(during: Interval, zone: &TimeZone) -> impl Iterator<Item = Date> {
    let date = |at: Timestamp| zone.to_datetime(at.to_jiff()).date();
    let (first, last) = (date(during.start()), date(during.end()));
    first.checked_sub(1.day()).unwrap_or(first).series(1.day()).take_while(move |day| *day <= last)
}

/// The instant at which clocks in `zone` show `civil`; `None` outside the years that are held.
pub(super) fn instant(civil: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let zoned = zone.to_ambiguous_zoned(civil).compatible().ok()?;
    Timestamp::from_jiff(zoned.timestamp())
}
