//! One value of a line: where it ends, whether it is valid JSON, and what it says.

#![expect(
    clippy::inline_always,
    reason = "inlined, they are compiled for the instruction set that `flyball_scan::widest` chose"
)]

use std::ops::Range;

use flyball_scan::Masks;

use super::DEPTH_MAX;

/// Why a line is refused. `at` is the byte of the window where reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) reason: &'static str,
}

pub(crate) const NOT_AN_OBJECT: &str = "not a JSON object";
pub(super) const BOM_INSIDE: &str = "a byte order mark inside the input";
pub(crate) const CUT_OFF: &str = "the line ends inside the object";
pub(super) const TOO_DEEP: &str = "nested deeper than 64 levels";
pub(super) const CONTROL: &str = "a control character in a string";
pub(super) const ESCAPE: &str = "not an escape of JSON";
pub(super) const SURROGATE: &str = "an unpaired surrogate in an escape";
pub(super) const NUMBER: &str = "not a number of JSON";
pub(super) const NOT_FINITE: &str = "NaN and Infinity are not JSON";
pub(super) const VALUE: &str = "not a value of JSON";
pub(super) const KEY: &str = "a key in double quotes is missing";
pub(super) const COLON: &str = "a colon is missing after a key";
pub(super) const COMMA: &str = "a comma or closing bracket is missing";
pub(super) const AFTER: &str = "text after the object";

/// Text of whole lines, with the masks of where strings can end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) text: &'a str,
    pub(super) masks: &'a Masks,
}

/// A number as its column wants it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i64),
    /// Not a 64-bit integer. Infinite when the text is past what a double holds.
    Float(f64),
}

/// Powers of ten that a double holds exactly.
const TENS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Digits whose value is below 2⁵³ whatever they are.
const EXACT_DIGITS_MAX: usize = 15;
/// Digits whose value fits 64 bits whatever they are.
const INT_DIGITS_MAX: usize = 18;

