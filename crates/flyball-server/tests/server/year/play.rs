//! Plays the year over HTTP, under a clock that is moved, and adds up what was sent and done.
//!
//! The clock stands still while anybody acts: it is moved on once everything that follows from the moment is
//! there. So what the server notes of it has the same times in every replay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flyball_model::{Duration, Timestamp};
use flyball_server::{Config, Limits};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::company::{Service, described, governed, promises, rotas, services};
use super::drills;
use super::plan::{self, Act, DAYS, LAUNCHES};
use super::sums::Sums;
use super::traffic::Traffic;
use crate::gate::said;
use crate::harness::{PATIENCE, Running, TestClock, config};

/// Who acts. Each has a token of their own.
pub(super) const PEOPLE: [&str; 4] = ["robot", "ada", "bo", "cy"];
pub(super) const ROBOT: usize = 0;
pub(super) const ADA: usize = 1;
pub(super) const BO: usize = 2;
pub(super) const CY: usize = 3;

/// How long after its end all that was sent of a time is counted.
const SETTLED: i64 = 40;
/// How long the server waits for what is late.
const SETTLES: i64 = 5;

/// A year that is played.
pub(super) struct Player {
    pub(super) services: Vec<Service>,
    pub(super) sums: Sums,
    pub(super) traffic: Traffic,
    acts: Vec<(u32, u32, Act)>,
    home: PathBuf,
    clock: TestClock,
    running: Option<Running>,
    client: Client,
    tokens: Vec<String>,
    /// Up to which second traffic was sent.
    sent: i64,
    /// Whether the server is stopped and started again, now and then.
    restarts: bool,
}

/// The moment of a second.
pub(super) fn moment(second: i64) -> Timestamp {
    Timestamp::from_nanos(second * 1_000_000_000)
}

impl Player {
    /// A server in `home`, whose people have `tokens`, with all documents but those of services that are still to be
    /// launched applied, and their policy signed.
    pub(super) async fn start(
        seed: u64,
        home: &Path,
        tokens: Vec<String>,
        desk: impl Fn(&str) -> String,
        restarts: bool,
    ) -> Self {
        let services = services(&LAUNCHES);
        let (acts, episodes) = plan::plan(seed, &services);
        let mut traffic = Traffic::new(seed, services.clone());
        for episode in episodes {
            traffic.add(episode);
        }
        let clock = TestClock::at("2026-01-01T00:00:00Z");
        let mut player = Self {
            sums: Sums::new(services.clone()),
            services,
            traffic,
            acts,
            home: home.to_owned(),
            clock,
            running: None,
            client: Client::new(),
            tokens,
            sent: plan::start(),
            restarts,
        };
        player.open().await;
        player.apply("rotas.yaml", rotas(desk)).await;
        player.apply("rules.yaml", governed(&player.services)).await;
        player.apply("services.yaml", described(&player.services)).await;
        let known = player.services.iter().filter(|service| service.since == 0);
        let known: String = known.map(promises).collect();
        player.apply("promises.yaml", known).await;
        player.apply("drills.yaml", drills::documents(&player.services)).await;
        player.done(ADA, "policies/year/signatures", json!({"role": "sre"})).await;
        player
    }

    fn config(&self) -> Config {
        let secrets = self.home.join("secrets");
        std::fs::create_dir_all(&secrets).unwrap();
        std::fs::write(secrets.join("webhook"), "hush\n").unwrap();
        Config {
            external: Some("https://flyball.example".to_owned()),
            secrets: Some(secrets),
            // What a day held is told at its end.
            limits: Limits { late_max: Duration::from_days(2), ..Limits::default() },
            ..config(&self.home.join("data"), "", &self.clock)
        }
    }

    async fn open(&mut self) {
        self.running = Some(Running::of(self.config()).await);
    }

    /// Stops the server.
    pub(super) async fn close(&mut self) {
        if let Some(running) = self.running.take() {
            running.server.stop().await;
        }
    }

    pub(super) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The second of the present moment, and that up to which everything is counted.
    pub(super) fn second(&self) -> i64 {
        self.now().nanos() / 1_000_000_000
    }

    pub(super) fn complete(&self) -> i64 {
        (self.second() - SETTLES).div_euclid(10) * 10
    }

    async fn said(&self, who: usize, request: RequestBuilder) -> (u16, Value) {
        said(request.bearer_auth(&self.tokens[who])).await
    }

    /// What somebody is answered to `body`.
    pub(super) async fn send(&self, who: usize, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(self.running().url(&format!("/api/v1/{path}")));
        self.said(who, request.json(&body)).await
    }

