//! `flyball gate`: may a change ship?

mod risk;

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{Form, answer};
use crate::output::words::{printable, to_seconds};
use crate::remote::{Remote, ServerArgs, in_commands};
use crate::{Exit, talk};

/// What the process answers to a pipeline.
const EXIT_CODES: &str = "Exit codes: 0 it may ship, 1 denied, 2 the question cannot be asked, or the \
    server not reached, 3 undecidable: it cannot be told, and waits.";

/// Ask whether a change of a service may ship, by the policy of its tier
///
/// What is decided is kept on the server, with what it was decided from. A denial says until when, or
/// what would change it. Restoring is never denied; a service without data is told so, and not blocked.
/// Until a policy is signed by its approvers, it denies nothing and says what it would have done. With
/// --rollout it also says what the rollout may cost, by what changes of the service cost before.
///
/// Examples:
///
///   flyball gate checkout
///   flyball gate checkout --class fix --change release-14 --revision 4f2a9c1
///   flyball gate checkout --rollout canary:5%:30m
///   flyball gate checkout --class rollback -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXIT_CODES)]
pub(crate) struct GateArgs {
    /// The service that is to change
    #[arg(value_name = "SERVICE")]
    service: String,
    /// Why: feature, maintenance, fix, p0, reliability, security, rollback, `kill_switch` or drain
    #[arg(long, default_value = "feature")]
    class: String,
    /// How it reaches users, as canary:5%:30m or canary:5%:30m,50%:1h; everybody at once unless told
    #[arg(long, value_name = "STEPS")]
    rollout: Option<String>,
    /// Where it goes
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// What the change is known by
    #[arg(long, value_name = "ID")]
    change: Option<String>,
    /// The commit or version that would run afterwards
    #[arg(long, value_name = "COMMIT")]
    revision: Option<String>,
    /// Only look: the decision is not kept
    #[arg(long)]
    dry_run: bool,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is read of an answer.
#[derive(Debug, serde::Deserialize)]
struct Answer {
    id: Option<String>,
    exit_code: u8,
    warning: Option<String>,
    decision: Decision,
}

#[derive(Debug, serde::Deserialize)]
struct Decision {
    service: String,
    class: String,
    outcome: String,
    policy: Policy,
    level: Option<String>,
    reasons: Vec<Reason>,
    until: Option<String>,
    reach: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Policy {
    name: String,
    version: u32,
    standing: String,
}

#[derive(Debug, serde::Deserialize)]
struct Reason {
    outcome: String,
    text: String,
    lifts: Vec<Lift>,
}

/// What would change a decision.
#[derive(Debug, serde::Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
enum Lift {
    Time { at: String },
    SignOff { role: String, command: String },
    Approval { role: String, command: Option<String> },
    Cap { share: String, bake: String },
    Data { of: Vec<String> },
    Override { roles: Vec<String> },
}

impl Lift {
    fn sentence(&self) -> String {
        match self {
            Self::Time { at } => format!("waiting until {at}, if nothing more goes wrong"),
            Self::SignOff { role, command } => format!("a signature of {role}: {command}"),
            Self::Approval { role, command: Some(command) } => {
                format!("the approval of another person as {role}: {command}")
            }
            Self::Approval { role, command: None } => {
                format!(
                    "the approval of another person as {role}; ask with --change, so that it can be given"
                )
            }
            Self::Cap { share, bake } => {
                format!("a rollout to at most {share} of users, each step watched for {bake}")
            }
            Self::Data { of } => format!("fresh data of {}", of.join(", ")),
            Self::Override { roles } => format!("an override by {}", roles.join(" or ")),
        }
    }
}

pub(crate) fn run(args: &GateArgs) -> anyhow::Result<Exit> {
    let remote = Remote::new(&args.server)?;
    let path = ["api", "v1", "gate", args.service.as_str()];
    let mut asked = vec![("class", args.class.as_str())];
    let more = [
        ("rollout", &args.rollout),
        ("environment", &args.environment),
        ("change", &args.change),
        ("revision", &args.revision),
    ];
    asked.extend(more.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let said: Value = if args.dry_run {
        remote.get(&path, &asked)?
    } else {
        let body = asked.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        remote.post(&path, &body.collect::<Map<String, Value>>())?
    };
    let found: Answer = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || card(&found))?;
    if let Some(warning) = &found.warning {
        let (said, hint) = warning.split_once("; hint: ").unwrap_or((warning, ""));
        talk::warning(&printable(&format!("{said}\nhint: {}", in_commands(hint))));
    }
    if let Some(rollout) = args.rollout.as_deref().filter(|_| matches!(args.output, Form::Table)) {
        risk::tell(&remote, &args.service, rollout);
    }
    Ok(match found.exit_code {
        0 => Exit::Met,
        1 => Exit::Missed,
        _ => Exit::Undecided,
    })
}

/// The decision for people: what, why, what would change it.
fn card(found: &Answer) -> anyhow::Result<String> {
    let Answer { id, decision, .. } = found;
    let Decision { service, class, outcome, policy, level, reasons, until, reach } = decision;
    let mut out = String::new();
    writeln!(out, "{} {class} of {service}", outcome.to_uppercase())?;
    for Reason { outcome, text, lifts } in reasons {
        writeln!(out, "  {outcome}: {text}")?;
        for lift in lifts {
            writeln!(out, "    would change it: {}", lift.sentence())?;
        }
    }
    if let Some(until) = until {
        writeln!(out, "until {until}, if nothing more goes wrong")?;
    }
    if let Some(reach) = reach {
        writeln!(out, "to at most {reach} of users")?;
    }
    let Policy { name, version, standing } = policy;
    let level = level.as_deref().unwrap_or("cannot be told");
    writeln!(out, "policy {name} {version}, {standing}; level {level}")?;
    if let Some(id) = id {
        writeln!(out, "decision {id}")?;
    }
    Ok(printable(&to_seconds(&out)))
}
