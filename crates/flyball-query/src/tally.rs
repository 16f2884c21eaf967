//! Batches in, tallies per slot out: the counting of event SLIs.
//!
//! All SLIs of a run are counted together: terms they share are evaluated once per batch, and an
//! SLI that demands one service meets only the rows of that service. Counts are integers from the
//! first row on. Memory is bounded by slots, not by events: when slots become too many, all are
//! coarsened to the next width of the ladder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::{TimestampNanosecondType, UInt32Type};
use flyball_events::TIME_COLUMN;
use flyball_model::{Duration, EventSli, GoodOrBad, Slice, Slot, Tally, Timestamp};

use crate::error::{PredicateError, QueryError};
use crate::names::near_matches;
use crate::predicate::{Answers, PredicateId, PredicateSet};
use crate::truth::{Truth, words};

mod slices;
mod slots;

use slices::{SliceCodes, slice_codes};
use slots::SlotCounts;
pub use slots::SlotLadder;

/// The attribute by which events are routed to SLIs.
const ROUTE: &str = "service.name";
/// Slots kept over all SLIs and slices: about 64 MB.
const SLOTS_MAX: usize = 2_000_000;

/// Names of services kept to be shown.
const SERVICES_KEPT: usize = 8;

/// What to count and how finely.
#[derive(Debug, Clone)]
pub struct TallyOptions {
    /// Events before this are left out.
    pub from: Option<Timestamp>,
    /// Events at or after this are left out.
    pub to: Option<Timestamp>,
    /// The slot widths to use, the finest first.
    pub ladder: SlotLadder,
}

/// The tallies of one SLI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measurement {
    /// All events of the SLI, by slot, in order; slots without valid events are absent.
    pub total: Vec<(Slot, Tally)>,
    /// The same for each slice, sorted by its values; the overflow last.
    pub slices: Vec<(Slice, Vec<(Slot, Tally)>)>,
    /// Valid events of the slice that takes what is past the slice limit.
    pub over_slice_limit: u64,
}

/// An attribute that a predicate reads and no event has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownAttribute {
    /// Its name.
    pub attribute: String,
    /// Known names it may have been meant to be, the nearest first.
    pub near: Vec<String>,
    /// Whether it stands where a text in quotes would: compared with another attribute.
    pub is_text: bool,
    /// The SLIs that read it, by index.
    pub slis: Vec<usize>,
}

/// Counts the events of many SLIs in one pass.
#[derive(Debug)]
pub struct Tallier {
    predicates: PredicateSet,
    slis: Vec<SliCounts>,
    /// SLIs that demand one service, by its name.
    routed: HashMap<String, Vec<usize>>,
    /// SLIs that take events of any service.
    unrouted: Vec<usize>,
    options: TallyOptions,
    rung: usize,
    seen: BTreeSet<String>,
    services: BTreeSet<String>,
    outside: u64,
    after_end: u64,
}

#[derive(Debug)]
struct SliCounts {
    total: PredicateId,
    side: PredicateId,
    side_is_bad: bool,
    by: Vec<String>,
    slice_limit: usize,
    counts: SlotCounts,
    slices: Vec<SlotCounts>,
    known: HashMap<Vec<Option<String>>, usize>,
    /// The slice that takes what is past the limit, once it is reached.
    overflow: Option<usize>,
    over_slice_limit: u64,
}

/// Rows `start..end` of a batch fall into `slot`.
#[derive(Debug, Clone, Copy)]
struct Run {
    slot: Slot,
    start: usize,
    end: usize,
}

