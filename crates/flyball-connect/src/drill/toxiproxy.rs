//! Toxiproxy: toxics are added to a proxy and removed by its HTTP API.
//!
//! A toxic's `toxicity` is the share of *connections* that it reaches, not of requests: clients that keep few
//! connections open are hit all or not at all. A toxic has no end of its own; a guard is needed. Whatever speaks this
//! API may stand in its place.
//!
//! Source: Shopify/toxiproxy, README.md, "Toxics" and "HTTP API", and api.go for the statuses.

use flyball_govern::drill::Fault;
use serde_json::{Value, json};

use super::{Ask, DrillError, Injection};
use crate::notify::segment;

/// The longest name of a toxic that is made; keys are cut, and stay unique by their beginnings.
const NAME_CHARS_MAX: usize = 128;
/// What there is already.
const CONFLICT: u16 = 409;
/// What is gone already.
const NOT_FOUND: u16 = 404;

/// The name of the toxic of a drill.
pub fn toxic_name(key: &str) -> String {
    let name: String = key.chars().take(NAME_CHARS_MAX).collect();
    format!("flyball-{name}")
}

/// What injects a fault into the proxy called `proxy` at `url`.
///
/// # Errors
///
/// [`DrillError::Fault`] for a fault of HTTP: Toxiproxy does not read what it carries.
pub fn begin(url: &str, proxy: &str, injection: &Injection<'_>) -> Result<Ask, DrillError> {
    let (kind, attributes) = match injection.fault {
        Fault::Down => return Ok(enabled(url, proxy, false)),
        // Toxiproxy counts whole milliseconds.
        Fault::Delay { by } => {
            ("latency", json!({ "latency": by.nanos() / 1_000_000, "jitter": 0 }))
        }
        Fault::Reset => ("reset_peer", json!({ "timeout": 0 })),
        Fault::Hang => ("timeout", json!({ "timeout": 0 })),
        Fault::Abort { .. } => {
            let can = "delay, reset, hang or down";
            return Err(DrillError::Fault { system: "toxiproxy", fault: "abort", can });
        }
    };
    let body = json!({
        "name": toxic_name(injection.key),
        "type": kind,
        "stream": "downstream",
        "toxicity": injection.share.to_f64(),
        "attributes": attributes,
    });
    let mut ask = Ask::new("POST", format!("{}/toxics", address(url, proxy)), body.to_string());
    ask.as_good = vec![CONFLICT];
    Ok(ask)
}

/// What takes it away; also when it was never there, or the proxy is gone.
pub fn end(url: &str, proxy: &str, injection: &Injection<'_>) -> Ask {
    let mut ask = if injection.fault == Fault::Down {
        enabled(url, proxy, true)
    } else {
        let name = segment(&toxic_name(injection.key));
        Ask::new("DELETE", format!("{}/toxics/{name}", address(url, proxy)), String::new())
    };
    ask.as_good = vec![NOT_FOUND];
    ask
}

/// What asks whether the fault is there.
pub fn look(url: &str, proxy: &str) -> Ask {
    Ask::new("GET", address(url, proxy), String::new())
}

/// Whether the answer to [`look`] says that the fault is there; `None` when it says nothing of the kind.
pub fn is_there(answer: &[u8], injection: &Injection<'_>) -> Option<bool> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    if injection.fault == Fault::Down {
        return answer["enabled"].as_bool().map(|is_enabled| !is_enabled);
    }
    let name = toxic_name(injection.key);
    let toxics = answer["toxics"].as_array()?;
    Some(toxics.iter().any(|toxic| toxic["name"] == *name))
}

fn enabled(url: &str, proxy: &str, is_enabled: bool) -> Ask {
    Ask::new("POST", address(url, proxy), json!({ "enabled": is_enabled }).to_string())
}

fn address(url: &str, proxy: &str) -> String {
    format!("{}/proxies/{}", url.trim_end_matches('/'), segment(proxy))
}
