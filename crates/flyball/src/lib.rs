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

use clap::Parser;
use flyball_budget::Status;

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
    let cli = match cli::Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
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

/// The full command, for completions and man pages.
pub fn command() -> clap::Command {
    <cli::Cli as clap::CommandFactory>::command()
}

/// A reader that has seen enough (`| head`) is no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
