//! Drills: published numbers, a naive second computation, and every way in which one ends.

mod documents;
mod doses;
mod ends;
mod reports;

use super::*;

use serde_json::{Value, json};

/// A drill that takes all of a service down, as a document says it.
fn text() -> Value {
    json!({
        "description": "The lock service is down for a while.",
        "service": "locks",
        "slo": "answered",
        "reserve": "0%",
        "longest": "1h",
        "fault": {"kind": "down"},
        "via": {"kind": "toxiproxy", "url": "http://127.0.0.1:8474", "proxy": "locks"},
        "hours": {"days": ["mon", "tue", "wed", "thu"], "from": "10:00", "to": "16:00", "timeZone": "Europe/Berlin"},
        "nearEnd": "14d",
    })
}

fn read(text: &Value) -> Drill {
    Drill::new("locks-down", serde_json::from_value(text.clone()).unwrap()).unwrap()
}

fn with(changes: &[(&str, Value)]) -> Drill {
    let mut text = text();
    for (name, value) in changes {
        text[name] = value.clone();
    }
    read(&text)
}
