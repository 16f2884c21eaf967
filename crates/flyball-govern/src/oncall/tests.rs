//! Rotas against published cases, properties and a naive second implementation.

mod documents;
mod escalation;
mod excepted;
mod exceptions;
mod fairness;
mod goalert;
mod load;
mod past;
mod properties;

use flyball_model::{Interval, Timestamp};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;

/// The instant of a text with an offset.
fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The instant at which clocks in `zone` show `civil`.
fn local(civil: &str, zone: &str) -> Timestamp {
    let zone = TimeZone::get(zone).unwrap();
    weekly::instant(civil.parse().unwrap(), &zone).unwrap()
}

fn span(start: &str, end: &str) -> Interval {
    Interval::new(at(start), at(end)).unwrap()
}

/// A rota of its `spec`.
fn rota(spec: Value) -> Rota {
    Rota::new("payments", serde_json::from_value(spec).unwrap()).unwrap()
}

/// Members who can always be called.
fn members(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name, "side": "developers"})).collect()
}

/// `mon`…`sun` where `filter`, from Sunday on as `GoAlert` writes it, has a one.
fn weekdays(filter: [u8; 7]) -> Vec<&'static str> {
    let days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    days.into_iter().zip(filter).filter(|(_, is)| *is == 1).map(|(day, _)| day).collect()
}

/// Shifts in short: who, from, to, and whether it goes on.
fn brief(shifts: &[Shift]) -> Vec<(String, String, String, bool)> {
    let text =
        |of: &Shift| (of.who.clone(), of.start.to_string(), of.end.to_string(), of.continues);
    shifts.iter().map(text).collect()
}
