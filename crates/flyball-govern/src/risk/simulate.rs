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

use super::document::{Risk, RiskSpec};
use super::range::Value;
use super::register::{Register, added};
use super::standing::RiskObjective;
use crate::delivery::Share;
use crate::draws::Source;

/// How many windows are drawn: a probability is then within one point of what more would give.
pub const TRIALS: usize = 10_000;
/// The fewest windows that are drawn of a register with many risks, failures and factors: within three points.
const TRIALS_MIN: usize = 1_000;
/// How many failures of one risk in one window are drawn by themselves. What those past it last and hit is drawn as
/// their sum, which is close to normal (central limit theorem).
const EACH_MAX: u64 = 16;
/// How many risks and failures are drawn for one objective, with its factors taken away one after the other: a few
/// seconds of one processor. Registers that need more are drawn for fewer windows.
const WORK_MAX: f64 = 2e7;

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
        let count = trials(register, objective);
        let columns: Vec<Vec<f64>> = (0_u64..)
            .zip(register.risks())
            .filter(|(_, risk)| spends(risk))
            .map(|(at, risk)| column(register, &risk.spec, (objective, seed, count), at))
            .collect();
        if columns.is_empty() {
            return None;
        }
        Some(Self::of(columns, objective, seed))
    }

    /// The same trials under `other`, a register of the same risks with other rules: those alone are drawn again for
    /// which `is_changed`.
    pub(super) fn under(
        &self,
        other: &Register,
        objective: &RiskObjective,
        is_changed: impl Fn(&RiskSpec) -> bool,
    ) -> Self {
        let count = self.totals.len();
        let spenders = (0_u64..).zip(other.risks()).filter(|(_, risk)| {
            risk.spec.slos.is_empty() || risk.spec.slos.contains(&objective.slo)
        });
        let columns = spenders.zip(&self.columns).map(|((at, risk), known)| {
            if is_changed(&risk.spec) {
                column(other, &risk.spec, (objective, self.seed, count), at)
            } else {
                known.clone()
            }
        });
        Self::of(columns.collect(), objective, self.seed)
    }

    fn of(columns: Vec<Vec<f64>>, objective: &RiskObjective, seed: u64) -> Self {
        let mut totals = vec![0.0; columns.first().map_or(0, Vec::len)];
        for column in &columns {
            for (total, bad) in totals.iter_mut().zip(column) {
                *total += bad;
            }
        }
        let allowed = objective.target.error_budget().to_f64() * objective.window.as_seconds_f64();
        Self { columns, totals, allowed, seed }
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

/// How many windows of `objective` are drawn: the same for registers of the same risks that differ in how long
/// failures last and whom they hit.
fn trials(register: &Register, objective: &RiskObjective) -> usize {
    let factors = &register.rules().factors;
    let work: f64 = register
        .spenders(&objective.slo)
        .map(|risk| {
            let again = factors.iter().filter(|factor| factor.is_of(&risk.spec)).count();
            let often = risk.spec.time_between_failures.mean_of_inverse();
            let failures = (objective.window.estimate() * often).min(EACH_MAX as f64);
            (1.0 + failures) * (1 + again) as f64
        })
        .sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "held between two counts"
    )]
    let trials = (WORK_MAX / work).clamp(TRIALS_MIN as f64, TRIALS as f64) as usize;
    trials
}

/// Mean and variance of what one failure of `risk` lasts and hits, in bad seconds, when it lasts `later` longer.
fn moments(risk: &RiskSpec, later: f64) -> (f64, f64) {
    let (detect, repair, share) = (risk.time_to_detect, risk.time_to_repair, risk.share_of_users);
    let lasts = detect.mean() + repair.mean() + later;
    // Of independent parts variances add up; of a product the means of squares multiply.
    let spread = |of: super::range::TimeRange| of.mean_of_square() - of.mean().powi(2);
    let squared = spread(detect) + spread(repair) + lasts.powi(2);
    let mean = lasts * share.mean();
    (mean, (squared * share.mean_of_square() - mean.powi(2)).max(0.0))
}

/// Bad seconds of one risk, the `at`-th of its register, in each of `count` trials.
fn column(
    register: &Register,
    risk: &RiskSpec,
    (objective, seed, count): (&RiskObjective, u64, usize),
    at: u64,
) -> Vec<f64> {
    let window = objective.window;
    let mut source = Source::stream(seed, at);
    let (detect_later, repair_later) = register.delays(risk);
    let later = added(detect_later, repair_later).estimate();
    let more = register.more(risk);
    let between = risk.time_between_failures;
    let (detect, repair, share) = (risk.time_to_detect, risk.time_to_repair, risk.share_of_users);
    let (mean, variance) = moments(risk, later);
    let trial = |_| {
        let between = source.log_uniform(between.low().estimate(), between.high().estimate());
        let failures = source.poisson(window.estimate() / between * more);
        let drawn = failures.min(EACH_MAX);
        let rest = (failures - drawn) as f64;
        let mut bad = if rest > 0.0 {
            (rest * mean + (rest * variance).sqrt() * source.normal()).max(0.0)
        } else {
            0.0
        };
        for _ in 0..drawn {
            let detected = source.log_uniform(detect.low().estimate(), detect.high().estimate());
            let repaired = source.log_uniform(repair.low().estimate(), repair.high().estimate());
            let share = source.log_uniform(share.low().estimate(), share.high().estimate());
            bad += (detected + repaired + later) * share;
        }
        bad
    };
    (0..count).map(trial).collect()
}
