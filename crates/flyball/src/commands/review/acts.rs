//! What is done to reviews.

use flyball_model::Timestamp;
use serde_json::{Value, json};

use super::PATH;
use super::show::Review;
use crate::commands::policy::until;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Everything that is done to a review.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Act {
    Open(OpenArgs),
    Answer(AnswerArgs),
    Adviser(AdviserArgs),
    Submit(SubmitArgs),
    Waive(WaiveArgs),
    Sign(SignArgs),
    Reopen(ReopenArgs),
    Withdraw(WithdrawArgs),
    Renew(RenewArgs),
}

/// Which review is meant.
#[derive(Debug, clap::Args)]
struct Of {
    /// The service
    service: String,
    /// What the review is known by, or its checklist for the last one
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Open a review of a service by a checklist
///
/// It is refused while the service is not eligible. Whoever opens it signs none of it.
///
/// Examples:
///
///   flyball review open checkout launch-readiness
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct OpenArgs {
    /// The service
    service: String,
    /// The checklist
    checklist: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Answer an item that a person answers
///
/// Examples:
///
///   flyball review answer checkout launch-readiness goes-back --yes --evidence 'release-7, 4 minutes'
///   flyball review answer checkout launch-readiness card-data --no
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct AnswerArgs {
    #[command(flatten)]
    of: Of,
    /// The item
    item: String,
    /// It is so
    #[arg(long, required_unless_present = "no", conflicts_with = "no")]
    yes: bool,
    /// It is not so
    #[arg(long)]
    no: bool,
    /// What shows it: words, or where it is
    #[arg(long, value_name = "TEXT", default_value = "")]
    evidence: String,
}

/// Assign who advises the team, from outside of it
///
/// Examples:
///
///   flyball review adviser checkout launch-readiness --who 'Dee of SRE'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct AdviserArgs {
    #[command(flatten)]
    of: Of,
    /// Their name
    #[arg(long, value_name = "NAME")]
    who: String,
}

/// Submit a review: the team says that it is ready
///
/// Examples:
///
///   flyball review submit checkout launch-readiness
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct SubmitArgs {
    #[command(flatten)]
    of: Of,
}

/// Waive an item that stands in the way, for a time
///
/// Examples:
///
///   flyball review waive checkout launch-readiness measured --role sre --why 'four weeks old' --until 30d
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct WaiveArgs {
    #[command(flatten)]
    of: Of,
    /// The item
    item: String,
    /// As what you waive it
    #[arg(long)]
    role: String,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Until when, or for how long: 2026-12-01T18:00:00Z, or 30d
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Timestamp,
}

/// Sign a review; with the last signature it is approved
///
/// Whoever opened or submitted it does not sign it, and nobody signs as two roles.
///
/// Examples:
///
///   flyball review sign checkout launch-readiness --role engineering_lead
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct SignArgs {
    #[command(flatten)]
    of: Of,
    /// As what you sign
    #[arg(long)]
    role: String,
}

/// Give a submitted review back to the team, whose answers stay
///
/// Examples:
///
///   flyball review reopen checkout launch-readiness
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ReopenArgs {
    #[command(flatten)]
    of: Of,
}

/// Give a review up
///
/// Examples:
///
///   flyball review withdraw checkout launch-readiness --why 'it is not launched this year'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct WithdrawArgs {
    #[command(flatten)]
    of: Of,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// Move a review to the version of its checklist that is in force
///
/// Examples:
///
///   flyball review renew checkout launch-readiness
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct RenewArgs {
    #[command(flatten)]
    of: Of,
}

/// Whom an act is told, where below the service's reviews, and with which words.
type Request = (ServerArgs, Vec<String>, Value);

impl Act {
    fn request(self) -> Request {
        let at = |of: Of, act: &str, body: Value| {
            let Of { service, id, server } = of;
            (server, vec![service, id, act.to_owned()], body)
        };
        match self {
            Self::Open(OpenArgs { service, checklist, server }) => {
                (server, vec![service], json!({ "checklist": checklist }))
            }
            Self::Answer(AnswerArgs { of, item, yes, evidence, .. }) => {
                at(of, "answers", json!({ "item": item, "yes": yes, "evidence": evidence }))
            }
            Self::Adviser(AdviserArgs { of, who }) => at(of, "adviser", json!({ "who": who })),
            Self::Submit(SubmitArgs { of }) => at(of, "submission", json!({})),
            Self::Waive(WaiveArgs { of, item, role, why, until }) => {
                let body = json!({ "item": item, "role": role, "why": why, "expires": until });
                at(of, "waivers", body)
            }
            Self::Sign(SignArgs { of, role }) => at(of, "signatures", json!({ "role": role })),
            Self::Reopen(ReopenArgs { of }) => at(of, "reopening", json!({})),
            Self::Withdraw(WithdrawArgs { of, why }) => at(of, "withdrawal", json!({ "why": why })),
            Self::Renew(RenewArgs { of }) => at(of, "version", json!({})),
        }
    }
}

pub(super) fn run(act: Act) -> anyhow::Result<Exit> {
    let (server, path, body) = act.request();
    let path: Vec<&str> = PATH.into_iter().chain(path.iter().map(String::as_str)).collect();
    let Review { line, blocking, missing, .. } = Remote::new(&server)?.post(&path, &body)?;
    talk::note(&printable(&format!("{} is {}", line.id, line.sentence())));
    if matches!(line.state.as_str(), "open" | "submitted") && !blocking.is_empty() {
        talk::note(&printable(&format!("in the way: {}", blocking.join(", "))));
    }
    if line.state == "submitted" && !missing.is_empty() {
        talk::note(&printable(&format!("it waits for the signatures of {}", missing.join(", "))));
    }
    Ok(Exit::Met)
}
