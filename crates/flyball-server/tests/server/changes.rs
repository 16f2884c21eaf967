//! Changes over real sockets: what is kept, what comes twice, who is believed, who may.

use std::path::{Path, PathBuf};

use flyball_model::{Duration, Timestamp};
use flyball_server::{Config, HookSecret, Scope, TokenRequest, Tokens};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{NOON, Running, SHOP, TestClock, config};

/// What the forge and the server both know; the next one, too.
pub(crate) const SECRET: &str = "It's a Secret to Everybody";
const NEXT: &str = "the secret that comes next";

fn token(data: &Path, scopes: &[Scope], services: &[&str]) -> String {
    let request = TokenRequest {
        name: "test".to_owned(),
        scopes: scopes.to_vec(),
        services: services.iter().map(ToString::to_string).collect(),
        functions: Vec::new(),
        expires: None,
    };
    let at = Timestamp::parse(NOON).unwrap();
    Tokens::open(data).unwrap().create(&request, "test", at).unwrap().token
}

async fn start(data: &Path, clock: &TestClock) -> Running {
    flyball_server::choose_cryptography();
    Running::start(data, SHOP, clock).await
}

/// The secrets of each hook that signs, in a file below `data`.
pub(crate) fn hook_secrets(data: &Path) -> Vec<HookSecret> {
    let file = data.join("hook-secrets");
    std::fs::write(&file, format!("{NEXT}\n{SECRET}\n")).unwrap();
    let secret = |hook: &str| format!("{hook}:{}", file.display()).parse::<HookSecret>().unwrap();
    ["github", "gitlab", "flux"].map(secret).to_vec()
}

/// A server whose hooks have secrets.
async fn hooked(data: &Path, clock: &TestClock) -> Running {
    flyball_server::choose_cryptography();
    let hooks = hook_secrets(data);
    Running::of(Config { hooks, ..config(&data.join("data"), SHOP, clock) }).await
}

async fn said(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let media = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let expected = if status < 400 { "application/json" } else { "application/problem+json" };
    assert_eq!(media, expected);
    (status, answer.json().await.unwrap())
}

async fn record(running: &Running, body: &Value) -> (u16, Value) {
    said(running.post("/api/v1/changes", body.to_string())).await
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A signature of `body`, as GitHub and Flux write it.
pub(crate) fn signed(secret: &str, body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex(&mac.finalize().into_bytes()))
}

/// Files of others that come with the crate that reads them.
fn peers(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../flyball-connect/tests/data").join(of)
}

