//! One message: resources, scopes, and the records of each.

use super::super::request::OtlpSignal;
use super::super::{Any, Attribute, METRICS, Origin, Rows};
use super::record::RecordReader;
use crate::codec::wire::{Fault, Fields, MALFORMED, Wire, text};

const TOO_DEEP: Fault = "a value nested deeper than 32 levels";
const OTHER_SIGNAL: Fault = "records of another signal";

/// Lists and maps within each other.
const DEPTH_MAX: usize = 32;

/// Bytes of a message that are shown.
pub(super) const EXCERPT_BYTES: usize = 48;

pub(super) fn excerpt(message: &[u8]) -> &[u8] {
    &message[..message.len().min(EXCERPT_BYTES)]
}

/// A message of OTLP, or of one that is read in parts, a part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) bytes: &'a [u8],
    /// Which one it is in its file, from 1.
    pub(crate) number: u64,
    /// What it holds, where its sender has said so; else each record tells.
    pub(crate) signal: Option<OtlpSignal>,
}

impl<'a> Message<'a> {
    /// The byte of the message, from 1, where `part` of it begins.
    fn offset(self, part: &[u8]) -> u64 {
        (part.as_ptr() as usize).saturating_sub(self.bytes.as_ptr() as usize) as u64 + 1
    }

    /// Looks through the message down to its lists of records, reading none of them; the first one
    /// must not be anything but `expected`.
    ///
    /// On a fault, where it is: the byte, from 1, at which the part that has it begins.
    pub(crate) fn check(self, expected: Told) -> Result<(), (Fault, u64)> {
        let mut is_first = true;
        let resource = |resource| attributes(resource, 1, &mut Vec::new());
        let scope = |scope| scope_of(scope, &mut Origin::default());
        self.lists(self.bytes, None, &mut |part| {
            self.lists(part, Some(&resource), &mut |scoped| {
                self.lists(scoped, Some(&scope), &mut |record| {
                    let is_other = |told| told != expected;
                    if std::mem::take(&mut is_first) && told(record).is_some_and(is_other) {
                        return Err((OTHER_SIGNAL, self.offset(record)));
                    }
                    Ok(())
                })
            })
        })
    }

    /// Calls `each` with what `message` lists: in field 1, or in field 2 where field 1 is something
    /// else that `first` checks.
    fn lists(
        self,
        message: &'a [u8],
        first: Option<&dyn Fn(&'a [u8]) -> Result<(), Fault>>,
        each: &mut dyn FnMut(&'a [u8]) -> Result<(), (Fault, u64)>,
    ) -> Result<(), (Fault, u64)> {
        let mut fields = Fields { bytes: message };
        while let Some(field) = fields.next() {
            match (field, first) {
                (Ok((1, Wire::Bytes(part))), None) | (Ok((2, Wire::Bytes(part))), Some(_)) => {
                    each(part)?;
                }
                (Ok((1, Wire::Bytes(part))), Some(first)) => {
                    first(part).map_err(|reason| (reason, self.offset(part)))?;
                }
                (Ok((2, _)), None) | (Ok((3.., _)), _) => {}
                _ => return Err((MALFORMED, self.offset(message))),
            }
        }
        Ok(())
    }

    /// Makes rows of all records.
    pub(crate) fn rows(self, rows: &mut Rows<'_>) {
        let mut fields = Fields { bytes: self.bytes };
        while let Some(field) = fields.next() {
            match field {
                Ok((1, Wire::Bytes(part))) => self.resource(part, rows),
                Ok(_) => {}
                Err(reason) => {
                    let at = self.offset(fields.bytes);
                    rows.reject(reason, (self.number, Some(at)), excerpt(self.bytes));
                    break;
                }
            }
        }
    }

    /// `ResourceSpans`, `ResourceLogs` or `ResourceMetrics`: resource 1, scopes 2.
    pub(super) fn resource(self, part: &'a [u8], rows: &mut Rows<'_>) {
        let mut origin = Origin::default();
        let fail = |reason, rest: &[u8], rows: &mut Rows<'_>| {
            rows.reject(reason, (self.number, Some(self.offset(rest))), excerpt(rest));
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
                && let Err(reason) = self.scope(scoped, &mut origin, rows)
            {
                fail(reason, scoped, rows);
            }
        }
    }

    /// `ScopeSpans`, `ScopeLogs` or `ScopeMetrics`: scope 1, spans, records or metrics 2.
    fn scope(
        self,
        scoped: &'a [u8],
        origin: &mut Origin<'a>,
        rows: &mut Rows<'_>,
    ) -> Result<(), Fault> {
        origin.next_scope();
        let mut fields = Fields { bytes: scoped };
        while let Some(field) = fields.next() {
            if let (1, Wire::Bytes(scope)) = field? {
                scope_of(scope, origin)?;
            }
        }
        let mut reader = RecordReader::default();
        let mut fields = Fields { bytes: scoped };
        while let Some(Ok((tag, wire))) = fields.next() {
            let (2, Wire::Bytes(record)) = (tag, wire) else { continue };
            if rows.stopped {
                break;
            }
            let at = (self.number, Some(self.offset(record)));
            let told = self.signal.map_or_else(|| signal(record), |signal| Ok(signal.into()));
            reader.begin(rows);
            let read = match told {
                Ok(Told::Span) => reader.span(record, rows).map(|span| {
                    rows.span(&span);
                    rows.cells(&mut reader.cells, reader.known);
                    rows.end(origin, at, &span.name);
                }),
                Ok(Told::Log) => reader.log(record, rows).map(|log| {
                    rows.log(&log);
                    rows.cells(&mut reader.cells, reader.known);
                    rows.end(origin, at, &log.event_name);
                }),
                Ok(Told::Metric) => Err(METRICS),
                Err(reason) => Err(reason),
            };
            if let Err(reason) = read {
                if let Some(identity) = &mut rows.identity {
                    identity.refused(record);
                }
                rows.reject(reason, at, excerpt(record));
            }
        }
        rows.end_scope();
        Ok(())
    }
}

/// `InstrumentationScope`: name 1, version 2, attributes 3.
pub(super) fn scope_of<'a>(message: &'a [u8], origin: &mut Origin<'a>) -> Result<(), Fault> {
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Bytes(name)) => origin.scope_name = text(name)?.into(),
            (2, Wire::Bytes(version)) => origin.scope_version = text(version)?.into(),
            (3, Wire::Bytes(pair)) => origin.scope.push(attribute(pair, 0)?),
            _ => {}
        }
    }
    Ok(())
}

