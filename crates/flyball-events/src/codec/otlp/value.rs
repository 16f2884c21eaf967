//! A value of an attribute or body, of either encoding.

use std::borrow::Cow;
use std::fmt::Write;

use super::Attribute;

/// OpenTelemetry's `AnyValue`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Any<'a> {
    /// Nothing was written.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Float(f64),
    Bytes(Cow<'a, [u8]>),
    List(Vec<Any<'a>>),
    Map(Vec<Attribute<'a>>),
}

/// A value that has no parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Leaf<'a> {
    Absent,
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Float(f64),
}

impl Any<'_> {
    /// The value if it is one of a column as it stands; `None` for bytes, lists and maps.
    pub(super) fn leaf(&self) -> Option<Leaf<'_>> {
        Some(match self {
            Self::Absent => Leaf::Absent,
            Self::Text(text) => Leaf::Text(text),
            Self::Bool(value) => Leaf::Bool(*value),
            Self::Int(value) => Leaf::Int(*value),
            Self::Float(value) => Leaf::Float(*value),
            Self::Bytes(_) | Self::List(_) | Self::Map(_) => return None,
        })
    }

    /// Appends the value as the text of a column: JSON for lists and maps, base64 for bytes.
    pub(super) fn write_text(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Bytes(bytes) => base64(bytes, out),
            other => other.write_json(out),
        }
    }

    /// Appends the value as JSON.
    pub(super) fn write_json(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Absent => write!(out, "null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) => write!(out, "{value}"),
            Self::Float(value) if value.is_finite() => write!(out, "{value:?}"),
            Self::Float(value) => write!(out, "\"{value}\""),
            Self::Text(text) => {
                json_string(text, out);
                Ok(())
            }
            Self::Bytes(bytes) => {
                out.push('"');
                base64(bytes, out);
                out.push('"');
                Ok(())
            }
            Self::List(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write_json(out);
                }
                out.push(']');
                Ok(())
            }
            Self::Map(entries) => {
                out.push('{');
                for (index, (name, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    json_string(name, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
                Ok(())
            }
        };
    }
}

fn json_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends `bytes` in base64, padded (RFC 4648, section 4).
fn base64(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for index in 0..4 {
            let six = (bits >> (18 - 6 * index)) & 0x3F;
            let digit = if index <= chunk.len() { BASE64[six as usize] } else { b'=' };
            out.push(char::from(digit));
        }
    }
}

/// Reads base64, in the usual or the URL alphabet, padded or not; `None` when it is none.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        if chunk.len() == 1 {
            return None;
        }
        let mut bits = 0_u32;
        for index in 0..4 {
            let six = match chunk.get(index) {
                None => 0,
                Some(b'-') => 62,
                Some(b'_') => 63,
                Some(digit) => BASE64.iter().position(|d| d == digit)?,
            };
            bits = bits << 6 | u32::try_from(six).ok()?;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_test_vectors_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = String::new();
            base64(plain.as_bytes(), &mut out);
            assert_eq!(out, encoded);
            assert_eq!(from_base64(encoded).unwrap(), plain.as_bytes());
        }
        assert_eq!(from_base64("A"), None);
        assert_eq!(from_base64("Zm9%"), None);
    }

    #[test]
    fn json_of_every_kind() {
        let value = Any::Map(vec![
            ("a\"".into(), Any::List(vec![Any::Int(1), Any::Float(2.0), Any::Float(f64::NAN)])),
            ("b".into(), Any::Text("\u{1}\n".into())),
            ("c".into(), Any::Absent),
            ("d".into(), Any::Bytes(b"f".as_slice().into())),
        ]);
        let mut out = String::new();
        value.write_json(&mut out);
        assert_eq!(out, r#"{"a\"":[1,2.0,"NaN"],"b":"\u0001\n","c":null,"d":"Zg=="}"#);
    }
}
