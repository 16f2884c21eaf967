//! From batches to the ledger's deltas: what is counted for which SLO, and under which number.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use flyball_catalog::{Catalog, Counted as Definition, CountedBy};
use flyball_metric::{Counted, Drained, Meter, Reason, RestoreError, Unmet, Watched};
use flyball_model::{EventSli, Slice, Slot, Tally, Timestamp};
use flyball_query::{Gained, QueryError, SlotLadder, Tallier, TallyOptions};
use flyball_store::{
    Commit, Delta, Generation, GenerationId, Ledger, LedgerSnapshot, SliceId, StoreError,
};
use indexmap::IndexSet;

use super::past::{self, Pasts};
use crate::decode::{Body, Reading};
use crate::entry::Mark;
use crate::hex::hex;

/// Slots counted and not yet taken, over all SLIs: about 32 MB.
const SLOTS_MAX: usize = 1_000_000;

/// What the keys of the meter's values begin with in the ledger.
const METER_PREFIX: &[u8] = b"meter\0";

/// An indicator: its generation, and its number in the SLO.
pub(crate) type SliPlace = (GenerationId, usize);

/// A slice of an indicator, the whole as `None`.
type SliceKey = (SliPlace, Option<Slice>);

/// What a slice of an indicator, or the whole of it, has gained.
pub(crate) type Added = (SliPlace, Option<Slice>, Vec<(Slot, Tally)>);

/// Counts the events and samples of all SLIs.
#[derive(Debug)]
pub(crate) struct Counting {
    began: Timestamp,
    reading: Arc<Reading>,
    tallier: Tallier,
    /// The SLIs of the tallier, in its order.
    slis: IndexSet<SliPlace>,
    /// Their conditions.
    events: Vec<EventSli>,
    meter: Meter,
    /// The SLIs of the meter, in its order.
    metered: IndexSet<SliPlace>,
    /// What is counted of them from before they were given.
    pasts: Pasts,
    /// What the meter had left out when that was told last.
    left_out: HashMap<Reason, u64>,
    /// What is counted over stored events.
    stored: Option<StoredCounts>,
    /// The ledger's numbers of slices that were met, and what each number is of.
    slices: HashMap<SliPlace, HashMap<Option<Slice>, SliceId>>,
    places: HashMap<SliceId, SliPlace>,
    /// Counted and not yet taken.
    gained: Vec<Gained>,
    gained_slots: usize,
}

/// The counts of stored events of one hour, some of which are still to come.
#[derive(Debug)]
struct StoredCounts {
    tallier: Tallier,
    /// Its SLIs, in its order.
    slis: IndexSet<SliPlace>,
    held: HashMap<(SliceId, Slot), Tally>,
}

/// What the ledger keeps of counting beside tallies.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Slices that were met, with their generations and names.
    slices: Vec<(GenerationId, SliceId, String)>,
    /// What the meter remembers.
    meter: Vec<(Vec<u8>, Vec<u8>)>,
    /// What is remembered of pasts.
    pasts: past::Kept,
}

impl Kept {
    /// What `snapshot` keeps of these generations.
    pub(crate) fn read(
        snapshot: &LedgerSnapshot<'_>,
        counted: &[(Definition, Generation)],
    ) -> Result<Self, StoreError> {
        let mut slices = Vec::new();
        for (_, Generation { id: generation, .. }) in counted {
            let named = snapshot.slices(*generation)?.into_iter();
            slices.extend(named.map(|(id, name)| (*generation, id, name)));
        }
        let values = snapshot.values(METER_PREFIX)?.into_iter();
        let meter = values.map(|(key, value)| (key[METER_PREFIX.len()..].to_vec(), value));
        Ok(Self { slices, meter: meter.collect(), pasts: past::Kept::read(snapshot)? })
    }
}

