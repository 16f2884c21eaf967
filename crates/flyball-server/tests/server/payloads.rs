//! The example payloads of OpenTelemetry's protocol, over every transport.
//!
//! They are data of others and not in the repository: where they are absent, that is said. They are
//! in JSON; for the transports of protobuf they are written anew by the field numbers of the
//! protocol's own definitions, which are the table below.

use std::path::PathBuf;

use flyball_model::Duration;
use prost::encoding::{WireType, bool as truth, sint32};
use prost::encoding::{bytes, double, encode_key, encode_varint, int64, string, uint64};
use serde_json::Value;

use crate::harness::{Running, TestClock};

/// Half a minute before the moments of the payloads.
const BEFORE: &str = "2018-12-13T14:50:30Z";

/// How a field is written.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Truth,
    Whole,
    Signed,
    Zigzag,
    Fixed,
    FixedPacked,
    DoublePacked,
    VarintPacked,
    Double,
    Hex,
    Message(&'static [Field]),
}

/// A field's name in JSON, its number, and how it is written.
pub(crate) type Field = (&'static str, u32, Kind);

const VALUE: &[Field] = &[
    ("stringValue", 1, Kind::Text),
    ("boolValue", 2, Kind::Truth),
    ("intValue", 3, Kind::Signed),
    ("doubleValue", 4, Kind::Double),
    (
        "arrayValue",
        5,
        Kind::Message(&[("values", 1, Kind::Message(&[("stringValue", 1, Kind::Text)]))]),
    ),
    ("kvlistValue", 6, Kind::Message(&[("values", 1, Kind::Message(PLAIN_PAIR))])),
];
/// A pair within a value: those of the payloads go no deeper.
const PLAIN_PAIR: &[Field] = &[
    ("key", 1, Kind::Text),
    ("value", 2, Kind::Message(&[("stringValue", 1, Kind::Text), ("intValue", 3, Kind::Signed)])),
];
const PAIR: &[Field] = &[("key", 1, Kind::Text), ("value", 2, Kind::Message(VALUE))];
const RESOURCE: &[Field] = &[("attributes", 1, Kind::Message(PAIR))];
const SCOPE: &[Field] =
    &[("name", 1, Kind::Text), ("version", 2, Kind::Text), ("attributes", 3, Kind::Message(PAIR))];
const SPAN: &[Field] = &[
    ("traceId", 1, Kind::Hex),
    ("spanId", 2, Kind::Hex),
    ("parentSpanId", 4, Kind::Hex),
    ("name", 5, Kind::Text),
    ("kind", 6, Kind::Whole),
    ("startTimeUnixNano", 7, Kind::Fixed),
    ("endTimeUnixNano", 8, Kind::Fixed),
    ("attributes", 9, Kind::Message(PAIR)),
];
const RECORD: &[Field] = &[
    ("timeUnixNano", 1, Kind::Fixed),
    ("severityNumber", 2, Kind::Whole),
    ("severityText", 3, Kind::Text),
    ("body", 5, Kind::Message(VALUE)),
    ("attributes", 6, Kind::Message(PAIR)),
    ("traceId", 9, Kind::Hex),
    ("spanId", 10, Kind::Hex),
    ("observedTimeUnixNano", 11, Kind::Fixed),
    ("eventName", 12, Kind::Text),
];
const NUMBER_POINT: &[Field] = &[
    ("startTimeUnixNano", 2, Kind::Fixed),
    ("timeUnixNano", 3, Kind::Fixed),
    ("asDouble", 4, Kind::Double),
    ("attributes", 7, Kind::Message(PAIR)),
];
const HISTOGRAM_POINT: &[Field] = &[
    ("startTimeUnixNano", 2, Kind::Fixed),
    ("timeUnixNano", 3, Kind::Fixed),
    ("count", 4, Kind::Fixed),
    ("sum", 5, Kind::Double),
    ("bucketCounts", 6, Kind::FixedPacked),
    ("explicitBounds", 7, Kind::DoublePacked),
    ("attributes", 9, Kind::Message(PAIR)),
    ("min", 11, Kind::Double),
    ("max", 12, Kind::Double),
];
const EXPONENTIAL_POINT: &[Field] = &[
    ("attributes", 1, Kind::Message(PAIR)),
    ("startTimeUnixNano", 2, Kind::Fixed),
    ("timeUnixNano", 3, Kind::Fixed),
    ("count", 4, Kind::Fixed),
    ("sum", 5, Kind::Double),
    ("scale", 6, Kind::Zigzag),
    ("zeroCount", 7, Kind::Fixed),
    (
        "positive",
        8,
        Kind::Message(&[("offset", 1, Kind::Zigzag), ("bucketCounts", 2, Kind::VarintPacked)]),
    ),
    ("min", 12, Kind::Double),
    ("max", 13, Kind::Double),
    ("zeroThreshold", 14, Kind::Double),
];
const METRIC: &[Field] = &[
    ("name", 1, Kind::Text),
    ("description", 2, Kind::Text),
    ("unit", 3, Kind::Text),
    ("gauge", 5, Kind::Message(&[("dataPoints", 1, Kind::Message(NUMBER_POINT))])),
    (
        "sum",
        7,
        Kind::Message(&[
            ("dataPoints", 1, Kind::Message(NUMBER_POINT)),
            ("aggregationTemporality", 2, Kind::Whole),
            ("isMonotonic", 3, Kind::Truth),
        ]),
    ),
    (
        "histogram",
        9,
        Kind::Message(&[
            ("dataPoints", 1, Kind::Message(HISTOGRAM_POINT)),
            ("aggregationTemporality", 2, Kind::Whole),
        ]),
    ),
    (
        "exponentialHistogram",
        10,
        Kind::Message(&[
            ("dataPoints", 1, Kind::Message(EXPONENTIAL_POINT)),
            ("aggregationTemporality", 2, Kind::Whole),
        ]),
    ),
];
pub(crate) const TRACES: &[Field] = &[(
    "resourceSpans",
    1,
    Kind::Message(&[
        ("resource", 1, Kind::Message(RESOURCE)),
        (
            "scopeSpans",
            2,
            Kind::Message(&[("scope", 1, Kind::Message(SCOPE)), ("spans", 2, Kind::Message(SPAN))]),
        ),
    ]),
)];
const LOGS: &[Field] = &[(
    "resourceLogs",
    1,
    Kind::Message(&[
        ("resource", 1, Kind::Message(RESOURCE)),
        (
            "scopeLogs",
            2,
            Kind::Message(&[
                ("scope", 1, Kind::Message(SCOPE)),
                ("logRecords", 2, Kind::Message(RECORD)),
            ]),
        ),
    ]),
)];
const METRICS: &[Field] = &[(
    "resourceMetrics",
    1,
    Kind::Message(&[
        ("resource", 1, Kind::Message(RESOURCE)),
        (
            "scopeMetrics",
            2,
            Kind::Message(&[
                ("scope", 1, Kind::Message(SCOPE)),
                ("metrics", 2, Kind::Message(METRIC)),
            ]),
        ),
    ]),
)];

/// A whole number, which JSON of protobuf writes as a text when it has 64 bits.
fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// `object` as a message of `fields`. A key that is not among them is none of the protocol.
pub(crate) fn message(fields: &[Field], object: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in object.as_object().unwrap() {
        let field = fields.iter().find(|(name, _, _)| name == key);
        let (_, tag, kind) = *field.unwrap_or_else(|| panic!("there is no field `{key}`"));
        let each = || value.as_array().unwrap().iter();
        let unsigned = |value: &Value| u64::try_from(whole(value)).unwrap();
        let packed = |bytes_of: &dyn Fn(&Value) -> Vec<u8>| each().flat_map(bytes_of).collect();
        let part: Vec<u8> = match kind {
            Kind::Text => {
                string::encode(tag, &value.as_str().unwrap().to_owned(), &mut out);
                continue;
            }
            Kind::Truth => {
                truth::encode(tag, &value.as_bool().unwrap(), &mut out);
                continue;
            }
            Kind::Whole => {
                uint64::encode(tag, &unsigned(value), &mut out);
                continue;
            }
            Kind::Signed => {
                int64::encode(tag, &whole(value), &mut out);
                continue;
            }
            Kind::Zigzag => {
                sint32::encode(tag, &i32::try_from(whole(value)).unwrap(), &mut out);
                continue;
            }
            Kind::Double => {
                double::encode(tag, &value.as_f64().unwrap(), &mut out);
                continue;
            }
            Kind::Fixed => {
                encode_key(tag, WireType::SixtyFourBit, &mut out);
                out.extend(unsigned(value).to_le_bytes());
                continue;
            }
            Kind::Message(fields) if value.is_array() => {
                for one in each() {
                    bytes::encode(tag, &message(fields, one), &mut out);
                }
                continue;
            }
            Kind::Message(fields) => message(fields, value),
            Kind::Hex => unhex(value.as_str().unwrap()),
            Kind::FixedPacked => packed(&|one| unsigned(one).to_le_bytes().to_vec()),
            Kind::DoublePacked => packed(&|one| one.as_f64().unwrap().to_le_bytes().to_vec()),
            Kind::VarintPacked => packed(&|one| {
                let mut bytes = Vec::new();
                encode_varint(unsigned(one), &mut bytes);
                bytes
            }),
        };
        bytes::encode(tag, &part, &mut out);
    }
    out
}

/// An SLO over an hour, as JSON, which is YAML too.
fn slo(name: &str, kind: &str, good: &str, total: &str) -> String {
    let key = if kind == "flyball" { "where" } else { "query" };
    let source =
        |text: &str| serde_json::json!({"metricSource": {"type": kind, "spec": {key: text}}});
    let ratio = serde_json::json!({"counter": true, "good": source(good), "total": source(total)});
    document(name, &serde_json::json!({ "ratioMetric": ratio }), &serde_json::json!({}))
}

fn document(name: &str, indicator: &Value, more: &Value) -> String {
    let mut objective = serde_json::json!({"target": 0.9});
    objective.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let document = serde_json::json!({
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": name},
        "spec": {
            "service": name,
            "indicator": {"metadata": {"name": name}, "spec": indicator},
            "timeWindow": [{"duration": "1h", "isRolling": true}],
            "budgetingMethod": "Occurrences",
            "objectives": [objective],
        },
    });
    format!("---\n{document}\n")
}

/// A payload: its file, path, service of gRPC, message, SLOs, and for each valid and bad.
struct Payload {
    file: &'static str,
    path: &'static str,
    service: &'static str,
    fields: &'static [Field],
    documents: String,
    counts: &'static [(&'static str, u64, u64)],
}

