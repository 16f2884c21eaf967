//! Sloth: `version: prometheus/v1`, its Kubernetes resource, and its catalogues of alert windows.
//!
//! An SLO's identity is Sloth's own, `<service>-<name>`. Its window is Sloth's default period.
//! Alerts are Sloth's pairs, the workbook's budget shares; the labels for routing stay behind.

use flyball_model::{
    AlertRule, BudgetingMethod, Comparison, Condition, Duration, Factor, Indicator, MetricQuery,
    MetricSli, NoDataRule, Objective, Rational, Severity, Slo, Target, Window,
};

use super::prometheus;
use crate::decode::{Fields, Reader, Text};
use crate::diagnostic::shown;
use crate::extension::Extension;
use crate::load::Imported;
use crate::set::{AlertStrategy, Alerting};
use crate::yaml::Node;

/// Sloth's default period.
const PERIOD: Duration = Duration::from_days(30);
/// The type that a query of a Sloth plugin is given: nothing here can run it.
const PLUGIN: &str = "sloth-plugin";

/// The keys that the native format and the Kubernetes resource write differently.
struct Keys {
    error_query: &'static str,
    total_query: &'static str,
    error_ratio_query: &'static str,
    page_alert: &'static str,
    ticket_alert: &'static str,
    plugins: &'static str,
}

const NATIVE: Keys = Keys {
    error_query: "error_query",
    total_query: "total_query",
    error_ratio_query: "error_ratio_query",
    page_alert: "page_alert",
    ticket_alert: "ticket_alert",
    plugins: "slo_plugins",
};

const KUBERNETES: Keys = Keys {
    error_query: "errorQuery",
    total_query: "totalQuery",
    error_ratio_query: "errorRatioQuery",
    page_alert: "pageAlert",
    ticket_alert: "ticketAlert",
    plugins: "sloPlugins",
};

/// Reads a native document.
pub(crate) fn document(node: &Node, r: &mut Reader<'_, '_>) -> Vec<Imported> {
    let Some(mut fields) = r.fields(node) else { return Vec::new() };
    if let Some(version) = fields.get("version") {
        r.word(version, &[("prometheus/v1", ())]);
    }
    let imported = service(&mut fields, &NATIVE, r);
    fields.finish(r);
    imported
}

/// Reads `PrometheusServiceLevel` or `AlertWindows`.
pub(crate) fn kubernetes(
    node: &Node,
    kind: &Node,
    r: &mut Reader<'_, '_>,
    strategies: &mut Vec<AlertStrategy>,
) -> Vec<Imported> {
    let kind = r.word(kind, &[("PrometheusServiceLevel", true), ("AlertWindows", false)]);
    let (Some(levels), Some(mut fields)) = (kind, r.fields(node)) else { return Vec::new() };
    for key in ["apiVersion", "kind", "metadata", "status"] {
        fields.get(key);
    }
    let spec = fields.require("spec", "see the format's own documentation", r);
    fields.finish(r);
    let Some(mut spec) = spec.and_then(|spec| r.fields(spec)) else { return Vec::new() };
    if levels {
        let imported = service(&mut spec, &KUBERNETES, r);
        spec.finish(r);
        return imported;
    }
    let name =
        node.get("metadata").and_then(|metadata| metadata.text_at("name")).map(str::to_owned);
    let strategy = windows(&mut spec, name, r);
    spec.finish(r);
    strategies.extend(strategy);
    Vec::new()
}

/// Service, labels and SLOs.
fn service(fields: &mut Fields<'_>, keys: &Keys, r: &mut Reader<'_, '_>) -> Vec<Imported> {
    let before = r.findings.errors();
    let service = name(fields, "service", r);
    let labels = fields.get("labels");
    let common = labels_of(labels, r);
    if let Some(plugins) = fields.get(keys.plugins) {
        self::plugins(plugins, r);
    }
    let slos = fields.get("slos");
    let nodes = r.list(slos);
    if nodes.is_empty() {
        let span = slos.unwrap_or(fields.node).head(r.source);
        r.error(span, "no SLOs are defined", "add one to `slos`");
    }
    let found: Vec<_> =
        nodes.iter().map(|node| slo(node, service.as_ref(), &common, keys, r)).collect();
    if r.findings.errors() > before {
        return Vec::new();
    }
    found.into_iter().flatten().collect()
}

