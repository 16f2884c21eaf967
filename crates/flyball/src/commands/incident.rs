//! `flyball incident`: incidents opened, followed, corrected, closed, and learnt from.

mod action;
mod measures;
mod post_mortem;
mod show;

use flyball_model::Timestamp;
use serde_json::{Map, Value, json};

use super::{Form, answer};
use crate::commands::replay::now;
use crate::output::grid::Grid;
use crate::output::words::{self, printable};
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Open incidents, list and correct them, close them, and write down what was learnt
///
/// An incident is one thing, whoever opened it: an alert that called somebody, a person, or another system that told of it.
#[derive(Debug, clap::Args)]
pub(crate) struct IncidentArgs {
    #[command(subcommand)]
    command: IncidentCommand,
}

#[derive(Debug, clap::Subcommand)]
enum IncidentCommand {
    Open(Box<OpenArgs>),
    List(ListArgs),
    Show(show::ShowArgs),
    Note(NoteArgs),
    Set(Box<SetArgs>),
    Role(RoleArgs),
    Close(CloseArgs),
    FalseAlarm(FalseAlarmArgs),
    Runbooks(show::RunbooksArgs),
    PostMortem(post_mortem::PostMortemArgs),
    Action(action::ActionArgs),
    Measures(measures::MeasuresArgs),
}

