//! Which stretch of time a promise covers at a given moment.
//!
//! A rolling window is the last `length` before the moment. A calendar window is the period that
//! holds the last instant before the moment: looked at on the stroke of midnight that ends March,
//! the window is the whole of March, not an empty April.
//!
//! Period starts are computed from the anchor in civil time and only then turned into instants,
//! so that a month anchored on the 31st starts on the last day of shorter months and returns to
//! the 31st, and a day of a DST change has 23 or 25 hours. A start that a zone skips or repeats
//! is taken as RFC 5545 has it: the later offset's instant in a gap, the first one in a fold.

use flyball_model::{CalendarUnit, CalendarWindow, Duration, Interval, Timestamp, Window};

use crate::error::BudgetError;

/// A window as seen at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct WindowAt {
    /// The whole window: for a calendar window the period from start to end.
    pub full: Interval,
    /// The part before the moment; equal to `full` for a rolling window.
    pub elapsed: Interval,
}

impl WindowAt {
    /// The elapsed share of the whole window, above 0 and at most 1.
    pub fn elapsed_share(&self) -> f64 {
        self.elapsed.length().as_seconds_f64() / self.full.length().as_seconds_f64()
    }
}

/// The stretch that `window` covers at `at`.
///
/// # Errors
///
/// [`BudgetError::EmptyWindow`] for a window of no length and [`BudgetError::WindowOutOfRange`]
/// where a period ends outside the years 1678 to 2262.
pub fn window_at(window: &Window, at: Timestamp) -> Result<WindowAt, BudgetError> {
    match window {
        Window::Rolling { length } if length.is_zero() => Err(BudgetError::EmptyWindow),
        Window::Rolling { length } => {
            let interval = Interval::ending(at, *length);
            Ok(WindowAt { full: interval, elapsed: interval })
        }
        Window::Calendar(calendar) => {
            let full = period_at(calendar, at)?;
            Ok(WindowAt { full, elapsed: Interval::new(full.start(), at)? })
        }
    }
}

/// The length that alert factors are derived from: a rolling window's own, or a calendar
/// window's nominal one (day 24 h, week 7 d, month 30 d, quarter 90 d, year 365 d).
///
/// Nominal, so that the threshold of a rule does not change from February to March and can be
/// checked before any data is seen. The same lengths are used by the `OpenSLO` reference library.
pub fn nominal_length(window: &Window) -> Duration {
    match window {
        Window::Rolling { length } => *length,
        Window::Calendar(calendar) => {
            let days = match calendar.unit {
                CalendarUnit::Day => 1,
                CalendarUnit::Week => 7,
                CalendarUnit::Month => 30,
                CalendarUnit::Quarter => 90,
                CalendarUnit::Year => 365,
            };
            Duration::from_days(calendar.count.saturating_mul(days))
        }
    }
}

/// The period of `calendar` that holds the last instant before `at`.
fn period_at(calendar: &CalendarWindow, at: Timestamp) -> Result<Interval, BudgetError> {
    let out_of_range = || BudgetError::WindowOutOfRange { at: at.to_string() };
    if calendar.count == 0 {
        return Err(BudgetError::EmptyWindow);
    }
    let mut index = estimate(calendar, at);
    // The estimate is off by one at most where months are clamped or a zone shifts; zones that
    // once skipped a whole day cost one step more.
    loop {
        let start = boundary(calendar, index).ok_or_else(out_of_range)?;
        if start >= at {
            index -= 1;
            continue;
        }
        let end = boundary(calendar, index + 1).ok_or_else(out_of_range)?;
        if end >= at {
            return Ok(Interval::new(start, end)?);
        }
        index += 1;
    }
}