/// A name in Sloth's alphabet.
fn name(fields: &mut Fields<'_>, key: &'static str, r: &mut Reader<'_, '_>) -> Option<Text> {
    let node = fields.require(key, "letters, digits, `-`, `_` and `.`", r)?;
    let text = r.any_text(node)?;
    let edge = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| edge(c) || matches!(c, '-' | '_' | '.');
    let value = &text.value;
    if value.len() >= 2
        && value.starts_with(edge)
        && value.ends_with(edge)
        && value.chars().all(inner)
    {
        return Some(text);
    }
    let message = format!("`{}` is not a name", shown(value));
    let hint = "two or more letters, digits, `-`, `_` and `.`, with a letter or digit at both ends";
    r.error(node.span, message, hint);
    None
}

type Labels = std::collections::BTreeMap<String, Vec<String>>;

fn labels_of(node: Option<&Node>, r: &mut Reader<'_, '_>) -> Labels {
    let mut labels = Labels::new();
    for entry in r.entries(node) {
        if let Some(text) = r.any_text(&entry.value) {
            labels.insert(entry.key.clone(), vec![text.value]);
        }
    }
    labels
}

fn plugins(node: &Node, r: &mut Reader<'_, '_>) {
    let Some(mut fields) = r.fields(node) else { return };
    let overriding = fields.boolean("overridePrevious", r).unwrap_or(false);
    let chain = fields.get("chain");
    fields.finish(r);
    let nodes = r.list(chain);
    if overriding && nodes.is_empty() {
        r.error(
            node.head(r.source),
            "`overridePrevious` without a `chain`",
            "add plugins to `chain`",
        );
    }
    for node in nodes {
        let Some(mut fields) = r.fields(node) else { continue };
        fields.require_text("id", "the plugin's name", r);
        fields.get("config");
        fields.get("priority");
        fields.finish(r);
    }
    if !nodes.is_empty() {
        let message =
            "Sloth's SLO plugins change the rules that Sloth generates; they are not run here";
        r.warn(node.head(r.source), message, "");
    }
}

fn slo(
    node: &Node,
    service: Option<&Text>,
    common: &Labels,
    keys: &Keys,
    r: &mut Reader<'_, '_>,
) -> Option<Imported> {
    let mut fields = r.fields(node)?;
    let slo_name = name(&mut fields, "name", r);
    let description = fields.text("description", r);
    let objective = fields.require("objective", "a percentage above 0, like 99.9", r);
    let labels = fields.get("labels");
    let sli = fields.require("sli", "with `events`, `raw` or `plugin`", r);
    let alerting = fields.get("alerting");
    if let Some(chain) = fields.get("plugins") {
        plugins(chain, r);
    }
    fields.get("infoLabels");
    fields.get("interval");
    fields.finish(r);
    let target = objective.and_then(|node| percentage(node, r));
    let indicator = sli.and_then(|node| indicator(node, keys, r));
    let mut all = common.clone();
    all.extend(labels_of(labels, r));
    let alert_rules = alerts(node, alerting, keys, r);
    let (service, slo_name, alert_rules) = (service?, slo_name?, alert_rules?);
    let assumed = Extension::default();
    let slo = Slo {
        name: format!("{}-{}", service.value, slo_name.value),
        display_name: Some(slo_name.value.clone()),
        description: description.map(|text| text.value),
        service: service.value.clone(),
        labels: all,
        annotations: std::collections::BTreeMap::new(),
        indicator: Some(Indicator::Metric(indicator?)),
        composition: None,
        window: Window::Rolling { length: PERIOD },
        method: BudgetingMethod::Occurrences,
        objectives: vec![plain_objective(target?, None)],
        lookbacks: assumed.lookbacks,
        no_data: NoDataRule::Gap,
        coverage_floor: Rational::ZERO,
        alert_rules,
    };
    Some(Imported { slo, alerting: Alerting::Imported, name: slo_name.at })
}

/// An objective with nothing but a target.
pub(super) fn plain_objective(target: Target, threshold: Option<(Comparison, f64)>) -> Objective {
    Objective {
        display_name: None,
        target,
        threshold,
        indicator: None,
        weight: Rational::ONE,
        timeslice_target: None,
        timeslice_window: None,
    }
}

