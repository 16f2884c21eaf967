//! Approvals of one change: given, withdrawn, listed.

use serde_json::{Value, json};

use super::reports::{Ended, ReportArgs, until};
use super::{ActArgs, Request};
use crate::Exit;
use crate::commands::answer;
use crate::output::grid::Grid;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};

/// Approve one change, where a level of the policy asks for a signature
///
/// The gate lets the change pass as far as it was approved, when somebody else asks: nobody approves what they ask for
/// themselves. It lifts no denial; that takes an override.
///
/// Examples:
///
///   flyball policy approve checkout --change release-14 --role sre --why 'read it with Ada' --until 24h
///   flyball policy approve checkout --change 4f2a9c1 --rollout canary:5%:30m --role sre --why 'small' --until 4h
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ApproveArgs {
    /// The service
    service: String,
    /// The change, as the gate is asked with it: its id, or its commit or version
    #[arg(long, value_name = "ID")]
    change: String,
    /// The class that the gate is asked with
    #[arg(long, default_value = "feature")]
    class: String,
    /// How far it may reach: no more users, each step watched for as long; everybody at once unless told
    #[arg(long, value_name = "STEPS")]
    rollout: Option<String>,
    /// Where it may go; anywhere unless told
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    #[command(flatten)]
    act: ActArgs,
}

/// Withdraw an approval that you have given
///
/// Examples:
///
///   flyball policy withdraw checkout checkout:2026-12-01T12:00:00Z:sre --why 'it leaks memory'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct WithdrawArgs {
    /// The service
    service: String,
    /// What the approval is known by
    id: String,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// List the approvals of changes of a service, those that are over among them
///
/// Examples:
///
///   flyball policy approvals checkout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ApprovalsArgs {
    #[command(flatten)]
    asked: ReportArgs,
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    approvals: Vec<Approval>,
}

#[derive(Debug, serde::Deserialize)]
struct Approval {
    id: String,
    change: String,
    class: String,
    rollout: Option<String>,
    environment: Option<String>,
    role: String,
    who: String,
    why: String,
    expires: String,
    withdrawn: Option<Ended>,
}

impl ApproveArgs {
    pub(super) fn request(self) -> Request {
        let Self { service, change, class, rollout, environment, act } = self;
        let ActArgs { role, why, until, server } = act;
        let body = json!({
            "change": change, "class": class, "rollout": rollout, "environment": environment,
            "role": role, "why": why, "expires": until,
        });
        (server, path(&service, None), body)
    }
}

impl WithdrawArgs {
    pub(super) fn request(self) -> Request {
        let Self { service, id, why, server } = self;
        (server, path(&service, Some(&id)), json!({ "why": why }))
    }
}

/// Where approvals of `service` are given, or where the one called `id` ends.
fn path(service: &str, id: Option<&str>) -> Vec<String> {
    let mut parts = vec!["api", "v1", "gate", service, "approvals"];
    if let Some(id) = id {
        parts.extend([id, "end"]);
    }
    parts.into_iter().map(str::to_owned).collect()
}

pub(super) fn list(ApprovalsArgs { asked }: &ApprovalsArgs) -> anyhow::Result<Exit> {
    let path = ["api", "v1", "gate", &asked.service, "approvals"];
    let said: Value = Remote::new(&asked.server)?.whole(&path, &[], ("approvals", "before"))?;
    let Listed { approvals } = serde_json::from_value(said.clone())?;
    answer(asked.output, &said, || {
        let mut table =
            Grid::new("no approvals", &["approval", "change", "as far as", "by", "until", "why"]);
        for one in &approvals {
            let reach = [one.rollout.as_deref(), one.environment.as_deref()];
            let reach: Vec<&str> =
                std::iter::once(one.class.as_str()).chain(reach.into_iter().flatten()).collect();
            table.add_row([
                printable(&one.id),
                printable(&one.change),
                printable(&reach.join(", ")),
                printable(&format!("{} ({})", one.who, one.role)),
                until(&one.expires, one.withdrawn.as_ref()),
                printable(&one.why),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    Ok(Exit::Met)
}
