//! The stretch of time over which a promise is kept: rolling or calendar.

use crate::time::Duration;

/// The window of an SLO.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// The last `length` before the moment of looking, whatever the calendar says.
    Rolling {
        /// How far back the window reaches; never zero.
        length: Duration,
    },
    /// Consecutive calendar periods in a time zone.
    Calendar(CalendarWindow),
}

impl Window {
    /// Where the days of a calendar window begin, by IANA's name; `None` for a rolling window and for
    /// a zone without a name.
    pub fn time_zone(&self) -> Option<&str> {
        match self {
            Self::Calendar(calendar) => calendar.zone.iana_name(),
            Self::Rolling { .. } => None,
        }
    }
}

/// Consecutive periods of `count` calendar units, counted from `anchor` in `zone`.
///
/// The lengths follow the calendar of the zone: a day of a DST change has 23 or 25 hours, a month
/// 28 to 31 days.
#[derive(Debug, Clone, PartialEq)]
pub struct CalendarWindow {
    /// The unit that repeats.
    pub unit: CalendarUnit,
    /// How many units one period spans; never zero.
    pub count: u32,
    /// Where the days begin.
    pub zone: jiff::tz::TimeZone,
    /// A local moment at which some period begins; periods before and after it tile all time.
    pub anchor: jiff::civil::DateTime,
}

/// The calendar unit of a [`CalendarWindow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CalendarUnit {
    /// A civil day.
    Day,
    /// Seven civil days.
    Week,
    /// A civil month.
    Month,
    /// Three civil months.
    Quarter,
    /// Twelve civil months.
    Year,
}

impl CalendarUnit {
    /// The unit as one word: `day`, `week`, `month`, `quarter` or `year`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}
