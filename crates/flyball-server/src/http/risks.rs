//! The risks of services: what is expected of them, how likely objectives are missed, what would change that.

mod measured;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::{Extension, Json};
use flyball_catalog::Catalog;
use flyball_govern::risk::{
    Acceptance, Assessment, Cost, Difference, Mitigation, Register, Risk, RiskObjective,
    RiskRulesSpec, RiskStanding, Tornado, WhatIf, YEAR, assess, csv, done, minutes, tornado,
    what_if,
};
use flyball_govern::service::day;
use flyball_model::Timestamp;
use flyball_query::near_matches;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Path, Query, Sent, meant, page_size};
use super::problem::Problem;
use super::services::{absent, is_there};
use super::{App, room, shapes};
use crate::auth::Caller;
use crate::pool::{GivenUp, Size};
use crate::risks::{objectives, seed};
pub(super) use measured::{__path_measured, __path_name, __path_namings, measured, name, namings};

/// Risks in one answer, unless told.
const PAGE_DEFAULT: usize = 100;
/// Risks in one answer, at most.
const PAGE_MAX: usize = 1_000;
/// The most objectives whose windows are drawn for one answer.
const OBJECTIVES_MAX: usize = 8;

impl From<GivenUp> for Problem {
    fn from(error: GivenUp) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
    }
}

/// Which risks are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those of this service.
    service: Option<String>,
    /// Only those whose names come after this one: the `next` of the page before.
    after: Option<String>,
    /// How many, 1 to 1,000; 100 unless told.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<usize>,
}

/// Risks, by name.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct RiskList {
    risks: Vec<RiskInfo>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<String>,
}

/// A risk in a list.
#[derive(Debug, serde::Serialize, ToSchema)]
struct RiskInfo {
    /// What it is called.
    name: String,
    /// The service whose users it hits.
    service: String,
    /// What happens; null when nobody said.
    description: Option<String>,
    /// Bad minutes that are expected in a year of 365.25 days: at the better end of its ranges, on average, at the
    /// worse end.
    #[schema(min_items = 3, max_items = 3)]
    minutes_a_year: [f64; 3],
    /// Where it stands with the objective that it hits hardest: `too_big`, `does_not_fit`, `fits` or `accepted`; null
    /// where it spends no budget that is kept.
    #[schema(value_type = Option<String>)]
    standing: Option<RiskStanding>,
    /// Who lives with it, why, until when; null when nobody does. It may be past.
    #[schema(value_type = Option<Object>)]
    accepted: Option<Acceptance>,
    /// Whether it was accepted, and no longer is.
    lapsed: bool,
}

/// A register held against the objectives of its service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct RegisterAnswer {
    /// The service.
    service: String,
    /// The moment of looking.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// What holds for all of its risks: the ceiling of one, the reserve for the unknown, factors.
    #[schema(value_type = Object)]
    rules: RiskRulesSpec,
    /// The risks as they are written, by name.
    #[schema(value_type = Vec<Object>)]
    risks: Vec<Risk>,
    /// What draws are keyed by: asked with again, it answers the same.
    seed: u64,
    /// Each objective whose budget some risk spends.
    objectives: Vec<ObjectiveAtRisk>,
    /// The SLOs whose budgets no risk spends: nobody has named what threatens them.
    without_risks: BTreeSet<String>,
}

/// An objective and what threatens it.
#[derive(Debug, serde::Serialize, ToSchema)]
struct ObjectiveAtRisk {
    /// The register held against it; docs/risk.md says what each means.
    #[schema(value_type = Object)]
    assessment: Assessment,
    /// How likely it is missed, and what to fix first.
    #[schema(value_type = Object)]
    tornado: Tornado,
}

/// Which objectives, and what their draws are keyed by.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RegisterQuery {
    /// Only this SLO.
    slo: Option<String>,
    /// What draws are keyed by; one that follows from the register unless told.
    #[param(maximum = 9_007_199_254_740_991_u64)]
    #[serde(default, deserialize_with = "crate::http::extract::seed")]
    seed: Option<u64>,
}

/// How much is tried together, at most.
const STEPS_MAX: usize = 16;

/// What would be done, and about what.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhatIfRequest {
    /// `kind` is `canary` with `share` and `within`, `faster_detection` or `faster_repair` with `within`, or
    /// `soft_dependency` with `share`.
    #[schema(value_type = Object)]
    mitigation: Mitigation,
    /// The names of the risks that it changes.
    #[serde(default)]
    risks: BTreeSet<String>,
    /// Every risk that has one of these themes.
    #[serde(default)]
    themes: BTreeSet<String>,
    /// What would be done as well, each with `mitigation`, `risks` and `themes`; at most 15. They are done one after the
    /// other: each changes what those before it leave.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    also: Vec<WhatIf>,
    /// Only this SLO.
    slo: Option<String>,
    /// What draws are keyed by; one that follows from the register unless told.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    #[serde(default, deserialize_with = "crate::http::extract::seed")]
    seed: Option<u64>,
}

