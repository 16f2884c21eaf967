//! Classes of what spent a budget: given and listed.

use serde_json::{Value, json};

use super::Request;
use super::reports::ReportArgs;
use crate::Exit;
use crate::commands::answer;
use crate::output::grid::Grid;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};

/// Say which class of outage an incident, a change or a drill was
///
/// Policies exempt classes: those that ship exempt company-network, out-of-scope (a load test, recorded as a drill) and
/// miscategorised. Who may override may say so. `none` takes it back.
///
/// Examples:
///
///   flyball policy classify checkout devlake:OPS-17 company-network --role engineering_lead --why 'the backbone was down'
///   flyball policy classify checkout load-test-7 out-of-scope --role product_manager --why 'no user was there'
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ClassifyArgs {
    /// The service
    service: String,
    /// The incident, change or drill, as `flyball budget --by-cause` names it
    id: String,
    /// The class; none takes it back
    class: String,
    /// As what you say so
    #[arg(long)]
    role: String,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// List what was put into classes, the last word on each
///
/// Examples:
///
///   flyball policy classes checkout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ClassesArgs {
    #[command(flatten)]
    asked: ReportArgs,
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    classes: Vec<Classing>,
}

#[derive(Debug, serde::Deserialize)]
struct Classing {
    posting: String,
    class: Option<String>,
    role: String,
    who: String,
    why: String,
    at: String,
}

impl ClassifyArgs {
    pub(super) fn request(self) -> Request {
        let Self { service, id, class, role, why, server } = self;
        let class = Some(class).filter(|class| class != "none");
        let path = ["api", "v1", "gate", service.as_str(), "classes"].map(str::to_owned);
        let body = json!({ "posting": id, "class": class, "role": role, "why": why });
        (server, path.to_vec(), body)
    }
}

pub(super) fn list(ClassesArgs { asked }: &ClassesArgs) -> anyhow::Result<Exit> {
    let path = ["api", "v1", "gate", &asked.service, "classes"];
    let said: Value = Remote::new(&asked.server)?.whole(&path, &[], ("classes", "before"))?;
    let Listed { classes } = serde_json::from_value(said.clone())?;
    answer(asked.output, &said, || {
        let mut table = Grid::new("nothing is in a class", &["what", "class", "by", "at", "why"]);
        for one in &classes {
            table.add_row([
                printable(&one.posting),
                printable(one.class.as_deref().unwrap_or("none")),
                printable(&format!("{} ({})", one.who, one.role)),
                printable(&one.at),
                printable(&one.why),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    Ok(Exit::Met)
}
