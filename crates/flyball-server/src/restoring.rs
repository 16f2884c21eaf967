//! Changes that regressed are undone: by a hook, or by a flag that is switched off.
//!
//! `flyball-govern` says which action does what is suggested; here it is planned, and carried out where its
//! document says so or a person asks. What is to be done is on disk before anybody is asked, under a key that
//! stays the same, so that a crash leads to the same request again and never to another. Nothing is done
//! automatically for a change that was told of late, that restored something itself, or that anything was done
//! about; what was is a ticket for working hours.

mod flags;
mod plan;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as Wait;

use flyball_catalog::Catalog;
use flyball_connect::notify::Secret;
use flyball_connect::restore::{hook_request, unleash_address, unleash_request};
use flyball_govern::SERVER;
use flyball_govern::alert::{Outcome, Restored};
use flyball_govern::restore::{Plan, RETRY, RestoreState, Restoring, is_restore, suggested};
use flyball_govern::verdict::Answer;
use flyball_model::{Address, RestoreAction, RestoreVia, Timestamp};

use crate::alerts::secrets::Secrets;
use crate::alerts::{Told, post};
use crate::changes::{Attempted, Changes, ChangesError, Kept};
use crate::clock::Clock;
use crate::evaluator::{self, Ended};
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;
use flags::{FlagFiles, FlagsError, Switch};
pub(crate) use plan::Asked;

/// How long nothing is looked for while something waits to be tried again: clocks can be set.
const LOOK: Wait = Wait::from_secs(1);
/// How long nothing is looked for while all that waits are tickets for working hours.
const LOOK_FOR_HOURS: Wait = Wait::from_secs(10);
/// How long to wait until what could not be read or kept is tried again.
const AGAIN: Wait = Wait::from_secs(5);
/// How long whoever asks waits for what comes of it; the rest of it is told when they ask again.
const ANSWER_MAX: Wait = Wait::from_secs(12);
/// What is said when the server ends and a hook has not answered.
const UNANSWERED: &str = "some hooks did not answer in time; they are asked again after the start";
/// Accepted, and not done yet: RFC 9110, section 15.3.3.
const ACCEPTED: u16 = 202;

