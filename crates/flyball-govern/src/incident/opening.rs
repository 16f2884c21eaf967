//! Which alerts open an incident, which belong to one, and what they say of its moments.
//!
//! An alert that calls somebody opens an incident of its service, unless one is open, or was over only a short while
//! ago: then it belongs to that one. What alerts know of its moments is filled in where nobody has said it; what
//! people say stands.

use flyball_model::{Duration, Incident, Severity, Timestamp};

use super::record::{By, Calm, Edit, IncidentRecord, LIST_MAX, Moment, Opened};
use crate::SERVER;
use crate::alert::{Alert, Paged};
use crate::delivery::trouble;

/// For how long after the end of an incident an alert of its service belongs to it: it was not over.
pub const AGAIN_WITHIN: Duration = Duration::from_minutes(30);

/// What an alert that called somebody means for incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It opens one.
    Opens(Box<IncidentRecord>),
    /// It belongs to one.
    Joins {
        /// Which.
        id: String,
    },
}

/// What `alert`, which first called somebody at `called`, means for `records`: of several that it may belong to, the one
/// that was recorded last. False alarms take no alerts, and an alert of a slice belongs to its service.
pub fn open(records: &[IncidentRecord], alert: &Alert, called: Timestamp) -> Opening {
    let number = alert.id;
    let knows = |record: &IncidentRecord| matches!(&record.opened, Opened::ByAlerts { alerts } if alerts.contains(&number));
    let incident = trouble(alert, called);
    let is_of = |record: &&IncidentRecord| {
        record.known_as.is_none()
            && (knows(record)
                || record.false_alarm.is_none()
                    && record.is_around((called, incident.resolved))
                    && record.all_services().contains(&alert.subject.service.as_str()))
    };
    let last = records.iter().filter(is_of).max_by_key(|record| (knows(record), record.recorded));
    if let Some(record) = last {
        return Opening::Joins { id: record.incident.id.clone() };
    }
    let opened = Opened::ByAlerts { alerts: vec![number] };
    // What the ledger says of its mitigation is taken once all that belongs to it is known.
    let incident = Incident { mitigated: None, ..incident };
    Opening::Opens(Box::new(IncidentRecord::new(incident, opened, called)))
}

/// Takes what `alerts` know of an incident into its record; whether anything changed.
///
/// Who noticed first noticed it. Its beginning, its acknowledgement and, once none of them fires any more, its end and when
/// users were no longer hit are taken where nobody has said or corrected them; an end that only alerts told of goes away when one of them fires
/// again. When one of them calls somebody again, what people said before of the end is taken back.
pub fn follow(record: &mut IncidentRecord, alerts: &[Paged]) -> bool {
    let before = record.clone();
    come_back(record, alerts);
    if let Opened::ByAlerts { alerts: known } = &mut record.opened {
        for Paged { alert, .. } in alerts {
            if !known.contains(&alert.id) && known.len() < LIST_MAX {
                known.push(alert.id);
            }
        }
    }
    let edits = &record.edits;
    let said = |moment: Moment| {
        last_edit(edits, moment).is_some_and(|edit| edit.who != SERVER)
            || matches!(before.opened, Opened::ByHand { .. } | Opened::ByMessage { .. })
                && moment.of(&before.incident).is_some()
    };
    let troubles: Vec<_> = alerts.iter().map(|of| trouble(&of.alert, of.first)).collect();
    let incident = &mut record.incident;
    let first = |moments: &mut dyn Iterator<Item = Option<Timestamp>>| moments.flatten().min();
    if !said(Moment::Detected) {
        let called = first(&mut troubles.iter().map(|of| of.detected));
        incident.detected = incident.detected.into_iter().chain(called).min();
    }
    let detected = incident.detected;
    if !said(Moment::Started) {
        let started = first(&mut troubles.iter().map(|of| of.started));
        let started = incident.started.into_iter().chain(started).min();
        // Somebody may have noticed before the counts show it.
        incident.started = started.map(|at| detected.map_or(at, |detected| at.min(detected)));
    }
    if !said(Moment::Acknowledged) {
        let taken = first(&mut troubles.iter().map(|of| of.acknowledged));
        let taken = taken.filter(|at| detected.is_none_or(|detected| *at >= detected));
        incident.acknowledged = incident.acknowledged.or(taken);
    }
    if !said(Moment::Resolved) && matches!(record.opened, Opened::ByAlerts { .. }) {
        let ends: Option<Vec<Timestamp>> = troubles.iter().map(|of| of.resolved).collect();
        let end = ends.and_then(|ends| ends.into_iter().max());
        let mitigated = incident.mitigated.filter(|_| !record.is_by_ledger);
        let last = incident.acknowledged.max(mitigated).max(incident.detected);
        incident.resolved = end.map(|end| last.map_or(end, |last| end.max(last)));
    }
    if !said(Moment::Mitigated) && matches!(record.opened, Opened::ByAlerts { .. }) {
        by_ledger(record, &troubles);
    }
    let paged = alerts.iter().map(|of| of.last).max();
    let was_over = over(&before);
    if let (Some(at), Some((over, calm))) = (paged, was_over)
        && at > over
        && (record.incident.mitigated.is_none() || record.is_by_ledger)
        && record.incident.resolved.is_none_or(|end| end >= at)
        && record.came_back.last().is_none_or(|known| *known < at)
    {
        record.came_back.push(at);
        record.calm.push(Calm { from: calm, to: begins_again(alerts, (calm, at)) });
        if record.came_back.len() > LIST_MAX {
            record.came_back.remove(0);
        }
        if record.calm.len() > LIST_MAX {
            record.calm.remove(0);
        }
    }
    if let Some(back) = record.came_back.last() {
        let taken = troubles.iter().filter_map(|of| of.acknowledged).filter(|at| at >= back);
        record.taken_again = record.taken_again.filter(|at| at >= back).or(taken.min());
    }
    *record != before
}

