//! How incidents were met: detected, acknowledged, mitigated, resolved.

use flyball_model::{Duration, Incident, Timestamp};

use super::CAUSE_WITHIN;
use super::facts::Facts;
use super::spread::Spread;

/// How soon incidents were met. Each spread is `None` when no incident has both its moments.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Response {
    /// Incidents that began in the time measured.
    pub incidents: u64,
    /// Of those, the ones that last.
    pub open: u64,
    /// From the beginning to the first alert or report.
    pub detect: Option<Spread>,
    /// From the first alert or report to somebody taking it on.
    pub acknowledge: Option<Spread>,
    /// From the beginning to users no longer being hit.
    pub mitigate: Option<Spread>,
    /// From the beginning to the end.
    pub restore: Option<Spread>,
    /// Pairs of moments in the wrong order; left out.
    pub skewed: u64,
}

/// When an incident began: as it says, else when the change that it is put down to by name shipped,
/// else `None`. A change that is only near in time is no evidence of a beginning.
fn began(facts: &Facts<'_>, incident: &Incident) -> Option<Timestamp> {
    let named = || {
        incident.cause.as_ref()?;
        facts.history.cause(incident, CAUSE_WITHIN)?.shipped()
    };
    incident.started.or_else(named)
}

pub(super) fn response(facts: &Facts<'_>) -> Response {
    let mut skewed = 0;
    let mut length = |from: Option<Timestamp>, to: Option<Timestamp>| -> Option<Duration> {
        let (from, to) = from.zip(to)?;
        if to < from {
            skewed += 1;
            return None;
        }
        Some(to.since(from))
    };
    let (mut detect, mut acknowledge, mut mitigate, mut restore) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut incidents, mut open) = (0, 0);
    for incident in facts.incidents {
        let start = began(facts, incident);
        let Some(first) = start.or_else(|| incident.opened()) else { continue };
        if !facts.during.contains(first) {
            continue;
        }
        incidents += 1;
        if incident.resolved.is_none_or(|at| at > facts.now) {
            open += 1;
        }
        detect.extend(length(start, incident.detected));
        acknowledge.extend(length(incident.detected, incident.acknowledged));
        mitigate.extend(length(start, incident.served_again()));
        restore.extend(length(start, incident.resolved));
    }
    Response {
        incidents,
        open,
        detect: Spread::of(detect),
        acknowledge: Spread::of(acknowledge),
        mitigate: Spread::of(mitigate),
        restore: Spread::of(restore),
        skewed,
    }
}
