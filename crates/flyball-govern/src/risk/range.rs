//! What is known of an input: a value, or between which two it lies.
//!
//! A range stands for the reciprocal distribution between its ends: every part of the scale that has the same
//! ratio of its ends is as likely, which is what is left to assume of a length or a frequency of which nothing
//! but the order of magnitude is known (Jeffreys, *Theory of Probability*). It has closed moments,
//! so that what is simulated can be held against what is computed.

use std::fmt;
use std::str::FromStr;

use flyball_model::{Duration, Rational};

use crate::policy::read::{share, share_text};

/// What is written between the ends of a range.
const BETWEEN: &str = "..";

/// A value, or a range of values; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range<T> {
    low: T,
    high: T,
}

/// A length of time, or a range of lengths: `30m`, `5m..2h`.
pub type TimeRange = Range<Duration>;

/// A share, or a range of shares: `20%`, `5%..50%`.
pub type ShareRange = Range<Rational>;

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}: {reason}; hint: write it like {example}")]
pub struct RangeError {
    /// The text as given, cut.
    pub text: String,
    /// What it should be.
    pub wanted: &'static str,
    /// What is wrong.
    pub reason: &'static str,
    /// What is right.
    pub example: &'static str,
}

/// What ranges are made of.
pub trait Value: Copy + Ord {
    /// What it is called.
    const WANTED: &'static str;
    /// How it is written.
    const EXAMPLE: &'static str;

    /// Reads one.
    fn read(text: &str) -> Option<Self>;

    /// Writes one, as it is read.
    fn write(self) -> String;

    /// Why a text is none.
    fn unread(_text: &str) -> &'static str {
        "it is not a number with its unit"
    }

    /// The nearest double: seconds, or a share of one.
    fn estimate(self) -> f64;
}

impl Value for Duration {
    const WANTED: &'static str = "a length of time or a range";
    const EXAMPLE: &'static str = "30m or 5m..2h";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn write(self) -> String {
        self.to_string()
    }

    fn estimate(self) -> f64 {
        self.as_seconds_f64()
    }
}

impl Value for Rational {
    const WANTED: &'static str = "a share or a range";
    const EXAMPLE: &'static str = "20% or 5%..50%";

    fn read(text: &str) -> Option<Self> {
        share_text(text)
    }

    fn write(self) -> String {
        share::percent(self)
    }

    fn unread(text: &str) -> &'static str {
        let is_more = Self::parse_percent(text).is_some_and(|share| share > Self::ONE);
        if is_more { "it is more than 100%" } else { "it is not a number with its unit" }
    }

    fn estimate(self) -> f64 {
        self.to_f64()
    }
}

impl<T: Value> Range<T> {
    /// One value.
    pub const fn point(value: T) -> Self {
        Self { low: value, high: value }
    }

    /// From `low` to `high`; `None` when the second is less than the first, and for a range that begins at 0,
    /// which has no order of magnitude.
    pub fn new(low: T, high: T) -> Option<Self> {
        let has_ratio = low == high || low.estimate() > 0.0;
        (low <= high && has_ratio).then_some(Self { low, high })
    }

    /// The least that it may be.
    pub const fn low(self) -> T {
        self.low
    }

    /// The most that it may be.
    pub const fn high(self) -> T {
        self.high
    }

    /// True for one value.
    pub fn is_point(self) -> bool {
        self.low == self.high
    }

    /// True when the two have a value in common.
    pub fn meets(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    /// The same with both ends held at `most`.
    #[must_use]
    pub fn at_most(self, most: T) -> Self {
        Self { low: self.low.min(most), high: self.high.min(most) }
    }

    /// The mean, in seconds or as a share of one: (high - low) / ln(high / low).
    pub fn mean(self) -> f64 {
        let (low, high) = (self.low.estimate(), self.high.estimate());
        if self.is_point() { low } else { (high - low) / (high / low).ln() }
    }

    /// The mean of its square: (high² - low²) / (2 ln(high / low)).
    pub fn mean_of_square(self) -> f64 {
        let (low, high) = (self.low.estimate(), self.high.estimate());
        if self.is_point() {
            low * low
        } else {
            (high * high - low * low) / (2.0 * (high / low).ln())
        }
    }

    /// The mean of one over it, per second or as a factor: (1 / low - 1 / high) / ln(high / low); infinite for
    /// 0.
    pub fn mean_of_inverse(self) -> f64 {
        let (low, high) = (self.low.estimate(), self.high.estimate());
        if self.is_point() { 1.0 / low } else { (1.0 / low - 1.0 / high) / (high / low).ln() }
    }
}

impl<T: Value> FromStr for Range<T> {
    type Err = RangeError;

