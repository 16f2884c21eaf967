//! From batches to the ledger's deltas: what is counted for which SLO, and under which number.

use std::collections::HashMap;
use std::sync::Arc;

use flyball_catalog::{Catalog, CountedBy};
use flyball_events::Projection;
use flyball_metric::{Counted, Drained, Meter, RestoreError, Watched};
use flyball_model::{EventSli, Slice, Timestamp};
use flyball_query::{Gained, QueryError, SlotLadder, Tallier, TallyOptions};
use flyball_store::{Commit, Delta, GenerationId, Ledger, LedgerSnapshot, SliceId, StoreError};

use crate::decode::{Body, Reading};
use crate::intake::hex;

/// Slots counted and not yet taken, over all SLIs: about 32 MB.
const SLOTS_MAX: usize = 1_000_000;

/// What the keys of the meter's values begin with in the ledger.
const METER_PREFIX: &[u8] = b"meter\0";

/// Counts the events and samples of all SLIs.
#[derive(Debug)]
pub(super) struct Counting {
    reading: Arc<Reading>,
    tallier: Tallier,
    /// For each SLI of the tallier its place in the catalog and its generation.
    slis: Vec<(SliPlace, GenerationId)>,
    meter: Meter,
    /// For each SLI of the meter the same.
    metered: Vec<(SliPlace, GenerationId)>,
    /// The ledger's numbers of slices that were met.
    slices: HashMap<(GenerationId, usize, Option<Slice>), SliceId>,
    /// Counted and not yet taken.
    gained: Vec<Gained>,
    gained_slots: usize,
}

/// What the ledger keeps of counting beside tallies.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Slices that were met, with their generations and names.
    slices: Vec<(GenerationId, SliceId, String)>,
    /// What the meter remembers.
    meter: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Kept {
    /// What `snapshot` keeps of these generations.
    pub(super) fn read(
        snapshot: &LedgerSnapshot<'_>,
        generations: &[GenerationId],
    ) -> Result<Self, StoreError> {
        let mut slices = Vec::new();
        for generation in generations {
            let named = snapshot.slices(*generation)?.into_iter();
            slices.extend(named.map(|(id, name)| (*generation, id, name)));
        }
        let values = snapshot.values(METER_PREFIX)?.into_iter();
        let meter = values.map(|(key, value)| (key[METER_PREFIX.len()..].to_vec(), value));
        Ok(Self { slices, meter: meter.collect() })
    }
}

/// An indicator by its SLO's place in the catalog and its own in the SLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SliPlace {
    pub(super) slo: usize,
    pub(super) indicator: usize,
}

