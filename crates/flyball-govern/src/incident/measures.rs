//! How soon incidents are detected, acknowledged, mitigated and resolved.
//!
//! - *to detect* is from the start to the detection;
//! - *to acknowledge* is from the detection to the acknowledgement;
//! - *to mitigate* is from the start to the mitigation, or the end where nobody mitigated before;
//! - *to resolve* is from the start to the end. Of the things that "MTTR" may mean this is the one.
//!
//! False alarms are counted beside and measured nowhere. What is not known is left out and counted.

use std::collections::BTreeMap;

use flyball_model::{Duration, Incident, Interval, Timestamp};

use super::distribution::{Distribution, Lasting};
use super::record::{FalseAlarmCause, IncidentRecord};

/// One of the measures.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Measure {
    /// How the lengths are spread; `None` when there is none.
    pub lengths: Option<Distribution>,
    /// Incidents that have not come so far.
    pub lasting: Option<Lasting>,
    /// Incidents of which a moment is not known, or whose moments are in the wrong order; they are left out.
    pub unknown: u64,
}

/// How incidents went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct IncidentMeasures {
    /// The time in which they began.
    pub during: Interval,
    /// How many there were, false alarms left out.
    pub incidents: u64,
    /// How many alarms were false, by why they were.
    pub false_alarms: BTreeMap<FalseAlarmCause, u64>,
    /// From the start to the detection.
    pub detect: Measure,
    /// From the detection to the acknowledgement.
    pub acknowledge: Measure,
    /// From the start to users no longer being hit.
    pub mitigate: Measure,
    /// From the start to the end.
    pub resolve: Measure,
}

/// Measures the incidents that began `during` a time, as it is known at `now`. An incident begins when it started,
/// else with the first moment that is known of it.
pub fn measures<'a>(
    records: impl IntoIterator<Item = &'a IncidentRecord>,
    during: Interval,
    now: Timestamp,
) -> IncidentMeasures {
    let began = |incident: &Incident| incident.started.or_else(|| incident.opened());
    let records = records.into_iter();
    let records: Vec<&IncidentRecord> = records
        .filter(|record| began(&record.incident).is_some_and(|at| during.contains(at)))
        .collect();
    let mut false_alarms = BTreeMap::new();
    for alarm in records.iter().filter_map(|record| record.false_alarm.as_ref()) {
        *false_alarms.entry(alarm.cause).or_default() += 1;
    }
    let real = records.into_iter().filter(|record| record.false_alarm.is_none());
    let incidents: Vec<&Incident> = real.map(|record| &record.incident).collect();
    let measure = |from: fn(&Incident) -> Option<Timestamp>,
                   to: fn(&Incident) -> Option<Timestamp>| {
        let (mut lengths, mut lasting, mut unknown) = (Vec::new(), Vec::new(), 0);
        for incident in &incidents {
            match (from(incident), to(incident)) {
                (Some(from), Some(to)) if from <= to => lengths.push(to.since(from)),
                // What is over will never come so far.
                (Some(from), None) if incident.resolved.is_none() => lasting.push(from),
                _ => unknown += 1,
            }
        }
        Measure { lengths: Distribution::of(lengths), lasting: Lasting::of(&lasting, now), unknown }
    };
    IncidentMeasures {
        during,
        incidents: incidents.len() as u64,
        false_alarms,
        detect: measure(|of| of.started, |of| of.detected),
        acknowledge: measure(|of| of.detected, |of| of.acknowledged),
        mitigate: measure(|of| of.started, Incident::served_again),
        resolve: measure(|of| of.started, |of| of.resolved),
    }
}

impl Measure {
    /// The mean, of what has ended; `None` of nothing.
    pub fn mean(&self) -> Option<Duration> {
        self.lengths.as_ref().map(|lengths| lengths.mean)
    }
}
