//! The routes, and what they share.

mod access;
mod administration;
mod alerts;
mod attribution;
mod backups;
mod body;
mod change_shapes;
mod changes;
mod cookies;
mod custody;
mod definitions;
mod delivery;
pub(crate) mod demands;
mod described;
mod drills;
mod evidence;
mod extract;
mod friction;
mod gate;
mod grpc;
mod hooks;
mod incidents;
mod login;
mod metered;
mod money;
mod ndjson;
mod oncall;
mod operations;
mod otlp;
mod people;
mod problem;
mod query;
mod remote_write;
mod report;
mod restores;
mod reviews;
mod risks;
mod services;
pub(crate) mod shapes;
mod slos;
mod stream;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::alerts::Received;
use crate::auth::{Gate, Grants, Sessions, Tokens};
use crate::backup::Copies;
use crate::changes::{Changes, Hooks};
use crate::clock::Clock;
use crate::control::SharedControl;
use crate::custody::Custodies;
use crate::definitions::Definitions;
use crate::drills::Drills;
use crate::evaluator;
use crate::gate::{Gatekeeper, GitHub};
use crate::intake::Intake;
use crate::login::Login;
use crate::pool::Pool;
use crate::restoring::Restorer;
use crate::reviews::Reviews;
use crate::rotas::Rotas;
use crate::stored::Stored;
use crate::telemetry::Telemetry;
pub use backups::{BackupMade, BackupRequest};
pub(crate) use custody::grounds_of;
pub use problem::Problem;
pub(crate) use stream::Streams;

/// How long somebody who looks at much of what is stored waits for a place.
const PATIENCE: Duration = Duration::from_secs(3);

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
    /// For what is done elsewhere and recorded there.
    pub(crate) control: SharedControl,
    /// Alerts of other systems.
    pub(crate) received: Received,
    pub(crate) clock: Clock,
    pub(crate) stored: Stored,
    /// Room for those who look at much of what is stored.
    pub(crate) querying: Arc<Semaphore>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) copies: Copies,
    pub(crate) changes: Changes,
    pub(crate) restorer: Restorer,
    pub(crate) rotas: Rotas,
    pub(crate) drills: Drills,
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) github: GitHub,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) streams: Streams,
    /// For what is drawn ten thousand times.
    pub(crate) simulating: Arc<Pool<()>>,
    pub(crate) reviews: Reviews,
    pub(crate) custodies: Custodies,
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
        (name = "alerts", description = "Who should know of what, who has taken it on, and what is silenced"),
        (name = "services", description = "Whose services are, how they stand, how they are delivered"),
        (name = "reviews", description = "Checklists, reviews, and who carries pagers"),
        (name = "on call", description = "Who carries the pager, and how much they carry"),
        (name = "changes", description = "What altered production, or is about to"),
        (name = "incidents", description = "Incidents, what is learnt from them, and what hurts at work"),
        (name = "drills", description = "Faults on purpose, paid for from a surplus"),
        (name = "events", description = "Stored events"),
        (name = "operations", description = "The server itself"),
        (name = "administration", description = "Tokens, who changed what, and backups"),
        (name = "people", description = "Logging in, roles and sessions")
    )
)]
struct Described;

/// Who runs services, whether they are ready, what could go wrong and what it costs.
fn operating() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(services::catalogue))
        .routes(routes!(reviews::checklists))
        .routes(routes!(reviews::list))
        .routes(routes!(reviews::open, reviews::of_service))
        .routes(routes!(reviews::get))
        .routes(routes!(reviews::answer))
        .routes(routes!(reviews::advise))
        .routes(routes!(reviews::submit))
        .routes(routes!(reviews::waive))
        .routes(routes!(reviews::sign))
        .routes(routes!(reviews::reopen))
        .routes(routes!(reviews::withdraw))
        .routes(routes!(reviews::renew))
        .routes(routes!(custody::get))
        .routes(routes!(custody::find))
        .routes(routes!(custody::propose))
        .routes(routes!(custody::sign))
        .routes(routes!(custody::drop_step))
        .routes(routes!(custody::give_notice))
        .routes(routes!(custody::decide))
        .routes(routes!(custody::take_back))
        .routes(routes!(alerts::pass_on))
        .routes(routes!(oncall::who))
        .routes(routes!(oncall::rotas))
        .routes(routes!(oncall::rota))
        .routes(routes!(oncall::shifts))
        .routes(routes!(oncall::gaps))
        .routes(routes!(oncall::of_rota))
        .routes(routes!(oncall::of_person))
        .routes(routes!(oncall::override_rota))
        .routes(routes!(oncall::swap))
        .routes(routes!(oncall::settle))
        .routes(routes!(oncall::plan_rota))
        .routes(routes!(oncall::remove))
        .routes(routes!(oncall::exceptions))
        .routes(routes!(oncall::load))
        .routes(routes!(oncall::pay))
        .routes(routes!(oncall::pay_csv))
        .routes(routes!(oncall::calls))
        .routes(routes!(risks::list))
        .routes(routes!(risks::register))
        .routes(routes!(risks::compare))
        .routes(routes!(risks::sheet))
        .routes(routes!(risks::measured))
        .routes(routes!(risks::name, risks::namings))
        .routes(routes!(money::target))
        .routes(routes!(money::compared, money::choose))
        .routes(routes!(money::choices_made))
        .routes(routes!(money::returned))
        .routes(routes!(money::recognised))
}

