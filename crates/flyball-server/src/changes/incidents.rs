//! Incidents as they are kept: told of by other systems, opened by alerts and by people, and what is said of them.
//!
//! All are one kind of record, whoever opened them. One that concerns further services is found by these too: each has a
//! record of its own that names it. Every change is one transaction with its audit record.

use std::collections::{BTreeMap, BTreeSet};

use flyball_govern::SERVER;
use flyball_govern::alert::Paged;
use flyball_govern::incident::{
    ActionError, IncidentError, IncidentRecord, Opened, Opening, WriteUpError, follow, open,
};
use flyball_model::{Incident, Timestamp};
use flyball_store::{NewRecord, Noting, Record, RecordBound, RecordFilter, StoreError};
use serde_json::{Value, json};

use super::told::{parse, text};
use super::write_ups;
use super::{Changes, ChangesError, INCIDENT, INCIDENTS, PAGE_MAX};
use crate::auth::{Caller, Role};

/// What names an incident that concerns a service beside its own.
const CONCERNED: &str = "incident.service";
/// The most of those that are kept.
const ALL_CONCERNED: RecordBound = RecordBound { rows: 40_000, bytes: 16 << 20 };
/// The incidents that one look at the past takes in.
const SEEN: RecordBound = RecordBound { rows: 20_000, bytes: 64 << 20 };
/// How often an incident may have gone on under another id.
const NAMES_MAX: usize = 8;

/// An incident as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct KeptIncident {
    /// In which order incidents were first heard of.
    pub(crate) number: u64,
    pub(crate) record: IncidentRecord,
}

impl KeptIncident {
    /// Whether `caller` may know of it: they see one of its services, or all.
    pub(crate) fn is_seen_by(&self, caller: &Caller) -> bool {
        let services = self.record.all_services();
        caller.sees_all() || services.into_iter().any(|service| caller.sees(service))
    }
}

