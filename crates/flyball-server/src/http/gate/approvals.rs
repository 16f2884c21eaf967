//! Approvals of one change, where a level asks for a signature.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::gate::{Approval, Rollout};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::App;
use super::super::administration::wait;
use super::super::described::{ActRefusals, KnownActRefusals};
use super::super::extract::{PageQuery, Path, Query, Sent, meant, moment};
use super::super::problem::Problem;
use super::acts::{Done, acting, wanted};
use super::{class, known};
use crate::auth::{Caller, Role};
use crate::gate::{Actor, NewApproval};

/// A signature under one change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ApprovalRequest {
    /// The change, as the gate is asked with it: its `change` or its `revision`.
    change: String,
    /// The class that the gate is asked with.
    class: String,
    /// How far it may reach, as `canary:5%:30m`: no more users, each step watched for as long; everybody at once
    /// unless told.
    rollout: Option<String>,
    /// Where it may go; anywhere unless told.
    environment: Option<String>,
    /// As what the caller signs.
    role: String,
    /// Why, in a sentence.
    why: String,
    /// Until when; at most 14 days ahead.
    expires: String,
}

/// The withdrawal of an approval.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WithdrawRequest {
    /// Why, in a sentence.
    why: String,
}

/// The approvals of changes of a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct ApprovalList {
    /// Those given last first.
    #[schema(value_type = Vec<Object>)]
    approvals: Vec<Approval>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

fn actor(caller: &Caller) -> Actor {
    Actor { name: caller.actor(), somebody: caller.somebody() }
}

/// Approves one change where a level of the policy asks for a signature: who, as what, why, until when. Nobody
/// approves what they ask for themselves, and nobody as two roles.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/approvals",
    tag = "changes",
    params(("service" = String, Path, description = "The service")),
    request_body = ApprovalRequest,
    responses(
        (status = 201, description = "It is approved", body = Done),
        (status = 422, description = "No level asks the role to sign it, or something is missing", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn approve(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (asked, caller): (ApprovalRequest, _) = wanted(&app, sent, (Role::Owner, &service)).await?;
    let known = known(&app, &service, false).await?;
    let ApprovalRequest { change, class: word, rollout, environment, role, why, expires } = asked;
    let (class, role, expires) = (
        class(&word)?,
        acting(&app, &caller, &role, Some(&service))?,
        moment("expires", &expires)?,
    );
    let rollout = rollout.map(|text| text.parse::<Rollout>()).transpose();
    let rollout = rollout.map_err(|error| meant(&error.to_string()))?;
    let new = NewApproval { service, change, class, rollout, environment, role, why, expires };
    let (actor, at) = (actor(&caller), app.clock.now());
    let made = wait(move || app.gatekeeper.approve(new, &known, &actor, at)).await?;
    let Approval { id, who, expires, .. } = made;
    Ok((StatusCode::CREATED, Json(Done::at_once(id, who, Some(expires)))))
}

/// Withdraws an approval that the caller has given.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/approvals/{id}/end",
    tag = "changes",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the approval is known by"),
    ),
    request_body = WithdrawRequest,
    responses(
        (status = 201, description = "It does nothing any more", body = Done),
        (status = 422, description = "It is over, or somebody else's", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn withdraw(
    State(app): State<App>,
    Path((service, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (asked, caller): (WithdrawRequest, _) = wanted(&app, sent, (Role::Owner, &service)).await?;
    let (actor, at) = (actor(&caller), app.clock.now());
    let made =
        wait(move || app.gatekeeper.withdraw((&service, &id), asked.why, &actor, at)).await?;
    Ok((StatusCode::CREATED, Json(Done::at_once(made.id, made.who, Some(at)))))
}

/// The approvals of changes of a service, those that are over among them.
#[utoipa::path(
    get,
    path = "/api/v1/gate/{service}/approvals",
    tag = "changes",
    params(("service" = String, Path, description = "The service"), PageQuery),
    responses(
        (status = 200, description = "A page of its approvals; of a service that the caller may not see, none", body = ApprovalList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn approvals(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<ApprovalList>, Problem> {
    let page = asked.read()?;
    if !caller.sees(&service) {
        return Ok(Json(ApprovalList { approvals: Vec::new(), next: None }));
    }
    let (approvals, next) = wait(move || app.gatekeeper.approvals(&service, page)).await?;
    Ok(Json(ApprovalList { approvals, next }))
}
