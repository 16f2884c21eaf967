//! The gate in the words of others: Flagger's webhooks, a policy agent's question, a query of Prometheus.
//!
//! Argo Rollouts asks in our own words; `deploy/argo-rollouts.yaml` tells it how. All of these show a
//! token; where one has room for a user and a password only, the token is the password.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use flyball_connect::{Asked, flagger_question, opa_question};
use flyball_govern::gate::{Decision, Outcome, Question, ReasonKind};
use flyball_metric::{Selected, selected};
use flyball_model::Timestamp;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::super::App;
use super::super::access::allowed;
use super::super::described::HookRefusals;
use super::super::extract::{Path, Query, Sent};
use super::super::problem::Problem;
use super::{glanced, keep, kept, question};
use crate::auth::{Caller, Role};
use crate::gate::Decided;

/// The series that a pipeline asks for.
const ALLOWED: &str = "flyball_gate_allowed";

/// What Flagger asks, with the caller as they are once its body has come.
async fn flagger_asks(
    app: &App,
    service: String,
    sent: Sent,
) -> Result<(Question, Caller), Problem> {
    let (body, caller) = sent.message(app, "flagger").await?;
    allowed(caller.may(Role::Developer, &service), Role::Developer, &service)?;
    let asked = flagger_question(&body)?;
    Ok((question(asked, service, caller.somebody(), app.clock.now())?, caller))
}

/// For Flagger's webhooks `confirm-rollout`, `pre-rollout`, `rollout`, `confirm-traffic-increase` and
/// `confirm-promotion`: whether the canary may go on. The decision is kept.
///
/// `metadata` of the webhook may say `class`, `rollout`, `environment`, `change` and `revision`.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/flagger",
    tag = "changes",
    params(("service" = String, Path, description = "The service that the canary is of")),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "It may go on", body = String, content_type = "text/plain"),
        (status = 403, description = "It waits, and why; or the caller may not ask", content((String = "text/plain"), (Problem = "application/problem+json"))),
        (status = 404, description = "Nothing is known of the service", body = Problem, content_type = "application/problem+json"),
        HookRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn flagger(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, String), Problem> {
    let (question, caller) = flagger_asks(&app, service, sent).await?;
    let Decided { decision, .. } = kept(&app, question, &caller).await?;
    // Flagger takes 200, 201 and 202 for a yes, and shows what else is answered.
    let passes = decision.outcome.passes();
    let status = if passes { StatusCode::OK } else { StatusCode::FORBIDDEN };
    Ok((status, decision.to_string()))
}

/// For Flagger's webhook `rollback`: whether a canary that is under way is to be taken back, which is so
/// while a level of the budget denies changes like it. Freezes and blocks keep changes from beginning, and
/// take nothing back, nor does a budget of which nothing can be told. Where the answer is yes, the decision is
/// kept.
#[utoipa::path(
    post,
    path = "/api/v1/gate/{service}/flagger/rollback",
    tag = "changes",
    params(("service" = String, Path, description = "The service that the canary is of")),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "It is to be taken back, and why", body = String, content_type = "text/plain"),
        (status = 403, description = "It is not; or the caller may not ask", content((String = "text/plain"), (Problem = "application/problem+json"))),
        (status = 404, description = "Nothing is known of the service", body = Problem, content_type = "application/problem+json"),
        HookRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn flagger_rollback(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, String), Problem> {
    let (question, caller) = flagger_asks(&app, service, sent).await?;
    let (decision, known) = glanced(&app, &caller, &question).await?;
    if !is_against_the_budget(&decision) {
        return Ok((StatusCode::FORBIDDEN, format!("no rollback: {decision}")));
    }
    let Decided { decision, .. } = keep(&app, question, (known, None), caller.actor()).await?;
    Ok((StatusCode::OK, format!("rollback: {decision}")))
}

/// Whether the budget itself denies the change.
pub(super) fn is_against_the_budget(decision: &Decision) -> bool {
    let is_level = |kind| matches!(kind, ReasonKind::Level);
    let mut denials = decision.reasons.iter().filter(|reason| reason.outcome == Outcome::Deny);
    decision.outcome == Outcome::Deny && denials.any(|reason| is_level(reason.kind))
}

/// What a policy agent answers.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct OpaAnswer {
    /// What the decision is known by.
    decision_id: String,
    /// What it is.
    result: OpaResult,
}

/// A decision, as rules of a policy agent would give it.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct OpaResult {
    /// Whether it may ship.
    allow: bool,
    /// `allow`, `warn`, `deny` or `undecidable`.
    #[schema(value_type = String)]
    outcome: Outcome,
    /// The policy that decided.
    policy: String,
    /// The level in force; null where it cannot be told.
    level: Option<String>,
    /// Why, in sentences.
    reasons: Vec<String>,
    /// When nothing will stop it any more, if things go well; null when it passes, and when time alone does
    /// not do it.
    #[schema(value_type = Option<super::shapes::Instant>)]
    until: Option<Timestamp>,
}

/// Decides as the Open Policy Agent is asked: `input` has `service`, and `class`, `rollout`, `environment`,
/// `change` and `revision` where they are known. The decision is kept.
#[utoipa::path(
    post,
    path = "/v1/data/flyball/gate",
    tag = "changes",
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "The decision, whatever it is; on disk", body = OpaAnswer),
        (status = 404, description = "Nothing is known of the service", body = Problem, content_type = "application/problem+json"),
        HookRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn opa(
    State(app): State<App>,
    sent: Sent,
) -> Result<Json<OpaAnswer>, Problem> {
    let (body, caller) = sent.message(&app, "opa").await?;
    let (service, asked) = opa_question(&body)?;
    allowed(caller.may(Role::Developer, &service), Role::Developer, &service)?;
    let question = question(asked, service, caller.somebody(), app.clock.now())?;
    let Decided { id: decision_id, decision, .. } = kept(&app, question, &caller).await?;
    let Decision { outcome, policy, level, reasons, until, .. } = decision;
    let result = OpaResult {
        allow: outcome.passes(),
        outcome,
        policy: policy.name,
        level,
        reasons: reasons.into_iter().map(|reason| reason.text).collect(),
        until,
    };
    Ok(Json(OpaAnswer { decision_id, result }))
}

