//! The live states of all objectives, and their slices, under the catalog that is installed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use flyball_budget::BudgetError;
use flyball_budget::alert::Change;
use flyball_budget::live::{History, Live, LiveError, Plan, Saved};
use flyball_catalog::{Catalog, Counted, CountedBy};
use flyball_govern::alert::Observed;
use flyball_model::{Duration, Interval, Slice, Slo, Slot, Tally, Timestamp};
use flyball_segment::Hour;
use flyball_store::{
    Delta, Generation, GenerationId, GenerationState, Ledger, LedgerSnapshot, Sequence, SliceId,
    StoreError,
};
use sha2::{Digest, Sha256};

use super::Evaluator;
use super::alerting::{check_targets, facts, pending, signs, subject};
use super::counting::{Counting, Kept, SliPlace, name};
use super::fill::Progress;
use super::past;

/// States of slices kept live, over all objectives: about half a gigabyte. A slice that is met
/// later is counted, and its budget is worked out when somebody asks.
const SLICES_LIVE_MAX: usize = 8_192;
/// What changed so long before an alert is told with it.
const CHANGED_WITHIN: Duration = Duration::from_hours(24);
/// How far ahead recurring corrections are expanded.
const AHEAD: Duration = Duration::from_days(400);

/// An SLO and the states of its objectives.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) slo: Slo,
    pub(super) generation: Generation,
    /// From when on its events are counted.
    pub(super) since: Timestamp,
    /// Whether it must be made anew from the ledger.
    pub(super) is_outdated: bool,
    pub(super) objectives: Vec<Objective>,
}

/// One objective with the states of its whole and its slices.
#[derive(Debug)]
pub(super) struct Objective {
    pub(super) plan: Plan,
    /// Which of the SLO's indicators it is about.
    pub(super) indicator: usize,
    pub(super) total: State,
    pub(super) slices: BTreeMap<Slice, State>,
}

/// A live state and where the ledger keeps its counts.
#[derive(Debug)]
pub(super) struct State {
    /// `None` before the first event was counted.
    pub(super) slice: Option<SliceId>,
    pub(super) live: Live,
    /// Whether it could not be told of counts, and must be made anew.
    pub(super) stale: bool,
}

/// The counts of one slice in the ledger.
pub(super) struct SliceHistory<'a> {
    pub(super) snapshot: &'a LedgerSnapshot<'a>,
    pub(super) slice: Option<SliceId>,
}

impl History for SliceHistory<'_> {
    type Error = StoreError;

    fn tallies(&self, interval: Interval, into: &mut Vec<(Slot, Tally)>) -> Result<(), StoreError> {
        if let Some(slice) = self.slice {
            into.extend(self.snapshot.tallies(slice, interval)?);
        }
        Ok(())
    }
}

