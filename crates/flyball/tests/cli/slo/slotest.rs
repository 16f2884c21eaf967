//! The language and its runner: our own scripts pass, the canary fails, mistakes are explained.

use std::path::Path;

use serde_json::Value;

use super::slo;
use crate::run::root;

fn results(directory: &Path, path: &str) -> (i32, Vec<Value>) {
    let output = slo(directory, &["test", "-o", "json", path]);
    let Value::Array(results) = output.json() else { panic!("{}", output.out) };
    (output.code, results)
}

fn assert_all_pass(path: &str, tests_min: usize) {
    let (exit, results) = results(&root(), path);
    let failed: Vec<&Value> = results.iter().filter(|result| result["result"] != "ok").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(exit, 0);
    assert!(results.len() >= tests_min, "only {} tests ran", results.len());
    for result in &results {
        assert!(result["expectations"].as_u64().unwrap() > 0, "{result} checked nothing");
    }
}

#[test]
fn published_numbers_hold() {
    assert_all_pass("crates/flyball/tests/slotest", 40);
}

#[test]
fn examples_hold() {
    assert_all_pass("examples", 4);
}

#[test]
fn the_canary_fails_in_every_test() {
    let (exit, results) = results(&root(), "crates/flyball/tests/canary");
    assert_eq!(exit, 1);
    assert_eq!(results.len(), 14);
    for result in &results {
        assert_eq!(result["result"], "failed", "{result:#}");
        let problem = &result["problems"][0];
        assert!(problem["expected"].is_string() && problem["found"].is_string(), "{result:#}");
    }
}

