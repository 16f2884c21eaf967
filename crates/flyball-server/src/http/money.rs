//! What a target of a service is worth, what support of it costs, and what reliability work returned.

mod returned;
mod support;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_catalog::Catalog;
use flyball_connect::Hook;
use flyball_govern::delivery::{Facts, measure};
use flyball_govern::money::{
    Load, Money, Protection, SupportCosts, SupportModel, Worksheet, YearlyCost, is_observed,
    protection, worksheet,
};
use flyball_govern::oncall::Call;
use flyball_govern::risk::YEAR;
use flyball_model::{ChangeKind, Duration, Interval, Target, Timestamp};
use flyball_query::near_matches;
use utoipa::{IntoParams, ToSchema};

use super::administration::wait;
use super::delivery::gather;
use super::extract::{Path, Query, meant};
use super::problem::Problem;
use super::services::{absent, is_there};
use super::{App, room, shapes};
use crate::auth::Caller;
use crate::changes::ChangesError;
use crate::delivery::Whose;
use crate::risks::objectives;
use crate::rotas::RotaError;
use crate::support::{Inputs, Seen, choices, load};
pub(super) use returned::{__path_recognised, __path_returned, recognised, returned};
pub(in crate::http) use support::{
    __path_choices_made, __path_choose, __path_compared, choices_made, choose, compared, look,
};

/// The most targets of a worksheet that somebody names.
const TARGETS_MAX: usize = 32;
/// How long is looked back for how often a service is called: a year.
const LOOKED_BACK: Duration = Duration::from_days(365);
/// The longest window over which it is told what was lost: what one look at delivery takes in.
const PROTECTED_LONGEST: Duration = Duration::from_days(400);

/// What a worksheet is made of.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TargetQuery {
    /// What an hour of outage costs, such as `25000 USD`; what the service's document says unless told.
    an_hour: Option<String>,
    /// The targets beside each other, such as `99%,99.9%`; the usual ones unless told.
    targets: Option<String>,
    /// The costs (`kind: SupportCosts`), by name; the only ones that somebody has written unless told, and those that
    /// ship where nobody has.
    costs: Option<String>,
}

/// What targets of a service are worth.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct TargetAnswer {
    /// The service.
    service: String,
    /// The moment of looking.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// The costs that were gone by, by name.
    costs: String,
    /// Whether nobody has said that their amounts are right.
    assumed: bool,
    /// Targets side by side: what each allows, what that may cost, what each step buys; docs/money.md says what each
    /// number means.
    #[schema(value_type = Object)]
    worksheet: Worksheet,
    /// What its own objectives protected in their windows.
    protection: Vec<Protected>,
    /// What support of it costs, once for all of its objectives; null when that is not known.
    support: Option<Supported>,
    /// Why that is not known, in a sentence; null where it is.
    support_unknown: Option<String>,
    /// Who is said to run it, by the choice that was made last, else by its document; null when nobody said.
    #[schema(value_type = Option<String>)]
    support_model: Option<SupportModel>,
}

/// What support of a service costs.
#[derive(Debug, serde::Serialize, ToSchema)]
struct Supported {
    /// What it costs a year, by its parts.
    #[schema(value_type = Object)]
    yearly: YearlyCost,
    /// The longest time that was observed of one of its objectives.
    #[schema(value_type = shapes::Length)]
    observed: Duration,
    /// What it cost in that time, as an amount.
    #[schema(value_type = String)]
    cost: Money,
}

/// What an objective protected in its window.
#[derive(Debug, serde::Serialize, ToSchema)]
struct Protected {
    /// The SLO.
    slo: String,
    /// What is promised.
    #[schema(value_type = shapes::Promise)]
    target: Target,
    /// The window, which ends now.
    #[schema(value_type = shapes::Stretch)]
    during: Interval,
    /// The time of it of which anything is known.
    #[schema(value_type = shapes::Length)]
    observed: Duration,
    /// The share of the window that was observed, from 0 to 1.
    coverage: f64,
    /// What was lost of the SLO's own promise, as time in which nobody would have been served; null when nothing is known of
    /// the window.
    #[schema(value_type = Option<shapes::Length>)]
    lost: Option<Duration>,
    /// What the target tolerates of the time that was observed, what was lost and saved of it; null when less than half
    /// of the window was observed.
    #[schema(value_type = Option<Object>)]
    protection: Option<Protection>,
}

