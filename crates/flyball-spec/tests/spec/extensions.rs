//! Event SLIs, annotations and kinds of our own become the model; what is wrong is shown in place.

use flyball_model::{
    AlertChannel, ChangeKind, Check, Composition, Condition, CorrectionMode, Duration, Factor,
    GoodOrBad, HookPurpose, Indicator, MailEncryption, NoDataRule, Rational, RestoreVia,
    SLICE_LIMIT_MAX, Schedule, SecretRef, Severity, Slo,
};
use flyball_spec::{Alerting, Diagnostic, Level, Part, Source, SpecSet, lint, load, render, write};

pub(crate) fn loaded(text: &str) -> SpecSet {
    let (set, diagnostics) = load(&[Source::new("slo.yaml", text)]);
    assert!(!diagnostics.iter().any(Diagnostic::is_error), "{}", render(&diagnostics));
    set
}

pub(crate) fn faults(text: &str) -> Vec<Diagnostic> {
    load(&[Source::new("slo.yaml", text)]).1
}

pub(crate) const CHECKOUT: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: checkout
  annotations:
    flyball.dev/no-data: bad
    flyball.dev/coverage-floor: \"0.9\"
    flyball.dev/lookbacks: 1h, 5m
spec:
  description: Buyers can pay.
  service: checkout
  indicator:
    metadata:
      name: checkout-availability
    spec:
      ratioMetric:
        counter: false
        good:
          metricSource:
            type: flyball
            spec:
              where: http.response.status_code < 500
        total:
          metricSource:
            type: flyball
            spec:
              where: |
                service.name = 'checkout'
                  AND kind = 'server'
              by: [region]
              sliceLimit: 7
  timeWindow:
  - duration: 28d
    isRolling: true
  budgetingMethod: Occurrences
  objectives:
  - target: 0.999
";

fn checkout() -> Slo {
    loaded(CHECKOUT).slos.remove(0)
}

#[test]
fn an_event_slo_is_read_in_full() {
    let slo = checkout();
    let Some(Indicator::Events(events)) = &slo.indicator else { panic!("{:?}", slo.indicator) };
    assert_eq!(events.side, GoodOrBad::Good("http.response.status_code < 500".into()));
    assert_eq!(events.total, "service.name = 'checkout'\n  AND kind = 'server'\n");
    assert_eq!((events.by.as_slice(), events.slice_limit), (&["region".to_owned()][..], 7));
    assert_eq!(slo.no_data, NoDataRule::Bad);
    assert_eq!(slo.coverage_floor, Rational::new(9, 10).unwrap());
    assert_eq!(slo.lookbacks, [Duration::from_minutes(5), Duration::from_hours(1)]);
    assert_eq!(slo.objectives[0].target.to_string(), "99.9%");
    assert_eq!(loaded(CHECKOUT).alerting["checkout"], Alerting::Default);
}

#[test]
fn sql_errors_can_be_shown_in_the_yaml() {
    let set = loaded(CHECKOUT);
    let shown = |part, within| {
        let message = "no such attribute";
        let found =
            set.origins.diagnostic("checkout", part, Some(within), Level::Error, message, None);
        found.unwrap()
    };
    let events_total = "service.name = 'checkout'\n  AND kind = 'server'\n";
    let at = events_total.find("kind").unwrap();
    let total = shown(Part::Total { objective: None }, at..at + 4);
    assert_eq!((total.line, total.column, total.length), (29, 23, 4));
    assert!(total.to_string().contains("                AND kind = 'server'"), "{total}");
    let side = shown(Part::Side { objective: None }, 0..25);
    assert_eq!((side.line, side.column, side.length), (22, 22, 25));
    assert_eq!(side.path, "spec.indicator.spec.ratioMetric.good.metricSource.spec.where");
    assert_eq!(set.origins.file("checkout"), Some("slo.yaml"));
    let none = set.origins.diagnostic("checkout", Part::Alerting, None, Level::Error, "x", None);
    assert!(none.is_none());
}

