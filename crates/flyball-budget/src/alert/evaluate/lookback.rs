//! The slots that a condition looks at, found again from where they were a moment ago.

use std::ops::Range;

use flyball_model::Slot;

/// A lookback that moves forward in time, in slots.
#[derive(Debug)]
pub(super) struct Lookback {
    /// How many slots long.
    pub(super) slots: i64,
    /// The positions of the slots in it.
    pub(super) range: Range<usize>,
}

impl Lookback {
    pub(super) const fn new(slots: i64) -> Self {
        Self { slots, range: 0..0 }
    }

    /// Moves the end to the start of slot `end`; never backwards.
    pub(super) fn advance(&mut self, slots: &[Slot], end: i64) {
        self.advance_from(slots, end.saturating_sub(self.slots), end);
    }

    /// Moves both ends to the starts of these slots; never backwards.
    pub(super) fn advance_from(&mut self, slots: &[Slot], start: i64, end: i64) {
        self.range.end += leading(&slots[self.range.end..], end);
        self.range.start += leading(&slots[self.range.start..], start);
    }

    /// The first end at which its oldest slot has left.
    pub(super) fn next_departure(&self, slots: &[Slot]) -> Option<i64> {
        let oldest = slots.get(self.range.start)?;
        (self.range.start < self.range.end)
            .then(|| oldest.0.saturating_add(self.slots).saturating_add(1))
    }
}

/// How many leading slots lie before `bound`: nearly always a few, else a jump.
fn leading(slots: &[Slot], bound: i64) -> usize {
    const STEPS: usize = 8;
    match slots.iter().take(STEPS).position(|slot| slot.0 >= bound) {
        Some(count) => count,
        None => slots.partition_point(|slot| slot.0 < bound),
    }
}
