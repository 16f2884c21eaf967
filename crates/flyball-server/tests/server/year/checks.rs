//! Every report against plain sums of what was sent and done.

use std::collections::BTreeMap;

use flyball_model::Duration;
use serde_json::{Value, json};

use super::company::{TEAMS, people};
use super::plan::{self, FROZEN, GROWN, HANDED_BACK, KEPT, LAUNCHES, SHARED};
use super::play::{Player, moment};
use super::sums::{Counted, Shipped};

const DAY: i64 = 86_400;

/// A whole number.
fn number(of: &Value, field: &str) -> u64 {
    of.pointer(field).and_then(Value::as_u64).unwrap_or_else(|| panic!("{field}: {of:#}"))
}

impl Player {
    /// Budgets, who spent them, deliveries and reports of the quarter in days from `from` up to `to`, at its end.
    pub(super) async fn check_quarter(&self, (from, to): (u32, u32)) {
        let time = (plan::at(from, 0), plan::at(to, 0));
        assert_eq!(self.complete(), time.1);
        self.check_budgets().await;
        for service in 0..self.services.len() {
            self.check_card(service).await;
            if self.services[service].since < to {
                self.check_attribution(service, time).await;
            }
        }
        for (team, name) in TEAMS.iter().enumerate() {
            self.check_delivery(team, time).await;
            self.check_report(team, "quarterly", (time.1 - 91 * DAY, time.1)).await;
            self.check_report(team, "weekly", (time.1 - 7 * DAY, time.1)).await;
            self.check_load(team, time).await;
            self.check_pay(team, time).await;
            let gaps = self.get(&format!("on-call/rotas/{name}/gaps")).await;
            assert_eq!((&gaps["covered"], &gaps["gaps"]), (&json!(true), &json!([])), "{gaps:#}");
        }
        if (plan::MENDED.1 - plan::FELT + 28..=plan::MENDED.1 + plan::FELT).contains(&to) {
            self.check_target(time.1).await;
        }
    }

    /// The budget of each SLO is the sum of what was sent in its window.
    async fn check_budgets(&self) {
        let end = self.complete();
        let said = self.get("slos").await;
        assert_eq!(said["not_evaluated"], json!([]));
        let slos = said["slos"].as_array().unwrap();
        let by_name: BTreeMap<&str, &Value> =
            slos.iter().map(|slo| (slo["slo"].as_str().unwrap(), slo)).collect();
        let mut known = 0;
        for (place, service) in self.services.iter().enumerate() {
            if moment(end) <= moment(plan::at(service.since, 7)) && service.since > 0 {
                assert!(!by_name.contains_key(service.served().as_str()));
                continue;
            }
            known += 1;
            let sum = self.sums.events(place, self.sums.window(place, end), end);
            compare_budget(by_name[service.served().as_str()], sum);
            let is_kept = 1_000 * sum.1 <= service.allowed * sum.0;
            let status = if is_kept { "met" } else { "missed" };
            assert_eq!(by_name[service.served().as_str()]["status"], status, "{}", service.name);
            if service.has_hours {
                known += 1;
                let slo = by_name[service.hours().as_str()];
                compare_budget(slo, self.sums.events(place, end - 28 * DAY, end));
                let (hours, lost) = self.sums.hours(place, end - 28 * DAY, end);
                let budget = &slo["objectives"][0]["budget"];
                assert_eq!(
                    (number(budget, "/slices"), budget["spent"].as_f64()),
                    (hours, Some(lost as f64))
                );
            }
        }
        assert_eq!(slos.len(), known, "no other SLO is there");
    }

