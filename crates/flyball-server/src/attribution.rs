//! Who spent a budget: bad events, or time slices, by change, incident and drill.
//!
//! `flyball-govern` splits them; here it is given what the ledger holds, corrected as the budget is, and
//! what is kept of changes and incidents. The parts add up to what the ledger says was spent.

use std::collections::{BTreeMap, BTreeSet};

use flyball_budget::correction::{dropped, expand};
use flyball_budget::live::LiveError;
use flyball_budget::{Account, BudgetError, Frame, window_at};
use flyball_catalog::Catalog;
use flyball_govern::gate::SpentOn;
use flyball_govern::incident::{IncidentRecord, KeptDemand, WriteUp};
use flyball_govern::policy::{
    CAUSES, IncidentSpent, PostMortem, PostMortemReason, PostMortemRule, post_mortems,
};
use flyball_govern::verdict::{
    CauseKind, Failed, HEARD_WITHIN, NamedCause, Posting, Suspect, VerdictError, attribute,
    by_hour, causes, usual, where_it_failed,
};
use flyball_model::{
    BudgetingMethod, Correction, Duration, Interval, Rational, Slot, Target, Timestamp,
};
use flyball_store::{Ledger, LedgerSnapshot, SliceId, StoreError};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::changes::{Kept, Past};
use crate::evaluator::{ServedError, SloCounts, check, corrected_series, steps};
use crate::gate::Classes;
use crate::http::shapes;

/// The longest time that is looked at: a year, and what a window of months hangs over.
const LENGTH_MAX: Duration = Duration::from_days(400);
/// The hours in which the usual ratio is found.
const HOUR: Duration = Duration::from_hours(1);

/// Who spent the budget of an SLO.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct Attribution {
    /// The SLO.
    slo: String,
    /// The service that makes the promise.
    service: String,
    /// The first moment that is looked at.
    #[schema(value_type = shapes::Instant)]
    from: Timestamp,
    /// The moment that it ends before.
    #[schema(value_type = shapes::Instant)]
    to: Timestamp,
    /// What is counted: `events`, or `time_slices` where the budget is made of those.
    unit: &'static str,
    /// Whether there were more changes or incidents than are looked at, so that what earlier ones spent is called
    /// unexplained.
    is_cut: bool,
    /// Each objective.
    pub(crate) objectives: Vec<ObjectiveAttribution>,
}

impl Attribution {
    /// The SLO.
    pub(crate) fn slo(&self) -> &str {
        &self.slo
    }

    /// What `rule` demands for what it spent, each with the bad events of an incident that are its own.
    fn post_mortems(&self, rule: &PostMortemRule) -> Vec<(PostMortem, u64)> {
        let of_objective = |objective: &ObjectiveAttribution| {
            let own = |of: PostMortem| {
                let bad = match &of.reason {
                    PostMortemReason::Incident { id } => objective.spent_by_incident(id),
                    PostMortemReason::Class { .. } => None,
                };
                (of, bad.unwrap_or(0))
            };
            objective.post_mortems(rule).into_iter().map(own).collect::<Vec<_>>()
        };
        self.objectives.iter().flat_map(of_objective).collect()
    }

    /// What `rule` demands now for what it spent, by what was learnt in `records` and what is `written` of them, where
    /// `is_asked`, and what is not among those `known`; each with what it is for.
    pub(crate) fn demands(
        &self,
        rule: &PostMortemRule,
        is_asked: impl Fn(&PostMortem) -> bool,
        (records, written, known): (&[IncidentRecord], &[WriteUp], &[KeptDemand]),
        now: Timestamp,
    ) -> Vec<(PostMortem, KeptDemand)> {
        let (place, learnt) = ((&*self.service, &*self.slo), (records, written));
        let mut new: Vec<(PostMortem, KeptDemand)> = Vec::new();
        for (of, own) in self.post_mortems(rule).into_iter().filter(|(of, _)| is_asked(of)) {
            // Several objectives may ask for the same.
            let known = known.iter().chain(new.iter().map(|(_, demand)| demand));
            let asked = (&of, own, rule.incident);
            new.extend(KeptDemand::arising(place, asked, learnt, known, now).map(|new| (of, new)));
        }
        new
    }

    /// The first moment that is looked at.
    pub(crate) const fn from(&self) -> Timestamp {
        self.from
    }

    /// Whether there were more causes than are looked at.
    pub(crate) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// As `caller` may see it: what happened to services that they may not see has no name.
    #[must_use]
    pub(crate) fn seen_by(mut self, caller: &Caller) -> Self {
        let causes = self.objectives.iter_mut().flat_map(|objective| &mut objective.causes);
        for cause in causes.filter(|cause| !caller.sees(&cause.service)) {
            cause.id.clear();
            cause.service.clear();
            cause.class = None;
        }
        self
    }
}

