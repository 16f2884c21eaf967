//! What was known of services at moments of the past: the ledger's counts, assessed by what assesses those of a
//! replay. It is read beside the evaluator, from a snapshot of the ledger: counting waits for none of it.

use std::sync::Arc;

use flyball_budget::live::LiveError;
use flyball_budget::report::{IndicatorSeries, Measured, assess};
use flyball_budget::{Series, window_at};
use flyball_catalog::Catalog;
use flyball_govern::gate::BudgetFacts;
use flyball_model::{BudgetingMethod, Duration, Interval, Slo, Slot, Tally, Target, Timestamp};
use flyball_store::{Ledger, LedgerReader, LedgerSnapshot, SliceId, StoreError};

use super::Evaluator;
use super::facts::{Known, joined};

/// Where the ledger keeps what was counted for an SLO.
#[derive(Debug)]
struct Traced {
    slo: Slo,
    since: Timestamp,
    /// For each objective; `None` where nothing was ever counted.
    slices: Vec<Option<SliceId>>,
}

/// The past of services, as the ledger has it.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) catalog: Arc<Catalog>,
    reader: LedgerReader,
    traced: Vec<Traced>,
}

impl Evaluator {
    /// The past of all services.
    ///
    /// # Errors
    ///
    /// A ledger that cannot be opened once more.
    pub(crate) fn history(&self) -> Result<History, StoreError> {
        let traced = self.watched.iter().map(|watched| {
            let mut slo = watched.slo.clone();
            // Who would have been called is not asked, and takes long to find out.
            slo.alert_rules.clear();
            let slices = watched.objectives.iter().map(|objective| objective.total.slice);
            Traced { slo, since: watched.since, slices: slices.collect() }
        });
        Ok(History {
            catalog: Arc::clone(&self.catalog),
            traced: traced.collect(),
            reader: self.ledger.reader()?,
        })
    }
}

impl History {
    /// What was known of the budgets of `service` at each of `moments`: of its objectives, not of slices; of a composite
    /// the whole, as a gate knows it.
    ///
    /// # Errors
    ///
    /// A ledger that cannot be read, a calendar window that cannot be computed.
    pub(crate) fn facts(
        &mut self,
        service: &str,
        moments: &[Timestamp],
    ) -> Result<Vec<Vec<BudgetFacts>>, LiveError<StoreError>> {
        let Self { catalog, reader, traced } = self;
        let snapshot = reader.snapshot().map_err(LiveError::History)?;
        let mut found = vec![Vec::new(); moments.len()];
        for traced in traced.iter().filter(|traced| traced.slo.service == service) {
            let counts = traced.counts(&snapshot, moments)?;
            for (into, moment) in found.iter_mut().zip(moments) {
                into.extend(traced.facts(&counts, catalog, *moment)?);
            }
        }
        Ok(found)
    }

    /// What each objective of `service` that counts events, and is no part of a composite, counted in each of `stretches`.
    ///
    /// # Errors
    ///
    /// A ledger that cannot be read.
    pub(crate) fn sums(
        &mut self,
        service: &str,
        stretches: &[Interval],
    ) -> Result<Vec<Sums>, LiveError<StoreError>> {
        let snapshot = self.reader.snapshot().map_err(LiveError::History)?;
        let counts_events = |slo: &Slo| {
            let is_single = slo.composition.is_none() && slo.method == BudgetingMethod::Occurrences;
            slo.service == service && is_single
        };
        let mut found = Vec::new();
        for traced in self.traced.iter().filter(|traced| counts_events(&traced.slo)) {
            let objectives = traced.slo.objectives.iter().zip(&traced.slices);
            for (number, (objective, slice)) in objectives.enumerate() {
                let Some(slice) = slice else { continue };
                let tallies = stretches.iter().map(|stretch| {
                    let tallies = snapshot.tallies(*slice, *stretch).map_err(LiveError::History)?;
                    Ok(tallies.into_iter().map(|(_, tally)| tally).sum())
                });
                found.push(Sums {
                    slo: traced.slo.name.clone(),
                    objective: number,
                    target: objective.target,
                    since: traced.since,
                    tallies: tallies.collect::<Result<_, LiveError<StoreError>>>()?,
                });
            }
        }
        Ok(found)
    }
}

