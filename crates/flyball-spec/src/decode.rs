//! Reading typed values out of a YAML tree, with every fault noted and none of them final.
//!
//! A reader asks a [`Fields`] for each key it knows; what is left over is unknown and an error,
//! with the nearest known key as a hint. Values come back as options: `None` means that a
//! diagnostic was noted or nothing was there, and reading goes on.

use std::ops::Range;

use flyball_model::Rational;

use crate::diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Level, nearest, shown};
use crate::source::{SourceText, Span};
use crate::yaml::{Data, Entry, Meaning, Node, Scalar, Trap, meaning, number, trap, trap_of_text};

/// A text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) at: Place,
}

/// A span in one of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) span: Span,
}

/// Where diagnostics of all sources are gathered.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
    errors: usize,
}

impl Findings {
    /// Counts one more finding; true when it is to be kept.
    ///
    /// Asked before a diagnostic is made, so that a million faults cost no more than the bound.
    pub(crate) fn wants(&mut self, level: Level) -> bool {
        let error = level == Level::Error;
        self.errors += usize::from(error);
        if self.list.len() >= DIAGNOSTICS_MAX && error && self.errors == 1 {
            // An error is never crowded out by warnings.
            self.list.pop();
        }
        self.list.len() < DIAGNOSTICS_MAX
    }

    /// True when no further warning is kept: its hint need not be thought of.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= DIAGNOSTICS_MAX
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// How many errors were found so far, kept or not.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    pub(crate) fn into_list(self) -> Vec<Diagnostic> {
        self.list
    }
}

/// Reading one document.
pub(crate) struct Reader<'r, 's> {
    pub(crate) index: usize,
    pub(crate) source: &'r SourceText<'s>,
    pub(crate) root: &'r Node,
    pub(crate) findings: &'r mut Findings,
}

impl Reader<'_, '_> {
    pub(crate) fn place(&self, span: Span) -> Place {
        Place { source: self.index, span }
    }

    /// Bytes `within` of a text, as a span of the source; the whole text where escapes hide them.
    pub(crate) fn within(&self, text: &Text, within: Range<usize>) -> Span {
        let Some(inside) = self.source.slice(text.at.span).find(&text.value) else {
            return text.at.span;
        };
        let start = text.at.span.start + inside + within.start;
        Span { start, end: start + within.len().max(1) }
    }

