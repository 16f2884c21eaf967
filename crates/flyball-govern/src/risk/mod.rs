//! Risks: what can spend budget, how much it is expected to, and what to do about it first.
//!
//! A [`Risk`] says how long it takes to detect and to repair, which share of users it hits and how often; each
//! may be a range. A [`Register`] holds the risks of a service and what they have in common. [`assess`] holds
//! it against an objective, exactly; [`simulate`] draws how likely the objective is missed, [`tornado`] ranks
//! what to fix first, and [`what_if`] tries what could be done. [`measure`] puts incidents, changes and drills
//! beside it.

pub mod csv;
mod document;
mod measured;
mod range;
mod register;
mod simulate;
mod standing;
#[cfg(test)]
mod tests;
mod tornado;
mod what_if;

pub use document::{
    Acceptance, FACTORS_MAX, Factor, Matches, RISKS_MAX, Risk, RiskRules, RiskRulesSpec, RiskSpec,
    Undelayed,
};
pub use measured::{Beside, Finding, Measured, Occurrence, ToldBy, VALUES_MIN, fed, measure};
pub use range::{Range, RangeError, ShareRange, TimeRange, Value};
pub use register::{Cost, Register, YEAR, minutes};
pub use simulate::{Simulated, TRIALS, simulate};
pub use standing::{Above, Assessment, RiskLine, RiskObjective, RiskStanding, ThemeLine, assess};
pub use tornado::{Bar, BarOf, Tornado, tornado};
pub use what_if::{Difference, Mitigation, WhatIf, WhatIfError, done, what_if};
