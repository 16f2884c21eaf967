//! What requests name: made anew for each, by others than who asks.

use std::collections::BTreeMap;

use flyball_model::Duration;
use serde_json::{Value, json};

use super::world::{Caller, OWN, World};
use crate::harness::PATIENCE;

/// The names in a text, each once.
fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for part in text.split('$').skip(1) {
        let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(part.len());
        if !found.contains(&&part[..end]) {
            found.push(&part[..end]);
        }
    }
    // One name may begin another.
    found.sort_by_key(|name| std::cmp::Reverse(name.len()));
    found
}

fn text(said: &Value) -> String {
    said.as_str().map_or_else(|| said.to_string(), str::to_owned)
}

impl World {
    /// The texts with their names filled in, the same name by the same in both; `own` is who asks.
    pub(super) async fn filled<const N: usize>(
        &mut self,
        texts: [&str; N],
        own: &Caller,
    ) -> [String; N] {
        let mut known: BTreeMap<&str, String> = BTreeMap::new();
        let mut all: Vec<&str> = texts.iter().flat_map(|text| names(text)).collect();
        all.sort_by_key(|name| std::cmp::Reverse(name.len()));
        for name in &all {
            if !known.contains_key(name) {
                let made = self.make(name, own).await;
                known.insert(name, made);
            }
        }
        texts.map(|text| {
            all.iter()
                .fold(text.to_owned(), |text, name| text.replace(&format!("${name}"), &known[name]))
        })
    }

    fn new_name(&mut self) -> String {
        self.made += 1;
        format!("{OWN}-{}", self.made)
    }

    /// Something called `name`, and what it is known by. `own` makes what only they may end.
    pub(super) async fn make(&mut self, name: &str, own: &Caller) -> String {
        match name {
            "now" => self.site.clock.now().to_string(),
            "nanos" => self.site.clock.now().nanos().to_string(),
            "later" => self.ahead(1),
            "latest" => self.ahead(3),
            "soon" => self.ahead(4),
            "new" => self.new_name(),
            // A message of remote write, of one sample of 1970: all its bytes are ASCII.
            "sample" => "\x13\x48\x0a\x11\x0a\x0d\x0a\x08__name__\x12\x01a\x12\x00".to_owned(),
            "number" => {
                self.made += 1;
                self.made.to_string()
            }
            "alert" | "silence" | "file" | "foreign" => self.watched(name).await,
            "change" | "issue" | "decision" | "block" | "override" | "latched" | "contest"
            | "class" | "own_approval" => self.governed(name, own).await,
            "incident" | "drafted" | "written" | "tested" | "friction" | "occurrence"
            | "choice" | "points" => self.happened(name).await,
            "unreviewed" | "review" | "answered_review" | "submitted_review" | "older_review"
            | "given_up" => self.reviewed(name).await,
            "stepped" | "sre_run" | "noticed" => self.carried(name).await,
            "on_call" | "off_call" | "exception" | "swap" => self.called(name).await,
            "own_token" | "granted" | "visitor" => self.admitted(name, own).await,
            "drill_run" => self.drilled().await,
            "shop_run" => self.run.clone(),
            other => panic!("nothing is called `${other}`; hint: `made.rs` makes them"),
        }
    }

    async fn watched(&mut self, name: &str) -> String {
        match name {
            "alert" => {
                let page = self.look("/api/v1/alerts?service=shop").await;
                let free = page["alerts"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|alert| alert["acknowledged"].is_null() && alert["closed"].is_null());
                text(&free.unwrap_or_else(|| panic!("all alerts are taken on: {page}"))["id"])
            }
            "silence" => {
                let slice = self.new_name();
                let matchers =
                    json!([{"field": "service", "value": OWN}, {"field": "slice", "value": slice}]);
                let body = json!({"matchers": matchers, "length": "2h", "why": "a test"});
                text(&self.ask(&self.ada, "/api/v1/silences", body).await["id"])
            }
            "foreign" => {
                let labels = json!({"alertname": self.new_name(), "service": OWN});
                self.ask(&self.ada, "/api/v2/alerts", json!([{"labels": labels}])).await;
                String::new()
            }
            _ => {
                let name = self.new_name();
                let document = format!(
                    "{{apiVersion: flyball.dev/v1, kind: Probe, metadata: {{name: {name}}}, spec: {{service: \
                     {OWN}, every: 1h, tcp: {{address: '127.0.0.1:1'}}}}}}"
                );
                let file = format!("{name}.yaml");
                let files = json!({"files": [{"name": file, "text": document}]});
                self.ask(&self.ada, "/api/v1/apply", files).await;
                file
            }
        }
    }

