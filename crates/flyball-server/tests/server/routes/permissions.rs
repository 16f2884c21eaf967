//! Who is let through to which route, and what the audit log then says of them.
//!
//! Everybody sends the same request. The least of those who may are answered as the table says, which is a success
//! where there can be one: so the same words from somebody else are refused for who sends them, and not for what they
//! say.

use std::collections::BTreeSet;

use flyball_server::{Role, Scope};
use reqwest::{RequestBuilder, Version};
use serde_json::Value;

use super::lists::may_list;
use super::table::{Asks, Place, Route};
use super::world::{Caller, May, OWN, World};
use crate::changes::{SECRET, signed};

/// What is to become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// 401.
    Unknown,
    /// 403.
    Refused,
    /// 404.
    Hidden,
    /// Answered as if there were no shop.
    Filtered,
    /// Let through.
    Passes,
}

/// Whether `may` is enough for what needs `role` of `service`.
fn is_for(may: &May, role: Option<Role>, service: &str) -> bool {
    match may {
        May::Unknown => false,
        May::Token(_, bound) => bound.is_none_or(|bound| bound == service),
        May::Person(roles) => {
            roles.iter().any(|(of, held)| (*of == service || *of == "*") && Some(*held) >= role)
        }
    }
}

fn fate(route: &Route, may: &May) -> Fate {
    if route.place == Place::Signed {
        return Fate::Refused;
    }
    let Asks::Some(scope, role) = route.asks else { return Fate::Passes };
    let is_let_in = match may {
        May::Unknown => return Fate::Unknown,
        May::Token(held, _) => *held == scope || *held == Scope::Admin,
        May::Person(roles) => role.is_none() || roles.iter().any(|(_, held)| Some(*held) >= role),
    };
    let is_everywhere = is_for(may, role, "*") && !matches!(may, May::Token(_, Some(_)));
    match route.place {
        _ if !is_let_in => Fate::Refused,
        Place::Server | Place::Signed => Fate::Passes,
        Place::All if is_everywhere => Fate::Passes,
        _ if route.place != Place::All && is_for(may, role, OWN) => Fate::Passes,
        Place::Hidden if is_for(may, Some(Role::Viewer), OWN) => Fate::Refused,
        Place::Hidden => Fate::Hidden,
        Place::Filtered => Fate::Filtered,
        Place::All | Place::Own => Fate::Refused,
    }
}

/// The name of the least of those who may.
fn least(route: &Route) -> String {
    let everywhere = route.place == Place::All;
    match route.asks {
        Asks::Anybody => "nobody".to_owned(),
        Asks::Some(_, Some(Role::Admin)) => "boss".to_owned(),
        Asks::Some(_, Some(role)) if everywhere => format!("{role}-all"),
        Asks::Some(_, role) => format!("{}-{OWN}", role.unwrap_or(Role::Viewer)),
    }
}

/// Signs a message as its system does.
fn sign(request: RequestBuilder, route: &Route, body: &str) -> RequestBuilder {
    let signature = signed(SECRET, body.as_bytes());
    match route.path.rsplit("hooks/").next().unwrap() {
        "gitlab" => request
            .header("X-Gitlab-Event", "Deployment Hook")
            .header("X-Gitlab-Event-UUID", "1")
            .header("X-Gitlab-Token", SECRET),
        "flux" => request.header("X-Signature", signature),
        of => request
            .header("X-GitHub-Event", if of == "github" { "deployment" } else { "ping" })
            .header("X-GitHub-Delivery", "1")
            .header("X-Hub-Signature-256", signature),
    }
}

impl World {
    fn sent(
        &self,
        caller: &Caller,
        route: &Route,
        (address, body): (&str, &str),
    ) -> RequestBuilder {
        let request = self.request(caller, route.method, address).version(Version::HTTP_11);
        let kind = match body.chars().next() {
            None => return request,
            Some('\x13') => "application/x-protobuf",
            Some('{' | '[') if route.path == "/api/v1/events" => "application/x-ndjson",
            Some('{' | '[') => "application/json",
            Some(_) => "application/x-www-form-urlencoded",
        };
        let encoded = if kind == "application/x-protobuf" { "snappy" } else { "identity" };
        let request = request.header("content-encoding", encoded);
        request.header("content-type", kind).body(body.to_owned())
    }

