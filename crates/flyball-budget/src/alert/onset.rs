//! When the trouble that set off a rule began, and when it ended.

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
pub(super) struct Onset {
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
    pub(super) fn push(&mut self, slot: Slot, units: &Sum) {
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

/// Finds the last bad slot of the spell that led to a firing, from slots given in order up to where the rule let go.
///
/// It is the sum of [`Onset`], seen from its other end: `S(n)` adds up `bad - bound × valid` of the slots up to `n`, and the
/// spell ends with the slot at which `S` is highest. That slot is above the bound itself, and what follows it is below the
/// bound taken together: errors that come after it at a lower rate are background.
#[derive(Debug)]
pub(super) struct Ebb {
    bound: f64,
    sum: f64,
    highest: f64,
    last: Option<Slot>,
}

impl Ebb {
    pub(super) const fn new(bound: f64) -> Self {
        Self { bound, sum: 0.0, highest: 0.0, last: None }
    }

    /// Takes in the next slot with data.
    pub(super) fn push(&mut self, slot: Slot, units: &Sum) {
        let valid = units.valid as f64;
        self.sum += units.error_ratio().unwrap_or(0.0) * valid - self.bound * valid;
        if self.sum > self.highest {
            (self.highest, self.last) = (self.sum, Some(slot));
        }
    }

    /// The slot; `None` where nothing stands out.
    pub(super) const fn found(&self) -> Option<Slot> {
        self.last
    }
}
