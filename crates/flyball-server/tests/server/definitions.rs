//! Definitions that are applied: planned, refused, kept over restarts, never half.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use flyball_model::Duration;
use serde_json::{Value, json};

use crate::harness::{NOON, Running, SHOP, TestClock, events, sources};

/// A second promise about the same service.
fn another() -> String {
    SHOP.replace("name: checkout", "name: strict").replace("target: 0.9", "target: 0.99")
}

async fn start(data: &Path) -> Running {
    Running::start(data, "", &TestClock::at(NOON)).await
}

impl Running {
    async fn apply(&self, request: &Value) -> (u16, Value) {
        let post = self.post("/api/v1/apply", request.to_string());
        let response = post.header("content-type", "application/json").send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The names of the SLOs that are evaluated.
    async fn slos(&self) -> Vec<String> {
        let (status, said) = self.get("/api/v1/slos").await;
        assert_eq!(status, 200, "{said}");
        let slos = said["slos"].as_array().unwrap().iter();
        slos.map(|slo| slo["slo"].as_str().unwrap().to_owned()).collect()
    }
}

/// The first error among what was found in documents.
fn error(said: &Value) -> &Value {
    let mut found = said["diagnostics"].as_array().unwrap().iter();
    found.find(|one| one["severity"] == "error").unwrap()
}

fn file(name: &str, text: &str) -> Value {
    json!({"name": name, "text": text})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_planned_applied_and_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path()).await;
    let both = json!([file("shop/a.yaml", SHOP), file("shop/b.yaml", &another())]);

    let (status, plan) = running.apply(&json!({"files": both, "dry_run": true})).await;
    assert_eq!((status, &plan["slos"][0]["action"]), (200, &json!("created")), "{plan}");
    assert!(running.slos().await.is_empty(), "a dry run changes nothing");

    let (status, plan) = running.apply(&json!({"files": both, "revision": 0})).await;
    assert_eq!((status, &plan["revision"]), (200, &json!(1)), "{plan}");
    assert_eq!(running.slos().await, ["checkout", "strict"]);

    let laxer = SHOP.replace("target: 0.9", "target: 0.5");
    let (_, plan) = running.apply(&json!({"files": [file("shop/a.yaml", &laxer)]})).await;
    assert_eq!(plan["slos"][0]["changes"], json!(["target: 90% → 50%"]), "{plan}");
    assert_eq!(plan["slos"][0]["new_generation"], false);
    assert_eq!(plan["slos"][1]["action"], "unchanged");

    let other = laxer.replace("status < 500", "status < 400");
    let (_, plan) = running.apply(&json!({"files": [file("shop/a.yaml", &other)]})).await;
    assert_eq!(plan["slos"][0]["new_generation"], true, "{plan}");
    assert_eq!(plan["slos"][0]["changes"][0], "good: status < 500 → status < 400", "{plan}");

    // Somebody who has not seen that.
    let (status, said) = running.apply(&json!({"files": both, "revision": 1})).await;
    assert_eq!(status, 409, "{said}");
    running.server.stop().await;

    let again = start(directory.path()).await;
    assert_eq!(again.slos().await, ["checkout", "strict"]);
    let (_, said) = again.get("/api/v1/definitions").await;
    assert_eq!((&said["revision"], &said["in_force"]), (&json!(3), &json!(true)), "{said}");
    assert_eq!(said["files"][0]["applied_by"], "anyone");
    let (_, said) = again.get("/api/v1/definitions/shop%2Fa.yaml").await;
    assert_eq!((&said["text"], &said["slos"]), (&json!(other), &json!(["checkout"])));

