//! When a notice that could not be delivered is tried again.

use flyball_model::Duration;

/// How often, how long, and how far apart deliveries are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The wait after the first failure.
    pub base: Duration,
    /// The longest wait of our own; a receiver may ask for more.
    pub cap: Duration,
    /// How old a notice may be when it is tried for the last time.
    pub age_max: Duration,
    /// What the jitter is made from: two servers with the same seed wait alike.
    pub seed: u64,
}

impl Retry {
    /// The wait after failure number `attempts` of notice `id`: the base doubled with each failure up
    /// to the cap, and of that between a half and the whole, so that what failed together is not
    /// tried together. `asked` is what the receiver wants at least.
    ///
    /// Source of the jitter: "equal jitter", M. Brooker, "Exponential Backoff And Jitter", 2015.
    pub fn wait(&self, id: u64, attempts: u32, asked: Option<Duration>) -> Duration {
        let doublings = attempts.saturating_sub(1).min(32);
        let whole = self.base.nanos().saturating_mul(1 << doublings).min(self.cap.nanos());
        let half = whole / 2;
        let draw = mixed(self.seed ^ mixed(id ^ (u64::from(attempts) << 48)));
        let share = draw % (half.unsigned_abs() + 1);
        let own = half.saturating_add_unsigned(share);
        let own = Duration::from_nanos(own).unwrap_or(self.cap);
        asked.map_or(own, |asked| own.max(asked))
    }
}

impl Default for Retry {
    /// 1 s, doubled up to 5 min, for 24 h: a receiver that is away for a night gets them in the
    /// morning.
    fn default() -> Self {
        Self {
            base: Duration::from_seconds(1),
            cap: Duration::from_minutes(5),
            age_max: Duration::from_hours(24),
            seed: 0,
        }
    }
}

/// Each bit of the answer depends on every bit of `value`.
///
/// Source: `SplitMix64`, G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014.
const fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_as_published() {
        // The first outputs of the reference implementation for the seed 0.
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mixed(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn waits_double_up_to_the_cap_and_differ() {
        let retry = Retry { seed: 7, ..Retry::default() };
        let mut seen = std::collections::BTreeSet::new();
        for attempts in 1..40 {
            let whole = (1_u64 << (attempts - 1).min(20)).min(300) as f64;
            let wait = retry.wait(3, attempts, None);
            assert!((whole / 2.0..=whole).contains(&wait.as_seconds_f64()), "{attempts}: {wait}");
            assert_eq!(wait, retry.wait(3, attempts, None));
            seen.insert(wait);
        }
        assert!(seen.len() > 30);
        let asked = Duration::from_hours(1);
        assert_eq!(retry.wait(3, 1, Some(asked)), asked);
    }
}
