//! Tells formats apart by what an input begins with, then by its name.
//!
//! Content comes first because names lie (`access.log.1`, `events.txt`). A whole line decides where
//! there is one: it must be what a codec would accept, so that a wrong guess cannot refuse a file
//! line by line.

use std::path::Path;
use std::sync::Arc;

use super::{Format, parse};
use crate::batch::{BatchBuilder, Projection, TimeRule};
use crate::codec::access_log::AccessLogCodec;
use crate::codec::csv::CsvOptions;
use crate::codec::otlp::protobuf;
use crate::codec::{Decoded, LineCodec};

/// Lines that are tried on log formats; the first may be noise.
const LINES_TRIED: usize = 8;

/// Bytes of a line that is tried: a longer one is no help.
const LINE_BYTES_TRIED: usize = 8 << 10;

/// The access log formats that are told apart, the ones with more fields first: `common` would
/// not accept the others, but the others' fields must not be lost.
const LOGS: &[&str] = &["vhost-combined", "nginx-main", "combined", "common"];

pub(super) fn detect(name: &str, head: &[u8]) -> Option<Format> {
    by_content(head).or_else(|| by_name(name))
}

fn by_content(head: &[u8]) -> Option<Format> {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let text = head.trim_ascii_start();
    if head.starts_with(b"PAR1") {
        return Some(Format::Parquet);
    }
    if text.first() == Some(&b'{') {
        return Some(if is_otlp(text) { Format::OtlpJson } else { Format::Ndjson });
    }
    // An array of objects is refused with what to do, which needs its codec.
    if text.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{")) {
        return Some(Format::Ndjson);
    }
    if protobuf::looks_like(head) {
        return Some(Format::OtlpProto);
    }
    let lines: Vec<&[u8]> = text
        .split(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty() && line.len() <= LINE_BYTES_TRIED)
        .take(LINES_TRIED)
        .collect();
    LOGS.iter().find_map(|log| accepts_most(log, &lines)).or_else(|| csv(&lines))
}

/// Whether the first key of a JSON object is one of OTLP's: requests have no other.
fn is_otlp(object: &[u8]) -> bool {
    let key = object[1..].trim_ascii_start();
    let Some(key) = key.strip_prefix(b"\"") else { return false };
    [
        &b"resourceSpans\""[..],
        b"resourceLogs\"",
        b"resourceMetrics\"",
        b"resource_spans\"",
        b"resource_logs\"",
        b"resource_metrics\"",
    ]
    .iter()
    .any(|name| key.starts_with(name))
}

/// The log format `name`, if most of `lines` are of it.
fn accepts_most(name: &str, lines: &[&[u8]]) -> Option<Format> {
    let format = parse::parse(name).ok()??;
    let Format::AccessLog { format: compiled, .. } = &format else { return None };
    let mut codec = AccessLogCodec::new(Arc::clone(compiled));
    let mut batch =
        BatchBuilder::new(Projection::Only(Vec::new()), Arc::default(), TimeRule::Required, None);
    let mut decoded = Decoded::default();
    for line in lines {
        codec.decode(line, &mut batch, &mut decoded);
    }
    (decoded.events > 0 && decoded.events * 2 >= decoded.lines).then_some(format)
}

/// CSV or TSV, if the first line is a header: two or more names, no number, and the next line has
/// as many fields.
fn csv(lines: &[&[u8]]) -> Option<Format> {
    let header = std::str::from_utf8(lines.first()?).ok()?.trim_end();
    [b',', b'\t', b';'].into_iter().find_map(|delimiter| {
        let names: Vec<&str> = header.split(char::from(delimiter)).map(trim_quotes).collect();
        let fits = |name: &&str| {
            name.chars().next().is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '@'))
                && !name.contains(['{', '}', '"', '='])
        };
        let same = lines.get(1).is_none_or(|line| count_fields(line, delimiter) == names.len());
        let options = CsvOptions { delimiter, ..CsvOptions::default() };
        (names.len() > 1 && names.iter().all(fits) && same).then(|| Format::Csv(Arc::new(options)))
    })
}

fn trim_quotes(name: &str) -> &str {
    name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name)
}

/// Fields of a line; a line that ends within quotes is taken to have the rest on the next ones,
/// and counts as fitting by having at most so many.
fn count_fields(line: &[u8], delimiter: u8) -> usize {
    let mut quoted = false;
    let mut count = 1;
    for byte in line {
        match byte {
            b'"' => quoted = !quoted,
            byte if *byte == delimiter && !quoted => count += 1,
            _ => {}
        }
    }
    count
}

fn by_name(name: &str) -> Option<Format> {
    let path = Path::new(name);
    let mut path = path.file_name().map(Path::new)?;
    if path.extension().is_some_and(|ext| ["gz", "zst", "zstd"].iter().any(|z| ext == *z)) {
        path = Path::new(path.file_stem()?);
    }
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let name = match &*extension {
        "ndjson" | "jsonl" | "json" => "ndjson",
        "csv" => "csv",
        "tsv" | "tab" => "tsv",
        "pb" | "otlp" => "otlp-proto",
        "parquet" | "pq" => "parquet",
        _ => return None,
    };
    parse::parse(name).ok()?
}