const SLO: &str = "slo <<END
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout, annotations: {flyball.dev/alerting: multi-window}}
spec:
  service: checkout
  indicator:
    metadata: {name: checkout}
    spec:
      ratioMetric:
        good: {metricSource: {type: flyball, spec: {where: status < 500}}}
        total: {metricSource: {type: flyball, spec: {where: service.name = 'checkout'}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
END
series checkout every 1m from 2026-01-01T00:00:00Z: 99/100x10
";

/// Runs a script with [`SLO`] before it.
fn script(text: &str) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.slotest"), format!("{SLO}{text}\n")).unwrap();
    let output = slo(directory.path(), &["test", "a.slotest"]);
    (output.code, output.out)
}

#[test]
fn a_failure_says_where_what_and_what_was_found() {
    let (exit, out) = script("expect budget checkout: valid=1000 spent=99%");
    assert_eq!(exit, 1);
    let expected = "FAILED a.slotest
       failed: checkout: spent is not as expected
         --> a.slotest:18:36
          |
       18 | expect budget checkout: valid=1000 spent=99%
          |                                    ^^^^^^^^^
          = expected: spent = 99%
          =    found: 10 (100%)
";
    assert!(out.starts_with(expected), "{out}");
    let (exit, out) = script("expect budget checkout: sli=99%");
    assert_eq!((exit, out.as_str()), (0, "ok     a.slotest\n"));
}

#[test]
fn an_alert_that_never_fired_says_how_far_its_burn_came() {
    let (exit, out) = script("expect alert checkout burn-1h-5m firing");
    assert_eq!(exit, 1);
    // 1 % bad against a target of 99 % is a burn of 1; 2 % of a budget of 28 days needs 13.44.
    let found = "found: it has never fired: the burn reached 1 over 1h, 1 over 5m; \
        needed > 13.44 over both at once";
    assert!(out.contains(found), "{out}");
}

#[test]
fn all_wrong_lines_come_at_once() {
    let (exit, out) = script("expect bugdet checkout: valid=1\nat noon\nseries checkout every 1x");
    assert_eq!(exit, 2);
    for place in ["a.slotest:18:", "a.slotest:19:", "a.slotest:20:"] {
        assert!(out.contains(place), "{place}: {out}");
    }
}

#[test]
fn only_slos_that_are_expected_of_need_their_attributes() {
    let other = SLO
        .replace("name: checkout", "name: other")
        .replace("status < 500", "latency < 300")
        .replace("series checkout", "series other");
    let events =
        "events <<E\n{\"time\":1767225600,\"service.name\":\"checkout\",\"status\":200}\nE\n";
    let (exit, out) = script(&format!("{other}{events}expect budget checkout: good=991"));
    assert_eq!(exit, 0, "{out}");
    let (exit, out) = script(&format!("{other}{events}expect status other met"));
    assert_eq!(exit, 2, "{out}");
    assert!(out.contains("no event has the attribute `latency`, which `other` reads"), "{out}");
    assert!(out.contains("where: latency < 300"), "{out}");
}

#[test]
fn unknown_words_are_met_with_near_ones() {
    for (text, message, hint) in [
        ("expect budget chekout: valid=1", "no SLO `chekout`", "did you mean `checkout`?"),
        ("expect budget checkout: vaild=1", "`vaild` is no field", "did you mean `valid`?"),
        ("expect status checkout mett", "`mett` is no status", "did you mean `met`?"),
        ("expect alert checkout burn-1h-5n firing", "no alert rule", "did you mean `burn-1h-5m`?"),
        ("expect alert checkout burn-1h-5m fireing", "no state", "did you mean `firing`?"),
        ("expect forecast checkout exhaust", "no outlook", "did you mean `exhausts`?"),
        ("expect correction checkout x: times=1", "no correction `x`", "there is none here"),
        ("expect budget checkout objective 2: valid=1", "no objective `2`", "from 1 to 1"),
        ("expect budget checkout slice eu: valid=1", "no slice `eu`", ""),
        ("expect budget checkout composite: spent=1", "is no composite", ""),
        ("expect budget checkout: valid=many", "`many` is not a number", "12.8%"),
        ("expect budget checkout: valid=5%", "is a count, not a share", ""),
        ("expect budget checkout: minutes.spent=5", "is an estimate", "~"),
        ("slo \"none.yaml\"\nexpect status checkout met", "cannot read", ""),
        ("events \"none.ndjson\"\nexpect status checkout met", "matches no file", "check the path"),
        ("events <<E\n{\"time\":1}\nnonsense\nE\nexpect status checkout met", "cannot be read", ""),
        (
            "events <<E\n{\"time\":1767225600,\"service.name\":\"checkout\"}\nE\nexpect status checkout met",
            "no event has the attribute `status`",
            "events optional status",
        ),
        ("events format combind <<E\nE\nexpect status checkout met", "`combind`", "combined"),
    ] {
        let (exit, out) = script(text);
        assert_eq!(exit, 2, "{text}: {out}");
        assert!(out.starts_with("ERROR  a.slotest"), "{text}: {out}");
        assert!(out.contains(message), "{text}: {out}");
        assert!(out.contains("= hint: ") || hint.is_empty(), "{text}: {out}");
        assert!(out.contains(hint), "{text}: {out}");
    }
}

#[test]
fn what_cannot_be_read_inside_the_script_is_shown_at_its_line() {
    let (_, out) = script("events <<E\n{\"time\":1}\nnonsense\nE\nexpect status checkout met");
    assert!(out.contains("--> a.slotest:20:"), "{out}");
    let directory = tempfile::tempdir().unwrap();
    let text = SLO.replace("timeWindow", "timeWindw");
    std::fs::write(
        directory.path().join("a.slotest"),
        format!("{text}expect status checkout met\n"),
    )
    .unwrap();
    let output = slo(directory.path(), &["test", "."]);
    let out = output.out;
    assert_eq!(output.code, 2);
    assert!(out.contains("a.slotest:13:3"), "{out}");
    assert!(out.contains("did you mean `timeWindow`?"), "{out}");
}

#[test]
fn a_directory_without_scripts_is_no_success() {
    let directory = tempfile::tempdir().unwrap();
    let output = slo(directory.path(), &["test", "."]);
    assert_eq!(output.code, 2);
    assert!(output.err.contains("scripts end in .slotest"), "{}", output.err);
}

/// Every fenced `slotest` block of the manual is a script that passes.
#[test]
fn the_manual_is_true() {
    let manual = std::fs::read_to_string(root().join("docs/slotest.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut files = 0;
    let mut scripts = 0;
    // ```yaml title=name.yaml and ```json title=… are files that the scripts load.
    for block in manual.split("\n```").skip(1).step_by(2) {
        let (head, text) = block.split_once('\n').unwrap();
        if let Some(("yaml" | "json", name)) = head.split_once(" title=") {
            std::fs::write(directory.path().join(name), text).unwrap();
            files += 1;
        } else if head == "slotest" {
            scripts += 1;
            let name = format!("{scripts:02}.slotest");
            std::fs::write(directory.path().join(name), format!("{text}\n")).unwrap();
        }
    }
    assert!(files >= 2 && scripts >= 8, "{files} files and {scripts} scripts were found");
    let (exit, results) = results(directory.path(), ".");
    let failed: Vec<&Value> = results.iter().filter(|result| result["result"] != "ok").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(exit, 0);
}
