//! What a change of definitions would do, in words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flyball_catalog::{Catalog, NotCounted};
use flyball_model::{AlertTarget, Correction, Probe, RestoreAction, Slo};
use flyball_spec::{Diagnostic, GoverningKind};
use serde_json::{Value, json};

use super::compare::{compare, corrections};
use crate::http::shapes;

/// What becomes of a file or an SLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// It is new.
    Created,
    /// It is another than before.
    Changed,
    /// It stays as it is.
    Unchanged,
    /// It is there no more.
    Removed,
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct FileChange {
    /// Its name.
    name: String,
    /// What becomes of it.
    action: Action,
}

/// What becomes of an SLO.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct SloChange {
    /// Its name.
    slo: String,
    /// The file that defines it, or did.
    file: Option<String>,
    /// What becomes of it.
    action: Action,
    /// What changes, a line each.
    changes: Vec<String>,
    /// Whether its counts begin anew, because other events or samples are counted.
    new_generation: bool,
}

/// What becomes of a probe.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct ProbeChange {
    /// Its name.
    probe: String,
    /// The service that it checks; before the change, when it is removed.
    service: String,
    /// What becomes of it.
    action: Action,
}

/// What becomes of an alert target.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct TargetChange {
    /// Its name.
    target: String,
    /// How it is told: `alertmanager`, `webhook`, `slack`, `pagerDuty`, `goAlert`, `mail`.
    via: &'static str,
    /// What becomes of it.
    action: Action,
}

/// What becomes of a restore action.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct RestoreChange {
    /// Its name.
    restore: String,
    /// The service whose changes it undoes; before the change, when it is removed.
    service: String,
    /// How: `hook`, `flagd`, `unleash`.
    via: &'static str,
    /// What becomes of it.
    action: Action,
}

/// What becomes of a document of our own kinds: a service, a rota, a checklist, a policy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct DocumentChange {
    /// Its `kind`.
    kind: &'static str,
    /// Its name.
    name: String,
    /// The service that it is of; null for one of all services.
    service: Option<String>,
    /// What becomes of it.
    action: Action,
    /// Of one that changes, which of its fields become what; at most 12.
    changes: Vec<String>,
}

/// What a change does.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Plan {
    /// The revision of the definitions after it; before it, when nothing was changed.
    pub(crate) revision: u64,
    /// Whether it was only asked about.
    pub(crate) dry_run: bool,
    /// The files that were applied, before and after.
    files: Vec<FileChange>,
    /// The SLOs, before and after, those of the server's own files among them.
    slos: Vec<SloChange>,
    /// The probes, before and after, those of the server's own files among them.
    probes: Vec<ProbeChange>,
    /// The alert targets, before and after, those of the server's own files among them. Only whoever sees all
    /// services is told of them.
    alert_targets: Vec<TargetChange>,
    /// The restore actions, in the same way.
    restore_actions: Vec<RestoreChange>,
    /// The services, rotas, escalations, checklists, policies and other documents of our own kinds, before and after, those
    /// of the server's own files among them. Whoever sees not all services is told of those of theirs only.
    documents: Vec<DocumentChange>,
    /// SLOs that are valid and cannot be evaluated here, with reasons.
    #[schema(value_type = Vec<shapes::NotEvaluated>)]
    not_evaluated: Vec<NotCounted>,
    /// What else there is to say of the documents, each with its place.
    #[schema(value_type = Vec<shapes::Finding>)]
    warnings: Vec<Diagnostic>,
}

impl Plan {
    /// What leads from one set to the other.
    pub(super) fn new(
        files_before: &BTreeMap<String, String>,
        files_after: &BTreeMap<String, String>,
        before: &Catalog,
        after: &Catalog,
        warnings: Vec<Diagnostic>,
    ) -> Self {
        let files: BTreeSet<&String> = files_before.keys().chain(files_after.keys()).collect();
        let files = files.into_iter().map(|name| FileChange {
            name: name.clone(),
            action: action(files_before.get(name), files_after.get(name)),
        });
        let all: BTreeSet<&str> = names(before).chain(names(after)).collect();
        let indexes = (Index::of(before), Index::of(after));
        let slos = all.into_iter().map(|name| slo_change(name, &indexes.0, &indexes.1));
        Self {
            revision: 0,
            dry_run: false,
            files: files.collect(),
            slos: slos.collect(),
            probes: probe_changes(before, after),
            alert_targets: target_changes(before, after),
            restore_actions: restore_changes(before, after),
            documents: document_changes(before, after),
            not_evaluated: after.not_counted.clone(),
            warnings,
        }
    }

