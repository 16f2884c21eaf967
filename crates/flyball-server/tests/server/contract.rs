//! The server against its own description.

use std::collections::BTreeSet;

use flyball_server::openapi;
use reqwest::{Client, Method};
use serde_json::Value;

use crate::harness::{NOON, Running, SHOP, TestClock};

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_every_route_is_described() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    let document: Value = serde_json::from_str(openapi()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        let described: BTreeSet<String> =
            item.as_object().unwrap().keys().map(|method| method.to_ascii_uppercase()).collect();
        let url = running.url(&path.replace("{name}", "x").replace("{id}", "x"));
        let answer = Client::new().request(Method::TRACE, url).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let allowed = answer.headers()["allow"].to_str().unwrap();
        // The answer to HEAD is that to GET.
        let allowed = allowed.split(',').filter(|method| *method != "HEAD");
        assert_eq!(allowed.map(str::to_owned).collect::<BTreeSet<_>>(), described, "{path}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_cannot_be_read_is_told_as_every_other_problem() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    for path in
        ["/api/v1/slos?servcie=shop", "/api/v1/audit?limit=many", "/api/v1/slos/%FF", "/nowhere"]
    {
        let answer = Client::new().get(running.url(path)).send().await.unwrap();
        assert!(matches!(answer.status().as_u16(), 400 | 404), "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let said: Value = answer.json().await.unwrap();
        assert!(said["detail"].as_str().is_some_and(|said| said.len() > 10), "{said}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_servers_own_slos_need_is_measured() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    let line = format!("{{\"time\":\"{NOON}\",\"service.name\":\"shop\",\"status\":200}}\n");
    let answer = running.post("/api/v1/events", line).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    // Asking for a budget waits for what was acknowledged to be counted.
    running.budget("checkout", |objective| objective["newest"]["valid"] == 1).await;
    let answer = Client::new().get(running.url("/metrics")).send().await.unwrap();
    let said = answer.text().await.unwrap();
    for line in [
        "flyball_http_answers_total{route=\"/api/v1/events\",class=\"2xx\"} 1",
        "flyball_ingest_ack_seconds_count{content=\"ndjson\"} 1",
        "flyball_ingest_ack_seconds_bucket{le=\"0.05\",content=\"ndjson\"}",
        "flyball_ingest_counted_seconds_count 1",
        "flyball_ingest_counted_seconds_bucket{le=\"5.0\"} 1",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    running.server.stop().await;
}
