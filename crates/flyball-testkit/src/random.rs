//! Random numbers that stay the same from release to release.
//!
//! The seedable generators of `rand` may change their output between versions; a generated file
//! must not, because its size and counts stand in documents.

/// Draws whose mean is above this come from the normal distribution, whose error is then below a
/// hundredth of the deviation.
const NORMAL_MIN: f64 = 200.0;

/// The `SplitMix64` generator: one multiplication chain for each number, any seed is good.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers depend on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, over all of `u64`.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias is below 2⁻³² for small bounds.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// One of `choices`.
    ///
    /// # Panics
    ///
    /// When there is no choice.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let at = self.below(choices.len() as u64);
        &choices[usize::try_from(at).unwrap_or(0)]
    }

    /// A number in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A draw from the standard normal distribution, by Box and Muller's method.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A draw from the Poisson distribution of `mean`; 0 for a mean of 0.
    ///
    /// By Knuth's products of uniform numbers, past [`NORMAL_MIN`] by the normal distribution.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean > NORMAL_MIN {
            return whole((mean + mean.sqrt() * self.normal()).round().max(0.0));
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// How many of `trials` succeed, each with the chance `ratio`; all of them at a ratio of 1 or more.
    ///
    /// By the gaps between successes where few are expected, past [`NORMAL_MIN`] by the normal
    /// distribution.
    pub fn binomial(&mut self, trials: u64, ratio: f64) -> u64 {
        let mean = trials as f64 * ratio;
        if ratio >= 1.0 {
            return trials;
        }
        if mean > NORMAL_MIN {
            let deviation = (mean * (1.0 - ratio)).sqrt();
            return whole((mean + deviation * self.normal()).round().max(0.0)).min(trials);
        }
        let (mut at, mut count) = (0.0, 0);
        loop {
            at += ((1.0 - self.uniform()).ln() / (-ratio).ln_1p()).floor() + 1.0;
            if at > trials as f64 || ratio <= 0.0 {
                return count;
            }
            count += 1;
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a draw that is whole and not negative"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn follows_the_published_sequence() {
        // The reference implementation's first numbers for seed 1234567.
        let mut random = Random::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn draws_have_the_means_and_variances_of_their_distributions() {
        /// Mean and variance of 20,000 draws lie within five standard errors of what they should be.
        fn check(name: &str, mean: f64, variance: f64, mut draw: impl FnMut(&mut Random) -> f64) {
            let mut random = Random::new(7);
            let count = 20_000.0;
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..20_000 {
                let value = draw(&mut random) - mean;
                sum += value;
                squares += value * value;
            }
            assert!((sum / count).abs() < 5.0 * (variance / count).sqrt(), "{name}: {sum}");
            // Of a Poisson draw the fourth moment is v + 3 v²; it is the heaviest of these.
            let error = ((variance + 2.0 * variance * variance) / count).sqrt();
            assert!((squares / count - variance).abs() < 5.0 * error, "{name}: {squares}");
        }
        check("uniform", 0.5, 1.0 / 12.0, Random::uniform);
        check("normal", 0.0, 1.0, Random::normal);
        for mean in [0.03, 3.0, 190.0, 5000.0] {
            check("poisson", mean, mean, |random| random.poisson(mean) as f64);
        }
        for (trials, ratio) in [(5_u32, 0.3), (1000, 0.001), (1_000_000, 0.0001), (1_000_000, 0.9)]
        {
            let mean = f64::from(trials) * ratio;
            check("binomial", mean, mean * (1.0 - ratio), |random| {
                random.binomial(u64::from(trials), ratio) as f64
            });
        }
        let mut random = Random::new(7);
        assert_eq!((random.poisson(0.0), random.binomial(9, 0.0)), (0, 0));
        assert_eq!((random.binomial(0, 0.5), random.binomial(9, 1.0)), (0, 9));
    }

    #[test]
    fn stays_below_the_bound() {
        let mut random = Random::new(1);
        assert!((0..10_000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
    }
}
