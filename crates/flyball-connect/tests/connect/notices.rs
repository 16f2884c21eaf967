//! What receivers are told, and what their answers mean.

use flyball_connect::notify::{
    DELIVERY_HEADER, REFRESH_ALERTS_MAX, RETRY_AFTER_MAX, Receiver, Request, SIGNATURE_HEADER,
    Secret, Sender, judge, mail, refresh, request, signature,
};
use flyball_govern::alert::{
    About, Desk, Difference, Facts, Field, Links, Matcher, Notice, Observed, Outcome, Pair,
    Reading, Reminder, Restored, Retry, Route, Silence, Subject,
};
use flyball_govern::restore::Restores;
use flyball_model::{Duration, Severity, Timestamp};
use serde_json::{Value, json};

use crate::now;

const SENDER: Sender<'static> = Sender { origin: "https://flyball.acme.example:8443", now: NOON };
const NOON: Timestamp = Timestamp::from_seconds(1_772_366_400);

fn pair(rule: &str, severity: Severity, end: Option<Timestamp>) -> Pair {
    Pair {
        rule: rule.to_owned(),
        severity,
        start: now(),
        end,
        onset: now().minus(Duration::from_minutes(4)),
        spell_end: None,
        valid: 1_000,
        good: 700,
        bad: 300,
        factor: Some(14.4),
        burn: 300.0,
        burn_peak: 300.0,
        spent_in_lookback: 0.416_66,
        spent_in_window: Some(0.45),
    }
}

fn facts() -> Facts {
    Facts {
        promise: Some("99.9% over 30d".to_owned()),
        remaining: Some(0.55),
        exhausted: Some(now().plus(Duration::from_hours(3))),
        readings: vec![Reading {
            rule: "slow".to_owned(),
            valid: 1_000,
            bad: 300,
            burn: 300.0,
            spent_in_lookback: 0.416_66,
            spent_of_window: Some(0.204_08),
        }],
        changes: Vec::new(),
        differing: vec![Difference {
            attribute: "version".to_owned(),
            value: "<2.1|canary>".to_owned(),
            bad: 290,
            bad_of: 300,
            good: 7,
            good_of: 700,
        }],
        links: Links { runbook: Some("https://wiki/run|book".to_owned()), dashboard: None },
    }
}

/// The notices of an alert that opens as a ticket, becomes a page, is taken on and is over; then that
/// of a silence.
fn notices() -> Vec<Notice> {
    let mut desk = Desk::default();
    let route = Route {
        target: "all".to_owned(),
        severity_min: Severity::Ticket,
        services: Vec::new(),
        matchers: Vec::new(),
        announces: true,
    };
    desk.route(vec![route], now()).unwrap();
    let subject = Subject {
        service: "shop".to_owned(),
        slo: "availability & <more>".to_owned(),
        objective: 0,
        slice: Some("eu".to_owned()),
    };
    let later = |seconds| now().plus(Duration::from_seconds(seconds));
    let see = |desk: &mut Desk, seen| desk.observe(&subject, seen, &facts(), later(9));
    see(&mut desk, vec![Observed::Fired(pair("slow", Severity::Ticket, None))]);
    let fast = Pair { start: later(1), ..pair("fast", Severity::Page, None) };
    see(&mut desk, vec![Observed::Fired(fast.clone())]);
    desk.acknowledge(1, "ana", Some("on it"), later(10)).unwrap();
    see(
        &mut desk,
        vec![
            Observed::Resolved(Pair { end: Some(later(20)), ..fast }),
            Observed::Resolved(pair("slow", Severity::Ticket, Some(later(20)))),
        ],
    );
    let matchers = vec![Matcher { field: Field::Service, value: "shop".to_owned(), is_not: false }];
    let silence = Silence {
        id: 0,
        matchers,
        from: later(20),
        until: later(30),
        who: "ben".to_owned(),
        why: "drill".to_owned(),
        ended_by: None,
        is_announced: false,
        because_of: None,
        drill: None,
    };
    desk.silence(silence, later(20)).unwrap();
    let mut notices = Vec::new();
    loop {
        let begun = desk.begin(later(30), 1, usize::MAX);
        let Some(notice) = begun.into_iter().next() else { break };
        desk.settle(notice.id, Outcome::Delivered, later(30), &Retry::default());
        notices.push(notice);
    }
    notices.sort_by_key(|notice| notice.id);
    assert_eq!(notices.len(), 5);
    notices
}

