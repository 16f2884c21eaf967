//! What people and pipelines do.

use serde_json::{Value, json};

use super::company::people;
use super::plan::{self, Act, FAILS, SHIPS, Step};
use super::play::{ADA, BO, CY, Player, ROBOT, moment};
use super::sums::{Decided, Happened, Shipped};
use super::traffic::{Episode, Fares};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// How long a deployment that fails is there, and how many of a thousand fail then.
const FAILED: i64 = 30 * MINUTE;
const BADLY: Fares = Fares::Badly(300);
/// How many of a thousand fail in an incident.
const HIT: Fares = Fares::Badly(900);

impl Player {
    /// Does what is to be done at one hour of `day`.
    pub(super) async fn act(&mut self, day: u32, acts: Vec<Act>) {
        let mut ships = Vec::new();
        for act in acts {
            match act {
                Act::Deploy { service, id, fails } => {
                    if self.may_ship(service, &id).await {
                        ships.push(Act::Deploy { service, id, fails });
                    }
                }
                Act::Drill { service } => self.drill(day, service).await,
                Act::Incident { service, is_false, minutes } => {
                    self.incident(day, service, (is_false, minutes)).await;
                }
                Act::Launch { service } => self.launch(service).await,
                Act::Custody { service, step } => self.custody(service, step).await,
                Act::Freeze { service } => self.freeze(service).await,
                Act::Override { team } => self.replace(team).await,
                Act::Swap { team } => self.swap(team).await,
                Act::Remark { service, hours } => self.remark(service, hours).await,
                Act::Friction { team, minutes } => self.friction(team, minutes).await,
            }
        }
        if !ships.is_empty() {
            self.ship(day, ships).await;
        }
    }

    /// Asks the gate; with an override where somebody has blocked the service.
    async fn may_ship(&mut self, service: usize, id: &str) -> bool {
        let at = self.second();
        let path = format!("gate/{}", self.services[service].name);
        let asks = json!({"class": "feature", "change": id});
        let answer = self.done(ROBOT, &path, asks.clone()).await;
        let is_blocked = self.sums.is_blocked(service, at);
        let expected = !is_blocked && !self.sums.is_overspent(service, self.complete());
        assert_eq!(answer["allow"], expected, "{} {id}: {answer:#}", self.now());
        let decided = |is_allowed, by_override| Decided { service, at, is_allowed, by_override };
        self.sums.decided.push(decided(expected, false));
        if !is_blocked {
            return expected;
        }
        let expires = moment(at + 12 * HOUR).to_string();
        let body = json!({
            "class": "feature", "change": id, "role": "product_manager", "why": "a contract", "expires": expires,
        });
        self.done(CY, &format!("{path}/overrides"), body).await;
        let answer = self.done(ROBOT, &path, asks).await;
        assert_eq!(answer["allow"], true, "{answer:#}");
        self.sums.decided.push(decided(true, true));
        true
    }

    /// What may ship ships at its hour, and at noon it is told of.
    async fn ship(&mut self, day: u32, ships: Vec<Act>) {
        let at = plan::at(day, SHIPS);
        for act in &ships {
            if let Act::Deploy { service, fails: true, .. } = act {
                let to = at + FAILED;
                self.traffic.add(Episode { service: *service, from: at, to, what: BADLY });
            }
        }
        self.go_to(plan::at(day, 12)).await;
        for act in ships {
            if let Act::Deploy { service, id, fails } = act {
                self.deploy(service, id, (at, fails)).await;
            }
        }
    }

