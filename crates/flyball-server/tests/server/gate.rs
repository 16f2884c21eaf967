//! The gate over real sockets: what is decided from live budgets, kept, and by whom.

use std::path::Path;
use std::sync::Arc;

use flyball_model::{Duration, Timestamp};
use flyball_server::{Scope, TokenRequest, Tokens};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::changes::hex;
use crate::harness::{NOON, Running, SHOP, TestClock, events};

pub(crate) async fn said(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

pub(crate) async fn post(running: &Running, path: &str, body: Value) -> (u16, Value) {
    let request = running.post(path, body.to_string());
    said(request.header("content-type", "application/json")).await
}

pub(crate) async fn ask(running: &Running, class: &str) -> Value {
    let (status, answer) = post(running, "/api/v1/gate/shop", json!({"class": class})).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// A server whose shop has failed `bad_every`th of 60 requests; its objective allows a tenth.
pub(crate) async fn spent(data: &Path, clock: &TestClock, bad_every: u32) -> Running {
    spent_of(SHOP, data, clock, bad_every).await
}

/// As [`spent`], with other documents.
pub(crate) async fn spent_of(
    documents: &str,
    data: &Path,
    clock: &TestClock,
    bad_every: u32,
) -> Running {
    flyball_server::choose_cryptography();
    let running = Running::start(data, documents, clock).await;
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, bad_every)).send().await.unwrap();
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    running
}

