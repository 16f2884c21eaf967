//! `flyball service`: whose services are, how they stand, whether their next change may ship.

mod care;
mod check;
mod contracts;
mod money;
mod outcome;
mod remark;
mod shipping;
mod troubles;

use std::collections::BTreeSet;

use flyball_budget::Status;
use flyball_model::{Change, Timestamp};
use serde_json::Value;

use super::delivery::view::Stretch;
use super::{Document, document};
use crate::Exit;
use crate::cli::EXIT_CODES;
use crate::output::attribution::Objective as SpentOn;
use crate::output::page::{Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};

pub(super) use contracts::{AgreementView, agreements};
pub(super) use remark::Mark;
pub(super) use troubles::spent;

/// List services, and show one on a page: whose it is, how it stands, whether it may ship
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ServiceCommand {
    List(ListArgs),
    Show(ShowArgs),
    Remark(remark::RemarkArgs),
    Outcome(outcome::OutcomeArgs),
    Target(money::TargetArgs),
    Support(money::SupportArgs),
    Choose(money::ChooseArgs),
    Returned(money::ReturnedArgs),
    Recognition(money::RecognitionArgs),
    Check(check::CheckArgs),
}

/// List the services of a server, with their teams and who answers for them
///
/// A service is there as soon as anything is known of it: an SLO, a probe, a change, or a document that
/// describes it (`kind: Service`).
///
/// Examples:
///
///   flyball service list
///   flyball service list -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show a service on one page that a product manager understands
///
/// Whose it is and who is accountable, whether a feature may ship now and why, what is left of its
/// budgets and where they went, its last changes and what became of them, what fires, who is called.
/// Nothing is decided or kept by looking.
///
/// Examples:
///
///   flyball service show checkout
///   flyball service show checkout -o markdown
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXIT_CODES)]
struct ShowArgs {
    /// The service
    name: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, serde::Deserialize)]
struct List {
    services: Vec<Line>,
}

#[derive(Debug, serde::Deserialize)]
struct Line {
    name: String,
    #[serde(flatten)]
    owner: Owner,
    slos: u64,
    status: Status,
    firing: u64,
    holder: Option<String>,
    #[serde(default)]
    faults: u64,
}

/// Whose a service is.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Owner {
    pub(super) display_name: Option<String>,
    description: Option<String>,
    team: Option<String>,
    product: Option<String>,
    accountable: Option<String>,
    delegate: Option<String>,
    tier: String,
    #[serde(default)]
    journeys: Vec<String>,
    revenue_per_hour: Option<Revenue>,
    support_model: Option<String>,
    #[serde(default)]
    lifecycle: Option<String>,
    funded_until: Option<String>,
}

/// What is not earned in an hour.
#[derive(Debug, serde::Deserialize)]
struct Revenue {
    amount: String,
    currency: String,
}

/// A level of those who are called.
#[derive(Debug, serde::Deserialize)]
struct Level {
    level: String,
    who: Vec<String>,
}

/// A stretch of time in which nobody can be paged.
#[derive(Debug, serde::Deserialize)]
struct Gap {
    start: Timestamp,
    end: Timestamp,
}

#[derive(Debug, serde::Deserialize)]
struct Card {
    name: String,
    at: Timestamp,
    #[serde(flatten)]
    owner: Owner,
    held_to: HeldTo,
    on_call: Option<String>,
    called: Option<Vec<Level>>,
    uncovered: Option<Gap>,
    paged: Vec<String>,
    runbook: Option<String>,
    links: Vec<Link>,
    dependencies: Vec<Dependency>,
    dependants: Vec<String>,
    ship: Option<Ship>,
    ship_problem: Option<String>,
    status: Status,
    budgets: Vec<BudgetView>,
    agreements: Vec<AgreementView>,
    #[serde(default)]
    drills: Vec<Broken>,
    alerts: Vec<Alert>,
    incidents: Vec<Incident>,
    post_mortems: Vec<Due>,
    spent_problem: Option<String>,
    changes: Vec<Changed>,
    custody: Option<care::Custody>,
    #[serde(default)]
    chosen: Option<care::Chosen>,
    #[serde(default)]
    drifted: Vec<String>,
    #[serde(default)]
    reviews: Vec<care::Review>,
    #[serde(default)]
    faults: Vec<care::Fault>,
    #[serde(default)]
    friction: Vec<care::Friction>,
}

