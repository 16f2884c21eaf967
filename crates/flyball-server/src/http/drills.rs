//! Drills: what each would be now, begun, stopped by anyone, and what they came to.

mod reports;
mod runs;
mod situation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_catalog::Catalog;
use flyball_govern::alert::Reminder;
use flyball_govern::drill::{Check, CheckState, Dose, Drill, DrillSpec, may_begin};
use flyball_model::{Rational, Timestamp};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::allowed;
use super::administration::wait;
use super::described::IncidentRefusals;
use super::extract::{PartQuery, Path, Query, Sent, meant, part};
use super::problem::Problem;
use super::{App, room, shapes};
use crate::auth::{Caller, Role};
use crate::changes::ChangesError;
use crate::drills::{Beginning, DrillsError};
use crate::names::names;
use runs::{
    __path_headers, __path_run, __path_runs, __path_stop, RunView, headers, run, runs, stop,
};
use situation::{Looked, Looking};

/// The longest text of an announcement. Bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// A drill as it would be now.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct DrillView {
    /// Its name.
    name: String,
    /// What its document says.
    #[schema(value_type = Object)]
    spec: DrillSpec,
    /// Up to when this is said.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// How much it would spend and for how long; null where there is no surplus to spend, or nobody knows of one.
    #[schema(value_type = Option<Object>)]
    dose: Option<Dose>,
    /// Everything that has to be met before it begins, with what was seen.
    #[schema(value_type = Vec<Object>)]
    checks: Vec<Check>,
    /// Whether all of it is.
    may_begin: bool,
    /// The services that depend on its own which the caller sees, each with when it was told of the next run; null
    /// where it was not.
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    told: BTreeMap<String, Option<Timestamp>>,
}

/// The drills that documents describe.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct DrillList {
    /// By name.
    drills: Vec<DrillView>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

/// What came of asking for a run.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct DrillBegun {
    /// The drill as it was looked at.
    drill: DrillView,
    /// The run that was begun; null where it was only asked what would be.
    run: Option<RunView>,
}

/// What is asked for.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BeginRequest {
    /// Whether it is begun; what would be is told unless so.
    #[serde(default)]
    apply: bool,
}

/// What dependants are told.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnnouncementRequest {
    /// When it is to be, and whom to ask, in a sentence.
    #[schema(min_length = 1, max_length = 1024)]
    text: String,
}

/// Who was told.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Announced {
    /// The drill.
    drill: String,
    /// How many of the services that depend on its own were told.
    told: usize,
    /// Those that the caller sees of which no target is told of tickets: they were told of nothing.
    unheard: Vec<String>,
    /// What has to be met before it begins and is not now: time alone meets some of it.
    #[schema(value_type = Vec<Object>)]
    unmet: Vec<Check>,
}

/// Which drills are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DrillsQuery {
    /// Only drills of this service.
    service: Option<String>,
    /// How many to leave out: the `next` of the page before.
    #[serde(default)]
    after: usize,
    /// At most so many; 1000 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl From<DrillsError> for Problem {
    fn from(error: DrillsError) -> Self {
        let said = error.to_string();
        let status = match error {
            DrillsError::Ended(error) => return error.into(),
            DrillsError::Changes(error) => return error.into(),
            DrillsError::Learnt(error) => return error.into(),
            DrillsError::Ledger(error) => return error.into(),
            DrillsError::Attribution(error) => return error.into(),
            DrillsError::System(_) | DrillsError::Asked(_) | DrillsError::Refused(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            DrillsError::Underway(_) | DrillsError::Unguarded => StatusCode::CONFLICT,
            DrillsError::GivenUp(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &said)
    }
}

/// The routes of drills and their runs.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(announce))
        .routes(routes!(begin))
        .routes(routes!(runs))
        .routes(routes!(run))
        .routes(routes!(stop))
        .routes(routes!(headers))
}

impl DrillView {
    fn of(drill: &Drill, looked: Looked, at: Timestamp, caller: &Caller) -> Self {
        let Looked { dose, checks, mut told, .. } = looked;
        told.retain(|service, _| caller.sees(service));
        Self {
            name: drill.name.clone(),
            spec: drill.spec.clone(),
            at,
            dose: dose.ok(),
            may_begin: may_begin(&checks),
            checks,
            told,
        }
    }
}

/// What is evaluated, and the drill called `name`, if `caller` may know of it.
///
/// # Errors
///
/// A problem with status 404 otherwise.
async fn found(app: &App, caller: &Caller, name: &str) -> Result<(Arc<Catalog>, Drill), Problem> {
    let catalog = app.evaluator.ask(|it| Arc::clone(it.catalog())).await?;
    let drill = catalog.governance.drill(name).filter(|of| caller.sees(&of.spec.service)).cloned();
    let drill = drill.ok_or_else(|| {
        let known = catalog.governance.drills().filter(|of| caller.sees(&of.spec.service));
        let known = known.map(|of| of.name.as_str());
        Problem::not_there(("drill", name), known, "GET /api/v1/drills lists them")
    })?;
    Ok((catalog, drill))
}

