//! The gate over real sockets: what is decided from live budgets, kept, and by whom.

use std::path::Path;

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
    flyball_server::choose_cryptography();
    let running = Running::start(data, SHOP, clock).await;
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
    for service in ["shop", "nobody"] {
        let (status, answer) = running.get(&format!("/api/v1/gate/{service}")).await;
        assert_eq!((status, &answer["exit_code"]), (200, &json!(0)), "{answer}");
        assert_eq!(answer["decision"]["outcome"], "warn");
        assert!(answer["decision"].to_string().contains("no_data_yet"), "{answer}");
        assert_eq!(answer["id"], Value::Null, "a look is not kept");
    }
    for (query, status) in [("class=party", 422), ("rollout=fast", 422), ("klass=x", 400)] {
        let (found, problem) = running.get(&format!("/api/v1/gate/shop?{query}")).await;
        assert_eq!((found, problem["hint"].is_string()), (status, true), "{problem}");
    }
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
    assert_eq!(list["policies"][0]["enforced"], true, "{list}");

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
    let (_, other) = running.get("/api/v1/gate/other").await;
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
