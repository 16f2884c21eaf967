//! An incident that comes back: what was said of its end is taken back, what was published stays, and the rest is demanded.

use std::path::Path;

use flyball_model::{Duration, Timestamp};
use flyball_server::{Scope, TokenRequest, Tokens};
use reqwest::Client;
use serde_json::{Value, json};

use crate::alerts::{QUICK, minute};
use crate::gate::said;
use crate::harness::{NOON, PATIENCE, Running, TestClock, config};

/// A token of `name` for everything of `services`, of all where none is named.
pub(crate) fn token(data: &Path, name: &str, services: &[&str]) -> String {
    let scopes = match services {
        [] => vec![Scope::Admin, Scope::Read, Scope::Deploy, Scope::Ingest],
        _ => vec![Scope::Read],
    };
    let services = services.iter().map(ToString::to_string).collect();
    let request = TokenRequest {
        name: name.to_owned(),
        scopes,
        services,
        functions: Vec::new(),
        expires: None,
    };
    let at = Timestamp::parse(NOON).unwrap();
    Tokens::open(data).unwrap().create(&request, "test", at).unwrap().token
}

/// What ada and bo ask and say.
pub(crate) struct People<'a> {
    pub(crate) running: &'a Running,
    pub(crate) ada: String,
    pub(crate) bo: String,
}