    /// What causes spent, what is usual and what is unexplained add up to what was sent that was bad; what was planned, and
    /// what happened, is charged with what was bad then, but for what would have been.
    async fn check_attribution(&self, service: usize, (from, to): (i64, i64)) {
        let slo = self.services[service].served();
        let path = format!("slos/{slo}/attribution?from={}&to={}", moment(from), moment(to));
        let said = self.get(&path).await;
        assert_eq!(said["is_cut"], false);
        let of = &said["objectives"][0];
        let (valid, bad) = self.sums.events(service, from, to);
        assert_eq!((number(of, "/valid"), number(of, "/spent")), (valid, bad), "{slo}");
        let causes = of["causes"].as_array().unwrap();
        let charged: u64 = causes.iter().map(|cause| number(cause, "/spent")).sum();
        assert_eq!(
            charged + number(of, "/usual") + number(of, "/unexplained"),
            bad,
            "{slo}: {of:#}"
        );
        let drills = self.sums.drilled.iter().filter(|of| of.service == service);
        let drills = drills.map(|of| (of.id.as_str(), of.from, of.to));
        let incidents = self.sums.happened.iter();
        let incidents = incidents.filter(|of| of.service == service && !of.is_false);
        let incidents = incidents.map(|of| (of.id.as_str(), of.from, of.to));
        for (id, start, end) in drills.chain(incidents).filter(|of| (from..to).contains(&of.1)) {
            let cause = causes.iter().find(|cause| cause["id"] == id);
            let cause = cause.unwrap_or_else(|| panic!("{id} is no cause: {of:#}"));
            let (all, bad) = self.sums.events(service, start, end);
            let spent = number(cause, "/spent");
            let slack = 2 * self.services[service].allowed * all / 1_000 + 40;
            assert!(
                spent <= bad + slack && spent + slack >= bad,
                "{id}: {spent} of {bad}: {cause:#}"
            );
        }
    }

    /// What shipped in a time, of one team.
    fn shipped(&self, team: usize, (from, to): (i64, i64)) -> Vec<&Shipped> {
        let is_of =
            |of: &&Shipped| self.services[of.service].team == team && (from..to).contains(&of.at);
        self.sums.shipped.iter().filter(is_of).collect()
    }

    /// Measures of delivery are counts of what shipped.
    async fn check_delivery(&self, team: usize, (from, to): (i64, i64)) {
        let path = format!("delivery?team={}&from={}&to={}", TEAMS[team], moment(from), moment(to));
        let said = self.get(&path).await;
        self.compare_delivery(team, (from, to), &said["measures"]);
    }

    fn compare_delivery(&self, team: usize, time: (i64, i64), measures: &Value) {
        let shipped = self.shipped(team, time);
        let name = TEAMS[team];
        assert_eq!(number(measures, "/frequency/deployments"), shipped.len() as u64, "{name}");
        let days: std::collections::BTreeSet<i64> = shipped.iter().map(|of| of.at / DAY).collect();
        assert_eq!(number(measures, "/frequency/days"), days.len() as u64, "{name}");
        let backs = shipped.iter().filter(|of| of.is_rollback).count() as u64;
        if !shipped.is_empty() {
            assert_eq!(number(measures, "/rework/rate/of"), backs, "{name}: {measures:#}");
            assert_eq!(number(measures, "/rework/rate/out_of"), shipped.len() as u64, "{name}");
        }
        let broken =
            shipped.iter().filter(|of| !of.is_rollback && self.sums.is_broken(of)).count() as u64;
        let fates = &measures["change_failure"]["fates"];
        let all = shipped.len() as u64 - backs;
        let told = ["/healthy", "/failed", "/undecided"].map(|fate| number(fates, fate));
        assert_eq!((told[1], told.iter().sum::<u64>()), (broken, all), "{name}: {measures:#}");
        let mut leads: Vec<i64> =
            shipped.iter().filter_map(|of| Some(of.at - of.authored?)).collect();
        leads.sort_unstable();
        let median = match leads.len() {
            0 => Value::Null,
            odd if odd % 2 == 1 => length(2 * leads[odd / 2]),
            even => length(leads[even / 2 - 1] + leads[even / 2]),
        };
        let told = measures["lead_time"]["commits"]["median"].clone();
        assert_eq!(told, median, "{name}: {measures:#}");
        let happened = self.happened(team, time);
        assert_eq!(number(measures, "/response/incidents"), happened.len() as u64, "{name}");
    }

    /// The incidents of a team that began in a time and were none that was false.
    fn happened(&self, team: usize, (from, to): (i64, i64)) -> Vec<&super::sums::Happened> {
        let happened = self.sums.happened.iter().filter(|of| !of.is_false);
        happened
            .filter(|of| self.services[of.service].team == team && (from..to).contains(&of.from))
            .collect()
    }

