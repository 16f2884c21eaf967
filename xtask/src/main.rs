//! Repository chores, run as `cargo run -p xtask -- <chore>`.
//!
//! One chore so far: [`tidy`] holds the repository to what ARCHITECTURE.md says of it. Chores only
//! read; none of them changes a file or the network.

mod manifest;
mod tidy;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: xtask tidy [ROOT]\n\n  \
    tidy   check crate arrows, duplicate dependencies, layout, sources, documents, formats\n";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next();
    let root = match arguments.next() {
        Some(root) => PathBuf::from(root),
        None => workspace_root(&std::env::current_dir()?),
    };
    let mut out = std::io::stdout().lock();
    if chore.as_deref() != Some("tidy") {
        write!(out, "{USAGE}")?;
        return Ok(ExitCode::from(2));
    }
    let report = tidy::run(&root)?;
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
