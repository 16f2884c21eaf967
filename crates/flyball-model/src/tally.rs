//! Counts of events in slots of time: what the ledger is made of.

use crate::time::{Duration, Interval, Timestamp};

/// How many events were valid and how many of those were good; integers only.
///
/// `undecided` are the valid events for which "good" was neither true nor false (an attribute was
/// missing). They count as bad, and are reported on their own, so that a misspelt attribute can
/// pass neither as an outage nor as health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tally {
    valid: u64,
    good: u64,
    undecided: u64,
}

impl Tally {
    /// No events.
    pub const EMPTY: Self = Self { valid: 0, good: 0, undecided: 0 };

    /// `good` of `valid` events; `None` when more are good than valid.
    pub const fn new(valid: u64, good: u64) -> Option<Self> {
        Self::with_undecided(valid, good, 0)
    }

    /// `good` of `valid` events, `undecided` of the rest without an answer.
    ///
    /// `None` when good and undecided together exceed valid.
    pub const fn with_undecided(valid: u64, good: u64, undecided: u64) -> Option<Self> {
        match good.checked_add(undecided) {
            Some(accounted) if accounted <= valid => Some(Self { valid, good, undecided }),
            _ => None,
        }
    }

    /// Events that count at all.
    pub const fn valid(self) -> u64 {
        self.valid
    }

    /// Valid events that kept the promise.
    pub const fn good(self) -> u64 {
        self.good
    }

    /// Valid events that did not keep the promise, the undecided ones included.
    pub const fn bad(self) -> u64 {
        self.valid - self.good
    }

    /// Valid events for which "good" was neither true nor false.
    pub const fn undecided(self) -> u64 {
        self.undecided
    }

    /// True when no event was valid: no data, which is not health.
    pub const fn is_empty(self) -> bool {
        self.valid == 0
    }

    /// Both tallies together; each count is held at the largest 64-bit integer.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        let bad = self.bad().saturating_add(other.bad());
        let good = self.good.saturating_add(other.good);
        let undecided = self.undecided.saturating_add(other.undecided);
        let valid = good.saturating_add(bad);
        Self { valid, good: if good > valid { valid } else { good }, undecided }
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::EMPTY, Self::plus)
    }
}

impl serde::Serialize for Tally {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Tally", 4)?;
        fields.serialize_field("valid", &self.valid)?;
        fields.serialize_field("good", &self.good)?;
        fields.serialize_field("bad", &self.bad())?;
        fields.serialize_field("undecided", &self.undecided)?;
        fields.end()
    }
}

/// The number of a slot: the ledger's unit of time, counted from the epoch in slots of one width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub i64);

impl Slot {
    /// The slot of `width` that holds `at`. A zero width is taken as one nanosecond.
    pub const fn of(at: Timestamp, width: Duration) -> Self {
        let width = if width.is_zero() { 1 } else { width.nanos() };
        Self(at.nanos().div_euclid(width))
    }

    /// The time this slot covers at `width`.
    pub const fn interval(self, width: Duration) -> Interval {
        Interval::starting(Timestamp::from_nanos(self.0.saturating_mul(width.nanos())), width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_never_exceeds_valid() {
        assert_eq!(Tally::new(1, 2), None);
        assert_eq!(Tally::with_undecided(2, 1, 2), None);
        assert_eq!(Tally::new(3, 1).unwrap().bad(), 2);
    }

    #[test]
    fn adding_is_exact_and_saturates_without_breaking_the_invariant() {
        let most = Tally::new(u64::MAX, u64::MAX).unwrap();
        let sum = most.plus(Tally::new(5, 1).unwrap());
        assert!(sum.good() <= sum.valid());
        let sum: Tally = [Tally::new(5, 1).unwrap(), Tally::new(7, 7).unwrap()].into_iter().sum();
        assert_eq!((sum.valid(), sum.good(), sum.bad()), (12, 8, 4));
    }

    #[test]
    fn slots_tile_time() {
        let width = Duration::from_seconds(10);
        let slot = Slot::of(Timestamp::from_seconds(-1), width);
        assert_eq!(slot, Slot(-1));
        assert!(slot.interval(width).contains(Timestamp::from_seconds(-1)));
        assert_eq!(slot.interval(width).end(), Slot(0).interval(width).start());
    }
}