    /// A report says what the ledger and the sums say.
    async fn check_report(&self, team: usize, period: &str, time: (i64, i64)) {
        let path = format!("report?team={}&period={period}&to={}", TEAMS[team], moment(time.1));
        let said = self.get(&path).await;
        assert_eq!(said["during"]["start"], moment(time.0).to_string());
        self.compare_delivery(team, time, &said["delivery"]["measures"]);
        let failed = self.shipped(team, time).into_iter();
        let failed = failed.filter(|of| !of.is_rollback && self.sums.is_broken(of)).count();
        assert_eq!(said["failed"].as_array().unwrap().len(), failed, "{:#}", said["failed"]);
        let incidents = said["incidents"].as_array().unwrap().len();
        assert_eq!(incidents, self.happened(team, time).len(), "{:#}", said["incidents"]);
        let services = said["services"].as_array().unwrap();
        let own = self.services.iter().enumerate().filter(|(_, service)| service.team == team);
        let own: Vec<_> = own.collect();
        assert_eq!(services.len(), own.len());
        for (number, service) in own {
            let told = services.iter().find(|told| told["name"] == service.name).unwrap();
            let toil = self.sums.toil.iter();
            let toil = toil.filter(|(of, at, _)| *of == number && (time.0..time.1).contains(at));
            let toil = toil.map(|(_, _, hours)| *hours).reduce(|sum, more| sum + more);
            assert_eq!(told["toil_hours"], json!(toil), "{}", service.name);
            self.compare_lines(number, &told["budgets"]);
        }
    }

    /// The card of a service says what was sent in its window, and who carries its pager.
    async fn check_card(&self, place: usize) {
        let service = &self.services[place];
        let card = self.get(&format!("services/{}", service.name)).await;
        assert_eq!(card["team"], service.team());
        assert_eq!(card["tier"], service.tier, "{card:#}");
        self.compare_lines(place, &card["budgets"]);
        let custody = self.get(&format!("custody/{}", service.name)).await;
        assert_eq!(card["custody"]["holder"], custody["holder"]);
    }

    /// What a line says of the budget of a service's events: the share of good, and whether any is left.
    fn compare_lines(&self, place: usize, budgets: &Value) {
        let (service, end) = (&self.services[place], self.complete());
        let (valid, bad) = self.sums.events(place, self.sums.window(place, end), end);
        let mut lines = budgets.as_array().unwrap().iter();
        let Some(line) = lines.find(|line| line["slo"] == service.served().as_str()) else {
            assert_eq!(valid, 0, "{}: {budgets:#}", service.name);
            return;
        };
        let good = line["sli"].as_f64();
        let is_good = |sli: f64| (sli * valid as f64 - (valid - bad) as f64).abs() < 0.5;
        assert!(good.map_or(valid == 0, is_good), "{}: {line:#}", service.name);
        let left = line["remaining_share"].as_f64();
        let allowed = service.allowed as f64 * valid as f64 / 1_000.0;
        let close = |left: f64| (left - (1.0 - bad as f64 / allowed)).abs() < 1e-9;
        assert!(left.map_or(valid == 0, close), "{}: {line:#}", service.name);
    }

    /// Calls of a team's rota are the pages that were delivered to its members.
    async fn check_load(&self, team: usize, (from, to): (i64, i64)) {
        let path =
            format!("on-call/rotas/{}/load?from={}&to={}", TEAMS[team], moment(from), moment(to));
        let said = self.get(&path).await;
        let is_of = |of: &&super::sums::Happened| {
            self.services[of.service].team == team && (from..to).contains(&of.called)
        };
        let calls: Vec<_> = self.sums.happened.iter().filter(is_of).collect();
        assert_eq!(number(&said, "/calls"), calls.len() as u64, "{said:#}");
        assert_eq!(said["complete"], true);
        for person in people(TEAMS[team]) {
            let told = said["people"]
                .as_array()
                .unwrap()
                .iter()
                .find(|told| told["who"] == person.as_str());
            let own = calls.iter().filter(|of| of.who == person).count();
            assert_eq!(
                told.map_or(0, |told| number(told, "/events")),
                own as u64,
                "{person}: {said:#}"
            );
        }
    }

