//! Measures decoding OTLP spans of 20 attributes from protobuf, in one run: into the structs of
//! `opentelemetry-proto`, into batches with all attributes, with four of them, and only walking the
//! fields, which nothing that reads the message can do without.
//!
//! ```text
//! cargo bench --profile quick -p flyball-events --bench otlp -- [SECONDS]
//! ```
//!
//! Times are CPU times of this process, the best of three runs. Different counts of spans end the
//! run with an error; a ratio that is not reached does not: machines differ.

use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;

use flyball_events::{
    BATCH_ROWS, BatchBuilder, OtlpCodec, OtlpEncoding, OtlpSignal, Projection, TimeRule,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// As many as a collector's batch processor sends by default.
const SPANS: u64 = 8_192;
const RATIO_MIN: f64 = 3.0;
const WANTED: [&str; 4] =
    ["service.name", "http.response.status_code", "duration_ms", "http.route"];

type Outcome<T> = Result<T, Box<dyn Error>>;
type Way<'a> = (&'a str, Box<dyn FnMut(&[u8]) -> Outcome<u64> + 'a>);

fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let seconds: f64 = arguments.next().map_or(Ok(1.0), |text| text.parse())?;
    let body = request().encode_to_vec();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{SPANS} spans of 20 attributes, {} bytes", body.len())?;
    let mut ways: Vec<Way<'_>> = vec![
        ("prost structs", Box::new(structs)),
        ("batches, all attributes", Box::new(batches(Projection::All))),
        (
            "batches, 4 attributes",
            Box::new(batches(Projection::Only(WANTED.map(str::to_owned).into()))),
        ),
        ("fields walked only", Box::new(|body| Ok(walk(body, 0)))),
    ];
    let mut first = None;
    for (name, way) in &mut ways {
        let mut best = f64::INFINITY;
        for _ in 0..3 {
            best = best.min(measure(way, &body, seconds)?);
        }
        let (nanos, rate) = (best * 1e9 / SPANS as f64, body.len() as f64 / best / 1e6);
        let base = *first.get_or_insert(best);
        let ratio = base / best;
        writeln!(out, "{name:<26} {nanos:>7.0} ns/span {rate:>7.0} MB/s {ratio:>6.2}×")?;
        if name.starts_with("batches") && ratio < RATIO_MIN {
            writeln!(out, "  below {RATIO_MIN}×")?;
        }
    }
    Ok(())
}

/// CPU seconds of one pass, over as many as take `seconds`.
fn measure(way: &mut dyn FnMut(&[u8]) -> Outcome<u64>, body: &[u8], seconds: f64) -> Outcome<f64> {
    let start = cpu_seconds()?;
    let mut passes = 0_u32;
    loop {
        let spans = way(black_box(body))?;
        if spans != SPANS {
            return Err(format!("{spans} spans where {SPANS} were written").into());
        }
        passes += 1;
        let spent = cpu_seconds()? - start;
        if spent >= seconds {
            return Ok(spent / f64::from(passes));
        }
    }
}

/// User and system time of this process.
fn cpu_seconds() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The fields after the command's closing parenthesis; 14 and 15 of all are the times.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap_or(0) + 2..].split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / 100.0)
}

fn structs(body: &[u8]) -> Outcome<u64> {
    let request = ExportTraceServiceRequest::decode(body)?;
    let scopes = request.resource_spans.iter().flat_map(|part| &part.scope_spans);
    let spans = scopes.map(|scope| scope.spans.len() as u64).sum();
    black_box(request);
    Ok(spans)
}

fn batches(projection: Projection) -> impl FnMut(&[u8]) -> Outcome<u64> {
    let mut codec = OtlpCodec::new();
    let mut batch = BatchBuilder::new(projection, Arc::default(), TimeRule::Required, None);
    move |body| {
        let request = codec.decode(
            OtlpSignal::Traces,
            OtlpEncoding::Protobuf,
            body,
            &mut batch,
            &mut |batch| black_box(batch.finish()).num_rows() <= BATCH_ROWS,
        )?;
        black_box(batch.finish());
        Ok(request.decoded.events)
    }
}

