//! `flyball service support`, `choose`: who should run a service, and who was chosen.

use serde_json::{Map, Value, json};

use super::super::UNTOLD;
use super::view::{Choice, Support, Yearly, out_of_hours, rule};
use super::{of_service, warn};
use crate::cli::EXIT_CODES;
use crate::commands::review::called;
use crate::commands::{Document, document};
use crate::output::page::{Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

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

    /// The same as text, name by name.
    fn texts(&self) -> Vec<(String, String)> {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.told().into_iter().map(|(name, value)| (name, text(value))).collect()
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
#[command(verbatim_doc_comment, after_help = EXIT_CODES)]
pub(in crate::commands::service) struct SupportArgs {
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
///     --product digital_service --interval 7d --traffic substantial --reviewed false --missed false
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::commands::service) struct ChooseArgs {
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

pub(in crate::commands::service) fn support(args: &SupportArgs) -> anyhow::Result<Exit> {
    let told = args.basis.texts();
    let query: Vec<(&str, &str)> = told.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let said: Value = Remote::new(&args.server)?.get(&of_service(&args.name, "support"), &query)?;
    let support: Support = serde_json::from_value(said.clone())?;
    document(args.output, &said, || support_page(&support, &args.basis))?;
    // Nothing is recommended of what is not known.
    Ok(if support.recommendation.is_some() { Exit::Met } else { Exit::Undecided })
}

/// What is to be known, as the command is told of it, each with an example; an amount is in the currency of the costs.
fn as_asked(name: &str, currency: &str) -> String {
    match name {
        "an_hour" => format!("--an-hour '25000 {currency}'"),
        "product" => "--product digital_service".to_owned(),
        "interval" => "--interval 7d".to_owned(),
        "traffic" => "--traffic light".to_owned(),
        "load" => "--failures-a-year 12 --call-outs-a-year 4 --call-out-lasts 45m".to_owned(),
        name => format!("--{name} false"),
    }
}

/// What is to be known, in words.
fn in_words(name: &str) -> &str {
    match name {
        "an_hour" => "what an hour of outage costs",
        "product" => "what kind of product it is",
        "interval" => "how often it is to be deployed",
        "traffic" => "how much hangs on its traffic",
        "reviewed" => "whether it has passed its hand-off review",
        "missed" => "whether its budget is missed time and again",
        "load" => "how often it fails and is called",
        other => other,
    }
}

/// The command that says it all: what was told already, and an example of the rest.
fn to_say_it_all(of: &Support, told: &BasisArgs) -> String {
    let told = told.texts().into_iter().map(|(name, value)| {
        let quote = if value.contains(' ') { "'" } else { "" };
        format!("--{} {quote}{value}{quote}", name.replace('_', "-"))
    });
    let rest = of.unknown.iter().map(|name| as_asked(name, &of.currency));
    let all: Vec<String> = told.chain(rest).collect();
    format!("flyball service support {} {}", of.service, all.join(" "))
}

/// Where what the rules went by is known from, as far as it was not told; the quarters that were measured among it.
fn known_from(of: &Support) -> Vec<String> {
    let said = of.known_from.iter().filter_map(|(name, from)| {
        let from = match from.as_str() {
            "measured" if name == "missed" => {
                let quarters = of.quarters.iter().map(|quarter| {
                    let kept = if quarter.kept == Some(true) { "kept" } else { "missed" };
                    format!("the one from {} was {kept}", words::day(quarter.start))
                });
                let quarters = quarters.collect::<Vec<_>>().join(", ");
                format!("it was measured, by quarter: {quarters}")
            }
            "measured" => "it was measured".to_owned(),
            "choice" => "it was said with the choice".to_owned(),
            "document" => "the document of the service says it".to_owned(),
            _ => return None,
        };
        Some(format!("{}: {from}", in_words(name)))
    });
    said.collect()
}

fn support_page(of: &Support, told: &BasisArgs) -> Page {
    let title = match &of.recommendation {
        None => format!(
            "It cannot be told: nobody has said {}.",
            of.unknown.iter().map(|name| in_words(name)).collect::<Vec<_>>().join(", ")
        ),
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
        page.say(format!("To say it all: {}", to_say_it_all(of, told)));
    }
    if let Some(said) = &of.recommendation {
        page.heading("What the rules say");
        let rows = said.rules.iter().zip(&of.reasons).map(|(ruled, reason)| {
            let model = ruled.model.clone().unwrap_or_else(|| "nothing".to_owned());
            [rule(&ruled.rule).to_owned(), model, reason.clone()]
        });
        page.table([text("Rule"), text("Says"), text("Because")], rows);
        page.list(known_from(of));
        page.heading("What each model costs a year");
        costs_table(&mut page, &said.costs);
        page.say(
            "The least of both together first. Expected losses take all users to be hit while a failure lasts; with nobody \
             out of hours it waits until work begins.",
        );
    }
    page.heading("What was chosen");
    match &of.choice {
        Some(choice) => chosen(&mut page, of, choice),
        None => page.say("Nobody has chosen: flyball service choose"),
    }
    page
}

/// What models cost a year.
fn costs_table<'a>(page: &mut Page, costs: impl IntoIterator<Item = &'a Yearly>) {
    let rows = costs.into_iter().map(|of| {
        [
            of.model.clone(),
            out_of_hours(&of.out_of_hours).to_owned(),
            words::money(&of.total),
            words::money(&of.standby),
            words::money(&of.call_outs),
            words::money(&of.time_off),
            words::money(&of.capital),
            words::money(&of.operating),
            words::money(&of.expected_loss),
            words::money(&of.with_loss),
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
}

/// What was chosen, what it costs, and whether it stands.
fn chosen(page: &mut Page, of: &Support, choice: &Choice) {
    page.say(format!(
        "{} chose {} by {}, {} out of hours, at {}.",
        called(&of.people, &choice.who),
        words::percent_exact(choice.target),
        choice.model,
        out_of_hours(&choice.out_of_hours),
        words::moment(choice.at)
    ));
    if let Some(said) = &of.unpriced {
        page.say(format!("It cannot be held against what it costs: {said}."));
    }
    if of.choice_cost.is_some() {
        costs_table(page, &of.choice_cost);
    }
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
        Some([]) => page.say("Nothing that has changed since speaks against it."),
        Some(found) => {
            page.say("Reality has left it:");
            page.list(found.iter().cloned());
        }
        None => page.say(format!("Whether it stands is {UNTOLD}.")),
    }
}

pub(in crate::commands::service) fn choose(args: &ChooseArgs) -> anyhow::Result<Exit> {
    let body = json!({
        "target": args.target, "model": args.model, "out_of_hours": args.out_of_hours,
        "reason": args.reason,
        "basis": args.basis.told(),
    });
    let _: Value = Remote::new(&args.server)?.post(&of_service(&args.name, "support"), &body)?;
    talk::note(&format!("kept: {} by {} for {}", args.target, args.model, args.name));
    Ok(Exit::Met)
}
