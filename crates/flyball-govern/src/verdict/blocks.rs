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
pub const SLOTS_MAX: u32 = 20_160;
/// The most slots before a change that one slot after it is matched with. The interval is then an
/// eighth wider than with a control without end; what is left of the time before teaches how blocks
/// vary, which is worth more.
pub const MATCHED_MAX: u32 = 4;
/// The most slots that are listed of both arms together: what can be matched, and as much history.
const SLOTS_LISTED_MAX: u32 = HORIZONS_MAX * SLOTS_MAX;
/// How many times the planned observation the time before a change is looked back.
const HORIZONS_MAX: u32 = 24;
/// Of the time before a change, one part in this many at least serves only to learn how blocks vary.
const HISTORY_PARTS: i64 = 4;
/// Other versions at the same time are the control while they have one event for so many of the candidate:
/// what a few clients that are late still do vouches for nothing.
const CONTROL_PARTS: u64 = 20;
/// How many slots in a row stand for a candidate in the history, so that bursts over several slots
/// are seen as they would be after a change.
const HISTORY_RUN: i64 = 16;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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
    /// `before` is the service before the change, from which it is learned how much slots vary; it may
    /// be empty, but then a burst of bad events in one arm is told from a regression less well.
    ///
    /// # Errors
    ///
    /// [`VerdictError::Order`] when slots do not follow each other, [`VerdictError::TooManySlots`].
    pub fn concurrent(
        slots: &[(Slot, Tally, Tally)],
        before: &[(Slot, Tally)],
    ) -> Result<Self, VerdictError> {
        check(slots.iter().map(|slot| slot.0))?;
        check(before.iter().map(|slot| slot.0))?;
        let count = slots.len() as u64;
        if count > u64::from(SLOTS_MAX) {
            return Err(VerdictError::TooManySlots { count });
        }
        let mut history = Joiner::default();
        if let (Some(first), Some(last)) = (before.first(), before.last()) {
            let end = last.0.0.saturating_add(1);
            let first = first.0.0.max(end.saturating_sub(i64::from(SLOTS_LISTED_MAX)));
            let tallies = by_slot(before);
            for pair in Runs::new(first, end, i64::from(MATCHED_MAX)).pairs() {
                history.add(pair.tallies(&tallies));
            }
        }
        let mut joiner = Joiner::default();
        for slot in slots {
            joiner.add(*slot);
        }
        Ok(Self {
            design: Design::Concurrent,
            history: history.blocks,
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
        let after: Vec<_> = after.iter().map(|slot| (slot.0, Tally::EMPTY, slot.1)).collect();
        Self::split(before, &after, pairing)
    }

    /// As [`Self::before_after`], where some of the time after the change other versions run as well: of
    /// each slot after it `after` has their tally and the candidate's.
    ///
    /// A slot is held against the others at the same time where they have traffic enough, and against the
    /// time before it where they have not: which of the two depends on the traffic alone.
    ///
    /// # Errors
    ///
    /// As [`Self::before_after`].
    pub fn split(
        before: &[(Slot, Tally)],
        after: &[(Slot, Tally, Tally)],
        pairing: Pairing,
    ) -> Result<Self, VerdictError> {
        let slots = before.iter().map(|slot| slot.0);
        check(slots.chain(after.iter().map(|slot| slot.0)))?;
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
        if length > u64::from(SLOTS_MAX) {
            return Err(VerdictError::TooManySlots { count: length });
        }
        let first = before.first().map_or(change, |slot| slot.0.0);
        let plan = Plan::new(pairing, first, change);
        let before = by_slot(before);
        let after: HashMap<i64, (Tally, Tally)> =
            after.iter().map(|(slot, others, own)| (slot.0, (*others, *own))).collect();
        let mut history = Joiner::default();
        for pair in plan.history() {
            history.add(pair.tallies(&before));
        }
        let mut joiner = Joiner::default();
        let (mut at_once, mut by_time) = (0_u64, 0_u64);
        for slot in change..=last {
            let (others, candidate) = after.get(&slot).copied().unwrap_or_default();
            let is_split = !others.is_empty()
                && others.valid().saturating_mul(CONTROL_PARTS) >= candidate.valid();
            let control = if is_split {
                at_once += 1;
                others
            } else {
                by_time += 1;
                let control = plan.control(slot);
                joiner.pending.unmatched += u64::from(control.is_empty());
                sum(&before, &control)
            };
            joiner.add((Slot(slot), control, candidate));
        }
        let design = if at_once > by_time { Design::Concurrent } else { Design::BeforeAfter };
        Ok(Self {
            design,
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
        let most = i64::from(MATCHED_MAX);
        match pairing {
            Pairing::Nearest { horizon } => {
                let horizon = i64::from(horizon.max(1));
                // Bounded, whatever the first slot is.
                let back = i64::from(HORIZONS_MAX) * horizon.min(i64::from(SLOTS_MAX));
                let first = first.max(change.saturating_sub(back));
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

    /// Slots of the history, paired as those after the change are.
    fn history(self) -> Vec<Compared> {
        match self {
            Self::Nearest { first, from, matched, .. } => {
                Runs::new(first, from, matched).pairs().collect()
            }
            Self::Period { first, change, slots, count } => {
                let end = change - count * slots;
                let control = |slot| (1..=count).map(move |back| slot - back * slots);
                ((end - slots).max(first)..end)
                    .map(|slot| Compared {
                        candidate: slot,
                        control: control(slot).filter(|slot| *slot >= first).collect(),
                    })
                    .collect()
            }
        }
    }
}

/// A slot that stands for the candidate, and those it is held against.
#[derive(Debug)]
struct Compared {
    candidate: i64,
    control: Vec<i64>,
}

impl Compared {
    fn tallies(&self, slots: &HashMap<i64, Tally>) -> Pair {
        let candidate = slots.get(&self.candidate).copied().unwrap_or_default();
        (Slot(self.candidate), sum(slots, &self.control), candidate)
    }
}

/// Stretches of history of which the last slots stand for a candidate, one after the other.
#[derive(Debug, Clone, Copy)]
struct Runs {
    start: i64,
    count: i64,
    run: i64,
    matched: i64,
}

impl Runs {
    fn new(first: i64, end: i64, matched: i64) -> Self {
        let length = end - first;
        let run = HISTORY_RUN.min(length / (matched + 1));
        let count = if run > 0 { length / (run * (matched + 1)) } else { 0 };
        Self { start: end - count * run * (matched + 1), count, run, matched }
    }

    fn pairs(self) -> impl Iterator<Item = Compared> {
        let Self { start, count, run, matched } = self;
        (0..count).flat_map(move |index| {
            let change = start + index * run * (matched + 1) + run * matched;
            (0..run).map(move |step| {
                let end = change - step * matched;
                Compared { candidate: change + step, control: (end - matched..end).collect() }
            })
        })
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
    if count > u64::from(SLOTS_LISTED_MAX) {
        Err(VerdictError::TooManySlots { count })
    } else {
        Ok(())
    }
}

fn total(slots: &[(Slot, Tally)]) -> Tally {
    slots.iter().map(|slot| slot.1).sum()
}

fn by_slot(slots: &[(Slot, Tally)]) -> HashMap<i64, Tally> {
    slots.iter().map(|(slot, tally)| (slot.0, *tally)).collect()
}

fn sum(slots: &HashMap<i64, Tally>, of: &[i64]) -> Tally {
    of.iter().filter_map(|slot| slots.get(slot)).copied().sum()
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
                let mut taught = Vec::new();
                for pair in plan.history() {
                    prop_assert!(!used.contains(&pair.candidate));
                    prop_assert!(pair.control.iter().all(|slot| !used.contains(slot)));
                    taught.push(pair.candidate);
                    if matches!(pairing, Pairing::Nearest { .. }) {
                        taught.extend(pair.control);
                    }
                }
                let length = taught.len();
                taught.sort_unstable();
                taught.dedup();
                prop_assert_eq!(taught.len(), length);
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
    fn other_versions_are_the_control_while_they_have_traffic_enough() {
        let before: Vec<_> = (0..8).map(|slot| (Slot(slot), tally(10, 9))).collect();
        let after = [
            (Slot(8), tally(50, 49), tally(5, 5)),
            (Slot(9), tally(5, 5), tally(100, 99)),
            (Slot(10), tally(4, 4), tally(100, 98)),
        ];
        let pairing = Pairing::Nearest { horizon: 3 };
        let comparison = Comparison::split(&before, &after, pairing).unwrap();
        let controls: Vec<Tally> = comparison.blocks().iter().map(|block| block.control).collect();
        assert_eq!(controls, [tally(50, 49), tally(5, 5), tally(20, 18)]);
        assert_eq!(comparison.design, Design::Concurrent);
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
