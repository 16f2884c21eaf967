//! Repository chores, run as `cargo xtask <chore>`.
//!
//! [`tidy`] holds the repository to what ARCHITECTURE.md says of it; [`campaign`] kills a server
//! over and over, attacks it, or loads it for long. No chore changes a file of the repository.

mod campaign;
mod manifest;
mod tidy;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: xtask tidy [ROOT]\n       xtask crash [KILLS]\n       xtask hostile [SECONDS]\n       xtask soak [MINUTES]\n\n  \
    tidy     check crate arrows, duplicate dependencies, layout, sources, documents, formats\n  \
    crash    kill a server KILLS times (200) under load, then compare its ledger with what clients had\n  \
    hostile  attack a server in a dozen ways, each for SECONDS (15), and print its memory and what an\n           \
             honest client met\n  \
    soak     load a server by every protocol for MINUTES (30): memory stays flat, the ledger exact\n";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let here = workspace_root(&std::env::current_dir()?);
    match arguments.split_first() {
        Some((chore, rest)) if chore == "tidy" => tidy(&rest.first().map_or(here, PathBuf::from)),
        Some((chore, rest)) if chore == "crash" => campaign::crash(&here, rest),
        Some((chore, rest)) if chore == "hostile" => campaign::hostile(&here, rest),
        Some((chore, rest)) if chore == "soak" => campaign::soak(&here, rest),
        _ => {
            write!(std::io::stdout(), "{USAGE}")?;
            Ok(ExitCode::from(2))
        }
    }
}

fn tidy(root: &Path) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let report = tidy::run(root)?;
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "{report}")?;
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The nearest directory from `here` upward that has a Cargo.lock; `here` itself without one.
///
/// Looked up when it runs: a path compiled in would be that of the checkout that built it last.
fn workspace_root(here: &Path) -> PathBuf {
    here.ancestors().find(|path| path.join("Cargo.lock").is_file()).unwrap_or(here).to_owned()
}
