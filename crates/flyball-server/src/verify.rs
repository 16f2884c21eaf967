//! Counts stored events again and compares the ledger with that, slot by slot.
//!
//! What is counted again: the events of segments and of the journal behind them, up to the ledger's
//! position, for every generation that serves. Conditions are those of the documents; a generation
//! that they do not have is not compared, nor are indicators that are counted from metrics, of which
//! only increases are kept. Memory is bounded by the tallies of a day and of the journal's tail.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use flyball_catalog::{Catalog, Counted, CountedBy};
use flyball_model::{Duration, Interval, Slice, Slot, Tally, Timestamp};
use flyball_query::QueryError;
use flyball_segment::{SegmentError, View};
use flyball_store::{
    Generation, GenerationState, Journal, Ledger, LedgerSnapshot, Sequence, SliceId, Store,
    StoreError,
};

use crate::evaluator::{Kept, Progress, Recount, coded, hash_again, within};
use crate::limits::Limits;
use crate::stored;

/// Differences that are told one by one; further ones are counted.
const DIFFERENCES_MAX: usize = 1_000;
/// What is compared at once.
const DAY: Duration = Duration::from_days(1);

/// What comparing has found.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Verified {
    /// The last journal entry that the ledger counts, up to which was compared.
    pub position: u64,
    /// SLOs of which something was compared.
    pub slos: Vec<String>,
    /// Slots that were compared: those with events in the ledger or in what was stored.
    pub slots: u64,
    /// Slots that differ.
    pub differing: u64,
    /// The first thousand of them.
    pub differences: Vec<Difference>,
    /// What could not be compared, with the reason.
    pub not_compared: Vec<NotCompared>,
}

/// A slot in which the ledger is not what stored events say.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Difference {
    /// The SLO.
    pub slo: String,
    /// Its indicator, from 0.
    pub indicator: usize,
    /// The slice's label; `None` for the whole.
    pub slice: Option<String>,
    /// When the slot begins.
    pub at: Timestamp,
    /// What the ledger holds.
    pub ledger: Tally,
    /// What stored events say.
    pub stored: Tally,
}

/// Something that could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NotCompared {
    /// The SLO.
    pub slo: String,
    /// Why, and since when it can be.
    pub reason: String,
}

/// A data directory that cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored events are at fault.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A condition that cannot be used.
    #[error("{0}")]
    Condition(String),
    /// A condition that failed on events.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// The tallies of slices by slot.
type Counts = HashMap<(flyball_store::GenerationId, usize, Option<Slice>), BTreeMap<Slot, Tally>>;

/// Verifies the ledger in the data directory `data`, which nobody has open, under the documents of
/// `catalog`. `limits` are those that the server ran with: which events were too late depends on
/// them.
///
/// # Errors
///
/// [`VerifyError`]; differences are no error.
pub fn verify(data: &Path, catalog: &Catalog, limits: &Limits) -> Result<Verified, VerifyError> {
    let Store { journal, mut ledger, .. } = Store::open(data, limits.journal())?;
    let view = stored::open(data, &journal)?.segments().view();
    let snapshot = ledger.snapshot()?;
    let position = snapshot.position();
    let mut verified = Verified { position: position.0, ..Verified::default() };
    let mut groups: BTreeMap<Sequence, Vec<(Counted, Generation)>> = BTreeMap::new();
    for generation in snapshot.generations()? {
        if generation.state != GenerationState::Live {
            continue;
        }
        let mut refuse = |reason: String| {
            verified.not_compared.push(NotCompared { slo: generation.slo.clone(), reason });
        };
        let Some(definition) = definition(catalog, &generation) else {
            refuse("the documents do not have the definition that it is counted by".to_owned());
            continue;
        };
        let is_metric = |by: &&CountedBy| matches!(by, CountedBy::Metric(_));
        let metrics = definition.indicators.iter().filter(is_metric).count();
        if metrics > 0 {
            refuse(format!("{metrics} of its indicators are counted from metrics"));
        }
        if metrics == definition.indicators.len() {
            continue;
        }
        let progress = Progress::read(&snapshot, &generation)?;
        let after = if progress.is_some() { Sequence::NONE } else { generation.since };
        if generation.since.0 < view.after() {
            let from = view.after() + 1;
            refuse(format!("events of entries before {from} were never stored"));
            continue;
        }
        verified.slos.push(generation.slo.clone());
        groups.entry(after).or_default().push((definition.clone(), generation));
    }
    for (after, counted) in groups {
        let kept = Kept::read(&snapshot, &counted)?;
        let recount = Recount::new(&counted, 1, kept, (Timestamp::MIN, false));
        let mut group = Group {
            snapshot: &snapshot,
            view: &view,
            recount: recount.map_err(VerifyError::Condition)?,
            names: counted.iter().map(|(_, g)| (g.id, g.slo.clone())).collect(),
            range: (after, position),
        };
        group.compare(&journal, limits, &mut verified)?;
    }
    Ok(verified)
}