    async fn governed(&mut self, name: &str, own: &Caller) -> String {
        let (id, soon) = (self.new_name(), self.ahead(4));
        let why = "a test";
        let (by, path, body) = match name {
            "change" => {
                let body = json!({"id": id, "service": OWN, "finished": self.site.clock.now()});
                self.ask(&self.ada, "/api/v1/changes", body).await;
                return id;
            }
            "issue" => {
                let now = self.site.clock.now();
                let body =
                    json!({"issueKey": id, "title": "x", "status": "TODO", "createdDate": now});
                self.ask(&self.ada, "/api/v1/hooks/devlake/issues?service=shop", body).await;
                return id;
            }
            "latched" => {
                self.ask(
                    &self.ada,
                    "/api/v1/policies/house/signatures",
                    json!({"role": "engineering_lead"}),
                )
                .await;
                self.ask(&self.ada, "/api/v1/gate/shop", json!({"change": id})).await;
                return "waits".to_owned();
            }
            "decision" => (&self.ada, "", json!({"change": id})),
            "block" => (
                &self.ada,
                "/blocks",
                json!({"classes": ["feature"], "role": "engineering_lead", "why": why, "expires": soon}),
            ),
            "override" => {
                let body = json!({"class": "feature", "change": id, "role": "product_manager", "why": why, "expires": soon});
                (&self.ada, "/overrides", body)
            }
            "contest" => {
                let body = json!({"posting": id, "why": why, "decider": "cto", "deadline": soon});
                (&self.ada, "/contests", body)
            }
            "class" => {
                let posting = self.happened("incident").await;
                let body = json!({"posting": posting, "class": "dns", "role": "engineering_lead", "why": why});
                (&self.ada, "/classes", body)
            }
            _ => {
                let body = json!({"change": id, "class": "fix", "role": "engineering_lead", "why": why, "expires": soon});
                (own, "/approvals", body)
            }
        };
        // What is made at one moment would be known by one name.
        self.site.clock.advance(Duration::from_seconds(1));
        text(&self.ask(by, &format!("/api/v1/gate/shop{path}"), body).await["id"])
    }

    async fn happened(&mut self, name: &str) -> String {
        let id = self.new_name();
        self.site.clock.advance(Duration::from_seconds(1));
        match name {
            "friction" => {
                let body = json!({"id": id, "what": "slow", "stage": "build", "service": OWN, "met": {"minutes": 5}});
                self.ask(&self.ada, "/api/v1/friction", body).await;
                return id;
            }
            "choice" => {
                let basis = json!({
                    "product": "digital_service", "traffic": "critical", "reviewed": true, "missed": false,
                    "failures_a_year": 12, "call_outs_a_year": 6, "call_out_lasts": "1h",
                });
                let body = json!({"target": "99%", "model": "developers", "out_of_hours": "domain", "basis": basis, "reason": "they want to"});
                self.ask(&self.ada, "/api/v1/services/shop/support", body).await;
                return id;
            }
            "points" => {
                let points: Vec<Value> = (1..=5)
                    .map(|hours| json!({"at": self.ahead(0).replace("2026-03-02", &format!("2026-02-0{hours}")), "value": hours}))
                    .collect();
                let body = json!({ "points": points });
                self.ask(&self.ada, "/api/v1/services/shop/outcome", body).await;
                return id;
            }
            _ => {}
        }
        let open = json!({"id": id, "service": OWN, "summary": "payments fail"});
        self.ask(&self.ada, "/api/v1/incidents", open).await;
        if name == "occurrence" {
            let body = json!({"posting": id, "risk": "store-down", "why": "a test"});
            self.ask(&self.ada, "/api/v1/services/shop/risks/occurrences", body).await;
        }
        if !matches!(name, "drafted" | "written" | "tested") {
            return id;
        }
        let path = format!("/api/v1/incidents/{id}/post-mortem");
        let written = json!({
            "title": "Payments failed", "summary": "Payments failed.", "impact": "A third.", "root_causes": "No bound.",
            "trigger": "A release.", "resolution": "Rolled back.", "detection": "An alert.",
            "went_well": "The alert.", "went_wrong": "The pool.", "lucky": "It was noon.",
        });
        self.ask(&self.ada, &path, written).await;
        if name == "drafted" {
            return id;
        }
        let outcome = match name {
            "tested" => {
                json!({"outcome": "slo_test", "file": format!("{id}.slotest"), "test": null})
            }
            _ => json!({"outcome": "looked", "text": "the minutes"}),
        };
        let item = json!({
            "id": "looked", "text": "bound the pool", "kind": "prevent", "owner": "payments", "priority": "P0",
            "due": "2026-03-09", "outcome": outcome,
        });
        self.ask(&self.ada, &format!("{path}/actions"), item).await;
        id
    }