/// Steps over every field, those within messages too; answers how many there are of spans.
fn walk(mut bytes: &[u8], depth: u32) -> u64 {
    let mut spans = 0;
    while let Some((key, rest)) = varint(bytes) {
        bytes = rest;
        let skip = match key & 7 {
            0 => match varint(bytes) {
                Some((value, rest)) => {
                    black_box(value);
                    bytes.len() - rest.len()
                }
                None => bytes.len(),
            },
            1 => 8,
            2 => {
                let Some((len, rest)) = varint(bytes) else { break };
                bytes = rest;
                usize::try_from(len).unwrap_or(usize::MAX)
            }
            _ => 4,
        };
        let Some((value, rest)) = bytes.split_at_checked(skip) else { break };
        bytes = rest;
        spans += u64::from(depth == 2 && key >> 3 == 2);
        // Messages: parts, scopes, spans, then attributes and status, then values.
        let is_message = match depth {
            0 => true,
            1 | 2 => key >> 3 == 2,
            3 => matches!(key >> 3, 9 | 15),
            4 => key == 2 << 3 | 2,
            _ => false,
        };
        if is_message {
            spans += walk(value, depth + 1);
        }
    }
    spans
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 127) << (7 * index);
        if byte & 128 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, text: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(text.into()))
}

fn int(key: &str, int: u64) -> KeyValue {
    attribute(key, Value::IntValue(int.cast_signed()))
}

/// Spans of an HTTP server behind a proxy, which is where most events come from.
fn request() -> ExportTraceServiceRequest {
    let routes = ["/api/v1/cart/items", "/api/v1/checkout", "/search", "/api/v1/products/{id}"];
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |bound: u64| {
        // xorshift: enough to defeat the branch predictor's memory.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let spans = (0..SPANS).map(|number| {
        let route = routes[usize::try_from(next(4)).unwrap_or(0)];
        let id = next(u64::MAX);
        let start = 1_700_000_000_000_000_000 + number * 1_000_000;
        let status =
            [200, 200, 200, 201, 204, 301, 404, 500][usize::try_from(next(8)).unwrap_or(0)];
        Span {
            trace_id: [id.to_be_bytes(), number.to_be_bytes()].concat(),
            span_id: next(u64::MAX).to_be_bytes().to_vec(),
            parent_span_id: next(u64::MAX).to_be_bytes().to_vec(),
            name: format!("GET {route}"),
            kind: 2,
            start_time_unix_nano: start,
            end_time_unix_nano: start + next(900_000_000),
            attributes: vec![
                text("http.request.method", if next(5) == 0 { "POST" } else { "GET" }),
                int("http.response.status_code", status),
                text("http.route", route),
                text("url.path", format!("/api/v1/products/{}", next(1_000))),
                text("url.scheme", "https"),
                text("server.address", "shop.example.com"),
                int("server.port", 443),
                text("client.address", format!("198.18.{}.{}", next(8), next(256))),
                int("client.port", 1_024 + next(60_000)),
                text("network.protocol.version", "1.1"),
                text("network.peer.address", format!("198.19.0.{}", next(32))),
                text(
                    "user_agent.original",
                    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0",
                ),
                int("http.request.body.size", next(4_000)),
                int("http.response.body.size", next(200_000)),
                attribute("retry", Value::BoolValue(next(20) == 0)),
                attribute("queue.seconds", Value::DoubleValue(next(1_000) as f64 / 1_024.0)),
                text("cloud.region", ["eu-west-1", "us-east-1"][usize::from(next(2) == 0)]),
                text("host.name", format!("node-{:04}", next(300))),
                text("enduser.id", format!("user-{}", next(5_000))),
                text("feature.flags", "new-cart,fast-search"),
            ],
            status: Some(Status { code: if status < 500 { 0 } else { 2 }, ..Status::default() }),
            ..Span::default()
        }
    });
    let scope = InstrumentationScope {
        name: "io.opentelemetry.http".into(),
        version: "2.1.0".into(),
        ..InstrumentationScope::default()
    };
    let scope_spans =
        vec![ScopeSpans { scope: Some(scope), spans: spans.collect(), ..ScopeSpans::default() }];
    let attributes = vec![
        text("service.name", "checkout"),
        text("service.namespace", "shop"),
        text("service.version", "4.2.0"),
        text("deployment.environment.name", "production"),
        text("telemetry.sdk.language", "java"),
        int("process.pid", 4_711),
    ];
    let resource = Some(Resource { attributes, ..Resource::default() });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    }
}
