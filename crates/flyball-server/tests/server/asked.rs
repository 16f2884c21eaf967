//! SLIs whose samples a real Prometheus is asked for. Its past is made by its own `promtool`, so that
//! every count is known.

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use flyball_model::{Duration, Timestamp};
use flyball_server::{Config, Prometheus};

use crate::harness::{NOON, Running, TestClock, config, sources};

/// Samples are this far apart. Seconds.
const STEP: i64 = 15;

/// A running Prometheus.
struct Program {
    child: Child,
    url: String,
    // A program whose log nobody can read any more is ended by the system.
    _log: BufReader<ChildStderr>,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The end of the traffic, after noon. Seconds.
const END: i64 = 180;

/// Three hours before noon and half an hour after it: up to [`END`] every 15 s 7 requests that went
/// well and one that failed, and ten minutes before noon 5 that failed in another way, the first of
/// their series.
fn past() -> String {
    let noon = Timestamp::parse(NOON).unwrap().nanos() / 1_000_000_000;
    let mut text = "# TYPE requests counter\n".to_owned();
    let mut write = |code: &str, from: i64, value: &dyn Fn(i64) -> i64| {
        for at in (noon + from..=noon + 1_800).step_by(usize::try_from(STEP).unwrap()) {
            let labels = format!("code=\"{code}\",instance=\"a\",job=\"shop\"");
            let value = value((at - noon).min(END) / STEP + 720);
            writeln!(text, "requests_total{{{labels}}} {value} {at}").unwrap();
        }
    };
    write("200", -10_800, &|step| 1_000 + 7 * step);
    write("500", -10_800, &|step| 30 + step);
    write("503", -600, &|_| 5);
    text + "# EOF\n"
}

/// Starts a Prometheus in `directory`, which has only that past.
fn prometheus(directory: &Path) -> Program {
    let (text, blocks) = (directory.join("past"), directory.join("blocks"));
    std::fs::write(&text, past()).unwrap();
    std::fs::write(directory.join("prometheus.yml"), "{}").unwrap();
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&text, &blocks])
        .output()
        .expect("promtool is installed, as `clients/run` does it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = Command::new("prometheus")
        .current_dir(directory)
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=blocks"])
        .args(["--storage.tsdb.retention.time=100y", &format!("--web.listen-address={address}")])
        .stderr(Stdio::piped())
        .spawn()
        .expect("prometheus is installed, as `clients/run` does it");
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("Server is ready to receive web requests") {
        said.clear();
        assert!(log.read_line(&mut said).unwrap() > 0, "it ended before it was ready");
    }
    Program { child, url: format!("http://{address}"), _log: log }
}

/// An SLO over an hour by `metric`, with one `objective`.
fn document(name: &str, metric: &str, method: &str, objective: &str) -> String {
    format!(
        "---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: shop
  indicator:
    metadata: {{name: {name}}}
    spec: {{{metric}}}
  timeWindow: [{{duration: 1h, isRolling: true}}]
  budgetingMethod: {method}
  objectives: [{{{objective}}}]
"
    )
}

/// What a query is asked for.
fn source(query: &str) -> String {
    format!("{{metricSource: {{type: prometheus, spec: {{query: '{query}'}}}}}}")
}

fn slo(name: &str) -> String {
    let bad = source("rate(requests_total{code=~\"5..\"}[5m])");
    let total = source("rate(requests_total[5m])");
    let metric = format!("ratioMetric: {{counter: true, bad: {bad}, total: {total}}}");
    document(name, &metric, "Occurrences", "target: 0.9")
}

