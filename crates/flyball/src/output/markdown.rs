//! A replay as Markdown, for a pull request or a wiki.

use std::fmt::Write;

use flyball_budget::report::{ObjectiveReport, SloReport};
use flyball_model::Severity;

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
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn write(out: &mut String, report: &ReplayReport) -> std::fmt::Result {
    writeln!(out, "# Error budgets at {}\n", words::moment(report.at))?;
    writeln!(
        out,
        "{} events from {}, counted in slots of {}.",
        words::count(report.events),
        words::stretch(report.span),
        report.slot_width
    )?;
    if report.rejected > 0 {
        writeln!(out, "{} lines could not be read.", words::count(report.rejected))?;
    }
    writeln!(
        out,
        "\n| SLO | Target | SLI | Status | Valid | Good | Bad | Allowed | Remaining | Left |"
    )?;
    writeln!(out, "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|")?;
    for slo in &report.slos {
        for objective in &slo.objectives {
            let budget = &objective.total.budget;
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                cell(&title(slo, objective)),
                objective.target,
                words::sli(&objective.total),
                words::status(objective.total.status),
                words::count(budget.valid),
                words::count(budget.good),
                words::count(budget.bad),
                words::amount(budget.allowed.to_f64()),
                words::amount(budget.remaining.to_f64()),
                budget.remaining_share.map_or_else(|| "–".to_owned(), words::percent),
            )?;
        }
    }
    for slo in &report.slos {
        for objective in &slo.objectives {
            details(out, slo, objective)?;
        }
    }
    for left_out in &report.not_evaluated {
        writeln!(out, "\n{}: not evaluated: {}", cell(&left_out.slo), cell(&left_out.reason))?;
    }
    for warning in &report.warnings {
        writeln!(out, "\n> {}", cell(warning))?;
    }
    Ok(())
}

fn title(slo: &SloReport, objective: &ObjectiveReport) -> String {
    match &objective.name {
        Some(name) if slo.objectives.len() > 1 => format!("{} · {name}", slo.slo),
        _ => slo.slo.clone(),
    }
}

fn details(out: &mut String, slo: &SloReport, objective: &ObjectiveReport) -> std::fmt::Result {
    let total = &objective.total;
    writeln!(out, "\n## {}\n", cell(&title(slo, objective)))?;
    writeln!(out, "- Window: {}", words::stretch(total.window.full))?;
    writeln!(
        out,
        "- Status: {} ({}), {} of the window with data",
        words::status(total.status),
        words::reason(total.reason),
        words::percent(total.coverage.share)
    )?;
    writeln!(out, "- Forecast: {}", words::forecast(&total.forecast))?;
    if !total.firings.is_empty() {
        writeln!(out, "\n| Alert | Severity | Start | End | Delay | Budget spent |")?;
        writeln!(out, "|---|---|---|---|---:|---:|")?;
        for firing in &total.firings {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                cell(&firing.rule),
                if firing.severity == Severity::Page { "page" } else { "ticket" },
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
    if !objective.slices.is_empty() {
        writeln!(out, "\n| Slice | SLI | Status | Valid | Good | Bad | Left |")?;
        writeln!(out, "|---|---:|---|---:|---:|---:|---:|")?;
        for slice in &objective.slices {
            let budget = &slice.assessment.budget;
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                cell(&slice.slice),
                words::sli(&slice.assessment),
                words::status(slice.assessment.status),
                words::count(budget.valid),
                words::count(budget.good),
                words::count(budget.bad),
                budget.remaining_share.map_or_else(|| "–".to_owned(), words::percent),
            )?;
        }
    }
    Ok(())
}
