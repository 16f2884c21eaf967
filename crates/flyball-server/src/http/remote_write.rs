//! Prometheus remote write, versions 1.0 and 2.0.
//!
//! Source: the specifications at prometheus.io/docs/specs/prw. What is retried is told apart by the
//! status: 5xx and 429 for what may be sent again, 400 for what must not. What it takes and refuses is
//! listed in `docs/metrics.md`.

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
    security(("token" = ["ingest"]), ("session" = ["admin"]))
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
        Ok(receipt) => answer(content, &receipt),
        Err(problem) => written(content, problem.into_response(), &Receipt::default()),
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

/// What was written, and what was not: a request that was written in part is answered with 400,
/// whatever of it was kept.
fn answer(content: Content, receipt: &Receipt) -> Response {
    let Some((refused, reasons)) = receipt.refused() else {
        return written(content, StatusCode::NO_CONTENT.into_response(), receipt);
    };
    let first = receipt.rejects.first().map_or(0, |(_, example)| example.line);
    let all = refused + receipt.events + receipt.exemplars;
    let said = format!(
        "{refused} of {all} samples, histograms and exemplars were not written: {reasons}; the first \
         is in series {first}"
    );
    let problem = Problem::new(StatusCode::BAD_REQUEST, &said).into_response();
    written(content, problem, receipt)
}

/// Says how much was written, as version 2 asks for; senders of version 1 know of no such thing.
fn written(content: Content, mut response: Response, receipt: &Receipt) -> Response {
    if content != Content::RemoteWriteV2 {
        return response;
    }
    let Receipt { events, histograms, exemplars, .. } = receipt;
    let counts = [
        (SAMPLES_WRITTEN, events - histograms),
        (HISTOGRAMS_WRITTEN, *histograms),
        (EXEMPLARS_WRITTEN, *exemplars),
    ];
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
    if !matches!(encoding.as_deref(), None | Some("" | "snappy")) {
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
    let value = String::from_utf8_lossy(headers.get(name)?.as_bytes());
    Some(value.trim().to_ascii_lowercase())
}
