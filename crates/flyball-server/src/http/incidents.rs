//! Incidents: opened by hand, listed, shown; what is said of them and learnt from them.

mod acts;
mod cost;
mod items;
mod measures;
mod runbooks;
mod timeline;
mod users;
mod write_ups;

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::incident::{
    Hit, IncidentRecord, IncidentRole, IncidentState, Journeys, LIST_MAX,
};
use flyball_govern::policy::PostMortemReason;
use flyball_model::{CHANGE_TEXT_BYTES_MAX, Incident, Timestamp};
use flyball_query::near_matches;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::allowed;
use super::administration::wait;
use super::described::IncidentRefusals;
use super::extract::{Path, Query, Sent, meant, moment, page_size};
use super::problem::Problem;
use super::services::{Due, Learnt, is_there};
use crate::auth::{Caller, Role};
use crate::changes::{ChangesError, IncidentActError, KeptIncident, PAGE_DEFAULT, PAGE_MAX};
use crate::gate::Classes;
use acts::{
    __path_correct, __path_false_alarm, __path_note, __path_role, correct, false_alarm, note, role,
};
use cost::{__path_cost, cost};
use items::{
    __path_add_item, __path_end_item, __path_items, __path_tested, add_item, end_item, items,
    tested,
};
use measures::{__path_measured, measured};
use runbooks::{__path_runbooks, runbooks};
use timeline::{__path_timeline, timeline};
use write_ups::{
    __path_move_on, __path_write, __path_write_up, __path_write_ups, move_on, write, write_up,
    write_ups,
};

/// The longest name of a service, a journey or a runbook. Bytes.
const NAME_BYTES_MAX: usize = 256;

/// An incident that somebody opens.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IncidentRequest {
    /// The service whose users are hit.
    service: String,
    /// What happens, in a sentence.
    summary: String,
    /// What it is to be known by; the service and the moment unless told.
    id: Option<String>,
    /// Where.
    environment: Option<String>,
    /// When users were first hit; not known unless told.
    started: Option<String>,
    /// When it was noticed; now unless told.
    detected: Option<String>,
    /// When somebody took it on.
    acknowledged: Option<String>,
    /// When users were no longer hit.
    mitigated: Option<String>,
    /// When it was over.
    resolved: Option<String>,
    /// The change that caused it, by id.
    cause: Option<String>,
    /// Where more is said of it.
    link: Option<String>,
    /// Further services whose users are hit.
    #[serde(default)]
    services: Vec<String>,
    /// The journeys of users that are hit.
    #[serde(default)]
    journeys: Vec<String>,
    /// The runbooks that are followed.
    #[serde(default)]
    runbooks: Vec<String>,
}

/// An incident, whoever opened it.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct IncidentView {
    /// In which order incidents were first heard of.
    number: u64,
    /// Where it is: open, acknowledged, mitigated, resolved or `false_alarm`.
    #[schema(value_type = String)]
    state: IncidentState,
    /// Its names and moments, what opened it, notes, roles, and every correction; null is what nobody has said.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    record: IncidentRecord,
    /// Who holds each role now; for a role that nobody has taken, the commander; null for none.
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    holders: BTreeMap<IncidentRole, Option<String>>,
    /// The journeys that its services take part in, as their documents say.
    #[schema(value_type = Vec<Object>)]
    journeys_hit: Vec<Hit>,
}

/// An incident, and what is to be written of it.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct IncidentAnswer {
    #[serde(flatten)]
    incident: IncidentView,
    /// The post-mortems of it that are demanded and not published, of services that the caller sees.
    post_mortems: Vec<Due>,
}

/// A page of incidents.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct IncidentList {
    /// Those that were heard of last first.
    incidents: Vec<IncidentView>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// Which incidents are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only incidents that concern this service, as its own or beside others.
    service: Option<String>,
    /// Only those that last, where it is true.
    #[serde(default)]
    open: bool,
    /// Only those that were heard of before the one of this number.
    #[serde(default, deserialize_with = "super::extract::number")]
    before: Option<u64>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl From<IncidentActError> for Problem {
    fn from(error: IncidentActError) -> Self {
        let status = match error {
            IncidentActError::Kept(error) => return error.into(),
            IncidentActError::Unknown(..) => StatusCode::NOT_FOUND,
            IncidentActError::Taken(_) => StatusCode::CONFLICT,
            IncidentActError::Record(_)
            | IncidentActError::WriteUp(_)
            | IncidentActError::Action(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, &error.to_string())
    }
}

/// The routes of incidents and of what is learnt from them.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(open, list))
        .routes(routes!(get))
        .routes(routes!(note))
        .routes(routes!(correct))
        .routes(routes!(false_alarm))
        .routes(routes!(role))
        .routes(routes!(timeline))
        .routes(routes!(cost))
        .routes(routes!(runbooks))
        .routes(routes!(write, write_up))
        .routes(routes!(move_on))
        .routes(routes!(add_item))
        .routes(routes!(end_item))
        .routes(routes!(write_ups))
        .routes(routes!(items))
        .routes(routes!(tested))
        .routes(routes!(measured))
}

