//! The codec against `serde_json` and against the naive way of filling a batch.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::*;

/// A value together with the choices of how it is written.
#[derive(Debug, Clone)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Bits of style: which spaces are written, whether strings are escaped more than needed.
#[derive(Debug, Clone, Copy)]
struct Style(u8);

impl Style {
    fn space(self, bit: u8) -> &'static str {
        if self.0 & (1 << bit) == 0 { "" } else { [" ", "\t", "  ", "\r"][usize::from(bit & 3)] }
    }

    fn string(self, text: &str, out: &mut String) {
        if self.0 & 0x80 == 0 {
            out.push_str(&serde_json::to_string(text).unwrap());
            return;
        }
        out.push('"');
        for unit in text.encode_utf16() {
            write!(out, "\\u{unit:04x}").unwrap();
        }
        out.push('"');
    }

    fn write(self, json: &Json, out: &mut String) {
        match json {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => write!(out, "{value}").unwrap(),
            Json::Number(text) => out.push_str(text),
            Json::Text(text) => self.string(text, out),
            Json::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(self.space(0));
                    self.write(item, out);
                    out.push_str(self.space(1));
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(self.space(2));
                    self.string(key, out);
                    out.push_str(self.space(3));
                    out.push(':');
                    out.push_str(self.space(4));
                    self.write(value, out);
                    out.push_str(self.space(5));
                }
                out.push('}');
            }
        }
    }
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (0_u16..1_000).prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,25})",
        "-?(0|[1-9][0-9]{0,12})\\.[0-9]{1,12}",
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?[eE][+-]?[0-9]{1,3}",
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| format!("{f:?}")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,3}", "\\PC{0,12}", any::<String>(), "[x\\\\\"/\n]{0,80}"]
}

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::Bool),
        3 => number().prop_map(Json::Number),
        3 => text().prop_map(Json::Text),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "c", "status", "duration_ms", "service.name"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["", ".", "a.b", "\u{e9}", "q\"", "x\\y", "\u{1F600}"])
            .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    leaf().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((key(), inner), 0..5).prop_map(Json::Object),
        ]
    })
}

/// Lines of a few sources: each has its keys and its style, values differ from line to line.
fn lines() -> impl Strategy<Value = Vec<(Json, Style)>> {
    let source = (prop::collection::vec(key(), 0..6), any::<u8>());
    (prop::collection::vec(source, 1..4), 0_usize..30).prop_flat_map(|(sources, count)| {
        let line = prop::sample::select(sources).prop_flat_map(|(keys, style)| {
            let values = prop::collection::vec(value(), keys.len());
            values.prop_map(move |values| {
                (Json::Object(keys.iter().cloned().zip(values).collect()), Style(style))
            })
        });
        prop::collection::vec(line, count)
    })
}

fn flatten<'a>(prefix: &str, json: &'a Json, out: &mut Vec<(String, &'a Json)>) {
    let Json::Object(members) = json else { return };
    for (key, value) in members {
        let name = format!("{prefix}{key}");
        match value {
            Json::Object(_) => flatten(&format!("{name}."), value, out),
            _ => out.push((name, value)),
        }
    }
}

/// The naive way: a tree a line, a look-up of the role a value.
fn naive(batch: &mut BatchBuilder, json: &Json, style: Style) {
    let mut leaves = Vec::new();
    flatten("", json, &mut leaves);
    for (name, value) in leaves {
        let Role::Attribute(column) = batch.role(&name) else { continue };
        match value {
            Json::Null | Json::Object(_) => {}
            Json::Bool(value) => batch.set_bool(column, *value),
            Json::Text(text) => batch.set_text(column, text),
            Json::Number(text) => match text.parse::<i64>() {
                Ok(int) => batch.set_int(column, int),
                Err(_) => batch.set_float(column, text.parse().unwrap(), text),
            },
            Json::Array(_) => {
                let mut text = String::new();
                style.write(value, &mut text);
                batch.set_text(column, &text);
            }
        }
    }
    assert!(batch.end_row());
}

fn write_lines(lines: &[(Json, Style)]) -> Vec<String> {
    let write = |(json, style): &(Json, Style)| {
        let mut line = style.space(6).to_owned();
        style.write(json, &mut line);
        line.push_str(style.space(1));
        line.push('\n');
        line
    };
    lines.iter().map(write).collect()
}

