//! Write-ups of incidents as they are kept, with their action items.

use flyball_govern::incident::{ActionState, IncidentRecord, Outcome, Run, WriteUp};
use flyball_govern::policy::Classing;
use flyball_model::Timestamp;
use flyball_store::{NewRecord, Noting, Record, RecordBound, RecordFilter};
use serde_json::{Value, json};

use super::incidents::{IncidentActError, UNKNOWN};
use super::told::{parse, text};
use super::{Changes, ChangesError, PAGE_MAX};
use crate::auth::{Caller, Role};
use crate::gate::{ACTS, CLASS};

/// What such records are called.
const WRITE_UP: &str = "post-mortem";
/// The most that are kept: of each incident one.
const WRITE_UPS: RecordBound = RecordBound { rows: 20_000, bytes: 256 << 20 };
/// What one look at write-ups takes in.
const SEEN: RecordBound = RecordBound { rows: 2_000, bytes: 64 << 20 };

/// A write-up as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct KeptWriteUp {
    /// In which order write-ups were begun.
    pub(crate) number: u64,
    /// The service whose incident it is of; `None` when nobody said.
    pub(crate) service: Option<String>,
    pub(crate) write_up: WriteUp,
    /// What it says of the ledger since it was published; `None` before.
    pub(crate) figures: Option<Figures>,
    /// The editions before, oldest first, each as it was published.
    pub(crate) earlier: Vec<Value>,
}

/// What the ledger and the record of an incident said when its write-up was published, which stays so.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Figures {
    /// What it cost by SLO, each with its `service`; `None` where the ledger could not tell.
    pub(crate) costs: Option<Vec<Value>>,
    /// The attribute that told users apart.
    pub(crate) users_by: Option<String>,
    /// What happened, without the names of people.
    pub(crate) timeline: Vec<Value>,
}

/// What is kept: the service with what is written.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    service: Option<String>,
    write_up: WriteUp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    figures: Option<Figures>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Value>,
}

/// An item that a run of its test has changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Learnt {
    /// The incident.
    incident: String,
    /// The action item.
    item: String,
    /// Where it is now.
    #[schema(value_type = Object)]
    state: ActionState,
}

fn read(record: &Record) -> Result<KeptWriteUp, ChangesError> {
    let Kept { service, write_up, figures, earlier } = parse(record)?;
    Ok(KeptWriteUp { number: record.number, service, write_up, figures, earlier })
}

fn keep(
    noting: &Noting<'_>,
    kept: KeptWriteUp,
    audited: Option<(&str, &Value)>,
) -> Result<u64, ChangesError> {
    let KeptWriteUp { service, write_up, figures, earlier, .. } = kept;
    let (id, at) = (write_up.incident.clone(), write_up.begun);
    let kept = Kept { service: service.clone(), write_up, figures, earlier };
    let new = NewRecord { kind: WRITE_UP, id, service, at, text: text(&kept)? };
    Ok(noting.keep(&new, WRITE_UPS, audited)?.0)
}

/// Carries what is written of the incident `before` over to `now`, under which it goes on.
pub(super) fn renamed(noting: &Noting<'_>, before: &str, now: &str) -> Result<(), ChangesError> {
    let Some(found) = noting.record(WRITE_UP, before)? else { return Ok(()) };
    let mut kept = read(&found)?;
    now.clone_into(&mut kept.write_up.incident);
    keep(noting, kept, None)?;
    Ok(())
}

/// Carries the class of the incident `before` of `service` over to `now`, under which it goes on.
pub(super) fn reclassed(
    noting: &Noting<'_>,
    service: &str,
    before: &str,
    now: &str,
) -> Result<(), ChangesError> {
    let Some(found) = noting.record(CLASS, &format!("{service}:{before}"))? else { return Ok(()) };
    let class = Classing { posting: now.to_owned(), ..parse(&found)? };
    let (id, at, text) = (format!("{service}:{now}"), class.at, text(&class)?);
    noting.keep(
        &NewRecord { kind: CLASS, id, service: Some(service.to_owned()), at, text },
        ACTS,
        None,
    )?;
    Ok(())
}