    /// What somebody is answered to `body` that is done.
    pub(super) async fn done(&self, who: usize, path: &str, body: Value) -> Value {
        let (status, answer) = self.send(who, path, body).await;
        assert!((200..300).contains(&status), "{} {path}: {status} {answer:#}", self.now());
        answer
    }

    pub(super) async fn answered(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(self.running().url(&format!("/api/v1/{path}")));
        self.said(ROBOT, request).await
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.answered(path).await;
        assert_eq!(status, 200, "{path}: {answer:#}");
        answer
    }

    /// The answer to `path` as soon as `is_awaited`.
    pub(super) async fn awaited(&self, path: &str, is_awaited: impl Fn(&Value) -> bool) -> Value {
        let mut ticks = self.running().server.ticks();
        let mut last = Value::Null;
        let look = async {
            loop {
                last = self.get(path).await;
                if is_awaited(&last) {
                    return;
                }
                let _ = tokio::time::timeout(PATIENCE / 6_000, ticks.changed()).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, look).await;
        assert!(
            waited.is_ok(),
            "{}: what is awaited of {path} does not come: {last:#}",
            self.now()
        );
        last
    }

    pub(super) async fn apply(&self, name: &str, text: String) {
        let body = json!({"files": [{"name": name, "text": text}]});
        self.done(ADA, "apply", body).await;
    }

    /// Moves the clock to `second`, and waits until the server has looked at everything up to it.
    pub(super) async fn clock_to(&self, second: i64) {
        let ahead = moment(second).since(self.clock.now());
        if ahead > Duration::ZERO {
            self.clock.advance(ahead);
        }
        let complete = moment(self.complete()).to_string();
        let path = format!("slos/{}", self.services[2].hours());
        self.awaited(&path, |said| said["complete_up_to"] == complete.as_str()).await;
    }

    /// Lets time go on to `second`: what users did until then is told, counted, and looked at.
    pub(super) async fn go_to(&mut self, second: i64) {
        if second <= self.sent {
            return;
        }
        self.tell(second).await;
        self.clock_to(second + SETTLED).await;
    }

    /// Lets time go on until all that users did before `second` is counted, and no further.
    pub(super) async fn counted(&mut self, second: i64) {
        self.tell(second).await;
        self.clock_to(second + SETTLES).await;
    }

    /// What users did until `second` is told then.
    async fn tell(&mut self, second: i64) {
        self.clock_to(second).await;
        let told = self.traffic.told(self.sent, second);
        for (path, kind, body) in [
            ("/v1/metrics", "application/json", told.metrics),
            ("/api/v1/events", "application/x-ndjson", told.lines),
        ] {
            let Some(body) = body else { continue };
            let request = self.client.post(self.running().url(path)).body(body);
            let request = request.header("content-type", kind);
            let (status, answer) = self.said(ROBOT, request).await;
            assert_eq!(status, 200, "{path}: {answer}");
            // What was refused is told by the one; the other has nothing to tell when there is none.
            let refused = &answer["rejected"];
            assert!(answer == json!({}) || *refused == json!([]), "{path}: {answer}");
        }
        self.sums.add(&told.counts);
        self.sent = second;
    }

    /// Waits until everybody has been told everything.
    pub(super) async fn told(&self) {
        let look = async {
            loop {
                let targets = self.get("alert-targets").await;
                let mut targets = targets["targets"].as_array().unwrap().iter();
                if targets.all(|target| target["waiting"] == 0) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("everybody is told");
    }

    /// Stops the server and starts it again, where that belongs to this year.
    pub(super) async fn restart(&mut self) {
        if self.restarts {
            self.told().await;
            self.close().await;
            self.open().await;
            self.clock_to(self.second()).await;
        }
    }

    /// Plays one day, to its end.
    pub(super) async fn day(&mut self, day: u32) {
        let mut hours: BTreeMap<u32, Vec<Act>> = BTreeMap::new();
        for (_, hour, act) in self.acts.iter().filter(|(of, ..)| *of == day) {
            hours.entry(*hour).or_default().push(act.clone());
        }
        for (hour, acts) in hours {
            self.go_to(plan::at(day, hour)).await;
            self.act(day, acts).await;
        }
        // Nobody comes in the last half hour of a day, so that all of it is counted when it ends.
        let end = plan::at(day + 1, 0);
        self.go_to(end - 1_800).await;
        self.clock_to(end + 5).await;
        if day % 23 == 11 {
            self.restart().await;
        }
    }

    /// Plays days from `from` up to `to`.
    pub(super) async fn days(&mut self, from: u32, to: u32) {
        for day in from..to.min(DAYS) {
            self.day(day).await;
        }
    }
}
