//! The tallies of one indicator and slice over time: sparse, sorted, summed in O(log n).
//!
//! Slots without events take no room, so a quiet service costs little. Running sums of good and
//! of bad events make any stretch of time two look-ups and two subtractions, however long it is.
//!
//! A slot belongs to the interval that holds the slot's *start*. So intervals that tile time
//! share their slots out without counting one twice or losing one, whatever a time zone does to
//! their ends.

use std::ops::Range;

use flyball_model::{Duration, Interval, Slot, Tally, Timestamp};

use crate::error::BudgetError;

/// Sparse slot tallies at one slot width, with running sums.
///
/// Counts that together pass 2^64 are held there; no input this crate can meet reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    width: Duration,
    slots: Vec<Slot>,
    /// Running sums *before* each slot, and one more after the last.
    good: Vec<u64>,
    bad: Vec<u64>,
    /// Empty while no event was undecided, which saves a quarter of the memory.
    undecided: Vec<u64>,
}

impl Series {
    /// The series of `tallies` in any order at slots of `width`; equal slots are added together
    /// and slots without valid events are left out.
    ///
    /// # Errors
    ///
    /// [`BudgetError::ZeroWidth`] for a width of zero.
    pub fn new(
        width: Duration,
        tallies: impl IntoIterator<Item = (Slot, Tally)>,
    ) -> Result<Self, BudgetError> {
        if width.is_zero() {
            return Err(BudgetError::ZeroWidth);
        }
        let mut tallies: Vec<(Slot, Tally)> =
            tallies.into_iter().filter(|(_, tally)| !tally.is_empty()).collect();
        if !tallies.is_sorted_by_key(|(slot, _)| *slot) {
            tallies.sort_unstable_by_key(|(slot, _)| *slot);
        }
        let mut series = Self::empty(width);
        series.reserve(tallies.len());
        let mut pending: Option<(Slot, Tally)> = None;
        for (slot, tally) in tallies {
            pending = match pending {
                Some((same, sum)) if same == slot => Some((same, sum.plus(tally))),
                Some((before, sum)) => {
                    series.push(before, sum);
                    Some((slot, tally))
                }
                None => Some((slot, tally)),
            };
        }
        if let Some((slot, tally)) = pending {
            series.push(slot, tally);
        }
        Ok(series)
    }

    /// A series without data. A zero `width` is taken as one nanosecond.
    pub fn empty(width: Duration) -> Self {
        let one = Duration::from_nanos(1).unwrap_or_default();
        let width = if width.is_zero() { one } else { width };
        Self { width, slots: Vec::new(), good: vec![0], bad: vec![0], undecided: Vec::new() }
    }

    fn reserve(&mut self, count: usize) {
        self.slots.reserve_exact(count);
        self.good.reserve_exact(count);
        self.bad.reserve_exact(count);
    }

    /// Adds a slot after the last one.
    fn push(&mut self, slot: Slot, tally: Tally) {
        if tally.undecided() > 0 && self.undecided.is_empty() {
            self.undecided.resize(self.good.len(), 0);
        }
        let grow = |sums: &mut Vec<u64>, by: u64| {
            let last = sums.last().copied().unwrap_or(0);
            sums.push(last.saturating_add(by));
        };
        self.slots.push(slot);
        grow(&mut self.good, tally.good());
        grow(&mut self.bad, tally.bad());
        if !self.undecided.is_empty() {
            grow(&mut self.undecided, tally.undecided());
        }
    }

    /// The length of a slot.
    pub const fn width(&self) -> Duration {
        self.width
    }