    /// The number of the audit log's last record.
    async fn head(&self) -> u64 {
        let said = self.look("/api/v1/audit/verify").await;
        assert_eq!(said["whole"], true, "{said}");
        said["records"].as_u64().unwrap()
    }

    /// Sends a request as everybody, those first who may not.
    async fn try_all(&mut self, route: &Route) -> Vec<String> {
        let mut faults = Vec::new();
        let least = least(route);
        let own = self.callers.iter().find(|caller| caller.name == least).unwrap().clone();
        let [address, body] =
            self.filled([&route.address, route.body.unwrap_or_default()], &own).await;
        let of = (address.as_str(), body.as_str());
        let before = self.head().await;
        let mut filtered = BTreeSet::new();
        let mut callers = self.callers.clone();
        callers
            .sort_by_key(|caller| (fate(route, &caller.may) == Fate::Passes, caller.name != least));
        for caller in &callers {
            let fate = fate(route, &caller.may);
            let is_least = caller.name == least && fate == Fate::Passes;
            if is_least {
                faults.extend(self.unrecorded(&callers, before).await);
            }
            let answer = self.sent(caller, route, of).send().await.unwrap();
            let status = answer.status().as_u16();
            let streams = route.path.ends_with("/stream");
            let said = if streams { OWN.to_owned() } else { answer.text().await.unwrap() };
            let is_wrong = match fate {
                Fate::Unknown => status != 401,
                Fate::Refused => status != 403,
                Fate::Hidden => status != 404,
                Fate::Filtered => {
                    let is_wrong = status != route.status || said.contains(OWN);
                    filtered.insert(said.clone());
                    is_wrong
                }
                Fate::Passes if is_least || route.method == "GET" => {
                    status != route.status || filtered.contains(&said)
                }
                // The first of them may have ended what it was about. A pipeline is told of a denial by 403.
                Fate::Passes => status != route.status && matches!(status, 401 | 403),
            };
            if is_wrong {
                let head: String = said.chars().take(400).collect();
                faults.push(format!("{} is {fate:?}, and answered {status}: {head}", caller.name));
            }
            if is_least && route.method == "GET" && !may_list(&route.path) {
                let answer: Value = serde_json::from_str(&said).unwrap_or_default();
                let lists = answer.as_object().into_iter().flatten();
                let lists: Vec<_> = lists.filter(|(_, value)| value.is_array()).collect();
                if !lists.is_empty() {
                    faults.push(format!("{lists:?} are not in routes/lists.txt"));
                }
            }
            if is_least && !is_wrong {
                faults.extend(self.recorded(route, &caller.actor, before).await);
            }
        }
        if route.place == Place::Signed {
            faults.extend(self.unrecorded(&callers, before).await);
            let request = self.sent(&own, route, of);
            let answer = sign(request, route, &body).send().await.unwrap();
            let status = answer.status().as_u16();
            if status != route.status {
                faults.push(format!("signed: {status} {}", answer.text().await.unwrap()));
            }
            let hook = format!("hook:{}", route.path.rsplit('/').next().unwrap());
            faults.extend(self.recorded(route, &hook, before).await);
        }
        let named = |fault| format!("{} {address} {body}: {fault}", route.method);
        faults.into_iter().map(named).collect()
    }

    /// What the log says of anybody who was refused.
    async fn unrecorded(&self, callers: &[Caller], before: u64) -> Option<String> {
        let actors: BTreeSet<&str> = callers.iter().map(|caller| caller.actor.as_str()).collect();
        let records = self.records(before).await;
        let is_theirs = |record: &&Value| actors.contains(record["actor"].as_str().unwrap());
        let found = records.iter().find(is_theirs)?;
        Some(format!("a refusal is recorded: {found}"))
    }

    /// What is wrong with what the log says of somebody who was let through.
    async fn recorded(&self, route: &Route, actor: &str, before: u64) -> Option<String> {
        let records = self.records(before).await;
        let own = records.iter().filter(|record| record["actor"] == actor);
        let actions: Vec<&str> = own.map(|record| record["action"].as_str().unwrap()).collect();
        let is_right = match route.record {
            Some(action) => actions.contains(&action),
            None => actions.is_empty(),
        };
        let said = || format!("{actor} is recorded as {actions:?}");
        (!is_right).then(said)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_what_the_table_says_and_what_they_change_is_recorded() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::start(home.path()).await;
    let mut faults = Vec::new();
    for route in Route::all() {
        faults.extend(world.try_all(&route).await);
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    world.site.running.server.stop().await;
}
