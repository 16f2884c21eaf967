//! Prometheus remote write, versions 1.0 and 2.0.
//!
//! Source: the specifications at prometheus.io/docs/specs/prw. What is retried is told apart by the
//! status: 5xx and 429 for what may be sent again, 400 for what must not.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::body::read;
use super::described::{Binary, WriteAnswers};
use super::problem::Problem;
use crate::auth::Caller;
use crate::entry::{Compression, Content};
use crate::intake::{Offer, Receipt};

const PROTOBUF: &str = "application/x-protobuf";
const MESSAGE_V1: &str = "prometheus.WriteRequest";
const MESSAGE_V2: &str = "io.prometheus.write.v2.Request";

const SAMPLES_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// Takes samples in, by Prometheus remote write 1.0 or 2.0, as the media type says. The answer comes
/// when they are on disk.
#[utoipa::path(
    post,
    path = "/api/v1/write",
    tag = "ingest",
    params(("Content-Encoding" = Option<String>, Header, description = "`snappy`, also when it is left out", pattern = "^snappy$")),
    request_body(content((Binary = "application/x-protobuf"))),
    responses(WriteAnswers),
    security(("token" = ["ingest"]))
)]
pub(super) async fn write(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let content = match content(&headers) {
        Ok(content) => content,
        Err(problem) => return problem.into_response(),
    };
    match take(&app, content, &caller, &headers, body).await {
        Ok(receipt) => answer(&receipt),
        Err(problem) => written(problem.into_response(), 0, 0),
    }
}

async fn take(
    app: &App,
    content: Content,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Receipt, Problem> {
    let body = read(app, content.name(), headers, body).await?;
    let services = caller.services().to_vec();
    let offer = Offer { services, ..Offer::new(content, Compression::Snappy, body) };
    Ok(app.intake.accept(offer).await?)
}

/// What was written, and what of it was refused: a request that was written in part is answered
/// with 400, as version 2.0 has it.
fn answer(receipt: &Receipt) -> Response {
    let numbers = receipt.events - receipt.histograms;
    let first = receipt.rejects.first();
    let Some((reason, example)) = first else {
        return written(StatusCode::NO_CONTENT.into_response(), numbers, receipt.histograms);
    };
    let said = format!(
        "{} records were not written; series {}: {reason}",
        receipt.rejects.total(),
        example.line
    );
    let problem = Problem::new(StatusCode::BAD_REQUEST, &said).into_response();
    written(problem, numbers, receipt.histograms)
}

/// Says how much was written. Exemplars are not kept.
fn written(mut response: Response, samples: u64, histograms: u64) -> Response {
    let counts =
        [(SAMPLES_WRITTEN, samples), (HISTOGRAMS_WRITTEN, histograms), (EXEMPLARS_WRITTEN, 0)];
    for (name, count) in counts {
        response.headers_mut().insert(name, HeaderValue::from(count));
    }
    response
}

/// Which message the body is.
///
/// # Errors
///
/// A problem with status 415 for another type or compression.
fn content(headers: &HeaderMap) -> Result<Content, Problem> {
    let refuse = |said: &str| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, said));
    let encoding = text(headers, &header::CONTENT_ENCODING);
    // Senders of version 1 may leave it out: they know no other.
    if !matches!(encoding.as_deref(), None | Some("snappy")) {
        return refuse("remote write is compressed by snappy; hint: Content-Encoding: snappy");
    }
    let Some(media) = text(headers, &header::CONTENT_TYPE) else {
        return Ok(Content::RemoteWriteV1);
    };
    let mut parts = media.split(';').map(str::trim);
    if parts.next() != Some(PROTOBUF) {
        return refuse(&format!("remote write is `{PROTOBUF}`, not `{media}`"));
    }
    let message = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        (name.trim() == "proto").then(|| value.trim().trim_matches('"'))
    });
    match message {
        None => Ok(Content::RemoteWriteV1),
        Some(name) if name.eq_ignore_ascii_case(MESSAGE_V1) => Ok(Content::RemoteWriteV1),
        Some(name) if name.eq_ignore_ascii_case(MESSAGE_V2) => Ok(Content::RemoteWriteV2),
        Some(other) => refuse(&format!("there is no message `{other}`; hint: use {MESSAGE_V2}")),
    }
}

/// The value of a header, trimmed, in lower case.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().unwrap_or_default();
    Some(value.trim().to_ascii_lowercase())
}
