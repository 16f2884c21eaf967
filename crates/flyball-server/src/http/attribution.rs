//! Who spent a budget.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_model::{Timestamp, Warranty};
use utoipa::IntoParams;

use super::App;
use super::administration::wait;
use super::extract::{Path, Query};
use super::problem::Problem;
use super::slos::absent;
use crate::attribution::{Attribution, AttributionError, attributed, times};
use crate::auth::Caller;

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
            AttributionError::Ledger(_) | AttributionError::Verdict(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
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
    let asked = name.clone();
    let found =
        app.evaluator.ask(move |evaluator| evaluator.counts_of(|slo| slo.name == asked)).await?;
    let counts = found.slos.into_iter().next().filter(|counts| caller.sees(&counts.slo.service));
    let Some(counts) = counts else { return Err(absent(&app, caller, name).await?) };
    let interval = times(&counts, (from, to), found.complete)?;
    let (changes, service) = (app.changes.clone(), counts.slo.service.clone());
    // What began before may still have been in force.
    let since = interval.start().minus(Warranty::DEFAULT.hold());
    let told = wait(move || changes.told_of(&service, (since, interval.end()))).await?;
    let answer = app.evaluator.read(move |snapshot| {
        let (changes, incidents) = &told;
        Ok(attributed(snapshot, &counts, &found.catalog, interval, (changes, incidents)))
    });
    Ok(Json(answer.await???))
}
