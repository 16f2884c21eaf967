//! Draws from what a history leaves open.

use super::TRIALS;
use crate::draws::Source;

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

#[cfg(test)]
mod tests {
    use super::*;

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
