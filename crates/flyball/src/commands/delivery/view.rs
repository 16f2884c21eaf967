//! What is read of measures of delivery in an answer.

use flyball_model::Timestamp;
use serde::Deserialize;

use crate::output::words;

/// The answer of `GET /api/v1/delivery`.
#[derive(Debug, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) of: Whose,
    pub(crate) services: Vec<Accountable>,
    pub(crate) environment: String,
    pub(crate) measures: Measures,
    pub(crate) before: Stretch,
    pub(crate) trend: Trend,
    pub(crate) levels: Vec<Levels>,
    pub(crate) targets: Option<Targets>,
    pub(crate) met: Option<Seven>,
    pub(crate) periods: Vec<Measures>,
    pub(crate) outcomes: Vec<ServiceOutcome>,
    pub(crate) slos: Vec<String>,
    pub(crate) is_cut: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Whose {
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Accountable {
    pub(crate) service: String,
    pub(crate) who: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Stretch {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Measures {
    pub(crate) during: Stretch,
    pub(crate) frequency: Frequency,
    pub(crate) lead_time: LeadTime,
    pub(crate) availability: Availability,
    pub(crate) restore: Restore,
    pub(crate) lead_time_within_interval: String,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) change_failure: ChangeFailure,
    pub(crate) recovery: Recovery,
    pub(crate) rework: Rework,
    pub(crate) response: Response,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Frequency {
    pub(crate) deployments: u64,
    pub(crate) interval: Option<Length>,
    pub(crate) gaps: Option<Spread>,
    pub(crate) since_last: Option<Length>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LeadTime {
    pub(crate) commits: Option<Spread>,
    pub(crate) without_commits: u64,
    pub(crate) skewed: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Availability {
    pub(crate) observed: Length,
    pub(crate) unobserved: Length,
    pub(crate) lost: Length,
    pub(crate) rate: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Restore {
    pub(crate) outages: Option<Spread>,
    pub(crate) open: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChangeFailure {
    pub(crate) fates: Fates,
    pub(crate) rate: Option<Share>,
    pub(crate) at_least: Option<Share>,
    pub(crate) at_most: Option<Share>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Fates {
    pub(crate) undecided: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Recovery {
    pub(crate) deployments: Option<Spread>,
    pub(crate) open: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Rework {
    pub(crate) rate: Option<Share>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Response {
    pub(crate) incidents: u64,
    pub(crate) open: u64,
    pub(crate) detect: Option<Spread>,
    pub(crate) acknowledge: Option<Spread>,
    pub(crate) mitigate: Option<Spread>,
    pub(crate) restore: Option<Spread>,
}

/// The outcome of a time.
#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    pub(crate) spec: OutcomeSpec,
    pub(crate) value: f64,
}

/// The outcome that a service has chosen.
#[derive(Debug, Deserialize)]
pub(crate) struct OutcomeSpec {
    pub(crate) name: String,
    unit: String,
    pub(crate) of: String,
    better: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ServiceOutcome {
    pub(crate) service: String,
    pub(crate) outcome: OutcomeSpec,
    pub(crate) value: Option<f64>,
    pub(crate) points: u64,
    pub(crate) trend: String,
}

/// Lengths of time.
#[derive(Debug, Deserialize)]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) median: Length,
    pub(crate) p90: Length,
}

/// A share of a count.
#[derive(Debug, Deserialize)]
pub(crate) struct Share {
    pub(crate) of: u64,
    pub(crate) out_of: u64,
    #[serde(rename = "share")]
    pub(crate) part: f64,
    pub(crate) interval_95: [f64; 2],
}

/// A word for each measure that may have a target.
#[derive(Debug, Deserialize)]
pub(crate) struct Seven {
    pub(crate) interval: Option<String>,
    pub(crate) lead_time: Option<String>,
    pub(crate) availability: Option<String>,
    pub(crate) restore: Option<String>,
    pub(crate) change_failure: Option<String>,
    pub(crate) recovery: Option<String>,
    pub(crate) rework: Option<String>,
}

/// Which way each measure went.
pub(crate) type Trend = Seven;

/// What is to be reached, as the server writes it.
pub(crate) type Targets = Seven;

#[derive(Debug, Deserialize)]
pub(crate) struct Levels {
    pub(crate) frequency: Placed,
    pub(crate) lead_time: Placed,
    pub(crate) recovery: Placed,
    pub(crate) change_failure: Placed,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Placed {
    pub(crate) edition: String,
    #[serde(flatten)]
    pub(crate) answer: Answer,
    pub(crate) confirmed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    Level { level: String },
    Several { levels: Vec<String> },
    Between { better: Option<String>, worse: Option<String> },
    NotPublished,
    NotEnoughData,
}

impl Answer {
    /// The answer in a few words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Level { level } => level.clone(),
            Self::Several { levels } => levels.join(" or "),
            Self::Between { better: Some(better), worse: Some(worse) } => {
                format!("between {better} and {worse}")
            }
            Self::Between { better: Some(better), worse: None } => format!("worse than {better}"),
            Self::Between { better: None, worse: Some(worse) } => format!("better than {worse}"),
            Self::Between { better: None, worse: None } | Self::NotEnoughData => {
                "not enough data".to_owned()
            }
            Self::NotPublished => "not published".to_owned(),
        }
    }
}

/// A length of time, as the server writes it: a number and a unit.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Length(String);

impl Length {
    /// What a text says.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// In its two largest units; as it is where it cannot be read.
    pub(crate) fn words(&self) -> String {
        self.seconds().map_or_else(|| self.0.clone(), words::length)
    }

    /// In hours and minutes, below an hour in minutes and seconds: what is paid by the hour.
    pub(crate) fn in_hours(&self) -> String {
        let Some(seconds) = self.seconds().filter(|seconds| *seconds >= 3_599.5) else {
            return self.words();
        };
        let minutes = (seconds / 60.0).round();
        let (hours, rest) = ((minutes / 60.0).floor(), minutes % 60.0);
        let hours = format!("{} h", words::amount(hours));
        if rest > 0.0 { format!("{hours} {rest:.0} min") } else { hours }
    }

    fn seconds(&self) -> Option<f64> {
        let text = self.0.as_str();
        let (at, unit) = text.char_indices().next_back()?;
        let seconds = match unit {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3_600.0,
            'd' => 86_400.0,
            _ => return None,
        };
        text[..at].parse::<f64>().ok().map(|number| number * seconds)
    }
}

/// What nothing is known of.
pub(crate) const UNKNOWN: &str = "not enough data";

impl OutcomeSpec {
    /// A value with its unit.
    pub(crate) fn amount(&self, value: f64) -> String {
        format!("{} {}", words::amount(value), self.unit)
    }

    /// What it is, and what is wanted of it.
    pub(crate) fn words(&self) -> String {
        let Self { name, of, better, .. } = self;
        format!("{name}, the {of} of each time; {better} is better")
    }
}

impl Spread {
    /// Median, ninth decile, and of how many.
    pub(crate) fn words(&self, one: &str, many: &str) -> String {
        let of = words::plural(self.count, one, many);
        format!("{} at the median, {} for 90 %, of {of}", self.median.words(), self.p90.words())
    }
}

impl Share {
    /// The share with its counts and the interval that holds the true one.
    pub(crate) fn words(&self) -> String {
        let Self { of, out_of, part, interval_95: [low, high] } = self;
        format!(
            "{}: {} of {} ({} to {} with 95 %)",
            words::percent(*part),
            words::count(*of),
            words::count(*out_of),
            words::percent(*low),
            words::percent(*high)
        )
    }
}

/// A word of the server's for people.
pub(crate) fn plain(word: Option<&String>) -> String {
    word.map_or_else(|| "–".to_owned(), |word| word.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_the_server_writes_them() {
        for (text, words) in [
            ("28d", "28 d"),
            ("93784s", "1 d 2 h"),
            ("90m", "1 h 30 min"),
            ("0.250s", "0 s"),
            ("soon", "soon"),
            ("", ""),
        ] {
            assert_eq!(Length(text.to_owned()).words(), words, "{text}");
        }
    }
}
