//! Budgets by the month and by the quarter, and counting them.

use flyball_model::Timestamp;
use jiff::Unit;
use jiff::tz::TimeZone;

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

/// How many whole months of the calendar lie between two moments, in UTC; 0 when `to` is not after `from`.
///
/// A month is whole when its day and time of day are reached: from the 31st that is the first day after a shorter
/// month, so that no time is counted that was not lived through.
pub fn whole_months(from: Timestamp, to: Timestamp) -> u64 {
    let civil = |at: Timestamp| at.to_jiff().to_zoned(TimeZone::UTC).datetime();
    let span = civil(from).until((Unit::Month, civil(to)));
    span.ok().and_then(|span| u64::try_from(span.get_months()).ok()).unwrap_or(0)
}