/// Who spent the budget of one objective: `usual`, `unexplained` and what causes spent add up to `spent`.
#[derive(Debug, Clone, serde::Serialize, ToSchema)]
pub(crate) struct ObjectiveAttribution {
    /// A name for people.
    name: Option<String>,
    /// The promised share of good.
    #[schema(value_type = shapes::Promise)]
    target: Target,
    /// What is counted: `events`, or `time_slices` where the budget is made of those.
    unit: &'static str,
    /// What counts.
    valid: u64,
    /// What of it is bad.
    spent: u64,
    /// What the usual ratio explains: that of the median hour without a cause.
    usual: u64,
    /// What is past that, where no cause is known.
    unexplained: u64,
    /// What each cause spent, in the order of their beginning; those that spent nothing, too.
    causes: Vec<CauseShare>,
}

impl ObjectiveAttribution {
    /// What each cause spent, by the names that exemptions go by: those of [`CAUSES`], and the ids of changes and
    /// incidents, given the services that are `frozen`: that ship nothing now.
    pub(crate) fn spent_on(&self, frozen: &BTreeSet<String>) -> Vec<SpentOn> {
        let spent = |cause: &CauseShare| SpentOn {
            names: cause.names(frozen).into_iter().map(str::to_owned).collect(),
            class: cause.class.clone(),
            bad: cause.spent,
        };
        self.causes.iter().map(spent).collect()
    }

    /// The services that this one depends on whose failures spent something.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = &str> {
        let theirs = self.causes.iter().filter(|cause| cause.kind == CauseKind::Dependency);
        theirs.filter(|cause| cause.spent > 0).map(|cause| cause.service.as_str())
    }

    /// What each incident spent.
    pub(crate) fn incidents(&self) -> impl Iterator<Item = IncidentSpent> {
        let incidents = self.causes.iter().filter(|cause| cause.kind == CauseKind::Incident);
        incidents.map(|of| IncidentSpent {
            id: of.id.clone(),
            class: of.class.clone(),
            bad: of.spent,
        })
    }

    /// What counts, and what of it is bad.
    pub(crate) const fn counted(&self) -> (u64, u64) {
        (self.valid, self.spent)
    }

    /// What it promises.
    pub(crate) const fn target(&self) -> Target {
        self.target
    }

    /// A name for people, where there is one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What the incident called `id` spent, of the service or of one that it depends on; `None` where it is not among
    /// the causes.
    pub(crate) fn spent_by_incident(&self, id: &str) -> Option<u64> {
        let is_it = |of: &&CauseShare| {
            matches!(of.kind, CauseKind::Incident | CauseKind::Dependency) && of.id == id
        };
        let spent = self.causes.iter().filter(is_it).map(|of| of.spent);
        spent.reduce(u64::saturating_add)
    }

    /// What the drill spent whose change is called `id`; `None` where it is not among the causes.
    pub(crate) fn spent_by_drill(&self, id: &str) -> Option<u64> {
        let is_it = |of: &&CauseShare| of.kind == CauseKind::Drill && of.id == id;
        self.causes.iter().find(is_it).map(|of| of.spent)
    }

    /// The services that this one depends on whose failures spent something in `during`.
    pub(crate) fn failed_below(&self, during: Interval) -> impl Iterator<Item = &str> {
        let theirs = self.causes.iter().filter(move |of| {
            of.kind == CauseKind::Dependency
                && of.spent > 0
                && of
                    .parts
                    .iter()
                    .any(|part| part.start() < during.end() && during.start() < part.end())
        });
        theirs.map(|of| of.service.as_str())
    }

    /// The incidents that `rule` wants to be written up.
    pub(crate) fn post_mortems(&self, rule: &PostMortemRule) -> Vec<PostMortem> {
        let incidents: Vec<IncidentSpent> = self.incidents().collect();
        post_mortems(rule, &incidents, self.valid, self.target)
    }

    /// The same with those causes alone that spent most, at most so many.
    pub(crate) fn foremost(mut self, most: usize) -> Self {
        self.causes.retain(|cause| cause.spent > 0);
        self.causes.sort_by_key(|cause| std::cmp::Reverse(cause.spent));
        self.causes.truncate(most);
        self
    }
}

/// What one cause spent.
#[derive(Debug, Clone, serde::Serialize, ToSchema)]
struct CauseShare {
    /// What it is.
    #[schema(value_type = shapes::CauseKind)]
    kind: CauseKind,
    /// What it is known by; empty where it happened to a service that the caller may not see.
    id: String,
    /// The service that it happened to: of a dependency another one; empty where the caller may not see that.
    service: String,
    /// The class of outage that somebody has put it into; null where nobody has.
    class: Option<String>,
    /// The first moment that it is charged for.
    #[schema(value_type = shapes::Instant)]
    from: Timestamp,
    /// The moment that this ends before.
    #[schema(value_type = shapes::Instant)]
    to: Timestamp,
    /// What it spent.
    spent: u64,
    /// The parts of that time that it is charged for: of an incident of a dependency those in which that failed.
    #[serde(skip)]
    parts: Vec<Interval>,
}

