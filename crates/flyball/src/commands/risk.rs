//! `flyball risk`: what can spend budgets, what that is expected to cost, and what to do about it first.

mod beside;
mod sheet;

use anyhow::bail;
use flyball_model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Document, document};
use crate::Exit;
use crate::output::page::{Bar, Page, number, text};
use crate::output::words;
use crate::remote::{Remote, ServerArgs};

/// Show what can spend the budgets of services, what that costs, and what to do about it first
///
/// A risk is a document (`kind: Risk`): how long it takes to detect and to repair, the share of users that it hits, how
/// often it comes, each as a value or a range. It is held against the objectives of its service, and put beside what
/// incidents, changes and drills say of it.
#[derive(Debug, clap::Args)]
pub(crate) struct RiskArgs {
    #[command(subcommand)]
    command: RiskCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RiskCommand {
    List(ListArgs),
    Show(ShowArgs),
    WhatIf(WhatIfArgs),
    Measured(beside::MeasuredArgs),
    Occurred(beside::OccurredArgs),
    Import(sheet::ImportArgs),
    Export(sheet::ExportArgs),
}

/// List risks, with what is expected of each and where it stands
///
/// Examples:
///
///   flyball risk list
///   flyball risk list --service checkout -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only those whose names come after this one, as a page before has said
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
    /// How many, at most 1,000
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show the risks of a service against its objectives: what is too big, what they share, what to fix first
///
/// How likely an objective is missed is drawn ten thousand times (fewer for very large registers). The seed is told; with
/// the same one the answer is the same.
///
/// Examples:
///
///   flyball risk show checkout
///   flyball risk show checkout --slo checkout-availability -o html > /tmp/risks.html
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ShowArgs {
    /// The service
    service: String,
    #[command(flatten)]
    drawn: DrawnArgs,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is drawn.
#[derive(Debug, clap::Args)]
struct DrawnArgs {
    /// Only this SLO
    #[arg(long, value_name = "NAME")]
    slo: Option<String>,
    /// What draws are keyed by; one that follows from the register unless told
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Try what could be done about risks: a canary, faster detection or repair, a softer dependency
///
/// Nothing is kept. Both sides are drawn over the same luck.
///
/// Examples:
///
///   flyball risk what-if checkout canary --share 10% --within 10m --theme deployment
///   flyball risk what-if checkout faster-detection --within 5m --risk disk-full --risk store-down
///   flyball risk what-if checkout soft-dependency --share 0% --risk payments-down
///   flyball risk what-if checkout canary --share 10% --within 10m --theme deployment --also 'faster-repair within=15m risk=disk-full'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct WhatIfArgs {
    /// The service
    service: String,
    /// What would be done
    #[arg(value_enum)]
    what: Done,
    /// The share of users that a canary reaches, or that a softer dependency still hits
    #[arg(long, value_name = "SHARE", value_parser = share, required_if_eq_any = [("what", "canary"), ("what", "soft-dependency")])]
    share: Option<String>,
    /// The longest that a failure lasts in a canary, that it takes to detect, or to repair
    #[arg(
        long,
        value_name = "LENGTH",
        required_if_eq_any = [("what", "canary"), ("what", "faster-detection"), ("what", "faster-repair")]
    )]
    within: Option<String>,
    /// A risk that it changes; may be given more than once
    #[arg(long = "risk", value_name = "NAME")]
    risks: Vec<String>,
    /// Every risk with this theme; may be given more than once
    #[arg(long = "theme", value_name = "NAME")]
    themes: Vec<String>,
    /// Something else that would be done with it, after it: WHAT, and share=, within=, risk=, theme=; may be given more than once
    #[arg(long, value_name = "WHAT KEY=VALUE …", value_parser = also)]
    also: Vec<Step>,
    #[command(flatten)]
    drawn: DrawnArgs,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Document,
    #[command(flatten)]
    server: ServerArgs,
}

/// Something that would be done, about which risks.
#[derive(Debug, Clone)]
struct Step {
    what: Done,
    share: Option<String>,
    within: Option<String>,
    risks: Vec<String>,
    themes: Vec<String>,
}

/// Reads what would be done as well.
fn also(text: &str) -> Result<Step, String> {
    let mut words = text.split_whitespace();
    let what = words.next().unwrap_or_default();
    let what = <Done as clap::ValueEnum>::from_str(what, false).map_err(|_| {
        format!("`{what}` is nothing that could be done; hint: canary, faster-detection, faster-repair or soft-dependency")
    })?;
    let mut step = Step { what, share: None, within: None, risks: Vec::new(), themes: Vec::new() };
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let value = value.to_owned();
        match key {
            "share" => step.share = Some(share(&value)?),
            "within" => step.within = Some(value),
            "risk" => step.risks.push(value),
            "theme" => step.themes.push(value),
            _ => {
                let said = "is not known; hint: share=10%, within=10m, risk=NAME, theme=NAME";
                return Err(format!("`{word}` {said}"));
            }
        }
    }
    step.body().map_err(|error| error.to_string().replace('\n', "; "))?;
    Ok(step)
}