    /// The state of the shop's review of the small checklist, a new one underway where `is_new`.
    async fn reviewed(&mut self, name: &str) -> String {
        let path = "/api/v1/reviews/shop/small";
        let state = self.look(path).await["state"].as_str().map(str::to_owned);
        if self.look("/api/v1/definitions/checklist.yaml").await.is_null() {
            self.apply_checklist().await;
        }
        let is_underway = matches!(state.as_deref(), Some("open" | "submitted"));
        if name == "unreviewed" || name == "given_up" {
            if is_underway {
                self.ask(&self.ada, &format!("{path}/withdrawal"), json!({"why": "a test"})).await;
            }
            if name == "given_up" {
                self.open_review().await;
                self.ask(&self.ada, &format!("{path}/withdrawal"), json!({"why": "a test"})).await;
            }
            return OWN.to_owned();
        }
        if state.as_deref() == Some("submitted") && name != "submitted_review" {
            self.ask(&self.ada, &format!("{path}/reopening"), json!({})).await;
        } else if !is_underway {
            self.open_review().await;
        }
        if name == "older_review" {
            self.apply_checklist().await;
        }
        let is_open = self.look(path).await["state"] == "open";
        if matches!(name, "answered_review" | "submitted_review") && is_open {
            let answer = json!({"item": "tried", "yes": true, "evidence": "release-7"});
            self.ask(&self.bo, &format!("{path}/answers"), answer).await;
            let expires = self.ahead(4);
            let waiver = json!({"item": "measured", "role": "engineering_lead", "why": "a test", "expires": expires});
            self.ask(&self.bo, &format!("{path}/waivers"), waiver).await;
            if name == "submitted_review" {
                self.ask(&self.ada, &format!("{path}/submission"), json!({})).await;
            }
        }
        "small".to_owned()
    }

    async fn open_review(&mut self) {
        // Reviews that are opened at one moment would be known by one name.
        self.site.clock.advance(Duration::from_seconds(1));
        self.ask(&self.ada, "/api/v1/reviews/shop", json!({"checklist": "small"})).await;
    }

    async fn apply_checklist(&mut self) {
        self.made += 1;
        let document = include_str!("checklist.yaml").replace("$version", &self.made.to_string());
        let files = json!({"files": [{"name": "checklist.yaml", "text": document}]});
        self.ask(&self.ada, "/api/v1/apply", files).await;
    }

    async fn carried(&mut self, name: &str) -> String {
        let path = "/api/v1/custody/shop";
        let step = |to: &str| json!({"to": to, "why": "it has grown"});
        let is_asked = |found: &Value| match name {
            "stepped" => !found["transfer"].is_null(),
            "sre_run" => found["holder"] == "sre",
            _ => !found["notice"].is_null(),
        };
        for _ in 0..9 {
            let found = self.look(path).await;
            if is_asked(&found) {
                return OWN.to_owned();
            }
            let holder = found["holder"].as_str().unwrap();
            if holder == "sre" {
                self.ask(&self.bo, &format!("{path}/notice"), json!({"role": "engineering_lead"}))
                    .await;
            } else if found["transfer"].is_null() {
                let to = if holder == "developers" { "shared" } else { "sre" };
                self.ask(&self.ada, &format!("{path}/step"), step(to)).await;
            } else {
                self.ask(
                    &self.bo,
                    &format!("{path}/step/signatures"),
                    json!({"role": "engineering_lead"}),
                )
                .await;
            }
        }
        OWN.to_owned()
    }