/// What is beside a record: journeys as documents say, and classes as people gave them.
struct Beside {
    journeys: Journeys,
    classes: Classes,
}

/// What is beside the records of `services`.
async fn beside(app: &App, services: Vec<String>) -> Result<Beside, Problem> {
    let journeys = app.evaluator.ask(|evaluator| {
        let services = evaluator.catalog().governance.services();
        Journeys::of(
            services.map(|of| (of.name.as_str(), of.spec.journeys.iter().map(String::as_str))),
        )
    });
    let journeys = journeys.await?;
    let gatekeeper = app.gatekeeper.clone();
    let classes = wait(move || gatekeeper.classes(&services)).await?;
    Ok(Beside { journeys, classes })
}

impl Beside {
    /// The class of the incident in `record`.
    fn class(&self, record: &IncidentRecord) -> Option<String> {
        let service = record.incident.service.clone()?;
        self.classes.get(&(service, record.incident.id.clone())).cloned()
    }

    /// An incident as `caller` may see it.
    fn view(&self, kept: KeptIncident, caller: &Caller) -> IncidentView {
        let KeptIncident { number, mut record } = kept;
        record.class = self.class(&record);
        let mut journeys_hit = self.journeys.hit(record.all_services());
        record.services.retain(|service| caller.sees(service));
        record.incident.service = record.incident.service.filter(|service| caller.sees(service));
        for hit in &mut journeys_hit {
            hit.through.retain(|service| caller.sees(service));
        }
        journeys_hit.retain(|hit| !hit.through.is_empty());
        let roles = [
            IncidentRole::Commander,
            IncidentRole::Operations,
            IncidentRole::Communications,
            IncidentRole::Planning,
        ];
        let holders = roles.map(|role| (role, record.holder(role).map(str::to_owned))).into();
        IncidentView { number, state: record.state(), record, holders, journeys_hit }
    }
}

/// An incident as `caller` may see it.
async fn view(
    app: &App,
    kept: KeptIncident,
    caller: &Caller,
) -> Result<Json<IncidentView>, Problem> {
    let services = kept.record.incident.service.iter().cloned().collect();
    Ok(Json(beside(app, services).await?.view(kept, caller)))
}

/// Among how many of the last incidents one is looked for whose name is nearly the one that was asked for.
const NEAR_AMONG: usize = 200;

/// The incident called `id`, if `caller` may know of it.
///
/// # Errors
///
/// A problem with status 404 otherwise.
async fn found(app: &App, caller: &Caller, id: &str) -> Result<KeptIncident, Problem> {
    let (changes, asked) = (app.changes.clone(), id.to_owned());
    let found = wait::<_, ChangesError>(move || changes.incident(&asked)).await?;
    match found.filter(|kept| kept.is_seen_by(caller)) {
        Some(kept) => Ok(kept),
        None => Err(absent(app, caller, id).await?),
    }
}

/// That there is no incident called `id`, with the nearest of the last that `caller` may know of.
async fn absent(app: &App, caller: &Caller, id: &str) -> Result<Problem, Problem> {
    let (changes, seer) = (app.changes.clone(), caller.clone());
    let last = wait(move || changes.incident_list(None, None, NEAR_AMONG, (&seer, |_| true)));
    let (last, _) = last.await?;
    let known = last.iter().map(|of| of.record.incident.id.as_str());
    let listed = "GET /api/v1/incidents lists them, each with its id";
    Ok(Problem::not_there(("incident", id), known, listed))
}

