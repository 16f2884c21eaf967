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

/// Who was chosen to run it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Chosen {
    at: Timestamp,
    model: String,
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

/// What hurts people who work on it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Friction {
    id: String,
    what: String,
    state: String,
    team: Option<String>,
    requirement: Option<String>,
    weight: Weight,
}

#[derive(Debug, serde::Deserialize)]
struct Weight {
    minutes: u64,
    times: u64,
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

/// Who runs it: as it was chosen last, else as its document says.
pub(super) fn run_by(chosen: Option<&Chosen>, said: Option<&String>) -> String {
    let Some(Chosen { at, model }) = chosen else { return super::told(said) };
    let other = said.filter(|said| *said != model);
    let other = other.map(|said| format!("; its document says {said}")).unwrap_or_default();
    format!("{model}, chosen at {}{other}", words::moment(*at))
}

/// Where reality has left what was chosen for its support.
pub(super) fn drifted(page: &mut Page, drifted: &[String]) {
    if !drifted.is_empty() {
        page.heading("Reality has left what was chosen for its support");
        page.list(drifted.iter().cloned());
    }
}

/// What the catalogue finds.
pub(super) fn faults(page: &mut Page, faults: &[Fault]) {
    if !faults.is_empty() {
        page.heading("What is wrong in the catalogue");
        page.list(faults.iter().map(|fault| fault.sentence.clone()));
    }
}

/// Reviews.
pub(super) fn reviews(page: &mut Page, reviews: &[Review]) {
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
}

/// What hurts people who work on it, and whose requirement that is.
pub(super) fn friction(page: &mut Page, all: &[Friction]) {
    if all.is_empty() {
        return;
    }
    page.heading("What hurts");
    page.list(all.iter().map(|of| {
        let Weight { minutes, times } = of.weight;
        let state = match (&of.team, &of.requirement) {
            (Some(team), Some(requirement)) => format!("required of {team}: {requirement}"),
            _ => of.state.clone(),
        };
        format!(
            "{}: {}, {}, {} and more in the last quarter; {state}",
            of.id,
            of.what,
            words::plural(times, "time", "times"),
            words::plural(minutes, "minute", "minutes")
        )
    }));
}
