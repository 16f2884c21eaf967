//! Whether somebody may make a change of definitions, and what of them they may see.
//!
//! A file is of the services of its SLOs, probes, risks, runbooks, escalations, of those whose escalations call its rotas, and
//! of those that it describes; one with an alert target or a restore action is of all. Whoever may not change the
//! definitions of all services changes files of their own services only, and nothing that is evaluated for others: a
//! correction in one file may take events out of any SLO's budget, and the events of a probe are its service's, so what a
//! change *does* is looked at beside where it is made.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flyball_catalog::Catalog;
use flyball_spec::{Governing, GoverningKind};

use super::ApplyError;
use super::plan::{Index, Plan, Said, alert_targets, names, probes, restore_actions};
use crate::auth::{Caller, Role};

/// The services of what a file holds; `None` for an SLO whose service is not known, and for an alert
/// target or a restore action.
type Services<'a> = Vec<Option<&'a str>>;

/// Refuses a change of the applied files from `texts.0` to `texts.1`, with which `sets.1` would be
/// evaluated in the place of `sets.0`, when `caller` may not make it.
pub(super) fn check(
    caller: &Caller,
    texts: (&BTreeMap<String, String>, &BTreeMap<String, String>),
    sets: (&Catalog, &Catalog),
) -> Result<(), ApplyError> {
    if caller.may_everywhere(Role::Sre) {
        return Ok(());
    }
    let may = |role, service: Option<&str>| match service {
        Some(service) => caller.may(role, service),
        None => caller.may_everywhere(role),
    };
    let homes = (services(sets.0), services(sets.1));
    let files: BTreeSet<&String> = texts.0.keys().chain(texts.1.keys()).collect();
    for file in files.into_iter().filter(|file| texts.0.get(*file) != texts.1.get(*file)) {
        let found = [&homes.0, &homes.1].into_iter().filter_map(|homes| homes.get(file.as_str()));
        let found: Vec<Option<&str>> = found.flatten().copied().collect();
        // What was of no service, as a rota that nothing calls, is of those who may change all of them.
        let was_nobodys = texts.0.contains_key(file) && !homes.0.contains_key(file.as_str());
        if (found.is_empty() || was_nobodys) && !caller.may_everywhere(Role::Owner) {
            let what = format!("nothing in `{file}` is of a service");
            return Err(forbidden(caller, &found, &what));
        }
        if !found.iter().all(|service| may(Role::Owner, *service)) {
            return Err(forbidden(caller, &found, &format!("`{file}` is not only yours")));
        }
    }
    let indexes = (Index::of(sets.0), Index::of(sets.1));
    let all: BTreeSet<&str> = names(sets.0).chain(names(sets.1)).collect();
    for name in all {
        let (before, after) = (indexes.0.said(name), indexes.1.said(name));
        if before == after {
            continue;
        }
        let said = [&before, &after].into_iter().flatten();
        let found: Vec<_> = said.clone().map(Said::service).collect();
        let mut corrections = said.map(Said::corrections);
        let is_corrected = match (corrections.next(), corrections.next()) {
            (Some(one), Some(other)) => one != other,
            (one, _) => one.is_some_and(|corrections| !corrections.is_empty()),
        };
        let role = if is_corrected { Role::Sre } else { Role::Owner };
        if !found.iter().all(|service| may(role, *service)) {
            let what = format!("what is evaluated for `{name}` would change, which needs {role}");
            return Err(forbidden(caller, &found, &what));
        }
    }
    if tiers(sets.0) != tiers(sets.1) {
        return Err(needs_everything());
    }
    check_governing(caller, sets)?;
    check_probes(caller, sets)?;
    check_targets(caller, sets)?;
    check_restores(caller, sets)
}

/// Refuses to make, change or end a restore action: it changes production, with the server's own secrets.
fn check_restores(caller: &Caller, sets: (&Catalog, &Catalog)) -> Result<(), ApplyError> {
    let indexes = (restore_actions(sets.0), restore_actions(sets.1));
    let all: BTreeSet<&str> = indexes.0.keys().chain(indexes.1.keys()).copied().collect();
    match all.into_iter().find(|name| indexes.0.get(name) != indexes.1.get(name)) {
        Some(name) => {
            let what = format!(
                "the restore action `{name}` would change, which needs sre for all services"
            );
            Err(forbidden(caller, &[None], &what))
        }
        None => Ok(()),
    }
}

/// Refuses to make, change or end an alert target: it is told of alerts with the server's own secrets,
/// and may be told of those of every service.
fn check_targets(caller: &Caller, sets: (&Catalog, &Catalog)) -> Result<(), ApplyError> {
    let indexes = (alert_targets(sets.0), alert_targets(sets.1));
    let all: BTreeSet<&str> = indexes.0.keys().chain(indexes.1.keys()).copied().collect();
    match all.into_iter().find(|name| indexes.0.get(name) != indexes.1.get(name)) {
        Some(name) => {
            let what =
                format!("the alert target `{name}` would change, which needs sre for all services");
            Err(forbidden(caller, &[None], &what))
        }
        None => Ok(()),
    }
}

