//! Policies, tiers, services, checklists, rules of custody, risks, rotas, escalations and drills, read from documents
//! and checked; those that ship where documents say nothing.

mod drills;
mod oncall;
mod reading;
mod risks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flyball_govern::checklist::{self, Checklist, ChecklistSpec};
use flyball_govern::custody::{self, CustodyRules, CustodyRulesSpec};
use flyball_govern::drill::{Drill, DrillSpec};
use flyball_govern::gate::PolicyTest;
use flyball_govern::incident::{Runbook, RunbookSpec};
use flyball_govern::money::{ASSUMED, SupportCosts, SupportCostsSpec};
use flyball_govern::oncall::{Escalation, EscalationSpec, Rota, RotaSpec, Switchboard};
use flyball_govern::policy::{
    BY_CUSTODY, BudgetPolicySpec, FOUR_WEEKS, Policy, PolicyError, QUARTERLY, Role, Tier, TierSpec,
};
use flyball_govern::risk::{Risk, RiskRules, RiskRulesSpec, RiskSpec};
use flyball_govern::service::{Service, ServiceSpec};
use flyball_query::near_matches;
use flyball_spec::{
    Beside, Diagnostic, ELSEWHERE, Governing, GoverningKind, Origins, Source, SpecSet, load,
};
use reading::{conditions, read};

/// Who decides on changes by which policy, and who answers for which service.
#[derive(Debug, Clone, Default)]
pub struct Governance {
    policies: BTreeMap<String, Policy>,
    tiers: BTreeMap<String, Tier>,
    /// The tiers of the services that name one.
    tiers_of: BTreeMap<String, String>,
    /// What services say of themselves by the kind of our own.
    services: BTreeMap<String, Service>,
    runbooks: BTreeMap<String, Runbook>,
    risks: BTreeMap<String, Risk>,
    risk_rules: BTreeMap<String, RiskRules>,
    costs: BTreeMap<String, SupportCosts>,
    checklists: BTreeMap<String, Checklist>,
    custody_rules: BTreeMap<String, CustodyRules>,
    rotas: BTreeMap<String, Rota>,
    escalations: BTreeMap<String, Escalation>,
    drills: BTreeMap<String, Drill>,
    switchboard: Arc<Switchboard>,
}

/// The rules of custody that a service goes by which names none.
const USUAL: &str = "usual";

impl Governance {
    /// The tier of `service`; of one that names none the usual one.
    pub fn tier(&self, service: &str) -> Tier {
        let named = self.tiers_of.get(service).and_then(|name| self.tiers.get(name));
        let usual = || {
            let tier = Tier::default();
            self.tiers.get(&tier.name).cloned().unwrap_or(tier)
        };
        named.cloned().unwrap_or_else(usual)
    }

    /// What the service called `name` says of itself; `None` when no document of ours describes it.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }

    /// What services say of themselves, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Who is called for which service, as documents say it.
    pub const fn switchboard(&self) -> &Arc<Switchboard> {
        &self.switchboard
    }

    /// The services that `name` asks, as it says; none where nothing describes it.
    pub fn dependencies(&self, name: &str) -> impl Iterator<Item = &str> {
        let own = self.service(name).into_iter().flat_map(|of| &of.spec.dependencies);
        own.map(|of| of.service.as_str())
    }

    /// The services that say they ask `name`, in the order of their names.
    pub fn dependants(&self, name: &str) -> impl Iterator<Item = &str> {
        let asks = move |of: &&Service| of.spec.dependencies.iter().any(|on| on.service == name);
        self.services.values().filter(asks).map(|of| of.name.as_str())
    }

