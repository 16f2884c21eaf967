//! What takes a walk over whole windows: all-of composites, which are joined from the ledger by what joins
//! them in a replay, and what corrections change.
//!
//! A joint slice turns from good to bad when a late count comes, and back when a correction is given:
//! no running sum can follow that. So this is worked out anew when somebody asks and a minute has passed
//! since the last time, one SLO after the other for as long as a question may take; the rest keep what
//! they had. It is done beside the evaluator, from a snapshot of
//! the ledger: counting waits for none of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration as Wait;

use flyball_budget::live::LiveError;
use flyball_budget::report::{CompositeReport, IndicatorSeries, Measured, compose};
use flyball_budget::{BudgetError, Series, window_at};
use flyball_catalog::Catalog;
use flyball_model::{Composition, Condition, Correction, Duration, Interval, Slo, Timestamp};
use flyball_store::{GenerationId, Ledger, LedgerReader, LedgerSnapshot, SliceId, StoreError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::corrected::{CorrectionStatus, corrected, is_corrected};
use super::objective::Watched;
use super::{Ended, Evaluator, Handle};

/// How often a composite is joined: as often as its shortest usual slice ends.
const EVERY: Duration = Duration::from_minutes(1);
/// How long one question may join, and how long it may wait until another has; the first composite is
/// joined whatever it takes.
const JOINING_MAX: Wait = Wait::from_millis(500);

/// What is known of SLOs that take such a walk.
#[derive(Debug, Default)]
pub(super) struct Joined {
    reports: HashMap<GenerationId, (Timestamp, Report)>,
}

/// What is known of one.
#[derive(Debug)]
pub(super) struct Report {
    /// The whole, of an all-of composite.
    pub(super) whole: Option<CompositeReport>,
    /// What corrections change in its window.
    pub(super) corrections: Vec<CorrectionStatus>,
}

/// An SLO that is to be looked at, with what that takes.
#[derive(Debug)]
struct Due {
    generation: GenerationId,
    slo: Slo,
    since: Timestamp,
    /// Where the ledger keeps the counts of each objective.
    slices: Vec<Option<SliceId>>,
}

/// SLOs that are to be looked at as of one moment.
#[derive(Debug)]
struct Work {
    due: Vec<Due>,
    /// The minute that it is for.
    at: Timestamp,
    /// Up to when everything is counted.
    complete: Timestamp,
    /// What is evaluated, with its corrections.
    catalog: Arc<Catalog>,
}

/// What came of one.
type Outcome = (GenerationId, Result<Report, LiveError<StoreError>>);

impl Joined {
    /// Forgets everything: something else is counted, or corrected.
    pub(super) fn clear(&mut self) {
        self.reports.clear();
    }

    /// Forgets what was known of `generation`.
    pub(super) fn forget(&mut self, generation: GenerationId) {
        self.reports.remove(&generation);
    }

    /// What is known of `generation`; `None` before it was joined.
    pub(super) fn report(&self, generation: GenerationId) -> Option<&Report> {
        self.reports.get(&generation).map(|(_, report)| report)
    }

    /// Those of `asked` that are composites or corrected and were not looked at as of `at`; those that were
    /// longest ago come first.
    fn due<'w>(
        &self,
        asked: impl Iterator<Item = &'w Watched>,
        corrections: &[Correction],
        at: Timestamp,
    ) -> Vec<Due> {
        let joined =
            |watched: &Watched| self.reports.get(&watched.generation.id).map(|(at, _)| *at);
        let mut due: Vec<&Watched> = asked
            .filter(|watched| is_all_of(&watched.slo) || is_corrected(&watched.slo, corrections))
            .filter(|watched| joined(watched) != Some(at))
            .collect();
        due.sort_by_key(|watched| joined(watched));
        let of = |watched: &Watched| Due {
            generation: watched.generation.id,
            slo: watched.slo.clone(),
            since: watched.since,
            slices: watched.objectives.iter().map(|objective| objective.total.slice).collect(),
        };
        due.into_iter().map(of).collect()
    }
}

impl Evaluator {
    fn to_join(&self, is_asked: impl Fn(&Slo) -> bool) -> Work {
        let at = self.at.floor(EVERY);
        let asked = self.watched.iter().filter(|watched| is_asked(&watched.slo));
        let due = self.joined.due(asked, &self.catalog.set.corrections, at);
        Work { due, at, complete: self.at, catalog: Arc::clone(&self.catalog) }
    }

    /// Takes what was joined as of `at`, unless `catalog` is no longer what is evaluated. One that could
    /// not be joined has no report and is tried again; why is in the log.
    fn take_joined(&mut self, at: Timestamp, catalog: &Arc<Catalog>, outcomes: Vec<Outcome>) {
        if !Arc::ptr_eq(&self.catalog, catalog) {
            return;
        }
        for (generation, outcome) in outcomes {
            match outcome {
                Ok(report) => _ = self.joined.reports.insert(generation, (at, report)),
                Err(_) => _ = self.joined.reports.remove(&generation),
            }
        }
    }
}

