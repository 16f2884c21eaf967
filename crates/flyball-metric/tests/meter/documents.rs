//! The queries of Sloth's and Pyrra's own documents: those that count, and each that does not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flyball_metric::{MetricError, Plan};
use flyball_model::{Indicator, Slo};
use flyball_spec::{Source, load};

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            found.push(path);
        }
    }
    found
}

/// How many SLIs count, and what is said of the others.
fn compile(tool: &str) -> (usize, BTreeSet<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flyball-spec/tests/data").join(tool);
    let (mut counted, mut refused) = (0, BTreeSet::new());
    for path in files(&root) {
        let source = Source::new("slo", std::fs::read_to_string(path).unwrap());
        let (set, _) = load(&[source]);
        for (slo, sli) in set.slos.iter().filter_map(metric) {
            match Plan::compile(sli, slo.objectives[0].threshold) {
                Ok(_) => counted += 1,
                Err(error) => drop(refused.insert(told(&error))),
            }
        }
    }
    (counted, refused)
}

fn metric(slo: &Slo) -> Option<(&Slo, &flyball_model::MetricSli)> {
    match slo.indicator.as_ref()? {
        Indicator::Metric(sli) => Some((slo, sli)),
        Indicator::Events(_) => None,
    }
}

/// The part of the query that is blamed, or the whole error.
fn told(error: &MetricError) -> String {
    match error {
        MetricError::Query(error) if error.needs_pull() => error.query()[error.span()].to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn every_pyrra_document_counts() {
    assert_eq!(compile("pyrra"), (57, BTreeSet::new()));
}

#[test]
fn sloth_documents_count_but_for_those_that_need_pull() {
    let refused = [
        // A constant less a share, where errors are asked for.
        "1",
        // Wi-Fi satisfaction: gauges counted over time.
        "[{{.window}}:]",
        "sum_over_time(unifipoller_client_satisfaction_ratio[{{.window}}])",
        "`sloth-plugin` is not queried in PromQL, so that its samples cannot be counted here",
    ];
    let refused = refused.into_iter().map(str::to_owned).collect();
    assert_eq!(compile("sloth"), (68, refused));
}
