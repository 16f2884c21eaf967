//! A level that stays until somebody signs it off.
//!
//! The window rolls past and takes what was bad with it; that does not mean that the cause is gone. A
//! latched level therefore ends by a signature. A signature is no licence either: the latch closes
//! again when another share of the budget is spent, or when the condition ceased and holds anew.

use std::collections::BTreeMap;

use flyball_model::Timestamp;

use crate::policy::{LatchRule, Number, Policy, Role};

use super::facts::{BudgetFacts, Counts};

/// One latch: of one level of one policy for one service.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Latch {
    /// The policy's name.
    pub policy: String,
    /// The level's name.
    pub level: String,
    /// Where it is.
    pub state: LatchState,
}

/// Where a latch is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LatchState {
    /// The level holds when its condition does.
    Open,
    /// The level holds whatever its condition says.
    Closed {
        /// Since when.
        since: Timestamp,
    },
    /// The level does not hold although its condition may.
    Released {
        /// Who signed.
        who: String,
        /// When.
        at: Timestamp,
        /// The bad events of each budget then, by its label, exempted causes left out.
        bad: BTreeMap<String, u64>,
    },
}

/// Why a latch is not released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LatchError {
    /// There is nothing to sign off.
    #[error(
        "the level `{level}` is not latched; hint: only a level that waits for a signature takes one, which `flyball gate` says"
    )]
    NotClosed {
        /// The level.
        level: String,
    },
    /// Somebody else's to sign.
    #[error("`{role}` does not sign off `{level}`; hint: `{needed}` does")]
    NotTheirs {
        /// The level.
        level: String,
        /// The role that tried.
        role: Role,
        /// The role that may.
        needed: Role,
    },
}

impl Latch {
    /// A latch that nothing has closed yet.
    pub fn open(policy: &str, level: &str) -> Self {
        Self { policy: policy.to_owned(), level: level.to_owned(), state: LatchState::Open }
    }

    /// The latch after it was seen at `at` whether the condition `holds`, `None` when that is unknown.
    ///
    /// Unknown moves nothing: no data neither closes nor opens a latch. Nor does a policy whose level is
    /// no longer latched.
    #[must_use]
    pub fn after(
        mut self,
        policy: &Policy,
        holds: Option<bool>,
        budgets: &[BudgetFacts],
        at: Timestamp,
    ) -> Self {
        let Some(rule) = rule(policy, &self.level) else { return self };
        match (&self.state, holds) {
            (LatchState::Open, Some(true)) => self.state = LatchState::Closed { since: at },
            (LatchState::Released { .. }, Some(false)) => self.state = LatchState::Open,
            (LatchState::Released { bad, .. }, Some(true))
                if spent_since(bad, rule, policy, budgets) =>
            {
                self.state = LatchState::Closed { since: at };
            }
            _ => {}
        }
        self
    }

    /// Signs the level off.
    ///
    /// # Errors
    ///
    /// [`LatchError::NotTheirs`] for another role than the policy's, [`LatchError::NotClosed`] when it is
    /// not latched.
    pub fn release(
        mut self,
        policy: &Policy,
        role: &Role,
        who: &str,
        budgets: &[BudgetFacts],
        at: Timestamp,
    ) -> Result<Self, LatchError> {
        let Some(rule) = rule(policy, &self.level) else {
            return Err(LatchError::NotClosed { level: self.level });
        };
        if *role != rule.role {
            let (role, needed) = (role.clone(), rule.role.clone());
            return Err(LatchError::NotTheirs { level: self.level, role, needed });
        }
        if !matches!(self.state, LatchState::Closed { .. }) {
            return Err(LatchError::NotClosed { level: self.level });
        }
        let bad = budgets.iter().filter_map(|budget| match budget.counts {
            Counts::Counted { bad, .. } => {
                Some((budget.label(), budget.counted_bad(bad, 0, policy)))
            }
            Counts::Never | Counts::Gone => None,
        });
        self.state = LatchState::Released { who: who.to_owned(), at, bad: bad.collect() };
        Ok(self)
    }

    /// Whether the level holds, given whether its condition does for any budget, and whether that is
    /// unknown for any.
    pub(crate) fn effective(
        &self,
        rule: &LatchRule,
        holds: Option<bool>,
        unknown: bool,
        policy: &Policy,
        budgets: &[BudgetFacts],
    ) -> Option<bool> {
        match &self.state {
            LatchState::Open => holds,
            LatchState::Closed { .. } => Some(true),
            LatchState::Released { bad, .. } => match holds {
                Some(true) if spent_since(bad, rule, policy, budgets) => Some(true),
                // A signature covers what was known, not what another budget hides.
                _ if unknown => None,
                _ => Some(false),
            },
        }
    }
}

/// The rule of the latch of `level`.
fn rule<'p>(policy: &'p Policy, level: &str) -> Option<&'p LatchRule> {
    policy.level(level).and_then(|level| level.latch.as_ref())
}

/// Whether any budget has spent the share that closes the latch again. A budget that was not there at
/// the signature has spent all of what is bad in it since.
fn spent_since(
    then: &BTreeMap<String, u64>,
    rule: &LatchRule,
    policy: &Policy,
    budgets: &[BudgetFacts],
) -> bool {
    budgets.iter().any(|budget| {
        let Counts::Counted { valid, bad } = budget.counts else { return false };
        let bad = budget.counted_bad(bad, 0, policy);
        let since = bad.saturating_sub(then.get(&budget.label()).copied().unwrap_or(0));
        Number::spent(since, valid, budget.target)
            .is_some_and(|spent| spent >= Number::of(rule.rearm))
    })
}
