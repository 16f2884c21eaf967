//! The part of the page about one SLO.

use std::fmt::{Result, Write};

use flyball_budget::alert::Firing;
use flyball_budget::budget::Unit;
use flyball_budget::chart::Chart;
use flyball_budget::composite::Weighted;
use flyball_budget::correction::Applied;
use flyball_budget::report::{Assessment, CompositeReport, SliceReport, SloReport};
use flyball_model::{CorrectionMode, Target};

use super::super::words;
use super::chart;
use super::text::{Safe, badge, bar, burn, key, share};

/// Rows of one table at most; JSON has them all.
const ROWS_MAX: usize = 200;

/// How an SLO is shown.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    /// Its place on the page, from 1.
    pub(super) number: usize,
    /// Whether it starts unfolded.
    pub(super) is_open: bool,
    /// The chart of each objective, where one is drawn.
    pub(super) charts: Vec<Option<&'a Chart>>,
}

/// Writes the section of `slo`.
pub(super) fn write(out: &mut String, slo: &SloReport, shown: &Shown<'_>) -> Result {
    let number = shown.number;
    let name = slo.display_name.as_deref().unwrap_or(&slo.slo);
    let open = if shown.is_open { " open" } else { "" };
    writeln!(
        out,
        r#"<section class="slo card" id="slo-{number}" aria-labelledby="slo-{number}-h"><details{open}><summary><h2 id="slo-{number}-h">{}</h2>{}<span class="soft">{} · service {} · {:?}</span></summary>"#,
        Safe(name),
        badge(slo.status),
        Safe(&slo.slo),
        Safe(&slo.service),
        slo.method,
    )?;
    match &slo.composite {
        Some(CompositeReport::Weighted(whole)) => weighted(out, whole)?,
        Some(CompositeReport::AllOf(whole)) => {
            writeln!(
                out,
                r#"<div class="objective"><h3>As a whole: time slices in which every component is good</h3>"#
            )?;
            assessment(out, slo, &whole.total, whole.target)?;
            out.push_str("</div>\n");
        }
        None => {}
    }
    for (at, objective) in slo.objectives.iter().enumerate() {
        writeln!(out, r#"<div class="objective">"#)?;
        if slo.objectives.len() > 1 || objective.name.is_some() {
            writeln!(
                out,
                "<h3>{}: {}</h3>",
                if slo.composite.is_some() { "Component" } else { "Objective" },
                Safe(objective.name.as_deref().unwrap_or(&format!("{}", at + 1)))
            )?;
        }
        tiles(out, &objective.total, objective.target)?;
        if let Some(Some(course)) = shown.charts.get(at) {
            let title = format!("{name} {}", objective.name.as_deref().unwrap_or_default());
            chart::draw(
                out,
                &format!("c{number}-{at}"),
                title.trim(),
                objective.target,
                course,
                &objective.total.firings,
            )?;
        }
        tables(out, slo, &objective.total)?;
        slices(out, &objective.slices)?;
        out.push_str("</div>\n");
    }
    corrections(out, &slo.corrections)?;
    out.push_str("</details></section>\n");
    Ok(())
}

fn weighted(out: &mut String, whole: &Weighted) -> Result {
    write!(
        out,
        r#"<div class="objective"><h3>As a whole: components by weight</h3><dl class="tiles"><div><dt>Status</dt><dd>{}<small>{}</small></dd></div><div><dt>Joint budget left</dt><dd>{}{}</dd></div>"#,
        badge(whole.status),
        words::reason(whole.reason),
        share(whole.remaining_share),
        bar(whole.remaining_share)
    )?;
    if let (Some(sli), Some(target)) = (whole.sli, whole.target) {
        write!(
            out,
            "<div><dt>Joint SLI</dt><dd>{}<small>target {}</small></dd></div>",
            words::percent_down(sli, 4),
            words::percent_down(target, 4)
        )?;
    }
    out.push_str("</dl></div>\n");
    Ok(())
}

fn assessment(out: &mut String, slo: &SloReport, total: &Assessment, target: Target) -> Result {
    tiles(out, total, target)?;
    tables(out, slo, total)
}

fn unit(total: &Assessment) -> &'static str {
    if matches!(total.budget.unit, Unit::Slices) { "time slices" } else { "events" }
}

