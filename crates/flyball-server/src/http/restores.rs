//! What somebody asks to be done about a change: told only, or done.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use flyball_catalog::Catalog;
use flyball_govern::policy::{Act, Role as Function};
use flyball_govern::restore::{Restores, Restoring, suggested};
use flyball_govern::verdict::{Remedy, Suggestion};
use flyball_model::RestoreAction;
use serde::Deserialize;
use utoipa::ToSchema;

use super::access::allowed;
use super::administration::wait;
use super::changes::absent;
use super::extract::{Path, Sent, meant};
use super::gate::acting;
use super::problem::Problem;
use super::{App, shapes};
use crate::auth::Role;
use crate::changes::Kept;
use crate::restoring::{Asked, RestoringError};

/// The longest slice. Bytes.
const SLICE_BYTES_MAX: usize = 1_024;

/// What is to be done about a change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreRequest {
    /// The restore action; the one that does what is suggested unless told.
    action: Option<String>,
    /// What is to be drained, as `cloud.region=eu-1`; for actions that drain.
    slice: Option<String>,
    /// Whether it is to be done; what would be done is told unless so.
    #[serde(default)]
    apply: bool,
    /// As what the caller has it done.
    role: Option<String>,
}

/// What is done about a change.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct RestoreAnswer {
    /// What the change is known by.
    change: String,
    /// How far it has come.
    #[schema(value_type = shapes::ChangeRestore)]
    restore: Restoring,
}

impl From<RestoringError> for Problem {
    fn from(error: RestoringError) -> Self {
        match error {
            RestoringError::Changes(error) => error.into(),
            other => Self::new(StatusCode::SERVICE_UNAVAILABLE, &other.to_string()),
        }
    }
}

/// Tells what a restore action would do about a change, or has it done.
///
/// What is told and what is done are kept with the change and in the audit log. What was done is not done again:
/// asked again, it is told. With `apply` the answer comes when it is known what came of it, or after 12 seconds.
#[utoipa::path(
    post,
    path = "/api/v1/changes/{id}/restore",
    tag = "changes",
    params(("id" = String, Path, description = "What the change is known by")),
    request_body = RestoreRequest,
    responses(
        (status = 200, description = "What would be done, or what came of it", body = RestoreAnswer),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such change, or it is of a service that the caller may not see", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "No action can be told from the others, or the action is a dry run", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The action cannot do that, or the role may not have it done", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn restore(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<RestoreAnswer>, Problem> {
    let (wanted, caller): (RestoreRequest, _) = sent.json(&app, "restore").await?;
    let (changes, seer, asked) = (app.changes.clone(), caller.clone(), id.clone());
    let kept = wait(move || changes.get(&asked, &seer)).await?.ok_or_else(absent)?;
    let service = kept.change.service.clone();
    allowed(caller.may(Role::Developer, &service), Role::Developer, &service)?;
    let now = app.clock.now();
    if !kept.is_answered_for(now) {
        return Err(conflict(
            "the change shipped too long ago to be undone from here; hint: other changes lie over it: roll \
             back by your own pipeline",
        ));
    }
    let catalog = app.evaluator.ask(|it| Arc::clone(it.catalog())).await?;
    let others = app.changes.recent().get();
    let action = match &wanted.action {
        Some(name) => named(&catalog, name, &kept)?,
        None => only(&catalog, kept.suggestion(&others, now), &kept)?,
    };
    check_slice(action, wanted.slice.as_deref())?;
    let RestoreRequest { slice, apply, role, .. } = wanted;
    let role =
        role.as_deref().map(|role| acting(&app, &caller, role, Some(&service))).transpose()?;
    if apply {
        check_apply(action, &catalog, role.as_ref(), &service)?;
    }
    let role = role.map(|role| role.to_string());
    let asked = Asked { by: caller.actor(), role, slice, is_begun: apply };
    let planned = app.restorer.plan(&kept, action, asked, now).await;
    if let Some(problem) = &planned.problem {
        return Err(meant(problem));
    }
    let restore = app.restorer.keep(&id, planned, now).await?.ok_or_else(absent)?;
    let restore = if apply { app.restorer.awaited(&id, restore).await? } else { restore };
    Ok(Json(RestoreAnswer { change: id, restore }))
}

/// The action called `name`, if it is for the change.
fn named<'a>(catalog: &'a Catalog, name: &str, kept: &Kept) -> Result<&'a RestoreAction, Problem> {
    let mut own = catalog.set.restore_actions.iter();
    own.find(|action| action.name == name && action.is_for(&kept.change)).ok_or_else(|| {
        let actions = catalog.set.restore_actions.iter();
        let actions = actions.filter(|action| action.is_for(&kept.change));
        let known: Vec<&str> = actions.map(|action| action.name.as_str()).collect();
        let hint = match known.as_slice() {
            [] => "none is: apply a RestoreAction, or record the change with its `flag`".to_owned(),
            known => format!("these are: {}", known.join(", ")),
        };
        meant(&format!("no restore action `{name}` is for this change; hint: {hint}"))
    })
}

