//! Functions in the company: once somebody was granted one, only they act as it.

use serde_json::{Value, json};

use super::{Browser, Site};

const UNTIL: &str = "2026-03-10T00:00:00Z";

/// What is done as `function` for `service`, and for all: of custody, reviews, the gate, and policies.
fn acts(function: &str, service: &str) -> Vec<(String, Value)> {
    let act = json!({"role": function});
    let with = |more: Value| {
        let mut body = act.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let gate = json!({"class": "feature", "why": "x", "expires": UNTIL});
    let change = json!({"class": "feature", "change": "r-1", "why": "x", "expires": UNTIL});
    let waiver = json!({"item": "load", "why": "x", "expires": UNTIL});
    let acts = [
        ("custody", "step/signatures", act.clone()),
        ("custody", "notice", act.clone()),
        ("custody", "notice/end", act.clone()),
        ("custody", "notice/decision", with(json!({"outcome": "returned", "why": "x"}))),
        ("reviews", "launch-readiness/signatures", act.clone()),
        ("reviews", "launch-readiness/waivers", with(waiver)),
        ("gate", "blocks", with(json!({"classes": ["feature"], "why": "x", "expires": UNTIL}))),
        ("gate", "overrides", with(gate)),
        ("gate", "approvals", with(change)),
        ("gate", "sign-offs", with(json!({"level": "spent"}))),
    ];
    let of =
        |(of, path, body): (&str, &str, Value)| (format!("/api/v1/{of}/{service}/{path}"), body);
    acts.into_iter().map(of).collect()
}

/// The grant of `role` and `functions`.
async fn grant(site: &Site, boss: &Browser, grant: (&str, &str, &str, &[&str])) -> (u16, Value) {
    let (who, service, role, functions) = grant;
    let body = json!({"who": who, "service": service, "role": role, "as": functions});
    site.ask(boss, "POST", "/api/v1/grants", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn as_what_somebody_was_granted_acts_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let owner = site.log_in("owner").await;
    let guard = site.log_in_as("guard", &json!({"groups": ["guards"]})).await;
    site.grant(&boss, "person:owner", "*", "owner").await;
    let refused = async |who: &Browser, function: &str, service: &str| {
        let mut found = Vec::new();
        for (path, body) in acts(function, service) {
            let (status, said) = site.ask(who, "POST", &path, body).await;
            found.push((status == 403).then(|| said["detail"].to_string()));
        }
        let first = found[0].clone();
        assert!(found.iter().all(|one| *one == first), "{function} {service}: {found:#?}");
        first
    };
    // Nobody has it: owners are believed.
    assert_eq!(refused(&owner, "security", "shop").await, None);
    let (status, said) =
        grant(&site, &boss, ("group:guards", "shop", "owner", &["security"])).await;
    assert_eq!((status, &said["as"]), (200, &json!(["security"])), "{said}");
    let said = refused(&owner, "security", "shop").await.expect("it is the guards'");
    assert!(said.contains("for shop group:guards"), "{said}");
    assert_eq!(refused(&guard, "security", "shop").await, None);
    assert_eq!(refused(&owner, "privacy", "shop").await, None, "another is as before");
    // It is nobody's else anywhere, and for the bank nobody has it yet.
    let said = refused(&owner, "security", "bank").await.unwrap();
    assert!(said.contains("for bank nobody yet"), "{said}");
    assert!(refused(&boss, "security", "bank").await.is_some(), "an admin grants it to act as it");
    let me = site.get(&guard, "/api/v1/me").await.1;
    assert_eq!(me["functions"], json!([{"service": "shop", "as": "security"}]), "{me}");

    // A policy decides for all services.
    let sign = async |who: &Browser, function: &str| {
        let path = "/api/v1/policies/quarterly-with-sign-off/signatures";
        site.ask(who, "POST", path, json!({"role": function})).await
    };
    let manager = ("person:pm", "*", "owner", &["product_manager"][..]);
    assert_eq!(sign(&owner, "engineering_lead").await.0, 201);
    assert_eq!(grant(&site, &boss, manager).await.0, 200);
    let (status, said) = sign(&owner, "product_manager").await;
    assert_eq!(status, 403, "{said}");
    let detail = said["detail"].as_str().unwrap();
    assert!(
        detail.contains("one person by a grant of their own") && !detail.contains("pm"),
        "{said}"
    );
    let pm = site.log_in("pm").await;
    let (status, said) = sign(&pm, "product_manager").await;
    assert_eq!(status, 201, "{said}");

    // Granted anew without it, and nobody has it any more.
    site.grant(&boss, "group:guards", "shop", "owner").await;
    assert_eq!(refused(&owner, "security", "shop").await, None);
    let (_, log) = site.get(&boss, "/api/v1/audit?after=0&limit=1000").await;
    let granted =
        log["records"].as_array().unwrap().iter().filter(|it| it["action"] == "grant.set");
    let acts: Vec<&Value> = granted.map(|it| &it["detail"]["as"]).collect();
    let expected = [json!([]), json!(["security"]), json!(["product_manager"]), json!([])];
    assert_eq!(acts, expected.iter().collect::<Vec<_>>());
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_act_as_what_they_were_made_for_and_only_what_is_asked_for_is_granted() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let owner = site.log_in("owner").await;
    site.grant(&boss, "person:owner", "*", "owner").await;
    for (functions, said) in [
        (json!(["securty"]), "did you mean `security`?"),
        (json!(["wizard"]), "apply the document"),
        (json!(["sre"]), "grant the role sre"),
    ] {
        let new = json!({"name": "a", "scopes": ["admin"], "as": functions});
        let (status, refused) = site.ask(&boss, "POST", "/api/v1/tokens", new).await;
        assert_eq!(status, 422, "{refused}");
        assert!(refused.to_string().contains(said), "{refused}");
        let new = json!({"who": "person:ann", "service": "shop", "role": "owner", "as": functions});
        let (status, refused) = site.ask(&boss, "POST", "/api/v1/grants", new).await;
        assert_eq!(status, 422, "{refused}");
    }
    // What may not act holds none.
    let reads = json!({"name": "reads", "scopes": ["read", "ingest"], "as": ["security"]});
    let (status, said) = site.ask(&boss, "POST", "/api/v1/tokens", reads).await;
    assert_eq!((status, said.to_string().contains("scope deploy")), (422, true), "{said}");
    let (status, said) = grant(&site, &boss, ("person:ann", "shop", "viewer", &["security"])).await;
    assert_eq!((status, said.to_string().contains("a viewer")), (422, true), "{said}");
    let own = json!({"name": "own", "scopes": ["deploy"], "as": ["security"]});
    let (status, said) = site.ask(&owner, "POST", "/api/v1/tokens", own).await;
    assert_eq!(status, 422, "{said}");

    let make = async |name: &str, functions: &[&str]| {
        let new = json!({"name": name, "scopes": ["admin"], "as": functions});
        let (status, made) = site.ask(&boss, "POST", "/api/v1/tokens", new).await;
        assert_eq!(status, 201, "{made}");
        (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned())
    };
    let (plain, other) = make("plain", &[]).await;
    let (id, audits) = make("audits", &["security"]).await;
    let waive = async |token: &str| {
        let body = json!({"item": "load", "role": "security", "why": "x", "expires": UNTIL});
        let request = site.request("POST", "/api/v1/reviews/shop/launch-readiness/waivers");
        let answer = request.json(&body).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, said) = waive(&other).await;
    assert_eq!(status, 403, "{said}");
    assert!(said.contains("one token") && !said.contains("audits"), "{said}");
    assert_ne!(waive(&audits).await.0, 403);
    let (_, listed) = site.get(&boss, "/api/v1/tokens").await;
    let of =
        |id: &str| listed["tokens"].as_array().unwrap().iter().find(|it| it["id"] == id).cloned();
    assert_eq!(of(&id).unwrap()["as"], json!(["security"]));
    assert_eq!(of(&plain).unwrap()["as"], json!([]));
    // Revoked, it carries nothing.
    let gone = format!("/api/v1/tokens/{id}");
    assert_eq!(site.ask(&boss, "DELETE", &gone, Value::Null).await.0, 204);
    assert_ne!(waive(&other).await.0, 403);
    site.running.server.stop().await;
}