impl CauseShare {
    /// What exemptions may call it, given the services that ship nothing now.
    fn names(&self, frozen: &BTreeSet<String>) -> Vec<&str> {
        let [drill, dependency, frozen_dependency] = CAUSES;
        match self.kind {
            CauseKind::Drill => vec![drill],
            CauseKind::Dependency if frozen.contains(&self.service) => {
                vec![dependency, frozen_dependency]
            }
            CauseKind::Dependency => vec![dependency],
            // A change may be called as it likes.
            CauseKind::Change | CauseKind::Incident if CAUSES.contains(&self.id.as_str()) => vec![],
            CauseKind::Change | CauseKind::Incident => vec![&self.id],
        }
    }
}

/// Why it is not told who spent a budget.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttributionError {
    /// A time that cannot be looked at.
    #[error("{0}; hint: name a time that has begun, from before to, of at most {LENGTH_MAX}")]
    Times(&'static str),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] ServedError),
    /// What is read does not fit together.
    #[error(transparent)]
    Verdict(#[from] VerdictError),
}

impl From<BudgetError> for AttributionError {
    fn from(error: BudgetError) -> Self {
        Self::Ledger(error.into())
    }
}

impl From<LiveError<StoreError>> for AttributionError {
    fn from(error: LiveError<StoreError>) -> Self {
        Self::Ledger(error.into())
    }
}

/// The time that is looked at, of the SLO in `counts`: from `from`, else the beginning of its window, to
/// `to`, else as far as everything is counted.
///
/// # Errors
///
/// [`AttributionError::Times`]; a calendar window that cannot be computed.
pub(crate) fn times(
    counts: &SloCounts,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    complete: Timestamp,
) -> Result<Interval, AttributionError> {
    let width = width(counts);
    let to = to.unwrap_or(complete).min(complete).floor(width);
    let from = match from {
        Some(from) => from.floor(width),
        None => window_at(&counts.slo.window, to)?.elapsed.start(),
    };
    let interval = Interval::new(from, to)
        .map_err(|_| AttributionError::Times("`from` is not before `to`"))?;
    if interval.is_empty() {
        return Err(AttributionError::Times("there is no time between `from` and `to`"));
    }
    if interval.length() > LENGTH_MAX {
        return Err(AttributionError::Times("the time is too long"));
    }
    Ok(interval)
}

/// The length of what the budget is counted in.
fn width(counts: &SloCounts) -> Duration {
    let slices = counts.slo.objectives.iter().filter_map(|objective| objective.timeslice_window);
    match counts.slo.method {
        BudgetingMethod::Timeslices => slices.max().unwrap_or(Ledger::SLOT_WIDTH),
        BudgetingMethod::Occurrences | BudgetingMethod::RatioTimeslices => Ledger::SLOT_WIDTH,
    }
}

/// When the services of incidents of dependencies among `causes` failed, by the counts of their SLOs in `theirs`.
fn failed(
    snapshot: &LedgerSnapshot<'_>,
    theirs: &[SloCounts],
    corrections: &[Correction],
    causes: &[NamedCause],
) -> Result<BTreeMap<String, Failed>, AttributionError> {
    let below = |counts: &SloCounts| {
        let service = counts.slo.service.clone();
        causes.iter().filter(move |of| of.is_incident_below() && of.service == service)
    };
    check(theirs.iter().flat_map(|counts| {
        let slices: BTreeSet<SliceId> =
            counts.objectives.iter().filter_map(|of| of.total).collect();
        below(counts).flat_map(move |cause| slices.clone().into_iter().map(move |_| cause.interval))
    }))?;
    let mut failed: BTreeMap<String, Failed> = BTreeMap::new();
    for counts in theirs {
        let of = failed.entry(counts.slo.service.clone()).or_default();
        let mut allowed: BTreeMap<SliceId, Vec<Rational>> = BTreeMap::new();
        for (promise, place) in counts.slo.objectives.iter().zip(&counts.objectives) {
            let Some(slice) = place.total else { continue };
            allowed.entry(slice).or_default().push(match promise.timeslice_target {
                Some(target) => target.complement().unwrap_or(Rational::ONE),
                None => promise.target.error_budget(),
            });
        }
        let mut read_to = Timestamp::MIN;
        for cause in below(counts) {
            // What is heard beside it tells of it as well. Causes are in the order of their beginning.
            let start = cause.interval.start().minus(HEARD_WITHIN).max(read_to);
            let end = cause.interval.end().plus(HEARD_WITHIN);
            read_to = end.max(read_to);
            if start >= end {
                continue;
            }
            for step in steps(Interval::starting(start, end.since(start)), HOUR) {
                for (slice, allowed) in &allowed {
                    let name = &counts.slo.name;
                    let series = corrected_series(snapshot, &[*slice], step, name, corrections)?;
                    for allowed in allowed {
                        for (slot, tally) in series.iter() {
                            of.add(slot, Ledger::SLOT_WIDTH, tally, *allowed);
                        }
                    }
                }
            }
        }
    }
    Ok(failed)
}

/// Who spent the budget of the SLO in `counts` in `interval`, given what is kept of changes and incidents, and the
/// classes that these were put into; `theirs` are the SLOs of services that it depends on.
///
/// # Errors
///
/// [`AttributionError`].
pub(crate) fn attributed(
    snapshot: &LedgerSnapshot<'_>,
    (counts, theirs): (&SloCounts, &[SloCounts]),
    catalog: &Catalog,
    interval: Interval,
    (told, classes): (&Past, &Classes),
) -> Result<Attribution, AttributionError> {
    let SloCounts { slo, since, objectives } = counts;
    let suspects: Vec<Suspect<'_>> = told
        .changes
        .iter()
        .map(|Kept { change, verdict, breaks, .. }| Suspect {
            change,
            verdict: verdict.as_ref(),
            breaks,
        })
        .collect();
    let asked: Vec<&str> = catalog.governance.dependencies(&slo.service).collect();
    let mut named = causes(&slo.service, &asked, &suspects, &told.incidents, interval);
    let corrections = &catalog.set.corrections;
    let failed = failed(snapshot, theirs, corrections, &named)?;
    where_it_failed(&mut named, |service, during| {
        failed.get(service).map_or_else(|| vec![during], |failed| failed.parts(during))
    });
    let expanded = expand(corrections, &slo.name, interval)?;
    let taken_out = dropped(&expanded);
    let is_sliced = slo.method == BudgetingMethod::Timeslices;
    let unit = if is_sliced { "time_slices" } else { "events" };
    let mut found = Vec::with_capacity(objectives.len());
    for (counts, promise) in objectives.iter().zip(&slo.objectives) {
        let slices: Vec<SliceId> = counts.total.into_iter().collect();
        let width = match promise.timeslice_window.filter(|_| is_sliced) {
            Some(width) => width,
            None => Ledger::SLOT_WIDTH,
        };
        let charged: Vec<_> =
            named.iter().map(|cause| cause.in_slots(|at| Slot::of(at, width))).collect();
        let per_hour = (HOUR.nanos() / width.nanos().max(1)).max(1);
        let hour = Duration::from_nanos(width.nanos() * per_hour).unwrap_or(HOUR);
        // Of weeks only what was counted by the hour is held.
        let (mut postings, mut valid) = (Vec::new(), 0);
        let mut since = since.floor(Ledger::SLOT_WIDTH);
        for step in steps(interval, hour) {
            let series = corrected_series(snapshot, &slices, step, &slo.name, corrections)?;
            // As in a replay, data was collected from the first event on: some may be older than the SLO.
            since = series.extent().map_or(since, |extent| since.min(extent.start()));
            let begin = since.clamp(step.start(), step.end());
            let span = Interval::starting(begin, step.end().since(begin));
            let frame = Frame { span, dropped: &taken_out, no_data: slo.no_data };
            let account = Account::new(&series, slo.method, promise, &frame)?;
            let units = if is_sliced { account.units() } else { &series };
            valid += units.sum(step).valid();
            let counted: Vec<Posting> =
                units.iter().map(|(slot, tally)| Posting { slot, tally }).collect();
            postings.extend(by_hour(&counted, &charged, per_hour));
        }
        let usual = usual(&postings, &charged, per_hour);
        let split = attribute(&postings, &charged, usual)?;
        let shares = named.iter().zip(&split.shares).map(|(cause, share)| {
            let NamedCause { kind, id, service, interval, parts, .. } = cause.clone();
            let (from, to) = (interval.start(), interval.end());
            let class = classes.get(&(service.clone(), id.clone())).cloned();
            CauseShare { kind, id, service, class, from, to, spent: share.bad, parts }
        });
        found.push(ObjectiveAttribution {
            name: promise.display_name.clone(),
            target: promise.target,
            unit,
            valid,
            spent: split.total,
            usual: split.usual,
            unexplained: split.unexplained,
            causes: shares.collect(),
        });
    }
    Ok(Attribution {
        slo: slo.name.clone(),
        service: slo.service.clone(),
        from: interval.start(),
        to: interval.end(),
        unit,
        is_cut: told.is_cut,
        objectives: found,
    })
}
