//! Budgets as server-sent events.

use std::collections::BTreeSet;

use flyball_model::Duration;
use flyball_server::{Limits, Scope, TokenRequest, Tokens};
use serde_json::Value;

use crate::harness::{NOON, Running, SHOP, TestClock, events};

/// A stream that is read.
struct Stream {
    answer: reqwest::Response,
    /// What has come of the next event.
    begun: String,
}

impl Stream {
    async fn open(running: &Running, query: &str) -> Self {
        let answer = reqwest::get(running.url(&format!("/api/v1/stream{query}"))).await.unwrap();
        assert_eq!(answer.status(), 200);
        Self { answer, begun: String::new() }
    }

    /// The next SLO that is told.
    async fn next(&mut self) -> Value {
        loop {
            while let Some((event, rest)) = self.begun.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let told = data.map(|data| serde_json::from_str(data).unwrap());
                let taken = self.begun.len() - rest.len();
                self.begun.drain(..taken);
                // Signs of life tell nothing.
                if let Some(told) = told {
                    return told;
                }
            }
            let chunk = self.answer.chunk().await.unwrap().expect("the stream goes on");
            self.begun.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_and_a_closed_one_makes_room() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { streams_max: 1, ..Limits::default() };
    let clock = TestClock::at(NOON);
    let running = Running::with(directory.path(), SHOP, &clock, limits).await;
    let ask = async || reqwest::get(running.url("/api/v1/stream")).await.unwrap();
    let mut first = Stream::open(&running, "").await;
    assert_eq!(first.next().await["slo"], "checkout");
    let refused = ask().await;
    assert_eq!(refused.status(), 429);
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["hint"].as_str().unwrap().contains("/api/v1/slos"), "{problem}");
    drop(first);
    let again = async { while ask().await.status() != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), again).await.unwrap();
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_takes_all_streams() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let tokens = Tokens::open(directory.path()).unwrap();
    let make = || {
        let request = TokenRequest {
            name: "test".to_owned(),
            scopes: vec![Scope::Admin],
            services: Vec::new(),
            functions: Vec::new(),
            expires: None,
        };
        tokens.create(&request, "test", clock.now()).unwrap().token
    };
    let (one, other) = (make(), make());
    drop(tokens);
    let limits = Limits { streams_max: 8, ..Limits::default() };
    let running = Running::with(directory.path(), SHOP, &clock, limits).await;
    let client = reqwest::Client::new();
    let url = running.url("/api/v1/stream");
    let ask = async |token: &str| client.get(&url).bearer_auth(token).send().await.unwrap();
    let held = [ask(&one).await, ask(&one).await];
    assert!(held.iter().all(|answer| answer.status() == 200));
    let refused = ask(&one).await;
    assert_eq!(refused.status(), 429);
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("2 streams"), "{problem}");
    assert_eq!(ask(&other).await.status(), 200, "there is room for others");
    drop(held);
    let again = async { while ask(&one).await.status() != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), again).await.unwrap();
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_streams_are_told_what_changes() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let other =
        SHOP.replace("name: checkout", "name: pay").replace("service: shop", "service: bank");
    let documents = format!("{SHOP}\n---\n{other}");
    let running = Running::start(directory.path(), &documents, &clock).await;
    let mut streams = Vec::new();
    for (query, names) in [("", &["checkout", "pay"][..]), ("?service=bank", &["pay"])] {
        streams.push((Stream::open(&running, query).await, names));
    }
    let sent = running.post("/api/v1/events", events(clock.now(), 60, 5)).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    clock.advance(Duration::from_minutes(1));
    for (stream, names) in &mut streams {
        let all = async {
            let mut counted = BTreeSet::new();
            while counted.len() < names.len() {
                let said = stream.next().await;
                let name = said["slo"].as_str().unwrap().to_owned();
                assert!(names.contains(&name.as_str()), "{said}");
                if said["objectives"][0]["budget"]["valid"] == 60 {
                    counted.insert(name);
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), all).await.unwrap();
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_takes_all_streams_where_there_are_no_tokens() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { streams_max: 8, ..Limits::default() };
    let running = Running::with(directory.path(), SHOP, &TestClock::at(NOON), limits).await;
    let url = running.url("/api/v1/stream");
    let ask = async |address: [u8; 4]| {
        let client = reqwest::Client::builder().local_address(std::net::IpAddr::from(address));
        client.build().unwrap().get(&url).send().await.unwrap()
    };
    let (one, other) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let held = [ask(one).await, ask(one).await];
    assert!(held.iter().all(|answer| answer.status() == 200));
    assert_eq!(ask(one).await.status(), 429);
    assert_eq!(ask(other).await.status(), 200, "there is room for others");
    drop(held);
    let again = async { while ask(one).await.status() != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), again).await.unwrap();
    running.server.stop().await;
}
