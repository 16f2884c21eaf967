//! The running sums of one objective.

use std::collections::VecDeque;

use flyball_model::{Interval, Slot, Tally, Timestamp, Window};

use super::read::{
    Cursor, chunk, first_unit, minus, scattered, slots, starts, stride, sums, units,
};
use super::{History, LiveError, Plan};
use crate::alert::Watch;
use crate::series::slot_from;
use crate::sum::Sum;
use crate::window::window_at;

/// How many of the latest units are held: an hour of slots of 10 s.
///
/// Lookbacks up to this long never read the ledger.
const RECENT: i64 = 360;

/// One stretch of time that ends now.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    /// The calendar period that it began with; `None` for what moves on with time.
    pub(super) period: Option<Interval>,
    pub(super) start: Timestamp,
    pub(super) events: Tally,
    pub(super) units: Sum,
    /// The units that leave.
    leaving: Cursor,
    /// The slots that leave, where units do not start where the stretch does.
    ragged: Option<Cursor>,
}

impl Stretch {
    fn heap_bytes(&self) -> usize {
        self.leaving.heap_bytes() + self.ragged.as_ref().map_or(0, Cursor::heap_bytes)
    }
}

/// What came since a rule let go, while its lookback reaches further back.
#[derive(Debug, Clone)]
pub(super) struct Fresh {
    from: Timestamp,
    pub(super) events: Tally,
    pub(super) units: Sum,
}

/// The latest units as their events, and some that are still to come.
#[derive(Debug, Clone)]
struct Recent {
    /// Known from this unit on, up to `end`.
    from: i64,
    end: i64,
    /// Those with data, in order.
    units: VecDeque<(i64, Tally)>,
}

impl Recent {
    fn place(&self, unit: i64) -> usize {
        // Nearly always the last one, or behind it: a search would touch memory all over.
        let last = self.units.len().saturating_sub(1);
        match self.units.back() {
            Some((known, _)) if *known == unit => return last,
            Some((known, _)) if *known > unit => {}
            _ => return self.units.len(),
        }
        self.units.partition_point(|(known, _)| *known < unit)
    }

    fn get(&self, unit: i64) -> Tally {
        match self.units.get(self.place(unit)) {
            Some((known, tally)) if *known == unit => *tally,
            _ => Tally::EMPTY,
        }
    }

    fn range(&self, from: i64, to: i64) -> Vec<(i64, Tally)> {
        self.units.range(self.place(from)..self.place(to)).copied().collect()
    }

    /// The first unit from `unit` on that has data; where none is known to have, the end of what is known.
    fn next(&self, unit: i64) -> i64 {
        self.units.get(self.place(unit)).map_or(self.end, |(known, _)| *known)
    }

    fn correct(&mut self, unit: i64, delta: Tally) {
        if unit < self.from || unit >= self.end {
            return;
        }
        let place = self.place(unit);
        match self.units.get_mut(place) {
            Some((known, tally)) if *known == unit => *tally = tally.plus(delta),
            _ => self.units.insert(place, (unit, delta)),
        }
    }

    fn forget_before(&mut self, unit: i64) {
        self.from = self.from.max(unit);
        while self.units.front().is_some_and(|(known, _)| *known < unit) {
            self.units.pop_front();
        }
    }
}

/// Running sums over the window and every lookback, all ending at one unit's start.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// The first unit that has not entered.
    end: i64,
    /// The window, then the plan's lengths.
    stretches: Vec<Stretch>,
    recent: Recent,
    /// By rule.
    fresh: Vec<Option<Fresh>>,
}

