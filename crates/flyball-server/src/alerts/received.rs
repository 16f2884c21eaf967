//! Alerts that other systems tell: Prometheus, and Alertmanager.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flyball_govern::alert::{Foreign, ForeignAlert};
use flyball_model::Timestamp;

/// The alerts of others; clones share them. They are in memory only: whoever sent them repeats them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Arc<Mutex<Foreign>>);

impl Received {
    /// Joins what another system tells; how many alerts had no room.
    pub(crate) fn take(&self, told: Vec<ForeignAlert>, now: Timestamp) -> u64 {
        self.lock().take(told, now)
    }

    /// The alerts that fire at `now` and for which `is_seen`, in the order of their labels.
    pub(crate) fn firing(
        &self,
        now: Timestamp,
        is_seen: impl Fn(&ForeignAlert) -> bool,
    ) -> Vec<ForeignAlert> {
        self.lock().firing(now).filter(|alert| is_seen(alert)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Foreign> {
        // Alerts are taken one by one: whoever panicked has left none half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
