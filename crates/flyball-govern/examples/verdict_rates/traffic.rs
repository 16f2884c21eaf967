//! Seeded traffic whose truth is known: how many requests a slot has and how they fail.

use flyball_model::{Slot, Tally};
use flyball_testkit::Random;

/// How bad events come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// Each by itself.
    Independent,
    /// The ratio of each slot is drawn anew: half of the slots have a third of it, half the rest.
    Uneven,
    /// In clumps of which one in `n` has at least `n` events, up to a hundred: retries of one client.
    Clumps,
    /// In storms that last about five slots, come once in a hundred slots and multiply the ratio by ten.
    Storms,
}

/// All shapes, with their names.
pub(crate) const SHAPES: [(&str, Shape); 4] = [
    ("independent", Shape::Independent),
    ("uneven slots", Shape::Uneven),
    ("heavy-tailed clumps", Shape::Clumps),
    ("storms", Shape::Storms),
];

/// The traffic of one service.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    random: Random,
    shape: Shape,
    storming: bool,
}

impl Traffic {
    /// Traffic that depends on `seed` alone.
    pub(crate) fn new(seed: u64, shape: Shape) -> Self {
        Self { random: Random::new(seed), shape, storming: false }
    }

    /// One slot with `requests` in the mean, of which a share of `ratio` is bad in the mean.
    pub(crate) fn slot(&mut self, requests: f64, ratio: f64) -> Tally {
        let valid = self.random.poisson(requests);
        let bad = match self.shape {
            Shape::Independent => self.random.binomial(valid, ratio),
            Shape::Uneven => {
                let factor = if self.random.uniform() < 0.5 { 1.0 / 3.0 } else { 5.0 / 3.0 };
                self.random.binomial(valid, (ratio * factor).min(1.0))
            }
            Shape::Clumps => self.clumps(valid, ratio),
            Shape::Storms => {
                let change = if self.storming { 0.2 } else { 0.01 };
                self.storming ^= self.random.uniform() < change;
                // A twenty-first of the time is stormy: 30/21 of the calm ratio in the mean.
                let calm = ratio * 21.0 / 30.0;
                self.random.binomial(valid, if self.storming { calm * 10.0 } else { calm }.min(1.0))
            }
        };
        Tally::new(valid, valid - bad.min(valid)).unwrap_or_default()
    }

    /// `count` slots from number `first` on.
    pub(crate) fn slots(
        &mut self,
        first: i64,
        count: i64,
        requests: f64,
        ratio: f64,
    ) -> Vec<(Slot, Tally)> {
        (first..first + count).map(|slot| (Slot(slot), self.slot(requests, ratio))).collect()
    }

    /// Clumps of a size `s` with probability 1 / (s (s + 1)), the largest of a hundred.
    fn clumps(&mut self, valid: u64, ratio: f64) -> u64 {
        const LARGEST: f64 = 100.0;
        let mean: f64 = (1..=100).map(|size| 1.0 / f64::from(size)).sum();
        let clumps = self.random.poisson(valid as f64 * ratio / mean);
        let size = |uniform: f64| (1.0 / (1.0 - uniform)).floor().min(LARGEST);
        let bad: f64 = (0..clumps).map(|_| size(self.random.uniform())).sum();
        whole(bad).min(valid)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of simulated events"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
