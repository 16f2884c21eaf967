//! The friction log: what hurts, where, how often, and what became of it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::friction::{Friction, FrictionState, Met, Stage, Weight, worst};
use flyball_model::{CHANGE_TEXT_BYTES_MAX, Duration, Timestamp};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::allowed;
use super::administration::wait;
use super::described::IncidentRefusals;
use super::extract::{Path, Query, Sent, meant, moment, page_size};
use super::problem::Problem;
use super::services::is_there;
use crate::auth::{Caller, Role};
use crate::changes::ChangesError;
use crate::control::SharedControl;
use crate::frictions::{FrictionActError, KeptFriction, SEEN_MAX, amend, get, list, note};

/// Since when it is weighed what hurts, unless told: a quarter.
const USUAL: Duration = Duration::from_days(91);
/// Frictions on the card of a service.
const SHOWN: usize = 5;
/// Frictions in one answer, unless told.
const PAGE: usize = 100;

/// Something that hurts.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FrictionRequest {
    /// What hurts, in a sentence.
    what: String,
    /// Where in the work: build, test, deploy, operate, incident or other.
    #[schema(value_type = String)]
    stage: Stage,
    /// The service that it is about; all unless told.
    service: Option<String>,
    /// What it is to be known by; the service and the moment unless told.
    id: Option<String>,
    /// The time that it was met.
    #[serde(default)]
    met: MetRequest,
}

/// A time that somebody met it.
#[derive(Debug, Default, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MetRequest {
    /// When; now unless told.
    at: Option<String>,
    /// The whole minutes that it cost; not known unless told.
    minutes: Option<u32>,
    /// What was said.
    note: Option<String>,
    /// The incident or change in which it was met, by id.
    during: Option<String>,
}

/// What becomes of it.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields, tag = "to", rename_all = "snake_case")]
pub(super) enum FrictionMove {
    /// A team is to mend it.
    Required {
        /// The team.
        team: String,
        /// What is required, so that it can be tested.
        requirement: String,
        /// Where it is worked on; an address.
        ticket: Option<String>,
    },
    /// It is mended.
    Mended {
        /// What was done.
        how: String,
    },
    /// It stays as it is.
    Accepted {
        /// Why.
        why: String,
    },
}

/// Something that hurts, and how much.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct FrictionView {
    /// In which order frictions were first noted.
    number: u64,
    /// What hurts, where, the times that it was met, and what became of it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    friction: Friction,
    /// How much it hurt since the moment that was asked for: minutes that were counted, times, people.
    #[schema(value_type = Object)]
    weight: Weight,
}

/// What hurts.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct FrictionList {
    /// Since when it is weighed.
    #[schema(value_type = super::shapes::Instant)]
    since: Timestamp,
    /// What hurt most first, unless all are asked for: then those noted last first.
    friction: Vec<FrictionView>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// What is asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FrictionQuery {
    /// Only what is about this service.
    service: Option<String>,
    /// Only what this team is required to mend.
    team: Option<String>,
    /// Since when it is weighed; a quarter before now unless told.
    since: Option<String>,
    /// Also what is mended or accepted, and what nobody met since then, where it is true.
    #[serde(default)]
    all: bool,
    /// Only what was noted before the one of this number.
    #[serde(default, deserialize_with = "super::extract::number")]
    before: Option<u64>,
    /// At most so many; 100 unless told, 1,000 of what hurts most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// The routes of the friction log.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(note_friction, frictions))
        .routes(routes!(meet))
        .routes(routes!(move_friction))
}

