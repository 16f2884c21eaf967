//! What a drill that is over came to: what it burned, when it would have been noticed, when users were served again.
//!
//! It is found once all of it is counted and alerts may fire for it no more, and is kept with the run: the ledger and alerts
//! forget.

use std::collections::BTreeMap;

use flyball_govern::drill::{ReportInputs, report};
use flyball_govern::incident::{Outcome, Run};
use flyball_model::{Duration, Interval, Tally, Timestamp};
use flyball_store::Ledger;

use super::counts::{Counted, CountsError, counted};
use super::{Drills, DrillsError};
use crate::attribution::{AttributionError, attributed};
use crate::auth::Caller;
use crate::changes::{DrillMeasured, DrillRun};
use crate::gate::Classes;

/// Over how long it is found what is usual of hours without a cause.
const AROUND: Duration = Duration::from_days(1);
/// For how long it is looked whether users are served as before.
const RECOVERS_WITHIN: Duration = Duration::from_hours(1);

impl Drills {
    /// Measures a run that has ended, and keeps what it measured once nothing more can come of it. `false` while something
    /// can.
    ///
    /// # Errors
    ///
    /// [`DrillsError`].
    pub(super) async fn settle(&self, run: &DrillRun) -> Result<bool, DrillsError> {
        let (key, now) = (run.key().to_owned(), self.clock.now());
        let Some((began, ended)) = run.began().zip(run.ended()) else {
            let nothing =
                DrillMeasured { burned: None, bad: 0, valid: 0, detected: None, recovered: None };
            self.on_disk(move |changes| changes.settle_drill(&key, nothing, now)).await?;
            return Ok(true);
        };
        let found = self.own_counts(run, began).await?;
        let all = ended.ceil(Ledger::SLOT_WIDTH).plus(Ledger::SLOT_WIDTH);
        let is_counted = found.complete.minus(found.late) >= all;
        let is_over = recovered(run, &found, ended).is_some() || now.since(ended) > RECOVERS_WITHIN;
        if !is_counted || !is_over {
            return Ok(false);
        }
        let measured = self.measured(run, began, ended).await?;
        self.on_disk(move |changes| changes.settle_drill(&key, measured, now)).await?;
        self.teach(run, now).await?;
        Ok(true)
    }

    /// What a run came to that began and ended at these moments, as far as it is counted.
    ///
    /// # Errors
    ///
    /// [`DrillsError`].
    pub(crate) async fn measured(
        &self,
        run: &DrillRun,
        began: Timestamp,
        ended: Timestamp,
    ) -> Result<DrillMeasured, DrillsError> {
        let found = self.own_counts(run, began).await?;
        let during = found.between(began.floor(Ledger::SLOT_WIDTH), ended);
        let asked = run.clone();
        let detected = self.evaluator.ask(move |it| it.detected(&asked)).await?;
        Ok(DrillMeasured {
            burned: self.attributed(run, began, ended).await?,
            bad: during.bad(),
            valid: during.valid(),
            detected,
            recovered: recovered(run, &found, ended),
        })
    }

    /// What the SLO that pays counted since `from`.
    async fn own_counts(&self, run: &DrillRun, from: Timestamp) -> Result<Counted, CountsError> {
        let own = run.spec.slo.clone();
        let mut found = counted(&self.evaluator, vec![own.clone()], from).await?;
        Ok(found.remove(&own).unwrap_or_default())
    }

    /// The bad events that attribution leaves the run; `None` when nothing was counted.
    async fn attributed(
        &self,
        run: &DrillRun,
        began: Timestamp,
        ended: Timestamp,
    ) -> Result<Option<u64>, DrillsError> {
        let (slo, service) = (run.spec.slo.clone(), run.spec.service.clone());
        let found = self.evaluator.ask(move |it| it.counts_of(|of| of.name == slo)).await?;
        let to = ended.ceil(Ledger::SLOT_WIDTH).min(found.complete);
        let from = began.minus(AROUND).floor(Ledger::SLOT_WIDTH);
        let (Some(counts), Ok(during)) = (found.slos.into_iter().next(), Interval::new(from, to))
        else {
            return Ok(None);
        };
        if during.is_empty() || to <= began {
            return Ok(None);
        }
        let past =
            self.on_disk(move |changes| changes.past(&[service], (from, to.plus(AROUND)))).await?;
        let (catalog, id) = (found.catalog, run.change_id());
        let read = self.evaluator.look(move |snapshot| {
            let told = (&past, &Classes::default());
            let found = attributed(snapshot, (&counts, &[]), &catalog, during, told)?;
            let first = found.objectives.first();
            Ok::<_, AttributionError>(first.and_then(|of| of.spent_by_drill(&id)))
        });
        Ok(read.await?)
    }

    /// Tells action items that wait for the drill's hypothesis whether it held.
    async fn teach(&self, run: &DrillRun, now: Timestamp) -> Result<(), DrillsError> {
        let Some(told) = self.told(run, now).await? else { return Ok(()) };
        let judge = move |of: &Outcome| (told.of == *of).then(|| told.clone());
        let changes = self.changes.clone();
        let tested =
            tokio::task::spawn_blocking(move || changes.tested(judge, &Caller::Anyone, now));
        tested.await??;
        Ok(())
    }

    /// What the run says to action items; `None` where it says nothing.
    async fn told(&self, run: &DrillRun, now: Timestamp) -> Result<Option<Run>, DrillsError> {
        let (drill, steady) = (run.drill(), self.steady(run).await?);
        let found = report(&ReportInputs {
            drill: &drill,
            watch: &run.watch,
            burned: None,
            during: Tally::EMPTY,
            dependants: &[],
            steady: &steady,
            detected: None,
            recovered: None,
        });
        Ok(Run::of_drill(&found, now))
    }

    /// What was counted of the SLOs of a run's hypothesis while it lasted.
    ///
    /// # Errors
    ///
    /// [`CountsError`].
    pub(crate) async fn steady(
        &self,
        run: &DrillRun,
    ) -> Result<BTreeMap<String, Tally>, CountsError> {
        let slos: Vec<String> = run.drill().steady().into_keys().map(str::to_owned).collect();
        let (Some(began), false) = (run.began(), slos.is_empty()) else {
            return Ok(BTreeMap::new());
        };
        let ended = run.ended().unwrap_or(Timestamp::MAX);
        let found = counted(&self.evaluator, slos, began).await?;
        let during = |(slo, of): (String, Counted)| {
            (slo, of.between(began.floor(Ledger::SLOT_WIDTH), ended))
        };
        Ok(found.into_iter().map(during).collect())
    }
}

/// When users were served as before the run after its end; `None` while that was not seen.
fn recovered(run: &DrillRun, found: &Counted, ended: Timestamp) -> Option<Timestamp> {
    let is_usual = |tally: Tally| run.past_usual(tally).is_some_and(|past| past == 0);
    let first = found.first(ended.floor(Ledger::SLOT_WIDTH), is_usual);
    first.map(|at| at.max(ended))
}
