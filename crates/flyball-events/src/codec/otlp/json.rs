//! OTLP in JSON: one request a line, as the collector's file exporter writes it, or documents over
//! many lines.
//!
//! Follows the protobuf JSON mapping with OTLP's exceptions: ids are hexadecimal, enums are
//! numbers. Also read are snake-case names, names of enums, ids in base64, and 64-bit integers as
//! strings or numbers. Unknown fields are ignored. A document that is no such JSON is refused as a
//! whole, and reading goes on with the next line that begins one.

mod document;
pub(super) mod metrics;
mod model;
mod path;

use std::borrow::Cow;
use std::io::{self, Read};

use serde::Deserialize;

use super::request::OtlpSignal;
use super::{METRICS, Memory, Origin, Rows};
use crate::batch::BatchBuilder;
use crate::codec::{Decoded, StreamCodec};
use document::{Document, Documents, NOT_AN_OBJECT};
use model::{Part, Request};
use path::path;

const NOT_OTLP: &str = "no resourceSpans or resourceLogs: not OTLP traces or logs";
const NOT_JSON: &str = "not JSON";
const NOT_SHAPED: &str = "JSON that is not shaped as OTLP";
const NOT_UTF8: &str = "not UTF-8";
const OTHER_SIGNAL: &str = "records of another signal";

/// Bytes of a body that are shown.
const EXCERPT_BYTES: usize = 48;

/// Decodes OTLP in JSON.
#[derive(Debug, Default)]
pub struct OtlpJsonCodec {
    memory: Memory,
}

impl StreamCodec for OtlpJsonCodec {
    fn decode(
        &mut self,
        input: &mut dyn Read,
        batch: &mut BatchBuilder,
        decoded: &mut Decoded,
        flush: &mut dyn FnMut(&mut BatchBuilder) -> bool,
    ) -> io::Result<()> {
        let mut rows = Rows::new(batch, decoded, flush, &mut self.memory);
        let mut documents = Documents::new(input);
        while !rows.stopped {
            let (lines, document) = documents.next()?;
            rows.decoded.lines = lines.read;
            match document {
                Document::End => return Ok(()),
                Document::Whole(bytes) => whole(bytes, lines.first, &mut rows),
                Document::Refused { reason, shown } => {
                    rows.reject(reason, (lines.first, None), shown);
                }
            }
        }
        Ok(())
    }
}

/// Decodes one document of a file that begins in line `first`.
fn whole(bytes: &[u8], first: u64, rows: &mut Rows<'_>) {
    let request: Request<'_> = match parse(bytes) {
        Ok(request) => request,
        Err(Unread { reason, place: (line, column), shown }) => {
            return rows.reject(reason, (first + line - 1, column), &shown);
        }
    };
    let at = (first, None);
    if request.is_metrics() {
        rows.reject(METRICS, at, bytes);
    } else if !request.is_known() {
        return rows.reject(NOT_OTLP, at, bytes);
    }
    for part in request.parts() {
        part_rows(part, at, rows);
    }
}

/// Decodes the body of a request.
pub(super) fn request<'a>(
    bytes: &'a [u8],
    signal: OtlpSignal,
    rows: &mut Rows<'_>,
) -> Result<(), Unread<'a>> {
    let request = body(bytes, |request: &Request<'_>| request.is_other(signal))?;
    for part in request.parts() {
        part_rows(part, (1, None), rows);
    }
    Ok(())
}

/// Reads the body of a request: one object, which has nothing that `is_other`.
fn body<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    is_other: impl FnOnce(&T) -> bool,
) -> Result<T, Unread<'a>> {
    let unread = |reason| {
        let shown = bytes[..bytes.len().min(EXCERPT_BYTES)].into();
        Unread { reason, place: (1, None), shown }
    };
    // A parser of structs would also take an array of their fields.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(unread(NOT_AN_OBJECT));
    }
    let request = parse(bytes)?;
    if is_other(&request) { Err(unread(OTHER_SIGNAL)) } else { Ok(request) }
}

/// Why a document cannot be read.
#[derive(Debug)]
pub(super) struct Unread<'a> {
    pub(super) reason: &'static str,
    /// The line, from 1, and the byte in it where reading stopped.
    pub(super) place: (u64, Option<u64>),
    /// The text there, or the field and what is wrong with it.
    pub(super) shown: Cow<'a, [u8]>,
}

/// Reads one document.
fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Unread<'a>> {
    let text = simdutf8::compat::from_utf8(bytes).map_err(|error| Unread {
        reason: NOT_UTF8,
        place: (1, Some(error.valid_up_to() as u64 + 1)),
        shown: bytes.into(),
    })?;
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line().saturating_sub(1), error.column());
        let place = (1 + line as u64, Some(column as u64));
        if !error.is_data() {
            let shown = text.lines().nth(line).unwrap_or_default();
            return Unread { reason: NOT_JSON, place, shown: shown.as_bytes().into() };
        }
        // A document is mostly one long line: its beginning would not show the field.
        let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let message = error.to_string();
        let what = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what);
        let shown = format!("{}: {what}", path(text, before + column)).into_bytes();
        Unread { reason: NOT_SHAPED, place, shown: shown.into() }
    })
}

/// Makes rows of what one resource sent.
fn part_rows(part: Part<'_>, at: (u64, Option<u64>), rows: &mut Rows<'_>) {
    let (resource, scopes) = part.split();
    let mut origin = Origin { resource, ..Origin::default() };
    for scoped in scopes {
        if rows.stopped {
            return;
        }
        origin.next_scope();
        let scope = scoped.scope.unwrap_or_default();
        (origin.scope_name, origin.scope_version) = (scope.name.0, scope.version.0);
        origin.scope = scope.attributes.pairs();
        for span in scoped.spans.0 {
            let (span, attributes) = span.into();
            rows.span(&span);
            rows.attributes(&attributes);
            rows.end(&mut origin, at, &span.name);
        }
        for log in scoped.logs.0 {
            let (log, attributes) = log.into();
            rows.log(&log);
            rows.attributes(&attributes);
            rows.end(&mut origin, at, &log.event_name);
        }
        rows.end_scope();
    }
}