    /// The policy called `name`.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.get(name)
    }

    /// Every runbook, by name.
    pub fn runbooks(&self) -> impl Iterator<Item = &Runbook> {
        self.runbooks.values()
    }

    /// The checklist called `name`.
    pub fn checklist(&self, name: &str) -> Option<&Checklist> {
        self.checklists.get(name)
    }

    /// Every checklist, by name.
    pub fn checklists(&self) -> impl Iterator<Item = &Checklist> {
        self.checklists.values()
    }

    /// The rules of custody called `name`.
    pub fn rules_of_custody(&self, name: &str) -> Option<&CustodyRules> {
        self.custody_rules.get(name)
    }

    /// The rules by which the pager of `service` changes hands; `None` when it names some that are not there.
    pub fn custody_rules(&self, service: &str) -> Option<&CustodyRules> {
        let named = self.service(service).and_then(|of| of.spec.custody_rules.as_deref());
        self.custody_rules.get(named.unwrap_or(USUAL))
    }

    /// The functions in the company that documents ask for: who signs, waives, decides, and who is told.
    pub fn functions(&self) -> BTreeSet<&str> {
        let policies = self.policies.values().flat_map(|policy| policy.spec().functions());
        let tiers = self.tiers.values().flat_map(|tier| tier.spec.rights.0.values().flatten());
        let checklists = self.checklists.values().flat_map(|it| it.spec().functions());
        let rules = self.custody_rules.values().flat_map(|rules| rules.spec().functions());
        policies.chain(tiers).chain(checklists).chain(rules).map(Role::name).collect()
    }

    /// Every policy, by name.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values()
    }
}

/// The policies, tiers and services of `set`, and what is wrong with them. A document takes the place of what
/// ships under its name.
pub fn governance(set: &SpecSet) -> (Governance, Vec<Diagnostic>) {
    let (governance, mut found) = counting(set);
    if let Some(Beside { set: other, first, later }) = set.beside() {
        // What does not count, since its name is another's, would as soon as that one is gone: it is held against the rest
        // as if it did; what comes behind that only by itself.
        let (mut counted, told) = counting(&other);
        found.extend(other.origins.about(&first, told));
        found.extend(later.iter().flat_map(|of| faults(&mut counted, set, of)));
    }
    (governance, found)
}

/// As [`governance`], of the documents that count.
fn counting(set: &SpecSet) -> (Governance, Vec<Diagnostic>) {
    let mut governance = shipped();
    let mut found = Vec::new();
    for of in &set.governing {
        found.extend(faults(&mut governance, set, of));
    }
    found.extend(unknown_policies(set, &governance));
    found.extend(unknown_slos(set, &governance));
    found.extend(risks::faults(set, &governance));
    found.extend(unknown_rules(set, &governance));
    found.extend(oncall::unknown(set, &governance));
    found.extend(oncall::nearly(set, &governance));
    found.extend(drills::faults(set, &governance));
    governance.switchboard = Arc::new(oncall::switchboard(&governance));
    for service in &set.services {
        let Some(tier) = &service.tier else { continue };
        if governance.tiers.contains_key(tier) {
            governance.tiers_of.insert(service.name.clone(), tier.clone());
            continue;
        }
        let known: Vec<&str> = governance.tiers.keys().map(String::as_str).collect();
        let message = format!("no tier is called `{tier}`");
        found.extend(set.origins.tier_error(service, &message, hint(tier, &known)));
    }
    (governance, found)
}

/// Reads one document of `set` into `governance`; what is wrong with it by itself.
fn faults(governance: &mut Governance, set: &SpecSet, of: &Governing) -> Vec<Diagnostic> {
    let tell = |error: &PolicyError| {
        set.origins.governing_error(of, &error.path, error.place, &error.message)
    };
    take(governance, of).iter().filter_map(tell).collect()
}

