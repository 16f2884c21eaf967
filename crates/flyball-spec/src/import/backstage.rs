//! Backstage: `catalog-info.yaml`, `backstage.io/v1alpha1`.
//!
//! A `Component` or `Resource` becomes a service: its owner the team, its system the product, its links links.
//! What it depends on, and who provides the APIs that it consumes, become hard dependencies, since Backstage does
//! not say what it can do without. What Backstage has no word for stands in annotations `flyball.dev/…`. Entities
//! that describe no service are left alone, and so are fields: other tools keep theirs in the same files.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use crate::decode::{Place, Reader, Text};
use crate::diagnostic::shown;
use crate::session::Session;
use crate::set::{Governing, GoverningKind, Service};
use crate::yaml::Node;

/// The longest description that is taken over, in bytes: the rest is in Backstage.
const DESCRIPTION_BYTES_MAX: usize = 1_000;
/// The most links that are taken over: as many as a service has.
const LINKS_MAX: usize = 16;
/// The longest part of an entity's name, in characters, by Backstage's own rule.
const NAME_CHARS_MAX: usize = 63;
/// The namespace of entities that name none.
const NAMESPACE: &str = "default";
/// Types of components that run nowhere.
const NOT_RUN: [&str; 2] = ["library", "documentation"];
/// The annotations that say what Backstage has no word for, each with its field of a service.
const TEXTS: [(&str, &str); 6] = [
    ("flyball.dev/tier", "tier"),
    ("flyball.dev/on-call", "onCall"),
    ("flyball.dev/runbook", "runbook"),
    ("flyball.dev/support-model", "supportModel"),
    ("flyball.dev/funded-until", "fundedUntil"),
    ("flyball.dev/custody-rules", "custodyRules"),
];
/// The annotation with what is not earned in an hour that it is down: an amount and a currency.
const REVENUE: &str = "flyball.dev/revenue-per-hour";
/// The annotation with when its team works: hours of the day and a time zone.
const WORKING: &str = "flyball.dev/working-hours";
/// The annotation with what SLOs and telemetry call the service, where that is not its name.
const SERVICE: &str = "flyball.dev/service";
/// The annotation with the product manager who answers for its targets.
const ACCOUNTABLE: &str = "flyball.dev/accountable";
/// The annotation with journeys of users, between commas.
const JOURNEYS: &str = "flyball.dev/journeys";
/// The annotation with those of its dependencies that it can do without, between commas.
const SOFT: &str = "flyball.dev/soft-dependencies";

/// An entity by kind, namespace and name, in lower case: Backstage does not tell cases apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct EntityRef {
    kind: String,
    namespace: String,
    name: String,
}

/// A reference as it stands: what it means, the name as it was written, and where.
#[derive(Debug, Clone)]
struct Referred {
    to: EntityRef,
    name: String,
    at: Place,
}

/// An entity that becomes a service.
pub(crate) struct Entity {
    own: EntityRef,
    /// What the service is called.
    name: Text,
    display_name: Option<String>,
    spec: Map<String, Value>,
    tier_at: Place,
    asks: Vec<Referred>,
    asked_by: Vec<Referred>,
    provides: Vec<Referred>,
    consumes: Vec<Referred>,
    soft: Vec<String>,
    place: Place,
    node: Node,
}

/// What a kind of entity is to us.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Service,
    Location,
    Other,
}

const KINDS: [(&str, Kind); 9] = [
    ("Component", Kind::Service),
    ("Resource", Kind::Service),
    ("Location", Kind::Location),
    ("API", Kind::Other),
    ("System", Kind::Other),
    ("Domain", Kind::Other),
    ("Group", Kind::Other),
    ("User", Kind::Other),
    ("Template", Kind::Other),
];

/// The words for how far something is in its life that have a meaning.
const LIFECYCLES: [&str; 3] = ["experimental", "production", "deprecated"];

/// Reads one document; `None` when it describes no service, or faults were noted.
pub(crate) fn document(node: &Node, kind: &Node, r: &mut Reader<'_, '_>) -> Option<Entity> {
    let kind = r.text(kind)?;
    let known = KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&kind.value));
    match known {
        Some((_, Kind::Service)) => entity(node, &kind.value, r),
        Some((_, Kind::Location)) => {
            let message = "the files that a `Location` names are not followed";
            r.warn(kind.at.span, message, "load them as well");
            None
        }
        Some((_, Kind::Other)) => None,
        None => {
            let message = format!("`{}` is no kind of Backstage that is known", shown(&kind.value));
            r.warn(kind.at.span, message, "the document is skipped");
            None
        }
    }
}

