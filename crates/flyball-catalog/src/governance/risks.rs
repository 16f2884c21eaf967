//! The registers of services, and the costs of support, as documents say them.

use std::collections::BTreeMap;

use flyball_govern::money::SupportCosts;
use flyball_govern::risk::{RISKS_MAX, Register, RiskRules};
use flyball_query::near_matches;
use flyball_spec::{Diagnostic, ELSEWHERE, Governing, GoverningKind, SpecSet};

use super::Governance;

/// What the costs are called that ship.
const SHIPPED_COSTS: &str = "assumed";

impl Governance {
    /// What holds for all risks of `service`; what is usual, under its name, where nobody has said.
    pub fn risk_rules(&self, service: &str) -> RiskRules {
        let said = self.risk_rules.values().find(|rules| rules.spec.service == service);
        said.cloned().unwrap_or_else(|| RiskRules {
            name: service.to_owned(),
            spec: self.register(service).rules().clone(),
        })
    }

    /// The register of `service`; one without risks where nobody has named any.
    pub fn register(&self, service: &str) -> Register {
        let rules = self.risk_rules.values().find(|rules| rules.spec.service == service);
        let risks = self.risks.values().filter(|risk| risk.spec.service == service);
        // Names are unique in a set of documents, and how many there are was checked with it.
        Register::new(service, rules, risks.cloned().collect()).unwrap_or_else(|_| {
            Register::new(service, None, Vec::new()).expect("nothing is wrong with nothing")
        })
    }

