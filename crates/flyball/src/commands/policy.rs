//! `flyball policy`: how binding policies are, and what people decide by hand.

mod approve;
mod backtest;
mod classify;
mod contest;
pub(super) mod reports;
mod test;

use flyball_model::{Duration, Timestamp};
use serde_json::{Value, json};

use super::replay::now;
use super::{Form, answer};
use crate::output::grid::Grid;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// List, test and sign policies, and decide by hand: freeze, override, approve, sign off
///
/// A policy is a document (`kind: BudgetPolicy`), applied as others are. It is advisory until each of
/// its approvers has signed this version. Whoever acts is known by their token. Freezes and
/// overrides have a reason and an end; a signature has neither.
#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyCommand {
    List(ListArgs),
    Test(test::TestArgs),
    Backtest(backtest::BacktestArgs),
    #[command(flatten)]
    Act(Act),
    Overrides(reports::ReportArgs),
    Blocks(reports::BlocksArgs),
    Approvals(approve::ApprovalsArgs),
    Classes(classify::ClassesArgs),
    Contests(contest::ListArgs),
}

/// Whom an act is told, where, and with which words.
type Request = (ServerArgs, Vec<String>, Value);

/// What somebody does, and a server keeps.
#[derive(Debug, clap::Subcommand)]
enum Act {
    Sign(SignArgs),
    Freeze(FreezeArgs),
    Lift(LiftArgs),
    Override(OverrideArgs),
    Agree(AgreeArgs),
    Revoke(EndArgs),
    SignOff(SignOffArgs),
    Approve(approve::ApproveArgs),
    Withdraw(approve::WithdrawArgs),
    Classify(classify::ClassifyArgs),
    Contest(contest::ContestArgs),
    Evidence(contest::EvidenceArgs),
    Settle(contest::SettleArgs),
}

/// List the policies and whose signatures are missing
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: ServerArgs,
}