    /// Keeps files and SLOs by their names, probes and documents by their services, and no alert target or restore action.
    /// Warnings are about files.
    pub(super) fn retain(
        &mut self,
        file: &dyn Fn(&str) -> bool,
        slo: &dyn Fn(&str) -> bool,
        service: &dyn Fn(&str) -> bool,
    ) {
        self.alert_targets.clear();
        self.restore_actions.clear();
        self.probes.retain(|change| service(&change.service));
        self.documents.retain(|change| change.service.as_deref().is_some_and(service));
        self.files.retain(|change| file(&change.name));
        self.slos.retain(|change| slo(&change.slo));
        self.not_evaluated.retain(|left_out| slo(&left_out.slo));
        self.warnings.retain(|found| file(&found.file));
    }
}

/// The probes of a set by name.
pub(super) fn probes(catalog: &Catalog) -> BTreeMap<&str, &Probe> {
    catalog.set.probes.iter().map(|probe| (probe.name.as_str(), probe)).collect()
}

fn probe_changes(before: &Catalog, after: &Catalog) -> Vec<ProbeChange> {
    let (before, after) = (probes(before), probes(after));
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let changes = names.into_iter().filter_map(|name| {
        let (old, new) = (before.get(name), after.get(name));
        let service = new.or(old)?.service.clone();
        Some(ProbeChange { probe: name.to_owned(), service, action: action(old, new) })
    });
    changes.collect()
}

/// The alert targets of a set by name.
pub(super) fn alert_targets(catalog: &Catalog) -> BTreeMap<&str, &AlertTarget> {
    catalog.set.alert_targets.iter().map(|target| (target.name.as_str(), target)).collect()
}

fn target_changes(before: &Catalog, after: &Catalog) -> Vec<TargetChange> {
    let (before, after) = (alert_targets(before), alert_targets(after));
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let changes = names.into_iter().filter_map(|name| {
        let (old, new) = (before.get(name), after.get(name));
        let via = new.or(old)?.via.kind();
        Some(TargetChange { target: name.to_owned(), via, action: action(old, new) })
    });
    changes.collect()
}

/// The restore actions of a set by name.
pub(super) fn restore_actions(catalog: &Catalog) -> BTreeMap<&str, &RestoreAction> {
    catalog.set.restore_actions.iter().map(|action| (action.name.as_str(), action)).collect()
}

fn restore_changes(before: &Catalog, after: &Catalog) -> Vec<RestoreChange> {
    let (before, after) = (restore_actions(before), restore_actions(after));
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let changes = names.into_iter().filter_map(|name| {
        let (old, new) = (before.get(name), after.get(name));
        let found = new.or(old)?;
        let (service, via) = (found.service.clone(), found.via.kind());
        Some(RestoreChange { restore: name.to_owned(), service, via, action: action(old, new) })
    });
    changes.collect()
}

/// What a document says: one of our own kinds, or what OpenSLO has a service say.
struct Document {
    service: Option<String>,
    spec: Value,
}

/// The documents of our own kinds in a set, and the services of OpenSLO, by kind and name.
fn documents(catalog: &Catalog) -> BTreeMap<(&'static str, &str), Document> {
    let services = catalog.set.services.iter().map(|of| {
        let spec = json!({
            "displayName": of.display_name, "description": of.description, "tier": of.tier,
        });
        let key = (GoverningKind::Service.word(), of.name.as_str());
        (key, Document { service: Some(of.name.clone()), spec })
    });
    // A document of our own says more, and takes that place.
    let own = catalog.set.governing.iter().map(|of| {
        let service = of.service().map(str::to_owned);
        ((of.kind.word(), of.name.as_str()), Document { service, spec: of.spec.clone() })
    });
    services.chain(own).collect()
}

fn document_changes(before: &Catalog, after: &Catalog) -> Vec<DocumentChange> {
    let (before, after) = (documents(before), documents(after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let changes = keys.into_iter().filter_map(|key| {
        let (old, new) = (before.get(&key), after.get(&key));
        let service = new.or(old)?.service.clone();
        let action = action(old.map(|of| &of.spec), new.map(|of| &of.spec));
        let mut changes = Vec::new();
        if let (Some(old), Some(new)) = (old, new) {
            differences("spec", &old.spec, &new.spec, &mut changes);
            changes.truncate(DIFFERENCES_MAX);
        }
        Some(DocumentChange { kind: key.0, name: key.1.to_owned(), service, action, changes })
    });
    changes.collect()
}

/// The fields of a document that are told of when it changes.
const DIFFERENCES_MAX: usize = 12;
/// The longest value that is told of whole, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// Which fields of `before` are others in `after`, with what they say; parts of a list are told apart by their places, lists
/// that have become longer or shorter by what is at their end.
fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    if before == after || found.len() > DIFFERENCES_MAX {
        return;
    }
    let none = Value::Null;
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let (old, new) = (old.get(name), new.get(name));
                let path = format!("{path}.{name}");
                differences(&path, old.unwrap_or(&none), new.unwrap_or(&none), found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for at in 0..old.len().max(new.len()) {
                let (old, new) = (old.get(at), new.get(at));
                let path = format!("{path}[{at}]");
                differences(&path, old.unwrap_or(&none), new.unwrap_or(&none), found);
            }
        }
        (old, new) => found.push(format!("{path}: {} becomes {}", shown(old), shown(new))),
    }
}