impl Changes {
    /// What is written of the incident called `id`.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn write_up(&self, id: &str) -> Result<Option<KeptWriteUp>, ChangesError> {
        let found = self.control.lock().record(WRITE_UP, id)?;
        found.as_ref().map(read).transpose()
    }

    /// Changes what is written of the incident in `record` as `work` does, which is given what there is; for `who`.
    /// `action` and what `work` answers are audited.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`IncidentActError`].
    pub(crate) fn write(
        &self,
        record: &IncidentRecord,
        by: (&str, Timestamp),
        action: &str,
        work: impl FnOnce(Option<WriteUp>) -> Result<(WriteUp, Value), IncidentActError>,
    ) -> Result<KeptWriteUp, IncidentActError> {
        self.write_with(record, by, (action, None), work)
    }

    /// As [`Self::write`]; what becomes published says `figures` from then on, and what was published is kept beside when
    /// a new edition of it is begun.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub(crate) fn write_with(
        &self,
        record: &IncidentRecord,
        (who, now): (&str, Timestamp),
        (action, figures): (&str, Option<Figures>),
        work: impl FnOnce(Option<WriteUp>) -> Result<(WriteUp, Value), IncidentActError>,
    ) -> Result<KeptWriteUp, IncidentActError> {
        let (id, service) = (&record.incident.id, record.incident.service.clone());
        self.control.lock().note(who, now, |noting| {
            let known = noting.record(WRITE_UP, id)?.as_ref().map(read).transpose()?;
            let (write_up, mut detail) = work(known.as_ref().map(|known| known.write_up.clone()))?;
            detail["service"] = json!(service);
            let (mut before, mut earlier) = (None, Vec::new());
            if let Some(known) = known {
                (before, earlier) = (known.figures, known.earlier);
                if known.write_up.is_published() && !write_up.is_published() {
                    earlier.push(json!({ "write_up": known.write_up, "figures": before.take() }));
                }
            }
            let figures = figures.filter(|_| write_up.is_published()).or(before);
            let service = service.clone();
            let mut kept = KeptWriteUp { number: 0, service, write_up, figures, earlier };
            kept.number = keep(noting, kept.clone(), Some((action, &detail)))?;
            Ok(kept)
        })
    }

    /// Write-ups, those begun last first: those of `service`, or of all services that `caller` may know of; and the number
    /// of the last that was looked at, where there may be more.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn write_ups(
        &self,
        service: Option<&str>,
        before: Option<u64>,
        limit: usize,
        caller: &Caller,
    ) -> Result<(Vec<KeptWriteUp>, Option<u64>), ChangesError> {
        let seen = match service {
            Some(service) if !caller.sees(service) => return Ok((Vec::new(), None)),
            Some(service) => Some(vec![service.to_owned()]),
            None => caller.seen(),
        };
        let filter = RecordFilter { services: seen.as_deref(), before, limit };
        let found = self.control.lock().records(WRITE_UP, &filter)?;
        let next = found.last().filter(|_| found.len() == limit).map(|last| last.number);
        let mut listed: Vec<KeptWriteUp> = found.iter().map(read).collect::<Result<_, _>>()?;
        self.without_old_names(&mut listed)?;
        Ok((listed, next))
    }

    /// What is written of incidents of `services`, begun at any time, as much as one look takes in.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn written(&self, services: &[String]) -> Result<Vec<WriteUp>, ChangesError> {
        let times = (Timestamp::MIN, Timestamp::MAX);
        let (mut found, _) = self.known_of((WRITE_UP, SEEN), services, times, read)?;
        self.without_old_names(&mut found)?;
        Ok(found.into_iter().map(|of| of.write_up).collect())
    }

    /// Leaves out what is written under an id under which the incident is no longer known.
    fn without_old_names(&self, listed: &mut Vec<KeptWriteUp>) -> Result<(), ChangesError> {
        let mut current = Vec::with_capacity(listed.len());
        for one in listed.drain(..) {
            let id = &one.write_up.incident;
            let now = self.incident(id)?;
            if now.is_none_or(|of| of.record.incident.id == *id) {
                current.push(one);
            }
        }
        *listed = current;
        Ok(())
    }

    /// Tells action items of services for which `caller` may what came of their tests, as `judge` has it: those that
    /// changed.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`IncidentActError`].
    pub(crate) fn tested(
        &self,
        judge: impl Fn(&Outcome) -> Option<Run>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Vec<Learnt>, IncidentActError> {
        let (mut listed, mut next) = self.write_ups(None, None, PAGE_MAX, caller)?;
        while next.is_some() {
            let (older, then) = self.write_ups(None, next, PAGE_MAX, caller)?;
            listed.extend(older);
            next = then;
        }
        let may = |of: &KeptWriteUp| {
            of.service.as_ref().is_none_or(|service| caller.may(Role::Developer, service))
        };
        let mut learnt = Vec::new();
        self.control.lock().note(&caller.actor(), now, |noting| {
            for one in listed.iter().filter(|one| may(one)) {
                let known = noting.record(WRITE_UP, &one.write_up.incident)?.ok_or(UNKNOWN)?;
                let mut kept = read(&known)?;
                let (mut changed, incident) = (Vec::new(), kept.write_up.incident.clone());
                for item in &mut kept.write_up.actions {
                    let run = judge(&item.outcome);
                    if run.is_some_and(|run| item.learn(&run)) {
                        changed.push(Learnt {
                            incident: incident.clone(),
                            item: item.id.clone(),
                            state: item.state.clone(),
                        });
                    }
                }
                if !changed.is_empty() {
                    let detail = json!({ "service": kept.service, "items": changed });
                    keep(noting, kept, Some(("action.test", &detail)))?;
                    learnt.extend(changed);
                }
            }
            Ok::<_, IncidentActError>(())
        })?;
        Ok(learnt)
    }
}
