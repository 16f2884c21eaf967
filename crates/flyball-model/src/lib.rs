//! The nouns of Flyball as validated types: time, windows, targets, tallies, SLOs, alert rules, changes.
//!
//! Every value here is correct by construction: a [`Target`] is below one, a [`Tally`] never has
//! more good than valid, an [`Interval`] never ends before it starts. Shares and factors are exact
//! [`Rational`]s, because a budget is decided by comparing integers; floats appear only where a
//! number is shown.
//!
//! This crate does no IO, reads no clock and knows no file format. Text becomes these types in
//! `flyball-spec`; arithmetic on them is in `flyball-budget`.

mod alert;
mod alert_target;
mod change;
mod correction;
mod incident;
mod probe;
mod rational;
mod restore_action;
mod slice;
mod slo;
mod tally;
mod time;
mod window;

pub use alert::{AlertRule, Comparison, Condition, Evidence, Factor, Severity};
pub use alert_target::{
    Address, AlertChannel, AlertTarget, MailEncryption, Mailing, SECRET_PREFIX, SecretRef,
    TARGET_SERVICE_CHARS_MAX, TARGET_SERVICES_MAX,
};
pub use change::{
    Break, BreakCause, CHANGE_COMMITS_MAX, CHANGE_LINKS_MAX, CHANGE_TEXT_BYTES_MAX, Change,
    ChangeClass, ChangeError, ChangeKind, ChangeLink, ChangeOutcome, ChangeSource, Commit, Ending,
    Life, LifeError, Phase, Warranty,
};
pub use correction::{Correction, CorrectionMode, Schedule, recurrence};
pub use incident::Incident;
pub use probe::{Check, Probe};
pub use rational::Rational;
pub use restore_action::{HookPurpose, RestoreAction, RestoreVia};
pub use slice::Slice;
pub use slo::{
    BudgetingMethod, Composition, EventSli, GoodOrBad, Indicator, MetricQuery, MetricSli,
    NoDataRule, Objective, SLICE_LIMIT_DEFAULT, SLICE_LIMIT_MAX, Slo, Target, TargetError,
};
pub use tally::{Slot, Tally};
pub use time::{Duration, Interval, TimeError, Timestamp};
pub use window::{CalendarUnit, CalendarWindow, Window};
