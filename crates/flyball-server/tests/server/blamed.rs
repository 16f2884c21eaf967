//! What an incident is charged, and until when: dependants where the dependency failed, lengths up to when users were served.

use std::collections::BTreeMap;

use flyball_model::{Duration, Timestamp};
use serde_json::{Value, json};

use crate::alerts::{QUICK, minute};
use crate::came_back::{People, token};
use crate::gate::post;
use crate::harness::{NOON, Running, SHOP, TestClock, config, events};

/// A shop that asks a bank.
const ASKS: &str = "
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {dependencies: [{service: bank, kind: hard}]}
";

/// The same of the bank.
fn of_bank(text: &str) -> String {
    text.replace("shop", "bank").replace("checkout", "transfers").replace("answered", "moved")
}

/// Sends a minute of events of both, of which all failed or none.
async fn both(running: &Running, clock: &TestClock, (shop, bank): (bool, bool)) {
    clock.advance(Duration::from_minutes(1));
    let every = |is_bad| if is_bad { 1 } else { u32::MAX };
    let position = running.position().await;
    let of_shop = events(clock.now(), 60, every(shop));
    let text = of_shop + &of_bank(&events(clock.now(), 60, every(bank)));
    let sent = running.post("/api/v1/events", text).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    running.counts_behind(position).await;
}

