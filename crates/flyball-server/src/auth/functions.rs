//! Functions in the company that grants and tokens carry, such as `security`.
//!
//! One that nobody carries is whose who says so; one that somebody carries is theirs alone, for the services
//! of the grant or token. `sre` is not among them: as that acts who has the role.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use flyball_govern::policy::Role as Function;
use flyball_store::{Grant, Token};

use super::role::Role;
use super::who::Who;

/// What somebody acts as, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Functions(BTreeMap<Function, Reach>);

/// For which services something is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reach {
    is_everywhere: bool,
    services: BTreeSet<String>,
}

impl Functions {
    /// Adds functions for a service, or for all (`None`).
    pub(super) fn add(&mut self, service: Option<&str>, functions: &[Function]) {
        for function in functions {
            let reach = self.0.entry(function.clone()).or_default();
            match service {
                None => reach.is_everywhere = true,
                Some(service) => _ = reach.services.insert(service.to_owned()),
            }
        }
    }

    /// Whether `function` is among them for `service`, or for every service (`None`).
    pub(super) fn hold(&self, function: &Function, service: Option<&str>) -> bool {
        let is_among = |reach: &Reach| {
            reach.is_everywhere || service.is_some_and(|service| reach.services.contains(service))
        };
        self.0.get(function).is_some_and(is_among)
    }

    /// What is left of them for `services` alone; all of them when none are named.
    pub(super) fn within(&self, services: &[String]) -> Self {
        if services.is_empty() {
            return self.clone();
        }
        let mut left = Self::default();
        for function in self.0.keys() {
            for service in services.iter().filter(|service| self.hold(function, Some(service))) {
                left.add(Some(service), std::slice::from_ref(function));
            }
        }
        left
    }

    /// Function and service (`None` for all) of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Function, Option<&str>)> {
        self.0.iter().flat_map(|(function, reach)| {
            let everywhere = reach.is_everywhere.then_some((function, None));
            let services = reach.services.iter().map(move |one| (function, Some(one.as_str())));
            everywhere.into_iter().chain(services)
        })
    }
}

/// The functions of a list that is kept. What an older or newer version wrote otherwise gives nothing here.
pub(super) fn read(names: &[String]) -> Vec<Function> {
    names.iter().filter_map(|name| Function::new(name).ok()).collect()
}

/// What is wrong with functions that are to be carried; `None` when nothing is.
pub(super) fn fault(functions: &[Function]) -> Option<String> {
    let is_sre = |function: &Function| function.name() == Role::Sre.name();
    functions.iter().any(is_sre).then(|| {
        "as `sre` acts who has that role, and nobody else; hint: grant the role sre".to_owned()
    })
}

/// Which functions are carried at all, by which grants and tokens.
#[derive(Debug, Default)]
pub(super) struct Holders(BTreeMap<Function, Vec<Holder>>);

/// Somebody who carries a function, for all services where `services` names none.
#[derive(Debug)]
struct Holder {
    /// The group, where it is one: who it is otherwise is not told to everybody.
    group: Option<String>,
    services: Vec<String>,
    is_token: bool,
}

impl Holders {
    /// Those of `grants` and `tokens`. A token that is revoked carries nothing; one that has expired still does, so that
    /// time alone lets nobody act as what was somebody's.
    pub(super) fn of(grants: &[Grant], tokens: &[Token]) -> Self {
        let mut this = Self::default();
        for Grant { subject, service, functions, .. } in grants {
            let group = match subject.parse() {
                Ok(Who::Group(name)) => Some(name),
                _ => None,
            };
            this.add(functions, || Holder {
                group: group.clone(),
                services: service.iter().cloned().collect(),
                is_token: false,
            });
        }
        for token in tokens.iter().filter(|token| token.revoked_at.is_none()) {
            let services = &token.services;
            let holder = || Holder { group: None, services: services.clone(), is_token: true };
            this.add(&token.functions, holder);
        }
        this
    }

    fn add(&mut self, functions: &[String], holder: impl Fn() -> Holder) {
        for function in read(functions) {
            self.0.entry(function).or_default().push(holder());
        }
    }

