//! Clients that send numbered requests until each is acknowledged, one protocol each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// How long to wait before a request is sent again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an answer may take: a server that was killed closes its sockets.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long counts may take to reach the ledger after the last request: samples of metrics wait
/// half a minute for the other side of their ratio.
pub(crate) const SETTLE_MAX: Duration = Duration::from_mins(2);
/// Every so many events one is bad.
const BAD_EVERY: u64 = 7;

/// A way to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Ndjson,
    TracesGrpc,
    TracesProtobuf,
    TracesJson,
    LogsProtobuf,
    MetricsProtobuf,
    RemoteWrite,
}

/// What one client had acknowledged.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) protocol: Protocol,
    pub(crate) requests: u64,
    pub(crate) attempts: u64,
    /// Attempts that a living server has refused.
    pub(crate) refused: u64,
    pub(crate) events: u64,
    pub(crate) bad: u64,
}

impl Protocol {
    pub(crate) const ALL: [Self; 7] = [
        Self::Ndjson,
        Self::TracesGrpc,
        Self::TracesProtobuf,
        Self::TracesJson,
        Self::LogsProtobuf,
        Self::MetricsProtobuf,
        Self::RemoteWrite,
    ];

    /// The name of its service and of its SLO.
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Whether it sends counters, not events.
    fn is_metric(self) -> bool {
        matches!(self, Self::MetricsProtobuf | Self::RemoteWrite)
    }
}

