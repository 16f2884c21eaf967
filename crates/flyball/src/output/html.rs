//! A replay as one self-contained HTML page.
//!
//! For an engineer and for whoever made the promise: the answer in words first, all objectives in
//! one table, then each SLO with its course and its numbers. Everything is drawn here; the script
//! only adds tooltips, sorting, keys and the choice of theme. The page asks for nothing from
//! anywhere: its content security policy allows its own style and script by their hashes and
//! nothing else.

mod chart;
mod digest;
mod inputs;
mod section;
mod table;
mod text;

use std::collections::BTreeSet;
use std::fmt::{Result, Write};

use flyball_budget::Status;
use flyball_budget::forecast::{Forecast, Outlook};
use flyball_budget::report::Assessment;

use super::rows::rows;
use super::words;
use crate::replay::{ReplayReport, Replayed};
pub(super) use digest::source;
use section::Shown;
use table::{Cell, Column, Table};
pub(super) use text::{Marked, Safe};
use text::{badge, bar, burn, key, share};

pub(super) const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Objectives with a chart at most, the worst first: about 40 kB each.
const CHARTS_MAX: usize = 50;
/// Up to this many SLOs start unfolded.
const OPEN_MAX: usize = 12;
/// From this many SLOs on, those out of sight are laid out only when they come near. Not below:
/// they would be blank in a picture of the whole page.
const LAZY_MIN: usize = 50;

/// The page; the same text for the same replay.
pub fn render(replayed: &Replayed) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, replayed);
    out
}

