//! Public holidays, by calendars that a rota brings along.
//!
//! They are dates in the document, not computed: countries move, add and drop holidays by law, some
//! with weeks of notice, and no library that is kept up was found to ship them for Rust. Governments
//! publish them as iCalendar, of which `flyball-connect` makes these dates.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::Interval;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{spans, weekly};

/// The holidays of a country, or of a part of one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolidayCalendar {
    /// What members call it, such as `DE-BY`.
    pub name: String,
    /// Its days.
    pub days: Vec<Holiday>,
}

/// One public holiday: a whole civil day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// The day.
    #[serde(with = "crate::policy::read::date")]
    pub date: Date,
    /// What it is called.
    #[serde(default)]
    pub name: String,
}

impl HolidayCalendar {
    /// Its days during `during`, each from midnight to midnight in `zone`.
    pub(super) fn spans(&self, during: Interval, zone: &TimeZone) -> Vec<Interval> {
        let whole = |date: Date| {
            let start = weekly::instant(date.to_datetime(jiff::civil::Time::midnight()), zone)?;
            let next = date.checked_add(1.day()).ok()?;
            let end = weekly::instant(next.to_datetime(jiff::civil::Time::midnight()), zone)?;
            spans::between(start, end).intersect(during)
        };
        spans::union(self.days.iter().filter_map(|holiday| whole(holiday.date)).collect())
    }

    /// The years that it says something of.
    pub fn years(&self) -> BTreeSet<i16> {
        self.days.iter().map(|holiday| holiday.date.year()).collect()
    }
}

/// The years of `during`, in `zone`, of which calendars say nothing: by the calendar's name.
///
/// No country has a year without holidays, so a year that has none was forgotten.
pub(super) fn silent<'a>(
    calendars: impl IntoIterator<Item = &'a HolidayCalendar>,
    during: Interval,
    zone: &TimeZone,
) -> BTreeMap<String, BTreeSet<i16>> {
    let year = |at: flyball_model::Timestamp| zone.to_datetime(at.to_jiff()).year();
    let asked: BTreeSet<i16> = (year(during.start())..=year(during.end())).collect();
    let missing = |calendar: &HolidayCalendar| {
        let missing: BTreeSet<i16> = asked.difference(&calendar.years()).copied().collect();
        (!missing.is_empty()).then(|| (calendar.name.clone(), missing))
    };
    calendars.into_iter().filter_map(missing).collect()
}
