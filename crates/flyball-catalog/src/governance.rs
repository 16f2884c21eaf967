//! Policies and tiers, read from documents and checked; those that ship where documents say nothing.

use std::collections::BTreeMap;

use flyball_govern::gate::PolicyTest;
use flyball_govern::policy::{
    BudgetPolicySpec, FOUR_WEEKS, Policy, PolicyError, QUARTERLY, Tier, TierSpec,
};
use flyball_query::near_matches;
use flyball_spec::{Diagnostic, Governing, GoverningKind, Origins, Source, SpecSet, load};
use serde::de::DeserializeOwned;

/// Who decides on changes by which policy.
#[derive(Debug, Clone, Default)]
pub struct Governance {
    policies: BTreeMap<String, Policy>,
    tiers: BTreeMap<String, Tier>,
    /// The tiers of the services that name one.
    services: BTreeMap<String, String>,
}

impl Governance {
    /// The tier of `service`; of one that names none the usual one.
    pub fn tier(&self, service: &str) -> Tier {
        let named = self.services.get(service).and_then(|name| self.tiers.get(name));
        let usual = || {
            let tier = Tier::default();
            self.tiers.get(&tier.name).cloned().unwrap_or(tier)
        };
        named.cloned().unwrap_or_else(usual)
    }

    /// The policy called `name`.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.get(name)
    }

    /// Every policy, by name.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values()
    }
}

/// The policies and tiers of `set`, and what is wrong with them. A document takes the place of what
/// ships under its name.
pub fn governance(set: &SpecSet) -> (Governance, Vec<Diagnostic>) {
    let mut governance = shipped();
    let mut found = Vec::new();
    for of in &set.governing {
        let tell = |error: &PolicyError| {
            set.origins.governing_error(of, &error.path, error.place, &error.message)
        };
        found.extend(take(&mut governance, of).iter().filter_map(tell));
    }
    found.extend(unknown_policies(set, &governance));
    for service in &set.services {
        let Some(tier) = &service.tier else { continue };
        if governance.tiers.contains_key(tier) {
            governance.services.insert(service.name.clone(), tier.clone());
            continue;
        }
        let known: Vec<&str> = governance.tiers.keys().map(String::as_str).collect();
        let message = format!("no tier is called `{tier}`");
        found.extend(set.origins.tier_error(service, &message, hint(tier, &known)));
    }
    (governance, found)
}

/// What ships.
fn shipped() -> Governance {
    let sources = [FOUR_WEEKS, QUARTERLY].map(|text| Source::new("shipped.yaml", text));
    let (set, _) = load(&sources);
    let mut governance = Governance::default();
    for of in &set.governing {
        take(&mut governance, of);
    }
    governance.tiers = Tier::shipped().into_iter().map(|tier| (tier.name.clone(), tier)).collect();
    governance
}

/// Reads one document into `governance`; what is wrong with it otherwise.
fn take(governance: &mut Governance, of: &Governing) -> Vec<PolicyError> {
    let name = of.name.clone();
    match of.kind {
        GoverningKind::BudgetPolicy => {
            let policy = read::<BudgetPolicySpec>(of).and_then(|spec| Policy::new(&name, spec));
            policy.map(|policy| governance.policies.insert(name, policy)).err().unwrap_or_default()
        }
        GoverningKind::Tier => {
            let tier = read::<TierSpec>(of).and_then(|spec| Tier::new(&name, spec));
            tier.map(|tier| governance.tiers.insert(name, tier)).err().unwrap_or_default()
        }
        GoverningKind::PolicyTest => vec![PolicyError {
            path: "kind".to_owned(),
            place: None,
            message: "tests of policies are not evaluated; hint: `flyball policy test` runs them"
                .to_owned(),
        }],
    }
}

/// The tests of a policy.
///
/// # Errors
///
/// What is wrong with the document.
pub fn policy_test(of: &Governing) -> Result<PolicyTest, Vec<PolicyError>> {
    read(of)
}

/// The `spec` of a document as what it is to be.
fn read<T: DeserializeOwned>(of: &Governing) -> Result<T, Vec<PolicyError>> {
    serde_path_to_error::deserialize(&of.spec).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => "spec".to_owned(),
            below => format!("spec.{below}"),
        };
        vec![PolicyError { path, place: None, message: error.into_inner().to_string() }]
    })
}

/// Tiers of `set` whose policy nobody knows.
fn unknown_policies(set: &SpecSet, governance: &Governance) -> Vec<Diagnostic> {
    let origins: &Origins = &set.origins;
    let tiers = set.governing.iter().filter(|of| of.kind == GoverningKind::Tier);
    let unknown = tiers.filter_map(|of| {
        let policy = &governance.tiers.get(&of.name)?.spec.policy;
        if governance.policies.contains_key(policy) {
            return None;
        }
        let known: Vec<&str> = governance.policies.keys().map(String::as_str).collect();
        let message = format!("no policy is called `{policy}`\nhint: {}", hint(policy, &known));
        origins.governing_error(of, "spec.policy", None, &message)
    });
    unknown.collect()
}

fn hint(name: &str, known: &[&str]) -> String {
    match near_matches(name, known.iter().copied()).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (Governance, Vec<String>) {
        let (set, mut found) = load(&[Source::new("a.yaml", text)]);
        let (governance, more) = governance(&set);
        found.extend(more);
        let said = found.iter().map(|one| {
            let hint = one.hint.as_deref().unwrap_or_default();
            format!("{}:{} {} {}; {hint}", one.line, one.column, one.path, one.message)
        });
        (governance, said.collect())
    }

    #[test]
    fn what_ships_applies_as_it_ships() {
        let (governance, found) = told(&format!("{FOUR_WEEKS}\n---\n{QUARTERLY}"));
        assert_eq!(found, Vec::<String>::new());
        assert_eq!(governance.policies().count(), 2);
        let (usual, found) = told(
            "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop, annotations: \
             {flyball.dev/tier: critical}}\nspec: {}\n",
        );
        assert_eq!(found, Vec::<String>::new());
        let tier = usual.tier("shop");
        assert_eq!(
            (tier.name.as_str(), tier.spec.policy.as_str()),
            ("critical", "quarterly-with-sign-off")
        );
        assert_eq!(usual.tier("other").name, "standard");
        for tier in Tier::shipped() {
            assert!(usual.policy(&tier.spec.policy).is_some(), "{}", tier.name);
        }
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let text = "apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: shop}
spec:
  version: 1
  approvers: [sre]
  revisit: 2027-06-01
  levels:
  - name: overspent
    when: budget.exhausted && budget.exhuasted
    deploys: {deny: [feature, rollback]}
  - name: within
---
apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: other}
spec:
  version: 1
  approvers: [sre]
  revisit: soon
  levels: [{name: within}]
---
apiVersion: flyball.dev/v1
kind: Tier
metadata: {name: mine}
spec: {target: 99%, window: 28d, alerting: default, policy: four-week}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: shop, annotations: {flyball.dev/tier: critcal}}
spec: {}
";
        let (_, found) = told(text);
        let begins = [
            "10:31 spec.levels[0].when ",
            "11:21 spec.levels[0].deploys.deny `rollback` restores",
            "20:12 spec.revisit `soon` is not a date",
            "26:61 spec.policy no policy is called `four-week`; did you mean `four-weeks`?",
            "30:56 metadata.annotations no tier is called `critcal`; did you mean `critical`?",
        ];
        assert_eq!(found.len(), begins.len(), "{found:#?}");
        for (found, begins) in found.iter().zip(begins) {
            assert!(found.starts_with(begins), "{found}\n{begins}");
        }
    }
}
