//! What is said of an SLO at the moment, in the shape that every output shares.

use std::collections::BTreeMap;

use flyball_budget::composite::{Part, weighted};
use flyball_budget::live::{LiveError, Standing};
use flyball_budget::report::CompositeReport;
use flyball_budget::{BudgetError, Status, nominal_length};
use flyball_catalog::Counted;
use flyball_model::{
    BudgetingMethod, Composition, Duration, Interval, Slice, Slo, Tally, Target, Timestamp,
};
use flyball_store::{Generation, GenerationState, Ledger, LedgerSnapshot, StoreError};

use super::Evaluator;
use super::corrected::{CorrectionStatus, is_corrected};
use super::counting::Counting;
use super::fill::FillStatus;
use super::met::{Doubt, Met};
use super::objective::{Objective, SliceHistory, State, Watched};
use crate::http::shapes;

/// Why an all-of composite is not joined.
const ALL_OF_REASON: &str =
    "too many all-of composites were due to be joined at the same time; hint: ask again";

/// One SLO at the moment. The keys are those of a replay's report.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct SloStatus {
    /// The SLO's name.
    pub slo: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// The service that makes the promise.
    pub service: String,
    /// How the budget is counted.
    #[schema(value_type = String)]
    pub method: BudgetingMethod,
    /// Missed when any objective is; else no data when any has none; else met. That of the whole
    /// for a composite.
    #[schema(value_type = shapes::Kept)]
    pub status: Status,
    /// The moment of looking.
    #[schema(value_type = shapes::Instant)]
    pub at: Timestamp,
    /// Up to when every slot had ended and was observed.
    #[schema(value_type = shapes::Instant)]
    pub complete_up_to: Timestamp,
    /// Since when events are counted.
    #[schema(value_type = shapes::Instant)]
    pub since: Timestamp,
    /// The length of the slots that events are counted in.
    #[schema(value_type = shapes::Length)]
    pub slot_width: Duration,
    /// How far a new definition is counted over its past, stored events and samples that a metrics
    /// system is asked for; until it is done the one before is shown, where there is one. `None` when
    /// nothing is being filled.
    pub filling: Option<FillStatus>,
    /// Where the days of a calendar window begin, by IANA's name; `None` for a rolling window and
    /// for a zone without a name.
    pub time_zone: Option<String>,
    /// How the objectives of a composite join; `None` for other SLOs, and where they are not joined.
    #[schema(value_type = Option<shapes::Joined>)]
    pub composite: Option<CompositeReport>,
    /// Why the objectives of a composite are not joined; its status is `no_data` then.
    pub composite_reason: Option<&'static str>,
    /// What corrections change in the window, those that have no part of it left out; `None` where it is
    /// not worked out yet: ask again.
    pub corrections: Option<Vec<CorrectionStatus>>,
    /// What is likely not meant: metrics and services that are named and do not come, while others do.
    pub doubts: Vec<Doubt>,
    /// The promises.
    pub objectives: Vec<ObjectiveStatus>,
}

/// One objective of an SLO at the moment.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct ObjectiveStatus {
    /// A name for people.
    pub name: Option<String>,
    /// The promised share of good.
    #[schema(value_type = shapes::Promise)]
    pub target: Target,
    /// All events.
    #[serde(flatten)]
    #[schema(value_type = shapes::Standing)]
    pub total: Standing,
    /// Events since `complete_up_to`, which no window holds yet.
    #[schema(value_type = shapes::Counts)]
    pub newest: Tally,
    /// The same for each slice.
    pub slices: Vec<SliceStatus>,
}

/// One slice of an objective at the moment.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct SliceStatus {
    /// The slice's label; no two slices of an objective have the same.
    pub slice: String,
    /// The values of the attributes by which slices are kept, `None` where events have none; empty
    /// for the overflow.
    pub attributes: BTreeMap<String, Option<String>>,
    /// Whether this slice is the one that takes what is past the slice limit.
    pub overflow: bool,
    /// Its own budget and alerts.
    #[serde(flatten)]
    #[schema(value_type = shapes::Standing)]
    pub standing: Standing,
}

impl Evaluator {
    /// The SLO called `name`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// A ledger that cannot be read, a calendar window that cannot be computed.
    pub(crate) fn status(
        &mut self,
        name: &str,
    ) -> Result<Option<SloStatus>, LiveError<StoreError>> {
        Ok(self.statuses(|slo| slo.name == name)?.pop())
    }

    /// The SLOs for which `is_asked`, in the order of their documents; all-of composites as they were
    /// [joined](super::Handle::join) last.
    ///
    /// # Errors
    ///
    /// As [`Self::status`].
    pub(crate) fn statuses(
        &mut self,
        is_asked: impl Fn(&flyball_model::Slo) -> bool,
    ) -> Result<Vec<SloStatus>, LiveError<StoreError>> {
        let (now, complete) = (self.clock.now(), self.at);
        let Self { watched, ledger, counted, counting, filling, joined, catalog, met, .. } = self;
        let snapshot = ledger.snapshot().map_err(LiveError::History)?;
        let asked = || watched.iter().filter(|watched| is_asked(&watched.slo));
        let filled = being_filled(counted);
        let said = asked().map(|watched| {
            let of_slo = filled.iter().find(|(_, filled)| filled.slo == watched.slo.name);
            let filling = of_slo.map(|(definition, generation)| {
                let window = nominal_length(&definition.slo.window);
                let asked = counting.pasts().status(generation.id, window);
                filling.status(generation.id).plus(asked)
            });
            let report = joined.report(watched.generation.id);
            let all_of = report.and_then(|report| report.whole.as_ref());
            let said = status(watched, &snapshot, (now, complete), filling, all_of)?;
            let doubts = doubts(watched, &said.objectives, counting, met, now);
            let is_corrected = is_corrected(&watched.slo, &catalog.set.corrections);
            let corrections = match report {
                Some(report) => Some(report.corrections.clone()),
                None => (!is_corrected).then(Vec::new),
            };
            Ok(SloStatus { corrections, doubts, ..said })
        });
        said.collect()
    }
}

