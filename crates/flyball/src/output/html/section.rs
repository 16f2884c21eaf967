//! The part of the page about one SLO.

use std::fmt::{Result, Write};

use flyball_budget::alert::Firing;
use flyball_budget::budget::Unit;
use flyball_budget::chart::Chart;
use flyball_budget::composite::Weighted;
use flyball_budget::correction::Applied;
use flyball_budget::forecast::{Forecast, Outlook};
use flyball_budget::report::{Assessment, CompositeReport, SliceReport, SloReport};
use flyball_model::{CorrectionMode, Duration, Target};

use super::super::words;
use super::super::words::plural;
use super::chart;
use super::table::{Cell, Column, Table, number, text, time};
use super::text::{Safe, badge, bar, burn, key, share};

/// Rows of one table at most; JSON has them all.
const ROWS_MAX: usize = 200;
/// How a table of alerts is marked.
const FIRING_TABLE: &str = r#"class="wide" data-sortable"#;

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
                r#"<div class="objective"><h3>As a whole: time slices of {} in which every component is good</h3>"#,
                whole.slice_width
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
        tiles(out, &objective.total, objective.target, &objective.slices)?;
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
    tiles(out, total, target, &[])?;
    tables(out, slo, total)
}

fn unit(total: &Assessment) -> &'static str {
    if matches!(total.budget.unit, Unit::Slices) { "time slices" } else { "events" }
}

