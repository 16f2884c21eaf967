//! Changes as they are kept: what other systems tell of them, joined, and what becomes of them.
//!
//! A message is noted as one transaction of the control state: that it came, what it changes, who was
//! broken by it, and the audit record. So what was acknowledged outlives a crash, and a message that
//! comes again changes nothing. The phase of a change follows from the clock whenever it is asked for.

mod hooks;
mod kept;
mod told;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flyball_connect::Received;
use flyball_govern::warranty::Page;
use flyball_model::{ChangeError, Incident, Timestamp};
use flyball_store::{Delivered, Delivery, RecordBound, RecordFilter, StoreError};

use crate::auth::Caller;
use crate::control::SharedControl;

pub use hooks::{HookError, HookSecret};
pub(crate) use hooks::{Hooks, Signed};
pub use kept::ChangeView;
pub(crate) use kept::Kept;
pub use told::{Receipt, ReportTold};

/// The most changes that are kept; the oldest make room. Half a century of five a day, or a year of a
/// company with 270.
const CHANGES: RecordBound = RecordBound { rows: 100_000, bytes: 1 << 30 };
/// The most incidents that are kept.
const INCIDENTS: RecordBound = RecordBound { rows: 20_000, bytes: 64 << 20 };
/// The most pushes that are kept: lead time is counted from their commits.
const PUSHES: RecordBound = RecordBound { rows: 50_000, bytes: 128 << 20 };
/// The most pages that are kept: each may break the warranty of a change that is heard of later.
const PAGES: RecordBound = RecordBound { rows: 20_000, bytes: 16 << 20 };

/// The kinds of records.
const CHANGE: &str = "change";
const INCIDENT: &str = "incident";
const PUSH: &str = "push";
const PAGE: &str = "page";

/// Changes in one answer, unless told.
pub(crate) const PAGE_DEFAULT: usize = 100;
/// Changes in one answer, at most.
pub(crate) const PAGE_MAX: usize = 1_000;

/// Why a message is not taken, or changes cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangesError {
    /// The control state refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is kept is not what was written.
    #[error("what is kept of `{id}` cannot be read: {cause}")]
    Unreadable {
        /// The record.
        id: String,
        /// What is wrong.
        cause: serde_json::Error,
    },
    /// The message speaks of another change that is called the same.
    #[error("{0}; hint: it is another change, give it an id of its own")]
    Another(#[from] ChangeError),
    /// As [`Self::Another`], of a service that the sender may not know of.
    #[error("`{id}` is taken; hint: give it an id of its own")]
    Taken {
        /// The id.
        id: String,
    },
    /// A message of this name came before and said something else.
    #[error(
        "something else came with the Idempotency-Key `{name}`; hint: give each message a key of its \
         own, and send the same again only as it was"
    )]
    Otherwise {
        /// The name.
        name: String,
    },
    /// The sender may not speak for the service.
    #[error(
        "the token or role is not for the service `{service}`; hint: use one that is, or name a \
         service of your own"
    )]
    Forbidden {
        /// The service.
        service: String,
    },
    /// The sender may speak for some services only, and the message names none.
    #[error(
        "the message names no service, and the token or role is for some only; hint: name the service \
         in the hook's address, as ?service=NAME"
    )]
    NoService,
}

/// Changes, incidents and what else other systems tell.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    control: SharedControl,
    /// How many messages were noted since the start.
    noted: Arc<AtomicU64>,
}

/// Who sends a message.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    /// Who that is in the audit log.
    pub(crate) actor: String,
    /// What they may.
    pub(crate) caller: Caller,
}

impl Changes {
    pub(crate) fn of(control: SharedControl) -> Self {
        Self { control, noted: Arc::default() }
    }

    /// Notes what a message says; `hash` is the SHA-256 of its body. On disk when this returns.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn receive(
        &self,
        received: &Received,
        hash: [u8; 32],
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Receipt, ChangesError> {
        told::check_reach(received, &sender.caller)?;
        let name = received.delivery.clone();
        let delivery = Delivery { system: received.system.to_owned(), name, hash };
        let noted = self.control.lock().note(&sender.actor, now, |noting| {
            let is_new = match noting.deliver(&delivery)? {
                Delivered::New => true,
                Delivered::Otherwise if received.system == "api" => {
                    return Err(ChangesError::Otherwise { name: delivery.name.clone() });
                }
                // Others name messages as they please: what they named the same is the same.
                Delivered::Again | Delivered::Otherwise => false,
            };
            told::note(noting, received, is_new, sender)
        });
        self.noted.fetch_add(1, Ordering::Release);
        noted
    }

    /// A number that grows whenever something may be known otherwise than before.
    pub(crate) fn version(&self) -> u64 {
        self.noted.load(Ordering::Acquire)
    }

    /// The change called `id`, if `caller` may know of it.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn get(&self, id: &str, caller: &Caller) -> Result<Option<Kept>, ChangesError> {
        let found = self.control.lock().record(CHANGE, id)?;
        let kept = found.as_ref().map(Kept::read).transpose()?;
        Ok(kept.filter(|kept| caller.sees(&kept.change.service)))
    }

    /// Changes, those that were heard of last first: of `service`, or of all that `caller` may know of.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn list(
        &self,
        service: Option<&str>,
        before: Option<u64>,
        limit: usize,
        caller: &Caller,
    ) -> Result<Vec<Kept>, ChangesError> {
        let seen = match service {
            Some(service) if !caller.sees(service) => return Ok(Vec::new()),
            Some(service) => Some(vec![service.to_owned()]),
            None => caller.seen(),
        };
        let filter = RecordFilter { services: seen.as_deref(), before, limit };
        let found = self.control.lock().records(CHANGE, &filter)?;
        found.iter().map(Kept::read).collect()
    }

    /// Incidents of `service`, those that were heard of last first; at most [`PAGE_MAX`].
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn incidents(&self, service: &str) -> Result<Vec<Incident>, ChangesError> {
        let services = [service.to_owned()];
        let filter = RecordFilter { services: Some(&services), before: None, limit: PAGE_MAX };
        let found = self.control.lock().records(INCIDENT, &filter)?;
        found.iter().map(told::parse).collect()
    }

    /// Incidents of `service` that are not resolved, among the last [`PAGE_MAX`] of it.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn incidents_open(&self, service: &str) -> Result<u64, ChangesError> {
        let incidents = self.incidents(service)?;
        Ok(incidents.iter().filter(|incident| incident.resolved.is_none()).count() as u64)
    }

    /// Notes that somebody was paged, which breaks the warranty of the latest change that users had met
    /// by then. Told again, it changes nothing. What alerts call.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    #[expect(dead_code, reason = "alerts, which are to call it, are not part of the server yet")]
    pub(crate) fn page(&self, page: &Page, now: Timestamp) -> Result<(), ChangesError> {
        self.control.lock().note("server", now, |noting| told::note_page(noting, page))
    }
}
