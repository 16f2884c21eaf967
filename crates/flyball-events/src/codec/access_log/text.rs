//! Text of a field: escapes decoded, bytes that are no UTF-8 shown.
//!
//! Apache and nginx write what they cannot print as `\xHH`, and quotes as `\"` or `\x22`. The
//! bytes so written are decoded; where they (or raw bytes of the line) are not UTF-8, they are
//! shown as `\xHH` again. So a text stays readable, nothing is dropped, and no event is refused for
//! what a stranger put into a request.

use std::fmt::Write;

/// Decodes `raw`; `bytes` and `out` are room that is kept from call to call.
pub(super) fn decode<'a>(raw: &'a [u8], bytes: &mut Vec<u8>, out: &'a mut String) -> &'a str {
    if memchr::memchr(b'\\', raw).is_none()
        && let Ok(text) = simdutf8::basic::from_utf8(raw)
    {
        return text;
    }
    unescape(raw, bytes);
    out.clear();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn unescape(raw: &[u8], bytes: &mut Vec<u8>) {
    bytes.clear();
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..at]);
        let (decoded, len) = match &rest[at + 1..] {
            [b'x' | b'X', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'\\', 1),
            },
            [b'"', ..] => (b'"', 2),
            [b'\\', ..] => (b'\\', 2),
            [b'n', ..] => (b'\n', 2),
            [b't', ..] => (b'\t', 2),
            [b'r', ..] => (b'\r', 2),
            [b'b', ..] => (0x08, 2),
            [b'v', ..] => (0x0B, 2),
            [b'f', ..] => (0x0C, 2),
            // No escape of either server: the backslash stands for itself.
            _ => (b'\\', 1),
        };
        bytes.push(decoded);
        rest = &rest[at + len..];
    }
    bytes.extend_from_slice(rest);
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_what_is_no_text_is_shown() {
        for (raw, expected) in [
            (&b"plain"[..], "plain"),
            (b"a\\\"b\\\\c", "a\"b\\c"),
            (b"\\x22\\t\\n", "\"\t\n"),
            (b"caf\\xc3\\xa9", "café"),
            (b"caf\xc3\xa9", "café"),
            (b"\\x16\\x03\\xff", "\u{16}\u{3}\\xff"),
            (b"raw \xff\xfe", "raw \\xff\\xfe"),
            (b"\\q \\x4 \\", "\\q \\x4 \\"),
        ] {
            assert_eq!(decode(raw, &mut Vec::new(), &mut String::new()), expected);
        }
    }
}
