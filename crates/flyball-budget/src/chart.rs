//! What a chart of an objective needs: its SLI and its budget in a bounded number of points.

use flyball_model::{Correction, Duration, Interval, Slo, Timestamp};

use crate::account::{Account, Frame};
use crate::budget::counted;
use crate::correction::{dropped, expand};
use crate::error::BudgetError;
use crate::report::{Corrected, Measured};
use crate::series::slots_in;
use crate::window::window_at;

/// The most points of a chart: about two pixels each on a small screen.
pub const POINTS_MAX: u32 = 500;

/// Lengths of buckets that people read at a glance, in seconds, the finest first.
const BUCKETS: [u32; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800,
];

/// A bucket is less than this many times as long as need be, to be one of [`BUCKETS`].
const COARSER_MAX: i64 = 4;

/// The course of one objective.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Chart {
    /// The objective, counted from 0.
    pub objective: usize,
    /// The length of a point's bucket, a whole number of slots.
    pub bucket: Duration,
    /// The points, in order; buckets without data are there with `None`.
    pub points: Vec<Point>,
}

/// One bucket of a chart.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Point {
    /// The bucket.
    pub interval: Interval,
    /// Events that count at all.
    pub valid: u64,
    /// Valid events that kept the promise.
    pub good: u64,
    /// Valid events that did not.
    pub bad: u64,
    /// The share of good in the bucket by the objective's method; `None` when nothing was valid.
    pub sli: Option<f64>,
    /// The remaining share of the budget as it stood at the bucket's end; negative when overspent,
    /// `None` when the window held nothing valid.
    pub remaining_share: Option<f64>,
}

/// The course of each objective of `slo` over `interval`, in at most [`POINTS_MAX`] points each.
///
/// Buckets are whole slots of what the objective counts, and lie on multiples of their length, so
/// the first and the last may reach beyond `interval`. For a calendar window the remaining share
/// is that at the traffic so far. Nothing after `at` is shown.
///
/// # Errors
///
/// As [`assess`](crate::report::assess).
pub fn chart(
    slo: &Slo,
    measured: &Measured,
    corrections: &[Correction],
    at: Timestamp,
    span: Interval,
    interval: Interval,
) -> Result<Vec<Chart>, BudgetError> {
    let expanded = expand(corrections, &slo.name, span)?;
    let taken_out = dropped(&expanded);
    let frame = Frame { span, dropped: &taken_out, no_data: slo.no_data };
    let indicators = Corrected::all(slo, measured, &expanded)?;
    slo.objectives
        .iter()
        .enumerate()
        .map(|(index, objective)| {
            let series = &indicators.of(index).total;
            let account = Account::new(series, slo.method, objective, &frame)?;
            let bucket = bucket_length(interval, account.width());
            let points = points(&account, slo, objective.target, interval, bucket, at)?;
            Ok(Chart { objective: index, bucket, points })
        })
        .collect()
}

/// The shortest of [`BUCKETS`] that is whole slots of `width` and cuts `interval` into fewer than
/// [`POINTS_MAX`] buckets. The shortest multiple of `width` that does, where the former is much
/// longer: weeks are whole slots of 7 seconds as well.
fn bucket_length(interval: Interval, width: Duration) -> Duration {
    // One less than the bound, since the first and the last bucket may be cut.
    let most = u64::from(POINTS_MAX - 1);
    let factor = slots_in(interval, width).div_ceil(most).max(1);
    let nanos = i64::try_from(factor).ok().and_then(|factor| width.nanos().checked_mul(factor));
    let shortest = nanos.and_then(Duration::from_nanos).unwrap_or(width);
    BUCKETS
        .into_iter()
        .map(Duration::from_seconds)
        .find(|bucket| *bucket >= shortest && bucket.is_multiple_of(width))
        .filter(|bucket| bucket.nanos() / shortest.nanos() < COARSER_MAX)
        .unwrap_or(shortest)
}

fn points(
    account: &Account<'_>,
    slo: &Slo,
    target: flyball_model::Target,
    interval: Interval,
    bucket: Duration,
    at: Timestamp,
) -> Result<Vec<Point>, BudgetError> {
    let budget = target.error_budget().to_f64();
    let end = interval.end().min(at);
    let mut start = interval.start().floor(bucket);
    let mut points = Vec::new();
    while start < end && points.len() < POINTS_MAX as usize {
        let interval = Interval::starting(start, bucket);
        let events = account.events().sum(interval);
        let ratio = account.error_ratio(&account.units().range(interval));
        let moment = interval.end().min(at.floor(account.width())).max(start);
        let window = window_at(&slo.window, moment)?;
        let whole = account.units().range(counted(account.width(), window.elapsed));
        let spent = account.error_ratio(&whole);
        points.push(Point {
            interval,
            valid: events.valid(),
            good: events.good(),
            bad: events.bad(),
            sli: ratio.map(|ratio| 1.0 - ratio),
            remaining_share: spent.map(|spent| 1.0 - spent / budget),
        });
        start = interval.end();
    }
    Ok(points)
}
