//! The gate by the command line: exit codes that a pipeline goes by, and what people decide by hand.

use std::path::Path;

use flyball_model::{Duration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::serve;
use crate::run::{Ran, flyball};

fn at_server(at: &Path, url: &str, args: &[&str]) -> Ran {
    flyball(at, &[args, &["--server", url]].concat())
}

/// By which a service is known.
const PLANNED: [&str; 6] = ["change", "record", "--service", "shop", "--outcome", "planned"];

#[test]
fn a_pipeline_goes_by_the_exit_code() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flyball-govern/policies");
    for name in ["four-weeks.yaml", "quarterly-with-sign-off.yaml"] {
        std::fs::copy(policies.join(name), at.join(name)).unwrap();
    }
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    let applied =
        run(&["apply", "--yes", "-f", "four-weeks.yaml", "-f", "quarterly-with-sign-off.yaml"]);
    assert_eq!(applied.code, 0, "what ships applies as it ships: {}", applied.err);

    let unheard = run(&["gate", "shop"]);
    assert_eq!(unheard.code, 2, "{}{}", unheard.out, unheard.err);
    let hint = "hint: `flyball service list` lists them. A new service is there once";
    assert!(unheard.err.contains(hint), "{}", unheard.err);
    assert_eq!(run(&PLANNED).code, 0);
    let new = run(&["gate", "shop"]);
    assert_eq!(new.code, 0, "{}", new.err);
    assert!(new.out.contains("not blocked") && new.out.contains("advisory"), "{}", new.out);
    for wrong in [&["--class", "party"][..], &["--rollout", "fast"], &["--dry-run=x"]] {
        assert_eq!(run(&[&["gate", "shop"], wrong].concat()).code, 2, "{wrong:?}");
    }
    assert_eq!(flyball(at, &["gate", "shop", "--server", "http://127.0.0.1:1"]).code, 2);

    let freeze = ["policy", "freeze", "shop", "--role", "sre", "--why", "a sale", "--until"];
    let other = ["policy", "freeze", "shpo", "--role", "sre", "--why", "a sale", "--until", "4h"];
    let unknown = run(&other);
    assert!(unknown.code == 2 && unknown.err.contains("nothing is known"), "{}", unknown.err);
    let refused = run(&[&freeze[..], &["2000-01-01T00:00:00Z"]].concat());
    assert_eq!(refused.code, 2, "it has ended before it begins");
    let looked = run(&["gate", "shop", "--dry-run", "-o", "json"]).json();
    let now = Timestamp::parse(looked["decision"]["at"].as_str().unwrap()).unwrap();
    let soon = now.plus(Duration::from_hours(2));
    let frozen = run(&[&freeze[..], &[&soon.to_string()]].concat());
    assert_eq!(frozen.code, 0, "{}", frozen.err);
    let denied = run(&["gate", "shop", "--rollout", "canary:5%:30m"]);
    assert_eq!(denied.code, 1, "{}", denied.out);
    assert!(
        denied.out.contains("a sale") && denied.out.contains("would change it"),
        "{}",
        denied.out
    );
    assert_eq!(run(&["gate", "shop", "--class", "rollback"]).code, 0, "restoring is never denied");
    let misspelt = run(&["gate", "shpo", "--class", "rollback"]);
    assert_eq!(misspelt.code, 0, "nothing holds up what restores");
    assert!(misspelt.err.contains("nothing is known of a service `shpo`"), "{}", misspelt.err);
    assert!(misspelt.err.contains("hint: `flyball service list`"), "{}", misspelt.err);
    assert!(!run(&["gate", "shop", "--dry-run"]).err.contains("nothing is known"));
    let looked = run(&["gate", "shop", "--dry-run", "-o", "json"]);
    assert_eq!((looked.code, &looked.json()["id"]), (1, &Value::Null));

    for role in ["product_manager", "engineering_lead", "sre"] {
        assert_eq!(run(&["policy", "sign", "four-weeks", "--role", role]).code, 0);
    }
    assert_eq!(run(&["policy", "sign", "four-weeks", "--role", "cto"]).code, 2);
    let listed = run(&["policy", "list"]).out;
    assert!(listed.contains("enforced") && listed.contains("advisory"), "{listed}");
    let until = soon.to_string();
    let except = ["policy", "override", "shop", "--role", "product_manager", "--until", &until];
    assert_eq!(run(&[&except[..], &["--why", " "]].concat()).code, 2, "for no reason");
    assert_eq!(run(&[&except[..], &["--why", "a contract ends"]].concat()).code, 0);
    let frozen = run(&["gate", "shop"]);
    let overrides = run(&["policy", "overrides", "shop"]).out;
    assert!(overrides.trim_start().starts_with("OVERRIDE"), "{overrides}");
    let none = run(&["policy", "approvals", "shop"]).out;
    assert_eq!(none, "no approvals\n");
    let second = soon.floor(Duration::from_seconds(1));
    assert!(frozen.out.contains(&format!("until {second}: a sale")), "{}", frozen.out);
    let through = run(&["gate", "shop"]);
    assert_eq!(through.code, 0, "{}", through.out);
    assert!(through.out.contains("a contract ends"), "{}", through.out);
    assert_eq!(run(&["policy", "sign-off", "shop", "overspent", "--role", "sre"]).code, 2);
    assert_eq!(run(&["audit", "verify"]).code, 0);
}

