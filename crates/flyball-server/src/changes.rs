//! Changes as they are kept: what other systems tell of them, joined, and what becomes of them.
//!
//! A message is noted as one transaction of the control state: that it came, what it changes, who was
//! broken by it, and the audit record. So what was acknowledged outlives a crash, and a message that
//! comes again changes nothing. The phase of a change follows from the clock whenever it is asked for.

mod demands;
mod drills;
mod hooks;
mod incidents;
mod kept;
mod past;
mod restores;
mod told;
mod write_ups;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use flyball_connect::Received;
use flyball_connect::notify::Annotation;
use flyball_govern::SERVER;
use flyball_govern::verdict::{Answer, ChangeVerdict};
use flyball_govern::warranty::Page;
use flyball_model::{Change, ChangeError, Duration, Timestamp, Warranty};
use flyball_store::{Delivered, Delivery, NewRecord, RecordBound, RecordFilter, StoreError};
use tokio::sync::watch;

use crate::annotations::AnnotationState;
use crate::auth::Caller;
use crate::control::{SharedControl, Unreadable};

pub(crate) use drills::{DrillMeasured, DrillRun};
pub use hooks::{HookError, HookSecret};
pub(crate) use hooks::{Hooks, Signed};
pub(crate) use incidents::{IncidentActError, KeptIncident};
pub use kept::ChangeView;
pub(crate) use kept::{Kept, is_in_production};
pub(crate) use past::Past;
pub(crate) use restores::Attempted;
pub use told::{Receipt, ReportTold};
pub(crate) use write_ups::{Figures, KeptWriteUp, Learnt};

/// The most changes that are kept; the oldest make room. Half a century of five a day, or a year of a
/// company with 270.
const CHANGES: RecordBound = RecordBound { rows: 100_000, bytes: 1 << 30 };
/// The most incidents that are kept.
const INCIDENTS: RecordBound = RecordBound { rows: 20_000, bytes: 256 << 20 };
/// The most pushes that are kept: lead time is counted from their commits.
const PUSHES: RecordBound = RecordBound { rows: 50_000, bytes: 128 << 20 };
/// The most pages that are kept: each may break the warranty of a change that is heard of later.
const PAGES: RecordBound = RecordBound { rows: 20_000, bytes: 16 << 20 };

/// The most marks on dashboards that are known: those of a day are looked at.
const ANNOTATIONS: RecordBound = RecordBound { rows: 20_000, bytes: 16 << 20 };

/// The kinds of records.
pub(crate) const CHANGE: &str = "change";
pub(crate) const INCIDENT: &str = "incident";
const PUSH: &str = "push";
const PAGE: &str = "page";
const ANNOTATION: &str = "annotation";

/// Changes that are answered for at a time: those of a week, of which the newest come first.
const ANSWERED_MAX: usize = 4_096;

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
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
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
    /// As much was tried as is kept.
    #[error(
        "`{id}` was restored in as many ways as are kept; hint: restore it by your own pipeline, and record \
         that by `flyball change record`"
    )]
    Restored {
        /// The change.
        id: String,
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
    /// Told when something is heard of a change or an incident.
    news: Arc<watch::Sender<u64>>,
    /// Told when a change regressed, or something is done about one.
    restorable: Arc<watch::Sender<u64>>,
    /// What was seen of changes that are looked at, by id, where it is no answer yet.
    looks: Arc<RwLock<HashMap<String, ChangeVerdict>>>,
    recent: Recent,
}

/// The changes that are answered for, without their commits; clones share them. They are those of the last
/// time that somebody read them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent(Arc<RwLock<Arc<[Change]>>>);

