//! Flyball's own body: what `flyball change record` and one line of any pipeline send.

use flyball_model::{Change, ChangeKind, ChangeLink, ChangeOutcome, ChangeSource, Duration};

use crate::error::ConnectError;
use crate::fields::{Body, Node};
use crate::headers::Headers;
use crate::{Hook, Received, Report};

const SYSTEM: &str = "api";

/// How far ahead of this clock the sender's may be.
pub const AHEAD_MAX: Duration = Duration::from_minutes(10);

/// Every field of the body; any other is a mistake that would otherwise go unnoticed.
const FIELDS: &[&str] = &[
    "id",
    "service",
    "kind",
    "class",
    "outcome",
    "planned",
    "environment",
    "version",
    "revision",
    "artifact",
    "actor",
    "summary",
    "started",
    "finished",
    "not_before",
    "not_after",
    "rollout",
    "restores",
    "flag",
    "commits",
    "links",
];

pub(crate) fn read(headers: &Headers, body: &Body, hook: &Hook) -> Result<Received, ConnectError> {
    let root = body.root();
    if let Some(unknown) = root.keys().find(|key| !FIELDS.contains(key)) {
        let hint = format!("the fields are {}", FIELDS.join(", "));
        return Err(ConnectError::field_of(unknown, "is not known", &hint));
    }
    let id = root.may_text("id")?;
    let delivery = match headers.get("idempotency-key") {
        Some(key) => key.to_owned(),
        None => body.digest(),
    };
    let id = id.unwrap_or_else(|| format!("{SYSTEM}:{delivery}"));
    let service = service(&root, "service", hook)?;
    let kind = root.may_kind("kind")?.unwrap_or(ChangeKind::Deploy);
    let outcomes = ChangeOutcome::ALL.map(ChangeOutcome::name);
    let told = root.may_word("outcome", ChangeOutcome::parse, &outcomes)?;
    let outcome = told.unwrap_or(ChangeOutcome::Succeeded);
    let source = ChangeSource { system: SYSTEM.to_owned(), delivery: delivery.clone() };
    let mut change = Change::new(id, service, kind, outcome, hook.received, source);
    change.class = root.may_class("class")?.unwrap_or_default();
    change.planned = root.may_flag("planned")?;
    change.environment =
        Some(root.may_text("environment")?.unwrap_or_else(|| hook.environment.clone()));
    change.version = root.may_text("version")?;
    change.revision = root.may_text("revision")?;
    change.artifact = root.may_text("artifact")?;
    change.actor = root.may_text("actor")?;
    change.summary = root.may_sentence("summary")?;
    change.started = root.may_time("started")?;
    change.finished = root.may_time("finished")?;
    change.not_before = root.may_time("not_before")?;
    change.not_after = root.may_time("not_after")?;
    change.rollout = root.may_text("rollout")?;
    change.restores = root.may_text("restores")?;
    change.flag = root.may_text("flag")?;
    change.commits = root.commits("commits")?;
    for link in root.list("links")? {
        let (name, url) = (link.need_text("name")?, link.need_text("url")?);
        change.links.push(ChangeLink { name, url });
    }
    // News that says nothing of how or when a change ended leaves both as they are.
    if told.is_some() {
        change.ended_when(hook.received);
    }
    if change.finished.is_some_and(|at| at.since(hook.received) > AHEAD_MAX) {
        let hint = "a change that is still to come is planned: give `not_before` and `not_after`";
        return Err(ConnectError::field_of("finished", "is in the future", hint));
    }
    change.check()?;
    let reports = vec![Report::Change(Box::new(change))];
    Ok(Received { system: SYSTEM, delivery, reports })
}

/// The service: the hook's where it has one, else what the message says.
fn service(root: &Node<'_>, key: &str, hook: &Hook) -> Result<String, ConnectError> {
    match &hook.service {
        Some(service) => Ok(service.clone()),
        None => root.need_text(key),
    }
}

/// Adds what a message of another format says in the fields that are ours: GitHub's
/// `deployment.payload`, `customData` of CDEvents. Fields that are not ours are the sender's own.
pub(crate) fn add(change: &mut Change, said: &Node<'_>) -> Result<(), ConnectError> {
    if let Some(kind) = said.may_kind("kind")? {
        change.kind = kind;
    }
    if let Some(class) = said.may_class("class")? {
        change.class = class;
    }
    change.planned = said.may_flag("planned")?.or(change.planned);
    change.version = said.may_text("version")?.or(change.version.take());
    change.revision = said.may_text("revision")?.or(change.revision.take());
    change.actor = said.may_text("actor")?.or(change.actor.take());
    change.restores = said.may_text("restores")?.or(change.restores.take());
    change.flag = said.may_text("flag")?.or(change.flag.take());
    change.rollout = said.may_text("rollout")?.or(change.rollout.take());
    let commits = said.commits("commits")?;
    if !commits.is_empty() {
        change.commits = commits;
    }
    Ok(())
}
