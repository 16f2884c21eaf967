//! A policy replayed over changes of the past: what it would have stopped, and how those ended.

use std::collections::BTreeMap;
use std::fmt;

use flyball_model::Timestamp;

use super::{Ended, Facts, GateInputs, Outcome, Question, gate};
use crate::policy::{ChangeClass, Policy, Signature};

/// The most stopped changes that are listed; all are counted.
pub const LISTED_MAX: usize = 1_000;

/// A change of the past, with what was known when it shipped.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RecordedChange {
    /// What would have been asked.
    pub question: Question,
    /// What was known then.
    pub facts: Facts,
    /// How it ended; `None` when nobody looked.
    pub ended: Option<Ended>,
}

/// Changes with one outcome, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Outcomes {
    /// All of them.
    pub changes: usize,
    /// Nothing got worse.
    pub healthy: usize,
    /// Something did.
    pub regressed: usize,
    /// It could not be told.
    pub undecided: usize,
    /// Nobody looked.
    pub unjudged: usize,
}

/// A change that the policy would have stopped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Backtested {
    /// The change, if it has a name.
    pub change: Option<String>,
    /// The service.
    pub service: String,
    /// Its class.
    pub class: ChangeClass,
    /// When.
    pub at: Timestamp,
    /// Denied or undecidable.
    pub outcome: Outcome,
    /// The level in force; `None` when it could not be told.
    pub level: Option<String>,
    /// How it ended.
    pub ended: Option<Ended>,
}

/// What a policy would have done.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Backtest {
    /// How many changes were replayed.
    pub changes: usize,
    /// By what would have been decided.
    pub outcomes: BTreeMap<Outcome, Outcomes>,
    /// Those that would have been stopped, in order, at most [`LISTED_MAX`].
    pub stopped: Vec<Backtested>,
}

/// Replays `policy`, as if it were in force, over `changes` in their order.
///
/// Blocks, overrides and approvals of the time are left out: they answer a policy of the time. A latched level is
/// replayed as if it had been signed off the moment its condition ceased to hold, which is the least
/// that it would have stopped.
pub fn backtest(policy: &Policy, changes: &[RecordedChange]) -> Backtest {
    let sign = |at: Timestamp| -> Vec<Signature> {
        let spec = policy.spec();
        let signature = |role: &crate::policy::Role| Signature {
            policy: policy.name().to_owned(),
            version: spec.version,
            role: role.clone(),
            who: String::new(),
            at,
        };
        spec.approvers.iter().map(signature).collect()
    };
    let mut result = Backtest { changes: changes.len(), ..Backtest::default() };
    let signatures = sign(Timestamp::MIN);
    for RecordedChange { question, facts, ended } in changes {
        let decision = gate(&GateInputs {
            policy,
            question,
            facts,
            signatures: &signatures,
            latches: &[],
            blocks: &[],
            overrides: &[],
            approvals: &[],
        });
        let outcomes = result.outcomes.entry(decision.outcome).or_default();
        outcomes.changes += 1;
        *match ended {
            Some(Ended::Healthy) => &mut outcomes.healthy,
            Some(Ended::Regressed) => &mut outcomes.regressed,
            Some(Ended::Undecided) => &mut outcomes.undecided,
            None => &mut outcomes.unjudged,
        } += 1;
        if !decision.outcome.passes() && result.stopped.len() < LISTED_MAX {
            result.stopped.push(Backtested {
                change: decision.change,
                service: decision.service,
                class: decision.class,
                at: decision.at,
                outcome: decision.outcome,
                level: decision.level,
                ended: *ended,
            });
        }
    }
    result
}

impl Backtest {
    /// The changes with `outcome`.
    pub fn of(&self, outcome: Outcome) -> Outcomes {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }
}

impl fmt::Display for Backtest {
    /// In a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let denied = self.of(Outcome::Deny);
        write!(
            f,
            "would have denied {} of {}, of which {} regressed",
            denied.changes, self.changes, denied.regressed
        )?;
        let unknown = self.of(Outcome::Undecidable);
        if unknown.changes > 0 {
            write!(f, "; {} could not be told", unknown.changes)?;
        }
        let passed = self.of(Outcome::Allow).regressed + self.of(Outcome::Warn).regressed;
        write!(f, "; {passed} that regressed would have passed")
    }
}
