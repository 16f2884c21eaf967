//! Tokens and the audit log.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::body::read;
use super::extract::{Path, Query};
use super::problem::Problem;
use crate::auth::{
    AuditPage, AuditVerdict, Caller, MadeToken, TokenError, TokenInfo, TokenRequest, Tokens,
};

/// Records of the audit log in one answer, unless told.
const PAGE: usize = 100;
/// Records of the audit log in one answer, at most.
const PAGE_MAX: usize = 1_000;

/// Every token.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct TokenList {
    tokens: Vec<TokenInfo>,
}

/// Which part of the audit log is asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only records behind this number.
    after: Option<u64>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let status = match error {
            TokenError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            TokenError::Store(_) | TokenError::GivenUp(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &error.to_string())
    }
}

/// Does `work` on a thread that may wait for the disk.
async fn wait<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Tokens) -> Result<T, TokenError> + Send + 'static,
) -> Result<T, Problem> {
    let tokens = app.tokens.clone();
    let done = tokio::task::spawn_blocking(move || work(&tokens)).await;
    Ok(done.unwrap_or_else(|error| Err(TokenError::GivenUp(error.to_string())))?)
}

/// Makes a token. The answer is the only place that ever shows it.
///
/// The first token of a server must have the scope admin. From then on every request needs one.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    tag = "administration",
    request_body = TokenRequest,
    responses(
        (status = 201, description = "The token", body = MadeToken),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such token can be made", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn create_token(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let body = read(&app, "administration", &headers, body).await?;
    let request: TokenRequest = serde_json::from_slice(&body).map_err(|error| {
        let said = format!("the request cannot be read: {error}");
        Problem::new(StatusCode::BAD_REQUEST, &said)
    })?;
    let (actor, at, gate) = (caller.actor(), app.clock.now(), app.gate.clone());
    let made = wait(&app, move |tokens| {
        let made = tokens.create(&request, &actor, at)?;
        gate.refresh()?;
        Ok(made)
    });
    let made = made.await?;
    tracing::info!(token = made.id, actor = caller.actor(), "a token was made");
    Ok((StatusCode::CREATED, Json(made)))
}

/// All tokens, revoked and expired ones too, without their secrets.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "administration",
    responses(
        (status = 200, description = "The tokens", body = TokenList),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn list_tokens(State(app): State<App>) -> Result<Json<TokenList>, Problem> {
    let tokens = wait(&app, Tokens::list).await?;
    Ok(Json(TokenList { tokens }))
}

/// Revokes a token for good. What it was let in with before goes on to its end.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    tag = "administration",
    params(("id" = String, Path, description = "The token's id")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 400, description = "The id cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none of this id that is not revoked", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn revoke_token(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let (actor, at, gate) = (caller.actor(), app.clock.now(), app.gate.clone());
    let asked = id.clone();
    let is_revoked = wait(&app, move |tokens| {
        let is_revoked = tokens.revoke(&asked, &actor, at)?;
        gate.refresh()?;
        Ok(is_revoked)
    });
    if !is_revoked.await? {
        let said = "there is no such token, or it is revoked; hint: GET /api/v1/tokens lists them";
        return Err(Problem::new(StatusCode::NOT_FOUND, said));
    }
    tracing::info!(token = id, actor = caller.actor(), "a token was revoked");
    Ok(StatusCode::NO_CONTENT)
}

/// Who has changed what, the oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "administration",
    params(AuditQuery),
    responses(
        (status = 200, description = "The records", body = AuditPage),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn audit(
    State(app): State<App>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, Problem> {
    let after = query.after.unwrap_or(0);
    let most = query.limit.unwrap_or(PAGE);
    if i64::try_from(after).is_err() {
        let said = format!("no record has a number past {}", i64::MAX);
        return Err(Problem::new(StatusCode::BAD_REQUEST, &said));
    }
    if !(1..=PAGE_MAX).contains(&most) {
        let said = format!("`limit` is not from 1 to {PAGE_MAX}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, &said));
    }
    Ok(Json(wait(&app, move |tokens| tokens.audit(after, most)).await?))
}

/// Compares every hash of the audit log. A log that is broken is answered with 200, too: what is
/// asked is whether it is.
#[utoipa::path(
    get,
    path = "/api/v1/audit/verify",
    tag = "administration",
    responses(
        (status = 200, description = "Whether the log is whole", body = AuditVerdict),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn verify_audit(State(app): State<App>) -> Result<Json<AuditVerdict>, Problem> {
    Ok(Json(wait(&app, Tokens::verify_audit).await?))
}
