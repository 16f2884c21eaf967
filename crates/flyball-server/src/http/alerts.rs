//! Alerts: who should know of what, and who has taken it on.

mod foreign;
mod info;
mod silences;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::alert::{DeskError, SilenceError};
use flyball_govern::oncall::CallError;
use flyball_model::{Severity, Timestamp};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::access::allowed;
use super::administration::wait;
use super::extract::{PartQuery, Path, Query, Sent, page_size, part};
use super::problem::Problem;
use crate::auth::{Caller, ControlError, Role};
use crate::evaluator::{AlertError, Evaluator};
pub(super) use foreign::{
    __path_forwarded, __path_list_foreign, __path_posted, forwarded, list_foreign, posted,
};
use info::AlertState;
pub(super) use info::{AlertInfo, waiting};
pub(super) use silences::{
    __path_end_silence, __path_list_silences, __path_make_silence, end_silence, list_silences,
    make_silence,
};

/// The longest name that callers give themselves. Characters.
const WHO_CHARS_MAX: usize = 200;
/// Alerts in one answer, unless told.
const PAGE: usize = 100;
/// Alerts in one answer, at most.
const PAGE_MAX: usize = 1_000;

/// Which alerts are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AlertQuery {
    /// Only those in this state.
    state: Option<AlertState>,
    /// Only those of this service.
    service: Option<String>,
    /// Only those of this SLO.
    slo: Option<String>,
    /// Only those that began before the one of this id: the `next` of the page before.
    #[serde(default, deserialize_with = "super::extract::number")]
    before: Option<u64>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Alerts, the newest first.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct AlertPage {
    alerts: Vec<AlertInfo>,
    /// What `before` is to be for more; null when there are none.
    next: Option<u64>,
}

/// Taking an alert on.
#[derive(Debug, Default, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcknowledgeRequest {
    /// Whom to talk to, in words; the caller is named beside.
    #[serde(default)]
    #[schema(max_length = 200)]
    who: Option<String>,
    /// What is to be said of it.
    #[serde(default)]
    #[schema(max_length = 1024)]
    note: Option<String>,
}

/// Passing an alert on.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PassOnRequest {
    /// Who passes it on, as rotas name them; the caller is named beside.
    #[serde(default)]
    #[schema(max_length = 200)]
    who: Option<String>,
    /// Why, in a sentence.
    #[schema(max_length = 1024)]
    why: String,
}

/// A target that is told of alerts.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct TargetInfo {
    /// Its name.
    name: String,
    /// How it is told: `alertmanager`, `webhook`, `slack`, `pagerDuty`, `goAlert`, `mail`.
    via: &'static str,
    /// It is told of this severity and of graver ones.
    #[schema(value_type = info::AlertSeverity)]
    severity: Severity,
    /// The services that it is told of; none for all, of one that is nobody's own.
    services: Vec<String>,
    /// Whether a member of a rota names it as their own: then it is told of what they are called for, and of the services
    /// that it names.
    is_personal: bool,
    /// Whether it is told when a silence ends.
    announces: bool,
    /// Notices that wait to be sent to it, or for its answer.
    waiting: u64,
    /// Why the last attempt failed of those that wait; null when none has.
    problem: Option<String>,
}

/// The targets.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct TargetList {
    targets: Vec<TargetInfo>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

