//! Pages of our own as incidents: for whoever tells of none by other means.

use std::collections::BTreeMap;

use flyball_model::{Incident, Severity, Timestamp};

use crate::alert::{Alert, TransitionKind};

/// `incidents` with what alerts that paged somebody know of them.
///
/// Pages of a service that overlap are one trouble. It belongs to the incident of the service that
/// overlaps it, of which it fills in what nobody has said; where there is none it is an incident of its
/// own, called `alert:` and the number of its first alert. `pages` are alerts that called somebody, each with
/// the moment at which it did first: [`Desk::paged`](crate::alert::Desk::paged).
pub fn with_pages<'a>(
    mut incidents: Vec<Incident>,
    pages: impl IntoIterator<Item = &'a (Alert, Timestamp)>,
) -> Vec<Incident> {
    let mut of_services: BTreeMap<&str, Vec<Incident>> = BTreeMap::new();
    for (alert, called) in pages {
        let troubles = of_services.entry(&alert.subject.service).or_default();
        troubles.push(trouble(alert, *called));
    }
    for (service, mut troubles) in of_services {
        troubles.sort_by_key(|trouble| (trouble.opened(), trouble.detected));
        let mut joined: Vec<Incident> = Vec::new();
        for trouble in troubles {
            match joined.last_mut() {
                Some(last) if overlap(last, &trouble) => join(last, &trouble),
                _ => joined.push(trouble),
            }
        }
        for trouble in joined {
            let is_it = |incident: &&mut Incident| {
                incident.service.as_deref() == Some(service) && overlap(incident, &trouble)
            };
            match incidents.iter_mut().find(is_it) {
                Some(known) => fill(known, &trouble),
                None => incidents.push(trouble),
            }
        }
    }
    incidents
}

/// The incident that an alert tells of which called somebody at `called`. What burned for days before that, and
/// led to a ticket, is no part of it.
pub(crate) fn trouble(alert: &Alert, called: Timestamp) -> Incident {
    let paging = alert.pairs.iter().filter(|pair| pair.severity == Severity::Page);
    let onset = paging.map(|pair| pair.onset).min();
    let acknowledged = alert.acknowledged.as_ref().map(|by| by.at).filter(|at| *at >= called);
    Incident {
        service: Some(alert.subject.service.clone()),
        summary: Some(format!("{} paged", alert.subject.slo)),
        started: Some(onset.map_or(called, |onset| onset.min(called))),
        detected: Some(called),
        acknowledged,
        resolved: let_go(alert).or(alert.resolved),
        ..Incident::new(format!("alert:{}", alert.id))
    }
}

/// When a page was none any more, for good: a ticket that is left of it wakes nobody.
fn let_go(alert: &Alert) -> Option<Timestamp> {
    use TransitionKind as Kind;
    alert.transitions.iter().fold(None, |let_go, step| match step.kind {
        Kind::Fired | Kind::Escalated => None,
        Kind::Eased | Kind::Resolved => let_go.or(Some(step.at)),
        Kind::Pending | Kind::Acknowledged | Kind::Unsilenced | Kind::Called => let_go,
    })
}