/// One SLO for each protocol, over a day. Each `edition` defines those of events in other words,
/// which say the same.
pub(crate) fn documents(edition: u32) -> String {
    let document = |protocol: Protocol| {
        let name = protocol.name();
        let source = |kind: &str, spec: String| {
            format!("{{metricSource: {{type: {kind}, spec: {{{spec}}}}}}}")
        };
        let (total, bad) = if protocol.is_metric() {
            let query = |more: &str| format!("query: 'sent_total{{job=\"{name}\"{more}}}'");
            (source("prometheus", query("")), source("prometheus", query(",code=\"bad\"")))
        } else {
            let total = format!("where: \"service.name = '{name}'\"");
            (
                source("flyball", total),
                source("flyball", format!("where: \"code = 'bad' AND {edition} = {edition}\"")),
            )
        };
        format!(
            "---
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
        bad: {bad}
        total: {total}
  timeWindow: [{{duration: 1d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{target: 0.9}}]
"
        )
    };
    Protocol::ALL.into_iter().map(document).collect()
}

/// Sends requests until `ended`, each again and again until it is acknowledged.
pub(crate) async fn send(protocol: Protocol, to: SocketAddr, ended: Arc<AtomicBool>) -> Sent {
    let http2 = protocol == Protocol::TracesGrpc;
    let builder = reqwest::Client::builder().timeout(ANSWER_MAX);
    let client = if http2 { builder.http2_prior_knowledge() } else { builder };
    let client = client.build().unwrap();
    let mut sent = Sent { protocol, requests: 0, attempts: 0, refused: 0, events: 0, bad: 0 };
    // The first samples of counters say where they stand, and count nothing.
    let mut counters = [0_u64, 0];
    let mut at = 0;
    while !ended.load(Ordering::SeqCst) {
        let events = 1 + sent.requests % 50;
        let first = if protocol.is_metric() && sent.requests == 0 { 0 } else { events };
        let bad =
            (0..first).filter(|at| (sent.events + at).is_multiple_of(BAD_EVERY)).count() as u64;
        counters[0] += first - bad;
        counters[1] += bad;
        // Each sample of a series needs a time of its own, and remote write knows milliseconds.
        at = (at + 1).max(now_millis());
        let number = sent.requests;
        let request = Request { protocol, number, at, events: first, bad, counters };
        let body = request.body();
        loop {
            sent.attempts += 1;
            match request.post(&client, to, body.clone()).await {
                Answer::Acknowledged => break,
                Answer::Refused => sent.refused += 1,
                Answer::None => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        sent.requests += 1;
        sent.events += first;
        sent.bad += bad;
    }
    sent
}

/// What the server has counted for a client: valid and bad. Waits until it is at least what was
/// acknowledged, and then for nothing more: what is too much is there as well.
pub(crate) async fn counted(at: SocketAddr, sent: &Sent, most: Duration) -> (u64, u64) {
    let url = format!("http://{at}/api/v1/slos/{}", sent.protocol.name());
    let mut last = (0, 0);
    let look = async {
        loop {
            let said: serde_json::Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
            let objective = &said["objectives"][0];
            let sum = |key: &str| {
                let of = |part: &str| objective[part][key].as_u64().unwrap();
                of("budget") + of("newest")
            };
            last = (sum("valid"), sum("bad"));
            if last.0 >= sent.events {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let _ = tokio::time::timeout(most, look).await;
    last
}

/// What became of an attempt.
enum Answer {
    Acknowledged,
    Refused,
    /// The server was gone, before or after it took the request in.
    None,
}

/// One request of a client.
struct Request {
    protocol: Protocol,
    number: u64,
    /// When it is made, in milliseconds since the epoch.
    at: u64,
    events: u64,
    bad: u64,
    /// What counters stand at after it: good and bad.
    counters: [u64; 2],
}

impl Request {
    async fn post(&self, client: &reqwest::Client, to: SocketAddr, body: Vec<u8>) -> Answer {
        let (path, headers): (&str, &[(&str, &str)]) = match self.protocol {
            Protocol::Ndjson => ("/api/v1/events", &[("content-type", "application/x-ndjson")]),
            Protocol::TracesGrpc => (
                "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                &[("content-type", "application/grpc"), ("te", "trailers")],
            ),
            Protocol::TracesProtobuf => ("/v1/traces", &[("content-type", PROTOBUF)]),
            Protocol::TracesJson => ("/v1/traces", &[("content-type", "application/json")]),
            Protocol::LogsProtobuf => ("/v1/logs", &[("content-type", PROTOBUF)]),
            Protocol::MetricsProtobuf => ("/v1/metrics", &[("content-type", PROTOBUF)]),
            Protocol::RemoteWrite => {
                ("/api/v1/write", &[("content-type", PROTOBUF), ("content-encoding", "snappy")])
            }
        };
        let mut request = client.post(format!("http://{to}{path}")).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if matches!(self.protocol, Protocol::Ndjson | Protocol::LogsProtobuf) {
            // Spans have ids and samples have times; these say by themselves which they are.
            let key = format!("{:?}-{}", self.protocol, self.number);
            request = request.header("idempotency-key", key);
        }
        let Ok(answer) = request.send().await else { return Answer::None };
        let status = answer.status();
        // Whatever is answered is either an acknowledgement or a promise that nothing counts.
        assert!(!status.is_client_error() || status.as_u16() == 429, "{status}");
        let in_headers = answer.headers().get("grpc-status").cloned();
        let Ok(body) = answer.bytes().await else { return Answer::None };
        // gRPC says in the headers what goes wrong before there is a message; with one, the stream
        // has ended in order, or its body would be an error.
        let is_message = self.protocol != Protocol::TracesGrpc || body.len() >= 5;
        match in_headers {
            None if status.is_success() && is_message => Answer::Acknowledged,
            _ => Answer::Refused,
        }
    }

    fn body(&self) -> Vec<u8> {
        match self.protocol {
            Protocol::Ndjson => self.lines().into_bytes(),
            Protocol::TracesGrpc => {
                let message = self.traces().encode_to_vec();
                let length = u32::try_from(message.len()).unwrap().to_be_bytes();
                [&[0], length.as_slice(), &message].concat()
            }
            Protocol::TracesProtobuf => self.traces().encode_to_vec(),
            Protocol::TracesJson => self.traces_json().into_bytes(),
            Protocol::LogsProtobuf => self.logs().encode_to_vec(),
            Protocol::MetricsProtobuf => self.metrics().encode_to_vec(),
            Protocol::RemoteWrite => {
                let message = self.write_request();
                snap::raw::Encoder::new().compress_vec(&message).unwrap()
            }
        }
    }

    const fn nanos(&self) -> u64 {
        self.at * 1_000_000
    }

    fn code(&self, at: u64) -> &'static str {
        if at < self.bad { "bad" } else { "ok" }
    }

    fn lines(&self) -> String {
        let (now, name) = (self.nanos(), self.protocol.name());
        let line = |at| {
            let code = self.code(at);
            format!("{{\"time\":{now},\"service.name\":\"{name}\",\"code\":\"{code}\"}}\n")
        };
        (0..self.events).map(line).collect()
    }

    fn resource(&self) -> Resource {
        let attributes = vec![text("service.name", &self.protocol.name())];
        Resource { attributes, ..Resource::default() }
    }

    fn ids(&self, at: u64) -> (Vec<u8>, Vec<u8>) {
        let trace = [self.number.to_be_bytes(), (self.protocol as u64 + 1).to_be_bytes()].concat();
        (trace, (at + 1).to_be_bytes().to_vec())
    }

    fn traces(&self) -> ExportTraceServiceRequest {
        let now = self.nanos();
        let span = |at| {
            let (trace_id, span_id) = self.ids(at);
            Span {
                trace_id,
                span_id,
                name: "GET /".to_owned(),
                start_time_unix_nano: now,
                end_time_unix_nano: now + 1_000_000,
                attributes: vec![text("code", self.code(at))],
                ..Span::default()
            }
        };
        let spans = (0..self.events).map(span).collect();
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource());
        let part = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![part] }
    }

    fn traces_json(&self) -> String {
        let now = self.nanos().to_string();
        let text = |key: &str, value: &str| serde_json::json!({"key": key, "value": {"stringValue": value}});
        let span = |at| {
            let (trace, span) = self.ids(at);
            serde_json::json!({
                "traceId": hex(&trace), "spanId": hex(&span), "name": "GET /",
                "startTimeUnixNano": now, "endTimeUnixNano": now,
                "attributes": [text("code", self.code(at))],
            })
        };
        let spans: Vec<_> = (0..self.events).map(span).collect();
        let resource = serde_json::json!({
            "attributes": [text("service.name", &self.protocol.name())]
        });
        let part = serde_json::json!({"resource": resource, "scopeSpans": [{"spans": spans}]});
        serde_json::json!({"resourceSpans": [part]}).to_string()
    }

    fn logs(&self) -> ExportLogsServiceRequest {
        let now = self.nanos();
        let record = |at| LogRecord {
            time_unix_nano: now,
            attributes: vec![text("code", self.code(at))],
            ..LogRecord::default()
        };
        let log_records = (0..self.events).map(record).collect();
        let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
        let resource = Some(self.resource());
        let part = ResourceLogs { resource, scope_logs, ..ResourceLogs::default() };
        ExportLogsServiceRequest { resource_logs: vec![part] }
    }

    fn metrics(&self) -> ExportMetricsServiceRequest {
        let now = self.nanos();
        let point = |code: &str, value: u64| NumberDataPoint {
            time_unix_nano: now,
            attributes: vec![text("code", code)],
            value: Some(number_data_point::Value::AsInt(value.cast_signed())),
            ..NumberDataPoint::default()
        };
        let sum = Sum {
            data_points: vec![point("ok", self.counters[0]), point("bad", self.counters[1])],
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        };
        let metric = Metric {
            name: "sent".to_owned(),
            data: Some(metric::Data::Sum(sum)),
            ..Metric::default()
        };
        let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
        let resource = Some(self.resource());
        let part = ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![part] }
    }

    /// `prometheus.WriteRequest`: series 1; labels 1 and samples 2 within; name 1 and value 2, or
    /// value 1 and time 2, within those.
    fn write_request(&self) -> Vec<u8> {
        let millis = self.at.cast_signed();
        let mut request = Vec::new();
        for (code, value) in [("ok", self.counters[0]), ("bad", self.counters[1])] {
            let mut series = Vec::new();
            let name = self.protocol.name();
            for (key, label) in [("__name__", "sent_total"), ("code", code), ("job", &name)] {
                let mut pair = Vec::new();
                prost::encoding::string::encode(1, &key.to_owned(), &mut pair);
                prost::encoding::string::encode(2, &label.to_owned(), &mut pair);
                prost::encoding::bytes::encode(1, &pair, &mut series);
            }
            let mut sample = Vec::new();
            #[expect(clippy::cast_precision_loss, reason = "counts are small")]
            prost::encoding::double::encode(1, &(value as f64), &mut sample);
            prost::encoding::int64::encode(2, &millis, &mut sample);
            prost::encoding::bytes::encode(2, &sample, &mut series);
            prost::encoding::bytes::encode(1, &series, &mut request);
        }
        request
    }
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

const PROTOBUF: &str = "application/x-protobuf";

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

#[expect(clippy::disallowed_methods, reason = "the server reads the same clock")]
fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
