//! The control state, shared by everything that reads or changes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flyball_store::Control;

/// One control state for the whole process; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct SharedControl(Arc<Mutex<Control>>);

impl SharedControl {
    pub(crate) fn new(control: Control) -> Self {
        Self(Arc::new(Mutex::new(control)))
    }

    /// The control state, as soon as nobody else uses it. A change waits for the disk, so async code
    /// calls this on a thread that may wait.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Control> {
        // A change is one transaction: whoever panicked has left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