/// What ships.
fn shipped() -> Governance {
    let ready = [FOUR_WEEKS, QUARTERLY, BY_CUSTODY, custody::USUAL, ASSUMED].into_iter();
    let ready = ready.chain(checklist::READY);
    let sources: Vec<Source> = ready.map(|text| Source::new("shipped.yaml", text)).collect();
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
            let spec = match read::<BudgetPolicySpec>(of) {
                Ok(spec) => spec,
                Err(errors) => return errors.into_iter().chain(conditions(of)).collect(),
            };
            let policy = Policy::new(&name, spec);
            policy.map(|policy| governance.policies.insert(name, policy)).err().unwrap_or_default()
        }
        GoverningKind::Tier => {
            let tier = read::<TierSpec>(of).and_then(|spec| Tier::new(&name, spec));
            tier.map(|tier| governance.tiers.insert(name, tier)).err().unwrap_or_default()
        }
        GoverningKind::Service => {
            let service = read::<ServiceSpec>(of).and_then(|spec| Service::new(&name, spec));
            let taken = service.map(|service| governance.services.insert(name, service));
            taken.err().unwrap_or_default()
        }
        GoverningKind::Runbook => {
            let runbook = read::<RunbookSpec>(of).and_then(|spec| Runbook::new(&name, spec));
            let taken = runbook.map(|runbook| governance.runbooks.insert(name, runbook));
            taken.err().unwrap_or_default()
        }
        GoverningKind::Risk => {
            let risk = read::<RiskSpec>(of).and_then(|spec| Risk::new(&name, spec));
            risk.map(|risk| governance.risks.insert(name, risk)).err().unwrap_or_default()
        }
        GoverningKind::RiskRules => {
            let rules = read::<RiskRulesSpec>(of).and_then(|spec| RiskRules::new(&name, spec));
            rules.map(|rules| governance.risk_rules.insert(name, rules)).err().unwrap_or_default()
        }
        GoverningKind::SupportCosts => {
            let costs =
                read::<SupportCostsSpec>(of).and_then(|spec| SupportCosts::new(&name, spec));
            costs.map(|costs| governance.costs.insert(name, costs)).err().unwrap_or_default()
        }
        GoverningKind::Checklist => {
            let checklist = read::<ChecklistSpec>(of).and_then(|spec| Checklist::new(&name, spec));
            let taken = checklist.map(|checklist| governance.checklists.insert(name, checklist));
            taken.err().unwrap_or_default()
        }
        GoverningKind::CustodyRules => {
            let rules =
                read::<CustodyRulesSpec>(of).and_then(|spec| CustodyRules::new(&name, spec));
            let taken = rules.map(|rules| governance.custody_rules.insert(name, rules));
            taken.err().unwrap_or_default()
        }
        GoverningKind::Rota => {
            let rota = read::<RotaSpec>(of).and_then(|spec| Rota::new(&name, spec));
            rota.map(|rota| governance.rotas.insert(name, rota)).err().unwrap_or_default()
        }
        GoverningKind::Escalation => {
            let chain = read::<EscalationSpec>(of).and_then(|spec| Escalation::new(&name, spec));
            chain.map(|chain| governance.escalations.insert(name, chain)).err().unwrap_or_default()
        }
        GoverningKind::Drill => {
            let drill = read::<DrillSpec>(of).and_then(|spec| Drill::new(&name, spec));
            drill.map(|drill| governance.drills.insert(name, drill)).err().unwrap_or_default()
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

/// Agreements about SLOs that the service does not have: those of others are theirs to show.
fn unknown_slos(set: &SpecSet, governance: &Governance) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for of in set.governing.iter().filter(|of| of.kind == GoverningKind::Service) {
        let Some(service) = governance.services.get(&of.name) else { continue };
        let own = set.slos.iter().filter(|slo| slo.service == of.name);
        let own = own.map(|slo| slo.name.as_str());
        let known: Vec<&str> =
            own.chain(set.incomplete.iter().map(|slo| slo.name.as_str())).collect();
        for (at, agreement) in service.spec.agreements.iter().enumerate() {
            let slo = &agreement.slo;
            if known.contains(&slo.as_str()) {
                continue;
            }
            let hint = match near_matches(slo, known.iter().copied()).first() {
                Some(near) => format!("did you mean `{near}`?"),
                None => ELSEWHERE.to_owned(),
            };
            let message = format!("the service has no SLO `{slo}`\nhint: {hint}");
            let path = format!("spec.agreements[{at}].slo");
            found.extend(set.origins.governing_error(of, &path, None, &message));
        }
    }
    found
}