/// What each of `who` is called that is known by an id; of a token it is said that it is one.
///
/// # Errors
///
/// A problem where it cannot be read.
async fn called(app: &App, who: BTreeSet<String>) -> Result<BTreeMap<String, String>, Problem> {
    let control = app.control.clone();
    wait(move || {
        let who = who.iter().map(String::as_str).collect();
        let mut names = names(&control, &who)?;
        for (_, name) in names.iter_mut().filter(|(id, _)| id.starts_with("token:")) {
            name.push_str(" (token)");
        }
        Ok::<_, ChangesError>(names)
    })
    .await
}

/// Whether `caller` may know of runs of drills of `service`, and stop them: whoever sees it, or a service that depends on
/// it, which burns with it.
fn is_concerned(catalog: &Catalog, caller: &Caller, service: &str) -> bool {
    let mut dependants = catalog.governance.dependants(service);
    caller.sees(service) || dependants.any(|dependant| caller.sees(dependant))
}

/// Drills, each with how much it would spend now and whether it may begin, by name.
#[utoipa::path(
    get,
    path = "/api/v1/drills",
    tag = "drills",
    params(DrillsQuery),
    responses(
        (status = 200, description = "The drills; of services that the caller may not see, none", body = DrillList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(DrillsQuery { service, after, limit }): Query<DrillsQuery>,
) -> Result<Json<DrillList>, Problem> {
    let page = PartQuery::new(after, limit).read()?;
    let _room = room(&app).await?;
    let catalog = app.evaluator.ask(|it| Arc::clone(it.catalog())).await?;
    let is_asked = |of: &&Drill| {
        let own = &of.spec.service;
        caller.sees(own) && service.as_ref().is_none_or(|asked| asked == own)
    };
    let (asked, next) = part(catalog.governance.drills().filter(is_asked).cloned().collect(), page);
    let looking = Looking::at(&app, &catalog, &asked).await?;
    let at = app.clock.now();
    let mut drills = Vec::new();
    for drill in &asked {
        drills.push(DrillView::of(drill, looking.look(drill).await?, at, &caller));
    }
    Ok(Json(DrillList { drills, next }))
}

/// One drill, with how much it would spend now and what has to be met before it begins.
#[utoipa::path(
    get,
    path = "/api/v1/drills/{name}",
    tag = "drills",
    params(("name" = String, Path, description = "The drill's `metadata.name`")),
    responses(
        (status = 200, description = "The drill", body = DrillView),
        (status = 400, description = "The name cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none, or it is of a service that the caller may not see", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<DrillView>, Problem> {
    let (catalog, drill) = found(&app, &caller, &name).await?;
    let looking = Looking::at(&app, &catalog, std::slice::from_ref(&drill)).await?;
    let looked = looking.look(&drill).await?;
    Ok(Json(DrillView::of(&drill, looked, app.clock.now(), &caller)))
}

/// Tells the services that depend on the drill's own of its next run: whoever is told of tickets of each gets a notice. It is
/// in the audit log. It counts for one run, once the drill's `notice` has passed.
#[utoipa::path(
    post,
    path = "/api/v1/drills/{name}/announcements",
    tag = "drills",
    params(("name" = String, Path, description = "The drill")),
    request_body = AnnouncementRequest,
    responses(
        (status = 200, description = "They are told", body = Announced),
        (status = 422, description = "It says nothing, or too much", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
async fn announce(
    State(app): State<App>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<Json<Announced>, Problem> {
    let (AnnouncementRequest { text }, caller) = sent.json(&app, "drills").await?;
    let (catalog, drill) = found(&app, &caller, &name).await?;
    let service = drill.spec.service.clone();
    allowed(caller.may(Role::Developer, &service), Role::Developer, &service)?;
    if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
        let said = format!(
            "`text` is empty or longer than {TEXT_BYTES_MAX} bytes; hint: say when it is to be"
        );
        return Err(meant(&said));
    }
    // Nobody is told before it is known that it can be looked at.
    Looking::at(&app, &catalog, std::slice::from_ref(&drill)).await?.look(&drill).await?;
    let dependants = catalog.governance.dependants(&service);
    let dependants: Vec<String> = dependants.map(str::to_owned).collect();
    let (now, who) = (app.clock.now(), caller.actor());
    let called = called(&app, BTreeSet::from([who.clone()])).await?;
    let called = called.get(&who).unwrap_or(&who).clone();
    let (mut told, mut unheard) = (Vec::new(), Vec::new());
    for dependant in dependants {
        let reminder = Reminder {
            key: format!("drill/{name}/{now}/{dependant}"),
            service: dependant.clone(),
            title: format!("{service} will be broken on purpose: {name}"),
            text: announced_of(&drill, &text, &called),
            at: now,
            target: None,
        };
        let is_heard = app.evaluator.ask(move |it| it.remind(&reminder)).await?;
        let heard = if is_heard.map_err(ChangesError::from)? { &mut told } else { &mut unheard };
        heard.push(dependant);
    }
    let (of, announced, told_of) = (service, name.clone(), told.clone());
    let kept = app
        .drills
        .on_disk(move |changes| changes.told_of_drill((&announced, &of), &told_of, (&who, now)));
    kept.await?;
    unheard.retain(|service| caller.sees(service));
    let looking = Looking::at(&app, &catalog, std::slice::from_ref(&drill)).await?;
    let mut unmet = looking.look(&drill).await?.checks;
    unmet.retain(|check| check.state != CheckState::Met);
    Ok(Json(Announced { drill: name, told: told.len(), unheard, unmet }))
}

/// What dependants read of a drill that `who` announces as `text`.
fn announced_of(drill: &Drill, text: &str, who: &str) -> String {
    let DrillSpec { description, slo, dose, reserve, longest, blast_radius, hours, .. } =
        &drill.spec;
    let sentence = |text: &str| {
        let text = text.trim();
        let ends = text.ends_with(['.', '!', '?']);
        if ends { text.to_owned() } else { format!("{text}.") }
    };
    let percent = |share: &Rational| format!("{:.4}", share.to_f64() * 100.0);
    let percent = |share: &Rational| {
        let text = percent(share);
        format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
    };
    let spends = match dose {
        Some(dose) => format!("at most {} of the budget of {slo}", percent(dose)),
        None => format!("what is left of the budget of {slo} above {}", percent(reserve)),
    };
    format!(
        "{} {} It reaches {} of the traffic for {longest} at most, spends {spends} and no more than its contracts leave, and begins {}. {who} announces it. Whoever \
         burns with it may stop it: `flyball drill stop`.",
        sentence(text),
        sentence(description),
        percent(blast_radius),
        hours.words(),
    )
}

/// Tells what a run of a drill would be, or begins one.
///
/// It begins only where everything is met that has to be. It is kept, and in the audit log, before anything is broken; a
/// guard that outlives this server holds what takes the fault away. The run goes on by itself.
#[utoipa::path(
    post,
    path = "/api/v1/drills/{name}/runs",
    tag = "drills",
    params(("name" = String, Path, description = "The drill")),
    request_body = BeginRequest,
    responses(
        (status = 200, description = "What would be; nothing was begun", body = DrillBegun),
        (status = 201, description = "It is begun", body = DrillBegun),
        (status = 409, description = "Something that has to be met is not", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be asked of the other system", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
async fn begin(
    State(app): State<App>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<DrillBegun>), Problem> {
    let (BeginRequest { apply }, caller) = sent.json(&app, "drills").await?;
    let (catalog, drill) = found(&app, &caller, &name).await?;
    let service = drill.spec.service.clone();
    allowed(caller.may(Role::Developer, &service), Role::Developer, &service)?;
    let looking = Looking::at(&app, &catalog, std::slice::from_ref(&drill)).await?;
    let looked = looking.look(&drill).await?;
    let (found, usual, bad) = (looked.dose.clone(), looked.usual, looked.bad);
    let view = DrillView::of(&drill, looked, app.clock.now(), &caller);
    if !apply {
        return Ok((StatusCode::OK, Json(DrillBegun { drill: view, run: None })));
    }
    let (true, Ok(dose)) = (view.may_begin, found) else { return Err(unmet(&view)) };
    let beginning = Beginning { drill, by: caller.actor(), dose, usual, bad };
    let run = app.drills.begin(beginning).await?;
    let people = runs::people(&app, std::slice::from_ref(&run)).await?;
    let run = Some(RunView::of(run, &people));
    Ok((StatusCode::CREATED, Json(DrillBegun { drill: view, run })))
}

/// The refusal of a drill of which something is not met.
fn unmet(view: &DrillView) -> Problem {
    let unmet = view.checks.iter().filter(|check| check.state != CheckState::Met);
    let unmet: Vec<&str> =
        unmet.map(|check| check.text.split("; hint: ").next().unwrap_or_default()).collect();
    let said = format!(
        "the drill may not begin: {}; hint: GET /api/v1/drills/{} lists what has to be met",
        unmet.join("; "),
        view.name
    );
    Problem::new(StatusCode::CONFLICT, &said)
}
