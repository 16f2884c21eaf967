//! Everything that a server tells of the year, to be held against what another one tells.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::company::TEAMS;
use super::plan;
use super::play::{Player, moment};

/// What was told, by what was asked.
pub(super) type Reports = BTreeMap<String, Value>;

impl Player {
    async fn take(&self, path: String, reports: &mut Reports) {
        let said = self.get(&path).await;
        reports.insert(format!("{} {path}", self.now()), said);
    }

    async fn take_pages(&self, path: &str, rows: &str, reports: &mut Reports) {
        let said = json!(self.pages(path, rows).await);
        reports.insert(format!("{} {path}", self.now()), said);
    }

    /// What is told at the end of a quarter, of the days from `from` up to `to`.
    pub(super) async fn collect_quarter(&self, (from, to): (u32, u32), reports: &mut Reports) {
        let (from, to) = (moment(plan::at(from, 0)), moment(plan::at(to, 0)));
        let time = format!("from={from}&to={to}");
        for path in ["slos", "catalogue", "services", "alert-targets", "risks"] {
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
            self.take(format!("services/{name}"), reports).await;
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
            ("audit", "records"),
        ] {
            self.take_pages(path, rows, reports).await;
        }
        for shipped in &self.sums.shipped {
            self.take(format!("changes/{}", shipped.id), reports).await;
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
        for path in
            ["friction", "policies", "checklists", "definitions", "recognition", "audit/verify"]
        {
            self.take(path.to_owned(), reports).await;
        }
    }
}

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
            names.into_iter().filter(|name| *name != "number").find_map(|name| {
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
