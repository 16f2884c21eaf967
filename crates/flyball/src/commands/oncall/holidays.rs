//! `flyball oncall holidays`: public holidays of an iCalendar as a rota's document lists them.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;
use flyball_connect::oncall::{HolidaysRead, holidays};

use crate::{Exit, talk};

/// Read public holidays from an iCalendar file, as a rota's `calendars` list them
///
/// Authorities and offices publish such files. What is printed goes under `calendars` of a `kind: Rota`.
///
/// Examples:
///
///   flyball oncall holidays berlin.ics --name berlin --from 2026 --to 2028
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct HolidaysArgs {
    /// The file
    file: PathBuf,
    /// What members call the calendar
    #[arg(long)]
    name: String,
    /// The first year
    #[arg(long, value_name = "YEAR")]
    from: i16,
    /// The last year
    #[arg(long, value_name = "YEAR")]
    to: i16,
}

pub(super) fn run(args: &HolidaysArgs) -> anyhow::Result<Exit> {
    let HolidaysArgs { file, name, from, to } = args;
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let HolidaysRead { days, left_out } = holidays(&text, *from..=*to)?;
    let name = serde_json::to_string(name)?;
    let mut out = format!("- name: {name}\n  days:\n");
    for day in &days {
        writeln!(out, "  - {{date: {}, name: {}}}", day.date, serde_json::to_string(&day.name)?)?;
    }
    super::super::print(&out)?;
    if left_out > 0 {
        talk::note(&format!(
            "{left_out} events were left out: they are not of whole days, or were cancelled"
        ));
    }
    Ok(Exit::Met)
}
