//! What policies exempt: classes that people give, and dependencies that ship nothing themselves.

use flyball_model::Duration;
use serde_json::{Value, json};

use crate::gate::{ask, post, sign, spent, spent_of};
use crate::harness::{NOON, PATIENCE, Running, SHOP, TestClock, events};

/// The gate's answer for `service` once `exempted` of its bad events do not count. It is looked for beside whoever
/// asks, once a minute.
async fn once_exempted(
    running: &Running,
    clock: &TestClock,
    service: &str,
    exempted: u64,
) -> Value {
    let mut ticks = running.server.ticks();
    let look = async {
        loop {
            let path = format!("/api/v1/gate/{service}");
            let (status, answer) = post(running, &path, json!({"class": "feature"})).await;
            assert_eq!(status, 200, "{answer}");
            if answer["decision"]["budgets"][0]["exempted"] == exempted {
                return answer;
            }
            clock.advance(Duration::from_seconds(1));
            let _ = tokio::time::timeout(PATIENCE / 600, ticks.changed()).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it is found in time")
}

/// Nobody could pay while a third of the requests failed.
async fn outage(running: &Running) {
    let issue = json!({
        "issueKey": "OPS-17", "title": "nobody could pay", "status": "DONE",
        "createdDate": "2026-03-02T12:00:00Z", "resolutionDate": "2026-03-02T12:06:00Z",
    });
    let told = post(running, "/api/v1/hooks/devlake/issues?service=shop", issue).await;
    assert_eq!(told.0, 200, "{}", told.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_that_ship_as_exemptions_exempt_what_people_put_into_them() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent(directory.path(), &clock, 3).await;
    sign(&running).await;
    outage(&running).await;
    assert_eq!(ask(&running, "feature").await["exit_code"], 1);
    let classify = |posting: &str, class: Value, role: &str| {
        let body = json!({"posting": posting, "class": class, "role": role, "why": "it was"});
        post(&running, "/api/v1/gate/shop/classes", body)
    };
    let lead = "engineering_lead";
    for (posting, class, role) in [
        ("devlake:OPS-17", "company-network", "developer"),
        ("devlake:OPS-17", "frozen-dependency", lead),
        ("devlake:OPS-17", "The Network", lead),
        ("devlake:OPS-18", "company-network", lead),
    ] {
        let (status, problem) = classify(posting, class.into(), role).await;
        assert_eq!((status, problem["hint"].is_string()), (422, true), "{problem}");
    }
    for class in ["company-network", "miscategorised"] {
        let (status, done) = classify("devlake:OPS-17", class.into(), lead).await;
        assert_eq!(status, 201, "{done}");
        let passes = once_exempted(&running, &clock, "shop", 20).await;
        assert_eq!(passes["exit_code"], 0, "{class}: {passes}");
        assert_eq!(classify("devlake:OPS-17", Value::Null, lead).await.0, 201);
        assert_eq!(once_exempted(&running, &clock, "shop", 0).await["exit_code"], 1, "{class}");
    }
    // A class of one's own is of no policy that ships.
    assert_eq!(classify("devlake:OPS-17", "dns".into(), lead).await.0, 201);
    let (_, said) = running.get("/api/v1/slos/checkout/attribution").await;
    assert_eq!(said["objectives"][0]["causes"][0]["class"], "dns", "{said:#}");
    let (_, card) = running.get("/api/v1/services/shop").await;
    assert_eq!(card["post_mortems"].as_array().unwrap().len(), 1, "{card:#}");

    // It was a load test: no user was there.
    let drill = json!({
        "id": "load-test-7", "service": "shop", "kind": "drill",
        "started": "2026-03-02T12:00:00Z", "finished": "2026-03-02T12:06:00Z",
    });
    assert_eq!(post(&running, "/api/v1/changes", drill).await.0, 201);
    assert_eq!(classify("load-test-7", "out-of-scope".into(), "product_manager").await.0, 201);
    assert_eq!(once_exempted(&running, &clock, "shop", 20).await["exit_code"], 0);
    let (_, listed) = running.get("/api/v1/gate/shop/classes").await;
    assert_eq!(listed["classes"].as_array().unwrap().len(), 2, "the last word on each: {listed}");
    let (_, log) = running.get("/api/v1/audit?limit=1000").await;
    assert!(log.to_string().contains("\"gate.classify\""));
    running.server.stop().await;

    let running = Running::start(directory.path(), SHOP, &clock).await;
    running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    once_exempted(&running, &clock, "shop", 20).await;
    running.server.stop().await;
}

/// The web shop cannot do without the shop.
const WEB: &str = "---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: web}
spec: {dependencies: [{service: shop, kind: hard}]}
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
async fn what_a_hard_dependency_spent_is_exempted_while_it_ships_nothing_itself() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent_of(&format!("{SHOP}{WEB}"), directory.path(), &clock, 3).await;
    let at = clock.now().minus(Duration::from_minutes(1));
    let theirs = events(at, 60, 3).replace("\"shop\"", "\"web\"");
    running.post("/api/v1/events", theirs).send().await.unwrap();
    running.budget("pages", |said| said["budget"]["valid"] == 60).await;
    outage(&running).await;
    // Until its policy is signed the shop stops nothing, and so has not stopped itself.
    let (_, said) = running.get("/api/v1/slos/pages/attribution").await;
    let cause = &said["objectives"][0]["causes"][0];
    assert_eq!((&cause["kind"], &cause["spent"]), (&json!("dependency"), &json!(20)), "{said:#}");
    let advised = once_exempted(&running, &clock, "web", 0).await;
    assert_eq!(advised["decision"]["otherwise"], "deny", "{advised}");
    sign(&running).await;
    let passes = once_exempted(&running, &clock, "web", 20).await;
    assert_eq!(passes["exit_code"], 0, "{passes}");
    // The shop ships again, by an exception.
    let expires = clock.now().plus(Duration::from_hours(1)).to_string();
    let body =
        json!({"class": "feature", "role": "product_manager", "why": "x", "expires": expires});
    assert_eq!(post(&running, "/api/v1/gate/shop/overrides", body).await.0, 201);
    assert_eq!(once_exempted(&running, &clock, "web", 0).await["exit_code"], 1);
    running.server.stop().await;
}

/// What to do when the shop is down, and when cards fail.
const BOOKS: &str = "---
apiVersion: flyball.dev/v1
kind: Runbook
metadata: {name: shop-down}
spec:
  description: The shop is down.
  services: [web]
  classes: [dependency]
  steps: [Call the shop.]
  rollback: [{when: budget.exhausted, then: Show a page., who: on_call}]
---
apiVersion: flyball.dev/v1
kind: Runbook
metadata: {name: cards}
spec:
  description: Cards fail.
  classes: [card-network]
  steps: [Call the bank.]
  rollback: [{when: budget.exhausted, then: Show a page., who: on_call}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_runbook_is_for_classes_that_are_given_and_for_those_that_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent_of(&format!("{SHOP}{WEB}{BOOKS}"), directory.path(), &clock, 3).await;
    let at = clock.now().minus(Duration::from_minutes(1));
    let theirs = events(at, 60, 3).replace("\"shop\"", "\"web\"");
    running.post("/api/v1/events", theirs).send().await.unwrap();
    running.budget("pages", |said| said["budget"]["valid"] == 60).await;
    outage(&running).await;
    let began = at.minus(Duration::from_minutes(5));
    let open = |id: &str, service: &str| {
        let body = json!({
            "id": id, "service": service, "summary": "it fails",
            "started": began, "detected": began,
        });
        post(&running, "/api/v1/incidents", body)
    };
    assert_eq!(open("above", "web").await.0, 201);
    assert_eq!(open("own", "shop").await.0, 201);
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|of| of["name"].as_str().unwrap().to_owned()).collect()
    };
    let books = async |id: &str| {
        let (status, said) = running.get(&format!("/api/v1/incidents/{id}/runbooks")).await;
        assert_eq!(status, 200, "{said}");
        (names(&said["runbooks"]), names(&said["waiting"]))
    };
    let text = |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
    assert_eq!(books("above").await, (text(&["shop-down"]), text(&["cards"])));
    assert_eq!(books("own").await, (text(&[]), text(&["cards"])));
    let given =
        json!({"posting": "own", "class": "card-network", "role": "engineering_lead", "why": "x"});
    assert_eq!(post(&running, "/api/v1/gate/shop/classes", given).await.0, 201);
    assert_eq!(books("own").await, (text(&["cards"]), text(&[])));

    let apply = |class: &str| {
        let text = BOOKS.replace("card-network", class).replace("cards", "mine");
        let text = text.replace("shop-down", "other");
        let files = json!({"files": [{"name": "mine.yaml", "text": text}], "dry_run": true});
        post(&running, "/api/v1/apply", files)
    };
    for (class, hint) in [
        ("card-netwrok", Some("did you mean `card-network`?")),
        ("payroll", Some("`flyball policy classify` puts incidents into a class")),
        ("drill", None),
        ("card-network", None),
    ] {
        let (status, plan) = apply(class).await;
        assert_eq!(status, 200, "{plan}");
        let warnings = plan["warnings"].as_array().unwrap();
        let hints: Vec<&str> = warnings.iter().map(|of| of["hint"].as_str().unwrap()).collect();
        assert_eq!(hints, hint.into_iter().collect::<Vec<_>>(), "{plan}");
    }
    for class in ["frozen-dependency", "Card network"] {
        let (status, problem) = apply(class).await;
        let found = &problem["diagnostics"][0];
        assert_eq!((status, &found["path"]), (422, &json!("spec.classes[0]")), "{problem}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exemption_of_nothing_is_told_when_it_is_applied() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    outage(&running).await;
    let policy = |exemption: &str| {
        let text = format!(
            "apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {{name: mine}}
spec:
  version: 1
  approvers: [sre]
  revisit: 2100-01-01
  levels: [{{name: all}}]
  exemptions:
  - {{{exemption}}}
"
        );
        json!({"files": [{"name": "mine.yaml", "text": text}], "dry_run": true})
    };
    for (exemption, hint) in [
        ("class: compny-network", Some("did you mean `company-network`?")),
        ("cause: frozen-dependancy", Some("did you mean `frozen-dependency`?")),
        ("cause: 'devlake:OPS-71'", Some("did you mean `devlake:OPS-17`?")),
        ("class: payroll", Some("`flyball policy classify` puts incidents into a class")),
        ("class: out-of-scope", None),
        ("cause: drill", None),
        ("cause: 'devlake:OPS-17'", None),
    ] {
        let (status, plan) = post(&running, "/api/v1/apply", policy(exemption)).await;
        assert_eq!(status, 200, "{plan}");
        let hints: Vec<_> = plan["warnings"].as_array().unwrap().iter().collect();
        assert_eq!(hints.first().map(|of| of["hint"].as_str().unwrap()), hint, "{plan}");
        assert!(hints.iter().all(|of| of["line"] == 10), "{plan}");
    }
    for wrong in ["cause: out-of-scope", "class: drill", "why: nothing", "cause: x, class: y"] {
        let (status, problem) = post(&running, "/api/v1/apply", policy(wrong)).await;
        assert_eq!(status, 422, "{wrong}: {problem}");
    }
    running.server.stop().await;
}
