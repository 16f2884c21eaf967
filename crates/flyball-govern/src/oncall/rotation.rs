//! Turns: the grid of a rotation, from its anchor on.
//!
//! Boundaries are computed from the anchor in civil time and only then turned into instants. So a
//! rotation changes hands at nine all year, a turn over a change of clocks is an hour shorter or longer,
//! and one that is anchored on the 31st changes hands on the last day of shorter months. Of an hourly
//! rotation the turn that clocks skip is empty and nobody's.

use flyball_model::{Duration, Interval, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{spans, weekly};

/// The most units of a turn: two years of months, or four weeks of hours.
pub(super) const EVERY_MAX: u32 = 672;

/// How often a rotation changes hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TurnUnit {
    /// By clocks: a turn of one hour ends at the next hour that they show.
    Hour,
    /// Civil days.
    Day,
    /// Seven civil days.
    Week,
    /// Civil months.
    Month,
}

/// When a rotation changes hands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The unit of a turn.
    pub unit: TurnUnit,
    /// How many of them a turn lasts.
    #[serde(default = "one")]
    pub every: u32,
    /// When the first turn begins, as clocks in the rota's zone show it, to the minute: counts begin here.
    #[serde(with = "crate::policy::read::datetime")]
    pub start: DateTime,
}

const fn one() -> u32 {
    1
}

impl Rotation {
    /// When turn `number` begins, counted from the one at the anchor; held at the ends of time.
    pub(super) fn boundary(&self, number: i64, zone: &TimeZone) -> Timestamp {
        let edge = if number < 0 { Timestamp::MIN } else { Timestamp::MAX };
        self.civil(number).and_then(|civil| weekly::instant(civil, zone)).unwrap_or(edge)
    }

    fn civil(&self, number: i64) -> Option<DateTime> {
        let count = number.checked_mul(i64::from(self.every))?;
        let span = jiff::Span::new();
        let span = match self.unit {
            TurnUnit::Hour => span.try_hours(count),
            TurnUnit::Day => span.try_days(count),
            TurnUnit::Week => span.try_weeks(count),
            TurnUnit::Month => span.try_months(count),
        };
        self.start.checked_add(span.ok()?).ok()
    }

    /// The turn that holds `at`, before the anchor too.
    pub(super) fn number_at(&self, at: Timestamp, zone: &TimeZone) -> i64 {
        // Off by little: months differ, and clocks change by hours.
        let nominal = match self.unit {
            TurnUnit::Hour => Duration::from_hours(1),
            TurnUnit::Day => Duration::from_hours(24),
            TurnUnit::Week => Duration::from_days(7),
            TurnUnit::Month => Duration::from_hours(730),
        };
        let length = i128::from(nominal.nanos()) * i128::from(self.every.max(1));
        let anchor = self.boundary(0, zone);
        let passed = i128::from(at.nanos()) - i128::from(anchor.nanos());
        let mut number = i64::try_from(passed.div_euclid(length)).unwrap_or_default();
        while self.boundary(number, zone) > at {
            number -= 1;
        }
        while self.boundary(number + 1, zone) <= at && at < Timestamp::MAX {
            number += 1;
        }
        number
    }

    /// Turn `number`; empty when clocks skip it.
    pub(super) fn turn(&self, number: i64, zone: &TimeZone) -> Interval {
        spans::between(self.boundary(number, zone), self.boundary(number + 1, zone))
    }
}
