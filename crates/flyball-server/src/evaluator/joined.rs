//! All-of composites: joined over their whole windows from the ledger, by what joins them in a replay.
//!
//! A joint slice turns from good to bad when a late count comes, and back when a correction is given:
//! no running sum can follow that. So they are joined anew when somebody asks and a minute has passed
//! since the last time, one after the other for as long as a question may take; the rest keep what
//! they had, which says up to when it is complete.

use std::collections::HashMap;
use std::time::Duration as Wait;

use flyball_budget::live::LiveError;
use flyball_budget::report::{CompositeReport, IndicatorSeries, Measured, compose};
use flyball_budget::{BudgetError, Series, window_at};
use flyball_model::{Composition, Condition, Correction, Duration, Interval, Slo, Timestamp};
use flyball_store::{GenerationId, Ledger, LedgerSnapshot, StoreError};
use tokio::time::Instant;

use super::objective::{Objective, Watched};

/// How often a composite is joined: as often as its shortest usual slice ends.
const EVERY: Duration = Duration::from_minutes(1);
/// How long one question may join; the first composite is joined whatever it takes. Counting waits
/// for it.
const JOINING_MAX: Wait = Wait::from_millis(250);

/// What is known of all-of composites.
#[derive(Debug, Default)]
pub(super) struct Joined {
    reports: HashMap<GenerationId, (Timestamp, CompositeReport)>,
}

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
    pub(super) fn report(&self, generation: GenerationId) -> Option<&CompositeReport> {
        self.reports.get(&generation).map(|(_, report)| report)
    }

    /// Joins those of `asked` that are composites and were not joined since `complete`, the moment up to
    /// which all is counted; those that were joined longest ago go first.
    ///
    /// # Errors
    ///
    /// A ledger that cannot be read, a window that cannot be computed.
    pub(super) fn join<'w>(
        &mut self,
        asked: impl Iterator<Item = &'w Watched>,
        corrections: &[Correction],
        snapshot: &LedgerSnapshot<'_>,
        complete: Timestamp,
    ) -> Result<(), LiveError<StoreError>> {
        let at = complete.floor(EVERY);
        let joined =
            |watched: &Watched| self.reports.get(&watched.generation.id).map(|(at, _)| *at);
        let mut due: Vec<&Watched> = asked
            .filter(|watched| watched.slo.composition == Some(Composition::AllOf))
            .filter(|watched| joined(watched) != Some(at))
            .collect();
        due.sort_by_key(|watched| joined(watched));
        let mut began: Option<Instant> = None;
        for watched in due {
            if began.get_or_insert_with(Instant::now).elapsed() > JOINING_MAX {
                break;
            }
            let report = all_of(watched, corrections, snapshot, at)?;
            self.reports.insert(watched.generation.id, (at, report));
        }
        Ok(())
    }
}

/// An all-of composite at `at`, of which only what is going on is told of its alerts.
fn all_of(
    watched: &Watched,
    corrections: &[Correction],
    snapshot: &LedgerSnapshot<'_>,
    at: Timestamp,
) -> Result<CompositeReport, LiveError<StoreError>> {
    let Watched { slo, objectives, .. } = watched;
    let window = window_at(&slo.window, at)?;
    let oldest = window.full.start().minus(before(slo)).min(at);
    let whole = Interval::starting(oldest, at.since(oldest));
    // As in a replay, data was collected from the first event on: some may be older than the SLO.
    let mut since = watched.since.floor(Ledger::SLOT_WIDTH).max(oldest).min(at);
    let mut indicators = Vec::with_capacity(objectives.len());
    for Objective { total, .. } in objectives {
        let tallies = match total.slice {
            Some(slice) => snapshot.tallies(slice, whole).map_err(LiveError::History)?,
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
