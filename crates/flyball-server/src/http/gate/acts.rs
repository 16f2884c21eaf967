//! What people decide by hand: blocks, overrides, sign-offs of latches.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::gate::{Ended, EndedEarly, Override, override_report};
use flyball_govern::policy::{Block, ChangeClass, Role as Function};
use flyball_model::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::super::access::acts_as;
use super::super::administration::wait;
use super::super::described::{ActRefusals, KnownActRefusals};
use super::super::extract::{PageQuery, Path, Query, Sent, meant, moment};
use super::super::problem::Problem;
use super::super::services::is_there;
use super::super::{App, shapes};
use super::{class, known};
use crate::auth::{Caller, Role};
use crate::gate::{ActError, Gatekeeper, Known, NewOverride, NewStop, OverridesKept, Use};

/// A block by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct BlockRequest {
    /// What is blocked.
    classes: Vec<String>,
    /// As what the caller blocks.
    role: String,
    /// Why, in a sentence.
    why: String,
    /// Until when; at most 14 days ahead.
    expires: String,
}

/// An exception to what a policy decides.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct OverrideRequest {
    /// Which class of changes it lets through.
    class: String,
    /// Only this change; any of the class unless told.
    change: Option<String>,
    /// As what the caller answers for it.
    role: String,
    /// Why, in a sentence.
    why: String,
    /// Until when; no longer than the policy allows.
    expires: String,
}

/// A signature under a latched level.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SignOffRequest {
    /// The level.
    level: String,
    /// As what the caller signs.
    role: String,
}

/// Agreement to an override.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AgreeRequest {
    /// As what the caller agrees.
    role: String,
}

/// The early end of a block or an override.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EndRequest {
    /// As what the caller ends it.
    role: String,
    /// Why, in a sentence.
    why: String,
}

/// The blocks of a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct BlockList {
    /// Those made last first.
    #[schema(value_type = Vec<Object>)]
    blocks: Vec<Block>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// The overrides of a service, and what came of them.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct OverrideReport {
    /// Those made last first.
    overrides: Vec<OverrideUsed>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
    /// Whichever page: for each person how many of the last 1,000 they made, how the changes under them ended (`healthy` or `regressed`), how many of
    /// those are `open`, and how many overrides nobody used.
    #[schema(value_type = BTreeMap<String, Object>)]
    people: BTreeMap<String, flyball_govern::gate::OverrideRecord>,
}

/// An override, and the changes that it let through.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct OverrideUsed {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    made: Override,
    /// The changes, the last first.
    used: Vec<UsedBy>,
}

/// A change that an override let through.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct UsedBy {
    /// The change, if it had a name.
    change: Option<String>,
    /// What the decision is known by.
    decision: String,
    /// When it was asked.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// `healthy` or `regressed`; null while that is not known.
    #[schema(value_type = Option<String>)]
    ended: Option<Ended>,
}

/// What was done by hand.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct Done {
    /// What it is known by.
    pub(super) id: String,
    /// As the audit log names them.
    pub(super) who: String,
    /// Until when it holds; null when it has no end.
    #[schema(value_type = Option<shapes::Instant>)]
    pub(super) expires: Option<Timestamp>,
    /// The role whose agreement it waits for; null when it waits for nobody.
    pub(super) waits_for: Option<String>,
}

impl Done {
    pub(super) const fn at_once(id: String, who: String, expires: Option<Timestamp>) -> Self {
        Self { id, who, expires, waits_for: None }
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Gate(error) => error.into(),
            unknown @ ActError::Unknown { .. } => {
                Self::new(StatusCode::NOT_FOUND, &unknown.to_string())
            }
            refused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, &refused.to_string()),
        }
    }
}

pub(in crate::http) fn function(name: &str) -> Result<Function, Problem> {
    Function::new(name).map_err(|error| meant(&error.to_string()))
}

/// The function that `caller` acts as for `service`, or for every service (`None`).
///
/// # Errors
///
/// Those of [`function`] and [`acts_as`].
pub(in crate::http) fn acting(
    app: &App,
    caller: &Caller,
    name: &str,
    service: Option<&str>,
) -> Result<Function, Problem> {
    let function = function(name)?;
    acts_as(&app.gate, caller, &function, service)?;
    Ok(function)
}

/// What somebody wants done for a service of which something is known, and who that is, if they may with the
/// role.
///
/// # Errors
///
/// Those of [`Sent::json_for`] and [`is_there`].
pub(super) async fn wanted<T: DeserializeOwned>(
    app: &App,
    sent: Sent,
    of: (Role, &str),
) -> Result<(T, Caller), Problem> {
    let (wanted, caller) = sent.json_for(app, "gate", of).await?;
    is_there(app, &caller, of.1).await?;
    Ok((wanted, caller))
}

