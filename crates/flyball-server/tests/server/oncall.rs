//! On call over real sockets: who is called for a page, who after them, what people make of rotas.

use std::collections::BTreeMap;
use std::path::Path;

use flyball_model::Duration;
use flyball_server::Config;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::alerts::receiver::Receiver;
use crate::alerts::{ask, looked_at, minute, webhook, with_targets};
use crate::harness::{NOON, Running, TestClock, events};

/// Ada and Bo take turns by the week; Cy comes after them, and Dee looks on. Each has a target but Dee.
const ROTAS: &str = "
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {team: checkout, onCall: shop-pages}
---
apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: payments}
spec:
  timeZone: Europe/Berlin
  members:
  - {name: ada, side: developers, target: ada-phone, paid: standby_and_call_out}
  - {name: bo, side: developers, target: bo-phone}
  - {name: dee, side: developers}
  layers:
  - {name: first, members: [ada, bo], rotation: {unit: week, start: 2026-01-05T09:00}}
  - {name: beside, carries: shadow, members: [dee], rotation: {unit: week, start: 2026-01-05T09:00}}
---
apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: office}
spec:
  members: [{name: cy, side: operations, target: cy-phone}]
  layers:
  - {name: day, members: [cy], rotation: {unit: week, start: 2026-01-05T09:00}, hours: [{days: [mon, tue, wed, thu, fri], from: '09:00', to: '17:00'}]}
---
apiVersion: flyball.dev/v1
kind: Escalation
metadata: {name: shop-pages}
spec:
  services: []
  levels:
  - {name: developers, side: developers, rota: payments, wait: 20s}
  - {name: operations, side: operations, rota: office, wait: 20s}
";

/// A server with the rotas and a webhook for the team and for each person.
fn with_rotas(home: &Path, receiver: &Receiver, clock: &TestClock) -> Config {
    let targets = ["chat", "ada-phone", "bo-phone", "cy-phone"]
        .map(|name| webhook(name, &receiver.url(&format!("/{name}"))));
    with_targets(home, &format!("{}{ROTAS}", targets.concat()), clock)
}

/// The next `count` notices, by path.
async fn told(receiver: &mut Receiver, count: usize) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for _ in 0..count {
        let next = receiver.next().await;
        let other = found.insert(next.path.clone(), next.json());
        assert!(other.is_none(), "told twice: {} {other:?}", next.path);
    }
    found
}

async fn send(running: &Running, path: &str, body: Value) -> (u16, Value) {
    ask(running, Method::POST, &format!("/api/v1/on-call/rotas/{path}"), body).await
}