impl Default for Counting {
    fn default() -> Self {
        let reading = Arc::new(Reading::of(0, Vec::new()));
        let tallier = tallier(&[]).unwrap_or_else(|_| unreachable!("nothing can be wrong of none"));
        Self {
            began: Timestamp::MIN,
            reading,
            tallier,
            slis: IndexSet::new(),
            events: Vec::new(),
            stored: None,
            meter: Meter::new(Vec::new(), Timestamp::MIN),
            metered: IndexSet::new(),
            pasts: Pasts::default(),
            left_out: HashMap::new(),
            slices: HashMap::new(),
            places: HashMap::new(),
            gained: Vec::new(),
            gained_slots: 0,
        }
    }
}

/// A tallier in slots of the ledger.
fn tallier(slis: &[&EventSli]) -> Result<Tallier, String> {
    let ladder = SlotLadder::dividing(Ledger::SLOT_WIDTH);
    let options = TallyOptions { from: None, to: None, ladder };
    Tallier::new(slis, options).map_err(|errors| {
        errors.first().map_or_else(String::new, |(_, _, error)| error.message.clone())
    })
}

impl Counting {
    /// Whether every condition of `catalog` compiles.
    pub(super) fn check(catalog: &Catalog) -> Result<(), String> {
        let indicators = catalog.counted.iter().flat_map(|counted| &counted.indicators);
        let events: Vec<&EventSli> = indicators
            .filter_map(|indicator| match indicator {
                CountedBy::Events(sli) => Some(sli),
                CountedBy::Metric(_) => None,
            })
            .collect();
        tallier(&events).map(drop)
    }

    /// What is needed to count all of `counted` from `began` on. What was counted and not yet taken must
    /// have been taken before. With `has_past`, the past of metric SLIs that are new is counted too.
    pub(crate) fn new(
        counted: &[(Definition, Generation)],
        version: u64,
        kept: Kept,
        (began, has_past): (Timestamp, bool),
    ) -> Result<Self, String> {
        let cannot = |error: RestoreError| error.to_string();
        let Kept { slices: kept_slices, meter: kept_meter, pasts: mut kept_pasts } = kept;
        // One that has counted before it is asked for goes on from there.
        let known: HashSet<GenerationId> =
            kept_slices.iter().map(|(generation, _, _)| *generation).collect();
        let mut pasts = Pasts::default();
        let (mut slis, mut events) = (IndexSet::new(), Vec::new());
        let (mut metered, mut watched) = (IndexSet::new(), Vec::new());
        for (definition, generation) in counted {
            for (indicator, by) in definition.indicators.iter().enumerate() {
                let place = (generation.id, indicator);
                match by {
                    CountedBy::Events(sli) => {
                        slis.insert(place);
                        events.push(sli.clone());
                    }
                    CountedBy::Metric(plan) => {
                        let identity = identity(generation, indicator);
                        let is_new = has_past && !known.contains(&generation.id);
                        let given = is_new.then_some(began);
                        let all = (place, metered.len());
                        let after = pasts.add(all, (&identity, plan), &mut kept_pasts, given);
                        let after = after.map_err(cannot)?;
                        metered.insert(place);
                        watched.push(Watched { identity, plan: plan.clone(), after });
                    }
                }
            }
        }
        pasts.forget(kept_pasts);
        let pairs = kept_meter.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let meter = Meter::restore(watched, began, pairs).map_err(cannot)?;
        let tallier = tallier(&events.iter().collect::<Vec<_>>())?;
        let reading = Arc::new(Reading::of(version, tallier.attributes()));
        let mut this = Self {
            began,
            reading,
            tallier,
            slis,
            events,
            meter,
            metered,
            pasts,
            left_out: HashMap::new(),
            stored: None,
            slices: HashMap::new(),
            places: HashMap::new(),
            gained: Vec::new(),
            gained_slots: 0,
        };
        for (generation, id, name) in kept_slices {
            if let Some((indicator, slice)) = read_name(&name) {
                this.know(((generation, indicator), slice), id);
            }
        }
        Ok(this)
    }

