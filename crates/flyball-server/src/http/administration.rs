//! Tokens and the audit log.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::access::still;
use super::body::read_any_json;
use super::extract::{PartQuery, Path, Query, page_size, part};
use super::people::are_known;
use super::problem::Problem;
use crate::auth::{
    AuditPage, AuditVerdict, Caller, ControlError, MadeToken, Needs, TokenInfo, TokenRequest,
};
use crate::names::names;

/// Records of the audit log in one answer, unless told.
const PAGE: usize = 100;
/// Records of the audit log in one answer, at most.
const PAGE_MAX: usize = 1_000;

/// A page of tokens.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct TokenList {
    /// The oldest first.
    tokens: Vec<TokenInfo>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

/// Which part of the audit log is asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only records behind this number.
    #[serde(default, deserialize_with = "super::extract::number")]
    after: Option<u64>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// How a token is revoked.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RevokeQuery {
    /// Whether it is revoked also when nobody could make a token any more.
    #[serde(default)]
    force: bool,
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let status = match error {
            ControlError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ControlError::LastAdmin => StatusCode::CONFLICT,
            ControlError::Store(_) | ControlError::GivenUp(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &error.to_string())
    }
}

/// Does `work` on a thread that may wait for the disk.
///
/// # Errors
///
/// Those of `work`; a problem with status 503 when it did not come to its end.
pub(super) async fn wait<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Send + 'static,
    Problem: From<E>,
{
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, &format!("the server gave up: {error}"))
    })?;
    Ok(done?)
}

/// What those are called whom records know by an id.
///
/// # Errors
///
/// A problem where it cannot be read.
pub(super) async fn people(
    app: &App,
    who: BTreeSet<String>,
) -> Result<BTreeMap<String, String>, Problem> {
    let control = app.control.clone();
    wait(move || Ok::<_, ControlError>(names(&control, &who.iter().map(String::as_str).collect())?))
        .await
}

/// Makes a token. The answer is the only place that ever shows it.
///
/// The first token of a server must have the scope admin. From then on every request needs one.
///
/// A person who is no admin makes one for themselves: with the scopes read and deploy, for services where
/// they have a role, for at most 90 days. Whatever it is used for, they must be allowed to do at that time.
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
    security(("token" = ["admin"]), ("session" = ["viewer"]))
)]
pub(super) async fn create_token(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let request: TokenRequest = read_any_json(&app, "administration", &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    are_known(&app, &request.functions).await?;
    let (actor, at) = (caller.actor(), app.clock.now());
    let made = wait::<_, ControlError>(move || {
        let made = app.tokens.create_for(&caller, &request, at)?;
        app.gate.refresh()?;
        Ok(made)
    });
    let made = made.await?;
    tracing::info!(token = made.id, actor, "a token was made");
    Ok((StatusCode::CREATED, Json(made)))
}

/// All tokens, revoked and expired ones too, without their secrets. A person who is no admin sees those that
/// they made for themselves.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "administration",
    params(PartQuery),
    responses(
        (status = 200, description = "A page of tokens, the oldest first", body = TokenList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = []))
)]
pub(super) async fn list_tokens(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<PartQuery>,
) -> Result<Json<TokenList>, Problem> {
    let asked = asked.read()?;
    let all = wait(move || app.tokens.list_for(&caller)).await?;
    let (tokens, next) = part(all, asked);
    Ok(Json(TokenList { tokens, next }))
}

/// Revokes a token for good. What it was let in with before goes on to its end; streams end. A person who is
/// no admin revokes those that they made for themselves. The last admin token is revoked only with `force`,
/// unless people are admins.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    tag = "administration",
    params(("id" = String, Path, description = "The token's id"), RevokeQuery),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 400, description = "The id or a parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none of this id that is not revoked", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nobody could make a token any more", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = []))
)]
pub(super) async fn revoke_token(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(RevokeQuery { force }): Query<RevokeQuery>,
) -> Result<StatusCode, Problem> {
    let (actor, at) = (caller.actor(), app.clock.now());
    let asked = id.clone();
    let is_revoked = wait::<_, ControlError>(move || {
        let keep_admin = !force && !app.gate.has_admins();
        let is_revoked = app.tokens.revoke_for(&caller, &asked, keep_admin, at)?;
        app.gate.refresh()?;
        Ok(is_revoked)
    });
    if !is_revoked.await? {
        let said = "there is no such token, or it is revoked; hint: GET /api/v1/tokens lists them";
        return Err(Problem::new(StatusCode::NOT_FOUND, said));
    }
    tracing::info!(token = id, actor, "a token was revoked");
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
    security(("token" = ["admin"]), ("session" = ["admin"]))
)]
pub(super) async fn audit(
    State(app): State<App>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, Problem> {
    let after = query.after.unwrap_or(0);
    let most = page_size(query.limit, PAGE, PAGE_MAX)?;
    Ok(Json(wait(move || app.tokens.audit(after, most)).await?))
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
    security(("token" = ["admin"]), ("session" = ["admin"]))
)]
pub(super) async fn verify_audit(State(app): State<App>) -> Result<Json<AuditVerdict>, Problem> {
    Ok(Json(wait(move || app.tokens.verify_audit()).await?))
}