#[test]
fn what_is_written_reads_back_as_the_same_slo() {
    let slo = checkout();
    let written = write(&slo, None).unwrap();
    let mut again = loaded(&written).slos.remove(0);
    // The annotations are the same settings in canonical spelling.
    assert_eq!(again.annotations["flyball.dev/lookbacks"], "5m,1h");
    again.annotations.clone_from(&slo.annotations);
    assert_eq!(again, slo, "{written}");
    assert_eq!(flyball_spec::format(&Source::new("a", written.as_str())).unwrap(), written);
    let named = loaded(&write(&slo, Some("steady")).unwrap());
    assert_eq!(named.alerting["checkout"], Alerting::Preset("steady".into()));
}

#[test]
fn our_mistakes_have_hints() {
    for (from, to, message, hint) in [
        (
            "no-data: bad",
            "no-dta: bad",
            "not an annotation of ours",
            "did you mean `flyball.dev/no-data`?",
        ),
        ("no-data: bad", "no-data: maybe", "one of gap, good, bad", ""),
        ("\"0.9\"", "0.9", "`0.9` is a number; a text is expected", "\"0.9\""),
        ("\"0.9\"", "\"1.9\"", "a share from 0 to 1", ""),
        ("1h, 5m", "1h, 1h", "different lengths of time", ""),
        ("sliceLimit: 7", "sliceLimit: 5001", "from 1 to 5000", ""),
        (
            "sliceLimit",
            "slicelimit",
            "`slicelimit` is not a field here",
            "did you mean `sliceLimit`?",
        ),
        ("where: http", "were: http", "`were` is not a field here", "did you mean `where`?"),
        ("target: 0.999", "target: 99.9", "not below 1", "targetPercent"),
        ("target: 0.999", "target: 1", "not below 1", "no error budget"),
        ("isRolling: true", "isRolling: yes", "boolean in YAML 1.1 only", "write `true`"),
        ("service: checkout", "service: no", "boolean to YAML 1.1", "\"no\""),
        (
            "Occurrences",
            "occurences",
            "`occurences` is not known here",
            "did you mean `Occurrences`?",
        ),
        ("28d", "28", "`28` is not a length of time", "28d is in days"),
        ("28d", "28D", "not a length of time", "28d"),
        ("kind: SLO", "kind: SLo", "`SLo` is not known here", "did you mean `SLO`?"),
        (
            "openslo/v1\n",
            "openslo/v2\n",
            "not a version that is read here",
            "did you mean `openslo/v1`?",
        ),
    ] {
        assert_ne!(CHECKOUT.replacen(from, to, 1), CHECKOUT);
        let found = faults(&CHECKOUT.replacen(from, to, 1));
        let error = found.iter().find(|fault| fault.message.contains(message));
        let Some(error) = error else { panic!("{to}: {}", render(&found)) };
        assert!(error.is_error(), "{error}");
        assert!(error.hint.as_deref().unwrap_or("").contains(hint), "{error}");
    }
    assert_eq!(SLICE_LIMIT_MAX, 5_000);
}

#[test]
fn all_errors_of_a_document_come_at_once_with_carets() {
    let text = CHECKOUT
        .replace("service: checkout", "servce: checkout")
        .replace("28d", "28x")
        .replace("target: 0.999", "target: -0.1");
    let found = faults(&text);
    let shown = render(&found);
    assert_eq!(found.len(), 4, "{shown}");
    assert!(shown.contains("  servce: checkout\n   |   ^^^^^^\n   = at: spec.servce\n   = hint: did you mean `service`?"), "{shown}");
    assert!(shown.contains("slo.yaml:11:3"), "{shown}");
    let paths: Vec<&str> = found.iter().map(|fault| fault.path.as_str()).collect();
    for path in
        ["spec.service", "spec.servce", "spec.timeWindow[0].duration", "spec.objectives[0].target"]
    {
        assert!(paths.contains(&path), "{path}: {shown}");
    }
}