    /// Counts stored events for these generations from now on, and what was counted and not taken is
    /// forgotten. Returns which attributes are needed.
    pub(super) fn fill(&mut self, generations: &[GenerationId]) -> Vec<String> {
        self.stored = None;
        let chosen = self.slis.iter().zip(&self.events);
        let chosen = chosen.filter(|((generation, _), _)| generations.contains(generation));
        let (slis, events): (IndexSet<SliPlace>, Vec<&EventSli>) =
            chosen.map(|(place, sli)| (*place, sli)).unzip();
        if slis.is_empty() {
            return Vec::new();
        }
        let mut tallier =
            tallier(&events).unwrap_or_else(|_| unreachable!("they compiled when they were given"));
        tallier.set_range(Timestamp::MIN, Timestamp::MAX);
        for (place, slices) in &self.slices {
            for slice in slices.keys() {
                know(&mut tallier, &slis, place, slice.as_ref());
            }
        }
        let columns = tallier.attributes();
        self.stored = Some(StoredCounts { tallier, slis, held: HashMap::new() });
        columns
    }

    /// Counts stored events. What was counted live must have been drained just before, so that both
    /// know the same slices.
    ///
    /// # Errors
    ///
    /// What the ledger answers; inside, the first condition that failed.
    pub(super) fn add_stored(
        &mut self,
        batch: &RecordBatch,
        ledger: &mut Ledger,
    ) -> Result<Result<(), QueryError>, StoreError> {
        let Some(stored) = &mut self.stored else { return Ok(Ok(())) };
        let outcome = stored.tallier.add(batch);
        let gained = stored.tallier.drain();
        let key = |gained: &Gained| (stored.slis[gained.sli], gained.slice.clone());
        let keys: Vec<SliceKey> = gained.iter().map(key).collect();
        self.number(ledger, &keys)?;
        let Some(stored) = &mut self.stored else { return Ok(Ok(())) };
        for (gained, (place, slice)) in gained.into_iter().zip(keys) {
            let id = self.slices[&place][&slice];
            for (slot, tally) in gained.slots {
                let held = stored.held.entry((id, slot)).or_insert(Tally::EMPTY);
                *held = held.plus(tally);
            }
        }
        Ok(outcome)
    }

    /// Moves the counts of stored events to `into`.
    pub(super) fn drain_stored(&mut self, into: &mut Commit) {
        let Some(stored) = &mut self.stored else { return };
        let held = stored.held.drain();
        into.deltas.extend(held.map(|((slice, slot), tally)| Delta { slice, slot, tally }));
    }

    /// Counts `batch` alone, and returns what it adds: for counting again beside the ledger.
    ///
    /// # Errors
    ///
    /// The first condition that failed.
    pub(crate) fn recount(
        &mut self,
        batch: &RecordBatch,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<Added>, QueryError> {
        self.tallier.set_range(from, to);
        self.tallier.add(batch)?;
        let gained = self.tallier.drain().into_iter();
        Ok(gained.map(|gained| (self.slis[gained.sli], gained.slice, gained.slots)).collect())
    }

    /// Which generations have indicators that are counted from events.
    pub(crate) fn counted_from_events(&self) -> impl Iterator<Item = SliPlace> + '_ {
        self.slis.iter().copied()
    }

    /// What bodies are to be read with.
    pub(crate) const fn reading(&self) -> &Arc<Reading> {
        &self.reading
    }

    /// Whether so much is counted that it should be taken.
    pub(super) const fn is_full(&self) -> bool {
        self.gained_slots > SLOTS_MAX
    }

    /// Lets time go on for samples that wait for others.
    pub(super) fn wait(&mut self, now: Timestamp) {
        self.meter.apply(&[], now);
    }

