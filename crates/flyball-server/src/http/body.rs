//! Reading a request's body, bounded in size, and what its headers say of it. How long it may take is [`super::metered`]'s.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::metered::BodyEnd;
use super::problem::Problem;
use super::{App, grpc};
use crate::auth::Caller;
use crate::entry::Compression;
use crate::intake::SenderKey;

/// The longest idempotency key of a client. Bytes; the draft standard's clients send UUIDs.
const KEY_BYTES_MAX: usize = 255;
/// Memory that a body is given at once when it says that it is as long. Bytes; more comes as it does.
const RESERVED_BYTES_MAX: usize = 1 << 20;

/// Reads `body` to its end, as [`read_at_most`], up to the limit of all requests.
///
/// # Errors
///
/// Those of [`read_at_most`].
pub(super) async fn read(
    app: &App,
    content: &'static str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, Problem> {
    read_at_most(app, content, headers, body, app.intake.limits().request_bytes_max).await
}

/// Reads `body`, of at most `max` bytes, to its end. A refusal is counted as one of `content`.
///
/// # Errors
///
/// A problem with status 413 for a body past the limit, told as soon as its length or the bytes
/// that came show it; 408 when it takes too long; 429 when there is no room for it at the moment; 400
/// when it breaks off.
pub(super) async fn read_at_most(
    app: &App,
    content: &'static str,
    headers: &HeaderMap,
    mut body: Body,
    max: usize,
) -> Result<Bytes, Problem> {
    let too_large = || {
        app.telemetry.refused(content, "too large");
        let said = format!(
            "the body is larger than {max} bytes; hint: send smaller batches, or compress them"
        );
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, &said)
    };
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    let (mut whole, mut first) = (BytesMut::new(), Bytes::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let (reason, problem) = ended(&*error.into_inner());
            app.telemetry.refused(content, reason);
            problem
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + whole.len() + data.len() > max {
            return Err(too_large());
        }
        // A body in one piece is not copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            if whole.is_empty() {
                let length = length.or_else(|| grpc::said_bytes(headers, &first)).unwrap_or(0);
                whole
                    .reserve(usize::try_from(length).unwrap_or(usize::MAX).min(RESERVED_BYTES_MAX));
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Why a body did not come to its end, in one word and as a problem.
fn ended(error: &(dyn std::error::Error + 'static)) -> (&'static str, Problem) {
    let (reason, status) = match error.downcast_ref::<BodyEnd>() {
        Some(BodyEnd::Idle(_)) => ("idle", StatusCode::REQUEST_TIMEOUT),
        Some(BodyEnd::Slow(_)) => ("slow", StatusCode::REQUEST_TIMEOUT),
        Some(BodyEnd::NoRoom) => ("no room", StatusCode::TOO_MANY_REQUESTS),
        Some(BodyEnd::Broken(_)) | None => ("broken off", StatusCode::BAD_REQUEST),
    };
    (reason, Problem::new(status, &error.to_string()))
}

/// How the body is compressed.
///
/// # Errors
///
/// A problem with status 415 for any other encoding.
pub(super) fn compression(headers: &HeaderMap) -> Result<Compression, Problem> {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(Compression::None);
    };
    match encoding.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Compression::None),
        "gzip" | "x-gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        other => {
            let said = format!("no Content-Encoding `{other}`; hint: use gzip, zstd or none");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &said))
        }
    }
}

/// The media type of the body, without its parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Reads a body that says that it is JSON, as [`read_any_json`].
///
/// # Errors
///
/// Those of [`read_any_json`]; a problem with status 415 for another media type.
pub(super) async fn read_json<T: DeserializeOwned>(
    app: &App,
    content: &'static str,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let media = media_type(headers);
    if media != "application/json" {
        let said = format!("nothing is read here as `{media}`; hint: send application/json");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &said));
    }
    read_any_json(app, content, headers, body).await
}

/// Reads a body to its end, as [`read`], and what it says in JSON, whatever type it is called.
///
/// # Errors
///
/// Those of [`read`]; a problem with status 400 for what cannot be read.
pub(super) async fn read_any_json<T: DeserializeOwned>(
    app: &App,
    content: &'static str,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let body = read(app, content, headers, body).await?;
    // The reader takes a list for an object whose fields stand in their order.
    if body.trim_ascii_start().first() == Some(&b'[') {
        let said = "the request is a list; hint: an object is wanted, see /api/v1/openapi.json";
        return Err(Problem::new(StatusCode::BAD_REQUEST, said));
    }
    serde_json::from_slice(&body).map_err(|error| {
        let mut cause = error.to_string();
        // Where in a line that a program wrote a value stands says nothing; where JSON breaks off does.
        if error.is_data() {
            let place = format!(" at line {} column {}", error.line(), error.column());
            cause.truncate(cause.strip_suffix(&place).map_or(cause.len(), str::len));
        }
        let said = format!("the request cannot be read: {cause}; hint: see /api/v1/openapi.json");
        Problem::new(StatusCode::BAD_REQUEST, &said)
    })
}

/// The idempotency key that `caller` has given the request.
///
/// # Errors
///
/// A problem with status 400 for one that cannot be used.
pub(super) fn idempotency_key(
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Option<SenderKey>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= KEY_BYTES_MAX => {
            Ok(Some(SenderKey { sender: caller.actor(), key: key.to_owned() }))
        }
        _ => {
            let said = format!(
                "the Idempotency-Key cannot be used; hint: 1 to {KEY_BYTES_MAX} ASCII characters"
            );
            Err(Problem::new(StatusCode::BAD_REQUEST, &said))
        }
    }
}
