//! Who should run a service: models beside each other, what was chosen, and whether reality has left that.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::alert::Reminder;
use flyball_govern::checklist::Stage;
use flyball_govern::custody::{Holder, MissedRule};
use flyball_govern::evidence::{BudgetEvidence, DEPLOYMENTS_DAYS, Period, missed_of};
use flyball_govern::money::{
    Against, Basis, Drift, InForce, Load, OutOfHours, Product, Recommendation, SupportChoice,
    SupportCosts, SupportModel, Traffic, YearlyCost, against, drift, left, recommend,
};
use flyball_govern::policy::Number;
use flyball_model::{Duration, Interval, Rational, Target, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::super::administration::{people, wait};
use super::super::evidence::{Known, known};
use super::super::extract::{Path, Query, Sent, meant, number, page_size};
use super::super::problem::Problem;
use super::super::{App, shapes};
use super::{Called, amount, business, called, costs, mixed};
use crate::auth::{Caller, Role};
use crate::changes::ChangesError;
use crate::support::{Inputs, Seen, keep, keep_drifted};

/// Choices in one answer, unless told, and at most.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;
/// The longest reason, in bytes: a sentence.
const REASON_BYTES_MAX: usize = 1_024;

/// What a choice is made from, where it is not known otherwise.
#[derive(Debug, Default, serde::Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct BasisQuery {
    /// The costs (`kind: SupportCosts`), by name; the only ones that somebody has written unless told, and those that
    /// ship where nobody has.
    costs: Option<String>,
    /// What an hour of outage costs, such as `25000 USD`; what the service's document says unless told.
    an_hour: Option<String>,
    /// What kind of thing it is: `digital_service` or `off_the_shelf`; as it was chosen last unless told.
    #[param(value_type = Option<String>)]
    #[schema(value_type = Option<String>)]
    product: Option<Product>,
    /// The time from one deployment to the next that features ask for, such as `7d`; the target of the service's
    /// document unless told.
    interval: Option<String>,
    /// How much hangs on its traffic: `light`, `substantial` or `critical`; as it was chosen last unless told.
    #[param(value_type = Option<String>)]
    #[schema(value_type = Option<String>)]
    traffic: Option<Traffic>,
    /// Whether it has passed its hand-off review; as it was chosen last unless told.
    reviewed: Option<bool>,
    /// Whether its budget is missed time and again; as it was chosen last unless told.
    missed: Option<bool>,
    /// Failures in a year; from the incidents and pages of the last year unless told.
    failures_a_year: Option<u32>,
    /// Call-outs out of hours in a year; with `failures_a_year`.
    call_outs_a_year: Option<u32>,
    /// How long one takes, such as `45m`; with `failures_a_year`.
    call_out_lasts: Option<String>,
}

impl BasisQuery {
    /// What is told.
    ///
    /// # Errors
    ///
    /// A problem with status 422 for what cannot be meant.
    fn inputs(&self) -> Result<Inputs, Problem> {
        let length = |field: &str, text: &String| {
            Duration::parse(text).map_err(|error| meant(&format!("`{field}`: {error}")))
        };
        let an_hour = self.an_hour.as_ref().map(|text| amount("an_hour", text)).transpose()?;
        let interval = self.interval.as_ref().map(|text| length("interval", text)).transpose()?;
        let lasts = self.call_out_lasts.as_ref().map(|text| length("call_out_lasts", text));
        let load = match (self.failures_a_year, self.call_outs_a_year, lasts.transpose()?) {
            (Some(failures_a_year), Some(call_outs_a_year), Some(call_out_lasts)) => {
                Some(Load { call_outs_a_year, call_out_lasts, failures_a_year })
            }
            (None, None, None) => None,
            _ => {
                return Err(meant(
                    "`failures_a_year`, `call_outs_a_year` and `call_out_lasts` go together; hint: give all three or \
                     none",
                ));
            }
        };
        let Self { product, traffic, reviewed, missed, .. } = *self;
        Ok(Inputs { an_hour, product, interval, traffic, reviewed, missed, load })
    }
}

