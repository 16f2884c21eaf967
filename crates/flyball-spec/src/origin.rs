//! Where the parts of a loaded SLO stand in their sources.
//!
//! The SQL of an event SLI is compiled far from here, once attributes are known. What is wrong
//! with it is still shown in the YAML, under the very word.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use crate::decode::Place;
use crate::diagnostic::{Diagnostic, Level, split_hint};
use crate::session::Session;
use crate::set::{Governing, Service};
use crate::source::{Source, SourceText, Span};
use crate::yaml::{Data, Node, Scalar, ScalarForm};

/// A part of an SLO that has a place of its own. `objective` counts from 0 and is `None` where
/// the SLO's own indicator is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its name.
    Slo,
    /// Its time window.
    Window,
    /// One of its objectives.
    Objective(usize),
    /// The condition that selects the valid events; the query for them, or the only one there is.
    Total {
        /// Whose indicator.
        objective: Option<usize>,
    },
    /// The condition that selects good or bad events, or the query for them.
    Side {
        /// Whose indicator.
        objective: Option<usize>,
    },
    /// The attributes that make slices.
    By {
        /// Whose indicator.
        objective: Option<usize>,
    },
    /// The annotation that names an alert strategy or preset.
    Alerting,
    /// What one of its own alert rules compares with, wherever the rule is written down.
    Rule(usize),
}

/// The places of all SLOs' parts, with the sources to show them in.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// The sources with the starts of their lines.
    sources: Vec<(Source, Vec<usize>)>,
    places: HashMap<String, HashMap<Part, Origin>>,
    /// The source of every probe, also of those that do not count, and the service that it checks.
    probes: Vec<(usize, String)>,
    /// The source of every description of a service or of its risks, of every escalation and runbook of services, also of
    /// those that do not count, and the service.
    services: Vec<(usize, String)>,
    /// The source of every alert target and restore action, also of those that do not count.
    reaching: Vec<usize>,
    /// The documents of our own kinds with faults of their own, by kind and name.
    flawed: HashSet<(String, String)>,
}

/// One part's place, with what is needed to point into it.
#[derive(Debug, Clone)]
struct Origin {
    place: Place,
    path: String,
    scalar: Option<Scalar>,
}

impl Origins {
    pub(crate) fn new(sources: &[Source]) -> Self {
        let lines = |source: &Source| (source.clone(), SourceText::new(source).lines());
        Self { sources: sources.iter().map(lines).collect(), ..Self::default() }
    }

    /// Notes a place; the first one of a part counts.
    pub(crate) fn insert(&mut self, slo: &str, part: Part, place: Place, session: &Session<'_>) {
        let parts = self.places.entry(slo.to_owned()).or_default();
        parts.entry(part).or_insert_with(|| {
            let root = session.root(place);
            Origin {
                place,
                path: root.map(|root| root.path_to(place.span.start)).unwrap_or_default(),
                scalar: root.and_then(|root| scalar_at(root, place.span)).cloned(),
            }
        });
    }

    /// Notes a probe of `service` whose name is at `place`.
    pub(crate) fn insert_probe(&mut self, service: &str, place: Place) {
        self.probes.push((place.source, service.to_owned()));
    }

    /// Notes a description of `service`, of risks of it, or a document of it among others, whose name is at `place`.
    pub(crate) fn insert_service(&mut self, service: &str, place: Place) {
        self.services.push((place.source, service.to_owned()));
    }

    /// Notes an alert target or a restore action whose name is at `place`.
    pub(crate) fn insert_reaching(&mut self, place: Place) {
        self.reaching.push(place.source);
    }

    /// Notes a document with faults of its own.
    pub(crate) fn insert_flawed(&mut self, kind: String, name: String) {
        self.flawed.insert((kind, name));
    }

    /// Whether there is a document of this kind and name that cannot be read for its own faults: what names it
    /// is right.
    pub fn is_flawed(&self, kind: &str, name: &str) -> bool {
        self.flawed.iter().any(|known| (known.0.as_str(), known.1.as_str()) == (kind, name))
    }

    /// The name of the source of every alert target and restore action, also of one that does not count: what
    /// reaches other systems with the server's own secrets.
    pub fn reaching(&self) -> impl Iterator<Item = &str> {
        let sources = self.reaching.iter().filter_map(|source| self.sources.get(*source));
        sources.map(|(source, _)| source.name.as_str())
    }

    /// The name of the source and the service of every probe, also of one that does not count since
    /// another of its name comes before: it would as soon as that one is gone.
    pub fn probes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named(&self.probes)
    }

    /// The name of the source of every description of a service or of its risks, of every escalation and runbook of
    /// services, and the service; also of one that does not count.
    pub fn services(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named(&self.services)
    }

    fn named<'a>(
        &'a self,
        of_sources: &'a [(usize, String)],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        of_sources.iter().filter_map(|(source, name)| {
            let (source, _) = self.sources.get(*source)?;
            Some((source.name.as_str(), name.as_str()))
        })
    }

    /// The name of the source of a document; `None` when it is of another load.
    pub fn governing_file(&self, of: &Governing) -> Option<&str> {
        self.sources.get(of.place.source).map(|(source, _)| source.name.as_str())
    }

    /// The name of the source that defines `slo`.
    pub fn file(&self, slo: &str) -> Option<&str> {
        let origin = self.places.get(slo)?.get(&Part::Slo)?;
        Some(&self.sources.get(origin.place.source)?.0.name)
    }

    /// A diagnostic at `part` of `slo`; `None` when that part has no place of its own.
    ///
    /// `within` are bytes of the part's text as the model holds it, such as a SQL condition; they
    /// are found again in the source behind quotes, escapes and indentation. Without it, or where
    /// they cannot be found, the whole part is pointed at.
    pub fn diagnostic(
        &self,
        slo: &str,
        part: Part,
        within: Option<Range<usize>>,
        severity: Level,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Option<Diagnostic> {
        let Origin { place, path, scalar } = self.places.get(slo)?.get(&part)?;
        let (source, lines) = self.sources.get(place.source)?;
        let text = SourceText::with_lines(source, lines);
        let span = within
            .and_then(|within| inner(&text, place.span, scalar.as_ref()?, within))
            .unwrap_or(place.span);
        Some(Diagnostic::new(severity, &text, span, path.clone(), message.into(), hint))
    }
}

