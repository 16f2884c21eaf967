//! Objectives and their budgets.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_budget::live::LiveError;
use flyball_catalog::{Catalog, NotCounted};
use flyball_query::near_matches;
use flyball_store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::extract::{PartQuery, Path, Query, part};
use super::problem::Problem;
use super::shapes;
use crate::auth::Caller;
use crate::evaluator::{Ended, SloStatus};

/// Which SLOs are asked for.
#[derive(Debug, Clone, Default, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SloQuery {
    /// Only those of this service.
    pub(super) service: Option<String>,
}

impl SloQuery {
    /// Whether `slo` is asked for, and may be by `caller`.
    pub(super) fn asks_for(&self, slo: &flyball_model::Slo, caller: &Caller) -> bool {
        self.asks_for_service(&slo.service, caller)
    }

    /// Whether SLOs of `service` are asked for, and may be by `caller`.
    pub(super) fn asks_for_service(&self, service: &str, caller: &Caller) -> bool {
        self.service.as_ref().is_none_or(|asked| service == *asked) && caller.sees(service)
    }
}

/// Which SLOs are asked for, and which part of the list.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SlosQuery {
    /// Only those of this service.
    service: Option<String>,
    /// How many to leave out: the `next` of the page before.
    #[serde(default)]
    after: usize,
    /// At most so many; 1000 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Every SLO that is asked for.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct SloList {
    slos: Vec<SloStatus>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
    /// SLOs that are valid and cannot be evaluated here, with reasons. One whose service is not
    /// known is there whatever service is asked for.
    #[schema(value_type = Vec<shapes::NotEvaluated>)]
    not_evaluated: Vec<NotCounted>,
}

impl From<Ended> for Problem {
    fn from(ended: Ended) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, &ended.to_string())
    }
}

impl From<LiveError<StoreError>> for Problem {
    fn from(error: LiveError<StoreError>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
    }
}

/// Takes out of `slo` what only those may know who see every service.
fn bound_hints(slo: &mut SloStatus, caller: &Caller) {
    if !caller.sees_all() {
        for doubt in &mut slo.doubts {
            doubt.hint = None;
        }
    }
}

/// All SLOs with their budgets, in the order of their documents.
#[utoipa::path(
    get,
    path = "/api/v1/slos",
    tag = "slos",
    params(SlosQuery),
    responses(
        (status = 200, description = "The SLOs", body = SloList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(SlosQuery { service, after, limit }): Query<SlosQuery>,
) -> Result<Json<SloList>, Problem> {
    let page = PartQuery::new(after, limit).read()?;
    let query = SloQuery { service };
    let (asked, seer) = (query.clone(), caller.clone());
    app.evaluator.join(move |slo| asked.asks_for(slo, &seer)).await?;
    let answer = app.evaluator.ask(move |evaluator| {
        let slos = evaluator.statuses(|slo| query.asks_for(slo, &caller))?;
        let (mut slos, next) = part(slos, page);
        for slo in &mut slos {
            bound_hints(slo, &caller);
        }
        let Catalog { set, not_counted, .. } = &**evaluator.catalog();
        // What is too incomplete to name its service is shown to those who may see everything.
        let is_asked = |left_out: &&NotCounted| {
            let slo = set.slos.iter().find(|slo| slo.name == left_out.slo);
            slo.map_or(caller.sees_all(), |slo| query.asks_for(slo, &caller))
        };
        let not_evaluated = not_counted.iter().filter(is_asked).cloned().collect();
        Ok::<_, LiveError<StoreError>>(SloList { slos, next, not_evaluated })
    });
    Ok(Json(answer.await??))
}

/// One SLO with its budgets.
#[utoipa::path(
    get,
    path = "/api/v1/slos/{name}",
    tag = "slos",
    params(("name" = String, Path, description = "The SLO's `metadata.name`", example = "checkout-availability")),
    responses(
        (status = 200, description = "The SLO", body = SloStatus),
        (status = 400, description = "The name cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none of this name, or it is not evaluated", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<SloStatus>, Problem> {
    let asked = name.clone();
    app.evaluator.join(move |slo| slo.name == asked).await?;
    let asked = name.clone();
    let found = app.evaluator.ask(move |evaluator| evaluator.status(&asked)).await??;
    // What a caller may not know of is not there for them.
    if let Some(mut status) = found.filter(|status| caller.sees(&status.service)) {
        bound_hints(&mut status, &caller);
        return Ok(Json(status));
    }
    Err(absent(&app, caller, name).await?)
}

/// That there is no SLO of this name that `caller` may know of, or that it is not evaluated.
pub(super) async fn absent(app: &App, caller: Caller, name: String) -> Result<Problem, Ended> {
    let (left_out, seer) = (name.clone(), caller.clone());
    let left_out = app.evaluator.ask(move |evaluator| {
        let Catalog { set, not_counted, .. } = &**evaluator.catalog();
        let slo = set.slos.iter().find(|slo| slo.name == left_out);
        let is_seen = slo.map_or(seer.sees_all(), |slo| seer.sees(&slo.service));
        not_counted.iter().find(|slo| is_seen && slo.slo == left_out).cloned()
    });
    if let Some(NotCounted { slo, reason }) = left_out.await? {
        let said = format!("the SLO `{slo}` is not evaluated: {reason}");
        return Ok(Problem::new(StatusCode::NOT_FOUND, &said));
    }
    let known = app.evaluator.ask(move |evaluator| {
        let slos = evaluator.catalog().set.slos.iter();
        slos.filter(|slo| caller.sees(&slo.service))
            .map(|slo| slo.name.clone())
            .collect::<Vec<String>>()
    });
    let known = known.await?;
    let near = near_matches(&name, known.iter().map(String::as_str));
    let hint = match near.first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => "GET /api/v1/slos lists them".to_owned(),
    };
    let said = format!("there is no SLO called `{name}`; hint: {hint}");
    Ok(Problem::new(StatusCode::NOT_FOUND, &said))
}
