//! `flyball slo show`: what was understood of documents, in words that need no YAML.

mod text;

use std::path::PathBuf;

use flyball_budget::{Threshold, alert, nominal_length};
use flyball_model::{
    AlertRule, BudgetingMethod, CalendarUnit, Comparison, Composition, Condition, Correction,
    CorrectionMode, Duration, GoodOrBad, Indicator, MetricSli, NoDataRule, Objective, Rational,
    Schedule, Severity, Slo, Target, Window,
};
use flyball_spec::{Alerting, Diagnostic, SpecSet};

use super::{count, print};
use crate::output::words::decimals;
use crate::{Exit, specs, talk};

/// Show what was understood: references inlined, defaults filled in, budgets in minutes
///
/// Examples:
///   flyball slo show slos/
///   flyball slo show -o json checkout.yaml | jq '.slos[].name'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ShowArgs {
    /// Documents, or directories with documents; `-` is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// How SLOs are written
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Table,
    Json,
    Yaml,
}

/// Everything that was understood.
#[derive(Debug, serde::Serialize)]
struct Shown {
    slos: Vec<SloShown>,
    corrections: Vec<CorrectionShown>,
    not_evaluated: Vec<IncompleteShown>,
}

#[derive(Debug, serde::Serialize)]
struct SloShown {
    name: String,
    display_name: Option<String>,
    service: String,
    description: Option<String>,
    /// In words.
    window: String,
    method: BudgetingMethod,
    composition: Option<Composition>,
    no_data: NoDataRule,
    coverage_floor: Rational,
    lookbacks: Vec<Duration>,
    /// Where the alert rules come from.
    alerting: String,
    objectives: Vec<ObjectiveShown>,
}

#[derive(Debug, serde::Serialize)]
struct ObjectiveShown {
    name: Option<String>,
    target: Target,
    /// As a percentage, exactly.
    target_percent: String,
    /// For metrics with a threshold: what makes a value good.
    threshold: Option<String>,
    weight: Option<Rational>,
    timeslice_target: Option<Rational>,
    timeslice_window: Option<Duration>,
    indicator: Option<IndicatorShown>,
    /// Minutes of total outage that the whole window allows; calendar windows count with their
    /// nominal length.
    budget_minutes: f64,
    /// The highest burn there can be.
    burn_max: f64,
    alerts: Vec<AlertShown>,
}

#[derive(Debug, serde::Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum IndicatorShown {
    Events {
        total: String,
        good: Option<String>,
        bad: Option<String>,
        by: Vec<String>,
        slice_limit: Option<u32>,
    },
    Metric {
        /// In words.
        form: String,
        queries: Vec<String>,
    },
}

#[derive(Debug, serde::Serialize)]
struct AlertShown {
    rule: String,
    severity: Severity,
    /// In words.
    condition: String,
    /// The burn that is compared with, for burn conditions.
    factor: Option<f64>,
    /// The share of the budget that the long lookback spends at that burn.
    spend_share: Option<f64>,
    hold: Option<Duration>,
    /// From the start of a total outage to the call, as [`alert::Outage`] has it.
    outage_detection_seconds: Option<f64>,
    /// What that outage begins and ends with, where slices of time are counted.
    outage_slice: Option<Duration>,
    /// From the end of an outage as long as the lookbacks to the end of the alert.
    outage_reset_seconds: Option<f64>,
    /// In words.
    evidence: Option<String>,
    /// Why the rule can never work for this objective.
    refused: Option<String>,
}

#[derive(Debug, serde::Serialize)]
struct CorrectionShown {
    name: String,
    /// Empty is all.
    slos: Vec<String>,
    mode: CorrectionMode,
    category: String,
    author: String,
    reason: Option<String>,
    /// In words.
    schedule: String,
}

#[derive(Debug, serde::Serialize)]
struct IncompleteShown {
    slo: String,
    reasons: Vec<String>,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<Exit> {
    let sources = specs::read_given(&args.paths)?;
    let (set, diagnostics) = flyball_catalog::load(&sources);
    talk::diagnostics(&diagnostics);
    let shown = Shown::new(&set);
    match args.output {
        Output::Table => print(&text::text(&shown))?,
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))?,
        Output::Yaml => print(&serde_saphyr::to_string(&shown)?)?,
    }
    let errors = diagnostics.iter().filter(|diagnostic| Diagnostic::is_error(diagnostic)).count();
    if errors > 0 {
        talk::note(&format!("{}: a document with an error is not shown", count(errors, "error")));
        return Ok(Exit::Usage);
    }
    Ok(Exit::Met)
}

