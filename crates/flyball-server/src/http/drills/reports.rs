//! What a run came to: what it burned, who noticed, which dependants assumed too much.

use std::collections::BTreeMap;

use flyball_govern::drill::{Dependant, Report, ReportInputs, report};
use flyball_govern::service::DependencyKind;
use flyball_model::{Tally, Target, Timestamp};
use flyball_store::Ledger;

use super::super::App;
use super::super::problem::Problem;
use crate::changes::{DrillMeasured, DrillRun};
use crate::drills::counts::{counted, paying};
use crate::drills::{DrillsError, before};

/// A promise of a service that depends on the one that was made worse.
struct Promise {
    service: String,
    slo: String,
    is_soft: bool,
    target: Target,
}

/// What `run` came to so far.
///
/// # Errors
///
/// A problem where something cannot be read.
pub(super) async fn reported(app: &App, run: &DrillRun) -> Result<Report, Problem> {
    let drill = run.drill();
    let measured = match (run.measured, run.began()) {
        (Some(measured), _) => Some(measured),
        (None, Some(began)) => {
            let ended = run.ended().unwrap_or_else(|| app.clock.now());
            Some(app.drills.measured(run, began, ended).await?)
        }
        (None, None) => None,
    };
    let dependants = match run.began() {
        Some(began) => dependants(app, run, began).await?,
        None => Vec::new(),
    };
    let steady = app.drills.steady(run).await.map_err(DrillsError::from)?;
    let during = measured
        .and_then(|DrillMeasured { bad, valid, .. }| Tally::new(valid, valid.saturating_sub(bad)));
    Ok(report(&ReportInputs {
        drill: &drill,
        watch: &run.watch,
        burned: measured.and_then(|of| of.burned),
        during: during.unwrap_or(Tally::EMPTY),
        dependants: &dependants,
        steady: &steady,
        detected: measured.and_then(|of| of.detected),
        recovered: measured.and_then(|of| of.recovered),
    }))
}

/// What the SLOs of dependants counted while `run` lasted, and before.
async fn dependants(
    app: &App,
    run: &DrillRun,
    began: Timestamp,
) -> Result<Vec<Dependant>, Problem> {
    let asked = run.spec.service.clone();
    let promises = app.evaluator.ask(move |it| {
        let catalog = it.catalog();
        let services = catalog.governance.services();
        let mut kinds: BTreeMap<&str, bool> = BTreeMap::new();
        for service in services {
            let on = service.spec.dependencies.iter().find(|on| on.service == asked);
            kinds.extend(on.map(|on| (service.name.as_str(), on.kind == DependencyKind::Soft)));
        }
        let slos = catalog.set.slos.iter().filter(|slo| slo.composition.is_none());
        let promises = slos.filter_map(|slo| {
            let is_soft = *kinds.get(slo.service.as_str())?;
            let target = slo.objectives.first()?.target;
            Some(Promise { service: slo.service.clone(), slo: slo.name.clone(), is_soft, target })
        });
        promises.collect::<Vec<_>>()
    });
    let promises = promises.await?;
    let slos: Vec<String> = promises.iter().map(|of| of.slo.clone()).collect();
    let counted = counted(&app.evaluator, slos.clone(), before(began)).await;
    let (mut counted, paying) = (
        counted.map_err(DrillsError::from)?,
        paying(&app.evaluator, slos).await.map_err(DrillsError::from)?,
    );
    let from = began.floor(Ledger::SLOT_WIDTH);
    let ended = run.ended().unwrap_or(Timestamp::MAX);
    let burned = promises.into_iter().filter_map(|promise| {
        let found = counted.remove(&promise.slo)?;
        let Promise { service, slo, is_soft, target } = promise;
        Some(Dependant {
            is_soft,
            target,
            during: found.between(from, ended),
            before: found.between(before(from), from),
            window_valid: paying.get(&slo).map_or(0, |of| of.budget.counted.valid()),
            service,
            slo,
        })
    });
    Ok(burned.collect())
}
