//! The past of SLIs that a metrics system is asked for.
//!
//! A new SLI is asked for over its whole window, while its series may be known already: to other
//! SLIs, whose meter takes nothing of a series from before its last sample. So its past is counted by
//! a meter of its own, up to the moment at which the SLI was given; the meter of all counts what comes
//! after that moment, and both together count what one would. Its clock is how far was asked, so that
//! the past is counted as it would have been when it was the present. When all of it is counted, what
//! the meter remembered is forgotten.

use std::collections::HashMap;

use flyball_catalog::{Counted as Definition, CountedBy};
use flyball_events::Series;
use flyball_metric::{CARRY_MAX, Counted, Drained, HOLD, Meter, Plan, Reason, SERIES_MAX, Watched};
use flyball_model::{Duration, Slice, Timestamp};
use flyball_store::{Commit, Generation, GenerationId, Ledger, LedgerSnapshot, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::counting::{SliPlace, identity};
use super::fill::FillStatus;
use crate::entry::Mark;

/// SLIs whose past is asked for at the same time; the others wait. Each takes its share of the
/// series that a meter may remember.
pub(crate) const PASTS_MAX: usize = 8;

/// What begins the names of sources of the past.
const SOURCE_PREFIX: &str = "prometheus-past ";
/// What the keys of handovers begin with in the ledger.
const HANDOVER_PREFIX: &[u8] = b"handover\0";
/// What the keys of what such meters remember begin with; 16 bytes of a hash of the identity follow.
const PAST_PREFIX: &[u8] = b"past\0";

/// What a meter remembers, as keys and values.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// When an SLI's past ends, and how far it is counted; kept in the ledger with its tallies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Handover {
    /// The last moment of the past: when the SLI was given. Nanoseconds since the epoch, as all here.
    until: i64,
    /// The start of the earliest slot that something was counted in.
    first: Option<i64>,
    /// Up to when samples were asked for; `None` before the first answer.
    #[serde(default)]
    reached: Option<i64>,
    /// Whether all is counted.
    is_done: bool,
}

impl Handover {
    /// What the ledger keeps under `key`; `None` where nothing can be read.
    fn read(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }
}

