//! What a gate counts: composites as a whole, exempted causes not at all, and what an incident spent.

use std::path::Path;

use flyball_model::{Duration, Timestamp};
use serde_json::json;

use crate::gate::{ask, post, sign, spent, spent_of};
use crate::harness::{NOON, PATIENCE, SHOP, TestClock};

/// The shop promises two things, each with events of its own, and what they come to together.
fn joined(how: &str) -> String {
    let objective = |name: &str, good: &str, target: &str| {
        format!(
            "  - displayName: {name}
    target: {target}
    indicator:
      metadata: {{name: {name}}}
      spec:
        ratioMetric:
          counter: true
          good: {{metricSource: {{type: flyball, spec: {{where: {good}}}}}}}
          total: {{metricSource: {{type: flyball, spec: {{where: service.name = 'shop'}}}}}}
"
        )
    };
    let head = SHOP.split("  indicator:").next().unwrap();
    let head = head.replace(
        "name: checkout",
        &format!("name: checkout, annotations: {{flyball.dev/composite: {how}}}"),
    );
    format!(
        "{head}  timeWindow: [{{duration: 1h, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives:
{}{}",
        objective("answered", "status < 500", "0.9"),
        objective("known", "status < 600", "0.9"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composite_counts_as_its_whole() {
    // A third fails: the first objective has spent 3.3 budgets, the second none; the slice of both is bad.
    for (how, target, valid, bad) in
        [("weighted", "0%", 1_000_000_000, 1_666_666_667_u64), ("all-of", "80%", 1, 1)]
    {
        let directory = tempfile::tempdir().unwrap();
        let clock = TestClock::at(NOON);
        let running = spent_of(&joined(how), directory.path(), &clock, 3).await;
        sign(&running).await;
        clock.advance(Duration::from_minutes(2));
        running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
        let (_, seen) = running.get("/api/v1/slos/checkout").await;
        assert_eq!(seen["status"], "missed", "{how}: {seen:#}");
        let answer = ask(&running, "feature").await;
        assert_eq!(answer["exit_code"], 1, "{how}: {answer:#}");
        let [budget] = &answer["decision"]["budgets"].as_array().unwrap()[..] else {
            panic!("{how}: {answer:#}")
        };
        let said = ["budget", "target", "valid", "bad"].map(|field| budget[field].clone());
        assert_eq!(said, [json!("checkout"), json!(target), json!(valid), json!(bad)], "{how}");

        // The same is known of the past: what began before anything failed passes, what began after is denied.
        for (id, minute) in [("early", 1), ("late", 7)] {
            let at = Timestamp::parse(NOON).unwrap().plus(Duration::from_minutes(minute));
            let change = json!({"id": id, "service": "shop", "started": at, "finished": at});
            assert_eq!(post(&running, "/api/v1/changes", change).await.0, 201);
        }
        let path = "/api/v1/policies/four-weeks/backtest";
        let (status, tried) = post(&running, path, json!({})).await;
        assert_eq!(status, 200, "{how}: {tried:#}");
        let sentence = tried["sentence"].as_str().unwrap();
        assert!(sentence.starts_with("would have denied 1 of 2,"), "{how}: {tried:#}");
        let stopped = &tried["result"]["stopped"][0];
        let said = ["change", "level"].map(|field| stopped[field].clone());
        assert_eq!(said, [json!("late"), json!("overspent")], "{how}: {tried:#}");
        running.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exempted_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let shipped = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../flyball-govern/policies/four-weeks.yaml"),
    );
    let policy = shipped.unwrap().replace("class: out-of-scope", "cause: drill");
    let documents = format!("{SHOP}---\n{policy}");
    let running = spent_of(&documents, directory.path(), &clock, 3).await;
    sign(&running).await;
    let denied = ask(&running, "feature").await;
    assert_eq!(
        (&denied["exit_code"], &denied["decision"]["budgets"][0]["exempted"]),
        (&json!(1), &json!(0))
    );

    // All of it was a drill, says who made it.
    let drill = json!({
        "id": "outage", "service": "shop", "kind": "drill",
        "started": "2026-03-02T12:00:00Z", "finished": "2026-03-02T12:06:00Z",
    });
    assert_eq!(post(&running, "/api/v1/changes", drill).await.0, 201);
    // It is looked for once a minute, beside whoever asks.
    clock.advance(Duration::from_minutes(1));
    let mut ticks = running.server.ticks();
    let look = async {
        loop {
            let answer = ask(&running, "feature").await;
            if answer["decision"]["budgets"][0]["exempted"] != 0 {
                return answer;
            }
            clock.advance(Duration::from_seconds(1));
            let _ = tokio::time::timeout(PATIENCE / 600, ticks.changed()).await;
        }
    };
    let passed = tokio::time::timeout(PATIENCE, look).await.expect("it is found in time");
    let budget = &passed["decision"]["budgets"][0];
    assert_eq!((&budget["bad"], &budget["exempted"]), (&json!(20), &json!(20)), "{passed:#}");
    assert_eq!(passed["exit_code"], 0, "{passed:#}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_that_spent_much_is_to_be_written_up() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent(directory.path(), &clock, 3).await;
    let issue = json!({
        "issueKey": "OPS-17", "title": "nobody could pay", "status": "DONE",
        "createdDate": "2026-03-02T12:04:00Z", "resolutionDate": "2026-03-02T12:06:00Z",
    });
    let told = post(&running, "/api/v1/hooks/devlake/issues?service=shop", issue).await;
    assert_eq!(told.0, 200, "{}", told.1);
    let (_, card) = running.get("/api/v1/services/shop").await;
    let due = &card["post_mortems"];
    assert_eq!(due[0]["slo"], "checkout", "{card:#}");
    assert_eq!(due[0]["incident"], "devlake:OPS-17");
    assert!(due[0]["share"].as_str().unwrap().contains("3.333333"), "{due}");
    running.server.stop().await;
}