impl Handle {
    /// Joins the all-of composites for which `is_asked` and a minute has passed since they were, and works out
    /// what corrections change, of as many as a question may take the time for.
    ///
    /// # Errors
    ///
    /// [`Ended`] when the evaluator runs no more.
    pub(crate) async fn join(
        &self,
        is_asked: impl Fn(&Slo) -> bool + Clone + Send + 'static,
    ) -> Result<(), Ended> {
        let asked = is_asked.clone();
        if self.ask(move |evaluator| evaluator.to_join(asked).due.is_empty()).await? {
            return Ok(());
        }
        let lock = Arc::clone(&self.joining).lock_owned();
        // What others join meanwhile is there as well.
        let Ok(mut joining) = timeout(JOINING_MAX, lock).await else { return Ok(()) };
        let work = self.ask(move |evaluator| evaluator.to_join(is_asked)).await?;
        let done = tokio::task::spawn_blocking(move || {
            let outcomes = join_all(&mut joining, &work);
            (work, outcomes)
        });
        let Ok((Work { at, catalog, .. }, outcomes)) = done.await else { return Ok(()) };
        self.ask(move |evaluator| evaluator.take_joined(at, &catalog, outcomes)).await
    }
}

/// The ledger as those read it who join composites, one after the other.
pub(super) type Joining = Arc<Mutex<LedgerReader>>;

/// Joins as much of `work` as there is time for.
fn join_all(reader: &mut LedgerReader, work: &Work) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let snapshot = match reader.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => {
            tracing::error!(%error, "SLOs cannot be looked at as a whole");
            return outcomes;
        }
    };
    let began = Instant::now();
    for due in &work.due {
        if !outcomes.is_empty() && began.elapsed() > JOINING_MAX {
            break;
        }
        let corrections = &work.catalog.set.corrections;
        let report = corrected(&due.slo, &due.slices, corrections, &snapshot, work.complete);
        let report = report.and_then(|corrections_of| {
            let is_whole = is_all_of(&due.slo);
            let whole =
                is_whole.then(|| all_of(due, corrections, &snapshot, work.at)).transpose()?;
            Ok(Report { whole, corrections: corrections_of })
        });
        if let Err(error) = &report {
            tracing::error!(slo = due.slo.name, %error, "an SLO cannot be looked at as a whole");
        }
        outcomes.push((due.generation, report));
    }
    outcomes
}

fn is_all_of(slo: &Slo) -> bool {
    slo.composition == Some(Composition::AllOf)
}

/// An all-of composite at `at`, of which only what is going on is told of its alerts.
fn all_of(
    due: &Due,
    corrections: &[Correction],
    snapshot: &LedgerSnapshot<'_>,
    at: Timestamp,
) -> Result<CompositeReport, LiveError<StoreError>> {
    let Due { slo, slices, since, .. } = due;
    let window = window_at(&slo.window, at)?;
    let oldest = window.full.start().minus(before(slo)).min(at);
    let whole = Interval::starting(oldest, at.since(oldest));
    // As in a replay, data was collected from the first event on: some may be older than the SLO.
    let mut since = since.floor(Ledger::SLOT_WIDTH).max(oldest).min(at);
    let mut indicators = Vec::with_capacity(slices.len());
    for slice in slices {
        let tallies = match slice {
            Some(slice) => snapshot.tallies(*slice, whole).map_err(LiveError::History)?,
            None => Vec::new(),
        };
        if let Some((first, _)) = tallies.first() {
            since = since.min(first.interval(Ledger::SLOT_WIDTH).start());
        }
        let total = Series::new(Ledger::SLOT_WIDTH, tallies)?;
        indicators.push(IndicatorSeries { total, slices: Vec::new() });
    }
    let span = Interval::starting(since, at.since(since));
    let joined = compose(slo, &Measured { indicators }, corrections, at, span)?;
    let mut joined = joined.ok_or(BudgetError::EmptyComposite)?;
    if let CompositeReport::AllOf(report) = &mut joined {
        report.total.firings.retain(|firing| firing.end.is_none());
    }
    Ok(joined)
}

/// How long before its window rules and burns of an SLO look back.
fn before(slo: &Slo) -> Duration {
    let rules = slo.alert_rules.iter().map(|rule| match rule.condition {
        Condition::Burn { long, .. } => long,
        Condition::Exhaustion { lookback, .. } => lookback,
        Condition::RemainingBelow { .. } => Duration::ZERO,
    });
    rules.chain(slo.lookbacks.iter().copied()).max().unwrap_or(Duration::ZERO)
}
