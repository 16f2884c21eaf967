//! `flyball slo lint`: everything that can be said about documents without data.

use std::path::PathBuf;

use flyball_spec::{Diagnostic, Level, render};

use super::{count, print};
use crate::{Exit, specs, talk};

/// Check documents: every error and warning, with its place and what to do
///
/// Reads OpenSLO v1, Sloth and Pyrra documents and all kinds of Flyball's own, compiles the SQL conditions of event
/// SLIs and the conditions of policies, and refuses alert rules that can never fire. What documents name is looked up
/// among those that are given and those that ship: what is not among them, and like none of them, is a warning, since it
/// may lie in a file that was not given. Exits 0 when there is no error, 2 when there is one.
///
/// Examples:
///   flyball slo lint slos/
///   flyball slo lint --deny-warnings -o json checkout.yaml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct LintArgs {
    /// Documents, or directories with documents; `-` is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Exit 2 when there are warnings, too
    #[arg(long)]
    deny_warnings: bool,

    /// How findings are written: as text, or as JSON for other tools
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(super) fn run(args: &LintArgs) -> anyhow::Result<Exit> {
    let sources = specs::read_given(&args.paths)?;
    let (set, mut findings) = flyball_catalog::load(&sources);
    findings.extend(flyball_spec::lint(&set));
    findings.extend(flyball_catalog::governance(&set).1);
    findings.extend(flyball_catalog::conditions(&set));
    findings.extend(set.slos.iter().flat_map(|slo| flyball_catalog::alert_rules(slo, &set)));
    for finding in findings.iter_mut().filter(|finding| finding.is_elsewhere()) {
        finding.severity = Level::Warning;
    }
    let order = |finding: &Diagnostic| {
        let source = sources.iter().position(|source| source.name == finding.file);
        (source, finding.line, finding.column)
    };
    findings.sort_by_key(order);
    match args.output {
        Output::Text => print(&render(&findings))?,
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&findings)?))?,
    }
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let warnings = findings.len() - errors;
    talk::note(&format!(
        "{}, {} in {}",
        count(errors, "error"),
        count(warnings, "warning"),
        count(sources.len(), "file")
    ));
    let is_refused = errors > 0 || args.deny_warnings && warnings > 0;
    Ok(if is_refused { Exit::Usage } else { Exit::Met })
}
