//! An unmodified Prometheus tells of its own alerts.

use flyball_connect::posted_alerts;
use flyball_govern::alert::Foreign;

use super::{PATIENCE, Peer, free_address, listen, now};

#[test]
fn it_tells_of_its_alerts_until_they_are_over() {
    let directory = tempfile::tempdir().unwrap();
    let (us, posted) = listen();
    let config = directory.path().join("prometheus.yml");
    let rules = directory.path().join("rules.yml");
    let text = format!(
        "global:\n  evaluation_interval: 1s\n  external_labels: {{cluster: north}}\n\
         rule_files: [{}]\nalerting:\n  alertmanagers:\n  - static_configs:\n    \
         - targets: ['{us}']\n",
        rules.display()
    );
    std::fs::write(&config, text).unwrap();
    let text = "groups:\n- name: all\n  rules:\n  - alert: Always\n    expr: vector(7)\n    \
                labels: {severity: page, service: shop}\n    \
                annotations: {summary: 'it is {{ $value }}'}\n";
    std::fs::write(&rules, text).unwrap();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", directory.path().join("data").display()),
        format!("--web.listen-address={}", free_address()),
        "--rules.alert.resend-delay=1s".to_owned(),
    ];
    let _prometheus = Peer::start("prometheus", &arguments, "ready to receive web requests");
    let mut foreign = Foreign::default();
    let mut starts = Vec::new();
    while starts.len() < 2 {
        let (path, body) = posted.recv_timeout(PATIENCE).unwrap();
        assert_eq!(path, "/api/v2/alerts");
        let told = posted_alerts(&body, now()).unwrap();
        starts.extend(told.iter().map(|alert| alert.starts));
        assert_eq!(foreign.take(told, now()), 0);
    }
    // Told again, it is the same alert.
    assert_eq!(starts[0], starts[1]);
    let groups = foreign.groups(&["service", "severity"], now());
    let group: Vec<_> = groups.values().flatten().collect();
    let [alert] = group.as_slice() else { panic!("{groups:?}") };
    assert_eq!(alert.labels["cluster"], "north");
    assert_eq!(alert.annotations["summary"], "it is 7");
    assert!(alert.generator.as_ref().unwrap().contains("/graph?g0.expr=vector"));
    assert!(alert.ends > now());
}
