//! Campaigns: tests that CI runs for a moment, for as long as is asked.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;

/// Kills of a crash campaign that is not told how many.
const KILLS: u32 = 200;
/// Seconds of each attack of a hostile campaign that is not told how many.
const SECONDS: u32 = 15;
/// Minutes of a soak that is not told how many.
const MINUTES: u32 = 30;

/// Kills a server as often as `arguments` say.
pub(crate) fn crash(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    run(root, "crash", "FLYBALL_CRASH_KILLS", number(arguments, KILLS)?)
}

/// Attacks a server for as long as `arguments` say.
pub(crate) fn hostile(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    run(root, "hostile", "FLYBALL_HOSTILE_SECONDS", number(arguments, SECONDS)?)
}

/// Loads a server for as long as `arguments` say.
pub(crate) fn soak(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    run(root, "soak", "FLYBALL_SOAK_SECONDS", number(arguments, MINUTES)? * 60)
}

fn number(arguments: &[String], otherwise: u32) -> anyhow::Result<u32> {
    match arguments.first() {
        Some(text) => text.parse().with_context(|| format!("`{text}` is no number")),
        None => Ok(otherwise),
    }
}

/// Runs the tests of the module `which` with `value` in their environment, and shows what they print.
fn run(root: &Path, which: &str, name: &str, value: u32) -> anyhow::Result<ExitCode> {
    // The whole workspace: other features would build DataFusion once more.
    let status = Command::new("cargo")
        .args(["test", "--locked", "--workspace", "--test", "cli", "--", "--nocapture", which])
        .current_dir(root)
        .env(name, value.to_string())
        .status()
        .context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
