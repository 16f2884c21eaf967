//! The runbooks of an incident, and whether it is time to go back.

use axum::extract::State;
use axum::{Extension, Json};
use flyball_govern::gate::{GateInputs, holds};
use flyball_govern::incident::{
    FOUND_CLASSES, IncidentRecord, RollbackCriterion, Runbook, RunbookSpec,
};
use flyball_model::Interval;
use utoipa::ToSchema;

use super::super::App;
use super::super::extract::Path;
use super::super::gate::{known, question};
use super::super::problem::Problem;
use super::measures::burned;
use super::{began, beside, found};
use crate::auth::Caller;

/// The runbooks of an incident.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct RunbookList {
    /// Those that are named in it first, then those for its services and class, by name.
    runbooks: Vec<RunbookView>,
    /// Runbooks that are named in it and that no document describes.
    unknown: Vec<String>,
    /// Runbooks for its services that are for other classes of outage, by name.
    waiting: Vec<WaitingRunbook>,
}

/// A runbook that is not for the class of an incident.
#[derive(Debug, serde::Serialize, ToSchema)]
struct WaitingRunbook {
    /// What it is called.
    name: String,
    /// What it says it is for.
    description: String,
    /// The classes that it is for.
    classes: Vec<String>,
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
/// going back, and whether these hold now. Its classes are the one that somebody has put it into, `drill` where one
/// caused it, and `dependency` where a service that its own depends on failed while it lasted.
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
    let all: Vec<Runbook> = app
        .evaluator
        .ask(move |evaluator| {
            let all = evaluator.catalog().governance.runbooks();
            let is_of = |of: &&Runbook| {
                asked.runbooks.contains(&of.name) || of.is_of(&asked.all_services())
            };
            all.filter(is_of).cloned().collect()
        })
        .await?;
    let classes = if all.iter().any(Runbook::waits_for_found) {
        classes(&app, &record).await
    } else {
        record.class.iter().map(String::as_str).collect()
    };
    let is_shown = |of: &Runbook| named.contains(&of.name) || of.is_for(&classes);
    let (mut found, mut waiting): (Vec<Runbook>, Vec<Runbook>) =
        all.into_iter().partition(is_shown);
    waiting.sort_by(|one, other| one.name.cmp(&other.name));
    found.sort_by_key(|of| {
        (named.iter().position(|name| *name == of.name).unwrap_or(usize::MAX), of.name.clone())
    });
    let is_there = |name: &&String| found.iter().any(|of| of.name == **name);
    let unknown = named.iter().filter(|name| !is_there(name)).cloned().collect();
    let service = record.incident.service.clone().filter(|service| caller.sees(service));
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
    let waiting = waiting.into_iter().map(|Runbook { name, spec, .. }| WaitingRunbook {
        name,
        description: spec.description,
        classes: spec.classes,
    });
    Ok(Json(RunbookList {
        runbooks: found.iter().map(view).collect(),
        unknown,
        waiting: waiting.collect(),
    }))
}

/// The classes of an incident: the one that it was put into, and those that are found.
async fn classes<'a>(app: &App, record: &'a IncidentRecord) -> Vec<&'a str> {
    let mut classes: Vec<&str> = record.class.iter().map(String::as_str).collect();
    let [drill, dependency] = FOUND_CLASSES;
    let incident = &record.incident;
    if incident.cause.as_ref().is_some_and(|cause| cause.starts_with("drill:")) {
        classes.push(drill);
    }
    let (from, now) = (began(record), app.clock.now());
    let over = incident.served_again().unwrap_or(now).max(from);
    let during = Interval::starting(from, over.since(from));
    let services = incident.service.iter().cloned().collect();
    let (spent, _) = burned(app, services, during).await;
    let objectives = spent.iter().flat_map(|of| &of.objectives);
    if objectives.into_iter().any(|of| of.failed_below(during).next().is_some()) {
        classes.push(dependency);
    }
    classes
}
