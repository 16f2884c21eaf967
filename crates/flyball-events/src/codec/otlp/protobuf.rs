//! OTLP in protobuf, read straight from the wire.
//!
//! Files hold one message, or many with their lengths before them: in four bytes, big-endian (the
//! collector's file exporter), or as a varint (protobuf's own convention). Of an unframed message
//! only one resource's part is in memory at a time.
//!
//! Traces, logs and metrics share the shape of their outer messages; which it is shows in the wire
//! types of the innermost one. Unknown fields are skipped. A span or record that is malformed is
//! refused alone; one whose lengths do not add up ends its message.
//!
//! Numbers of fields are those of `opentelemetry-proto` 1.x (`trace.proto`, `logs.proto`,
//! `common.proto`).

use std::borrow::Cow;
use std::io::{self, Read};

use super::{Any, Attribute, Log, MESSAGE_BYTES_MAX, METRICS, Memory, Origin, Rows, Span, hex};
use crate::batch::BatchBuilder;
use crate::codec::wire::{Fault, Fields, MALFORMED, Wire, text, varint};
use crate::codec::{Decoded, StreamCodec};

const TRUNCATED: &str = "the input ends inside a message";
const TOO_LONG: &str = "a message longer than 32 MiB";
const NOT_OTLP: &str = "not a message of OTLP traces or logs";
const TOO_DEEP: &str = "a value nested deeper than 32 levels";

/// Lists and maps within each other.
const DEPTH_MAX: usize = 32;

/// Bytes of a message that are shown.
const EXCERPT_BYTES: usize = 48;

/// Decodes OTLP in protobuf.
#[derive(Debug, Default)]
pub struct OtlpProtobufCodec {
    memory: Memory,
}

/// What stands before each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Nothing: the file is one message, whose only field is the resources' parts.
    Fields,
    BigEndian,
    Varint,
}

