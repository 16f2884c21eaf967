//! Names of formats as users give them.

use std::sync::Arc;

use super::{Format, FormatError};
use crate::codec::access_log::{COMBINED, COMMON, LogFormat, NGINX_MAIN, VHOST_COMBINED};
use crate::codec::csv::CsvOptions;

/// Other words for the same.
const ALIASES: &[(&str, &str)] = &[
    ("json", "ndjson"),
    ("jsonl", "ndjson"),
    ("json-lines", "ndjson"),
    ("clf", "common"),
    ("vhost_combined", "vhost-combined"),
    ("otlp", "otlp-json"),
    ("otlp-protobuf", "otlp-proto"),
];

const CSV_HINT: &str = "the options are `delimiter=` (a character, or comma, tab, semicolon, pipe, \
                        space), `header=` (yes, no) and `columns=` (names with commas between \
                        them), as in `csv;delimiter=tab;header=no;columns=time,status`";

pub(super) fn parse(text: &str) -> Result<Option<Format>, FormatError> {
    let trimmed = text.trim();
    if let Some(format) = trimmed.strip_prefix("nginx:") {
        let compiled = if format.trim() == "combined" {
            LogFormat::apache(COMBINED)?
        } else {
            LogFormat::nginx(format)?
        };
        return Ok(Some(log(trimmed, compiled)));
    }
    if let Some(format) = trimmed.strip_prefix("apache:") {
        return Ok(Some(log(trimmed, LogFormat::apache(format)?)));
    }
    let (name, options) = trimmed.split_once(';').unwrap_or((trimmed, ""));
    let lower = name.trim().to_ascii_lowercase();
    let name = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(&*lower, |(_, name)| name);
    Ok(Some(match name {
        "csv" => csv(b',', options)?,
        "tsv" => csv(b'\t', options)?,
        _ if trimmed.contains(';') => return Err(unknown(trimmed)),
        "auto" => return Ok(None),
        "ndjson" => Format::Ndjson,
        "otlp-json" => Format::OtlpJson,
        "otlp-proto" => Format::OtlpProto,
        "parquet" => Format::Parquet,
        "common" => log(name, LogFormat::apache(COMMON)?),
        "combined" => log(name, LogFormat::apache(COMBINED)?),
        "vhost-combined" => log(name, LogFormat::apache(VHOST_COMBINED)?),
        "nginx-main" => log(name, LogFormat::nginx(NGINX_MAIN)?),
        _ => return Err(unknown(trimmed)),
    }))
}

fn log(name: &str, format: LogFormat) -> Format {
    Format::AccessLog { name: name.to_owned(), format: Arc::new(format) }
}

fn csv(delimiter: u8, text: &str) -> Result<Format, FormatError> {
    let mut options = CsvOptions { delimiter, ..CsvOptions::default() };
    // A semicolon is both what separates options and a usual delimiter.
    let text = text.replace("delimiter=;", "delimiter=semicolon");
    for option in text.split(';').filter(|option| !option.is_empty()) {
        let error = || FormatError::Csv { option: option.to_owned(), hint: CSV_HINT };
        let (key, value) = option.split_once('=').ok_or_else(error)?;
        match (key.trim(), value) {
            ("delimiter", value) => options.delimiter = delimiter_byte(value).ok_or_else(error)?,
            ("header", "yes" | "true") => options.header = true,
            ("header", "no" | "false") => options.header = false,
            ("columns", names) => {
                options.columns = names.split(',').map(|name| name.trim().to_owned()).collect();
                if options.columns.iter().any(String::is_empty) {
                    return Err(error());
                }
            }
            _ => return Err(error()),
        }
    }
    Ok(Format::Csv(Arc::new(options)))
}

fn delimiter_byte(value: &str) -> Option<u8> {
    match value {
        "comma" => Some(b','),
        "tab" | "\\t" => Some(b'\t'),
        "semicolon" => Some(b';'),
        "pipe" => Some(b'|'),
        "space" => Some(b' '),
        other => match other.as_bytes() {
            // Neither a quote nor a line end can stand between fields.
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
            _ => None,
        },
    }
}

fn unknown(name: &str) -> FormatError {
    let hint = if name.eq_ignore_ascii_case("nginx") {
        "write the server's own `log_format` after a colon, as in \
         `nginx:$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent`, or \
         `nginx:@FILE` for a file that holds it; nginx's default is `combined`"
            .to_owned()
    } else if name.eq_ignore_ascii_case("apache") {
        "write the server's own `LogFormat` after a colon, as in \
         `apache:%h %l %u %t \"%r\" %>s %b`, or `apache:@FILE` for a file that holds it"
            .to_owned()
    } else if name.contains('$') {
        format!("write an nginx format as `nginx:{name}`")
    } else if name.contains('%') {
        format!("write an Apache format as `apache:{name}`")
    } else {
        let words = Format::NAMES.iter().chain(ALIASES.iter().map(|(alias, _)| alias));
        let near = words
            .map(|word| (distance(word, name), word))
            .filter(|(distance, word)| *distance * 3 <= word.len())
            .min();
        match near {
            Some((_, word)) => format!("did you mean `{word}`?"),
            None => format!("the formats are {}", Format::NAMES.join(", ")),
        }
    };
    FormatError::Unknown { name: name.to_owned(), hint }
}

/// Edits between two short words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let edited = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = edited.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
