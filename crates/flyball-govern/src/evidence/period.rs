//! Budgets by the month and by the quarter, and counting them.

use std::collections::BTreeSet;

use flyball_model::{Duration, Interval, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Unit};

use super::Part;
use crate::service::day;

/// How many months a quarter has.
const QUARTER_MONTHS: i64 = 3;
/// What traffic is looked for in.
const HOUR: Duration = Duration::from_hours(1);
/// What days are counted in.
const DAY: Duration = Duration::from_days(1);
/// The longest time without data in a period of which anything is known: a service that is asked on working days only has
/// longer ones at the turn of the year, and nobody knows then whether it was there.
const SILENCE_LONGEST: Duration = Duration::from_days(7);

/// Whether all budgets of a service were kept in a complete stretch of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
    /// Whether they were; `None` when one had no data and none was missed.
    pub kept: Option<bool>,
}

/// For how many of `periods` in a row, up to the last, budgets were kept.
///
/// Periods are in order of time. One without data ends the row as a missed one does: no data is not health.
/// `None` when there is no period, or nothing is known of the last.
pub fn kept_in_a_row(periods: &[Period]) -> Option<u64> {
    periods.last()?.kept?;
    let row = periods.iter().rev().take_while(|period| period.kept == Some(true));
    u64::try_from(row.count()).ok()
}

/// In how many of the last `of` of `periods` budgets were missed; those that began before `since` do not count.
///
/// Periods are in order of time. One without data was not missed, and does not make room for an older one.
/// `None` when nothing is known of any of them.
pub fn missed_of(periods: &[Period], of: usize, since: Timestamp) -> Option<u64> {
    let last = periods.iter().rev().take(of).filter(|period| period.start >= since);
    let known: Vec<bool> = last.filter_map(|period| period.kept).collect();
    let missed = known.iter().filter(|kept| !**kept).count();
    if known.is_empty() { None } else { u64::try_from(missed).ok() }
}

/// Whether data of `period` is enough to say anything of it: at least half of its days hold some, and no more than seven
/// days in a row hold none. `moments` are times at which there is data, or none is expected; those outside do not count.
/// Days are those of UTC; of an empty period nothing is known.
pub fn is_held(period: Interval, moments: impl IntoIterator<Item = Timestamp>) -> bool {
    let first = period.start().floor(DAY);
    let is_in = |day: &Timestamp| first <= *day && *day < period.end();
    let days: BTreeSet<Timestamp> =
        moments.into_iter().map(|at| at.floor(DAY)).filter(is_in).collect();
    let whole = std::iter::successors(Some(first), |day| Some(day.plus(DAY)));
    let whole = whole.take_while(is_in).count();
    let ends = days.iter().map(|day| day.plus(DAY));
    let starts = std::iter::once(period.start()).chain(ends);
    let silences = starts.zip(days.iter().copied().chain([period.end()]));
    let longest = silences.map(|(from, to)| to.since(from)).max();
    !period.is_empty() && days.len() * 2 >= whole && longest <= Some(SILENCE_LONGEST)
}

/// In how many hours of `period` there is data, and how many there are, counted from its start; hours that
/// `taken_out` touches, in which none is expected, are left out of both. `moments` are times at which there is data.
///
/// Hours and not slots: a healthy service with few requests has many slots without any, and an hour without any is a
/// silence that somebody should know the reason of. 10,000 events a day come once in 9 s, and leave three slots of ten
/// empty.
pub fn hours_held(
    period: Interval,
    moments: impl IntoIterator<Item = Timestamp>,
    taken_out: &[Interval],
) -> Part {
    let hour = |at: Timestamp| at.since(period.start()).nanos().div_euclid(HOUR.nanos());
    let hours = |of: Interval| {
        let until = of.end().since(period.start()).nanos();
        hour(of.start())..(until + HOUR.nanos() - 1).div_euclid(HOUR.nanos())
    };
    let shared = taken_out.iter().filter_map(|of| of.intersect(period));
    let taken_out: BTreeSet<i64> = shared.flat_map(hours).collect();
    let moments = moments.into_iter().filter(|at| period.contains(*at)).map(hour);
    let held: BTreeSet<i64> = moments.filter(|hour| !taken_out.contains(hour)).collect();
    let all = hours(period).count();
    Part { part: held.len() as u64, whole: (all - taken_out.len()) as u64 }
}

/// How many whole months of the calendar lie between two moments, in UTC; 0 when `to` is not after `from`.
///
/// A month is whole when its day and time of day are reached: from the 31st that is the first day after a shorter
/// month, so that no time is counted that was not lived through.
pub fn whole_months(from: Timestamp, to: Timestamp) -> u64 {
    let civil = |at: Timestamp| at.to_jiff().to_zoned(TimeZone::UTC).datetime();
    let span = civil(from).until((Unit::Month, civil(to)));
    span.ok().and_then(|span| u64::try_from(span.get_months()).ok()).unwrap_or(0)
}

/// The last `count` quarters of the calendar that are complete at `at`, the earliest first, and the time from the end of
/// the last one to the end of the last complete month, which may be empty; in UTC.
pub fn complete_quarters(at: Timestamp, count: u32) -> (Vec<Interval>, Interval) {
    let month = day(at).first_of_month();
    let quarter = back(month, i64::from(month.month() - 1) % QUARTER_MONTHS);
    let quarters = (0..i64::from(count)).rev().map(|number| {
        let start = back(quarter, (number + 1) * QUARTER_MONTHS);
        between(start, back(quarter, number * QUARTER_MONTHS))
    });
    (quarters.collect(), between(quarter, month))
}

/// The months of a time that begins and ends with one, in UTC.
pub fn months(of: Interval) -> Vec<Interval> {
    let (mut at, end) = (day(of.start()), day(of.end()));
    let mut found = Vec::new();
    while at < end {
        // Past the end of the calendar there are none.
        let Ok(next) = at.checked_add(1.month()) else { break };
        found.push(between(at, next));
        at = next;
    }
    found
}

/// The first of the month so many months before the one that begins at `month`.
fn back(month: Date, months: i64) -> Date {
    month.checked_sub(months.months()).unwrap_or(month)
}

/// The time from the beginning of `start` to that of `end`, in UTC.
fn between(start: Date, end: Date) -> Interval {
    let midnight = |date: Date| {
        let zoned = date.to_zoned(TimeZone::UTC).ok();
        zoned.and_then(|zoned| Timestamp::from_jiff(zoned.timestamp())).unwrap_or(Timestamp::MIN)
    };
    let start = midnight(start);
    Interval::starting(start, midnight(end).since(start))
}
