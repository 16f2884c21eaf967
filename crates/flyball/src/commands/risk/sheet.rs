//! Registers as spreadsheets: a sheet becomes documents, and documents become a sheet.

use std::path::PathBuf;

use anyhow::{Context, bail};
use flyball_govern::risk::csv::{CSV_BYTES_MAX, CsvError, read};
use serde_json::{Value, json};

use super::of_service;
use crate::Exit;
use crate::commands::print;
use crate::remote::{Remote, ServerArgs};

/// Make documents of a spreadsheet: CSV in, YAML out
///
/// The first line names the columns: name, service, time_to_detect, time_to_repair, share_of_users,
/// time_between_failures, and as needed description, slos, themes, accepted_by, accepted_because, accepted_until. Lists
/// stand in one field with `;` between their parts. No server is asked.
///
/// Examples:
///
///   flyball risk import risks.csv > /tmp/risks.yaml
#[expect(clippy::doc_markdown, reason = "columns are named as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ImportArgs {
    /// The sheet; - for standard input
    file: PathBuf,
}

/// Write the risks of a service as CSV, for a spreadsheet
///
/// Examples:
///
///   flyball risk export checkout > /tmp/risks.csv
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ExportArgs {
    /// The service
    service: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn import(args: &ImportArgs) -> anyhow::Result<Exit> {
    if args.file.as_os_str() == "-" {
        return documents("standard input", &std::io::read_to_string(std::io::stdin().lock())?);
    }
    let name = args.file.display();
    let length =
        std::fs::metadata(&args.file).with_context(|| format!("cannot read {name}"))?.len();
    if length > CSV_BYTES_MAX as u64 {
        bail!("{name} has {length} bytes\nhint: a register has at most {CSV_BYTES_MAX}");
    }
    let sheet = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {name} as UTF-8"))?;
    documents(&name.to_string(), &sheet)
}

/// Prints the documents of the `sheet` called `name`.
fn documents(name: &str, sheet: &str) -> anyhow::Result<Exit> {
    let risks = read(sheet).map_err(|wrong| anyhow::anyhow!(told(name, &wrong)))?;
    let mut out = String::new();
    for risk in risks {
        out.push_str("---\n");
        out.push_str(&written(&risk.name, &json!(risk.spec))?);
    }
    print(&out)?;
    Ok(Exit::Met)
}

/// Everything that is wrong, a line each, with the hint of the first at the end.
fn told(name: &str, wrong: &[CsvError]) -> String {
    let lines = wrong.iter().map(|of| {
        let message = of.message.replace('\n', "; ");
        format!("{name}:{}:{}: {message}", of.line, of.column)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The document of a risk, without what it does not say.
pub(super) fn written(name: &str, spec: &Value) -> anyhow::Result<String> {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        let says_nothing =
            |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        fields.retain(|_, value| !says_nothing(value));
    }
    let document = json!({
        "apiVersion": "flyball.dev/v1", "kind": "Risk", "metadata": { "name": name }, "spec": spec,
    });
    Ok(serde_saphyr::to_string(&document)?)
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    print(&remote.get_text(&of_service(&args.service, &["csv"]))?)?;
    Ok(Exit::Met)
}
