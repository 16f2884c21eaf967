//! What is compared with what.
//!
//! Where events carry the version (or another attribute that tells a canary from the rest), both
//! arms are counted at the same time and a block is a slot: whatever the hour does to both cancels.
//! Otherwise the time after a change is compared with the time before it: each slot after is matched
//! with slots before, none of which is used twice, so that the pairs are independent.
//!
//! Slots are joined until both arms have an event. That depends on the traffic alone, not on what
//! was good or bad.

use std::collections::HashMap;

use flyball_model::{Slot, Tally};

use super::VerdictError;

/// The most slots of one arm of a comparison: two weeks in slots of a minute.
pub const SLOTS_MAX: usize = 20_160;
/// The most slots before a change that one slot after it is matched with. More would narrow the
/// interval by less than a twentieth.
pub const MATCHED_MAX: usize = 10;
/// The most slots that are listed of both arms together: what can be matched, and as much history.
const SLOTS_LISTED_MAX: u64 = 2 * (MATCHED_MAX * SLOTS_MAX) as u64;
/// Of the time before a change, one part in this many serves only to learn how blocks vary.
const HISTORY_PARTS: i64 = 4;

/// What two arms saw under the same conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The last slot of the candidate in it.
    pub slot: Slot,
    /// How the candidate, what the change made, did.
    pub candidate: Tally,
    /// How the control, what there was without the change, did.
    pub control: Tally,
}

/// What the control of a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// Another version or slice at the same time.
    Concurrent,
    /// The time before the change.
    BeforeAfter,
}

/// Which slots before a change are held against a slot after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// The nearest ones, as many for each as the time before yields for `horizon` slots after it.
    ///
    /// The number must not depend on what was seen: it is the planned length of the observation.
    Nearest {
        /// How many slots after the change will be looked at; at least one.
        horizon: u32,
    },
    /// Those a whole number of periods earlier, such as the same time on the days before; for
    /// traffic with a daily or weekly rhythm.
    Period {
        /// Slots in one period; at least one. Observe for at most one period.
        slots: u32,
        /// How many periods back; at most [`MATCHED_MAX`].
        count: u32,
    },
}

/// Two arms, block by block, with what is known of how blocks vary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub(super) design: Design,
    pub(super) history: Vec<Block>,
    pub(super) blocks: Vec<Block>,
    pub(super) pending: Pending,
    /// The first slot of the candidate.
    pub(super) first: Option<Slot>,
}

/// What could not be compared (yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pending {
    /// Slots of the candidate that no time before the change is left for.
    pub(super) unmatched: u64,
    /// The control since the last block.
    pub(super) control: Tally,
    /// The candidate since the last block.
    pub(super) candidate: Tally,
}

impl Comparison {
    /// Both arms at the same time: control and candidate of each slot, in the order of the slots.
    ///
    /// `history` are earlier slots in which both arms were alike, such as two replicas before the
    /// change; from it only the variation is learned, and it may be empty.
    ///
    /// # Errors
    ///
    /// [`VerdictError::Order`] when slots do not follow each other, [`VerdictError::TooManySlots`].
    pub fn concurrent(
        slots: &[(Slot, Tally, Tally)],
        history: &[(Slot, Tally, Tally)],
    ) -> Result<Self, VerdictError> {
        check(slots.iter().map(|slot| slot.0))?;
        check(history.iter().map(|slot| slot.0))?;
        let mut history_joiner = Joiner::default();
        history.iter().for_each(|slot| history_joiner.add(*slot));
        let mut joiner = Joiner::default();
        slots.iter().for_each(|slot| joiner.add(*slot));
        Ok(Self {
            design: Design::Concurrent,
            history: history_joiner.blocks,
            blocks: joiner.blocks,
            pending: joiner.pending,
            first: slots.first().map(|slot| slot.0),
        })
    }

