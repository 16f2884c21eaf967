//! Before a release: does the budget cover its risk, and if not, what would bring it under?
//!
//! From the service's own history of change failures. Two things are uncertain: how likely a change
//! fails, and how bad a failure is. Both are drawn from what the history leaves open, many times:
//!
//! - the probability of failure from its posterior under Jeffreys' prior, Beta(f + ½, n − f + ½) after f
//!   failures of n changes (Brown, Cai and `DasGupta`, 2001);
//! - the failures' weights by the Bayesian bootstrap, Dirichlet(1, …, 1) over the failures there were
//!   (Rubin, *The Bayesian Bootstrap*, 1981), each failure kept whole, since those that are found late are
//!   not those that are large.
//!
//! What one failure spends under a rollout: events × their error share × the share of users, over the
//! steps until it is detected, and at the step reached then until it is repaired. Detection is taken
//! to need as long at a small share of users as at a large one; where that is not so, a small canary
//! helps less than is said here.
//!
//! The numbers are estimates and are floats; nothing in the ledger comes from them. Draws come from
//! `ChaCha8` (of `rand_chacha`), keyed by the seed alone: the same inputs give the same answer.

mod draws;

use flyball_model::{Duration, Rational};

use self::draws::Draws;
use super::rollout::{Rollout, Step};
use crate::policy::read::share;

/// How many times the uncertain parts are drawn.
pub const TRIALS: usize = 2_000;
/// The fewest failures from which a probability is given: with fewer, how bad one is cannot be told.
pub const FAILURES_MIN: usize = 3;
/// The most failures that are looked at, the first of those given.
pub const HISTORY_MAX: usize = 200;
/// How many times a mitigation is doubled before it is given up.
const DOUBLINGS: u32 = 6;

/// One change that failed, as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct FailedChange {
    /// From the first user it reached until it was detected.
    pub detect: Duration,
    /// From then until users were well again.
    pub repair: Duration,
    /// The share of bad among the events of the users it reached, beyond what is usual.
    #[serde(serialize_with = "share::serialize")]
    pub error_share: Rational,
}

/// What changes did before.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct History {
    /// How many changes shipped, failed ones included.
    pub changes: u64,
    /// Those that failed, newest first.
    pub failures: Vec<FailedChange>,
}

/// What a pre-release check is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct PrereleaseInputs {
    /// How it is to be rolled out.
    pub rollout: Rollout,
    /// What changes did before.
    pub history: History,
    /// Valid events in an hour, as expected while it rolls out.
    pub events_per_hour: u64,
    /// Bad events in an hour, as usual without a failure.
    pub background_per_hour: u64,
    /// Bad events that the budget still allows; not above 0 when it is spent.
    pub remaining: i64,
    /// The probability of overspending that is accepted.
    pub limit: Rational,
    /// What draws are keyed by.
    pub seed: u64,
}

/// Whether the budget covers a release.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Prerelease {
    /// Too little is known.
    NotEnoughData {
        /// Changes there were.
        changes: u64,
        /// Failures among them.
        failures: usize,
        /// Failures that are needed.
        needed: usize,
    },
    /// What is to be expected.
    Estimated {
        /// As it is planned.
        risk: Risk,
        /// True when its probability is at most the limit.
        covered: bool,
        /// What would bring it under the limit, the least of each kind; empty when it is covered, and
        /// when nothing does.
        mitigations: Vec<Mitigation>,
    },
}

/// What is to be expected of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Risk {
    /// The probability that a change fails.
    pub failure: f64,
    /// Bad events to be expected, the usual ones included.
    pub expected_bad: f64,
    /// The probability that the budget does not cover it.
    pub overspends: f64,
    /// Between these lies that probability with 90 %, given how little history there is.
    pub overspends_between: (f64, f64),
}

/// A plan that is covered.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Mitigation {
    /// What is done.
    pub kind: MitigationKind,
    /// What is to be expected then.
    pub risk: Risk,
}

/// What can be done about a risk.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MitigationKind {
    /// The first step reaches fewer users.
    SmallerCanary {
        /// The rollout then, as it is written.
        rollout: String,
    },
    /// The first step is watched for longer.
    LongerBake {
        /// The rollout then, as it is written.
        rollout: String,
    },
    /// Failures are detected in a fraction of the time.
    FasterDetection {
        /// One over the fraction.
        times: u32,
    },
}