/// What `generation` is counted by.
fn definition<'a>(catalog: &'a Catalog, generation: &Generation) -> Option<&'a Counted> {
    let definition = catalog.counted.iter().find(|counted| counted.slo.name == generation.slo)?;
    let mut hash = definition.generation;
    // As often as it was given again; nobody does that a thousand times.
    for _ in 0..1_000 {
        if hash == generation.hash {
            return Some(definition);
        }
        hash = hash_again(hash);
    }
    None
}

/// Generations whose events came with the same entries.
struct Group<'a> {
    snapshot: &'a LedgerSnapshot<'a>,
    view: &'a View,
    recount: Recount,
    names: HashMap<flyball_store::GenerationId, String>,
    /// The entries: behind the first, up to the second.
    range: (Sequence, Sequence),
}

impl Group<'_> {
    fn compare(
        &mut self,
        journal: &Journal,
        limits: &Limits,
        verified: &mut Verified,
    ) -> Result<(), VerifyError> {
        let mut tail = self.tail(journal, limits)?;
        let hours = self.view.hours();
        let times = tail.values().flat_map(BTreeMap::keys).map(|slot| start(*slot));
        let ends = hours.iter().map(|hour| hour.start());
        let all: Vec<Timestamp> = times.chain(ends).collect();
        let first = all.iter().min().map_or(Timestamp::MIN, |at| at.floor(DAY));
        let last = all.iter().max().map_or(Timestamp::MIN, |at| at.floor(DAY).plus(DAY));
        // What was deleted by age or size cannot be counted again.
        let kept_from = self.view.kept_from().map_or(Timestamp::MIN, flyball_segment::Hour::start);
        let mut from = Timestamp::MIN;
        let mut to = first;
        loop {
            let kept = from.max(kept_from);
            if kept < to
                && let Ok(interval) = Interval::new(kept, to)
            {
                let mut counts = Counts::new();
                let columns = columns(&self.recount);
                for hour in hours.iter().filter(|hour| interval.contains(hour.start())) {
                    for batch in self.view.read(*hour, columns.as_deref()) {
                        let batch = coded(&within(&batch?, self.range)?)?;
                        self.count(&batch, (Timestamp::MIN, Timestamp::MAX), &mut counts)?;
                    }
                }
                for (key, slots) in &mut tail {
                    let inside = |slot: &Slot, _: &mut Tally| interval.contains(start(*slot));
                    for (slot, tally) in slots.extract_if(.., inside) {
                        add(&mut counts, key, slot, tally);
                    }
                }
                self.differ(interval, counts, verified)?;
            }
            if to == Timestamp::MAX {
                return Ok(());
            }
            from = to;
            to = if from >= last { Timestamp::MAX } else { from.plus(DAY) };
        }
    }

    /// The events of entries that are not in segments yet.
    fn tail(&mut self, journal: &Journal, limits: &Limits) -> Result<Counts, VerifyError> {
        let (after, through) = self.range;
        let range = (after.max(Sequence(self.view.through())), through);
        let projection = self.recount.reading().projection.clone();
        let mut counts = Counts::new();
        let mut outcome = Ok(());
        stored::tail(journal, limits, projection, range, &mut |_, batches, times| {
            outcome = batches.iter().try_for_each(|batch| self.count(batch, times, &mut counts));
            outcome.is_ok()
        })?;
        outcome.map(|()| counts)
    }

    fn count(
        &mut self,
        batch: &arrow::array::RecordBatch,
        times: (Timestamp, Timestamp),
        into: &mut Counts,
    ) -> Result<(), VerifyError> {
        for ((generation, indicator), slice, slots) in self.recount.recount(batch, times)? {
            let key = (generation, indicator, slice);
            for (slot, tally) in slots {
                add(into, &key, slot, tally);
            }
        }
        Ok(())
    }

    /// Tells where the ledger holds something else than `counts` in `interval`.
    fn differ(
        &self,
        interval: Interval,
        mut counts: Counts,
        verified: &mut Verified,
    ) -> Result<(), VerifyError> {
        for (generation, indicator) in self.recount.counted_from_events() {
            for (slice, id) in self.recount.slices((generation, indicator)) {
                let stored =
                    counts.remove(&(generation, indicator, slice.cloned())).unwrap_or_default();
                let ledger = self.ledger(id, interval)?;
                self.tell((generation, indicator, slice), &ledger, &stored, verified);
            }
        }
        // Slices that the ledger does not have.
        for ((generation, indicator, slice), stored) in counts {
            let key = (generation, indicator, slice.as_ref());
            self.tell(key, &BTreeMap::new(), &stored, verified);
        }
        Ok(())
    }

    fn ledger(&self, id: SliceId, interval: Interval) -> Result<BTreeMap<Slot, Tally>, StoreError> {
        Ok(self.snapshot.tallies(id, interval)?.into_iter().collect())
    }

    fn tell(
        &self,
        (generation, indicator, slice): (flyball_store::GenerationId, usize, Option<&Slice>),
        ledger: &BTreeMap<Slot, Tally>,
        stored: &BTreeMap<Slot, Tally>,
        verified: &mut Verified,
    ) {
        let only_stored = stored.keys().filter(|slot| !ledger.contains_key(slot));
        for slot in ledger.keys().chain(only_stored) {
            let of =
                |counts: &BTreeMap<Slot, Tally>| counts.get(slot).copied().unwrap_or(Tally::EMPTY);
            let (ledger, stored) = (of(ledger), of(stored));
            verified.slots += 1;
            if ledger == stored {
                continue;
            }
            verified.differing += 1;
            if verified.differences.len() < DIFFERENCES_MAX {
                verified.differences.push(Difference {
                    slo: self.names.get(&generation).cloned().unwrap_or_default(),
                    indicator,
                    slice: slice.map(ToString::to_string),
                    at: start(*slot),
                    ledger,
                    stored,
                });
            }
        }
    }
}

/// When a slot of the ledger begins.
fn start(slot: Slot) -> Timestamp {
    slot.interval(Ledger::SLOT_WIDTH).start()
}

fn add(
    counts: &mut Counts,
    key: &(flyball_store::GenerationId, usize, Option<Slice>),
    slot: Slot,
    tally: Tally,
) {
    let slots = counts.entry(key.clone()).or_default();
    let sum = slots.entry(slot).or_insert(Tally::EMPTY);
    *sum = sum.plus(tally);
}

/// The attributes that `recount` needs.
fn columns(recount: &Recount) -> Option<Vec<String>> {
    match &recount.reading().projection {
        flyball_events::Projection::All => None,
        flyball_events::Projection::Only(names) => Some(names.clone()),
    }
}
