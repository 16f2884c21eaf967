//! The sources of one load with their trees, and what was found in them.

use crate::decode::{Findings, Place, Reader};
use crate::diagnostic::{Diagnostic, Level};
use crate::source::{Source, SourceText, Span};
use crate::yaml::{Data, Node, parse};

/// How a document begins, for texts that hold none or something else.
pub(crate) const BEGINNING: &str =
    "a document begins with `apiVersion: openslo/v1` and `kind: SLO`";

/// Everything that is read together.
pub(crate) struct Session<'s> {
    texts: Vec<SourceText<'s>>,
    /// The roots of all documents; items of a list are documents of their own.
    roots: Vec<(usize, Node)>,
    pub(crate) findings: Findings,
    nothing: Node,
}

impl<'s> Session<'s> {
    /// Parses all sources, noting what cannot be parsed.
    pub(crate) fn new(sources: &'s [Source]) -> Self {
        let mut session = Self {
            texts: sources.iter().map(SourceText::new).collect(),
            roots: Vec::new(),
            findings: Findings::default(),
            nothing: Node { span: Span::default(), data: Data::Sequence(Vec::new()) },
        };
        for (index, source) in sources.iter().enumerate() {
            let whole = Place { source: index, span: Span { start: 0, end: 1 } };
            if source.text.len() > crate::source::SOURCE_BYTES_MAX {
                let message = format!(
                    "{} bytes are too many; {} are read at most",
                    source.text.len(),
                    crate::source::SOURCE_BYTES_MAX
                );
                session.error(whole, message, "split the file");
                continue;
            }
            let parsed = parse(session.texts[index].text());
            let (documents, errors) = (session.roots.len(), session.findings.errors());
            for document in parsed.documents {
                match document.data {
                    Data::Sequence(items) => {
                        session.roots.extend(items.into_iter().map(|item| (index, item)));
                    }
                    _ if document.is_null() => {}
                    _ => session.roots.push((index, document)),
                }
            }
            for fault in parsed.faults {
                let place = Place { source: index, span: fault.span };
                session.error(place, fault.message, fault.hint.unwrap_or_default());
            }
            if session.roots.len() == documents && session.findings.errors() == errors {
                session.warn(whole, "there is no document here", BEGINNING);
            }
        }
        session
    }

    /// The documents, in order, to be decoded.
    pub(crate) fn documents(&self) -> Vec<(usize, Node)> {
        self.roots.clone()
    }

    /// A reader for the document around `place`.
    pub(crate) fn reader(&mut self, place: Place) -> Reader<'_, 's> {
        let root = root_of(&self.roots, place).unwrap_or(&self.nothing);
        Reader {
            index: place.source,
            source: &self.texts[place.source],
            root,
            findings: &mut self.findings,
        }
    }

    /// The document around `place`.
    pub(crate) fn root(&self, place: Place) -> Option<&Node> {
        root_of(&self.roots, place)
    }

    pub(crate) fn error(
        &mut self,
        place: Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.note(Level::Error, place, message.into(), hint.into());
    }

    /// What a source is called.
    pub(crate) fn name(&self, source: usize) -> &'s str {
        self.texts[source].name()
    }

    pub(crate) fn warn(
        &mut self,
        place: Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.note(Level::Warning, place, message.into(), hint.into());
    }

    fn note(&mut self, level: Level, place: Place, message: String, hint: String) {
        if !self.findings.wants(level) {
            return;
        }
        let path = root_of(&self.roots, place)
            .map(|root| root.path_to(place.span.start))
            .unwrap_or_default();
        let hint = (!hint.is_empty()).then_some(hint);
        let text = &self.texts[place.source];
        self.findings.push(Diagnostic::new(level, text, place.span, path, message, hint));
    }
}

/// The document that holds `place`; roots are in the order of sources and positions.
fn root_of(roots: &[(usize, Node)], place: Place) -> Option<&Node> {
    let after = roots.partition_point(|(source, node)| {
        (*source, node.span.start) <= (place.source, place.span.start)
    });
    let (source, node) = roots.get(after.checked_sub(1)?)?;
    (*source == place.source).then_some(node)
}
