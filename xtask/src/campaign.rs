//! Campaigns: tests that CI runs for a moment, for as long as is asked.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;

/// Kills of a crash campaign that is not told how many.
const KILLS: u32 = 200;
/// Seconds of each attack of a hostile campaign that is not told how many.
const SECONDS: u32 = 15;

/// Kills a server as often as `arguments` say.
pub(crate) fn crash(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let kills = number(arguments, KILLS)?;
    run(root, &["--test", "cli", "--", "--nocapture", "crash"], "FLYBALL_CRASH_KILLS", kills)
}

/// Attacks a server for as long as `arguments` say.
pub(crate) fn hostile(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let seconds = number(arguments, SECONDS)?;
    run(
        root,
        &["--test", "cli", "--", "--nocapture", "hostile"],
        "FLYBALL_HOSTILE_SECONDS",
        seconds,
    )
}

fn number(arguments: &[String], otherwise: u32) -> anyhow::Result<u32> {
    match arguments.first() {
        Some(text) => text.parse().with_context(|| format!("`{text}` is no number")),
        None => Ok(otherwise),
    }
}

/// Runs the tests that `which` names with `value` in its environment, and shows what it prints.
fn run(root: &Path, which: &[&str], name: &str, value: u32) -> anyhow::Result<ExitCode> {
    // The whole workspace: other features would build DataFusion once more.
    let status = Command::new("cargo")
        .args(["test", "--locked", "--workspace"])
        .args(which)
        .current_dir(root)
        .env(name, value.to_string())
        .status()
        .context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
