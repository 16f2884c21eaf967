//! Drills by the command, with the real guard: begun, told of, stopped, and a server that is killed in the middle.

use std::path::Path;

use flyball_model::{Duration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::drill_guard::{Asked, Broken, SECRET, WHOLE_WITHIN};
use crate::live::send_events;
use crate::process::{Process, command, listening};
use crate::run::{Ran, flyball};

/// A drill of the shop at any time of day, by the hook at `address`.
fn documents(address: &str) -> String {
    let secret = SECRET.0;
    format!(
        "apiVersion: openslo/v1
kind: SLO
metadata: {{name: checkout}}
spec:
  service: shop
  indicator:
    metadata: {{name: answered}}
    spec:
      ratioMetric:
        counter: true
        good: {{metricSource: {{type: flyball, spec: {{where: status < 500}}}}}}
        total: {{metricSource: {{type: flyball, spec: {{where: service.name = 'shop'}}}}}}
  timeWindow: [{{duration: 1h, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{target: 0.9}}]
---
apiVersion: flyball.dev/v1
kind: Drill
metadata: {{name: shop-errors}}
spec:
  description: The shop answers 503.
  service: shop
  slo: checkout
  reserve: 10%
  longest: 2m
  notice: 0s
  fault: {{kind: abort, status: 503}}
  via: {{kind: webhook, url: 'http://{address}/order', secretEnv: {secret}}}
  hours: {{days: [mon, tue, wed, thu, fri, sat, sun], from: '00:00', to: '00:00', timeZone: UTC}}
"
    )
}

/// A server that knows the secret, and its URL.
fn serving(at: &Path) -> (Process, String) {
    let serve = ["serve", "--data", "data", "--listen", "127.0.0.1:0"];
    listening(command(at, &serve).env(SECRET.0, SECRET.1))
}

/// A good event a second of the ten minutes before now.
#[expect(clippy::disallowed_methods, reason = "the server reads the same clock")]
fn good_events() -> String {
    let now = Timestamp::from_jiff(jiff::Timestamp::now()).unwrap();
    let line = |second: u32| {
        let at = now.minus(Duration::from_seconds(600 - second));
        format!("{{\"time\":\"{at}\",\"service.name\":\"shop\",\"status\":200}}\n")
    };
    (0..600).map(line).collect()
}

/// The next order of a kind; others are left out.
fn order(broken: &Broken, event: &str) -> Asked {
    loop {
        let asked = broken.next();
        if asked.header("flyball-event") == Some(event) {
            return asked;
        }
    }
}

#[test]
fn a_killed_server_leaves_nothing_broken_and_the_next_one_tells_of_it() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let broken = Broken::new(&[]);
    std::fs::write(at.join("drill.yaml"), documents(&broken.address)).unwrap();
    let (server, url) = serving(at);
    let at_server = |url: &str, args: &[&str]| -> Ran {
        let ran = flyball(at, &[args, &["--server", url]].concat());
        assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.out, ran.err);
        ran
    };
    at_server(&url, &["apply", "--yes", "-f", "drill.yaml"]);
    let exported = at_server(&url, &["get", "definitions", "drill.yaml"]);
    assert!(exported.out.contains("kind: Drill"), "{}", exported.out);
    let unknown = flyball(at, &["drill", "show", "shop-erors", "--server", &url]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("did you mean `shop-errors`?"), "{}", unknown.err);
    let early = flyball(at, &["drill", "begin", "shop-errors", "--server", &url]);
    assert_eq!(early.code, 1, "nothing is counted: {}{}", early.out, early.err);
    assert!(early.out.contains("there is no data"), "{}", early.out);
    let refused = flyball(at, &["drill", "begin", "shop-errors", "--apply", "--server", &url]);
    assert_eq!(refused.code, 1, "something is not met: {}", refused.err);
    assert!(refused.err.contains("the drill may not begin"), "{}", refused.err);
    let hint = "hint: `flyball drill show shop-errors` lists what has to be met";
    assert!(refused.err.contains(hint), "{}", refused.err);
    send_events(&url, &good_events());

    let listed = at_server(&url, &["drill", "list"]);
    assert!(listed.out.contains("shop-errors") && listed.out.contains("yes"), "{}", listed.out);
    let shown = at_server(&url, &["drill", "show", "shop-errors", "-o", "json"]).json();
    assert!(shown["dose"]["bad"].as_u64().is_some_and(|bad| bad > 40), "{shown}");
    let told = at_server(&url, &["drill", "begin", "shop-errors"]);
    assert!(told.err.contains("nothing was begun"), "{}", told.err);
    let begun = at_server(&url, &["drill", "begin", "shop-errors", "--apply"]);
    let key = begun.out.trim().to_owned();
    let asked = order(&broken, "drill.begin");
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!((&body["order"], &body["key"]), (&"begin".into(), &key.as_str().into()), "{body}");
    // It holds for a while, and is renewed.
    order(&broken, "drill.begin");

    let killed = Instant::now();
    server.kill();
    let asked = order(&broken, "drill.end");
    let whole = asked.at.duration_since(killed);
    assert!(whole < WHOLE_WITHIN, "whole again after {whole:?}");

    // The next server takes it away once more, since it cannot know, and tells how it ended.
    let (_server, url) = serving(at);
    order(&broken, "drill.end");
    let patience = Instant::now() + std::time::Duration::from_mins(1);
    while !at_server(&url, &["drill", "runs"]).out.contains("ended: the server died meanwhile") {
        assert!(Instant::now() < patience, "the run does not end");
    }
    let stopped = at_server(&url, &["drill", "stop", &key]);
    assert!(stopped.err.contains("ended: the server died meanwhile"), "{}", stopped.err);
    let none = at_server(&url, &["drill", "stop"]);
    assert!(none.err.contains("no drill goes on"), "{}", none.err);
    let runs = at_server(&url, &["drill", "runs"]);
    assert!(runs.out.contains(&key), "{}", runs.out);
    let report = at_server(&url, &["drill", "report"]);
    for said in ["the server died meanwhile", "Paid by", "No service says that it depends on it"] {
        assert!(report.out.contains(said), "{said}: {}", report.out);
    }
    let changes = at_server(&url, &["change", "list", "-o", "json"]);
    assert!(changes.out.contains(&format!("drill:{key}")), "{}", changes.out);
}
