//! Reading the ledger: in order, corrected, in units, and no more at once than a bound says.

use std::ops::ControlFlow;

use flyball_model::{Interval, Slot, Tally, Timestamp};

use super::Plan;
use crate::sum::Sum;

/// The most units that one read ahead asks for and a cursor holds.
///
/// At slots of 10 s some twenty minutes: long enough that a tick reads little, short enough that
/// the cursors of eight lookbacks fit 32 KiB.
const CHUNK_MAX: i64 = 128;
/// The most slots that one read of the ledger asks for, unless one time slice has more: a day of
/// slots of 10 s, some 256 KiB for as long as the read takes.
const READ_MAX: i64 = 8640;

/// How many units are read ahead at once.
pub(super) fn chunk(plan: &Plan) -> i64 {
    stride(plan).min(CHUNK_MAX)
}

/// How many units are read at once where nothing is held.
pub(super) fn stride(plan: &Plan) -> i64 {
    (READ_MAX / plan.slots_each).max(1)
}

/// The tallies of one objective, or of one slice of it, in the caller's durable ledger.
pub trait History {
    /// Why the ledger cannot be read.
    type Error;

    /// Appends to `into` the slots that start inside `interval` and hold data, in order, each once,
    /// as they were counted: corrections are applied here.
    ///
    /// # Errors
    ///
    /// Where the ledger cannot be read.
    fn tallies(&self, interval: Interval, into: &mut Vec<(Slot, Tally)>)
    -> Result<(), Self::Error>;
}

/// The slots with data in `interval`, corrected.
pub(super) fn slots<H: History>(
    plan: &Plan,
    history: &H,
    interval: Interval,
) -> Result<Vec<(Slot, Tally)>, H::Error> {
    let mut slots = Vec::new();
    if !interval.is_empty() {
        history.tallies(interval, &mut slots)?;
    }
    slots.retain_mut(|(slot, tally)| {
        *tally = plan.corrected(*slot, *tally);
        !tally.is_empty()
    });
    Ok(slots)
}

/// The units with data among those from `from` up to `to`, as their events.
pub(super) fn units<H: History>(
    plan: &Plan,
    history: &H,
    from: i64,
    to: i64,
) -> Result<Vec<(i64, Tally)>, H::Error> {
    let mut units: Vec<(i64, Tally)> = Vec::new();
    for (slot, tally) in slots(plan, history, between(plan, from, to))? {
        let unit = plan.unit_of(slot);
        match units.last_mut() {
            Some((last, sum)) if *last == unit => *sum = sum.plus(tally),
            _ => units.push((unit, tally)),
        }
    }
    Ok(units)
}

/// The units with data among `wanted`, which ascend, and some that lie between them, in order. Those
/// that are close to each other are read together: a day of late events would be thousands of reads.
pub(super) fn scattered<H: History>(
    plan: &Plan,
    history: &H,
    wanted: impl Iterator<Item = i64>,
) -> Result<Vec<(i64, Tally)>, H::Error> {
    let mut found = Vec::new();
    let mut run: Option<(i64, i64)> = None;
    for unit in wanted {
        let joined =
            run.filter(|(first, last)| unit - last <= chunk(plan) && unit - first < stride(plan));
        if let (None, Some((first, last))) = (joined, run) {
            found.extend(units(plan, history, first, last + 1)?);
        }
        run = Some((joined.map_or(unit, |(first, _)| first), unit));
    }
    if let Some((first, last)) = run {
        found.extend(units(plan, history, first, last + 1)?);
    }
    Ok(found)
}

/// The time that the units from `from` up to `to` cover.
pub(super) fn between(plan: &Plan, from: i64, to: i64) -> Interval {
    let start = starts(plan, from);
    Interval::starting(start, starts(plan, to.max(from)).since(start))
}

/// Shows `each` the units from `from` up to `to` with their events, in order: those with data, and
/// the silent ones too where silence can count. Goes on while it is told to.
pub(super) fn walk<H: History>(
    plan: &Plan,
    history: &H,
    from: i64,
    to: i64,
    mut each: impl FnMut(i64, Tally) -> ControlFlow<()>,
) -> Result<(), H::Error> {
    let mut at = from;
    while at < to {
        let next = to.min(at + stride(plan));
        for (unit, events) in units(plan, history, at, next)? {
            if plan.fills_silence() {
                for silent in at..unit {
                    if each(silent, Tally::EMPTY).is_break() {
                        return Ok(());
                    }
                }
            }
            if each(unit, events).is_break() {
                return Ok(());
            }
            at = unit + 1;
        }
        if plan.fills_silence() {
            for silent in at..next {
                if each(silent, Tally::EMPTY).is_break() {
                    return Ok(());
                }
            }
        }
        at = next;
    }
    Ok(())
}

