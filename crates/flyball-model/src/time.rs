//! Instants, lengths of time and half-open intervals, all in UTC nanoseconds.
//!
//! Civil time (zones, months, DST) is not here: it enters only through
//! [`CalendarWindow`](crate::CalendarWindow) and recurring corrections, and always by `jiff`.

use std::fmt;

/// Why a text is not a time or a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not an RFC 3339 instant, or outside the years 1678 to 2262 that nanoseconds in 64 bits span.
    #[error("`{text}` is not an instant; hint: write it like 2026-03-29T02:00:00Z")]
    Instant {
        /// The text as given.
        text: String,
    },
    /// Not a whole number with a unit.
    #[error(
        "`{text}` is not a length of time; write a whole number and one of s, m, h, d, w, like 5m or 28d; \
         months and years differ in length, so write them in days"
    )]
    Duration {
        /// The text as given.
        text: String,
    },
    /// An interval whose end lies before its start.
    #[error("the interval ends ({end}) before it starts ({start})")]
    Reversed {
        /// The start as given.
        start: Timestamp,
        /// The end as given.
        end: Timestamp,
    },
}

/// An instant: nanoseconds since 1970-01-01T00:00:00Z, from the year 1678 to 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant that can be held.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant that can be held.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The instant `seconds` seconds after the epoch, held at the ends of the range.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// This instant moved later by `by`, held at [`Self::MAX`].
    #[must_use]
    pub const fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.nanos()))
    }

    /// This instant moved earlier by `by`, held at [`Self::MIN`].
    #[must_use]
    pub const fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.nanos()))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration(if nanos < 0 { 0 } else { nanos })
    }

    /// The latest multiple of `width` since the epoch that is not after this instant.
    ///
    /// A zero `width` returns the instant unchanged.
    #[must_use]
    pub const fn floor(self, width: Duration) -> Self {
        if width.0 == 0 {
            return self;
        }
        Self(self.0.saturating_sub(self.0.rem_euclid(width.0)))
    }

    /// The earliest multiple of `width` since the epoch that is not before this instant.
    ///
    /// A zero `width` returns the instant unchanged.
    #[must_use]
    pub const fn ceil(self, width: Duration) -> Self {
        let floor = self.floor(width);
        if floor.0 == self.0 { self } else { floor.plus(width) }
    }

    /// Reads an RFC 3339 instant such as `2026-03-29T02:00:00Z` or `…+02:00`.
    ///
    /// # Errors
    ///
    /// [`TimeError::Instant`] when the text is no instant with an offset, or out of range.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let bad = || TimeError::Instant { text: text.to_owned() };
        let instant: jiff::Timestamp = text.trim().parse().map_err(|_| bad())?;
        i64::try_from(instant.as_nanosecond()).map(Self).map_err(|_| bad())
    }

    /// The same instant for `jiff`.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0))
            .expect("64-bit nanoseconds lie inside jiff's years -9999 to 9999")
    }

    /// The instant of a `jiff` timestamp; `None` outside 64-bit nanoseconds.
    pub fn from_jiff(instant: jiff::Timestamp) -> Option<Self> {
        i64::try_from(instant.as_nanosecond()).ok().map(Self)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with fractional digits only where they are not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_jiff().fmt(f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A length of time that does not depend on a calendar: nanoseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `nanos` nanoseconds; `None` when negative.
    pub const fn from_nanos(nanos: i64) -> Option<Self> {
        if nanos < 0 { None } else { Some(Self(nanos)) }
    }

    /// `seconds` seconds, held at about 292 years.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self((seconds as i64).saturating_mul(1_000_000_000))
    }

    /// `minutes` minutes, held at about 292 years.
    pub const fn from_minutes(minutes: u32) -> Self {
        Self((minutes as i64).saturating_mul(60_000_000_000))
    }

    /// `hours` hours, held at about 292 years.
    pub const fn from_hours(hours: u32) -> Self {
        Self((hours as i64).saturating_mul(3_600_000_000_000))
    }

    /// `days` times 24 hours, held at about 292 years.
    pub const fn from_days(days: u32) -> Self {
        Self((days as i64).saturating_mul(86_400_000_000_000))
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Seconds, for showing and for estimates; never for a comparison that decides.
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Minutes, for showing and for estimates; never for a comparison that decides.
    pub fn as_minutes_f64(self) -> f64 {
        self.as_seconds_f64() / 60.0
    }

    /// True for no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// True when this length is a whole, non-zero multiple of `unit`.
    pub const fn is_multiple_of(self, unit: Self) -> bool {
        unit.0 != 0 && self.0 != 0 && self.0 % unit.0 == 0
    }

    /// Reads a whole number and a unit: `s`, `m`, `h`, `d` (24 hours) or `w` (7 days).
    ///
    /// # Errors
    ///
    /// [`TimeError::Duration`] for anything else, and for lengths over about 292 years.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let bad = || TimeError::Duration { text: text.to_owned() };
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: i64 = number.parse().map_err(|_| bad())?;
        let seconds: i64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(bad()),
        };
        number
            .checked_mul(seconds)
            .and_then(|seconds| seconds.checked_mul(1_000_000_000))
            .map(Self)
            .ok_or_else(bad)
    }
}

