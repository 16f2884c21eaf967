//! Where the specification, its validator and we differ: one case a row of the table in
//! `docs/adr/002-openslo-conformance.md`, found by its id.

use flyball_spec::{Source, load, render};

use crate::extensions::CHECKOUT;

/// What we do with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    /// Refused with an error.
    Refused,
    /// Accepted, evaluable, nothing said.
    Accepted,
    /// Accepted and evaluable, with a warning.
    Warned,
    /// Accepted with a warning, but not evaluable.
    Incomplete,
}

const SLICED: (&str, &str) = (
    "budgetingMethod: Occurrences\n  objectives:\n  - target: 0.999",
    "budgetingMethod: Timeslices\n  objectives:\n  - target: 0.999\n    timeSliceTarget: 0.9\n    timeSliceWindow: 5",
);
const WINDOW: &str = "  timeWindow:\n  - duration: 28d\n    isRolling: true\n";
const CONDITION: &str = "\
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h}}
";
const SOURCE: &str = "\
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: prom}
spec: {type: Prometheus, connectionDetails: {}}
";
const THRESHOLD: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: lag}
spec:
  service: lag
  indicator: {metadata: {name: lag}, spec: {thresholdMetric: {metricSource: {type: Prometheus, spec: {query: lag}}}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9, op: lt, value: 1}, {target: 0.99, op: lt, value: 9}]
";
const COMPOSITE: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: both}
spec:
  service: both
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
  - {target: 0.9, indicator: {metadata: {name: a}, spec: {ratioMetric: {rawType: success, raw: {metricSource: {spec: {q: x}}}}}}}
  - {target: 0.9}
";
const ALPHA: &str = "\
apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: a}
spec:
  service: a
  budgetingMethod: Occurrences
  objectives: [{target: 0.9, ratioMetrics: {good: {source: p, queryType: q, query: g}, total: {source: p, queryType: q, query: t}}}]
  timeWindows: [{count: 30, unit: Day}]
";
const SLOTH: &str = "\
version: prometheus/v1
service: web
slos:
- name: up
  objective: 99.9
  sli: {raw: {error_ratio_query: 'x[{{.window}}]'}}
  alerting: {page_alert: {disable: true}, ticket_alert: {disable: true}}
";

fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

fn with_condition(from: &str, to: &str) -> String {
    format!("{CHECKOUT}{}", changed(CONDITION, from, to))
}

/// Id of the row, input, verdict.
fn cases() -> Vec<(&'static str, String, Ours)> {
    let sliced = changed(CHECKOUT, SLICED.0, SLICED.1);
    let calendar = |start: &str, zone: &str| {
        let window = format!(
            "  timeWindow:\n  - duration: 1w\n    calendar: {{startTime: {start}, timeZone: {zone}}}\n"
        );
        changed(CHECKOUT, WINDOW, &window)
    };
    vec![
        ("D1", sliced.clone(), Ours::Warned),
        ("D2", changed(CHECKOUT, WINDOW, ""), Ours::Refused),
        ("D3", with_condition("kind: burnrate, ", ""), Ours::Refused),
        ("D4", changed(CHECKOUT, "target: 0.999", "target: 0.999\n    op: gt"), Ours::Refused),
        (
            "D5",
            changed(CHECKOUT, "objectives:\n  - target: 0.999", "objectives: []"),
            Ours::Incomplete,
        ),
        ("D6", changed(CHECKOUT, "28d", "0d"), Ours::Incomplete),
        ("D7", changed(&sliced, "timeSliceWindow: 5", "timeSliceWindow: 60d"), Ours::Accepted),
        ("D8", changed(CHECKOUT, "target: 0.999", "target: 0"), Ours::Accepted),
        ("D9", calendar("2022-01-01 12:00:00", "America/New_York"), Ours::Accepted),
        ("D10", THRESHOLD.to_owned(), Ours::Accepted),
        ("D11", COMPOSITE.to_owned(), Ours::Incomplete),
        (
            "D12",
            format!("{CHECKOUT}{}", changed(SOURCE, ", connectionDetails: {}", "")),
            Ours::Refused,
        ),
        ("D13", calendar("2022-01-01T12:00:00Z", "America/New_York"), Ours::Refused),
        ("D13", calendar("2022-01-01 12:00:00", "America/Gotham"), Ours::Refused),
        ("D14", changed(CHECKOUT, "isRolling: true", "isRolling: yes"), Ours::Refused),
        ("D15", changed(CHECKOUT, "service: checkout", "service: on"), Ours::Refused),
        ("D16", changed(CHECKOUT, "service: checkout", "Service: checkout"), Ours::Refused),
        ("D17", format!("{CHECKOUT}---\n{CHECKOUT}"), Ours::Refused),
        ("D18", changed(&calendar("2022-01-01 12:00:00", "UTC"), "1w", "1m"), Ours::Incomplete),
        (
            "D19",
            changed(
                THRESHOLD,
                "indicator: {metadata: {name: lag}, spec: {thresholdMetric: {metricSource: {type: Prometheus, spec: {query: lag}}}}}",
                "indicatorRef: lag",
            ),
            Ours::Incomplete,
        ),
        ("D20", with_condition("threshold: 2", "threshold: -2"), Ours::Warned),
        ("D21", ALPHA.to_owned(), Ours::Accepted),
        ("D21", changed(ALPHA, "count: 30", "count: 28"), Ours::Refused),
        ("D22", changed(CHECKOUT, "no-data", "no-dat"), Ours::Refused),
        ("D23", changed(CHECKOUT, "0.999", "0.9999999999999"), Ours::Refused),
        ("D24", changed(SLOTH, "99.9", "100"), Ours::Refused),
        // Loads; `lint` of the binary refuses it, with a test there.
        ("D26", with_condition("threshold: 2", "threshold: 100000"), Ours::Accepted),
        ("D25", changed(SLOTH, "page_alert", "pageAlert: {}, name: x, page_alert"), Ours::Warned),
    ]
}

#[test]
fn every_decision_of_the_record_holds() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/adr");
    let record = std::fs::read_to_string(root.join("002-openslo-conformance.md")).unwrap();
    let mut ids: Vec<&str> = Vec::new();
    for (id, text, expected) in cases() {
        let (set, diagnostics) = load(&[Source::new("a.yaml", text)]);
        let shown = render(&diagnostics);
        let ours = if diagnostics.iter().any(flyball_spec::Diagnostic::is_error) {
            Ours::Refused
        } else if !set.incomplete.is_empty() {
            Ours::Incomplete
        } else if diagnostics.is_empty() {
            Ours::Accepted
        } else {
            Ours::Warned
        };
        assert_eq!(ours, expected, "{id}\n{shown}");
        if expected != Ours::Accepted {
            assert!(!diagnostics.is_empty(), "{id} says nothing");
        }
        let row = record.lines().find(|line| line.starts_with(&format!("| {id} |")));
        let word = match expected {
            Ours::Refused => "refused",
            Ours::Accepted => "accepted",
            Ours::Warned => "warning",
            Ours::Incomplete => "not evaluable",
        };
        let row = row.unwrap_or_else(|| panic!("{id} is not in the record"));
        assert!(row.contains(word), "{id}: the record does not say `{word}`: {row}");
        ids.push(id);
    }
    for row in record.lines().filter(|line| line.starts_with("| D")) {
        let id = row.split('|').nth(1).unwrap().trim();
        assert!(ids.contains(&id), "{id} has no case");
    }
}