/// A value, cut.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// The names of all SLOs of a set, those that cannot be evaluated included.
pub(crate) fn names(catalog: &Catalog) -> impl Iterator<Item = &str> {
    let incomplete = catalog.set.incomplete.iter().map(|slo| slo.name.as_str());
    catalog.set.slos.iter().map(|slo| slo.name.as_str()).chain(incomplete)
}

fn action<T: PartialEq>(before: Option<T>, after: Option<T>) -> Action {
    match (before, after) {
        (None, _) => Action::Created,
        (Some(_), None) => Action::Removed,
        (Some(before), Some(after)) if before == after => Action::Unchanged,
        (Some(_), Some(_)) => Action::Changed,
    }
}

/// All that is said of one SLO in a set.
#[derive(PartialEq)]
pub(super) struct Said<'a> {
    slo: Option<&'a Slo>,
    generation: Option<[u8; 32]>,
    not_counted: Option<&'a str>,
    corrections: Vec<&'a Correction>,
}

impl<'a> Said<'a> {
    /// The service that it is for, where that is known.
    pub(super) fn service(&self) -> Option<&'a str> {
        self.slo.map(|slo| slo.service.as_str())
    }

    /// What is taken out of its budget.
    pub(super) fn corrections(&self) -> &[&'a Correction] {
        &self.corrections
    }
}

/// A set by the names of its SLOs: with thousands of them a search for each would be slow.
pub(super) struct Index<'a> {
    catalog: &'a Catalog,
    slos: HashMap<&'a str, &'a Slo>,
    generations: HashMap<&'a str, [u8; 32]>,
    not_counted: HashMap<&'a str, &'a str>,
}

impl<'a> Index<'a> {
    pub(super) fn of(catalog: &'a Catalog) -> Self {
        let Catalog { set, counted, not_counted, governance: _ } = catalog;
        let generations = counted.iter().map(|slo| (slo.slo.name.as_str(), slo.generation));
        let not_counted = not_counted.iter().map(|slo| (slo.slo.as_str(), slo.reason.as_str()));
        Self {
            catalog,
            slos: set.slos.iter().map(|slo| (slo.name.as_str(), slo)).collect(),
            generations: generations.collect(),
            not_counted: not_counted.collect(),
        }
    }

    /// What is said of the SLO `name`; `None` when there is none.
    pub(super) fn said(&self, name: &str) -> Option<Said<'a>> {
        let slo = self.slos.get(name).copied();
        let not_counted = self.not_counted.get(name).copied();
        if slo.is_none() && not_counted.is_none() {
            return None;
        }
        let applies = |one: &&Correction| one.is_for(name);
        Some(Said {
            slo,
            generation: self.generations.get(name).copied(),
            not_counted,
            corrections: self.catalog.set.corrections.iter().filter(applies).collect(),
        })
    }
}

fn slo_change(name: &str, before: &Index<'_>, after: &Index<'_>) -> SloChange {
    let (old, new) = (before.said(name), after.said(name));
    let mut changes = Vec::new();
    let mut new_generation = false;
    if let (Some(old), Some(new)) = (&old, &new) {
        if let (Some(old), Some(new)) = (old.slo, new.slo) {
            compare(old, new, &mut changes);
        }
        corrections(&old.corrections, &new.corrections, &mut changes);
        if let Some(reason) = new.not_counted.filter(|_| old.not_counted != new.not_counted) {
            changes.push(format!("is not evaluated: {reason}"));
        }
        new_generation = new.generation.is_some() && old.generation != new.generation;
        if new_generation {
            changes.push(
                "what is counted: begins a new generation, whose past is counted again: from stored \
                 events, or from samples that a metrics system is asked for"
                    .to_owned(),
            );
        }
    } else if let Some(reason) = new.as_ref().and_then(|new| new.not_counted) {
        changes.push(format!("is not evaluated: {reason}"));
    }
    let file = |index: &Index<'_>| index.catalog.set.origins.file(name).map(str::to_owned);
    SloChange {
        slo: name.to_owned(),
        file: file(after).or_else(|| file(before)),
        action: action(old, new),
        changes,
        new_generation,
    }
}
