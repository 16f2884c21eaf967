//! Public holidays as governments publish them: all-day events of an iCalendar.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use flyball_govern::oncall::{HOLIDAYS_MAX, Holiday};
use icalendar::parser::{Component, Property, read_calendar, unfold};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The largest calendar that is read: a country's holidays of decades have less.
pub const HOLIDAYS_BYTES_MAX: usize = 1 << 20;
/// How deep components lie in each other at most; an alarm in an event in a calendar is three.
const DEPTH_MAX: usize = 8;
/// How often one event comes again at most: once a year since the calendar of Gregory.
const OCCURRENCES_MAX: usize = 500;
/// The longest single holiday, in days: longer ones are school holidays, on which people work.
const DAYS_MAX: i32 = 14;

/// Why a calendar of holidays cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HolidaysError {
    /// More than is read.
    #[error(
        "the calendar has {bytes} bytes; hint: at most {HOLIDAYS_BYTES_MAX} are read; take fewer years"
    )]
    Large {
        /// Its length.
        bytes: usize,
    },
    /// Not an iCalendar.
    #[error("it is no iCalendar: {problem}; hint: it begins with BEGIN:VCALENDAR")]
    Format {
        /// What is wrong, in a line.
        problem: String,
    },
    /// An event with something that cannot be read.
    #[error("event {number} (`{name}`): {problem}; hint: {hint}")]
    Event {
        /// Which, counted from 1.
        number: usize,
        /// What it is called.
        name: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// More days than a rota's calendar holds.
    #[error("there are more than {HOLIDAYS_MAX} holidays; hint: ask for fewer years")]
    Many,
    /// None at all in the years that were asked for.
    #[error("it has no holiday from {first} to {last}; hint: it may be of other years")]
    Nothing {
        /// The first year.
        first: i16,
        /// The last.
        last: i16,
    },
}

/// The holidays of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolidaysRead {
    /// By date, each date once.
    pub days: Vec<Holiday>,
    /// Events that were left out, since they are not of whole days or were cancelled.
    pub left_out: usize,
}

/// The holidays in `years` of an iCalendar.
///
/// Every all-day event is one, with all of its days; those that come again (`RRULE`) are taken for
/// each year. Days that are excepted (`EXDATE`) are not.
///
/// Source: RFC 5545.
///
/// # Errors
///
/// [`HolidaysError`] when it is too large, no iCalendar, has an all-day event that cannot be read, or
/// has no holidays in these years.
pub fn holidays(text: &str, years: RangeInclusive<i16>) -> Result<HolidaysRead, HolidaysError> {
    if text.len() > HOLIDAYS_BYTES_MAX {
        return Err(HolidaysError::Large { bytes: text.len() });
    }
    // The parser goes as deep as the text does, and takes lines to end as the standard has it.
    let text = unfold(&text.replace("\r\n", "\n").replace('\n', "\r\n"));
    let format = |problem: &str| HolidaysError::Format { problem: problem.to_owned() };
    if is_deep(&text) {
        return Err(format("components lie too deep in each other"));
    }
    let calendar = read_calendar(&text).map_err(|problem| {
        let line = problem.lines().next().unwrap_or_default();
        format(line.trim_start_matches("error: "))
    })?;
    let (mut days, mut left_out) = (BTreeSet::new(), 0);
    let events = calendar.components.iter().filter(|of| of.name == "VEVENT");
    for (at, event) in events.enumerate() {
        let found = read(event, &years).map_err(|(problem, hint)| {
            let name = value(event, "SUMMARY").unwrap_or_default();
            HolidaysError::Event { number: at + 1, name, problem, hint }
        })?;
        match found {
            Some(found) => days.extend(found),
            None => left_out += 1,
        }
        if days.len() > HOLIDAYS_MAX {
            return Err(HolidaysError::Many);
        }
    }
    let mut days: Vec<Holiday> = days.into_iter().collect();
    days.dedup_by_key(|holiday| holiday.date);
    if days.is_empty() {
        return Err(HolidaysError::Nothing { first: *years.start(), last: *years.end() });
    }
    Ok(HolidaysRead { days, left_out })
}

fn is_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    text.lines().any(|line| {
        let starts = |word: &str| {
            line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        if starts("BEGIN:") {
            depth += 1;
        } else if starts("END:") {
            depth = depth.saturating_sub(1);
        }
        depth > DEPTH_MAX
    })
}