/// Takes from alerts when users were no longer hit, once all of them have let go: the latest end of a slot that was bad beyond
/// what a page allows. It is known then, and no look changes it.
fn by_ledger(record: &mut IncidentRecord, troubles: &[Incident]) {
    let ends: Option<Vec<Timestamp>> = troubles.iter().map(|of| of.mitigated).collect();
    let incident = &mut record.incident;
    if incident.mitigated.is_some() && !record.is_by_ledger {
        return;
    }
    incident.mitigated = ends.and_then(|ends| ends.into_iter().max());
    record.is_by_ledger = incident.mitigated.is_some();
    fitting(incident, &mut record.is_by_ledger);
}

/// From when on an incident was over, and users were no longer hit: what calls somebody after the first came back. Where
/// only the ledger says when users were no longer hit, pages still fired then.
fn over(record: &IncidentRecord) -> Option<(Timestamp, Timestamp)> {
    let served = record.incident.served_again()?;
    let over = if record.is_by_ledger { record.incident.resolved? } else { served };
    Some((over, served))
}

/// Takes what the ledger says of the mitigation of an incident back where it does not fit what is said of its other moments: one
/// that is not over is not mitigated, unless somebody says so.
pub(super) fn fitting(incident: &mut Incident, is_by_ledger: &mut bool) {
    let Incident { started, mitigated, resolved, .. } = *incident;
    let fits = resolved.is_some() && started <= mitigated && mitigated <= resolved;
    if *is_by_ledger && !fits {
        (incident.mitigated, *is_by_ledger) = (None, false);
    }
}

/// The last correction of a moment.
fn last_edit(edits: &[Edit], moment: Moment) -> Option<&Edit> {
    edits.iter().rfind(|edit| edit.field == moment.name())
}

/// When what called somebody `at` a moment began, after the incident had been `over`.
fn begins_again(alerts: &[Paged], (over, at): (Timestamp, Timestamp)) -> Timestamp {
    let pairs = alerts.iter().flat_map(|Paged { alert, .. }| {
        let paging = alert.pairs.iter().filter(|pair| pair.severity == Severity::Page);
        paging.map(|pair| alert.onset(pair))
    });
    pairs.filter(|onset| over <= *onset && *onset <= at).min().unwrap_or(at)
}

/// Takes back what people said of the end of an incident before an alert of it called somebody again: what they say
/// after that stands, and so does what another system says of an incident of its own.
fn come_back(record: &mut IncidentRecord, alerts: &[Paged]) {
    let Some(paged) = alerts.iter().map(|of| of.last).max() else { return };
    if matches!(record.opened, Opened::ByMessage { .. }) {
        return;
    }
    for moment in [Moment::Resolved, Moment::Mitigated] {
        let last = last_edit(&record.edits, moment);
        let is_said = last.is_some_and(|edit| edit.who != SERVER && edit.at < paged);
        if is_said && moment.of(&record.incident).is_some_and(|at| at < paged) {
            let by = By { who: SERVER, at: paged, why: "an alert called somebody again" };
            // A record that takes no more corrections stays as it is.
            let _ = record.set(moment, None, by);
        }
    }
}
