//! The runbooks of an incident, and whether it is time to go back.

use axum::extract::State;
use axum::{Extension, Json};
use flyball_govern::gate::{GateInputs, holds};
use flyball_govern::incident::{RollbackCriterion, Runbook, RunbookSpec};
use utoipa::ToSchema;

use super::super::App;
use super::super::extract::Path;
use super::super::gate::{known, question};
use super::super::problem::Problem;
use super::{beside, found};
use crate::auth::Caller;

/// The runbooks of an incident.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct RunbookList {
    /// Those that are named in it first, then those for its services and class, by name.
    runbooks: Vec<RunbookView>,
    /// Runbooks that are named in it and that no document describes.
    unknown: Vec<String>,
}

/// A runbook.
#[derive(Debug, serde::Serialize, ToSchema)]
struct RunbookView {
    /// What it is called.
    name: String,
    /// Whether it is named in the incident: somebody follows it.
    is_followed: bool,
    /// What it says.
    #[schema(value_type = Object)]
    runbook: RunbookSpec,
    /// When to go back.
    rollback: Vec<CriterionView>,
}

/// When to go back.
#[derive(Debug, serde::Serialize, ToSchema)]
struct CriterionView {
    /// When it holds, for how long until it counts, what is done then, and who decides it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    criterion: RollbackCriterion,
    /// Whether it holds now, for the incident's own service; null where that is not known, which is no reason to wait.
    holds_now: Option<bool>,
}

/// The runbooks of an incident: those that are followed and those for its services and class, each with its criteria for
/// going back, and whether these hold now.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}/runbooks",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    responses(
        (status = 200, description = "Its runbooks", body = RunbookList),
        (status = 404, description = "There is none, or it is of services that the caller may not see", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn runbooks(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<RunbookList>, Problem> {
    let kept = found(&app, &caller, &id).await?;
    let services = kept.record.incident.service.iter().cloned().collect();
    let mut record = kept.record;
    record.class = beside(&app, services).await?.class(&record);
    let named = record.runbooks.clone();
    let asked = record.clone();
    let mut found: Vec<Runbook> = app
        .evaluator
        .ask(move |evaluator| {
            let all = evaluator.catalog().governance.runbooks();
            let is_of = |of: &&Runbook| {
                asked.runbooks.contains(&of.name)
                    || of.is_for(&asked.all_services(), asked.class.as_deref())
            };
            all.filter(is_of).cloned().collect()
        })
        .await?;
    found.sort_by_key(|of| {
        (named.iter().position(|name| *name == of.name).unwrap_or(usize::MAX), of.name.clone())
    });
    let is_there = |name: &&String| found.iter().any(|of| of.name == **name);
    let unknown = named.iter().filter(|name| !is_there(name)).cloned().collect();
    let service = record.incident.service.filter(|service| caller.sees(service));
    let facts = match &service {
        Some(service) => known(&app, service, false).await.ok(),
        None => None,
    };
    let asked = service
        .map(|service| question(flyball_connect::Asked::default(), service, None, app.clock.now()));
    let asked = asked.transpose()?;
    let inputs = facts.as_deref().zip(asked.as_ref()).map(|(known, question)| GateInputs {
        policy: &known.policy,
        question,
        facts: &known.facts,
        signatures: &[],
        latches: &[],
        blocks: &[],
        overrides: &[],
        approvals: &[],
    });
    let view = |of: &Runbook| RunbookView {
        name: of.name.clone(),
        is_followed: named.contains(&of.name),
        runbook: of.spec.clone(),
        rollback: of
            .criteria()
            .map(|(criterion, condition)| CriterionView {
                criterion: criterion.clone(),
                holds_now: inputs.as_ref().and_then(|inputs| holds(inputs, condition)),
            })
            .collect(),
    };
    Ok(Json(RunbookList { runbooks: found.iter().map(view).collect(), unknown }))
}
