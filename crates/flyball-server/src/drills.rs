//! Drills are carried out: faults on purpose, watched while they last, and taken away whatever happens.
//!
//! `flyball-govern` says how much a drill may spend, whether it may begin and when it is to end; `flyball-connect` what other
//! systems are asked. Here they are asked. A run is kept before anything is done ([`changes`](crate::changes)), a guard of its
//! own process holds what takes the fault away before it is there, and one task a run looks at it once a second. After a
//! start, what may still be broken is taken away first.

mod asks;
mod carrying;
mod chaos;
pub(crate) mod counts;
mod guarding;
mod measuring;
mod quiet;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Wait;

use flyball_connect::drill::{DrillError, envoy};
use flyball_govern::SERVER;
use flyball_govern::drill::{Dose, Drill, DrillVia, Stop, Watch, WatchState};
use flyball_model::{Duration, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::asking::Asker;
use crate::attribution::AttributionError;
use crate::changes::{Changes, ChangesError, DrillRun, IncidentActError};
use crate::clock::Clock;
use crate::evaluator::{self, Ended, ServedError};
use crate::tasks::Tasks;
use carrying::Carrying;
use chaos::Experiments;
use counts::CountsError;
pub use guarding::GuardProgram;

/// How long what may be broken is left so when nothing can be read of it.
const AGAIN: Wait = Wait::from_secs(1);
/// What is said when the server ends and a fault is still there.
const UNANSWERED: &str =
    "a drill's fault could not be taken away in time; its guard goes on with it";
/// What arming, injecting and taking away may take beside the drill itself: then a guard takes the fault away.
const AROUND: Duration = Duration::from_seconds(20);

/// Why a drill is not begun, or not looked after.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DrillsError {
    /// The server goes down.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// It cannot be kept or read.
    #[error(transparent)]
    Changes(#[from] ChangesError),
    /// What was learnt cannot be kept.
    #[error(transparent)]
    Learnt(#[from] IncidentActError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(ServedError),
    /// It cannot be told what it burned.
    #[error(transparent)]
    Attribution(#[from] AttributionError),
    /// The system cannot do it.
    #[error(transparent)]
    System(#[from] DrillError),
    /// The system could not be asked.
    #[error("{0}; hint: the server's environment holds what orders are signed with")]
    Asked(String),
    /// Nothing would end the fault if the server died.
    #[error(
        "the server has no guard to end the fault if it dies; hint: start it by `flyball serve`, and not as the first process of a container"
    )]
    Unguarded,
    /// Another one goes on.
    #[error("the drill `{0}` is underway; hint: wait for its end, or stop it")]
    Underway(String),
    /// The server cannot carry it out.
    #[error("{0}")]
    Refused(String),
    /// A bug.
    #[error("the server gave up: {0}")]
    GivenUp(#[from] tokio::task::JoinError),
}

impl From<CountsError> for DrillsError {
    fn from(error: CountsError) -> Self {
        match error {
            CountsError::Ended(ended) => Self::Ended(ended),
            CountsError::Ledger(error) => Self::Ledger(error.into()),
        }
    }
}

/// A drill that is to be begun, with what was found of it.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) drill: Drill,
    pub(crate) by: String,
    pub(crate) dose: Dose,
    /// Bad and valid events of the time before it.
    pub(crate) usual: (u64, u64),
    /// The bad events of the window so far.
    pub(crate) bad: u64,
}

/// Drills and their runs; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Drills {
    changes: Changes,
    evaluator: evaluator::Handle,
    clock: Clock,
    asker: Asker,
    guard: Option<GuardProgram>,
    experiments: Experiments,
    /// Told when somebody has done something to a run.
    news: Arc<watch::Sender<u64>>,
    /// Runs that go on, as they were last looked at, by key.
    live: Arc<Mutex<BTreeMap<String, Watch>>>,
    /// Held by whoever begins one.
    beginning: Arc<tokio::sync::Mutex<()>>,
    /// What looks after runs: when the server goes down it takes away what is broken, for a while; guards do it then.
    tasks: Tasks,
}

impl Drills {
    /// Drills as documents in force say them, with the guard that outlives the server, the directory of experiments, and
    /// that of data.
    ///
    /// # Errors
    ///
    /// A client that cannot be made.
    pub(crate) fn new(
        changes: &Changes,
        evaluator: &evaluator::Handle,
        clock: &Clock,
        (guard, experiments, data): (Option<GuardProgram>, Option<PathBuf>, &Path),
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            changes: changes.clone(),
            evaluator: evaluator.clone(),
            clock: clock.clone(),
            asker: Asker::new(clock.clone())?,
            guard,
            experiments: Experiments::new(experiments, data),
            news: Arc::default(),
            live: Arc::default(),
            beginning: Arc::default(),
            tasks: Tasks::asking(UNANSWERED),
        })
    }

    /// Looks after runs from now on: what may be broken since before is taken away first of all.
    pub(crate) fn start(self) -> Tasks {
        let tasks = self.tasks.clone();
        tasks.spawn(self.reconcile());
        tasks
    }

    /// Whether something would end a fault of `drill` if the server died.
    pub(crate) const fn is_guarded(&self, drill: &Drill) -> bool {
        drill.spec.via.expires() || self.guard.is_some()
    }

    /// Takes up what was left by the server before this one.
    async fn reconcile(self) {
        loop {
            let now = self.clock.now();
            let found = self.on_disk(move |changes| {
                let mut found = changes.drills_unsettled()?;
                for run in found.iter().filter(|run| run.is_underway()) {
                    changes.move_drill(run.key(), (SERVER, now), |watch| watch.found(now))?;
                }
                found.reverse();
                Ok(found)
            });
            match found.await {
                Ok(found) => {
                    for run in &found {
                        self.carry_out(run.key());
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "drills cannot be read; what may be broken is looked for again");
                }
            }
            tokio::select! {
                () = self.tasks.stopped().cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    fn carry_out(&self, key: &str) {
        self.tasks.spawn(Carrying::new(self.clone(), key.to_owned()).run());
    }

    /// Begins a drill that may begin; it is on disk when this returns, and nothing is broken yet.
    ///
    /// # Errors
    ///
    /// [`DrillsError`]; nothing was begun then.
    pub(crate) async fn begin(&self, beginning: Beginning) -> Result<DrillRun, DrillsError> {
        let _alone = self.beginning.lock().await;
        let Beginning { drill, by, dose, usual, bad } = beginning;
        if self.tasks.stopped().is_cancelled() {
            return Err(Ended.into());
        }
        if !self.is_guarded(&drill) {
            return Err(DrillsError::Unguarded);
        }
        let underway = self.on_disk(Changes::drills_unsettled).await?;
        if let Some(other) = underway.iter().find(|run| run.is_underway()) {
            return Err(DrillsError::Underway(other.watch.drill.clone()));
        }
        let now = self.clock.now();
        let key = format!("{}-{}", now.nanos() / 1_000_000, drill.name);
        let (begin, undo) = (asks::begin(&drill, &key, now)?, asks::end(&drill, &key, now)?);
        if chaos::is_experiment(&drill.spec.via) {
            let (experiments, drill, key) = (self.experiments.clone(), drill.clone(), key.clone());
            let shell = tokio::task::spawn_blocking(move || experiments.shell(&drill, &key));
            shell.await?.map_err(DrillsError::Refused)?;
        }
        for ask in begin.iter().chain(&undo) {
            self.asker.check(ask).map_err(DrillsError::Asked)?;
        }
        let mut watch = Watch::new(&key, &drill.name, &by, &dose, bad);
        // One that was just made is planned.
        let _ = watch.arm(now);
        let run = DrillRun {
            number: 0,
            watch,
            spec: drill.spec,
            planned: now,
            latest: now.plus(dose.lasts).plus(AROUND),
            undo,
            usual,
            bad_before: bad,
            measured: None,
        };
        let run = self.on_disk(move |changes| changes.begin_drill(run, now)).await?;
        self.carry_out(&key);
        Ok(run)
    }

    /// Ends the run called `key` for `who`; the run as it is then. `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`DrillsError`]; nothing was changed then.
    pub(crate) async fn end(
        &self,
        key: &str,
        who: String,
    ) -> Result<Option<DrillRun>, DrillsError> {
        let (key, now) = (key.to_owned(), self.clock.now());
        let ended = self.on_disk(move |changes| {
            let asked = Stop::Asked { who: who.clone() };
            changes.move_drill(&key, (&who, now), |watch| watch.stop(asked, now))
        });
        let ended = ended.await?;
        self.news.send_modify(|news| *news += 1);
        Ok(ended.map(|(run, ())| run))
    }

    /// A run as it was last looked at.
    pub(crate) fn live(&self, mut run: DrillRun) -> DrillRun {
        if let Some(watch) = self.lock_live().get(run.key())
            && std::mem::discriminant(&watch.state) == std::mem::discriminant(&run.watch.state)
        {
            run.watch.clone_from(watch);
        }
        run
    }

    /// What callers of `service` are to send with their requests at the moment, and until when.
    ///
    /// # Errors
    ///
    /// [`DrillsError`].
    pub(crate) async fn headers(&self, service: &str) -> Result<Value, DrillsError> {
        let running: Vec<String> = {
            let live = self.lock_live();
            let is_there = |of: &&Watch| matches!(of.state, WatchState::Running { .. });
            live.values().filter(is_there).map(|of| of.key.clone()).collect()
        };
        let mut found = None;
        for key in running {
            let run = self.on_disk(move |changes| changes.drill_run(&key)).await?;
            found = found.or(run.filter(|run| {
                let is_there = matches!(run.watch.state, WatchState::Running { .. });
                let by_headers = matches!(run.spec.via, DrillVia::EnvoyHeaders {});
                is_there && by_headers && run.spec.service == service
            }));
        }
        let drill = found.as_ref().map(|run| (run.drill(), run.key()));
        let injection = drill.as_ref().map(|(drill, key)| asks::injection(drill, key));
        Ok(envoy::lease(injection.as_ref(), self.clock.now())?)
    }

    /// Has `work` done with what is kept, on a thread that may wait.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Changes) -> Result<T, ChangesError> + Send + 'static,
    ) -> Result<T, DrillsError> {
        let changes = self.changes.clone();
        Ok(tokio::task::spawn_blocking(move || work(&changes)).await??)
    }

    fn lock_live(&self) -> MutexGuard<'_, BTreeMap<String, Watch>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_of(length: Duration) -> Wait {
    Wait::from_nanos(length.nanos().unsigned_abs())
}

/// The time before `now` over which it is found what is usual.
pub(crate) fn before(now: Timestamp) -> Timestamp {
    now.minus(counts::USUAL_OVER)
}
