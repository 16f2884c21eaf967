//! How much of what users came for was served, from what SLOs count.

use flyball_budget::Series;
use flyball_budget::alert::{EVIDENCE_DEFAULT, exceeds};
use flyball_model::{Duration, Interval, Rational, Slot, Timestamp};

use super::facts::Outage;

/// How service is looked at over time, a few minutes at a time.
///
/// A few minutes are lost in part when more is bad in them than an objective allows, and with the evidence that
/// alerts ask by default; then the share that was bad is the share that was not served. What stays within a
/// promise is no outage, nor is a single error at night, and what nobody asked for is not known. Of several
/// objectives the one counts that fared worst.
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
    /// How long a look is: the short lookback of the rule that pages.
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
            let (bad, valid) = (tally.bad(), tally.valid());
            // Rounded up, so that no more is said to be served than was.
            let share = (u128::from(bad) * u128::from(Outage::WHOLE)).div_ceil(u128::from(valid));
            let share = u32::try_from(share).unwrap_or(Outage::WHOLE);
            let share = if is_evident(bad, valid, allowed) { share } else { 0 };
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

/// Whether more is bad than `allowed`, and more than chance explains.
fn is_evident(bad: u64, valid: u64, allowed: Rational) -> bool {
    let evidence = EVIDENCE_DEFAULT;
    let confidence = evidence.confidence.map_or(0.5, Rational::to_f64);
    bad >= evidence.bad_min && exceeds(bad, valid, allowed.to_f64(), confidence)
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

    /// By hand: 90 of 900 are a tenth of five minutes, 30 s; by the counts of both looks together it were 9 % of ten, 54 s.
    #[test]
    fn a_look_weighs_by_its_time_and_not_by_its_traffic() {
        let mut served = Served::new(during(0, 10 * MINUTES));
        served.count(&series(&[(900, 90), (100, 0)]), Rational::new(1, 100).unwrap());
        let outages = served.outages();
        let lost = outages.iter().map(|of| {
            let nanos = of.end.unwrap().since(of.start).nanos();
            nanos / 1_000_000_000 * i64::from(of.share) / i64::from(Outage::WHOLE)
        });
        assert_eq!(lost.collect::<Vec<_>>(), [30]);
    }

    #[test]
    fn what_is_within_the_promise_is_no_outage() {
        let mut served = Served::new(during(0, 20 * MINUTES));
        let tenth = Rational::new(1, 10).unwrap();
        served.count(&series(&[(100, 10), (100, 30), (3, 2), (0, 0)]), tenth);
        let outage = |start: i64, end: i64, share| Outage {
            start: Timestamp::from_seconds(start * MINUTES),
            end: Some(Timestamp::from_seconds(end * MINUTES)),
            share,
        };
        assert_eq!(served.outages(), [outage(5, 10, 300_000)], "two of three may be chance");
        served.count(&series(&[(60, 20)]), tenth);
        assert_eq!(served.outages(), [outage(0, 5, 333_334), outage(5, 10, 300_000)]);
        assert_eq!(served.unobserved(), [during(15 * MINUTES, 20 * MINUTES)]);
    }

    #[test]
    fn the_objective_that_fared_worst_counts_and_silence_of_one_is_not_that_of_all() {
        let mut served = Served::new(during(MINUTES, 14 * MINUTES));
        let half = Rational::new(1, 2).unwrap();
        served.count(&series(&[(0, 0), (20, 3), (20, 20)]), half);
        served.count(&series(&[(20, 0), (20, 20), (20, 0)]), half);
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
