//! Who spent a budget.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_catalog::Catalog;
use flyball_model::{Interval, Slo, Timestamp, Warranty};
use utoipa::IntoParams;

use super::App;
use super::administration::wait;
use super::extract::{Path, Query};
use super::problem::Problem;
use super::slos::absent;
use crate::attribution::{Attribution, AttributionError, attributed, times};
use crate::auth::Caller;
use crate::evaluator::{SloCounts, check};

/// The time that is asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TimesQuery {
    /// The first moment, RFC 3339 with an offset; the beginning of the window unless told.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// The moment that it ends before; as far as everything is counted unless told.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
}

impl From<AttributionError> for Problem {
    fn from(error: AttributionError) -> Self {
        let status = match error {
            AttributionError::Times(_) => StatusCode::BAD_REQUEST,
            AttributionError::Ledger(error) => return error.into(),
            AttributionError::Verdict(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &error.to_string())
    }
}

/// Who spent the budget of an SLO: changes, incidents, drills, and what is left unexplained.
///
/// The parts are whole events, or time slices, and add up to what was spent in the time.
#[utoipa::path(
    get,
    path = "/api/v1/slos/{name}/attribution",
    tag = "slos",
    params(
        ("name" = String, Path, description = "The SLO's `metadata.name`", example = "checkout-availability"),
        TimesQuery,
    ),
    responses(
        (status = 200, description = "Who spent it", body = Attribution),
        (status = 400, description = "The name or a time cannot be read, or there is nothing between both", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no SLO of this name, or it is not evaluated", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger, or what is kept of changes, cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(TimesQuery { from, to }): Query<TimesQuery>,
) -> Result<Json<Attribution>, Problem> {
    let (asked, seer) = (name.clone(), caller.clone());
    let is_asked = move |slo: &Slo| slo.name == asked && seer.sees(&slo.service);
    match by_cause(&app, is_asked, (from, to)).await?.pop() {
        Some(found) => Ok(Json(found.seen_by(&caller))),
        None => Err(absent(&app, caller, name).await?),
    }
}

/// Who spent the budgets of the SLOs for which `is_asked` from `from`, else in their windows, to `to`.
///
/// # Errors
///
/// A problem where the time cannot be looked at, or what is kept cannot be read.
pub(super) async fn by_cause(
    app: &App,
    is_asked: impl Fn(&Slo) -> bool + Send + 'static,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
) -> Result<Vec<Attribution>, Problem> {
    let found = app.evaluator.ask(move |evaluator| evaluator.counts_of(is_asked)).await?;
    let of_slo = |counts: SloCounts| {
        let interval = times(&counts, (from, to), found.complete)?;
        Ok::<_, AttributionError>((counts, interval))
    };
    let asked = found.slos.into_iter().map(of_slo).collect::<Result<Vec<_>, _>>()?;
    check(asked.iter().map(|(_, interval)| *interval))?;
    let mut answers = Vec::new();
    for (counts, interval) in asked {
        answers.push(spent(app, &found.catalog, counts, interval).await?);
    }
    Ok(answers)
}

/// The same, and nothing of an SLO of which nothing is counted in the time.
///
/// # Errors
///
/// A problem where there is too much of it for one look, or what is kept cannot be read.
pub(super) async fn by_cause_inside(
    app: &App,
    is_asked: impl Fn(&Slo) -> bool + Send + 'static,
    during: (Option<Timestamp>, Option<Timestamp>),
) -> Result<Vec<Attribution>, Problem> {
    let found = app.evaluator.ask(move |evaluator| evaluator.counts_of(is_asked)).await?;
    let mut asked = Vec::new();
    for counts in found.slos {
        if let Some(interval) = inside(times(&counts, during, found.complete))? {
            asked.push((counts, interval));
        }
    }
    check(asked.iter().map(|(_, interval)| *interval))?;
    let mut answers = Vec::new();
    for (counts, interval) in asked {
        answers.push(spent(app, &found.catalog, counts, interval).await?);
    }
    Ok(answers)
}

/// A time that can be looked at; `None` of one in which nothing is counted yet.
pub(super) fn inside(
    time: Result<Interval, AttributionError>,
) -> Result<Option<Interval>, Problem> {
    match time {
        Ok(time) => Ok(Some(time)),
        Err(AttributionError::Times(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Who spent the budget of the SLO in `counts` in `interval`.
///
/// # Errors
///
/// A problem where what is kept cannot be read.
pub(super) async fn spent(
    app: &App,
    catalog: &Arc<Catalog>,
    counts: SloCounts,
    interval: Interval,
) -> Result<Attribution, Problem> {
    let (changes, service) = (app.changes.clone(), counts.slo.service.clone());
    let asked = catalog.governance.dependencies(&service).map(str::to_owned);
    let services: Vec<String> = asked.chain([service.clone()]).collect();
    // What began before may still have been in force.
    let since = interval.start().minus(Warranty::DEFAULT.hold());
    let gatekeeper = app.gatekeeper.clone();
    let (told, classes) = wait(move || {
        let told = changes.past(&services, (since, interval.end()))?;
        Ok::<_, Problem>((told, gatekeeper.classes(&services)?))
    })
    .await?;
    let failing = told.incidents.iter().filter_map(|of| of.service.as_deref());
    let failing: BTreeSet<String> =
        failing.filter(|of| *of != service).map(str::to_owned).collect();
    let mut theirs = Vec::new();
    if !failing.is_empty() {
        let found = app.evaluator.ask(move |evaluator| {
            evaluator.counts_of(|slo| failing.contains(&slo.service) && slo.composition.is_none())
        });
        theirs = found.await?.slos;
    }
    let catalog = Arc::clone(catalog);
    let answer = app.evaluator.look(move |snapshot| {
        let counts = (&counts, &*theirs);
        attributed(snapshot, counts, &catalog, interval, (&told, &classes))
    });
    Ok(answer.await?)
}
