//! Whether a change may ship, and who decides so by hand.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use flyball_budget::live::LiveError;
use flyball_govern::gate::{Decision, Override, Question, Rollout};
use flyball_govern::policy::{Block, ChangeClass, Role as Function, Signature, Standing, standing};
use flyball_model::Timestamp;
use flyball_store::StoreError;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::access::still;
use super::administration::wait;
use super::body::read_any_json;
use super::extract::{Path, Query, page_size};
use super::problem::Problem;
use super::{App, shapes};
use crate::auth::{Caller, Needs, Role};
use crate::gate::{ActError, GateError, Known, NewOverride, NewStop};

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
}

/// What is decided.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct GateAnswer {
    /// What the decision is known by: the SHA-256 of its canonical JSON; null when it is not kept.
    id: Option<String>,
    /// What a command that asks ends with: 0 it may ship, 1 denied, 3 undecidable.
    exit_code: u8,
    /// The decision, which explains itself.
    #[schema(value_type = shapes::GateDecision)]
    decision: Decision,
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

/// A block by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockRequest {
    /// What is blocked.
    classes: Vec<String>,
    /// As what the caller blocks.
    role: String,
    /// Why, in a sentence.
    why: String,
    /// Until when; at most 14 days ahead.
    expires: String,
}

/// An exception to what a policy decides.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OverrideRequest {
    /// Which class of changes it lets through.
    class: String,
    /// Only this change; any of the class unless told.
    change: Option<String>,
    /// As what the caller answers for it.
    role: String,
    /// Why, in a sentence.
    why: String,
    /// Until when; no longer than the policy allows.
    expires: String,
}

/// A signature under a latched level.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignOffRequest {
    /// The level.
    level: String,
    /// As what the caller signs.
    role: String,
}

/// A signature under a policy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignRequest {
    /// As what the caller signs.
    role: String,
}

/// What was done by hand.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Done {
    /// What it is known by.
    id: String,
    /// As the audit log names them.
    who: String,
    /// Until when it holds; null when it has no end.
    #[schema(value_type = Option<shapes::Instant>)]
    expires: Option<Timestamp>,
}

/// Every policy.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct PolicyList {
    policies: Vec<PolicyInfo>,
}

/// A policy and how binding it is.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct PolicyInfo {
    /// Its name.
    name: String,
    /// Its version.
    version: u32,
    /// What it is for.
    description: String,
    /// Whether it decides: until each of its approvers has signed this version it says what it would do.
    enforced: bool,
    /// The roles whose signatures are missing.
    missing: Vec<String>,
    /// Who has signed this version, as what.
    signed: Vec<SignedBy>,
}

/// A signature.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct SignedBy {
    /// As what.
    role: String,
    /// Who.
    who: String,
    /// When.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
}

impl From<GateError> for Problem {
    fn from(error: GateError) -> Self {
        let status = match error {
            GateError::NoPolicy(_) => StatusCode::CONFLICT,
            GateError::Store(StoreError::TooLong { .. } | StoreError::Invalid { .. }) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            GateError::Store(_) | GateError::Unreadable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &error.to_string())
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Gate(error) => error.into(),
            refused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, &refused.to_string()),
        }
    }
}

/// Refuses whoever may not do for `service` what needs `role`.
fn check(caller: &Caller, role: Role, service: &str) -> Result<(), Problem> {
    if caller.may(role, service) {
        return Ok(());
    }
    let said = format!("that needs the role `{role}` for the service; hint: an admin can grant it");
    Err(Problem::new(StatusCode::FORBIDDEN, &said))
}

fn meant(said: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, said)
}

fn class(word: &str) -> Result<ChangeClass, Problem> {
    ChangeClass::ALL.into_iter().find(|class| class.word() == word).ok_or_else(|| {
        let known: Vec<&str> = ChangeClass::ALL.into_iter().map(ChangeClass::word).collect();
        meant(&format!("`{word}` is no class of changes; hint: there are {}", known.join(", ")))
    })
}

fn function(name: &str) -> Result<Function, Problem> {
    Function::new(name).map_err(|error| meant(&error.to_string()))
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).map_err(|error| meant(&format!("`expires`: {error}")))
}