fn payloads() -> Vec<Payload> {
    let (logs_path, logs_service) = ("/v1/logs", "logs.v1.LogsService");
    let gauge = serde_json::json!({"thresholdMetric": {
        "metricSource": {"type": "prometheus", "spec": {"query": "my_gauge_ratio"}}
    }});
    vec![
        Payload {
            file: "trace.json",
            path: "/v1/traces",
            service: "trace.v1.TraceService",
            fields: TRACES,
            documents: slo(
                "spans",
                "flyball",
                "my.span.attr = 'another value'",
                "service.name = 'my.service' AND span.kind = 'SERVER'",
            ),
            counts: &[("spans", 1, 1)],
        },
        Payload {
            file: "logs.json",
            path: logs_path,
            service: logs_service,
            fields: LOGS,
            documents: slo(
                "logs",
                "flyball",
                "int.attribute = 10 AND double.attribute > 637.7 AND boolean.attribute",
                "service.name = 'my.service' AND body = 'Example log record'",
            ),
            counts: &[("logs", 1, 0)],
        },
        Payload {
            file: "events.json",
            path: logs_path,
            service: logs_service,
            fields: LOGS,
            documents: slo(
                "views",
                "flyball",
                "event.attribute = 'some event attribute'",
                "event.name = 'browser.page_view'",
            ),
            counts: &[("views", 1, 0)],
        },
        Payload {
            file: "metrics.json",
            path: "/v1/metrics",
            service: "metrics.v1.MetricsService",
            fields: METRICS,
            documents: [
                slo(
                    "counter",
                    "prometheus",
                    "my_counter_total{my_counter_attr=\"another value\"}",
                    "my_counter_total{job=\"my.service\"}",
                ),
                slo(
                    "listed",
                    "prometheus",
                    "histogram_fraction(-Inf, 1, my_histogram) * histogram_count(my_histogram)",
                    "histogram_count(my_histogram)",
                ),
                slo(
                    "exponential",
                    "prometheus",
                    "histogram_fraction(-Inf, 4, my_exponential_histogram) \
                     * histogram_count(my_exponential_histogram)",
                    "histogram_count(my_exponential_histogram)",
                ),
                document("gauge", &gauge, &serde_json::json!({"op": "lt", "value": 20})),
            ]
            .concat(),
            // Increases of 5, 2 and 3, and one sample.
            counts: &[("counter", 5, 5), ("listed", 2, 1), ("exponential", 3, 2), ("gauge", 1, 0)],
        },
    ]
}

