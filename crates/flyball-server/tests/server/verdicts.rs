//! Verdicts on changes: what is found, from what, and that it outlives a restart.

use flyball_model::{Duration, Timestamp};
use serde_json::{Value, json};

use crate::alerts::QUICK;
use crate::harness::{NOON, PATIENCE, Running, SHOP, TestClock};

/// The shop's promise, kept by version as well.
const VERSIONED: &str = r"
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout}
spec:
  service: shop
  indicator:
    metadata: {name: answered}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: flyball, spec: {where: status < 500}}}
        total:
          metricSource:
            type: flyball
            spec: {where: service.name = 'shop', by: [service.version]}
  timeWindow: [{duration: 1h, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
";

/// Two events a second of `version` from `from` on for `seconds`, of which every `bad_every`th failed.
pub(crate) fn traffic(from: Timestamp, seconds: u32, bad_every: u32, version: &str) -> String {
    let line = |number: u32| {
        let at = from.plus(Duration::from_nanos(i64::from(number) * 500_000_000).unwrap());
        let status = if number.is_multiple_of(bad_every) { 503 } else { 200 };
        let of = format!("\"service.name\":\"shop\",\"service.version\":\"{version}\"");
        format!("{{\"time\":\"{at}\",{of},\"status\":{status}}}\n")
    };
    (0..2 * seconds).map(line).collect()
}

/// Sends events, which are counted when this returns.
pub(crate) async fn send(running: &Running, events: String) {
    let before = running.position().await;
    assert_eq!(running.post("/api/v1/events", events).send().await.unwrap().status(), 200);
    running.counts_behind(before).await;
}

/// Records a change.
pub(crate) async fn record(running: &Running, body: &Value) {
    let sent = running.post("/api/v1/changes", body.to_string()).send().await.unwrap();
    assert_eq!(sent.status(), 201);
}

/// The change called `id`, as soon as `is_awaited`.
pub(crate) async fn change(
    running: &Running,
    id: &str,
    is_awaited: impl Fn(&Value) -> bool,
) -> Value {
    let mut ticks = running.server.ticks();
    let mut last = Value::Null;
    let look = async {
        loop {
            last = running.get(&format!("/api/v1/changes/{id}")).await.1;
            if is_awaited(&last) {
                return;
            }
            let _ = tokio::time::timeout(PATIENCE / 600, ticks.changed()).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, look).await;
    assert!(waited.is_ok(), "what is awaited of {id} does not come: {last:#}");
    last
}

/// What was recorded of verdicts in the audit log.
async fn audited(running: &Running) -> Vec<Value> {
    let (_, log) = running.get("/api/v1/audit").await;
    let records = log["records"].as_array().unwrap().iter();
    records.filter(|record| record["action"] == "change.verdict").cloned().collect()
}

/// A shop that served well for two hours, and then began to fail with a deployment at noon.
pub(crate) async fn broken_deploy(running: &Running, clock: &TestClock) {
    let noon = Timestamp::parse(NOON).unwrap();
    send(running, traffic(noon.minus(Duration::from_hours(2)), 7_200, 100, "1.3.0")).await;
    record(running, &json!({"id": "release", "service": "shop", "version": "1.4.0"})).await;
    // Clocks differ, so events may be ahead: all are there when their minutes are complete.
    send(running, traffic(noon, 300, 2, "1.4.0")).await;
    clock.advance(Duration::from_seconds(310));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_makes_users_fail_regressed_and_breaks_its_warranty() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    broken_deploy(&running, &clock).await;
    let seen = change(&running, "release", |it| it["verdict"]["answer"] == "regressed").await;
    let verdict = &seen["verdict"];
    let objective = &verdict["objectives"][0];
    assert_eq!(
        (&objective["slo"], &objective["design"]),
        (&json!("checkout"), &json!("before_after"))
    );
    assert_eq!(objective["candidate"], json!({"valid": 600, "bad": 300}));
    assert_eq!(objective["burned"]["events"], 294, "one in a hundred fails anyway");
    let range = &objective["effect"]["difference_range"];
    assert!(range["low"].as_f64().unwrap() > 0.1, "past the margin: {range}");
    let decided = Timestamp::parse(verdict["decided"].as_str().unwrap()).unwrap();
    let noon = Timestamp::parse(NOON).unwrap();
    assert!(decided <= noon.plus(Duration::from_minutes(4)), "{decided}");
    assert_eq!(seen["life"]["ending"]["cause"], json!({"kind": "verdict", "by": "release"}));
    assert_eq!(seen["suggestion"]["remedy"], "roll_back");
    assert_eq!(seen["suggestion"]["reasons"], json!(["newest"]));
    let records = audited(&running).await;
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["detail"]["answer"], "regressed");
    // It is counted a moment after it is kept.
    running.metric_is("flyball_change_verdicts_total{answer=\"regressed\"}", 1.0).await;

    // Rolled back: nothing is left to be done, and what it did stays known.
    let back = json!({"id": "back", "service": "shop", "kind": "rollback", "restores": "release"});
    record(&running, &back).await;
    clock.advance(Duration::from_seconds(20));
    let seen = change(&running, "release", |it| it["verdict"]["is_over"] == true).await;
    assert_eq!(
        (&seen["suggestion"], &seen["verdict"]["answer"]),
        (&Value::Null, &json!("regressed"))
    );
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_the_same_from_the_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let noon = Timestamp::parse(NOON).unwrap();
    send(&running, traffic(noon.minus(Duration::from_hours(2)), 7_200, 100, "1.3.0")).await;
    record(&running, &json!({"id": "release", "service": "shop", "version": "1.4.0"})).await;
    send(&running, traffic(noon, 10, 100, "1.4.0")).await;
    clock.advance(Duration::from_minutes(2));
    let is_seen = |it: &Value| it["verdict"]["objectives"][0]["looks"] == 1;
    let before = change(&running, "release", is_seen).await;
    assert_eq!(before["verdict"]["answer"], "undecided");
    assert_eq!(audited(&running).await.len(), 0, "no answer, no record");
    running.server.stop().await;

    let running = Running::start(directory.path(), SHOP, &clock).await;
    assert_eq!(change(&running, "release", is_seen).await, before);
    // When the hour is over an answer is kept, whichever it is.
    clock.advance(Duration::from_minutes(58));
    send(&running, traffic(noon.plus(Duration::from_minutes(2)), 3_480, 100, "1.4.0")).await;
    clock.advance(Duration::from_hours(1));
    let over = change(&running, "release", |it| it["verdict"]["is_over"] == true).await;
    assert_eq!(over["life"]["phase"], "in_warranty");
    running.server.stop().await;
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let kept = running.get("/api/v1/changes/release").await.1;
    assert_eq!(kept["verdict"], over["verdict"]);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_data_is_not_health_and_other_environments_are_not_judged() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let noon = Timestamp::parse(NOON).unwrap();
    send(&running, traffic(noon.minus(Duration::from_hours(1)), 3_600, 100, "1.3.0")).await;
    let staging = json!({"id": "trial", "service": "shop", "environment": "staging"});
    record(&running, &staging).await;
    record(&running, &json!({"id": "silent", "service": "shop"})).await;
    record(&running, &json!({"id": "unpromised", "service": "search"})).await;
    clock.advance(Duration::from_hours(2));
    let is_over = |it: &Value| it["verdict"]["is_over"] == true;
    let silent = change(&running, "silent", is_over).await;
    assert_eq!(silent["verdict"]["answer"], "undecided");
    assert_eq!(silent["verdict"]["objectives"][0]["why"], "no_data");
    let unpromised = change(&running, "unpromised", is_over).await;
    assert_eq!(unpromised["verdict"]["objectives"], json!([]));
    let trial = running.get("/api/v1/changes/trial").await.1;
    assert_eq!(trial["verdict"], Value::Null);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_held_against_the_versions_beside_it_before_it_has_shipped() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), VERSIONED, &clock).await;
    let noon = Timestamp::parse(NOON).unwrap();
    send(&running, traffic(noon.minus(Duration::from_hours(2)), 7_200, 100, "1.3.0")).await;
    let canary = json!({
        "id": "release", "service": "shop", "version": "v1.4.0", "outcome": "underway", "started": NOON,
    });
    record(&running, &canary).await;
    // Something else hits everybody: one in three fails whatever their version, and all of the canary's.
    send(&running, traffic(noon, 300, 3, "1.3.0")).await;
    send(&running, traffic(noon, 300, 1, "1.4.0")).await;
    clock.advance(Duration::from_seconds(310));
    let seen = change(&running, "release", |it| it["verdict"]["answer"] == "regressed").await;
    let objective = &seen["verdict"]["objectives"][0];
    assert_eq!(objective["design"], "concurrent");
    assert_eq!(objective["control"]["bad"], 200, "{objective}");
    assert_eq!(seen["life"]["phase"], "recorded", "what has not shipped has no warranty to break");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_breaks_the_warranty_of_what_changed_before_and_tells_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), QUICK, &clock).await;
    let noon = Timestamp::parse(NOON).unwrap();
    send(&running, traffic(noon.minus(Duration::from_minutes(1)), 60, 100, "1.3.0")).await;
    record(&running, &json!({"id": "release", "service": "shop", "version": "1.4.0"})).await;
    // Recorded and heard of by whoever tells alerts.
    change(&running, "release", |it| it["life"]["phase"] == "observing").await;
    send(&running, traffic(noon, 60, 1, "1.4.0")).await;
    clock.advance(Duration::from_seconds(40));
    let is_broken = |it: &Value| it["life"]["ending"]["cause"]["kind"] == "page";
    let broken = change(&running, "release", is_broken).await;
    let (_, alerts) = running.get("/api/v1/alerts").await;
    let alert = &alerts["alerts"][0];
    assert_eq!(broken["life"]["ending"]["cause"]["by"], alert["id"].to_string());
    let told = &alert["changes"];
    assert_eq!(
        (&told[0]["id"], &told[0]["version"]),
        (&json!("release"), &json!("1.4.0")),
        "{alert:#}"
    );
    assert_eq!(told.as_array().unwrap().len(), 1);
    running.server.stop().await;

    // Noted again after a restart, and so nothing changes.
    let running = Running::start(directory.path(), QUICK, &clock).await;
    assert_eq!(change(&running, "release", is_broken).await["life"], broken["life"]);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_is_put_down_to_changes_incidents_and_drills_and_adds_up() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    broken_deploy(&running, &clock).await;
    change(&running, "release", |it| it["verdict"]["answer"] == "regressed").await;
    let back = json!({"id": "back", "service": "shop", "kind": "rollback", "restores": "release"});
    record(&running, &back).await;
    // Something else, and a drill in the midst of it.
    let noon = Timestamp::parse(NOON).unwrap();
    let at = |minutes| noon.plus(Duration::from_minutes(minutes));
    send(&running, traffic(at(6), 240, 4, "1.3.0")).await;
    let drill = json!({
        "id": "drill", "service": "shop", "kind": "drill",
        "started": at(7).to_string(), "finished": at(8).to_string(),
    });
    clock.advance(Duration::from_minutes(10));
    record(&running, &drill).await;
    let budget = running.budget("checkout", |said| said["budget"]["bad"] == 54 + 300 + 120).await;
    let (status, said) = running.get("/api/v1/slos/checkout/attribution").await;
    assert_eq!((status, &said["unit"]), (200, &json!("events")), "{said}");
    let objective = &said["objectives"][0];
    assert_eq!(objective["spent"], budget["budget"]["bad"], "what the ledger says");
    assert_eq!(objective["valid"], budget["budget"]["valid"]);
    let number = |value: &Value| value.as_u64().unwrap();
    let causes = objective["causes"].as_array().unwrap();
    let spent: Vec<_> = causes
        .iter()
        .map(|of| (of["kind"].as_str().unwrap(), of["id"].as_str().unwrap(), number(&of["spent"])))
        .collect();
    let sum: u64 = spent.iter().map(|(.., spent)| spent).sum();
    assert_eq!(
        number(&objective["usual"]) + number(&objective["unexplained"]) + sum,
        number(&objective["spent"])
    );
    assert_eq!((spent[0].0, spent[0].1), ("change", "release"), "{spent:?}");
    assert_eq!((spent[1].0, spent[1].1), ("drill", "drill"), "{spent:?}");
    assert!((290..=300).contains(&spent[0].2) && (25..=30).contains(&spent[1].2), "{spent:?}");
    assert!(number(&objective["unexplained"]) >= 80, "nobody told of the rest: {objective}");

    let of = |query: &str| format!("/api/v1/slos/checkout/attribution?{query}");
    let (_, first) = running.get(&of(&format!("from={NOON}&to=2026-03-02T12:01:00Z"))).await;
    assert_eq!(first["objectives"][0]["spent"], 60);
    for (query, status) in [("from=2027-01-01T00:00:00Z", 400), ("from=soon", 400), ("form=x", 400)]
    {
        assert_eq!(running.get(&of(query)).await.0, status, "{query}");
    }
    let (status, problem) = running.get("/api/v1/slos/chekout/attribution").await;
    assert_eq!((status, &problem["hint"]), (404, &json!("did you mean `checkout`?")));
    running.server.stop().await;
}

