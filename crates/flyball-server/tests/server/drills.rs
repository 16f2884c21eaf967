//! Drills over real sockets: what each would be, begun, watched, stopped, and what they came to.
//!
//! What is broken is a server of HTTP that takes what a proxy of Toxiproxy's is asked; the guard is a process that does what a
//! guard does but for the asking. Real proxies and the real guard are met by the tests of the command and by `clients/`.

use std::path::Path;

use flyball_model::{Duration, Timestamp};
use flyball_server::{Config, Given, GuardProgram, Scope, TokenRequest, Tokens};
use reqwest::Method;
use serde_json::{Value, json};

use crate::alerts::receiver::{Receiver, Request};
use crate::alerts::{QUICK, looked_at, webhook, with_targets};
use crate::gate::{post, said};
use crate::harness::{NOON, PATIENCE, Running, TestClock, sources};
use crate::verdicts::send;

/// A guard that knows what to do, and leaves when it is dismissed.
const GUARD: &str =
    "read charge; echo armed; while read line; do [ \"$line\" = dismissed ] && exit 0; done";
/// One that says nothing.
const DEAF: &str = "exec sleep 60";
/// One that dies as soon as it has answered.
const DYING: &str = "read charge; echo armed";

/// A drill of the shop by the proxy at `url`, and the bank that depends on the shop.
fn documents(url: &str) -> String {
    format!(
        "
---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: pay}}
spec:
  service: bank
  indicator:
    metadata: {{name: paid}}
    spec:
      ratioMetric:
        counter: true
        good: {{metricSource: {{type: flyball, spec: {{where: status < 500}}}}}}
        total: {{metricSource: {{type: flyball, spec: {{where: service.name = 'bank'}}}}}}
  timeWindow: [{{duration: 1h, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{target: 0.9}}]
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {{name: bank}}
spec: {{dependencies: [{{service: shop, kind: soft}}]}}
---
apiVersion: flyball.dev/v1
kind: Risk
metadata: {{name: cart-down}}
spec:
  service: shop
  description: The cart is gone.
  timeToDetect: 5m
  timeToRepair: 10m
  shareOfUsers: 100%
  timeBetweenFailures: 90d
---
apiVersion: flyball.dev/v1
kind: Drill
metadata: {{name: shop-reset}}
spec:
  description: The shop's cart is gone.
  service: shop
  slo: checkout
  risk: cart-down
  reserve: 20%
  dose: 30%
  longest: 5m
  notice: 1m
  fault: {{kind: reset}}
  via: {{kind: toxiproxy, url: '{url}', proxy: cart}}
  hours: {{timeZone: UTC}}
  hypothesis: {{text: The bank does without., holds: [{{slo: pay, badAtMost: 5%}}]}}
"
    )
}

/// A server with a drill, a guard that runs `script`, and a target that is told of everything.
fn drilling(
    home: &Path,
    clock: &TestClock,
    proxy: &Receiver,
    chat: &Receiver,
    script: &str,
) -> Config {
    let more = format!("{}{}", webhook("chat", &chat.url("/chat")), documents(&proxy.url("")));
    let arguments = vec!["-c".to_owned(), script.to_owned()];
    let guard = Some(GuardProgram { program: "/bin/sh".into(), arguments });
    Config { guard, ..with_targets(home, &more, clock) }
}

/// The drill by headers that callers send, announced at once: it needs no guard.
fn by_headers() -> String {
    documents("http://127.0.0.1:1")
        .replace("{kind: reset}", "{kind: abort, status: 503}")
        .replace("notice: 1m", "notice: 0s")
        .replace(
            "via: {kind: toxiproxy, url: 'http://127.0.0.1:1', proxy: cart}",
            "via: {kind: envoyHeaders}",
        )
}

