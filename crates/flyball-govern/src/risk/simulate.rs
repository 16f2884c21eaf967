//! How likely an objective is missed, by drawing its window many times.
//!
//! In each trial every risk fails as often as a Poisson process of its time between failures does; that time is
//! drawn once a trial, since it is one number that nobody knows, and the time to detect, the time to repair and
//! the share of users once a failure, since no two failures are alike. The objective is missed when the bad
//! time is more than its budget: at its boundary it is kept.
//!
//! Every risk draws from its own source, so that what is changed about one moves no other: registers that
//! differ are compared over the same luck (common random numbers; Law, *Simulation Modeling and Analysis*).
//! A failure counts whole in the window in which it begins. Two at a time are two: the budget
//! then looks more spent than it is, which matters only when much is missed anyway.

use flyball_model::Duration;

use super::document::{Risk, RiskSpec};
use super::range::Value;
use super::register::{Register, added};
use super::standing::RiskObjective;
use crate::delivery::Share;
use crate::draws::Source;

/// How many windows are drawn: a probability is then within one point of what more would give.
pub const TRIALS: usize = 10_000;
/// How many failures of one risk in one window are drawn by themselves; the means of those past it are alike.
const EACH_MAX: u64 = 256;

/// What is to be expected of an objective.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Simulated {
    /// How many of the windows that were drawn were missed. Its interval is that of the draws, and says
    /// nothing of how good the register is.
    pub missed: Share,
    /// Bad minutes in the objective's window: on average.
    pub minutes_a_window: f64,
    /// Bad minutes in the window that 5, 50 and 95 of 100 do not exceed.
    pub minutes_a_window_quantiles: [f64; 3],
    /// What the draws were keyed by.
    pub seed: u64,
}

/// Windows of an objective as they were drawn: bad seconds of each risk in each trial.
#[derive(Debug)]
pub(super) struct Trials {
    /// One column a risk, in the order of the register.
    columns: Vec<Vec<f64>>,
    totals: Vec<f64>,
    allowed: f64,
    seed: u64,
}

/// Draws the window of `objective` under `register`; `None` when no risk spends its budget.
pub fn simulate(register: &Register, objective: &RiskObjective, seed: u64) -> Option<Simulated> {
    Trials::draw(register, objective, seed).map(|trials| trials.summary())
}

impl Trials {
    pub(super) fn draw(register: &Register, objective: &RiskObjective, seed: u64) -> Option<Self> {
        let spends =
            |risk: &Risk| risk.spec.slos.is_empty() || risk.spec.slos.contains(&objective.slo);
        let columns: Vec<Vec<f64>> = (0_u64..)
            .zip(register.risks())
            .filter(|(_, risk)| spends(risk))
            .map(|(at, risk)| column(register, &risk.spec, objective.window, seed, at))
            .collect();
        if columns.is_empty() {
            return None;
        }
        let mut totals = vec![0.0; TRIALS];
        for column in &columns {
            for (total, bad) in totals.iter_mut().zip(column) {
                *total += bad;
            }
        }
        let allowed = objective.target.error_budget().to_f64() * objective.window.as_seconds_f64();
        Some(Self { columns, totals, allowed, seed })
    }

    pub(super) fn summary(&self) -> Simulated {
        let mut sorted = self.totals.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |part: usize| sorted[(sorted.len() - 1) * part / 100] / 60.0;
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64 / 60.0;
        Simulated {
            missed: self.missed(|_| 0.0),
            minutes_a_window: mean,
            minutes_a_window_quantiles: [at(5), at(50), at(95)],
            seed: self.seed,
        }
    }

    /// How many trials are missed when the `column`-th of the risks that spend never fails.
    pub(super) fn missed_without(&self, column: usize) -> Share {
        self.missed(|trial| self.columns[column][trial])
    }

    fn missed(&self, less: impl Fn(usize) -> f64) -> Share {
        // Sums of doubles are off by less than this, which is far less than a second.
        let slack = self.allowed * 1e-12;
        let over = |(trial, bad): (usize, &f64)| bad - less(trial) > self.allowed + slack;
        let missed = self.totals.iter().enumerate().filter(|of| over(*of)).count();
        Share::new(missed as u64, self.totals.len() as u64).expect("there are trials")
    }
}

/// Bad seconds of one risk in each trial.
fn column(register: &Register, risk: &RiskSpec, window: Duration, seed: u64, at: u64) -> Vec<f64> {
    let mut source = Source::stream(seed, at);
    let factors = register.rules().factors.iter().filter(|factor| factor.is_of(risk));
    let (mut later, mut more) = (Duration::ZERO, 1.0);
    for factor in factors {
        later = added(later, added(factor.detect, factor.repair));
        more += factor.frequency.to_f64();
    }
    let later = later.estimate();
    let between = risk.time_between_failures;
    let (detect, repair, share) = (risk.time_to_detect, risk.time_to_repair, risk.share_of_users);
    let mean = (detect.mean() + repair.mean() + later) * share.mean();
    let trial = |_| {
        let between = source.log_uniform(between.low().estimate(), between.high().estimate());
        let failures = source.poisson(window.estimate() / between * more);
        let drawn = failures.min(EACH_MAX);
        let mut bad = (failures - drawn) as f64 * mean;
        for _ in 0..drawn {
            let detected = source.log_uniform(detect.low().estimate(), detect.high().estimate());
            let repaired = source.log_uniform(repair.low().estimate(), repair.high().estimate());
            let share = source.log_uniform(share.low().estimate(), share.high().estimate());
            bad += (detected + repaired + later) * share;
        }
        bad
    };
    (0..TRIALS).map(trial).collect()
}
