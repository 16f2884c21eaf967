//! What a burn condition promises on paper: the formulas of the SRE Workbook, chapter 5.
//!
//! They assume even traffic, no errors before, and a constant error ratio since. Evaluation does
//! not use them; they explain a rule before any data is seen, and its tests are held against them.

use flyball_model::{Duration, Target};

/// The seconds from the first error to a call: `(1 - target) / error ratio × lookback × factor`.
///
/// `None` when the error ratio stays at or below `factor × (1 - target)`: it is never noticed.
pub fn detection(target: Target, factor: f64, long: Duration, error_ratio: f64) -> Option<f64> {
    let bound = factor * target.error_budget().to_f64();
    (error_ratio > bound).then(|| long.as_seconds_f64() * bound / error_ratio)
}

/// The seconds from the end of an error spell of `error_ratio` until `lookback` is clean enough:
/// `lookback × (1 - factor × (1 - target) / error ratio)`; `None` when it never was above.
pub fn reset(target: Target, factor: f64, lookback: Duration, error_ratio: f64) -> Option<f64> {
    let bound = factor * target.error_budget().to_f64();
    (error_ratio > bound).then(|| lookback.as_seconds_f64() * (1.0 - bound / error_ratio))
}

/// The share of a window's budget that a burn spends within a lookback:
/// `burn × lookback / window`. At 1 the whole budget is gone.
pub fn spend(burn: f64, lookback: Duration, window: Duration) -> f64 {
    burn * lookback.as_seconds_f64() / window.as_seconds_f64()
}
