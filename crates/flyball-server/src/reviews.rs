//! Reviews as they are kept: a record each, written anew with every act, in one transaction with what the audit log says
//! of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use flyball_govern::checklist::{
    Checklist, Control, ReportedBy, Review, ReviewError, ReviewState, Stage, approved,
};
use flyball_govern::evidence::ServiceEvidence;
use flyball_model::Timestamp;
use flyball_store::{NewRecord, RecordBound, RecordFilter, StoreError};
use serde_json::{Value, json};

use crate::control::SharedControl;
use crate::gate::{Actor, GateError, lock, parse, read, text};

/// What such records are called.
const REVIEW: &str = "review";
/// The most that are kept: some a year of a thousand services for years.
const REVIEWS: RecordBound = RecordBound { rows: 20_000, bytes: 1 << 30 };
/// The reviews of one service that a look takes in: the last, of decades.
const LOOKED_AT: usize = 200;
/// The most services whose controls are remembered; past it all are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Why a review cannot be kept, or not like this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReviewsError {
    /// It cannot be written or read.
    #[error(transparent)]
    Kept(#[from] GateError),
    /// The review does not take it.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// There is none.
    #[error("`{service}` has no review `{id}`; hint: GET /api/v1/reviews/{service} lists them")]
    Unknown {
        /// The service.
        service: String,
        /// What was asked for.
        id: String,
    },
    /// One is enough.
    #[error("`{id}` goes through `{checklist}` already; hint: go on with it, or give it up first")]
    Underway {
        /// The review.
        id: String,
        /// The checklist.
        checklist: String,
    },
}

impl From<StoreError> for ReviewsError {
    fn from(error: StoreError) -> Self {
        Self::Kept(error.into())
    }
}

/// Keeps reviews; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Reviews {
    control: SharedControl,
    /// Held by whoever changes one, from reading it to writing it.
    writing: Arc<Mutex<()>>,
    /// The controls of services, for the gate, which asks for them all the time.
    controls: Arc<Mutex<HashMap<String, Vec<Control>>>>,
}

impl Reviews {
    pub(crate) fn of(control: SharedControl) -> Self {
        Self { control, writing: Arc::default(), controls: Arc::default() }
    }

