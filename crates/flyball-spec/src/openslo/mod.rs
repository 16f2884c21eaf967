//! OpenSLO documents: what may be written, checked as the reference validator does.
//!
//! All versions decode into the same shapes, so that only `resolve` needs to know how they become
//! the model. Where the specification and its validator disagree, the decision is in
//! `docs/adr/002-openslo-conformance.md`.

mod alert;
pub(crate) mod metadata;
mod sli;
pub(crate) mod slo;
mod v1alpha;

use std::collections::BTreeMap;

use flyball_model::{BudgetingMethod, CalendarUnit, Comparison, Duration, Rational};

use crate::decode::{Fields, Place, Reader, Text};
use crate::diagnostic::shown;
use crate::extension::Extension;
use crate::yaml::Node;

/// The longest description, in characters; the reference validator's bound.
const DESCRIPTION_CHARS_MAX: usize = 1050;

/// A version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V1Alpha,
    V2Alpha,
}

/// A reference by name, or the thing itself.
#[derive(Debug, Clone)]
pub(crate) enum Ref<T> {
    Name(Text),
    Inline(Box<T>),
}

/// A document's `metadata`.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    pub(crate) name: Text,
    pub(crate) display_name: Option<String>,
    pub(crate) labels: BTreeMap<String, Vec<String>>,
    pub(crate) annotations: Vec<(String, Text)>,
}

#[derive(Debug, Clone)]
pub(crate) struct ServiceDoc {
    pub(crate) metadata: Metadata,
    pub(crate) description: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct DataSourceDoc {
    pub(crate) metadata: Metadata,
    pub(crate) kind: String,
}

#[derive(Debug, Clone)]
pub(crate) struct SliDoc {
    pub(crate) metadata: Metadata,
    pub(crate) metric: Metric,
}

#[derive(Debug, Clone)]
pub(crate) enum Metric {
    Threshold(Query),
    Ratio { counter: bool, side: Query, side_is_bad: bool, total: Query },
    Raw { failures: bool, query: Query },
}

/// One metric source with its settings still opaque.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) source_ref: Option<Text>,
    pub(crate) source_type: Option<Text>,
    pub(crate) spec: Node,
    pub(crate) place: Place,
}

#[derive(Debug, Clone)]
pub(crate) struct SloDoc {
    pub(crate) metadata: Metadata,
    /// What the annotations say that are ours.
    pub(crate) extension: Extension,
    pub(crate) description: Option<String>,
    pub(crate) service: String,
    pub(crate) indicator: Option<Ref<SliDoc>>,
    pub(crate) window: WindowDoc,
    pub(crate) method: BudgetingMethod,
    pub(crate) objectives: Vec<ObjectiveDoc>,
    pub(crate) policies: Vec<Ref<PolicyDoc>>,
}

#[derive(Debug, Clone)]
pub(crate) struct WindowDoc {
    pub(crate) length: Length,
    /// Start and zone of a calendar window; `None` for a rolling one.
    pub(crate) calendar: Option<(jiff::civil::DateTime, jiff::tz::TimeZone)>,
    pub(crate) place: Place,
}

#[derive(Debug, Clone)]
pub(crate) struct ObjectiveDoc {
    pub(crate) display_name: Option<String>,
    pub(crate) op: Option<Comparison>,
    pub(crate) value: Option<f64>,
    pub(crate) target: Rational,
    pub(crate) timeslice_target: Option<Rational>,
    pub(crate) timeslice_window: Option<Length>,
    pub(crate) indicator: Option<Ref<SliDoc>>,
    pub(crate) weight: Option<Rational>,
    pub(crate) place: Place,
}

#[derive(Debug, Clone)]
pub(crate) struct PolicyDoc {
    pub(crate) metadata: Metadata,
    pub(crate) when_breaching: bool,
    pub(crate) conditions: Vec<Ref<ConditionDoc>>,
    pub(crate) targets: Vec<Ref<TargetDoc>>,
}

#[derive(Debug, Clone)]
pub(crate) struct ConditionDoc {
    pub(crate) metadata: Metadata,
    pub(crate) severity: Text,
    pub(crate) op: Comparison,
    /// `None` for a negative threshold, which every burn exceeds.
    pub(crate) threshold: Option<Rational>,
    pub(crate) lookback: Length,
    pub(crate) after: Option<Length>,
    pub(crate) place: Place,
    /// Of the threshold.
    pub(crate) threshold_at: Place,
}

