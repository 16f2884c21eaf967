//! The catalogue's checks, and reviews over real sockets: who may do what, what is measured, what the gate asks for.

use flyball_model::Duration;
use flyball_server::{Scope, TokenRequest, Tokens};
use reqwest::Client;
use serde_json::{Value, json};

use crate::gate::{admin, said};
use crate::harness::{NOON, Running, SHOP, TestClock, events};

/// What the shop says of itself, and what it asks.
const CATALOGUE: &str = "
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec:
  team: checkout
  accountable: {who: ada}
  tier: critical
  journeys: [buy a ticket]
  revenuePerHour: {amount: '1250.50', currency: EUR}
  supportModel: developers
  fundedUntil: 2026-04-01
  dependencies: [{service: bank}, {service: ads, kind: soft}]
";

/// The bank's SLO promises less than the shop's.
fn bank() -> String {
    let slo = SHOP.replace("checkout", "paid").replace("shop", "bank").replace("0.9", "0.8");
    format!("---{slo}")
}

/// A checklist with one item of each sort.
const LIST: &str = "
---
apiVersion: flyball.dev/v1
kind: Checklist
metadata: {name: small}
spec:
  version: 1
  stage: launch
  signers: [product_manager, sre]
  adviser: true
  waivers: {roles: [sre], longest: 30d}
  items:
  - {id: tried, heading: deployment_process, ask: Was a roll-back made?}
  - {id: promises, heading: monitoring_coverage, ask: Has it an SLO?, holds: slo.count >= 1}
  - {id: measured, heading: monitoring_coverage, ask: Is it measured?, holds: budget.coverage >= 0.9}
  - {id: often, heading: pager_alerts, ask: Does it page seldom?, holds: pages.per_week <= 2, severity: advised}
  - {id: cards, heading: regulatory_scope, asks: scope, ask: Does it hold card data?, controls: [{role: security, classes: [feature]}]}
";

/// Somebody who asks a server.
struct Person<'a> {
    running: &'a Running,
    token: String,
}

impl Person<'_> {
    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.running.post(&format!("/api/v1/{path}"), body.to_string());
        said(request.bearer_auth(&self.token)).await
    }

    async fn get(&self, path: &str) -> Value {
        let request = Client::new().get(self.running.url(&format!("/api/v1/{path}")));
        said(request.bearer_auth(&self.token)).await.1
    }
}

