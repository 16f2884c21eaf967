//! What is done about changes that regressed, as it is kept with them.
//!
//! Each step is one transaction with its audit record; what was done is recorded as a change of its own in the
//! same one. That somebody is being asked is on disk before they are.

use flyball_connect::restore::change_id;
use flyball_govern::SERVER;
use flyball_govern::alert::Outcome;
use flyball_govern::restore::{RESTORE_SYSTEM, RestoreState, Restores, Restoring, is_restore};
use flyball_model::{Change, ChangeClass, ChangeOutcome, ChangeSource, Timestamp};
use flyball_store::Noting;
use serde_json::json;
use tokio::sync::watch;

use super::kept::Kept;
use super::told::{keep, note_change};
use super::{CHANGE, Changes, ChangesError, Sender};
use crate::auth::Caller;

/// What an attempt to restore came to.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) outcome: Outcome,
    /// Whether it has begun and somebody else ends it.
    pub(crate) is_underway: bool,
}

impl Changes {
    /// Tells when a change regressed, or something is done about one.
    pub(crate) fn restorable(&self) -> watch::Receiver<u64> {
        self.restorable.subscribe()
    }

    /// What is done about the change called `id`, as it is kept; nothing where there is no such change.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn restores_of(&self, id: &str) -> Result<Vec<Restoring>, ChangesError> {
        let found = self.control.lock().record(CHANGE, id)?;
        let kept = found.as_ref().map(Kept::read).transpose()?;
        Ok(kept.map(|kept| kept.restores).unwrap_or_default())
    }

    /// Keeps that `wanted` is planned, or begun, for the change called `id`; what is kept of it then. What is being
    /// done or was done under its key stays as it is, and a plan takes the place of nothing but a plan. One that
    /// nobody asked for is not begun where anything was, or once there is nothing to restore; `None` then, and
    /// where there is no such change.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn restore(
        &self,
        id: &str,
        wanted: Restoring,
        now: Timestamp,
    ) -> Result<Option<Restoring>, ChangesError> {
        let others = self.recent.get();
        let actor = wanted.by.clone();
        let kept = self.control.lock().note(&actor, now, |noting| {
            let Some(record) = noting.record(CHANGE, id)? else { return Ok(None) };
            let mut kept = Kept::read(&record)?;
            let is_begun = wanted.state == RestoreState::Begun;
            let was_tried = kept.restores.iter().any(|it| it.state != RestoreState::Planned);
            let is_wanted = || !is_restore(&kept.change) && kept.suggestion(&others, now).is_some();
            if is_begun && wanted.automatic && (was_tried || !is_wanted()) {
                return Ok(None);
            }
            let known = kept.restores.iter().position(|it| it.key == wanted.key);
            let state = known.and_then(|at| Some(kept.restores.get(at)?.state));
            if let (Some(at), Some(RestoreState::Begun | RestoreState::Done)) = (known, state) {
                return Ok(kept.restores.get(at).cloned());
            }
            let takes_place = is_begun || state.is_none_or(|it| it == RestoreState::Planned);
            if takes_place {
                kept.put(known, wanted.clone())?;
            }
            note(noting, &kept, &wanted)?;
            Ok::<_, ChangesError>(Some(wanted))
        })?;
        self.restorable.send_modify(|news| *news += 1);
        Ok(kept)
    }

    /// Keeps what an attempt under `key` came to for the change called `id`. What was done is a change itself.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn settle_restore(
        &self,
        id: &str,
        key: &str,
        attempted: Attempted,
        now: Timestamp,
    ) -> Result<(), ChangesError> {
        let Attempted { outcome, is_underway } = attempted;
        let record = self.control.lock().record(CHANGE, id)?;
        let change = record.as_ref().map(Kept::read).transpose()?.map(|kept| kept.change);
        let to = change.map(|change| self.before(&change)).transpose()?.flatten();
        self.amend(id, key, now, |noting, kept, mut restoring| {
            if restoring.state != RestoreState::Begun {
                return Ok(());
            }
            restoring.settle(outcome, now);
            let is_done = restoring.state == RestoreState::Done;
            let made = is_done
                .then(|| restore_of(&kept.change, &restoring, to.as_ref(), is_underway, now));
            restoring.change = made.as_ref().map(|change| change.id.clone());
            kept.replace(&restoring);
            match restoring.state {
                RestoreState::Begun => keep(noting, kept, None)?,
                _ => note(noting, kept, &restoring)?,
            }
            if let Some(made) = made {
                let sender = Sender { actor: restoring.by, caller: Caller::Anyone };
                note_change(noting, &made, &sender)?;
            }
            Ok(())
        })?;
        self.news.send_modify(|news| *news += 1);
        Ok(())
    }

    /// Keeps that what was begun under `key` is not done, since something else restored the service.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn call_off_restore(
        &self,
        id: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<(), ChangesError> {
        self.amend(id, key, now, |noting, kept, mut restoring| {
            if restoring.state != RestoreState::Begun {
                return Ok(());
            }
            restoring.call_off(now);
            kept.replace(&restoring);
            note(noting, kept, &restoring)
        })
    }

    /// Keeps that whoever is to look at it was told.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn told_of_restore(
        &self,
        id: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<(), ChangesError> {
        self.amend(id, key, now, |noting, kept, restoring| {
            kept.replace(&Restoring { is_owed: false, ..restoring });
            keep(noting, kept, None)
        })
    }

    fn amend(
        &self,
        id: &str,
        key: &str,
        now: Timestamp,
        work: impl FnOnce(&Noting<'_>, &mut Kept, Restoring) -> Result<(), ChangesError>,
    ) -> Result<(), ChangesError> {
        self.control.lock().note(SERVER, now, |noting| {
            let Some(record) = noting.record(CHANGE, id)? else { return Ok(()) };
            let mut kept = Kept::read(&record)?;
            let found = kept.restores.iter().find(|it| it.key == key).cloned();
            found.map_or(Ok(()), |restoring| work(noting, &mut kept, restoring))
        })?;
        self.restorable.send_modify(|news| *news += 1);
        Ok(())
    }
}

