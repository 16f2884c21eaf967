//! Cuts a stream into units of whole records, so that threads can decode them apart.

use std::io::{self, Read};

use crate::format::Splitter;

/// Bytes of records that one thread takes at a time: large enough that a batch is worth its
/// overhead, small enough that a few of them fit the memory budget and the processor's cache.
pub(super) const UNIT_BYTES: usize = 2 << 20;

/// The longest record that is read; a longer one is skipped without being held in memory.
pub(super) const LINE_BYTES_MAX: usize = 16 << 20;

/// Bytes asked of the source at once: the copy is still in the second-level cache when searched.
const READ_BYTES: usize = 256 << 10;

/// What one cut gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Whole records, in the buffer.
    Records,
    /// A record longer than [`LINE_BYTES_MAX`]; the buffer has its beginning.
    TooLong,
    /// Nothing is left.
    End,
}

/// Bytes whose room is kept, and initialised, from unit to unit.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    room: Vec<u8>,
    len: usize,
}

impl Buffer {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    fn set(&mut self, bytes: &[u8]) {
        self.len = 0;
        self.more(bytes.len()).copy_from_slice(bytes);
        self.len = bytes.len();
    }

    /// Room for `more` bytes after the last.
    fn more(&mut self, more: usize) -> &mut [u8] {
        let end = self.len + more;
        if self.room.len() < end {
            self.room.resize(end, 0);
        }
        &mut self.room[self.len..end]
    }
}

/// A stream of records.
pub(super) struct Records {
    reader: Box<dyn Read + Send>,
    splitter: Splitter,
    /// Read but not passed on: the beginning of the next record.
    carry: Vec<u8>,
    ended: bool,
    /// Why the stream ended before its end.
    broken: Option<io::Error>,
    pub(super) bytes: u64,
}

/// Bytes of a record that is too long which are kept to be shown.
const EXCERPT_BYTES: usize = 1_024;

impl Records {
    pub(super) fn new(reader: Box<dyn Read + Send>, splitter: Splitter) -> Self {
        Self { reader, splitter, carry: Vec::new(), ended: false, broken: None, bytes: 0 }
    }

    /// Why the stream ended before its end, with what was left of the last record.
    pub(super) fn take_broken(&mut self) -> Option<(io::Error, Vec<u8>)> {
        self.broken.take().map(|error| (error, std::mem::take(&mut self.carry)))
    }

    /// Puts the next records into `unit`, at least one, until `target_bytes` are reached.
    pub(super) fn next(&mut self, unit: &mut Buffer, target_bytes: usize) -> Unit {
        unit.set(&self.carry);
        self.carry.clear();
        let mut search = Search::default();
        loop {
            search.advance(self.splitter, unit.bytes());
            let enough = unit.len >= target_bytes || self.ended;
            if enough && let Some(end) = search.last_end {
                self.carry.extend_from_slice(&unit.bytes()[end..]);
                unit.truncate(end);
                return Unit::Records;
            }
            if self.ended {
                return self.last(unit);
            }
            if unit.len > LINE_BYTES_MAX {
                self.skip_record();
                unit.truncate(EXCERPT_BYTES);
                return Unit::TooLong;
            }
            self.fill(unit);
        }
    }

    /// What is left when the stream has ended and no newline is in it.
    fn last(&mut self, unit: &mut Buffer) -> Unit {
        if self.broken.is_some() {
            // Half a record would be taken for a whole one; it is shown with the reason.
            let excerpt = unit.len.min(EXCERPT_BYTES);
            self.carry.extend_from_slice(&unit.bytes()[..excerpt]);
            return Unit::End;
        }
        if unit.len == 0 { Unit::End } else { Unit::Records }
    }

    fn fill(&mut self, unit: &mut Buffer) {
        let room = unit.more(READ_BYTES);
        let read = loop {
            match self.reader.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.broken = Some(error);
                    break 0;
                }
                Ok(read) => break read,
            }
        };
        unit.len += read;
        self.bytes += read as u64;
        self.ended = read == 0;
    }

    /// Takes the first record, without its line end, off the stream; empty when there is none. Of
    /// one that is too long, its beginning is the error.
    pub(super) fn header(&mut self) -> Result<Vec<u8>, Vec<u8>> {
        let mut unit = Buffer::default();
        match self.next(&mut unit, 1) {
            Unit::Records => {}
            Unit::TooLong => return Err(unit.bytes().to_vec()),
            Unit::End => return Ok(Vec::new()),
        }
        let bytes = unit.bytes();
        let end = Search::first_end(self.splitter, bytes);
        let mut rest = bytes[end..].to_vec();
        rest.append(&mut self.carry);
        self.carry = rest;
        let header = bytes[..end].strip_suffix(b"\n").unwrap_or(&bytes[..end]);
        Ok(header.strip_suffix(b"\r").unwrap_or(header).to_vec())
    }

    /// Reads over the rest of a record that is too long, to the next newline. A quoted field may
    /// have more of them: what follows will be refused as records of the wrong shape.
    fn skip_record(&mut self) {
        let mut buffer = Buffer::default();
        while !self.ended {
            buffer.truncate(0);
            self.fill(&mut buffer);
            if let Some(newline) = memchr::memchr(b'\n', buffer.bytes()) {
                self.carry.extend_from_slice(&buffer.bytes()[newline + 1..]);
                return;
            }
        }
    }
}

/// Where the last whole record ends; continues where it left off as the buffer grows.
#[derive(Debug, Default)]
struct Search {
    searched: usize,
    quotes: Quotes,
    last_end: Option<usize>,
}

/// Whether a place is within quotes, of a record that begins outside them.
#[derive(Debug, Default)]
struct Quotes {
    open: bool,
    /// The quote that closed last: another right after it is one of the text.
    closed: Option<usize>,
}

impl Quotes {
    /// Goes past the quote at `at`. One in the middle of a field without quotes is text.
    fn pass(&mut self, bytes: &[u8], at: usize, delimiter: u8) {
        if self.open {
            self.open = false;
            self.closed = Some(at);
            return;
        }
        self.open = match at.checked_sub(1) {
            None => true,
            Some(before) => {
                self.closed == Some(before) || bytes[before] == delimiter || bytes[before] == b'\n'
            }
        };
    }
}

impl Search {
    fn advance(&mut self, splitter: Splitter, unit: &[u8]) {
        let new = &unit[self.searched..];
        match splitter {
            Splitter::Newline => {
                if let Some(newline) = memchr::memrchr(b'\n', new) {
                    self.last_end = Some(self.searched + newline + 1);
                }
            }
            Splitter::Csv { delimiter } => {
                for found in memchr::memchr2_iter(b'"', b'\n', new) {
                    let at = self.searched + found;
                    if unit[at] == b'"' {
                        self.quotes.pass(unit, at, delimiter);
                    } else if !self.quotes.open {
                        self.last_end = Some(at + 1);
                    }
                }
            }
        }
        self.searched = unit.len();
    }

    /// The byte after the first record.
    fn first_end(splitter: Splitter, bytes: &[u8]) -> usize {
        let mut quotes = Quotes::default();
        for at in memchr::memchr2_iter(b'"', b'\n', bytes) {
            match splitter {
                Splitter::Csv { delimiter } if bytes[at] == b'"' => {
                    quotes.pass(bytes, at, delimiter);
                }
                _ if bytes[at] == b'\n' && !quotes.open => return at + 1,
                _ => {}
            }
        }
        bytes.len()
    }
}
