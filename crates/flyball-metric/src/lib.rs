//! Metric samples to exact tallies, for SLIs that are written as queries to a metrics system.
//!
//! A [`Plan`] is a metric SLI whose queries were understood as sums of increases of counters, or as
//! a gauge held against a threshold; queries that only a metrics system can answer are refused with
//! the place. A [`Meter`] is told every sample that arrives, and gives tallies by slot together with
//! what it must remember of series, for one transaction.
//!
//! Unlike `rate()` and `increase()` nothing is extrapolated and nothing is lost between two
//! evaluations: every increase is counted once, in whole numbers. How, and where that differs from
//! Prometheus, is in `docs/metrics.md`.
//!
//! This crate asks no metrics system, reads no clock and keeps no file.

mod error;
mod histogram;
mod matcher;
mod meter;
mod promql;
mod slicing;
mod spread;
mod terms;

pub use error::{MetricError, QueryError, RestoreError};
pub use meter::{
    BOUNDS_MAX, CARRY_MAX, Change, Counted, Drained, FUTURE_MAX, HOLD, IDLE_MAX, Meter,
    PENDING_MAX, Reason, SCHEMA, SERIES_MAX, STRANGERS_MAX, Standing, TARGET_GAP_MAX, Unmet,
    Watched,
};
pub use promql::{Selected, selected};
pub use spread::{SLOT, SPREAD_MAX};
pub use terms::{Named, POINTS_PREFIX, Plan, Points, SOURCES};
