//! The entry: sources in, model and diagnostics out.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use flyball_model::Slo;

use crate::decode::{Place, Text};
use crate::diagnostic::{CANDIDATES_MAX, Diagnostic, ELSEWHERE, nearest, shown};
use crate::import;
use crate::openslo::{self, Document, ServiceDoc, SloDoc, Version};
use crate::origin::{Origins, Part};
use crate::own::{self, Defined};
use crate::resolve::{self, Registry, Unusable};
use crate::session::{BEGINNING, Session};
use crate::set::{Alerting, Governing, GoverningKind, Service, SpecSet};
use crate::source::Source;
use crate::yaml::Node;

/// Reads all sources together: references may lead from one to another.
///
/// Documents with errors are left out of the set; all others are in it. Reading goes on after an
/// error, so that one call shows everything that is wrong. The set can be used as a whole when
/// no diagnostic is an error.
pub fn load(sources: &[Source]) -> (SpecSet, Vec<Diagnostic>) {
    let mut loader = Loader {
        session: Session::new(sources),
        set: SpecSet { origins: Origins::new(sources), ..SpecSet::default() },
        registry: Registry::default(),
        slos: Vec::new(),
        imported: Vec::new(),
        entities: Vec::new(),
        corrected: Vec::new(),
        seen: HashMap::new(),
    };
    for (source, node) in loader.session.documents() {
        loader.document(source, &node);
    }
    loader.resolve();
    let mut diagnostics = loader.session.findings.into_list();
    let order = |name: &str| sources.iter().position(|source| source.name == name);
    diagnostics.sort_by(|a, b| {
        (order(&a.file), a.line, a.column).cmp(&(order(&b.file), b.line, b.column))
    });
    (loader.set, diagnostics)
}

/// An SLO that another format defines, already in the model.
pub(crate) struct Imported {
    pub(crate) slo: Slo,
    pub(crate) alerting: Alerting,
    pub(crate) name: Place,
}

/// The annotation of a service that names its tier.
const TIER: &str = "flyball.dev/tier";

struct Loader<'s> {
    session: Session<'s>,
    set: SpecSet,
    registry: Registry,
    slos: Vec<SloDoc>,
    imported: Vec<Imported>,
    /// What a catalogue of Backstage describes.
    entities: Vec<import::backstage::Entity>,
    /// The SLO names that corrections list.
    corrected: Vec<Text>,
    /// Names by kind, to see what is defined twice.
    seen: HashMap<(&'static str, String), usize>,
}

/// What a document's `apiVersion` or `version` says it is.
#[derive(Debug, Clone, Copy)]
enum Format {
    OpenSlo(Version),
    Flyball,
    SlothKubernetes,
    Pyrra,
    Backstage,
}

const FORMATS: [(&str, Format); 8] = [
    ("openslo/v1", Format::OpenSlo(Version::V1)),
    ("openslo/v1alpha", Format::OpenSlo(Version::V1Alpha)),
    ("openslo.com/v2alpha", Format::OpenSlo(Version::V2Alpha)),
    ("flyball.dev/v1", Format::Flyball),
    ("sloth.slok.dev/v1", Format::SlothKubernetes),
    ("pyrra.dev/v1alpha1", Format::Pyrra),
    ("backstage.io/v1alpha1", Format::Backstage),
    ("backstage.io/v1beta1", Format::Backstage),
];

