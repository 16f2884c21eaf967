//! A server on a free port, under a clock that the test sets.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use flyball_model::{Duration, Timestamp};
use flyball_server::{Clock, Config, Given, Limits, Server};
use flyball_spec::Source;
use serde_json::Value;

/// The moment at which tests begin.
pub(crate) const NOON: &str = "2026-03-02T12:00:00Z";

/// Requests of a shop that must be answered without a server error.
pub(crate) const SHOP: &str = r"
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout}
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
";

/// How long something is waited for that has to come.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// A running server and the test's clock.
pub(crate) struct Running {
    pub(crate) server: Server,
    client: reqwest::Client,
}

/// A clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn at(text: &str) -> Self {
        Self(Arc::new(AtomicI64::new(Timestamp::parse(text).unwrap().nanos())))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.nanos(), Ordering::SeqCst);
    }
}

pub(crate) fn sources(documents: &str) -> Vec<Source> {
    let files = (!documents.is_empty()).then(|| Source::new("test.yaml", documents));
    files.into_iter().collect()
}

/// A server of `documents` on a free port.
pub(crate) fn config(data: &Path, documents: &str, clock: &TestClock) -> Config {
    let reads = clock.clone();
    Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        given: Given::Sources(sources(documents)),
        ..Config::new(data.to_owned(), Clock::new(move || reads.now()))
    }
}

impl Running {
    pub(crate) async fn start(data: &Path, documents: &str, clock: &TestClock) -> Self {
        Self::with(data, documents, clock, Limits::default()).await
    }

    pub(crate) async fn with(
        data: &Path,
        documents: &str,
        clock: &TestClock,
        limits: Limits,
    ) -> Self {
        Self::of(Config { limits, ..config(data, documents, clock) }).await
    }

    pub(crate) async fn of(config: Config) -> Self {
        // A connection is not used again at the moment at which the server closes it.
        let kept = config.limits.idle_max / 4;
        let server = Server::start(config).await.unwrap();
        let client = reqwest::Client::builder().pool_idle_timeout(kept).build().unwrap();
        Self { server, client }
    }

    /// A server that lets `token` in, with which everything is asked unless told otherwise.
    pub(crate) async fn with_token(config: Config, token: &str) -> Self {
        let bearer = format!("Bearer {token}").parse().unwrap();
        let headers = [(reqwest::header::AUTHORIZATION, bearer)].into_iter().collect();
        let client = reqwest::Client::builder().default_headers(headers).build().unwrap();
        Self { client, ..Self::of(config).await }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.addresses()[0])
    }

    pub(crate) fn post(
        &self,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::RequestBuilder {
        self.client.post(self.url(path)).body(body)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// What the server says of itself as `name`, with its labels; 0 where it says nothing.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let said = self.client.get(self.url("/metrics")).send().await.unwrap();
        let said = said.text().await.unwrap();
        let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until the metric `name` has this value.
    pub(crate) async fn metric_is(&self, name: &str, value: f64) {
        let look = async {
            while (self.metric(name).await - value).abs() > f64::EPSILON {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect(name);
    }

    /// The last journal entry that the ledger counts.
    pub(crate) async fn position(&self) -> f64 {
        self.metric("flyball_ledger_position").await
    }

    /// Waits until the ledger counts more entries than up to `position`.
    pub(crate) async fn counts_behind(&self, position: f64) {
        let mut ticks = self.server.ticks();
        let look = async {
            while self.position().await <= position {
                let _ = ticks.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("more is counted");
    }

    /// The whole of the first objective of `slo`, as soon as `is_awaited`. Every question is
    /// answered after what was acknowledged before it was taken up, so few are needed.
    pub(crate) async fn budget(&self, slo: &str, is_awaited: impl Fn(&Value) -> bool) -> Value {
        let mut ticks = self.server.ticks();
        let mut last = Value::Null;
        let look = async {
            loop {
                let (status, said) = self.get(&format!("/api/v1/slos/{slo}")).await;
                assert_eq!(status, 200, "{said}");
                last = said["objectives"][0].clone();
                if is_awaited(&last) {
                    return;
                }
                let _ = ticks.changed().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, look).await;
        assert!(waited.is_ok(), "what is awaited of {slo} does not come: {last}");
        last
    }
}

/// `count` events of the shop, one a second before `end`, of which every `bad_every`th failed.
pub(crate) fn events(end: Timestamp, count: u32, bad_every: u32) -> String {
    let line = |number: u32| {
        let at = end.minus(Duration::from_seconds(count - number));
        let status = if number.is_multiple_of(bad_every) { 503 } else { 200 };
        format!("{{\"time\":\"{at}\",\"service.name\":\"shop\",\"status\":{status}}}\n")
    };
    (0..count).map(line).collect()
}
