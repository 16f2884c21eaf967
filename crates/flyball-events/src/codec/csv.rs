//! CSV as in RFC 4180, and its relatives with other delimiters.
//!
//! - Columns are named by the header, by the user, or `column_1`, `column_2`, …
//! - A field may be in double quotes; inside them a quote is doubled, and delimiters and line ends
//!   are text. A quote in the middle of a field that did not begin with one is text.
//! - Types are inferred from each value ([`infer`](super::infer)), quoted or not; nothing between
//!   delimiters is absence.
//! - A record with more or fewer fields than there are columns is refused: nobody can tell which
//!   one is missing. So is one that is not UTF-8, or whose quote is never closed.
//!
//! It does not guess delimiters beyond what detection does, and knows no comments.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use crate::batch::{BatchBuilder, Role};
use crate::codec::infer::set_role;
use crate::codec::{Decoded, LineCodec, NO_TIME};
use crate::time::TimeReader;

const UNCLOSED: &str = "a quoted field is not closed";
const AFTER_QUOTE: &str = "text after the closing quote of a field";
const TOO_FEW: &str = "fewer fields than columns";
const TOO_MANY: &str = "more fields than columns";
const NOT_UTF8: &str = "not UTF-8";

/// How a CSV file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// What stands between fields.
    pub delimiter: u8,
    /// Whether the first record names the columns.
    pub header: bool,
    /// Names that replace those of the header, or make up for a missing one.
    pub columns: Vec<String>,
}

impl Default for CsvOptions {
    /// Commas, with a header.
    fn default() -> Self {
        Self { delimiter: b',', header: true, columns: Vec::new() }
    }
}

/// Decodes CSV.
#[derive(Debug)]
pub struct CsvCodec {
    delimiter: u8,
    /// Empty until the first record when there is neither header nor names.
    columns: Vec<String>,
    roles: Option<Vec<Role>>,
    fields: Vec<Span>,
    times: TimeReader,
}

/// Where a field is, without its quotes.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    /// Quotes are doubled in it.
    doubled: bool,
}

/// Why a record is refused, at which byte, and whether it was read to its end.
struct Fault {
    reason: &'static str,
    at: usize,
}

impl CsvCodec {
    /// A codec for records whose header record, if `options` say there is one, is `header`.
    pub fn new(options: &CsvOptions, header: &[u8]) -> Self {
        let mut codec = Self {
            delimiter: options.delimiter,
            columns: options.columns.clone(),
            roles: None,
            fields: Vec::new(),
            times: TimeReader::new(),
        };
        if options.header && codec.columns.is_empty() && codec.record(header, 0).is_ok() {
            codec.columns = codec
                .fields
                .iter()
                .enumerate()
                .map(|(index, span)| {
                    let name = String::from_utf8_lossy(&header[span.start..span.end]);
                    let name =
                        if span.doubled { name.replace("\"\"", "\"") } else { name.into_owned() };
                    match name.trim() {
                        "" => numbered(index),
                        name => name.to_owned(),
                    }
                })
                .collect();
        }
        codec
    }

    /// Finds the fields of the record at `start` and the byte after it.
    #[inline]
    fn record(&mut self, bytes: &[u8], start: usize) -> Result<usize, Fault> {
        self.fields.clear();
        let mut at = start;
        loop {
            let (span, after) = if bytes.get(at) == Some(&b'"') {
                let (span, after) = quoted(bytes, at)?;
                let after = match bytes.get(after..) {
                    Some([b'\r', b'\n', ..] | [b'\r']) => after + 1,
                    _ => after,
                };
                (span, after)
            } else {
                let rest = bytes.get(at..).unwrap_or_default();
                let len = memchr::memchr2(self.delimiter, b'\n', rest).unwrap_or(rest.len());
                let after = at + len;
                let mut end = after;
                if bytes.get(after) != Some(&self.delimiter) && end > at && bytes[end - 1] == b'\r'
                {
                    end -= 1;
                }
                (Span { start: at, end, doubled: false }, after)
            };
            self.fields.push(span);
            match bytes.get(after) {
                None => return Ok(bytes.len()),
                Some(b'\n') => return Ok(after + 1),
                Some(byte) if *byte == self.delimiter => at = after + 1,
                Some(_) => return Err(Fault { reason: AFTER_QUOTE, at: after }),
            }
        }
    }