    /// The time after a change held against the time before it.
    ///
    /// `before` and `after` are tallies by slot, in their order; slots that are not there had no
    /// valid events. Slots after the change for which there is no slot before are counted as
    /// unmatched and say nothing.
    ///
    /// # Errors
    ///
    /// [`VerdictError::Order`] when slots do not follow each other or the first after the change is
    /// not past the last before it, [`VerdictError::TooManySlots`].
    pub fn before_after(
        before: &[(Slot, Tally)],
        after: &[(Slot, Tally)],
        pairing: Pairing,
    ) -> Result<Self, VerdictError> {
        check(before.iter().chain(after).map(|slot| slot.0))?;
        let (Some(change), Some(last)) = (after.first(), after.last()) else {
            let pending = Pending { control: total(before), ..Pending::default() };
            return Ok(Self {
                design: Design::BeforeAfter,
                history: Vec::new(),
                blocks: Vec::new(),
                pending,
                first: None,
            });
        };
        let (change, last) = (change.0.0, last.0.0);
        let length = last.abs_diff(change).saturating_add(1);
        if length > SLOTS_MAX as u64 {
            return Err(VerdictError::TooManySlots { count: length });
        }
        let first = before.first().map_or(change, |slot| slot.0.0);
        let plan = Plan::new(pairing, first, change);
        let (before, after) = (by_slot(before), by_slot(after));
        let sum = |slots: Vec<i64>| slots.iter().filter_map(|slot| before.get(slot)).copied().sum();
        let mut history = Joiner::default();
        for slot in plan.history() {
            let candidate = before.get(&slot).copied().unwrap_or_default();
            history.add((Slot(slot), sum(plan.control_of_history(slot)), candidate));
        }
        let mut joiner = Joiner::default();
        for slot in change..=last {
            let candidate = after.get(&slot).copied().unwrap_or_default();
            let control = plan.control(slot);
            if control.is_empty() {
                joiner.pending.unmatched += 1;
            }
            joiner.add((Slot(slot), sum(control), candidate));
        }
        Ok(Self {
            design: Design::BeforeAfter,
            history: history.blocks,
            blocks: joiner.blocks,
            pending: joiner.pending,
            first: Some(Slot(change)),
        })
    }

    /// The blocks, in their order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// How many slots after the change nothing before it could be matched with.
    pub fn unmatched(&self) -> u64 {
        self.pending.unmatched
    }
}

/// Slots before the change, and what each is for. All slots of one pair are used for it alone.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// `matched` slots for each slot after the change, going back from it to `from`; between `first`
    /// and `from` is history.
    Nearest { first: i64, from: i64, change: i64, matched: i64 },
    /// `count` periods for each slot after the change; the period before those is history.
    Period { first: i64, change: i64, slots: i64, count: i64 },
}

impl Plan {
    fn new(pairing: Pairing, first: i64, change: i64) -> Self {
        let most = MATCHED_MAX as i64;
        match pairing {
            Pairing::Nearest { horizon } => {
                let horizon = i64::from(horizon.max(1));
                // Bounded, whatever the first slot is: history as long as what is matched.
                let first =
                    first.max(change.saturating_sub(2 * most * horizon.min(SLOTS_MAX as i64)));
                let length = change - first;
                let usable = length - length / HISTORY_PARTS;
                let matched = (usable / horizon).clamp(1, most);
                let from = change - usable.min(matched * horizon);
                Self::Nearest { first, from, change, matched }
            }
            Pairing::Period { slots, count } => {
                let slots = i64::from(slots.max(1));
                Self::Period { first, change, slots, count: i64::from(count).clamp(1, most) }
            }
        }
    }

    /// The slots before the change that a slot after it is held against.
    fn control(self, slot: i64) -> Vec<i64> {
        match self {
            Self::Nearest { from, change, matched, .. } => {
                let end = change - (slot - change) * matched;
                (end - matched..end).filter(|slot| *slot >= from).collect()
            }
            // Past the first period, the time before it is after the change or taken.
            Self::Period { change, slots, .. } if slot - change >= slots => Vec::new(),
            Self::Period { first, slots, count, .. } => {
                (1..=count).map(|back| slot - back * slots).filter(|slot| *slot >= first).collect()
            }
        }
    }

    /// Slots of the history that stand for a candidate.
    fn history(self) -> std::iter::StepBy<std::ops::Range<i64>> {
        match self {
            Self::Nearest { first, from, matched, .. } => {
                let step = usize::try_from(matched + 1).unwrap_or(1);
                (first + matched..from).step_by(step)
            }
            Self::Period { first, change, slots, count } => {
                let end = change - count * slots;
                ((end - slots).max(first)..end).step_by(1)
            }
        }
    }

