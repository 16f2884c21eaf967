//! `flyball friction`: what hurts people at work, and what becomes of it.

use flyball_model::Timestamp;
use serde_json::{Value, json};

use super::{Document, document};
use crate::output::page::{Page, number, text};
use crate::output::words::{self, printable};
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Note what hurts at work, see what hurts most, and make it somebody's requirement
///
/// Noted in a line by whoever meets it: the sixty-three clicks of a deployment, the alert that is always wrong. What is met again is
/// noted again, so that it is known what hurts most.
#[derive(Debug, clap::Args)]
pub(crate) struct FrictionArgs {
    #[command(subcommand)]
    command: FrictionCommand,
}

#[derive(Debug, clap::Subcommand)]
enum FrictionCommand {
    Note(NoteArgs),
    Met(MetArgs),
    List(ListArgs),
    Require(RequireArgs),
    Mend(MendArgs),
    Accept(AcceptArgs),
}

/// A time that somebody met it.
#[derive(Debug, clap::Args)]
struct Times {
    /// The whole minutes that it cost this time
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    minutes: Option<u32>,
    /// The incident or change in which it was met, by id
    #[arg(long, value_name = "ID")]
    during: Option<String>,
    /// When; now unless told
    #[arg(long, value_name = "TIME", value_parser = super::change::moment)]
    at: Option<Timestamp>,
}

/// Note what hurts, met for the first time
///
/// Examples:
///
///   flyball friction note 'a deployment takes 63 clicks' --stage deploy --minutes 25
///   flyball friction note 'the runbook is out of date' --stage incident --service checkout --during INC-17
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct NoteArgs {
    /// What hurts, in a sentence
    what: String,
    /// Where in the work: build, test, deploy, operate, incident or other
    #[arg(long, default_value = "other", value_parser = ["build", "test", "deploy", "operate", "incident", "other"])]
    stage: String,
    /// The service that it is about; all unless told
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// What it is to be known by; the service and the moment unless told
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    server: ServerArgs,
}

/// Note that it was met again
///
/// Examples:
///
///   flyball friction met 63-clicks --minutes 20
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct MetArgs {
    /// What it is known by
    id: String,
    /// What is to be said of this time
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    server: ServerArgs,
}

/// List what hurts, what hurt most in the last quarter first
///
/// Examples:
///
///   flyball friction list
///   flyball friction list --service checkout --all -o json
///   flyball friction list --team platform
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Only what is about this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only what this team is required to mend
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Since when it is weighed
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Also what is mended or accepted
    #[arg(long)]
    all: bool,
    /// Only what was noted before the one of this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Make it a requirement of a team
///
/// Examples:
///
///   flyball friction require 63-clicks --team platform 'a deployment takes one command'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct RequireArgs {
    /// What it is known by
    id: String,
    /// What is required, so that it can be tested
    requirement: String,
    /// The team
    #[arg(long, value_name = "NAME")]
    team: String,
    /// Where it is worked on
    #[arg(long, value_name = "URL")]
    ticket: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Say that it is mended; met again later, it is open again
///
/// Examples:
///
///   flyball friction mend 63-clicks 'the pipeline deploys by itself'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct MendArgs {
    /// What it is known by
    id: String,
    /// What was done
    how: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Say that it stays as it is, and why
///
/// Examples:
///
///   flyball friction accept two-approvals 'the auditor asks for them'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct AcceptArgs {
    /// What it is known by
    id: String,
    /// Why
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is read of it.
#[derive(Debug, serde::Deserialize)]
struct View {
    id: String,
    what: String,
    service: Option<String>,
    stage: String,
    state: String,
    team: Option<String>,
    requirement: Option<String>,
    weight: Weight,
}

#[derive(Debug, serde::Deserialize)]
struct Weight {
    minutes: u64,
    times: u64,
    people: u64,
    uncounted: u64,
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    since: Timestamp,
    friction: Vec<View>,
    next: Option<u64>,
}

/// Where a server has them.
const PATH: [&str; 3] = ["api", "v1", "friction"];

pub(crate) fn run(args: FrictionArgs) -> anyhow::Result<Exit> {
    match args.command {
        FrictionCommand::Note(args) => {
            let Times { minutes, during, at } = &args.times;
            let body = json!({
                "what": args.what, "stage": args.stage, "service": args.service, "id": args.id,
                "met": { "minutes": minutes, "during": during, "at": at },
            });
            let view: View = Remote::new(&args.server)?.post(&PATH, &body)?;
            super::print(&format!("{}\n", printable(&view.id)))?;
            Ok(Exit::Met)
        }
        FrictionCommand::Met(args) => {
            let Times { minutes, during, at } = &args.times;
            let body = json!({ "minutes": minutes, "during": during, "at": at, "note": args.note });
            say(&args.server, &args.id, "met", &body)
        }
        FrictionCommand::List(args) => list(&args),
        FrictionCommand::Require(args) => {
            let body = json!({
                "to": "required", "team": args.team, "requirement": args.requirement,
                "ticket": args.ticket,
            });
            say(&args.server, &args.id, "state", &body)
        }
        FrictionCommand::Mend(args) => {
            say(&args.server, &args.id, "state", &json!({ "to": "mended", "how": args.how }))
        }
        FrictionCommand::Accept(args) => {
            say(&args.server, &args.id, "state", &json!({ "to": "accepted", "why": args.why }))
        }
    }
}

fn say(server: &ServerArgs, id: &str, what: &str, body: &Value) -> anyhow::Result<Exit> {
    let path: Vec<&str> = PATH.into_iter().chain([id, what]).collect();
    let view: View = Remote::new(server)?.post(&path, body)?;
    talk::note(&format!("{} is {}", printable(&view.id), printable(&standing(&view))));
    Ok(Exit::Met)
}

/// What became of it.
fn standing(view: &View) -> String {
    match (&view.team, &view.requirement) {
        (Some(team), Some(requirement)) => format!("{} of {team}: {requirement}", view.state),
        _ => view.state.clone(),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let mut query = Vec::new();
    let texts = [
        ("service", &args.service),
        ("team", &args.team),
        ("since", &args.since),
        ("before", &args.before),
    ];
    query.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?))));
    query.extend(args.all.then_some(("all", "true")));
    let said: Value = Remote::new(&args.server)?.get(&PATH, &query)?;
    let Listed { since, friction, next } = serde_json::from_value(said.clone())?;
    document(args.output, &said, || {
        let minutes: u64 = friction.iter().map(|of| of.weight.minutes).sum();
        let title = format!(
            "{}, {} minutes and more since {}",
            words::plural(friction.len() as u64, "thing hurts", "things hurt"),
            words::count(minutes),
            words::moment(since)
        );
        let mut page = Page::new("What hurts", title);
        let rows = friction.iter().map(|of| {
            let Weight { minutes, times, people, uncounted } = of.weight;
            let more = if uncounted > 0 { "+" } else { "" };
            [
                format!("{}{more}", words::count(minutes)),
                words::count(times),
                words::count(people),
                of.stage.clone(),
                of.service.clone().unwrap_or_else(|| "all".to_owned()),
                of.what.clone(),
                standing(of),
                of.id.clone(),
            ]
        });
        let columns = [
            number("Minutes"),
            number("Times"),
            number("People"),
            text("Where"),
            text("Service"),
            text("What"),
            text("State"),
            text("Id"),
        ];
        page.table(columns, rows);
        page
    })?;
    if let (Document::Table, Some(next)) = (args.output, next) {
        talk::note(&format!(
            "there may be older ones\nhint: flyball friction list --before {next}"
        ));
    }
    Ok(Exit::Met)
}
