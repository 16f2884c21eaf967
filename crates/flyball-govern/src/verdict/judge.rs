//! The verdict from tallies.

use flyball_model::{Rational, Slot, Tally};

use super::VerdictError;
use super::answer::{Answer, Burned, Certainty, Effect, Range, Verdict, Why};
use super::bet::{Boundary, Stakes};
use super::blocks::{Block, Comparison};
use super::dispersion::Dispersion;
use super::process::{Evidence, log_mean};

/// Odds, as multiples of those at the margin, on which is bet that the candidate is worse.
const WORSE: [f64; 7] = [1.2, 1.5, 2.0, 3.0, 6.0, 20.0, 100.0];
/// Shares of the bad events at the margin that the candidate may lack if it is not worse.
const FEWER: [f64; 5] = [0.1, 0.25, 0.45, 0.65, 0.85];
/// Halvings of `[-1, 1]` for an end of the range of differences, to 2⁻³⁰.
const HALVINGS: u32 = 31;
/// Ends of the range of ratios past which none is given: 2¹⁰ and its inverse.
const RATIO_POWER_MAX: f64 = 10.0;
/// For how many events the belief counts that the control is at its objective.
const BELIEF_WEIGHT: f64 = 1.0;
/// Believed ratios stay within these, so that stakes are finite.
const BELIEVED: (f64, f64) = (1e-9, 0.9);

/// How sure an answer has to be, and what difference matters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    allowed: Rational,
    margin: Rational,
    false_alarm: f64,
    false_health: f64,
}

impl Settings {
    /// One in twenty, for both errors.
    pub const ERROR: f64 = 0.05;

    /// For an objective that allows a share `allowed` of bad events.
    ///
    /// The difference that matters is `burn` times that: with 1, a change that on its own would
    /// spend the whole budget if it stayed for the window.
    ///
    /// # Errors
    ///
    /// [`VerdictError::Margin`] when the margin is not above zero and below one.
    pub fn new(allowed: Rational, burn: Rational) -> Result<Self, VerdictError> {
        let margin =
            allowed.checked_mul(burn).filter(|margin| !margin.is_zero() && *margin < Rational::ONE);
        let margin = margin.ok_or(VerdictError::Margin)?;
        Ok(Self { allowed, margin, false_alarm: Self::ERROR, false_health: Self::ERROR })
    }

    /// With other bounds of the probabilities to call a harmless change regressed, and a harmful one
    /// healthy.
    ///
    /// # Errors
    ///
    /// [`VerdictError::Level`] when one is not above zero and below one half.
    pub fn with_errors(self, false_alarm: f64, false_health: f64) -> Result<Self, VerdictError> {
        for level in [false_alarm, false_health] {
            if !(level > 0.0 && level < 0.5) {
                return Err(VerdictError::Level);
            }
        }
        Ok(Self { false_alarm, false_health, ..self })
    }

    /// The settings for each of `count` verdicts on one change, so that the probability of any false
    /// alarm among them keeps its bound (Bonferroni). Zero counts as one.
    ///
    /// The bound of false health stays: all have to be healthy, so one that is not suffices.
    #[must_use]
    pub fn shared_by(self, count: u32) -> Self {
        Self { false_alarm: self.false_alarm / f64::from(count.max(1)), ..self }
    }

    /// The smallest difference of error ratios that matters.
    pub fn margin(&self) -> Rational {
        self.margin
    }
}

