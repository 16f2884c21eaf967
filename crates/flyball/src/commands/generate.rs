//! `flyball completions` and `flyball man`: what packagers and shells need.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use crate::Exit;

/// Print a completion script for a shell
///
/// Examples:
///   flyball completions bash > /etc/bash_completion.d/flyball
///   flyball completions zsh > /usr/local/share/zsh/site-functions/_flyball
#[expect(clippy::doc_markdown, reason = "a shell would run what stands in backticks")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Write the manual pages
///
/// Examples:
///   flyball man /usr/local/share/man/man1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ManArgs {
    /// The directory to write into; it must exist
    directory: PathBuf,
}

pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "flyball", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Exit::Met)
}

pub(crate) fn man(args: &ManArgs) -> anyhow::Result<Exit> {
    // Without the pages that `help` would add, one more for each command.
    clap_mangen::generate_to(crate::command().disable_help_subcommand(true), &args.directory)
        .with_context(|| format!("cannot write manual pages into {}", args.directory.display()))?;
    Ok(Exit::Met)
}
