//! Bodies that are compressed as the protocols allow, each counted to its last event.

use std::io::Write;

use flyball_model::Duration;
use serde_json::json;

use crate::harness::{NOON, Running, SHOP, TestClock, events};
use crate::payloads::{TRACES, message};

/// Spans of one request, of which the first failed.
const SPANS: u64 = 20;

/// Compresses a body.
type Compress = fn(&[u8]) -> Vec<u8>;

/// Each way to compress with its name in headers; those of zstd say how long they will be, and do not.
const COMPRESSIONS: [(&str, Compress); 4] = [
    ("gzip", gzip),
    // Two members, which are one body.
    ("gzip", |body| [gzip(&body[..body.len() / 2]), gzip(&body[body.len() / 2..])].concat()),
    ("zstd", |body| zstd::bulk::compress(body, 3).unwrap()),
    ("zstd", |body| zstd::encode_all(body, 3).unwrap()),
];

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body).unwrap();
    gzip.finish().unwrap()
}

/// Spans of the shop, with ids that no other request has.
fn spans(clock: &TestClock, request: u64) -> serde_json::Value {
    let at = clock.now().nanos().to_string();
    let span = |number: u64| {
        let status = if number == 0 { 503 } else { 200 };
        json!({
            "traceId": format!("{request:032x}"), "spanId": format!("{:016x}", number + 1),
            "name": "GET /", "startTimeUnixNano": at, "endTimeUnixNano": at,
            "attributes": [{"key": "status", "value": {"intValue": status}}],
        })
    };
    let spans: Vec<_> = (0..SPANS).map(span).collect();
    let service = json!({"key": "service.name", "value": {"stringValue": "shop"}});
    json!({"resourceSpans": [{
        "resource": {"attributes": [service]}, "scopeSpans": [{"spans": spans}],
    }]})
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_and_zstd_count_exactly_over_every_transport() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    clock.advance(Duration::from_minutes(1));
    let grpc = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let (mut requests, mut lines) = (0, 0);
    for (encoding, compress) in COMPRESSIONS {
        for media in ["application/x-protobuf", "application/json"] {
            requests += 1;
            let spans = spans(&clock, requests);
            let is_json = media.ends_with("json");
            let body = if is_json { spans.to_string().into() } else { message(TRACES, &spans) };
            let answer = running.post("/v1/traces", compress(&body)).header("content-type", media);
            let answer = answer.header("content-encoding", encoding).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{encoding} {media}");
        }

        requests += 1;
        let body = compress(&message(TRACES, &spans(&clock, requests)));
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let call = grpc.post(running.url(path)).body([&[1], &length[..], &body].concat());
        let call = call.header("content-type", "application/grpc").header("te", "trailers");
        let answer = call.header("grpc-encoding", encoding).send().await.unwrap();
        assert!(!answer.headers().contains_key("grpc-status"), "{:?}", answer.headers());
        assert_eq!(answer.bytes().await.unwrap(), &[0; 5][..], "an empty message");

        let body = compress(events(clock.now(), 10, 10).as_bytes());
        let answer = running.post("/api/v1/events", body).header("content-encoding", encoding);
        assert_eq!(answer.send().await.unwrap().status(), 200, "{encoding}");
        lines += 10;
    }
    clock.advance(Duration::from_minutes(1));
    let (valid, bad) = (requests * SPANS + lines, requests + lines / 10);
    let found = running.budget("checkout", |said| said["budget"]["valid"] == valid).await;
    assert_eq!(found["budget"]["bad"], bad);
    assert_eq!(running.metric("flyball_ingest_events_total{content=\"ndjson\"}").await, 40.0);
    running.server.stop().await;
}
