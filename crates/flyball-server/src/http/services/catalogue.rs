//! What is wrong with services: nobody who answers or pays, nothing promised, or more than can be kept.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use flyball_catalog::faults;
use flyball_govern::catalogue::Fault;
use utoipa::{IntoParams, ToSchema};

use crate::auth::Caller;
use crate::http::App;
use crate::http::extract::{Query, page_size};
use crate::http::problem::Problem;

/// Services in one answer, unless told.
const PAGE: usize = 100;
/// Services in one answer, at most.
const PAGE_MAX: usize = 1_000;

/// Which services are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct CatalogueQuery {
    /// Only those whose names come after this one.
    after: Option<String>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of services with which something is wrong.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct Catalogue {
    /// By name.
    services: Vec<FaultyService>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<String>,
}

/// A service and what is wrong with it.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct FaultyService {
    /// What it is called.
    name: String,
    /// What is wrong.
    faults: Vec<FaultInfo>,
}

/// Something that is wrong with a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct FaultInfo {
    /// Its kind under `fault`, and what is known of it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    fault: Fault,
    /// What is wrong and what to do, in a sentence or two.
    sentence: String,
}

impl FaultInfo {
    /// Those of `faults` that `caller` may know: not what others promise whom they may not see.
    pub(in crate::http) fn seen(faults: &[Fault], caller: &Caller) -> Vec<Self> {
        let is_seen = |fault: &&Fault| match fault {
            Fault::AboveDependency { dependency, .. }
            | Fault::DependencyUnclear { dependency, .. }
            | Fault::DependencyWithoutSlo { dependency, .. } => caller.sees(dependency),
            Fault::AboveProduct { dependencies: others, .. }
            | Fault::DependencyCycle { services: others } => {
                others.iter().all(|other| caller.sees(other))
            }
            _ => true,
        };
        let seen = faults.iter().filter(is_seen);
        seen.map(|fault| Self { sentence: fault.sentence(), fault: fault.clone() }).collect()
    }
}

/// The services with which something is wrong: no team, nobody accountable, no funding, no SLO, or a target above what
/// its hard dependencies allow. Services without fault are left out.
#[utoipa::path(
    get,
    path = "/api/v1/catalogue",
    tag = "services",
    params(CatalogueQuery),
    responses(
        (status = 200, description = "A page of services, by name", body = Catalogue),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server goes down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn catalogue(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(CatalogueQuery { after, limit }): Query<CatalogueQuery>,
) -> Result<Json<Catalogue>, Problem> {
    let limit = page_size(limit, PAGE, PAGE_MAX)?;
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let found = faults(&catalog, app.clock.now());
    let is_asked =
        |name: &String| caller.sees(name) && after.as_ref().is_none_or(|after| name > after);
    let mut services = found
        .iter()
        .filter(|(name, _)| is_asked(name))
        .map(|(name, faults)| FaultyService {
            name: name.clone(),
            faults: FaultInfo::seen(faults, &caller),
        })
        .filter(|of| !of.faults.is_empty());
    let page: Vec<FaultyService> = services.by_ref().take(limit).collect();
    let is_last = services.next().is_none();
    let next = page.last().filter(|_| !is_last).map(|last| last.name.clone());
    Ok(Json(Catalogue { services: page, next }))
}