/// A query of Prometheus' HTTP API. What else its clients send, as `time` and `timeout`, is not looked at:
/// the answer is that of now.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PrometheusQuery {
    /// `flyball_gate_allowed{service="checkout"}`, with `class`, `rollout`, `environment`, `change` and
    /// `revision` as further labels; or `vector(1)`, by which clients see whether somebody answers.
    #[serde(default)]
    query: String,
}

/// Whether a change may ship, as a series of Prometheus: 1 when it may, 0 when it is denied, NaN when it
/// cannot be told. Nothing is kept: it is a look.
#[utoipa::path(
    get,
    path = "/prometheus/api/v1/query",
    tag = "changes",
    params(PrometheusQuery),
    responses(
        (status = 200, description = "A vector of one sample, in the form of Prometheus", body = Object),
        (status = 400, description = "The query is not understood, in the form of Prometheus", body = Object),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn prometheus(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(PrometheusQuery { query }): Query<PrometheusQuery>,
) -> Response {
    sampled(&app, &caller, &query).await
}

/// The same as a form, which Prometheus' own clients try first.
#[utoipa::path(
    post,
    path = "/prometheus/api/v1/query",
    tag = "changes",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses(
        HookRefusals,
        (status = 200, description = "A vector of one sample, in the form of Prometheus", body = Object),
        (status = 400, description = "The query is not understood, in the form of Prometheus, or the form cannot be read", content((Object = "application/json"), (Problem = "application/problem+json"))),
        (status = 503, description = "It cannot be told at the moment", content((Object = "application/json"), (Problem = "application/problem+json"))),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn prometheus_posted(
    State(app): State<App>,
    sent: Sent,
) -> Result<Response, Problem> {
    let (body, caller) = sent.message(&app, "prometheus").await?;
    // A form is written as a query of an address is.
    let form = std::str::from_utf8(&body).ok().and_then(|form| format!("/?{form}").parse().ok());
    let read = form.and_then(|uri: Uri| {
        axum::extract::Query::<PrometheusQuery>::try_from_uri(&uri).ok().map(|found| found.0)
    });
    let Some(PrometheusQuery { query }) = read else {
        let said = "the form cannot be read; hint: send `query` as Prometheus' clients do";
        return Err(Problem::new(StatusCode::BAD_REQUEST, said));
    };
    Ok(sampled(&app, &caller, &query).await)
}

/// The answer to `query`, in the form of Prometheus, but for who may not ask: they are told so as at every route.
async fn sampled(app: &App, caller: &Caller, query: &str) -> Response {
    match sample(app, caller, query).await {
        Ok(data) => Json(json!({ "status": "success", "data": data })).into_response(),
        Err(problem) if problem.status == StatusCode::FORBIDDEN.as_u16() => problem.into_response(),
        Err(problem) => {
            let (status, kind) = match problem.status {
                400..500 => (StatusCode::BAD_REQUEST, "bad_data"),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            };
            let said = json!({ "status": "error", "errorType": kind, "error": problem.text() });
            (status, Json(said)).into_response()
        }
    }
}

async fn sample(app: &App, caller: &Caller, query: &str) -> Result<Value, Problem> {
    let now = app.clock.now();
    let vector = |labels: Value, value: &str| {
        let at = now.nanos().div_euclid(1_000_000) as f64 / 1e3;
        json!({ "resultType": "vector", "result": [{ "metric": labels, "value": [at, value] }] })
    };
    let wrong = |said: &str| Problem::new(StatusCode::BAD_REQUEST, said);
    if query.split_whitespace().collect::<String>() == "vector(1)" {
        return Ok(vector(json!({}), "1"));
    }
    let usage = format!("hint: ask for {ALLOWED}{{service=\"checkout\"}}");
    let found = selected(query).map_err(|error| wrong(&error.to_string()))?;
    let Some(Selected { name, labels }) = found.filter(|series| series.name == ALLOWED) else {
        return Err(wrong(&format!("no such series is known here; {usage}")));
    };
    let (mut service, mut asked) = (None, Asked::default());
    for (label, value) in labels {
        let into = match label.as_str() {
            "service" => &mut service,
            "class" => &mut asked.class,
            "rollout" => &mut asked.rollout,
            "environment" => &mut asked.environment,
            "change" => &mut asked.change,
            "revision" => &mut asked.revision,
            _ => return Err(wrong(&format!("the series has no label `{label}`; {usage}"))),
        };
        *into = Some(value).filter(|value| !value.is_empty());
    }
    let service = service.ok_or_else(|| wrong(&format!("the service is not named; {usage}")))?;
    allowed(caller.may(Role::Developer, &service), Role::Developer, &service)?;
    let question = question(asked, service, caller.somebody(), now)?;
    let (Decision { outcome, service, class, .. }, _) = glanced(app, caller, &question).await?;
    let value = match outcome {
        Outcome::Allow | Outcome::Warn => "1",
        Outcome::Deny => "0",
        Outcome::Undecidable => "NaN",
    };
    Ok(vector(json!({ "__name__": name, "service": service, "class": class }), value))
}