/// What somebody says of the incident called `id`, and who that is, if they may.
///
/// # Errors
///
/// A problem with status 404 for what they do not see, and 403 for what they may only look at.
async fn said_of<T: DeserializeOwned>(
    app: &App,
    id: &str,
    sent: Sent,
) -> Result<(T, Caller, KeptIncident), Problem> {
    let (said, caller): (T, _) = sent.json(app, "incidents").await?;
    let kept = found(app, &caller, id).await?;
    match &kept.record.incident.service {
        Some(service) => allowed(caller.may(Role::Developer, service), Role::Developer, service)?,
        None => allowed(caller.may_everywhere(Role::Developer), Role::Developer, "every service")?,
    }
    Ok((said, caller, kept))
}

/// Refuses names that are too many or too long.
///
/// # Errors
///
/// A problem with status 422.
fn names(what: &str, names: &[String]) -> Result<(), Problem> {
    if names.len() > LIST_MAX {
        let said = format!("`{what}` has more than {LIST_MAX} names; hint: name those hit most");
        return Err(meant(&said));
    }
    match names.iter().find(|name| name.trim().is_empty() || name.len() > NAME_BYTES_MAX) {
        Some(_) => Err(meant(&format!(
            "`{what}` has a name that is empty or longer than {NAME_BYTES_MAX} bytes; hint: write names"
        ))),
        None => Ok(()),
    }
}

/// Refuses further services that the caller has no say in: an incident of a service counts at its gate.
///
/// # Errors
///
/// A problem with status 403.
fn say_in(caller: &Caller, services: &[String]) -> Result<(), Problem> {
    services.iter().try_for_each(|service| {
        allowed(caller.may(Role::Developer, service), Role::Developer, service)
    })
}