/// What `serde_json` makes of a line, duplicate keys kept.
struct Read(Json);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tree;
        impl<'de> Visitor<'de> for Tree {
            type Value = Json;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Number(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Number(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
                Ok(Json::Number(format!("{value:?}")))
            }
            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Text(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(Read(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::Array(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some((key, Read(value))) = map.next_entry::<String, Read>()? {
                    members.push((key, value));
                }
                Ok(Json::Object(members))
            }
        }
        deserializer.deserialize_any(Tree).map(Read)
    }
}

/// One row as text, by column.
fn row(batch: &RecordBatch, row: usize) -> BTreeMap<String, String> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .filter(|(_, array)| array.is_valid(row))
        .map(|(field, array)| (field.name().clone(), array_value_to_string(array, row).unwrap()))
        .collect()
}

/// The values of a line as `serde_json` reads them, the first that is not null a name.
fn serde_row(json: &Json) -> BTreeMap<String, &Json> {
    let mut leaves = Vec::new();
    flatten("", json, &mut leaves);
    let mut row = BTreeMap::new();
    for (name, value) in leaves {
        if !matches!(value, Json::Null) {
            row.entry(name).or_insert(value);
        }
    }
    row
}

/// Equal but for the last bits, which `serde_json` leaves to chance unless asked not to; that ours
/// are right is checked against the standard library where numbers are read.
fn is_about(ours: f64, theirs: f64) -> bool {
    // Numbers near the smallest have few bits left, of which the last few are such as well.
    let room = 4.0 * f64::EPSILON * ours.abs().max(theirs.abs()) + 1e-315;
    ours == theirs || (ours - theirs).abs() <= room
}

fn check_row(found: &BTreeMap<String, String>, expected: &BTreeMap<String, &Json>, line: &str) {
    for (name, value) in expected {
        let text = found.get(name).or_else(|| found.get(&format!("{name}~text")));
        let text = text.unwrap_or_else(|| panic!("{name} is missing of {line}"));
        let same = match value {
            Json::Bool(value) => *text == value.to_string(),
            Json::Text(value) => text == value,
            Json::Number(value) => {
                text.parse::<i64>().ok().zip(value.parse::<i64>().ok()).map_or_else(
                    || is_about(text.parse().unwrap(), value.parse().unwrap()),
                    |(a, b)| a == b,
                )
            }
            Json::Array(_) => {
                let Read(read) = serde_json::from_str(text).unwrap();
                format!("{read:?}") == format!("{value:?}")
            }
            Json::Null | Json::Object(_) => false,
        };
        assert!(same, "{name} is {text} and not {value:?} in {line}");
    }
    let twins = found.keys().filter(|name| name.ends_with(TWIN_SUFFIX)).count();
    assert!(found.len() <= expected.len() + twins, "too much of {line}: {found:?}");
}

/// Decodes `line` with a codec that has learnt and with a new one, and holds both against
/// `serde_json`.
fn check_line(learnt: &mut NdjsonCodec, learnt_batch: &mut BatchBuilder, line: &[u8]) {
    let shown = String::from_utf8_lossy(line).into_owned();
    let mut decoded = Decoded::default();
    learnt.decode(line, learnt_batch, &mut decoded);
    let again = learnt_batch.finish();
    let (batch, fresh) = decode(line);
    assert_eq!(decoded, fresh, "{shown}");
    assert_eq!(batch.num_rows(), again.num_rows());
    assert_eq!(fresh.lines, u64::from(!line.is_empty()));
    assert!(fresh.rejects.total() + fresh.events <= 1);
    if line.trim_ascii().is_empty() && !line.contains(&0x0C) {
        assert_eq!(fresh.rejects.total() + fresh.events, 0, "{shown}");
        return;
    }
    match serde_json::from_slice::<Read>(line) {
        Ok(Read(json @ Json::Object(_))) => {
            assert_eq!(fresh.events, 1, "refused: {shown} {:?}", fresh.rejects);
            let expected = serde_row(&json);
            check_row(&row(&batch, 0), &expected, &shown);
            assert_eq!(row(&batch, 0), row(&again, 0), "{shown}");
        }
        // Past a double: kept as text on purpose, and only if the rest is valid.
        Err(error) if error.to_string().starts_with("number out of range") => {}
        Ok(_) | Err(_) => assert_eq!(fresh.events, 0, "accepted: {shown}"),
    }
}

/// Bytes that matter to JSON, and some that do not belong.
const BYTES: &[u8] = b"\"\\{}[]:,.-+eE0123456789tfnul/u \t\r\x00\x1F\x7F\x80\xC3\xA9\xED\xFF";

#[derive(Debug, Clone)]
enum Mutation {
    Replace(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = || prop_oneof![3 => prop::sample::select(BYTES), 1 => any::<u8>()];
    prop_oneof![
        3 => (any::<usize>(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        3 => (any::<usize>(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        2 => (any::<usize>(), 1_usize..4).prop_map(|(at, len)| Mutation::Remove(at, len)),
        1 => (any::<usize>(), 1_usize..20).prop_map(|(at, len)| Mutation::Repeat(at, len)),
        1 => any::<usize>().prop_map(Mutation::Cut),
    ]
}

fn mutate(line: &mut Vec<u8>, mutation: &Mutation) {
    let at = |at: usize, line: &Vec<u8>| at % (line.len() + 1);
    match *mutation {
        Mutation::Replace(i, byte) => {
            let i = at(i, line);
            if let Some(old) = line.get_mut(i) {
                *old = byte;
            }
        }
        Mutation::Insert(i, byte) => line.insert(at(i, line), byte),
        Mutation::Remove(i, len) => {
            let i = at(i, line);
            let end = (i + len).min(line.len());
            line.drain(i..end);
        }
        Mutation::Repeat(i, len) => {
            let i = at(i, line);
            let piece = line[i..(i + len).min(line.len())].to_vec();
            line.splice(i..i, piece);
        }
        Mutation::Cut(i) => line.truncate(at(i, line)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn learnt_layouts_give_the_same_batch_as_a_tree_a_line(
        lines in lines(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4)
    ) {
        let written = write_lines(&lines);
        let mut expected = builder();
        for (json, style) in &lines {
            naive(&mut expected, json, *style);
        }
        // In several calls, as a file comes in chunks of whole lines.
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(lines.len() + 1)).collect();
        ends.push(lines.len());
        ends.sort_unstable();
        let (mut codec, mut batch, mut decoded) =
            (NdjsonCodec::new(), builder(), Decoded::default());
        let mut start = 0;
        for end in ends {
            codec.decode(written[start..end].concat().as_bytes(), &mut batch, &mut decoded);
            start = end;
        }
        prop_assert_eq!(decoded.rejects.total(), 0, "{:?}", decoded.rejects);
        prop_assert_eq!(decoded.events, lines.len() as u64);
        prop_assert_eq!(decoded.lines, lines.len() as u64);
        prop_assert_eq!(batch.finish(), expected.finish());
    }

    #[test]
    fn spoilt_lines_are_taken_and_refused_as_by_serde_json(
        lines in lines(), mutations in prop::collection::vec(prop::collection::vec(mutation(), 0..4), 30)
    ) {
        let mut codec = NdjsonCodec::new();
        let mut batch = builder();
        for (written, mutations) in write_lines(&lines).iter().zip(&mutations) {
            // Learn it, then meet it spoilt.
            check_line(&mut codec, &mut batch, written.as_bytes());
            let mut line = written.clone().into_bytes();
            for mutation in mutations {
                mutate(&mut line, mutation);
            }
            for line in line.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                check_line(&mut codec, &mut batch, line);
                check_line(&mut codec, &mut batch, &[line, b"\n"].concat());
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(
        prop_oneof![2 => prop::sample::select(BYTES), 1 => Just(b'\n'), 1 => any::<u8>()], 0..200
    )) {
        let (batch, decoded) = decode(&bytes);
        prop_assert_eq!(batch.num_rows() as u64, decoded.events);
        let lines = bytes.split_inclusive(|b| *b == b'\n').count();
        prop_assert_eq!(decoded.lines, lines as u64);
        let mut one_by_one = Decoded::default();
        let mut builder = builder();
        let mut codec = NdjsonCodec::new();
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            codec.decode(line, &mut builder, &mut one_by_one);
        }
        prop_assert_eq!(decoded, one_by_one);
    }
}