    async fn called(&mut self, name: &str) -> String {
        let rota = "/api/v1/on-call/rotas/payments";
        let found = self.look(&format!("{rota}?at={}", self.ahead(1))).await;
        let on_call = found["called"][0].as_str().unwrap().to_owned();
        let off_call = if on_call == "ada" { "bo" } else { "ada" };
        match name {
            "on_call" => on_call,
            "off_call" => off_call.to_owned(),
            "exception" => {
                self.made += 1;
                let day = self.made * 24;
                let at = self.look(&format!("{rota}?at={}", self.ahead(day + 1))).await;
                let remove = at["called"][0].as_str().unwrap().to_owned();
                let add = if remove == "ada" { "bo" } else { "ada" };
                let body = json!({
                    "start": self.ahead(day), "end": self.ahead(day + 2), "remove": remove, "add": add, "why": "ill",
                });
                text(&self.ask(&self.ada, &format!("{rota}/overrides"), body).await["id"])
            }
            _ => {
                let gives = json!({"start": self.ahead(1), "end": self.ahead(3)});
                let body = json!({"who": on_call, "gives": gives, "asked": "developer-shop", "why": "the dentist"});
                text(&self.ask(&self.ada, &format!("{rota}/swaps"), body).await["id"])
            }
        }
    }

    /// A run of the bank's drill, that is over: of the shop alerts fire, so that none may begin.
    async fn drilled(&mut self) -> String {
        // No change of before is observed any more.
        self.site.clock.advance(Duration::from_minutes(61));
        let now = self.site.clock.now();
        let line = |second: u32| {
            let at = now.minus(Duration::from_seconds(700 - second));
            format!("{{\"time\":\"{at}\",\"service.name\":\"bank\",\"status\":200}}\n")
        };
        let events: String = (0..700).map(line).collect();
        let sent = self.request(&self.ada, "POST", "/api/v1/events").body(events).send().await;
        assert_eq!(sent.unwrap().status(), 200);
        // What was counted has to be complete.
        self.site.clock.advance(Duration::from_seconds(15));
        let drill = "/api/v1/drills/bank-errors";
        let look = async {
            while self.look(drill).await["may_begin"] != true || !self.are_measured().await {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, look).await;
        assert!(waited.is_ok(), "it may not begin: {}", self.look(drill).await);
        let begun = self.ask(&self.ada, &format!("{drill}/runs"), json!({"apply": true})).await;
        let key = text(&begun["run"]["key"]);
        let run = format!("/api/v1/drill-runs/{key}");
        self.ask(&self.ada, &format!("{run}/stop"), json!({})).await;
        // Callers may send what they were told until then.
        self.site.clock.advance(Duration::from_seconds(4));
        loop {
            let watch = &self.look(&run).await["run"]["watch"];
            // What never began has nothing to be waited for, and is measured at once.
            let is_still = !watch["state"]["began"].is_null() || self.are_measured().await;
            if watch["state"]["state"] == "ended" && is_still {
                return key;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Whether it is known of every run what it came to.
    async fn are_measured(&self) -> bool {
        let page = self.look("/api/v1/drill-runs").await;
        page["runs"].as_array().unwrap().iter().all(|run| !run["measured"].is_null())
    }

    async fn admitted(&mut self, name: &str, own: &Caller) -> String {
        let id = self.new_name();
        match name {
            "own_token" => {
                let by = if own.is_browser() && own.name != "guest" { own } else { &self.ada };
                let body =
                    json!({"name": id, "scopes": ["read"], "expires": "2026-05-01T00:00:00Z"});
                text(&self.ask(by, "/api/v1/tokens", body).await["id"])
            }
            "granted" => {
                let who = format!("person:{id}");
                let grant = json!({"who": who, "service": OWN, "role": "viewer"});
                self.ask(&self.ada, "/api/v1/grants", grant).await;
                who
            }
            _ => self.person(&id, Vec::new()).await.name,
        }
    }
}