    let gone = reqwest::Client::new();
    let gone = gone.delete(again.url("/api/v1/definitions/shop%2Fa.yaml")).send().await.unwrap();
    assert_eq!(gone.status(), 200);
    assert_eq!(again.slos().await, ["strict"]);
    let below = json!({"files": [file("c.yaml", SHOP)], "prune": true, "below": ["sh", "shop/b"]});
    let (_, plan) = again.apply(&below).await;
    assert_eq!(again.slos().await, ["checkout", "strict"], "{plan}");
    let (_, plan) = again.apply(&json!({"files": [file("c.yaml", SHOP)], "prune": true})).await;
    assert_eq!(plan["slos"][1]["action"], "removed", "{plan}");
    assert_eq!(again.slos().await, ["checkout"]);
    again.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_what_differs_from_what_to_what() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path()).await;
    running.apply(&json!({"files": [file("a.yaml", SHOP)]})).await;
    let other = [
        (
            "{name: checkout}",
            "{name: checkout, labels: {team: a}, annotations: {flyball.dev/no-data: good}}",
        ),
        ("service.name = 'shop'}", "service.name = 'shop', by: [region], sliceLimit: 5}"),
        ("Occurrences", "Timeslices"),
        ("target: 0.9", "target: 0.9, timeSliceTarget: 0.8, timeSliceWindow: 1m"),
    ];
    let other = other.iter().fold(SHOP.to_owned(), |text, (old, new)| text.replace(old, new));
    let (status, plan) =
        running.apply(&json!({"files": [file("a.yaml", &other)], "dry_run": true})).await;
    assert_eq!(status, 200, "{plan}");
    let changes = plan["slos"][0]["changes"].as_array().unwrap();
    for change in [
        "method: Occurrences → Timeslices",
        "by: none → region",
        "sliceLimit: 100 → 5",
        "timeSliceTarget: none → 0.8",
        "timeSliceWindow: none → 1m",
        "no data: gap → good",
        "label team: none → a",
    ] {
        assert!(changes.contains(&json!(change)), "{change}: {plan}");
    }
    assert!(!changes.iter().any(|change| change.as_str().unwrap().contains("another")), "{plan}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_with_errors_changes_nothing_and_is_told_by_place() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path()).await;
    running.apply(&json!({"files": [file("a.yaml", SHOP)]})).await;

    let wrong = another().replace("status < 500", "status <");
    let (status, said) =
        running.apply(&json!({"files": [file("b.yaml", &wrong)], "prune": true})).await;
    assert_eq!(status, 422, "{said}");
    let found = error(&said);
    assert_eq!((&found["file"], &found["severity"]), (&json!("b.yaml"), &json!("error")));
    assert!(found["line"].as_u64() > Some(1) && found["excerpt"]["text"].is_string(), "{found}");

    // The same SLO in two files: both are named.
    let (status, said) = running.apply(&json!({"files": [file("c.yaml", SHOP)]})).await;
    let found = error(&said);
    assert_eq!((status, &found["file"]), (422, &json!("c.yaml")), "{said}");
    assert!(found["message"].as_str().unwrap().contains("a.yaml"), "{found}");

    for name in ["", "/etc/a.yaml", "../a.yaml", "a//b.yaml", "a\nb"] {
        let (status, said) = running.apply(&json!({"files": [file(name, SHOP)]})).await;
        assert_eq!(status, 400, "{name:?}: {said}");
    }
    let twice = json!({"files": [file("a.yaml", SHOP), file("a.yaml", SHOP)]});
    assert_eq!(running.apply(&twice).await.0, 400);
    let unasked = running.post("/api/v1/apply", "{\"files\":[]}").send().await.unwrap();
    assert_eq!(unasked.status(), 415);

    let (_, said) = running.get("/api/v1/definitions").await;
    assert_eq!(said["revision"], 1, "{said}");
    assert_eq!(running.slos().await, ["checkout"]);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn applied_files_and_the_servers_own_are_one_set() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let (status, said) = running.apply(&json!({"files": [file("a.yaml", SHOP)]})).await;
    assert_eq!(status, 422, "{said}");
    assert!(error(&said)["message"].as_str().unwrap().contains("test.yaml"), "{said}");
    let (status, _) = running.apply(&json!({"files": [file("test.yaml", SHOP)]})).await;
    assert_eq!(status, 409);
    let (status, _) = running.apply(&json!({"files": [file("a.yaml", &another())]})).await;
    assert_eq!(status, 200);
    assert_eq!(running.slos().await, ["checkout", "strict"]);

    // The server's own file now takes a name that was applied: the old set goes on.
    assert!(running.server.give(sources(&another())).await.is_err());
    assert_eq!(running.slos().await, ["checkout", "strict"]);
    let (_, said) = running.get("/api/v1/definitions").await;
    assert_eq!(error(&said["refused"])["file"], "a.yaml", "{said}");
    running.server.give(sources(SHOP)).await.unwrap();
    let (_, said) = running.get("/api/v1/definitions").await;
    assert_eq!(said["refused"], Value::Null);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_at_the_same_time_one_is_made_and_the_others_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path()).await;
    let request = |number: u32| {
        let text = SHOP.replace("checkout", &format!("checkout-{number}"));
        json!({"files": [file("a.yaml", &text)], "revision": 0})
    };
    let requests: Vec<Value> = (0..8).map(request).collect();
    let answers = futures::future::join_all(requests.iter().map(|r| running.apply(r))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(running.slos().await.len(), 1);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_and_not_begun_is_begun_by_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    start(directory.path()).await.server.stop().await;
    // A crash between the commit and the evaluator: the control state knows more than the ledger.
    {
        let options = flyball_store::JournalOptions::default();
        let mut store = flyball_store::Store::open(directory.path(), options).unwrap();
        let document = flyball_store::NewDocument {
            kind: "definitions".to_owned(),
            name: "a.yaml".to_owned(),
            text: SHOP.to_owned(),
            origin: String::new(),
        };
        let change = flyball_store::Change { upserts: vec![document], removals: Vec::new() };
        let at = flyball_model::Timestamp::parse(NOON).unwrap();
        store.control.apply(&change, "test", at).unwrap();
    }
    let again = start(directory.path()).await;
    assert_eq!(again.slos().await, ["checkout"]);
    again.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_evaluated_is_listed_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path()).await;
    let flat = "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: sql}\nspec:\n  service: shop\n  \
        indicator:\n    metadata: {name: other}\n    spec:\n      ratioMetric:\n        counter: true\n        \
        good: {metricSource: {type: BigQuery, spec: {query: SELECT 1}}}\n        \
        total: {metricSource: {type: BigQuery, spec: {query: SELECT 1}}}\n  \
        timeWindow: [{duration: 1h, isRolling: true}]\n  budgetingMethod: Occurrences\n  \
        objectives: [{target: 0.9}]\n";
    let (status, plan) = running.apply(&json!({"files": [file("a.yaml", flat)]})).await;
    assert_eq!((status, &plan["not_evaluated"][0]["slo"]), (200, &json!("sql")), "{plan}");
    let (_, said) = running.get("/api/v1/slos").await;
    assert_eq!(said["not_evaluated"][0]["slo"], "sql", "{said}");
    let (_, said) = running.get("/api/v1/slos?service=cart").await;
    assert_eq!(said["not_evaluated"], json!([]), "{said}");
    let (status, said) = running.get("/api/v1/slos/sql").await;
    assert_eq!(status, 404);
    assert!(said["detail"].as_str().unwrap().contains("not evaluated"), "{said}");
    running.server.stop().await;
}

