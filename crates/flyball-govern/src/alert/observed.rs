//! What is seen of alert rules, by whom they are about.

use flyball_budget::alert::{Change, Firing};
use flyball_model::{Severity, Timestamp};

/// What an alert is about: an objective of an SLO, or one slice of it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Subject {
    /// The service that makes the promise.
    pub service: String,
    /// The SLO.
    pub slo: String,
    /// Which of the SLO's objectives, counted from 0.
    pub objective: u32,
    /// The slice by its label; `None` for the whole.
    pub slice: Option<String>,
}

/// A rule that fires or has fired: [`Firing`] as it is kept.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pair {
    /// The rule.
    pub rule: String,
    /// Whether it wakes a person.
    pub severity: Severity,
    /// The end of the slot at which it fired; with the rule, what one firing is known by.
    pub start: Timestamp,
    /// The end of the slot at which it let go; `None` while it fires.
    pub end: Option<Timestamp>,
    /// The start of the first bad slot of the spell that led to it.
    pub onset: Timestamp,
    /// The end of the last bad slot of that spell; `None` while it fires, and where nothing stood out when it let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spell_end: Option<Timestamp>,
    /// Valid events in the long lookback when it fired.
    pub valid: u64,
    /// Good events in the long lookback when it fired.
    pub good: u64,
    /// Bad events in the long lookback when it fired.
    pub bad: u64,
    /// The burn factor of the rule, where it has one.
    pub factor: Option<f64>,
    /// The burn over the long lookback when it fired.
    pub burn: f64,
    /// The highest burn over the long lookback while it fired, as far as it is known.
    pub burn_peak: f64,
    /// The share of the whole budget that the long lookback had spent when it fired.
    pub spent_in_lookback: f64,
    /// The share of the SLO window's budget spent when it fired; `None` where nothing was valid.
    pub spent_in_window: Option<f64>,
}

impl From<&Firing> for Pair {
    fn from(firing: &Firing) -> Self {
        Self {
            rule: firing.rule.clone(),
            severity: firing.severity,
            start: firing.start,
            end: firing.end,
            onset: firing.onset,
            spell_end: firing.spell_end,
            valid: firing.valid,
            good: firing.good,
            bad: firing.bad,
            factor: firing.factor,
            burn: firing.burn,
            burn_peak: firing.burn_peak,
            spent_in_lookback: firing.spent_in_lookback,
            spent_in_window: firing.spent_in_window,
        }
    }
}

/// One thing that was seen of one rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// Its condition is true, not yet for long enough or without evidence.
    Pending {
        /// The rule.
        rule: String,
        /// Whether it would wake a person.
        severity: Severity,
        /// Since when.
        since: Timestamp,
    },
    /// It was pending and is so no longer, without having fired.
    Calm {
        /// The rule.
        rule: String,
        /// Since when.
        at: Timestamp,
    },
    /// It fires.
    Fired(Pair),
    /// It lets go; [`Pair::end`] says when.
    Resolved(Pair),
}

impl From<&Change> for Observed {
    fn from(change: &Change) -> Self {
        match change {
            Change::Fired(firing) => Self::Fired(firing.into()),
            Change::Resolved(firing) => Self::Resolved(firing.into()),
        }
    }
}

impl Observed {
    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Pending { since, .. } => *since,
            Self::Calm { at, .. } => *at,
            Self::Fired(pair) => pair.start,
            Self::Resolved(pair) => pair.end.unwrap_or(pair.start),
        }
    }
}
