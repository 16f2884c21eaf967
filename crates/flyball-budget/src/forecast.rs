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

use std::convert::Infallible;
use std::ops::ControlFlow;

use flyball_model::{Duration, Interval, Slot, Target, Timestamp};

use crate::account::Account;
use crate::budget::counted;
use crate::exact::Threshold;
use crate::sum::{Parts, Sum};
use crate::window::WindowAt;

/// The normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;
/// The confidence of the interval, for showing.
const CONFIDENCE: f64 = 0.95;

/// What is to be expected of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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

impl Forecast {
    /// Hours until the budget is gone, none where it is gone already; infinity where it lasts or nothing is known.
    pub fn hours_left(&self) -> f64 {
        match self.outlook {
            Outlook::AlreadyExhausted => 0.0,
            _ => self.hours.unwrap_or(f64::INFINITY),
        }
    }

    /// What is said where nothing was counted.
    pub(crate) const fn unknown(lookback: Duration) -> Self {
        Self {
            lookback,
            outlook: Outlook::NoData,
            hours: None,
            exhausts_at: None,
            hours_earliest: None,
            hours_latest: None,
            confidence: CONFIDENCE,
        }
    }

    /// Takes in how many seconds after `end` the budget is gone: as expected, at the earliest and at the latest.
    fn expect(&mut self, end: Timestamp, seconds: [Option<f64>; 3]) {
        let hours = seconds.map(|seconds| seconds.map(|seconds| seconds / 3600.0));
        [self.hours, self.hours_earliest, self.hours_latest] = hours;
        let goes = self.hours.is_some();
        self.outlook = if goes { Outlook::Exhausts } else { Outlook::NotExhausting };
        self.exhausts_at = self.hours.map(|hours| later(end, hours * 3600.0));
    }
}

/// The forecast for `target` at the end of `window`, from the rate of the last `lookback`; `since` is when
/// collection began.
pub fn forecast(
    account: &Account<'_>,
    target: Target,
    window: WindowAt,
    is_calendar: bool,
    lookback: Duration,
    since: Timestamp,
) -> Forecast {
    let counted = counted(account.width(), window.elapsed);
    let range = account.units().range(counted);
    let recent = account.units().range(Interval::ending(counted.end(), lookback));
    let basis = Basis {
        counted,
        full: window.full,
        is_calendar,
        target,
        since,
        width: account.width(),
        whole: account.sum(&range),
    };
    let rate = Rate { lookback, recent: account.sum(&recent) };
    let parts = || Ok::<_, Infallible>(account.parts(&range));
    let Ok(mut forecasts) = basis.forecast(&[rate], parts, |each| {
        let slots = account.units().slots();
        for index in range.clone() {
            if each(slots[index], &account.sum(&(index..index + 1))).is_break() {
                break;
            }
        }
        Ok(())
    });
    forecasts.remove(0)
}

/// What forecasts are made from.
pub(crate) struct Basis {
    /// The elapsed window up to its last complete slot.
    pub(crate) counted: Interval,
    /// The whole window.
    pub(crate) full: Interval,
    pub(crate) is_calendar: bool,
    pub(crate) target: Target,
    /// When collection began: what was looked at of a lookback begins no sooner.
    pub(crate) since: Timestamp,
    /// The length of what is counted.
    pub(crate) width: Duration,
    /// What was counted in the window.
    pub(crate) whole: Sum,
}

/// A rate that goes on.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    /// Where it is taken from.
    pub(crate) lookback: Duration,
    /// What was counted in that.
    pub(crate) recent: Sum,
}

impl Rate {
    /// Whether it is worse than `other`, and not by chance alone: the lower end of its interval is.
    pub(crate) fn is_above(&self, other: &Self) -> bool {
        let ratios = self.recent.error_ratio().zip(other.recent.error_ratio());
        ratios.is_some_and(|(ratio, other)| wilson(self.recent.valid as f64, ratio).0 > other)
    }
}

/// Takes the slots of a window one by one, until it has seen enough.
pub(crate) type EachSlot<'e> = dyn FnMut(Slot, &Sum) -> ControlFlow<()> + 'e;

