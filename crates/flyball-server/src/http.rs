//! The routes, and what they share.

mod access;
mod administration;
mod backups;
mod body;
mod cookies;
mod definitions;
mod grpc;
mod login;
mod metered;
mod ndjson;
mod operations;
mod otlp;
mod people;
mod problem;
mod query;
mod remote_write;
mod slos;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Gate, Grants, Needs, Role, Scope, Sessions, Tokens};
use crate::backup::Copies;
use crate::clock::Clock;
use crate::definitions::Definitions;
use crate::evaluator;
use crate::intake::Intake;
use crate::login::Login;
use crate::stored::Stored;
use crate::telemetry::Telemetry;
pub use backups::{BackupMade, BackupRequest};
use otlp::Signal;
pub use problem::Problem;

/// What handlers work with.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) intake: Arc<Intake>,
    pub(crate) evaluator: evaluator::Handle,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) ready: Arc<crate::Ready>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) tokens: Tokens,
    pub(crate) grants: Grants,
    pub(crate) sessions: Sessions,
    /// How people log in, where they can.
    pub(crate) login: Option<Arc<Login>>,
    pub(crate) clock: Clock,
    pub(crate) stored: Stored,
    /// Room for queries that run at once.
    pub(crate) querying: Arc<Semaphore>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) copies: Copies,
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
        (name = "events", description = "Stored events"),
        (name = "operations", description = "The server itself"),
        (name = "administration", description = "Tokens, who changed what, and backups"),
        (name = "people", description = "Logging in, roles and sessions")
    )
)]
struct Described;

/// The API's routes and its `OpenAPI` document.
fn api() -> (Router<App>, serde_json::Value) {
    let (router, document) = OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(ndjson::ingest))
        .routes(routes!(slos::list))
        .routes(routes!(slos::get))
        .routes(routes!(stream::budgets))
        .routes(routes!(query::query))
        .routes(routes!(definitions::apply))
        .routes(routes!(definitions::list))
        .routes(routes!(definitions::get, definitions::delete))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        .routes(routes!(administration::create_token, administration::list_tokens))
        .routes(routes!(administration::revoke_token))
        .routes(routes!(administration::audit))
        .routes(routes!(administration::verify_audit))
        .routes(routes!(backups::make))
        .routes(routes!(login::login))
        .routes(routes!(login::callback))
        .routes(routes!(login::logout))
        .routes(routes!(login::me))
        .routes(routes!(people::list_grants, people::add_grant, people::remove_grant))
        .routes(routes!(people::list_sessions, people::end_sessions))
        .split_for_parts();
    // What derives from types of this crate can be serialised.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    access::describe(&mut document);
    (router, document)
}

/// A route of a protocol that others describe: its path, what it needs, its handler.
type Protocol = (&'static str, Needs, Method, MethodRouter<App>);

/// The routes that are in no `OpenAPI` document of ours, and that document itself.
fn protocols(document: String) -> Vec<Protocol> {
    let describe = move || async move { ([(header::CONTENT_TYPE, "application/json")], document) };
    let read = Needs { scope: Scope::Read, role: Some(Role::Viewer) };
    let send = Needs { scope: Scope::Ingest, role: Some(Role::Admin) };
    let ingest = |path, handler: MethodRouter<App>| (path, send, Method::POST, handler);
    vec![
        ("/api/v1/openapi.json", read, Method::GET, get(describe)),
        ingest("/v1/traces", otlp::route(Signal::Traces)),
        ingest("/v1/logs", otlp::route(Signal::Logs)),
        ingest("/v1/metrics", otlp::route(Signal::Metrics)),
        ingest("/api/v1/write", post(remote_write::write)),
        ingest(
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            grpc::route(Signal::Traces),
        ),
        ingest(
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            grpc::route(Signal::Logs),
        ),
        ingest(
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            grpc::route(Signal::Metrics),
        ),
    ]
}

/// The `OpenAPI` document of the API, as JSON.
pub fn openapi() -> String {
    let (_, document) = api();
    format!("{document:#}")
}

/// Everything that the server answers to.
pub(crate) fn router(app: App) -> Router {
    let (mut router, document) = api();
    let mut table = access::Table::of(&document);
    for (path, needs, method, handler) in protocols(document.to_string()) {
        table.add(method, path, needs);
        router = router.route(path, handler);
    }
    let (gate, telemetry) = (Arc::clone(&app.gate), Arc::clone(&app.telemetry));
    let browsers = app.login.as_deref().map(cookies::Browsers::of);
    let guard = access::Guard::new(table, gate, browsers, app.intake.limits(), telemetry);
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(guard, access::guard))
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
