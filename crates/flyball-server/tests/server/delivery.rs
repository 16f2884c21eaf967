//! Delivery over real sockets: measured from changes that were told of and events that were counted.

use std::path::Path;

use flyball_model::Duration;
use flyball_server::{Scope, TokenRequest, Tokens};
use reqwest::Client;
use serde_json::{Value, json};

use crate::harness::{NOON, Running, SHOP, TestClock, events};

const OWNED: &str = "
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec:
  team: checkout
  product: retail
  accountable: {who: ada}
  delivery:
    targets: {leadTime: 1h, availability: 99%, changeFailure: 15%, restore: 5m}
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: cart}
spec: {team: checkout}
";

async fn record(running: &Running, change: Value) {
    let request = running.post("/api/v1/changes", change.to_string());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
}

/// A shop that is down for a third of its users for five minutes after a deployment, rolls it back, and is
/// well.
async fn story(data: &Path, clock: &TestClock) -> Running {
    flyball_server::choose_cryptography();
    let running = Running::start(data, &format!("{SHOP}{OWNED}"), clock).await;
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, 3)).send().await.unwrap();
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, 100)).send().await.unwrap();
    clock.advance(Duration::from_minutes(5));
    running.budget("checkout", |said| said["budget"]["valid"] == 120).await;
    let deploy = json!({
        "service": "shop", "id": "release-1", "finished": "2026-03-02T12:01:00Z",
        "commits": [{"sha": "0123456789abcdef", "authored": "2026-03-02T11:31:00Z"}],
    });
    record(&running, deploy).await;
    let rollback = json!({
        "service": "shop", "id": "release-2", "kind": "rollback", "finished": "2026-03-02T12:06:00Z",
    });
    record(&running, rollback).await;
    let elsewhere = json!({"service": "shop", "id": "release-3", "environment": "staging", "finished": "2026-03-02T12:02:00Z"});
    record(&running, elsewhere).await;
    running
}

