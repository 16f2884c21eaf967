//! Trees to canonical YAML or JSON.
//!
//! Canonical is what the reference implementation writes: block style, keys in alphabetical
//! order, list items at the indentation of their key, quotes only where some reader of YAML 1.1
//! or 1.2 would take the text for something else.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::node::{Data, Entry, Node, Scalar, ScalarForm};
use super::scalar::{Meaning, meaning, trap_of_text};

/// Comments of one entry or item.
#[derive(Debug, Default, Clone)]
pub(crate) struct Comments {
    /// On lines of their own before it, each beginning with `#`.
    pub(crate) leading: Vec<String>,
    /// At the end of its first line.
    pub(crate) trailing: Option<String>,
}

/// Comments by where their entry or item begins in the source; `true` for list items, whose first
/// key may begin at the same byte.
pub(crate) type CommentMap = HashMap<(usize, bool), Comments>;

/// Writes one document, ending with a line end.
pub(crate) fn yaml(node: &Node, comments: &CommentMap) -> String {
    let mut out = Writer { text: String::new(), comments };
    match &node.data {
        Data::Scalar(scalar) => {
            out.text.push_str(&scalar_text(scalar, 0));
            out.text.push('\n');
        }
        Data::Sequence(items) if items.is_empty() => out.text.push_str("[]\n"),
        Data::Mapping(entries) if entries.is_empty() => out.text.push_str("{}\n"),
        Data::Sequence(items) => out.items(items, 0),
        Data::Mapping(entries) => out.entries(entries, 0, false),
    }
    out.text
}

struct Writer<'c> {
    text: String,
    comments: &'c CommentMap,
}

impl Writer<'_> {
    fn indent(&mut self, indent: usize) {
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    fn leading(&mut self, at: (usize, bool), indent: usize) {
        if let Some(comments) = self.comments.get(&at) {
            for comment in &comments.leading {
                self.indent(indent);
                self.text.push_str(comment);
                self.text.push('\n');
            }
        }
    }

    fn trailing(&self, at: (usize, bool)) -> String {
        let trailing = self.comments.get(&at).and_then(|comments| comments.trailing.as_ref());
        trailing.map(|comment| format!(" {comment}")).unwrap_or_default()
    }

    fn entries(&mut self, entries: &[Entry], indent: usize, first_is_placed: bool) {
        for (index, entry) in sorted(entries).into_iter().enumerate() {
            let at = (entry.key_span.start, false);
            if index > 0 || !first_is_placed {
                self.leading(at, indent);
                self.indent(indent);
            }
            self.text.push_str(&text(&entry.key));
            self.text.push(':');
            let trailing = self.trailing(at);
            match &entry.value.data {
                Data::Mapping(inner) if !inner.is_empty() => {
                    self.text.push_str(&trailing);
                    self.text.push('\n');
                    self.entries(inner, indent + 2, false);
                }
                Data::Sequence(inner) if !inner.is_empty() => {
                    self.text.push_str(&trailing);
                    self.text.push('\n');
                    self.items(inner, indent);
                }
                _ => self.value(&entry.value, indent, &trailing),
            }
        }
    }

    fn items(&mut self, items: &[Node], indent: usize) {
        for item in items {
            let at = (item.span.start, true);
            self.leading(at, indent);
            match &item.data {
                Data::Mapping(inner) if !inner.is_empty() => {
                    // Comments of what comes first cannot stand between `-` and the key.
                    if let Some(first) = sorted(inner).first() {
                        self.leading((first.key_span.start, false), indent);
                    }
                    let trailing = self.trailing(at);
                    if !trailing.is_empty() {
                        self.indent(indent);
                        self.text.push_str(trailing.trim_start());
                        self.text.push('\n');
                    }
                    self.indent(indent);
                    self.text.push_str("- ");
                    self.entries(inner, indent + 2, true);
                }
                Data::Sequence(inner) if !inner.is_empty() => {
                    let trailing = self.trailing(at);
                    self.indent(indent);
                    self.text.push('-');
                    self.text.push_str(&trailing);
                    self.text.push('\n');
                    self.items(inner, indent + 2);
                }
                _ => {
                    let trailing = self.trailing(at);
                    self.indent(indent);
                    self.text.push('-');
                    self.value(item, indent, &trailing);
                }
            }
        }
    }

    /// A scalar or empty collection behind `key:` or `-`, to the end of its line or block.
    fn value(&mut self, node: &Node, indent: usize, trailing: &str) {
        let value = match &node.data {
            Data::Sequence(_) => "[]".to_owned(),
            Data::Mapping(_) => "{}".to_owned(),
            Data::Scalar(scalar) if meaning(scalar) == Meaning::Null => String::new(),
            Data::Scalar(scalar) => scalar_text(scalar, indent + 2),
        };
        let (first, rest) = value.split_once('\n').unwrap_or((&value, ""));
        if !first.is_empty() {
            self.text.push(' ');
            self.text.push_str(first);
        }
        self.text.push_str(trailing);
        self.text.push('\n');
        if !rest.is_empty() {
            self.text.push_str(rest);
            self.text.push('\n');
        }
    }
}

