//! Changes are judged: each that has shipped is held against the time before it, or other versions, as the
//! ledger's slots complete.
//!
//! `flyball-govern` judges; here it is asked once a minute of each change that is observed, beside the
//! evaluator, and given what the ledger holds of a day before it at most. A verdict follows from the ledger
//! and the changes alone, so that a restart finds the same. An answer is kept with the change as soon as it
//! is there, and as the observation ends; between, the last look is in memory.

mod pages;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration as Wait;

use flyball_budget::live::LiveError;
use flyball_govern::verdict::{
    Answer, ChangeVerdict, ObjectiveTallies, Observation, VerdictError, Versions,
};
use flyball_model::{
    Change, ChangeKind, ChangeOutcome, Duration, Interval, Slice, Timestamp, Warranty,
};
use flyball_store::{Ledger, LedgerSnapshot, SliceId, StoreError};
use tokio_util::sync::CancellationToken;

use crate::alerts::post;
use crate::annotations::{Grafana, Pushing};
use crate::changes::{Changes, ChangesError, Kept, is_in_production};
use crate::clock::Clock;
use crate::evaluator::{self, Ended, SloCounts, ToRead, corrected_series};
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;

/// Attributes that slices are kept by and that say which version an event met.
const VERSION_ATTRIBUTES: [&str; 3] = ["service.version", "deployment.version", "version"];
/// After how many looks there is one less with each further step: evidence of hours changes slowly, and a
/// look costs as much as there are steps.
const LOOKS_EACH: u32 = 60;
/// How long to wait until what could not be read is read again.
const AGAIN: Wait = Wait::from_secs(5);

/// What judging takes.
#[derive(Debug, Clone)]
struct Context {
    evaluator: evaluator::Handle,
    changes: Changes,
    clock: Clock,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
}

