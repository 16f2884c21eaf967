//! What is done about a pager.

use flyball_model::Timestamp;
use serde_json::{Value, json};

use super::{Custody, PATH, missing, sentence};
use crate::commands::delivery::moment;
use crate::commands::policy::until;
use crate::output::words::{self, printable};
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Everything that is done about a pager.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Act {
    Found(FoundArgs),
    Propose(ProposeArgs),
    Sign(SignArgs),
    Drop(DropArgs),
    Notice(NoticeArgs),
    Decide(DecideArgs),
    TakeBack(TakeBackArgs),
}

/// Say who carries the pager and since when, as it was found before anything was done about it here
///
/// Examples:
///
///   flyball custody found checkout developers --since 2024-05-01T00:00:00Z --why 'the rota of then'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct FoundArgs {
    /// The service
    service: String,
    /// Who carries it
    #[arg(value_enum)]
    holder: Holder,
    /// Since when
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Timestamp,
    /// How you know it
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Who carries a pager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Holder {
    /// Those who build it
    Developers,
    /// A rota of developers and operations
    Shared,
    /// An SRE team
    Sre,
}

/// Propose the next step towards SRE
///
/// Whoever proposes it does not sign it.
///
/// Examples:
///
///   flyball custody propose checkout shared --why 'ten thousand orders a day'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ProposeArgs {
    /// The service
    service: String,
    /// To whom
    #[arg(value_enum)]
    to: Holder,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Sign the proposed step; with the last signature the pager changes hands
///
/// Examples:
///
///   flyball custody sign checkout --role sre
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct SignArgs {
    #[command(flatten)]
    by: As,
}

/// Which service, and as what.
#[derive(Debug, clap::Args)]
struct As {
    /// The service
    service: String,
    /// As what you do it
    #[arg(long)]
    role: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Take the proposed step back
///
/// Examples:
///
///   flyball custody drop checkout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct DropArgs {
    /// The service
    service: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Give notice that the pager goes back to the developers
///
/// It is refused without a reason that the rules know: budgets missed by the quarter, too many pages. If nobody decides
/// on it, the pager goes back at the deadline.
///
/// Examples:
///
///   flyball custody notice checkout --role sre
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct NoticeArgs {
    #[command(flatten)]
    by: As,
}

/// Decide what comes of a notice
///
/// Examples:
///
///   flyball custody decide checkout returned --role engineering_lead --why 'we can mend it best'
///   flyball custody decide checkout blitz --until 60d --role engineering_lead --why 'a month of hardening'
///   flyball custody decide checkout staffed --by 'two of payments' --until 30d --role cto --why 'they are needed'
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct DecideArgs {
    /// The service
    service: String,
    /// What comes of it
    #[arg(value_enum)]
    outcome: Outcome,
    /// When the evidence is looked at again, or the service is off: 2026-12-01T18:00:00Z, or 60d
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Timestamp>,
    /// Who helps
    #[arg(long, value_name = "TEXT")]
    by: Option<String>,
    /// As what you decide
    #[arg(long)]
    role: String,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// What can come of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// The developers carry it once the notice is over
    Returned,
    /// The developers mend it first, and do little else
    Blitz,
    /// Others help for a time
    Staffed,
    /// The service is switched off
    Retired,
}

/// Take a notice back that nobody has decided on
///
/// Examples:
///
///   flyball custody take-back checkout --role sre
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct TakeBackArgs {
    #[command(flatten)]
    by: As,
}

/// Whom an act is told, of which service, where below its custody, and with which words.
type Request = (ServerArgs, String, &'static [&'static str], Value);

impl Act {
    fn request(self) -> Request {
        let signed = |by: As, path: &'static [&'static str]| {
            let As { service, role, server } = by;
            (server, service, path, json!({ "role": role }))
        };
        match self {
            Self::Found(FoundArgs { service, holder, since, why, server }) => {
                let body = json!({ "holder": holder, "since": since, "why": why });
                (server, service, &["finding"], body)
            }
            Self::Propose(ProposeArgs { service, to, why, server }) => {
                (server, service, &["step"], json!({ "to": to, "why": why }))
            }
            Self::Sign(SignArgs { by }) => signed(by, &["step", "signatures"]),
            Self::Drop(DropArgs { service, server }) => {
                (server, service, &["step", "end"], json!({}))
            }
            Self::Notice(NoticeArgs { by }) => signed(by, &["notice"]),
            Self::Decide(DecideArgs { service, outcome, until, by, role, why, server }) => {
                let body = json!({
                    "outcome": outcome, "until": until, "by": by, "role": role, "why": why,
                });
                (server, service, &["notice", "decision"], body)
            }
            Self::TakeBack(TakeBackArgs { by }) => signed(by, &["notice", "end"]),
        }
    }
}

pub(super) fn run(act: Act) -> anyhow::Result<Exit> {
    let (server, service, below, body) = act.request();
    let path: Vec<&str> = PATH.iter().chain([&service.as_str()]).chain(below).copied().collect();
    let custody: Custody = Remote::new(&server)?.post(&path, &body)?;
    talk::note(&printable(&format!("{service}: {}", sentence(&custody))));
    if let Some(step) = &custody.transfer {
        let missing = missing(&custody).join(", ");
        talk::note(&printable(&format!(
            "a step to {} is proposed; it waits for the signatures of {missing}",
            step.to
        )));
    }
    if let Some(at) = custody.returns {
        talk::note(&format!("it goes back to the developers at {}", words::moment(at)));
    }
    Ok(Exit::Met)
}
