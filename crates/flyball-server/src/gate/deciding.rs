//! Decisions that are kept, many at a time: what was asked for while others were written is written next, in
//! one transaction, so that all of it waits for the disk together.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flyball_govern::gate::{Decision, Question, gate};
use flyball_store::{NewRecord, Noting};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::{
    Acts, DECISION, DECISIONS, GateError, Gatekeeper, Known, Unreadable, keep_latch, keep_use,
};
use crate::hex::hex;

/// The most decisions that one transaction keeps.
const TOGETHER_MAX: usize = 256;
/// The most services whose acts are remembered; past it all are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// A decision that was made and is kept.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    /// SHA-256 of the text.
    pub(crate) id: String,
    /// Its canonical JSON.
    pub(crate) text: String,
    pub(crate) decision: Decision,
}

type Made = Result<Decided, GateError>;

/// What would be decided, and what was held against it: as long as that stays, it is what is decided.
#[derive(Debug)]
pub(crate) struct Looked {
    acts: Arc<Acts>,
    pub(crate) decision: Decision,
}

/// A decision that is to be made and kept.
#[derive(Debug)]
pub(super) struct Job {
    question: Question,
    known: Arc<Known>,
    /// What was found a moment ago, from the same.
    looked: Option<Looked>,
    actor: String,
    done: oneshot::Sender<Made>,
}

/// Decisions that are to be made, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    jobs: VecDeque<Job>,
    /// Whether somebody makes them.
    are_made: bool,
}

/// Who makes the decisions that wait.
struct Making<'a>(&'a Mutex<Waiting>);

impl Making<'_> {
    /// What is to be decided together next; when there is nothing, nobody makes decisions any more.
    fn next(&self) -> Option<Vec<Job>> {
        let mut waiting = lock(self.0);
        let count = waiting.jobs.len().min(TOGETHER_MAX);
        waiting.are_made = count > 0;
        (count > 0).then(|| waiting.jobs.drain(..count).collect())
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Those who wait are told that it was given up.
            *lock(self.0) = Waiting::default();
        }
    }
}

/// Acts as they are on disk, by service and policy.
pub(super) type Remembered = HashMap<(String, String), Arc<Acts>>;

/// A lock that nobody leaves in disorder: what it guards is a queue, or can be read again.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gatekeeper {
    /// As [`Self::look`], where that waits for no disk; `None` where it would.
    pub(crate) fn glance(&self, question: &Question, known: &Known) -> Option<Looked> {
        // Whoever reads them from disk holds them.
        let acts = self.remembered.try_lock().ok()?.get(&key(question, known)).cloned()?;
        Some(Looked::of(acts, question, known))
    }

    /// What is decided on `question`; nothing is kept.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn look(&self, question: &Question, known: &Known) -> Result<Looked, GateError> {
        let acts = self.remembered(&question.service, known)?;
        Ok(Looked::of(acts, question, known))
    }

    /// Decides on `question` for `actor` and keeps what was decided, and the latches as they are then; with the
    /// decision's id; `looked` is what was found from the same a moment ago. It outlives the process when this returns, and is on disk a moment later, before this
    /// returns where it goes by an override or moves a latch.
    ///
    /// # Errors
    ///
    /// [`GateError`]; nothing was kept then, unless the disk did not confirm it.
    pub(crate) async fn decide(
        &self,
        question: Question,
        known: Arc<Known>,
        looked: Option<Looked>,
        actor: String,
    ) -> Made {
        let (done, made) = oneshot::channel();
        let is_first = {
            let mut waiting = lock(&self.waiting);
            waiting.jobs.push_back(Job { question, known, looked, actor, done });
            !std::mem::replace(&mut waiting.are_made, true)
        };
        if is_first {
            let all = self.clone();
            tokio::task::spawn_blocking(move || all.decide_what_waits());
        }
        // Whoever made it may have failed.
        made.await.unwrap_or(Err(GateError::GivenUp))
    }

    /// Makes the decisions that wait until none does.
    fn decide_what_waits(&self) {
        let making = Making(&self.waiting);
        while let Some(jobs) = making.next() {
            let _alone = lock(&self.writing);
            self.decide_all(jobs);
        }
    }

    /// Decides on all of `jobs`. Where they cannot be kept together each is tried alone, so that one that cannot be
    /// kept stops no other.
    fn decide_all(&self, jobs: Vec<Job>) {
        // Whoever asked may have gone.
        let tell = |(job, made): (Job, Made)| _ = job.done.send(made);
        match self.transact(&jobs) {
            Ok(made) => jobs.into_iter().zip(made.into_iter().map(Ok)).for_each(tell),
            Err(error) => match <[Job; 1]>::try_from(jobs) {
                Ok([job]) => tell((job, Err(error))),
                Err(jobs) => {
                    for job in jobs {
                        let made = self.transact(std::slice::from_ref(&job));
                        let made = made.and_then(|mut made| made.pop().ok_or(GateError::GivenUp));
                        tell((job, made));
                    }
                }
            },
        }
    }

    /// Keeps the decisions of `jobs`, all or none, in their order.
    fn transact(&self, jobs: &[Job]) -> Result<Vec<Decided>, GateError> {
        let Some(first) = jobs.first() else { return Ok(Vec::new()) };
        let mut acts = Remembered::new();
        for Job { question, known, .. } in jobs {
            acts.insert(key(question, known), self.remembered(&question.service, known)?);
        }
        let mut moved = Remembered::new();
        let work = |noting: &Noting<'_>| {
            let keep = |job: &Job| {
                noting.by(&job.actor, job.question.at, |noting| {
                    let key = key(&job.question, &job.known);
                    let current = moved.get(&key).or_else(|| acts.get(&key)).cloned();
                    let (made, news) = job.keep(noting, current.unwrap_or_default())?;
                    moved.extend(news.map(|news| (key, news)));
                    Ok(made)
                })
            };
            jobs.iter().map(keep).collect::<Result<Vec<_>, GateError>>()
        };
        let made = self.note(first, work).and_then(|made| {
            let is_used = made.iter().any(|made| made.decision.overridden_by.is_some());
            if is_used || !moved.is_empty() {
                self.settling.now()?;
            }
            Ok(made)
        });
        let mut remembered = lock(&self.remembered);
        match &made {
            Ok(_) => remembered.extend(moved),
            Err(_) => remembered.clear(),
        }
        made
    }

    /// Has `work` note something that `first` asked for.
    fn note<T>(
        &self,
        first: &Job,
        work: impl FnOnce(&Noting<'_>) -> Result<T, GateError>,
    ) -> Result<T, GateError> {
        let (actor, at) = (&*first.actor, first.question.at);
        if !self.settling.may_wait() {
            let noted = self.control.lock().note(actor, at, work)?;
            // Perhaps it can be again.
            self.settling.soon();
            return Ok(noted);
        }
        let noted = self.control.lock().note_soon(actor, at, work)?;
        self.settling.soon();
        Ok(noted)
    }

    /// What people have decided that bears on `service`, read once until somebody decides again.
    pub(super) fn remembered(&self, service: &str, known: &Known) -> Result<Arc<Acts>, GateError> {
        let key = (service.to_owned(), known.policy.name().to_owned());
        // It is held while they are read, so that what is forgotten meanwhile is not remembered after.
        let mut remembered = lock(&self.remembered);
        if let Some(acts) = remembered.get(&key) {
            return Ok(Arc::clone(acts));
        }
        let acts = Arc::new(self.acts(service, known)?);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(key, Arc::clone(&acts));
        Ok(acts)
    }

    /// For whoever changes acts: no decision is made meanwhile, and then all are read again.
    pub(super) fn hold(&self) -> Held<'_> {
        Held { _writing: lock(&self.writing), remembered: &self.remembered }
    }
}

