//! One module a command: parse, validate without touching anything, then execute.

pub(crate) mod alert;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod budget;
pub(crate) mod change;
pub(crate) mod custody;
pub(crate) mod delivery;
pub(crate) mod doctor;
pub(crate) mod drill;
pub(crate) mod drill_guard;
pub(crate) mod friction;
pub(crate) mod gate;
pub(crate) mod generate;
pub(crate) mod get;
pub(crate) mod grant;
pub(crate) mod incident;
pub(crate) mod ledger;
pub(crate) mod oncall;
pub(crate) mod openapi;
pub(crate) mod policy;
pub(crate) mod query;
pub(crate) mod ready;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod review;
pub(crate) mod risk;
mod scripts;
pub(crate) mod serve;
pub(crate) mod service;
pub(crate) mod slo;
pub(crate) mod tail;
pub(crate) mod token;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use crate::Exit;
use crate::cli::{Cli, Command};
use crate::output::page::Page;

/// Runs the chosen command; `arguments` are the whole command line.
pub(crate) fn run(cli: Cli, arguments: &[OsString]) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Replay(args) => replay::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Serve(_) => serve::run(arguments),
        Command::Token(args) => token::run(args),
        Command::Grant(args) => grant::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Ledger(args) => ledger::run(args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Alert(args) => alert::run(args),
        Command::Get(args) => get::run(&args),
        Command::Budget(args) => budget::run(&args),
        Command::Change(args) => change::run(args),
        Command::Gate(args) => gate::run(&args),
        Command::Policy(args) => policy::run(args),
        Command::Review(args) => review::run(args),
        Command::Custody(args) => custody::run(args),
        Command::Service(args) => service::run(args),
        Command::Delivery(args) => delivery::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Oncall(args) => oncall::run(*args),
        Command::Incident(args) => incident::run(args),
        Command::Friction(args) => friction::run(args),
        Command::Drill(args) => drill::run(args),
        Command::Tail(args) => tail::run(&args),
        Command::Slo(args) => slo::run(args),
        Command::Ready(args) => ready::run(&args),
        Command::DrillGuard(_) => drill_guard::run(),
        Command::Openapi(_) => openapi::run(),
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
        Command::Risk(args) => risk::run(args),
    }
}

/// How answers of a server are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people
    #[default]
    Table,
    /// As the server says it
    Json,
    /// The same as YAML
    Yaml,
}

/// Writes `answer` as it is, or as `table` shows it.
fn answer(
    form: Form,
    answer: &serde_json::Value,
    table: impl FnOnce() -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    print(&match form {
        Form::Table => table()?,
        Form::Json => serde_json::to_string_pretty(answer)? + "\n",
        Form::Yaml => serde_saphyr::to_string(answer)?,
    })
}

/// How a page of a server is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Document {
    /// For people at a terminal
    #[default]
    Table,
    /// As the server says it
    Json,
    /// The same as YAML
    Yaml,
    /// For a wiki or a pull request
    Markdown,
    /// One self-contained page for a browser
    Html,
}

/// Writes `answer` as it is, or as `page` shows it.
fn document(
    form: Document,
    answer: &serde_json::Value,
    page: impl FnOnce() -> Page,
) -> anyhow::Result<()> {
    print(&match form {
        Document::Table => page().text(),
        Document::Json => serde_json::to_string_pretty(answer)? + "\n",
        Document::Yaml => serde_saphyr::to_string(answer)?,
        Document::Markdown => page().markdown(),
        Document::Html => page().html(),
    })
}

/// A data directory that must be there: looking makes none.
fn existing(data: &Path) -> anyhow::Result<&Path> {
    anyhow::ensure!(
        data.is_dir(),
        "there is no data directory at {}\nhint: name it by --data; `flyball serve` makes one",
        data.display()
    );
    Ok(data)
}

/// Writes data to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