impl Sums {
    /// The sums at `at`, from the ledger.
    pub(super) fn new<H: History>(
        plan: &Plan,
        at: Timestamp,
        watches: &[Watch],
        history: &H,
    ) -> Result<Self, LiveError<H::Error>> {
        let end = Slot::of(at, plan.unit).0;
        let now = starts(plan, end);
        let mut stretches = Vec::with_capacity(1 + plan.lengths.len());
        let window = window_at(&plan.window, now)?;
        let period = matches!(plan.window, Window::Calendar(_)).then_some(window.full);
        let starting = [(window.elapsed.start(), period)];
        let lookbacks = plan.lengths.iter().map(|length| (now.minus(*length), None));
        for (start, period) in starting.into_iter().chain(lookbacks) {
            let (events, units) = over(plan, history, start, now)?;
            let first = first_unit(plan, start);
            let is_ragged = starts(plan, first) != start;
            let ragged = is_ragged.then(|| Cursor::at(slot_from(start, plan.slot).0));
            let leaving = Cursor::at(first);
            stretches.push(Stretch { period, start, events, units, leaving, ragged });
        }
        let recent = Recent { from: end, end, units: VecDeque::new() };
        let mut sums = Self { end, stretches, recent, fresh: Vec::new() };
        for (watch, rule) in watches.iter().zip(&plan.rules) {
            let from = watch.let_go().filter(|let_go| {
                rule.long.is_some_and(|long| *let_go > sums.stretches[1 + long].start)
            });
            let fresh = match from {
                None => None,
                Some(from) => {
                    let (events, units) = over(plan, history, from, now)?;
                    Some(Fresh { from, events, units })
                }
            };
            sums.fresh.push(fresh);
        }
        Ok(sums)
    }

    /// The first unit that has not entered.
    pub(super) const fn end(&self) -> i64 {
        self.end
    }

    /// The SLO's window.
    pub(super) fn window(&self) -> &Stretch {
        &self.stretches[0]
    }

    /// The stretch of one of the plan's lengths; `None` is the window.
    pub(super) fn stretch(&self, length: Option<usize>) -> &Stretch {
        &self.stretches[length.map_or(0, |length| 1 + length)]
    }

    /// What came since a rule let go; `None` where that is all of its lookback.
    pub(super) fn fresh(&self, rule: usize) -> Option<&Fresh> {
        self.fresh[rule].as_ref()
    }

    /// Counts anew for a rule that has let go.
    pub(super) fn let_go(&mut self, plan: &Plan, rule: usize) {
        let from = starts(plan, self.end);
        let (events, units) = (Tally::EMPTY, Sum::empty(plan.kind));
        self.fresh[rule] = plan.rules[rule].long.map(|_| Fresh { from, events, units });
    }

    /// Moves on by one unit. What can fail comes first, so that an error changes no sum.
    pub(super) fn step<H: History>(
        &mut self,
        plan: &Plan,
        history: &H,
    ) -> Result<(), LiveError<H::Error>> {
        let (unit, to) = (self.end, self.end + 1);
        let now = starts(plan, to);
        if unit >= self.recent.end {
            let end = unit + chunk(plan);
            let read = units(plan, history, unit, end).map_err(LiveError::History)?;
            self.recent.units.extend(read);
            self.recent.end = end;
        }
        self.read_ahead(plan, to, history).map_err(LiveError::History)?;
        let window = &mut self.stretches[0];
        let next_period = match window.period {
            // The window is the period that holds the last instant before now.
            Some(period) if now > period.end() => {
                let period = window_at(&plan.window, now)?.full;
                let sums = over(plan, history, period.start(), now)?;
                Some((period, sums))
            }
            _ => None,
        };
        let events = self.recent.get(unit);
        let units = Sum::of(plan.kind, plan.judged(unit, events));
        for stretch in &mut self.stretches {
            stretch.events = stretch.events.plus(events);
            stretch.units.add(&units);
            if stretch.period.is_none() {
                leave(plan, stretch);
            }
        }
        if let Some((period, (events, units))) = next_period {
            let window = &mut self.stretches[0];
            (window.period, window.start) = (Some(period), period.start());
            (window.events, window.units) = (events, units);
        }
        for known in self.fresh.iter_mut().flatten() {
            known.events = known.events.plus(events);
            known.units.add(&units);
        }
        self.forget_fresh(plan);
        self.end = to;
        self.recent.forget_before(to - RECENT);
        Ok(())
    }

    /// Forgets what came since rules let go where that is all of their lookbacks.
    fn forget_fresh(&mut self, plan: &Plan) {
        for (fresh, rule) in self.fresh.iter_mut().zip(&plan.rules) {
            let Some(known) = fresh else { continue };
            if rule.long.is_none_or(|long| self.stretches[1 + long].start >= known.from) {
                *fresh = None;
            }
        }
    }

