//! A replay on the terminal.

use std::fmt::Write;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use flyball_budget::budget::Unit;
use flyball_budget::correction::CorrectionReport;
use flyball_budget::report::{Assessment, CompositeReport, SliceReport, SloReport};
use flyball_model::Severity;

use super::rows::{Row, rows};
use super::words;
use crate::replay::ReplayReport;

/// Worst hours and alerts listed for each objective; the other forms have them all.
const LISTED_MAX: usize = 5;
/// Slices listed for each objective.
const SLICES_LISTED_MAX: usize = 10;

/// The report as text, readable without colour.
pub(super) fn render(report: &ReplayReport) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, report);
    words::printable(&out)
}

fn write(out: &mut String, report: &ReplayReport) -> std::fmt::Result {
    inputs(out, report)?;
    writeln!(out)?;
    if !report.slos.is_empty() {
        writeln!(out, "{}", summary(report))?;
    }
    for slo in &report.slos {
        details(out, slo)?;
    }
    for left_out in &report.not_evaluated {
        writeln!(out, "\n{}: not evaluated: {}", left_out.slo, left_out.reason)?;
    }
    idle_corrections(out, &report.corrections)?;
    writeln!(out, "\n{}", words::verdict(&report.verdict))
}

/// A line for each correction that no SLO lists, because it met none of the data.
fn idle_corrections(out: &mut String, corrections: &[CorrectionReport]) -> std::fmt::Result {
    let idle = corrections.iter().filter(|one| one.slos.is_empty() || one.occurrences == 0);
    for (index, correction) in idle.enumerate() {
        let why = if correction.slos.is_empty() {
            "it applies to none of these SLOs"
        } else {
            "none of its occurrences lies in the data"
        };
        let gap = if index == 0 { "\n" } else { "" };
        writeln!(out, "{gap}correction {} changed nothing: {why}", correction.name)?;
    }
    Ok(())
}

fn inputs(out: &mut String, report: &ReplayReport) -> std::fmt::Result {
    for input in &report.inputs {
        let time = match (input.first, input.last) {
            (Some(first), Some(last)) => {
                format!(", {} – {}", words::moment(first), words::moment(last))
            }
            _ => String::new(),
        };
        writeln!(
            out,
            "{}: {}, {}, {}{time}",
            input.name,
            // A format that was spelt out is known to whoever spelt it.
            words::format(input).split(':').next().unwrap_or_default(),
            words::plural(input.lines, "line", "lines"),
            words::plural(input.events, "event", "events"),
        )?;
        out.push_str(&words::rejects(input));
    }
    if report.events_outside_range > 0 {
        writeln!(
            out,
            "  {} outside the time range",
            words::plural(report.events_outside_range, "event", "events")
        )?;
    }
    if report.events_in_future > 0 {
        writeln!(
            out,
            "  {} in the future left out",
            words::plural(report.events_in_future, "event", "events")
        )?;
    }
    Ok(())
}

/// A table without lines.
pub(super) fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(Cell::new));
    table
}

