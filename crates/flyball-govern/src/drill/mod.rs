//! Drills: outages and faults on purpose, paid for from a budget's surplus.
//!
//! A component that is more reliable than it promises breeds dependants that assume too much; a fault that was never
//! tried is handled by luck. A [`Drill`] says what is broken, how, for whom and when; [`dose()`] sizes it from the
//! surplus, [`preconditions`] say whether it may begin, a [`Watch`] follows it and says when it is to end, a
//! [`Guard`] ends it when nobody else can, and a [`Report`] says who noticed.
//!
//! Nothing here breaks anything: what another system is asked is made by `flyball-connect`, and sent elsewhere (I7).
//!
//! Source: Site Reliability Engineering, chapter 4, "The Global Chubby Planned Outage".

mod document;
mod dose;
mod guard;
mod precondition;
mod report;
#[cfg(test)]
mod tests;
mod watch;

pub use document::{
    Drill, DrillSpec, DrillVia, Fault, Hypothesis, LASTS_LONGEST, LASTS_SHORTEST, Purpose, Steady,
    WebhookVia,
};
pub use dose::{Arriving, Bound, Contract, Dose, NoDose, Surplus, dose};
pub use guard::{BEAT_EVERY, Guard, GuardAct, GuardHeard, LEASE, UNDO_AGAIN};
pub use precondition::{Check, CheckState, Precondition, Situation, may_begin, preconditions};
pub use report::{
    Dependant, DependantBurn, Held, HypothesisReport, Report, ReportInputs, SUSPECT_BELOW,
    WITHIN_DOSE, report,
};
pub use watch::{BLIND_LONGEST, LOOK_EVERY, Looked, Stop, Watch, WatchAct, WatchError, WatchState};
