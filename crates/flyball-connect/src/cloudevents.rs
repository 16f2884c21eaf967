//! CloudEvents 1.0 over HTTP: attributes in headers beside the data, or both in one object.

use serde_json::Value;

use crate::error::ConnectError;
use crate::fields::{Body, Node};
use crate::headers::Headers;

/// The one version of the envelope.
const SPECVERSION: &str = "1.0";

/// An event without its envelope.
pub(crate) struct Event<'a> {
    /// What it holds.
    pub(crate) data: Node<'a>,
    /// What the envelope says of type, id and source; `None` for what it leaves out.
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) source: Option<String>,
}

/// Takes the envelope off: structured mode by its content type, binary mode by its headers; a body
/// with neither is the data itself.
pub(crate) fn open<'a>(headers: &Headers, body: &'a Body) -> Result<Event<'a>, ConnectError> {
    let content = headers.get("content-type").unwrap_or_default().to_ascii_lowercase();
    let media = content.split(';').next().unwrap_or_default().trim();
    if media.starts_with("application/cloudevents-batch") {
        return Err(ConnectError::Header {
            header: "content-type",
            problem: "names a batch".to_owned(),
            hint: "send one event a request".to_owned(),
        });
    }
    if media.starts_with("application/cloudevents") {
        return structured(&body.root());
    }
    if let Some(version) = headers.get("ce-specversion") {
        if version != SPECVERSION {
            return Err(ConnectError::Header {
                header: "ce-specversion",
                problem: format!("is `{version}`"),
                hint: format!("CloudEvents {SPECVERSION} is understood"),
            });
        }
        let header = |name: &'static str| {
            headers.get(name).map(str::to_owned).ok_or_else(|| ConnectError::Header {
                header: name,
                problem: "is missing".to_owned(),
                hint: "CloudEvents in binary mode requires it".to_owned(),
            })
        };
        return Ok(Event {
            data: body.root(),
            kind: Some(header("ce-type")?),
            id: Some(header("ce-id")?),
            source: Some(header("ce-source")?),
        });
    }
    Ok(Event { data: body.root(), kind: None, id: None, source: None })
}

fn structured<'a>(root: &Node<'a>) -> Result<Event<'a>, ConnectError> {
    let version = root.need_text("specversion")?;
    if version != SPECVERSION {
        let hint = format!("CloudEvents {SPECVERSION} is understood");
        return Err(ConnectError::field_of("specversion", &format!("is `{version}`"), &hint));
    }
    if root.get("data_base64").is_some() {
        let hint = "send the event as JSON under `data`";
        return Err(ConnectError::field_of("data_base64", "is not read", hint));
    }
    let (kind, id, source) =
        (root.need_text("type")?, root.need_text("id")?, root.need_text("source")?);
    let data = root.need("data")?;
    if matches!(data.value(), Value::String(_)) {
        let hint = "send it as an object, with `datacontenttype` application/json";
        return Err(ConnectError::field_of("data", "is a text", hint));
    }
    Ok(Event { data: data.object()?, kind: Some(kind), id: Some(id), source: Some(source) })
}