/// An amount that `field` says.
///
/// # Errors
///
/// A problem with status 422 for what is none.
fn amount(field: &str, text: &str) -> Result<Money, Problem> {
    text.parse().map_err(|error| meant(&format!("`{field}`: {error}")))
}

/// The costs that are meant.
///
/// # Errors
///
/// A problem with status 422 when there are none of that name, or several could be meant.
fn costs<'a>(catalog: &'a Catalog, name: Option<&str>) -> Result<&'a SupportCosts, Problem> {
    let governance = &catalog.governance;
    governance.support_costs(name).ok_or_else(|| {
        let names: Vec<&str> = governance.support_costs_names().collect();
        let Some(name) = name else {
            let said = "several costs of support could be meant";
            return meant(&format!("{said}; hint: name one by `costs`: {}", names.join(", ")));
        };
        let hint = match near_matches(name, names.iter().copied()).first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        meant(&format!("no costs of support are called `{name}`; hint: {hint}"))
    })
}

/// The refusal of amounts in two currencies.
fn mixed(an_hour: Money, costs: &SupportCosts) -> Problem {
    let hint = if costs.spec.assumed {
        "nothing is converted: apply costs of your own in that currency (kind: SupportCosts)"
    } else {
        "nothing is converted: give both in one currency"
    };
    meant(&format!(
        "an hour of outage costs {an_hour} and the costs `{}` are in {}; hint: {hint}",
        costs.name,
        costs.currency()
    ))
}

/// What is known of a service that money is computed of.
struct Business {
    catalog: Arc<Catalog>,
    /// What its document says.
    said: Inputs,
    /// The same, and where that says nothing the choice that was made last.
    inputs: Inputs,
    choice: Option<flyball_govern::money::SupportChoice>,
    now: Timestamp,
}

/// What is known of a service that the caller sees.
///
/// # Errors
///
/// A problem with status 404 when there is no such service.
async fn business(app: &App, caller: &Caller, service: &str) -> Result<Business, Problem> {
    if !caller.sees(service) {
        return Err(absent(app, caller, service).await?);
    }
    is_there(app, caller, service).await?;
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let (control, of) = (app.control.clone(), service.to_owned());
    let made = wait(move || choices(&control, &of, None, 1)).await?;
    let choice = made.into_iter().next().map(|(_, choice)| choice);
    let said = Inputs::said(catalog.governance.service(service).map(|of| &of.spec));
    let inputs = said.or(choice.as_ref().map(|of| Inputs::chosen(&of.basis)).unwrap_or_default());
    Ok(Business { catalog, said, inputs, choice, now: app.clock.now() })
}

impl Business {
    /// What an hour of outage of the service costs, where it is not `told`.
    ///
    /// # Errors
    ///
    /// A problem with status 422 when nobody said.
    fn an_hour(&self, told: Option<&str>) -> Result<Money, Problem> {
        let told = told.map(|text| amount("an_hour", text)).transpose()?;
        told.or(self.inputs.an_hour).ok_or_else(|| {
            meant(
                "nobody has said what an hour of outage costs; hint: give `an_hour` (--an-hour), or say it in the service's \
                 document (revenuePerHour)",
            )
        })
    }

    /// Who is said to run the service.
    fn model(&self, service: &str) -> Option<SupportModel> {
        let spec = self.catalog.governance.service(service).map(|of| &of.spec);
        let said = || spec.and_then(|spec| Some(SupportModel::of_service(spec.support_model?)));
        self.choice.as_ref().map(|choice| choice.model).or_else(said)
    }