    /// Moves on over units that change no sum, as far as that is known and before `end`: none enters with data or leaves with
    /// it, and no period ends. Reads on where nothing was found, twice as far each time. `false` where not even one
    /// was passed.
    pub(super) fn leap<H: History>(
        &mut self,
        plan: &Plan,
        end: i64,
        history: &H,
    ) -> Result<bool, H::Error> {
        let is_ragged = self.stretches.iter().any(|stretch| stretch.ragged.is_some());
        if is_ragged || plan.fills_silence() {
            return Ok(false);
        }
        let mut to = end;
        if let Some(period) = self.window().period {
            to = to.min(Slot::of(period.end(), plan.unit).0);
        }
        let mut each = chunk(plan);
        while self.recent.end < to && self.recent.next(self.end) == self.recent.end {
            let read = to.min(self.recent.end + each);
            self.recent.units.extend(units(plan, history, self.recent.end, read)?);
            self.recent.end = read;
            each = (2 * each).min(stride(plan));
        }
        to = to.min(self.recent.next(self.end));
        if to <= self.end {
            return Ok(false);
        }
        for stretch in self.stretches.iter_mut().filter(|stretch| stretch.period.is_none()) {
            let leaving = &mut stretch.leaving;
            let mut each = chunk(plan);
            // What is held goes no further than what has entered; behind that nothing will have.
            while leaving.is_done()
                && leaving.end < self.end
                && leaving.end - leaving.next < to - self.end
            {
                let read = self.end.min(leaving.end + each);
                let found = if leaving.end >= self.recent.from {
                    self.recent.range(leaving.end, read)
                } else {
                    units(plan, history, leaving.end, read)?
                };
                leaving.refill(found, read);
                each = (2 * each).min(stride(plan));
            }
            let quiet = match leaving.first() {
                Some(first) => first - leaving.next,
                None if leaving.end >= self.end => to - self.end,
                None => leaving.end - leaving.next,
            };
            to = to.min(self.end + quiet);
        }
        let passed = to - self.end;
        if passed <= 0 {
            return Ok(false);
        }
        self.end = to;
        for stretch in self.stretches.iter_mut().filter(|stretch| stretch.period.is_none()) {
            stretch.leaving.skip(passed);
            stretch.start = starts(plan, stretch.leaving.next);
        }
        self.forget_fresh(plan);
        self.recent.forget_before(to - RECENT);
        Ok(true)
    }

    /// Reads what leaves next, where it is not held; up to the unit `to`.
    fn read_ahead<H: History>(
        &mut self,
        plan: &Plan,
        to: i64,
        history: &H,
    ) -> Result<(), H::Error> {
        for stretch in self.stretches.iter_mut().filter(|stretch| stretch.period.is_none()) {
            let leaving = &mut stretch.leaving;
            if leaving.next >= leaving.end {
                let end = to.min(leaving.next + chunk(plan));
                let read = if leaving.next >= self.recent.from {
                    self.recent.range(leaving.next, end)
                } else {
                    units(plan, history, leaving.next, end)?
                };
                leaving.refill(read, end);
            }
            if let Some(ragged) = stretch.ragged.as_mut().filter(|ragged| ragged.next >= ragged.end)
            {
                // Whole steps, so that none begins in one read and ends in the next.
                let each = plan.slots_each;
                let held = (to * each - ragged.next).min(chunk(plan) * each) / each * each;
                let start = |slot: i64| Slot(slot).interval(plan.slot).start();
                let from = start(ragged.next);
                let length = start(ragged.next + held).since(from);
                let read = slots(plan, history, Interval::starting(from, length))?;
                let read = read.into_iter().map(|(slot, tally)| (slot.0, tally)).collect();
                ragged.refill(read, ragged.next + held);
            }
        }
        Ok(())
    }

