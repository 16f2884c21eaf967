//! `flyball delivery`: how services, teams and products are delivered.

pub(super) mod view;

use flyball_model::{Duration, Timestamp};
use serde_json::Value;

use super::{Document, document};
use crate::Exit;
use crate::commands::replay::now;
use crate::output::page::{Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};
use view::{Delivery, Measures, Seven, Spread, UNKNOWN, plain};

/// Show how a service, a team or a product is delivered: how often, how fast, how available, how soon again
///
/// The four measures that go together come first, with the business outcome that the service has chosen, then
/// DORA's, with the level of each in each year's report; which way they went since the time of equal length
/// before; and whether the service's targets are met. Lead time needs the commits of changes (`flyball change
/// record --commits`), availability SLOs, outcomes `flyball service outcome`. What cannot be told is said so.
///
/// Examples:
///
///   flyball delivery checkout
///   flyball delivery --team payments --since 28d
///   flyball delivery --product shop --since 365d -o html > /tmp/delivery.html
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DeliveryArgs {
    #[command(flatten)]
    of: OfArgs,
    /// How long until now, or until --until: at most 400d
    #[arg(long, value_name = "LENGTH", value_parser = length, default_value = "90d")]
    since: Duration,
    /// Until when; now unless told
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only deployments to it count; that of the service's description, else production, unless told
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Whose services are meant.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct OfArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    /// The services of this team
    #[arg(long)]
    team: Option<String>,
    /// The services of this product
    #[arg(long)]
    product: Option<String>,
}

