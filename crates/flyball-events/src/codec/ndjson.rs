//! Newline-delimited JSON: one object a line, flat or nested.
//!
//! - Keys of nested objects are joined with dots; an empty object has no attributes.
//! - An array is one text attribute: its JSON as it was written.
//! - `null` is absence.
//! - A key that stands twice in a line (or once nested and once with dots): its first value that is
//!   not null counts.
//! - A number is an integer if it is written as one and fits 64 bits (`-0` is 0), else a double; one
//!   past what a double holds, such as `1e400`, is kept as text beside the column.
//! - Lines with nothing but spaces are no events; every other line is checked to be valid JSON in
//!   UTF-8 to its last byte, also where nobody asked for its fields.
//!
//! Sources repeat themselves: the same keys in the same order, with the same spaces. So the codec
//! remembers what stood between two values ([`Layout`]), compares instead of parsing, and looks
//! only at values ([`value`]); whatever it has not seen yet is parsed ([`walk`]) and remembered.
//! The end of a string is found by masks of 64 bytes that `flyball-scan` computes with SIMD.
//!
//! Nothing of a line reaches the batch before the whole line has been found valid.

#![expect(
    clippy::inline_always,
    reason = "inlined, they are compiled for the instruction set that `flyball_scan::widest` chose"
)]

mod value;
mod walk;

use std::ops::Range;

use flyball_scan::Masks;

use crate::batch::{BatchBuilder, ColumnId, Role, TIME_COLUMN, TimeRule};
use crate::codec::layout::{BLANK, END, Layout, ROOT};
use crate::codec::{Decoded, LineCodec, NO_TIME, TOO_MANY};
use crate::column::TWIN_SUFFIX;
use crate::time::{TimeReader, epoch_nanos};
pub(crate) use value::{CUT_OFF, NOT_AN_OBJECT};
use value::{Fault, Number, Window};
use walk::Walk;

/// Objects and arrays that may be open at once.
const DEPTH_MAX: usize = 64;

/// Bytes of lines that are scanned and then decoded while they are still in the processor's
/// second-level cache.
const WINDOW_BYTES: usize = 64 << 10;

/// The reason for a line that is not UTF-8.
const NOT_UTF8: &str = "not UTF-8";

/// Decodes newline-delimited JSON.
#[derive(Debug)]
pub struct NdjsonCodec {
    masks: Masks,
    line: LineReader,
}

/// What reads one line; apart from the masks, so that both can be borrowed at once.
#[derive(Debug)]
struct LineReader {
    layout: Layout,
    walk: Walk,
    times: TimeReader,
    cells: Vec<Cell>,
    /// Unescaped texts of the line.
    unescaped: String,
    time: Option<(u8, i64)>,
    /// A value of the key `time` that could not be read.
    unread_time: Option<Range<usize>>,
}

/// A value that waits for its line to be valid.
#[derive(Debug)]
struct Cell {
    column: ColumnId,
    value: CellValue,
}

#[derive(Debug)]
enum CellValue {
    Bool(bool),
    Int(i64),
    Float(f64, Range<usize>),
    Text(Range<usize>),
    /// A range of `unescaped`.
    Unescaped(Range<usize>),
}

impl NdjsonCodec {
    /// A codec that has seen nothing yet.
    pub fn new() -> Self {
        Self {
            masks: Masks::new(),
            line: LineReader {
                layout: Layout::new(),
                walk: Walk::default(),
                times: TimeReader::new(),
                cells: Vec::new(),
                unescaped: String::new(),
                time: None,
                unread_time: None,
            },
        }
    }

    /// Decodes whole lines that are UTF-8, or finds that they are not.
    fn window(&mut self, lines: &[u8], batch: &mut BatchBuilder, decoded: &mut Decoded) -> bool {
        let text = match self.masks.scan(lines) {
            Some(text) => text,
            None => match simdutf8::basic::from_utf8(lines) {
                Ok(text) => text,
                Err(_) => return false,
            },
        };
        let Self { masks, line } = self;
        flyball_scan::widest(
            #[inline(always)]
            || line.lines(&Window { text, masks }, batch, decoded),
        );
        true
    }
}

