//! One SLI's counts until they are tallies.
//!
//! Side and total of a ratio come from different series and so at different moments. For each slot
//! both are kept until the slot has waited for [`HOLD`]; then it is settled: as much of the side as
//! the total has room for becomes a tally, and the rest goes on to the slot settled next.

use std::collections::BTreeMap;

use flyball_model::{Slice, Slot, Tally, Timestamp};

use super::{CARRY_MAX, HOLD, PENDING_MAX, Standing, TARGET_GAP_MAX, Watched};
use crate::spread::SLOT;
use crate::terms::PlanKind;

/// What a slot has so far. Sums of terms with signs, so that each may be below zero for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    /// When it is settled.
    pub(super) due: Timestamp,
    pub(super) side: i64,
    pub(super) total: i64,
}

/// What settled slots had too much of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Carry {
    pub(super) side: i64,
    /// At most zero.
    pub(super) total: i64,
    /// Since when there is any.
    pub(super) since: Option<Timestamp>,
}

/// Since when a slot waits, for [`HOLD`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// It is settled at once.
    Not,
    /// Since its end, or since its first count came after that.
    FromCounts,
    /// Since its end: counts are taken to have come by then.
    FromEnd,
}

#[derive(Debug)]
pub(super) struct SliState {
    pub(super) identity: String,
    /// For a slice: of which SLI it is one, and which.
    pub(super) slice: Option<(usize, Slice)>,
    pub(super) side_is_bad: bool,
    wait: Wait,
    pub(super) began: Timestamp,
    /// Samples up to it are counted elsewhere; [`Timestamp::MIN`] where all count here.
    after: Timestamp,
    pub(super) pending: BTreeMap<Slot, Pending>,
    pub(super) carry: Carry,
    pub(super) dropped: u64,
    pub(super) is_estimated: bool,
    /// The earliest time that a slot is due; [`Timestamp::MAX`] when none waits.
    pub(super) next_due: Timestamp,
    pub(super) is_changed: bool,
}

impl SliState {
    pub(super) fn new(watched: Watched, began: Timestamp) -> Self {
        let wait = if watched.plan.is_of_one_piece() { Wait::Not } else { Wait::FromCounts };
        let side_is_bad = matches!(watched.plan.kind, PlanKind::Counts { side_is_bad: true, .. });
        Self {
            identity: watched.identity,
            slice: None,
            side_is_bad,
            wait,
            began,
            after: watched.after.unwrap_or(Timestamp::MIN),
            pending: BTreeMap::new(),
            carry: Carry::default(),
            dropped: 0,
            is_estimated: false,
            next_due: Timestamp::MAX,
            is_changed: true,
        }
    }

    /// The state of a slice of this SLI, which is the `sli`th, with nothing counted: what counts for it is
    /// what counts here.
    pub(super) fn sliced(&self, sli: usize, slice: Slice, identity: String) -> Self {
        Self {
            identity,
            slice: Some((sli, slice)),
            side_is_bad: self.side_is_bad,
            wait: self.wait,
            began: self.began,
            after: self.after,
            pending: BTreeMap::new(),
            carry: Carry::default(),
            dropped: 0,
            is_estimated: false,
            next_due: Timestamp::MAX,
            is_changed: true,
        }
    }

    /// Takes counts to have come when their slots ended.
    pub(super) const fn come_stored(&mut self) {
        if matches!(self.wait, Wait::FromCounts) {
            self.wait = Wait::FromEnd;
        }
    }

    /// Whether a sample of `at` counts here.
    pub(super) fn counts(&self, at: Timestamp) -> bool {
        at > self.after
    }

    /// From when on it is known which series its targets had.
    pub(super) fn watched_from(&self) -> Timestamp {
        // Whoever counted before it knew them, and so do samples from then that come here.
        if self.after == Timestamp::MIN {
            self.began
        } else {
            self.began.min(self.after.minus(TARGET_GAP_MAX))
        }
    }

    /// Adds counts to a slot that came at `now`. `settled` is called with what had to be settled
    /// early because too many slots wait.
    pub(super) fn add(
        &mut self,
        slot: Slot,
        (side, total): (i64, i64),
        now: Timestamp,
        settled: impl FnMut(Slot, Tally),
    ) {
        self.is_changed = true;
        let end = slot.interval(SLOT).end();
        let due = match self.wait {
            Wait::Not => now,
            Wait::FromCounts => now.max(end).plus(HOLD),
            Wait::FromEnd => end.plus(HOLD),
        };
        let pending = self.pending.entry(slot).or_insert(Pending { due, side: 0, total: 0 });
        pending.side = pending.side.saturating_add(side);
        pending.total = pending.total.saturating_add(total);
        self.next_due = self.next_due.min(pending.due);
        if self.pending.len() > PENDING_MAX {
            self.settle_first(now, settled);
        }
    }

    /// Notes that its counts are estimates.
    pub(super) fn estimated(&mut self) {
        self.is_changed |= !self.is_estimated;
        self.is_estimated = true;
    }

    fn settle_first(&mut self, now: Timestamp, mut settled: impl FnMut(Slot, Tally)) {
        if let Some((slot, pending)) = self.pending.pop_first() {
            settled(slot, self.tally(pending, now));
        }
    }

    /// Settles all slots that are due by `now`, in the order in which they are due.
    pub(super) fn settle(&mut self, now: Timestamp, mut settled: impl FnMut(Slot, Tally)) {
        if self.next_due > now {
            return;
        }
        self.is_changed = true;
        let mut due: Vec<(Timestamp, Slot)> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.due <= now)
            .map(|(slot, pending)| (pending.due, *slot))
            .collect();
        due.sort_unstable();
        for (at, slot) in due {
            if let Some(pending) = self.pending.remove(&slot) {
                settled(slot, self.tally(pending, at));
            }
        }
        let next = self.pending.values().map(|pending| pending.due).min();
        self.next_due = next.unwrap_or(Timestamp::MAX);
    }

    /// What of a slot, settled `at`, and of what was carried on becomes a tally.
    fn tally(&mut self, pending: Pending, at: Timestamp) -> Tally {
        if self.carry.since.is_some_and(|since| at > since.plus(CARRY_MAX)) {
            for dropped in [self.carry.side, self.carry.total] {
                self.dropped = self.dropped.saturating_add(dropped.unsigned_abs());
            }
            self.carry = Carry::default();
        }
        let total = pending.total.saturating_add(self.carry.total);
        let side = pending.side.saturating_add(self.carry.side);
        let valid = total.max(0);
        let counted = side.clamp(0, valid);
        let (side, total) = (side - counted, total - valid);
        let since = ((side, total) != (0, 0)).then(|| self.carry.since.unwrap_or(at));
        self.carry = Carry { side, total, since };
        let good = if self.side_is_bad { valid - counted } else { counted };
        Tally::new(valid.unsigned_abs(), good.unsigned_abs()).unwrap_or_default()
    }

    pub(super) fn standing(&self) -> Standing {
        Standing {
            began: self.began,
            is_estimated: self.is_estimated,
            ahead: if self.carry.side == 0 { self.carry.total } else { self.carry.side },
            ahead_since: self.carry.since,
            dropped: self.dropped,
            waiting: self.pending.len(),
        }
    }
}

#[cfg(test)]
mod tests;
