//! Quantiles of lengths of time, and exact shares.

use std::cmp::Ordering;

use flyball_model::Duration;
use statrs::distribution::{Beta, ContinuousCDF};

/// How lengths of time are spread.
///
/// A quantile is defined as by Hyndman and Fan ("Sample Quantiles in Statistical Packages", The
/// American Statistician 50, 1996), definition 2: the smallest value that at least the share `p` of
/// all is no longer than; where `p` of all is a whole number, the mean of that value and the next,
/// in whole nanoseconds rounded down. The median is so the usual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Spread {
    /// How many there are; never zero.
    pub count: u64,
    /// The shortest.
    pub min: Duration,
    /// Half are no longer.
    pub median: Duration,
    /// Nine of ten are no longer.
    pub p90: Duration,
    /// The longest.
    pub max: Duration,
}

impl Spread {
    /// The spread of `lengths`, in any order; `None` of none.
    pub fn of(mut lengths: Vec<Duration>) -> Option<Self> {
        lengths.sort_unstable();
        let (&min, &max) = (lengths.first()?, lengths.last()?);
        let count = lengths.len() as u64;
        let (median, p90) = (quantile(&lengths, 1, 2)?, quantile(&lengths, 9, 10)?);
        Some(Self { count, min, median, p90, max })
    }
}

/// The quantile `part / whole` of `sorted`, as [`Spread`] defines it; `None` of nothing and for
/// shares that are not between 0 and 1.
pub fn quantile(sorted: &[Duration], part: u64, whole: u64) -> Option<Duration> {
    if sorted.is_empty() || whole == 0 || part > whole {
        return None;
    }
    let scaled = sorted.len() as u128 * u128::from(part);
    let whole = u128::from(whole);
    let rank = usize::try_from(scaled.div_ceil(whole)).ok()?;
    // Ranks count from 1; the quantile 0 is the shortest.
    let at = sorted.get(rank.saturating_sub(1))?;
    match sorted.get(rank) {
        Some(next) if scaled.is_multiple_of(whole) && rank > 0 => {
            Duration::from_nanos(at.nanos().midpoint(next.nanos()))
        }
        _ => Some(*at),
    }
}

/// A share as two counts, compared without rounding.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Share {
    /// How many it is true of.
    pub of: u64,
    /// Of how many; never zero.
    pub out_of: u64,
    /// The share as the nearest double, for showing.
    pub share: f64,
    /// Where the share that these are a sample of lies with a certainty of 95 %, for showing:
    /// Clopper and Pearson's exact interval (Biometrika 26, 1934).
    pub interval_95: [f64; 2],
}

impl Share {
    /// `of` out of `out_of`; `None` of nothing, and for more than all.
    pub fn new(of: u64, out_of: u64) -> Option<Self> {
        if out_of == 0 || of > out_of {
            return None;
        }
        let share = of as f64 / out_of as f64;
        Some(Self { of, out_of, share, interval_95: clopper_pearson(of, out_of) })
    }

    /// How this share compares with another, exactly.
    pub fn compare(self, other: Self) -> Ordering {
        let left = u128::from(self.of) * u128::from(other.out_of);
        left.cmp(&(u128::from(other.of) * u128::from(self.out_of)))
    }

    /// How this share compares with `part / whole`, exactly.
    pub(crate) fn compare_with(self, part: u64, whole: u64) -> Ordering {
        let left = u128::from(self.of) * u128::from(whole);
        left.cmp(&(u128::from(part) * u128::from(self.out_of)))
    }
}

fn clopper_pearson(of: u64, out_of: u64) -> [f64; 2] {
    let quantile = |a: u64, b: u64, p: f64| match Beta::new(a as f64, b as f64) {
        Ok(beta) => beta.inverse_cdf(p),
        // Both parameters are at least 1 below.
        Err(_) => f64::NAN,
    };
    let low = if of == 0 { 0.0 } else { quantile(of, out_of - of + 1, 0.025) };
    let high = if of == out_of { 1.0 } else { quantile(of + 1, out_of - of, 0.975) };
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(of: &[u32]) -> Vec<Duration> {
        of.iter().copied().map(Duration::from_minutes).collect()
    }

    #[test]
    fn quantiles_are_those_of_definition_2() {
        assert_eq!(Spread::of(Vec::new()), None);
        let one = Spread::of(minutes(&[7])).unwrap();
        assert_eq!((one.min, one.median, one.p90, one.max), {
            let seven = Duration::from_minutes(7);
            (seven, seven, seven, seven)
        });
        let even = Spread::of(minutes(&[4, 1, 3, 2])).unwrap();
        assert_eq!(even.median, Duration::from_seconds(150));
        let ten = minutes(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        // Nine of ten is whole: the mean of the ninth and the tenth.
        assert_eq!(quantile(&ten, 9, 10), Some(Duration::from_seconds(570)));
        assert_eq!(quantile(&ten, 1, 4), Some(Duration::from_minutes(3)));
        assert_eq!(quantile(&ten, 0, 1), Some(Duration::from_minutes(1)));
        assert_eq!(quantile(&ten, 1, 1), Some(Duration::from_minutes(10)));
        assert_eq!(quantile(&ten, 2, 1), None);
        let odd = [Duration::from_nanos(1).unwrap(), Duration::from_nanos(2).unwrap()];
        assert_eq!(quantile(&odd, 1, 2), Duration::from_nanos(1), "rounded down");
    }

    #[test]
    fn shares_are_compared_as_fractions() {
        let (third, sixth) = (Share::new(1, 3).unwrap(), Share::new(2, 12).unwrap());
        assert_eq!(third.compare(sixth), Ordering::Greater);
        assert_eq!(sixth.compare(Share::new(1, 6).unwrap()), Ordering::Equal);
        assert_eq!((Share::new(0, 0), Share::new(2, 1)), (None, None));
    }

    /// Two of ten: 2.52 % to 55.61 %, as tables of the exact interval have it; none of ten: 30.85 %.
    #[test]
    fn exact_intervals() {
        let [low, high] = Share::new(2, 10).unwrap().interval_95;
        assert!((low - 0.025_211).abs() < 1e-5 && (high - 0.556_095).abs() < 1e-5, "{low} {high}");
        let [low, high] = Share::new(0, 10).unwrap().interval_95;
        assert!(low == 0.0 && (high - 0.308_497).abs() < 1e-5, "{high}");
        assert_eq!(Share::new(10, 10).unwrap().interval_95[1], 1.0);
    }

    proptest::proptest! {
        /// Against the definition itself, counted naively.
        #[test]
        fn a_quantile_holds_its_share(mut of in proptest::collection::vec(0u32..50, 1..30), part in 1u64..20) {
            of.sort_unstable();
            let sorted = minutes(&of);
            let found = quantile(&sorted, part, 20).unwrap();
            let no_longer = sorted.iter().filter(|length| **length <= found).count() as u64;
            let shorter = sorted.iter().filter(|length| **length < found).count() as u64;
            let count = sorted.len() as u64;
            proptest::prop_assert!(no_longer * 20 >= part * count);
            proptest::prop_assert!(shorter * 20 <= part * count);
        }
    }
}