/// Stops changes of a service by hand: who, as what, why, which classes, until when.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/blocks",
    tag = "changes",
    params(("service" = String, Path, description = "The service")),
    request_body = BlockRequest,
    responses(
        (status = 201, description = "It is blocked", body = Done),
        (status = 422, description = "No such block can be made", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn block(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (asked, caller): (BlockRequest, _) = wanted(&app, sent, (Role::Owner, &service)).await?;
    let known = known(&app, &service, false).await?;
    let classes: BTreeSet<ChangeClass> =
        asked.classes.iter().map(|word| class(word)).collect::<Result<_, _>>()?;
    let (role, expires) =
        (acting(&app, &caller, &asked.role, Some(&service))?, moment("expires", &asked.expires)?);
    let new = NewStop { service, classes, role, why: asked.why, expires };
    let (who, at) = (caller.actor(), app.clock.now());
    let block: Block = wait(move || app.gatekeeper.block(new, &known, &who, at)).await?;
    let (id, expires) = (block.id().to_owned(), Some(block.expires()));
    Ok((StatusCode::CREATED, Json(Done::at_once(id, caller.actor(), expires))))
}

/// Lets changes of a class through for a time, whatever the policy decides: who, as what, why, until when.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/overrides",
    tag = "changes",
    params(("service" = String, Path, description = "The service")),
    request_body = OverrideRequest,
    responses(
        (status = 201, description = "The exception is made", body = Done),
        (status = 422, description = "The policy allows no such exception", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn except(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (asked, caller): (OverrideRequest, _) = wanted(&app, sent, (Role::Owner, &service)).await?;
    let known = known(&app, &service, false).await?;
    let OverrideRequest { class: word, change, role, why, expires } = asked;
    let (class, role, expires) = (
        class(&word)?,
        acting(&app, &caller, &role, Some(&service))?,
        moment("expires", &expires)?,
    );
    let new = NewOverride { service, change, class, role, why, expires };
    let (who, at) = (caller.actor(), app.clock.now());
    let second = known.policy.spec().overrides.second.as_ref().map(ToString::to_string);
    let made: Override = wait(move || app.gatekeeper.except(new, &known, &who, at)).await?;
    let Override { id, who, expires, .. } = made;
    let done = Done { waits_for: second, ..Done::at_once(id, who, Some(expires)) };
    Ok((StatusCode::CREATED, Json(done)))
}

/// Signs off a level that stays until somebody does.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/sign-offs",
    tag = "changes",
    params(("service" = String, Path, description = "The service")),
    request_body = SignOffRequest,
    responses(
        (status = 201, description = "The level no longer holds", body = Done),
        (status = 422, description = "The level is not latched, or another role's to sign", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn sign_off(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (SignOffRequest { level, role }, caller) =
        wanted(&app, sent, (Role::Owner, &service)).await?;
    let known = known(&app, &service, false).await?;
    let role = acting(&app, &caller, &role, Some(&service))?;
    let (who, at) = (caller.actor(), app.clock.now());
    let signed = wait(move || app.gatekeeper.sign_off((&service, &known), &level, &role, &who, at));
    let latch = signed.await?;
    let id = format!("{}/{}", latch.policy, latch.level);
    Ok((StatusCode::CREATED, Json(Done::at_once(id, caller.actor(), None))))
}

/// Agrees to an override as another person, where the policy asks for one. Until then it does nothing.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/overrides/{id}/agreements",
    tag = "changes",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the override is known by"),
    ),
    request_body = AgreeRequest,
    responses(
        (status = 201, description = "It holds", body = Done),
        (status = 422, description = "It is over, or not the caller's to say", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn agree(
    State(app): State<App>,
    Path((service, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (asked, caller): (AgreeRequest, _) = wanted(&app, sent, (Role::Owner, &service)).await?;
    let known = known(&app, &service, false).await?;
    let (who, at) = (caller.actor(), app.clock.now());
    let role = acting(&app, &caller, &asked.role, Some(&service))?;
    let made = wait(move || app.gatekeeper.agree((&service, &id), &known, &role, &who, at)).await?;
    let Override { id, expires, .. } = made;
    Ok((StatusCode::CREATED, Json(Done::at_once(id, caller.actor(), Some(expires)))))
}

/// How something of a service is ended, by its id; answers what it is known by.
type End = fn(&Gatekeeper, (&str, &str), &Known, &Function, EndedEarly) -> Result<String, ActError>;

/// Ends what was made before, by `end`.
async fn end_early(
    app: App,
    (service, id): (String, String),
    sent: Sent,
    end: End,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (EndRequest { role, why }, caller) = wanted(&app, sent, (Role::Owner, &service)).await?;
    let known = known(&app, &service, false).await?;
    let (who, at) = (caller.actor(), app.clock.now());
    let (role, ended) =
        (acting(&app, &caller, &role, Some(&service))?, EndedEarly { who, why, at });
    let id = wait(move || end(&app.gatekeeper, (&service, &id), &known, &role, ended)).await?;
    Ok((StatusCode::CREATED, Json(Done::at_once(id, caller.actor(), Some(at)))))
}

/// Takes an override back before its end: who, as what, why.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/overrides/{id}/end",
    tag = "changes",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the override is known by"),
    ),
    request_body = EndRequest,
    responses(
        (status = 201, description = "It does nothing any more", body = Done),
        (status = 422, description = "It is over, or not the caller's to say", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn revoke(
    State(app): State<App>,
    Path((service, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    end_early(app, (service, id), sent, |gatekeeper, of, known, role, ended| {
        gatekeeper.revoke(of, known, role, ended).map(|made| made.id)
    })
    .await
}

/// Ends a block before its time: who, as what, why.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/blocks/{id}/end",
    tag = "changes",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the block is known by"),
    ),
    request_body = EndRequest,
    responses(
        (status = 201, description = "It stops nothing any more", body = Done),
        (status = 422, description = "It is over, or not the caller's to say", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn lift(
    State(app): State<App>,
    Path((service, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    end_early(app, (service, id), sent, |gatekeeper, of, known, role, ended| {
        gatekeeper.lift(of, known, role, ended).map(|block| block.id().to_owned())
    })
    .await
}

/// The blocks of a service, those that are over among them.
#[utoipa::path(
    get,
    path = "/api/v1/gate/{service}/blocks",
    tag = "changes",
    params(("service" = String, Path, description = "The service"), PageQuery),
    responses(
        (status = 200, description = "A page of its blocks; of a service that the caller may not see, none", body = BlockList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn blocks(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<BlockList>, Problem> {
    let page = asked.read()?;
    if !caller.sees(&service) {
        return Ok(Json(BlockList { blocks: Vec::new(), next: None }));
    }
    let (blocks, next) = wait(move || app.gatekeeper.blocks(&service, page)).await?;
    Ok(Json(BlockList { blocks, next }))
}

/// Who overrode what for a service, which changes went through, and how those ended.
#[utoipa::path(
    get,
    path = "/api/v1/gate/{service}/overrides",
    tag = "changes",
    params(("service" = String, Path, description = "The service"), PageQuery),
    responses(
        (status = 200, description = "A page of its overrides; of a service that the caller may not see, none", body = OverrideReport),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn overrides(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<OverrideReport>, Problem> {
    let page = asked.read()?;
    if !caller.sees(&service) {
        let (overrides, next, people) = (Vec::new(), None, BTreeMap::new());
        return Ok(Json(OverrideReport { overrides, next, people }));
    }
    let now = app.clock.now();
    let report = wait(move || {
        let OverridesKept { all, page, next, uses } = app.gatekeeper.overrides(&service, page)?;
        let mut used = Vec::with_capacity(uses.len());
        for one in uses {
            let change = match &one.change {
                Some(id) => app.changes.get(id, &caller)?,
                None => None,
            };
            let ended = change.and_then(|change| Ended::of(&change.phase(now)));
            used.push((one, ended));
        }
        let people = people(&all, &used);
        let overrides = page.into_iter().map(|made| OverrideUsed::of(made, &used)).collect();
        Ok::<_, Problem>(OverrideReport { overrides, next, people })
    });
    Ok(Json(report.await?))
}

/// For each person what came of the overrides that they made.
fn people(
    made: &[Override],
    used: &[(Use, Option<Ended>)],
) -> BTreeMap<String, flyball_govern::gate::OverrideRecord> {
    let endings: Vec<(String, Option<Ended>)> =
        used.iter().map(|(one, ended)| (one.by.clone(), *ended)).collect();
    override_report(made, &endings)
}

impl OverrideUsed {
    /// An override with the changes that it let through.
    fn of(made: Override, used: &[(Use, Option<Ended>)]) -> Self {
        let own = used.iter().filter(|(one, _)| one.by == made.id);
        let used = own.map(|(one, ended)| UsedBy {
            change: one.change.clone(),
            decision: one.decision.clone(),
            at: one.at,
            ended: *ended,
        });
        Self { used: used.collect(), made }
    }
}