const STRATEGY: &str = "\
apiVersion: flyball.dev/v1
kind: AlertStrategy
metadata: {name: careful}
spec:
  evidence: {confidence: 0.99, minBad: 5}
  rules:
  - name: fast
    severity: page
    for: 2m
    burn: {budget: 2%, long: 1h, short: 5m}
  - severity: ticket
    burn: {factor: 14.4, long: 6h, op: gte}
    evidence: {minValid: 100}
  - severity: page
    exhaustion: {within: 4h, lookback: 1h}
  - severity: ticket
    remaining: {below: 20%}
";

#[test]
fn a_strategy_becomes_rules() {
    let named = CHECKOUT.replace("flyball.dev/no-data: bad", "flyball.dev/alerting: careful");
    let set = loaded(&format!("{STRATEGY}---\n{named}"));
    let rules = &set.slos[0].alert_rules;
    assert_eq!(set.alerting["checkout"], Alerting::Own);
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["fast", "ticket-6h", "page-exhaustion", "ticket-remaining"]);
    assert_eq!(rules[0].hold, Duration::from_minutes(2));
    let Condition::Burn { factor: Factor::BudgetShare(share), .. } = rules[0].condition else {
        panic!()
    };
    assert_eq!(share, Rational::new(2, 100).unwrap());
    let evidence = rules[0].evidence.unwrap();
    assert_eq!((evidence.confidence, evidence.bad_min), (Rational::new(99, 100), 5));
    let own = rules[1].evidence.unwrap();
    assert_eq!((own.confidence, own.bad_min, own.valid_min), (None, 0, 100));
    assert_eq!(
        rules[2].condition,
        Condition::Exhaustion {
            within: Duration::from_hours(4),
            lookback: Duration::from_hours(1)
        }
    );
    assert_eq!(
        rules[3].condition,
        Condition::RemainingBelow { share: Rational::new(1, 5).unwrap() }
    );
    for (from, to, path) in [
        ("budget: 2%", "budget: 200%", "spec.rules[0].burn.budget"),
        ("budget: 2%", "budget: 2%, factor: 3", "spec.rules[0].burn.factor"),
        ("short: 5m", "short: 1h", "spec.rules[0].burn.short"),
        ("confidence: 0.99", "confidence: 1", "spec.evidence.confidence"),
        ("minBad: 5", "minBad: -1", "spec.evidence.minBad"),
        ("severity: ticket", "severity: call", "spec.rules[1].severity"),
        ("remaining: {below: 20%}", "burn: {long: 1h}", "spec.rules[3].burn.budget"),
        ("within: 4h", "within: 0h", "spec.rules[2].exhaustion.within"),
    ] {
        let found = faults(&STRATEGY.replacen(from, to, 1));
        assert!(found.iter().any(|f| f.is_error() && f.path == path), "{to}: {}", render(&found));
    }
}

const PROBE: &str = "\
apiVersion: flyball.dev/v1
kind: Probe
metadata: {name: front}
spec:
  service: shop
  every: 30s
  http: {url: 'https://shop.example/health', method: HEAD, statuses: [200, 204]}
";

#[test]
fn a_probe_says_what_is_checked_and_how_often() {
    let probe = loaded(PROBE).probes.remove(0);
    assert_eq!((probe.name.as_str(), probe.service.as_str()), ("front", "shop"));
    assert_eq!(probe.every, Duration::from_seconds(30));
    assert_eq!(probe.timeout, Duration::from_seconds(5), "unless told");
    let url = "https://shop.example/health".to_owned();
    let http = Check::Http { url, method: "HEAD".to_owned(), statuses: vec![200, 204] };
    assert_eq!(probe.check, http);
    let of = |check: &str| {
        let text = PROBE.replacen("every: 30s", "every: 2s", 1);
        let begin = text.split("  http:").next().unwrap().to_owned();
        let probe = loaded(&format!("{begin}  {check}\n")).probes.remove(0);
        assert_eq!(probe.timeout, Duration::from_seconds(2), "never longer than the pause");
        probe.check
    };
    assert_eq!(of("tcp: {address: 'db:5432'}"), Check::Tcp { address: "db:5432".to_owned() });
    let (address, at_least) = ("shop:443".to_owned(), Duration::from_days(14));
    assert_eq!(of("tls: {address: 'shop:443'}"), Check::TlsExpiry { address, at_least });
    for (from, to, path) in [
        ("every: 30s", "every: 0s", "spec.every"),
        ("every: 30s", "every: 30s\n  timeout: x", "spec.timeout"),
        ("https://", "ftp://", "spec.http.url"),
        ("HEAD", "POST", "spec.http.method"),
        ("204", "99", "spec.http.statuses[1]"),
        ("  http:", "  tcp: {address: nowhere}\n  # ", "spec.tcp.address"),
        ("  http:", "  tcp: {address: 'a:1'}\n  http:", "spec"),
        ("service: shop", "owner: shop", "spec.owner"),
    ] {
        let found = faults(&PROBE.replacen(from, to, 1));
        assert!(found.iter().any(|f| f.is_error() && f.path == path), "{to}: {}", render(&found));
    }
}

