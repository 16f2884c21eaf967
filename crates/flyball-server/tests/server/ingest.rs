//! What is taken in, and what is refused.

use flyball_model::Duration;
use flyball_server::Limits;
use serde_json::json;

use crate::harness::{NOON, Running, SHOP, TestClock, events};

#[tokio::test(flavor = "multi_thread")]
async fn events_are_in_the_budget_after_their_slot_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    clock.advance(Duration::from_minutes(10));
    let body = events(clock.now(), 100, 10);
    let answer = running.post("/api/v1/events", body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let said: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(said, json!({"events": 100, "repeated": false, "rejected": []}));

    clock.advance(Duration::from_seconds(20));
    let whole = running.budget("checkout", |said| said["budget"]["valid"] == 100).await;
    assert_eq!(whole["budget"]["bad"], 10);
    assert_eq!(whole["status"], "met");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_counts_once_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let body = events(clock.now(), 10, 5);
    for round in 0..3 {
        let running = Running::start(directory.path(), SHOP, &clock).await;
        for attempt in 0..2 {
            let request = running.post("/api/v1/events", body.clone());
            let answer = request.header("Idempotency-Key", "one").send().await.unwrap();
            let said: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(said["repeated"], round + attempt > 0, "{said}");
        }
        let sum = |said: &serde_json::Value| {
            let of = |part: &str| said[part]["valid"].as_u64().unwrap();
            of("budget") + of("newest")
        };
        let said = running.budget("checkout", |said| sum(said) != 0).await;
        assert_eq!(sum(&said), 10, "in the budget or on the way into it, never both: {said}");
        running.server.stop().await;
        clock.advance(Duration::from_seconds(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_again_with_other_content_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let body = events(clock.now(), 10, 5);
    for round in 0..2 {
        let running = Running::start(directory.path(), SHOP, &clock).await;
        let post = async |path: &str, body: Vec<u8>, encoding: &str| {
            let request = running.post(path, body).header("Content-Encoding", encoding);
            let answer = request.header("Idempotency-Key", "one").send().await.unwrap();
            (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
        };
        let path = "/api/v1/events";
        let (status, said) = post(path, body.clone().into(), "identity").await;
        assert_eq!((status, &said["repeated"]), (200, &json!(round > 0)), "{said}");
        // Once while its key may be on its way into the ledger, once when that has it, and after a restart.
        for _ in 0..2 {
            let (status, said) = post(path, events(clock.now(), 3, 5).into(), "identity").await;
            assert_eq!(status, 422, "{said}");
            assert!(said["hint"].as_str().unwrap().contains("a key of its own"), "{said}");
            let (status, said) = post("/api/v1/events?service=shop", body.clone().into(), "").await;
            assert_eq!(status, 422, "the same of another service: {said}");
            // Compressed it is the same.
            let again = zstd::bulk::compress(body.as_bytes(), 1).unwrap();
            let (status, said) = post(path, again, "zstd").await;
            assert_eq!((status, &said["repeated"]), (200, &json!(true)), "{said}");
            let is_counted = |said: &serde_json::Value| {
                said["budget"]["valid"] != 0 || said["newest"]["valid"] != 0
            };
            running.budget("checkout", is_counted).await;
        }
        let refused =
            "flyball_ingest_refused_requests_total{content=\"ndjson\",reason=\"key reused\"}";
        assert_eq!(running.metric(refused).await, 4.0);
        running.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_counted_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let old = clock.now().minus(Duration::from_days(2));
    let ahead = clock.now().plus(Duration::from_hours(1));
    let mut body = events(clock.now(), 2, 5);
    body += &events(old, 1, 5);
    body += &events(ahead, 1, 5);
    body += "no json\n";
    let said: serde_json::Value =
        running.post("/api/v1/events", body).send().await.unwrap().json().await.unwrap();
    assert_eq!(said["events"], 2);
    let reasons: Vec<_> = said["rejected"].as_array().unwrap().iter().collect();
    assert_eq!(reasons.len(), 3, "{said}");
    assert!(
        reasons.iter().any(|r| r["reason"] == "in the future by more than 10m" && r["count"] == 1)
    );
    assert!(reasons.iter().any(|r| r["examples"][0]["line"] == 5), "{said}");

    let answer = running.post("/api/v1/events", "nonsense").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let said: serde_json::Value = answer.json().await.unwrap();
    assert!(said["detail"].as_str().unwrap().contains("line 1"), "{said}");
    running.server.stop().await;
}

/// A row of attributes, `count` of them, the names of which begin with `prefix`.
fn attributes(prefix: &str, count: usize) -> Vec<serde_json::Value> {
    let one = |number| json!({"key": format!("{prefix}{number}"), "value": {"intValue": number}});
    (0..count).map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_too_many_attributes_is_refused_alone() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let most = flyball_server::Limits::default().attributes_max;
    let mut body = events(clock.now(), 2, 5);
    let more = |keys: String, number| keys + &format!(",\"k{number}\":1");
    let keys = (0..most).fold(String::new(), more);
    body += &events(clock.now(), 1, 5).replace("}\n", &format!("{keys}}}\n"));
    let said: serde_json::Value =
        running.post("/api/v1/events", body).send().await.unwrap().json().await.unwrap();
    assert_eq!((&said["events"], &said["rejected"][0]["count"]), (&json!(2), &json!(1)), "{said}");

    // In spans those inside others count as well.
    let nested =
        json!([{"key": "map", "value": {"kvlistValue": {"values": attributes("k", most)}}}]);
    let span = |number: u32, attributes: serde_json::Value| {
        json!({
            "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"), "name": "GET /",
            "startTimeUnixNano": clock.now().nanos().to_string(), "attributes": attributes,
        })
    };
    let spans = [span(1, attributes("k", most).into()), span(2, nested), span(3, json!([]))];
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string();
    let request = running.post("/v1/traces", body).header("content-type", "application/json");
    let said: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    let refused = &said["partialSuccess"];
    assert_eq!(refused["rejectedSpans"], json!("1"), "{said}");
    let told = refused["errorMessage"].as_str().unwrap();
    assert!(told.contains("more attributes than an event may have"), "{said}");
    running.server.stop().await;
}

/// Bombs are large work, which has bounded room, whether they say how large they are or not; small
/// work goes on between them.
#[tokio::test(flavor = "multi_thread")]
async fn an_honest_request_is_taken_in_between_bombs() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    // Four of them do not fit into the memory that bodies may take at once.
    let mut blanks = vec![b' '; 60 << 20];
    blanks.iter_mut().step_by(100).for_each(|byte| *byte = b'\n');
    let says_its_size = zstd::bulk::compress(&blanks, 1).unwrap();
    let says_nothing = zstd::encode_all(&blanks[..], 1).unwrap();
    for (bomb, number) in [(says_its_size, 1), (says_nothing, 2)] {
        let post = async || {
            let bomb = running.post("/api/v1/events", bomb.clone());
            bomb.header("content-encoding", "zstd").send().await.unwrap().status().as_u16()
        };
        let honest = async || {
            let honest = running.post("/api/v1/events", events(clock.now(), 10 * number, 5));
            honest.send().await.unwrap().status().as_u16()
        };
        let (one, two, honest, three, four) =
            tokio::join!(post(), post(), honest(), post(), post());
        assert_eq!(honest, 200);
        let bombs = [one, two, three, four];
        assert!(bombs.contains(&200) && bombs.contains(&429), "{bombs:?}");
        assert!(bombs.iter().all(|status| [200, 429].contains(status)), "{bombs:?}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_too_long_is_cut_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let by_region = SHOP.replace("'shop'}", "'shop', by: [region]}");
    let limits = Limits { attribute_bytes_max: 8, ..Limits::default() };
    let running = Running::with(directory.path(), &by_region, &clock, limits).await;
    let line = |region: &str| {
        events(clock.now(), 1, 9)
            .replace("\"status\"", &format!("\"region\":\"{region}\",\"status\""))
    };
    let body = format!("{}{}", line("eu-west"), line("eu-west-1a-rack-7"));
    let sent = running.post("/api/v1/events", body).send().await.unwrap();
    let said: serde_json::Value = sent.json().await.unwrap();
    assert_eq!((&said["events"], &said["texts_cut"]), (&2.into(), &1.into()), "{said}");
    assert!(said["warning"].as_str().unwrap().contains("longer than 8 bytes"), "{said}");
    clock.advance(Duration::from_minutes(1));
    let found = running.budget("checkout", |said| said["budget"]["valid"] == 2).await;
    let slices: Vec<&str> =
        found["slices"].as_array().unwrap().iter().map(|s| s["slice"].as_str().unwrap()).collect();
    assert_eq!(slices, ["eu-west", "eu-west-"]);
    let metrics = reqwest::get(running.url("/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("flyball_texts_cut_total{doing=\"take in\"} 1"), "{metrics}");
    running.server.stop().await;
}