/// The objectives of a service before and after something is done.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Differences {
    /// The service.
    service: String,
    /// What draws are keyed by: both sides have the same luck.
    seed: u64,
    /// Each objective whose budget some risk spends that changes.
    #[schema(value_type = Vec<Object>)]
    objectives: Vec<Difference>,
    /// The SLOs that are not touched: other risks spend their budgets, or none does.
    untouched: BTreeSet<String>,
}

/// Every risk that the caller may see, with what is expected of it and where it stands.
#[utoipa::path(
    get,
    path = "/api/v1/risks",
    tag = "services",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of them, by name; of services that the caller may not see, none", body = RiskList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(ListQuery { service, after, limit }): Query<ListQuery>,
) -> Result<Json<RiskList>, Problem> {
    let limit = page_size(limit, PAGE_DEFAULT, PAGE_MAX)?;
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let now = app.clock.now();
    let is_asked = |name: &&str| service.as_deref().is_none_or(|asked| asked == *name);
    let services = catalog.governance.services_at_risk().filter(is_asked);
    let services: Vec<&str> = services.filter(|name| caller.sees(name)).collect();
    let mut risks: Vec<RiskInfo> =
        services.iter().flat_map(|service| lines(&catalog, service, now)).collect();
    risks.sort_by(|a, b| a.name.cmp(&b.name));
    risks.retain(|risk| after.as_ref().is_none_or(|after| risk.name > *after));
    let is_more = risks.len() > limit;
    risks.truncate(limit);
    let next = risks.last().filter(|_| is_more).map(|risk| risk.name.clone());
    Ok(Json(RiskList { risks, next }))
}

/// The risks of `service` as lists show them.
fn lines(catalog: &Catalog, service: &str, now: Timestamp) -> Vec<RiskInfo> {
    let register = catalog.governance.register(service);
    let held: Vec<Assessment> = objectives(catalog, service, None)
        .iter()
        .filter_map(|objective| assess(&register, objective, day(now)))
        .collect();
    let line = |risk: &Risk| {
        let Cost { best, mean, worst, .. } = register.cost(&risk.spec);
        let own = held.iter().flat_map(|of| &of.risks).filter(|line| line.name == risk.name);
        let accepted = risk.spec.accepted.clone();
        RiskInfo {
            name: risk.name.clone(),
            service: service.to_owned(),
            description: risk.spec.description.clone(),
            minutes_a_year: [best.to_f64(), mean, worst.to_f64()].map(|share| minutes(share, YEAR)),
            standing: own.map(|line| line.standing).min(),
            lapsed: accepted.as_ref().is_some_and(|of| of.until <= day(now)),
            accepted,
        }
    };
    register.risks().iter().map(line).collect()
}

/// The risks of a service held against its objectives: what they are expected to spend, which are too big, what they
/// have in common, how likely each objective is missed and what to fix first.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/risks",
    tag = "services",
    params(("name" = String, Path, description = "The service"), RegisterQuery),
    responses(
        (status = 200, description = "The register; docs/risk.md says what each number means", body = RegisterAnswer),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service, or it has no such SLO", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "These are more objectives than are drawn at once", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn register(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(RegisterQuery { slo, seed }): Query<RegisterQuery>,
) -> Result<Json<RegisterAnswer>, Problem> {
    let Asked { register, objectives, seed } =
        asked(&app, &caller, &service, (slo.as_deref(), seed)).await?;
    let _room = room(&app).await?;
    let at = app.clock.now();
    let answer = app.simulating.run(Size::Large, move |()| {
        let mut without_risks = BTreeSet::new();
        let mut held = Vec::new();
        for objective in &objectives {
            let assessment = assess(&register, objective, day(at));
            match assessment.zip(tornado(&register, objective, seed)) {
                Some((assessment, tornado)) => held.push(ObjectiveAtRisk { assessment, tornado }),
                None => {
                    without_risks.insert(objective.slo.clone());
                }
            }
        }
        RegisterAnswer {
            service,
            at,
            rules: register.rules().clone(),
            risks: register.risks().to_vec(),
            seed,
            objectives: held,
            without_risks,
        }
    });
    Ok(Json(answer.await?))
}

/// A register with the objectives that are asked for.
struct Asked {
    register: Register,
    objectives: Vec<RiskObjective>,
    seed: u64,
}

