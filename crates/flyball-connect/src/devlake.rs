//! Bodies of DevLake's incoming webhooks, so that what posts to DevLake can post here.
//!
//! One deployment may be of many repositories. Each is a change of the service named as the
//! repository, unless the hook says of which service they all are. An issue is an incident: DevLake's
//! webhook has no other issues.

use flyball_model::{Change, ChangeKind, ChangeOutcome, ChangeSource, Incident};

use crate::error::ConnectError;
use crate::fields::{Body, Node, repository_name, version_of};
use crate::{Hook, Received, Report};

const SYSTEM: &str = "devlake";
/// Environments of DevLake; `PRODUCTION` when none is named.
const ENVIRONMENTS: [&str; 4] = ["PRODUCTION", "STAGING", "TESTING", "DEVELOPMENT"];

pub(crate) fn deployment(body: &Body, hook: &Hook) -> Result<Received, ConnectError> {
    let root = body.root();
    let number = root.need_text("id")?;
    let environment = |word: &str| ENVIRONMENTS.contains(&word).then(|| word.to_ascii_lowercase());
    let environment = root.may_word("environment", environment, &ENVIRONMENTS)?;
    let environment = environment.unwrap_or_else(|| "production".to_owned());
    let outcomes = ["SUCCESS", "FAILURE", "ABORT"];
    let outcome = |word: &str| match word {
        "SUCCESS" => Some(ChangeOutcome::Succeeded),
        "FAILURE" => Some(ChangeOutcome::Failed),
        "ABORT" => Some(ChangeOutcome::Cancelled),
        _ => None,
    };
    let outcome = root.may_word("result", outcome, &outcomes)?;
    let outcome = outcome.unwrap_or(ChangeOutcome::Succeeded);
    let (began, ended) = (root.need_time("startedDate")?, root.need_time("finishedDate")?);
    let summary = root.may_sentence("displayTitle")?.or(root.may_sentence("name")?);
    let delivery = body.digest();
    let entries = root.list("deploymentCommits")?;
    let make = |service: String, revisions: &[&Node<'_>]| {
        let id = format!("{SYSTEM}:{number}:{service}");
        let source = ChangeSource { system: SYSTEM.to_owned(), delivery: delivery.clone() };
        let kind = ChangeKind::Deploy;
        let mut change = Change::new(id, service, kind, outcome, hook.received, source);
        change.environment = Some(environment.clone());
        change.summary.clone_from(&summary);
        (change.started, change.finished) = (Some(began), Some(ended));
        if let [only] = revisions {
            change.revision = Some(only.need_text("commitSha")?);
            let reference = only.may_text("refName")?;
            change.version = reference.as_deref().and_then(version_of).map(str::to_owned);
            change.started = only.may_time("startedDate")?.or(change.started);
            change.finished = only.may_time("finishedDate")?.or(change.finished);
        }
        change.check()?;
        Ok(Report::Change(Box::new(change)))
    };
    for entry in &entries {
        entry.need_text("commitSha")?;
        entry.need_text("repoUrl")?;
    }
    let reports = if let Some(service) = &hook.service {
        let revisions: Vec<&Node<'_>> = entries.iter().collect();
        vec![make(service.clone(), &revisions)?]
    } else if entries.is_empty() {
        let hint = "name the repositories, or add ?service= to the address of the hook";
        return Err(ConnectError::field_of("deploymentCommits", "is empty", hint));
    } else {
        let one = |entry: &Node<'_>| {
            make(repository_name(&entry.need_text("repoUrl")?).to_owned(), &[entry])
        };
        entries.iter().map(one).collect::<Result<_, ConnectError>>()?
    };
    Ok(Received { system: SYSTEM, delivery, reports })
}

pub(crate) fn issue(body: &Body, hook: &Hook) -> Result<Received, ConnectError> {
    let root = body.root();
    let mut incident = Incident::new(format!("{SYSTEM}:{}", root.need_text("issueKey")?));
    let title = root.may_sentence("title")?;
    incident.summary = Some(title.ok_or_else(|| missing(&root, "title"))?);
    let words = ["TODO", "DONE", "IN_PROGRESS"];
    let known = |word: &str| words.iter().find(|known| **known == word).copied();
    let status = root.may_word("status", known, &words)?;
    let status = status.ok_or_else(|| missing(&root, "status"))?;
    incident.detected = Some(root.need_time("createdDate")?);
    if status == "DONE" {
        let ended = root.may_time("resolutionDate")?.or(root.may_time("updatedDate")?);
        incident.resolved = Some(ended.unwrap_or(hook.received));
    }
    incident.service.clone_from(&hook.service);
    incident.environment = Some(hook.environment.clone());
    incident.link = root.may_text("url")?;
    let reports = vec![Report::Incident(Box::new(incident))];
    Ok(Received { system: SYSTEM, delivery: body.digest(), reports })
}

fn missing(root: &Node<'_>, key: &str) -> ConnectError {
    ConnectError::field_of(root.path_of(key), "is missing", "the format requires it")
}

pub(crate) fn close(key: &str, hook: &Hook) -> Result<Received, ConnectError> {
    if key.trim().is_empty() {
        let hint = "name the issue in the path, as in issue/OPS-17/close";
        return Err(ConnectError::field_of("issueKey", "is empty", hint));
    }
    let mut incident = Incident::new(format!("{SYSTEM}:{key}"));
    incident.resolved = Some(hook.received);
    incident.service.clone_from(&hook.service);
    let delivery = format!("close {key}");
    Ok(Received { system: SYSTEM, delivery, reports: vec![Report::Incident(Box::new(incident))] })
}
