//! Alerts leave the server: notices are taken from the evaluator's desk, sent, and settled.
//!
//! Nothing is decided here. A notice comes from [`Evaluator::begin_notices`], by when it is on disk that it
//! is on its way; what came of it goes back by [`Evaluator::settle_notice`]. Each target has a few requests
//! of its own at a time, so one that does not answer holds no other up.
//!
//! [`Evaluator::begin_notices`]: crate::evaluator::Evaluator::begin_notices
//! [`Evaluator::settle_notice`]: crate::evaluator::Evaluator::settle_notice

mod channel;
pub(crate) mod post;
mod received;
mod refresh;
pub(crate) mod secrets;
mod smtp;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as Wait;

use flyball_connect::notify::Sender;
use flyball_govern::alert::{Notice, Outcome, ROUTES_MAX};
use flyball_model::AlertTarget;
use tokio::sync::RwLock;

use crate::clock::Clock;
use crate::evaluator;
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;
pub(crate) use received::Received;
use secrets::Secrets;

/// Notices that are on their way to one target at a time.
const EACH_MAX: usize = 4;
/// Notices that are on their way at a time: what all targets may have.
const AT_ONCE_MAX: usize = EACH_MAX * ROUTES_MAX;
/// How long nothing is looked for when nobody says that there is something: clocks can be set, and
/// silences end by themselves.
const LOOK: Wait = Wait::from_secs(1);
/// What is said when the server ends and a target has not answered; it is told again by the next start, which says that
/// it may be a repetition.
const UNANSWERED: &str = "some targets did not answer in time; they are told again after the start";

/// What is needed to tell targets.
#[derive(Debug, Clone)]
struct Context {
    evaluator: evaluator::Handle,
    clock: Clock,
    telemetry: Arc<Telemetry>,
    secrets: Secrets,
    /// The address under which people reach this server, without a slash at its end.
    origin: Arc<str>,
}

/// Everything that sends.
#[derive(Debug, Clone)]
struct Telling {
    context: Context,
    client: reqwest::Client,
    tasks: Tasks,
    /// Held by whoever tells a target of a step, alone by whoever tells it again of all that fires: an old
    /// word must not come behind a newer one.
    order: Order,
}

/// A lock for each target.
type Order = Arc<Mutex<HashMap<String, Arc<RwLock<()>>>>>;

/// What came of an attempt, with the reason in one word for counters.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) reason: &'static str,
    /// The status of the answer, where there was one.
    pub(crate) status: Option<u16>,
}

impl Told {
    pub(crate) fn later(reason: &'static str, problem: impl Into<String>) -> Self {
        let outcome = Outcome::Later { problem: problem.into(), after: None };
        Self { outcome, reason, status: None }
    }

    pub(crate) fn refused(reason: &'static str, problem: impl Into<String>) -> Self {
        Self { outcome: Outcome::Refused { problem: problem.into() }, reason, status: None }
    }

    pub(crate) const fn delivered(reason: &'static str) -> Self {
        Self { outcome: Outcome::Delivered, reason, status: None }
    }

    /// The outcome in one word.
    pub(crate) const fn name(&self) -> &'static str {
        match &self.outcome {
            Outcome::Delivered => "delivered",
            Outcome::Later { .. } => "failed",
            Outcome::Refused { .. } => "refused",
        }
    }
}

/// Sends notices from now on, with links to this server as people reach it at `origin`, which has no slash at
/// its end. Files of secrets are those in the directory `secrets`.
///
/// # Errors
///
/// A client that cannot be made.
pub(crate) fn start(
    evaluator: &evaluator::Handle,
    clock: &Clock,
    telemetry: Arc<Telemetry>,
    secrets: Option<PathBuf>,
    origin: Arc<str>,
) -> Result<Tasks, reqwest::Error> {
    let (evaluator, clock) = (evaluator.clone(), clock.clone());
    let context = Context { evaluator, clock, telemetry, secrets: Secrets::new(secrets), origin };
    let tasks = Tasks::asking(UNANSWERED);
    let telling =
        Telling { context, client: post::client()?, tasks: tasks.clone(), order: Order::default() };
    tasks.spawn(telling.clone().run());
    tasks.spawn(refresh::run(telling));
    Ok(tasks)
}

impl Telling {
    /// Sends what is due until the server goes down.
    async fn run(self) {
        while !self.tasks.stopped().is_cancelled() {
            let asked = self
                .context
                .evaluator
                .ask(|evaluator| evaluator.begin_notices(AT_ONCE_MAX, EACH_MAX));
            // Not given up halfway: what is handed over has to be settled.
            let Ok(begun) = asked.await else { return };
            for notice in begun.notices {
                let mut targets = begun.catalog.set.alert_targets.iter();
                let target = targets.find(|target| target.name == notice.target).cloned();
                self.tasks.spawn(self.clone().deliver(target, notice));
            }
            let now = self.context.clock.now();
            let next = begun.next.filter(|next| *next > now).map_or(LOOK, |next| {
                Wait::from_nanos(next.since(now).nanos().unsigned_abs()).min(LOOK)
            });
            tokio::select! {
                () = self.tasks.stopped().cancelled() => return,
                () = self.context.evaluator.due().notified() => {}
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    /// Makes one attempt, and has kept what came of it.
    async fn deliver(self, target: Option<AlertTarget>, notice: Notice) {
        let told = match &target {
            Some(target) => {
                let lock = self.lock(&target.name);
                let _in_order = lock.read().await;
                let (telling, target, notice) = (self.clone(), target.clone(), notice.clone());
                // By itself, so that a bug in it does not leave the notice on its way for ever.
                let told =
                    tokio::spawn(async move { channel::tell(&telling, &target, &notice).await });
                told.await.unwrap_or_else(|_| Told::later("bug", "a bug was met in telling it"))
            }
            // It went between being taken and being sent, and with it all that waited.
            None => Told::later("no_target", "the target is configured no more"),
        };
        self.context.telemetry.notified(&notice.target, told.name(), told.reason);
        match &told.outcome {
            Outcome::Delivered => {}
            Outcome::Later { problem, .. } | Outcome::Refused { problem } => {
                let outcome = told.name();
                tracing::warn!(
                    alert_target = notice.target,
                    notice = notice.id,
                    outcome,
                    problem,
                    "not told"
                );
            }
        }
        let id = notice.id;
        // When the evaluator has ended, the next start sends it again.
        let _ = self.context.evaluator.ask(move |it| it.settle_notice(id, told.outcome)).await;
    }

    /// Who sends, at this moment.
    fn sender(&self) -> Sender<'_> {
        Sender { origin: &self.context.origin, now: self.context.clock.now() }
    }

    fn lock(&self, target: &str) -> Arc<RwLock<()>> {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(order.entry(target.to_owned()).or_default())
    }
}
