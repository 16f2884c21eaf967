//! OTLP over HTTP: protobuf and JSON.
//!
//! Source: the OTLP specification 1.x, "OTLP/HTTP": answers have the request's encoding; 400 for
//! what must not be sent again, 429 and 503 with `Retry-After` for what may.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::body::{compression, idempotency_key, media_type, read};
use super::described::{Binary, BodyHeaders, OtlpAnswers};
use super::problem::Problem;
use crate::auth::Caller;
use crate::entry::Content;
use crate::intake::{Offer, Receipt};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Logs,
    Metrics,
}

impl Signal {
    /// The content of a request in protobuf, or in JSON.
    pub(super) const fn content(self, is_json: bool) -> Content {
        match (self, is_json) {
            (Self::Traces, false) => Content::OtlpTracesProtobuf,
            (Self::Traces, true) => Content::OtlpTracesJson,
            (Self::Logs, false) => Content::OtlpLogsProtobuf,
            (Self::Logs, true) => Content::OtlpLogsJson,
            (Self::Metrics, false) => Content::OtlpMetricsProtobuf,
            (Self::Metrics, true) => Content::OtlpMetricsJson,
        }
    }

    /// What `partial_success` calls what was refused, in JSON.
    const fn rejected_key(self) -> &'static str {
        match self {
            Self::Traces => "rejectedSpans",
            Self::Logs => "rejectedLogRecords",
            Self::Metrics => "rejectedDataPoints",
        }
    }
}

/// Takes spans in, by OTLP over HTTP. The answer comes when they are on disk.
///
/// In JSON the body is OTLP's `ExportTraceServiceRequest` as protobuf writes it in JSON.
#[utoipa::path(
    post,
    path = "/v1/traces",
    tag = "ingest",
    params(BodyHeaders),
    request_body(content((Binary = "application/x-protobuf"), (Object = "application/json"))),
    responses(OtlpAnswers),
    security(("token" = ["ingest"]), ("session" = ["admin"]))
)]
pub(super) async fn traces(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    export(&app, Signal::Traces, &caller, &headers, body).await
}

/// Takes log records in, by OTLP over HTTP. The answer comes when they are on disk.
///
/// In JSON the body is OTLP's `ExportLogsServiceRequest` as protobuf writes it in JSON.
#[utoipa::path(
    post,
    path = "/v1/logs",
    tag = "ingest",
    params(BodyHeaders),
    request_body(content((Binary = "application/x-protobuf"), (Object = "application/json"))),
    responses(OtlpAnswers),
    security(("token" = ["ingest"]), ("session" = ["admin"]))
)]
pub(super) async fn logs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    export(&app, Signal::Logs, &caller, &headers, body).await
}

/// Takes samples of metrics in, by OTLP over HTTP. The answer comes when they are on disk.
///
/// In JSON the body is OTLP's `ExportMetricsServiceRequest` as protobuf writes it in JSON.
#[utoipa::path(
    post,
    path = "/v1/metrics",
    tag = "ingest",
    params(BodyHeaders),
    request_body(content((Binary = "application/x-protobuf"), (Object = "application/json"))),
    responses(OtlpAnswers),
    security(("token" = ["ingest"]), ("session" = ["admin"]))
)]
pub(super) async fn metrics(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    export(&app, Signal::Metrics, &caller, &headers, body).await
}

/// Whether the route at `path` is one of these.
pub(super) fn is_path(path: &str) -> bool {
    matches!(path, "/v1/traces" | "/v1/logs" | "/v1/metrics")
}

/// A request that is refused for `problem`, in its own encoding.
pub(super) fn refusal(headers: &HeaderMap, problem: &Problem) -> Response {
    let is_json = media_type(headers) == JSON;
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = answer(status, is_json, failure(is_json, problem));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let seconds = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

async fn export(
    app: &App,
    signal: Signal,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let media = media_type(headers);
    let is_json = match media.as_str() {
        PROTOBUF => false,
        JSON => true,
        _ => {
            let said = format!("OTLP is not read as `{media}`; hint: use {PROTOBUF} or {JSON}");
            return Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &said).into_response();
        }
    };
    match take(app, signal, is_json, caller, headers, body).await {
        Ok(receipt) => answer(StatusCode::OK, is_json, success(signal, is_json, &receipt)),
        Err(problem) => refusal(headers, &problem),
    }
}

async fn take(
    app: &App,
    signal: Signal,
    is_json: bool,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Receipt, Problem> {
    let content = signal.content(is_json);
    let (compression, key) = (compression(headers)?, idempotency_key(headers, caller)?);
    let body = read(app, content.name(), headers, body).await?;
    let services = caller.services().to_vec();
    let offer = Offer { key, services, ..Offer::new(content, compression, body) };
    Ok(app.intake.accept(offer).await?)
}

fn answer(status: StatusCode, is_json: bool, body: Vec<u8>) -> Response {
    let media = if is_json { JSON } else { PROTOBUF };
    (status, [(header::CONTENT_TYPE, media)], body).into_response()
}

/// `Export…ServiceResponse`: field 1 is `partial_success`, left out when everything was taken as it is. With
/// nothing refused its message is a warning.
pub(super) fn success(signal: Signal, is_json: bool, receipt: &Receipt) -> Vec<u8> {
    let warning = receipt.texts_cut.1.as_ref();
    let refused = match (receipt.refused(), warning) {
        (Some((count, refused)), Some(warning)) => Some((count, format!("{refused}; {warning}"))),
        (refused, warning) => refused.or_else(|| Some((0, warning?.clone()))),
    };
    let Some((count, message)) = refused else {
        return if is_json { b"{}".to_vec() } else { Vec::new() };
    };
    if is_json {
        // 64-bit integers are strings in protobuf's JSON.
        let partial = serde_json::json!({
            "partialSuccess": { signal.rejected_key(): count.to_string(), "errorMessage": message }
        });
        return partial.to_string().into_bytes();
    }
    let mut partial = Vec::new();
    varint_field(&mut partial, 1, count);
    bytes_field(&mut partial, 2, message.as_bytes());
    let mut response = Vec::new();
    bytes_field(&mut response, 1, &partial);
    response
}

/// `google.rpc.Status`: code 1, message 2.
fn failure(is_json: bool, problem: &Problem) -> Vec<u8> {
    let code = grpc_code(problem.status);
    let message = problem.text();
    if is_json {
        return serde_json::json!({ "code": code, "message": message }).to_string().into_bytes();
    }
    let mut status = Vec::new();
    varint_field(&mut status, 1, code);
    bytes_field(&mut status, 2, message.as_bytes());
    status
}

/// The code of `google.rpc.Code` that stands for an HTTP status.
pub(super) const fn grpc_code(status: u16) -> u64 {
    match status {
        401 => 16,
        403 => 7,
        408 => 4,
        // RESOURCE_EXHAUSTED would tell clients not to send it again unless told when.
        413 | 429 => 8,
        503 => 14,
        500..=599 => 13,
        _ => 3,
    }
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(u8::try_from(value & 0x7F).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    into.push(u8::try_from(value).unwrap_or_default());
}

fn varint_field(into: &mut Vec<u8>, tag: u64, value: u64) {
    varint(into, tag << 3);
    varint(into, value);
}

fn bytes_field(into: &mut Vec<u8>, tag: u64, bytes: &[u8]) {
    varint(into, tag << 3 | 2);
    varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}
