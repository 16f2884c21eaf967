//! `flyball incident post-mortem`: what is written of an incident.

use serde_json::{Map, Value, json};

use super::action::{Item, item_rows};
use super::path;
use super::show::{Cost, Entry, cost_table, timeline_table};
use crate::commands::review::{People, called};
use crate::commands::{Document, document};
use crate::output::page::{Page, text};
use crate::output::words::{self, printable};
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Write up what was learnt: blameless, read by somebody else, published
#[derive(Debug, clap::Args)]
pub(super) struct PostMortemArgs {
    #[command(subcommand)]
    command: PostMortemCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PostMortemCommand {
    Write(Box<WriteArgs>),
    Show(ShowArgs),
    List(ListArgs),
    /// Give a write-up to somebody else to read: it has an answer under each heading, and an item of the priority P0
    ///
    /// Examples:
    ///
    ///   flyball incident post-mortem submit INC-17
    #[command(verbatim_doc_comment)]
    Submit(MoveArgs),
    /// Publish a write-up that somebody else has submitted: whoever has written it does not
    ///
    /// Examples:
    ///
    ///   flyball incident post-mortem publish INC-17
    #[command(verbatim_doc_comment)]
    Publish(MoveArgs),
    /// Return a write-up that was submitted to whoever writes it
    ///
    /// Examples:
    ///
    ///   flyball incident post-mortem send-back INC-17
    #[command(verbatim_doc_comment)]
    SendBack(MoveArgs),
    Waive(WaiveArgs),
}

/// Begin the write-up of an incident, or go on with it; what is left out stays
///
/// It begins with what is known: moments, what it cost, the change that was named. Every heading wants an
/// answer; "nothing" is one. Say what the system let happen: names of people that the incident names and words
/// that put a fault down to people are shown at once, and as long as a name stands in it it is not submitted.
///
/// Examples:
///
///   flyball incident post-mortem write INC-17
///   flyball incident post-mortem write INC-17 --root-causes 'the pool had no bound' \
///     --went-well 'the alert came in a minute'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct WriteArgs {
    /// What the incident is known by
    id: String,
    /// What it is called
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// What happened
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// Who was hit, how, and what it cost
    #[arg(long, value_name = "TEXT")]
    impact: Option<String>,
    /// Why the system let it happen
    #[arg(long, value_name = "TEXT")]
    root_causes: Option<String>,
    /// What set it off
    #[arg(long, value_name = "TEXT")]
    trigger: Option<String>,
    /// What ended it
    #[arg(long, value_name = "TEXT")]
    resolution: Option<String>,
    /// How it was noticed
    #[arg(long, value_name = "TEXT")]
    detection: Option<String>,
    /// What went well
    #[arg(long, value_name = "TEXT")]
    went_well: Option<String>,
    /// What went wrong
    #[arg(long, value_name = "TEXT")]
    went_wrong: Option<String>,
    /// Where luck helped
    #[arg(long, value_name = "TEXT")]
    lucky: Option<String>,
    /// Where more is found, once for each
    #[arg(long, value_name = "URL")]
    supporting: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show a write-up with what the incident cost and what happened
///
/// Examples:
///
///   flyball incident post-mortem show INC-17 -o markdown
///   flyball incident post-mortem show INC-17 -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ShowArgs {
    /// What the incident is known by
    id: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// List write-ups, those begun last first
///
/// Which are due says the card of a service: flyball service show.
///
/// Examples:
///
///   flyball incident post-mortem list --service checkout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only those begun before the one of this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which write-up is moved on.
#[derive(Debug, clap::Args)]
struct MoveArgs {
    /// What the incident is known by
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Waive what the policy demands of a service: the post-mortem of an incident, or the place of a class of outages in the next plan
///
/// Examples:
///
///   flyball incident post-mortem waive checkout --incident INC-17 --why 'a load test that nobody had marked'
///   flyball incident post-mortem waive checkout --class dns --why 'the provider is replaced in May'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct WaiveArgs {
    /// The service
    service: String,
    /// The incident of which no post-mortem is to be written
    #[arg(long, value_name = "ID", required_unless_present = "class", conflicts_with = "class")]
    incident: Option<String>,
    /// The class of outages that needs no place in the plan
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is read of a write-up.
#[derive(Debug, serde::Deserialize)]
struct WriteUp {
    number: u64,
    incident: String,
    title: String,
    authors: Vec<String>,
    state: String,
    summary: String,
    impact: String,
    root_causes: String,
    trigger: String,
    resolution: String,
    detection: String,
    lessons: Lessons,
    actions: Vec<Item>,
    supporting: Vec<String>,
    missing: Vec<String>,
    blames: Vec<Blame>,
}

#[derive(Debug, serde::Deserialize)]
struct Lessons {
    well: String,
    wrong: String,
    lucky: String,
}

#[derive(Debug, serde::Deserialize)]
struct Blame {
    field: String,
    words: String,
    is_name: bool,
}

#[derive(Debug, serde::Deserialize)]
struct Shown {
    #[serde(flatten)]
    write_up: WriteUp,
    costs: Option<Vec<Cost>>,
    users_by: Option<String>,
    timeline: Vec<Entry>,
    people: People,
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    post_mortems: Vec<WriteUp>,
    next: Option<u64>,
}

pub(super) fn run(args: PostMortemArgs) -> anyhow::Result<Exit> {
    match args.command {
        PostMortemCommand::Write(args) => write(*args),
        PostMortemCommand::Show(args) => show(&args),
        PostMortemCommand::List(args) => list(&args),
        PostMortemCommand::Submit(args) => move_on(&args, "in_review"),
        PostMortemCommand::Publish(args) => move_on(&args, "published"),
        PostMortemCommand::SendBack(args) => move_on(&args, "draft"),
        PostMortemCommand::Waive(args) => waive(&args),
    }
}

fn write(args: WriteArgs) -> anyhow::Result<Exit> {
    let texts = [
        ("title", args.title),
        ("summary", args.summary),
        ("impact", args.impact),
        ("root_causes", args.root_causes),
        ("trigger", args.trigger),
        ("resolution", args.resolution),
        ("detection", args.detection),
        ("went_well", args.went_well),
        ("went_wrong", args.went_wrong),
        ("lucky", args.lucky),
    ];
    let mut body = Map::new();
    body.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
    if !args.supporting.is_empty() {
        body.insert("supporting".to_owned(), args.supporting.into());
    }
    let remote = Remote::new(&args.server)?;
    tell(&remote.post(&path(&args.id, &["post-mortem"]), &Value::from(body))?);
    Ok(Exit::Met)
}

fn move_on(args: &MoveArgs, to: &str) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    tell(&remote.post(&path(&args.id, &["post-mortem", "state"]), &json!({ "to": to }))?);
    Ok(Exit::Met)
}

fn waive(args: &WaiveArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let path = ["api", "v1", "services", &args.service, "post-mortem-waivers"];
    let body = json!({ "incident": args.incident, "class": args.class, "why": args.why });
    let waived: Vec<Value> = remote.post(&path, &body)?;
    let demands = words::plural(waived.len() as u64, "demand", "demands");
    talk::note(&format!("{demands} of a post-mortem of {} waived", printable(&args.service)));
    Ok(Exit::Met)
}

/// Tells how a write-up is.
fn tell(write_up: &WriteUp) {
    let WriteUp { incident, state, missing, blames, .. } = write_up;
    talk::note(&format!("the write-up of {} is {}", printable(incident), words_of(state)));
    if !missing.is_empty() {
        talk::note(&format!("nothing is said under: {}", missing.join(", ").replace('_', " ")));
    }
    for Blame { field, words, is_name } in blames {
        let what = if *is_name { "is a name" } else { "asks nothing" };
        talk::note(&format!("`{}` under {} {what}", printable(words), field.replace('_', " ")));
    }
}

fn words_of(state: &str) -> String {
    if state == "draft" { "a draft".to_owned() } else { state.replace('_', " ") }
}

fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let said: Value = Remote::new(&args.server)?.get(&path(&args.id, &["post-mortem"]), &[])?;
    let shown: Shown = serde_json::from_value(said.clone())?;
    document(args.output, &said, || page(&shown))?;
    Ok(Exit::Met)
}

