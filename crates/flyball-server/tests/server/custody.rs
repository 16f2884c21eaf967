//! Who carries a pager, over real sockets: found, proposed, signed, handed back by people and by time; and teams that are
//! paid no more.

use std::path::Path;

use flyball_model::Duration;
use flyball_server::Config;
use serde_json::{Value, json};

use crate::alerts::receiver::Receiver;
use crate::gate::{admin, said};
use crate::harness::{NOON, PATIENCE, Running, SHOP, TestClock, config, events};

/// Rules that little has to hold for, and a policy that asks who carries the pager.
const RULES: &str = "
---
apiVersion: flyball.dev/v1
kind: CustodyRules
metadata: {name: quick}
spec:
  version: 3
  shared: {signers: [sre], criteria: [{name: counted, when: slo.count >= 1, say: It promises something.}]}
  sre: {signers: [sre, cto], criteria: [{name: met, when: slo.missed == 0, say: It keeps its promises.}]}
  handBack:
    missed: {quarters: 1, of: 2}
    grounds: [{name: broken, when: slo.missed > 0, say: It breaks its promise.}]
    roles: [sre]
    deciders: [cto]
    notice: 7d
    deadline: 30d
---
apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: held}
spec:
  version: 1
  approvers: [sre]
  revisit: 2100-01-01
  levels:
  - {name: theirs, when: custody.holder == 'sre', deploys: {deny: [feature]}, say: SRE carries the pager.}
  - name: others
---
apiVersion: flyball.dev/v1
kind: Tier
metadata: {name: special}
spec: {target: 99%, window: 28d, alerting: default, policy: held}
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {team: checkout, tier: special, custodyRules: quick, fundedUntil: 2026-05-01}
";

/// A server with secrets, of the shop, `more` and a target that is told of tickets at `url`.
fn with(home: &Path, (url, more): (&str, &str), clock: &TestClock) -> Config {
    let secrets = home.join("secrets");
    std::fs::create_dir_all(&secrets).unwrap();
    std::fs::write(secrets.join("webhook"), "hush\n").unwrap();
    let target = format!(
        "---\napiVersion: flyball.dev/v1\nkind: AlertTarget\nmetadata: {{name: chat}}\nspec: {{webhook: {{url: \
         '{url}', secret: 'file:webhook'}}}}\n"
    );
    Config {
        external: Some("https://flyball.example".to_owned()),
        secrets: Some(secrets),
        ..config(&home.join("data"), &format!("{SHOP}{RULES}{target}{more}"), clock)
    }
}

/// The next reminder whose title ends or begins so; alerts and other reminders come there as well.
async fn reminder(chat: &mut Receiver, title: &str) -> Value {
    loop {
        let told = chat.next().await.json();
        let is_asked = told["title"].as_str().is_some_and(|said| said.contains(title));
        if told["event"] == "service.reminder" && is_asked {
            return told;
        }
    }
}