fn tiles(out: &mut String, total: &Assessment, target: Target, slices: &[SliceReport]) -> Result {
    let budget = &total.budget;
    write!(out, r#"<dl class="tiles">"#)?;
    let mut tile = |name: &str, value: &str, note: &str| {
        write!(out, "<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>")
    };
    let reason = format!("{}{}", words::reason(total.reason), words::slices_missed(slices));
    tile("Status", &badge(total.status), &reason)?;
    tile("SLI", &words::sli(total), &format!("target {target}"))?;
    tile(
        "Bad events",
        &words::count(budget.bad),
        &format!("of {} valid, {} good", words::count(budget.valid), words::count(budget.good)),
    )?;
    tile("Budget remaining", &share(budget.remaining_share), &bar(budget.remaining_share))?;
    tile("Outlook", &super::outlook(&total.forecast), &outlook_note(&total.forecast))?;
    tile("Alerts", &words::count(total.firings.len() as u64), &words::calls(&total.firings))?;
    out.push_str("</dl>\n");
    Ok(())
}

/// What the outlook rests on; nothing that it says itself.
fn outlook_note(forecast: &Forecast) -> String {
    match forecast.outlook {
        Outlook::AlreadyExhausted => String::new(),
        Outlook::NotExhausting => format!("at the rate of the last {}", forecast.lookback),
        Outlook::NoData | Outlook::Exhausts => words::forecast(forecast),
    }
}

fn tables(out: &mut String, slo: &SloReport, total: &Assessment) -> Result {
    writeln!(out, r#"<div class="cols"><div>"#)?;
    budget(out, slo, total)?;
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

fn budget(out: &mut String, slo: &SloReport, total: &Assessment) -> Result {
    const COLUMNS: [Column; 4] =
        [text("Counted in"), number("Allowed"), number("Spent"), number("Remaining")];
    let budget = &total.budget;
    let known = |minutes: Option<f64>| minutes.map_or_else(|| "–".to_owned(), words::minutes);
    let kind = if budget.calendar.is_some() { "calendar period" } else { "rolling window" };
    out.push_str("<h3>Error budget</h3>");
    let caption = format!(
        "{kind} of {}: {}",
        words::duration(total.window.full.length()),
        words::window(slo, total.window.full)
    );
    let mut table = Table::open(out, "", &Safe(&caption).to_string(), &COLUMNS)?;
    table.row(
        unit(total),
        [
            words::amount(budget.allowed.to_f64()).into(),
            words::amount(budget.spent.to_f64()).into(),
            words::amount(budget.remaining.to_f64()).into(),
        ],
    )?;
    table.row(
        "time",
        [
            words::minutes(budget.minutes.allowed).into(),
            known(budget.minutes.spent).into(),
            known(budget.minutes.remaining).into(),
        ],
    )?;
    table.close();
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
            "<p>{} valid events have no answer (an attribute is missing or of another type); they count as bad.</p>",
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
    const COLUMNS: [Column; 6] = [
        text("Last"),
        number("Burn"),
        number("Error ratio"),
        number("Valid"),
        number("Good"),
        number("Bad"),
    ];
    if total.burns.is_empty() {
        return Ok(());
    }
    out.push_str("<h3>Burn</h3>");
    let caption = "1 spends exactly the whole budget over the window";
    let mut table = Table::open(out, "", caption, &COLUMNS)?;
    for each in &total.burns {
        let ratio = each
            .error_ratio
            .map_or_else(|| "–".to_owned(), |ratio| format!("{:.4}%", ratio * 100.0));
        table.row(
            each.lookback,
            [
                burn(each.burn).into(),
                ratio.into(),
                words::count(each.valid).into(),
                words::count(each.good).into(),
                words::count(each.bad).into(),
            ],
        )?;
    }
    table.close();
    Ok(())
}

fn coverage(out: &mut String, slo: &SloReport, total: &Assessment) -> Result {
    let coverage = &total.coverage;
    write!(
        out,
        "<h3>Coverage</h3><p>{}. Complete up to {}.</p>",
        words::coverage(slo, total),
        words::moment(slo.complete_up_to)
    )?;
    if coverage.gap_count > 0 {
        out.push_str(
            r#"<p class="soft">Nothing was recorded in the others: usual where requests are rare, and no failure by itself. A silence longer than usual may mean that the recording stopped.</p>"#,
        );
    }
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

const FIRING: [Column; 9] = [
    text("Rule"),
    text("Severity"),
    time("Start"),
    time("End"),
    number("Duration"),
    number("Detection delay"),
    number("Burn, peak"),
    number("Spent in lookback"),
    number("Spent in window"),
];

fn firings(out: &mut String, firings: &[Firing]) -> Result {
    if firings.is_empty() {
        out.push_str("<h3>Alerts</h3><p>None would have fired.</p>\n");
        return Ok(());
    }
    out.push_str("<h3>Alerts that would have fired</h3>");
    let caption = format!("{}: {}", listed(firings.len(), "firings"), words::calls(firings));
    let mut table = Table::open(out, FIRING_TABLE, &caption, &FIRING)?;
    for firing in words::pages_first(firings).into_iter().take(ROWS_MAX) {
        table.row(Safe(&firing.rule), firing_cells(firing))?;
    }
    table.close();
    Ok(())
}

fn firing_cells(firing: &Firing) -> [Cell; 8] {
    let severity = words::severity(firing.severity);
    let length = firing.end.map(|end| end.since(firing.start));
    let end = match firing.end {
        Some(end) => words::moment(end),
        None if firing.frozen => "still firing, for lack of data".to_owned(),
        None => "still firing".to_owned(),
    };
    [
        format!(r#"<span class="sev-{severity}">{severity}</span>"#).into(),
        words::moment(firing.start).into(),
        end.into(),
        Cell::keyed(
            length.map_or_else(|| "–".to_owned(), words::duration),
            key(length.map(Duration::as_seconds_f64)),
        ),
        Cell::keyed(words::length(firing.detection_delay_seconds), firing.detection_delay_seconds),
        Cell::keyed(format!("{:.2}, {:.2}", firing.burn, firing.burn_peak), firing.burn),
        Cell::keyed(words::percent(firing.spent_in_lookback), firing.spent_in_lookback),
        Cell::keyed(share(firing.spent_in_window), key(firing.spent_in_window)),
    ]
}

fn listed(count: usize, noun: &str) -> String {
    if count > ROWS_MAX {
        format!("{ROWS_MAX} of {} {noun}; the JSON output has all", words::count(count as u64))
    } else {
        format!("{count} {noun}")
    }
}

fn worst_hours(out: &mut String, total: &Assessment) -> Result {
    const COLUMNS: [Column; 4] =
        [text("Hour from"), number("Bad"), number("Good"), number("Valid")];
    if total.worst_hours.is_empty() {
        return Ok(());
    }
    out.push_str("<h3>Worst hours</h3>");
    let mut table = Table::open(out, "data-sortable", "", &COLUMNS)?;
    for hour in &total.worst_hours {
        table.row(
            words::moment(hour.interval.start()),
            [
                Cell::keyed(words::count(hour.bad), hour.bad),
                Cell::keyed(words::count(hour.good), hour.good),
                Cell::keyed(words::count(hour.valid), hour.valid),
            ],
        )?;
    }
    table.close();
    Ok(())
}

fn slices(out: &mut String, slices: &[SliceReport]) -> Result {
    const COLUMNS: [Column; 8] = [
        text("Slice"),
        text("Status"),
        number("SLI"),
        number("Valid"),
        number("Good"),
        number("Bad"),
        number("Remaining"),
        number("Alerts"),
    ];
    if slices.is_empty() {
        return Ok(());
    }
    let mut worst: Vec<_> = slices.iter().collect();
    worst.sort_by(|a, b| {
        b.assessment.budget.bad.cmp(&a.assessment.budget.bad).then_with(|| a.slice.cmp(&b.slice))
    });
    out.push_str("<h3>Slices</h3>");
    let caption = format!("{}, most bad events first", listed(slices.len(), "slices"));
    let mut table = Table::open(out, "data-sortable", &caption, &COLUMNS)?;
    for slice in worst.iter().take(ROWS_MAX) {
        let total = &slice.assessment;
        let budget = &total.budget;
        table.row(
            Safe(&slice.slice),
            [
                Cell::keyed(badge(total.status), format_args!("{:?}", total.status)),
                Cell::keyed(words::sli(total), key(budget.sli)),
                Cell::keyed(words::count(budget.valid), budget.valid),
                Cell::keyed(words::count(budget.good), budget.good),
                Cell::keyed(words::count(budget.bad), budget.bad),
                Cell::keyed(share(budget.remaining_share), key(budget.remaining_share)),
                Cell::keyed(words::calls(&total.firings), total.firings.len()),
            ],
        )?;
    }
    table.close();
    slice_firings(out, &worst)
}

/// The alerts of slices, folded away: each slice has rules of its own, so there may be many.
fn slice_firings(out: &mut String, slices: &[&SliceReport]) -> Result {
    let all = || slices.iter().flat_map(|slice| &slice.assessment.firings);
    let count = all().count();
    if count == 0 {
        return Ok(());
    }
    write!(out, "<details><summary>Alerts of slices: {}</summary>", words::calls(all()))?;
    let mut columns = vec![text("Slice"), text("Rule")];
    columns.extend_from_slice(&FIRING[1..]);
    let mut table = Table::open(out, FIRING_TABLE, &listed(count, "firings"), &columns)?;
    let mut left = ROWS_MAX;
    for slice in slices {
        for firing in words::pages_first(&slice.assessment.firings).into_iter().take(left) {
            left -= 1;
            let [severity, start, end, length, delay, burn, lookback, window] =
                firing_cells(firing);
            let rule = Safe(&firing.rule).to_string().into();
            table.row(
                Safe(&slice.slice),
                [rule, severity, start, end, length, delay, burn, lookback, window],
            )?;
        }
    }
    table.close();
    out.push_str("</details>\n");
    Ok(())
}

fn corrections(out: &mut String, corrections: &[Applied]) -> Result {
    const COLUMNS: [Column; 6] = [
        text("Correction"),
        text("Effect"),
        text("When"),
        number("Valid"),
        number("Good"),
        number("Bad"),
    ];
    if corrections.is_empty() {
        return Ok(());
    }
    out.push_str(r#"<div class="objective"><h3>Corrections applied</h3>"#);
    let mut table = Table::open(out, "", &listed(corrections.len(), "occurrences"), &COLUMNS)?;
    for applied in corrections.iter().take(ROWS_MAX) {
        let mode = match applied.mode {
            CorrectionMode::Drop => "taken out",
            CorrectionMode::CountAsGood => "counted as good",
        };
        let effect = format!(
            "{mode}; {} by {}. {}",
            Safe(&applied.category),
            Safe(&applied.author),
            Safe(applied.reason.as_deref().unwrap_or_default())
        );
        let change = |before, after| format!("{} → {}", words::count(before), words::count(after));
        table.row(
            Safe(&applied.name),
            [
                effect.into(),
                words::stretch(applied.interval).into(),
                change(applied.before.valid, applied.after.valid).into(),
                change(applied.before.good, applied.after.good).into(),
                change(applied.before.bad, applied.after.bad).into(),
            ],
        )?;
    }
    table.close();
    out.push_str("</div>\n");
    Ok(())
}