impl StreamCodec for OtlpProtobufCodec {
    fn decode(
        &mut self,
        input: &mut dyn Read,
        batch: &mut BatchBuilder,
        decoded: &mut Decoded,
        flush: &mut dyn FnMut(&mut BatchBuilder) -> bool,
    ) -> io::Result<()> {
        let mut rows = Rows { batch, decoded, flush, memory: &mut self.memory, stopped: false };
        let mut input = Source { input, peeked: Vec::new() };
        let Some(framing) = framing(input.peek(16)?) else {
            if !input.peek(1)?.is_empty() {
                rows.decoded.lines += 1;
                let head = input.peek(EXCERPT_BYTES)?.to_vec();
                rows.reject(NOT_OTLP, (1, Some(1)), &head);
            }
            return Ok(());
        };
        let mut message = Vec::new();
        while !rows.stopped && !input.peek(1)?.is_empty() {
            rows.decoded.lines += 1;
            let number = rows.decoded.lines;
            match input.message(framing, &mut message)? {
                Ok(()) => {}
                Err(reason) => {
                    rows.reject(reason, (number, Some(1)), &excerpt(&message));
                    if reason != TOO_LONG {
                        return Ok(());
                    }
                    continue;
                }
            }
            if framing == Framing::Fields {
                resource(&message, &message, &mut rows, number);
                continue;
            }
            let mut fields = Fields { bytes: &message };
            while let Some(field) = fields.next() {
                match field {
                    Ok((1, Wire::Bytes(part))) => resource(part, &message, &mut rows, number),
                    Ok(_) => {}
                    Err(reason) => {
                        let at = offset(&message, fields.bytes);
                        rows.reject(reason, (number, Some(at)), &excerpt(&message));
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// How the file that begins with `head` frames its messages.
///
/// A message of OTLP begins with the tag of field 1 with a length, `0A`; then that length, then one
/// of the three fields of a resource's part (`0A`, `12`, `1A`).
fn framing(head: &[u8]) -> Option<Framing> {
    let is_part = |bytes: &[u8]| {
        let Some((0x0A, rest)) = bytes.split_first().map(|(tag, rest)| (*tag, rest)) else {
            return bytes.is_empty();
        };
        match varint(rest) {
            Some((0, _)) => true,
            Some((_, rest)) => matches!(rest.first(), Some(0x0A | 0x12 | 0x1A) | None),
            None => false,
        }
    };
    if let [a, b, c, d, rest @ ..] = head {
        let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if len <= MESSAGE_BYTES_MAX && is_part(rest) && (len > 0 || rest.first() == Some(&0)) {
            return Some(Framing::BigEndian);
        }
    }
    if let [0x0A, ..] = head
        && is_part(head)
    {
        return Some(Framing::Fields);
    }
    match varint(head) {
        Some((len, rest)) if len > 0 && rest.first() == Some(&0x0A) && is_part(rest) => {
            Some(Framing::Varint)
        }
        _ => None,
    }
}

/// Whether `head` looks like the beginning of OTLP in protobuf.
///
/// Its first tag and length may also be the line ends that a text begins with; but the tags within
/// are control characters that no text has.
pub(crate) fn looks_like(head: &[u8]) -> bool {
    let is_text = |b: &u8| !b.is_ascii_control() || b.is_ascii_whitespace();
    let begin = &head[..head.len().min(64)];
    begin.len() > 4
        && framing(&begin[..begin.len().min(16)]).is_some()
        && !begin.iter().all(is_text)
}

/// The input with a few bytes looked at ahead.
struct Source<'a> {
    input: &'a mut dyn Read,
    peeked: Vec<u8>,
}

impl Source<'_> {
    /// The next `len` bytes, fewer at the end.
    fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        let missing = len.saturating_sub(self.peeked.len());
        (&mut *self.input).take(missing as u64).read_to_end(&mut self.peeked)?;
        Ok(&self.peeked[..self.peeked.len().min(len)])
    }

    fn skip_peeked(&mut self, len: usize) {
        self.peeked.drain(..len);
    }

    /// Reads the next message; on a fault, `message` holds its beginning.
    fn message(
        &mut self,
        framing: Framing,
        message: &mut Vec<u8>,
    ) -> io::Result<Result<(), Fault>> {
        message.clear();
        let head = self.peek(11)?;
        let (len, prefix) = match framing {
            Framing::BigEndian => match head {
                [a, b, c, d, ..] => (u64::from(u32::from_be_bytes([*a, *b, *c, *d])), 4),
                _ => return Ok(Err(TRUNCATED)),
            },
            Framing::Varint => match varint(head) {
                Some((len, rest)) => (len, head.len() - rest.len()),
                None => return Ok(Err(if head.len() < 10 { TRUNCATED } else { MALFORMED })),
            },
            Framing::Fields => {
                if head[0] != 0x0A {
                    message.extend_from_slice(head);
                    return Ok(Err(NOT_OTLP));
                }
                match varint(&head[1..]) {
                    Some((len, rest)) => (len, head.len() - rest.len()),
                    None => return Ok(Err(if head.len() < 11 { TRUNCATED } else { MALFORMED })),
                }
            }
        };
        self.skip_peeked(prefix);
        let kept = self.peeked.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        message.extend(self.peeked.drain(..kept));
        let mut rest = (&mut *self.input).take(len - kept as u64);
        if len > MESSAGE_BYTES_MAX as u64 {
            let skipped = io::copy(&mut rest, &mut io::sink())?;
            let whole = skipped + kept as u64 == len;
            return Ok(Err(if whole { TOO_LONG } else { TRUNCATED }));
        }
        // Grows with what is there, not with what the length claims.
        rest.read_to_end(message)?;
        Ok(if message.len() as u64 == len { Ok(()) } else { Err(TRUNCATED) })
    }
}

fn excerpt(message: &[u8]) -> Vec<u8> {
    message[..message.len().min(EXCERPT_BYTES)].to_vec()
}

/// The byte of `message`, from 1, where the part `rest` of it begins.
fn offset(message: &[u8], rest: &[u8]) -> u64 {
    (rest.as_ptr() as usize).saturating_sub(message.as_ptr() as usize) as u64 + 1
}

/// `ResourceSpans`, `ResourceLogs` or `ResourceMetrics`: resource 1, scopes 2.
fn resource(part: &[u8], message: &[u8], rows: &mut Rows<'_>, number: u64) {
    let mut origin = Origin::default();
    let fail = |reason, rest: &[u8], rows: &mut Rows<'_>| {
        rows.reject(reason, (number, Some(offset(message, rest))), &excerpt(rest));
    };
    // The resource may stand after what it describes, so it is read in a first pass.
    let mut fields = Fields { bytes: part };
    while let Some(field) = fields.next() {
        let read = match field {
            Ok((1, Wire::Bytes(resource))) => attributes(resource, 1, &mut origin.resource),
            Ok(_) => Ok(()),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = read {
            return fail(reason, part, rows);
        }
    }
    let mut fields = Fields { bytes: part };
    while let Some(Ok((tag, wire))) = fields.next() {
        if let (2, Wire::Bytes(scoped)) = (tag, wire)
            && let Err(reason) = scope(scoped, message, &mut origin, rows, number)
        {
            fail(reason, scoped, rows);
        }
    }
}

/// `ScopeSpans`, `ScopeLogs` or `ScopeMetrics`: scope 1, spans, records or metrics 2.
fn scope<'a>(
    scoped: &'a [u8],
    message: &[u8],
    origin: &mut Origin<'a>,
    rows: &mut Rows<'_>,
    number: u64,
) -> Result<(), Fault> {
    origin.scope.clear();
    (origin.scope_name, origin.scope_version) = (Cow::default(), Cow::default());
    let mut fields = Fields { bytes: scoped };
    while let Some(field) = fields.next() {
        let (1, Wire::Bytes(scope)) = field? else { continue };
        let mut inner = Fields { bytes: scope };
        while let Some(field) = inner.next() {
            match field? {
                (1, Wire::Bytes(name)) => origin.scope_name = text(name)?,
                (2, Wire::Bytes(version)) => origin.scope_version = text(version)?,
                (3, Wire::Bytes(attribute)) => origin.scope.push(key_value(attribute, 0)?),
                _ => {}
            }
        }
    }
    let mut fields = Fields { bytes: scoped };
    while let Some(Ok((tag, wire))) = fields.next() {
        let (2, Wire::Bytes(record)) = (tag, wire) else { continue };
        if rows.stopped {
            return Ok(());
        }
        let at = (number, Some(offset(message, record)));
        let read = match signal(record) {
            Ok(Signal::Span) => span(record).map(|span| rows.span(&span, origin, at)),
            Ok(Signal::Log) => log(record).map(|log| rows.log(&log, origin, at)),
            Ok(Signal::Metric) => Err(METRICS),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = read {
            rows.reject(reason, at, &excerpt(record));
        }
    }
    Ok(())
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Span,
    Log,
    Metric,
}

/// Tells spans, log records and metrics apart by fields that have another wire type in the others.
fn signal(record: &[u8]) -> Result<Signal, Fault> {
    let (mut ids, mut name) = (0, false);
    let mut fields = Fields { bytes: record };
    while let Some(field) = fields.next() {
        match field? {
            // Start and end.
            (7 | 8, Wire::Fixed64(_)) => return Ok(Signal::Span),
            // Time, observed time, severity.
            (1 | 11, Wire::Fixed64(_)) | (2, Wire::Varint(_)) => return Ok(Signal::Log),
            (1, Wire::Bytes(id)) if id.len() == 16 => (ids, name) = (ids + 1, true),
            (2, Wire::Bytes(id)) if id.len() == 8 => ids += 1,
            (1, Wire::Bytes(_)) => name = true,
            _ => {}
        }
    }
    Ok(match (ids, name) {
        (2, _) => Signal::Span,
        (_, true) => Signal::Metric,
        // Neither a time nor a name: a record of a body only.
        _ => Signal::Log,
    })
}

fn span(record: &[u8]) -> Result<Span<'_>, Fault> {
    let mut span = Span::default();
    let mut fields = Fields { bytes: record };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Bytes(id)) => span.trace_id = hex(id),
            (2, Wire::Bytes(id)) => span.span_id = hex(id),
            (4, Wire::Bytes(id)) => span.parent_span_id = hex(id),
            (5, Wire::Bytes(name)) => span.name = text(name)?,
            (6, Wire::Varint(kind)) => span.kind = kind.cast_signed(),
            (7, Wire::Fixed64(start)) => span.start = start,
            (8, Wire::Fixed64(end)) => span.end = end,
            (9, Wire::Bytes(attribute)) => span.attributes.push(key_value(attribute, 0)?),
            (15, Wire::Bytes(status)) => {
                let mut fields = Fields { bytes: status };
                while let Some(field) = fields.next() {
                    match field? {
                        (2, Wire::Bytes(message)) => span.status_message = text(message)?,
                        (3, Wire::Varint(code)) => span.status_code = code.cast_signed(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(span)
}

fn log(record: &[u8]) -> Result<Log<'_>, Fault> {
    let mut log = Log::default();
    let mut fields = Fields { bytes: record };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Fixed64(time)) => log.time = time,
            (2, Wire::Varint(severity)) => log.severity_number = severity.cast_signed(),
            (3, Wire::Bytes(severity)) => log.severity_text = text(severity)?,
            (5, Wire::Bytes(body)) => log.body = any(body, 0)?,
            (6, Wire::Bytes(attribute)) => log.attributes.push(key_value(attribute, 0)?),
            (9, Wire::Bytes(id)) => log.trace_id = hex(id),
            (10, Wire::Bytes(id)) => log.span_id = hex(id),
            (11, Wire::Fixed64(time)) => log.observed = time,
            (12, Wire::Bytes(name)) => log.event_name = text(name)?,
            _ => {}
        }
    }
    Ok(log)
}

/// The attributes in field `tag` of a message.
fn attributes<'a>(message: &'a [u8], tag: u64, out: &mut Vec<Attribute<'a>>) -> Result<(), Fault> {
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        if let (found, Wire::Bytes(attribute)) = field?
            && found == tag
        {
            out.push(key_value(attribute, 0)?);
        }
    }
    Ok(())
}

