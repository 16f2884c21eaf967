//! The routes, and what they share.

mod body;
mod definitions;
mod grpc;
mod ndjson;
mod operations;
mod otlp;
mod problem;
mod remote_write;
mod slos;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::definitions::Definitions;
use crate::evaluator;
use crate::intake::Intake;
use crate::telemetry::Telemetry;
pub use problem::Problem;

/// What handlers work with.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) intake: Arc<Intake>,
    pub(crate) evaluator: evaluator::Handle,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) ready: Arc<crate::Ready>,
    pub(crate) definitions: Arc<Definitions>,
}

/// The API's own description.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Flyball",
        description = "Exact error budgets from raw events.",
        license(name = "Apache-2.0")
    ),
    tags(
        (name = "ingest", description = "Telemetry in"),
        (name = "slos", description = "Objectives and their budgets"),
        (name = "definitions", description = "The documents that say what is promised"),
        (name = "operations", description = "The server itself")
    )
)]
struct Described;

/// The API's routes and its OpenAPI document.
fn api() -> (Router<App>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(ndjson::ingest))
        .routes(routes!(slos::list))
        .routes(routes!(slos::get))
        .routes(routes!(stream::budgets))
        .routes(routes!(definitions::apply))
        .routes(routes!(definitions::list))
        .routes(routes!(definitions::get, definitions::delete))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        .split_for_parts()
}

/// The OpenAPI document of the API, as JSON.
pub fn openapi() -> String {
    let (_, document) = api();
    document.to_pretty_json().unwrap_or_default()
}

/// Everything that the server answers to.
pub(crate) fn router(app: App) -> Router {
    let (api, document) = api();
    let json = document.to_json().unwrap_or_default();
    let describe = move || async move { ([(header::CONTENT_TYPE, "application/json")], json) };
    api.route("/api/v1/openapi.json", get(describe))
        .route("/v1/traces", post(otlp::traces))
        .route("/v1/logs", post(otlp::logs))
        .route("/v1/metrics", post(otlp::metrics))
        .route("/api/v1/write", post(remote_write::write))
        .route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", post(grpc::traces))
        .route("/opentelemetry.proto.collector.logs.v1.LogsService/Export", post(grpc::logs))
        .route(
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            post(grpc::metrics),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(secured))
        .with_state(app)
}

async fn not_found(request: Request) -> Response {
    if grpc::is_grpc(request.headers()) {
        return grpc::unimplemented();
    }
    let said = format!(
        "there is nothing at {}; hint: GET /api/v1/openapi.json lists what there is",
        request.uri().path()
    );
    axum::response::IntoResponse::into_response(Problem::new(StatusCode::NOT_FOUND, &said))
}

async fn method_not_allowed(request: Request) -> Problem {
    let said = format!("{} is not for {}", request.uri().path(), request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, &said)
}

/// Headers that keep browsers from guessing, framing and caching.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

async fn secured(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}
