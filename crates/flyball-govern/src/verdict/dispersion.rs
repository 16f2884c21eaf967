//! How much more blocks vary than independent events would make them.
//!
//! Errors come in bursts: a retry storm is one cause and a hundred bad events. Where bad events come
//! in clumps of `m`, evidence is overstated `m` times, so logarithms of evidence are divided by a
//! factor, at least one, that is estimated from earlier blocks only. Under independent events a
//! division by at least one keeps the guarantee (Jensen's inequality: `E[e^(1/φ)] <= E[e]^(1/φ)`);
//! under clumps it restores it as far as earlier blocks tell (quasi-likelihood: Wedderburn, Biometrika
//! 61 (1974)).
//!
//! What is estimated is the variance of the standardised difference between the arms, given how
//! many events and bad events both had together (hypergeometric, so one for independent events).
//! Successive differences are used (von Neumann, Annals of Mathematical Statistics 12 (1941)), which
//! a lasting effect does not disturb, and at several lengths of blocks joined, so that bursts longer
//! than a block count in full.

use super::blocks::Block;

/// How many lengths are looked at: 1, 2, 4, 8 and 16 blocks.
const SCALES: usize = 5;
/// For how many differences the belief in independent events counts.
const PRIOR_WEIGHT: f64 = 8.0;

#[derive(Debug, Clone, Copy, Default)]
struct Scale {
    blocks: u32,
    deviation: f64,
    variance: f64,
    last: Option<f64>,
    differences: f64,
    sum: f64,
    squares: f64,
}

impl Scale {
    fn add(&mut self, deviation: f64, variance: f64, length: u32) {
        self.deviation += deviation;
        self.variance += variance;
        self.blocks += 1;
        if self.blocks < length {
            return;
        }
        if self.variance > 0.0 {
            let standardised = self.deviation / self.variance.sqrt();
            if let Some(last) = self.last {
                let difference = (standardised - last).powi(2) / 2.0;
                self.sum += difference;
                self.squares += difference * difference;
                self.differences += 1.0;
            }
            self.last = Some(standardised);
        }
        (self.blocks, self.deviation, self.variance) = (0, 0.0, 0.0);
    }

    /// One as long as the mean is within a standard error of what independent events have. Past that
    /// the mean and one standard error: rare storms are underestimated more often than not.
    fn factor(&self) -> f64 {
        let count = PRIOR_WEIGHT + self.differences;
        let mean = (PRIOR_WEIGHT + self.sum) / count;
        // For independent events the square has the mean three, so the variance is two.
        if mean <= 1.0 + (2.0 / count).sqrt() {
            return 1.0;
        }
        let variance = (3.0 * PRIOR_WEIGHT + self.squares) / count - mean * mean;
        mean + (variance.max(0.0) / count).sqrt()
    }
}

/// The estimate so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Dispersion {
    scales: [Scale; SCALES],
}

impl Dispersion {
    /// By how much evidence of the next block is to be divided; at least one.
    pub(super) fn factor(&self) -> f64 {
        self.scales.iter().map(Scale::factor).fold(1.0, f64::max)
    }

    /// Takes in a block. One without bad events, or with nothing but, says nothing.
    pub(super) fn add(&mut self, block: &Block) {
        let (candidate, control) = (block.candidate, block.control);
        let (n, m) = (candidate.valid() as f64, control.valid() as f64);
        let bad = candidate.bad() as f64 + control.bad() as f64;
        let all = n + m;
        if n == 0.0 || m == 0.0 || bad == 0.0 || bad >= all {
            return;
        }
        let deviation = candidate.bad() as f64 - bad * n / all;
        let variance = n * m * bad * (all - bad) / (all * all * (all - 1.0));
        let mut length = 1;
        for scale in &mut self.scales {
            scale.add(deviation, variance, length);
            length *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::{Slot, Tally};
    use flyball_testkit::Random;

    use super::*;

    /// The factor after `count` blocks with the same ratio in both arms, in which bad events come in
    /// clumps of `clump` that last `length` blocks.
    fn learned(count: u64, clump: u64, length: u64) -> f64 {
        let mut random = Random::new(1);
        let mut dispersion = Dispersion::default();
        let (mut candidate, mut control) = (0, 0);
        for index in 0..count {
            let mut clumps =
                |chances: u64| (0..chances).filter(|_| random.below(10) == 0).count() as u64;
            if index % length == 0 {
                (candidate, control) = (clump * clumps(50), clump * clumps(200));
            }
            let arm = |valid: u64, bad: u64| Tally::new(valid, valid - bad).unwrap_or_default();
            let slot = Slot(index.cast_signed());
            dispersion.add(&Block {
                slot,
                candidate: arm(50_000, candidate),
                control: arm(200_000, control),
            });
        }
        dispersion.factor()
    }

    #[test]
    fn independent_events_are_taken_as_they_are() {
        assert!(learned(400, 1, 1) < 1.6);
    }

    #[test]
    fn clumps_divide_the_evidence_by_their_size() {
        let factor = learned(400, 30, 1);
        assert!((20.0..60.0).contains(&factor), "{factor}");
    }

    #[test]
    fn bursts_over_several_blocks_count_in_full() {
        let factor = learned(1600, 10, 4);
        assert!(factor > 25.0, "{factor}");
    }

    #[test]
    fn an_effect_that_lasts_is_not_taken_for_variation() {
        let mut dispersion = Dispersion::default();
        for index in 0..200 {
            let arm = |valid: u64, bad: u64| Tally::new(valid, valid - bad).unwrap_or_default();
            dispersion.add(&Block {
                slot: Slot(index),
                candidate: arm(1000, 500),
                control: arm(4000, 4),
            });
        }
        assert_eq!(dispersion.factor(), 1.0);
    }
}
