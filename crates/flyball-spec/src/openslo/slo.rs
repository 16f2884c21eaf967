//! SLO of v1 and v2alpha.

use flyball_model::{BudgetingMethod, Comparison, Rational};

use super::metadata::{self, description};
use super::{
    Document, Length, Metric, ObjectiveDoc, Ref, SliDoc, SloDoc, Unit, Version, WindowDoc, alert,
    length, sli,
};
use crate::decode::{Fields, Reader};
use crate::diagnostic::shown;
use crate::extension::extension;
use crate::yaml::{Data, Node, Scalar};

/// Budgeting methods by their names.
pub(super) const METHODS: [(&str, BudgetingMethod); 3] = [
    ("Occurrences", BudgetingMethod::Occurrences),
    ("Timeslices", BudgetingMethod::Timeslices),
    ("RatioTimeslices", BudgetingMethod::RatioTimeslices),
];

/// The most alert policies of an SLO: each is evaluated at every step.
const POLICIES_MAX: usize = 100;

/// Comparisons by their names.
pub(crate) const OPERATORS: [(&str, Comparison); 4] = [
    ("lte", Comparison::AtMost),
    ("gte", Comparison::AtLeast),
    ("lt", Comparison::Below),
    ("gt", Comparison::Above),
];

pub(super) fn document(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Document> {
    if version == Version::V1Alpha {
        return super::v1alpha::slo(fields, r);
    }
    let metadata = metadata::metadata(fields, version, r);
    let extension = metadata.as_ref().map(|metadata| extension(metadata, r));
    let node = fields.require("spec", "what is promised: service, indicator, objectives", r)?;
    let mut spec = r.fields(node)?;
    let description = description(&mut spec, r);
    let service_key = if version == Version::V2Alpha { "serviceRef" } else { "service" };
    let service = spec.require_text(service_key, "the service that makes the promise", r);
    let (written, indicator) = sli::indicator(&mut spec, version, r);
    let method = spec
        .require("budgetingMethod", "one of Occurrences, Timeslices, RatioTimeslices", r)
        .and_then(|node| r.word(node, &METHODS));
    let window = window(&mut spec, version, r);
    let policies = spec.get("alertPolicies");
    if let Some(node) = policies.filter(|node| r.list(Some(node)).len() > POLICIES_MAX) {
        let message = format!("more than {POLICIES_MAX} alert policies");
        r.error(node.head(r.source), message, "keep the ones that wake somebody");
    }
    let policies: Vec<_> =
        r.list(policies).iter().map(|node| alert::policy_ref(node, version, r)).collect();
    let objectives = spec.get("objectives");
    let composite_keys =
        if version == Version::V2Alpha { ["sli", "sliRef"] } else { ["indicator", "indicatorRef"] };
    let nodes = r.list(objectives);
    let composite = nodes
        .iter()
        .any(|node| composite_keys.iter().any(|key| node.get(key).is_some_and(|n| !n.is_null())));
    match (written, composite) {
        (false, false) => {
            let message = "nothing says what is measured";
            let hint = format!(
                "add `{}` or `{}`, here or to every objective",
                composite_keys[0], composite_keys[1]
            );
            r.error(node.head(r.source), message, hint);
        }
        (true, true) => {
            let message = "both the SLO and an objective have an indicator";
            let hint = "keep it on the SLO, or on each objective of a composite";
            r.error(node.head(r.source), message, hint);
        }
        _ => {}
    }
    let rules = Rules { version, method, composite, metric: inline_metric(indicator.as_ref()) };
    let objectives: Vec<_> = nodes.iter().map(|node| objective(node, rules, r)).collect();
    spec.finish(r);
    Some(Document::Slo(Box::new(SloDoc {
        metadata: metadata?,
        extension: extension?,
        description,
        service: service?.value,
        indicator,
        window: window?,
        method: method?,
        objectives: objectives.into_iter().collect::<Option<_>>()?,
        policies: policies.into_iter().collect::<Option<_>>()?,
    })))
}

fn inline_metric(indicator: Option<&Ref<SliDoc>>) -> Option<&Metric> {
    match indicator {
        Some(Ref::Inline(sli)) => Some(&sli.metric),
        _ => None,
    }
}

/// What the SLO around an objective asks of it.
#[derive(Clone, Copy)]
struct Rules<'m> {
    version: Version,
    method: Option<BudgetingMethod>,
    composite: bool,
    /// The SLO's metric where it is known without following a reference.
    metric: Option<&'m Metric>,
}

