//! Who looks after a service, on its card: the pager, reviews, and what the catalogue finds.

use flyball_model::Timestamp;

use crate::output::page::{Page, number, text};
use crate::output::words;

#[derive(Debug, serde::Deserialize)]
pub(super) struct Custody {
    holder: Option<String>,
    since: Timestamp,
    step: Option<String>,
    returns: Option<Timestamp>,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Review {
    checklist: String,
    version: u32,
    standing: Standing,
    opened: Timestamp,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Standing {
    standing: String,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Fault {
    sentence: String,
}

/// Who carries the pager, and what is to change about it.
pub(super) fn pager(custody: Option<&Custody>) -> String {
    let Some(Custody { holder, since, step, returns }) = custody else {
        return super::UNTOLD.to_owned();
    };
    let Some(holder) = holder else { return "nobody: the service is retired".to_owned() };
    let since = format!("{holder}, since {}", words::moment(*since));
    let step = step.as_ref().map(|step| format!("a step to {step} is proposed"));
    let returns = returns.map(words::moment);
    let returns = returns.map(|at| format!("it goes back to developers at {at}"));
    std::iter::once(since).chain(step).chain(returns).collect::<Vec<_>>().join("; ")
}

/// Where reality has left what was chosen for its support.
pub(super) fn drifted(page: &mut Page, drifted: &[String]) {
    if !drifted.is_empty() {
        page.say("Reality has left what was chosen for its support:");
        page.list(drifted.iter().cloned());
    }
}

/// Reviews and what the catalogue finds.
pub(super) fn reviews(page: &mut Page, reviews: &[Review], faults: &[Fault]) {
    if reviews.is_empty() {
        page.say("No review was opened yet.");
    } else {
        let rows = reviews.iter().map(|of| {
            let Review { checklist, version, standing, opened } = of;
            let standing = standing.standing.replace('_', " ");
            [checklist.clone(), version.to_string(), standing, words::moment(*opened)]
        });
        let columns = [text("Checklist"), number("Version"), text("Stands"), text("Opened")];
        page.table(columns, rows);
    }
    page.list(faults.iter().map(|fault| fault.sentence.clone()));
}
