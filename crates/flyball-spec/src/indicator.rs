//! Metric sources to indicators of the model.
//!
//! A source of type `flyball` selects events: `spec: {where: "<SQL>"}` for good or bad and for
//! total, with `by` and `sliceLimit` beside total's `where`. Every other type stays an opaque
//! query for that system. The SQL itself is read elsewhere.

use std::collections::HashMap;

use flyball_model::{
    EventSli, GoodOrBad, Indicator, MetricQuery, MetricSli, SLICE_LIMIT_DEFAULT, SLICE_LIMIT_MAX,
};

use crate::decode::{Place, Reader, Text};
use crate::diagnostic::shown;
use crate::openslo::{DataSourceDoc, Metric, Query};
use crate::session::Session;

/// The type of a metric source that selects events.
const FLYBALL: &str = "flyball";
/// The most attributes of `by`: each multiplies the slices.
const BY_MAX: usize = 8;

/// An indicator, and where its parts stand.
pub(crate) struct Lowered {
    pub(crate) indicator: Indicator,
    pub(crate) total: Option<Place>,
    pub(crate) side: Option<Place>,
    pub(crate) by: Option<Place>,
}

/// Why an indicator cannot be had: faults were noted.
pub(crate) struct Refused;

/// Makes the indicator of a metric.
pub(crate) fn lower(
    metric: &Metric,
    sources: &HashMap<String, DataSourceDoc>,
    session: &mut Session<'_>,
) -> Result<Lowered, Refused> {
    let kind = |query: &Query| source_type(query, sources);
    let opaque = |indicator, total: &Query, side: Option<&Query>| Lowered {
        indicator: Indicator::Metric(indicator),
        total: Some(asked(total)),
        side: side.map(asked),
        by: None,
    };
    Ok(match metric {
        Metric::Ratio { counter, side, side_is_bad, total } => {
            match (is_events(kind(side).as_deref()), is_events(kind(total).as_deref())) {
                (true, true) => return events(side, *side_is_bad, total, session),
                (false, false) => {
                    let ratio = MetricSli::Ratio {
                        counter: *counter,
                        side: query(side, sources),
                        side_is_bad: *side_is_bad,
                        total: query(total, sources),
                    };
                    opaque(ratio, total, Some(side))
                }
                (side_is_events, _) => {
                    let odd = if side_is_events { total } else { side };
                    let message = "one part selects events and the other asks a metrics system";
                    session.error(
                        odd.place,
                        message,
                        "give both parts `type: flyball`, or neither",
                    );
                    return Err(Refused);
                }
            }
        }
        Metric::Raw { query: raw, .. } | Metric::Threshold(raw)
            if is_events(kind(raw).as_deref()) =>
        {
            let message = "events are counted: they make no ready ratio and no gauge";
            session.error(
                raw.place,
                message,
                "use `ratioMetric` with `good` or `bad`, and `total`",
            );
            return Err(Refused);
        }
        Metric::Raw { failures, query: raw } => {
            opaque(MetricSli::Raw { failures: *failures, query: query(raw, sources) }, raw, None)
        }
        Metric::Threshold(gauge) => {
            opaque(MetricSli::Threshold { query: query(gauge, sources) }, gauge, None)
        }
    })
}

/// Where a query for a metrics system stands: its text, or its source where that has none.
fn asked(query: &Query) -> Place {
    let text = query.spec.get("query");
    text.map_or(query.place, |text| Place { span: text.span, ..query.place })
}

fn is_events(kind: Option<&str>) -> bool {
    kind == Some(FLYBALL)
}

/// The type a source says itself, else the type of the data source that it refers to.
fn source_type(query: &Query, sources: &HashMap<String, DataSourceDoc>) -> Option<String> {
    let own = query.source_type.as_ref().map(|text| text.value.clone());
    own.or_else(|| Some(sources.get(&query.source_ref.as_ref()?.value)?.kind.clone()))
}