#[derive(Debug, serde::Deserialize)]
struct Due {
    slo: String,
    incident: Option<String>,
    class: Option<String>,
    share: String,
    #[serde(default)]
    demanded: Option<Timestamp>,
    by: Option<Timestamp>,
    is_late: bool,
    is_published: bool,
    #[serde(default)]
    again: Option<Again>,
}

/// A further edition of a post-mortem that is demanded.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Again {
    edition: u64,
    published: Timestamp,
    came_back: Option<Timestamp>,
}

impl Again {
    /// Which edition, and why.
    pub(super) fn words(&self) -> String {
        let back = self.came_back.map(|at| format!(" at {}", words::moment(at)));
        format!(
            "edition {} of the post-mortem (it came back{} after edition {}, published at {})",
            self.edition,
            back.unwrap_or_default(),
            self.edition.saturating_sub(1),
            words::moment(self.published)
        )
    }
}

#[derive(Debug, serde::Deserialize)]
struct HeldTo {
    target: f64,
    window: String,
}

#[derive(Debug, serde::Deserialize)]
struct Link {
    name: String,
    url: String,
}

#[derive(Debug, serde::Deserialize)]
struct Dependency {
    service: String,
    kind: String,
}

#[derive(Debug, serde::Deserialize)]
struct Ship {
    outcome: String,
    in_force: bool,
    otherwise: Option<String>,
    level: Option<String>,
    policy: Policy,
    until: Option<Timestamp>,
    reach: Option<String>,
    reasons: Vec<Reason>,
}

#[derive(Debug, serde::Deserialize)]
struct Policy {
    name: String,
    version: u32,
    standing: String,
}

#[derive(Debug, serde::Deserialize)]
struct Reason {
    text: String,
}

/// What is left of a budget.
#[derive(Debug, serde::Deserialize)]
pub(super) struct BudgetView {
    pub(super) slo: String,
    pub(super) display_name: Option<String>,
    pub(super) target: f64,
    pub(super) status: Status,
    pub(super) window: Stretch,
    pub(super) sli: Option<f64>,
    pub(super) remaining_share: Option<f64>,
    exhausts_at: Option<Timestamp>,
    spent_by: Vec<SpentBy>,
    by_cause: Option<SpentOn>,
}

#[derive(Debug, serde::Deserialize)]
struct SpentBy {
    slice: String,
    bad: u64,
    of: u64,
}

#[derive(Debug, serde::Deserialize)]
struct Alert {
    id: u64,
    slo: String,
    slice: Option<String>,
    state: String,
    severity: String,
    opened: Timestamp,
    since: Option<Timestamp>,
    #[serde(default)]
    unanswered: bool,
    #[serde(default)]
    silences: Vec<Silenced>,
    acknowledged: Option<Acknowledged>,
}

/// A drill that goes on.
#[derive(Debug, serde::Deserialize)]
struct Broken {
    key: String,
    drill: String,
    service: String,
    slo: String,
    since: Option<Timestamp>,
    dose: u64,
}

#[derive(Debug, serde::Deserialize)]
struct Silenced {
    id: u64,
    until: Timestamp,
    why: String,
}

#[derive(Debug, serde::Deserialize)]
struct Acknowledged {
    who: String,
}

