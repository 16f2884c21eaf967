//! References to inlined objects, and back.
//!
//! Works on the trees of OpenSLO v1 documents, so that everything else in them stays as it is.

use std::collections::{HashMap, HashSet};

use crate::decode::Place;
use crate::diagnostic::{Diagnostic, ELSEWHERE, shown};
use crate::load::load;
use crate::session::Session;
use crate::source::{Source, Span};
use crate::yaml::{CommentMap, Data, Entry, Node, Scalar, ScalarForm, emit_yaml};

/// A list in a document whose items are references or inlined objects.
struct Link {
    list: &'static str,
    reference: &'static str,
    kind: &'static str,
}

const POLICIES: Link =
    Link { list: "alertPolicies", reference: "alertPolicyRef", kind: "AlertPolicy" };
const CONDITIONS: Link =
    Link { list: "conditions", reference: "conditionRef", kind: "AlertCondition" };
const TARGETS: Link =
    Link { list: "notificationTargets", reference: "targetRef", kind: "AlertNotificationTarget" };

/// What becomes of the objects that were referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referred {
    /// They stay documents of their own as well.
    Keep,
    /// They are left out.
    Remove,
}

/// Puts what OpenSLO v1 documents refer to in their place, in canonical form; comments are lost.
///
/// Other documents are returned as they are.
///
/// # Errors
///
/// The errors of [`load`], and each reference that leads nowhere.
pub fn inline(sources: &[Source], referred: Referred) -> Result<String, Vec<Diagnostic>> {
    let mut session = checked(sources)?;
    let mut documents = session.documents();
    let objects: HashMap<(String, String), Node> = documents
        .iter()
        .rev()
        .filter_map(|(_, node)| Some((identity(node)?, node.clone())))
        .collect();
    let mut inliner = Inliner { objects, used: HashSet::new(), session: &mut session, source: 0 };
    for (source, node) in &mut documents {
        inliner.source = *source;
        inliner.document(node);
    }
    let used = inliner.used;
    if session.findings.errors() > 0 {
        return Err(session.findings.into_list());
    }
    let kept = documents.into_iter().map(|(_, node)| node).filter(|node| {
        referred == Referred::Keep
            || identity(node).is_none_or(|identity| !used.contains(&identity))
    });
    Ok(emit(kept.collect()))
}

/// Makes documents of the objects that OpenSLO v1 documents inline, in canonical form; comments
/// are lost.
///
/// # Errors
///
/// The errors of [`load`].
pub fn export(sources: &[Source]) -> Result<String, Vec<Diagnostic>> {
    let session = checked(sources)?;
    let mut out = Vec::new();
    for (_, node) in session.documents() {
        out.extend(exported(node));
    }
    Ok(emit(out))
}

/// A session over sources without errors.
fn checked(sources: &[Source]) -> Result<Session<'_>, Vec<Diagnostic>> {
    let (_, diagnostics) = load(sources);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    Ok(Session::new(sources))
}

/// One document alone, several as a list.
fn emit(mut documents: Vec<Node>) -> String {
    let node = match documents.len() {
        1 => documents.remove(0),
        _ => Node { span: Span::default(), data: Data::Sequence(documents) },
    };
    emit_yaml(&node, &CommentMap::new())
}

/// Kind and name of an OpenSLO v1 document.
fn identity(node: &Node) -> Option<(String, String)> {
    if node.text_at("apiVersion") != Some("openslo/v1") {
        return None;
    }
    let name = node.get("metadata")?.text_at("name")?;
    Some((node.text_at("kind")?.to_owned(), name.to_owned()))
}

struct Inliner<'i, 's> {
    objects: HashMap<(String, String), Node>,
    used: HashSet<(String, String)>,
    session: &'i mut Session<'s>,
    source: usize,
}

impl Inliner<'_, '_> {
    fn document(&mut self, node: &mut Node) {
        let Some((kind, _)) = identity(node) else { return };
        let Some(spec) = get_mut(node, "spec") else { return };
        match kind.as_str() {
            "SLO" => self.slo(spec),
            "AlertPolicy" => self.policy(spec),
            _ => {}
        }
    }

    fn slo(&mut self, spec: &mut Node) {
        self.indicator(spec);
        for objective in items_mut(spec, "objectives") {
            self.indicator(objective);
        }
        self.list(spec, &POLICIES);
        for policy in items_mut(spec, POLICIES.list) {
            if let Some(spec) = get_mut(policy, "spec") {
                self.policy(spec);
            }
        }
    }