/// Checks whether the budget covers the risk of a release.
///
/// With fewer than [`FAILURES_MIN`] failures in the history the answer is that it cannot be told.
pub fn prerelease(inputs: &PrereleaseInputs) -> Prerelease {
    let failures = &inputs.history.failures[..inputs.history.failures.len().min(HISTORY_MAX)];
    if failures.len() < FAILURES_MIN {
        return Prerelease::NotEnoughData {
            changes: inputs.history.changes,
            failures: inputs.history.failures.len(),
            needed: FAILURES_MIN,
        };
    }
    let all = u64::try_from(inputs.history.failures.len()).unwrap_or(u64::MAX);
    let draws = Draws::new(inputs.seed, inputs.history.changes.max(all), all, failures.len());
    let limit = inputs.limit.to_f64();
    let risk = assess(inputs, failures, &draws, &inputs.rollout, 1);
    let covered = risk.overspends <= limit;
    let mitigations = if covered {
        Vec::new()
    } else {
        let under = |risk: &Risk| risk.overspends <= limit;
        mitigations(inputs, failures, &draws).filter(|m| under(&m.risk)).fold(
            Vec::new(),
            |mut least: Vec<Mitigation>, next| {
                let same = |m: &Mitigation| {
                    std::mem::discriminant(&m.kind) == std::mem::discriminant(&next.kind)
                };
                if !least.iter().any(same) {
                    least.push(next);
                }
                least
            },
        )
    };
    Prerelease::Estimated { risk, covered, mitigations }
}

/// The risk of `rollout` when detection takes one `faster`-th of the time.
fn assess(
    inputs: &PrereleaseInputs,
    failures: &[FailedChange],
    draws: &Draws,
    rollout: &Rollout,
    faster: u32,
) -> Risk {
    let remaining = inputs.remaining as f64;
    let length: f64 = rollout.steps().iter().map(|step| hours(step.bake)).sum();
    let usual = inputs.background_per_hour as f64 * length;
    let spent: Vec<f64> = failures
        .iter()
        .map(|failure| usual + exposure(rollout, failure, faster) * inputs.events_per_hour as f64)
        .collect();
    let mut expected = 0.0;
    let mut failing = 0.0;
    let mut overspends = Vec::with_capacity(TRIALS);
    for (probability, weights) in draws.trials() {
        let weighted = |value: &dyn Fn(f64) -> f64| -> f64 {
            spent.iter().zip(weights).map(|(bad, weight)| weight * value(*bad)).sum()
        };
        expected += (1.0 - probability) * usual + probability * weighted(&|bad| bad);
        failing += probability;
        let over = |bad: f64| f64::from(u8::from(bad > remaining));
        overspends.push((1.0 - probability) * over(usual) + probability * weighted(&over));
    }
    let trials = overspends.len() as f64;
    let mean = overspends.iter().sum::<f64>() / trials;
    overspends.sort_unstable_by(f64::total_cmp);
    let at = |part: usize| overspends[(overspends.len() - 1) * part / 20];
    Risk {
        failure: failing / trials,
        expected_bad: expected / trials,
        overspends: mean,
        overspends_between: (at(1), at(19)),
    }
}

/// Hours of all users' errors that `failure` causes under `rollout`.
fn exposure(rollout: &Rollout, failure: &FailedChange, faster: u32) -> f64 {
    let mut until_detected = hours(failure.detect) / f64::from(faster);
    let mut users = 0.0;
    let mut reached = 0.0;
    for step in rollout.steps() {
        reached = step.share.to_f64();
        let here = until_detected.min(hours(step.bake));
        users += reached * here;
        until_detected -= here;
        if until_detected <= 0.0 {
            break;
        }
    }
    // Past its last step the rollout stays where it is.
    users += reached * (until_detected.max(0.0) + hours(failure.repair));
    users * failure.error_share.to_f64()
}

fn hours(length: Duration) -> f64 {
    length.as_seconds_f64() / 3_600.0
}

/// What could be done, the least first within each kind.
fn mitigations<'a>(
    inputs: &'a PrereleaseInputs,
    failures: &'a [FailedChange],
    draws: &'a Draws,
) -> impl Iterator<Item = Mitigation> + 'a {
    let plan = |rollout: Rollout, kind: fn(String) -> MitigationKind| {
        let risk = assess(inputs, failures, draws, &rollout, 1);
        Mitigation { kind: kind(rollout.to_string()), risk }
    };
    let steps = inputs.rollout.steps();
    let name = inputs.rollout.name();
    let times = (1..=DOUBLINGS).map(|doubling| 1_u32 << doubling);
    let smaller = times.clone().filter_map(move |by| {
        let share = Rational::new(1, u64::from(by))?.checked_mul(steps[0].share)?;
        let mut smaller = steps.to_vec();
        if smaller.len() == 1 {
            let bake = failures.iter().map(|failure| failure.detect).max()?;
            smaller.insert(0, Step { share, bake });
        } else {
            smaller[0].share = share;
        }
        Some(plan(Rollout::new(name, smaller).ok()?, |rollout| MitigationKind::SmallerCanary {
            rollout,
        }))
    });
    let longer = times.clone().filter_map(move |by| {
        let mut longer = steps.to_vec();
        let bake =
            longer[0].bake.nanos().checked_mul(i64::from(by)).and_then(Duration::from_nanos)?;
        longer[0].bake = bake;
        Some(plan(Rollout::new(name, longer).ok()?, |rollout| MitigationKind::LongerBake {
            rollout,
        }))
    });
    let faster = times.map(move |times| Mitigation {
        kind: MitigationKind::FasterDetection { times },
        risk: assess(inputs, failures, draws, &inputs.rollout, times),
    });
    smaller.chain(longer).chain(faster)
}

#[cfg(test)]
mod tests;
