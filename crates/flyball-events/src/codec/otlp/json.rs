//! OTLP in JSON: one request a line, as the collector's file exporter writes it, or documents over
//! many lines.
//!
//! Follows the protobuf JSON mapping with OTLP's exceptions: ids are hexadecimal, enums are
//! numbers. Also read are snake-case names, names of enums, ids in base64, and 64-bit integers as
//! strings or numbers. Unknown fields are ignored. A document that is no such JSON is refused as a
//! whole, and reading goes on with the next line that begins one.

mod document;
mod model;
mod path;

use std::io::{self, Read};

use super::{METRICS, Memory, Origin, Rows};
use crate::batch::BatchBuilder;
use crate::codec::{Decoded, StreamCodec};
use document::{Document, Documents};
use model::Request;
use path::path;

const NOT_OTLP: &str = "no resourceSpans or resourceLogs: not OTLP traces or logs";
const NOT_JSON: &str = "not JSON";
const NOT_SHAPED: &str = "JSON that is not shaped as OTLP";
const NOT_UTF8: &str = "not UTF-8";

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
        let mut rows = Rows { batch, decoded, flush, memory: &mut self.memory, stopped: false };
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

/// Decodes one document that begins in line `first`.
fn whole(bytes: &[u8], first: u64, rows: &mut Rows<'_>) {
    let text = match simdutf8::compat::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let column = Some(error.valid_up_to() as u64 + 1);
            return rows.reject(NOT_UTF8, (first, column), bytes);
        }
    };
    let request: Request<'_> = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(error) => {
            let (line, column) = (error.line().saturating_sub(1), error.column());
            let place = (first + line as u64, Some(column as u64));
            if !error.is_data() {
                let shown = text.lines().nth(line).unwrap_or_default();
                return rows.reject(NOT_JSON, place, shown.as_bytes());
            }
            // A document is mostly one long line: its beginning would not show the field.
            let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
            let message = error.to_string();
            let what = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what);
            let shown = format!("{}: {what}", path(text, before + column));
            return rows.reject(NOT_SHAPED, place, shown.as_bytes());
        }
    };
    let at = (first, None);
    if request.is_metrics() {
        rows.reject(METRICS, at, bytes);
    } else if !request.is_known() {
        return rows.reject(NOT_OTLP, at, bytes);
    }
    for part in request.parts() {
        let (resource, scopes) = part.split();
        let mut origin = Origin { resource, ..Origin::default() };
        for scoped in scopes {
            let scope = scoped.scope.unwrap_or_default();
            (origin.scope_name, origin.scope_version) = (scope.name.0, scope.version.0);
            origin.scope = scope.attributes.pairs();
            for span in scoped.spans.0 {
                rows.span(&span.into(), &origin, at);
            }
            for log in scoped.logs.0 {
                rows.log(&log.into(), &origin, at);
            }
            if rows.stopped {
                return;
            }
        }
    }
}