/// What is likely not meant in an SLO, each thing once.
fn doubts(
    watched: &Watched,
    said: &[ObjectiveStatus],
    counting: &Counting,
    met: &Met,
    now: Timestamp,
) -> Vec<Doubt> {
    let mut found: Vec<Doubt> = Vec::new();
    for (objective, said) in watched.objectives.iter().zip(said) {
        let place = (watched.generation.id, objective.indicator);
        let unmet = counting.unmet(place);
        let mut doubts = met.doubts(&unmet, counting.began(), now);
        if objective.total.slice.is_none() {
            let service = counting.required_service(place);
            doubts.extend(service.and_then(|service| met.doubt_of_service(&service)));
        }
        if said.total.budget.undecided > 0 {
            let unseen = counting.unseen(place).into_iter();
            doubts.extend(unseen.map(|name| Met::doubt_of_attribute(&name, counting.began())));
        }
        found.extend(doubts.into_iter().filter(|doubt| !found.contains(doubt)).collect::<Vec<_>>());
    }
    found
}

/// The generations that are being filled: few, and mostly none.
fn being_filled(counted: &[(Counted, Generation)]) -> Vec<&(Counted, Generation)> {
    let is_filling = |of: &&(Counted, Generation)| of.1.state == GenerationState::Filling;
    counted.iter().filter(is_filling).collect()
}

fn status(
    watched: &Watched,
    snapshot: &LedgerSnapshot<'_>,
    (at, complete_up_to): (Timestamp, Timestamp),
    filling: Option<FillStatus>,
    all_of: Option<&CompositeReport>,
) -> Result<SloStatus, LiveError<StoreError>> {
    let slo = &watched.slo;
    let mut objectives = Vec::with_capacity(slo.objectives.len());
    for (objective, promise) in watched.objectives.iter().zip(&slo.objectives) {
        let Objective { plan, total, slices, .. } = objective;
        let standing = |state: &State| {
            state.live.standing(plan, &SliceHistory { snapshot, slice: state.slice })
        };
        let slices = slices.iter().map(|(slice, state)| {
            Ok(SliceStatus {
                slice: slice.to_string(),
                attributes: slice.attributes(),
                overflow: *slice == Slice::Overflow,
                standing: standing(state)?,
            })
        });
        objectives.push(ObjectiveStatus {
            name: promise.display_name.clone(),
            target: promise.target,
            total: standing(total)?,
            newest: newest(snapshot, total).map_err(LiveError::History)?,
            slices: slices.collect::<Result<_, LiveError<StoreError>>>()?,
        });
    }
    let (composite, composite_reason) = join(slo, &objectives, all_of)?;
    let mut statuses: Vec<Status> =
        objectives.iter().map(|objective| objective.total.status).collect();
    if slo.composition.is_some() {
        // A composite promises what the whole does; its components explain it.
        statuses = vec![composite.as_ref().map_or(Status::NoData, CompositeReport::status)];
    }
    Ok(SloStatus {
        slo: slo.name.clone(),
        display_name: slo.display_name.clone(),
        service: slo.service.clone(),
        method: slo.method,
        status: Status::worst(&statuses),
        at,
        complete_up_to,
        since: since(snapshot, watched).map_err(LiveError::History)?,
        slot_width: Ledger::SLOT_WIDTH,
        filling,
        time_zone: slo.window.time_zone().map(str::to_owned),
        composite,
        composite_reason,
        corrections: None,
        doubts: Vec::new(),
        objectives,
    })
}

/// Joins the objectives of a composite, or says why not.
fn join(
    slo: &Slo,
    objectives: &[ObjectiveStatus],
    all_of: Option<&CompositeReport>,
) -> Result<(Option<CompositeReport>, Option<&'static str>), BudgetError> {
    match slo.composition {
        None => Ok((None, None)),
        Some(Composition::AllOf) => match all_of {
            Some(report) => Ok((Some(report.clone()), None)),
            None => Ok((None, Some(ALL_OF_REASON))),
        },
        Some(Composition::Weighted) => {
            let parts = objectives.iter().zip(&slo.objectives);
            let parts: Vec<Part> = parts
                .map(|(objective, promise)| Part::of(&objective.total.budget, promise.weight))
                .collect();
            Ok((Some(CompositeReport::Weighted(weighted(&parts, slo.method)?)), None))
        }
    }
}

/// Since when events of an SLO are counted: since it was, or since the first of them that was told later.
pub(super) fn since(
    snapshot: &LedgerSnapshot<'_>,
    watched: &Watched,
) -> Result<Timestamp, StoreError> {
    let slices = watched.objectives.iter().filter_map(|objective| objective.total.slice);
    slices.into_iter().try_fold(watched.since, |since, slice| {
        Ok(snapshot.first_tally(slice)?.map_or(since, |first| since.min(first)))
    })
}

/// The events of slots that the budget of `state` does not hold yet. One that has just begun may be
/// ahead of the others by a slot.
fn newest(snapshot: &LedgerSnapshot<'_>, state: &State) -> Result<Tally, StoreError> {
    let Some(slice) = state.slice else { return Ok(Tally::EMPTY) };
    // What lies further ahead is refused when it comes in.
    let ahead = Interval::starting(state.live.at(), Duration::from_hours(1));
    Ok(snapshot.tallies(slice, ahead)?.into_iter().map(|(_, tally)| tally).sum())
}