    /// Somebody of a team is on call at every moment, and one alone: what is paid adds up to the time.
    async fn check_pay(&self, team: usize, (from, to): (i64, i64)) {
        let path =
            format!("on-call/rotas/{}/pay?from={}&to={}", TEAMS[team], moment(from), moment(to));
        let said = self.get(&path).await;
        let length = |line: &Value, field: &str| {
            let text = line[field].as_str().unwrap_or_else(|| panic!("{field}: {said:#}"));
            Duration::parse(text).unwrap().nanos() / 1_000_000_000
        };
        let lines = said["lines"].as_array().unwrap();
        let standby: i64 = lines.iter().map(|line| length(line, "standby")).sum();
        assert_eq!(standby, to - from, "{said:#}");
        for line in lines {
            let own = self.sums.happened.iter().filter(|of| {
                self.services[of.service].team == team && line["who"] == of.who.as_str()
            });
            let called = own.filter(|of| (from..to).contains(&of.called)).count() as u64;
            assert!(number(line, "/call_outs") <= called, "{line:#}");
            assert!(length(line, "out_of_hours") <= length(line, "standby"), "{line:#}");
            assert_eq!(length(line, "to_come"), 0, "{line:#}");
        }
    }

    /// What is told of the whole year at its end.
    pub(super) async fn check_year(&self) {
        self.check_incidents().await;
        self.check_decisions().await;
        self.check_risks().await;
        self.check_drills().await;
        self.check_custody().await;
        self.check_people().await;
        self.check_return().await;
        self.check_recognition().await;
        self.check_support().await;
        for (service, _) in LAUNCHES {
            let name = self.services[service].name;
            let review = self.get(&format!("reviews/{name}/year-launch")).await;
            assert_eq!(review["standing"]["standing"], "approved", "{review:#}");
        }
        let friction = self.get(&format!("friction?since={}", moment(plan::start()))).await;
        let friction = friction["friction"].as_array().unwrap();
        assert_eq!(friction.len(), self.sums.friction.len());
        for (id, minutes) in &self.sums.friction {
            let told = friction.iter().find(|one| one["id"] == id.as_str()).unwrap();
            assert_eq!(told["weight"]["minutes"], *minutes, "{told:#}");
        }
        for service in &self.services {
            let card = self.get(&format!("services/{}", service.name)).await;
            assert_eq!(card["incidents"], json!([]), "all are over: {card:#}");
        }
        let chain = self.get("audit/verify").await;
        assert_eq!(chain["whole"], true, "{chain}");
    }

    /// What a run burned is what was bad while it lasted, but for what is usual, and lies within all that was counted of it.
    async fn check_drills(&self) {
        for of in &self.sums.drilled {
            let run = self.get(&format!("drill-runs/{}", of.key)).await;
            let measured = &run["run"]["measured"];
            let [burned, counted, valid] =
                ["/burned", "/bad", "/valid"].map(|field| number(measured, field));
            let (all, bad) = self.sums.events(of.service, of.from, of.to);
            let slack = 2 * self.services[of.service].allowed * all / 1_000 + 40;
            assert!(burned <= bad + slack && burned + slack >= bad, "{burned} of {bad}: {run:#}");
            assert!(burned <= counted && counted <= valid, "{run:#}");
        }
    }