/// Why a change is not judged.
#[derive(Debug, thiserror::Error)]
enum JudgeError {
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error(transparent)]
    Ledger(#[from] LiveError<StoreError>),
    #[error(transparent)]
    Changes(#[from] ChangesError),
    #[error(transparent)]
    Verdict(#[from] VerdictError),
    #[error("the server gave up: {0}")]
    GivenUp(#[from] tokio::task::JoinError),
}

/// Judges changes from now on, and notes pages.
pub(crate) fn start(
    evaluator: &evaluator::Handle,
    changes: &Changes,
    clock: &Clock,
    telemetry: &Arc<Telemetry>,
) -> Tasks {
    let tasks = Tasks::default();
    let context = Context {
        evaluator: evaluator.clone(),
        changes: changes.clone(),
        clock: clock.clone(),
        telemetry: Arc::clone(telemetry),
        stop: tasks.stopped().clone(),
    };
    tasks.spawn(run(context.clone()));
    tasks.spawn(pages::run(context));
    tasks
}

/// Has `tasks` push changes and verdicts to `grafana` as well.
///
/// # Errors
///
/// A client that cannot be made.
pub(crate) fn push(
    tasks: &Tasks,
    grafana: Grafana,
    changes: Changes,
    (clock, telemetry): (&Clock, &Arc<Telemetry>),
    origin: Arc<str>,
) -> Result<(), reqwest::Error> {
    let client = post::client()?;
    let (clock, telemetry) = (clock.clone(), Arc::clone(telemetry));
    let stop = tasks.stopped().clone();
    tasks.spawn(Pushing { grafana, changes, client, clock, telemetry, origin, stop }.run());
    Ok(())
}

/// Judges changes until the server goes down.
async fn run(context: Context) {
    let (mut news, mut ticks) = (context.changes.news(), context.evaluator.ticks());
    let stop = context.stop.clone();
    let mut judge = Judge { context, open: Vec::new(), next: HashMap::new(), seen: Timestamp::MIN };
    let mut is_news = true;
    loop {
        match judge.look(is_news).await {
            Ok(()) => is_news = false,
            Err(JudgeError::Ended(_)) if judge.context.evaluator.has_ended() => return,
            Err(error) => {
                tracing::error!(%error, "changes are not judged; it is tried again");
                is_news = true;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => continue,
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = news.changed() => is_news = true,
            ticked = ticks.changed() => if ticked.is_err() { return },
        }
    }
}

/// A change of which not everything is seen yet.
#[derive(Debug, Clone)]
struct Open {
    kept: Kept,
    /// All changes of its service that are answered for.
    others: Arc<[Change]>,
    observation: Observation,
    /// Since when services change themselves while it is observed: what happens to them then may be their own doing.
    changed: BTreeMap<String, Timestamp>,
}

/// Who judges.
struct Judge {
    context: Context,
    open: Vec<Open>,
    /// With how many steps a change is looked at next, by id.
    next: HashMap<String, u32>,
    /// Up to when everything was counted at the last look.
    seen: Timestamp,
}

impl Judge {
    /// Looks at every change of which more is known than at the last look.
    async fn look(&mut self, is_news: bool) -> Result<(), JudgeError> {
        if is_news {
            let (changes, now) = (self.context.changes.clone(), self.context.clock.now());
            let read = tokio::task::spawn_blocking(move || changes.answered_for(now).map(open));
            self.open = read.await??;
            let known: HashSet<&str> =
                self.open.iter().map(|open| open.kept.change.id.as_str()).collect();
            self.next.retain(|id, _| known.contains(id.as_str()));
        }
        let complete = self.context.evaluator.ask(|evaluator| evaluator.complete()).await?;
        if complete == self.seen && !is_news {
            return Ok(());
        }
        let due = |open: &&Open| {
            let next = self.next.get(&open.kept.change.id).copied().unwrap_or(1);
            open.observation.is_over(complete) || open.observation.steps(complete) >= next
        };
        let due: Vec<Open> = self.open.iter().filter(due).cloned().collect();
        for open in due {
            if self.context.stop.is_cancelled() {
                return Ok(());
            }
            let id = open.kept.change.id.clone();
            match self.judge(open).await {
                Ok(()) => {}
                Err(error @ JudgeError::Ended(_)) => return Err(error),
                // The others are judged all the same.
                Err(error) => {
                    tracing::error!(id, %error, "a change is not judged; it is tried again later");
                }
            }
        }
        self.seen = complete;
        Ok(())
    }

    async fn judge(&mut self, open: Open) -> Result<(), JudgeError> {
        let Context { evaluator, changes, clock, telemetry, .. } = &self.context;
        let Open { kept: Kept { change, verdict: before, .. }, others, observation, changed } =
            open;
        let service = change.service.clone();
        let since = observation.since().start();
        let asked = changed.clone();
        let to_read = evaluator.ask(move |evaluator| {
            let catalog = Arc::clone(evaluator.catalog());
            let dependants = catalog.governance.dependants(&service);
            let tells = |of: &&str| asked.get(*of).is_none_or(|began| *began > since);
            let dependants: Vec<&str> = dependants.filter(tells).collect();
            // The components of a composite are SLOs of their own, or parts of one promise.
            evaluator.counts_of(|slo| {
                let is_asked = slo.service == service || dependants.contains(&&*slo.service);
                is_asked && slo.composition.is_none()
            })
        });
        let to_read = to_read.await?;
        let id = change.id.clone();
        let steps = observation.steps(to_read.complete);
        let is_over = observation.is_over(to_read.complete);
        self.next.insert(id.clone(), steps.saturating_add(1 + steps / LOOKS_EACH));
        let times = (Warranty::DEFAULT.observe(), Ledger::SLOT_WIDTH);
        let judged = evaluator.read(move |snapshot| {
            let tallies = tallies(snapshot, &to_read, &change, (&observation, &changed))?;
            Ok(ChangeVerdict::of(&change, &others, &tallies, times, to_read.complete))
        });
        let Some(verdict) = judged.await??? else {
            // It is under way, and no events tell its version.
            self.open.retain(|open| open.kept.change.id != id || !is_over);
            return Ok(());
        };
        let verdict = verdict.after(before.as_ref());
        let is_answered = before.is_none_or(|before| before.answer != verdict.answer)
            && verdict.answer != Answer::Undecided;
        if !is_answered && !verdict.is_over {
            changes.looked(&id, verdict);
            return Ok(());
        }
        let (keeper, kept, now) = (changes.clone(), verdict.clone(), clock.now());
        let target = id.clone();
        tokio::task::spawn_blocking(move || keeper.judged(&target, kept, now)).await??;
        if is_answered {
            telemetry.judged(verdict.answer);
        }
        for open in self.open.iter_mut().filter(|open| open.kept.change.id == id) {
            open.kept.verdict = Some(verdict.clone());
        }
        self.open.retain(|open| open.kept.change.id != id || !is_over);
        Ok(())
    }
}

/// Those of `answered` of which not everything is seen.
fn open(answered: Vec<Kept>) -> Vec<Open> {
    let mut services: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
    for kept in answered {
        services.entry(kept.change.service.clone()).or_default().push(kept);
    }
    let acts: Vec<(String, Interval)> = services
        .values()
        .flatten()
        .filter_map(|kept| Some((kept.change.service.clone(), lasted(&kept.change)?)))
        .collect();
    let mut found = Vec::new();
    for of_service in services.into_values() {
        let others: Arc<[Change]> = of_service.iter().map(|kept| kept.change.clone()).collect();
        found.extend(of_service.into_iter().filter_map(|kept| {
            let observation = observation(&kept.change, &others)?;
            let seen = observation.since();
            // What it is held against is up to a few minutes before.
            let start = seen.start().minus(Duration::from_minutes(5));
            let span = Interval::starting(start, seen.end().since(start));
            let mut changed: BTreeMap<String, Timestamp> = BTreeMap::new();
            for (service, act) in acts.iter().filter(|(_, act)| act.intersect(span).is_some()) {
                let began = changed.entry(service.clone()).or_insert(act.start());
                *began = act.start().min(*began);
            }
            let is_seen = kept
                .verdict
                .as_ref()
                .is_some_and(|verdict| verdict.is_over && verdict.until == observation.until());
            (!is_seen).then(|| Open { kept, others: Arc::clone(&others), observation, changed })
        }));
    }
    found
}

/// From when until when `change` was carried out in production, a drill while it lasted; up to the end of all time while it
/// is under way. `None` for what has not begun, and elsewhere.
fn lasted(change: &Change) -> Option<Interval> {
    let has_begun = change.outcome != ChangeOutcome::Planned;
    if !has_begun || !(is_in_production(change) || change.kind == ChangeKind::Drill) {
        return None;
    }
    let end = change.shipped().or(change.finished);
    let start = change.started.or(end).unwrap_or(change.recorded);
    // What took no time happened all the same.
    let end = end.map_or(Timestamp::MAX, |end| end.max(start).plus(Ledger::SLOT_WIDTH));
    Interval::new(start, end).ok()
}

/// When `change` is looked at: from the earliest moment at which something can be told of it.
fn observation(change: &Change, others: &[Change]) -> Option<Observation> {
    let (observe, width) = (Warranty::DEFAULT.observe(), Ledger::SLOT_WIDTH);
    // The promises of a service are those to the users of production.
    Observation::by_version(change, others, observe, width).filter(|_| is_in_production(change))
}

/// What the ledger holds of the objectives around `change`, those of dependants too until they are `changed` themselves.
fn tallies(
    snapshot: &LedgerSnapshot<'_>,
    to_read: &ToRead,
    change: &Change,
    (observation, changed): (&Observation, &BTreeMap<String, Timestamp>),
) -> Result<Vec<ObjectiveTallies>, LiveError<StoreError>> {
    let corrections = &to_read.catalog.set.corrections;
    let since = observation.since();
    let mut found = Vec::new();
    for SloCounts { slo, objectives, .. } in &to_read.slos {
        for (index, (counts, promise)) in objectives.iter().zip(&slo.objectives).enumerate() {
            let read = |slices: &[SliceId], interval| {
                let series = corrected_series(snapshot, slices, interval, &slo.name, corrections)?;
                Ok::<_, LiveError<StoreError>>(series.iter().collect::<Vec<_>>())
            };
            let total: Vec<SliceId> = counts.total.into_iter().collect();
            // The versions of another service are others.
            let dependant = (slo.service != change.service).then(|| slo.service.clone());
            let (own, others) = match dependant {
                None => by_version(&counts.slices, change),
                Some(_) => (Vec::new(), Vec::new()),
            };
            let versions = if own.is_empty() {
                None
            } else {
                Some(Versions { own: read(&own, since)?, others: read(&others, since)? })
            };
            found.push(ObjectiveTallies {
                slo: slo.name.clone(),
                // Documents have a few objectives.
                objective: u32::try_from(index).unwrap_or(u32::MAX),
                until: dependant.as_ref().and_then(|of| changed.get(of).copied()),
                dependant,
                target: promise.target,
                total: read(&total, observation.span())?,
                versions,
            });
        }
    }
    Ok(found)
}

/// The slices of the version that `change` ships, and those of other versions. What tells no version is
/// neither.
fn by_version(slices: &[(Slice, SliceId)], change: &Change) -> (Vec<SliceId>, Vec<SliceId>) {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for (slice, id) in slices {
        let mut attributes = slice.attributes();
        let version = VERSION_ATTRIBUTES.iter().find_map(|name| attributes.remove(*name).flatten());
        match version {
            Some(version) if is_shipped(&version, change) => own.push(*id),
            Some(_) => others.push(*id),
            None => {}
        }
    }
    (own, others)
}

/// Whether events that carry `version` met what `change` ships. Tags and what runs differ in a `v`.
fn is_shipped(version: &str, change: &Change) -> bool {
    let bare = |text: &str| text.strip_prefix('v').unwrap_or(text).to_owned();
    let told = change.version.iter().chain(&change.revision);
    told.into_iter().any(|told| bare(told) == bare(version))
}
