//! Sessions of people who have logged in.
//!
//! A session is known by a secret of 256 random bits that its browser keeps in a cookie; kept is its
//! digest, so that whoever reads the control state cannot go on in somebody's name.

use flyball_model::{Duration, Timestamp};
use flyball_store::{Identity, NewSession, Person, Session};
use utoipa::ToSchema;

use super::secret::Secret;
use super::tokens::{ControlError, blame};
use crate::control::SharedControl;

/// How long a session lasts without being used: a working day with its meetings.
pub(crate) const IDLE: Duration = Duration::from_hours(8);
/// How long a session lasts at most. Groups are only asked for at a login, so that one of yesterday
/// holds no longer.
pub(crate) const LIFE: Duration = Duration::from_hours(24);
/// How often it is kept that a session is used: one write in that time, and a restart takes no more
/// than that from its idle time.
pub(super) const SEEN_AGAIN: Duration = Duration::from_minutes(5);

/// A session as admins see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub(crate) struct SessionInfo {
    /// What it is called by in the audit log.
    id: String,
    /// Whose it is: the provider's `sub`.
    subject: String,
    /// Their e-mail address, if the provider has verified it.
    email: Option<String>,
    /// When it began.
    created: String,
    /// When it ends at the latest.
    expires: String,
    /// When it was used last, to within five minutes.
    seen: String,
}

/// What became of somebody's sessions and tokens.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub(crate) struct Expelled {
    /// How many sessions were ended and tokens revoked.
    ended: usize,
}

/// The sessions of a server.
#[derive(Debug, Clone)]
pub(crate) struct Sessions(SharedControl);

impl Sessions {
    pub(crate) const fn of(control: SharedControl) -> Self {
        Self(control)
    }

    /// Begins a session of somebody who has just logged in. Returns its secret.
    ///
    /// # Errors
    ///
    /// [`ControlError`]; nothing was changed then.
    pub(crate) fn begin(&self, identity: &Identity, at: Timestamp) -> Result<String, ControlError> {
        let (secret, text) =
            Secret::generate().map_err(|error| ControlError::GivenUp(error.to_string()))?;
        let session = NewSession {
            id: secret.id().to_owned(),
            hash: *secret.digest(),
            expires: at.plus(LIFE),
            idle_since: at.minus(IDLE),
        };
        let actor = format!("person:{}", identity.subject);
        self.0.lock().begin_session(identity, &session, &actor, at).map_err(blame)?;
        Ok(text)
    }

    /// All sessions that are not over, the oldest first.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`].
    pub(crate) fn list(&self, now: Timestamp) -> Result<Vec<SessionInfo>, ControlError> {
        let control = self.0.lock();
        let people = control.people()?;
        let info = |session: Session| {
            let Session { id, created, expires, seen, .. } = session;
            let person = people.binary_search_by_key(&session.person, |person| person.id).ok()?;
            let Person { identity: Identity { subject, email, .. }, .. } = people[person].clone();
            let (created, expires) = (created.to_string(), expires.to_string());
            Some(SessionInfo { id, subject, email, created, expires, seen: seen.to_string() })
        };
        let is_there = |one: &Session| now < one.expires && now < one.seen.plus(IDLE);
        Ok(control.sessions()?.into_iter().filter(is_there).filter_map(info).collect())
    }

    /// Ends a session. `false` when it is not there.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`]; nothing was changed then.
    pub(crate) fn end(&self, id: &str, actor: &str, at: Timestamp) -> Result<bool, ControlError> {
        self.0.lock().end_session(id, actor, at).map_err(blame)
    }

    /// Ends all sessions of somebody, and revokes their tokens and those that they made for others.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`]; nothing was changed then.
    pub(crate) fn expel(
        &self,
        subject: &str,
        actor: &str,
        at: Timestamp,
    ) -> Result<Expelled, ControlError> {
        let ended = self.0.lock().expel(subject, actor, at).map_err(blame)?;
        Ok(Expelled { ended })
    }
}
