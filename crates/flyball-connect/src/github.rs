//! GitHub's webhooks.
//!
//! A deployment is one change, told of by `deployment` when it is asked for and by each
//! `deployment_status`; GitHub knows it by its number in its repository. A `workflow_run` is a change
//! only where the hook names the workflow that deploys, because most workflows do not.

use flyball_model::{CHANGE_COMMITS_MAX, Change, ChangeKind, ChangeOutcome, ChangeSource, Commit};
use serde_json::Value;

use crate::error::ConnectError;
use crate::fields::{Body, Node, repository_name, version_of};
use crate::headers::Headers;
use crate::{Hook, Pushed, Received, Report, own};

const SYSTEM: &str = "github";
/// What a branch or tag that was deleted names afterwards, and one that was made named before.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

pub(crate) fn read(headers: &Headers, body: &Body, hook: &Hook) -> Result<Received, ConnectError> {
    let header = |name: &'static str, hint: &str| {
        headers.get(name).ok_or_else(|| ConnectError::Header {
            header: name,
            problem: "is missing".to_owned(),
            hint: hint.to_owned(),
        })
    };
    let event = header("x-github-event", "GitHub says there which event the body is")?;
    let delivery = header("x-github-delivery", "GitHub knows the delivery by it")?.to_owned();
    let root = body.root();
    let report = match event {
        "deployment" => requested(&root, &delivery, hook)?,
        "deployment_status" => status(&root, &delivery, hook)?,
        "workflow_run" => workflow(&root, &delivery, hook)?,
        "push" => push(&root)?,
        _ => ignored(format!("`{event}` is neither a deployment nor a push")),
    };
    Ok(Received { system: SYSTEM, delivery, reports: vec![report] })
}

fn ignored(reason: impl Into<String>) -> Report {
    Report::Ignored { reason: reason.into() }
}

/// What is the same in all messages of a deployment.
pub(crate) fn deployment(
    root: &Node<'_>,
    delivery: &str,
    outcome: ChangeOutcome,
    hook: &Hook,
) -> Result<Change, ConnectError> {
    let said = root.need("deployment")?.object()?;
    let repository = root.need("repository")?.object()?.need_text("full_name")?;
    let number = said.need_text("id")?;
    // The payload is whatever the one who deploys put there: an object, a text with one, or neither.
    let payload = said.get("payload");
    let text = payload.as_ref().and_then(|payload| payload.value().as_str());
    let inside: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    let payload = match (&inside, payload) {
        (Some(value), _) => Some(Node::inside(value, "deployment.payload".to_owned())),
        (None, payload) => payload,
    };
    let payload = payload.filter(|payload| payload.value().is_object());
    let named = match &payload {
        Some(payload) => payload.may_text("service")?,
        None => None,
    };
    let service = hook.service.clone().or(named);
    let service = service.unwrap_or_else(|| repository_name(&repository).to_owned());
    let task = said.may_text("task")?.unwrap_or_default();
    let word = task.split([':', '-', '_', '/']).next().unwrap_or_default();
    let kind = ChangeKind::parse(word).unwrap_or(ChangeKind::Deploy);
    let id = format!("{SYSTEM}:{repository}:deployment:{number}");
    let source = ChangeSource { system: SYSTEM.to_owned(), delivery: delivery.to_owned() };
    let mut change = Change::new(id, service, kind, outcome, hook.received, source);
    change.environment =
        Some(said.may_text("environment")?.unwrap_or_else(|| hook.environment.clone()));
    change.revision = Some(said.need_text("sha")?);
    let reference = said.may_text("ref")?;
    change.version = reference.as_deref().and_then(version_of).map(str::to_owned);
    change.actor = match said.get("creator") {
        Some(creator) => creator.may_text("login")?,
        None => None,
    };
    change.summary = said.may_sentence("description")?;
    if let Some(payload) = &payload {
        own::add(&mut change, payload)?;
    }
    Ok(change)
}

fn requested(root: &Node<'_>, delivery: &str, hook: &Hook) -> Result<Report, ConnectError> {
    let change = deployment(root, delivery, ChangeOutcome::Planned, hook)?;
    change.check()?;
    Ok(Report::Change(Box::new(change)))
}

fn status(root: &Node<'_>, delivery: &str, hook: &Hook) -> Result<Report, ConnectError> {
    let said = root.need("deployment_status")?.object()?;
    let state = said.need_text("state")?;
    let outcome = match state.as_str() {
        "pending" | "queued" | "waiting" => ChangeOutcome::Planned,
        "in_progress" => ChangeOutcome::Underway,
        "success" => ChangeOutcome::Succeeded,
        "failure" | "error" => ChangeOutcome::Failed,
        "inactive" => return Ok(ignored("a later deployment has taken the place of this one")),
        _ => return Ok(ignored(format!("the state `{state}` of a deployment is not known"))),
    };
    let mut change = deployment(root, delivery, outcome, hook)?;
    let at = said.need_time("created_at")?;
    let began = root.need("deployment")?.need_time("created_at")?;
    match outcome {
        ChangeOutcome::Underway => change.started = Some(at),
        // GitHub keeps no beginning beside the request, which is the earliest that it can have been.
        _ if outcome.is_final() => {
            change.started = Some(began.min(at));
            change.finished = Some(at);
        }
        _ => {}
    }
    if let Some(environment) = said.may_text("environment")? {
        change.environment = Some(environment);
    }
    for (key, name) in
        [("log_url", "log"), ("target_url", "log"), ("environment_url", "environment")]
    {
        let link = said.may_link(key, name);
        change.links.extend(link.filter(|link| !change.links.iter().any(|known| known == link)));
    }
    change.check()?;
    Ok(Report::Change(Box::new(change)))
}