/// The API's routes and its `OpenAPI` document.
fn api() -> (Router<App>, serde_json::Value) {
    let (router, document) = OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(ndjson::ingest))
        .routes(routes!(otlp::traces))
        .routes(routes!(otlp::logs))
        .routes(routes!(otlp::metrics))
        .routes(routes!(grpc::trace))
        .routes(routes!(grpc::logs))
        .routes(routes!(grpc::metrics))
        .routes(routes!(remote_write::write))
        .routes(routes!(slos::list))
        .routes(routes!(slos::get))
        .routes(routes!(attribution::get))
        .routes(routes!(stream::budgets))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::list_foreign))
        .routes(routes!(alerts::forwarded))
        .routes(routes!(alerts::posted))
        .routes(routes!(alerts::get))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(alerts::targets))
        .routes(routes!(alerts::list_silences, alerts::make_silence))
        .routes(routes!(alerts::end_silence))
        .routes(routes!(query::query))
        .routes(routes!(definitions::apply))
        .routes(routes!(definitions::list))
        .routes(routes!(definitions::get, definitions::delete))
        .routes(routes!(changes::record, changes::list))
        .routes(routes!(changes::get))
        .routes(routes!(restores::restore))
        .routes(routes!(hooks::github))
        .routes(routes!(hooks::gitlab))
        .routes(routes!(hooks::flux))
        .routes(routes!(hooks::argocd))
        .routes(routes!(hooks::cdevents))
        .routes(routes!(hooks::devlake_deployment))
        .routes(routes!(hooks::devlake_issue))
        .routes(routes!(hooks::devlake_close))
        .routes(routes!(gate::look, gate::decide))
        .routes(routes!(gate::decisions))
        .routes(routes!(gate::risk))
        .routes(routes!(gate::flagger))
        .routes(routes!(gate::flagger_rollback))
        .routes(routes!(gate::opa))
        .routes(routes!(gate::prometheus, gate::prometheus_posted))
        .routes(routes!(gate::protection))
        .routes(routes!(gate::block, gate::blocks))
        .routes(routes!(gate::lift))
        .routes(routes!(gate::except, gate::overrides))
        .routes(routes!(gate::agree))
        .routes(routes!(gate::revoke))
        .routes(routes!(gate::sign_off))
        .routes(routes!(gate::approve, gate::approvals))
        .routes(routes!(gate::withdraw))
        .routes(routes!(gate::classify, gate::classes))
        .routes(routes!(gate::contest, gate::contests))
        .routes(routes!(gate::bring))
        .routes(routes!(gate::settle))
        .routes(routes!(gate::policies))
        .routes(routes!(gate::sign))
        .routes(routes!(services::list))
        .routes(routes!(services::get))
        .routes(routes!(services::remark))
        .routes(routes!(demands::waive))
        .routes(routes!(services::push_outcome, services::outcome))
        .routes(routes!(delivery::measure))
        .routes(routes!(report::report))
        .routes(routes!(gate::backtested))
        .merge(operating())
        .routes(routes!(describe))
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
        .merge(incidents::routes())
        .merge(friction::routes())
        .merge(drills::routes())
        .split_for_parts();
    // What derives from types of this crate can be serialised.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    access::describe(&mut document);
    shapes::describe(&mut document);
    (router, document)
}

/// The `OpenAPI` document of the API, as JSON.
pub fn openapi() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let (_, document) = api();
        format!("{document:#}\n")
    });
    &DOCUMENT
}

/// What is said here: every route of the server, with all that it may answer.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "operations",
    responses((status = 200, description = "The description, in OpenAPI 3.1", body = Object)),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
async fn describe() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}

/// Everything that the server answers to.
pub(crate) fn router(app: App) -> Router {
    let (router, document) = api();
    let table = access::Table::of(&document);
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

/// A place for one that looks at much of what is stored, as soon as there is one.
///
/// # Errors
///
/// A problem with status 429 when there is none for a while.
async fn room(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    let place = tokio::time::timeout(PATIENCE, Arc::clone(&app.querying).acquire_owned()).await;
    place.ok().and_then(Result::ok).ok_or_else(|| {
        let said = "too much is looked at already; hint: ask again after a moment";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, said)
    })
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_in_the_document() {
        let (router, document) = api();
        // The router tells its routes to nobody but people who debug it.
        let told = format!("{router:?}");
        let (_, told) = told.split_once("paths: {RouteId").unwrap();
        let (told, _) = told.split_once("fallback_router").unwrap();
        let routed: BTreeSet<&str> = told.split('"').filter(|part| part.starts_with('/')).collect();
        let paths = document["paths"].as_object().unwrap();
        let described: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
        assert!(routed.len() > 20, "{told}");
        assert_eq!(routed, described, "make routes by `routes!`, which describes them");
    }
}
