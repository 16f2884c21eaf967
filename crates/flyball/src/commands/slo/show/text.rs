//! SLOs for people who decide about them: sentences first, conditions as they are written.

use std::fmt::{self, Write};

use flyball_model::{Composition, CorrectionMode, NoDataRule, Rational, Severity};

use super::{AlertShown, CorrectionShown, IndicatorShown, ObjectiveShown, Shown, SloShown};
use crate::output::words::{self, decimals};

/// The whole set as text.
pub(super) fn text(shown: &Shown) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = all(shown, &mut out);
    out
}

fn all(shown: &Shown, out: &mut String) -> fmt::Result {
    for (index, slo) in shown.slos.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        one(slo, out)?;
    }
    for correction in &shown.corrections {
        out.push('\n');
        exception(correction, out)?;
    }
    for slo in &shown.not_evaluated {
        writeln!(out, "\n{} cannot be evaluated: {}", slo.slo, slo.reasons.join("; "))?;
    }
    if shown.slos.is_empty() && shown.not_evaluated.is_empty() {
        writeln!(out, "no SLO")?;
    }
    Ok(())
}

fn one(slo: &SloShown, out: &mut String) -> fmt::Result {
    write!(out, "{}", slo.name)?;
    if let Some(name) = &slo.display_name {
        write!(out, " · {name}")?;
    }
    writeln!(out, " (service {})", slo.service)?;
    if let Some(description) = &slo.description {
        for line in description.lines() {
            writeln!(out, "  {}", line.trim())?;
        }
    }
    row(out, "window", &slo.window)?;
    row(out, "counted by", method(slo))?;
    if let Some(how) = slo.composition {
        let how = match how {
            Composition::Weighted => "the objectives' spending is averaged by weight",
            Composition::AllOf => "a time slice is good only when it is good for every objective",
        };
        row(out, "composite", how)?;
    }
    let silence = match slo.no_data {
        NoDataRule::Gap => "unknown: neither good nor bad",
        NoDataRule::Good => "success",
        NoDataRule::Bad => "failure",
    };
    row(out, "silence is", silence)?;
    if !slo.coverage_floor.is_zero() {
        let floor = format!(
            "only when at least {}% of the window holds data",
            decimals(slo.coverage_floor.to_f64() * 100.0)
        );
        row(out, "a status", &floor)?;
    }
    row(out, "alerting", &slo.alerting)?;
    for (index, own) in slo.objectives.iter().enumerate() {
        let repeats = index > 0 && same_indicator(own, &slo.objectives[index - 1]);
        objective(own, index + 1, slo.objectives.len(), repeats, out)?;
    }
    Ok(())
}

fn row(out: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(out, "  {name:11}{value}")
}

fn method(slo: &SloShown) -> &'static str {
    use flyball_model::BudgetingMethod::{Occurrences, RatioTimeslices, Timeslices};
    match slo.method {
        Occurrences => "events: good over valid",
        Timeslices => "time slices: good slices over slices with data",
        RatioTimeslices => "time slices: the mean of their ratios",
    }
}

fn same_indicator(left: &ObjectiveShown, right: &ObjectiveShown) -> bool {
    format!("{:?}", left.indicator) == format!("{:?}", right.indicator)
}

fn objective(
    own: &ObjectiveShown,
    number: usize,
    count: usize,
    repeats: bool,
    out: &mut String,
) -> fmt::Result {
    let name = own.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let number = if count > 1 { format!(" {number}") } else { String::new() };
    writeln!(out, "  objective{number}{name}: {} good", own.target_percent)?;
    writeln!(
        out,
        "    budget     {} of the window as total outage; burn is at most {}",
        minutes(own.budget_minutes),
        decimals(own.burn_max)
    )?;
    let percent = |share: Rational| decimals(share.to_f64() * 100.0);
    match (own.timeslice_window, own.timeslice_target) {
        (Some(window), Some(target)) => {
            writeln!(out, "    slice      {window}; good from {}% good on", percent(target))?;
        }
        (Some(window), None) => writeln!(out, "    slice      {window}")?,
        (None, _) => {}
    }
    if let Some(threshold) = &own.threshold {
        writeln!(out, "    good is    value {threshold}")?;
    }
    if let Some(weight) = own.weight {
        writeln!(out, "    weight     {weight}")?;
    }
    if !repeats {
        match &own.indicator {
            Some(given) => indicator(given, out)?,
            None => writeln!(out, "    measured   by nothing: the objective has no indicator")?,
        }
    }
    for alert in &own.alerts {
        rule(alert, out)?;
    }
    Ok(())
}