#[derive(Debug, serde::Deserialize)]
struct Incident {
    id: String,
    summary: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Changed {
    change: Change,
    life: Life,
    verdict: Option<Verdict>,
}

/// What it did to users.
#[derive(Debug, serde::Deserialize)]
struct Verdict {
    answer: String,
}

#[derive(Debug, serde::Deserialize)]
struct Life {
    phase: String,
    ending: Option<Ending>,
}

#[derive(Debug, serde::Deserialize)]
struct Ending {
    kind: String,
}

/// Where a server has them.
const PATH: [&str; 3] = ["api", "v1", "services"];

pub(crate) fn run(args: ServiceArgs) -> anyhow::Result<Exit> {
    match args.command {
        ServiceCommand::List(args) => list(&args),
        ServiceCommand::Show(args) => show(&args),
        ServiceCommand::Remark(args) => remark::run(&args),
        ServiceCommand::Outcome(args) => outcome::run(&args),
        ServiceCommand::Target(args) => money::target(&args),
        ServiceCommand::Support(args) => money::support(&args),
        ServiceCommand::Choose(args) => money::choose(&args),
        ServiceCommand::Returned(args) => money::returned(&args),
        ServiceCommand::Recognition(args) => money::recognition(&args),
        ServiceCommand::Check(args) => check::run(&args),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let said = remote.whole(&PATH, &[], ("services", "after"))?;
    let list: List = serde_json::from_value(said.clone())?;
    document(args.output, &said, || lines(&list))?;
    Ok(Exit::Met)
}

fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let said: Value = remote.get(&[&PATH[..], &[&args.name]].concat(), &[])?;
    let card: Card = serde_json::from_value(said.clone())?;
    document(args.output, &said, || page(&card))?;
    Ok(card.status.into())
}

/// What nobody has said.
const UNTOLD: &str = "not told";

fn told(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| UNTOLD.to_owned())
}

fn lines(list: &List) -> Page {
    let title = words::plural(list.services.len() as u64, "service", "services");
    let mut page = Page::new("Services", title);
    let rows = list.services.iter().map(|line| {
        let Line { name, owner, slos, status, firing, holder, faults } = line;
        [
            name.clone(),
            told(owner.team.as_ref()),
            told(owner.product.as_ref()),
            told(owner.accountable.as_ref()),
            owner.tier.clone(),
            words::count(*slos),
            words::status(*status).to_owned(),
            words::count(*firing),
            told(holder.as_ref()),
            words::count(*faults),
        ]
    });
    let columns = [
        text("Service"),
        text("Team"),
        text("Product"),
        text("Accountable"),
        text("Tier"),
        number("SLOs"),
        text("Status"),
        number("Firing"),
        text("Pager"),
        number("Faults"),
    ];
    page.table(columns, rows);
    page
}

