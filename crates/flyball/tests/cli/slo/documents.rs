//! `slo lint`, `slo fmt`, `slo show`.

use super::slo;
use crate::run::{root, slo as document, slo_with};

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

#[test]
fn a_clean_document_has_no_findings() {
    let text = document("checkout", "service.name = 'checkout'", "status < 500");
    let dir = directory(&[("a.yaml", &text)]);
    let ran = slo(dir.path(), &["lint", "."]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert_eq!(ran.err, "0 errors, 0 warnings in 1 file\n");
}

#[test]
fn conditions_are_compiled_and_shown_under_the_word() {
    let text =
        document("checkout", "service.name = 'checkout'", "status < 500 AND nofunction(status)");
    let dir = directory(&[("a.yaml", &text)]);
    let ran = slo(dir.path(), &["lint", "a.yaml"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.out.contains("error: this condition cannot be used"), "{}", ran.out);
    assert!(ran.out.contains("--> a.yaml:12:"), "{}", ran.out);
    assert!(ran.out.contains("spec.indicator.spec.ratioMetric.good"), "{}", ran.out);
}

#[test]
fn rules_that_can_never_fire_are_found() {
    let window = "duration: 30d, isRolling: true";
    let text = slo_with("loose", "service.name = 'a'", "ok", "0.9", window);
    let dir = directory(&[("a.yaml", &text)]);
    // The defaults were not chosen by the document: a warning.
    let ran = slo(dir.path(), &["lint", "a.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(
        ran.out.contains("warning: alert rule `burn-1h-5m`: a burn of 14.4 can never be"),
        "{}",
        ran.out
    );
    assert_eq!(slo(dir.path(), &["lint", "--deny-warnings", "a.yaml"]).code, 2);
    // A preset was: an error.
    let chosen = text
        .replace("{name: loose}", "{name: loose, annotations: {flyball.dev/alerting: burn-rate}}");
    let dir = directory(&[("a.yaml", &chosen)]);
    let ran = slo(dir.path(), &["lint", "-o", "json", "a.yaml"]);
    assert_eq!(ran.code, 2);
    let findings = ran.json();
    assert_eq!(findings[0]["severity"], "error");
    assert!(findings[0]["message"].as_str().unwrap().contains("can never be exceeded"));
}

#[test]
fn every_error_of_every_file_is_shown() {
    let good = document("checkout", "service.name = 'checkout'", "ok");
    let bad = good.replace("target: 0.99", "target: 99").replace("28d", "28x");
    let dir = directory(&[("a.yaml", &bad), ("b.yaml", &good.replace("kind: SLO", "kind: SLo"))]);
    let ran = slo(dir.path(), &["lint", "."]);
    assert_eq!(ran.code, 2);
    for shown in
        ["not below 1", "not a length of time", "did you mean `SLO`?", "a.yaml:", "b.yaml:"]
    {
        assert!(ran.out.contains(shown), "{shown}: {}", ran.out);
    }
}

#[test]
fn formatting_is_checked_written_and_then_stable() {
    let text = format!("# Kept.\n{}", document("checkout", "service.name = 'checkout'", "ok"));
    let dir = directory(&[("a.yaml", &text)]);
    let path = dir.path().join("a.yaml");
    let ran = slo(dir.path(), &["fmt", "--check", "a.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "a.yaml\n"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "--check changed the file");
    let printed = slo(dir.path(), &["fmt", "a.yaml"]);
    assert_eq!(printed.code, 0);
    assert!(printed.out.starts_with("# Kept.\n"), "{}", printed.out);
    assert_eq!(slo(dir.path(), &["fmt", "--write", "a.yaml"]).code, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), printed.out);
    let again = slo(dir.path(), &["fmt", "--check", "a.yaml"]);
    assert_eq!((again.code, again.out.as_str()), (0, ""));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "something was left behind");
}

#[test]
fn what_cannot_be_formatted_is_left_alone() {
    let dir = directory(&[("a.yaml", "a: [1\n")]);
    let ran = slo(dir.path(), &["fmt", "--write", "a.yaml"]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert_eq!(std::fs::read_to_string(dir.path().join("a.yaml")).unwrap(), "a: [1\n");
}

#[test]
fn what_was_understood_is_shown_with_its_budget() {
    let text = slo_with(
        "checkout",
        "service.name = 'checkout'",
        "ok",
        "0.999",
        "duration: 28d, isRolling: true",
    );
    let dir = directory(&[("a.yaml", &text)]);
    let shown = slo(dir.path(), &["show", "-o", "json", "a.yaml"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let shown = shown.json();
    let objective = &shown["slos"][0]["objectives"][0];
    // 28 days are 40,320 minutes.
    assert_eq!(objective["budget_minutes"], 40.32);
    assert_eq!(objective["target_percent"], "99.9%");
    assert_eq!(shown["slos"][0]["window"], "the last 28d, rolling");
    // The workbook's pairs over 28 days: 13.44, 5.6, 2.8, 0.9333.
    let factors: Vec<f64> = objective["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["factor"].as_f64().unwrap())
        .collect();
    for (factor, expected) in factors.iter().zip([13.44, 5.6, 2.8, 28.0 / 30.0]) {
        assert!((factor - expected).abs() < 1e-9, "{factors:?}");
    }
    let text = slo(dir.path(), &["show", "a.yaml"]);
    for words in [
        "40.32 min",
        "the last 28d, rolling",
        "burn > 13.44 over 1h and still over 5m (2% of the budget)",
    ] {
        assert!(text.out.contains(words), "{words}: {}", text.out);
    }
    let yaml = slo(dir.path(), &["show", "-o", "yaml", "a.yaml"]);
    assert!(yaml.out.contains("budget_minutes: 40.32"), "{}", yaml.out);
}

#[test]
fn the_examples_are_clean() {
    let ran = slo(&root(), &["lint", "examples"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(!ran.out.contains("error:"), "{}", ran.out);
}