/// Open an incident by hand: it is detected now unless you say when
///
/// Examples:
///
///   flyball incident open checkout 'nobody can pay by card'
///   flyball incident open checkout 'payments time out' --id INC-17 --started 2026-11-22T14:00:00Z --also billing
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct OpenArgs {
    /// The service whose users are hit
    service: String,
    /// What happens, in a sentence
    summary: String,
    /// What it is to be known by [default: the service and the moment]
    #[arg(long)]
    id: Option<String>,
    /// Where
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// When users were first hit
    #[arg(long, value_name = "TIME", value_parser = super::change::moment)]
    started: Option<Timestamp>,
    /// When it was noticed; now unless told
    #[arg(long, value_name = "TIME", value_parser = super::change::moment)]
    detected: Option<Timestamp>,
    /// The change that caused it, by id
    #[arg(long, value_name = "CHANGE")]
    cause: Option<String>,
    /// Where more is said of it
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Another service whose users are hit, once for each
    #[arg(long = "also", value_name = "SERVICE")]
    services: Vec<String>,
    /// A journey of users that is hit, once for each
    #[arg(long = "journey", value_name = "NAME")]
    journeys: Vec<String>,
    /// A runbook that is followed, once for each
    #[arg(long = "runbook", value_name = "NAME")]
    runbooks: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// List incidents, those that were heard of last first
///
/// Examples:
///
///   flyball incident list --open
///   flyball incident list --service checkout -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only those that last
    #[arg(long)]
    open: bool,
    /// Look at so many at most, up to 1,000
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Only those that were heard of before the one of this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// Note what happened, or was done, in an incident
///
/// Examples:
///
///   flyball incident note INC-17 'the pool of connections is empty'
///   flyball incident note INC-17 'the bank confirms' --at 2026-11-22T14:20:00Z
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct NoteArgs {
    /// What the incident is known by
    id: String,
    /// What happened
    text: String,
    /// When; now unless told
    #[arg(long, value_name = "TIME", value_parser = super::change::moment)]
    at: Option<Timestamp>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Correct what is said of an incident; what was said before stays in it, with who corrected it and why
///
/// A TIME is a moment, now, or none for one that has not come. Lists take the place of what was said.
///
/// Examples:
///
///   flyball incident set INC-17 --acknowledged now
///   flyball incident set INC-17 --started 2026-11-22T13:55:00Z --why 'the first error in the log'
///   flyball incident set INC-17 --resolved none --why 'it is back'
///   flyball incident set INC-17 --cause release-14 --repeats INC-9
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct SetArgs {
    /// What the incident is known by
    id: String,
    /// When users were first hit
    #[arg(long, value_name = "TIME", value_parser = moment_or_none)]
    started: Option<Told>,
    /// When it was noticed
    #[arg(long, value_name = "TIME", value_parser = moment_or_none)]
    detected: Option<Told>,
    /// When somebody took it on
    #[arg(long, value_name = "TIME", value_parser = moment_or_none)]
    acknowledged: Option<Told>,
    /// When users were no longer hit
    #[arg(long, value_name = "TIME", value_parser = moment_or_none)]
    mitigated: Option<Told>,
    /// When it was over
    #[arg(long, value_name = "TIME", value_parser = moment_or_none)]
    resolved: Option<Told>,
    /// What happened, in a sentence
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// The change that caused it, by id; an empty one takes that back
    #[arg(long, value_name = "CHANGE")]
    cause: Option<String>,
    /// The incident that it repeats, by id; an empty one takes that back
    #[arg(long, value_name = "ID")]
    repeats: Option<String>,
    /// Each other service whose users were hit
    #[arg(long = "also", value_name = "SERVICE")]
    services: Vec<String>,
    /// Each journey that was hit
    #[arg(long = "journey", value_name = "NAME")]
    journeys: Vec<String>,
    /// Each runbook that was followed
    #[arg(long = "runbook", value_name = "NAME")]
    runbooks: Vec<String>,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT", default_value = "as it went")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Hand a role over: commander, operations, communications or planning
///
/// Examples:
///
///   flyball incident role INC-17 commander Ada
///   flyball incident role INC-17 communications none
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct RoleArgs {
    /// What the incident is known by
    id: String,
    /// The role
    #[arg(value_parser = ["commander", "operations", "communications", "planning"])]
    role: String,
    /// Who takes it over; none when nobody does
    who: String,
    /// When; now unless told
    #[arg(long, value_name = "TIME", value_parser = super::change::moment)]
    at: Option<Timestamp>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Say that an incident is over
///
/// Examples:
///
///   flyball incident close INC-17
///   flyball incident close INC-17 --at 2026-11-22T15:10:00Z --why 'the queue is empty'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct CloseArgs {
    /// What the incident is known by
    id: String,
    /// When it was over; now unless told
    #[arg(long, value_name = "TIME", value_parser = super::change::moment)]
    at: Option<Timestamp>,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT", default_value = "it is over")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Say that an alarm was false, and what was learnt; it blames nobody and counts in no measure
///
/// Examples:
///
///   flyball incident false-alarm alert:17 measurement 'the probe ran into its own limit'
///   flyball incident false-alarm alert:17 none 'users did wait'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct FalseAlarmArgs {
    /// What the incident is known by
    id: String,
    /// Why it was false
    #[arg(value_enum)]
    cause: FalseCause,
    /// What was learnt, in a sentence
    text: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Why an alarm was false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum FalseCause {
    /// What is measured is not what users meet
    Measurement,
    /// Users were hit, and less than anybody should be called for
    TooSensitive,
    /// It was caused on purpose: a test, a drill, maintenance
    OnPurpose,
    /// It went to those who could not do anything about it
    WrongTarget,
    /// Somebody reported what was none
    Report,
    /// It was an incident after all
    None,
}

/// A moment as it is told; none when it has not come.
#[derive(Debug, Clone, Copy)]
struct Told(Option<Timestamp>);

fn moment_or_none(text: &str) -> Result<Told, String> {
    match text {
        "none" => Ok(Told(None)),
        "now" => Ok(Told(Some(now()))),
        text => super::change::moment(text).map(|at| Told(Some(at))),
    }
}

/// What is read of an incident in an answer.
#[derive(Debug, serde::Deserialize)]
struct View {
    state: String,
    incident: flyball_model::Incident,
}

/// A page of incidents.
#[derive(Debug, serde::Deserialize)]
struct Page {
    incidents: Vec<View>,
    next: Option<u64>,
}

/// Where a server has them.
const PATH: [&str; 3] = ["api", "v1", "incidents"];

/// The path of what belongs to the incident called `id`.
fn path<'a>(id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    PATH.iter().copied().chain([id]).chain(more.iter().copied()).collect()
}

pub(crate) fn run(args: IncidentArgs) -> anyhow::Result<Exit> {
    match args.command {
        IncidentCommand::Open(args) => open(&args),
        IncidentCommand::List(args) => list(&args),
        IncidentCommand::Show(args) => show::show(&args),
        IncidentCommand::Note(args) => {
            say(&args.server, &args.id, "notes", &json!({ "text": args.text, "at": args.at }))
        }
        IncidentCommand::Set(args) => set(&args),
        IncidentCommand::Role(args) => {
            let who = Some(&args.who).filter(|who| *who != "none");
            let body = json!({ "role": args.role, "who": who, "at": args.at });
            say(&args.server, &args.id, "roles", &body)
        }
        IncidentCommand::Close(args) => {
            let found: View = Remote::new(&args.server)?.get(&path(&args.id, &[]), &[])?;
            if let Some(over) = found.incident.resolved {
                anyhow::bail!(
                    "the incident {id} is over since {over}\nhint: flyball incident set {id} --resolved TIME --why WHY corrects that",
                    id = printable(&args.id)
                );
            }
            let at = args.at.unwrap_or_else(now);
            let body = json!({ "why": args.why, "moments": { "resolved": at } });
            say(&args.server, &args.id, "corrections", &body)
        }
        IncidentCommand::FalseAlarm(args) => {
            let cause = Some(args.cause).filter(|cause| *cause != FalseCause::None);
            let body = json!({ "cause": cause, "text": args.text });
            say(&args.server, &args.id, "false-alarm", &body)
        }
        IncidentCommand::Runbooks(args) => show::runbooks(&args),
        IncidentCommand::PostMortem(args) => post_mortem::run(args),
        IncidentCommand::Action(args) => action::run(args),
        IncidentCommand::Measures(args) => measures::run(&args),
    }
}

/// Sends what is said of the incident called `id`, and tells how it is now.
fn say(server: &ServerArgs, id: &str, what: &str, body: &Value) -> anyhow::Result<Exit> {
    let view: View = Remote::new(server)?.post(&path(id, &[what]), body)?;
    talk::note(&sentence(&view));
    Ok(Exit::Met)
}

/// An incident in a line.
fn sentence(view: &View) -> String {
    let id = printable(&view.incident.id);
    let of = view.incident.service.as_deref().map(|of| format!(" of {}", printable(of)));
    let state = match view.state.as_str() {
        "false_alarm" => "a false alarm".to_owned(),
        state => state.replace('_', " "),
    };
    format!("{id}{} is {state}", of.unwrap_or_default())
}

fn open(args: &OpenArgs) -> anyhow::Result<Exit> {
    let body = json!({
        "service": args.service, "summary": args.summary, "id": args.id,
        "environment": args.environment, "started": args.started, "detected": args.detected,
        "cause": args.cause, "link": args.link, "services": args.services,
        "journeys": args.journeys, "runbooks": args.runbooks,
    });
    let view: View = Remote::new(&args.server)?.post(&PATH, &body)?;
    super::print(&format!("{}\n", printable(&view.incident.id)))?;
    talk::note(&format!(
        "{}\nhint: flyball incident note, set --acknowledged now, close",
        sentence(&view)
    ));
    Ok(Exit::Met)
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let (limit, before) = (args.limit.to_string(), args.before.map(|before| before.to_string()));
    let mut query = vec![("limit", limit.as_str())];
    query.extend(args.service.as_deref().map(|service| ("service", service)));
    query.extend(args.open.then_some(("open", "true")));
    query.extend(before.as_deref().map(|before| ("before", before)));
    let said: Value = Remote::new(&args.server)?.get(&PATH, &query)?;
    let page: Page = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table =
            Grid::new("no incidents", &["BEGAN", "SERVICE", "STATE", "LASTED", "SUMMARY", "ID"]);
        for view in &page.incidents {
            let incident = &view.incident;
            let began = incident.opened();
            let lasted = began.zip(incident.served_again());
            let lasted = lasted.map(|(from, to)| words::length(to.since(from).as_seconds_f64()));
            table.add_row([
                began.map_or_else(|| "–".to_owned(), words::moment),
                printable(incident.service.as_deref().unwrap_or("–")),
                view.state.replace('_', " "),
                lasted.unwrap_or_else(|| "–".to_owned()),
                printable(incident.summary.as_deref().unwrap_or("–")),
                printable(&incident.id),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    if let (Form::Table, Some(next)) = (args.output, page.next) {
        talk::note(&format!(
            "there may be older ones\nhint: flyball incident list --before {next}"
        ));
    }
    Ok(Exit::Met)
}

fn set(args: &SetArgs) -> anyhow::Result<Exit> {
    let moments = [
        ("started", args.started),
        ("detected", args.detected),
        ("acknowledged", args.acknowledged),
        ("mitigated", args.mitigated),
        ("resolved", args.resolved),
    ];
    let moments = moments.into_iter().filter_map(|(name, told)| Some((name, told?.0)));
    let moments: Map<String, Value> =
        moments.map(|(name, at)| (name.to_owned(), json!(at))).collect();
    let list = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let body = json!({
        "why": args.why, "moments": moments, "summary": args.summary, "cause": args.cause,
        "repeats": args.repeats, "services": list(&args.services),
        "journeys": list(&args.journeys), "runbooks": list(&args.runbooks),
    });
    say(&args.server, &args.id, "corrections", &body)
}
