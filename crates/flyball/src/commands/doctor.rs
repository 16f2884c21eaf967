//! `flyball doctor`: is this data directory as it should be?

use std::io::Write;
use std::path::PathBuf;

use flyball_server::{Limits, doctor};

use crate::Exit;
use crate::commands::replay::now;
use crate::output::words::printable;

/// Check everything in a data directory and say what to do
///
/// The server must not run. Reads the journal, the ledger, the audit log and the segments whole and
/// compares their checksums; looks at the disk and the clock. Exit code 1 when something is wrong.
///
/// Examples:
///
///   flyball doctor --data /var/lib/flyball
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DoctorArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "flyball-data", env = "FLYBALL_DATA")]
    data: PathBuf,
}

/// Prints one line a check.
pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    anyhow::ensure!(args.data.is_dir(), "there is no data directory at {}", args.data.display());
    let findings = doctor(&args.data, &Limits::default(), now());
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        let mark = if finding.ok { "ok   " } else { "WRONG" };
        writeln!(out, "{mark} {}: {}", finding.check, printable(&finding.said))?;
    }
    let is_well = findings.iter().all(|finding| finding.ok);
    Ok(if is_well { Exit::Met } else { Exit::Missed })
}