/// Which items are among `items`, by their outcome.
fn outcomes(review: &Value) -> Vec<(&str, &str)> {
    let items = review["assessment"]["items"].as_array().unwrap().iter();
    items
        .map(|item| (item["id"].as_str().unwrap(), item["outcome"]["outcome"].as_str().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_says_what_is_wrong_with_services() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}{CATALOGUE}{}", bank());
    let running = Running::start(directory.path(), &documents, &clock).await;
    let (status, card) = running.get("/api/v1/services/shop").await;
    assert_eq!(status, 200, "{card}");
    assert_eq!(card["journeys"], json!(["buy a ticket"]));
    assert_eq!(card["revenue_per_hour"], json!({"amount": "1250.5", "currency": "EUR"}));
    assert_eq!(
        (&card["support_model"], &card["funded_until"]),
        (&json!("developers"), &json!("2026-04-01"))
    );
    assert_eq!(card["custody"]["holder"], "developers");
    assert_eq!(card["custody"]["called"], json!(["developers"]));
    let kinds = |of: &Value| -> Vec<String> {
        let faults = of["faults"].as_array().unwrap().iter();
        faults.map(|fault| fault["fault"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&card), ["not_funded", "above_dependency"]);
    let sentence = card["faults"][1]["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("promises 90%, and cannot do without `bank`, which promises 80%"),
        "{sentence}"
    );

    let (_, list) = running.get("/api/v1/services").await;
    let shop = &list["services"][1];
    assert_eq!(
        (&shop["name"], &shop["holder"], &shop["faults"]),
        (&json!("shop"), &json!("developers"), &json!(2))
    );
    let (_, first) = running.get("/api/v1/catalogue?limit=1").await;
    assert_eq!((&first["services"][0]["name"], &first["next"]), (&json!("bank"), &json!("bank")));
    assert_eq!(kinds(&first["services"][0]), ["undescribed"]);
    let (_, rest) = running.get("/api/v1/catalogue?after=bank").await;
    assert_eq!((&rest["services"][0]["name"], &rest["next"]), (&json!("shop"), &Value::Null));
    assert_eq!(running.get("/api/v1/catalogue?limit=0").await.0, 400);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_promise_is_not_told_to_whom_they_are_hidden_from() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let _admin = admin(directory.path(), "admin");
    let (name, scopes) = ("own".to_owned(), vec![Scope::Read, Scope::Deploy]);
    let request = TokenRequest {
        name,
        scopes,
        services: vec!["shop".to_owned()],
        functions: Vec::new(),
        expires: None,
    };
    let tokens = Tokens::open(directory.path()).unwrap();
    let own = tokens.create(&request, "test", clock.now()).unwrap().token;
    drop(tokens);
    let documents = format!("{SHOP}{CATALOGUE}{}", bank());
    let running = Running::start(directory.path(), &documents, &clock).await;
    let owner = Person { running: &running, token: own };
    let seen = owner.get("catalogue").await;
    assert_eq!(seen["services"].as_array().unwrap().len(), 1, "{seen}");
    assert!(!seen.to_string().contains("80%"), "{seen}");
    assert_eq!(owner.get("reviews/bank").await["reviews"], json!([]));
    assert_eq!(owner.get("custody/bank").await["status"], 404);
    assert_eq!(owner.post("reviews/bank", json!({"checklist": "small"})).await.0, 403);
    assert_eq!(owner.post("custody/bank/step", json!({"to": "shared", "why": "x"})).await.0, 403);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one review, from its opening to the gate")]
async fn a_team_answers_and_others_sign_and_the_gate_goes_by_it() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let tokens = ["ada", "bo", "cy", "dee"].map(|name| admin(directory.path(), name));
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}{CATALOGUE}{LIST}");
    let running = Running::start(directory.path(), &documents, &clock).await;
    let [ada, bo, cy, dee] = tokens.clone().map(|token| Person { running: &running, token });
    let asks = json!({"change": "release-1"});
    let before = dee.post("gate/shop", asks.clone()).await.1;
    assert_eq!(before["allow"], true, "{before}");

    let lists = ada.get("checklists").await;
    let names: Vec<&str> = lists["checklists"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"launch-readiness") && names.contains(&"small"), "{names:?}");
    let (status, nowhere) =
        said(Client::new().get(running.url("/api/v1/reviews/shpo")).bearer_auth(&ada.token)).await;
    assert_eq!((status, &nowhere["hint"]), (404, &json!("did you mean `shop`?")), "{nowhere}");
    let (status, problem) = ada.post("reviews/shop", json!({"checklist": "smal"})).await;
    assert_eq!((status, &problem["hint"]), (422, &json!("did you mean `small`?")), "{problem}");
    assert_eq!(ada.post("reviews/shpo", json!({"checklist": "small"})).await.0, 404);
    let (status, eligible) =
        ada.post("reviews/shop", json!({"checklist": "hand-off-readiness"})).await;
    assert_eq!(status, 422, "{eligible}");
    assert!(eligible.to_string().contains("budget.kept_months is not known"), "{eligible}");

    let (status, open) = ada.post("reviews/shop", json!({"checklist": "small"})).await;
    assert_eq!((status, &open["state"]), (201, &json!("open")), "{open}");
    assert_eq!(
        outcomes(&open),
        [
            ("tried", "unanswered"),
            ("promises", "passed"),
            ("measured", "failed"),
            ("often", "unknown"),
            ("cards", "unanswered"),
        ]
    );
    assert_eq!(
        ada.post("reviews/shop", json!({"checklist": "small"})).await.0,
        409,
        "it is underway"
    );
    let of = "reviews/shop/small";
    for (path, body) in [
        ("submission", json!({})),
        ("answers", json!({"item": "tried", "yes": true})),
        ("answers", json!({"item": "promises", "yes": true, "evidence": "I say so"})),
        ("answers", json!({"item": "no", "yes": false})),
        ("adviser", json!({"who": " "})),
        ("adviser", json!({"who": "d".repeat(257)})),
        ("adviser", json!({"who": "Ada"})),
        (
            "waivers",
            json!({"item": "measured", "role": "cto", "why": "new", "expires": "2026-03-20T00:00:00Z"}),
        ),
        (
            "waivers",
            json!({"item": "measured", "role": "sre", "why": "new", "expires": "2026-06-20T00:00:00Z"}),
        ),
        ("signatures", json!({"role": "sre"})),
        ("reopening", json!({})),
        ("withdrawal", json!({"why": ""})),
    ] {
        let (status, problem) = bo.post(&format!("{of}/{path}"), body).await;
        assert_eq!((status, problem["hint"].is_string()), (422, true), "{path}: {problem}");
    }
    assert_eq!(bo.post("reviews/shop/large/submission", json!({})).await.0, 404);
    let act = async |who: &Person<'_>, path: &str, body: Value| {
        let (status, review) = who.post(&format!("{of}/{path}"), body).await;
        assert_eq!(status, 201, "{path}: {review}");
        review
    };
    // Who merely answers may sign.
    act(&bo, "answers", json!({"item": "tried", "yes": true, "evidence": "release-7"})).await;
    act(&ada, "answers", json!({"item": "cards", "yes": true})).await;
    act(&ada, "adviser", json!({"who": "Eve of SRE"})).await;
    let blocked = ada.post(&format!("{of}/submission"), json!({})).await;
    assert!(blocked.0 == 422 && blocked.1.to_string().contains("measured"), "{}", blocked.1);
    let waiver = json!({"item": "measured", "role": "sre", "why": "it is new", "expires": "2026-03-20T00:00:00Z"});
    assert_eq!(ada.post(&format!("{of}/waivers"), waiver.clone()).await.0, 422, "ada opened it");
    act(&bo, "waivers", waiver).await;
    let submitted = act(&cy, "submission", json!({})).await;
    assert_eq!(submitted["missing"], json!(["product_manager", "sre"]));
    for (who, role) in [(&ada, "sre"), (&cy, "sre"), (&bo, "cto")] {
        let (status, problem) = who.post(&format!("{of}/signatures"), json!({"role": role})).await;
        assert_eq!(status, 422, "{problem}");
    }
    act(&dee, "reopening", json!({})).await;
    act(&cy, "submission", json!({})).await;
    act(&bo, "signatures", json!({"role": "sre"})).await;
    let twice = bo.post(&format!("{of}/signatures"), json!({"role": "product_manager"})).await;
    assert_eq!(twice.0, 422, "{}", twice.1);
    let own = json!({"item": "measured", "role": "sre", "why": "longer", "expires": "2026-03-25T00:00:00Z"});
    assert_eq!(cy.post(&format!("{of}/waivers"), own.clone()).await.0, 422, "cy submitted it");
    let still = dee.post("gate/shop", asks.clone()).await.1;
    assert_eq!(still["allow"], true, "it is not approved yet: {still}");
    let approved = act(&dee, "signatures", json!({"role": "product_manager"})).await;
    assert_eq!(
        approved["standing"],
        json!({"standing": "approved", "until": "2026-03-20T00:00:00Z"})
    );
    // Who it was is told by name.
    let people: Vec<&str> = approved["people"]
        .as_object()
        .unwrap()
        .values()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(people.len(), 4, "{approved}");
    for name in ["ada", "bo", "cy", "dee"] {
        assert!(people.contains(&name), "{people:?}");
    }
    assert_eq!(cy.post(&format!("{of}/waivers"), own).await.0, 422, "and is who submitted it");

    // What applies asks for a signature, whatever the policy says.
    let denied = cy.post("gate/shop", asks.clone()).await.1;
    assert_eq!(denied["exit_code"], 1, "{denied}");
    assert!(denied.to_string().contains("--role security"), "{denied}");
    let approval = json!({
        "change": "release-1", "class": "feature", "role": "security", "why": "read it",
        "expires": "2026-03-02T16:00:00Z",
    });
    assert_eq!(dee.post("gate/shop/approvals", approval).await.0, 201);
    assert_eq!(cy.post("gate/shop", asks.clone()).await.1["allow"], true);
    assert_eq!(cy.post("gate/shop", json!({"change": "release-2"})).await.1["allow"], false);
    let fix = cy.post("gate/shop", json!({"change": "release-2", "class": "fix"})).await.1;
    assert_eq!(fix["allow"], true, "{fix}");

    let card = ada.get("services/shop").await;
    assert_eq!(card["reviews"][0]["standing"]["standing"], "approved", "{card}");
    clock.advance(Duration::from_days(20));
    let over = ada.get(of).await;
    assert_eq!(over["standing"], json!({"standing": "waivers_over", "items": ["measured"]}));
    assert_eq!(
        cy.post("gate/shop", json!({"change": "release-2"})).await.1["allow"],
        false,
        "it is what it was"
    );
    let log = ada.get("audit?limit=1000").await.to_string();
    for action in ["open", "answer", "advise", "waive", "submit", "reopen", "sign"]
        .map(|it| format!("review.{it}"))
    {
        assert!(log.contains(&format!("\"{action}\"")), "{action}");
    }
    assert_eq!(ada.get("audit/verify").await["whole"], true);

    // The next one, opened and given up.
    assert_eq!(bo.post("reviews/shop", json!({"checklist": "small"})).await.0, 201);
    act(&ada, "withdrawal", json!({"why": "not this year"})).await;
    let page = ada.get("reviews/shop?limit=1").await;
    assert_eq!(page["reviews"][0]["state"], "withdrawn", "{page}");
    let next = page["next"].as_u64().unwrap();
    let rest = ada.get(&format!("reviews?before={next}")).await;
    assert_eq!((&rest["reviews"][0]["state"], &rest["next"]), (&json!("approved"), &Value::Null));
    let kept = ada.get("reviews/shop").await;
    running.server.stop().await;
    let running = Running::start(directory.path(), &documents, &clock).await;
    let ada = Person { running: &running, token: tokens[0].clone() };
    assert_eq!(ada.get("reviews/shop").await, kept, "it outlives a restart");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_goes_through_one_version_of_its_checklist() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}{LIST}");
    let running = Running::start(directory.path(), &documents, &clock).await;
    let post = async |path: &str, body: Value| said(running.post(path, body.to_string())).await;
    let of = "/api/v1/reviews/shop";
    assert_eq!(post(of, json!({"checklist": "small"})).await.0, 201);
    let answer = json!({"item": "tried", "yes": true, "evidence": "release-7"});
    assert_eq!(post(&format!("{of}/small/answers"), answer.clone()).await.0, 201);
    let learnt = "  - {id: rows, heading: defects, ask: Are rows locked?, since: 2, learnt: {incident: inc-7}}\n";
    let newer = documents
        .replace("version: 1\n  stage", "version: 2\n  stage")
        .replace("  items:\n", &format!("  items:\n{learnt}"));
    running.server.give(crate::harness::sources(&newer)).await.unwrap();
    let (_, old) = running.get(&format!("{of}/small")).await;
    assert_eq!(old["assessment"], Value::Null);
    assert!(old["problem"].as_str().unwrap().contains("version 1"), "{old}");
    assert_eq!(post(&format!("{of}/small/answers"), answer).await.0, 422);
    let (status, moved) = post(&format!("{of}/small/version"), json!({})).await;
    assert_eq!((status, &moved["version"]), (201, &json!(2)), "{moved}");
    assert_eq!(moved["learnt"], json!(["rows"]));
    assert!(outcomes(&moved).contains(&("tried", "passed")), "answers stay: {moved}");
    running.server.stop().await;
}