/// What a record tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Span,
    Log,
    Metric,
}

impl From<OtlpSignal> for Told {
    fn from(signal: OtlpSignal) -> Self {
        match signal {
            OtlpSignal::Traces => Self::Span,
            OtlpSignal::Logs => Self::Log,
        }
    }
}

/// Tells spans, log records and metrics apart by fields that have another wire type in the others.
fn signal(record: &[u8]) -> Result<Told, Fault> {
    let (mut ids, mut name) = (0, false);
    let mut fields = Fields { bytes: record };
    while let Some(field) = fields.next() {
        match field? {
            // Start and end.
            (7 | 8, Wire::Fixed64(_)) => return Ok(Told::Span),
            // Time, observed time, severity.
            (1 | 11, Wire::Fixed64(_)) | (2, Wire::Varint(_)) => return Ok(Told::Log),
            (1, Wire::Bytes(id)) if id.len() == 16 => (ids, name) = (ids + 1, true),
            (2, Wire::Bytes(id)) if id.len() == 8 => ids += 1,
            (1, Wire::Bytes(_)) => name = true,
            _ => {}
        }
    }
    Ok(match (ids, name) {
        (2, _) => Told::Span,
        (_, true) => Told::Metric,
        // Neither a time nor a name: a record of a body only.
        _ => Told::Log,
    })
}

/// As [`signal`], `None` unless it is beyond doubt.
fn told(record: &[u8]) -> Option<Told> {
    let mut fields = Fields { bytes: record };
    while let Some(Ok(field)) = fields.next() {
        match field {
            (7 | 8, Wire::Fixed64(_)) => return Some(Told::Span),
            (1 | 11, Wire::Fixed64(_)) | (2, Wire::Varint(_)) => return Some(Told::Log),
            // A sum.
            (7, Wire::Bytes(_)) => return Some(Told::Metric),
            _ => {}
        }
    }
    None
}
/// The attributes in field `tag` of a message.
pub(super) fn attributes<'a>(
    message: &'a [u8],
    tag: u64,
    out: &mut Vec<Attribute<'a>>,
) -> Result<(), Fault> {
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        if let (found, Wire::Bytes(pair)) = field?
            && found == tag
        {
            out.push(attribute(pair, 0)?);
        }
    }
    Ok(())
}

pub(super) fn key_value(message: &[u8], depth: usize) -> Result<(&str, Any<'_>), Fault> {
    let mut pair = ("", Any::Absent);
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Bytes(key)) => pair.0 = text(key)?,
            (2, Wire::Bytes(value)) => pair.1 = any(value, depth)?,
            _ => {}
        }
    }
    Ok(pair)
}

/// As [`key_value`], to be kept.
pub(super) fn attribute(message: &[u8], depth: usize) -> Result<Attribute<'_>, Fault> {
    key_value(message, depth).map(|(key, value)| (key.into(), value))
}

pub(super) fn any(message: &[u8], depth: usize) -> Result<Any<'_>, Fault> {
    if depth > DEPTH_MAX {
        return Err(TOO_DEEP);
    }
    let mut value = Any::Absent;
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        value = match field? {
            (1, Wire::Bytes(bytes)) => Any::Text(text(bytes)?.into()),
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
                        entries.push(attribute(entry, depth + 1)?);
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
