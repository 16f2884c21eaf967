//! Whether a change may ship: asked in our own words. [`peers`] and [`github`] are asked in those of others.

mod acts;
mod approvals;
mod backtest;
mod classes;
mod contests;
mod github;
mod peers;
mod policies;
mod prerelease;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_budget::live::LiveError;
use flyball_catalog::Catalog;
use flyball_connect::Asked;
use flyball_govern::gate::{Decision, Question, Rollout, WindowFacts};
use flyball_govern::policy::{ChangeClass, Policy};
use flyball_govern::service::DependencyKind;
use flyball_govern::verdict::Answer;
use flyball_model::{BudgetingMethod, ChangeKind, Duration, Slo, Timestamp, Warranty};
use flyball_store::StoreError;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::access::allowed;
use super::administration::wait;
use super::attribution::by_cause;
use super::extract::{Path, Query, Sent, meant, page_size};
use super::problem::Problem;
use super::services::is_there;
use super::{App, shapes};
use crate::attribution::{Attribution, ObjectiveAttribution};
use crate::auth::{Caller, Role};
use crate::changes::Kept;
use crate::evaluator::Ended;
use crate::gate::{Decided, Found, GateError, Known, Looked, Turned, Version};
pub(super) use acts::{
    __path_agree, __path_block, __path_blocks, __path_except, __path_lift, __path_overrides,
    __path_revoke, __path_sign_off, acting, agree, block, blocks, except, lift, overrides, revoke,
    sign_off,
};
pub(super) use approvals::{
    __path_approvals, __path_approve, __path_withdraw, approvals, approve, withdraw,
};
pub(super) use backtest::{__path_backtested, backtested};
pub(super) use classes::{__path_classes, __path_classify, classes, classify};
pub(super) use contests::{
    __path_bring, __path_contest, __path_contests, __path_settle, bring, contest, contests, settle,
};
pub(super) use github::{__path_protection, protection};
use peers::is_against_the_budget;
pub(super) use peers::{
    __path_flagger, __path_flagger_rollback, __path_opa, __path_prometheus,
    __path_prometheus_posted, flagger, flagger_rollback, opa, prometheus, prometheus_posted,
};
pub(super) use policies::{__path_policies, __path_sign, policies, sign};
pub(super) use prerelease::{__path_risk, risk};

/// Decisions in one answer, unless told.
const PAGE: usize = 20;
/// Decisions in one answer, at most.
const PAGE_MAX: usize = 200;

/// The question: may a change like this ship?
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct GateQuestion {
    /// Why it is made: feature (unless told), maintenance, fix, p0, reliability, security, rollback,
    /// `kill_switch` or drain.
    class: Option<String>,
    /// How it reaches users, as `canary:5%:30m`; everybody at once unless told.
    rollout: Option<String>,
    /// Where it goes.
    environment: Option<String>,
    /// What the change is known by.
    change: Option<String>,
    /// The commit or version that would run afterwards; an approval may name it in place of the change.
    revision: Option<String>,
}

/// What is decided.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct GateAnswer {
    /// What the decision is known by: the SHA-256 of its canonical JSON; null when it is not kept.
    id: Option<String>,
    /// Whether it may ship.
    allow: bool,
    /// What a command that asks ends with: 0 it may ship, 1 denied, 3 undecidable.
    exit_code: u8,
    /// That nothing is known of a service of this name, with the nearest one; null otherwise. Only of changes that
    /// restore, which nothing holds up: for others that is an error.
    warning: Option<String>,
    /// The decision, which explains itself: its canonical JSON, whose SHA-256 is the id.
    #[schema(value_type = shapes::GateDecision)]
    decision: Box<RawValue>,
}

/// A page of decisions.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct DecisionList {
    /// The last first.
    decisions: Vec<KeptDecision>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// A decision that was made.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct KeptDecision {
    /// What it is known by: the SHA-256 of its canonical JSON, which the audit log holds as well.
    id: String,
    /// The decision.
    #[schema(value_type = shapes::GateDecision)]
    decision: serde_json::Value,
}

/// Which decisions are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DecisionQuery {
    /// Only those before this one.
    #[serde(default, deserialize_with = "super::extract::number")]
    before: Option<u64>,
    /// At most so many; 20 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

impl From<GateError> for Problem {
    fn from(error: GateError) -> Self {
        let status = match error {
            GateError::NoPolicy(_) => StatusCode::CONFLICT,
            GateError::Store(StoreError::TooLong { .. } | StoreError::Invalid { .. }) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            GateError::Store(_) | GateError::Unreadable(_) | GateError::GivenUp => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, &error.to_string())
    }
}

