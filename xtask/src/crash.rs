//! The crash campaign: the test that CI runs for a minute, for as long as is asked.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;

/// Kills of a campaign that is not told how many.
const KILLS: u32 = 200;

/// Runs the campaign with the number of kills in `arguments`.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let kills = match arguments.first() {
        Some(kills) => kills.parse().with_context(|| format!("`{kills}` is no number of kills"))?,
        None => KILLS,
    };
    // The whole workspace: other features would build DataFusion once more.
    let status = Command::new("cargo")
        .args(["test", "--locked", "--workspace", "--test", "crash", "--", "--nocapture"])
        .current_dir(root)
        .env("FLYBALL_CRASH_KILLS", kills.to_string())
        .status()
        .context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
