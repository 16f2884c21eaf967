//! Who carries pagers, as it is kept: a record for each service of which somebody said or did something, written anew with
//! every act, in one transaction with what the audit log says of it.

mod called;
mod keeping;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use flyball_govern::SERVER;
use flyball_govern::custody::{Carried, Custody, CustodyError, Holder, REASON_BYTES_MAX};
use flyball_model::Timestamp;
use flyball_store::{NewRecord, Noting, RECORDS_PAGE_MAX, RecordBound, RecordFilter, StoreError};
use serde_json::{Value, json};

use crate::control::SharedControl;
use crate::gate::{Actor, GateError, lock, parse, text};
pub(crate) use keeping::start;

/// What such records are called.
const CUSTODY: &str = "custody";
/// The most that are kept: more services than one server has.
const CUSTODIES: RecordBound = RecordBound { rows: 50_000, bytes: 1 << 30 };

/// Why a pager does not change hands, or not like this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CustodiesError {
    /// It cannot be written or read.
    #[error(transparent)]
    Kept(#[from] GateError),
    /// The custody does not take it.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// It is too late to say how it was found.
    #[error(
        "something was done about the pager of `{service}` already; hint: propose a step, or give notice"
    )]
    Begun {
        /// The service.
        service: String,
    },
    /// A step is proposed, which rests on how it was found.
    #[error(
        "a step is proposed for the pager of `{service}`; hint: take it back (`flyball custody drop {service}`), say how the \
         pager was found, and propose it again"
    )]
    Proposed {
        /// The service.
        service: String,
    },
    /// It cannot have been so.
    #[error("{0}")]
    Refused(String),
}

impl From<StoreError> for CustodiesError {
    fn from(error: StoreError) -> Self {
        Self::Kept(error.into())
    }
}

/// How pagers are carried at `at`, by service, as [`Custodies::holders`] tells it at the start.
///
/// # Errors
///
/// It cannot be read; of what is kept and no custody, that is told in the log.
pub(crate) fn holders(
    control: &SharedControl,
    at: Timestamp,
) -> Result<BTreeMap<String, Option<Carried>>, StoreError> {
    match Custodies::of(control.clone()).holders(at) {
        Ok(holders) => Ok(holders),
        Err(GateError::Store(error)) => Err(error),
        Err(error) => {
            tracing::error!(%error, "pages do not follow custody");
            Ok(BTreeMap::new())
        }
    }
}

/// How a custody was found.
#[derive(Debug)]
pub(crate) struct NewFinding {
    pub(crate) service: String,
    pub(crate) holder: Holder,
    pub(crate) since: Timestamp,
    pub(crate) why: String,
}

/// Keeps who carries pagers; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Custodies {
    control: SharedControl,
    /// Held by whoever changes one, from reading it to writing it.
    writing: Arc<Mutex<()>>,
}

impl Custodies {
    pub(crate) fn of(control: SharedControl) -> Self {
        Self { control, writing: Arc::default() }
    }

