//! Blocks by hand: changes stopped by a named person, for a reason, for a time.

use std::collections::BTreeSet;

use flyball_model::{Duration, Timestamp};

use super::{Act, ChangeClass, Rights, Role};
use crate::gate::EndedEarly;

/// The longest that one block lasts: two weeks, after which somebody has to want it again.
pub const BLOCK_LONGEST: Duration = Duration::from_days(14);

/// Changes of a service stopped by hand.
///
/// As accountable as an override is: who, why and until when are never missing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Block {
    id: String,
    /// The service; `None` blocks all services.
    service: Option<String>,
    classes: BTreeSet<ChangeClass>,
    role: Role,
    who: String,
    why: String,
    from: Timestamp,
    expires: Timestamp,
    lifted: Option<EndedEarly>,
}

/// Why a block cannot be made or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Nobody, or for no reason.
    #[error("a block needs {what}; hint: blocks are as accountable as overrides")]
    Missing {
        /// What is not there.
        what: &'static str,
    },
    /// Its end is not after its start, or too far.
    #[error(
        "a block ends after it starts and lasts at most {BLOCK_LONGEST}; hint: renew it then, if it is still wanted"
    )]
    Length,
    /// A class that restores.
    #[error("`{class}` restores, and restoring is never blocked; hint: leave it out")]
    Restores {
        /// The class.
        class: ChangeClass,
    },
    /// Not this role's to do.
    #[error("the role `{role}` may not freeze this service; hint: these may: {holders}")]
    NoRight {
        /// The role.
        role: Role,
        /// Who may, in words.
        holders: String,
    },
    /// It is over already.
    #[error("the block `{id}` is over already")]
    Over {
        /// The block.
        id: String,
    },
}

/// A block before it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlock {
    /// What it is known by.
    pub id: String,
    /// The service; `None` blocks all services.
    pub service: Option<String>,
    /// What is blocked.
    pub classes: BTreeSet<ChangeClass>,
    /// As what the person blocks.
    pub role: Role,
    /// Who.
    pub who: String,
    /// Why, in a sentence.
    pub why: String,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after.
    pub expires: Timestamp,
}

impl Block {
    /// A block, if `rights` let its role freeze.
    ///
    /// # Errors
    ///
    /// [`BlockError`]: who, why or classes are missing, it is longer than [`BLOCK_LONGEST`], names a
    /// class that restores, or the role has no right to freeze.
    pub fn new(new: NewBlock, rights: &Rights) -> Result<Self, BlockError> {
        let missing = [
            ("who it is made by", new.who.trim().is_empty()),
            ("a reason", new.why.trim().is_empty()),
            ("classes of changes", new.classes.is_empty()),
        ];
        if let Some((what, _)) = missing.into_iter().find(|(_, missing)| *missing) {
            return Err(BlockError::Missing { what });
        }
        if new.expires <= new.from || new.expires.since(new.from) > BLOCK_LONGEST {
            return Err(BlockError::Length);
        }
        if let Some(class) = new.classes.iter().copied().find(|class| class.restores()) {
            return Err(BlockError::Restores { class });
        }
        if !rights.may(&new.role, Act::Freeze) {
            return Err(BlockError::NoRight { role: new.role, holders: names(rights) });
        }
        let NewBlock { id, service, classes, role, who, why, from, expires } = new;
        Ok(Self { id, service, classes, role, who, why, from, expires, lifted: None })
    }

    /// Ends the block early.
    ///
    /// # Errors
    ///
    /// [`BlockError::Over`] when it has ended, [`BlockError::NoRight`] when `role` may not freeze,
    /// [`BlockError::Missing`] without a reason.
    pub fn lift(
        &mut self,
        role: &Role,
        lifted: EndedEarly,
        rights: &Rights,
    ) -> Result<(), BlockError> {
        if self.lifted.is_some() || lifted.at >= self.expires {
            return Err(BlockError::Over { id: self.id.clone() });
        }
        if !rights.may(role, Act::Freeze) {
            return Err(BlockError::NoRight { role: role.clone(), holders: names(rights) });
        }
        if lifted.why.trim().is_empty() {
            return Err(BlockError::Missing { what: "a reason to end it" });
        }
        self.lifted = Some(lifted);
        Ok(())
    }

