//! Cuts a stream of JSON objects into documents: each on its line, or over many.

use std::io::{self, Read};

use super::super::MESSAGE_BYTES_MAX;
use super::NOT_JSON;

const TOO_LONG: &str = "a document longer than 32 MiB";
const UNFINISHED: &str = "the input ends inside a document";
pub(super) const NOT_AN_OBJECT: &str = "not a JSON object";
const TOO_DEEP: &str = "nested deeper than 128 levels";

/// Brackets that may be open at once: as many as the parser itself allows.
const DEPTH_MAX: u32 = 128;

/// Bytes asked of the input at once.
const READ_BYTES: usize = 256 << 10;
/// Bytes of a refused document that are shown.
const EXCERPT_BYTES: usize = 256;

/// What comes next.
pub(super) enum Document<'a> {
    /// From an opening brace to the one that closes it.
    Whole(&'a [u8]),
    /// What cannot be read, up to the next line.
    Refused { reason: &'static str, shown: &'a [u8] },
    /// Nothing.
    End,
}

/// Lines, from 1.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lines {
    /// Where the last document began.
    pub(super) first: u64,
    /// Those read, the one of the last document's end included.
    pub(super) read: u64,
}

pub(super) struct Documents<'a> {
    input: &'a mut dyn Read,
    buffer: Vec<u8>,
    /// Where in `buffer` the next document begins.
    at: usize,
    ended: bool,
    /// Line ends before `at`.
    newlines: u64,
    lines: Lines,
    /// The beginning of the document refused last.
    shown: Vec<u8>,
}

/// Finds the brace that closes a document; goes on where it left off.
#[derive(Debug, Default)]
struct Scan {
    len: usize,
    depth: u32,
    /// One bit for each open bracket, the innermost last: whether it is a brace.
    braces: u128,
    in_string: bool,
}

/// How far a [`Scan`] has come.
enum Scanned {
    /// To the end of the document, so many bytes.
    Whole(usize),
    /// To something that no document has.
    Broken(&'static str),
    /// To the end of what is there.
    More,
}

impl Scan {
    fn advance(&mut self, bytes: &[u8]) -> Scanned {
        while self.len < bytes.len() {
            let rest = &bytes[self.len..];
            if self.in_string {
                let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', rest) else {
                    self.len = bytes.len();
                    return Scanned::More;
                };
                match rest[found] {
                    b'"' => {
                        self.in_string = false;
                        self.len += found + 1;
                    }
                    // A line that was cut off within a string; the next one is another document.
                    b'\n' => return Scanned::Broken(NOT_JSON),
                    _ if found + 1 >= rest.len() => {
                        // The escaped byte is not there yet.
                        self.len += found;
                        return Scanned::More;
                    }
                    _ => self.len += found + 2,
                }
                continue;
            }
            match rest[0] {
                b'"' => self.in_string = true,
                open @ (b'{' | b'[') => {
                    if self.depth == DEPTH_MAX {
                        return Scanned::Broken(TOO_DEEP);
                    }
                    self.depth += 1;
                    self.braces = self.braces << 1 | u128::from(open == b'{');
                }
                close @ (b'}' | b']') => {
                    if (self.braces & 1 == 1) != (close == b'}') {
                        return Scanned::Broken(NOT_JSON);
                    }
                    self.depth -= 1;
                    self.braces >>= 1;
                    if self.depth == 0 {
                        return Scanned::Whole(self.len + 1);
                    }
                }
                b'\n' => {
                    // A line that was cut off between values: what begins like a request is one.
                    let begin = br#"{"resource"#;
                    let next = &rest[1..];
                    if next.len() < begin.len() && begin.starts_with(next) {
                        return Scanned::More;
                    }
                    if next.starts_with(begin) {
                        return Scanned::Broken(NOT_JSON);
                    }
                }
                _ => {}
            }
            self.len += 1;
        }
        Scanned::More
    }
}

impl<'a> Documents<'a> {
    pub(super) fn new(input: &'a mut dyn Read) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            at: 0,
            ended: false,
            newlines: 0,
            lines: Lines::default(),
            shown: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> io::Result<(Lines, Document<'_>)> {
        // Spaces and line ends between documents; a comma would be of an array, which none is.
        loop {
            let rest = &self.buffer[self.at..];
            let spaces = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
            self.pass(spaces);
            if self.at < self.buffer.len() {
                break;
            }
            if !self.fill()? {
                self.lines.read = self.newlines.max(self.lines.read);
                return Ok((self.lines, Document::End));
            }
        }
        self.lines.first = self.newlines + 1;
        if self.buffer[self.at] != b'{' {
            return self.refuse(NOT_AN_OBJECT);
        }
        let mut scan = Scan::default();
        loop {
            match scan.advance(&self.buffer[self.at..]) {
                Scanned::Whole(len) => {
                    let start = self.at;
                    self.pass(len);
                    self.lines.read = self.newlines + 1;
                    return Ok((self.lines, Document::Whole(&self.buffer[start..start + len])));
                }
                Scanned::Broken(reason) => return self.refuse(reason),
                Scanned::More => {}
            }
            if self.buffer.len() - self.at > MESSAGE_BYTES_MAX {
                return self.refuse(TOO_LONG);
            }
            if !self.fill()? {
                return self.refuse(UNFINISHED);
            }
        }
    }

    /// Moves over `len` bytes of the buffer.
    fn pass(&mut self, len: usize) {
        let passed = &self.buffer[self.at..self.at + len];
        self.newlines += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at += len;
    }

    /// Reads more; what was passed is forgotten. `false` at the end of the input.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let read = (&mut *self.input).take(READ_BYTES as u64).read_to_end(&mut self.buffer)?;
        self.ended = read == 0;
        Ok(!self.ended)
    }

    /// Goes on with the next line that begins with a brace, without holding what is skipped.
    ///
    /// Lines of a document over many lines are indented, so that they are skipped with it.
    fn refuse(&mut self, reason: &'static str) -> io::Result<(Lines, Document<'_>)> {
        let rest = &self.buffer[self.at..];
        let line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.shown.clear();
        self.shown.extend_from_slice(&rest[..line.min(EXCERPT_BYTES)]);
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(newline) = memchr::memmem::find(rest, b"\n{") {
                self.pass(newline + 1);
                self.lines.read = self.newlines;
                break;
            }
            let kept = usize::from(rest.ends_with(b"\n"));
            self.pass(rest.len() - kept);
            if !self.fill()? {
                self.pass(self.buffer.len() - self.at);
                self.lines.read = self.newlines + u64::from(kept == 0);
                break;
            }
        }
        Ok((self.lines, Document::Refused { reason, shown: &self.shown }))
    }
}
