//! `flyball audit`: who has changed what on a server.

use std::io::Write;

use flyball_server::{AuditPage, AuditVerdict, Tokens};

use super::existing;
use crate::commands::token::PlaceArgs;
use crate::remote::Remote;
use crate::{Exit, talk};

/// Show and verify the log of all changes to a server's tokens, grants and documents
#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AuditCommand {
    Show(ShowArgs),
    Verify(VerifyArgs),
}

/// Show the changes, the oldest first, one JSON object a line
///
/// Examples:
///
///   flyball audit show --data /var/lib/flyball
///   flyball audit show --after 120 | jq -r .action
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ShowArgs {
    /// Only records behind this number
    #[arg(long, default_value_t = 0)]
    after: u64,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Compare every hash of the log: 0 when it is whole, 1 when it is not
///
/// What is printed is the number of the last record and its hash. Noted elsewhere, it shows later that
/// no record was cut off.
#[derive(Debug, clap::Args)]
struct VerifyArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

/// Records that are asked for at once.
const PAGE: usize = 1_000;

pub(crate) fn run(args: AuditArgs) -> anyhow::Result<Exit> {
    match args.command {
        AuditCommand::Show(args) => show(&args),
        AuditCommand::Verify(args) => verify(&args),
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let mut page: Box<dyn FnMut(u64) -> anyhow::Result<AuditPage>> =
        if let Some(data) = &args.place.data {
            let tokens = Tokens::open(existing(data)?)?;
            Box::new(move |after| Ok(tokens.audit(after, PAGE)?))
        } else {
            let remote = Remote::new(&args.place.server)?;
            Box::new(move |after| {
                let (after, limit) = (after.to_string(), PAGE.to_string());
                let query = [("after", after.as_str()), ("limit", limit.as_str())];
                remote.get(&["api", "v1", "audit"], &query)
            })
        };
    let mut out = std::io::stdout().lock();
    let mut after = args.after;
    loop {
        let records = page(after)?.records;
        let Some(last) = records.last() else { return Ok(Exit::Met) };
        after = last.number;
        for record in &records {
            writeln!(out, "{}", serde_json::to_string(record)?)?;
        }
    }
}

fn verify(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let verdict: AuditVerdict = match &args.place.data {
        Some(data) => Tokens::open(existing(data)?)?.verify_audit()?,
        None => Remote::new(&args.place.server)?.get(&["api", "v1", "audit", "verify"], &[])?,
    };
    if let Some(finding) = verdict.finding {
        talk::warning(&format!("the audit log is not as it was written: {finding}"));
        return Ok(Exit::Missed);
    }
    let head = verdict.head.as_deref().unwrap_or("-");
    writeln!(std::io::stdout().lock(), "{} {head}", verdict.records)?;
    Ok(Exit::Met)
}
