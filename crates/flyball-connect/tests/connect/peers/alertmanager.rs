//! Alertmanager receives, groups, silences and lets go of alerts.

use flyball_connect::forwarded_alerts;
use flyball_connect::notify::{Receiver, Sender, judge, request};
use flyball_govern::alert::{Desk, Facts, Foreign, Observed, Outcome, Pair, Retry, Route, Subject};
use flyball_model::{Duration, Severity, Timestamp};
use serde_json::{Value, json};

use super::{PATIENCE, Peer, free_address, listen, now, send};

fn pair(rule: &str, severity: Severity, start: Timestamp, end: Option<Timestamp>) -> Pair {
    Pair {
        rule: rule.to_owned(),
        severity,
        start,
        end,
        onset: start,
        spell_end: None,
        valid: 100,
        good: 50,
        bad: 50,
        factor: None,
        burn: 500.0,
        burn_peak: 500.0,
        spent_in_lookback: 0.7,
        spent_in_window: None,
    }
}

/// A desk that tells one Alertmanager.
struct Teller {
    desk: Desk,
    receiver: Receiver,
}

impl Teller {
    fn see(&mut self, of: usize, seen: Observed) {
        let slice = ["eu", "us"][of].to_owned();
        let subject = Subject {
            service: "shop".to_owned(),
            slo: "availability".to_owned(),
            objective: 0,
            slice: Some(slice),
        };
        self.desk.observe(&subject, vec![seen], &Facts::default(), now());
    }

    /// Tells everything that waits; how many notices that were.
    fn tell(&mut self) -> usize {
        let mut count = 0;
        loop {
            let begun = self.desk.begin(now(), 100, usize::MAX);
            if begun.is_empty() {
                return count;
            }
            for notice in begun {
                let sender = Sender { origin: "http://flyball.example", now: now() };
                let made = request(&self.receiver, &notice, &sender).unwrap();
                let (status, body) = send("POST", made.address(), &made.headers, &made.body);
                let outcome = judge(status, None, &body, now());
                assert_eq!(outcome, Outcome::Delivered);
                self.desk.settle(notice.id, outcome, now(), &Retry::default());
                count += 1;
            }
        }
    }
}

fn get(url: &str) -> Value {
    let (status, body) = send("GET", url, &[], b"");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

/// Slice and severity of each alert.
fn rows(alerts: &Value) -> Vec<(String, String)> {
    let text = |alert: &Value, label: &str| alert["labels"][label].as_str().unwrap().to_owned();
    let alerts = alerts.as_array().unwrap().iter();
    let mut rows: Vec<_> =
        alerts.map(|alert| (text(alert, "slice"), text(alert, "severity"))).collect();
    rows.sort();
    rows
}

fn row(slice: &str, severity: &str) -> (String, String) {
    (slice.to_owned(), severity.to_owned())
}

#[test]
fn it_receives_groups_silences_and_lets_go() {
    let directory = tempfile::tempdir().unwrap();
    let (hook, forwarded) = listen();
    let config = directory.path().join("alertmanager.yml");
    let text = format!(
        "route:\n  receiver: back\n  group_by: [service]\n  group_wait: 100ms\n  \
         group_interval: 500ms\n  repeat_interval: 1h\nreceivers:\n- name: back\n  \
         webhook_configs:\n  - url: http://{hook}/forwarded\n    send_resolved: true\n"
    );
    std::fs::write(&config, text).unwrap();
    let address = free_address();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.path={}", directory.path().join("data").display()),
        format!("--web.listen-address={address}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let _alertmanager = Peer::start("prometheus-alertmanager", &arguments, "msg=\"Listening on\"");
    let url = format!("http://{address}");
    let mut desk = Desk::default();
    let target = "alertmanager".to_owned();
    let severity_min = Severity::Ticket;
    let route = Route {
        target,
        severity_min,
        services: Vec::new(),
        matchers: Vec::new(),
        announces: false,
    };
    desk.route(vec![route], now()).unwrap();
    let mut teller =
        Teller { desk, receiver: Receiver::Alertmanager { url: url.clone(), bearer: None } };
    let mut foreign = Foreign::default();
    let mut until = |wanted: &[(&str, &str)]| {
        // What Alertmanager sends on, until it agrees.
        loop {
            let (path, body) = forwarded.recv_timeout(PATIENCE).unwrap();
            assert_eq!(path, "/forwarded");
            foreign.take(forwarded_alerts(&body, now()).unwrap(), now());
            let groups = foreign.groups(&["service"], now());
            let alerts = groups.values().flatten();
            let label = |labels: &std::collections::BTreeMap<String, String>, name: &str| {
                labels[name].clone()
            };
            let mut told: Vec<_> = alerts
                .map(|alert| (label(&alert.labels, "slice"), label(&alert.labels, "severity")))
                .collect();
            told.sort();
            let wanted = wanted.iter().map(|(slice, severity)| row(slice, severity));
            if groups.len() <= 1 && told == wanted.collect::<Vec<_>>() {
                return;
            }
        }
    };

    // Two slices: two alerts in one group.
    let start = now();
    let slow = |end| pair("slow", Severity::Ticket, start, end);
    teller.see(0, Observed::Fired(slow(None)));
    teller.see(1, Observed::Fired(slow(None)));
    assert_eq!(teller.tell(), 2);
    let two = [row("eu", "ticket"), row("us", "ticket")];
    assert_eq!(rows(&get(&format!("{url}/api/v2/alerts"))), two);
    let groups = get(&format!("{url}/api/v2/alerts/groups"));
    assert_eq!(groups.as_array().unwrap().len(), 1);
    assert_eq!(groups[0]["labels"], json!({ "service": "shop" }));
    until(&[("eu", "ticket"), ("us", "ticket")]);

    // One becomes a page: it is a ticket no more.
    let fast_start = start.plus(Duration::from_nanos(1_000_000).unwrap());
    let fast = |end| pair("fast", Severity::Page, fast_start, end);
    teller.see(0, Observed::Fired(fast(None)));
    assert_eq!(teller.tell(), 1);
    until(&[("eu", "page"), ("us", "ticket")]);
    let one = [row("eu", "page"), row("us", "ticket")];
    assert_eq!(rows(&get(&format!("{url}/api/v2/alerts"))), one);

    // Silenced there by its label.
    let silence = json!({
        "matchers": [{ "name": "slice", "value": "eu", "isRegex": false, "isEqual": true }],
        "startsAt": now(),
        "endsAt": now().plus(Duration::from_hours(1)),
        "createdBy": "ana",
        "comment": "moving the database",
    });
    let headers = [("content-type", "application/json".to_owned())];
    let made =
        send("POST", &format!("{url}/api/v2/silences"), &headers, silence.to_string().as_bytes());
    assert_eq!(made.0, 200, "{}", String::from_utf8_lossy(&made.1));
    let unsilenced = get(&format!("{url}/api/v2/alerts?silenced=false"));
    assert_eq!(rows(&unsilenced), [row("us", "ticket")]);

    // Over, here and there.
    let end = Some(now());
    teller.see(0, Observed::Resolved(fast(end)));
    teller.see(0, Observed::Resolved(slow(end)));
    teller.see(1, Observed::Resolved(slow(end)));
    assert!(teller.tell() >= 2);
    assert_eq!(rows(&get(&format!("{url}/api/v2/alerts"))), []);
}
