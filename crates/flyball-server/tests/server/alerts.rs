//! Alerts leave the server: what receivers get, what people can do, what a restart keeps.

mod channels;
pub(crate) mod receiver;

use std::path::Path;

use flyball_model::Duration;
use flyball_server::Config;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{NOON, Running, TestClock, config, events};
use receiver::Receiver;

/// A promise of the shop with a page and a ticket that follow within a minute and five.
pub(crate) const QUICK: &str = r"
apiVersion: openslo/v1
kind: SLO
metadata:
  name: checkout
  annotations:
    flyball.dev/alerting: quick
    runbook_url: https://wiki.example/checkout
spec:
  service: shop
  indicator:
    metadata: {name: answered}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: flyball, spec: {where: status < 500}}}
        total: {metricSource: {type: flyball, spec: {where: service.name = 'shop'}}}
  timeWindow: [{duration: 1h, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
---
apiVersion: flyball.dev/v1
kind: AlertStrategy
metadata: {name: quick}
spec:
  rules:
  - {name: fast, severity: page, burn: {factor: 5, long: 1m}}
  - {name: slow, severity: ticket, burn: {factor: 1, long: 5m}}
---
";

/// A target, as a document.
fn target(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: flyball.dev/v1\nkind: AlertTarget\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    )
}

/// A signed webhook at `url`.
pub(crate) fn webhook(name: &str, url: &str) -> String {
    target(name, &format!("webhook: {{url: '{url}', secret: 'file:webhook'}}"))
}

/// A server with secrets, of the promise and these targets.
pub(crate) fn with_targets(home: &Path, targets: &str, clock: &TestClock) -> Config {
    let secrets = home.join("secrets");
    std::fs::create_dir_all(&secrets).unwrap();
    std::fs::write(secrets.join("webhook"), "hush\n").unwrap();
    Config {
        external: Some("https://flyball.example".to_owned()),
        secrets: Some(secrets),
        ..config(&home.join("data"), &format!("{QUICK}{targets}"), clock)
    }
}

/// Waits until all slots are looked at that are complete by the clock.
pub(crate) async fn looked_at(running: &Running, clock: &TestClock) {
    let complete = clock.now().minus(Duration::from_seconds(5)).floor(Duration::from_seconds(10));
    let end = Value::String(complete.to_string());
    running.budget("checkout", |said| said["window"]["full"]["end"] == end).await;
}

/// A minute of events, of which all failed or none, and all slots looked at.
pub(crate) async fn minute(running: &Running, clock: &TestClock, is_bad: bool) {
    clock.advance(Duration::from_minutes(1));
    looked_at(running, clock).await;
    let bad_every = if is_bad { 1 } else { u32::MAX };
    let sent = running.post("/api/v1/events", events(clock.now(), 60, bad_every)).send().await;
    assert_eq!(sent.unwrap().status(), 200);
    // The counts are to be there when the slots are looked at.
    running.budget("checkout", |_| true).await;
    clock.advance(Duration::from_seconds(20));
    looked_at(running, clock).await;
}

pub(crate) async fn ask(
    running: &Running,
    method: Method,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, running.url(path)).json(&body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// Why a target could not be told, as soon as it is known.
async fn problem_of(running: &Running, name: &str) -> String {
    let look = async {
        loop {
            let (_, said) = running.get("/api/v1/alert-targets").await;
            let mut targets = said["targets"].as_array().unwrap().iter();
            let target = targets.find(|target| target["name"] == name).unwrap();
            if let Some(problem) = target["problem"].as_str() {
                return problem.to_owned();
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), look).await.unwrap()
}

/// What a metric of the server says; `None` where it says nothing.
async fn metric(running: &Running, line: &str) -> Option<String> {
    let said = reqwest::get(running.url("/metrics")).await.unwrap().text().await.unwrap();
    let found = said.lines().find(|said| said.starts_with(line));
    found.map(|said| said[line.len()..].trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trouble_is_told_from_its_page_to_its_end_across_a_restart() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let targets = webhook("chat", &receiver.url("/chat"));
    let running = Running::of(with_targets(home.path(), &targets, &clock)).await;
    minute(&running, &clock, false).await;
    minute(&running, &clock, true).await;
    let opened = receiver.next().await.json();
    assert_eq!(
        (&opened["event"], &opened["number"]),
        (&"alert.open".into(), &1.into()),
        "{opened}"
    );
    let alert = &opened["alert"];
    assert_eq!(
        (&alert["severity"], &alert["subject"]["slo"]),
        (&"page".into(), &"checkout".into())
    );
    assert_eq!(alert["facts"]["promise"], "90% over 1h");
    assert_eq!(alert["facts"]["links"]["runbook"], "https://wiki.example/checkout");
    assert!(alert["facts"]["remaining"].is_number(), "{alert}");
    let (_, page) = running.get("/api/v1/alerts?state=firing").await;
    let listed = &page["alerts"][0];
    assert_eq!((&listed["rule"], &listed["told"]), (&"fast".into(), &json!(["chat"])), "{page}");
    running.server.stop().await;

    // Nothing is told again; what follows is told.
    let running = Running::of(with_targets(home.path(), &targets, &clock)).await;
    let path = format!("/api/v1/alerts/{}/acknowledge", listed["id"]);
    let (status, taken) = ask(&running, Method::POST, &path, json!({ "who": "ana" })).await;
    assert_eq!((status, &taken["acknowledged"]["who"]), (200, &"ana (anyone)".into()), "{taken}");
    assert_eq!(receiver.next().await.json()["event"], "alert.acknowledge");
    for _ in 0..8 {
        minute(&running, &clock, false).await;
    }
    let eased = receiver.next().await.json();
    assert_eq!(
        (&eased["event"], &eased["alert"]["severity"]),
        (&"alert.update".into(), &"ticket".into())
    );
    let closed = receiver.next().await.json();
    assert_eq!(
        (&closed["event"], &closed["alert"]["state"]),
        (&"alert.close".into(), &"resolved".into())
    );
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.len(), 4, "each step is told once: {deliveries:?}");
    assert_eq!(metric(&running, "flyball_notices_waiting").await.as_deref(), Some("0"));
    let delivered =
        "flyball_notice_attempts_total{target=\"chat\",outcome=\"delivered\",reason=\"accepted\"}";
    assert_eq!(metric(&running, delivered).await.as_deref(), Some("3"), "since the start");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_is_told_again_of_what_fires() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut manager = Receiver::start().await;
    let targets = target("manager", &format!("alertmanager: {{url: '{}'}}", manager.url("")));
    let running = Running::of(with_targets(home.path(), &targets, &clock)).await;
    minute(&running, &clock, true).await;
    let opened = manager.next().await.json();
    running.server.stop().await;

    // It may have forgotten what it was told, so a start does not wait a minute.
    let running = Running::of(with_targets(home.path(), &targets, &clock)).await;
    let again = manager.next().await;
    let ends = clock.now().plus(Duration::from_hours(1)).to_string();
    let (told, first) = (&again.json()[0], &opened[0]);
    assert_eq!((again.path.as_str(), &told["labels"]), ("/api/v2/alerts", &first["labels"]));
    assert_eq!((&told["startsAt"], &told["endsAt"]), (&first["startsAt"], &ends.into()));
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_fails_is_tried_again_and_holds_no_other_up() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (mut good, mut busy) = (Receiver::start().await, Receiver::start().await);
    busy.answer(503, 1);
    // It accepts connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    let targets = [
        webhook("silent", &silent_url),
        webhook("good", &good.url("/")),
        webhook("busy", &busy.url("/")),
        target("without", "slack: {url: 'file:missing'}"),
    ];
    let running = Running::of(with_targets(home.path(), &targets.concat(), &clock)).await;
    minute(&running, &clock, true).await;
    assert_eq!(good.next().await.json()["event"], "alert.open");
    assert_eq!(busy.next().await.json()["event"], "alert.open");
    // What was answered is known, and the wait is over by the server's clock.
    problem_of(&running, "busy").await;
    clock.advance(Duration::from_seconds(5));
    let again = busy.next().await.json();
    assert_eq!((&again["event"], &again["may_repeat"]), (&"alert.open".into(), &false.into()));
    assert_eq!(busy.deliveries().len(), 1, "the same under the same key");
    let failed =
        "flyball_notice_attempts_total{target=\"busy\",outcome=\"failed\",reason=\"status_5xx\"}";
    assert_eq!(metric(&running, failed).await.as_deref(), Some("1"));
    let failed =
        "flyball_notice_attempts_total{target=\"without\",outcome=\"failed\",reason=\"secret\"}";
    assert!(metric(&running, failed).await.is_some());
    let problem = problem_of(&running, "without").await;
    assert!(problem.contains("missing cannot be read"), "{problem}");
    // It answers nobody any more, so that the end need not wait for it.
    drop(silent);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_keeps_quiet_and_its_end_is_told() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let targets = webhook("chat", &receiver.url("/"));
    let running = Running::of(with_targets(home.path(), &targets, &clock)).await;
    let matchers = json!([{ "field": "service", "value": "shop" }]);
    for (body, status) in [
        (json!({ "matchers": matchers, "why": "a move" }), 422),
        (json!({ "matchers": [], "why": "a move", "length": "2h" }), 422),
        (json!({ "matchers": matchers, "why": " ", "length": "2h" }), 422),
        (json!({ "matchers": matchers, "why": "a move", "length": "31d" }), 422),
        (json!({ "matchers": matchers, "why": "a move", "length": "soon" }), 422),
        (json!({ "matchers": matchers, "length": "2h" }), 400),
    ] {
        let (answered, said) = ask(&running, Method::POST, "/api/v1/silences", body.clone()).await;
        assert_eq!(answered, status, "{body}: {said}");
    }
    for (matchers, said) in [
        (json!([{ "field": "service", "value": "shpo" }]), "did you mean `shop`?"),
        (json!([{ "field": "service", "value": "zebra", "is_not": true }]), "GET /api/v1/services"),
        (json!([{ "field": "slo", "value": "chekout" }]), "did you mean `checkout`?"),
        (
            json!([{ "field": "service", "value": "shop" }, { "field": "slo", "value": "pay" }]),
            "no SLO `pay` of `shop`",
        ),
    ] {
        let body = json!({ "matchers": matchers, "why": "a move", "length": "2h" });
        let (status, refused) = ask(&running, Method::POST, "/api/v1/silences", body).await;
        assert_eq!(status, 422, "{refused}");
        assert!(refused.to_string().contains(said), "{refused}");
    }
    let body = json!({ "matchers": matchers, "why": "a move", "length": "2h" });
    let (status, made) = ask(&running, Method::POST, "/api/v1/silences", body).await;
    assert_eq!((status, &made["is_active"]), (201, &true.into()), "{made}");
    minute(&running, &clock, true).await;
    running.budget("checkout", |said| said["firings"][0].is_object()).await;
    let (_, page) = running.get("/api/v1/alerts").await;
    assert_eq!(page["alerts"][0]["silenced_by"], json!([made["id"]]), "{page}");
    assert_eq!(page["alerts"][0]["told"], json!([]));

    let path = format!("/api/v1/silences/{}", made["id"]);
    assert_eq!(ask(&running, Method::DELETE, &path, Value::Null).await.0, 204);
    let told = [receiver.next().await.json(), receiver.next().await.json()];
    let mut events: Vec<&str> = told.iter().map(|said| said["event"].as_str().unwrap()).collect();
    events.sort_unstable();
    assert_eq!(events, ["alert.open", "silence.over"]);
    assert_eq!(ask(&running, Method::DELETE, &path, Value::Null).await.0, 409);
    assert_eq!(ask(&running, Method::DELETE, "/api/v1/silences/7", Value::Null).await.0, 404);

    let id = &page["alerts"][0]["id"];
    let path = format!("/api/v1/alerts/{id}/acknowledge");
    assert_eq!(ask(&running, Method::POST, &path, json!({})).await.0, 200);
    let (status, again) = ask(&running, Method::POST, &path, json!({})).await;
    assert_eq!(status, 409, "{again}");
    assert!(again["hint"].as_str().is_some_and(|hint| hint == "talk to them"), "{again}");
    assert_eq!(
        ask(&running, Method::POST, "/api/v1/alerts/99/acknowledge", json!({})).await.0,
        404
    );
    let (_, log) = running.get("/api/v1/audit").await;
    // What the page means for incidents is noted beside.
    let actions = log["records"].as_array().unwrap().iter().map(|record| &record["action"]);
    let actions: Vec<&Value> =
        actions.filter(|of| of.as_str().is_some_and(|of| !of.starts_with("incident."))).collect();
    let wanted = ["silence.make", "silence.end", "alert.acknowledge", "alert.acknowledge"];
    assert_eq!(actions, wanted, "{log}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_alerts_end_and_are_filtered() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let other = QUICK.replace("name: checkout", "name: cart").replace("name: quick", "name: other");
    let other = other.replace("alerting: quick", "alerting: other");
    let running = Running::of(with_targets(home.path(), &format!("---\n{other}"), &clock)).await;
    minute(&running, &clock, true).await;
    for slo in ["checkout", "cart"] {
        running.budget(slo, |said| said["firings"][0].is_object()).await;
    }
    let (_, first) = running.get("/api/v1/alerts?limit=1").await;
    assert_eq!(first["next"], first["alerts"][0]["id"]);
    let (_, second) =
        running.get(&format!("/api/v1/alerts?limit=1&before={}", first["next"])).await;
    assert_eq!((second["alerts"].as_array().unwrap().len(), &second["next"]), (1, &Value::Null));
    for (query, count) in [
        ("slo=cart", 1),
        ("slo=cart&state=firing&service=shop", 1),
        ("state=resolved", 0),
        ("service=bank", 0),
    ] {
        let (_, page) = running.get(&format!("/api/v1/alerts?{query}")).await;
        assert_eq!(page["alerts"].as_array().unwrap().len(), count, "{query}");
    }
    for (path, status) in
        [("/api/v1/alerts/99", 404), ("/api/v1/alerts/x", 400), ("/api/v1/alerts?limit=0", 400)]
    {
        assert_eq!(running.get(path).await.0, status, "{path}");
    }

    // A definition that goes takes its alert with it.
    running.server.give(crate::harness::sources(QUICK)).await.unwrap();
    let (_, page) = running.get("/api/v1/alerts?slo=cart").await;
    assert_eq!(page["alerts"][0]["state"], "resolved");
    let (_, page) = running.get("/api/v1/alerts?slo=checkout").await;
    assert_eq!(page["alerts"][0]["state"], "firing");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_of_others_are_taken_in() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::of(with_targets(home.path(), "", &clock)).await;
    let alert = json!({ "labels": { "alertname": "Down", "service": "shop" }, "startsAt": NOON });
    assert_eq!(ask(&running, Method::POST, "/api/v2/alerts", json!([alert])).await.0, 200);
    let group = json!({ "version": "4", "alerts": [
        { "labels": { "alertname": "Slow" }, "annotations": {}, "startsAt": NOON },
    ] });
    let path = "/api/v1/alerts/alertmanager";
    assert_eq!(ask(&running, Method::POST, path, group).await.0, 200);
    for (path, body) in [("/api/v2/alerts", json!({})), (path, json!({ "version": "3" }))] {
        assert_eq!(ask(&running, Method::POST, path, body).await.0, 400, "{path}");
    }
    let names = |said: &Value| -> Vec<String> {
        let alerts = said["alerts"].as_array().unwrap().iter();
        alerts.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    };
    let (_, said) = running.get("/api/v1/alerts/foreign").await;
    assert_eq!(names(&said), ["Down", "Slow"]);
    // Prometheus repeats what fires, and Alertmanager says when it is over.
    clock.advance(Duration::from_minutes(6));
    let (_, said) = running.get("/api/v1/alerts/foreign").await;
    assert_eq!(names(&said), ["Slow"]);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_planned_and_changed_by_those_who_may() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::of(with_targets(home.path(), "", &clock)).await;
    let file = |text: &str| json!({ "files": [{ "name": "targets.yaml", "text": text }] });
    let (status, plan) =
        ask(&running, Method::POST, "/api/v1/apply", file(&webhook("chat", "http://h/"))).await;
    assert_eq!(status, 200, "{plan}");
    let change = json!([{ "target": "chat", "via": "webhook", "action": "created" }]);
    assert_eq!(plan["alert_targets"], change);
    let plain = "slack: {url: 'https://hooks.example/T0/secret'}";
    let (status, refused) =
        ask(&running, Method::POST, "/api/v1/apply", file(&target("chat", plain))).await;
    assert_eq!(status, 422, "{refused}");
    let finding = &refused["diagnostics"][0];
    assert_eq!((&finding["line"], &finding["path"]), (&5.into(), &"spec.slack.url".into()));

    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_seen_and_changed_by_those_of_their_service() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::of(with_targets(home.path(), "", &clock)).await;
    minute(&running, &clock, true).await;
    let client = reqwest::Client::new();
    let ask = async |token: &str, method: Method, path: &str, body: Value| {
        let request = client.request(method, running.url(path)).json(&body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap_or_default())
    };
    let mut tokens = vec![String::new()];
    let all = ["read", "ingest", "deploy"].as_slice();
    for (scopes, services) in
        [(["admin"].as_slice(), vec![]), (all, vec!["bank"]), (all, vec!["shop"])]
    {
        let body = json!({ "name": "test", "scopes": scopes, "services": services });
        let maker = tokens.get(1).unwrap_or(&tokens[0]).clone();
        let (status, made) = ask(&maker, Method::POST, "/api/v1/tokens", body).await;
        assert_eq!(status, 201, "{made}");
        tokens.push(made["token"].as_str().unwrap().to_owned());
    }
    let [_, _, bank, shop] = &tokens[..] else { unreachable!() };
    let count = |said: &Value, of: &str| said[of].as_array().unwrap().len();
    let (_, theirs) = ask(bank, Method::GET, "/api/v1/alerts", Value::Null).await;
    let (_, own) = ask(shop, Method::GET, "/api/v1/alerts", Value::Null).await;
    assert_eq!((count(&theirs, "alerts"), count(&own, "alerts")), (0, 1));
    let path = format!("/api/v1/alerts/{}", own["alerts"][0]["id"]);
    assert_eq!(ask(bank, Method::GET, &path, Value::Null).await.0, 404);
    let path = format!("{path}/acknowledge");
    assert_eq!(ask(bank, Method::POST, &path, json!({})).await.0, 404);
    assert_eq!(ask(shop, Method::POST, &path, json!({})).await.0, 200);

    let silence = |field: &str, value: &str| json!({ "matchers": [{ "field": field, "value": value }], "why": "a move", "length": "2h" });
    for (token, field, value, status) in [
        (bank, "service", "shop", 403),
        (bank, "slo", "checkout", 403),
        (shop, "severity", "page", 403),
        (shop, "service", "shop", 201),
    ] {
        let made = ask(token, Method::POST, "/api/v1/silences", silence(field, value)).await;
        assert_eq!(made.0, status, "{field} {value}: {}", made.1);
    }
    let (_, hidden) = ask(bank, Method::GET, "/api/v1/silences", Value::Null).await;
    assert_eq!(count(&hidden, "silences"), 0);
    assert_eq!(ask(bank, Method::DELETE, "/api/v1/silences/1", Value::Null).await.0, 404);

    let foreign =
        |service: &str| json!([{ "labels": { "alertname": "Down", "service": service } }]);
    assert_eq!(ask(bank, Method::POST, "/api/v2/alerts", foreign("shop")).await.0, 403);
    assert_eq!(ask(shop, Method::POST, "/api/v2/alerts", foreign("shop")).await.0, 200);
    let (_, hidden) = ask(bank, Method::GET, "/api/v1/alerts/foreign", Value::Null).await;
    assert_eq!(count(&hidden, "alerts"), 0);

    // Whoever answers for one service does not tell everybody's alerts to somebody.
    let own = QUICK.replace("name: checkout", "name: own");
    let both = format!("{own}{}", webhook("mine", "http://h/"));
    let file = json!({ "files": [{ "name": "own.yaml", "text": both }] });
    assert_eq!(ask(shop, Method::POST, "/api/v1/apply", file).await.0, 403);
    running.server.stop().await;
}