#[test]
fn what_the_environment_says_is_not_asked_for() {
    let directory = TempDir::new().unwrap();
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_flyball"))
        .args(["policy", "sign-off", "shop", "overspent"])
        .current_dir(directory.path())
        .envs([("FLYBALL_SERVER", "http://127.0.0.1:1"), ("FLYBALL_TOKEN", "x")])
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{said}");
    let usage = "Usage: flyball policy sign-off [OPTIONS] --role <ROLE> <SERVICE> <LEVEL>";
    assert!(said.contains(usage) && !said.contains("--server <URL>"), "{said}");
    let calendar = flyball(directory.path(), &["oncall", "calendar"]);
    assert!(calendar.code == 2 && calendar.err.contains("--person <NAME>"), "{}", calendar.err);
}

#[test]
fn shipped_policies_pass_their_tests_and_failures_have_places() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flyball-govern/policies");
    let shipped = flyball(at, &["policy", "test", policies.to_str().unwrap()]);
    assert_eq!(shipped.code, 0, "{}{}", shipped.out, shipped.err);
    assert!(shipped.err.contains("19 passed, 0 failed, 0 could not be run"), "{}", shipped.err);

    let test = "apiVersion: flyball.dev/v1
kind: PolicyTest
metadata: {name: mine}
spec:
  policy: four-weeks
  cases:
  - name: overspent
    budgets:
    - {slo: checkout, target: 99%, valid: 100, bad: 2}
    expect:
    - {class: feature, outcome: deny}
    - {class: fix, outcome: allow, level: overspent}
";
    let run = |text: &str| {
        std::fs::write(at.join("mine.policytest"), text).unwrap();
        flyball(at, &["policy", "test", "."])
    };
    let failed = run(test);
    assert_eq!(failed.code, 1, "{}", failed.err);
    assert!(failed.out.contains("mine.policytest:12:29"), "{}", failed.out);
    assert!(failed.out.contains("expected allow, found deny"), "{}", failed.out);
    let json = flyball(at, &["policy", "test", "mine.policytest", "-o", "json"]).json();
    assert_eq!(
        (&json[0]["result"], &json[0]["problems"][0]["line"]),
        (&"failed".into(), &12.into())
    );

    for (wrong, place) in [
        (test.replace("policy: four-weeks", "policy: five-weeks"), "mine.policytest:5:11"),
        (test.replace("outcome: deny", "outcome: no"), "mine.policytest:11:"),
        (test.replace("  cases:", "  document: gone.yaml\n  cases:"), "mine.policytest:6:13"),
        (test.replace("kind: PolicyTest", "kind: Tier"), "mine.policytest:2:"),
        (test.replace("    expect:", "    latched: [nothing]\n    expect:"), "mine.policytest:10:"),
    ] {
        let refused = run(&wrong);
        assert_eq!(refused.code, 2, "{}{}", refused.out, refused.err);
        let said = format!("{}{}", refused.out, refused.err);
        assert!(said.contains(place), "{said}");
    }
    // What is wrong with one keeps no other from being tried.
    std::fs::write(at.join("other.policytest"), test).unwrap();
    std::fs::write(at.join("empty.policytest"), "").unwrap();
    let both = run(&test.replace("  cases:", "  document: gone.yaml\n  cases:"));
    assert!(
        both.code == 2 && both.err.contains("0 passed, 1 failed, 2 could not be run"),
        "{}",
        both.err
    );
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let applied = at_server(at, &url, &["apply", "--yes", "-f", "mine.policytest"]);
    assert_eq!(applied.code, 2, "a test is not evaluated");
    assert!(applied.err.contains("flyball policy test"), "{}", applied.err);
}

