//! The report of a team's week or quarter.

use axum::extract::State;
use axum::{Extension, Json};
use flyball_budget::Status;
use flyball_budget::live::LiveError;
use flyball_govern::review::{Mark, Remark, Said};
use flyball_model::{Interval, Timestamp};
use flyball_store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::administration::wait;
use super::delivery::{gather, stretch, whose};
use super::extract::Query;
use super::problem::Problem;
use super::services::agreements;
use super::services::card::{BudgetLine, Owner, budgets};
use super::{App, room, shapes};
use crate::agreements::AgreementStatus;
use crate::auth::Caller;
use crate::definitions::retargets;
use crate::evaluator::SloStatus;
use crate::remarks::remarks;
use crate::report::{Findings, Period};

/// Remarks on one service in a report.
const REMARKS_SHOWN: usize = 20;

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
    /// How much toil the SLOs took; what was last remarked in the time unless told.
    #[param(value_type = Option<String>)]
    toil: Option<Mark>,
    /// How satisfied users are; what was last remarked in the time unless told.
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
    /// Missed when any SLO or contract is; else no data when any has none, and without either; else met.
    #[schema(value_type = shapes::Kept)]
    status: Status,
    /// What is left of its budgets, those with the least first.
    budgets: Vec<BudgetLine>,
    /// What people said of it in the time, the latest first; at most 20.
    #[schema(value_type = Vec<Object>)]
    remarks: Vec<Remark>,
    /// The hours of toil that remarks of the time tell of; null when none does.
    toil_hours: Option<u64>,
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
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
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
    let _room = room(&app).await?;
    let gathered = gather(&app, &caller, (whose, None), during).await?;
    let of = gathered.question.services.clone();
    app.evaluator.join(move |slo| of.contains(&slo.service)).await?;
    let of = gathered.question.services.clone();
    let slos =
        app.evaluator.ask(move |evaluator| evaluator.statuses(|slo| of.contains(&slo.service)));
    let slos: Result<Vec<SloStatus>, LiveError<StoreError>> = slos.await?;
    let slos = slos?;
    let agreements = agreements(&app, &caller, &gathered.question.services).await?;
    let asked = Said { toil, satisfaction };
    wait(move || {
        let time = (during.start(), during.end());
        let (mut services, mut statuses) = (Vec::new(), Vec::new());
        for name in &gathered.question.services {
            let of_service: Vec<&SloStatus> =
                slos.iter().filter(|slo| slo.service == *name).collect();
            let mut remarks = remarks(&app.control, name, time).map_err(LiveError::History)?;
            let said = asked.or(Said::of(&remarks));
            let told = of_service.iter().map(|slo| slo.status).collect::<Vec<Status>>();
            let promised = agreements.iter().filter(|of| of.service == *name);
            let promised: Vec<Status> = promised.map(AgreementStatus::status).collect();
            statuses.extend(of_service.iter().map(|slo| (slo.slo.as_str(), slo.status, said)));
            let hours = remarks.iter().filter_map(|remark| remark.toil_hours).map(u64::from);
            let toil_hours = hours.reduce(u64::saturating_add);
            remarks.truncate(REMARKS_SHOWN);
            services.push(ServiceReport {
                name: name.clone(),
                owner: Owner::of(&gathered.catalog, name, gathered.question.now),
                status: Status::worst(&[told, promised].concat()),
                budgets: budgets(of_service, &[]),
                remarks,
                toil_hours,
            });
        }
        let retargets = retargets(&app.control, &gathered.question.services, time)
            .map_err(LiveError::History)?;
        let findings = Findings::new(&gathered, &statuses, retargets)?;
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
