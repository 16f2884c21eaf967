//! `flyball alert`: who should know of what, and who has it.

use flyball_model::Duration;
use serde_json::{Value, json};

use super::{Form, answer};
use crate::output::alerts;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// List the alerts of a server, take them on, and silence them
#[derive(Debug, clap::Args)]
pub(crate) struct AlertArgs {
    #[command(subcommand)]
    command: AlertCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AlertCommand {
    List(ListArgs),
    Show(ShowArgs),
    Ack(AckArgs),
    PassOn(PassOnArgs),
    Silence(SilenceArgs),
    Silences(SilencesArgs),
    Unsilence(UnsilenceArgs),
}

/// List alerts, the newest first: those that are pending or fire, and the newest that are over
///
/// Examples:
///
///   flyball alert list --state firing
///   flyball alert list --service checkout -o json
///   flyball alert list --foreign
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those of this service
    #[arg(long)]
    service: Option<String>,
    /// Only those of this SLO
    #[arg(long)]
    slo: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Only those that began before the one of this id
    #[arg(long, value_name = "ID")]
    before: Option<u64>,
    /// Those that Prometheus or Alertmanager have told the server of
    #[arg(long, conflicts_with_all = ["state", "service", "slo", "before"])]
    foreign: bool,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// A rule is about to fire; nobody is told
    Pending,
    /// A rule fires
    Firing,
    /// None fires any more
    Resolved,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Show one alert: what fires, what is left, who has it, and its steps
///
/// Examples:
///
///   flyball alert show 7
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ShowArgs {
    /// The alert's id, as in the list
    id: u64,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// Take an alert on: whoever was told of it hears that somebody has it
///
/// Examples:
///
///   flyball alert ack 7 --note 'rolling back'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct AckArgs {
    /// The alert's id, as in the list
    id: u64,
    /// Whom to talk to; the token or the person who asks is named beside
    #[arg(long)]
    who: Option<String>,
    /// What is to be said of it
    #[arg(long)]
    note: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Pass an alert on to the next level of its escalation, which is called at once
///
/// Examples:
///
///   flyball alert pass-on 7 --who Ada --why 'the bank does not answer'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct PassOnArgs {
    /// The alert's id, as in the list
    id: u64,
    /// Who passes it on, as the rota names them; the token or the person who asks is named beside
    #[arg(long)]
    who: Option<String>,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Tell nobody of alerts that match, until a moment that is told as well
///
/// Examples:
///
///   flyball alert silence --service checkout --for 2h --why 'the database moves'
///   flyball alert silence --slo checkout-latency --severity ticket --for 3d --why 'known, fixed on Monday'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
struct SilenceArgs {
    /// Alerts of this service
    #[arg(long, group = "what")]
    service: Option<String>,
    /// Alerts of this SLO
    #[arg(long, group = "what")]
    slo: Option<String>,
    /// Alerts of this slice, by its label
    #[arg(long, group = "what")]
    slice: Option<String>,
    /// Alerts of this severity: page or ticket
    #[arg(long, group = "what", value_parser = ["page", "ticket"])]
    severity: Option<String>,
    /// For how long, as in 2h; 30d at most
    #[arg(long = "for", value_name = "TIME", value_parser = Duration::parse)]
    length: Duration,
    /// Why
    #[arg(long)]
    why: String,
    /// Whom to talk to; the token or the person who asks is named beside
    #[arg(long)]
    who: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// List the silences: those to come, in force, and the newest that are over
#[derive(Debug, clap::Args)]
struct SilencesArgs {
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// End a silence before its time: what still fires is told
///
/// Examples:
///
///   flyball alert unsilence 3
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct UnsilenceArgs {
    /// The silence's id, as in the list
    id: u64,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: AlertArgs) -> anyhow::Result<Exit> {
    match args.command {
        AlertCommand::List(args) => list(&args),
        AlertCommand::Show(args) => show(&args),
        AlertCommand::Ack(args) => acknowledge(&args),
        AlertCommand::PassOn(args) => pass_on(&args),
        AlertCommand::Silence(args) => silence(&args),
        AlertCommand::Silences(args) => silences(&args),
        AlertCommand::Unsilence(args) => unsilence(&args),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    if args.foreign {
        let said: Value =
            remote.whole(&["api", "v1", "alerts", "foreign"], &[], ("alerts", "after"))?;
        let list = serde_json::from_value(said.clone())?;
        answer(args.output, &said, || Ok(alerts::foreign(&list)))?;
        return Ok(Exit::Met);
    }
    let (limit, before) = (args.limit.to_string(), args.before.map(|id| id.to_string()));
    let mut query = vec![("limit", limit.as_str())];
    query.extend(args.state.map(|state| ("state", state.name())));
    let texts = [("service", &args.service), ("slo", &args.slo), ("before", &before)];
    query.extend(texts.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?))));
    let said: Value = remote.get(&["api", "v1", "alerts"], &query)?;
    let page = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || Ok(alerts::alerts(&page)))?;
    Ok(Exit::Met)
}

fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let id = args.id.to_string();
    let said: Value = Remote::new(&args.server)?.get(&["api", "v1", "alerts", &id], &[])?;
    let alert = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || Ok(alerts::alert(&alert)))?;
    Ok(Exit::Met)
}

