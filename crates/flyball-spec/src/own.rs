//! Kinds of our own, `apiVersion: flyball.dev/v1`: `AlertStrategy`, `AlertTarget`, `RestoreAction`, `Correction`,
//! `Probe`, `BudgetPolicy`, `PolicyTest`, `Tier`, `Service`, `Risk`, `RiskRules`, `SupportCosts`, `Checklist`,
//! `CustodyRules`, `Rota`, `Escalation`, `Runbook` and `Drill`.
//!
//! They say what OpenSLO cannot: several lookbacks in one rule, forecasts, evidence, agreed
//! exceptions, who is told how, and what may be done. An OpenSLO tool that reads the same files sees another `apiVersion` and nothing
//! that bends its own kinds.

mod alert_target;
mod governing;
mod probe;
mod reference;
mod restore_action;

use flyball_model::{
    AlertRule, AlertTarget, Comparison, Condition, Correction, CorrectionMode, Duration, Evidence,
    Factor, Interval, Probe, Rational, RestoreAction, Schedule, Severity, Timestamp,
};
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;

use crate::decode::{Fields, Reader, Text};
use crate::diagnostic::{shown, split_hint};
use crate::openslo::Version;
use crate::openslo::metadata::{description, metadata};
use crate::openslo::slo::{OPERATORS, time_zone};
use crate::recurrence;
use crate::set::{AlertStrategy, Governing, GoverningKind, Service};
use crate::source::Span;
use crate::split;
use crate::yaml::{Data, Node};

/// The most rules of a strategy: each is evaluated for each SLO and slot.
const RULES_MAX: usize = 32;
/// The most SLOs that one correction lists; a list left empty means all.
const CORRECTED_MAX: usize = 10_000;

/// What one document of ours defines.
pub(crate) enum Defined {
    Strategy(AlertStrategy, Text),
    Target(Box<AlertTarget>, Text),
    Restore(Box<RestoreAction>, Text),
    /// The correction, its name, and the SLO names it lists, with their places.
    Correction(Box<Correction>, Text, Vec<Text>),
    Probe(Box<Probe>, Text),
    Governing(Box<Governing>, Text),
    Service(Box<Service>, Box<Governing>, Text),
    /// A document with faults of its own: its kind and its name, so that what refers to it is none.
    Flawed(String, String),
}

/// The kinds of our own.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Strategy,
    Target,
    Restore,
    Correction,
    Probe,
    Governing(GoverningKind),
}

/// Reads one document; when faults were noted, by what it is known, and `None` where that cannot be read either.
pub(crate) fn document(node: &Node, kind: &Node, r: &mut Reader<'_, '_>) -> Option<Defined> {
    let kinds = [
        ("AlertStrategy", Kind::Strategy),
        ("AlertTarget", Kind::Target),
        ("RestoreAction", Kind::Restore),
        ("Correction", Kind::Correction),
        ("Probe", Kind::Probe),
        ("BudgetPolicy", Kind::Governing(GoverningKind::BudgetPolicy)),
        ("Tier", Kind::Governing(GoverningKind::Tier)),
        ("Service", Kind::Governing(GoverningKind::Service)),
        ("PolicyTest", Kind::Governing(GoverningKind::PolicyTest)),
        ("Risk", Kind::Governing(GoverningKind::Risk)),
        ("RiskRules", Kind::Governing(GoverningKind::RiskRules)),
        ("SupportCosts", Kind::Governing(GoverningKind::SupportCosts)),
        ("Checklist", Kind::Governing(GoverningKind::Checklist)),
        ("CustodyRules", Kind::Governing(GoverningKind::CustodyRules)),
        ("Rota", Kind::Governing(GoverningKind::Rota)),
        ("Escalation", Kind::Governing(GoverningKind::Escalation)),
        ("Runbook", Kind::Governing(GoverningKind::Runbook)),
        ("Drill", Kind::Governing(GoverningKind::Drill)),
    ];
    let kind = r.word(kind, &kinds)?;
    let before = r.findings.errors();
    let mut fields = r.fields(node)?;
    fields.get("apiVersion");
    fields.get("kind");
    let defined = match kind {
        Kind::Strategy => strategy(&mut fields, r),
        Kind::Target => alert_target::alert_target(&mut fields, r),
        Kind::Restore => restore_action::restore_action(&mut fields, r),
        Kind::Correction => correction(&mut fields, r),
        Kind::Probe => probe::probe(&mut fields, r),
        Kind::Governing(kind) => governing::governing(kind, node, &mut fields, r),
    };
    fields.finish(r);
    if r.findings.errors() == before {
        return defined;
    }
    let known = split::identity(node);
    known.map(|(kind, name)| Defined::Flawed(kind.to_owned(), name.to_owned()))
}