/// Waits until the pager is where `is_awaited`.
async fn custody(running: &Running, token: &str, is_awaited: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let look = async {
        loop {
            let request = reqwest::Client::new().get(running.url("/api/v1/custody/shop"));
            let (status, found) = said(request.bearer_auth(token)).await;
            assert_eq!(status, 200, "{found}");
            last = found;
            if is_awaited(&last) {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, look).await;
    assert!(waited.is_ok(), "{last:#}");
    last
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one pager, from hand to hand")]
async fn a_pager_goes_to_sre_by_signatures_and_back_by_notice_and_time() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let [ada, bo, cy] = ["ada", "bo", "cy"].map(|name| admin(&data, name));
    let clock = TestClock::at(NOON);
    let mut chat = Receiver::start().await;
    let running = Running::of(with(home.path(), (&chat.url("/"), ""), &clock)).await;
    // Its team is paid until May only: told once, by day and not by look.
    let told = reminder(&mut chat, "paid until").await;
    assert_eq!(told["title"], "[ticket] shop: its team is paid until 2026-05-01 only");
    assert!(told["text"].as_str().unwrap().contains("nobody will carry its pager"), "{told}");

    let send = async |token: &str, path: &str, body: Value| {
        let request = running.post(&format!("/api/v1/{path}"), body.to_string());
        said(request.bearer_auth(token)).await
    };
    let of = |path: &str| format!("custody/shop/{path}");
    let sign = send(&ada, "policies/held/signatures", json!({"role": "sre"})).await;
    assert_eq!(sign.0, 201, "{}", sign.1);
    let new = custody(&running, &ada, |_| true).await;
    assert_eq!((&new["holder"], &new["is_kept"]), (&json!("developers"), &json!(false)), "{new}");
    assert_eq!(new["rules"], json!({"name": "quick", "version": 3}));
    assert_eq!(new["next"], json!({"to": "shared", "unmet": [], "signers": ["sre"]}));
    assert!(new["funding_alarm"].is_string(), "{new}");

    for (path, body, status) in [
        ("finding", json!({"holder": "sre", "since": "2030-01-01T00:00:00Z", "why": "x"}), 422),
        ("finding", json!({"holder": "sre", "since": "2025-01-01T00:00:00Z", "why": " "}), 422),
        ("finding", json!({"holder": "ops", "since": "2025-01-01T00:00:00Z", "why": "x"}), 400),
        ("step", json!({"to": "sre", "why": "x"}), 422),
        ("step", json!({"to": "shared", "why": ""}), 422),
        ("step", json!({"to": "shared", "why": "x".repeat(4_097)}), 422),
        (
            "finding",
            json!({"holder": "sre", "since": "2025-01-01T00:00:00Z", "why": "x".repeat(4_097)}),
            422,
        ),
        ("step/signatures", json!({"role": "sre"}), 422),
        ("step/end", json!({}), 422),
        ("notice", json!({"role": "sre"}), 422),
        ("notice/end", json!({"role": "sre"}), 422),
        ("notice/decision", json!({"role": "cto", "outcome": "returned", "why": "x"}), 422),
    ] {
        let (found, problem) = send(&ada, &of(path), body).await;
        assert_eq!(found, status, "{path}: {problem}");
    }
    let found =
        json!({"holder": "developers", "since": "2025-01-01T00:00:00Z", "why": "their rota"});
    assert_eq!(send(&ada, &of("finding"), found.clone()).await.1["since"], "2025-01-01T00:00:00Z");

    let step = |to: &str| json!({"to": to, "why": "it has grown"});
    assert_eq!(send(&ada, &of("step"), step("shared")).await.0, 201);
    assert_eq!(send(&ada, &of("step"), step("shared")).await.0, 422, "one is proposed");
    clock.advance(Duration::from_hours(1));
    let waits = reminder(&mut chat, "it is proposed that its pager goes to shared").await;
    assert!(waits["text"].as_str().unwrap().contains("for this reason: it has grown."), "{waits}");
    assert_eq!(send(&ada, &of("finding"), found).await.0, 409, "it is too late for that");
    assert_eq!(send(&bo, &of("step/end"), json!({})).await.1["transfer"], Value::Null);
    assert_eq!(send(&ada, &of("step"), step("shared")).await.0, 201);
    assert_eq!(
        send(&ada, &of("step/signatures"), json!({"role": "sre"})).await.0,
        422,
        "their own"
    );
    let (status, shared) = send(&bo, &of("step/signatures"), json!({"role": "sre"})).await;
    assert_eq!((status, &shared["holder"]), (201, &json!("shared")), "{shared}");
    assert_eq!(shared["called"], json!(["rota"]));
    // Nothing was counted: whether it keeps its promises is not known.
    assert_eq!(send(&ada, &of("step"), step("sre")).await.0, 201);
    let (status, early) = send(&bo, &of("step/signatures"), json!({"role": "sre"})).await;
    assert_eq!(status, 422, "{early}");
    assert!(early.to_string().contains("slo.missed is not known"), "{early}");
    let ask = async || send(&ada, "gate/shop", json!({})).await.1;
    assert_eq!(ask().await["decision"]["level"], "others");

    let traffic = async |bad_every: u32| {
        clock.advance(Duration::from_minutes(5));
        let sent = running.post("/api/v1/events", events(clock.now(), 60, bad_every));
        assert_eq!(sent.bearer_auth(&ada).send().await.unwrap().status(), 200);
        clock.advance(Duration::from_minutes(1));
    };
    traffic(60).await;
    assert_eq!(send(&bo, &of("step/signatures"), json!({"role": "sre"})).await.0, 201);
    let (status, sre) = send(&cy, &of("step/signatures"), json!({"role": "cto"})).await;
    assert_eq!((status, &sre["holder"]), (201, &json!("sre")), "{sre}");
    assert_eq!(sre["called"], json!(["operations", "developers"]));
    // What was seen is kept with each signature, and who signed is told by name.
    let signed = &sre["moves"][1]["transfer"]["signed"];
    assert_eq!(signed[1]["seen"], json!([{"name": "slo.missed", "value": "0"}]), "{sre}");
    let who = signed[1]["who"].as_str().unwrap();
    assert_eq!(sre["people"][who], "cy", "{sre}");
    let denied = ask().await;
    assert_eq!((&denied["decision"]["level"], &denied["exit_code"]), (&json!("theirs"), &json!(1)));

    // It breaks its promise: notice, a decision that is taken, and the deadline of the next.
    assert_eq!(send(&bo, &of("notice"), json!({"role": "sre"})).await.0, 422, "no reason yet");
    traffic(2).await;
    assert_eq!(send(&bo, &of("notice"), json!({"role": "cto"})).await.0, 422, "not theirs");
    let (status, notice) = send(&bo, &of("notice"), json!({"role": "sre"})).await;
    assert_eq!(status, 201, "{notice}");
    assert_eq!(notice["notice"]["grounds"][0]["name"], "broken");
    let taken = send(&bo, &of("notice/end"), json!({"role": "sre"})).await.1;
    assert_eq!((&taken["notice"], &taken["returns"]), (&Value::Null, &Value::Null));
    assert_eq!(send(&bo, &of("notice"), json!({"role": "sre"})).await.0, 201);
    for wrong in [
        json!({"role": "cto", "outcome": "blitz", "why": "x"}),
        json!({"role": "cto", "outcome": "returned", "until": "2026-04-01T00:00:00Z", "why": "x"}),
        json!({"role": "cto", "outcome": "blitz", "by": "us", "until": "2026-04-01T00:00:00Z", "why": "x"}),
        json!({"role": "sre", "outcome": "returned", "why": "x"}),
        json!({"role": "cto", "outcome": "blitz", "until": "2027-04-01T00:00:00Z", "why": "x"}),
    ] {
        let (status, problem) = send(&cy, &of("notice/decision"), wrong).await;
        assert_eq!((status, problem["hint"].is_string()), (422, true), "{problem}");
    }
    let blitz = json!({"role": "cto", "outcome": "blitz", "until": "2026-03-10T00:00:00Z", "why": "mend it"});
    let (status, stays) = send(&cy, &of("notice/decision"), blitz).await;
    assert_eq!((status, &stays["holder"], &stays["returns"]), (201, &json!("sre"), &Value::Null));
    assert_eq!(send(&bo, &of("notice"), json!({"role": "sre"})).await.0, 422, "it is mended");
    clock.advance(Duration::from_days(8));
    traffic(2).await;
    // That its time is over is told, and a day later that there is reason to hand it back.
    let over = reminder(&mut chat, "what was decided on its pager is over since").await;
    assert!(over["text"].as_str().unwrap().contains("flyball custody show shop"), "{over}");
    clock.advance(Duration::from_days(1));
    let grounds = reminder(&mut chat, "there is reason to hand its pager back").await;
    assert!(grounds["text"].as_str().unwrap().contains("It breaks its promise."), "{grounds}");
    // Its window is an hour, and a day has passed.
    traffic(2).await;
    custody(&running, &ada, |of| !of["grounds"].as_array().unwrap().is_empty()).await;
    let (status, again) = send(&bo, &of("notice"), json!({"role": "sre"})).await;
    assert_eq!(status, 201, "{again}");
    // Developers hear of it when it is given, and of the pager's return a week before.
    clock.advance(Duration::from_minutes(1));
    let given = reminder(&mut chat, "notice was given that its pager goes back").await;
    let deadline = again["notice"]["deadline"].as_str().unwrap();
    let text = given["text"].as_str().unwrap();
    assert!(text.contains("Given as sre: It breaks its promise."), "{given}");
    assert!(text.contains(&format!("carry it from {deadline} on unless")), "{given}");
    let deadline = flyball_model::Timestamp::parse(deadline).unwrap();
    clock.advance(deadline.minus(Duration::from_days(7)).since(clock.now()));
    let soon = reminder(&mut chat, "its developers carry its pager from ").await;
    assert_eq!(
        soon["title"],
        format!("[ticket] shop: its developers carry its pager from {deadline} on")
    );
    running.server.stop().await;

    // Nobody decides: time alone hands it back, though the server was down, and those who had it advise.
    clock.advance(Duration::from_days(8));
    let running = Running::of(with(home.path(), (&chat.url("/"), ""), &clock)).await;
    reminder(&mut chat, "its developers carry its pager since").await;
    let back = custody(&running, &ada, |of| of["moves"].as_array().unwrap().len() == 3).await;
    assert_eq!((&back["holder"], &back["advice"]["from"]), (&json!("developers"), &json!("sre")));
    assert_eq!(back["moves"][2]["reason"], "handed_back", "{back}");
    let request = reqwest::Client::new().get(running.url("/api/v1/audit?limit=1000"));
    let (_, log) = said(request.bearer_auth(&ada)).await;
    for action in ["find", "propose", "drop", "sign", "notice", "take_back", "decide", "return"]
        .map(|it| format!("custody.{it}"))
    {
        assert!(log.to_string().contains(&format!("\"{action}\"")), "{action}");
    }
    let signs = log["records"].as_array().unwrap().iter();
    let signs: Vec<&Value> = signs.filter(|of| of["action"] == "custody.sign").collect();
    assert_eq!(signs.len(), 3);
    assert_eq!(signs[2]["detail"]["seen"][0]["name"], "slo.missed", "{}", signs[2]);
    let tells = log.to_string().matches("\"funding.tell\"").count();
    assert_eq!(tells, 1, "a restart tells it no more");
    let gate = running.post("/api/v1/gate/shop", "{}").bearer_auth(&ada);
    assert_eq!(said(gate).await.1["decision"]["level"], "others");
    // When it is over, that is told as well.
    let may = flyball_model::Timestamp::parse("2026-05-02T12:00:00Z").unwrap();
    clock.advance(may.since(clock.now()));
    let told = reminder(&mut chat, "has not been paid").await;
    assert_eq!(told["title"], "[ticket] shop: its team has not been paid since 2026-05-01");
    running.server.stop().await;
}

/// A review that waits for a signature is told, and so is the end of an approval that rests on a waiver.
#[tokio::test(flavor = "multi_thread")]
async fn reviews_that_wait_and_approvals_that_end_are_told() {
    const SMALL: &str = "
---
apiVersion: flyball.dev/v1
kind: Checklist
metadata: {name: small}
spec:
  version: 1
  stage: launch
  signers: [sre]
  waivers: {roles: [sre], longest: 30d}
  items: [{id: tried, heading: deployment_process, ask: Was a roll-back made?}]
";
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let [ada, bo] = ["ada", "bo"].map(|name| admin(&data, name));
    let clock = TestClock::at(NOON);
    let mut chat = Receiver::start().await;
    let running = Running::of(with(home.path(), (&chat.url("/"), SMALL), &clock)).await;
    let send = async |token: &str, path: &str, body: Value| {
        let request = running.post(&format!("/api/v1/reviews/shop{path}"), body.to_string());
        let (status, answer) = said(request.bearer_auth(token)).await;
        assert!(status < 300, "{path}: {answer}");
    };
    send(&ada, "", json!({"checklist": "small"})).await;
    let ends = clock.now().plus(Duration::from_days(20)).to_string();
    let waiver = json!({"item": "tried", "role": "sre", "why": "it is new", "expires": ends});
    send(&bo, "/small/waivers", waiver).await;
    send(&ada, "/small/submission", json!({})).await;
    clock.advance(Duration::from_days(1));
    let waits = reminder(&mut chat, "its review by small waits for signatures").await;
    assert!(waits["text"].as_str().unwrap().contains("flyball review sign shop small"), "{waits}");
    send(&bo, "/small/signatures", json!({"role": "sre"})).await;
    // Nineteen days are left; two weeks before its end, and once it is over, it is told.
    clock.advance(Duration::from_days(5));
    let soon = reminder(&mut chat, "its approval by small ends at ").await;
    assert_eq!(soon["title"], format!("[ticket] shop: its approval by small ends at {ends}"));
    clock.advance(Duration::from_days(14));
    reminder(&mut chat, "its approval by small has ended: tried is not waived any more").await;
    running.server.stop().await;
}

/// The rotas of each side, and an escalation whose levels say for whom they hold.
const WAYS: &str = "
---
apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: builders}
spec: {members: [{name: ada, side: developers}], layers: [{name: first, members: [ada], rotation: {unit: week, start: 2026-01-05T09:00}}]}
---
apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: keepers}
spec: {members: [{name: sam, side: sre}], layers: [{name: first, members: [sam], rotation: {unit: week, start: 2026-01-05T09:00}}]}
---
apiVersion: flyball.dev/v1
kind: Escalation
metadata: {name: by-custody}
spec:
  services: [shop]
  levels:
  - {name: keepers, side: sre, rota: keepers, wait: 5m, custody: [sre]}
  - {name: builders, side: developers, rota: builders, wait: 5m}
  - {name: advice, side: sre, rota: keepers, wait: 5m, custody: [advised]}
