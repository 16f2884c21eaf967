//! What the ledger has counted of SLOs over stretches of time, for drills.

use std::collections::BTreeMap;

use flyball_budget::live::LiveError;
use flyball_govern::drill::{BLIND_LONGEST, Surplus};
use flyball_metric::HOLD;
use flyball_model::{Duration, Indicator, Interval, Slo, Slot, Tally, Timestamp};
use flyball_store::{Ledger, LedgerSnapshot, SliceId, StoreError};

use crate::evaluator::{self, Ended, Evaluator};

/// Over how long it is found what is usual, and how fast events come.
pub(crate) const USUAL_OVER: Duration = Duration::from_hours(1);
/// How far ahead of now events may be.
const AHEAD: Duration = Duration::from_hours(1);

/// How much later than others events of metrics are counted: their sides wait for each other, and samples come once a
/// minute.
const METRICS_LATE: Duration = Duration::from_seconds(90);
const _: () = assert!(METRICS_LATE.nanos() == Duration::from_minutes(1).nanos() + HOLD.nanos());

/// How much later than others events of `slo` are counted.
pub(crate) fn late(slo: &Slo) -> Duration {
    let is_metric = matches!(slo.indicator, Some(Indicator::Metric(_)));
    if is_metric { METRICS_LATE } else { Duration::ZERO }
}

/// Why nothing is counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountsError {
    /// The server goes down.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LiveError<StoreError>),
}

/// What was counted of the first objective of an SLO, slot by slot.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// In the order of their slots; those in which nothing was valid are left out.
    slots: Vec<(Slot, Tally)>,
    /// Up to when every slot is complete.
    pub(crate) complete: Timestamp,
    /// How much later than others its events are counted.
    pub(crate) late: Duration,
}

impl Counted {
    /// All of it that lies in slots that begin from `from` to before `to`.
    pub(crate) fn between(&self, from: Timestamp, to: Timestamp) -> Tally {
        let starts = |slot: Slot| slot.interval(Ledger::SLOT_WIDTH).start();
        let inside = self.slots.iter().filter(|(slot, _)| (from..to).contains(&starts(*slot)));
        inside.map(|(_, tally)| *tally).sum()
    }

    /// All of it from `from` on.
    pub(crate) fn since(&self, from: Timestamp) -> Tally {
        self.between(from, Timestamp::MAX)
    }

    /// Up to when it is counted: no data is not health, so at most to the end of the last slot in which something was valid.
    /// `None` where there is none.
    pub(crate) fn up_to(&self) -> Option<Timestamp> {
        let (last, _) = self.slots.last()?;
        Some(last.interval(Ledger::SLOT_WIDTH).end().min(self.complete))
    }

    /// Whether, at `now`, it is counted up to as little ago as a drill has to see.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.up_to().is_some_and(|to| now.since(to) <= self.fresh_within())
    }

    /// How little ago that is.
    pub(crate) fn fresh_within(&self) -> Duration {
        let nanos = BLIND_LONGEST.nanos().saturating_add(self.late.nanos());
        Duration::from_nanos(nanos).unwrap_or(BLIND_LONGEST)
    }

    /// The beginning of the first complete slot from `from` on of whose events `is_so`.
    pub(crate) fn first(
        &self,
        from: Timestamp,
        is_so: impl Fn(Tally) -> bool,
    ) -> Option<Timestamp> {
        let spans = self.slots.iter().map(|(slot, of)| (slot.interval(Ledger::SLOT_WIDTH), *of));
        let mut complete =
            spans.filter(|(span, _)| span.start() >= from && span.end() <= self.complete);
        complete.find(|(_, tally)| is_so(*tally)).map(|(span, _)| span.start())
    }
}

/// What is known of the budget that pays for a drill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paying {
    pub(crate) budget: Surplus,
    /// Its window, where that has an end.
    pub(crate) window: Option<Interval>,
}

/// What was counted of the SLOs called `slos` since `from`, by name; those that are not evaluated, and composites, are left
/// out. Of what is on its way nothing is left out.
///
/// # Errors
///
/// [`CountsError`].
pub(crate) async fn counted(
    evaluator: &evaluator::Handle,
    slos: Vec<String>,
    from: Timestamp,
) -> Result<BTreeMap<String, Counted>, CountsError> {
    let found = evaluator.ask(move |it: &mut Evaluator| {
        it.counts_of(|slo| slo.composition.is_none() && slos.contains(&slo.name))
    });
    let found = found.await?;
    let complete = found.complete;
    let from = from.floor(Ledger::SLOT_WIDTH);
    let length = complete.plus(AHEAD).since(from);
    let during = Interval::starting(from, length);
    let slices = found.slos.into_iter().filter_map(|counts| {
        let slice = counts.objectives.first()?.total;
        let late = late(&counts.slo);
        Some((counts.slo.name, slice, late))
    });
    let slices: Vec<(String, Option<SliceId>, Duration)> = slices.collect();
    let read = evaluator.read(move |snapshot: &LedgerSnapshot<'_>| {
        let mut counted = BTreeMap::new();
        for (slo, slice, late) in slices {
            let mut slots = match slice {
                Some(slice) => snapshot.tallies(slice, during).map_err(LiveError::History)?,
                None => Vec::new(),
            };
            slots.retain(|(_, tally)| !tally.is_empty());
            counted.insert(slo, Counted { slots, complete, late });
        }
        Ok(counted)
    });
    Ok(read.await??)
}

/// The budgets of the SLOs called `slos`, as their windows will end: what is counted, and what is still to come at the rate
/// so far where a window has an end.
///
/// # Errors
///
/// [`CountsError`].
pub(crate) async fn paying(
    evaluator: &evaluator::Handle,
    slos: Vec<String>,
) -> Result<BTreeMap<String, Paying>, CountsError> {
    let statuses = evaluator.ask(move |it| it.statuses(|slo| slos.contains(&slo.name))).await??;
    let paying = statuses.into_iter().filter_map(|status| {
        let first = status.objectives.first()?;
        let (budget, window) = (&first.total.budget, &first.total.window);
        let counted = Tally::new(budget.valid, budget.valid.saturating_sub(budget.bad))?;
        let end = budget.calendar.is_some().then_some(window.full);
        let (gone, left) = (
            window.elapsed.length().nanos().unsigned_abs(),
            window.full.end().since(window.elapsed.end()).nanos().unsigned_abs(),
        );
        let ahead = u128::from(budget.valid) * u128::from(left);
        let ahead = end.and_then(|_| ahead.checked_div(u128::from(gone))).unwrap_or(0);
        let to_come = u64::try_from(ahead).unwrap_or(u64::MAX);
        let budget = Surplus { counted, to_come, target: first.target };
        Some((status.slo, Paying { budget, window: end }))
    });
    Ok(paying.collect())
}
