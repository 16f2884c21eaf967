//! Sloth's and Pyrra's own documents are accepted or refused as their projects have it.

use std::path::{Path, PathBuf};

use flyball_model::{Condition, Duration, Factor, Indicator, MetricSli, Severity, Window};
use flyball_spec::{Alerting, Diagnostic, Source, SpecSet, load, render};

use crate::conformance::{data, load_file};

/// All YAML files below a directory, in a stable order.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn load_all(paths: &[PathBuf]) -> (SpecSet, Vec<Diagnostic>) {
    let sources: Vec<Source> = paths
        .iter()
        .map(|path| Source::new(path.to_string_lossy(), std::fs::read_to_string(path).unwrap()))
        .collect();
    load(&sources)
}

fn accepted(path: &Path) -> SpecSet {
    let (set, diagnostics) = load_file(path);
    assert!(!diagnostics.iter().any(Diagnostic::is_error), "{}", render(&diagnostics));
    set
}

fn refused(path: &Path) -> Vec<Diagnostic> {
    let (_, diagnostics) = load_file(path);
    assert!(diagnostics.iter().any(Diagnostic::is_error), "{} was accepted", path.display());
    diagnostics
}

#[test]
fn sloth_examples_and_good_documents_are_accepted() {
    let root = data().join("sloth");
    let (mut slos, mut count) = (0, 0);
    for path in ["examples", "testdata/validate/good", "kuadrant"]
        .map(|part| files(&root.join(part)))
        .concat()
    {
        let set = accepted(&path);
        assert!(!set.slos.is_empty() || !set.strategies.is_empty(), "{}", path.display());
        slos += set.slos.len();
        count += 1;
    }
    assert_eq!((count, slos), (29, 45));
}

#[test]
fn sloth_bad_documents_are_refused() {
    let root = data().join("sloth/testdata");
    let bad = files(&root.join("validate/bad"));
    assert_eq!(bad.len(), 7);
    for path in bad {
        let diagnostics = refused(&path);
        // The files mark the bad line: an error must stand on it, or point at its block.
        let text = std::fs::read_to_string(&path).unwrap();
        let marked = text.lines().position(|line| line.contains("BAD!")).unwrap() + 1;
        let near = diagnostics.iter().any(|d| d.is_error() && d.line.abs_diff(marked) <= 1);
        assert!(near, "{} line {marked}\n{}", path.display(), render(&diagnostics));
    }
    for path in files(&root).iter().filter(|path| path.parent() == Some(&root)) {
        if path.ends_with("in-invalid-version.yaml") {
            let diagnostics = refused(path);
            assert!(diagnostics[0].message.contains("prometheus/v999"), "{}", diagnostics[0]);
        } else {
            accepted(path);
        }
    }
}

#[test]
fn sloth_duplicates_are_refused_together() {
    let root = data().join("sloth/testdata/validate_with_duplicates");
    for directory in ["prom", "k8s", "openslo"] {
        let paths = files(&root.join(directory));
        assert_eq!(paths.len(), 2);
        for path in &paths {
            accepted(path);
        }
        let (_, diagnostics) = load_all(&paths);
        assert!(diagnostics.iter().any(|d| d.message.contains("defined twice")), "{directory}");
    }
    refused(&root.join("bad-prom-multi-duplicates.yaml"));
}