impl Basis {
    /// The forecast at each of `rates`; `walk` shows the slots with data of a rolling window in order, and is asked once,
    /// and only where the sums do not settle it. `parts` are the ratios of the window.
    pub(crate) fn forecast<E>(
        &self,
        rates: &[Rate],
        parts: impl Fn() -> Result<Parts, E>,
        walk: impl FnOnce(&mut EachSlot<'_>) -> Result<(), E>,
    ) -> Result<Vec<Forecast>, E> {
        let mut forecasts: Vec<Forecast> =
            rates.iter().map(|rate| Forecast::unknown(rate.lookback)).collect();
        let mut open = Vec::new();
        for (rate, forecast) in rates.iter().zip(&mut forecasts) {
            let Some(ratio) = rate.recent.error_ratio() else { continue };
            if self.is_exhausted(rate, &parts)? {
                forecast.outlook = Outlook::AlreadyExhausted;
                continue;
            }
            let (low, high) = wilson(rate.recent.valid as f64, ratio);
            open.push((rate, [ratio, high, low], forecast));
        }
        if open.is_empty() {
            return Ok(forecasts);
        }
        let bad = self.whole.bad_units(&parts)?.to_f64();
        let seconds = if self.is_calendar {
            let end = |(rate, ratios, _): &(&Rate, [f64; 3], _)| {
                ratios.map(|ratio| self.to_calendar_end(rate, self.excess(rate, bad), ratio))
            };
            open.iter().map(end).collect()
        } else {
            let players = open.iter().flat_map(|(rate, ratios, _)| {
                ratios.map(|ratio| Player::new(self.excess(rate, bad), self.growth(rate, ratio)))
            });
            self.play(players.collect(), walk)?
        };
        for ((_, _, forecast), seconds) in open.into_iter().zip(seconds) {
            forecast.expect(self.counted.end(), seconds);
        }
        Ok(forecasts)
    }
    /// How much of the lookback was looked at: what is younger than it has had less traffic than the whole of it
    /// would have.
    fn looked_at(&self, rate: &Rate) -> Duration {
        let known = self.counted.end().since(self.since);
        if known > Duration::ZERO { known.min(rate.lookback) } else { rate.lookback }
    }

    /// Units a second.
    fn per_second(&self, rate: &Rate) -> f64 {
        rate.recent.valid as f64 / self.looked_at(rate).as_seconds_f64()
    }

    /// `1 - target`.
    fn budget(&self) -> f64 {
        self.target.error_budget().to_f64()
    }

    /// Bad units beyond what is allowed now; negative while there is budget.
    fn excess(&self, rate: &Rate, bad: f64) -> f64 {
        bad - self.budget() * (self.whole.valid as f64 + self.still_to_come(rate))
    }

    /// By how much the excess grows a second, before anything leaves.
    fn growth(&self, rate: &Rate, ratio: f64) -> f64 {
        (ratio - self.budget()) * self.per_second(rate)
    }

    /// Units projected for the rest of a calendar period.
    fn still_to_come(&self, rate: &Rate) -> f64 {
        if self.is_calendar { self.per_second(rate) * self.to_end().as_seconds_f64() } else { 0.0 }
    }

    fn to_end(&self) -> Duration {
        self.full.end().since(self.counted.end())
    }

    /// Whether more is bad than is allowed, decided on integers.
    ///
    /// With V valid units counted, v in the L of the lookback that was looked at, and R of a calendar period to
    /// come, e of V + v R / L may be bad.
    fn is_exhausted<E>(
        &self,
        rate: &Rate,
        parts: impl FnOnce() -> Result<Parts, E>,
    ) -> Result<bool, E> {
        let budget = self.target.error_budget();
        let order = if self.is_calendar {
            let nanos = |length: Duration| u128::from(length.nanos().unsigned_abs());
            let valid = u128::from(self.whole.valid);
            let to_come = u128::from(rate.recent.valid) * nanos(self.to_end());
            let lookback = nanos(self.looked_at(rate));
            self.whole.compare_scaled(
                &[valid, lookback, u128::from(budget.denominator())],
                &[valid * lookback + to_come, u128::from(budget.numerator())],
                parts,
            )?
        } else {
            self.whole.compare(Threshold::of(budget), parts)?
        };
        Ok(order.is_some_and(std::cmp::Ordering::is_gt))
    }

    /// Seconds until the budget of a calendar period is gone at an error ratio; `None` when it
    /// lasts.
    fn to_calendar_end(&self, rate: &Rate, excess: f64, ratio: f64) -> Option<f64> {
        let rate = self.per_second(rate) * ratio;
        // Nothing is left where the budget is spent to the last unit, or where doubles differ
        // from the integers that say it is not overspent: gone in 0 s, and never in -0 s.
        let left = if excess < 0.0 { -excess } else { 0.0 };
        (rate > 0.0 && left <= rate * self.to_end().as_seconds_f64()).then(|| left / rate)
    }

    /// Seconds until the budget of a rolling window is gone for each three of `players`.
    ///
    /// Old slots leave as evenly as they passed, so the excess is made of straight lines: one
    /// while a slot leaves, one while a gap does.
    fn play<E>(
        &self,
        mut players: Vec<Player>,
        walk: impl FnOnce(&mut EachSlot<'_>) -> Result<(), E>,
    ) -> Result<Vec<[Option<f64>; 3]>, E> {
        let (length, end) = (self.counted.length(), self.counted.end());
        let (budget, width) = (self.budget(), self.width);
        walk(&mut |slot, units| {
            let interval = slot.interval(width);
            let leaves = |moment: Timestamp| moment.plus(length).since(end).as_seconds_f64();
            let (from, until) = (leaves(interval.start()), leaves(interval.end()));
            let valid = units.valid as f64;
            let bad = units.error_ratio().unwrap_or(0.0) * valid;
            let relief = (budget * valid - bad) / width.as_seconds_f64();
            for player in &mut players {
                player.pass(from, 0.0);
                player.pass(until, relief);
            }
            if players.iter().all(|player| player.crossed.is_some()) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        for player in &mut players {
            player.pass(length.as_seconds_f64(), 0.0);
        }
        let (each, _) = players.as_chunks();
        Ok(each.iter().map(|each: &[Player; 3]| each.each_ref().map(|of| of.crossed)).collect())
    }
}

/// A rolling window played forward at one error ratio.
struct Player {
    /// By how much the excess grows a second, before anything leaves.
    growth: f64,
    excess: f64,
    /// Seconds from now.
    now: f64,
    /// When the excess passed zero.
    crossed: Option<f64>,
}

impl Player {
    const fn new(excess: f64, growth: f64) -> Self {
        Self { growth, excess, now: 0.0, crossed: None }
    }

    /// Goes on to `until`, while what leaves adds `relief` a second to the excess.
    fn pass(&mut self, until: f64, relief: f64) {
        if self.crossed.is_some() {
            return;
        }
        let slope = self.growth + relief;
        let crossed = self.now - self.excess / slope;
        if slope > 0.0 && crossed <= until {
            self.crossed = Some(crossed.max(0.0));
            return;
        }
        self.excess += slope * (until - self.now).max(0.0);
        self.now = self.now.max(until);
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
