//! Events as newline-delimited JSON over HTTP.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::body::{compression, idempotency_key, media_type, read};
use super::described::BodyHeaders;
use super::extract::Query;
use super::problem::Problem;
use super::shapes;
use crate::auth::Caller;
use crate::entry::Content;
use crate::intake::{Offer, Receipt};

/// The longest name of a service. Bytes.
const SERVICE_BYTES_MAX: usize = 255;

/// How events are to be taken.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct IngestQuery {
    /// The service of events without a `service.name`.
    #[param(max_length = 255)]
    service: Option<String>,
}

/// What became of the events.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Ingested {
    /// Events that count. They are on disk.
    events: u64,
    /// Whether a request with the same idempotency key was taken in before; this one is left out.
    repeated: bool,
    /// Records that do not count, by reason.
    rejected: Vec<RejectedRecords>,
    /// Texts that conditions read and that were longer than an attribute may be; their events count, with
    /// what is left of them. Not there where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    texts_cut: Option<u64>,
    /// What there is to say of events that count.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// Records that do not count.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct RejectedRecords {
    /// Why.
    reason: String,
    /// How many.
    count: u64,
    /// The first few, each with its line from 1.
    #[schema(value_type = Vec<shapes::Example>)]
    examples: Vec<flyball_events::Example>,
}

impl From<Receipt> for Ingested {
    fn from(receipt: Receipt) -> Self {
        let rejected = receipt.refusals().map(|(reason, rejected)| RejectedRecords {
            reason: reason.to_owned(),
            count: rejected.count,
            examples: rejected.examples.clone(),
        });
        let rejected = rejected.collect();
        let Receipt { events, repeated, texts_cut: (texts_cut, warning), .. } = receipt;
        let texts_cut = (texts_cut > 0).then_some(texts_cut);
        Self { events, repeated, rejected, texts_cut, warning }
    }
}

/// Takes events in, one JSON object a line. The answer comes when they are on disk.
///
/// With an `Idempotency-Key` a request that is sent again within an hour counts once. Without one,
/// two equal requests are two requests.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "ingest",
    params(IngestQuery, BodyHeaders),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "The events that could be read are on disk", body = Ingested),
        (status = 400, description = "Nothing could be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not this media type", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The key was used for other content", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much at once; send it again", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written; send it again", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["ingest"]), ("session" = ["admin"]))
)]
pub(super) async fn ingest(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<IngestQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Ingested>, Problem> {
    let media = media_type(&headers);
    let known = ["", "application/x-ndjson", "application/ndjson", "application/jsonl"];
    if !known.contains(&media.as_str()) {
        let said = format!("events are not read as `{media}`; hint: use application/x-ndjson");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &said));
    }
    let service = query.service.filter(|service| !service.is_empty());
    if service.as_ref().is_some_and(|service| service.len() > SERVICE_BYTES_MAX) {
        let said = format!("`service` is longer than {SERVICE_BYTES_MAX} bytes");
        return Err(Problem::new(StatusCode::BAD_REQUEST, &said));
    }
    let (compression, key) = (compression(&headers)?, idempotency_key(&headers, &caller)?);
    let body = read(&app, Content::Ndjson.name(), &headers, body).await?;
    let services = caller.services().to_vec();
    let offer = Offer { service, key, services, ..Offer::new(Content::Ndjson, compression, body) };
    let receipt = app.intake.accept(offer).await?;
    if receipt.events == 0
        && let Some((reason, rejected)) = receipt.refusals().next()
        && let Some(example) = rejected.examples.first()
    {
        let total = receipt.rejects.total();
        let said = format!(
            "none of {total} records could be counted; line {}: {reason}: {}",
            example.line, example.excerpt
        );
        return Err(Problem::new(StatusCode::BAD_REQUEST, &said));
    }
    Ok(Json(receipt.into()))
}