/// The register of a service that the caller sees.
///
/// # Errors
///
/// Problems with status 404 for a service or an SLO that is not there, 422 for more than is drawn at once.
async fn asked(
    app: &App,
    caller: &Caller,
    service: &str,
    (slo, given): (Option<&str>, Option<u64>),
) -> Result<Asked, Problem> {
    if !caller.sees(service) {
        return Err(absent(app, caller, service).await?);
    }
    is_there(app, caller, service).await?;
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let register = catalog.governance.register(service);
    let objectives = objectives(&catalog, service, slo);
    if let (Some(slo), true) = (slo, objectives.is_empty()) {
        let said = format!(
            "the service has no SLO `{slo}` with a budget of its own; hint: GET /api/v1/slos lists them"
        );
        return Err(Problem::new(StatusCode::NOT_FOUND, &said));
    }
    let spent = objectives.iter().filter(|of| register.spenders(&of.slo).next().is_some());
    if spent.count() > OBJECTIVES_MAX {
        return Err(meant(&format!(
            "the windows of at most {OBJECTIVES_MAX} objectives are drawn at once; hint: name one by `slo`"
        )));
    }
    let seed = given.unwrap_or_else(|| seed(&register));
    Ok(Asked { register, objectives, seed })
}

/// What would follow if something were done about risks of a service: a canary, faster detection or repair, a softer
/// dependency. Nothing is kept.
#[utoipa::path(
    post,
    path = "/api/v1/services/{name}/risks/what-if",
    tag = "services",
    params(("name" = String, Path, description = "The service")),
    request_body = WhatIfRequest,
    responses(
        (status = 200, description = "Each objective before and after", body = Differences),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service, or it has no such SLO", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Nothing would change, or it is not drawn at once", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn compare(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<Json<Differences>, Problem> {
    let (WhatIfRequest { mitigation, risks, themes, also, slo, seed }, caller) =
        sent.json(&app, "what_if").await?;
    let Asked { register, objectives, seed } =
        asked(&app, &caller, &service, (slo.as_deref(), seed)).await?;
    let _room = room(&app).await?;
    let today = day(app.clock.now());
    if also.len() >= STEPS_MAX {
        let said = format!("more than {STEPS_MAX} things would be done; hint: try fewer together");
        return Err(meant(&said));
    }
    let first = WhatIf { mitigation, risks, themes };
    let steps: Vec<WhatIf> = [first].into_iter().chain(also).collect();
    let mut untouched: BTreeSet<String> = objectives.iter().map(|of| of.slo.clone()).collect();
    let found = app.simulating.run(Size::Large, move |()| {
        // What would change nothing is told, also where there is no objective.
        done(&register, &steps)?;
        let each = objectives.iter().map(|of| what_if(&register, &steps, of, today, seed));
        each.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    });
    let objectives = found.await?.map_err(|error| meant(&error.to_string()))?;
    for of in &objectives {
        untouched.remove(&of.before.objective.slo);
    }
    Ok(Json(Differences { service, seed, objectives, untouched }))
}

/// Which sheet.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sheet {
    /// The risks.
    #[default]
    Risks,
    /// What holds for all of them.
    Rules,
}

/// Which sheet is asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SheetQuery {
    /// `risks`, or `rules`: ceiling, reserve and factors; the risks unless told.
    #[param(inline)]
    #[serde(default)]
    sheet: Sheet,
}

/// The risks of a service as CSV, or what holds for all of them, for a spreadsheet: columns and texts as `flyball risk import`
/// reads them.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/risks/csv",
    tag = "services",
    params(("name" = String, Path, description = "The service"), SheetQuery),
    responses(
        (status = 200, description = "A line each, by name, below a header", body = String, content_type = "text/csv"),
        (status = 400, description = "The name or the parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn sheet(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(SheetQuery { sheet }): Query<SheetQuery>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    if !caller.sees(&service) {
        return Err(absent(&app, &caller, &service).await?);
    }
    is_there(&app, &caller, &service).await?;
    let text = app.evaluator.ask(move |evaluator| {
        let governance = &evaluator.catalog().governance;
        match sheet {
            Sheet::Risks => csv::write(governance.register(&service).risks()),
            Sheet::Rules => csv::rules::write(&governance.risk_rules(&service)),
        }
    });
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text.await?))
}

/// The risk of `register` called `name`.
///
/// # Errors
///
/// A problem with status 422 when there is none.
fn known<'a>(register: &'a Register, name: &str) -> Result<&'a Risk, Problem> {
    let risks = register.risks();
    risks.iter().find(|risk| risk.name == name).ok_or_else(|| {
        let hint = match near_matches(name, risks.iter().map(|risk| risk.name.as_str())).first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => "GET /api/v1/risks lists them".to_owned(),
        };
        meant(&format!("the service has no risk `{name}`; hint: {hint}"))
    })
}