fn window(spec: &mut Fields<'_>, version: Version, r: &mut Reader<'_, '_>) -> Option<WindowDoc> {
    let hint = "like `timeWindow: [{duration: 28d, isRolling: true}]`";
    let node = spec.require("timeWindow", hint, r)?;
    let [node] = r.list(Some(node)) else {
        if matches!(node.data, Data::Sequence(_)) {
            r.error(node.head(r.source), "exactly one time window is needed", hint);
        }
        return None;
    };
    let mut fields = r.fields(node)?;
    let duration = fields
        .require("duration", "how long, like 28d", r)
        .and_then(|node| length(node, version, r));
    let rolling = fields.boolean("isRolling", r).unwrap_or(false);
    let calendar = fields.get("calendar");
    fields.finish(r);
    let calendar = calendar_of(node, rolling, calendar, r)?;
    Some(WindowDoc { length: duration?, calendar, place: r.place(node.span) })
}

/// `Some(None)` for a rolling window, `Some(Some(…))` for a calendar one.
#[expect(clippy::option_option, reason = "the outer one means that faults were noted")]
pub(super) fn calendar_of(
    window: &Node,
    rolling: bool,
    calendar: Option<&Node>,
    r: &mut Reader<'_, '_>,
) -> Option<Option<(jiff::civil::DateTime, jiff::tz::TimeZone)>> {
    match (rolling, calendar) {
        (true, None) => Some(None),
        (true, Some(node)) => {
            let message = "a rolling window has no `calendar`";
            r.error(
                node.head(r.source),
                message,
                "leave `calendar` out, or write `isRolling: false`",
            );
            None
        }
        (false, None) => {
            let message = "a window that is not rolling needs a `calendar`";
            let hint = "write `isRolling: true`, or add `calendar: {startTime, timeZone}`";
            r.error(window.head(r.source), message, hint);
            None
        }
        (false, Some(node)) => {
            let mut fields = r.fields(node)?;
            let hint = "a local time like 2022-01-01 12:00:00";
            let start = fields.require_text("startTime", hint, r);
            let zone = fields.require_text("timeZone", "an IANA name like Europe/Berlin", r);
            fields.finish(r);
            let start = start.and_then(|text| {
                let parsed = local_time(&text.value);
                if parsed.is_none() {
                    let message = format!("`{}` is not a local time", shown(&text.value));
                    r.error(
                        text.at.span,
                        message,
                        "write it like 2022-01-01 12:00:00, without a zone",
                    );
                }
                parsed
            });
            let zone = zone.and_then(|text| time_zone(&text.value, text.at.span, r));
            Some(Some((start?, zone?)))
        }
    }
}

/// Reads an IANA zone name.
pub(crate) fn time_zone(
    name: &str,
    span: crate::source::Span,
    r: &mut Reader<'_, '_>,
) -> Option<jiff::tz::TimeZone> {
    let zone = jiff::tz::TimeZone::get(name).ok();
    if zone.is_none() {
        let message = format!("`{}` is not a known time zone", shown(name));
        r.error(span, message, "an IANA name like Europe/Berlin or UTC");
    }
    zone
}