    /// Reads a value, or two with `..` between them.
    fn from_str(text: &str) -> Result<Self, RangeError> {
        let bad = |reason| RangeError {
            text: text.chars().take(100).collect(),
            wanted: T::WANTED,
            reason,
            example: T::EXAMPLE,
        };
        let value = |text: &str| T::read(text.trim()).ok_or_else(|| bad(T::unread(text.trim())));
        let Some((low, high)) = text.split_once(BETWEEN) else {
            return value(text).map(Self::point);
        };
        let (low, high) = (value(low)?, value(high)?);
        if low > high {
            return Err(bad("it ends below its beginning"));
        }
        Self::new(low, high).ok_or_else(|| bad("a range begins above 0"))
    }
}

impl<T: Value> fmt::Display for Range<T> {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.low.write())?;
        if self.is_point() { Ok(()) } else { write!(f, "{BETWEEN}{}", self.high.write()) }
    }
}

impl<T: Value> serde::Serialize for Range<T> {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de, T: Value> serde::Deserialize<'de> for Range<T> {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_and_print_alike() {
        for text in ["30m", "0s", "5m..2h", "90d..365d"] {
            assert_eq!(text.parse::<TimeRange>().unwrap().to_string(), text);
        }
        for text in ["20%", "0.5%..50%", "100%"] {
            assert_eq!(text.parse::<ShareRange>().unwrap().to_string(), text);
        }
        assert_eq!(
            "5m .. 5m".parse::<TimeRange>().unwrap(),
            Range::point(Duration::from_minutes(5))
        );
        for text in ["", "30", "2h..5m", "0s..5m", "5m..", "..5m", "5m..6m..7m"] {
            assert!(text.parse::<TimeRange>().is_err(), "{text} was accepted");
        }
        for text in ["101%", "0%..5%", "20%..10%", "-5%"] {
            assert!(text.parse::<ShareRange>().is_err(), "{text} was accepted");
        }
        let wrong = "2h..5m".parse::<TimeRange>().unwrap_err().to_string();
        let large = "5%..120%".parse::<ShareRange>().unwrap_err().to_string();
        assert!(large.contains("it is more than 100%"), "{large}");
        assert!(wrong.ends_with("it ends below its beginning; hint: write it like 30m or 5m..2h"));
    }

    proptest::proptest! {
        /// Against the integrals of the density 1 / (x ln(high / low)), by the midpoint rule.
        #[test]
        fn means_are_those_of_the_reciprocal_distribution(low in 1u32..1_000, more in 1u32..100_000) {
            let range = Range::new(Duration::from_seconds(low), Duration::from_seconds(low + more)).unwrap();
            let (low, high) = (f64::from(low), f64::from(low + more));
            let steps = 20_000;
            let (mut mean, mut inverse, mut square) = (0.0, 0.0, 0.0);
            for step in 0..steps {
                // Equal parts of the logarithm are equally likely.
                let x = low * (high / low).powf((f64::from(step) + 0.5) / f64::from(steps));
                mean += x / f64::from(steps);
                inverse += 1.0 / x / f64::from(steps);
                square += x * x / f64::from(steps);
            }
            proptest::prop_assert!((range.mean() / mean - 1.0).abs() < 1e-6);
            proptest::prop_assert!((range.mean_of_inverse() / inverse - 1.0).abs() < 1e-6);
            proptest::prop_assert!((range.mean_of_square() / square - 1.0).abs() < 1e-6);
        }
    }
}