/// Sends a request; its answer's body has to be the one that says that all was taken.
async fn send(running: &Running, transport: &str, payload: &Payload, json: &[u8]) {
    let object: Value = serde_json::from_slice(json).unwrap();
    let protobuf = message(payload.fields, &object);
    if transport == "grpc" {
        let length = u32::try_from(protobuf.len()).unwrap().to_be_bytes();
        let framed = [&[0], length.as_slice(), &protobuf].concat();
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let path = format!("/opentelemetry.proto.collector.{}/Export", payload.service);
        let answer = client.post(running.url(&path)).body(framed);
        let answer = answer.header("content-type", "application/grpc").header("te", "trailers");
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!answer.headers().contains_key("grpc-status"), "{:?}", answer.headers());
        assert_eq!(answer.bytes().await.unwrap(), &[0; 5][..], "an empty message");
        return;
    }
    let (media, body) = match transport {
        "json" => ("application/json", json.to_vec()),
        _ => ("application/x-protobuf", protobuf),
    };
    let answer = running.post(payload.path, body).header("content-type", media);
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], media);
    let said = answer.bytes().await.unwrap();
    assert_eq!(said, if transport == "json" { &b"{}"[..] } else { b"" });
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_protocol_counts_over_every_transport() {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let recordings = std::env::var("FLYBALL_RECORDINGS").map_or_else(|_| shared, PathBuf::from);
    let directory = recordings.join("otlp");
    if !directory.exists() {
        println!("absent, so not checked: {} (set FLYBALL_RECORDINGS)", directory.display());
        return;
    }
    for payload in payloads() {
        let json = std::fs::read(directory.join(payload.file)).unwrap();
        for transport in ["json", "protobuf", "grpc"] {
            let data = tempfile::tempdir().unwrap();
            let clock = TestClock::at(BEFORE);
            let running = Running::start(data.path(), &payload.documents, &clock).await;
            clock.advance(Duration::from_minutes(1));
            send(&running, transport, &payload, &json).await;
            clock.advance(Duration::from_minutes(2));
            for (slo, valid, bad) in payload.counts {
                let found = running.budget(slo, |said| said["budget"]["valid"] == *valid).await;
                assert_eq!(found["budget"]["bad"], *bad, "{slo} by {transport}");
            }
            // The same spans are known again by their ids.
            if payload.file == "trace.json" {
                send(&running, transport, &payload, &json).await;
                let found = running.budget("spans", |said| said["budget"]["valid"] != 0).await;
                assert_eq!(found["budget"]["valid"], 1, "by {transport}");
            }
            running.server.stop().await;
        }
    }
}

/// A key that cannot be used is refused by every transport alike.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_used_is_refused_over_grpc_too() {
    let data = tempfile::tempdir().unwrap();
    let clock = TestClock::at(BEFORE);
    let running = Running::start(data.path(), "", &clock).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    for (key, code) in
        [("x".repeat(1000), Some("3")), (String::new(), Some("3")), ("one".to_owned(), None)]
    {
        let request =
            client.post(running.url(path)).body(vec![0; 5]).header("idempotency-key", key);
        let answer = request.header("content-type", "application/grpc").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let status = answer.headers().get("grpc-status").map(|code| code.to_str().unwrap());
        assert_eq!(status, code, "{:?}", answer.headers());
    }
    let answer = running.post("/v1/traces", "").header("content-type", "application/x-protobuf");
    let answer = answer.header("idempotency-key", "").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    running.server.stop().await;
}
