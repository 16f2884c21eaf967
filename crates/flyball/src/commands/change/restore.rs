//! `flyball change restore`: what would be done about a change, or has it done.

use std::fmt::Write;

use flyball_model::Timestamp;
use serde_json::{Map, Value};

use super::{Form, PATH, answer};
use crate::output::words::{self, printable};
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// What the end of the command means.
const EXIT_CODES: &str =
    "Exit codes: 0 it is told, or was done; 2 it was not; 3 it is not known yet.";

/// Tell what a restore action would do about a change, or have it done
///
/// The action is the one that does what is suggested, unless one is named. Nothing is changed without --apply;
/// what was done is not done again.
///
/// Examples:
///
///   flyball change restore release-14
///   flyball change restore release-14 --apply --role sre
///   flyball change restore release-14 --action drain-region --slice cloud.region=eu-1 --apply --role sre
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXIT_CODES)]
pub(super) struct RestoreArgs {
    /// What the change is known by
    id: String,
    /// The restore action
    #[arg(long, value_name = "NAME")]
    action: Option<String>,
    /// What is to be drained: ATTRIBUTE=VALUE
    #[arg(long, value_name = "SLICE")]
    slice: Option<String>,
    /// Have it done
    #[arg(long, requires = "role")]
    apply: bool,
    /// As what you have it done, as sre
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is said of the use of an action.
#[derive(Debug, serde::Deserialize)]
struct Answer {
    restore: Restoring,
}

/// The use of an action on a change, as an answer says it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Restoring {
    action: String,
    does: String,
    slice: Option<String>,
    flag: Option<String>,
    by: String,
    role: Option<String>,
    automatic: bool,
    at: Timestamp,
    plan: Option<Plan>,
    state: String,
    problem: Option<String>,
    ended: Option<Timestamp>,
    change: Option<String>,
}

/// What is done.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum Plan {
    Request { method: String, url: String, body: String },
    Edit { file: String, edits: Vec<Edit> },
}

#[derive(Debug, serde::Deserialize)]
struct Edit {
    pointer: String,
    from: Value,
    to: Value,
}

pub(super) fn run(args: &RestoreArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let mut body = Map::new();
    let texts = [("action", &args.action), ("slice", &args.slice), ("role", &args.role)];
    for (name, value) in texts {
        body.extend(value.as_ref().map(|value| (name.to_owned(), value.clone().into())));
    }
    body.insert("apply".to_owned(), args.apply.into());
    let path = [&PATH[..], &[&args.id, "restore"]].concat();
    let said: Value = remote.post(&path, &body)?;
    let Answer { restore } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || Ok(printable(&text(&restore))))?;
    talk::note(&sentence(&restore));
    Ok(match restore.state.as_str() {
        "planned" | "done" => Exit::Met,
        "begun" => Exit::Undecided,
        _ => Exit::Usage,
    })
}

/// What is done, with a newline at its end.
fn text(restore: &Restoring) -> String {
    let mut out = String::new();
    match &restore.plan {
        None => {}
        Some(Plan::Request { method, url, body }) => {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{method} {url}");
            if !body.is_empty() {
                let _ = writeln!(out, "{body}");
            }
        }
        Some(Plan::Edit { file, edits }) => {
            let unchanged = if edits.is_empty() { ": it is off already" } else { "" };
            let _ = writeln!(out, "{file}{unchanged}");
            for Edit { pointer, from, to } in edits {
                let _ = writeln!(out, "- {pointer}: {from}\n+ {pointer}: {to}");
            }
        }
    }
    out
}

/// How far it has come, in a line.
pub(super) fn sentence(restore: &Restoring) -> String {
    let Restoring { action, slice, flag, by, role, automatic, .. } = restore;
    let what = restore.does.replace('_', " ");
    let of = slice.as_ref().or(flag.as_ref()).map(|of| format!(" {of}")).unwrap_or_default();
    let who = match (automatic, role) {
        (true, _) => "automatically".to_owned(),
        (false, Some(role)) => format!("by {by} as {role}"),
        (false, None) => format!("by {by}"),
    };
    let state = match restore.state.as_str() {
        "planned" => "a dry run, nothing was changed".to_owned(),
        state => state.replace('_', " "),
    };
    let at = words::whole_seconds(&restore.ended.unwrap_or(restore.at).to_string());
    let problem = restore.problem.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let recorded = restore.change.as_ref().map(|id| format!(", recorded as {id}"));
    let recorded = recorded.unwrap_or_default();
    format!("{what}{of} by {action}, {who} at {at}: {state}{problem}{recorded}")
}
