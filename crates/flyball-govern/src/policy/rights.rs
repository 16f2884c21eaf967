//! Who may decide what: roles, a table of rights, and the person accountable for a service.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use flyball_model::{Interval, Timestamp};

/// Who acts where nobody can be told from others: on a server without tokens.
pub const ANYONE: &str = "anyone";

/// Whether `one` and `other` are known to be the same person.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one == other && one != ANYONE
}

/// A function that people hold, such as `product_manager`, `sre`, `engineering_lead`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Role(String);

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not the name of a role; write 1 to {} lower-case letters, digits, `_` or `-`, like `product_manager`",
    Role::BYTES_MAX
)]
pub struct RoleError {
    /// The text as given.
    pub text: String,
}

impl Role {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// The role called `name`.
    ///
    /// # Errors
    ///
    /// [`RoleError`] for an empty or long name, and for other characters than lower-case ASCII letters,
    /// digits, `_` and `-`.
    pub fn new(name: &str) -> Result<Self, RoleError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
        if name.is_empty() || name.len() > Self::BYTES_MAX || !name.bytes().all(allowed) {
            return Err(RoleError { text: name.chars().take(Self::BYTES_MAX).collect() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The role that owns a service's targets.
    pub fn product_manager() -> Self {
        Self("product_manager".to_owned())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Role {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(input)?).map_err(serde::de::Error::custom)
    }
}

/// Something that only some roles may decide.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Going back to an earlier version.
    Rollback,
    /// Taking less traffic than is offered.
    Throttle,
    /// Blocking changes by hand.
    Freeze,
    /// An exception to a decision.
    Override,
    /// Another target or window for an SLO.
    ChangeTarget,
    /// How a contested posting ends.
    DecideContest,
}

/// Which roles may do what. An act that is not listed is nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Rights(pub BTreeMap<Act, BTreeSet<Role>>);

impl Rights {
    /// True when `role` may do `act`.
    pub fn may(&self, role: &Role, act: Act) -> bool {
        self.0.get(&act).is_some_and(|roles| roles.contains(role))
    }

    /// The roles that may do `act`, in order of their names; empty when nobody may.
    pub fn holders(&self, act: Act) -> impl Iterator<Item = &Role> {
        self.0.get(&act).into_iter().flatten()
    }
}

/// Somebody who acts for the accountable product manager for a time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegate {
    /// Who.
    pub who: String,
    /// From when until when.
    #[serde(deserialize_with = "super::read::interval")]
    pub during: Interval,
}

/// Who is accountable for a service: one person, and whom they have named.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accountable {
    /// The product manager.
    pub who: String,
    /// Named by them; accountability stays where it is.
    pub delegate: Option<Delegate>,
}

impl Accountable {
    /// True when `who` may decide at `at` what is the product manager's: they themselves always, their
    /// delegate while the delegation lasts.
    pub fn may_decide(&self, who: &str, at: Timestamp) -> bool {
        self.who == who
            || self
                .delegate
                .as_ref()
                .is_some_and(|delegate| delegate.who == who && delegate.during.contains(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_plain_names() {
        assert_eq!(Role::new("sre-on_call2").unwrap().name(), "sre-on_call2");
        for text in ["", "SRE", "sre lead", "é", &"a".repeat(65)] {
            assert!(Role::new(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn what_is_not_listed_is_nobodys() {
        let sre = Role::new("sre").unwrap();
        let rights = Rights(BTreeMap::from([(Act::Freeze, BTreeSet::from([sre.clone()]))]));
        assert!(rights.may(&sre, Act::Freeze));
        assert!(!rights.may(&sre, Act::Override));
        assert_eq!(rights.holders(Act::Rollback).count(), 0);
    }

    #[test]
    fn a_delegation_ends() {
        let at = Timestamp::from_seconds;
        let accountable = Accountable {
            who: "ada".to_owned(),
            delegate: Some(Delegate {
                who: "bo".to_owned(),
                during: Interval::new(at(10), at(20)).unwrap(),
            }),
        };
        assert!(accountable.may_decide("ada", at(0)));
        assert!(accountable.may_decide("bo", at(10)));
        assert!(!accountable.may_decide("bo", at(20)));
        assert!(!accountable.may_decide("cy", at(15)));
    }
}
