//! Draws that are the same in every release: numbers from `ChaCha8`, keyed by a seed alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The least mean for which counts are not drawn one event at a time.
const MANY: f64 = 64.0;
/// By how many standard deviations fewer events than expected are skipped at once.
const SPARED: f64 = 2.0;

/// Numbers from `ChaCha8`, keyed by a seed.
pub(crate) struct Source(ChaCha8Rng);

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The `stream`-th of the independent sources of one seed: what one draws does not move another.
    pub(crate) fn stream(seed: u64, stream: u64) -> Self {
        let mut source = Self::new(seed);
        source.0.set_stream(stream);
        source
    }

    /// Above 0 and below 1, from 53 bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub(crate) fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Standard normal, by Box and Muller (1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Gamma of a `shape` above 0 and scale 1, by Marsaglia and Tsang (2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = self.uniform().powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let normal = self.normal();
            let cube = (1.0 + c * normal).powi(3);
            if cube > 0.0 {
                let accept = 0.5 * normal * normal + d - d * cube + d * cube.ln();
                if self.uniform().ln() < accept {
                    return d * cube;
                }
            }
        }
    }

    /// How many events of a Poisson process fall into a time in which `mean` are expected.
    ///
    /// Intervals between events are exponential and are added up; where many are expected, the bulk of them
    /// at once as one gamma (Ahrens and Dieter, *Computer methods for sampling from gamma, beta, Poisson and
    /// binomial distributions*, 1974). Exact for any mean; 0 for a mean that is not above 0.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let (mut left, mut count) = (mean, 0);
        while left > MANY {
            let bulk = (left - SPARED * left.sqrt()).floor();
            let passed = self.gamma(bulk);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole, above 0, and far below 2^64 for times of less than 300 years"
            )]
            let events = bulk as u64;
            if passed > left {
                // The last of them came too late; where the others lie is uniform before it.
                let share = left / passed;
                return count + (1..events).filter(|_| self.uniform() < share).count() as u64;
            }
            count += events;
            left -= passed;
        }
        loop {
            left -= self.exponential();
            if left < 0.0 {
                return count;
            }
            count += 1;
        }
    }

    /// Between `low` and `high`, both above 0, as likely in every part of the scale that has the same ratio of
    /// its ends; `low` where they are equal. One number is drawn in any case, so that a value and a range leave
    /// what follows the same.
    pub(crate) fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        let part = self.uniform();
        if low < high { low * (high / low).powf(part) } else { low }
    }

    /// One of `0..count`, each as likely; `count` is above 0.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below `count`, which is a length"
        )]
        let index = (self.uniform() * count as f64) as usize;
        index.min(count - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let mut source = Source::new(7);
        for shape in [0.5, 1.5, 20.5] {
            let draws: Vec<f64> = (0..40_000).map(|_| source.gamma(shape)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance =
                draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            // Mean and variance of a gamma distribution are its shape.
            assert!((mean / shape - 1.0).abs() < 0.03, "mean {mean} of {shape}");
            assert!((variance / shape - 1.0).abs() < 0.08, "variance {variance} of {shape}");
        }
    }

    #[test]
    fn the_first_draws_are_the_same_everywhere() {
        // ChaCha8 with this key, as the crate promises; another order of draws is another answer.
        let mut source = Source::new(1);
        let bits: Vec<u64> = (0..3).map(|_| source.uniform().to_bits()).collect();
        let mut again = Source::new(1);
        assert_eq!(bits, (0..3).map(|_| again.uniform().to_bits()).collect::<Vec<_>>());
        assert_ne!(bits[0], Source::new(2).uniform().to_bits());
    }

    /// Mean and variance of a Poisson distribution are its mean; below and above the mean from which events
    /// are not drawn one by one. In about 2 of 100 draws the bulk passes the end.
    #[test]
    fn counts_have_the_moments_of_their_distribution() {
        for mean in [0.3, 5.0, 63.0, 65.0, 400.0, 9_000.0] {
            let mut source = Source::stream(11, 2);
            let draws: Vec<f64> = (0..20_000).map(|_| source.poisson(mean) as f64).collect();
            let average = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance =
                draws.iter().map(|x| (x - average).powi(2)).sum::<f64>() / draws.len() as f64;
            let error = (mean / draws.len() as f64).sqrt();
            assert!((average - mean).abs() < 4.0 * error, "mean {average} of {mean}");
            assert!((variance / mean - 1.0).abs() < 0.05, "variance {variance} of {mean}");
        }
        assert_eq!(Source::new(1).poisson(0.0), 0);
    }

    #[test]
    fn streams_of_one_seed_differ_and_are_repeated() {
        let draw = |stream| Source::stream(5, stream).uniform().to_bits();
        assert_ne!(draw(0), draw(1));
        assert_eq!(draw(1), draw(1));
        assert_eq!(draw(0), Source::new(5).uniform().to_bits());
    }

    /// The mean of the reciprocal distribution is (high - low) / ln(high / low).
    #[test]
    fn ranges_have_their_mean() {
        let mut source = Source::new(3);
        let draws: Vec<f64> = (0..40_000).map(|_| source.log_uniform(5.0, 80.0)).collect();
        assert!(draws.iter().all(|draw| (5.0..=80.0).contains(draw)));
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean / (75.0 / 16.0_f64.ln()) - 1.0).abs() < 0.01, "{mean}");
        assert_eq!(source.log_uniform(7.0, 7.0), 7.0);
        assert!((0..1_000).all(|_| source.index(3) < 3));
    }
}