/// The refusal of a policy that is not there.
fn no_policy(name: &str, catalog: &Catalog) -> Problem {
    let known = catalog.governance.policies().map(Policy::name);
    Problem::not_there(("policy", name), known, "GET /api/v1/policies lists them")
}

fn class(word: &str) -> Result<ChangeClass, Problem> {
    ChangeClass::ALL.into_iter().find(|class| class.word() == word).ok_or_else(|| {
        let known: Vec<&str> = ChangeClass::ALL.into_iter().map(ChangeClass::word).collect();
        meant(&format!("`{word}` is no class of changes; hint: there are {}", known.join(", ")))
    })
}

impl From<GateQuestion> for Asked {
    fn from(asked: GateQuestion) -> Self {
        let GateQuestion { class, rollout, environment, change, revision } = asked;
        Self { class, rollout, environment, change, revision }
    }
}

/// What is asked of the gate of `service` at `at`, by whom where they can be told from others.
///
/// # Errors
///
/// A problem with status 422 for a class or a rollout that is none.
pub(super) fn question(
    asked: Asked,
    service: String,
    asked_by: Option<String>,
    at: Timestamp,
) -> Result<Question, Problem> {
    let Asked { class: word, rollout, environment, change, revision } = asked;
    let rollout = rollout.map(|text| text.parse::<Rollout>()).transpose();
    Ok(Question {
        service,
        class: word.as_deref().map_or(Ok(ChangeClass::Feature), class)?,
        change,
        revision,
        environment,
        rollout: rollout.map_err(|error| meant(&error.to_string()))?,
        asked_by,
        at,
    })
}

/// What is known of `service` as of the last tick of the evaluator, or of the one before while somebody asks for that;
/// with `leaving` also when its budgets recover.
pub(super) async fn known(app: &App, service: &str, leaving: bool) -> Result<Arc<Known>, Problem> {
    // What one said that has ended stays as it was.
    if app.evaluator.has_ended() {
        return Err(Ended.into());
    }
    let slot = app.gatekeeper.knowing().of(service);
    let tick = *app.evaluator.ticks().borrow();
    let version = Version { tick, changes: app.changes.version() };
    let mut spent = match slot.turn(version, leaving).await {
        Turned::Known(known) => return Ok(known),
        Turned::Ask(spent) => spent,
    };
    let asked = service.to_owned();
    app.evaluator.join(move |slo| slo.service == asked).await?;
    let asked = service.to_owned();
    let found = app.evaluator.ask(move |evaluator| {
        let facts = evaluator.service_facts(&asked, leaving)?;
        let promised = evaluator.promised_since(&asked);
        Ok::<_, LiveError<StoreError>>((Arc::clone(evaluator.catalog()), facts, promised))
    });
    let (catalog, facts, promised) = found.await??;
    let mut known = Known::of(&catalog, service, facts)?;
    let (changes, asked) = (app.changes.clone(), service.to_owned());
    let open = tokio::task::spawn_blocking(move || changes.incidents_open(&asked)).await;
    known.facts.incidents_open = open.ok().transpose()?;
    let (reviews, custodies, asked) =
        (app.reviews.clone(), app.custodies.clone(), service.to_owned());
    let now = app.clock.now();
    let kept = move || {
        let custody = custodies.get(&asked, promised)?;
        let approved = reviews.approved(&asked, None, now)?;
        Ok::<_, GateError>((custody, approved, reviews.controls(&asked)?))
    };
    let (custody, approved, controls) = wait(kept).await?;
    let holder = custody.and_then(|custody| custody.holder(now));
    known.facts.custody = holder.map(|holder| holder.word().to_owned());
    known.facts.approved = Some(approved.into_keys().collect());
    known.facts.controls = controls;
    let budgets = known.facts.budgets.iter();
    let since = budgets.map(|budget| match budget.window {
        WindowFacts::Rolling(length) => app.clock.now().minus(length),
        WindowFacts::Calendar(period) => period.start(),
    });
    if let Some(since) = since.min() {
        let minute = app.clock.now().floor(Duration::from_minutes(1));
        let look =
            || causes(app.clone(), service.to_owned(), since.minus(Warranty::DEFAULT.hold()));
        spent.look(minute, look).await;
        spent.fill(&mut known.facts.budgets);
    }
    let known = Arc::new(known);
    slot.set(version, leaving, &known);
    Ok(known)
}

/// What the budgets of `service` were spent on, where anything is known that may have since `from`: incidents, drills,
/// changes that regressed, dependencies. `None` where it cannot be found.
fn causes(app: App, service: String, from: Timestamp) -> Finding {
    // Other gates are asked on the way, which look for causes in turn.
    Box::pin(found(app, service, from))
}

/// What budgets were spent on, once it is found.
type Finding = Pin<Box<dyn Future<Output = Option<Found>> + Send>>;

