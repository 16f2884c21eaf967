//! `flyball slo`: work on SLO documents.

mod alert_rules;
mod fmt;
mod lint;
mod show;
mod suggest;
mod test;

use std::io::Write;

use clap::Subcommand;

use crate::Exit;

/// Check, format, show, test and suggest SLOs
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
    Test(test::TestArgs),
    Suggest(suggest::SuggestArgs),
}

/// Runs the chosen subcommand.
pub(crate) fn run(args: SloArgs) -> anyhow::Result<Exit> {
    match args.command {
        SloCommand::Lint(args) => lint::run(&args),
        SloCommand::Fmt(args) => fmt::run(&args),
        SloCommand::Show(args) => show::run(&args),
        SloCommand::Test(args) => test::run(&args),
        SloCommand::Suggest(args) => suggest::run(&args),
    }
}

/// Writes data to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// `1 error`, `2 errors`.
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