/// The notices of a change that was undone by itself, and of one that could not be.
fn restored() -> [Notice; 2] {
    [(1, None), (2, Some("it answered 404".to_owned()))].map(|(id, problem)| {
        let about = Restored {
            key: "0f".repeat(32),
            number: 14,
            change: "release/14".to_owned(),
            service: "shop".to_owned(),
            action: "back".to_owned(),
            does: Restores::RollBack,
            at: now(),
            problem,
        };
        Notice {
            id,
            target: "chat".to_owned(),
            about: About::Restored(Box::new(about)),
            made: NOON,
            attempts: 0,
            next: NOON,
            begun: None,
            may_repeat: false,
            problem: None,
        }
    })
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    &request.headers.iter().find(|(header, _)| *header == name).unwrap().1
}

fn bodies(receiver: &Receiver) -> Vec<Option<Value>> {
    let requests = notices().into_iter().map(|notice| request(receiver, &notice, &SENDER));
    requests.map(|request| request.as_ref().map(body)).collect()
}

#[test]
fn alertmanager_keeps_severities_apart() {
    let receiver = Receiver::Alertmanager {
        url: "http://am:9093/path/".to_owned(),
        bearer: Some(Secret::new("token\n")),
    };
    let first = request(&receiver, &notices()[0], &SENDER).unwrap();
    assert_eq!(first.address(), "http://am:9093/path/api/v2/alerts");
    assert_eq!(header(&first, "authorization"), "Bearer token");
    let all = bodies(&receiver);
    let rows = |body: &Value| -> Vec<(String, String)> {
        let rows = body.as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        rows.map(|alert| (text(&alert["labels"]["severity"]), text(&alert["endsAt"]))).collect()
    };
    let row = |severity: &str, ends: &str| (severity.to_owned(), ends.to_owned());
    assert_eq!(rows(all[0].as_ref().unwrap()), [row("ticket", "2026-03-01T13:00:00Z")]);
    assert_eq!(
        rows(all[1].as_ref().unwrap()),
        [row("page", "2026-03-01T13:00:00Z"), row("ticket", "2026-03-01T12:00:00Z")]
    );
    assert_eq!((&all[2], &all[4]), (&None, &None));
    assert_eq!(
        rows(all[3].as_ref().unwrap()),
        [row("page", "2026-03-01T12:00:20Z"), row("ticket", "2026-03-01T12:00:20Z")]
    );
    let alert = &all[0].as_ref().unwrap()[0];
    assert_eq!(alert["labels"]["slice"], "eu");
    assert_eq!(alert["startsAt"], "2026-03-01T12:00:00Z");
    assert_eq!(alert["annotations"]["runbook_url"], "https://wiki/run|book");
    assert_eq!(alert["generatorURL"], "https://flyball.acme.example:8443/api/v1/alerts/1");
    // What was a page only is no ticket that is over.
    let mut notice = notices().remove(3);
    let About::Alert { alert, .. } = &mut notice.about else { panic!("{notice:?}") };
    alert.transitions.retain(|step| step.severity == Severity::Page);
    let page = body(&request(&receiver, &notice, &SENDER).unwrap());
    assert_eq!(rows(&page), [row("page", "2026-03-01T12:00:20Z")]);
}

#[test]
fn alertmanager_is_told_again_in_pieces() {
    let url = "http://am:9093";
    assert_eq!(refresh(url, None, [], &SENDER), []);
    let first = notices().remove(0);
    let About::Alert { alert, .. } = &first.about else { panic!("{first:?}") };
    let many = std::iter::repeat_n((alert.as_ref(), Severity::Page), REFRESH_ALERTS_MAX + 1);
    let requests = refresh(url, None, many, &SENDER);
    let told: Vec<Value> = requests.iter().map(body).collect();
    let counts: Vec<usize> = told.iter().map(|body| body.as_array().unwrap().len()).collect();
    assert_eq!(counts, [REFRESH_ALERTS_MAX, 1]);
    assert!(requests[0].body.len() < 1 << 20);
    // With the severity that it was told, whatever it has become since.
    assert_eq!(told[1][0]["labels"]["severity"], "page");
    assert_eq!(told[1][0]["endsAt"], "2026-03-01T13:00:00Z");
}

