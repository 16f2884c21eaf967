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
mod text;

use std::collections::BTreeSet;
use std::fmt::{Result, Write};

use flyball_budget::Status;
use flyball_budget::forecast::{Forecast, Outlook};
use flyball_budget::report::{Assessment, CompositeReport, SloReport};
use flyball_model::Target;

use super::words;
use crate::replay::{ReplayReport, Replayed};
use section::{Shown, plural};
use text::{Safe, badge, bar, burn, key, share};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Objectives with a chart at most, the worst first: about 40 kB each.
const CHARTS_MAX: usize = 50;
/// Up to this many SLOs start unfolded.
const OPEN_MAX: usize = 12;

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
    out.push_str("<main id=\"main\">\n");
    if !report.warnings.is_empty() {
        out.push_str(r#"<section class="card warn" aria-labelledby="warnings-h"><h2 id="warnings-h">Before you rely on these numbers</h2><ul>"#);
        for warning in &report.warnings {
            write!(out, "<li>{}</li>", Safe(warning))?;
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
        out.push_str(r#"<section class="card" id="not-evaluated" aria-labelledby="left-out-h"><h2 id="left-out-h">Not evaluated</h2><div class="scroll"><table><thead><tr><th scope="col">SLO</th><th scope="col">Why</th></tr></thead><tbody>"#);
        for left_out in &report.not_evaluated {
            write!(
                out,
                r#"<tr><th scope="row">{}</th><td>{}</td></tr>"#,
                Safe(&left_out.slo),
                Safe(&left_out.reason)
            )?;
        }
        out.push_str("</tbody></table></div></section>\n");
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
        verdict(report),
        words::moment(report.at)
    )
}

fn header(out: &mut String, report: &ReplayReport) -> Result {
    let complete = report.slos.iter().map(|slo| slo.complete_up_to).min();
    write!(
        out,
        r##"<a class="skip" href="#main">Skip to the report</a>
<header class="top"><div class="tools" hidden><button type="button" id="theme" aria-label="Switch between light and dark">Light / dark</button><button type="button" id="keys" aria-label="Keys">?</button></div><p class="eyebrow">Error budgets at {}</p><h1 class="{}">{}</h1><ul class="facts"><li>Overall {}</li><li>Data <b>{}</b></li>"##,
        words::moment(report.at),
        text::class(report.status),
        verdict(report),
        badge(report.status),
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
            plural(report.not_evaluated.len() as u64, "SLO", "SLOs")
        )?;
    }
    out.push_str("</ul></header>\n");
    Ok(())
}

/// The whole in words. A composite is one objective: its components explain it.
fn verdict(report: &ReplayReport) -> String {
    let statuses: Vec<Status> = report
        .slos
        .iter()
        .flat_map(|slo| match &slo.composite {
            Some(composite) => vec![composite.status()],
            None => slo.objectives.iter().map(|objective| objective.total.status).collect(),
        })
        .collect();
    let count = |status| statuses.iter().filter(|each| **each == status).count() as u64;
    let (all, missed, unknown) =
        (statuses.len() as u64, count(Status::Missed), count(Status::NoData));
    let of_all = plural(all, "objective", "objectives");
    let rest = if unknown > 0 && unknown < all {
        format!(", {} without enough data", words::count(unknown))
    } else {
        String::new()
    };
    if all == 0 {
        "No objective could be evaluated".to_owned()
    } else if missed > 0 {
        format!("{} of {of_all} missed{rest}", words::count(missed))
    } else if unknown == all {
        format!("Not enough data to judge {of_all}")
    } else if unknown > 0 {
        format!("{} of {of_all} met{rest}", words::count(all - unknown))
    } else if all == 1 {
        "1 of 1 objective met".to_owned()
    } else {
        format!("All {of_all} met")
    }
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
fn outlook(forecast: &Forecast) -> &'static str {
    match forecast.outlook {
        Outlook::NoData => "no data",
        Outlook::AlreadyExhausted => "exhausted",
        Outlook::NotExhausting => "not exhausting",
        Outlook::Exhausts => "will exhaust",
    }
}

fn summary(out: &mut String, report: &ReplayReport) -> Result {
    if report.slos.is_empty() {
        return Ok(());
    }
    out.push_str(r#"<section class="card" aria-labelledby="summary-h"><h2 id="summary-h">All objectives</h2><div class="scroll"><table class="summary" id="summary" data-sortable><thead><tr><th scope="col">Objective</th><th scope="col">Status</th><th scope="col" class="n">SLI</th><th scope="col" class="n">Target</th><th scope="col" class="n">Valid</th><th scope="col" class="n">Good</th><th scope="col" class="n">Bad</th><th scope="col" class="n">Budget remaining</th><th scope="col" class="n">Burn</th><th scope="col" class="n">Exhaustion</th></tr></thead><tbody>"#);
    for (at, slo) in report.slos.iter().enumerate() {
        let mut part = "";
        match &slo.composite {
            Some(CompositeReport::AllOf(whole)) => {
                row(out, at + 1, slo, Some("as a whole"), &whole.total, whole.target)?;
            }
            Some(CompositeReport::Weighted(whole)) => write!(
                out,
                r##"<tr><th scope="row"><a href="#slo-{}">{}</a> <span class="soft">as a whole</span></th><td data-label="Status" data-sort="{:?}">{}</td><td class="n" data-label="SLI" data-sort="{}">{}</td><td class="n" data-label="Target" data-sort="{}">{}</td><td class="n" data-sort=""></td><td class="n" data-sort=""></td><td class="n" data-sort=""></td><td class="n budget" data-label="Budget remaining" data-sort="{}">{}{}</td><td class="n" data-sort=""></td><td class="n" data-sort=""></td></tr>"##,
                at + 1,
                Safe(slo.display_name.as_deref().unwrap_or(&slo.slo)),
                whole.status,
                badge(whole.status),
                key(whole.sli),
                whole.sli.map_or_else(|| "–".to_owned(), |sli| words::percent_down(sli, 4)),
                key(whole.target),
                whole
                    .target
                    .map_or_else(|| "–".to_owned(), |target| words::percent_down(target, 4)),
                key(whole.remaining_share),
                share(whole.remaining_share),
                bar(whole.remaining_share),
            )?,
            None => {}
        }
        if slo.composite.is_some() {
            part = "component";
        }
        for objective in &slo.objectives {
            let name = match &objective.name {
                Some(name) if slo.objectives.len() > 1 => Some(name.as_str()),
                _ if part.is_empty() => None,
                _ => Some(part),
            };
            row(out, at + 1, slo, name, &objective.total, objective.target)?;
        }
    }
    out.push_str("</tbody></table></div></section>\n");
    Ok(())
}

fn row(
    out: &mut String,
    number: usize,
    slo: &SloReport,
    name: Option<&str>,
    total: &Assessment,
    target: Target,
) -> Result {
    let budget = &total.budget;
    let forecast = &total.forecast;
    let first = total.burns.first();
    write!(
        out,
        r##"<tr><th scope="row"><a href="#slo-{number}">{}</a> <span class="soft">{}</span></th><td data-label="Status" data-sort="{:?}">{}</td><td class="n" data-label="SLI" data-sort="{}">{}</td><td class="n" data-label="Target" data-sort="{}">{target}</td><td class="n" data-label="Valid" data-sort="{}">{}</td><td class="n" data-label="Good" data-sort="{}">{}</td><td class="n" data-label="Bad" data-sort="{}">{}</td><td class="n budget" data-label="Budget remaining" data-sort="{}">{}{}</td><td class="n" data-label="Burn" data-sort="{}">{}<br><small class="soft">{}</small></td>"##,
        Safe(slo.display_name.as_deref().unwrap_or(&slo.slo)),
        Safe(name.unwrap_or_default()),
        total.status,
        badge(total.status),
        key(budget.sli),
        words::sli(total),
        target.share().to_f64(),
        budget.valid,
        words::count(budget.valid),
        budget.good,
        words::count(budget.good),
        budget.bad,
        words::count(budget.bad),
        key(budget.remaining_share),
        share(budget.remaining_share),
        bar(budget.remaining_share),
        key(first.and_then(|burn| burn.burn)),
        burn(first.and_then(|burn| burn.burn)),
        first.map(|burn| format!("last {}", burn.lookback)).unwrap_or_default(),
    )?;
    let (hours, text) = match (forecast.outlook, forecast.hours) {
        (Outlook::Exhausts, Some(hours)) => {
            (Some(hours), format!("in {}", words::length(hours * 3_600.0)))
        }
        (Outlook::AlreadyExhausted, _) => (Some(0.0), "exhausted".to_owned()),
        _ => (None, outlook(forecast).to_owned()),
    };
    let when = forecast.exhausts_at.map(words::moment).unwrap_or_default();
    write!(
        out,
        r#"<td class="n" data-label="Exhaustion" data-sort="{}">{text}<br><small class="soft">{when}</small></td></tr>"#,
        key(hours)
    )
}
