//! Services that say nothing of themselves.

use std::fmt::Write;
use std::net::{SocketAddr, TcpListener};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{NOON, Running, TestClock, sources};

/// The address of a service that answers everything with a redirect to `to`.
async fn redirecting(to: &str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            if stream.read(&mut head).await.is_ok() {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_from_outside_are_events() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), "", &clock).await;
    // A port that was free a moment ago, and nobody listens on.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Where it leads, nobody answers: whoever followed it would fail.
    let moved = redirecting(&format!("http://{closed}/")).await;
    let mut documents = String::new();
    for (name, check) in [
        ("up", format!("http: {{url: '{}'}}", running.url("/healthz"))),
        ("other", format!("http: {{url: '{}', statuses: [404]}}", running.url("/healthz"))),
        ("moved", format!("http: {{url: 'http://{moved}/', statuses: [302]}}")),
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
    for (name, is_good) in
        [("up", true), ("other", false), ("moved", true), ("open", true), ("closed", false)]
    {
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
