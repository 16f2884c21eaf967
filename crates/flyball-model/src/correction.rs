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

impl Correction {
    /// Whether it applies to the SLO called `slo`.
    pub fn is_for(&self, slo: &str) -> bool {
        self.slos.is_empty() || self.slos.iter().any(|own| own == slo)
    }
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

/// The starts of the occurrences of a recurring schedule, from the first on, without an end unless
/// the rule has one.
///
/// # Errors
///
/// What is wrong with the rule, with what to do: it does not parse as RFC 5545 has it, repeats more
/// often than hourly, never repeats, ends in two ways, or is expanded in a zone without a name.
pub fn recurrence(
    start: jiff::civil::DateTime,
    zone: &jiff::tz::TimeZone,
    rule: &str,
) -> Result<rrule::RRuleSet, String> {
    let upper = rule.to_ascii_uppercase();
    if upper.contains("FREQ=SECONDLY") || upper.contains("FREQ=MINUTELY") {
        let reason = "it repeats more often than hourly; hint: use FREQ=HOURLY or a longer length";
        return Err(reason.to_owned());
    }
    let zone_name = match zone.iana_name() {
        Some(name) => name,
        None if *zone == jiff::tz::TimeZone::UTC => "UTC",
        None => {
            return Err("its zone has no IANA name; hint: name one like Europe/Berlin".to_owned());
        }
    };
    let text =
        format!("DTSTART;TZID={zone_name}:{}\nRRULE:{rule}", start.strftime("%Y%m%dT%H%M%S"));
    let set: rrule::RRuleSet = text.parse().map_err(|error: rrule::RRuleError| {
        let reason = match error {
            rrule::RRuleError::ParserError(error) => error.to_string(),
            rrule::RRuleError::ValidationError(error) => error.to_string(),
            rrule::RRuleError::IterError(error) => error,
        };
        format!("{}; hint: see RFC 5545, section 3.3.10", reason.trim_end_matches('.'))
    })?;
    // Both are accepted by the parser: the one repeats nothing, the other is forbidden.
    for rule in set.get_rrule() {
        if rule.get_interval() == 0 {
            return Err("an INTERVAL of 0 never repeats; hint: write 1 or more".to_owned());
        }
        if rule.get_count().is_some() && rule.get_until().is_some() {
            return Err("COUNT and UNTIL exclude each other; hint: keep one of them".to_owned());
        }
    }
    Ok(set)
}