const ASKED: &str = "/api/v1/delivery?from=2026-03-02T12:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_measured_from_what_was_told_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = story(directory.path(), &clock).await;
    let (status, said) = running.get(&format!("{ASKED}&service=shop")).await;
    assert_eq!(status, 200, "{said}");
    for (field, value) in [
        ("/of", json!({"kind": "service", "name": "shop"})),
        ("/services/0/who", json!("ada")),
        ("/environment", json!("production")),
        ("/slos", json!(["checkout"])),
        ("/is_cut", json!(false)),
        ("/measures/frequency/deployments", json!(2)),
        ("/measures/lead_time/commits/median", json!("30m")),
        ("/measures/availability/observed", json!("10m")),
        ("/measures/availability/unobserved", json!("5m")),
        ("/measures/restore/outages/median", json!("5m")),
        ("/measures/change_failure/rate/of", json!(1)),
        ("/measures/change_failure/rate/out_of", json!(1)),
        ("/measures/recovery/deployments/median", json!("5m")),
        ("/measures/rework/rate/of", json!(1)),
        ("/measures/rework/rate/out_of", json!(2)),
        ("/met/lead_time", json!("yes")),
        ("/met/availability", json!("no")),
        ("/met/change_failure", json!("no")),
        ("/met/restore", json!("yes")),
        ("/met/rework", Value::Null),
        ("/targets/availability", json!("99%")),
        ("/trend/interval", json!("not_enough_data")),
        ("/levels/0/frequency/edition", json!("2018")),
        ("/levels/6/lead_time/answer", json!("not_published")),
    ] {
        assert_eq!(said.pointer(field), Some(&value), "{field}: {said}");
    }
    // A third of five minutes of ten, rounded up in the sixth place.
    let rate = said["measures"]["availability"]["rate"].as_f64().unwrap();
    assert!((rate - (1.0 - 0.333_334 / 2.0)).abs() < 1e-9, "{rate}");

    let (_, team) = running.get(&format!("{ASKED}&team=checkout")).await;
    assert_eq!(team["measures"], said["measures"], "the cart has done nothing");
    assert_eq!((&team["met"], &team["targets"]), (&Value::Null, &Value::Null));
    let names = |of: &Value| of["services"].as_array().map(Vec::len);
    assert_eq!(names(&team), Some(2));
    assert_eq!(names(&running.get(&format!("{ASKED}&product=retail")).await.1), Some(1));
    let (_, staging) = running.get(&format!("{ASKED}&service=shop&environment=Staging")).await;
    assert_eq!(staging["measures"]["frequency"]["deployments"], 1);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_was_told_of_is_not_known() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    let (status, said) = running.get("/api/v1/delivery?service=shop").await;
    assert_eq!(status, 200, "{said}");
    for field in [
        "/measures/frequency/interval",
        "/measures/lead_time/commits",
        "/measures/availability/rate",
        "/measures/restore/outages",
        "/measures/change_failure/rate",
        "/measures/response/detect",
        "/services/0/who",
        "/targets",
    ] {
        assert_eq!(said.pointer(field), Some(&Value::Null), "{field}: {said}");
    }
    assert_eq!(said["measures"]["lead_time_within_interval"], "not_enough_data");
    assert_eq!(said["periods"].as_array().map(Vec::len), Some(12), "weeks of the usual 90 days");
    for (query, status) in [
        ("", 422),
        ("service=shop&team=checkout", 422),
        ("service=shop&from=soon", 422),
        ("service=shop&from=2026-03-02T12:00:00Z&to=2026-03-02T12:00:00Z", 422),
        ("service=shop&from=2020-01-01T00:00:00Z", 422),
        ("team=nobody", 404),
        ("service=nobody", 404),
        ("servcie=shop", 400),
    ] {
        let (found, problem) = running.get(&format!("/api/v1/delivery?{query}")).await;
        assert_eq!((found, problem["hint"].is_string()), (status, true), "{query}: {problem}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_team_only_what_one_may_see_is_measured() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let request = TokenRequest {
        name: "cart".to_owned(),
        scopes: vec![Scope::Read],
        services: vec!["cart".to_owned()],
        functions: Vec::new(),
        expires: None,
    };
    let running = story(directory.path(), &clock).await;
    running.server.stop().await;
    let tokens = Tokens::open(directory.path()).unwrap();
    let first =
        TokenRequest { scopes: vec![Scope::Admin], services: Vec::new(), ..request.clone() };
    tokens.create(&first, "test", clock.now()).unwrap();
    let token = tokens.create(&request, "test", clock.now()).unwrap().token;
    drop(tokens);
    let running = Running::start(directory.path(), &format!("{SHOP}{OWNED}"), &clock).await;
    let get = async |query: &str| {
        let url = running.url(&format!("{ASKED}&{query}"));
        let answer = Client::new().get(url).bearer_auth(&token).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(get("service=shop").await.0, 404);
    let (status, team) = get("team=checkout").await;
    assert_eq!((status, &team["measures"]["frequency"]["deployments"]), (200, &json!(0)), "{team}");
    assert_eq!(team["services"], json!([{"service": "cart", "who": null}]));
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_what_failed_what_to_review_and_what_to_look_at_twice() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), "", &clock).await;
    let apply = async |text: String| {
        let body = json!({"files": [{"name": "shop.yaml", "text": text}]}).to_string();
        let request = running.post("/api/v1/apply", body);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    };
    apply(format!("{SHOP}{OWNED}")).await;
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, 3)).send().await.unwrap();
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    for change in [
        json!({"service": "shop", "id": "release-1", "class": "feature", "finished": "2026-03-02T12:01:00Z"}),
        json!({"service": "shop", "id": "release-2", "kind": "rollback", "finished": "2026-03-02T12:02:00Z"}),
        json!({"service": "shop", "id": "release-3", "class": "fix", "planned": true, "summary": "a new page"}),
    ] {
        record(&running, change).await;
    }
    let (status, plain) = running.get("/api/v1/report?team=checkout").await;
    assert_eq!(status, 200, "{plain}");
    assert_eq!(
        plain["reviews"][0]["lines"].as_array().map(Vec::len),
        Some(4),
        "missed, and no more"
    );
    assert_eq!(plain["during"]["start"], "2026-02-23T12:06:00Z", "a week unless told");

    // Less is promised while the budget is overspent, and more time is corrected away than before.
    let correction = "