impl Shown {
    fn new(set: &SpecSet) -> Self {
        let not_evaluated = set
            .incomplete
            .iter()
            .map(|slo| IncompleteShown { slo: slo.name.clone(), reasons: slo.reasons.clone() });
        Self {
            slos: set.slos.iter().map(|slo| SloShown::new(slo, set)).collect(),
            corrections: set.corrections.iter().map(CorrectionShown::new).collect(),
            not_evaluated: not_evaluated.collect(),
        }
    }
}

impl SloShown {
    fn new(slo: &Slo, set: &SpecSet) -> Self {
        let alerting = match set.alerting.get(&slo.name) {
            Some(Alerting::Default) => "the default rules".to_owned(),
            Some(Alerting::Preset(name)) => format!("the preset `{name}`"),
            Some(Alerting::None) => "switched off".to_owned(),
            Some(Alerting::Imported) => "those that its own tool generates".to_owned(),
            Some(Alerting::Own) | None if slo.alert_rules.is_empty() => "none".to_owned(),
            Some(Alerting::Own) | None => "the document's own rules".to_owned(),
        };
        let alerting = match flyball_catalog::left_out(slo, set) {
            Some(left_out) => format!("{alerting}; {left_out}"),
            None => alerting,
        };
        Self {
            name: slo.name.clone(),
            display_name: slo.display_name.clone(),
            service: slo.service.clone(),
            description: slo.description.as_deref().map(|text| text.trim().to_owned()),
            window: window(&slo.window),
            method: slo.method,
            composition: slo.composition,
            no_data: slo.no_data,
            coverage_floor: slo.coverage_floor,
            lookbacks: slo.lookbacks.clone(),
            alerting,
            objectives: slo.objectives.iter().map(|own| ObjectiveShown::new(own, slo)).collect(),
        }
    }
}

impl ObjectiveShown {
    fn new(objective: &Objective, slo: &Slo) -> Self {
        let indicator = objective.indicator.as_ref().or(slo.indicator.as_ref());
        let minutes = nominal_length(&slo.window).as_minutes_f64();
        let budget = objective.target.error_budget();
        Self {
            name: objective.display_name.clone(),
            target: objective.target,
            target_percent: objective.target.to_string(),
            threshold: objective
                .threshold
                .map(|(how, value)| format!("{} {value}", comparison(how))),
            weight: slo.composition.map(|_| objective.weight),
            timeslice_target: objective.timeslice_target,
            timeslice_window: objective.timeslice_window,
            indicator: indicator.map(IndicatorShown::new),
            budget_minutes: minutes * budget.numerator() as f64 / budget.denominator() as f64,
            burn_max: objective.target.burn_max(),
            alerts: slo
                .alert_rules
                .iter()
                .map(|rule| AlertShown::new(rule, objective, slo))
                .collect(),
        }
    }
}

impl IndicatorShown {
    fn new(indicator: &Indicator) -> Self {
        let query = |query: &flyball_model::MetricQuery| {
            let from = query.source_ref.as_ref().or(query.source_type.as_ref());
            match from {
                Some(from) => format!("{from}: {}", query.spec),
                None => query.spec.clone(),
            }
        };
        let metric = |form: &str, queries| Self::Metric { form: form.to_owned(), queries };
        match indicator {
            Indicator::Events(sli) => {
                let (good, bad) = match &sli.side {
                    GoodOrBad::Good(text) => (Some(text.trim().to_owned()), None),
                    GoodOrBad::Bad(text) => (None, Some(text.trim().to_owned())),
                };
                Self::Events {
                    total: sli.total.trim().to_owned(),
                    good,
                    bad,
                    slice_limit: (!sli.by.is_empty()).then_some(sli.slice_limit),
                    by: sli.by.clone(),
                }
            }
            Indicator::Metric(MetricSli::Ratio { side, side_is_bad: true, total, .. }) => {
                metric("bad over total", vec![query(side), query(total)])
            }
            Indicator::Metric(MetricSli::Ratio { side, total, .. }) => {
                metric("good over total", vec![query(side), query(total)])
            }
            Indicator::Metric(MetricSli::Raw { failures: true, query: raw }) => {
                metric("a ratio of failures", vec![query(raw)])
            }
            Indicator::Metric(MetricSli::Raw { query: raw, .. }) => {
                metric("a ratio of successes", vec![query(raw)])
            }
            Indicator::Metric(MetricSli::Threshold { query: raw }) => {
                metric("a value held against each objective's threshold", vec![query(raw)])
            }
        }
    }
}

