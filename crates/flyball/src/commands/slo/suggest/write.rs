//! Choices as OpenSLO documents with their evidence, or as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use flyball_events::ReadSummary;
use flyball_model::{
    BudgetingMethod, Duration, EventSli, GoodOrBad, Indicator, NoDataRule, Objective, Rational,
    SLICE_LIMIT_DEFAULT, Slo, Window,
};

use super::choose::{Availability, Choice, Kept, Latency, Met};
use super::history::{SIGNALS, THRESHOLDS};
use crate::output::words::{self, count};

/// The longest name: a label of RFC 1123, less what is added to a service's name.
const NAME_CHARS_MAX: usize = 63 - "-availability-99".len();

/// What is proposed for one service.
#[derive(Debug)]
pub(super) struct Documents {
    service: String,
    /// What was seen, in words.
    seen: String,
    pub(super) slos: Vec<Proposed>,
    /// What is not proposed, and why.
    refused: Vec<String>,
}

/// One SLO with what speaks for it.
#[derive(Debug)]
pub(super) struct Proposed {
    slo: Slo,
    yaml: String,
    kept: Kept,
    /// What the next stricter one would have cost.
    stricter: String,
    good: String,
}

/// Makes SLOs of choices; events without a service are called `unnamed`.
pub(super) fn documents(
    choices: &[Choice<'_>],
    unnamed: &str,
    window: Duration,
) -> anyhow::Result<Vec<Documents>> {
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    let is_only = choices.len() == 1;
    for choice in choices {
        let service = choice.service.name.clone().unwrap_or_else(|| unnamed.to_owned());
        let label = unique(&label(&service), &mut names);
        let selection = selection(choice, is_only);
        let mut found =
            Documents { service, seen: seen(choice), slos: Vec::new(), refused: Vec::new() };
        let slo =
            |suffix: &str, title: &str, description: String, total, good: &str, kept: &Kept| Slo {
                name: format!("{label}-{suffix}"),
                display_name: Some(short(&format!("{}: {title}", found.service), 63)),
                description: Some(description),
                service: label.clone(),
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
                indicator: Some(Indicator::Events(EventSli {
                    total,
                    side: GoodOrBad::Good(good.to_owned()),
                    by: Vec::new(),
                    slice_limit: SLICE_LIMIT_DEFAULT,
                })),
                composition: None,
                window: Window::Rolling { length: window },
                method: BudgetingMethod::Occurrences,
                objectives: vec![Objective {
                    display_name: None,
                    target: kept.target,
                    threshold: None,
                    indicator: None,
                    weight: Rational::ONE,
                    timeslice_target: None,
                    timeslice_window: None,
                }],
                alert_rules: Vec::new(),
                lookbacks: Vec::new(),
                no_data: NoDataRule::Gap,
                coverage_floor: Rational::ZERO,
            };
        let mut add = Vec::new();
        match &choice.availability {
            Ok(Availability { signal, is_partial, kept, stricter }) => {
                let signal = &SIGNALS[*signal];
                let total = joined(&selection, signal.attribute, *is_partial);
                let description = format!("{} answers its users without failing.", found.service);
                let slo =
                    slo("availability", "availability", description, total, signal.good, kept);
                let stricter = match stricter {
                    Some((target, reason)) => format!("{target} is not kept: {reason}"),
                    None => "the ladder ends here".to_owned(),
                };
                add.push((slo, kept.clone(), stricter, signal.good.to_owned()));
            }
            Err(reason) => found.refused.push(format!("availability: {reason}")),
        }
        for latency in &choice.latency {
            match latency {
                Ok(Latency { threshold, is_partial, kept, stricter }) => {
                    let text = &THRESHOLDS[*threshold].0;
                    let good = format!("duration_ms <= {text}");
                    let total = joined(&selection, "duration_ms", *is_partial);
                    let title = format!("{} within {}", kept.target, milliseconds(text));
                    let suffix =
                        format!("latency-{}", kept.target.to_string().replace(['%', '.'], ""));
                    let description = format!(
                        "{} of the requests to {} are answered within {}.",
                        kept.target,
                        found.service,
                        milliseconds(text)
                    );
                    let stricter = match stricter {
                        Some((below, reason)) => {
                            format!("{} is not kept: {reason}", milliseconds(&THRESHOLDS[*below].0))
                        }
                        None => "no lower threshold is known".to_owned(),
                    };
                    let slo = slo(&suffix, &title, description, total, &good, kept);
                    add.push((slo, kept.clone(), stricter, good));
                }
                Err(reason) => {
                    let reason = format!("latency: {reason}");
                    if !found.refused.contains(&reason) {
                        found.refused.push(reason);
                    }
                }
            }
        }
        for (slo, kept, stricter, good) in add {
            let yaml = flyball_spec::write(&slo, None)?;
            found.slos.push(Proposed { slo, yaml, kept, stricter, good });
        }
        out.push(found);
    }
    Ok(out)
}

/// The condition that selects the requests of a service.
fn selection(choice: &Choice<'_>, is_only: bool) -> Vec<String> {
    let service = choice.service;
    let mut terms = Vec::new();
    match &service.name {
        Some(name) => terms.push(format!("service.name = '{}'", name.replace('\'', "''"))),
        None if !is_only => terms.push("service.name IS NULL".to_owned()),
        None => {}
    }
    match (service.has_kind, service.lacks_kind) {
        (true, true) => {
            terms.push("(span.kind IS NULL OR span.kind IN ('SERVER', 'CONSUMER'))".to_owned());
        }
        (true, false) => terms.push("span.kind IN ('SERVER', 'CONSUMER')".to_owned()),
        (false, true) if service.inner_spans > 0 => terms.push("span.kind IS NULL".to_owned()),
        (false, _) => {}
    }
    terms
}

fn joined(selection: &[String], attribute: &str, is_partial: bool) -> String {
    let mut terms = selection.to_vec();
    if is_partial {
        terms.push(format!("{attribute} IS NOT NULL"));
    }
    if terms.is_empty() { "TRUE".to_owned() } else { terms.join(" AND ") }
}

fn seen(choice: &Choice<'_>) -> String {
    let service = choice.service;
    let mut text = match service.events {
        0 => "no requests".to_owned(),
        events => {
            format!(
                "{} requests from {} to {}",
                count(events),
                words::moment(service.first),
                words::moment(service.last)
            )
        }
    };
    if service.inner_spans > 0 {
        let _ = write!(
            text,
            " ({} spans inside or towards others left out)",
            count(service.inner_spans)
        );
    }
    text
}

/// A name of RFC 1123 for a service: lower case, digits, dashes.
fn label(service: &str) -> String {
    let mut out = String::new();
    for c in service.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    let out: String = out.chars().take(NAME_CHARS_MAX - 4).collect();
    let out = out.trim_end_matches('-');
    if out.is_empty() { "service".to_owned() } else { out.to_owned() }
}

fn unique(label: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = label.to_owned();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{label}-{number}");
        number += 1;
    }
    name
}

