//! How much of what users came for was served, read from the ledger over months.
//!
//! It is read beside the evaluator from a snapshot, one look after the other, so that counting waits for
//! none of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use flyball_budget::correction::{apply, expand};
use flyball_budget::live::LiveError;
use flyball_budget::{BudgetError, Series};
use flyball_catalog::Catalog;
use flyball_govern::alert::Alert;
use flyball_govern::delivery::Served;
use flyball_model::{BudgetingMethod, Interval, Objective, Rational, Severity, Slo};
use flyball_store::{Ledger, LedgerReader, SliceId, StoreError};

use super::{Ended, Evaluator, Handle};

/// The objectives that one look takes in: those of a large team.
const OBJECTIVES_MAX: usize = 200;

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
        "{0} objectives are promised by these services, and at most {OBJECTIVES_MAX} are looked at together; \
         hint: ask for a service"
    )]
    TooMany(usize),
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
        if looked.promises.len() > OBJECTIVES_MAX {
            return Err(ServedError::TooMany(looked.promises.len()));
        }
        let mut reader = Arc::clone(&self.looking).lock_owned().await;
        let read = tokio::task::spawn_blocking(move || {
            let served = look(&mut reader, &looked, during)?;
            let Looked { slos, pages, catalog, .. } = looked;
            Ok(ServedBy { served, slos, pages, catalog })
        });
        read.await.unwrap_or(Err(ServedError::Ended(Ended)))
    }
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
    let whole = Interval::starting(start, end.since(start));
    let mut served = Served::new(during);
    for Promise { slo, slice, allowed } in &looked.promises {
        let tallies = snapshot.tallies(*slice, whole).map_err(LiveError::History)?;
        let series = Series::new(Ledger::SLOT_WIDTH, tallies)?;
        let expanded = expand(corrections, slo, whole)?;
        let (corrected, _) = apply(&series, &expanded, 0)?;
        let counted = corrected.as_ref().unwrap_or(&series);
        served.count(&counted.coarsen(Served::LOOK)?, *allowed);
    }
    Ok(served)
}
