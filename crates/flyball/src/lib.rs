//! The `flyball` command line: one file a command under `commands`, output forms under `output`.
//!
//! Data goes to standard output, talk to standard error. What a command found is its exit code
//! ([`Exit`]); an error prints where and what to do.

mod cli;
mod commands;
mod input;
pub mod output;
mod remote;
pub mod replay;
pub mod slotest;
mod specs;
mod talk;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue};
use flyball_budget::Status;

/// The columns of a screen that has few.
const SCREEN: usize = 80;
/// The columns of help where nothing says how many there are; clap's own.
const HELP_WIDTH: usize = 100;

/// How a command ended, for scripts and pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: success; every objective is met.
    Met,
    /// 1: a negative verdict: an objective is missed, a test failed.
    Missed,
    /// 2: wrong usage, a wrong document, or an input that cannot be read.
    Usage,
    /// 3: nothing is missed, and not everything could be decided: for lack of data, or because an
    /// SLO could not be evaluated.
    Undecided,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        match status {
            Status::Met => Self::Met,
            Status::Missed => Self::Missed,
            Status::NoData => Self::Undecided,
        }
    }
}

/// Runs the command that `args` (the program's name first) ask for.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let read = command().try_get_matches_from(&args);
    let cli = match read.and_then(|matches| cli::Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let error = with_usage(error, &args);
            // Help and version are answers; a closed pipe while printing them is no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Met };
        }
    };
    match commands::run(cli, &args) {
        Ok(exit) => exit,
        Err(error) if is_broken_pipe(&error) => Exit::Met,
        Err(error) => {
            talk::error(&error);
            Exit::Usage
        }
    }
}

/// `error` with the whole usage of the command that `args` ask for. The one that clap gives lists options that the
/// environment sets as if they were needed.
fn with_usage(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    if error.get(ContextKind::Usage).is_none() {
        return error;
    }
    let mut asked = command();
    asked.build();
    for arg in args.iter().skip(1).map_while(|arg| arg.to_str()) {
        let Some(below) = asked.find_subcommand(arg).cloned() else { break };
        asked = below;
    }
    error.insert(ContextKind::Usage, ContextValue::StyledStr(asked.render_usage()));
    error
}

/// The full command, for completions and man pages.
pub fn command() -> clap::Command {
    unbroken(<cli::Cli as clap::CommandFactory>::command())
}

/// The command with no example in its help broken over two lines: what is pasted would be two commands.
fn unbroken(command: clap::Command) -> clap::Command {
    let command = command.mut_subcommands(unbroken);
    let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let examples = about.lines().filter(|line| line.starts_with("  "));
    let longest = examples.map(|line| line.chars().count()).max().unwrap_or_default();
    if longest < SCREEN { command } else { command.term_width(longest.max(HELP_WIDTH)) }
}

/// A reader that has seen enough (`| head`) is no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
