//! Envoy's fault filter: by runtime keys, or by headers that callers send.
//!
//! *Runtime keys* reach whatever traffic passes the filter. Envoy's admin interface changes them when it has a layer
//! for that (`admin_layer: {}`), all keys of one request at once. They stay until they are removed: a guard is
//! needed. A whole number is a percentage there, whatever denominator the filter has, so shares are written as
//! `FractionalPercent` in millionths.
//!
//! *Headers* reach the requests that carry them, and end with whoever sends them. Callers ask for a [`lease`] and
//! send what it says until it is over; a server that died renews none.
//!
//! Source: Envoy, "Fault Injection" (`configuration/http/http_filters/fault_filter`), "Runtime"
//! (`configuration/operations/runtime`) and "Administration interface", `/runtime_modify`; tried with Envoy 1.40.

use flyball_govern::drill::Fault;
use flyball_model::{Duration, Timestamp};
use serde_json::{Value, json};

use super::{Ask, DrillError, Injection};
use crate::notify::segment;

/// For how long callers may send headers before they ask again.
pub const LEASE: Duration = Duration::from_seconds(3);
/// What Envoy's own keys begin with.
const OWN: &str = "fault.http";
/// The parts of a share.
const MILLION: u128 = 1_000_000;

/// The keys of an injection, each with its value.
fn keys(runtime: &str, injection: &Injection<'_>) -> Result<[(String, String); 2], DrillError> {
    let (share, what, value) = match injection.fault {
        Fault::Abort { status } => {
            let (share, value) = if runtime == OWN {
                ("abort.abort_percent", "abort.http_status")
            } else {
                ("abort_percent", "abort_status")
            };
            (share, value, status.to_string())
        }
        Fault::Delay { by } => {
            let (share, value) = if runtime == OWN {
                ("delay.fixed_delay_percent", "delay.fixed_duration_ms")
            } else {
                ("delay_percent", "delay_ms")
            };
            (share, value, (by.nanos() / 1_000_000).to_string())
        }
        fault => return Err(unknown(fault)),
    };
    let parts = u128::from(injection.share.numerator()) * MILLION
        / u128::from(injection.share.denominator());
    let parts = json!({ "numerator": parts, "denominator": "MILLION" }).to_string();
    Ok([(format!("{runtime}.{share}"), parts), (format!("{runtime}.{what}"), value)])
}

fn unknown(fault: Fault) -> DrillError {
    DrillError::Fault { system: "envoy", fault: fault.kind(), can: "abort or delay" }
}

fn modify(url: &str, keys: impl Iterator<Item = (String, String)>) -> Ask {
    let pairs: Vec<String> =
        keys.map(|(key, value)| format!("{}={}", segment(&key), segment(&value))).collect();
    let url = format!("{}/runtime_modify?{}", url.trim_end_matches('/'), pairs.join("&"));
    Ask::new("POST", url, String::new())
}

/// What injects a fault by the admin interface at `url`, by keys that begin with `runtime`.
///
/// # Errors
///
/// [`DrillError::Fault`] for what the filter cannot do.
pub fn begin(url: &str, runtime: &str, injection: &Injection<'_>) -> Result<Ask, DrillError> {
    Ok(modify(url, keys(runtime, injection)?.into_iter()))
}

/// What takes it away: the filter is as its configuration says.
///
/// # Errors
///
/// As [`begin`].
pub fn end(url: &str, runtime: &str, injection: &Injection<'_>) -> Result<Ask, DrillError> {
    let keys = keys(runtime, injection)?;
    Ok(modify(url, keys.into_iter().map(|(key, _)| (key, String::new()))))
}

/// What asks whether the fault is there.
pub fn look(url: &str) -> Ask {
    Ask::new("GET", format!("{}/runtime", url.trim_end_matches('/')), String::new())
}

/// Whether the answer to [`look`] says that the fault is there; `None` when it says nothing of the kind.
pub fn is_there(answer: &[u8], runtime: &str, injection: &Injection<'_>) -> Option<bool> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let entries = answer.as_object()?.get("entries");
    let [(share, _), _] = keys(runtime, injection).ok()?;
    let value = entries.and_then(|entries| entries.get(&share));
    Some(value.is_some_and(|value| value["final_value"].as_str().is_some_and(|of| !of.is_empty())))
}

/// The headers that make the filter inject a fault into a request.
///
/// The share is a header as well, in whole per cents of a filter whose denominator is a hundred, and at most what the
/// filter allows.
///
/// # Errors
///
/// [`DrillError::Fault`] for what the filter cannot do, [`DrillError::Share`] for a share that is no whole per cent.
pub fn headers(injection: &Injection<'_>) -> Result<[(&'static str, String); 2], DrillError> {
    let (name, value, share) = match injection.fault {
        Fault::Abort { status } => (
            "x-envoy-fault-abort-request",
            status.to_string(),
            "x-envoy-fault-abort-request-percentage",
        ),
        Fault::Delay { by } => (
            "x-envoy-fault-delay-request",
            (by.nanos() / 1_000_000).to_string(),
            "x-envoy-fault-delay-request-percentage",
        ),
        fault => return Err(unknown(fault)),
    };
    let scaled = u128::from(injection.share.numerator()) * 100;
    let whole = u128::from(injection.share.denominator());
    if scaled == 0 || !scaled.is_multiple_of(whole) {
        return Err(DrillError::Share { system: "envoyHeaders", share: injection.share });
    }
    Ok([(name, value), (share, (scaled / whole).to_string())])
}

/// What a caller is told that asks which headers to send now: none without a drill.
///
/// # Errors
///
/// As [`headers`].
pub fn lease(injection: Option<&Injection<'_>>, now: Timestamp) -> Result<Value, DrillError> {
    let mut sent = serde_json::Map::new();
    if let Some(injection) = injection {
        let headers = headers(injection)?.into_iter();
        sent.extend(headers.map(|(name, value)| (name.to_owned(), Value::String(value))));
    }
    Ok(json!({
        "drill": injection.map(|injection| injection.key),
        "headers": sent,
        "until": now.plus(LEASE),
    }))
}
