//! What is done about changes that regressed: told, done once, recorded, and by whom.

use std::path::Path;

use flyball_model::{Duration, Timestamp};
use flyball_server::Config;
use serde_json::{Value, json};

use crate::alerts::receiver::Receiver;
use crate::harness::{NOON, Running, SHOP, TestClock, config};
use crate::verdicts::{broken_deploy, change, record, send, traffic};

/// Flags as flagd reads them.
const FLAGS: &str = r#"{
  "flags": {
    "new-cart": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on",
      "targeting": {"if": [true, "on"]}}
  }
}
"#;

/// A restore action of the shop, as a document.
fn action(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: flyball.dev/v1\nkind: RestoreAction\nmetadata: {{name: {name}}}\nspec: \
         {{service: shop, {spec}}}\n"
    )
}

fn hook(name: &str, url: &str, more: &str) -> String {
    let hook = format!("hook: {{purpose: rollback, url: '{url}', secret: 'file:hook'}}");
    action(name, &format!("{more}{hook}"))
}

/// A server of the shop with these documents, secrets and a directory of flag files.
fn with(home: &Path, documents: &str, clock: &TestClock) -> Config {
    let (secrets, flags) = (home.join("secrets"), home.join("flags"));
    for directory in [&secrets, &flags] {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(secrets.join("hook"), "hush").unwrap();
    std::fs::write(secrets.join("token"), "*:*.unleash-insecure-api-token\n").unwrap();
    if !flags.join("shop.json").exists() {
        std::fs::write(flags.join("shop.json"), FLAGS).unwrap();
    }
    Config {
        external: Some("https://flyball.example".to_owned()),
        secrets: Some(secrets),
        flag_files: Some(flags),
        ..config(&home.join("data"), &format!("{SHOP}{documents}"), clock)
    }
}

async fn restore(running: &Running, id: &str, asked: Value) -> (u16, Value) {
    let sent = running.post(&format!("/api/v1/changes/{id}/restore"), asked.to_string());
    let answer = sent.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// The steps of restoring that the audit log holds.
async fn audited(running: &Running) -> Vec<String> {
    let (_, log) = running.get("/api/v1/audit").await;
    let records = log["records"].as_array().unwrap().iter();
    let steps = records.filter_map(|record| {
        let step = record["action"].as_str()?.strip_prefix("change.restore.")?;
        Some(format!("{} {step}", record["actor"].as_str()?))
    });
    steps.collect()
}

fn state(of: &Value) -> &str {
    of["restores"][0]["state"].as_str().unwrap_or_default()
}

/// The shop's change of a flag, which began to make users fail at noon.
async fn broken_flag(running: &Running, clock: &TestClock, more: &Value) {
    let noon = Timestamp::parse(NOON).unwrap();
    send(running, traffic(noon.minus(Duration::from_hours(2)), 7_200, 100, "1.3.0")).await;
    let mut flip = json!({"id": "flip", "service": "shop", "kind": "flag"});
    flip.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record(running, &flip).await;
    send(running, traffic(noon, 300, 2, "1.3.0")).await;
    clock.advance(Duration::from_seconds(310));
    change(running, "flip", |it| it["verdict"]["answer"] == "regressed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ticket_waits_for_the_hours_of_the_team() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let mut chat = Receiver::start().await;
    let documents = format!(
        "{}---\napiVersion: flyball.dev/v1\nkind: AlertTarget\nmetadata: {{name: chat}}\nspec: {{webhook: \
         {{url: '{}', secret: 'file:hook'}}}}\n---\napiVersion: flyball.dev/v1\nkind: Service\nmetadata: {{name: shop}}\n\
         spec: {{workingHours: {{days: [wed], timeZone: Europe/Berlin}}}}\n",
        hook("back", &receiver.url("/back"), "automatic: true, dryRun: false, "),
        chat.url("/"),
    );
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    broken_deploy(&running, &clock).await;
    receiver.next().await;
    let seen = change(&running, "release", |it| state(it) == "done").await;
    assert_eq!(seen["restores"][0]["is_owed"], true, "it is a Monday");

    // A restart does not forget it. Wednesday, a second before nine in Berlin, and nine.
    running.server.stop().await;
    let early = Timestamp::parse("2026-03-04T07:59:59Z").unwrap();
    clock.advance(early.since(clock.now()));
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    record(&running, &json!({"id": "another", "service": "shop"})).await;
    clock.advance(Duration::from_seconds(1));
    record(&running, &json!({"id": "and another", "service": "shop"})).await;
    let ticket = chat.next().await;
    assert_eq!(ticket.json()["event"], "change.restored");
    let nine = Timestamp::parse("2026-03-04T08:00:00Z").unwrap().nanos() / 1_000_000_000;
    assert!(ticket.header("flyball-signature").starts_with(&format!("t={nine},")), "{ticket:?}");
    change(&running, "release", |it| it["restores"][0]["is_owed"] == false).await;
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regression_is_rolled_back_once_recorded_and_a_ticket() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let mut chat = Receiver::start().await;
    let documents = format!(
        "{}---\napiVersion: flyball.dev/v1\nkind: AlertTarget\nmetadata: {{name: chat}}\nspec: {{webhook: \
         {{url: '{}', secret: 'file:hook'}}}}\n",
        hook("back", &receiver.url("/back"), "automatic: true, dryRun: false, "),
        chat.url("/"),
    );
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    let before = json!({
        "id": "before", "service": "shop", "version": "1.3.0", "finished": "2026-02-02T09:00:00Z",
    });
    record(&running, &before).await;
    // The first attempt is refused for now, so the second is under the same key.
    receiver.answer(503, 1);
    broken_deploy(&running, &clock).await;
    let first = receiver.next().await;
    change(&running, "release", |it| it["restores"][0]["attempts"] == 1).await;
    clock.advance(Duration::from_seconds(2));
    let second = receiver.next().await;
    assert_eq!(first.body, second.body);
    let (key, again) = (first.header("idempotency-key"), second.header("idempotency-key"));
    assert_eq!((first.path.as_str(), key), ("/back", again));
    assert_eq!(first.header("flyball-event"), "restore.rollback");
    assert!(first.header("flyball-signature").starts_with("t="));
    let told = first.json();
    assert_eq!(
        (&told["change"]["id"], &told["to"]["version"]),
        (&json!("release"), &json!("1.3.0"))
    );
    assert_eq!((&told["objectives"], &told["automatic"]), (&json!(["checkout"]), &json!(true)));

    let seen = change(&running, "release", |it| state(it) == "done").await;
    assert_eq!(seen["restores"].as_array().unwrap().len(), 1, "{seen:#}");
    assert_eq!(seen["suggestion"], Value::Null, "there is nothing left to do");
    let made = seen["restores"][0]["change"].as_str().unwrap();
    assert_eq!(told["record"], made);
    let made = running.get(&format!("/api/v1/changes/{made}")).await.1["change"].clone();
    assert_eq!((&made["kind"], &made["restores"]), (&json!("rollback"), &json!("release")));
    assert_eq!((&made["version"], &made["actor"]), (&json!("1.3.0"), &json!("server")));
    assert_eq!(audited(&running).await, ["server begin", "server done"]);

    // What is measured ends where everything is counted.
    clock.advance(Duration::from_seconds(20));
    let measured = "/api/v1/delivery?service=shop&from=2026-03-02T08:00:00Z";
    let (_, measured) = running.get(measured).await;
    assert_eq!(measured.pointer("/measures/change_failure/rate/of"), Some(&json!(1)), "{measured}");
    let recovery = measured.pointer("/measures/recovery/deployments/median");
    assert_eq!(recovery, Some(&json!("312s")), "{measured}");
    let cause = &seen["life"]["ending"]["cause"];
    assert_eq!((&cause["kind"], &cause["by"]), (&json!("verdict"), &json!("release")));

    let ticket = chat.next().await.json();
    assert_eq!(ticket["event"], "change.restored");
    assert!(ticket["title"].as_str().unwrap().contains("look at it in working hours"), "{ticket}");
    change(&running, "release", |it| it["restores"][0]["is_owed"] == false).await;
    // Asked again by somebody, after a restart too, nothing is done again.
    let asked = json!({"action": "back", "apply": true, "role": "on_call"});
    let (status, said) = restore(&running, "release", asked.clone()).await;
    assert_eq!((status, &said["restore"]["by"]), (200, &json!("server")), "{said}");
    running.server.stop().await;
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    let (status, said) = restore(&running, "release", asked).await;
    assert_eq!((status, &said["restore"]["state"]), (200, &json!("done")), "{said}");
    running.server.stop().await;
    assert!(receiver.is_quiet() && chat.is_quiet());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_be_done_and_changes_nothing() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    // Automatic, and a dry run since nobody says otherwise.
    let documents = hook("back", &receiver.url("/back"), "automatic: true, ");
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    broken_deploy(&running, &clock).await;
    let seen = change(&running, "release", |it| state(it) == "planned").await;
    let plan = &seen["restores"][0]["plan"];
    assert_eq!((&plan["method"], &plan["url"]), (&json!("POST"), &json!(receiver.url("/back"))));
    let body: Value = serde_json::from_str(plan["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["change"]["id"], "release");
    assert!(!seen.to_string().contains("hush"), "no secret is told");
    assert_eq!(seen["suggestion"]["remedy"], "roll_back");

    let (status, said) = restore(&running, "release", json!({})).await;
    assert_eq!((status, &said["restore"]["state"]), (200, &json!("planned")), "{said}");
    assert_eq!(said["restore"]["by"], "anyone");
    assert_eq!(audited(&running).await, ["server plan", "anyone plan"]);
    let apply = json!({"apply": true, "role": "on_call"});
    let (status, said) = restore(&running, "release", apply).await;
    assert_eq!((status, &said["hint"]), (409, &json!("set `dryRun: false` in its document")));
    for (asked, status) in [
        (json!({"action": "forth"}), 422),
        (json!({"slice": "cloud.region=eu"}), 422),
        (json!({"how": "fast"}), 400),
    ] {
        assert_eq!(restore(&running, "release", asked.clone()).await.0, status, "{asked}");
    }
    assert_eq!(restore(&running, "other", json!({})).await.0, 404);
    running.server.stop().await;
    assert!(receiver.is_quiet(), "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_is_switched_off_in_flagds_file_by_whoever_may_go_back() {
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = action("kill", "dryRun: false, kinds: [flag], flagd: {file: shop.json}");
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    broken_flag(&running, &clock, &json!({"flag": "new-cart"})).await;
    let file = home.path().join("flags/shop.json");
    let read = || std::fs::read_to_string(&file).unwrap();
    let (status, said) = restore(&running, "flip", json!({})).await;
    let edits = json!([
        {"pointer": "/flags/new-cart/defaultVariant", "from": "on", "to": "off"},
        {"pointer": "/flags/new-cart/targeting", "from": {"if": [true, "on"]}, "to": {}},
    ]);
    let plan = &said["restore"]["plan"];
    assert_eq!((status, &plan["edits"], &plan["file"]), (200, &edits, &json!("shop.json")));
    assert_eq!(read(), FLAGS);

    for (asked, hint) in [
        (json!({"apply": true}), "name the `role`"),
        (json!({"apply": true, "role": "intern"}), "these do: developer"),
    ] {
        let (status, said) = restore(&running, "flip", asked).await;
        assert_eq!(status, 422, "{said}");
        assert!(said["hint"].as_str().unwrap().contains(hint), "{said}");
    }
    assert_eq!(read(), FLAGS);
    let (status, said) = restore(&running, "flip", json!({"apply": true, "role": "on_call"})).await;
    assert_eq!((status, &said["restore"]["state"]), (200, &json!("done")), "{said}");
    let off = FLAGS
        .replace("\"defaultVariant\": \"on\"", "\"defaultVariant\": \"off\"")
        .replace(r#"{"if": [true, "on"]}"#, "{}");
    assert_eq!(read(), off);
    let made = said["restore"]["change"].as_str().unwrap();
    let made = running.get(&format!("/api/v1/changes/{made}")).await.1["change"].clone();
    assert_eq!((&made["kind"], &made["flag"]), (&json!("flag"), &json!("new-cart")));
    // What restored is not restored from, and nothing of it is said to be missing.
    std::fs::write(&file, FLAGS).unwrap();
    let (_, said) =
        restore(&running, "flip", json!({"action": "kill", "apply": true, "role": "sre"})).await;
    assert_eq!(said["restore"]["role"], "on_call", "it was done once");
    assert_eq!(read(), FLAGS);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_that_is_not_there_is_refused_with_those_that_are() {
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = action("kill", "automatic: true, dryRun: false, flagd: {file: shop.json}");
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    broken_flag(&running, &clock, &json!({"flag": "old-cart"})).await;
    let failed = change(&running, "flip", |it| state(it) == "failed").await;
    let problem = failed["restores"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("no flag `old-cart`") && problem.contains("`new-cart`"), "{problem}");
    let (status, said) = restore(&running, "flip", json!({})).await;
    assert_eq!((status, &said["hint"]), (422, &json!("it has `new-cart`")), "{said}");
    assert_eq!(std::fs::read_to_string(home.path().join("flags/shop.json")).unwrap(), FLAGS);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unleash_is_asked_once_in_its_words() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let unleash = format!(
        "unleash: {{url: '{}', project: default, environment: production, flag: new-cart, token: 'file:token'}}",
        receiver.url("/base")
    );
    let documents = action("kill", &format!("automatic: true, dryRun: false, {unleash}"));
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    broken_flag(&running, &clock, &json!({})).await;
    let asked = receiver.next().await;
    assert_eq!(asked.method, "POST");
    assert_eq!(
        asked.path,
        "/base/api/admin/projects/default/features/new-cart/environments/production/off"
    );
    assert_eq!(asked.header("authorization"), "*:*.unleash-insecure-api-token");
    assert!(asked.body.is_empty());
    let done = change(&running, "flip", |it| state(it) == "done").await;
    assert!(!done.to_string().contains("insecure"), "no token is told");
    running.server.stop().await;
    assert!(receiver.is_quiet());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_has_only_begun_leaves_the_end_to_whoever_ends_it() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let documents = format!(
        "{}{}{}",
        hook("back", &receiver.url("/back"), "dryRun: false, "),
        hook("other", &receiver.url("/other"), "dryRun: false, classes: [fix], "),
        action(
            "drain",
            &format!(
                "dryRun: false, hook: {{purpose: drain, url: '{}', secret: 'file:hook'}}",
                receiver.url("/drain")
            )
        ),
    );
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    record(&running, &json!({"id": "fine", "service": "shop", "finished": "2026-03-02T08:00:00Z"}))
        .await;
    broken_deploy(&running, &clock).await;
    change(&running, "release", |it| state(it) == "planned").await;
    let on_call = |more: Value| {
        let mut asked = json!({"apply": true, "role": "on_call"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    // Somebody drains a region first, which is refused at the first try for good.
    let drain = on_call(json!({"action": "drain", "slice": "cloud.region=eu-1"}));
    assert_eq!(restore(&running, "release", on_call(json!({"action": "drain"}))).await.0, 422);
    receiver.answer(302, 1);
    let (status, said) = restore(&running, "release", drain.clone()).await;
    assert_eq!((status, &said["restore"]["state"]), (200, &json!("failed")), "{said}");
    assert_eq!(said["restore"]["problem"], "it answered 302: as you say");
    let (_, said) = restore(&running, "release", drain).await;
    assert_eq!(said["restore"]["state"], "done", "they may ask again: {said}");
    let [first, again] = [receiver.next().await, receiver.next().await];
    assert_eq!(first.header("idempotency-key"), again.header("idempotency-key"));
    let slice = json!({"attribute": "cloud.region", "value": "eu-1"});
    assert_eq!((&first.json()["slice"], &first.json()["event"]), (&slice, &json!("drain")));

    receiver.answer(202, 1);
    let (status, said) = restore(&running, "release", on_call(json!({"action": "back"}))).await;
    assert_eq!((status, &said["restore"]["state"]), (200, &json!("done")), "{said}");
    let made = said["restore"]["change"].as_str().unwrap().to_owned();
    let under_way = running.get(&format!("/api/v1/changes/{made}")).await.1;
    assert_eq!(under_way["change"]["outcome"], "underway");
    let ended = json!({"id": made, "service": "shop", "kind": "rollback", "version": "1.3.0"});
    let sent = running.post("/api/v1/changes", ended.to_string()).send().await.unwrap();
    assert_eq!(sent.status(), 200, "news of a change that is known");
    let ended = running.get(&format!("/api/v1/changes/{made}")).await.1;
    assert_eq!(
        (&ended["change"]["outcome"], &ended["change"]["restores"]),
        (&json!("succeeded"), &json!("release"))
    );

    // Nothing is suggested for what is well, and nothing is undone from here that shipped long ago.
    assert_eq!(restore(&running, "fine", json!({})).await.0, 409);
    clock.advance(Duration::from_days(8));
    let (status, said) = restore(&running, "fine", json!({"action": "back"})).await;
    assert_eq!(status, 409, "{said}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_late_is_not_undone_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receiver = Receiver::start().await;
    let documents = hook("back", &receiver.url("/back"), "automatic: true, dryRun: false, ");
    let running = Running::of(with(home.path(), &documents, &clock)).await;
    let noon = Timestamp::parse(NOON).unwrap();
    send(&running, traffic(noon.minus(Duration::from_hours(3)), 7_200, 100, "1.3.0")).await;
    send(&running, traffic(noon.minus(Duration::from_hours(1)), 600, 2, "1.4.0")).await;
    let late = json!({"id": "late", "service": "shop", "finished": "2026-03-02T11:00:00Z"});
    record(&running, &late).await;
    let undone = json!({"id": "undone", "service": "shop", "kind": "rollback", "finished": "2026-03-02T11:30:00Z"});
    clock.advance(Duration::from_seconds(20));
    let seen = change(&running, "late", |it| state(it) == "planned").await;
    assert_eq!(seen["verdict"]["answer"], "regressed");
    assert_eq!(seen["restores"][0]["automatic"], false);
    record(&running, &undone).await;
    running.server.stop().await;
    assert!(receiver.is_quiet());
}