/// `count` events of `service` over the `seconds` before `end`, all bad or all good.
fn of_service(service: &str, (end, seconds): (Timestamp, u32), count: u32, is_bad: bool) -> String {
    let status = if is_bad { 503 } else { 200 };
    let line = |number: u32| {
        let before = Duration::from_seconds(seconds - number * seconds / count);
        let at = end.minus(before);
        format!("{{\"time\":\"{at}\",\"service.name\":\"{service}\",\"status\":{status}}}\n")
    };
    (0..count).map(line).collect()
}

/// So many seconds of events of both services, one a second, all of them good.
async fn seconds(running: &Running, clock: &TestClock, count: u32) {
    clock.advance(Duration::from_seconds(count));
    let of = |service| of_service(service, (clock.now(), count), count, false);
    send(running, format!("{}{}", of("shop"), of("bank"))).await;
}

/// The run called `key` with its report, once `is_awaited`.
async fn report(running: &Running, key: &str, is_awaited: impl Fn(&Value) -> bool) -> Value {
    let mut ticks = running.server.ticks();
    let mut last = Value::Null;
    let look = async {
        loop {
            let (status, said) = running.get(&format!("/api/v1/drill-runs/{key}")).await;
            assert_eq!(status, 200, "{said}");
            last = said;
            if is_awaited(&last) {
                return;
            }
            let _ = tokio::time::timeout(PATIENCE / 600, ticks.changed()).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, look).await;
    assert!(waited.is_ok(), "what is awaited of the run does not come: {last}");
    last
}

fn state(said: &Value) -> &str {
    said["run"]["watch"]["state"]["state"].as_str().unwrap()
}

/// Told, and begun once the notice has passed; the run's key, and what the proxy was asked.
async fn begun(running: &Running, clock: &TestClock, proxy: &mut Receiver) -> (String, Request) {
    let text = json!({ "text": "at noon, ask Ada" });
    let path = "/api/v1/drills/shop-reset/announcements";
    let (status, told) = post(running, path, text).await;
    assert_eq!((status, &told["told"]), (200, &json!(1)), "{told}");
    // What is not met is told with it: the notice has to pass.
    assert_eq!(told["unmet"][0]["what"], "dependants_told", "{told}");
    seconds(running, clock, 70).await;
    let (status, said) =
        post(running, "/api/v1/drills/shop-reset/runs", json!({"apply": true})).await;
    assert_eq!(status, 201, "{said}");
    let key = said["run"]["key"].as_str().unwrap().to_owned();
    (key, proxy.next().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_spends_its_dose_and_tells_who_assumed_too_much() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (mut proxy, mut chat) = (Receiver::start().await, Receiver::start().await);
    let running = Running::of(drilling(home.path(), &clock, &proxy, &chat, GUARD)).await;

    // Without data nothing is known, and nothing begins.
    let (_, said) = running.get("/api/v1/drills").await;
    assert_eq!(said["drills"][0]["dose"], Value::Null, "{said}");
    seconds(&running, &clock, 700).await;
    clock.advance(Duration::from_seconds(10));
    let path = "/api/v1/drills/shop-reset/runs";
    let (status, said) = post(&running, path, json!({"apply": true})).await;
    assert_eq!(status, 409, "{said}");
    assert!(said["detail"].as_str().unwrap().contains("not told 1m before: bank"), "{said}");
    let (status, said) = post(&running, path, json!({})).await;
    assert_eq!(
        (status, &said["run"], &said["drill"]["may_begin"]),
        (200, &Value::Null, &json!(false))
    );

    let (key, asked) = begun(&running, &clock, &mut proxy).await;
    assert_eq!((asked.method.clone(), asked.path.as_str()), (Method::POST, "/proxies/cart/toxics"));
    assert_eq!(asked.json()["type"], "reset_peer");
    let told = chat.next().await.json();
    assert!(told.to_string().contains("shop will be broken on purpose"), "{told}");
    let text = told["reminder"]["text"].as_str().unwrap();
    let said = "at noon, ask Ada. The shop's cart is gone. It reaches 100 % of the traffic for 5m at most, spends at most 30 % of \
                the budget of checkout and no more than its contracts leave, and begins on mon, tue, wed, thu, fri between 09:00 and 17:00 (UTC). anyone announces it. Whoever \
                burns with it may stop it: `flyball drill stop`.";
    assert_eq!(text, said);
    let running_now = report(&running, &key, |said| state(said) == "running").await;
    let dose = running_now["run"]["watch"]["dose"].as_u64().unwrap();
    // A tenth of 760 events may go bad that are counted by now, and three tenths of those are dosed.
    assert_eq!(dose, 22, "{running_now}");
    for service in ["shop", "bank"] {
        let (_, card) = running.get(&format!("/api/v1/services/{service}")).await;
        let now = &card["drills"][0];
        assert_eq!((&now["key"], &now["service"]), (&json!(key), &json!("shop")), "{card}");
    }
    let (status, said) = post(&running, path, json!({"apply": true})).await;
    assert_eq!(status, 409, "{said}");
    let (_, silences) = running.get("/api/v1/silences").await;
    assert_eq!(silences["silences"][0]["why"], format!("the drill {key}"), "{silences}");

    // It burns what was dosed, and is taken away by itself; the bank fails meanwhile.
    clock.advance(Duration::from_seconds(5));
    let of = |service, count| of_service(service, (clock.now(), 5), count, true);
    let count = u32::try_from(dose).unwrap();
    send(&running, format!("{}{}", of("bank", 20), of("shop", count))).await;
    let asked = proxy.next().await;
    assert_eq!(asked.method, Method::DELETE);
    assert_eq!(asked.path, format!("/proxies/cart/toxics/flyball-{key}"));
    report(&running, &key, |said| state(said) == "ended").await;
    for _ in 0..4 {
        seconds(&running, &clock, 30).await;
    }
    let said = report(&running, &key, |said| !said["run"]["measured"].is_null()).await;
    let found = &said["report"];
    assert_eq!(said["run"]["watch"]["state"]["why"]["reason"], "dosed", "{said}");
    assert_eq!((&found["burned"], &found["as_dosed"]), (&json!(dose), &json!(true)), "{said}");
    let bank = &found["dependants"][0];
    assert_eq!(
        (&bank["service"], &bank["assumed_too_much"]),
        (&json!("bank"), &json!(true)),
        "{said}"
    );
    assert_eq!(found["hypothesis"]["held"], "no", "{said}");
    assert!(found["recover"].is_string(), "{said}");
    assert!(proxy.is_quiet(), "it is asked nothing more");

    // The budget knows that it was planned, and so does the register of risks.
    let (_, spent) = running.get("/api/v1/slos/checkout/attribution").await;
    let cause = &spent["objectives"][0]["causes"][0];
    assert_eq!((&cause["kind"], &cause["spent"]), (&json!("drill"), &json!(dose)), "{spent}");
    let (_, change) = running.get(&format!("/api/v1/changes/drill:{key}")).await;
    assert_eq!(
        (&change["change"]["kind"], &change["change"]["planned"]),
        (&json!("drill"), &json!(true))
    );
    let (_, measured) = running.get("/api/v1/services/shop/risks/measured").await;
    let occurrence = &measured["risks"][0]["occurrences"][0];
    assert_eq!(occurrence["source"], "drill", "{measured}");
    assert!(occurrence["ended"].is_string() && occurrence["started"].is_string(), "{measured}");
    let (_, log) = running.get("/api/v1/audit?limit=1000").await;
    for act in ["announce", "begin", "inject", "run", "stop", "end", "measure"] {
        assert!(log.to_string().contains(&format!("\"drill.{act}\"")), "{act}");
    }
    let (_, listed) = running.get("/api/v1/drill-runs?service=shop&limit=1").await;
    assert_eq!(listed["runs"][0]["key"], key, "{listed}");
    // What was broken as planned is no failure of a change, and the card forgets it.
    let (_, week) = running.get("/api/v1/report?service=shop").await;
    assert_eq!(
        (&week["failed"], &week["drills"][0]["id"]),
        (&json!([]), &json!(format!("drill:{key}")))
    );
    let (_, card) = running.get("/api/v1/services/shop").await;
    assert_eq!(card["drills"], json!([]), "{card}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_bounds_what_a_drill_may_burn() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (proxy, chat) = (Receiver::start().await, Receiver::start().await);
    let mut config = drilling(home.path(), &clock, &proxy, &chat, GUARD);
    let contracts = "---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec:
  agreements:
  - {name: silver, with: Bo, slo: checkout, target: 95%, window: 1d}
  - {name: gold, with: ACME, slo: checkout, target: 98%, window: 1d}
";
    let told = webhook("chat", &chat.url("/chat"));
    config.given = Given::Sources(sources(&format!("{QUICK}{told}{}{contracts}", by_headers())));
    let running = Running::of(config).await;
    seconds(&running, &clock, 700).await;
    clock.advance(Duration::from_seconds(10));
    looked_at(&running, &clock).await;
    // 70 of 700 may go bad by the SLO, and 21 by its dose; by gold 14, of which a fifth stays.
    let (_, said) = running.get("/api/v1/drills/shop-reset").await;
    let dose = &said["dose"];
    assert_eq!((&dose["bad"], &dose["allowed"]), (&json!(11), &json!(70)), "{said}");
    assert_eq!(dose["bound_by"], json!({"bound": "contract", "name": "gold with ACME"}));

    // Once it has nothing left nothing is spent, whatever the SLO has left.
    let bad = of_service("shop", (clock.now(), 10), 12, true);
    send(&running, bad).await;
    clock.advance(Duration::from_seconds(20));
    looked_at(&running, &clock).await;
    let (_, said) = running.get("/api/v1/drills/shop-reset").await;
    assert_eq!(said["dose"], Value::Null, "{said}");
    let surplus = said["checks"][0]["text"].as_str().unwrap();
    assert!(surplus.contains("the contract gold with ACME lets 14 events go bad"), "{surplus}");
    // The card's status is that of the SLOs and of the contracts.
    send(&running, of_service("shop", (clock.now(), 10), 10, true)).await;
    clock.advance(Duration::from_seconds(20));
    looked_at(&running, &clock).await;
    let (_, card) = running.get("/api/v1/services/shop").await;
    assert_eq!(
        (&card["budgets"][0]["status"], &card["status"]),
        (&json!("met"), &json!("missed")),
        "{card}"
    );
    let (_, week) = running.get("/api/v1/report?service=shop").await;
    assert_eq!(week["services"][0]["status"], "missed", "{week}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_stops_a_drill_and_what_fails_to_be_undone_is_tried_again() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (mut proxy, chat) = (Receiver::start().await, Receiver::start().await);
    let running = Running::of(drilling(home.path(), &clock, &proxy, &chat, GUARD)).await;
    seconds(&running, &clock, 700).await;
    let (key, _) = begun(&running, &clock, &mut proxy).await;
    report(&running, &key, |said| state(said) == "running").await;
    proxy.answer(503, 2);
    let path = format!("/api/v1/drill-runs/{key}/stop");
    let (status, said) = post(&running, &path, json!({})).await;
    assert_eq!(
        (status, &said["watch"]["state"]["why"]["reason"]),
        (200, &json!("asked")),
        "{said}"
    );
    for _ in 0..3 {
        assert_eq!(proxy.next().await.method, Method::DELETE);
    }
    let said = report(&running, &key, |said| state(said) == "ended").await;
    assert_eq!(said["run"]["watch"]["state"]["why"]["who"], "anyone", "{said}");
    assert_eq!(post(&running, "/api/v1/drill-runs/none/stop", json!({})).await.0, 404);

    // A server that goes down takes away what it broke; the next one has nothing to do but to tell. What was told of the
    // run before counts for that one alone.
    let (_, said) = running.get("/api/v1/drills/shop-reset").await;
    assert_eq!(
        (&said["told"], &said["may_begin"]),
        (&json!({"bank": null}), &json!(false)),
        "{said}"
    );
    clock.advance(Duration::from_seconds(1));
    let (key, _) = begun(&running, &clock, &mut proxy).await;
    report(&running, &key, |said| state(said) == "running").await;
    running.server.stop().await;
    assert_eq!(proxy.next().await.method, Method::DELETE);
    let running = Running::of(drilling(home.path(), &clock, &proxy, &chat, GUARD)).await;
    let said = report(&running, &key, |said| state(said) == "ended").await;
    assert_eq!(said["run"]["watch"]["state"]["why"]["who"], "server", "{said}");
    for _ in 0..3 {
        seconds(&running, &clock, 30).await;
    }
    report(&running, &key, |said| !said["run"]["measured"].is_null()).await;
    assert!(proxy.is_quiet(), "it is asked nothing more");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_broken_without_a_guard_and_nothing_goes_on_without_one() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (mut proxy, chat) = (Receiver::start().await, Receiver::start().await);
    let config = drilling(home.path(), &clock, &proxy, &chat, GUARD);
    let running = Running::of(Config { guard: None, ..config }).await;
    seconds(&running, &clock, 700).await;
    let (_, said) = running.get("/api/v1/drills/shop-reset").await;
    let checks = said["checks"].as_array().unwrap();
    let guarded = checks.iter().find(|check| check["what"] == "guarded").unwrap();
    assert_eq!(guarded["state"], "not_met", "{said}");
    running.server.stop().await;

    let running = Running::of(drilling(home.path(), &clock, &proxy, &chat, DEAF)).await;
    let text = json!({ "text": "soon" });
    post(&running, "/api/v1/drills/shop-reset/announcements", text).await;
    seconds(&running, &clock, 70).await;
    let path = "/api/v1/drills/shop-reset/runs";
    let (status, said) = post(&running, path, json!({"apply": true})).await;
    assert_eq!(status, 201, "{said}");
    let key = said["run"]["key"].as_str().unwrap().to_owned();
    clock.advance(Duration::from_seconds(11));
    let said = report(&running, &key, |said| state(said) == "ended").await;
    assert_eq!(said["run"]["watch"]["state"]["why"]["reason"], "guard_lost", "{said}");
    assert_eq!(said["run"]["watch"]["state"]["began"], Value::Null, "{said}");
    assert!(proxy.is_quiet(), "nothing was asked");
    let (_, change) = running.get(&format!("/api/v1/changes/drill:{key}")).await;
    assert_eq!(change["change"]["outcome"], "cancelled", "{change}");
    running.server.stop().await;

    let running = Running::of(drilling(home.path(), &clock, &proxy, &chat, DYING)).await;
    let text = json!({ "text": "soon" });
    post(&running, "/api/v1/drills/shop-reset/announcements", text).await;
    seconds(&running, &clock, 70).await;
    let (status, said) = post(&running, path, json!({"apply": true})).await;
    assert_eq!(status, 201, "{said}");
    let key = said["run"]["key"].as_str().unwrap().to_owned();
    let said = report(&running, &key, |said| state(said) == "ended").await;
    assert_eq!(said["run"]["watch"]["state"]["why"]["reason"], "guard_lost", "{said}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_elsewhere_ends_a_drill() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (mut proxy, chat) = (Receiver::start().await, Receiver::start().await);
    let config = drilling(home.path(), &clock, &proxy, &chat, GUARD);
    let running = Running::of(config).await;
    seconds(&running, &clock, 700).await;
    let (key, _) = begun(&running, &clock, &mut proxy).await;
    report(&running, &key, |said| state(said) == "running").await;
    let incident = json!({ "service": "bank", "summary": "nobody can pay", "id": "INC-1" });
    assert_eq!(post(&running, "/api/v1/incidents", incident).await.0, 201);
    assert_eq!(proxy.next().await.method, Method::DELETE);
    let said = report(&running, &key, |said| state(said) == "ended").await;
    let why = &said["run"]["watch"]["state"]["why"];
    assert_eq!((&why["reason"], &why["id"]), (&json!("incident"), &json!("INC-1")), "{said}");
    let (_, said) = running.get("/api/v1/drills/shop-reset").await;
    assert!(said["checks"].to_string().contains("open incident: INC-1"), "{said}");

    running.server.stop().await;
}

/// So many seconds in which of both services every event of the shop is bad, slot by slot.
async fn outage(running: &Running, clock: &TestClock, count: u32) {
    clock.advance(Duration::from_seconds(count));
    let of = |service, is_bad| of_service(service, (clock.now(), count), count, is_bad);
    send(running, format!("{}{}", of("shop", true), of("bank", false))).await;
}

/// The alerts that fire once all slots are looked at, and the silences.
async fn alerts(running: &Running, clock: &TestClock) -> (Value, Value) {
    running.budget("checkout", |_| true).await;
    clock.advance(Duration::from_seconds(20));
    looked_at(running, clock).await;
    let (_, alerts) = running.get("/api/v1/alerts?state=firing").await;
    let (_, silences) = running.get("/api/v1/silences").await;
    (alerts["alerts"].clone(), silences["silences"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_pages_nobody_and_an_outage_after_it_pages() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (mut proxy, mut chat) = (Receiver::start().await, Receiver::start().await);
    let running = Running::of(drilling(home.path(), &clock, &proxy, &chat, GUARD)).await;
    seconds(&running, &clock, 700).await;
    let (key, _) = begun(&running, &clock, &mut proxy).await;
    assert_eq!(chat.next().await.json()["event"], "service.reminder");
    report(&running, &key, |said| state(said) == "running").await;

    // Its own bad events would page: they are its dose, so it ends, and nobody is called then or afterwards.
    outage(&running, &clock, 40).await;
    assert_eq!(proxy.next().await.method, Method::DELETE);
    report(&running, &key, |said| state(said) == "ended").await;
    let (firing, silences) = alerts(&running, &clock).await;
    assert_eq!((&firing[0]["slo"], &firing[0]["severity"]), (&json!("checkout"), &json!("page")));
    assert_eq!(firing[0]["silenced_by"], json!([1]), "{firing}");
    assert_eq!(
        silences.as_array().unwrap().len(),
        1,
        "it is one silence, which is moved: {silences}"
    );
    assert!(silences[0]["because_of"]["to"].is_string(), "{silences}");
    assert_eq!(silences[0]["drill"], key, "{silences}");
    let (_, incidents) = running.get("/api/v1/incidents").await;
    assert_eq!(incidents["incidents"], json!([]));
    assert!(chat.is_quiet(), "nobody is told of a silence that goes on");

    // Behind it the shop is down in earnest, while what the drill burned is still looked back at.
    outage(&running, &clock, 40).await;
    let (firing, silences) = alerts(&running, &clock).await;
    assert_eq!(firing[0]["silenced_by"], json!([]), "{firing} {silences}");
    assert_eq!(silences[0]["ended_by"], "server", "{silences}");
    let mut events: Vec<(String, Value)> = Vec::new();
    for _ in 0..2 {
        let told = chat.next().await.json();
        events.push((told["event"].as_str().unwrap().to_owned(), told));
    }
    events.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(events[0].0, "alert.open", "{events:?}");
    let title = events[1].1["title"].as_str().unwrap();
    assert_eq!(title, "[silence over] silence 1 has ended; 1 alert still fires");
    let opened = async {
        loop {
            let (_, incidents) = running.get("/api/v1/incidents").await;
            if !incidents["incidents"][0].is_null() {
                return incidents["incidents"][0].clone();
            }
        }
    };
    let opened = tokio::time::timeout(PATIENCE, opened).await.expect("a page opens an incident");
    let at = |value: &Value| Timestamp::parse(value.as_str().unwrap()).unwrap();
    let (started, behind) = (&opened["incident"]["started"], &silences[0]["because_of"]["to"]);
    assert!(at(started) >= at(behind), "it began behind the drill: {opened} {silences}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_burns_with_a_drill_sees_it_run_and_stops_it() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (proxy, chat) = (Receiver::start().await, Receiver::start().await);
    let mut config = drilling(home.path(), &clock, &proxy, &chat, GUARD);
    let by_headers = by_headers();
    let told = webhook("chat", &chat.url("/chat"));
    config.given = Given::Sources(sources(&format!("{QUICK}{told}{by_headers}")));
    config.guard = None;
    let [_, shop, bank, ads] = tokens(home.path(), &[&[], &["shop"], &["bank"], &["ads"]]);
    let running = Running::of(config).await;
    let get = async |token: &str, path: &str| {
        said(reqwest::Client::new().get(running.url(path)).bearer_auth(token)).await
    };
    let send = async |token: &str, path: &str, body: Value| {
        said(running.post(path, body.to_string()).bearer_auth(token)).await
    };
    clock.advance(Duration::from_seconds(700));
    let events = of_service("shop", (clock.now(), 700), 700, false);
    let sent = running.post("/api/v1/events", events).bearer_auth(&shop).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    clock.advance(Duration::from_seconds(10));
    let text = json!({ "text": "soon" });
    assert_eq!(send(&shop, "/api/v1/drills/shop-reset/announcements", text).await.0, 200);
    let path = "/api/v1/drills/shop-reset/runs";
    let (status, begun) = send(&shop, path, json!({"apply": true})).await;
    assert_eq!(status, 201, "{begun}");
    let key = begun["run"]["key"].as_str().unwrap().to_owned();
    let (run, stop) =
        (format!("/api/v1/drill-runs/{key}"), format!("/api/v1/drill-runs/{key}/stop"));
    // The bank depends on the shop, and others do not.
    assert_eq!(get(&ads, "/api/v1/drill-runs").await.1["runs"], json!([]));
    assert_eq!(get(&ads, "/api/v1/drill-runs?service=shop").await.1["runs"], json!([]));
    assert_eq!((get(&ads, &run).await.0, send(&ads, &stop, json!({})).await.0), (404, 404));
    for listed in ["/api/v1/drill-runs", "/api/v1/drill-runs?service=shop"] {
        assert_eq!(get(&bank, listed).await.1["runs"][0]["key"], key.as_str(), "{listed}");
    }
    let (status, seen) = get(&bank, &run).await;
    assert_eq!((status, &seen["run"]["spec"]), (200, &Value::Null), "not by what: {seen}");
    let (_, seen) = get(&shop, &run).await;
    assert_eq!(seen["run"]["spec"]["via"]["kind"], "envoyHeaders");
    let by = seen["run"]["watch"]["by"].as_str().unwrap();
    let called = seen["run"]["people"][by].as_str().unwrap();
    assert!(by.starts_with("token:") && called.ends_with(" (token)"), "{seen}");
    assert_eq!(
        get(&bank, "/api/v1/drills").await.1,
        json!({ "drills": [], "next": null }),
        "runs alone"
    );
    assert_eq!(send(&bank, path, json!({"apply": true})).await.0, 404, "and it begins none");
    assert_eq!(send(&bank, &stop, json!({})).await.0, 200);
    let (_, now) = get(&shop, &run).await;
    assert!(["stopping", "ended"].contains(&state(&now)), "{now}");
    running.server.stop().await;
}

/// Tokens for these services each, the first of which may do all.
fn tokens<const N: usize>(home: &Path, services: &[&[&str]; N]) -> [String; N] {
    services.map(|services| {
        let scopes: &[Scope] = match services {
            [] => &[Scope::Admin],
            _ => &[Scope::Deploy, Scope::Read, Scope::Ingest],
        };
        let request = TokenRequest {
            name: "test".to_owned(),
            scopes: scopes.to_vec(),
            services: services.iter().map(ToString::to_string).collect(),
            functions: Vec::new(),
            expires: None,
        };
        let tokens = Tokens::open(&home.join("data")).unwrap();
        tokens.create(&request, "test", Timestamp::parse(NOON).unwrap()).unwrap().token
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_a_service_sees_none_of_its_drills_and_headers_are_leased() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (proxy, chat) = (Receiver::start().await, Receiver::start().await);
    let mut config = drilling(home.path(), &clock, &proxy, &chat, GUARD);
    let [_, shop, bank] = tokens(home.path(), &[&[], &["shop"], &["bank"]]);
    // Headers need no guard: they end with whoever tells of them.
    let by_headers = by_headers();
    let alone = by_headers.replace("dependencies: [{service: shop, kind: soft}]", "team: bank");
    config.given = Given::Sources(sources(&format!("{QUICK}{alone}")));
    config.guard = None;
    let running = Running::of(config).await;
    let get = async |token: &str, path: &str| {
        said(reqwest::Client::new().get(running.url(path)).bearer_auth(token)).await
    };
    let send = async |token: &str, path: &str, body: Value| {
        said(running.post(path, body.to_string()).bearer_auth(token)).await
    };
    assert_eq!(get(&bank, "/api/v1/drills").await.1, json!({ "drills": [], "next": null }));
    assert_eq!(get(&bank, "/api/v1/drills/shop-reset").await.0, 404);
    assert_eq!(send(&bank, "/api/v1/drills/shop-reset/runs", json!({})).await.0, 404);
    let text = json!({ "text": "soon" });
    assert_eq!(send(&bank, "/api/v1/drills/shop-reset/announcements", text).await.0, 404);

    clock.advance(Duration::from_seconds(700));
    let events = of_service("shop", (clock.now(), 700), 700, false);
    let sent = running.post("/api/v1/events", events).bearer_auth(&shop).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    clock.advance(Duration::from_seconds(10));
    let headers = "/api/v1/drill-headers?service=shop";
    assert_eq!(get(&shop, headers).await.1["headers"], json!({}));
    assert_eq!(get(&bank, headers).await.0, 404);
    let path = "/api/v1/drills/shop-reset/runs";
    let (status, begun) = send(&shop, path, json!({"apply": true})).await;
    assert_eq!(status, 201, "{begun}");
    let key = begun["run"]["key"].as_str().unwrap().to_owned();
    let waited = async {
        loop {
            let (_, lease) = get(&shop, headers).await;
            if lease["drill"] == key.as_str() {
                return lease;
            }
        }
    };
    let lease = tokio::time::timeout(PATIENCE, waited).await.expect("callers are told");
    assert_eq!(lease["headers"]["x-envoy-fault-abort-request"], "503", "{lease}");
    assert_eq!(lease["headers"]["x-envoy-fault-abort-request-percentage"], "100", "{lease}");
    let stop = format!("/api/v1/drill-runs/{key}/stop");
    assert_eq!(get(&bank, "/api/v1/drill-runs").await.1, json!({ "runs": [], "next": null }));
    assert_eq!(send(&bank, &stop, json!({})).await.0, 404);
    assert_eq!(send(&shop, &stop, json!({})).await.0, 200);
    assert_eq!(get(&shop, headers).await.1["headers"], json!({}), "nobody is told any more");
    // What callers were told before holds for a while.
    let (_, now) = get(&shop, &format!("/api/v1/drill-runs/{key}")).await;
    assert_eq!(state(&now), "stopping", "{now}");
    clock.advance(Duration::from_seconds(4));
    let gone = async {
        while state(&get(&shop, &format!("/api/v1/drill-runs/{key}")).await.1) != "ended" {}
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it ends");
    running.server.stop().await;
}
