//! `flyball completions` and `flyball man`: what packagers and shells need.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use crate::Exit;

/// Print a completion script for a shell
///
/// Example: flyball completions bash > /`etc/bash_completion.d/flyball`
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Write the manual pages
///
/// Example: flyball man /usr/local/share/man/man1
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
    clap_mangen::generate_to(crate::command(), &args.directory)
        .with_context(|| format!("cannot write manual pages into {}", args.directory.display()))?;
    Ok(Exit::Met)
}
