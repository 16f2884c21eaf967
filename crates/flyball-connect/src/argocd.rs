//! Argo CD's notifications, which have no body of their own: this is that of the template that ships
//! in `deploy/argocd-notifications.yaml`.

use flyball_model::{Change, ChangeKind, ChangeOutcome, ChangeSource};

use crate::error::ConnectError;
use crate::fields::{Body, commit_of, repository_name, version_of};
use crate::headers::Headers;
use crate::{Hook, Received, Report};

const SYSTEM: &str = "argocd";

pub(crate) fn read(_: &Headers, body: &Body, hook: &Hook) -> Result<Received, ConnectError> {
    let root = body.root();
    let application = root.need_text("application")?;
    let namespace = root.may_text("namespace")?.unwrap_or_else(|| "argocd".to_owned());
    let phase = root.need_text("phase")?;
    let started = root.need_time("started")?;
    let revision = root.may_text("revision")?;
    // An application has one operation at a time, so its beginning tells operations apart.
    let id = format!("{SYSTEM}:{namespace}/{application}:{started}");
    let delivery = format!("{id} {phase}");
    let outcome = match phase.as_str() {
        "Running" => ChangeOutcome::Underway,
        "Succeeded" => ChangeOutcome::Succeeded,
        "Failed" | "Error" => ChangeOutcome::Failed,
        "Terminating" => ChangeOutcome::Cancelled,
        _ => {
            let reason = format!("the phase `{phase}` of a synchronisation is not known");
            return Ok(Received {
                system: SYSTEM,
                delivery,
                reports: vec![Report::Ignored { reason }],
            });
        }
    };
    let service = hook.service.clone().unwrap_or(application);
    let source = ChangeSource { system: SYSTEM.to_owned(), delivery: delivery.clone() };
    let mut change = Change::new(id, service, ChangeKind::Deploy, outcome, hook.received, source);
    let named = root.may_text("destination")?;
    change.environment = Some(named.unwrap_or_else(|| hook.environment.clone()));
    if let Some(revision) = &revision {
        change.revision = Some(commit_of(revision).unwrap_or(revision).to_owned());
        change.version = version_of(revision).map(str::to_owned);
    }
    // Images say what runs at the moment, which is the new version once it has succeeded; with several
    // of them none is the service's for certain.
    let images = root.list("images")?;
    if let ([image], ChangeOutcome::Succeeded) = (images.as_slice(), outcome) {
        let image = image.text()?;
        let (name, tag) = image.rsplit_once(':').unwrap_or((&image, ""));
        if !tag.is_empty() && !tag.contains('/') {
            change.version = Some(tag.to_owned());
            change.artifact = Some(format!("pkg:oci/{}@{tag}", repository_name(name)));
        }
    }
    change.actor = root.may_text("actor")?;
    change.summary = root.may_sentence("message")?;
    change.started = Some(started);
    if outcome.is_final() {
        change.finished = Some(root.may_time("finished")?.unwrap_or(hook.received).max(started));
    }
    change.links.extend(root.may_link("url", "application"));
    change.check()?;
    Ok(Received { system: SYSTEM, delivery, reports: vec![Report::Change(Box::new(change))] })
}
