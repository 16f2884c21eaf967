//! How services, teams and products are delivered.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_model::{Duration, Interval, Timestamp};
use utoipa::IntoParams;

use super::administration::wait;
use super::extract::{Query, meant, moment};
use super::problem::Problem;
use super::services::absent;
use super::{App, room};
use crate::auth::Caller;
use crate::changes::ChangesError;
use crate::delivery::{Delivery, Gathered, Question, Whose};
use crate::evaluator::ServedError;
use crate::outcomes::pushed;

/// How long is measured unless told.
pub(super) const USUAL: Duration = Duration::from_days(90);
/// The longest time that is measured at once: a year, and what two quarters may differ.
const LONGEST: Duration = Duration::from_days(400);

/// Whose delivery is measured, over which time.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveryQuery {
    /// That of this service.
    service: Option<String>,
    /// That of the services of this team.
    team: Option<String>,
    /// That of the services of this product.
    product: Option<String>,
    /// Only deployments to it count; that of the service's description, else production, unless told.
    environment: Option<String>,
    /// Since when; 90 days before `to` unless told.
    from: Option<String>,
    /// Until when; now unless told.
    to: Option<String>,
}

impl From<ServedError> for Problem {
    fn from(error: ServedError) -> Self {
        match error {
            ServedError::Live(error) => error.into(),
            ServedError::Ended(ended) => ended.into(),
            ServedError::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, &error.to_string()),
            ServedError::TooMuch { .. } => meant(&error.to_string()),
        }
    }
}

/// The time from `from` to `to` as a query says it, `usual` before `to` and up to `now` unless told.
///
/// # Errors
///
/// A problem with status 422 for a time that is empty or too long, and for what is no moment.
pub(super) fn stretch(
    (from, to): (Option<&String>, Option<&String>),
    now: Timestamp,
    usual: Duration,
) -> Result<Interval, Problem> {
    let to = to.map_or(Ok(now), |text| moment("to", text))?;
    let from = from.map_or(Ok(to.minus(usual)), |text| moment("from", text))?;
    if from >= to {
        return Err(meant(
            "`from` is not before `to`; hint: write moments like 2026-01-01T00:00:00Z",
        ));
    }
    if to.since(from) > LONGEST {
        let days = LONGEST.nanos() / Duration::from_days(1).nanos();
        return Err(meant(&format!("that is longer than {days} days; hint: ask for parts of it")));
    }
    Ok(Interval::starting(from, to.since(from)))
}

/// How a service, a team or a product was delivered: how often and how fast, how available it was and how soon
/// again; DORA's measures, where they stand in DORA's reports, whether targets are met, which way it goes; and the
/// business outcome of its choice.
///
/// What cannot be told is null or `not_enough_data`. Of a team or a product the services are measured that the
/// caller may see.
#[utoipa::path(
    get,
    path = "/api/v1/delivery",
    tag = "services",
    params(DeliveryQuery),
    responses(
        (status = 200, description = "The measures; docs/delivery.md says what each means", body = Delivery),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No service is of that team or product", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn measure(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<DeliveryQuery>,
) -> Result<Json<Delivery>, Problem> {
    let DeliveryQuery { service, team, product, environment, from, to } = asked;
    let whose = whose(service, team, product)?;
    let now = app.clock.now();
    let during = stretch((from.as_ref(), to.as_ref()), now, USUAL)?;
    let _room = room(&app).await?;
    let gathered = gather(&app, &caller, (whose, environment), during).await?;
    wait(move || Ok::<_, ChangesError>(Json(gathered.delivery()))).await
}

/// Whose services a query means.
///
/// # Errors
///
/// A problem with status 422 for more than one, and for none.
pub(super) fn whose(
    service: Option<String>,
    team: Option<String>,
    product: Option<String>,
) -> Result<Whose, Problem> {
    match (service, team, product) {
        (Some(name), None, None) => Ok(Whose::Service(name)),
        (None, Some(name), None) => Ok(Whose::Team(name)),
        (None, None, Some(name)) => Ok(Whose::Product(name)),
        _ => {
            let said =
                "it is not told who is meant; hint: ask for one of `service`, `team`, `product`";
            Err(meant(said))
        }
    }
}

/// The services that `whose` means and the caller may see, and whether a document says anything of one.
///
/// # Errors
///
/// A problem with status 404 where there is none.
pub(super) async fn services_of(
    app: &App,
    caller: &Caller,
    whose: &Whose,
) -> Result<(Vec<String>, bool), Problem> {
    let asked = whose.clone();
    let found = app.evaluator.ask(move |evaluator| {
        let catalog = evaluator.catalog();
        let services = asked.services(catalog);
        let is_known = services.iter().any(|name| catalog.services().contains(name.as_str()));
        (services, is_known)
    });
    let (services, is_known) = found.await?;
    let services: Vec<String> = services.into_iter().filter(|name| caller.sees(name)).collect();
    if services.is_empty() {
        let said = match whose {
            Whose::Service(name) => return Err(absent(app, caller, name).await?),
            Whose::Team(name) => format!("no service is of a team `{name}`"),
            Whose::Product(name) => format!("no service is of a product `{name}`"),
        };
        let hint = "hint: a document says so (kind: Service); GET /api/v1/services lists them";
        return Err(Problem::new(StatusCode::NOT_FOUND, &format!("{said}; {hint}")));
    }
    Ok((services, is_known))
}

/// What is known of how `whose` was delivered in a time, as far as the caller may see.
///
/// # Errors
///
/// A problem with status 404 where no service is meant that they see.
pub(super) async fn gather(
    app: &App,
    caller: &Caller,
    (whose, environment): (Whose, Option<String>),
    during: Interval,
) -> Result<Gathered, Problem> {
    let (services, is_known) = services_of(app, caller, &whose).await?;
    let question = Question { whose, services, environment, during, now: app.clock.now() };
    let (changes, of, time) = (app.changes.clone(), question.services.clone(), question.past());
    let past = wait(move || changes.past(&of, time)).await?;
    if let (Whose::Service(name), false, true) =
        (&question.whose, is_known, past.changes.is_empty())
    {
        return Err(absent(app, caller, name).await?);
    }
    let by = app.evaluator.served(question.services.clone(), question.observed()).await?;
    let control = app.control.clone();
    wait(move || {
        let Question { services, .. } = &question;
        let pushed = pushed(&control, &by.catalog, services, question.observed())?;
        Ok::<_, ChangesError>(Gathered::new(question, past, by, pushed))
    })
    .await
}