";

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_the_pager_and_what_comes_late_to_a_deadline_is_written_down() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let [ada, bo] = ["ada", "bo"].map(|name| admin(&data, name));
    let clock = TestClock::at(NOON);
    let mut chat = Receiver::start().await;
    let running = Running::of(with(home.path(), (&chat.url("/"), WAYS), &clock)).await;
    let send = async |token: &str, path: &str, body: Value| {
        let request = running.post(&format!("/api/v1/custody/shop/{path}"), body.to_string());
        said(request.bearer_auth(token)).await
    };
    let get = async |path: &str| {
        let request = reqwest::Client::new().get(running.url(path));
        said(request.bearer_auth(&ada)).await.1
    };
    let levels = async || {
        let who = get("/api/v1/on-call?service=shop").await;
        let names: Vec<Value> =
            who["levels"].as_array().unwrap().iter().map(|level| level["level"].clone()).collect();
        (who["custody"].clone(), who["misrouted"].is_null(), names)
    };
    let builders = json!("builders");
    assert_eq!(levels().await, (json!("developers"), true, vec![builders.clone()]));
    let found = json!({"holder": "sre", "since": "2025-01-01T00:00:00Z", "why": "as it was"});
    let (status, page) = send(&ada, "finding", found).await;
    assert_eq!((status, &page["misrouted"]), (201, &Value::Null), "{page}");
    assert_eq!(levels().await, (json!("sre"), true, vec![json!("keepers"), builders.clone()]));

    // Notice is given and nobody decides. Whoever acts first after the deadline finds it back, which is in the audit log
    // and told.
    clock.advance(Duration::from_minutes(5));
    let sent = running.post("/api/v1/events", events(clock.now(), 60, 2)).bearer_auth(&ada);
    assert_eq!(sent.send().await.unwrap().status(), 200);
    clock.advance(Duration::from_minutes(1));
    let (status, notice) = send(&bo, "notice", json!({"role": "sre"})).await;
    assert_eq!(status, 201, "{notice}");
    clock.advance(Duration::from_days(31));
    let step = json!({"to": "shared", "why": "it is mended"});
    let (status, step) = send(&ada, "step", step).await;
    assert_eq!((status, &step["holder"]), (201, &json!("developers")), "{step}");
    assert!(step["moves"][0]["reason"] == "handed_back", "{step}");
    let log = get("/api/v1/audit?limit=1000").await.to_string();
    assert_eq!(log.matches("\"custody.return\"").count(), 1, "{log}");
    // Those who handed it back advise: they are called after its developers.
    assert_eq!(levels().await, (json!("developers"), true, vec![builders, json!("advice")]));
    reminder(&mut chat, "its developers carry its pager since").await;
    running.server.stop().await;
}

