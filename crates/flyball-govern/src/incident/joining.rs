//! What other systems tell of an incident, joined with what is kept of it.

use flyball_model::{Incident, Timestamp};

use super::opening::{AGAIN_WITHIN, fitting};
use super::record::{IncidentRecord, Moment, Opened};

impl IncidentRecord {
    /// Takes in what another system tells of it. What people have corrected stands.
    pub fn told(&mut self, told: Incident) {
        let before = self.incident.clone();
        let is_said = told.mitigated.is_some();
        if self.is_by_ledger && is_said && told.id == self.incident.id {
            (self.incident.mitigated, self.is_by_ledger) = (None, false);
        }
        if !self.incident.merge(told) {
            return;
        }
        let is_corrected = |field: &str| self.edits.iter().any(|edit| edit.field == field);
        for moment in Moment::ALL.into_iter().filter(|moment| is_corrected(moment.name())) {
            *moment.of_mut(&mut self.incident) = moment.of(&before);
        }
        if is_corrected("cause") {
            self.incident.cause = before.cause;
        }
        fitting(&mut self.incident, &mut self.is_by_ledger);
    }

    /// Goes on under the id under which another system tells of it: what that says stands, and what it does not say is
    /// filled in. Answers what stays under the old id.
    #[must_use]
    pub fn renamed(&mut self, told: Incident, system: &str) -> Self {
        let old = std::mem::replace(&mut self.incident, told);
        let stays = Incident { service: old.service.clone(), ..Incident::new(old.id.clone()) };
        let incident = &mut self.incident;
        incident.started = incident.started.or(old.started);
        incident.detected = incident.detected.into_iter().chain(old.detected).min();
        incident.acknowledged = incident.acknowledged.or(old.acknowledged);
        let is_said = incident.mitigated.is_some();
        incident.mitigated = incident.mitigated.or(old.mitigated);
        // What the ledger says is said of an end that is known.
        self.is_by_ledger = self.is_by_ledger && !is_said;
        fitting(incident, &mut self.is_by_ledger);
        incident.environment = incident.environment.take().or(old.environment);
        incident.cause = incident.cause.take().or(old.cause);
        let opened = Opened::ByMessage { system: system.to_owned() };
        let opened = std::mem::replace(&mut self.opened, opened);
        Self { known_as: Some(self.incident.id.clone()), ..Self::new(stays, opened, self.recorded) }
    }

    /// Whether something that went from `from` to `to`, or lasts, is of its time: it overlaps it, or began within
    /// [`AGAIN_WITHIN`] after its end.
    pub fn is_around(&self, (from, to): (Timestamp, Option<Timestamp>)) -> bool {
        let began = self.incident.opened().unwrap_or(self.recorded);
        let end = self.incident.resolved;
        to.is_none_or(|to| began <= to) && end.is_none_or(|end| from <= end.plus(AGAIN_WITHIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::By;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_seconds(minute * 60)
    }

    fn paged() -> IncidentRecord {
        let incident = Incident {
            service: Some("shop".to_owned()),
            started: Some(at(10)),
            detected: Some(at(14)),
            acknowledged: Some(at(15)),
            resolved: Some(at(30)),
            ..Incident::new("alert:1".to_owned())
        };
        IncidentRecord::new(incident, Opened::ByAlerts { alerts: vec![1] }, at(14))
    }

    #[test]
    fn what_another_system_says_stands_and_is_filled_in() {
        let mut record = paged();
        let told = Incident {
            service: Some("shop".to_owned()),
            detected: Some(at(16)),
            resolved: Some(at(25)),
            ..Incident::new("INC-1".to_owned())
        };
        let stays = record.renamed(told, "devlake");
        let Incident { started, detected, acknowledged, resolved, .. } = &record.incident;
        assert_eq!((*started, *detected), (Some(at(10)), Some(at(14))));
        assert_eq!((*acknowledged, *resolved), (Some(at(15)), Some(at(25))));
        assert_eq!(record.opened, Opened::ByMessage { system: "devlake".to_owned() });
        assert_eq!(stays.known_as.as_deref(), Some("INC-1"));
        assert_eq!((stays.incident.id.as_str(), stays.counts()), ("alert:1", false));
        assert!(record.counts() && !stays.lasts());
    }

    #[test]
    fn what_people_have_corrected_stands_against_later_messages() {
        let mut record = paged();
        let by = By { who: "ada", at: at(60), why: "users say so" };
        record.set(Moment::Started, Some(at(12)), by).unwrap();
        let again = Incident {
            started: Some(at(5)),
            resolved: Some(at(40)),
            cause: Some("release-1".to_owned()),
            ..Incident::new("alert:1".to_owned())
        };
        record.told(again);
        let Incident { started, resolved, cause, .. } = &record.incident;
        assert_eq!((*started, *resolved), (Some(at(12)), Some(at(40))));
        assert_eq!(cause.as_deref(), Some("release-1"));
        record.put_down_to("", by).unwrap();
        record.told(Incident {
            cause: Some("release-1".to_owned()),
            ..Incident::new("alert:1".to_owned())
        });
        assert_eq!(record.incident.cause, None);
    }

    #[test]
    fn an_old_alert_is_none_of_a_later_incident() {
        let record = paged();
        assert!(record.is_around((at(20), None)));
        assert!(record.is_around((at(60), Some(at(61)))), "it was not over");
        assert!(!record.is_around((at(61), None)));
        assert!(!record.is_around((at(5), Some(at(9)))));
    }
}