#[test]
fn pagerduty_follows_one_key() {
    let receiver = Receiver::PagerDuty {
        url: "https://events.pagerduty.com/v2/enqueue".to_owned(),
        routing_key: Secret::new("0123456789abcdef0123456789abcdef"),
    };
    let all = bodies(&receiver);
    assert_eq!(all[4], None);
    let all: Vec<Value> = all.into_iter().flatten().collect();
    let acts: Vec<&Value> = all.iter().map(|body| &body["event_action"]).collect();
    assert_eq!(acts, ["trigger", "trigger", "acknowledge", "resolve"]);
    let key = all[0]["dedup_key"].as_str().unwrap();
    assert_eq!(key.len(), 64);
    assert!(all.iter().all(|body| body["dedup_key"] == key));
    assert_eq!(all[1]["payload"]["severity"], "critical");
    assert_eq!(all[1]["payload"]["timestamp"], "2026-03-01T12:00:00Z");
    let summary = "[page] shop: availability & <more> [eu] still burns its budget at 300×";
    assert_eq!(all[1]["payload"]["summary"], summary);
    assert_eq!(all[1]["payload"]["custom_details"]["Fires too"], "slow");
    assert_eq!(all[1]["links"][0], json!({ "href": "https://wiki/run|book", "text": "Runbook" }));
    assert_eq!(all[3].as_object().unwrap().len(), 3);
    // Another server's first alert is another one.
    let other = Sender { origin: "https://other", ..SENDER };
    let other = request(&receiver, &notices()[0], &other).unwrap();
    assert_ne!(body(&other)["dedup_key"], key);
}

#[test]
fn goalert_closes_what_it_opened() {
    let receiver = Receiver::GoAlert {
        url: "https://goalert.acme.example".to_owned(),
        token: Secret::new("secret token"),
    };
    let first = request(&receiver, &notices()[0], &SENDER).unwrap();
    assert_eq!(first.address(), "https://goalert.acme.example/api/v2/generic/incoming");
    assert_eq!(header(&first, "authorization"), "Bearer secret token");
    let all: Vec<Value> = bodies(&receiver).into_iter().flatten().collect();
    let acts: Vec<Option<&str>> = all.iter().map(|body| body["action"].as_str()).collect();
    assert_eq!(acts, [None, None, Some("close")]);
    assert!(all.iter().all(|body| body["dedup"] == all[0]["dedup"]));
}

#[test]
fn slack_reads_no_markup_into_names() {
    let receiver = Receiver::Slack { url: Secret::new("https://hooks.slack.com/services/T/B/x") };
    let all = bodies(&receiver);
    let text = all[0].as_ref().unwrap()["text"].as_str().unwrap();
    let title = "*[ticket] shop: availability &amp; &lt;more&gt; [eu] burns its budget at 300×*\n";
    assert!(text.starts_with(title), "{text}");
    assert!(text.contains("<https://wiki/run%7Cbook|https://wiki/run|book>"), "{text}");
    let differs = "version = &lt;2.1|canary&gt;: 96.67% of bad, 1% of good";
    assert!(text.contains(differs), "{text}");
    // What is left and what was spent are shares of the same where that is known.
    assert!(text.contains("20.41% of the budget within the rule"), "{text}");
    assert!(text.contains(" at this rate"), "{text}");
    let fast = all[1].as_ref().unwrap()["text"].as_str().unwrap();
    assert!(
        fast.contains("41.67% of a window's budget within the rule's lookback, at even"),
        "{fast}"
    );
    let taken = all[2].as_ref().unwrap()["text"].as_str().unwrap();
    assert!(taken.contains("was taken on by ana*\n"), "{taken}");
    let over = all[4].as_ref().unwrap()["text"].as_str().unwrap();
    assert!(over.starts_with("*[silence over] silence 1 has ended; nothing"), "{over}");
}