    /// Why only holders act as `function` for `service` (`None` for every service); `None` when nobody carries it.
    pub(super) fn held(&self, function: &Function, service: Option<&str>) -> Option<NotHeld> {
        let all = self.0.get(function)?;
        let is_there = |holder: &&Holder| {
            let of = &holder.services;
            of.is_empty() || service.is_some_and(|service| of.iter().any(|one| one == service))
        };
        let there: Vec<&Holder> = all.iter().filter(is_there).collect();
        let mut groups: Vec<String> =
            there.iter().filter_map(|holder| holder.group.clone()).collect();
        groups.sort_unstable();
        groups.dedup();
        let tokens = there.iter().filter(|holder| holder.is_token).count();
        let people = there.iter().filter(|one| one.group.is_none() && !one.is_token).count();
        let (function, service) = (function.clone(), service.map(str::to_owned));
        Some(NotHeld { function, service, groups, people, tokens })
    }
}

/// That a function is others'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotHeld {
    function: Function,
    service: Option<String>,
    groups: Vec<String>,
    people: usize,
    tokens: usize,
}

impl fmt::Display for NotHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, service, groups, people, tokens } = self;
        let place = service.as_deref().unwrap_or("every service");
        write!(f, "as `{function}` acts only who was granted that, for {place} ")?;
        let mut who: Vec<String> = groups.iter().map(|name| format!("group:{name}")).collect();
        for (count, one, more) in [
            (*people, "one person by a grant of their own", "people by grants of their own"),
            (*tokens, "one token", "tokens"),
        ] {
            match count {
                0 => {}
                1 => who.push(one.to_owned()),
                _ => who.push(format!("{count} {more}")),
            }
        }
        match who.split_last() {
            None => f.write_str("nobody yet")?,
            Some((last, [])) => f.write_str(last)?,
            Some((last, others)) => write!(f, "{} and {last}", others.join(", "))?,
        }
        let service = service.as_deref().unwrap_or("'*'");
        write!(
            f,
            "; hint: an admin grants it: flyball grant add WHO --role owner --service {service} --as {function}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(subject: &str, service: Option<&str>, functions: &[&str]) -> Grant {
        Grant {
            subject: subject.to_owned(),
            service: service.map(str::to_owned),
            role: "owner".to_owned(),
            functions: functions.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn what_somebody_carries_is_theirs_where_it_was_granted() {
        let [security, privacy] = ["security", "privacy"].map(|name| Function::new(name).unwrap());
        let mut own = Functions::default();
        own.add(Some("shop"), std::slice::from_ref(&security));
        own.add(None, std::slice::from_ref(&privacy));
        let held = |own: &Functions, function| {
            [Some("shop"), Some("bank"), None].map(|service| own.hold(function, service))
        };
        assert_eq!(held(&own, &security), [true, false, false]);
        assert_eq!(held(&own, &privacy), [true, true, true]);
        let bank = own.within(&["bank".to_owned()]);
        assert_eq!(held(&bank, &security), [false; 3]);
        assert_eq!(held(&bank, &privacy), [false, true, false]);
        assert_eq!(own.within(&[]), own);
    }

    #[test]
    fn who_is_refused_is_told_who_may_but_not_by_the_names_of_people() {
        let grants = [
            grant("group:guards", None, &["security"]),
            grant("email:zoe@example.com", Some("shop"), &["security", "privacy"]),
            grant("person:0001", Some("bank"), &[]),
        ];
        let holders = Holders::of(&grants, &[]);
        let said = |function: &str, service| {
            let function = Function::new(function).unwrap();
            holders.held(&function, service).map(|held| held.to_string())
        };
        assert_eq!(said("cto", Some("shop")), None, "nobody carries it");
        let shop = said("security", Some("shop")).unwrap();
        assert!(
            shop.starts_with(
                "as `security` acts only who was granted that, for shop group:guards and one person by a grant of \
                 their own; hint: an admin grants it: flyball grant add"
            ),
            "{shop}"
        );
        assert!(said("privacy", Some("bank")).unwrap().contains("for bank nobody yet"));
        assert!(said("privacy", None).unwrap().contains("for every service nobody yet"));
        assert!(fault(&[Function::new("sre").unwrap()]).is_some());
    }
}
