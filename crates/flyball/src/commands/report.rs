//! `flyball report`: a team's week or quarter on one page.

use flyball_budget::Status;
use flyball_model::Timestamp;
use serde_json::Value;

use super::delivery::view::{Delivery, Share, Stretch};
use super::delivery::{OfArgs, accountable, over_time, sentence, write};
use super::service::{AgreementView, BudgetView, Mark, Owner, agreements, budgets};
use super::{Document, document};
use crate::Exit;
use crate::cli::EXIT_CODES;
use crate::output::page::{Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};

/// Report the week or the quarter of a service, a team or a product, for those who make it and those who pay
///
/// Plain words come first: whether promises are kept, what was shipped, what broke, what to decide. Then the
/// measures. An SLO review asks how much toil the SLOs took and whether users are satisfied: say so, here or by
/// `flyball service remark`, and one line of the decision table is left. Signs of gaming are reasons to ask,
/// and no proof.
///
/// Examples:
///
///   flyball report --team payments
///   flyball report quarterly --team payments --toil low --satisfaction high
///   flyball report weekly checkout -o markdown
///   flyball report quarterly --product shop -o html > /tmp/quarter.html
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXIT_CODES)]
pub(crate) struct ReportArgs {
    /// How long it is about: seven days, or thirteen weeks
    #[arg(value_enum, default_value_t, value_name = "PERIOD")]
    period: Period,
    #[command(flatten)]
    of: OfArgs,
    /// Until when; now unless told
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How much toil the SLOs took; what was last remarked unless told
    #[arg(long, value_enum)]
    toil: Option<Mark>,
    /// How satisfied users are; what was last remarked unless told
    #[arg(long, value_enum)]
    satisfaction: Option<Mark>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Period {
    #[default]
    Weekly,
    Quarterly,
}

/// What is read of the answer.
#[derive(Debug, serde::Deserialize)]
struct Report {
    period: String,
    during: Stretch,
    services: Vec<Service>,
    agreements: Vec<AgreementView>,
    delivery: Delivery,
    classes: Vec<Class>,
    failed: Vec<Failed>,
    #[serde(default)]
    drills: Vec<Drill>,
    incidents: Vec<Incident>,
    reviews: Vec<Review>,
    signs: Vec<Sign>,
    reminders: Vec<Reminder>,
}

#[derive(Debug, serde::Deserialize)]
struct Service {
    name: String,
    #[serde(flatten)]
    owner: Owner,
    status: Status,
    budgets: Vec<BudgetView>,
    remarks: Vec<Remark>,
    toil_hours: Option<u64>,
}

/// What somebody said.
#[derive(Debug, serde::Deserialize)]
struct Remark {
    note: Option<String>,
    who: String,
    at: Timestamp,
}

#[derive(Debug, serde::Deserialize)]
struct Class {
    class: String,
    deployments: Share,
}

#[derive(Debug, serde::Deserialize)]
struct Failed {
    id: String,
    service: String,
    version: Option<String>,
    at: Timestamp,
    cause: Option<Cause>,
}

/// A fault on purpose.
#[derive(Debug, serde::Deserialize)]
struct Drill {
    id: String,
    service: String,
    at: Timestamp,
    summary: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Cause {
    kind: String,
    by: String,
}

#[derive(Debug, serde::Deserialize)]
struct Incident {
    id: String,
    service: Option<String>,
    summary: Option<String>,
    started: Option<Timestamp>,
    detected: Option<Timestamp>,
    #[serde(default)]
    mitigated: Option<Timestamp>,
    resolved: Option<Timestamp>,
}

#[derive(Debug, serde::Deserialize)]
struct Review {
    slo: String,
    status: Status,
    lines: Vec<Line>,
}

/// A line of the decision table.
#[derive(Debug, serde::Deserialize)]
struct Line {
    toil: String,
    satisfaction: String,
    advice: flyball_govern::review::Advice,
}

#[derive(Debug, serde::Deserialize)]
#[serde(tag = "sign", rename_all = "snake_case")]
enum Sign {
    LoosenedWhileOverspent { retarget: Retarget },
    GrowingCorrections { slo: String, before: String, after: String },
    FiledAsFix { change: String, service: String, summary: Option<String> },
}

#[derive(Debug, serde::Deserialize)]
struct Retarget {
    slo: String,
    from: String,
    to: String,
    who: String,
    at: Timestamp,
}

#[derive(Debug, serde::Deserialize)]
struct Reminder {
    policy: String,
    revisit: String,
}

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let period = if args.period == Period::Weekly { "weekly" } else { "quarterly" };
    let mut query: Vec<(&str, &str)> = args.of.query().collect();
    query.push(("period", period));
    query.extend(args.until.as_deref().map(|to| ("to", to)));
    query.extend(args.toil.map(|toil| ("toil", toil.name())));
    query.extend(args.satisfaction.map(|of| ("satisfaction", of.name())));
    let said: Value = remote.get(&["api", "v1", "report"], &query)?;
    let report: Report = serde_json::from_value(said.clone())?;
    document(args.output, &said, || page(&report))?;
    let statuses: Vec<Status> = report.services.iter().map(|service| service.status).collect();
    Ok(Status::worst(&statuses).into())
}

fn page(report: &Report) -> Page {
    let Report { during, delivery, .. } = report;
    let of = &delivery.of;
    let period = if report.period == "weekly" { "Week" } else { "Quarter" };
    let about = format!(
        "{period} of the {} {}, {} – {}",
        of.kind,
        of.name,
        words::moment(during.start),
        words::moment(during.end)
    );
    let mut page = Page::new(about, kept(report));
    page.facts([("Accountable", accountable(delivery))]);
    page.heading("In plain words");
    page.list(promises(report));
    page.say(sentence(&delivery.measures));
    page.say(broke(report));
    page.heading("What to decide");
    decide(&mut page, report);
    said(&mut page, report);
    page.heading("Promises");
    let lines: Vec<&BudgetView> = report.services.iter().flat_map(|of| &of.budgets).collect();
    budgets(&mut page, &lines);
    agreements(&mut page, &report.agreements);
    page.heading("What was shipped");
    shipped(&mut page, report);
    page.heading("What broke");
    failures(&mut page, report);
    write(&mut page, delivery);
    over_time(&mut page, delivery);
    page.heading("To look at twice");
    signs(&mut page, report);
    page
}

/// How many promises were kept, in a sentence.
fn kept(report: &Report) -> String {
    let budgets: Vec<&BudgetView> = report.services.iter().flat_map(|of| &of.budgets).collect();
    if budgets.is_empty() {
        return "Nothing is promised yet: no SLO is evaluated.".to_owned();
    }
    let promised = report.agreements.iter().map(AgreementView::status);
    let statuses: Vec<Status> = budgets.iter().map(|of| of.status).chain(promised).collect();
    let count = |status| statuses.iter().filter(|of| **of == status).count() as u64;
    let all = words::plural(statuses.len() as u64, "promise", "promises");
    let kept = format!("{} of {all} kept", words::count(count(Status::Met)));
    let others = [(Status::Missed, "broken"), (Status::NoData, "not known")];
    let others = others.into_iter().filter(|(status, _)| count(*status) > 0);
    let others = others.map(|(status, what)| format!("{} {what}", words::count(count(status))));
    let parts: Vec<String> = std::iter::once(kept).chain(others).collect();
    format!("{}.", parts.join(", "))
}

/// Each promise in a sentence that needs no engineer.
fn promises(report: &Report) -> Vec<String> {
    let mut said = Vec::new();
    for service in &report.services {
        let name = service.owner.display_name.as_ref().unwrap_or(&service.name);
        for budget in &service.budgets {
            said.push(promise(name, budget));
        }
        if service.budgets.is_empty() {
            said.push(format!("{name} promises nothing yet."));
        }
    }
    said
}

fn promise(service: &str, budget: &BudgetView) -> String {
    let called = budget.display_name.as_ref().unwrap_or(&budget.slo);
    let target = words::percent_exact(budget.target);
    let window = words::duration(budget.window.end.since(budget.window.start));
    let Some(sli) = budget.sli else {
        return format!(
            "{service}, {called}: {target} over {window} is promised; nothing was counted."
        );
    };
    let sli = words::percent_down(sli, 4);
    let left = match budget.remaining_share {
        Some(left) if left < 0.0 => {
            format!("{} more went wrong than is allowed", words::percent(-left))
        }
        Some(left) => format!("{} of what may go wrong is left", words::percent(left)),
        None => "what is left is not known".to_owned(),
    };
    let kept = match budget.status {
        Status::Met => "kept",
        Status::Missed => "broken",
        Status::NoData => "not known, for too little was seen",
    };
    format!(
        "{service}, {called}: {target} over {window} is promised, {sli} was good; {kept}, {left}."
    )
}

/// What went wrong, in a sentence.
fn broke(report: &Report) -> String {
    let drills = match report.drills.len() as u64 {
        0 => String::new(),
        count => {
            let drills = words::plural(count, "drill", "drills");
            format!(" {drills} broke something on purpose, as planned.")
        }
    };
    unplanned(report) + &drills
}

fn unplanned(report: &Report) -> String {
    let failed = words::plural(report.failed.len() as u64, "change", "changes");
    let incidents = words::plural(report.incidents.len() as u64, "incident", "incidents");
    if report.failed.is_empty() && report.incidents.is_empty() {
        return "No change is known to have made things worse, and no incident is known."
            .to_owned();
    }
    let began = match report.incidents.len() {
        0 => "no incident is known".to_owned(),
        _ => format!("{incidents} began"),
    };
    format!("{failed} made things worse; {began}.")
}

/// What people said, which no telemetry knows.
fn said(page: &mut Page, report: &Report) {
    let hours = report.services.iter().filter_map(|service| {
        let hours = words::plural(service.toil_hours?, "hour", "hours");
        Some(format!("{}: {hours} of toil", service.name))
    });
    let notes = report.services.iter().flat_map(|service| {
        service.remarks.iter().filter_map(move |remark| {
            let Remark { note, who, at } = remark;
            let note = note.as_ref()?;
            Some(format!("{}: {note} ({who}, {})", service.name, words::moment(*at)))
        })
    });
    page.list(hours.chain(notes));
}

fn decide(page: &mut Page, report: &Report) {
    if report.reviews.is_empty() && report.reminders.is_empty() {
        page.say("Nothing: no SLO is evaluated, and no policy is due.");
    }
    let rows = report.reviews.iter().flat_map(|review| {
        review.lines.iter().map(|line| {
            let Line { toil, satisfaction, advice } = line;
            [
                review.slo.clone(),
                words::status(review.status).to_owned(),
                toil.clone(),
                satisfaction.clone(),
                advice.sentence().to_owned(),
            ]
        })
    });
    let columns =
        [text("SLO"), text("Status"), text("Toil"), text("Satisfaction"), text("What to change")];
    page.table(columns, rows);
    page.list(report.reminders.iter().map(|reminder| {
        let Reminder { policy, revisit } = reminder;
        format!("The policy {policy} was to be looked at again by {revisit}.")
    }));
}

fn shipped(page: &mut Page, report: &Report) {
    if report.classes.is_empty() {
        page.say("No deployment is known.");
    }
    let rows = report.classes.iter().filter(|of| of.deployments.of > 0).map(|of| {
        let Share { of: count, part, .. } = &of.deployments;
        [of.class.clone(), words::count(*count), words::percent(*part)]
    });
    page.table([text("Class"), number("Deployments"), number("Share")], rows);
}

fn failures(page: &mut Page, report: &Report) {
    if report.failed.is_empty() && report.incidents.is_empty() {
        page.say("Nothing is known to have broken.");
    }
    let rows = report.failed.iter().map(|failed| {
        let Failed { id, service, version, at, cause } = failed;
        let cause = cause.as_ref().map(|cause| format!("{} {}", cause.kind, cause.by));
        [
            words::moment(*at),
            service.clone(),
            version.clone().unwrap_or_else(|| "–".to_owned()),
            id.clone(),
            cause.unwrap_or_else(|| "verdict".to_owned()),
        ]
    });
    let columns =
        [text("Shipped"), text("Service"), text("Version"), text("Change"), text("Broken by")];
    page.table(columns, rows);
    let rows = report.incidents.iter().map(|incident| {
        let Incident { id, service, summary, started, detected, mitigated, resolved } = incident;
        let dash = || "–".to_owned();
        let began = started.or(*detected);
        let lasted = match (began, mitigated.or(*resolved).as_ref()) {
            (Some(began), Some(end)) if *end >= began => words::duration(end.since(began)),
            (_, Some(_)) => dash(),
            (_, None) => "lasts".to_owned(),
        };
        [
            began.map_or_else(dash, words::moment),
            service.clone().unwrap_or_else(dash),
            lasted,
            id.clone(),
            summary.clone().unwrap_or_else(dash),
        ]
    });
    let columns =
        [text("Began"), text("Service"), text("Lasted"), text("Incident"), text("Summary")];
    page.table(columns, rows);
    let rows = report.drills.iter().map(|drill| {
        let Drill { id, service, at, summary } = drill;
        let said = summary.clone().unwrap_or_else(|| "–".to_owned());
        [words::moment(*at), service.clone(), id.clone(), said]
    });
    let columns = [text("Planned, begun"), text("Service"), text("Drill"), text("What was done")];
    page.table(columns, rows);
}

fn signs(page: &mut Page, report: &Report) {
    if report.signs.is_empty() {
        page.say("Nothing that makes numbers look better than what users met was found.");
        return;
    }
    page.say("Reasons to ask, and no proof of anything.");
    page.list(report.signs.iter().map(|sign| match sign {
        Sign::LoosenedWhileOverspent { retarget } => {
            let Retarget { slo, from, to, who, at } = retarget;
            let at = words::moment(*at);
            format!("{slo} was loosened from {from} to {to} while its budget was overspent, by {who} at {at}.")
        }
        Sign::GrowingCorrections { slo, before, after } => {
            format!("{slo} has {after} corrected away, after {before} in the time before.")
        }
        Sign::FiledAsFix { change, service, summary } => {
            let summary = summary.as_ref().map_or_else(String::new, |said| format!(" ({said})"));
            format!("{change} of {service}{summary} was planned, filed as a fix, and names nothing that it repairs.")
        }
    }));
}
