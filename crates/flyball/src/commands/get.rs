//! `flyball get`: what a server holds.

use std::fmt::Write;

use anyhow::ensure;
use flyball_query::near_matches;
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
    /// What to list: slos, definitions or alert-targets, in the singular as well
    #[arg(value_name = "KIND", value_parser = kind)]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What is promised
    Slos,
    /// The files that say so
    Definitions,
    /// Who is told of alerts, and what waits for them
    AlertTargets,
}

/// What is listed here, in the plural.
const LISTED: [(&str, Kind); 3] = [
    ("slos", Kind::Slos),
    ("definitions", Kind::Definitions),
    ("alert-targets", Kind::AlertTargets),
];

/// What commands of its own list, in the plural.
const ELSEWHERE: [(&str, &str); 15] = [
    ("services", "flyball service list"),
    ("rotas", "flyball oncall rotas"),
    ("policies", "flyball policy list"),
    ("budget-policies", "flyball policy list"),
    ("checklists", "flyball review checklists"),
    ("reviews", "flyball review list"),
    ("risks", "flyball risk list"),
    ("drills", "flyball drill list"),
    ("incidents", "flyball incident list"),
    ("changes", "flyball change list"),
    ("alerts", "flyball alert list"),
    ("grants", "flyball grant list"),
    ("tokens", "flyball token list"),
    ("budgets", "flyball budget"),
    ("frictions", "flyball friction list"),
];

/// A kind by its name: in the singular or the plural, in small letters or as a document writes it (`AlertTarget`).
fn kind(given: &str) -> Result<Kind, String> {
    let letters = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let singular = |plural: &str| match plural.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => plural.trim_end_matches('s').to_owned(),
    };
    let asked = letters(given);
    let is_it = |name: &str| asked == letters(name) || asked == letters(&singular(name));
    if let Some((_, kind)) = LISTED.iter().find(|(name, _)| is_it(name)) {
        return Ok(*kind);
    }
    if let Some((name, command)) = ELSEWHERE.iter().find(|(name, _)| is_it(name)) {
        return Err(format!("{name} have a command of their own; hint: `{command}`"));
    }
    let known = || LISTED.iter().map(|(name, _)| *name);
    let all = known().chain(ELSEWHERE.iter().map(|(name, _)| *name));
    Err(match near_matches(given.to_lowercase().as_str(), all).first() {
        Some(near) => format!("there is no such kind; hint: did you mean `{near}`?"),
        None => format!("there is no such kind; hint: {}", known().collect::<Vec<_>>().join(", ")),
    })
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
            let said: Value =
                remote.whole(&["api", "v1", "definitions"], &[], ("files", "after"))?;
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
            let mut said: Value =
                remote.whole(&["api", "v1", "alert-targets"], &[], ("targets", "after"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_one_and_by_many_and_others_by_their_command() {
        for (given, known) in [
            ("slo", Kind::Slos),
            ("SLOs", Kind::Slos),
            ("definition", Kind::Definitions),
            ("AlertTarget", Kind::AlertTargets),
            ("alert-targets", Kind::AlertTargets),
        ] {
            assert_eq!(kind(given), Ok(known), "{given}");
        }
        for (given, hint) in [
            ("Rota", "`flyball oncall rotas`"),
            ("policy", "`flyball policy list`"),
            ("services", "`flyball service list`"),
            ("slso", "did you mean `slos`?"),
            ("sevices", "did you mean `services`?"),
            ("xyzzy", "slos, definitions, alert-targets"),
        ] {
            assert!(kind(given).unwrap_err().ends_with(hint), "{given}: {:?}", kind(given));
        }
    }
}