/// What cannot be kept as told is told once, and stands in the way of nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_that_cannot_be_kept_stops_no_other_and_is_not_told_again() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let ada = admin(&data, "ada");
    let clock = TestClock::at(NOON);
    let mut chat = Receiver::start().await;
    // Its name alone is short enough for a record's id, what is told of it is not.
    let long = "a".repeat(1_000);
    let slo = SHOP
        .replace("name: checkout", "name: long")
        .replace("service: shop", &format!("service: {long}"));
    let service = format!("---{slo}");
    let running = Running::of(with(home.path(), (&chat.url("/"), &service), &clock)).await;
    let (mut of_long, mut others) = (0, 0);
    let mut until = async |title: &str| loop {
        let told = chat.next().await.json();
        let said = told["title"].as_str().unwrap_or_default();
        *(if said.contains(&long[..50]) { &mut of_long } else { &mut others }) += 1;
        if said.contains(title) {
            return;
        }
    };
    until("its team is paid until").await;
    let propose = async |service: &str| {
        let step = json!({"to": "shared", "why": "it has grown"});
        let path = format!("/api/v1/custody/{service}/step");
        let request = running.post(&path, step.to_string());
        let (status, found) = said(request.bearer_auth(&ada)).await;
        assert_eq!(status, 201, "{found}");
    };
    propose(&long).await;
    for _ in 0..3 {
        propose("shop").await;
        clock.advance(Duration::from_days(1));
        until("shop: it is proposed that its pager goes to shared").await;
        let request = running.post("/api/v1/custody/shop/step/end", "{}");
        assert_eq!(said(request.bearer_auth(&ada)).await.0, 201);
    }
    assert_eq!(of_long, 1, "beside {others}");
    running.server.stop().await;
}