/// Sign the version of a policy that is in force, as one of its approvers
///
/// Examples:
///
///   flyball policy sign four-weeks --role sre
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct SignArgs {
    /// The policy
    name: String,
    /// As what you sign
    #[arg(long)]
    role: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Stop changes of a service by hand, for at most 14 days
///
/// Examples:
///
///   flyball policy freeze checkout --role product_manager --why 'the sale starts' --until 2026-12-01T18:00:00Z
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct FreezeArgs {
    /// The service
    service: String,
    /// What waits, once for each class; features unless told
    #[arg(long = "class", value_name = "CLASS", default_value = "feature")]
    classes: Vec<String>,
    #[command(flatten)]
    act: ActArgs,
}

/// Let changes of a class through for a time, whatever the policy decides
///
/// Examples:
///
///   flyball policy override checkout --class feature --change release-14 --role product_manager \
///     --why 'a contract ends tonight' --until 4h
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct OverrideArgs {
    /// The service
    service: String,
    /// Which class of changes
    #[arg(long, default_value = "feature")]
    class: String,
    /// Only this change; any of the class unless told
    #[arg(long, value_name = "ID")]
    change: Option<String>,
    #[command(flatten)]
    act: ActArgs,
}

/// Sign off a level that stays until somebody does
///
/// Examples:
///
///   flyball policy sign-off checkout overspent --role sre
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct SignOffArgs {
    /// The service
    service: String,
    /// The level
    level: String,
    /// As what you sign
    #[arg(long)]
    role: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Agree to an override of somebody else, where the policy asks for a second person
///
/// Examples:
///
///   flyball policy agree checkout checkout:2026-12-01T12:00:00Z --role sre
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct AgreeArgs {
    /// The service
    service: String,
    /// What the override is known by
    id: String,
    /// As what you agree
    #[arg(long)]
    role: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Take an override back before its end
///
/// Examples:
///
///   flyball policy revoke checkout checkout:2026-12-01T12:00:00Z --role sre --why 'the release broke'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct EndArgs {
    /// The service
    service: String,
    /// What it is known by
    id: String,
    /// As what you end it
    #[arg(long)]
    role: String,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Lift a block before its end
///
/// Examples:
///
///   flyball policy lift checkout checkout:2026-12-01T12:00:00Z --role product_manager --why 'sold out'
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct LiftArgs {
    #[command(flatten)]
    end: EndArgs,
}

/// Who answers for an act, why, until when.
#[derive(Debug, clap::Args)]
struct ActArgs {
    /// As what you answer for it
    #[arg(long)]
    role: String,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Until when, or for how long: 2026-12-01T18:00:00Z, or 4h
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Timestamp,
    #[command(flatten)]
    server: ServerArgs,
}

/// A moment, or a length of time from now on.
///
/// # Errors
///
/// Why it is neither.
pub(super) fn until(text: &str) -> Result<Timestamp, String> {
    match Duration::parse(text) {
        Ok(length) => Ok(now().plus(length)),
        Err(_) => Timestamp::parse(text).map_err(|error| error.to_string()),
    }
}

/// What was done.
#[derive(Debug, serde::Deserialize)]
struct Done {
    id: String,
    who: String,
    expires: Option<String>,
    waits_for: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    policies: Vec<Info>,
}

#[derive(Debug, serde::Deserialize)]
struct Info {
    name: String,
    version: u32,
    enforced: bool,
    missing: Vec<String>,
    description: String,
}

pub(crate) fn run(args: PolicyArgs) -> anyhow::Result<Exit> {
    let (server, path, body) = match args.command {
        PolicyCommand::List(args) => return list(&args),
        PolicyCommand::Overrides(args) => return reports::overrides(&args),
        PolicyCommand::Blocks(args) => return reports::blocks(&args),
        PolicyCommand::Approvals(args) => return approve::list(&args),
        PolicyCommand::Classes(args) => return classify::list(&args),
        PolicyCommand::Contests(args) => return contest::list(&args),
        PolicyCommand::Test(args) => return test::run(&args),
        PolicyCommand::Backtest(args) => return backtest::run(&args),
        PolicyCommand::Act(act) => act.request(),
    };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let done: Done = Remote::new(&server)?.post(&path, &body)?;
    let Done { id, who, expires, waits_for } = done;
    let until = expires.map(|at| format!(", until {at}")).unwrap_or_default();
    talk::note(&format!("done by {}{until}: {}", printable(&who), printable(&id)));
    if who == "anyone" {
        talk::note(
            "a server without tokens takes everybody for anyone, who may act in every role, and tells no two people \
             apart; hint: flyball token create",
        );
    }
    if let Some(role) = waits_for {
        let (service, _) = id.split_once(':').unwrap_or((&id, ""));
        talk::note(&printable(&format!(
            "it does nothing until somebody else agrees as {role}: flyball policy agree {service} {id} --role {role}"
        )));
    }
    Ok(Exit::Met)
}

impl Act {
    /// Whom an act is told, where, and with which words.
    fn request(self) -> Request {
        let path = |parts: &[&str]| {
            let all = ["api", "v1"].iter().chain(parts);
            all.map(|part| (*part).to_owned()).collect()
        };
        match self {
            Self::Sign(SignArgs { name, role, server }) => {
                (server, path(&["policies", &name, "signatures"]), json!({ "role": role }))
            }
            Self::Freeze(FreezeArgs { service, classes, act }) => {
                let ActArgs { role, why, until, server } = act;
                let body =
                    json!({ "classes": classes, "role": role, "why": why, "expires": until });
                (server, path(&["gate", &service, "blocks"]), body)
            }
            Self::Override(OverrideArgs { service, class, change, act }) => {
                let ActArgs { role, why, until, server } = act;
                let body = json!({
                    "class": class, "change": change, "role": role, "why": why, "expires": until,
                });
                (server, path(&["gate", &service, "overrides"]), body)
            }
            Self::SignOff(SignOffArgs { service, level, role, server }) => {
                let body = json!({ "level": level, "role": role });
                (server, path(&["gate", &service, "sign-offs"]), body)
            }
            Self::Approve(args) => args.request(),
            Self::Withdraw(args) => args.request(),
            Self::Classify(args) => args.request(),
            Self::Contest(args) => args.request(),
            Self::Evidence(args) => args.request(),
            Self::Settle(args) => args.request(),
            Self::Agree(AgreeArgs { service, id, role, server }) => {
                let path = path(&["gate", &service, "overrides", &id, "agreements"]);
                (server, path, json!({ "role": role }))
            }
            Self::Revoke(EndArgs { service, id, role, why, server }) => {
                let path = path(&["gate", &service, "overrides", &id, "end"]);
                (server, path, json!({ "role": role, "why": why }))
            }
            Self::Lift(LiftArgs { end: EndArgs { service, id, role, why, server } }) => {
                let path = path(&["gate", &service, "blocks", &id, "end"]);
                (server, path, json!({ "role": role, "why": why }))
            }
        }
    }
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let said: Value =
        Remote::new(&args.server)?.whole(&["api", "v1", "policies"], &[], ("policies", "after"))?;
    let Listed { policies } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let mut table =
            Grid::new("no policies", &["POLICY", "VERSION", "STANDING", "MISSING", "WHAT FOR"]);
        for Info { name, version, enforced, missing, description } in &policies {
            table.add_row([
                printable(name),
                version.to_string(),
                if *enforced { "enforced" } else { "advisory" }.to_owned(),
                printable(&missing.join(", ")),
                printable(description),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    Ok(Exit::Met)
}