fn entity(node: &Node, kind: &str, r: &mut Reader<'_, '_>) -> Option<Entity> {
    let before = r.findings.errors();
    let mut fields = r.fields(node)?;
    let metadata = fields.require("metadata", "with a `name`", r)?;
    let spec = fields.get("spec");
    let kind_of = spec.and_then(|spec| spec.get("type")).filter(|node| !node.is_null());
    if let Some(text) = kind_of.and_then(|node| r.any_text(node))
        && NOT_RUN.contains(&text.value.as_str())
    {
        let message = format!("what is of the type `{}` runs nowhere", text.value);
        r.warn(text.at.span, message, "the document is skipped");
        return None;
    }
    let mut about = r.fields(metadata)?;
    let name = about.require("name", "the entity's name", r).and_then(|node| name(node, r))?;
    let namespace = about.get("namespace").and_then(|node| self::name(node, r));
    let namespace = namespace.map_or_else(|| NAMESPACE.to_owned(), |text| text.value);
    let display_name = optional(about.get("title"), r).map(|text| text.value);
    let mut out = Map::new();
    if let Some(text) = optional(about.get("description"), r) {
        out.insert("description".to_owned(), shortened(&text, r).into());
    }
    let links = links(about.get("links"), r);
    if !links.is_empty() {
        out.insert("links".to_owned(), links.into());
    }
    let annotations = annotations(about.get("annotations"), r);
    for (key, field) in TEXTS {
        if let Some(text) = annotations.get(key) {
            out.insert(field.to_owned(), text.value.clone().into());
        }
    }
    if let Some(text) = annotations.get(ACCOUNTABLE) {
        out.insert("accountable".to_owned(), json!({"who": text.value}));
    }
    if let Some(text) = annotations.get(REVENUE) {
        out.extend(revenue(text, r).map(|revenue| ("revenuePerHour".to_owned(), revenue)));
    }
    if let Some(text) = annotations.get(WORKING) {
        out.extend(working(text, r).map(|hours| ("workingHours".to_owned(), hours)));
    }
    let journeys = listed(annotations.get(JOURNEYS));
    if !journeys.is_empty() {
        out.insert("journeys".to_owned(), journeys.into());
    }
    let of = |key: &str| spec.and_then(|spec| spec.get(key)).filter(|node| !node.is_null());
    for (key, field, kind) in [("owner", "team", "group"), ("system", "product", "system")] {
        if let Some(to) = of(key).and_then(|node| referred(node, kind, &namespace, r)) {
            if to.to.kind == "user" {
                let message = format!("the owner `{}` is a person, and no team", shown(&to.name));
                r.warn(to.at.span, message, "have a group own it, so that somebody else knows it");
                continue;
            }
            out.insert(field.to_owned(), called(&to).into());
        }
    }
    // Other words are those of a company, and mean nothing here.
    if let Some(text) = of("lifecycle").and_then(|node| r.any_text(node))
        && LIFECYCLES.contains(&text.value.as_str())
    {
        out.insert("lifecycle".to_owned(), text.value.into());
    }
    let mut all = |key: &str, kind: &str| -> Vec<Referred> {
        let nodes = r.list(of(key)).iter();
        nodes.filter_map(|node| referred(node, kind, &namespace, r)).collect()
    };
    let (asks, asked_by) = (all("dependsOn", "component"), all("dependencyOf", "component"));
    let (provides, consumes) = (all("providesApis", "api"), all("consumesApis", "api"));
    if r.findings.errors() > before {
        return None;
    }
    let own = EntityRef::new(kind, &namespace, &name.value);
    let plain = Referred { to: own.clone(), name: name.value.clone(), at: name.at };
    let service = annotations.get(SERVICE).map_or_else(|| called(&plain), |of| of.value.clone());
    Some(Entity {
        own,
        name: Text { value: service, at: name.at },
        display_name,
        spec: out,
        tier_at: annotations.get("flyball.dev/tier").map_or(name.at, |text| text.at),
        asks,
        asked_by,
        provides,
        consumes,
        soft: listed(annotations.get(SOFT)),
        place: r.place(node.span),
        node: node.clone(),
    })
}