impl OfArgs {
    /// As a query says it.
    pub(super) fn query(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { service, team, product } = self;
        let all = [("service", service), ("team", team), ("product", product)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

fn length(text: &str) -> Result<Duration, String> {
    Duration::parse(text).map_err(|error| error.to_string())
}

pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    // A day is its beginning, in UTC.
    let is_day = text.len() == "2026-12-01".len() && !text.contains(':');
    let day = is_day.then(|| Timestamp::parse(&format!("{text}T00:00:00Z")).ok()).flatten();
    day.map_or_else(|| Timestamp::parse(text).map_err(|error| error.to_string()), Ok)
}

pub(crate) fn run(args: &DeliveryArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let to = args.until.unwrap_or_else(now);
    let (from, to) = (to.minus(args.since).to_string(), to.to_string());
    let mut query: Vec<(&str, &str)> = args.of.query().collect();
    query.extend([("from", from.as_str()), ("to", to.as_str())]);
    query.extend(args.environment.as_deref().map(|name| ("environment", name)));
    let said: Value = remote.get(&["api", "v1", "delivery"], &query)?;
    let delivery: Delivery = serde_json::from_value(said.clone())?;
    document(args.output, &said, || page(&delivery))?;
    Ok(Exit::Met)
}

fn page(delivery: &Delivery) -> Page {
    let Delivery { of, measures, environment, .. } = delivery;
    let during = &measures.during;
    let about = format!(
        "Delivery of the {} {} to {environment}, {} – {}",
        of.kind,
        of.name,
        words::moment(during.start),
        words::moment(during.end)
    );
    let mut page = Page::new(about, sentence(measures));
    page.facts([("Accountable", accountable(delivery))]);
    if delivery.is_cut {
        page.say(
            "There are more changes, incidents or values of outcomes than are looked at: the oldest are left out.",
        );
    }
    write(&mut page, delivery);
    over_time(&mut page, delivery);
    page
}

/// Velocity beside stability over consecutive times, with the outcome of a service that has chosen one.
pub(super) fn over_time(page: &mut Page, delivery: &Delivery) {
    page.heading("Velocity and stability");
    if delivery.periods.is_empty() {
        page.say("The time is too short to be divided.");
    }
    let columns = [
        text("From"),
        number("Deployments"),
        text("Lead time"),
        text("Served"),
        text("Failed"),
        text("Restored in"),
    ];
    let periods = delivery.periods.iter();
    match (delivery.of.kind.as_str(), delivery.outcomes.first()) {
        ("service", Some(of)) => {
            let [from, deployments, lead, served, failed, restored] = columns;
            let columns = [from, deployments, lead, served, failed, restored, number("Outcome")];
            page.table(columns, periods.map(|of| with_outcome(period(of), of)));
            page.say(format!("The outcome is {}.", of.outcome.words()));
        }
        _ => page.table(columns, periods.map(period)),
    }
}

/// Who answers for the services.
pub(super) fn accountable(delivery: &Delivery) -> String {
    let all = delivery.services.iter().map(|of| {
        let who = of.who.as_deref().unwrap_or("nobody is said to be");
        format!("{who} ({})", of.service)
    });
    all.collect::<Vec<_>>().join(", ")
}

/// The whole in a sentence.
pub(super) fn sentence(measures: &Measures) -> String {
    let Measures { frequency, lead_time, availability, restore, .. } = measures;
    let often = match &frequency.interval {
        Some(interval) => format!(
            "{}, one every {}",
            words::plural(frequency.deployments, "deployment", "deployments"),
            interval.words()
        ),
        None => "no deployment is known".to_owned(),
    };
    let median = |of: &Option<Spread>| of.as_ref().map(|of| of.median.words());
    let fast = median(&lead_time.commits).map_or_else(String::new, |lead| {
        format!("; half of all commits reach users within {lead}")
    });
    let served = availability
        .rate
        .map_or_else(String::new, |rate| format!("; {} served", words::percent_down(rate, 3)));
    let again = median(&restore.outages)
        .map_or_else(String::new, |again| format!("; half of all outages are over within {again}"));
    let came = measures
        .outcome
        .as_ref()
        .map_or_else(String::new, |of| format!("; {}: {}", of.spec.name, of.spec.amount(of.value)));
    let said = format!("{often}{fast}{served}{again}{came}.");
    said[..1].to_uppercase() + &said[1..]
}

/// The measures with their trends and targets, and where they stand.
pub(super) fn write(page: &mut Page, delivery: &Delivery) {
    let Delivery { measures, trend, targets, met, .. } = delivery;
    let of = |get: fn(&Seven) -> &Option<String>| {
        let target = match (targets.as_ref().and_then(|of| get(of).as_ref()), met.as_ref()) {
            (Some(target), Some(met)) => {
                let answer = match get(met).as_deref() {
                    Some("yes") => "met",
                    Some("no") => "MISSED",
                    _ => UNKNOWN,
                };
                format!("{target}: {answer}")
            }
            _ => "–".to_owned(),
        };
        (plain(get(trend).as_ref()), target)
    };
    let line = |name: &str, value: String, get: fn(&Seven) -> &Option<String>| {
        let (trend, target) = of(get);
        [name.to_owned(), value, trend, target]
    };
    let plain_line =
        |name: &str, value: String| [name.to_owned(), value, "–".to_owned(), "–".to_owned()];
    let columns = || [text("Measure"), text("Value"), text("Trend"), text("Target")];
    page.heading("The four that go together");
    let outcomes = delivery.outcomes.iter().map(|of| {
        let name = match delivery.of.kind.as_str() {
            "service" => format!("Outcome: {}", of.outcome.name),
            _ => format!("Outcome of {}: {}", of.service, of.outcome.name),
        };
        [name, outcome(of), plain(Some(&of.trend)), "–".to_owned()]
    });
    page.table(
        columns(),
        [
            line("Interval between deployments", interval(measures), |of| &of.interval),
            line("Lead time", lead_time(measures), |of| &of.lead_time),
            plain_line(
                "Lead time shorter than the interval",
                plain(Some(&measures.lead_time_within_interval)),
            ),
            line("Availability rate", availability(measures, delivery), |of| &of.availability),
            line("Time to restore", restore(measures), |of| &of.restore),
        ]
        .into_iter()
        .chain(outcomes),
    );
    page.heading("DORA");
    page.table(
        columns(),
        [
            line("Change failure rate", change_failure(measures), |of| &of.change_failure),
            line("Failed deployment recovery", recovery(measures), |of| &of.recovery),
            line("Rework rate", share(measures.rework.rate.as_ref()), |of| &of.rework),
        ],
    );
    let start = words::moment(delivery.before.start);
    page.say(format!(
        "Trends compare with the time of equal length before, which began at {start}."
    ));
    page.heading("Levels in DORA's reports");
    levels(page, delivery);
    page.heading("When something breaks");
    response(page, measures);
}

fn spread(of: Option<&Spread>, one: &str, many: &str) -> String {
    of.map_or_else(|| UNKNOWN.to_owned(), |of| of.words(one, many))
}

fn share(of: Option<&view::Share>) -> String {
    of.map_or_else(|| UNKNOWN.to_owned(), view::Share::words)
}

fn interval(measures: &Measures) -> String {
    let frequency = &measures.frequency;
    let Some(interval) = &frequency.interval else { return UNKNOWN.to_owned() };
    let count = words::plural(frequency.deployments, "deployment", "deployments");
    let mut parts = vec![format!("{}, {count}", interval.words())];
    let gaps = frequency.gaps.as_ref();
    parts
        .extend(gaps.map(|of| format!("{} from one to the next at the median", of.median.words())));
    let last = frequency.since_last.as_ref();
    parts.extend(last.map(|last| format!("the last was {} before the end", last.words())));
    parts.join("; ")
}

fn lead_time(measures: &Measures) -> String {
    let of = &measures.lead_time;
    let mut parts = vec![spread(of.commits.as_ref(), "commit", "commits")];
    if of.without_commits > 0 {
        let without = words::plural(of.without_commits, "deployment", "deployments");
        parts.push(format!("{without} told of no new commit"));
    }
    if of.skewed > 0 {
        parts.push(format!("{} written after they shipped", words::count(of.skewed)));
    }
    parts.join("; ")
}

fn availability(measures: &Measures, delivery: &Delivery) -> String {
    let of = &measures.availability;
    let Some(rate) = of.rate else {
        return if delivery.slos.is_empty() {
            format!("{UNKNOWN}: no SLO is evaluated")
        } else {
            UNKNOWN.to_owned()
        };
    };
    format!(
        "{}: {} lost of {}; nothing is known of {}",
        words::percent_down(rate, 4),
        of.lost.words(),
        of.observed.words(),
        of.unobserved.words()
    )
}

fn restore(measures: &Measures) -> String {
    let of = &measures.restore;
    let open = if of.open > 0 { "; one lasts" } else { "" };
    spread(of.outages.as_ref(), "outage", "outages") + open
}

fn outcome(of: &view::ServiceOutcome) -> String {
    let Some(value) = of.value else { return UNKNOWN.to_owned() };
    let points = words::plural(of.points, "value", "values");
    format!("{}, the {} of {points}", of.outcome.amount(value), of.outcome.of)
}

fn change_failure(measures: &Measures) -> String {
    let of = &measures.change_failure;
    let said = share(of.rate.as_ref());
    match (&of.at_least, &of.at_most) {
        (Some(least), Some(most)) if of.fates.undecided > 0 => format!(
            "{said}; nobody knows of {}, so it lies between {} and {}",
            words::plural(of.fates.undecided, "deployment", "deployments"),
            words::percent(least.part),
            words::percent(most.part)
        ),
        _ => said,
    }
}

fn recovery(measures: &Measures) -> String {
    let of = &measures.recovery;
    let said = spread(of.deployments.as_ref(), "deployment", "deployments");
    if of.open == 0 {
        return said;
    }
    format!("{said}; no recovery is known of {}", words::count(of.open))
}

fn levels(page: &mut Page, delivery: &Delivery) {
    let rows = delivery.levels.iter().map(|of| {
        let cell = |placed: &view::Placed| {
            let mark = if placed.confirmed { "" } else { " *" };
            placed.answer.words() + mark
        };
        [
            of.frequency.edition.clone(),
            cell(&of.frequency),
            cell(&of.lead_time),
            cell(&of.recovery),
            cell(&of.change_failure),
        ]
    });
    let columns =
        [text("Year"), text("Frequency"), text("Lead time"), text("Recovery"), text("Failure")];
    page.table(columns, rows);
    let is_marked = delivery.levels.iter().any(|of| {
        [&of.frequency, &of.lead_time, &of.recovery, &of.change_failure]
            .iter()
            .any(|placed| !placed.confirmed)
    });
    if is_marked {
        page.say("* Not every number behind it could be held against the report of that year.");
    }
}

fn response(page: &mut Page, measures: &Measures) {
    let of = &measures.response;
    let lasting =
        if of.open > 0 { format!(", {} last", words::count(of.open)) } else { String::new() };
    page.say(format!("{}{lasting}.", words::plural(of.incidents, "incident", "incidents")));
    let steps = [
        ("To detect", &of.detect),
        ("To acknowledge", &of.acknowledge),
        ("To mitigate", &of.mitigate),
        ("Until it was over", &of.restore),
    ];
    let rows =
        steps.map(|(name, of)| [name.to_owned(), spread(of.as_ref(), "incident", "incidents")]);
    page.table([text("Step"), text("Time")], rows);
}

/// One period of velocity beside stability.
fn period(of: &Measures) -> [String; 6] {
    let median = |of: Option<&Spread>| of.map_or_else(|| "–".to_owned(), |of| of.median.words());
    let dash = || "–".to_owned();
    [
        words::moment(of.during.start),
        words::count(of.frequency.deployments),
        median(of.lead_time.commits.as_ref()),
        of.availability.rate.map_or_else(dash, |rate| words::percent_down(rate, 3)),
        of.change_failure.rate.as_ref().map_or_else(dash, |rate| {
            format!("{} of {}", words::count(rate.of), words::count(rate.out_of))
        }),
        median(of.restore.outages.as_ref()),
    ]
}

/// A period with what came of it.
fn with_outcome(period: [String; 6], of: &Measures) -> [String; 7] {
    let [from, deployments, lead, served, failed, restored] = period;
    let outcome = of.outcome.as_ref();
    let outcome = outcome.map_or_else(|| "–".to_owned(), |of| of.spec.amount(of.value));
    [from, deployments, lead, served, failed, restored, outcome]
}