fn short(text: &str, chars: usize) -> String {
    text.chars().map(words::visible).take(chars).collect()
}

/// `250 ms`, `1.5 s`.
fn milliseconds(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(value) if value >= 1_000.0 => format!("{} s", value / 1_000.0),
        _ => format!("{text} ms"),
    }
}

/// At most `decimals` decimals, cut off and not rounded up: 99.996 % is not shown as 100 %.
fn percent(part: u64, whole: u64, decimals: u32) -> String {
    if whole == 0 {
        return "no data".to_owned();
    }
    let scale = 10u128.pow(decimals);
    let cut = u128::from(part) * 100 * scale / u128::from(whole);
    let (units, rest) = (cut / scale, cut % scale);
    let text = format!("{units}.{rest:0width$}", width = decimals as usize);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn spent(kept: &Kept, valid: u64, bad: u64) -> f64 {
    bad as f64 / (valid.max(1) as f64 * kept.target.error_budget().to_f64()) * 100.0
}

/// How long a total outage the target allows in a window, at even traffic.
fn outage(kept: &Kept, window: Duration) -> String {
    words::minutes(window.as_minutes_f64() * kept.target.error_budget().to_f64())
}

fn stretch(length: Duration) -> &'static str {
    if length >= Duration::from_days(7) { "week" } else { "day" }
}

/// What speaks for an SLO, a line each.
fn evidence(proposed: &Proposed, window: Duration) -> Vec<String> {
    let Kept { target, valid, bad, worst, stretch: length, .. } = &proposed.kept;
    let mut lines = vec![
        format!(
            "{target} promised, {} kept: {} of {} bad, {:.0}% of the budget spent.",
            percent(valid - bad, *valid, 4),
            count(*bad),
            count(*valid),
            spent(&proposed.kept, *valid, *bad)
        ),
        format!(
            "Allows one bad event in {}, or a total outage of {} in {window}.",
            words::amount(1.0 / target.error_budget().to_f64()),
            outage(&proposed.kept, window)
        ),
    ];
    match (worst, length) {
        (Some(worst), Some(length)) => lines.push(format!(
            "Worst {}, {}: {} kept, {:.0}% of its own budget spent.",
            stretch(*length),
            words::stretch(worst.interval),
            percent(worst.valid - worst.bad, worst.valid, 4),
            spent(&proposed.kept, worst.valid, worst.bad)
        )),
        (None, Some(length)) => {
            lines
                .push(format!("No {} has enough events to be judged by itself.", stretch(*length)));
        }
        (_, None) => {
            lines.push(
                "Less than two days of history: what a bad day looks like is unknown.".to_owned(),
            );
        }
    }
    lines.push(format!("Stricter: {}.", proposed.stricter));
    lines
}

