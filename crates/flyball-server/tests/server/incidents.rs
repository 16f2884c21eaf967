//! Incidents over real sockets: opened by alerts, by hand and by messages, corrected, counted, learnt from.

use flyball_model::{Duration, Timestamp};
use flyball_server::{Scope, TokenRequest, Tokens};
use reqwest::Client;
use serde_json::{Value, json};

use crate::alerts::{QUICK, minute};
use crate::gate::{admin, post, said};
use crate::harness::{NOON, PATIENCE, Running, SHOP, TestClock, config, events};

/// Who takes part in which journey, and a runbook.
const DESCRIBED: &str = "
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {journeys: [pay]}
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: bank}
spec: {journeys: [pay, save]}
---
apiVersion: flyball.dev/v1
kind: Runbook
metadata: {name: payments-down}
spec:
  description: Payments fail.
  services: [shop]
  steps: [Look at the bank.]
  rollback:
  - {when: budget.exhausted, holds: 10m, then: Roll back., who: on_call}
  - {when: 'alerts.paging > 100', then: Ask for help., who: on_call}
";

/// The incidents that are listed, once `is_awaited`.
async fn incidents(running: &Running, is_awaited: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let mut ticks = running.server.ticks();
    let look = async {
        loop {
            let (status, said) = running.get("/api/v1/incidents").await;
            assert_eq!(status, 200, "{said}");
            let listed = said["incidents"].as_array().unwrap().clone();
            if is_awaited(&listed) {
                return listed;
            }
            let _ = tokio::time::timeout(PATIENCE / 600, ticks.changed()).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it is noted in time")
}

fn open_incidents(said: &Value) -> usize {
    said["incidents"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_opens_an_incident_which_another_system_takes_over() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = format!("{QUICK}{DESCRIBED}");
    let running = Running::of(config(directory.path(), &documents, &clock)).await;
    minute(&running, &clock, false).await;
    minute(&running, &clock, true).await;
    let listed = incidents(&running, |listed| !listed.is_empty()).await;
    let opened = &listed[0];
    let id = opened["incident"]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("alert:"), "{opened}");
    for (field, value) in [
        ("/state", json!("open")),
        ("/incident/service", json!("shop")),
        ("/opened/opened", json!("by_alerts")),
        ("/incident/resolved", Value::Null),
        ("/journeys_hit/0", json!({"journey": "pay", "through": ["shop"], "of": 2})),
    ] {
        assert_eq!(opened.pointer(field), Some(&value), "{field}: {opened}");
    }
    let at = |field: &str| Timestamp::parse(opened["incident"][field].as_str().unwrap()).unwrap();
    assert!(at("started") <= at("detected"), "{opened}");
    let (_, card) = running.get("/api/v1/services/shop").await;
    assert_eq!(open_incidents(&card), 1, "{card}");

    // Somebody takes the page on; the incident knows.
    let alert = id.trim_start_matches("alert:");
    let taken = post(&running, &format!("/api/v1/alerts/{alert}/acknowledge"), json!({})).await;
    assert_eq!(taken.0, 200, "{}", taken.1);
    incidents(&running, |listed| listed[0]["state"] == "acknowledged").await;
    let path = format!("/api/v1/incidents/{id}");
    let noted =
        post(&running, &format!("{path}/notes"), json!({"text": "the pool is empty"})).await;
    assert_eq!(noted.1["notes"][0]["text"], "the pool is empty", "{}", noted.1);
    for _ in 0..8 {
        minute(&running, &clock, false).await;
    }
    let over = incidents(&running, |listed| listed[0]["state"] == "resolved").await;
    assert_eq!(over.len(), 1);
    let class = json!({
        "posting": id, "class": "dns", "role": "engineering_lead", "why": "the names were gone",
    });
    assert_eq!(post(&running, "/api/v1/gate/shop/classes", class).await.0, 201);

    // The same trouble as another system has it.
    let started = over[0]["incident"]["detected"].clone();
    let issue = json!({
        "issueKey": "OPS-17", "title": "nobody could pay", "status": "DONE",
        "createdDate": started, "resolutionDate": clock.now(),
    });
    assert_eq!(post(&running, "/api/v1/hooks/devlake/issues?service=shop", issue).await.0, 200);
    let listed =
        incidents(&running, |listed| listed[0]["incident"]["id"] == "devlake:OPS-17").await;
    assert_eq!(listed.len(), 1, "it is one thing: {listed:#?}");
    let (_, by_old_name) = running.get(&path).await;
    for (field, value) in [
        ("/incident/id", json!("devlake:OPS-17")),
        ("/incident/summary", json!("nobody could pay")),
        ("/notes/0/text", json!("the pool is empty")),
        ("/class", json!("dns")),
        ("/state", json!("resolved")),
    ] {
        assert_eq!(by_old_name.pointer(field), Some(&value), "{field}: {by_old_name}");
    }
    let (_, measured) = running.get("/api/v1/incident-measures?service=shop").await;
    assert_eq!(measured["measures"]["incidents"], 1, "{measured}");
    assert_eq!(measured["measures"]["resolve"]["lengths"]["spread"]["count"], 1);
    let delivery = "/api/v1/delivery?service=shop&from=2026-03-02T11:00:00Z";
    let (_, delivered) = running.get(delivery).await;
    assert_eq!(delivered["measures"]["response"]["incidents"], 1, "{delivered}");
    running.server.stop().await;

    // Nothing is opened again by pages of before the start.
    let running = Running::of(config(directory.path(), &documents, &clock)).await;
    minute(&running, &clock, false).await;
    let (_, listed) = running.get("/api/v1/incidents").await;
    assert_eq!(open_incidents(&listed), 1, "{listed}");
    let alarm = json!({"cause": "measurement", "text": "the probe was wrong"});
    let path = "/api/v1/incidents/devlake:OPS-17/false-alarm";
    let (status, called) = post(&running, path, alarm).await;
    assert_eq!((status, &called["state"]), (200, &json!("false_alarm")), "{called}");
    let (_, measured) = running.get("/api/v1/incident-measures?service=shop").await;
    assert_eq!(measured["measures"]["incidents"], 0, "{measured}");
    assert_eq!(measured["measures"]["false_alarms"], json!({"measurement": 1}));
    assert_eq!(running.get(delivery).await.1["measures"]["response"]["incidents"], 0);
    let (_, spent) = running.get("/api/v1/slos/checkout/attribution").await;
    assert_eq!(spent["objectives"][0]["causes"], json!([]), "{spent}");
    let (_, log) = running.get("/api/v1/audit?limit=1000").await;
    for action in ["incident.open", "incident.follow", "incident.note", "incident.false_alarm"] {
        assert!(log.to_string().contains(&format!("\"{action}\"")), "{action}");
    }
    running.server.stop().await;
}

/// Sixty events of six users before `end`, of which every third failed: those of two users.
fn by_users(end: Timestamp) -> String {
    let line = |number: u32| {
        let at = end.minus(Duration::from_seconds(60 - number));
        let (status, user) = (if number.is_multiple_of(3) { 503 } else { 200 }, number % 6);
        format!(
            "{{\"time\":\"{at}\",\"service.name\":\"shop\",\"status\":{status},\"user.id\":\"u{user}\"}}\n"
        )
    };
    (0..60).map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_incident_cost_and_what_happened_is_put_together() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), &format!("{SHOP}{DESCRIBED}"), &clock).await;
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", by_users(clock.now())).send().await.unwrap();
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    let deploy = json!({"service": "shop", "id": "release-1", "finished": "2026-03-02T12:03:00Z"});
    assert_eq!(post(&running, "/api/v1/changes", deploy).await.0, 201);
    assert_eq!(post(&running, "/api/v1/gate/shop", json!({"class": "feature"})).await.0, 200);
    let open = json!({
        "id": "INC-1", "service": "shop", "summary": "payments fail",
        "started": "2026-03-02T12:04:00Z", "runbooks": ["ask-ada"],
    });
    let (status, opened) = post(&running, "/api/v1/incidents", open.clone()).await;
    assert_eq!((status, &opened["incident"]["detected"]), (201, &json!(clock.now())), "{opened}");
    assert_eq!(post(&running, "/api/v1/incidents", open).await.0, 409);

    let (status, cost) = running.get("/api/v1/incidents/INC-1/cost").await;
    assert_eq!(status, 200, "{cost}");
    let of = &cost["costs"][0];
    for (field, value) in
        [("/slo", json!("checkout")), ("/bad", json!(20)), ("/users", json!({"hit": 2, "seen": 6}))]
    {
        assert_eq!(of.pointer(field), Some(&value), "{field}: {cost}");
    }
    // 20 of the 6 that 60 events at 90 % allow.
    assert!(of["budget"].as_str().unwrap().starts_with("≈3.33"), "{cost}");
    assert!(of["events"].as_str().unwrap().starts_with("≈0.33"), "{cost}");
    assert_eq!((&cost["costliest"], &cost["users_by"]), (&json!("checkout"), &json!("user.id")));

    let (_, told) = running.get("/api/v1/incidents/INC-1/timeline").await;
    let kinds: Vec<&str> =
        told["entries"].as_array().unwrap().iter().map(|of| of["kind"].as_str().unwrap()).collect();
    for kind in ["moment", "change", "decision"] {
        assert!(kinds.contains(&kind), "{kind}: {told}");
    }
    let (_, books) = running.get("/api/v1/incidents/INC-1/runbooks").await;
    assert_eq!(books["unknown"], json!(["ask-ada"]), "{books}");
    let book = &books["runbooks"][0];
    assert_eq!((&book["name"], &book["is_followed"]), (&json!("payments-down"), &json!(false)));
    let holds = [&book["rollback"][0]["holds_now"], &book["rollback"][1]["holds_now"]];
    assert_eq!(holds, [&json!(true), &json!(false)], "{books}");

    let correct = |body: Value| post(&running, "/api/v1/incidents/INC-1/corrections", body);
    // Both moments go on together, though each alone would come in the wrong order.
    let both = json!({
        "why": "it went on", "moments": {"started": "2026-03-02T12:03:30Z", "mitigated": clock.now(), "resolved": clock.now()},
        "services": ["bank"], "cause": "release-1",
    });
    let (status, corrected) = correct(both).await;
    assert_eq!((status, &corrected["state"]), (200, &json!("resolved")), "{corrected}");
    let journeys: Vec<&Value> =
        corrected["journeys_hit"].as_array().unwrap().iter().map(|of| &of["journey"]).collect();
    assert_eq!(journeys, ["pay", "save"]);
    for (body, status) in [
        (json!({"why": " ", "moments": {"started": null}}), 422),
        (json!({"why": "x", "moments": {"started": "2026-03-02T13:00:00Z"}}), 422),
        (json!({"why": "x", "moments": {"resolved": "2026-03-02T12:00:00Z"}}), 422),
        (json!({"why": "x", "moments": {"ended": null}}), 400),
        (json!({"why": "x", "repeats": "INC-9"}), 422),
        (json!({"why": "x", "services": [""]}), 422),
    ] {
        assert_eq!(correct(body.clone()).await.0, status, "{body}");
    }
    let (_, card) = running.get("/api/v1/services/bank").await;
    assert_eq!(open_incidents(&card), 0, "it is over");
    let again = json!({"why": "it is back", "moments": {"resolved": null}});
    assert_eq!(correct(again).await.1["state"], "mitigated");
    let (_, card) = running.get("/api/v1/services/bank").await;
    assert_eq!(open_incidents(&card), 1, "it concerns the bank: {card}");
    assert_eq!(post(&running, "/api/v1/incidents/INC-9/notes", json!({"text": "x"})).await.0, 404);
    running.server.stop().await;
}