/// Whether samples are still to be asked for of the past of `generation`, which `definition` is
/// counted under: those of a new one are.
pub(super) fn is_open(
    snapshot: &LedgerSnapshot<'_>,
    definition: &Definition,
    generation: &Generation,
) -> Result<bool, StoreError> {
    for (indicator, by) in definition.indicators.iter().enumerate() {
        if !matches!(by, CountedBy::Metric(_)) {
            continue;
        }
        let key = hashed(HANDOVER_PREFIX, &identity(generation, indicator));
        let is_open = match snapshot.value(&key)?.and_then(|value| Handover::read(&value)) {
            Some(handover) => !handover.is_done,
            // One that has counted before it could be asked for goes on from there.
            None => snapshot.slices(generation.id)?.is_empty(),
        };
        if is_open {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the ledger keeps of pasts.
#[derive(Debug, Default)]
pub(super) struct Kept {
    handovers: HashMap<Vec<u8>, Handover>,
    pairs: HashMap<Vec<u8>, Pairs>,
}

impl Kept {
    pub(super) fn read(snapshot: &LedgerSnapshot<'_>) -> Result<Self, StoreError> {
        let mut kept = Self::default();
        for (key, value) in snapshot.values(HANDOVER_PREFIX)? {
            // What cannot be read was not written here, and is begun anew.
            if let Some(handover) = Handover::read(&value) {
                kept.handovers.insert(key, handover);
            }
        }
        for (mut key, value) in snapshot.values(PAST_PREFIX)? {
            let name = key.split_off((PAST_PREFIX.len() + HASH_BYTES).min(key.len()));
            kept.pairs.entry(key).or_default().push((name, value));
        }
        Ok(kept)
    }
}

/// Bytes of a hash that stands for an identity.
const HASH_BYTES: usize = 16;

/// The pasts of all SLIs that have one.
#[derive(Debug, Default)]
pub(super) struct Pasts {
    /// Those that are not counted yet.
    meters: HashMap<SliPlace, Past>,
    /// The same by the names of their sources.
    sources: HashMap<String, SliPlace>,
    handovers: HashMap<SliPlace, Handover>,
    /// What is still to be written.
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Generations of which earlier slots are known now.
    reaching_back: Vec<GenerationId>,
    /// Whether some were counted to their ends.
    has_ended: bool,
    /// Slices that were met and not told yet, with the places of their SLIs.
    met: Vec<(usize, Slice)>,
    /// Samples that pasts that are done have left out.
    left_out: Vec<(Reason, u64)>,
}

#[derive(Debug)]
struct Past {
    /// The SLI's place in the list of all that are metered.
    sli: usize,
    source: String,
    meter: Meter,
    /// Whether it was given anything since the last drain.
    is_touched: bool,
    /// Its handover's key.
    key: Vec<u8>,
    /// What the keys of what it remembers begin with.
    prefix: Vec<u8>,
}

/// A past that is still to be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// What its source is called where it is kept how far it was asked.
    pub(crate) source: String,
    /// Its last moment.
    pub(crate) until: Timestamp,
}

fn hashed(prefix: &[u8], identity: &str) -> Vec<u8> {
    [prefix, &Sha256::digest(identity)[..HASH_BYTES]].concat()
}

impl Pasts {
    /// The last moment of the past of the SLI at `place`, which is `sli` in the list of all that are
    /// metered; `None` when it has none. It is given one, up to `given`, when that is said.
    pub(super) fn add(
        &mut self,
        (place, sli): (SliPlace, usize),
        (identity, plan): (&str, &Plan),
        kept: &mut Kept,
        given: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, flyball_metric::RestoreError> {
        let key = hashed(HANDOVER_PREFIX, identity);
        let handover = match (kept.handovers.remove(&key), given) {
            (Some(handover), _) => handover,
            (None, Some(given)) => {
                let until = given.nanos();
                let new = Handover { until, first: None, reached: None, is_done: false };
                self.changes.push((key.clone(), serde_json::to_vec(&new).ok()));
                new
            }
            (None, None) => return Ok(None),
        };
        self.handovers.insert(place, handover);
        if !handover.is_done {
            let prefix = hashed(PAST_PREFIX, identity);
            let pairs = kept.pairs.remove(&prefix).unwrap_or_default();
            let pairs = pairs.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
            let (identity, plan) = (identity.to_owned(), plan.clone());
            let source = format!("{SOURCE_PREFIX}{identity}");
            let watched = vec![Watched { identity, plan, after: None }];
            let meter = Meter::restore(watched, Timestamp::MIN, pairs)?;
            let meter = meter.with_series_max(SERIES_MAX / PASTS_MAX).of_stored();
            self.sources.insert(source.clone(), place);
            let is_touched = false;
            self.meters.insert(place, Past { sli, source, meter, is_touched, key, prefix });
        }
        Ok(Some(Timestamp::from_nanos(handover.until)))
    }

    /// Makes a slice of the SLI at `place` known to whoever counts its past.
    pub(super) fn know(&mut self, place: SliPlace, slice: &Slice) {
        if let Some(past) = self.meters.get_mut(&place) {
            past.meter.know(0, slice);
            // It is kept, so that it is known after a restart too.
            past.is_touched = true;
        }
    }

    /// The slices that pasts have met since the last time, each with the place of its SLI in the list of all
    /// that are metered.
    pub(super) fn take_met(&mut self) -> Vec<(usize, Slice)> {
        std::mem::take(&mut self.met)
    }

    /// Has what was kept of SLIs that are not counted any more forgotten.
    pub(super) fn forget(&mut self, kept: Kept) {
        self.changes.extend(kept.handovers.into_keys().map(|key| (key, None)));
        let names = |(prefix, pairs): (Vec<u8>, Pairs)| {
            pairs.into_iter().map(move |(name, _)| ([prefix.as_slice(), &name].concat(), None))
        };
        self.changes.extend(kept.pairs.into_iter().flat_map(names));
    }

    /// Counts `series` where `mark` says that they are of a past; false where they are not.
    pub(super) fn count(&mut self, series: &[Series], mark: Option<&Mark>) -> bool {
        let Some(mark) = mark.filter(|mark| mark.source.starts_with(SOURCE_PREFIX)) else {
            return false;
        };
        // An SLI that is gone counts nothing.
        let Some(place) = self.sources.get(&mark.source) else { return true };
        let Some(past) = self.meters.get_mut(place) else { return true };
        let reached = mark.reached.parse().ok().map(Timestamp::from_nanos);
        let Some(reached) = reached else { return true };
        past.is_touched = true;
        past.meter.apply(series, reached);
        let met = past.meter.take_met().into_iter();
        self.met.extend(met.map(|(_, slice)| (past.sli, slice)));
        if let Some(handover) = self.handovers.get_mut(place) {
            handover.reached = Some(reached.nanos());
            if reached.nanos() >= handover.until {
                // Nothing comes any more that a slot could wait for.
                past.meter.apply(&[], reached.plus(HOLD).plus(CARRY_MAX));
                handover.is_done = true;
            }
        }
        true
    }

    /// Moves what was counted to `counts`, by the SLI's place in the list of all, and what has to be
    /// remembered to `into`.
    ///
    /// # Errors
    ///
    /// What the ledger answers; nothing was moved then.
    pub(super) fn drain(
        &mut self,
        ledger: &mut Ledger,
        into: &mut Commit,
        counts: &mut Vec<Counted>,
    ) -> Result<(), StoreError> {
        let is_done = |place: &&SliPlace| self.handovers.get(*place).is_some_and(|of| of.is_done);
        let done: Vec<SliPlace> = self.meters.keys().filter(is_done).copied().collect();
        let mut forgotten: Vec<Vec<u8>> = Vec::new();
        for place in &done {
            let prefix = &self.meters[place].prefix;
            let kept = ledger.snapshot()?.values(prefix)?;
            forgotten.extend(kept.into_iter().map(|(key, _)| key));
            // What was drained before and is not committed yet.
            let pending = into.values.iter().map(|(key, _)| key);
            forgotten.extend(pending.filter(|key| key.starts_with(prefix)).cloned());
        }
        // Nothing fails from here on.
        let Self {
            meters, handovers, changes, reaching_back, has_ended, sources, left_out, ..
        } = self;
        into.values.append(changes);
        for (place, past) in meters.iter_mut().filter(|(_, past)| past.is_touched) {
            past.is_touched = false;
            let Some(handover) = handovers.get_mut(place) else { continue };
            let Drained { counts: counted, changes } = past.meter.drain();
            if !handover.is_done {
                let key = |name: Vec<u8>| [past.prefix.as_slice(), &name].concat();
                into.values.extend(changes.into_iter().map(|(name, value)| (key(name), value)));
            }
            let starts = counted.iter().map(|of| of.slot.interval(Ledger::SLOT_WIDTH).start());
            if let Some(first) = starts.map(Timestamp::nanos).min()
                && handover.first.is_none_or(|known| first < known)
            {
                handover.first = Some(first);
                reaching_back.push(place.0);
            }
            into.values.push((past.key.clone(), serde_json::to_vec(&handover).ok()));
            counts.extend(counted.into_iter().map(|of| Counted { sli: past.sli, ..of }));
        }
        into.values.extend(forgotten.into_iter().map(|key| (key, None)));
        *has_ended |= !done.is_empty();
        for past in done.iter().filter_map(|place| meters.remove(place)) {
            sources.remove(&past.source);
            left_out.extend(past.meter.refusals());
        }
        Ok(())
    }

    /// Whether pasts have been counted to their ends since the last time.
    pub(super) fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.has_ended)
    }

    /// Whether something of the past of `generation` is still to be counted.
    pub(super) fn is_open(&self, generation: GenerationId) -> bool {
        self.meters.keys().any(|place| place.0 == generation)
    }

    /// How far the pasts of `generation`, which are `window` long, are counted; `None` where all are.
    pub(super) fn status(&self, generation: GenerationId, window: Duration) -> Option<FillStatus> {
        const HOUR: i64 = Duration::from_hours(1).nanos();
        let hours_of = |nanos: i64| usize::try_from(nanos / HOUR).unwrap_or_default();
        let mut all: Option<FillStatus> = None;
        for (place, handover) in self.handovers.iter().filter(|(place, _)| place.0 == generation) {
            let until = Timestamp::from_nanos(handover.until);
            let from = until.minus(window);
            let hours = hours_of(window.nanos().saturating_add(HOUR - 1));
            let reached = handover.reached.map_or(from, Timestamp::from_nanos).max(from);
            let done = if self.meters.contains_key(place) {
                hours_of(reached.since(from).nanos()).min(hours)
            } else {
                hours
            };
            let sum = all.get_or_insert(FillStatus { from: Some(from), hours_done: 0, hours: 0 });
            (sum.hours, sum.hours_done) = (sum.hours + hours, sum.hours_done + done);
            sum.from = sum.from.min(Some(from));
        }
        all.filter(|_| self.is_open(generation))
    }

    /// Generations of which earlier slots have become known since the last time.
    pub(super) fn take_reaching_back(&mut self) -> Vec<GenerationId> {
        std::mem::take(&mut self.reaching_back)
    }

    /// Samples that the pasts that were done since the last time have left out, by reason.
    pub(super) fn take_left_out(&mut self) -> Vec<(Reason, u64)> {
        std::mem::take(&mut self.left_out)
    }

    /// The start of the earliest slot that something of the past of these SLIs was counted in.
    pub(super) fn first(&self, places: impl Iterator<Item = SliPlace>) -> Option<Timestamp> {
        let handovers = places.filter_map(|place| self.handovers.get(&place));
        handovers.filter_map(|handover| handover.first).min().map(Timestamp::from_nanos)
    }

    /// What is still to be counted of the SLI at `place`.
    pub(super) fn unfinished(&self, place: SliPlace) -> Option<Unfinished> {
        let handover = self.handovers.get(&place).filter(|handover| !handover.is_done)?;
        let source = self.meters.get(&place)?.source.clone();
        Some(Unfinished { source, until: Timestamp::from_nanos(handover.until) })
    }
}