impl Default for NdjsonCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl LineCodec for NdjsonCodec {
    fn decode(&mut self, lines: &[u8], batch: &mut BatchBuilder, decoded: &mut Decoded) {
        let mut rest = lines;
        while !rest.is_empty() {
            let (window, after) = rest.split_at(window_len(rest));
            rest = after;
            if self.window(window, batch, decoded) {
                continue;
            }
            for line in window.split_inclusive(|b| *b == b'\n') {
                if !self.window(line, batch, decoded) {
                    let column =
                        std::str::from_utf8(line).map_or_else(|e| e.valid_up_to(), str::len);
                    decoded.lines += 1;
                    let line = line.trim_ascii_end();
                    decoded.rejects.add(NOT_UTF8, decoded.lines, Some(column as u64 + 1), line);
                }
            }
        }
    }
}

/// The length of the whole lines to take next: about [`WINDOW_BYTES`], or one longer line.
fn window_len(lines: &[u8]) -> usize {
    if lines.len() <= WINDOW_BYTES {
        return lines.len();
    }
    match memchr::memrchr(b'\n', &lines[..WINDOW_BYTES]) {
        Some(newline) => newline + 1,
        None => memchr::memchr(b'\n', &lines[WINDOW_BYTES..])
            .map_or(lines.len(), |newline| WINDOW_BYTES + newline + 1),
    }
}

/// Whether a value that is no object can begin with `byte`.
#[inline(always)]
fn begins_value(byte: u8) -> bool {
    // The common ones first: which of several tests a byte passes is predicted, a table is not.
    byte == b'"' || byte.is_ascii_digit() || !matches!(byte, b'{' | 0..=b' ')
}

impl LineReader {
    #[inline(always)]
    fn lines(&mut self, window: &Window<'_>, batch: &mut BatchBuilder, decoded: &mut Decoded) {
        let mut start = 0;
        while start < window.text.len() {
            decoded.lines += 1;
            match self.line(window, start, batch) {
                Ok((true, next)) => {
                    if self.commit(window, batch) {
                        decoded.events += 1;
                    } else {
                        let line = window.bytes()[start..next].trim_ascii_end();
                        decoded.rejects.add(NO_TIME, decoded.lines, None, line);
                    }
                    start = next;
                }
                Ok((false, next)) => start = next,
                Err(fault) => {
                    // Reading never goes past a newline, so the line's own is still ahead.
                    let rest = &window.bytes()[start..];
                    let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    let column = Some((fault.at - start) as u64 + 1);
                    let line = rest[..len].trim_ascii_end();
                    decoded.rejects.add(fault.reason, decoded.lines, column, line);
                    start += (len + 1).min(rest.len());
                }
            }
        }
    }

    /// Reads the line at `start` into `cells`. Answers whether it is an event (else it is blank),
    /// and where the next line begins.
    #[inline(always)]
    fn line(
        &mut self,
        window: &Window<'_>,
        start: usize,
        batch: &mut BatchBuilder,
    ) -> Result<(bool, usize), Fault> {
        self.cells.clear();
        self.time = None;
        self.unread_time = None;
        self.layout.make_room();
        let mut node = ROOT;
        let mut at = start;
        let mut keys = 0;
        loop {
            let known = self.layout.follow(node, &window.bytes()[at..]);
            let (next, value) = match known {
                Some((END, len)) => return Ok((true, at + len)),
                // Where the key had another kind of value, there may now be an object, or the same
                // text with more space after it.
                Some((next, len)) if begins_value(window.byte(at + len)) => (next, at + len),
                _ => self.walk.step(&mut self.layout, window, node, at, batch)?,
            };
            if next == END {
                return Ok((true, value));
            }
            if next == BLANK {
                return Ok((false, value));
            }
            node = next;
            keys += 1;
            if keys > batch.attributes_max() {
                return Err(Fault { at, reason: TOO_MANY });
            }
            let reached = self.layout.node(node);
            at = match reached.role {
                Role::Skip => {
                    let byte = window.byte(value);
                    if byte == b'"' {
                        window.string_end(value + 1)?.0 + 1
                    } else if byte.is_ascii_digit() {
                        window.number_end(value)?
                    } else {
                        window.value_end(value, reached.opens.len())?
                    }
                }
                Role::Attribute(column) => {
                    let depth = reached.opens.len();
                    self.attribute(window, value, depth, column)?
                }
                Role::Time { rank, column } => {
                    let depth = reached.opens.len();
                    self.event_time(window, value, depth, rank, column)?
                }
            };
        }
    }

