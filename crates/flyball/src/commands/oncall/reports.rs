//! What being on call costs: load, pay, calls as they went.

use std::fmt::Write;

use flyball_model::Timestamp;
use serde_json::Value;

use super::{OfRota, of_rota};
use crate::Exit;
use crate::commands::delivery::view::{Length, Stretch};
use crate::commands::{Form, answer};
use crate::output::grid::Grid;
use crate::output::words::{moment, plural, printable};
use crate::remote::{Remote, ServerArgs};

/// Show how much a rota carried, held against two events in twelve hours and half of anybody's week
///
/// Over the last 28 days unless told.
///
/// Examples:
///
///   flyball oncall load payments
///   flyball oncall load payments --from 2026-10-01T00:00:00Z --to 2027-01-01T00:00:00Z
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct LoadArgs {
    #[command(flatten)]
    asked: OfRota,
}

/// Show hours for pay: who was on call when, who was called out of hours, and what nobody pays
///
/// Over the last 28 days unless told. Hours that nobody has served yet are to come, and are not counted.
///
/// Examples:
///
///   flyball oncall pay payments --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z
///   flyball oncall pay payments --csv
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct PayArgs {
    #[command(flatten)]
    asked: OfRota,
    /// As comma-separated values, lengths in hours
    #[arg(long, conflicts_with = "output")]
    csv: bool,
}

/// List calls as they went, from level to level, those that were heard of last first
///
/// Examples:
///
///   flyball oncall calls
///   flyball oncall calls --service checkout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct CallsArgs {
    /// Only those of this service
    #[arg(long)]
    service: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Only those that were heard of before the one of this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, serde::Deserialize)]
struct Load {
    people: Vec<Person>,
    sides: Vec<SideLine>,
    calls: usize,
    hand_offs: HandOffs,
    complete: bool,
}

#[derive(Debug, serde::Deserialize)]
struct Person {
    who: String,
    side: Option<String>,
    turns: usize,
    shifts_over: usize,
    events: usize,
    at_night: usize,
    out_of_hours: usize,
    tickets: usize,
    worked: Length,
    operations_share: Option<f64>,
    is_over: Option<bool>,
}

#[derive(Debug, serde::Deserialize)]
struct SideLine {
    side: Option<String>,
    events: usize,
    share: Option<f64>,
}

#[derive(Debug, serde::Deserialize)]
struct HandOffs {
    unanswered: u32,
    nobody: u32,
    passed_on: u32,
}

#[derive(Debug, serde::Deserialize)]
struct Pay {
    during: Stretch,
    served_until: Timestamp,
    lines: Vec<Line>,
    unpaid: Vec<Unpaid>,
    complete: bool,
}

#[derive(Debug, serde::Deserialize)]
struct Line {
    who: String,
    paid: Option<String>,
    standby: Length,
    out_of_hours: Length,
    at_night: Length,
    on_holidays: Length,
    call_outs: usize,
    called_out: Length,
    unknown: usize,
    to_come: Length,
}

#[derive(Debug, serde::Deserialize)]
struct Unpaid {
    id: String,
    who: String,
    called: Timestamp,
    length: Option<Length>,
    why: String,
}

#[derive(Debug, serde::Deserialize)]
struct Page {
    calls: Vec<Call>,
    next: Option<u64>,
}

#[derive(Debug, serde::Deserialize)]
struct Call {
    service: String,
    slo: String,
    alert: u64,
    opened: Timestamp,
    steps: Vec<Step>,
    taken: Option<Taken>,
    closed: Option<Timestamp>,
    unanswered: Option<Timestamp>,
    hand_offs: HandOffs,
}

#[derive(Debug, serde::Deserialize)]
struct Step {
    name: String,
    who: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Taken {
    by: String,
}

impl HandOffs {
    fn words(&self) -> String {
        let Self { unanswered, nobody, passed_on } = self;
        match unanswered + nobody + passed_on {
            0 => "none".to_owned(),
            all => format!(
                "{all} ({unanswered} unanswered, {nobody} with nobody there, {passed_on} passed on)"
            ),
        }
    }
}

/// Which time is paid, and what of it is to come.
fn stretch(during: &Stretch, served_until: Timestamp) -> String {
    let whole = format!("{} – {}", moment(during.start), moment(during.end));
    if served_until >= during.end {
        return whole;
    }
    format!("{whole}, counted until {}: what lies after it is to come", moment(served_until))
}

/// A share in per cent, or that nobody knows.
fn percent(share: Option<f64>) -> String {
    share.map_or("not known".to_owned(), |share| format!("{:.1}%", share * 100.0))
}

/// That not all was looked at, where it was not.
fn incomplete(complete: bool) -> &'static str {
    if complete { "" } else { "there were more calls than are looked at: ask for less time\n" }
}

