//! Registers as spreadsheets: a sheet becomes documents, and documents become a sheet.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, bail};
use flyball_govern::risk::csv::{CSV_BYTES_MAX, CsvError, read, rules};
use serde_json::{Value, json};

use super::of_service;
use crate::Exit;
use crate::commands::print;
use crate::remote::{Remote, ServerArgs};

/// Make documents of a spreadsheet: CSV in, YAML out
///
/// The first line names the columns: name, service, time_to_detect, time_to_repair, share_of_users,
/// time_between_failures, and as needed description, slos, themes, accepted_by, accepted_because, accepted_until,
/// match_classes, match_causes. Lists stand in one field with `;` between their parts. A sheet with the column ceiling is one
/// of rules: rules, service, ceiling, reserve, and a line a factor with factor, description, everywhere, detect, repair,
/// frequency. No server is asked.
///
/// Examples:
///
///   flyball risk import risks.csv > /tmp/risks.yaml
///   flyball risk import rules.csv > /tmp/rules.yaml
#[expect(clippy::doc_markdown, reason = "columns are named as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ImportArgs {
    /// The sheet; - for standard input
    file: PathBuf,
}

/// Write the risks of a service as CSV, for a spreadsheet; or what holds for all of them
///
/// Examples:
///
///   flyball risk export checkout > /tmp/risks.csv
///   flyball risk export checkout --rules > /tmp/rules.csv
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ExportArgs {
    /// The service
    service: String,
    /// The ceiling, the reserve and the factors, without which the risks stand otherwise elsewhere
    #[arg(long)]
    rules: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn import(args: &ImportArgs) -> anyhow::Result<Exit> {
    let name = args.file.display();
    let most = CSV_BYTES_MAX as u64;
    let input: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&args.file).with_context(|| format!("cannot read {name}"))?)
    };
    let mut sheet = String::new();
    let read_all = input.take(most + 1).read_to_string(&mut sheet);
    read_all.with_context(|| format!("cannot read {name} as UTF-8"))?;
    if sheet.len() as u64 > most {
        bail!("{name} is too long\nhint: a register has at most {CSV_BYTES_MAX} bytes");
    }
    let refused = |wrong: Vec<CsvError>| anyhow::anyhow!(told(&name.to_string(), &wrong));
    let mut out = String::new();
    if rules::is_one(&sheet) {
        for of in rules::read(&sheet).map_err(refused)? {
            out.push_str("---\n");
            out.push_str(&document("RiskRules", &of.name, &json!(of.spec))?);
        }
    } else {
        for risk in read(&sheet).map_err(refused)? {
            out.push_str("---\n");
            out.push_str(&written(&risk.name, &json!(risk.spec))?);
        }
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
    document("Risk", name, spec)
}

fn document(kind: &str, name: &str, spec: &Value) -> anyhow::Result<String> {
    let mut spec = spec.clone();
    without_nothing(&mut spec);
    let document = json!({
        "apiVersion": "flyball.dev/v1", "kind": kind, "metadata": { "name": name }, "spec": spec,
    });
    Ok(serde_saphyr::to_string(&document)?)
}

/// Leaves out what says nothing.
fn without_nothing(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let says_nothing =
                |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            fields.retain(|_, value| !says_nothing(value));
            fields.values_mut().for_each(without_nothing);
        }
        Value::Array(values) => values.iter_mut().for_each(without_nothing),
        _ => {}
    }
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let query: &[(&str, &str)] = if args.rules { &[("sheet", "rules")] } else { &[] };
    print(&remote.get_text(&of_service(&args.service, &["csv"]), query)?)?;
    Ok(Exit::Met)
}