impl Step {
    /// As a server is asked.
    fn body(&self) -> anyhow::Result<Value> {
        let Self { what, share, within, risks, themes } = self;
        let kind = match what {
            Done::Canary => "canary",
            Done::FasterDetection => "faster_detection",
            Done::FasterRepair => "faster_repair",
            Done::SoftDependency => "soft_dependency",
        };
        let mut mitigation = json!({ "kind": kind });
        let needs = [
            ("share", share, matches!(what, Done::Canary | Done::SoftDependency)),
            ("within", within, !matches!(what, Done::SoftDependency)),
        ];
        for (field, value, is_told) in needs {
            let name = kind.replace('_', "-");
            match value {
                Some(_) if !is_told => {
                    bail!("`--{field}` says nothing of {name}\nhint: leave it out")
                }
                None if is_told => bail!("{name} needs `{field}`\nhint: say it"),
                Some(value) => mitigation[field] = json!(value),
                None => {}
            }
        }
        Ok(json!({ "mitigation": mitigation, "risks": risks, "themes": themes }))
    }
}

/// Reads a share, and leaves it as it is written.
fn share(text: &str) -> Result<String, String> {
    let share = flyball_model::Rational::parse_percent(text);
    let is_one = share.is_some_and(|share| share <= flyball_model::Rational::ONE);
    is_one
        .then(|| text.to_owned())
        .ok_or_else(|| "a share is written in per cent, like 10%".to_owned())
}

/// What could be done.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Done {
    /// A change reaches some users first
    Canary,
    /// Failures are known of sooner
    FasterDetection,
    /// Failures are repaired sooner
    FasterRepair,
    /// The service serves without what it depends on
    SoftDependency,
}

