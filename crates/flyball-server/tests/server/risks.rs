//! Risks over real sockets: held against objectives, tried out, put beside what happened, seen by whose they are.

use std::collections::BTreeSet;
use std::path::Path;

use flyball_model::Duration;
use flyball_server::{Scope, TokenRequest, Tokens};
use reqwest::Client;
use serde_json::{Value, json};

use crate::harness::{NOON, Running, SHOP, TestClock, events};

/// A tenth of the time may be bad: 876.6 hours a year, of which one risk may spend a quarter.
const RISKS: &str = "
---
apiVersion: flyball.dev/v1
kind: Risk
metadata: {name: bad-deploy}
spec:
  description: A deployment fails for everybody.
  service: shop
  timeToDetect: 5m
  timeToRepair: 55m
  shareOfUsers: 100%
  timeBetweenFailures: 30d
  themes: [no-canary]
  accepted: {who: ada, reason: we are small, until: 2026-02-01}
---
apiVersion: flyball.dev/v1
kind: Risk
metadata: {name: store-down}
spec:
  service: shop
  slos: [checkout]
  timeToDetect: 5m..20m
  timeToRepair: 1h
  shareOfUsers: 80%
  timeBetweenFailures: 6h..12h
  matches: {classes: [disk-full]}
---
apiVersion: flyball.dev/v1
kind: RiskRules
metadata: {name: shop}
spec:
  service: shop
  reserve: 10%
  factors: [{name: nobody-at-night, everywhere: true, repair: 10m}]
";

