//! Rotas and escalations of documents, held against each other and against alert targets.

use std::collections::BTreeMap;

use flyball_govern::oncall::Switchboard;
use flyball_query::near_matches;
use flyball_spec::{Diagnostic, ELSEWHERE, Governing, GoverningKind, Level, SpecSet};

use super::Governance;

/// Who is called for which service.
pub(super) fn switchboard(governance: &Governance) -> Switchboard {
    let services = governance.services.values();
    let services = services.filter_map(|of| Some((of.name.as_str(), of.spec.on_call.as_deref()?)));
    let rotas = governance.rotas.values().cloned();
    Switchboard::new(rotas, governance.escalations.values().cloned(), services)
}

/// Words of `onCall` that are nearly the name of a rota or an escalation: most likely pages are to go there.
pub(super) fn nearly(set: &SpecSet, governance: &Governance) -> Vec<Diagnostic> {
    let known = || governance.rotas.keys().chain(governance.escalations.keys()).map(String::as_str);
    let services = set.governing.iter().filter(|of| of.kind == GoverningKind::Service);
    let found = services.filter_map(|of| {
        let on_call = governance.services.get(&of.name)?.spec.on_call.as_deref()?;
        if known().any(|name| name == on_call) {
            return None;
        }
        let near = near_matches(on_call, known()).first().copied()?.to_owned();
        let message = format!(
            "no rota and no escalation is called `{on_call}`, so that pages call nobody\nhint: did you mean `{near}`?"
        );
        let mut told = set.origins.governing_error(of, "spec.onCall", None, &message)?;
        told.severity = Level::Warning;
        Some(told)
    });
    found.collect()
}

