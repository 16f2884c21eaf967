//! Pyrra: `pyrra.dev/v1alpha1`, kind `ServiceLevelObjective`.
//!
//! Pyrra's metrics are series selectors; they become queries of ratios, of a ready ratio for
//! native histograms, or of a gauge that is 0 or 1. A Pyrra SLO names no service: its own name
//! stands in. Alerts are Pyrra's four pairs, whose windows grow with the SLO's window.

use std::collections::BTreeMap;

use flyball_model::{
    AlertRule, BudgetingMethod, Comparison, Condition, Duration, Factor, Indicator, MetricSli,
    NoDataRule, Rational, Severity, Slo, Target, Window,
};

use super::prometheus::{self, Selector};
use super::sloth::plain_objective;
use crate::decode::{Fields, Reader, Text};
use crate::diagnostic::shown;
use crate::extension::Extension;
use crate::load::Imported;
use crate::set::Alerting;
use crate::yaml::Node;

/// Reads one document; `None` when faults were noted.
pub(crate) fn document(node: &Node, kind: &Node, r: &mut Reader<'_, '_>) -> Option<Imported> {
    r.word(kind, &[("ServiceLevelObjective", ())])?;
    let before = r.findings.errors();
    let mut fields = r.fields(node)?;
    for key in ["apiVersion", "kind", "status"] {
        fields.get(key);
    }
    let metadata = fields.require("metadata", "with a `name`", r);
    let spec = fields.require("spec", "with `target`, `window` and `indicator`", r);
    fields.finish(r);
    let metadata = metadata.and_then(|node| identity(node, r));
    let spec = spec.and_then(|node| read_spec(node, r));
    let ((name, namespace, labels), spec) = (metadata?, spec?);
    if r.findings.errors() > before {
        return None;
    }
    let assumed = Extension::default();
    let slo = Slo {
        name: namespace
            .map_or_else(|| name.value.clone(), |space| format!("{space}-{}", name.value)),
        display_name: Some(name.value.clone()),
        description: spec.description,
        service: name.value.clone(),
        labels,
        annotations: BTreeMap::new(),
        indicator: Some(Indicator::Metric(spec.indicator)),
        composition: None,
        window: Window::Rolling { length: spec.window },
        method: BudgetingMethod::Occurrences,
        objectives: vec![plain_objective(spec.target, spec.threshold)],
        alert_rules: spec.alert_rules,
        lookbacks: assumed.lookbacks,
        no_data: NoDataRule::Gap,
        coverage_floor: Rational::ZERO,
    };
    Some(Imported { slo, alerting: Alerting::Imported, name: name.at })
}

type Identity = (Text, Option<String>, BTreeMap<String, Vec<String>>);

/// Name, namespace and labels; Kubernetes keeps more in `metadata`, which is left alone.
fn identity(node: &Node, r: &mut Reader<'_, '_>) -> Option<Identity> {
    let mut fields = r.fields(node)?;
    let name = fields.require_text("name", "the SLO's name", r);
    let namespace = fields.text("namespace", r).map(|text| text.value);
    let labels = fields.get("labels");
    let mut all = BTreeMap::new();
    for entry in r.entries(labels) {
        if let Some(text) = r.text(&entry.value) {
            all.insert(entry.key.clone(), vec![text.value]);
        }
    }
    Some((name?, namespace, all))
}

struct Spec {
    description: Option<String>,
    target: Target,
    window: Duration,
    indicator: MetricSli,
    threshold: Option<(Comparison, f64)>,
    alert_rules: Vec<AlertRule>,
}

fn read_spec(node: &Node, r: &mut Reader<'_, '_>) -> Option<Spec> {
    let mut fields = r.fields(node)?;
    let description = fields.text("description", r).map(|text| text.value);
    let target = fields.require_text("target", "a percentage in quotes, like '99.9'", r);
    let window = fields.require_text("window", "like 4w", r);
    let indicator =
        fields.require("indicator", "one of ratio, latency, latencyNative, bool_gauge", r);
    let alerting = fields.get("alerting");
    for key in ["partial_response_strategy", "performanceOverAccuracy", "ruleOutput"] {
        fields.get(key);
    }
    fields.finish(r);
    let target = target.and_then(|text| percentage(&text, r));
    let window = window.and_then(|text| length(&text, r));
    let indicator = indicator.and_then(|node| read_indicator(node, r));
    let severities = alerting.map_or(Some(Some(DEFAULT_SEVERITIES)), |node| read_alerting(node, r));
    let (indicator, threshold) = indicator?;
    let window = window?;
    let alert_rules = severities?.map(|given| rules(window, given)).unwrap_or_default();
    Some(Spec { description, target: target?, window, indicator, threshold, alert_rules })
}

