//! When the trouble that set off a rule began.

use flyball_model::Slot;

use crate::sum::Sum;

/// Finds the first bad slot of the spell that led to a firing, from slots given in order.
///
/// The spell is found as in Page's cumulative sum test: each slot adds its bad units less those
/// that the rule's own bound would have allowed it, and the spell begins after the point where the
/// sum was lowest. Errors that go on at a rate below the bound are background, not onset.
///
/// Source: E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954).
#[derive(Debug)]
pub(crate) struct Onset {
    bound: f64,
    sum: f64,
    lowest: f64,
    first: Option<Slot>,
    last_bad: Option<Slot>,
    last: Option<Slot>,
}

impl Onset {
    pub(super) const fn new(bound: f64) -> Self {
        Self { bound, sum: 0.0, lowest: 0.0, first: None, last_bad: None, last: None }
    }

    /// Takes in the next slot with data.
    pub(crate) fn push(&mut self, slot: Slot, units: &Sum) {
        let valid = units.valid as f64;
        let bad = units.error_ratio().unwrap_or(0.0) * valid;
        self.first.get_or_insert(slot);
        if bad > 0.0 {
            self.last_bad = Some(slot);
        }
        self.last = Some(slot);
        self.sum += bad - self.bound * valid;
        if self.sum <= self.lowest {
            self.lowest = self.sum;
            self.first = None;
        }
    }

    /// The slot; `None` without data.
    pub(super) fn found(&self) -> Option<Slot> {
        // Nothing stands out when all of it lies below the bound, as with a comparison `lt`.
        self.first.or(self.last_bad).or(self.last)
    }
}
