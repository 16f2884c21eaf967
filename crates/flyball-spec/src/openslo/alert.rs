//! `AlertPolicy`, `AlertCondition` and `AlertNotificationTarget`, on their own and inlined.

use flyball_model::Rational;

use super::metadata::{self, check_name, description};
use super::slo::OPERATORS;
use super::{ConditionDoc, Document, PolicyDoc, Ref, TargetDoc, Version, length};
use crate::decode::{Fields, Reader};
use crate::diagnostic::shown;
use crate::yaml::Node;

type Read<T> = fn(&mut Fields<'_>, Version, &mut Reader<'_, '_>) -> Option<T>;

pub(super) fn policy_document(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Document> {
    policy(fields, version, r).map(Document::Policy)
}

pub(super) fn condition_document(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Document> {
    condition(fields, version, r).map(|condition| Document::Condition(Box::new(condition)))
}

pub(super) fn target_document(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Document> {
    target(fields, version, r).map(Document::Target)
}

/// An item of an SLO's `alertPolicies`.
pub(super) fn policy_ref(
    node: &Node,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Ref<PolicyDoc>> {
    inline_or_ref(node, "alertPolicyRef", "AlertPolicy", policy, version, r)
}

/// An item that is either `{<ref_key>: name}` or an inlined object of `kind`.
fn inline_or_ref<T>(
    node: &Node,
    ref_key: &'static str,
    kind: &'static str,
    read: Read<T>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Ref<T>> {
    let mut fields = r.fields(node)?;
    let inlined = ["kind", "metadata", "spec"].iter().any(|key| node.get(key).is_some());
    if !inlined {
        let hint = format!("a name here, or an inlined {kind} with `kind`, `metadata` and `spec`");
        let name = fields.require_text(ref_key, &hint, r);
        fields.finish(r);
        return name.filter(|text| check_name(text, r)).map(Ref::Name);
    }
    if let Some(reference) = node.get(ref_key) {
        let message = format!("`{ref_key}` and an inlined {kind} exclude each other");
        r.error(reference.head(r.source), message, "keep one of them");
        return None;
    }
    let found = fields.require("kind", kind, r);
    let found = found.and_then(|node| r.word(node, &[(kind, ())]));
    let read = read(&mut fields, version, r);
    fields.finish(r);
    found?;
    read.map(|object| Ref::Inline(Box::new(object)))
}

fn policy(fields: &mut Fields<'_>, version: Version, r: &mut Reader<'_, '_>) -> Option<PolicyDoc> {
    let metadata = metadata::metadata(fields, version, r);
    let node = fields.require("spec", "with `conditions` and `notificationTargets`", r)?;
    let mut spec = r.fields(node)?;
    description(&mut spec, r);
    spec.boolean("alertWhenNoData", r);
    let when_breaching = spec.boolean("alertWhenBreaching", r).unwrap_or(false);
    spec.boolean("alertWhenResolved", r);
    let conditions = spec.get("conditions");
    let targets = spec.get("notificationTargets");
    spec.finish(r);
    let condition_nodes = r.list(conditions);
    if condition_nodes.len() != 1 {
        let span = conditions.unwrap_or(node).head(r.source);
        r.error(
            span,
            format!("exactly one condition is needed, not {}", condition_nodes.len()),
            "write a policy for each condition; two lookbacks at once need kind AlertStrategy of flyball.dev/v1",
        );
    }
    let target_nodes = r.list(targets);
    if target_nodes.is_empty() {
        let span = targets.unwrap_or(node).head(r.source);
        r.error(
            span,
            "at least one of `notificationTargets` is needed",
            "like `- targetRef: on-call`",
        );
    }
    let conditions: Vec<_> = condition_nodes
        .iter()
        .map(|node| inline_or_ref(node, "conditionRef", "AlertCondition", condition, version, r))
        .collect();
    let targets: Vec<_> = target_nodes
        .iter()
        .map(|node| inline_or_ref(node, "targetRef", "AlertNotificationTarget", target, version, r))
        .collect();
    Some(PolicyDoc {
        metadata: metadata?,
        when_breaching,
        conditions: conditions.into_iter().collect::<Option<_>>()?,
        targets: targets.into_iter().collect::<Option<_>>()?,
    })
}

fn condition(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<ConditionDoc> {
    let metadata = metadata::metadata(fields, version, r);
    let node = fields.require("spec", "with `severity` and `condition`", r)?;
    let place = r.place(node.span);
    let mut spec = r.fields(node)?;
    description(&mut spec, r);
    let severity = spec.require_text("severity", "like page or ticket", r);
    let condition =
        spec.require("condition", "with `kind`, `op`, `threshold`, `lookbackWindow`", r);
    spec.finish(r);
    let mut fields = r.fields(condition?)?;
    let kind = fields.require("kind", "burnrate", r).and_then(|n| r.word(n, &[("burnrate", ())]));
    let op = fields
        .require("op", "one of lte, gte, lt, gt", r)
        .and_then(|node| r.word(node, &OPERATORS));
    let threshold = fields.require("threshold", "the burn to compare with, like 14.4", r);
    let threshold_at = r.place(threshold.unwrap_or(node).span);
    let threshold = threshold.and_then(|node| burn_threshold(node, r));
    let lookback = fields
        .require("lookbackWindow", "how far back the burn is measured, like 1h", r)
        .and_then(|node| length(node, version, r));
    let after = fields.get("alertAfter").map(|node| length(node, version, r));
    fields.finish(r);
    kind?;
    let after = match after {
        None => None,
        Some(length) => Some(length?),
    };
    Some(ConditionDoc {
        metadata: metadata?,
        severity: severity?,
        op: op?,
        threshold: threshold?,
        lookback: lookback?,
        after,
        place,
        threshold_at,
    })
}

/// `Some(None)` for a negative number: readable, but no burn.
#[expect(clippy::option_option, reason = "the outer one means that faults were noted")]
fn burn_threshold(node: &Node, r: &mut Reader<'_, '_>) -> Option<Option<Rational>> {
    let text = r.number_text(node)?;
    if text.starts_with('-') {
        let message = format!("a burn is never negative: every burn is above {}", shown(text));
        r.warn(node.span, message, "write 0 or more; the condition makes no alert rule");
        return Some(None);
    }
    r.rational(node, "a burn").map(Some)
}

fn target(fields: &mut Fields<'_>, version: Version, r: &mut Reader<'_, '_>) -> Option<TargetDoc> {
    let metadata = metadata::metadata(fields, version, r);
    let node = fields.require("spec", "with `target`", r)?;
    let mut spec = r.fields(node)?;
    description(&mut spec, r);
    let target = spec.require_text("target", "where to, like email or pagerduty", r);
    spec.finish(r);
    target?;
    Some(TargetDoc { metadata: metadata? })
}