    async fn deploy(&mut self, service: usize, id: String, (at, fails): (i64, bool)) {
        let name = self.services[service].name;
        let waited = 1 + (at / DAY + i64::from(fails)) % 50;
        let authored = at - HOUR * waited - MINUTE * i64::try_from(service).unwrap();
        let body = json!({
            "service": name, "id": id, "class": "feature", "version": format!("v-{id}"), "finished": moment(at),
            "planned": true,
            "commits": [{"sha": format!("{at:032x}{service:08x}"), "authored": moment(authored)}],
        });
        self.done(ROBOT, "changes", body).await;
        self.judged(&id, at + HOUR).await;
        let shipped = Shipped {
            service,
            id: id.clone(),
            at,
            is_rollback: false,
            fails,
            authored: Some(authored),
        };
        self.sums.shipped.push(shipped);
        if fails {
            let (back, at) = (format!("{id}-back"), at + FAILED);
            let body = json!({
                "service": name, "id": back, "kind": "rollback", "restores": id, "finished": moment(at),
            });
            self.done(ROBOT, "changes", body).await;
            self.judged(&id, at).await;
            self.judged(&back, at + HOUR).await;
            let shipped =
                Shipped { service, id: back, at, is_rollback: true, fails: false, authored: None };
            self.sums.shipped.push(shipped);
        }
    }

    /// Waits until a change is judged for good, from all that was counted until `until`.
    pub(super) async fn judged(&self, id: &str, until: i64) {
        let until = moment(until).to_string();
        let is_judged = |said: &Value| {
            let verdict = &said["verdict"];
            verdict["is_over"] == true && verdict["until"] == until.as_str()
        };
        self.awaited(&format!("changes/{id}"), is_judged).await;
    }

