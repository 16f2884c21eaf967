//! `flyball incident show` and `runbooks`: one incident on a page.

use flyball_model::Timestamp;
use serde_json::{Value, json};

use super::path;
use crate::commands::review::{People, called};
use crate::commands::service::{Again, spent};
use crate::commands::{Document, document};
use crate::output::page::{Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Show an incident on one page: its moments, what it cost, what happened
///
/// What it cost is computed from the ledger: bad events that are its own, the share of each budget, users where events tell
/// them apart. Costs of several SLOs are not added up.
///
/// Examples:
///
///   flyball incident show INC-17
///   flyball incident show INC-17 -o markdown
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ShowArgs {
    /// What it is known by
    id: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show the runbooks of an incident, and whether it is time to go back
///
/// Examples:
///
///   flyball incident runbooks INC-17
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct RunbooksArgs {
    /// What the incident is known by
    id: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, serde::Deserialize)]
struct Shown {
    state: String,
    incident: flyball_model::Incident,
    class: Option<String>,
    services: Vec<String>,
    journeys: Vec<String>,
    runbooks: Vec<String>,
    repeats: Option<String>,
    false_alarm: Option<FalseAlarm>,
    #[serde(default)]
    came_back: Vec<Timestamp>,
    #[serde(default)]
    is_by_ledger: bool,
    holders: std::collections::BTreeMap<String, Option<String>>,
    journeys_hit: Vec<Hit>,
    #[serde(default)]
    post_mortems: Vec<Due>,
}

/// A post-mortem that is due.
#[derive(Debug, serde::Deserialize)]
struct Due {
    slo: String,
    share: String,
    #[serde(default)]
    demanded: Option<Timestamp>,
    by: Option<Timestamp>,
    is_late: bool,
    again: Option<Again>,
}

impl Due {
    /// What is due, by when, and for which SLO.
    fn words(&self) -> String {
        let Self { slo, share, demanded, by, is_late, again } = self;
        let what = again.as_ref().map_or_else(|| "the first edition".to_owned(), Again::words);
        let late = if *is_late { ", which is over" } else { "" };
        let by = by.map(|at| format!(" by {}{late}", words::moment(at))).unwrap_or_default();
        let share = words::said_share(Some(share));
        format!("{what} is due{by}: it {}", spent(&share, slo, *demanded))
    }
}

#[derive(Debug, serde::Deserialize)]
struct FalseAlarm {
    cause: String,
    text: String,
}

#[derive(Debug, serde::Deserialize)]
struct Hit {
    journey: String,
    through: Vec<String>,
    of: usize,
}

#[derive(Debug, serde::Deserialize)]
struct Costs {
    costs: Vec<Cost>,
    users_by: Option<String>,
}

/// What an incident cost one SLO.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Cost {
    slo: String,
    service: String,
    bad: u64,
    budget: Option<String>,
    events: Option<String>,
    users: Option<Users>,
}

#[derive(Debug, serde::Deserialize)]
struct Users {
    hit: u64,
    seen: u64,
}

#[derive(Debug, serde::Deserialize)]
struct Timeline {
    entries: Vec<Entry>,
    left_out: u64,
    people: People,
}

/// Something that happened.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Entry {
    at: Timestamp,
    kind: String,
    text: String,
    who: Option<String>,
}

/// The runbooks of an incident.
#[derive(Debug, serde::Deserialize)]
struct Suited {
    runbooks: Vec<Runbook>,
    unknown: Vec<String>,
    waiting: Vec<Waiting>,
}