/// An SLO whose series another one has made known already has the same past, to the last request, and
/// nothing is lost or counted twice where its past meets its present. A restart changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_slo_on_known_series_has_its_whole_past() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = prometheus(own.path());
    let clock = TestClock::at(NOON);
    let asking = |documents: &str| Config {
        prometheus: Some(Prometheus::new(&program.url).unwrap()),
        ..config(data.path(), documents, &clock)
    };
    let running = Running::of(asking(&slo("first"))).await;
    // All but the last half minute of the hour before, which waits for what may still come.
    let known = |said: &serde_json::Value| said["budget"]["valid"].as_u64() > Some(1_880);
    running.budget("first", known).await;
    clock.advance(Duration::from_minutes(2));
    let both = slo("first") + &slo("second");
    running.server.give(sources(&both)).await.unwrap();
    running.budget("second", known).await;
    let (_, said) = running.get("/api/v1/slos/second").await;
    let since = Timestamp::parse(said["since"].as_str().unwrap()).unwrap();
    let window = clock.now().minus(Duration::from_hours(1));
    assert!(since <= window, "{since} is after {window}");

    // The window is from 11:05:30 on, the traffic ends at 12:03: 230 steps of 8 requests, of which one
    // failed, and the 5 that failed first.
    // What has come waits for its other side until the clock goes on.
    let position = running.position().await;
    clock.advance(Duration::from_seconds(190));
    running.counts_behind(position).await;
    clock.advance(Duration::from_seconds(30));
    let is_whole = |said: &serde_json::Value| {
        let budget = &said["budget"];
        (&budget["valid"], &budget["bad"]) == (&1_845.into(), &235.into())
    };
    for name in ["first", "second"] {
        running.budget(name, is_whole).await;
    }
    running.server.stop().await;
    let running = Running::of(asking(&both)).await;
    for name in ["first", "second"] {
        running.budget(name, is_whole).await;
    }
    let (_, again) = running.get("/api/v1/slos/second").await;
    assert_eq!(again["since"], said["since"]);
    running.server.stop().await;
}

/// A definition that is another than before takes over when its past is counted: until then the one before
/// serves, and how far that past is counted is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_slo_is_served_as_before_until_its_past_is_counted() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = prometheus(own.path());
    let clock = TestClock::at(NOON);
    let before = slo("shop");
    let running = Running::of(Config {
        prometheus: Some(Prometheus::new(&program.url).unwrap()),
        ..config(data.path(), &before, &clock)
    })
    .await;
    let known = |said: &serde_json::Value| said["budget"]["valid"].as_u64() > Some(1_880);
    let fails = running.budget("shop", known).await["budget"]["bad"].clone();
    assert!(fails.as_u64() > Some(200), "{fails}");
    // A new one is itself until its past is counted.
    let (_, said) = running.get("/api/v1/slos/shop").await;
    assert_eq!(said["filling"]["hours"], 1, "{said}");
    clock.advance(Duration::from_minutes(2));
    filled(&running, "shop").await;

    // Only one kind of failures counts from now on, and each code has a budget. The last second of the past
    // is held back until the clock is a minute on.
    let sliced = "query: 'rate(requests_total[5m])', by: [code]";
    let after = before.replace("query: 'rate(requests_total[5m])'", sliced).replace("5..", "503");
    assert!(after.contains(sliced), "{after}");
    running.server.give(sources(&after)).await.unwrap();
    let (_, said) = running.get("/api/v1/slos/shop").await;
    assert_eq!(said["filling"]["hours"], 1, "{said}");
    let objective = &said["objectives"][0];
    assert!(objective["budget"]["bad"].as_u64() > Some(200), "{said}");
    clock.advance(Duration::from_minutes(2));
    filled(&running, "shop").await;
    let said = running.budget("shop", |said| said["budget"]["bad"] == 5).await;
    let whole = said["budget"]["valid"].as_u64().unwrap();
    assert!(whole > 1_800, "{said}");
    let slices = said["slices"].as_array().unwrap();
    let valid = |slice: &serde_json::Value| slice["budget"]["valid"].as_u64().unwrap();
    assert_eq!(slices.iter().map(valid).sum::<u64>(), whole, "{said}");
    let failed = slices.iter().find(|slice| slice["slice"] == "503").unwrap();
    assert_eq!((valid(failed), &failed["budget"]["bad"]), (5, &5.into()), "{said}");
    running.server.stop().await;
}

/// Waits until all of the past of `slo` is counted.
async fn filled(running: &Running, slo: &str) {
    let mut ticks = running.server.ticks();
    let look = async {
        loop {
            let (_, said) = running.get(&format!("/api/v1/slos/{slo}")).await;
            if said["filling"].is_null() {
                return;
            }
            let _ = ticks.changed().await;
        }
    };
    let most = std::time::Duration::from_mins(1);
    tokio::time::timeout(most, look).await.expect("its past is counted");
}

