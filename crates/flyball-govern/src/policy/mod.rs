//! What follows from a budget: levels, their consequences, and who may decide what.
//!
//! A [`Policy`] is read from a neutral form by serde, checked as a whole by [`Policy::new`], and only
//! then used. Its conditions are compiled when it is read, so that a name that does not exist is an
//! error of the document and not of the day on which the policy would have decided.
//!
//! Who signs, freezes, blocks, contests or delegates is recorded here as values with pure
//! transitions. Nothing is stored or sent.

mod class;
mod classing;
mod condition;
mod contest;
mod document;
mod freeze;
mod postmortem;
pub(crate) mod read;
mod ready;
mod retarget;
mod rights;
mod standing;
mod tier;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use class::ChangeClass;
pub use classing::{CAUSES, CLASSES, Classing, ClassingError};
pub use condition::{
    CONDITION_BYTES_MAX, Condition, ConditionError, Kind, Number, VARIABLES, Variable,
};
pub(crate) use condition::{HOLDERS, Name, Place, VARIABLES_MAX, Value, Values, variables};
pub use contest::{Contest, ContestError, ContestState, Evidence, Outcome as ContestOutcome};
pub use document::{
    BudgetPolicySpec, CalendarFreeze, Cap, EscalationStep, Exemption, LEVELS_MAX, LIST_MAX,
    LatchRule, LevelSpec, OverrideRule, Policy, PolicyError, Rulings, SignOff, UnknownRule,
};
pub use freeze::{BLOCK_LONGEST, Block, BlockError, NewBlock};
pub use postmortem::{IncidentSpent, PostMortem, PostMortemReason, PostMortemRule, post_mortems};
pub use ready::{BY_CUSTODY, FOUR_WEEKS, QUARTERLY};
pub use retarget::{Retarget, RetargetError};
pub(crate) use rights::is_same;
pub use rights::{ANYONE, Accountable, Act, Delegate, Rights, Role, RoleError};
pub use standing::{Signature, Standing, standing};
pub use tier::{Tier, TierSpec};
