//! `flyball ready`: does a server take requests?

use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Ask a server whether it takes requests
///
/// For health checks and for scripts that wait. Exit code 1 when it does not, or cannot be reached;
/// no token is needed.
///
/// Examples:
///   flyball ready
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ReadyArgs {
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &ReadyArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    Ok(match remote.reach(&["readyz"]) {
        Ok(()) => Exit::Met,
        Err(error) => {
            talk::error(&error);
            Exit::Missed
        }
    })
}
