//! `flyball slo`: work on SLO documents.

mod fmt;
mod lint;
mod show;
mod status;
mod suggest;
mod test;

use clap::Subcommand;

use super::print;
use crate::Exit;

/// Check, format, show, test and suggest SLOs, and ask a server how they stand
#[derive(Debug, clap::Args)]
pub(crate) struct SloArgs {
    #[command(subcommand)]
    command: SloCommand,
}

#[derive(Debug, Subcommand)]
enum SloCommand {
    Lint(lint::LintArgs),
    Fmt(fmt::FmtArgs),
    Show(show::ShowArgs),
    Status(status::StatusArgs),
    Test(test::TestArgs),
    Suggest(suggest::SuggestArgs),
}

/// Runs the chosen subcommand.
pub(crate) fn run(args: SloArgs) -> anyhow::Result<Exit> {
    match args.command {
        SloCommand::Lint(args) => lint::run(&args),
        SloCommand::Fmt(args) => fmt::run(&args),
        SloCommand::Show(args) => show::run(&args),
        SloCommand::Status(args) => status::run(&args),
        SloCommand::Test(args) => test::run(&args),
        SloCommand::Suggest(args) => suggest::run(&args),
    }
}

/// `1 error`, `2 errors`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
