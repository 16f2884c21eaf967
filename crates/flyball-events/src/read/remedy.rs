//! What to do about records that were refused, where the reason and the record tell.

use super::lines::{BARE_RETURN, TOO_LONG};
use super::summary::{DAMAGED, TRAILING, TRUNCATED};
use crate::codec::ndjson::{CUT_OFF, NOT_AN_OBJECT};
use crate::codec::{NO_TIME, otlp, parquet};
use crate::reject::Rejected;

/// What to do about records that were refused for `reason`; `None` where only whoever wrote them
/// can know.
pub fn remedy(reason: &str, rejected: &Rejected) -> Option<&'static str> {
    let is_any = |test: &dyn Fn(&str) -> bool| {
        rejected.examples.iter().any(|example| test(example.excerpt.trim()))
    };
    Some(match reason {
        TRUNCATED => {
            "it is still being written or was not copied whole: `gzip -t` or `zstd -t` tells"
        }
        DAMAGED => "copy it again from where it was whole: `gzip -t` or `zstd -t` tells",
        TRAILING => "cut them off, or decompress the file yourself and pass the output as `-`",
        parquet::NOT_PARQUET | parquet::DAMAGED => {
            "write or copy the file again: a Parquet file is read from its end, so half of one is none"
        }
        NOT_AN_OBJECT | TOO_LONG if is_any(&|line| line.starts_with('[')) => {
            "one JSON object a line is read, not an array: turn it into lines with `jq -c '.[]' FILE`"
        }
        CUT_OFF if is_any(&|line| line == "{") => {
            "one JSON object a line is read: put each on its line with `jq -c . FILE`"
        }
        otlp::METRICS => {
            "export traces or logs of the same requests: budgets are counted from single events"
        }
        BARE_RETURN => {
            "end its lines with line feeds: pass the output of `tr '\\r' '\\n' < FILE` as `-`"
        }
        _ => return None,
    })
}

/// Whether records were refused for `reason` because nothing in them could be read as their time.
pub fn lacks_time(reason: &str) -> bool {
    reason == NO_TIME
}
