//! How lengths of time are spread: not only their mean.
//!
//! Incidents' lengths are skewed: of 126 public ones the mean is 40 times the median, and says more of the longest
//! one than of all others. So a mean is never shown alone.

use flyball_model::{Duration, Timestamp};
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::delivery::{Spread, quantile};

/// Where the bins of a histogram end, each without its end; the last bin has none. A minute, five, a quarter of
/// an hour, half, one, two, four, eight hours, a day, three days, a week: what people say of an outage.
pub const BIN_ENDS: [Duration; 11] = [
    Duration::from_minutes(1),
    Duration::from_minutes(5),
    Duration::from_minutes(15),
    Duration::from_minutes(30),
    Duration::from_hours(1),
    Duration::from_hours(2),
    Duration::from_hours(4),
    Duration::from_hours(8),
    Duration::from_days(1),
    Duration::from_days(3),
    Duration::from_days(7),
];
/// How often the interval of the median may miss it on each side: one in forty, 95 % in all.
const TAIL: f64 = 0.025;

/// Lengths of one bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Bin {
    /// All are shorter; `None` in the last bin.
    pub below: Option<Duration>,
    /// How many there are.
    pub count: u64,
}

/// How lengths of time are spread.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Distribution {
    /// The mean, in whole nanoseconds rounded down.
    pub mean: Duration,
    /// The shortest, the median, the ninth decile, the longest, and how many there are.
    pub spread: Spread,
    /// The quartiles.
    pub quartiles: [Duration; 2],
    /// Where the median of what these are a sample of lies with a certainty of at least 95 %, whatever the
    /// distribution is; `None` of fewer than six, of which all may lie on one side.
    pub median_95: Option<[Duration; 2]>,
    /// How many are how long.
    pub bins: Vec<Bin>,
}

impl Distribution {
    /// The distribution of `lengths`, in any order; `None` of none.
    pub fn of(mut lengths: Vec<Duration>) -> Option<Self> {
        lengths.sort_unstable();
        let spread = Spread::of(lengths.clone())?;
        let sum: i128 = lengths.iter().map(|length| i128::from(length.nanos())).sum();
        let mean = i64::try_from(sum / i128::from(spread.count)).ok()?;
        Some(Self {
            mean: Duration::from_nanos(mean)?,
            spread,
            quartiles: [quantile(&lengths, 1, 4)?, quantile(&lengths, 3, 4)?],
            median_95: median_interval(&lengths),
            bins: bins(&lengths),
        })
    }
}

/// The interval of the median by order statistics: between the values whose ranks leave out the tails of a
/// binomial distribution with probability ½.
///
/// Source: Hahn and Meeker, *Statistical Intervals* (1991), section 5.2.
fn median_interval(sorted: &[Duration]) -> Option<[Duration; 2]> {
    let count = sorted.len();
    let draws = Binomial::new(0.5, count as u64).ok()?;
    // The greatest rank, from 0, whose value the median is below with no more than the tail.
    let is_out = |rank: &usize| draws.cdf(*rank as u64) <= TAIL;
    let low = (0..count / 2).take_while(is_out).last()?;
    Some([sorted[low], sorted[count - 1 - low]])
}

fn bins(sorted: &[Duration]) -> Vec<Bin> {
    let mut before = 0;
    let ends = BIN_ENDS.into_iter().map(Some).chain([None]);
    ends.map(|below| {
        let upto = below.map_or(sorted.len(), |end| sorted.partition_point(|of| *of < end));
        let count = (upto - before) as u64;
        before = upto;
        Bin { below, count }
    })
    .collect()
}

/// What has not ended: it is left out of a distribution, which is therefore shorter than the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Lasting {
    /// How many there are; never zero.
    pub count: u64,
    /// How long the longest has lasted so far.
    pub longest: Duration,
}

impl Lasting {
    /// What began at these moments and lasts at `now`; `None` of none.
    pub fn of(began: &[Timestamp], now: Timestamp) -> Option<Self> {
        let first = began.iter().min()?;
        Some(Self { count: began.len() as u64, longest: now.since(*first) })
    }
}
