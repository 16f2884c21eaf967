//! How much of what users came for was served, from what SLOs count.

use flyball_budget::Series;
use flyball_model::{Duration, Interval, Rational, Slot, Timestamp};

use super::facts::Outage;

/// How service is looked at over time, a few minutes at a time.
///
/// A few minutes are lost in part when more is bad in them than an objective allows; then the share that
/// was bad is the share that was not served. What stays within a promise is no outage, and what nobody
/// asked for is not known. Of several objectives the one counts that fared worst.
#[derive(Debug, Clone)]
pub struct Served {
    during: Interval,
    /// The first few minutes.
    first: i64,
    /// The share that was not served in each, in parts of [`Outage::WHOLE`]; `None` where nothing was
    /// counted.
    lost: Vec<Option<u32>>,
}

impl Served {
    /// How long a look is: the short lookback of the rule that pages. Shorter ones would make an outage
    /// of each error at night.
    pub const LOOK: Duration = Duration::from_minutes(5);

    /// Nothing is known of `during` yet.
    pub fn new(during: Interval) -> Self {
        let first = Slot::of(during.start(), Self::LOOK).0;
        let end = Slot::of(during.end().ceil(Self::LOOK), Self::LOOK).0;
        let looks = usize::try_from(end.saturating_sub(first)).unwrap_or_default();
        Self { during, first, lost: vec![None; looks] }
    }

    /// Takes in what was counted of an objective that allows a share of `allowed` to be bad; `counted`
    /// has slots of [`Self::LOOK`].
    pub fn count(&mut self, counted: &Series, allowed: Rational) {
        for (slot, tally) in counted.iter() {
            let at = usize::try_from(slot.0.saturating_sub(self.first)).ok();
            let Some(lost) = at.and_then(|at| self.lost.get_mut(at)) else { continue };
            if tally.valid() == 0 {
                continue;
            }
            let (bad, valid) = (u128::from(tally.bad()), u128::from(tally.valid()));
            let (part, whole) =
                (u128::from(allowed.numerator()), u128::from(allowed.denominator()));
            let is_lost = bad * whole > valid * part;
            // Rounded up, so that no more is said to be served than was.
            let share = (bad * u128::from(Outage::WHOLE)).div_ceil(valid);
            let share = if is_lost { u32::try_from(share).unwrap_or(Outage::WHOLE) } else { 0 };
            *lost = Some(lost.unwrap_or_default().max(share));
        }
    }

    /// The outages, in order; neighbours of the same share are one.
    pub fn outages(&self) -> Vec<Outage> {
        let stretches = self.stretches(|lost| lost.filter(|share| *share > 0));
        let outages = stretches.map(|(interval, share)| Outage {
            start: interval.start(),
            end: Some(interval.end()),
            share,
        });
        outages.collect()
    }

    /// When nothing was counted, in order.
    pub fn unobserved(&self) -> Vec<Interval> {
        let stretches = self.stretches(|lost| lost.is_none().then_some(0));
        stretches.map(|(interval, _)| interval).collect()
    }

    /// The stretches of looks that are of the same kind.
    fn stretches(
        &self,
        kind: impl Fn(Option<u32>) -> Option<u32>,
    ) -> impl Iterator<Item = (Interval, u32)> {
        let runs = self.lost.chunk_by(|one, next| one == next);
        let mut at = self.first;
        runs.filter_map(move |run| {
            let start = at;
            at += i64::try_from(run.len()).unwrap_or(i64::MAX);
            let share = kind(*run.first()?)?;
            let moment = |look: i64| Timestamp::from_nanos(look.saturating_mul(Self::LOOK.nanos()));
            let whole = Interval::new(moment(start), moment(at)).ok()?;
            Some((whole.intersect(self.during)?, share))
        })
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::Tally;

    use super::*;

    const MINUTES: i64 = 60;

    fn during(seconds: i64, end: i64) -> Interval {
        Interval::new(Timestamp::from_seconds(seconds), Timestamp::from_seconds(end)).unwrap()
    }

    /// Valid and bad, look by look from 1970 on.
    fn series(counts: &[(u64, u64)]) -> Series {
        let tally = |(valid, bad): (u64, u64)| Tally::new(valid, valid - bad).unwrap();
        let slots = counts.iter().zip(0..).map(|(counts, at)| (Slot(at), tally(*counts)));
        Series::new(Served::LOOK, slots).unwrap()
    }

    #[test]
    fn what_is_within_the_promise_is_no_outage() {
        let mut served = Served::new(during(0, 20 * MINUTES));
        let tenth = Rational::new(1, 10).unwrap();
        served.count(&series(&[(10, 1), (10, 2), (3, 1), (0, 0)]), tenth);
        let outage = |start: i64, end: i64, share| Outage {
            start: Timestamp::from_seconds(start * MINUTES),
            end: Some(Timestamp::from_seconds(end * MINUTES)),
            share,
        };
        assert_eq!(served.outages(), [outage(5, 10, 200_000), outage(10, 15, 333_334)]);
        assert_eq!(served.unobserved(), [during(15 * MINUTES, 20 * MINUTES)]);
    }

    #[test]
    fn the_objective_that_fared_worst_counts_and_silence_of_one_is_not_that_of_all() {
        let mut served = Served::new(during(MINUTES, 14 * MINUTES));
        let half = Rational::new(1, 2).unwrap();
        served.count(&series(&[(0, 0), (4, 3), (4, 4)]), half);
        served.count(&series(&[(2, 0), (4, 4), (4, 0)]), half);
        let whole = Outage {
            start: Timestamp::from_seconds(5 * MINUTES),
            end: Some(Timestamp::from_seconds(14 * MINUTES)),
            share: Outage::WHOLE,
        };
        assert_eq!(served.outages(), [whole]);
        assert_eq!(served.unobserved(), []);
        assert_eq!(Served::new(during(60, 240)).unobserved(), [during(60, 240)]);
        assert_eq!(Served::new(during(60, 60)).unobserved(), []);
    }
}