const TARGET: &str = "\
apiVersion: flyball.dev/v1
kind: AlertTarget
metadata: {name: on-call}
spec:
  severity: page
  services: [shop, bank]
  mail:
    host: smtp.example.com
    user: flyball
    password: env:FLYBALL_SECRET_SMTP
    from: flyball@example.com
    to: [on-call@example.com]
";

#[test]
fn an_alert_target_says_who_is_told_and_where_secrets_are() {
    let target = loaded(TARGET).alert_targets.remove(0);
    assert_eq!((target.name.as_str(), target.severity), ("on-call", Severity::Page));
    assert_eq!((target.services.len(), target.announces), (2, true));
    let AlertChannel::Mail(mailing) = &target.via else { panic!("{target:?}") };
    assert_eq!((mailing.port, mailing.encryption), (587, MailEncryption::StartTls));
    let password = SecretRef::Env("FLYBALL_SECRET_SMTP".to_owned());
    assert_eq!(mailing.login, Some(("flyball".to_owned(), password)));
    let of = |channel: &str| {
        let begin = TARGET.split("  severity:").next().unwrap();
        loaded(&format!("{begin}  {channel}\n")).alert_targets.remove(0)
    };
    let manager = of("alertmanager: {url: 'http://alertmanager:9093'}");
    assert_eq!((manager.severity, manager.announces), (Severity::Ticket, false), "unless told");
    let AlertChannel::PagerDuty { url, .. } = of("pagerDuty: {routingKey: 'file:key'}").via else {
        panic!()
    };
    assert_eq!(url, "https://events.pagerduty.com/v2/enqueue");
    for (from, to, path) in [
        ("env:FLYBALL_SECRET_SMTP", "hunter2", "spec.mail.password"),
        ("env:FLYBALL_SECRET_SMTP", "env:PATH", "spec.mail.password"),
        ("env:FLYBALL_SECRET_SMTP", "file:../tls.key", "spec.mail.password"),
        ("    user: flyball\n", "", "spec.mail"),
        ("smtp.example.com", "'smtp:587'", "spec.mail.host"),
        ("    host:", "    encryption: none\n    host:", "spec.mail.password"),
        ("    host:", "    port: 70000\n    host:", "spec.mail.port"),
        ("[on-call@example.com]", "[]", "spec.mail.to"),
        ("[on-call@example.com]", "['Ana <ana@example.com>']", "spec.mail.to[0]"),
        ("[shop, bank]", "[]", "spec.services"),
        ("severity: page", "severity: call", "spec.severity"),
        ("  mail:", "  slack: {url: 'file:a'}\n  mail:", "spec"),
        ("  mail:", "  email:", "spec.email"),
    ] {
        let found = faults(&TARGET.replacen(from, to, 1));
        assert!(found.iter().any(|f| f.is_error() && f.path == path), "{to}: {}", render(&found));
    }
    let begin = TARGET.split("  severity:").next().unwrap();
    for (channel, path) in [
        ("slack: {url: 'https://hooks.slack.com/T0/B0/x'}", "spec.slack.url"),
        ("webhook: {url: 'https://u:pw@h/', secret: 'file:a'}", "spec.webhook.url"),
        ("webhook: {url: 'ftp://h/', secret: 'file:a'}", "spec.webhook.url"),
        ("webhook: {url: 'https://h/'}", "spec.webhook.secret"),
        ("goAlert: {url: 'https://', token: 'file:a'}", "spec.goAlert.url"),
    ] {
        let found = faults(&format!("{begin}  {channel}\n"));
        assert!(
            found.iter().any(|f| f.is_error() && f.path == path),
            "{channel}: {}",
            render(&found)
        );
        assert!(found.iter().all(|f| !f.message.contains("pw@")), "{}", render(&found));
    }
}