/// The web shop asks the shop, and promises something itself.
const DEPENDING: &str = r"
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: web}
spec:
  dependencies: [{service: shop}]
  agreements: [{name: gold, with: ACME, slo: pages, target: 99.9%, window: 7d}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: pages}
spec:
  service: web
  indicator:
    metadata: {name: shown}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: flyball, spec: {where: status < 500}}}
        total: {metricSource: {type: flyball, spec: {where: service.name = 'web'}}}
  timeWindow: [{duration: 7d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_judged_by_what_its_dependants_promise() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), &format!("{SHOP}{DEPENDING}"), &clock).await;
    let noon = Timestamp::parse(NOON).unwrap();
    let web = |events: String| events.replace("\"shop\"", "\"web\"");
    let before = noon.minus(Duration::from_hours(2));
    send(&running, traffic(before, 7_200, 100, "1.3.0")).await;
    send(&running, web(traffic(before, 7_200, 100, "1.3.0"))).await;
    record(&running, &json!({"id": "release", "service": "shop", "version": "1.4.0"})).await;
    // The shop answers as ever, and what it answers breaks every other page.
    send(&running, traffic(noon, 300, 100, "1.4.0")).await;
    send(&running, web(traffic(noon, 300, 2, "1.3.0"))).await;
    clock.advance(Duration::from_seconds(310));
    let seen = change(&running, "release", |it| it["verdict"]["answer"] == "regressed").await;
    let objectives = seen["verdict"]["objectives"].as_array().unwrap();
    let told: Vec<_> = objectives.iter().map(|of| (&of["slo"], &of["dependant"])).collect();
    assert_eq!(told, [(&json!("checkout"), &Value::Null), (&json!("pages"), &json!("web"))]);
    assert_eq!(objectives[1]["answer"], "regressed");
    assert_ne!(objectives[0]["answer"], "regressed");

    // Whose budget it was, and what contracts and the card say of it.
    let (_, said) = running.get("/api/v1/slos/pages/attribution").await;
    let found = &said["objectives"][0];
    let [cause] = &found["causes"].as_array().unwrap()[..] else { panic!("{said:#}") };
    let named = ["kind", "service", "id"].map(|field| cause[field].as_str().unwrap());
    assert_eq!(named, ["dependency", "shop", "release"]);
    assert_eq!(cause["spent"], 294, "one in a hundred fails anyway: {said:#}");
    let (_, card) = running.get("/api/v1/services/web").await;
    let by_cause = card["budgets"][0]["by_cause"].clone();
    assert_eq!((&by_cause["spent"], &by_cause["causes"][0]), (&found["spent"], cause));
    let contract = &card["agreements"][0];
    assert_eq!((&contract["status"], &contract["by_cause"]), (&json!("missed"), &by_cause));
    assert_eq!(contract["counted_since"], before.to_string());
    assert_eq!(card["dependencies"], json!([{"service": "shop", "kind": "hard"}]));
    assert_eq!(running.get("/api/v1/services/shop").await.1["dependants"], json!(["web"]));
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dependant_does_after_its_own_change_says_nothing_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), &format!("{SHOP}{DEPENDING}"), &clock).await;
    let noon = Timestamp::parse(NOON).unwrap();
    let web = |events: String| events.replace("\"shop\"", "\"web\"");
    let before = noon.minus(Duration::from_hours(2));
    send(&running, traffic(before, 7_200, 100, "1.3.0")).await;
    send(&running, web(traffic(before, 7_200, 100, "1.3.0"))).await;
    record(&running, &json!({"id": "release", "service": "shop", "version": "1.4.0"})).await;
    clock.advance(Duration::from_minutes(1));
    record(&running, &json!({"id": "page", "service": "web", "version": "7"})).await;
    let later = clock.now();
    send(&running, traffic(noon, 900, 100, "1.4.0")).await;
    send(&running, web(traffic(noon, 60, 100, "1.3.0"))).await;
    send(&running, web(traffic(later, 840, 2, "7"))).await;
    clock.advance(Duration::from_seconds(850));
    let seen = change(&running, "page", |it| it["verdict"]["answer"] == "regressed").await;
    assert_eq!(seen["verdict"]["objectives"][0]["slo"], "pages");
    let seen = change(&running, "release", |it| it["verdict"]["objectives"].is_array()).await;
    let objectives = seen["verdict"]["objectives"].as_array().unwrap();
    let of_web = objectives.iter().find(|of| of["dependant"] == "web").unwrap();
    assert_ne!(seen["verdict"]["answer"], "regressed", "{seen:#}");
    assert_eq!(of_web["candidate"]["valid"], 120, "{of_web:#}");
    running.server.stop().await;
}