fn strategy(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<Defined> {
    let metadata = metadata(fields, Version::V1, r);
    let node = fields.require("spec", "with `rules`", r)?;
    let mut spec = r.fields(node)?;
    description(&mut spec, r);
    let period = spec.get("period").and_then(|node| duration(node, r));
    let evidence = spec.get("evidence").and_then(|node| evidence(node, r));
    let rules = spec.require("rules", "a list of rules, like `- {severity: page, burn: …}`", r);
    spec.finish(r);
    let nodes = r.list(rules);
    if let Some(rules) = rules
        && (nodes.is_empty() || nodes.len() > RULES_MAX)
    {
        let message = format!("a strategy has 1 to {RULES_MAX} rules, not {}", nodes.len());
        r.error(rules.head(r.source), message, "");
    }
    let (mut rules, mut places) = (Vec::<AlertRule>::new(), Vec::new());
    for node in nodes.iter().take(RULES_MAX) {
        let rule = rule(node, evidence, &rules, r);
        places.extend(rule.is_some().then(|| r.place(compared(node, r))));
        rules.extend(rule);
    }
    let name = metadata?.name;
    Some(Defined::Strategy(AlertStrategy { name: name.value.clone(), period, rules, places }, name))
}

fn rule(
    node: &Node,
    shared: Option<Evidence>,
    before: &[AlertRule],
    r: &mut Reader<'_, '_>,
) -> Option<AlertRule> {
    let mut fields = r.fields(node)?;
    let name = fields.text("name", r);
    let severity = fields
        .require("severity", "page or ticket", r)
        .and_then(|node| r.word(node, &[("page", Severity::Page), ("ticket", Severity::Ticket)]));
    let hold = fields.get("for").map(|node| duration(node, r));
    let kinds = [fields.get("burn"), fields.get("exhaustion"), fields.get("remaining")];
    let own = fields.get("evidence");
    fields.finish(r);
    let own = own.map(|node| evidence(node, r));
    let condition = match kinds {
        [Some(node), None, None] => burn(node, r).map(|condition| ("burn", condition)),
        [None, Some(node), None] => exhaustion(node, r).map(|condition| ("exhaustion", condition)),
        [None, None, Some(node)] => remaining(node, r).map(|condition| ("remaining", condition)),
        _ => {
            let message = "a rule has exactly one of `burn`, `exhaustion`, `remaining`";
            r.error(node.head(r.source), message, "write a rule for each condition");
            None
        }
    };
    let ((kind, condition), severity) = (condition?, severity?);
    let taken = |name: &str| before.iter().any(|rule| rule.name == name);
    let name = match name {
        Some(text) if taken(&text.value) => {
            let message = format!("another rule is named `{}`", shown(&text.value));
            r.error(text.at.span, message, "give each rule its own name");
            return None;
        }
        Some(text) => text.value,
        None => {
            let word = if severity == Severity::Page { "page" } else { "ticket" };
            let base = match &condition {
                Condition::Burn { long, .. } => format!("{word}-{long}"),
                _ => format!("{word}-{kind}"),
            };
            let numbered = (2..).map(|number| format!("{base}-{number}"));
            std::iter::once(base.clone()).chain(numbered).find(|name| !taken(name))?
        }
    };
    Some(AlertRule {
        name,
        severity,
        condition,
        hold: hold.map_or(Some(Duration::ZERO), |hold| hold)?,
        evidence: own.map_or(Some(shared), |own| own.map(Some))?,
    })
}

/// What a rule compares with: its factor or budget share, else where the rule begins.
fn compared(rule: &Node, r: &Reader<'_, '_>) -> Span {
    let burn = rule.get("burn");
    let factor = burn.and_then(|burn| burn.get("budget").or_else(|| burn.get("factor")));
    factor.map_or_else(|| rule.head(r.source), |factor| factor.span)
}

fn burn(node: &Node, r: &mut Reader<'_, '_>) -> Option<Condition> {
    let mut fields = r.fields(node)?;
    let (budget, factor) = (fields.get("budget"), fields.get("factor"));
    let long_node = fields.require("long", "the lookback that decides, like 1h", r);
    let short_node = fields.get("short");
    let op = fields.get("op");
    fields.finish(r);
    let factor = match (budget, factor) {
        (Some(node), None) => share(node, r).and_then(|share| {
            if share.is_zero() {
                r.error(node.span, "a budget share of 0 would always fire", "like 2%");
                return None;
            }
            Some(Factor::BudgetShare(share))
        }),
        (None, Some(node)) => r.rational(node, "a burn").map(Factor::Exact),
        (Some(_), Some(node)) => {
            r.error(node.span, "`budget` and `factor` exclude each other", "keep one of them");
            None
        }
        (None, None) => {
            r.missing(node, "budget", "the share of the budget that the long lookback may spend, like 2%, or `factor: 14.4`");
            None
        }
    };
    let long = long_node.and_then(|node| positive(node, r));
    let short = short_node.map(|node| positive(node, r));
    let comparison = op.map_or(Some(Comparison::Above), |node| r.word(node, &OPERATORS));
    let (long, short) = (long?, short.map_or(Some(None), |short| short.map(Some))?);
    if let (Some(short), Some(node)) = (short, short_node)
        && short >= long
    {
        r.error(
            node.span,
            format!("the short lookback {short} is not below the long one, {long}"),
            "a twelfth of it is usual",
        );
        return None;
    }
    Some(Condition::Burn { long, short, factor: factor?, comparison: comparison? })
}

fn exhaustion(node: &Node, r: &mut Reader<'_, '_>) -> Option<Condition> {
    let mut fields = r.fields(node)?;
    let within = fields.require("within", "how soon, like 4h", r);
    let lookback = fields.require("lookback", "where the current rate is taken from, like 1h", r);
    fields.finish(r);
    let within = within.and_then(|node| positive(node, r));
    let lookback = lookback.and_then(|node| positive(node, r));
    Some(Condition::Exhaustion { within: within?, lookback: lookback? })
}

fn remaining(node: &Node, r: &mut Reader<'_, '_>) -> Option<Condition> {
    let mut fields = r.fields(node)?;
    let below = fields.require("below", "a share of the budget, like 20%", r);
    fields.finish(r);
    below.and_then(|node| share(node, r)).map(|share| Condition::RemainingBelow { share })
}

fn evidence(node: &Node, r: &mut Reader<'_, '_>) -> Option<Evidence> {
    let mut fields = r.fields(node)?;
    let confidence = fields.get("confidence");
    let (bad, valid) = (fields.get("minBad"), fields.get("minValid"));
    fields.finish(r);
    let confidence = match confidence {
        None => None,
        Some(node) => {
            let share = share(node, r)?;
            if share.is_zero() || share >= Rational::ONE {
                r.error(node.span, "a confidence lies between 0 and 1, both left out", "like 0.99");
                return None;
            }
            Some(share)
        }
    };
    let bad_min = bad.map_or(Some(0), |node| r.integer(node));
    let valid_min = valid.map_or(Some(0), |node| r.integer(node));
    Some(Evidence { confidence, bad_min: bad_min?, valid_min: valid_min? })
}

/// A share of one: `2%` or `0.02`.
fn share(node: &Node, r: &mut Reader<'_, '_>) -> Option<Rational> {
    let percent = match &node.data {
        Data::Scalar(scalar) if scalar.text.ends_with('%') => {
            Some(Rational::parse_percent(&scalar.text))
        }
        _ => None,
    };
    let share = match percent {
        Some(share) => share,
        None => Some(r.rational(node, "a share")?),
    };
    if share.is_none_or(|share| share > Rational::ONE) {
        r.error(node.span, "a share from 0 to 1 is expected", "write 2% or 0.02");
        return None;
    }
    share
}

/// A length of time with `s`, `m`, `h`, `d` or `w`.
fn duration(node: &Node, r: &mut Reader<'_, '_>) -> Option<Duration> {
    let text = r.text(node)?;
    let length = Duration::parse(&text.value).ok();
    if length.is_none() {
        let message = format!("`{}` is not a length of time", shown(&text.value));
        r.error(node.span, message, "write a whole number and one of s, m, h, d, w, like 5m");
    }
    length
}

fn positive(node: &Node, r: &mut Reader<'_, '_>) -> Option<Duration> {
    let length = duration(node, r)?;
    if length.is_zero() {
        r.error(node.span, "a length of time above 0 is expected", "like 1h");
        return None;
    }
    Some(length)
}

fn correction(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<Defined> {
    let metadata = metadata(fields, Version::V1, r);
    let node = fields.require("spec", "with `mode`, `category`, `author` and `schedule`", r)?;
    let mut spec = r.fields(node)?;
    let slos = spec.get("slos");
    let mode = spec.require("mode", "drop or count-as-good", r).and_then(|node| {
        r.word(
            node,
            &[("drop", CorrectionMode::Drop), ("count-as-good", CorrectionMode::CountAsGood)],
        )
    });
    let category = spec.require_text("category", "like maintenance", r);
    let author = spec.require_text("author", "who answers for it", r);
    let reason = spec.text("reason", r);
    let schedule = spec.require("schedule", "with `start` and `end`, or with `rrule`", r);
    spec.finish(r);
    let schedule = schedule.and_then(|node| self::schedule(node, r));
    let nodes = r.list(slos);
    if nodes.len() > CORRECTED_MAX {
        r.error(
            node.head(r.source),
            format!("more than {CORRECTED_MAX} SLOs"),
            "leave the list out for all",
        );
    }
    let slos: Vec<Text> = nodes.iter().filter_map(|node| r.text(node)).collect();
    let name = metadata?.name;
    let correction = Correction {
        name: name.value.clone(),
        slos: slos.iter().map(|text| text.value.clone()).collect(),
        schedule: schedule?,
        mode: mode?,
        category: category?.value,
        author: author?.value,
        reason: reason.map(|text| text.value),
    };
    Some(Defined::Correction(Box::new(correction), name, slos))
}

fn schedule(node: &Node, r: &mut Reader<'_, '_>) -> Option<Schedule> {
    let mut fields = r.fields(node)?;
    let start = fields.require_text("start", "like 2026-03-29T02:00:00Z", r);
    let end = fields.text("end", r);
    let zone = fields.text("timeZone", r);
    let length = fields.get("duration");
    let rule = fields.text("rrule", r);
    fields.finish(r);
    let Some(rule) = rule else {
        for (key, found) in [("timeZone", zone.is_some()), ("duration", length.is_some())] {
            if found {
                let message = format!("`{key}` belongs to recurring schedules");
                r.error(
                    node.head(r.source),
                    message,
                    "add `rrule`, or write `start` and `end` only",
                );
            }
        }
        let start = instant(&start?, r);
        let Some(end_text) = end else {
            r.missing(node, "end", "like 2026-03-29T04:00:00Z, or `rrule` for a recurring one");
            return None;
        };
        let (start, end) = (start?, instant(&end_text, r)?);
        let interval = Interval::new(start, end).ok().filter(|interval| !interval.is_empty());
        if interval.is_none() {
            r.error(end_text.at.span, "the end is not after the start", "exchange them");
        }
        return interval.map(Schedule::Once);
    };
    if let Some(end) = end {
        r.error(
            end.at.span,
            "a recurring schedule has no `end`",
            "write `duration`, and UNTIL in the rule",
        );
    }
    let start = start.and_then(|text| local_start(&text, r));
    if zone.is_none() {
        r.missing(node, "timeZone", "an IANA name like Europe/Berlin");
    }
    let zone = zone.and_then(|text| time_zone(&text.value, text.at.span, r));
    if length.is_none() {
        r.missing(node, "duration", "how long each occurrence lasts, like 2h");
    }
    let length = length.and_then(|node| positive(node, r));
    let rule = recurrence(&rule, start.zip(zone.as_ref()), r);
    Some(Schedule::Recurring { start: start?, zone: zone?, length: length?, rule: rule? })
}

/// The local time of a recurring schedule.
///
/// With an offset it would name an instant, and beside a zone it is open which of both counts: the
/// hour in that zone again and again, or the hour that the instant has there.
fn local_start(text: &Text, r: &mut Reader<'_, '_>) -> Option<DateTime> {
    let Ok(pieces) = Pieces::parse(&text.value) else {
        let message = format!("`{}` is not a local time", shown(&text.value));
        r.error(text.at.span, message, "write it like 2026-03-01 02:00:00");
        return None;
    };
    let local = pieces.date().to_datetime(pieces.time().unwrap_or_else(Time::midnight));
    if pieces.offset().is_some() || pieces.time_zone_annotation().is_some() {
        let message = format!(
            "`{}` is not a local time: its offset and `timeZone` may say different things",
            shown(&text.value)
        );
        let hint = format!(
            "write the local time in `timeZone`, like {}",
            local.strftime("%Y-%m-%d %H:%M:%S")
        );
        r.error(text.at.span, message, hint);
        return None;
    }
    Some(local)
}

fn instant(text: &Text, r: &mut Reader<'_, '_>) -> Option<Timestamp> {
    let instant = Timestamp::parse(&text.value).ok();
    if instant.is_none() {
        let message = format!("`{}` is not an instant", shown(&text.value));
        r.error(text.at.span, message, "write it with an offset, like 2026-03-29T02:00:00Z");
    }
    instant
}

/// Checks a rule by itself, and how it is expanded from `start` where that is known.
fn recurrence(
    text: &Text,
    start: Option<(DateTime, &TimeZone)>,
    r: &mut Reader<'_, '_>,
) -> Option<String> {
    let before = text.value.len() - text.value.trim_start().len();
    let written = text.value.trim();
    let bare = written.strip_prefix("RRULE:").unwrap_or(written);
    let before = before + written.len() - bare.len();
    // Letters outside ASCII keep their case, so that every byte keeps its place.
    let rule = bare.to_ascii_uppercase();
    if let Some(fault) = recurrence::fault(&rule) {
        let within = before + fault.within.start..before + fault.within.end;
        r.error(r.within(text, within), fault.message, fault.hint);
        return None;
    }
    if let Some((start, zone)) = start
        && let Err(reason) = flyball_model::recurrence(start, zone, &rule)
    {
        let (message, hint) = split_hint(&reason);
        let message = format!("the rule cannot be expanded: {message}");
        r.error(text.at.span, message, hint.unwrap_or_default());
        return None;
    }
    Some(rule)
}
