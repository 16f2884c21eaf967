//! What people have decided by hand for a service, and what came of it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Exit;
use crate::commands::{Form, answer};
use crate::output::grid::Grid;
use crate::output::words::{printable, whole_seconds};
use crate::remote::{Remote, ServerArgs};

/// Show who overrode what for a service, and how the changes that went through ended
///
/// Examples:
///
///   flyball policy overrides checkout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ReportArgs {
    /// The service
    pub(super) service: String,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    pub(super) output: Form,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// List the blocks of a service, those that are over among them
///
/// Examples:
///
///   flyball policy blocks checkout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct BlocksArgs {
    #[command(flatten)]
    asked: ReportArgs,
}

#[derive(Debug, serde::Deserialize)]
struct Report {
    overrides: Vec<Made>,
    people: BTreeMap<String, Record>,
}

#[derive(Debug, serde::Deserialize)]
struct Made {
    id: String,
    class: String,
    change: Option<String>,
    role: String,
    who: String,
    why: String,
    expires: String,
    second: Option<Second>,
    revoked: Option<Ended>,
    used: Vec<Used>,
}

#[derive(Debug, serde::Deserialize)]
struct Second {
    who: String,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Ended {
    who: String,
    at: String,
}

#[derive(Debug, serde::Deserialize)]
struct Used {
    change: Option<String>,
    ended: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Record {
    made: usize,
    ended: BTreeMap<String, usize>,
    open: usize,
    unused: usize,
}

#[derive(Debug, serde::Deserialize)]
struct Blocks {
    blocks: Vec<Block>,
}

#[derive(Debug, serde::Deserialize)]
struct Block {
    id: String,
    classes: Vec<String>,
    role: String,
    who: String,
    why: String,
    expires: String,
    lifted: Option<Ended>,
}

pub(super) fn overrides(args: &ReportArgs) -> anyhow::Result<Exit> {
    let path = ["api", "v1", "gate", &args.service, "overrides"];
    let said: Value = Remote::new(&args.server)?.whole(&path, &[], ("overrides", "before"))?;
    let Report { overrides, people } = serde_json::from_value(said.clone())?;
    answer(args.output, &said, || {
        let header = ["override", "for", "by", "with", "until", "why", "let through"];
        let mut table = Grid::new("no overrides", &header);
        for one in &overrides {
            let used = one.used.iter().map(|used| {
                let change = used.change.as_deref().unwrap_or("a change without a name");
                format!("{change}: {}", used.ended.as_deref().unwrap_or("not known yet"))
            });
            let what = one.change.as_deref().unwrap_or(&one.class);
            let second = one.second.as_ref().map_or("", |second| &second.who);
            table.add_row([
                printable(&one.id),
                printable(what),
                printable(&format!("{} ({})", one.who, one.role)),
                printable(second),
                until(&one.expires, one.revoked.as_ref()),
                printable(&one.why),
                printable(&used.collect::<Vec<_>>().join(", ")),
            ]);
        }
        let mut out = format!("{table}\n");
        for (who, Record { made, ended, open, unused }) in &people {
            let of = |word: &str| ended.get(word).copied().unwrap_or(0);
            let (healthy, regressed) = (of("healthy"), of("regressed"));
            out.push_str(&printable(&format!(
                "{who}: {made} made; of the changes {healthy} healthy, {regressed} regressed, {open} not known; \
                 {unused} unused\n"
            )));
        }
        Ok(out)
    })?;
    Ok(Exit::Met)
}

pub(super) fn blocks(BlocksArgs { asked }: &BlocksArgs) -> anyhow::Result<Exit> {
    let path = ["api", "v1", "gate", &asked.service, "blocks"];
    let said: Value = Remote::new(&asked.server)?.whole(&path, &[], ("blocks", "before"))?;
    let Blocks { blocks } = serde_json::from_value(said.clone())?;
    answer(asked.output, &said, || {
        let mut table = Grid::new("no blocks", &["block", "stops", "by", "until", "why"]);
        for block in &blocks {
            table.add_row([
                printable(&block.id),
                printable(&block.classes.join(", ")),
                printable(&format!("{} ({})", block.who, block.role)),
                until(&block.expires, block.lifted.as_ref()),
                printable(&block.why),
            ]);
        }
        Ok(format!("{table}\n"))
    })?;
    Ok(Exit::Met)
}

/// When it ends by itself, or ended before.
pub(super) fn until(expires: &str, early: Option<&Ended>) -> String {
    match early {
        Some(Ended { who, at }) => format!("{}, ended by {who}", whole_seconds(at)),
        None => expires.to_owned(),
    }
}
