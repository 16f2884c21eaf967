//! The control state, shared by everything that reads or changes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flyball_model::Timestamp;
use flyball_store::{Control, Record, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// What a new record is known by: what it is `of` and when it is made, to the second, for people type it; with a number where
/// others were made in that second. `is_taken` is asked in the transaction, or by who lets nobody else make one.
///
/// # Errors
///
/// Those of `is_taken`.
pub(crate) fn new_id(
    of: &str,
    at: Timestamp,
    is_taken: impl Fn(&str) -> Result<bool, StoreError>,
) -> Result<String, StoreError> {
    let mut id = format!("{of}:{at:.0}");
    let mut number = 1;
    while is_taken(&id)? {
        number += 1;
        id = format!("{of}:{at:.0}.{number}");
    }
    Ok(id)
}

/// What is kept cannot be read, or written, as JSON.
#[derive(Debug, thiserror::Error)]
#[error("what is kept of `{id}` cannot be read: {cause}")]
pub(crate) struct Unreadable {
    /// The record.
    pub(crate) id: String,
    /// What is wrong.
    pub(crate) cause: serde_json::Error,
}

/// What a record says.
///
/// # Errors
///
/// [`Unreadable`].
pub(crate) fn parse<T: DeserializeOwned>(record: &Record) -> Result<T, Unreadable> {
    serde_json::from_str(&record.text).map_err(|cause| Unreadable { id: record.id.clone(), cause })
}

/// What is kept under `id`, as the text of a record.
///
/// # Errors
///
/// [`Unreadable`].
pub(crate) fn text(kept: &impl Serialize, id: &str) -> Result<String, Unreadable> {
    serde_json::to_string(kept).map_err(|cause| Unreadable { id: id.to_owned(), cause })
}
