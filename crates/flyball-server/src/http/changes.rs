//! Changes in the server's own words: recorded, listed, shown.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use flyball_connect::{BODY_BYTES_MAX, ConnectError, Format, Headers, Hook};
use flyball_store::StoreError;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::access::still;
use super::administration::wait;
use super::change_shapes::NewChange;
use super::extract::{Path, Query, page_size};
use super::problem::Problem;
use super::{App, body};
use crate::auth::{Caller, Needs};
use crate::changes::{
    ChangeView, ChangesError, PAGE_DEFAULT, PAGE_MAX, Receipt, ReportTold, Sender,
};

/// A page of changes.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ChangeList {
    /// Those that were heard of last first.
    changes: Vec<ChangeView>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// Which changes are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only changes of this service.
    service: Option<String>,
    /// Only changes that were heard of before the one of this number.
    #[serde(default, deserialize_with = "super::extract::number")]
    before: Option<u64>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl From<ChangesError> for Problem {
    fn from(error: ChangesError) -> Self {
        let status = match error {
            ChangesError::Another(_)
            | ChangesError::Taken { .. }
            | ChangesError::Restored { .. }
            | ChangesError::Otherwise { .. } => StatusCode::CONFLICT,
            ChangesError::Forbidden { .. } | ChangesError::NoService => StatusCode::FORBIDDEN,
            ChangesError::Store(StoreError::TooLong { .. } | StoreError::Invalid { .. }) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            ChangesError::Store(_) | ChangesError::Unreadable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &error.to_string())
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        let status = match error {
            ConnectError::Large { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            ConnectError::Json { .. } => StatusCode::BAD_REQUEST,
            ConnectError::Field { .. }
            | ConnectError::Header { .. }
            | ConnectError::Delivery { .. }
            | ConnectError::Change(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let (said, hint) = (error.to_string(), error.hint());
        let said = said.strip_suffix(&format!("; {hint}")).unwrap_or(&said);
        Self { hint: Some(hint.to_owned()), ..Self::new(status, said) }
    }
}

/// The headers of a request, as formats read them.
pub(super) fn headers_of(headers: &HeaderMap) -> Headers {
    let texts = headers.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    texts.collect()
}

/// Reads the body of a message, of which no format has more than [`BODY_BYTES_MAX`].
///
/// # Errors
///
/// Those of [`body::read_at_most`].
pub(super) async fn read(
    app: &App,
    system: &'static str,
    headers: &HeaderMap,
    body: Body,
) -> Result<bytes::Bytes, Problem> {
    body::read_at_most(app, system, headers, body, BODY_BYTES_MAX).await
}

/// Takes in what `body` says in `format`, and tells what became of it.
///
/// # Errors
///
/// What cannot be read, may not be said, or cannot be kept.
pub(super) async fn take(
    app: App,
    system: &'static str,
    (format, headers, hook): (Format, Headers, Hook),
    body: bytes::Bytes,
    sender: Sender,
) -> Result<Receipt, Problem> {
    let refused = |app: &App, problem: Problem| {
        app.telemetry.refused(system, "not understood");
        problem
    };
    let received = flyball_connect::read(&format, &headers, &body, &hook)
        .map_err(|error| refused(&app, error.into()))?;
    let changes = app.changes.clone();
    let noted = wait(move || {
        let hash = Sha256::digest(&body).into();
        changes.receive(&received, hash, &sender, hook.received)
    })
    .await;
    let receipt = noted.inspect_err(|problem| {
        let reason = match problem.status {
            409 => "contradicts",
            403 => "service",
            _ => "not kept",
        };
        app.telemetry.refused(system, reason);
    })?;
    let is_kept = receipt.reports.iter().any(|one| !matches!(one, ReportTold::Ignored { .. }));
    app.telemetry.told(
        system,
        match (receipt.repeated, is_kept) {
            (true, _) => "repeated",
            (false, true) => "kept",
            (false, false) => "ignored",
        },
    );
    Ok(receipt)
}

/// Records a change, or news of one that is known by its `id`.
///
/// The answer comes when it is on disk. Sent again with the same Idempotency-Key, or the same body
/// without one, it changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/changes",
    tag = "changes",
    params(("Idempotency-Key" = Option<String>, Header, description = "What the message is known by when it is sent again; at most 1,024 bytes")),
    request_body = NewChange,
    responses(
        (status = 200, description = "It was known, and is as shown now", body = ChangeView),
        (status = 201, description = "It is new", body = ChangeView),
        (status = 400, description = "The body is no JSON, or broke off", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It speaks of another change of this id, or the key came with something else", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn record(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ChangeView>), Problem> {
    const SYSTEM: &str = "api";
    let body = read(&app, SYSTEM, &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    let now = app.clock.now();
    let sender = Sender { actor: caller.actor(), caller: caller.clone() };
    let message = (Format::Own, headers_of(&headers), Hook::new(now));
    let changes = app.changes.clone();
    let receipt = take(app, SYSTEM, message, body, sender).await?;
    let Some(ReportTold::Change { id, new, .. }) = receipt.reports.into_iter().next() else {
        return Err(absent());
    };
    let (shown, seer) = (changes.clone(), caller.clone());
    let kept = wait(move || changes.get(&id, &seer)).await?.ok_or_else(absent)?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(shown.view(kept, now).seen_by(&caller))))
}

/// Changes, those that were heard of last first.
#[utoipa::path(
    get,
    path = "/api/v1/changes",
    tag = "changes",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of them; of services that the caller may not see, none", body = ChangeList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(ListQuery { service, before, limit }): Query<ListQuery>,
) -> Result<Json<ChangeList>, Problem> {
    let limit = page_size(limit, PAGE_DEFAULT, PAGE_MAX)?;
    let now = app.clock.now();
    let changes = app.changes.clone();
    let seer = caller.clone();
    let listed = wait(move || changes.list(service.as_deref(), before, limit, &seer)).await?;
    let next = listed.last().filter(|_| listed.len() == limit).map(|kept| kept.number);
    let changes =
        listed.into_iter().map(|kept| app.changes.view(kept, now).seen_by(&caller)).collect();
    Ok(Json(ChangeList { changes, next }))
}

/// One change, as it is now.
#[utoipa::path(
    get,
    path = "/api/v1/changes/{id}",
    tag = "changes",
    params(("id" = String, Path, description = "What the change is known by")),
    responses(
        (status = 200, description = "The change", body = ChangeView),
        (status = 400, description = "The id cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none, or it is of a service that the caller may not see", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<ChangeView>, Problem> {
    let now = app.clock.now();
    let changes = app.changes.clone();
    let seer = caller.clone();
    let kept = wait(move || changes.get(&id, &seer)).await?.ok_or_else(absent)?;
    Ok(Json(app.changes.view(kept, now).seen_by(&caller)))
}

pub(super) fn absent() -> Problem {
    let said = "there is no such change; hint: GET /api/v1/changes lists them";
    Problem::new(StatusCode::NOT_FOUND, said)
}
