//! Registers beside what was measured, and which failure came of which risk.

use flyball_model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{of_service, sheet};
use crate::commands::delivery::moment;
use crate::commands::delivery::view::{Length, Stretch};
use crate::commands::{Document, document, print};
use crate::output::page::{Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Put a register beside what incidents, failed changes and drills say of it
///
/// Only what somebody has put down to a risk counts (`flyball risk occurred`). Intervals hold with 90 %; below five
/// values there is none of how long and how many.
///
/// Examples:
///
///   flyball risk measured checkout
///   flyball risk measured checkout --proposed > /tmp/risks.yaml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct MeasuredArgs {
    /// The service
    service: String,
    /// Since when; a year before the end unless told, and not before anything was counted
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Until when; as far as everything is counted unless told
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// Print documents with what was measured in them, for you to look at and apply
    #[arg(long, conflicts_with = "output")]
    proposed: bool,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Say which risk an incident, a page, a failed change or a drill came of
///
/// The last word counts; `none` takes it back. It is in the audit log.
///
/// Examples:
///
///   flyball risk occurred checkout disk-full devlake:OPS-17 --why 'logs filled the disk'
///   flyball risk occurred checkout none alert:12 --why 'that was the load test'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct OccurredArgs {
    /// The service
    service: String,
    /// The risk; none takes it back
    risk: String,
    /// The incident, page, change or drill, as `flyball risk measured` names it
    id: String,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Deserialize)]
struct Answer {
    service: String,
    during: Stretch,
    risks: Vec<Line>,
    unnamed: u64,
    unnamed_last: Vec<String>,
    is_cut: bool,
}

