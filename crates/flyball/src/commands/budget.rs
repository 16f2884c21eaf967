//! `flyball budget`: the budgets of a server as they are now, and who spent them.

use anyhow::{Context, anyhow};
use flyball_model::Timestamp;
use serde_json::{Value, json};

use super::{Form, answer};
use crate::cli::EXIT_CODES;
use crate::output::{attribution, live};
use crate::remote::{Remote, ServerArgs, SloList};
use crate::{Exit, talk};

/// Show the remaining budgets of a server, with their slices, burn and forecast
///
/// Examples:
///   flyball budget
///   flyball budget checkout
///   flyball budget --service shop -o json --server http://flyball.example:8480
///   flyball budget checkout --by-cause
///   flyball budget checkout --by-cause --from 2026-03-01T00:00:00Z --to 2026-03-08T00:00:00Z
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

    /// Show who spent it instead: changes, incidents, drills, and what is left unexplained
    #[arg(long, requires = "name")]
    by_cause: bool,

    /// With --by-cause: from when on; the beginning of the window unless told
    #[arg(long, value_name = "TIME", requires = "by_cause", value_parser = super::change::moment)]
    from: Option<Timestamp>,

    /// With --by-cause: until when; now unless told
    #[arg(long, value_name = "TIME", requires = "by_cause", value_parser = super::change::moment)]
    to: Option<Timestamp>,

    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,

    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &BudgetArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    if let Some(name) = args.name.as_ref().filter(|_| args.by_cause) {
        return by_cause(args, &remote, name);
    }
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

fn by_cause(args: &BudgetArgs, remote: &Remote, name: &str) -> anyhow::Result<Exit> {
    let times = [("from", args.from), ("to", args.to)];
    let times: Vec<(&str, String)> =
        times.into_iter().filter_map(|(of, at)| Some((of, at?.to_string()))).collect();
    let times: Vec<(&str, &str)> = times.iter().map(|(of, at)| (*of, at.as_str())).collect();
    let said: Value = remote.get(&["api", "v1", "slos", name, "attribution"], &times)?;
    let found: attribution::Attribution = serde_json::from_value(said.clone())
        .context("the answer cannot be understood\nhint: is the server of this version?")?;
    answer(args.output, &said, || Ok(attribution::by_cause(&found)))?;
    Ok(Exit::Met)
}

/// The SLOs of a server: one, those of a service, or all, as a list.
pub(super) fn slos(
    remote: &Remote,
    name: Option<&str>,
    service: Option<&str>,
) -> anyhow::Result<Value> {
    let path = ["api", "v1", "slos"];
    if let Some(name) = name {
        let error = match remote.get::<Value>(&[&path[..], &[name]].concat(), &[]) {
            Ok(slo) => return Ok(json!({"slos": [slo], "not_evaluated": []})),
            Err(error) => error,
        };
        // One that is not evaluated is there, and has no budget.
        let all: Value = remote.get(&path, &[]).map_err(|_| anyhow!("{error:#}"))?;
        let left_out = all["not_evaluated"].as_array().into_iter().flatten();
        let Some(slo) = left_out.into_iter().find(|slo| slo["slo"] == name) else {
            return Err(error);
        };
        return Ok(json!({"slos": [], "not_evaluated": [slo]}));
    }
    let service: Vec<(&str, &str)> = service.map(|name| ("service", name)).into_iter().collect();
    remote.whole(&path, &service, ("slos", "after"))
}
