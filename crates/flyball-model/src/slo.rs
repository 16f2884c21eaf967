//! Service level objectives: what is measured, what is promised, over which window.

use std::collections::BTreeMap;
use std::fmt;

use crate::alert::{AlertRule, Comparison};
use crate::rational::Rational;
use crate::time::Duration;
use crate::window::Window;

/// A service level objective as it is evaluated: references resolved, defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// `metadata.name`: its identity.
    pub name: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// What it promises, in words.
    pub description: Option<String>,
    /// The service that makes the promise.
    pub service: String,
    /// Labels as written; a label may carry several values.
    pub labels: BTreeMap<String, Vec<String>>,
    /// Annotations as written.
    pub annotations: BTreeMap<String, String>,
    /// What is measured; for a composite, `None` here and one on each objective.
    pub indicator: Option<Indicator>,
    /// How component objectives join; `None` when each objective stands alone.
    pub composition: Option<Composition>,
    /// The window of the promise.
    pub window: Window,
    /// How the budget is counted.
    pub method: BudgetingMethod,
    /// The promises; at least one.
    pub objectives: Vec<Objective>,
    /// When people are called.
    pub alert_rules: Vec<AlertRule>,
    /// Lookbacks whose burn is reported.
    pub lookbacks: Vec<Duration>,
    /// What a slot without valid events means.
    pub no_data: NoDataRule,
    /// The least share of the window's slots that must hold data before a status is given;
    /// below it the status is "no data". Zero asks only for any data at all.
    pub coverage_floor: Rational,
}

/// One promise of an SLO.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// A name for people.
    pub display_name: Option<String>,
    /// The share of good that is promised.
    pub target: Target,
    /// For threshold metrics: how a value is held against `value` to be good.
    pub threshold: Option<(Comparison, f64)>,
    /// The objective's own indicator, in a composite.
    pub indicator: Option<Indicator>,
    /// The objective's weight in a composite; 1 unless said.
    pub weight: Rational,
    /// `Timeslices` only: the share of good that makes a time slice good.
    pub timeslice_target: Option<Rational>,
    /// `Timeslices` and `RatioTimeslices`: the length of a time slice.
    pub timeslice_window: Option<Duration>,
}

/// How the objectives of a composite SLO join into one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Composition {
    /// Components' spending is added by weight.
    Weighted,
    /// A time slice is good only when every component is good in it.
    AllOf,
}

/// How a budget is counted.
///
/// Source: OpenSLO v1, `budgetingMethod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub enum BudgetingMethod {
    /// Good events over valid events in the window.
    Occurrences,
    /// Good time slices over all time slices with data.
    Timeslices,
    /// The mean of the time slices' own ratios.
    RatioTimeslices,
}

/// What a slot without valid events means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoDataRule {
    /// Nothing is known: neither good nor bad.
    #[default]
    Gap,
    /// Silence is success, as some vendors have it.
    Good,
    /// Silence is failure: a heartbeat.
    Bad,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Indicator {
    /// Counted from raw events by predicates.
    Events(EventSli),
    /// Read from a metrics system by opaque queries.
    Metric(MetricSli),
}

/// Which events count and which of them are good, as SQL boolean expressions over attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSli {
    /// Which events count; must be TRUE.
    pub total: String,
    /// Which of those are good, or bad.
    pub side: GoodOrBad,
    /// Attributes whose values get a budget of their own.
    pub by: Vec<String>,
    /// The most slices kept; the rest are counted as `other`.
    pub slice_limit: u32,
}

/// The side of an event SLI that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoodOrBad {
    /// TRUE is good, anything else valid is bad.
    Good(String),
    /// TRUE is bad, FALSE is good, unknown is undecided and counts as bad.
    Bad(String),
}

/// Slices kept for an SLO that does not say: enough for regions and versions, small in memory.
pub const SLICE_LIMIT_DEFAULT: u32 = 100;
/// The most slices an SLO may ask for; past it a slice is a dimension of a query, not a budget.
pub const SLICE_LIMIT_MAX: u32 = 5_000;

/// Opaque queries to a metrics system.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricSli {
    /// Good (or bad) and total counts.
    Ratio {
        /// True for ever-growing counters, false for counts per interval.
        counter: bool,
        /// The query for good events, or for bad ones when `side_is_bad`.
        side: MetricQuery,
        /// Whether `side` counts bad events.
        side_is_bad: bool,
        /// The query for all valid events.
        total: MetricQuery,
    },
    /// A ready ratio.
    Raw {
        /// Whether the ratio is of failures.
        failures: bool,
        /// The query.
        query: MetricQuery,
    },
    /// A gauge held against each objective's threshold.
    Threshold {
        /// The query.
        query: MetricQuery,
    },
}

/// One query to a metrics system.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricQuery {
    /// The kind of source, such as `prometheus`; `None` when a data source names it.
    pub source_type: Option<String>,
    /// The named data source, where one is referred to.
    pub source_ref: Option<String>,
    /// The source's own settings as JSON text; for Prometheus `{"query": "…"}`.
    pub spec: String,
}

/// The promised share of good, from 0 up to and without 1, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(Rational);

/// A share of good that cannot be promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a target of {given} leaves no error budget; it must be below 1 (100 %)")]
pub struct TargetError {
    /// The share as given.
    pub given: Rational,
}

impl Target {
    /// What is kept whatever happens: all may be bad.
    pub const NOTHING: Self = Self(Rational::ZERO);

    /// A target of `share`.
    ///
    /// # Errors
    ///
    /// [`TargetError`] at or above one: the budget would be empty and every burn infinite.
    pub fn new(share: Rational) -> Result<Self, TargetError> {
        if share < Rational::ONE { Ok(Self(share)) } else { Err(TargetError { given: share }) }
    }

    /// The promised share of good.
    pub const fn share(self) -> Rational {
        self.0
    }

    /// The allowed share of bad, `1 - target`; never zero.
    pub fn error_budget(self) -> Rational {
        self.0.complement().unwrap_or(Rational::ONE)
    }

    /// The largest burn there can be, `1 / (1 - target)`: everything fails.
    ///
    /// Source: SRE Workbook, chapter 5.
    pub fn burn_max(self) -> f64 {
        1.0 / self.error_budget().to_f64()
    }
}

impl fmt::Display for Target {
    /// As a percentage: `99.9%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Rational::new(100, 1).and_then(|hundred| self.0.checked_mul(hundred)) {
            Some(percent) => write!(f, "{percent}%"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl serde::Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_leaves_a_budget() {
        let target = Target::new(Rational::parse("0.999").unwrap()).unwrap();
        assert_eq!(target.to_string(), "99.9%");
        assert_eq!(target.error_budget().to_string(), "0.001");
        assert!(Target::new(Rational::ONE).is_err());
        assert!((target.burn_max() - 1000.0).abs() < 1e-9);
    }
}