/// The action that does what is suggested, if there is one and no other.
fn only<'a>(
    catalog: &'a Catalog,
    suggestion: Option<Suggestion>,
    kept: &Kept,
) -> Result<&'a RestoreAction, Problem> {
    let suggestion = suggestion.ok_or_else(|| {
        conflict(
            "nothing is suggested for the change: it has not regressed, or something has restored the service; \
             hint: name the action",
        )
    })?;
    let what = match suggestion.remedy {
        Remedy::FixForward => "fix forward",
        Remedy::RollBack => "roll back",
        Remedy::ToggleOff => "toggle off",
    };
    match suggested(&catalog.set.restore_actions, &kept.change, &suggestion).as_slice() {
        [action] => Ok(action),
        [] => Err(conflict(&format!(
            "no restore action of `{}` is for this change and does what is suggested, to {what}; hint: name \
             another one, or apply one",
            kept.change.service
        ))),
        several => {
            let names: Vec<&str> = several.iter().map(|action| action.name.as_str()).collect();
            Err(conflict(&format!(
                "several restore actions do what is suggested, to {what}; hint: name one of {}",
                names.join(", ")
            )))
        }
    }
}

/// Refuses a slice where there is nothing to drain, and none where there is.
fn check_slice(action: &RestoreAction, slice: Option<&str>) -> Result<(), Problem> {
    let drains = Restores::of(&action.via) == Restores::Drain;
    let is_one = |slice: &str| {
        let parts = slice.split_once('=');
        slice.len() <= SLICE_BYTES_MAX
            && parts.is_some_and(|(name, value)| !name.is_empty() && !value.is_empty())
    };
    match slice {
        None if drains => Err(meant("what is to be drained is not said; hint: name the `slice`")),
        Some(_) if !drains => Err(meant(&format!(
            "the restore action `{}` drains nothing; hint: leave the `slice` out",
            action.name
        ))),
        Some(slice) if !is_one(slice) => Err(meant(
            "the `slice` is none; hint: write an attribute and a value, like cloud.region=eu-1",
        )),
        _ => Ok(()),
    }
}

/// Refuses to have it done where the document or the rights of the service's tier do not let that.
fn check_apply(
    action: &RestoreAction,
    catalog: &Catalog,
    role: Option<&Function>,
    service: &str,
) -> Result<(), Problem> {
    if action.dry_run {
        return Err(conflict(&format!(
            "the restore action `{}` is a dry run; hint: set `dryRun: false` in its document",
            action.name
        )));
    }
    let role = role.ok_or_else(|| {
        meant("nobody says as what it is done; hint: name the `role`, like on_call")
    })?;
    let rights = catalog.governance.tier(service).spec.rights;
    if rights.may(role, Act::Rollback) {
        return Ok(());
    }
    let holders: Vec<&str> = rights.holders(Act::Rollback).map(Function::name).collect();
    let holders = if holders.is_empty() { "nobody".to_owned() } else { holders.join(", ") };
    Err(meant(&format!("`{role}` does not decide on going back; hint: these do: {holders}")))
}

fn conflict(said: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, said)
}
