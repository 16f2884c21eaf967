//! `flyball oncall`: who carries the pager, for how long, and what that costs.

mod change;
mod holidays;
mod reports;

use anyhow::anyhow;
use flyball_model::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::custody::carries;
use super::delivery::moment;
use super::{Form, answer};
use crate::Exit;
use crate::output::grid::Grid;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};

/// Ask who is on call, find gaps, make exceptions to rotas, and export hours for pay
///
/// A rota (`kind: Rota`) and an escalation (`kind: Escalation`) are documents, applied as others are. A service
/// names one as its `onCall`; pages of it are called out along it.
#[derive(Debug, clap::Args)]
pub(crate) struct OncallArgs {
    #[command(subcommand)]
    command: OncallCommand,
}

#[derive(Debug, clap::Subcommand)]
enum OncallCommand {
    Who(WhoArgs),
    #[command(visible_alias = "rota")]
    Rotas(RotasArgs),
    Show(ShowArgs),
    Gaps(GapsArgs),
    Override(change::OverrideArgs),
    Swap(change::SwapArgs),
    Settle(change::SettleArgs),
    Plan(change::PlanArgs),
    Remove(change::RemoveArgs),
    Exceptions(change::ExceptionsArgs),
    #[command(visible_alias = "ical")]
    Calendar(CalendarArgs),
    Load(reports::LoadArgs),
    Pay(reports::PayArgs),
    Calls(reports::CallsArgs),
    Holidays(holidays::HolidaysArgs),
}

/// Say who is called for a page of a service, level by level, or who looks at a ticket of it
///
/// Examples:
///
///   flyball oncall who checkout
///   flyball oncall who checkout --at 2026-12-24T20:00:00Z
///   flyball oncall who checkout --severity ticket
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Exit codes: 0 somebody is called, 1 nobody is there, 2 the question cannot be asked."
)]
struct WhoArgs {
    /// The service
    service: String,
    /// When; now unless told
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// For a page, or who looks at a ticket
    #[arg(long, value_enum, default_value_t = Severity::Page)]
    severity: Severity,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// What somebody is called for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Severity {
    Page,
    Ticket,
}

/// List the rotas and who is there
///
/// Examples:
///
///   flyball oncall rotas
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct RotasArgs {
    /// When; now unless told
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show the final shifts of a rota, with all exceptions: those of the next 28 days unless told
///
/// Times are of the rota's zone. A shift that began before --from is shown from there on.
///
/// Examples:
///
///   flyball oncall show payments
///   flyball oncall show payments --zone Asia/Tokyo
///   flyball oncall show payments --from 2026-12-21T00:00:00Z --to 2027-01-04T00:00:00Z -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ShowArgs {
    #[command(flatten)]
    asked: OfRota,
    /// Whose clocks times are shown by; the rota's zone unless told
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    zone: Option<TimeZone>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10000))]
    limit: u16,
    /// How many to leave out: what the page before has said
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: usize,
}

/// Find hours in which nobody can be paged, people who are there twice or whom no page reaches, and calendars that end
///
/// Examples:
///
///   flyball oncall gaps payments
///   flyball oncall gaps payments --to 2027-03-31T00:00:00Z
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Exit codes: 0 it is covered, 1 it is not, 2 the question cannot be asked."
)]
struct GapsArgs {
    #[command(flatten)]
    asked: OfRota,
}

