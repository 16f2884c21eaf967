//! What is sent, and how long each acknowledgement took.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::{Kind, now};

/// Services that events are of.
pub(crate) const SERVICES: usize = 10;
/// Events of one request: what OpenTelemetry's SDKs send at once.
const BATCH: u64 = 512;
/// Requests under way at the same time.
const SENDERS: usize = 8;

/// `count` SLOs, the same number of each service, the first of each over all of its events.
pub(crate) fn documents(count: usize) -> String {
    let document = |number: usize| {
        let (service, limit) = (number * SERVICES / count, 100 + number % SERVICES * 50);
        format!(
            "---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: slo-{number}}}
spec:
  service: service-{service}
  indicator:
    metadata: {{name: slo-{number}}}
    spec:
      ratioMetric:
        counter: true
        good: {{metricSource: {{type: flyball, spec: {{where: http.response.status_code < 500 AND latency_ms <= {limit}}}}}}}
        total: {{metricSource: {{type: flyball, spec: {{where: service.name = 'service-{service}'}}}}}}
  timeWindow: [{{duration: 30d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{target: 0.99}}]
"
        )
    };
    (0..count).map(document).collect()
}

/// Requests to send.
pub(crate) struct Load {
    kind: Kind,
    bodies: Arc<Vec<Vec<u8>>>,
    /// Goes up with every run, so that none repeats another.
    run: u64,
}

/// How long acknowledgements took, in milliseconds, ascending.
pub(crate) struct Sent(Vec<f64>);

impl Sent {
    pub(crate) fn of(mut took: Vec<f64>) -> Self {
        took.sort_by(f64::total_cmp);
        Self(took)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * percent / 100.0) as usize]
    }
}

impl Load {
    pub(crate) fn new(kind: Kind, events: u64) -> Self {
        let bodies = (0..events.div_ceil(BATCH)).map(|batch| {
            let numbers = batch * BATCH..((batch + 1) * BATCH).min(events);
            match kind {
                Kind::Spans => spans(batch, numbers),
                Kind::Lines => lines(batch, numbers),
            }
        });
        Self { kind, bodies: Arc::new(bodies.collect()), run: 0 }
    }

    /// The same load once more, told apart from the first.
    pub(crate) fn again(&self) -> Self {
        let bodies = self.bodies.iter().map(|body| match self.kind {
            Kind::Lines => body.clone(),
            Kind::Spans => {
                let mut request = ExportTraceServiceRequest::decode(&body[5..]).unwrap_or_default();
                for span in request.resource_spans.iter_mut().flat_map(|r| &mut r.scope_spans) {
                    span.spans.iter_mut().for_each(|span| span.trace_id[0] ^= 0x80);
                }
                framed(&request)
            }
        });
        Self { kind: self.kind, bodies: Arc::new(bodies.collect()), run: self.run + 1 }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bodies.iter().map(Vec::len).sum()
    }

    pub(crate) fn joined(&self) -> Vec<u8> {
        self.bodies.concat()
    }

    /// Sends everything; spread evenly over `seconds` where they are given.
    pub(crate) async fn send(&self, to: SocketAddr, seconds: Option<f64>) -> anyhow::Result<Sent> {
        let next = Arc::new(AtomicUsize::new(0));
        let begun = now();
        let mut senders = Vec::new();
        for _ in 0..SENDERS {
            let (next, bodies, kind) = (Arc::clone(&next), Arc::clone(&self.bodies), self.kind);
            let builder = reqwest::Client::builder();
            let client = match kind {
                Kind::Spans => builder.http2_prior_knowledge().build()?,
                Kind::Lines => builder.build()?,
            };
            let run = self.run;
            senders.push(tokio::spawn(async move {
                let mut took = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(body) = bodies.get(at) else { return anyhow::Ok(took) };
                    if let Some(seconds) = seconds {
                        let share = seconds * at as f64 / bodies.len() as f64;
                        let due = begun + Duration::from_secs_f64(share);
                        tokio::time::sleep_until(due.into()).await;
                    }
                    let sent = now();
                    post(&client, kind, to, run, at, body.clone()).await?;
                    took.push(now().duration_since(sent).as_secs_f64() * 1e3);
                }
            }));
        }
        let mut took = Vec::new();
        for sender in senders {
            took.extend(sender.await??);
        }
        Ok(Sent::of(took))
    }

    /// Decodes every body into generated structs: how many spans there are, and how long it took.
    pub(crate) fn decode_into_structs(&self) -> anyhow::Result<(u64, Duration)> {
        let begun = now();
        let mut spans = 0;
        for body in self.bodies.iter() {
            let request = ExportTraceServiceRequest::decode(&body[5..])?;
            let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
            spans += scopes.map(|scope| scope.spans.len() as u64).sum::<u64>();
        }
        Ok((spans, now().duration_since(begun)))
    }
}

