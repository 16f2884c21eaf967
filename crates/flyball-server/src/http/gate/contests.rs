//! Postings that somebody disputes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::policy::ContestOutcome;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::App;
use super::super::administration::wait;
use super::super::described::{ActRefusals, KnownActRefusals};
use super::super::extract::{PageQuery, Path, Query, Sent, meant, moment};
use super::super::problem::Problem;
use super::acts::{Done, acting, function, wanted};
use super::known;
use crate::auth::{Caller, Role};
use crate::gate::{KeptContest, NewContest};

/// A posting that is disputed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ContestRequest {
    /// The posting: the objective and the time of what was counted, or the incident that it was put down to.
    posting: String,
    /// Why, in a sentence.
    why: String,
    /// The role that decides.
    decider: String,
    /// By when; then it stands.
    deadline: String,
}

/// Something that bears on a contest.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EvidenceRequest {
    /// What it says, or where it is.
    text: String,
}

/// The end of a contest.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettleRequest {
    /// As what the caller decides.
    role: String,
    /// `stands`, `taken_back` or `moved`.
    outcome: String,
    /// Why, in a sentence.
    why: String,
}

/// The contests of a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct ContestList {
    /// Those opened last first.
    #[schema(value_type = Vec<Object>)]
    contests: Vec<serde_json::Value>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// The contests of a service, with their evidence and how they ended.
#[utoipa::path(
    get,
    path = "/api/v1/gate/{service}/contests",
    tag = "changes",
    params(("service" = String, Path, description = "The service"), PageQuery),
    responses(
        (status = 200, description = "A page of its contests; of a service that the caller may not see, none", body = ContestList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn contests(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<ContestList>, Problem> {
    let page = asked.read()?;
    if !caller.sees(&service) {
        return Ok(Json(ContestList { contests: Vec::new(), next: None }));
    }
    let at = app.clock.now();
    let (contests, next) = wait(move || app.gatekeeper.contests(&service, page, at)).await?;
    Ok(Json(ContestList { contests, next }))
}

/// Disputes a posting: why, who decides, by when. It stands while it is contested.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/contests",
    tag = "changes",
    params(("service" = String, Path, description = "The service")),
    request_body = ContestRequest,
    responses(
        (status = 201, description = "It is kept", body = Done),
        (status = 422, description = "Why, posting or time is missing, or the role decides no contests", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn contest(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (asked, caller): (ContestRequest, _) =
        wanted(&app, sent, (Role::Developer, &service)).await?;
    let (who, at) = (caller.actor(), app.clock.now());
    let known = known(&app, &service, false).await?;
    let ContestRequest { posting, why, decider, deadline } = asked;
    let (decider, deadline) = (function(&decider)?, moment("deadline", &deadline)?);
    let new = NewContest { service, posting, why, decider, deadline };
    let kept: KeptContest = wait(move || app.gatekeeper.contest(new, &known, &who, at)).await?;
    Ok((StatusCode::CREATED, Json(Done::at_once(kept.id, caller.actor(), None))))
}

/// Adds evidence to a contest.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/contests/{id}/evidence",
    tag = "changes",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the contest is known by"),
    ),
    request_body = EvidenceRequest,
    responses(
        (status = 201, description = "It is kept", body = Done),
        (status = 422, description = "It is over, or says nothing", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn bring(
    State(app): State<App>,
    Path((service, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (asked, caller): (EvidenceRequest, _) =
        wanted(&app, sent, (Role::Developer, &service)).await?;
    let (who, at) = (caller.actor(), app.clock.now());
    let kept = wait(move || app.gatekeeper.bring((&service, &id), asked.text, &who, at)).await?;
    Ok((StatusCode::CREATED, Json(Done::at_once(kept.id, caller.actor(), None))))
}

/// Decides a contest: the posting stands, is taken back, or is somebody else's. Nobody decides their own.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/contests/{id}/decision",
    tag = "changes",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the contest is known by"),
    ),
    request_body = SettleRequest,
    responses(
        (status = 201, description = "It is kept", body = Done),
        (status = 422, description = "It is over, or not the caller's to decide", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn settle(
    State(app): State<App>,
    Path((service, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (asked, caller): (SettleRequest, _) = wanted(&app, sent, (Role::Owner, &service)).await?;
    let (who, at) = (caller.actor(), app.clock.now());
    let outcome = serde_json::from_value::<ContestOutcome>(asked.outcome.into());
    let outcome = outcome
        .map_err(|_| meant("that is no outcome; hint: there are stands, taken_back and moved"))?;
    let (role, why) = (acting(&app, &caller, &asked.role, Some(&service))?, asked.why);
    let settle = move || app.gatekeeper.settle((&service, &id), (&role, outcome, &why), &who, at);
    let kept = wait(settle).await?;
    Ok((StatusCode::CREATED, Json(Done::at_once(kept.id, caller.actor(), None))))
}
