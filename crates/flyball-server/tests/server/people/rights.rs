//! What people may do where.

use serde_json::{Value, json};

use super::{Browser, EXTERNAL, Site};
use crate::harness::{SHOP, events};

/// The bank's SLO, promised otherwise.
fn strict(name: &str, service: &str) -> String {
    let other = SHOP.replace("name: checkout", &format!("name: {name}"));
    other.replace("service: shop", &format!("service: {service}")).replace("0.9", "0.99")
}

fn apply(files: &[(&str, &str)]) -> Value {
    let files: Vec<Value> =
        files.iter().map(|(name, text)| json!({"name": name, "text": text})).collect();
    json!({"files": files})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_for_a_service_shows_that_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let ann = site.log_in("ann").await;
    let (status, said) = site.get(&ann, "/api/v1/slos").await;
    assert_eq!(status, 403, "{said}");
    assert!(said["detail"].as_str().unwrap().contains("role `viewer`"), "{said}");
    assert_eq!(site.get(&ann, "/api/v1/me").await.1["roles"], json!([]));

    site.grant(&boss, "email:ANN@example.com", "shop", "viewer").await;
    let names = async |browser: &Browser| -> Vec<String> {
        let (status, said) = site.get(browser, "/api/v1/slos").await;
        assert_eq!(status, 200, "{said}");
        let slos = said["slos"].as_array().unwrap().iter();
        slos.map(|slo| slo["slo"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&ann).await, ["checkout"]);
    assert_eq!(names(&boss).await, ["checkout", "pay"]);
    assert_eq!(site.get(&ann, "/api/v1/slos/checkout").await.0, 200);
    let (status, said) = site.get(&ann, "/api/v1/slos/pay").await;
    assert_eq!(status, 404, "what she may not know of is not there");
    let nothing = site.get(&ann, "/api/v1/slos/nothing").await.1.to_string();
    assert_eq!(said.to_string().replace("pay", "nothing"), nothing);
    // The one file is of both services.
    assert_eq!(site.get(&ann, "/api/v1/definitions").await.1["files"], json!([]));
    assert_eq!(site.get(&ann, "/api/v1/definitions/test.yaml").await.0, 404);
    assert_eq!(site.get(&boss, "/api/v1/definitions/test.yaml").await.0, 200);
    let sql = json!({"sql": "SELECT count(*) FROM events"});
    assert_eq!(site.ask(&ann, "POST", "/api/v1/query", sql).await.0, 403);
    assert_eq!(site.get(&ann, "/api/v1/tokens").await.1["tokens"], json!([]));
    for path in ["/api/v1/audit", "/api/v1/grants", "/api/v1/sessions"] {
        assert_eq!(site.get(&ann, path).await.0, 403, "{path}");
    }
    let (status, _) = site.ask(&ann, "POST", "/api/v1/apply", apply(&[])).await;
    assert_eq!(status, 403, "that needs an owner");
    let (status, _) = site.ask(&ann, "POST", "/api/v1/events", Value::Null).await;
    assert_eq!(status, 403, "people send nothing");

    let gone = "/api/v1/grants?who=email%3Aann%40example.com&service=shop";
    assert_eq!(site.ask(&boss, "DELETE", gone, Value::Null).await.0, 204);
    assert_eq!(site.get(&ann, "/api/v1/slos").await.0, 403, "at once");
    assert_eq!(site.ask(&boss, "DELETE", gone, Value::Null).await.0, 404);
    let (_, log) = site.get(&boss, "/api/v1/audit?after=2").await;
    let said = |at: usize| {
        let record = &log["records"][at];
        let said = ["actor", "action", "target"].map(|key| record[key].as_str().unwrap());
        said.join(" ")
    };
    assert_eq!(said(0), "person:boss grant.set email:ann@example.com");
    assert_eq!(said(1), "person:boss grant.remove email:ann@example.com");
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_addresses_and_people_are_not_mixed_up() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    site.grant(&boss, "group:sre", "*", "sre").await;
    site.grant(&boss, "person:ann", "shop", "owner").await;
    let roles = async |browser: &Browser| site.get(browser, "/api/v1/me").await.1["roles"].clone();
    let member = site.log_in_as("bob", &json!({"groups": ["sre", "x"]})).await;
    assert_eq!(roles(&member).await, json!([{"service": "*", "role": "sre"}]));
    let both = site.log_in_as("ann", &json!({"groups": "sre"})).await;
    let (all, shop) =
        (json!({"service": "*", "role": "sre"}), json!({"service": "shop", "role": "owner"}));
    assert_eq!(roles(&both).await, json!([all, shop]));
    let unverified = json!({"email": "boss@example.com", "email_verified": false});
    let pretends = [
        site.log_in_as("sre", &json!({})).await,
        site.log_in_as("eve", &unverified).await,
        site.log_in_as("eve", &json!({"groups": ["ann", "person:ann", "boss@example.com"]})).await,
        site.log_in_as("group:sre", &json!({"email": "sre@example.com"})).await,
    ];
    for browser in &pretends {
        assert_eq!(roles(browser).await, json!([]));
    }
    for wrong in [
        json!({"who": "ann", "service": "shop", "role": "viewer"}),
        json!({"who": "person:ann", "service": "shop", "role": "admin"}),
        json!({"who": "person:ann", "service": "", "role": "viewer"}),
    ] {
        assert_eq!(site.ask(&boss, "POST", "/api/v1/grants", wrong).await.0, 422);
    }
    let unknown = json!({"who": "person:ann", "service": "shop", "role": "king"});
    assert_eq!(site.ask(&boss, "POST", "/api/v1/grants", unknown).await.0, 400);
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_change_their_own_services_and_nothing_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let (ann, bob) = (site.log_in("ann").await, site.log_in("bob").await);
    site.grant(&boss, "person:ann", "shop", "owner").await;
    site.grant(&boss, "person:ann", "bank", "viewer").await;
    site.grant(&boss, "person:bob", "shop", "sre").await;
    let change = async |browser: &Browser, request: Value| {
        site.ask(browser, "POST", "/api/v1/apply", request).await
    };
    let (mine, theirs) = (strict("mine", "shop"), strict("theirs", "bank"));
    assert_eq!(change(&boss, apply(&[("theirs.yaml", &theirs)])).await.0, 200);
    let (status, plan) = change(&ann, apply(&[("mine.yaml", &mine)])).await;
    assert_eq!((status, &plan["files"][0]["name"]), (200, &json!("mine.yaml")), "{plan}");
    assert_eq!(site.get(&ann, "/api/v1/definitions/mine.yaml").await.0, 200);
    assert_eq!(site.get(&bob, "/api/v1/definitions/theirs.yaml").await.0, 404);

    let correction = |slos: &str| {
        format!(
            "apiVersion: flyball.dev/v1\nkind: Correction\nmetadata: {{name: night}}\nspec: \
             {{slos: [{slos}], mode: drop, category: maintenance, author: ops@example.com, schedule: \
             {{start: 2026-03-01T00:00:00Z, end: 2026-03-01T01:00:00Z}}}}\n---{mine}"
        )
    };
    let (own, foreign) = (correction("mine"), correction("pay"));
    let moved = mine.replace("service: shop", "service: bank");
    let both = format!("{mine}---{theirs}");
    for (why, request) in [
        ("another service", apply(&[("x.yaml", &strict("x", "bank"))])),
        ("a file of others", apply(&[("theirs.yaml", &strict("theirs", "shop"))])),
        ("a service that is moved", apply(&[("mine.yaml", &moved)])),
        ("one of two", apply(&[("both.yaml", &both.replace("name: mine", "name: x"))])),
        ("nothing of anybody", apply(&[("empty.yaml", "")])),
        ("pruning", json!({"files": [{"name": "mine.yaml", "text": mine}], "prune": true})),
        ("planning it", json!({"files": [], "prune": true, "dry_run": true})),
    ] {
        let (status, said) = change(&ann, request).await;
        assert_eq!(status, 403, "{why}: {said}");
    }
    // A correction of a budget is for an sre, and of another service's for theirs.
    let (status, said) = change(&ann, apply(&[("mine.yaml", &own)])).await;
    assert_eq!(status, 403, "{said}");
    assert!(said["detail"].as_str().unwrap().contains("needs sre"), "{said}");
    let (status, said) = change(&bob, apply(&[("mine.yaml", &foreign)])).await;
    assert_eq!(status, 403, "{said}");
    assert!(!said.to_string().contains("pay"), "{said}");
    let (status, said) = change(&bob, apply(&[("mine.yaml", &own)])).await;
    assert_eq!(status, 200, "{said}");
    assert!(!said.to_string().contains("theirs"), "{said}");

    let delete = async |browser: &Browser, name: &str| {
        let path = format!("/api/v1/definitions/{name}");
        site.ask(browser, "DELETE", &path, Value::Null).await.0
    };
    assert_eq!(delete(&bob, "theirs.yaml").await, 404, "it is not there for him");
    assert_eq!(delete(&ann, "theirs.yaml").await, 403, "she sees it");
    assert_eq!(delete(&bob, "mine.yaml").await, 200);
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_its_services_own() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let ann = site.log_in("ann").await;
    site.grant(&boss, "person:ann", "shop", "owner").await;
    let deploy = json!({"name": "ci", "scopes": ["deploy"], "services": ["shop"]});
    let (_, deploy) = site.ask(&boss, "POST", "/api/v1/tokens", deploy).await;
    let by_token = async |request: &Value| {
        let request = site.request("POST", "/api/v1/apply").json(request);
        let answer = request.bearer_auth(deploy["token"].as_str().unwrap()).send().await.unwrap();
        answer.status().as_u16()
    };
    // An hour apart, so that none is made a second time.
    let probe = |name: &str, service: &str| {
        format!(
            "apiVersion: flyball.dev/v1\nkind: Probe\nmetadata: {{name: {name}}}\nspec: {{service: \
             {service}, every: 1h, tcp: {{address: '127.0.0.1:1'}}}}\n"
        )
    };
    let change = async |browser: &Browser, request: &Value| {
        site.ask(browser, "POST", "/api/v1/apply", request.clone()).await
    };
    let (mine, theirs) = (probe("mine", "shop"), probe("theirs", "bank"));
    assert_eq!(change(&boss, &apply(&[("theirs.yaml", &theirs)])).await.0, 200);
    let beside = format!("{}---\n{theirs}", strict("x", "shop"));
    let hidden = probe("theirs", "bank");
    for (why, file, text) in [
        ("another service", "x.yaml", probe("x", "bank")),
        ("beside what is hers", "x.yaml", beside),
        ("a name that is taken, from before it", "a.yaml", probe("theirs", "shop")),
        ("one that would count later", "z.yaml", hidden),
        ("a file of others", "theirs.yaml", mine.clone()),
    ] {
        let request = apply(&[(file, &text)]);
        let (status, said) = change(&ann, &request).await;
        assert_eq!(status, 403, "{why}: {said}");
        assert!(!said.to_string().contains("theirs"), "{said}");
        assert_eq!(by_token(&request).await, 403, "{why}");
    }
    let delete = async |name: &str| {
        let path = format!("/api/v1/definitions/{name}");
        site.ask(&ann, "DELETE", &path, Value::Null).await.0
    };
    assert_eq!(delete("theirs.yaml").await, 404, "it is not there for her");
    let request = apply(&[("mine.yaml", &mine)]);
    assert_eq!(by_token(&request).await, 200);
    assert_eq!(change(&ann, &request).await.0, 200);
    let (_, seen) = site.get(&ann, "/api/v1/definitions").await;
    let seen = seen["files"].as_array().unwrap().iter().map(|file| &file["name"]);
    assert_eq!(seen.collect::<Vec<_>>(), ["mine.yaml"]);
    let moved = apply(&[("mine.yaml", &probe("mine", "bank"))]);
    assert_eq!(change(&ann, &moved).await.0, 403);
    assert_eq!(delete("mine.yaml").await, 200);
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_sre_acts_who_has_that_role() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let [owner, sre] = [site.log_in("owner").await, site.log_in("sre").await];
    site.grant(&boss, "person:owner", "*", "owner").await;
    site.grant(&boss, "person:sre", "*", "sre").await;
    let until = "2026-03-10T00:00:00Z";
    let acts = |role: &str| {
        [
            (
                "gate/shop/blocks",
                json!({"classes": ["feature"], "role": role, "why": "x", "expires": until}),
            ),
            (
                "gate/shop/overrides",
                json!({"class": "feature", "role": role, "why": "x", "expires": until}),
            ),
            (
                "gate/shop/approvals",
                json!({"change": "r-1", "class": "feature", "role": role, "why": "x", "expires": until}),
            ),
            ("gate/shop/sign-offs", json!({"level": "spent", "role": role})),
            ("policies/four-weeks/signatures", json!({"role": role})),
            ("custody/shop/step/signatures", json!({"role": role})),
            ("custody/shop/notice", json!({"role": role})),
            ("custody/shop/notice/end", json!({"role": role})),
            (
                "custody/shop/notice/decision",
                json!({"role": role, "outcome": "returned", "why": "x"}),
            ),
            (
                "reviews/shop/launch-readiness/waivers",
                json!({"item": "load", "role": role, "why": "x", "expires": until}),
            ),
            ("reviews/shop/launch-readiness/signatures", json!({"role": role})),
        ]
    };
    for (who, role, is_refused) in
        [(&owner, "sre", true), (&owner, "engineering_lead", false), (&sre, "sre", false)]
    {
        for (path, body) in acts(role) {
            let path = format!("/api/v1/{path}");
            let (status, said) = site.ask(who, "POST", &path, body).await;
            assert_eq!(status == 403, is_refused, "{role} {path}: {said}");
            assert!(!is_refused || said.to_string().contains("role sre"), "{path}: {said}");
        }
    }
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one owner, and what she may have called")]
async fn who_is_called_for_a_service_and_what_is_done_then_is_its_owners() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let ann = site.log_in("ann").await;
    site.grant(&boss, "person:ann", "shop", "owner").await;
    let document = |kind: &str, name: &str, spec: &str| {
        format!(
            "apiVersion: flyball.dev/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"
        )
    };
    let rota = |name: &str, who: &str| {
        let spec = format!(
            "{{members: [{{name: {who}, side: developers}}], layers: [{{name: first, members: [{who}], rotation: \
             {{unit: week, start: 2026-01-05T09:00}}}}]}}"
        );
        document("Rota", name, &spec)
    };
    let escalation = |name: &str, services: &str, rotas: &[&str]| {
        let levels = rotas
            .iter()
            .map(|rota| format!("{{name: {rota}, side: developers, rota: {rota}, wait: 5m}}"));
        let levels: Vec<String> = levels.collect();
        let spec = format!("{{services: [{services}], levels: [{}]}}", levels.join(", "));
        document("Escalation", name, &spec)
    };
    let runbook = |name: &str, services: &str| {
        let spec = format!(
            "{{description: Look first., services: [{services}], steps: [Look.], rollback: [{{when: budget.exhausted, then: Go back., who: \
             on_call}}]}}"
        );
        document("Runbook", name, &spec)
    };
    let change = async |browser: &Browser, file: &str, text: &str| {
        let (status, said) =
            site.ask(browser, "POST", "/api/v1/apply", apply(&[(file, text)])).await;
        (status, said.to_string())
    };
    // What others have: a rota of the bank's, one that both services are served by, and one that nothing calls.
    let theirs = [
        rota("vault", "zoe"),
        rota("both", "dee"),
        rota("idle", "eve"),
        escalation("bank-pages", "bank", &["vault"]),
        escalation("any-pages", "", &["both"]),
        runbook("everywhere", ""),
        document("Service", "bank", "{team: bank, onCall: any-pages}"),
        rota("solo", "zoe"),
        document("Service", "mint", "{team: bank, onCall: solo}"),
    ];
    let (status, said) = change(&boss, "b.yaml", &theirs.concat()).await;
    assert_eq!(status, 200, "{said}");

    let own = |who: &str| {
        let (rota, runbook) = (rota("till", who), runbook("till", "shop"));
        format!("{rota}{}{runbook}", escalation("shop-pages", "shop", &["till"]))
    };
    for who in ["ada", "bo"] {
        let (status, said) = change(&ann, "shop.yaml", &own(who)).await;
        assert_eq!(status, 200, "made, and changed: {said}");
    }
    for (why, text) in [
        ("a runbook for all", runbook("all", "")),
        ("a runbook of others too", runbook("two", "shop, bank")),
        ("an escalation for others", escalation("two", "depot", &["till"])),
        ("an escalation for nobody", escalation("none", "", &["till"])),
        ("a rota of others", escalation("shop-pages", "shop", &["till", "vault"])),
        ("a rota that both are served by", escalation("shop-pages", "shop", &["both"])),
        ("their rota, from before it", format!("{}{}", own("ada"), rota("vault", "ada"))),
        ("their rota without an escalation", format!("{}{}", own("ada"), rota("solo", "ada"))),
        (
            "a tier",
            document(
                "Tier",
                "mine",
                "{target: 99%, window: 28d, alerting: default, policy: four-weeks}",
            ),
        ),
    ] {
        // By a name that comes before, and beside what is hers.
        for text in [text.clone(), format!("{text}{}", own("ada"))] {
            let (status, said) = change(&ann, "a.yaml", &text).await;
            assert_eq!(status, 403, "{why}: {said}");
            assert!(!said.contains("zoe") && !said.contains("bank-pages"), "{why}: {said}");
        }
    }
    // What is hers does not become everybody's, nor what nobody calls hers.
    let (status, said) = change(
        &ann,
        "shop.yaml",
        &own("ada").replace("services: [shop], steps", "services: [], steps"),
    )
    .await;
    assert_eq!(status, 403, "{said}");
    assert_eq!(change(&boss, "idle.yaml", &rota("spare", "eve")).await.0, 200);
    let taken = format!("{}{}", rota("spare", "ann"), escalation("shop-spare", "", &["spare"]));
    let named = document("Service", "shop", "{team: shop, onCall: shop-spare}");
    assert_eq!(change(&ann, "idle.yaml", &format!("{taken}{named}")).await.0, 403);
    // What calls the people of others is not hers to name, nor what nobody has named yet; what she makes is.
    assert_eq!(change(&boss, "free.yaml", &escalation("free-pages", "", &["both"])).await.0, 200);
    let named = |on_call: &str| {
        let of = document("Service", "shop", &format!("{{team: shop, onCall: {on_call}}}"));
        format!("{}{of}", own("ada"))
    };
    for others in ["any-pages", "bank-pages", "free-pages", "vault", "idle"] {
        let (status, said) = change(&ann, "shop.yaml", &named(others)).await;
        assert_eq!(status, 403, "{others}: {said}");
        assert!(said.contains("list the service"), "{others}: {said}");
    }
    let (status, said) = change(&ann, "shop.yaml", &named("shop-pages")).await;
    assert_eq!(status, 200, "her own: {said}");
    // The bank's owners agree: they list the shop.
    let agreed = escalation("bank-pages", "bank, depot", &["vault"]);
    let depot =
        |on_call: &str| document("Service", "depot", &format!("{{team: shop, onCall: {on_call}}}"));
    site.grant(&boss, "person:ann", "depot", "owner").await;
    assert_eq!(change(&ann, "depot.yaml", &depot("bank-pages")).await.0, 403);
    let listed = theirs.concat().replace(&escalation("bank-pages", "bank", &["vault"]), &agreed);
    assert_eq!(change(&boss, "b.yaml", &listed).await.0, 200);
    let (status, said) = change(&ann, "depot.yaml", &depot("bank-pages")).await;
    assert_eq!(status, 200, "{said}");
    // A rota of hers without an escalation is called by all of her services.
    let hers = format!("{}{}", rota("hers", "ada"), depot("hers"));
    let (status, said) = change(&ann, "depot.yaml", &hers).await;
    assert_eq!(status, 200, "{said}");
    let (status, said) = change(&ann, "shop.yaml", &named("hers")).await;
    assert_eq!(status, 200, "{said}");
    let other = format!("{}{}", named("shop-pages"), escalation("any-pages", "", &["till"]));
    assert_eq!(change(&ann, "a.yaml", &other).await.0, 403);
    site.grant(&boss, "person:ann", "bank", "owner").await;
    let (status, said) = change(&ann, "a.yaml", &rota("both", "ann")).await;
    assert_eq!(status, 200, "all whom it serves are hers now: {said}");
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_token_may_no_more_than_the_person() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let ann = site.log_in("ann").await;
    site.grant(&boss, "person:ann", "shop", "developer").await;
    let make = async |body: Value| site.ask(&ann, "POST", "/api/v1/tokens", body).await;
    let good =
        json!({"name": "cli", "scopes": ["read", "deploy"], "expires": "2026-05-01T00:00:00Z"});
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    for wrong in [
        with("scopes", json!(["admin"])),
        with("scopes", json!(["read", "ingest"])),
        with("services", json!(["bank"])),
        with("expires", json!(null)),
        with("expires", json!("2026-06-01T00:00:00Z")),
    ] {
        let (status, said) = make(wrong.clone()).await;
        assert_eq!(status, 422, "{wrong}: {said}");
    }
    // The first token of a server of people need not be an admin's.
    let (status, made) = make(good).await;
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().unwrap();
    let by_token = async |method: &str, path: &str| {
        site.request(method, path).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(by_token("GET", "/api/v1/slos/checkout").await, 200);
    assert_eq!(by_token("GET", "/api/v1/slos/pay").await, 404);
    assert_eq!(by_token("POST", "/api/v1/apply").await, 403, "a developer changes no definitions");
    let gone = "/api/v1/grants?who=person%3Aann&service=shop";
    assert_eq!(site.ask(&boss, "DELETE", gone, Value::Null).await.0, 204);
    assert_eq!(by_token("GET", "/api/v1/slos/checkout").await, 403, "at once");
    site.grant(&boss, "person:ann", "shop", "viewer").await;
    assert_eq!(by_token("GET", "/api/v1/slos/checkout").await, 200);

    // She sees and revokes her own, and no others.
    let (_, other) =
        site.ask(&boss, "POST", "/api/v1/tokens", json!({"name": "x", "scopes": ["read"]})).await;
    let (_, mine) = site.get(&ann, "/api/v1/tokens").await;
    let mine: Vec<&Value> = mine["tokens"].as_array().unwrap().iter().collect();
    assert_eq!((mine.len(), &mine[0]["person"]), (1, &json!("ann")), "{mine:?}");
    let (_, all) = site.get(&boss, "/api/v1/tokens").await;
    assert_eq!(all["tokens"].as_array().unwrap().len(), 2, "{all}");
    let revoke = async |id: &Value| {
        let path = format!("/api/v1/tokens/{}", id.as_str().unwrap());
        site.ask(&ann, "DELETE", &path, Value::Null).await.0
    };
    assert_eq!(revoke(&other["id"]).await, 404);
    let second = json!({"name": "y", "scopes": ["read"], "expires": "2026-03-03T00:00:00Z"});
    let (_, second) = make(second).await;
    assert_eq!((revoke(&second["id"]).await, revoke(&second["id"]).await), (204, 404));

    // Who has gone leaves nothing behind.
    let gone = "/api/v1/sessions?subject=ann";
    let (status, said) = site.ask(&boss, "DELETE", gone, Value::Null).await;
    assert_eq!((status, &said["ended"]), (200, &json!(2)), "{said}");
    assert_eq!(by_token("GET", "/api/v1/slos").await, 401);
    assert_eq!(site.get(&ann, "/api/v1/me").await.0, 401);
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_for_machines_go_with_the_admin_who_made_them() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let ann = site.log_in("ann").await;
    site.grant(&boss, "person:ann", "*", "admin").await;
    let body = |scope: &str| json!({"name": scope, "scopes": [scope]});
    let (status, first) = site.ask(&ann, "POST", "/api/v1/tokens", body("admin")).await;
    assert_eq!(status, 201, "{first}");
    let (_, kept) = site.ask(&boss, "POST", "/api/v1/tokens", body("read")).await;
    let of = |made: &Value| made["token"].as_str().unwrap().to_owned();
    let by_token = async |method: &str, path: &str, token: &str, body: Value| {
        let request = site.request(method, path).bearer_auth(token).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    // What is made with her token is hers as well.
    let (status, second) = by_token("POST", "/api/v1/tokens", &of(&first), body("read")).await;
    assert_eq!(status, 201, "{second}");
    let (_, all) = site.get(&boss, "/api/v1/tokens").await;
    let makers = all["tokens"].as_array().unwrap().iter().map(|token| {
        assert_eq!(token["person"], Value::Null, "{all}");
        (token["id"].clone(), token["made_by"].clone())
    });
    let mut makers: Vec<(Value, Value)> = makers.collect();
    let mut expected = [(&first, "ann"), (&kept, "boss"), (&second, "ann")]
        .map(|(made, maker)| (made["id"].clone(), json!(maker)));
    makers.sort_by_key(|(id, _)| id.to_string());
    expected.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(makers, expected);

    // They are of machines: those go on when she is an admin no more.
    let gone = "/api/v1/grants?who=person%3Aann&service=*";
    assert_eq!(site.ask(&boss, "DELETE", gone, Value::Null).await.0, 204);
    assert_eq!(by_token("GET", "/api/v1/slos", &of(&second), Value::Null).await.0, 200);
    assert_eq!(site.get(&ann, "/api/v1/tokens").await.1["tokens"], json!([]), "none is her own");

    let gone = "/api/v1/sessions?subject=ann";
    let (status, said) = site.ask(&boss, "DELETE", gone, Value::Null).await;
    assert_eq!((status, &said["ended"]), (200, &json!(3)), "{said}");
    for (made, status) in [(&first, 401), (&second, 401), (&kept, 200)] {
        assert_eq!(by_token("GET", "/api/v1/slos", &of(made), Value::Null).await.0, status);
    }
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_somebody_else_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let grant = json!({"who": "person:eve", "service": "*", "role": "admin"});
    let send = async |headers: &[(&str, &str)]| {
        let mut request = site.request("POST", "/api/v1/grants").json(&grant);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = site.send(&mut boss.clone(), request).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for forged in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", "https://sub.flyball.example")],
    ] {
        let (status, said) = send(forged).await;
        assert_eq!(status, 403, "{forged:?}");
        assert!(said.contains("X-Flyball-Request"), "{said}");
    }
    assert_eq!(site.get(&boss, "/api/v1/grants").await.1["grants"], json!([]));
    assert_eq!(send(&[("origin", EXTERNAL)]).await.0, 200);
    assert_eq!(send(&[("x-flyball-request", "1")]).await.0, 200);
    // No answer lets another origin read it.
    let asked = site.request("GET", "/api/v1/me").header("origin", "https://evil.example");
    let answer = site.send(&mut boss.clone(), asked).await;
    assert!(!answer.headers().keys().any(|name| name.as_str().starts_with("access-control")));
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_session_that_opened_it() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let ann = site.log_in("ann").await;
    site.grant(&boss, "person:ann", "shop", "viewer").await;
    let sender = json!({"name": "sender", "scopes": ["ingest"]});
    let (status, sender) = site.ask(&boss, "POST", "/api/v1/tokens", sender).await;
    assert_eq!(status, 201, "{sender}");
    let mut stream = site.send(&mut ann.clone(), site.request("GET", "/api/v1/stream")).await;
    let mut said = stream.chunk().await.unwrap().unwrap().to_vec();

    let gone = "/api/v1/sessions?subject=ann";
    assert_eq!(site.ask(&boss, "DELETE", gone, Value::Null).await.0, 200);
    let news = site.running.post("/api/v1/events", events(site.clock.now(), 10, 5));
    let taken = news.bearer_auth(sender["token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(taken.status(), 200);
    let rest = async {
        while let Some(more) = stream.chunk().await.unwrap() {
            said.extend_from_slice(&more);
        }
    };
    let most = std::time::Duration::from_secs(30);
    tokio::time::timeout(most, rest).await.expect("the stream ends");
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said.matches("event: slo").count(), 1, "{said}");
    assert!(said.contains("checkout") && !said.contains("pay"), "{said}");
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn developers_register_changes_of_their_services() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let of = |service: &str| json!({"id": service, "service": service});
    for (role, status) in [("viewer", 403), ("developer", 201), ("owner", 200), ("sre", 200)] {
        let who = site.log_in(role).await;
        site.grant(&boss, &format!("person:{role}"), "shop", role).await;
        let tell = async |service| site.ask(&who, "POST", "/api/v1/changes", of(service)).await.0;
        assert_eq!(tell("shop").await, status, "{role}");
        assert_eq!(tell("bank").await, 403, "{role}");
        let (seen, said) = site.get(&who, "/api/v1/changes/shop").await;
        assert_eq!(seen, if role == "viewer" { 404 } else { 200 }, "{said}");
    }
    assert_eq!(site.ask(&boss, "POST", "/api/v1/changes", of("bank")).await.0, 201);
    let viewer = site.log_in("viewer").await;
    let (_, page) = site.get(&viewer, "/api/v1/changes").await;
    assert_eq!(page["changes"].as_array().unwrap().len(), 1, "{page}");
    let (_, log) = site.get(&boss, "/api/v1/audit?after=0").await;
    let records = log["records"].as_array().unwrap().iter();
    let told = records.filter(|record| record["action"] == "change.record");
    assert_eq!(told.map(|record| &record["actor"]).next(), Some(&json!("person:developer")));
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn developers_have_changes_of_their_services_undone_and_sre_says_how() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    let back = "apiVersion: flyball.dev/v1\nkind: RestoreAction\nmetadata: {name: back}\nspec: {service: shop, \
                hook: {purpose: rollback, url: 'http://127.0.0.1:1/', secret: 'file:hook'}}\n";
    let owner = site.log_in("owner").await;
    site.grant(&boss, "person:owner", "shop", "owner").await;
    let apply = async |who: &Browser| {
        site.ask(who, "POST", "/api/v1/apply", apply(&[("back.yaml", back)])).await
    };
    let (status, said) = apply(&owner).await;
    assert_eq!(status, 403, "it changes production with the server's secrets: {said}");
    let (status, plan) = apply(&boss).await;
    assert_eq!((status, &plan["restore_actions"][0]["via"]), (200, &json!("hook")), "{plan}");
    assert_eq!(site.get(&owner, "/api/v1/definitions/back.yaml").await.0, 404);

    for service in ["shop", "bank"] {
        let change = json!({"id": service, "service": service});
        assert_eq!(site.ask(&boss, "POST", "/api/v1/changes", change).await.0, 201);
    }
    for (role, status) in [("viewer", 403), ("developer", 200), ("owner", 200)] {
        let who = site.log_in(role).await;
        site.grant(&boss, &format!("person:{role}"), "shop", role).await;
        site.grant(&boss, &format!("person:{role}"), "bank", "viewer").await;
        let restore = async |of: &str| {
            let asked = json!({"action": "back"});
            site.ask(&who, "POST", &format!("/api/v1/changes/{of}/restore"), asked).await
        };
        let (found, said) = restore("shop").await;
        assert_eq!(found, status, "{role}: {said}");
        assert_eq!(restore("bank").await.0, 403, "{role} only looks at it");
        assert_eq!(restore("none").await.0, if role == "viewer" { 403 } else { 404 }, "{role}");
    }
    site.running.server.stop().await;
}