pub(crate) async fn sign(running: &Running) {
    for role in ["product_manager", "engineering_lead", "sre"] {
        let path = "/api/v1/policies/four-weeks/signatures";
        let (status, done) = post(running, path, json!({"role": role})).await;
        assert_eq!(status, 201, "{done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_data_is_told_so_and_not_blocked() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    sign(&running).await;
    let planned = json!({"service": "new", "outcome": "planned"});
    assert!(post(&running, "/api/v1/changes", planned).await.0 < 300);
    for service in ["shop", "new"] {
        let (status, answer) = running.get(&format!("/api/v1/gate/{service}")).await;
        assert_eq!((status, &answer["exit_code"]), (200, &json!(0)), "{answer}");
        assert_eq!(answer["decision"]["outcome"], "warn");
        assert!(answer["decision"].to_string().contains("no_data_yet"), "{answer}");
        assert_eq!(answer["id"], Value::Null, "a look is not kept");
        assert!(!answer.to_string().contains("The budget allows"), "nothing is known: {answer}");
    }
    for (query, status) in [("class=party", 422), ("rollout=fast", 422), ("klass=x", 400)] {
        let (found, problem) = running.get(&format!("/api/v1/gate/shop?{query}")).await;
        assert_eq!((found, problem["hint"].is_string()), (status, true), "{problem}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_service_is_an_error_and_nothing_is_kept_of_it() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    let asked = |class: &str| post(&running, "/api/v1/gate/shpo", json!({"class": class}));
    for (status, problem) in
        [asked("feature").await, running.get("/api/v1/gate/shpo?class=fix").await]
    {
        assert_eq!(status, 404, "{problem}");
        let hint = problem["hint"].as_str().unwrap();
        assert!(hint.starts_with("did you mean `shop`? A new service is there once"), "{hint}");
    }
    let kept = async || running.get("/api/v1/gate/shpo/decisions").await.1["decisions"].clone();
    assert_eq!(kept().await, json!([]));
    // Nothing holds up what restores: nobody looks for a name in an outage.
    let (status, answer) = asked("rollback").await;
    assert_eq!((status, &answer["exit_code"]), (200, &json!(0)), "{answer}");
    let warning = answer["warning"].as_str().unwrap();
    assert!(warning.contains("nothing is known of a service `shpo`"), "{warning}");
    assert_eq!(kept().await.as_array().unwrap().len(), 1);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_advises_until_it_is_signed_and_then_denies_and_says_until_when() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent(directory.path(), &clock, 3).await;
    let advisory = ask(&running, "feature").await;
    assert_eq!(advisory["exit_code"], 0);
    assert_eq!(advisory["decision"]["otherwise"], "deny");
    let wrong = json!({"role": "cto"});
    let path = "/api/v1/policies/four-weeks/signatures";
    assert_eq!(post(&running, path, wrong).await.0, 422, "the policy does not ask the CTO");
    sign(&running).await;
    let (_, list) = running.get("/api/v1/policies").await;
    let listed = list["policies"].as_array().unwrap();
    let signed = listed.iter().find(|of| of["name"] == "four-weeks").unwrap();
    assert_eq!(signed["enforced"], true, "{list}");

    let denied = ask(&running, "feature").await;
    assert_eq!(
        (&denied["exit_code"], &denied["decision"]["level"]),
        (&json!(1), &json!("overspent"))
    );
    let until = Timestamp::parse(denied["decision"]["until"].as_str().unwrap()).unwrap();
    assert!(until > clock.now() && until <= clock.now().plus(Duration::from_hours(2)), "{until}");
    for class in ["rollback", "security", "drain", "reliability", "kill_switch"] {
        assert_eq!(ask(&running, class).await["decision"]["outcome"], "allow", "{class}");
    }

    // What was decided is kept as it was, and the audit log holds what it is known by.
    let id = denied["id"].as_str().unwrap();
    let (_, page) = running.get("/api/v1/gate/shop/decisions?limit=200").await;
    let kept = page["decisions"].as_array().unwrap();
    assert_eq!(kept.len(), 7, "{page}");
    let found = kept.iter().find(|one| one["id"] == id).unwrap();
    assert_eq!(found["decision"], denied["decision"]);
    // Keys are sorted and nothing is a float, so that this is the canonical form.
    let digest = Sha256::digest(found["decision"].to_string().as_bytes());
    assert_eq!(hex(&digest), id);
    let (_, log) = running.get("/api/v1/audit?limit=1000").await;
    let records = log["records"].as_array().unwrap();
    let noted = records.iter().find(|record| record["target"] == id).unwrap();
    assert_eq!(
        (&noted["action"], &noted["detail"]["outcome"]),
        (&json!("gate.decide"), &json!("deny"))
    );
    assert_eq!(running.get("/api/v1/audit/verify").await.1["whole"], true);
    running.server.stop().await;

    let running = Running::start(directory.path(), SHOP, &clock).await;
    running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    assert_eq!(ask(&running, "feature").await["exit_code"], 1, "signatures outlive a restart");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_is_overspent_says_until_when() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let by_status = SHOP.replace("'shop'}}}", "'shop', by: [status]}}}");
    // A twentieth of all, and all of one slice.
    let running = spent_of(&by_status, directory.path(), &clock, 20).await;
    sign(&running).await;
    let denied = ask(&running, "feature").await;
    assert_eq!(denied["exit_code"], 1, "{denied}");
    let inputs = denied["decision"]["inputs"].as_array().unwrap();
    let told = inputs.iter().filter(|input| input["name"] == "budget.exhausted");
    let exhausted = told.filter(|input| input["value"] == "true");
    let exhausted: Vec<&Value> = exhausted.map(|input| &input["budget"]).collect();
    assert_eq!(exhausted, ["checkout [503]"], "{denied}");
    let until = Timestamp::parse(denied["decision"]["until"].as_str().unwrap()).unwrap();
    assert!(until > clock.now() && until <= clock.now().plus(Duration::from_hours(2)), "{until}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_and_blocks_are_accountable_and_end() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent(directory.path(), &clock, 3).await;
    sign(&running).await;
    let end = |hours: u32| clock.now().plus(Duration::from_hours(hours)).to_string();
    let except = async |role: &str, why: &str, hours: u32| {
        let body = json!({"class": "feature", "role": role, "why": why, "expires": end(hours)});
        post(&running, "/api/v1/gate/shop/overrides", body).await.0
    };
    assert_eq!(except("sre", "now", 1).await, 422, "the policy lets no SRE make exceptions");
    assert_eq!(except("product_manager", " ", 1).await, 422, "for no reason");
    assert_eq!(except("product_manager", "now", 25).await, 422, "for too long");
    assert_eq!(ask(&running, "feature").await["exit_code"], 1);
    assert_eq!(except("product_manager", "a contract ends", 1).await, 201);
    let through = ask(&running, "feature").await;
    assert_eq!(
        (&through["exit_code"], &through["decision"]["otherwise"]),
        (&json!(0), &json!("deny"))
    );
    assert!(through.to_string().contains("a contract ends"), "{through}");
    assert_eq!(ask(&running, "maintenance").await["exit_code"], 1, "it is for features");

    let block = |role: &str, class: &str, hours: u32| {
        let body =
            json!({"classes": [class], "role": role, "why": "a sale", "expires": end(hours)});
        post(&running, "/api/v1/gate/other/blocks", body)
    };
    assert_eq!(block("sre", "feature", 1).await.0, 404, "nothing is known of it");
    let planned = json!({"service": "other", "outcome": "planned"});
    assert!(post(&running, "/api/v1/changes", planned).await.0 < 300);
    assert_eq!(block("developer", "feature", 1).await.0, 422, "no right to freeze");
    assert_eq!(block("sre", "rollback", 1).await.0, 422, "restoring is never blocked");
    assert_eq!(block("sre", "feature", 15 * 24).await.0, 422, "two weeks at most");
    assert_eq!(block("sre", "feature", 1).await.0, 201);
    let outcome = async || running.get("/api/v1/gate/other").await.1["decision"]["outcome"].clone();
    assert_eq!(outcome().await, "deny");
    clock.advance(Duration::from_hours(1));
    assert_eq!(outcome().await, "warn", "it is over");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_tiers_are_documents_with_places() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), "", &clock).await;
    let apply = async |text: &str| {
        let files = json!({"files": [{"name": "policy.yaml", "text": text}]});
        post(&running, "/api/v1/apply", files).await
    };
    let strict = "
apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: strict}
spec:
  version: 1
  approvers: [sre]
  revisit: 2100-01-01
  levels:
  - name: always
    when: calendar.month >= 1
    deploys: {deny: [feature]}
    caps: [{classes: [feature], share: 5%, bake: 30m}]
  - name: never
---
apiVersion: flyball.dev/v1
kind: Tier
metadata: {name: special}
spec: {target: 99%, window: 28d, alerting: default, policy: strict}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: shop, annotations: {flyball.dev/tier: special}}
spec: {}
";
    let (status, problem) = apply(&strict.replace("calendar.month", "calendar.moon")).await;
    assert_eq!(status, 422);
    let finding = &problem["diagnostics"][0];
    assert_eq!((&finding["line"], &finding["path"]), (&json!(11), &json!("spec.levels[0].when")));
    let (status, plan) = apply(strict).await;
    assert_eq!(status, 200, "{plan}");
    let path = "/api/v1/policies/strict/signatures";
    assert_eq!(post(&running, path, json!({"role": "sre"})).await.0, 201);
    let asked = async |rollout: &str| {
        let path = format!("/api/v1/gate/shop?rollout={rollout}");
        running.get(&path).await.1
    };
    assert_eq!(asked("canary:50%25:1h").await["exit_code"], 1);
    let capped = asked("canary:5%25:30m").await;
    assert_eq!((&capped["exit_code"], &capped["decision"]["reach"]), (&json!(0), &json!("5%")));
    let (_, other) = running.get("/api/v1/gate/other?class=rollback").await;
    assert_eq!(other["decision"]["policy"]["name"], "four-weeks");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_ask_may_not_decide_by_hand() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let token = |scopes: &[Scope], services: &[&str]| {
        let request = TokenRequest {
            name: "test".to_owned(),
            scopes: scopes.to_vec(),
            services: services.iter().map(ToString::to_string).collect(),
            functions: Vec::new(),
            expires: None,
        };
        let at = Timestamp::parse(NOON).unwrap();
        Tokens::open(directory.path()).unwrap().create(&request, "test", at).unwrap().token
    };
    let admin = token(&[Scope::Admin], &[]);
    let ci = token(&[Scope::Deploy, Scope::Read], &["shop"]);
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    let send = async |token: &str, path: &str, body: Value| {
        said(running.post(path, body.to_string()).bearer_auth(token)).await.0
    };
    assert_eq!(send(&ci, "/api/v1/gate/shop", json!({})).await, 200);
    assert_eq!(send(&ci, "/api/v1/gate/bank", json!({})).await, 403);
    let role = json!({"role": "sre"});
    assert_eq!(send(&ci, "/api/v1/policies/four-weeks/signatures", role.clone()).await, 403);
    assert_eq!(send(&ci, "/api/v1/gate/shop/overrides", json!({})).await, 403);
    assert_eq!(send(&admin, "/api/v1/policies/nothing/signatures", role.clone()).await, 404);
    assert_eq!(send(&admin, "/api/v1/policies/four-weeks/signatures", role.clone()).await, 201);
    assert_eq!(send(&admin, "/api/v1/policies/four-weeks/signatures", role).await, 201, "again");
    let other = json!({"role": "product_manager"});
    let path = "/api/v1/policies/four-weeks/signatures";
    assert_eq!(send(&admin, path, other).await, 422, "nobody signs as two roles");
    let off = json!({"level": "overspent", "role": "sre"});
    assert_eq!(send(&admin, "/api/v1/gate/shop/sign-offs", off).await, 422, "it is not latched");
    let listed = Client::new().get(running.url("/api/v1/gate/shop/decisions")).bearer_auth(&ci);
    assert_eq!(said(listed).await.1["decisions"].as_array().unwrap().len(), 1);
    running.server.stop().await;
}

/// A policy whose overrides need another person.
const TWO_PEOPLE: &str = "
apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: two}
spec:
  version: 1
  approvers: [sre]
  revisit: 2100-01-01
  levels:
  - {name: always, when: calendar.month >= 1, deploys: {deny: [feature]}}
  - {name: never}
  overrides: {roles: [product_manager], second: sre, longest: 8h}