    /// Reviews of `services`, those opened last first, each with its number; of all without them.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn page(
        &self,
        services: Option<&[String]>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Review)>, GateError> {
        let filter = RecordFilter { services, before, limit };
        let found = self.control.lock().records(REVIEW, &filter)?;
        found.iter().map(|one| Ok((one.number, parse(one)?))).collect()
    }

    /// Reviews of `service`, those opened last first; at most [`LOOKED_AT`].
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn of_service(&self, service: &str) -> Result<Vec<Review>, GateError> {
        let own = [service.to_owned()];
        let filter = RecordFilter { services: Some(&own), before: None, limit: LOOKED_AT };
        read(&self.control.lock().records(REVIEW, &filter)?)
    }

    /// The review `id` of `service`, or its last one that goes through the checklist of that name.
    ///
    /// # Errors
    ///
    /// [`ReviewsError::Unknown`].
    pub(crate) fn get(&self, service: &str, id: &str) -> Result<Review, ReviewsError> {
        // Ids begin with the service that they are of.
        let is_own = id.strip_prefix(service).is_some_and(|rest| rest.starts_with(':'));
        let found = if is_own { self.control.lock().record(REVIEW, id)? } else { None };
        if let Some(record) = found {
            return Ok(parse(&record)?);
        }
        let last = self.of_service(service)?.into_iter().find(|of| of.checklist == id);
        last.ok_or_else(|| {
            let (service, id) = (service.to_owned(), id.to_owned());
            ReviewsError::Unknown { service, id }
        })
    }

    /// The stages of which a review of `service` stands approved at `at`, each with that review's id: the last of its
    /// checklist, and approved after `after`.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn approved(
        &self,
        service: &str,
        after: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<BTreeMap<Stage, String>, GateError> {
        Ok(approved(&self.of_service(service)?, after, at))
    }

    /// The signatures that changes of `service` need by the last approved review of each checklist, each once. What a
    /// service is stays so when an approval grows old.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn controls(&self, service: &str) -> Result<Vec<Control>, GateError> {
        // It is held while they are read, so that what is forgotten meanwhile is not remembered after.
        let mut known = lock(&self.controls);
        if let Some(controls) = known.get(service) {
            return Ok(controls.clone());
        }
        let (mut seen, mut controls) = (BTreeSet::new(), Vec::<Control>::new());
        for review in self.of_service(service)? {
            let ReviewState::Approved { seen: assessed, .. } = review.state() else { continue };
            if !seen.insert(review.checklist.clone()) {
                continue;
            }
            for control in &assessed.controls {
                if !controls.iter().any(|known| known.sign_off == control.sign_off) {
                    controls.push(control.clone());
                }
            }
        }
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(service.to_owned(), controls.clone());
        Ok(controls)
    }

    /// Opens a review of `service` by `checklist`.
    ///
    /// # Errors
    ///
    /// [`ReviewsError::Underway`], [`ReviewsError::Review`].
    pub(crate) fn open(
        &self,
        service: &str,
        checklist: &Checklist,
        evidence: &ServiceEvidence,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Review, ReviewsError> {
        let _held = self.hold();
        let all = self.of_service(service)?;
        let mut same = all.iter().filter(|review| review.checklist == checklist.name());
        let is_underway = |review: &&Review| {
            matches!(review.state(), ReviewState::Open | ReviewState::Submitted(_))
        };
        if let Some(open) = same.clone().find(is_underway) {
            let (id, checklist) = (open.id.clone(), checklist.name().to_owned());
            return Err(ReviewsError::Underway { id, checklist });
        }
        let was_approved =
            |review: &&Review| matches!(review.state(), ReviewState::Approved { .. });
        let before = same.find(was_approved).map(|review| review.version);
        let id = format!("{service}:{at}:{}", checklist.name());
        let opened = ReportedBy { who: actor.who().to_owned(), at };
        let review = Review::open(&id, service, checklist, before, evidence, opened)?;
        let detail = json!({
            "service": service, "checklist": review.checklist, "version": review.version,
        });
        self.keep(&review, actor, at, ("review.open", &detail))?;
        Ok(review)
    }

    /// Has `work` done to the review `id` of `service`, and kept with `action` and its `detail` in the audit log.
    ///
    /// # Errors
    ///
    /// [`ReviewsError::Unknown`], and what `work` answers; nothing was changed then.
    pub(crate) fn act(
        &self,
        (service, id): (&str, &str),
        actor: &Actor,
        at: Timestamp,
        (action, mut detail): (&str, Value),
        work: impl FnOnce(&mut Review) -> Result<(), ReviewError>,
    ) -> Result<Review, ReviewsError> {
        let _held = self.hold();
        let mut review = self.get(service, id)?;
        work(&mut review)?;
        detail["service"] = service.into();
        detail["checklist"] = review.checklist.as_str().into();
        self.keep(&review, actor, at, (action, &detail))?;
        Ok(review)
    }

    fn keep(
        &self,
        review: &Review,
        actor: &Actor,
        at: Timestamp,
        audited: (&str, &Value),
    ) -> Result<(), ReviewsError> {
        let kept = NewRecord {
            kind: REVIEW,
            id: review.id.clone(),
            service: Some(review.service.clone()),
            at: review.opened.at,
            text: text(review, &review.id)?,
        };
        self.control.lock().note(&actor.name, at, |noting| {
            noting.keep(&kept, REVIEWS, Some(audited)).map(|_| ())
        })?;
        lock(&self.controls).remove(&review.service);
        Ok(())
    }

    fn hold(&self) -> MutexGuard<'_, ()> {
        lock(&self.writing)
    }
}
