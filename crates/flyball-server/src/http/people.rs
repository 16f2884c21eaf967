//! What admins do about people: grants, and sessions.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use flyball_govern::policy::Role as Function;
use flyball_query::near_matches;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::access::still;
use super::administration::wait;
use super::body::read_any_json;
use super::described::NewGrant;
use super::extract::{PartQuery, Query, meant, part};
use super::problem::Problem;
use crate::auth::{Caller, ControlError, Expelled, GrantInfo, Needs, SessionInfo};

/// A page of grants.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct GrantList {
    /// By whom and service.
    grants: Vec<GrantInfo>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

/// A page of sessions.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct SessionList {
    /// The oldest first.
    sessions: Vec<SessionInfo>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

/// Which grant is meant.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GrantQuery {
    /// Whom it is for.
    #[param(
        pattern = r"^((person|group):[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?|email:([^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*)?@([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?)$",
        max_length = 1024
    )]
    who: String,
    /// The service; `*` for the grant for all.
    #[param(min_length = 1, max_length = 1024)]
    service: String,
}

/// Who is meant.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PersonQuery {
    /// What the provider calls them by: its `sub`.
    #[param(min_length = 1, max_length = 1024)]
    subject: String,
}

/// All grants. Whoever is an admin by the server's configuration is not among them.
#[utoipa::path(
    get,
    path = "/api/v1/grants",
    tag = "people",
    params(PartQuery),
    responses(
        (status = 200, description = "A page of grants", body = GrantList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["admin"]))
)]
pub(super) async fn list_grants(
    State(app): State<App>,
    Query(asked): Query<PartQuery>,
) -> Result<Json<GrantList>, Problem> {
    let asked = asked.read()?;
    let (grants, next) = part(wait(move || app.grants.list()).await?, asked);
    Ok(Json(GrantList { grants, next }))
}

/// Grants a role, and functions in the company with it, in the place of what was granted before to the same for the
/// same service. It is in force at once.
#[utoipa::path(
    post,
    path = "/api/v1/grants",
    tag = "people",
    request_body = NewGrant,
    responses(
        (status = 200, description = "It is in force", body = GrantInfo),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "That cannot be granted", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["admin"]))
)]
pub(super) async fn add_grant(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<GrantInfo>, Problem> {
    let grant: GrantInfo = read_any_json(&app, "administration", &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    are_known(&app, &grant.functions).await?;
    let (actor, at) = (caller.actor(), app.clock.now());
    let added = wait::<_, ControlError>(move || {
        app.grants.add(&grant, &actor, at)?;
        app.gate.refresh()?;
        Ok(grant)
    });
    Ok(Json(added.await?))
}

/// Refuses functions that no document asks for: who has one by a slip of the pen has nothing, and as the one that is
/// meant acts anybody.
///
/// # Errors
///
/// A problem with status 422.
pub(super) async fn are_known(app: &App, functions: &[Function]) -> Result<(), Problem> {
    if functions.is_empty() {
        return Ok(());
    }
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let known = catalog.governance.functions();
    let is_unknown = |function: &&Function| !known.contains(function.name());
    let Some(unknown) = functions.iter().find(is_unknown) else { return Ok(()) };
    let hint = match near_matches(unknown.name(), known.iter().copied()).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => "apply the document that does first".to_owned(),
    };
    let said = format!(
        "no policy, tier, checklist or rule of custody asks for a function `{unknown}`; hint: {hint}"
    );
    Err(meant(&said))
}

/// Takes a role away. What needs it is refused from then on.
#[utoipa::path(
    delete,
    path = "/api/v1/grants",
    tag = "people",
    params(GrantQuery),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such grant", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "That could not be granted", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["admin"]))
)]
pub(super) async fn remove_grant(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(GrantQuery { who, service }): Query<GrantQuery>,
) -> Result<StatusCode, Problem> {
    let (actor, at) = (caller.actor(), app.clock.now());
    let removed = wait::<_, ControlError>(move || {
        let is_removed = app.grants.remove(&who, &service, &actor, at)?;
        app.gate.refresh()?;
        Ok(is_removed)
    });
    if removed.await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let said = "there is no such grant; hint: GET /api/v1/grants lists them";
    Err(Problem::new(StatusCode::NOT_FOUND, said))
}

/// All sessions of people, the oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    tag = "people",
    params(PartQuery),
    responses(
        (status = 200, description = "A page of sessions", body = SessionList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["admin"]))
)]
pub(super) async fn list_sessions(
    State(app): State<App>,
    Query(asked): Query<PartQuery>,
) -> Result<Json<SessionList>, Problem> {
    let (asked, now) = (asked.read()?, app.clock.now());
    let (sessions, next) = part(wait(move || app.sessions.list(now)).await?, asked);
    Ok(Json(SessionList { sessions, next }))
}

/// Ends all sessions of a person and revokes the tokens that they made, for themselves and for machines.
/// Whether they may log in again is the provider's to say.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions",
    tag = "people",
    params(PersonQuery),
    responses(
        (status = 200, description = "How many there were", body = Expelled),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Nobody can be called that", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["admin"]))
)]
pub(super) async fn end_sessions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(PersonQuery { subject }): Query<PersonQuery>,
) -> Result<Json<Expelled>, Problem> {
    let (actor, at) = (caller.actor(), app.clock.now());
    let ended = wait::<_, ControlError>(move || {
        let ended = app.sessions.expel(&subject, &actor, at)?;
        app.gate.refresh()?;
        Ok(ended)
    });
    Ok(Json(ended.await?))
}