/// Clocks move on while somebody acts: what an act answers is as of the act.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_waived_is_waived_in_the_answer() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let [ada, bo] = ["ada", "bo"].map(|name| admin(directory.path(), name));
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}{CATALOGUE}{LIST}");
    let ticking = clock.clone();
    let moving = flyball_server::Clock::new(move || {
        ticking.advance(Duration::from_nanos(1_000).unwrap());
        ticking.now()
    });
    let config = crate::harness::config(directory.path(), &documents, &clock);
    let running = Running::of(flyball_server::Config { clock: moving, ..config }).await;
    let [ada, bo] = [ada, bo].map(|token| Person { running: &running, token });
    assert_eq!(ada.post("reviews/shop", json!({"checklist": "small"})).await.0, 201);
    let waiver = json!({"item": "measured", "role": "sre", "why": "it is new", "expires": "2026-03-20T00:00:00Z"});
    let (status, waived) = bo.post("reviews/shop/small/waivers", waiver).await;
    assert_eq!((status, &waived["blocking"]), (201, &json!(["tried", "cards"])), "{waived}");
    running.server.stop().await;
}

/// An approval opens what a policy asks it for, as long as it counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_may_ask_for_a_launch_review() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let [ada, bo] = ["ada", "bo"].map(|name| admin(directory.path(), name));
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}{ASKING_POLICY}");
    let running = Running::start(directory.path(), &documents, &clock).await;
    let [ada, bo] = [ada, bo].map(|token| Person { running: &running, token });
    assert_eq!(bo.post("policies/launched/signatures", json!({"role": "sre"})).await.0, 201);
    let level = async || ada.post("gate/shop", json!({})).await.1["decision"]["level"].clone();
    assert_eq!(level().await, "not-yet");
    let of = "reviews/shop/brief";
    for (who, path, body) in [
        (&ada, "reviews/shop", json!({"checklist": "brief"})),
        (&ada, &*format!("{of}/answers"), json!({"item": "a", "yes": true, "evidence": "e"})),
        (&ada, &format!("{of}/submission"), json!({})),
        (&bo, &format!("{of}/signatures"), json!({"role": "sre"})),
    ] {
        let (status, said) = who.post(path, body).await;
        assert_eq!(status, 201, "{path}: {said}");
    }
    assert_eq!(level().await, "launched");
    running.server.stop().await;
}

