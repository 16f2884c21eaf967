//! The documents of one text as texts of their own, each with what it is known by.
//!
//! For texts that have no name of their own, such as what comes through a pipe: a document's identity is
//! its kind and name then, as in Kubernetes.

use crate::diagnostic::{Diagnostic, Level};
use crate::format::readable;
use crate::source::{Source, SourceText, Span};
use crate::yaml::{Node, parse};

/// What a document of Sloth's own format, which has no kind, is called as one.
const SLOTH: &str = "Sloth";

/// One document of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is, such as `SLO`.
    pub kind: String,
    /// Its name among those of its kind.
    pub name: String,
    /// Its part of the text, comments before it included.
    pub text: String,
}

/// The documents of `source` in order; none for a text that holds nothing but comments. They are not
/// checked beyond what they are known by: [`load`](crate::load) does.
///
/// # Errors
///
/// The faults of a source that is not readable, and documents without kind or name.
pub fn split(source: &Source) -> Result<Vec<Document>, Vec<Diagnostic>> {
    let text = SourceText::new(source);
    readable(source, &text)?;
    let (mut documents, mut unnamed) = (Vec::new(), Vec::new());
    for (start, piece) in pieces(text.text()) {
        let parsed = parse(piece);
        let Some(first) = parsed.documents.iter().find(|document| !document.is_null()) else {
            continue;
        };
        let known = identity(first).filter(|_| parsed.documents.len() == 1);
        let Some((kind, name)) = known else {
            unnamed.push(nameless(&text, start, first));
            continue;
        };
        let (kind, name) = (kind.to_owned(), name.to_owned());
        documents.push(Document { kind, name, text: piece.to_owned() });
    }
    if unnamed.is_empty() { Ok(documents) } else { Err(unnamed) }
}

/// That `document`, in a part of the text that begins at byte `start`, could not be found again.
fn nameless(text: &SourceText<'_>, start: usize, document: &Node) -> Diagnostic {
    let span = Span { start: start + document.span.start, end: start + document.span.end };
    let message =
        "this is no document with a `kind` and a `metadata.name`, by which it would be known";
    let hint = "name it, put `---` between documents, or apply a file, which is known by its path";
    let (message, hint) = (message.to_owned(), Some(hint.to_owned()));
    Diagnostic::new(Level::Error, text, span, String::new(), message, hint)
}

/// What a document is known by.
pub(crate) fn identity(document: &Node) -> Option<(&str, &str)> {
    if let Some(kind) = document.text_at("kind") {
        return Some((kind, document.get("metadata")?.text_at("name")?));
    }
    let is_sloth = document.get("version").is_some() && document.get("slos").is_some();
    document.text_at("service").filter(|_| is_sloth).map(|service| (SLOTH, service))
}

/// The parts of a stream of documents, with where they begin: a line that begins with `---` begins one,
/// wherever it stands. What stands before the first content belongs to that.
fn pieces(text: &str) -> Vec<(usize, &str)> {
    let (mut pieces, mut start, mut at, mut has_content) = (Vec::new(), 0, 0, false);
    for line in text.split_inclusive('\n') {
        let after = line.strip_prefix("---").filter(|rest| rest.trim_start().len() < rest.len());
        if after.is_some() && has_content {
            pieces.push((start, &text[start..at]));
            (start, has_content) = (at, false);
        }
        let content = after.unwrap_or(line).trim();
        has_content |= !content.is_empty() && !content.starts_with(['#', '%']);
        at += line.len();
    }
    pieces.push((start, &text[start..]));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Result<Vec<(String, String)>, Vec<String>> {
        match split(&Source::new("-", text)) {
            Ok(found) => Ok(found.into_iter().map(|one| (one.kind, one.name)).collect()),
            Err(found) => Err(found.into_iter().map(|one| format!("{}", one.line)).collect()),
        }
    }

    #[test]
    fn documents_are_known_by_kind_and_name() {
        let text = "# of the shop\nkind: SLO\nmetadata: {name: a}\nspec: |\n  ---\n---  # b\n\
                    kind: Probe\nmetadata:\n  name: b\n---\n# nothing\n";
        let pair = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
        assert_eq!(known(text), Ok(vec![pair("SLO", "a"), pair("Probe", "b")]));
        let found = split(&Source::new("-", text)).unwrap();
        assert_eq!(found.iter().map(|one| one.text.len()).sum::<usize>() + 14, text.len());
        assert!(found[0].text.starts_with("# of the shop"), "comments stay");
        let json = r#"{"kind": "SLO", "metadata": {"name": "a"}}"#;
        assert_eq!(known(json), Ok(vec![pair("SLO", "a")]));
        let sloth = "version: prometheus/v1\nservice: shop\nslos: []\n";
        assert_eq!(known(sloth), Ok(vec![pair("Sloth", "shop")]));
        assert_eq!(known("# nothing\n---\n"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_known_by_nothing_is_told_where_it_stands() {
        let wrong = |text: &str, line: &str| assert_eq!(known(text), Err(vec![line.to_owned()]));
        wrong("kind: SLO\nmetadata: {name: a}\n---\nkind: SLO\n", "4");
        wrong("- kind: SLO\n  metadata: {name: a}\n", "1");
        wrong("kind: SLO\nmetadata: {name: [}\n", "2");
    }
}
