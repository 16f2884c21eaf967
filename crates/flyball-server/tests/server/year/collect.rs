//! Everything that a server tells of the year, to be held against what another one tells.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::company::TEAMS;
use super::plan;
use super::play::{Player, moment};

/// What was told, by what was asked.
pub(super) type Reports = BTreeMap<String, Value>;

/// What servers write down of looks, and that they told of them.
const LOOKS: [&str; 8] = [
    "on_call.rota",
    "post_mortem.demand",
    "support.drift",
    "incident.tell",
    "custody.tell",
    "funding.tell",
    "on_call.tell",
    "review.tell",
];

impl Player {
    async fn take(&self, path: String, reports: &mut Reports) {
        let said = self.get(&path).await;
        reports.insert(format!("{} {path}", self.now()), said);
    }

    async fn take_pages(&self, path: &str, rows: &str, reports: &mut Reports) {
        let said = json!(self.pages(path, rows).await);
        reports.insert(format!("{} {path}", self.now()), said);
    }

    /// The card of a service. When a post-mortem was demanded, and for which share, is that of a look, and so is whether it was
    /// written up before anybody looked: what is due still is compared.
    async fn take_card(&self, service: &str, reports: &mut Reports) {
        let path = format!("services/{service}");
        let mut card = self.get(&path).await;
        let demands = card["post_mortems"].as_array_mut().unwrap();
        demands.retain(|demand| demand["is_published"] != true);
        for demand in demands {
            demand
                .as_object_mut()
                .unwrap()
                .retain(|name, _| !["share", "demanded"].contains(&name.as_str()));
        }
        reports.insert(format!("{} {path}", self.now()), card);
    }

    /// Who is told of alerts, without what is on its way to them: that is there on the one server and not on the other.
    async fn take_targets(&self, reports: &mut Reports) {
        let mut said = self.get("alert-targets").await;
        for target in said["targets"].as_array_mut().unwrap() {
            target.as_object_mut().unwrap().remove("waiting");
        }
        reports.insert(format!("{} alert-targets", self.now()), said);
    }

    /// A drill, without what was counted of it when it was looked at last.
    async fn take_run(&self, key: &str, reports: &mut Reports) {
        let path = format!("drill-runs/{key}");
        let mut said = self.get(&path).await;
        let watch = said["run"]["watch"].as_object_mut().unwrap();
        watch.retain(|name, _| !["burned", "counted_up_to"].contains(&name.as_str()));
        reports.insert(format!("{} {path}", self.now()), said);
    }

    /// The audit log: what people did, in order; and what servers did by themselves, without what they found by looks and
    /// when, since they look by the time since they began. So the hashes, which hold that as well, are left out: that they
    /// are right is asked of each server by itself.
    async fn take_audit(&self, reports: &mut Reports) {
        let mut records = self.pages("audit", "records").await;
        records.retain(|record| !LOOKS.contains(&record["action"].as_str().unwrap()));
        for record in &mut records {
            let is_own = record["actor"] == "server";
            let record = record.as_object_mut().unwrap();
            record.retain(|name, _| match name.as_str() {
                "hash" | "previous" | "number" => false,
                "at" => !is_own,
                _ => true,
            });
        }
        let is_own = |record: &Value| record["actor"] == "server";
        let (mut own, others): (Vec<Value>, Vec<Value>) = records.into_iter().partition(is_own);
        own.sort_by_cached_key(Value::to_string);
        reports.insert(format!("{} audit of people", self.now()), json!(others));
        reports.insert(format!("{} audit of the server", self.now()), json!(own));
    }

    /// What is told at the end of a quarter, of the days from `from` up to `to`.
    pub(super) async fn collect_quarter(&self, (from, to): (u32, u32), reports: &mut Reports) {
        let (from, to) = (moment(plan::at(from, 0)), moment(plan::at(to, 0)));
        let time = format!("from={from}&to={to}");
        self.take_targets(reports).await;
        for path in ["slos", "catalogue", "services", "risks"] {
            self.take(path.to_owned(), reports).await;
        }
        for team in TEAMS {
            for path in [
                format!("delivery?team={team}&{time}"),
                format!("report?team={team}&period=quarterly&to={to}"),
                format!("report?team={team}&period=weekly&to={to}"),
                format!("incident-measures?team={team}&{time}"),
                format!("on-call/rotas/{team}"),
                format!("on-call/rotas/{team}/load?{time}"),
                format!("on-call/rotas/{team}/pay?{time}"),
                format!("on-call/rotas/{team}/gaps"),
            ] {
                self.take(path, reports).await;
            }
        }
        for service in &self.services {
            let name = service.name;
            self.take_card(name, reports).await;
            self.take(format!("custody/{name}"), reports).await;
            if moment(plan::at(service.since, 7)) < to {
                let slo = service.served();
                self.take(format!("slos/{slo}/attribution?{time}"), reports).await;
            }
        }
    }

    /// What is told at the end of the year.
    pub(super) async fn collect_year(&self, reports: &mut Reports) {
        for (path, rows) in [
            ("changes", "changes"),
            ("incidents", "incidents"),
            ("reviews", "reviews"),
            ("post-mortems", "post_mortems"),
            ("action-items", "items"),
            ("on-call/calls", "calls"),
            ("alerts", "alerts"),
        ] {
            self.take_pages(path, rows, reports).await;
        }
        self.take_audit(reports).await;
        for shipped in &self.sums.shipped {
            self.take(format!("changes/{}", shipped.id), reports).await;
        }
        for drilled in &self.sums.drilled {
            self.take_run(&drilled.key, reports).await;
        }
        for happened in &self.sums.happened {
            let of = format!("incidents/{}", happened.id);
            for path in ["", "/cost", "/timeline", "/runbooks"] {
                self.take(format!("{of}{path}"), reports).await;
            }
        }
        for service in &self.services {
            let name = service.name;
            self.take_pages(&format!("gate/{name}/decisions"), "decisions", reports).await;
            for path in ["blocks", "overrides", "approvals"] {
                self.take(format!("gate/{name}/{path}"), reports).await;
            }
            for path in ["risks/measured", "support", "target"] {
                let path = format!("services/{name}/{path}");
                let (status, said) = self.answered(&path).await;
                reports.insert(path, json!([status, said]));
            }
        }
        for path in ["friction", "policies", "checklists", "definitions", "recognition"] {
            self.take(path.to_owned(), reports).await;
        }
    }
}

/// What is not compared.
const SKIPPED: [&str; 1] = ["number"];

/// The first place at which two values differ, with both.
///
/// Numbers of records are not looked at. They come from one sequence for all that is kept, and what follows from one page
/// (an incident, the call) is kept by tasks beside each other: which has the smaller number is chance. In which order
/// records of one kind are listed is compared.
pub(super) fn difference(one: &Value, other: &Value, place: &str) -> Option<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let null = Value::Null;
            names.into_iter().filter(|name| !SKIPPED.contains(&name.as_str())).find_map(|name| {
                let values = (one.get(name).unwrap_or(&null), other.get(name).unwrap_or(&null));
                difference(values.0, values.1, &format!("{place}/{name}"))
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut both = one.iter().zip(other).enumerate();
            both.find_map(|(at, (one, other))| difference(one, other, &format!("{place}/{at}")))
        }
        _ => (one != other).then(|| format!("{place}: {one} and {other}")),
    }
}
