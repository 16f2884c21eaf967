//! Budgets of a server on the terminal.

use std::fmt::Write;

use flyball_budget::Status;
use flyball_budget::forecast::Outlook;
use flyball_model::Severity;

use super::table::{finish_or, new_table};
use super::words;
use crate::remote::{
    BudgetView, CorrectionView, DoubtView, FillView, ForecastView, SloList, SloView, StandingView,
};

/// The budgets of all objectives and their slices as a table, readable without colour.
pub(crate) fn budgets(list: &SloList) -> String {
    let mut table = new_table(&[
        "SLO", "TARGET", "SLI", "STATUS", "VALID", "BAD", "LEFT %", "BURN", "FORECAST",
    ]);
    for slo in &list.slos {
        if let Some(whole) = &slo.composite {
            let [valid, bad] = whole.budget.as_ref().map_or_else(Default::default, units);
            table.add_row([
                slo.slo.clone(),
                whole.target.map_or_else(|| "–".to_owned(), words::percent_exact),
                sli(whole.sli()),
                words::status(whole.status).to_owned(),
                valid,
                bad,
                percent(whole.remaining_share()),
            ]);
        }
        let is_only = slo.objectives.len() == 1;
        for (at, objective) in slo.objectives.iter().enumerate() {
            let name = match &objective.name {
                _ if is_only => slo.slo.clone(),
                Some(name) => format!("{} · {name}", slo.slo),
                None => format!("{} · {}", slo.slo, at + 1),
            };
            table.add_row(row(name, words::percent_exact(objective.target), &objective.total));
            for slice in &objective.slices {
                // One row a slice, whatever its attribute holds.
                let name = format!("  {}", slice.slice.replace('\n', "\u{fffd}"));
                table.add_row(row(name, String::new(), &slice.standing));
            }
        }
    }
    let mut out = finish_or("no SLOs", table, &[1, 2, 4, 5, 6, 7]);
    // Writing to a string cannot fail.
    let _ = left_out(&mut out, list);
    words::printable(&out) + "\n"
}

/// What could not be decided, and why.
fn left_out(out: &mut String, list: &SloList) -> std::fmt::Result {
    for slo in &list.slos {
        if let Some(reason) = &slo.composite_reason {
            write!(out, "\n\n{} as a whole: not decided: {reason}", slo.slo)?;
        }
        if let Some(filling) = &slo.filling {
            write!(out, "\n\n{}: {}", slo.slo, filled(filling))?;
        }
        let undecided = slo.objectives.iter().map(|objective| objective.total.budget.undecided);
        if let Some(events @ 1..) = undecided.max() {
            write!(out, "\n\n{}: {}", slo.slo, words::undecided(events))?;
        }
        for doubt in &slo.doubts {
            write!(out, "\n\n{}: {}", slo.slo, doubted(doubt))?;
        }
        for correction in slo.corrections.iter().flatten() {
            write!(out, "\n\n{}: {}", slo.slo, corrected(correction))?;
        }
    }
    for left_out in &list.not_evaluated {
        write!(out, "\n\n{}: not evaluated: {}", left_out.slo, left_out.reason)?;
    }
    Ok(())
}

/// What counts and what of it is bad: events, or the slices of time that are counted in their place.
fn units(budget: &BudgetView) -> [String; 2] {
    match budget.slices {
        None => [words::count(budget.valid), words::count(budget.bad)],
        Some(slices) => {
            let bad = format!("{} slices", words::amount(budget.spent));
            [words::plural(slices, "slice", "slices"), bad]
        }
    }
}

/// What a correction changes, why, and who answers for it.
fn corrected(correction: &CorrectionView) -> String {
    let CorrectionView { name, category, author, before, after, .. } = correction;
    let changed = if correction.mode == "drop" {
        let events = before.valid.saturating_sub(after.valid);
        let bad = words::count(before.bad.saturating_sub(after.bad));
        format!("{} taken out, {bad} of them bad", words::plural(events, "event", "events"))
    } else {
        let bad = before.bad.saturating_sub(after.bad);
        format!("{} counted as good", words::plural(bad, "bad event", "bad events"))
    };
    let times = match correction.occurrences {
        1 => String::new(),
        times => format!(" in {}", words::plural(times, "occurrence", "occurrences")),
    };
    let reason = correction.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    format!("corrected by {name} ({category}, {author}): {changed}{times}{reason}")
}

