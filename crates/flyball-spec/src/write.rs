//! The model back to OpenSLO v1, for SLOs that a program proposes.
//!
//! What is written is valid OpenSLO v1 and reads back as the same SLO. Alert rules are not
//! written: an SLO in OpenSLO has no words for most of them; a proposal names a strategy or
//! leaves the default.

use flyball_model::{
    BudgetingMethod, CalendarUnit, Comparison, Composition, Duration, EventSli, GoodOrBad,
    Indicator, MetricQuery, MetricSli, Objective, SLICE_LIMIT_DEFAULT, Slo, Window,
};
use serde_json::{Map, Value, json};

use crate::extension::annotations;
use crate::yaml::{CommentMap, emit_yaml, parse};

/// Why an SLO has no form in OpenSLO v1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A length of time that is no whole number of minutes.
    #[error("{length} cannot be written: OpenSLO has minutes and longer units")]
    Length {
        /// The length as it is.
        length: String,
    },
    /// A zone without an IANA name, such as a fixed offset.
    #[error("a time zone without an IANA name cannot be written")]
    Zone,
    /// The settings of a metric query are no JSON mapping.
    #[error("the settings of a metric query are not a mapping: {settings}")]
    Settings {
        /// The settings as they are.
        settings: String,
    },
}

/// Writes one SLO as a document of OpenSLO v1, in canonical form, ending with a line end.
///
/// `alerting` names the strategy or preset that alerts on it; `None` leaves the default.
///
/// # Errors
///
/// [`WriteError`] where the format has no words for a part of the SLO.
pub fn write(slo: &Slo, alerting: Option<&str>) -> Result<String, WriteError> {
    let mut metadata = Map::new();
    metadata.insert("name".into(), json!(slo.name));
    if let Some(name) = &slo.display_name {
        metadata.insert("displayName".into(), json!(name));
    }
    if !slo.labels.is_empty() {
        metadata.insert("labels".into(), json!(slo.labels));
    }
    let mut noted = slo.annotations.clone();
    // What a program set wins over what the document said when it was read.
    noted.retain(|key, _| !key.starts_with(crate::extension::PREFIX));
    noted.extend(annotations(slo, assumed_differs(slo)));
    if let Some(alerting) = alerting {
        noted.insert(format!("{}alerting", crate::extension::PREFIX), alerting.to_owned());
    }
    if !noted.is_empty() {
        metadata.insert("annotations".into(), json!(noted));
    }
    let mut spec = Map::new();
    if let Some(description) = &slo.description {
        spec.insert("description".into(), json!(description));
    }
    spec.insert("service".into(), json!(slo.service));
    if let Some(indicator) = &slo.indicator {
        spec.insert("indicator".into(), inline(indicator, &slo.name)?);
    }
    spec.insert("timeWindow".into(), json!([window(&slo.window)?]));
    spec.insert("budgetingMethod".into(), json!(slo.method));
    let objectives: Result<Vec<Value>, WriteError> = slo
        .objectives
        .iter()
        .enumerate()
        .map(|(index, given)| objective(given, &format!("{}-{}", slo.name, index + 1)))
        .collect();
    spec.insert("objectives".into(), Value::Array(objectives?));
    let document = json!({
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": metadata,
        "spec": spec,
    });
    // JSON is YAML: the tree for the emitter comes from the parser, which bounds it as well.
    let parsed = parse(&document.to_string());
    Ok(parsed.documents.iter().map(|node| emit_yaml(node, &CommentMap::new())).collect())
}

/// The composition, where it is not what the budgeting method implies.
fn assumed_differs(slo: &Slo) -> Option<Composition> {
    let assumed = match slo.method {
        BudgetingMethod::Timeslices => Composition::AllOf,
        _ => Composition::Weighted,
    };
    slo.composition.filter(|composition| *composition != assumed)
}

fn inline(indicator: &Indicator, name: &str) -> Result<Value, WriteError> {
    let spec = match indicator {
        Indicator::Events(events) => json!({ "ratioMetric": event_ratio(events) }),
        Indicator::Metric(MetricSli::Ratio { counter, side, side_is_bad, total }) => {
            let key = if *side_is_bad { "bad" } else { "good" };
            json!({ "ratioMetric": {
                "counter": counter,
                key: source(side)?,
                "total": source(total)?,
            }})
        }
        Indicator::Metric(MetricSli::Raw { failures, query }) => {
            let kind = if *failures { "failure" } else { "success" };
            json!({ "ratioMetric": { "rawType": kind, "raw": source(query)? } })
        }
        Indicator::Metric(MetricSli::Threshold { query }) => {
            json!({ "thresholdMetric": source(query)? })
        }
    };
    Ok(json!({ "metadata": { "name": name }, "spec": spec }))
}

