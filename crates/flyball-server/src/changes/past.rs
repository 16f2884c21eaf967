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
        let of = |kind, most| self.control.lock().records_of(kind, services, during, most);
        let (changes, are_all) = of(CHANGE, CHANGES_SEEN)?;
        let (incidents, are_all_there) = of(INCIDENT, INCIDENTS_SEEN)?;
        Ok(Past {
            changes: changes.iter().map(Kept::read).collect::<Result<_, _>>()?,
            incidents: incidents.iter().map(parse).collect::<Result<_, _>>()?,
            is_cut: !(are_all && are_all_there),
        })
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
