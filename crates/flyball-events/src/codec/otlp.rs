//! OpenTelemetry's own formats: traces and logs as its collectors and SDKs write them to files.
//!
//! Files ([`json`], [`protobuf`]) and requests ([`request`]) share everything but framing. The two
//! encodings give the same [`Span`]s and
//! [`Log`]s, and this module makes rows of them, so that the encoding cannot change an answer.
//!
//! - A span is an event at its **start**: that is when the user asked. `duration_ms` is its length.
//! - A log record is an event at its time, or if it has none when it was observed.
//! - Attributes of the span or record come before those of its scope, those before the resource's.
//! - A map among the attributes is flattened with dots; a list is one text, its JSON; bytes are
//!   base64.
//!
//! Events and links of spans are left out. Metrics are no events: a file of them is refused, a request
//! becomes series ([`metrics`]).

mod identity;
pub(crate) mod json;
pub(crate) mod metrics;
pub(crate) mod protobuf;
pub(crate) mod request;
mod value;

use std::collections::HashMap;
use std::fmt::Write;

use crate::batch::{BatchBuilder, BuilderId, Role};
use crate::codec::layout::{Layout, NodeId};
use crate::codec::{Decoded, NO_TIME, TOO_MANY};
use crate::read::BATCH_ROWS;
use crate::time::TimeReader;
use identity::Identity;
pub(crate) use value::{Any, Leaf};

/// The reason for metrics.
pub(crate) const METRICS: &str = "metrics are not events: only traces and logs are read";

/// Bytes of one document or message that is held in memory; collectors send a few megabytes.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Attribute names whose meaning is remembered; more are looked up each time.
const ROLES_MAX: usize = 8_192;

/// Rank of a record's own time: before that of attributes which only look like times, after that
/// of one the user has chosen.
const OWN_TIME_RANK: u8 = 1;

/// One attribute.
pub(crate) type Attribute<'a> = (std::borrow::Cow<'a, str>, Any<'a>);

/// What spans or log records have in common: where they come from.
#[derive(Debug, Default)]
pub(crate) struct Origin<'a> {
    pub(crate) resource: Vec<Attribute<'a>>,
    pub(crate) scope: Vec<Attribute<'a>>,
    pub(crate) scope_name: std::borrow::Cow<'a, str>,
    pub(crate) scope_version: std::borrow::Cow<'a, str>,
    /// What is to be set in each row, once the rows of the batch share the rest.
    each: Option<Vec<Constant<'a>>>,
}

/// What records have in common. Maps have no role of their own.
type Constant<'a> = (Option<Role>, Attribute<'a>);

impl<'a> Origin<'a> {
    /// What all its records have, in the order in which it is set.
    fn constants(&self) -> impl Iterator<Item = Attribute<'a>> {
        let own = |own: Own, text: &std::borrow::Cow<'a, str>| {
            let is_told = !text.is_empty();
            is_told.then(|| (OWN[own as usize].into(), Any::Text(text.clone())))
        };
        let scope = self.scope.iter().cloned();
        let named = scope.chain(own(Own::ScopeName, &self.scope_name));
        let of_scope = named.chain(own(Own::ScopeVersion, &self.scope_version));
        of_scope.chain(self.resource.iter().cloned())
    }

    /// The next scope of the resource.
    pub(crate) fn next_scope(&mut self) {
        let resource = std::mem::take(&mut self.resource);
        *self = Self { resource, ..Self::default() };
    }
}

/// An attribute that waits for its record to be read to the end.
#[derive(Debug)]
pub(crate) enum Cell<'a> {
    /// What it means is known.
    Leaf(Role, Leaf<'a>),
    /// Bytes or a list, which become a text.
    Tree(Role, Any<'a>),
    /// A map by its name.
    Map(&'a str, Any<'a>),
    /// Nothing is known but its name, and what stands before its value, if that is as it should be.
    New(&'a str, Option<&'a [u8]>, Any<'a>),
}

/// The id of a trace or a span.
#[derive(Debug)]
pub(crate) enum Id<'a> {
    /// As it is; zeros are none.
    Bytes(&'a [u8]),
    /// In hexadecimal, unless its source wrote something else; empty when there is none.
    Text(String),
}

impl Default for Id<'_> {
    fn default() -> Self {
        Self::Bytes(&[])
    }
}

impl Id<'_> {
    fn is_none(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.iter().all(|byte| *byte == 0),
            Self::Text(text) => text.is_empty(),
        }
    }
}

