//! What is wrong with the services of a catalog.

use std::collections::BTreeMap;

use flyball_govern::catalogue::{Entry, Fault, check};
use flyball_govern::service::day;
use flyball_model::{Target, Timestamp};

use crate::Catalog;

/// What is wrong with each service of `catalog` at `at`, by name; services without fault are left out.
pub fn faults(catalog: &Catalog, at: Timestamp) -> BTreeMap<String, Vec<Fault>> {
    let mut promises: BTreeMap<&str, Vec<(String, Target)>> = BTreeMap::new();
    for slo in &catalog.set.slos {
        let objectives = slo.objectives.iter().map(|of| (slo.name.clone(), of.target));
        promises.entry(&slo.service).or_default().extend(objectives);
    }
    let services = catalog.services();
    let entries: Vec<Entry<'_>> = services
        .into_iter()
        .map(|name| Entry {
            name,
            service: catalog.governance.service(name),
            promises: promises.get(name).map_or(&[], Vec::as_slice),
        })
        .collect();
    check(&entries, day(at)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use flyball_spec::Source;

    use super::*;

    #[test]
    fn services_are_checked_against_the_slos_that_are_there() {
        let slo = |name: &str, service: &str, target: &str| {
            format!(
                "---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: {name}}}\nspec:\n  service: {service}\n  \
                 indicator: {{metadata: {{name: i}}, spec: {{ratioMetric: {{counter: true, good: {{metricSource: \
                 {{type: flyball, spec: {{where: status < 500}}}}}}, total: {{metricSource: {{type: flyball, spec: \
                 {{where: status > 0}}}}}}}}}}}}\n  timeWindow: [{{duration: 28d, isRolling: true}}]\n  \
                 budgetingMethod: Occurrences\n  objectives: [{{target: {target}}}]\n"
            )
        };
        let text = format!(
            "apiVersion: flyball.dev/v1\nkind: Service\nmetadata: {{name: shop}}\nspec: {{team: a, accountable: \
             {{who: Ada}}, fundedUntil: 2030-01-01, dependencies: [{{service: bank}}]}}\n{}{}",
            slo("shop", "shop", "0.999"),
            slo("bank", "bank", "0.99"),
        );
        let (catalog, _) = Catalog::load(&[Source::new("a.yaml", &text)]).unwrap();
        let at = Timestamp::parse("2026-03-02T12:00:00Z").unwrap();
        let faults = faults(&catalog, at);
        assert_eq!(faults["bank"], [Fault::Undescribed]);
        let [Fault::AboveDependency { slo, dependency, .. }] = faults["shop"].as_slice() else {
            panic!("{faults:#?}")
        };
        assert_eq!((slo.as_str(), dependency.as_str()), ("shop", "bank"));
    }
}
