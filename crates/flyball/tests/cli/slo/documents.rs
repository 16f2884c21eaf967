//! `slo lint`, `slo fmt`, `slo show`.

use super::slo;
use crate::run::{flyball, flyball_with_input, root, slo as document, slo_with};

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
fn a_condition_that_can_never_fire_is_shown_under_its_threshold() {
    // OpenSLO's validator has no opinion: the documents load, and `lint` refuses them (D26).
    let window = "duration: 30d, isRolling: true";
    let text = slo_with("loose", "service.name = 'a'", "ok", "0.9", window)
        + "  alertPolicies: [{alertPolicyRef: fast}]\n";
    let policy = POLICY.replace("threshold: 2", "threshold: 14.4");
    let dir = directory(&[("a.yaml", &text), ("policy.yaml", &policy)]);
    let ran = slo(dir.path(), &["lint", "a.yaml", "policy.yaml"]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    let column = policy.lines().find_map(|line| line.find("14.4")).unwrap();
    let caret = format!("| {}^^^^\n", " ".repeat(column));
    for words in [
        "error: SLO `loose`: alert rule `fast`: a burn of 14.4 can never be reached",
        "--> policy.yaml:",
        "= at: spec.condition.threshold",
        &caret,
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let shown = slo(dir.path(), &["show", "a.yaml", "policy.yaml"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("CANNOT WORK"), "{}", shown.out);
}

#[test]
fn default_rules_that_do_not_suit_the_window_are_left_out_and_named() {
    let window = |length: &str| {
        let window = format!("duration: {length}, isRolling: true");
        directory(&[("a.yaml", &slo_with("a", "service.name = 'a'", "ok", "0.999", &window))])
    };
    let week = window("7d");
    let ran = slo(week.path(), &["lint", "a.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    for words in [
        "warning: default rules left out over 7d: burn-1d-2h (factor 0.7), burn-3d-6h (factor 0.2333), \
         which would call about burns that keep the objective",
        "= at: spec.timeWindow",
        "flyball.dev/alerting",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let shown = slo(week.path(), &["show", "a.yaml"]).out;
    assert!(shown.contains("burn-6h-30m: burn > 1.4"), "{shown}");
    assert!(!shown.contains("burn-1d-2h:"), "{shown}");
    assert!(
        shown.contains("alerting   the default rules; left out over 7d: burn-1d-2h"),
        "{shown}"
    );
    assert_eq!(slo(window("28d").path(), &["lint", "--deny-warnings", "a.yaml"]).code, 0);
    // Without any rule "none would have fired" would be empty comfort.
    let day = window("1d");
    let event = "{\"time\":\"2026-01-01T00:00:00Z\",\"service.name\":\"a\",\"ok\":true}\n";
    std::fs::write(day.path().join("e.ndjson"), event).unwrap();
    let ran = flyball(day.path(), &["replay", "--slo", "a.yaml", "e.ndjson"]);
    let words = "warning: a has no alert rules: the default ones are left out over 1d: burn-15m-5m";
    assert!(ran.err.contains(words), "{}", ran.err);
}

#[test]
fn written_rules_that_call_while_the_objective_is_kept_are_warned_of() {
    let strategy = "\
---
apiVersion: flyball.dev/v1
kind: AlertStrategy
metadata: {name: early}
spec:
  rules:
  - {severity: page, burn: {budget: 5%, long: 6h, short: 30m}}
  - {severity: ticket, burn: {factor: 0.5, long: 1h}}
  - {severity: ticket, burn: {factor: 2, long: 2d}}
  - {severity: ticket, burn: {factor: 0.5, long: 1h, op: lt}}
  - {severity: ticket, burn: {budget: 4%, long: 1h}}
";
    let text = slo_with("a", "service.name = 'a'", "ok", "0.999", "duration: 1d, isRolling: true")
        .replace("{name: a}", "{name: a, annotations: {flyball.dev/alerting: early}}");
    let dir = directory(&[("a.yaml", &(text + strategy))]);
    let ran = slo(dir.path(), &["lint", "-o", "json", "a.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let findings = ran.json();
    let found: Vec<_> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| ["message", "hint", "path"].map(|key| finding[key].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            [
                "SLO `a`: alert rule `page-6h`: it calls about burns above 0.2, which keep the objective",
                "6h are 25% of 1d: write a larger share or a shorter lookback",
                "spec.rules[0].burn.budget",
            ],
            [
                "SLO `a`: alert rule `ticket-1h`: it calls about burns above 0.5, which keep the objective",
                "write a factor of 1 or more",
                "spec.rules[1].burn.factor",
            ],
            [
                "SLO `a`: alert rule `ticket-2d`: it looks back 2d, further than the SLO's window of 1d",
                "write a lookback below 1d",
                "spec.rules[2].burn.factor",
            ],
        ]
    );
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
    // A prompt pair, and the workbook's over 28 days: 13.44, 5.6, 2.8, 0.9333.
    let factors: Vec<f64> = objective["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["factor"].as_f64().unwrap())
        .collect();
    for (factor, expected) in factors.iter().zip([13.44, 13.44, 5.6, 2.8, 28.0 / 30.0]) {
        assert!((factor - expected).abs() < 1e-9, "{factors:?}");
    }
    let text = slo(dir.path(), &["show", "a.yaml"]);
    for words in [
        "40.32 min",
        "the last 28d, rolling",
        "burn > 13.44 over 1h and still over 5m (2% of the budget)",
        // 48.4 s of an hour fail; of the five minutes, all but 4 s are clean again.
        "a total outage at enough traffic: calls after 48 s, ends 4 min 56 s after it",
    ] {
        assert!(text.out.contains(words), "{words}: {}", text.out);
    }
    let yaml = slo(dir.path(), &["show", "-o", "yaml", "a.yaml"]);
    assert!(yaml.out.contains("budget_minutes: 40.32"), "{}", yaml.out);
}

#[test]
fn a_total_outage_calls_when_show_says_so() {
    // Eight hours of an event each 10 s, the last two of them an outage.
    let start = 1_767_225_600;
    let mut events = Vec::new();
    for at in 0..2880 {
        let time = start + at * 10;
        events.push(format!("{{\"time\": {time}, \"ok\": {}}}\n", at < 2160));
    }
    let events = events.concat();
    let given = slo_with("checkout", "TRUE", "ok", "0.99", "duration: 30d, isRolling: true");
    // At so few events evidence would come later than the ratio.
    let plain = "{name: checkout, annotations: {flyball.dev/alerting: multi-window}}";
    let counted = given.replace("{name: checkout}", plain);
    let slices = "target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5m";
    let sliced = given.replace("Occurrences", "Timeslices").replace("target: 0.99", slices);
    // Events are looked at when a slot of 10 s ends.
    for (text, late) in [(counted, 10.0), (sliced, 0.0)] {
        let dir = directory(&[("a.yaml", &text), ("events.ndjson", &events)]);
        let shown = slo(dir.path(), &["show", "-o", "json", "a.yaml"]);
        assert_eq!(shown.code, 0, "{}", shown.err);
        let shown = shown.json();
        let rules = shown["slos"][0]["objectives"][0]["alerts"].as_array().unwrap().clone();
        let args = ["replay", "--slo", "a.yaml", "-o", "json", "events.ndjson"];
        let replayed = flyball(dir.path(), &args).json();
        let objective = &replayed["slos"][0]["objectives"][0];
        // The history is as long as the lookbacks of the pages.
        for rule in &rules[..2] {
            let says = rule["outage_detection_seconds"].as_f64().unwrap();
            let firing = objective["firings"].as_array().unwrap().iter();
            let firing = firing.clone().find(|firing| firing["rule"] == rule["rule"]).unwrap();
            let took = firing["detection_delay_seconds"].as_f64().unwrap();
            assert!((says..=says + late).contains(&took), "{text}: {says} s, not {took} s");
        }
    }
}

#[test]
fn the_examples_are_clean() {
    let ran = slo(&root(), &["lint", "examples"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(!ran.out.contains("error:"), "{}", ran.out);
}

#[test]
fn a_document_is_read_from_standard_input() {
    let text = document("checkout", "service.name = 'checkout'", "status < 500");
    let dir = directory(&[]);
    let run = |args: &[&str], text: &str| {
        flyball_with_input(dir.path(), &[&["slo"], args].concat(), text.as_bytes())
    };
    let ran = run(&["lint", "-"], &text.replace("28d", "28x"));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.out.contains("--> <stdin>:14:"), "{}", ran.out);
    let ran = run(&["show", "-"], &text);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with("checkout"), "{}", ran.out);
    let ran = run(&["fmt", "-"], &text);
    assert!(ran.out.starts_with("apiVersion: openslo/v1\n"), "{}", ran.out);
    assert_eq!(run(&["fmt", "--check", "-"], &ran.out).code, 0);
    let ran = run(&["fmt", "--write", "-"], &text);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("standard input cannot be written"), "{}", ran.err);
}

#[test]
fn documents_without_an_slo_are_named_as_such() {
    let event = "{\"time\":\"2026-01-01T00:00:00Z\",\"status\":200}\n";
    let dir = directory(&[("empty.yaml", ""), ("events.ndjson", event)]);
    let ran = flyball(dir.path(), &["replay", "--slo", "empty.yaml", "events.ndjson"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("the documents define no SLO"), "{}", ran.err);
    assert!(ran.err.contains("warning: there is no document here"), "{}", ran.err);
}

const POLICY: &str = "\
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: fast}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: burning}]
  notificationTargets: [{targetRef: on-call}]
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: burning}
spec:
  severity: page
  condition: {kind: burnrate, op: gte, threshold: 2, lookbackWindow: 1h, alertAfter: 5m}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: on-call}
spec: {target: pager}
";

#[test]
fn policies_of_other_documents_alert() {
    use std::fmt::Write;
    let text =
        document("all", "TRUE", "status < 500") + "  alertPolicies: [{alertPolicyRef: fast}]\n";
    let mut events = String::new();
    for minute in 0..120 {
        let status = if minute < 60 { 200 } else { 500 };
        let (hour, minute) = (minute / 60, minute % 60);
        let _ = writeln!(
            events,
            "{{\"time\":\"2026-01-01T{hour:02}:{minute:02}:00Z\",\"status\":{status}}}"
        );
    }
    let dir = directory(&[("a.yaml", &text), ("policy.yaml", POLICY), ("events.ndjson", &events)]);
    let shown = slo(dir.path(), &["show", "a.yaml", "policy.yaml"]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    let words = "page       fast: burn >= 2 over 1h (0.2976% of the budget), held for 5m";
    assert!(shown.out.contains(words), "{}", shown.out);
    let args = ["replay", "--slo", "a.yaml", "--slo", "policy.yaml", "-o", "json", "events.ndjson"];
    let json = flyball(dir.path(), &args).json();
    let firing = &json["slos"][0]["objectives"][0]["firings"][0];
    assert_eq!((&firing["rule"], &firing["severity"]), (&"fast".into(), &"page".into()));
    assert_eq!(firing["factor"], 2.0);
}

#[test]
fn corrections_that_met_no_data_are_listed() {
    let correction = |name: &str, slo: &str, day: u32| {
        format!(
            "---\napiVersion: flyball.dev/v1\nkind: Correction\nmetadata: {{name: {name}}}\n\
             spec:\n  slos: [{slo}]\n  mode: drop\n  category: maintenance\n  author: ops\n  \
             schedule: {{start: 2026-01-{day:02}T00:00:00Z, end: 2026-01-{day:02}T01:00:00Z}}\n"
        )
    };
    let text = document("all", "TRUE", "status < 500")
        + &correction("met", "all", 1)
        + &correction("late", "all", 2)
        + &correction("misspelt", "al", 1);
    let event = "{\"time\":\"2026-01-01T00:00:00Z\",\"status\":200}\n\
                 {\"time\":\"2026-01-01T02:00:00Z\",\"status\":200}\n";
    let dir = directory(&[("a.yaml", &text), ("events.ndjson", event)]);
    let args = ["replay", "--slo", "a.yaml", "events.ndjson"];
    let table = flyball(dir.path(), &args).out;
    for line in [
        "\ncorrection late changed nothing: none of its occurrences lies in the data\n",
        "\ncorrection misspelt changed nothing: it applies to none of these SLOs\n",
    ] {
        assert!(table.contains(line), "{line}: {table}");
    }
    assert!(!table.contains("correction met"), "{table}");
    let json = flyball(dir.path(), &[&args[..], &["-o", "json"]].concat()).json();
    let found: Vec<(&str, u64, u64)> = json["corrections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let count = |key: &str| one[key].as_u64().unwrap();
            (one["name"].as_str().unwrap(), count("occurrences"), count("slots"))
        })
        .collect();
    assert_eq!(found, [("met", 1, 1), ("late", 0, 0), ("misspelt", 1, 0)]);
}

#[test]
fn imported_documents_pass_though_a_rule_of_their_tool_can_never_fire() {
    let data = root().join("crates/flyball-spec/tests/data");
    for document in ["pyrra/nginx.yaml", "sloth/examples/victoria-metrics.yml"] {
        let path = data.join(document);
        let ran = flyball(&root(), &["slo", "lint", path.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{document}: {}", ran.out);
        assert!(ran.out.contains("can never be exceeded"), "{document}: {}", ran.out);
    }
}

#[test]
fn what_lies_in_another_file_is_a_warning_and_what_is_misspelt_an_error() {
    let chain = |rota: &str| {
        format!(
            "apiVersion: flyball.dev/v1\nkind: Escalation\nmetadata: {{name: pages}}\nspec: {{services: [], levels: [{{name: first, \
             side: developers, rota: {rota}, wait: 5m}}]}}\n"
        )
    };
    let rota = "apiVersion: flyball.dev/v1\nkind: Rota\nmetadata: {name: payments}\nspec: {members: [{name: ada, side: \
                developers}], layers: [{name: first, members: [ada], rotation: {unit: week, start: 2026-01-05T09:00}}]}\n";
    let tier =
        "apiVersion: flyball.dev/v1\nkind: Service\nmetadata: {name: shop}\nspec: {tier: zebra}\n";
    let (right, wrong) = (chain("payments"), chain("paymnts"));
    let files = [
        ("right.yaml", &*right),
        ("wrong.yaml", &*wrong),
        ("rota.yaml", rota),
        ("tier.yaml", tier),
    ];
    let dir = directory(&files);
    let lint = |files: &[&str]| slo(dir.path(), &[&["lint"], files].concat());
    let alone = lint(&["right.yaml"]);
    assert_eq!(alone.code, 0, "{}", alone.out);
    assert!(alone.out.contains("warning: no rota is called `payments`"), "{}", alone.out);
    assert!(alone.out.contains("load the file that defines it"), "{}", alone.out);
    assert_eq!(lint(&["--deny-warnings", "right.yaml"]).code, 2);
    assert_eq!(lint(&["--deny-warnings", "right.yaml", "rota.yaml"]).code, 0);
    let misspelt = lint(&["wrong.yaml", "rota.yaml"]);
    assert_eq!(misspelt.code, 2, "{}", misspelt.out);
    assert!(misspelt.out.contains("did you mean `payments`?"), "{}", misspelt.out);
    let tier = lint(&["tier.yaml"]);
    assert!(tier.code == 0 && tier.out.contains("no tier is called `zebra`"), "{}", tier.out);
}