/// A span; times in nanoseconds since the epoch, 0 for none.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the protocol's own names")]
pub(crate) struct Span<'a> {
    pub(crate) trace_id: Id<'a>,
    pub(crate) span_id: Id<'a>,
    pub(crate) parent_span_id: Id<'a>,
    pub(crate) name: std::borrow::Cow<'a, str>,
    pub(crate) kind: i64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) status_code: i64,
    pub(crate) status_message: std::borrow::Cow<'a, str>,
}

/// A log record, as [`Span`].
#[derive(Debug, Default)]
pub(crate) struct Log<'a> {
    pub(crate) time: u64,
    pub(crate) observed: u64,
    pub(crate) severity_number: i64,
    pub(crate) severity_text: std::borrow::Cow<'a, str>,
    pub(crate) body: Any<'a>,
    pub(crate) event_name: std::borrow::Cow<'a, str>,
    pub(crate) trace_id: Id<'a>,
    pub(crate) span_id: Id<'a>,
}

/// What a codec remembers from row to row.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    roles: HashMap<String, Role>,
    /// The roles of [`Own`], once they were asked for.
    own: [Option<Role>; OWN.len()],
    /// In which order attributes of records in protobuf follow each other.
    pub(crate) layout: Layout,
    times: TimeReader,
    text: String,
    path: String,
    /// The builder that `roles` are of.
    builder: BuilderId,
}