fn acknowledge(args: &AckArgs) -> anyhow::Result<Exit> {
    let AckArgs { id, who, note, server } = args;
    let path = ["api", "v1", "alerts", &id.to_string(), "acknowledge"];
    let alert: Value = Remote::new(server)?.post(&path, &json!({ "who": who, "note": note }))?;
    let who = alert["acknowledged"]["who"].as_str().unwrap_or_default();
    talk::note(&format!("alert {id} was taken on by {}", printable(who)));
    Ok(Exit::Met)
}

fn pass_on(args: &PassOnArgs) -> anyhow::Result<Exit> {
    let PassOnArgs { id, who, why, server } = args;
    let path = ["api", "v1", "alerts", &id.to_string(), "pass-on"];
    let alert: Value = Remote::new(server)?.post(&path, &json!({ "who": who, "why": why }))?;
    let calls = alert["calls"].as_array().and_then(|calls| calls.last());
    let step = calls.and_then(|call| call["steps"].as_array()?.last());
    let people = step.and_then(|step| step["who"].as_array()).into_iter().flatten();
    let people: Vec<&str> = people.filter_map(Value::as_str).collect();
    let level = step.and_then(|step| step["name"].as_str()).unwrap_or_default();
    let who = if people.is_empty() { "nobody".to_owned() } else { people.join(", ") };
    talk::note(&printable(&format!("alert {id} goes to {level}: {who} is called")));
    Ok(Exit::Met)
}

fn silence(args: &SilenceArgs) -> anyhow::Result<Exit> {
    let SilenceArgs { service, slo, slice, severity, length, why, who, server } = args;
    let fields = [("service", service), ("slo", slo), ("slice", slice), ("severity", severity)];
    let matchers = fields.into_iter().filter_map(|(field, value)| {
        value.as_ref().map(|value| json!({ "field": field, "value": value }))
    });
    let matchers: Vec<Value> = matchers.collect();
    let body = json!({ "matchers": matchers, "length": length, "who": who, "why": why });
    let made: Value = Remote::new(server)?.post(&["api", "v1", "silences"], &body)?;
    let until = made["until"].as_str().unwrap_or_default();
    talk::note(&format!("silence {} lasts until {}", made["id"], printable(until)));
    Ok(Exit::Met)
}

fn silences(args: &SilencesArgs) -> anyhow::Result<Exit> {
    let said: Value =
        Remote::new(&args.server)?.whole(&["api", "v1", "silences"], &[], ("silences", "after"))?;
    let list = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || Ok(alerts::silences(&list)))?;
    Ok(Exit::Met)
}

fn unsilence(args: &UnsilenceArgs) -> anyhow::Result<Exit> {
    let path = ["api", "v1", "silences", &args.id.to_string()];
    Remote::new(&args.server)?.delete(&path, &[])?;
    talk::note(&format!("silence {} is over", args.id));
    Ok(Exit::Met)
}
