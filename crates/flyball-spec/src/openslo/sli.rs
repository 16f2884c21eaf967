//! SLI: a threshold metric, or a ratio of good or bad to total, or a ready ratio.

use super::metadata::{self, check_name, data_source_spec, description};
use super::{Document, Metric, Query, Ref, SliDoc, Version};
use crate::decode::{Fields, Reader};
use crate::yaml::{Data, Node};

pub(super) fn document(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Document> {
    sli(fields, version, r).map(|sli| Document::Sli(Box::new(sli)))
}

/// `metadata` and `spec` of an SLI, on its own or inlined.
fn sli(fields: &mut Fields<'_>, version: Version, r: &mut Reader<'_, '_>) -> Option<SliDoc> {
    let metadata = metadata::metadata(fields, version, r);
    let node = fields.require("spec", "with `ratioMetric` or `thresholdMetric`", r)?;
    let mut spec = r.fields(node)?;
    description(&mut spec, r);
    let (threshold, ratio) = (spec.get("thresholdMetric"), spec.get("ratioMetric"));
    let metric = match (threshold, ratio) {
        (Some(node), None) => query(node, version, r).map(Metric::Threshold),
        (None, Some(node)) => ratio_metric(node, version, r),
        (Some(_), Some(_)) => {
            let hint = "keep `ratioMetric` or `thresholdMetric`";
            r.error(node.head(r.source), "an SLI has one metric, not two", hint);
            None
        }
        (None, None) => {
            r.error(
                node.head(r.source),
                "an SLI needs a metric",
                "add `ratioMetric` or `thresholdMetric`",
            );
            None
        }
    };
    spec.finish(r);
    Some(SliDoc { metadata: metadata?, metric: metric? })
}

/// The indicator of an SLO or objective: `None` when it has none or when faults were noted.
///
/// The flag tells whether one was written at all.
pub(super) fn indicator(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> (bool, Option<Ref<SliDoc>>) {
    let (inline_key, ref_key) =
        if version == Version::V2Alpha { ("sli", "sliRef") } else { ("indicator", "indicatorRef") };
    let (inline, reference) = (fields.get(inline_key), fields.get(ref_key));
    match (inline, reference) {
        (None, None) => (false, None),
        (Some(node), None) => {
            let Some(mut fields) = r.fields(node) else { return (true, None) };
            let sli = sli(&mut fields, version, r);
            fields.finish(r);
            (true, sli.map(|sli| Ref::Inline(Box::new(sli))))
        }
        (None, Some(node)) => {
            let name = r.text(node).filter(|text| check_name(text, r));
            (true, name.map(Ref::Name))
        }
        (Some(_), Some(node)) => {
            let message = format!("`{inline_key}` and `{ref_key}` exclude each other");
            r.error(node.span, message, "keep one of them");
            (true, None)
        }
    }
}

fn ratio_metric(node: &Node, version: Version, r: &mut Reader<'_, '_>) -> Option<Metric> {
    let mut fields = r.fields(node)?;
    let counter = fields.boolean("counter", r).unwrap_or(false);
    let (good, bad) = (fields.get("good"), fields.get("bad"));
    let (total, raw) = (fields.get("total"), fields.get("raw"));
    let raw_type = fields.get("rawType");
    fields.finish(r);
    let head = node.head(r.source);
    match (good, bad, total, raw) {
        (Some(side), None, Some(total), None) | (None, Some(side), Some(total), None) => {
            let side_query = query(side, version, r);
            let total = query(total, version, r);
            let (side, total) = (side_query?, total?);
            crate::indicator::check(&side, &total, r);
            Some(Metric::Ratio { counter, side, side_is_bad: bad.is_some(), total })
        }
        (None, None, None, Some(raw)) => {
            let query = query(raw, version, r);
            let failures = if let Some(node) = raw_type {
                r.word(node, &[("success", false), ("failure", true)])
            } else {
                let message = "`rawType` is missing beside `raw`";
                r.error(head, message, "say whether the ratio is of `success` or `failure`");
                None
            };
            Some(Metric::Raw { failures: failures?, query: query? })
        }
        (_, _, _, Some(raw)) => {
            let message = "`raw` stands alone: no `good`, `bad` or `total` beside it";
            r.error(raw.head(r.source), message, "keep `raw` with `rawType`, or the counts");
            None
        }
        (Some(_), Some(second), _, _) => {
            let message = "`good` and `bad` exclude each other";
            r.error(
                second.head(r.source),
                message,
                "keep one: the other is what is left of `total`",
            );
            None
        }
        (None, None, Some(_), None) => {
            r.error(head, "a ratio needs `good` or `bad` beside `total`", "add one of them");
            None
        }
        (_, _, None, None) => {
            r.error(head, "a ratio needs `total`, or a ready ratio as `raw`", "add one of them");
            None
        }
    }
}

/// One metric: `metricSource` in v1, its fields directly in v2alpha.
fn query(node: &Node, version: Version, r: &mut Reader<'_, '_>) -> Option<Query> {
    let mut fields = r.fields(node)?;
    if version == Version::V2Alpha {
        let query = v2_query(&mut fields, r);
        fields.finish(r);
        return query;
    }
    let source = fields.require("metricSource", "with `type` and `spec`", r);
    fields.finish(r);
    let source = source?;
    let mut fields = r.fields(source)?;
    let source_ref = fields.text("metricSourceRef", r).filter(|text| check_name(text, r));
    let source_type = fields.text("type", r);
    let spec = fields.require("spec", "the query, like `query: sum(…)`", r);
    fields.finish(r);
    let spec = spec?;
    match &spec.data {
        Data::Mapping(entries) if entries.is_empty() => {
            r.error(
                spec.span,
                "`spec` is empty",
                "the source's own settings, like `query: sum(…)`",
            );
            None
        }
        Data::Mapping(_) => {
            Some(Query { source_ref, source_type, spec: spec.clone(), place: r.place(source.span) })
        }
        _ => {
            r.error(spec.head(r.source), "a mapping is expected here", "like `query: sum(…)`");
            None
        }
    }
}

fn v2_query(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<Query> {
    let source_ref = fields.text("dataSourceRef", r);
    let source_spec = fields.get("dataSourceSpec");
    let spec = fields.get("spec").cloned();
    let node = fields.node;
    if source_ref.is_some() == source_spec.is_some() {
        let message = "exactly one of `dataSourceRef` and `dataSourceSpec` is needed";
        r.error(node.head(r.source), message, "");
        return None;
    }
    let source_ref = source_ref.filter(|text| check_name(text, r));
    let mut source_type = None;
    if let Some(source) = source_spec {
        let kind = data_source_spec(source, r);
        source_type = kind.map(|value| crate::decode::Text { value, at: r.place(source.span) });
    }
    if let Some(Node { data: Data::Scalar(_) | Data::Sequence(_), .. }) = &spec {
        r.error(node.head(r.source), "`spec` must be a mapping", "like `query: sum(…)`");
        return None;
    }
    let spec = spec.unwrap_or(Node { span: node.span, data: Data::Mapping(Vec::new()) });
    Some(Query { source_ref, source_type, spec, place: r.place(node.span) })
}