    /// Reads the value at `at` for `column`; answers the byte after it.
    #[inline(always)]
    fn attribute(
        &mut self,
        window: &Window<'_>,
        at: usize,
        depth: usize,
        column: ColumnId,
    ) -> Result<usize, Fault> {
        let (value, end) = match window.byte(at) {
            b'"' => {
                let (end, escaped) = window.string_end(at + 1)?;
                let value = if escaped {
                    CellValue::Unescaped(self.unescape(window, at + 1..end))
                } else {
                    CellValue::Text(at + 1..end)
                };
                (value, end + 1)
            }
            b'-' | b'0'..=b'9' => match window.number(at)? {
                (Number::Int(int), end) => (CellValue::Int(int), end),
                (Number::Float(float), end) => (CellValue::Float(float, at..end), end),
            },
            b't' => (CellValue::Bool(true), window.word(at, "true")?),
            b'f' => (CellValue::Bool(false), window.word(at, "false")?),
            b'n' => return window.word(at, "null"),
            _ => {
                let end = window.value_end(at, depth)?;
                (CellValue::Text(at..end), end)
            }
        };
        self.cells.push(Cell { column, value });
        Ok(end)
    }

    /// Reads the value at `at` as a time; answers the byte after it.
    #[inline(always)]
    fn event_time(
        &mut self,
        window: &Window<'_>,
        at: usize,
        depth: usize,
        rank: u8,
        column: Option<ColumnId>,
    ) -> Result<usize, Fault> {
        if column.is_none() && self.time.is_none() && window.byte(at) == b'"' {
            let (end, escaped) = window.string_end(at + 1)?;
            if !escaped && let Some(nanos) = self.times.text(&window.bytes()[at + 1..end]) {
                self.time = Some((rank, nanos));
                return Ok(end + 1);
            }
        }
        self.uncommon_time(window, at, depth, rank, column)
    }

    fn uncommon_time(
        &mut self,
        window: &Window<'_>,
        at: usize,
        depth: usize,
        rank: u8,
        column: Option<ColumnId>,
    ) -> Result<usize, Fault> {
        let end = match column {
            Some(column) => self.attribute(window, at, depth, column)?,
            None => window.value_end(at, depth)?,
        };
        if self.time.is_some_and(|(best, _)| best <= rank) {
            return Ok(end);
        }
        let bytes = window.bytes();
        let nanos = match bytes[at] {
            b'"' if window.masks.next(at + 1) == end - 1 => {
                self.times.text(&bytes[at + 1..end - 1])
            }
            // Times have no escapes unless someone wants to hide them; they still are text.
            b'"' => {
                let text = self.unescape(window, at + 1..end - 1);
                self.times.text(&self.unescaped.as_bytes()[text])
            }
            b'-' | b'0'..=b'9' => epoch_nanos(&bytes[at..end]),
            _ => None,
        };
        match nanos {
            Some(nanos) => self.time = Some((rank, nanos)),
            None if column.is_none() && bytes[at] != b'n' => self.unread_time = Some(at..end),
            None => {}
        }
        Ok(end)
    }

    fn unescape(&mut self, window: &Window<'_>, range: Range<usize>) -> Range<usize> {
        if self.cells.is_empty() {
            self.unescaped.clear();
        }
        let start = self.unescaped.len();
        window.unescape(range, &mut self.unescaped);
        start..self.unescaped.len()
    }

    /// Passes the line on to the batch; `false` when it has no time and needs one.
    #[inline]
    fn commit(&mut self, window: &Window<'_>, batch: &mut BatchBuilder) -> bool {
        match self.time {
            Some((rank, nanos)) => batch.set_time(rank, nanos),
            None if batch.time_rule() == TimeRule::Required => return false,
            None => {}
        }
        for Cell { column, value } in self.cells.drain(..) {
            match value {
                CellValue::Bool(value) => batch.set_bool(column, value),
                CellValue::Int(value) => batch.set_int(column, value),
                CellValue::Float(value, text) => batch.set_float(column, value, &window.text[text]),
                CellValue::Text(text) => batch.set_text(column, &window.text[text]),
                CellValue::Unescaped(text) => batch.set_text(column, &self.unescaped[text]),
            }
        }
        if let Some(text) = self.unread_time.take()
            && let Some(column) = batch.column(&format!("{TIME_COLUMN}{TWIN_SUFFIX}"))
        {
            // Kept as it was written, quotes and all: it is no time, so it may be anything.
            batch.set_text(column, &window.text[text]);
        }
        batch.end_row()
    }
}

#[cfg(test)]
mod tests;