    /// Takes in what slots gained; nothing on an error.
    pub(super) fn record<H: History>(
        &mut self,
        plan: &Plan,
        added: &[(Slot, Tally)],
        history: &H,
    ) -> Result<(), H::Error> {
        // What has not entered yet concerns no sum, so it waits for those that can fail.
        let waits = |(slot, _): &&(Slot, Tally)| plan.unit_of(*slot) >= self.end;
        let corrected = |(slot, tally): &(Slot, Tally)| {
            (plan.unit_of(*slot), *slot, plan.corrected(*slot, *tally))
        };
        let mut late: Vec<(i64, Slot, Tally)> = added
            .iter()
            .filter(|added| !waits(added))
            .map(corrected)
            .filter(|(_, _, tally)| !tally.is_empty())
            .collect();
        late.sort_unstable_by_key(|(unit, slot, _)| (*unit, *slot));
        let earliest = self.stretches.iter().map(|stretch| stretch.start).min();
        let earliest = earliest.map_or(i64::MIN, |start| Slot::of(start, plan.unit).0);
        let mut changes = Vec::new();
        let is_read = |unit: i64| earliest <= unit && unit < self.recent.from;
        let touched = late.iter().map(|(unit, ..)| *unit).filter(|unit| is_read(*unit));
        // The ledger holds what was gained already.
        let read = scattered(plan, history, touched)?;
        for slots in late.chunk_by(|a, b| a.0 == b.0) {
            let (unit, gained) = (slots[0].0, slots.iter().map(|(_, _, tally)| *tally).sum());
            if unit < earliest {
                continue;
            }
            let (before, after) = if is_read(unit) {
                let place = read.binary_search_by_key(&unit, |(known, _)| *known);
                let after = place.map_or(Tally::EMPTY, |place| read[place].1);
                (minus(after, gained), after)
            } else {
                let before = self.recent.get(unit);
                (before, before.plus(gained))
            };
            let sum = |events| Sum::of(plan.kind, plan.judged(unit, events));
            changes.push((slots, sum(before), sum(after)));
        }
        for (slots, before, after) in changes {
            for stretch in &mut self.stretches {
                let gained = &mut stretch.events;
                correct((gained, &mut stretch.units), plan, stretch.start, slots, &before, &after);
            }
            for fresh in self.fresh.iter_mut().flatten() {
                let sums = (&mut fresh.events, &mut fresh.units);
                correct(sums, plan, fresh.from, slots, &before, &after);
            }
        }
        for (unit, _, gained) in added.iter().filter(waits).map(corrected) {
            if !gained.is_empty() {
                self.recent.correct(unit, gained);
            }
        }
        for (unit, slot, gained) in &late {
            self.recent.correct(*unit, *gained);
            for stretch in &mut self.stretches {
                stretch.leaving.correct(*unit, *gained);
                if let Some(ragged) = &mut stretch.ragged {
                    ragged.correct(slot.0, *gained);
                }
            }
        }
        Ok(())
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.stretches.capacity() * size_of::<Stretch>()
            + self.stretches.iter().map(Stretch::heap_bytes).sum::<usize>()
            + self.recent.units.capacity() * size_of::<(i64, Tally)>()
            + self.fresh.capacity() * size_of::<Option<Fresh>>()
    }
}

/// What the ledger holds from `start` up to `now`, where a unit starts.
fn over<H: History>(
    plan: &Plan,
    history: &H,
    start: Timestamp,
    now: Timestamp,
) -> Result<(Tally, Sum), LiveError<H::Error>> {
    let interval = Interval::starting(start, now.since(start));
    sums(plan, history, interval).map_err(LiveError::History)
}

/// Takes the oldest unit out of a stretch that moves on by one.
fn leave(plan: &Plan, stretch: &mut Stretch) {
    let unit = stretch.leaving.next;
    let events = stretch.leaving.take();
    stretch.units.subtract(&Sum::of(plan.kind, plan.judged(unit, events)));
    let left = match &mut stretch.ragged {
        None => events,
        Some(ragged) => (0..plan.slots_each).map(|_| ragged.take()).sum(),
    };
    stretch.events = minus(stretch.events, left);
    stretch.start = stretch.start.plus(plan.unit);
}

/// Corrects sums from `start` on for what the slots of one unit gained.
fn correct(
    (events, units): (&mut Tally, &mut Sum),
    plan: &Plan,
    start: Timestamp,
    slots: &[(i64, Slot, Tally)],
    before: &Sum,
    after: &Sum,
) {
    for (_, slot, gained) in slots {
        if slot.interval(plan.slot).start() >= start {
            *events = events.plus(*gained);
        }
    }
    if slots.first().is_some_and(|(unit, ..)| starts(plan, *unit) >= start) {
        units.subtract(before);
        units.add(after);
    }
}
