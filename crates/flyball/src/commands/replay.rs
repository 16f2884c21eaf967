//! `flyball replay`: did we keep our promises, what burned the budget, who would have been paged.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use flyball_events::{Projection, TimeRule};
use flyball_model::Timestamp;

use crate::input::{Bar, InputArgs};
use crate::output::{self, Form};
use crate::replay::{Asked, Plan, Times, refuse, replay};
use crate::{Exit, specs, talk};

/// Replay events against SLOs: budgets, burn, and the alerts there would have been
///
/// Reads the inputs once and counts every event exactly; memory does not grow with the input.
/// Exits 0 when every objective is met, 1 when one is missed, 3 when none is missed and one has no
/// data or an SLO cannot be evaluated from events. A composite is one objective.
///
/// Examples:
///   flyball replay --slo slo.yaml access.log.gz
///   flyball replay --slo slos/ --map ts=time -o json events.ndjson | jq '.slos[].status'
///   zcat old.gz | flyball replay --slo slo.yaml --from 2026-03-01 --to 2026-04-01 -
///   flyball replay --slo slos/ --html report.html 'logs/*.zst'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = crate::cli::EXIT_CODES)]
pub(crate) struct ReplayArgs {
    /// SLO documents: files, directories of YAML and JSON files, or - for standard input; may be
    /// given again
    #[arg(long = "slo", value_name = "PATH", required = true)]
    slos: Vec<PathBuf>,

    #[command(flatten)]
    input: InputArgs,

    /// Leave out events before this: an instant such as 2026-03-29T02:00:00Z, or a date in UTC
    #[arg(long, value_name = "TIME", value_parser = instant, help_heading = "Time")]
    from: Option<Timestamp>,

    /// Leave out events from this on
    #[arg(long, value_name = "TIME", value_parser = instant, help_heading = "Time")]
    to: Option<Timestamp>,

    /// The moment at which the windows end [default: the end of the data]
    #[arg(long, value_name = "TIME", value_parser = instant, help_heading = "Time")]
    at: Option<Timestamp>,

    /// Let an attribute be absent from all events; otherwise a condition on it is an error
    #[arg(long, value_name = "ATTRIBUTE", help_heading = "Input")]
    optional: Vec<String>,

    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t, help_heading = "Output")]
    output: Form,

    /// Write the HTML report to this file as well
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,
}

/// An instant with an offset, or a date that begins in UTC.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && text.len() == "2026-01-01".len()
        && let Ok(start) = date.to_zoned(jiff::tz::TimeZone::UTC)
    {
        return Timestamp::from_jiff(start.timestamp())
            .ok_or_else(|| "the years 1678 to 2262 can be held".to_owned());
    }
    Timestamp::parse(text).map_err(|_| {
        "write an instant like 2026-03-29T02:00:00Z or a date like 2026-03-29".to_owned()
    })
}

#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub(super) fn now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now()).unwrap_or(Timestamp::MAX)
}

pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && to <= from
    {
        anyhow::bail!("--to ({to}) is not after --from ({from})");
    }
    if let (Some(from), Some(at)) = (args.from, args.at)
        && at <= from
    {
        anyhow::bail!("--at ({at}) is not after --from ({from})");
    }
    if args.input.has_stdin() && args.slos.iter().any(|path| path.as_os_str() == "-") {
        anyhow::bail!(
            "both the SLO documents and the events are to come from standard input\n\
             hint: name a file for one of them"
        );
    }
    let times = Times { from: args.from, to: args.to, at: args.at, now: now() };
    let (set, diagnostics) = flyball_catalog::load(&specs::read_given(&args.slos)?);
    talk::diagnostics(&diagnostics);
    refuse(diagnostics.iter().filter(|d| d.is_error()).count())?;
    specs::require_slos(&set)?;
    let plan = Plan::new(&set, times)?;
    let inputs = args.input.expand()?;
    let projection = Projection::Only(plan.tallier.attributes());
    let options = args.input.options(projection, TimeRule::Required)?;
    if plan.is_empty() {
        for left_out in plan.not_evaluated() {
            talk::warning(&format!("SLO `{}`: {}", left_out.slo, left_out.reason));
        }
        talk::warning("no SLO here can be evaluated from events");
        return Ok(Exit::Undecided);
    }
    let asked = Asked {
        optional: args.optional.iter().cloned().collect(),
        charts: args.output == Form::Html || args.html.is_some(),
    };
    let mut bar = Bar::new("replay");
    let replayed = replay(&set, plan, &inputs, &options, times, &asked, &mut |p| bar.show(p))?;
    drop(bar);
    for warning in &replayed.report.warnings {
        talk::warning(warning);
    }
    if let Some(path) = &args.html {
        std::fs::write(path, output::html::render(&replayed))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = output::render(&replayed, args.output)?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(replayed.report.status.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_begins_in_utc() {
        assert_eq!(instant("2026-03-29").unwrap(), instant("2026-03-29T00:00:00Z").unwrap());
        assert!(instant("2026-03-29T02:00:00").is_err());
        assert!(instant("yesterday").is_err());
    }
}
