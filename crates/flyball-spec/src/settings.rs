//! Files of settings: one mapping of names to a value, or to a list of values.
//!
//! They are read with the care that documents are: every fault is noted with its place, unknown
//! names come with the nearest known one. What a value means is the business of whoever asks for it:
//! values stay text here, as they were written.

use crate::diagnostic::{Diagnostic, Level, nearest, shown};
use crate::source::{SOURCE_BYTES_MAX, Source, SourceText, Span};
use crate::yaml::{Data, Meaning, Node, meaning, parse};

/// What a source sets.
#[derive(Debug)]
pub struct Settings<'s> {
    source: SourceText<'s>,
    found: Vec<Setting>,
    diagnostics: Vec<Diagnostic>,
}

/// A name that is set, with its values in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name.
    pub name: String,
    /// What it is set to: one value, or those of a list; never none.
    pub values: Vec<SettingValue>,
}

/// A value as it was written, quotes taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingValue {
    /// The text.
    pub text: String,
    at: Span,
}

impl<'s> Settings<'s> {
    /// Reads `source`, in which each of `known` may be set once. An empty source, or one of comments
    /// only, sets nothing.
    pub fn read(source: &'s Source, known: &[&str]) -> Self {
        let text = SourceText::new(source);
        let mut settings = Self { source: text, found: Vec::new(), diagnostics: Vec::new() };
        let whole = Span { start: 0, end: 1 };
        if source.text.len() > SOURCE_BYTES_MAX {
            let said = format!("more than {SOURCE_BYTES_MAX} bytes are not read");
            settings.error(whole, String::new(), said, None);
            return settings;
        }
        let parsed = parse(settings.source.text());
        for fault in parsed.faults {
            settings.error(fault.span, String::new(), fault.message, fault.hint);
        }
        let mut documents = parsed.documents.iter().filter(|document| !document.is_null());
        if let Some(document) = documents.next() {
            settings.mapping(document, known);
        }
        if let Some(second) = documents.next() {
            let said = "settings are one document".to_owned();
            let hint = "remove the `---` and what follows".to_owned();
            settings.error(second.span, String::new(), said, Some(hint));
        }
        settings
    }

    /// What is set, in the order of the source.
    pub fn found(&self) -> &[Setting] {
        &self.found
    }

    /// Notes that `value` of the setting `name` cannot be used.
    pub fn refuse(&mut self, name: &str, value: &SettingValue, said: String, hint: Option<String>) {
        self.error(value.at, name.to_owned(), said, hint);
    }

    /// Everything that is wrong, in the order in which it was found; empty when nothing is.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    fn error(&mut self, at: Span, path: String, message: String, hint: Option<String>) {
        let found = Diagnostic::new(Level::Error, &self.source, at, path, message, hint);
        self.diagnostics.push(found);
    }

    fn mapping(&mut self, document: &Node, known: &[&str]) {
        let Data::Mapping(entries) = &document.data else {
            let said = "settings are a mapping of names to values".to_owned();
            let hint = known.first().map(|name| format!("such as `{name}: …`"));
            self.error(document.span, String::new(), said, hint);
            return;
        };
        for entry in entries {
            let name = &entry.key;
            if !known.contains(&name.as_str()) {
                let hint = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known: {}", known.join(", ")),
                };
                let said = format!("`{}` is not a setting", shown(name));
                self.error(entry.key_span, String::new(), said, Some(hint));
                continue;
            }
            let values = match &entry.value.data {
                Data::Sequence(items) if items.is_empty() => {
                    self.absent(name, &entry.value);
                    None
                }
                Data::Sequence(items) => items.iter().map(|item| self.value(name, item)).collect(),
                _ => self.value(name, &entry.value).map(|value| vec![value]),
            };
            if let Some(values) = values {
                self.found.push(Setting { name: name.clone(), values });
            }
        }
    }

    fn absent(&mut self, name: &str, node: &Node) {
        let hint = "leave the name out for what is usual".to_owned();
        self.error(node.span, name.to_owned(), "there is no value".to_owned(), Some(hint));
    }

    fn value(&mut self, name: &str, node: &Node) -> Option<SettingValue> {
        let (said, hint) = match &node.data {
            Data::Scalar(scalar) if meaning(scalar) != Meaning::Null => {
                return Some(SettingValue { text: scalar.text.clone(), at: node.span });
            }
            Data::Scalar(_) => {
                self.absent(name, node);
                return None;
            }
            Data::Sequence(_) => ("a list is not a value", "write a text or a number"),
            Data::Mapping(_) => ("a mapping is not a value", "write a text or a number"),
        };
        self.error(node.span, name.to_owned(), said.to_owned(), Some(hint.to_owned()));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["data", "listen", "dev"];

    fn told(text: &str) -> Vec<String> {
        let source = Source::new("flyball.yaml", text);
        let tell = |found: Diagnostic| {
            let hint = found.hint.unwrap_or_default();
            format!("{}:{} {}; {hint}", found.line, found.column, found.message)
        };
        Settings::read(&source, &KNOWN).into_diagnostics().into_iter().map(tell).collect()
    }

    #[test]
    fn values_are_kept_as_they_were_written() {
        let source = Source::new("a.yaml", "# all\nlisten: [127.0.0.1:010, '[::]:1']\ndev: yes\n");
        let settings = Settings::read(&source, &KNOWN);
        let found: Vec<(&str, Vec<&str>)> = settings
            .found()
            .iter()
            .map(|s| (s.name.as_str(), s.values.iter().map(|v| v.text.as_str()).collect()))
            .collect();
        let listen = ("listen", vec!["127.0.0.1:010", "[::]:1"]);
        assert_eq!(found, [listen, ("dev", vec!["yes"])]);
        assert_eq!(settings.into_diagnostics(), []);
    }

    #[test]
    fn a_file_of_comments_sets_nothing() {
        for text in ["", "# data: x\n", "---\n"] {
            assert_eq!(told(text), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn every_fault_has_its_place_and_a_hint() {
        let text = "data: []\nlisten_: [a]\nfrobnicate: 1\ndev:\nlisten: [a, {b: c}]\n";
        assert_eq!(
            told(text),
            [
                "1:7 there is no value; leave the name out for what is usual",
                "2:1 `listen_` is not a setting; did you mean `listen`?",
                "3:1 `frobnicate` is not a setting; known: data, listen, dev",
                "4:4 there is no value; leave the name out for what is usual",
                "5:13 a mapping is not a value; write a text or a number",
            ]
        );
        assert_eq!(told("- data\n").len(), 1);
        assert_eq!(told("data: x\n---\ndata: y\n").len(), 1);
        assert_eq!(told("data: x\ndata: y\n").len(), 1);
        assert!(!told("data: [x\n").is_empty());
    }
}