const ACTION: &str = "\
apiVersion: flyball.dev/v1
kind: RestoreAction
metadata: {name: back}
spec:
  service: shop
  kinds: [deploy]
  hook: {purpose: rollback, url: 'https://h/', secret: 'file:a'}
";

#[test]
fn a_restore_action_is_a_dry_run_by_hand_unless_it_says_more() {
    let action = loaded(ACTION).restore_actions.remove(0);
    assert_eq!((action.automatic, action.dry_run), (false, true));
    assert_eq!((action.kinds.as_slice(), action.classes.len()), (&[ChangeKind::Deploy][..], 0));
    let RestoreVia::Hook { purpose, .. } = &action.via else { panic!("{action:?}") };
    assert_eq!(*purpose, HookPurpose::Rollback);
    for (from, to, path) in [
        ("  service: shop\n", "", "spec.service"),
        ("[deploy]", "[deployment]", "spec.kinds[0]"),
        ("purpose: rollback", "purpose: restart", "spec.hook.purpose"),
        ("https://h/", "https://u:pw@h/", "spec.hook.url"),
        ("https://h/", "ftp://h/", "spec.hook.url"),
        ("file:a", "hunter2", "spec.hook.secret"),
        ("  kinds:", "  dryRun: maybe\n  kinds:", "spec.dryRun"),
        ("  hook:", "  flagd: {file: a.json}\n  hook:", "spec"),
        ("  hook:", "  webhook:", "spec.webhook"),
    ] {
        let found = faults(&ACTION.replacen(from, to, 1));
        assert!(found.iter().any(|f| f.is_error() && f.path == path), "{to}: {}", render(&found));
        assert!(found.iter().all(|f| !f.message.contains("pw@")), "{}", render(&found));
    }
    let begin = ACTION.split("  hook:").next().unwrap();
    let drain = "automatic: true\n  hook: {purpose: drain, url: 'https://h/', secret: 'file:a'}";
    for (way, path) in [
        (drain, "spec.automatic"),
        ("flagd: {file: ../flags.json}", "spec.flagd.file"),
        ("flagd: {file: /etc/flags.json}", "spec.flagd.file"),
        ("flagd: {file: flags.yaml}", "spec.flagd.file"),
        (&format!("flagd: {{file: a.json, off: {}}}", "x".repeat(2_000)), "spec.flagd.off"),
        ("unleash: {url: 'https://h/', project: a, token: 'file:a'}", "spec.unleash.environment"),
        ("unleash: {url: h, project: a, environment: b, token: 'file:a'}", "spec.unleash.url"),
        (
            "unleash: {url: 'https://h/', project: a, environment: b, token: a}",
            "spec.unleash.token",
        ),
    ] {
        let found = faults(&format!("{begin}  {way}\n"));
        assert!(found.iter().any(|f| f.is_error() && f.path == path), "{way}: {}", render(&found));
    }
}

pub(crate) const CORRECTION: &str = "\
apiVersion: flyball.dev/v1
kind: Correction
metadata: {name: upgrade}
spec:
  slos: [checkout]
  mode: drop
  category: maintenance
  author: ops@example.com
  reason: database upgrade
  schedule: {start: 2026-03-29T02:00:00Z, end: 2026-03-29T04:00:00Z}
---
apiVersion: flyball.dev/v1
kind: Correction
metadata: {name: weekly}
spec:
  mode: count-as-good
  category: backup
  author: ops@example.com
  schedule:
    start: 2026-03-01 02:00:00
    timeZone: Europe/Berlin
    duration: 2h
    rrule: RRULE:FREQ=WEEKLY;BYDAY=SU
