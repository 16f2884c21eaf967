//! Alerts of others, as Prometheus and Alertmanager write them.

use flyball_connect::{
    ConnectError, FORWARDED_TIMEOUT, RESOLVE_TIMEOUT, forwarded_alerts, posted_alerts,
};
use flyball_model::Timestamp;

use crate::now;

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn as_prometheus_posts_them() {
    // The body of Prometheus 2.42: times in milliseconds, the generator last.
    let body = br#"[{"annotations":{"summary":"instance is down"},
        "endsAt":"2026-03-01T12:03:58.123Z","startsAt":"2026-03-01T11:58:28.123Z",
        "generatorURL":"http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
        "labels":{"alertname":"Down","instance":"api:80","job":"api","empty":""}},
        {"labels":{"alertname":"Bare"}}]"#;
    let alerts = posted_alerts(body, now()).unwrap();
    assert_eq!(alerts[0].starts, time("2026-03-01T11:58:28.123Z"));
    assert_eq!(alerts[0].ends, time("2026-03-01T12:03:58.123Z"));
    assert_eq!(alerts[0].labels.len(), 3);
    assert_eq!(alerts[0].annotations["summary"], "instance is down");
    assert!(alerts[0].generator.as_ref().unwrap().starts_with("http://prometheus:9090/"));
    assert_eq!((alerts[1].starts, alerts[1].ends), (now(), now().plus(RESOLVE_TIMEOUT)));
    assert!(posted_alerts(b"[]", now()).unwrap().is_empty());
}

#[test]
fn as_alertmanager_forwards_them() {
    let body = br#"{"receiver":"flyball","status":"firing","version":"4","truncatedAlerts":0,
        "groupKey":"{}:{job=\"api\"}","groupLabels":{"job":"api"},"commonLabels":{},
        "commonAnnotations":{},"externalURL":"http://alertmanager:9093","alerts":[
        {"status":"firing","labels":{"alertname":"Down","job":"api"},"annotations":{},
         "startsAt":"2026-03-01T11:58:28.123Z","endsAt":"0001-01-01T00:00:00Z",
         "generatorURL":"","fingerprint":"f6de7f4a6b3d1e1a"},
        {"status":"resolved","labels":{"alertname":"Slow","job":"api"},"annotations":{},
         "startsAt":"2026-03-01T11:00:00Z","endsAt":"2026-03-01T11:30:00Z",
         "generatorURL":"","fingerprint":"0000000000000000"}]}"#;
    let alerts = forwarded_alerts(body, now()).unwrap();
    assert_eq!(alerts[0].ends, now().plus(FORWARDED_TIMEOUT));
    assert_eq!(alerts[1].ends, time("2026-03-01T11:30:00Z"));
    assert_eq!(alerts[0].generator, None);
}

#[test]
fn what_is_wrong_has_a_place() {
    let field = |body: &str| match posted_alerts(body.as_bytes(), now()).unwrap_err() {
        ConnectError::Field { field, .. } => field,
        other => panic!("{other}"),
    };
    assert_eq!(field(r#"[{"labels":{"a":"b"}},{"labels":{"a":""}}]"#), "[1].labels");
    assert_eq!(field(r#"[{"labels":{"a":1}}]"#), "[0].labels.a");
    assert_eq!(field(r#"[{"labels":{"a":"b"},"startsAt":"noon"}]"#), "[0].startsAt");
    let turned = r#"[{"labels":{"a":"b"},"startsAt":"2026-03-01T11:00:00Z","endsAt":"2026-03-01T10:00:00Z"}]"#;
    assert_eq!(field(turned), "[0].endsAt");
    let is_json =
        |body: &[u8]| matches!(posted_alerts(body, now()), Err(ConnectError::Json { .. }));
    assert!(is_json(b"{}") && is_json(b"[") && is_json(b""));
    let version = forwarded_alerts(br#"{"version":"3","alerts":[]}"#, now()).unwrap_err();
    assert_eq!(version.field(), Some("version"));
    let none = forwarded_alerts(br#"{"version":"4"}"#, now()).unwrap_err();
    assert_eq!(none.field(), Some("alerts"));
}
