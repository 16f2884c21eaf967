//! What is known of the past of services: their changes and incidents over a time.

use flyball_govern::restore::before;
use flyball_model::{Change, Incident, Timestamp};
use flyball_store::{Record, RecordBound, StoreError};

use super::kept::Kept;
use super::{CHANGE, Changes, ChangesError, PAGE, PAGES};

/// The changes that one look at the past takes in: a year of 50 a day.
const CHANGES_SEEN: RecordBound = RecordBound { rows: 20_000, bytes: 64 << 20 };
/// The changes among which the deployment before one is looked for: the latest.
const BEFORE_SEEN: RecordBound = RecordBound { rows: 200, bytes: 4 << 20 };

/// Changes and incidents of services over a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    /// The latest first.
    pub(crate) changes: Vec<Kept>,
    /// Those whose first sign was latest first; one that concerns several of the services is there for each.
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
        self.known_of((CHANGE, CHANGES_SEEN), services, during, Kept::read)
    }

    /// How often somebody was paged for `service` from `from` to before `to`, by alerts of this server.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`].
    pub(crate) fn pages_of(
        &self,
        service: &str,
        during: (Timestamp, Timestamp),
    ) -> Result<u64, StoreError> {
        let services = [service.to_owned()];
        let (found, _) = self.control.lock().records_of(PAGE, &services, during, PAGES)?;
        Ok(found.len() as u64)
    }

    /// Whether an incident, a change or a drill of `service` is known by `id`.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn has_happened(&self, service: &str, id: &str) -> Result<bool, ChangesError> {
        let change = self.control.lock().record(CHANGE, id)?;
        let change = change.as_ref().map(Kept::read).transpose()?;
        // A class is given to what spent budgets, by the id that it has now.
        let incident = self.incident(id)?.filter(|of| of.record.incident.id == id);
        Ok(incident.is_some_and(|of| of.record.all_services().contains(&service))
            || change.is_some_and(|of| of.change.service == service))
    }

    /// The deployment that was live before `change`: what is gone back to. `None` when none is known.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn before(&self, change: &Change) -> Result<Option<Change>, ChangesError> {
        let services = [change.service.clone()];
        let during = (Timestamp::MIN, change.shipped().unwrap_or(change.recorded));
        let (found, _) = self.known_of((CHANGE, BEFORE_SEEN), &services, during, Kept::read)?;
        let changes: Vec<Change> = found.into_iter().map(|kept| kept.change).collect();
        Ok(before(change, &changes).cloned())
    }

    /// What is kept of a kind, as far as one look takes it in, each as `read` has it; and whether this is all.
    pub(super) fn known_of<T>(
        &self,
        (kind, most): (&str, RecordBound),
        services: &[String],
        during: (Timestamp, Timestamp),
        read: impl Fn(&Record) -> Result<T, ChangesError>,
    ) -> Result<(Vec<T>, bool), ChangesError> {
        let (found, are_all) = self.control.lock().records_of(kind, services, during, most)?;
        Ok((found.iter().map(read).collect::<Result<_, _>>()?, are_all))
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