impl GateQuestion {
    pub(super) fn question(self, service: String, at: Timestamp) -> Result<Question, Problem> {
        let Self { class: word, rollout, environment, change } = self;
        let rollout = rollout.map(|text| text.parse::<Rollout>()).transpose();
        Ok(Question {
            service,
            class: word.as_deref().map_or(Ok(ChangeClass::Feature), class)?,
            change,
            environment,
            rollout: rollout.map_err(|error| meant(&error.to_string()))?,
            approvals: Vec::new(),
            at,
        })
    }
}

/// What is known of `service`; with `leaving` also when its budgets recover.
async fn known(app: &App, service: &str, leaving: bool) -> Result<Known, Problem> {
    let asked = service.to_owned();
    let found = app.evaluator.ask(move |evaluator| {
        let facts = evaluator.service_facts(&asked, leaving)?;
        Ok::<_, LiveError<StoreError>>((Arc::clone(evaluator.catalog()), facts))
    });
    let (catalog, facts) = found.await??;
    let mut known = Known::of(&catalog, service, facts)?;
    let (changes, asked) = (app.changes.clone(), service.to_owned());
    let open = tokio::task::spawn_blocking(move || changes.incidents_open(&asked)).await;
    known.facts.incidents_open = open.ok().transpose()?;
    Ok(known)
}

/// What is decided on `question` now, and what it was decided from. That of a change that waits says until
/// when, which takes a look at whole windows.
pub(super) async fn decided(app: &App, question: &Question) -> Result<(Decision, Known), Problem> {
    let first = known(app, &question.service, false).await?;
    let look = |known: Known| {
        let (gatekeeper, question) = (app.gatekeeper.clone(), question.clone());
        wait(move || {
            let decision = gatekeeper.look(&question, &known)?;
            Ok::<_, GateError>((decision, known))
        })
    };
    let (decision, first) = look(first).await?;
    if decision.outcome.passes() {
        return Ok((decision, first));
    }
    look(known(app, &question.service, true).await?).await
}

