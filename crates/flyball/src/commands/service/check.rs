//! `flyball service check`: what is wrong with services.

use serde_json::Value;

use crate::Exit;
use crate::commands::{Form, answer};
use crate::output::words::{self, printable};
use crate::remote::{Remote, ServerArgs};

/// Services that are asked for at once.
const PAGE: &str = "1000";

/// Check the services of a server: owner, funding, SLO, and targets that dependencies do not allow
///
/// A service cannot promise more than one that it cannot do without, nor more than all of these together if they fail
/// independently. Exits 1 when anything is wrong.
///
/// Examples:
///
///   flyball service check
///   flyball service check checkout -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct CheckArgs {
    /// Only this service; all unless told
    name: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, serde::Deserialize)]
struct Page {
    services: Vec<Value>,
    next: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Faulty {
    name: String,
    faults: Vec<Fault>,
}

#[derive(Debug, serde::Deserialize)]
struct Fault {
    sentence: String,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    if let Some(name) = &args.name {
        // One that nothing is known of has no faults either.
        let _: Value = remote.get(&["api", "v1", "services", name], &[])?;
    }
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let asked: Vec<(&str, &str)> =
            after.iter().map(|after| ("after", after.as_str())).chain([("limit", PAGE)]).collect();
        let Page { services, next } = remote.get(&["api", "v1", "catalogue"], &asked)?;
        found.extend(services);
        after = next;
        if after.is_none() {
            break;
        }
    }
    if let Some(name) = &args.name {
        found.retain(|one| one["name"] == name.as_str());
    }
    let services: Vec<Faulty> = serde_json::from_value(Value::Array(found.clone()))?;
    answer(args.output, &serde_json::json!({ "services": found }), || {
        if services.is_empty() {
            return Ok("Nothing is wrong.\n".to_owned());
        }
        let lines = services.iter().map(|of| {
            let faults = of.faults.iter().map(|fault| format!("- {}\n", fault.sentence));
            printable(&of.name)
                + "\n"
                + &faults.map(|fault| words::printable(&fault)).collect::<String>()
        });
        Ok(lines.collect())
    })?;
    Ok(if services.is_empty() { Exit::Met } else { Exit::Missed })
}