fn sorted(entries: &[Entry]) -> Vec<&Entry> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    sorted
}

/// A scalar; a block of several lines begins with its header, its lines at `indent`.
fn scalar_text(scalar: &Scalar, indent: usize) -> String {
    if meaning(scalar) != Meaning::Text {
        return scalar.text.clone();
    }
    if scalar.form == ScalarForm::Plain && trap_of_text(&scalar.text).is_some() {
        // Written without quotes: quoting would decide what the writer left open.
        return scalar.text.clone();
    }
    if scalar.text.contains('\n') && fits_block(&scalar.text) {
        let chomp = if scalar.text.ends_with('\n') { "|" } else { "|-" };
        let pad = " ".repeat(indent);
        let lines = scalar.text.strip_suffix('\n').unwrap_or(&scalar.text).split('\n');
        let lines: Vec<String> = lines
            .map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") })
            .collect();
        return format!("{chomp}\n{}", lines.join("\n"));
    }
    text(&scalar.text)
}

/// True when a literal block holds the text exactly.
fn fits_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    !body.ends_with('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.contains("\n ---") // Some parsers take it for a document's end.
        && body.split('\n').all(|line| !line.trim().is_empty() || line.is_empty())
        && text.chars().all(|c| c == '\n' || c == '\t' || printable(c))
}

/// A text on one line: plain where every reader takes it for this text, else in double quotes.
pub(crate) fn text(text: &str) -> String {
    if plain_is_safe(text) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if printable(c) => out.push(c),
            c if u32::from(c) <= 0xFFFF => drop(write!(out, "\\u{:04X}", u32::from(c))),
            c => drop(write!(out, "\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

fn plain_is_safe(text: &str) -> bool {
    const FIRST: &str = "-?:,[]{}#&*!|>'\"%@`= \t";
    let scalar = Scalar { text: text.to_owned(), form: ScalarForm::Plain };
    let dated = text.len() >= 8
        && text.as_bytes()[4..].starts_with(b"-")
        && text.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    let special = [".inf", ".nan", "-.inf", "+.inf", "<<", "---", "..."];
    !text.is_empty()
        && text.chars().all(printable)
        && !text.starts_with(|c: char| FIRST.contains(c))
        && !text.ends_with([' ', ':', '\t'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains('\t')
        && !dated
        && !special.contains(&text.to_lowercase().as_str())
        && meaning(&scalar) == Meaning::Text
        && trap_of_text(text).is_none()
}

/// Writes JSON with sorted keys, two spaces an indent, numbers as they were written.
pub(crate) fn json(node: &Node, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match &node.data {
        Data::Scalar(scalar) => match meaning(scalar) {
            Meaning::Text => {
                out.push_str(&serde_json::Value::from(scalar.text.as_str()).to_string());
            }
            Meaning::Null => out.push_str("null"),
            Meaning::Bool(value) => out.push_str(&value.to_string()),
            Meaning::Number => out.push_str(&scalar.text),
        },
        Data::Sequence(items) if items.is_empty() => out.push_str("[]"),
        Data::Mapping(entries) if entries.is_empty() => out.push_str("{}"),
        Data::Sequence(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "\n" } else { ",\n" });
                out.push_str(&pad);
                out.push_str("  ");
                json(item, indent + 2, out);
            }
            let _ = write!(out, "\n{pad}]");
        }
        Data::Mapping(entries) => {
            out.push('{');
            for (index, entry) in sorted(entries).into_iter().enumerate() {
                out.push_str(if index == 0 { "\n" } else { ",\n" });
                let key = serde_json::Value::from(entry.key.as_str());
                let _ = write!(out, "{pad}  {key}: ");
                json(&entry.value, indent + 2, out);
            }
            let _ = write!(out, "\n{pad}}}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn quotes_stand_only_where_readers_differ() {
        for plain in ["Good", "sum(rate(x{a=\"b\"}[5m]))", "a:b", "28d", "openslo/v1", "a#b", "ä"]
        {
            assert_eq!(text(plain), plain);
        }
        for quoted in [
            "",
            "no",
            "12",
            "1:30",
            "2022-01-01 12:00:00",
            "a: b",
            "a #b",
            "-x",
            "a:",
            " a",
            "null",
            "*x",
            "<<",
        ] {
            assert_eq!(text(quoted), format!("\"{quoted}\""));
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for value in [
            "a\nb\n",
            "a\n\nb",
            "a\n b\n",
            " a\nb",
            "a\n\n",
            "\n",
            "\u{7}x",
            "a\r\nb",
            "tab\there",
            "x\n---\ny",
        ] {
            let json = serde_json::json!({"k": [{"v": value, "w": value}]}).to_string();
            let node = parse(&json).documents.remove(0);
            let written = yaml(&node, &CommentMap::new());
            let again = parse(&written);
            assert!(again.faults.is_empty(), "{value:?}: {written}");
            assert_eq!(again.documents[0].to_json().to_string(), json, "{written}");
        }
    }
}