/// Judges a change from what was compared so far.
///
/// Calling it again with more blocks is a further look; that costs nothing, because its bounds hold
/// at all times together. With the same blocks the answer is the same, and one that was given stays:
/// regressed for good, healthy until regressed.
pub fn judge(comparison: &Comparison, settings: &Settings) -> Verdict {
    let prepared = Prepared::new(comparison, settings);
    let margin = settings.margin.to_f64();
    let mut worse = Evidence::new(WORSE.len());
    let mut fewer = Evidence::new(FEWER.len());
    let (mut most_worse, mut most_fewer) = (0.0_f64, 0.0_f64);
    let (mut regressed, mut healthy) = (None, None);
    for block in &prepared.blocks {
        worse.add(block.worse(Boundary::difference(margin)));
        fewer.add(block.fewer(Boundary::difference(-margin)));
        most_worse = most_worse.max(worse.watchful());
        most_fewer = most_fewer.max(fewer.steady_with(block.one_more_burst()));
        if regressed.is_none() && most_worse >= -settings.false_alarm.ln() {
            regressed = Some(block.block.slot);
        }
        if healthy.is_none() && most_fewer >= -settings.false_health.ln() {
            healthy = Some(block.block.slot);
        }
    }
    let candidate: Tally = comparison.blocks.iter().map(|block| block.candidate).sum();
    let control: Tally = comparison.blocks.iter().map(|block| block.control).sum();
    let (answer, why) = match (regressed, healthy) {
        (Some(_), _) => (Answer::Regressed, Why::Worse),
        (None, Some(_)) => (Answer::Healthy, Why::WithinMargin),
        (None, None) => (Answer::Undecided, prepared.lacking(comparison)),
    };
    let decided_in = regressed.or(healthy);
    let effect = prepared.effect(candidate, settings);
    Verdict {
        answer,
        why,
        design: comparison.design,
        margin,
        candidate,
        control,
        burned: effect.map(|effect| prepared.burned(candidate, &effect)).unwrap_or_default(),
        effect,
        certainty: Certainty {
            false_alarm: settings.false_alarm,
            false_health: settings.false_health,
            p_regressed: (-most_worse).exp(),
            p_healthy: (-most_fewer).exp(),
            dispersion: prepared.dispersion,
        },
        decided_in,
        slots_to_decision: decided_in.and_then(|slot| slots_from(comparison.first, slot)),
        looks: comparison.blocks.len() as u64,
    }
}

fn slots_from(first: Option<Slot>, last: Slot) -> Option<u64> {
    first.map(|first| last.0.abs_diff(first.0) + 1)
}

/// A block with all that was fixed before its outcome was looked at.
struct Staked {
    block: Block,
    worse: [Stakes; WORSE.len()],
    fewer: [Stakes; FEWER.len()],
    dispersion: f64,
    /// The most bad events of one arm in one block, up to this one, past what the other explains.
    burst: f64,
}

impl Staked {
    /// Logarithms of e-values against "the candidate is not above the boundary".
    fn worse(&self, boundary: Boundary) -> impl Iterator<Item = f64> {
        let (block, dispersion) = (self.block, self.dispersion);
        self.worse
            .iter()
            .map(move |stakes| stakes.log_e(block.candidate, block.control, boundary) / dispersion)
    }

    /// Logarithms of e-values against "the control is not above the boundary": the arms change roles.
    fn fewer(&self, boundary: Boundary) -> impl Iterator<Item = f64> {
        let (block, dispersion) = (self.block, self.dispersion);
        self.fewer
            .iter()
            .map(move |stakes| stakes.log_e(block.control, block.candidate, boundary) / dispersion)
    }
}

impl Staked {
    /// What the evidence of health loses if the largest burst so far struck once more: that none did
    /// may be luck. Nothing where bad events do not come in bursts.
    fn one_more_burst(&self) -> impl Iterator<Item = f64> {
        let burst = if self.dispersion > 1.0 { self.burst } else { 0.0 };
        let dispersion = self.dispersion;
        self.fewer.iter().map(move |stakes| stakes.log_loss(burst) / dispersion)
    }
}

struct Prepared {
    blocks: Vec<Staked>,
    dispersion: f64,
    /// Bad events that the control's ratios explain, in billionths.
    explained: u128,
}

impl Prepared {
    fn new(comparison: &Comparison, settings: &Settings) -> Self {
        let (allowed, margin) = (settings.allowed.to_f64(), settings.margin.to_f64());
        let mut dispersion = Dispersion::default();
        let mut seen = Tally::EMPTY;
        let mut burst = 0.0_f64;
        for block in &comparison.history {
            dispersion.add(block);
            burst = burst.max(burst_of(block));
            seen = seen.plus(block.candidate).plus(block.control);
        }
        let mut explained = 0_u128;
        let mut blocks = Vec::with_capacity(comparison.blocks.len());
        for block in &comparison.blocks {
            let (candidate, control) = (block.candidate, block.control);
            let believed = (seen.bad() as f64 + BELIEF_WEIGHT * allowed)
                / (seen.valid() as f64 + BELIEF_WEIGHT);
            let believed = believed.clamp(BELIEVED.0, BELIEVED.1);
            let above = Boundary::difference(margin);
            let below = Boundary::difference(-margin);
            let at_margin = (believed + margin).min(BELIEVED.1);
            burst = burst.max(burst_of(block));
            blocks.push(Staked {
                block: *block,
                burst,
                worse: WORSE.map(|odds| Stakes::on_up(odds, candidate, control, above, believed)),
                fewer: FEWER
                    .map(|share| Stakes::on_down(share, control, candidate, below, at_margin)),
                dispersion: dispersion.factor(),
            });
            dispersion.add(block);
            seen = seen.plus(control);
            explained += explained_by(control, candidate.valid());
        }
        Self { blocks, dispersion: dispersion.factor(), explained }
    }

