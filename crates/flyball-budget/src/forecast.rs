//! When a budget will be gone if things go on as they do.
//!
//! The error ratio and the traffic of a lookback are carried forward in a straight line. A
//! rolling window is played forward against its own history: what was bad long ago leaves the
//! window as time passes, so a slow burn may never exhaust it, and one that follows a recent
//! outage may. A calendar window keeps everything until it ends, and its budget is that of the
//! traffic projected for the whole period.
//!
//! The interval comes from the error ratio's own uncertainty: Wilson's score interval at 95 %,
//! which keeps its coverage for the small ratios and counts met here (Brown, Cai and `DasGupta`,
//! "Interval Estimation for a Binomial Proportion", 2001). It takes failures as independent;
//! they come in bursts, so the true uncertainty is larger.

use flyball_model::{Duration, Interval, Target, Timestamp};

use crate::account::Account;
use crate::budget::counted;
use crate::exact::Threshold;
use crate::window::WindowAt;

/// The normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;
/// The confidence of the interval, for showing.
const CONFIDENCE: f64 = 0.95;

/// What is to be expected of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outlook {
    /// Nothing was valid in the lookback: nothing can be said.
    NoData,
    /// More is spent than allowed already.
    AlreadyExhausted,
    /// At this rate the budget lasts: for good, or until the calendar period ends.
    NotExhausting,
    /// At this rate the budget will be gone.
    Exhausts,
}

/// When the budget will be gone.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Forecast {
    /// Where the rate is taken from.
    pub lookback: Duration,
    /// What is to be expected.
    pub outlook: Outlook,
    /// Hours until the budget is gone; only with [`Outlook::Exhausts`].
    pub hours: Option<f64>,
    /// When that is.
    pub exhausts_at: Option<Timestamp>,
    /// Hours at the upper end of the error ratio's interval; `None` when even that lasts.
    pub hours_earliest: Option<f64>,
    /// Hours at the lower end of the error ratio's interval; `None` when it may never happen.
    pub hours_latest: Option<f64>,
    /// The confidence of the interval.
    pub confidence: f64,
}

/// The forecast for `target` at the end of `window`, from the rate of the last `lookback`.
pub fn forecast(
    account: &Account<'_>,
    target: Target,
    window: WindowAt,
    is_calendar: bool,
    lookback: Duration,
) -> Forecast {
    let empty = Forecast {
        lookback,
        outlook: Outlook::NoData,
        hours: None,
        exhausts_at: None,
        hours_earliest: None,
        hours_latest: None,
        confidence: CONFIDENCE,
    };
    let counted = counted(account, window.elapsed);
    let recent = account.units().range(Interval::ending(counted.end(), lookback));
    let recent_valid = account.valid_units(&recent);
    let valid = recent_valid as f64;
    let Some(ratio) = account.error_ratio(&recent) else { return empty };
    let course = Course {
        account,
        counted,
        full: window.full,
        is_calendar,
        target,
        budget: target.error_budget().to_f64(),
        lookback,
        recent_valid,
        per_second: valid / lookback.as_seconds_f64(),
    };
    if course.is_exhausted() {
        return Forecast { outlook: Outlook::AlreadyExhausted, ..empty };
    }
    let (low, high) = wilson(valid, ratio);
    let hours = |ratio| course.seconds_left(ratio).map(|seconds| seconds / 3600.0);
    let expected = hours(ratio);
    Forecast {
        outlook: if expected.is_some() { Outlook::Exhausts } else { Outlook::NotExhausting },
        hours: expected,
        exhausts_at: expected.map(|hours| later(counted.end(), hours * 3600.0)),
        hours_earliest: hours(high),
        hours_latest: hours(low),
        ..empty
    }
}

/// What is needed to play a window forward.
struct Course<'a> {
    account: &'a Account<'a>,
    counted: Interval,
    full: Interval,
    is_calendar: bool,
    target: Target,
    /// `1 - target`.
    budget: f64,
    lookback: Duration,
    /// Valid units in the lookback.
    recent_valid: u64,
    /// The same, a second.
    per_second: f64,
}