    pub(crate) fn error(
        &mut self,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.note(Level::Error, span, None, message.into(), hint.into());
    }

    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.note(Level::Warning, span, None, message.into(), hint.into());
    }

    fn note(
        &mut self,
        level: Level,
        at: Span,
        path: Option<String>,
        message: String,
        hint: String,
    ) {
        if !self.findings.wants(level) {
            return;
        }
        let path = path.unwrap_or_else(|| self.root.path_to(at.start));
        let hint = (!hint.is_empty()).then_some(hint);
        self.findings.push(Diagnostic::new(level, self.source, at, path, message, hint));
    }

    /// A field that must be there and is not.
    pub(crate) fn missing(&mut self, parent: &Node, key: &str, hint: &str) {
        let span = parent.head(self.source);
        let path = self.field_path(parent, key);
        let message = format!("`{key}` is missing");
        self.note(Level::Error, span, Some(path), message, hint.to_owned());
    }

    fn field_path(&self, parent: &Node, key: &str) -> String {
        let path = self.root.path_to(parent.span.start);
        if path.is_empty() || parent.span.start == self.root.span.start {
            return key.to_owned();
        }
        format!("{path}.{key}")
    }

    /// The scalar of a node; an error when it is a list or mapping.
    fn scalar<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n Scalar> {
        let found = match &node.data {
            Data::Scalar(scalar) => return Some(scalar),
            Data::Sequence(_) => "a list",
            Data::Mapping(_) => "a mapping",
        };
        let span = node.head(self.source);
        self.error(span, format!("{expected} is expected, not {found}"), "");
        None
    }

    /// A text. Booleans and numbers are errors: quoting makes them text for every reader.
    pub(crate) fn text(&mut self, node: &Node) -> Option<Text> {
        let scalar = self.scalar(node, "a text")?;
        let text = &scalar.text;
        let quote = format!("write it in quotes: \"{}\"", shown(text));
        match (trap(scalar), meaning(scalar)) {
            (Some(Trap::Bool(_)), _) => {
                let message =
                    format!("`{text}` is a boolean to YAML 1.1 readers; a text is expected");
                self.error(node.span, message, quote);
                return None;
            }
            (_, Meaning::Bool(_)) => {
                self.error(node.span, format!("`{text}` is a boolean; a text is expected"), quote);
                return None;
            }
            (_, Meaning::Number) => {
                self.error(node.span, format!("`{text}` is a number; a text is expected"), quote);
                return None;
            }
            (Some(Trap::Radix | Trap::Sexagesimal | Trap::Underscore), _) => {
                let message = format!(
                    "`{}` is a number to YAML 1.1 readers; it is read as text",
                    shown(text)
                );
                self.warn(node.span, message, quote);
            }
            _ => {}
        }
        Some(Text { value: text.clone(), at: self.place(node.span) })
    }

    /// A condition in SQL: a text, or TRUE or FALSE without quotes, which SQL reads as YAML does.
    pub(crate) fn condition(&mut self, node: &Node, hint: &str) -> Option<Text> {
        if let Data::Scalar(scalar) = &node.data
            && matches!(meaning(scalar), Meaning::Bool(_))
        {
            return Some(Text { value: scalar.text.clone(), at: self.place(node.span) });
        }
        self.full_text(node, "where", hint)
    }

    /// A text that is not empty.
    fn full_text(&mut self, node: &Node, key: &str, hint: &str) -> Option<Text> {
        let text = self.text(node)?;
        if text.value.is_empty() {
            self.error(node.span, format!("`{key}` is empty"), hint);
            return None;
        }
        Some(text)
    }

    /// A text in formats that take any scalar for one.
    pub(crate) fn any_text(&mut self, node: &Node) -> Option<Text> {
        let scalar = self.scalar(node, "a text")?;
        if let Some(Trap::Bool(_)) = trap(scalar) {
            return self.text(node);
        }
        Some(Text { value: scalar.text.clone(), at: self.place(node.span) })
    }

    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        let scalar = self.scalar(node, "true or false")?;
        if let Meaning::Bool(value) = meaning(scalar) {
            return Some(value);
        }
        let (text, span) = (shown(&scalar.text), node.span);
        match trap(scalar) {
            Some(Trap::Bool(value)) => self.error(
                span,
                format!("`{text}` is a boolean in YAML 1.1 only"),
                format!("write `{value}`"),
            ),
            _ => self.error(span, format!("true or false is expected, not `{text}`"), ""),
        }
        None
    }

    /// The text of a number, as written.
    pub(crate) fn number_text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        let scalar = self.scalar(node, "a number")?;
        let text = scalar.text.as_str();
        let quoted = number(text) && meaning(scalar) == Meaning::Text;
        match trap(scalar) {
            Some(Trap::Radix | Trap::Underscore | Trap::Sexagesimal) => {
                let message = format!("`{text}` is not the same number in YAML 1.1 and 1.2");
                self.error(node.span, message, "write it in plain decimal digits");
            }
            _ if meaning(scalar) == Meaning::Number => return Some(text),
            _ if quoted => self.error(
                node.span,
                format!("a number is expected, not the text \"{}\"", shown(text)),
                format!("write it without quotes: {}", shown(text)),
            ),
            _ => {
                self.error(node.span, format!("a number is expected, not `{}`", shown(text)), "");
            }
        }
        None
    }

    /// An exact number that is not negative; negative and over-long ones are errors.
    pub(crate) fn rational(&mut self, node: &Node, range: &str) -> Option<Rational> {
        let text = self.number_text(node)?;
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        let zero = unsigned.strip_prefix('-').and_then(Rational::parse).filter(|r| r.is_zero());
        let value = Rational::parse(unsigned).or(zero);
        if value.is_none() {
            let message = if unsigned.starts_with('-') {
                format!("`{}` is not {range}", shown(text))
            } else {
                format!("`{}` has more digits than are kept exactly", shown(text))
            };
            let hint = if unsigned.starts_with('-') {
                ""
            } else {
                "write at most twelve decimal places, and whole numbers below 2^64"
            };
            self.error(node.span, message, hint);
        }
        value
    }

    pub(crate) fn float(&mut self, node: &Node) -> Option<f64> {
        let text = self.number_text(node)?;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Some(value),
            _ => {
                self.error(node.span, format!("`{}` is too large a number", shown(text)), "");
                None
            }
        }
    }

    pub(crate) fn integer(&mut self, node: &Node) -> Option<u64> {
        let text = self.number_text(node)?;
        let value = text.parse::<u64>().ok();
        if value.is_none() {
            let message = format!("a whole number is expected, not `{}`", shown(text));
            self.error(node.span, message, "");
        }
        value
    }

    /// One of a fixed set of words.
    pub(crate) fn word<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = match nearest(&text.value, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}", names.join(", ")),
        };
        self.error(node.span, format!("`{}` is not known here", shown(&text.value)), hint);
        None
    }

    /// The items of a list; a missing or null list is empty.
    pub(crate) fn list<'n>(&mut self, node: Option<&'n Node>) -> &'n [Node] {
        match node {
            None => &[],
            Some(Node { data: Data::Sequence(items), .. }) => items,
            Some(node) => {
                let span = node.head(self.source);
                self.error(span, "a list is expected", "put `- ` before each item");
                &[]
            }
        }
    }

    /// The entries of a free mapping; a missing or null mapping is empty.
    pub(crate) fn entries<'n>(&mut self, node: Option<&'n Node>) -> &'n [Entry] {
        match node {
            None => &[],
            Some(Node { data: Data::Mapping(entries), .. }) => {
                for entry in entries {
                    if entry.key_plain && matches!(trap_of_text(&entry.key), Some(Trap::Bool(_))) {
                        let message =
                            format!("the key `{}` is a boolean to YAML 1.1 readers", entry.key);
                        self.error(entry.key_span, message, format!("write \"{}\":", entry.key));
                    }
                }
                entries
            }
            Some(node) => {
                let span = node.head(self.source);
                self.error(span, "a mapping is expected", "");
                &[]
            }
        }
    }

    /// The fields of a mapping; an error and `None` when the node is something else.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node) -> Option<Fields<'n>> {
        if let Data::Mapping(entries) = &node.data {
            return Some(Fields { node, entries, known: Vec::new() });
        }
        let span = node.head(self.source);
        self.error(span, "a mapping is expected here", "write `key: value` lines below it");
        None
    }
}