    /// Who carries the pager of `service`: what was said or done, else its developers since it is `promised` by an SLO
    /// that anything is good. `None` when nothing is known of either.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn get(
        &self,
        service: &str,
        promised: Option<Timestamp>,
    ) -> Result<Option<Custody>, GateError> {
        let found = self.control.lock().record(CUSTODY, service)?;
        match found {
            Some(record) => Ok(Some(parse(&record)?)),
            None => Ok(promised.map(|since| Custody::new(service, since))),
        }
    }

    /// How the pager is carried at `at`, by service; `None` for a retired one. Services of which nobody said or did
    /// anything are left out.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn holders(
        &self,
        at: Timestamp,
    ) -> Result<BTreeMap<String, Option<Carried>>, GateError> {
        let all = self.all()?.into_iter();
        Ok(all.map(|(service, custody)| (service, custody.carried(at))).collect())
    }

    /// Every custody that is kept, by service.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn all(&self) -> Result<BTreeMap<String, Custody>, GateError> {
        let (mut before, mut found) = (None, BTreeMap::new());
        loop {
            let filter = RecordFilter { services: None, before, limit: RECORDS_PAGE_MAX };
            let page = self.control.lock().records(CUSTODY, &filter)?;
            for record in &page {
                found.insert(record.id.clone(), parse(record)?);
            }
            before = page.last().map(|record| record.number);
            if page.len() < RECORDS_PAGE_MAX {
                return Ok(found);
            }
        }
    }

    /// Says how the custody of a service was found, as long as nothing was done about it.
    ///
    /// # Errors
    ///
    /// [`CustodiesError::Begun`]; [`CustodiesError::Refused`] for a time to come and without a reason.
    pub(crate) fn find(
        &self,
        new: NewFinding,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Custody, CustodiesError> {
        let _held = self.hold();
        let NewFinding { service, holder, since, why } = new;
        let known = self.get(&service, None)?;
        if let Some(known) = known.filter(|custody| !custody.is_as_found()) {
            let is_proposed_alone = known.moves().is_empty() && known.notice().is_none();
            return Err(if is_proposed_alone {
                CustodiesError::Proposed { service }
            } else {
                CustodiesError::Begun { service }
            });
        }
        if since > at {
            let said = "nobody carries a pager since a time to come; hint: say since when it is so";
            return Err(CustodiesError::Refused(said.to_owned()));
        }
        if why.trim().is_empty() {
            let said = "how it was found needs a reason; hint: say how you know it";
            return Err(CustodiesError::Refused(said.to_owned()));
        }
        if why.len() > REASON_BYTES_MAX {
            let (what, length, most) = ("the reason", why.len(), REASON_BYTES_MAX);
            return Err(CustodyError::TooLong { what, length, most }.into());
        }
        let custody = Custody::found(&service, holder, since);
        let detail =
            json!({ "service": service, "holder": holder.word(), "since": since, "why": why });
        self.keep((&service, &custody), &actor.name, at, ("custody.find", &detail), None)?;
        Ok(custody)
    }

    /// Has `work` done to the custody of `service`, which is `usual` where none is kept, and kept with `action` and
    /// what `detail` says of it then in the audit log. A pager that went back by itself before that is written down with it.
    ///
    /// # Errors
    ///
    /// What `work` answers; nothing was changed then.
    pub(crate) fn act(
        &self,
        (service, usual): (&str, Custody),
        actor: &Actor,
        at: Timestamp,
        (action, detail): (&str, impl FnOnce(&Custody) -> Value),
        work: impl FnOnce(&mut Custody) -> Result<(), CustodyError>,
    ) -> Result<Custody, CustodiesError> {
        let _held = self.hold();
        let mut custody = self.get(service, None)?.unwrap_or(usual);
        let before = custody.holder(at);
        let returned = custody.settle(at).then(|| custody.clone());
        work(&mut custody)?;
        let after = custody.holder(at);
        let mut detail = detail(&custody);
        detail["service"] = service.into();
        detail["holder"] = json!(after.map(Holder::word));
        if before != after {
            detail["from"] = json!(before.map(Holder::word));
        }
        let audited = (action, &detail);
        self.keep((service, &custody), &actor.name, at, audited, returned.as_ref())?;
        Ok(custody)
    }

    /// Writes down which pagers went back by themselves by `at`; answers every custody that is kept, by service.
    ///
    /// # Errors
    ///
    /// [`CustodiesError::Kept`].
    pub(crate) fn settle(
        &self,
        at: Timestamp,
    ) -> Result<BTreeMap<String, Custody>, CustodiesError> {
        let _held = self.hold();
        let mut all = self.all()?;
        for (service, custody) in &mut all {
            if custody.settle(at) {
                self.control
                    .lock()
                    .note(SERVER, at, |noting| give_back(noting, service, custody, at))?;
            }
        }
        Ok(all)
    }

    fn keep(
        &self,
        (service, custody): (&str, &Custody),
        who: &str,
        at: Timestamp,
        audited: (&str, &Value),
        returned: Option<&Custody>,
    ) -> Result<(), CustodiesError> {
        let kept = record(service, custody, at)?;
        self.control.lock().note(who, at, |noting| {
            if let Some(returned) = returned {
                noting.by(SERVER, at, |noting| give_back(noting, service, returned, at))?;
            }
            noting.keep(&kept, CUSTODIES, Some(audited))?;
            Ok(())
        })
    }

    fn hold(&self) -> MutexGuard<'_, ()> {
        lock(&self.writing)
    }
}

fn record(service: &str, custody: &Custody, at: Timestamp) -> Result<NewRecord, CustodiesError> {
    let (id, of) = (service.to_owned(), Some(service.to_owned()));
    let text = text(custody, &id)?;
    Ok(NewRecord { kind: CUSTODY, id, service: of, at, text })
}

/// Keeps that the pager of `service` went back by itself, as `custody` has it.
fn give_back(
    noting: &Noting<'_>,
    service: &str,
    custody: &Custody,
    at: Timestamp,
) -> Result<(), CustodiesError> {
    let detail = json!({ "service": service, "holder": Holder::Developers.word() });
    let kept = record(service, custody, at)?;
    noting.keep(&kept, CUSTODIES, Some(("custody.return", &detail)))?;
    Ok(())
}
