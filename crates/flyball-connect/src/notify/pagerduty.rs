//! `PagerDuty`'s Events API v2.

use flyball_govern::alert::{Act, Notice};
use flyball_model::Severity;
use serde_json::{Map, Value, json};

use super::{Request, Secret, Sender, cut, of_alert, text};

/// The longest summary, in bytes of at most as many characters as `PagerDuty` takes.
const SUMMARY_BYTES_MAX: usize = 1_024;

pub(super) fn request(
    url: &str,
    routing_key: &Secret,
    notice: &Notice,
    sender: &Sender<'_>,
) -> Option<Request> {
    let (act, alert) = of_alert(notice)?;
    let mut body = json!({
        "routing_key": routing_key.expose(),
        "event_action": match act {
            Act::Open | Act::Update => "trigger",
            Act::Acknowledge => "acknowledge",
            Act::Close => "resolve",
        },
        "dedup_key": sender.key(alert),
    });
    if matches!(act, Act::Open | Act::Update) {
        let lines = text::lines(notice, sender);
        let mut details = Map::new();
        for line in &lines {
            let text = details.entry(line.name).or_insert_with(|| json!(""));
            let before = text.as_str().filter(|before| !before.is_empty());
            let joined = before.map_or(line.text.clone(), |it| format!("{it}\n{}", line.text));
            *text = Value::String(joined);
        }
        let links = lines.iter().filter_map(|line| {
            line.link.as_ref().map(|link| json!({ "href": link, "text": line.name }))
        });
        body["links"] = links.collect();
        body["client"] = json!("Flyball");
        body["client_url"] = json!(sender.link(alert));
        body["payload"] = json!({
            "summary": cut(&text::title(notice), SUMMARY_BYTES_MAX),
            "source": alert.subject.service,
            "severity": match alert.severity {
                Severity::Page => "critical",
                Severity::Ticket => "warning",
            },
            "timestamp": alert.fired.unwrap_or(alert.opened),
            "component": alert.subject.slo,
            "group": alert.subject.service,
            "class": "error budget",
            "custom_details": details,
        });
    }
    Some(Request::json(url, &body))
}
