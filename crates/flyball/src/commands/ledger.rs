//! `flyball ledger`: hold the ledger against the events that it was counted from.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use flyball_catalog::Catalog;
use flyball_model::Duration;
use flyball_server::{Limits, Verified, applied_to, verify};
use flyball_spec::Source;

use super::existing;
use crate::{Exit, specs, talk};

/// Hold the ledger of a server against stored events
#[derive(Debug, clap::Args)]
pub(crate) struct LedgerArgs {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    Verify(VerifyArgs),
}

/// Count all stored events again and tell where the ledger differs
///
/// The server must not run. Events are counted by the documents that were applied to it and those that
/// are given; what they do not define is named and left out, and so is what is counted from metrics.
/// Exit code 1 when anything differs, 3 when nothing does and something could not be compared.
///
/// Examples:
///
///   flyball ledger verify --data /var/lib/flyball
///   flyball ledger verify --data /var/lib/flyball --slo slos/
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "flyball-data", env = "FLYBALL_DATA")]
    data: PathBuf,
    /// The SLO documents that the server is started with; those that were applied are in its data
    #[arg(long = "slo", value_name = "PATH")]
    slos: Vec<PathBuf>,
    /// The server's --late-max
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = Duration::parse)]
    late_max: Duration,
    /// The server's --ahead-max
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = Duration::parse)]
    ahead_max: Duration,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: VerifyForm,
}

/// How the outcome is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum VerifyForm {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// Runs the chosen subcommand.
pub(crate) fn run(args: LedgerArgs) -> anyhow::Result<Exit> {
    match args.command {
        LedgerCommand::Verify(args) => verify_ledger(&args),
    }
}

fn verify_ledger(args: &VerifyArgs) -> anyhow::Result<Exit> {
    existing(&args.data)?;
    let mut sources = specs::read_given(&args.slos)?;
    // Who gives what was applied means the same documents.
    let applied = applied_to(&args.data)?.into_iter();
    let others: Vec<Source> =
        applied.filter(|one| sources.iter().all(|given| given.text != one.text)).collect();
    sources.extend(others);
    if sources.is_empty() {
        anyhow::bail!(
            "no documents were applied to {}\nhint: name those that the server is started with by --slo",
            args.data.display()
        );
    }
    let loaded = Catalog::load(&sources);
    let (Ok((_, diagnostics)) | Err(diagnostics)) = &loaded;
    talk::diagnostics(diagnostics);
    let Ok((catalog, _)) = loaded else { anyhow::bail!("the SLO documents cannot be used") };
    let VerifyArgs { late_max, ahead_max, .. } = *args;
    let limits = Limits { late_max, ahead_max, ..Limits::default() };
    let verified = verify(&args.data, &catalog, &limits)?;
    let mut out = std::io::stdout().lock();
    match args.output {
        VerifyForm::Json => writeln!(out, "{}", serde_json::to_string_pretty(&verified)?)?,
        VerifyForm::Text => text(&verified, &mut out)?,
    }
    Ok(if verified.differing > 0 {
        Exit::Missed
    } else if verified.not_compared.is_empty() {
        Exit::Met
    } else {
        Exit::Undecided
    })
}

fn text(verified: &Verified, out: &mut dyn Write) -> std::io::Result<()> {
    for difference in &verified.differences {
        let slice = difference.slice.as_ref().map(|slice| format!(" {slice}")).unwrap_or_default();
        let (ledger, stored) = (difference.ledger, difference.stored);
        writeln!(
            out,
            "{}{slice} at {}: the ledger has {} valid, {} bad; stored events are {} valid, {} bad",
            difference.slo,
            difference.at,
            ledger.valid(),
            ledger.bad(),
            stored.valid(),
            stored.bad(),
        )?;
    }
    for left in &verified.not_compared {
        writeln!(out, "{}: not compared: {}", left.slo, left.reason)?;
    }
    let Verified { position, slos, slots, differing, .. } = verified;
    writeln!(
        out,
        "{} SLOs up to entry {position}: {slots} slots compared, {differing} differ",
        slos.len()
    )
}