fn workflow(root: &Node<'_>, delivery: &str, hook: &Hook) -> Result<Report, ConnectError> {
    let run = root.need("workflow_run")?.object()?;
    let Some(deploys) = &hook.workflow else {
        return Ok(ignored(
            "the hook does not say which workflow deploys; add ?workflow= with its name or path to \
             its address",
        ));
    };
    let workflow = root.get("workflow");
    let names = [
        run.may_text("name")?,
        run.may_text("path")?,
        workflow.as_ref().map_or(Ok(None), |workflow| workflow.may_text("name"))?,
        workflow.as_ref().map_or(Ok(None), |workflow| workflow.may_text("path"))?,
    ];
    if !names.iter().flatten().any(|name| name == deploys) {
        return Ok(ignored(format!("the workflow is not `{deploys}`, which deploys")));
    }
    let conclusion = run.may_text("conclusion")?;
    let action = root.need_text("action")?;
    let outcome = match (action.as_str(), conclusion.as_deref()) {
        ("requested", _) => ChangeOutcome::Planned,
        ("in_progress", _) => ChangeOutcome::Underway,
        ("completed", Some("success")) => ChangeOutcome::Succeeded,
        ("completed", Some("failure" | "timed_out" | "startup_failure")) => ChangeOutcome::Failed,
        ("completed", Some("cancelled" | "skipped" | "stale")) => ChangeOutcome::Cancelled,
        _ => {
            let conclusion = conclusion.unwrap_or_else(|| "nothing".to_owned());
            return Ok(ignored(format!(
                "a run that is {action} with {conclusion} is no deployment"
            )));
        }
    };
    let repository = root.need("repository")?.object()?.need_text("full_name")?;
    let attempt = run.may_text("run_attempt")?.unwrap_or_else(|| "1".to_owned());
    let id = format!("{SYSTEM}:{repository}:run:{}:{attempt}", run.need_text("id")?);
    let service = hook.service.clone().unwrap_or_else(|| repository_name(&repository).to_owned());
    let source = ChangeSource { system: SYSTEM.to_owned(), delivery: delivery.to_owned() };
    let mut change = Change::new(id, service, ChangeKind::Deploy, outcome, hook.received, source);
    change.environment = Some(hook.environment.clone());
    change.revision = Some(run.need_text("head_sha")?);
    let branch = run.may_text("head_branch")?;
    change.version = branch.as_deref().and_then(version_of).map(str::to_owned);
    change.summary = run.may_sentence("display_title")?;
    change.started = run.may_time("run_started_at")?;
    if outcome.is_final() {
        let ended = run.need_time("updated_at")?;
        change.finished = Some(ended.max(change.started.unwrap_or(ended)));
    }
    change.actor = match run.get("triggering_actor").or_else(|| run.get("actor")) {
        Some(actor) => actor.may_text("login")?,
        None => None,
    };
    change.links.extend(run.may_link("html_url", "log"));
    change.check()?;
    Ok(Report::Change(Box::new(change)))
}

fn push(root: &Node<'_>) -> Result<Report, ConnectError> {
    let reference = root.need_text("ref")?;
    let head = root.need_text("after")?;
    let Some(branch) = reference.strip_prefix("refs/heads/") else {
        return Ok(ignored("a tag that is pushed has no commits of its own"));
    };
    if head == NO_COMMIT {
        return Ok(ignored("the branch was deleted"));
    }
    let repository = root.need("repository")?.object()?.need_text("full_name")?;
    let entries = root.list("commits")?;
    let left_out = entries.len().saturating_sub(CHANGE_COMMITS_MAX) as u64;
    // The newest come last, and are those that are kept.
    let kept = entries.iter().skip(entries.len().saturating_sub(CHANGE_COMMITS_MAX));
    let commit = |entry: &Node<'_>| {
        Ok(Commit { sha: entry.need_text("id")?, authored: entry.need_time("timestamp")? })
    };
    let commits: Vec<Commit> = kept.map(commit).collect::<Result<_, ConnectError>>()?;
    if commits.is_empty() {
        return Ok(ignored("the push has no commits"));
    }
    let branch = branch.to_owned();
    Ok(Report::Commits(Pushed { repository, branch, head, commits, left_out }))
}
