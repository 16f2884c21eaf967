//! The ledger as those read it who look at stretches of it beside the evaluator: verdicts on changes, and
//! who spent a budget.

use std::sync::Arc;

use flyball_budget::Series;
use flyball_budget::correction::{apply, expand};
use flyball_budget::live::LiveError;
use flyball_catalog::Catalog;
use flyball_model::{Correction, Interval, Slice, Slo, Timestamp};
use flyball_store::{Ledger, LedgerReader, LedgerSnapshot, SliceId, StoreError};
use tokio::sync::Mutex;

use super::status::since;
use super::{Ended, Evaluator, Handle, Watched};

/// An SLO with where the ledger keeps its counts.
#[derive(Debug, Clone)]
pub(crate) struct SloCounts {
    pub(crate) slo: Slo,
    /// From when on its events are counted: since it was, or since the first of those stored before.
    pub(crate) since: Timestamp,
    pub(crate) objectives: Vec<ObjectiveCounts>,
}

/// Where the ledger keeps the counts of an objective.
#[derive(Debug, Clone)]
pub(crate) struct ObjectiveCounts {
    /// `None` before the first event was counted.
    pub(crate) total: Option<SliceId>,
    pub(crate) slices: Vec<(Slice, SliceId)>,
}

/// SLOs whose counts are to be read.
#[derive(Debug)]
pub(crate) struct ToRead {
    pub(crate) slos: Vec<SloCounts>,
    /// What is evaluated, with its corrections.
    pub(crate) catalog: Arc<Catalog>,
    /// Up to when everything is counted.
    pub(crate) complete: Timestamp,
}

impl Evaluator {
    /// Up to when everything is counted.
    pub(crate) const fn complete(&self) -> Timestamp {
        self.at
    }

    /// Where the counts of the SLOs are for which `is_asked`. What has come by now is counted and committed
    /// first.
    pub(crate) fn counts_of(&mut self, is_asked: impl Fn(&Slo) -> bool) -> ToRead {
        self.count();
        self.commit();
        let asked = self.watched.iter().filter(|watched| is_asked(&watched.slo));
        // Events that were stored before it was promised are counted as well. What cannot be read is told when it is.
        let snapshot = self.ledger.snapshot().ok();
        let first = |watched: &Watched| since(snapshot.as_ref()?, watched).ok();
        let slos = asked.map(|watched| {
            let objectives = watched.objectives.iter().map(|objective| {
                let slices = self.counting.slices((watched.generation.id, objective.indicator));
                let slices = slices.filter_map(|(slice, id)| Some((slice?.clone(), id)));
                ObjectiveCounts { total: objective.total.slice, slices: slices.collect() }
            });
            let objectives = objectives.collect();
            let since = first(watched).unwrap_or(watched.since);
            SloCounts { slo: watched.slo.clone(), since, objectives }
        });
        ToRead { slos: slos.collect(), catalog: Arc::clone(&self.catalog), complete: self.at }
    }
}

/// A way to read the ledger that is used by one after the other.
pub(super) type Reading = Arc<Mutex<LedgerReader>>;

impl Handle {
    /// Has `work` done with the ledger as it is, on a thread that may wait.
    ///
    /// # Errors
    ///
    /// A ledger that cannot be read; [`Ended`] when the server goes down.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&LedgerSnapshot<'_>) -> Result<T, LiveError<StoreError>> + Send + 'static,
    ) -> Result<Result<T, LiveError<StoreError>>, Ended> {
        let mut reader = Arc::clone(&self.reading).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let snapshot = reader.snapshot().map_err(LiveError::History)?;
            work(&snapshot)
        });
        done.await.map_err(|_| Ended)
    }
}

/// The counts of `slices` together in `interval`, as `corrections` of the SLO `slo` leave them.
///
/// # Errors
///
/// A ledger that cannot be read, a correction that cannot be expanded.
pub(crate) fn corrected_series(
    snapshot: &LedgerSnapshot<'_>,
    slices: &[SliceId],
    interval: Interval,
    slo: &str,
    corrections: &[Correction],
) -> Result<Series, LiveError<StoreError>> {
    let mut tallies = Vec::new();
    for slice in slices {
        tallies.extend(snapshot.tallies(*slice, interval).map_err(LiveError::History)?);
    }
    let series = Series::new(Ledger::SLOT_WIDTH, tallies)?;
    let expanded = expand(corrections, slo, interval)?;
    // Which indicator it is only stands in what is said of each correction.
    let (corrected, _) = apply(&series, &expanded, 0)?;
    Ok(corrected.unwrap_or(series))
}
