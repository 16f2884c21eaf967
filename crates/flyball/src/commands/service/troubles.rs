//! What is wrong with a service now: alerts, incidents, and post-mortems that are due.

use flyball_model::Timestamp;

use super::{Again, Alert, Broken, Card, Due};
use crate::output::page::Page;
use crate::output::words;

/// An alert in a line: since when, whether anybody is told, and who has it.
fn alert(alert: &Alert) -> String {
    let Alert { id, slo, slice, state, severity, opened, since, .. } = alert;
    let slice = slice.as_ref().map_or_else(String::new, |slice| format!(", {slice}"));
    let who = match &alert.acknowledged {
        Some(by) => format!("{} has it", by.who),
        None if alert.unanswered => {
            "unanswered: nobody has taken it on, and nobody is left to call".to_owned()
        }
        None => "nobody has taken it on".to_owned(),
    };
    let silences = alert.silences.iter().map(|of| {
        let until = words::moment(of.until);
        format!("; silent until {until} at the latest by silence {} ({})", of.id, of.why)
    });
    let silences: String = silences.collect();
    let since = words::moment(since.unwrap_or(*opened));
    format!("alert {id}: {severity} of {slo}{slice}, {state} since {since}{silences}; {who}")
}

pub(super) fn troubles(page: &mut Page, card: &Card) {
    if let Some(problem) = &card.spent_problem {
        page.say(format!("What spent its budgets cannot be told: {problem}"));
    }
    let nothing = card.alerts.is_empty() && card.incidents.is_empty() && card.drills.is_empty();
    if nothing && card.post_mortems.is_empty() {
        page.say("Nothing fires, and no incident is known to last.");
        return;
    }
    let alerts = card.alerts.iter().map(alert);
    let incidents = card.incidents.iter().map(|incident| {
        let summary = incident.summary.as_deref().unwrap_or("without a summary");
        format!("incident {}: {summary}", incident.id)
    });
    let due = card.post_mortems.iter().filter(|due| !due.is_published).map(|due| {
        let Due { slo, share, by, is_late, .. } = due;
        let late = if *is_late { ", which is over" } else { "" };
        let by = by.map(|at| format!(" by {}{late}", words::moment(at))).unwrap_or_default();
        let share = share.trim_start_matches('≈').parse::<f64>().map_or(share.clone(), |share| {
            words::percent(share)
        });
        match (&due.incident, &due.class) {
            (None, Some(class)) => {
                let until = due.demanded.map(|at| format!(" that ended {}", words::moment(at)));
                format!(
                    "outages of the class {class} spent {share} of the budget of {slo} in the 90 days{}: a P0 in a \
                     published post-mortem of one is due",
                    until.unwrap_or_default()
                )
            }
            (incident, _) => format!(
                "{} is due{by}: {} {}",
                due.again.as_ref().map_or_else(|| "a post-mortem".to_owned(), Again::words),
                incident.as_deref().unwrap_or("an incident"),
                spent(&share, slo, due.demanded)
            ),
        }
    });
    let drills = card.drills.iter().map(|of| {
        let Broken { key, drill, service, slo, since, dose } = of;
        let begun = match since {
            Some(since) => format!("breaks {service} on purpose since {}", words::moment(*since)),
            None => format!("is about to break {service} on purpose"),
        };
        let dose = words::plural(*dose, "bad event", "bad events");
        format!("drill {drill}: {begun}; it may spend {dose} of {slo}, and `flyball drill stop {key}` ends it")
    });
    page.list(drills.chain(alerts).chain(incidents).chain(due));
}

/// What was spent of a budget, and of which window.
pub(in crate::commands) fn spent(share: &str, slo: &str, demanded: Option<Timestamp>) -> String {
    match demanded {
        Some(at) => {
            let at = words::moment(at);
            format!(
                "had spent {share} of the budget of {slo} when that was demanded, in the window that ended {at}"
            )
        }
        None => {
            format!("has spent {share} of the budget of {slo} so far, in the window that ends now")
        }
    }
}
