//! What contracts promise, counted over their own windows beside the evaluator.

use std::sync::Arc;

use flyball_catalog::Catalog;
use flyball_govern::service::Agreement;
use flyball_model::{Interval, Tally, Target, Timestamp};
use flyball_store::{Ledger, SliceId};

use super::served::{ServedError, check, steps};
use super::{Evaluator, Handle, corrected_series};

/// An agreement, and where the events are counted that it is about.
#[derive(Debug)]
pub(crate) struct Agreed {
    /// The service that has made it.
    pub(crate) service: String,
    /// The agreement.
    pub(crate) agreement: Agreement,
    /// What its SLO promises; `None` where that is not evaluated.
    pub(crate) promised: Option<Target>,
    /// Its window.
    pub(crate) during: Interval,
    /// Since when it is counted; `None` where nothing ever was.
    pub(crate) since: Option<Timestamp>,
    /// What was counted in it.
    pub(crate) counted: Tally,
    slice: Option<SliceId>,
}

impl Evaluator {
    fn agreed(&self, services: &[String]) -> (Vec<Agreed>, Arc<Catalog>) {
        let governance = &self.catalog.governance;
        let described = services.iter().filter_map(|name| governance.service(name));
        let agreed = described.flat_map(|service| {
            service.spec.agreements.iter().map(|agreement| {
                let slo = self.watched.iter().find(|of| of.slo.name == agreement.slo);
                Agreed {
                    service: service.name.clone(),
                    agreement: agreement.clone(),
                    promised: slo.and_then(|of| Some(of.slo.objectives.first()?.target)),
                    during: Interval::ending(self.at, agreement.window),
                    since: slo.map(|of| of.since),
                    counted: Tally::EMPTY,
                    slice: slo.and_then(|of| of.objectives.first()?.total.slice),
                }
            })
        });
        (agreed.collect(), Arc::clone(&self.catalog))
    }
}

impl Handle {
    /// The agreements of `services`, with what was counted in their windows after corrections.
    ///
    /// # Errors
    ///
    /// [`ServedError`].
    pub(crate) async fn agreed(&self, services: Vec<String>) -> Result<Vec<Agreed>, ServedError> {
        let (mut agreed, catalog) = self.ask(move |evaluator| evaluator.agreed(&services)).await?;
        if agreed.is_empty() {
            return Ok(agreed);
        }
        check(agreed.iter().map(|one| one.during))?;
        self.look(move |snapshot| {
            let corrections = &catalog.set.corrections;
            for one in &mut agreed {
                let Some(slice) = one.slice else {
                    one.since = None;
                    continue;
                };
                for step in steps(one.during, Ledger::SLOT_WIDTH) {
                    let slo = &one.agreement.slo;
                    let series = corrected_series(snapshot, &[slice], step, slo, corrections)?;
                    one.counted = one.counted.plus(series.sum(step));
                    // Some may be older than the SLO.
                    let first = series.extent().map(Interval::start);
                    one.since = one.since.into_iter().chain(first).min();
                }
            }
            Ok(agreed)
        })
        .await
    }
}
