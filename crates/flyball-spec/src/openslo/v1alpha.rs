//! SLO of v1alpha, in its two dialects.
//!
//! The reference validator asks for `value` on every objective and for a calendar on every window
//! that is not rolling. Sloth, which made this version known, writes neither: a ratio has only a
//! target, and a window of its default period is rolling. Both are read.

use flyball_model::{BudgetingMethod, Rational};

use super::metadata;
use super::slo::{OPERATORS, calendar_of};
use super::{
    Document, Length, Metadata, Metric, ObjectiveDoc, Query, Ref, SliDoc, SloDoc, Unit, Version,
    WindowDoc,
};
use crate::decode::{Fields, Reader, Text};
use crate::diagnostic::shown;
use crate::extension::Extension;
use crate::yaml::{Data, Entry, Node, Scalar, ScalarForm};

/// Sloth's default period, which its documents mean when they do not say `isRolling`.
const SLOTH_PERIOD_DAYS: u32 = 30;

const UNITS: [(&str, Unit); 5] = [
    ("Second", Unit::Second),
    ("Day", Unit::Day),
    ("Week", Unit::Week),
    ("Month", Unit::Month),
    ("Quarter", Unit::Quarter),
];

const METHODS: [(&str, BudgetingMethod); 2] =
    [("Occurrences", BudgetingMethod::Occurrences), ("Timeslices", BudgetingMethod::Timeslices)];

/// Slices are a minute long: v1alpha has no field for their length.
const SLICE: Length = Length { count: 1, unit: Unit::Minute };

