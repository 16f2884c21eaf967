//! What an incident cost: bad events and budget by SLO, and the users that were hit, from the ledger.
//!
//! Costs of different SLOs are never added up: one failed request may be bad for availability and for latency
//! alike, and would be charged twice.

use flyball_model::{Tally, Target};

use crate::policy::Number;

/// What the ledger says of one SLO while an incident lasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The SLO, and the slice if it is of one.
    pub slo: String,
    /// The service that it is of.
    pub service: String,
    /// What it promises.
    pub target: Target,
    /// All events while the incident lasted.
    pub during: Tally,
    /// The bad events that are the incident's own: what attribution leaves it of them.
    pub own: u64,
    /// The valid events of the SLO's window: what the budget is a share of.
    pub window_valid: u64,
    /// Distinct users while it lasted, where events tell users apart; `None` where they do not.
    pub users: Option<Users>,
}

/// Distinct users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Users {
    /// Those with a bad event at least.
    pub hit: u64,
    /// Those with any valid event.
    pub seen: u64,
}

/// What an incident cost one SLO.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct IncidentCost {
    /// The SLO, and the slice if it is of one.
    pub slo: String,
    /// The service that it is of.
    pub service: String,
    /// The bad events that are the incident's own.
    pub bad: u64,
    /// The share of the window's budget that they spent; `None` when nothing was valid in the window.
    pub budget: Option<Number>,
    /// The share of events that were bad while it lasted; `None` when nothing was valid then, which is not
    /// health.
    pub events: Option<Number>,
    /// Distinct users; `None` where events do not tell them apart: the share of events stands for them.
    pub users: Option<Users>,
}

impl IncidentCost {
    /// The cost of what was counted.
    pub fn of(counted: &Counted) -> Self {
        let Counted { slo, service, target, during, own, window_valid, users } = counted;
        Self {
            slo: slo.clone(),
            service: service.clone(),
            bad: *own,
            budget: Number::spent(*own, *window_valid, *target),
            events: Number::ratio(during.bad(), during.valid()),
            users: *users,
        }
    }
}

/// The cost that says most of an incident: the largest share of a budget, of equals the first by name. `None` of
/// none that is known.
pub fn costliest(costs: &[IncidentCost]) -> Option<&IncidentCost> {
    let known = costs.iter().filter(|cost| cost.budget.is_some());
    known.max_by(|one, other| one.budget.cmp(&other.budget).then(other.slo.cmp(&one.slo)))
}
