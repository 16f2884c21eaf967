//! Drills as documents say them, beside the SLOs and risks of their services.

use flyball_govern::drill::Drill;
use flyball_model::{BudgetingMethod, Slo};
use flyball_query::near_matches;
use flyball_spec::{Diagnostic, ELSEWHERE, GoverningKind, SpecSet};

use super::Governance;

impl Governance {
    /// Every drill, by name.
    pub fn drills(&self) -> impl Iterator<Item = &Drill> {
        self.drills.values()
    }

    /// The drill called `name`.
    pub fn drill(&self, name: &str) -> Option<&Drill> {
        self.drills.get(name)
    }
}

/// What is wrong with drills beside the SLOs that pay for them, those of their hypotheses, and the risks that they
/// play.
pub(super) fn faults(set: &SpecSet, governance: &Governance) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for of in set.governing.iter().filter(|of| of.kind == GoverningKind::Drill) {
        let Some(drill) = governance.drills.get(&of.name) else { continue };
        let mut tell = |path: &str, message: Option<String>| {
            let told = message.and_then(|said| set.origins.governing_error(of, path, None, &said));
            found.extend(told);
        };
        tell("spec.slo", paying(drill, set));
        tell("spec.risk", playing(drill, governance));
        let holds = drill.spec.hypothesis.iter().flat_map(|of| &of.holds);
        for (at, steady) in holds.enumerate() {
            let is_known = names(set, |_| true).any(|name| name == steady.slo);
            let unknown = (!is_known).then(|| {
                let hint = near(&steady.slo, names(set, |_| true));
                format!("no SLO is called `{}`\nhint: {hint}", steady.slo)
            });
            tell(&format!("spec.hypothesis.holds[{at}].slo"), unknown);
        }
    }
    found
}

/// The names of the SLOs for which `is_asked`, and of those that cannot be evaluated.
fn names<'a>(
    set: &'a SpecSet,
    is_asked: impl Fn(&Slo) -> bool + 'a,
) -> impl Iterator<Item = &'a str> {
    let known = set.slos.iter().filter(move |slo| is_asked(slo)).map(|slo| slo.name.as_str());
    known.chain(set.incomplete.iter().map(|slo| slo.name.as_str()))
}

fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match near_matches(name, known).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => ELSEWHERE.to_owned(),
    }
}

/// Why the SLO of a drill cannot pay for it: a dose is whole bad events.
fn paying(drill: &Drill, set: &SpecSet) -> Option<String> {
    let spec = &drill.spec;
    let own = |slo: &Slo| slo.service == spec.service;
    let Some(slo) = set.slos.iter().find(|slo| own(slo) && slo.name == spec.slo) else {
        if set.incomplete.iter().any(|slo| slo.name == spec.slo) {
            return None;
        }
        let hint = near(&spec.slo, names(set, own));
        return Some(format!("the service has no SLO `{}`\nhint: {hint}", spec.slo));
    };
    if slo.composition.is_some() {
        let said = "it joins several SLOs, and none of them says what a bad event is\nhint: name one of those";
        return Some(said.to_owned());
    }
    (slo.method != BudgetingMethod::Occurrences).then(|| {
        let said = "its budget is no count of events\nhint: name an SLO whose budgetingMethod is Occurrences";
        said.to_owned()
    })
}

/// Why a drill plays no risk of its service.
fn playing(drill: &Drill, governance: &Governance) -> Option<String> {
    let risk = drill.spec.risk.as_ref()?;
    let register = governance.register(&drill.spec.service);
    let mut known = register.risks().iter().map(|of| of.name.as_str());
    if known.any(|name| name == risk) {
        return None;
    }
    let known = register.risks().iter().map(|of| of.name.as_str());
    Some(format!("the service has no risk `{risk}`\nhint: {}", near(risk, known)))
}

#[cfg(test)]
mod tests {
    use flyball_spec::{Source, load};

    use super::super::governance;

    const SHOP: &str = "apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout}
spec:
  service: shop
  indicator:
    metadata: {name: answered}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: flyball, spec: {where: status < 500}}}
        total: {metricSource: {type: flyball, spec: {where: service.name = 'shop'}}}
  timeWindow: [{duration: 1h, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
---
";
    const DRILL: &str = "apiVersion: flyball.dev/v1
kind: Drill
metadata: {name: shop-errors}
spec:
  description: The shop answers 503.
  service: shop
  slo: checkout
  reserve: 20%
  longest: 5m
  fault: {kind: abort, status: 503}
  via: {kind: envoy, url: 'http://127.0.0.1:9901', runtime: fault.http}
  hours: {timeZone: UTC}
  hypothesis: {text: Carts stay., holds: [{slo: checkout, badAtMost: 10%}]}
";

    fn told(text: &str) -> Vec<String> {
        let (set, mut found) = load(&[Source::new("a.yaml", text)]);
        let (read, more) = governance(&set);
        found.extend(more);
        if found.is_empty() {
            assert_eq!(read.drill("shop-errors").map(|of| of.spec.slo.as_str()), Some("checkout"));
            assert_eq!(read.drills().count(), 1);
        }
        let said = found.iter().map(|one| {
            let hint = one.hint.as_deref().unwrap_or_default();
            format!("{} {}; {hint}", one.path, one.message)
        });
        said.collect()
    }

    #[test]
    fn what_does_not_count_is_held_against_the_rest_as_if_it_did() {
        let other = DRILL
            .replace("reserve: 20%", "reserve: 120%")
            .replace("slo: checkout\n", "slo: chekout\n");
        let found = told(&format!("{SHOP}{DRILL}---\n{other}"));
        assert!(found[0].contains("another Drill `shop-errors` comes before"), "{found:#?}");
        assert!(found.iter().any(|one| one.starts_with("spec.reserve")), "{found:#?}");
        // What comes behind that is looked at by itself.
        let third = DRILL.replace("reserve: 20%", "reserve: 120%");
        let found = told(&format!("{SHOP}{DRILL}---\n{DRILL}---\n{third}"));
        let faults = found.iter().filter(|one| one.starts_with("spec.reserve"));
        assert_eq!((found.len(), faults.count()), (3, 1), "{found:#?}");
    }

    #[test]
    fn a_drill_is_held_against_what_pays_for_it() {
        let text = format!("{SHOP}{DRILL}");
        assert_eq!(told(&text), Vec::<String>::new());
        for (from, to, said) in [
            ("slo: checkout\n", "slo: chekout\n", "spec.slo the service has no SLO `chekout`; did"),
            (
                "{slo: checkout,",
                "{slo: cart,",
                "spec.hypothesis.holds[0].slo no SLO is called `cart`",
            ),
            (
                "reserve: 20%\n",
                "reserve: 20%\n  risk: fire\n",
                "spec.risk the service has no risk `fire`",
            ),
            ("reserve: 20%\n", "reserve: 100%\n", "spec.reserve all of the budget stays"),
            ("status: 503}", "status: 53}", "spec.fault.status it is no status"),
        ] {
            let found = told(&text.replace(from, to));
            assert!(found.iter().any(|found| found.starts_with(said)), "{said}: {found:#?}");
        }
        let slices = text
            .replace("Occurrences", "Timeslices")
            .replace("{target: 0.9}", "{target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: 1m}");
        let found = told(&slices);
        assert!(found.iter().any(|of| of.contains("no count of events")), "{found:#?}");
    }
}