async fn found(app: App, service: String, from: Timestamp) -> Option<Found> {
    let (changes, services, to) = (app.changes.clone(), [service.clone()], app.clock.now());
    let past = wait(move || changes.past(&services, (from, to))).await.ok()?;
    let may_spend = |kept: &Kept| {
        let verdict = kept.verdict.as_ref();
        kept.change.kind == ChangeKind::Drill
            || verdict.is_some_and(|verdict| verdict.answer == Answer::Regressed)
    };
    let asked = service.clone();
    let depends = app
        .evaluator
        .ask(move |evaluator| evaluator.catalog().governance.dependencies(&asked).next().is_some());
    if past.incidents.is_empty() && !past.changes.iter().any(may_spend) && !depends.await.ok()? {
        return Some(Found::default());
    }
    // Its ratios are not what is attributed.
    let asked = service.clone();
    let is_asked = move |slo: &Slo| {
        slo.service == asked
            && slo.composition.is_none()
            && slo.method != BudgetingMethod::RatioTimeslices
    };
    let slos = by_cause(&app, is_asked, (None, None)).await.ok()?;
    let frozen = frozen(&app, service, &slos).await?;
    Some(Found { slos, frozen })
}

/// The services whose failures have spent budgets of `service`, without which it serves nobody, and whose own gates deny
/// features on account of their budgets.
async fn frozen(app: &App, service: String, slos: &[Attribution]) -> Option<BTreeSet<String>> {
    let objectives = slos.iter().flat_map(|slo| &slo.objectives);
    let spent: BTreeSet<String> =
        objectives.flat_map(ObjectiveAttribution::dependencies).map(str::to_owned).collect();
    let asked = app.evaluator.ask(move |evaluator| {
        let governance = &evaluator.catalog().governance;
        let own = governance.service(&service).into_iter().flat_map(|of| &of.spec.dependencies);
        let hard = own.filter(|of| of.kind == DependencyKind::Hard && spent.contains(&of.service));
        hard.map(|of| of.service.clone()).collect::<Vec<_>>()
    });
    let mut frozen = BTreeSet::new();
    for dependency in asked.await.ok()? {
        let question =
            question(Asked::default(), dependency.clone(), None, app.clock.now()).ok()?;
        let (decision, _) = decided(app, &question).await.ok()?;
        if is_against_the_budget(&decision) {
            frozen.insert(dependency);
        }
    }
    Some(frozen)
}

/// What is decided on `question` now, and what it was decided from. That of a change that waits says until
/// when, which takes a look at whole windows.
pub(super) async fn decided(
    app: &App,
    question: &Question,
) -> Result<(Decision, Arc<Known>), Problem> {
    let (passed, known) = judged(app, question).await?;
    match passed {
        Some(looked) => Ok((looked.decision, known)),
        None => Ok((looked(app, question, &known).await?.decision, known)),
    }
}

/// What `question` is to be decided from, with what is found where it passes; where it waits, until when is known.
async fn judged(app: &App, question: &Question) -> Result<(Option<Looked>, Arc<Known>), Problem> {
    let first = known(app, &question.service, false).await?;
    let looked = looked(app, question, &first).await?;
    if looked.decision.outcome.passes() {
        return Ok((Some(looked), first));
    }
    Ok((None, known(app, &question.service, true).await?))
}

async fn looked(app: &App, question: &Question, known: &Arc<Known>) -> Result<Looked, Problem> {
    if let Some(looked) = app.gatekeeper.glance(question, known) {
        return Ok(looked);
    }
    let (gatekeeper, question, known) =
        (app.gatekeeper.clone(), question.clone(), Arc::clone(known));
    wait(move || gatekeeper.look(&question, &known)).await
}

/// Decides on `question` for `caller`, and keeps the decision.
///
/// # Errors
///
/// As [`heard_of`].
async fn kept(app: &App, question: Question, caller: &Caller) -> Result<Decided, Problem> {
    let (looked, known) = judged(app, &question).await?;
    heard_of(app, caller, &question, &known).await?;
    keep(app, question, (known, looked), caller.actor()).await
}

/// What `caller` is told of `question`, which is not kept.
///
/// # Errors
///
/// As [`heard_of`].
async fn glanced(
    app: &App,
    caller: &Caller,
    question: &Question,
) -> Result<(Decision, Arc<Known>), Problem> {
    let (decision, known) = decided(app, question).await?;
    heard_of(app, caller, question, &known).await?;
    Ok((decision, known))
}