";

#[test]
fn corrections_once_and_recurring() {
    let set = loaded(&format!("{CHECKOUT}---\n{CORRECTION}"));
    let [once, weekly] = set.corrections.as_slice() else { panic!("{:?}", set.corrections) };
    assert_eq!(
        (once.slos.as_slice(), once.mode),
        (&["checkout".to_owned()][..], CorrectionMode::Drop)
    );
    let Schedule::Once(interval) = once.schedule else { panic!() };
    assert_eq!(interval.to_string(), "[2026-03-29T02:00:00Z, 2026-03-29T04:00:00Z)");
    assert!(weekly.slos.is_empty());
    let Schedule::Recurring { start, zone, length, rule } = &weekly.schedule else { panic!() };
    assert_eq!(
        (start.to_string().as_str(), zone.iana_name()),
        ("2026-03-01T02:00:00", Some("Europe/Berlin"))
    );
    assert_eq!((*length, rule.as_str()), (Duration::from_hours(2), "FREQ=WEEKLY;BYDAY=SU"));
    for (from, to, path) in [
        ("end: 2026-03-29T04:00:00Z", "end: 2026-03-29T01:00:00Z", "spec.schedule.end"),
        ("start: 2026-03-29T02:00:00Z", "start: 2026-03-29T02:00:00", "spec.schedule.start"),
        ("timeZone: Europe/Berlin", "timeZone: Europe/Atlantis", "spec.schedule.timeZone"),
        ("2026-03-01 02:00:00", "2026-03-01T02:00:00+05:00", "spec.schedule.start"),
        ("2026-03-01 02:00:00", "2026-03-01T02:00:00Z", "spec.schedule.start"),
        ("2026-03-01 02:00:00", "2026-03-01T02:00:00[Asia/Tokyo]", "spec.schedule.start"),
        ("2026-03-01 02:00:00", "in spring", "spec.schedule.start"),
        ("FREQ=WEEKLY", "FREQ=OFTEN", "spec.schedule.rrule"),
        ("BYDAY=SU", "BYDAY=XX", "spec.schedule.rrule"),
        ("BYDAY=SU", "INTERVAL=0", "spec.schedule.rrule"),
        ("BYDAY=SU", "COUNT=2;UNTIL=20270101T000000Z", "spec.schedule.rrule"),
        // Well formed in its parts, and still nothing that can be expanded.
        ("BYDAY=SU", "UNTIL=20200101T000000Z", "spec.schedule.rrule"),
        ("BYDAY=SU", "BYMONTHDAY=1", "spec.schedule.rrule"),
        ("duration: 2h", "duration: 0h", "spec.schedule.duration"),
        ("mode: drop", "mode: forget", "spec.mode"),
        ("author: ops@example.com", "autor: me", "spec.author"),
    ] {
        let found = faults(&CORRECTION.replacen(from, to, 1));
        assert!(found.iter().any(|f| f.is_error() && f.path == path), "{to}: {}", render(&found));
    }
    let found =
        faults(&format!("{CHECKOUT}---\n{}", CORRECTION.replace("[checkout]", "[chekout]")));
    assert!(
        found.iter().any(|f| f.hint.as_deref() == Some("did you mean `checkout`?")),
        "{}",
        render(&found)
    );
}

const REFERENCES: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: api, annotations: {flyball.dev/composite: weighted}}
spec:
  service: api
  timeWindow: [{duration: 1M, isRolling: false, calendar: {startTime: 2022-01-01 00:00:00, timeZone: Europe/Berlin}}]
  budgetingMethod: Timeslices
  objectives:
  - {target: 0.95, timeSliceTarget: 0.9, timeSliceWindow: 5m, indicatorRef: up, compositeWeight: 2}
  - {targetPercent: 99, timeSliceTarget: 0.9, timeSliceWindow: 5m, indicatorRef: lag, op: lt, value: 3}
  alertPolicies:
  - alertPolicyRef: burning