/// How a replay of the same inputs meets an SLO.
fn met(met: Met, window: Duration) -> String {
    match met {
        Met::ByDefault => "A replay of the same inputs meets it.".to_owned(),
        Met::At(end) => {
            format!("A replay with --at {end}, the end of its own history, meets it.")
        }
        Met::Untold { width } => format!(
            "A replay may miss it: its history was counted in steps of {width}, and {window} is not a multiple of them."
        ),
    }
}

/// The documents with their evidence as comments.
pub(super) fn yaml(documents: &[Documents], summary: &ReadSummary, window: Duration) -> String {
    let mut out = String::from(
        "# Proposed by `flyball slo suggest` from what happened, not from what users need:\n\
         # check with them, then tighten or loosen. ",
    );
    let is_met =
        |service: &Documents| service.slos.iter().all(|slo| slo.kept.met == Met::ByDefault);
    let is_simple = documents.iter().all(is_met);
    out.push_str(if is_simple {
        "Replaying the same inputs meets every SLO here.\n"
    } else {
        "Each SLO says how a replay of the same inputs meets it.\n"
    });
    let names: Vec<&str> = summary.inputs.iter().map(|input| input.name.as_str()).collect();
    comment(
        &mut out,
        &format!(
            "Inputs: {} in {}.",
            words::plural(summary.events(), "event", "events"),
            names.join(", ")
        ),
    );
    for service in documents {
        out.push_str("#\n");
        comment(&mut out, &format!("{}: {}.", service.service, service.seen));
        for reason in &service.refused {
            comment(&mut out, &format!("Not proposed: {reason}."));
        }
    }
    for (at, proposed) in documents.iter().flat_map(|service| &service.slos).enumerate() {
        // Between documents and not before the first one, as `slo fmt` has it.
        out.push_str(if at == 0 { "#\n" } else { "---\n" });
        for line in evidence(proposed, window) {
            comment(&mut out, &line);
        }
        if !is_simple {
            comment(&mut out, &met(proposed.kept.met, window));
        }
        out.push_str(&proposed.yaml);
    }
    out
}

fn comment(out: &mut String, text: &str) {
    let text: String = text.chars().map(words::visible).collect();
    let _ = writeln!(out, "# {text}");
}

/// One line an SLO.
pub(super) fn table(documents: &[Documents]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["SLO", "TARGET", "KEPT", "BAD / EVENTS", "SPENT", "WORST", "GOOD MEANS"]);
    let (mut stricter, mut refused) = (String::new(), String::new());
    for service in documents {
        for reason in &service.refused {
            let _ = writeln!(refused, "  {}: {reason}", service.service);
        }
        for proposed in &service.slos {
            let Kept { target, valid, bad, worst, stretch: length, .. } = &proposed.kept;
            let worst = match (worst, length) {
                (Some(worst), Some(length)) => {
                    format!(
                        "{:.0}% in a {}",
                        spent(&proposed.kept, worst.valid, worst.bad),
                        stretch(*length)
                    )
                }
                _ => "–".to_owned(),
            };
            table.add_row([
                proposed.slo.name.clone(),
                target.to_string(),
                percent(valid - bad, *valid, 4),
                format!("{} / {}", count(*bad), count(*valid)),
                format!("{:.0}%", spent(&proposed.kept, *valid, *bad)),
                worst,
                proposed.good.clone(),
            ]);
            let _ = writeln!(stricter, "  {}: {}", proposed.slo.name, proposed.stricter);
        }
    }
    let mut out: String = table.lines().fold(String::new(), |mut out, line| {
        out.push_str(line.trim_end());
        out.push('\n');
        out
    });
    for (title, notes) in [("Stricter", stricter), ("Not proposed", refused)] {
        if !notes.is_empty() {
            let _ = write!(out, "\n{title}:\n{notes}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_and_unique() {
        let mut taken = BTreeSet::new();
        assert_eq!(unique(&label("Checkout API (v2)"), &mut taken), "checkout-api-v2");
        assert_eq!(unique(&label("checkout_api_v2"), &mut taken), "checkout-api-v2-2");
        assert_eq!(label("///"), "service");
        assert!(label(&"x".repeat(500)).len() + "-availability".len() <= 63);
    }

    #[test]
    fn percentages_are_cut_not_rounded_up() {
        assert_eq!(percent(999_999_999, 1_000_000_000, 4), "99.9999%");
        assert_eq!(percent(1, 1, 4), "100%");
        assert_eq!(percent(0, 0, 4), "no data");
        assert_eq!(percent(995, 1000, 4), "99.5%");
    }
}
