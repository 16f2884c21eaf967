//! `flyball incident action`: what is to be done after incidents.

use std::path::Path;

use anyhow::{Context, bail};
use flyball_query::near_matches;
use serde_json::{Value, json};

use super::path;
use crate::commands::delivery::view::Length;
use crate::commands::{Document, document};
use crate::output::page::{Page, text};
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, slotest, talk};

/// What files of tests end in.
const SCRIPTS: &str = "slotest";

/// Write action items down, end and list them
#[derive(Debug, clap::Args)]
pub(super) struct ActionArgs {
    #[command(subcommand)]
    command: ActionCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ActionCommand {
    Add(Box<AddArgs>),
    End(EndArgs),
    List(ListArgs),
}

/// Write an action item down in the write-up of an incident
///
/// Say how it will be known that it did what it is for: best a test that a machine runs. `flyball slo test --tell` tells the
/// server what came of tests; the item is done when its own passes, and open again when that fails later.
///
/// Examples:
///
///   flyball incident action add INC-17 'bound the pool' --owner payments --priority P0 --due 2026-12-01 --slotest pool.slotest
///   flyball incident action add INC-17 'rehearse it' --kind process --owner payments --priority P2 --due 2027-01-15 --looked 'the minutes of the rehearsal'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[group(id = "known_by", required = true, multiple = false, args = ["slotest", "drill", "looked"])]
struct AddArgs {
    /// What the incident is known by
    id: String,
    /// What is to be done, in a sentence
    text: String,
    /// What it is to be known by; its number unless told
    #[arg(long, value_name = "ID")]
    item: Option<String>,
    /// What it is for: prevent, mitigate or process
    #[arg(long, default_value = "prevent")]
    kind: String,
    /// The team that does it
    #[arg(long, value_name = "TEAM")]
    owner: String,
    /// How soon: P0 to P3
    #[arg(long, value_name = "P")]
    priority: String,
    /// By when, as 2026-12-01: the end of that day in UTC
    #[arg(long, value_name = "DATE")]
    due: String,
    /// Where it is worked on
    #[arg(long, value_name = "URL")]
    ticket: Option<String>,
    /// It is done when this file of tests passes. One that is here must be readable; it may be yet to be written
    #[arg(long, value_name = "FILE")]
    slotest: Option<String>,
    /// Only this test of the file
    #[arg(long, value_name = "NAME", requires = "slotest")]
    test: Option<String>,
    /// It is done when the hypothesis of this drill holds
    #[arg(long, value_name = "NAME")]
    drill: Option<String>,
    /// It is done when somebody sees this
    #[arg(long, value_name = "TEXT")]
    looked: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// End an action item: somebody saw that it is done, or it is not to be done
///
/// Examples:
///
///   flyball incident action end INC-17 2 --seen 'rehearsed on Friday, 12 minutes'
///   flyball incident action end INC-17 3 --dropped 'the service is retired'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[group(id = "ended", required = true, multiple = false, args = ["seen", "dropped"])]
struct EndArgs {
    /// What the incident is known by
    id: String,
    /// What the item is known by
    item: String,
    /// What somebody saw
    #[arg(long, value_name = "TEXT")]
    seen: Option<String>,
    /// Why it is not to be done
    #[arg(long, value_name = "TEXT")]
    dropped: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// List action items, with their age and what shows that they are done
///
/// Examples:
///
///   flyball incident action list
///   flyball incident action list --service checkout --open
///   flyball incident action list --team payments --late
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only those that are to be done
    #[arg(long)]
    open: bool,
    /// Only those whose day is over
    #[arg(long)]
    late: bool,
    /// Only those of this team
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Only those of write-ups begun before the one of this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is read of an action item.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Item {
    incident: Option<String>,
    id: String,
    text: String,
    owner: String,
    priority: String,
    due: String,
    state: State,
    age: Option<String>,
    #[serde(default)]
    is_late: bool,
    /// Whether its test is known to be able to fail.
    is_proof: Option<bool>,
    outcome: Outcome,
}

#[derive(Debug, serde::Deserialize)]
struct State {
    #[serde(rename = "state")]
    word: String,
    shown: Option<String>,
    why: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Outcome {
    file: Option<String>,
    test: Option<String>,
    name: Option<String>,
    text: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    items: Vec<Item>,
    next: Option<u64>,
}

impl Item {
    pub(super) fn is_open(&self) -> bool {
        self.state.word == "open"
    }

    /// How it is known that it is done.
    fn known_by(&self) -> String {
        let Outcome { file, test, name, text } = &self.outcome;
        match (file, test, name, text) {
            (Some(file), Some(test), ..) => format!("{file} passes: {test}"),
            (Some(file), None, ..) => format!("{file} passes"),
            (_, _, Some(name), _) => format!("the drill {name} holds"),
            (.., text) => text.clone().unwrap_or_default(),
        }
    }