    /// Counts the samples of `body`, which arrived at `arrival` and, where they were asked for, reached
    /// as far as `mark` says, and its events that lie in `[from, to)`.
    ///
    /// # Errors
    ///
    /// The first condition that failed; batches after it are counted all the same.
    pub(super) fn add(
        &mut self,
        body: &Body,
        arrival: Timestamp,
        mark: Option<&Mark>,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<(), QueryError> {
        // What one has met the other keeps as well: both together have the room for slices that one has.
        if self.pasts.count(&body.series, mark) {
            for (sli, slice) in self.pasts.take_met() {
                self.meter.know(sli, &slice);
            }
        } else if !body.series.is_empty() {
            self.meter.apply(&body.series, arrival);
            for (sli, slice) in self.meter.take_met() {
                self.pasts.know(self.metered[sli], &slice);
            }
        }
        self.tallier.set_range(from, to);
        // Each row may be a slot of its own for each SLI.
        let rows_max = (SLOTS_MAX / self.slis.len().max(1)).max(1);
        let mut outcome = Ok(());
        for batch in &body.batches {
            let mut at = 0;
            while at < batch.num_rows() {
                let rows = rows_max.min(batch.num_rows() - at);
                outcome = outcome.and(self.tallier.add(&batch.slice(at, rows)));
                at += rows;
                if self.tallier.slots_held() > SLOTS_MAX / 2 {
                    self.collect();
                }
            }
        }
        outcome
    }

    fn collect(&mut self) {
        let gained = self.tallier.drain();
        self.gained_slots += gained.iter().map(|gained| gained.slots.len()).sum::<usize>();
        self.gained.extend(gained);
    }

    /// Moves what was counted to `into`, with the ledger's numbers of slices; those that are new
    /// are made known to it.
    ///
    /// # Errors
    ///
    /// What the ledger answers; what was not moved stays counted here.
    pub(super) fn drain(
        &mut self,
        ledger: &mut Ledger,
        into: &mut Commit,
    ) -> Result<(), StoreError> {
        self.collect();
        let mut counts = Vec::new();
        self.pasts.drain(ledger, into, &mut counts)?;
        let Drained { counts: present, changes } = self.meter.drain();
        counts.extend(present);
        self.gained.extend(counts.into_iter().map(|Counted { sli, slice, slot, tally }| Gained {
            // Behind those of the tallier.
            sli: self.slis.len() + sli,
            slice,
            slots: vec![(slot, tally)],
        }));
        let key = |key: Vec<u8>| [METER_PREFIX, &key].concat();
        into.values.extend(changes.into_iter().map(|(name, value)| (key(name), value)));
        let key = |gained: &Gained| (self.place(gained.sli), gained.slice.clone());
        let keys: Vec<SliceKey> = self.gained.iter().map(key).collect();
        self.number(ledger, &keys)?;
        let gained = std::mem::take(&mut self.gained).into_iter();
        for (Gained { slots, .. }, (place, slice)) in gained.zip(keys) {
            let id = self.slices[&place][&slice];
            let deltas = slots.into_iter().map(|(slot, tally)| Delta { slice: id, slot, tally });
            into.deltas.extend(deltas);
        }
        self.gained_slots = 0;
        Ok(())
    }

    /// Samples that were left out since the last time, by reason.
    pub(super) fn take_left_out(&mut self) -> Vec<(Reason, u64)> {
        let all: HashMap<Reason, u64> = self.meter.refusals().collect();
        let new = all.iter().map(|(reason, count)| {
            let told = self.left_out.get(reason).copied().unwrap_or_default();
            (*reason, count - told)
        });
        let mut left_out = self.pasts.take_left_out();
        left_out.extend(new.filter(|(_, count)| *count > 0));
        self.left_out = all;
        left_out
    }

    /// The selectors of the indicator at `place` that no series has met; none where it is of no metrics, or
    /// where only a metrics system knows what it means.
    pub(super) fn unmet(&self, place: SliPlace) -> Vec<Unmet> {
        self.metered.get_index_of(&place).map_or_else(Vec::new, |sli| self.meter.unmet(sli))
    }

    /// The service that all events of the indicator at `place` must be of; `None` where it does not say so.
    pub(super) fn required_service(&self, place: SliPlace) -> Option<String> {
        self.tallier.required_service(self.slis.get_index_of(&place)?)
    }

    /// The attributes that the conditions of the indicator at `place` read and no event has had that came since
    /// it was counted; none while none came.
    pub(super) fn unseen(&self, place: SliPlace) -> Vec<String> {
        self.slis.get_index_of(&place).map_or_else(Vec::new, |sli| self.tallier.unseen(sli))
    }

    /// From when on everything is counted as it is now.
    pub(super) const fn began(&self) -> Timestamp {
        self.began
    }

    /// What is known of pasts.
    pub(super) const fn pasts(&self) -> &Pasts {
        &self.pasts
    }

    /// Whether pasts have been counted to their ends since the last time.
    pub(super) fn take_ended(&mut self) -> bool {
        self.pasts.take_ended()
    }

    /// Generations of which earlier slots have become known since the last time.
    pub(super) fn take_reaching_back(&mut self) -> Vec<GenerationId> {
        self.pasts.take_reaching_back()
    }

    /// Where an SLI belongs: those of the tallier come before those of the meter.
    fn place(&self, sli: usize) -> SliPlace {
        self.slis.get_index(sli).copied().unwrap_or_else(|| self.metered[sli - self.slis.len()])
    }

    /// Makes the slices that were met for the first time known to the ledger, and to all that count.
    fn number(&mut self, ledger: &mut Ledger, keys: &[SliceKey]) -> Result<(), StoreError> {
        let mut new: HashMap<GenerationId, Vec<&SliceKey>> = HashMap::new();
        for key in keys {
            let (place, slice) = key;
            if !self.slices.get(place).is_some_and(|known| known.contains_key(slice)) {
                new.entry(place.0).or_default().push(key);
            }
        }
        for (generation, keys) in new {
            let names = keys.iter().map(|((_, indicator), slice)| name(*indicator, slice.as_ref()));
            let names: Vec<String> = names.collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let ids = ledger.slices(generation, &names)?;
            for (key, id) in keys.into_iter().zip(ids) {
                self.know(key.clone(), id);
            }
        }
        Ok(())
    }

    /// Notes that a slice is `id` in the ledger, and makes it known to all that count.
    fn know(&mut self, (place, slice): SliceKey, id: SliceId) {
        know(&mut self.tallier, &self.slis, &place, slice.as_ref());
        if let (Some(sli), Some(slice)) = (self.metered.get_index_of(&place), &slice) {
            self.meter.know(sli, slice);
            self.pasts.know(place, slice);
        }
        if let Some(stored) = &mut self.stored {
            know(&mut stored.tallier, &stored.slis, &place, slice.as_ref());
        }
        self.slices.entry(place).or_default().insert(slice, id);
        self.places.insert(id, place);
    }

    /// The indicator that a slice of the ledger is of; `None` when it is not counted.
    pub(super) fn place_of(&self, slice: SliceId) -> Option<SliPlace> {
        self.places.get(&slice).copied()
    }

    /// The slices of an indicator that were met, the whole among them as `None`.
    pub(crate) fn slices(
        &self,
        place: SliPlace,
    ) -> impl Iterator<Item = (Option<&Slice>, SliceId)> {
        let slices = self.slices.get(&place).into_iter().flatten();
        slices.map(|(slice, id)| (slice.as_ref(), *id))
    }
}

/// What an indicator is called by all that counts its samples.
pub(super) fn identity(generation: &Generation, indicator: usize) -> String {
    format!("{}/{}/{indicator}", generation.slo, hex(&generation.hash))
}

/// Makes a slice known to `tallier`, where it counts the indicator at `place`.
fn know(tallier: &mut Tallier, slis: &IndexSet<SliPlace>, place: &SliPlace, slice: Option<&Slice>) {
    if let (Some(sli), Some(slice)) = (slis.get_index_of(place), slice) {
        tallier.know(sli, slice);
    }
}

/// The name that the ledger knows a slice by: the indicator's number, and for one slice of it the
/// values as JSON.
pub(super) fn name(indicator: usize, slice: Option<&Slice>) -> String {
    match slice {
        None => format!("{indicator}"),
        Some(Slice::Overflow) => format!("{indicator} other"),
        Some(Slice::Of(values)) => {
            let values = serde_json::to_string(values).unwrap_or_default();
            format!("{indicator} {values}")
        }
    }
}

/// What [`name`] was made of.
fn read_name(name: &str) -> Option<(usize, Option<Slice>)> {
    let (indicator, rest) = name.split_once(' ').map_or((name, None), |(i, rest)| (i, Some(rest)));
    let slice = match rest {
        None => None,
        Some("other") => Some(Slice::Overflow),
        Some(values) => Some(Slice::Of(serde_json::from_str(values).ok()?)),
    };
    Some((indicator.parse().ok()?, slice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_slices_are_read_back() {
        let values = vec![("region".to_owned(), Some("a b".to_owned())), ("zone".to_owned(), None)];
        for slice in [None, Some(Slice::Overflow), Some(Slice::Of(values))] {
            let named = name(3, slice.as_ref());
            assert_eq!(read_name(&named), Some((3, slice)), "{named}");
        }
        assert_eq!(read_name("x"), None);
    }

    const BY_HOST: &str = "
apiVersion: openslo/v1
kind: SLO
metadata: {name: requests}
spec:
  service: shop
  indicator:
    metadata: {name: requests}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: prometheus, spec: {query: 'requests_total{code=\"500\"}'}}}
        total: {metricSource: {type: prometheus, spec: {query: requests_total, by: [host], sliceLimit: 2}}}
  timeWindow: [{duration: 1h, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// One sample of a counter that grows by one each second.
    fn sample(host: &str, seconds: i64) -> Body {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels =
            vec![label("__name__", "requests_total"), label("code", "200"), label("host", host)];
        let value = flyball_events::SampleValue::Number(seconds as f64);
        let series = flyball_events::Series {
            labels,
            kind: flyball_events::MetricKind::Unknown,
            temporality: flyball_events::Temporality::Cumulative,
            samples: vec![flyball_events::Sample { at: at(seconds), since: None, value }],
            exemplars: 0,
        };
        Body {
            batches: Vec::new(),
            series: vec![series],
            decoded: flyball_events::Decoded::default(),
            texts_cut: 0,
            identity: None,
            version: 1,
        }
    }

    #[test]
    fn past_and_present_keep_no_more_slices_than_one() {
        let (catalog, _) = Catalog::load(&[flyball_spec::Source::new("a.yaml", BY_HOST)]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let options = flyball_store::JournalOptions::default();
        let mut store = flyball_store::Store::open(directory.path(), options).unwrap();
        let definition = catalog.counted[0].clone();
        let given = at(2_000);
        let generation = store.ledger.generation("requests", definition.generation, given).unwrap();
        let place = (generation.id, 0);
        let counted = [(definition, generation)];
        let kept = Kept::read(&store.ledger.snapshot().unwrap(), &counted).unwrap();
        let mut counting = Counting::new(&counted, 1, kept, (given, true)).unwrap();
        let source = counting.pasts().unfinished(place).unwrap().source;
        let mark = |seconds| {
            let reached = at(seconds).nanos().to_string();
            Mark { source: source.clone(), reached }
        };
        let always = (Timestamp::MIN, Timestamp::MAX);
        for (turn, host) in ["a", "b", "c", "d"].into_iter().enumerate() {
            for step in [0, 10] {
                if turn % 2 == 0 {
                    let seconds = 2_100 + step;
                    counting.add(&sample(host, seconds), at(seconds), None, always).unwrap();
                } else {
                    let seconds = 1_000 + step;
                    let mark = mark(seconds);
                    counting.add(&sample(host, seconds), at(2_100), Some(&mark), always).unwrap();
                }
            }
        }
        let end = Body { series: Vec::new(), ..sample("a", 2_000) };
        counting.add(&end, at(2_200), Some(&mark(2_000)), always).unwrap();
        counting.wait(at(3_000));
        counting.drain(&mut store.ledger, &mut Commit::default()).unwrap();
        let slices = counting.slices(place).filter_map(|(slice, _)| Some(slice?.to_string()));
        let mut slices: Vec<String> = slices.collect();
        slices.sort();
        assert_eq!(slices, ["a", "b", "other"]);
    }
}