fn page(shown: &Shown) -> Page {
    let Shown { write_up, costs, users_by, timeline, people } = shown;
    let authors: Vec<&str> = write_up.authors.iter().map(|who| called(people, who)).collect();
    let about = format!("Post-mortem of {}", write_up.incident);
    let mut page = Page::new(about, write_up.title.clone());
    page.facts([("State", words_of(&write_up.state)), ("Authors", authors.join(", "))]);
    let sections = [
        ("Summary", &write_up.summary),
        ("Impact", &write_up.impact),
        ("Root causes", &write_up.root_causes),
        ("Trigger", &write_up.trigger),
        ("Resolution", &write_up.resolution),
        ("Detection", &write_up.detection),
        ("What went well", &write_up.lessons.well),
        ("What went wrong", &write_up.lessons.wrong),
        ("Where we got lucky", &write_up.lessons.lucky),
    ];
    for (heading, said) in sections {
        page.heading(heading);
        page.say(if said.trim().is_empty() { "Nothing is said yet." } else { said.as_str() });
    }
    page.heading("Action items");
    item_rows(&mut page, &write_up.actions);
    if let Some(costs) = costs {
        cost_table(&mut page, costs, users_by.as_deref());
    } else {
        page.heading("What it cost");
        page.say("The ledger cannot tell now.");
    }
    timeline_table(&mut page, timeline, people);
    if !write_up.supporting.is_empty() {
        page.heading("Supporting information");
        page.list(write_up.supporting.iter().cloned());
    }
    page
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let mut query = Vec::new();
    query.extend(args.service.as_deref().map(|service| ("service", service)));
    query.extend(args.before.as_deref().map(|before| ("before", before)));
    let said: Value = Remote::new(&args.server)?.get(&["api", "v1", "post-mortems"], &query)?;
    let Listed { post_mortems, next } = serde_json::from_value(said.clone())?;
    document(args.output, &said, || {
        let count = post_mortems.len().to_string();
        let mut page = Page::new("Post-mortems", count);
        let rows = post_mortems.iter().map(|of| {
            let open = of.actions.iter().filter(|item| item.is_open()).count();
            [
                of.number.to_string(),
                of.incident.clone(),
                words_of(&of.state),
                format!("{open} of {}", of.actions.len()),
                of.title.clone(),
            ]
        });
        let columns =
            [text("Number"), text("Incident"), text("State"), text("To be done"), text("Title")];
        page.table(columns, rows);
        page
    })?;
    if let (Document::Table, Some(next)) = (args.output, next) {
        let hint = format!("flyball incident post-mortem list --before {next}");
        talk::note(&format!("there may be older ones\nhint: {hint}"));
    }
    Ok(Exit::Met)
}