    fn lacking(&self, comparison: &Comparison) -> Why {
        if !self.blocks.is_empty() {
            Why::TooLittleData
        } else if comparison.pending.candidate.is_empty() {
            Why::NoData
        } else {
            Why::NoBaseline
        }
    }

    fn effect(&self, candidate: Tally, settings: &Settings) -> Option<Effect> {
        if candidate.is_empty() {
            return None;
        }
        let bad = candidate.bad() as f64;
        let explained = self.explained as f64 / BILLION as f64;
        let (high, low) = (-settings.false_health.ln(), -settings.false_alarm.ln());
        let above = |boundary| self.against(Staked::worse, WORSE.len(), boundary) >= low;
        let below = |boundary| self.against(Staked::fewer, FEWER.len(), boundary) >= high;
        // Evidence against "at most x" falls with x; the last x it rejects is the lower end.
        let lowest = last_true(-1.0, 1.0, |x| above(Boundary::difference(x)));
        let highest = -last_true(-1.0, 1.0, |x| below(Boundary::difference(x)));
        let power = RATIO_POWER_MAX;
        let least = last_true(-power, power, |x| above(Boundary::ratio(x.exp2())));
        let most = -last_true(-power, power, |x| below(Boundary::ratio(x.exp2())));
        let difference = (bad - explained) / candidate.valid() as f64;
        let ratio = (self.explained > 0).then(|| bad / explained);
        let least = if least > -power { least.exp2() } else { 0.0 };
        let most = (most < power).then(|| most.exp2());
        // Blocks weigh by their evidence in the ranges and by their events in the estimate: where the control was
        // an outage for a while, these part. A range that is wider is right as often.
        Some(Effect {
            difference,
            difference_range: Range {
                low: lowest.min(difference),
                high: Some(highest.max(difference)),
            },
            ratio,
            ratio_range: Range {
                low: ratio.map_or(least, |ratio| least.min(ratio)),
                high: most.map(|most| ratio.map_or(most, |ratio| most.max(ratio))),
            },
            confidence: 1.0 - settings.false_alarm - settings.false_health,
        })
    }

    /// The logarithm of the steady evidence against a boundary.
    fn against<'a, I: Iterator<Item = f64>>(
        &'a self,
        of: impl Fn(&'a Staked, Boundary) -> I,
        strands: usize,
        boundary: Boundary,
    ) -> f64 {
        let mut sums = vec![0.0; strands];
        for block in &self.blocks {
            for (sum, log_e) in sums.iter_mut().zip(of(block, boundary)) {
                *sum += log_e;
            }
        }
        log_mean(sums.into_iter(), strands)
    }

    fn burned(&self, candidate: Tally, effect: &Effect) -> Burned {
        let bad = candidate.bad();
        let unexplained = (u128::from(bad) * BILLION).saturating_sub(self.explained) / BILLION;
        let valid = candidate.valid() as f64;
        let events = u64::try_from(unexplained).unwrap_or(bad);
        let low = whole((valid * effect.difference_range.low).floor()).min(bad);
        let high =
            effect.difference_range.high.map_or(bad, |high| whole((valid * high).ceil()).min(bad));
        Burned { events, low: low.min(events), high: high.max(events) }
    }
}

/// The bad events of one arm past those that the ratio of the other explains.
fn burst_of(block: &Block) -> f64 {
    let excess = |of: Tally, other: Tally| {
        of.bad() as f64 - of.valid() as f64 * other.bad() as f64 / other.valid().max(1) as f64
    };
    let (candidate, control) = (block.candidate, block.control);
    excess(candidate, control).max(excess(control, candidate)).max(0.0)
}

const BILLION: u128 = 1_000_000_000;

/// Bad events among `valid` at the ratio of `control`, in billionths, rounded down.
fn explained_by(control: Tally, valid: u64) -> u128 {
    // Below 2^64 · 10^9 · 2^64 it would not fit; the quotient first, then its remainder.
    let bad = u128::from(control.bad());
    let all = u128::from(control.valid().max(1));
    let product = bad * u128::from(valid);
    (product / all) * BILLION + (product % all) * BILLION / all
}

/// The nearest count; zero for what is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held to the range first"
)]
fn whole(value: f64) -> u64 {
    value.clamp(0.0, 9e18) as u64
}

/// The largest value in `[low, high]` for which `holds`, which fails from some value on; `low` when
/// it never does.
fn last_true(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    if holds(high) {
        return high;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}