/// Why a change is not restored, for reasons of the server's own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoringError {
    /// The server goes down.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// It cannot be kept.
    #[error(transparent)]
    Changes(#[from] ChangesError),
    /// What it would follow up with cannot be kept.
    #[error(transparent)]
    Store(#[from] flyball_store::StoreError),
    /// A bug.
    #[error("the server gave up: {0}")]
    GivenUp(#[from] tokio::task::JoinError),
}

/// What restoring takes; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Restorer {
    changes: Changes,
    evaluator: evaluator::Handle,
    clock: Clock,
    telemetry: Arc<Telemetry>,
    secrets: Secrets,
    flags: FlagFiles,
    /// The address under which people reach this server.
    origin: Arc<str>,
    client: reqwest::Client,
    /// The keys of what is being done.
    busy: Arc<Mutex<HashSet<String>>>,
}

impl Restorer {
    /// Of these changes, as the documents in force say: with the directories of secrets and of flag files, and the
    /// address under which people reach this server.
    ///
    /// # Errors
    ///
    /// A client that cannot be made.
    pub(crate) fn new(
        changes: &Changes,
        evaluator: &evaluator::Handle,
        (clock, telemetry): (&Clock, &Arc<Telemetry>),
        (secrets, flags, origin): (Option<PathBuf>, Option<PathBuf>, Arc<str>),
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            changes: changes.clone(),
            evaluator: evaluator.clone(),
            clock: clock.clone(),
            telemetry: Arc::clone(telemetry),
            secrets: Secrets::new(secrets),
            flags: FlagFiles::new(flags),
            origin,
            client: post::client()?,
            busy: Arc::default(),
        })
    }

    /// Restores from now on.
    pub(crate) fn start(self) -> Tasks {
        let tasks = Tasks::asking(UNANSWERED);
        tasks.spawn(self.run(tasks.clone()));
        tasks
    }

    /// Looks at changes that regressed until the server goes down.
    async fn run(self, tasks: Tasks) {
        let mut news = self.changes.restorable();
        while !tasks.stopped().is_cancelled() {
            let again = match self.look(&tasks).await {
                Ok(again) => again,
                Err(RestoringError::Ended(_)) if self.evaluator.has_ended() => return,
                Err(error) => {
                    tracing::error!(%error, "changes are not restored; it is tried again");
                    Some(AGAIN)
                }
            };
            tokio::select! {
                () = tasks.stopped().cancelled() => return,
                _ = news.changed() => {}
                () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
            }
        }
    }

    /// Looks at all changes that are answered for; how soon to look again, where something waits.
    async fn look(&self, tasks: &Tasks) -> Result<Option<Wait>, RestoringError> {
        let now = self.clock.now();
        let changes = self.changes.clone();
        let all = tokio::task::spawn_blocking(move || changes.answered_for(now)).await??;
        let catalog = self.evaluator.ask(|it| Arc::clone(it.catalog())).await?;
        let (mut waits, mut is_for_hours) = (false, false);
        for kept in all {
            // The others are looked at all the same.
            let tell = |error: RestoringError| match error {
                RestoringError::Ended(_) => Err(error),
                error => {
                    let id = &kept.change.id;
                    tracing::error!(id, %error, "a change is not restored; it is tried again");
                    Ok(true)
                }
            };
            waits |= self.propose(&kept, &catalog, now).await.map(|()| false).or_else(tell)?;
            for restoring in &kept.restores {
                if restoring.is_owed && !is_staffed(&catalog, &kept.change.service, now) {
                    is_for_hours = true;
                } else if restoring.is_owed {
                    let told = self.follow_up(&kept, restoring, now).await;
                    waits |= told.map(|()| false).or_else(tell)?;
                }
                if restoring.state != RestoreState::Begun {
                    continue;
                }
                waits = true;
                let is_due = restoring.next.is_none_or(|next| next <= now);
                if is_due && self.lock_busy().insert(restoring.key.clone()) {
                    tasks.spawn(self.clone().carry_out(kept.clone(), restoring.clone()));
                }
            }
        }
        Ok(if waits { Some(LOOK) } else { is_for_hours.then_some(LOOK_FOR_HOURS) })
    }

    /// Plans what is suggested for a change that regressed, and begins it where its document says so.
    async fn propose(
        &self,
        kept: &Kept,
        catalog: &Catalog,
        now: Timestamp,
    ) -> Result<(), RestoringError> {
        let others = self.changes.recent().get();
        let suggestion = kept.suggestion(&others, now).filter(|_| !is_restore(&kept.change));
        let was_tried = kept.restores.iter().any(|it| it.state != RestoreState::Planned);
        let Some(suggestion) = suggestion.filter(|_| !was_tried) else { return Ok(()) };
        let found = suggested(&catalog.set.restore_actions, &kept.change, &suggestion);
        let is_automatic = |action: &&&RestoreAction| action.automatic && !action.dry_run;
        let Some(action) = found.iter().find(is_automatic).or(found.first()) else {
            return Ok(());
        };
        // What is known late meets somebody who is mending it already.
        let decided = kept.verdict.as_ref().and_then(|verdict| verdict.decided);
        let is_news = decided.is_some_and(|decided| now.since(decided) <= RETRY.age_max);
        // What others say they depend on may be said by anybody.
        let objectives = kept.verdict.iter().flat_map(|verdict| &verdict.objectives);
        let is_own = objectives
            .into_iter()
            .any(|of| of.dependant.is_none() && of.answer == Answer::Regressed);
        let is_begun = is_automatic(&action) && is_news && is_own;
        let asked = Asked { by: SERVER.to_owned(), role: None, slice: None, is_begun };
        let wanted = self.plan(kept, action, asked, now).await;
        let is_known = kept.restores.iter().any(|known| known.key == wanted.key);
        if !is_known || wanted.state == RestoreState::Begun {
            self.keep(&kept.change.id, wanted, now).await?;
        }
        Ok(())
    }

    /// Keeps what is `wanted` for the change called `id`; see [`Changes::restore`].
    pub(crate) async fn keep(
        &self,
        id: &str,
        wanted: Restoring,
        now: Timestamp,
    ) -> Result<Option<Restoring>, RestoringError> {
        let (changes, id) = (self.changes.clone(), id.to_owned());
        let kept = tokio::task::spawn_blocking(move || changes.restore(&id, wanted, now));
        Ok(kept.await??)
    }

    /// Waits for what comes of what was begun under `key` for the change called `id`, for a while; as it is then.
    pub(crate) async fn awaited(
        &self,
        id: &str,
        begun: Restoring,
    ) -> Result<Restoring, RestoringError> {
        let mut news = self.changes.restorable();
        let key = begun.key.clone();
        let mut last = begun;
        let look = async {
            while last.state == RestoreState::Begun {
                let (changes, id) = (self.changes.clone(), id.to_owned());
                let read = tokio::task::spawn_blocking(move || changes.restores_of(&id)).await??;
                let found = read.into_iter().find(|it| it.key == key);
                last = found.unwrap_or_else(|| last.clone());
                if last.state == RestoreState::Begun && news.changed().await.is_err() {
                    break;
                }
            }
            Ok::<_, RestoringError>(())
        };
        // When it takes longer, what is known is told.
        if let Ok(ended) = tokio::time::timeout(ANSWER_MAX, look).await {
            ended?;
        }
        Ok(last)
    }

    /// Makes one attempt, and has kept what came of it.
    async fn carry_out(self, kept: Kept, restoring: Restoring) {
        let (id, key) = (kept.change.id.clone(), restoring.key.clone());
        let now = self.clock.now();
        // An attempt may have ended since the changes were read.
        let (changes, of) = (self.changes.clone(), id.clone());
        let read = tokio::task::spawn_blocking(move || changes.restores_of(&of)).await;
        let known = read.ok().and_then(Result::ok).unwrap_or_default();
        let known = known.into_iter().find(|it| it.key == key && it.state == RestoreState::Begun);
        let Some(restoring) = known else {
            self.lock_busy().remove(&key);
            return;
        };
        let others = self.changes.recent().get();
        let is_over = restoring.automatic && kept.suggestion(&others, now).is_none();
        let done = if is_over {
            let (changes, id, key) = (self.changes.clone(), id.clone(), key.clone());
            tokio::task::spawn_blocking(move || changes.call_off_restore(&id, &key, now)).await
        } else {
            let (doing, asked) = (self.clone(), restoring.clone());
            // By itself, so that a bug in it does not leave it begun for ever.
            let told = if now.since(restoring.at) > RETRY.age_max {
                // By now something else may run there.
                let said = "it was begun too long ago; hint: ask again, if it is still to be done";
                Told::refused("too_late", said)
            } else {
                let told = tokio::spawn(async move { doing.attempt(&asked).await }).await;
                told.unwrap_or_else(|_| Told::later("bug", "a bug was met in restoring"))
            };
            let counted = format!("restore {}", restoring.action);
            self.telemetry.notified(&counted, told.name(), told.reason);
            let is_underway = told.status == Some(ACCEPTED);
            let attempted = Attempted { outcome: told.outcome, is_underway };
            if let Outcome::Later { problem, .. } | Outcome::Refused { problem } =
                &attempted.outcome
            {
                tracing::warn!(id, action = restoring.action, problem, "not restored");
            }
            let (changes, id, key) = (self.changes.clone(), id.clone(), key.clone());
            let now = self.clock.now();
            let keep = move || changes.settle_restore(&id, &key, attempted, now);
            tokio::task::spawn_blocking(keep).await
        };
        let failed = match done {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = failed {
            // It is begun still, and is done again under its key, not at once.
            tracing::error!(id, error, "what came of restoring is not kept");
            tokio::time::sleep(AGAIN).await;
        }
        self.lock_busy().remove(&key);
    }

    /// Does it, or has it done, once.
    async fn attempt(&self, restoring: &Restoring) -> Told {
        let name = restoring.action.clone();
        let action = self.evaluator.ask(move |it| {
            let mut actions = it.catalog().set.restore_actions.iter();
            actions.find(|action| action.name == name).cloned()
        });
        let Ok(action) = action.await else {
            return Told::later("ended", "the server goes down");
        };
        let Some(action) = action.filter(|action| !action.dry_run) else {
            let said = "the action is configured no more, or is only a dry run now";
            return Told::refused("no_action", said);
        };
        match action.via {
            RestoreVia::Hook { purpose, url, secret } => {
                let Some(Plan::Request { body, .. }) = &restoring.plan else {
                    return Told::refused("no_plan", "it was planned as something else");
                };
                let read = self.secret(move |secrets| {
                    let url = match url {
                        Address::Plain(url) => Secret::new(&url),
                        Address::Secret(reference) => secrets.read(&reference)?,
                    };
                    Ok((url, secrets.read(&secret)?))
                });
                let (url, secret) = match read.await {
                    Ok(read) => read,
                    Err(problem) => return Told::later("secret", problem),
                };
                let now = self.clock.now();
                let request = hook_request((&url, &secret), purpose, &restoring.key, body, now);
                post::send(&self.client, &request, &self.clock).await
            }
            RestoreVia::Flagd { file, off, .. } => {
                let Some(flag) = restoring.flag.clone() else {
                    return Told::refused("no_flag", "nobody says which flag it is");
                };
                let (flags, switch) = (self.flags.clone(), Switch { file, flag, off });
                let done = tokio::task::spawn_blocking(move || flags.switch_off(&switch)).await;
                match done {
                    Ok(Ok(())) => Told::delivered("written"),
                    Ok(Err(FlagsError::Later(problem))) => Told::later("file", problem),
                    Ok(Err(FlagsError::Refused(problem))) => Told::refused("file", problem),
                    Err(_) => Told::later("bug", "the flag file could not be written"),
                }
            }
            RestoreVia::Unleash { url, project, environment, token, .. } => {
                let Some(flag) = &restoring.flag else {
                    return Told::refused("no_flag", "nobody says which flag it is");
                };
                let address = unleash_address(&url, &project, &environment, flag);
                match self.secret(move |secrets| secrets.read(&token)).await {
                    Ok(token) => {
                        let request = unleash_request(&address, &token);
                        post::send(&self.client, &request, &self.clock).await
                    }
                    Err(problem) => Told::later("secret", problem),
                }
            }
        }
    }

    /// What is read of secrets, on a thread that may wait.
    async fn secret<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Secrets) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let secrets = self.secrets.clone();
        let read = tokio::task::spawn_blocking(move || read(&secrets)).await;
        read.unwrap_or_else(|_| Err("the secret could not be read".to_owned()))
    }

    /// Tells those who are told of tickets that it was done, or could not be.
    async fn follow_up(
        &self,
        kept: &Kept,
        restoring: &Restoring,
        now: Timestamp,
    ) -> Result<(), RestoringError> {
        let restored = Restored {
            key: restoring.key.clone(),
            number: kept.number,
            change: kept.change.id.clone(),
            service: kept.change.service.clone(),
            action: restoring.action.clone(),
            does: restoring.does,
            at: restoring.ended.unwrap_or(restoring.at),
            problem: restoring.problem.clone(),
        };
        self.evaluator.ask(move |evaluator| evaluator.restored(&restored)).await??;
        let (changes, id, key) =
            (self.changes.clone(), kept.change.id.clone(), restoring.key.clone());
        let told = move || changes.told_of_restore(&id, &key, now);
        Ok(tokio::task::spawn_blocking(told).await??)
    }

    fn lock_busy(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the team of `service` works now, as far as anybody has said when it does.
fn is_staffed(catalog: &Catalog, service: &str, now: Timestamp) -> bool {
    let service = catalog.governance.service(service);
    let hours = service.and_then(|service| service.spec.working_hours.as_ref());
    hours.and_then(|hours| hours.cover(now, now)).unwrap_or(true)
}
