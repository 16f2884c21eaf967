//! `flyball slo suggest`: SLOs that a service already keeps, with the evidence and the price of
//! the next stricter ones.
//!
//! A first SLO should describe what users get today, so that its budget is real and not yet spent;
//! ambition comes after. So targets are chosen from a ladder such that the history keeps them with
//! a margin, also in its worst stretch, and only where there are enough events to tell.
//!
//! Source of the shape: SRE Workbook, chapter 2 (availability, and latency at two thresholds).

mod choose;
mod history;
mod write;

use arrow::array::RecordBatch;
use flyball_events::{Input, Projection, TimeRule, read};
use flyball_model::{Duration, Timestamp};
use std::ops::ControlFlow;

use super::print;
use crate::commands::replay::now;
use crate::input::{Bar, InputArgs};
use crate::output::words::plural;
use crate::replay::{Times, tell_unread};
use crate::{Exit, talk};
use choose::{Choice, Windows, choose};
use history::{ATTRIBUTES, History};

/// Propose SLOs that the history in these inputs already keeps, ready to use
///
/// Prints OpenSLO YAML with the evidence in comments: for each service its availability and its
/// latency under two thresholds. Targets are kept with at most 70 % of the budget spent. Exits 3
/// when there is too little data to propose anything.
///
/// Examples:
///   flyball slo suggest --service shop access.log > shop.yaml
///   flyball slo suggest -o table traces.ndjson.zst
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SuggestArgs {
    #[command(flatten)]
    input: InputArgs,

    /// The window of the proposed SLOs, rolling
    #[arg(long, value_name = "LENGTH", default_value = "28d", value_parser = window)]
    objective_window: Duration,

    /// What to print: documents, or a table of what they say
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Yaml,
    Table,
}

/// A rolling window: at least a day, a whole number of hours.
fn window(text: &str) -> Result<Duration, String> {
    let length = Duration::parse(text).map_err(|error| error.to_string())?;
    if length < Duration::from_days(1) || !length.is_multiple_of(Duration::from_hours(1)) {
        return Err(format!("{text} is not at least 1d and a whole number of hours, like 28d"));
    }
    Ok(length)
}

pub(super) fn run(args: &SuggestArgs) -> anyhow::Result<Exit> {
    let inputs = args.input.expand()?;
    let projection = Projection::Only(ATTRIBUTES.map(str::to_owned).to_vec());
    let options = args.input.options(projection, TimeRule::Required)?;
    let mut history = History::new();
    let mut bar = Bar::new("reading");
    let mut add = |batch: RecordBatch| {
        history.add(&batch);
        ControlFlow::Continue(())
    };
    let summary = read(&inputs, &options, &mut |progress| bar.show(progress), &mut add)?;
    drop(bar);
    tell_unread(&summary)?;
    let Some(last) = history.services().map(|service| service.last).max() else {
        talk::note("nothing can be proposed: there are no events in the inputs");
        return Ok(Exit::Undecided);
    };
    // A replay's slots are narrower than the hour. Where the clock keeps it from counting the last
    // events, only an end that is given does.
    let known = last < Times::until(now()).end();
    let end = if known { last.ceil(Duration::from_hours(1)) } else { Timestamp::MAX };
    let windows = Windows { length: args.objective_window, end };
    let choices: Vec<Choice> = history.services().map(|service| choose(service, windows)).collect();
    let unnamed = args.input.service.clone().unwrap_or_else(|| stem(&inputs));
    let documents = write::documents(&choices, &unnamed, args.objective_window)?;
    match args.output {
        Output::Yaml => print(&write::yaml(&documents, &summary, args.objective_window))?,
        Output::Table => print(&write::table(&documents))?,
    }
    if history.services_left_out() > 0 {
        talk::warning(&format!(
            "{} of further services left out; {} services are kept",
            plural(history.services_left_out(), "event", "events"),
            history::SERVICES_MAX
        ));
    }
    let proposed = documents.iter().map(|service| service.slos.len()).sum::<usize>();
    if proposed == 0 {
        talk::note("nothing can be proposed: see the reasons above");
        return Ok(Exit::Undecided);
    }
    Ok(Exit::Met)
}

/// What to call events without a service: the first file's name without its endings.
fn stem(inputs: &[Input]) -> String {
    let name = inputs.iter().find_map(|input| match input {
        Input::File(path) => Some(path.file_name()?.to_string_lossy().into_owned()),
        Input::Stdin => None,
    });
    let name = name.unwrap_or_else(|| "service".to_owned());
    name.split('.').find(|part| !part.is_empty()).unwrap_or("service").to_owned()
}