    /// How many slots hold data.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True when no slot holds data.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The slots with data, in order.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The slots with data and their tallies, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Slot, Tally)> + '_ {
        self.slots.iter().enumerate().map(|(index, slot)| (*slot, self.sum_range(index..index + 1)))
    }

    /// From the start of the first slot with data to the end of the last; `None` without data.
    pub fn extent(&self) -> Option<Interval> {
        let first = self.slots.first()?.interval(self.width);
        let last = self.slots.last()?.interval(self.width);
        Interval::new(first.start(), last.end()).ok()
    }

    /// The positions of the slots that start inside `interval`, among [`Self::slots`].
    pub fn range(&self, interval: Interval) -> Range<usize> {
        let first = slot_from(interval.start(), self.width);
        let end = slot_from(interval.end(), self.width);
        let from = self.slots.partition_point(|slot| *slot < first);
        let to = from + self.slots[from..].partition_point(|slot| *slot < end);
        from..to
    }

    /// The tallies of the slots that start inside `interval`, added up; empty without data.
    pub fn sum(&self, interval: Interval) -> Tally {
        self.sum_range(self.range(interval))
    }

    /// The tallies at the positions `range` of [`Self::slots`], added up.
    ///
    /// A range that reaches past the end is cut there.
    pub fn sum_range(&self, range: Range<usize>) -> Tally {
        let end = range.end.min(self.slots.len());
        let start = range.start.min(end);
        let good = self.good[end] - self.good[start];
        let bad = self.bad[end] - self.bad[start];
        let undecided =
            if self.undecided.is_empty() { 0 } else { self.undecided[end] - self.undecided[start] };
        let valid = good.saturating_add(bad);
        Tally::with_undecided(valid, good, undecided).unwrap_or(Tally::EMPTY)
    }

    /// Bad events at the positions `range`; cheaper than [`Self::sum_range`].
    pub(crate) fn bad_range(&self, range: &Range<usize>) -> u64 {
        self.bad[range.end] - self.bad[range.start]
    }

    /// Valid events at the positions `range`; cheaper than [`Self::sum_range`].
    pub(crate) fn valid_range(&self, range: &Range<usize>) -> u64 {
        (self.good[range.end] - self.good[range.start]).saturating_add(self.bad_range(range))
    }

    /// The first position at or after `from` whose slot holds a bad event; `len()` if none does.
    pub(crate) fn next_bad(&self, from: usize) -> usize {
        let from = from.min(self.slots.len());
        let before = self.bad[from];
        from + self.bad[from + 1..].partition_point(|sum| *sum == before)
    }

    /// The first position at which more than `most` bad events lie behind `from`; `len()` if none.
    pub(crate) fn bad_beyond(&self, from: usize, most: u64) -> usize {
        let from = from.min(self.slots.len());
        let limit = self.bad[from].saturating_add(most);
        from + self.bad[from + 1..].partition_point(|sum| *sum <= limit)
    }

    /// The same events counted in slots of `width`, a whole multiple of this series' width.
    ///
    /// # Errors
    ///
    /// [`BudgetError::NotWholeSlots`] for any other width.
    pub fn coarsen(&self, width: Duration) -> Result<Self, BudgetError> {
        if width == self.width {
            return Ok(self.clone());
        }
        if !width.is_multiple_of(self.width) {
            let what = "a time slice";
            return Err(BudgetError::NotWholeSlots { what, length: width, width: self.width });
        }
        let factor = width.nanos() / self.width.nanos();
        Self::new(width, self.iter().map(|(slot, tally)| (Slot(slot.0.div_euclid(factor)), tally)))
    }

    /// Both series together; associative and commutative.
    ///
    /// # Errors
    ///
    /// [`BudgetError::WidthMismatch`] when the slots are not equally wide.
    pub fn merge(&self, other: &Self) -> Result<Self, BudgetError> {
        if self.width != other.width {
            return Err(BudgetError::WidthMismatch { left: self.width, right: other.width });
        }
        Self::new(self.width, self.iter().chain(other.iter()))
    }
}

/// The first slot of `width` that starts at or after `at`.
pub(crate) fn slot_from(at: Timestamp, width: Duration) -> Slot {
    let slot = Slot::of(at, width);
    if at.nanos().rem_euclid(width.nanos().max(1)) == 0 { slot } else { Slot(slot.0 + 1) }
}

