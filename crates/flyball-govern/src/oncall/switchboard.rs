//! Who is called for which service: every rota and escalation, with the exceptions that people have made.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Severity, Timestamp};

use super::document::{Rota, Side};
use super::escalation::{Escalation, EscalationSpec, SupportLevel};
use super::exception::Exceptions;

/// How long the people of a rota have to answer where no escalation says so: the most that a page waits for
/// services that users notice at once. Source: *Site Reliability Engineering*, chapter 11, "Being On-Call".
pub const WAIT_USUAL: Duration = Duration::from_minutes(5);

/// Every rota and escalation, and which service is whose.
///
/// A service belongs to the escalation or the rota that its `onCall` names, else to the escalation that
/// lists it. A rota that is named is an escalation of one level.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Switchboard {
    rotas: BTreeMap<String, Rota>,
    /// Those of documents, and one for each rota that no escalation has the name of.
    chains: BTreeMap<String, Escalation>,
    /// The names of chains, by service.
    of_services: BTreeMap<String, String>,
    exceptions: BTreeMap<String, Exceptions>,
}

impl Switchboard {
    /// Of these rotas and escalations, and of services with what their `onCall` says.
    pub fn new<'a>(
        rotas: impl IntoIterator<Item = Rota>,
        escalations: impl IntoIterator<Item = Escalation>,
        services: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let of_name = |rota: Rota| (rota.name().to_owned(), rota);
        let rotas: BTreeMap<String, Rota> = rotas.into_iter().map(of_name).collect();
        let mut of_services = BTreeMap::new();
        let mut chains: BTreeMap<String, Escalation> =
            rotas.values().map(|rota| (rota.name().to_owned(), alone(rota))).collect();
        for chain in escalations {
            let listed = chain.spec.services.iter();
            of_services.extend(listed.map(|service| (service.clone(), chain.name.clone())));
            chains.insert(chain.name.clone(), chain);
        }
        let named = services.into_iter().filter(|(_, on_call)| chains.contains_key(*on_call));
        of_services
            .extend(named.map(|(service, on_call)| (service.to_owned(), on_call.to_owned())));
        Self { rotas, chains, of_services, exceptions: BTreeMap::new() }
    }

    /// The same with these exceptions, by rota, in place of those before.
    #[must_use]
    pub fn with(&self, exceptions: BTreeMap<String, Exceptions>) -> Self {
        Self { exceptions, ..self.clone() }
    }

    /// The rota called `name`.
    pub fn rota(&self, name: &str) -> Option<&Rota> {
        self.rotas.get(name)
    }

    /// Every rota, by name.
    pub fn rotas(&self) -> impl Iterator<Item = &Rota> {
        self.rotas.values()
    }

    /// The exceptions of the rota called `name`; none when nobody has made one.
    pub fn exceptions(&self, name: &str) -> Exceptions {
        self.exceptions.get(name).cloned().unwrap_or_default()
    }

    /// The exceptions of every rota.
    pub const fn all_exceptions(&self) -> &BTreeMap<String, Exceptions> {
        &self.exceptions
    }

    /// The way of a call along the escalation, or the rota, called `name`.
    pub fn chain(&self, name: &str) -> Option<&Escalation> {
        self.chains.get(name)
    }

    /// The way of a page of `service`; `None` when nobody has said.
    pub fn chain_of(&self, service: &str) -> Option<&Escalation> {
        self.chain(self.of_services.get(service)?)
    }

    /// The services whose pages come to the rota called `name` at some level, by name.
    pub fn services_of(&self, name: &str) -> BTreeSet<&str> {
        let comes = |chain: &str| {
            let levels = self.chain(chain).map_or(&[][..], |chain| &chain.spec.levels);
            levels.iter().any(|level| level.rota == name)
        };
        let found = self.of_services.iter().filter(|(_, chain)| comes(chain));
        found.map(|(service, _)| service.as_str()).collect()
    }

    /// Who of `level` is called at `at`; nobody when its rota is not there.
    pub fn who(&self, level: &SupportLevel, severity: Severity, at: Timestamp) -> Vec<String> {
        let Some(rota) = self.rota(&level.rota) else { return Vec::new() };
        let none = Exceptions::default();
        let exceptions = self.exceptions.get(&level.rota).unwrap_or(&none);
        rota.called(at, severity, level.layer.as_deref(), exceptions)
    }

    /// The alert target that reaches `who` of the rota called `rota`.
    pub fn target(&self, rota: &str, who: &str) -> Option<&str> {
        self.rota(rota)?.member(who)?.target.as_deref()
    }

    /// Whether the alert target called `name` is somebody's own.
    pub fn is_personal(&self, name: &str) -> bool {
        let members = self.rotas.values().flat_map(|rota| &rota.spec().members);
        members.into_iter().any(|member| member.target.as_deref() == Some(name))
    }
}

/// A rota that is called without anybody after it.
fn alone(rota: &Rota) -> Escalation {
    let side = rota.spec().members.first().map_or(Side::Developers, |member| member.side);
    let level = SupportLevel {
        name: rota.name().to_owned(),
        side,
        rota: rota.name().to_owned(),
        layer: None,
        wait: WAIT_USUAL,
    };
    let description = rota.spec().description.clone();
    let spec = EscalationSpec { description, services: Vec::new(), levels: vec![level], repeat: 0 };
    Escalation { name: rota.name().to_owned(), spec }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rota(name: &str, target: &str) -> Rota {
        let spec = json!({
            "members": [{"name": "ada", "side": "developers", "target": target}],
            "layers": [{"name": "first", "members": ["ada"], "rotation": {"unit": "week", "start": "2026-01-05T09:00"}}],
        });
        Rota::new(name, serde_json::from_value(spec).unwrap()).unwrap()
    }

    fn chain(name: &str, services: &[&str], rotas: &[&str]) -> Escalation {
        let level =
            |rota: &&str| json!({"name": rota, "side": "developers", "rota": rota, "wait": "10m"});
        let levels: Vec<_> = rotas.iter().map(level).collect();
        let spec = json!({"services": services, "levels": levels});
        Escalation::new(name, serde_json::from_value(spec).unwrap()).unwrap()
    }

    #[test]
    fn a_service_is_whose_it_says_else_whose_list_it_is_on() {
        let rotas = [rota("payments", "ada-phone"), rota("desk", "ada-phone")];
        let chains = [chain("shop", &["checkout", "search"], &["desk", "payments"])];
        let services = [("checkout", "payments"), ("ads", "ask Bo"), ("cart", "shop")];
        let board = Switchboard::new(rotas, chains, services);
        let of = |service: &str| board.chain_of(service).map(|chain| chain.name.as_str());
        assert_eq!(of("checkout"), Some("payments"));
        assert_eq!((of("search"), of("cart")), (Some("shop"), Some("shop")));
        assert_eq!((of("ads"), of("other")), (None, None), "words are no rota");
        assert_eq!(
            board.services_of("payments").into_iter().collect::<Vec<_>>(),
            ["cart", "checkout", "search"]
        );
        let one = &board.chain_of("checkout").unwrap().spec.levels;
        assert_eq!((one.len(), one[0].wait), (1, WAIT_USUAL));
        let at = Timestamp::parse("2026-01-06T00:00:00Z").unwrap();
        assert_eq!(board.who(&one[0], Severity::Page, at), ["ada"]);
        assert_eq!(board.target("payments", "ada"), Some("ada-phone"));
        assert!(board.is_personal("ada-phone") && !board.is_personal("team"));
    }
}