/// Documents that cannot be counted, or a store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// An objective that cannot be kept up to date.
    #[error("SLO `{slo}`: {cause}")]
    Objective {
        /// The SLO.
        slo: String,
        /// Why.
        cause: BudgetError,
    },
    /// A condition that does not compile.
    #[error("{0}")]
    Condition(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Evaluator {
    /// Whether `catalog` can be evaluated; nothing changes.
    ///
    /// # Errors
    ///
    /// [`InstallError`], as [`Self::install`] would answer.
    pub(crate) fn check(&self, catalog: &Catalog) -> Result<(), InstallError> {
        check_targets(catalog)?;
        let now = self.clock.now();
        for counted in &catalog.counted {
            plans(&counted.slo, catalog, now, now)?;
        }
        Counting::check(catalog).map_err(InstallError::Condition)
    }

    /// Evaluates `catalog` from the next entry on. SLOs that count as before go on as they are.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; what was evaluated before goes on.
    pub(crate) fn install(&mut self, catalog: Arc<Catalog>) -> Result<(), InstallError> {
        self.count();
        self.try_commit()?;
        let now = self.clock.now();
        // Everything that can be refused is refused before anything is written.
        self.check(&catalog)?;
        let version = self.counting.reading().version + 1;

        // What each SLO shows, and what is counted: the same, but for a definition that is new and
        // is still to be counted over its past. Until then the one before goes on.
        let mut served = Vec::with_capacity(catalog.counted.len());
        let mut counted = Vec::with_capacity(catalog.counted.len());
        let known: HashSet<GenerationId> = self.counted.iter().map(|(_, known)| known.id).collect();
        let mut states = Vec::new();
        for definition in &catalog.counted {
            let generation = self.generation(definition, now, &known)?;
            if generation.state == GenerationState::Live {
                states.push((generation.id, GenerationState::Live));
            }
            counted.push((definition.clone(), generation.clone()));
            let is_filling = generation.state == GenerationState::Filling;
            let before = self
                .counted
                .iter()
                .find(|(_, old)| old.slo == generation.slo && old.state == GenerationState::Live);
            match before.filter(|_| is_filling) {
                Some(before) => {
                    counted.push(before.clone());
                    served.push(before.clone());
                }
                None => served.push((definition.clone(), generation)),
            }
        }
        let snapshot = self.ledger.snapshot()?;
        let old = snapshot.generations()?;
        states.retain(|(id, _)| {
            old.iter().any(|old| old.id == *id && old.state != GenerationState::Live)
        });
        let gone = old
            .iter()
            .filter(|old| old.state != GenerationState::Retired)
            .filter(|old| counted.iter().all(|(_, kept)| kept.id != old.id));
        states.extend(gone.map(|old| (old.id, GenerationState::Retired)));
        let kept = Kept::read(&snapshot, &counted)?;
        let counting = Counting::new(&counted, version, kept, (now, self.asks))
            .map_err(InstallError::Condition)?;

        let old: HashMap<GenerationId, &Watched> =
            self.watched.iter().map(|watched| (watched.generation.id, watched)).collect();
        let same_corrections = self.catalog.set.corrections == catalog.set.corrections;
        let mut anew = Vec::with_capacity(served.len());
        for (definition, generation) in &served {
            let old = old.get(&generation.id).copied();
            let is_kept = old.is_some_and(|old| old.slo == definition.slo && !old.is_outdated);
            let new = if is_kept && same_corrections {
                None
            } else {
                let generation = generation.clone();
                Some(watch(definition, &catalog, generation, old, &counting, &snapshot, self.at)?)
            };
            anew.push((generation.clone(), new));
        }
        drop(snapshot);
        self.ledger.set_states(&states)?;
        self.begun.clear();
        // Nothing fails from here on: what was evaluated before has stayed as it was until now.
        let mut kept: HashMap<GenerationId, Watched> = std::mem::take(&mut self.watched)
            .into_iter()
            .map(|watched| (watched.generation.id, watched))
            .collect();
        let take = |(generation, new): (Generation, Option<Watched>)| {
            let watched = new.or_else(|| kept.remove(&generation.id))?;
            Some(Watched { generation, ..watched })
        };
        self.watched = anew.into_iter().filter_map(take).collect();
        self.counted = counted;
        self.counting = counting;
        self.joined.clear();
        self.shadows.clear();
        self.catalog = catalog;
        self.reconcile_alerts();
        self.publish();
        self.begin_fill(now);
        self.ticked.send_modify(|tick| *tick += 1);
        Ok(())
    }

    /// Retires what an installation has begun that did not come to its end: nothing is counted for it, and
    /// what is counted next would be missing from it for ever.
    pub(super) fn retire_begun(&mut self) -> Result<(), StoreError> {
        if !self.begun.is_empty() {
            let retired = self.begun.iter().map(|begun| (*begun, GenerationState::Retired));
            self.ledger.set_states(&retired.collect::<Vec<_>>())?;
            self.begun.clear();
        }
        Ok(())
    }

    /// The generation that `definition` is counted under: the one that is, else a new one, which is not among
    /// those `known`.
    ///
    /// One that was retired is never taken up again, since its counts have a hole. Where there is no
    /// past to count, neither stored nor to be asked for, a new one is live at once, which is still to be
    /// written.
    fn generation(
        &mut self,
        definition: &Counted,
        now: Timestamp,
        known: &HashSet<GenerationId>,
    ) -> Result<Generation, StoreError> {
        let mut hash = definition.generation;
        let mut generation = self.ledger.generation(&definition.slo.name, hash, now)?;
        while generation.state == GenerationState::Retired {
            hash = hash_again(hash);
            generation = self.ledger.generation(&definition.slo.name, hash, now)?;
        }
        if !known.contains(&generation.id) {
            self.begun.push(generation.id);
        }
        let can_fill = can_fill(definition, &generation);
        if generation.state == GenerationState::Filling {
            let snapshot = self.ledger.snapshot()?;
            let progress = Progress::read(&snapshot, &generation)?.unwrap_or_default();
            let is_asked = self.asks && past::is_open(&snapshot, definition, &generation)?;
            drop(snapshot);
            if !is_asked && (!can_fill || progress.is_done) {
                generation.state = GenerationState::Live;
            }
        }
        Ok(generation)
    }

    /// Makes the states of a generation anew, because the ledger has more of its past now.
    pub(super) fn watch_again(&mut self, generation: GenerationId) {
        self.joined.forget(generation);
        self.shadows.clear();
        let Self { watched, counted, counting, ledger, catalog, telemetry, at, .. } = self;
        let Some(old) = watched.iter_mut().find(|old| old.generation.id == generation) else {
            return;
        };
        let Some((definition, generation)) = counted.iter().find(|(_, of)| of.id == generation)
        else {
            return;
        };
        let new = ledger.snapshot().map_err(InstallError::from).and_then(|snapshot| {
            watch(definition, catalog, generation.clone(), Some(old), counting, &snapshot, *at)
        });
        match new {
            Ok(new) => *old = new,
            // It goes on as it was, and has that past from the next start on.
            Err(error) => telemetry.install_failed(&error),
        }
    }

    /// Tells the live states what the ledger has gained.
    pub(super) fn record(&mut self, deltas: &[Delta]) {
        let mut added: HashMap<SliceId, Vec<(Slot, Tally)>> = HashMap::new();
        for delta in deltas {
            added.entry(delta.slice).or_default().push((delta.slot, delta.tally));
        }
        let mut live = self.slices_live();
        let Self { watched, counting, ledger, telemetry, shadows, at, .. } = self;
        let touched: HashSet<SliPlace> =
            added.keys().filter_map(|slice| counting.place_of(*slice)).collect();
        let snapshot = match ledger.snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => {
                telemetry.store_failed("read", &error);
                let objectives = watched.iter_mut().flat_map(|watched| &mut watched.objectives);
                objectives.flat_map(Objective::states).for_each(|(_, _, state)| state.stale = true);
                shadows.clear();
                return;
            }
        };
        shadows.record(&added, &snapshot);
        for watched in watched.iter_mut() {
            for objective in &mut watched.objectives {
                let Objective { plan, indicator, total, slices } = objective;
                let place = (watched.generation.id, *indicator);
                if !touched.contains(&place) {
                    continue;
                }
                for (slice, id) in counting.slices(place) {
                    let Some(added) = added.get(&id) else { continue };
                    let state = match slice {
                        None => &mut *total,
                        Some(slice) => match slices.get_mut(slice) {
                            Some(state) => state,
                            None if live >= SLICES_LIVE_MAX => continue,
                            None => {
                                live += 1;
                                let history = SliceHistory { snapshot: &snapshot, slice: Some(id) };
                                let new = begin(plan, *at, &history);
                                if let Ok(new) = new {
                                    let state = State { slice: Some(id), live: new, stale: false };
                                    slices.insert(slice.clone(), state);
                                }
                                // It was made from a ledger that holds what is added.
                                continue;
                            }
                        },
                    };
                    state.slice = Some(id);
                    let history = SliceHistory { snapshot: &snapshot, slice: state.slice };
                    if let Err(error) = state.live.record(plan, added, &history) {
                        telemetry.state_failed(&watched.slo.name, &error);
                        state.stale = true;
                    }
                }
            }
        }
    }

    fn slices_live(&self) -> usize {
        let objectives = self.watched.iter().flat_map(|watched| &watched.objectives);
        objectives.map(|objective| objective.slices.len()).sum()
    }

    /// Moves every state to `to`.
    pub(super) fn advance(&mut self, to: Timestamp) {
        let (mut all, mut seen) = (Vec::new(), Vec::new());
        let recent = self.recent.get();
        let Self { watched, ledger, telemetry, pending: commit, catalog, .. } = self;
        let snapshot = match ledger.snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => return telemetry.store_failed("read", &error),
        };
        let mut is_ended = false;
        for watched in watched.iter_mut() {
            let (mut changes, mut whole) = (Vec::new(), None);
            let Watched { slo, objectives, .. } = watched;
            let states = objectives.iter_mut().enumerate().flat_map(|(index, objective)| {
                objective.states().map(move |(slice, plan, state)| (index, slice, plan, state))
            });
            for (index, slice, plan, state) in states {
                let history = SliceHistory { snapshot: &snapshot, slice: state.slice };
                let (before, known) = (pending(state), changes.len());
                let moved = state.advance(plan, to, &history, &mut changes);
                if let Some(whole) = whole.filter(|_| slice.is_some()) {
                    state.live.release_silent(plan, whole, &history, &mut changes);
                }
                if let Err(error) = moved {
                    is_ended |= matches!(error, LiveError::PlanEnded { .. });
                    telemetry.state_failed(&slo.name, &error);
                }
                let mut of_state = signs(slo, state, &before, to);
                of_state.extend(changes[known..].iter().map(Observed::from));
                if !of_state.is_empty() {
                    let mut facts = facts((slo, index), plan, state, &history, seen.len());
                    let described = catalog.governance.service(&slo.service);
                    facts.links.or_runbook(described.and_then(|of| of.spec.runbook.as_deref()));
                    let changes = recent.iter().filter(|change| change.service == slo.service);
                    let facts = facts.with_changes(changes, to.minus(CHANGED_WITHIN), to);
                    seen.push((subject(slo, index, slice), of_state, facts));
                }
                // It comes before its slices.
                whole = if slice.is_none() { Some(&state.live) } else { whole };
            }
            if !changes.is_empty() {
                keep(slo, objectives, &mut commit.values);
                all.push((slo.name.clone(), changes));
            }
        }
        drop(snapshot);
        self.at = to;
        for (slo, changes) in all {
            self.changed(&slo, &changes);
        }
        self.observe(seen);
        self.lift_silences();
        self.observed(to);
        self.ticked.send_modify(|tick| *tick += 1);
        if is_ended && let Err(error) = self.plan_anew() {
            self.telemetry.install_failed(&error);
        }
    }

    /// Has the states of all alert rules written with the next commit.
    pub(super) fn keep_all(&mut self) {
        for Watched { slo, objectives, .. } in &self.watched {
            keep(slo, objectives, &mut self.pending.values);
        }
    }

    /// Expands corrections further.
    fn plan_anew(&mut self) -> Result<(), InstallError> {
        let now = self.clock.now();
        for watched in &mut self.watched {
            let plans = plans(&watched.slo, &self.catalog, watched.since, now)?;
            for (objective, plan) in watched.objectives.iter_mut().zip(plans) {
                objective.plan = plan;
            }
        }
        Ok(())
    }
}