/// How many slots of `width` start inside `interval`.
pub(crate) fn slots_in(interval: Interval, width: Duration) -> u64 {
    let count = slot_from(interval.end(), width).0 - slot_from(interval.start(), width).0;
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_minutes(1);

    fn tally(valid: u64, bad: u64) -> Tally {
        Tally::new(valid, valid - bad).unwrap()
    }

    fn seconds(start: i64, end: i64) -> Interval {
        Interval::new(Timestamp::from_seconds(start), Timestamp::from_seconds(end)).unwrap()
    }

    #[test]
    fn order_and_repeats_do_not_matter() {
        let series = Series::new(
            MINUTE,
            [
                (Slot(5), tally(1, 0)),
                (Slot(-2), tally(3, 1)),
                (Slot(5), tally(2, 2)),
                (Slot(9), Tally::EMPTY),
            ],
        )
        .unwrap();
        assert_eq!(
            series.iter().collect::<Vec<_>>(),
            [(Slot(-2), tally(3, 1)), (Slot(5), tally(3, 2))]
        );
        assert_eq!(series.extent(), Some(seconds(-120, 360)));
        assert_eq!((series.next_bad(0), series.next_bad(1), series.next_bad(2)), (0, 1, 2));
    }

    #[test]
    fn a_slot_counts_where_it_starts() {
        let series = Series::new(MINUTE, [(Slot(1), tally(1, 0))]).unwrap();
        assert_eq!(series.sum(seconds(60, 61)).valid(), 1);
        assert_eq!(series.sum(seconds(61, 120)).valid(), 0);
        assert_eq!(series.sum(seconds(0, 60)).valid(), 0);
        assert_eq!(slots_in(seconds(1, 121), MINUTE), 2);
        assert_eq!(slots_in(seconds(0, 120), MINUTE), 2);
    }

    #[test]
    fn widths_must_fit() {
        assert_eq!(Series::new(Duration::ZERO, []), Err(BudgetError::ZeroWidth));
        let series = Series::new(MINUTE, [(Slot(1), tally(1, 0))]).unwrap();
        assert!(series.coarsen(Duration::from_seconds(90)).is_err());
        assert!(series.merge(&Series::empty(Duration::from_seconds(10))).is_err());
    }

    fn tallies() -> impl Strategy<Value = Vec<(Slot, Tally)>> {
        let one =
            (-50i64..50, 0u64..20, 0u64..20, 0u64..3).prop_map(|(slot, good, bad, undecided)| {
                (
                    Slot(slot),
                    Tally::with_undecided(good + bad + undecided, good, undecided).unwrap(),
                )
            });
        proptest::collection::vec(one, 0..60)
    }

    proptest! {
        #[test]
        fn sums_equal_naive_sums(tallies in tallies(), start in -4000i64..4000, length in 0i64..5000) {
            let series = Series::new(MINUTE, tallies.clone()).unwrap();
            let interval = seconds(start, start + length);
            let naive: Tally = tallies
                .iter()
                .filter(|(slot, _)| interval.contains(slot.interval(MINUTE).start()))
                .map(|(_, tally)| *tally)
                .sum();
            prop_assert_eq!(series.sum(interval), naive);
        }

        #[test]
        fn coarsening_keeps_every_event(tallies in tallies(), factor in 1u32..7) {
            let series = Series::new(MINUTE, tallies.clone()).unwrap();
            let coarse = series.coarsen(Duration::from_minutes(factor)).unwrap();
            let total: Tally = tallies.iter().map(|(_, tally)| *tally).sum();
            prop_assert_eq!(coarse.iter().map(|(_, tally)| tally).sum::<Tally>(), total);
            for (slot, tally) in coarse.iter() {
                prop_assert_eq!(series.sum(slot.interval(coarse.width())), tally);
            }
        }

        #[test]
        fn merging_is_associative_and_commutative(a in tallies(), b in tallies(), c in tallies()) {
            let [a, b, c] = [a, b, c].map(|tallies| Series::new(MINUTE, tallies).unwrap());
            let left = a.merge(&b).unwrap().merge(&c).unwrap();
            prop_assert_eq!(&left, &a.merge(&b.merge(&c).unwrap()).unwrap());
            prop_assert_eq!(a.merge(&b).unwrap(), b.merge(&a).unwrap());
        }
    }
}