async fn post(running: &Running, path: &str, body: &Value) -> (u16, Value) {
    let request = running.post(path, body.to_string()).header("content-type", "application/json");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn start(data: &Path, clock: &TestClock) -> Running {
    flyball_server::choose_cryptography();
    Running::start(data, &format!("{SHOP}{RISKS}"), clock).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_register_is_held_against_the_objectives_of_its_service() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path(), &TestClock::at(NOON)).await;
    let (status, said) = running.get("/api/v1/services/shop/risks").await;
    assert_eq!(status, 200, "{said}");
    let held = &said["objectives"][0]["assessment"];
    assert_eq!(held["objective"], json!({"slo": "checkout", "target": 0.9, "window": "1h"}));
    let budget = held["budget_minutes_a_year"].as_f64().unwrap();
    assert!((budget - 52_596.0).abs() < 1e-6, "{budget}");
    // The hour and the ten minutes of the factor, 12.175 times a year.
    let line = |name: &str| {
        let risks = held["risks"].as_array().unwrap().iter();
        risks.clone().find(|line| line["name"] == name).unwrap().clone()
    };
    let deploy = line("bad-deploy");
    let minutes = deploy["minutes_a_year"][1].as_f64().unwrap();
    assert!((minutes - 70.0 * 12.175).abs() < 1e-6, "{minutes}");
    assert_eq!((&deploy["standing"], &deploy["lapsed"]), (&json!("fits"), &json!(true)));
    assert_eq!(line("store-down")["standing"], "too_big");
    let themes: Vec<&Value> =
        held["themes"].as_array().unwrap().iter().map(|of| &of["name"]).collect();
    assert_eq!(themes, ["nobody-at-night", "no-canary"]);
    assert_eq!(said["rules"]["reserve"], "10%");

    let tornado = &said["objectives"][0]["tornado"];
    let bars: BTreeSet<&str> = tornado["bars"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bar| bar["name"].as_str().unwrap())
        .collect();
    assert_eq!(bars, BTreeSet::from(["bad-deploy", "nobody-at-night", "store-down"]));
    assert_eq!(tornado["bars"][0]["name"], "store-down", "what misses it comes first");
    let seed = said["seed"].as_u64().unwrap();
    assert_eq!(tornado["now"]["seed"], seed, "it is told");
    let (_, again) = running.get("/api/v1/services/shop/risks").await;
    assert_eq!(again, said, "the same register is drawn alike");
    let (_, other) = running.get("/api/v1/services/shop/risks?slo=checkout&seed=7").await;
    assert_eq!((&other["seed"], &other["objectives"][0]["assessment"]), (&json!(7), held));
    assert_ne!(other["objectives"][0]["tornado"]["now"], tornado["now"]);
    for (path, status) in [
        ("shop/risks?slo=chekout", 404),
        ("shop/risks?seed=18446744073709551615", 400),
        ("shop/risks?sede=1", 400),
        ("shpo/risks", 404),
        ("shpo/risks/csv", 404),
        ("shpo/risks/measured", 404),
        ("shop/risks/measured?from=soon", 422),
    ] {
        let (found, problem) = running.get(&format!("/api/v1/services/{path}")).await;
        assert_eq!(
            (found, problem["hint"].is_string() || status == 400 || found == 422),
            (status, true),
            "{path}: {problem}"
        );
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn risks_are_listed_page_by_page_and_exported() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path(), &TestClock::at(NOON)).await;
    let (_, first) = running.get("/api/v1/risks?limit=1").await;
    assert_eq!(
        (&first["risks"][0]["name"], &first["next"]),
        (&json!("bad-deploy"), &json!("bad-deploy"))
    );
    assert_eq!(first["risks"][0]["standing"], "fits");
    assert_eq!(
        (&first["risks"][0]["lapsed"], &first["risks"][0]["accepted"]["who"]),
        (&json!(true), &json!("ada"))
    );
    let (_, last) = running.get("/api/v1/risks?limit=1&after=bad-deploy").await;
    assert_eq!((&last["risks"][0]["name"], &last["next"]), (&json!("store-down"), &Value::Null));
    assert_eq!(running.get("/api/v1/risks?service=cart").await.1["risks"], json!([]));
    assert_eq!(running.get("/api/v1/risks?limit=0").await.0, 400);

    let url = running.url("/api/v1/services/shop/risks/csv");
    let sheet = Client::new().get(url).send().await.unwrap().text().await.unwrap();
    let risks = flyball_govern::risk::csv::read(&sheet).unwrap();
    assert_eq!(
        risks.iter().map(|risk| risk.name.as_str()).collect::<Vec<_>>(),
        ["bad-deploy", "store-down"]
    );
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_be_done_is_tried_over_the_same_luck() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path(), &TestClock::at(NOON)).await;
    let ask =
        async |body: Value| post(&running, "/api/v1/services/shop/risks/what-if", &body).await;
    let canary = json!({"kind": "canary", "share": "10%", "within": "10m"});
    let (status, said) = ask(json!({"mitigation": canary, "themes": ["no-canary"]})).await;
    assert_eq!(status, 200, "{said}");
    let of = &said["objectives"][0];
    assert_eq!(of["risks"], json!(["bad-deploy"]));
    assert_eq!(of["missed_before"]["seed"], of["missed_after"]["seed"]);
    // 70 minutes of everybody, with the factor's ten, become 10 of a tenth: the factor adds nothing past them.
    let saves = of["saves_minutes_a_year"].as_f64().unwrap();
    assert!((saves - (70.0 - 1.0) * 12.175).abs() < 1e-6, "{saves}");
    let repair = json!({"kind": "faster_repair", "within": "5m"});
    let also = json!([{"mitigation": repair, "risks": ["store-down"]}]);
    let (status, both) =
        ask(json!({"mitigation": canary, "themes": ["no-canary"], "also": also})).await;
    assert_eq!((status, &both["untouched"]), (200, &json!([])), "{both}");
    assert_eq!(both["objectives"][0]["risks"], json!(["bad-deploy", "store-down"]));
    assert!(both["objectives"][0]["saves_minutes_a_year"].as_f64().unwrap() > saves, "{both}");
    for (body, hint) in [
        (json!({"mitigation": canary, "risks": ["bad-deplyo"]}), "`bad-deploy`"),
        (
            json!({"mitigation": {"kind": "faster_repair", "within": "3h"}, "risks": ["store-down"]}),
            "the register says no worse of `store-down` already",
        ),
        (json!({"mitigation": {"kind": "faster_repair", "within": "3h"}}), "no risk is named"),
    ] {
        let (status, problem) = ask(body).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem.to_string().contains(hint), "{hint}: {problem}");
    }
    assert_eq!(ask(json!({"mitigation": {"kind": "prayer"}})).await.0, 400);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_register_is_beside_what_happened_once_somebody_says_what_came_of_what() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = start(directory.path(), &clock).await;
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, 3)).send().await.unwrap();
    clock.advance(Duration::from_minutes(5));
    running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    let issue = json!({
        "issueKey": "OPS-17", "title": "nobody could pay", "status": "DONE",
        "createdDate": "2026-03-02T12:04:00Z", "resolutionDate": "2026-03-02T12:06:00Z",
    });
    let told = post(&running, "/api/v1/hooks/devlake/issues?service=shop", &issue).await;
    assert_eq!(told.0, 200, "{}", told.1);
    let drill = json!({
        "id": "game-day", "service": "shop", "kind": "drill",
        "started": "2026-03-02T12:07:00Z", "finished": "2026-03-02T12:08:00Z",
    });
    assert_eq!(post(&running, "/api/v1/changes", &drill).await.0, 201);
    let path = "/api/v1/services/shop/risks/measured?from=2026-03-02T12:00:00Z";
    let (status, before) = running.get(path).await;
    assert_eq!(status, 200, "{before}");
    assert_eq!(
        (&before["unnamed"], &before["unnamed_last"]),
        (&json!(1), &json!(["devlake:OPS-17"]))
    );
    assert_eq!(before["risks"][0]["measured"]["failures"], 0);
    assert_eq!(before["risks"][1]["likely"], json!([]), "nobody has classified it");
    let class = json!({
        "posting": "devlake:OPS-17", "class": "disk-full", "role": "engineering_lead", "why": "df",
    });
    let (status, said) = post(&running, "/api/v1/gate/shop/classes", &class).await;
    assert_eq!(status, 201, "{said}");
    // What is likely is proposed, and counts for nothing until somebody takes it.
    let (_, likely) = running.get(path).await;
    let of = &likely["risks"][1];
    assert_eq!(
        (&of["likely"], &of["measured"]["failures"], &likely["unnamed"]),
        (&json!(["devlake:OPS-17"]), &json!(0), &json!(1)),
        "{of}"
    );
    assert_eq!(likely["risks"][0]["likely"], json!([]));

    let name = async |posting: &str, risk: Value| {
        let body = json!({"posting": posting, "risk": risk, "why": "the disk was full"});
        post(&running, "/api/v1/services/shop/risks/occurrences", &body).await
    };
    for (posting, risk, hint) in [
        ("devlake:OPS-17", json!("store-dwon"), "did you mean `store-down`?"),
        ("devlake:OPS-18", json!("store-down"), "flyball risk measured"),
    ] {
        let (status, problem) = name(posting, risk).await;
        assert_eq!(
            (status, problem["hint"].as_str().unwrap().contains(hint)),
            (422, true),
            "{problem}"
        );
    }
    for posting in ["devlake:OPS-17", "game-day"] {
        let (status, said) = name(posting, json!("store-down")).await;
        assert_eq!((status, &said["who"]), (201, &json!("anyone")), "{said}");
    }
    let (_, after) = running.get(path).await;
    assert_eq!(after["unnamed"], 0, "{after:#}");
    assert_eq!(after["risks"][1]["likely"], json!([]));
    let of = &after["risks"][1];
    assert_eq!(of["measured"]["name"], "store-down");
    assert_eq!(
        (&of["measured"]["failures"], &of["measured"]["drills"]),
        (&json!(1), &json!(1)),
        "{of:#}"
    );
    let incident =
        of["occurrences"].as_array().unwrap().iter().find(|of| of["source"] == "incident");
    assert_eq!(incident.unwrap()["share"], json!([20, 60]), "by the ledger: {of:#}");
    assert_eq!(of["measured"]["time_to_repair"]["finding"], "not_enough_data");
    // An interval of how often holds from the first failure on.
    assert_eq!(of["measured"]["time_between_failures"]["count"], 1);

    let (_, page) = running.get("/api/v1/services/shop/risks/occurrences?limit=1").await;
    assert_eq!(page["occurrences"][0]["posting"], "game-day");
    let next = page["next"].as_u64().unwrap();
    let (_, page) =
        running.get(&format!("/api/v1/services/shop/risks/occurrences?before={next}")).await;
    assert_eq!(
        (&page["occurrences"][0]["posting"], &page["next"]),
        (&json!("devlake:OPS-17"), &Value::Null)
    );
    assert_eq!(name("game-day", Value::Null).await.0, 201);
    let (_, taken) = running.get(path).await;
    assert_eq!(
        (&taken["risks"][1]["measured"]["drills"], &taken["unnamed"]),
        (&json!(0), &json!(0)),
        "drills are planned"
    );
    let (_, log) = running.get("/api/v1/audit").await;
    let last = log["records"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["action"], &last["detail"]["risk"]), (&json!("risk.name"), &Value::Null));
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn risks_are_seen_named_and_changed_by_whose_service_it_is() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let token = |scopes: &[Scope], service: Option<&str>| {
        let request = TokenRequest {
            name: "test".to_owned(),
            scopes: scopes.to_vec(),
            services: service.iter().map(ToString::to_string).collect(),
            functions: Vec::new(),
            expires: None,
        };
        Tokens::open(directory.path()).unwrap().create(&request, "test", clock.now()).unwrap().token
    };
    let admin = token(&[Scope::Admin], None);
    let cart = token(&[Scope::Read, Scope::Deploy], Some("cart"));
    let shop = token(&[Scope::Read, Scope::Deploy], Some("shop"));
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let send = async |method: &str, path: &str, token: &str, body: Value| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = Client::new().request(method, running.url(path)).bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let costs = flyball_govern::money::ASSUMED.replace("name: assumed", "name: ours");
    let files = |name: &str, text: &str| json!({"files": [{"name": name, "text": text}]});
    let risks = files("risks.yaml", RISKS);
    assert_eq!(send("POST", "/api/v1/apply", &cart, risks.clone()).await.0, 403);
    assert_eq!(
        send("POST", "/api/v1/apply", &shop, files("costs.yaml", &costs)).await.0,
        403,
        "costs are everybody's"
    );
    let (status, said) = send("POST", "/api/v1/apply", &shop, risks.clone()).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(send("POST", "/api/v1/apply", &admin, files("costs.yaml", &costs)).await.0, 200);
    // What was applied comes back as it was, and applying it again changes nothing.
    let (_, kept) = send("GET", "/api/v1/definitions/risks.yaml", &shop, Value::Null).await;
    assert_eq!(kept["text"], RISKS, "{kept}");
    let (_, plan) = send("POST", "/api/v1/apply", &shop, risks).await;
    assert_eq!(plan["revision"], said["revision"].as_u64().unwrap() + 1, "{plan}");

    assert_eq!(send("GET", "/api/v1/risks", &cart, Value::Null).await.1["risks"], json!([]));
    for path in ["risks", "risks/csv", "risks/measured", "target", "support"] {
        let (status, _) =
            send("GET", &format!("/api/v1/services/shop/{path}"), &cart, Value::Null).await;
        assert_eq!(status, 404, "{path}");
    }
    let (_, none) =
        send("GET", "/api/v1/services/shop/risks/occurrences", &cart, Value::Null).await;
    assert_eq!(none["occurrences"], json!([]));
    let naming = json!({"posting": "a", "risk": "store-down", "why": "because"});
    let path = "/api/v1/services/shop/risks/occurrences";
    assert_eq!(send("POST", path, &cart, naming.clone()).await.0, 403);
    assert_eq!(send("POST", path, &shop, naming).await.0, 422, "there is no such incident");
    let choice = json!({"target": "99%", "model": "sre", "out_of_hours": "team"});
    assert_eq!(
        send("POST", "/api/v1/services/shop/support", &shop, choice).await.0,
        403,
        "that is an owner's"
    );
    running.server.stop().await;
}