async fn post(
    client: &reqwest::Client,
    kind: Kind,
    to: SocketAddr,
    run: u64,
    number: usize,
    body: Vec<u8>,
) -> anyhow::Result<()> {
    let request = match kind {
        Kind::Spans => {
            let path = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
            let request = client.post(format!("http://{to}/{path}"));
            request.header("content-type", "application/grpc").header("te", "trailers")
        }
        Kind::Lines => client
            .post(format!("http://{to}/api/v1/events"))
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", format!("{run}-{number}")),
    };
    let answer = request.body(body).send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await?;
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    ensure!(!headers.contains_key("grpc-status"), "{headers:?}");
    Ok(())
}

/// What one event says, by its number.
struct Event {
    at: u64,
    service: usize,
    status: i64,
    latency: i64,
}

impl Event {
    #[expect(clippy::disallowed_methods, reason = "the server reads the same clock")]
    fn new(batch: u64, number: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        Self {
            at: u64::try_from(now.as_nanos()).unwrap_or_default(),
            service: usize::try_from(batch).unwrap_or_default() % SERVICES,
            status: if mixed.is_multiple_of(200) { 503 } else { 200 },
            latency: i64::try_from(mixed % 700).unwrap_or_default(),
        }
    }
}

/// Attributes that nobody asks about, so that an event has twenty.
const OTHERS: usize = 18;

fn spans(batch: u64, numbers: std::ops::Range<u64>) -> Vec<u8> {
    let text = |key: String, value: String| KeyValue {
        key,
        value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
        ..KeyValue::default()
    };
    let int = |key: &str, value: i64| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::IntValue(value)) }),
        ..KeyValue::default()
    };
    let mut service = 0;
    let spans = numbers.map(|number| {
        let event = Event::new(batch, number);
        service = event.service;
        let mut attributes =
            vec![int("http.response.status_code", event.status), int("latency_ms", event.latency)];
        for other in 0..OTHERS {
            attributes
                .push(text(format!("attribute.number.{other}"), format!("value-{}", number % 97)));
        }
        Span {
            trace_id: [number.to_be_bytes(), 1_u64.to_be_bytes()].concat(),
            span_id: (number + 1).to_be_bytes().to_vec(),
            name: "GET /cart".to_owned(),
            kind: 2,
            start_time_unix_nano: event.at,
            end_time_unix_nano: event.at + 1_000_000,
            attributes,
            ..Span::default()
        }
    });
    let spans: Vec<Span> = spans.collect();
    let attributes = vec![text("service.name".to_owned(), format!("service-{service}"))];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let part = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
    framed(&ExportTraceServiceRequest { resource_spans: vec![part] })
}

/// A message as gRPC frames it.
fn framed(request: &ExportTraceServiceRequest) -> Vec<u8> {
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or_default().to_be_bytes();
    [&[0], length.as_slice(), &message].concat()
}

fn lines(batch: u64, numbers: std::ops::Range<u64>) -> Vec<u8> {
    use std::fmt::Write;
    let mut lines = String::new();
    for number in numbers {
        let event = Event::new(batch, number);
        let _ = write!(
            lines,
            "{{\"time\":{},\"service.name\":\"service-{}\",\"http.response.status_code\":{},\"latency_ms\":{}",
            event.at, event.service, event.status, event.latency
        );
        for other in 0..OTHERS {
            let _ = write!(lines, ",\"attribute.number.{other}\":\"value-{}\"", number % 97);
        }
        lines.push_str("}\n");
    }
    lines.into_bytes()
}
