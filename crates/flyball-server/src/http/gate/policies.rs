//! The policies that decide, and who has signed them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use flyball_govern::policy::{Policy, Signature, Standing, standing};
use flyball_model::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::administration::wait;
use super::super::extract::{PartQuery, Path, Query, Sent, part};
use super::super::problem::Problem;
use super::super::{App, shapes};
use super::acts::{Done, acting};
use super::no_policy;
use crate::auth::Role;

/// A signature under a policy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SignRequest {
    /// As what the caller signs.
    role: String,
}

/// Every policy.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct PolicyList {
    policies: Vec<PolicyInfo>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

/// A policy and how binding it is.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct PolicyInfo {
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
pub(in crate::http) struct SignedBy {
    /// As what.
    role: String,
    /// Who.
    who: String,
    /// When.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
}

/// The policies that decide on changes, and how binding each is.
#[utoipa::path(
    get,
    path = "/api/v1/policies",
    tag = "changes",
    params(PartQuery),
    responses(
        (status = 200, description = "The policies, those that ship among them", body = PolicyList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn policies(
    State(app): State<App>,
    Query(asked): Query<PartQuery>,
) -> Result<Json<PolicyList>, Problem> {
    let asked = asked.read()?;
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let now = app.clock.now();
    let signatures = wait(move || app.gatekeeper.signatures()).await?;
    let info = |policy: &Policy| {
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
    let (policies, next) = part(catalog.governance.policies().map(info).collect(), asked);
    Ok(Json(PolicyList { policies, next }))
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
pub(in crate::http) async fn sign(
    State(app): State<App>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let (SignRequest { role }, caller) = sent.json(&app, "gate").await?;
    if !caller.may_everywhere(Role::Owner) {
        let said = "a policy decides for many services; hint: that needs the role owner for all";
        return Err(Problem::new(StatusCode::FORBIDDEN, said));
    }
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let policy = catalog.governance.policy(&name).cloned();
    let policy = policy.ok_or_else(|| no_policy(&name, &catalog))?;
    let role = acting(&app, &caller, &role, None)?;
    let (who, at) = (caller.actor(), app.clock.now());
    let signature = wait(move || app.gatekeeper.sign(&policy, role, &who, at)).await?;
    let id = format!("{}/{}/{}", signature.policy, signature.version, signature.role);
    Ok((StatusCode::CREATED, Json(Done::at_once(id, signature.who, None))))
}