impl State {
    fn advance(
        &mut self,
        plan: &Plan,
        to: Timestamp,
        history: &SliceHistory<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<(), LiveError<StoreError>> {
        if self.stale {
            self.live = Live::load(plan, &self.live.save(), history)?;
            self.stale = false;
        }
        self.live.advance(plan, to, history, changes)
    }
}

impl Objective {
    /// Every state with its slice and the plan.
    fn states(&mut self) -> impl Iterator<Item = (Option<&Slice>, &Plan, &mut State)> {
        let Self { plan, total, slices, .. } = self;
        let plan: &Plan = plan;
        let slices = slices.iter_mut().map(|(slice, state)| (Some(slice), state));
        let states = std::iter::once((None, total)).chain(slices);
        states.map(move |(slice, state)| (slice, plan, state))
    }
}

/// Whether there may be stored events from before `generation` that `definition` counts.
pub(super) fn can_fill(definition: &Counted, generation: &Generation) -> bool {
    let is_of_events = |by: &CountedBy| matches!(by, CountedBy::Events(_));
    generation.since > Sequence::NONE && definition.indicators.iter().any(is_of_events)
}

/// The hash of a definition that is given again after it was retired under `hash`.
pub(crate) fn hash_again(hash: [u8; 32]) -> [u8; 32] {
    let mut again = Sha256::new();
    again.update(b"flyball generation again\n");
    again.update(hash);
    again.finalize().into()
}

/// Values of the ledger, with their keys.
type Values = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Adds what the ledger cannot tell of an SLO's states to what is written with the next commit.
fn keep(slo: &Slo, objectives: &[Objective], values: &mut Values) {
    for (index, objective) in objectives.iter().enumerate() {
        let slices = objective.slices.iter().map(|(slice, state)| (Some(slice), state));
        for (slice, state) in std::iter::once((None, &objective.total)).chain(slices) {
            let saved = serde_json::to_vec(&state.live.save()).ok();
            values.push((state_key(slo, index, slice), saved));
        }
    }
}

/// Where the state of an objective, or of a slice of it, is kept.
fn state_key(slo: &Slo, objective: usize, slice: Option<&Slice>) -> Vec<u8> {
    format!("state\0{}\0{}", slo.name, name(objective, slice)).into_bytes()
}

/// What was kept of a state; `None` where nothing was, or nothing that can be read.
fn kept(
    snapshot: &LedgerSnapshot<'_>,
    slo: &Slo,
    objective: usize,
    slice: Option<&Slice>,
) -> Result<Option<Saved>, StoreError> {
    let value = snapshot.value(&state_key(slo, objective, slice))?;
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
}

/// The plans of an SLO's objectives.
fn plans(
    slo: &Slo,
    catalog: &Catalog,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Plan>, InstallError> {
    let since = since.floor(Ledger::SLOT_WIDTH);
    let plan = |index| {
        Plan::new(slo, index, Ledger::SLOT_WIDTH, &catalog.set.corrections, since, now.plus(AHEAD))
    };
    (0..slo.objectives.len())
        .map(|index| {
            plan(index).map_err(|cause| InstallError::Objective { slo: slo.name.clone(), cause })
        })
        .collect()
}

/// A state that has seen nothing before `at`.
fn begin(
    plan: &Plan,
    at: Timestamp,
    history: &SliceHistory<'_>,
) -> Result<Live, LiveError<StoreError>> {
    let at = at.max(plan.since());
    Live::load(plan, &Saved { at: at.nanos(), watches: Vec::new() }, history)
}

/// The states of `slo` as of `at`, with what `old` knows of its alert rules.
fn watch(
    counted: &Counted,
    catalog: &Catalog,
    generation: Generation,
    old: Option<&Watched>,
    counting: &Counting,
    snapshot: &LedgerSnapshot<'_>,
    at: Timestamp,
) -> Result<Watched, InstallError> {
    let slo = &counted.slo;
    let cannot = |error: LiveError<StoreError>| match error {
        LiveError::History(error) => InstallError::Store(error),
        LiveError::Budget(cause) => InstallError::Objective { slo: slo.name.clone(), cause },
        LiveError::PlanEnded { until } => {
            InstallError::Condition(format!("SLO `{}`: its plan ends at {until}", slo.name))
        }
    };
    let mut objectives = Vec::new();
    let first = Progress::read(snapshot, &generation)?.and_then(|progress| progress.first);
    let places = (0..counted.indicators.len()).map(|indicator| (generation.id, indicator));
    let asked = counting.pasts().first(places);
    let since = first.map(Hour::start).into_iter().chain(asked).fold(generation.created, Ord::min);
    for (index, plan) in plans(slo, catalog, since, at)?.into_iter().enumerate() {
        let indicator = counted.of_objective[index];
        let old = old.and_then(|old| old.objectives.get(index));
        let mut total = None;
        let mut slices = BTreeMap::new();
        for (slice, id) in counting.slices((generation.id, indicator)) {
            let old = match slice {
                None => old.map(|old| &old.total),
                Some(slice) => old.and_then(|old| old.slices.get(slice)),
            };
            let history = SliceHistory { snapshot, slice: Some(id) };
            let saved = match old {
                Some(old) => Some(old.live.save()),
                None => kept(snapshot, slo, index, slice)?,
            };
            let live = match saved {
                Some(saved) => Live::load(&plan, &saved, &history),
                None => begin(&plan, at, &history),
            };
            let state = State { slice: Some(id), live: live.map_err(cannot)?, stale: false };
            match slice {
                None => total = Some(state),
                Some(slice) if slices.len() < SLICES_LIVE_MAX => {
                    slices.insert(slice.clone(), state);
                }
                Some(_) => {}
            }
        }
        let total = if let Some(total) = total {
            total
        } else {
            let live = begin(&plan, at, &SliceHistory { snapshot, slice: None });
            State { slice: None, live: live.map_err(cannot)?, stale: false }
        };
        objectives.push(Objective { plan, indicator, total, slices });
    }
    Ok(Watched { slo: slo.clone(), generation, since, is_outdated: false, objectives })
}
