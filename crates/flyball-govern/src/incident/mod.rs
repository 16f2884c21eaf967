//! Incidents from their first sign to what was learnt: the record, its timeline, what it cost, the write-up,
//! what is to be done, and how incidents went together.
//!
//! The moments of an incident and its names are [`flyball_model::Incident`], which other systems tell of too; an
//! [`IncidentRecord`] holds one together with what people do about it. Everything that is said of it may be
//! corrected, and every correction stays in the record. What it cost is computed from the ledger and never
//! kept; persons are in the record so that they can be reached, and nowhere in what is published.

mod action;
mod cost;
mod demand;
mod distribution;
mod error;
mod joining;
mod journeys;
mod measures;
mod opening;
mod postmortem;
mod record;
mod recurrence;
mod runbook;
#[cfg(test)]
mod tests;
mod timeline;

pub use action::{
    ACTIONS_MAX, ActionError, ActionItem, ActionKind, ActionState, ActionSummary, Outcome,
    Priority, Run, summary,
};
pub use cost::{Counted, IncidentCost, Users, costliest};
pub use demand::{CLASSED_OVER, KeptDemand, Waived, come_back};
pub use distribution::{BIN_ENDS, Bin, Distribution, Lasting};
pub use error::IncidentError;
pub use journeys::{Hit, Journeys};
pub use measures::{IncidentMeasures, Measure, measures};
pub use opening::{AGAIN_WITHIN, Opening, follow, open};
pub use postmortem::{
    Again, Blame, Demand, Field, Lessons, PostMortemState, WRITE_UP_WITHIN, WriteUp, WriteUpError,
    demands, names_in, without_names,
};
pub use record::{
    By, Calm, EDITS_MAX, Edit, FalseAlarm, FalseAlarmCause, Holding, IncidentRecord, IncidentRole,
    IncidentState, LIST_MAX, Moment, NOTES_MAX, Note, Opened,
};
pub use recurrence::{Earlier, RECURS_WITHIN, Recurrence, Sign, Trace, recurrences};
pub use runbook::{FOUND_CLASSES, ROLLBACK_CRITERIA_MAX, RollbackCriterion, Runbook, RunbookSpec};
pub use timeline::{Decided, ENTRIES_MAX, Entry, EntryKind, Seen, Timeline, around, timeline};
