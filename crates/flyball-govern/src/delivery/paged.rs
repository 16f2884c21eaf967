//! What an alert that paged somebody knows of an incident.

use flyball_model::{Incident, Severity, Timestamp};

use crate::alert::{Alert, TransitionKind};

/// The incident that an alert tells of which called somebody at `called`. What burned for days before that, and
/// led to a ticket, is no part of it.
pub(crate) fn trouble(alert: &Alert, called: Timestamp) -> Incident {
    let paging = alert.pairs.iter().filter(|pair| pair.severity == Severity::Page);
    let onset = paging.map(|pair| alert.onset(pair)).min();
    let acknowledged = alert.acknowledged.as_ref().map(|by| by.at).filter(|at| *at >= called);
    let started = onset.map_or(called, |onset| onset.min(called));
    let resolved = let_go(alert).or(alert.resolved);
    Incident {
        service: Some(alert.subject.service.clone()),
        summary: Some(format!("{} paged", alert.subject.slo)),
        started: Some(started),
        detected: Some(called),
        acknowledged,
        mitigated: resolved.and_then(|end| Some(last_bad(alert)?.clamp(started, end.max(started)))),
        resolved,
        ..Incident::new(format!("alert:{}", alert.id))
    }
}

/// The end of the last slot that was bad beyond what its pages allow, once all have let go; `None` where the one that let go
/// last knows of none.
fn last_bad(alert: &Alert) -> Option<Timestamp> {
    let paging = alert.pairs.iter().filter(|pair| pair.severity == Severity::Page);
    let ended: Option<Vec<_>> = paging.map(|pair| Some((pair.end?, pair.spell_end))).collect();
    let ended = ended?;
    let (_, of_last) = ended.iter().max_by_key(|(end, _)| *end)?;
    (*of_last)?;
    ended.iter().filter_map(|(_, last)| *last).max()
}

/// When a page was none any more, for good: a ticket that is left of it wakes nobody.
fn let_go(alert: &Alert) -> Option<Timestamp> {
    use TransitionKind as Kind;
    alert.transitions.iter().fold(None, |let_go, step| match step.kind {
        Kind::Fired | Kind::Escalated => None,
        Kind::Eased | Kind::Resolved => let_go.or(Some(step.at)),
        Kind::Pending | Kind::Acknowledged | Kind::Unsilenced | Kind::Called | Kind::Unanswered => {
            let_go
        }
    })
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
        let Incident { started, detected, acknowledged, resolved, .. } = trouble(&alert, at(100));
        assert_eq!((started, detected), (Some(at(95)), Some(at(100))));
        assert_eq!((acknowledged, resolved), (None, Some(at(130))), "the ticket was taken on");
    }
}