/// Why nothing is done about an incident.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncidentActError {
    /// It cannot be kept.
    #[error(transparent)]
    Kept(#[from] ChangesError),
    /// The record does not take it.
    #[error(transparent)]
    Record(#[from] IncidentError),
    /// The write-up does not take it.
    #[error(transparent)]
    WriteUp(#[from] WriteUpError),
    /// The action item does not take it.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// There is none.
    #[error("there is no such {0}; hint: {1}")]
    Unknown(&'static str, &'static str),
    /// The id is that of another one.
    #[error("`{0}` is taken; hint: give it an id of its own, or note it there")]
    Taken(String),
}

impl From<StoreError> for IncidentActError {
    fn from(error: StoreError) -> Self {
        Self::Kept(error.into())
    }
}

/// What a record holds: an incident alone was kept before people could say anything of one.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Text {
    Record(Box<IncidentRecord>),
    Alone(Box<Incident>),
}

/// The incident in `record`.
pub(super) fn read(record: &Record) -> Result<IncidentRecord, ChangesError> {
    Ok(match parse(record)? {
        Text::Record(record) => *record,
        Text::Alone(incident) => {
            let recorded = incident.opened().unwrap_or(Timestamp::MIN);
            let opened = Opened::ByMessage { system: "another system".to_owned() };
            IncidentRecord::new(*incident, opened, recorded)
        }
    })
}

fn kept(record: &Record) -> Result<KeptIncident, ChangesError> {
    Ok(KeptIncident { number: record.number, record: read(record)? })
}

/// The incident called `id`, or what it is called since, as `find` has records.
fn named(
    id: &str,
    find: impl Fn(&str) -> Result<Option<Record>, StoreError>,
) -> Result<Option<KeptIncident>, ChangesError> {
    let mut id = id.to_owned();
    for _ in 0..NAMES_MAX {
        let Some(found) = find(&id)?.as_ref().map(kept).transpose()? else { return Ok(None) };
        match found.record.known_as {
            Some(known_as) => id = known_as,
            None => return Ok(Some(found)),
        }
    }
    Ok(None)
}

/// Keeps an incident; answers its number.
pub(super) fn keep(
    noting: &Noting<'_>,
    record: &IncidentRecord,
    audited: Option<(&str, &Value)>,
) -> Result<u64, ChangesError> {
    let incident = &record.incident;
    let at = incident.opened().unwrap_or(record.recorded);
    let (id, service) = (incident.id.clone(), incident.service.clone());
    let new = NewRecord { kind: INCIDENT, id, service, at, text: text(record)? };
    let (number, _) = noting.keep(&new, INCIDENTS, audited)?;
    for service in record.all_services() {
        if incident.service.as_deref() != Some(service) {
            let (id, text) = (json!([service, incident.id]).to_string(), incident.id.clone());
            let service = Some(service.to_owned());
            let new = NewRecord { kind: CONCERNED, id, service, at, text };
            noting.keep(&new, ALL_CONCERNED, None)?;
        }
    }
    Ok(number)
}

/// Notes what `system` tells of an incident; whether it had not been heard of before. One that alerts have opened for the
/// same service and time goes on under its id.
pub(super) fn told(
    noting: &Noting<'_>,
    told: &Incident,
    (system, detail): (&str, &mut Value),
    (caller, now): (&Caller, Timestamp),
) -> Result<bool, ChangesError> {
    let known = named(&told.id, |id| noting.record(INCIDENT, id))?;
    let is_new = known.is_none();
    let record = if let Some(KeptIncident { mut record, .. }) = known {
        let service = record.incident.service.as_ref();
        if !service.is_none_or(|of| caller.may(Role::Developer, of)) {
            return Err(ChangesError::Taken { id: told.id.clone() });
        }
        record.told(Incident { id: record.incident.id.clone(), ..told.clone() });
        record
    } else if let Some(mut record) = opened_by_alerts(noting, told)? {
        let stays = record.renamed(told.clone(), system);
        let before = &stays.incident.id;
        write_ups::renamed(noting, before, &told.id)?;
        if let Some(service) = &told.service {
            write_ups::reclassed(noting, service, before, &told.id)?;
        }
        detail["before"] = before.clone().into();
        keep(noting, &stays, None)?;
        record
    } else {
        let opened = Opened::ByMessage { system: system.to_owned() };
        IncidentRecord::new(told.clone(), opened, now)
    };
    detail["service"] = json!(record.incident.service);
    keep(noting, &record, Some(("incident.record", detail)))?;
    Ok(is_new)
}

/// The incident that alerts have opened for the service and the time of what is told.
fn opened_by_alerts(
    noting: &Noting<'_>,
    told: &Incident,
) -> Result<Option<IncidentRecord>, ChangesError> {
    let (Some(service), Some(from)) = (&told.service, told.opened()) else { return Ok(None) };
    let times = (Timestamp::MIN, Timestamp::MAX);
    let near = noting.near_last(INCIDENT, service, times, PAGE_MAX)?;
    for record in &near {
        let record = read(record)?;
        let is_of = matches!(record.opened, Opened::ByAlerts { .. })
            && record.counts()
            && record.is_around((from, told.resolved));
        if is_of {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

impl Changes {
    /// Takes in what `alerts` of `service` that called somebody, each with the moment at which it did first, know of
    /// incidents: they open one, or belong to one. Told again, it changes nothing.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn alerted(
        &self,
        service: &str,
        alerts: &[Paged],
        now: Timestamp,
    ) -> Result<(), ChangesError> {
        let is_news = self.control.lock().note(SERVER, now, |noting| {
            let times = (Timestamp::MIN, Timestamp::MAX);
            let near = noting.near_last(INCIDENT, service, times, PAGE_MAX)?;
            let mut records: Vec<IncidentRecord> =
                near.iter().map(read).collect::<Result<_, ChangesError>>()?;
            for other in noting.near_last(CONCERNED, service, times, PAGE_MAX)? {
                let found = named(&other.text, |id| noting.record(INCIDENT, id))?;
                records.extend(found.map(|found| found.record));
            }
            let mut belong: BTreeMap<String, Vec<Paged>> = BTreeMap::new();
            let mut opened = BTreeSet::new();
            for paged in alerts {
                let id = match open(&records, &paged.alert, paged.first) {
                    Opening::Joins { id } => id,
                    Opening::Opens(record) => {
                        let id = record.incident.id.clone();
                        if noting.record(INCIDENT, &id)?.is_some() {
                            continue;
                        }
                        opened.insert(id.clone());
                        records.push(*record);
                        id
                    }
                };
                belong.entry(id).or_default().push(paged.clone());
            }
            let mut is_news = false;
            for (id, alerts) in belong {
                let Some(record) = records.iter_mut().find(|of| of.incident.id == id) else {
                    continue;
                };
                let known = record.came_back.len();
                let is_changed = follow(record, &alerts);
                let action = if opened.contains(&id) {
                    "incident.open"
                } else if record.came_back.len() > known {
                    "incident.come_back"
                } else {
                    "incident.follow"
                };
                if is_changed || opened.contains(&id) {
                    let ids: Vec<u64> = alerts.iter().map(|of| of.alert.id).collect();
                    let detail = json!({ "service": service, "alerts": ids });
                    keep(noting, record, Some((action, &detail)))?;
                    is_news = true;
                }
            }
            Ok::<_, ChangesError>(is_news)
        })?;
        if is_news {
            self.news.send_modify(|news| *news += 1);
        }
        Ok(())
    }

    /// The incident called `id`, under the id that it has since.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn incident(&self, id: &str) -> Result<Option<KeptIncident>, ChangesError> {
        named(id, |id| self.control.lock().record(INCIDENT, id))
    }

    /// Incidents that `caller` may know of and for which `is_asked`, those that were heard of last first: those that concern
    /// `service`, as its own or beside others, or all; `limit` of them, and the number of the last that was looked at, where
    /// there may be more.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn incident_list(
        &self,
        service: Option<&str>,
        mut before: Option<u64>,
        limit: usize,
        (caller, is_asked): (&Caller, impl Fn(&IncidentRecord) -> bool),
    ) -> Result<(Vec<KeptIncident>, Option<u64>), ChangesError> {
        let mut listed = Vec::new();
        loop {
            let filter = RecordFilter { services: None, before, limit: PAGE_MAX };
            let found = self.control.lock().records(INCIDENT, &filter)?;
            for record in &found {
                let one = kept(record)?;
                before = Some(one.number);
                let services = one.record.all_services();
                let is_meant = one.record.known_as.is_none()
                    && service.is_none_or(|of| services.contains(&of) && caller.sees(of))
                    && one.is_seen_by(caller)
                    && is_asked(&one.record);
                if is_meant {
                    listed.push(one);
                }
                if listed.len() == limit {
                    return Ok((listed, before));
                }
            }
            if found.len() < PAGE_MAX {
                return Ok((listed, None));
            }
        }
    }

    /// Keeps an incident that somebody opens.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`IncidentActError`].
    pub(crate) fn open_incident(
        &self,
        record: IncidentRecord,
        who: &str,
        now: Timestamp,
    ) -> Result<KeptIncident, IncidentActError> {
        let number = self.control.lock().note(who, now, |noting| {
            let Incident { id, service, summary, .. } = &record.incident;
            if noting.record(INCIDENT, id)?.is_some() {
                return Err(IncidentActError::Taken(id.clone()));
            }
            let detail = json!({ "service": service, "summary": summary });
            Ok(keep(noting, &record, Some(("incident.open", &detail)))?)
        })?;
        self.news.send_modify(|news| *news += 1);
        Ok(KeptIncident { number, record })
    }

    /// Changes the incident called `id` as `work` does, for `who`; `action` and what `work` answers are audited.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`IncidentActError`].
    pub(crate) fn amend_incident(
        &self,
        id: &str,
        (who, now): (&str, Timestamp),
        action: &str,
        work: impl FnOnce(&mut IncidentRecord) -> Result<Value, IncidentActError>,
    ) -> Result<KeptIncident, IncidentActError> {
        let kept = self.control.lock().note(who, now, |noting| {
            let found = named(id, |id| noting.record(INCIDENT, id))?;
            let mut found = found.ok_or(UNKNOWN)?;
            let mut detail = work(&mut found.record)?;
            detail["service"] = json!(found.record.incident.service);
            keep(noting, &found.record, Some((action, &detail)))?;
            Ok::<_, IncidentActError>(found)
        })?;
        self.news.send_modify(|news| *news += 1);
        Ok(kept)
    }

    /// The records of incidents that concern `services` and began from `from` to before `to`, false alarms among
    /// them, each once; and whether these are all.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn incident_records(
        &self,
        services: &[String],
        during: (Timestamp, Timestamp),
    ) -> Result<(Vec<IncidentRecord>, bool), ChangesError> {
        let (mut records, are_all) = self.known_of((INCIDENT, SEEN), services, during, read)?;
        let id = |record: &Record| Ok(record.text.clone());
        let (others, are_all_others) = self.known_of((CONCERNED, SEEN), services, during, id)?;
        let known: BTreeSet<String> = records.iter().map(|of| of.incident.id.clone()).collect();
        let others: BTreeSet<String> =
            others.into_iter().filter(|id| !known.contains(id)).collect();
        for id in others {
            let Some(KeptIncident { record, .. }) = self.incident(&id)? else { continue };
            // Somebody may have said since that it does not concern them.
            if record.all_services().iter().any(|of| services.iter().any(|asked| asked == of)) {
                records.push(record);
            }
        }
        records.retain(|record| record.known_as.is_none());
        Ok((records, are_all && are_all_others))
    }

    /// The incidents of `services` that began from `from` to before `to`: one that concerns several of them is there
    /// for each, and false alarms are not; and whether these are all.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn incidents_of(
        &self,
        services: &[String],
        during: (Timestamp, Timestamp),
    ) -> Result<(Vec<Incident>, bool), ChangesError> {
        let (records, are_all) = self.incident_records(services, during)?;
        let mut found = Vec::new();
        for record in records.iter().filter(|record| record.counts()) {
            let concerned = record.all_services().into_iter();
            let concerned = concerned.filter(|of| services.iter().any(|asked| asked == of));
            found.extend(concerned.map(|service| Incident {
                service: Some(service.to_owned()),
                ..record.incident.clone()
            }));
        }
        Ok((found, are_all))
    }

    /// The incidents that concern `service` and last, those that were heard of last first, among the last [`PAGE_MAX`] of
    /// it.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn lasting(&self, service: &str) -> Result<Vec<Incident>, ChangesError> {
        let services = [service.to_owned()];
        let last = RecordFilter { services: Some(&services), before: None, limit: PAGE_MAX };
        let (own, others) = {
            let control = self.control.lock();
            (control.records(INCIDENT, &last)?, control.records(CONCERNED, &last)?)
        };
        let mut found: Vec<KeptIncident> = own.iter().map(kept).collect::<Result<_, _>>()?;
        for other in others {
            found.extend(self.incident(&other.text)?);
        }
        found.retain(|of| of.record.lasts() && of.record.all_services().contains(&service));
        found.sort_by_key(|of| std::cmp::Reverse(of.number));
        found.dedup_by_key(|of| of.number);
        Ok(found.into_iter().map(|of| of.record.incident).collect())
    }

    /// Incidents that concern `service` and last, among the last [`PAGE_MAX`] of it.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn incidents_open(&self, service: &str) -> Result<u64, ChangesError> {
        Ok(self.lasting(service)?.len() as u64)
    }
}

/// The refusal of an incident that nobody knows.
pub(super) const UNKNOWN: IncidentActError =
    IncidentActError::Unknown("incident", "GET /api/v1/incidents lists them");