impl Tallier {
    /// Compiles the predicates of `slis`.
    ///
    /// # Errors
    ///
    /// Every predicate that cannot be used, with the index of its SLI and whether it is the
    /// `total`.
    pub fn new(
        slis: &[&EventSli],
        options: TallyOptions,
    ) -> Result<Self, Vec<(usize, SliPart, PredicateError)>> {
        let mut predicates = PredicateSet::new();
        let mut errors = Vec::new();
        let mut counts = Vec::new();
        let (mut routed, mut unrouted) = (HashMap::<String, Vec<usize>>::new(), Vec::new());
        for (at, sli) in slis.iter().enumerate() {
            let (side_text, side_is_bad) = match &sli.side {
                GoodOrBad::Good(text) => (text, false),
                GoodOrBad::Bad(text) => (text, true),
            };
            let total = predicates.add(&sli.total);
            let side = predicates.add(side_text);
            match (total, side) {
                (Ok(total), Ok(side)) => {
                    match predicates.required_value(total, ROUTE) {
                        Some(service) => routed.entry(service).or_default().push(at),
                        None => unrouted.push(at),
                    }
                    counts.push(SliCounts {
                        total,
                        side,
                        side_is_bad,
                        by: sli.by.clone(),
                        slice_limit: sli.slice_limit as usize,
                        counts: SlotCounts::default(),
                        slices: Vec::new(),
                        known: HashMap::new(),
                        overflow: None,
                        over_slice_limit: 0,
                    });
                }
                (total, side) => {
                    errors.extend(total.err().map(|error| (at, SliPart::Total, error)));
                    errors.extend(side.err().map(|error| (at, SliPart::Side, error)));
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            predicates,
            slis: counts,
            routed,
            unrouted,
            options,
            rung: 0,
            seen: BTreeSet::new(),
            services: BTreeSet::new(),
            outside: 0,
            after_end: 0,
        })
    }

    /// Every attribute that must be read for these SLIs, slices included, sorted.
    pub fn attributes(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for sli in &self.slis {
            names.extend(self.predicates.attributes(sli.total));
            names.extend(self.predicates.attributes(sli.side));
            names.extend(sli.by.iter().map(String::as_str));
        }
        if !self.routed.is_empty() {
            names.insert(ROUTE);
        }
        names.into_iter().map(str::to_owned).collect()
    }

    /// The width of the slots that are counted now.
    pub fn slot_width(&self) -> Duration {
        self.options.ladder.width(self.rung)
    }

    /// Events left out because they lie outside the asked time range, or have no time.
    pub fn outside(&self) -> u64 {
        self.outside
    }

    /// Those of [`Self::outside`] that lie at or after the end of the asked range.
    pub fn after_end(&self) -> u64 {
        self.after_end
    }

    /// Counts a batch.
    ///
    /// # Errors
    ///
    /// [`QueryError::Condition`] when a predicate yields no truth value over the batch's types;
    /// [`QueryError::TooManySlots`] past the memory bound at the widest slot.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        for field in batch.schema_ref().fields() {
            if !self.seen.contains(field.name()) {
                self.seen.insert(field.name().clone());
            }
        }
        let batch = self.inside(batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let slots = self.slots(&batch);
        if !self.unrouted.is_empty() {
            let unrouted = self.unrouted.clone();
            let ordered = if self.unrouted.len() > 4 { order_by_slot(&slots) } else { None };
            self.count_ordered(&unrouted, &batch, &slots, ordered)?;
        }
        self.count_routed(&batch, &slots)?;
        self.coarsen_if_full()
    }

    /// The tallies of each SLI, in the order they were given, at [`Self::slot_width`].
    pub fn finish(self) -> Vec<Measurement> {
        self.slis
            .into_iter()
            .map(|sli| {
                let named = |values| Slice::Of(sli.by.iter().cloned().zip(values).collect());
                let known = sli.known.into_iter().map(|(values, at)| (named(values), at));
                let mut order: Vec<(Slice, usize)> =
                    known.chain(sli.overflow.map(|at| (Slice::Overflow, at))).collect();
                order.sort();
                let mut slices: Vec<Option<SlotCounts>> =
                    sli.slices.into_iter().map(Some).collect();
                Measurement {
                    total: sli.counts.into_sorted(),
                    slices: order
                        .into_iter()
                        .filter_map(|(slice, at)| Some((slice, slices[at].take()?.into_sorted())))
                        .collect(),
                    over_slice_limit: sli.over_slice_limit,
                }
            })
            .collect()
    }

