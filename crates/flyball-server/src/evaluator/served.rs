//! How much of what users came for was served, read from the ledger over months.
//!
//! It is read beside the evaluator from a snapshot, one look after the other, so that counting waits for
//! none of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use flyball_budget::live::LiveError;
use flyball_budget::{BudgetError, Series};
use flyball_catalog::Catalog;
use flyball_govern::alert::Alert;
use flyball_govern::delivery::Served;
use flyball_model::{
    BudgetingMethod, Correction, Duration, Interval, Objective, Rational, Severity, Slo,
};
use flyball_store::{LedgerReader, LedgerSnapshot, SliceId, StoreError};

use super::{Ended, Evaluator, Handle, corrected_series};

/// What one look takes in, in days of one objective: two hundred objectives over half a year, or fifty over
/// two years. Seconds of reading.
const DAYS_MAX: i64 = 40_000;
/// How much of an objective is read at a time: a quarter of a million slots.
const STEP: Duration = Duration::from_days(28);

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServedError {
    /// The ledger or a correction cannot be read.
    #[error(transparent)]
    Live(#[from] LiveError<StoreError>),
    /// The server goes down.
    #[error(transparent)]
    Ended(#[from] Ended),
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
    /// The alerts of the services that paged somebody.
    pub(crate) pages: Vec<Alert>,
    /// The documents in force.
    pub(crate) catalog: Arc<Catalog>,
}

/// Refuses to read more than one look takes in: an objective over each of `times`.
pub(super) fn check(times: impl Iterator<Item = Interval>) -> Result<(), ServedError> {
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
    pages: Vec<Alert>,
    catalog: Arc<Catalog>,
}

impl Evaluator {
    fn looked(&self, services: &[String]) -> Looked {
        let (mut promises, mut slos) = (Vec::new(), BTreeSet::new());
        // Components of a composite are SLOs of their own, or parts of one promise.
        let of_services = |slo: &Slo| services.contains(&slo.service) && slo.composition.is_none();
        for watched in self.watched.iter().filter(|watched| of_services(&watched.slo)) {
            let slo = &watched.slo;
            slos.insert(slo.name.clone());
            for (objective, promise) in watched.objectives.iter().zip(&slo.objectives) {
                let Some(slice) = objective.total.slice else { continue };
                let allowed = allowed(slo, promise);
                promises.push(Promise { slo: slo.name.clone(), slice, allowed });
            }
        }
        let paged = |alert: &&Alert| {
            alert.severity_max == Severity::Page && services.contains(&alert.subject.service)
        };
        let pages = self.desk().alerts().filter(paged).cloned().collect();
        Looked { promises, slos, pages, catalog: Arc::clone(&self.catalog) }
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
        let looked = self.ask(move |evaluator| evaluator.looked(&services)).await?;
        check(looked.promises.iter().map(|_| during))?;
        let mut reader = Arc::clone(&self.looking).lock_owned().await;
        let read = tokio::task::spawn_blocking(move || {
            let served = look(&mut reader, &looked, during)?;
            let Looked { slos, pages, catalog, .. } = looked;
            Ok(ServedBy { served, slos, pages, catalog })
        });
        read.await.unwrap_or(Err(ServedError::Ended(Ended)))
    }
}

/// Hands what was counted of an SLO's slice in `during` to `take`, corrected, a few weeks at a time.
pub(super) fn steps(
    snapshot: &LedgerSnapshot<'_>,
    (slice, slo): (SliceId, &str),
    corrections: &[Correction],
    during: Interval,
    mut take: impl FnMut(&Series) -> Result<(), BudgetError>,
) -> Result<(), ServedError> {
    let mut at = during.start();
    while at < during.end() {
        let step = Interval::starting(at, STEP.min(during.end().since(at)));
        take(&corrected_series(snapshot, &[slice], step, slo, corrections)?)?;
        at = step.end();
    }
    Ok(())
}

fn look(
    reader: &mut LedgerReader,
    looked: &Looked,
    during: Interval,
) -> Result<Served, ServedError> {
    let snapshot = reader.snapshot().map_err(LiveError::History)?;
    let corrections = &looked.catalog.set.corrections;
    // Whole looks, so that those at both ends are as full as the others.
    let (start, end) = (during.start().floor(Served::LOOK), during.end().ceil(Served::LOOK));
    let mut served = Served::new(during);
    let whole = Interval::starting(start, end.since(start));
    for Promise { slo, slice, allowed } in &looked.promises {
        steps(&snapshot, (*slice, slo), corrections, whole, |series| {
            served.count(&series.coarsen(Served::LOOK)?, *allowed);
            Ok(())
        })?;
    }
    Ok(served)
}
