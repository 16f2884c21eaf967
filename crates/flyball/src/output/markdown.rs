//! A replay as Markdown, for a pull request or a wiki.

use std::fmt::Write;

use flyball_budget::report::{Assessment, SliceReport, SloReport};

use super::rows::{Row, rows};
use super::words;
use crate::replay::ReplayReport;

/// The report as GitHub-flavoured Markdown.
pub(super) fn render(report: &ReplayReport) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, report);
    out
}

/// Keeps a text inside its cell and free of markup.
pub(super) fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().map(words::visible) {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn write(out: &mut String, report: &ReplayReport) -> std::fmt::Result {
    writeln!(out, "# Error budgets at {}\n", words::moment(report.at))?;
    writeln!(out, "**{}**\n", words::verdict(&report.verdict))?;
    writeln!(
        out,
        "{} from {}, counted in slots of {}.",
        words::plural(report.events, "event", "events"),
        words::stretch(report.span),
        report.slot_width
    )?;
    if report.rejected > 0 {
        let lines = words::plural(report.rejected, "line", "lines");
        writeln!(out, "{lines} could not be read.")?;
    }
    writeln!(
        out,
        "\n| SLO | Target | SLI | Status | Valid | Good | Bad | Allowed | Remaining | Left |"
    )?;
    writeln!(out, "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|")?;
    let rows = rows(&report.slos);
    for row in &rows {
        line(out, row)?;
    }
    for row in &rows {
        let Some(total) = row.total else { continue };
        writeln!(out, "\n## {}\n", cell(&row.name()))?;
        details(out, row.slo, total, row.slices)?;
    }
    for left_out in &report.not_evaluated {
        writeln!(out, "\n{}: not evaluated: {}", cell(&left_out.slo), cell(&left_out.reason))?;
    }
    for warning in &report.warnings {
        writeln!(out, "\n> {}", cell(warning))?;
    }
    Ok(())
}

fn line(out: &mut String, row: &Row<'_>) -> std::fmt::Result {
    let [valid, good, bad, allowed, remaining] = row.total.map_or_else(Default::default, |total| {
        let budget = &total.budget;
        [
            words::count(budget.valid),
            words::count(budget.good),
            words::count(budget.bad),
            words::amount(budget.allowed.to_f64()),
            words::amount(budget.remaining.to_f64()),
        ]
    });
    writeln!(
        out,
        "| {} | {} | {} | {} | {valid} | {good} | {bad} | {allowed} | {remaining} | {} |",
        cell(&row.name()),
        row.target_text,
        row.sli_text(),
        words::status(row.status),
        row.remaining_share.map_or_else(|| "–".to_owned(), words::percent),
    )
}

fn details(
    out: &mut String,
    slo: &SloReport,
    total: &Assessment,
    slices: &[SliceReport],
) -> std::fmt::Result {
    writeln!(
        out,
        "- Status: {} ({}){}",
        words::status(total.status),
        words::reason(total.reason),
        words::slices_missed(slices)
    )?;
    writeln!(out, "- Window: {}", words::window(slo, total.window.full))?;
    writeln!(out, "- Coverage: {}", words::coverage(slo, total))?;
    writeln!(out, "- Forecast: {}", words::forecast(&total.forecast))?;
    writeln!(out, "- Alerts: {}", words::calls(&total.firings))?;
    if !total.firings.is_empty() {
        writeln!(out, "\n| Alert | Severity | Start | End | Delay | Budget spent |")?;
        writeln!(out, "|---|---|---|---|---:|---:|")?;
        for firing in words::pages_first(&total.firings) {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                cell(&firing.rule),
                words::severity(firing.severity),
                words::moment(firing.start),
                firing.end.map_or_else(|| "still firing".to_owned(), words::moment),
                words::length(firing.detection_delay_seconds),
                firing.spent_in_window.map_or_else(|| "–".to_owned(), words::percent),
            )?;
        }
    }
    if !total.worst_hours.is_empty() {
        writeln!(out, "\n| Worst hour | Valid | Good | Bad |")?;
        writeln!(out, "|---|---:|---:|---:|")?;
        for hour in &total.worst_hours {
            writeln!(
                out,
                "| {} | {} | {} | {} |",
                words::moment(hour.interval.start()),
                words::count(hour.valid),
                words::count(hour.good),
                words::count(hour.bad)
            )?;
        }
    }
    if !slices.is_empty() {
        writeln!(out, "\n| Slice | SLI | Status | Valid | Good | Bad | Left | Alerts |")?;
        writeln!(out, "|---|---:|---|---:|---:|---:|---:|---|")?;
        for slice in slices {
            let budget = &slice.assessment.budget;
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                cell(&slice.slice),
                words::sli(&slice.assessment),
                words::status(slice.assessment.status),
                words::count(budget.valid),
                words::count(budget.good),
                words::count(budget.bad),
                budget.remaining_share.map_or_else(|| "–".to_owned(), words::percent),
                words::calls(&slice.assessment.firings),
            )?;
        }
    }
    Ok(())
}