#[derive(Debug, Deserialize)]
struct Line {
    measured: Inputs,
    #[serde(default)]
    likely: Vec<String>,
    proposed: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Inputs {
    name: String,
    failures: u64,
    drills: u64,
    time_to_detect: Beside,
    time_to_repair: Beside,
    share_of_users: Beside,
    time_between_failures: Beside,
    said_minutes_a_year: f64,
    measured_minutes_a_year: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Beside {
    said: String,
    count: u64,
    /// A length of time as a text, or a share as two numbers or a text.
    measured: Option<Value>,
    interval_90: Option<String>,
    finding: String,
}

pub(super) fn measured(args: &MeasuredArgs) -> anyhow::Result<Exit> {
    let times = [("from", args.from), ("to", args.to)];
    let times: Vec<(&str, String)> =
        times.into_iter().filter_map(|(name, at)| Some((name, at?.to_string()))).collect();
    let query: Vec<(&str, &str)> = times.iter().map(|(name, at)| (*name, at.as_str())).collect();
    let path = of_service(&args.service, &["measured"]);
    let said: Value = Remote::new(&args.server)?.get(&path, &query)?;
    let answer: Answer = serde_json::from_value(said.clone())?;
    if args.proposed {
        let mut out = String::new();
        for of in &answer.risks {
            let Some(spec) = &of.proposed else { continue };
            out.push_str("---\n");
            out.push_str(&sheet::written(&of.measured.name, spec)?);
        }
        if out.is_empty() {
            talk::note("too little was measured to propose anything");
        }
        print(&out)?;
        return Ok(Exit::Met);
    }
    document(args.output, &said, || page(&answer))?;
    Ok(Exit::Met)
}

fn page(answer: &Answer) -> Page {
    let during = &answer.during;
    let about = format!(
        "Risks of {} as they were measured, {} – {}",
        answer.service,
        words::moment(during.start),
        words::moment(during.end)
    );
    let failures: u64 = answer.risks.iter().map(|of| of.measured.failures).sum();
    let title = format!(
        "{} came of a risk that is named, {} of none.",
        words::plural(failures, "failure", "failures"),
        words::count(answer.unnamed)
    );
    let mut page = Page::new(about, title);
    if !answer.unnamed_last.is_empty() {
        page.say("Nobody has said what these came of (`flyball risk occurred`):");
        page.list(answer.unnamed_last.iter().cloned());
    }
    if answer.is_cut {
        page.say("There is more than is looked at: the earliest is left out.");
    }
    for of in &answer.risks {
        one(&mut page, &of.measured);
        if !of.likely.is_empty() {
            let (service, name) = (&answer.service, &of.measured.name);
            page.say(format!(
                "By what it matches these are likely to have come of it, and count once somebody says so (`flyball risk occurred {service} {name} ID --why …`):"
            ));
            page.list(of.likely.iter().cloned());
        }
    }
    page.say(format!(
        "What began after {} is not looked at yet. What is said is with the factors of the register; what `--proposed` prints \
         is without.",
        words::moment(during.end),
    ));
    page
}

fn one(page: &mut Page, of: &Inputs) {
    page.heading(of.name.clone());
    page.say(format!(
        "{}, {}. Bad a year: {} are said, {}.",
        words::plural(of.failures, "failure", "failures"),
        words::plural(of.drills, "drill", "drills"),
        words::minutes(of.said_minutes_a_year),
        match of.measured_minutes_a_year {
            Some(minutes) => format!("{} were measured", words::minutes(minutes)),
            None => "how many there were is not known".to_owned(),
        }
    ));
    let inputs = [
        ("Time to detect", &of.time_to_detect),
        ("Time to repair", &of.time_to_repair),
        ("Share of users", &of.share_of_users),
        ("Time between failures", &of.time_between_failures),
    ];
    let rows = inputs.map(|(name, input)| {
        let dash = || "–".to_owned();
        [
            name.to_owned(),
            range(&input.said),
            input.measured.as_ref().map_or_else(dash, plain),
            match &input.interval_90 {
                // What never failed has no upper end: that of a register stands there.
                Some(text) if input.measured.is_none() => format!("{} or more", least(text)),
                Some(text) => range(text),
                None => dash(),
            },
            words::count(input.count),
            match input.finding.as_str() {
                "agrees" => "agrees",
                "more" => "MORE than is said",
                "less" => "LESS than is said",
                _ => "too little was measured",
            }
            .to_owned(),
        ]
    });
    let columns = [
        text("Input"),
        text("Said"),
        text("Measured"),
        text("90 %"),
        number("Of"),
        text("Finding"),
    ];
    page.table(columns, rows);
}

/// What stands between the ends of a range.
const BETWEEN: &str = "..";

/// A value or a range as documents write it, lengths of time in words.
fn range(text: &str) -> String {
    let ends: Vec<String> = text.split(BETWEEN).map(|end| Length::of(end).words()).collect();
    ends.join(" – ")
}

/// The lower end of a range.
fn least(text: &str) -> String {
    range(text.split(BETWEEN).next().unwrap_or(text))
}

/// A measured value as it is said.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => range(text),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), words::percent),
        other => other.to_string(),
    }
}

pub(super) fn occurred(args: &OccurredArgs) -> anyhow::Result<Exit> {
    let OccurredArgs { service, risk, id, why, server } = args;
    let named = (risk != "none").then_some(risk);
    let body = json!({ "posting": id, "risk": named, "why": why });
    let _: Value = Remote::new(server)?.post(&of_service(service, &["occurrences"]), &body)?;
    match named {
        Some(risk) => talk::note(&format!(
            "kept: {id} came of {risk}; `flyball risk measured {service}` has it once all of its time is counted"
        )),
        None => talk::note(&format!("kept: {id} came of no risk that is named")),
    }
    Ok(Exit::Met)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_lengths_are_written_for_people() {
        assert_eq!(range("1009826s..3025610s"), "11 d 17 h – 35 d");
        assert_eq!((range("30m"), range("5%..50%")), ("30 min".to_owned(), "5% – 50%".to_owned()));
        assert_eq!(least("1009826s..36525d"), "11 d 17 h");
        assert_eq!(plain(&json!("28.867s")), "29 s");
        let fraction = Length::of("213.887s");
        assert_eq!(
            (fraction.words().as_str(), fraction.in_hours().as_str()),
            ("3 min 34 s", "3 min 34 s")
        );
        let hours = ["1526399.999s", "4d", "5430s"].map(|text| Length::of(text).in_hours());
        assert_eq!(hours, ["424 h", "96 h", "1 h 31 min"]);
    }
}