/// Acts are being changed.
#[derive(Debug)]
pub(super) struct Held<'a> {
    _writing: MutexGuard<'a, ()>,
    remembered: &'a Mutex<Remembered>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        lock(self.remembered).clear();
    }
}

fn key(question: &Question, known: &Known) -> (String, String) {
    (question.service.clone(), known.policy.name().to_owned())
}

impl Looked {
    fn of(acts: Arc<Acts>, question: &Question, known: &Known) -> Self {
        let decision = gate(&acts.inputs(question, known));
        Self { acts, decision }
    }
}

impl Job {
    /// Decides and keeps it; with the acts as they are then where a latch has moved.
    fn keep(
        &self,
        noting: &Noting<'_>,
        acts: Arc<Acts>,
    ) -> Result<(Decided, Option<Arc<Acts>>), GateError> {
        let Self { question, known, .. } = self;
        let mut acts = acts;
        let mut news = None;
        if known.policy.spec().levels.iter().any(|level| level.latch.is_some()) {
            let own = Arc::make_mut(&mut acts);
            let moved = own.move_latches(question, known);
            for latch in &moved {
                keep_latch(noting, latch, &question.service, question.at, "latch.move")?;
            }
            news = (!moved.is_empty()).then(|| Arc::clone(&acts));
        }
        let looked = self.looked.as_ref().filter(|looked| Arc::ptr_eq(&looked.acts, &acts));
        let decision = match looked {
            Some(looked) => looked.decision.clone(),
            None => gate(&acts.inputs(question, known)),
        };
        let unreadable = |cause| Unreadable { id: question.service.clone(), cause };
        let text = decision.canonical_json().map_err(unreadable)?;
        let id = hex(&Sha256::digest(text.as_bytes()));
        let service = Some(question.service.clone());
        let detail = json!({
            "service": question.service,
            "class": question.class.word(),
            "outcome": decision.outcome,
            "policy": decision.policy.name,
            "version": decision.policy.version,
            "level": decision.level,
        });
        let kept = NewRecord { kind: DECISION, id, service, at: question.at, text };
        noting.keep(&kept, DECISIONS, Some(("gate.decide", &detail)))?;
        if let Some(by) = &decision.overridden_by {
            keep_use(noting, by, &decision, &kept.id)?;
        }
        let NewRecord { id, text, .. } = kept;
        Ok((Decided { id, text, decision }, news))
    }
}