    /// Users are hit; who is called takes it on a minute later, and mends it.
    async fn incident(&mut self, day: u32, service: usize, (is_false, minutes): (bool, u32)) {
        let name = self.services[service].name;
        let (from, to) = (plan::at(day, FAILS), plan::at(day, FAILS) + i64::from(minutes) * MINUTE);
        self.traffic.add(Episode { service, from, to, what: HIT });
        let (mut called, mut id, mut who, mut taken) = (0, Value::Null, String::new(), 0);
        let mut at = from;
        loop {
            at += MINUTE;
            assert!(at < from + 50 * MINUTE, "{name}: nobody is called, or it does not end: {id}");
            self.go_to(at).await;
            let now = self.second();
            let open = self.get(&format!("alerts?state=firing&service={name}")).await;
            let is_open = open["alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
            if id.is_null() && is_open {
                (id, called) = (open["alerts"][0]["id"].clone(), now);
                who = open["alerts"][0]["calls"][0]["steps"][0]["who"][0]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                self.noted(name, &id, "open").await;
                if minutes % 3 == 0 {
                    self.restart().await;
                }
            } else if !id.is_null() && taken == 0 {
                taken = now;
                let path = format!("alerts/{id}/acknowledge");
                self.done(BO, &path, json!({"who": who, "note": "it is looked at"})).await;
                self.noted(name, &id, "acknowledged").await;
            } else if taken != 0 && !is_open {
                self.noted(name, &id, "resolved").await;
                break;
            }
            self.told().await;
        }
        let id = format!("alert:{id}");
        let path = format!("incidents/{id}");
        let mended = json!({"why": "users say so", "moments": {"mitigated": moment(to)}});
        self.done(BO, &format!("{path}/corrections"), mended).await;
        self.done(BO, &format!("{path}/notes"), json!({"text": "the pool was empty"})).await;
        if is_false {
            let alarm = json!({"cause": "measurement", "text": "the probe was wrong"});
            self.done(ADA, &format!("{path}/false-alarm"), alarm).await;
        } else {
            self.learn(&path).await;
        }
        if self.services[service].tier == "critical" {
            let risk = (!is_false).then(|| super::company::risk(name));
            let naming = json!({"posting": id, "risk": risk, "why": "the pool had no bound"});
            self.done(ADA, &format!("services/{name}/risks/occurrences"), naming).await;
        }
        self.told().await;
        self.sums.happened.push(Happened { service, id, from, to, called, taken, who, is_false });
    }

    /// Waits until an incident of an alert is known to be in `state`.
    async fn noted(&self, service: &str, alert: &Value, state: &str) {
        let id = format!("alert:{alert}");
        let is_noted = |said: &Value| {
            let mut listed = said["incidents"].as_array().unwrap().iter();
            listed.any(|one| one["incident"]["id"] == id.as_str() && one["state"] == state)
        };
        self.awaited(&format!("incidents?service={service}"), is_noted).await;
    }

    /// A write-up with one item, read by somebody else.
    async fn learn(&self, incident: &str) {
        let path = format!("{incident}/post-mortem");
        let text = json!({
            "summary": "Requests failed.", "impact": "More than half.", "root_causes": "No bound.",
            "trigger": "Traffic.", "resolution": "A bound.", "detection": "An alert.",
            "went_well": "The alert.", "went_wrong": "The pool.", "lucky": "It was day.",
        });
        self.done(ADA, &path, text).await;
        let due = moment(self.second() + 14 * DAY).to_string();
        let item = json!({
            "id": "bound", "text": "bound the pool", "kind": "prevent", "owner": "platform", "priority": "P0",
            "due": due[..10], "outcome": {"outcome": "looked", "text": "the pool's size"},
        });
        self.done(ADA, &format!("{path}/actions"), item).await;
        self.done(ADA, &format!("{path}/state"), json!({"to": "in_review"})).await;
        self.done(BO, &format!("{path}/state"), json!({"to": "published"})).await;
    }

    /// A launch review that fails first, for nothing is promised, and is approved then.
    async fn launch(&mut self, service: usize) {
        let name = self.services[service].name;
        let of = format!("reviews/{name}");
        self.done(ADA, &of, json!({"checklist": "year-launch"})).await;
        let of = format!("{of}/year-launch");
        let answer = json!({"item": "tried", "yes": true, "evidence": "release-0"});
        self.done(ADA, &format!("{of}/answers"), answer).await;
        self.done(ADA, &format!("{of}/adviser"), json!({"who": "Dee of SRE"})).await;
        let (status, fails) = self.send(ADA, &format!("{of}/submission"), json!({})).await;
        assert_eq!(status, 422, "nothing is promised: {fails}");
        let text = super::company::promises(&self.services[service]);
        self.apply(&format!("{name}.yaml"), text).await;
        self.done(ADA, &format!("{of}/submission"), json!({})).await;
        self.done(BO, &format!("{of}/signatures"), json!({"role": "sre"})).await;
        let approved =
            self.done(CY, &format!("{of}/signatures"), json!({"role": "product_manager"})).await;
        assert_eq!(approved["standing"]["standing"], "approved", "{approved}");
    }

    async fn custody(&mut self, service: usize, step: Step) {
        let name = self.services[service].name;
        let of = format!("custody/{name}");
        let sign = |role: &str| json!({"role": role});
        match step {
            Step::Found => {
                let found = json!({"holder": "developers", "since": "2025-01-01T00:00:00Z", "why": "their rota"});
                self.done(ADA, &format!("{of}/finding"), found).await;
            }
            Step::Share => {
                self.done(
                    ADA,
                    &format!("{of}/step"),
                    json!({"to": "shared", "why": "it has users"}),
                )
                .await;
                self.done(BO, &format!("{of}/step/signatures"), sign("sre")).await;
                self.done(CY, &format!("{of}/step/signatures"), sign("engineering_lead")).await;
            }
            Step::Take => {
                self.done(ADA, &format!("reviews/{name}"), json!({"checklist": "year-hand-off"}))
                    .await;
                let review = format!("reviews/{name}/year-hand-off");
                let answer = json!({"item": "explained", "yes": true, "evidence": "two evenings"});
                self.done(ADA, &format!("{review}/answers"), answer).await;
                self.done(ADA, &format!("{review}/submission"), json!({})).await;
                self.done(BO, &format!("{review}/signatures"), sign("sre")).await;
                self.done(CY, &format!("{review}/signatures"), sign("product_manager")).await;
                self.done(ADA, &format!("{of}/step"), json!({"to": "sre", "why": "it has grown"}))
                    .await;
                self.done(BO, &format!("{of}/step/signatures"), sign("sre")).await;
                let taken =
                    self.done(CY, &format!("{of}/step/signatures"), sign("product_manager")).await;
                assert_eq!(taken["holder"], "sre", "{taken}");
            }
            Step::ShareByLists => self.share_by_lists(service).await,
            Step::TakeByLists => self.take_by_lists(service).await,
            Step::Notice => {
                let notice = self.done(BO, &format!("{of}/notice"), sign("sre")).await;
                assert!(notice["notice"].is_object(), "{notice}");
            }
            Step::Returned => {
                let body = json!({"role": "product_manager", "outcome": "returned", "why": "they will mend it"});
                self.done(CY, &format!("{of}/notice/decision"), body).await;
            }
        }
    }

    async fn freeze(&mut self, service: usize) {
        let at = self.second();
        let expires = at + 2 * DAY;
        let body = json!({
            "classes": ["feature"], "role": "sre", "why": "a sale", "expires": moment(expires),
        });
        let path = format!("gate/{}/blocks", self.services[service].name);
        self.done(BO, &path, body).await;
        self.sums.blocked.push((service, at, expires));
    }

    /// Who is on call goes for a day, and the next of their rota comes.
    async fn replace(&mut self, team: usize) {
        let (rota, from) = (super::company::TEAMS[team], self.second());
        let (gone, comes) = self.two_of(team).await;
        let to = from + DAY;
        let body = json!({
            "start": moment(from), "end": moment(to), "remove": gone, "add": comes, "why": "ill",
        });
        self.done(ADA, &format!("on-call/rotas/{rota}/overrides"), body).await;
        self.sums.exceptions.push((team, from, to, comes));
    }

    /// Who is on call gives some hours away, and somebody takes them.
    async fn swap(&mut self, team: usize) {
        let (rota, now) = (super::company::TEAMS[team], self.second());
        let (gives, takes) = self.two_of(team).await;
        let (from, to) = (now + 10 * MINUTE, now + 70 * MINUTE);
        let body = json!({
            "who": gives, "gives": {"start": moment(from), "end": moment(to)}, "asked": takes, "why": "the dentist",
        });
        let swap = self.done(ADA, &format!("on-call/rotas/{rota}/swaps"), body).await;
        let id = swap["id"].as_str().unwrap();
        let path = format!("on-call/rotas/{rota}/swaps/{id}/settle");
        self.done(BO, &path, json!({"who": takes, "how": "taken"})).await;
        self.sums.exceptions.push((team, from, to, takes));
    }

    /// Who is on call for a team, and the next of its rota.
    async fn two_of(&self, team: usize) -> (String, String) {
        let rota = super::company::TEAMS[team];
        let said = self.get(&format!("on-call/rotas/{rota}?at={}", self.now())).await;
        let on_call = said["called"][0].as_str().unwrap().to_owned();
        let all = people(rota);
        let place = all.iter().position(|one| *one == on_call).unwrap();
        (on_call, all[(place + 1) % all.len()].clone())
    }

    async fn remark(&mut self, service: usize, hours: u32) {
        let at = self.second();
        let path = format!("services/{}/remarks", self.services[service].name);
        let toil = if hours > 10 { "high" } else { "low" };
        self.done(CY, &path, json!({"toil": toil, "toil_hours": hours, "note": "by hand"})).await;
        self.sums.toil.push((service, at, u64::from(hours)));
    }

    async fn friction(&mut self, team: usize, minutes: u32) {
        let team = super::company::TEAMS[team];
        let id = format!("clicks-{team}");
        let body = json!({
            "id": id, "what": "a deployment takes 63 clicks", "stage": "deploy", "met": {"minutes": minutes},
        });
        self.done(ADA, "friction", body).await;
        self.sums.friction.push((id, minutes));
    }
}
