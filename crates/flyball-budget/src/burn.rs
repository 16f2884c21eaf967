//! How fast a budget is being spent.

use flyball_model::{Duration, Interval, Tally, Target, Timestamp};

use crate::account::Account;
use crate::sum::Sum;

/// The burn over one lookback.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Burn {
    /// How far back it looks.
    pub lookback: Duration,
    /// Valid events in the lookback.
    pub valid: u64,
    /// Good events in the lookback.
    pub good: u64,
    /// Bad events in the lookback.
    pub bad: u64,
    /// The bad share by the objective's method; `None` when nothing was valid.
    pub error_ratio: Option<f64>,
    /// `error ratio / (1 - target)`; `None` when nothing was valid: no data is not health.
    pub burn: Option<f64>,
}

/// The burn of `target` over the `lookback` that ends at `at`.
///
/// Dimensionless: 1 spends exactly the whole budget over the SLO's window. The lookback is
/// half-open and holds the slots that start in it; `at` is moved back to the last complete slot.
///
/// Source: SRE Workbook, chapter 5, "Alerting on SLOs".
pub fn burn(account: &Account<'_>, target: Target, at: Timestamp, lookback: Duration) -> Burn {
    let interval = Interval::ending(at.floor(account.width()), lookback);
    let units = account.sum(&account.units().range(interval));
    Burn::of(lookback, target, account.events().sum(interval), &units)
}

impl Burn {
    /// The burn of `target` where a lookback holds these events and units.
    pub(crate) fn of(lookback: Duration, target: Target, events: Tally, units: &Sum) -> Self {
        let error_ratio = units.error_ratio();
        Self {
            lookback,
            valid: events.valid(),
            good: events.good(),
            bad: events.bad(),
            error_ratio,
            burn: error_ratio.map(|ratio| ratio / target.error_budget().to_f64()),
        }
    }
}
