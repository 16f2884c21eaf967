//! Times, lengths and shares as texts of a document.
//!
//! The model's types say how they are written; these functions let serde read and write them so.

use flyball_model::{Duration, Interval, Rational, Timestamp};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Reads a share: `20%` or `0.2`, as text.
pub(crate) fn share_text(text: &str) -> Option<Rational> {
    let share =
        if text.ends_with('%') { Rational::parse_percent(text) } else { Rational::parse(text) };
    share.filter(|share| *share <= Rational::ONE)
}

/// A share of one, written as a percentage.
pub(crate) mod share {
    use super::{Deserialize, Deserializer, Error, Rational, share_text};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Rational, D::Error> {
        let text = String::deserialize(input)?;
        share_text(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a share; write it like 20% or 0.2"))
        })
    }

    pub(crate) fn serialize<S: serde::Serializer>(
        share: &Rational,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        output.serialize_str(&percent(*share))
    }

    /// `share` in per cent, as [`share_text`] reads it.
    pub(crate) fn percent(share: Rational) -> String {
        Rational::new(100, 1)
            .and_then(|hundred| share.checked_mul(hundred))
            .map_or_else(|| share.to_string(), |percent| format!("{percent}%"))
    }
}

/// A share of one, where there is one.
pub(crate) mod share_or_none {
    use super::{Deserialize, Deserializer, Rational, share};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Rational>, D::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Share(#[serde(deserialize_with = "share::deserialize")] Rational);
        Ok(Option::<Share>::deserialize(input)?.map(|Share(share)| share))
    }

    #[expect(clippy::ref_option, reason = "serde passes fields by reference")]
    pub(crate) fn serialize<S: serde::Serializer>(
        share: &Option<Rational>,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        match share {
            Some(share) => share::serialize(share, output),
            None => output.serialize_none(),
        }
    }
}

/// A length of time like `30m`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    Duration::parse(&String::deserialize(input)?).map_err(D::Error::custom)
}

/// A length of time like `30m`, where there is one.
pub(crate) fn duration_or_none<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    text.map(|text| Duration::parse(&text).map_err(D::Error::custom)).transpose()
}

/// A target, written as a percentage: exact, where the model's own form is the nearest double.
pub(crate) mod target {
    use flyball_model::Target;

    use super::{Deserializer, Error, share};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Target, D::Error> {
        Target::new(share::deserialize(input)?).map_err(D::Error::custom)
    }

    pub(crate) fn serialize<S: serde::Serializer>(
        target: &Target,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        share::serialize(&target.share(), output)
    }
}

/// A stretch of time with `start` and `end`.
pub(crate) fn interval<'de, D: Deserializer<'de>>(input: D) -> Result<Interval, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ends {
        start: Timestamp,
        end: Timestamp,
    }
    let Ends { start, end } = Ends::deserialize(input)?;
    Interval::new(start, end).map_err(D::Error::custom)
}

/// A civil date like `2027-06-01`.
pub(crate) mod date {
    use jiff::civil::Date;

    use super::{Deserialize, Deserializer, Error};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Date, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map_err(|_| {
            D::Error::custom(format!("`{text}` is not a date; write it like 2027-06-01"))
        })
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub(crate) fn serialize<S: serde::Serializer>(
        date: &Date,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        output.collect_str(date)
    }
}

/// A civil date, where there is one.
pub(crate) mod date_or_none {
    use jiff::civil::Date;

    use super::{Deserialize, Deserializer, date};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Date>, D::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Day(#[serde(deserialize_with = "date::deserialize")] Date);
        Ok(Option::<Day>::deserialize(input)?.map(|Day(date)| date))
    }

    #[expect(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    pub(crate) fn serialize<S: serde::Serializer>(
        date: &Option<Date>,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        match date {
            Some(date) => date::serialize(date, output),
            None => output.serialize_none(),
        }
    }
}

/// A civil date and time to the minute, like `2027-06-01T09:00`.
pub(crate) mod datetime {
    use jiff::civil::DateTime;

    use super::{Deserialize, Deserializer, Error};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<DateTime, D::Error> {
        let text = String::deserialize(input)?;
        let civil: Option<DateTime> = text.parse().ok();
        let is_whole = |civil: &DateTime| civil.second() == 0 && civil.subsec_nanosecond() == 0;
        civil.filter(|civil| text.contains('T') && is_whole(civil)).ok_or_else(|| {
            let message = "is not a date with a time to the minute; write it like 2027-06-01T09:00";
            D::Error::custom(format!("`{text}` {message}"))
        })
    }

    pub(crate) fn serialize<S: serde::Serializer>(
        civil: &DateTime,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        output.collect_str(&civil.strftime("%Y-%m-%dT%H:%M"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_and_at_most_one() {
        assert_eq!(share_text("20%"), Rational::new(1, 5));
        assert_eq!(share_text("0.2"), Rational::new(1, 5));
        assert_eq!(share::percent(Rational::new(1, 8).unwrap()), "12.5%");
        for text in ["101%", "1.5", "", "-1%", "many"] {
            assert_eq!(share_text(text), None, "{text} was accepted");
        }
    }
}
