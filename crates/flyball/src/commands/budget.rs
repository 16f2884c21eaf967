//! `flyball budget`: the budgets of a server as they are now.

use serde_json::{Value, json};

use super::{Form, answer};
use crate::cli::EXIT_CODES;
use crate::output::live;
use crate::remote::{Remote, ServerArgs, SloList};
use crate::{Exit, talk};

/// Show the remaining budgets of a server, with their slices, burn and forecast
///
/// Examples:
///   flyball budget
///   flyball budget checkout
///   flyball budget --service shop -o json --server http://flyball.example:8480
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXIT_CODES)]
pub(crate) struct BudgetArgs {
    /// Only this SLO
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Only the SLOs of this service
    #[arg(long, value_name = "SERVICE", conflicts_with = "name")]
    service: Option<String>,

    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,

    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &BudgetArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let said = slos(&remote, args.name.as_deref(), args.service.as_deref())?;
    let list: SloList = serde_json::from_value(said.clone())?;
    if list.slos.is_empty() && list.not_evaluated.is_empty() && args.output == Form::Table {
        let of = args.service.as_ref().map(|service| format!(" of the service `{service}`"));
        talk::note(&format!(
            "the server has no SLOs{} that you may see\nhint: `flyball apply -f PATH` gives it some",
            of.unwrap_or_default()
        ));
        return Ok(live::overall(&list).into());
    }
    answer(args.output, &said, || Ok(live::budgets(&list)))?;
    Ok(live::overall(&list).into())
}

/// The SLOs of a server: one, those of a service, or all, as a list.
pub(super) fn slos(
    remote: &Remote,
    name: Option<&str>,
    service: Option<&str>,
) -> anyhow::Result<Value> {
    let path = ["api", "v1", "slos"];
    if let Some(name) = name {
        let slo: Value = remote.get(&[&path[..], &[name]].concat(), &[])?;
        return Ok(json!({"slos": [slo], "not_evaluated": []}));
    }
    let service: Vec<(&str, &str)> = service.map(|name| ("service", name)).into_iter().collect();
    remote.get(&path, &service)
}