fn write(out: &mut String, replayed: &Replayed) -> Result {
    let report = &replayed.report;
    head(out, report)?;
    header(out, report)?;
    let lazy = if report.slos.len() < LAZY_MIN { "" } else { r#" class="lazy""# };
    writeln!(out, r#"<main id="main"{lazy}>"#)?;
    if !report.warnings.is_empty() {
        out.push_str(r#"<section class="card warn" aria-labelledby="warnings-h"><h2 id="warnings-h">Before you rely on these numbers</h2><ul>"#);
        for warning in &report.warnings {
            write!(out, "<li>{}</li>", Marked(warning))?;
        }
        out.push_str("</ul></section>\n");
    }
    summary(out, report)?;
    let drawn = worst(replayed);
    let objectives: usize = report.slos.iter().map(|slo| slo.objectives.len()).sum();
    if !replayed.charts.is_empty() && objectives > drawn.len() {
        writeln!(
            out,
            r#"<p class="soft">Charts are drawn for the {} objectives with the least budget of {}.</p>"#,
            drawn.len(),
            words::count(objectives as u64)
        )?;
    }
    for (at, slo) in report.slos.iter().enumerate() {
        let charts = replayed.charts.get(at).map_or(&[][..], Vec::as_slice);
        let shown = Shown {
            number: at + 1,
            is_open: report.slos.len() <= OPEN_MAX,
            charts: (0..slo.objectives.len())
                .map(|objective| {
                    drawn
                        .contains(&(at, objective))
                        .then(|| charts.iter().find(|chart| chart.objective == objective))
                        .flatten()
                })
                .collect(),
        };
        section::write(out, slo, &shown)?;
    }
    if !report.not_evaluated.is_empty() {
        out.push_str(r#"<section class="card" id="not-evaluated" aria-labelledby="left-out-h"><h2 id="left-out-h">Not evaluated</h2>"#);
        let columns = [table::text("SLO"), table::text("Why")];
        let mut table = Table::open(out, "", "", &columns)?;
        for left_out in &report.not_evaluated {
            table.row(Safe(&left_out.slo), [Safe(&left_out.reason).to_string().into()])?;
        }
        table.close();
        out.push_str("</section>\n");
    }
    inputs::write(out, report)?;
    write!(
        out,
        "</main>\n<footer><p>{}; {}. All times are in UTC.</p></footer>\n",
        Safe(&report.generator),
        Safe(report.schema)
    )?;
    out.push_str(r#"<dialog id="help" aria-labelledby="help-h"><h2 id="help-h">Keys</h2><dl><dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>next, previous SLO</dd><dt><kbd>←</kbd> <kbd>→</kbd></dt><dd>step through a focused chart</dd><dt><kbd>t</kbd></dt><dd>light or dark</dd><dt><kbd>?</kbd></dt><dd>this help</dd></dl><form method="dialog"><button>Close</button></form></dialog>"#);
    writeln!(out, "\n<script>{SCRIPT}</script>\n</body>\n</html>")
}

fn head(out: &mut String, report: &ReplayReport) -> Result {
    writeln!(
        out,
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="{}">
<title>{} – error budgets at {}</title>
<style>{STYLE}</style>
</head>
<body>"#,
        digest::source(STYLE),
        digest::source(SCRIPT),
        Safe(&report.generator),
        words::verdict(&report.verdict),
        words::moment(report.at)
    )
}

fn header(out: &mut String, report: &ReplayReport) -> Result {
    let complete = report.slos.iter().map(|slo| slo.complete_up_to).min();
    write!(
        out,
        r##"<a class="skip" href="#main">Skip to the report</a>{}
<header class="top"><div class="tools" hidden><button type="button" id="theme" aria-label="Switch between light and dark">Light / dark</button><button type="button" id="keys" aria-label="Keys">?</button></div><p class="eyebrow">Error budgets at {}</p><h1 class="{}">{}</h1><ul class="facts"><li>Overall {}</li><li>Data <b>{}</b></li>"##,
        if report.slos.is_empty() {
            ""
        } else {
            r##"<a class="skip" href="#slo-1">Skip to the first SLO</a>"##
        },
        words::moment(report.at),
        text::class(report.status),
        words::verdict(&report.verdict),
        text::mark(report.status, words::overall(report.status)),
        words::stretch(report.span)
    )?;
    if let Some(complete) = complete {
        write!(out, "<li>Complete up to <b>{}</b></li>", words::moment(complete))?;
    }
    write!(
        out,
        "<li><b>{}</b> events, <b>{}</b> refused lines</li>",
        words::count(report.events),
        words::count(report.rejected)
    )?;
    if !report.not_evaluated.is_empty() {
        write!(
            out,
            r##"<li><a href="#not-evaluated">{} not evaluated</a></li>"##,
            words::plural(report.not_evaluated.len() as u64, "SLO", "SLOs")
        )?;
    }
    out.push_str("</ul></header>\n");
    Ok(())
}

/// The objectives that get a chart, by SLO and objective.
fn worst(replayed: &Replayed) -> BTreeSet<(usize, usize)> {
    let mut all: Vec<_> = replayed
        .report
        .slos
        .iter()
        .enumerate()
        .filter(|(at, _)| replayed.charts.get(*at).is_some_and(|charts| !charts.is_empty()))
        .flat_map(|(at, slo)| {
            slo.objectives.iter().enumerate().map(move |(objective, report)| {
                let rank = match report.total.status {
                    Status::Missed => 0,
                    Status::NoData => 2,
                    Status::Met => 1,
                };
                let left = report.total.budget.remaining_share.unwrap_or(f64::INFINITY);
                (rank, left, (at, objective))
            })
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    all.into_iter().take(CHARTS_MAX).map(|(_, _, place)| place).collect()
}

/// What is to be expected, in a few words.
fn outlook(forecast: &Forecast) -> String {
    match (forecast.outlook, forecast.hours) {
        (Outlook::Exhausts, Some(hours)) => format!("in {}", words::length(hours * 3_600.0)),
        (Outlook::Exhausts, None) => "will exhaust".to_owned(),
        (Outlook::NoData, _) => "unknown".to_owned(),
        (Outlook::AlreadyExhausted, _) => "exhausted".to_owned(),
        (Outlook::NotExhausting, _) => "lasts".to_owned(),
    }
}

fn summary(out: &mut String, report: &ReplayReport) -> Result {
    const COLUMNS: [Column; 10] = [
        table::text("Objective"),
        table::text("Status"),
        table::number("SLI"),
        table::number("Target"),
        table::number("Valid"),
        table::number("Good"),
        table::number("Bad"),
        table::number("Budget remaining"),
        table::number("Burn"),
        table::number("Exhaustion"),
    ];
    if report.slos.is_empty() {
        return Ok(());
    }
    out.push_str(r#"<section class="card" aria-labelledby="summary-h"><h2 id="summary-h">All objectives</h2>"#);
    let mut table = Table::open(out, r#"id="summary" data-sortable"#, "", &COLUMNS)?;
    for row in rows(&report.slos) {
        let [valid, good, bad, burn, exhaustion] =
            row.total.map_or_else(|| [const { None }; 5], |total| counts(total).map(Some));
        let none = || Cell::keyed("", "");
        table.row(
            format_args!(
                r##"<a href="#slo-{}">{}</a> <span class="soft">{}</span>"##,
                row.number,
                Safe(row.slo.display_name.as_deref().unwrap_or(&row.slo.slo)),
                Safe(&row.part)
            ),
            [
                Cell::keyed(badge(row.status), format_args!("{:?}", row.status)),
                Cell::keyed(row.sli_text(), key(row.sli)),
                Cell::keyed(row.target_text.clone(), key(row.target)),
                valid.unwrap_or_else(none),
                good.unwrap_or_else(none),
                bad.unwrap_or_else(none),
                Cell::keyed(
                    share(row.remaining_share) + &bar(row.remaining_share),
                    key(row.remaining_share),
                ),
                burn.unwrap_or_else(none),
                exhaustion.unwrap_or_else(none),
            ],
        )?;
    }
    table.close();
    out.push_str("</section>\n");
    Ok(())
}

/// Valid, good, bad, burn and exhaustion.
fn counts(total: &Assessment) -> [Cell; 5] {
    let (budget, forecast) = (&total.budget, &total.forecast);
    let first = total.burns.first();
    let rate = first.and_then(|burn| burn.burn);
    let lookback = first.map(|burn| format!("last {}", burn.lookback)).unwrap_or_default();
    let hours = match forecast.outlook {
        Outlook::Exhausts => forecast.hours,
        Outlook::AlreadyExhausted => Some(0.0),
        Outlook::NotExhausting | Outlook::NoData => None,
    };
    let when = forecast.exhausts_at.map(words::moment).unwrap_or_default();
    let noted = |text: &str, note: &str| format!(r#"{text}<br><small class="soft">{note}</small>"#);
    [
        Cell::keyed(words::count(budget.valid), budget.valid),
        Cell::keyed(words::count(budget.good), budget.good),
        Cell::keyed(words::count(budget.bad), budget.bad),
        Cell::keyed(noted(&burn(rate), &lookback), key(rate)),
        Cell::keyed(noted(&outlook(forecast), &when), key(hours)),
    ]
}
