//! Runs of drills: listed, shown with what they came to, stopped by anyone.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::drill::{DrillSpec, Report, Stop, Watch, WatchState};
use flyball_model::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::super::described::IncidentRefusals;
use super::super::extract::{Path, Query, Sent, page_size};
use super::super::problem::Problem;
use super::super::services::is_there;
use super::super::{App, room, shapes};
use super::reports::reported;
use super::{called, is_concerned};
use crate::auth::Caller;
use crate::changes::{DrillMeasured, DrillRun, PAGE_DEFAULT, PAGE_MAX};

/// A run of a drill.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct RunView {
    /// In which order runs were begun.
    number: u64,
    /// What it is known by.
    key: String,
    /// The change that it is, by id.
    change: String,
    /// The service that is made worse.
    service: String,
    /// The SLO that pays.
    slo: String,
    /// When it was begun.
    #[schema(value_type = shapes::Instant)]
    planned: Timestamp,
    /// When the fault is gone at the latest.
    #[schema(value_type = shapes::Instant)]
    latest: Timestamp,
    /// Where it is, what it may spend and has spent as it was last counted, and why it ended.
    #[schema(value_type = Object)]
    watch: Watch,
    /// What its document said then; null for whoever sees only a service that depends on its own.
    #[schema(value_type = Option<Object>)]
    spec: Option<DrillSpec>,
    /// What it came to; null before all of it is counted.
    #[schema(value_type = Option<Object>)]
    measured: Option<DrillMeasured>,
    /// What those are called who are known by an id.
    people: BTreeMap<String, String>,
}

/// A run with what it came to.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct RunReport {
    /// The run.
    run: RunView,
    /// What it came to so far: what was burned of what was dosed, which dependants burned and so assumed too much, what
    /// became of its hypothesis, how long it took to detect and to recover. Null is what is not known.
    #[schema(value_type = Object)]
    report: Report,
}

/// A page of runs.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct RunList {
    /// Those begun last first.
    runs: Vec<RunView>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// Which runs are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RunsQuery {
    /// Only runs of drills of this service.
    service: Option<String>,
    /// Only those before the one of this number.
    #[serde(default, deserialize_with = "super::super::extract::number")]
    before: Option<u64>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// For which service headers are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct HeadersQuery {
    /// The service that is called.
    service: String,
}

/// Nothing more than that it is done.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct StopRequest {}

impl RunView {
    /// `run`, by what `people` are called.
    pub(super) fn of(run: DrillRun, people: &BTreeMap<String, String>) -> Self {
        let known = who(&run).filter_map(|who| Some((who.to_owned(), people.get(who)?.clone())));
        Self {
            people: known.collect(),
            number: run.number,
            key: run.key().to_owned(),
            change: run.change_id(),
            service: run.spec.service.clone(),
            slo: run.spec.slo.clone(),
            planned: run.planned,
            latest: run.latest,
            watch: run.watch,
            spec: Some(run.spec),
            measured: run.measured,
        }
    }
}

impl RunView {
    /// Without what only those know who see the service: by which systems it is broken.
    fn seen_by(self, caller: &Caller) -> Self {
        let spec = self.spec.filter(|_| caller.sees(&self.service));
        Self { spec, ..self }
    }
}

/// Who began a run, and who stopped it.
fn who(run: &DrillRun) -> impl Iterator<Item = &str> {
    let stopped = match &run.watch.state {
        WatchState::Stopping { why: Stop::Asked { who }, .. }
        | WatchState::Ended { why: Stop::Asked { who }, .. } => Some(who.as_str()),
        _ => None,
    };
    [run.watch.by.as_str()].into_iter().chain(stopped)
}

/// What those are called who did something to `runs`.
///
/// # Errors
///
/// A problem where it cannot be read.
pub(super) async fn people(
    app: &App,
    runs: &[DrillRun],
) -> Result<BTreeMap<String, String>, Problem> {
    called(app, runs.iter().flat_map(who).map(str::to_owned).collect()).await
}

