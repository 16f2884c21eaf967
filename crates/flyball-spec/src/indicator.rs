//! Metric sources to indicators of the model.
//!
//! A source of type `flyball` selects events: `spec: {where: "<SQL>"}` for good or bad and for
//! total, with `by` and `sliceLimit` beside total's `where`. Every other type stays an opaque
//! query for that system. The SQL itself is read elsewhere.

use std::collections::HashMap;

use flyball_model::{
    EventSli, GoodOrBad, Indicator, MetricQuery, MetricSli, SLICE_LIMIT_DEFAULT, SLICE_LIMIT_MAX,
};

use crate::decode::{Place, Reader};
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
    let opaque = |indicator| Lowered {
        indicator: Indicator::Metric(indicator),
        total: None,
        side: None,
        by: None,
    };
    Ok(match metric {
        Metric::Ratio { counter, side, side_is_bad, total } => {
            match (is_events(kind(side).as_deref()), is_events(kind(total).as_deref())) {
                (true, true) => return events(side, *side_is_bad, total, session),
                (false, false) => opaque(MetricSli::Ratio {
                    counter: *counter,
                    side: query(side, sources),
                    side_is_bad: *side_is_bad,
                    total: query(total, sources),
                }),
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
            opaque(MetricSli::Raw { failures: *failures, query: query(raw, sources) })
        }
        Metric::Threshold(gauge) => opaque(MetricSli::Threshold { query: query(gauge, sources) }),
    })
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
    let side_read = {
        let mut r = session.reader(side.place);
        let mut fields = r.fields(&side.spec).ok_or(Refused)?;
        let condition = fields.require_text("where", "a SQL condition like status < 500", &mut r);
        fields.finish(&mut r);
        condition
    };
    let mut r = session.reader(total.place);
    let mut fields = r.fields(&total.spec).ok_or(Refused)?;
    let hint = "a SQL condition like service.name = 'checkout', or \"TRUE\" for every event";
    let condition = fields.require_text("where", hint, &mut r);
    let by_node = fields.get("by");
    let limit = fields.get("sliceLimit");
    fields.finish(&mut r);
    let by = by_node.map_or(Some(Vec::new()), |node| attributes(node, &mut r));
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
    let by_place = by_node.map(|node| r.place(node.span));
    let (side, total) = (side_read.ok_or(Refused)?, condition.ok_or(Refused)?);
    let side_place = side.at;
    Ok(Lowered {
        total: Some(total.at),
        side: Some(side_place),
        by: by_place,
        indicator: Indicator::Events(EventSli {
            total: total.value,
            side: if side_is_bad {
                GoodOrBad::Bad(side.value)
            } else {
                GoodOrBad::Good(side.value)
            },
            by: by.ok_or(Refused)?,
            slice_limit: slice_limit.ok_or(Refused)?,
        }),
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