impl<'a> Window<'a> {
    #[inline(always)]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The byte at `at`; past the end a NUL, which no JSON has outside a string either.
    #[inline(always)]
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes().get(at).copied().unwrap_or(0)
    }

    /// The first byte at or after `at` that is no space of JSON; a newline ends the line.
    #[inline(always)]
    pub(super) fn skip_space(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\t' | b'\r') {
            at += 1;
        }
        at
    }

    /// Whether the line ends at `at`.
    pub(super) fn is_end(&self, at: usize) -> bool {
        at >= self.text.len() || self.byte(at) == b'\n'
    }

    #[cold]
    pub(super) fn fault(&self, at: usize, reason: &'static str) -> Fault {
        Fault { at, reason: if self.is_end(at) { CUT_OFF } else { reason } }
    }

    /// The closing quote of the string whose first byte is at `from`, and whether it has escapes.
    #[inline(always)]
    pub(super) fn string_end(&self, from: usize) -> Result<(usize, bool), Fault> {
        let at = self.masks.next(from);
        if self.byte(at) == b'"' { Ok((at, false)) } else { self.string_end_slow(at) }
    }

    fn string_end_slow(&self, mut at: usize) -> Result<(usize, bool), Fault> {
        loop {
            match self.byte(at) {
                b'"' => return Ok((at, true)),
                b'\\' => at = self.masks.next(self.escape_end(at)?),
                _ => return Err(self.fault(at, CONTROL)),
            }
        }
    }

    /// The byte after the escape that begins at `at`.
    fn escape_end(&self, at: usize) -> Result<usize, Fault> {
        match self.byte(at + 1) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
            b'u' => match self.hex(at + 2)? {
                0xD800..=0xDBFF => {
                    if self.byte(at + 6) != b'\\' || self.byte(at + 7) != b'u' {
                        return Err(self.fault(at, SURROGATE));
                    }
                    match self.hex(at + 8)? {
                        0xDC00..=0xDFFF => Ok(at + 12),
                        _ => Err(self.fault(at, SURROGATE)),
                    }
                }
                0xDC00..=0xDFFF => Err(self.fault(at, SURROGATE)),
                _ => Ok(at + 6),
            },
            _ => Err(self.fault(at + 1, ESCAPE)),
        }
    }

    fn hex(&self, at: usize) -> Result<u32, Fault> {
        let mut value = 0;
        for at in at..at + 4 {
            match char::from(self.byte(at)).to_digit(16) {
                Some(digit) => value = value * 16 + digit,
                None => return Err(self.fault(at, ESCAPE)),
            }
        }
        Ok(value)
    }

    /// Appends the string with escapes at `range`, which [`Self::string_end`] has checked.
    pub(super) fn unescape(&self, range: Range<usize>, out: &mut String) {
        let mut at = range.start;
        while at < range.end {
            let next = self.masks.next(at).min(range.end);
            out.push_str(&self.text[at..next]);
            if next == range.end {
                return;
            }
            at = next + 2;
            out.push(match self.byte(next + 1) {
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => {
                    let mut code = self.hex(at).unwrap_or(0);
                    at += 4;
                    if (0xD800..0xDC00).contains(&code) {
                        let low = self.hex(at + 2).unwrap_or(0);
                        at += 6;
                        code = 0x1_0000 + ((code - 0xD800) << 10) + (low & 0x3FF);
                    }
                    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
                same => char::from(same),
            });
        }
    }

    /// How many digits stand at `at`.
    #[inline(always)]
    fn digits(&self, at: usize) -> usize {
        let mut count = 0;
        while let Some(eight) = self.eight(at + count) {
            let leading = leading_digits(eight);
            count += leading;
            if leading < 8 {
                return count;
            }
        }
        while self.byte(at + count).is_ascii_digit() {
            count += 1;
        }
        count
    }

    #[inline(always)]
    fn eight(&self, at: usize) -> Option<u64> {
        let eight = self.bytes().get(at..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*eight))
    }

    /// The value of the `len` digits at `at`; right up to [`INT_DIGITS_MAX`].
    #[inline(always)]
    fn digits_value(&self, mut at: usize, mut len: usize) -> u64 {
        let mut value = 0;
        while len >= 8 {
            let Some(eight) = self.eight(at) else { break };
            value = value * 100_000_000 + digits_of(eight, 8);
            at += 8;
            len -= 8;
        }
        match self.eight(at) {
            Some(eight) if len < 8 => value * TENS_INT[len] + digits_of(eight, len),
            _ => self.bytes()[at..at + len]
                .iter()
                .fold(value, |value, b| value * 10 + u64::from(b.wrapping_sub(b'0'))),
        }
    }

    /// The byte after the number at `at`, and its parts.
    #[inline(always)]
    fn number_shape(&self, at: usize) -> Result<Shape, Fault> {
        let start = if self.byte(at) == b'-' { at + 1 } else { at };
        let whole = self.digits(start);
        if whole == 0 {
            let reason = if self.byte(start) == b'I' { NOT_FINITE } else { NUMBER };
            return Err(self.fault(start, reason));
        }
        if whole > 1 && self.byte(start) == b'0' {
            return Err(self.fault(start, NUMBER));
        }
        let mut shape = Shape { start, whole, fraction: 0, exponent: false, end: start + whole };
        if self.byte(shape.end) == b'.' {
            shape.fraction = self.digits(shape.end + 1);
            if shape.fraction == 0 {
                return Err(self.fault(shape.end + 1, NUMBER));
            }
            shape.end += 1 + shape.fraction;
        }
        if self.byte(shape.end) | 0x20 == b'e' {
            let sign = usize::from(matches!(self.byte(shape.end + 1), b'+' | b'-'));
            let digits = self.digits(shape.end + 1 + sign);
            if digits == 0 {
                return Err(self.fault(shape.end + 1 + sign, NUMBER));
            }
            shape.exponent = true;
            shape.end += 1 + sign + digits;
        }
        Ok(shape)
    }

    /// The byte after the number at `at`.
    #[inline(always)]
    pub(super) fn number_end(&self, at: usize) -> Result<usize, Fault> {
        Ok(self.number_shape(at)?.end)
    }

    /// The number at `at` and the byte after it.
    #[inline(always)]
    pub(super) fn number(&self, at: usize) -> Result<(Number, usize), Fault> {
        let shape = self.number_shape(at)?;
        let negative = shape.start > at;
        if shape.fraction == 0 && !shape.exponent && shape.whole <= INT_DIGITS_MAX {
            let value = self.digits_value(shape.start, shape.whole).cast_signed();
            return Ok((Number::Int(if negative { -value } else { value }), shape.end));
        }
        let digits = shape.whole + shape.fraction;
        if !shape.exponent && digits <= EXACT_DIGITS_MAX {
            // Both are exact doubles, so their quotient is the nearest double (Clinger, "How to
            // read floating point numbers accurately", 1990).
            let whole = self.digits_value(shape.start, shape.whole);
            let fraction = self.digits_value(shape.start + shape.whole + 1, shape.fraction);
            let scaled = whole * TENS_INT[shape.fraction] + fraction;
            let value = scaled.cast_signed() as f64 / TENS[shape.fraction];
            return Ok((Number::Float(if negative { -value } else { value }), shape.end));
        }
        Ok((number_slow(&self.text[at..shape.end]), shape.end))
    }

    /// The byte after the word (`true`, `false`, `null`) at `at`.
    #[inline(always)]
    pub(super) fn word(&self, at: usize, word: &'static str) -> Result<usize, Fault> {
        if self.bytes()[at..].starts_with(word.as_bytes()) {
            return Ok(at + word.len());
        }
        let same = word.bytes().zip(&self.bytes()[at..]).take_while(|(a, b)| a == *b).count();
        Err(self.fault(at + same, VALUE))
    }

    /// The byte after the value of any kind at `at`, `depth` containers being open around it.
    pub(super) fn value_end(&self, at: usize, depth: usize) -> Result<usize, Fault> {
        match self.byte(at) {
            b'"' => Ok(self.string_end(at + 1)?.0 + 1),
            b'-' | b'0'..=b'9' => self.number_end(at),
            b't' => self.word(at, "true"),
            b'f' => self.word(at, "false"),
            b'n' => self.word(at, "null"),
            b'[' => self.array_end(at, depth + 1),
            b'{' => self.object_end(at, depth + 1),
            b'N' | b'I' => Err(self.fault(at, NOT_FINITE)),
            _ => Err(self.fault(at, VALUE)),
        }
    }

    /// The byte after the array at `at`, which is the `depth`-th open container.
    fn array_end(&self, at: usize, depth: usize) -> Result<usize, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault { at, reason: TOO_DEEP });
        }
        let mut at = self.skip_space(at + 1);
        if self.byte(at) == b']' {
            return Ok(at + 1);
        }
        loop {
            at = self.skip_space(self.value_end(at, depth)?);
            match self.byte(at) {
                b']' => return Ok(at + 1),
                b',' => at = self.skip_space(at + 1),
                _ => return Err(self.fault(at, COMMA)),
            }
        }
    }

    /// The byte after the object at `at`, which is the `depth`-th open container.
    fn object_end(&self, at: usize, depth: usize) -> Result<usize, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault { at, reason: TOO_DEEP });
        }
        let mut at = self.skip_space(at + 1);
        if self.byte(at) == b'}' {
            return Ok(at + 1);
        }
        loop {
            let (_, _, value) = self.key(at)?;
            at = self.skip_space(self.value_end(value, depth)?);
            match self.byte(at) {
                b'}' => return Ok(at + 1),
                b',' => at = self.skip_space(at + 1),
                _ => return Err(self.fault(at, COMMA)),
            }
        }
    }

    /// The key whose opening quote must be at `at`: its text, whether it has escapes, and where
    /// its value begins.
    pub(super) fn key(&self, at: usize) -> Result<(Range<usize>, bool, usize), Fault> {
        if self.byte(at) != b'"' {
            return Err(self.fault(at, KEY));
        }
        let (end, escaped) = self.string_end(at + 1)?;
        let colon = self.skip_space(end + 1);
        if self.byte(colon) != b':' {
            return Err(self.fault(colon, COLON));
        }
        Ok((at + 1..end, escaped, self.skip_space(colon + 1)))
    }
}

