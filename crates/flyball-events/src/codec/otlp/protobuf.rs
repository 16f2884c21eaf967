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

pub(crate) mod message;
pub(super) mod metrics;
mod record;

use std::io::{self, Read};

use super::{MESSAGE_BYTES_MAX, Memory, Rows};
use crate::batch::BatchBuilder;
use crate::codec::wire::{Fault, MALFORMED, varint};
use crate::codec::{Decoded, StreamCodec};
use message::{EXCERPT_BYTES, Message, excerpt};

const TRUNCATED: &str = "the input ends inside a message";
const TOO_LONG: &str = "a message longer than 32 MiB";
const NOT_OTLP: &str = "not a message of OTLP traces or logs";

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
        let mut rows = Rows::new(batch, decoded, flush, &mut self.memory);
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
                    rows.reject(reason, (number, Some(1)), excerpt(&message));
                    if reason != TOO_LONG {
                        return Ok(());
                    }
                    continue;
                }
            }
            let message = Message { bytes: &message, number, signal: None };
            if framing == Framing::Fields {
                message.resource(message.bytes, &mut rows);
            } else {
                message.rows(&mut rows);
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