---
apiVersion: flyball.dev/v1
kind: Tier
metadata: {name: special}
spec: {target: 99%, window: 28d, alerting: default, policy: two}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: shop, annotations: {flyball.dev/tier: special}}
spec: {}
";

/// A token of an admin called `name`.
pub(crate) fn admin(data: &Path, name: &str) -> String {
    let (name, scopes) = (name.to_owned(), vec![Scope::Admin]);
    let request =
        TokenRequest { name, scopes, services: Vec::new(), functions: Vec::new(), expires: None };
    let at = Timestamp::parse(NOON).unwrap();
    Tokens::open(data).unwrap().create(&request, "test", at).unwrap().token
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_takes_two_people_ends_early_and_is_reported_with_what_came_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let [ada, bo] = ["ada", "bo"].map(|name| admin(directory.path(), name));
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), TWO_PEOPLE, &clock).await;
    let send = async |token: &str, path: &str, body: Value| {
        said(running.post(&format!("/api/v1/{path}"), body.to_string()).bearer_auth(token)).await
    };
    assert_eq!(send(&ada, "policies/two/signatures", json!({"role": "sre"})).await.0, 201);
    let ask = async |change: &str| send(&ada, "gate/shop", json!({"change": change})).await.1;
    assert_eq!(ask("release-1").await["allow"], false);

    let expires = clock.now().plus(Duration::from_hours(4)).to_string();
    let body = json!({
        "class": "feature", "role": "product_manager", "why": "a contract", "expires": expires,
    });
    let (status, made) = send(&ada, "gate/shop/overrides", body.clone()).await;
    assert_eq!((status, &made["waits_for"]), (201, &json!("sre")), "{made}");
    let waiting = ask("release-1").await;
    assert_eq!(waiting["allow"], false);
    assert!(waiting.to_string().contains("another person's agreement as `sre`"), "{waiting}");
    let id = made["id"].as_str().unwrap().to_owned();
    let agree = format!("gate/shop/overrides/{id}/agreements");
    assert_eq!(
        send(&ada, &agree, json!({"role": "sre"})).await.0,
        422,
        "nobody agrees with themselves"
    );
    assert_eq!(send(&bo, &agree, json!({"role": "cto"})).await.0, 422);
    assert_eq!(send(&bo, &agree.replace("shop/", "bank/"), json!({"role": "sre"})).await.0, 404);
    assert_eq!(send(&bo, &agree, json!({"role": "sre"})).await.0, 201);
    let through = ask("release-1").await;
    assert_eq!(
        (&through["allow"], &through["decision"]["overridden_by"]),
        (&json!(true), &json!(id))
    );
    let first = &through["decision"]["reasons"][0];
    assert_eq!(first["kind"], "override", "what settles it comes first: {through}");
    ask("release-1").await;

    // The change goes out, and has to be taken back.
    let change = |id: &str, more: Value| {
        let mut body =
            json!({"id": id, "service": "shop", "kind": "deploy", "environment": "production"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    clock.advance(Duration::from_minutes(1));
    let at = clock.now().to_string();
    let shipped = change("release-1", json!({"started": at, "finished": at}));
    let (status, said) = send(&ada, "changes", shipped).await;
    assert_eq!(status / 100, 2, "{said}");
    clock.advance(Duration::from_minutes(5));
    let at = clock.now().to_string();
    let back = json!({"kind": "rollback", "restores": "release-1", "started": at, "finished": at});
    let (status, said) = send(&ada, "changes", change("back-1", back)).await;
    assert_eq!(status / 100, 2, "{said}");

    let end = format!("gate/shop/overrides/{id}/end");
    assert_eq!(send(&bo, &end, json!({"role": "sre", "why": " "})).await.0, 422, "for no reason");
    assert_eq!(send(&bo, &end, json!({"role": "sre", "why": "it broke"})).await.0, 201);
    assert_eq!(send(&bo, &end, json!({"role": "sre", "why": "again"})).await.0, 422, "it is over");
    let denied = ask("release-2").await;
    assert!(denied["allow"] == false && denied.to_string().contains("it broke"), "{denied}");
    clock.advance(Duration::from_minutes(1));
    send(&ada, "gate/shop/overrides", body).await;

    let report = async |running: &Running| {
        let url = running.url("/api/v1/gate/shop/overrides");
        crate::gate::said(Client::new().get(url).bearer_auth(&ada)).await.1
    };
    let told = report(&running).await;
    let used = &told["overrides"][1]["used"];
    assert_eq!(used.as_array().unwrap().len(), 1, "one change, asked about twice: {told}");
    assert_eq!((&used[0]["change"], &used[0]["ended"]), (&json!("release-1"), &json!("regressed")));
    let who = made["who"].as_str().unwrap();
    let record = &told["people"][who];
    assert_eq!((&record["made"], &record["unused"]), (&json!(2), &json!(1)), "{told}");
    assert_eq!(record["ended"], json!({"regressed": 1}));
    let url = running.url("/api/v1/audit?limit=1000");
    let (_, log) = crate::gate::said(Client::new().get(url).bearer_auth(&ada)).await;
    for action in ["gate.override", "gate.agree", "gate.revoke"] {
        assert!(log.to_string().contains(&format!("\"{action}\"")), "{action}");
    }
    running.server.stop().await;
    let running = Running::start(directory.path(), TWO_PEOPLE, &clock).await;
    assert_eq!(report(&running).await, told, "it outlives a restart");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_lifted_by_who_may_freeze_and_says_why() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let expires = clock.now().plus(Duration::from_hours(4)).to_string();
    let block = json!({"classes": ["feature"], "role": "sre", "why": "a sale", "expires": expires});
    let (_, made) = post(&running, "/api/v1/gate/shop/blocks", block).await;
    let end = format!("/api/v1/gate/shop/blocks/{}/end", made["id"].as_str().unwrap());
    let outcome = async || running.get("/api/v1/gate/shop").await.1["decision"]["outcome"].clone();
    assert_eq!(outcome().await, "deny");
    let lift = |role: &str, why: &str| post(&running, &end, json!({"role": role, "why": why}));
    assert_eq!(lift("developer", "sold out").await.0, 422, "no right to freeze");
    assert_eq!(lift("sre", "").await.0, 422, "for no reason");
    assert_eq!(lift("sre", "sold out").await.0, 201);
    assert_eq!(lift("sre", "sold out").await.0, 422, "it is over");
    assert_eq!(outcome().await, "warn");
    let (_, list) = running.get("/api/v1/gate/shop/blocks").await;
    assert_eq!(list["blocks"][0]["lifted"]["why"], "sold out", "{list}");
    let (status, problem) =
        post(&running, "/api/v1/gate/shop/blocks/shop:1/end", json!({"role": "sre", "why": "x"}))
            .await;
    assert_eq!((status, problem["hint"].is_string()), (404, true), "{problem}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_tried_on_the_changes_there_were() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent(directory.path(), &clock, 3).await;
    let change = async |id: &str, kind: &str, minute: u32, more: Value| {
        let at = Timestamp::parse(NOON).unwrap().plus(Duration::from_minutes(minute)).to_string();
        let mut body = json!({
            "id": id, "service": "shop", "kind": kind, "environment": "production",
            "started": at, "finished": at,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, said) = post(&running, "/api/v1/changes", body).await;
        assert_eq!(status / 100, 2, "{said}");
    };
    clock.advance(Duration::from_minutes(30));
    change("early", "deploy", 1, json!({})).await;
    change("late", "deploy", 7, json!({})).await;
    change("back", "rollback", 9, json!({"restores": "late"})).await;
    change("safe", "deploy", 20, json!({"class": "security"})).await;
    change("drill", "drill", 21, json!({})).await;
    let path = "/api/v1/policies/four-weeks/backtest";
    let (status, told) = post(&running, path, json!({})).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(
        told["sentence"],
        "would have denied 1 of 4, of which 1 regressed; 0 that regressed would have passed"
    );
    let stopped = &told["result"]["stopped"];
    assert_eq!(
        (&stopped[0]["change"], &stopped[0]["ended"]),
        (&json!("late"), &json!("regressed"))
    );
    assert_eq!((stopped.as_array().unwrap().len(), &stopped[0]["level"]), (1, &json!("overspent")));

    let sentence = async |body: Value| {
        let (status, told) = post(&running, path, body).await;
        assert_eq!(status, 200, "{told}");
        told["sentence"].as_str().unwrap().to_owned()
    };
    let before = Timestamp::parse(NOON).unwrap().plus(Duration::from_minutes(5)).to_string();
    assert!(sentence(json!({"to": before})).await.starts_with("would have denied 0 of 1,"));
    assert!(sentence(json!({"service": "other"})).await.starts_with("would have denied 0 of 0,"));
    let lenient = TWO_PEOPLE.replace("name: two", "name: four-weeks").replace(">= 1", "> 12");
    let document = lenient.split("---").next().unwrap();
    assert!(sentence(json!({"document": document})).await.starts_with("would have denied 0 of 4,"));
    for (path, body, status) in [
        ("/api/v1/policies/nothing/backtest", json!({}), 404),
        (path, json!({"document": document.replace("calendar", "colander")}), 422),
        (path, json!({"from": "soon"}), 422),
        (path, json!({"from": before, "to": before}), 422),
        (path, json!({"sevrice": "shop"}), 400),
    ] {
        let (found, problem) = post(&running, path, body).await;
        assert_eq!(found, status, "{problem}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_held_against_what_changes_cost_before() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let change = async |id: &str, kind: &str, at: Timestamp, more: Value| {
        let mut body = json!({
            "id": id, "service": "shop", "kind": kind, "environment": "production",
            "started": at, "finished": at,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, said) = post(&running, "/api/v1/changes", body).await;
        assert_eq!(status / 100, 2, "{said}");
    };
    let path = "/api/v1/gate/shop/prerelease?rollout=all:100%25:10m";
    let mut counted = 0;
    // Three times a change is met by all users, half of whose requests fail until it is taken back.
    for round in 0..3 {
        for (minutes, bad_every) in [(10, 61), (5, 2)] {
            if bad_every == 2 {
                change(&format!("bad-{round}"), "deploy", clock.now(), json!({})).await;
            }
            clock.advance(Duration::from_minutes(minutes));
            running
                .post("/api/v1/events", events(clock.now(), 240, bad_every))
                .send()
                .await
                .unwrap();
            counted += 240;
        }
        let restores = json!({"restores": format!("bad-{round}")});
        change(&format!("back-{round}"), "rollback", clock.now(), restores).await;
        let (status, told) = running.get(path).await;
        assert_eq!(status, 200, "{told}");
        let few =
            (told["budgets"][0]["answer"] == "not_enough_data") || told["budgets"] == json!([]);
        assert_eq!(few, round < 2, "{told}");
        clock.advance(Duration::from_minutes(1));
    }
    running.budget("checkout", |said| said["budget"]["valid"] == counted).await;
    let (_, told) = running.get(path).await;
    assert_eq!(
        (&told["changes"], &told["failures"], &told["without_end"]),
        (&json!(3), &json!(3), &json!(0))
    );
    let of = &told["budgets"][0];
    assert_eq!((&of["answer"], &told["covered"]), (&json!("estimated"), &json!(false)), "{told}");
    assert!(of["remaining"].as_i64().unwrap() < 0, "{told}");
    let (_, again) = running.get(path).await;
    assert_eq!(told, again, "the same seed gives the same answer");
    for (query, status) in
        [("rollout=fast", 422), ("rollout=a:5%25:1h&limit=twice", 422), ("limit=5%25", 400)]
    {
        let (found, problem) = running.get(&format!("/api/v1/gate/shop/prerelease?{query}")).await;
        assert_eq!((found, problem["hint"].is_string()), (status, true), "{problem}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_that_come_at_once_are_each_kept_and_stand_alone() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Arc::new(spent(directory.path(), &clock, 3).await);
    sign(&running).await;
    let ask = |body: Value| {
        let running = Arc::clone(&running);
        tokio::spawn(async move { post(&running, "/api/v1/gate/shop", body).await })
    };
    let asked = (0..100).map(|number| ask(json!({"change": format!("release-{number}")})));
    let asked: Vec<_> = asked.collect();
    // One that cannot be kept, since its text is longer than any that is, stops no other.
    let too_long = ask(json!({"change": "x".repeat(5 << 20)}));
    let mut ids = std::collections::BTreeSet::new();
    for answer in asked {
        let (status, said) = answer.await.unwrap();
        assert_eq!((status, &said["allow"]), (200, &json!(false)), "{said}");
        ids.insert(said["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 100);
    assert_eq!(too_long.await.unwrap().0, 422);
    let (_, page) = running.get("/api/v1/gate/shop/decisions?limit=200").await;
    let kept = page["decisions"].as_array().unwrap();
    assert_eq!(kept.len(), 100);
    assert!(kept.iter().all(|one| ids.contains(one["id"].as_str().unwrap())));
    assert_eq!(running.get("/api/v1/audit/verify").await.1["whole"], true);
    // What people decide is in force with the next answer.
    let expires = clock.now().plus(Duration::from_hours(1)).to_string();
    let body =
        json!({"class": "feature", "role": "product_manager", "why": "x", "expires": expires});
    assert_eq!(post(&running, "/api/v1/gate/shop/overrides", body).await.0, 201);
    assert_eq!(ask(json!({})).await.unwrap().1["allow"], true);
    Arc::try_unwrap(running).ok().unwrap().server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contested_posting_is_decided_by_another_in_time_or_stands() {
    let directory = tempfile::tempdir().unwrap();
    let [ada, bo] = ["ada", "bo"].map(|name| admin(directory.path(), name));
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let send = async |token: &str, path: &str, body: Value| {
        let path = format!("/api/v1/gate/shop/contests{path}");
        said(running.post(&path, body.to_string()).bearer_auth(token)).await
    };
    let open = |decider: &str, why: &str| {
        let deadline = clock.now().plus(Duration::from_days(7)).to_string();
        json!({"posting": "incident 7", "why": why, "decider": decider, "deadline": deadline})
    };
    assert_eq!(send(&ada, "", open("sre", "a load test")).await.0, 422, "the CTO decides");
    assert_eq!(send(&ada, "", open("cto", " ")).await.0, 422, "for no reason");
    let (status, made) = send(&ada, "", open("cto", "a load test")).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let evidence = send(&bo, &format!("/{id}/evidence"), json!({"text": "graph 3"})).await;
    assert_eq!(evidence.0, 201, "{}", evidence.1);
    let decide =
        |role: &str, outcome: &str| json!({"role": role, "outcome": outcome, "why": "it was"});
    let path = format!("/{id}/decision");
    assert_eq!(
        send(&ada, &path, decide("cto", "taken_back")).await.0,
        422,
        "nobody judges their own cause"
    );
    assert_eq!(send(&bo, &path, decide("sre", "taken_back")).await.0, 422);
    assert_eq!(send(&bo, &path, decide("cto", "forgotten")).await.0, 422);
    assert_eq!(send(&bo, &path, decide("cto", "taken_back")).await.0, 201);
    assert_eq!(send(&bo, &path, decide("cto", "stands")).await.0, 422, "it is over");
    clock.advance(Duration::from_days(1));
    assert_eq!(send(&ada, "", open("cto", "another")).await.0, 201);
    clock.advance(Duration::from_days(8));
    let list = async |running: &Running| {
        let url = running.url("/api/v1/gate/shop/contests");
        said(Client::new().get(url).bearer_auth(&ada)).await.1
    };
    let told = list(&running).await;
    assert_eq!(told["contests"][0]["state"]["state"], "lapsed", "{told}");
    assert_eq!(told["contests"][1]["state"]["outcome"], "taken_back", "{told}");
    assert_eq!(told["contests"][1]["evidence"][0]["text"], "graph 3");
    running.server.stop().await;
    let running = Running::start(directory.path(), SHOP, &clock).await;
    assert_eq!(list(&running).await, told, "it outlives a restart");
    running.server.stop().await;
}