fn tiles(out: &mut String, total: &Assessment, target: Target) -> Result {
    let budget = &total.budget;
    write!(out, r#"<dl class="tiles">"#)?;
    let mut tile = |name: &str, value: &str, note: &str| {
        write!(out, "<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>")
    };
    tile("Status", &badge(total.status), words::reason(total.reason))?;
    tile("SLI", &words::sli(total), &format!("target {target}"))?;
    tile(
        "Bad events",
        &words::count(budget.bad),
        &format!("of {} valid, {} good", words::count(budget.valid), words::count(budget.good)),
    )?;
    tile("Budget remaining", &share(budget.remaining_share), &bar(budget.remaining_share))?;
    tile("Outlook", super::outlook(&total.forecast), &words::forecast(&total.forecast))?;
    let pages =
        total.firings.iter().filter(|firing| chart::severity(firing.severity) == "page").count()
            as u64;
    let note = match total.firings.len() {
        0 => "none would have fired".to_owned(),
        firings => format!(
            "{}, {}",
            plural(pages, "page", "pages"),
            plural(firings as u64 - pages, "ticket", "tickets")
        ),
    };
    tile("Alerts", &words::count(total.firings.len() as u64), &note)?;
    out.push_str("</dl>\n");
    Ok(())
}

fn tables(out: &mut String, slo: &SloReport, total: &Assessment) -> Result {
    writeln!(out, r#"<div class="cols"><div>"#)?;
    budget(out, total)?;
    calendar(out, total)?;
    worst_hours(out, total)?;
    out.push_str("</div><div>\n");
    burns(out, total)?;
    coverage(out, slo, total)?;
    out.push_str("</div></div>\n");
    firings(out, &total.firings)?;
    if !total.rule_errors.is_empty() {
        out.push_str("<h3>Alert rules that cannot work</h3><ul>");
        for error in &total.rule_errors {
            write!(out, "<li>{}</li>", Safe(error))?;
        }
        out.push_str("</ul>\n");
    }
    Ok(())
}

fn budget(out: &mut String, total: &Assessment) -> Result {
    let budget = &total.budget;
    let known = |minutes: Option<f64>| minutes.map_or_else(|| "–".to_owned(), words::minutes);
    let kind = if budget.calendar.is_some() { "calendar period" } else { "rolling window" };
    writeln!(
        out,
        r#"<h3>Error budget</h3><div class="scroll"><table><caption>{kind} of {}: {}</caption><thead><tr><th scope="col">Counted in</th><th scope="col" class="n">Allowed</th><th scope="col" class="n">Spent</th><th scope="col" class="n">Remaining</th></tr></thead><tbody><tr><th scope="row">{}</th><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td></tr><tr><th scope="row">time</th><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td></tr></tbody></table></div>"#,
        words::duration(total.window.full.length()),
        words::stretch(total.window.full),
        unit(total),
        words::amount(budget.allowed.to_f64()),
        words::amount(budget.spent.to_f64()),
        words::amount(budget.remaining.to_f64()),
        words::minutes(budget.minutes.allowed),
        known(budget.minutes.spent),
        known(budget.minutes.remaining),
    )?;
    let meaning = if matches!(budget.unit, Unit::Slices) {
        "Time is that of the slices."
    } else {
        "Time is as much as a total outage of that length at even traffic."
    };
    write!(
        out,
        r#"<p class="soft">Counted {}. {meaning} The whole window allows {}.</p>"#,
        words::stretch(budget.counted),
        words::minutes(budget.minutes.allowed_whole_window)
    )?;
    if let Some(slices) = budget.slices {
        write!(out, r#"<p class="soft">{} time slices had an answer.</p>"#, words::count(slices))?;
    }
    if budget.undecided > 0 {
        write!(
            out,
            "<p>{} valid events lack an attribute of the condition; they count as bad.</p>",
            words::count(budget.undecided)
        )?;
    }
    out.push('\n');
    Ok(())
}

fn calendar(out: &mut String, total: &Assessment) -> Result {
    let Some(calendar) = &total.budget.calendar else { return Ok(()) };
    let unit = unit(total);
    write!(
        out,
        r#"<h3>Calendar period, three views</h3><table><caption>{} elapsed; counted in {unit}</caption><tbody><tr><th scope="row">Bad so far</th><td class="n">{}</td></tr><tr><th scope="row">Budget at the traffic so far</th><td class="n">{}</td></tr>"#,
        words::percent(calendar.elapsed_share),
        words::amount(calendar.bad_so_far.to_f64()),
        words::amount(calendar.budget_at_traffic_so_far.to_f64()),
    )?;
    if let Some(projection) = &calendar.projection {
        write!(
            out,
            r#"<tr><th scope="row">Projected to the period’s end</th><td class="n">{} bad of {} allowed, at {} valid</td></tr><tr><th scope="row">Left to spend until then</th><td class="n">{}</td></tr><tr><th scope="row">Left at the end</th><td class="n">{}</td></tr>"#,
            words::amount(projection.bad),
            words::amount(projection.allowed),
            words::amount(projection.valid),
            words::amount(projection.remaining_now),
            words::amount(projection.remaining_at_end),
        )?;
    } else {
        out.push_str(r#"<tr><th scope="row">Projection</th><td class="n">no data</td></tr>"#);
    }
    out.push_str("</tbody></table>\n");
    Ok(())
}

fn burns(out: &mut String, total: &Assessment) -> Result {
    if total.burns.is_empty() {
        return Ok(());
    }
    out.push_str(r#"<h3>Burn</h3><div class="scroll"><table><caption>1 spends exactly the whole budget over the window</caption><thead><tr><th scope="col">Last</th><th scope="col" class="n">Burn</th><th scope="col" class="n">Error ratio</th><th scope="col" class="n">Valid</th><th scope="col" class="n">Good</th><th scope="col" class="n">Bad</th></tr></thead><tbody>"#);
    for each in &total.burns {
        write!(
            out,
            r#"<tr><th scope="row">{}</th><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td></tr>"#,
            each.lookback,
            burn(each.burn),
            each.error_ratio
                .map_or_else(|| "–".to_owned(), |ratio| format!("{:.4}%", ratio * 100.0)),
            words::count(each.valid),
            words::count(each.good),
            words::count(each.bad)
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

fn coverage(out: &mut String, slo: &SloReport, total: &Assessment) -> Result {
    let coverage = &total.coverage;
    write!(
        out,
        "<h3>Coverage</h3><p>{} of the window has data: {} of {} slots. Complete up to {}.</p>",
        words::percent(coverage.share),
        words::count(coverage.observed),
        words::count(coverage.expected),
        words::moment(slo.complete_up_to)
    )?;
    if !coverage.gaps.is_empty() {
        write!(
            out,
            "<details><summary>{} without data, the longest {} listed</summary><ul>",
            plural(coverage.gap_count, "stretch", "stretches"),
            coverage.gaps.len()
        )?;
        for gap in &coverage.gaps {
            write!(out, "<li>{} ({})</li>", words::stretch(*gap), words::duration(gap.length()))?;
        }
        out.push_str("</ul></details>");
    }
    out.push('\n');
    Ok(())
}

/// A count with its noun.
pub(super) fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", words::count(count), if count == 1 { one } else { many })
}

fn firings(out: &mut String, firings: &[Firing]) -> Result {
    if firings.is_empty() {
        out.push_str("<h3>Alerts</h3><p>None would have fired.</p>\n");
        return Ok(());
    }
    write!(
        out,
        r#"<h3>Alerts that would have fired</h3><div class="scroll"><table class="wide" data-sortable><caption>{}</caption><thead><tr><th scope="col">Rule</th><th scope="col">Severity</th><th scope="col">Start</th><th scope="col">End</th><th scope="col" class="n">Duration</th><th scope="col" class="n">Detection delay</th><th scope="col" class="n">Burn, peak</th><th scope="col" class="n">Spent in lookback</th><th scope="col" class="n">Spent in window</th></tr></thead><tbody>"#,
        listed(firings.len(), "firings"),
    )?;
    for firing in firings.iter().take(ROWS_MAX) {
        let severity = chart::severity(firing.severity);
        let length = firing.end.map(|end| end.since(firing.start));
        let end = match firing.end {
            Some(end) => words::moment(end),
            None if firing.frozen => "still firing, for lack of data".to_owned(),
            None => "still firing".to_owned(),
        };
        write!(
            out,
            r#"<tr><th scope="row">{}</th><td><span class="sev-{severity}">{severity}</span></td><td class="t">{}</td><td class="t">{end}</td><td class="n" data-sort="{}">{}</td><td class="n" data-sort="{}">{}</td><td class="n" data-sort="{}">{:.2}, {:.2}</td><td class="n" data-sort="{}">{}</td><td class="n" data-sort="{}">{}</td></tr>"#,
            Safe(&firing.rule),
            words::moment(firing.start),
            key(length.map(flyball_model::Duration::as_seconds_f64)),
            length.map_or_else(|| "–".to_owned(), words::duration),
            firing.detection_delay_seconds,
            words::length(firing.detection_delay_seconds),
            firing.burn,
            firing.burn,
            firing.burn_peak,
            firing.spent_in_lookback,
            words::percent(firing.spent_in_lookback),
            key(firing.spent_in_window),
            share(firing.spent_in_window),
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

fn listed(count: usize, noun: &str) -> String {
    if count > ROWS_MAX {
        format!("{ROWS_MAX} of {} {noun}; the JSON output has all", words::count(count as u64))
    } else {
        format!("{count} {noun}")
    }
}

fn worst_hours(out: &mut String, total: &Assessment) -> Result {
    if total.worst_hours.is_empty() {
        return Ok(());
    }
    out.push_str(r#"<h3>Worst hours</h3><div class="scroll"><table data-sortable><thead><tr><th scope="col">Hour from</th><th scope="col" class="n">Bad</th><th scope="col" class="n">Good</th><th scope="col" class="n">Valid</th></tr></thead><tbody>"#);
    for hour in &total.worst_hours {
        write!(
            out,
            r#"<tr><th scope="row">{}</th><td class="n" data-sort="{}">{}</td><td class="n" data-sort="{}">{}</td><td class="n" data-sort="{}">{}</td></tr>"#,
            words::moment(hour.interval.start()),
            hour.bad,
            words::count(hour.bad),
            hour.good,
            words::count(hour.good),
            hour.valid,
            words::count(hour.valid)
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

fn slices(out: &mut String, slices: &[SliceReport]) -> Result {
    if slices.is_empty() {
        return Ok(());
    }
    let mut worst: Vec<_> = slices.iter().collect();
    worst.sort_by(|a, b| {
        b.assessment.budget.bad.cmp(&a.assessment.budget.bad).then_with(|| a.slice.cmp(&b.slice))
    });
    write!(
        out,
        r#"<h3>Slices</h3><div class="scroll"><table data-sortable><caption>{}, most bad events first</caption><thead><tr><th scope="col">Slice</th><th scope="col">Status</th><th scope="col" class="n">SLI</th><th scope="col" class="n">Valid</th><th scope="col" class="n">Good</th><th scope="col" class="n">Bad</th><th scope="col" class="n">Remaining</th><th scope="col" class="n">Alerts</th></tr></thead><tbody>"#,
        listed(slices.len(), "slices")
    )?;
    for slice in worst.into_iter().take(ROWS_MAX) {
        let total = &slice.assessment;
        let budget = &total.budget;
        write!(
            out,
            r#"<tr><th scope="row">{}</th><td>{}</td><td class="n" data-sort="{}">{}</td><td class="n" data-sort="{}">{}</td><td class="n" data-sort="{}">{}</td><td class="n" data-sort="{}">{}</td><td class="n" data-sort="{}">{}</td><td class="n">{}</td></tr>"#,
            Safe(&slice.slice),
            badge(total.status),
            key(budget.sli),
            words::sli(total),
            budget.valid,
            words::count(budget.valid),
            budget.good,
            words::count(budget.good),
            budget.bad,
            words::count(budget.bad),
            key(budget.remaining_share),
            share(budget.remaining_share),
            total.firings.len()
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

fn corrections(out: &mut String, corrections: &[Applied]) -> Result {
    if corrections.is_empty() {
        return Ok(());
    }
    write!(
        out,
        r#"<div class="objective"><h3>Corrections applied</h3><div class="scroll"><table><caption>{}</caption><thead><tr><th scope="col">Correction</th><th scope="col">Effect</th><th scope="col">When</th><th scope="col" class="n">Valid</th><th scope="col" class="n">Good</th><th scope="col" class="n">Bad</th></tr></thead><tbody>"#,
        listed(corrections.len(), "occurrences")
    )?;
    for applied in corrections.iter().take(ROWS_MAX) {
        let mode = match applied.mode {
            CorrectionMode::Drop => "taken out",
            CorrectionMode::CountAsGood => "counted as good",
        };
        let change = |before, after| format!("{} → {}", words::count(before), words::count(after));
        write!(
            out,
            r#"<tr><th scope="row">{}</th><td>{mode}; {} by {}. {}</td><td>{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td></tr>"#,
            Safe(&applied.name),
            Safe(&applied.category),
            Safe(&applied.author),
            Safe(applied.reason.as_deref().unwrap_or_default()),
            words::stretch(applied.interval),
            change(applied.before.valid, applied.after.valid),
            change(applied.before.good, applied.after.good),
            change(applied.before.bad, applied.after.bad),
        )?;
    }
    out.push_str("</tbody></table></div></div>\n");
    Ok(())
}