/// The texts of a write-up that is complete.
fn written() -> Value {
    json!({
        "summary": "Payments failed.", "impact": "A third.", "root_causes": "No bound.",
        "trigger": "A release.", "resolution": "Rolled back.", "detection": "An alert.",
        "went_well": "The alert.", "went_wrong": "The pool.", "lucky": "It was noon.",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_up_blames_nobody_and_its_items_are_done_when_tests_pass() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let [ada, bo] = ["ada", "bo"].map(|name| admin(directory.path(), name));
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let send = async |token: &str, path: &str, body: Value| {
        said(running.post(&format!("/api/v1/{path}"), body.to_string()).bearer_auth(token)).await
    };
    let open = json!({"id": "INC-1", "service": "shop", "summary": "payments fail"});
    assert_eq!(send(&ada, "incidents", open).await.0, 201);
    let role = json!({"role": "commander", "who": "Cy Berg"});
    let (_, led) = send(&ada, "incidents/INC-1/roles", role).await;
    assert_eq!(led["holders"]["planning"], "Cy Berg", "the commander's: {led}");
    let path = "incidents/INC-1/post-mortem";
    let (_, begun) = send(&ada, path, json!({})).await;
    assert_eq!((&begun["title"], &begun["state"]), (&json!("payments fail"), &json!("draft")));
    let to = |to: &str| json!({ "to": to });
    let state = format!("{path}/state");
    assert_eq!(send(&ada, &state, to("in_review")).await.0, 422, "it is empty");
    assert_eq!(send(&ada, path, written()).await.1["missing"], json!(["actions"]));
    let item = |id: &str, outcome: Value| {
        json!({
            "id": id, "text": "bound the pool", "kind": "prevent", "owner": "payments",
            "priority": "P0", "due": "2026-03-09", "outcome": outcome,
        })
    };
    let items = format!("{path}/actions");
    let tested = json!({"outcome": "slo_test", "file": "pool.slotest", "test": null});
    assert_eq!(send(&ada, &items, item("a", tested)).await.0, 200);
    let drilled = json!({"outcome": "drill", "name": "nosuchdrill"});
    assert_eq!(send(&ada, &items, item("c", drilled)).await.0, 422, "no document describes it");
    let looked = json!({"outcome": "looked", "text": "the minutes"});
    assert_eq!(send(&ada, &items, item("b", looked.clone())).await.0, 200);
    assert_eq!(send(&ada, &items, item("b", looked)).await.0, 422, "it is there");
    let named = json!({"root_causes": "cy berg forgot it"});
    assert_eq!(send(&ada, path, named).await.1["blames"][0]["is_name"], true);
    assert_eq!(send(&ada, &state, to("in_review")).await.0, 422, "somebody is named");
    assert_eq!(send(&ada, path, written()).await.0, 200);
    assert_eq!(send(&ada, &state, to("in_review")).await.0, 200);
    assert_eq!(send(&ada, path, written()).await.0, 422, "it is being read");
    assert_eq!(send(&ada, &state, to("published")).await.0, 422, "it is her own");
    let (_, published) = send(&bo, &state, to("published")).await;
    assert_eq!(published["state"], "published", "{published}");

    let run = |passed: Value| {
        let run = json!({"file": "slos/pool.slotest", "test": "holds", "passed": passed});
        json!({"version": "1.4.0", "runs": [run]})
    };
    let tell = async |passed: Value| {
        clock.advance(Duration::from_minutes(1));
        send(&bo, "slotest-runs", run(passed)).await.1["changed"].clone()
    };
    assert_eq!(tell(Value::Null).await, json!([]));
    assert_eq!(tell(json!(false)).await[0]["state"]["state"], "open", "it can fail");
    let done = tell(json!(true)).await;
    assert_eq!(done[0]["state"]["shown"], "1.4.0", "{done}");
    assert_eq!(tell(json!(false)).await[0]["state"]["state"], "open", "it is undone");
    assert_eq!(tell(json!(true)).await[0]["item"], "a");
    let end = |item: &str| format!("{items}/{item}/end");
    assert_eq!(send(&bo, &end("a"), json!({"seen": "it is"})).await.0, 422, "a test decides");
    assert_eq!(send(&bo, &end("b"), json!({})).await.0, 422);
    assert_eq!(send(&bo, &end("b"), json!({"seen": "12 minutes"})).await.0, 200);
    assert_eq!(send(&bo, &end("c"), json!({"seen": "12 minutes"})).await.0, 404);
    let get = async |path: &str| {
        let request = Client::new().get(running.url(&format!("/api/v1/{path}"))).bearer_auth(&bo);
        said(request).await
    };
    let (_, listed) = get("action-items?service=shop").await;
    let (a, summary) = (&listed["items"][0], &listed["summary"]);
    assert_eq!((&a["undone"], &a["is_proof"]), (&json!(1), &json!(true)), "{listed}");
    assert_eq!((&summary["tested"], &summary["looked"]), (&json!(1), &json!(1)), "{listed}");
    let (_, shown) = get(path).await;
    assert!(shown["timeline"].as_array().is_some_and(|of| !of.is_empty()), "{shown}");
    assert!(!shown["timeline"].to_string().contains("Cy Berg"), "{shown}");
    assert_eq!(get("post-mortems").await.1["post_mortems"][0]["incident"], "INC-1");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_are_seen_and_changed_by_whose_services_they_hit() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let boss = admin(directory.path(), "boss");
    let token = |name: &str, scopes: &[Scope], service: &str| {
        let request = TokenRequest {
            name: name.to_owned(),
            scopes: scopes.to_vec(),
            services: vec![service.to_owned()],
            functions: Vec::new(),
            expires: None,
        };
        let tokens = Tokens::open(directory.path()).unwrap();
        tokens.create(&request, "command", clock.now()).unwrap().token
    };
    let both = &[Scope::Read, Scope::Deploy];
    let (shop, bank) = (token("shop", both, "shop"), token("bank", both, "bank"));
    let reader = token("reader", &[Scope::Read], "shop");
    let running = Running::start(directory.path(), &format!("{SHOP}{DESCRIBED}"), &clock).await;
    let send = async |token: &str, path: &str, body: Value| {
        said(running.post(&format!("/api/v1/{path}"), body.to_string()).bearer_auth(token)).await
    };
    let get = async |token: &str, path: &str| {
        said(Client::new().get(running.url(&format!("/api/v1/{path}"))).bearer_auth(token)).await
    };
    let open = json!({"id": "INC-1", "service": "shop", "summary": "payments fail"});
    assert_eq!(send(&bank, "incidents", open.clone()).await.0, 403);
    assert_eq!(send(&reader, "incidents", open.clone()).await.0, 403);
    assert_eq!(send(&boss, "incidents", json!({"service": "shpo", "summary": "x"})).await.0, 404);
    assert_eq!(send(&shop, "incidents", open).await.0, 201);
    assert_eq!(get(&reader, "incidents/INC-1").await.0, 200);
    for path in ["", "/cost", "/timeline", "/runbooks", "/post-mortem"] {
        assert_eq!(get(&bank, &format!("incidents/INC-1{path}")).await.0, 404, "{path}");
    }
    assert_eq!(get(&bank, "incidents").await.1["incidents"], json!([]));
    let also = json!({"why": "they ask it", "services": ["bank"]});
    assert_eq!(send(&shop, "incidents/INC-1/corrections", also.clone()).await.0, 403, "not theirs");
    assert_eq!(send(&boss, "incidents/INC-1/corrections", also).await.0, 200);
    let (status, seen) = get(&bank, "incidents/INC-1").await;
    assert_eq!((status, &seen["incident"]["service"]), (200, &Value::Null), "{seen}");
    assert_eq!(send(&bank, "incidents/INC-1/notes", json!({"text": "x"})).await.0, 403);

    // What hurts is weighed, and becomes somebody's requirement.
    let clicks = json!({
        "id": "63-clicks", "what": "a deployment takes 63 clicks", "stage": "deploy",
        "service": "shop", "met": {"minutes": 25},
    });
    assert_eq!(send(&bank, "friction", clicks.clone()).await.0, 403);
    assert_eq!(send(&shop, "friction", clicks.clone()).await.0, 201);
    assert_eq!(send(&shop, "friction", clicks).await.0, 409);
    let other = json!({"id": "slow", "what": "tests are slow", "stage": "test"});
    assert_eq!(send(&bank, "friction", other).await.0, 201);
    assert_eq!(send(&shop, "friction/63-clicks/met", json!({"minutes": 20})).await.0, 200);
    let (_, listed) = get(&reader, "friction").await;
    let first = &listed["friction"][0];
    assert_eq!((&first["id"], &first["weight"]["minutes"]), (&json!("63-clicks"), &json!(45)));
    assert_eq!(get(&bank, "friction").await.1["friction"].as_array().map(Vec::len), Some(1));
    let required = json!({"to": "required", "team": "platform", "requirement": "one command"});
    let (_, moved) = send(&shop, "friction/63-clicks/state", required).await;
    assert_eq!((&moved["state"], &moved["team"]), (&json!("required"), &json!("platform")));
    let of_team = async |team: &str| {
        let (_, listed) = get(&reader, &format!("friction?team={team}")).await;
        listed["friction"].as_array().map(Vec::len)
    };
    assert_eq!((of_team("platform").await, of_team("web").await), (Some(1), Some(0)));
    let mended = json!({"to": "mended", "how": "by itself"});
    assert_eq!(send(&shop, "friction/63-clicks/state", mended).await.0, 200);
    assert_eq!(get(&reader, "friction").await.1["friction"][0]["id"], "slow");
    let (_, all) = get(&reader, "friction?all=true").await;
    assert_eq!(all["friction"].as_array().map(Vec::len), Some(2), "{all}");
    clock.advance(Duration::from_minutes(1));
    assert_eq!(send(&shop, "friction/63-clicks/met", json!({})).await.1["state"], "noted");
    assert_eq!(send(&bank, "friction/63-clicks/met", json!({})).await.0, 404);
    running.server.stop().await;
}

/// A shop that asks a bank, and what its policy wants to be written up.
const ASKS: &str = "
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {dependencies: [{service: bank, kind: hard}]}
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: bank}
spec: {team: bank}
";

/// A minute in which all requests of the shop fail, as the bank does: an incident of each.
async fn outage(running: &Running, clock: &TestClock, number: u32) {
    clock.advance(Duration::from_minutes(2));
    let began = clock.now().minus(Duration::from_minutes(1));
    let position = running.position().await;
    let sent = running.post("/api/v1/events", events(clock.now(), 60, 1)).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    running.counts_behind(position).await;
    clock.advance(Duration::from_minutes(1));
    for service in ["bank", "shop"] {
        let open = json!({
            "id": format!("{service}-{number}"), "service": service, "summary": "nobody can pay",
            "started": began, "detected": began, "resolved": clock.now(),
        });
        let (status, said) = post(running, "/api/v1/incidents", open).await;
        assert_eq!(status, 201, "{said}");
    }
}

/// The window is an hour and what resembles it is forty days old: it is found by what burned, as usual.
#[tokio::test(flavor = "multi_thread")]
async fn what_burned_long_before_the_window_came_again() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), &format!("{SHOP}{ASKS}"), &clock).await;
    outage(&running, &clock, 1).await;
    clock.advance(Duration::from_days(40));
    outage(&running, &clock, 2).await;
    let (status, said) = running.get("/api/v1/incident-measures?service=shop").await;
    assert_eq!((status, &said["is_burned_known"]), (200, &json!(true)), "{said:#}");
    let found = &said["recurrences"][0];
    assert_eq!(
        (&found["id"], &found["earlier"][0]["id"]),
        (&json!("shop-2"), &json!("shop-1")),
        "{said:#}"
    );
    let signs: Vec<&Value> =
        found["earlier"][0]["by"].as_array().unwrap().iter().map(|by| &by["sign"]).collect();
    assert_eq!(signs, ["burned", "dependency"], "{found:#}");
    running.server.stop().await;
}