pub(super) fn slo(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<Document> {
    let metadata = metadata::metadata(fields, Version::V1Alpha, r);
    let node = fields.require("spec", "what is promised: service, objectives, timeWindows", r)?;
    let mut spec = r.fields(node)?;
    let description = metadata::description(&mut spec, r);
    let service = spec.require_text("service", "the service that makes the promise", r);
    let method = spec
        .require("budgetingMethod", "Occurrences or Timeslices", r)
        .and_then(|node| r.word(node, &METHODS));
    let window = window(&mut spec, r);
    let indicator = spec.get("indicator");
    let objectives = spec.get("objectives");
    spec.finish(r);
    let nodes = r.list(objectives);
    let ratios = nodes.iter().any(|node| node.get("ratioMetrics").is_some_and(|n| !n.is_null()));
    match (indicator, ratios) {
        (Some(indicator), true) => {
            let message = "`indicator` and `ratioMetrics` exclude each other";
            r.error(indicator.head(r.source), message, "keep one of them");
        }
        (None, false) => {
            let message = "nothing says what is measured";
            let hint = "add `indicator`, or `ratioMetrics` to the objectives";
            r.error(node.head(r.source), message, hint);
        }
        _ => {}
    }
    let metadata = metadata?;
    let threshold = indicator.and_then(|node| threshold(node, &metadata, r));
    let objectives: Vec<_> =
        nodes.iter().map(|node| objective(node, method, &metadata, r)).collect();
    let mut objectives: Vec<ObjectiveDoc> = objectives.into_iter().collect::<Option<_>>()?;
    // One objective with its own ratio is a plain SLO, not a composite of one.
    let mut shared = threshold.map(|sli| Ref::Inline(Box::new(sli)));
    if let [only] = objectives.as_mut_slice()
        && shared.is_none()
    {
        shared = only.indicator.take();
    }
    Some(Document::Slo(Box::new(SloDoc {
        metadata,
        // This version has no annotations.
        extension: Extension::default(),
        description,
        service: service?.value,
        indicator: shared,
        window: window?,
        method: method?,
        objectives,
        policies: Vec::new(),
    })))
}

fn window(spec: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<WindowDoc> {
    let hint = "like `timeWindows: [{count: 30, unit: Day, isRolling: true}]`";
    let node = spec.require("timeWindows", hint, r)?;
    let [node] = r.list(Some(node)) else {
        if matches!(node.data, Data::Sequence(_)) {
            r.error(node.head(r.source), "exactly one time window is needed", hint);
        }
        return None;
    };
    let mut fields = r.fields(node)?;
    let unit = fields
        .require("unit", "one of Second, Day, Week, Month, Quarter", r)
        .and_then(|node| r.word(node, &UNITS));
    let count_node = fields.require("count", "how many units, like 30", r);
    let rolling = fields.boolean("isRolling", r);
    let calendar = fields.get("calendar");
    fields.finish(r);
    let count_node = count_node?;
    let count = r.integer(count_node)?;
    let Some(count) = u32::try_from(count).ok().filter(|count| *count > 0) else {
        r.error(count_node.span, "a whole number above 0 is expected", "like 30");
        return None;
    };
    let length = Length { count, unit: unit? };
    let sloth = rolling.is_none()
        && calendar.is_none()
        && length == Length { count: SLOTH_PERIOD_DAYS, unit: Unit::Day };
    let calendar = calendar_of(node, rolling.unwrap_or(sloth), calendar, r)?;
    Some(WindowDoc { length, calendar, place: r.place(node.span) })
}

fn threshold(node: &Node, metadata: &Metadata, r: &mut Reader<'_, '_>) -> Option<SliDoc> {
    let mut fields = r.fields(node)?;
    let metric = fields.require("thresholdMetric", "with `source`, `queryType` and `query`", r);
    fields.finish(r);
    let query = source(metric?, r)?;
    Some(SliDoc { metadata: metadata.clone(), metric: Metric::Threshold(query) })
}

fn objective(
    node: &Node,
    method: Option<BudgetingMethod>,
    metadata: &Metadata,
    r: &mut Reader<'_, '_>,
) -> Option<ObjectiveDoc> {
    let mut fields = r.fields(node)?;
    let display_name = fields.short_text("displayName", super::DESCRIPTION_CHARS_MAX, r);
    let value = fields.get("value");
    let ratio = fields.get("ratioMetrics");
    let target_node = fields.require("target", "the promised share of good, like 0.999", r);
    let slice_target = fields.get("timeSliceTarget");
    let op = fields.get("op");
    fields.finish(r);
    let target = target_node.and_then(|node| {
        let share = r.rational(node, "a share from 0 up to and without 1")?;
        if share >= Rational::ONE {
            r.error(node.span, format!("a target of {share} is not below 1"), "like 0.999");
        }
        Some(share)
    });
    if ratio.is_some() {
        if let Some(op) = op {
            r.error(op.span, "`op` belongs to threshold metrics; this is a ratio", "leave it out");
        }
    } else {
        if op.is_none() {
            r.missing(node, "op", "one of lte, gte, lt, gt");
        }
        if value.is_none() {
            r.missing(node, "value", "the number that the metric is held against");
        }
    }
    let timeslices = method == Some(BudgetingMethod::Timeslices);
    if timeslices && slice_target.is_none() {
        r.missing(node, "timeSliceTarget", "the share of good that makes a slice good, like 0.95");
    }
    let slice_target = slice_target.and_then(|node| {
        let share = r.rational(node, "a share from 0 to 1")?;
        if share > Rational::ONE {
            r.error(node.span, "a share from 0 to 1 is expected", "like 0.95");
        }
        Some(share)
    });
    let indicator = ratio.and_then(|node| ratio_metrics(node, metadata, r));
    Some(ObjectiveDoc {
        display_name,
        op: op.and_then(|node| r.word(node, &OPERATORS)),
        value: value.and_then(|node| r.float(node)),
        target: target?,
        timeslice_target: slice_target,
        timeslice_window: timeslices.then_some(SLICE),
        indicator: indicator.map(|sli| Ref::Inline(Box::new(sli))),
        weight: None,
        place: r.place(node.span),
    })
}

fn ratio_metrics(node: &Node, metadata: &Metadata, r: &mut Reader<'_, '_>) -> Option<SliDoc> {
    let mut fields = r.fields(node)?;
    let counter = fields.boolean("incremental", r).unwrap_or(false);
    let hint = "with `source`, `queryType` and `query`";
    let good = fields.require("good", hint, r);
    let total = fields.require("total", hint, r);
    fields.finish(r);
    let good = good.and_then(|node| source(node, r));
    let total = total.and_then(|node| source(node, r));
    let metric = Metric::Ratio { counter, side: good?, side_is_bad: false, total: total? };
    Some(SliDoc { metadata: metadata.clone(), metric })
}

/// `{source, queryType, query}` as a metric source whose settings are the last two.
fn source(node: &Node, r: &mut Reader<'_, '_>) -> Option<Query> {
    let mut fields = r.fields(node)?;
    let kind = fields.require_text("source", "the kind of source, like prometheus", r);
    let query_type = fields.require_text("queryType", "the language of the query, like promql", r);
    let query = fields.require_text("query", "the query", r);
    fields.finish(r);
    for text in [&kind, &query_type].into_iter().flatten() {
        if !text.value.chars().all(|c| c.is_ascii_alphabetic()) {
            let message = format!("`{}` may have letters only", shown(&text.value));
            r.error(text.at.span, message, "like prometheus and promql");
        }
    }
    let entry = |key: &str, text: Text| Entry {
        key: key.to_owned(),
        key_span: text.at.span,
        key_plain: false,
        value: Node {
            span: text.at.span,
            data: Data::Scalar(Scalar { text: text.value, form: ScalarForm::Quoted }),
        },
    };
    let settings = vec![entry("queryType", query_type?), entry("query", query?)];
    Some(Query {
        source_ref: None,
        source_type: kind,
        spec: Node { span: node.span, data: Data::Mapping(settings) },
        place: r.place(node.span),
    })
}