/// What lies in `interval`, which ends where a unit does: events, and units as they count.
pub(super) fn sums<H: History>(
    plan: &Plan,
    history: &H,
    interval: Interval,
) -> Result<(Tally, Sum), H::Error> {
    let mut sum = Sum::empty(plan.kind);
    let (from, to) = (first_unit(plan, interval.start()), first_unit(plan, interval.end()));
    let mut events = Tally::EMPTY;
    // The slots before the first whole unit count as events, and in no unit.
    let head = Interval::starting(interval.start(), starts(plan, from).since(interval.start()));
    if let Some(head) = head.intersect(interval) {
        events = slots(plan, history, head)?.into_iter().map(|(_, tally)| tally).sum();
    }
    walk(plan, history, from, to, |unit, tally| {
        events = events.plus(tally);
        sum.add(&Sum::of(plan.kind, plan.judged(unit, tally)));
        ControlFlow::Continue(())
    })?;
    Ok((events, sum))
}

/// The first unit that starts at or after `at`.
pub(super) fn first_unit(plan: &Plan, at: Timestamp) -> i64 {
    crate::series::slot_from(at, plan.unit).0
}

/// When `unit` starts.
pub(super) fn starts(plan: &Plan, unit: i64) -> Timestamp {
    Slot(unit).interval(plan.unit).start()
}

/// `from` without `part`, which lies in it.
pub(super) fn minus(from: Tally, part: Tally) -> Tally {
    Tally::with_undecided(
        from.valid().saturating_sub(part.valid()),
        from.good().saturating_sub(part.good()),
        from.undecided().saturating_sub(part.undecided()),
    )
    .unwrap_or(Tally::EMPTY)
}

/// Numbered tallies read ahead, given out in order.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    /// What was read, without what is empty; those before `given` are done with.
    held: Vec<(i64, Tally)>,
    given: usize,
    /// The next number to give out, and the first that was not read.
    pub(super) next: i64,
    pub(super) end: i64,
}

impl Cursor {
    /// A cursor that has read nothing yet.
    pub(super) const fn at(next: i64) -> Self {
        Self { held: Vec::new(), given: 0, next, end: next }
    }

    /// Takes in what was read of the numbers up to `end`; all before must have been given out,
    /// or be empty.
    pub(super) fn refill(&mut self, mut read: Vec<(i64, Tally)>, end: i64) {
        read.shrink_to_fit();
        (self.held, self.given, self.end) = (read, 0, end);
    }

    /// Whether nothing that was read is left to give out.
    pub(super) fn is_done(&self) -> bool {
        self.given >= self.held.len()
    }

    /// The number of the next tally that was read; `None` where none is left.
    pub(super) fn first(&self) -> Option<i64> {
        self.held.get(self.given).map(|(number, _)| *number)
    }

    /// Leaves out the next `count` numbers, none of which has a tally.
    pub(super) fn skip(&mut self, count: i64) {
        self.next += count;
        self.end = self.end.max(self.next);
    }

    /// The next number's tally.
    pub(super) fn take(&mut self) -> Tally {
        let number = self.next;
        self.next += 1;
        match self.held.get(self.given) {
            Some((held, tally)) if *held == number => {
                self.given += 1;
                *tally
            }
            _ => Tally::EMPTY,
        }
    }

    /// Adds to what is held of `number`, where it was read and not given out.
    pub(super) fn correct(&mut self, number: i64, delta: Tally) {
        if number < self.next || number >= self.end {
            return;
        }
        let rest = &self.held[self.given..];
        let place = self.given + rest.partition_point(|(held, _)| *held < number);
        match self.held.get_mut(place) {
            Some((held, tally)) if *held == number => *tally = tally.plus(delta),
            _ => self.held.insert(place, (number, delta)),
        }
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        self.held.capacity() * size_of::<(i64, Tally)>()
    }
}