/// The card of the shop, as soon as `is_awaited`.
async fn card(running: &Running, is_awaited: impl Fn(&Value) -> bool) -> Value {
    let mut ticks = running.server.ticks();
    let mut last = Value::Null;
    let look = async {
        loop {
            last = running.get("/api/v1/services/shop").await.1;
            if is_awaited(&last["post_mortems"]) {
                return;
            }
            let _ = tokio::time::timeout(PATIENCE / 600, ticks.changed()).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, look).await;
    assert!(waited.is_ok(), "it is not demanded: {:#}", last["post_mortems"]);
    last
}

/// A demand outlives the window that it came from: only publication, a waiver or a false alarm ends it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_written_up_stays_until_it_is_or_somebody_waives_it() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), &format!("{SHOP}{ASKS}"), &clock).await;
    clock.advance(Duration::from_minutes(50));
    outage(&running, &clock, 1).await;
    // The bank failed below it, and the shop itself after that.
    clock.advance(Duration::from_minutes(2));
    let began = clock.now().minus(Duration::from_minutes(1));
    let position = running.position().await;
    running.post("/api/v1/events", events(clock.now(), 60, 1)).send().await.unwrap();
    running.counts_behind(position).await;
    clock.advance(Duration::from_minutes(1));
    let open = json!({
        "id": "own", "service": "shop", "summary": "the pool is empty",
        "started": began, "detected": began, "resolved": clock.now(),
    });
    assert_eq!(post(&running, "/api/v1/incidents", open).await.0, 201);
    let class = json!({"posting": "own", "class": "pool", "role": "engineering_lead", "why": "x"});
    assert_eq!(post(&running, "/api/v1/gate/shop/classes", class).await.0, 201);
    let of = |said: &Value, field: &str, value: &str| {
        said.as_array().unwrap().iter().find(|due| due[field] == value).cloned()
    };
    let live = card(&running, |said| of(said, "incident", "own").is_some()).await;
    assert_eq!(
        of(&live["post_mortems"], "class", "pool"),
        None,
        "a quarter is looked at within the hour"
    );
    let due = of(&live["post_mortems"], "incident", "own").unwrap();
    assert_eq!(due["demanded"], Value::Null, "{due}");
    clock.advance(Duration::from_minutes(5));
    let kept = card(&running, |said| of(said, "class", "pool").is_some()).await;
    let due = of(&kept["post_mortems"], "incident", "own").unwrap();
    assert_eq!((&due["is_late"], &due["is_published"]), (&json!(false), &json!(false)), "{due}");
    assert_eq!(due["demanded"], json!(clock.now()), "{due}");

    // The window of an hour has forgotten it long since.
    clock.advance(Duration::from_days(20));
    let late = card(&running, |said| {
        of(said, "incident", "own").is_some_and(|due| due["is_late"] == true)
    });
    let late = late.await;
    assert!(of(&late["post_mortems"], "class", "pool").is_some(), "{late:#}");
    let waive = async |body: Value| {
        post(&running, "/api/v1/services/shop/post-mortem-waivers", body).await.0
    };
    assert_eq!(waive(json!({"incident": "own", "why": " "})).await, 422);
    assert_eq!(waive(json!({"incident": "none", "why": "x"})).await, 404);
    assert_eq!(waive(json!({"why": "x"})).await, 422);
    assert_eq!(waive(json!({"incident": "own", "why": "a load test"})).await, 200);
    assert_eq!(waive(json!({"incident": "own", "why": "a load test"})).await, 404, "once");
    let alarm = json!({"cause": "on_purpose", "text": "we knew"});
    assert_eq!(waive(json!({"class": "pool", "why": "replaced in May"})).await, 200);
    let (_, said) = running.get("/api/v1/services/shop").await;
    assert_eq!(of(&said["post_mortems"], "incident", "own"), None, "{said:#}");
    assert_eq!(of(&said["post_mortems"], "class", "pool"), None, "{said:#}");
    assert_eq!(post(&running, "/api/v1/incidents/own/false-alarm", alarm).await.0, 200);
    let (_, log) = running.get("/api/v1/audit?limit=1000").await;
    for action in ["post_mortem.demand", "post_mortem.waive", "incident.tell"] {
        assert!(log.to_string().contains(&format!("\"{action}\"")), "{action}");
    }
    running.server.stop().await;
}

