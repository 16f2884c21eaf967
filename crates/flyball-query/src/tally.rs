//! Batches in, tallies per slot out: the counting of event SLIs.
//!
//! All SLIs of a run are counted together: terms they share are evaluated once per batch, and an
//! SLI that demands one service meets only the rows of that service. Counts are integers from the
//! first row on. Memory is bounded by slots, not by events: when slots become too many, all are
//! coarsened to the next width of the ladder.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{TimestampNanosecondType, UInt32Type};
use flyball_events::TIME_COLUMN;
use flyball_model::{Duration, EventSli, GoodOrBad, Slice, Slot, Tally, Timestamp};

use crate::error::{PredicateError, QueryError};
use crate::names::near_matches;
use crate::predicate::PredicateSet;

mod order;
mod sli;
mod slices;
mod slots;

use order::{order_by_key, order_by_slot, reorder, runs};
use sli::{EventBits, SliCounts};
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

/// What a slice of one SLI has gained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gained {
    /// The SLI, by index.
    pub sli: usize,
    /// The slice; `None` for all events of the SLI.
    pub slice: Option<Slice>,
    /// The slots with valid events, in order, each once.
    pub slots: Vec<(Slot, Tally)>,
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

    /// Sets the range that events must lie in from the next batch on: `from` up to, without, `to`.
    pub fn set_range(&mut self, from: Timestamp, to: Timestamp) {
        (self.options.from, self.options.to) = (Some(from), Some(to));
    }

    /// Slots that hold counts, over all SLIs and slices.
    pub fn slots_held(&self) -> usize {
        self.slis.iter().map(SliCounts::slots).sum()
    }

    /// Makes `slice` known as one that SLI `sli` has met, without counting anything; one that is
    /// known already stays as it is. For counting that goes on where an earlier run ended: the
    /// slice limit then holds over both.
    pub fn know(&mut self, sli: usize, slice: &Slice) {
        self.slis[sli].know(slice);
    }

    /// Takes what was counted since the last call; what was learnt (slices, predicates) is kept.
    pub fn drain(&mut self) -> Vec<Gained> {
        let slis = self.slis.iter_mut().enumerate();
        slis.flat_map(|(at, counts)| counts.drain(at)).collect()
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

    /// Attributes that the conditions of an SLI read and no event had; empty while no event was seen.
    pub fn unseen(&self, sli: usize) -> Vec<String> {
        let Some(sli) = self.slis.get(sli).filter(|_| !self.seen.is_empty()) else {
            return Vec::new();
        };
        let mut names = self.predicates.attributes(sli.total);
        names.extend(self.predicates.attributes(sli.side));
        names.into_iter().filter(|name| !self.seen.contains(*name)).map(str::to_owned).collect()
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

    /// The service that all events of an SLI must be of; `None` where it does not say so, or where there
    /// is no such SLI.
    pub fn required_service(&self, sli: usize) -> Option<String> {
        self.predicates.required_value(self.slis.get(sli)?.total, ROUTE)
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
        let (batch, slots, keys) =
            reorder(batch, slots, &keys, order).map_err(|error| internal(&error))?;
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
        let (batch, slots, _) =
            reorder(batch, slots, &[], order).map_err(|error| internal(&error))?;
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
            if self.slots_held() <= SLOTS_MAX {
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

fn internal(error: &dyn std::fmt::Display) -> QueryError {
    QueryError::Predicate { predicate: TIME_COLUMN.to_owned(), message: error.to_string() }
}

#[cfg(test)]
mod tests;