    /// Attributes that predicates or slices read and no event had; `known` are all names that the
    /// inputs offered, for near matches. Empty while no event was seen: nothing is known yet.
    pub fn unknown_attributes(&self, known: &[&str]) -> Vec<UnknownAttribute> {
        if self.seen.is_empty() {
            return Vec::new();
        }
        let mut unknown: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, sli) in self.slis.iter().enumerate() {
            let mut names: BTreeSet<&str> = self.predicates.attributes(sli.total);
            names.extend(self.predicates.attributes(sli.side));
            names.extend(sli.by.iter().map(String::as_str));
            for name in names {
                if !self.seen.contains(name) {
                    unknown.entry(name.to_owned()).or_default().push(at);
                }
            }
        }
        unknown
            .into_iter()
            .map(|(attribute, slis)| {
                let near = near_matches(&attribute, known.iter().copied())
                    .into_iter()
                    .map(str::to_owned)
                    .collect();
                let is_text = self.predicates.is_compared_with(&attribute);
                UnknownAttribute { attribute, near, is_text, slis }
            })
            .collect()
    }

    /// Predicates that could be evaluated and yet cannot mean what they say, after all batches: a
    /// text compared with an attribute that never held texts. With the SLI, by index.
    pub fn faults(&self) -> Vec<(usize, SliPart, PredicateError)> {
        let parts = |(at, sli): (usize, &SliCounts)| {
            [(at, SliPart::Total, sli.total), (at, SliPart::Side, sli.side)]
        };
        self.slis
            .iter()
            .enumerate()
            .flat_map(parts)
            .filter_map(|(at, part, id)| Some((at, part, self.predicates.fault(id)?)))
            .collect()
    }

    /// Services that events were of, the first few met, where an SLI demands one by name.
    pub fn services(&self) -> &BTreeSet<String> {
        &self.services
    }

    /// The rows with a time inside the asked range.
    fn inside(&mut self, batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
        let from = self.options.from.map_or(i64::MIN, Timestamp::nanos);
        let to = self.options.to;
        let is_inside = |nanos: i64| nanos >= from && to.is_none_or(|to| nanos < to.nanos());
        if times.null_count() == 0 && times.values().iter().all(|nanos| is_inside(*nanos)) {
            return Ok(batch.clone());
        }
        let mask = times.iter().map(|time| Some(time.is_some_and(is_inside))).collect();
        let kept = filter_record_batch(batch, &mask).map_err(|error| internal(&error))?;
        self.outside += (batch.num_rows() - kept.num_rows()) as u64;
        if let Some(to) = to {
            self.after_end +=
                times.iter().flatten().filter(|nanos| *nanos >= to.nanos()).count() as u64;
        }
        Ok(kept)
    }

    fn slots(&self, batch: &RecordBatch) -> Vec<Slot> {
        let width = self.slot_width();
        let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
        // Neighbours mostly share a slot; the range check saves a division.
        let mut slot = Slot::of(Timestamp::from_nanos(times.value(0)), width);
        let mut covered = slot.interval(width);
        times
            .values()
            .iter()
            .map(|nanos| {
                let at = Timestamp::from_nanos(*nanos);
                if !covered.contains(at) {
                    slot = Slot::of(at, width);
                    covered = slot.interval(width);
                }
                slot
            })
            .collect()
    }

    fn count_routed(&mut self, batch: &RecordBatch, slots: &[Slot]) -> Result<(), QueryError> {
        if self.routed.is_empty() {
            return Ok(());
        }
        let Some(services) =
            batch.column_by_name(ROUTE).map(AsArray::as_dictionary_opt::<UInt32Type>)
        else {
            return Ok(());
        };
        let Some(services) = services else {
            // A service name that is no text (a number, say) is met row by row.
            let all: Vec<usize> = self.routed.values().flatten().copied().collect();
            return self.count_ordered(&all, batch, slots, None);
        };
        let names = services.values().as_string::<i32>();
        let wanted: Vec<Option<Vec<usize>>> =
            names.iter().map(|name| self.routed.get(name?).cloned()).collect();
        for name in names.iter().flatten() {
            if self.services.len() >= SERVICES_KEPT {
                break;
            }
            if !self.services.contains(name) {
                self.services.insert(name.to_owned());
            }
        }
        if wanted.iter().all(Option::is_none) {
            return Ok(());
        }
        // Rows of services that nobody asks about sort last, under one key.
        let none = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let keys: Vec<u32> = (0..services.len())
            .map(|row| {
                if services.is_null(row) {
                    return none;
                }
                let key = services.keys().value(row);
                if wanted[key as usize].is_some() { key } else { none }
            })
            .collect();
        let order = order_by_key(slots, &keys, names.len() + 1);
        let (batch, slots, keys) = reorder(batch, slots, &keys, order)?;
        let mut start = 0;
        while start < keys.len() {
            let key = keys[start];
            let end = start + keys[start..].iter().take_while(|other| **other == key).count();
            if let Some(Some(slis)) = wanted.get(key as usize) {
                let slis = slis.clone();
                self.count(&slis, &batch.slice(start, end - start), &slots[start..end])?;
            }
            start = end;
        }
        Ok(())
    }

    fn count_ordered(
        &mut self,
        slis: &[usize],
        batch: &RecordBatch,
        slots: &[Slot],
        order: Option<Vec<u32>>,
    ) -> Result<(), QueryError> {
        let (batch, slots, _) = reorder(batch, slots, &[], order)?;
        self.count(slis, &batch, &slots)
    }

    /// Counts rows of one batch for some SLIs.
    fn count(
        &mut self,
        slis: &[usize],
        batch: &RecordBatch,
        slots: &[Slot],
    ) -> Result<(), QueryError> {
        let runs = runs(slots);
        let mut answers = self.predicates.answers();
        let mut codes: HashMap<Vec<String>, SliceCodes> = HashMap::new();
        for at in slis {
            let Self { predicates, slis, .. } = self;
            let sli = &mut slis[*at];
            let located = |(part, error)| match error {
                QueryError::Predicate { predicate, message } => {
                    let error = PredicateError::of_term(&predicate, &message);
                    QueryError::Condition { sli: *at, part, error }
                }
                other => other,
            };
            let bits = EventBits::of(sli, predicates, batch, &mut answers).map_err(located)?;
            let Some(bits) = bits else { continue };
            for run in &runs {
                sli.counts.add(run.slot, bits.tally(run.start, run.end));
            }
            if !sli.by.is_empty() {
                let codes =
                    codes.entry(sli.by.clone()).or_insert_with(|| slice_codes(batch, &sli.by));
                sli.count_slices(&bits, &runs, codes);
            }
        }
        Ok(())
    }

    fn coarsen_if_full(&mut self) -> Result<(), QueryError> {
        loop {
            let slots: usize = self.slis.iter().map(SliCounts::slots).sum();
            if slots <= SLOTS_MAX {
                return Ok(());
            }
            if self.rung + 1 >= self.options.ladder.len() {
                return Err(QueryError::TooManySlots {
                    limit: SLOTS_MAX,
                    width: self.slot_width(),
                });
            }
            let from = self.slot_width();
            self.rung += 1;
            let factor = self.slot_width().nanos() / from.nanos();
            for sli in &mut self.slis {
                sli.counts.coarsen(factor);
                for slice in &mut sli.slices {
                    slice.coarsen(factor);
                }
            }
        }
    }
}

