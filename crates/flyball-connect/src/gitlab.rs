//! GitLab's webhooks: `Deployment Hook` and `Push Hook`.

use flyball_model::{Change, ChangeKind, ChangeOutcome, ChangeSource, Commit};

use crate::error::ConnectError;
use crate::fields::{Body, Node, is_hash, repository_name, version_of};
use crate::headers::Headers;
use crate::{Hook, Pushed, Received, Report};

const SYSTEM: &str = "gitlab";

pub(crate) fn read(headers: &Headers, body: &Body, hook: &Hook) -> Result<Received, ConnectError> {
    // `Idempotency-Key` stays the same when GitLab sends again; older ones only have the event's.
    let named = headers.get("idempotency-key").or_else(|| headers.get("x-gitlab-event-uuid"));
    let delivery = named.map_or_else(|| body.digest(), str::to_owned);
    let root = body.root();
    let kind = root.need_text("object_kind")?;
    let report = match kind.as_str() {
        "deployment" => deployment(&root, &delivery, hook)?,
        "push" => push(&root)?,
        _ => Report::Ignored { reason: format!("`{kind}` is neither a deployment nor a push") },
    };
    Ok(Received { system: SYSTEM, delivery, reports: vec![report] })
}

fn deployment(root: &Node<'_>, delivery: &str, hook: &Hook) -> Result<Report, ConnectError> {
    let status = root.need_text("status")?;
    let outcome = match status.as_str() {
        "created" | "blocked" => ChangeOutcome::Planned,
        "running" => ChangeOutcome::Underway,
        "success" => ChangeOutcome::Succeeded,
        "failed" => ChangeOutcome::Failed,
        "canceled" | "skipped" => ChangeOutcome::Cancelled,
        _ => {
            let reason = format!("the status `{status}` of a deployment is not known");
            return Ok(Report::Ignored { reason });
        }
    };
    let project = root.need("project")?.object()?;
    let repository = project.need_text("path_with_namespace")?;
    let id = format!("{SYSTEM}:{repository}:deployment:{}", root.need_text("deployment_id")?);
    let service = hook.service.clone().unwrap_or_else(|| repository_name(&repository).to_owned());
    let source = ChangeSource { system: SYSTEM.to_owned(), delivery: delivery.to_owned() };
    let mut change = Change::new(id, service, ChangeKind::Deploy, outcome, hook.received, source);
    change.environment = Some(root.need_text("environment")?);
    // The hash in full is only in the commit's address.
    let address = root.may_text("commit_url")?;
    let full = address.as_deref().map(repository_name).filter(|hash| is_hash(hash));
    change.revision = full.map(str::to_owned).or(root.may_text("short_sha")?);
    let reference = root.may_text("ref")?;
    change.version = reference.as_deref().and_then(version_of).map(str::to_owned);
    change.summary = root.may_sentence("commit_title")?;
    change.actor = match root.get("user") {
        Some(user) => user.may_text("username")?,
        None => None,
    };
    let at = root.need_time("status_changed_at")?;
    match outcome {
        ChangeOutcome::Underway => change.started = Some(at),
        _ if outcome.is_final() => change.finished = Some(at),
        _ => {}
    }
    change.links.extend(root.may_link("deployable_url", "log"));
    change.links.extend(root.may_link("environment_external_url", "environment"));
    change.check()?;
    Ok(Report::Change(Box::new(change)))
}

fn push(root: &Node<'_>) -> Result<Report, ConnectError> {
    let reference = root.need_text("ref")?;
    let ignored = |reason: &str| Report::Ignored { reason: reason.to_owned() };
    let Some(branch) = reference.strip_prefix("refs/heads/") else {
        return Ok(ignored("a tag that is pushed has no commits of its own"));
    };
    let Some(head) = root.may_text("checkout_sha")? else {
        return Ok(ignored("the branch was deleted"));
    };
    let repository = root.need("project")?.object()?.need_text("path_with_namespace")?;
    let entries = root.list("commits")?;
    let commit = |entry: &Node<'_>| {
        Ok(Commit { sha: entry.need_text("id")?, authored: entry.need_time("timestamp")? })
    };
    let mut commits: Vec<Commit> =
        entries.iter().map(commit).collect::<Result<_, ConnectError>>()?;
    if commits.is_empty() {
        return Ok(ignored("the push has no commits"));
    }
    commits.sort_by_key(|commit| commit.authored);
    // GitLab sends the newest twenty, and says how many there were.
    let total = root.get("total_commits_count").and_then(|total| total.value().as_u64());
    let left_out = total.unwrap_or_default().saturating_sub(commits.len() as u64);
    let branch = branch.to_owned();
    Ok(Report::Commits(Pushed { repository, branch, head, commits, left_out }))
}