#[test]
fn a_sloth_slo_keeps_queries_labels_and_pairs() {
    let set = accepted(&data().join("sloth/examples/getting-started.yml"));
    let slo = &set.slos[0];
    assert_eq!(
        (slo.name.as_str(), slo.service.as_str()),
        ("myservice-requests-availability", "myservice")
    );
    assert_eq!(slo.window, Window::Rolling { length: Duration::from_days(30) });
    assert_eq!(slo.objectives[0].target.to_string(), "99.9%");
    assert_eq!(slo.labels["owner"], ["myteam"]);
    let Some(Indicator::Metric(MetricSli::Ratio { side, side_is_bad: true, .. })) = &slo.indicator
    else {
        panic!("{:?}", slo.indicator)
    };
    assert!(side.spec.contains("(5..|429)") && side.spec.contains("{{.window}}"));
    assert_eq!(set.alerting[&slo.name], Alerting::Imported);
    let shares: Vec<String> = slo
        .alert_rules
        .iter()
        .map(|rule| match rule.condition {
            Condition::Burn {
                long,
                short: Some(short),
                factor: Factor::BudgetShare(share),
                ..
            } => {
                format!("{:?} {share} {long} {short}", rule.severity)
            }
            _ => panic!("{rule:?}"),
        })
        .collect();
    // Source: SRE Workbook, table 5-8 and its PromQL example.
    assert_eq!(
        shares,
        ["Page 0.02 1h 5m", "Page 0.05 6h 30m", "Ticket 0.1 1d 2h", "Ticket 0.1 3d 6h"]
    );
    let quiet = accepted(&data().join("sloth/examples/no-alerts.yml"));
    assert!(quiet.slos[0].alert_rules.is_empty());
}

#[test]
fn sloth_catalogues_become_strategies() {
    for (file, name, first) in [
        ("examples/windows/7d.yaml", "sloth-7d", "0.08"),
        ("examples/windows/custom-30d.yaml", "sloth-30d", "0.01"),
        ("windows/google-28d.yaml", "sloth-28d", "0.02"),
        ("windows/google-30d.yaml", "sloth-30d", "0.02"),
    ] {
        let set = accepted(&data().join("sloth").join(file));
        let [strategy] = set.strategies.as_slice() else { panic!("{file}") };
        assert_eq!((strategy.name.as_str(), strategy.rules.len()), (name, 4), "{file}");
        let Condition::Burn { factor: Factor::BudgetShare(share), .. } =
            strategy.rules[0].condition
        else {
            panic!("{file}")
        };
        assert_eq!(share.to_string(), first, "{file}");
    }
}

#[test]
fn pyrra_documents_are_accepted() {
    let mut slos = 0;
    for path in files(&data().join("pyrra")) {
        let set = accepted(&path);
        if path.ends_with("pyrra-slo-CustomResourceDefinition.yaml") {
            assert!(set.slos.is_empty());
            continue;
        }
        assert!(!set.slos.is_empty(), "{}", path.display());
        slos += set.slos.len();
    }
    assert_eq!(slos, 57);
}

#[test]
fn pyrra_pairs_grow_with_the_window() {
    let set = accepted(&data().join("pyrra/nginx.yaml"));
    let slo = &set.slos[0];
    assert_eq!(slo.name, "monitoring-nginx-api-errors");
    let shown: Vec<String> = slo
        .alert_rules
        .iter()
        .map(|rule| match rule.condition {
            Condition::Burn { long, short: Some(short), factor: Factor::Exact(factor), .. } => {
                let page = rule.severity == Severity::Page;
                format!("{page} {factor} {long}/{short} for {}", rule.hold)
            }
            _ => panic!("{rule:?}"),
        })
        .collect();
    // Pyrra's published windows for four weeks.
    assert_eq!(
        shown,
        [
            "true 14 1h/5m for 2m",
            "true 7 6h/30m for 15m",
            "false 2 1d/2h for 1h",
            "false 1 4d/6h for 3h"
        ]
    );
    let Some(Indicator::Metric(MetricSli::Ratio { side_is_bad: false, .. })) =
        &set.slos[1].indicator
    else {
        panic!("{:?}", set.slos[1].indicator)
    };
}

#[test]
fn pyrra_faults_are_found_together() {
    let text = "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: a}\nspec:\n  target: 99.9\n  window: 1M\n  indicator:\n    latency:\n      success: {metric: 'x_bucket{job=\"a\"}'}\n      total: {metric: 'sum(x_count)'}\n";
    let (set, diagnostics) = load(&[Source::new("a.yaml", text)]);
    assert!(set.slos.is_empty());
    let found: Vec<(usize, &str)> = diagnostics.iter().map(|d| (d.line, d.path.as_str())).collect();
    assert_eq!(
        found,
        [(5, "spec.target"), (6, "spec.window"), (10, "spec.indicator.latency.total.metric")],
        "{}",
        render(&diagnostics)
    );
}
