//! The part of the page about what was read.

use std::fmt::{Result, Write};

use super::super::words;
use super::super::words::plural;
use super::table::{Cell, Column, Table, number, text, time};
use super::text::{Marked, Safe};
use crate::replay::ReplayReport;

/// Inputs listed one by one at most.
const INPUTS_MAX: usize = 200;

const COLUMNS: [Column; 9] = [
    text("Input"),
    text("Format"),
    number("Bytes"),
    number("Decoded"),
    number("Lines"),
    number("Events"),
    number("Refused"),
    time("From"),
    time("To"),
];

/// Writes what was read and what was refused.
pub(super) fn write(out: &mut String, report: &ReplayReport) -> Result {
    write!(
        out,
        r#"<section class="card" id="inputs" aria-labelledby="inputs-h"><h2 id="inputs-h">Inputs</h2><p>{}, {} refused; {} outside the range asked for, {} in the future. Counted in slots of {}.</p>"#,
        plural(report.events, "event", "events"),
        plural(report.rejected, "line", "lines"),
        words::count(report.events_outside_range),
        words::count(report.events_in_future),
        report.slot_width
    )?;
    let mut table = Table::open(out, "", "", &COLUMNS)?;
    for input in report.inputs.iter().take(INPUTS_MAX) {
        let moment = |at: Option<_>| Cell::from(at.map_or_else(|| "–".to_owned(), words::moment));
        let format = words::format(input);
        let packed = match input.compression.as_str() {
            "none" => String::new(),
            compression => format!(", {compression}"),
        };
        table.row(
            format_args!(r#"<span class="mono">{}</span>"#, Safe(&input.name)),
            [
                format!("{}{}", Safe(format), Safe(&packed)).into(),
                words::count(input.bytes_read).into(),
                words::count(input.bytes_decoded).into(),
                words::count(input.lines).into(),
                words::count(input.events).into(),
                words::count(input.rejected.iter().map(|rejected| rejected.count).sum()).into(),
                moment(input.first),
                moment(input.last),
            ],
        )?;
    }
    table.close();
    if report.inputs.len() > INPUTS_MAX {
        let more = (report.inputs.len() - INPUTS_MAX) as u64;
        write!(out, "<p>… and {}.</p>", plural(more, "more input", "more inputs"))?;
    }
    for input in report
        .inputs
        .iter()
        .filter(|input| !input.rejected.is_empty() || input.damage.is_some())
        .take(INPUTS_MAX)
    {
        write!(out, r#"<h3 class="mono">{}</h3>"#, Safe(&input.name))?;
        if let Some(damage) = &input.damage {
            write!(out, "<p>Ended early: {}</p>", Safe(damage))?;
        }
        for rejected in &input.rejected {
            write!(
                out,
                "<details><summary>{} refused: {}</summary><ul>",
                words::count(rejected.count),
                Safe(rejected.reason)
            )?;
            for example in &rejected.examples {
                let column =
                    example.column.map_or_else(String::new, |column| format!(", byte {column}"));
                write!(
                    out,
                    r#"<li>line {}{column}: <code class="mono">{}</code></li>"#,
                    words::count(example.line),
                    Safe(&example.excerpt)
                )?;
            }
            out.push_str("</ul>");
            if let Some(remedy) = rejected.remedy {
                write!(out, "<p>{}</p>", Marked(remedy))?;
            }
            out.push_str("</details>");
        }
    }
    out.push_str("</section>\n");
    Ok(())
}
