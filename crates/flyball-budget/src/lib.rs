//! Pure arithmetic from tallies to budgets, burn, forecasts and alert conditions.
//!
//! Input is a [`Series`] of integer counts and the promises of `flyball-model`; output is what was
//! spent, what is left, how fast it goes, and who would have been called when. Every decision
//! compares integers ([`exact`]); floats exist only in what is shown.
//!
//! Start at [`report::assess`], which looks at a whole history, or at [`live`], which keeps one
//! objective up to date slot by slot. This crate does no IO and reads no clock. It does not count
//! events, read specifications, or deliver alerts.

pub mod account;
pub mod alert;
pub mod budget;
pub mod burn;
pub mod chart;
pub mod composite;
pub mod correction;
mod error;
pub mod exact;
pub mod forecast;
pub mod live;
pub mod report;
mod series;
mod sum;
#[cfg(test)]
mod testing;
pub mod window;

pub use account::{Account, Frame, keeps};
pub use budget::{Budget, Coverage, Reason, Status};
pub use chart::chart;
pub use error::{BudgetError, RuleProblem};
pub use exact::{Fraction, Threshold, cmp_sum};
pub use report::{IndicatorSeries, Measured, SloReport, assess};
pub use series::Series;
pub use window::{WindowAt, nominal_length, window_at};
