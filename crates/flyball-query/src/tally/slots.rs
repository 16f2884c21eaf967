//! Counts by slot while they grow, and the widths they may have.

use std::collections::BTreeMap;

use flyball_model::{Duration, Slot, Tally};

/// The slot widths a run may use, the finest first; each divides the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotLadder(Vec<Duration>);

impl SlotLadder {
    /// 10 s for detail; 15 min at most, because time zones and their changes keep to quarters of
    /// an hour.
    const WIDTHS: [Duration; 4] = [
        Duration::from_seconds(10),
        Duration::from_minutes(1),
        Duration::from_minutes(5),
        Duration::from_minutes(15),
    ];

    /// The widths that divide `common`, the greatest common length of everything that must begin
    /// and end with a slot (time slices, lookbacks, windows); zero for no such thing. `common`
    /// itself when it is finer than all of them.
    pub fn dividing(common: Duration) -> Self {
        let mut widths: Vec<Duration> = Self::WIDTHS
            .into_iter()
            .filter(|width| common.is_zero() || common.is_multiple_of(*width))
            .collect();
        if widths.is_empty() {
            widths.push(common);
        }
        Self(widths)
    }

    /// The width of a rung; the widest past the end.
    pub(crate) fn width(&self, rung: usize) -> Duration {
        self.0[rung.min(self.0.len() - 1)]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Tallies by slot. Events mostly come in order, so counts are appended; what comes late waits in
/// a map and is merged at the end.
#[derive(Debug, Default)]
pub(crate) struct SlotCounts {
    ordered: Vec<(Slot, Tally)>,
    late: BTreeMap<Slot, Tally>,
}

impl SlotCounts {
    pub(crate) fn len(&self) -> usize {
        self.ordered.len() + self.late.len()
    }

    /// Adds a tally; an empty one leaves no trace.
    pub(crate) fn add(&mut self, slot: Slot, tally: Tally) {
        if tally.is_empty() {
            return;
        }
        match self.ordered.last_mut() {
            Some((last, sum)) if *last == slot => *sum = sum.plus(tally),
            Some((last, _)) if *last > slot => {
                if let Ok(at) = self.ordered.binary_search_by_key(&slot, |(slot, _)| *slot) {
                    self.ordered[at].1 = self.ordered[at].1.plus(tally);
                } else {
                    let sum = self.late.entry(slot).or_default();
                    *sum = sum.plus(tally);
                }
            }
            _ => self.ordered.push((slot, tally)),
        }
    }

    /// Joins every `factor` slots into one.
    pub(crate) fn coarsen(&mut self, factor: i64) {
        let counts = std::mem::take(self).into_sorted();
        for (slot, tally) in counts {
            self.add(Slot(slot.0.div_euclid(factor)), tally);
        }
    }

    /// All tallies in the order of their slots, each slot once.
    pub(crate) fn into_sorted(self) -> Vec<(Slot, Tally)> {
        if self.late.is_empty() {
            return self.ordered;
        }
        // The two never share a slot: a late one is looked up among the ordered first.
        let mut all = self.ordered;
        all.extend(self.late);
        all.sort_by_key(|(slot, _)| *slot);
        all.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 = earlier.1.plus(later.1);
            }
            same
        });
        all
    }
}
