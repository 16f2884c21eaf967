//! The shape of the command line.

use clap::{Parser, Subcommand};

use crate::commands;

/// Closes the loop between production stability and delivery speed: exact error budgets from raw
/// events.
#[derive(Debug, Parser)]
#[command(name = "flyball", version, propagate_version = true, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 met or success, 1 missed or failed, 2 wrong usage or input, \
    3 undecided: no data, or an SLO that was not evaluated."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Replay(commands::replay::ReplayArgs),
    Query(commands::query::QueryArgs),
    /// Check, format, show, test and suggest SLOs
    Slo(commands::slo::SloArgs),
    Completions(commands::generate::CompletionsArgs),
    Man(commands::generate::ManArgs),
}