/// A mapping whose keys are known beforehand.
pub(crate) struct Fields<'n> {
    pub(crate) node: &'n Node,
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The value of `key`; null counts as absent.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|e| &e.value)
            .filter(|v| !v.is_null())
    }

    /// As [`Self::get`]; noted as missing when absent.
    pub(crate) fn require(
        &mut self,
        key: &'static str,
        hint: &str,
        r: &mut Reader<'_, '_>,
    ) -> Option<&'n Node> {
        let value = self.get(key);
        if value.is_none() {
            r.missing(self.node, key, hint);
        }
        value
    }

    /// A text that may be left out; empty counts as absent.
    pub(crate) fn text(&mut self, key: &'static str, r: &mut Reader<'_, '_>) -> Option<Text> {
        let node = self.get(key)?;
        r.text(node).filter(|text| !text.value.is_empty())
    }

    /// A text that must be there and not be empty.
    pub(crate) fn require_text(
        &mut self,
        key: &'static str,
        hint: &str,
        r: &mut Reader<'_, '_>,
    ) -> Option<Text> {
        let node = self.require(key, hint, r)?;
        r.full_text(node, key, hint)
    }

    /// A text of at most `chars_max` characters, or nothing.
    pub(crate) fn short_text(
        &mut self,
        key: &'static str,
        chars_max: usize,
        r: &mut Reader<'_, '_>,
    ) -> Option<String> {
        let text = self.text(key, r)?;
        let chars = text.value.chars().count();
        if chars > chars_max {
            let message = format!("{chars} characters are too many; {chars_max} is the most");
            r.error(text.at.span, message, "shorten it");
        }
        Some(text.value)
    }

    /// False unless said otherwise.
    pub(crate) fn boolean(&mut self, key: &'static str, r: &mut Reader<'_, '_>) -> Option<bool> {
        let node = self.get(key)?;
        r.boolean(node)
    }

    /// Notes every key that was not asked for. To be called last.
    pub(crate) fn finish(self, r: &mut Reader<'_, '_>) {
        self.leftovers(Level::Error, r);
    }

    /// As [`Self::finish`], for formats whose own tool ignores unknown keys and whose published
    /// documents have them: warnings.
    pub(crate) fn finish_leniently(self, r: &mut Reader<'_, '_>) {
        self.leftovers(Level::Warning, r);
    }

    fn leftovers(self, level: Level, r: &mut Reader<'_, '_>) {
        // A known key without a value: what follows it may have lost its indentation.
        let mut hollow = None;
        for entry in self.entries {
            if self.known.contains(&entry.key.as_str()) {
                hollow = entry.value.is_null().then_some(&entry.key);
                continue;
            }
            let hint = match (nearest(&entry.key, &self.known), hollow) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some(above)) => format!("is it meant below `{above}`? indent it"),
                (None, None) => format!("known here: {}", self.known.join(", ")),
            };
            let message = format!("`{}` is not a field here", shown(&entry.key));
            let path = r.field_path(self.node, &entry.key);
            r.note(level, entry.key_span, Some(path), message, hint);
        }
    }
}
