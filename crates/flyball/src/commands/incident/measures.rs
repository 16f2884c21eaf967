//! `flyball incident measures`: how incidents went together.

use std::collections::BTreeMap;

use flyball_model::{Duration, Timestamp};
use serde_json::Value;

use crate::Exit;
use crate::commands::delivery::OfArgs;
use crate::commands::delivery::view::Length;
use crate::commands::replay::now;
use crate::commands::{Document, document};
use crate::output::page::{Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};

/// Show how soon incidents were detected, acknowledged, mitigated and resolved, and which came again
///
/// MTTD is from the start to the detection, MTTA from the detection to the acknowledgement, MTTR from the start to the end. Means of
/// incidents say more of the longest one than of all others, so each stands beside its distribution.
///
/// Examples:
///
///   flyball incident measures checkout
///   flyball incident measures --team payments --since 365d -o markdown
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct MeasuresArgs {
    #[command(flatten)]
    of: OfArgs,
    /// How long until now, or until --until: at most 400d
    #[arg(long, value_name = "LENGTH", value_parser = length, default_value = "90d")]
    since: Duration,
    /// Until when; now unless told
    #[arg(long, value_name = "TIME", value_parser = crate::commands::change::moment)]
    until: Option<Timestamp>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, serde::Deserialize)]
struct Answer {
    of: Whose,
    measures: Measures,
    recurrences: Vec<Recurrence>,
    is_burned_known: bool,
    actions: Actions,
    is_cut: bool,
}

#[derive(Debug, serde::Deserialize)]
struct Whose {
    kind: String,
    name: String,
}

#[derive(Debug, serde::Deserialize)]
struct Measures {
    incidents: u64,
    false_alarms: BTreeMap<String, u64>,
    detect: Measure,
    acknowledge: Measure,
    mitigate: Measure,
    resolve: Measure,
}

#[derive(Debug, serde::Deserialize)]
struct Measure {
    lengths: Option<Distribution>,
    lasting: Option<Lasting>,
    unknown: u64,
}

#[derive(Debug, serde::Deserialize)]
struct Distribution {
    mean: String,
    spread: Spread,
    quartiles: [String; 2],
    median_95: Option<[String; 2]>,
}

#[derive(Debug, serde::Deserialize)]
struct Spread {
    count: u64,
    median: String,
    p90: String,
    max: String,
}

#[derive(Debug, serde::Deserialize)]
struct Lasting {
    count: u64,
}

#[derive(Debug, serde::Deserialize)]
struct Recurrence {
    id: String,
    earlier: Vec<Earlier>,
}

#[derive(Debug, serde::Deserialize)]
struct Earlier {
    id: String,
    ago: String,
    by: Vec<Sign>,
    despite: Vec<String>,
    undone: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Sign {
    #[serde(rename = "sign")]
    word: String,
    class: Option<String>,
    slo: Option<String>,
    service: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Actions {
    open: BTreeMap<String, u64>,
    late: u64,
    tested: u64,
    never_failed: u64,
    looked: u64,
    dropped: u64,
}

fn length(text: &str) -> Result<Duration, String> {
    Duration::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(args: &MeasuresArgs) -> anyhow::Result<Exit> {
    let to = args.until.unwrap_or_else(now);
    let (from, to) = (to.minus(args.since).to_string(), to.to_string());
    let mut query: Vec<(&str, &str)> = args.of.query().collect();
    query.extend([("from", from.as_str()), ("to", to.as_str())]);
    let path = ["api", "v1", "incident-measures"];
    let said: Value = Remote::new(&args.server)?.get(&path, &query)?;
    let answer: Answer = serde_json::from_value(said.clone())?;
    document(args.output, &said, || page(&answer, args.since))?;
    Ok(Exit::Met)
}

fn page(answer: &Answer, since: Duration) -> Page {
    let Answer { of, measures, recurrences, is_burned_known, actions, is_cut } = answer;
    let false_alarms: u64 = measures.false_alarms.values().sum();
    let title = format!(
        "{}, {}, {} came again",
        words::plural(measures.incidents, "incident", "incidents"),
        words::plural(false_alarms, "false alarm", "false alarms"),
        words::count(recurrences.len() as u64)
    );
    let mut page = Page::new(format!("Incidents of the {} {}, {since}", of.kind, of.name), title);
    if *is_cut {
        page.say("There are more incidents than are looked at: the oldest are left out.");
    }
    if !is_burned_known {
        page.say(
            "Not all that burned in this time could be looked up: of earlier windows only classes and what people say \
             tell what came again.",
        );
    }
    let measures = [
        ("To detect (MTTD)", &measures.detect),
        ("To acknowledge (MTTA)", &measures.acknowledge),
        ("To mitigate", &measures.mitigate),
        ("To resolve (MTTR)", &measures.resolve),
    ];
    page.heading("How soon");
    let columns = [
        text("Step"),
        number("Incidents"),
        text("Mean"),
        text("Median"),
        text("Median, 95 %"),
        text("Quartiles"),
        text("90 %"),
        text("Longest"),
        number("Go on"),
        number("Not known"),
    ];
    page.table(columns, measures.map(|(name, of)| row(name, of)));
    if !recurrences.is_empty() {
        page.heading("What came again");
        page.list(
            recurrences
                .iter()
                .flat_map(|of| of.earlier.iter().map(|earlier| again(&of.id, earlier))),
        );
    }
    page.heading("Action items");
    let open: Vec<String> =
        actions.open.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let open = if open.is_empty() { "none".to_owned() } else { open.join(", ") };
    page.facts([
        ("To be done", format!("{open}; {} late", actions.late)),
        (
            "Done by a test",
            format!("{}, of which {} never failed", actions.tested, actions.never_failed),
        ),
        ("Seen", actions.looked.to_string()),
        ("Dropped", actions.dropped.to_string()),
    ]);
    page
}

fn row(name: &str, of: &Measure) -> [String; 10] {
    let dash = || "–".to_owned();
    let lengths = of.lengths.as_ref();
    let said = |what: fn(&Distribution) -> String| lengths.map_or_else(dash, what);
    let median = lengths.and_then(|of| of.median_95.as_ref());
    [
        name.to_owned(),
        lengths.map_or(0, |of| of.spread.count).to_string(),
        said(|of| lasts(&of.mean)),
        said(|of| lasts(&of.spread.median)),
        median.map_or_else(dash, |[low, high]| format!("{} – {}", lasts(low), lasts(high))),
        said(|of| of.quartiles.each_ref().map(|of| lasts(of)).join(" – ")),
        said(|of| lasts(&of.spread.p90)),
        said(|of| lasts(&of.spread.max)),
        of.lasting.as_ref().map_or(0, |of| of.count).to_string(),
        of.unknown.to_string(),
    ]
}

/// A length of time as the server says it, in its two largest units.
fn lasts(text: &str) -> String {
    Length::of(text).words()
}

fn again(id: &str, earlier: &Earlier) -> String {
    let by = earlier.by.iter().map(|Sign { word, class, slo, service }| {
        let what = class.as_ref().or(slo.as_ref()).or(service.as_ref());
        what.map_or_else(|| word.clone(), |what| format!("{word} {what}"))
    });
    let by: Vec<String> = by.collect();
    let mut said = format!(
        "{id} resembles {} ({} before) by {}",
        earlier.id,
        lasts(&earlier.ago),
        by.join(", ")
    );
    for (what, items) in
        [("despite", &earlier.despite), ("still to be done then:", &earlier.undone)]
    {
        if !items.is_empty() {
            said.extend(["; ", what, " "]);
            said.push_str(&items.join(", "));
        }
    }
    said
}
