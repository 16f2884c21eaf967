//! What a plain scalar means, and where YAML 1.1 and 1.2 disagree about it.
//!
//! We read YAML 1.2's core schema. Many tools that share these files read YAML 1.1, in which `no`
//! is a boolean, `010` is eight and `1:30` is ninety: such scalars are named as traps, so that
//! the same file means the same everywhere.
//!
//! Source: YAML 1.2.2 section 10.3; YAML 1.1 types `bool`, `int`, `float`.

use super::node::{Scalar, ScalarForm};

/// The meaning of a scalar in YAML 1.2's core schema, restricted to decimal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Number,
    Text,
}

/// A plain scalar that YAML 1.1 reads otherwise than YAML 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trap {
    /// `yes`, `no`, `on`, `off`, `y`, `n`.
    Bool(bool),
    /// `010`: 8 in YAML 1.1, 10 in YAML 1.2; also `0o10`, `0x1F`, `0b1`.
    Radix,
    /// `1:30`: 90 in YAML 1.1, text in YAML 1.2.
    Sexagesimal,
    /// `1_000`: a number in YAML 1.1, text in YAML 1.2.
    Underscore,
}

/// What the scalar means where the field does not say.
pub(crate) fn meaning(scalar: &Scalar) -> Meaning {
    if scalar.form != ScalarForm::Plain {
        return Meaning::Text;
    }
    match scalar.text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        text if number(text) => Meaning::Number,
        _ => Meaning::Text,
    }
}

/// True for a decimal number: sign, digits, fraction, exponent.
pub(crate) fn number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_ok = exponent.is_none_or(|exponent| {
        let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !power.is_empty() && digits(power)
    });
    !(whole.is_empty() && fraction.is_empty()) && digits(whole) && digits(fraction) && exponent_ok
}

/// How YAML 1.1 would misread this scalar; `None` when both agree.
pub(crate) fn trap(scalar: &Scalar) -> Option<Trap> {
    if scalar.form != ScalarForm::Plain {
        return None;
    }
    trap_of_text(&scalar.text)
}

/// As [`trap`], for a plain text such as a key.
pub(crate) fn trap_of_text(text: &str) -> Option<Trap> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Some(Trap::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Some(Trap::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let first = unsigned.bytes().next()?;
    if !first.is_ascii_digit() {
        return None;
    }
    let all = |text: &str, allowed: fn(&u8) -> bool| text.bytes().all(|b| allowed(&b));
    if let Some(rest) = unsigned.strip_prefix('0')
        && !rest.is_empty()
    {
        let octal = all(rest, u8::is_ascii_digit);
        let prefixed = rest
            .strip_prefix(['x', 'o', 'b'])
            .is_some_and(|digits| !digits.is_empty() && all(digits, u8::is_ascii_hexdigit));
        if octal || prefixed {
            return Some(Trap::Radix);
        }
    }
    // A clock such as 12:30 has parts below sixty; `12:30:00Z` or a date is no number in either.
    let parts: Vec<&str> = unsigned.split(':').collect();
    if parts.len() > 1
        && parts.iter().enumerate().all(|(index, part)| {
            !part.is_empty()
                && all(part, u8::is_ascii_digit)
                && (index == 0 || (part.len() <= 2 && part.parse::<u8>().is_ok_and(|n| n < 60)))
        })
    {
        return Some(Trap::Sexagesimal);
    }
    if unsigned.contains('_') && number(&unsigned.replace('_', "")) {
        return Some(Trap::Underscore);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.to_owned(), form: ScalarForm::Plain }
    }

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        for (text, expected) in [
            ("", Meaning::Null),
            ("~", Meaning::Null),
            ("true", Meaning::Bool(true)),
            ("False", Meaning::Bool(false)),
            ("12", Meaning::Number),
            ("-.5", Meaning::Number),
            ("1e-5", Meaning::Number),
            ("1e", Meaning::Text),
            (".", Meaning::Text),
            ("0x10", Meaning::Text),
            (".inf", Meaning::Text),
            ("no", Meaning::Text),
            ("5m", Meaning::Text),
        ] {
            assert_eq!(meaning(&plain(text)), expected, "{text}");
        }
        let quoted = Scalar { text: "true".into(), form: ScalarForm::Quoted };
        assert_eq!(meaning(&quoted), Meaning::Text);
    }

    #[test]
    fn yaml_1_1_surprises_are_named() {
        for (text, expected) in [
            ("no", Some(Trap::Bool(false))),
            ("On", Some(Trap::Bool(true))),
            ("y", Some(Trap::Bool(true))),
            ("010", Some(Trap::Radix)),
            ("0x1F", Some(Trap::Radix)),
            ("1:30", Some(Trap::Sexagesimal)),
            ("12:30:45", Some(Trap::Sexagesimal)),
            ("1:75", None),
            ("2022-01-01 12:00:00", None),
            ("1_000", Some(Trap::Underscore)),
            ("0", None),
            ("0.5", None),
            ("north", None),
            ("nO", None),
        ] {
            assert_eq!(trap(&plain(text)), expected, "{text}");
        }
    }
}
