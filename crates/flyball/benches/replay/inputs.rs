//! The files that are measured, and the SLOs: written once, kept for the next run.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use flyball_testkit::traffic::{
    DURATION_MS_MAX, SERVICES, STATUS_MAX_EXCLUSIVE, Traffic, write_combined, write_ndjson,
};

/// Decides every generated file.
const SEED: u64 = 20_250_301;
/// Part of file names; goes up when the generator writes something else.
const GENERATION: u32 = 1;

/// What a generated file holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// JSON events, one a line.
    Ndjson,
    /// Access log lines in the combined format.
    Combined,
}

/// The requests that a file of `events` lines spells.
pub(crate) fn traffic(events: u64) -> Traffic {
    Traffic::new(SEED, events)
}

/// The file of `events` lines in `directory`, written first where it is not there yet.
pub(crate) fn file(directory: &Path, kind: Kind, events: u64) -> anyhow::Result<PathBuf> {
    let ending = match kind {
        Kind::Ndjson => "ndjson",
        Kind::Combined => "log",
    };
    let path = directory.join(format!("traffic-{GENERATION}-{events}.{ending}"));
    if path.exists() {
        return Ok(path);
    }
    // Under another name until it is whole: an interrupted run leaves no short file behind.
    let part = path.with_extension("part");
    let cannot = || format!("cannot write {}", part.display());
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&part).with_context(cannot)?);
    let mut shown = 0;
    let mut progress = |lines: u64| {
        let percent = lines * 100 / events;
        if percent >= shown + 10 {
            shown = percent;
            let mut talk = std::io::stderr().lock();
            // Nobody to tell it to is no reason to stop.
            let _ = writeln!(talk, "writing {}: {percent} %", path.display());
        }
    };
    match kind {
        Kind::Ndjson => write_ndjson(traffic(events), &mut out, &mut progress),
        Kind::Combined => write_combined(traffic(events), &mut out, &mut progress),
    }
    .and_then(|()| out.flush())
    .with_context(cannot)?;
    fs::rename(&part, &path)?;
    Ok(path)
}

/// SLO documents that make exactly the count of the peers, and more: one SLO over all requests
/// with a slice for each service, and `count - 1` SLOs of one service each. Those differ in the
/// duration they allow, so that no two ask the same.
pub(crate) fn slos(directory: &Path, count: usize) -> anyhow::Result<PathBuf> {
    let mut text = slo("all", "TRUE", Some("service.name"), DURATION_MS_MAX);
    for at in 0..count.saturating_sub(1) {
        let service = SERVICES[at % SERVICES.len()];
        let round = at / SERVICES.len();
        let total = format!("service.name = '{service}'");
        let limit = DURATION_MS_MAX + 5 * round as u64;
        text.push_str("---\n");
        text.push_str(&slo(&format!("{service}-{round}"), &total, None, limit));
    }
    write_document(&directory.join(format!("slos-{count}.yaml")), &text)
}

/// One SLO over access logs: the share of requests without a server error.
pub(crate) fn access_log_slo(directory: &Path) -> anyhow::Result<PathBuf> {
    let good = format!("http.response.status_code < {STATUS_MAX_EXCLUSIVE}");
    write_document(&directory.join("slo-access-log.yaml"), &document("site", "TRUE", None, &good))
}

fn slo(name: &str, total: &str, by: Option<&str>, limit_ms: u64) -> String {
    let good =
        format!("http.response.status_code < {STATUS_MAX_EXCLUSIVE} AND duration_ms <= {limit_ms}");
    document(name, total, by, &good)
}

fn document(name: &str, total: &str, by: Option<&str>, good: &str) -> String {
    let mut text = String::new();
    let by = by.map_or_else(String::new, |by| format!("\n              by: [{by}]"));
    // Writing to a text cannot fail.
    let _ = write!(
        text,
        "apiVersion: openslo/v1
kind: SLO
metadata:
  name: {name}
spec:
  service: bench
  indicator:
    metadata:
      name: {name}
    spec:
      ratioMetric:
        counter: false
        good:
          metricSource:
            type: flyball
            spec:
              where: \"{good}\"
        total:
          metricSource:
            type: flyball
            spec:
              where: \"{total}\"{by}
  timeWindow:
  - duration: 30d
    isRolling: true
  budgetingMethod: Occurrences
  objectives:
  - displayName: objective
    target: 0.99
"
    );
    text
}

fn write_document(path: &Path, text: &str) -> anyhow::Result<PathBuf> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}