/// Two components, the first of which weighs three times as much.
const COMPOSITE: &str = r"
apiVersion: openslo/v1
kind: SLO
metadata: {name: whole}
spec:
  service: shop
  timeWindow: [{duration: 1h, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
    - displayName: answered
      target: 0.9
      compositeWeight: 3
      indicator:
        metadata: {name: answered}
        spec:
          ratioMetric:
            counter: true
            good: {metricSource: {type: flyball, spec: {where: status < 500}}}
            total: {metricSource: {type: flyball, spec: {where: service.name = 'shop'}}}
    - displayName: accepted
      target: 0.5
      compositeWeight: 1
      indicator:
        metadata: {name: accepted}
        spec:
          ratioMetric:
            counter: true
            good: {metricSource: {type: flyball, spec: {where: status < 400}}}
            total: {metricSource: {type: flyball, spec: {where: service.name = 'shop'}}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_weighted_composite_is_joined_from_its_components() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), COMPOSITE, &clock).await;
    let (_, said) = running.get("/api/v1/slos/whole").await;
    assert_eq!(
        (&said["status"], &said["composite"]["status"]),
        (&json!("no_data"), &json!("no_data"))
    );

    clock.advance(Duration::from_minutes(5));
    let sent = running.post("/api/v1/events", events(clock.now(), 60, 4)).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    clock.advance(Duration::from_minutes(1));
    running.budget("whole", |said| said["budget"]["valid"] == 60).await;
    let (_, said) = running.get("/api/v1/slos/whole").await;
    // 15 of 60 bad: 2.5 times the budget of the first, half of the second's: (3 × 2.5 + 0.5) / 4.
    let whole = &said["composite"];
    assert_eq!(whole["composition"], "weighted", "{said}");
    assert_eq!((&whole["spent_share"], &whole["status"]), (&json!(2.0), &json!("missed")));
    assert_eq!(said["status"], "missed");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_all_of_composite_is_joined_slice_by_slice() {
    let directory = tempfile::tempdir().unwrap();
    let all_of = COMPOSITE.replace(
        "metadata: {name: whole}",
        "metadata: {name: whole, annotations: {flyball.dev/composite: all-of}}",
    );
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), &all_of, &clock).await;
    let (_, said) = running.get("/api/v1/slos/whole").await;
    assert_eq!((&said["status"], &said["composite_reason"]), (&json!("no_data"), &Value::Null));

    // Some of it came before the SLO was given: two minutes in which all goes well but for one request in 120,
    // and one in which every fourth fails.
    clock.advance(Duration::from_minutes(1));
    let well = events(clock.now().minus(Duration::from_minutes(1)), 120, 1_000);
    let sent = running.post("/api/v1/events", well + &events(clock.now(), 60, 4)).send().await;
    assert_eq!(sent.unwrap().status(), 200);
    let joined = async |valid: u64| {
        clock.advance(Duration::from_minutes(1));
        running.budget("whole", |said| said["budget"]["valid"] == valid).await;
        let (_, said) = running.get("/api/v1/slos/whole").await;
        assert_eq!(said["status"], said["composite"]["status"], "{said}");
        said["composite"].clone()
    };
    // Nine in ten and one in two: four slices in ten are promised.
    let whole = joined(180).await;
    assert_eq!((&whole["composition"], &whole["target"]), (&json!("all-of"), &json!(0.4)));
    let count = |of: &Value| (of["budget"]["valid"].clone(), of["budget"]["bad"].clone());
    assert_eq!((count(&whole), &whole["status"]), ((json!(3), json!(1)), &json!("met")), "{whole}");

    // What comes late turns a good slice into a bad one.
    let late = events(clock.now().minus(Duration::from_minutes(3)), 30, 1);
    let sent = running.post("/api/v1/events", late).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    let whole = joined(210).await;
    assert_eq!(
        (count(&whole), &whole["status"]),
        ((json!(3), json!(2)), &json!("missed")),
        "{whole}"
    );
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_service_is_told_with_the_one_that_sends() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path()).await;
    let clock = TestClock::at(NOON);
    let sent = running.post("/api/v1/events", events(clock.now(), 10, 3)).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    let misspelt = SHOP.replace("service.name = 'shop'", "service.name = 'shpo'");
    let (status, plan) = running.apply(&json!({"files": [file("a.yaml", &misspelt)]})).await;
    let warnings = plan["warnings"].as_array().unwrap();
    let about = warnings.iter().find(|w| w["hint"] == "did you mean `shop`?");
    assert_eq!((status, about.map(|w| &w["line"])), (200, Some(&json!(13))), "{plan}");
    let (_, said) = running.get("/api/v1/slos/checkout").await;
    assert_eq!(said["doubts"][0]["said"], "no event of the service `shpo` has come", "{said}");
    assert_eq!(said["doubts"][0]["hint"], "did you mean `shop`?");
    running.server.stop().await;
}