#[test]
fn a_webhook_is_signed_over_time_and_body() {
    let secret = Secret::new("a secret of ours");
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    let receiver = Receiver::Webhook { url: Secret::new("https://x/hook"), secret: secret.clone() };
    let notice = &notices()[0];
    let made = request(&receiver, notice, &SENDER).unwrap();
    assert_eq!(made, request(&receiver, notice, &SENDER).unwrap());
    assert_eq!(header(&made, SIGNATURE_HEADER), signature(&secret, NOON, &made.body));
    // printf '1772366400.{}' | openssl dgst -sha256 -hmac 'a secret of ours'
    let code = "fa36a23714259b57096b14a8127748f13eaf6969183b8238c593cd709147b907";
    assert_eq!(signature(&secret, NOON, b"{}"), format!("t=1772366400,v1={code}"));
    let later = Sender { now: NOON.plus(Duration::from_minutes(1)), ..SENDER };
    let again = request(&receiver, notice, &later).unwrap();
    assert_eq!(header(&again, DELIVERY_HEADER), header(&made, DELIVERY_HEADER));
    assert_ne!(header(&again, SIGNATURE_HEADER), header(&made, SIGNATURE_HEADER));
    let told = body(&made);
    assert_eq!(told["schema"], "flyball.dev/notice/v1");
    assert_eq!(told["event"], "alert.open");
    assert_eq!(told["alert"]["pairs"][0]["bad"], 300);
    assert_eq!(told["alert"]["facts"]["links"]["runbook"], "https://wiki/run|book");
    let all: Vec<Value> = bodies(&receiver).into_iter().flatten().collect();
    let events: Vec<&Value> = all.iter().map(|body| &body["event"]).collect();
    assert_eq!(
        events,
        ["alert.open", "alert.update", "alert.acknowledge", "alert.close", "silence.over"]
    );
    assert_eq!(all[4]["silence"]["silence"]["who"], "ben");
}

/// The notice of a service whose team is not paid for long.
fn reminder() -> Notice {
    let about = Reminder {
        key: "funding/shop/2026-12-31".to_owned(),
        service: "shop".to_owned(),
        title: "its team is paid until 2026-12-31 only".to_owned(),
        text: "Nobody will carry its pager; hint: find it another home.".to_owned(),
        at: now(),
        target: None,
    };
    let [notice, _] = restored();
    Notice { about: About::Reminder(Box::new(about)), ..notice }
}

