//! Services that say nothing of themselves.

use std::fmt::Write;
use std::net::TcpListener;

use crate::harness::{NOON, Running, TestClock, sources};

#[tokio::test(flavor = "multi_thread")]
async fn checks_from_outside_are_events() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), "", &clock).await;
    // A port that was free a moment ago, and nobody listens on.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut documents = String::new();
    for (name, check) in [
        ("up", format!("http: {{url: '{}'}}", running.url("/healthz"))),
        ("other", format!("http: {{url: '{}', statuses: [404]}}", running.url("/healthz"))),
        ("open", format!("tcp: {{address: '{}'}}", running.server.addresses()[0])),
        ("closed", format!("tcp: {{address: '{closed}'}}")),
    ] {
        write!(
            documents,
            "---
apiVersion: flyball.dev/v1
kind: Probe
metadata: {{name: {name}}}
spec: {{service: {name}, every: 1s, {check}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: {name}
  indicator:
    metadata: {{name: {name}}}
    spec:
      ratioMetric:
        counter: true
        good: {{metricSource: {{type: flyball, spec: {{where: probe.success}}}}}}
        total: {{metricSource: {{type: flyball, spec: {{where: probe.name = '{name}'}}}}}}
  timeWindow: [{{duration: 1h, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{target: 0.9}}]
"
        )
        .unwrap();
    }
    running.server.give(sources(&documents)).await.unwrap();
    for (name, is_good) in [("up", true), ("other", false), ("open", true), ("closed", false)] {
        let said = running.budget(name, |said| said["newest"]["valid"] != 0).await;
        let newest = &said["newest"];
        assert_eq!(
            newest["good"],
            if is_good { newest["valid"].clone() } else { 0.into() },
            "{name}"
        );
    }
    running.server.stop().await;
}
