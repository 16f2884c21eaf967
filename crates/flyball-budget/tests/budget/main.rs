//! The crate from outside: published numbers, naive second implementations, whole reports, simulated traffic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod composites;
mod corrections;
mod default_rules;
mod live;
mod naive;
mod outages;
mod published_alerts;
mod published_budgets;
mod reports;
mod shadow;
mod simulated_alerts;
mod support;

#[path = "../../benches/alerting/simulated/mod.rs"]
mod simulated;
