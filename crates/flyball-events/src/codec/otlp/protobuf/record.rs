//! One span or log record.
//!
//! A record is read to its end before anything of it reaches the batch, so that one that is malformed
//! leaves nothing behind. Its attributes wait as [`Cell`]s that borrow the message. Mostly they have
//! the keys of the record before, in the same order: then a key costs one comparison (see
//! [`Layout`](crate::codec::layout::Layout)) and has its column at once. Values that nobody asked for
//! are checked and not kept.

use super::super::{Any, Cell, Id, Leaf, Log, Rows, Span};
use super::message::{any, key_value};
use crate::batch::Role;
use crate::codec::layout::{NodeId, ROOT};
use crate::codec::wire::{Fault, Fields, Wire, text, varint};

/// Reads records one after the other.
#[derive(Debug, Default)]
pub(super) struct RecordReader<'a> {
    /// The attributes of the last record that was read.
    pub(super) cells: Vec<Cell<'a>>,
    /// The node before the first of them whose key is new.
    pub(super) known: Option<NodeId>,
    /// Whether one of them has a new key.
    has_new: bool,
}

impl<'a> RecordReader<'a> {
    /// Forgets the record before.
    pub(super) fn begin(&mut self, rows: &mut Rows<'_>) {
        self.cells.clear();
        (self.known, self.has_new) = (Some(ROOT), false);
        rows.memory.layout.make_room();
    }

    /// Reads a span but for its attributes, which are in `cells` then.
    pub(super) fn span(
        &mut self,
        record: &'a [u8],
        rows: &mut Rows<'_>,
    ) -> Result<Span<'a>, Fault> {
        let mut span = Span::default();
        let mut fields = Fields { bytes: record };
        while let Some(field) = fields.next() {
            match field? {
                (1, Wire::Bytes(id)) => span.trace_id = Id::Bytes(id),
                (2, Wire::Bytes(id)) => span.span_id = Id::Bytes(id),
                (4, Wire::Bytes(id)) => span.parent_span_id = Id::Bytes(id),
                (5, Wire::Bytes(name)) => span.name = text(name)?.into(),
                (6, Wire::Varint(kind)) => span.kind = kind.cast_signed(),
                (7, Wire::Fixed64(start)) => span.start = start,
                (8, Wire::Fixed64(end)) => span.end = end,
                (9, Wire::Bytes(attribute)) => {
                    self.attribute(attribute, tail(record, attribute, fields.bytes), rows)?;
                }
                (15, Wire::Bytes(status)) => {
                    let mut fields = Fields { bytes: status };
                    while let Some(field) = fields.next() {
                        match field? {
                            (2, Wire::Bytes(message)) => {
                                span.status_message = text(message)?.into();
                            }
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

    /// Reads a log record, as [`Self::span`].
    pub(super) fn log(&mut self, record: &'a [u8], rows: &mut Rows<'_>) -> Result<Log<'a>, Fault> {
        let mut log = Log::default();
        let mut fields = Fields { bytes: record };
        while let Some(field) = fields.next() {
            match field? {
                (1, Wire::Fixed64(time)) => log.time = time,
                (2, Wire::Varint(severity)) => log.severity_number = severity.cast_signed(),
                (3, Wire::Bytes(severity)) => log.severity_text = text(severity)?.into(),
                (5, Wire::Bytes(body)) => log.body = any(body, 0)?,
                (6, Wire::Bytes(attribute)) => {
                    self.attribute(attribute, tail(record, attribute, fields.bytes), rows)?;
                }
                (9, Wire::Bytes(id)) => log.trace_id = Id::Bytes(id),
                (10, Wire::Bytes(id)) => log.span_id = Id::Bytes(id),
                (11, Wire::Fixed64(time)) => log.observed = time,
                (12, Wire::Bytes(name)) => log.event_name = text(name)?.into(),
                _ => {}
            }
        }
        Ok(log)
    }

    /// Reads a `KeyValue`; `tail` begins with it.
    #[inline]
    fn attribute(
        &mut self,
        message: &'a [u8],
        tail: &[u8],
        rows: &mut Rows<'_>,
    ) -> Result<(), Fault> {
        if !self.has_new
            && let Some(from) = self.known
            && let Some((target, len)) = rows.memory.layout.follow(from, tail)
            && let Some(rest) = message.get(len..)
            && let Some((value_len, value)) = varint(rest)
            && value_len == value.len() as u64
        {
            let node = rows.memory.layout.node(target);
            let is_map = !node.opens.is_empty();
            if let Some(leaf) = leaf(value)? {
                // A key whose value was a map, and is none now, means what is not known yet.
                if !is_map {
                    self.known = Some(target);
                    if node.role != Role::Skip {
                        self.cells.push(Cell::Leaf(node.role, leaf));
                    }
                    return Ok(());
                }
            } else {
                let cell = match any(value, 0)? {
                    map @ Any::Map(_) => {
                        let name = len.checked_sub(1 + node.name.len());
                        let name = name.and_then(|at| message.get(at..len - 1));
                        Some(Cell::Map(text(name.unwrap_or_default())?, map))
                    }
                    other => (!is_map).then_some(Cell::Tree(node.role, other)),
                };
                if let Some(cell) = cell {
                    self.known = Some(target);
                    self.cells.push(cell);
                    return Ok(());
                }
            }
        }
        self.new_attribute(message)
    }

    /// Reads a `KeyValue` of which nothing is known.
    #[cold]
    fn new_attribute(&mut self, message: &'a [u8]) -> Result<(), Fault> {
        self.has_new = true;
        let (name, value) = key_value(message, 0)?;
        self.cells.push(Cell::New(name, literal(message, name), value));
        Ok(())
    }
}

/// The value in an `AnyValue` of one field, which is no bytes, list or map; `None` for all else.
#[inline]
fn leaf(message: &[u8]) -> Result<Option<Leaf<'_>>, Fault> {
    let [tag, rest @ ..] = message else { return Ok(Some(Leaf::Absent)) };
    Ok(match tag {
        0x0A => match varint(rest) {
            Some((len, bytes)) if len == bytes.len() as u64 => Some(Leaf::Text(text(bytes)?)),
            _ => None,
        },
        0x10 | 0x18 => match varint(rest) {
            Some((value, [])) if *tag == 0x10 => Some(Leaf::Bool(value != 0)),
            Some((value, [])) => Some(Leaf::Int(value.cast_signed())),
            _ => None,
        },
        0x21 => rest.try_into().ok().map(|bits| Leaf::Float(f64::from_le_bytes(bits))),
        _ => None,
    })
}

/// What stands before the value of an attribute, up to its length: tag, length and text of the key,
/// then the tag of the value. `None` where something else does.
fn literal<'a>(message: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (len, rest) = varint(message.strip_prefix(&[1 << 3 | 2])?)?;
    let (key, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let (value_len, value) = varint(rest.strip_prefix(&[2 << 3 | 2])?)?;
    // A field more, or one twice, and the key or the value may be another one.
    let is_whole = key == name.as_bytes() && value_len == value.len() as u64;
    is_whole.then(|| &message[..=message.len() - rest.len()])
}

/// `record` from `part` on, which `rest` follows.
fn tail<'a>(record: &'a [u8], part: &[u8], rest: &[u8]) -> &'a [u8] {
    &record[record.len() - rest.len() - part.len()..]
}
