//! The business outcome of a service: pushed point by point, and listed.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_connect::AHEAD_MAX;
use flyball_govern::delivery::{OutcomeSpec, Point};
use flyball_model::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::{absent, is_there};
use crate::auth::{Caller, Role};
use crate::changes::ChangesError;
use crate::http::administration::wait;
use crate::http::delivery::{USUAL, stretch};
use crate::http::extract::{Path, Query, Sent, meant, moment, page_size};
use crate::http::problem::Problem;
use crate::http::{App, shapes};
use crate::outcomes::{OutcomeError, keep, points};

/// The most points of one request: nearly three years of days.
const POINTS_MAX: usize = 1_000;
/// Points on a page: a year of days unless told.
const PAGE_USUAL: usize = 400;
/// The most points on a page.
const PAGE_MAX: usize = 1_000;
/// The largest value, and its opposite the smallest: whole numbers up to it are exact, and all that are kept add up
/// to a number.
const VALUE_MAX: f64 = 1e15;

/// What came of a service's outcome.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct OutcomeRequest {
    /// The values.
    #[schema(min_items = 1, max_items = 1000)]
    points: Vec<NewPoint>,
}

/// A value.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewPoint {
    /// The moment that it is of; at most ten minutes ahead.
    #[schema(value_type = shapes::Instant)]
    at: String,
    /// The value, in the unit of the outcome.
    #[schema(minimum = -1e15, maximum = 1e15)]
    value: f64,
}

/// What became of values that were pushed.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct OutcomeReceipt {
    /// The outcome that they are of.
    name: String,
    /// How many are new, or in the place of another value of their moment.
    kept: usize,
    /// How many were known already, and change nothing.
    known: usize,
}

/// Which values are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct OutcomeQuery {
    /// Since when; 90 days before `to` unless told.
    from: Option<String>,
    /// Until when; now unless told.
    to: Option<String>,
    /// At most so many; 400 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of what was pushed of an outcome.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct OutcomeList {
    /// The outcome that the service has chosen.
    #[schema(value_type = Object)]
    outcome: OutcomeSpec,
    /// Its values, the latest first.
    #[schema(value_type = Vec<Object>)]
    points: Vec<Point>,
    /// What to ask with as `to`, and the same `from`, for the next page; null when this is the last.
    #[schema(value_type = Option<shapes::Instant>)]
    next: Option<Timestamp>,
}

impl From<OutcomeError> for Problem {
    fn from(error: OutcomeError) -> Self {
        match error {
            OutcomeError::Kept(error) => error.into(),
            full @ OutcomeError::Full(_) => meant(&full.to_string()),
        }
    }
}

/// The outcome that a service has chosen.
///
/// # Errors
///
/// A problem with status 404 when it has chosen none, and those of [`is_there`].
async fn chosen(app: &App, caller: &Caller, name: &str) -> Result<OutcomeSpec, Problem> {
    let asked = name.to_owned();
    let found = app.evaluator.ask(move |evaluator| {
        let described = evaluator.catalog().governance.service(&asked)?;
        described.spec.delivery.outcome.clone()
    });
    if let Some(outcome) = found.await? {
        return Ok(outcome);
    }
    is_there(app, caller, name).await?;
    let said = format!(
        "the service `{name}` has chosen no outcome; hint: name one in its document (kind: Service), as \
         `delivery.outcome`"
    );
    Err(Problem::new(StatusCode::NOT_FOUND, &said))
}

/// The points that a request means.
///
/// # Errors
///
/// A problem with status 422 for none and too many, and for one that cannot be meant.
fn read(asked: OutcomeRequest, now: Timestamp) -> Result<Vec<Point>, Problem> {
    let count = asked.points.len();
    if !(1..=POINTS_MAX).contains(&count) {
        let said = format!("`points` has {count}; hint: push from 1 to {POINTS_MAX} at once");
        return Err(meant(&said));
    }
    let point = |(number, NewPoint { at, value }): (usize, NewPoint)| {
        let at = moment(&format!("points[{number}].at"), &at)?;
        let wrong = if at.since(now) > AHEAD_MAX {
            "`points[].at` is in the future; hint: push a value when its time is over"
        } else if value.abs() > VALUE_MAX {
            "`points[].value` is past 1,000,000,000,000,000; hint: choose a larger unit"
        } else {
            return Ok(Point { at, value });
        };
        Err(meant(&wrong.replace("[]", &format!("[{number}]"))))
    };
    asked.points.into_iter().enumerate().map(point).collect()
}

/// Keeps values of the business outcome that a service has chosen, which is shown beside the measures of its delivery.
///
/// A value takes the place of the one of the same moment: pushed again, it changes nothing. The answer comes when
/// all are on disk. It is in the audit log.
#[utoipa::path(
    post,
    path = "/api/v1/services/{name}/outcome",
    tag = "services",
    params(("name" = String, Path, description = "The service")),
    request_body = OutcomeRequest,
    responses(
        (status = 200, description = "They are kept", body = OutcomeReceipt),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service, or it has chosen no outcome", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value cannot be meant, or there are too many", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn push_outcome(
    State(app): State<App>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<Json<OutcomeReceipt>, Problem> {
    let (asked, caller) = sent.json_for(&app, "outcome", (Role::Developer, &name)).await?;
    let outcome = chosen(&app, &caller, &name).await?.name;
    let now = app.clock.now();
    let points: Vec<Point> = read(asked, now)?;
    wait(move || {
        let who = caller.actor();
        let kept = keep(&app.control, (&name, &outcome), &points, (&who, now))?;
        let known = points.len() - kept;
        Ok::<_, OutcomeError>(Json(OutcomeReceipt { name: outcome, kept, known }))
    })
    .await
}

/// What was pushed of the business outcome that a service has chosen, over 400 days at most, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/outcome",
    tag = "services",
    params(("name" = String, Path, description = "The service"), OutcomeQuery),
    responses(
        (status = 200, description = "A page of its values", body = OutcomeList),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service, or it has chosen no outcome", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn outcome(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(OutcomeQuery { from, to, limit }): Query<OutcomeQuery>,
) -> Result<Json<OutcomeList>, Problem> {
    if !caller.sees(&name) {
        return Err(absent(&app, &caller, &name).await?);
    }
    let limit = page_size(limit, PAGE_USUAL, PAGE_MAX)?;
    let during = stretch((from.as_ref(), to.as_ref()), app.clock.now(), USUAL)?;
    let outcome = chosen(&app, &caller, &name).await?;
    wait(move || {
        let (mut points, _) = points(&app.control, (&name, &outcome.name), during)?;
        points.reverse();
        let is_more = points.len() > limit;
        points.truncate(limit);
        let next = points.last().filter(|_| is_more).map(|point| point.at);
        Ok::<_, ChangesError>(Json(OutcomeList { outcome, points, next }))
    })
    .await
}