impl Recent {
    pub(crate) fn get(&self) -> Arc<[Change]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, changes: Arc<[Change]>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = changes;
    }
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
        let (news, restorable) = (Arc::default(), Arc::default());
        Self { control, news, restorable, looks: Arc::default(), recent: Recent::default() }
    }

    /// Tells when something is heard of a change or an incident.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// A number that grows whenever something may be known otherwise than before.
    pub(crate) fn version(&self) -> u64 {
        *self.news.borrow()
    }

    /// The changes that are answered for.
    pub(crate) fn recent(&self) -> Recent {
        self.recent.clone()
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
        let receipt = self.control.lock().note(&sender.actor, now, |noting| {
            let is_new = match noting.deliver(&delivery)? {
                Delivered::New => true,
                Delivered::Otherwise if received.system == "api" => {
                    return Err(ChangesError::Otherwise { name: delivery.name.clone() });
                }
                // Others name messages as they please: what they named the same is the same.
                Delivered::Again | Delivered::Otherwise => false,
            };
            told::note(noting, received, is_new, (sender, now))
        })?;
        if !receipt.repeated {
            self.news.send_modify(|news| *news += 1);
        }
        Ok(receipt)
    }

    /// The changes that are answered for at `now`, and those that are underway, without their commits; what
    /// they did as it was kept.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn answered_for(&self, now: Timestamp) -> Result<Vec<Kept>, ChangesError> {
        // What says that it ends later than that is met again when its time has come.
        let times = (now.minus(Warranty::DEFAULT.hold()), now.plus(Duration::from_days(1)));
        let found = self.control.lock().records_about(CHANGE, None, times, ANSWERED_MAX)?;
        if found.len() == ANSWERED_MAX {
            tracing::warn!(
                most = ANSWERED_MAX,
                "there may be older changes that nobody judges any more"
            );
        }
        let read = |record| {
            let kept = Kept::read(record);
            kept.map_err(|error| tracing::error!(%error, "a change is not judged")).ok()
        };
        let mut kept: Vec<Kept> = found.iter().filter_map(read).collect();
        for kept in &mut kept {
            kept.change.commits.clear();
        }
        self.recent.set(kept.iter().map(|kept| kept.change.clone()).collect());
        let known: HashSet<&str> = kept.iter().map(|kept| kept.change.id.as_str()).collect();
        let mut looks = self.looks.write().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|id, _| known.contains(id.as_str()));
        drop(looks);
        Ok(kept)
    }

    /// Takes what was seen of the change called `id`, which is no answer yet.
    pub(crate) fn looked(&self, id: &str, verdict: ChangeVerdict) {
        let mut looks = self.looks.write().unwrap_or_else(PoisonError::into_inner);
        looks.insert(id.to_owned(), verdict);
    }

    /// Keeps what the change called `id` did: an answer, or that none was found.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn judged(
        &self,
        id: &str,
        verdict: ChangeVerdict,
        now: Timestamp,
    ) -> Result<(), ChangesError> {
        let is_restorable = verdict.answer == Answer::Regressed;
        let mut control = self.control.lock();
        control.note(SERVER, now, |noting| told::note_verdict(noting, id, verdict))?;
        drop(control);
        self.looks.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.news.send_modify(|news| *news += 1);
        if is_restorable {
            self.restorable.send_modify(|news| *news += 1);
        }
        Ok(())
    }

    /// The marks on dashboards of changes that are about a moment from `since` on, and of what they did, the
    /// earliest first; `origin` is the address of this server.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn annotations(
        &self,
        since: Timestamp,
        origin: &str,
    ) -> Result<Vec<Annotation>, ChangesError> {
        let times = (since, Timestamp::MAX);
        let found = self.control.lock().records_about(CHANGE, None, times, ANSWERED_MAX)?;
        let mut marks = Vec::new();
        for record in &found {
            let Kept { change, verdict, .. } = Kept::read(record)?;
            marks.extend(Annotation::of_change(&change, origin));
            let verdict = verdict.as_ref();
            marks.extend(verdict.and_then(|of| Annotation::of_verdict(&change, of, origin)));
        }
        marks.sort_by(|one, two| (one.at, &one.key).cmp(&(two.at, &two.key)));
        Ok(marks)
    }

    /// Notes that the mark called `key` is being sent; what was known of it before.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn begin_annotation(
        &self,
        key: &str,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<AnnotationState, ChangesError> {
        let known = self.control.lock().record(ANNOTATION, key)?;
        if let Some(known) = known {
            return told::parse(&known);
        }
        self.keep_annotation(key, at, AnnotationState::Begun, now)?;
        Ok(AnnotationState::New)
    }

    /// Notes that the mark called `key` is there.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn end_annotation(
        &self,
        key: &str,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), ChangesError> {
        self.keep_annotation(key, at, AnnotationState::Done, now)
    }

    fn keep_annotation(
        &self,
        key: &str,
        at: Timestamp,
        state: AnnotationState,
        now: Timestamp,
    ) -> Result<(), ChangesError> {
        let (id, text) = (key.to_owned(), told::text(&state)?);
        let new = NewRecord { kind: ANNOTATION, id, service: None, at, text };
        self.control.lock().note(SERVER, now, |noting| {
            noting.keep(&new, ANNOTATIONS, None)?;
            Ok(())
        })
    }

    /// A change as it is shown at `now`.
    pub(crate) fn view(&self, mut kept: Kept, now: Timestamp) -> ChangeView {
        let looks = self.looks.read().unwrap_or_else(PoisonError::into_inner);
        // A look knows no less than what was kept before it.
        if let Some(look) = looks.get(&kept.change.id) {
            kept.verdict = Some(look.clone());
        }
        drop(looks);
        kept.view(&self.recent.get(), now)
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

    /// Notes that somebody was paged, which breaks the warranty of the latest change that users had met
    /// by then. Told again, it changes nothing.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn page(&self, page: &Page, now: Timestamp) -> Result<(), ChangesError> {
        self.control.lock().note(SERVER, now, |noting| told::note_page(noting, page))
    }
}
