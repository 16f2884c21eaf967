//! Changes and verdicts on dashboards: what a Grafana is sent, once, whatever happens on the way.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use flyball_server::{Config, Grafana};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{NOON, PATIENCE, Running, SHOP, TestClock, config};

const TOKEN: &str = "glsa_secret";

/// How a Grafana fails, and what it holds.
#[derive(Debug, Default)]
struct Held {
    annotations: Vec<Value>,
    /// It takes so many and breaks off before it has answered.
    answers_lost: usize,
}

/// Something that speaks of annotations as Grafana does: `POST /api/annotations` and `GET`, by token.
#[derive(Debug, Clone)]
struct Peer {
    held: Arc<Mutex<Held>>,
    asked: Arc<watch::Sender<usize>>,
}

fn is_let_in(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"))
}

async fn add(
    State(peer): State<Peer>,
    headers: HeaderMap,
    Json(mut body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let answer = if is_let_in(&headers) {
        let mut held = peer.held.lock().unwrap();
        body["id"] = held.annotations.len().into();
        held.annotations.push(body);
        if held.answers_lost > 0 {
            held.answers_lost -= 1;
            (StatusCode::BAD_GATEWAY, Json(json!({"message": "upstream broke off"})))
        } else {
            (StatusCode::OK, Json(json!({"message": "Annotation added", "id": 1})))
        }
    } else {
        (StatusCode::UNAUTHORIZED, Json(json!({"message": "Invalid API key"})))
    };
    peer.asked.send_modify(|asked| *asked += 1);
    answer
}

#[derive(Debug, serde::Deserialize)]
struct Tags {
    tags: String,
}

async fn list(
    State(peer): State<Peer>,
    headers: HeaderMap,
    Query(Tags { tags }): Query<Tags>,
) -> (StatusCode, Json<Value>) {
    peer.asked.send_modify(|asked| *asked += 1);
    if !is_let_in(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"message": "Invalid API key"})));
    }
    let held = peer.held.lock().unwrap();
    let has = |one: &&Value| one["tags"].as_array().unwrap().contains(&json!(tags));
    (StatusCode::OK, Json(held.annotations.iter().filter(has).cloned().collect()))
}

impl Peer {
    async fn start() -> (Self, String) {
        let peer = Self { held: Arc::default(), asked: Arc::new(watch::Sender::default()) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sub", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/sub/api/annotations", get(list).post(add))
            .with_state(peer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (peer, url)
    }

    /// What it holds, as soon as it was asked `times` and has so many annotations.
    async fn holds(&self, annotations: usize, times: usize) -> Vec<Value> {
        let mut asked = self.asked.subscribe();
        let is_there = |asked: &usize| {
            *asked >= times && self.held.lock().unwrap().annotations.len() >= annotations
        };
        let waited = tokio::time::timeout(PATIENCE, asked.wait_for(is_there)).await;
        drop(waited.expect("Grafana is asked").unwrap());
        let held = self.held.lock().unwrap().annotations.clone();
        assert_eq!(held.len(), annotations, "{held:?}");
        held
    }
}

fn with_grafana(home: &Path, url: &str, clock: &TestClock) -> Config {
    let grafana = Some(Grafana::new(url, home.join("token")).unwrap());
    Config { grafana, ..config(&home.join("data"), SHOP, clock) }
}

async fn record(running: &Running, body: Value) {
    let sent = running.post("/api/v1/changes", body.to_string()).send().await.unwrap();
    assert_eq!(sent.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_and_what_it_did_are_in_grafana_once_each() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    std::fs::write(home.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let (peer, url) = Peer::start().await;
    let running = Running::of(with_grafana(home.path(), &url, &clock)).await;
    record(&running, json!({"id": "next", "service": "shop", "outcome": "planned"})).await;
    let release = json!({
        "id": "release", "service": "shop", "version": "1.4.0", "actor": "ann",
        "summary": "a new basket", "links": [{"name": "log", "url": "https://ci.example/7"}],
    });
    record(&running, release).await;
    // What is planned has not happened.
    let held = peer.holds(1, 1).await;
    let text =
        "deploy of shop 1.4.0 to production, by ann\na new basket\nlog: https://ci.example/7";
    assert_eq!((&held[0]["text"], &held[0]["time"]), (&json!(text), &json!(1_772_452_800_000_u64)));
    let tags: Vec<&str> =
        held[0]["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    assert_eq!(
        tags[..5],
        ["flyball", "change", "deploy", "service:shop", "environment:production"]
    );
    running.server.stop().await;

    // Nothing is sent twice, and what is known later is.
    clock.advance(flyball_model::Duration::from_hours(2));
    let running = Running::of(with_grafana(home.path(), &url, &clock)).await;
    let held = peer.holds(2, 2).await;
    assert_eq!(held[1]["text"], "undecided: deploy of shop 1.4.0 to production");
    assert_eq!(held[1]["tags"][1], "verdict");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grafana_has_taken_without_saying_so_is_found_and_not_sent_again() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let (peer, url) = Peer::start().await;
    std::fs::write(home.path().join("token"), "another\n").unwrap();
    let running = Running::of(with_grafana(home.path(), &url, &clock)).await;
    record(&running, json!({"id": "release", "service": "shop"})).await;
    // It is not let in.
    peer.holds(0, 1).await;
    running.server.stop().await;

    // The token is right from here on, and the first answer is lost.
    std::fs::write(home.path().join("token"), TOKEN).unwrap();
    peer.held.lock().unwrap().answers_lost = 1;
    let running = Running::of(with_grafana(home.path(), &url, &clock)).await;
    // It is asked for, and sent.
    peer.holds(1, 3).await;
    running.server.stop().await;
    let running = Running::of(with_grafana(home.path(), &url, &clock)).await;
    // It is found, and not sent again.
    peer.holds(1, 4).await;
    // It is known from here on: what comes next is the only thing that is sent.
    record(&running, json!({"id": "other", "service": "shop"})).await;
    let held = peer.holds(2, 5).await;
    assert_eq!(held[1]["tags"][1], "change");
    running.server.stop().await;
}