fn indicator(given: &IndicatorShown, out: &mut String) -> fmt::Result {
    // Conditions over several lines show as one.
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    match given {
        IndicatorShown::Events { total, good, bad, by, slice_limit } => {
            writeln!(out, "    valid are  {}", one_line(total))?;
            if let Some(good) = good {
                writeln!(out, "    good are   {}", one_line(good))?;
            }
            if let Some(bad) = bad {
                writeln!(out, "    bad are    {}", one_line(bad))?;
            }
            if let Some(limit) = slice_limit {
                writeln!(out, "    slices by  {} (at most {limit})", by.join(", "))?;
            }
        }
        IndicatorShown::Metric { form, queries } => {
            writeln!(out, "    measured   {form}")?;
            for query in queries {
                writeln!(out, "               {}", one_line(query))?;
            }
        }
    }
    Ok(())
}

fn rule(alert: &AlertShown, out: &mut String) -> fmt::Result {
    let severity = match alert.severity {
        Severity::Page => "page",
        Severity::Ticket => "ticket",
    };
    write!(out, "    {severity:<11}{}: {}", alert.rule, alert.condition)?;
    if let Some(share) = alert.spend_share {
        write!(out, " ({}% of the budget)", decimals(share * 100.0))?;
    }
    if let Some(hold) = alert.hold {
        write!(out, ", held for {hold}")?;
    }
    if let Some(evidence) = &alert.evidence {
        write!(out, "; {evidence}")?;
    }
    out.push('\n');
    if let Some(over) = alert.outage_reset_seconds {
        let outage = match alert.outage_slice {
            Some(slice) => format!("a total outage of whole slices of {slice}"),
            None => "a total outage at enough traffic".to_owned(),
        };
        let over = words::length(over);
        match alert.outage_detection_seconds.map(words::length) {
            Some(seen) => {
                writeln!(out, "               {outage}: calls after {seen}, ends {over} after it")?;
            }
            None => writeln!(
                out,
                "               {outage}: NEVER CALLS, the lookback holds too few for its evidence"
            )?,
        }
    }
    if let Some(refused) = &alert.refused {
        writeln!(out, "               CANNOT WORK: {refused}")?;
    }
    Ok(())
}

fn exception(correction: &CorrectionShown, out: &mut String) -> fmt::Result {
    let what = match correction.mode {
        CorrectionMode::Drop => "takes events out",
        CorrectionMode::CountAsGood => "counts events as good",
    };
    let slos = if correction.slos.is_empty() {
        "every SLO".to_owned()
    } else {
        correction.slos.join(", ")
    };
    writeln!(
        out,
        "correction {} ({}, by {})",
        correction.name, correction.category, correction.author
    )?;
    writeln!(out, "  {what} of {slos}: {}", correction.schedule)?;
    if let Some(reason) = &correction.reason {
        writeln!(out, "  because: {}", reason.trim())?;
    }
    Ok(())
}

/// Minutes as people say them: `40.32 min`, `20.16 h`, `3.5 d`.
fn minutes(minutes: f64) -> String {
    if minutes < 120.0 {
        format!("{} min", decimals(minutes))
    } else if minutes < 48.0 * 60.0 {
        format!("{} h", decimals(minutes / 60.0))
    } else {
        format!("{} d", decimals(minutes / 60.0 / 24.0))
    }
}
