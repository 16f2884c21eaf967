//! Classes of what spent a budget.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::policy::Classing;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::App;
use super::super::administration::wait;
use super::super::described::ActRefusals;
use super::super::extract::{PageQuery, Path, Query, Sent, meant};
use super::super::problem::Problem;
use super::acts::{Done, acting, wanted};
use super::known;
use crate::auth::{Caller, Role};
use crate::gate::NewClass;

/// Which class of outage something was.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ClassRequest {
    /// The incident, change or drill of the service, by its id.
    posting: String,
    /// The class, as `company-network`; null takes back what was said.
    class: Option<String>,
    /// As what the caller says so.
    role: String,
    /// Why, in a sentence.
    why: String,
}

/// What happened to a service and was put into classes.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct ClassList {
    /// The last word on each, those that were said last first.
    #[schema(value_type = Vec<Object>)]
    classes: Vec<Classing>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// Says which class of outage an incident, a change or a drill of the service was, so that policies exempt it or ask for a
/// write-up of the class. Who may override may: what is exempted does not count.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/classes",
    tag = "changes",
    params(("service" = String, Path, description = "The service")),
    request_body = ClassRequest,
    responses(
        (status = 201, description = "It is of the class, or of none", body = Done),
        (status = 422, description = "It is no class, nothing of the service is called so, or it is not the role's to say", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn classify(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (asked, caller): (ClassRequest, _) = wanted(&app, sent, (Role::Owner, &service)).await?;
    let known = known(&app, &service, false).await?;
    let ClassRequest { posting, class, role, why } = asked;
    let role = acting(&app, &caller, &role, Some(&service))?;
    let new = NewClass { service, posting, class, role, why };
    let (who, at) = (caller.actor(), app.clock.now());
    let made = wait(move || {
        if !app.changes.has_happened(&new.service, &new.posting)? {
            let said = format!(
                "no incident or change of `{}` is called `{}`; hint: `flyball budget SLO --by-cause` names them",
                new.service, new.posting
            );
            return Err(meant(&said));
        }
        Ok(app.gatekeeper.classify(new, &known, &who, at)?)
    })
    .await?;
    let id = format!("{}:{}", made.service, made.posting);
    Ok((StatusCode::CREATED, Json(Done::at_once(id, made.who, None))))
}

/// What happened to a service and was put into classes.
#[utoipa::path(
    get,
    path = "/api/v1/gate/{service}/classes",
    tag = "changes",
    params(("service" = String, Path, description = "The service"), PageQuery),
    responses(
        (status = 200, description = "A page of its classes; of a service that the caller may not see, none", body = ClassList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn classes(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<ClassList>, Problem> {
    let page = asked.read()?;
    if !caller.sees(&service) {
        return Ok(Json(ClassList { classes: Vec::new(), next: None }));
    }
    let (classes, next) = wait(move || app.gatekeeper.classified(&service, page)).await?;
    Ok(Json(ClassList { classes, next }))
}