/// SLOs of queries that only the metrics system can work out: a threshold, and a ready ratio by time.
fn judged() -> String {
    let failing = "max(rate(requests_total{code=\"500\"}[1m]))";
    let threshold = format!("thresholdMetric: {}", source(failing));
    let share = format!("{failing} / sum(rate(requests_total[1m]))");
    let ratio =
        format!("ratioMetric: {{counter: false, rawType: failure, raw: {}}}", source(&share));
    let slices =
        |target: &str| format!("target: 0.5, timeSliceTarget: {target}, timeSliceWindow: 1m");
    [
        document("threshold", &threshold, "Occurrences", "target: 0.5, op: lte, value: 0.06"),
        document("eighth", &ratio, "Timeslices", &slices("0.85")),
        document("tenth", &ratio, "Timeslices", &slices("0.9")),
        document("uncounted", &ratio, "Occurrences", "target: 0.5, displayName: a"),
    ]
    .concat()
}

/// What a query answers at each full minute is an event, in the past and in the present.
#[tokio::test(flavor = "multi_thread")]
async fn answers_of_queries_are_judged_minute_by_minute() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = prometheus(own.path());
    let clock = TestClock::at(NOON);
    let running = Running::of(Config {
        prometheus: Some(Prometheus::new(&program.url).unwrap()),
        ..config(data.path(), &judged(), &clock)
    })
    .await;
    // Given at noon, looked at eight minutes later: the window is from 11:07:50 to 12:07:50, the traffic
    // ends at 12:03.
    clock.advance(Duration::from_minutes(8));
    let said = running.budget("threshold", |said| said["budget"]["valid"] == 60).await;
    assert_eq!(said["budget"]["bad"], 56, "{said}");
    // By time the window ends with a whole minute. One in eight fails; without requests there is no share.
    for (name, bad) in [("eighth", 0), ("tenth", 57)] {
        let said = running.budget(name, |said| said["budget"]["valid"] == 57).await;
        assert_eq!(said["budget"]["bad"], bad, "{name}: {said}");
    }
    let (_, said) = running.get("/api/v1/slos").await;
    assert_eq!(said["not_evaluated"][0]["slo"], "uncounted", "{said}");
    let reason = said["not_evaluated"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("no counts; hint: "), "{reason}");
    running.server.stop().await;
}

/// A query that the metrics system refuses keeps no other waiting, and is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_refused_keeps_no_other_waiting() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = prometheus(own.path());
    let clock = TestClock::at(NOON);
    // Each of the three series on one side meets all of the other.
    let refused = format!("thresholdMetric: {}", source("requests_total * on() requests_total"));
    let refused = document("refused", &refused, "Occurrences", "target: 0.5, op: lte, value: 1");
    let running = Running::of(Config {
        prometheus: Some(Prometheus::new(&program.url).unwrap()),
        ..config(data.path(), &(refused + &judged()), &clock)
    })
    .await;
    clock.advance(Duration::from_minutes(8));
    let said = running.budget("threshold", |said| said["budget"]["valid"] == 60).await;
    assert_eq!(said["budget"]["bad"], 56, "{said}");
    let failures = running.metric("flyball_failures_total{doing=\"ask\"}").await;
    assert!(failures >= 2.0, "its present and its past: {failures}");
    let behind = running.metric("flyball_prometheus_behind_seconds").await;
    assert!(behind >= 300.0, "{behind}");
    running.server.stop().await;
}

/// Where nobody is asked, such SLOs say so.
#[tokio::test(flavor = "multi_thread")]
async fn queries_without_a_metrics_system_are_not_evaluated() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::start(data.path(), &judged(), &TestClock::at(NOON)).await;
    let (_, said) = running.get("/api/v1/slos").await;
    assert_eq!(said["slos"], serde_json::json!([]), "{said}");
    let left_out = said["not_evaluated"].as_array().unwrap();
    assert_eq!(left_out.len(), 4, "{said}");
    let told =
        left_out.iter().filter(|one| one["reason"].as_str().unwrap().contains("--prometheus"));
    assert_eq!(told.count(), 3, "{said}");
    running.server.stop().await;
}