/// A policy that asks for a launch review, and a checklist for it.
const ASKING_POLICY: &str = "
---
apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: launched}
spec:
  version: 1
  approvers: [sre]
  revisit: 2100-01-01
  levels:
  - {name: not-yet, when: '!review.launch', deploys: {deny: [feature]}, say: It was not reviewed.}
  - name: launched
---
apiVersion: flyball.dev/v1
kind: Tier
metadata: {name: new}
spec: {target: 99%, window: 28d, alerting: default, policy: launched}
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {team: checkout, tier: new}
---
apiVersion: flyball.dev/v1
kind: Checklist
metadata: {name: brief}
spec:
  version: 1
  stage: launch
  signers: [sre]
  items: [{id: a, heading: defects, ask: Is it sound?}]
";

/// A checklist with an item for each of `names`.
fn asking(names: &[&str]) -> String {
    let item = |(number, name): (usize, &&str)| {
        format!(
            "  - {{id: i{number}, heading: promises, ask: Is it {name}?, holds: '{name} == {name}'}}\n"
        )
    };
    let items = names.iter().enumerate().map(item).collect::<Vec<_>>().concat();
    format!(
        "---\napiVersion: flyball.dev/v1\nkind: Checklist\nmetadata: {{name: all}}\nspec:\n  version: 1\n  \
         stage: slo_review\n  signers: [sre]\n  items:\n{items}"
    )
}