/// Refuses services, journeys and a change that nothing is known of: most likely a name is misspelt.
///
/// # Errors
///
/// A problem with status 404 for a service, 422 for others, with the nearest name.
async fn known_names(
    app: &App,
    caller: &Caller,
    (services, journeys, cause): (&[String], &[String], Option<&str>),
) -> Result<(), Problem> {
    for service in services {
        is_there(app, caller, service).await?;
    }
    if !journeys.is_empty() {
        let known = app.evaluator.ask(|evaluator| {
            let services = evaluator.catalog().governance.services();
            services.flat_map(|of| of.spec.journeys.clone()).collect::<BTreeSet<String>>()
        });
        let known = known.await?;
        if let Some(journey) = journeys.iter().find(|journey| !known.contains(*journey)) {
            let near = near_matches(journey, known.iter().map(String::as_str));
            let hint = near.first().map_or_else(
                || "services say in their documents which they take part in".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(meant(&format!("no service takes part in `{journey}`; hint: {hint}")));
        }
    }
    let Some(cause) = cause.map(str::trim).filter(|cause| !cause.is_empty()) else { return Ok(()) };
    let (changes, id, seer) = (app.changes.clone(), cause.to_owned(), caller.clone());
    if wait::<_, ChangesError>(move || changes.get(&id, &seer)).await?.is_none() {
        return Err(meant(&format!(
            "no change is called `{cause}`; hint: `flyball change list` names them; one that is heard of later is named by a \
             correction"
        )));
    }
    Ok(())
}

/// Opens an incident by hand. It is detected now unless told otherwise, and in the audit log.
#[utoipa::path(
    post,
    path = "/api/v1/incidents",
    tag = "incidents",
    request_body = IncidentRequest,
    responses(
        (status = 201, description = "It is open", body = IncidentView),
        (status = 409, description = "Another incident is known by the id", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It does not say what happens, its moments cannot be, or a name is not known", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
async fn open(
    State(app): State<App>,
    sent: Sent,
) -> Result<(StatusCode, Json<IncidentView>), Problem> {
    let (asked, caller): (IncidentRequest, _) = sent.json(&app, "incidents").await?;
    allowed(caller.may(Role::Developer, &asked.service), Role::Developer, &asked.service)?;
    is_there(&app, &caller, &asked.service).await?;
    let now = app.clock.now();
    let at = |field: &str, text: Option<String>| text.map(|text| moment(field, &text)).transpose();
    let text = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let IncidentRequest { service, services, journeys, runbooks, .. } = &asked;
    for (what, list) in [("services", services), ("journeys", journeys), ("runbooks", runbooks)] {
        names(what, list)?;
    }
    say_in(&caller, services)?;
    known_names(&app, &caller, (services, journeys, asked.cause.as_deref())).await?;
    let texts = [&asked.environment, &asked.cause, &asked.link];
    if texts.into_iter().flatten().any(|text| text.len() > CHANGE_TEXT_BYTES_MAX) {
        return Err(meant("a text is too long; hint: say it in a sentence, and link to the rest"));
    }
    let (changes, short) = (app.changes.clone(), format!("{service}:{now:.0}"));
    let asked_for = short.clone();
    let is_taken = wait::<_, ChangesError>(move || changes.incident(&asked_for)).await?.is_some();
    let usual = if is_taken { format!("{service}:{now}") } else { short };
    let incident = Incident {
        id: text(asked.id).unwrap_or(usual),
        service: Some(asked.service),
        environment: text(asked.environment),
        summary: Some(asked.summary),
        started: at("started", asked.started)?,
        detected: at("detected", asked.detected)?,
        acknowledged: at("acknowledged", asked.acknowledged)?,
        mitigated: at("mitigated", asked.mitigated)?,
        resolved: at("resolved", asked.resolved)?,
        cause: text(asked.cause),
        link: text(asked.link),
    };
    let who = caller.actor();
    let mut record = IncidentRecord::by_hand(incident, &who, now)
        .map_err(|error| Problem::from(IncidentActError::Record(error)))?;
    record.services = asked.services;
    record.journeys = asked.journeys;
    record.runbooks = asked.runbooks;
    let changes = app.changes.clone();
    let kept = wait(move || changes.open_incident(record, &who, now)).await?;
    Ok((StatusCode::CREATED, view(&app, kept, &caller).await?))
}

/// Incidents, those that were heard of last first: those that alerts opened, people, and other systems told of.
#[utoipa::path(
    get,
    path = "/api/v1/incidents",
    tag = "incidents",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of them; of services that the caller may not see, none", body = IncidentList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(ListQuery { service, open, before, limit }): Query<ListQuery>,
) -> Result<Json<IncidentList>, Problem> {
    let limit = page_size(limit, PAGE_DEFAULT, PAGE_MAX)?;
    let (changes, seer) = (app.changes.clone(), caller.clone());
    let listed = wait::<_, ChangesError>(move || {
        let is_asked = |record: &IncidentRecord| !open || record.lasts();
        changes.incident_list(service.as_deref(), before, limit, (&seer, is_asked))
    });
    let (listed, next) = listed.await?;
    let mut services: Vec<String> =
        listed.iter().filter_map(|kept| kept.record.incident.service.clone()).collect();
    services.sort_unstable();
    services.dedup();
    let beside = beside(&app, services).await?;
    let incidents = listed.into_iter().map(|kept| beside.view(kept, &caller)).collect();
    Ok(Json(IncidentList { incidents, next }))
}

/// One incident.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}",
    tag = "incidents",
    params(("id" = String, Path, description = "What it is known by, or was before another system told of it")),
    responses(
        (status = 200, description = "The incident", body = IncidentAnswer),
        (status = 404, description = "There is none, or it is of services that the caller may not see", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<IncidentAnswer>, Problem> {
    let kept = found(&app, &caller, &id).await?;
    let post_mortems = demanded(&app, &caller, &kept.record).await?;
    let Json(incident) = view(&app, kept, &caller).await?;
    Ok(Json(IncidentAnswer { incident, post_mortems }))
}

/// The post-mortems of the incident in `record` that were demanded of services that `caller` sees, and are to be written.
async fn demanded(
    app: &App,
    caller: &Caller,
    record: &IncidentRecord,
) -> Result<Vec<Due>, Problem> {
    let (changes, record) = (app.changes.clone(), record.clone());
    let services = record.all_services().into_iter().filter(|of| caller.sees(of));
    let services: Vec<String> = services.map(str::to_owned).collect();
    let learnt = wait::<_, ChangesError>(move || {
        let id = &record.incident.id;
        let mut demanded = changes.demanded(&services)?;
        demanded
            .retain(|of| matches!(&of.reason, PostMortemReason::Incident { id: of } if of == id));
        let written = changes.write_up(id)?.map(|of| of.write_up).into_iter().collect();
        Ok(Learnt { records: vec![record], written, demanded })
    });
    let mut found = learnt.await?.stands(app.clock.now());
    found.retain(|of| of.unpublished().is_some());
    Ok(found)
}

/// When an incident began, as far as it is known.
fn began(record: &IncidentRecord) -> Timestamp {
    record.incident.started.or_else(|| record.incident.opened()).unwrap_or(record.recorded)
}