    fn standing(&self) -> String {
        let State { word, shown, why } = &self.state;
        let more = shown.as_ref().or(why.as_ref());
        let more = more.map(|more| format!(": {more}")).unwrap_or_default();
        let late = if self.is_late { ", late" } else { "" };
        let is_unproved = word == "done" && self.is_proof == Some(false);
        let proof = if is_unproved { " (its test never failed)" } else { "" };
        format!("{word}{late}{more}{proof}")
    }
}

/// Items in a table.
pub(super) fn item_rows(page: &mut Page, items: &[Item]) {
    if items.is_empty() {
        page.say("There is none.");
    }
    let rows = items.iter().map(|item| {
        let of = item.incident.as_ref().map(|of| format!("{of} ")).unwrap_or_default();
        [
            format!("{of}{}", item.id),
            item.priority.clone(),
            item.text.clone(),
            item.owner.clone(),
            item.due.clone(),
            item.age.as_deref().map_or_else(|| "–".to_owned(), age),
            item.known_by(),
            item.standing(),
        ]
    });
    let columns = [
        text("Item"),
        text("Priority"),
        text("What"),
        text("Owner"),
        text("Due (UTC)"),
        text("Age"),
        text("Known by"),
        text("State"),
    ];
    page.table(columns, rows);
}

/// An age as the server says it, in its two largest units.
fn age(text: &str) -> String {
    Length::of(text).words()
}

pub(super) fn run(args: ActionArgs) -> anyhow::Result<Exit> {
    match args.command {
        ActionCommand::Add(args) => add(&args),
        ActionCommand::End(args) => {
            let parts = ["post-mortem", "actions", args.item.as_str(), "end"];
            let body = json!({ "seen": args.seen, "dropped": args.dropped });
            let item: Item = Remote::new(&args.server)?.post(&path(&args.id, &parts), &body)?;
            talk::note(&format!("{} is {}", printable(&item.id), printable(&item.standing())));
            Ok(Exit::Met)
        }
        ActionCommand::List(args) => list(&args),
    }
}

/// Refuses a file of tests that can never be told of: what is none, and one that lies here and cannot be read, or has no
/// test of that name. One that is yet to be written is as good: the item is open until it passes.
fn check(file: &str, test: Option<&str>) -> anyhow::Result<()> {
    let path = Path::new(file);
    if path.extension().is_none_or(|ending| ending != SCRIPTS) {
        bail!("`{file}` is no file of tests\nhint: those of `flyball slo test` end in .{SCRIPTS}");
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            talk::note(&format!(
                "there is no `{file}` here yet; the item is open until `flyball slo test … --tell VERSION` tells of a file that is \
                 called so, or whose path ends so, and that it passes"
            ));
            return Ok(());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {file}")),
    };
    let Ok(text) = String::from_utf8(bytes) else {
        bail!("{file}: not UTF-8\nhint: save the script as UTF-8");
    };
    let names = match slotest::names(&text) {
        Ok(names) => names,
        Err(problems) => {
            let told: Vec<String> = problems.iter().map(|of| of.render(file, &text)).collect();
            bail!("`{file}` cannot be read\n{}", told.join("\n"));
        }
    };
    let known = || names.iter().filter_map(Option::as_deref);
    match test.filter(|test| !known().any(|name| name == *test)) {
        None => Ok(()),
        Some(test) => {
            let hint = match near_matches(test, known()).first() {
                Some(near) => format!("did you mean `{near}`?"),
                None if known().next().is_none() => {
                    "its one test has no name; leave --test out".to_owned()
                }
                None => {
                    let known: Vec<String> = known().map(|name| format!("`{name}`")).collect();
                    format!("there are {}", known.join(", "))
                }
            };
            bail!("{file}: it has no test `{test}`\nhint: {hint}")
        }
    }
}

fn add(args: &AddArgs) -> anyhow::Result<Exit> {
    if let Some(file) = &args.slotest {
        check(file, args.test.as_deref())?;
    }
    let outcome = match (&args.slotest, &args.drill) {
        (Some(file), _) => json!({ "outcome": "slo_test", "file": file, "test": args.test }),
        (None, Some(name)) => json!({ "outcome": "drill", "name": name }),
        (None, None) => json!({ "outcome": "looked", "text": args.looked }),
    };
    let body = json!({
        "id": args.item, "text": args.text, "kind": args.kind, "owner": args.owner,
        "priority": args.priority, "due": args.due, "ticket": args.ticket, "outcome": outcome,
    });
    let parts = ["post-mortem", "actions"];
    let item: Item = Remote::new(&args.server)?.post(&path(&args.id, &parts), &body)?;
    crate::commands::print(&format!("{}\n", printable(&item.id)))?;
    let (id, of, due) = (printable(&item.id), printable(&args.id), printable(&item.due));
    talk::note(&format!(
        "the action item {id} of {of} is written down, due by the end of {due} UTC"
    ));
    Ok(Exit::Met)
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let mut query = Vec::new();
    query.extend(args.service.as_deref().map(|service| ("service", service)));
    query.extend(args.team.as_deref().map(|team| ("owner", team)));
    query.extend(args.open.then_some(("open", "true")));
    query.extend(args.late.then_some(("late", "true")));
    query.extend(args.before.as_deref().map(|before| ("before", before)));
    let said: Value = Remote::new(&args.server)?.get(&["api", "v1", "action-items"], &query)?;
    let Listed { items, next } = serde_json::from_value(said.clone())?;
    document(args.output, &said, || {
        let open = items.iter().filter(|item| item.is_open()).count();
        let late = items.iter().filter(|item| item.is_late).count();
        let mut page = Page::new("Action items", format!("{open} to be done, {late} late"));
        item_rows(&mut page, &items);
        page
    })?;
    if let (Document::Table, Some(next)) = (args.output, next) {
        let hint = format!("flyball incident action list --before {next}");
        talk::note(&format!("there may be older ones\nhint: {hint}"));
    }
    Ok(Exit::Met)
}