/// What is told agrees with what is documented.
#[test]
fn a_webhook_says_what_the_schema_says() {
    let schema = include_str!("../../../../docs/format/notice-v1.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("notice.json", schema).unwrap();
    let index = compiler.compile("notice.json", &mut schemas).unwrap();
    let receiver = Receiver::Webhook { url: Secret::new("https://x"), secret: Secret::new("key") };
    let of_change =
        restored().map(|notice| request(&receiver, &notice, &SENDER).as_ref().map(body));
    let of_service = request(&receiver, &reminder(), &SENDER).as_ref().map(body);
    for told in bodies(&receiver).into_iter().chain(of_change).chain([of_service]).flatten() {
        if let Err(error) = schemas.validate(&told, index) {
            panic!("{error}\n{told:#}");
        }
    }
}

#[test]
fn a_change_that_was_undone_by_itself_is_a_ticket_for_working_hours() {
    let receiver = Receiver::Webhook { url: Secret::new("https://x"), secret: Secret::new("key") };
    let [done, failed] = restored();
    let told = body(&request(&receiver, &done, &SENDER).unwrap());
    assert_eq!(told["event"], "change.restored");
    assert_eq!(
        told["title"],
        "[ticket] shop: release/14 was rolled back automatically; look at it in working hours"
    );
    let text = told["text"].as_str().unwrap();
    assert!(
        text.contains("https://flyball.acme.example:8443/api/v1/changes/release%2F14"),
        "{text}"
    );
    // Told again under another number, by the key of what was done.
    let again = Notice { id: 9, made: now(), ..done };
    let told_again = body(&request(&receiver, &again, &SENDER).unwrap());
    assert_eq!(told_again["delivery"], told["delivery"]);
    let told = body(&request(&receiver, &failed, &SENDER).unwrap());
    assert!(told["title"].as_str().unwrap().contains("could not be undone"), "{told}");
    let key = Secret::new("key");
    let pager = Receiver::PagerDuty { url: "https://x".to_owned(), routing_key: key };
    assert_eq!(request(&pager, &again, &SENDER), None, "nobody is woken");
}

#[test]
fn a_reminder_is_a_ticket_that_is_told_again_as_the_same() {
    let receiver = Receiver::Webhook { url: Secret::new("https://x"), secret: Secret::new("key") };
    let first = reminder();
    let told = body(&request(&receiver, &first, &SENDER).unwrap());
    assert_eq!(told["event"], "service.reminder");
    assert_eq!(told["title"], "[ticket] shop: its team is paid until 2026-12-31 only");
    let text = told["text"].as_str().unwrap();
    assert!(text.contains("/api/v1/services/shop"), "{text}");
    let again = Notice { id: 9, made: now(), ..first };
    let told_again = body(&request(&receiver, &again, &SENDER).unwrap());
    assert_eq!(told_again["delivery"], told["delivery"]);
    let key = Secret::new("key");
    let pager = Receiver::PagerDuty { url: "https://x".to_owned(), routing_key: key };
    assert_eq!(request(&pager, &again, &SENDER), None, "nobody is woken");
}

#[test]
fn mail_is_one_thread_in_two_forms() {
    let to = ["on-call@acme.example".to_owned(), "team@acme.example".to_owned()];
    let made: Vec<String> = notices()
        .iter()
        .map(|notice| mail("flyball@acme.example", &to, notice, &SENDER))
        .map(|mail| {
            assert_eq!((mail.from.as_str(), mail.to.len()), ("flyball@acme.example", 2));
            String::from_utf8(mail.message).unwrap()
        })
        .collect();
    let header = |message: &str, name: &str| {
        let head = message.split("\r\n\r\n").next().unwrap().replace("\r\n\t", " ");
        let head = head.replace("\r\n ", " ");
        let line =
            head.lines().find(|line| line.starts_with(&format!("{name}: "))).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no {name} in {head}"))
    };
    assert_eq!(header(&made[0], "References"), header(&made[3], "References"));
    assert_ne!(header(&made[0], "Message-ID"), header(&made[1], "Message-ID"));
    assert!(header(&made[0], "Message-ID").ends_with("@flyball.acme.example>"));
    assert_eq!(header(&made[0], "Auto-Submitted"), "Auto-Submitted: auto-generated");
    assert!(header(&made[0], "Date").contains("1 Mar 2026 12:00:09"));
    assert!(made[0].is_ascii() || made[0].contains("8bit"), "{}", made[0]);
    for part in ["text/plain", "text/html"] {
        assert_eq!(made[0].matches(&format!("Content-Type: {part}")).count(), 1);
    }
    assert!(made[0].contains("&lt;more&gt;"), "{}", made[0]);
    let boundary = made[0].split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(boundary.len() <= 70 && made[0].contains(&format!("\r\n--{boundary}--")));
    let again = mail("flyball@acme.example", &to, &notices()[0], &SENDER);
    assert_eq!(again.message, made[0].as_bytes());
    assert!(made.iter().all(|message| message.lines().all(|line| line.len() < 998)));
}

/// A text of others that would end a header and begin another.
#[test]
fn names_cannot_add_headers() {
    let mut notice = notices().remove(0);
    if let About::Alert { alert, .. } = &mut notice.about {
        alert.subject.slo = "x\r\nBcc: everybody@acme.example".to_owned();
    }
    let made = mail("a@b.example", &["c@d.example".to_owned()], &notice, &SENDER);
    let message = String::from_utf8(made.message).unwrap();
    let head = message.split("\r\n\r\n").next().unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
}

#[test]
fn answers_are_final_or_not() {
    let judged = |status, after: Option<&str>| judge(status, after, b"no\n way", NOON);
    for status in [200, 202, 204] {
        assert_eq!(judged(status, None), Outcome::Delivered);
    }
    for status in [301, 400, 401, 403, 404, 410, 413] {
        let problem = format!("it answered {status}: no way");
        assert_eq!(judged(status, Some("1")), Outcome::Refused { problem });
    }
    for (status, after, wait) in [
        (429, Some("17"), Some(Duration::from_seconds(17))),
        (503, Some("Sun, 01 Mar 2026 12:00:30 GMT"), Some(Duration::from_seconds(30))),
        (503, Some("soon"), None),
        (500, None, None),
        (429, Some("99999999"), Some(RETRY_AFTER_MAX)),
    ] {
        let problem = format!("it answered {status}: no way");
        assert_eq!(judged(status, after), Outcome::Later { problem, after: wait });
    }
    let long = judge(400, None, &[0xff; 9_000], NOON);
    assert!(matches!(long, Outcome::Refused { problem } if problem.len() < 300));
}