/// What is wrong with an event, and what to do.
type Wrong = (String, &'static str);

/// The days of an event in `years`; `None` when it is none of whole days.
fn read(event: &Component<'_>, years: &RangeInclusive<i16>) -> Result<Option<Vec<Holiday>>, Wrong> {
    let Some(start) = event.find_prop("DTSTART") else { return Ok(None) };
    let is_cancelled = value(event, "STATUS").is_some_and(|status| status == "CANCELLED");
    if !is_day(start) || is_cancelled {
        return Ok(None);
    }
    let first = date(start.val.as_str())?;
    let end = match event.find_prop("DTEND") {
        Some(end) => date(end.val.as_str())?,
        None => first.tomorrow().map_err(|_| out_of_range())?,
    };
    let length = first.until(end).map_or(0, |span| span.get_days());
    if !(1..=DAYS_MAX).contains(&length) {
        let hint = "holidays have from 1 to 14 days; DTEND is the day after the last";
        return Err((format!("it lasts {length} days"), hint));
    }
    let name = value(event, "SUMMARY").unwrap_or_default();
    let excepted = excepted(event)?;
    let mut found = Vec::new();
    for begin in occurrences(event, first, years)? {
        if excepted.contains(&begin) {
            continue;
        }
        let days = begin.series(1.day()).take(usize::try_from(length).unwrap_or_default());
        let asked = days.filter(|day| years.contains(&day.year()));
        found.extend(asked.map(|date| Holiday { date, name: name.clone() }));
    }
    Ok(Some(found))
}

/// The days on which an event begins, up to the last of `years`.
fn occurrences(
    event: &Component<'_>,
    first: Date,
    years: &RangeInclusive<i16>,
) -> Result<Vec<Date>, Wrong> {
    let Some(rule) = value(event, "RRULE") else { return Ok(vec![first]) };
    let hint = "holidays come again every year, as FREQ=YEARLY says";
    if !rule.to_ascii_uppercase().contains("FREQ=YEARLY") {
        return Err((format!("it comes again by `{rule}`"), hint));
    }
    let midnight = first.to_datetime(jiff::civil::Time::midnight());
    let set = flyball_model::recurrence(midnight, &TimeZone::UTC, &until_midnight(&rule))
        .map_err(|problem| (format!("its RRULE is wrong: {problem}"), hint))?;
    let mut found = Vec::new();
    for instant in &set {
        let moment =
            jiff::Timestamp::from_second(instant.timestamp()).map_err(|_| out_of_range())?;
        let day = TimeZone::UTC.to_datetime(moment).date();
        if day.year() > *years.end() {
            break;
        }
        if found.len() == OCCURRENCES_MAX {
            return Err((format!("it comes again more than {OCCURRENCES_MAX} times"), hint));
        }
        found.push(day);
    }
    Ok(found)
}

/// `rule` with an end that is a date written as the midnight that it is: the same day for whole days.
fn until_midnight(rule: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((key, day)) if key.eq_ignore_ascii_case("UNTIL") && !day.contains(['T', 't']) => {
            format!("{key}={day}T000000Z")
        }
        _ => part.to_owned(),
    };
    rule.split(';').map(part).collect::<Vec<_>>().join(";")
}

/// The days on which an event that comes again does not.
fn excepted(event: &Component<'_>) -> Result<BTreeSet<Date>, Wrong> {
    let lists = event.properties.iter().filter(|of| of.name == "EXDATE");
    lists.flat_map(|list| list.val.as_str().split(',')).map(date).collect()
}

fn value(event: &Component<'_>, name: &str) -> Option<String> {
    event.find_prop(name).map(|property| property.val.as_str().trim().to_owned())
}

/// Whether a property is a date without a time.
fn is_day(property: &Property<'_>) -> bool {
    let value = property.val.as_str().trim();
    value.len() == 8 && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// A date as RFC 5545, section 3.3.4, writes it; of a time its date.
fn date(text: &str) -> Result<Date, Wrong> {
    let text = text.trim();
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse().ok());
    let is_date = text.get(..8).is_some_and(|day| day.bytes().all(|byte| byte.is_ascii_digit()));
    let found = (|| {
        let year = text.get(..4)?.parse().ok()?;
        Date::new(year, number(4..6)?, number(6..8)?).ok()
    })();
    let rest = text.get(8..).unwrap_or_default();
    found
        .filter(|_| is_date && (rest.is_empty() || rest.starts_with('T')))
        .ok_or_else(|| (format!("`{text}` is no date"), "dates are written like 20261225"))
}

fn out_of_range() -> Wrong {
    ("its date is out of range".to_owned(), "dates are written like 20261225")
}