/// Targets of members, and rotas and layers of escalations, that are not there; services on the lists of two
/// escalations.
pub(super) fn unknown(set: &SpecSet, governance: &Governance) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut listed: BTreeMap<&str, &str> = BTreeMap::new();
    for of in &set.governing {
        let mut tell = |path: String, message: String| {
            found.extend(set.origins.governing_error(of, &path, None, &message));
        };
        match of.kind {
            GoverningKind::Rota => {
                let Some(rota) = governance.rotas.get(&of.name) else { continue };
                let known = || set.alert_targets.iter().map(|target| target.name.as_str());
                for (at, member) in rota.spec().members.iter().enumerate() {
                    let Some(target) = &member.target else { continue };
                    let is_there = known().any(|name| name == target);
                    if !is_there && !set.origins.is_flawed("AlertTarget", target) {
                        let what = format!("no alert target is called `{target}`");
                        let message = hinted(&what, target, known(), ELSEWHERE);
                        tell(format!("spec.members[{at}].target"), message);
                    }
                }
            }
            GoverningKind::Escalation => {
                let Some(chain) = governance.escalations.get(&of.name) else { continue };
                for (at, service) in chain.spec.services.iter().enumerate() {
                    if let Some(other) = listed.insert(service, &chain.name) {
                        let message = format!(
                            "`{service}` is on the list of `{other}` already\nhint: a service has one way; its \
                             `onCall` can name one that does not list it"
                        );
                        tell(format!("spec.services[{at}]"), message);
                    }
                }
                for (at, level) in chain.spec.levels.iter().enumerate() {
                    let Some(rota) = governance.rotas.get(&level.rota) else {
                        if is_flawed_rota(set, &level.rota) {
                            continue;
                        }
                        let what = format!("no rota is called `{}`", level.rota);
                        let known = governance.rotas.keys().map(String::as_str);
                        let message = hinted(&what, &level.rota, known, ELSEWHERE);
                        tell(format!("spec.levels[{at}].rota"), message);
                        continue;
                    };
                    let known = || rota.spec().layers.iter().map(|layer| layer.name.as_str());
                    if let Some(layer) =
                        level.layer.as_ref().filter(|of| !known().any(|name| name == *of))
                    {
                        let what = format!("the rota `{}` has no layer `{layer}`", level.rota);
                        let there: Vec<&str> = known().collect();
                        let otherwise = format!("there are {}", there.join(", "));
                        let message = hinted(&what, layer, known(), &otherwise);
                        tell(format!("spec.levels[{at}].layer"), message);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Whether there is a rota of this name that has faults of its own, which are told.
fn is_flawed_rota(set: &SpecSet, name: &str) -> bool {
    let is_it = |of: &Governing| of.kind == GoverningKind::Rota && of.name == name;
    set.origins.is_flawed("Rota", name) || set.governing.iter().any(is_it)
}

fn hinted<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match near_matches(name, known).first() {
        Some(near) => format!("{what}\nhint: did you mean `{near}`?"),
        None => format!("{what}\nhint: {otherwise}"),
    }
}

#[cfg(test)]
mod tests {
    use flyball_spec::{Level, Source, load};

    use super::super::governance;

    #[test]
    fn a_word_that_is_nearly_a_rota_is_told_of() {
        let text = |on_call: &str| {
            format!(
                "apiVersion: flyball.dev/v1\nkind: Rota\nmetadata: {{name: payments}}\nspec:\n  members: [{{name: ada, \
                 side: developers}}]\n  layers: [{{name: first, members: [ada], rotation: {{unit: week, start: \
                 2026-01-05T09:00}}}}]\n---\napiVersion: flyball.dev/v1\nkind: Service\nmetadata: {{name: shop}}\nspec: \
                 {{onCall: {on_call}}}\n"
            )
        };
        let told = |on_call: &str| {
            let (set, _) = load(&[Source::new("a.yaml", text(on_call))]);
            governance(&set).1
        };
        let [warning] = told("paymnts").try_into().unwrap();
        assert_eq!((warning.severity, warning.path.as_str()), (Level::Warning, "spec.onCall"));
        assert_eq!(warning.hint.as_deref(), Some("did you mean `payments`?"));
        for fine in ["payments", "'ask Bo in the office'"] {
            assert_eq!(told(fine), []);
        }
    }

    #[test]
    fn what_names_a_document_with_faults_of_its_own_is_right() {
        let text = "apiVersion: flyball.dev/v1
kind: AlertTarget
metadata: {name: phone}
spec: {webhook: {url: https://hooks.example/a}}
---
apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: payments}
spec:
  members: [{name: ada, side: developers, target: phone}]
  layers: [{name: first, members: [ada], rotation: {unit: week, start: 2026-01-05T09:00}}]
---
apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: empty}
spec: {members: [], layers: []}
---
apiVersion: flyball.dev/v1
kind: Escalation
metadata: {name: shop}
spec: {services: [checkout], levels: [{name: one, side: sre, rota: empty, wait: 5m}]}
";
        let (set, mut found) = load(&[Source::new("a.yaml", text)]);
        found.extend(governance(&set).1);
        let told: Vec<String> =
            found.iter().map(|one| format!("{}:{}", one.line, one.path)).collect();
        assert_eq!(
            told,
            ["4:spec.webhook.secret", "16:spec.members", "16:spec.layers"],
            "{found:#?}"
        );
        assert!(found[0].message.contains("secret"), "{found:#?}");
    }

    #[test]
    fn what_is_not_there_is_told_where_it_is_named() {
        let text = "apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: payments}
spec:
  members: [{name: ada, side: developers, target: ada-phone}]
  layers: [{name: first, members: [ada], rotation: {unit: week, start: 2026-01-05T09:00}}]
---
apiVersion: flyball.dev/v1
kind: Escalation
metadata: {name: shop}
spec:
  services: [checkout]
  levels:
  - {name: one, side: developers, rota: payment, wait: 5m}
  - {name: two, side: developers, rota: payments, layer: frist, wait: 5m}
---
apiVersion: flyball.dev/v1
kind: Escalation
metadata: {name: other}
spec: {services: [checkout], levels: [{name: one, side: sre, rota: payments, wait: 5m}]}
---
apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: empty}
spec: {members: [], layers: []}
";
        let (set, mut found) = load(&[Source::new("a.yaml", text)]);
        assert_eq!(found.len(), 0, "{found:?}");
        let (governance, more) = governance(&set);
        found.extend(more);
        let told: Vec<String> =
            found.iter().map(|one| format!("{}:{}", one.line, one.path)).collect();
        let expected = [
            "25:spec.members",
            "25:spec.layers",
            "5:spec.members[0].target",
            "14:spec.levels[0].rota",
            "15:spec.levels[1].layer",
            "20:spec.services[0]",
        ];
        assert_eq!(told, expected, "{found:#?}");
        assert!(found.iter().any(|one| one.hint.as_deref() == Some("did you mean `payments`?")));
        let board = governance.switchboard();
        assert_eq!(board.services_of("payments").into_iter().collect::<Vec<_>>(), ["checkout"]);
    }
}
