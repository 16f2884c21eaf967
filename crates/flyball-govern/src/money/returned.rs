//! What reliability work returned: bad minutes avoided, with an interval, beside what it cost.
//!
//! Weeks before are held against weeks after. The interval is that of the difference of means under the
//! bootstrap (Efron, *Bootstrap Methods: Another Look at the Jackknife*, 1979): weeks are drawn again and again
//! from those there were, so that no distribution is assumed. A difference is no proof of its cause: what else
//! changed in these weeks changed it too.

use super::amount::Money;
use crate::delivery::Held;
use crate::draws::Source;
use crate::risk::YEAR;

/// The fewest weeks on each side whose means are compared: two months.
pub const WEEKS_MIN: usize = 8;
/// How many times weeks are drawn again: the ends of the interval are then those of 100 draws each.
const DRAWS: usize = 2_000;
/// Minutes of a week, the most that one can be bad.
const WEEK_MINUTES: f64 = 10_080.0;

/// A number that is known up to an interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The number.
    pub mean: f64,
    /// Between these it lies with 90 %.
    pub between_90: [f64; 2],
}

/// Weeks before and after, compared.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Weeks {
    /// Weeks before of which anything is known.
    pub weeks_before: usize,
    /// Weeks after.
    pub weeks_after: usize,
    /// Weeks on both sides of which nothing is known: left out, and not zero.
    pub unknown: usize,
    /// The mean of a week before; `None` without any.
    pub before: Option<f64>,
    /// The mean of a week after; `None` without any.
    pub after: Option<f64>,
    /// By how much a week has less; `None` with fewer than [`WEEKS_MIN`] on a side.
    pub less: Option<Estimate>,
}

impl Weeks {
    /// Compares what weeks had of something, in any unit.
    pub fn of(before: &[Option<f64>], after: &[Option<f64>], seed: u64) -> Self {
        let known = |weeks: &[Option<f64>]| weeks.iter().copied().flatten().collect::<Vec<f64>>();
        let (old, new) = (known(before), known(after));
        let is_enough = old.len() >= WEEKS_MIN && new.len() >= WEEKS_MIN;
        Self {
            weeks_before: old.len(),
            weeks_after: new.len(),
            unknown: before.len() + after.len() - old.len() - new.len(),
            before: mean(&old),
            after: mean(&new),
            less: is_enough.then(|| bootstrap(&old, &new, seed)).flatten(),
        }
    }

    /// Whether there is less, whatever chance had to do with it; not enough data where chance may have done it.
    pub fn is_less(&self) -> Held {
        let answer = self.less.and_then(|less| match less.between_90 {
            [low, _] if low > 0.0 => Some(true),
            [_, high] if high <= 0.0 => Some(false),
            _ => None,
        });
        Held::from(answer)
    }
}

fn mean(of: &[f64]) -> Option<f64> {
    (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64)
}

fn bootstrap(before: &[f64], after: &[f64], seed: u64) -> Option<Estimate> {
    let mut source = Source::new(seed);
    let mut again = |weeks: &[f64]| {
        let drawn: f64 = weeks.iter().map(|_| weeks[source.index(weeks.len())]).sum();
        drawn / weeks.len() as f64
    };
    let mut draws: Vec<f64> = (0..DRAWS).map(|_| again(before) - again(after)).collect();
    draws.sort_unstable_by(f64::total_cmp);
    let at = |part: usize| draws[(DRAWS - 1) * part / 20];
    Some(Estimate { mean: mean(before)? - mean(after)?, between_90: [at(1), at(19)] })
}

/// What reliability work returned.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Return {
    /// Bad minutes of a week, before and after.
    pub minutes: Weeks,
    /// Bad minutes avoided in a year of 365.25 days; `None` when too little is known.
    pub avoided_minutes_a_year: Option<Estimate>,
    /// What that is worth in a year, in units of the currency of `cost`; `None` also where an hour of outage
    /// has no price.
    pub worth_a_year: Option<Estimate>,
    /// What the work cost.
    pub cost: Money,
    /// Whether it is worth its cost within a year, whatever chance had to do with it.
    pub pays_within_a_year: Held,
    /// After how many weeks it has paid, at the mean; `None` when it never does, or nothing is known.
    pub pays_after_weeks: Option<f64>,
}

/// What work returned that cost `cost`: `before` and `after` are bad minutes of each week, as time in which
/// nobody would have been served, `None` where nothing is known of a week.
///
/// `an_hour` is what an hour of outage costs. Values outside of a week are held at its ends.
pub fn returned(
    before: &[Option<f64>],
    after: &[Option<f64>],
    an_hour: Option<Money>,
    cost: Money,
    seed: u64,
) -> Return {
    let held = |weeks: &[Option<f64>]| -> Vec<Option<f64>> {
        weeks.iter().map(|week| week.map(|minutes| minutes.clamp(0.0, WEEK_MINUTES))).collect()
    };
    let minutes = Weeks::of(&held(before), &held(after), seed);
    let scaled = |of: Estimate, by: f64| Estimate {
        mean: of.mean * by,
        between_90: of.between_90.map(|end| end * by),
    };
    let avoided = minutes.less.map(|less| scaled(less, YEAR.as_minutes_f64() / WEEK_MINUTES));
    let price = an_hour.filter(|hour| hour.currency() == cost.currency());
    let price = price.map(|hour| hour.amount().to_f64() / 60.0);
    let worth = avoided.zip(price).map(|(avoided, price)| scaled(avoided, price));
    let spent = cost.amount().to_f64();
    let pays = worth.and_then(|worth| match worth.between_90 {
        [low, _] if low >= spent => Some(true),
        [_, high] if high < spent => Some(false),
        _ => None,
    });
    let a_week = minutes.less.zip(price).map(|(less, price)| less.mean * price);
    Return {
        minutes,
        avoided_minutes_a_year: avoided,
        worth_a_year: worth,
        cost,
        pays_within_a_year: Held::from(pays),
        pays_after_weeks: a_week.filter(|worth| *worth > 0.0).map(|worth| spent / worth),
    }
}
