//! OTLP over gRPC.
//!
//! A call has one message each way, so the framing is done here: the message is passed on as it
//! came, compressed or not, and is decompressed where all bodies are, within the same bounds and off
//! the threads that answer. What is in it is decoded straight into columns.
//!
//! Source: the gRPC specification, "gRPC over HTTP2", "Requests" and "Responses".

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures::future::ready;
use http_body_util::{BodyExt, Full};
use tonic::{Code, Status};

use super::App;
use super::body::{idempotency_key, read};
use super::described::{Binary, GrpcAnswers};
use super::otlp::{Signal, grpc_code, success};
use super::problem::Problem;
use crate::auth::Caller;
use crate::entry::Compression;
use crate::intake::Offer;

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
const MEDIA: &str = "application/grpc";

/// Takes spans in, by OTLP over gRPC. The answer comes when they are on disk.
#[utoipa::path(
    post,
    path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    operation_id = "export_trace",
    tag = "ingest",
    request_body(content((Binary = "application/grpc"))),
    responses(GrpcAnswers),
    security(("token" = ["ingest"]), ("session" = ["admin"]))
)]
pub(super) async fn trace(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    export(app, Signal::Traces, caller, headers, body).await
}

/// Takes log records in, by OTLP over gRPC. The answer comes when they are on disk.
#[utoipa::path(
    post,
    path = "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    operation_id = "export_logs",
    tag = "ingest",
    request_body(content((Binary = "application/grpc"))),
    responses(GrpcAnswers),
    security(("token" = ["ingest"]), ("session" = ["admin"]))
)]
pub(super) async fn logs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    export(app, Signal::Logs, caller, headers, body).await
}

/// Takes samples of metrics in, by OTLP over gRPC. The answer comes when they are on disk.
#[utoipa::path(
    post,
    path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    operation_id = "export_metrics",
    tag = "ingest",
    request_body(content((Binary = "application/grpc"))),
    responses(GrpcAnswers),
    security(("token" = ["ingest"]), ("session" = ["admin"]))
)]
pub(super) async fn metrics(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    export(app, Signal::Metrics, caller, headers, body).await
}

/// Whether the request is one of gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media.is_some_and(|media| media.starts_with(MEDIA))
}

/// How many bytes a call's body is by what it begins with; `None` for other requests. It may be wrong.
pub(super) fn said_bytes(headers: &HeaderMap, begin: &[u8]) -> Option<u64> {
    let [_, length @ ..] = begin.first_chunk::<PREFIX_BYTES>().filter(|_| is_grpc(headers))?;
    Some(PREFIX_BYTES as u64 + u64::from(u32::from_be_bytes(*length)))
}

/// The answer to a method that there is not.
pub(super) fn unimplemented() -> Response {
    Status::unimplemented("there is no such service here").into_http::<Body>()
}

/// A call that is refused for `problem`.
pub(super) fn refusal(problem: &Problem) -> Response {
    status(problem, matches!(problem.status, 408 | 429 | 503)).into_http::<Body>()
}

fn status(problem: &Problem, is_temporary: bool) -> Status {
    // What may be sent again must not be RESOURCE_EXHAUSTED, which without a delay tells clients to
    // give up.
    let code = match grpc_code(problem.status) {
        _ if is_temporary => Code::Unavailable,
        3 => Code::InvalidArgument,
        7 => Code::PermissionDenied,
        8 => Code::ResourceExhausted,
        16 => Code::Unauthenticated,
        _ => Code::Internal,
    };
    Status::new(code, problem.text())
}

async fn export(
    app: App,
    signal: Signal,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if !is_grpc(&headers) {
        let said = format!("calls of gRPC are not read as another type; hint: {MEDIA}");
        return Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &said).into_response();
    }
    let content = signal.content(false);
    let key = match idempotency_key(&headers, &caller) {
        Ok(key) => key,
        Err(problem) => return refusal(&problem),
    };
    let body = match read(&app, content.name(), &headers, body).await {
        Ok(body) => body,
        Err(problem) => return refusal(&problem),
    };
    let (compression, message) = match message(&headers, body) {
        Ok(message) => message,
        Err(status) => return refused_encoding(status),
    };
    let offer = Offer {
        key,
        services: caller.services().to_vec(),
        ..Offer::new(content, compression, message)
    };
    match app.intake.accept(offer).await {
        Ok(receipt) => answer(&success(signal, false, &receipt)),
        Err(refusal) => {
            let is_temporary = refusal.is_temporary();
            status(&Problem::from(refusal), is_temporary).into_http::<Body>()
        }
    }
}

/// The one message of a call, and how it is compressed.
fn message(headers: &HeaderMap, mut body: Bytes) -> Result<(Compression, Bytes), Status> {
    let malformed = |said: &str| Err(Status::invalid_argument(said.to_owned()));
    if body.len() < PREFIX_BYTES {
        return malformed("the call has no message");
    }
    let prefix = body.split_to(PREFIX_BYTES);
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    if body.len() as u64 != u64::from(length) {
        return malformed("the call's one message does not have the length that it says");
    }
    let compression = match (prefix[0], encoding(headers)) {
        (0, _) => Compression::None,
        (1, "gzip") => Compression::Gzip,
        (1, "zstd") => Compression::Zstd,
        (1, "identity") => return malformed("the message is compressed and does not say how"),
        (1, _) => return Err(Status::unimplemented("compression is gzip, zstd or none")),
        _ => return malformed("the message's first byte is neither 0 nor 1"),
    };
    Ok((compression, body))
}

fn encoding(headers: &HeaderMap) -> &str {
    headers.get("grpc-encoding").map_or("identity", |value| value.to_str().unwrap_or_default())
}

/// A message that cannot be read, with what could be.
fn refused_encoding(status: Status) -> Response {
    let mut response = status.into_http::<Body>();
    let known = HeaderValue::from_static("identity,gzip,zstd");
    response.headers_mut().insert("grpc-accept-encoding", known);
    response
}

/// A call that went well: the message, and the status behind it.
fn answer(message: &[u8]) -> Response {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(framed.freeze()).with_trailers(ready(Some(Ok(trailers))));
    ([(header::CONTENT_TYPE, MEDIA)], Body::new(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(flag: u8, length: u32, bytes: &[u8]) -> Bytes {
        let mut framed = BytesMut::new();
        framed.put_u8(flag);
        framed.put_u32(length);
        framed.put_slice(bytes);
        framed.freeze()
    }

    #[test]
    fn a_message_is_taken_out_of_its_frame_with_its_compression() {
        let mut headers = HeaderMap::new();
        let (how, bytes) = message(&headers, framed(0, 3, b"abc")).unwrap();
        assert_eq!((how, &bytes[..]), (Compression::None, &b"abc"[..]));
        headers.insert("grpc-encoding", HeaderValue::from_static("zstd"));
        let (how, _) = message(&headers, framed(1, 3, b"abc")).unwrap();
        assert_eq!(how, Compression::Zstd);
        headers.insert("grpc-encoding", HeaderValue::from_static("br"));
        let status = message(&headers, framed(1, 3, b"abc")).unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }

    #[test]
    fn frames_that_do_not_fit_are_refused() {
        let headers = HeaderMap::new();
        for (flag, length, bytes) in [
            (0, 4, &b"abc"[..]),
            (0, 2, b"abc"),
            (1, 3, b"abc"),
            (2, 3, b"abc"),
            (0, u32::MAX, b""),
        ] {
            let status = message(&headers, framed(flag, length, bytes)).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
        }
        assert!(message(&headers, Bytes::from_static(b"\0\0\0")).is_err());
    }
}