/// The services that `entities` describe together, with the documents that they would have been.
pub(crate) fn services(
    entities: &[Entity],
    session: &mut Session<'_>,
) -> Vec<(Service, Governing, Text)> {
    let names: HashMap<&EntityRef, &str> =
        entities.iter().map(|of| (&of.own, of.name.value.as_str())).collect();
    let provided = entities.iter().flat_map(|of| of.provides.iter().map(move |api| (&api.to, of)));
    let mut providers: HashMap<&EntityRef, Vec<&Entity>> = HashMap::new();
    for (api, of) in provided {
        providers.entry(api).or_default().push(of);
    }
    let mut askers: HashMap<&EntityRef, Vec<&Entity>> = HashMap::new();
    for of in entities {
        for asker in &of.asked_by {
            askers.entry(&asker.to).or_default().push(of);
        }
    }
    let mut found = Vec::new();
    for of in entities {
        let mut asked: Vec<String> = Vec::new();
        for (at, to) in of.asks.iter().enumerate() {
            if of.asks[..at].iter().any(|before| before.to == to.to) {
                continue;
            }
            let named = names.get(&to.to).map_or_else(|| called(to), |name| (*name).to_owned());
            asked.push(named);
        }
        for api in &of.consumes {
            let Some(all) = providers.get(&api.to) else {
                let message = format!("nobody here provides the API `{}`", shown(&api.name));
                let hint = "load who does, so that it is known what this depends on";
                session.warn(api.at, message, hint);
                continue;
            };
            asked.extend(all.iter().map(|of| of.name.value.clone()));
        }
        let asking = askers.get(&of.own).into_iter().flatten();
        asked.extend(asking.map(|of| of.name.value.clone()));
        found.push(service(of, &asked));
    }
    found
}

fn service(of: &Entity, asked: &[String]) -> (Service, Governing, Text) {
    let mut dependencies: Vec<Value> = Vec::new();
    for (at, name) in asked.iter().enumerate() {
        if *name == of.name.value || asked[..at].contains(name) {
            continue;
        }
        let kind = if of.soft.contains(name) { "soft" } else { "hard" };
        dependencies.push(json!({"service": name, "kind": kind}));
    }
    let mut spec = of.spec.clone();
    if !dependencies.is_empty() {
        spec.insert("dependencies".to_owned(), dependencies.into());
    }
    let text = |field: &str| spec.get(field).and_then(Value::as_str).map(str::to_owned);
    let service = Service {
        name: of.name.value.clone(),
        display_name: of.display_name.clone(),
        description: text("description"),
        tier: text("tier"),
        tier_at: (of.tier_at, "metadata.annotations"),
    };
    let governing = Governing {
        kind: GoverningKind::Service,
        name: of.name.value.clone(),
        spec: Value::Object(spec),
        place: of.place,
        node: of.node.clone(),
    };
    (service, governing, of.name.clone())
}

impl EntityRef {
    fn new(kind: &str, namespace: &str, name: &str) -> Self {
        let [kind, namespace, name] = [kind, namespace, name].map(str::to_lowercase);
        Self { kind, namespace, name }
    }
}

/// What a service or team is called: by its name, and its namespace where that is another than the usual one.
fn called(of: &Referred) -> String {
    if of.to.namespace == NAMESPACE {
        return of.name.clone();
    }
    format!("{}-{}", of.to.namespace, of.name)
}

/// Reads `[kind:][namespace/]name`; what is left out is `kind`, and the namespace of who refers.
fn referred(node: &Node, kind: &str, namespace: &str, r: &mut Reader<'_, '_>) -> Option<Referred> {
    let text = r.any_text(node)?;
    let (kind, rest) = text.value.split_once(':').unwrap_or((kind, &text.value));
    let (namespace, name) = rest.split_once('/').unwrap_or((namespace, rest));
    if kind.is_empty() || !is_name(namespace) || !is_name(name) {
        let message = format!("`{}` refers to no entity", shown(&text.value));
        r.warn(text.at.span, message, "write it like `component:default/artist-lookup`");
        return None;
    }
    let to = EntityRef::new(kind, namespace, name);
    Some(Referred { to, name: name.to_owned(), at: text.at })
}

/// A name by Backstage's rule.
fn name(node: &Node, r: &mut Reader<'_, '_>) -> Option<Text> {
    let text = r.any_text(node)?;
    if is_name(&text.value) {
        return Some(text);
    }
    let message = format!("`{}` is not the name of an entity", shown(&text.value));
    let hint = if text.value.contains("{{") {
        "this is a template; load what it renders to"
    } else {
        "1 to 63 letters and digits, with `-`, `_` or `.` between them"
    };
    r.error(text.at.span, message, hint);
    None
}

