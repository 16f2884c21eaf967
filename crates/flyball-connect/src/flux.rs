//! Events of Flux, as its providers `generic` and `generic-hmac` send them.
//!
//! Flux names no delivery and no deployment: an event is known by its object, its time and its
//! reason, which are the same when it is sent again.

use flyball_model::{Change, ChangeKind, ChangeOutcome, ChangeSource};

use crate::error::ConnectError;
use crate::fields::{Body, Node, commit_of, version_of};
use crate::headers::Headers;
use crate::{Hook, Received, Report};

const SYSTEM: &str = "flux";

pub(crate) fn read(headers: &Headers, body: &Body, hook: &Hook) -> Result<Received, ConnectError> {
    let root = body.root();
    let object = root.need("involvedObject")?.object()?;
    let (kind, name) = (object.need_text("kind")?, object.need_text("name")?);
    let namespace = object.may_text("namespace")?.unwrap_or_else(|| "default".to_owned());
    let at = root.need_time("timestamp")?;
    let reason = root.need_text("reason")?;
    let severity = root.need_text("severity")?;
    let id = format!("{SYSTEM}:{namespace}/{kind}/{name}:{at}");
    let delivery = format!("{id} {reason}");
    let ignored = |reason: String| {
        let reports = vec![Report::Ignored { reason }];
        Ok(Received { system: SYSTEM, delivery: delivery.clone(), reports })
    };
    if !matches!(kind.as_str(), "Kustomization" | "HelmRelease") {
        return ignored(format!("a {kind} deploys nothing"));
    }
    let what = match (reason.as_str(), severity.as_str()) {
        ("RollbackSucceeded", _) => (ChangeKind::Rollback, ChangeOutcome::Succeeded),
        ("RollbackFailed", _) => (ChangeKind::Rollback, ChangeOutcome::Failed),
        ("ReconciliationSucceeded" | "InstallSucceeded" | "UpgradeSucceeded", _) => {
            (ChangeKind::Deploy, ChangeOutcome::Succeeded)
        }
        (
            "ReconciliationFailed"
            | "HealthCheckFailed"
            | "BuildFailed"
            | "InstallFailed"
            | "UpgradeFailed",
            _,
        ) => (ChangeKind::Deploy, ChangeOutcome::Failed),
        _ => return ignored(format!("`{reason}` ends no deployment")),
    };
    let Some(revision) = revision(&root)? else {
        return ignored("the event names no revision, so nothing was deployed".to_owned());
    };
    let service = hook.service.clone().unwrap_or(name);
    let source = ChangeSource { system: SYSTEM.to_owned(), delivery: delivery.clone() };
    let mut change = Change::new(id, service, what.0, what.1, hook.received, source);
    change.environment = Some(hook.environment.clone());
    change.revision = Some(commit_of(&revision).unwrap_or(&revision).to_owned());
    let reference = revision.split('@').next().unwrap_or(&revision);
    change.version = version_of(reference).map(str::to_owned);
    change.finished = Some(at);
    change.summary = root.may_sentence("message")?;
    change.actor = headers.get("gotk-component").map(str::to_owned);
    change.check()?;
    let reports = vec![Report::Change(Box::new(change))];
    Ok(Received { system: SYSTEM, delivery, reports })
}

/// The revision, which each controller writes under a name of its own: `revision`, or
/// `kustomize.toolkit.fluxcd.io/revision` and the like.
fn revision(root: &Node<'_>) -> Result<Option<String>, ConnectError> {
    let Some(metadata) = root.get("metadata") else { return Ok(None) };
    let metadata = metadata.object()?;
    let key = metadata.keys().find(|key| *key == "revision" || key.ends_with("/revision"));
    key.map_or(Ok(None), |key| metadata.may_text(key))
}