fn key_value(message: &[u8], depth: usize) -> Result<Attribute<'_>, Fault> {
    let mut attribute = Attribute::default();
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Bytes(key)) => attribute.0 = text(key)?,
            (2, Wire::Bytes(value)) => attribute.1 = any(value, depth)?,
            _ => {}
        }
    }
    Ok(attribute)
}

fn any(message: &[u8], depth: usize) -> Result<Any<'_>, Fault> {
    if depth > DEPTH_MAX {
        return Err(TOO_DEEP);
    }
    let mut value = Any::Absent;
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        value = match field? {
            (1, Wire::Bytes(bytes)) => Any::Text(text(bytes)?),
            (2, Wire::Varint(bool)) => Any::Bool(bool != 0),
            (3, Wire::Varint(int)) => Any::Int(int.cast_signed()),
            (4, Wire::Fixed64(bits)) => Any::Float(f64::from_bits(bits)),
            (5, Wire::Bytes(list)) => {
                let mut values = Vec::new();
                let mut fields = Fields { bytes: list };
                while let Some(field) = fields.next() {
                    if let (1, Wire::Bytes(value)) = field? {
                        values.push(any(value, depth + 1)?);
                    }
                }
                Any::List(values)
            }
            (6, Wire::Bytes(map)) => {
                let mut entries = Vec::new();
                let mut fields = Fields { bytes: map };
                while let Some(field) = fields.next() {
                    if let (1, Wire::Bytes(entry)) = field? {
                        entries.push(key_value(entry, depth + 1)?);
                    }
                }
                Any::Map(entries)
            }
            (7, Wire::Bytes(bytes)) => Any::Bytes(bytes.into()),
            _ => continue,
        };
    }
    Ok(value)
}
