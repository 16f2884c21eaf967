//! Approvals of one change over real sockets: who gives them, what they let through, how they end.

use flyball_model::Duration;
use reqwest::Client;
use serde_json::{Value, json};

use crate::gate::{admin, said};
use crate::harness::{NOON, Running, TestClock};

/// A policy by which every feature needs two signatures.
pub(crate) const SIGNED: &str = "
apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: signed}
spec:
  version: 1
  approvers: [sre]
  revisit: 2100-01-01
  levels:
  - name: always
    say: SRE and engineering look at every feature first.
    require: [{role: sre, classes: [feature]}, {role: engineering_lead, classes: [feature]}]
---
apiVersion: flyball.dev/v1
kind: Tier
metadata: {name: special}
spec: {target: 99%, window: 28d, alerting: default, policy: signed}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: shop, annotations: {flyball.dev/tier: special}}
spec: {}
";

/// The commands that a denial names.
fn commands(answer: &Value) -> Vec<&str> {
    let reasons = answer["decision"]["reasons"].as_array().unwrap().iter();
    let lifts = reasons.flat_map(|reason| reason["lifts"].as_array().unwrap());
    lifts.filter_map(|lift| lift["command"].as_str()).collect()
}

/// An approval of one commit by a canary, for four hours.
fn approval(clock: &TestClock, role: &str, more: &Value) -> Value {
    let expires = clock.now().plus(Duration::from_hours(4)).to_string();
    let mut body = json!({
        "change": "4f2a", "class": "feature", "rollout": "canary:5%:30m", "role": role,
        "why": "read it", "expires": expires,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_approved_by_others_than_who_asks_for_a_time() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let [ada, bo, cy] = ["ada", "bo", "cy"].map(|name| admin(directory.path(), name));
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SIGNED, &clock).await;
    let send = async |token: &str, path: &str, body: Value| {
        said(running.post(&format!("/api/v1/{path}"), body.to_string()).bearer_auth(token)).await
    };
    assert_eq!(send(&ada, "policies/signed/signatures", json!({"role": "sre"})).await.0, 201);
    let ask = async |token: &str| {
        let body = json!({"change": "release-1", "revision": "4f2a", "rollout": "canary:5%:30m"});
        send(token, "gate/shop", body).await.1
    };
    let denied = ask(&ada).await;
    assert_eq!(denied["exit_code"], 1, "{denied}");
    let told = commands(&denied);
    assert_eq!(told.len(), 2, "{denied}");
    assert!(
        told[0].starts_with(
            "flyball policy approve shop --change 4f2a --class feature --rollout canary:5%:30m --role"
        ),
        "{told:?}"
    );

    let approval = |role: &str, more: Value| approval(&clock, role, &more);
    let path = "gate/shop/approvals";
    for (wrong, status) in [
        (approval("cto", json!({})), 422),
        (approval("sre", json!({"class": "fix"})), 422),
        (approval("sre", json!({"class": "party"})), 422),
        (approval("sre", json!({"why": " "})), 422),
        (approval("sre", json!({"rollout": "fast"})), 422),
        (approval("sre", json!({"expires": "2026-04-02T12:00:00Z"})), 422),
        (approval("sre", json!({"for": "ever"})), 400),
    ] {
        let (found, problem) = send(&bo, path, wrong).await;
        assert_eq!((found, problem["hint"].is_string()), (status, true), "{problem}");
    }
    assert_eq!(send(&bo, "gate/shpo/approvals", approval("sre", json!({}))).await.0, 404);

    // Two people, neither of whom asks.
    let (status, by_bo) = send(&bo, path, approval("sre", json!({}))).await;
    assert_eq!(status, 201, "{by_bo}");
    let two = send(&bo, path, approval("engineering_lead", json!({}))).await;
    assert_eq!(two.0, 422, "nobody approves as two roles: {}", two.1);
    assert_eq!(commands(&ask(&ada).await).len(), 1, "one signature is missing yet");
    let (status, _) = send(&cy, path, approval("engineering_lead", json!({}))).await;
    assert_eq!(status, 201);
    let passes = ask(&ada).await;
    assert_eq!(passes["allow"], true, "{passes}");
    let text = passes["decision"]["reasons"].to_string();
    assert!(text.contains("has approved `4f2a` as `sre` until"), "{text}");
    assert!(!text.contains("look at every feature first"), "{text}");
    assert_eq!(passes["decision"]["approvals"].as_array().unwrap().len(), 2);
    let own = ask(&bo).await;
    assert_eq!(own["allow"], false, "who asks does not approve: {own}");
    assert!(own.to_string().contains("another person does"), "{own}");
    let wide = send(&ada, "gate/shop", json!({"change": "4f2a"})).await.1;
    assert!(
        wide["allow"] == false && wide.to_string().contains("for the rollout canary"),
        "{wide}"
    );
    let other = send(&ada, "gate/shop", json!({"change": "release-2"})).await.1;
    assert_eq!(other["allow"], false, "it is of one change");

    // Who has given it withdraws it.
    let end = format!("{path}/{}/end", by_bo["id"].as_str().unwrap());
    assert_eq!(send(&cy, &end, json!({"why": "no"})).await.0, 422, "it is not theirs");
    assert_eq!(send(&bo, &end, json!({"why": ""})).await.0, 422, "for no reason");
    assert_eq!(send(&bo, &end, json!({"why": "it leaks"})).await.0, 201);
    assert_eq!(send(&bo, &end, json!({"why": "again"})).await.0, 422, "it is over");
    assert_eq!(send(&bo, "gate/shop/approvals/shop:1/end", json!({"why": "x"})).await.0, 404);
    let denied = ask(&ada).await;
    assert!(denied["allow"] == false && denied.to_string().contains("it leaks"), "{denied}");

    clock.advance(Duration::from_minutes(1));
    assert_eq!(send(&bo, path, approval("sre", json!({}))).await.0, 201);
    assert_eq!(ask(&ada).await["allow"], true);
    let list = async |running: &Running| {
        let url = running.url("/api/v1/gate/shop/approvals");
        said(Client::new().get(url).bearer_auth(&ada)).await.1
    };
    let told = list(&running).await;
    assert_eq!(told["approvals"].as_array().unwrap().len(), 3, "{told}");
    let url = running.url("/api/v1/audit?limit=1000");
    let (_, log) = said(Client::new().get(url).bearer_auth(&ada)).await;
    for action in ["gate.approve", "gate.withdraw"] {
        assert!(log.to_string().contains(&format!("\"{action}\"")), "{action}");
    }
    let url = running.url("/api/v1/audit/verify");
    assert_eq!(said(Client::new().get(url).bearer_auth(&ada)).await.1["whole"], true);
    running.server.stop().await;

    let running = Running::start(directory.path(), SIGNED, &clock).await;
    assert_eq!(list(&running).await, told, "it outlives a restart");
    clock.advance(Duration::from_hours(4));
    let body = json!({"change": "4f2a", "rollout": "canary:5%:30m"});
    let request = running.post("/api/v1/gate/shop", body.to_string()).bearer_auth(&ada);
    let (_, late) = said(request).await;
    assert!(late["allow"] == false && late.to_string().contains("expired"), "{late}");
    running.server.stop().await;
}