/// A target from 0 to 100, both as Pyrra reads it, but below 100.
fn percentage(text: &Text, r: &mut Reader<'_, '_>) -> Option<Target> {
    let percent = Rational::parse(text.value.trim());
    let share = Rational::new(1, 100)
        .and_then(|hundredth| percent.and_then(|percent| percent.checked_mul(hundredth)));
    if let Some(percent) = percent
        && !percent.is_zero()
        && percent < Rational::ONE
    {
        let message = format!("the target is in per cent: this is {percent} %");
        r.warn(text.at.span, message, "a share of 0.999 is written '99.9'");
    }
    let target = share.and_then(|share| Target::new(share).ok());
    if target.is_none() {
        let message =
            format!("`{}` is not a percentage from 0 up to and without 100", shown(&text.value));
        r.error(text.at.span, message, "like '99.9'; 100 leaves no error budget");
    }
    target
}

fn length(text: &Text, r: &mut Reader<'_, '_>) -> Option<Duration> {
    let length = prometheus::duration(&text.value);
    if length.is_none() {
        let message = format!("`{}` is not a length of time", shown(&text.value));
        r.error(text.at.span, message, "write it like 4w, 30d or 1h30m");
    }
    length
}

type Read = (MetricSli, Option<(Comparison, f64)>);

fn read_indicator(node: &Node, r: &mut Reader<'_, '_>) -> Option<Read> {
    let mut fields = r.fields(node)?;
    let kinds = [
        fields.get("ratio"),
        fields.get("latency"),
        fields.get("latencyNative"),
        fields.get("bool_gauge"),
    ];
    fields.finish(r);
    let found: Vec<(usize, &Node)> =
        kinds.into_iter().enumerate().filter_map(|(kind, node)| Some((kind, node?))).collect();
    let [(kind, node)] = found.as_slice() else {
        let message = "exactly one indicator is needed";
        r.error(node.head(r.source), message, "one of ratio, latency, latencyNative, bool_gauge");
        return None;
    };
    let mut fields = r.fields(node)?;
    let read = match kind {
        0 => ratio(&mut fields, "errors", true, r),
        1 => ratio(&mut fields, "success", false, r),
        2 => native(&mut fields, r),
        _ => metric(&mut fields, r).map(|(text, _)| {
            let query = prometheus::query(&text.value);
            (MetricSli::Threshold { query }, Some((Comparison::AtLeast, 1.0)))
        }),
    };
    let grouping = fields.get("grouping");
    let by = labels(grouping, r);
    fields.finish(r);
    let (mut sli, threshold) = read?;
    prometheus::slice(&mut sli, by?);
    Some((sli, threshold))
}

/// The labels that Pyrra keeps an SLO for each of; `None` when faults were noted.
fn labels(grouping: Option<&Node>, r: &mut Reader<'_, '_>) -> Option<Vec<String>> {
    r.list(grouping).iter().map(|label| Some(r.text(label)?.value)).collect()
}

/// A ratio of `side_key` to `total`; a latency's good side is a histogram bucket.
fn ratio(
    fields: &mut Fields<'_>,
    side_key: &'static str,
    side_is_bad: bool,
    r: &mut Reader<'_, '_>,
) -> Option<Read> {
    let side = fields.require(side_key, "with `metric`", r);
    let total = fields.require("total", "with `metric`", r);
    let side = side.and_then(|node| metric_of(node, r));
    let total = total.and_then(|node| metric_of(node, r));
    let ((side, selector), (total, _)) = (side?, total?);
    if !side_is_bad {
        let bucket = selector.matchers.iter().find(|(label, _, _)| label == "le");
        if bucket.is_none_or(|(_, _, bound)| bound.parse::<f64>().is_err()) {
            let message = "a latency's success metric needs the label `le` with a number";
            r.error(side.at.span, message, "like http_duration_seconds_bucket{le=\"0.5\"}");
            return None;
        }
    }
    if side.value == total.value {
        let message = format!("`{side_key}` and `total` are the same metric");
        r.warn(side.at.span, message, "one of them is wrong");
    }
    let sli = MetricSli::Ratio {
        counter: true,
        side: prometheus::query(&side.value),
        side_is_bad,
        total: prometheus::query(&total.value),
    };
    Some((sli, None))
}