/// What an incident spent, by SLO.
fn spent(cost: &Value) -> Vec<(String, u64)> {
    let costs = cost["costs"].as_array().unwrap().iter();
    costs.map(|of| (of["slo"].as_str().unwrap().to_owned(), of["bad"].as_u64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependant_is_charged_where_its_dependency_failed() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}\n---\n{}{ASKS}", of_bank(SHOP)).replace("1h", "6h");
    let running = Running::start(directory.path(), &documents, &clock).await;
    // Hours without trouble say what is usual.
    for _ in 0..4 {
        both(&running, &clock, (false, false)).await;
        clock.advance(Duration::from_minutes(59));
    }
    both(&running, &clock, (false, false)).await;
    let began = clock.now();
    both(&running, &clock, (true, true)).await;
    let open =
        json!({"id": "bank-1", "service": "bank", "summary": "no transfers", "started": began});
    assert_eq!(post(&running, "/api/v1/incidents", open).await.0, 201);
    both(&running, &clock, (false, false)).await;
    // The bank is well, nobody has said that it is over, and the shop fails by itself.
    both(&running, &clock, (true, false)).await;
    clock.advance(Duration::from_minutes(1));
    // One of a minute is usual, and falls to whom it falls.
    let is_charged = |cost: &Value, (bank, shop): (u64, u64)| {
        let found: BTreeMap<String, u64> = spent(cost).into_iter().collect();
        let near = |slo: &str, all: u64| (all - 2..=all).contains(&found[slo]);
        found.len() == 2 && near("transfers", bank) && near("checkout", shop)
    };
    let (_, cost) = running.get("/api/v1/incidents/bank-1/cost").await;
    assert!(is_charged(&cost, (60, 60)), "{cost:#}");
    // Of an incident in which it never failed its dependants are charged nothing.
    let alone = json!({
        "id": "bank-2", "service": "bank", "summary": "somebody is nervous", "started": clock.now().minus(Duration::from_minutes(2)),
    });
    assert_eq!(post(&running, "/api/v1/incidents", alone).await.0, 201);
    let (_, cost) = running.get("/api/v1/incidents/bank-2/cost").await;
    assert_eq!(cost["costs"], json!([]), "what it spent nothing of is not listed");
    let (_, said) = running.get("/api/v1/slos/checkout/attribution").await;
    // Two minutes fail as a whole, and one request of each of the others.
    let own = &said["objectives"][0];
    assert_eq!(own["spent"], 120 + 6, "{said:#}");
    assert!((57..=60).contains(&own["unexplained"].as_u64().unwrap()), "{said:#}");

    // No data is not health: where nothing is heard of the bank, what goes wrong above it is its incident's.
    for _ in 0..7 {
        clock.advance(Duration::from_minutes(1));
    }
    let position = running.position().await;
    let sent = running.post("/api/v1/events", events(clock.now(), 60, 1)).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    running.counts_behind(position).await;
    clock.advance(Duration::from_minutes(1));
    let over = json!({"cause": "report", "text": "there was nothing"});
    assert_eq!(post(&running, "/api/v1/incidents/bank-2/false-alarm", over).await.0, 200);
    let (_, cost) = running.get("/api/v1/incidents/bank-1/cost").await;
    assert!(is_charged(&cost, (60, 120)), "{cost:#}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_alerts_was_mitigated_when_the_ledger_says_so() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let [ada, bo] = ["ada", "bo"].map(|name| token(directory.path(), name, &[]));
    let clock = TestClock::at(NOON);
    let running = Running::with_token(config(directory.path(), QUICK, &clock), &ada).await;
    let people = People { running: &running, ada: ada.clone(), bo };
    minute(&running, &clock, false).await;
    minute(&running, &clock, true).await;
    let last_bad = clock.now().minus(Duration::from_seconds(20));
    for _ in 0..3 {
        minute(&running, &clock, false).await;
    }
    let is_over = |said: &Value| said["incidents"][0]["state"] == "resolved";
    let listed = people.awaited("incidents", is_over).await;
    let one = &listed["incidents"][0];
    let told = [&one["incident"]["mitigated"], &one["is_by_ledger"]];
    assert_eq!(told, [&json!(last_bad), &json!(true)], "{one:#}");
    let at = |value: &Value| Timestamp::parse(value.as_str().unwrap()).unwrap();
    assert!(at(&one["incident"]["resolved"]) > last_bad, "{one:#}");
    let path = format!("incidents/{}", one["incident"]["id"].as_str().unwrap());
    let cost = people.get(&format!("{path}/cost")).await;
    let lasted = [&cost["to"], &cost["costs"][0]["events"]];
    assert_eq!(lasted, [&json!(last_bad), &json!("1")], "all was bad while it lasted: {cost:#}");
    let measured = people.get("incident-measures?service=shop").await;
    let mean = |name: &str| measured["measures"][name]["lengths"]["mean"].clone();
    assert_eq!(mean("mitigate"), json!("1m"), "{measured:#}");
    assert_ne!(mean("mitigate"), mean("resolve"), "{measured:#}");

    // A person knows better.
    let earlier = last_bad.minus(Duration::from_seconds(30));
    let said = json!({"why": "users say so", "moments": {"mitigated": earlier}});
    assert_eq!(people.post(&ada, &format!("{path}/corrections"), said).await.0, 200);
    let shown = people.get(&path).await;
    let told = [&shown["incident"]["mitigated"], &shown["is_by_ledger"]];
    assert_eq!(told, [&json!(earlier), &Value::Null], "{shown:#}");
    assert_eq!(shown["edits"][0]["before"], json!(last_bad), "{shown:#}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_up_before_it_is_demanded_is_not_demanded() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let [ada, bo] = ["ada", "bo"].map(|name| token(directory.path(), name, &[]));
    let clock = TestClock::at(NOON);
    let running = Running::with_token(config(directory.path(), SHOP, &clock), &ada).await;
    let people = People { running: &running, ada: ada.clone(), bo };
    clock.advance(Duration::from_minutes(40));
    for id in ["own", "other"] {
        clock.advance(Duration::from_minutes(5));
        let position = running.position().await;
        let sent = running.post("/api/v1/events", events(clock.now(), 60, 1)).send().await.unwrap();
        assert_eq!(sent.status(), 200);
        running.counts_behind(position).await;
        let began = clock.now().minus(Duration::from_minutes(1));
        clock.advance(Duration::from_minutes(1));
        let open = json!({
            "id": id, "service": "shop", "summary": "payments fail", "started": began, "detected": began,
        });
        assert_eq!(people.post(&ada, "incidents", open).await.0, 201);
        // It is written up before it is over.
        if id == "own" {
            let class =
                json!({"posting": id, "class": "pool", "role": "engineering_lead", "why": "x"});
            assert_eq!(people.post(&ada, "gate/shop/classes", class).await.0, 201);
            people.publish(id).await;
        }
        let over = json!({"why": "it is", "moments": {"resolved": clock.now()}});
        assert_eq!(people.post(&ada, &format!("incidents/{id}/corrections"), over).await.0, 200);
    }
    // What is demanded is looked for at full hours.
    clock.advance(Duration::from_minutes(10));
    let demands = |said: &Value| -> Vec<Value> {
        let records = said["records"].as_array().unwrap().iter();
        let of = records.filter(|of| of["action"] == "post_mortem.demand");
        of.map(|of| of["detail"]["for"].clone()).collect()
    };
    let log = people.awaited("audit?limit=1000", |said| !demands(said).is_empty()).await;
    assert_eq!(demands(&log).len(), 1, "{log:#}");
    assert!(demands(&log)[0].to_string().contains("other"), "{log:#}");
    running.server.stop().await;
}