impl Default for Counting {
    fn default() -> Self {
        let reading = Arc::new(Reading { version: 0, projection: Projection::Only(Vec::new()) });
        let tallier = tallier(&[]).unwrap_or_else(|_| unreachable!("nothing can be wrong of none"));
        Self {
            reading,
            tallier,
            slis: Vec::new(),
            meter: Meter::new(Vec::new(), Timestamp::MIN),
            metered: Vec::new(),
            slices: HashMap::new(),
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

    /// What is needed to count `catalog`, whose SLOs have these generations. What was counted and
    /// not yet taken must have been taken before.
    pub(super) fn new(
        catalog: &Catalog,
        generations: &[GenerationId],
        version: u64,
        kept: &Kept,
        began: Timestamp,
    ) -> Result<Self, String> {
        let (mut slis, mut events) = (Vec::new(), Vec::new());
        let (mut metered, mut watched) = (Vec::new(), Vec::new());
        for (slo, (counted, generation)) in catalog.counted.iter().zip(generations).enumerate() {
            for (indicator, by) in counted.indicators.iter().enumerate() {
                let place = (SliPlace { slo, indicator }, *generation);
                match by {
                    CountedBy::Events(sli) => {
                        slis.push(place);
                        events.push(sli);
                    }
                    CountedBy::Metric(plan) => {
                        let generation = hex(&counted.generation);
                        let identity = format!("{}/{generation}/{indicator}", counted.slo.name);
                        metered.push(place);
                        watched.push(Watched { identity, plan: plan.clone() });
                    }
                }
            }
        }
        let pairs = kept.meter.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let meter = Meter::restore(watched, began, pairs);
        let meter = meter.map_err(|error: RestoreError| error.to_string())?;
        let mut tallier = tallier(&events)?;
        let mut slices = HashMap::new();
        for (generation, id, name) in &kept.slices {
            let Some((indicator, slice)) = read_name(name) else { continue };
            if let Some(slice) = &slice {
                for (at, (place, of)) in slis.iter().enumerate() {
                    if of == generation && place.indicator == indicator {
                        tallier.know(at, slice);
                    }
                }
            }
            slices.insert((*generation, indicator, slice), *id);
        }
        let projection = Projection::Only(tallier.attributes());
        let reading = Arc::new(Reading { version, projection });
        Ok(Self {
            reading,
            tallier,
            slis,
            meter,
            metered,
            slices,
            gained: Vec::new(),
            gained_slots: 0,
        })
    }

    /// What bodies are to be read with.
    pub(super) const fn reading(&self) -> &Arc<Reading> {
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

    /// Counts the samples of `body`, which arrived at `arrival`, and its events that lie in
    /// `[from, to)`.
    ///
    /// # Errors
    ///
    /// The first condition that failed; batches after it are counted all the same.
    pub(super) fn add(
        &mut self,
        body: &Body,
        arrival: Timestamp,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<(), QueryError> {
        if !body.series.is_empty() {
            self.meter.apply(&body.series, arrival);
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
        let Drained { counts, changes } = self.meter.drain();
        self.gained.extend(counts.into_iter().map(|Counted { sli, slot, tally }| Gained {
            // Behind those of the tallier.
            sli: self.slis.len() + sli,
            slice: None,
            slots: vec![(slot, tally)],
        }));
        let key = |key: Vec<u8>| [METER_PREFIX, &key].concat();
        into.values.extend(changes.into_iter().map(|(name, value)| (key(name), value)));
        self.number(ledger)?;
        for Gained { sli, slice, slots } in std::mem::take(&mut self.gained) {
            let (place, generation) = self.place(sli);
            let id = self.slices[&(generation, place.indicator, slice)];
            let deltas = slots.into_iter().map(|(slot, tally)| Delta { slice: id, slot, tally });
            into.deltas.extend(deltas);
        }
        self.gained_slots = 0;
        Ok(())
    }

    /// Where an SLI belongs: those of the tallier come before those of the meter.
    fn place(&self, sli: usize) -> (SliPlace, GenerationId) {
        self.slis.get(sli).copied().unwrap_or_else(|| self.metered[sli - self.slis.len()])
    }

    /// Makes the slices that were met for the first time known to the ledger.
    fn number(&mut self, ledger: &mut Ledger) -> Result<(), StoreError> {
        let mut new: HashMap<GenerationId, Vec<(usize, Option<Slice>)>> = HashMap::new();
        for Gained { sli, slice, .. } in &self.gained {
            let (place, generation) = self.place(*sli);
            let key = (generation, place.indicator, slice.clone());
            if !self.slices.contains_key(&key) {
                new.entry(generation).or_default().push((key.1, key.2));
            }
        }
        for (generation, slices) in new {
            let names: Vec<String> =
                slices.iter().map(|(indicator, slice)| name(*indicator, slice.as_ref())).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let ids = ledger.slices(generation, &names)?;
            for ((indicator, slice), id) in slices.into_iter().zip(ids) {
                self.slices.insert((generation, indicator, slice), id);
            }
        }
        Ok(())
    }

    /// The slices of a generation's indicator that were met, the whole among them as `None`.
    pub(super) fn slices(
        &self,
        generation: GenerationId,
        indicator: usize,
    ) -> impl Iterator<Item = (Option<&Slice>, SliceId)> {
        self.slices.iter().filter_map(move |((of, at, slice), id)| {
            (*of == generation && *at == indicator).then_some((slice.as_ref(), *id))
        })
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
}