impl Kept {
    /// Keeps `wanted` in the place `known`, or as the newest; the oldest plan makes room.
    fn put(&mut self, known: Option<usize>, wanted: Restoring) -> Result<(), ChangesError> {
        let is_full = known.is_none() && self.restores.len() >= Self::RESTORES_MAX;
        let oldest = self.restores.iter().position(|it| it.state == RestoreState::Planned);
        match (known, oldest) {
            (None, None) if is_full => {
                return Err(ChangesError::Restored { id: self.change.id.clone() });
            }
            (Some(at), _) => _ = self.restores.remove(at),
            (None, Some(at)) if is_full => _ = self.restores.remove(at),
            (None, _) => {}
        }
        self.restores.push(wanted);
        Ok(())
    }

    fn replace(&mut self, by: &Restoring) {
        for known in self.restores.iter_mut().filter(|known| known.key == by.key) {
            known.clone_from(by);
        }
    }
}

/// Keeps the change with the audit record of where `restoring` is.
fn note(noting: &Noting<'_>, kept: &Kept, restoring: &Restoring) -> Result<(), ChangesError> {
    let detail = json!({
        "service": kept.change.service,
        "action": restoring.action,
        "does": restoring.does,
        "key": restoring.key,
        "slice": restoring.slice,
        "flag": restoring.flag,
        "role": restoring.role,
        "automatic": restoring.automatic,
        "plan": restoring.plan,
        "problem": restoring.problem,
        "change": restoring.change,
    });
    let action = format!("change.restore.{}", restoring.state.name());
    keep(noting, kept, Some((&action, &detail)))
}

/// The change that it is to have undone `bad`, going back to `to` where that is known.
fn restore_of(
    bad: &Change,
    restoring: &Restoring,
    to: Option<&Change>,
    is_underway: bool,
    now: Timestamp,
) -> Change {
    let (system, delivery) = (RESTORE_SYSTEM.to_owned(), restoring.key.clone());
    let outcome = if is_underway { ChangeOutcome::Underway } else { ChangeOutcome::Succeeded };
    let to = to.filter(|_| restoring.does == Restores::RollBack);
    let mut change = Change::new(
        change_id(&restoring.key),
        bad.service.clone(),
        restoring.does.change_kind(),
        outcome,
        now,
        ChangeSource { system, delivery },
    );
    change.class = ChangeClass::Fix;
    change.planned = Some(false);
    change.environment.clone_from(&bad.environment);
    change.version = to.and_then(|to| to.version.clone());
    change.revision = to.and_then(|to| to.revision.clone());
    change.actor = Some(restoring.by.clone());
    change.summary = Some(format!("by the restore action {}", restoring.action));
    change.started = Some(restoring.at);
    change.restores = Some(bad.id.clone());
    change.flag.clone_from(&restoring.flag);
    change.ended_when(now);
    change
}
