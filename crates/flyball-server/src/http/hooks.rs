//! Messages of other systems on changes and incidents: webhooks, and events.
//!
//! Forges show no token of ours and sign what they send, so their routes are open and believe only
//! what a secret of the hook has signed. All others show a token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use bytes::Bytes;
use flyball_connect::{Format, Headers, Hook};
use flyball_model::Timestamp;
use tokio::sync::SemaphorePermit;
use utoipa::IntoParams;

use super::App;
use super::access::still;
use super::changes::{headers_of, read, take};
use super::described::{HookRefusals, SignedRefusals};
use super::extract::{Path, Query};
use super::problem::Problem;
use crate::auth::{Caller, Needs};
use crate::changes::{Hooks, Receipt, Sender, Signed};

/// What the address of a hook says of its messages.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HookQuery {
    /// The service that the hook speaks for, whatever its messages call it.
    service: Option<String>,
    /// The environment of messages that name none; production unless told.
    environment: Option<String>,
    /// For GitHub's `workflow_run`: the workflow that deploys, by name or path. Other runs are no changes.
    workflow: Option<String>,
}

impl HookQuery {
    fn hook(self, now: Timestamp) -> Hook {
        let Self { service, environment, workflow } = self;
        let usual = Hook::new(now);
        Hook { service, workflow, environment: environment.unwrap_or(usual.environment), ..usual }
    }
}

/// Room to work on one message of a sender whom nobody knows before it was read.
pub(super) fn room<'h>(
    app: &App,
    hooks: &'h Hooks,
    signed: Signed,
) -> Result<SemaphorePermit<'h>, Problem> {
    hooks.room().ok_or_else(|| {
        app.telemetry.refused(signed.name(), "no room");
        let said = "too many messages come at once; hint: send it again after a moment";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, said)
    })
}

/// Reads a message of a sender that signs, if it is signed with a secret of the hook.
pub(super) async fn believed(
    app: &App,
    signed: Signed,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Headers, Bytes), Problem> {
    let body = read(app, signed.name(), headers, body).await?;
    let shown = headers_of(headers);
    app.hooks.verify(signed, &shown, &body).map_err(|unsigned| {
        app.telemetry.refused(signed.name(), "signature");
        Problem::new(StatusCode::FORBIDDEN, &unsigned.to_string())
    })?;
    Ok((shown, body))
}

/// Takes a message of a sender that signs.
async fn signed(
    app: App,
    (signed, format): (Signed, Format),
    query: HookQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    let hooks = Arc::clone(&app.hooks);
    let _room = room(&app, &hooks, signed)?;
    let (shown, body) = believed(&app, signed, &headers, body).await?;
    let (name, hook) = (signed.name(), query.hook(app.clock.now()));
    let sender = Sender { actor: format!("hook:{name}"), caller: Caller::Anyone };
    take(app, name, (format, shown, hook), body, sender).await.map(Json)
}

/// Who asks, and what they showed that they may.
type Shown = (Caller, Needs);

/// Takes a message of a sender that shows a token.
async fn told(
    app: App,
    (name, format): (&'static str, Format),
    (caller, needs): Shown,
    query: HookQuery,
    (headers, body): (HeaderMap, Body),
) -> Result<Json<Receipt>, Problem> {
    let body = read(&app, name, &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    let hook = query.hook(app.clock.now());
    let sender = Sender { actor: caller.actor(), caller };
    take(app, name, (format, headers_of(&headers), hook), body, sender).await.map(Json)
}

/// A webhook of GitHub: `deployment`, `deployment_status`, `push`, `workflow_run`; signed by X-Hub-Signature-256.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/github",
    tag = "changes",
    params(HookQuery),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "What became of it; on disk where it is kept", body = Receipt),
        SignedRefusals,
    ),
    security(())
)]
pub(super) async fn github(
    State(app): State<App>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    signed(app, (Signed::GitHub, Format::GitHub), query, headers, body).await
}

/// A webhook of GitLab: deployments and pushes; the secret is in X-Gitlab-Token.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/gitlab",
    tag = "changes",
    params(HookQuery),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "What became of it; on disk where it is kept", body = Receipt),
        SignedRefusals,
    ),
    security(())
)]
pub(super) async fn gitlab(
    State(app): State<App>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    signed(app, (Signed::GitLab, Format::GitLab), query, headers, body).await
}

/// An event of Flux, from a provider of type generic-hmac; signed by X-Signature.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/flux",
    tag = "changes",
    params(HookQuery),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "What became of it; on disk where it is kept", body = Receipt),
        SignedRefusals,
    ),
    security(())
)]
pub(super) async fn flux(
    State(app): State<App>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    signed(app, (Signed::Flux, Format::Flux), query, headers, body).await
}

/// A notification of Argo CD, by the template that ships with Flyball.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/argocd",
    tag = "changes",
    params(HookQuery),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "What became of it; on disk where it is kept", body = Receipt),
        HookRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn argocd(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    let format = ("argocd", Format::ArgoCd);
    told(app, format, (caller, needs), query, (headers, body)).await
}

/// A `CDEvent`, over CloudEvents in binary or structured mode, or bare.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/cdevents",
    tag = "changes",
    params(HookQuery),
    request_body(content((Object = "application/json"), (Object = "application/cloudevents+json"))),
    responses(
        (status = 200, description = "What became of it; on disk where it is kept", body = Receipt),
        HookRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn cdevents(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    let format = ("cdevents", Format::CdEvents);
    told(app, format, (caller, needs), query, (headers, body)).await
}

/// A deployment, as DevLake's incoming webhook takes it.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/devlake/deployments",
    tag = "changes",
    params(HookQuery),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "What became of it; on disk where it is kept", body = Receipt),
        HookRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn devlake_deployment(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    let format = ("devlake", Format::DevLakeDeployment);
    told(app, format, (caller, needs), query, (headers, body)).await
}

/// An issue, which is an incident, as DevLake's incoming webhook takes it.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/devlake/issues",
    tag = "changes",
    params(HookQuery),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "What became of it; on disk where it is kept", body = Receipt),
        HookRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn devlake_issue(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    let format = ("devlake", Format::DevLakeIssue);
    told(app, format, (caller, needs), query, (headers, body)).await
}

/// Closes an issue, as DevLake's incoming webhook does; without a body.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/devlake/issue/{key}/close",
    tag = "changes",
    params(("key" = String, Path, description = "The issue's key"), HookQuery),
    responses(
        (status = 200, description = "What became of it; on disk where it is kept", body = Receipt),
        HookRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn devlake_close(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    Path(key): Path<String>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    let format = ("devlake", Format::DevLakeClose { key });
    told(app, format, (caller, needs), query, (headers, body)).await
}