    /// What support of the service costs in a year.
    ///
    /// # Errors
    ///
    /// Why it is not known, in a sentence.
    fn yearly(
        &self,
        service: &str,
        (costs, an_hour): (&SupportCosts, Money),
        measured: Option<Load>,
    ) -> Result<YearlyCost, String> {
        let model = self.model(service).ok_or_else(|| {
            "nobody has said who runs it: flyball service choose, or `supportModel` of its document".to_owned()
        })?;
        if let Some(said) = support::without_costs(costs, model) {
            return Err(said);
        }
        let load = measured.or(self.inputs.load).ok_or_else(|| {
            "how often it fails and is called is not known yet: 28 days are looked at, or flyball service choose says it"
                .to_owned()
        })?;
        let rota = self.choice.as_ref().map(|choice| choice.out_of_hours);
        let rota = rota.or_else(|| Some(costs.banding().band(an_hour)?.out_of_hours));
        let yearly = rota.and_then(|rota| costs.yearly(model, rota, &load, an_hour));
        yearly.ok_or_else(|| "what it costs is more than can be said".to_owned())
    }
}

/// How often a service fails and somebody is called.
struct Called {
    /// The time that was looked at, which begins when its first SLO counted something.
    observed: Interval,
    /// What was seen in it.
    seen: Seen,
    /// What that comes to in a year; `None` of too short a time.
    load: Option<Load>,
}

/// How often `service` fails and somebody is called, by the incidents of production and the calls of the last year; what a
/// drill caused is no failure.
///
/// # Errors
///
/// A problem where they cannot be read.
async fn called(
    app: &App,
    service: &str,
    costs: &SupportCosts,
    business: &Business,
) -> Result<Called, Problem> {
    let now = business.now;
    let spec = business.catalog.governance.service(service).map(|of| &of.spec);
    let hours = spec.and_then(|spec| spec.working_hours.as_ref());
    let of = service.to_owned();
    let found = app.evaluator.ask(move |evaluator| {
        let since = evaluator.counts_of(|slo| slo.service == of).slos;
        since.iter().map(|slo| slo.since).min()
    });
    let since = found.await?;
    // What nobody could have noticed was not without failures.
    let since = since.unwrap_or(now).clamp(now.minus(LOOKED_BACK), now);
    let observed = Interval::starting(since, now.since(since));
    let (changes, of) = (app.changes.clone(), service.to_owned());
    let found = wait::<_, ChangesError>(move || {
        let (mut records, are_all) =
            changes.incident_records(std::slice::from_ref(&of), (since, now))?;
        records.retain(|of| {
            let environment = of.incident.environment.as_deref();
            of.counts() && environment.is_none_or(|it| it == Hook::ENVIRONMENT)
        });
        let mut failures = Vec::with_capacity(records.len());
        for record in records {
            let cause = record.incident.cause.as_deref();
            let cause = cause.map(|id| changes.get(id, &Caller::Anyone)).transpose()?.flatten();
            if cause.is_none_or(|kept| kept.change.kind != ChangeKind::Drill) {
                failures.push(record);
            }
        }
        Ok((failures, are_all))
    });
    let (failures, are_all) = found.await?;
    let has_rota = app.rotas.switchboard().await?.chain_of(service).is_some();
    let (rotas, of) = (app.rotas.clone(), service.to_owned());
    let (calls, are_all_calls) =
        wait::<_, RotaError>(move || rotas.calls_about(&of, observed)).await?;
    let worked = |call: &Call| {
        let mut rotas: Vec<&str> = call.steps.iter().map(|step| step.rota.as_str()).collect();
        rotas.dedup();
        let outs = rotas.into_iter().flat_map(|rota| call.outs(rota));
        outs.filter_map(|out| Some(out.ended?.since(out.called))).max()
    };
    let told: Vec<(Timestamp, Option<Duration>)> =
        calls.iter().map(|call| (call.opened, worked(call))).collect();
    let seen = Seen {
        failures: failures.len() as u64,
        calls: (has_rota || !calls.is_empty()).then_some(calls.len() as u64),
        is_cut: !are_all || !are_all_calls,
    };
    Ok(Called { observed, seen, load: load(&failures, &told, observed, costs, hours) })
}

