//! How much of what users came for was served, read from the ledger over months.
//!
//! It is read beside the evaluator from a snapshot, one look after the other, so that counting waits for
//! none of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use flyball_budget::BudgetError;
use flyball_budget::live::LiveError;
use flyball_catalog::Catalog;
use flyball_govern::delivery::Served;
use flyball_model::{BudgetingMethod, Duration, Interval, Objective, Rational, Slo};
use flyball_store::{LedgerSnapshot, SliceId, StoreError};

use super::{Ended, Evaluator, Handle, corrected_series};

/// What one look takes in, in days of one objective: two hundred objectives over half a year, or fifty over
/// two years. Seconds of reading.
const DAYS_MAX: i64 = 40_000;
/// How much of an objective is read at a time: a quarter of a million slots.
const STEP: Duration = Duration::from_days(28);
/// How long somebody who asks waits for their turn.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServedError {
    /// The ledger or a correction cannot be read.
    #[error(transparent)]
    Live(#[from] LiveError<StoreError>),
    /// The server goes down.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// Others look for so long that this one's turn does not come.
    #[error("too much is looked at already; hint: ask again after a moment")]
    Busy,
    /// More than one look takes in.
    #[error(
        "{objectives} objectives over {days} days together are too much for one look; hint: ask for a shorter \
         time, or for a service"
    )]
    TooMuch {
        /// How many objectives.
        objectives: usize,
        /// How long they are looked at, all together.
        days: i64,
    },
}

impl From<BudgetError> for ServedError {
    fn from(error: BudgetError) -> Self {
        Self::Live(error.into())
    }
}

/// What is known of how services served over a time.
#[derive(Debug)]
pub(crate) struct ServedBy {
    /// What was served.
    pub(crate) served: Served,
    /// The SLOs that it is told from.
    pub(crate) slos: BTreeSet<String>,
    /// The documents in force.
    pub(crate) catalog: Arc<Catalog>,
}

/// Refuses to read more than one look takes in: an objective over each of `times`.
pub(crate) fn check(times: impl Iterator<Item = Interval>) -> Result<(), ServedError> {
    let days = |time: Interval| time.length().nanos() / Duration::from_days(1).nanos();
    let (objectives, days) =
        times.fold((0, 0_i64), |(count, sum), time| (count + 1, sum.saturating_add(days(time))));
    if days > DAYS_MAX { Err(ServedError::TooMuch { objectives, days }) } else { Ok(()) }
}

/// One objective and where its counts are.
struct Promise {
    slo: String,
    slice: SliceId,
    allowed: Rational,
}

/// What one look is made of.
struct Looked {
    promises: Vec<Promise>,
    slos: BTreeSet<String>,
    catalog: Arc<Catalog>,
}

impl Evaluator {
    fn looked(&self, is_asked: impl Fn(&Slo) -> bool) -> Looked {
        let (mut promises, mut slos) = (Vec::new(), BTreeSet::new());
        // Components of a composite are SLOs of their own, or parts of one promise.
        let is_meant = |slo: &Slo| slo.composition.is_none() && is_asked(slo);
        for watched in self.watched.iter().filter(|watched| is_meant(&watched.slo)) {
            let slo = &watched.slo;
            slos.insert(slo.name.clone());
            for (objective, promise) in watched.objectives.iter().zip(&slo.objectives) {
                let Some(slice) = objective.total.slice else { continue };
                let allowed = allowed(slo, promise);
                promises.push(Promise { slo: slo.name.clone(), slice, allowed });
            }
        }
        Looked { promises, slos, catalog: Arc::clone(&self.catalog) }
    }
}

/// The share that an objective allows to be bad at any moment.
fn allowed(slo: &Slo, promise: &Objective) -> Rational {
    let of_slices = promise.timeslice_target.and_then(Rational::complement);
    match slo.method {
        BudgetingMethod::Occurrences => promise.target.error_budget(),
        BudgetingMethod::Timeslices | BudgetingMethod::RatioTimeslices => {
            of_slices.unwrap_or_else(|| promise.target.error_budget())
        }
    }
}

impl Handle {
    /// How `services` served over `during`, by what their objectives count and corrections leave of it.
    ///
    /// # Errors
    ///
    /// [`ServedError`].
    pub(crate) async fn served(
        &self,
        services: Vec<String>,
        during: Interval,
    ) -> Result<ServedBy, ServedError> {
        self.served_by(move |slo| services.contains(&slo.service), during).await
    }

    /// The same, by the SLOs for which `is_asked`.
    ///
    /// # Errors
    ///
    /// [`ServedError`].
    pub(crate) async fn served_by(
        &self,
        is_asked: impl Fn(&Slo) -> bool + Send + 'static,
        during: Interval,
    ) -> Result<ServedBy, ServedError> {
        let looked = self.ask(move |evaluator| evaluator.looked(is_asked)).await?;
        check(looked.promises.iter().map(|_| during))?;
        self.look(move |snapshot| {
            let served = looked.served(snapshot, during)?;
            let Looked { slos, catalog, .. } = looked;
            Ok(ServedBy { served, slos, catalog })
        })
        .await
    }

    /// Has `work` done with the ledger as it is for somebody who asks, one after the other, on a thread that
    /// may wait.
    ///
    /// # Errors
    ///
    /// What `work` answers; [`ServedError::Busy`], [`ServedError::Ended`], a ledger that cannot be read.
    pub(crate) async fn look<T, E>(
        &self,
        work: impl FnOnce(&LedgerSnapshot<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ServedError> + Send + 'static,
    {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.looking).lock_owned()).await;
        let mut reader = turn.map_err(|_| ServedError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let snapshot = reader.snapshot().map_err(LiveError::History);
            work(&snapshot.map_err(ServedError::Live)?)
        });
        done.await.unwrap_or_else(|_| Err(ServedError::Ended(Ended).into()))
    }
}

/// `during` in parts of a few weeks, each but the last of whole `width`s.
pub(crate) fn steps(during: Interval, width: Duration) -> impl Iterator<Item = Interval> {
    let mut at = during.start();
    std::iter::from_fn(move || {
        let far = at.plus(STEP).floor(width);
        let end = if far > at { far.min(during.end()) } else { during.end() };
        let step = (at < during.end()).then(|| Interval::starting(at, end.since(at)));
        at = end;
        step
    })
}

impl Looked {
    fn served(
        &self,
        snapshot: &LedgerSnapshot<'_>,
        during: Interval,
    ) -> Result<Served, ServedError> {
        let corrections = &self.catalog.set.corrections;
        // Whole looks, so that those at both ends are as full as the others.
        let (start, end) = (during.start().floor(Served::LOOK), during.end().ceil(Served::LOOK));
        let mut served = Served::new(during);
        let whole = Interval::starting(start, end.since(start));
        for Promise { slo, slice, allowed } in &self.promises {
            for step in steps(whole, Served::LOOK) {
                let series = corrected_series(snapshot, &[*slice], step, slo, corrections)?;
                served.count(&series.coarsen(Served::LOOK)?, *allowed);
            }
        }
        Ok(served)
    }
}
