//! Alertmanager's API v2: `POST /api/v2/alerts`.
//!
//! Alertmanager knows an alert by its labels, and takes it to be over at its `endsAt` unless it hears of
//! it again. A severity is a label, so an alert that escalates ends as a ticket and begins as a page.

use flyball_govern::alert::{Act, Alert, Notice, TransitionKind};
use flyball_model::{Duration, Severity, Timestamp};
use serde_json::{Map, Value, json};

use super::{Request, Secret, Sender, of_alert, text};

/// How often Alertmanager is told again of what fires.
pub const REFRESH_EVERY: Duration = Duration::from_minutes(1);
/// How long Alertmanager takes an alert to fire when it hears no more of it: long enough for this
/// server to be upgraded, since what is not heard of is not over.
pub const ALERTS_LAST: Duration = Duration::from_hours(1);
/// The most alerts of one request: about a megabyte.
pub const REFRESH_ALERTS_MAX: usize = 500;

pub(super) fn request(
    url: &str,
    bearer: Option<&Secret>,
    notice: &Notice,
    sender: &Sender<'_>,
) -> Option<Request> {
    let (act, alert) = of_alert(notice)?;
    // It has silences of its own, and knows nobody who takes an alert on.
    if act == Act::Acknowledge {
        return None;
    }
    let other = match alert.severity {
        Severity::Page => Severity::Ticket,
        Severity::Ticket => Severity::Page,
    };
    let now = sender.now;
    let (ends, other_ends) = match act {
        Act::Close => (alert.resolved.unwrap_or(now), alert.resolved.unwrap_or(now)),
        Act::Open | Act::Update | Act::Acknowledge => (now.plus(ALERTS_LAST), now),
    };
    let mut bodies = vec![body(alert, alert.severity, ends, sender)];
    // What never fired is not said to be over.
    let had_other = alert
        .transitions
        .iter()
        .any(|step| step.severity == other && step.kind != TransitionKind::Pending);
    if had_other {
        bodies.push(body(alert, other, other_ends, sender));
    }
    Some(post(url, bearer, bodies))
}

/// The requests that tell an Alertmanager again of what it believes to fire, with the severity that it
/// was told last: at most [`REFRESH_ALERTS_MAX`] alerts in each, none when nothing fires.
pub fn refresh<'a>(
    url: &str,
    bearer: Option<&Secret>,
    believed: impl IntoIterator<Item = (&'a Alert, Severity)>,
    sender: &Sender<'_>,
) -> Vec<Request> {
    let ends = sender.now.plus(ALERTS_LAST);
    let believed = believed.into_iter();
    let bodies: Vec<Value> =
        believed.map(|(alert, severity)| body(alert, severity, ends, sender)).collect();
    bodies.chunks(REFRESH_ALERTS_MAX).map(|some| post(url, bearer, some.to_vec())).collect()
}

fn post(url: &str, bearer: Option<&Secret>, bodies: Vec<Value>) -> Request {
    let url = format!("{}/api/v2/alerts", url.trim_end_matches('/'));
    let mut request = Request::json(&url, &Value::Array(bodies));
    let bearer = bearer.map(|token| ("authorization", format!("Bearer {}", token.expose())));
    request.headers.extend(bearer);
    request
}

fn body(alert: &Alert, severity: Severity, ends: Timestamp, sender: &Sender<'_>) -> Value {
    let subject = &alert.subject;
    let mut labels = Map::new();
    let mut label = |name: &str, text: String| labels.insert(name.to_owned(), Value::String(text));
    label("alertname", "ErrorBudgetBurn".to_owned());
    label("service", subject.service.clone());
    label("slo", subject.slo.clone());
    label("objective", subject.objective.to_string());
    if let Some(slice) = &subject.slice {
        label("slice", slice.clone());
    }
    label("severity", text::severity(severity).to_owned());
    label("source", "flyball".to_owned());
    let mut annotations = Map::new();
    let mut annotate = |name: &str, text: String| {
        annotations.insert(name.to_owned(), Value::String(text));
    };
    annotate("summary", text::about(subject));
    annotate("description", text::plain(&text::alert_lines(alert, sender)));
    let links = &alert.facts.links;
    for (name, link) in [("runbook_url", &links.runbook), ("dashboard_url", &links.dashboard)] {
        if let Some(link) = link {
            annotate(name, link.clone());
        }
    }
    json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": alert.fired.unwrap_or(alert.opened).min(ends),
        "endsAt": ends,
        "generatorURL": sender.link(alert),
    })
}
