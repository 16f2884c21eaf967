//! What is known of the past of services: their changes and incidents over a time.

use flyball_model::{Incident, Timestamp};
use flyball_store::{RecordBound, StoreError};

use super::kept::Kept;
use super::told::parse;
use super::{CHANGE, Changes, ChangesError, INCIDENT};

/// The changes that one look at the past takes in: a year of 50 a day.
const CHANGES_SEEN: RecordBound = RecordBound { rows: 20_000, bytes: 64 << 20 };
/// The incidents that one look at the past takes in.
const INCIDENTS_SEEN: RecordBound = RecordBound { rows: 20_000, bytes: 64 << 20 };

/// Changes and incidents of services over a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    /// The latest first.
    pub(crate) changes: Vec<Kept>,
    /// Those whose first sign was latest first.
    pub(crate) incidents: Vec<Incident>,
    /// Whether there are more of either, earlier ones, than are looked at.
    pub(crate) is_cut: bool,
}

impl Changes {
    /// What happened to `services` from `from` to before `to`.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn past(
        &self,
        services: &[String],
        during: (Timestamp, Timestamp),
    ) -> Result<Past, ChangesError> {
        let (changes, are_all) = self.changes_of(services, during)?;
        let (incidents, are_all_there) = self.incidents_of(services, during)?;
        Ok(Past { changes, incidents, is_cut: !(are_all && are_all_there) })
    }

    /// The changes of `services` that shipped, or were heard of where they have not, from `from` to before `to`,
    /// the latest first; and whether these are all.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn changes_of(
        &self,
        services: &[String],
        during: (Timestamp, Timestamp),
    ) -> Result<(Vec<Kept>, bool), ChangesError> {
        let control = self.control.lock();
        let (found, are_all) = control.records_of(CHANGE, services, during, CHANGES_SEEN)?;
        drop(control);
        Ok((found.iter().map(Kept::read).collect::<Result<_, _>>()?, are_all))
    }

    /// The incidents of `services` that began from `from` to before `to`, the latest first; and whether these
    /// are all.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn incidents_of(
        &self,
        services: &[String],
        during: (Timestamp, Timestamp),
    ) -> Result<(Vec<Incident>, bool), ChangesError> {
        let control = self.control.lock();
        let (found, are_all) = control.records_of(INCIDENT, services, during, INCIDENTS_SEEN)?;
        drop(control);
        Ok((found.iter().map(parse).collect::<Result<_, _>>()?, are_all))
    }

    /// The incidents of `service` that last, the latest first, among the last [`super::PAGE_MAX`] of it.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn lasting(&self, service: &str) -> Result<Vec<Incident>, ChangesError> {
        let mut incidents = self.incidents(service)?;
        incidents.retain(|incident| incident.resolved.is_none());
        Ok(incidents)
    }

    /// The services that changes are known of, by name, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`].
    pub(crate) fn services(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        self.control.lock().record_services(CHANGE, limit)
    }
}
