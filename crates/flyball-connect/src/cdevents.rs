//! CDEvents: services that were deployed, upgraded, rolled back or removed, environments that were
//! modified, and incidents.
//!
//! Three generations are on the wire: 0.3 and 0.4 write `context.version` and `subject.type`, 0.5
//! and later `context.specversion` and no type of the subject. Fields that the schemas require are
//! required; fields that they do not know are let be, since a reader that refuses tomorrow's fields
//! loses tomorrow's events.

use flyball_model::{Change, ChangeKind, ChangeOutcome, ChangeSource, Incident, Timestamp};

use crate::cloudevents;
use crate::error::ConnectError;
use crate::fields::{Body, Node};
use crate::headers::Headers;
use crate::{Hook, Received, Report, own};

const SYSTEM: &str = "cdevents";
/// What types begin with; custom ones have an `x` more.
const PREFIX: &str = "dev.cdevents";
/// The minor versions of the specification, all of major 0, that are read.
const MINORS: std::ops::RangeInclusive<u32> = 3..=6;

/// What every event says.
struct Context {
    id: String,
    source: String,
    at: Timestamp,
    subject: String,
}

pub(crate) fn read(headers: &Headers, body: &Body, hook: &Hook) -> Result<Received, ConnectError> {
    let event = cloudevents::open(headers, body)?;
    let context = event.data.need("context")?.object()?;
    let version = match context.get("specversion").or_else(|| context.get("version")) {
        Some(version) => version,
        None => context.need("specversion")?,
    };
    known(&version)?;
    let kind = context.need_text("type")?;
    let subject = event.data.need("subject")?.object()?;
    let said = Context {
        id: context.need_text("id")?,
        source: context.need_text("source")?,
        at: context.need_time("timestamp")?,
        subject: subject.need_text("id")?,
    };
    for (field, outside, inside) in [
        ("context.type", &event.kind, &kind),
        ("context.id", &event.id, &said.id),
        ("context.source", &event.source, &said.source),
    ] {
        if outside.as_ref().is_some_and(|outside| outside != inside) {
            let problem = format!("is `{inside}`, and its envelope says otherwise");
            let hint = "write the same into both, as the binding to CloudEvents asks";
            return Err(ConnectError::field_of(field, &problem, hint));
        }
    }
    // Events are unique by id within their source, and so are their deliveries.
    let delivery = format!("{} {}", said.source, said.id);
    let content = subject.need("content")?.object()?;
    let custom = event.data.get("customData").filter(|custom| custom.value().is_object());
    let (noun, verb) = parts(&kind, &context)?;
    let report = match (noun, verb) {
        ("service", "deployed" | "upgraded") => {
            let artifact = Some(content.need_text("artifactId")?);
            service(&said, ChangeKind::Deploy, artifact, &content, custom.as_ref(), hook)?
        }
        ("service", "rolledback") => {
            let artifact = Some(content.need_text("artifactId")?);
            service(&said, ChangeKind::Rollback, artifact, &content, custom.as_ref(), hook)?
        }
        ("service", "removed") => {
            service(&said, ChangeKind::Infrastructure, None, &content, custom.as_ref(), hook)?
        }
        ("environment", "modified") => environment(&said, custom.as_ref(), hook)?,
        ("incident", "detected" | "reported" | "resolved") => {
            incident(&said, verb, &content, hook)?
        }
        _ => Report::Ignored {
            reason: format!("`{noun}.{verb}` neither changes production nor is an incident"),
        },
    };
    Ok(Received { system: SYSTEM, delivery, reports: vec![report] })
}

/// Whether the generation is one that is read.
fn known(version: &Node<'_>) -> Result<(), ConnectError> {
    let text = version.text()?;
    let mut numbers = text.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(0)), Some(Ok(minor))) if MINORS.contains(&minor) => Ok(()),
        _ => Err(ConnectError::field_of(
            version.path(),
            &format!("is `{text}`"),
            "CDEvents 0.3 to 0.6 are read",
        )),
    }
}

