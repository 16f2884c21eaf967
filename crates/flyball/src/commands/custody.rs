//! `flyball custody`: who carries the pager of a service, and how it changes hands.

mod acts;

use flyball_model::Timestamp;
use serde_json::Value;

use super::review::{People, called};
use super::{Document, Form, answer, document};
use crate::Exit;
use crate::output::grid::Grid;
use crate::output::page::{Page, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};

/// Show who carries the pager of a service, and have it change hands
///
/// Developers carry it first, then a rota that they share with operations, then SRE, each step signed over evidence; and
/// back, with notice and a deadline, when the budget is missed too often or it pages too much.
#[derive(Debug, clap::Args)]
pub(crate) struct CustodyArgs {
    #[command(subcommand)]
    command: CustodyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum CustodyCommand {
    List(ListArgs),
    Show(ShowArgs),
    #[command(flatten)]
    Act(acts::Act),
}

/// List who carries the pager of which service
///
/// Examples:
///
///   flyball custody list
///   flyball custody list -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// Services as a server lists them.
#[derive(Debug, serde::Deserialize)]
struct Services {
    services: Vec<Service>,
}

/// A service and who carries its pager.
#[derive(Debug, serde::Deserialize)]
struct Service {
    name: String,
    team: Option<String>,
    holder: Option<String>,
}

/// Show who carries the pager, what stands in the way of the next step, and what is reason to hand it back
///
/// Examples:
///
///   flyball custody show checkout
///   flyball custody show checkout -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ShowArgs {
    /// The service
    service: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Who carries a pager.
#[derive(Debug, serde::Deserialize)]
struct Custody {
    service: String,
    at: Timestamp,
    holder: Option<String>,
    since: Option<Timestamp>,
    is_kept: bool,
    is_since_known: bool,
    called: Vec<String>,
    misrouted: Option<String>,
    advice: Option<Advice>,
    transfer: Option<Transfer>,
    notice: Option<Notice>,
    returns: Option<Timestamp>,
    moves: Vec<Move>,
    rules: Option<Rules>,
    next: Option<Next>,
    grounds: Vec<Ground>,
    funding_alarm: Option<String>,
    people: People,
}

#[derive(Debug, serde::Deserialize)]
struct Advice {
    from: String,
}

#[derive(Debug, serde::Deserialize)]
struct Transfer {
    to: String,
    by: String,
    why: String,
    signed: Vec<Signed>,
}

#[derive(Debug, serde::Deserialize)]
struct Signed {
    role: String,
    who: String,
}

#[derive(Debug, serde::Deserialize)]
struct Notice {
    who: String,
    role: String,
    deadline: Timestamp,
    grounds: Vec<Ground>,
    decided: Option<Decided>,
}

#[derive(Debug, serde::Deserialize)]
struct Decided {
    outcome: String,
    who: String,
    why: String,
}

#[derive(Debug, serde::Deserialize)]
struct Move {
    from: String,
    to: String,
    at: Timestamp,
    reason: String,
    transfer: Option<Transfer>,
    notice: Option<Notice>,
}

impl Move {
    /// Who signed it, or gave notice and decided.
    fn people(&self) -> Vec<&str> {
        let signed = self.transfer.iter().flat_map(|of| &of.signed).map(|of| of.who.as_str());
        let noticed = self.notice.iter().map(|of| of.who.as_str());
        let decided = self.notice.iter().filter_map(|of| of.decided.as_ref());
        signed.chain(noticed).chain(decided.map(|of| of.who.as_str())).collect()
    }
}

#[derive(Debug, serde::Deserialize)]
struct Rules {
    name: String,
    version: u32,
}

#[derive(Debug, serde::Deserialize)]
struct Next {
    to: String,
    unmet: Vec<String>,
    signers: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Ground {
    say: String,
}

/// Where a server has it.
const PATH: [&str; 3] = ["api", "v1", "custody"];

pub(crate) fn run(args: CustodyArgs) -> anyhow::Result<Exit> {
    match args.command {
        CustodyCommand::List(args) => list(&args),
        CustodyCommand::Show(args) => show(&args),
        CustodyCommand::Act(act) => acts::run(act),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let said: Value = Remote::new(&args.server)?.get(&["api", "v1", "services"], &[])?;
    let Services { services } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table = Grid::new("no services", &["service", "team", "pager"]);
        for Service { name, team, holder } in &services {
            table.add_row([
                words::printable(name),
                words::printable(team.as_deref().unwrap_or("–")),
                holder.clone().unwrap_or_else(|| "–".to_owned()),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    Ok(Exit::Met)
}

fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let said: Value = remote.get(&[&PATH[..], &[&args.service]].concat(), &[])?;
    let custody: Custody = serde_json::from_value(said.clone())?;
    document(args.output, &said, || page(&custody))?;
    Ok(Exit::Met)
}

/// Those who carry it, with what they do.
pub(super) fn carries(holder: &str) -> String {
    match holder {
        "shared" => "developers and operations share".to_owned(),
        "sre" => "SRE carries".to_owned(),
        holder => format!("{holder} carry"),
    }
}

/// The roles whose signatures a proposed step waits for.
fn missing(custody: &Custody) -> Vec<&str> {
    let signed = custody.transfer.iter().flat_map(|step| &step.signed);
    let signed: Vec<&str> = signed.map(|of| of.role.as_str()).collect();
    let asked = custody.next.iter().flat_map(|next| &next.signers).map(String::as_str);
    asked.filter(|role| !signed.contains(role)).collect()
}

/// Who is to be called, in words.
fn to_be_called(sides: &[String]) -> String {
    let words = sides.iter().map(|side| match side.as_str() {
        "rota" => "whoever's turn it is in the rota of both",
        side => side,
    });
    words.collect::<Vec<_>>().join(", then ")
}

/// Who carries it, in a sentence.
fn sentence(custody: &Custody) -> String {
    let since = custody.since.map(words::moment).unwrap_or_default();
    match &custody.holder {
        Some(holder) => {
            let known = if custody.is_since_known { "" } else { ", as far as is known" };
            format!("{} the pager{known} since {since}.", carries(holder))
        }
        None if custody.is_kept => "Nobody carries the pager: the service is retired.".to_owned(),
        None => "Nothing is known of who carries the pager.".to_owned(),
    }
}

fn page(custody: &Custody) -> Page {
    let about = format!("Custody of {} at {}", custody.service, words::moment(custody.at));
    let mut page = Page::new(about, sentence(custody));
    let (rules, people) = (custody.rules.as_ref(), &custody.people);
    page.facts([
        ("To be called", to_be_called(&custody.called)),
        ("Advised by", custody.advice.as_ref().map_or("nobody", |of| &of.from).to_owned()),
        ("Rules", rules.map_or_else(String::new, |of| format!("{} {}", of.name, of.version))),
    ]);
    page.list(custody.misrouted.clone());
    page.list(custody.funding_alarm.clone());
    if let Some(Transfer { to, by, why, signed }) = &custody.transfer {
        page.heading(format!("A step to {to} is proposed"));
        page.say(format!("By {}: {why}", called(people, by)));
        page.list(
            signed
                .iter()
                .map(|of| format!("{} has signed as {}", called(people, &of.who), of.role)),
        );
    }
    if let Some(Next { to, unmet, .. }) = &custody.next {
        if custody.transfer.is_none() {
            page.heading(format!("The next step, to {to}"));
        }
        if unmet.is_empty() {
            let missing = missing(custody).join(", ");
            page.say(format!("Nothing stands in the way; it is to be signed by {missing}."));
        } else {
            page.say("This does not hold, or is not known to:");
            page.list(unmet.iter().cloned());
        }
    }
    if let Some(Notice { who, role, deadline, grounds, decided }) = &custody.notice {
        page.heading("Notice that it goes back");
        page.say(format!(
            "Given by {} ({role}); decided by {} or it goes back.",
            called(people, who),
            words::moment(*deadline)
        ));
        page.list(grounds.iter().map(|ground| ground.say.clone()));
        page.list(
            decided
                .iter()
                .map(|of| format!("{} by {}: {}", of.outcome, called(people, &of.who), of.why)),
        );
        page.list(custody.returns.map(|at| format!("It goes back at {}", words::moment(at))));
    } else if !custody.grounds.is_empty() {
        page.heading("Reasons to hand it back");
        page.list(custody.grounds.iter().map(|ground| ground.say.clone()));
    }
    if !custody.moves.is_empty() {
        page.heading("How it changed hands");
        let rows = custody.moves.iter().map(|of| {
            let by: Vec<&str> = of.people().into_iter().map(|who| called(people, who)).collect();
            [
                words::moment(of.at),
                of.from.clone(),
                of.to.clone(),
                of.reason.replace('_', " "),
                by.join(", "),
            ]
        });
        page.table([text("At"), text("From"), text("To"), text("Why"), text("By")], rows);
    }
    page
}