#[derive(Debug, Clone)]
pub(crate) struct TargetDoc {
    pub(crate) metadata: Metadata,
}

/// Anything one OpenSLO document may define.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    Service(ServiceDoc),
    DataSource(DataSourceDoc),
    Sli(Box<SliDoc>),
    Slo(Box<SloDoc>),
    Policy(PolicyDoc),
    Condition(Box<ConditionDoc>),
    Target(TargetDoc),
}

/// OpenSLO's duration: a whole number and one of `m h d w M Q Y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) count: u32,
    pub(crate) unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Length {
    /// The length as fixed time: a month is 30 days, a quarter 90, a year 365, as in the
    /// reference implementation.
    pub(crate) fn fixed(self) -> Duration {
        let seconds: i64 = match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3_600,
            Unit::Day => 86_400,
            Unit::Week => 7 * 86_400,
            Unit::Month => 30 * 86_400,
            Unit::Quarter => 90 * 86_400,
            Unit::Year => 365 * 86_400,
        };
        let nanos = seconds.saturating_mul(i64::from(self.count)).saturating_mul(1_000_000_000);
        Duration::from_nanos(nanos).unwrap_or(Duration::ZERO)
    }

    /// The unit as a calendar has it; `None` for units shorter than a day.
    pub(crate) fn calendar(self) -> Option<CalendarUnit> {
        Some(match self.unit {
            Unit::Second | Unit::Minute | Unit::Hour => return None,
            Unit::Day => CalendarUnit::Day,
            Unit::Week => CalendarUnit::Week,
            Unit::Month => CalendarUnit::Month,
            Unit::Quarter => CalendarUnit::Quarter,
            Unit::Year => CalendarUnit::Year,
        })
    }
}

/// Reads an OpenSLO duration; `V2Alpha` has no months, quarters and years.
pub(crate) fn length(node: &Node, version: Version, r: &mut Reader<'_, '_>) -> Option<Length> {
    let text = r.any_text(node)?;
    let units = if version == Version::V2Alpha { "m, h, d, w" } else { "m, h, d, w, M, Q, Y" };
    let digits =
        text.value.len() - text.value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit_text) = text.value.split_at(digits);
    let unit = match unit_text {
        "m" => Some(Unit::Minute),
        "h" => Some(Unit::Hour),
        "d" => Some(Unit::Day),
        "w" => Some(Unit::Week),
        "M" if version != Version::V2Alpha => Some(Unit::Month),
        "Q" if version != Version::V2Alpha => Some(Unit::Quarter),
        "Y" if version != Version::V2Alpha => Some(Unit::Year),
        _ => None,
    };
    if let (Ok(count), Some(unit)) = (count.parse::<u32>(), unit) {
        return Some(Length { count, unit });
    }
    let shown = shown(&text.value);
    let hint = if unit_text.is_empty() && !count.is_empty() {
        format!("add a unit, one of {units}: {count}d is in days")
    } else {
        format!("write a whole number and one of {units}, like 5m or 28d")
    };
    r.error(node.span, format!("`{shown}` is not a length of time"), hint);
    None
}

/// Reads the document of `kind`; `None` when faults were noted.
pub(crate) fn document(
    node: &Node,
    version: Version,
    kind: &Node,
    r: &mut Reader<'_, '_>,
) -> Option<Document> {
    type Decode = fn(&mut Fields<'_>, Version, &mut Reader<'_, '_>) -> Option<Document>;
    let all: [(&str, Decode); 7] = [
        ("Service", metadata::service),
        ("SLO", slo::document),
        ("SLI", sli::document),
        ("DataSource", metadata::data_source),
        ("AlertPolicy", alert::policy_document),
        ("AlertCondition", alert::condition_document),
        ("AlertNotificationTarget", alert::target_document),
    ];
    let kinds = if version == Version::V1Alpha { &all[..2] } else { &all[..] };
    let decode = r.word(kind, kinds)?;
    let mut fields = r.fields(node)?;
    fields.get("apiVersion");
    fields.get("kind");
    let before = r.findings.errors();
    let document = decode(&mut fields, version, r);
    fields.finish(r);
    document.filter(|_| r.findings.errors() == before)
}
