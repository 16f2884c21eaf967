//! Money: what a target is worth, who should run a service at which cost, and what reliability work returned.
//!
//! What an hour of outage costs decides a target: [`worksheet`]. [`recommend`] holds support models beside each
//! other, with their costs and what two published rules say; [`drift`] tells when reality has left what a
//! choice was made from. [`protection`] and [`returned`] show what was achieved, [`recognise`] by whom. Amounts
//! are exact; costs come from a [`SupportCosts`] document, of which one ships with assumptions that say so.

mod amount;
mod costs;
mod drift;
mod recognition;
mod returned;
mod support;
#[cfg(test)]
mod tests;
mod worksheet;

pub use amount::{Currency, Money, MoneyError};
pub use costs::{
    ASSUMED, Band, Banding, ModelCosts, Nines, OutOfHours, PaidFrom, SupportCosts,
    SupportCostsSpec, SupportModel,
};
pub use drift::{Against, Drift, InForce, Input, SupportChoice, against, drift, left};
pub use recognition::{Recognition, TeamFacts, TeamLine, Unrecognised, recognise};
pub use returned::{Estimate, Return, WEEKS_MIN, Weeks, returned};
pub use support::{
    Basis, Load, Product, Recommendation, Ruled, SupportReason, SupportRule, Traffic, YearlyCost,
    recommend, wait_until_work,
};
pub use worksheet::{
    Banded, Protection, Worksheet, WorksheetRow, allowed, exposure, is_observed, protection,
    weekly_minutes, worksheet,
};