    /// Sets the fields found as a row.
    fn row(&mut self, bytes: &[u8], batch: &mut BatchBuilder) -> Result<bool, Fault> {
        if self.columns.is_empty() {
            self.columns = (0..self.fields.len()).map(numbered).collect();
        }
        let roles = match &mut self.roles {
            Some(roles) => roles,
            roles => roles.insert(column_roles(&self.columns, batch)),
        };
        if self.fields.len() != roles.len() {
            let few = self.fields.len() < roles.len();
            let at = if few {
                self.fields.last().map_or(0, |span| span.end)
            } else {
                self.fields[roles.len()].start
            };
            return Err(Fault { reason: if few { TOO_FEW } else { TOO_MANY }, at });
        }
        for (role, span) in roles.iter().zip(&self.fields) {
            if *role == Role::Skip || span.start == span.end {
                continue;
            }
            let raw = &bytes[span.start..span.end];
            let text = simdutf8::basic::from_utf8(raw)
                .map_err(|_| Fault { reason: NOT_UTF8, at: span.start })?;
            let text = if span.doubled {
                Cow::Owned(text.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(text)
            };
            set_role(batch, &mut self.times, *role, &text);
        }
        Ok(batch.end_row())
    }
}

impl LineCodec for CsvCodec {
    fn decode(&mut self, lines: &[u8], batch: &mut BatchBuilder, decoded: &mut Decoded) {
        let mut at = 0;
        while at < lines.len() {
            let first = decoded.lines + 1;
            let (read, next) = match self.record(lines, at) {
                Ok(next) if is_blank(&lines[at..next]) => (Ok(true), next),
                Ok(next) => {
                    let row = self.row(lines, batch);
                    decoded.events += u64::from(matches!(row, Ok(true)));
                    (row, next)
                }
                Err(fault) => {
                    let next = next_line(lines, fault.at);
                    (Err(fault), next)
                }
            };
            let record = &lines[at..next];
            decoded.lines += memchr::memchr_iter(b'\n', record).count() as u64;
            decoded.lines += u64::from(record.last() != Some(&b'\n'));
            let shown = record.trim_ascii_end();
            match read {
                Ok(true) => {}
                Ok(false) => decoded.rejects.add(NO_TIME, first, None, shown),
                Err(Fault { reason, at: fault }) => {
                    batch.abandon_row();
                    let column = Some((fault.saturating_sub(at)) as u64 + 1);
                    decoded.rejects.add(reason, first, column, shown);
                }
            }
            at = next;
        }
    }
}

fn is_blank(record: &[u8]) -> bool {
    matches!(record, b"" | b"\n" | b"\r\n" | b"\r")
}

/// What the columns mean; one that is called like another before it is left out, with a note.
fn column_roles(columns: &[String], batch: &mut BatchBuilder) -> Vec<Role> {
    let mut seen = HashSet::new();
    let roles = columns.iter().enumerate().map(|(index, name)| {
        if seen.insert(name) {
            return batch.role(name);
        }
        batch.note_repeated(index + 1, name);
        Role::Skip
    });
    roles.collect()
}

fn numbered(index: usize) -> String {
    format!("column_{}", index + 1)
}

/// The field whose opening quote is at `at`, and the byte after its closing one.
fn quoted(bytes: &[u8], at: usize) -> Result<(Span, usize), Fault> {
    let start = at + 1;
    let mut from = start;
    let mut doubled = false;
    loop {
        let Some(found) = bytes.get(from..).and_then(|rest| memchr::memchr(b'"', rest)) else {
            return Err(Fault { reason: UNCLOSED, at });
        };
        let end = from + found;
        if bytes.get(end + 1) != Some(&b'"') {
            return Ok((Span { start, end, doubled }, end + 1));
        }
        doubled = true;
        from = end + 2;
    }
}

/// The byte after the newline at or after `at`: where reading goes on after a fault.
fn next_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |newline| at + newline + 1)
}

/// The options as text, as [`Format::parse`](crate::Format::parse) reads them.
impl std::fmt::Display for CsvOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.delimiter == b'\t' { "tsv" } else { "csv" })?;
        if !matches!(self.delimiter, b',' | b'\t') {
            write!(f, ";delimiter={}", delimiter_name(self.delimiter))?;
        }
        if !self.header {
            f.write_str(";header=no")?;
        }
        if !self.columns.is_empty() {
            write!(f, ";columns={}", self.columns.join(","))?;
        }
        Ok(())
    }
}

fn delimiter_name(delimiter: u8) -> Cow<'static, str> {
    match delimiter {
        b';' => "semicolon".into(),
        b' ' => "space".into(),
        b'|' => "pipe".into(),
        other => char::from(other).to_string().into(),
    }
}

/// Used by the codec's construction: one set of options for all threads.
pub(crate) fn new_codec(options: Arc<CsvOptions>) -> crate::format::NewLineCodec {
    Box::new(move |header| Box::new(CsvCodec::new(&options, header)))
}

#[cfg(test)]
mod tests;
