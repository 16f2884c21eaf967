//! Messages that somebody damaged: never a panic, and what is read can be kept.

use flyball_connect::{
    DELIVERY_BYTES_MAX, Format, Headers, Report, forwarded_alerts, posted_alerts, read,
};
use flyball_govern::alert::ForeignAlert;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{data, headers, hook, json_files, now};

fn formats() -> [Format; 8] {
    [
        Format::Own,
        Format::CdEvents,
        Format::GitHub,
        Format::GitLab,
        Format::ArgoCd,
        Format::Flux,
        Format::DevLakeDeployment,
        Format::DevLakeIssue,
    ]
}

fn holds(headers: &Headers, body: &[u8]) {
    for read in [posted_alerts, forwarded_alerts] {
        match read(body, now()) {
            Ok(alerts) => {
                let is_alert =
                    |alert: &ForeignAlert| !alert.labels.is_empty() && alert.starts <= alert.ends;
                assert!(alerts.iter().all(is_alert));
            }
            Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
        }
    }
    for format in formats() {
        let received = read(&format, headers, body, &hook());
        assert_eq!(received, read(&format, headers, body, &hook()), "read twice");
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                assert!(!error.to_string().is_empty() && !error.hint().is_empty());
                continue;
            }
        };
        assert!(!received.reports.is_empty());
        for report in &received.reports {
            if let Report::Change(change) = report {
                assert_eq!(change.check(), Ok(()));
            }
        }
    }
}

/// Every place of a document, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                places(inner, &format!("{at}/{}", escape(key)), found);
            }
        }
        Value::Array(entries) => {
            for (number, inner) in entries.iter().enumerate() {
                places(inner, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

fn events() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["deployment", "deployment_status", "workflow_run", "push"])
}

fn messages() -> Vec<Value> {
    ["github", "cdevents/v0.3.0", "cdevents/v0.6-draft"]
        .iter()
        .flat_map(|directory| json_files(&data().join(directory)))
        .map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
        .chain(alerts())
        .collect()
}

/// What Prometheus posts, and what Alertmanager forwards.
fn alerts() -> [Value; 2] {
    let alert = json!({
        "labels": { "alertname": "Down", "job": "api" },
        "annotations": { "summary": "it is down" },
        "startsAt": "2026-03-01T11:58:28.123Z",
        "endsAt": "2026-03-01T12:03:58.123Z",
        "generatorURL": "http://prometheus:9090/graph",
    });
    [json!([alert]), json!({ "version": "4", "status": "firing", "alerts": [alert] })]
}

proptest! {
    #[test]
    fn any_value_in_any_place(
        message in prop::sample::select(messages()),
        place in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![
            Value::Null, true.into(), 0.into(), (-1).into(), 1e300.into(), "".into(), "x".into(),
            "é".repeat(1_024).into(), "0001-01-01T00:00:00Z".into(), "9999-12-31T23:59:59Z".into(),
            Value::Array(vec![]), Value::Object(serde_json::Map::new()),
        ]),
        event in events(),
    ) {
        let mut found = Vec::new();
        places(&message, "", &mut found);
        let mut damaged = message;
        *damaged.pointer_mut(&found[place.index(found.len())]).unwrap() = value;
        let sent = headers(&[("x-github-event", event), ("x-github-delivery", "1")]);
        holds(&sent, damaged.to_string().as_bytes());
    }

    #[test]
    fn any_cut(message in prop::sample::select(messages()), at in any::<prop::sample::Index>()) {
        let text = message.to_string();
        holds(&Headers::default(), &text.as_bytes()[..at.index(text.len())]);
    }

    #[test]
    fn any_bytes(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        holds(&Headers::default(), &body);
    }
}

#[test]
fn deliveries_have_short_names() {
    let long = "x".repeat(DELIVERY_BYTES_MAX + 1);
    let sent = headers(&[("x-github-event", "ping"), ("x-github-delivery", &long)]);
    let error = read(&Format::GitHub, &sent, b"{}", &hook()).unwrap_err();
    assert!(error.to_string().contains("1025 bytes"), "{error}");
}
