//! What a value written as bare text means: the rules shared by CSV and access logs.
//!
//! Formats without types leave it to the reader to tell a number from a text that looks like one.
//! A text becomes a number only if numbers are written so. `007`, `+5` and `1_000` stay text: they
//! are more likely codes; so do `12e45` and what no number can hold, which are more likely parts of
//! an identifier: programs write exponents with a point or a sign (`1e-05`, `1.5E3`).

use crate::batch::{BatchBuilder, ColumnId, Role};
use crate::time::TimeReader;

/// A value and its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Inferred {
    /// Nothing was written.
    Absent,
    Bool(bool),
    Int(i64),
    /// Not a 64-bit integer.
    Float(f64),
    Text,
}

/// Tells the type of `text`: empty is absence, `true` and `false` (also capitalised or in capitals)
/// are truth values, decimal numbers without leading zeros or a plus sign are numbers.
pub(crate) fn infer(text: &str) -> Inferred {
    let bytes = text.as_bytes();
    match bytes.first() {
        None => Inferred::Absent,
        Some(b'-' | b'0'..=b'9') => number(text),
        Some(b't' | b'T' | b'f' | b'F') => match text {
            "true" | "True" | "TRUE" => Inferred::Bool(true),
            "false" | "False" | "FALSE" => Inferred::Bool(false),
            _ => Inferred::Text,
        },
        Some(_) => Inferred::Text,
    }
}

fn number(text: &str) -> Inferred {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if whole == 0 || (whole > 1 && digits[0] == b'0') {
        return Inferred::Text;
    }
    let mut rest = &digits[whole..];
    if rest.is_empty() {
        return match text.parse() {
            Ok(int) => Inferred::Int(int),
            Err(_) => double(text),
        };
    }
    let mut has_point = false;
    if let [b'.', after @ ..] = rest {
        let fraction = after.iter().take_while(|b| b.is_ascii_digit()).count();
        if fraction == 0 {
            return Inferred::Text;
        }
        rest = &after[fraction..];
        has_point = true;
    }
    if let [b'e' | b'E', after @ ..] = rest {
        let after = match after {
            [b'+' | b'-', digits @ ..] => digits,
            _ if has_point => after,
            _ => return Inferred::Text,
        };
        if after.is_empty() || !after.iter().all(u8::is_ascii_digit) {
            return Inferred::Text;
        }
        rest = &[];
    }
    if !rest.is_empty() {
        return Inferred::Text;
    }
    double(text)
}

fn double(text: &str) -> Inferred {
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .map_or(Inferred::Text, Inferred::Float)
}

/// Sets `text` in `column` with the type it has by [`infer`].
pub(crate) fn set_inferred(batch: &mut BatchBuilder, column: ColumnId, text: &str) {
    match infer(text) {
        Inferred::Absent => {}
        Inferred::Bool(value) => batch.set_bool(column, value),
        Inferred::Int(value) => batch.set_int(column, value),
        Inferred::Float(value) => batch.set_written(column, value, text),
        Inferred::Text => batch.set_text(column, text),
    }
}

/// Sets `text` where `role` says, inferring the type of an attribute.
pub(crate) fn set_role(batch: &mut BatchBuilder, times: &mut TimeReader, role: Role, text: &str) {
    match role {
        Role::Skip => {}
        Role::Attribute(column) => set_inferred(batch, column, text),
        Role::Time { rank, column } => {
            if let Some(nanos) = times.text(text.as_bytes()) {
                batch.set_time(rank, nanos);
            }
            if let Some(column) = column {
                set_inferred(batch, column, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_back_as_itself_is_a_number() {
        for (text, expected) in [
            ("", Inferred::Absent),
            ("0", Inferred::Int(0)),
            ("-12", Inferred::Int(-12)),
            ("9223372036854775807", Inferred::Int(i64::MAX)),
            ("9223372036854775808", Inferred::Float(9_223_372_036_854_775_808.0)),
            ("0.5", Inferred::Float(0.5)),
            ("-1.5e3", Inferred::Float(-1500.0)),
            ("1.5E3", Inferred::Float(1500.0)),
            ("1e-05", Inferred::Float(1e-5)),
            ("true", Inferred::Bool(true)),
            ("FALSE", Inferred::Bool(false)),
        ] {
            assert_eq!(infer(text), expected, "{text}");
        }
        for text in [
            "007",
            "+5",
            "1_000",
            "1.",
            ".5",
            "1e",
            "1e+",
            "-",
            "--1",
            "NaN",
            "inf",
            "0x1",
            "1 ",
            "tru",
            "00.5",
            "12e45",
            "0e0",
            "12e4567890123456",
            "1e+400",
        ] {
            assert_eq!(infer(text), Inferred::Text, "{text}");
        }
    }
}