/// Which predicate of an SLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SliPart {
    /// The one that says which events count.
    Total,
    /// The one that says which of them are good, or bad.
    Side,
}

/// Which rows of a batch are valid and which of those are good, for one SLI.
struct EventBits {
    total: Rc<Truth>,
    side: Rc<Truth>,
    side_is_bad: bool,
}

impl EventBits {
    /// `None` when no row is valid.
    fn of(
        sli: &SliCounts,
        predicates: &mut PredicateSet,
        batch: &RecordBatch,
        answers: &mut Answers,
    ) -> Result<Option<Self>, (SliPart, QueryError)> {
        let mut evaluate =
            |part, id| predicates.evaluate(id, batch, answers).map_err(|error| (part, error));
        let total = evaluate(SliPart::Total, sli.total)?;
        if total.yes.iter().all(|word| *word == 0) {
            return Ok(None);
        }
        let side = evaluate(SliPart::Side, sli.side)?;
        Ok(Some(Self { total, side, side_is_bad: sli.side_is_bad }))
    }

    /// The valid, good and undecided rows among those that `mask` selects of a word.
    #[inline]
    fn word(&self, at: usize, mask: u64) -> [u64; 3] {
        let valid = self.total.yes[at] & mask;
        let (yes, no) = (self.side.yes[at], self.side.no[at]);
        let good = if self.side_is_bad { no } else { yes };
        [valid, valid & good, valid & !(yes | no)]
    }

    fn tally(&self, start: usize, end: usize) -> Tally {
        let mut sums = [0; 3];
        for (at, mask) in words(start, end) {
            for (sum, bits) in sums.iter_mut().zip(self.word(at, mask)) {
                *sum += u64::from(bits.count_ones());
            }
        }
        let [valid, good, undecided] = sums;
        Tally::with_undecided(valid, good, undecided).unwrap_or_default()
    }
}