/// Subject and predicate of a type such as `dev.cdevents.service.deployed.0.3.0`.
fn parts<'k>(kind: &'k str, context: &Node<'_>) -> Result<(&'k str, &'k str), ConnectError> {
    let split = || {
        let rest = kind.strip_prefix(PREFIX)?;
        let rest = rest.strip_prefix("x.").or_else(|| rest.strip_prefix('.'))?;
        let mut words = rest.splitn(3, '.');
        let (noun, verb, version) = (words.next()?, words.next()?, words.next()?);
        let numbered = version.starts_with(|first: char| first.is_ascii_digit());
        (numbered && !noun.is_empty() && !verb.is_empty()).then_some((noun, verb))
    };
    split().ok_or_else(|| {
        let hint = "types are like dev.cdevents.service.deployed.0.3.0";
        ConnectError::field_of(context.path_of("type"), &format!("is `{kind}`"), hint)
    })
}

fn source(said: &Context) -> ChangeSource {
    ChangeSource { system: SYSTEM.to_owned(), delivery: format!("{} {}", said.source, said.id) }
}

/// What happened to a service. Each event is a change of its own: the format has no event for the
/// beginning of a deployment that a later one would end.
fn service(
    said: &Context,
    kind: ChangeKind,
    artifact: Option<String>,
    content: &Node<'_>,
    custom: Option<&Node<'_>>,
    hook: &Hook,
) -> Result<Report, ConnectError> {
    let environment = content.need("environment")?.object()?.need_text("id")?;
    let name = hook.service.clone().unwrap_or_else(|| said.subject.clone());
    let id = format!("{SYSTEM}:{} {}", said.source, said.id);
    let outcome = ChangeOutcome::Succeeded;
    let mut change = Change::new(id, name, kind, outcome, hook.received, source(said));
    change.environment = Some(environment);
    change.finished = Some(said.at);
    change.version = artifact.as_deref().and_then(version);
    if artifact.is_none() {
        change.summary = Some("the service was removed".to_owned());
    }
    change.artifact = artifact;
    if let Some(custom) = custom {
        own::add(&mut change, custom)?;
    }
    change.check()?;
    Ok(Report::Change(Box::new(change)))
}

/// An environment has no service of its own, so the hook must say whose it is.
fn environment(
    said: &Context,
    custom: Option<&Node<'_>>,
    hook: &Hook,
) -> Result<Report, ConnectError> {
    let Some(name) = hook.service.clone() else {
        let reason = "an environment was modified, and the hook does not say of which service; \
                      add ?service= to its address";
        return Ok(Report::Ignored { reason: reason.to_owned() });
    };
    let (id, kind) = (format!("{SYSTEM}:{} {}", said.source, said.id), ChangeKind::Infrastructure);
    let outcome = ChangeOutcome::Succeeded;
    let mut change = Change::new(id, name, kind, outcome, hook.received, source(said));
    change.environment = Some(said.subject.clone());
    change.finished = Some(said.at);
    if let Some(custom) = custom {
        own::add(&mut change, custom)?;
    }
    change.check()?;
    Ok(Report::Change(Box::new(change)))
}

fn incident(
    said: &Context,
    verb: &str,
    content: &Node<'_>,
    hook: &Hook,
) -> Result<Report, ConnectError> {
    let mut incident = Incident::new(format!("{SYSTEM}:{}", said.subject));
    incident.environment = Some(content.need("environment")?.object()?.need_text("id")?);
    incident.service = match (&hook.service, content.get("service")) {
        (Some(service), _) => Some(service.clone()),
        (None, Some(service)) => Some(service.object()?.need_text("id")?),
        (None, None) => None,
    };
    incident.summary = content.may_sentence("description")?;
    match verb {
        "resolved" => incident.resolved = Some(said.at),
        "reported" => {
            incident.detected = Some(said.at);
            incident.link = Some(content.need_text("ticketURI")?);
        }
        _ => incident.detected = Some(said.at),
    }
    Ok(Report::Incident(Box::new(incident)))
}

/// The version in a package URL: what stands after its `@`, without qualifiers, decoded.
fn version(artifact: &str) -> Option<String> {
    let path = artifact.split(['?', '#']).next().unwrap_or(artifact);
    let (_, version) = path.rsplit_once('@')?;
    let mut bytes = Vec::with_capacity(version.len());
    let mut rest = version.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = (first == b'%').then(|| after.get(..2)).flatten();
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok().filter(|version| !version.is_empty())
}