/// `YYYY-MM-DD HH:MM:SS`, nothing else.
pub(crate) fn local_time(text: &str) -> Option<jiff::civil::DateTime> {
    let shape = |(index, byte): (usize, u8)| match index {
        4 | 7 => byte == b'-',
        10 => byte == b' ',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    if text.len() != 19 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()
}

fn objective(node: &Node, rules: Rules<'_>, r: &mut Reader<'_, '_>) -> Option<ObjectiveDoc> {
    let version = rules.version;
    let mut fields = r.fields(node)?;
    let display_name = fields.text("displayName", r).map(|text| text.value);
    let (op_node, value_node) = (fields.get("op"), fields.get("value"));
    let target = target(&mut fields, r);
    let slice_target = fields.get("timeSliceTarget");
    let slice_window = fields.get("timeSliceWindow");
    let (_, indicator) = sli::indicator(&mut fields, version, r);
    let weight = fields.get("compositeWeight");
    fields.finish(r);

    // Empty is how the reference implementation writes "not given".
    let op_node = op_node.filter(|node| !is_empty_text(node));
    match rules.metric.filter(|_| !rules.composite) {
        Some(Metric::Ratio { .. } | Metric::Raw { .. }) => {
            for (key, given) in [("op", op_node), ("value", value_node)] {
                if let Some(given) = given {
                    let message =
                        format!("`{key}` belongs to threshold metrics; this SLI is a ratio");
                    r.error(given.span, message, "leave it out: `target` alone is the promise");
                }
            }
        }
        Some(Metric::Threshold(_)) => {
            if op_node.is_none() {
                r.missing(node, "op", "one of lte, gte, lt, gt");
            }
            if value_node.is_none() {
                r.missing(node, "value", "the number that the metric is held against");
            }
        }
        None => {}
    }
    let op = op_node.and_then(|node| r.word(node, &OPERATORS));
    let value = value_node.and_then(|node| r.float(node));
    let (timeslice_target, timeslice_window) = slices(node, slice_target, slice_window, rules, r);
    let weight = weight.and_then(|node| {
        let weight = r.rational(node, "a weight above 0")?;
        if weight.is_zero() {
            r.error(node.span, "a weight of 0 takes the objective out", "write a number above 0");
        }
        Some(weight)
    });
    Some(ObjectiveDoc {
        display_name,
        op,
        value,
        target: target?,
        timeslice_target,
        timeslice_window,
        indicator,
        weight,
        place: r.place(node.span),
    })
}

/// `timeSliceTarget` and `timeSliceWindow`, required as the budgeting method asks.
fn slices(
    objective: &Node,
    target: Option<&Node>,
    window: Option<&Node>,
    rules: Rules<'_>,
    r: &mut Reader<'_, '_>,
) -> (Option<Rational>, Option<Length>) {
    let method = rules.method;
    if method == Some(BudgetingMethod::Timeslices) && target.is_none() {
        r.missing(
            objective,
            "timeSliceTarget",
            "the share of good that makes a slice good, like 0.95",
        );
    }
    let sliced =
        matches!(method, Some(BudgetingMethod::Timeslices | BudgetingMethod::RatioTimeslices));
    if sliced && window.is_none() {
        r.missing(objective, "timeSliceWindow", "how long a slice is, like 5m");
    }
    let target = target.and_then(|node| {
        let share = r.rational(node, "a share above 0, at most 1")?;
        let inside = !share.is_zero() && share <= Rational::ONE;
        if method == Some(BudgetingMethod::Timeslices) && !inside {
            r.error(node.span, "a share above 0, at most 1, is expected", "like 0.95");
        }
        Some(share)
    });
    let window = window.and_then(|node| match &node.data {
        Data::Scalar(scalar) if is_count(scalar) => {
            let count = scalar.text.parse::<u32>().ok()?;
            let message =
                "a bare number is minutes in the specification, and an error to its validator";
            r.warn(node.span, message, format!("write {count}m"));
            Some(Length { count, unit: Unit::Minute })
        }
        _ => length(node, rules.version, r),
    });
    (target, window)
}

/// True for a plain whole number that is a count of minutes.
fn is_count(scalar: &Scalar) -> bool {
    scalar.form == crate::yaml::ScalarForm::Plain && scalar.text.parse::<u32>().is_ok()
}

fn is_empty_text(node: &Node) -> bool {
    matches!(&node.data, Data::Scalar(scalar) if scalar.text.is_empty())
}

/// `target` or `targetPercent`, as a share of one.
fn target(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<Rational> {
    let (share, percent) = (fields.get("target"), fields.get("targetPercent"));
    match (share, percent) {
        (Some(node), None) => {
            let share = r.rational(node, "a share from 0 up to and without 1")?;
            if share >= Rational::ONE {
                let hint = if share > Rational::ONE {
                    "a percentage goes to `targetPercent`"
                } else {
                    "1 leaves no error budget: any failure would break the promise for good"
                };
                r.error(node.span, format!("a target of {share} is not below 1"), hint);
            }
            Some(share)
        }
        (None, Some(node)) => {
            let percent = r.rational(node, "a percentage from 0 up to and without 100")?;
            let share = Rational::new(1, 100).and_then(|one| percent.checked_mul(one));
            match share {
                Some(share) if share < Rational::ONE => return Some(share),
                Some(_) => {
                    let hint =
                        "100 leaves no error budget: any failure would break the promise for good";
                    r.error(node.span, format!("a target of {percent} % is not below 100 %"), hint);
                }
                None => r.error(node.span, "more than ten decimal places", "shorten it"),
            }
            None
        }
        (Some(_), Some(node)) => {
            r.error(
                node.span,
                "`target` and `targetPercent` exclude each other",
                "keep one of them",
            );
            None
        }
        (None, None) => {
            let node = fields.node;
            r.missing(
                node,
                "target",
                "the promised share of good, like 0.999, or `targetPercent: 99.9`",
            );
            None
        }
    }
}
