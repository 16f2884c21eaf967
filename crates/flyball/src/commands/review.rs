//! `flyball review`: checklists, and reviews that go through them.

mod acts;
mod show;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Form, answer};
use crate::Exit;
use crate::output::grid::Grid;
use crate::output::words::{self, printable};
use crate::remote::{Remote, ServerArgs};

/// Review services before they launch, are relied on, or change hands: answers, waivers, signatures
///
/// A service goes through a checklist. What is measured is answered from what the server knows; the team answers the rest
/// and submits; others sign.
#[derive(Debug, clap::Args)]
pub(crate) struct ReviewArgs {
    #[command(subcommand)]
    command: ReviewCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ReviewCommand {
    Checklists(ChecklistsArgs),
    List(ListArgs),
    Show(show::ShowArgs),
    #[command(flatten)]
    Act(acts::Act),
}

/// List the checklists in force, those that ship among them
///
/// Examples:
///
///   flyball review checklists
///   flyball review checklists -o yaml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ChecklistsArgs {
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// List reviews, those opened last first
///
/// Examples:
///
///   flyball review list
///   flyball review list --service checkout -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Only those of this service
    #[arg(long)]
    service: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Only those before this number, which the page before names
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, serde::Deserialize)]
struct Checklists {
    checklists: Vec<Checklist>,
}

#[derive(Debug, serde::Deserialize)]
struct Checklist {
    name: String,
    spec: Spec,
}

#[derive(Debug, serde::Deserialize)]
struct Spec {
    version: u32,
    stage: String,
    signers: Vec<String>,
    items: Vec<Value>,
    description: String,
}

#[derive(Debug, serde::Deserialize)]
struct List {
    reviews: Vec<Line>,
    people: People,
    next: Option<u64>,
}

/// What those are called whom a server knows by an id.
pub(super) type People = BTreeMap<String, String>;

/// What `who` is called, as far as that is known.
pub(super) fn called<'a>(people: &'a People, who: &'a str) -> &'a str {
    people.get(who).map_or(who, String::as_str)
}

/// A review in short.
#[derive(Debug, serde::Deserialize)]
struct Line {
    id: String,
    service: String,
    checklist: String,
    version: u32,
    state: String,
    standing: Standing,
    by: String,
}

/// What a review is worth.
#[derive(Debug, serde::Deserialize)]
struct Standing {
    #[serde(rename = "standing")]
    word: String,
    until: Option<String>,
    since: Option<String>,
    items: Option<Vec<String>>,
}

impl Line {
    /// What it is, and what that is worth, in a few words.
    fn sentence(&self) -> String {
        let (state, standing) = (&self.state, self.standing.words());
        match self.standing.word.as_str() {
            // A review that goes on is worth nothing yet.
            "pending" => state.clone(),
            word if word == state.as_str() => standing,
            _ => format!("{state}: {standing}"),
        }
    }
}

impl Standing {
    fn words(&self) -> String {
        let said = self.word.replace('_', " ");
        let more = match self {
            Self { until: Some(until), .. } => format!(" until {}", words::whole_seconds(until)),
            Self { since: Some(since), .. } => format!(" since {}", words::whole_seconds(since)),
            Self { items: Some(items), .. } => format!(": {}", items.join(", ")),
            _ => String::new(),
        };
        said + &more
    }
}

/// Where a server has reviews of a service.
const PATH: [&str; 3] = ["api", "v1", "reviews"];

pub(crate) fn run(args: ReviewArgs) -> anyhow::Result<Exit> {
    match args.command {
        ReviewCommand::Checklists(args) => checklists(&args),
        ReviewCommand::List(args) => list(&args),
        ReviewCommand::Show(args) => show::run(&args),
        ReviewCommand::Act(act) => acts::run(act),
    }
}

fn checklists(args: &ChecklistsArgs) -> anyhow::Result<Exit> {
    let query = [("limit", "200")];
    let said: Value = Remote::new(&args.server)?.get(&["api", "v1", "checklists"], &query)?;
    let Checklists { checklists } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table = Grid::new(
            "no checklists",
            &["checklist", "version", "stage", "items", "signed by", "what for"],
        );
        for Checklist { name, spec } in &checklists {
            table.add_row([
                printable(name),
                spec.version.to_string(),
                spec.stage.replace('_', " "),
                spec.items.len().to_string(),
                printable(&spec.signers.join(", ")),
                printable(&spec.description),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    Ok(Exit::Met)
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let path: Vec<&str> = PATH.into_iter().chain(args.service.as_deref()).collect();
    let (limit, before) = (args.limit.to_string(), args.before.map(|before| before.to_string()));
    let before = before.as_deref().map(|before| ("before", before));
    let query: Vec<(&str, &str)> = before.into_iter().chain([("limit", limit.as_str())]).collect();
    let said: Value = Remote::new(&args.server)?.get(&path, &query)?;
    let List { reviews, people, next } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table =
            Grid::new("no reviews", &["review", "service", "checklist", "state", "stands", "by"]);
        for line in &reviews {
            table.add_row([
                printable(&line.id),
                printable(&line.service),
                printable(&format!("{} {}", line.checklist, line.version)),
                line.state.clone(),
                printable(&line.standing.words()),
                printable(called(&people, &line.by)),
            ]);
        }
        let more = next.map_or_else(String::new, |next| format!("more: --before {next}\n"));
        Ok(format!("{table}\n{more}"))
    })?;
    Ok(Exit::Met)
}
