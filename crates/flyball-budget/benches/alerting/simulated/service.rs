//! The services that are simulated: what is promised, what is asked of them and when.

use flyball_model::{Duration, Objective, Rational, Target, Timestamp, Window};
use flyball_testkit::Random;

use super::{Failure, Settings};

/// A service of at most so many requests a second in the mean has low traffic.
pub(crate) const LOW_RATE_MAX: f64 = 1.0;

/// Requests a second in the mean.
const RATES: [f64; 8] =
    [10.0 / 3600.0, 100.0 / 3600.0, 1000.0 / 3600.0, 1.0, 10.0, 100.0, 1000.0, 10_000.0];

/// Shares of good that are promised.
const TARGETS: [&str; 3] = ["0.99", "0.999", "0.9999"];

/// Errors outside of episodes, as shares of those that the objective allows.
const BACKGROUNDS: [f64; 4] = [0.0, 0.1, 0.5, 0.9];

/// Lengths of the objective's window in days, which is also how long a service is looked at.
const DAYS: [u32; 2] = [30, 28];

/// From one service to the next in the list of all combinations. It has no factor in common with their
/// number, and takes any eight services in a row through all rates.
const STRIDE: u64 = 1009;

/// How requests come over time; each has a mean of 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// Evenly.
    Constant,
    /// By day and night: nine times as many at noon as at midnight.
    Diurnal,
    /// As [`Self::Diurnal`], and in less than half as many at weekends.
    Weekly,
    /// A batch of a quarter of an hour every four hours, at 17 times the traffic between.
    Batches,
    /// Growing to four times as many in the end.
    Growing,
    /// Eight hours a day, and nothing in between.
    OnOff,
}

const LOADS: [Load; 6] =
    [Load::Constant, Load::Diurnal, Load::Weekly, Load::Batches, Load::Growing, Load::OnOff];

impl Load {
    /// The traffic `seconds` after a Monday's midnight, of `length` seconds in all, where the mean
    /// is 1.
    fn at(self, seconds: f64, length: f64) -> f64 {
        let days = seconds / 86_400.0;
        let diurnal = 1.0 - 0.8 * (std::f64::consts::TAU * days).cos();
        match self {
            Self::Constant => 1.0,
            Self::Diurnal => diurnal,
            Self::Weekly if days % 7.0 < 5.0 => 1.2 * diurnal,
            Self::Weekly => 0.5 * diurnal,
            Self::Batches if seconds % 14_400.0 < 900.0 => 8.5,
            Self::Batches => 0.5,
            Self::Growing => 0.4 + 1.2 * seconds / length,
            Self::OnOff if (8.0..16.0).contains(&(days % 1.0 * 24.0)) => 3.0,
            Self::OnOff => 0.0,
        }
    }
}

/// One service over one window of its objective.
#[derive(Debug)]
pub(crate) struct Service {
    load: Load,
    /// Requests a second in the mean.
    pub(crate) rate: f64,
    /// What is promised.
    pub(crate) objective: Objective,
    /// The share of requests that fail outside of episodes.
    pub(crate) background: f64,
    /// Over how many days it is promised; so long it is looked at.
    pub(crate) days: u32,
    /// What all of its draws come from.
    pub(crate) random: Random,
}

impl Service {
    /// Service number `index`. They go through every combination of rate, objective, background,
    /// load and window before one comes again, neighbours in different ones.
    pub(crate) fn new(index: u64, settings: &Settings) -> Result<Self, Failure> {
        let mut rest = index.wrapping_mul(STRIDE);
        let mut next = |count: usize| {
            let at = usize::try_from(rest % count as u64).unwrap_or(0);
            rest /= count as u64;
            at
        };
        let rate = RATES[next(RATES.len())];
        let share = Rational::parse(TARGETS[next(TARGETS.len())]).ok_or("no target")?;
        let target = Target::new(share)?;
        let background = BACKGROUNDS[next(BACKGROUNDS.len())] * target.error_budget().to_f64();
        let load = LOADS[next(LOADS.len())];
        let days = DAYS[next(DAYS.len())];
        let objective = Objective {
            display_name: None,
            target,
            threshold: None,
            indicator: None,
            weight: Rational::ONE,
            timeslice_target: None,
            timeslice_window: None,
        };
        let mut seeds = Random::new(settings.seed);
        let random = Random::new(seeds.next_u64() ^ Random::new(index).next_u64());
        Ok(Self { load, rate, objective, background, days, random })
    }

    /// Whether it has low traffic.
    pub(crate) fn is_low(&self) -> bool {
        self.rate <= LOW_RATE_MAX
    }

    /// The share of failures that the objective allows.
    pub(crate) fn allowed(&self) -> f64 {
        self.objective.target.error_budget().to_f64()
    }

    /// The objective's window.
    pub(crate) const fn window(&self) -> Window {
        Window::Rolling { length: Duration::from_days(self.days) }
    }

    /// The requests to expect in each slot, in order.
    pub(crate) fn expected(&self, slot: Duration) -> Vec<f64> {
        let width = slot.as_seconds_f64();
        let length = Duration::from_days(self.days);
        let count = length.nanos() / slot.nanos();
        let load = |at| self.load.at(at as f64 * width, length.as_seconds_f64());
        (0..count).map(|at| load(at) * self.rate * width).collect()
    }
}

/// The start of slot number `index`; slots begin with the epoch.
pub(crate) fn start_of(index: usize, slot: Duration) -> Timestamp {
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    Timestamp::from_nanos(slot.nanos().saturating_mul(index))
}