/// A target in per cent, above 0 and below 100.
fn percentage(node: &Node, r: &mut Reader<'_, '_>) -> Option<Target> {
    let percent = r.rational(node, "a percentage above 0 and below 100")?;
    let share = Rational::new(1, 100).and_then(|hundredth| percent.checked_mul(hundredth));
    let target = share.filter(|share| !share.is_zero()).and_then(|share| Target::new(share).ok());
    if target.is_none() {
        let hint = if percent == Rational::new(100, 1).unwrap_or(Rational::ONE) {
            "100 leaves no error budget: any failure would break the promise for good"
        } else {
            "like 99.9"
        };
        r.error(
            node.span,
            format!("an objective of {percent} % is not above 0 and below 100"),
            hint,
        );
    }
    target
}

fn indicator(node: &Node, keys: &Keys, r: &mut Reader<'_, '_>) -> Option<MetricSli> {
    let mut fields = r.fields(node)?;
    let kinds = [fields.get("events"), fields.get("raw"), fields.get("plugin")];
    fields.finish(r);
    match kinds {
        [Some(node), None, None] => {
            let mut fields = r.fields(node)?;
            let error = template(&mut fields, keys.error_query, r);
            let total = template(&mut fields, keys.total_query, r);
            fields.finish(r);
            let (error, total) = (error?, total?);
            if error.value == total.value {
                r.error(
                    total.at.span,
                    "errors and total are the same query",
                    "one of them is wrong",
                );
                return None;
            }
            Some(MetricSli::Ratio {
                counter: false,
                side: prometheus::query(&error.value),
                side_is_bad: true,
                total: prometheus::query(&total.value),
            })
        }
        [None, Some(node), None] => {
            let mut fields = r.fields(node)?;
            let query = template(&mut fields, keys.error_ratio_query, r);
            fields.finish(r);
            Some(MetricSli::Raw { failures: true, query: prometheus::query(&query?.value) })
        }
        [None, None, Some(node)] => {
            let mut fields = r.fields(node)?;
            let id = fields.require_text("id", "the plugin's name", r);
            let options = fields.get("options");
            fields.finish(r);
            let options = options.map_or_else(|| serde_json::json!({}), Node::to_json);
            let id = id?;
            let message = format!(
                "the SLI plugin `{}` is a program for Sloth; it is not run here",
                shown(&id.value)
            );
            r.warn(
                id.at.span,
                message,
                "write the queries under `events` to have this SLO evaluated",
            );
            let spec = serde_json::json!({ "id": id.value, "options": options }).to_string();
            let query =
                MetricQuery { source_type: Some(PLUGIN.to_owned()), source_ref: None, spec };
            Some(MetricSli::Raw { failures: true, query })
        }
        [None, None, None] => {
            r.error(node.head(r.source), "an SLI is needed", "one of `events`, `raw`, `plugin`");
            None
        }
        _ => {
            r.error(
                node.head(r.source),
                "only one kind of SLI is allowed",
                "keep one of `events`, `raw`, `plugin`",
            );
            None
        }
    }
}

/// A query with Sloth's `{{.window}}` in it.
fn template(fields: &mut Fields<'_>, key: &'static str, r: &mut Reader<'_, '_>) -> Option<Text> {
    let text = fields.require_text(key, "a PromQL query with [{{.window}}]", r)?;
    let windowed =
        text.value.split("{{").skip(1).any(|rest| {
            rest.split_once("}}").is_some_and(|(inside, _)| inside.trim() == ".window")
        });
    if !windowed {
        r.error(
            text.at.span,
            "the query has no `{{.window}}`",
            "like rate(http_requests_total[{{.window}}])",
        );
        return None;
    }
    Some(text)
}

/// Sloth's pairs for the alerts that are not disabled.
fn alerts(
    slo: &Node,
    alerting: Option<&Node>,
    keys: &Keys,
    r: &mut Reader<'_, '_>,
) -> Option<Vec<AlertRule>> {
    let (mut page, mut ticket, mut named) = (true, true, false);
    let mut at = slo.head(r.source);
    if let Some(node) = alerting {
        at = node.head(r.source);
        let mut fields = r.fields(node)?;
        named = fields.text("name", r).is_some();
        fields.get("labels");
        fields.get("annotations");
        let (page_node, ticket_node) = (fields.get(keys.page_alert), fields.get(keys.ticket_alert));
        // Sloth ignores the other dialect's spelling, and one of its examples has it.
        fields.finish_leniently(r);
        page = page_node.is_none_or(|node| enabled(node, r));
        ticket = ticket_node.is_none_or(|node| enabled(node, r));
    }
    if (page || ticket) && !named {
        r.error(at, "`alerting` needs a `name`", "or disable both the page and the ticket alert");
        return None;
    }
    let rules = pairs([(2, 60, 5), (5, 360, 30), (10, 1_440, 120), (10, 4_320, 360)].map(
        |(percent, long, short)| {
            let share = Rational::new(percent, 100).unwrap_or(Rational::ONE);
            (share, Duration::from_minutes(long), Duration::from_minutes(short))
        },
    ));
    let wanted = |rule: &AlertRule| if rule.severity == Severity::Page { page } else { ticket };
    Some(rules.into_iter().filter(wanted).collect())
}