fn overlap(one: &Incident, other: &Incident) -> bool {
    let end = |of: &Incident| of.resolved.unwrap_or(Timestamp::MAX);
    let (Some(from), Some(since)) = (one.opened(), other.opened()) else { return false };
    from <= end(other) && since <= end(one)
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Joins two troubles: the first signs of both, and the end of the last.
fn join(known: &mut Incident, other: &Incident) {
    known.started = earlier(known.started, other.started);
    known.detected = earlier(known.detected, other.detected);
    known.acknowledged = earlier(known.acknowledged, other.acknowledged);
    known.resolved = known.resolved.zip(other.resolved).map(|(one, two)| one.max(two));
}

/// Fills in what nobody has said of an incident. Whoever noticed first noticed it; what people say of its
/// beginning and its end stands.
fn fill(known: &mut Incident, page: &Incident) {
    known.started = known.started.or(page.started);
    known.detected = earlier(known.detected, page.detected);
    known.acknowledged = known.acknowledged.or(page.acknowledged);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_seconds(minute * 60)
    }

    fn alert(id: u64, severity: &str, (onset, fired, resolved): (i64, i64, Option<i64>)) -> Alert {
        let pair = json!({
            "rule": "page-1h", "severity": severity, "start": at(fired), "end": resolved.map(at),
            "onset": at(onset), "valid": 10, "good": 0, "bad": 10, "factor": null, "burn": 1.0,
            "burn_peak": 1.0, "spent_in_lookback": 0.1, "spent_in_window": null,
        });
        let alert = json!({
            "id": id,
            "subject": {"service": "shop", "slo": "answered", "objective": 0, "slice": null},
            "state": "resolved", "severity": severity, "severity_max": severity,
            "opened": at(fired), "fired": at(fired), "resolved": resolved.map(at), "pairs": [pair],
            "acknowledged": {"who": "bo", "at": at(fired + 1), "note": null},
            "facts": crate::alert::Facts::default(), "transitions": [],
        });
        serde_json::from_value(alert).unwrap()
    }

    #[test]
    fn pages_that_overlap_are_one_incident() {
        let alerts = [
            (alert(2, "page", (12, 15, Some(20))), at(15)),
            (alert(1, "page", (10, 14, Some(30))), at(14)),
            (alert(3, "page", (40, 41, None)), at(41)),
        ];
        let found = with_pages(Vec::new(), &alerts);
        let moments = |one: &Incident| (one.started, one.detected, one.acknowledged, one.resolved);
        assert_eq!(found.len(), 2, "{found:#?}");
        let first = (Some(at(10)), Some(at(14)), Some(at(15)), Some(at(30)));
        assert_eq!((found[0].id.as_str(), moments(&found[0])), ("alert:1", first));
        assert_eq!(moments(&found[1]), (Some(at(40)), Some(at(41)), Some(at(42)), None));
    }

    #[test]
    fn of_a_ticket_that_became_a_page_the_page_is_the_incident() {
        let mut alert = alert(1, "ticket", (10, 20, None));
        let mut page = alert.pairs[0].clone();
        (page.severity, page.onset) = (Severity::Page, at(95));
        alert.pairs.push(page);
        let steps = json!([
            {"number": 1, "at": at(20), "kind": "fired", "severity": "ticket"},
            {"number": 2, "at": at(100), "kind": "escalated", "severity": "page"},
            {"number": 3, "at": at(130), "kind": "eased", "severity": "ticket"},
        ]);
        alert.transitions = serde_json::from_value(steps).unwrap();
        let found = with_pages(Vec::new(), &[(alert, at(100))]);
        let Incident { started, detected, acknowledged, resolved, .. } = found[0].clone();
        assert_eq!((started, detected), (Some(at(95)), Some(at(100))));
        assert_eq!((acknowledged, resolved), (None, Some(at(130))), "the ticket was taken on");
    }

    #[test]
    fn an_incident_that_was_told_of_stands_and_is_filled_in() {
        let told = Incident {
            service: Some("shop".to_owned()),
            detected: Some(at(16)),
            resolved: Some(at(25)),
            ..Incident::new("INC-1".to_owned())
        };
        let page = [(alert(1, "page", (10, 14, Some(30))), at(14))];
        let found = with_pages(vec![told.clone()], &page);
        assert_eq!(found.len(), 1, "{found:#?}");
        let Incident { started, detected, acknowledged, resolved, .. } = found[0].clone();
        assert_eq!((started, detected), (Some(at(10)), Some(at(14))));
        assert_eq!((acknowledged, resolved), (Some(at(15)), Some(at(25))));
        let other = Incident { service: Some("bank".to_owned()), ..told };
        assert_eq!(with_pages(vec![other], &page).len(), 2);
    }
}
