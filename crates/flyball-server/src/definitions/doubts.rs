//! What is likely not meant in definitions that can be used, for their plan.

use std::collections::{HashMap, HashSet};

use flyball_catalog::{Catalog, alert_rules, missing_attributes, unfit_conditions};
use flyball_model::Slo;
use flyball_spec::{DIAGNOSTICS_MAX, Diagnostic, Level, lint_slo};

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
