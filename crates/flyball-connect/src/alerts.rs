//! Alerts of others: what Prometheus sends to an Alertmanager, and what Alertmanager sends on.

use std::collections::BTreeMap;

use flyball_govern::alert::ForeignAlert;
use flyball_model::{Duration, Timestamp};
use serde_json::Value;

use crate::BODY_BYTES_MAX;
use crate::error::ConnectError;
use crate::fields::{Body, Node};

/// How long an alert without an end is taken to fire when nothing more is heard of it.
///
/// Source: Alertmanager's default of `resolve_timeout`.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_minutes(5);
/// The same for what Alertmanager sends on, which says so when it is over and repeats itself every four
/// hours unless told otherwise.
pub const FORWARDED_TIMEOUT: Duration = Duration::from_hours(24);
/// The most labels or annotations of one alert.
const LABELS_MAX: usize = 64;
/// The longest label or annotation that is kept, in bytes; of a longer one the beginning is.
const TEXT_BYTES_MAX: usize = 4_096;
/// How Go writes that there is no time.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Reads what Prometheus posts to `/api/v2/alerts`: a list of alerts.
///
/// # Errors
///
/// [`ConnectError`] when it is not of the format; none of the alerts is read then.
pub fn posted_alerts(body: &[u8], now: Timestamp) -> Result<Vec<ForeignAlert>, ConnectError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(ConnectError::Large { bytes: body.len() });
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ConnectError::Json { problem: error.to_string() })?;
    let Some(entries) = value.as_array() else {
        let problem = "it is not a list of alerts".to_owned();
        return Err(ConnectError::Json { problem });
    };
    let entries = entries.iter().enumerate();
    let node = |(number, entry)| Node::inside(entry, format!("[{number}]"));
    entries.map(node).map(|entry| read(&entry, now, RESOLVE_TIMEOUT)).collect()
}

/// Reads Alertmanager's webhook, version 4: the alerts of one group.
///
/// # Errors
///
/// [`ConnectError`] when it is not of the format; none of the alerts is read then.
pub fn forwarded_alerts(body: &[u8], now: Timestamp) -> Result<Vec<ForeignAlert>, ConnectError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(ConnectError::Large { bytes: body.len() });
    }
    let body = Body::parse(body)?;
    let root = body.root();
    let version = root.need_text("version")?;
    if version != "4" {
        let problem = format!("is `{version}`");
        return Err(ConnectError::field_of("version", &problem, "version 4 is understood"));
    }
    root.need("alerts")?;
    let alerts = root.list("alerts")?;
    alerts.iter().map(|entry| read(entry, now, FORWARDED_TIMEOUT)).collect()
}

/// Reads one alert, with Alertmanager's rules for what is left out.
fn read(entry: &Node<'_>, now: Timestamp, timeout: Duration) -> Result<ForeignAlert, ConnectError> {
    let entry = entry.clone().object()?;
    let labels = texts(&entry, "labels")?;
    if labels.is_empty() {
        let hint = "an alert is known by its labels; give it at least one";
        return Err(ConnectError::field_of(entry.path_of("labels"), "has no label", hint));
    }
    let told = time(&entry, "endsAt")?;
    let starts = time(&entry, "startsAt")?.or(told).unwrap_or(now);
    let ends = told.unwrap_or_else(|| now.plus(timeout));
    if ends < starts {
        let hint = "let it be later than `startsAt`, or leave it out";
        return Err(ConnectError::field_of(entry.path_of("endsAt"), "is before the start", hint));
    }
    let annotations = texts(&entry, "annotations")?;
    let generator = entry.may_sentence("generatorURL")?;
    Ok(ForeignAlert { labels, annotations, starts, ends, generator })
}

fn time(entry: &Node<'_>, key: &str) -> Result<Option<Timestamp>, ConnectError> {
    let is_none = entry.get(key).is_some_and(|node| node.value().as_str() == Some(NO_TIME));
    if is_none { Ok(None) } else { entry.may_time(key) }
}

/// The texts of an object, without empty ones: to Prometheus an empty label is none.
fn texts(entry: &Node<'_>, key: &str) -> Result<BTreeMap<String, String>, ConnectError> {
    let Some(node) = entry.get(key) else { return Ok(BTreeMap::new()) };
    let node = node.object()?;
    let mut texts = BTreeMap::new();
    for name in node.keys() {
        let value = node.get(name);
        let Some(text) = value.as_ref().and_then(|value| value.value().as_str()) else {
            return Err(ConnectError::field_of(node.path_of(name), "is no text", "write a text"));
        };
        if !text.is_empty() {
            let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
            texts.insert(name.to_owned(), text.to_owned());
        }
    }
    if texts.len() > LABELS_MAX {
        let problem = format!("has {} entries", texts.len());
        let hint = format!("at most {LABELS_MAX} are kept");
        return Err(ConnectError::field_of(node.path(), &problem, &hint));
    }
    Ok(texts)
}
