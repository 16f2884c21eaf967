//! Alerts of other systems: from Prometheus as to an Alertmanager, and from Alertmanager's webhook.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use flyball_connect::{ConnectError, forwarded_alerts, posted_alerts};
use flyball_govern::alert::ForeignAlert;
use flyball_model::Timestamp;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::http::body::read;
use crate::http::described::ForeignAnswers;
use crate::http::extract::{PartQuery, Query, part};
use crate::http::{App, Problem};

/// The label that says which service an alert is of.
const SERVICE: &str = "service";

/// Alerts of other systems.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct ForeignList {
    /// Those that fire, in the order of their labels: `labels`, `annotations`, `starts`, `ends`, `generator`.
    #[schema(value_type = Vec<Object>)]
    alerts: Vec<ForeignAlert>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

/// Takes the alerts of a Prometheus in, as an Alertmanager does: name this server in its
/// `alerting.alertmanagers`. An alert without an end lasts for 5 minutes unless it is told again.
#[utoipa::path(
    post,
    path = "/api/v2/alerts",
    tag = "alerts",
    request_body(content = Vec<Object>, content_type = "application/json"),
    responses(ForeignAnswers),
    security(("token" = ["ingest"]), ("session" = ["admin"]))
)]
pub(crate) async fn posted(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    take(&app, &caller, &headers, body, posted_alerts).await
}

/// Takes the alerts of an Alertmanager in, as its webhook (version 4) sends them. One without an end lasts for
/// a day unless it is told again.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/alertmanager",
    tag = "alerts",
    request_body(content = Object, content_type = "application/json"),
    responses(ForeignAnswers),
    security(("token" = ["ingest"]), ("session" = ["admin"]))
)]
pub(crate) async fn forwarded(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    take(&app, &caller, &headers, body, forwarded_alerts).await
}

/// The alerts that other systems tell of and that fire, with the label `service` for whoever does not see all
/// services.
#[utoipa::path(
    get,
    path = "/api/v1/alerts/foreign",
    tag = "alerts",
    params(PartQuery),
    responses(
        (status = 200, description = "The alerts", body = ForeignList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(crate) async fn list_foreign(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<PartQuery>,
) -> Result<Json<ForeignList>, Problem> {
    let asked = asked.read()?;
    let is_seen = |alert: &ForeignAlert| {
        caller.sees_all() || alert.labels.get(SERVICE).is_some_and(|service| caller.sees(service))
    };
    let (alerts, next) = part(app.received.firing(app.clock.now(), is_seen), asked);
    Ok(Json(ForeignList { alerts, next }))
}

async fn take(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    parse: impl Fn(&[u8], Timestamp) -> Result<Vec<ForeignAlert>, ConnectError>,
) -> Result<StatusCode, Problem> {
    let body = read(app, "alerts", headers, body).await?;
    let now = app.clock.now();
    let told = parse(&body, now).map_err(|error| {
        app.telemetry.refused("alerts", "unreadable");
        let status = match error {
            ConnectError::Large { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, &error.to_string())
    })?;
    let services = caller.services();
    let is_own = |alert: &ForeignAlert| {
        let of = alert.labels.get(SERVICE);
        services.is_empty() || of.is_some_and(|service| services.contains(service))
    };
    if !told.iter().all(is_own) {
        app.telemetry.refused("alerts", "service");
        let said = "the token is for other services than the label `service` of the alerts says; hint: set it \
                    by relabelling, or use a token that is bound to none";
        return Err(Problem::new(StatusCode::FORBIDDEN, said));
    }
    let refused = app.received.take(told, now);
    if refused > 0 {
        app.telemetry.foreign_refused(refused);
        tracing::warn!(refused, "alerts of other systems have no room");
    }
    Ok(StatusCode::OK)
}