/// Whether a change may ship, as things stand. What is decided is not kept: ask by POST for that.
///
/// Without SLOs or data the answer says so, and the change passes. Until a policy is signed it denies nothing.
#[utoipa::path(
    get,
    path = "/api/v1/gate/{service}",
    tag = "changes",
    params(("service" = String, Path, description = "The service that would change"), GateQuestion),
    responses(
        (status = 200, description = "The decision, whatever it is", body = GateAnswer),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
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
    check(&caller, Role::Developer, &service)?;
    let question = asked.question(service, app.clock.now())?;
    let (decision, _) = decided(&app, &question).await?;
    let exit_code = decision.outcome.exit_code();
    Ok(Json(GateAnswer { id: None, exit_code, decision }))
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
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Path(service): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<GateAnswer>, Problem> {
    let asked: GateQuestion = read_any_json(&app, "gate", &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    check(&caller, Role::Developer, &service)?;
    let question = asked.question(service, app.clock.now())?;
    let (_, known) = decided(&app, &question).await?;
    let gatekeeper = app.gatekeeper.clone();
    let made = wait(move || gatekeeper.decide(&question, &known, &caller.actor()));
    let (id, decision) = made.await?;
    app.telemetry.told("gate", if decision.outcome.passes() { "passed" } else { "held" });
    let exit_code = decision.outcome.exit_code();
    Ok(Json(GateAnswer { id: Some(id), exit_code, decision }))
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

/// Stops changes of a service by hand: who, as what, why, which classes, until when.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/blocks",
    tag = "changes",
    params(("service" = String, Path, description = "The service")),
    request_body = BlockRequest,
    responses(
        (status = 201, description = "It is blocked", body = Done),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The service's tier names a policy that is not there", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such block can be made", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn block(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Path(service): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let asked: BlockRequest = read_any_json(&app, "gate", &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    check(&caller, Role::Owner, &service)?;
    let known = known(&app, &service, false).await?;
    let classes: BTreeSet<ChangeClass> =
        asked.classes.iter().map(|word| class(word)).collect::<Result<_, _>>()?;
    let (role, expires) = (function(&asked.role)?, moment(&asked.expires)?);
    let new = NewStop { service, classes, role, why: asked.why, expires };
    let (who, at) = (caller.actor(), app.clock.now());
    let block: Block = wait(move || app.gatekeeper.block(new, &known, &who, at)).await?;
    let (id, expires) = (block.id().to_owned(), Some(block.expires()));
    Ok((StatusCode::CREATED, Json(Done { id, who: caller.actor(), expires })))
}

/// Lets changes of a class through for a time, whatever the policy decides: who, as what, why, until when.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/overrides",
    tag = "changes",
    params(("service" = String, Path, description = "The service")),
    request_body = OverrideRequest,
    responses(
        (status = 201, description = "The exception is made", body = Done),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The service's tier names a policy that is not there", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The policy allows no such exception", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn except(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Path(service): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let asked: OverrideRequest = read_any_json(&app, "gate", &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    check(&caller, Role::Owner, &service)?;
    let known = known(&app, &service, false).await?;
    let OverrideRequest { class: word, change, role, why, expires } = asked;
    let (class, role, expires) = (class(&word)?, function(&role)?, moment(&expires)?);
    let new = NewOverride { service, change, class, role, why, expires };
    let (who, at) = (caller.actor(), app.clock.now());
    let made: Override = wait(move || app.gatekeeper.except(new, &known, &who, at)).await?;
    let Override { id, who, expires, .. } = made;
    Ok((StatusCode::CREATED, Json(Done { id, who, expires: Some(expires) })))
}

/// Signs off a level that stays until somebody does.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/sign-offs",
    tag = "changes",
    params(("service" = String, Path, description = "The service")),
    request_body = SignOffRequest,
    responses(
        (status = 201, description = "The level no longer holds", body = Done),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The service's tier names a policy that is not there", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The level is not latched, or another role's to sign", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn sign_off(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Path(service): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let SignOffRequest { level, role } = read_any_json(&app, "gate", &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    check(&caller, Role::Owner, &service)?;
    let known = known(&app, &service, false).await?;
    let role = function(&role)?;
    let (who, at) = (caller.actor(), app.clock.now());
    let signed = wait(move || app.gatekeeper.sign_off((&service, &known), &level, &role, &who, at));
    let latch = signed.await?;
    let id = format!("{}/{}", latch.policy, latch.level);
    Ok((StatusCode::CREATED, Json(Done { id, who: caller.actor(), expires: None })))
}

/// The policies that decide on changes, and how binding each is.
#[utoipa::path(
    get,
    path = "/api/v1/policies",
    tag = "changes",
    responses(
        (status = 200, description = "The policies, those that ship among them", body = PolicyList),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn policies(State(app): State<App>) -> Result<Json<PolicyList>, Problem> {
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let now = app.clock.now();
    let signatures = wait(move || app.gatekeeper.signatures()).await?;
    let info = |policy: &flyball_govern::policy::Policy| {
        let (name, spec) = (policy.name(), policy.spec());
        let of_version = |of: &&Signature| of.policy == name && of.version == spec.version;
        let signed = signatures.iter().filter(of_version).map(|of| SignedBy {
            role: of.role.to_string(),
            who: of.who.clone(),
            at: of.at,
        });
        let missing = match standing(policy, &signatures, now) {
            Standing::Advisory { missing } => missing.iter().map(ToString::to_string).collect(),
            Standing::Enforced { .. } => Vec::new(),
        };
        PolicyInfo {
            name: name.to_owned(),
            version: spec.version,
            description: spec.description.clone(),
            enforced: missing.is_empty(),
            missing,
            signed: signed.collect(),
        }
    };
    Ok(Json(PolicyList { policies: catalog.governance.policies().map(info).collect() }))
}

/// Signs a policy as one of its approvers. When each of them has signed a version, it decides.
#[utoipa::path(
    post,
    path = "/api/v1/policies/{name}/signatures",
    tag = "changes",
    params(("name" = String, Path, description = "The policy's name")),
    request_body = SignRequest,
    responses(
        (status = 201, description = "It is signed", body = Done),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such policy", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The policy asks another role, or the caller has signed as another", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn sign(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let SignRequest { role } = read_any_json(&app, "gate", &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    if !caller.may_everywhere(Role::Owner) {
        let said = "a policy decides for many services; hint: that needs the role owner for all";
        return Err(Problem::new(StatusCode::FORBIDDEN, said));
    }
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let Some(policy) = catalog.governance.policy(&name).cloned() else {
        let said = "there is no such policy; hint: GET /api/v1/policies lists them";
        return Err(Problem::new(StatusCode::NOT_FOUND, said));
    };
    let role = function(&role)?;
    let (who, at) = (caller.actor(), app.clock.now());
    let signature = wait(move || app.gatekeeper.sign(&policy, role, &who, at)).await?;
    let id = format!("{}/{}/{}", signature.policy, signature.version, signature.role);
    Ok((StatusCode::CREATED, Json(Done { id, who: signature.who, expires: None })))
}