impl Course<'_> {
    /// Bad units beyond what is allowed now; negative while there is budget.
    fn excess(&self) -> f64 {
        let range = self.account.units().range(self.counted);
        let bad = self.account.bad_units(&range).to_f64();
        bad - self.budget * (self.account.valid_units(&range) as f64 + self.still_to_come())
    }

    /// Units projected for the rest of a calendar period.
    fn still_to_come(&self) -> f64 {
        if self.is_calendar { self.per_second * self.seconds_to_end() } else { 0.0 }
    }

    fn to_end(&self) -> Duration {
        self.full.end().since(self.counted.end())
    }

    fn seconds_to_end(&self) -> f64 {
        self.to_end().as_seconds_f64()
    }

    /// Whether more is bad than is allowed, decided on integers.
    ///
    /// With V valid units counted, v in the lookback of length L, and R of a calendar period to
    /// come, e of V + v R / L may be bad.
    fn is_exhausted(&self) -> bool {
        let budget = self.target.error_budget();
        let range = self.account.units().range(self.counted);
        let order = if self.is_calendar {
            let nanos = |length: Duration| u128::from(length.nanos().unsigned_abs());
            let valid = u128::from(self.account.valid_units(&range));
            let to_come = u128::from(self.recent_valid) * nanos(self.to_end());
            let lookback = nanos(self.lookback);
            self.account.compare_scaled(
                &range,
                &[valid, lookback, u128::from(budget.denominator())],
                &[valid * lookback + to_come, u128::from(budget.numerator())],
            )
        } else {
            self.account.compare(&range, Threshold::of(budget))
        };
        order.is_some_and(std::cmp::Ordering::is_gt)
    }

    /// Seconds until the budget is gone at an error ratio; `None` when it lasts.
    fn seconds_left(&self, ratio: f64) -> Option<f64> {
        let mut excess = self.excess();
        if self.is_calendar {
            let rate = self.per_second * ratio;
            // Nothing is left where the budget is spent to the last unit, or where doubles differ
            // from the integers that say it is not overspent: gone in 0 s, and never in -0 s.
            let left = if excess < 0.0 { -excess } else { 0.0 };
            return (rate > 0.0 && left <= rate * self.seconds_to_end()).then(|| left / rate);
        }
        // Old slots leave as evenly as they passed, so the excess is made of straight lines: one
        // while a slot leaves, one while a gap does.
        let growth = (ratio - self.budget) * self.per_second;
        let mut now = 0.0;
        let mut piece = |until: f64, slope: f64| {
            let crossed = now - excess / slope;
            if slope > 0.0 && crossed <= until {
                return Some(crossed.max(0.0));
            }
            excess += slope * (until - now).max(0.0);
            now = now.max(until);
            None
        };
        let units = self.account.units();
        let (length, end) = (self.counted.length(), self.counted.end());
        for index in units.range(self.counted) {
            let slot = index..index + 1;
            let interval = units.slots()[index].interval(units.width());
            let leaves = |moment: Timestamp| moment.plus(length).since(end).as_seconds_f64();
            let (from, until) = (leaves(interval.start()), leaves(interval.end()));
            let valid = self.account.valid_units(&slot) as f64;
            let bad = self.account.error_ratio(&slot).unwrap_or(0.0) * valid;
            let relief = (self.budget * valid - bad) / units.width().as_seconds_f64();
            let crossed = piece(from, growth).or_else(|| piece(until, growth + relief));
            if crossed.is_some() {
                return crossed;
            }
        }
        piece(length.as_seconds_f64(), growth)
    }
}

fn later(at: Timestamp, seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a double holds at the ends")]
    let nanos = (seconds * 1e9) as i64;
    at.plus(Duration::from_nanos(nanos).unwrap_or_default())
}

/// Wilson's score interval of a ratio observed on `count` trials.
fn wilson(count: f64, ratio: f64) -> (f64, f64) {
    let square = Z * Z / count;
    let centre = (ratio + square / 2.0) / (1.0 + square);
    let half = Z * (ratio * (1.0 - ratio) / count + square / (4.0 * count)).sqrt() / (1.0 + square);
    ((centre - half).max(0.0), (centre + half).min(1.0))
}
