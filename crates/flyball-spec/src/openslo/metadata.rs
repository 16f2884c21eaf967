//! `metadata`, and the kinds that hold little else: `Service` and `DataSource`.

use std::collections::BTreeMap;

use super::{DESCRIPTION_CHARS_MAX, DataSourceDoc, Document, Metadata, ServiceDoc, Version};
use crate::decode::{Fields, Reader, Text};
use crate::diagnostic::shown;
use crate::source::Span;
use crate::yaml::{Data, Entry, Node};

/// The longest name of anything and the longest display name, in characters.
const NAME_CHARS_MAX: usize = 63;
/// The longest DNS name before the slash of an annotation key, in characters.
const PREFIX_CHARS_MAX: usize = 253;

/// Reads the `metadata` of a document or inlined object.
pub(crate) fn metadata(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Metadata> {
    let node = fields.require("metadata", "give it at least a `name`", r)?;
    let mut fields = r.fields(node)?;
    let name = name(&mut fields, "name", r);
    let mut display_name = None;
    if version != Version::V2Alpha {
        display_name = fields.short_text("displayName", NAME_CHARS_MAX, r);
    }
    let (mut labels, mut annotations) = (BTreeMap::new(), Vec::new());
    if version != Version::V1Alpha {
        let node = fields.get("labels");
        for entry in r.entries(node) {
            check_label_key(entry, version, r);
            labels.insert(entry.key.clone(), label_values(&entry.value, version, r));
        }
        let node = fields.get("annotations");
        for entry in r.entries(node) {
            check_qualified(&entry.key, entry.key_span, "an annotation key", r);
            let value = if entry.value.is_null() {
                Some(Text { value: String::new(), at: r.place(entry.value.span) })
            } else {
                r.text(&entry.value)
            };
            annotations.extend(value.map(|value| (entry.key.clone(), value)));
        }
    }
    fields.finish(r);
    // Without a name too, so that the faults of the rest are found: the document is refused anyway.
    let name = name.unwrap_or_else(|| Text { value: String::new(), at: r.place(node.span) });
    Some(Metadata { name, display_name, labels, annotations })
}

/// Reads a required name: an RFC 1123 label.
pub(super) fn name(
    fields: &mut Fields<'_>,
    key: &'static str,
    r: &mut Reader<'_, '_>,
) -> Option<Text> {
    let text =
        fields.require_text(key, "lower case letters, digits and `-`, like web-checkout", r)?;
    check_name(&text, r).then_some(text)
}

/// True when `text` is an RFC 1123 label of at most 63 characters; noted otherwise.
pub(crate) fn check_name(text: &Text, r: &mut Reader<'_, '_>) -> bool {
    if text.value.len() <= NAME_CHARS_MAX && dns_label(&text.value) {
        return true;
    }
    let suggestion: String = text
        .value
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(NAME_CHARS_MAX)
        .collect();
    let suggestion = suggestion.trim_matches('-');
    let hint = if text.value.chars().count() > NAME_CHARS_MAX {
        format!("at most {NAME_CHARS_MAX} lower case letters, digits and `-`")
    } else if suggestion.is_empty() {
        "lower case letters, digits and `-`, like web-checkout".to_owned()
    } else {
        format!("lower case letters, digits and `-`, like {suggestion}")
    };
    r.error(text.at.span, format!("`{}` is not a name", shown(&text.value)), hint);
    false
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
fn dns_label(text: &str) -> bool {
    framed(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == '-')
}

/// `[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?`
fn label_word(text: &str) -> bool {
    text.len() <= NAME_CHARS_MAX
        && framed(text, |c| c.is_ascii_alphanumeric(), |c| matches!(c, '-' | '.' | '_'))
}

/// Ends in `edge` characters at both ends and has only `edge` and `inner` ones between.
fn framed(text: &str, edge: fn(char) -> bool, inner: fn(char) -> bool) -> bool {
    text.starts_with(edge) && text.ends_with(edge) && text.chars().all(|c| edge(c) || inner(c))
}

fn check_label_key(entry: &Entry, version: Version, r: &mut Reader<'_, '_>) {
    if version == Version::V2Alpha {
        check_qualified(&entry.key, entry.key_span, "a label key", r);
    } else if !label_word(&entry.key) {
        let message = format!("`{}` is not a label key", shown(&entry.key));
        let hint =
            "at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends";
        r.error(entry.key_span, message, hint);
    }
}

/// An optional DNS name and slash, then a label word.
fn check_qualified(key: &str, span: Span, what: &str, r: &mut Reader<'_, '_>) {
    let (prefix, word) = key.rsplit_once('/').map_or((None, key), |(p, w)| (Some(p), w));
    let prefix_ok = prefix.is_none_or(|prefix| {
        prefix.len() <= PREFIX_CHARS_MAX
            && prefix.split('.').all(|part| part.len() <= NAME_CHARS_MAX && dns_label(part))
    });
    if !(prefix_ok && label_word(word)) {
        let message = format!("`{}` is not {what}", shown(key));
        r.error(span, message, "write my-key or my-domain.org/my-key, at most 63 characters each");
    }
}

fn label_values(node: &Node, version: Version, r: &mut Reader<'_, '_>) -> Vec<String> {
    if node.is_null() {
        return Vec::new();
    }
    let nodes = match &node.data {
        Data::Sequence(items) if version == Version::V1 => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut values = Vec::new();
    for node in nodes {
        let Some(text) = r.text(node) else { continue };
        if version == Version::V2Alpha && !v2_label_value(&text.value) {
            let message = format!("`{}` is not a label value", shown(&text.value));
            r.error(node.span, message, "at most 63 lower case letters, digits, `-`, `_` and `.`");
        }
        values.push(text.value);
    }
    values
}

/// `([a-z0-9]([-._a-z0-9]{0,61}[a-z0-9])?)?`
fn v2_label_value(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.is_empty()
        || text.len() <= NAME_CHARS_MAX && framed(text, edge, |c| matches!(c, '-' | '.' | '_'))
}

/// `spec.description` and its like.
pub(crate) fn description(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<String> {
    fields.short_text("description", DESCRIPTION_CHARS_MAX, r)
}

pub(super) fn service(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Document> {
    let metadata = metadata(fields, version, r);
    let mut text = None;
    if let Some(node) = fields.get("spec") {
        let mut spec = r.fields(node)?;
        text = description(&mut spec, r);
        spec.finish(r);
    }
    Some(Document::Service(ServiceDoc { metadata: metadata?, description: text }))
}

pub(super) fn data_source(
    fields: &mut Fields<'_>,
    version: Version,
    r: &mut Reader<'_, '_>,
) -> Option<Document> {
    let metadata = metadata(fields, version, r);
    let node = fields.require("spec", "with `type` and `connectionDetails`", r)?;
    let kind = data_source_spec(node, r);
    Some(Document::DataSource(DataSourceDoc { metadata: metadata?, kind: kind? }))
}

/// The type of a data source.
pub(super) fn data_source_spec(node: &Node, r: &mut Reader<'_, '_>) -> Option<String> {
    let mut spec = r.fields(node)?;
    description(&mut spec, r);
    let kind = spec.require_text("type", "the kind of source, like Prometheus", r);
    spec.require("connectionDetails", "how to reach it; any value", r);
    spec.finish(r);
    kind.map(|kind| kind.value)
}
