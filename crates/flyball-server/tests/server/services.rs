//! Services over real sockets: which there are, whose they are, and what is on the card of one.

use flyball_model::Duration;
use flyball_server::{Scope, TokenRequest, Tokens};
use reqwest::Client;
use serde_json::{Value, json};

use crate::harness::{NOON, Running, SHOP, TestClock, events};

/// Whose the shop is.
const OWNED: &str = "
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop, displayName: The shop}
spec:
  description: Where people pay.
  team: checkout
  product: retail
  accountable:
    who: ada
    delegate: {who: bo, during: {start: '2026-03-01T00:00:00Z', end: '2026-03-02T13:00:00Z'}}
  tier: critical
  onCall: rota checkout
  runbook: https://wiki.example/shop
  links: [{name: code, url: 'https://code.example/shop'}]
  agreements:
  - {name: gold, with: ACME, slo: checkout, target: 95%, window: 30d, remedy: a tenth of the fee}
  - {name: bronze, with: Bo, slo: checkout, target: 50%, window: 7d}
---
apiVersion: flyball.dev/v1
kind: AlertTarget
metadata: {name: pager}
spec: {severity: page, services: [shop], alertmanager: {url: 'http://127.0.0.1:9'}}
";

async fn post(running: &Running, path: &str, body: &Value) -> (u16, Value) {
    let request = running.post(path, body.to_string()).header("content-type", "application/json");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_says_whose_a_service_is_and_whether_it_may_ship() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}{OWNED}");
    let running = Running::start(directory.path(), &documents, &clock).await;
    let (status, new) = running.get("/api/v1/services/shop").await;
    assert_eq!(status, 200, "{new}");
    assert_eq!(
        (&new["status"], &new["budgets"][0]["remaining_share"]),
        (&json!("no_data"), &Value::Null)
    );
    assert_eq!(new["ship"]["outcome"], "warn", "{new}");

    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, 3)).send().await.unwrap();
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    let finished = "2026-03-02T12:01:00Z";
    let deploy =
        json!({"service": "shop", "id": "release-1", "version": "1.0", "finished": finished});
    assert_eq!(post(&running, "/api/v1/changes", &deploy).await.0, 201);
    let undo = json!({"service": "shop", "id": "release-2", "kind": "rollback"});
    assert_eq!(post(&running, "/api/v1/changes", &undo).await.0, 201);
    let (_, card) = running.get("/api/v1/services/shop").await;
    for (field, value) in [
        ("/display_name", json!("The shop")),
        ("/description", json!("Where people pay.")),
        ("/team", json!("checkout")),
        ("/product", json!("retail")),
        ("/accountable", json!("ada")),
        ("/delegate", json!("bo")),
        ("/tier", json!("critical")),
        ("/held_to/policy", json!("quarterly-with-sign-off")),
        ("/on_call", json!("rota checkout")),
        ("/paged", json!(["pager"])),
        ("/links/0/name", json!("code")),
        ("/status", json!("missed")),
        ("/budgets/0/slo", json!("checkout")),
        ("/agreements/0/status", json!("missed")),
        ("/agreements/0/valid", json!(60)),
        ("/agreements/0/bad", json!(20)),
        ("/agreements/0/slo_target", json!(0.9)),
        ("/agreements/0/guarded", json!(false)),
        ("/agreements/0/failed", json!(["release-1"])),
        ("/agreements/1/status", json!("met")),
        ("/agreements/1/guarded", json!(true)),
        ("/agreements/1/failed", json!([])),
        ("/ship/otherwise", json!("deny")),
        ("/ship_problem", Value::Null),
        ("/changes/1/change/id", json!("release-1")),
    ] {
        assert_eq!(card.pointer(field), Some(&value), "{field}: {card}");
    }
    assert!(card["budgets"][0]["remaining_share"].as_f64().unwrap() < 0.0, "{card}");
    let (_, asked) = running.get("/api/v1/gate/shop/decisions").await;
    assert_eq!(asked["decisions"], json!([]), "a look at the card decides nothing");
    clock.advance(Duration::from_hours(1));
    assert_eq!(running.get("/api/v1/services/shop").await.1["delegate"], Value::Null, "it is over");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_there_as_soon_as_anything_is_known_of_them() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    let deploy = json!({"service": "search", "id": "release-1"});
    assert_eq!(post(&running, "/api/v1/changes", &deploy).await.0, 201);
    let (_, list) = running.get("/api/v1/services").await;
    let names: Vec<&Value> =
        list["services"].as_array().unwrap().iter().map(|of| &of["name"]).collect();
    assert_eq!(names, ["search", "shop"]);
    let of = |number: usize, field: &str| list["services"][number][field].clone();
    assert_eq!((of(0, "slos"), of(0, "status")), (json!(0), json!("no_data")));
    assert_eq!((of(1, "slos"), of(1, "accountable")), (json!(1), Value::Null));
    assert_eq!(of(1, "tier"), "standard", "the usual one");
    let (status, card) = running.get("/api/v1/services/search").await;
    assert_eq!((status, &card["on_call"], &card["budgets"]), (200, &Value::Null, &json!([])));
    let (status, problem) = running.get("/api/v1/services/shpo").await;
    assert_eq!(status, 404);
    assert!(problem["hint"].as_str().unwrap().contains("shop"), "{problem}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_seen_and_described_by_whose_it_is() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let token = |name: &str, scopes: &[Scope], services: &[&str]| {
        let request = TokenRequest {
            name: name.to_owned(),
            scopes: scopes.to_vec(),
            services: services.iter().map(ToString::to_string).collect(),
            functions: Vec::new(),
            expires: None,
        };
        let tokens = Tokens::open(directory.path()).unwrap();
        tokens.create(&request, "test", clock.now()).unwrap().token
    };
    let admin = token("admin", &[Scope::Admin], &[]);
    let own = token("own", &[Scope::Read, Scope::Deploy], &["shop"]);
    let other = token("other", &[Scope::Read, Scope::Deploy], &["bank"]);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let get = async |token: &str, path: &str| {
        let request = Client::new().get(running.url(path)).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let shop = "/api/v1/services/shop";
    assert_eq!((get(&own, shop).await, get(&other, shop).await), (200, 404));
    let apply = async |token: &str, spec: &str| {
        let text = format!(
            "apiVersion: flyball.dev/v1\nkind: Service\nmetadata: {{name: shop}}\nspec: {spec}\n"
        );
        let body = json!({"files": [{"name": "shop.yaml", "text": text}]}).to_string();
        let request = running.post("/api/v1/apply", body).bearer_auth(token);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(apply(&other, "{team: theirs}").await.0, 403);
    let owned = apply(&own, "{team: ours}").await;
    assert_eq!(owned.0, 200, "{}", owned.1);
    assert_eq!(apply(&own, "{team: ours, tier: low}").await.0, 403, "tiers are not theirs");
    assert_eq!(apply(&own, "{team: ours, teir: low}").await.0, 422);
    assert_eq!(apply(&admin, "{team: ours, tier: low}").await.0, 200);
    assert_eq!(apply(&own, "{team: others, tier: low}").await.0, 200, "the tier stays");
    running.server.stop().await;

    let running = Running::start(directory.path(), SHOP, &clock).await;
    let request = Client::new().get(running.url(shop)).bearer_auth(&own);
    let card: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((&card["team"], &card["tier"]), (&json!("others"), &json!("low")));
    running.server.stop().await;
}