impl From<FrictionActError> for Problem {
    fn from(error: FrictionActError) -> Self {
        let status = match error {
            FrictionActError::Kept(error) => return error.into(),
            FrictionActError::Unknown => StatusCode::NOT_FOUND,
            FrictionActError::Taken(_) => StatusCode::CONFLICT,
            FrictionActError::Friction(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, &error.to_string())
    }
}

impl FrictionView {
    fn of(KeptFriction { number, friction }: KeptFriction, since: Timestamp) -> Self {
        let weight = friction.weight(since);
        Self { number, friction, weight }
    }
}

/// Whether `caller` may know of it: what is about no service is everybody's.
fn is_seen(caller: &Caller, friction: &Friction) -> bool {
    friction.service.as_ref().is_none_or(|service| caller.sees(service))
}

/// Refuses who may only look; what is about no service is noted by anybody who may note anything.
fn may(caller: &Caller, service: Option<&String>) -> Result<(), Problem> {
    match service {
        Some(service) => allowed(caller.may(Role::Developer, service), Role::Developer, service),
        None => allowed(caller.may_somewhere(Role::Developer), Role::Developer, "a service"),
    }
}

fn met(asked: MetRequest, who: String, now: Timestamp) -> Result<Met, Problem> {
    let MetRequest { at, minutes, note, during } = asked;
    let at = at.map_or(Ok(now), |text| moment("at", &text))?;
    if at > now {
        return Err(meant("`at` has not come; hint: note what was met"));
    }
    if during.as_ref().is_some_and(|during| during.len() > CHANGE_TEXT_BYTES_MAX) {
        return Err(meant("`during` is too long; hint: it is the id of an incident or a change"));
    }
    Ok(Met { at, who, minutes, note, during })
}

/// Notes what hurts, met for the first time.
#[utoipa::path(
    post,
    path = "/api/v1/friction",
    tag = "incidents",
    request_body = FrictionRequest,
    responses(
        (status = 201, description = "It is noted", body = FrictionView),
        (status = 409, description = "Another one is known by the id", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It says nothing", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
async fn note_friction(
    State(app): State<App>,
    sent: Sent,
) -> Result<(StatusCode, Json<FrictionView>), Problem> {
    let (asked, caller): (FrictionRequest, _) = sent.json(&app, "friction").await?;
    let FrictionRequest { what, stage, service, id, met: first } = asked;
    let service = service.filter(|service| !service.trim().is_empty());
    may(&caller, service.as_ref())?;
    if let Some(service) = &service {
        is_there(&app, &caller, service).await?;
    }
    let (who, now) = (caller.actor(), app.clock.now());
    let first = met(first, who.clone(), now)?;
    let place = service.as_deref().unwrap_or("all");
    let id = id.unwrap_or_else(|| format!("{place}:{now}"));
    let friction = Friction::note(&id, &what, (service, stage), first)
        .map_err(|error| Problem::from(FrictionActError::Friction(error)))?;
    let kept = wait(move || note(&app.control, friction, (&who, now))).await?;
    Ok((StatusCode::CREATED, Json(FrictionView::of(kept, now.minus(USUAL)))))
}

/// What hurts, what hurt most first: by the minutes that were counted, then by times, then by people.
#[utoipa::path(
    get,
    path = "/api/v1/friction",
    tag = "incidents",
    params(FrictionQuery),
    responses(
        (status = 200, description = "What hurts; of services that the caller may not see, nothing", body = FrictionList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`since` is no moment", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
async fn frictions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<FrictionQuery>,
) -> Result<Json<FrictionList>, Problem> {
    let FrictionQuery { service, team, since, all, before, limit } = asked;
    let usual = if all { PAGE } else { SEEN_MAX };
    let limit = page_size(limit, usual, SEEN_MAX)?;
    let usual = app.clock.now().minus(USUAL);
    let since = since.map_or(Ok(usual), |text| moment("since", &text))?;
    // What hurts most is found among all that is kept.
    let most = if all { limit } else { usize::MAX };
    let listed = wait::<_, ChangesError>(move || {
        list(&app.control, before, most, |of| {
            let own = of.service.as_ref();
            let of_team = |asked: &String| matches!(&of.state, FrictionState::Required { team, .. } if team == asked);
            service.as_ref().is_none_or(|service| own == Some(service))
                && team.as_ref().is_none_or(of_team)
                && is_seen(&caller, of)
        })
    });
    let (mut listed, next) = listed.await?;
    if !all {
        let order: Vec<String> = worst(listed.iter().map(|of| &of.friction), since)
            .into_iter()
            .map(|(friction, _)| friction.id.clone())
            .collect();
        let place = |of: &KeptFriction| order.iter().position(|id| *id == of.friction.id);
        listed.retain(|of| place(of).is_some());
        listed.sort_by_key(place);
        listed.truncate(limit);
    }
    let friction = listed.into_iter().map(|of| FrictionView::of(of, since)).collect();
    Ok(Json(FrictionList { since, friction, next }))
}

/// What hurts about a service and is neither mended nor accepted, what hurt most in the last quarter first: a few.
pub(super) fn hurting(
    control: &SharedControl,
    service: &str,
    now: Timestamp,
) -> Result<Vec<FrictionView>, ChangesError> {
    let since = now.minus(USUAL);
    let (listed, _) = list(control, None, usize::MAX, |of| of.service.as_deref() == Some(service))?;
    let order = worst(listed.iter().map(|of| &of.friction), since);
    let found = order.into_iter().take(SHOWN).filter_map(|(friction, _)| {
        let kept = listed.iter().find(|of| of.friction.id == friction.id)?;
        Some(FrictionView::of(kept.clone(), since))
    });
    Ok(found.collect())
}

/// Among how much of what was noted last something is looked for whose name is nearly the one that was asked for.
const NEAR_AMONG: usize = 200;

/// What is called `id`, if `caller` may say something of it.
async fn known(app: &App, caller: &Caller, id: &str) -> Result<(), Problem> {
    let (control, asked) = (app.control.clone(), id.to_owned());
    let found = wait::<_, ChangesError>(move || get(&control, &asked)).await?;
    if let Some(found) = found.filter(|of| is_seen(caller, &of.friction)) {
        return may(caller, found.friction.service.as_ref());
    }
    let (control, seer) = (app.control.clone(), caller.clone());
    let last = wait(move || list(&control, None, NEAR_AMONG, |of| is_seen(&seer, of)));
    let (last, _) = last.await?;
    let known = last.iter().map(|of| of.friction.id.as_str());
    Err(Problem::not_there(("friction", id), known, "GET /api/v1/friction lists it"))
}

/// Notes that somebody met it again. What was mended is open again when it is met after that.
#[utoipa::path(
    post,
    path = "/api/v1/friction/{id}/met",
    tag = "incidents",
    params(("id" = String, Path, description = "What it is known by")),
    request_body = MetRequest,
    responses(
        (status = 200, description = "It is noted", body = FrictionView),
        (status = 422, description = "It cannot be meant", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
async fn meet(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<FrictionView>, Problem> {
    let (asked, caller): (MetRequest, _) = sent.json(&app, "friction").await?;
    known(&app, &caller, &id).await?;
    let (who, now) = (caller.actor(), app.clock.now());
    let again = met(asked, who.clone(), now)?;
    let kept = wait::<_, FrictionActError>(move || {
        amend(&app.control, &id, (&who, now), "friction.meet", |friction| {
            let detail = json!({ "at": again.at, "minutes": again.minutes });
            friction.meet(again)?;
            Ok(detail)
        })
    });
    Ok(Json(FrictionView::of(kept.await?, now.minus(USUAL))))
}

/// Says what becomes of it: a requirement of a team, mended, or accepted as it is.
#[utoipa::path(
    post,
    path = "/api/v1/friction/{id}/state",
    tag = "incidents",
    params(("id" = String, Path, description = "What it is known by")),
    request_body = FrictionMove,
    responses(
        (status = 200, description = "What became of it", body = FrictionView),
        (status = 422, description = "It says nothing, or it is over", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
async fn move_friction(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<FrictionView>, Problem> {
    let (asked, caller): (FrictionMove, _) = sent.json(&app, "friction").await?;
    known(&app, &caller, &id).await?;
    let (who, now) = (caller.actor(), app.clock.now());
    let kept = wait::<_, FrictionActError>(move || {
        amend(&app.control, &id, (&who, now), "friction.move", |friction| {
            match asked {
                FrictionMove::Required { team, requirement, ticket } => {
                    friction.require(&team, &requirement, ticket, now)?;
                }
                FrictionMove::Mended { how } => friction.mend(&how, now)?,
                FrictionMove::Accepted { why } => friction.accept(&why, now)?,
            }
            Ok(json!({ "state": friction.state }))
        })
    });
    Ok(Json(FrictionView::of(kept.await?, now.minus(USUAL))))
}