/// A runbook that is for other classes of outage.
#[derive(Debug, serde::Deserialize)]
struct Waiting {
    name: String,
    description: String,
    classes: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Runbook {
    name: String,
    is_followed: bool,
    #[serde(rename = "runbook")]
    spec: Spec,
    rollback: Vec<Criterion>,
}

#[derive(Debug, serde::Deserialize)]
struct Spec {
    description: String,
    link: Option<String>,
    steps: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Criterion {
    when: String,
    holds: Option<String>,
    then: String,
    who: String,
    holds_now: Option<bool>,
}

pub(super) fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let get = |more: &[&str]| remote.get::<Value>(&path(&args.id, more), &[]);
    let (incident, cost, timeline) = (get(&[])?, get(&["cost"])?, get(&["timeline"])?);
    let shown: Shown = serde_json::from_value(incident.clone())?;
    let costs: Costs = serde_json::from_value(cost.clone())?;
    let happened: Timeline = serde_json::from_value(timeline.clone())?;
    let said = json!({ "incident": incident, "cost": cost, "timeline": timeline });
    document(args.output, &said, || page(&shown, &costs, &happened))?;
    Ok(Exit::Met)
}

fn page(shown: &Shown, costs: &Costs, happened: &Timeline) -> Page {
    let incident = &shown.incident;
    let summary =
        incident.summary.clone().unwrap_or_else(|| "nobody said what happened".to_owned());
    let mut page = Page::new(format!("Incident {}", incident.id), summary);
    let at = |at: Option<Timestamp>| at.map_or_else(|| "not known".to_owned(), words::moment);
    let by_ledger =
        " by the ledger: the end of the last slot that was bad beyond what its pages allow";
    let by_ledger = if shown.is_by_ledger { by_ledger } else { "" };
    let mitigated = format!("{}{by_ledger}", at(incident.mitigated));
    let mut facts = vec![
        ("State", shown.state.replace('_', " ")),
        ("Service", incident.service.clone().unwrap_or_else(|| "nobody said".to_owned())),
        ("Started", at(incident.started)),
        ("Detected", at(incident.detected)),
        ("Acknowledged", at(incident.acknowledged)),
        ("Mitigated", mitigated),
        ("Resolved", at(incident.resolved)),
    ];
    let lists =
        [("Also", &shown.services), ("Journeys", &shown.journeys), ("Runbooks", &shown.runbooks)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    facts.extend(lists.map(|(name, list)| (name, list.join(", "))));
    let back: Vec<String> = shown.came_back.iter().map(|at| words::moment(*at)).collect();
    if !back.is_empty() {
        facts.push(("Came back", format!("{}: an alert called again", back.join(", "))));
    }
    facts.extend(shown.post_mortems.iter().map(|of| ("Post-mortem", of.words())));
    let texts = [
        ("Class", &shown.class),
        ("Cause", &incident.cause),
        ("Repeats", &shown.repeats),
        ("Link", &incident.link),
        ("Commander", shown.holders.get("commander").unwrap_or(&None)),
    ];
    facts.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))));
    let alarm = shown.false_alarm.as_ref();
    facts.extend(
        alarm.map(|of| ("False alarm", format!("{}: {}", of.cause.replace('_', " "), of.text))),
    );
    page.facts(facts);
    page.list(shown.journeys_hit.iter().map(|hit| {
        format!(
            "{} is hit through {} of {} services: {}",
            hit.journey,
            hit.through.len(),
            hit.of,
            hit.through.join(", ")
        )
    }));
    cost_table(&mut page, &costs.costs, costs.users_by.as_deref());
    timeline_table(&mut page, &happened.entries, &happened.people);
    if happened.left_out > 0 {
        page.say(format!("{} more are left out.", words::count(happened.left_out)));
    }
    page
}

/// What it cost, by SLO.
pub(super) fn cost_table(page: &mut Page, costs: &[Cost], users_by: Option<&str>) {
    page.heading("What it cost");
    if costs.is_empty() {
        page.say("No SLO of its services is known to have spent anything on it.");
        return;
    }
    let rows = costs.iter().map(|cost| {
        let users = cost
            .users
            .as_ref()
            .map(|of| format!("{} of {}", words::count(of.hit), words::count(of.seen)));
        [
            cost.slo.clone(),
            cost.service.clone(),
            words::count(cost.bad),
            words::said_share(cost.budget.as_ref()),
            words::said_share(cost.events.as_ref()),
            users.unwrap_or_else(|| "not known".to_owned()),
        ]
    });
    let columns = [
        text("SLO"),
        text("Service"),
        number("Bad"),
        number("Of its window's budget"),
        number("Bad while it lasted"),
        number("Users"),
    ];
    page.table(columns, rows);
    page.say(match users_by {
        Some(by) => format!("Users are told apart by {by}. SLOs are not to be added up."),
        None => "No stored events tell users apart. SLOs are not to be added up.".to_owned(),
    });
    page.say("Budgets are those of the windows that ended with the incident.");
}

/// What happened, oldest first.
pub(super) fn timeline_table(page: &mut Page, entries: &[Entry], people: &People) {
    page.heading("Timeline");
    let rows = entries.iter().map(|entry| {
        let who =
            entry.who.as_ref().map(|who| format!(" ({})", called(people, who))).unwrap_or_default();
        [words::moment(entry.at), entry.kind.clone(), format!("{}{who}", entry.text)]
    });
    page.table([text("At"), text("What"), text("Happened")], rows);
}

pub(super) fn runbooks(args: &RunbooksArgs) -> anyhow::Result<Exit> {
    let said: Value = Remote::new(&args.server)?.get(&path(&args.id, &["runbooks"]), &[])?;
    let found: Suited = serde_json::from_value(said.clone())?;
    document(args.output, &said, || {
        let count = words::plural(found.runbooks.len() as u64, "runbook", "runbooks");
        let mut page = Page::new(format!("Runbooks of the incident {}", args.id), count);
        for of in &found.runbooks {
            let followed = if of.is_followed { " (followed)" } else { "" };
            page.heading(format!("{}{followed}", of.name));
            page.say(of.spec.description.clone());
            page.list(of.spec.steps.iter().cloned());
            page.list(of.spec.link.iter().cloned());
            let rows = of.rollback.iter().map(|of| {
                let now = match of.holds_now {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "not known",
                };
                let held = of.holds.as_ref().map(|held| format!(" for {held}")).unwrap_or_default();
                [format!("{}{held}", of.when), now.to_owned(), of.then.clone(), of.who.clone()]
            });
            page.table([text("Go back when"), text("Now"), text("Then"), text("Decides")], rows);
        }
        page.list(found.unknown.iter().map(|name| format!("{name}: no document describes it")));
        page.list(found.waiting.iter().map(|of| {
            let Waiting { name, description, classes } = of;
            format!(
                "not shown: {name} ({description}), which is for the class {}",
                classes.join(", ")
            )
        }));
        page
    })?;
    if !found.waiting.is_empty() {
        let said = "hint: `flyball policy classify SERVICE ID CLASS --role R --why W` puts an incident into a class; \
                    `drill` and `dependency` are found";
        talk::note(said);
    }
    Ok(Exit::Met)
}