fn doubted(doubt: &DoubtView) -> String {
    match &doubt.hint {
        Some(hint) => format!("{}; hint: {hint}", doubt.said),
        None => doubt.said.clone(),
    }
}

fn row(name: String, target: String, standing: &StandingView) -> [String; 9] {
    let burn = standing.burns.first();
    let [valid, bad] = units(&standing.budget);
    [
        name,
        target,
        sli(standing.budget.sli),
        words::status(standing.status).to_owned(),
        valid,
        bad,
        percent(standing.budget.remaining_share),
        burn.map_or_else(String::new, |burn| format!("{} ({})", rate(burn.burn), burn.lookback)),
        forecast(standing),
    ]
}

/// All SLOs, a line each.
pub(crate) fn slos(list: &SloList) -> String {
    let mut table = new_table(&["SLO", "SERVICE", "STATUS", "OBJECTIVES", "METHOD", "SINCE"]);
    for slo in &list.slos {
        table.add_row([
            slo.slo.clone(),
            slo.service.clone(),
            words::status(slo.status).to_owned(),
            slo.objectives.len().to_string(),
            slo.method.clone(),
            words::whole_seconds(&slo.since),
        ]);
    }
    for slo in &list.not_evaluated {
        let reason = format!("not evaluated: {}", slo.reason);
        table.add_row([slo.slo.clone(), "–".to_owned(), reason]);
    }
    words::printable(&finish_or("no SLOs", table, &[3])) + "\n"
}

/// Everything that is said of one SLO.
pub(crate) fn status(slo: &SloView) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = details(&mut out, slo);
    words::printable(&out)
}

fn details(out: &mut String, slo: &SloView) -> std::fmt::Result {
    let title = slo.display_name.as_deref().unwrap_or(&slo.slo);
    writeln!(out, "{title}: {}, complete up to {}", words::status(slo.status), slo.complete_up_to)?;
    writeln!(out, "  counted since {}", words::whole_seconds(&slo.since))?;
    if let Some(filling) = &slo.filling {
        writeln!(out, "  {}", filled(filling))?;
    }
    for doubt in &slo.doubts {
        writeln!(out, "  {}", doubted(doubt))?;
    }
    for correction in slo.corrections.iter().flatten() {
        writeln!(out, "  {}", corrected(correction))?;
    }
    if slo.corrections.is_none() {
        writeln!(out, "  what corrections change is not worked out yet; hint: ask again")?;
    }
    if let Some(whole) = &slo.composite {
        let left = percent(whole.remaining_share());
        writeln!(out, "  as a whole: {}, {left} of the budget left", words::status(whole.status))?;
    }
    if let Some(reason) = &slo.composite_reason {
        writeln!(out, "  as a whole: not decided: {reason}")?;
    }
    for objective in &slo.objectives {
        let total = &objective.total;
        let name = objective.name.as_ref().map_or_else(String::new, |name| format!(" · {name}"));
        let target = words::percent_exact(objective.target);
        writeln!(out, "\n{title}{name} ({}, {target} by {})", slo.service, slo.method)?;
        let (status, reason) = (words::status(total.status), words::reason(total.reason));
        writeln!(out, "  status    {status}: {reason}")?;
        writeln!(out, "  window    {} – {}", total.window.full.start, total.window.full.end)?;
        let (observed, expected) = (total.coverage.observed, total.coverage.expected);
        let (observed, expected) = (words::count(observed), words::count(expected));
        writeln!(out, "  coverage  {observed} of {expected} slots have data")?;
        let budget = &total.budget;
        writeln!(
            out,
            "  budget    spent {} of {} {} ({}), {} left",
            words::amount(budget.spent),
            words::amount(budget.allowed),
            budget.unit,
            percent(budget.spent_share),
            percent(budget.remaining_share),
        )?;
        if budget.undecided > 0 {
            writeln!(out, "  undecided {}", words::undecided(budget.undecided))?;
        }
        let burns = total.burns.iter().map(|burn| format!("{} {}", burn.lookback, rate(burn.burn)));
        let burns: Vec<String> = burns.collect();
        if !burns.is_empty() {
            writeln!(out, "  burn      {}", burns.join(" · "))?;
        }
        writeln!(out, "  forecast  {}", forecast(total))?;
        for firing in &total.firings {
            let severity = if firing.severity == Severity::Page { "PAGE" } else { "ticket" };
            writeln!(out, "  alert     {severity} {} since {}", firing.rule, firing.start)?;
        }
        for error in &total.rule_errors {
            writeln!(out, "  rule      {error}")?;
        }
        for slice in &objective.slices {
            writeln!(
                out,
                "  slice     {}: {}, {} left",
                slice.slice.replace('\n', "\u{fffd}"),
                words::status(slice.standing.status),
                percent(slice.standing.budget.remaining_share)
            )?;
        }
    }
    Ok(())
}

