//! `flyball policy backtest`: a policy tried on the past.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;
use flyball_model::{Duration, Timestamp};
use serde_json::{Value, json};

use crate::Exit;
use crate::commands::replay::now;
use crate::commands::{Form, answer};
use crate::output::grid::Grid;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};

/// Replay a policy over the changes that a server knows: what would it have stopped, and how did that end?
///
/// The policy is replayed as if it had been in force, with the budgets as they were when each change began.
///
/// Examples:
///
///   flyball policy backtest four-weeks
///   flyball policy backtest strict -f strict.yaml --service checkout --since 91d
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct BacktestArgs {
    /// The policy
    name: String,
    /// A document with the policy, in the place of the one that the server has
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only changes of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// How far back, or since when
    #[arg(long, value_name = "TIME", default_value = "91d", value_parser = since)]
    since: Timestamp,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// A moment, or a length of time until now.
fn since(text: &str) -> Result<Timestamp, String> {
    match Duration::parse(text) {
        Ok(length) => Ok(now().minus(length)),
        Err(_) => Timestamp::parse(text).map_err(|error| error.to_string()),
    }
}

#[derive(Debug, serde::Deserialize)]
struct Answer {
    policy: String,
    version: u32,
    sentence: String,
    left_out: usize,
    is_cut: bool,
    result: Backtest,
}

#[derive(Debug, serde::Deserialize)]
struct Backtest {
    stopped: Vec<Stopped>,
}

#[derive(Debug, serde::Deserialize)]
struct Stopped {
    change: Option<String>,
    service: String,
    class: String,
    at: String,
    outcome: String,
    level: Option<String>,
    ended: Option<String>,
}

pub(super) fn run(args: &BacktestArgs) -> anyhow::Result<Exit> {
    let read = |file: &PathBuf| {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    };
    let document = args.file.as_ref().map(read).transpose()?;
    let body = json!({ "service": args.service, "from": args.since, "document": document });
    let path = ["api", "v1", "policies", &args.name, "backtest"];
    let said: Value = Remote::new(&args.server)?.post_and_wait(&path, &body)?;
    let found: Answer = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || table(&found))?;
    Ok(Exit::Met)
}

fn table(found: &Answer) -> anyhow::Result<String> {
    let Answer { policy, version, sentence, left_out, is_cut, result } = found;
    let mut out = format!("{policy} {version} {sentence}\n");
    if *left_out > 0 || *is_cut {
        let more = if *is_cut { " and more" } else { "" };
        writeln!(
            out,
            "{left_out}{more} earlier changes were left out; hint: name a --service, or a later --since"
        )?;
    }
    if !result.stopped.is_empty() {
        let mut table = Grid::new(
            "nothing was stopped",
            &["change", "service", "class", "began", "outcome", "level", "ended"],
        );
        for one in &result.stopped {
            let or =
                |text: &Option<String>, other: &str| printable(text.as_deref().unwrap_or(other));
            table.add_row([
                or(&one.change, ""),
                printable(&one.service),
                printable(&one.class),
                printable(&one.at),
                printable(&one.outcome),
                or(&one.level, "cannot be told"),
                or(&one.ended, "not known"),
            ]);
        }
        write!(out, "\n{table}\n")?;
    }
    Ok(printable(&out))
}
