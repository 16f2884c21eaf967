//! One run, carried out: step by step until the fault is gone and it is known what it came to.
//!
//! The record is read before each step and written before what follows from it is done. What was asked for at the same time
//! by somebody else is in it then.

use flyball_connect::drill::envoy;
use flyball_connect::drill::guard::Charge;
use flyball_govern::SERVER;
use flyball_govern::drill::{DrillVia, LOOK_EVERY, Looked, Stop, Watch, WatchAct, WatchState};
use flyball_model::{Duration, Incident, Timestamp};
use flyball_store::Ledger;

use super::counts::counted;
use super::guarding::{Guarding, Known};
use super::{Drills, DrillsError, asks, chaos, wait_of};
use crate::changes::DrillRun;

/// Who carries out one run.
pub(super) struct Carrying {
    drills: Drills,
    key: String,
    guard: Option<Guarding>,
    /// The open incident that is none of the drill's, as of this version of what is known.
    incident: (u64, Option<String>),
    /// Whether the alerts of what it spends are silent until the end is known.
    is_quiet: bool,
    /// Whether they are silent for what fires because of it alone.
    is_calm: bool,
    /// Up to when everything was counted when it was last looked what it came to.
    settled: Option<Timestamp>,
}

/// What a look sees, and what is to be done then.
enum Step {
    /// To be looked at again after a while.
    Later,
    /// To be looked at again at once.
    Now,
    /// Nothing is left to be done.
    Over,
}

impl Carrying {
    pub(super) fn new(drills: Drills, key: String) -> Self {
        let incident = (u64::MAX, None);
        Self { drills, key, guard: None, incident, is_quiet: false, is_calm: false, settled: None }
    }