async fn first_of(running: &Running) -> String {
    let (status, who) = running.get("/api/v1/on-call?service=shop").await;
    assert_eq!(status, 200, "{who}");
    assert_eq!(who["escalation"], "shop-pages");
    who["levels"][0]["who"][0].as_str().unwrap_or("nobody").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_calls_who_is_on_call_and_the_next_level_when_nobody_takes_it_across_restarts() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let running = Running::of(with_rotas(home.path(), &receiver, &clock)).await;
    let on_call = first_of(&running).await;
    let own = format!("/{on_call}-phone");
    minute(&running, &clock, false).await;
    minute(&running, &clock, true).await;
    let opened = told(&mut receiver, 2).await;
    assert_eq!(opened.keys().map(String::as_str).collect::<Vec<_>>(), [own.as_str(), "/chat"]);
    for notice in opened.values() {
        let called = &notice["called"];
        assert_eq!(called["who"], json!([on_call]), "{notice}");
        assert_eq!((&called["level"], &called["rota"]), (&json!("developers"), &json!("payments")));
        let title = notice["title"].as_str().unwrap();
        assert!(title.ends_with(&format!("; {on_call} is called (developers)")), "{title}");
    }
    let id = opened["/chat"]["alert"]["id"].as_u64().unwrap();
    running.server.stop().await;

    // The level was due while the server was down: it is called at the start, once.
    clock.advance(Duration::from_seconds(25));
    let running = Running::of(with_rotas(home.path(), &receiver, &clock)).await;
    let next = told(&mut receiver, 3).await;
    assert_eq!(next["/cy-phone"]["event"], "alert.open");
    assert_eq!(next["/chat"]["event"], "alert.update");
    assert_eq!(next[&own]["called"]["who"], json!(["cy"]), "{}", next[&own]);
    assert_eq!(next[&own]["called"]["hand_offs"], 1);
    running.server.stop().await;
    let running = Running::of(with_rotas(home.path(), &receiver, &clock)).await;

    // After the last level nobody is left, and that is said.
    let sent = running.post("/api/v1/events", events(clock.now(), 30, 1)).send().await;
    assert_eq!(sent.unwrap().status(), 200);
    running.budget("checkout", |_| true).await;
    clock.advance(Duration::from_seconds(11));
    looked_at(&running, &clock).await;
    clock.advance(Duration::from_seconds(10));
    let unanswered = told(&mut receiver, 3).await;
    let path = format!("/api/v1/alerts/{id}");
    let (_, alert) = running.get(&path).await;
    assert_eq!(alert["unanswered"], true, "{alert}");
    assert_eq!(alert["transitions"].as_array().unwrap().last().unwrap()["kind"], "unanswered");
    for notice in unanswered.values() {
        assert_eq!(
            (&notice["event"], &notice["called"]["unanswered"]),
            (&json!("alert.update"), &json!(true))
        );
        let title = notice["title"].as_str().unwrap();
        assert!(title.ends_with("nobody has taken it on, and nobody is left to call"), "{title}");
    }
    // Each step says what is so at that step.
    let (called, now) = (&next["/chat"]["alert"]["facts"], &unanswered["/chat"]["alert"]["facts"]);
    let left = |facts: &Value| facts["remaining"].as_f64().unwrap();
    assert!(left(now) < left(called), "{called} {now}");
    let bad = |facts: &Value| facts["readings"][0]["bad"].as_u64().unwrap();
    assert!(bad(now) != bad(called), "{called} {now}");
    assert_eq!(alert["remaining"], now["remaining"], "it is that of the last step: {alert}");
    let (_, listed) = running.get("/api/v1/on-call/calls?service=shop").await;
    assert!(listed["calls"][0]["unanswered"].is_string(), "{listed}");
    let (status, problem) =
        ask(&running, Method::POST, &format!("{path}/pass-on"), json!({"who": "cy", "why": "x"}))
            .await;
    assert_eq!(
        (status, &problem["hint"]),
        (409, &json!("call whom you need by hand")),
        "{problem}"
    );
    let body = json!({"who": "cy"});
    let (status, taken) = ask(&running, Method::POST, &format!("{path}/acknowledge"), body).await;
    assert_eq!((status, &taken["unanswered"]), (200, &json!(false)), "{taken}");
    assert_eq!(taken["calls"][0]["taken"]["by"], "cy (anyone)");
    let acknowledged = told(&mut receiver, 3).await;
    assert!(acknowledged.values().all(|notice| notice["event"] == "alert.acknowledge"));
    for _ in 0..8 {
        minute(&running, &clock, false).await;
    }
    // It eases to a ticket, which is nobody's page, and ends.
    let closed = told(&mut receiver, 3).await;
    assert_eq!(closed["/cy-phone"]["event"], "alert.close");
    assert_eq!(closed["/chat"]["event"], "alert.update");
    assert_eq!(receiver.next().await.json()["event"], "alert.close");
    assert_eq!(receiver.deliveries().len(), 15, "each step is told once to each");

    check_kept(&running, &json!(id), &json!(on_call)).await;
    running.server.stop().await;
}

