//! Runs every input that fuzzing found worth keeping, as the fuzz targets do.

#[path = "../../../fuzz/fuzz_targets/common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;

fn each(target: &str, check: fn(&[u8])) -> anyhow::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(&corpus)? {
        let path = entry?.path();
        let data = fs::read(&path)?;
        let outcome = std::panic::catch_unwind(|| check(&data));
        assert!(outcome.is_ok(), "{} fails", path.display());
        files += 1;
    }
    assert!(files > 0, "{} is empty", corpus.display());
    Ok(())
}

#[test]
fn access_logs() -> anyhow::Result<()> {
    each("access_log", common::access_log)
}

#[test]
fn csv() -> anyhow::Result<()> {
    each("csv", common::csv)
}

#[test]
fn ndjson() -> anyhow::Result<()> {
    each("ndjson", common::ndjson)
}

#[test]
fn otlp_json() -> anyhow::Result<()> {
    each("otlp_json", common::otlp_json)
}

#[test]
fn otlp_proto() -> anyhow::Result<()> {
    each("otlp_proto", common::otlp_proto)
}

#[test]
fn otlp_request() -> anyhow::Result<()> {
    each("otlp_request", common::otlp_request)
}

#[test]
fn parquet() -> anyhow::Result<()> {
    each("parquet", common::parquet)
}

#[test]
fn remote_write() -> anyhow::Result<()> {
    each("remote_write", common::remote_write)
}
