//! The answer of a gate: what, why, from what, until when.

use std::fmt;

use flyball_model::{Duration, Rational, Timestamp};

use super::approving::Approval;
use super::facts::Data;
use super::latch::Latch;
use crate::policy::read::share;
use crate::policy::{ChangeClass, Role, Standing};

/// What is decided on a change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It may ship.
    Allow,
    /// It may ship; somebody should know something.
    Warn,
    /// It cannot be told, and waits until it can.
    Undecidable,
    /// It waits.
    Deny,
}

impl Outcome {
    /// The exit code of a command that asks: 0 it may ship, 1 denied, 3 undecidable. (2 is for questions
    /// that cannot be asked.)
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Allow | Self::Warn => 0,
            Self::Deny => 1,
            Self::Undecidable => 3,
        }
    }

    /// The outcome in one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Undecidable => "undecidable",
            Self::Deny => "deny",
        }
    }

    /// True when it may ship.
    pub const fn passes(self) -> bool {
        matches!(self, Self::Allow | Self::Warn)
    }
}

/// An answer that explains itself.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Decision {
    /// The service.
    pub service: String,
    /// The class of the change.
    pub class: ChangeClass,
    /// The change, if it had a name.
    pub change: Option<String>,
    /// The commit or version that would run afterwards, if it was said.
    pub revision: Option<String>,
    /// Where it goes.
    pub environment: Option<String>,
    /// The rollout that was asked about, as it is written.
    pub rollout: Option<String>,
    /// Who asked, where they could be told from others.
    pub asked_by: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
    /// What is decided.
    pub outcome: Outcome,
    /// What would be decided were the policy in force and without overrides; `None` when it is the same.
    pub otherwise: Option<Outcome>,
    /// The policy that decided.
    pub policy: PolicyUsed,
    /// The level in force; `None` when it cannot be told.
    pub level: Option<String>,
    /// The levels that may be in force, gravest first; one when it can be told.
    pub levels: Vec<String>,
    /// Why, what settled it first: the override that lets it through, then the gravest; never empty.
    pub reasons: Vec<Reason>,
    /// Everything that a condition looked at.
    pub inputs: Vec<Input>,
    /// The budgets that it was made from, in the order they were given.
    pub budgets: Vec<BudgetSeen>,
    /// The approvals of the change that were in force.
    pub approvals: Vec<Approval>,
    /// The latches of the policy, as they were.
    pub latches: Vec<Latch>,
    /// When nothing will stop it any more, if things go well: nothing more goes bad and traffic stays as
    /// it is. `None` when it passes, and when time alone does not do it.
    pub until: Option<Timestamp>,
    /// The override that let it through.
    pub overridden_by: Option<String>,
    /// The share of users that a change let through by a cap may reach; `None` for everybody.
    pub reach: Option<Reach>,
    /// Who is told of the level.
    pub notify: Vec<Role>,
}

/// How far a change may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Reach(#[serde(serialize_with = "share::serialize")] pub Rational);

/// One budget, as a decision saw it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BudgetSeen {
    /// The SLO, and the slice if it is of one.
    pub budget: String,
    /// The promised share of good, in per cent.
    pub target: String,
    /// The window: a length, or the period of a calendar.
    pub window: String,
    /// Up to when its counts are complete.
    pub complete_up_to: Timestamp,
    /// Whether there is fresh data.
    pub data: Data,
    /// Valid in the window; `None` when nothing was counted.
    pub valid: Option<u64>,
    /// Bad among them.
    pub bad: Option<u64>,
    /// Bad that do not count, by the policy's exemptions.
    pub exempted: Option<u64>,
}

/// The policy behind a decision.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PolicyUsed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// How binding it is.
    #[serde(flatten)]
    pub standing: Standing,
}

/// One reason of a decision.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Reason {
    /// What it makes of the change.
    pub outcome: Outcome,
    /// Its kind, for programs.
    pub kind: ReasonKind,
    /// Why, for people.
    pub text: String,
    /// What would change it; empty when nothing needs to.
    pub lifts: Vec<Lift>,
}

/// The kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// Restoring is never denied.
    Restores,
    /// The level in force.
    Level,
    /// A rollout small enough.
    Cap,
    /// A signature that the change lacks.
    SignOff,
    /// Somebody has approved the change, or an approval does nothing.
    Approval,
    /// A freeze of the calendar.
    Freeze,
    /// A block by hand.
    Block,
    /// It cannot be told which level is in force.
    Unknown,
    /// The service has no data yet.
    NoDataYet,
    /// The policy is advisory.
    Advisory,
    /// The policy should have been looked at again.
    Revisit,
    /// An override lets the change through, or does not.
    Override,
}

impl ReasonKind {
    /// The kind in one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Restores => "restores",
            Self::Level => "level",
            Self::Cap => "cap",
            Self::SignOff => "sign_off",
            Self::Approval => "approval",
            Self::Freeze => "freeze",
            Self::Block => "block",
            Self::Unknown => "unknown",
            Self::NoDataYet => "no_data_yet",
            Self::Advisory => "advisory",
            Self::Revisit => "revisit",
            Self::Override => "override",
        }
    }
}

/// What would change a decision.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Lift {
    /// Waiting.
    Time {
        /// Until when, if things go well.
        at: Timestamp,
    },
    /// A signature under the level.
    SignOff {
        /// Whose.
        role: Role,
        /// The command that gives it.
        command: String,
    },
    /// A signature under the change.
    Approval {
        /// Whose.
        role: Role,
        /// The command that gives it; `None` of a change that was asked about without a name.
        command: Option<String>,
    },
    /// A smaller rollout.
    Cap {
        /// To at most this share of users,
        #[serde(serialize_with = "share::serialize")]
        share: Rational,
        /// each step watched for this long.
        bake: Duration,
    },
    /// Data that is fresh.
    Data {
        /// Of which budgets or facts.
        of: Vec<String>,
    },
    /// An override by one of these.
    Override {
        /// Who may.
        roles: Vec<Role>,
    },
}

/// One value that a condition looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Input {
    /// The budget that it is of; `None` when it is of the service.
    pub budget: Option<String>,
    /// The variable.
    pub name: &'static str,
    /// Its value as text; `None` when unknown.
    pub value: Option<String>,
}

impl fmt::Display for Decision {
    /// In a few sentences: what, why, until when, by which policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, class, outcome, reasons, until, policy, level, .. } = self;
        write!(f, "{} {class} of {service}.", outcome.word())?;
        for reason in reasons {
            write!(f, " {}", reason.text)?;
        }
        if let Some(until) = until {
            write!(f, " Until {until:.0}, if nothing more goes wrong.")?;
        }
        let level = level.as_deref().unwrap_or("cannot be told");
        write!(f, " Policy {} {}, level {level}.", policy.name, policy.version)
    }
}

impl Decision {
    /// The decision as one line of JSON that is the same whenever the decision is: keys in the order of
    /// their bytes, no blanks, whole numbers and texts only. What a log hashes.
    pub fn canonical_json(&self) -> Result<String, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        value.sort_all_objects();
        serde_json::to_string(&value)
    }
}
