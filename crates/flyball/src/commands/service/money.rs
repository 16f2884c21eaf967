//! What a target of a service is worth, who should run it, what work on it returned.

mod support;
mod view;

use flyball_model::Timestamp;
use serde_json::Value;

use super::PATH;
use crate::Exit;
use crate::commands::delivery::moment;
use crate::commands::delivery::view::{Length, plain};
use crate::commands::{Document, document};
use crate::output::page::{Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};
use view::{Estimate, Recognition, Return, TargetSheet, TeamLine, Weeks, because, out_of_hours};

pub(super) use support::{ChooseArgs, SupportArgs, choose, support};

/// Show what targets of a service are worth: what each allows an outage to cost, what each step buys
///
/// Lost is time in which nobody would have been served: the sum over five minutes each of 5 min x bad / valid, of those in
/// which more was bad than is promised, and more than chance explains. Busy minutes weigh no more than quiet ones, so it is
/// not the share of bad events of the whole window.
///
/// Beside it, what its own objectives protected in their windows, against what support of it costs. Costs come from
/// `kind: SupportCosts`; as long as nobody has written any, assumed ones are gone by, and that is said.
///
/// Examples:
///
///   flyball service target checkout
///   flyball service target checkout --an-hour '25000 EUR' --costs ours --targets 99%,99.9%
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct TargetArgs {
    /// The service
    name: String,
    /// What an hour of outage costs; what the service's document says unless told
    #[arg(long, value_name = "AMOUNT")]
    an_hour: Option<String>,
    /// The targets beside each other, with commas between them
    #[arg(long, value_name = "TARGETS")]
    targets: Option<String>,
    /// The costs, by name
    #[arg(long, value_name = "NAME")]
    costs: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show what reliability work on a service returned: bad minutes avoided, with an interval, beside its cost
///
/// Weeks before are held against weeks after, eight at least on each side. What else changed in these weeks changed them
/// too.
///
/// Examples:
///
///   flyball service returned checkout --at 2026-06-01T00:00:00Z --cost '40000 EUR'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ReturnedArgs {
    /// The service
    name: String,
    /// When the work began to be felt
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Timestamp,
    /// What it cost
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    cost: String,
    /// What an hour of outage costs; what the service's document says unless told
    #[arg(long, value_name = "AMOUNT")]
    an_hour: Option<String>,
    /// Weeks on each side, at most 26
    #[arg(long, value_name = "N", default_value_t = 13)]
    weeks: u32,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show which teams cut their burn without slowing their delivery: teams, never persons, and no ranking
///
/// Examples:
///
///   flyball service recognition
///   flyball service recognition --team payments --weeks 8 -o markdown
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct RecognitionArgs {
    /// Only this team
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Until when; now unless told
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Weeks on each side, at most 26
    #[arg(long, value_name = "N", default_value_t = 13)]
    weeks: u32,
    /// Only teams whose names come after this one, as a page before has said
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Where a server has `rest` of the service `name`.
fn of_service<'a>(name: &'a str, rest: &'a str) -> Vec<&'a str> {
    [&PATH[..], &[name, rest]].concat()
}

/// What is said where amounts are assumed.
fn warn(page: &mut Page, assumed: bool, costs: &str) {
    if assumed {
        page.say(format!(
            "The amounts of the costs `{costs}` are ASSUMED: nobody has said that they are right. Write your own \
             (kind: SupportCosts)."
        ));
    }
}

pub(super) fn target(args: &TargetArgs) -> anyhow::Result<Exit> {
    let all = [("an_hour", &args.an_hour), ("targets", &args.targets), ("costs", &args.costs)];
    let query: Vec<(&str, &str)> =
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
    let said: Value = Remote::new(&args.server)?.get(&of_service(&args.name, "target"), &query)?;
    let sheet: TargetSheet = serde_json::from_value(said.clone())?;
    document(args.output, &said, || target_page(&sheet))?;
    Ok(Exit::Met)
}

fn target_page(of: &TargetSheet) -> Page {
    let sheet = &of.worksheet;
    let first = sheet.banded.first();
    let title = first.map_or_else(String::new, |first| {
        format!(
            "An hour of outage costs {}, which asks for {} and {} out of hours.",
            words::money(&sheet.an_hour),
            words::percent_exact(first.target),
            out_of_hours(&first.out_of_hours)
        )
    });
    let mut page =
        Page::new(format!("Targets of {} at {}", of.service, words::moment(of.at)), title);
    warn(&mut page, of.assumed, &of.costs);
    if sheet.bandings_differ {
        page.say("The published bands differ; the first decides:");
        page.list(sheet.banded.iter().map(|of| {
            let target = words::percent_exact(of.target);
            format!("{}: {target}, {} out of hours", of.banding, out_of_hours(&of.out_of_hours))
        }));
    }
    page.heading("Targets");
    let dash = || "–".to_owned();
    let rows = sheet.rows.iter().map(|row| {
        let pays = match row.pays {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        let mark = if row.recommended { " *" } else { "" };
        [
            words::percent_exact(row.target) + mark,
            words::minutes_exact(row.minutes_a_week),
            words::money(&row.exposure_a_week),
            words::money(&row.exposure_a_year),
            row.buys_a_year.as_deref().map_or_else(dash, words::money),
            row.step_costs_a_year.map_or_else(dash, |amount| in_currency(amount, &sheet.an_hour)),
            pays.to_owned(),
        ]
    });
    let columns = [
        text("Target"),
        number("Bad a week"),
        number("At risk a week"),
        number("A year"),
        number("The step buys"),
        number("And costs"),
        text("It pays"),
    ];
    page.table(columns, rows);
    page.say("* What the band asks for. What a step costs is a rule of thumb: so many times the one before.");
    page.heading("What was protected");
    let rows = of.protection.iter().map(|own| {
        let money = |get: fn(&view::Protection) -> &String| {
            own.protection.as_ref().map_or_else(dash, |of| words::money(get(of)))
        };
        [
            own.slo.clone(),
            words::percent_exact(own.target),
            words::percent(own.coverage),
            own.lost.as_ref().map_or_else(|| "not known".to_owned(), Length::words),
            money(|of| &of.tolerated),
            money(|of| &of.lost),
            money(|of| &of.saved),
        ]
    });
    let columns = [
        text("SLO"),
        number("Target"),
        number("Observed"),
        number("Lost"),
        number("Tolerated"),
        number("Lost, in money"),
        number("Saved"),
    ];
    page.table(columns, rows);
    if of.protection.iter().any(|own| own.protection.is_none()) {
        page.say("Nothing is said of money where less than half of the window was observed.");
    }
    match (&of.support, &of.support_unknown) {
        (Some(of), _) => page.say(format!(
            "Support by {} cost {} in the {} that were observed, once for all of these; {} a year.",
            of.yearly.model,
            words::money(&of.cost),
            of.observed.words(),
            words::money(&of.yearly.total)
        )),
        (None, Some(why)) => page.say(format!("What support cost is not known: {why}.")),
        (None, None) => {}
    }
    page
}

/// So much in the currency of another amount, to the unit.
fn in_currency(amount: f64, of: &str) -> String {
    let currency = of.split_once(' ').map_or("", |(_, currency)| currency);
    format!("{} {currency}", words::amount(amount.round()))
}

pub(super) fn returned(args: &ReturnedArgs) -> anyhow::Result<Exit> {
    let (at, weeks) = (args.at.to_string(), args.weeks.to_string());
    let mut query = vec![("at", at.as_str()), ("cost", &args.cost), ("weeks", &weeks)];
    query.extend(args.an_hour.as_deref().map(|amount| ("an_hour", amount)));
    let said: Value = Remote::new(&args.server)?.get(&of_service(&args.name, "return"), &query)?;
    let found: Return = serde_json::from_value(said.clone())?;
    document(args.output, &said, || return_page(&found))?;
    Ok(Exit::Met)
}

/// A number that is known up to an interval.
fn between(of: Option<&Estimate>, write: impl Fn(f64) -> String) -> String {
    of.map_or_else(
        || "too little is known".to_owned(),
        |of| {
            let [low, high] = of.between_90.map(&write);
            format!("{} ({low} – {high} with 90 %)", write(of.mean))
        },
    )
}

/// Weeks on both sides, in words.
fn weeks(of: &Weeks) -> String {
    let weeks = words::plural(of.count_before, "week", "weeks");
    let unknown = match of.unknown {
        0 => String::new(),
        unknown => format!("; nothing is known of {}", words::count(unknown)),
    };
    format!("{weeks} before, {} after{unknown}", words::count(of.count_after))
}

fn return_page(found: &Return) -> Page {
    let of = &found.of;
    let title = match of.pays_within_a_year.as_str() {
        "yes" => "It pays within a year, whatever chance had to do with it.",
        "no" => "It does not pay within a year, whatever chance had to do with it.",
        _ => "Whether it pays within a year is not known.",
    };
    let about = format!(
        "Return of work on {}: {} – {}",
        found.service,
        words::moment(found.before.start),
        words::moment(found.after.end)
    );
    let mut page = Page::new(about, title);
    let minutes = |minutes: f64| words::minutes(minutes);
    let mean = |of: Option<f64>| of.map_or_else(|| "not known".to_owned(), minutes);
    page.facts([
        ("Weeks", weeks(&of.minutes)),
        ("Bad a week before", mean(of.minutes.before)),
        ("Bad a week after", mean(of.minutes.after)),
        ("Avoided a year", between(of.avoided_minutes_a_year.as_ref(), minutes)),
        ("Worth a year", between(of.worth_a_year.as_ref(), |worth| in_currency(worth, &of.cost))),
        ("It cost", words::money(&of.cost)),
        (
            "It has paid after",
            of.pays_after_weeks.map_or_else(
                || "not known, or never".to_owned(),
                |weeks| format!("{} weeks", words::amount(weeks)),
            ),
        ),
    ]);
    page.say(
        "A difference is no proof of its cause: what else changed in these weeks changed it too.",
    );
    page
}

pub(super) fn recognition(args: &RecognitionArgs) -> anyhow::Result<Exit> {
    let (weeks, until) = (args.weeks.to_string(), args.until.map(|at| at.to_string()));
    let mut query = vec![("weeks", weeks.as_str())];
    let others = [("team", &args.team), ("to", &until), ("after", &args.after)];
    query.extend(others.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let said: Value = Remote::new(&args.server)?.get(&["api", "v1", "recognition"], &query)?;
    let found: Recognition = serde_json::from_value(said.clone())?;
    document(args.output, &said, || recognition_page(&found))?;
    Ok(Exit::Met)
}

fn recognition_page(found: &Recognition) -> Page {
    let about = format!(
        "Teams that burn less: {} – {} against the time of equal length before",
        words::moment(found.after.start),
        words::moment(found.after.end)
    );
    let count = found.recognised.len() as u64;
    let title = match count {
        0 => "No team is known to have cut its burn without slowing its delivery.".to_owned(),
        _ => format!(
            "{} cut their burn without slowing their delivery.",
            words::plural(count, "team", "teams")
        ),
    };
    let mut page = Page::new(about, title);
    let line = |team: &TeamLine| {
        let because: Vec<&str> = team.because.iter().map(|why| because(why)).collect();
        [
            team.team.clone(),
            between(team.burn.less.as_ref(), words::amount),
            weeks(&team.burn),
            plain(Some(&team.interval)),
            plain(Some(&team.lead_time)),
            if because.is_empty() { "–".to_owned() } else { because.join(", ") },
        ]
    };
    let columns = || {
        [
            text("Team"),
            text("Burns less by"),
            text("Of"),
            text("Interval"),
            text("Lead time"),
            text("What speaks against it"),
        ]
    };
    page.heading("Recognised");
    if found.recognised.is_empty() {
        page.say("None.");
    }
    page.table(columns(), found.recognised.iter().map(line));
    page.heading("Others");
    page.table(columns(), found.others.iter().map(line));
    page.say("By name and not ranked: budgets of different services do not compare.");
    if let Some(next) = &found.next {
        page.say(format!("There are more: --after {next}"));
    }
    page
}