pub(super) fn load(LoadArgs { asked }: &LoadArgs) -> anyhow::Result<Exit> {
    let said = asked.ask("load", &[])?;
    let load: Load = serde_json::from_value(said.clone())?;
    answer(asked.output, &said, || {
        let header = [
            "who",
            "side",
            "turns",
            "shifts too full",
            "events",
            "at night",
            "out of hours",
            "tickets",
            "worked",
            "of the week",
            "too much",
        ];
        let mut table = Grid::new("nobody was on call", &header);
        for of in &load.people {
            let too_much = match of.is_over {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not known",
            };
            table.add_row([
                printable(&of.who),
                printable(of.side.as_deref().unwrap_or("not a member")),
                of.turns.to_string(),
                of.shifts_over.to_string(),
                of.events.to_string(),
                of.at_night.to_string(),
                of.out_of_hours.to_string(),
                of.tickets.to_string(),
                of.worked.words(),
                percent(of.operations_share),
                too_much.to_owned(),
            ]);
        }
        let mut out = format!("{table}\n");
        for SideLine { side, events, share } in &load.sides {
            let side = side.as_deref().unwrap_or("others");
            let share = match share {
                Some(_) => format!("{} of the work", percent(*share)),
                None => "no work that is known of".to_owned(),
            };
            let events = plural(*events as u64, "event", "events");
            writeln!(out, "{}: {events}, {share}", printable(side))?;
        }
        let (calls, hand_offs) = (load.calls, load.hand_offs.words());
        writeln!(out, "{}, hand-offs: {hand_offs}", plural(calls as u64, "call", "calls"))?;
        Ok(out + incomplete(load.complete))
    })?;
    Ok(Exit::Met)
}

pub(super) fn pay(PayArgs { asked, csv }: &PayArgs) -> anyhow::Result<Exit> {
    if *csv {
        let times = [("from", asked.from), ("to", asked.to)];
        let times = times.iter().filter_map(|(name, at)| Some((*name, (*at)?.to_string())));
        let times: Vec<(&str, String)> = times.collect();
        let times: Vec<(&str, &str)> =
            times.iter().map(|(name, at)| (*name, at.as_str())).collect();
        let path = of_rota(&asked.rota, "pay.csv");
        crate::commands::print(&Remote::new(&asked.server)?.text(&path, &times)?)?;
        return Ok(Exit::Met);
    }
    let said = asked.ask("pay", &[])?;
    let Pay { during, served_until, lines, unpaid, complete } =
        serde_json::from_value(said.clone())?;
    answer(asked.output, &said, || {
        let header = [
            "who",
            "paid",
            "on call",
            "out of hours",
            "at night",
            "holidays",
            "call-outs",
            "called out",
            "without end",
            "to come",
        ];
        let mut table = Grid::new("nobody was on call", &header);
        for line in &lines {
            table.add_row([
                printable(&line.who),
                printable(line.paid.as_deref().unwrap_or("not said")),
                line.standby.in_hours(),
                line.out_of_hours.in_hours(),
                line.at_night.in_hours(),
                line.on_holidays.in_hours(),
                line.call_outs.to_string(),
                line.called_out.in_hours(),
                line.unknown.to_string(),
                line.to_come.in_hours(),
            ]);
        }
        let mut out = format!("hours of {}\n", stretch(&during, served_until));
        writeln!(out, "{table}")?;
        for Unpaid { id, who, called, length, why } in &unpaid {
            let length =
                length.as_ref().map_or("nobody said how long".to_owned(), Length::in_hours);
            let called = moment(*called);
            let why = why.replace('_', " ");
            let said = format!("unpaid: {who} at {called} for alert {id}, {length} ({why})\n");
            out.push_str(&printable(&said));
        }
        Ok(out + incomplete(complete))
    })?;
    Ok(Exit::Met)
}

pub(super) fn calls(args: &CallsArgs) -> anyhow::Result<Exit> {
    let (limit, before) = (args.limit.to_string(), args.before.map(|before| before.to_string()));
    let mut asked = vec![("limit", limit.as_str())];
    asked.extend(before.as_deref().map(|before| ("before", before)));
    asked.extend(args.service.as_deref().map(|service| ("service", service)));
    let said: Value = Remote::new(&args.server)?.get(&["api", "v1", "on-call", "calls"], &asked)?;
    let Page { calls, next } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table = Grid::new(
            "no calls",
            &["alert", "began", "what", "called", "taken by", "ended", "hand-offs"],
        );
        for call in &calls {
            let steps = call.steps.iter().map(|Step { name, who }| {
                let who = if who.is_empty() { "nobody".to_owned() } else { who.join(", ") };
                format!("{name}: {who}")
            });
            let nobody = match &call.unanswered {
                Some(since) => format!("nobody: unanswered since {}", moment(*since)),
                None => "nobody".to_owned(),
            };
            let taken = call.taken.as_ref().map_or(&nobody, |taken| &taken.by);
            table.add_row([
                call.alert.to_string(),
                moment(call.opened),
                printable(&format!("{}: {}", call.service, call.slo)),
                printable(&steps.collect::<Vec<_>>().join("; ")),
                printable(taken),
                call.closed.map_or("not yet".to_owned(), moment),
                call.hand_offs.words(),
            ]);
        }
        let more = next.map_or(String::new(), |next| format!("more: --before {next}\n"));
        Ok(format!("{table}\n{more}"))
    })?;
    Ok(Exit::Met)
}