/// Makes rows.
pub(crate) struct Rows<'a> {
    pub(crate) batch: &'a mut BatchBuilder,
    pub(crate) decoded: &'a mut Decoded,
    pub(crate) flush: &'a mut dyn FnMut(&mut BatchBuilder) -> bool,
    pub(crate) memory: &'a mut Memory,
    /// Whether the taker of batches wants no more.
    pub(crate) stopped: bool,
    /// By what the spans are known as a request, where that is asked for.
    pub(crate) identity: Option<Identity>,
    /// Those that the row names itself, nested ones included.
    attributes: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(
        batch: &'a mut BatchBuilder,
        decoded: &'a mut Decoded,
        flush: &'a mut dyn FnMut(&mut BatchBuilder) -> bool,
        memory: &'a mut Memory,
    ) -> Self {
        if memory.builder != batch.id() {
            *memory = Memory { builder: batch.id(), ..Memory::default() };
        }
        Self { batch, decoded, flush, memory, stopped: false, identity: None, attributes: 0 }
    }

    /// Begins the row of a span; its attributes come next, then [`Self::end`].
    pub(crate) fn span(&mut self, span: &Span<'_>) {
        self.attributes = 0;
        if let Some(identity) = &mut self.identity {
            identity.span(&span.trace_id, &span.span_id);
        }
        self.time(span.start);
        self.id(Own::TraceId, &span.trace_id);
        self.id(Own::SpanId, &span.span_id);
        self.id(Own::ParentSpanId, &span.parent_span_id);
        self.text(Own::SpanName, &span.name);
        match span.kind {
            0 => {}
            kind => self.named(Own::SpanKind, kind, &SPAN_KINDS),
        }
        self.named(Own::StatusCode, span.status_code, &STATUS_CODES);
        self.text(Own::StatusDescription, &span.status_message);
        if span.start > 0 && span.end >= span.start {
            // Below 2⁵³ nanoseconds, 104 days, this is the nearest double there is.
            let duration = Leaf::Float((span.end - span.start) as f64 / 1e6);
            let role = self.own(Own::Duration);
            self.leaf(role, duration);
        }
    }

    /// Begins the row of a log record, as [`Self::span`].
    pub(crate) fn log(&mut self, log: &Log<'_>) {
        self.attributes = 0;
        self.time(if log.time > 0 { log.time } else { log.observed });
        if log.severity_number != 0 {
            let role = self.own(Own::SeverityNumber);
            self.leaf(role, Leaf::Int(log.severity_number));
        }
        self.text(Own::SeverityText, &log.severity_text);
        if let map @ Any::Map(_) = &log.body {
            let mut text = String::new();
            map.write_json(&mut text);
            self.text(Own::Body, &text);
        } else {
            let role = self.own(Own::Body);
            self.scalar(role, &log.body);
        }
        self.text(Own::EventName, &log.event_name);
        self.id(Own::TraceId, &log.trace_id);
        self.id(Own::SpanId, &log.span_id);
    }

    /// Counts what could not be read.
    pub(crate) fn reject(&mut self, reason: &'static str, at: (u64, Option<u64>), shown: &[u8]) {
        self.batch.abandon_row();
        self.decoded.rejects.add(reason, at.0, at.1, shown);
    }

    /// Ends the row. `at` is the message or line, and the byte in it, where the record stands;
    /// `shown` is its name.
    pub(crate) fn end(&mut self, origin: &mut Origin<'_>, at: (u64, Option<u64>), shown: &str) {
        if self.attributes > self.batch.attributes_max() {
            return self.reject(TOO_MANY, at, shown.as_bytes());
        }
        let (mut constants, is_first) = match origin.each.take() {
            Some(constants) => (constants, false),
            None => (origin.constants().map(|constant| self.constant(constant)).collect(), true),
        };
        for (role, (name, value)) in &constants {
            match role {
                Some(role) => self.scalar(*role, value),
                None => self.value(name, value),
            }
        }
        if !self.batch.end_row() {
            return self.reject(NO_TIME, at, shown.as_bytes());
        }
        self.decoded.events += 1;
        if self.batch.rows() >= BATCH_ROWS {
            self.stopped |= !(self.flush)(self.batch);
            return;
        }
        if is_first {
            constants.retain(|(role, (_, value))| !self.share(*role, value));
        }
        origin.each = Some(constants);
    }

    /// Ends the rows of one scope.
    pub(crate) fn end_scope(&mut self) {
        self.batch.end_sharing();
    }

    fn constant<'c>(&mut self, (name, value): Attribute<'c>) -> Constant<'c> {
        let role = (!matches!(value, Any::Map(_))).then(|| self.role(&name));
        (role, (name, value))
    }

    /// Has the rows from the current one on share `value`, if that can be.
    fn share(&mut self, role: Option<Role>, value: &Any<'_>) -> bool {
        match (role, value) {
            (Some(Role::Skip), _) => true,
            (Some(Role::Attribute(column)), Any::Text(text)) => self.batch.share_text(column, text),
            _ => false,
        }
    }

    fn time(&mut self, nanos: u64) {
        if let (1.., Ok(nanos)) = (nanos, i64::try_from(nanos)) {
            self.batch.set_time(OWN_TIME_RANK, nanos);
        }
    }

    fn text(&mut self, own: Own, text: &str) {
        if !text.is_empty() {
            let role = self.own(own);
            self.leaf(role, Leaf::Text(text));
        }
    }

    fn id(&mut self, own: Own, id: &Id<'_>) {
        if id.is_none() {
            return;
        }
        let role = self.own(own);
        match id {
            _ if role == Role::Skip => {}
            Id::Text(text) => self.leaf(role, Leaf::Text(text)),
            Id::Bytes(bytes) => {
                let mut text = std::mem::take(&mut self.memory.text);
                text.clear();
                write_hex(bytes, &mut text);
                self.leaf(role, Leaf::Text(&text));
                self.memory.text = text;
            }
        }
    }

    fn named(&mut self, own: Own, number: i64, names: &[&str]) {
        match usize::try_from(number).ok().and_then(|index| names.get(index)) {
            Some(text) => self.text(own, text),
            None => self.text(own, &number.to_string()),
        }
    }

    /// What one of the fields that records themselves have means.
    #[inline]
    fn own(&mut self, own: Own) -> Role {
        let at = own as usize;
        if let Some(role) = self.memory.own[at] {
            return role;
        }
        let role = self.role(OWN[at]);
        self.memory.own[at] = Some(role);
        role
    }

    /// Sets the attributes of the row, and learns what is new of them. `known` is the node before
    /// the first that is new.
    pub(crate) fn cells(&mut self, cells: &mut Vec<Cell<'_>>, mut known: Option<NodeId>) {
        self.attributes += cells.len();
        for cell in cells.drain(..) {
            match cell {
                Cell::Leaf(role, value) => self.leaf(role, value),
                Cell::Tree(role, value) => self.scalar(role, &value),
                Cell::Map(name, value) => self.value(name, &value),
                Cell::New(name, literal, value) => {
                    let target = if matches!(value, Any::Map(_)) {
                        self.value(name, &value);
                        self.memory.layout.intern(&MAP, name, |_| Role::Skip)
                    } else {
                        let role = self.role(name);
                        self.scalar(role, &value);
                        self.memory.layout.intern(&[], name, |_| role)
                    };
                    if let (Some(from), Some(literal)) = (known, literal) {
                        self.memory.layout.learn(from, literal, target);
                    }
                    known = literal.map(|_| target);
                }
            }
        }
    }

    /// Sets the attributes of the row.
    pub(crate) fn attributes(&mut self, attributes: &[Attribute<'_>]) {
        self.attributes += attributes.len();
        for (name, value) in attributes {
            self.value(name, value);
        }
    }

    fn value(&mut self, name: &str, value: &Any<'_>) {
        if let Any::Map(entries) = value {
            let mut path = std::mem::take(&mut self.memory.path);
            path.clear();
            path.push_str(name);
            self.map(&mut path, entries);
            self.memory.path = path;
            return;
        }
        let role = self.role(name);
        self.scalar(role, value);
    }

    fn map(&mut self, path: &mut String, entries: &[Attribute<'_>]) {
        self.attributes += entries.len();
        let len = path.len();
        for (name, value) in entries {
            path.push('.');
            path.push_str(name);
            if let Any::Map(entries) = value {
                self.map(path, entries);
            } else {
                let role = self.role(path);
                self.scalar(role, value);
            }
            path.truncate(len);
        }
    }

    /// Sets a value that is no map.
    fn scalar(&mut self, role: Role, value: &Any<'_>) {
        if let Some(leaf) = value.leaf() {
            return self.leaf(role, leaf);
        }
        let (Role::Attribute(column) | Role::Time { column: Some(column), .. }) = role else {
            return;
        };
        let text = &mut self.memory.text;
        text.clear();
        value.write_text(text);
        self.batch.set_text(column, text);
    }

    #[inline]
    fn leaf(&mut self, role: Role, value: Leaf<'_>) {
        let column = match role {
            Role::Skip => return,
            Role::Attribute(column) => column,
            Role::Time { rank, column } => {
                let nanos = match value {
                    Leaf::Text(text) => self.memory.times.text(text.as_bytes()),
                    Leaf::Int(count) => crate::time::epoch_nanos_int(count),
                    Leaf::Float(count) => crate::time::epoch_nanos_float(count),
                    Leaf::Absent | Leaf::Bool(_) => None,
                };
                if let Some(nanos) = nanos {
                    self.batch.set_time(rank, nanos);
                }
                let Some(column) = column else { return };
                column
            }
        };
        match value {
            Leaf::Absent => {}
            Leaf::Text(value) => self.batch.set_text(column, value),
            Leaf::Bool(value) => self.batch.set_bool(column, value),
            Leaf::Int(value) => self.batch.set_int(column, value),
            Leaf::Float(value) => {
                let text = &mut self.memory.text;
                text.clear();
                // A number that is one needs no text: it is no integer past what a double holds.
                if !value.is_finite() {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{value:?}");
                }
                self.batch.set_float(column, value, text);
            }
        }
    }

    fn role(&mut self, name: &str) -> Role {
        if let Some(role) = self.memory.roles.get(name) {
            return *role;
        }
        let role = self.batch.role(name);
        if self.memory.roles.len() < ROLES_MAX {
            self.memory.roles.insert(name.to_owned(), role);
        }
        role
    }
}

/// What stands in place of open objects around a key whose value is a map: it has no role of its own.
const MAP: [usize; 1] = [0];

/// The fields of spans and log records that are no attributes.
#[derive(Debug, Clone, Copy)]
enum Own {
    TraceId,
    SpanId,
    ParentSpanId,
    SpanName,
    SpanKind,
    StatusCode,
    StatusDescription,
    Duration,
    SeverityNumber,
    SeverityText,
    Body,
    EventName,
    ScopeName,
    ScopeVersion,
}

/// The names of [`Own`], in its order.
const OWN: [&str; 14] = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "span.name",
    "span.kind",
    "otel.status_code",
    "otel.status_description",
    "duration_ms",
    "severity_number",
    "severity_text",
    "body",
    "event.name",
    "otel.scope.name",
    "otel.scope.version",
];

/// Names without their prefix, by number.
const SPAN_KINDS: [&str; 6] =
    ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUS_CODES: [&str; 3] = ["UNSET", "OK", "ERROR"];

/// Appends `bytes` in lower-case hexadecimal.
pub(crate) fn write_hex(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks(16) {
        let (mut whole, mut digits) = ([0; 16], [0; 32]);
        whole[..chunk.len()].copy_from_slice(chunk);
        // Arithmetic without branches or tables, which is done for many bytes at once.
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(whole) {
            *pair = [byte >> 4, byte & 15]
                .map(|half| half + b'0' + u8::from(half > 9) * (b'a' - b'9' - 1));
        }
        // Digits are ASCII.
        out.push_str(str::from_utf8(&digits[..2 * chunk.len()]).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
