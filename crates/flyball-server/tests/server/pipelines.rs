//! The gate in the words of pipelines, each sent what it sends itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::{Path as Parts, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post as posted;
use flyball_model::{Duration, Timestamp};
use flyball_server::{Config, HookSecret, Scope, TokenRequest, Tokens};
use reqwest::Client;
use serde_json::{Value, json};

use crate::approvals::SIGNED;
use crate::changes::signed;
use crate::gate::{post, said, sign, spent};
use crate::harness::{NOON, Running, SHOP, TestClock, config};

/// What Flagger posts for a canary.
fn canary(metadata: &Value) -> String {
    json!({
        "name": "podinfo", "namespace": "test", "phase": "Progressing", "checksum": "85d557f47b",
        "metadata": metadata,
    })
    .to_string()
}

/// What is answered to a webhook of Flagger.
async fn flagger(running: &Running, hook: &str, metadata: Value) -> (u16, String) {
    let request = running.post(&format!("/api/v1/gate/{hook}"), canary(&metadata));
    let answer = request.header("content-type", "application/json").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn kept(running: &Running, service: &str) -> Vec<Value> {
    let (_, page) = running.get(&format!("/api/v1/gate/{service}/decisions")).await;
    page["decisions"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn flagger_goes_on_waits_and_takes_back() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent(directory.path(), &clock, 3).await;
    sign(&running).await;
    let (status, text) = flagger(&running, "shop/flagger", json!({})).await;
    assert_eq!(status, 403, "{text}");
    assert!(
        text.starts_with("deny feature of shop. Level `overspent`") && text.contains("four-weeks"),
        "{text}"
    );
    // 204 would be a no to it.
    assert_eq!(flagger(&running, "shop/flagger", json!({"class": "rollback"})).await.0, 200);
    let (status, text) = flagger(&running, "other/flagger", json!({})).await;
    assert!(status == 404 && text.contains("nothing is known of a service"), "{status} {text}");
    let planned = json!({"service": "other", "outcome": "planned"});
    assert!(post(&running, "/api/v1/changes", planned).await.0 < 300);
    assert_eq!(flagger(&running, "other/flagger", json!({})).await.0, 200);
    let decisions = kept(&running, "shop").await;
    assert_eq!(decisions.len(), 2);
    assert_eq!(decisions[0]["decision"]["change"], "flagger:test/podinfo@85d557f47b");

    let back = "shop/flagger/rollback";
    let (status, text) = flagger(&running, back, json!({})).await;
    assert_eq!((status, text.starts_with("rollback: deny")), (200, true), "{text}");
    assert_eq!(flagger(&running, back, json!({"class": "security"})).await.0, 403);
    let expires = clock.now().plus(Duration::from_hours(1)).to_string();
    let block = json!({"classes": ["feature"], "role": "sre", "why": "a sale", "expires": expires});
    assert_eq!(post(&running, "/api/v1/gate/other/blocks", block).await.0, 201);
    assert_eq!(flagger(&running, "other/flagger", json!({})).await.0, 403, "it is blocked");
    let (status, text) = flagger(&running, "other/flagger/rollback", json!({})).await;
    assert_eq!((status, text.starts_with("no rollback: deny")), (403, true), "{text}");
    // At one moment the same question has one decision.
    assert_eq!(kept(&running, "shop").await.len(), 2);
    assert_eq!(kept(&running, "other").await.len(), 2, "a no is not kept");
    assert_eq!(flagger(&running, "shop/flagger", json!({"class": "party"})).await.0, 422);
    let request = running.post("/api/v1/gate/shop/flagger", "{}");
    assert_eq!(said(request).await.0, 422, "it names no canary");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_agents_client_and_prometheus_client_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent(directory.path(), &clock, 3).await;
    sign(&running).await;
    let opa =
        async |input: Value| post(&running, "/v1/data/flyball/gate", json!({"input": input})).await;
    let (status, denied) = opa(json!({"service": "shop"})).await;
    assert_eq!((status, &denied["result"]["allow"]), (200, &json!(false)), "{denied}");
    assert_eq!(denied["result"]["level"], "overspent");
    assert_eq!(kept(&running, "shop").await[0]["id"], denied["decision_id"]);
    let (_, allowed) = opa(json!({"service": "shop", "class": "rollback"})).await;
    assert_eq!(allowed["result"]["allow"], true);
    let (status, problem) = opa(json!({"srevice": "shop"})).await;
    assert_eq!((status, problem["hint"].is_string()), (422, true), "{problem}");

    let client = Client::new();
    let url = running.url("/prometheus/api/v1/query");
    let series = |labels: &str| format!("flyball_gate_allowed{{service=\"shop\"{labels}}}");
    let query =
        async |text: String| said(client.get(format!("{url}?query={}", coded(&text)))).await;
    let (status, denied) = query(series("")).await;
    assert_eq!((status, &denied["status"]), (200, &json!("success")), "{denied}");
    let sample = &denied["data"]["result"][0];
    assert_eq!((&sample["value"][1], &sample["metric"]["class"]), (&json!("0"), &json!("feature")));
    let now = clock.now().nanos() as f64 / 1e9;
    assert!((sample["value"][0].as_f64().unwrap() - now).abs() < 0.01);
    // Prometheus' own client sends a form, with a time.
    let form = [("query", series(",class=\"fix\"")), ("time", "1772452800".to_owned())];
    let request = client.post(&url).header("content-type", "application/x-www-form-urlencoded");
    let form: Vec<String> =
        form.iter().map(|(name, value)| format!("{name}={}", coded(value))).collect();
    let (status, fix) = said(request.body(form.join("&"))).await;
    assert_eq!((status, &fix["data"]["result"][0]["value"][1]), (200, &json!("0")), "{fix}");
    let (_, allowed) = query(series(",class=\"rollback\"")).await;
    assert_eq!(allowed["data"]["result"][0]["value"][1], "1");
    // By which Flagger sees whether a provider is there.
    let (_, one) = query("vector(1)".to_owned()).await;
    assert_eq!(one["data"]["result"][0]["value"][1], "1");
    for wrong in
        [series(",klass=\"fix\""), series(",class=\"party\""), "up".to_owned(), "{".to_owned()]
    {
        let (status, said) = query(wrong.clone()).await;
        assert_eq!((status / 100, &said["status"]), (4, &json!("error")), "{wrong}: {said}");
    }
    // No data is not health.
    clock.advance(Duration::from_hours(2));
    running.budget("checkout", |said| said["status"] == "no_data").await;
    let (_, unknown) = query(series("")).await;
    assert_eq!(unknown["data"]["result"][0]["value"][1], "NaN", "{unknown}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn argo_rollouts_is_answered_as_its_template_asks() {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/argo-rollouts.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    let field = |name: &str| {
        let line = template.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    };
    let text = |name: &str| field(name).trim_matches('"').to_owned();
    let (url, path) = (text("url"), text("jsonPath"));
    let path = path.trim_matches(['{', '}']).trim_start_matches('$').replace('.', "/");
    let rollout = template.split("name: rollout\n").nth(1).unwrap().trim();
    let rollout = rollout.lines().next().unwrap().trim_start_matches("value: ");
    assert_eq!(
        (text("class"), text("rollout")),
        ("{{args.class}}".into(), "{{args.rollout}}".into())
    );
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = spent(directory.path(), &clock, 3).await;
    sign(&running).await;
    let route = url.strip_prefix("https://flyball.example").unwrap();
    let outcome = async |class: &str| {
        let asked = json!({"class": class, "rollout": rollout});
        let (status, said) =
            post(&running, &route.replace("{{args.service}}", "shop"), asked).await;
        assert_eq!(status, 200, "anything else is an error to it: {said}");
        said.pointer(&path).unwrap().as_str().unwrap().to_owned()
    };
    let condition = |name: &str, outcome: &str| field(name).contains(&format!("\"{outcome}\""));
    let (denied, allowed) = (outcome("feature").await, outcome("rollback").await);
    assert!(condition("failureCondition", &denied) && !condition("successCondition", &denied));
    assert!(condition("successCondition", &allowed) && !condition("failureCondition", &allowed));
    clock.advance(Duration::from_hours(2));
    running.budget("checkout", |said| said["status"] == "no_data").await;
    let unknown = outcome("feature").await;
    assert_eq!(unknown, "undecidable");
    // Neither: the rollout pauses.
    assert!(!condition("successCondition", &unknown) && !condition("failureCondition", &unknown));
    running.server.stop().await;
}

/// `text` as a form writes it.
fn coded(text: &str) -> String {
    text.bytes().fold(String::new(), |coded, byte| format!("{coded}%{byte:02X}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_as_a_password_where_there_is_nothing_else() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let request = TokenRequest {
        name: "flagger".to_owned(),
        scopes: vec![Scope::Deploy],
        services: vec!["shop".to_owned()],
        functions: Vec::new(),
        expires: None,
    };
    let tokens = Tokens::open(directory.path()).unwrap();
    let at = Timestamp::parse(NOON).unwrap();
    let first =
        TokenRequest { scopes: vec![Scope::Admin], services: Vec::new(), ..request.clone() };
    tokens.create(&first, "test", at).unwrap();
    let token = tokens.create(&request, "test", at).unwrap().token;
    drop(tokens);
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    let ask = async |password: &str, service: &str| {
        let path = format!("/api/v1/gate/{service}/flagger");
        let request = running.post(&path, canary(&json!({})));
        request.basic_auth("flagger", Some(password)).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&token, "shop").await, 200);
    assert_eq!(ask(&token, "bank").await, 403);
    assert_eq!(ask(&format!("{token}x"), "shop").await, 401);
    let request = running.post("/api/v1/gate/shop/flagger", canary(&json!({})));
    let broken = request.header("authorization", "Basic !").send().await.unwrap();
    assert_eq!(broken.status(), 401);
    running.server.stop().await;
}

/// What a GitHub was asked, and how it answers.
#[derive(Debug, Clone, Default)]
struct Seen {
    asked: Arc<Mutex<Vec<(String, String, Value)>>>,
    refuses: Arc<Mutex<bool>>,
}

async fn access(
    State(seen): State<Seen>,
    Parts(installation): Parts<String>,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    seen.note(&format!("installation {installation}"), &headers, Value::Null);
    (StatusCode::CREATED, Json(json!({ "token": "ghs_of_the_installation" })))
}

async fn answered(
    State(seen): State<Seen>,
    Parts((owner, name, run)): Parts<(String, String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, String) {
    seen.note(&format!("{owner}/{name} {run}"), &headers, body);
    if *seen.refuses.lock().unwrap() {
        return (StatusCode::UNPROCESSABLE_ENTITY, r#"{"message":"not waiting"}"#.to_owned());
    }
    (StatusCode::NO_CONTENT, String::new())
}

impl Seen {
    fn note(&self, what: &str, headers: &HeaderMap, body: Value) {
        let shown = headers["authorization"].to_str().unwrap().to_owned();
        assert!(headers.contains_key("user-agent"), "GitHub refuses requests without one");
        self.asked.lock().unwrap().push((what.to_owned(), shown, body));
    }

    fn take(&self) -> Vec<(String, String, Value)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// A GitHub on a free port: its API's address.
    async fn serve(&self) -> String {
        let runs = "/api/v3/repos/{owner}/{name}/actions/runs/{run}/deployment_protection_rule";
        let router = axum::Router::new()
            .route("/api/v3/app/installations/{id}/access_tokens", posted(access))
            .route(runs, posted(answered))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/api/v3")
    }
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).current_dir(directory).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// An app's key, in the form in which GitHub gives it.
fn key(directory: &Path) -> PathBuf {
    openssl(directory, &["genrsa", "-traditional", "-out", "app.pem", "2048"]);
    openssl(directory, &["rsa", "-in", "app.pem", "-pubout", "-out", "public.pem"]);
    directory.join("app.pem")
}

/// Whether OpenSSL finds that the app has signed a token.
fn check_signed(directory: &Path, token: &str) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    std::fs::write(directory.join("signed"), signed).unwrap();
    let standard = signature.replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - standard.len() % 4) % 4);
    std::fs::write(directory.join("signature.b64"), format!("{standard}{padding}")).unwrap();
    openssl(directory, &["base64", "-d", "-A", "-in", "signature.b64", "-out", "signature"]);
    openssl(
        directory,
        &["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "signed"],
    );
}

const SECRET: &str = "a secret of the app";

/// What GitHub sends when a job waits for `api`'s answer.
fn waiting(api: &str) -> Value {
    let at = "2026-03-02T11:59:00Z";
    json!({
        "action": "requested", "environment": "production", "event": "push",
        "deployment_callback_url": format!("{api}/repos/acme/shop/actions/runs/7/deployment_protection_rule"),
        "deployment": {
            "id": 42, "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "ref": "main", "task": "deploy",
            "payload": {}, "environment": "production", "created_at": at, "updated_at": at,
        },
        "pull_requests": [], "repository": {"full_name": "acme/shop"}, "sender": {"login": "ada"},
        "installation": {"id": 99},
    })
}

async fn hooked(running: &Running, event: &str, body: &Value, query: &str) -> (u16, Value) {
    let text = body.to_string();
    let request = running
        .post(&format!("/api/v1/hooks/github/gate{query}"), text.clone())
        .header("x-github-event", event)
        .header("x-github-delivery", "72d3162e-cc78")
        .header("x-hub-signature-256", signed(SECRET, text.as_bytes()));
    said(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn github_is_told_at_its_own_address_whether_a_job_may_deploy() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let api = seen.serve().await;
    std::fs::write(directory.path().join("secret"), SECRET).unwrap();
    let secret = format!("github:{}", directory.path().join("secret").display());
    let app = format!("123456:{}", key(directory.path()).display());
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}---{}", SIGNED.replace("name: shop,", "name: till,"));
    let running = Running::of(Config {
        hooks: vec![secret.parse::<HookSecret>().unwrap()],
        github: Some(app.parse().unwrap()),
        github_api: api.clone(),
        ..config(&directory.path().join("data"), &documents, &clock)
    })
    .await;
    let signature = json!({"role": "sre"});
    assert_eq!(post(&running, "/api/v1/policies/signed/signatures", signature).await.0, 201);
    let rule = "deployment_protection_rule";
    let (status, told) = hooked(&running, rule, &waiting(&api), "").await;
    assert_eq!((status, &told["outcome"]), (200, &json!("warn")), "{told}");
    let asked = seen.take();
    assert_eq!(asked[0].0, "installation 99");
    let token = asked[0].1.strip_prefix("Bearer ").unwrap();
    check_signed(directory.path(), token);
    let (what, shown, answer) = &asked[1];
    assert_eq!((what.as_str(), shown.as_str()), ("acme/shop 7", "Bearer ghs_of_the_installation"));
    assert_eq!(
        (&answer["environment_name"], &answer["state"]),
        (&json!("production"), &json!("approved"))
    );
    let comment = answer["comment"].as_str().unwrap();
    assert!(comment.contains(told["decision"].as_str().unwrap()), "{comment}");
    assert_eq!(
        kept(&running, "shop").await[0]["decision"]["change"],
        "github:acme/shop:deployment:42"
    );

    let expires = clock.now().plus(Duration::from_hours(1)).to_string();
    let block = json!({"classes": ["feature"], "role": "sre", "why": "a sale", "expires": expires});
    assert_eq!(post(&running, "/api/v1/gate/shop/blocks", block).await.0, 201);
    let (_, told) = hooked(&running, rule, &waiting(&api), "").await;
    assert_eq!(told["outcome"], "deny");
    let answer = seen.take()[1].2.clone();
    assert_eq!(answer["state"], "rejected");
    assert!(answer["comment"].as_str().unwrap().contains("a sale"), "{answer}");
    let (_, told) = hooked(&running, rule, &waiting(&api), "?class=rollback").await;
    assert_eq!(told["outcome"], "warn", "it goes through, though nothing is known of the service");
    seen.take();

    // A deployment that waits for a signature is told how it gets one. A job that runs again is another deployment
    // of the same commit.
    let mut needed = waiting(&api);
    needed["deployment"]["payload"] = json!({"service": "till"});
    let (_, told) = hooked(&running, rule, &needed, "").await;
    assert_eq!(told["outcome"], "deny", "{told}");
    let answer = seen.take()[1].2.clone();
    let comment = answer["comment"].as_str().unwrap();
    let sha = needed["deployment"]["sha"].as_str().unwrap();
    let command =
        format!("Approve it by `flyball policy approve till --change {sha} --class feature");
    assert!(comment.starts_with(&command), "{comment}");
    let mut approval = json!({
        "change": sha, "class": "feature", "environment": "production", "why": "read it",
        "expires": expires,
    });
    for role in ["sre", "engineering_lead"] {
        approval["role"] = json!(role);
        assert_eq!(post(&running, "/api/v1/gate/till/approvals", approval.clone()).await.0, 201);
    }
    needed["deployment"]["id"] = json!(43);
    let (_, told) = hooked(&running, rule, &needed, "").await;
    assert_eq!(told["outcome"], "warn", "{told}");
    let answer = seen.take()[1].2.clone();
    assert_eq!(answer["state"], "approved");
    assert!(answer["comment"].as_str().unwrap().contains("anyone has approved"), "{answer}");

    // Whoever knows the secret does not choose where our token goes.
    let (status, problem) = hooked(&running, rule, &waiting("http://127.0.0.1:1"), "").await;
    assert_eq!((status, problem["hint"].is_string()), (422, true), "{problem}");
    let (status, told) = hooked(&running, "ping", &json!({"zen": "…"}), "").await;
    assert_eq!((status, &told["decision"]), (200, &Value::Null));
    let unsigned = running.post("/api/v1/hooks/github/gate", waiting(&api).to_string());
    assert_eq!(said(unsigned.header("x-github-event", rule)).await.0, 403);
    assert_eq!(seen.take(), []);
    *seen.refuses.lock().unwrap() = true;
    let (status, problem) = hooked(&running, rule, &waiting(&api), "").await;
    assert_eq!(status, 502, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("not waiting"), "{problem}");
    running.server.stop().await;
}