/// What the call was is kept beside the alert, for load and pay.
async fn check_kept(running: &Running, alert: &Value, on_call: &Value) {
    let (_, calls) = running.get("/api/v1/on-call/calls?service=shop").await;
    let call = &calls["calls"][0];
    assert_eq!((&call["alert"], &call["hand_offs"]["unanswered"]), (alert, &json!(1)), "{calls}");
    assert!(call["closed"].is_string() && calls["next"].is_null(), "{calls}");
    let (_, none) = running.get("/api/v1/on-call/calls?service=bank").await;
    assert_eq!(none["calls"], json!([]));
    let (_, load) = running.get("/api/v1/on-call/rotas/office/load").await;
    let person = |load: &Value, who: &str| {
        let mut people = load["people"].as_array().unwrap().iter();
        people.find(|person| person["who"] == who).cloned().unwrap()
    };
    let cy = person(&load, "cy");
    assert_eq!((&cy["events"], &cy["unknown"]), (&json!(1), &json!(0)), "{load}");
    assert_eq!((&load["calls"], &load["complete"]), (&json!(1), &json!(true)));
    let (_, pay) = running.get("/api/v1/on-call/rotas/payments/pay").await;
    assert!(pay["lines"].as_array().unwrap().iter().any(|line| line["who"] == *on_call), "{pay}");
    let csv = reqwest::get(running.url("/api/v1/on-call/rotas/payments/pay.csv")).await.unwrap();
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    assert!(csv.text().await.unwrap().starts_with("who,from,to,paid,standby_hours"));
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one rota, and all that is made of it")]
async fn what_people_make_of_a_rota_is_in_force_at_once_audited_and_removed() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let receiver = Receiver::start().await;
    let running = Running::of(with_rotas(home.path(), &receiver, &clock)).await;
    let now = || clock.now();
    let hours = |hours: u32| now().plus(Duration::from_hours(hours)).to_string();
    let on_call = first_of(&running).await;
    let other = if on_call == "ada" { "bo" } else { "ada" };

    let end = hours(8);
    let body = |add: &str, why: &str| json!({"start": hours(0), "end": end, "remove": on_call, "add": add, "why": why});
    for (path, wrong, status) in [
        ("payments/overrides", body("zoe", "ill"), 422),
        ("payments/overrides", body(other, " "), 422),
        (
            "payments/overrides",
            json!({"start": hours(8), "end": hours(0), "add": "ada", "why": "x"}),
            422,
        ),
        (
            "payments/overrides",
            json!({"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "add": "ada", "why": "x"}),
            422,
        ),
        ("payments/overrides", json!({"from": "soon"}), 400),
        ("payment/overrides", body(other, "ill"), 404),
        ("payments/swaps/payments:1/settle", json!({"who": "bo", "how": "taken"}), 404),
        ("payments/exceptions/payments:1/end", json!({"why": "x"}), 404),
    ] {
        let (found, problem) = send(&running, path, wrong).await;
        assert_eq!((found, problem["hint"].is_string()), (status, true), "{path}: {problem}");
    }
    let (status, made) = send(&running, "payments/overrides", body(other, "ill")).await;
    assert_eq!((status, &made["state"]), (201, &json!("made")), "{made}");
    assert_eq!(first_of(&running).await, other);
    let (_, card) = running.get("/api/v1/services/shop").await;
    assert_eq!(card["called"][0]["who"], json!([other]), "{card}");
    assert!(card["uncovered"].is_null(), "the first level is there around the clock: {card}");

    // Only a part of it is removed: what was stays.
    clock.advance(Duration::from_hours(2));
    let id = made["id"].as_str().unwrap().to_owned();
    let path = format!("payments/exceptions/{id}/end");
    assert_eq!(send(&running, &path, json!({"why": ""})).await.0, 422);
    let (status, removed) = send(&running, &path, json!({"why": "well again"})).await;
    assert_eq!((status, &removed["state"]), (201, &json!("removed")), "{removed}");
    assert_eq!(send(&running, &path, json!({"why": "again"})).await.0, 422);
    assert_eq!(first_of(&running).await, on_call);
    let (_, before) = running
        .get(&format!("/api/v1/on-call/rotas/payments?at={}", now().minus(Duration::from_hours(1))))
        .await;
    assert_eq!(before["called"], json!([other]), "{before}");

    // A swap is in force once it is taken, by another than who asked.
    let gives = json!({"start": hours(1), "end": hours(3)});
    let body = json!({"who": on_call, "gives": gives, "asked": other, "why": "the dentist"});
    let (status, swap) = send(&running, "payments/swaps", body).await;
    assert_eq!((status, &swap["state"]), (201, &json!("open")), "{swap}");
    let at = format!("/api/v1/on-call/rotas/payments?at={}", hours(2));
    assert_eq!(running.get(&at).await.1["called"], json!([on_call]));
    let settle = format!("payments/swaps/{}/settle", swap["id"].as_str().unwrap());
    for (who, how, status) in [
        (on_call.as_str(), "taken", 422),
        ("dee", "taken", 422),
        (other, "taken", 201),
        (other, "taken", 422),
    ] {
        let (found, said) = send(&running, &settle, json!({"who": who, "how": how})).await;
        assert_eq!(found, status, "{who}: {said}");
    }
    assert_eq!(running.get(&at).await.1["called"], json!([other]));

    // A temporary schedule stands above all.
    let shift = |who: &str, from: u32, to: u32| json!({"layer": "first", "who": who, "start": hours(from), "end": hours(to)});
    let plan = |shifts: Vec<Value>| json!({"start": hours(1), "end": hours(4), "shifts": shifts, "why": "the fair"});
    let wrong = plan(vec![shift("dee", 1, 3), shift("ada", 2, 4)]);
    assert_eq!(send(&running, "payments/temporary-schedules", wrong).await.0, 422);
    let (status, made) =
        send(&running, "payments/temporary-schedules", plan(vec![shift("dee", 1, 3)])).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(running.get(&at).await.1["called"], json!(["dee"]));
    let (_, gaps) = running.get("/api/v1/on-call/rotas/payments/gaps").await;
    assert_eq!(
        (&gaps["covered"], gaps["gaps"].as_array().unwrap().len()),
        (&json!(false), 1),
        "{gaps}"
    );
    assert_eq!(gaps["gaps"][0]["span"]["start"], hours(3));

    let listed = running.get("/api/v1/on-call/rotas/payments/exceptions?limit=2").await.1;
    assert_eq!(listed["exceptions"][0]["id"], made["id"], "{listed}");
    let more =
        format!("/api/v1/on-call/rotas/payments/exceptions?limit=2&before={}", listed["next"]);
    let more = running.get(&more).await.1;
    assert_eq!((&more["exceptions"][0]["id"], &more["next"]), (&json!(id), &Value::Null), "{more}");
    let log = running.get("/api/v1/audit?limit=1000").await.1.to_string();
    for action in ["override", "remove", "swap", "settle", "temporary"] {
        assert!(log.contains(&format!("\"on_call.{action}\"")), "{action}: {log}");
    }
    let shifts = running.get("/api/v1/on-call/rotas/payments/shifts?limit=3").await.1;
    assert_eq!(
        (shifts["shifts"].as_array().unwrap().len(), &shifts["next"]),
        (3, &json!(3)),
        "{shifts}"
    );
    running.server.stop().await;

    let running = Running::of(with_rotas(home.path(), &receiver, &clock)).await;
    assert_eq!(running.get(&at).await.1["called"], json!(["dee"]), "it outlives a restart");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calendars_are_there_for_rotas_and_people_behind_a_token() {
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let receiver = Receiver::start().await;
    let config = with_rotas(home.path(), &receiver, &clock);
    let token = crate::gate::admin(&home.path().join("data"), "ana");
    let running = Running::of(config).await;
    let get = async |path: &str, password: Option<&str>| {
        let request = Client::new().get(running.url(path));
        let request = match password {
            Some(password) => request.basic_auth("calendar", Some(password)),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    };
    let path = "/api/v1/on-call/rotas/payments/calendar.ics";
    assert_eq!(get(path, None).await.0, 401);
    let (status, kind, text) = get(path, Some(&token)).await;
    assert_eq!((status, kind.as_str()), (200, "text/calendar; charset=utf-8"), "{text}");
    assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.contains("X-WR-CALNAME:payments"));
    for who in ["ada", "bo", "dee"] {
        assert!(text.contains(&format!("SUMMARY:{who}: ")), "{who}");
    }
    let (status, _, own) = get("/api/v1/on-call/people/ada/calendar.ics", Some(&token)).await;
    assert_eq!(status, 200);
    assert!(own.contains("SUMMARY:ada: on call") && !own.contains("SUMMARY:bo"), "{own}");
    assert_eq!(get("/api/v1/on-call/people/zoe/calendar.ics", Some(&token)).await.0, 404);
    // What has begun keeps its id while it goes on.
    let ids = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("UID:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    clock.advance(Duration::from_hours(1));
    let (_, _, later) = get(path, Some(&token)).await;
    assert_eq!(ids(&text), ids(&later));
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_stays_when_the_document_changes() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let receiver = Receiver::start().await;
    let given = || with_rotas(home.path(), &receiver, &clock);
    let running = Running::of(given()).await;
    let past = format!("from=2026-01-05T08:00:00Z&to={}", clock.now());
    let path = |what: &str| format!("/api/v1/on-call/rotas/payments/{what}?{past}");
    let paid = running.get(&path("pay")).await.1;
    assert_eq!(paid["lines"][0]["who"], "ada", "{paid}");
    let shifts = running.get(&path("shifts")).await.1;
    running.server.stop().await;

    // Ada leaves, and turns begin anew tomorrow.
    clock.advance(Duration::from_minutes(1));
    let changed = |text: &str| {
        let text = text.replace(
            "  - {name: ada, side: developers, target: ada-phone, paid: standby_and_call_out}\n",
            "",
        );
        text.replace(
            "members: [ada, bo], rotation: {unit: week, start: 2026-01-05T09:00}",
            "members: [bo], rotation: {unit: week, start: 2026-03-03T09:00}",
        )
    };
    let targets = ["chat", "ada-phone", "bo-phone", "cy-phone"]
        .map(|name| webhook(name, &receiver.url(&format!("/{name}"))));
    let text = format!("{}{}", targets.concat(), changed(ROTAS));
    let running = Running::of(with_targets(home.path(), &text, &clock)).await;
    let rota = running.get("/api/v1/on-call/rotas/payments").await.1;
    assert_eq!(rota["members"], json!(["bo", "dee"]), "{rota}");
    assert_eq!(running.get(&path("pay")).await.1, paid);
    assert_eq!(running.get(&path("shifts")).await.1, shifts);
    running.server.stop().await;
}

/// Cy looks at tickets of the shop by day, and is never paged; Ada is, and has no target.
const TRIAGE: &str = "
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {team: checkout, onCall: desk}
---
apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: desk}
spec:
  members:
  - {name: ada, side: developers, rest: [{days: [sun]}]}
  - {name: bo, side: developers}
  - {name: cy, side: operations, duty: tickets, target: cy-phone}
  layers:
  - {name: first, members: [ada, bo], rotation: {unit: day, start: 2026-01-05T09:00}}
  - {name: triage, carries: tickets, members: [cy], rotation: {unit: week, start: 2026-01-05T09:00}}
";

#[tokio::test(flavor = "multi_thread")]
async fn tickets_come_to_who_looks_at_them_and_pages_do_not() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let receiver = Receiver::start().await;
    let text = format!("{}{TRIAGE}", webhook("cy-phone", &receiver.url("/cy-phone")));
    let running = Running::of(with_targets(home.path(), &text, &clock)).await;
    let who = async |severity: &str| {
        let path = format!("/api/v1/on-call?service=shop&severity={severity}");
        running.get(&path).await.1["levels"][0]["who"].clone()
    };
    assert_eq!(who("ticket").await, json!(["cy"]));
    assert_ne!(who("page").await, json!(["cy"]));
    let span = |from: u32, to: u32| {
        let at = |hours| clock.now().plus(Duration::from_hours(hours)).to_string();
        (at(from), at(to))
    };
    let (start, end) = span(0, 8);
    let body = json!({"start": start, "end": end, "add": "cy", "why": "all are ill"});
    let (status, refused) = send(&running, "desk/overrides", body).await;
    assert_eq!(status, 422, "{refused}");
    assert!(refused.to_string().contains("never paged"), "{refused}");
    // Whoever comes on their day of rest comes, and that is said.
    let (start, end) = span(0, 7 * 24);
    let body = json!({"start": start, "end": end, "add": "ada", "why": "a sale"});
    let (status, made) = send(&running, "desk/overrides", body).await;
    assert_eq!((status, made["away"].as_array().unwrap().len()), (201, 1), "{made}");
    assert_eq!(made["away"][0]["who"], "ada");
    // No target is told of the pages of the shop, and neither of the two has one.
    let gaps = running.get("/api/v1/on-call/rotas/desk/gaps").await.1;
    assert_eq!((&gaps["covered"], &gaps["unreachable"]), (&json!(false), &json!(["ada", "bo"])));
    let card = running.get("/api/v1/services/shop").await.1;
    assert_eq!(
        card["paged"],
        json!([]),
        "the target of who looks at tickets hears no page: {card}"
    );
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_reads_sees_no_pay_and_one_that_deploys_speaks_for_nobody() {
    use flyball_server::{Scope, TokenRequest, Tokens};
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let receiver = Receiver::start().await;
    let config = with_rotas(home.path(), &receiver, &clock);
    let token = |name: &str, scope| {
        let request = TokenRequest {
            name: name.to_owned(),
            scopes: vec![scope],
            services: Vec::new(),
            functions: Vec::new(),
            expires: None,
        };
        let tokens = Tokens::open(&home.path().join("data")).unwrap();
        tokens.create(&request, "test", clock.now()).unwrap().token
    };
    let [admin, read, deploy] =
        [("ana", Scope::Admin), ("calendar", Scope::Read), ("ci", Scope::Deploy)]
            .map(|(name, scope)| token(name, scope));
    let running = Running::of(config).await;
    let get = async |path: &str, token: &str| {
        let url = running.url(&format!("/api/v1/on-call/rotas/payments/{path}"));
        Client::new().get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    for path in ["pay", "pay.csv"] {
        assert_eq!((get(path, &read).await, get(path, &admin).await), (403, 200), "{path}");
    }
    assert_eq!(get("load", &read).await, 200);
    let at = |hours| clock.now().plus(Duration::from_hours(hours)).to_string();
    let swap = async |who: &str, token: &str| {
        let body = json!({"who": who, "gives": {"start": at(1), "end": at(2)}, "why": "x"});
        let path = "/api/v1/on-call/rotas/payments/swaps";
        let sent = running.post(path, body.to_string()).bearer_auth(token);
        sent.send().await.unwrap().status().as_u16()
    };
    let rota = running.url("/api/v1/on-call/rotas/payments");
    let rota = Client::new().get(rota).bearer_auth(&read).send().await.unwrap();
    let rota: Value = rota.json().await.unwrap();
    let on_call = rota["called"][0].as_str().unwrap();
    let other = if on_call == "ada" { "bo" } else { "ada" };
    assert_eq!(swap(on_call, &deploy).await, 422, "a pipeline says yes for nobody");
    assert_eq!((swap(other, &admin).await, swap(on_call, &admin).await), (422, 201), "a shift");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_a_page_with_a_token_of_a_members_name_is_that_member() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let running = Running::of(with_rotas(home.path(), &receiver, &clock)).await;
    let on_call = first_of(&running).await;
    minute(&running, &clock, false).await;
    minute(&running, &clock, true).await;
    let opened = told(&mut receiver, 2).await;
    let id = opened["/chat"]["alert"]["id"].as_u64().unwrap();
    let new = json!({"name": on_call, "scopes": ["admin"]});
    let (_, made) = ask(&running, Method::POST, "/api/v1/tokens", new).await;
    let token = made["token"].as_str().unwrap().to_owned();
    let post = async |path: &str, body: Value| -> Value {
        let request = running.post(path, body.to_string()).bearer_auth(&token);
        let request = request.header("content-type", "application/json");
        request.send().await.unwrap().json().await.unwrap()
    };
    let get = async |path: &str| -> Value {
        let request = Client::new().get(running.url(path)).bearer_auth(&token);
        request.send().await.unwrap().json().await.unwrap()
    };
    let taken = post(&format!("/api/v1/alerts/{id}/acknowledge"), json!({})).await;
    assert_eq!(taken["acknowledged"]["who"], format!("{on_call} (token)"), "{taken}");
    let heard = told(&mut receiver, 2).await;
    let title = heard["/chat"]["title"].as_str().unwrap();
    assert!(title.contains(&format!("{on_call} (token)")), "{title}");
    let load = get("/api/v1/on-call/rotas/payments/load").await;
    let strangers = load["people"].as_array().unwrap().iter().filter(|of| of["side"].is_null());
    assert_eq!(strangers.count(), 0, "{load}");
    assert_eq!(load["sides"].as_array().map(Vec::len), Some(1), "{load}");

    // What nobody has served yet is to come.
    let (from, now) = (clock.now().minus(Duration::from_days(1)), clock.now());
    let asked = format!("from={from}&to={}", now.plus(Duration::from_days(1)));
    let pay = get(&format!("/api/v1/on-call/rotas/payments/pay?{asked}")).await;
    let lines = pay["lines"].as_array().unwrap();
    assert_eq!(pay["served_until"], now.to_string(), "{pay}");
    let ada = lines.iter().find(|line| line["who"] == "ada").unwrap();
    // She takes over at nine in Berlin, which is eight in UTC.
    assert_eq!((&ada["standby"], &ada["to_come"]), (&json!("14560s"), &json!("1d")), "{pay}");

    // Who made an exception is told by name.
    let hours = |hours: u32| now.plus(Duration::from_hours(hours)).to_string();
    let body = json!({"start": hours(0), "end": hours(8), "add": "dee", "why": "to learn"});
    post("/api/v1/on-call/rotas/payments/overrides", body).await;
    let listed = get("/api/v1/on-call/rotas/payments/exceptions").await;
    let by = listed["exceptions"][0]["made"]["made"]["by"].as_str().unwrap();
    assert_eq!(listed["people"][by], on_call, "{listed}");
    let id = listed["exceptions"][0]["id"].as_str().unwrap();
    let gives = json!({"start": hours(9), "end": hours(10)});
    let body = json!({"who": on_call, "gives": gives, "why": "the dentist"});
    let swap = post("/api/v1/on-call/rotas/payments/swaps", body).await;
    let swap = swap["id"].as_str().unwrap();
    for (id, hint) in [(swap, "withdraws it"), (id, "lists those that are in force")] {
        let path = format!("/api/v1/on-call/rotas/payments/exceptions/{id}/end");
        post(&path, json!({"why": "once"})).await;
        let problem = post(&path, json!({"why": "again"})).await;
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{problem}");
    }
    running.server.stop().await;
}

/// Who is put on call by others hears of it at their own target, and what leaves nobody, or does nothing, is said.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_make_of_a_rota_is_told_to_whom_it_calls_and_says_what_it_leaves() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let running = Running::of(with_rotas(home.path(), &receiver, &clock)).await;
    let on_call = first_of(&running).await;
    let other = if on_call == "ada" { "bo" } else { "ada" };
    let at = |hours| clock.now().plus(Duration::from_hours(hours)).to_string();
    let span = |from, to| json!({"start": at(from), "end": at(to)});
    let with = |from, to, more: Value| {
        let mut body = span(from, to);
        body["why"] = json!("ill");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let body = with(2, 4, json!({"remove": on_call}));
    let (status, made) = send(&running, "payments/overrides", body).await;
    assert_eq!((status, &made["is_idle"]), (201, &json!(false)), "{made}");
    assert_eq!(made["uncovered"][0]["span"], span(2, 4), "{made}");

    let body = with(2, 4, json!({"add": other}));
    let (status, made) = send(&running, "payments/overrides", body).await;
    assert_eq!((status, &made["uncovered"], &made["is_idle"]), (201, &json!([]), &json!(false)));
    let id = made["id"].as_str().unwrap().to_owned();
    clock.advance(Duration::from_minutes(1));
    let heard = receiver.next().await;
    let told = heard.json();
    assert_eq!(heard.path, format!("/{other}-phone"), "{told}");
    let title = told["title"].as_str().unwrap();
    assert!(title.starts_with("[on call] shop: you are on call in payments, from "), "{title}");
    // Taken away again, nobody is left.
    let path = format!("payments/exceptions/{id}/end");
    let (status, removed) = send(&running, &path, json!({"why": "well again"})).await;
    assert_eq!((status, &removed["is_idle"]), (201, &json!(false)), "{removed}");
    assert_eq!(removed["uncovered"].as_array().map(Vec::len), Some(1), "{removed}");

    // While a temporary schedule says who is there, nothing else does.
    let shift = json!({"layer": "first", "who": on_call, "start": at(10), "end": at(14)});
    let body = with(10, 16, json!({"shifts": [shift]}));
    let (status, written) = send(&running, "payments/temporary-schedules", body).await;
    assert_eq!(status, 201, "{written}");
    assert_eq!(written["uncovered"][0]["span"], span(14, 16), "{written}");
    let body = with(11, 13, json!({"add": other}));
    let (status, idle) = send(&running, "payments/overrides", body).await;
    assert_eq!((status, &idle["is_idle"]), (201, &json!(true)), "{idle}");

    let body = json!({"who": on_call, "gives": span(20, 22), "asked": other, "why": "a wedding"});
    let (status, swap) = send(&running, "payments/swaps", body).await;
    assert_eq!((status, &swap["state"], &swap["uncovered"]), (201, &json!("open"), &json!([])));
    clock.advance(Duration::from_minutes(1));
    let mut heard = Vec::new();
    for _ in 0..3 {
        let next = receiver.next().await;
        heard.push((next.path.clone(), next.json()["title"].as_str().unwrap().to_owned()));
    }
    let of =
        |path: &str, said: &str| heard.iter().any(|(to, title)| to == path && title.contains(said));
    let [own, theirs] = [&on_call, other].map(|who| format!("/{who}-phone"));
    assert!(of(&own, "you are on call in payments, from"), "{heard:?}");
    assert!(of(&theirs, &format!("{on_call} asks you to take a shift in payments")), "{heard:?}");
    let path = format!("payments/swaps/{}/settle", swap["id"].as_str().unwrap());
    let (status, taken) = send(&running, &path, json!({"who": other, "how": "taken"})).await;
    assert_eq!((status, &taken["is_idle"]), (201, &json!(false)), "{taken}");
    clock.advance(Duration::from_minutes(1));
    let both = self::told(&mut receiver, 2).await;
    let title = |path: &str| both[path]["title"].as_str().unwrap();
    assert!(title(&own).contains(&format!("{other} has taken your shift")), "{}", title(&own));
    assert!(title(&theirs).contains(&format!("on call in payments for {on_call}")));
    running.server.stop().await;
}