/// What targets of a service are worth: what each allows an outage to cost, what each further nine buys and costs,
/// which target published bands ask for, and what its own objectives protected against what that cost.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/target",
    tag = "services",
    params(("name" = String, Path, description = "The service"), TargetQuery),
    responses(
        (status = 200, description = "The worksheet", body = TargetAnswer),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Nobody said what an hour costs, or the question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn target(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(TargetQuery { an_hour, targets, costs: named }): Query<TargetQuery>,
) -> Result<Json<TargetAnswer>, Problem> {
    let business = business(&app, &caller, &service).await?;
    let costs = costs(&business.catalog, named.as_deref())?;
    let an_hour = business.an_hour(an_hour.as_deref())?;
    let targets = targets.map_or(Ok(Vec::new()), |text| read_targets(&text))?;
    let sheet = worksheet(costs, an_hour, &targets).ok_or_else(|| mixed(an_hour, costs))?;
    let objectives = objectives(&business.catalog, &service, None);
    let longest = objectives.iter().map(|of| of.window.min(PROTECTED_LONGEST)).max();
    let mut protected = Vec::new();
    let mut support = Err("it has no SLO with a budget of its own".to_owned());
    if let Some(longest) = longest {
        let _room = room(&app).await?;
        let during = Interval::ending(business.now, longest);
        let gathered =
            gather(&app, &caller, (Whose::Service(service.clone()), None), during).await?;
        let called = called(&app, &service, costs, &business).await?;
        support = business.yearly(&service, (costs, an_hour), called.load);
        let history = gathered.history();
        let facts = gathered.facts(&history);
        for objective in objectives {
            let during = Interval::ending(business.now, objective.window.min(longest));
            let slo = objective.slo.clone();
            let served = app.evaluator.served_by(move |of| of.name == slo, during).await?.served;
            let (outages, unobserved) = (served.outages(), served.unobserved());
            let own = Facts { during, outages: &outages, unobserved: &unobserved, ..facts };
            let availability = measure(&own).availability;
            let lost = availability.rate.map(|_| availability.lost);
            let observed = availability.observed;
            // What nobody observed was neither protected nor lost.
            let told = lost.filter(|_| is_observed(observed, during.length()));
            protected.push(Protected {
                protection: told
                    .and_then(|lost| protection(an_hour, objective.target, observed, lost)),
                slo: objective.slo,
                target: objective.target,
                during,
                observed,
                coverage: observed.as_seconds_f64() / during.length().as_seconds_f64(),
                lost,
            });
        }
    }
    let observed = protected.iter().map(|of| of.observed).max().unwrap_or_default();
    let (support, support_unknown) = match support {
        Ok(yearly) => (Supported::of(yearly, observed), None),
        Err(unknown) => (None, Some(unknown)),
    };
    Ok(Json(TargetAnswer {
        at: business.now,
        costs: costs.name.clone(),
        assumed: costs.spec.assumed,
        worksheet: sheet,
        protection: protected,
        support,
        support_unknown,
        support_model: business.model(&service),
        service,
    }))
}

impl Supported {
    /// What `yearly` comes to in the time that was `observed`; what nobody observed is charged to nobody.
    fn of(yearly: YearlyCost, observed: Duration) -> Option<Self> {
        let (part, whole) = (observed.nanos(), YEAR.nanos().unsigned_abs());
        let share = flyball_budget::Fraction::new(part.into(), whole.into())?;
        let cost = yearly.total.times(share)?;
        Some(Self { yearly, observed, cost })
    }
}

/// Targets with commas between them.
///
/// # Errors
///
/// A problem with status 422 for what is none, and for too many.
fn read_targets(text: &str) -> Result<Vec<Target>, Problem> {
    let read = |part: &str| {
        let share = flyball_model::Rational::parse_percent(part.trim());
        share.and_then(|share| Target::new(share).ok()).ok_or_else(|| {
            meant(&format!("`{part}` is no target; hint: write them in per cent, like 99%,99.9%"))
        })
    };
    let targets = text.split(',').map(read).collect::<Result<Vec<_>, _>>()?;
    if targets.len() > TARGETS_MAX {
        return Err(meant(&format!("a worksheet has at most {TARGETS_MAX} targets")));
    }
    Ok(targets)
}

impl From<flyball_budget::BudgetError> for Problem {
    fn from(error: flyball_budget::BudgetError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
    }
}