/// 1 to 63 of `[a-zA-Z0-9]`, which `-`, `_` and `.` may stand between.
fn is_name(text: &str) -> bool {
    let is_end = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_alphanumeric());
    text.len() <= NAME_CHARS_MAX
        && is_end(text.chars().next())
        && is_end(text.chars().last())
        && text.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_.".contains(sign))
}

/// A text that may be missing or say nothing.
fn optional(node: Option<&Node>, r: &mut Reader<'_, '_>) -> Option<Text> {
    node.and_then(|node| r.any_text(node)).filter(|text| !text.value.trim().is_empty())
}

fn shortened(text: &Text, r: &mut Reader<'_, '_>) -> String {
    let whole = text.value.trim();
    if whole.len() <= DESCRIPTION_BYTES_MAX {
        return whole.to_owned();
    }
    let message = format!("{DESCRIPTION_BYTES_MAX} bytes of the description are taken over");
    r.warn(text.at.span, message, "its first sentence says what it does");
    let fits = |(at, sign): &(usize, char)| at + sign.len_utf8() <= DESCRIPTION_BYTES_MAX;
    whole.char_indices().take_while(fits).map(|(_, sign)| sign).collect()
}

/// The links that people can follow, by their titles or addresses.
fn links(node: Option<&Node>, r: &mut Reader<'_, '_>) -> Vec<Value> {
    let mut links = Vec::new();
    for node in r.list(node) {
        let Some(url) = optional(node.get("url"), r) else { continue };
        let is_web = ["http://", "https://"].iter().any(|scheme| url.value.starts_with(scheme));
        if !is_web || url.value.chars().any(char::is_whitespace) {
            let message = format!("`{}` is no address of the web", shown(&url.value));
            r.warn(url.at.span, message, "the link is left out");
            continue;
        }
        if links.len() == LINKS_MAX {
            let message = format!("the first {LINKS_MAX} links are taken over");
            r.warn(url.at.span, message, "the others are in Backstage");
            break;
        }
        let title = optional(node.get("title"), r).unwrap_or_else(|| url.clone());
        links.push(json!({"name": title.value, "url": url.value}));
    }
    links
}

/// What annotations say, by their keys.
fn annotations(node: Option<&Node>, r: &mut Reader<'_, '_>) -> BTreeMap<String, Text> {
    let mut all = BTreeMap::new();
    for entry in r.entries(node) {
        // Those of others may hold anything.
        if entry.key.starts_with("flyball.dev/") {
            all.extend(optional(Some(&entry.value), r).map(|text| (entry.key.clone(), text)));
        }
    }
    all
}

/// An amount and a currency, such as `12000 EUR`.
fn revenue(text: &Text, r: &mut Reader<'_, '_>) -> Option<Value> {
    let mut words = text.value.split_whitespace();
    if let (Some(amount), Some(currency), None) = (words.next(), words.next(), words.next()) {
        return Some(json!({"amount": amount, "currency": currency}));
    }
    let message = format!("`{}` is no amount and currency", shown(&text.value));
    r.error(text.at.span, message, "write it like `12000 EUR`");
    None
}

/// Hours of the day and a time zone, with days before where they are not those of the week, such as `mon,tue,wed
/// 08:30-16:30 Europe/Berlin`.
fn working(text: &Text, r: &mut Reader<'_, '_>) -> Option<Value> {
    let words: Vec<&str> = text.value.split_whitespace().collect();
    let (days, rest) = match words.as_slice() {
        [days, rest @ ..] if rest.len() == 2 => (Some(*days), rest),
        rest => (None, rest),
    };
    if let [hours, zone] = rest
        && let Some((from, to)) = hours.split_once('-')
    {
        let mut working = json!({"from": from, "to": to, "timeZone": zone});
        if let Some(days) = days {
            working["days"] = days.split(',').collect();
        }
        return Some(working);
    }
    let message = format!("`{}` is no working time", shown(&text.value));
    r.error(text.at.span, message, "write it like `08:30-16:30 Europe/Berlin`");
    None
}

/// What stands between commas.
fn listed(text: Option<&Text>) -> Vec<String> {
    let parts = text.into_iter().flat_map(|text| text.value.split(','));
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