fn event_ratio(events: &EventSli) -> Value {
    let source = |spec: Value| json!({ "metricSource": { "type": "flyball", "spec": spec } });
    let (key, condition) = match &events.side {
        GoodOrBad::Good(condition) => ("good", condition),
        GoodOrBad::Bad(condition) => ("bad", condition),
    };
    let mut total = Map::new();
    total.insert("where".into(), json!(events.total));
    if !events.by.is_empty() {
        total.insert("by".into(), json!(events.by));
    }
    if events.slice_limit != SLICE_LIMIT_DEFAULT {
        total.insert("sliceLimit".into(), json!(events.slice_limit));
    }
    json!({ "counter": false, key: source(json!({ "where": condition })), "total": source(Value::Object(total)) })
}

fn source(query: &MetricQuery) -> Result<Value, WriteError> {
    let settings = serde_json::from_str::<Value>(&query.spec).ok().filter(Value::is_object);
    let Some(settings) = settings else {
        return Err(WriteError::Settings { settings: query.spec.clone() });
    };
    let mut inner = Map::new();
    if let Some(kind) = &query.source_type {
        inner.insert("type".into(), json!(kind));
    }
    if let Some(reference) = &query.source_ref {
        inner.insert("metricSourceRef".into(), json!(reference));
    }
    inner.insert("spec".into(), settings);
    Ok(json!({ "metricSource": inner }))
}

fn window(window: &Window) -> Result<Value, WriteError> {
    Ok(match window {
        Window::Rolling { length: rolling } => {
            json!({ "duration": length(*rolling)?, "isRolling": true })
        }
        Window::Calendar(calendar) => {
            let unit = match calendar.unit {
                CalendarUnit::Day => "d",
                CalendarUnit::Week => "w",
                CalendarUnit::Month => "M",
                CalendarUnit::Quarter => "Q",
                CalendarUnit::Year => "Y",
            };
            let zone = calendar.zone.iana_name().ok_or(WriteError::Zone)?;
            json!({
                "duration": format!("{}{unit}", calendar.count),
                "isRolling": false,
                "calendar": {
                    "startTime": calendar.anchor.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                    "timeZone": zone,
                },
            })
        }
    })
}

fn objective(objective: &Objective, name: &str) -> Result<Value, WriteError> {
    let mut out = Map::new();
    if let Some(name) = &objective.display_name {
        out.insert("displayName".into(), json!(name));
    }
    out.insert("target".into(), number(objective.target.share()));
    if let Some((comparison, value)) = objective.threshold {
        let op = match comparison {
            Comparison::AtMost => "lte",
            Comparison::AtLeast => "gte",
            Comparison::Below => "lt",
            Comparison::Above => "gt",
        };
        out.insert("op".into(), json!(op));
        out.insert("value".into(), json!(value));
    }
    if let Some(share) = objective.timeslice_target {
        out.insert("timeSliceTarget".into(), number(share));
    }
    if let Some(slice) = objective.timeslice_window {
        out.insert("timeSliceWindow".into(), json!(length(slice)?));
    }
    if let Some(indicator) = &objective.indicator {
        out.insert("indicator".into(), inline(indicator, name)?);
        if objective.weight != flyball_model::Rational::ONE {
            out.insert("compositeWeight".into(), number(objective.weight));
        }
    }
    Ok(Value::Object(out))
}

/// The nearest JSON number, whose shortest decimal is the share itself up to 15 digits.
fn number(share: flyball_model::Rational) -> Value {
    serde_json::from_str(&share.to_string()).unwrap_or_else(|_| json!(share.to_f64()))
}

/// A length in OpenSLO's units, the largest that divides it.
fn length(length: Duration) -> Result<String, WriteError> {
    const UNITS: [(&str, i64); 3] = [("d", 1_440), ("h", 60), ("m", 1)];
    let text = length.to_string();
    let minute = Duration::from_minutes(1);
    if !length.is_multiple_of(minute) {
        return Err(WriteError::Length { length: text });
    }
    let minutes = length.nanos() / minute.nanos();
    let unit = UNITS.iter().find(|(_, size)| minutes % size == 0);
    Ok(unit.map_or(text, |(unit, size)| format!("{}{unit}", minutes / size)))
}