/// The run called `key`, if `caller` may know of it.
///
/// # Errors
///
/// A problem with status 404 otherwise.
async fn found(app: &App, caller: &Caller, key: String) -> Result<DrillRun, Problem> {
    let run = app.drills.on_disk(move |changes| changes.drill_run(&key)).await?;
    let catalog = app.evaluator.ask(|it| Arc::clone(it.catalog())).await?;
    let is_concerned = |run: &DrillRun| is_concerned(&catalog, caller, &run.spec.service);
    let run = run.filter(is_concerned).ok_or_else(|| {
        let said = "there is no such run; hint: GET /api/v1/drill-runs lists them";
        Problem::new(StatusCode::NOT_FOUND, said)
    })?;
    Ok(app.drills.live(run))
}

/// Runs of drills, those begun last first.
#[utoipa::path(
    get,
    path = "/api/v1/drill-runs",
    tag = "drills",
    params(RunsQuery),
    responses(
        (status = 200, description = "A page of them: of services that the caller sees, and of those that these depend on", body = RunList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn runs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(RunsQuery { service, before, limit }): Query<RunsQuery>,
) -> Result<Json<RunList>, Problem> {
    let limit = page_size(limit, PAGE_DEFAULT, PAGE_MAX)?;
    let catalog = app.evaluator.ask(|it| Arc::clone(it.catalog())).await?;
    let services = match service {
        Some(service) if is_concerned(&catalog, &caller, &service) => Some(vec![service]),
        Some(_) => return Ok(Json(RunList { runs: Vec::new(), next: None })),
        None => caller.seen().map(|own| {
            let below = own.iter().flat_map(|of| catalog.governance.dependencies(of));
            let below: Vec<String> = below.map(str::to_owned).collect();
            [own, below].concat()
        }),
    };
    let listed =
        app.drills.on_disk(move |changes| changes.drill_runs(services.as_deref(), before, limit));
    let (listed, next) = listed.await?;
    let people = people(&app, &listed).await?;
    let view = |run| RunView::of(app.drills.live(run), &people).seen_by(&caller);
    let runs = listed.into_iter().map(view).collect();
    Ok(Json(RunList { runs, next }))
}

/// One run, with what it came to so far.
#[utoipa::path(
    get,
    path = "/api/v1/drill-runs/{id}",
    tag = "drills",
    params(("id" = String, Path, description = "The run's key")),
    responses(
        (status = 200, description = "The run and its report; dependants that the caller may not see are left out", body = RunReport),
        (status = 400, description = "The key cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none, or it is of a service that the caller does not see, nor any that depends on it", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn run(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<RunReport>, Problem> {
    let run = found(&app, &caller, id).await?;
    let _room = room(&app).await?;
    let mut report = reported(&app, &run).await?;
    report.dependants.retain(|of| caller.sees(&of.service));
    let people = people(&app, std::slice::from_ref(&run)).await?;
    Ok(Json(RunReport { run: RunView::of(run, &people).seen_by(&caller), report }))
}

/// Stops a run: whoever sees its service, or one that depends on it, may. The fault is taken away at once, and tried until it worked. It is in the audit
/// log. One that has ended stays as it is.
#[utoipa::path(
    post,
    path = "/api/v1/drill-runs/{id}/stop",
    tag = "drills",
    params(("id" = String, Path, description = "The run's key")),
    request_body = StopRequest,
    responses(
        (status = 200, description = "It ends, or has ended", body = RunView),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn stop(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<RunView>, Problem> {
    let (StopRequest {}, caller) = sent.json(&app, "drills").await?;
    let run = found(&app, &caller, id).await?;
    let ended = app.drills.end(run.key(), caller.actor()).await?;
    let run = ended.unwrap_or(run);
    let people = people(&app, std::slice::from_ref(&run)).await?;
    Ok(Json(RunView::of(run, &people).seen_by(&caller)))
}

/// The headers of Envoy's fault filter that callers of a service put on their requests at the moment, and until when: none
/// unless a drill does it that way. Callers ask again before `until`, and send nothing when nobody answers.
#[utoipa::path(
    get,
    path = "/api/v1/drill-headers",
    tag = "drills",
    params(HeadersQuery),
    responses(
        (status = 200, description = "The drill's key or null, the headers by name, and until when they are sent", body = Object),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn headers(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(HeadersQuery { service }): Query<HeadersQuery>,
) -> Result<Json<serde_json::Value>, Problem> {
    if !caller.sees(&service) {
        return Err(super::super::services::absent(&app, &caller, &service).await?);
    }
    is_there(&app, &caller, &service).await?;
    Ok(Json(app.drills.headers(&service).await?))
}