fn enabled(node: &Node, r: &mut Reader<'_, '_>) -> bool {
    let Some(mut fields) = r.fields(node) else { return true };
    let disabled = fields.boolean("disable", r).unwrap_or(false);
    fields.get("labels");
    fields.get("annotations");
    fields.finish(r);
    !disabled
}

/// Page quick and slow, ticket quick and slow: budget share, long and short lookback.
///
/// Source: SRE Workbook, chapter 5, table 5-8, with the ticket pair of its PromQL example.
fn pairs(given: [(Rational, Duration, Duration); 4]) -> Vec<AlertRule> {
    let names = [
        ("page-quick", Severity::Page),
        ("page-slow", Severity::Page),
        ("ticket-quick", Severity::Ticket),
        ("ticket-slow", Severity::Ticket),
    ];
    names
        .into_iter()
        .zip(given)
        .map(|((name, severity), (share, long, short))| AlertRule {
            name: name.to_owned(),
            severity,
            condition: Condition::Burn {
                long,
                short: Some(short),
                factor: Factor::BudgetShare(share),
                comparison: Comparison::Above,
            },
            hold: Duration::ZERO,
            evidence: None,
        })
        .collect()
}

/// A catalogue of alert windows as a strategy, `sloth-<period>` where it has no name.
fn windows(
    spec: &mut Fields<'_>,
    name: Option<String>,
    r: &mut Reader<'_, '_>,
) -> Option<AlertStrategy> {
    let period = spec.require("sloPeriod", "like 30d", r).and_then(|node| length(node, r));
    let (mut given, mut places) = (Vec::new(), Vec::new());
    for key in ["page", "ticket"] {
        let Some(node) = spec.require(key, "with `quick` and `slow`", r) else { continue };
        let Some(mut fields) = r.fields(node) else { continue };
        for speed in ["quick", "slow"] {
            let hint = "with `errorBudgetPercent`, `shortWindow`, `longWindow`";
            let node = fields.require(speed, hint, r);
            let share = node.map(|node| node.get("errorBudgetPercent").unwrap_or(node));
            places.extend(share.map(|node| r.place(node.span)));
            given.extend(node.and_then(|node| pair(node, r)));
        }
        fields.finish(r);
    }
    let (period, given) = (period?, <[_; 4]>::try_from(given).ok()?);
    let name = name.unwrap_or_else(|| format!("sloth-{period}"));
    Some(AlertStrategy { name, period: Some(period), rules: pairs(given), places })
}

fn pair(node: &Node, r: &mut Reader<'_, '_>) -> Option<(Rational, Duration, Duration)> {
    let mut fields = r.fields(node)?;
    let percent = fields.require("errorBudgetPercent", "like 2", r);
    let short = fields.require("shortWindow", "like 5m", r);
    let long = fields.require("longWindow", "like 1h", r);
    fields.finish(r);
    let share = percent.and_then(|node| {
        let percent = r.rational(node, "a percentage above 0, at most 100")?;
        let share = Rational::new(1, 100).and_then(|hundredth| percent.checked_mul(hundredth));
        let share = share.filter(|share| !share.is_zero() && *share <= Rational::ONE);
        if share.is_none() {
            r.error(node.span, "a percentage above 0, at most 100, is expected", "like 2");
        }
        share
    });
    let short = short.and_then(|node| length(node, r));
    let long_length = long.and_then(|node| length(node, r));
    let (share, long_length, short) = (share?, long_length?, short?);
    if short >= long_length {
        let span = long.map_or(node.span, |node| node.span);
        r.error(span, "the long window is not longer than the short one", "exchange them");
        return None;
    }
    Some((share, long_length, short))
}

/// A Prometheus duration.
fn length(node: &Node, r: &mut Reader<'_, '_>) -> Option<Duration> {
    let text = r.text(node)?;
    let length = prometheus::duration(&text.value);
    if length.is_none() {
        let message = format!("`{}` is not a length of time", shown(&text.value));
        r.error(node.span, message, "write it like 30d, 1h or 1h30m");
    }
    length
}
