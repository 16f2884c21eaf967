//! The verdict from raw values, such as latencies, by their ranks.
//!
//! The values of the control are known; those of the candidate arrive one by one. Let `x` be the
//! `k`-th of the control's `m` values from the good end. Whatever their distribution, the
//! probability of a further value past `x` is at most `Beta(m - k + 1, k)` distributed (order
//! statistics of a uniform sample; equal values only make it smaller). So the number of the
//! candidate's first `n` values past `x` is, if the candidate is no worse than the control, at most
//! beta-binomial, and the quotient of two beta-binomial probabilities,
//!
//! ```text
//! e = BB(b; n, m - k + 1, q) / BB(b; n, m - k + 1, k)        with q < k
//! ```
//!
//! is a likelihood quotient: a martingale for candidates like the control. It rises with every value
//! past `x`, so that it is smaller for candidates that are better. That is exact for any
//! distribution and any number of values: heavy tails, constants and ties included.
//!
//! A *tolerance* makes it a question that matters: the candidate's values count as past `x` when
//! they are worse than `tolerance × x`. Regressed is claimed by the mean of the evidence at the
//! median, at the 90th percentile and at the worst value, so changes of the spread are seen as well
//! as shifts. Healthy needs evidence at the median and at the 90th percentile, at each by itself.
//!
//! Values must be independent of each other; for values in bursts, count those past a threshold and
//! use [`judge`](super::judge()), which learns how bursty they are.
//!
//! Sources: David and Nagaraja, "Order Statistics" (2003), section 2; Ville (1939); the union of
//! claims: Berger, Technometrics 24 (1982).

use statrs::function::beta::ln_beta;

use super::VerdictError;
use super::answer::{Answer, Range, Why};
use super::process::log_sum;

/// Which values are bad news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// Higher ones, as of latency.
    Higher,
    /// Lower ones, as of throughput.
    Lower,
}

/// A place in the control's values.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// The share of the control's values up to it.
    share: f64,
    /// Its weight in the claim that the candidate regressed.
    weight: f64,
    /// Whether the claim that the candidate is healthy needs it.
    for_health: bool,
}

const LEVELS: [Level; 3] = [
    Level { share: 0.5, weight: 0.25, for_health: true },
    Level { share: 0.9, weight: 0.25, for_health: true },
    Level { share: 1.0, weight: 0.5, for_health: false },
];
/// How far ends of the range of factors are looked for: 2²⁰ and its inverse.
const FACTOR_POWER_MAX: f64 = 20.0;
/// Halvings of that, to 2⁻²⁵ of the exponent.
const HALVINGS: u32 = 30;

/// What a change did to a value, with the evidence.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RankVerdict {
    /// The answer.
    pub answer: Answer,
    /// Why.
    pub why: Why,
    /// The factor by which the candidate may be worse.
    pub tolerance: f64,
    /// How many values the control had.
    pub control: u64,
    /// How many values the candidate had.
    pub candidate: u64,
    /// The probability that a value of the candidate is worse than one of the control, equal ones by
    /// half: 0.5 for two that are alike. `None` without values.
    pub superiority: Option<f64>,
    /// By which factor the candidate is worse, if it is worse by one: what regressed would still be
    /// claimed at, and the least that healthy would be claimed at.
    pub factor_range: Range,
    /// The confidence of the range.
    pub confidence: f64,
    /// A p-value that holds at any time, for "not worse by more than the tolerance".
    pub p_regressed: f64,
    /// The same for "worse by the tolerance at the median or at the 90th percentile".
    pub p_healthy: f64,
    /// How many values of the candidate decided it.
    pub decided_after: Option<u64>,
}

/// Judges the values of a candidate, in the order in which they arrived, by those of a control.
///
/// `tolerance` is the factor by which the candidate may be worse; with 1 and equal constants nothing
/// can ever be decided. The bounds of the errors are as those of [`Settings`](super::Settings).
///
/// # Errors
///
/// [`VerdictError::NotANumber`] for values that are not finite or negative,
/// [`VerdictError::Tolerance`] and [`VerdictError::Level`] for settings that are none.
pub fn rank(
    control: &[f64],
    candidate: &[f64],
    worse: Worse,
    tolerance: f64,
    (false_alarm, false_health): (f64, f64),
) -> Result<RankVerdict, VerdictError> {
    for values in [control, candidate] {
        if let Some(index) = values.iter().position(|value| !value.is_finite() || *value < 0.0) {
            return Err(VerdictError::NotANumber { index });
        }
    }
    if !(tolerance.is_finite() && tolerance >= 1.0) {
        return Err(VerdictError::Tolerance { tolerance: tolerance.to_string() });
    }
    if ![false_alarm, false_health].iter().all(|level| *level > 0.0 && *level < 0.5) {
        return Err(VerdictError::Level);
    }
    let mut sorted = control.to_vec();
    sorted.sort_unstable_by(
        |a, b| if worse == Worse::Higher { a.total_cmp(b) } else { b.total_cmp(a) },
    );
    let mut verdict = RankVerdict {
        answer: Answer::Undecided,
        why: if candidate.is_empty() { Why::NoData } else { Why::NoBaseline },
        tolerance,
        control: control.len() as u64,
        candidate: candidate.len() as u64,
        superiority: None,
        factor_range: Range { low: 0.0, high: None },
        confidence: 1.0 - false_alarm - false_health,
        p_regressed: 1.0,
        p_healthy: 1.0,
        decided_after: None,
    };
    if control.is_empty() || candidate.is_empty() {
        return Ok(verdict);
    }
    let (alarm, health) = (-false_alarm.ln(), -false_health.ln());
    let (mut most_worse, mut most_fewer) = (0.0_f64, 0.0_f64);
    let (mut regressed, mut healthy) = (None, None);
    let mut counts = Counts::new(&sorted, worse, tolerance);
    for value in candidate {
        counts.add(*value);
        most_worse = most_worse.max(counts.worse());
        most_fewer = most_fewer.max(counts.fewer());
        if regressed.is_none() && most_worse >= alarm {
            regressed = Some(counts.seen);
        }
        if healthy.is_none() && most_fewer >= health {
            healthy = Some(counts.seen);
        }
    }
    (verdict.answer, verdict.why) = match (regressed, healthy) {
        (Some(_), _) => (Answer::Regressed, Why::Worse),
        (None, Some(_)) => (Answer::Healthy, Why::WithinMargin),
        (None, None) => (Answer::Undecided, Why::TooLittleData),
    };
    verdict.decided_after = regressed.or(healthy);
    (verdict.p_regressed, verdict.p_healthy) = ((-most_worse).exp(), (-most_fewer).exp());
    verdict.superiority = Some(superiority(&sorted, candidate, worse));
    let at = |power: f64| {
        let mut counts = Counts::new(&sorted, worse, power.exp2());
        for value in candidate {
            counts.add(*value);
        }
        counts
    };
    // Fewer values are past a higher factor: the first claim is lost on the way up, the second won.
    let low = first_true(|power| at(power).worse() < alarm);
    let high = first_true(|power| at(power).fewer() >= health);
    verdict.factor_range = Range {
        low: if low > -FACTOR_POWER_MAX { low.exp2() } else { 0.0 },
        high: (high < FACTOR_POWER_MAX).then(|| high.exp2()),
    };
    Ok(verdict)
}