impl From<AlertError> for Problem {
    fn from(error: AlertError) -> Self {
        let status = match &error {
            AlertError::Desk(DeskError::Unknown(_))
            | AlertError::Silence(SilenceError::Unknown(_)) => StatusCode::NOT_FOUND,
            AlertError::Desk(
                DeskError::NotFiring(_)
                | DeskError::Taken { .. }
                | DeskError::NotCalled(_)
                | DeskError::Call(CallError::Last { .. } | CallError::Closed { .. }),
            )
            | AlertError::Silence(SilenceError::Ended(_) | SilenceError::Full) => {
                StatusCode::CONFLICT
            }
            AlertError::Desk(_) | AlertError::Silence(_) => StatusCode::UNPROCESSABLE_ENTITY,
            AlertError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let said = error.to_string();
        // What the desk says ends with what to do.
        let said = match (&error, said.rsplit_once("; ")) {
            (AlertError::Store(_) | AlertError::Desk(DeskError::Call(_)), _) | (_, None) => said,
            (_, Some((what, hint))) => format!("{what}; hint: {hint}"),
        };
        Self::new(status, &said)
    }
}

/// Alerts, the newest first: those that are pending or fire, and the newest that are over. Callers see those
/// of services that they see.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    tag = "alerts",
    params(AlertQuery),
    responses(
        (status = 200, description = "The alerts", body = AlertPage),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<AlertQuery>,
) -> Result<Json<AlertPage>, Problem> {
    let most = page_size(query.limit, PAGE, PAGE_MAX)?;
    let now = app.clock.now();
    let page = app.evaluator.ask(move |evaluator| page(evaluator, &query, most, &caller, now));
    Ok(Json(page.await?))
}

fn page(
    evaluator: &Evaluator,
    query: &AlertQuery,
    most: usize,
    caller: &Caller,
    now: Timestamp,
) -> AlertPage {
    let AlertQuery { state, service, slo, before, .. } = query;
    let desk = evaluator.desk();
    let mut found = desk.alerts().rev().filter(|alert| {
        before.is_none_or(|before| alert.id < before)
            && state.is_none_or(|state| state.is(alert.state))
            && service.as_ref().is_none_or(|service| *service == alert.subject.service)
            && slo.as_ref().is_none_or(|slo| *slo == alert.subject.slo)
            && caller.sees(&alert.subject.service)
    });
    let waiting = info::waiting(desk);
    let shown = found.by_ref().take(most);
    let alerts: Vec<AlertInfo> =
        shown.map(|alert| AlertInfo::of(desk, alert, &waiting, now)).collect();
    let next = found.next().and_then(|_| alerts.last()).map(|last| last.id);
    AlertPage { alerts, next }
}

/// One alert.
#[utoipa::path(
    get,
    path = "/api/v1/alerts/{id}",
    tag = "alerts",
    params(("id" = u64, Path, description = "The alert's id")),
    responses(
        (status = 200, description = "The alert", body = AlertInfo),
        (status = 400, description = "The id is none", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none of this id", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<u64>,
) -> Result<Json<AlertInfo>, Problem> {
    Ok(Json(seen(&app, &caller, id).await?))
}

/// The alert of this id, which is not there for whoever does not see its service.
async fn seen(app: &App, caller: &Caller, id: u64) -> Result<AlertInfo, Problem> {
    let now = app.clock.now();
    let found = app.evaluator.ask(move |evaluator| {
        let desk = evaluator.desk();
        desk.alert(id).map(|alert| AlertInfo::of(desk, alert, &info::waiting(desk), now))
    });
    let alert = found.await?.filter(|alert| caller.sees(&alert.service));
    alert.ok_or_else(|| AlertError::Desk(DeskError::Unknown(id)).into())
}

/// Takes an alert on: targets are told that somebody has it. An acknowledgement of a ticket is none of the
/// page that it becomes. It is in the audit log before it is made, also when it is refused then.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/acknowledge",
    tag = "alerts",
    params(("id" = u64, Path, description = "The alert's id")),
    request_body = AcknowledgeRequest,
    responses(
        (status = 200, description = "The alert, taken on", body = AlertInfo),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none of this id", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It does not fire, or somebody has it", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A text is longer than is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn acknowledge(
    State(app): State<App>,
    Path(id): Path<u64>,
    sent: Sent,
) -> Result<Json<AlertInfo>, Problem> {
    let (request, caller): (AcknowledgeRequest, _) = sent.json(&app, "alerts").await?;
    let alert = seen(&app, &caller, id).await?;
    allowed(caller.may(Role::Developer, &alert.service), Role::Developer, &alert.service)?;
    let AcknowledgeRequest { who, note } = request;
    let who = named(who.as_deref(), &caller)?;
    let detail = json!({ "service": alert.service, "slo": alert.slo, "note": note });
    record(&app, &caller, "alert.acknowledge", id.to_string(), detail).await?;
    let done = app.evaluator.ask(move |it| it.acknowledge(id, &who, note.as_deref()));
    done.await??;
    Ok(Json(seen(&app, &caller, id).await?))
}

/// Passes an alert on to the next level of its escalation, which is called at once: who has it, or was called,
/// knows no further. It is in the audit log before it is done, also when it is refused then.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/pass-on",
    tag = "alerts",
    params(("id" = u64, Path, description = "The alert's id")),
    request_body = PassOnRequest,
    responses(
        (status = 200, description = "The alert; the next level is called", body = AlertInfo),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none of this id", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nobody is called for it, or there is no further level", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Who or why is missing or too long", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn pass_on(
    State(app): State<App>,
    Path(id): Path<u64>,
    sent: Sent,
) -> Result<Json<AlertInfo>, Problem> {
    let (PassOnRequest { who, why }, caller) = sent.json(&app, "alerts").await?;
    let alert = seen(&app, &caller, id).await?;
    allowed(caller.may(Role::Developer, &alert.service), Role::Developer, &alert.service)?;
    let who = named(who.as_deref(), &caller)?;
    let detail = json!({ "service": alert.service, "slo": alert.slo, "why": why });
    record(&app, &caller, "alert.pass_on", id.to_string(), detail).await?;
    app.evaluator.ask(move |it| it.pass_on(id, (&who, &why))).await??;
    Ok(Json(seen(&app, &caller, id).await?))
}

/// The targets that are told of alerts. Callers see those that are told of services that they see.
#[utoipa::path(
    get,
    path = "/api/v1/alert-targets",
    tag = "alerts",
    params(PartQuery),
    responses(
        (status = 200, description = "The targets", body = TargetList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn targets(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<PartQuery>,
) -> Result<Json<TargetList>, Problem> {
    let asked = asked.read()?;
    let targets = app.evaluator.ask(move |evaluator| {
        let outbox = evaluator.desk().outbox();
        let all = evaluator.catalog().set.alert_targets.iter();
        let seen = all.filter(|target| {
            caller.sees_all() || target.services.iter().any(|service| caller.sees(service))
        });
        let info = seen.map(|target| {
            let waiting = || outbox.waiting().filter(|notice| notice.target == target.name);
            TargetInfo {
                name: target.name.clone(),
                via: target.via.kind(),
                severity: target.severity,
                services: target.services.clone(),
                is_personal: evaluator.switchboard().is_personal(&target.name),
                announces: target.announces,
                waiting: waiting().count() as u64,
                problem: waiting().rev().find_map(|notice| notice.problem.clone()),
            }
        });
        info.collect()
    });
    let (targets, next) = part(targets.await?, asked);
    Ok(Json(TargetList { targets, next }))
}

/// Whom to talk to: as they call themselves, and as they are known here: a person by their address, a token by its name.
/// Which token it was is in the audit log.
///
/// # Errors
///
/// A problem with status 422 for a name that is too long.
fn named(who: Option<&str>, caller: &Caller) -> Result<String, Problem> {
    if who.is_some_and(|who| who.chars().count() > WHO_CHARS_MAX) {
        let said = format!("`who` is longer than {WHO_CHARS_MAX} characters");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, &said));
    }
    let (name, known) = match (caller.person(), caller.token_name()) {
        (Some((_, person)), _) => {
            let known = person.email.clone().unwrap_or_else(|| caller.actor());
            (person.name.clone(), known)
        }
        (None, Some(name)) if who.is_none() => (Some(name.to_owned()), "token".to_owned()),
        (None, Some(name)) => (None, format!("token {name}")),
        (None, None) => (None, caller.actor()),
    };
    let who = who.map(str::trim).filter(|who| !who.is_empty()).map(str::to_owned);
    Ok(who.or(name).map_or_else(|| known.clone(), |who| format!("{who} ({known})")))
}

/// Records in the audit log what is about to be done.
async fn record(
    app: &App,
    caller: &Caller,
    action: &'static str,
    target: String,
    detail: serde_json::Value,
) -> Result<(), Problem> {
    let (control, actor, at) = (app.control.clone(), caller.actor(), app.clock.now());
    wait::<_, ControlError>(move || {
        Ok(control.lock().record_action(action, &target, &detail, &actor, at)?)
    })
    .await
}