/// Write the shifts of a rota, or of a person, as iCalendar
///
/// Programs for calendars subscribe to it at the server itself: /api/v1/on-call/rotas/ROTA/calendar.ics, with a token
/// as the password.
///
/// Examples:
///
///   flyball oncall calendar payments
///   flyball oncall calendar --person ada
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, group(clap::ArgGroup::new("whose").required(true)))]
struct CalendarArgs {
    /// The rota
    #[arg(group = "whose")]
    rota: Option<String>,
    /// A member, in all rotas
    #[arg(long, value_name = "NAME", group = "whose")]
    person: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// A rota over a stretch of time.
#[derive(Debug, clap::Args)]
struct OfRota {
    /// The rota
    rota: String,
    /// From when on; now unless told
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Until when; 28 days later unless told, at most 400
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

impl OfRota {
    /// What the server says of it at `path`, asked with `more` too.
    fn ask(&self, path: &str, more: &[(&str, String)]) -> anyhow::Result<Value> {
        let times = [("from", self.from), ("to", self.to)];
        let times = times.iter().filter_map(|(name, at)| Some((*name, (*at)?.to_string())));
        let asked: Vec<(&str, String)> = times.chain(more.iter().cloned()).collect();
        let asked: Vec<(&str, &str)> =
            asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Remote::new(&self.server)?.get(&of_rota(&self.rota, path), &asked)
    }
}

/// Where something of a rota is.
fn of_rota<'a>(rota: &'a str, path: &'a str) -> Vec<&'a str> {
    vec!["api", "v1", "on-call", "rotas", rota, path]
}

#[derive(Debug, serde::Deserialize)]
struct Who {
    escalation: String,
    custody: Option<String>,
    misrouted: Option<String>,
    levels: Vec<LevelNow>,
}

#[derive(Debug, serde::Deserialize)]
struct LevelNow {
    level: String,
    rota: String,
    who: Vec<String>,
    wait: String,
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    rotas: Vec<RotaNow>,
}

#[derive(Debug, serde::Deserialize)]
struct RotaNow {
    rota: String,
    called: Vec<String>,
    members: Vec<String>,
    services: Vec<String>,
    time_zone: String,
}

#[derive(Debug, serde::Deserialize)]
struct Page {
    time_zone: String,
    shifts: Vec<Shift>,
    next: Option<usize>,
}

#[derive(Debug, serde::Deserialize)]
struct Shift {
    layer: Option<String>,
    carries: String,
    who: String,
    by: By,
    start: Timestamp,
    end: Timestamp,
    continues: bool,
}

#[derive(Debug, serde::Deserialize)]
struct By {
    kind: String,
    id: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Found {
    covered: bool,
    gaps: Vec<Gap>,
    doubled: Vec<Doubled>,
    unreachable: Vec<String>,
    silent: std::collections::BTreeMap<String, Vec<i16>>,
}

#[derive(Debug, serde::Deserialize)]
struct Gap {
    span: Span,
    why: std::collections::BTreeMap<String, By>,
}

#[derive(Debug, serde::Deserialize)]
struct Doubled {
    span: Span,
    who: String,
    layers: [String; 2],
}

#[derive(Debug, serde::Deserialize)]
struct Span {
    start: String,
    end: String,
}

pub(crate) fn run(args: OncallArgs) -> anyhow::Result<Exit> {
    match args.command {
        OncallCommand::Who(args) => who(&args),
        OncallCommand::Rotas(args) => rotas(&args),
        OncallCommand::Show(args) => show(&args),
        OncallCommand::Gaps(args) => gaps(&args),
        OncallCommand::Override(args) => change::override_rota(args),
        OncallCommand::Swap(args) => change::swap(args),
        OncallCommand::Settle(args) => change::settle(args),
        OncallCommand::Plan(args) => change::plan(&args),
        OncallCommand::Remove(args) => change::remove(args),
        OncallCommand::Exceptions(args) => change::list(&args),
        OncallCommand::Calendar(args) => calendar(&args),
        OncallCommand::Load(args) => reports::load(&args),
        OncallCommand::Pay(args) => reports::pay(&args),
        OncallCommand::Calls(args) => reports::calls(&args),
        OncallCommand::Holidays(args) => holidays::run(&args),
    }
}

fn nobody(people: &[String]) -> String {
    if people.is_empty() { "nobody".to_owned() } else { people.join(", ") }
}

fn who(args: &WhoArgs) -> anyhow::Result<Exit> {
    let at = args.at.map(|at| at.to_string());
    let severity = match args.severity {
        Severity::Page => "page",
        Severity::Ticket => "ticket",
    };
    let mut asked = vec![("service", args.service.as_str()), ("severity", severity)];
    asked.extend(at.as_deref().map(|at| ("at", at)));
    let said: Value = Remote::new(&args.server)?.get(&["api", "v1", "on-call"], &asked)?;
    let Who { escalation, custody, misrouted, levels } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table = Grid::new("nobody is called", &["level", "who", "rota", "answers within"]);
        for level in &levels {
            let LevelNow { level, who, rota, wait } = level;
            table.add_row([level.clone(), nobody(who), rota.clone(), wait.clone()]);
        }
        let holder =
            custody.map(|holder| format!(", while {} the pager", printable(&carries(&holder))));
        let wrong = misrouted.map(|said| printable(&format!("{said}\n")));
        let (holder, wrong) = (holder.unwrap_or_default(), wrong.unwrap_or_default());
        Ok(format!("{table}\nby {}{holder}\n{wrong}", printable(&escalation)))
    })?;
    let is_anybody = levels.iter().any(|level| !level.who.is_empty());
    Ok(if is_anybody { Exit::Met } else { Exit::Missed })
}

fn rotas(args: &RotasArgs) -> anyhow::Result<Exit> {
    let at = args.at.map(|at| at.to_string());
    let asked: Vec<(&str, &str)> = at.as_deref().map(|at| ("at", at)).into_iter().collect();
    let said: Value = Remote::new(&args.server)?.whole(
        &["api", "v1", "on-call", "rotas"],
        &asked,
        ("rotas", "after"),
    )?;
    let Listed { rotas } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table =
            Grid::new("no rotas", &["rota", "called now", "members", "services", "zone"]);
        for rota in &rotas {
            table.add_row([
                rota.rota.clone(),
                nobody(&rota.called),
                rota.members.join(", "),
                rota.services.join(", "),
                rota.time_zone.clone(),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    Ok(Exit::Met)
}

/// A time zone by its name.
fn zone(name: &str) -> anyhow::Result<TimeZone> {
    TimeZone::get(name).map_err(|_| {
        anyhow!("`{name}` is no time zone; hint: names are like Europe/Berlin, and UTC")
    })
}

fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let more = [("limit", args.limit.to_string()), ("after", args.after.to_string())];
    let said = args.asked.ask("shifts", &more)?;
    let Page { time_zone, shifts, next } = serde_json::from_value(said.clone())?;
    let zone = args.zone.clone().map_or_else(|| zone(&time_zone), Ok)?;
    answer(args.asked.output, &said, || {
        let named = zone.iana_name().unwrap_or("UTC");
        let columns = [&format!("from, {named}"), "to", "layer", "who", "for", "by"];
        let mut table = Grid::new("no shifts", &columns);
        let local = |at: Timestamp| {
            at.to_jiff().to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string()
        };
        for shift in shifts {
            let on = if shift.continues { " and on" } else { "" };
            table.add_row([
                local(shift.start),
                format!("{}{on}", local(shift.end)),
                shift.layer.unwrap_or_else(|| "(added)".to_owned()),
                shift.who,
                shift.carries,
                shift.by.words(),
            ]);
        }
        let more = next.map_or(String::new(), |next| format!("more: --after {next}\n"));
        Ok(format!("{table}\n{more}"))
    })?;
    Ok(Exit::Met)
}

impl By {
    /// What is the reason, in words.
    fn words(&self) -> String {
        let kind = self.kind.replace('_', " ");
        self.id.as_ref().map_or(kind.clone(), |id| format!("{kind} {id}"))
    }
}

fn gaps(args: &GapsArgs) -> anyhow::Result<Exit> {
    let said = args.asked.ask("gaps", &[])?;
    let Found { covered, gaps, doubled, unreachable, silent } =
        serde_json::from_value(said.clone())?;
    answer(args.asked.output, &said, || {
        let mut table = Grid::new("everybody is there", &["from", "to", "what", "why"]);
        for Gap { span, why } in &gaps {
            let why = why.iter().map(|(layer, why)| format!("{layer}: {}", why.words()));
            let why = why.collect::<Vec<_>>().join("; ");
            let (start, end) = (span.start.clone(), span.end.clone());
            table.add_row([start, end, "nobody can be paged".to_owned(), why]);
        }
        for Doubled { span, who, layers } in &doubled {
            let what = format!("{who} is there twice");
            let why = layers.join(" and ");
            table.add_row([span.start.clone(), span.end.clone(), what, why]);
        }
        let mut out = if covered { "covered\n".to_owned() } else { format!("{table}\n") };
        if !unreachable.is_empty() {
            let who = unreachable.join(", ");
            let said = format!(
                "no page reaches {who}, who have no target\nhint: name an alert target as their `target`\n"
            );
            out.push_str(&said.split('\n').map(printable).collect::<Vec<_>>().join("\n"));
        }
        for (calendar, years) in &silent {
            let years: Vec<String> = years.iter().map(ToString::to_string).collect();
            let said = format!("the calendar {calendar} says nothing of {}\n", years.join(", "));
            out.push_str(&printable(&said));
        }
        Ok(out)
    })?;
    Ok(if covered { Exit::Met } else { Exit::Missed })
}

fn calendar(args: &CalendarArgs) -> anyhow::Result<Exit> {
    let path = match (&args.rota, &args.person) {
        (Some(rota), _) => of_rota(rota, "calendar.ics"),
        (None, Some(person)) => vec!["api", "v1", "on-call", "people", person, "calendar.ics"],
        (None, None) => Vec::new(),
    };
    super::print(&Remote::new(&args.server)?.text(&path, &[])?)?;
    Ok(Exit::Met)
}