fn query(query: &Query, sources: &HashMap<String, DataSourceDoc>) -> MetricQuery {
    MetricQuery {
        source_type: source_type(query, sources),
        source_ref: query.source_ref.as_ref().map(|text| text.value.clone()),
        spec: query.spec.to_json().to_string(),
    }
}

fn events(
    side: &Query,
    side_is_bad: bool,
    total: &Query,
    session: &mut Session<'_>,
) -> Result<Lowered, Refused> {
    let side = condition(side, &mut session.reader(side.place));
    let selection = selection(total, &mut session.reader(total.place));
    let (side, selection) = (side.ok_or(Refused)?, selection.ok_or(Refused)?);
    Ok(Lowered {
        total: Some(selection.total.at),
        side: Some(side.at),
        by: selection.by_place,
        indicator: Indicator::Events(EventSli {
            total: selection.total.value,
            side: if side_is_bad {
                GoodOrBad::Bad(side.value)
            } else {
                GoodOrBad::Good(side.value)
            },
            by: selection.by,
            slice_limit: selection.slice_limit,
        }),
    })
}

/// Notes what is wrong with the parts of a ratio that say themselves that they select events, so
/// that these faults come together with those of the document around them.
pub(crate) fn check(side: &Query, total: &Query, r: &mut Reader<'_, '_>) {
    let says = |query: &Query| is_events(query.source_type.as_ref().map(|t| t.value.as_str()));
    if says(side) {
        condition(side, r);
    }
    if says(total) {
        selection(total, r);
    }
}

/// The condition that selects good or bad events.
fn condition(side: &Query, r: &mut Reader<'_, '_>) -> Option<Text> {
    let mut fields = r.fields(&side.spec)?;
    let hint = "a SQL condition like status < 500";
    let node = fields.require("where", hint, r);
    fields.finish(r);
    r.condition(node?, hint)
}

/// Which events are valid, and how they are sliced.
struct Selection {
    total: Text,
    by: Vec<String>,
    by_place: Option<Place>,
    slice_limit: u32,
}

fn selection(total: &Query, r: &mut Reader<'_, '_>) -> Option<Selection> {
    let mut fields = r.fields(&total.spec)?;
    let hint = "a SQL condition like service.name = 'checkout', or TRUE for every event";
    let condition = fields.require("where", hint, r);
    let (by_node, limit) = (fields.get("by"), fields.get("sliceLimit"));
    fields.finish(r);
    let condition = condition.and_then(|node| r.condition(node, hint));
    let by = by_node.map_or(Some(Vec::new()), |node| attributes(node, r));
    let slice_limit = match limit {
        None => Some(SLICE_LIMIT_DEFAULT),
        Some(node) => {
            let limit = r.integer(node).and_then(|limit| u32::try_from(limit).ok());
            let inside = limit.filter(|limit| (1..=SLICE_LIMIT_MAX).contains(limit));
            if inside.is_none() {
                let message = format!("a number of slices from 1 to {SLICE_LIMIT_MAX} is expected");
                r.error(node.span, message, "past that, ask a query instead of keeping budgets");
            }
            inside
        }
    };
    Some(Selection {
        total: condition?,
        by: by?,
        by_place: by_node.map(|node| r.place(node.span)),
        slice_limit: slice_limit?,
    })
}

fn attributes(node: &crate::yaml::Node, r: &mut Reader<'_, '_>) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for item in r.list(Some(node)) {
        let text = r.text(item)?;
        if text.value.is_empty() || names.contains(&text.value) {
            let message = format!("`{}` is empty or named twice", shown(&text.value));
            r.error(item.span, message, "name each attribute once");
            return None;
        }
        names.push(text.value);
    }
    if names.len() > BY_MAX {
        r.error(
            node.head(r.source),
            format!("more than {BY_MAX} attributes"),
            "each multiplies the slices",
        );
        return None;
    }
    Some(names)
}
