//! `flyball policy contest` and what belongs to it: postings that somebody disputes.

use flyball_model::Timestamp;
use serde_json::{Value, json};

use super::{Request, until};
use crate::Exit;
use crate::commands::{Form, answer};
use crate::output::grid::Grid;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};

/// Dispute a posting in the ledger: why, who decides, by when; it stands while it is contested
///
/// Examples:
///
///   flyball policy contest checkout 'incident 4711' --why 'the load test did it' --decider cto --until 7d
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ContestArgs {
    /// The service
    service: String,
    /// The posting: the objective and the time of what was counted, or the incident that it was put down to
    posting: String,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// The role that decides
    #[arg(long, value_name = "ROLE", default_value = "cto")]
    decider: String,
    /// By when, or for how long: 2026-12-01T18:00:00Z, or 7d; then the posting stands
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Timestamp,
    #[command(flatten)]
    server: ServerArgs,
}

/// Add evidence to a contest
///
/// Examples:
///
///   flyball policy evidence checkout checkout:2026-12-01T12:00:00Z 'the load test of that hour'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct EvidenceArgs {
    /// The service
    service: String,
    /// What the contest is known by
    id: String,
    /// What it says, or where it is
    text: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Decide a contest that somebody else has opened
///
/// Examples:
///
///   flyball policy settle checkout checkout:2026-12-01T12:00:00Z taken_back --role cto --why 'it was one'
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct SettleArgs {
    /// The service
    service: String,
    /// What the contest is known by
    id: String,
    /// stands, `taken_back` or moved
    outcome: String,
    /// As what you decide
    #[arg(long)]
    role: String,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// List the contests of a service and how they ended
///
/// Examples:
///
///   flyball policy contests checkout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ListArgs {
    /// The service
    service: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

fn path(service: &str, more: &[&str]) -> Vec<String> {
    let all = ["api", "v1", "gate", service, "contests"];
    all.iter().chain(more).map(|part| (*part).to_owned()).collect()
}

impl ContestArgs {
    pub(super) fn request(self) -> Request {
        let Self { service, posting, why, decider, until, server } = self;
        let body = json!({
            "posting": posting, "why": why, "decider": decider, "deadline": until,
        });
        (server, path(&service, &[]), body)
    }
}

impl EvidenceArgs {
    pub(super) fn request(self) -> Request {
        (self.server, path(&self.service, &[&self.id, "evidence"]), json!({ "text": self.text }))
    }
}

impl SettleArgs {
    pub(super) fn request(self) -> Request {
        let Self { service, id, outcome, role, why, server } = self;
        let body = json!({ "role": role, "outcome": outcome, "why": why });
        (server, path(&service, &[&id, "decision"]), body)
    }
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    contests: Vec<Contest>,
}

#[derive(Debug, serde::Deserialize)]
struct Contest {
    id: String,
    posting: String,
    by: String,
    why: String,
    deadline: String,
    evidence: Vec<Value>,
    state: Standing,
}

#[derive(Debug, serde::Deserialize)]
struct Standing {
    #[serde(rename = "state")]
    word: String,
    outcome: Option<String>,
    by: Option<String>,
}

pub(super) fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let path = ["api", "v1", "gate", &args.service, "contests"];
    let said: Value = Remote::new(&args.server)?.whole(&path, &[], ("contests", "before"))?;
    let Listed { contests } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table = Grid::new(
            "no contests",
            &["contest", "posting", "by", "why", "evidence", "until", "state"],
        );
        for one in &contests {
            let Standing { word, outcome, by } = &one.state;
            let state = match (outcome, by) {
                (Some(outcome), Some(by)) => format!("{outcome}, by {by}"),
                _ => word.clone(),
            };
            table.add_row([
                printable(&one.id),
                printable(&one.posting),
                printable(&one.by),
                printable(&one.why),
                one.evidence.len().to_string(),
                printable(&one.deadline),
                printable(&state),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    Ok(Exit::Met)
}