---
apiVersion: flyball.dev/v1
kind: Correction
metadata: {name: moved}
spec:
  slos: [checkout]
  mode: drop
  category: maintenance
  author: ada
  schedule: {start: '2026-03-02T11:00:00Z', end: '2026-03-02T11:30:00Z'}
";
    apply(format!("{}{OWNED}{correction}", SHOP.replace("0.9}", "0.5}"))).await;
    clock.advance(Duration::from_minutes(1));
    let query = "team=checkout&period=quarterly&toil=low&satisfaction=high";
    let (status, said) = running.get(&format!("/api/v1/report?{query}")).await;
    assert_eq!(status, 200, "{said}");
    for (field, value) in [
        ("/period", json!("quarterly")),
        ("/services/0/name", json!("cart")),
        ("/services/1/accountable", json!("ada")),
        ("/services/1/budgets/0/slo", json!("checkout")),
        ("/delivery/measures/frequency/deployments", json!(3)),
        (
            "/classes/0",
            json!({"class": "feature", "deployments": said["classes"][0]["deployments"]}),
        ),
        ("/failed/0/id", json!("release-1")),
        ("/failed/0/cause", json!({"kind": "rollback", "by": "release-2"})),
        (
            "/reviews/0/lines",
            json!([{
                "met": true, "toil": "low", "satisfaction": "high", "advice": "ship_faster",
            }]),
        ),
        ("/signs/0/sign", json!("loosened_while_overspent")),
        ("/signs/0/retarget/from", json!("90%")),
        ("/signs/0/retarget/to", json!("50%")),
        (
            "/signs/1",
            json!({
                "sign": "growing_corrections", "slo": "checkout", "before": "0s", "after": "30m",
            }),
        ),
        ("/signs/2/change", json!("release-3")),
        ("/reminders", json!([])),
    ] {
        assert_eq!(said.pointer(field), Some(&value), "{field}: {said}");
    }
    let (_, log) = running.get("/api/v1/audit?limit=1000").await;
    assert!(log.to_string().contains("slo.loosen"), "{log}");
    for query in ["team=checkout&period=daily", "team=checkout&toil=much"] {
        assert_eq!(running.get(&format!("/api/v1/report?{query}")).await.0, 400, "{query}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_say_is_kept_and_decides_between_lines_of_the_table() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}{OWNED}");
    let running = Running::start(directory.path(), &documents, &clock).await;
    let remark = async |body: Value| {
        let request = running.post("/api/v1/services/shop/remarks", body.to_string());
        request.send().await.unwrap().status().as_u16()
    };
    for (body, status) in [
        (json!({"toil": "high", "toil_hours": 12, "note": "certificates by hand"}), 201),
        (json!({"satisfaction": "low", "toil_hours": 3}), 201),
        (json!({}), 422),
        (json!({"note": " "}), 422),
        (json!({"toil": "much"}), 400),
        (json!({"toil_hours": 100_001}), 422),
    ] {
        assert_eq!(remark(body.clone()).await, status, "{body}");
        clock.advance(Duration::from_seconds(1));
    }
    let (_, said) = running.get("/api/v1/report?team=checkout&satisfaction=high").await;
    let advice = |line: usize| said["reviews"][0]["lines"][line]["advice"].clone();
    assert_eq!((advice(0), advice(1)), (json!("quieten_or_loosen"), json!("loosen")), "{said}");
    let shop = &said["services"][1];
    assert_eq!(
        (&shop["toil_hours"], shop["remarks"].as_array().map(Vec::len)),
        (&json!(15), Some(2))
    );
    assert_eq!(said["services"][0]["toil_hours"], Value::Null, "nobody said");
    let (_, log) = running.get("/api/v1/audit?limit=1000").await;
    assert!(log.to_string().contains("service.remark"), "{log}");
    running.server.stop().await;

    let running = Running::start(directory.path(), &documents, &clock).await;
    let again = running.get("/api/v1/report?team=checkout&satisfaction=high").await.1;
    assert_eq!(again["services"][1]["remarks"], shop["remarks"], "they outlive a restart");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_pushed_once_and_stands_beside_the_measures() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let chosen = "outcome: {name: orders, unit: orders, of: sum}\n    targets";
    let documents = format!("{SHOP}{}", OWNED.replace("targets", chosen));
    let running = Running::start(directory.path(), &documents, &clock).await;
    let push = async |service: &str, body: Value| {
        let path = format!("/api/v1/services/{service}/outcome");
        let answer = running.post(&path, body.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let points = |of: &[(&str, f64)]| {
        let point = |(at, value): &(&str, f64)| json!({"at": at, "value": value});
        json!({"points": of.iter().map(point).collect::<Vec<_>>()})
    };
    let first = points(&[
        ("2026-02-22T00:00:00Z", 7.25),
        ("2026-03-01T00:00:00Z", 0.1),
        ("2026-03-01T18:00:00Z", 0.2),
        ("2026-03-02T00:00:00Z", 0.3),
    ]);
    let kept = |kept: u64, known: u64| json!({"name": "orders", "kept": kept, "known": known});
    assert_eq!(push("shop", first.clone()).await, (200, kept(4, 0)));
    assert_eq!(push("shop", first).await, (200, kept(0, 4)), "again, it changes nothing");
    let audited = async || {
        let (_, log) = running.get("/api/v1/audit?limit=1000").await;
        log.to_string().matches("service.outcome").count()
    };
    assert_eq!(audited().await, 3, "once for each day");
    let other = points(&[("2026-03-01T00:00:00Z", 5.1), ("2026-03-02T00:00:00Z", 0.3)]);
    assert_eq!(push("shop", other).await, (200, kept(1, 1)));

    let asked = "/api/v1/delivery?from=2026-02-23T12:00:00Z&to=2026-03-02T12:00:00Z";
    let (_, said) = running.get(&format!("{asked}&service=shop")).await;
    let orders = json!({"name": "orders", "unit": "orders", "of": "sum", "better": "higher"});
    let mut whole = orders.clone();
    (whole["value"], whole["points"]) = (json!(5.6), json!(3));
    assert_eq!(said["measures"]["outcome"], whole);
    assert_eq!(said["trend"]["outcome"], "worse", "after 7.25");
    let value = |day: usize| said["periods"][day]["outcome"]["value"].clone();
    assert_eq!((value(4), value(5), value(6)), (Value::Null, json!(5.1), json!(0.5)));
    let (_, team) = running.get(&format!("{asked}&team=checkout")).await;
    assert_eq!(team["measures"]["outcome"], Value::Null, "they are not added");
    let side = json!([{
        "service": "shop", "outcome": orders, "value": 5.6, "points": 3, "trend": "worse",
    }]);
    assert_eq!((&team["outcomes"], &said["outcomes"]), (&side, &side));
    assert_eq!(team["trend"]["outcome"], "not_enough_data");

    let listed =
        async |query: &str| running.get(&format!("/api/v1/services/shop/outcome?{query}")).await;
    let (_, page) = listed("limit=2").await;
    assert_eq!(page["outcome"], orders);
    let at = |page: &Value, number: usize| page["points"][number]["at"].clone();
    assert_eq!((at(&page, 0), at(&page, 1)), (json!("2026-03-02T00:00:00Z"), page["next"].clone()));
    let (_, rest) = listed("limit=2&to=2026-03-01T18:00:00Z").await;
    assert_eq!(rest["points"][0], json!({"at": "2026-03-01T00:00:00Z", "value": 5.1}));
    assert_eq!((at(&rest, 1), &rest["next"]), (json!("2026-02-22T00:00:00Z"), &Value::Null));
    for (query, status) in [("limit=0", 400), ("from=soon", 422), ("form=2026-01-01", 400)] {
        assert_eq!(listed(query).await.0, status, "{query}");
    }
    running.server.stop().await;

    let renamed = documents.replace("name: orders", "name: baskets");
    let running = Running::start(directory.path(), &renamed, &clock).await;
    let (_, said) = running.get(&format!("{asked}&service=shop")).await;
    assert_eq!(said["outcomes"][0]["value"], Value::Null, "another outcome begins with nothing");
    running.server.stop().await;
    let running = Running::start(directory.path(), &documents, &clock).await;
    let (_, said) = running.get(&format!("{asked}&service=shop")).await;
    assert_eq!(said["measures"]["outcome"], whole, "it outlives a restart");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_cannot_be_meant_are_refused_and_none_of_them_is_kept() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let chosen = "outcome: {name: rating, unit: stars, of: mean}\n    targets";
    let documents = format!("{SHOP}{}", OWNED.replace("targets", chosen));
    let running = Running::start(directory.path(), &documents, &TestClock::at(NOON)).await;
    let of_day = |from: u32, to: u32| {
        let at = |number| format!("2026-03-01T{:02}:{:02}:00Z", number / 60, number % 60);
        let points = (from..to).map(|number| json!({"at": at(number), "value": 4.5}));
        json!({"points": points.collect::<Vec<_>>()}).to_string()
    };
    let good = r#"{"at": "2026-03-01T00:00:00Z", "value": 4}"#;
    for (service, body, status) in [
        ("shop", of_day(0, 289), 422),
        ("shop", of_day(0, 1_001), 422),
        ("shop", r#"{"points": []}"#.to_owned(), 422),
        ("shop", format!(r#"{{"points": [{good}, {{"at": "soon", "value": 4}}]}}"#), 422),
        (
            "shop",
            format!(r#"{{"points": [{good}, {{"at": "2026-03-02T12:10:01Z", "value": 4}}]}}"#),
            422,
        ),
        (
            "shop",
            format!(
                r#"{{"points": [{good}, {{"at": "2026-03-01T00:00:00Z", "value": -1.1e15}}]}}"#
            ),
            422,
        ),
        (
            "shop",
            format!(r#"{{"points": [{good}, {{"at": "2026-03-01T00:00:00Z", "value": NaN}}]}}"#),
            400,
        ),
        (
            "shop",
            format!(r#"{{"points": [{good}, {{"at": "2026-03-01T00:00:00Z", "value": 1e400}}]}}"#),
            400,
        ),
        (
            "shop",
            format!(r#"{{"points": [{good}, {{"at": "2026-03-01T00:00:00Z", "value": null}}]}}"#),
            400,
        ),
        ("shop", format!(r#"{{"point": [{good}]}}"#), 400),
        ("cart", format!(r#"{{"points": [{good}]}}"#), 404),
        ("shpo", format!(r#"{{"points": [{good}]}}"#), 404),
    ] {
        let path = format!("/api/v1/services/{service}/outcome");
        let answer = running.post(&path, body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["hint"].is_string(), "{problem}");
    }
    let (_, page) = running.get("/api/v1/services/shop/outcome").await;
    assert_eq!(page["points"], json!([]), "nothing of any request was kept");
    for service in ["cart", "shpo"] {
        assert_eq!(running.get(&format!("/api/v1/services/{service}/outcome")).await.0, 404);
    }
    let ahead = r#"{"points": [{"at": "2026-03-02T12:10:00Z", "value": -1e15}]}"#;
    for (body, status) in [(of_day(0, 288), 200), (of_day(288, 289), 422), (ahead.to_owned(), 200)]
    {
        let answer = running.post("/api/v1/services/shop/outcome", body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.text().await.unwrap());
    }
    let (_, said) = running.get("/api/v1/delivery?service=shop").await;
    let outcome = &said["measures"]["outcome"];
    assert_eq!((&outcome["value"], &outcome["points"]), (&json!(4.5), &json!(288)));
    running.server.stop().await;
}
