//! Who is called for which service: every rota and escalation, with the exceptions that people have made and who
//! carries the pager.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Interval, Severity, Timestamp};

use super::document::{Carries, Rota, Side};
use super::escalation::{Escalation, EscalationSpec, SupportLevel};
use super::exception::Exceptions;
use crate::custody::{Carried, Holder};

/// How long the people of a rota have to answer where no escalation says so: the most that a page waits for
/// services that users notice at once. Source: *Site Reliability Engineering*, chapter 11, "Being On-Call".
pub const WAIT_USUAL: Duration = Duration::from_minutes(5);

/// How far ahead somebody is looked for who looks at a ticket: a rota that works once a week has its day in it.
const TRIAGE_AHEAD: Duration = Duration::from_days(14);

/// Every rota and escalation, and which service is whose.
///
/// A service belongs to the escalation or the rota that its `onCall` names, else to the escalation that
/// lists it. A rota that is named is an escalation of one level. Of the levels those are called that hold for
/// whoever carries the service's pager: its developers until it is said otherwise, and nobody once it is retired.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Switchboard {
    rotas: BTreeMap<String, Rota>,
    /// Those of documents, and one for each rota that no escalation has the name of.
    chains: BTreeMap<String, Escalation>,
    /// The names of chains, by service.
    of_services: BTreeMap<String, String>,
    /// The levels that hold as a pager is carried, by chain; chains that are the same for all are left out.
    held: BTreeMap<String, BTreeMap<Carried, Escalation>>,
    exceptions: BTreeMap<String, Exceptions>,
    /// How the pager is carried, by service; `None` for a retired one.
    custody: BTreeMap<String, Option<Carried>>,
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
        let differs =
            |chain: &&Escalation| !chain.spec.levels.iter().all(|of| of.custody.is_empty());
        let held = chains.values().filter(differs).map(|chain| {
            let of = Carried::ALL.map(|carried| (carried, chain.held_by(carried)));
            (chain.name.clone(), BTreeMap::from(of))
        });
        let held = held.collect();
        let (exceptions, custody) = (BTreeMap::new(), BTreeMap::new());
        Self { rotas, chains, of_services, held, exceptions, custody }
    }

    /// The same with these exceptions, by rota, in place of those before.
    #[must_use]
    pub fn with(&self, exceptions: BTreeMap<String, Exceptions>) -> Self {
        Self { exceptions, ..self.clone() }
    }

    /// The same while the pagers of services are carried so, `None` for a retired one, in place of before.
    #[must_use]
    pub fn with_pagers(&self, custody: BTreeMap<String, Option<Carried>>) -> Self {
        Self { custody, ..self.clone() }
    }

    /// The same with the exceptions and the custody of `before`.
    #[must_use]
    pub fn as_of(&self, before: &Self) -> Self {
        let (exceptions, custody) = (before.exceptions.clone(), before.custody.clone());
        Self { exceptions, custody, ..self.clone() }
    }

    /// Who carries the pager of `service`: its developers unless it is said otherwise; `None` once it is retired.
    pub fn holder(&self, service: &str) -> Option<Holder> {
        self.carried(service).map(Carried::holder)
    }

    /// How the pager of `service` is carried: by its developers, without advice, unless it is said otherwise; `None` once
    /// it is retired.
    pub fn carried(&self, service: &str) -> Option<Carried> {
        self.custody.get(service).copied().unwrap_or(Some(Carried::Developers))
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

    /// The way of a call along the escalation, or the rota, called `name`, while the pager is `carried` so; all of
    /// its levels when that is not known.
    pub fn chain(&self, name: &str, carried: Option<Carried>) -> Option<&Escalation> {
        let held = carried.and_then(|carried| self.held.get(name)?.get(&carried));
        held.or_else(|| self.chains.get(name))
    }

    /// The way of a page of `service`; `None` when nobody has said, and once it is retired.
    pub fn chain_of(&self, service: &str) -> Option<&Escalation> {
        let carried = self.carried(service)?;
        self.chain(self.of_services.get(service)?, Some(carried))
    }

    /// That a page of `service` does not call first who carries its pager, in a sentence. `None` when it does, when
    /// nobody is called at all, and when nothing was ever said or done about its pager.
    pub fn misrouted(&self, service: &str) -> Option<String> {
        let holder = (*self.custody.get(service)?)?.holder();
        let levels = &self.chain_of(service)?.spec.levels;
        let sides: Vec<BTreeSet<Side>> = levels.iter().map(|level| self.sides(level)).collect();
        let first = sides.first()?;
        let developers = first.contains(&Side::Developers);
        let others = first.iter().any(|side| *side != Side::Developers);
        let comes_after = || sides[1..].iter().any(|sides| sides.contains(&Side::Developers));
        let wrong = match holder {
            Holder::Developers if developers && !others => return None,
            Holder::Shared if developers && others => return None,
            Holder::Sre if others && !developers && comes_after() => return None,
            Holder::Developers => "its developers carry it, and others are called first",
            Holder::Shared => {
                "developers and operations share it, and one side is not called first"
            }
            Holder::Sre if developers || !others => {
                "SRE carries it, and nobody of SRE or operations alone is called first"
            }
            Holder::Sre => "SRE carries it, and no developers are called after them",
        };
        Some(format!(
            "The pages of `{service}` do not follow its pager: {wrong}; hint: say under `custody` of the levels of \
             an escalation for whom they hold."
        ))
    }

    /// On whose side those are who take turns at a level.
    fn sides(&self, level: &SupportLevel) -> BTreeSet<Side> {
        let Some(rota) = self.rota(&level.rota) else { return BTreeSet::new() };
        rota.paged(level.layer.as_deref()).map(|member| member.side).collect()
    }

    /// The alert targets of those who take turns at some level of the way of `service`.
    pub fn reaches(&self, service: &str) -> BTreeSet<&str> {
        let levels = self.chain_of(service).map_or(&[][..], |chain| &chain.spec.levels);
        let rotas = levels.iter().filter_map(|level| Some((self.rota(&level.rota)?, level)));
        let members = rotas.flat_map(|(rota, level)| rota.paged(level.layer.as_deref()));
        members.filter_map(|member| member.target.as_deref()).collect()
    }

    /// Who looks at a ticket that takes the way `chain` at `at`: the first level whose rota has somebody in a layer
    /// that carries tickets, by its place, and who. `None` when nobody does.
    pub fn triage(&self, chain: &Escalation, at: Timestamp) -> Option<(usize, Vec<String>)> {
        let levels = chain.spec.levels.iter().enumerate();
        let mut there = levels.filter_map(|(place, level)| {
            let who = self.rota(&level.rota)?.triage(at, &self.exceptions(&level.rota));
            (!who.is_empty()).then_some((place, who))
        });
        there.next()
    }

    /// When somebody will look at a ticket that takes the way `chain`, of which nobody does at `at`; `None` when
    /// nobody does within two weeks.
    pub fn triage_next(&self, chain: &Escalation, at: Timestamp) -> Option<Timestamp> {
        let during = Interval::starting(at, TRIAGE_AHEAD);
        let rotas = chain.spec.levels.iter().filter_map(|level| self.rota(&level.rota));
        let begins = rotas.filter(|rota| rota.has_triage()).flat_map(|rota| {
            let shifts = rota.shifts(during, &self.exceptions(rota.name())).into_iter();
            shifts.filter(|shift| shift.carries == Carries::Tickets).map(|shift| shift.start)
        });
        begins.filter(|start| *start > at).min()
    }

    /// The services whose pages come to the rota called `name` at some level, by name.
    pub fn services_of(&self, name: &str) -> BTreeSet<&str> {
        let comes = |chain: &str| {
            let levels = self.chain(chain, None).map_or(&[][..], |chain| &chain.spec.levels);
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
        custody: Vec::new(),
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

    /// A rota of people with their sides, each in a layer of their own.
    fn team(name: &str, people: &[(&str, &str)]) -> Rota {
        let member = |(who, side): &(&str, &str)| json!({"name": who, "side": side, "target": format!("{who}-phone")});
        let turns = json!({"unit": "week", "start": "2026-01-05T09:00"});
        let layer = |(who, _): &(&str, &str)| json!({"name": who, "members": [who], "rotation": turns.clone()});
        let spec = json!({
            "members": people.iter().map(member).collect::<Vec<_>>(),
            "layers": people.iter().map(layer).collect::<Vec<_>>(),
        });
        Rota::new(name, serde_json::from_value(spec).unwrap()).unwrap()
    }

    fn teams() -> [Rota; 3] {
        [
            team("payments", &[("ada", "developers")]),
            team("both", &[("bo", "developers"), ("cy", "operations")]),
            team("desk", &[("di", "sre")]),
        ]
    }

    #[test]
    fn who_is_called_follows_who_carries_the_pager() {
        let level = |rota: &str, custody: &[&str]| {
            let name = format!("{rota} {}", custody.join(" "));
            json!({"name": name, "side": "sre", "rota": rota, "wait": "5m", "custody": custody})
        };
        let spec = json!({"services": ["checkout"], "levels": [
            level("both", &["shared"]), level("desk", &["sre"]),
            level("payments", &["developers", "sre"]),
        ]});
        let chain = Escalation::new("shop", serde_json::from_value(spec).unwrap()).unwrap();
        let board = Switchboard::new(teams(), [chain], []);
        let held = |holder: Option<Holder>| {
            let carried = holder.map(Carried::from);
            board.with_pagers(BTreeMap::from([("checkout".to_owned(), carried)]))
        };
        let rotas = |board: &Switchboard| {
            let chain = board.chain_of("checkout")?;
            Some(chain.spec.levels.iter().map(|level| level.rota.clone()).collect::<Vec<_>>())
        };
        assert_eq!(
            rotas(&board).unwrap(),
            ["payments"],
            "its developers, until it is said otherwise"
        );
        for (holder, expected) in [
            (Holder::Developers, vec!["payments"]),
            (Holder::Shared, vec!["both"]),
            (Holder::Sre, vec!["desk", "payments"]),
        ] {
            let board = held(Some(holder));
            assert_eq!(rotas(&board).unwrap(), expected);
            assert_eq!(board.misrouted("checkout"), None);
        }
        let retired = held(None);
        assert_eq!(rotas(&retired), None, "nobody carries the pager of what is switched off");
        assert_eq!(retired.services_of("desk").into_iter().collect::<Vec<_>>(), ["checkout"]);
        // A call goes on as it began.
        let sre = held(Some(Holder::Sre));
        let begun = sre.chain("shop", Some(Carried::Shared)).unwrap();
        assert_eq!(begun.spec.levels[0].rota, "both");
        let reached: Vec<&str> = sre.reaches("checkout").into_iter().collect();
        assert_eq!(reached, ["ada-phone", "di-phone"]);
        assert_eq!(board.as_of(&sre).holder("checkout"), Some(Holder::Sre));
    }

    #[test]
    fn a_level_may_be_called_only_while_those_advise_who_handed_it_back() {
        let level = |rota: &str, custody: &[&str]| json!({"name": rota, "side": "sre", "rota": rota, "wait": "5m", "custody": custody});
        let chain = |custody: &[&str]| {
            let spec = json!({"services": ["checkout"], "levels": [
                level("payments", &["developers"]), level("desk", custody), level("both", &["shared", "sre"]),
            ]});
            Escalation::new("shop", serde_json::from_value(spec).unwrap())
        };
        let board = Switchboard::new(teams(), [chain(&["advised", "sre"]).unwrap()], []);
        let rotas = |carried| {
            let custody = BTreeMap::from([("checkout".to_owned(), Some(carried))]);
            let board = board.with_pagers(custody);
            assert_eq!(board.holder("checkout"), Some(carried.holder()));
            let levels = board.chain_of("checkout").unwrap().spec.levels.clone();
            levels.into_iter().map(|level| level.rota).collect::<Vec<_>>()
        };
        assert_eq!(rotas(Carried::Developers), ["payments"]);
        assert_eq!(
            rotas(Carried::Advised),
            ["payments", "desk"],
            "developers first, then who advises"
        );
        assert_eq!(rotas(Carried::Sre), ["desk", "both"]);
        // Advice alone is nobody who is called while developers carry it without.
        let spec =
            json!({"services": [], "levels": [level("desk", &["advised", "shared", "sre"])]});
        let errors = Escalation::new("shop", serde_json::from_value(spec).unwrap()).unwrap_err();
        assert!(errors[0].message.contains("`developers` carries"), "{errors:?}");
    }

    #[test]
    fn a_way_that_does_not_follow_the_pager_is_told() {
        let names = ["payments", "both", "desk"];
        let board = Switchboard::new(teams(), [], names.map(|name| (name, name)));
        let all = |holder: Holder| {
            let custody = names.map(|service| (service.to_owned(), Some(holder.into())));
            let board = board.with_pagers(BTreeMap::from(custody));
            names.map(|service| board.misrouted(service).is_some())
        };
        assert_eq!(all(Holder::Developers), [false, true, true]);
        assert_eq!(all(Holder::Shared), [true, false, true]);
        assert_eq!(all(Holder::Sre), [true; 3], "no developers come after the desk");
        assert_eq!(board.misrouted("both"), None, "nobody has said who carries it");
    }
}
