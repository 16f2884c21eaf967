//! Draws from what a history leaves open.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::TRIALS;

/// For each trial a probability of failure and the weights of the failures.
pub(super) struct Draws {
    probabilities: Vec<f64>,
    weights: Vec<f64>,
    failures: usize,
}

impl Draws {
    /// Draws for `failed` of `changes`, of which the details of `failures` are known.
    pub(super) fn new(seed: u64, changes: u64, failed: u64, failures: usize) -> Self {
        let mut source = Source::new(seed);
        let (bad, good) = (failed as f64 + 0.5, changes.saturating_sub(failed) as f64 + 0.5);
        let mut probabilities = Vec::with_capacity(TRIALS);
        let mut weights = Vec::with_capacity(TRIALS * failures);
        for _ in 0..TRIALS {
            let (bad, good) = (source.gamma(bad), source.gamma(good));
            probabilities.push(bad / (bad + good));
            // Exponentials divided by their sum are Dirichlet(1, …, 1).
            let start = weights.len();
            weights.extend((0..failures).map(|_| source.exponential()));
            let sum: f64 = weights[start..].iter().sum();
            for weight in &mut weights[start..] {
                *weight /= sum;
            }
        }
        Self { probabilities, weights, failures }
    }

    /// The trials in order.
    pub(super) fn trials(&self) -> impl Iterator<Item = (f64, &[f64])> {
        self.probabilities.iter().copied().zip(self.weights.chunks_exact(self.failures))
    }
}

/// Numbers from `ChaCha8`, keyed by a seed.
struct Source(ChaCha8Rng);

impl Source {
    fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Above 0 and below 1, from 53 bits.
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Standard normal, by Box and Muller (1958).
    fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Gamma of a `shape` above 0 and scale 1, by Marsaglia and Tsang (2000).
    fn gamma(&mut self, shape: f64) -> f64 {
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

    #[test]
    fn weights_sum_to_one() {
        let draws = Draws::new(3, 100, 10, 10);
        for (probability, weights) in draws.trials() {
            assert!(probability > 0.0 && probability < 1.0);
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        let mean = draws.trials().map(|(p, _)| p).sum::<f64>() / TRIALS as f64;
        // Jeffreys: (10 + ½) / (100 + 1).
        assert!((mean - 10.5 / 101.0).abs() < 0.003, "{mean}");
    }
}