/// One line for whoever watches a budget.
pub(crate) fn line(slo: &SloView) -> String {
    let left = slo.objectives.iter().map(|objective| {
        let name = objective.name.as_ref().map_or_else(String::new, |name| format!("{name}: "));
        let budget = &objective.total.budget;
        let left = percent(budget.remaining_share);
        let [valid, bad] = units(budget);
        let pages = objective.total.firings.iter().filter(|f| f.severity == Severity::Page).count();
        let pages = if pages > 0 { ", PAGE" } else { "" };
        format!("{name}{left} left, {bad} bad of {valid}{pages}")
    });
    let left: Vec<String> = left.collect();
    let status = words::status(slo.status);
    let line = format!("{}  {:<7}  {}  {}", slo.complete_up_to, status, slo.slo, left.join("; "));
    words::printable(&line).replace('\n', " ")
}

/// The status of everything together, for an exit code.
pub(crate) fn overall(list: &SloList) -> Status {
    let is = |status| list.slos.iter().any(|slo| slo.status == status);
    if is(Status::Missed) {
        Status::Missed
    } else if is(Status::NoData) || !list.not_evaluated.is_empty() || list.slos.is_empty() {
        Status::NoData
    } else {
        Status::Met
    }
}

/// How far the past of a new definition is counted. Where there was one before it, that one is shown.
fn filled(filling: &FillView) -> String {
    let (done, hours) = (words::count(filling.hours_done), words::count(filling.hours));
    match filling.hours {
        0 => "its definition is new, and its past is still to be counted".to_owned(),
        _ => format!("its definition is new: {done} of {hours} hours of its past are counted"),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), words::percent)
}

fn sli(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |sli| words::percent_down(sli, 4))
}

fn rate(burn: Option<f64>) -> String {
    burn.map_or_else(|| "–".to_owned(), |burn| format!("{burn:.2}"))
}

fn forecast(standing: &StandingView) -> String {
    // Nothing is to be expected of what nothing is known of.
    if standing.status == Status::NoData {
        return "–".to_owned();
    }
    // What fires, and what began just now: the sooner of both.
    let steeper = [&standing.forecast_recent, &standing.forecast_firing].into_iter().flatten();
    let hours = |of: &&ForecastView| match of.outlook {
        Outlook::AlreadyExhausted => 0.0,
        _ => of.hours.unwrap_or(f64::INFINITY),
    };
    let soonest = steeper.min_by(|one, two| hours(one).total_cmp(&hours(two)));
    let forecast = soonest.unwrap_or(&standing.forecast);
    words::outlook(
        forecast.outlook,
        &forecast.lookback,
        [forecast.hours, forecast.hours_earliest, forecast.hours_latest],
    )
}

/// A file of definitions.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct FileView {
    name: String,
    origin: String,
    bytes: u64,
    slos: Vec<String>,
    applied_at: Option<String>,
    applied_by: Option<String>,
}

/// Files of definitions, a line each.
pub(crate) fn files(files: &[FileView]) -> String {
    let mut table = new_table(&["FILE", "ORIGIN", "BYTES", "SLOS", "APPLIED", "BY"]);
    for file in files {
        table.add_row([
            file.name.clone(),
            file.origin.clone(),
            words::count(file.bytes),
            file.slos.join(", "),
            file.applied_at.as_deref().map_or_else(|| "–".to_owned(), words::whole_seconds),
            file.applied_by.clone().unwrap_or_else(|| "–".to_owned()),
        ]);
    }
    words::printable(&finish_or("no files", table, &[2])) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_not_rounded() {
        let written = [(0.9, "90%"), (0.9995, "99.95%"), (0.999_999, "99.9999%"), (0.0, "0%")];
        for (share, text) in written {
            assert_eq!(words::percent_exact(share), text);
        }
    }
}
