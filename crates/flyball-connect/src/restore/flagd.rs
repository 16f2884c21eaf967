//! Flags in the file that flagd reads.
//!
//! A flag whose `state` is `DISABLED` is to flagd as if it did not exist, so that callers get the default in
//! their code, which may well be on. So switching a flag off makes its default variant the one that is off,
//! clears its targeting, and enables it. Only these values are replaced: every other byte of the file stays as
//! it is.
//!
//! Source: flagd's documentation, "Flag Definitions"; `json/flags.json` of open-feature/flagd-schemas.

use std::ops::Range;

use flyball_govern::restore::Edit;
use serde_json::{Map, Value, json};

/// The most names that a hint lists.
const LISTED_MAX: usize = 10;

/// A file in which a flag is off.
#[derive(Debug, Clone, PartialEq)]
pub struct SwitchedOff {
    /// The file's text.
    pub text: String,
    /// What differs from before; nothing where the flag was off.
    pub edits: Vec<Edit>,
}

/// Why a flag cannot be switched off in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// The file is no JSON.
    #[error("it is no JSON: {0}; hint: mend the file")]
    Json(String),
    /// The file has no flags.
    #[error("it has no object `flags`; hint: flagd reads {{\"flags\": {{NAME: …}}}}")]
    NoFlags,
    /// There is no such flag.
    #[error("it has no flag `{flag}`; hint: it has {known}")]
    Unknown {
        /// The flag.
        flag: String,
        /// Those that it has.
        known: String,
    },
    /// What is there is no flag.
    #[error("what it says of `{flag}` is no flag; hint: a flag has an object `variants`")]
    NoFlag {
        /// The flag.
        flag: String,
    },
    /// The variant that is to be off is none of the flag's.
    #[error("the flag `{flag}` has no variant `{off}`; hint: it has {known}")]
    UnknownOff {
        /// The flag.
        flag: String,
        /// The variant.
        off: String,
        /// Those that it has.
        known: String,
    },
    /// Nothing says which variant is off.
    #[error(
        "which variant of `{flag}` is off is not clear; hint: name it as `off:` in the action, of {known}"
    )]
    Ambiguous {
        /// The flag.
        flag: String,
        /// Its variants.
        known: String,
    },
}

/// Switches `flag` off in the text of a file: its default variant becomes `off`, else the only one that is
/// `false`, else the one that is called `off`.
///
/// # Errors
///
/// [`FlagError`].
pub fn switch_off(text: &str, flag: &str, off: Option<&str>) -> Result<SwitchedOff, FlagError> {
    let document: Value =
        serde_json::from_str(text).map_err(|error| FlagError::Json(error.to_string()))?;
    let flags = document["flags"].as_object().ok_or(FlagError::NoFlags)?;
    let flag_name = flag.to_owned();
    let Some(found) = flags.get(flag) else {
        return Err(FlagError::Unknown { flag: flag_name, known: listed(flags) });
    };
    let no_flag = || FlagError::NoFlag { flag: flag.to_owned() };
    let variants = found["variants"].as_object().ok_or_else(no_flag)?;
    let off = variant(flag, variants, off)?;
    let mut edits = Vec::new();
    let mut wanted = |name: &'static str, to: Value| {
        let pointer = format!("/flags/{}/{name}", flag.replace('~', "~0").replace('/', "~1"));
        edits.push((name, Edit { pointer, from: found[name].clone(), to }));
    };
    if found["state"] == "DISABLED" {
        wanted("state", json!("ENABLED"));
    }
    if found["defaultVariant"] != *off {
        wanted("defaultVariant", json!(off));
    }
    let has_targeting = match &found["targeting"] {
        Value::Null => false,
        Value::Object(rules) => !rules.is_empty(),
        _ => true,
    };
    if has_targeting {
        wanted("targeting", json!({}));
    }
    let place = member(text, 0, "flags").and_then(|flags| member(text, flags.start, flag));
    let place = place.ok_or_else(no_flag)?;
    let mut spliced: Vec<(Range<usize>, String)> = edits
        .iter()
        .map(|(name, edit)| {
            // Behind the brace that opens the flag, which has variants at least.
            let at = place.start + 1;
            let added = || (at..at, format!("\"{name}\": {}, ", edit.to));
            let value = member(text, place.start, name);
            value.map_or_else(added, |value| (value, edit.to.to_string()))
        })
        .collect();
    spliced.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = text.to_owned();
    for (range, with) in spliced {
        text.replace_range(range, &with);
    }
    Ok(SwitchedOff { text, edits: edits.into_iter().map(|(_, edit)| edit).collect() })
}

/// Which of `variants` is off.
fn variant(
    flag: &str,
    variants: &Map<String, Value>,
    off: Option<&str>,
) -> Result<String, FlagError> {
    let (flag, known) = (flag.to_owned(), listed(variants));
    if let Some(off) = off {
        let off = off.to_owned();
        if variants.contains_key(&off) {
            return Ok(off);
        }
        return Err(FlagError::UnknownOff { flag, off, known });
    }
    let mut are_false = variants.iter().filter(|(_, value)| **value == Value::Bool(false));
    match (are_false.next(), are_false.next()) {
        (Some((name, _)), None) => Ok(name.clone()),
        (None, _) if variants.contains_key("off") => Ok("off".to_owned()),
        _ => Err(FlagError::Ambiguous { flag, known }),
    }
}

/// The first names of an object, for people.
fn listed(object: &Map<String, Value>) -> String {
    let names: Vec<String> =
        object.keys().take(LISTED_MAX).map(|name| format!("`{name}`")).collect();
    match (names.is_empty(), object.len().saturating_sub(LISTED_MAX)) {
        (true, _) => "none".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// Where the value of `name` stands in the object at `object` of a text that is JSON; the last one where a name
/// is there twice, as parsers take it.
fn member(text: &str, object: usize, name: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = space(bytes, object);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let mut found = None;
    loop {
        let key = space(bytes, at + 1);
        if bytes.get(key) != Some(&b'"') {
            return found;
        }
        let key_end = value(bytes, key);
        let start = space(bytes, space(bytes, key_end) + 1);
        let end = value(bytes, start);
        let said: Option<String> = serde_json::from_str(text.get(key..key_end)?).ok();
        if said.as_deref() == Some(name) {
            found = Some(start..end);
        }
        at = space(bytes, end);
        if bytes.get(at) != Some(&b',') {
            return found;
        }
    }
}

/// The first byte at or behind `at` that is no white space.
fn space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The end of the value that begins at `at`.
fn value(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes.get(at) == Some(&b'\\') { 2 } else { 1 };
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            // A number or a word: it ends where something else begins.
            _ if depth == 0 => {
                let is_part = |byte: &u8| !matches!(byte, b',' | b'}' | b']' | b':');
                while bytes.get(at).is_some_and(|it| is_part(it) && !it.is_ascii_whitespace()) {
                    at += 1;
                }
                return at;
            }
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    at
}