/// The number of the period around `at`, counted from the anchor's, give or take one.
fn estimate(calendar: &CalendarWindow, at: Timestamp) -> i64 {
    let local = calendar.zone.to_datetime(at.to_jiff());
    let anchor = calendar.anchor;
    let count = i64::from(calendar.count);
    match unit(calendar.unit) {
        Unit::Days(days) => {
            let zone = jiff::tz::TimeZone::UTC;
            let seconds = |civil: jiff::civil::DateTime| {
                civil.to_zoned(zone.clone()).map_or(0, |zoned| zoned.timestamp().as_second())
            };
            (seconds(local) - seconds(anchor)).div_euclid(86_400 * days * count)
        }
        Unit::Months(months) => {
            let month = |civil: jiff::civil::DateTime| {
                i64::from(civil.year()) * 12 + i64::from(civil.month())
            };
            (month(local) - month(anchor)).div_euclid(months * count)
        }
    }
}

/// The start of period `index`, counted from the anchor's; `None` outside 64-bit nanoseconds.
fn boundary(calendar: &CalendarWindow, index: i64) -> Option<Timestamp> {
    let count = i64::from(calendar.count).checked_mul(index)?;
    let span = match unit(calendar.unit) {
        Unit::Days(days) => jiff::Span::new().try_days(count.checked_mul(days)?).ok()?,
        Unit::Months(months) => jiff::Span::new().try_months(count.checked_mul(months)?).ok()?,
    };
    let civil = calendar.anchor.checked_add(span).ok()?;
    let zoned = calendar.zone.to_ambiguous_zoned(civil).compatible().ok()?;
    Timestamp::from_jiff(zoned.timestamp())
}

/// A unit by what it adds to a civil time.
enum Unit {
    Days(i64),
    Months(i64),
}