impl People<'_> {
    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = self.running.url(&format!("/api/v1/{path}"));
        let (status, said) = said(Client::new().get(url).bearer_auth(&self.ada)).await;
        assert_eq!(status, 200, "{path}: {said}");
        said
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        let request = self.running.post(&format!("/api/v1/{path}"), body.to_string());
        said(request.bearer_auth(token)).await
    }

    /// What is at `path` once `is_awaited`.
    pub(crate) async fn awaited(&self, path: &str, is_awaited: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let look = async {
            loop {
                last = self.get(path).await;
                if is_awaited(&last) {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, look).await;
        assert!(waited.is_ok(), "what is awaited does not come: {last:#}");
        last
    }

    /// It concerns the bank as well, which shipped something half a minute before `at`.
    async fn concerns_the_bank(&self, path: &str, at: Timestamp) {
        let release = json!({"service": "bank", "id": "release-9", "finished": at.minus(Duration::from_seconds(30))});
        assert_eq!(self.post(&self.ada, "changes", release).await.0, 201);
        let also = json!({"why": "they ask it", "services": ["bank"]});
        assert_eq!(self.post(&self.ada, &format!("{path}/corrections"), also).await.0, 200);
    }

    /// Written, given to somebody else, published by them.
    pub(crate) async fn publish(&self, incident: &str) -> Value {
        let path = format!("incidents/{incident}/post-mortem");
        let written = json!({
            "summary": "Payments failed.", "impact": "A third.", "root_causes": "No bound.",
            "trigger": "A release.", "resolution": "Rolled back.", "detection": "An alert.",
            "went_well": "The alert.", "went_wrong": "The pool.", "lucky": "It was noon.",
        });
        assert_eq!(self.post(&self.ada, &path, written).await.0, 200);
        let item = json!({
            "text": "bound the pool", "kind": "prevent", "owner": "payments", "priority": "P0",
            "due": "2026-03-09", "outcome": {"outcome": "looked", "text": "the minutes"},
        });
        self.post(&self.ada, &format!("{path}/actions"), item).await;
        let state = format!("{path}/state");
        assert_eq!(self.post(&self.ada, &state, json!({"to": "in_review"})).await.0, 200);
        let (status, said) = self.post(&self.bo, &state, json!({"to": "published"})).await;
        assert_eq!((status, &said["state"]), (200, &json!("published")), "{said}");
        self.get(&path).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_again_opens_its_incident_again_and_what_was_published_stays() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let [ada, bo] = ["ada", "bo"].map(|name| token(directory.path(), name, &[]));
    let of_shop = token(directory.path(), "cy", &["shop"]);
    let clock = TestClock::at(NOON);
    let running = Running::with_token(config(directory.path(), QUICK, &clock), &ada).await;
    let people = People { running: &running, ada: ada.clone(), bo };
    // What is demanded is looked for at full hours.
    clock.advance(Duration::from_minutes(45));
    minute(&running, &clock, false).await;
    minute(&running, &clock, true).await;
    let opened = people.awaited("incidents", |said| !said["incidents"][0].is_null()).await;
    let id = opened["incidents"][0]["incident"]["id"].as_str().unwrap().to_owned();
    let path = format!("incidents/{id}");
    let over = json!({"why": "rolled back", "moments": {"mitigated": clock.now()}});
    assert_eq!(people.post(&ada, &format!("{path}/corrections"), over).await.0, 200);
    for _ in 0..3 {
        minute(&running, &clock, false).await;
    }
    people.awaited(&path, |said| said["state"] == "resolved").await;
    people.concerns_the_bank(&path, clock.now()).await;
    let published = people.publish(&id).await;
    let bad = |said: &Value| said["costs"][0]["bad"].as_u64().unwrap();
    let first = bad(&published);
    assert!(first > 50, "{published:#}");

    // Another one by hand at the same time changes what each spent, and not what is published.
    let other = json!({
        "id": "INC-17", "service": "shop", "summary": "the same",
        "started": opened["incidents"][0]["incident"]["started"],
    });
    assert_eq!(people.post(&ada, "incidents", other).await.0, 201);
    let cost = people.get(&format!("{path}/cost")).await;
    assert!(bad(&cost) < first, "they share it: {cost:#}");
    let shown = people.get(&format!("{path}/post-mortem")).await;
    assert_eq!(
        (&shown["costs"], &shown["timeline"]),
        (&published["costs"], &published["timeline"])
    );
    // Whoever sees one service reads the same, but for what happened to others.
    let note = json!({"text": "noted later"});
    assert_eq!(people.post(&ada, &format!("{path}/notes"), note).await.0, 200);
    let read = Client::new().get(running.url(&format!("/api/v1/{path}/post-mortem")));
    let (status, frozen) = said(read.bearer_auth(&of_shop)).await;
    let all = published["timeline"].as_array().unwrap();
    let is_of_bank = |entry: &&Value| entry["service"] == "bank";
    assert_eq!(all.iter().filter(is_of_bank).count(), 1, "{published:#}");
    let own: Vec<&Value> = all.iter().filter(|entry| !is_of_bank(entry)).collect();
    assert_eq!((status, &frozen["timeline"]), (200, &json!(own)), "{frozen:#}");
    let (status, _) = people.post(&ada, &format!("{path}/post-mortem"), json!({})).await;
    assert_eq!(status, 422, "it is published");
    let alarm = json!({"cause": "report", "text": "it is the other one"});
    assert_eq!(people.post(&ada, "incidents/INC-17/false-alarm", alarm).await.0, 200);

    // It pages again: it is open again, what it costs counts on, and a new edition is demanded.
    minute(&running, &clock, true).await;
    let back = people.awaited(&path, |said| !said["came_back"][0].is_null()).await;
    assert_eq!((&back["state"], &back["incident"]["mitigated"]), (&json!("open"), &Value::Null));
    let edit = back["edits"].as_array().unwrap().last().unwrap();
    assert_eq!((&edit["who"], &edit["field"]), (&json!("server"), &json!("mitigated")), "{back:#}");
    let cost = people.get(&format!("{path}/cost")).await;
    assert!(bad(&cost) > first, "{cost:#}");
    let is_due = |said: &Value| {
        let due = said["post_mortems"].as_array().unwrap().iter();
        due.filter(|due| due["incident"] == *id && due["is_published"] == false).count() == 1
    };
    let card = people.awaited("services/shop", is_due).await;
    let mut due = card["post_mortems"].as_array().unwrap().iter();
    let again = &due.find(|due| due["is_published"] == false).unwrap()["again"];
    let wanted = json!({
        "edition": 2, "published": published["at"], "came_back": back["came_back"][0],
    });
    assert_eq!(again, &wanted, "{card:#}");
    minute(&running, &clock, false).await;
    clock.advance(Duration::from_minutes(10));
    let is_kept = |said: &Value| {
        let demands = said["records"].as_array().unwrap().iter();
        let mut demands = demands.filter(|of| of["action"] == "post_mortem.demand");
        demands.any(|of| of["detail"]["after"].is_string())
    };
    let log = people.awaited("audit?limit=1000", is_kept).await.to_string();
    assert!(log.contains("\"incident.come_back\""), "it is in the audit log");
    people.awaited("services/shop", is_due).await;
    let shown = people.get(&path).await;
    assert_eq!(shown["post_mortems"][0]["again"], wanted, "{shown:#}");

    // It was over for three minutes, and twice a minute of failures: what was good between counts for neither.
    let cost = people.get(&format!("{path}/cost")).await;
    let at = |value: &Value| Timestamp::parse(value.as_str().unwrap()).unwrap();
    assert!(at(&cost["to"]).since(at(&cost["from"])) > Duration::from_minutes(4), "{cost:#}");
    let share = cost["costs"][0]["events"].as_str().unwrap().trim_start_matches('≈');
    assert!(share.parse::<f64>().unwrap() > 0.6, "{cost:#}");

    let edition = people.publish(&id).await;
    assert_eq!(edition["earlier"][0]["figures"]["costs"], published["costs"], "{edition:#}");
    assert!(bad(&edition) > first, "{edition:#}");
    people.awaited("services/shop", |said| !is_due(said)).await;
    running.server.stop().await;
}