/// Models of support of a service beside each other.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct SupportAnswer {
    /// The service.
    service: String,
    /// The moment of looking.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// The costs that were gone by, by name.
    costs: String,
    /// Whether nobody has said that their amounts are right.
    assumed: bool,
    /// The currency of their amounts.
    currency: String,
    /// The time of which incidents were looked at for how often it is called.
    #[schema(value_type = shapes::Stretch)]
    observed: Interval,
    /// What was seen in it.
    seen: Seen,
    /// What it is computed from; null when something is not known.
    #[schema(value_type = Option<Object>)]
    basis: Option<Basis>,
    /// What of it nobody knows: `an_hour`, `product`, `interval`, `traffic`, `reviewed`, `missed`, `load`.
    unknown: Vec<String>,
    /// Where what is known of it is from, by its name: `asked` with the question, `measured`, said by the `document` of the
    /// service, or by the `choice` that was made last.
    known_from: BTreeMap<&'static str, Source>,
    /// The quarters that `missed` was measured by, the earliest first; empty where nothing is known of them.
    #[schema(value_type = Vec<Object>)]
    quarters: Vec<Period>,
    /// What bands and both published rules say, with every model's cost; null when something is not known.
    #[schema(value_type = Option<Object>)]
    recommendation: Option<Recommendation>,
    /// Why each rule says what it says, in sentences, in the order of the rules.
    reasons: Vec<&'static str>,
    /// What was chosen last; null when nobody has chosen.
    #[schema(value_type = Option<Object>)]
    choice: Option<SupportChoice>,
    /// What who chose is called, by the id that they are told of, as far as that is known.
    people: BTreeMap<String, String>,
    /// What that costs a year by what is known now, or by what it was made from; null when nobody has chosen, and where
    /// the costs say nothing of the model.
    #[schema(value_type = Option<Object>)]
    choice_cost: Option<YearlyCost>,
    /// Why that is not known, or cannot be held against what it was made from, and what to do about it; null where it can.
    unpriced: Option<String>,
    /// What would now be chosen differently, and for which inputs; empty while the choice stands, null when nobody has
    /// chosen.
    #[schema(value_type = Option<Vec<Object>>)]
    drift: Option<Vec<Drift>>,
    /// The same in sentences.
    drifted: Option<Vec<String>>,
    /// What the bands or a rule said otherwise when it was chosen, in sentences; empty where nothing did, null when nobody
    /// has chosen.
    against: Option<Vec<String>>,
}

/// Where something that a choice is made from is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Source {
    /// It was told with the question.
    Asked,
    /// It was measured.
    Measured,
    /// The document of the service says it.
    Document,
    /// It was chosen last.
    Choice,
}

/// A choice of who runs a service.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ChoiceRequest {
    /// The target, such as `99.9%`.
    target: String,
    /// Who runs it: `developers`, `operations`, `mixed`, `shared` or `sre`; one of which the costs say what it costs.
    #[schema(value_type = String)]
    model: SupportModel,
    /// Who is called out of hours: `none`, `domain` or `team`.
    #[schema(value_type = String)]
    out_of_hours: OutOfHours,
    /// Why, in a sentence; needed where the bands or a rule say otherwise.
    reason: Option<String>,
    /// What it is made from, where that is not known otherwise.
    #[serde(default)]
    basis: BasisQuery,
}

/// The choices that were made for a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct ChoiceList {
    /// The last first.
    #[schema(value_type = Vec<Object>)]
    choices: Vec<SupportChoice>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// Which page.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ChoicesQuery {
    /// Only those that were made before: the `next` of the page before.
    #[serde(default, deserialize_with = "number")]
    #[param(maximum = 9_223_372_036_854_775_807_u64)]
    before: Option<u64>,
    /// How many, 1 to 1,000; 100 unless told.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<usize>,
}

