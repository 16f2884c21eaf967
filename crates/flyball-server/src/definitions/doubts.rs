//! What is likely not meant in definitions that can be used, for their plan.

use std::collections::{BTreeSet, HashMap, HashSet};

use flyball_catalog::{
    Catalog, Counted, CountedBy, alert_rules, missing_attributes, unfit_conditions,
};
use flyball_govern::incident::FOUND_CLASSES;
use flyball_govern::policy::{CAUSES, CLASSES, Classing, Exemption};
use flyball_metric::Named;
use flyball_model::{Duration, Interval, Slo, Timestamp};
use flyball_query::{PredicateSet, near_matches};
use flyball_spec::{DIAGNOSTICS_MAX, Diagnostic, Governing, GoverningKind, Level, Part, lint_slo};
use flyball_store::{RecordFilter, StoreError};

use crate::changes::{CHANGE, INCIDENT};
use crate::control::SharedControl;
use crate::decode::SERVICE;
use crate::evaluator::Met;
use crate::gate::CLASS;
use crate::stored::Source;

/// How far ahead rotas are looked at.
const LOOKED_AHEAD: Duration = Duration::from_days(28);
/// The most classes and incidents among which a name is looked for: the latest.
const EXEMPTED_MAX: usize = 1_000;

/// What `flyball slo lint` says of the SLOs that are others than `before`. Rules that can never fire are
/// warnings here: the SLO is counted all the same.
pub(super) fn linted(before: &Catalog, after: &Catalog) -> Vec<Diagnostic> {
    let old: HashMap<&str, &Slo> =
        before.set.slos.iter().map(|slo| (slo.name.as_str(), slo)).collect();
    let set = &after.set;
    let others = set.slos.iter().filter(|slo| old.get(slo.name.as_str()) != Some(slo));
    let found = others.flat_map(|slo| {
        let rules = alert_rules(slo, set).into_iter().map(warned);
        lint_slo(slo, set).into_iter().chain(rules)
    });
    found.take(DIAGNOSTICS_MAX).collect()
}

/// Exemptions and runbooks that are others than `before` and match nothing that is known: most likely a name is misspelt.
pub(super) fn idle(
    before: &Catalog,
    after: &Catalog,
    control: &SharedControl,
    suggests: bool,
) -> Vec<Diagnostic> {
    match Exempted::known(control) {
        Ok(known) => {
            let mut found = idle_exemptions(before, after, &known, suggests);
            found.extend(idle_runbooks(before, after, &known, suggests));
            found
        }
        Err(error) => {
            tracing::warn!(%error, "what exemptions and runbooks are about cannot be read");
            Vec::new()
        }
    }
}

/// What is told, as a warning.
fn warned(mut told: Diagnostic) -> Diagnostic {
    told.severity = Level::Warning;
    told
}

/// Exemptions of policies that match nothing that is known.
fn idle_exemptions(
    before: &Catalog,
    after: &Catalog,
    known: &Exempted<'_>,
    suggests: bool,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for of in after.set.governing.iter().filter(|of| of.kind == GoverningKind::BudgetPolicy) {
        let Some(policy) = after.governance.policy(&of.name) else { continue };
        if before.governance.policy(&of.name).is_some_and(|old| old.spec() == policy.spec()) {
            continue;
        }
        for (at, exemption) in policy.spec().exemptions.iter().enumerate() {
            let Some((field, said)) = known.doubt(exemption, suggests) else { continue };
            let path = format!("spec.exemptions[{at}].{field}");
            let told = after.set.origins.governing_error(of, &path, None, &said);
            found.extend(told.map(warned));
        }
    }
    found
}

/// Runbooks that wait for a class that nothing was ever put into.
fn idle_runbooks(
    before: &Catalog,
    after: &Catalog,
    known: &Exempted<'_>,
    suggests: bool,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for of in after.set.governing.iter().filter(|of| of.kind == GoverningKind::Runbook) {
        let named = |of_set: &Catalog| {
            of_set.governance.runbooks().find(|book| book.name == of.name).cloned()
        };
        let Some(book) = named(after) else { continue };
        let old = named(before).map(|old| old.spec.classes).unwrap_or_default();
        let is_idle = |class: &String| {
            !old.contains(class)
                && !known.classes.contains(class)
                && !FOUND_CLASSES.contains(&class.as_str())
        };
        for (at, class) in book.spec.classes.iter().enumerate().filter(|(_, class)| is_idle(class))
        {
            let hint = known.near_class(class, suggests);
            let said = format!(
                "nothing was put into the class `{class}` so far, and the runbook is for no other incidents\nhint: {hint}"
            );
            let path = format!("spec.classes[{at}]");
            let told = after.set.origins.governing_error(of, &path, None, &said);
            found.extend(told.map(warned));
        }
    }
    found
}

/// Checklists and rules of custody that are others than `before` under the same version: a review that goes through one
/// would not be told.
pub(super) fn same_version(before: &Catalog, after: &Catalog) -> Vec<Diagnostic> {
    let is_same = |of: &&Governing| {
        let (old, new) = (&before.governance, &after.governance);
        match of.kind {
            GoverningKind::Checklist => {
                let specs = [old, new].map(|of_set| of_set.checklist(&of.name));
                let [Some(old), Some(new)] = specs else { return false };
                old.spec() != new.spec() && old.spec().version == new.spec().version
            }
            GoverningKind::CustodyRules => {
                let specs = [old, new].map(|of_set| of_set.rules_of_custody(&of.name));
                let [Some(old), Some(new)] = specs else { return false };
                old.spec() != new.spec() && old.spec().version == new.spec().version
            }
            _ => false,
        }
    };
    let message = "it has changed and its version has not\nhint: raise `version`, so that reviews under way are told";
    let found = after.set.governing.iter().filter(is_same).filter_map(|of| {
        after.set.origins.governing_error(of, "spec.version", None, message).map(warned)
    });
    found.collect()
}