    /// True when it stops a change of `class` of `service` at `at`.
    pub fn stops(&self, service: &str, class: ChangeClass, at: Timestamp) -> bool {
        self.service.as_deref().is_none_or(|own| own == service)
            && self.classes.contains(&class)
            && self.from <= at
            && at < self.expires
            && self.lifted.as_ref().is_none_or(|lifted| at < lifted.at)
    }

    /// What it is known by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first instant at which it stops anything.
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// The first instant at which it stops nothing, unless it is lifted before.
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Who blocks, as what, and why.
    pub(crate) fn sentence(&self) -> String {
        format!(
            "{} ({}) blocks changes until {:.0}: {}",
            self.who, self.role, self.expires, self.why
        )
    }
}

/// The roles that may freeze, in words.
fn names(rights: &Rights) -> String {
    let names: Vec<&str> = rights.holders(Act::Freeze).map(Role::name).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Tier;

    fn new() -> NewBlock {
        NewBlock {
            id: "b1".to_owned(),
            service: Some("shop".to_owned()),
            classes: BTreeSet::from([ChangeClass::Feature]),
            role: Role::product_manager(),
            who: "ada".to_owned(),
            why: "the sale starts".to_owned(),
            from: Timestamp::from_seconds(0),
            expires: Timestamp::from_seconds(3600),
        }
    }

    #[test]
    fn a_block_is_accountable() {
        let rights = Tier::default().spec.rights;
        assert!(Block::new(new(), &rights).is_ok());
        for broken in [
            NewBlock { who: " ".to_owned(), ..new() },
            NewBlock { why: String::new(), ..new() },
            NewBlock { classes: BTreeSet::new(), ..new() },
            NewBlock { expires: Timestamp::from_seconds(0), ..new() },
            NewBlock { expires: Timestamp::from_seconds(15 * 86_400), ..new() },
            NewBlock { classes: BTreeSet::from([ChangeClass::Rollback]), ..new() },
            NewBlock { role: Role::new("passer_by").unwrap(), ..new() },
        ] {
            assert!(Block::new(broken.clone(), &rights).is_err(), "{broken:?} was accepted");
        }
    }

    #[test]
    fn a_block_ends_by_itself_or_by_hand() {
        let rights = Tier::default().spec.rights;
        let mut block = Block::new(new(), &rights).unwrap();
        let at = Timestamp::from_seconds;
        assert!(block.stops("shop", ChangeClass::Feature, at(0)));
        assert!(!block.stops("shop", ChangeClass::Fix, at(0)));
        assert!(!block.stops("search", ChangeClass::Feature, at(0)));
        assert!(!block.stops("shop", ChangeClass::Feature, at(3600)));
        let lifted = |why: &str, seconds| EndedEarly {
            who: "ada".to_owned(),
            why: why.to_owned(),
            at: at(seconds),
        };
        let (passer_by, owner) = (Role::new("passer_by").unwrap(), Role::product_manager());
        assert!(block.lift(&passer_by, lifted("sold out", 5), &rights).is_err());
        assert!(block.lift(&owner, lifted(" ", 5), &rights).is_err());
        block.lift(&owner, lifted("sold out", 60), &rights).unwrap();
        assert!(block.stops("shop", ChangeClass::Feature, at(59)));
        assert!(!block.stops("shop", ChangeClass::Feature, at(60)));
        assert!(block.lift(&owner, lifted("again", 61), &rights).is_err());
        let kept = serde_json::to_value(&block).unwrap();
        assert_eq!(serde_json::from_value::<Block>(kept).unwrap(), block);
    }
}