impl SliCounts {
    fn slots(&self) -> usize {
        self.counts.len() + self.slices.iter().map(SlotCounts::len).sum::<usize>()
    }

    fn count_slices(&mut self, bits: &EventBits, runs: &[Run], codes: &SliceCodes) {
        // Local codes become slices of this SLI when they are first met with a valid event.
        let mut slices: Vec<Option<usize>> = vec![None; codes.values.len()];
        let mut sums = vec![Tally::EMPTY; codes.values.len()];
        let mut met = Vec::new();
        for run in runs {
            for row in run.start..run.end {
                let tally = bits.tally(row, row + 1);
                if tally.is_empty() {
                    continue;
                }
                let code = codes.rows[row] as usize;
                if sums[code].is_empty() {
                    met.push(code);
                }
                sums[code] = sums[code].plus(tally);
            }
            for code in met.drain(..) {
                let tally = std::mem::take(&mut sums[code]);
                let slice = match slices[code] {
                    Some(slice) => slice,
                    None => *slices[code].insert(self.slice(&codes.values[code])),
                };
                if self.overflow == Some(slice) {
                    self.over_slice_limit += tally.valid();
                }
                self.slices[slice].add(run.slot, tally);
            }
        }
    }

    /// The slice with these values; the overflow once the limit is reached.
    fn slice(&mut self, values: &[Option<String>]) -> usize {
        if let Some(slice) = self.known.get(values) {
            return *slice;
        }
        if self.known.len() < self.slice_limit {
            let slice = self.new_slice();
            self.known.insert(values.to_vec(), slice);
            return slice;
        }
        let overflow = self.overflow.unwrap_or_else(|| self.new_slice());
        self.overflow = Some(overflow);
        overflow
    }

    fn new_slice(&mut self) -> usize {
        self.slices.push(SlotCounts::default());
        self.slices.len() - 1
    }
}

/// Stretches of neighbouring rows in the same slot.
fn runs(slots: &[Slot]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (row, slot) in slots.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.slot == *slot => run.end = row + 1,
            _ => runs.push(Run { slot: *slot, start: row, end: row + 1 }),
        }
    }
    runs
}

/// The order of rows by slot; `None` when they are in that order already.
fn order_by_slot(slots: &[Slot]) -> Option<Vec<u32>> {
    if slots.is_sorted() {
        return None;
    }
    let mut order: Vec<u32> = (0..u32::try_from(slots.len()).ok()?).collect();
    order.sort_by_key(|row| slots[*row as usize]);
    Some(order)
}

/// The order of rows by key, each below `keys_len`, and then slot; `None` when they are in that
/// order already.
fn order_by_key(slots: &[Slot], keys: &[u32], keys_len: usize) -> Option<Vec<u32>> {
    // There are few keys, and rows mostly come in the order of their slots: count, then place.
    let mut starts = vec![0; keys_len + 1];
    for key in keys {
        starts[*key as usize + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut order = vec![0; keys.len()];
    for (key, row) in keys.iter().zip(0..) {
        let at = &mut next[*key as usize];
        order[*at] = row;
        *at += 1;
    }
    let slot = |row: &u32| slots[*row as usize];
    for range in starts.windows(2) {
        let rows = &mut order[range[0]..range[1]];
        if !rows.is_sorted_by_key(slot) {
            rows.sort_by_key(slot);
        }
    }
    (!order.is_sorted()).then_some(order)
}

type Reordered = (RecordBatch, Vec<Slot>, Vec<u32>);

fn reorder(
    batch: &RecordBatch,
    slots: &[Slot],
    keys: &[u32],
    order: Option<Vec<u32>>,
) -> Result<Reordered, QueryError> {
    let Some(order) = order else {
        return Ok((batch.clone(), slots.to_vec(), keys.to_vec()));
    };
    let slots = order.iter().map(|row| slots[*row as usize]).collect();
    let keys = if keys.is_empty() {
        Vec::new()
    } else {
        order.iter().map(|row| keys[*row as usize]).collect()
    };
    let batch =
        take_record_batch(batch, &UInt32Array::from(order)).map_err(|error| internal(&error))?;
    Ok((batch, slots, keys))
}

fn internal(error: &dyn std::fmt::Display) -> QueryError {
    QueryError::Predicate { predicate: TIME_COLUMN.to_owned(), message: error.to_string() }
}

#[cfg(test)]
mod tests;