/// Items of checklists that are others than `before` which say that an incident taught them that nobody has heard of, and
/// no link to where it is written up: most likely its id is misspelt.
pub(super) fn unheard_incidents(
    before: &Catalog,
    after: &Catalog,
    control: &SharedControl,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for of in after.set.governing.iter().filter(|of| of.kind == GoverningKind::Checklist) {
        let Some(checklist) = after.governance.checklist(&of.name) else { continue };
        if before.governance.checklist(&of.name).is_some_and(|old| old.spec() == checklist.spec()) {
            continue;
        }
        for (at, item) in checklist.spec().items.iter().enumerate() {
            let Some(learnt) = item.learnt.as_ref().filter(|of| of.link.is_none()) else {
                continue;
            };
            // What cannot be read is doubted no more than what is there.
            let known = control.lock().record(INCIDENT, &learnt.incident);
            if !matches!(known, Ok(None)) {
                continue;
            }
            let path = format!("spec.items[{at}].learnt.incident");
            let said = format!(
                "no incident `{}` was heard of here\nhint: `flyball incident list` lists their ids; of one that is kept \
                 elsewhere give the `link`",
                learnt.incident
            );
            let told = after.set.origins.governing_error(of, &path, None, &said);
            found.extend(told.map(warned));
        }
    }
    found
}

/// Hours of the next weeks in which nobody of a rota that is other than `before` can be paged.
pub(super) fn uncovered(before: &Catalog, after: &Catalog, now: Timestamp) -> Vec<Diagnostic> {
    let (old, new) = (before.governance.switchboard(), after.governance.switchboard());
    let mut found = Vec::new();
    for of in after.set.governing.iter().filter(|of| of.kind == GoverningKind::Rota) {
        let Some(rota) = new.rota(&of.name).filter(|rota| old.rota(&of.name) != Some(*rota)) else {
            continue;
        };
        let gaps = rota.coverage(Interval::starting(now, LOOKED_AHEAD), &new.exceptions(&of.name));
        let Some(first) = gaps.gaps.first() else { continue };
        let more = match gaps.gaps.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more times within {LOOKED_AHEAD}"),
        };
        let said = format!(
            "nobody can be paged from {} to {}{more}\nhint: say under `cover` when somebody has to be there",
            first.span.start(),
            first.span.end()
        );
        let told = after.set.origins.governing_error(of, "spec.layers", None, &said);
        found.extend(told.map(warned));
    }
    found
}

/// What exemptions may be about.
struct Exempted<'a> {
    control: &'a SharedControl,
    /// The classes that policies that ship exempt, and those that were given.
    classes: BTreeSet<String>,
    /// The incidents that were heard of last.
    incidents: Vec<String>,
}

impl<'a> Exempted<'a> {
    fn known(control: &'a SharedControl) -> Result<Self, StoreError> {
        let last = RecordFilter { services: None, before: None, limit: EXEMPTED_MAX };
        let held = control.lock();
        let given = held.records(CLASS, &last)?;
        let given = given.iter().filter_map(|one| serde_json::from_str::<Classing>(&one.text).ok());
        let mut classes: BTreeSet<String> = given.filter_map(|one| one.class).collect();
        classes.extend(CLASSES.map(str::to_owned));
        let incidents = held.records(INCIDENT, &last)?.into_iter().map(|one| one.id).collect();
        drop(held);
        Ok(Self { control, classes, incidents })
    }

    /// What to do about a class that nothing was put into.
    fn near_class(&self, class: &str, suggests: bool) -> String {
        let known = self.classes.iter().map(String::as_str);
        let known = known.filter(|class| suggests || CLASSES.contains(class));
        let near = near_matches(class, known.chain(FOUND_CLASSES));
        let near = near.first().map(|near| format!("did you mean `{near}`?"));
        near.unwrap_or_else(|| "`flyball policy classify` puts incidents into a class".to_owned())
    }

    /// The field of `exemption` that names what is not known, and what is to be said of it.
    fn doubt(&self, exemption: &Exemption, suggests: bool) -> Option<(&'static str, String)> {
        let near = |name: &str, known: Vec<&str>, otherwise: &str| {
            let near =
                near_matches(name, known).first().map(|near| format!("did you mean `{near}`?"));
            near.unwrap_or_else(|| otherwise.to_owned())
        };
        if let Some(class) = exemption.class.as_ref().filter(|of| !self.classes.contains(*of)) {
            let known = self.classes.iter().map(String::as_str);
            let known = known.filter(|class| suggests || CLASSES.contains(class)).collect();
            let hint = near(class, known, "`flyball policy classify` puts incidents into a class");
            let said = format!(
                "nothing is in the class `{class}`, so that nothing is exempted\nhint: {hint}"
            );
            return Some(("class", said));
        }
        let cause = exemption.cause.as_ref().filter(|of| !CAUSES.contains(&of.as_str()))?;
        let is_known = |kind| self.control.lock().record(kind, cause).is_ok_and(|of| of.is_some());
        if is_known(INCIDENT) || is_known(CHANGE) {
            return None;
        }
        let incidents = self.incidents.iter().filter(|_| suggests).map(String::as_str);
        let hint = near(
            cause,
            CAUSES.into_iter().chain(incidents).collect(),
            "it is the id of an incident or a change, or one of drill, dependency, frozen-dependency",
        );
        let said =
            format!("no cause is called `{cause}`, so that nothing is exempted\nhint: {hint}");
        Some(("cause", said))
    }
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
