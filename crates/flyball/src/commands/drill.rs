//! `flyball drill`: faults on purpose, sized from a surplus, begun, stopped and told of.

mod show;

use serde_json::{Value, json};

use super::{Document, Form, answer};
use crate::output::grid::Grid;
use crate::output::words::{self, printable};
use crate::remote::{self, Remote, ServerArgs};
use crate::{Exit, talk};
use show::{Checked, Run};

/// Break something on purpose, paid for from a budget's surplus, and see who assumed too much
///
/// A drill is a document, `kind: Drill`. It may begin when everything is met that `show` lists; it stops at its dose, at the
/// reserve, when its time is over, when anybody stops it, and when the server dies.
#[derive(Debug, clap::Args)]
pub(crate) struct DrillArgs {
    #[command(subcommand)]
    command: DrillCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DrillCommand {
    List(ListArgs),
    Show(ShowArgs),
    Announce(AnnounceArgs),
    Begin(BeginArgs),
    Stop(StopArgs),
    Runs(RunsArgs),
    Report(ReportArgs),
}

/// List drills, with how much each would spend now and whether it may begin
///
/// Examples:
///
///   flyball drill list
///   flyball drill list --service checkout -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show a drill: what it would spend now, and everything that has to be met before it begins
///
/// Examples:
///
///   flyball drill show checkout-errors
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ShowArgs {
    /// The drill
    name: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Tell the services that depend on the drill's own of its next run
///
/// Examples:
///
///   flyball drill announce checkout-errors 'tomorrow at 11, ask Ada'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct AnnounceArgs {
    /// The drill
    name: String,
    /// When it is to be, and whom to ask
    text: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Say what a run of a drill would be, or begin it with --apply
///
/// Ends with 1 when something that has to be met is not.
///
/// Examples:
///
///   flyball drill begin checkout-errors
///   flyball drill begin checkout-errors --apply
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct BeginArgs {
    /// The drill
    name: String,
    /// Begin it; without this nothing is broken
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Stop a run: the fault is taken away at once
///
/// Whoever sees its service may.
///
/// Examples:
///
///   flyball drill stop
///   flyball drill stop 1795341600000-checkout-errors
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct StopArgs {
    /// The run; the one that goes on unless told
    key: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// List runs, those begun last first
///
/// Examples:
///
///   flyball drill runs --service checkout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct RunsArgs {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// At most so many, up to 1,000
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Only those before the one of this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show what a run came to: what it burned, which dependants assumed too much, what it measured
///
/// Examples:
///
///   flyball drill report
///   flyball drill report 1795341600000-checkout-errors -o markdown
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ReportArgs {
    /// The run; the last one unless told
    key: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// The drills of a server.
#[derive(Debug, serde::Deserialize)]
struct Drills {
    drills: Vec<Checked>,
}

/// A page of runs.
#[derive(Debug, serde::Deserialize)]
struct Runs {
    runs: Vec<Run>,
    next: Option<u64>,
}

/// What came of asking for a run.
#[derive(Debug, serde::Deserialize)]
struct Begun {
    drill: Checked,
    run: Option<Run>,
}

/// Who was told.
#[derive(Debug, serde::Deserialize)]
struct Announced {
    told: u64,
    unheard: Vec<String>,
    #[serde(default)]
    unmet: Vec<show::Check>,
}

/// Where a server has drills, and their runs.
const DRILLS: [&str; 3] = ["api", "v1", "drills"];
const RUNS: [&str; 3] = ["api", "v1", "drill-runs"];
/// Among how many runs the one that goes on is looked for: the last.
const LAST: &str = "100";

pub(crate) fn run(args: DrillArgs) -> anyhow::Result<Exit> {
    match args.command {
        DrillCommand::List(args) => list(&args),
        DrillCommand::Show(args) => {
            let said: Value = Remote::new(&args.server)?.get(&path(DRILLS, &[&args.name]), &[])?;
            let drill: Checked = serde_json::from_value(said.clone())?;
            super::document(args.output, &said, || show::drill(&drill))?;
            Ok(Exit::Met)
        }
        DrillCommand::Announce(args) => announce(&args),
        DrillCommand::Begin(args) => begin(&args),
        DrillCommand::Stop(args) => stop(&args),
        DrillCommand::Runs(args) => runs(&args),
        DrillCommand::Report(args) => report(&args),
    }
}

fn path<'a>(at: [&'a str; 3], more: &[&'a str]) -> Vec<&'a str> {
    at.into_iter().chain(more.iter().copied()).collect()
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let query: Vec<_> = args.service.as_deref().map(|of| ("service", of)).into_iter().collect();
    let said: Value = Remote::new(&args.server)?.whole(&DRILLS, &query, ("drills", "after"))?;
    let found: Drills = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table = Grid::new(
            "no drills",
            &["drill", "service", "slo", "would spend", "lasts", "may begin"],
        );
        for of in &found.drills {
            let dose = of.dose.as_ref();
            table.add_row([
                printable(&of.name),
                printable(&of.spec.service),
                printable(&of.spec.slo),
                dose.map_or_else(|| "–".to_owned(), |dose| words::count(dose.bad)),
                dose.map_or_else(|| "–".to_owned(), |dose| dose.lasts.clone()),
                of.says(),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    Ok(Exit::Met)
}

fn announce(args: &AnnounceArgs) -> anyhow::Result<Exit> {
    let path = path(DRILLS, &[&args.name, "announcements"]);
    let told: Announced = Remote::new(&args.server)?.post(&path, &json!({ "text": args.text }))?;
    let services = words::plural(told.told, "dependant was told", "dependants were told");
    let name = printable(&args.name);
    let unmet = told.unmet.iter().map(|check| format!("\n  {}", printable(&check.sentence())));
    let unmet: String = unmet.collect();
    let next = if unmet.is_empty() {
        format!("{services}\nhint: flyball drill begin {name}")
    } else {
        format!(
            "{services}; it may not begin now:{unmet}\nhint: flyball drill show {name} lists what has to be met"
        )
    };
    talk::note(&next);
    if !told.unheard.is_empty() {
        let unheard: Vec<String> = told.unheard.iter().map(|of| printable(of)).collect();
        talk::note(&format!(
            "nobody is told of tickets of {}\nhint: apply an AlertTarget of severity ticket for it, and announce it again",
            unheard.join(", ")
        ));
        return Ok(Exit::Missed);
    }
    Ok(Exit::Met)
}

fn begin(args: &BeginArgs) -> anyhow::Result<Exit> {
    let path = path(DRILLS, &[&args.name, "runs"]);
    let body = json!({ "apply": args.apply });
    let begun = Remote::new(&args.server)?.post::<Begun>(&path, &body);
    let begun = match begun {
        Err(error) if remote::is_conflict(&error) => {
            talk::error(&error);
            return Ok(Exit::Missed);
        }
        begun => begun?,
    };
    let Some(run) = begun.run else {
        let said = serde_json::Value::Null;
        super::document(Document::default(), &said, || show::drill(&begun.drill))?;
        if !begun.drill.may_begin {
            return Ok(Exit::Missed);
        }
        talk::note("nothing was begun\nhint: --apply begins it");
        return Ok(Exit::Met);
    };
    super::print(&format!("{}\n", printable(&run.key)))?;
    talk::note(&format!(
        "the drill is begun: at most {} bad events in {}; what it burns of {} pages nobody, what fires without that does once it is over\nhint: flyball drill stop ends it, flyball drill report shows it",
        words::count(run.watch.dose),
        begun.drill.dose.map_or_else(|| "its time".to_owned(), |dose| dose.lasts),
        printable(&begun.drill.spec.slo)
    ));
    Ok(Exit::Met)
}

fn stop(args: &StopArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let key = if let Some(key) = &args.key {
        key.clone()
    } else {
        let found: Runs = remote.get(&RUNS, &[("limit", LAST)])?;
        let goes_on = found.runs.into_iter().find(|run| !run.watch.state.is_over());
        let Some(run) = goes_on else {
            talk::note("no drill goes on");
            return Ok(Exit::Met);
        };
        run.key
    };
    let run: Run = remote.post(&path(RUNS, &[&key, "stop"]), &json!({}))?;
    talk::note(&format!("{}: {}", printable(&run.key), printable(&run.sentence())));
    Ok(Exit::Met)
}

fn runs(args: &RunsArgs) -> anyhow::Result<Exit> {
    let (limit, before) = (args.limit.to_string(), args.before.map(|before| before.to_string()));
    let mut query = vec![("limit", limit.as_str())];
    query.extend(args.service.as_deref().map(|service| ("service", service)));
    query.extend(before.as_deref().map(|before| ("before", before)));
    let said: Value = Remote::new(&args.server)?.get(&RUNS, &query)?;
    let page: Runs = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table = Grid::new(
            "no drill was ever run",
            &["number", "begun", "service", "dosed", "burned", "state", "run"],
        );
        for run in &page.runs {
            table.add_row([
                run.number.to_string(),
                words::moment(run.planned),
                printable(&run.service),
                words::count(run.watch.dose),
                run.burned().map_or_else(|| "–".to_owned(), words::count),
                printable(&run.sentence()),
                printable(&run.key),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    if let (Form::Table, Some(next)) = (args.output, page.next) {
        talk::note(&format!("there may be older ones\nhint: flyball drill runs --before {next}"));
    }
    Ok(Exit::Met)
}

fn report(args: &ReportArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let key = if let Some(key) = &args.key {
        key.clone()
    } else {
        let found: Runs = remote.get(&RUNS, &[("limit", "1")])?;
        let Some(run) = found.runs.into_iter().next() else {
            anyhow::bail!("no drill was ever run\nhint: flyball drill list");
        };
        run.key
    };
    let said: Value = remote.get(&path(RUNS, &[&key]), &[])?;
    let found: show::RunReport = serde_json::from_value(said.clone())?;
    super::document(args.output, &said, || show::report(&found))?;
    Ok(Exit::Met)
}