/// The refusal of what holds for all services. Whoever is sre for all of them is not refused.
fn needs_everything() -> ApplyError {
    let what = "what holds for all services, such as a policy, a tier, costs, a checklist or a drill, or which tier a \
                service is of, would change; hint: that needs the role sre for all services";
    ApplyError::Forbidden(what.to_owned())
}

/// Refuses to change what services say of themselves and of their risks, how they are paged and what is done then, where
/// `caller` is no owner of all of them, also by another document that comes before; and what is of no service. A rota that
/// nothing calls is of the services of its file, now and before.
fn check_governing(caller: &Caller, sets: (&Catalog, &Catalog)) -> Result<(), ApplyError> {
    let indexes = (governing(sets.0), governing(sets.1));
    let all: BTreeSet<_> = indexes.0.keys().chain(indexes.1.keys()).copied().collect();
    for key in all {
        let (before, after) = (indexes.0.get(&key), indexes.1.get(&key));
        if before == after {
            continue;
        }
        let (kind, name) = key;
        let sides = [(before, services_of(sets.0, key)), (after, services_of(sets.1, key))];
        let is_for_all =
            |(of, owned): &(Option<_>, BTreeSet<&str>)| of.is_some() && owned.is_empty();
        if kind != GoverningKind::Rota && sides.iter().any(is_for_all) {
            return Err(needs_everything());
        }
        let owned: BTreeSet<&str> = sides.into_iter().flat_map(|(_, owned)| owned).collect();
        // Whoever calls a rota of others, or calls it no more, decides about them.
        let rotas = [before, after].into_iter().flatten().flat_map(|of| of.rotas());
        let called = rotas.flat_map(|rota| services_of(sets.0, (GoverningKind::Rota, rota)));
        check_named(caller, (before.copied(), after.copied()), sets.0)?;
        let services: Vec<Option<&str>> = owned.into_iter().chain(called).map(Some).collect();
        if !services.iter().flatten().all(|service| caller.may(Role::Owner, service)) {
            let kind = kind.word();
            let what = format!(
                "the {kind} `{name}` would change, or what it calls, which is not only yours"
            );
            return Err(forbidden(caller, &services, &what));
        }
    }
    Ok(())
}

/// Refuses that a service begins to name an escalation or a rota that is there, where `caller` is no owner of all whom it
/// serves: its people would be called, and it would be no more those owners' alone. They agree by listing the service in the
/// escalation.
fn check_named(
    caller: &Caller,
    (before, after): (Option<&Governing>, Option<&Governing>),
    there: &Catalog,
) -> Result<(), ApplyError> {
    let Some((of, named)) = after.and_then(|of| Some((of, of.on_call()?))) else { return Ok(()) };
    if before.and_then(Governing::on_call) == Some(named) || caller.may_everywhere(Role::Owner) {
        return Ok(());
    }
    let kinds = [GoverningKind::Escalation, GoverningKind::Rota].into_iter();
    let mut known = kinds.filter_map(|kind| governing(there).remove(&(kind, named)));
    let Some(known) = known.next() else { return Ok(()) };
    let has_agreed = of.services().iter().all(|own| known.services().contains(own));
    let owners = services_of(there, (known.kind, named));
    let is_owner = !owners.is_empty() && owners.iter().all(|own| caller.may(Role::Owner, own));
    if is_owner || known.kind == GoverningKind::Escalation && has_agreed {
        return Ok(());
    }
    let what = format!(
        "`{}` would call the people of the {} `{named}`, which is not only yours: its owners list the service in an \
         escalation's `services`, and it takes that way without `onCall`",
        of.name,
        known.kind.word()
    );
    Err(ApplyError::Forbidden(what))
}

fn governing(catalog: &Catalog) -> BTreeMap<(GoverningKind, &str), &Governing> {
    catalog.set.governing.iter().map(|of| ((of.kind, of.name.as_str()), of)).collect()
}

/// The services that a document of ours is of: those that it names, for an escalation that names none those that name it,
/// and for a rota those of the escalations that call it and those that name it themselves. None for what is of all services,
/// and for what is not there.
fn services_of<'a>(catalog: &'a Catalog, (kind, name): (GoverningKind, &str)) -> BTreeSet<&'a str> {
    let all = catalog.set.governing.iter();
    if kind == GoverningKind::Rota {
        let calling = all.clone().filter(|of| of.rotas().contains(name));
        let calling = calling.flat_map(|of| services_of(catalog, (of.kind, &of.name)));
        // Where an escalation has the name, it is that one that services name.
        let is_chain =
            all.clone().any(|of| (of.kind, &*of.name) == (GoverningKind::Escalation, name));
        let naming = all.filter(|of| !is_chain && of.on_call() == Some(name));
        return calling.chain(naming.flat_map(Governing::services)).collect();
    }
    let own = all.clone().filter(|of| (of.kind, of.name.as_str()) == (kind, name));
    let own: BTreeSet<&str> = own.flat_map(Governing::services).collect();
    if kind != GoverningKind::Escalation || !own.is_empty() {
        return own;
    }
    all.filter(|of| of.on_call() == Some(name)).flat_map(Governing::services).collect()
}