/// Filters fill a page, an incident is listed for every service that it concerns, and names are checked.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_before_they_are_cut_and_names_are_known() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), &format!("{SHOP}{DESCRIBED}"), &clock).await;
    let open = async |body: Value| post(&running, "/api/v1/incidents", body).await;
    let first = json!({"id": "lasts", "service": "shop", "summary": "x", "services": ["bank"]});
    assert_eq!(open(first).await.0, 201);
    clock.advance(Duration::from_minutes(1));
    let over = json!({
        "id": "over", "service": "shop", "summary": "x", "resolved": clock.now(),
        "detected": clock.now(),
    });
    assert_eq!(open(over).await.0, 201);
    let listed = async |query: &str| {
        let (_, said) = running.get(&format!("/api/v1/incidents?{query}")).await;
        let ids = said["incidents"].as_array().unwrap().iter();
        ids.map(|of| of["incident"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("open=true&limit=1").await, ["lasts"]);
    assert_eq!(listed("service=bank").await, ["lasts"], "it concerns the bank as well");
    assert_eq!(listed("service=shop&limit=1").await, ["over"]);
    for (field, value, status, hint) in [
        ("services", json!(["bnak"]), 404, "did you mean `bank`?"),
        ("journeys", json!(["paay"]), 422, "did you mean `pay`?"),
        ("cause", json!("nosuch"), 422, "flyball change list"),
    ] {
        let mut body = json!({"service": "shop", "summary": "x"});
        body[field] = value;
        let (found, problem) = open(body).await;
        assert_eq!(found, status, "{problem}");
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{problem}");
    }
    let hurts = json!({"what": "slow", "stage": "test", "service": "shpo"});
    assert_eq!(post(&running, "/api/v1/friction", hurts).await.0, 404);
    let role = json!({"role": "commander", "who": "Ada"});
    assert_eq!(post(&running, "/api/v1/incidents/lasts/roles", role).await.0, 200);
    let path = "/api/v1/incidents/lasts/false-alarm";
    let blames = json!({"cause": "report", "text": "Ada was wrong"});
    let (status, problem) = post(&running, path, blames).await;
    assert_eq!(status, 422, "it blames somebody: {problem}");
    let learnt = json!({"cause": "report", "text": "the dashboard lied"});
    assert_eq!(post(&running, path, learnt).await.0, 200);
    running.server.stop().await;
}
