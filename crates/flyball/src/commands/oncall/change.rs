//! Exceptions to rotas: overrides, swaps, temporary schedules.

use flyball_model::Timestamp;
use serde_json::{Value, json};

use super::of_rota;
use crate::commands::delivery::moment;
use crate::commands::policy::until;
use crate::commands::replay::now;
use crate::commands::review::{People, called};
use crate::commands::{Form, answer};
use crate::output::grid::Grid;
use crate::output::words::{self, printable};
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Let somebody come, go, or come for somebody else, for a time
///
/// Examples:
///
///   flyball oncall override payments --remove ada --add bo --until 8h --why 'Ada is ill'
///   flyball oncall override payments --add cy --from 2026-11-27T08:00:00Z --until 2026-11-28T08:00:00Z --why 'the sale'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group = clap::ArgGroup::new("whom").required(true).multiple(true))]
pub(super) struct OverrideArgs {
    /// The rota
    rota: String,
    /// Who is not called
    #[arg(long, value_name = "NAME", group = "whom")]
    remove: Option<String>,
    /// Who is called: in their place, or beside everybody
    #[arg(long, value_name = "NAME", group = "whom")]
    add: Option<String>,
    #[command(flatten)]
    time: TimeArgs,
}

/// From when, until when, why, and where.
#[derive(Debug, clap::Args)]
struct TimeArgs {
    /// From when on; now unless told
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Until when, or for how long from now: 2026-12-01T18:00:00Z, or 8h
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Timestamp,
    #[command(flatten)]
    act: WhyArgs,
}

/// Why, and where.
#[derive(Debug, clap::Args)]
struct WhyArgs {
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Ask for somebody to take a shift, for nothing or for one of theirs
///
/// Examples:
///
///   flyball oncall swap payments --who ada --from 2026-12-24T08:00:00Z --until 2026-12-25T08:00:00Z --why 'at home'
///   flyball oncall swap payments --who ada --from 2026-12-24T08:00:00Z --until 2026-12-25T08:00:00Z \
///     --asked bo --takes-from 2026-12-31T08:00:00Z --takes-until 2027-01-01T08:00:00Z --why 'at home'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct SwapArgs {
    /// The rota
    rota: String,
    /// Whose shift it is
    #[arg(long, value_name = "NAME")]
    who: String,
    /// Who is asked; anybody unless told
    #[arg(long, value_name = "NAME")]
    asked: Option<String>,
    /// From when on they take one of the other's for it
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "takes_until")]
    takes_from: Option<Timestamp>,
    /// Until when they do
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "takes_from")]
    takes_until: Option<Timestamp>,
    #[command(flatten)]
    time: TimeArgs,
}

/// Take, decline or withdraw a swap
///
/// Examples:
///
///   flyball oncall settle payments payments:2026-12-01T12:00:00Z --who bo --how taken
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct SettleArgs {
    /// The rota
    rota: String,
    /// What the swap is known by
    id: String,
    /// Who takes, declines or withdraws it
    #[arg(long, value_name = "NAME")]
    who: String,
    /// How it ends
    #[arg(long, value_enum)]
    how: How,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum How {
    /// Somebody else has it now
    Taken,
    /// Who was asked does not want it
    Declined,
    /// Who asked does not need it any more
    Withdrawn,
}

/// Write out who is there for a time: rota and overrides say nothing while it lasts
///
/// Examples:
///
///   flyball oncall plan payments --from 2026-12-24T08:00:00Z --until 2026-12-26T08:00:00Z --why 'Christmas' \
///     --shift first=ada@2026-12-24T08:00:00Z/2026-12-25T08:00:00Z \
///     --shift first=bo@2026-12-25T08:00:00Z/2026-12-26T08:00:00Z
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct PlanArgs {
    /// The rota
    rota: String,
    /// A shift, once for each: its layer, who, and from when to when
    #[arg(long = "shift", value_name = "LAYER=NAME@FROM/TO", value_parser = shift)]
    shifts: Vec<Value>,
    #[command(flatten)]
    time: TimeArgs,
}

/// Remove an override or a temporary schedule: from now on it does nothing
///
/// Examples:
///
///   flyball oncall remove payments payments:2026-12-01T12:00:00Z --why 'Ada is well again'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct RemoveArgs {
    /// The rota
    rota: String,
    /// What it is known by
    id: String,
    #[command(flatten)]
    act: WhyArgs,
}