#[derive(Debug, Deserialize)]
struct List {
    risks: Vec<Info>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Info {
    name: String,
    service: String,
    minutes_a_year: [f64; 3],
    standing: Option<String>,
    lapsed: bool,
}

#[derive(Debug, Deserialize)]
struct Register {
    service: String,
    at: Timestamp,
    seed: u64,
    objectives: Vec<AtRisk>,
    without_risks: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct AtRisk {
    assessment: Assessment,
    tornado: Tornado,
}

#[derive(Debug, Deserialize)]
struct Assessment {
    objective: Objective,
    budget_minutes_a_year: f64,
    ceiling_minutes_a_year: f64,
    reserve_minutes_a_year: f64,
    accepted_minutes_a_year: f64,
    unallocated_minutes_a_year: f64,
    expected_minutes_a_year: f64,
    overspent: Above,
    risks: Vec<Line>,
    themes: Vec<Theme>,
}

#[derive(Debug, Deserialize)]
struct Objective {
    slo: String,
    target: f64,
    window: String,
}

#[derive(Debug, Deserialize)]
struct Above {
    above: bool,
    sure: bool,
}

#[derive(Debug, Deserialize)]
struct Line {
    name: String,
    minutes_a_year: [f64; 3],
    budget_share: f64,
    undetected: f64,
    standing: String,
    sure: bool,
    lapsed: bool,
}

#[derive(Debug, Deserialize)]
struct Theme {
    name: String,
    risks: u64,
    minutes_a_year: f64,
    adds: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Tornado {
    now: Simulated,
    bars: Vec<Saving>,
}

#[derive(Debug, Deserialize)]
struct Simulated {
    missed: Missed,
    minutes_a_window_quantiles: [f64; 3],
}

#[derive(Debug, Deserialize)]
struct Missed {
    of: u64,
    out_of: u64,
    share: f64,
}

#[derive(Debug, Deserialize)]
struct Saving {
    of: String,
    name: String,
    missed_without: Missed,
    saves: f64,
}

#[derive(Debug, Deserialize)]
struct Differences {
    service: String,
    seed: u64,
    objectives: Vec<Difference>,
    #[serde(default)]
    untouched: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Difference {
    risks: Vec<String>,
    before: Assessment,
    after: Assessment,
    missed_before: Simulated,
    missed_after: Simulated,
    saves_minutes_a_year: f64,
}

/// Where a server has the risks of `service`.
fn of_service<'a>(service: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["api", "v1", "services", service, "risks"], rest].concat()
}

pub(crate) fn run(args: RiskArgs) -> anyhow::Result<Exit> {
    match args.command {
        RiskCommand::List(args) => list(&args),
        RiskCommand::Show(args) => show(&args),
        RiskCommand::WhatIf(args) => what_if(&args),
        RiskCommand::Measured(args) => beside::measured(&args),
        RiskCommand::Occurred(args) => beside::occurred(&args),
        RiskCommand::Import(args) => sheet::import(&args),
        RiskCommand::Export(args) => sheet::export(&args),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let limit = args.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(args.service.as_deref().map(|name| ("service", name)));
    query.extend(args.after.as_deref().map(|name| ("after", name)));
    let said: Value = Remote::new(&args.server)?.get(&["api", "v1", "risks"], &query)?;
    let list: List = serde_json::from_value(said.clone())?;
    document(args.output, &said, || lines(&list))?;
    Ok(Exit::Met)
}

fn lines(list: &List) -> Page {
    let title = words::plural(list.risks.len() as u64, "risk", "risks");
    let mut page = Page::new("Risks", title);
    let rows = list.risks.iter().map(|of| {
        [
            of.name.clone(),
            of.service.clone(),
            expected(of.minutes_a_year),
            standing(of.standing.as_deref(), of.lapsed),
        ]
    });
    page.table([text("Risk"), text("Service"), number("A year"), text("Standing")], rows);
    if let Some(next) = &list.next {
        page.say(format!("There are more: --after {next}"));
    }
    page
}

/// Expected bad time of a year, with its range where it has one.
fn expected([best, mean, worst]: [f64; 3]) -> String {
    let mean = words::minutes_exact(mean);
    if best < worst {
        format!("{mean} ({} – {})", words::minutes_exact(best), words::minutes_exact(worst))
    } else {
        mean
    }
}

/// Where a risk stands, in words.
fn standing(standing: Option<&str>, lapsed: bool) -> String {
    let said = match standing {
        Some("too_big") => "TOO BIG",
        Some("does_not_fit") => "does not fit",
        Some("fits") => "fits",
        Some("accepted") => "accepted",
        Some(other) => other,
        None => "spends no budget that is kept",
    };
    if lapsed { format!("{said}; no longer accepted") } else { said.to_owned() }
}

fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let seed = args.drawn.seed.map(|seed| seed.to_string());
    let mut query: Vec<(&str, &str)> = Vec::new();
    query.extend(args.drawn.slo.as_deref().map(|name| ("slo", name)));
    query.extend(seed.as_deref().map(|seed| ("seed", seed)));
    let said: Value = Remote::new(&args.server)?.get(&of_service(&args.service, &[]), &query)?;
    let register: Register = serde_json::from_value(said.clone())?;
    document(args.output, &said, || page(&register))?;
    Ok(Exit::Met)
}

fn page(register: &Register) -> Page {
    let about = format!("Risks of {} at {}", register.service, words::moment(register.at));
    let worst = register
        .objectives
        .iter()
        .max_by(|a, b| a.tornado.now.missed.share.total_cmp(&b.tornado.now.missed.share));
    let title = match worst {
        Some(of) => format!(
            "{} is missed in {} of windows like this.",
            of.assessment.objective.slo,
            words::percent(of.tornado.now.missed.share)
        ),
        None => "No risk of an objective of its own is named.".to_owned(),
    };
    let mut page = Page::new(about, title);
    for of in &register.objectives {
        held(&mut page, &of.assessment);
        fix_first(&mut page, &of.tornado);
    }
    if !register.without_risks.is_empty() {
        page.heading("Without risks");
        let names = register.without_risks.join(", ");
        page.say(format!("No risk spends the budget of {names}: nobody has named any."));
    }
    page.say(format!(
        "Years have 365.25 days. What is drawn is keyed by the seed {}, and says nothing of how good the register is.",
        register.seed
    ));
    page
}

/// A register against one objective.
fn held(page: &mut Page, of: &Assessment) {
    let Objective { slo, target, window } = &of.objective;
    page.heading(format!("{slo}: {} over {window}", words::percent_exact(*target)));
    let overspent = match (of.overspent.above, of.overspent.sure) {
        (true, true) => "more than the budget without its reserve",
        (true, false) => "probably more than the budget without its reserve",
        (false, true) => "within the budget without its reserve",
        (false, false) => "probably within the budget without its reserve",
    };
    page.facts([
        ("Budget a year", words::minutes_exact(of.budget_minutes_a_year)),
        ("Expected", format!("{}: {overspent}", words::minutes_exact(of.expected_minutes_a_year))),
        ("One risk at most", words::minutes_exact(of.ceiling_minutes_a_year)),
        ("Kept for the unknown", words::minutes_exact(of.reserve_minutes_a_year)),
        ("Accepted", words::minutes_exact(of.accepted_minutes_a_year)),
        ("Left to accept", words::minutes_exact(of.unallocated_minutes_a_year)),
    ]);
    let rows = of.risks.iter().map(|line| {
        let mark = if line.sure { "" } else { " ?" };
        [
            line.name.clone(),
            expected(line.minutes_a_year),
            words::percent(line.budget_share),
            words::percent(line.undetected),
            standing(Some(&line.standing), line.lapsed) + mark,
        ]
    });
    let columns = [
        text("Risk"),
        number("A year"),
        number("Of the budget"),
        number("Undetected"),
        text("Standing"),
    ];
    page.table(columns, rows);
    if of.risks.iter().any(|line| !line.sure) {
        page.say("? The ends of its ranges say otherwise.");
    }
    let rows = of.themes.iter().map(|theme| {
        let adds = theme.adds.map_or_else(|| "–".to_owned(), words::minutes);
        [
            theme.name.clone(),
            words::count(theme.risks),
            words::minutes_exact(theme.minutes_a_year),
            adds,
        ]
    });
    page.table([text("In common"), number("Risks"), number("A year"), number("It adds")], rows);
}

/// The tornado.
fn fix_first(page: &mut Page, tornado: &Tornado) {
    let [low, middle, high] = tornado.now.minutes_a_window_quantiles.map(words::minutes);
    page.say(format!(
        "Drawn {} times, it is missed {} times. Half of all windows have at most {middle} bad; 5 of 100 at most {low}, 95 at \
         most {high}.",
        words::count(tornado.now.missed.out_of),
        words::count(tornado.now.missed.of)
    ));
    page.say("What to fix first: by how much less often it is missed without it.");
    let most = tornado.bars.iter().map(|bar| bar.saves).fold(0.0, f64::max);
    page.bars(tornado.bars.iter().map(|bar| {
        let kind = if bar.of == "factor" { " (factor)" } else { "" };
        let points = words::amount(bar.saves * 100.0);
        let left = words::percent(bar.missed_without.share);
        Bar {
            name: format!("{}{kind}", bar.name),
            value: format!("{points} points, {left} left"),
            share: if most > 0.0 { bar.saves / most } else { 0.0 },
        }
    }));
}

fn what_if(args: &WhatIfArgs) -> anyhow::Result<Exit> {
    let WhatIfArgs { service, what, share, within, risks, themes, also, drawn, output, server } =
        args;
    let (share, within) = (share.clone(), within.clone());
    let first = Step { what: *what, share, within, risks: risks.clone(), themes: themes.clone() };
    let mut body = first.body()?;
    body["also"] = also.iter().map(Step::body).collect::<anyhow::Result<_>>()?;
    (body["slo"], body["seed"]) = (json!(drawn.slo), json!(drawn.seed));
    let said: Value = Remote::new(server)?.post(&of_service(service, &["what-if"]), &body)?;
    let found: Differences = serde_json::from_value(said.clone())?;
    document(*output, &said, || tried(&found))?;
    Ok(Exit::Met)
}

fn tried(found: &Differences) -> Page {
    let saves = found.objectives.iter().map(|of| of.saves_minutes_a_year).fold(0.0, f64::max);
    let title = if found.objectives.is_empty() && !found.untouched.is_empty() {
        "It changes no objective.".to_owned()
    } else if found.objectives.is_empty() {
        "It spends the budget of no objective.".to_owned()
    } else {
        format!("It saves {} bad a year.", words::minutes_exact(saves))
    };
    let mut page = Page::new(format!("What if, for {}", found.service), title);
    for of in &found.objectives {
        let Objective { slo, target, window } = &of.before.objective;
        page.heading(format!("{slo}: {} over {window}", words::percent_exact(*target)));
        page.say(format!("It changes {}.", of.risks.join(", ")));
        let missed = |of: &Simulated| words::percent(of.missed.share);
        page.table(
            [text(""), number("As it is"), number("Then")],
            [
                [
                    "Expected a year".to_owned(),
                    words::minutes_exact(of.before.expected_minutes_a_year),
                    words::minutes_exact(of.after.expected_minutes_a_year),
                ],
                ["Windows missed".to_owned(), missed(&of.missed_before), missed(&of.missed_after)],
            ],
        );
    }
    if !found.untouched.is_empty() {
        page.say(format!("Not touched: {}.", found.untouched.join(", ")));
    }
    page.say(format!("Both sides are drawn over the same luck, keyed by the seed {}.", found.seed));
    page
}