/// A document whose name another file has is checked as any other: it would count as soon as that one is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_whose_name_is_taken_is_refused_for_its_own_faults() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let runbook = |name: &str, when: &str| {
        format!(
            "apiVersion: flyball.dev/v1\nkind: Runbook\nmetadata: {{name: {name}}}\nspec: {{description: Look first., services: \
             [shop], steps: [Look.], rollback: [{{when: {when}, then: Go back., who: on_call}}]}}\n"
        )
    };
    let apply = async |file: &str, text: String| {
        running.apply(&json!({"files": [{"name": file, "text": text}]})).await
    };
    let (status, said) = apply("a.yaml", runbook("down", "budget.exhausted")).await;
    assert_eq!(status, 200, "{said}");
    let (status, said) = apply("b.yaml", runbook("down", "budget.exhausted")).await;
    assert_eq!(status, 200, "its name is told of: {said}");
    let (status, said) = apply("b.yaml", runbook("down", "budget.exhaused")).await;
    assert_eq!(status, 422, "{said}");
    assert!(said["diagnostics"].to_string().contains("spec.rollback[0].when"), "{said}");

    // What nobody knows is named, with what is nearly it.
    for (method, path, body, hint) in [
        (
            "POST",
            "policies/four-week/signatures",
            json!({"role": "sre"}),
            "did you mean `four-weeks`?",
        ),
        (
            "GET",
            "incidents/INC-17",
            Value::Null,
            "GET /api/v1/incidents lists them, each with its id",
        ),
        ("GET", "drills/shop-error", Value::Null, "GET /api/v1/drills lists them"),
    ] {
        let url = running.url(&format!("/api/v1/{path}"));
        let client = reqwest::Client::new();
        let request = if method == "GET" { client.get(url) } else { client.post(url).json(&body) };
        let problem: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(
            (&problem["status"], &problem["hint"]),
            (&json!(404), &json!(hint)),
            "{problem}"
        );
        let name = path.split('/').nth(1).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(&format!("`{name}`")), "{problem}");
    }
    let bad = reqwest::Client::new().post(running.url("/api/v1/incidents"));
    let answer = bad.json(&json!({"opened": "soon"})).send().await.unwrap();
    let problem = answer.text().await.unwrap();
    assert!(problem.contains("cannot be read") && !problem.contains(" column "), "{problem}");
    running.server.stop().await;
}
