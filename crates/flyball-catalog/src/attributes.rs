//! Attributes that conditions read and events do not have.

use std::collections::BTreeSet;
use std::ops::Range;

use flyball_model::{EventSli, GoodOrBad, Indicator, Slo};
use flyball_query::{PredicateSet, listed, near_matches};
use flyball_spec::{Diagnostic, Level, Part, SpecSet};

use crate::condition::event_slis;

/// A warning for each attribute that SLOs of `set` read, of those that `is_asked`, and that is not among
/// `known`, where it is read. `suggests` says whether names of `known` may be told.
pub fn missing_attributes(
    set: &SpecSet,
    is_asked: impl Fn(&Slo) -> bool,
    known: &BTreeSet<String>,
    suggests: bool,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for slo in set.slos.iter().filter(|slo| is_asked(slo)) {
        for (objective, sli) in event_slis(slo) {
            let (predicates, names) = read_by(sli);
            // Probes of the same set write their first events when they begin.
            let is_coming = |name: &str| !set.probes.is_empty() && name.starts_with("probe.");
            let missing = names.iter().filter(|name| !known.contains(*name) && !is_coming(name));
            for name in missing {
                let near = near_matches(name, known.iter().map(String::as_str));
                let near: Vec<String> = near.iter().map(|near| format!("`{near}`")).collect();
                let hint = if predicates.is_compared_with(name) {
                    format!("text stands in single quotes: '{name}'")
                } else if suggests && !near.is_empty() {
                    format!("did you mean {}?", near.join(" or "))
                } else if suggests {
                    format!(
                        "unless such events are still to come; stored ones have: {}",
                        listed(known)
                    )
                } else {
                    "unless such events are still to come".to_owned()
                };
                let (part, within) = match place_of(slo, objective, name) {
                    Some(place) => place,
                    None => (Part::Slo, None),
                };
                let said = format!("no stored event has the attribute `{name}`");
                let (origins, level) = (&set.origins, Level::Warning);
                found.extend(origins.diagnostic(&slo.name, part, within, level, said, Some(hint)));
            }
        }
    }
    found
}

/// What an SLI reads, and its conditions. One that does not compile reads nothing.
fn read_by(sli: &EventSli) -> (PredicateSet, BTreeSet<String>) {
    let (GoodOrBad::Good(side) | GoodOrBad::Bad(side)) = &sli.side;
    let mut predicates = PredicateSet::new();
    let mut names: BTreeSet<String> = sli.by.iter().cloned().collect();
    for text in [&sli.total, side] {
        if let Ok(id) = predicates.add(text) {
            names.extend(predicates.attributes(id).into_iter().map(str::to_owned));
        }
    }
    (predicates, names)
}

/// The part of an SLO whose condition or slices name `attribute`, and where in its text.
pub fn place_of(
    slo: &Slo,
    objective: Option<usize>,
    attribute: &str,
) -> Option<(Part, Option<Range<usize>>)> {
    let indicator = match objective {
        Some(objective) => slo.objectives.get(objective)?.indicator.as_ref()?,
        None => slo.indicator.as_ref()?,
    };
    let Indicator::Events(sli) = indicator else { return None };
    let (GoodOrBad::Good(side) | GoodOrBad::Bad(side)) = &sli.side;
    let within = |text: &str| text.find(attribute).map(|at| at..at + attribute.len());
    within(&sli.total)
        .map(|range| (Part::Total { objective }, Some(range)))
        .or_else(|| within(side).map(|range| (Part::Side { objective }, Some(range))))
        .or(Some((Part::By { objective }, None)))
}