/// How many of the candidate's values are past each level.
struct Counts {
    worse: Worse,
    size: f64,
    seen: u64,
    levels: Vec<Counted>,
}

struct Counted {
    level: Level,
    threshold: f64,
    /// Values of the control up to the level.
    rank: f64,
    past: u64,
    past_or_equal: u64,
}

impl Counts {
    /// `sorted` from the good end; not empty.
    fn new(sorted: &[f64], worse: Worse, tolerance: f64) -> Self {
        let factor = if worse == Worse::Higher { tolerance } else { 1.0 / tolerance };
        let levels = LEVELS.iter().map(|level| {
            let index = place(level.share, sorted.len());
            let rank = (index + 1) as f64;
            Counted {
                level: *level,
                threshold: sorted[index] * factor,
                rank,
                past: 0,
                past_or_equal: 0,
            }
        });
        Self { worse, size: sorted.len() as f64, seen: 0, levels: levels.collect() }
    }

    fn add(&mut self, value: f64) {
        self.seen += 1;
        for level in &mut self.levels {
            let past = if self.worse == Worse::Higher {
                value > level.threshold
            } else {
                value < level.threshold
            };
            level.past += u64::from(past);
            level.past_or_equal += u64::from(past || value == level.threshold);
        }
    }

    /// The logarithm of the evidence that more are past the levels than of the control.
    fn worse(&self) -> f64 {
        self.levels.iter().fold(f64::NEG_INFINITY, |sum, level| {
            let past = self.size - level.rank + 1.0;
            // Half of the alternatives' weight where nothing is known of the ratio past the level.
            let alternatives = [(0.75, level.rank.min(1.0)), (0.25, (level.rank / 4.0).max(0.5))];
            alternatives.iter().fold(sum, |sum, (weight, rest)| {
                let log_e = quotient(level.past, self.seen, (past, *rest), (past, level.rank));
                log_sum(sum, log_e + (weight * level.level.weight).ln())
            })
        })
    }

    /// The logarithm of the weakest of the evidence that fewer are past the levels than of the
    /// control.
    fn fewer(&self) -> f64 {
        self.levels
            .iter()
            .filter(|level| level.level.for_health)
            .map(|level| {
                let past = self.size - level.rank + 1.0;
                let null = (past, level.rank);
                let some = quotient(level.past_or_equal, self.seen, (past / 4.0, level.rank), null);
                let few = quotient(level.past_or_equal, self.seen, (0.5, level.rank), null);
                log_sum(some, few) - std::f64::consts::LN_2
            })
            .fold(f64::INFINITY, f64::min)
    }
}

/// The logarithm of the quotient of two beta-binomial probabilities of `count` of `seen`.
fn quotient(count: u64, seen: u64, alternative: (f64, f64), null: (f64, f64)) -> f64 {
    let (hits, rest) = (count as f64, (seen - count) as f64);
    let log = |(a, b): (f64, f64)| ln_beta(a + hits, b + rest) - ln_beta(a, b);
    log(alternative) - log(null)
}

/// The index of the value at `share` of `count` sorted ones.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
fn place(share: f64, count: usize) -> usize {
    ((share * count as f64).ceil() as usize).clamp(1, count) - 1
}

/// The share of pairs in which the candidate's value is worse, equal ones by half.
fn superiority(sorted: &[f64], candidate: &[f64], worse: Worse) -> f64 {
    let pairs = sorted.len() as f64 * candidate.len() as f64;
    let won: usize = candidate
        .iter()
        .map(|value| {
            let better =
                |other: &f64| if worse == Worse::Higher { other < value } else { other > value };
            let below = sorted.partition_point(better);
            let equal = sorted[below..].partition_point(|other| other == value);
            2 * below + equal
        })
        .sum();
    won as f64 / 2.0 / pairs
}

/// The first power of two for which `holds`, which holds from some value on; the last when it never
/// does.
fn first_true(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (-FACTOR_POWER_MAX, FACTOR_POWER_MAX);
    if holds(low) {
        return low;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle }
    }
    high
}
