//! `flyball doctor`: is this data directory as it should be?

use std::io::Write;
use std::path::PathBuf;

use flyball_events::Progress;
use flyball_server::{Limits, Outcome, doctor};

use super::existing;
use crate::Exit;
use crate::commands::replay::now;
use crate::input::Bar;
use crate::output::words::printable;

/// Check everything in a data directory and say what to do
///
/// Reads the journal, the ledger, the audit log and the segments whole, compares their checksums, and
/// reads every stored event; looks at the disk and the clock. While a server has the directory open, only the disk can be looked
/// at. Exit code 1 when something is wrong, 3 when not everything could be looked at.
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
    existing(&args.data)?;
    let mut bar = Bar::new("reading stored events");
    let mut told = |read, all| {
        bar.show(Progress { input: 0, bytes_read: read, bytes_total: Some(all), events: 0 });
    };
    let findings = doctor(&args.data, &Limits::default(), now(), &mut told);
    drop(bar);
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        let mark = match finding.outcome {
            Outcome::Well => "ok   ",
            Outcome::Wrong => "WRONG",
            Outcome::NotLooked => "?    ",
        };
        writeln!(out, "{mark} {}: {}", finding.check, printable(&finding.said))?;
    }
    let is = |outcome| findings.iter().any(|finding| finding.outcome == outcome);
    Ok(if is(Outcome::Wrong) {
        Exit::Missed
    } else if is(Outcome::NotLooked) {
        Exit::Undecided
    } else {
        Exit::Met
    })
}
