//! What operators and their tools ask the server about itself.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;

/// The type of `OpenMetrics` text.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the process lives.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operations",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")),
    security(())
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server takes requests: not while it counts what a crash has left, nor while it goes
/// down or cannot write.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses(
        (status = 200, description = "It does", body = String, content_type = "text/plain"),
        (status = 503, description = "It does not, and why", body = Problem, content_type = "application/problem+json"),
    ),
    security(())
)]
pub(super) async fn readyz(State(app): State<App>) -> Result<&'static str, Problem> {
    match app.ready.reason() {
        None => Ok("ok\n"),
        Some(reason) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, &reason)),
    }
}

/// Counters of the server, in `OpenMetrics`.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses((status = 200, description = "The counters", body = String, content_type = "application/openmetrics-text")),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], app.telemetry.render()).into_response()
}
