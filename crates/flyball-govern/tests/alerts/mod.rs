//! Alerts: what people are told, whatever happens in between.

mod always;
mod cases;
mod steps;

use std::sync::Arc;

use flyball_govern::alert::{Desk, Observed, Pair, Route, Subject};
use flyball_govern::oncall::{Escalation, Rota, Switchboard};
use flyball_model::{Severity, Timestamp};
use serde_json::json;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn subject(number: usize) -> Subject {
    Subject {
        service: format!("shop-{}", number % 2),
        slo: "availability".to_owned(),
        objective: 0,
        slice: (number > 1).then(|| format!("eu-{number}")),
    }
}

/// The rules of every subject: of each severity two.
const RULES: [(&str, Severity); 4] = [
    ("fast", Severity::Page),
    ("medium", Severity::Page),
    ("slow", Severity::Ticket),
    ("drip", Severity::Ticket),
];

fn pair(rule: usize, start: Timestamp, end: Option<Timestamp>) -> Pair {
    Pair {
        rule: RULES[rule].0.to_owned(),
        severity: RULES[rule].1,
        start,
        end,
        onset: start,
        spell_end: None,
        valid: 100,
        good: 40,
        bad: 60,
        factor: Some(14.4),
        burn: 600.0,
        burn_peak: 600.0,
        spent_in_lookback: 0.8,
        spent_in_window: None,
    }
}

fn fired(rule: usize, start: Timestamp) -> Observed {
    Observed::Fired(pair(rule, start, None))
}

fn resolved(rule: usize, start: Timestamp, end: Timestamp) -> Observed {
    Observed::Resolved(pair(rule, start, Some(end)))
}

fn route(target: &str, severity_min: Severity) -> Route {
    let target = target.to_owned();
    let (services, matchers) = (Vec::new(), Vec::new());
    Route { target, severity_min, services, matchers, announces: false }
}

/// A desk with one target for everything and one for pages.
fn desk() -> Desk {
    let mut desk = Desk::default();
    let chat = Route { announces: true, ..route("chat", Severity::Ticket) };
    desk.route(vec![chat, route("pager", Severity::Page)], at(0)).unwrap();
    desk
}

/// `shop-0` calls Ada, after a minute Bo, who has no target of his own, after two Cy; and all that once again.
fn board() -> Arc<Switchboard> {
    let rota = |who: &str, target: Option<&str>| {
        let spec = json!({
            "members": [{"name": who, "side": "developers", "target": target}],
            "layers": [{"name": "first", "members": [who],
                "rotation": {"unit": "week", "start": "2026-01-05T09:00"}}],
        });
        Rota::new(who, serde_json::from_value(spec).unwrap()).unwrap()
    };
    let level = |who: &str, wait: &str| json!({"name": who, "side": "developers", "rota": who, "wait": wait});
    let spec = json!({
        "services": ["shop-0"], "repeat": 1,
        "levels": [level("ada", "1m"), level("bo", "1m"), level("cy", "2m")],
    });
    let chain = Escalation::new("shop", serde_json::from_value(spec).unwrap()).unwrap();
    let rotas = [("ada", Some("ada-phone")), ("bo", None), ("cy", Some("cy-phone"))];
    let rotas = rotas.map(|(who, target)| rota(who, target));
    Arc::new(Switchboard::new(rotas, [chain], []))
}

/// A [`desk`] that calls people, who have targets of their own.
fn calling() -> Desk {
    let mut desk = desk();
    let own = ["ada-phone", "cy-phone"].map(|target| route(target, Severity::Ticket));
    let routes = desk.routes().iter().cloned().chain(own).collect();
    desk.route(routes, at(0)).unwrap();
    desk.call_by(board(), at(0));
    desk
}
