//! What people may do, and where.

use std::collections::BTreeMap;
use std::fmt;

use utoipa::ToSchema;

/// What somebody may do for a service. Each role may do all that those before it may.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// To read the service's budgets and definitions.
    Viewer,
    /// Also to take the service's alerts on and silence them, to ask whether a change may ship, and to register
    /// changes.
    Developer,
    /// Also to change the service's SLOs.
    Owner,
    /// Also to change what is taken out of its budgets, and its policies.
    Sre,
    /// Everything, tokens and grants among it; for all services only.
    Admin,
}

impl Role {
    /// Every role, from the one that may least to the one that may most.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Developer, Self::Owner, Self::Sre, Self::Admin];

    /// Its name in requests, documents and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Owner => "owner",
            Self::Sre => "sre",
            Self::Admin => "admin",
        }
    }

    /// The role called `name`; `None` for another word.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The roles that somebody has: the sum of all grants that are theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    everywhere: Option<Role>,
    services: BTreeMap<String, Role>,
}

impl Rights {
    /// Adds a role for a service, or for all (`None`).
    pub(super) fn add(&mut self, service: Option<&str>, role: Role) {
        match service {
            None => self.everywhere = self.everywhere.max(Some(role)),
            Some(service) => {
                let held = self.services.entry(service.to_owned()).or_insert(role);
                *held = role.max(*held);
            }
        }
    }

    /// The role for every service, those that are not there yet among them.
    pub(crate) const fn everywhere(&self) -> Option<Role> {
        self.everywhere
    }

    /// The role for `service`.
    pub(crate) fn on(&self, service: &str) -> Option<Role> {
        self.everywhere.max(self.services.get(service).copied())
    }

    /// Whether there is a service for which they have at least `role`. An admin is one for all.
    pub(crate) fn somewhere(&self, role: Role) -> bool {
        let for_one = self.services.values().any(|held| *held >= role);
        self.everywhere >= Some(role) || role < Role::Admin && for_one
    }

    /// What is left of them for `services` alone; all of them when none are named.
    pub(super) fn within(&self, services: &[String]) -> Self {
        if services.is_empty() {
            return self.clone();
        }
        let held = services.iter().filter_map(|name| Some((name.clone(), self.on(name)?)));
        Self { everywhere: None, services: held.collect() }
    }

    /// Service (`None` for all) and role of each, the one for all first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<&str>, Role)> {
        let everywhere = self.everywhere.map(|role| (None, role));
        let services = self.services.iter().map(|(service, role)| (Some(service.as_str()), *role));
        everywhere.into_iter().chain(services)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_add_up_and_are_narrowed() {
        let mut rights = Rights::default();
        assert!(!rights.somewhere(Role::Viewer));
        rights.add(Some("shop"), Role::Sre);
        rights.add(Some("shop"), Role::Viewer);
        rights.add(None, Role::Developer);
        assert_eq!(rights.on("shop"), Some(Role::Sre));
        assert_eq!(rights.on("other"), Some(Role::Developer));
        assert!(rights.somewhere(Role::Sre) && !rights.somewhere(Role::Admin));
        let one = rights.within(&["other".to_owned()]);
        assert_eq!((one.on("shop"), one.everywhere()), (None, None));
        assert_eq!(one.on("other"), Some(Role::Developer));
        assert_eq!(rights.within(&[]), rights);

        // Whoever is an admin for a service only would be none of the server.
        rights.add(Some("shop"), Role::Admin);
        assert!(!rights.somewhere(Role::Admin));
    }
}
