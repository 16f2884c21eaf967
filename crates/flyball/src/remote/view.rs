//! What commands read of a server's answers. Keys that they do not show are left alone, so that a
//! newer server can be asked as well.

use flyball_budget::forecast::Outlook;
use flyball_budget::{Reason, Status};
use flyball_model::Severity;

/// The answer of `GET /api/v1/slos`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct SloList {
    pub(crate) slos: Vec<SloView>,
    pub(crate) not_evaluated: Vec<NotEvaluated>,
}

/// An SLO that the server cannot evaluate.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct NotEvaluated {
    pub(crate) slo: String,
    pub(crate) reason: String,
}

/// One SLO.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct SloView {
    pub(crate) slo: String,
    pub(crate) display_name: Option<String>,
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) status: Status,
    pub(crate) complete_up_to: String,
    pub(crate) since: String,
    pub(crate) filling: Option<FillView>,
    pub(crate) composite: Option<CompositeView>,
    pub(crate) composite_reason: Option<String>,
    #[serde(default)]
    pub(crate) corrections: Option<Vec<CorrectionView>>,
    #[serde(default)]
    pub(crate) doubts: Vec<DoubtView>,
    pub(crate) objectives: Vec<ObjectiveView>,
}

/// What a correction changes in the window.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct CorrectionView {
    pub(crate) name: String,
    pub(crate) mode: String,
    pub(crate) category: String,
    pub(crate) author: String,
    pub(crate) reason: Option<String>,
    pub(crate) occurrences: u64,
    pub(crate) before: CountsView,
    pub(crate) after: CountsView,
}

/// Events of a stretch of time.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct CountsView {
    pub(crate) valid: u64,
    pub(crate) bad: u64,
}

/// What is likely not meant.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct DoubtView {
    pub(crate) said: String,
    pub(crate) hint: Option<String>,
}

/// How far the past of a new definition is counted.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct FillView {
    pub(crate) hours_done: u64,
    pub(crate) hours: u64,
}

/// The whole of a composite.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct CompositeView {
    pub(crate) status: Status,
    pub(crate) target: Option<f64>,
    sli: Option<f64>,
    remaining_share: Option<f64>,
    /// The joint slices, where components are joined all of them.
    pub(crate) budget: Option<BudgetView>,
}

impl CompositeView {
    /// The share of good, where there is one.
    pub(crate) fn sli(&self) -> Option<f64> {
        self.sli.or_else(|| self.budget.as_ref()?.sli)
    }

    /// What is left of the budget.
    pub(crate) fn remaining_share(&self) -> Option<f64> {
        self.remaining_share.or_else(|| self.budget.as_ref()?.remaining_share)
    }
}

/// One objective.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct ObjectiveView {
    pub(crate) name: Option<String>,
    pub(crate) target: f64,
    #[serde(flatten)]
    pub(crate) total: StandingView,
    pub(crate) slices: Vec<SliceView>,
}

/// One slice of an objective.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct SliceView {
    pub(crate) slice: String,
    #[serde(flatten)]
    pub(crate) standing: StandingView,
}

/// How an objective or a slice stands.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct StandingView {
    pub(crate) status: Status,
    pub(crate) reason: Reason,
    pub(crate) window: WindowView,
    pub(crate) budget: BudgetView,
    pub(crate) coverage: CoverageView,
    pub(crate) burns: Vec<BurnView>,
    pub(crate) forecast: ForecastView,
    #[serde(default)]
    pub(crate) forecast_firing: Option<ForecastView>,
    #[serde(default)]
    pub(crate) forecast_recent: Option<ForecastView>,
    pub(crate) firings: Vec<FiringView>,
    pub(crate) rule_errors: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct WindowView {
    pub(crate) full: IntervalView,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct IntervalView {
    pub(crate) start: String,
    pub(crate) end: String,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct BudgetView {
    pub(crate) unit: String,
    pub(crate) valid: u64,
    pub(crate) bad: u64,
    #[serde(default)]
    pub(crate) undecided: u64,
    /// Time slices with an answer, where they are what is counted.
    #[serde(default)]
    pub(crate) slices: Option<u64>,
    pub(crate) sli: Option<f64>,
    pub(crate) allowed: f64,
    pub(crate) spent: f64,
    pub(crate) spent_share: Option<f64>,
    pub(crate) remaining_share: Option<f64>,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct CoverageView {
    pub(crate) observed: u64,
    pub(crate) expected: u64,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct BurnView {
    pub(crate) lookback: String,
    pub(crate) burn: Option<f64>,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct ForecastView {
    pub(crate) lookback: String,
    pub(crate) outlook: Outlook,
    pub(crate) hours: Option<f64>,
    pub(crate) hours_earliest: Option<f64>,
    pub(crate) hours_latest: Option<f64>,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct FiringView {
    pub(crate) rule: String,
    pub(crate) severity: Severity,
    pub(crate) start: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_composites_say_what_is_left() {
        let weighted = r#"{"status":"met","target":null,"sli":null,"remaining_share":0.5}"#;
        let weighted: CompositeView = serde_json::from_str(weighted).unwrap();
        assert_eq!((weighted.sli(), weighted.remaining_share()), (None, Some(0.5)));
        let all_of = r#"{"status":"met","target":0.5,"budget":{"unit":"slices","valid":4,"bad":1,
            "sli":0.75,"allowed":2.0,"spent":1.0,"spent_share":0.5,"remaining_share":0.5}}"#;
        let all_of: CompositeView = serde_json::from_str(all_of).unwrap();
        assert_eq!((all_of.sli(), all_of.remaining_share()), (Some(0.75), Some(0.5)));
    }
}