fn page(card: &Card) -> Page {
    let Card { name, owner, .. } = card;
    let called = owner.display_name.as_deref().unwrap_or(name);
    let about = format!("Service {called} at {}", words::moment(card.at));
    let mut page = Page::new(about, sentence(card));
    if let Some(description) = &owner.description {
        page.say(description.clone());
    }
    let accountable = match (&owner.accountable, &owner.delegate) {
        (Some(who), Some(delegate)) => format!("{who}; {delegate} decides at the moment"),
        (who, _) => told(who.as_ref()),
    };
    let tier = format!(
        "{}: {} over {}",
        owner.tier,
        words::percent_exact(card.held_to.target),
        card.held_to.window
    );
    let paged = if card.paged.is_empty() { "nobody".to_owned() } else { card.paged.join(", ") };
    let called = card.called.as_ref().map(|levels| {
        let levels = levels.iter().map(|of| {
            let who = if of.who.is_empty() { "nobody".to_owned() } else { of.who.join(", ") };
            format!("{who} ({})", of.level)
        });
        levels.collect::<Vec<_>>().join(", then ")
    });
    // Where on-call is words, nobody knows whom they mean.
    let uncovered = called.is_some().then(|| match &card.uncovered {
        Some(gap) => format!(
            "{} – {}: nobody of the first rota can be paged",
            words::moment(gap.start),
            words::moment(gap.end)
        ),
        None => "none in the next 28 days".to_owned(),
    });
    let facts = [
        ("Team", Some(told(owner.team.as_ref()))),
        ("Product", Some(told(owner.product.as_ref()))),
        ("Accountable", Some(accountable)),
        ("Tier", Some(tier)),
        ("Lifecycle", owner.lifecycle.clone()),
        ("On call", Some(told(card.on_call.as_ref()))),
        ("A page calls", called),
        ("First gap", uncovered),
        ("Told of pages", Some(paged)),
        ("Pager", Some(care::pager(card.custody.as_ref()))),
        ("Run by", Some(care::run_by(card.chosen.as_ref(), owner.support_model.as_ref()))),
        ("Paid until", Some(told(owner.funded_until.as_ref()))),
    ];
    page.facts(facts.into_iter().filter_map(|(name, said)| Some((name, said?))));
    let runbook = format!("runbook: {}", told(card.runbook.as_ref()));
    let links = card.links.iter().map(|link| format!("{}: {}", link.name, link.url));
    let asked = card.dependencies.iter().map(|of| match of.kind.as_str() {
        "hard" => of.service.clone(),
        kind => format!("{} ({kind})", of.service),
    });
    let revenue = owner.revenue_per_hour.as_ref();
    let revenue = revenue.map(|of| {
        let amount = words::money(&format!("{} {}", of.amount, of.currency));
        format!("an hour that it is down costs {amount}")
    });
    let around = [
        ("journeys", owner.journeys.clone()),
        ("depends on", asked.collect::<Vec<_>>()),
        ("asked by", card.dependants.clone()),
    ];
    let around = around.into_iter().filter(|(_, names)| !names.is_empty());
    let around = around.map(|(what, names)| format!("{what}: {}", names.join(", ")));
    page.list(std::iter::once(runbook).chain(links).chain(around).chain(revenue));
    page.heading("May it ship?");
    shipping::shipping(&mut page, card);
    page.heading("Budgets");
    budgets(&mut page, &card.budgets.iter().collect::<Vec<_>>());
    agreements(&mut page, &card.agreements);
    page.heading("What is wrong now");
    troubles::troubles(&mut page, card);
    page.heading("Last changes");
    changes(&mut page, card);
    page.heading("Reviews");
    care::reviews(&mut page, &card.reviews);
    care::drifted(&mut page, &card.drifted);
    care::faults(&mut page, &card.faults);
    care::friction(&mut page, &card.friction);
    page
}

/// The whole in a sentence.
fn sentence(card: &Card) -> String {
    let budgets = card.budgets.iter().map(|of| {
        let name = of.display_name.as_ref().unwrap_or(&of.slo);
        (name.clone(), of.status)
    });
    let contracts = card.agreements.iter();
    let contracts = contracts.map(|of| (format!("the contract {}", of.called()), of.status()));
    let promises = promises(card.status, budgets.chain(contracts));
    let firing = card.alerts.iter().filter(|alert| alert.state == "firing").count() as u64;
    let firing = match firing {
        0 => String::new(),
        1 => "; an alert fires now".to_owned(),
        count => format!("; {} alerts fire now", words::count(count)),
    };
    let drill = if card.drills.is_empty() { "" } else { "; a drill goes on" };
    let ships = match &card.ship {
        Some(ship) => shipping::verdict(ship, shipping::overspent(card)),
        None => "whether it may ship cannot be told".to_owned(),
    };
    format!("{promises}{firing}{drill}; {ships}.")
}

