//! `flyball slo status`: how one SLO of a server stands.

use serde_json::Value;

use crate::Exit;
use crate::cli::EXIT_CODES;
use crate::commands::{Form, answer};
use crate::output::live;
use crate::remote::{Remote, ServerArgs, SloView};

/// Show how an SLO of a server stands: budget, burns, forecast, alerts, slices
///
/// Examples:
///   flyball slo status checkout
///   flyball slo status checkout -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXIT_CODES)]
pub(crate) struct StatusArgs {
    /// The SLO
    #[arg(value_name = "NAME")]
    name: String,

    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,

    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let said: Value = remote.get(&["api", "v1", "slos", &args.name], &[])?;
    let slo: SloView = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || Ok(live::status(&slo)))?;
    Ok(slo.status.into())
}