/// The tiers that services name.
fn tiers(catalog: &Catalog) -> BTreeMap<&str, &str> {
    let services = catalog.set.services.iter();
    services.filter_map(|of| Some((of.name.as_str(), of.tier.as_deref()?))).collect()
}

/// Refuses to make, change or end a probe of a service where `caller` is no owner, also by another one
/// of its name that comes before it.
fn check_probes(caller: &Caller, sets: (&Catalog, &Catalog)) -> Result<(), ApplyError> {
    let indexes = (probes(sets.0), probes(sets.1));
    let all: BTreeSet<&str> = indexes.0.keys().chain(indexes.1.keys()).copied().collect();
    for name in all {
        let (before, after) = (indexes.0.get(name), indexes.1.get(name));
        if before == after {
            continue;
        }
        let probes = [before, after].into_iter().flatten();
        let found: Vec<Option<&str>> = probes.map(|probe| Some(probe.service.as_str())).collect();
        if !found.iter().flatten().all(|service| caller.may(Role::Owner, service)) {
            let what = format!("the probe `{name}` would change, which needs owner");
            return Err(forbidden(caller, &found, &what));
        }
    }
    Ok(())
}

/// The refusal: `what` is told only to whoever sees all `services` that it is about.
fn forbidden(caller: &Caller, services: &[Option<&str>], what: &str) -> ApplyError {
    let is_seen = |service: Option<&str>| service.is_some_and(|service| caller.sees(service));
    let what = if services.iter().copied().all(is_seen) {
        what
    } else {
        "it would change what you may not change"
    };
    ApplyError::Forbidden(format!(
        "{what}; hint: owner of every service concerned may change SLOs, probes, risks, runbooks, escalations, the rotas that \
         only those call, and what services say of themselves; corrections need sre, and all else needs sre for all \
         services (`*`); prune removes files of others as well"
    ))
}

/// The services of each file's SLOs, probes, descriptions, escalations, runbooks and rotas.
fn services(catalog: &Catalog) -> HashMap<&str, Services<'_>> {
    let index = Index::of(catalog);
    let mut files: HashMap<&str, Services<'_>> = HashMap::new();
    for name in names(catalog) {
        if let Some(file) = catalog.set.origins.file(name) {
            let service = index.said(name).and_then(|said| said.service());
            files.entry(file).or_default().push(service);
        }
    }
    for (file, service) in catalog.set.origins.probes() {
        files.entry(file).or_default().push(Some(service));
    }
    for (file, service) in catalog.set.origins.services() {
        files.entry(file).or_default().push(Some(service));
    }
    // Those that name their services are noted with their files above.
    for of in catalog.set.governing.iter().filter(|of| of.services().is_empty()) {
        let named = services_of(catalog, (of.kind, &of.name)).into_iter().map(Some);
        if let (Some(file), 1..) = (catalog.set.origins.governing_file(of), named.len()) {
            files.entry(file).or_default().extend(named);
        }
    }
    for file in catalog.set.origins.reaching() {
        files.entry(file).or_default().push(None);
    }
    files
}

/// The files that `caller` may see: those of services that they see, and of no others. `None` for all.
pub(crate) fn seen<'a>(catalog: &'a Catalog, caller: &Caller) -> Option<BTreeSet<&'a str>> {
    if caller.sees_all() {
        return None;
    }
    let sees = |service: Option<&str>| service.is_some_and(|service| caller.sees(service));
    let files = services(catalog).into_iter();
    Some(files.filter(|(_, found)| found.iter().copied().all(sees)).map(|(file, _)| file).collect())
}

impl Plan {
    /// The plan without what `caller` may not see.
    pub(super) fn seen_by(mut self, caller: &Caller, sets: (&Catalog, &Catalog)) -> Self {
        let (Some(before), Some(after)) = (seen(sets.0, caller), seen(sets.1, caller)) else {
            return self;
        };
        let is_file = |file: &str| before.contains(file) || after.contains(file);
        let is_slo = |name: &str| {
            let indexed = [sets.0, sets.1].into_iter();
            let mut services = indexed.filter_map(|set| {
                set.set.slos.iter().find(|slo| slo.name == name).map(|slo| &slo.service)
            });
            services.any(|service| caller.sees(service))
        };
        self.retain(&is_file, &is_slo, &|service| caller.sees(service));
        self
    }
}
