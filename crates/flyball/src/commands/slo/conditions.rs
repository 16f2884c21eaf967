//! What only other crates can judge about a document: its SQL conditions, and its alert rules.

use flyball_budget::alert;
use flyball_model::{EventSli, GoodOrBad, Indicator, Slo};
use flyball_query::PredicateSet;
use flyball_spec::{Alerting, Diagnostic, Level, Part, SpecSet};

use crate::condition;

/// Compiles every condition of every SLO; what cannot be used, where it stands.
pub(super) fn conditions(set: &SpecSet) -> Vec<Diagnostic> {
    let mut predicates = PredicateSet::new();
    let mut found = Vec::new();
    for slo in &set.slos {
        for (objective, sli) in indicators(slo) {
            let (GoodOrBad::Good(side) | GoodOrBad::Bad(side)) = &sli.side;
            let parts = [(Part::Total { objective }, &sli.total), (Part::Side { objective }, side)];
            for (part, text) in parts {
                if let Err(error) = predicates.add(text) {
                    found.extend(condition::diagnostic(set, slo, part, text, &error));
                }
            }
        }
    }
    found
}

/// Every event SLI of an SLO, with its objective in a composite.
fn indicators(slo: &Slo) -> impl Iterator<Item = (Option<usize>, &EventSli)> {
    let shared = slo.indicator.iter().map(|indicator| (None, indicator));
    let own = slo.objectives.iter().enumerate();
    let own = own.filter_map(|(index, given)| Some((Some(index), given.indicator.as_ref()?)));
    shared.chain(own).filter_map(|(objective, indicator)| match indicator {
        Indicator::Events(sli) => Some((objective, sli)),
        Indicator::Metric(_) => None,
    })
}

/// Checks every alert rule against every target it watches.
///
/// A rule that the document itself asks for and that can never work is an error; one that comes
/// with the program's defaults, or those of an imported document's tool, is a warning, because the
/// document did not choose it.
pub(super) fn alert_rules(set: &SpecSet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for slo in &set.slos {
        let level = match set.alerting.get(&slo.name) {
            Some(Alerting::Default | Alerting::Imported) => Level::Warning,
            _ => Level::Error,
        };
        for (index, objective) in slo.objectives.iter().enumerate() {
            for rule in &slo.alert_rules {
                let Err(error) = alert::check(rule, objective.target, &slo.window) else {
                    continue;
                };
                let text = error.to_string();
                let (message, hint) = match text.split_once("; hint: ") {
                    Some((message, hint)) => (message.to_owned(), hint.to_owned()),
                    None => (text, String::new()),
                };
                let hint = if level == Level::Warning {
                    format!("{hint}; or choose the rules: flyball.dev/alerting")
                } else {
                    hint
                };
                let part = Part::Objective(index);
                found.extend(
                    set.origins
                        .diagnostic(
                            &slo.name,
                            part,
                            None,
                            level,
                            message.clone(),
                            Some(hint.clone()),
                        )
                        .or_else(|| {
                            let (part, hint) = (Part::Slo, Some(hint));
                            set.origins.diagnostic(&slo.name, part, None, level, message, hint)
                        }),
                );
            }
        }
    }
    found
}