/// The parts of a number: `whole` digits at `start`, `fraction` digits after a point.
#[derive(Debug, Clone, Copy)]
struct Shape {
    start: usize,
    whole: usize,
    fraction: usize,
    exponent: bool,
    end: usize,
}

#[cold]
fn number_slow(text: &str) -> Number {
    match text.parse() {
        Ok(int) => Number::Int(int),
        // The grammar was checked, and every number of JSON is one of Rust.
        Err(_) => Number::Float(text.parse().unwrap_or(f64::INFINITY)),
    }
}

const TENS_INT: [u64; 16] = {
    let mut tens = [1; 16];
    let mut i = 1;
    while i < 16 {
        tens[i] = tens[i - 1] * 10;
        i += 1;
    }
    tens
};

/// How many of the eight bytes, from the first, are digits.
#[inline(always)]
fn leading_digits(eight: u64) -> usize {
    // A digit has 3 in its upper half and at most 9 in its lower. A carry out of a byte that is no
    // digit can only spoil bytes after it, which do not matter any more.
    let halves = eight ^ 0x3030_3030_3030_3030;
    let other = (halves.wrapping_add(0x0606_0606_0606_0606) | halves) & 0xF0F0_F0F0_F0F0_F0F0;
    other.trailing_zeros() as usize / 8
}

/// The value of the first `len` (0 to 8) of eight bytes, which are digits.
#[inline(always)]
fn digits_of(eight: u64, len: usize) -> u64 {
    if len == 0 {
        return 0;
    }
    // Moving the digits to the end of the register fills its start with zeros, as if the number
    // had leading ones; then neighbours are joined to pairs, pairs to fours, fours to eight.
    let digits = eight.wrapping_sub(0x3030_3030_3030_3030) << (64 - 8 * len);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF
}