/// What an objective that counts events counted, by stretches of time.
#[derive(Debug)]
pub(crate) struct Sums {
    pub(crate) slo: String,
    /// Which of its objectives.
    pub(crate) objective: usize,
    pub(crate) target: Target,
    /// Since when it is counted.
    pub(crate) since: Timestamp,
    /// In the order in which they were asked for.
    pub(crate) tallies: Vec<Tally>,
}

impl Traced {
    /// How far back is looked at `at`.
    fn oldest(&self, at: Timestamp) -> Result<Timestamp, LiveError<StoreError>> {
        let window = window_at(&self.slo.window, at)?;
        let before = self.slo.lookbacks.iter().copied().max().unwrap_or(Duration::ZERO);
        Ok(window.full.start().min(at.minus(before)).floor(Ledger::SLOT_WIDTH))
    }

    /// The counts of each objective that any of `moments` looks back at.
    fn counts(
        &self,
        snapshot: &LedgerSnapshot<'_>,
        moments: &[Timestamp],
    ) -> Result<Vec<Vec<(Slot, Tally)>>, LiveError<StoreError>> {
        let (Some(first), Some(last)) = (moments.iter().min(), moments.iter().max()) else {
            return Ok(vec![Vec::new(); self.slices.len()]);
        };
        let oldest = self.oldest(*first)?;
        let whole = Interval::starting(oldest, last.since(oldest));
        let counts = self.slices.iter().map(|slice| match slice {
            Some(slice) => snapshot.tallies(*slice, whole).map_err(LiveError::History),
            None => Ok(Vec::new()),
        });
        counts.collect()
    }

    /// The facts of each objective, of a composite those of the whole, at `moment`, of what was `counted` by then.
    fn facts(
        &self,
        counted: &[Vec<(Slot, Tally)>],
        catalog: &Catalog,
        moment: Timestamp,
    ) -> Result<Vec<BudgetFacts>, LiveError<StoreError>> {
        let at = moment.floor(Ledger::SLOT_WIDTH);
        let oldest = self.oldest(at)?;
        let start = |slot: &Slot| slot.interval(Ledger::SLOT_WIDTH).start();
        let mut since = self.since.floor(Ledger::SLOT_WIDTH).max(oldest).min(at);
        let mut indicators = Vec::with_capacity(counted.len());
        let mut is_counted = Vec::with_capacity(counted.len());
        for tallies in counted {
            let from = tallies.partition_point(|(slot, _)| start(slot) < oldest);
            let to = tallies.partition_point(|(slot, _)| start(slot) < at);
            let known = &tallies[from..to.max(from)];
            if let Some((first, _)) = known.first() {
                since = since.min(start(first));
            }
            is_counted.push(to > 0);
            let total = Series::new(Ledger::SLOT_WIDTH, known.to_vec())?;
            indicators.push(IndicatorSeries { total, slices: Vec::new() });
        }
        let span = Interval::starting(since, at.since(since));
        let corrections = &catalog.set.corrections;
        let report = assess(&self.slo, &Measured { indicators }, corrections, at, span)?;
        if report.composite.is_some() {
            let is_counted = is_counted.contains(&true);
            return Ok(vec![joined(&self.slo, report.composite.as_ref(), at, is_counted)?]);
        }
        let objectives = report.objectives.iter().zip(is_counted);
        let facts = objectives.map(|(objective, is_counted)| {
            let counted = (self.slo.method, objective.target);
            Known::of(&objective.total, at).facts(&self.slo, counted, is_counted)
        });
        Ok(facts.collect())
    }
}