/// Whether its promises are kept, with those that are not.
fn promises(status: Status, each: impl Iterator<Item = (String, Status)>) -> String {
    let said = match status {
        Status::Met => return "It keeps its promises".to_owned(),
        Status::Missed => "It breaks a promise",
        Status::NoData => "Whether it keeps its promises is not known",
    };
    let named: BTreeSet<String> =
        each.filter(|(_, of)| *of == status).map(|(name, _)| name).collect();
    if named.is_empty() {
        return said.to_owned();
    }
    format!("{said} ({})", named.into_iter().collect::<Vec<_>>().join(", "))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().to_string() + chars.as_str())
}

/// The budgets as a table, and where they went.
pub(super) fn budgets(page: &mut Page, budgets: &[&BudgetView]) {
    if budgets.is_empty() {
        page.say("Nothing is promised yet: no SLO is evaluated.");
        return;
    }
    let rows = budgets.iter().map(|budget| {
        let length = budget.window.end.since(budget.window.start);
        [
            budget.display_name.clone().unwrap_or_else(|| budget.slo.clone()),
            words::percent_exact(budget.target),
            budget.sli.map_or_else(|| "–".to_owned(), |sli| words::percent_down(sli, 4)),
            words::status(budget.status).to_owned(),
            words::duration(length),
            budget.remaining_share.map_or_else(|| "–".to_owned(), words::percent),
            budget.exhausts_at.map_or_else(|| "–".to_owned(), words::moment),
        ]
    });
    let columns = [
        text("Promise"),
        number("Target"),
        number("Kept"),
        text("Status"),
        text("Window"),
        number("Budget left"),
        text("Gone at"),
    ];
    page.table(columns, rows);
    let spent = budgets.iter().flat_map(|budget| {
        let name = budget.display_name.as_ref().unwrap_or(&budget.slo);
        budget.spent_by.iter().map(move |spent| {
            let SpentBy { slice, bad, of } = spent;
            format!("{name}: {slice} has {} of {} bad", words::count(*bad), words::count(*of))
        })
    });
    let causes = budgets.iter().filter_map(|budget| {
        let name = budget.display_name.as_ref().unwrap_or(&budget.slo);
        let found = budget.by_cause.as_ref().filter(|found| found.is_spent())?;
        Some(format!("{name}: {}", found.words()))
    });
    page.list(causes.chain(spent));
}

fn changes(page: &mut Page, card: &Card) {
    if card.changes.is_empty() {
        page.say("No change is known.");
        return;
    }
    let rows = card.changes.iter().map(|changed| {
        let change = &changed.change;
        let at = change.shipped().unwrap_or(change.recorded);
        let version = change.version.as_ref().or(change.revision.as_ref());
        let life = changed.life.ending.as_ref().map_or(&changed.life.phase, |ending| &ending.kind);
        [
            words::moment(at),
            change.kind.name().to_owned(),
            change.class.name().to_owned(),
            version.cloned().unwrap_or_else(|| "–".to_owned()),
            change.outcome.name().to_owned(),
            changed.verdict.as_ref().map_or_else(|| "–".to_owned(), |of| of.answer.clone()),
            life.replace('_', " "),
            change.id.clone(),
        ]
    });
    let columns = [
        text("At"),
        text("Kind"),
        text("Class"),
        text("Version"),
        text("Outcome"),
        text("Verdict"),
        text("Life"),
        text("Id"),
    ];
    page.table(columns, rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_names_what_is_broken_contracts_among_it() {
        let each = |contract: Status| {
            let promised = [("served", Status::Met), ("the contract gold with ACME", contract)];
            promised.map(|(name, status)| (name.to_owned(), status)).into_iter()
        };
        let said = |status: Status| promises(status, each(status));
        assert_eq!(said(Status::Met), "It keeps its promises");
        assert_eq!(said(Status::Missed), "It breaks a promise (the contract gold with ACME)");
        assert_eq!(
            said(Status::NoData),
            "Whether it keeps its promises is not known (the contract gold with ACME)"
        );
        let nothing = "Whether it keeps its promises is not known";
        assert_eq!(promises(Status::NoData, std::iter::empty()), nothing);
    }
}
