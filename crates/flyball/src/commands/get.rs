//! `flyball get`: what a server holds.

use std::fmt::Write;

use anyhow::ensure;
use serde_json::Value;

use super::budget::slos;
use super::{Form, answer};
use crate::Exit;
use crate::output::{alerts, live, words};
use crate::remote::{Remote, ServerArgs};

/// List the SLOs, the files of definitions or the alert targets of a server, or show one
///
/// Other documents have commands of their own: `flyball service list`, `flyball oncall rotas`, `flyball review checklists`,
/// `flyball policy list`, `flyball risk list`.
///
/// Examples:
///   flyball get slos
///   flyball get definitions
///   flyball get definitions slos/checkout.yaml > /tmp/checkout.yaml
///   flyball get slos checkout -o yaml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct GetArgs {
    /// What to list
    #[arg(value_name = "KIND", value_enum)]
    kind: Kind,

    /// Only the one of this name; of a file of definitions its text
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// What is promised
    #[value(alias = "slo")]
    Slos,
    /// The files that say so
    #[value(alias = "definition")]
    Definitions,
    /// Who is told of alerts, and what waits for them
    #[value(alias = "alert-target")]
    AlertTargets,
}

/// The answer of `GET /api/v1/definitions`.
#[derive(Debug, serde::Deserialize)]
struct Definitions {
    revision: u64,
    in_force: bool,
    files: Vec<live::FileView>,
    refused: Option<Refused>,
}

#[derive(Debug, serde::Deserialize)]
struct Refused {
    reason: String,
}

pub(crate) fn run(args: &GetArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let name = args.name.as_deref();
    match (args.kind, name) {
        (Kind::Slos, _) => {
            let said = slos(&remote, name, None)?;
            let list = serde_json::from_value(said.clone())?;
            answer(args.output, &said, || Ok(live::slos(&list)))?;
        }
        (Kind::Definitions, Some(name)) => {
            let said: Value = remote.get(&["api", "v1", "definitions", name], &[])?;
            let text = || said["text"].as_str().unwrap_or_default().to_owned();
            answer(args.output, &said, || Ok(text()))?;
        }
        (Kind::Definitions, None) => {
            let said: Value = remote.get(&["api", "v1", "definitions"], &[])?;
            let Definitions { revision, in_force, files, refused } =
                serde_json::from_value(said.clone())?;
            answer(args.output, &said, || {
                let mut out = live::files(&files);
                let force = if in_force { "" } else { ", not in force: apply it again" };
                writeln!(out, "revision {revision}{force}")?;
                if let Some(Refused { reason }) = refused {
                    let reason = words::printable(&reason);
                    writeln!(out, "the server's own files are refused: {reason}")?;
                }
                Ok(out)
            })?;
        }
        (Kind::AlertTargets, name) => {
            let mut said: Value = remote.get(&["api", "v1", "alert-targets"], &[])?;
            if let (Some(name), Some(targets)) = (name, said["targets"].as_array_mut()) {
                targets.retain(|target| target["name"] == name);
                ensure!(!targets.is_empty(), "there is no alert target `{name}`");
            }
            let list = serde_json::from_value(said.clone())?;
            answer(args.output, &said, || Ok(alerts::targets(&list)))?;
        }
    }
    Ok(Exit::Met)
}