impl AlertShown {
    fn new(rule: &AlertRule, objective: &Objective, slo: &Slo) -> Self {
        let (condition, factor, spend_share) = match rule.condition {
            Condition::Burn { long, short, factor: given, comparison: how } => {
                let factor = alert::factor(given, long, &slo.window).ok().map(Threshold::to_f64);
                let over = match short {
                    Some(short) => format!("over {long} and still over {short}"),
                    None => format!("over {long}"),
                };
                let shown = factor.map_or_else(|| "?".to_owned(), decimals);
                let whole = nominal_length(&slo.window);
                let share = factor.map(|factor| alert::spend(factor, long, whole));
                (format!("burn {} {shown} {over}", comparison(how)), factor, share)
            }
            Condition::Exhaustion { within, lookback } => {
                let text = format!(
                    "at the rate of the last {lookback} the budget is gone within {within}"
                );
                (text, None, None)
            }
            Condition::RemainingBelow { share } => (
                format!("less than {}% of the budget is left", decimals(share.to_f64() * 100.0)),
                None,
                None,
            ),
        };
        let evidence = rule.evidence.map(|evidence| {
            let mut parts = Vec::new();
            if evidence.bad_min > 0 {
                parts.push(format!("at least {} bad", evidence.bad_min));
            }
            if evidence.valid_min > 0 {
                parts.push(format!("at least {} valid", evidence.valid_min));
            }
            if let Some(confidence) = evidence.confidence {
                parts.push(format!("{}% certain", decimals(confidence.to_f64() * 100.0)));
            }
            parts.join(", ")
        });
        let outage = alert::outage(rule, objective, slo.method, &slo.window);
        Self {
            rule: rule.name.clone(),
            severity: rule.severity,
            condition,
            factor,
            spend_share,
            hold: (!rule.hold.is_zero()).then_some(rule.hold),
            outage_detection_seconds: outage.and_then(|outage| outage.detection),
            outage_slice: outage
                .and(objective.timeslice_window)
                .filter(|_| slo.method != BudgetingMethod::Occurrences),
            outage_reset_seconds: outage.map(|outage| outage.reset),
            evidence,
            refused: alert::check(rule, objective.target, &slo.window).err().map(|e| e.to_string()),
        }
    }
}

impl CorrectionShown {
    fn new(correction: &Correction) -> Self {
        let schedule = match &correction.schedule {
            Schedule::Once(interval) => format!("{} to {}", interval.start(), interval.end()),
            Schedule::Recurring { start, zone, length, rule } => format!(
                "{length} from {start} {}, again by {rule}",
                zone.iana_name().unwrap_or("(unnamed zone)")
            ),
        };
        Self {
            name: correction.name.clone(),
            slos: correction.slos.clone(),
            mode: correction.mode,
            category: correction.category.clone(),
            author: correction.author.clone(),
            reason: correction.reason.clone(),
            schedule,
        }
    }
}

/// A window in words.
fn window(window: &Window) -> String {
    let calendar = match window {
        Window::Rolling { length } => return format!("the last {length}, rolling"),
        Window::Calendar(calendar) => calendar,
    };
    let unit = match calendar.unit {
        CalendarUnit::Day => "day",
        CalendarUnit::Week => "week",
        CalendarUnit::Month => "month",
        CalendarUnit::Quarter => "quarter",
        CalendarUnit::Year => "year",
    };
    let each = match calendar.count {
        1 => format!("each calendar {unit}"),
        many => format!("every {many} calendar {unit}s"),
    };
    let zone = calendar.zone.iana_name().unwrap_or("an unnamed zone");
    let nominal = match calendar.unit {
        CalendarUnit::Day | CalendarUnit::Week => String::new(),
        // Their lengths differ; a replay shows the budget of the period that it is about.
        CalendarUnit::Month | CalendarUnit::Quarter | CalendarUnit::Year => {
            format!("; budget and alerts as of {}", nominal_length(window))
        }
    };
    format!("{each} in {zone}, counted from {}{nominal}", calendar.anchor)
}

const fn comparison(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Below => "<",
        Comparison::AtMost => "<=",
        Comparison::Above => ">",
        Comparison::AtLeast => ">=",
    }
}
