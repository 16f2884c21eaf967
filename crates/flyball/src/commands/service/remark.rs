//! `flyball service remark`: what people say of a service that no telemetry knows.

use serde_json::{Value, json};

use super::PATH;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Say of a service what no telemetry knows: how much toil it takes, how satisfied its users are
///
/// Reports go by what was said last in their time; hours of toil add up. It is in the audit log.
///
/// Examples:
///
///   flyball service remark checkout --toil high --hours 12 --note 'certificates by hand'
///   flyball service remark checkout --satisfaction low --note 'ten complaints about slow payment'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct RemarkArgs {
    /// The service
    name: String,
    /// How much toil it takes
    #[arg(long, value_enum)]
    toil: Option<Mark>,
    /// The hours that went into toil since the remark before
    #[arg(long, value_name = "N")]
    hours: Option<u32>,
    /// How satisfied its users are
    #[arg(long, value_enum)]
    satisfaction: Option<Mark>,
    /// What was said, in a sentence
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// How much of something there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mark {
    Low,
    High,
}

impl Mark {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
        }
    }
}

pub(super) fn run(args: &RemarkArgs) -> anyhow::Result<Exit> {
    let RemarkArgs { name, toil, hours, satisfaction, note, server } = args;
    let remote = Remote::new(server)?;
    let body = json!({
        "toil": toil, "toil_hours": hours, "satisfaction": satisfaction, "note": note,
    });
    let _: Value = remote.post(&[&PATH[..], &[name, "remarks"]].concat(), &body)?;
    talk::note(&format!("kept: a remark on {name}"));
    Ok(Exit::Met)
}