/// List the exceptions to a rota, those made last first, those that are over among them
///
/// Examples:
///
///   flyball oncall exceptions payments
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ExceptionsArgs {
    /// The rota
    rota: String,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Only those that were made before the one of this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, serde::Deserialize)]
struct Done {
    id: String,
    state: String,
    away: Vec<Away>,
    uncovered: Vec<Uncovered>,
    is_idle: bool,
}

#[derive(Debug, serde::Deserialize)]
struct Uncovered {
    span: Span,
}

#[derive(Debug, serde::Deserialize)]
struct Away {
    who: String,
    span: Span,
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    exceptions: Vec<Listing>,
    people: People,
    next: Option<u64>,
}

#[derive(Debug, serde::Deserialize)]
struct Listing {
    id: String,
    state: String,
    made: Kind,
}

#[derive(Debug, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    Override {
        start: Timestamp,
        end: Timestamp,
        remove: Option<String>,
        add: Option<String>,
        made: Made,
    },
    Swap {
        who: String,
        gives: Span,
        takes: Option<Span>,
        asked: Option<String>,
        made: Made,
        ended: Option<Ended>,
    },
    Temporary {
        start: Timestamp,
        end: Timestamp,
        shifts: Vec<Value>,
        made: Made,
    },
}

/// How a swap ended.
#[derive(Debug, serde::Deserialize)]
struct Ended {
    by: String,
    how: String,
}

#[derive(Debug, serde::Deserialize)]
struct Span {
    start: Timestamp,
    end: Timestamp,
}

#[derive(Debug, serde::Deserialize)]
struct Made {
    by: String,
    why: String,
}

/// A shift as an argument says it.
fn shift(text: &str) -> Result<Value, String> {
    let parts = || {
        let (layer, rest) = text.split_once('=')?;
        let (who, span) = rest.rsplit_once('@')?;
        let (start, end) = span.split_once('/')?;
        Some((layer, who, start, end))
    };
    let hint = "write it like first=ada@2026-12-24T08:00:00Z/2026-12-25T08:00:00Z";
    let (layer, who, start, end) =
        parts().ok_or_else(|| format!("`{text}` is no shift\nhint: {hint}"))?;
    let (start, end) = (moment(start)?, moment(end)?);
    Ok(json!({ "layer": layer, "who": who, "start": start, "end": end }))
}

/// Sends `body` to `path` of the rota, and says what was done.
fn send(server: &ServerArgs, rota: &str, path: &[&str], body: &Value) -> anyhow::Result<Exit> {
    let mut whole = of_rota(rota, path[0]);
    whole.extend(&path[1..]);
    let Done { id, state, away, uncovered, is_idle } = Remote::new(server)?.post(&whole, body)?;
    crate::commands::print(&format!("{}\n", printable(&id)))?;
    talk::note(&printable(&state));
    for Away { who, span } in away {
        let said = format!(
            "{who} rests or is outside their hours from {} to {}",
            words::moment(span.start),
            words::moment(span.end)
        );
        talk::note(&printable(&said));
    }
    for Uncovered { span } in uncovered {
        let (from, to) = (words::moment(span.start), words::moment(span.end));
        talk::warning(&printable(&format!(
            "nobody of {rota} can be paged from {from} to {to}; hint: flyball oncall override {rota} --add WHO --from {} \
             --until {} --why …",
            span.start, span.end
        )));
    }
    if is_idle {
        talk::warning(&printable(&format!(
            "it changes nothing: everybody is there as without it; hint: flyball oncall exceptions {rota} says whether a \
             temporary schedule lasts then"
        )));
    }
    Ok(Exit::Met)
}

pub(super) fn override_rota(args: OverrideArgs) -> anyhow::Result<Exit> {
    let OverrideArgs { rota, remove, add, time } = args;
    let TimeArgs { from, until, act } = time;
    let from = from.unwrap_or_else(now);
    let body = json!({ "start": from, "end": until, "remove": remove, "add": add, "why": act.why });
    send(&act.server, &rota, &["overrides"], &body)
}