/// What was seen of each variable.
fn seen(review: &Value) -> Vec<(String, Option<String>)> {
    let items = review["assessment"]["items"].as_array().unwrap().iter();
    let seen = items.map(|item| &item["seen"][0]);
    seen.map(|seen| {
        (seen["name"].as_str().unwrap().to_owned(), seen["value"].as_str().map(str::to_owned))
    })
    .collect()
}

/// Sends 60 requests a day: a quarter of the calendar in which a third of those of March failed, and a month after it of
/// which only the first three days are known.
async fn half_a_year(running: &Running, clock: &TestClock) {
    for (month, days, bad_every) in
        [("01", 31, 20), ("02", 28, 20), ("03", 31, 3), ("04", 3, 20), ("05", 31, 20)]
    {
        for day in 1..=days {
            let at = format!("2026-{month}-{day:02}T10:00:00Z");
            let at = flyball_model::Timestamp::parse(&at).unwrap();
            clock.advance(at.since(clock.now()));
            let sent =
                running.post("/api/v1/events", events(clock.now(), 60, bad_every)).send().await;
            assert_eq!(sent.unwrap().status(), 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_knows_answers_and_the_rest_is_unknown() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at("2026-01-01T00:00:00Z");
    let names: Vec<&str> = flyball_govern::evidence::VARIABLES.iter().map(|of| of.name).collect();
    let target = "---\napiVersion: flyball.dev/v1\nkind: AlertTarget\nmetadata: {name: pager}\nspec: \
                  {severity: page, alertmanager: {url: 'http://127.0.0.1:9'}}\n";
    let shop = SHOP.replace("{duration: 1h, isRolling: true}", "{duration: 28d, isRolling: true}");
    let documents = format!("{shop}{CATALOGUE}{}{target}{}", bank(), asking(&names));
    let running = Running::start(directory.path(), &documents, &clock).await;
    let post = async |path: &str, body: Value| {
        said(running.post(&format!("/api/v1/{path}"), body.to_string())).await
    };
    let (status, young) = post("reviews/shop", json!({"checklist": "all"})).await;
    assert_eq!(status, 201, "{young}");
    let unknown = |review: &Value| -> Vec<String> {
        seen(review)
            .into_iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(
        unknown(&young),
        [
            "service.toil",
            "service.satisfaction",
            "slo.missed",
            "budget.remaining_share",
            "budget.kept_months",
            "budget.quarters_missed",
            "pages.per_week",
            "changes.failure_rate",
            "changes.lead_time",
            "changes.restore",
        ]
    );

    half_a_year(&running, &clock).await;
    let june = flyball_model::Timestamp::parse("2026-06-02T12:00:00Z").unwrap();
    clock.advance(june.since(clock.now()));
    assert_eq!(
        post("services/shop/remarks", json!({"toil": "low", "satisfaction": "high"})).await.0,
        201
    );
    let deploy = json!({
        "service": "shop", "id": "release-1", "version": "1.0", "finished": "2026-05-20T10:00:00Z",
        "commits": [{"id": "4f2a", "at": "2026-05-20T08:00:00Z"}],
    });
    let (status, told) = post("changes", deploy).await;
    assert!(status == 201 || status == 422, "{told}");
    let (_, review) = running.get("/api/v1/reviews/shop/all").await;
    let known: std::collections::BTreeMap<String, Option<String>> =
        seen(&review).into_iter().collect();
    for (name, value) in [
        ("service.tier", "critical"),
        ("service.owned", "true"),
        ("service.funded", "false"),
        ("service.runbook", "false"),
        ("service.revenue_per_hour", "1250.5"),
        ("service.catalogue_faults", "2"),
        ("service.toil", "low"),
        ("service.satisfaction", "high"),
        ("custody.holder", "developers"),
        ("custody.months", "5"),
        ("custody.self_managed_months", "5"),
        ("slo.count", "1"),
        ("slo.missed", "0"),
        ("budget.kept_months", "1"),
        ("budget.quarters_missed", "1"),
        ("alerts.runbook_share", "0"),
        ("alerts.told", "1"),
        ("pages.per_week", "0"),
        ("incidents.open", "0"),
        ("incidents.unwritten", "0"),
        ("dependencies.hard", "1"),
        ("dependencies.without_slo", "0"),
        ("dependencies.exceeded", "true"),
    ] {
        assert_eq!(known[name].as_deref(), Some(value), "{name}: {review:#}");
    }
    // Three weeks later nothing has come, and nobody knows whether that is because all is well.
    let mut ticks = running.server.ticks();
    clock.advance(Duration::from_days(21));
    let look = async {
        let (_, mut silent) = running.get("/api/v1/reviews/shop/all").await;
        while !unknown(&silent).contains(&"pages.per_week".to_owned()) {
            let _ = ticks.changed().await;
            silent = running.get("/api/v1/reviews/shop/all").await.1;
        }
    };
    let waited = tokio::time::timeout(crate::harness::PATIENCE, look).await;
    assert!(waited.is_ok(), "silence of weeks is taken for quiet");
    for name in
        ["budget.remaining_share", "budget.coverage", "traffic.per_day", "alerts.paging_rules"]
    {
        assert!(known[name].is_some(), "{name}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checklist_that_changes_under_its_version_is_told_when_it_is_applied() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let apply = async |text: &str| {
        let body = json!({"files": [{"name": "small.yaml", "text": text}]});
        let request = running.post("/api/v1/apply", body.to_string());
        let request = request.header("content-type", "application/json");
        let (status, plan) = said(request).await;
        assert_eq!(status, 200, "{plan}");
        plan["warnings"].as_array().unwrap().len()
    };
    assert_eq!(apply(LIST).await, 0);
    let changed = LIST.replace("Was a roll-back made?", "Was one made this month?");
    assert_eq!(apply(&changed).await, 1);
    assert_eq!(apply(&LIST.replace("version: 1", "version: 2")).await, 0);
    // What nobody has heard of taught nobody anything, unless it is said where it is written up.
    let learnt = |version: u32, more: &str| {
        let item = format!("{{id: tried, since: 3, learnt: {{incident: inc-nope{more}}}");
        let newer = LIST.replace("version: 1", &format!("version: {version}"));
        newer.replace("{id: tried", &item)
    };
    assert_eq!(apply(&learnt(3, "")).await, 1);
    assert_eq!(apply(&learnt(4, ", link: https://wiki.example/inc-nope")).await, 0);
    running.server.stop().await;
}