/// That anything is known of the service that is asked about: a misspelt one has no budget that could be overspent. What
/// restores is held up by nothing.
///
/// # Errors
///
/// A problem with status 404 and the nearest name.
async fn heard_of(
    app: &App,
    caller: &Caller,
    question: &Question,
    known: &Known,
) -> Result<(), Problem> {
    if !known.facts.budgets.is_empty() || question.class.restores() {
        return Ok(());
    }
    let Err(mut problem) = is_there(app, caller, &question.service).await else { return Ok(()) };
    if let Some(hint) = problem.hint.as_mut().filter(|_| problem.status == 404) {
        let end = if hint.ends_with('?') { "" } else { "." };
        hint.push_str(end);
        hint.push_str(
            " A new service is there once it is described, or has an SLO or a recorded change",
        );
    }
    Err(problem)
}

/// As [`kept`], from what is known, and perhaps what was found from that.
async fn keep(
    app: &App,
    question: Question,
    (known, looked): (Arc<Known>, Option<Looked>),
    actor: String,
) -> Result<Decided, Problem> {
    let made = app.gatekeeper.decide(question, known, looked, actor).await?;
    app.telemetry.told("gate", if made.decision.outcome.passes() { "passed" } else { "held" });
    Ok(made)
}

fn unwritten(cause: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, &format!("a decision is no JSON: {cause}"))
}

impl GateAnswer {
    async fn of(
        app: &App,
        caller: &Caller,
        (id, text): (Option<String>, String),
        decision: &Decision,
    ) -> Result<Self, Problem> {
        let (allow, exit_code) = (decision.outcome.passes(), decision.outcome.exit_code());
        let unknown = if decision.budgets.is_empty() {
            is_there(app, caller, &decision.service).await.err()
        } else {
            None
        };
        let warning = unknown.map(|problem| problem.text());
        // What is kept, to the byte, so that whoever asked can compute what it is known by.
        let decision = RawValue::from_string(text).map_err(|cause| unwritten(&cause))?;
        Ok(Self { id, allow, exit_code, warning, decision })
    }
}

/// Whether a change may ship, as things stand. What is decided is not kept: ask by POST for that.
///
/// Without SLOs or data the answer says so, and the change passes; a service that nothing is known of is an error. Until a policy is signed it denies nothing.
#[utoipa::path(
    get,
    path = "/api/v1/gate/{service}",
    tag = "changes",
    params(("service" = String, Path, description = "The service that would change"), GateQuestion),
    responses(
        (status = 200, description = "The decision, whatever it is", body = GateAnswer),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of the service, and the change does not restore", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The service's tier names a policy that is not there", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Budgets cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn look(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(asked): Query<GateQuestion>,
) -> Result<Json<GateAnswer>, Problem> {
    allowed(caller.may(Role::Developer, &service), Role::Developer, &service)?;
    let question = question(asked.into(), service, caller.somebody(), app.clock.now())?;
    let (decision, _) = glanced(&app, &caller, &question).await?;
    let text = decision.canonical_json().map_err(|cause| unwritten(&cause))?;
    Ok(Json(GateAnswer::of(&app, &caller, (None, text), &decision).await?))
}

/// Decides whether a change may ship, and keeps the decision with what it was made from.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}",
    tag = "changes",
    params(("service" = String, Path, description = "The service that is to change")),
    request_body = GateQuestion,
    responses(
        (status = 200, description = "The decision, whatever it is; on disk", body = GateAnswer),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of the service, and the change does not restore", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The service's tier names a policy that is not there", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Budgets cannot be read, or nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn decide(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<Json<GateAnswer>, Problem> {
    let of = (Role::Developer, &*service);
    let (asked, caller): (GateQuestion, _) = sent.json_for(&app, "gate", of).await?;
    let question = question(asked.into(), service, caller.somebody(), app.clock.now())?;
    let Decided { id, text, decision } = kept(&app, question, &caller).await?;
    Ok(Json(GateAnswer::of(&app, &caller, (Some(id), text), &decision).await?))
}

/// What was decided on changes of a service, the last first.
#[utoipa::path(
    get,
    path = "/api/v1/gate/{service}/decisions",
    tag = "changes",
    params(("service" = String, Path, description = "The service"), DecisionQuery),
    responses(
        (status = 200, description = "A page of decisions; of a service that the caller may not see, none", body = DecisionList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn decisions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(DecisionQuery { before, limit }): Query<DecisionQuery>,
) -> Result<Json<DecisionList>, Problem> {
    let limit = page_size(limit, PAGE, PAGE_MAX)?;
    if !caller.sees(&service) {
        return Ok(Json(DecisionList { decisions: Vec::new(), next: None }));
    }
    let found = wait(move || app.gatekeeper.decisions(&service, before, limit)).await?;
    let next = found.last().filter(|_| found.len() == limit).map(|(number, ..)| *number);
    let decisions = found.into_iter().map(|(_, id, decision)| KeptDecision { id, decision });
    Ok(Json(DecisionList { decisions: decisions.collect(), next }))
}
