//! What a target of a service is worth, who should run it, what work on it returned.

mod view;

use flyball_model::Timestamp;
use serde_json::{Map, Value, json};

use super::{PATH, UNTOLD};
use crate::commands::delivery::moment;
use crate::commands::delivery::view::{Length, plain};
use crate::commands::{Document, document};
use crate::output::page::{Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};
use view::{
    Estimate, Recognition, Return, Support, TargetSheet, TeamLine, Weeks, because, out_of_hours,
    rule,
};

/// Show what targets of a service are worth: what each allows an outage to cost, what each step buys
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

/// What a choice of who runs a service is made from, where it is not known otherwise.
#[derive(Debug, clap::Args)]
struct BasisArgs {
    /// What an hour of outage costs; what the service's document says unless told
    #[arg(long, value_name = "AMOUNT")]
    an_hour: Option<String>,
    /// What kind of thing it is: digital_service or off_the_shelf
    #[expect(clippy::doc_markdown, reason = "values are named as they are typed")]
    #[arg(long, value_parser = ["digital_service", "off_the_shelf"])]
    product: Option<String>,
    /// The time from one deployment to the next that features ask for
    #[arg(long, value_name = "LENGTH")]
    interval: Option<String>,
    /// How much hangs on its traffic
    #[arg(long, value_parser = ["light", "substantial", "critical"])]
    traffic: Option<String>,
    /// Whether it has passed its hand-off review
    #[arg(long, value_name = "BOOL")]
    reviewed: Option<bool>,
    /// Whether its budget is missed time and again
    #[arg(long, value_name = "BOOL")]
    missed: Option<bool>,
    /// Failures in a year; from incidents and pages unless told
    #[arg(long, value_name = "N", requires_all = ["call_outs_a_year", "call_out_lasts"])]
    failures_a_year: Option<u32>,
    /// Call-outs out of hours in a year
    #[arg(long, value_name = "N", requires = "failures_a_year")]
    call_outs_a_year: Option<u32>,
    /// How long one takes
    #[arg(long, value_name = "LENGTH", requires = "failures_a_year")]
    call_out_lasts: Option<String>,
    /// The costs, by name
    #[arg(long, value_name = "NAME")]
    costs: Option<String>,
}

impl BasisArgs {
    /// What is told, as a request says it.
    fn told(&self) -> Map<String, Value> {
        let all = [
            ("an_hour", json!(self.an_hour)),
            ("product", json!(self.product)),
            ("interval", json!(self.interval)),
            ("traffic", json!(self.traffic)),
            ("reviewed", json!(self.reviewed)),
            ("missed", json!(self.missed)),
            ("failures_a_year", json!(self.failures_a_year)),
            ("call_outs_a_year", json!(self.call_outs_a_year)),
            ("call_out_lasts", json!(self.call_out_lasts)),
            ("costs", json!(self.costs)),
        ];
        let told = all.into_iter().filter(|(_, value)| !value.is_null());
        told.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Show who should run a service: every model with its cost, what both published rules say, what was chosen
///
/// Where reality has left what a choice was made from, it is said which input led there.
///
/// Examples:
///
///   flyball service support checkout
///   flyball service support checkout --product digital_service --traffic critical --reviewed true --missed false
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct SupportArgs {
    /// The service
    name: String,
    #[command(flatten)]
    basis: BasisArgs,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Keep who runs a service and what it promises, with the numbers that this was chosen from
///
/// Later numbers are held against them. It is in the audit log.
///
/// Examples:
///
///   flyball service choose checkout --target 99.9% --model developers --out-of-hours team \
///     --product digital_service --traffic substantial --reviewed false --missed false
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ChooseArgs {
    /// The service
    name: String,
    /// The target
    #[arg(long, value_name = "TARGET")]
    target: String,
    /// Who runs it
    #[arg(long, value_parser = ["developers", "operations", "mixed", "shared", "sre"])]
    model: String,
    /// Who is called out of hours
    #[arg(long, value_parser = ["none", "domain", "team"])]
    out_of_hours: String,
    /// Why; needed where the bands or a rule say otherwise
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    basis: BasisArgs,
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
            sheet.an_hour,
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
            row.exposure_a_week.clone(),
            row.exposure_a_year.clone(),
            row.buys_a_year.clone().unwrap_or_else(dash),
            row.step_costs_a_year.map_or_else(dash, words::amount),
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
            own.protection.as_ref().map_or_else(dash, |of| get(of).clone())
        };
        [
            own.slo.clone(),
            words::percent_exact(own.target),
            words::percent(own.coverage),
            own.lost.as_ref().map_or_else(|| "not known".to_owned(), Length::words),
            money(|of| &of.tolerated),
            money(|of| &of.lost),
            money(|of| &of.cost),
            money(|of| &of.net),
        ]
    });
    let columns = [
        text("SLO"),
        number("Target"),
        number("Observed"),
        number("Lost"),
        number("Tolerated"),
        number("Lost, in money"),
        number("Support cost"),
        number("Net"),
    ];
    page.table(columns, rows);
    if of.protection.iter().any(|own| own.protection.is_none()) {
        page.say(
            "Nothing is said of money where less than half of the window was observed, or where nobody has said who runs \
             the service and how often it is called.",
        );
    }
    page
}

