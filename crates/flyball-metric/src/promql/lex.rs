//! Query text to words and signs.

use std::ops::Range;

use crate::error::Fault;

/// A word or sign, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name, a function, a keyword: letters, digits, `_` and `:`.
    Word,
    Number(f64),
    /// What stands in quotes, escapes replaced.
    Text(String),
    /// What stands in square brackets, trimmed.
    Window(String),
    Sign(&'static str),
}

/// Longer signs stand before their beginnings.
const SIGNS: [&str; 20] = [
    "==", "!=", "=~", "!~", "<=", ">=", "(", ")", "{", "}", ",", "+", "-", "*", "/", "%", "^", "@",
    "<", ">",
];
const EQUALS: &str = "=";

type Error = (Range<usize>, Fault);

fn syntax(span: Range<usize>, message: &str) -> Error {
    (span, Fault::Syntax(message.to_owned()))
}

/// Takes a query apart; comments and blanks are left out.
pub(super) fn tokens(query: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = query[at..].chars().next() {
        let rest = &query[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if c == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
        } else {
            let (length, kind) = token(rest, at)?;
            tokens.push(Token { span: at..at + length, kind });
            at += length;
        }
    }
    Ok(tokens)
}

/// The word or sign at the start of `rest`, which stands at byte `at` of the query.
fn token(rest: &str, at: usize) -> Result<(usize, Kind), Error> {
    let first = rest.chars().next().unwrap_or_default();
    let next_is_digit = rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
    if first.is_ascii_alphabetic() || matches!(first, '_' | ':') {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')));
        return Ok((end.unwrap_or(rest.len()), Kind::Word));
    }
    if first.is_ascii_digit() || (first == '.' && next_is_digit) {
        return number(rest, at);
    }
    if matches!(first, '"' | '\'' | '`') {
        return text(rest, first, at);
    }
    if first == '[' {
        let end = rest.find(']');
        let end = end.ok_or_else(|| syntax(at..at + 1, "this bracket is not closed"))?;
        return Ok((end + 1, Kind::Window(rest[1..end].trim().to_owned())));
    }
    let sign = SIGNS.into_iter().chain([EQUALS]).find(|sign| rest.starts_with(sign));
    let sign = sign
        .ok_or_else(|| syntax(at..at + first.len_utf8(), "this sign has no meaning in PromQL"))?;
    Ok((sign.len(), Kind::Sign(sign)))
}

/// Decimal, with an exponent, hexadecimal, or a length of time.
fn number(rest: &str, at: usize) -> Result<(usize, Kind), Error> {
    let mut end = 0;
    for (index, c) in rest.char_indices() {
        let signed = matches!(c, '+' | '-')
            && rest[..index].ends_with(['e', 'E'])
            && !rest.starts_with("0x")
            && !rest.starts_with("0X");
        if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || signed) {
            break;
        }
        end = index + c.len_utf8();
    }
    let digits = rest[..end].replace('_', "");
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let value = match hexadecimal {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|value| value as f64),
        None => digits.parse().ok().or_else(|| seconds(&digits)),
    };
    let value = value.ok_or_else(|| syntax(at..at + end, "this is no number"))?;
    Ok((end, Kind::Number(value)))
}

/// A length of time such as `1h30m` in seconds, which Prometheus 3 takes for a number.
fn seconds(text: &str) -> Option<f64> {
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let (count, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            "y" => 31_536_000.0,
            _ => return None,
        };
        sum += count.parse::<f64>().ok()? * unit;
        rest = after;
    }
    Some(sum)
}

/// A text in quotes; backslashes escape as in Go, but not between backticks.
fn text(rest: &str, quote: char, at: usize) -> Result<(usize, Kind), Error> {
    let unclosed = || syntax(at..at + rest.len(), "this text has no closing quote");
    let mut value = Vec::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        if c == quote {
            let value = String::from_utf8(value)
                .map_err(|_| syntax(at..at + index + 1, "this text is not UTF-8"))?;
            return Ok((index + 1, Kind::Text(value)));
        }
        if c != '\\' || quote == '`' {
            value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let (_, escape) = chars.next().ok_or_else(unclosed)?;
        let wrong = || syntax(at + index..at + index + 1 + escape.len_utf8(), "no such escape");
        let (radix, digits, is_byte) = match escape {
            'x' => (16, 2, true),
            'u' => (16, 4, false),
            'U' => (16, 8, false),
            '0'..='7' => (8, 3, true),
            other => {
                value.push(plain_escape(other).ok_or_else(wrong)?);
                continue;
            }
        };
        let start = if radix == 8 { index + 1 } else { index + 2 };
        let number = rest.get(start..start + digits);
        let number = number.and_then(|digits| u32::from_str_radix(digits, radix).ok());
        let number = number.ok_or_else(wrong)?;
        if is_byte {
            value.push(u8::try_from(number).map_err(|_| wrong())?);
        } else {
            let decoded = char::from_u32(number).ok_or_else(wrong)?;
            value.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
        }
        for _ in 0..start + digits - (index + 2) {
            chars.next();
        }
    }
    Err(unclosed())
}

/// The byte of an escape of one letter.
const fn plain_escape(letter: char) -> Option<u8> {
    Some(match letter {
        'a' => 7,
        'b' => 8,
        't' => b'\t',
        'n' => b'\n',
        'v' => 11,
        'f' => 12,
        'r' => b'\r',
        '\\' => b'\\',
        '"' => b'"',
        '\'' => b'\'',
        _ => return None,
    })
}