const fn unit(unit: CalendarUnit) -> Unit {
    match unit {
        CalendarUnit::Day => Unit::Days(1),
        CalendarUnit::Week => Unit::Days(7),
        CalendarUnit::Month => Unit::Months(1),
        CalendarUnit::Quarter => Unit::Months(3),
        CalendarUnit::Year => Unit::Months(12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    fn calendar(unit: CalendarUnit, count: u32, anchor: &str, zone: &str) -> CalendarWindow {
        CalendarWindow {
            unit,
            count,
            zone: TimeZone::get(zone).unwrap(),
            anchor: anchor.parse().unwrap(),
        }
    }

    fn full(calendar: CalendarWindow, at: &str) -> String {
        let at = Timestamp::parse(at).unwrap();
        window_at(&Window::Calendar(calendar), at).unwrap().full.to_string()
    }

    #[test]
    fn a_day_of_a_dst_change_has_23_or_25_hours() {
        let berlin = || calendar(CalendarUnit::Day, 1, "2020-01-01T00:00:00", "Europe/Berlin");
        assert_eq!(
            full(berlin(), "2026-03-29T12:00:00Z"),
            "[2026-03-28T23:00:00Z, 2026-03-29T22:00:00Z)"
        );
        assert_eq!(
            full(berlin(), "2026-10-25T12:00:00Z"),
            "[2026-10-24T22:00:00Z, 2026-10-25T23:00:00Z)"
        );
    }

    #[test]
    fn months_anchored_on_the_31st_end_with_the_month_and_come_back() {
        let last = || calendar(CalendarUnit::Month, 1, "2024-01-31T00:00:00", "UTC");
        let expected = [
            ("2024-02-15T00:00:00Z", "[2024-01-31T00:00:00Z, 2024-02-29T00:00:00Z)"),
            ("2024-03-01T00:00:00Z", "[2024-02-29T00:00:00Z, 2024-03-31T00:00:00Z)"),
            ("2024-04-30T12:00:00Z", "[2024-04-30T00:00:00Z, 2024-05-31T00:00:00Z)"),
            ("2023-02-28T12:00:00Z", "[2023-02-28T00:00:00Z, 2023-03-31T00:00:00Z)"),
        ];
        for (at, period) in expected {
            assert_eq!(full(last(), at), period, "at {at}");
        }
    }

    #[test]
    fn the_stroke_that_ends_a_period_belongs_to_it() {
        let month = calendar(CalendarUnit::Month, 1, "2026-01-01T00:00:00", "America/New_York");
        let at = Timestamp::parse("2026-04-01T04:00:00Z").unwrap();
        let window = window_at(&Window::Calendar(month), at).unwrap();
        assert_eq!(window.full.to_string(), "[2026-03-01T05:00:00Z, 2026-04-01T04:00:00Z)");
        assert_eq!(window.elapsed, window.full);
        assert_eq!(window.elapsed_share(), 1.0);
    }

    #[test]
    fn quarters_years_weeks_and_leap_days() {
        let quarter = calendar(CalendarUnit::Quarter, 1, "2026-01-01T00:00:00", "UTC");
        assert_eq!(
            full(quarter, "2025-11-30T00:00:00Z"),
            "[2025-10-01T00:00:00Z, 2026-01-01T00:00:00Z)"
        );
        let leap = calendar(CalendarUnit::Year, 1, "2024-02-29T00:00:00", "UTC");
        assert_eq!(
            full(leap, "2026-01-01T00:00:00Z"),
            "[2025-02-28T00:00:00Z, 2026-02-28T00:00:00Z)"
        );
        let fortnight = calendar(CalendarUnit::Week, 2, "2026-01-05T09:00:00", "Asia/Kathmandu");
        assert_eq!(
            full(fortnight, "2026-01-19T03:15:00Z"),
            "[2026-01-05T03:15:00Z, 2026-01-19T03:15:00Z)"
        );
    }

    #[test]
    fn a_day_that_a_zone_skipped_is_no_period() {
        // Samoa crossed the date line: 30 December 2011 did not happen.
        let apia = calendar(CalendarUnit::Day, 1, "2011-12-01T00:00:00", "Pacific/Apia");
        assert_eq!(
            full(apia, "2011-12-30T10:00:00Z"),
            "[2011-12-29T10:00:00Z, 2011-12-30T10:00:00Z)"
        );
    }

    #[test]
    fn impossible_windows_are_refused() {
        let none = Window::Rolling { length: Duration::ZERO };
        assert_eq!(window_at(&none, Timestamp::from_seconds(0)), Err(BudgetError::EmptyWindow));
        let far = calendar(CalendarUnit::Year, 4_000_000_000, "2026-01-01T00:00:00", "UTC");
        assert!(window_at(&Window::Calendar(far), Timestamp::from_seconds(1)).is_err());
        let zero = calendar(CalendarUnit::Day, 0, "2026-01-01T00:00:00", "UTC");
        assert!(window_at(&Window::Calendar(zero), Timestamp::from_seconds(1)).is_err());
    }

    fn calendars() -> impl Strategy<Value = CalendarWindow> {
        let units = prop_oneof![
            Just(CalendarUnit::Day),
            Just(CalendarUnit::Week),
            Just(CalendarUnit::Month),
            Just(CalendarUnit::Quarter),
            Just(CalendarUnit::Year)
        ];
        let zones = prop_oneof![
            Just("UTC"),
            Just("Europe/Berlin"),
            Just("America/New_York"),
            Just("Asia/Kathmandu"),
            Just("Australia/Lord_Howe"),
            Just("Pacific/Apia")
        ];
        let anchors = prop_oneof![
            Just("2024-02-29T00:00:00"),
            Just("2020-12-31T02:30:00"),
            Just("2022-01-30T23:59:59"),
            Just("2022-03-27T02:30:00")
        ];
        (units, 1u32..5, anchors, zones)
            .prop_map(|(unit, count, anchor, zone)| calendar(unit, count, anchor, zone))
    }

    proptest! {
        #[test]
        fn periods_tile_time(calendar in calendars(), seconds in 0i64..2_000_000_000) {
            let window = Window::Calendar(calendar);
            let at = Timestamp::from_seconds(seconds);
            let here = window_at(&window, at).unwrap();
            prop_assert!(here.full.start() < at && at <= here.full.end());
            prop_assert_eq!(here.elapsed.end(), at);
            // Every moment inside sees the same period, and its neighbours touch it.
            prop_assert_eq!(window_at(&window, here.full.end()).unwrap().full, here.full);
            let before = window_at(&window, here.full.start()).unwrap().full;
            prop_assert_eq!(before.end(), here.full.start());
            let just_after = Timestamp::from_nanos(here.full.end().nanos() + 1);
            prop_assert_eq!(window_at(&window, just_after).unwrap().full.start(), here.full.end());
        }
    }
}
