//! `flyball change`: what altered production, told to a server and asked of it.

mod ci;
mod commits;
mod restore;
mod verdict;

use std::path::PathBuf;

use anyhow::Context;
use flyball_model::{ChangeClass, ChangeKind, ChangeOutcome, Timestamp};
use serde_json::{Map, Value, json};

use super::{Form, answer};
use crate::commands::replay::now;
use crate::output::grid::Grid;
use crate::output::words;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Record changes of production, list them, show one, undo one
///
/// A change is a deploy, a rollback, a configuration, a flag, the infrastructure, or a drill.
#[derive(Debug, clap::Args)]
pub(crate) struct ChangeArgs {
    #[command(subcommand)]
    command: ChangeCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ChangeCommand {
    Record(Box<RecordArgs>),
    List(ListArgs),
    Show(ShowArgs),
    Restore(restore::RestoreArgs),
}

/// What a failure of a command means to a pipeline.
const EXIT_CODES: &str = "Exit codes: 0 it is recorded, on the server's disk; 2 it is not.";

/// Record a change, or news of one: one line in any pipeline
///
/// In GitHub Actions and GitLab CI, service, version, commit, actor and the link to the log are read
/// from the environment; what is said here goes first. There the id is made of the run, service and
/// environment, so that a line before the deployment and one after it speak of the same change, and a
/// job that is run again counts once.
///
/// Examples:
///
///   flyball change record
///   flyball change record --service checkout --version 1.4.0 --commits
///   flyball change record --service checkout --outcome underway --id release-14
///   flyball change record --service checkout --kind rollback --restores release-14
///   flyball change record --service checkout --kind flag --flag new-cart
///   flyball change record --service shop --outcome planned --not-before 2026-12-01T09:00:00Z --rollout canary:5%:30m
#[derive(Debug, clap::Args)]
// `--version` is that of what runs.
#[command(verbatim_doc_comment, after_help = EXIT_CODES, disable_version_flag = true)]
struct RecordArgs {
    /// The service that was changed; in a pipeline the repository's name unless told
    #[arg(long, value_name = "NAME", env = "FLYBALL_SERVICE")]
    service: Option<String>,
    /// What altered production: deploy, rollback, config, flag, infrastructure or drill
    #[arg(long, value_parser = kind, default_value = "deploy")]
    kind: ChangeKind,
    /// Why it was made: feature, fix, reliability, security or maintenance
    #[arg(long, value_parser = class)]
    class: Option<ChangeClass>,
    /// How far it has come: planned, underway, succeeded, failed or cancelled; unless told it has succeeded,
    /// and what is known of a change that was recorded before stays
    #[arg(long, value_parser = outcome)]
    outcome: Option<ChangeOutcome>,
    /// What it is known by, where several messages speak of it
    #[arg(long)]
    id: Option<String>,
    /// Where [default: production]
    #[arg(long, value_name = "NAME", env = "FLYBALL_ENVIRONMENT")]
    environment: Option<String>,
    /// The version that runs afterwards, as events of the service name it; in a pipeline its tag
    #[arg(long)]
    version: Option<String>,
    /// The commit that runs afterwards; in a pipeline its own
    #[arg(long, value_name = "COMMIT")]
    revision: Option<String>,
    /// What was deployed, as a package URL
    #[arg(long, value_name = "PURL")]
    artifact: Option<String>,
    /// Who did it
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// What it is about, in a sentence
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// Whether somebody had planned it, as opposed to having had to do it
    #[arg(long, value_name = "BOOL")]
    planned: Option<bool>,
    /// The change that this one undoes or repairs, by id
    #[arg(long, value_name = "ID")]
    restores: Option<String>,
    /// The feature flag that what it did is behind, or that it flipped: it can be undone by switching it off
    #[arg(long, value_name = "NAME")]
    flag: Option<String>,
    /// When it began
    #[arg(long, value_name = "TIME", value_parser = moment)]
    started: Option<Timestamp>,
    /// When it ended; now unless told
    #[arg(long, value_name = "TIME", value_parser = moment)]
    finished: Option<Timestamp>,
    /// A planned change does not begin before
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_before: Option<Timestamp>,
    /// A planned change has ended by then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_after: Option<Timestamp>,
    /// How it reaches users step by step, as canary:5%:30m
    #[arg(long, value_name = "STEPS")]
    rollout: Option<String>,
    /// Where more is said of it, once for each: NAME=URL
    #[arg(long = "link", value_name = "LINK", value_parser = link)]
    links: Vec<(String, String)>,
    /// List the commits that it ships, for lead time: those since the one that the last recorded
    /// deployment shipped, or since this one
    #[arg(long, value_name = "SINCE", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "the option may stand without a value")]
    commits: Option<Option<String>>,
    /// The git checkout that commits are read from
    #[arg(long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// List changes, those that were heard of last first
///
/// Examples:
///
///   flyball change list --service checkout
///   flyball change list --limit 1000 -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// At most so many, up to 1,000
    #[arg(long, value_name = "N", default_value_t = 20)]
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

/// Show a change: where it is in its life, what it did to users, what to do about it
///
/// Examples:
///
///   flyball change show release-14
///   flyball change show release-14 -o json | jq .verdict
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ShowArgs {
    /// What it is known by
    id: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// Where a server has them.
const PATH: [&str; 3] = ["api", "v1", "changes"];

/// Where a change is when nobody says.
const ENVIRONMENT: &str = "production";

fn kind(word: &str) -> Result<ChangeKind, String> {
    ChangeKind::parse(word).ok_or_else(|| known("a kind", &ChangeKind::ALL.map(ChangeKind::name)))
}

fn class(word: &str) -> Result<ChangeClass, String> {
    ChangeClass::parse(word)
        .ok_or_else(|| known("a class", &ChangeClass::ALL.map(ChangeClass::name)))
}

fn outcome(word: &str) -> Result<ChangeOutcome, String> {
    ChangeOutcome::parse(word)
        .ok_or_else(|| known("an outcome", &ChangeOutcome::ALL.map(ChangeOutcome::name)))
}

fn known(what: &str, words: &[&str]) -> String {
    format!("{what} is one of {}", words.join(", "))
}

pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

fn link(text: &str) -> Result<(String, String), String> {
    let (name, url) = text.split_once('=').ok_or("write NAME=URL, as in log=https://…")?;
    Ok((name.to_owned(), url.to_owned()))
}

/// What is read of a change in an answer.
#[derive(Debug, serde::Deserialize)]
struct View {
    number: u64,
    change: flyball_model::Change,
    life: Life,
    verdict: Option<verdict::Verdict>,
    suggestion: Option<verdict::Suggestion>,
    restores: Vec<restore::Restoring>,
}

/// Where a change is in its life, as an answer says it.
#[derive(Debug, serde::Deserialize)]
struct Life {
    phase: String,
    until: Option<Timestamp>,
    ending: Option<Ending>,
}

#[derive(Debug, serde::Deserialize)]
struct Ending {
    kind: String,
    cause: Option<Cause>,
}

#[derive(Debug, serde::Deserialize)]
struct Cause {
    kind: String,
    by: String,
}

/// A page of changes.
#[derive(Debug, serde::Deserialize)]
struct Page {
    changes: Vec<View>,
    next: Option<u64>,
}

pub(crate) fn run(args: ChangeArgs) -> anyhow::Result<Exit> {
    match args.command {
        ChangeCommand::Record(args) => record(&args),
        ChangeCommand::List(args) => list(&args),
        ChangeCommand::Show(args) => show(&args),
        ChangeCommand::Restore(args) => restore::run(&args),
    }
}

fn record(args: &RecordArgs) -> anyhow::Result<Exit> {
    let run = ci::Run::read(|name| std::env::var(name).ok());
    let remote = Remote::new(&args.server)?;
    let body = body(args, run, &remote)?;
    let said: Value = remote.post(&PATH, &body)?;
    let view: View = serde_json::from_value(said.clone())
        .context("the answer cannot be understood\nhint: is the server of this version?")?;
    answer(args.output, &said, || Ok(format!("{}\n", printable(&view.change.id))))?;
    talk::note(&format!("recorded: {}", sentence(&view)));
    if args.outcome == Some(ChangeOutcome::Failed) {
        let id = printable(&view.change.id);
        talk::note(&format!(
            "a change that failed never reached users, whatever was told of it before: it is not judged, and breaks \
             nothing; one that users met is undone by: flyball change record --kind rollback --restores {id}"
        ));
    }
    Ok(Exit::Met)
}

/// What is sent.
fn body(args: &RecordArgs, run: ci::Run, remote: &Remote) -> anyhow::Result<Value> {
    let service = args.service.clone().or(run.service).context(
        "the service is not named\nhint: --service NAME or FLYBALL_SERVICE; in a pipeline of GitHub or \
         GitLab it is the repository unless told",
    )?;
    let environment = args.environment.clone().or(run.environment);
    let environment = environment.unwrap_or_else(|| ENVIRONMENT.to_owned());
    let id = args.id.clone().unwrap_or_else(|| match &run.id {
        Some(run) => format!("{run}:{service}:{environment}"),
        // Two changes of a service in one nanosecond are not told by two command lines.
        None => format!("cli:{service}:{}", now()),
    });
    let mut revision = args.revision.clone().or(run.revision);
    let mut commits = Vec::new();
    if let Some(since) = &args.commits {
        let place = (service.as_str(), environment.as_str());
        let since = since.clone().or_else(|| commits::shipped_before(remote, place, &id));
        commits = commits::list(&args.repository, since.as_deref(), revision.as_deref())?;
        // What is checked out ships; nothing new where that is what shipped before.
        let newest = commits.first().map(|commit| commit.sha.clone());
        revision = revision.or(newest).or(since);
    }
    let mut body = Map::new();
    let texts = [
        ("id", Some(id)),
        ("service", Some(service)),
        ("kind", Some(args.kind.name().to_owned())),
        ("class", args.class.map(|class| class.name().to_owned())),
        ("outcome", args.outcome.map(|outcome| outcome.name().to_owned())),
        ("environment", Some(environment)),
        ("version", args.version.clone().or(run.version)),
        ("revision", revision),
        ("artifact", args.artifact.clone()),
        ("actor", args.actor.clone().or(run.actor)),
        ("summary", args.summary.clone()),
        ("restores", args.restores.clone()),
        ("flag", args.flag.clone()),
        ("rollout", args.rollout.clone()),
        ("started", args.started.map(|at| at.to_string())),
        ("finished", args.finished.map(|at| at.to_string())),
        ("not_before", args.not_before.map(|at| at.to_string())),
        ("not_after", args.not_after.map(|at| at.to_string())),
    ];
    for (name, value) in texts {
        body.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    body.extend(args.planned.map(|planned| ("planned".to_owned(), planned.into())));
    let links = args.links.iter().cloned().chain(run.log.map(|url| ("log".to_owned(), url)));
    let links: Vec<Value> = links.map(|(name, url)| json!({ "name": name, "url": url })).collect();
    if !links.is_empty() {
        body.insert("links".to_owned(), links.into());
    }
    if !commits.is_empty() {
        body.insert("commits".to_owned(), serde_json::to_value(commits)?);
    }
    Ok(body.into())
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let (limit, before) = (args.limit.to_string(), args.before.map(|before| before.to_string()));
    let mut query = vec![("limit", limit.as_str())];
    query.extend(args.service.as_deref().map(|service| ("service", service)));
    query.extend(before.as_deref().map(|before| ("before", before)));
    let said: Value = remote.get(&PATH, &query)?;
    let page: Page = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || Ok(table(&page.changes)))?;
    if let (Form::Table, Some(next)) = (args.output, page.next) {
        talk::note(&format!("there may be older ones\nhint: flyball change list --before {next}"));
    }
    Ok(Exit::Met)
}

fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let said: Value = remote.get(&[&PATH[..], &[&args.id]].concat(), &[])?;
    let view: View = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || Ok(card(&view)))?;
    Ok(Exit::Met)
}

fn table(changes: &[View]) -> String {
    let mut table = Grid::new(
        "no changes",
        &["number", "at", "service", "kind", "version", "outcome", "verdict", "life", "id"],
    );
    for view in changes {
        let change = &view.change;
        let at = change.shipped().unwrap_or(change.recorded);
        table.add_row([
            view.number.to_string(),
            words::moment(at),
            printable(&change.service),
            change.kind.name().to_owned(),
            printable(change.version.as_deref().or(change.revision.as_deref()).unwrap_or("–")),
            change.outcome.name().to_owned(),
            view.verdict.as_ref().map_or_else(|| "–".to_owned(), verdict::word),
            life(&view.life),
            printable(&change.id),
        ]);
    }
    format!("{table}\n")
}

/// One change, a fact a line.
fn card(view: &View) -> String {
    let change = &view.change;
    let at = |moment: Option<Timestamp>| moment.map(words::moment);
    let commits = (!change.commits.is_empty()).then(|| change.commits.len().to_string());
    let planned = change.planned.map(|planned| if planned { "yes" } else { "no" }.to_owned());
    let mut lines = vec![
        ("id", Some(change.id.clone())),
        ("service", Some(change.service.clone())),
        ("kind", Some(change.kind.name().to_owned())),
        ("class", Some(change.class.name().to_owned())),
        ("outcome", Some(change.outcome.name().to_owned())),
        ("life", Some(life(&view.life))),
        ("environment", change.environment.clone()),
        ("version", change.version.clone()),
        ("revision", change.revision.clone()),
        ("artifact", change.artifact.clone()),
        ("actor", change.actor.clone()),
        ("summary", change.summary.clone()),
        ("planned", planned),
        ("recorded", at(Some(change.recorded))),
        ("started", at(change.started)),
        ("finished", at(change.finished)),
        ("not before", at(change.not_before)),
        ("not after", at(change.not_after)),
        ("rollout", change.rollout.clone()),
        ("restores", change.restores.clone()),
        ("flag", change.flag.clone()),
        ("commits", commits),
        ("told by", Some(format!("{}, {}", change.source.system, change.source.delivery))),
    ];
    let told = verdict::lines(view.verdict.as_ref(), view.suggestion.as_ref());
    let done = view.restores.iter().map(|it| ("restore", restore::sentence(it)));
    lines.extend(told.into_iter().chain(done).map(|(name, said)| (name, Some(said))));
    lines.extend(change.links.iter().map(|link| (link.name.as_str(), Some(link.url.clone()))));
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for (name, value) in lines {
        if let Some(value) = value {
            table.add_row([printable(name), printable(&value)]);
        }
    }
    format!("{table}\n")
}

fn life(life: &Life) -> String {
    let phase = life.phase.replace('_', " ");
    match (&life.until, &life.ending) {
        (Some(until), _) => format!("{phase} until {}", words::moment(*until)),
        (None, Some(Ending { kind, cause: Some(Cause { kind: by, by: id }) })) => {
            printable(&format!("{kind} by {by} {id}"))
        }
        (None, Some(Ending { kind, .. })) => printable(&kind.replace('_', " ")),
        (None, None) => printable(&phase),
    }
}

/// A change in one line.
fn sentence(view: &View) -> String {
    let View { change, .. } = view;
    let version = change.version.as_deref().or(change.revision.as_deref());
    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
    let environment = change.environment.as_deref().unwrap_or(ENVIRONMENT);
    let (kind, outcome) = (change.kind.name(), change.outcome.name());
    format!("{kind} of {}{version} to {environment}, {outcome}", change.service)
}