#[test]
fn what_is_decided_by_hand_ends_when_somebody_says_so() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    assert_eq!(run(&PLANNED).code, 0);
    let freeze = ["policy", "freeze", "shop", "--role", "sre", "--why", "a sale", "--until"];
    assert_eq!(run(&[&freeze[..], &["soon"]].concat()).code, 2);
    let frozen = run(&[&freeze[..], &["4h"]].concat());
    assert_eq!(frozen.code, 0, "a length of time will do: {}", frozen.err);
    assert_eq!(run(&["gate", "shop", "--dry-run"]).code, 1);
    let listed = run(&["policy", "blocks", "shop", "-o", "json"]).json();
    let id = listed["blocks"][0]["id"].as_str().unwrap();
    let lift = ["policy", "lift", "shop", id, "--role", "sre", "--why", "sold out"];
    assert_eq!(run(&lift).code, 0);
    assert_eq!(run(&["gate", "shop", "--dry-run"]).code, 0);
    assert!(run(&["policy", "blocks", "shop"]).out.contains("ended by anyone"));
    let unknown = run(&["policy", "lift", "shop", "shop:1", "--role", "sre", "--why", "x"]);
    assert!(
        unknown.err.contains("hint: `flyball policy blocks shop` lists them"),
        "{}",
        unknown.err
    );

    let except = ["policy", "override", "shop", "--role", "product_manager", "--until", "4h"];
    assert_eq!(run(&[&except[..], &["--why", "a contract ends"]].concat()).code, 0);
    let report = run(&["policy", "overrides", "shop", "-o", "json"]).json();
    let id = report["overrides"][0]["id"].as_str().unwrap();
    let unasked = run(&["policy", "agree", "shop", id, "--role", "sre"]);
    assert!(unasked.code == 2 && unasked.err.contains("wants nobody to agree"), "{}", unasked.err);
    let revoke = ["policy", "revoke", "shop", id, "--role", "product_manager", "--why", "signed"];
    assert_eq!(run(&revoke).code, 0);
    let contest =
        ["policy", "contest", "shop", "incident 7", "--why", "a load test", "--until", "7d"];
    assert_eq!(run(&contest).code, 0);
    let contests = run(&["policy", "contests", "shop", "-o", "json"]).json();
    let id = contests["contests"][0]["id"].as_str().unwrap();
    assert_eq!(run(&["policy", "evidence", "shop", id, "graph 3"]).code, 0);
    let settle = ["policy", "settle", "shop", id, "stands", "--role", "cto", "--why", "it was not"];
    assert_eq!(run(&settle).code, 2, "nobody judges their own cause");
    assert!(run(&["policy", "contests", "shop"]).out.contains("open"));
    let told = run(&["policy", "overrides", "shop"]).out;
    assert!(told.contains("anyone: 1 made") && told.contains("1 unused"), "{told}");
    assert_eq!(run(&["audit", "verify"]).code, 0);

    let classify = |what: &str, class: &str| {
        let act = ["--role", "engineering_lead", "--why", "the backbone was down"];
        run(&[&["policy", "classify", "shop", what, class], &act[..]].concat())
    };
    let unknown = classify("OPS-17", "company-network");
    assert!(unknown.code == 2 && unknown.err.contains("--by-cause"), "{}", unknown.err);
    let drill = ["change", "record", "--service", "shop", "--kind", "drill", "--id", "load-test-7"];
    assert_eq!(run(&drill).code, 0);
    let classed = classify("load-test-7", "out-of-scope");
    assert!(classed.code == 0 && classed.err.contains("without tokens"), "{}", classed.err);
    let listed = run(&["policy", "classes", "shop"]).out;
    assert!(listed.contains("out-of-scope") && listed.contains("backbone"), "{listed}");
    assert_eq!(classify("load-test-7", "none").code, 0);
    assert!(!run(&["policy", "classes", "shop"]).out.contains("out-of-scope"));
}

/// A policy by which every feature needs a signature.
const SIGNED: &str = "apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: signed}
spec:
  version: 1
  approvers: [sre]
  revisit: 2100-01-01
  levels:
  - {name: always, require: [{role: sre, classes: [feature]}]}
---
apiVersion: flyball.dev/v1
kind: Tier
metadata: {name: special}
spec: {target: 99%, window: 28d, alerting: default, policy: signed}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: shop, annotations: {flyball.dev/tier: special}}
spec: {}
";

#[test]
fn a_denial_names_the_command_that_approves_the_change() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    std::fs::write(at.join("signed.yaml"), SIGNED).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    assert_eq!(run(&["apply", "--yes", "-f", "signed.yaml"]).code, 0);
    assert_eq!(run(&["policy", "sign", "signed", "--role", "sre"]).code, 0);
    let nameless = run(&["gate", "shop", "--dry-run"]);
    assert!(nameless.code == 1 && nameless.out.contains("ask with --change"), "{}", nameless.out);
    let asked = ["gate", "shop", "--change", "release-14", "--revision", "4f2a"];
    let denied = run(&asked);
    assert_eq!(denied.code, 1, "{}", denied.out);
    let command = denied.out.split("as sre: flyball ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(
        command,
        "policy approve shop --change 4f2a --class feature --role sre --why '…' --until 24h"
    );
    let words: Vec<&str> = command.split(' ').map(|word| word.trim_matches('\'')).collect();
    let approved = run(&words);
    assert_eq!(approved.code, 0, "{}", approved.err);
    let passes = run(&asked);
    assert_eq!(passes.code, 0, "{}", passes.out);
    assert!(passes.out.contains("anyone has approved `4f2a` as `sre` until"), "{}", passes.out);
    let listed = run(&["policy", "approvals", "shop", "-o", "json"]).json();
    let id = listed["approvals"][0]["id"].as_str().unwrap();
    assert_eq!(run(&["policy", "withdraw", "shop", id, "--why", "it leaks"]).code, 0);
    assert!(run(&["policy", "approvals", "shop"]).out.contains("ended by anyone"));
    assert_eq!(run(&asked).code, 1);
    let unknown = run(&["policy", "withdraw", "shop", "shop:1", "--why", "x"]);
    assert!(unknown.err.contains("`flyball policy approvals shop` lists them"), "{}", unknown.err);
    assert_eq!(run(&["audit", "verify"]).code, 0);
}