    /// The services that have risks, by name.
    pub fn services_at_risk(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> =
            self.risks.values().map(|risk| risk.spec.service.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// The costs of support called `name`; without a name the only ones that somebody has written, and those that
    /// ship where nobody has. `None` where there are none of that name, and where several could be meant.
    pub fn support_costs(&self, name: Option<&str>) -> Option<&SupportCosts> {
        let own = || self.costs.keys().filter(|name| *name != SHIPPED_COSTS);
        let name = match (name, own().count()) {
            (Some(name), _) => name,
            (None, 0) => SHIPPED_COSTS,
            (None, 1) => own().next()?,
            (None, _) => return None,
        };
        self.costs.get(name)
    }

    /// The names of all costs of support.
    pub fn support_costs_names(&self) -> impl Iterator<Item = &str> {
        self.costs.keys().map(String::as_str)
    }
}

/// What is wrong with risks beside each other, and beside the SLOs of their services.
pub(super) fn faults(set: &SpecSet, governance: &Governance) -> Vec<Diagnostic> {
    let mut found = unknown_slos(set, governance);
    found.extend(second_rules(set, governance));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let risks = set.governing.iter().filter(|of| of.kind == GoverningKind::Risk);
    for of in risks.filter(|of| governance.risks.contains_key(&of.name)) {
        let Some(service) = of.service() else { continue };
        let count = counts.entry(service).or_default();
        *count += 1;
        if *count == RISKS_MAX + 1 {
            let message = format!(
                "a register has at most {RISKS_MAX} risks\nhint: leave out those that cost least"
            );
            found.extend(set.origins.governing_error(of, "metadata.name", None, &message));
        }
    }
    found
}

/// Risks that spend budgets which their service does not have.
fn unknown_slos(set: &SpecSet, governance: &Governance) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for of in set.governing.iter().filter(|of| of.kind == GoverningKind::Risk) {
        let Some(risk) = governance.risks.get(&of.name) else { continue };
        let own = set.slos.iter().filter(|slo| slo.service == risk.spec.service);
        let known: Vec<&str> = own
            .map(|slo| slo.name.as_str())
            .chain(set.incomplete.iter().map(|slo| slo.name.as_str()))
            .collect();
        for slo in risk.spec.slos.iter().filter(|slo| !known.contains(&slo.as_str())) {
            let hint = match near_matches(slo, known.iter().copied()).first() {
                Some(near) => format!("did you mean `{near}`?"),
                None => ELSEWHERE.to_owned(),
            };
            let message = format!("the service has no SLO `{slo}`\nhint: {hint}");
            let at = of.spec["slos"].as_array().and_then(|listed| {
                listed.iter().position(|listed| listed.as_str() == Some(slo.as_str()))
            });
            let path = format!("spec.slos[{}]", at.unwrap_or_default());
            found.extend(set.origins.governing_error(of, &path, None, &message));
        }
    }
    found
}

/// Rules of a service that has some already.
fn second_rules(set: &SpecSet, governance: &Governance) -> Vec<Diagnostic> {
    let mut first: BTreeMap<&str, &Governing> = BTreeMap::new();
    let mut found = Vec::new();
    for of in set.governing.iter().filter(|of| of.kind == GoverningKind::RiskRules) {
        let Some(RiskRules { spec, .. }) = governance.risk_rules.get(&of.name) else { continue };
        if let Some(other) = first.get(spec.service.as_str()) {
            let message = format!(
                "the rules of `{}` are said by `{}` already\nhint: a service has one register",
                spec.service, other.name
            );
            found.extend(set.origins.governing_error(of, "spec.service", None, &message));
        } else {
            first.insert(&spec.service, of);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use flyball_govern::money::ASSUMED;
    use flyball_spec::{Source, load};

    use super::super::governance;
    use super::*;

    const SLO: &str = "apiVersion: openslo/v1
kind: SLO
metadata: {name: served}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow: [{duration: 4w, isRolling: true}]
  indicator:
    metadata: {name: ok}
    spec:
      ratioMetric:
        good: {metricSource: {type: flyball, spec: {where: status < 500}}}
        total: {metricSource: {type: flyball, spec: {where: service.name = 'shop'}}}
  objectives: [{target: 0.99}]
---
";
    const RISKS: &str = "apiVersion: flyball.dev/v1
kind: Risk
metadata: {name: bad-deploy}
spec:
  service: shop
  slos: [served]
  timeToDetect: 5m..2h
  timeToRepair: 1h
  shareOfUsers: 20%
  timeBetweenFailures: 30d
---
apiVersion: flyball.dev/v1
kind: RiskRules
metadata: {name: shop}
spec: {service: shop, ceiling: 30%}
";

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
    fn a_service_has_the_register_that_its_documents_say() {
        let (governance, found) = told(&format!("{SLO}{RISKS}"));
        assert_eq!(found, Vec::<String>::new());
        let register = governance.register("shop");
        assert_eq!(
            (register.risks().len(), register.rules().ceiling.to_string()),
            (1, "0.3".to_owned())
        );
        assert_eq!(governance.register("other").risks().len(), 0);
        assert_eq!(governance.services_at_risk().collect::<Vec<_>>(), ["shop"]);
    }

    #[test]
    fn risks_that_do_not_fit_are_told_where_they_stand() {
        let (_, found) = told(&format!(
            "{SLO}{}---\n{}",
            RISKS.replace("[served]", "[serve]"),
            "apiVersion: flyball.dev/v1\nkind: RiskRules\nmetadata: {name: again}\nspec: {service: shop}\n"
        ));
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(
            found[0]
                .ends_with("spec.slos[0] the service has no SLO `serve`; did you mean `served`?"),
            "{found:#?}"
        );
        assert!(
            found[1].contains("spec.service the rules of `shop` are said by `shop` already"),
            "{found:#?}"
        );
        let (_, found) =
            told(&format!("{SLO}{}", RISKS.replace("shareOfUsers: 20%", "shareOfUsers: 0%")));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("spec.shareOfUsers"), "{found:#?}");
    }

    #[test]
    fn assumed_costs_hold_until_somebody_writes_others() {
        let (governance, found) = told(SLO);
        assert_eq!(found, Vec::<String>::new());
        assert!(governance.support_costs(None).is_some_and(|costs| costs.spec.assumed));
        let own = |name: &str| ASSUMED.replace("name: assumed", &format!("name: {name}"));
        let (governance, found) = told(&own("ours"));
        assert_eq!(found, Vec::<String>::new());
        assert_eq!(governance.support_costs(None).map(|costs| costs.name.as_str()), Some("ours"));
        assert!(governance.support_costs(Some("assumed")).is_some());
        let (governance, _) = told(&format!("{}---\n{}", own("ours"), own("theirs")));
        assert!(governance.support_costs(None).is_none(), "it is not told which are meant");
        assert_eq!(governance.support_costs_names().count(), 3);
    }
}