impl Loader<'_> {
    fn document(&mut self, source: usize, node: &Node) {
        let place = Place { source, span: node.span };
        let mut r = self.session.reader(place);
        if r.fields(node).is_none() {
            return;
        }
        let api_version = node.get("apiVersion").filter(|node| !node.is_null());
        if api_version.is_none() && node.get("version").is_some() && node.get("slos").is_some() {
            let imported = import::sloth::document(node, &mut r);
            self.imported.extend(imported);
            return;
        }
        let Some(api_version) = api_version else {
            r.missing(node, "apiVersion", BEGINNING);
            return;
        };
        let Some(text) = r.text(api_version) else { return };
        let format = FORMATS.iter().find(|(name, _)| *name == text.value);
        let Some((_, format)) = format else {
            self.unknown_version(&text);
            return;
        };
        let Some(kind) = node.get("kind").filter(|node| !node.is_null()) else {
            r.missing(node, "kind", "like `kind: SLO`");
            return;
        };
        match format {
            Format::OpenSlo(version) => {
                if let Some(document) = openslo::document(node, *version, kind, &mut r) {
                    self.openslo(document);
                }
            }
            Format::Flyball => {
                if let Some(defined) = own::document(node, kind, &mut r) {
                    self.own(defined);
                }
            }
            Format::SlothKubernetes => {
                let imported =
                    import::sloth::kubernetes(node, kind, &mut r, &mut self.set.strategies);
                self.imported.extend(imported);
            }
            Format::Pyrra => {
                let imported = import::pyrra::document(node, kind, &mut r);
                self.imported.extend(imported);
            }
            Format::Backstage => {
                let entity = import::backstage::document(node, kind, &mut r);
                self.entities.extend(entity);
            }
        }
    }

    /// Kubernetes manifests of other kinds may stand beside SLOs; anything else is an error.
    fn unknown_version(&mut self, text: &Text) {
        let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
        let group = text.value.split_once('/').map_or("", |(group, _)| group);
        let near = nearest(&text.value, &names);
        let ours =
            FORMATS.iter().any(|(name, _)| name.split_once('/').is_some_and(|(g, _)| g == group));
        let message = format!("`{}` is not a version that is read here", shown(&text.value));
        if group.contains('.') && near.is_none() && !ours {
            self.session.warn(text.at, message, "the document is skipped");
            return;
        }
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}", names.join(", ")),
        };
        self.session.error(text.at, message, hint);
    }

    fn openslo(&mut self, document: Document) {
        match document {
            Document::Slo(doc) => self.slos.push(*doc),
            Document::Service(doc) => {
                let ServiceDoc { metadata, description } = doc;
                if self.first_service(&metadata.name) {
                    let tier = metadata.annotations.into_iter().find(|(key, _)| key == TIER);
                    let tier = tier.map(|(_, text)| text);
                    let tier_at = tier.as_ref().map(|text| text.at).unwrap_or_default();
                    self.set.services.push(Service {
                        name: metadata.name.value,
                        display_name: metadata.display_name,
                        description,
                        tier_at: (tier_at, "metadata.annotations"),
                        tier: tier.map(|text| text.value),
                    });
                }
            }
            Document::DataSource(doc) => {
                if self.first("DataSource", &doc.metadata.name) {
                    self.registry.sources.insert(doc.metadata.name.value.clone(), doc);
                }
            }
            Document::Sli(doc) => {
                if self.first("SLI", &doc.metadata.name) {
                    self.registry.slis.insert(doc.metadata.name.value.clone(), *doc);
                }
            }
            Document::Policy(doc) => {
                if self.first("AlertPolicy", &doc.metadata.name) {
                    self.registry.policies.insert(doc.metadata.name.value.clone(), doc);
                }
            }
            Document::Condition(doc) => {
                if self.first("AlertCondition", &doc.metadata.name) {
                    self.registry.conditions.insert(doc.metadata.name.value.clone(), *doc);
                }
            }
            Document::Target(doc) => {
                if self.first("AlertNotificationTarget", &doc.metadata.name) {
                    self.registry.targets.insert(doc.metadata.name.value.clone(), doc);
                }
            }
        }
    }

    fn own(&mut self, defined: Defined) {
        match defined {
            Defined::Strategy(strategy, name) => {
                if self.first("AlertStrategy", &name) {
                    self.set.strategies.push(strategy);
                }
            }
            Defined::Correction(correction, name, slos) => {
                self.corrected.extend(slos);
                if self.first("Correction", &name) {
                    self.set.corrections.push(*correction);
                }
            }
            Defined::Target(target, name) => {
                self.set.origins.insert_reaching(name.at);
                if self.first("AlertTarget", &name) {
                    self.set.alert_targets.push(*target);
                }
            }
            Defined::Flawed(kind, name) => self.set.origins.insert_flawed(kind, name),
            Defined::Restore(action, name) => {
                self.set.origins.insert_reaching(name.at);
                if self.first("RestoreAction", &name) {
                    self.set.restore_actions.push(*action);
                }
            }
            Defined::Probe(probe, name) => {
                self.set.origins.insert_probe(&probe.service, name.at);
                if self.first("Probe", &name) {
                    self.set.probes.push(*probe);
                }
            }
            Defined::Governing(governing, name) => {
                let kind = governing.kind.word();
                for service in governing.services() {
                    self.set.origins.insert_service(service, name.at);
                }
                let is_first = self.first(kind, &name);
                let set = &mut self.set;
                if is_first { &mut set.governing } else { &mut set.shadowed }.push(*governing);
            }
            Defined::Service(service, governing, name) => {
                if self.first_service(&name) {
                    self.set.services.push(*service);
                    self.set.governing.push(*governing);
                } else {
                    self.set.shadowed.push(*governing);
                }
            }
        }
    }

    /// True for the first object of this kind and name; a later one is noted and not used.
    fn first(&mut self, kind: &'static str, name: &Text) -> bool {
        let Some(before) = self.before(kind, &name.value, name.at) else { return true };
        let (message, hint) = match self.other_file(before, name.at) {
            Some(file) => (
                format!("{file} has a {kind} `{}` already; that one counts", name.value),
                format!(
                    "apply it under that file's name, or take one of the two away (`flyball apply … --remove {file}`)"
                ),
            ),
            None => (
                format!("another {kind} `{}` comes before; that one counts", name.value),
                "give each its own name".to_owned(),
            ),
        };
        self.session.warn(name.at, message, hint);
        false
    }

    /// The source of what was seen before of this kind and name.
    fn before(&mut self, kind: &'static str, name: &str, at: Place) -> Option<usize> {
        match self.seen.entry((kind, name.to_owned())) {
            Entry::Vacant(entry) => {
                entry.insert(at.source);
                None
            }
            Entry::Occupied(entry) => Some(*entry.get()),
        }
    }

    /// The name of a source where it is another than that of `at`.
    fn other_file(&self, source: usize, at: Place) -> Option<String> {
        (source != at.source).then(|| self.session.name(source).to_owned())
    }

    /// As [`Self::first`], for a service, which is described once, whichever kind says more.
    fn first_service(&mut self, name: &Text) -> bool {
        self.set.origins.insert_service(&name.value, name.at);
        self.first("Service", name)
    }

    /// Has what a catalogue of others says of a service stand where its own document says nothing; true where it has one.
    fn completes(&mut self, service: &Service, entity: &Governing) -> bool {
        let Some(own) = self.set.services.iter_mut().find(|of| of.name == service.name) else {
            return false;
        };
        if own.display_name.is_none() {
            own.display_name.clone_from(&service.display_name);
        }
        if own.description.is_none() {
            own.description.clone_from(&service.description);
        }
        if own.tier.is_none() {
            own.tier.clone_from(&service.tier);
            own.tier_at = service.tier_at;
        }
        let is_own =
            |of: &&mut Governing| of.kind == GoverningKind::Service && of.name == entity.name;
        let Some(own) = self.set.governing.iter_mut().find(is_own) else {
            self.set.governing.push(entity.clone());
            return true;
        };
        if let (Some(own), Some(said)) = (own.spec.as_object_mut(), entity.spec.as_object()) {
            for (field, value) in said {
                own.entry(field).or_insert_with(|| value.clone());
            }
        }
        true
    }

    /// True for the first SLO of this name: the name is its identity.
    fn first_slo(&mut self, name: &str, place: Place) -> bool {
        let Some(before) = self.before("SLO", name, place) else { return true };
        let first = self.set.origins.file(name);
        let first = first.map(|file| format!("; the other one is in {file}"));
        let first = first.unwrap_or_default();
        let message = format!("the SLO `{}` is defined twice{first}", shown(name));
        let rename = "an SLO's name is its identity: rename one of them";
        let hint = self.other_file(before, place).map_or_else(
            || rename.to_owned(),
            |file| format!("{rename}, or take its file away (`flyball apply … --remove {file}`)"),
        );
        self.session.error(place, message, hint);
        false
    }

    fn resolve(&mut self) {
        let entities = std::mem::take(&mut self.entities);
        let mut entered = HashSet::new();
        for (service, governing, name) in import::backstage::services(&entities, &mut self.session)
        {
            let is_first = entered.insert(name.value.clone());
            if is_first && self.completes(&service, &governing) {
                continue;
            }
            if self.first_service(&name) {
                self.set.services.push(service);
                self.set.governing.push(governing);
            } else {
                self.set.shadowed.push(governing);
            }
        }
        for doc in std::mem::take(&mut self.slos) {
            let name = doc.metadata.name.clone();
            if !self.first_slo(&name.value, name.at) {
                continue;
            }
            let result = resolve::slo(
                &doc,
                &self.registry,
                &self.set.strategies,
                &mut self.session,
                &mut self.set.origins,
            );
            match result {
                Ok((slo, alerting)) => {
                    self.set.alerting.insert(slo.name.clone(), alerting);
                    self.set.slos.push(slo);
                }
                Err(Unusable::Incomplete(incomplete)) => self.set.incomplete.push(incomplete),
                Err(Unusable::Refused) => {}
            }
        }
        for imported in std::mem::take(&mut self.imported) {
            if !self.first_slo(&imported.slo.name, imported.name) {
                continue;
            }
            self.set.origins.insert(&imported.slo.name, Part::Slo, imported.name, &self.session);
            self.set.alerting.insert(imported.slo.name.clone(), imported.alerting);
            self.set.slos.push(imported.slo);
        }
        self.check_corrected();
    }

    /// A correction may name an SLO that is kept elsewhere, so an unknown name is a warning.
    fn check_corrected(&mut self) {
        // Incomplete ones too: they are there, and cannot be evaluated for other reasons.
        let known = self.seen.keys().filter(|(kind, _)| *kind == "SLO");
        let known: HashSet<&str> = known.map(|(_, name)| name.as_str()).collect();
        for name in &self.corrected {
            if known.contains(name.value.as_str()) || self.session.findings.is_full() {
                continue;
            }
            let names: Vec<&str> = known.iter().copied().take(CANDIDATES_MAX).collect();
            let hint = match nearest(&name.value, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => ELSEWHERE.to_owned(),
            };
            let message = format!("no SLO `{}` is loaded", shown(&name.value));
            self.session.warn(name.at, message, hint);
        }
    }
}
