//! Decisions outlive the process when they are answered, and a power failure a moment later: a pipeline that asks
//! does not wait for the disk. What uses up an override, or moves a latch, waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flyball_store::{Log, Settled, Settler, StoreError};

use super::deciding::lock;
use crate::control::SharedControl;

/// How long what was decided may wait until it is brought to disk.
const DELAY: Duration = Duration::from_millis(50);

/// Brings decisions to disk.
#[derive(Debug)]
pub(super) struct Settling {
    control: SharedControl,
    log: Log,
    settler: Mutex<Settler>,
    /// Whether somebody is about to.
    is_due: AtomicBool,
    /// Whether the disk did not confirm it the last time.
    has_failed: AtomicBool,
}

impl Settling {
    pub(super) fn new(control: SharedControl) -> Self {
        let settler = control.lock().settler();
        let (is_due, has_failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { control, log: settler.log(), settler: Mutex::new(settler), is_due, has_failed }
    }

    /// Whether decisions may be answered before they are on disk: not while that fails.
    pub(super) fn may_wait(&self) -> bool {
        !self.has_failed.load(Ordering::Relaxed)
    }

    /// Waits until everything that was decided is on disk.
    ///
    /// # Errors
    ///
    /// The disk does not confirm it.
    pub(super) fn now(&self) -> Result<(), StoreError> {
        // Whoever settles holds nobody up who waits for this.
        let synced = self.log.sync();
        self.has_failed.store(synced.is_err(), Ordering::Relaxed);
        synced
    }

    /// Has it on disk soon.
    pub(super) fn soon(self: &Arc<Self>) {
        if self.is_due.swap(true, Ordering::Relaxed) {
            return;
        }
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(DELAY).await;
            // A server that has gone down holds nothing open.
            let Some(this) = this.upgrade() else { return };
            this.is_due.store(false, Ordering::Relaxed);
            // A server that goes down closes the file, which does the same.
            let _ = tokio::task::spawn_blocking(move || this.settle()).await;
        });
    }

    fn settle(&self) {
        if let Err(error) = self.now() {
            tracing::error!(%error, "decisions are not on disk; those to come wait for it");
        } else if let Err(error) = self.shorten() {
            tracing::error!(%error, "the log of decisions cannot be shortened; it is tried again");
        }
    }

    fn shorten(&self) -> Result<(), StoreError> {
        match lock(&self.settler).settle()? {
            Settled::Enough => Ok(()),
            Settled::Long => self.control.lock().settle(),
        }
    }
}
