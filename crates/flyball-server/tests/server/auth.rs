//! Tokens over real sockets: what passes, what does not, in which words.

use std::path::Path;

use flyball_model::{Duration, Timestamp};
use flyball_server::{Clock, Config, Limits, Rates, Scope, Server, ServerError};
use flyball_server::{TokenRequest, Tokens, openapi};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{NOON, Running, SHOP, TestClock, events};

fn token(data: &Path, scopes: &[Scope], services: &[&str], expires: Option<&str>) -> String {
    let request = TokenRequest {
        name: "test".to_owned(),
        scopes: scopes.to_vec(),
        services: services.iter().map(ToString::to_string).collect(),
        functions: Vec::new(),
        expires: expires.map(str::to_owned),
    };
    let at = Timestamp::parse(NOON).unwrap();
    Tokens::open(data).unwrap().create(&request, "test", at).unwrap().token
}

fn request(running: &Running, method: &str, path: &str) -> reqwest::RequestBuilder {
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
    Client::new().request(method, running.url(path))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_a_few_is_closed_once_there_is_a_token() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let admin = token(directory.path(), &[Scope::Admin], &[], None);
    let reader = token(directory.path(), &[Scope::Read], &[], None);
    let sender = token(directory.path(), &[Scope::Ingest], &[], None);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let document: Value = serde_json::from_str(openapi()).unwrap();
    let mut routes: Vec<(String, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            routes.push((method.clone(), path.replace("{name}", "x").replace("{id}", "x")));
        }
    }
    let mut open = Vec::new();
    for (method, path) in &routes {
        let answer = request(&running, method, path).send().await.unwrap();
        if answer.status() != 401 {
            open.push(path.clone());
            continue;
        }
        assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"flyball\"");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");

        // Whoever may only read may not send or change, and the other way round.
        let asks =
            path == "/api/v1/query" || path.ends_with("/backtest") || path.ends_with("/what-if");
        let reads = method == "get" || asks;
        let wrong = if reads { &sender } else { &reader };
        let answer = request(&running, method, path).bearer_auth(wrong).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{method} {path}");
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");

        if path != "/api/v1/stream" {
            let request = request(&running, method, path).bearer_auth(&admin);
            let status = request.send().await.unwrap().status();
            assert!(status != 401 && status != 403, "{method} {path}: {status}");
        }
    }
    let hooks =
        ["flux", "github", "github/gate", "gitlab"].map(|hook| format!("/api/v1/hooks/{hook}"));
    let others = ["/healthz", "/login", "/login/callback", "/readyz"].map(str::to_owned);
    assert_eq!(open, [&hooks[..], &others[..]].concat(), "hooks ask for signatures");

    let mut wrong = admin.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    for shown in [wrong.as_str(), "x", "", &admin[..40]] {
        let answer = request(&running, "get", "/metrics").bearer_auth(shown).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_used_and_revoked_and_the_log_says_by_whom() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let make = |body: Value| request(&running, "post", "/api/v1/tokens").json(&body);

    let answer = make(json!({"name": "ci", "scopes": ["read"]})).send().await.unwrap();
    assert_eq!(answer.status(), 422, "it would lock everybody out");
    for wrong in [json!({}), json!({"name": "x", "scopes": ["all"]}), json!([1])] {
        assert_eq!(make(wrong).send().await.unwrap().status(), 400);
    }
    let answer = make(json!({"name": "ops", "scopes": ["admin", "read", "read", "read", "read"]}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 422, "more scopes than there are");
    let answer = make(json!({"name": "ops", "scopes": ["admin"]})).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let admin: Value = answer.json().await.unwrap();
    let (id, admin) = (admin["id"].as_str().unwrap(), admin["token"].as_str().unwrap());

    let body = json!({
        "name": "ci", "scopes": ["read"], "expires": "2026-03-02T13:00:00Z"
    });
    assert_eq!(make(body.clone()).send().await.unwrap().status(), 401);
    let made: Value = make(body).bearer_auth(admin).send().await.unwrap().json().await.unwrap();
    let reader = made["token"].as_str().unwrap();
    let read = async |token: &str| {
        let request = request(&running, "get", "/api/v1/slos").bearer_auth(token);
        request.send().await.unwrap().status()
    };
    assert_eq!(read(reader).await, 200);
    clock.advance(Duration::from_hours(1));
    assert_eq!(read(reader).await, 401, "it has expired");

    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    for status in [204, 404] {
        let answer = request(&running, "delete", &path).bearer_auth(admin).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let get = async |path: &str| -> Value {
        let request = request(&running, "get", path).bearer_auth(admin);
        request.send().await.unwrap().json().await.unwrap()
    };
    let listed = get("/api/v1/tokens").await.to_string();
    assert!(!listed.contains(&reader[30..]) && !listed.contains("hash"), "{listed}");
    let log = get("/api/v1/audit").await;
    let said: Vec<String> = log["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| format!("{} {}", record["actor"], record["action"]).replace('"', ""))
        .collect();
    let by = format!("token:{id}");
    assert_eq!(
        said,
        [
            "anyone token.create".to_owned(),
            format!("{by} token.create"),
            format!("{by} token.revoke")
        ]
    );
    let verdict = get("/api/v1/audit/verify").await;
    assert_eq!((&verdict["whole"], &verdict["records"]), (&json!(true), &json!(3)));
    assert_eq!(verdict["head"], log["records"][2]["hash"]);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_service_sends_and_sees_only_that() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    token(directory.path(), &[Scope::Admin], &[], None);
    let both = [Scope::Ingest, Scope::Read];
    let shop = token(directory.path(), &both, &["shop"], None);
    let other = token(directory.path(), &both, &["other"], None);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let body = events(clock.now(), 10, 5);
    let send = async |token: &str, path: &str, body: String| {
        running.post(path, body).bearer_auth(token).send().await.unwrap()
    };
    assert_eq!(send(&shop, "/api/v1/events", body.clone()).await.status(), 200);
    let refused = send(&other, "/api/v1/events", body.clone()).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("`shop`"));
    let nameless = format!("{{\"time\":\"{}\",\"status\":200}}\n", clock.now());
    assert_eq!(send(&shop, "/api/v1/events", nameless.clone()).await.status(), 403);
    assert_eq!(send(&shop, "/api/v1/events?service=shop", nameless).await.status(), 200);

    let read = async |token: &str, path: &str| {
        let answer = request(&running, "get", path).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert!(read(&shop, "/api/v1/slos").await.1.contains("checkout"));
    assert_eq!(read(&shop, "/api/v1/slos/checkout").await.0, 200);
    assert_eq!(
        read(&other, "/api/v1/slos").await.1,
        r#"{"slos":[],"next":null,"not_evaluated":[]}"#
    );
    let (status, said) = read(&other, "/api/v1/slos/checkou").await;
    assert_eq!(status, 404);
    assert!(!said.contains("checkout"), "{said}");
    assert_eq!(read(&other, "/api/v1/slos/checkout").await.0, 404);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_service_changes_only_its_definitions() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let admin = token(directory.path(), &[Scope::Admin], &[], None);
    let bound = token(directory.path(), &[Scope::Deploy, Scope::Read], &["other"], None);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let apply = async |service: &str| {
        let text = SHOP.replace("name: checkout", &format!("name: {service}-2"));
        let text = text.replace("service: shop", &format!("service: {service}"));
        let files = json!({"files": [{"name": format!("{service}.yaml"), "text": text}]});
        let request = request(&running, "post", "/api/v1/apply").json(&files).bearer_auth(&bound);
        request.send().await.unwrap().status()
    };
    assert_eq!(apply("shop").await, 403);
    assert_eq!(apply("other").await, 200);
    let files = async |token: &str| -> Vec<String> {
        let asked = request(&running, "get", "/api/v1/definitions").bearer_auth(token);
        let said: Value = asked.send().await.unwrap().json().await.unwrap();
        let files = said["files"].as_array().unwrap().iter();
        files.map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(files(&bound).await, ["other.yaml"]);
    assert_eq!(files(&admin).await, ["test.yaml", "other.yaml"]);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protocols_are_refused_in_their_own_words() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    token(directory.path(), &[Scope::Admin], &[], None);
    let reader = token(directory.path(), &[Scope::Read], &[], None);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let send = async |media: &str, path: &str, token: Option<&str>| {
        let mut request = running.post(path, "x").header("content-type", media);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap())
    };
    let (status, headers, body) = send("application/x-protobuf", "/v1/traces", None).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (
            StatusCode::UNAUTHORIZED,
            &reqwest::header::HeaderValue::from_static("application/x-protobuf")
        )
    );
    assert_eq!(body[..2], [1 << 3, 16], "google.rpc.Status with code 16");
    let (status, _, body) = send("application/json", "/v1/logs", Some(&reader)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["code"], 7);

    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let (status, headers, _) = send("application/grpc", path, None).await;
    assert_eq!(status, 200, "gRPC has a status of its own");
    assert_eq!(headers["grpc-status"], "16");
    let (_, headers, _) = send("application/grpc", path, Some(&reader)).await;
    assert_eq!(headers["grpc-status"], "7");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_asks_too_fast_is_told_when_to_come_again() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let admin = token(directory.path(), &[Scope::Admin], &[], None);
    let other = token(directory.path(), &[Scope::Read], &[], None);
    let rates = Rates { requests: 1, bytes: 1 << 20 };
    let limits = Limits { rates, ..Limits::default() };
    let running = Running::with(directory.path(), SHOP, &clock, limits).await;
    let read = async |token: &str| {
        request(&running, "get", "/api/v1/slos").bearer_auth(token).send().await.unwrap()
    };
    let mut refused = 0;
    for _ in 0..20 {
        let answer = read(&admin).await;
        if answer.status() == 429 {
            refused += 1;
            let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=3).contains(&wait), "{wait}");
        }
    }
    assert!(refused > 0);
    assert_eq!(read(&other).await.status(), 200, "each token has its own");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_leaves_others_the_half_of_the_memory_for_reading() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let admin = token(directory.path(), &[Scope::Admin], &[], None);
    let limits = Limits { reading_bytes_max: 64 << 10, ..Limits::default() };
    let running = Running::with(directory.path(), SHOP, &clock, limits).await;
    let lines = events(clock.now(), 500, 5);
    let (half, most) = (&lines[..lines.len() / 2], 64 << 10);
    assert!(half.len() < most / 2 && lines.len() > most / 2, "{}", lines.len());
    let send = async |body: &str| {
        let request = running.post("/api/v1/events", body.to_owned()).bearer_auth(&admin);
        request.send().await.unwrap()
    };
    let refused = send(&lines).await;
    assert_eq!(
        (refused.status(), &refused.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &reqwest::header::HeaderValue::from_static("1"))
    );
    for _ in 0..5 {
        assert_eq!(send(half).await.status(), 200, "what was held is free again");
    }
    let counters = request(&running, "get", "/metrics").bearer_auth(&admin).send().await.unwrap();
    let counters = counters.text().await.unwrap();
    assert!(counters.contains("{content=\"ndjson\",reason=\"no room\"} 1"), "{counters}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_is_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), SHOP, &TestClock::at(NOON)).await;
    let mut stream = tokio::net::TcpStream::connect(running.server.addresses()[0]).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(80 << 10));
    // The server may have answered and closed before all of it was sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 431");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_machines_are_not_listened_to_without_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let start = async |dev: bool| {
        let clock = TestClock::at(NOON);
        let config = Config {
            listen: vec!["0.0.0.0:0".parse().unwrap()],
            dev,
            ..Config::new(directory.path().to_owned(), Clock::new(move || clock.now()))
        };
        Server::start(config).await
    };
    let refused = start(false).await.unwrap_err();
    assert!(matches!(refused, ServerError::Exposed { .. }), "{refused}");
    start(true).await.unwrap().stop().await;
    token(directory.path(), &[Scope::Admin], &[], None);
    start(false).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_one_senders_own() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let admin = token(directory.path(), &[Scope::Admin], &[], None);
    let senders = ["one", "two"].map(|_| token(directory.path(), &[Scope::Ingest], &[], None));
    let running = Running::start(directory.path(), SHOP, &clock).await;
    for sender in [&senders[0], &senders[1], &senders[1]] {
        let body = events(clock.now(), 10, 5);
        let request = running.post("/api/v1/events", body).header("Idempotency-Key", "batch-1");
        assert_eq!(request.bearer_auth(sender).send().await.unwrap().status(), 200);
    }
    clock.advance(Duration::from_seconds(30));
    let mut ticks = running.server.ticks();
    let counted = async {
        loop {
            let asked = request(&running, "get", "/api/v1/slos/checkout").bearer_auth(&admin);
            let said: Value = asked.send().await.unwrap().json().await.unwrap();
            let objective = &said["objectives"][0];
            let valid = objective["budget"]["valid"].as_u64().unwrap();
            if valid + objective["newest"]["valid"].as_u64().unwrap() >= 20 {
                return valid;
            }
            let _ = ticks.changed().await;
        }
    };
    let soon = std::time::Duration::from_secs(30);
    assert_eq!(tokio::time::timeout(soon, counted).await.unwrap(), 20);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_while_their_body_comes_changes_nothing() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let [admin, leaver] = [(); 2].map(|()| token(directory.path(), &[Scope::Admin], &[], None));
    let running = Running::start(directory.path(), "", &clock).await;
    let grant = json!({"who": "person:leaver", "service": "*", "role": "admin"});
    let made = json!({"name": "later", "scopes": ["admin"]});
    let applied = json!({"files": [{"name": "a.yaml", "text": SHOP}]});
    let mut begun = Vec::new();
    for (path, body) in [("grants", grant), ("tokens", made), ("apply", applied)] {
        let body = body.to_string();
        let mut stream = TcpStream::connect(running.server.addresses()[0]).await.unwrap();
        let head = format!(
            "POST /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {leaver}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\
             Expect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The body is asked for: who sends it was let in.
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        begun.push((stream, body));
    }
    let id = leaver.split('_').nth(1).unwrap();
    let revoke = request(&running, "delete", &format!("/api/v1/tokens/{id}"));
    assert_eq!(revoke.bearer_auth(&admin).send().await.unwrap().status(), 204);
    for (mut stream, body) in begun {
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{body}: {answer}");
    }
    let last = admin.split('_').nth(1).unwrap();
    let revoke = async |force: &str| {
        let path = format!("/api/v1/tokens/{last}{force}");
        request(&running, "delete", &path).bearer_auth(&admin).send().await.unwrap().status()
    };
    assert_eq!(revoke("").await, 409, "nobody could make another");
    for (path, list) in [("grants", "grants"), ("tokens", "tokens"), ("definitions", "files")] {
        let listed = request(&running, "get", &format!("/api/v1/{path}")).bearer_auth(&admin);
        let listed: Value = listed.send().await.unwrap().json().await.unwrap();
        let count = if path == "tokens" { 2 } else { 0 };
        assert_eq!(listed[list].as_array().unwrap().len(), count, "{listed}");
    }
    assert_eq!(revoke("?force=true").await, 204);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_soon_is_not_another_admin() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let make = |expires| token(directory.path(), &[Scope::Admin], &[], expires);
    let (admin, soon) = (make(None), make(Some("2026-03-03T11:00:00Z")));
    let lasting = make(Some("2026-03-03T13:00:00Z"));
    let running = Running::start(directory.path(), "", &TestClock::at(NOON)).await;
    let revoke = async |gone: &str| {
        let path = format!("/api/v1/tokens/{}", gone.split('_').nth(1).unwrap());
        let asked = request(&running, "delete", &path).bearer_auth(&soon);
        asked.send().await.unwrap().status()
    };
    assert_eq!(revoke(&lasting).await, 204, "another stays");
    assert_eq!(revoke(&admin).await, 409, "the one that is left ends in an hour less than a day");
    running.server.stop().await;
}