pub(super) fn support(args: &SupportArgs) -> anyhow::Result<Exit> {
    let told: Vec<(String, String)> = args
        .basis
        .told()
        .into_iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name, text)
        })
        .collect();
    let query: Vec<(&str, &str)> = told.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let said: Value = Remote::new(&args.server)?.get(&of_service(&args.name, "support"), &query)?;
    let support: Support = serde_json::from_value(said.clone())?;
    document(args.output, &said, || support_page(&support))?;
    Ok(Exit::Met)
}

fn support_page(of: &Support) -> Page {
    let title = match &of.recommendation {
        None => format!("It cannot be told: nobody has said {}.", of.unknown.join(", ")),
        Some(said) => match &said.agreed {
            Some(model) => format!("Every rule that says anything says {model}."),
            None => "The published rules differ, or none of them fits.".to_owned(),
        },
    };
    let mut page =
        Page::new(format!("Support of {} at {}", of.service, words::moment(of.at)), title);
    warn(&mut page, of.assumed, &of.costs);
    let calls =
        of.seen.calls.map(|calls| format!(" and {}", words::plural(calls, "call", "calls")));
    let cut = if of.seen.is_cut { "; there were more than are looked at" } else { "" };
    page.say(format!(
        "In {} it was seen to fail {}{}{cut}.",
        words::duration(of.observed.end.since(of.observed.start)),
        words::plural(of.seen.failures, "time", "times"),
        calls.unwrap_or_default()
    ));
    if of.recommendation.is_none() {
        page.say(format!(
            "To say it all: flyball service support {} --an-hour '25000 USD' --product digital_service --interval 7d \
             --traffic light --reviewed false --missed false --failures-a-year 12 --call-outs-a-year 4 --call-out-lasts 45m",
            of.service
        ));
    }
    if let Some(said) = &of.recommendation {
        page.heading("What the rules say");
        let rows = said.rules.iter().zip(&of.reasons).map(|(ruled, reason)| {
            let model = ruled.model.clone().unwrap_or_else(|| "nothing".to_owned());
            [rule(&ruled.rule).to_owned(), model, reason.clone()]
        });
        page.table([text("Rule"), text("Says"), text("Because")], rows);
        page.heading("What each model costs a year");
        let rows = said.costs.iter().map(|of| {
            [
                of.model.clone(),
                out_of_hours(&of.out_of_hours).to_owned(),
                of.total.clone(),
                of.standby.clone(),
                of.call_outs.clone(),
                of.time_off.clone(),
                of.capital.clone(),
                of.operating.clone(),
                of.expected_loss.clone(),
                of.with_loss.clone(),
                words::count(of.hand_offs),
            ]
        });
        let columns = [
            text("Model"),
            text("Out of hours"),
            number("Total"),
            number("Standby"),
            number("Call-outs"),
            number("Time off"),
            number("Capital"),
            number("Operating"),
            number("Expected loss"),
            number("Both"),
            number("Hand-offs"),
        ];
        page.table(columns, rows);
        page.say(
            "The least of both together first. Expected losses take all users to be hit while a failure lasts; with nobody \
             out of hours it waits until work begins.",
        );
    }
    page.heading("What was chosen");
    let Some(choice) = &of.choice else {
        page.say("Nobody has chosen: flyball service choose");
        return page;
    };
    page.say(format!(
        "{} chose {} by {}, {} out of hours, at {}.",
        choice.who,
        words::percent_exact(choice.target),
        choice.model,
        out_of_hours(&choice.out_of_hours),
        words::moment(choice.at)
    ));
    let against = of.against.as_deref().unwrap_or_default();
    if !against.is_empty() {
        let reason = choice.reason.as_deref().unwrap_or("nobody has said why");
        page.say(format!("It was chosen against what was asked for ({reason}):"));
        page.list(against.iter().cloned());
    }
    match of.drifted.as_deref() {
        Some([]) if against.is_empty() => {
            page.say("It stands: what it was made from leads there still.");
        }
        Some([]) => page.say("Nothing has changed since."),
        Some(found) => {
            page.say("Reality has left it:");
            page.list(found.iter().cloned());
        }
        None => page.say(format!("Whether it stands is {UNTOLD}.")),
    }
    page
}

pub(super) fn choose(args: &ChooseArgs) -> anyhow::Result<Exit> {
    let body = json!({
        "target": args.target, "model": args.model, "out_of_hours": args.out_of_hours,
        "reason": args.reason,
        "basis": args.basis.told(),
    });
    let _: Value = Remote::new(&args.server)?.post(&of_service(&args.name, "support"), &body)?;
    talk::note(&format!("kept: {} by {} for {}", args.target, args.model, args.name));
    Ok(Exit::Met)
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
        ("Worth a year", between(of.worth_a_year.as_ref(), words::amount)),
        ("It cost", of.cost.clone()),
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