    /// Goes on until nothing is left to be done, or the server goes down and the fault is gone.
    pub(super) async fn run(mut self) {
        let mut news = self.drills.news.subscribe();
        let mut is_going_down = false;
        loop {
            let step = match self.step(is_going_down).await {
                Ok(step) => step,
                Err(DrillsError::Ended(_)) if self.drills.evaluator.has_ended() => return,
                Err(error) => {
                    let drill = &self.key;
                    tracing::error!(drill, %error, "a drill is not looked after; it is tried again");
                    Step::Later
                }
            };
            match step {
                Step::Over => break,
                Step::Now => continue,
                Step::Later => {}
            }
            let guard = async {
                match &mut self.guard {
                    Some(guard) => guard.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.drills.tasks.stopped().cancelled(), if !is_going_down => is_going_down = true,
                _ = news.changed() => {}
                () = guard => {}
                () = tokio::time::sleep(wait_of(LOOK_EVERY)) => {}
            }
        }
        self.drills.lock_live().remove(&self.key);
    }

    /// Looks once, and does what follows.
    async fn step(&mut self, is_going_down: bool) -> Result<Step, DrillsError> {
        let key = self.key.clone();
        let Some(run) = self.drills.on_disk(move |it| it.drill_run(&key)).await? else {
            return Ok(Step::Over);
        };
        if is_going_down
            && run.is_underway()
            && !matches!(run.watch.state, WatchState::Stopping { .. })
        {
            let who = SERVER.to_owned();
            self.change(move |watch, now| watch.stop(Stop::Asked { who }, now)).await?;
            return Ok(Step::Now);
        }
        match run.watch.state {
            WatchState::Ended { .. } => self.finish(&run, is_going_down).await,
            WatchState::Planned | WatchState::Arming { .. } => self.arm(run).await,
            WatchState::Injecting { .. }
            | WatchState::Running { .. }
            | WatchState::Stopping { .. } => self.look(run).await,
        }
    }

    /// Has a guard know what to do, and alerts silenced, before anything is broken.
    async fn arm(&mut self, run: DrillRun) -> Result<Step, DrillsError> {
        let needs_guard = !run.spec.via.expires();
        if needs_guard && self.guard.is_none() {
            match self.start_guard(&run) {
                Ok(guard) => self.guard = Some(guard),
                Err(problem) => {
                    tracing::error!(drill = self.key, problem, "a guard cannot be started");
                    self.change(|watch, now| watch.stop(Stop::GuardLost, now)).await?;
                    return Ok(Step::Now);
                }
            }
        }
        let known = self.guard.as_ref().map(Guarding::look);
        if known == Some(Known::Gone) {
            self.change(|watch, now| watch.stop(Stop::GuardLost, now)).await?;
            return Ok(Step::Now);
        }
        if needs_guard && known != Some(Known::Armed) {
            let seen = self.nothing_seen(&run);
            self.change(move |watch, _| _ = watch.look(&seen)).await?;
            return Ok(Step::Later);
        }
        if let Err(problem) = self.quieten(&run).await? {
            self.change(move |watch, now| watch.stop(Stop::Driver { problem }, now)).await?;
            return Ok(Step::Now);
        }
        // One that was stopped meanwhile stays so.
        self.change(|watch, now| _ = watch.armed(now)).await?;
        Ok(Step::Now)
    }

    /// The guard of a run, charged; of an experiment the shell that runs it.
    fn start_guard(&self, run: &DrillRun) -> Result<Guarding, String> {
        let started = if chaos::is_experiment(&run.spec.via) {
            let shell = self.drills.experiments.shell(&run.drill(), &self.key)?;
            Guarding::start(&shell, String::new())
        } else {
            let program = self.drills.guard.as_ref().ok_or("the server has none")?;
            let charge = Charge { asks: run.undo.clone(), latest: run.latest };
            Guarding::start(program, charge.line())
        };
        started.map_err(|error| error.to_string())
    }

    /// Looks at what is counted, and does what follows.
    async fn look(&mut self, run: DrillRun) -> Result<Step, DrillsError> {
        let is_experiment = chaos::is_experiment(&run.spec.via);
        let is_over =
            is_experiment && self.guard.as_ref().is_some_and(|of| of.look() == Known::Gone);
        if is_over && matches!(run.watch.state, WatchState::Running { .. }) {
            // The experiment came to its own end.
            self.change(|watch, now| watch.stop(Stop::TimeUp, now)).await?;
            return Ok(Step::Now);
        }
        let seen = self.seen(&run).await?;
        let (run, act) = {
            let mut next = run.watch.clone();
            let act = next.look(&seen);
            if std::mem::discriminant(&next.state) == std::mem::discriminant(&run.watch.state) {
                self.drills.lock_live().insert(self.key.clone(), next);
                (run, act)
            } else {
                match self.change(move |watch, _| watch.look(&seen)).await? {
                    Some(moved) => moved,
                    None => return Ok(Step::Over),
                }
            }
        };
        match act {
            WatchAct::Inject => self.inject(&run).await,
            WatchAct::Undo => self.undo(&run).await,
            WatchAct::Done => Ok(Step::Now),
            WatchAct::Wait => {
                self.renew(&run).await;
                Ok(Step::Later)
            }
        }
    }

    async fn inject(&mut self, run: &DrillRun) -> Result<Step, DrillsError> {
        // What is broken is so from when it was asked for at the earliest.
        let at = self.drills.clock.now();
        if let (true, Some(guard)) = (chaos::is_experiment(&run.spec.via), &self.guard) {
            guard.say(chaos::BEGIN);
        }
        let asked = match asks::begin(&run.drill(), &self.key, at) {
            Ok(Some(ask)) => self.drills.asker.ask(&ask).await.map(drop),
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        match asked {
            Ok(()) => {
                self.change(move |watch, _| _ = watch.injected(at)).await?;
                Ok(Step::Later)
            }
            Err(problem) => {
                tracing::warn!(drill = self.key, problem, "the fault could not be injected");
                self.change(move |watch, now| watch.failed(&problem, now)).await?;
                Ok(Step::Now)
            }
        }
    }

    /// Has whoever holds the fault for a while hold it for longer.
    async fn renew(&self, run: &DrillRun) {
        if !matches!(run.spec.via, DrillVia::Webhook(_)) {
            return;
        }
        let at = self.drills.clock.now();
        if let Ok(Some(ask)) = asks::begin(&run.drill(), &self.key, at)
            && let Err(problem) = self.drills.asker.ask(&ask).await
        {
            // It is asked again at the next look, or ends the fault itself.
            tracing::warn!(drill = self.key, problem, "the fault could not be renewed");
        }
    }

    async fn undo(&mut self, run: &DrillRun) -> Result<Step, DrillsError> {
        let now = self.drills.clock.now();
        let mut asked = Ok(());
        if chaos::is_experiment(&run.spec.via) {
            if let Some(guard) = &self.guard {
                guard.say(chaos::END);
                if guard.look() != Known::Gone {
                    return Ok(Step::Later);
                }
            }
            let (experiments, key) = (self.drills.experiments.clone(), self.key.clone());
            asked = tokio::task::spawn_blocking(move || experiments.is_whole(&key)).await?;
        }
        for ask in &run.undo {
            asked = asked.and(self.drills.asker.ask(ask).await.map(drop));
        }
        if let (DrillVia::EnvoyHeaders {}, WatchState::Stopping { since, .. }) =
            (&run.spec.via, &run.watch.state)
            && now.since(*since) < envoy::LEASE
        {
            // Callers may send what they were told until then.
            return Ok(Step::Later);
        }
        match asked {
            Ok(()) => {
                self.change(|watch, now| _ = watch.undone(now)).await?;
                Ok(Step::Now)
            }
            Err(problem) => {
                tracing::error!(
                    drill = self.key,
                    problem,
                    "the fault is not taken away; it is tried again"
                );
                self.change(move |watch, now| watch.failed(&problem, now)).await?;
                Ok(Step::Later)
            }
        }
    }

    /// The fault is gone: the guard leaves, alerts call again, and it is found what it came to.
    async fn finish(&mut self, run: &DrillRun, is_going_down: bool) -> Result<Step, DrillsError> {
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
        if !self.is_calm {
            let (ended, now) = (run.clone(), self.drills.clock.now());
            let quieten = self.drills.evaluator.ask(move |it| it.quieten(&ended, now));
            if let Err(error) = quieten.await? {
                tracing::error!(drill = self.key, %error, "its alerts stay silent for longer; it is tried again");
                return Ok(if is_going_down { Step::Over } else { Step::Later });
            }
            self.is_calm = true;
        }
        if run.is_settled() || is_going_down {
            return Ok(Step::Over);
        }
        let complete = self.drills.evaluator.ask(|it| it.complete()).await?;
        if self.settled.replace(complete) == Some(complete) {
            return Ok(Step::Later);
        }
        Ok(if self.drills.settle(run).await? { Step::Over } else { Step::Later })
    }

    /// Silences what the drill spends; why it cannot be otherwise.
    async fn quieten(&mut self, run: &DrillRun) -> Result<Result<(), String>, DrillsError> {
        if self.is_quiet {
            return Ok(Ok(()));
        }
        let (run, now) = (run.clone(), self.drills.clock.now());
        let done = self.drills.evaluator.ask(move |it| it.quieten(&run, now)).await?;
        self.is_quiet = done.is_ok();
        Ok(done.map_err(|error| format!("its alerts cannot be silenced: {error}")))
    }

    /// What is seen before anything is broken.
    fn nothing_seen(&self, run: &DrillRun) -> Looked {
        Looked {
            now: self.drills.clock.now(),
            burned: None,
            complete_up_to: run.planned,
            late: Duration::ZERO,
            counted: None,
            bad: None,
            incident: None,
            is_guarded: true,
        }
    }

    async fn seen(&mut self, run: &DrillRun) -> Result<Looked, DrillsError> {
        let Some(began) = run.began() else { return Ok(self.nothing_seen(run)) };
        let slo = run.spec.slo.clone();
        let mut found = counted(&self.drills.evaluator, vec![slo.clone()], began).await?;
        let found = found.remove(&slo).unwrap_or_default();
        let from = began.floor(Ledger::SLOT_WIDTH);
        let up_to = found.up_to().map_or(began, |up_to| up_to.max(began));
        let (complete, all) = (found.between(from, up_to), found.since(from));
        let is_guarded = match &self.guard {
            Some(guard) => guard.look() == Known::Armed,
            None => run.spec.via.expires(),
        };
        Ok(Looked {
            now: self.drills.clock.now(),
            burned: run.past_usual(complete),
            complete_up_to: up_to,
            late: found.late,
            counted: run.past_usual(all),
            bad: (!all.is_empty()).then(|| run.bad_before.saturating_add(all.bad())),
            incident: self.incident(run).await?,
            is_guarded,
        })
    }

    /// An open incident of the service or of one that depends on it, which nobody has put down to the drill.
    async fn incident(&mut self, run: &DrillRun) -> Result<Option<String>, DrillsError> {
        let version = self.drills.changes.version();
        if self.incident.0 == version {
            return Ok(self.incident.1.clone());
        }
        let (service, own) = (run.spec.service.clone(), run.change_id());
        let asked = service.clone();
        let dependants = self.drills.evaluator.ask(move |it| {
            let dependants = it.catalog().governance.dependants(&asked);
            dependants.map(str::to_owned).collect::<Vec<_>>()
        });
        let services: Vec<String> = dependants.await?.into_iter().chain([service]).collect();
        let found = self.drills.on_disk(move |changes| {
            let is_other = |of: &Incident| of.cause.as_deref() != Some(&own);
            for service in &services {
                let lasting = changes.lasting(service)?;
                if let Some(found) = lasting.into_iter().find(is_other) {
                    return Ok(Some(found.id));
                }
            }
            Ok(None)
        });
        let found = found.await?;
        self.incident = (version, found.clone());
        Ok(found)
    }

    /// Has `work` done to the watch, and kept.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Watch, Timestamp) -> T + Send + 'static,
    ) -> Result<Option<(DrillRun, T)>, DrillsError> {
        let (key, now) = (self.key.clone(), self.drills.clock.now());
        let moved = self.drills.on_disk(move |changes| {
            changes.move_drill(&key, (SERVER, now), |watch| work(watch, now))
        });
        let moved = moved.await?;
        if let Some((run, _)) = &moved {
            self.drills.lock_live().insert(self.key.clone(), run.watch.clone());
        }
        Ok(moved)
    }
}
