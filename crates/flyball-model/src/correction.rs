//! Agreed exceptions to what is counted: maintenance, load tests, a dependency's outage.

use crate::time::{Duration, Interval};

/// One agreed exception, once or recurring.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// Its name; unique within what is loaded.
    pub name: String,
    /// The SLOs it applies to, by name; empty applies to all.
    pub slos: Vec<String>,
    /// When it applies.
    pub schedule: Schedule,
    /// What happens to the events inside.
    pub mode: CorrectionMode,
    /// The kind of reason, such as `maintenance`; free text kept short by convention.
    pub category: String,
    /// Who answers for it.
    pub author: String,
    /// Why, in a sentence.
    pub reason: Option<String>,
}

/// What a correction does to the events it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CorrectionMode {
    /// Takes the events out: neither valid nor good; the denominator shrinks.
    Drop,
    /// Leaves them valid and counts each as good.
    CountAsGood,
}

/// When a correction applies.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// One stretch of time.
    Once(Interval),
    /// Repeats by an RFC 5545 recurrence rule.
    Recurring {
        /// The first occurrence, as a wall clock reads in `zone`.
        start: jiff::civil::DateTime,
        /// The zone that the rule is expanded in.
        zone: jiff::tz::TimeZone,
        /// How long each occurrence lasts.
        length: Duration,
        /// The rule without `RRULE:`, such as `FREQ=WEEKLY;BYDAY=SU`.
        rule: String,
    },
}
