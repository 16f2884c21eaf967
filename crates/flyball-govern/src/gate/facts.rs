//! What a decision is made from: facts about budgets and service, all given, none looked up.

use std::collections::BTreeSet;

use flyball_model::{Duration, Interval, Target, Timestamp};

use super::decision::BudgetSeen;
use super::rollout::Rollout;
use crate::checklist::{Control, Stage};
use crate::policy::read::share;
use crate::policy::{ChangeClass, Policy};

/// The most moments at which bad events leave a window, of one budget: four weeks by the hour and some.
pub const LEAVING_MAX: usize = 744;

/// Whether a change may ship: what is asked.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Question {
    /// The service that changes.
    pub service: String,
    /// Why it changes.
    pub class: ChangeClass,
    /// The change, if it has a name already.
    pub change: Option<String>,
    /// The commit or version that would run afterwards.
    #[serde(default)]
    pub revision: Option<String>,
    /// Where it goes.
    pub environment: Option<String>,
    /// How far it reaches; `None` for everybody at once.
    pub rollout: Option<Rollout>,
    /// Who asks; `None` where nobody can be told from others.
    #[serde(default)]
    pub asked_by: Option<String>,
    /// The moment of asking.
    pub at: Timestamp,
}

/// What is known of the service.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// Its tier's name.
    pub tier: Option<String>,
    /// Who carries its pager: `developers`, `shared` or `sre`.
    pub custody: Option<String>,
    /// The stages of which a review stands approved; `None` when it is not known.
    #[serde(default)]
    pub approved: Option<BTreeSet<Stage>>,
    /// Incidents that are not resolved; `None` when nobody keeps them.
    pub incidents_open: Option<u64>,
    /// Alerts that page now; `None` when it is not known.
    pub alerts_paging: Option<u64>,
    /// Its budgets: objectives, and slices that have their own.
    pub budgets: Vec<BudgetFacts>,
    /// The signatures that its changes need because of what it is, as approved reviews say.
    #[serde(default)]
    pub controls: Vec<Control>,
}

/// What is known of one budget.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BudgetFacts {
    /// The SLO.
    pub slo: String,
    /// The slice's label; `None` for all events.
    pub slice: Option<String>,
    /// The promised share of good.
    #[serde(with = "crate::policy::read::target")]
    pub target: Target,
    /// The window.
    pub window: WindowFacts,
    /// Up to when its counts are complete.
    pub complete_up_to: Timestamp,
    /// What was counted in the window.
    pub counts: Counts,
    /// The share of the window that holds data, in parts of a million.
    pub coverage_ppm: Option<u64>,
    /// What was counted in the lookbacks that conditions may ask for.
    pub burns: Vec<Lookback>,
    /// What is to be expected at the recent rate.
    pub outlook: Outlook,
    /// Bad events by the cause they are attributed to; none of them under two.
    pub causes: Vec<SpentOn>,
    /// The bad events of the largest incident in the window; `None` when nobody keeps incidents.
    pub largest_incident: Option<u64>,
    /// Bad events that leave a rolling window at each moment to come, in order; those past
    /// [`LEAVING_MAX`] are not looked at.
    pub leaving: Vec<Leaving>,
}

/// What a cause has spent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SpentOn {
    /// What it is called: an id, and what causes like it are called.
    pub names: Vec<String>,
    /// The class that somebody has put it into.
    pub class: Option<String>,
    /// Its bad events.
    pub bad: u64,
}

/// What was counted in the last `length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lookback {
    /// How far back.
    #[serde(deserialize_with = "crate::policy::read::duration")]
    pub length: Duration,
    /// Valid.
    pub valid: u64,
    /// Bad among them.
    pub bad: u64,
}

/// The window of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowFacts {
    /// The last stretch of this length.
    #[serde(deserialize_with = "crate::policy::read::duration")]
    Rolling(Duration),
    /// The calendar's running period.
    #[serde(deserialize_with = "crate::policy::read::interval")]
    Calendar(Interval),
}

/// What was counted in the unit of the objective's method: events, or slices of time. Where what is
/// spent is a fraction of a slice, both are multiplied by the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// No valid event ever.
    Never,
    /// There was data once, but none in the window.
    Gone,
    /// So many.
    Counted {
        /// Valid.
        valid: u64,
        /// Bad among them.
        bad: u64,
    },
}

/// When a budget will be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outlook {
    /// Nothing can be said.
    Unknown,
    /// It lasts.
    Lasts,
    /// It is gone, or will be at that moment.
    GoneAt(Timestamp),
}

/// Bad events that a rolling window forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Leaving {
    /// The first moment at which they do not count.
    pub at: Timestamp,
    /// How many.
    pub bad: u64,
}

/// What a budget can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// Fresh counts.
    Known,
    /// Never any.
    Never,
    /// None now, or too old: no data is not health.
    Missing,
}

impl BudgetFacts {
    /// The SLO and slice, for people.
    pub(crate) fn label(&self) -> String {
        match &self.slice {
            Some(slice) => format!("{} [{slice}]", self.slo),
            None => self.slo.clone(),
        }
    }

    /// What it can tell at `at`, if counts may be `fresh` old.
    pub(crate) fn data(&self, at: Timestamp, fresh: Duration) -> Data {
        match self.counts {
            Counts::Never => Data::Never,
            Counts::Counted { valid, .. }
                if valid > 0 && at.since(self.complete_up_to) <= fresh =>
            {
                Data::Known
            }
            Counts::Counted { .. } | Counts::Gone => Data::Missing,
        }
    }

    /// The bad events of causes that `policy` exempts, each once whatever exempts it.
    fn exempted(&self, policy: &Policy) -> u64 {
        let exempts = |cause: &&SpentOn| {
            policy.spec().exemptions.iter().any(|exemption| {
                let is_named = |name: &String| cause.names.contains(name);
                exemption.cause.as_ref().is_some_and(is_named)
                    || exemption.class.is_some() && exemption.class == cause.class
            })
        };
        let exempted = self.causes.iter().filter(exempts);
        exempted.fold(0_u64, |sum, cause| sum.saturating_add(cause.bad))
    }

    /// Of `bad` events those that count against the budget: all but those of exempted causes. When
    /// `left` have gone from the window since, the exempted ones are taken to have gone first, so that
    /// no recovery is promised too early.
    pub(crate) fn counted_bad(&self, bad: u64, left: u64, policy: &Policy) -> u64 {
        bad.saturating_sub(self.exempted(policy).saturating_sub(left))
    }

    /// What a decision keeps of it.
    pub(crate) fn seen(&self, policy: &Policy, at: Timestamp) -> BudgetSeen {
        let counts = match self.counts {
            Counts::Counted { valid, bad } => Some((valid, bad)),
            Counts::Never | Counts::Gone => None,
        };
        BudgetSeen {
            budget: self.label(),
            target: share::percent(self.target.share()),
            window: match self.window {
                WindowFacts::Rolling(length) => length.to_string(),
                WindowFacts::Calendar(period) => period.to_string(),
            },
            complete_up_to: self.complete_up_to,
            data: self.data(at, policy.spec().fresh),
            valid: counts.map(|(valid, _)| valid),
            bad: counts.map(|(_, bad)| bad),
            exempted: counts.map(|(_, bad)| self.exempted(policy).min(bad)),
        }
    }
}