pub(super) fn swap(args: SwapArgs) -> anyhow::Result<Exit> {
    let SwapArgs { rota, who, asked, takes_from, takes_until, time } = args;
    let TimeArgs { from, until, act } = time;
    let takes = takes_from.zip(takes_until);
    let takes = takes.map(|(start, end)| json!({ "start": start, "end": end }));
    let gives = json!({ "start": from.unwrap_or_else(now), "end": until });
    let body =
        json!({ "who": who, "gives": gives, "takes": takes, "asked": asked, "why": act.why });
    send(&act.server, &rota, &["swaps"], &body)
}

pub(super) fn settle(args: SettleArgs) -> anyhow::Result<Exit> {
    let SettleArgs { rota, id, who, how, server } = args;
    let how = match how {
        How::Taken => "taken",
        How::Declined => "declined",
        How::Withdrawn => "withdrawn",
    };
    send(&server, &rota, &["swaps", &id, "settle"], &json!({ "who": who, "how": how }))
}

pub(super) fn plan(args: &PlanArgs) -> anyhow::Result<Exit> {
    let PlanArgs { rota, shifts, time } = args;
    let TimeArgs { from, until, act } = time;
    let from = from.unwrap_or_else(now);
    let body = json!({ "start": from, "end": until, "shifts": shifts, "why": act.why });
    send(&act.server, rota, &["temporary-schedules"], &body)
}

pub(super) fn remove(args: RemoveArgs) -> anyhow::Result<Exit> {
    let RemoveArgs { rota, id, act } = args;
    send(&act.server, &rota, &["exceptions", &id, "end"], &json!({ "why": act.why }))
}

pub(super) fn list(args: &ExceptionsArgs) -> anyhow::Result<Exit> {
    let (limit, before) = (args.limit.to_string(), args.before.map(|before| before.to_string()));
    let mut asked = vec![("limit", limit.as_str())];
    asked.extend(before.as_deref().map(|before| ("before", before)));
    let path = of_rota(&args.rota, "exceptions");
    let said: Value = Remote::new(&args.server)?.get(&path, &asked)?;
    let Listed { exceptions, people, next } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table =
            Grid::new("no exceptions", &["exception", "state", "from", "to", "what", "by", "why"]);
        for Listing { id, state, made } in &exceptions {
            let (start, end, what, made) = made.words();
            let (start, end) = (words::moment(start), words::moment(end));
            let row =
                [id, state, &start, &end, what.as_str(), called(&people, &made.by), &made.why];
            table.add_row(row.map(printable));
        }
        let more = next.map_or(String::new(), |next| format!("more: --before {next}\n"));
        Ok(format!("{table}\n{more}"))
    })?;
    Ok(Exit::Met)
}

impl Kind {
    /// From when, to when, what, and who made it.
    fn words(&self) -> (Timestamp, Timestamp, String, &Made) {
        match self {
            Self::Override { start, end, remove, add, made } => {
                let what = match (remove, add) {
                    (Some(remove), Some(add)) => format!("{add} for {remove}"),
                    (Some(remove), None) => format!("without {remove}"),
                    (None, add) => format!("with {}", add.as_deref().unwrap_or("nobody")),
                };
                (*start, *end, what, made)
            }
            Self::Swap { who, gives, takes, asked, made, ended } => {
                let asked = asked.as_ref().map_or("anybody", |asked| asked);
                let takes = takes.as_ref().map(|of| {
                    format!(" for {} to {}", words::moment(of.start), words::moment(of.end))
                });
                let ended = ended.as_ref().map(|of| match of.how.as_str() {
                    "taken" => format!("; {} takes it", of.by),
                    how => format!("; {how} by {}", of.by),
                });
                let (takes, ended) = (takes.unwrap_or_default(), ended.unwrap_or_default());
                (gives.start, gives.end, format!("{who} asks {asked}{takes}{ended}"), made)
            }
            Self::Temporary { start, end, shifts, made } => {
                let shifts = words::plural(shifts.len() as u64, "shift", "shifts");
                (*start, *end, format!("{shifts} written out"), made)
            }
        }
    }
}