/// Who should run a service: every model with its cost, what published bands and both published rules say, what was
/// chosen, and whether reality has left that.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/support",
    tag = "services",
    params(("name" = String, Path, description = "The service"), BasisQuery),
    responses(
        (status = 200, description = "The models beside each other; docs/money.md says what each number means", body = SupportAnswer),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn compared(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(asked): Query<BasisQuery>,
) -> Result<Json<SupportAnswer>, Problem> {
    Ok(Json(answer(&app, &caller, service, &asked).await?))
}

/// What Flyball knows itself of what a choice is made from, and what is in force.
struct Live {
    inputs: Inputs,
    /// The mean time from one deployment to the next; `None` when nothing was deployed of late.
    interval: Option<Duration>,
    in_force: InForce,
    /// The quarters that it is known of whether they were missed, the earliest first.
    quarters: Vec<Period>,
}

/// What Flyball knows itself of `service`.
async fn live(app: &App, caller: &Caller, service: &str) -> Result<Live, Problem> {
    let Known { catalog, evidence, custody } = known(app, caller, service).await?;
    let now = app.clock.now();
    let (reviews, of) = (app.reviews.clone(), service.to_owned());
    let reviews = wait(move || reviews.of_service(&of)).await?;
    let handed: Vec<_> = reviews.iter().filter(|of| of.stage == Stage::HandOff).collect();
    let holder = custody.as_ref().and_then(|custody| custody.holder(now));
    // Who carries the pager of others was handed it.
    let is_handed = holder.is_some_and(|holder| holder != Holder::Developers);
    let is_approved = handed.iter().any(|review| review.standing(now).is_approved());
    let reviewed = (is_handed || !handed.is_empty()).then_some(is_handed || is_approved);
    let rule = catalog.governance.custody_rules(service).map(|rules| rules.spec().hand_back.missed);
    let missed = rule.and_then(|MissedRule { quarters, of }| {
        Some(missed_of(&evidence.quarters, of, Timestamp::MIN)? >= quarters)
    });
    let looked_at = evidence.quarters.iter().rev().take(rule.map_or(0, |rule| rule.of));
    let mut quarters: Vec<Period> =
        looked_at.filter(|quarter| quarter.kept.is_some()).copied().collect();
    quarters.reverse();
    let days = i64::try_from(DEPLOYMENTS_DAYS).unwrap_or(i64::MAX);
    let deployed = evidence.deployments.and_then(|count| i64::try_from(count).ok());
    let interval = deployed.filter(|count| *count > 0).and_then(|count| {
        Duration::from_nanos(Duration::from_days(1).nanos().checked_mul(days)? / count)
    });
    let budgets = evidence.budgets.unwrap_or_default();
    let is_over = |of: &&BudgetEvidence| {
        Number::spent(of.bad, of.valid, of.target).is_some_and(|spent| spent > Number::ONE)
    };
    let mut broken: Vec<String> = budgets.iter().filter(is_over).map(|of| of.slo.clone()).collect();
    broken.dedup();
    let mut promised: Vec<Target> = budgets.iter().map(|of| of.target).collect();
    promised.sort_unstable();
    promised.dedup();
    Ok(Live {
        inputs: Inputs { reviewed, missed, ..Inputs::default() },
        interval,
        in_force: InForce { promised, broken, holder: holder.map(SupportModel::of_holder) },
        quarters,
    })
}

/// What is known of who should run `service`, with what is `asked`.
async fn answer(
    app: &App,
    caller: &Caller,
    service: String,
    asked: &BasisQuery,
) -> Result<SupportAnswer, Problem> {
    let told = asked.inputs()?;
    let business = business(app, caller, &service).await?;
    let costs = costs(&business.catalog, asked.costs.as_deref())?;
    let now = business.now;
    let Called { observed, seen, load } = called(app, &service, costs, &business).await?;
    let live = live(app, caller, &service).await?;
    let known = Inputs { load, ..live.inputs };
    let all = told.or(known).or(business.inputs);
    let found = all.basis();
    let mixed = |basis: &Basis| mixed(basis.an_hour, costs);
    let recommendation = match &found {
        Ok(basis) => Some(recommend(costs, basis).ok_or_else(|| mixed(basis))?),
        Err(_) => None,
    };
    let rules = recommendation.as_ref().map(|of| of.rules);
    // How often it is deployed in fact is held against how often it was to be.
    let measured = Inputs { interval: live.interval, ..known };
    let reality = told.or(measured).or(business.inputs).basis();
    let unpriced = business.choice.as_ref().and_then(|choice| {
        without_costs(costs, choice.model).or_else(|| of_another_currency(costs, choice))
    });
    let drifted = match (&business.choice, &reality) {
        (Some(choice), Ok(basis)) if of_another_currency(costs, choice).is_none() => {
            let mut found = drift(costs, choice, basis).ok_or_else(|| mixed(basis))?;
            found.extend(left(choice, &live.in_force));
            Some(found)
        }
        _ => None,
    };
    let known_from = all.known().into_iter().map(|name| {
        let is_of = |of: &Inputs| of.known().contains(&name);
        let from = if is_of(&told) {
            Source::Asked
        } else if is_of(&known) {
            Source::Measured
        } else if is_of(&business.said) {
            Source::Document
        } else {
            Source::Choice
        };
        (name, from)
    });
    let choice_cost = business.choice.as_ref().and_then(|choice| {
        let basis = found.as_ref().unwrap_or(&choice.basis);
        costs.yearly(choice.model, choice.out_of_hours, &basis.load, basis.an_hour)
    });
    let known_from = known_from.collect();
    let chose = business.choice.iter().map(|choice| choice.who.clone()).collect();
    let people = people(app, chose).await?;
    let sentences = |found: &Vec<Drift>| found.iter().map(Drift::sentence).collect();
    let against = business.choice.as_ref().and_then(|choice| against(costs, choice));
    let (basis, unknown) = match found {
        Ok(basis) => (Some(basis), Vec::new()),
        Err(unknown) => (None, unknown.into_iter().map(str::to_owned).collect()),
    };
    Ok(SupportAnswer {
        service,
        at: now,
        costs: costs.name.clone(),
        assumed: costs.spec.assumed,
        currency: costs.currency().to_string(),
        observed,
        seen,
        basis,
        unknown,
        known_from,
        quarters: live.quarters,
        reasons: rules.iter().flatten().map(|ruled| ruled.reason.sentence()).collect(),
        recommendation,
        choice: business.choice,
        people,
        choice_cost,
        unpriced,
        against: against.map(|found| found.iter().map(Against::sentence).collect()),
        drifted: drifted.as_ref().map(sentences),
        drift: drifted,
    })
}

/// Looks whether reality has left what was chosen for `service`, and tells it once where that is news: nothing where nobody
/// has chosen.
///
/// # Errors
///
/// A problem where something cannot be read or kept.
pub(in crate::http) async fn look(app: &App, service: &str) -> Result<(), Problem> {
    let (control, of) = (app.control.clone(), service.to_owned());
    if wait(move || crate::support::choices(&control, &of, None, 1)).await?.is_empty() {
        return Ok(());
    }
    let asked = BasisQuery::default();
    let Ok(found) = answer(app, &Caller::Anyone, service.to_owned(), &asked).await else {
        // Costs that cannot be chosen or compared are told to whoever asks.
        return Ok(());
    };
    let Some(said) = found.drifted else { return Ok(()) };
    let (control, of, now) = (app.control.clone(), service.to_owned(), found.at);
    let kept = said.clone();
    let is_news = wait(move || keep_drifted(&control, &of, &kept, now)).await?;
    if !is_news || said.is_empty() {
        return Ok(());
    }
    let reminder = Reminder {
        key: format!("drift/{service}/{now}"),
        service: service.to_owned(),
        title: "reality has left what was chosen for its support".to_owned(),
        text: said.join(" "),
        at: now,
        target: None,
    };
    let told = app.evaluator.ask(move |evaluator| evaluator.remind(&reminder)).await?;
    // Nobody may be told of the service; it is on the card.
    told.map_err(ChangesError::from)?;
    Ok(())
}

/// That `costs` say nothing of `model`, and what to do about it; `None` where they do.
pub(super) fn without_costs(costs: &SupportCosts, model: SupportModel) -> Option<String> {
    let hint = if costs.spec.assumed {
        "choose another, or write costs of your own (kind: SupportCosts)".to_owned()
    } else {
        format!("add it to `spec.models` of the kind: SupportCosts `{}`", costs.name)
    };
    let said = format!(
        "there are no costs of the model {} in `{}`; hint: {hint}",
        model.word(),
        costs.name
    );
    costs.model(model).is_none().then_some(said)
}

/// That `choice` was made from amounts in another currency than that of `costs`; `None` where it was not.
fn of_another_currency(costs: &SupportCosts, choice: &SupportChoice) -> Option<String> {
    let then = choice.basis.an_hour;
    (then.currency() != costs.currency()).then(|| {
        format!(
            "it was chosen when an hour of outage cost {then}, and the costs `{}` are in {}; hint: choose it again",
            costs.name,
            costs.currency()
        )
    })
}

/// What is to be known for a choice, by its name, and how the command is told of it.
fn asked_as(name: &str) -> String {
    match name {
        "load" => "how often it fails and is called (--failures-a-year, --call-outs-a-year, --call-out-lasts)".to_owned(),
        name => format!("{name} (--{})", name.replace('_', "-")),
    }
}

/// Keeps who runs a service and what it promises, with the numbers that this was chosen from: later ones are held
/// against them. It is in the audit log.
#[utoipa::path(
    post,
    path = "/api/v1/services/{name}/support",
    tag = "services",
    params(("name" = String, Path, description = "The service")),
    request_body = ChoiceRequest,
    responses(
        (status = 201, description = "It is kept", body = Object),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Something that it is made from is not known or cannot be meant, or no reason is given against the rules", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn choose(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<SupportChoice>), Problem> {
    let (asked, caller) = sent.json_for(&app, "support", (Role::Owner, &service)).await?;
    let ChoiceRequest { target, model, out_of_hours, reason, basis: asked } = asked;
    let target = Rational::parse_percent(&target).and_then(|share| Target::new(share).ok());
    let target = target.filter(|target| !target.share().is_zero());
    let target = target.ok_or_else(|| meant("`target` is no target; hint: write it like 99.9%"))?;
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(meant("`reason` has more than 1,024 bytes; hint: say it in a sentence"));
    }
    let known = answer(&app, &caller, service.clone(), &asked).await?;
    let basis = known.basis.ok_or_else(|| {
        meant(&format!(
            "nobody has said {}; hint: a choice is held against what it was made from: give these with it",
            known.unknown.iter().map(|name| asked_as(name)).collect::<Vec<_>>().join(", ")
        ))
    })?;
    let (who, at) = (caller.actor(), app.clock.now());
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let costs = costs(&catalog, asked.costs.as_deref())?;
    if let Some(said) = without_costs(costs, model) {
        return Err(meant(&said));
    }
    let choice = SupportChoice { who, at, basis, target, model, out_of_hours, reason };
    let against = against(costs, &choice).unwrap_or_default();
    if !against.is_empty() && choice.reason.is_none() {
        let said: Vec<String> = against.iter().map(Against::sentence).collect();
        return Err(meant(&format!(
            "it is chosen against what is asked for: {}; hint: say why in `reason`",
            said.join(" ")
        )));
    }
    let kept = wait(move || keep(&app.control, &service, &choice).map(|()| choice));
    Ok((StatusCode::CREATED, Json(kept.await?)))
}

/// The choices that were made of who runs a service, and what each was made from.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/support/choices",
    tag = "services",
    params(("name" = String, Path, description = "The service"), ChoicesQuery),
    responses(
        (status = 200, description = "A page of them; of a service that the caller may not see, none", body = ChoiceList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn choices_made(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(ChoicesQuery { before, limit }): Query<ChoicesQuery>,
) -> Result<Json<ChoiceList>, Problem> {
    let limit = page_size(limit, PAGE_DEFAULT, PAGE_MAX)?;
    if !caller.sees(&service) {
        return Ok(Json(ChoiceList { choices: Vec::new(), next: None }));
    }
    let found =
        wait(move || crate::support::choices(&app.control, &service, before, limit)).await?;
    let next = found.last().filter(|_| found.len() == limit).map(|(number, _)| *number);
    Ok(Json(ChoiceList { choices: found.into_iter().map(|(_, choice)| choice).collect(), next }))
}