---
- apiVersion: openslo/v1
  kind: SLI
  metadata: {name: up}
  spec: {ratioMetric: {good: {metricSource: {type: flyball, spec: {where: ok}}}, total: {metricSource: {metricSourceRef: events, spec: {where: 'TRUE'}}}}}
- apiVersion: openslo/v1
  kind: SLI
  metadata: {name: lag}
  spec: {thresholdMetric: {metricSource: {metricSourceRef: prom, spec: {query: lag}}}}
- {apiVersion: openslo/v1, kind: DataSource, metadata: {name: events}, spec: {type: flyball, connectionDetails: {}}}
- {apiVersion: openslo/v1, kind: DataSource, metadata: {name: prom}, spec: {type: Prometheus, connectionDetails: [{url: x}]}}
- apiVersion: openslo/v1
  kind: AlertPolicy
  metadata: {name: burning}
  spec: {alertWhenBreaching: true, conditions: [{conditionRef: fast}], notificationTargets: [{targetRef: me}]}
- apiVersion: openslo/v1
  kind: AlertCondition
  metadata: {name: fast}
  spec: {severity: Critical, condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}}
- {apiVersion: openslo/v1, kind: AlertNotificationTarget, metadata: {name: me}, spec: {target: email}}
";

#[test]
fn references_of_every_kind_are_followed() {
    let set = loaded(REFERENCES);
    let slo = &set.slos[0];
    assert_eq!((slo.indicator.is_none(), slo.composition), (true, Some(Composition::Weighted)));
    assert_eq!(slo.objectives[0].weight, Rational::new(2, 1).unwrap());
    assert!(matches!(slo.objectives[0].indicator, Some(Indicator::Events(_))));
    let Some(Indicator::Metric(metric)) = &slo.objectives[1].indicator else { panic!() };
    assert!(format!("{metric:?}").contains("Prometheus"), "{metric:?}");
    let [rule] = slo.alert_rules.as_slice() else { panic!("{:?}", slo.alert_rules) };
    assert_eq!(
        (rule.name.as_str(), rule.severity, rule.hold),
        ("burning", Severity::Page, Duration::from_minutes(5))
    );
    assert_eq!(set.alerting["api"], Alerting::Own);
    // Without the annotation a composite of time slices is bad where one component is.
    let plain = loaded(&REFERENCES.replace(", annotations: {flyball.dev/composite: weighted}", ""));
    assert_eq!(plain.slos[0].composition, Some(Composition::AllOf));
    let written = write(slo, None).unwrap();
    let mut again = loaded(&written).slos.remove(0);
    again.alert_rules.clone_from(&slo.alert_rules);
    assert_eq!(&again, slo, "{written}");
}

#[test]
fn a_reference_that_leads_nowhere_leaves_the_slo_incomplete() {
    let (set, diagnostics) = load(&[Source::new(
        "a.yaml",
        REFERENCES.replace("metadata: {name: up}", "metadata: {name: down}"),
    )]);
    assert!(!diagnostics.iter().any(Diagnostic::is_error), "{}", render(&diagnostics));
    assert_eq!((set.slos.len(), set.incomplete.len()), (0, 1));
    assert_eq!(set.incomplete[0].name, "api");
    assert!(
        diagnostics.iter().any(|d| d.message == "no SLI `up` is loaded"),
        "{}",
        render(&diagnostics)
    );
}

#[test]
fn lint_finds_what_is_likely_not_meant() {
    let found = |text: &str| -> Vec<String> {
        lint(&loaded(text)).into_iter().map(|d| format!("{} {}", d.line, d.message)).collect()
    };
    assert!(found(CHECKOUT).is_empty(), "{:?}", found(CHECKOUT));
    let text = CHECKOUT
        .replace("  description: Buyers can pay.\n", "")
        .replace("service.name", "host")
        .replace("0.999", "0.9999999");
    assert_eq!(
        found(&text),
        [
            "4 `checkout` has no description",
            "27 the valid events are not limited to a service",
            "36 99.99999% leaves almost nothing to spend",
        ]
    );
}