    /// What a slot of the history is held against.
    fn control_of_history(self, slot: i64) -> Vec<i64> {
        match self {
            Self::Nearest { matched, .. } => (slot - matched..slot).collect(),
            Self::Period { first, slots, count, .. } => {
                (1..=count).map(|back| slot - back * slots).filter(|slot| *slot >= first).collect()
            }
        }
    }
}
/// Slot, control, candidate.
type Pair = (Slot, Tally, Tally);

fn check(slots: impl Iterator<Item = Slot>) -> Result<(), VerdictError> {
    let mut last: Option<Slot> = None;
    let mut count = 0;
    for slot in slots {
        if last.is_some_and(|last| slot <= last) {
            return Err(VerdictError::Order { slot: slot.0 });
        }
        last = Some(slot);
        count += 1;
    }
    if count > SLOTS_LISTED_MAX { Err(VerdictError::TooManySlots { count }) } else { Ok(()) }
}

fn total(slots: &[(Slot, Tally)]) -> Tally {
    slots.iter().map(|slot| slot.1).sum()
}

fn by_slot(slots: &[(Slot, Tally)]) -> HashMap<i64, Tally> {
    slots.iter().map(|(slot, tally)| (slot.0, *tally)).collect()
}

/// Joins slots until both arms have an event; what remains is pending.
#[derive(Debug, Default)]
struct Joiner {
    blocks: Vec<Block>,
    pending: Pending,
}

impl Joiner {
    fn add(&mut self, (slot, control, candidate): Pair) {
        let pending = &mut self.pending;
        pending.control = pending.control.plus(control);
        pending.candidate = pending.candidate.plus(candidate);
        if !pending.control.is_empty() && !pending.candidate.is_empty() {
            let (control, candidate) = (pending.control, pending.candidate);
            self.blocks.push(Block { slot, candidate, control });
            (pending.control, pending.candidate) = (Tally::EMPTY, Tally::EMPTY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What makes pairs independent.
        #[test]
        fn no_slot_before_a_change_is_used_twice(
            length in 1i64..400, horizon in 1u32..60, after in 1i64..80, period in 1u32..50, count in 1u32..6,
        ) {
            for pairing in [Pairing::Nearest { horizon }, Pairing::Period { slots: period, count }] {
                let plan = Plan::new(pairing, 1000 - length, 1000);
                let mut used: Vec<i64> = (1000..1000 + after).flat_map(|slot| plan.control(slot)).collect();
                let matched = used.len();
                used.sort_unstable();
                used.dedup();
                prop_assert_eq!(used.len(), matched);
                prop_assert!(used.iter().all(|slot| (1000 - length..1000).contains(slot)));
                for slot in plan.history() {
                    prop_assert!(!used.contains(&slot));
                    prop_assert!(plan.control_of_history(slot).iter().all(|slot| !used.contains(slot)));
                }
            }
        }
    }

    fn tally(valid: u64, good: u64) -> Tally {
        Tally::new(valid, good).unwrap()
    }

    #[test]
    fn slots_are_joined_until_both_arms_have_events() {
        let none = Tally::EMPTY;
        let slots = [
            (Slot(1), tally(3, 3), none),
            (Slot(2), none, none),
            (Slot(3), none, tally(1, 0)),
            (Slot(4), none, tally(2, 2)),
        ];
        let comparison = Comparison::concurrent(&slots, &[]).unwrap();
        let block = Block { slot: Slot(3), candidate: tally(1, 0), control: tally(3, 3) };
        assert_eq!(comparison.blocks(), [block]);
        assert_eq!(comparison.pending.candidate, tally(2, 2));
    }

    #[test]
    fn slots_out_of_order_are_refused() {
        let slots = [(Slot(2), tally(1, 1)), (Slot(2), tally(1, 1))];
        let refused = Comparison::before_after(&slots, &[], Pairing::Nearest { horizon: 1 });
        assert!(matches!(refused, Err(VerdictError::Order { slot: 2 })));
        let far = [(Slot(0), tally(1, 1)), (Slot(i64::MAX), tally(1, 1))];
        let refused = Comparison::before_after(&[], &far, Pairing::Nearest { horizon: 1 });
        assert!(matches!(refused, Err(VerdictError::TooManySlots { .. })));
    }
}