/// Services of `set` whose rules of custody nobody knows.
fn unknown_rules(set: &SpecSet, governance: &Governance) -> Vec<Diagnostic> {
    let services = set.governing.iter().filter(|of| of.kind == GoverningKind::Service);
    let unknown = services.filter_map(|of| {
        let rules = governance.services.get(&of.name)?.spec.custody_rules.as_ref()?;
        if governance.custody_rules.contains_key(rules) {
            return None;
        }
        let known: Vec<&str> = governance.custody_rules.keys().map(String::as_str).collect();
        let message =
            format!("no rules of custody are called `{rules}`\nhint: {}", hint(rules, &known));
        set.origins.governing_error(of, "spec.custodyRules", None, &message)
    });
    unknown.collect()
}

fn hint(name: &str, known: &[&str]) -> String {
    match near_matches(name, known.iter().copied()).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}; else {ELSEWHERE}", known.join(", ")),
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
        let (governance, found) =
            told(&format!("{FOUR_WEEKS}\n---\n{QUARTERLY}\n---\n{BY_CUSTODY}"));
        assert_eq!(found, Vec::<String>::new());
        assert_eq!(governance.policies().count(), 3);
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
    fn checklists_and_rules_ship_and_make_room_for_own_ones() {
        let (shipped, found) =
            told("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}\n");
        assert_eq!(found, Vec::<String>::new());
        let names: Vec<&str> = shipped.checklists().map(Checklist::name).collect();
        assert_eq!(
            names,
            ["hand-off-readiness", "launch-readiness", "production-readiness", "slo-review"]
        );
        assert_eq!(shipped.custody_rules("shop").map(CustodyRules::name), Some("usual"));
        let own = custody::USUAL.replace("name: usual", "name: strict");
        let (own, found) = told(&format!(
            "{own}---\napiVersion: flyball.dev/v1\nkind: Service\nmetadata: {{name: shop}}\n\
             spec: {{custodyRules: strict}}\n---\napiVersion: flyball.dev/v1\nkind: Checklist\n\
             metadata: {{name: slo-review}}\nspec: {{version: 7, stage: slo_review, signers: [sre], \
             items: [{{id: one, heading: promises, ask: Is it right?}}]}}\n"
        ));
        assert_eq!(found, Vec::<String>::new());
        assert_eq!(own.custody_rules("shop").map(CustodyRules::name), Some("strict"));
        assert_eq!(own.custody_rules("other").map(CustodyRules::name), Some("usual"));
        assert_eq!(own.checklist("slo-review").map(|list| list.spec().version), Some(7));
        let (_, found) = told(
            "apiVersion: flyball.dev/v1\nkind: Service\nmetadata: {name: shop}\nspec: {custodyRules: usal}\n\
             ---\napiVersion: flyball.dev/v1\nkind: Checklist\nmetadata: {name: mine}\n\
             spec:\n  version: 1\n  stage: launch\n  signers: [sre]\n  items:\n\
             \x20 - {id: one, heading: promises, ask: Is it right?, holds: pages.per_wek < 1}\n",
        );
        let begins = [
            "14:60 spec.items[0].holds ",
            "4:22 spec.custodyRules no rules of custody are called `usal`; did you mean `usual`?",
        ];
        assert_eq!(found.len(), begins.len(), "{found:#?}");
        for (found, begins) in found.iter().zip(begins) {
            assert!(found.starts_with(begins), "{found}\n{begins}");
        }
    }

    #[test]
    fn a_service_is_described_once_by_either_kind() {
        let (governance, found) = told(
            "apiVersion: flyball.dev/v1\nkind: Service\nmetadata: {name: shop}\n\
             spec: {team: checkout, tier: critical}\n---\n\
             apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}\n",
        );
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("another Service `shop` comes before"), "{found:#?}");
        assert_eq!(governance.tier("shop").name, "critical");
        let team = governance.service("shop").and_then(|shop| shop.spec.team.as_deref());
        assert_eq!((team, governance.service("other")), (Some("checkout"), None));
    }

    #[test]
    fn a_runbook_says_when_to_go_back() {
        let text = "apiVersion: flyball.dev/v1
kind: Runbook
metadata: {name: payments-down}
spec:
  description: Payments fail.
  services: [shop]
  steps: [Look at the bank's status page.]
  rollback:
  - {when: 'burn.last_1h > 14.4', holds: 10m, then: Roll back the last deployment., who: on_call}
";
        let (governance, found) = told(text);
        assert_eq!(found, Vec::<String>::new());
        let runbook = governance.runbooks().next().unwrap();
        assert!(runbook.is_of(&["shop"]) && !runbook.is_of(&["bank"]));
        let (_, found) = told(&text.replace("last_1h", "lats_1h"));
        assert!(found[0].starts_with("9:13 spec.rollback[0].when "), "{found:#?}");
        let (_, found) = told(&text.replace("who: on_call", "who: 7"));
        assert!(found[0].contains("spec.rollback[0].who"), "{found:#?}");
    }

    #[test]
    fn all_that_cannot_be_read_is_told_at_once() {
        let text = "apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: shop}
spec:
  version: 1
  approvers: [SRE, sre, 'the boss']
  revisit: soon
  levles: []
  levels:
  - {name: one, when: budget.exhausted, deploys: {deny: [feature, party], warn: [fix]}}
  - {when: budget.exhuasted, require: [{role: sre}]}
  - {name: three, caps: [{classes: [feature], share: much, bake: 30m}, {classes: [fix], share: 5%, bake: soon}]}
  exemptions: [{cause: drill, why: 7}]
";
        let (_, found) = told(text);
        let places: Vec<&str> = found.iter().filter_map(|one| one.split(' ').nth(1)).collect();
        assert_eq!(
            places,
            [
                "spec.approvers[0]",
                "spec.approvers[2]",
                "spec.exemptions[0].why",
                "spec.levels[0].deploys.deny[1]",
                "spec.levels[1].require[0]",
                "spec.levels[1]",
                "spec.levels[2].caps[0].share",
                "spec.levels[2].caps[1].bake",
                "spec.levles",
                "spec.revisit",
                "spec.levels[1].when",
            ],
            "{found:#?}"
        );
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
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: search}
spec:
  tier: critcal
  runbook: wiki/search
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: ads}
spec: {delivery: {targets: {leadTime: soon}}}
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: bank}
spec: {agreements: [{name: gold, with: ACME, slo: served, target: 99%, window: 30d}]}
";
        let (_, found) = told(text);
        let begins = [
            "10:31 spec.levels[0].when ",
            "11:21 spec.levels[0].deploys.deny `rollback` restores",
            "20:12 spec.revisit `soon` is not a date",
            "38:12 spec.runbook it is no address",
            "43:39 spec.delivery.targets.leadTime ",
            "26:61 spec.policy no policy is called `four-week`; did you mean `four-weeks`?",
            "48:51 spec.agreements[0].slo the service has no SLO `served`; load the file",
            "30:56 metadata.annotations no tier is called `critcal`; did you mean `critical`?",
            "37:9 spec.tier no tier is called `critcal`; did you mean `critical`?",
        ];
        assert_eq!(found.len(), begins.len(), "{found:#?}");
        for (found, begins) in found.iter().zip(begins) {
            assert!(found.starts_with(begins), "{found}\n{begins}");
        }
    }

    #[test]
    fn copies_are_told_of_however_many_there_are() {
        let tier = |target: &str| {
            format!(
                "apiVersion: flyball.dev/v1\nkind: Tier\nmetadata: {{name: gold}}\nspec: {{target: {target}, window: 28d, \
                 alerting: none, policy: usual}}\n---\n"
            )
        };
        let text = [tier("99%"), tier("199%"), tier("99%"), tier("299%")].concat();
        let told = |text: String| {
            let (set, _) = flyball_spec::load(&[Source::new("a.yaml", text)]);
            governance(&set).1
        };
        let lines: Vec<usize> =
            told(text).iter().filter(|of| of.path.contains("target")).map(|of| of.line).collect();
        assert_eq!(lines, [9, 19]);
        // On a small stack as well.
        let many = tier("99%").repeat(10_000);
        let thread = std::thread::Builder::new().stack_size(1 << 20);
        thread.spawn(move || told(many)).unwrap().join().unwrap();
    }
}