impl Origins {
    /// An error in a policy, its tests or a tier, at the field `path` such as `spec.levels[1].when`, or where that
    /// is not there at what holds it. `within` is a line and a character, both from 1, of the field's
    /// text. `None` when the document is of another load.
    pub fn governing_error(
        &self,
        of: &Governing,
        path: &str,
        within: Option<(usize, usize)>,
        message: &str,
    ) -> Option<Diagnostic> {
        let (source, lines) = self.sources.get(of.place.source)?;
        let text = SourceText::with_lines(source, lines);
        let node = field(&of.node, path);
        let inside = within.and_then(|(line, character)| {
            let Data::Scalar(scalar) = &node.data else { return None };
            let before: usize =
                scalar.text.split_inclusive('\n').take(line - 1).map(str::len).sum();
            let rest = scalar.text.get(before..)?;
            let start = before + rest.char_indices().nth(character - 1)?.0;
            inner(&text, node.span, Some(scalar)?, start..start + 1)
        });
        let span = inside.unwrap_or_else(|| node.head(&text));
        let (message, hint) = split_hint(message);
        let hint = hint.map(str::to_owned);
        let (path, message) = (path.to_owned(), message.to_owned());
        Some(Diagnostic::new(Level::Error, &text, span, path, message, hint))
    }

    /// Those of `told` that are about one of these documents.
    pub fn about(&self, these: &[Governing], told: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let mut lines: HashMap<&str, BTreeMap<usize, usize>> = HashMap::new();
        for of in these {
            let Some((source, starts)) = self.sources.get(of.place.source) else { continue };
            let text = SourceText::with_lines(source, starts);
            let [first, last] =
                [of.node.span.start, of.node.span.end].map(|at| text.position(at).line);
            lines.entry(&source.name).or_default().insert(first, last);
        }
        let is_about = |told: &Diagnostic| {
            let before =
                lines.get(told.file.as_str()).and_then(|of| of.range(..=told.line).next_back());
            before.is_some_and(|(_, last)| told.line <= *last)
        };
        told.into_iter().filter(is_about).collect()
    }

    /// An error in the tier that a service names.
    pub fn tier_error(&self, of: &Service, message: &str, hint: String) -> Option<Diagnostic> {
        let (place, field) = of.tier_at;
        let (source, lines) = self.sources.get(place.source)?;
        let text = SourceText::with_lines(source, lines);
        let (path, message) = (field.to_owned(), message.to_owned());
        Some(Diagnostic::new(Level::Error, &text, place.span, path, message, Some(hint)))
    }
}

/// The node at `path` below `node`, or the last that is there on the way.
fn field<'n>(mut node: &'n Node, path: &str) -> &'n Node {
    for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        let below = match &node.data {
            Data::Sequence(items) => part.parse().ok().and_then(|at: usize| items.get(at)),
            Data::Mapping(_) => node.get(part),
            Data::Scalar(_) => None,
        };
        let Some(below) = below else { break };
        node = below;
    }
    node
}

/// The scalar that stands exactly at `span`.
fn scalar_at(node: &Node, span: Span) -> Option<&Scalar> {
    match &node.data {
        Data::Scalar(scalar) => (node.span == span).then_some(scalar),
        Data::Sequence(items) => items.iter().find_map(|item| scalar_at(item, span)),
        Data::Mapping(entries) => entries.iter().find_map(|entry| scalar_at(&entry.value, span)),
    }
}

/// Bytes `within` of a scalar's text, as a span of the source.
fn inner(source: &SourceText<'_>, at: Span, scalar: &Scalar, within: Range<usize>) -> Option<Span> {
    let raw = source.slice(at);
    let length = within.end.saturating_sub(within.start).max(1);
    if scalar.form == ScalarForm::Literal {
        // Line by line: each line of the text is a line of the source behind its indentation.
        let before = scalar.text.get(..within.start)?;
        let line_number = before.matches('\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        let line = scalar.text.lines().nth(line_number)?;
        // The span of a block begins with the first character of its first line.
        let from: usize = raw.split_inclusive('\n').take(line_number).map(str::len).sum();
        let raw_line = raw.get(from..)?.lines().next()?;
        let indent = raw_line.strip_suffix(line)?.len();
        let start = at.start + from + indent + column;
        return Some(Span { start, end: start + length });
    }
    let inside = raw.find(scalar.text.as_str())?;
    let start = at.start + inside + within.start;
    Some(Span { start, end: start + length })
}