    async fn check_incidents(&self) {
        let listed = self.pages("incidents", "incidents").await;
        assert_eq!(listed.len(), self.sums.happened.len());
        for happened in &self.sums.happened {
            let Some(told) =
                listed.iter().find(|one| one["incident"]["id"] == happened.id.as_str())
            else {
                panic!("{} is not listed", happened.id)
            };
            let state = if happened.is_false { "false_alarm" } else { "resolved" };
            assert_eq!(told["state"], state, "{told:#}");
            let (fires, ends) = self.sums.pages(happened.service, happened.from);
            for (field, second) in [
                ("started", happened.from),
                ("detected", fires),
                ("acknowledged", happened.taken),
                ("mitigated", happened.to),
                ("resolved", ends),
            ] {
                assert_eq!(
                    told["incident"][field],
                    moment(second).to_string(),
                    "{field}: {told:#}"
                );
            }
            let cost = self.get(&format!("incidents/{}/cost", happened.id)).await;
            let slo = self.services[happened.service].served();
            let own = cost["costs"].as_array().unwrap().iter().find(|of| of["slo"] == slo.as_str());
            if happened.is_false {
                continue;
            }
            let (all, bad) = self.sums.events(happened.service, happened.from, happened.to);
            let slack = 2 * self.services[happened.service].allowed * all / 1_000 + 40;
            let spent = own.map_or(0, |own| number(own, "/bad"));
            assert!(spent <= bad + slack && spent + slack >= bad, "{spent} of {bad}: {cost:#}");
        }
        for (team, name) in TEAMS.iter().enumerate() {
            let (from, to) = (plan::start(), self.complete());
            let path =
                format!("incident-measures?team={name}&from={}&to={}", moment(from), moment(to));
            let said = self.get(&path).await;
            let own = self.happened(team, (from, to));
            assert_eq!(number(&said, "/measures/incidents"), own.len() as u64, "{said:#}");
            let waited =
                |of: &&super::sums::Happened| of.taken - self.sums.pages(of.service, of.from).0;
            let taken: i64 = own.iter().map(waited).sum();
            if let Some(count) = i64::try_from(own.len()).ok().filter(|count| *count > 0) {
                // Rounded down to a whole nanosecond.
                let mean = Duration::from_nanos(taken * 1_000_000_000 / count).unwrap();
                let told = &said["measures"]["acknowledge"]["lengths"];
                assert_eq!(told["mean"], mean.to_string(), "{told:#}");
                assert_eq!(told["spread"]["count"], count, "{told:#}");
            }
        }
    }