/// The share of a native histogram that is below a latency.
fn native(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<Read> {
    let latency = fields.require_text("latency", "like 200ms", r);
    let total = fields.require("total", "with `metric`", r);
    let latency = latency.and_then(|text| length(&text, r));
    let total = total.and_then(|node| metric_of(node, r));
    let (latency, (total, _)) = (latency?, total?);
    let seconds = latency.as_seconds_f64();
    let query =
        format!("histogram_fraction(0, {seconds}, sum(rate({}[{{{{.window}}}}])))", total.value);
    Some((MetricSli::Raw { failures: false, query: prometheus::query(&query) }, None))
}

fn metric_of(node: &Node, r: &mut Reader<'_, '_>) -> Option<(Text, Selector)> {
    let mut fields = r.fields(node)?;
    let metric = metric(&mut fields, r);
    fields.finish(r);
    metric
}

fn metric(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<(Text, Selector)> {
    let text = fields.require_text(
        "metric",
        "a series selector like http_requests_total{job=\"a\"}",
        r,
    )?;
    let selector = prometheus::selector(&text.value);
    if selector.is_none() {
        let message = format!("`{}` is not a series selector", shown(&text.value));
        r.error(text.at.span, message, "like http_requests_total{job=\"a\"}; no functions");
    }
    Some((text, selector?))
}

type Severities = [Severity; 4];

const DEFAULT_SEVERITIES: Severities =
    [Severity::Page, Severity::Page, Severity::Ticket, Severity::Ticket];

/// `Some(None)` where burn alerts are switched off.
#[expect(clippy::option_option, reason = "the outer one means that faults were noted")]
fn read_alerting(node: &Node, r: &mut Reader<'_, '_>) -> Option<Option<Severities>> {
    let mut fields = r.fields(node)?;
    let disabled = fields.boolean("disabled", r).unwrap_or(false);
    let burnrates = fields.boolean("burnrates", r).unwrap_or(true);
    for key in ["absent", "absentName", "name"] {
        fields.get(key);
    }
    let words = fields.get("severities");
    fields.finish(r);
    let mut severities = DEFAULT_SEVERITIES;
    if let Some(node) = words {
        let mut fields = r.fields(node)?;
        fields.get("absent");
        for (severity, key) in
            severities.iter_mut().zip(["fastBurn", "mediumBurn", "slowBurn", "longTermBurn"])
        {
            if let Some(text) = fields.text(key, r) {
                *severity =
                    if text.value == "critical" { Severity::Page } else { Severity::Ticket };
            }
        }
        fields.finish(r);
    }
    Some((!disabled && burnrates).then_some(severities))
}

/// Pyrra's pairs: at 28 d the lookbacks are 1h/5m, 6h/30m, 1d/2h, 4d/6h, held for 2m, 15m, 1h, 3h,
/// with burns of 14, 7, 2 and 1; at other windows the times grow in proportion, to the minute.
fn rules(window: Duration, severities: Severities) -> Vec<AlertRule> {
    // The long and short lookback and the hold time as parts of the window.
    const PAIRS: [(&str, i64, i64, i64, u64); 4] = [
        ("fast-burn", 672, 8_064, 20_160, 14),
        ("medium-burn", 112, 1_344, 2_688, 7),
        ("slow-burn", 28, 336, 672, 2),
        ("long-term-burn", 7, 112, 224, 1),
    ];
    const MINUTE: i64 = 60_000_000_000;
    let part = |parts: i64| {
        let minutes = (window.nanos() / parts + MINUTE / 2) / MINUTE;
        Duration::from_nanos(minutes.max(1) * MINUTE).unwrap_or(Duration::ZERO)
    };
    PAIRS
        .into_iter()
        .zip(severities)
        .map(|((name, long, short, hold, factor), severity)| AlertRule {
            name: name.to_owned(),
            severity,
            condition: Condition::Burn {
                long: part(long),
                short: Some(part(short)),
                factor: Factor::Exact(Rational::new(factor, 1).unwrap_or(Rational::ONE)),
                comparison: Comparison::Above,
            },
            hold: part(hold),
            evidence: None,
        })
        .collect()
}
