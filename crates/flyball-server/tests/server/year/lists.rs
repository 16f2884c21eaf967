//! A service changes hands by the lists and the rules that ship: what is answered live is what was sent.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::plan;
use super::play::{ADA, BO, CY, Player, ROBOT};

const DAY: i64 = 86_400;
/// The days with which months begin.
const MONTHS: [u32; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

impl Player {
    /// Operations takes part: it has been reviewed, and kept its budgets for a quarter.
    pub(super) async fn share_by_lists(&self, service: usize) {
        let signers = [(CY, "engineering_lead"), (BO, "sre")];
        self.review_by_list(service, "production-readiness", &signers).await;
        self.step_by_rules(service, "shared", &signers).await;
    }

    /// Operations takes it over.
    pub(super) async fn take_by_lists(&self, service: usize) {
        let signers = [(CY, "product_manager"), (ROBOT, "engineering_lead"), (BO, "sre")];
        self.review_by_list(service, "hand-off-readiness", &signers).await;
        self.step_by_rules(service, "sre", &signers).await;
    }

    /// Answers what only people can answer; the rest is looked up, and all of it holds.
    async fn review_by_list(&self, service: usize, list: &str, signers: &[(usize, &str)]) {
        let name = self.services[service].name;
        let of = format!("reviews/{name}");
        self.done(ADA, &of, json!({"checklist": list})).await;
        let of = format!("{of}/{list}");
        let review = self.get(&of).await;
        for item in review["assessment"]["items"].as_array().unwrap() {
            if item["outcome"]["outcome"] == "unanswered" {
                let answer = json!({"item": item["id"], "yes": true, "evidence": "seen in March"});
                self.done(ADA, &format!("{of}/answers"), answer).await;
            }
        }
        if list == "hand-off-readiness" {
            self.done(ADA, &format!("{of}/adviser"), json!({"who": "Dee of SRE"})).await;
        }
        let submitted = self.done(ADA, &format!("{of}/submission"), json!({})).await;
        self.check_answers(service, &submitted);
        let mut last = Value::Null;
        for (who, role) in signers {
            last = self.done(*who, &format!("{of}/signatures"), json!({"role": role})).await;
        }
        assert_eq!(last["standing"]["standing"], "approved", "{last:#}");
    }

    async fn step_by_rules(&self, service: usize, to: &str, signers: &[(usize, &str)]) {
        let of = format!("custody/{}", self.services[service].name);
        self.done(ADA, &format!("{of}/step"), json!({"to": to, "why": "it has grown"})).await;
        let mut last = Value::Null;
        for (who, role) in signers {
            last = self.done(*who, &format!("{of}/step/signatures"), json!({"role": role})).await;
        }
        assert_eq!(last["holder"], to, "{last:#}");
    }

    /// What was looked up is what was sent and done.
    fn check_answers(&self, service: usize, submitted: &Value) {
        let (now, end) = (self.second(), self.complete());
        let items = submitted["assessment"]["items"].as_array().unwrap();
        let seen: BTreeMap<&str, &str> = items
            .iter()
            .flat_map(|item| item["seen"].as_array().unwrap())
            .filter_map(|one| Some((one["name"].as_str()?, one["value"].as_str()?)))
            .collect();
        let months: Vec<i64> = MONTHS.iter().map(|day| plan::at(*day, 0)).collect();
        let whole = months.windows(2).filter(|month| month[1] <= end);
        let kept = whole.filter(|month| self.sums.is_kept(service, month[0], month[1])).count();
        // It asks whether it may be handed off once it has kept them for half a year.
        match seen.get("budget.kept_months") {
            Some(told) => assert_eq!(*told, kept.to_string()),
            None => assert!(kept >= 6, "{kept}"),
        }
        if let Some(told) = seen.get("changes.deployments") {
            let shipped = self.sums.shipped.iter().filter(|of| of.service == service);
            let lately = shipped.filter(|of| (now - 90 * DAY..now).contains(&of.at)).count();
            assert_eq!(*told, lately.to_string());
        }
        if let Some(told) = seen.get("budget.remaining_share") {
            let (valid, bad) = self.sums.events(service, self.sums.window(service, end), end);
            let allowed = self.services[service].allowed as f64 * valid as f64 / 1_000.0;
            assert!((about(told) - (1.0 - bad as f64 / allowed)).abs() < 1e-6, "{told}");
        }
        // Users came in each of the last hours.
        assert!(about(seen["budget.hours_covered"]) >= 671.0 / 672.0 - 1e-6, "{seen:?}");
        assert_eq!(seen["changes.failure_rate"], "0");
        assert!(seen.len() > 8, "{seen:?}");
    }
}

/// A number that may be rounded.
fn about(told: &str) -> f64 {
    told.trim_start_matches('≈').parse().unwrap_or_else(|_| panic!("{told}"))
}
