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

fn slo(name: &str) -> String {
    let source = |query: &str| {
        format!("{{metricSource: {{type: prometheus, spec: {{query: 'rate({query}[5m])'}}}}}}")
    };
    let (bad, total) = (source("requests_total{code=~\"5..\"}"), source("requests_total"));
    format!(
        "---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: shop
  indicator:
    metadata: {{name: {name}}}
    spec: {{ratioMetric: {{counter: true, bad: {bad}, total: {total}}}}}
  timeWindow: [{{duration: 1h, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{target: 0.9}}]
"
    )
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

    for name in ["first", "second"] {
        settles(&running, &clock, name).await;
    }
    running.server.stop().await;
    let running = Running::of(asking(&both)).await;
    for name in ["first", "second"] {
        settles(&running, &clock, name).await;
    }
    let (_, again) = running.get("/api/v1/slos/second").await;
    assert_eq!(again["since"], said["since"]);
    running.server.stop().await;
}

/// Lets time go on until the window of `name` holds all that there was in it: 8 requests each 15 s, and
/// the 5 that failed first.
async fn settles(running: &Running, clock: &TestClock, name: &str) {
    let end = Timestamp::parse(NOON).unwrap().plus(Duration::from_seconds(180));
    let mut ticks = running.server.ticks();
    let look = async {
        loop {
            let (_, said) = running.get(&format!("/api/v1/slos/{name}")).await;
            let upto = Timestamp::parse(said["complete_up_to"].as_str().unwrap()).unwrap();
            let length = end.since(upto.minus(Duration::from_hours(1))).nanos() / 1_000_000_000;
            let steps = length / STEP;
            let budget = &said["objectives"][0]["budget"];
            let counted = (budget["valid"].as_i64().unwrap(), budget["bad"].as_i64().unwrap());
            // Slots of 10 s hold whole steps together with their neighbours.
            if length % STEP == 0 && counted == (8 * steps + 5, steps + 5) {
                return;
            }
            assert!(counted.0 <= 8 * (steps + 1) + 5, "{name} counts too much: {said}");
            clock.advance(Duration::from_seconds(10));
            let _ = ticks.changed().await;
        }
    };
    let most = std::time::Duration::from_secs(40);
    tokio::time::timeout(most, look).await.expect("everything is counted");
}