    /// All rows of a list, page by page.
    pub(super) async fn pages(&self, path: &str, rows: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut on = String::new();
        // What has an order of its own is walked forwards, what happens backwards.
        let cursor = if ["audit", "services", "catalogue", "checklists"].contains(&path) {
            "after"
        } else {
            "before"
        };
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{sign}limit=100{on}")).await;
            all.extend(page[rows].as_array().unwrap_or_else(|| panic!("{page:#}")).clone());
            if page["next"].is_null() {
                return all;
            }
            let next =
                page["next"].as_str().map_or_else(|| page["next"].to_string(), str::to_owned);
            on = format!("&{cursor}={next}");
        }
    }

    /// The gate's decisions are those that it answered.
    async fn check_decisions(&self) {
        for (place, service) in self.services.iter().enumerate() {
            let path = format!("gate/{}/decisions", service.name);
            let kept = self.pages(&path, "decisions").await;
            let asked: Vec<_> = self.sums.decided.iter().filter(|of| of.service == place).collect();
            assert_eq!(kept.len(), asked.len(), "{}", service.name);
            let allowed = |of: &&Value| {
                let outcome = of["decision"]["outcome"].as_str().unwrap();
                outcome == "allow" || outcome == "warn"
            };
            let let_through = asked.iter().filter(|of| of.is_allowed).count();
            assert_eq!(kept.iter().filter(allowed).count(), let_through, "{}", service.name);
            for of in asked {
                let at = moment(of.at).to_string();
                assert!(kept.iter().any(|one| one["decision"]["at"] == at.as_str()), "{at}");
            }
        }
        let name = self.services[FROZEN].name;
        let overrides = self.get(&format!("gate/{name}/overrides")).await;
        assert_eq!(overrides["overrides"].as_array().map(Vec::len), Some(1), "{overrides:#}");
        assert!(self.sums.decided.iter().any(|of| of.by_override));
    }

    /// The register's measurements are the incidents that were put down to it, each when users were hit, and the drills
    /// that name it, told as such; drills that name no risk are not among them.
    async fn check_risks(&self) {
        let mut drilled = 0;
        for (place, service) in self.services.iter().enumerate() {
            if service.tier != "critical" || service.since > 0 {
                continue;
            }
            let said = self.get(&format!("services/{}/risks/measured", service.name)).await;
            let own = self.sums.happened.iter().filter(|of| of.service == place && !of.is_false);
            let own: BTreeMap<String, Value> = own
                .map(|of| {
                    let detected = self.sums.pages(of.service, of.from).0;
                    let moments = [of.from, detected, of.to].map(|at| moment(at).to_string());
                    (of.id.clone(), json!(moments))
                })
                .collect();
            let occurrences = said["risks"][0]["occurrences"].as_array().unwrap();
            let (drills, incidents): (Vec<&Value>, Vec<&Value>) =
                occurrences.iter().partition(|of| of["source"] == "drill");
            let told = |of: &&Value| {
                let moments = json!([of["started"], of["detected"], of["ended"]]);
                (of["id"].as_str().unwrap().to_owned(), moments)
            };
            assert!(incidents.iter().all(|of| of["source"] == "incident"), "{said:#}");
            assert_eq!(incidents.iter().map(told).collect::<BTreeMap<_, _>>(), own, "{said:#}");
            assert_eq!(incidents.len(), own.len(), "{said:#}");
            let planned = self.sums.drilled.iter().filter(|of| of.service == place);
            assert_eq!(drills.len(), planned.count(), "{said:#}");
            drilled += drills.len();
        }
        assert_eq!(drilled, 1, "one of the drills names a risk");
    }

    async fn check_custody(&self) {
        let moves = async |service: usize| {
            let name = self.services[service].name;
            let said = self.get(&format!("custody/{name}")).await;
            let moves = said["moves"].as_array().unwrap().iter();
            let to: Vec<String> = moves.map(|one| one["to"].as_str().unwrap().to_owned()).collect();
            (said["holder"].as_str().unwrap().to_owned(), to)
        };
        assert_eq!(
            moves(KEPT).await,
            ("sre".to_owned(), vec!["shared".to_owned(), "sre".to_owned()])
        );
        assert_eq!(moves(GROWN).await, moves(KEPT).await, "by the lists that ship");
        assert_eq!(moves(SHARED).await, ("shared".to_owned(), vec!["shared".to_owned()]));
        let (holder, to) = moves(HANDED_BACK).await;
        assert_eq!(
            (holder.as_str(), to.join(" ")),
            ("developers", "shared sre developers".to_owned())
        );
        let missed = [(90, 181), (181, 273)]
            .map(|(from, to)| !self.sums.is_kept(HANDED_BACK, plan::at(from, 0), plan::at(to, 0)));
        assert_eq!(missed, [true, true], "that is why");
    }

    /// Everybody who was called is listed, and what was made of rotas holds.
    async fn check_people(&self) {
        let calls = self.pages("on-call/calls", "calls").await;
        assert_eq!(calls.len(), self.sums.happened.len());
        for (team, from, to, who) in &self.sums.exceptions {
            let middle = moment((from + to) / 2);
            let said = self.get(&format!("on-call/rotas/{}?at={middle}", TEAMS[*team])).await;
            assert_eq!(said["called"], json!([who]), "{middle}");
        }
    }
}

/// The first objective of an SLO has counted this.
fn compare_budget(slo: &Value, (valid, bad): Counted) {
    let budget = &slo["objectives"][0]["budget"];
    assert_eq!((number(budget, "/valid"), number(budget, "/bad")), (valid, bad), "{slo:#}");
}

/// How many seconds a length has, which may be told with a fraction.
pub(super) fn seconds(of: &Value, field: &str) -> f64 {
    let text = of.pointer(field).and_then(Value::as_str);
    let length = text.and_then(|text| match text.strip_suffix('s') {
        Some(seconds) => seconds.parse().ok(),
        None => Duration::parse(text).ok().map(Duration::as_seconds_f64),
    });
    length.unwrap_or_else(|| panic!("{field}: {of:#}"))
}

/// Half of so many seconds as the server writes it.
fn length(twice: i64) -> Value {
    let nanos = Duration::from_nanos(twice * 500_000_000).unwrap();
    Value::String(nanos.to_string())
}
