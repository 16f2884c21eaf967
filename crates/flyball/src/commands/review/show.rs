//! `flyball review show`: one review on a page.

use serde_json::Value;

use super::{Line, PATH, People, called};
use crate::Exit;
use crate::cli::EXIT_CODES;
use crate::commands::{Document, document};
use crate::output::page::{Page, text};
use crate::remote::{Remote, ServerArgs};

/// Show a review: where each item stands, what stands in the way, whose signatures are awaited
///
/// Exits 0 when it stands approved, 3 while it is under way, 1 when it does not count any more.
///
/// Examples:
///
///   flyball review show checkout launch-readiness
///   flyball review show checkout launch-readiness -o markdown
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXIT_CODES)]
pub(super) struct ShowArgs {
    /// The service
    service: String,
    /// What the review is known by, or its checklist for the last one
    id: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// A review and where it stands.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Review {
    #[serde(flatten)]
    pub(super) line: Line,
    #[serde(rename = "review")]
    kept: Kept,
    assessment: Option<Assessment>,
    pub(super) blocking: Vec<String>,
    learnt: Vec<String>,
    pub(super) missing: Vec<String>,
    unmet: Vec<String>,
    problem: Option<String>,
    people: People,
}

#[derive(Debug, serde::Deserialize)]
struct Kept {
    adviser: Option<String>,
    signatures: Vec<Signature>,
    #[serde(default)]
    waivers: Vec<Waiver>,
}

/// What may be missing for a time.
#[derive(Debug, serde::Deserialize)]
struct Waiver {
    item: String,
    role: String,
    approver: String,
    why: String,
    expires: String,
}

#[derive(Debug, serde::Deserialize)]
struct Signature {
    role: String,
    who: String,
}

#[derive(Debug, serde::Deserialize)]
struct Assessment {
    items: Vec<Item>,
    controls: Vec<Control>,
}

#[derive(Debug, serde::Deserialize)]
struct Item {
    id: String,
    heading: String,
    ask: String,
    severity: String,
    outcome: Outcome,
    answer: Option<Answer>,
    seen: Vec<Seen>,
    learnt: Option<Learnt>,
}

#[derive(Debug, serde::Deserialize)]
struct Outcome {
    #[serde(rename = "outcome")]
    word: String,
    until: Option<String>,
    yes: Option<bool>,
}

#[derive(Debug, serde::Deserialize)]
struct Answer {
    yes: bool,
    evidence: String,
    who: String,
}

#[derive(Debug, serde::Deserialize)]
struct Seen {
    name: String,
    value: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Learnt {
    incident: String,
}

#[derive(Debug, serde::Deserialize)]
struct Control {
    item: String,
    sign_off: SignOff,
}

#[derive(Debug, serde::Deserialize)]
struct SignOff {
    role: String,
    classes: Vec<String>,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let said: Value = remote.get(&[&PATH[..], &[&args.service, &args.id]].concat(), &[])?;
    let review: Review = serde_json::from_value(said.clone())?;
    document(args.output, &said, || page(&review))?;
    Ok(match review.line.standing.word.as_str() {
        "approved" => Exit::Met,
        "pending" => Exit::Undecided,
        _ => Exit::Missed,
    })
}

fn page(review: &Review) -> Page {
    let Review { line, kept, assessment, blocking, learnt, missing, unmet, problem, people } =
        review;
    let about = format!("Review of {} by {} {}", line.service, line.checklist, line.version);
    let mut page = Page::new(about, format!("It is {}.", line.sentence()));
    let signed =
        kept.signatures.iter().map(|of| format!("{} ({})", called(people, &of.who), of.role));
    let listed = |names: Vec<String>| {
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    };
    page.facts([
        ("Known by", line.id.clone()),
        ("Opened by", called(people, &line.by).to_owned()),
        ("Adviser", kept.adviser.clone().unwrap_or_else(|| "nobody yet".to_owned())),
        ("Signed by", listed(signed.collect())),
        ("Waits for", listed(missing.clone())),
    ]);
    page.list(problem.clone());
    let Some(Assessment { items, controls }) = assessment else { return page };
    page.heading("Items");
    let rows = items.iter().map(|item| {
        [
            item.heading.replace('_', " "),
            item.id.clone(),
            outcome(item),
            item.severity.clone(),
            item.ask.clone(),
            shown(item, &kept.waivers, people),
        ]
    });
    let columns = [
        text("Heading"),
        text("Item"),
        text("Outcome"),
        text("Severity"),
        text("Question"),
        text("By"),
    ];
    page.table(columns, rows);
    if !unmet.is_empty() {
        page.heading("Not eligible");
        page.list(unmet.iter().cloned());
    }
    if !blocking.is_empty() {
        page.heading("In the way");
        page.list(blocking.iter().cloned());
    }
    if !learnt.is_empty() {
        page.heading("Learnt since the review before");
        let new = items.iter().filter(|item| learnt.contains(&item.id));
        page.list(new.map(|item| match &item.learnt {
            Some(of) => format!("{}: {} (incident {})", item.id, item.ask, of.incident),
            None => item.id.clone(),
        }));
    }
    if !controls.is_empty() {
        page.heading("What the gate asks for");
        page.list(controls.iter().map(|control| {
            let SignOff { role, classes } = &control.sign_off;
            format!("{role} signs each {} ({})", classes.join(", "), control.item)
        }));
    }
    page
}

fn outcome(item: &Item) -> String {
    let Outcome { word, until, yes } = &item.outcome;
    match (until, yes) {
        (Some(until), _) => {
            format!("{word} until {}", crate::output::words::whole_seconds(until))
        }
        (_, Some(true)) => "applies".to_owned(),
        (_, Some(false)) => "does not apply".to_owned(),
        _ => word.clone(),
    }
}

/// What shows it: who waived it and why, what was seen, or what a person answered.
fn shown(item: &Item, waivers: &[Waiver], people: &People) -> String {
    let until = item.outcome.until.as_ref().filter(|_| item.outcome.word == "waived");
    let is_it = |of: &&Waiver| of.item == item.id && Some(&of.expires) == until;
    if let Some(Waiver { role, approver, why, .. }) = waivers.iter().rev().find(is_it) {
        let seen = evidence(item, people);
        let seen = if seen.is_empty() { seen } else { format!("; {seen}") };
        return format!("waived by {} ({role}): {why}{seen}", called(people, approver));
    }
    evidence(item, people)
}

fn evidence(item: &Item, people: &People) -> String {
    if let Some(Answer { yes, evidence, who }) = &item.answer {
        let yes = if *yes { "yes" } else { "no" };
        let evidence = if evidence.is_empty() { String::new() } else { format!(": {evidence}") };
        return format!("{}, {yes}{evidence}", called(people, who));
    }
    let seen = item.seen.iter().map(|seen| match &seen.value {
        Some(value) => format!("{} is {value}", seen.name),
        None => format!("{} is not known", seen.name),
    });
    seen.collect::<Vec<String>>().join(", ")
}
