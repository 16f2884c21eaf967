//! Real logs, read as a user would, against facts found another way.
//!
//! The facts of `blog-combined` (10,000 lines; statuses 9,126 × 200, 445 × 304, 213 × 404, 3 × 500)
//! and `site-timed` (19,282 lines; 81 responses of 500 and more; quantiles of `%D`) were counted
//! with standard tools when the files were recorded. Those of the other logs are counted here, by
//! the position of words as awk would.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};

use crate::{Format, Input, ReadOptions, ReadSummary, read};

/// The `LogFormat` of `site-timed`, as its server had it.
const TIMED: &str = r#"apache:%v,%p,%h,%l,%u,%t,%I,%O,%S,%B,%{ms}T,%D,%^FB,%>s,\"%H\",\"%m\",\"%U\",\"%q\",\"%{Referer}i\",\"%{User-Agent}i\",\"%{VARNAME}C\",%L"#;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/access-logs").join(name)
}

fn batches(name: &str, format: Option<&str>) -> (Vec<RecordBatch>, ReadSummary) {
    let format = format.and_then(|text| Format::parse(text).unwrap());
    let options = ReadOptions { format, threads: 2, ..ReadOptions::default() };
    let mut batches = Vec::new();
    let summary = read(&[Input::File(path(name))], &options, &mut |_| {}, &mut |batch| {
        batches.push(batch);
        ControlFlow::Continue(())
    });
    (batches, summary.unwrap())
}

fn statuses(batches: &[RecordBatch]) -> BTreeMap<i64, u64> {
    let mut counts = BTreeMap::new();
    for batch in batches {
        let column = batch["http.response.status_code"].as_primitive::<Int64Type>();
        for status in column.iter().flatten() {
            *counts.entry(status).or_insert(0) += 1;
        }
    }
    counts
}

/// As awk counts statuses: the word after the quoted request, which is the first field in quotes
/// (a quote after a backslash does not end it).
fn naive_statuses(log: &str) -> BTreeMap<i64, u64> {
    let mut counts = BTreeMap::new();
    for line in log.lines().filter(|line| !line.starts_with('[')) {
        let request = line.split_once('"').unwrap().1;
        let mut escaped = false;
        let end = request
            .find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })
            .unwrap();
        let status = request[end + 1..].split_whitespace().next().unwrap();
        *counts.entry(status.parse().unwrap()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn the_blog_log_has_the_known_statuses() {
    let (batches, summary) = batches("blog-combined.log.gz", None);
    assert_eq!(summary.inputs[0].format.as_deref(), Some("combined"));
    assert_eq!((summary.lines(), summary.events(), summary.rejected()), (10_000, 10_000, 0));
    let counts = statuses(&batches);
    for (status, expected) in [(200, 9_126), (304, 445), (404, 213), (500, 3)] {
        assert_eq!(counts[&status], expected, "{status}");
    }
    assert_eq!(summary.first().unwrap().to_string(), "2015-05-17T10:05:00Z");
    assert_eq!(summary.last().unwrap().to_string(), "2015-05-20T21:05:59Z");
}

#[test]
fn the_site_logs_are_detected_and_counted_as_awk_would() {
    // Six lines of the common log are of the error log.
    for (name, format, lines, refused) in [
        ("site-combined.log", "combined", 865, 0),
        ("site-common.log", "common", 946, 6),
        ("site-vhost-combined.log", "vhost-combined", 1_602, 0),
    ] {
        let (batches, summary) = batches(name, None);
        assert_eq!(summary.inputs[0].format.as_deref(), Some(format));
        let counts = (summary.lines(), summary.events(), summary.rejected());
        assert_eq!(counts, (lines, lines - refused, refused), "{name}");
        let log = std::fs::read_to_string(path(name)).unwrap();
        assert_eq!(log.lines().filter(|line| line.starts_with('[')).count() as u64, refused);
        assert_eq!(statuses(&batches), naive_statuses(&log), "{name}");
    }
}

#[test]
fn requests_that_are_none_keep_their_text() {
    let (mut expected, mut found) = (0, 0);
    for name in ["site-combined.log", "site-common.log", "site-vhost-combined.log"] {
        let log = std::fs::read_to_string(path(name)).unwrap();
        let requests = log.lines().filter_map(|line| line.split('"').nth(1));
        expected += requests.filter(|request| !request.contains(" /")).count();
        for batch in batches(name, None).0 {
            if let Some(column) = batch.column_by_name("http.request.line") {
                found += column.len() - column.null_count();
            }
        }
    }
    assert_eq!(found, expected);
    assert!(expected > 100);
}

#[test]
fn the_timed_log_has_the_known_durations() {
    let (batches, summary) = batches("site-timed.csv.zst", Some(TIMED));
    assert_eq!((summary.lines(), summary.events(), summary.rejected()), (19_282, 19_282, 0));
    let counts = statuses(&batches);
    assert_eq!(counts.range(500..).map(|(_, count)| count).sum::<u64>(), 81);
    let mut micros: Vec<i64> = Vec::new();
    for batch in &batches {
        let durations = batch["duration_ms"].as_primitive::<Float64Type>();
        #[expect(clippy::cast_possible_truncation, reason = "whole microseconds")]
        micros.extend(durations.iter().flatten().map(|ms| (ms * 1_000.0).round() as i64));
    }
    micros.sort_unstable();
    assert_eq!(micros.len(), 19_282);
    assert_eq!(micros.last(), Some(&28_987_740));
    // The value that so many in a hundred do not exceed.
    let quantile = |percent: usize| micros[(micros.len() * percent).div_ceil(100) - 1];
    assert_eq!([50, 95, 99].map(quantile), [204, 62_374, 377_731]);
}
