//! The part of the page about what was read.

use std::fmt::{Result, Write};

use super::super::words;
use super::section::plural;
use super::text::Safe;
use crate::replay::ReplayReport;

/// Inputs listed one by one at most.
const INPUTS_MAX: usize = 200;

/// Writes what was read and what was refused.
pub(super) fn write(out: &mut String, report: &ReplayReport) -> Result {
    write!(
        out,
        r#"<section class="card" id="inputs" aria-labelledby="inputs-h"><h2 id="inputs-h">Inputs</h2><p>{}, {} refused; {} outside the range asked for, {} in the future. Counted in slots of {}.</p><div class="scroll"><table><thead><tr><th scope="col">Input</th><th scope="col">Format</th><th scope="col" class="n">Bytes</th><th scope="col" class="n">Decoded</th><th scope="col" class="n">Lines</th><th scope="col" class="n">Events</th><th scope="col" class="n">Refused</th><th scope="col">From</th><th scope="col">To</th></tr></thead><tbody>"#,
        plural(report.events, "event", "events"),
        plural(report.rejected, "line", "lines"),
        words::count(report.events_outside_range),
        words::count(report.events_in_future),
        report.slot_width
    )?;
    for input in report.inputs.iter().take(INPUTS_MAX) {
        let moment = |at: Option<_>| at.map_or_else(|| "–".to_owned(), words::moment);
        write!(
            out,
            r#"<tr><th scope="row" class="mono">{}</th><td>{}, {}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td><td class="t">{}</td><td class="t">{}</td></tr>"#,
            Safe(&input.name),
            Safe(input.format.as_deref().unwrap_or("empty")),
            Safe(&input.compression),
            words::count(input.bytes_read),
            words::count(input.bytes_decoded),
            words::count(input.lines),
            words::count(input.events),
            words::count(input.rejected.iter().map(|rejected| rejected.count).sum()),
            moment(input.first),
            moment(input.last)
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    if report.inputs.len() > INPUTS_MAX {
        write!(out, "<p>… and {} more inputs.</p>", report.inputs.len() - INPUTS_MAX)?;
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
            out.push_str("</ul></details>");
        }
    }
    out.push_str("</section>\n");
    Ok(())
}