/// Aligns numbers to the right and takes away what the table adds at the ends of lines.
pub(super) fn finish(mut table: Table, right: &[usize]) -> String {
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// As [`finish`]; `nothing` where there are no rows.
pub(super) fn finish_or(nothing: &str, table: Table, right: &[usize]) -> String {
    if table.is_empty() { nothing.to_owned() } else { finish(table, right) }
}

fn summary(report: &ReplayReport) -> String {
    let mut table = new_table(&[
        "SLO", "TARGET", "SLI", "STATUS", "VALID", "BAD", "ALLOWED", "LEFT", "LEFT %", "BURN",
    ]);
    for row in rows(&report.slos) {
        table.add_row(cells(&row));
    }
    finish(table, &[1, 2, 4, 5, 6, 7, 8, 9])
}

fn cells(row: &Row<'_>) -> [String; 10] {
    let [valid, bad, allowed, left, burn] = row.total.map_or_else(Default::default, |total| {
        let budget = &total.budget;
        let unit = if matches!(budget.unit, Unit::Slices) { " slices" } else { "" };
        let [valid, bad] = match budget.slices {
            None => [words::count(budget.valid), words::count(budget.bad)],
            // Slices of time are what is counted, whatever many events each has.
            Some(slices) => {
                [words::count(slices) + unit, words::amount(budget.spent.to_f64()) + unit]
            }
        };
        let first = total.burns.first();
        [
            valid,
            bad,
            words::amount(budget.allowed.to_f64()) + unit,
            words::amount(budget.remaining.to_f64()) + unit,
            first
                .map(|burn| format!("{} ({})", rate(burn.burn), burn.lookback))
                .unwrap_or_default(),
        ]
    });
    [
        row.name(),
        row.target_text.clone(),
        row.sli_text(),
        words::status(row.status).to_owned(),
        valid,
        bad,
        allowed,
        left,
        row.remaining_share.map_or_else(|| "–".to_owned(), words::percent),
        burn,
    ]
}

/// A burn to two decimals; a dash without data.
fn rate(burn: Option<f64>) -> String {
    burn.map_or_else(|| "–".to_owned(), |burn| format!("{burn:.2}"))
}

fn details(out: &mut String, slo: &SloReport) -> std::fmt::Result {
    let title = slo.display_name.as_deref().unwrap_or(&slo.slo);
    match &slo.composite {
        Some(CompositeReport::Weighted(weighted)) => writeln!(
            out,
            "\n{title} as a whole ({}, components by weight)\n  status    {}: {}\n  \
             budget    {} of the joint budget left",
            slo.service,
            words::status(weighted.status),
            words::reason(weighted.reason),
            weighted.remaining_share.map_or_else(|| "–".to_owned(), words::percent)
        )?,
        Some(CompositeReport::AllOf(all_of)) => {
            let (target, width) = (all_of.target, all_of.slice_width);
            writeln!(out, "\n{title} as a whole ({}, {target} by slices of {width})", slo.service)?;
            assessment(out, slo, &all_of.total, &[])?;
        }
        None => {}
    }
    for objective in &slo.objectives {
        writeln!(out)?;
        write!(out, "{title}")?;
        if slo.composite.is_some() {
            write!(out, " · component")?;
        }
        if let Some(name) = &objective.name {
            write!(out, "{}{name}", if slo.composite.is_some() { " " } else { " · " })?;
        }
        writeln!(out, " ({}, {} by {:?})", slo.service, objective.target, slo.method)?;
        assessment(out, slo, &objective.total, &objective.slices)?;
    }
    if !slo.corrections.is_empty() {
        writeln!(out, "  corrections")?;
        for applied in &slo.corrections {
            writeln!(
                out,
                "    {} ({}, {}): {}: bad {} → {}, valid {} → {}",
                applied.name,
                applied.category,
                applied.author,
                words::stretch(applied.interval),
                words::count(applied.before.bad),
                words::count(applied.after.bad),
                words::count(applied.before.valid),
                words::count(applied.after.valid),
            )?;
        }
    }
    Ok(())
}

fn assessment(
    out: &mut String,
    slo: &SloReport,
    total: &Assessment,
    slices: &[SliceReport],
) -> std::fmt::Result {
    let budget = &total.budget;
    writeln!(
        out,
        "  status    {}: {}{}",
        words::status(total.status),
        words::reason(total.reason),
        words::slices_missed(slices)
    )?;
    writeln!(out, "  window    {}", words::window(slo, total.window.full))?;
    writeln!(out, "  coverage  {}", words::coverage(slo, total))?;
    let unit = if matches!(budget.unit, Unit::Slices) { "slices" } else { "events" };
    writeln!(
        out,
        "  budget    spent {} of {} {unit} ({}); as time {} of {}",
        words::amount(budget.spent.to_f64()),
        words::amount(budget.allowed.to_f64()),
        budget.spent_share.map_or_else(|| "–".to_owned(), words::percent),
        budget.minutes.spent.map_or_else(|| "–".to_owned(), words::minutes),
        words::minutes(budget.minutes.allowed_whole_window),
    )?;
    if budget.undecided > 0 {
        writeln!(out, "  undecided {}", words::undecided(budget.undecided))?;
    }
    if let Some(calendar) = &budget.calendar {
        write!(
            out,
            "  period    {} elapsed; bad so far {}, budget at traffic so far {}",
            words::percent(calendar.elapsed_share),
            words::amount(calendar.bad_so_far.to_f64()),
            words::amount(calendar.budget_at_traffic_so_far.to_f64()),
        )?;
        match &calendar.projection {
            Some(projection) => writeln!(
                out,
                "; projected {} bad of {} allowed",
                words::amount(projection.bad),
                words::amount(projection.allowed)
            )?,
            None => writeln!(out)?,
        }
    }
    let burns: Vec<String> =
        total.burns.iter().map(|burn| format!("{} {}", burn.lookback, rate(burn.burn))).collect();
    if !burns.is_empty() {
        writeln!(out, "  burn      {}", burns.join(" · "))?;
    }
    writeln!(out, "  forecast  {}", words::forecast(&total.forecast))?;
    for error in &total.rule_errors {
        writeln!(out, "  rule      {error}")?;
    }
    worst_hours(out, total)?;
    firings(out, total)?;
    if slices.is_empty() { Ok(()) } else { slice_table(out, slices) }
}

fn worst_hours(out: &mut String, total: &Assessment) -> std::fmt::Result {
    for (at, hour) in total.worst_hours.iter().take(LISTED_MAX).enumerate() {
        writeln!(
            out,
            "  {}{}: {} bad of {}",
            if at == 0 { "worst     " } else { "          " },
            words::moment(hour.interval.start()),
            words::count(hour.bad),
            words::count(hour.valid)
        )?;
    }
    Ok(())
}

fn firings(out: &mut String, total: &Assessment) -> std::fmt::Result {
    if total.firings.is_empty() {
        return writeln!(out, "  alerts    none would have fired");
    }
    writeln!(out, "  alerts    {}", words::calls(&total.firings))?;
    let sorted = words::pages_first(&total.firings);
    for firing in sorted.iter().take(LISTED_MAX) {
        let severity = if firing.severity == Severity::Page { "PAGE" } else { "ticket" };
        let end = match firing.end {
            Some(end) => format!("for {}", words::duration(end.since(firing.start))),
            None if firing.frozen => "still firing, for lack of data".to_owned(),
            None => "still firing".to_owned(),
        };
        let spent = firing.spent_in_window.map_or(String::new(), |spent| {
            format!(", {} of the budget spent", words::percent(spent))
        });
        writeln!(
            out,
            "            {severity} {} at {}, {} after onset, {end}{spent}",
            firing.rule,
            words::moment(firing.start),
            words::length(firing.detection_delay_seconds),
        )?;
    }
    let more = sorted.iter().skip(LISTED_MAX).copied();
    if sorted.len() > LISTED_MAX {
        writeln!(out, "            … and {} more; all of them: -o json", words::calls(more))?;
    }
    Ok(())
}

fn slice_table(out: &mut String, slices: &[SliceReport]) -> std::fmt::Result {
    let mut table = new_table(&["SLICE", "SLI", "STATUS", "VALID", "BAD", "LEFT", "ALERTS"]);
    let mut worst: Vec<_> = slices.iter().collect();
    worst.sort_by(|a, b| {
        b.assessment.budget.bad.cmp(&a.assessment.budget.bad).then(a.slice.cmp(&b.slice))
    });
    for slice in worst.iter().take(SLICES_LISTED_MAX) {
        let budget = &slice.assessment.budget;
        table.add_row(vec![
            // One row a slice, whatever its attribute holds.
            slice.slice.replace('\n', "\u{fffd}"),
            words::sli(&slice.assessment),
            words::status(slice.assessment.status).to_owned(),
            words::count(budget.valid),
            words::count(budget.bad),
            budget.remaining_share.map_or_else(|| "–".to_owned(), words::percent),
            words::calls(&slice.assessment.firings),
        ]);
    }
    for line in finish(table, &[1, 3, 4, 5]).lines() {
        writeln!(out, "  {line}")?;
    }
    if slices.len() > SLICES_LISTED_MAX {
        let more = (slices.len() - SLICES_LISTED_MAX) as u64;
        let more = words::plural(more, "more slice", "more slices");
        writeln!(out, "   … and {more}; all of them: -o json")?;
    }
    Ok(())
}
