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
use crate::codec::{Decoded, NO_TIME};
use crate::read::BATCH_ROWS;
use crate::time::TimeReader;
use identity::Identity;
pub(crate) use value::Any;

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
    pub(crate) attributes: Vec<Attribute<'a>>,
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
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// What a codec remembers from row to row.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    roles: HashMap<String, Role>,
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
        Self { batch, decoded, flush, memory, stopped: false, identity: None }
    }

    /// Adds a span. `at` is the message or line, and the byte in it, where it stands.
    pub(crate) fn span(&mut self, span: &Span<'_>, origin: &Origin<'_>, at: (u64, Option<u64>)) {
        if let Some(identity) = &mut self.identity {
            identity.span(&span.trace_id, &span.span_id);
        }
        self.time(span.start);
        self.id("trace_id", &span.trace_id);
        self.id("span_id", &span.span_id);
        self.id("parent_span_id", &span.parent_span_id);
        self.text("span.name", &span.name);
        match span.kind {
            0 => {}
            kind => self.named("span.kind", kind, &SPAN_KINDS),
        }
        self.named("otel.status_code", span.status_code, &STATUS_CODES);
        self.text("otel.status_description", &span.status_message);
        if span.start > 0 && span.end >= span.start {
            // Below 2⁵³ nanoseconds, 104 days, this is the nearest double there is.
            self.value("duration_ms", &Any::Float((span.end - span.start) as f64 / 1e6));
        }
        self.attributes(&span.attributes);
        self.end(origin, at, &span.name);
    }

    /// Adds a log record.
    pub(crate) fn log(&mut self, log: &Log<'_>, origin: &Origin<'_>, at: (u64, Option<u64>)) {
        self.time(if log.time > 0 { log.time } else { log.observed });
        if log.severity_number != 0 {
            self.value("severity_number", &Any::Int(log.severity_number));
        }
        self.text("severity_text", &log.severity_text);
        match &log.body {
            map @ Any::Map(_) => {
                let mut text = String::new();
                map.write_json(&mut text);
                self.text("body", &text);
            }
            value => self.value("body", value),
        }
        self.text("event.name", &log.event_name);
        self.id("trace_id", &log.trace_id);
        self.id("span_id", &log.span_id);
        self.attributes(&log.attributes);
        self.end(origin, at, &log.event_name);
    }

    /// Counts what could not be read.
    pub(crate) fn reject(&mut self, reason: &'static str, at: (u64, Option<u64>), shown: &[u8]) {
        self.batch.abandon_row();
        self.decoded.rejects.add(reason, at.0, at.1, shown);
    }

    fn end(&mut self, origin: &Origin<'_>, at: (u64, Option<u64>), shown: &str) {
        self.attributes(&origin.scope);
        self.text("otel.scope.name", &origin.scope_name);
        self.text("otel.scope.version", &origin.scope_version);
        self.attributes(&origin.resource);
        if !self.batch.end_row() {
            return self.reject(NO_TIME, at, shown.as_bytes());
        }
        self.decoded.events += 1;
        if self.batch.rows() >= BATCH_ROWS {
            self.stopped |= !(self.flush)(self.batch);
        }
    }

    fn time(&mut self, nanos: u64) {
        if let (1.., Ok(nanos)) = (nanos, i64::try_from(nanos)) {
            self.batch.set_time(OWN_TIME_RANK, nanos);
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            let role = self.role(name);
            self.set_text(role, text);
        }
    }

    fn id(&mut self, name: &str, id: &Id<'_>) {
        match id {
            Id::Text(text) => self.text(name, text),
            _ if id.is_none() => {}
            Id::Bytes(bytes) => {
                let mut text = std::mem::take(&mut self.memory.text);
                text.clear();
                write_hex(bytes, &mut text);
                self.text(name, &text);
                self.memory.text = text;
            }
        }
    }

    fn named(&mut self, name: &str, number: i64, names: &[&str]) {
        match usize::try_from(number).ok().and_then(|index| names.get(index)) {
            Some(text) => self.text(name, text),
            None => self.text(name, &number.to_string()),
        }
    }

    fn attributes(&mut self, attributes: &[Attribute<'_>]) {
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

    fn scalar(&mut self, role: Role, value: &Any<'_>) {
        if role == Role::Skip {
            return;
        }
        let column = match role {
            Role::Skip => None,
            Role::Attribute(column) => Some(column),
            Role::Time { rank, column } => {
                let nanos = match value {
                    Any::Text(text) => self.memory.times.text(text.as_bytes()),
                    Any::Int(count) => crate::time::epoch_nanos_int(*count),
                    Any::Float(count) => crate::time::epoch_nanos_float(*count),
                    _ => None,
                };
                if let Some(nanos) = nanos {
                    self.batch.set_time(rank, nanos);
                }
                column
            }
        };
        let Some(column) = column else { return };
        match value {
            Any::Absent => {}
            Any::Bool(value) => self.batch.set_bool(column, *value),
            Any::Int(value) => self.batch.set_int(column, *value),
            Any::Float(value) => {
                let text = &mut self.memory.text;
                text.clear();
                // Writing to a string cannot fail. This way of writing has a point or an exponent.
                let _ = write!(text, "{value:?}");
                self.batch.set_float(column, *value, text);
            }
            Any::Text(value) => self.batch.set_text(column, value),
            Any::Bytes(_) | Any::List(_) | Any::Map(_) => {
                let text = &mut self.memory.text;
                text.clear();
                value.write_text(text);
                self.batch.set_text(column, text);
            }
        }
    }

    fn set_text(&mut self, role: Role, text: &str) {
        match role {
            Role::Attribute(column) => self.batch.set_text(column, text),
            Role::Time { rank, column } => {
                if let Some(nanos) = self.memory.times.text(text.as_bytes()) {
                    self.batch.set_time(rank, nanos);
                }
                if let Some(column) = column {
                    self.batch.set_text(column, text);
                }
            }
            Role::Skip => {}
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

/// Names without their prefix, by number.
const SPAN_KINDS: [&str; 6] =
    ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUS_CODES: [&str; 3] = ["UNSET", "OK", "ERROR"];

/// Appends `bytes` in lower-case hexadecimal.
pub(crate) fn write_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for chunk in bytes.chunks(16) {
        let mut digits = [0; 32];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(chunk) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        // Digits are ASCII.
        out.push_str(str::from_utf8(&digits[..2 * chunk.len()]).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