impl fmt::Display for Duration {
    /// The largest unit that divides the length: `28d`, `36h`, `5m`, `10s`, else `0.250s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: i64 = 1_000_000_000;
        if self.0 % SECOND != 0 {
            return write!(f, "{:.3}s", self.as_seconds_f64());
        }
        let seconds = self.0 / SECOND;
        match seconds {
            s if s != 0 && s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s != 0 && s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            s if s != 0 && s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl serde::Serialize for Duration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A stretch of time `[start, end)`: the start belongs to it, the end does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Interval {
    start: Timestamp,
    end: Timestamp,
}

impl Interval {
    /// The stretch from `start` up to and without `end`; empty when they are equal.
    ///
    /// # Errors
    ///
    /// [`TimeError::Reversed`] when `end` lies before `start`.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self, TimeError> {
        if end < start { Err(TimeError::Reversed { start, end }) } else { Ok(Self { start, end }) }
    }

    /// The stretch of `length` that ends just before `end`.
    pub const fn ending(end: Timestamp, length: Duration) -> Self {
        Self { start: end.minus(length), end }
    }

    /// The stretch of `length` that begins at `start`.
    pub const fn starting(start: Timestamp, length: Duration) -> Self {
        Self { start, end: start.plus(length) }
    }

    /// The first instant inside.
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// The first instant after.
    pub const fn end(self) -> Timestamp {
        self.end
    }

    /// How long the stretch is.
    pub const fn length(self) -> Duration {
        self.end.since(self.start)
    }

    /// True when no instant lies inside.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// True when `at` lies inside.
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// The part that both stretches share; `None` when they share no instant.
    pub fn intersect(self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(Self { start, end })
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_alike() {
        for text in ["10s", "5m", "36h", "28d", "0s"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Duration::parse("4w").unwrap(), Duration::from_days(28));
        for text in ["", "5", "m", "-5m", "5 m", "5M", "1.5h", "99999999999w", "5mm"] {
            assert!(Duration::parse(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn flooring_goes_down_before_the_epoch_too() {
        let ten = Duration::from_seconds(10);
        assert_eq!(Timestamp::from_seconds(-1).floor(ten), Timestamp::from_seconds(-10));
        assert_eq!(Timestamp::from_seconds(-1).ceil(ten), Timestamp::from_seconds(0));
        assert_eq!(Timestamp::from_seconds(20).ceil(ten), Timestamp::from_seconds(20));
    }

    #[test]
    fn intervals_are_half_open() {
        let at = Timestamp::from_seconds;
        let hour = Interval::new(at(0), at(3600)).unwrap();
        assert!(hour.contains(at(0)) && !hour.contains(at(3600)));
        assert_eq!(hour.intersect(Interval::new(at(3600), at(7200)).unwrap()), None);
        assert!(Interval::new(at(1), at(0)).is_err());
    }

    #[test]
    fn instants_need_an_offset() {
        assert_eq!(
            Timestamp::parse("2026-03-29T02:00:00+02:00").unwrap().to_string(),
            "2026-03-29T00:00:00Z"
        );
        assert!(Timestamp::parse("2026-03-29T02:00:00").is_err());
        assert!(Timestamp::parse("9999-01-01T00:00:00Z").is_err());
    }
}
