//! `flyball tail`: budgets as they change.

use std::collections::HashMap;

use super::print;
use crate::output::live;
use crate::remote::{Remote, ServerArgs, SloView};
use crate::{Exit, talk};

/// Follow the budgets of a server: a line whenever a budget or a status changes
///
/// Begins with how every SLO stands, and ends when the server does.
///
/// Examples:
///   flyball tail
///   flyball tail --service shop
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TailArgs {
    /// Only the SLOs of this service
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,

    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &TailArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let service: Vec<(&str, &str)> =
        args.service.as_deref().map(|name| ("service", name)).into_iter().collect();
    // What was last said of each SLO, without the moment it was said of.
    let mut told: HashMap<String, String> = HashMap::new();
    remote.events(&["api", "v1", "stream"], &service, |event| {
        let slo: SloView = serde_json::from_str(event)?;
        let line = live::line(&slo);
        let said = line.replacen(&slo.complete_up_to, "", 1);
        if told.get(&slo.slo) == Some(&said) {
            return Ok(());
        }
        told.insert(slo.slo, said);
        print(&(line + "\n"))
    })?;
    talk::note("the server has ended the stream");
    Ok(Exit::Met)
}
