use serde_json::json;

use super::*;
use crate::policy::testing::{four_weeks, quarterly, yaml};

fn test(policy: &str, cases: &str) -> PolicyTest {
    let text = format!("policy: {policy}\ncases:\n{cases}");
    serde_json::from_value(yaml(&text)).unwrap()
}

fn failures(test: &PolicyTest, policy: &Policy) -> Vec<(String, String)> {
    let failures = test.run(policy).into_iter().flat_map(|case| case.failures);
    failures.map(|failure| (failure.path, failure.said)).collect()
}

#[test]
fn what_is_otherwise_is_told_with_its_field() {
    let cases = r"
- name: overspent by one
  budgets:
  - {slo: checkout, target: 99.9%, valid: 1000000, bad: 1001}
  expect:
  - {class: feature, outcome: deny, level: overspent, reasons: [level]}
  - {class: rollback, outcome: allow, reasons: [restores]}
  - {class: feature, outcome: allow, level: within, reasons: [cap]}
- name: exactly spent
  budgets:
  - {slo: checkout, target: 99.9%, valid: 1000000, bad: 1000}
  expect:
  - {class: feature, outcome: warn, level: nearly-spent}
";
    let test = test("four-weeks", cases);
    let found = failures(&test, &four_weeks());
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec.cases[0].expect[2].outcome",
            "spec.cases[0].expect[2].level",
            "spec.cases[0].expect[2].reasons"
        ]
    );
    assert!(
        found[0].1.starts_with("expected allow, found deny: deny feature of service."),
        "{found:?}"
    );
    assert_eq!(found[1].1, "expected the level `within`, found `overspent`");
    assert_eq!(test.run(&four_weeks())[0].expectations, 3);
}

#[test]
fn cases_say_what_is_known_and_what_is_not() {
    let cases = r"
- name: nothing was ever counted
  budgets:
  - {slo: checkout, target: 99%}
  expect:
  - {class: feature, outcome: warn, reasons: [no_data_yet]}
- name: nothing is counted any more
  budgets:
  - {slo: checkout, target: 99%}
  expect:
  - {class: feature, outcome: undecidable, reasons: [unknown]}
- name: counts are too old
  budgets:
  - {slo: checkout, target: 99%, valid: 100, bad: 0, age: 1h}
  expect:
  - {class: feature, outcome: undecidable}
- name: it will soon be gone
  budgets:
  - {slo: checkout, target: 99%, valid: 1000, bad: 1, forecast: 47h}
  expect:
  - {class: feature, outcome: warn, level: nearly-spent}
- name: nobody has signed
  expect: []
";
    let mut value = yaml(&format!("policy: four-weeks\ncases:\n{cases}"));
    value["cases"][1]["budgets"][0]["gone"] = json!(true);
    value["cases"][4] = json!({
        "name": "nobody has signed", "signed": false,
        "budgets": [{"slo": "checkout", "target": "99%", "valid": 100, "bad": 2}],
        "expect": [{"class": "feature", "outcome": "warn", "reasons": ["advisory", "level"]}],
    });
    let test: PolicyTest = serde_json::from_value(value).unwrap();
    assert_eq!(failures(&test, &four_weeks()), []);
}

#[test]
fn latched_levels_are_the_policys() {
    let cases = r"
- name: latched
  latched: [overspent]
  budgets:
  - {slo: checkout, target: 99%, valid: 100, bad: 0}
  expect:
  - {class: feature, outcome: deny, level: overspent}
";
    let mut test = test("quarterly-with-sign-off", cases);
    assert_eq!(failures(&test, &quarterly()), []);
    test.cases[0].latched = BTreeSet::from(["overspend".to_owned()]);
    let outcome = &test.run(&quarterly())[0];
    assert_eq!(outcome.failures.len(), 1, "nothing else is tried");
    assert!(!outcome.failures[0].is_failure && outcome.failures[0].path == "spec.cases[0].latched");
}

#[test]
fn what_is_no_case_is_refused() {
    for wrong in [
        json!({"name": "a"}),
        json!({"name": "a", "expect": [{"class": "party", "outcome": "deny"}]}),
        json!({"name": "a", "expect": [{"class": "fix", "outcome": "no"}]}),
        json!({"name": "a", "expect": [], "budgets": [{"slo": "a"}]}),
        json!({"name": "a", "expect": [], "budgets": [{"slo": "a", "target": "99%", "forecast": "soon"}]}),
        json!({"name": "a", "expect": [], "tomorrow": true}),
    ] {
        assert!(serde_json::from_value::<Case>(wrong.clone()).is_err(), "{wrong} was accepted");
    }
}
