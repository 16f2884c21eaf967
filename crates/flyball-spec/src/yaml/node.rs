//! The tree.

use std::fmt::Write as _;

use serde_json::Value;

use super::scalar::{Meaning, meaning};
use crate::source::{SourceText, Span};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) data: Data,
}

#[derive(Debug, Clone)]
pub(crate) enum Data {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key with its value; keys are always scalars.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    /// Whether the key was written without quotes, so that YAML 1.1 may read it as something else.
    pub(crate) key_plain: bool,
    pub(crate) value: Node,
}

/// A scalar as written, quotes and escapes taken away.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) form: ScalarForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarForm {
    /// Without quotes: may mean null, a boolean or a number.
    Plain,
    /// In quotes: always text.
    Quoted,
    /// A block with `|`: always text, line by line as in the source.
    Literal,
    /// A block with `>`: always text, lines joined.
    Folded,
}

impl Node {
    /// True for an absent value: `~`, `null` or nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar(scalar) if meaning(scalar) == Meaning::Null)
    }

    /// The value under `key` of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.data {
            Data::Mapping(entries) => {
                entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
            }
            _ => None,
        }
    }

    /// The text under `key` of a mapping, whatever it means.
    pub(crate) fn text_at(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.data {
            Data::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The value as JSON with sorted keys, plain scalars by the YAML 1.2 core schema.
    pub(crate) fn to_json(&self) -> Value {
        match &self.data {
            Data::Scalar(scalar) => match meaning(scalar) {
                Meaning::Null => Value::Null,
                Meaning::Bool(value) => Value::Bool(value),
                Meaning::Number => serde_json::from_str(&scalar.text)
                    .or_else(|_| scalar.text.parse::<f64>().map(Value::from))
                    .unwrap_or_else(|_| Value::String(scalar.text.clone())),
                Meaning::Text => Value::String(scalar.text.clone()),
            },
            Data::Sequence(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Data::Mapping(entries) => {
                // Sorted, so that reordering keys never looks like another definition.
                let mut sorted: Vec<&Entry> = entries.iter().collect();
                sorted.sort_by(|a, b| a.key.cmp(&b.key));
                let pairs = sorted.into_iter();
                Value::Object(
                    pairs.map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
                )
            }
        }
    }

    /// The dotted path of the field that begins at or last before byte `at`.
    pub(crate) fn path_to(&self, at: usize) -> String {
        let mut path = String::new();
        let mut node = self;
        loop {
            match &node.data {
                Data::Scalar(_) => return path,
                Data::Sequence(items) => {
                    let Some(index) = items.iter().rposition(|item| item.span.start <= at) else {
                        return path;
                    };
                    if at >= items[index].span.end.max(items[index].span.start + 1) {
                        return path;
                    }
                    let _ = write!(path, "[{index}]");
                    if items[index].span.start == at && items[index].first_key_starts_at(at) {
                        // The item's own start is also its first key's: the item is meant.
                        return path;
                    }
                    node = &items[index];
                }
                Data::Mapping(entries) => {
                    let Some(entry) = entries.iter().rfind(|entry| entry.key_span.start <= at)
                    else {
                        return path;
                    };
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&entry.key);
                    if at < entry.value.span.start {
                        return path;
                    }
                    node = &entry.value;
                    if node.span.start == at {
                        return path;
                    }
                }
            }
        }
    }

    fn first_key_starts_at(&self, at: usize) -> bool {
        matches!(&self.data, Data::Mapping(entries)
            if entries.first().is_some_and(|entry| entry.key_span.start == at))
    }

    /// Where to point for the whole node: a scalar or a list in brackets itself, the first key of a
    /// block, else the brace or dash that opens it.
    pub(crate) fn head(&self, source: &SourceText<'_>) -> Span {
        match &self.data {
            Data::Scalar(_) => self.span,
            Data::Sequence(_) if source.slice(self.span).starts_with('[') => self.span,
            Data::Mapping(entries) => match entries.first() {
                Some(entry) if entry.key_span.start == self.span.start => entry.key_span,
                _ => first_char(self.span, source),
            },
            Data::Sequence(_) => first_char(self.span, source),
        }
    }
}

fn first_char(span: Span, source: &SourceText<'_>) -> Span {
    let length = source.text().get(span.start..).and_then(|rest| rest.chars().next());
    Span { start: span.start, end: span.start + length.map_or(1, char::len_utf8) }
}