    fn policy(&mut self, spec: &mut Node) {
        self.list(spec, &CONDITIONS);
        self.list(spec, &TARGETS);
    }

    fn indicator(&mut self, holder: &mut Node) {
        let Some(object) = holder.get("indicatorRef").and_then(|name| self.object("SLI", name))
        else {
            return;
        };
        if let Data::Mapping(entries) = &mut holder.data {
            entries.retain(|entry| entry.key != "indicatorRef");
            entries.push(entry("indicator", body(&object, None)));
        }
    }

    fn list(&mut self, spec: &mut Node, link: &Link) {
        for item in items_mut(spec, link.list) {
            if let Some(object) =
                item.get(link.reference).and_then(|name| self.object(link.kind, name))
            {
                *item = body(&object, Some(link.kind));
            }
        }
    }

    fn object(&mut self, kind: &str, name: &Node) -> Option<Node> {
        let Data::Scalar(Scalar { text, .. }) = &name.data else { return None };
        let key = (kind.to_owned(), text.clone());
        let found = self.objects.get(&key).cloned();
        if found.is_some() {
            self.used.insert(key);
        } else {
            let place = Place { source: self.source, span: name.span };
            let message = format!("no {kind} `{}` is loaded", shown(text));
            self.session.error(place, message, ELSEWHERE);
        }
        found
    }
}

/// The document, then what was inlined in it: targets before conditions, the SLI last.
fn exported(mut node: Node) -> Vec<Node> {
    let mut out = Vec::new();
    let kind = identity(&node).map(|(kind, _)| kind);
    if let Some(spec) = get_mut(&mut node, "spec") {
        match kind.as_deref() {
            Some("SLO") => {
                for policy in taken_out(spec, &POLICIES) {
                    out.extend(exported(policy));
                }
                if let Data::Mapping(entries) = &mut spec.data
                    && let Some(at) = entries.iter().position(|entry| entry.key == "indicator")
                {
                    let inlined = entries.remove(at).value;
                    let name = inlined.get("metadata").and_then(|node| node.text_at("name"));
                    entries.push(entry("indicatorRef", text(name.unwrap_or_default())));
                    out.push(document("SLI", &inlined));
                }
            }
            Some("AlertPolicy") => {
                out.extend(taken_out(spec, &TARGETS));
                out.extend(taken_out(spec, &CONDITIONS));
            }
            _ => {}
        }
    }
    out.insert(0, node);
    out
}

/// Replaces inlined objects of a list with references and returns them as documents.
fn taken_out(spec: &mut Node, link: &Link) -> Vec<Node> {
    let mut out = Vec::new();
    for item in items_mut(spec, link.list) {
        if item.get(link.reference).is_some() {
            continue;
        }
        let name = item.get("metadata").and_then(|node| node.text_at("name")).unwrap_or_default();
        let reference = entry(link.reference, text(name));
        out.push(document(link.kind, item));
        item.data = Data::Mapping(vec![reference]);
    }
    out
}

/// `metadata` and `spec` of an object, with `kind` where it is given.
fn body(object: &Node, kind: Option<&str>) -> Node {
    let mut entries: Vec<Entry> = kind.map(|kind| entry("kind", text(kind))).into_iter().collect();
    for key in ["metadata", "spec"] {
        entries.extend(object.get(key).map(|value| entry(key, value.clone())));
    }
    Node { span: object.span, data: Data::Mapping(entries) }
}

fn document(kind: &str, object: &Node) -> Node {
    let mut node = body(object, Some(kind));
    if let Data::Mapping(entries) = &mut node.data {
        entries.insert(0, entry("apiVersion", text("openslo/v1")));
    }
    node
}

fn entry(key: &str, value: Node) -> Entry {
    Entry { key: key.to_owned(), key_span: Span::default(), key_plain: true, value }
}

fn text(value: &str) -> Node {
    let scalar = Scalar { text: value.to_owned(), form: ScalarForm::Quoted };
    Node { span: Span::default(), data: Data::Scalar(scalar) }
}

fn get_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let Data::Mapping(entries) = &mut node.data else { return None };
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}

fn items_mut<'n>(node: &'n mut Node, key: &str) -> &'n mut [Node] {
    match get_mut(node, key).map(|node| &mut node.data) {
        Some(Data::Sequence(items)) => items,
        _ => &mut [],
    }
}