fn github(running: &Running, event: &str, delivery: &str, body: &[u8]) -> RequestBuilder {
    running
        .post("/api/v1/hooks/github", body.to_vec())
        .header("X-GitHub-Event", event)
        .header("X-GitHub-Delivery", delivery)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_moves_through_its_life_with_the_clock() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = start(directory.path(), &clock).await;
    let planned = json!({
        "id": "release-1", "service": "shop", "outcome": "planned", "class": "feature",
        "not_before": "2026-03-02T13:00:00Z", "rollout": "canary:5%:30m",
    });
    let (status, view) = record(&running, &planned).await;
    assert_eq!((status, &view["life"]), (201, &json!({"phase": "recorded"})), "{view}");
    clock.advance(Duration::from_hours(1));
    let shipped = json!({"id": "release-1", "service": "shop", "version": "1.4.0"});
    let (status, view) = record(&running, &shipped).await;
    assert_eq!(status, 200, "it was known");
    assert_eq!(view["life"]["phase"], "observing");
    assert_eq!(view["change"]["rollout"], "canary:5%:30m");
    assert_eq!(view["change"]["recorded"], NOON, "when it was heard of first");
    let phase = async || running.get("/api/v1/changes/release-1").await.1["life"].clone();
    clock.advance(Duration::from_hours(1));
    let until = json!({"phase": "in_warranty", "until": "2026-03-09T13:00:00Z"});
    assert_eq!(phase().await, until);
    clock.advance(Duration::from_days(7));
    assert_eq!(phase().await["ending"], json!({"kind": "kept"}));
    let (status, problem) = running.get("/api/v1/changes/release-2").await;
    assert_eq!((status, problem["hint"].is_string()), (404, true));
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_began_when_it_was_first_heard_to_be_under_way() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = start(directory.path(), &clock).await;
    let told = |outcome: &str| json!({"id": "release-1", "service": "shop", "outcome": outcome});
    record(&running, &told("underway")).await;
    clock.advance(Duration::from_minutes(10));
    record(&running, &told("underway")).await;
    let (_, view) = record(&running, &told("succeeded")).await;
    assert_eq!(view["change"]["started"], NOON);
    assert_eq!(view["change"]["finished"], "2026-03-02T12:10:00Z");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_breaks_what_it_undoes_also_when_it_is_heard_of_first() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = start(directory.path(), &clock).await;
    let at = |minute: u32| format!("2026-03-02T11:{minute:02}:00Z");
    let change = |id: &str, kind: &str, minute: u32| json!({"id": id, "service": "shop", "kind": kind, "finished": at(minute)});
    record(&running, &change("old", "deploy", 0)).await;
    record(&running, &change("back", "rollback", 30)).await;
    let life =
        async |id: &str| running.get(&format!("/api/v1/changes/{id}")).await.1["life"].clone();
    let broken = json!({
        "phase": "done", "at": at(30),
        "ending": {"kind": "broken", "at": at(30), "cause": {"kind": "rollback", "by": "back"}},
    });
    assert_eq!(life("old").await, broken, "as far as is known");
    record(&running, &change("new", "deploy", 10)).await;
    assert_eq!(life("new").await, broken, "it was live");
    assert_eq!(life("old").await["phase"], "in_warranty", "and so the older one was not undone");

    // A change of another service that claims to repair one breaks nothing.
    let mut claim = change("claim", "deploy", 40);
    claim["service"] = "search".into();
    claim["restores"] = "old".into();
    assert_eq!(record(&running, &claim).await.0, 201);
    assert_eq!(life("old").await["phase"], "in_warranty");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_twice_counts_once_and_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = start(directory.path(), &clock).await;
    let body = json!({"service": "shop", "version": "1.0"});
    let keyed = |key: &str, body: &Value| {
        let request = running.post("/api/v1/changes", body.to_string());
        said(request.header("Idempotency-Key", key.to_owned()))
    };
    let (status, first) = keyed("deploy-1", &body).await;
    assert_eq!((status, &first["change"]["id"]), (201, &json!("api:deploy-1")));
    clock.advance(Duration::from_minutes(1));
    let (status, again) = keyed("deploy-1", &body).await;
    assert_eq!(status, 200);
    assert_eq!(again["change"], first["change"], "nothing was changed");
    let (status, problem) = keyed("deploy-1", &json!({"service": "shop"})).await;
    assert_eq!(status, 409, "{problem}");
    let other = json!({"id": "api:deploy-1", "service": "search"});
    assert_eq!(keyed("deploy-2", &other).await.0, 409, "it is a change of the shop");
    // What was refused was not noted either.
    assert_eq!(keyed("deploy-2", &json!({"service": "search"})).await.0, 201);
    let (_, before) = running.get("/api/v1/changes").await;
    assert_eq!(before["changes"].as_array().unwrap().len(), 2);
    let (_, log) = running.get("/api/v1/audit").await;
    let actions = log["records"].as_array().unwrap().iter().map(|record| &record["action"]);
    assert_eq!(actions.collect::<Vec<_>>(), ["change.record", "change.record"]);
    running.server.stop().await;

    let running = start(directory.path(), &clock).await;
    assert_eq!(running.get("/api/v1/changes").await.1, before);
    let request = running.post("/api/v1/changes", body.to_string());
    let (status, _) = said(request.header("Idempotency-Key", "deploy-1")).await;
    assert_eq!(status, 200, "deliveries are known after a restart");
    assert_eq!(running.get("/api/v1/audit/verify").await.1["whole"], true);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = start(directory.path(), &clock).await;
    for number in 0..5 {
        let service = if number % 2 == 0 { "shop" } else { "search" };
        record(&running, &json!({"id": number.to_string(), "service": service})).await;
    }
    let ids = |page: &Value| -> String {
        let changes = page["changes"].as_array().unwrap().iter();
        changes.map(|view| view["change"]["id"].as_str().unwrap()).collect()
    };
    let (mut path, mut all) = ("/api/v1/changes?limit=2".to_owned(), Vec::new());
    loop {
        let (status, page) = running.get(&path).await;
        assert_eq!(status, 200, "{page}");
        all.push(ids(&page));
        let Some(next) = page["next"].as_u64() else { break };
        path = format!("/api/v1/changes?limit=2&before={next}");
    }
    assert_eq!(all, ["43", "21", "0"]);
    assert_eq!(ids(&running.get("/api/v1/changes?service=search").await.1), "31");
    assert_eq!(ids(&running.get("/api/v1/changes?service=nobody").await.1), "");
    for wrong in ["limit=0", "limit=1001", "limit=x", "page=2"] {
        assert_eq!(running.get(&format!("/api/v1/changes?{wrong}")).await.0, 400, "{wrong}");
    }
    for (body, status) in [
        ("{", 400),
        ("{}", 422),
        (r#"{"service": "shop", "sevrice": "x"}"#, 422),
        (r#"{"service": "shop", "outcome": "planned", "finished": "2026-03-02T11:00:00Z"}"#, 422),
    ] {
        let (found, problem) = said(running.post("/api/v1/changes", body)).await;
        assert_eq!((found, problem["hint"].is_string()), (status, true), "{problem}");
    }
    // It is refused by its length, before any of it comes.
    let mut stream = TcpStream::connect(running.server.addresses()[0]).await.unwrap();
    let length = (4 << 20) + 1;
    let head =
        format!("POST /api/v1/changes HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_is_believed_by_its_signature_alone() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = hooked(directory.path(), &clock).await;
    let admin = json!({"name": "ops", "scopes": ["admin"]}).to_string();
    let (_, admin) = said(running.post("/api/v1/tokens", admin)).await;
    let admin = admin["token"].as_str().unwrap();
    let list =
        async || said(Client::new().get(running.url("/api/v1/changes")).bearer_auth(admin)).await.1;
    let file = |name: &str| std::fs::read(peers("github").join(name)).unwrap();
    let deployment = file("deployment.json");
    let forged = [
        None,
        Some(signed("a secret of somebody else", &deployment)),
        Some(signed(SECRET, b"another body")),
        Some("sha256=00".to_owned()),
        Some("sha1=00".to_owned()),
    ];
    for signature in forged {
        let mut request = github(&running, "deployment", "1", &deployment);
        if let Some(signature) = &signature {
            request = request.header("X-Hub-Signature-256", signature);
        }
        let (status, problem) = said(request.bearer_auth(admin)).await;
        assert_eq!(status, 403, "{signature:?}: {problem}");
    }
    assert_eq!(list().await["changes"], json!([]));
    let send = async |event: &str, delivery: &str, secret: &str, body: &[u8]| {
        let request = github(&running, event, delivery, body);
        said(request.header("X-Hub-Signature-256", signed(secret, body))).await
    };
    let id = "github:Codertocat/Hello-World:deployment:145988746";
    let (status, receipt) = send("deployment", "1", SECRET, &deployment).await;
    assert_eq!(status, 200, "{receipt}");
    let told = json!([{"kind": "change", "id": id, "service": "Hello-World", "new": true}]);
    assert_eq!((&receipt["repeated"], &receipt["reports"]), (&json!(false), &told));
    let (_, receipt) = send("deployment", "1", NEXT, &deployment).await;
    assert_eq!(receipt["repeated"], true, "the secret may be replaced, the delivery is the same");
    let status_body = file("deployment_status.json");
    assert_eq!(send("deployment_status", "2", SECRET, &status_body).await.0, 200);
    let (_, receipt) = send("push", "3", SECRET, &file("push.json")).await;
    assert_eq!(receipt["reports"][0]["commits"], 1, "{receipt}");
    let (_, receipt) = send("ping", "4", SECRET, b"{\"zen\": \"x\"}").await;
    assert_eq!(receipt["reports"][0]["kind"], "ignored", "{receipt}");
    let changes = list().await["changes"].clone();
    assert_eq!(changes.as_array().unwrap().len(), 1, "{changes}");
    assert_eq!(changes[0]["change"]["outcome"], "succeeded");

    let gitlab = json!({
        "object_kind": "push", "ref": "refs/heads/main", "checkout_sha": "da1560886d",
        "project": {"path_with_namespace": "mike/diaspora"}, "total_commits_count": 1,
        "commits": [{"id": "da1560886d", "timestamp": "2012-01-03T23:36:29+02:00"}],
    });
    for (shown, status) in [(SECRET, 200), ("It's a Secret to Nobody", 403)] {
        let request = running.post("/api/v1/hooks/gitlab", gitlab.to_string());
        let request = request.header("X-Gitlab-Event", "Push Hook").header("X-Gitlab-Token", shown);
        assert_eq!(said(request.header("X-Gitlab-Event-UUID", "1")).await.0, status);
    }
    let flux = json!({
        "involvedObject": {"kind": "HelmRelease", "namespace": "shop", "name": "checkout",
            "apiVersion": "helm.toolkit.fluxcd.io/v2"},
        "severity": "info", "timestamp": "2026-03-02T11:00:00Z", "reason": "UpgradeSucceeded",
        "message": "Helm upgrade succeeded", "reportingController": "helm-controller",
        "metadata": {"revision": "1.2.3"},
    })
    .to_string();
    let flux_body = flux.clone();
    let request = running.post("/api/v1/hooks/flux?environment=canary", flux_body);
    let request = request.header("X-Signature", signed(SECRET, flux.as_bytes()));
    let (status, receipt) = said(request).await;
    assert_eq!((status, &receipt["reports"][0]["service"]), (200, &json!("checkout")));
    assert_eq!(list().await["changes"][0]["change"]["environment"], "canary");

    let metrics = Client::new().get(running.url("/metrics")).bearer_auth(admin);
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    for line in [
        "flyball_change_messages_total{system=\"github\",outcome=\"repeated\"} 1",
        "flyball_change_messages_total{system=\"github\",outcome=\"ignored\"} 1",
        "reason=\"signature\"} 5",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_without_a_secret_believes_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path(), &TestClock::at(NOON)).await;
    for (hook, header) in
        [("github", "X-Hub-Signature-256"), ("gitlab", "X-Gitlab-Token"), ("flux", "X-Signature")]
    {
        let request = running.post(&format!("/api/v1/hooks/{hook}"), "{}");
        let (status, problem) = said(request.header(header, signed("", b"{}"))).await;
        assert_eq!(status, 403);
        assert!(problem["hint"].as_str().unwrap().contains("--hook-secret"), "{problem}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_every_generation_and_mode_become_changes() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = start(directory.path(), &clock).await;
    let mut expected = 0;
    for generation in ["v0.3.0", "v0.4.1", "v0.5.1", "v0.6-draft"] {
        let file = peers("cdevents").join(generation).join("service_deployed.json");
        let mut event: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        for mode in ["bare", "binary", "structured"] {
            event["context"]["id"] = format!("{generation} {mode}").into();
            let text = |key: &str| event["context"][key].as_str().unwrap().to_owned();
            let request = match mode {
                "structured" => {
                    let wrapped = json!({
                        "specversion": "1.0", "type": text("type"), "id": text("id"),
                        "source": text("source"), "time": text("timestamp"),
                        "datacontenttype": "application/json", "data": event,
                    });
                    running
                        .post("/api/v1/hooks/cdevents", wrapped.to_string())
                        .header("content-type", "application/cloudevents+json; charset=UTF-8")
                }
                "binary" => running
                    .post("/api/v1/hooks/cdevents", event.to_string())
                    .header("content-type", "application/json")
                    .header("ce-specversion", "1.0")
                    .header("ce-type", text("type"))
                    .header("ce-id", text("id"))
                    .header("ce-source", text("source")),
                _ => running.post("/api/v1/hooks/cdevents", event.to_string()),
            };
            let (status, receipt) = said(request).await;
            assert_eq!((status, &receipt["repeated"]), (200, &json!(false)), "{mode}: {receipt}");
            assert_eq!(receipt["reports"][0]["service"], "mySubject123", "{mode}");
            expected += 1;
        }
    }
    let (_, page) = running.get("/api/v1/changes?service=mySubject123").await;
    let changes = page["changes"].as_array().unwrap().len();
    assert!(changes > 0 && changes <= expected, "{changes}");
    let kept: Vec<&Value> = page["changes"].as_array().unwrap().iter().collect();
    assert!(kept.iter().all(|view| view["change"]["outcome"] == "succeeded"));
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devlake_and_argo_cd_speak_with_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    token(directory.path(), &[Scope::Admin], &[]);
    let deploys = token(directory.path(), &[Scope::Deploy], &[]);
    let running = start(directory.path(), &clock).await;
    let send = async |path: &str, body: Value| {
        said(running.post(path, body.to_string()).bearer_auth(&deploys)).await
    };
    let deployment = json!({
        "id": "deploy-7", "createdDate": "2026-03-02T10:00:00+00:00",
        "startedDate": "2026-03-02T10:00:00+00:00", "finishedDate": "2026-03-02T10:05:00+00:00",
        "result": "SUCCESS", "environment": "PRODUCTION",
        "deploymentCommits": [{
            "repoUrl": "https://example.com/acme/shop", "refName": "main",
            "startedDate": "2026-03-02T10:00:00+00:00",
            "finishedDate": "2026-03-02T10:05:00+00:00",
            "commitSha": "015e3d3b480e417aede5a1293bd61de9b0fd051d",
        }],
    });
    let (status, receipt) = send("/api/v1/hooks/devlake/deployments", deployment).await;
    assert_eq!((status, &receipt["reports"][0]["service"]), (200, &json!("shop")), "{receipt}");
    let issue = json!({
        "issueKey": "INC-1", "title": "Nobody can pay", "type": "INCIDENT", "status": "TODO",
        "originalStatus": "Open", "createdDate": "2026-03-02T11:00:00+00:00",
    });
    let (status, receipt) = send("/api/v1/hooks/devlake/issues", issue).await;
    assert_eq!((status, &receipt["reports"][0]["kind"]), (200, &json!("incident")), "{receipt}");
    let (status, receipt) = send("/api/v1/hooks/devlake/issue/INC-1/close", Value::Null).await;
    assert_eq!((status, &receipt["reports"][0]["id"]), (200, &json!("devlake:INC-1")), "{receipt}");
    let (status, problem) = send("/api/v1/hooks/argocd", json!({"application": 1})).await;
    assert_eq!((status, problem["hint"].is_string()), (422, true));
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_service_tells_of_it_and_of_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let admin = token(directory.path(), &[Scope::Admin], &[]);
    let reader = token(directory.path(), &[Scope::Read], &[]);
    let both = [Scope::Read, Scope::Deploy];
    let shop = token(directory.path(), &both, &["shop"]);
    let bank = token(directory.path(), &both, &["bank"]);
    let running = start(directory.path(), &clock).await;
    let send = async |token: &str, body: Value| {
        said(running.post("/api/v1/changes", body.to_string()).bearer_auth(token)).await
    };
    let get = async |token: &str, path: &str| {
        said(Client::new().get(running.url(path)).bearer_auth(token)).await
    };
    let of = |service: &str| json!({"id": "1", "service": service});
    assert_eq!(send(&reader, of("shop")).await.0, 403);
    assert_eq!(send(&bank, of("shop")).await.0, 403);
    assert_eq!(send(&shop, of("shop")).await.0, 201);
    let (status, problem) = send(&bank, of("bank")).await;
    assert_eq!(status, 409);
    assert!(!problem.to_string().contains("shop"), "{problem}");
    assert_eq!(send(&bank, json!({"id": "2", "service": "bank"})).await.0, 201);
    for (token, seen) in [(&admin, 2), (&reader, 2), (&shop, 1), (&bank, 1)] {
        let (_, page) = get(token, "/api/v1/changes").await;
        assert_eq!(page["changes"].as_array().unwrap().len(), seen);
    }
    assert_eq!(get(&shop, "/api/v1/changes/1").await.0, 200);
    let (status, problem) = get(&bank, "/api/v1/changes/1").await;
    let (_, nothing) = get(&bank, "/api/v1/changes/3").await;
    assert_eq!((status, problem), (404, nothing), "what it may not know of is not there");
    assert_eq!(get(&bank, "/api/v1/changes?service=shop").await.1["changes"], json!([]));
    let issue = json!({
        "issueKey": "INC-1", "title": "x", "type": "INCIDENT", "status": "TODO",
        "originalStatus": "Open", "createdDate": "2026-03-02T11:00:00+00:00",
    });
    let issues = |query: &str| {
        let path = format!("/api/v1/hooks/devlake/issues{query}");
        said(running.post(&path, issue.to_string()).bearer_auth(&bank))
    };
    assert_eq!(issues("").await.0, 403, "it may be of any service");
    assert_eq!(issues("?service=shop").await.0, 403);
    assert_eq!(issues("?service=bank").await.0, 200);
    running.server.stop().await;
}
