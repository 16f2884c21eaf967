//! What is likely not meant in definitions that can be used, for their plan.

use std::collections::{HashMap, HashSet};

use flyball_catalog::{
    Catalog, Counted, CountedBy, alert_rules, missing_attributes, unfit_conditions,
};
use flyball_metric::Named;
use flyball_model::Slo;
use flyball_query::PredicateSet;
use flyball_spec::{DIAGNOSTICS_MAX, Diagnostic, Level, Part, lint_slo};

use crate::decode::SERVICE;
use crate::evaluator::Met;
use crate::stored::Source;

/// What `flyball slo lint` says of the SLOs that are others than `before`. Rules that can never fire are
/// warnings here: the SLO is counted all the same.
pub(super) fn linted(before: &Catalog, after: &Catalog) -> Vec<Diagnostic> {
    let old: HashMap<&str, &Slo> =
        before.set.slos.iter().map(|slo| (slo.name.as_str(), slo)).collect();
    let set = &after.set;
    let others = set.slos.iter().filter(|slo| old.get(slo.name.as_str()) != Some(slo));
    let found = others.flat_map(|slo| {
        let rules = alert_rules(slo, set).into_iter().map(|mut found| {
            found.severity = Level::Warning;
            found
        });
        lint_slo(slo, set).into_iter().chain(rules)
    });
    found.take(DIAGNOSTICS_MAX).collect()
}

/// What conditions that were not counted `before` read, and no stored event has, or only as another
/// type. Nothing while nothing is stored.
pub(super) fn unlike_stored(
    before: &Catalog,
    after: &Catalog,
    source: &Source,
    suggests: bool,
) -> Vec<Diagnostic> {
    let counted: HashSet<[u8; 32]> = before.counted.iter().map(|slo| slo.generation).collect();
    let new = after.counted.iter().filter(|slo| !counted.contains(&slo.generation));
    let new: HashSet<&str> = new.map(|slo| slo.slo.name.as_str()).collect();
    if new.is_empty() {
        return Vec::new();
    }
    let met = match source.attributes() {
        Ok(met) => met,
        Err(error) => {
            tracing::warn!(error, "what stored events have cannot be read");
            return Vec::new();
        }
    };
    let known = met.names();
    if known.is_empty() {
        return Vec::new();
    }
    let is_new = |slo: &Slo| new.contains(slo.name.as_str());
    let mut found = missing_attributes(&after.set, is_new, &known, suggests);
    found.extend(unfit_conditions(&after.set, is_new, &met));
    found
}

/// Metrics and services that what was not counted `before` names and that have not come, where others
/// have: with what is near, where `suggests` says that it may be told.
pub(super) fn unlike_met(
    before: &Catalog,
    after: &Catalog,
    met: &Met,
    suggests: bool,
) -> Vec<Diagnostic> {
    let counted: HashSet<[u8; 32]> = before.counted.iter().map(|slo| slo.generation).collect();
    let mut predicates = PredicateSet::new();
    let mut found = Vec::new();
    for counted in after.counted.iter().filter(|slo| !counted.contains(&slo.generation)) {
        let Counted { slo, indicators, of_objective, .. } = counted;
        let mut told = HashSet::new();
        for (index, by) in indicators.iter().enumerate() {
            let objective = of_objective.iter().position(|of| *of == index);
            let objective = objective.filter(|at| slo.objectives[*at].indicator.is_some());
            let (total, side) = (Part::Total { objective }, Part::Side { objective });
            let mut tell = |part, within, said: String, hint: String| {
                if !told.insert(said.clone()) {
                    return;
                }
                let (origins, level) = (&after.set.origins, Level::Warning);
                let at = |part, within| {
                    let (said, hint) = (said.clone(), Some(hint.clone()));
                    origins.diagnostic(&slo.name, part, within, level, said, hint)
                };
                // A ready ratio has one query for both.
                found.extend(at(part, within).or_else(|| at(total, None)));
            };
            match by {
                CountedBy::Metric(plan) => {
                    for Named { name, is_side, is_of_bad } in plan.names() {
                        let Some(unlike) = met.unlike_metrics(name, suggests) else { continue };
                        if unlike.is_near || !is_of_bad {
                            let said = format!("no samples of `{name}` have come");
                            tell(if is_side { side } else { total }, None, said, unlike.hint);
                        }
                    }
                }
                CountedBy::Events(sli) => {
                    let total_of = predicates.add(&sli.total).ok();
                    let name = total_of.and_then(|id| predicates.required_value(id, SERVICE));
                    let Some(name) = name else { continue };
                    let Some(unlike) = met.unlike_services(&name, suggests) else { continue };
                    let within = sli.total.find(&name).map(|at| at..at + name.len());
                    let said = format!("no event of the service `{name}` has come");
                    tell(total, within, said, unlike.hint);
                }
            }
        }
    }
    found.truncate(DIAGNOSTICS_MAX);
    found
}
