//! Services that say nothing of themselves.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use flyball_model::{Duration, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{NOON, Running, TestClock, sources};
use crate::tls;

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

/// A probe every second, and a promise that nine of ten are good.
fn probe(name: &str, check: &str) -> String {
    format!(
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
}

/// When the certificate in `file` ends, as OpenSSL reads it.
fn end_of(file: &Path) -> Timestamp {
    let read = Command::new("openssl")
        .args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8(read.stdout).unwrap();
    let end = said.trim().strip_prefix("notAfter=").unwrap().replace(' ', "T");
    Timestamp::parse(&end).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_told_before_it_ends() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    tls::make(directory.path(), "server");
    let end = end_of(&directory.path().join("server.pem"));
    let checked = tls::start(directory.path()).await.unwrap();
    let address = checked.addresses()[0];
    let clock = TestClock::at(&end.minus(Duration::from_days(3)).to_string());
    let running = Running::start(&directory.path().join("probing"), "", &clock).await;
    // One that speaks no TLS.
    let plain = running.server.addresses()[0];
    let documents: String = [("lasts", address, 2), ("ends", address, 4), ("plain", plain, 2)]
        .map(|(name, at, days)| probe(name, &format!("tls: {{address: '{at}', atLeast: {days}d}}")))
        .concat();
    running.server.give(sources(&documents)).await.unwrap();
    for (name, is_good) in [("lasts", true), ("ends", false), ("plain", false)] {
        let said = running.budget(name, |said| said["newest"]["valid"] != 0).await;
        let newest = &said["newest"];
        let good = if is_good { newest["valid"].clone() } else { 0.into() };
        assert_eq!(newest["good"], good, "{name}: {said}");
    }
    let asked = running.post("/api/v1/query", json!({"sql": DAYS_LEFT}).to_string());
    let rows = asked.header("content-type", "application/json").send().await.unwrap();
    let rows: Value = rows.json().await.unwrap();
    assert_eq!(rows, json!([{"name": "ends", "days": 3.0}, {"name": "lasts", "days": 3.0}]));
    running.server.stop().await;
    checked.stop().await;
}

/// What probes have said of certificates.
const DAYS_LEFT: &str = "SELECT probe.name AS name, round(max(tls.days_left)) AS days FROM events \
                         WHERE tls.days_left IS NOT NULL GROUP BY 1 ORDER BY 1";

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
        documents += &probe(name, &check);
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
