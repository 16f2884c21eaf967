//! The report of a team's week or quarter.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use flyball_budget::Status;
use flyball_budget::live::LiveError;
use flyball_govern::review::Mark;
use flyball_model::{Interval, Timestamp};
use flyball_store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::administration::wait;
use super::delivery::{gather, stretch, whose};
use super::extract::Query;
use super::problem::Problem;
use super::services::agreements;
use super::services::card::{BudgetLine, Owner, budgets};
use super::{App, shapes};
use crate::agreements::AgreementStatus;
use crate::auth::Caller;
use crate::definitions::retargets;
use crate::evaluator::SloStatus;
use crate::report::{Findings, Period, Said};

/// Whose report is asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReportQuery {
    /// That of this service.
    service: Option<String>,
    /// That of the services of this team.
    team: Option<String>,
    /// That of the services of this product.
    product: Option<String>,
    /// How long it is about; a week unless told.
    period: Option<Period>,
    /// Until when; now unless told.
    to: Option<String>,
    /// How much toil the SLOs took, as the team says.
    #[param(value_type = Option<String>)]
    toil: Option<Mark>,
    /// How satisfied users are, as those say who have asked them.
    #[param(value_type = Option<String>)]
    satisfaction: Option<Mark>,
}

/// A team's week or quarter.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Report {
    /// How long it is about.
    period: Period,
    /// The time that it is about.
    #[schema(value_type = shapes::Stretch)]
    during: Interval,
    /// The moment of looking: budgets and statuses are those of then.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// The services, by name, and how they stand.
    services: Vec<ServiceReport>,
    /// What contracts promise of them, and whether that is kept.
    agreements: Vec<AgreementStatus>,
    /// What was found.
    #[serde(flatten)]
    findings: Findings,
}

/// How a service stands.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ServiceReport {
    /// What SLOs, events and changes call it.
    name: String,
    /// Whose it is.
    #[serde(flatten)]
    owner: Owner,
    /// Missed when any SLO is; else no data when any has none, and without SLOs; else met.
    #[schema(value_type = shapes::Kept)]
    status: Status,
    /// What is left of its budgets, those with the least first.
    budgets: Vec<BudgetLine>,
}

/// The report of a service, a team or a product: whether promises are kept, what was shipped and what came of
/// it, what to review, and what to look at twice.
#[utoipa::path(
    get,
    path = "/api/v1/report",
    tag = "services",
    params(ReportQuery),
    responses(
        (status = 200, description = "The report; docs/services.md says what is in it", body = Report),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No service is of that team or product", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn report(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<ReportQuery>,
) -> Result<Json<Report>, Problem> {
    let ReportQuery { service, team, product, period, to, toil, satisfaction } = asked;
    let whose = whose(service, team, product)?;
    let period = period.unwrap_or(Period::Weekly);
    let during = stretch((None, to.as_ref()), app.clock.now(), period.length())?;
    let gathered = gather(&app, &caller, (whose, None), during).await?;
    let of = gathered.question.services.clone();
    app.evaluator.join(move |slo| of.contains(&slo.service)).await?;
    let of = gathered.question.services.clone();
    let slos =
        app.evaluator.ask(move |evaluator| evaluator.statuses(|slo| of.contains(&slo.service)));
    let slos: Result<Vec<SloStatus>, LiveError<StoreError>> = slos.await?;
    let slos = slos?;
    let agreements = agreements(&app, &gathered.question.services).await?;
    let said = Said { toil, satisfaction };
    wait(move || {
        let services = gathered.question.services.iter().map(|name| {
            let of_service: Vec<&SloStatus> =
                slos.iter().filter(|slo| slo.service == *name).collect();
            let statuses: Vec<Status> = of_service.iter().map(|slo| slo.status).collect();
            ServiceReport {
                name: name.clone(),
                owner: Owner::of(&gathered.catalog, name, gathered.question.now),
                status: Status::worst(&statuses),
                budgets: budgets(of_service),
            }
        });
        let services = services.collect();
        let statuses: BTreeMap<String, Status> =
            slos.iter().map(|slo| (slo.slo.clone(), slo.status)).collect();
        let time = (during.start(), during.end());
        let retargets = retargets(&app.control, &gathered.question.services, time)
            .map_err(LiveError::History)?;
        let findings = Findings::new(&gathered, &statuses, retargets, said)?;
        let at = gathered.question.now;
        Ok::<_, LiveError<StoreError>>(Json(Report {
            period,
            during,
            at,
            services,
            agreements,
            findings,
        }))
    })
    .await
}
