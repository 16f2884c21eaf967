//! How long tallies are kept.

use flyball_budget::nominal_length;
use flyball_model::{Duration, Timestamp};
use flyball_store::StoreError;

use super::Evaluator;

/// Days of which tallies are deleted at once where the ledger takes too much: counting waits for it.
const DAYS_AT_ONCE: usize = 7;

impl Evaluator {
    /// Deletes tallies that are older than they are kept, and the oldest where the ledger takes more than
    /// it may.
    pub(super) fn forget_tallies(&mut self, now: Timestamp) {
        let windows = self.watched.iter().map(|watched| nominal_length(&watched.slo.window));
        let services = self.catalog.governance.services();
        let contracts = services.flat_map(|of| &of.spec.agreements).map(|of| of.window);
        let Some(longest) = windows.chain(contracts).max() else { return };
        let older = |memory: Duration| now.minus(memory.max(longest)).minus(longest);
        let by_age = self.settings.tally_memory.map(older);
        match self.try_forget(by_age, older(longest)) {
            Ok(0) => {}
            Ok(hours) => tracing::info!(hours, "old tallies were deleted"),
            Err(error) => self.telemetry.store_failed("forget tallies", &error),
        }
    }

    /// Deletes the tallies before `by_age`, then those before `needed` as far as there is too little room.
    /// Answers how many hours of slices that were.
    fn try_forget(
        &mut self,
        by_age: Option<Timestamp>,
        needed: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut hours = by_age.map_or(Ok(0), |before| self.ledger.forget_tallies(before))?;
        let Some(max) = self.settings.ledger_bytes_max else { return Ok(hours) };
        // The rest with the next hour.
        for _ in 0..DAYS_AT_ONCE {
            let bytes = self.ledger.bytes()?;
            if bytes <= max {
                break;
            }
            let first = self.ledger.first_tallies()?;
            let before = first.map(|first| first.plus(Duration::from_days(1)).min(needed));
            let gone = before.map_or(Ok(0), |before| self.ledger.forget_tallies(before))?;
            if gone == 0 {
                tracing::warn!(
                    bytes,
                    max,
                    "the ledger is larger than it may be: windows need all it holds"
                );
                break;
            }
            hours += gone;
        }
        Ok(hours)
    }
}
