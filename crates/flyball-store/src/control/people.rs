//! People who have logged in, and their sessions. Secrets never come here, only their digests.
//!
//! A person is kept as the identity provider last told of them, and for good: what they did stays in
//! the audit log, and tokens that they made are judged by what they may do now. A session is deleted
//! when it ends.

use flyball_model::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

use super::{Changing, Control, check_text, list, rows};
use crate::StoreError;

/// The most sessions at the same time.
pub const SESSIONS_MAX: usize = 10_000;

/// The most sessions of one person; a new one takes the place of the oldest.
pub const SESSIONS_OF_PERSON_MAX: usize = 16;

/// The most groups of one person.
pub const PERSON_GROUPS_MAX: usize = 1_000;

/// Who somebody is, as an identity provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider. Subjects of different ones are different people.
    pub issuer: String,
    /// What the provider calls them by, for ever.
    pub subject: String,
    /// Their e-mail address, where it may be relied on.
    pub email: Option<String>,
    /// What people call them.
    pub name: Option<String>,
    /// The groups that they are in; at most [`PERSON_GROUPS_MAX`].
    pub groups: Vec<String>,
}

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What tokens and sessions refer to.
    pub id: i64,
    /// Who they were at their last login.
    pub identity: Identity,
}

/// A session to begin; see [`Session`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// What it is called by in lists and logs; public, unique.
    pub id: String,
    /// SHA-256 of its secret; unique.
    pub hash: [u8; 32],
    /// From when on it is no longer to be taken, however much it is used.
    pub expires: Timestamp,
    /// Others that were not used since then are over, and are deleted.
    pub idle_since: Timestamp,
}

/// A session. Whether it is over is the caller's to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it is called by in lists and logs; public.
    pub id: String,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// Whose it is: [`Person::id`].
    pub person: i64,
    /// When it began.
    pub created: Timestamp,
    /// From when on it is no longer to be taken.
    pub expires: Timestamp,
    /// When it was used last, as far as that was noted.
    pub seen: Timestamp,
}

impl Control {
    /// Notes who somebody is and begins a session for them; records `session.begin`. Sessions that
    /// are over are deleted.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`StoreError::Exists`] when id or digest are used already;
    /// [`StoreError::Invalid`] for an empty text, [`StoreError::TooLong`], [`StoreError::TooMany`];
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn begin_session(
        &mut self,
        identity: &Identity,
        session: &NewSession,
        actor: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let Identity { issuer, subject, email, name, groups } = identity;
        check_text("the issuer of a person", issuer)?;
        check_text("the subject of a person", subject)?;
        email.iter().try_for_each(|email| check_text("an e-mail address", email))?;
        name.iter().try_for_each(|name| check_text("the name of a person", name))?;
        groups.iter().try_for_each(|group| check_text("a group", group))?;
        if groups.len() > PERSON_GROUPS_MAX {
            let what = "groups of one person";
            return Err(StoreError::TooMany { what, most: PERSON_GROUPS_MAX });
        }
        check_text("the id of a session", &session.id)?;
        self.change(actor, at, |changing| {
            let set = "INSERT INTO people (issuer, subject, email, name, groups)
                       VALUES (?1, ?2, ?3, ?4, ?5)
                       ON CONFLICT (issuer, subject) DO UPDATE SET email = excluded.email,
                           name = excluded.name, groups = excluded.groups
                       RETURNING id";
            let values = params![issuer, subject, email, name, json!(groups).to_string()];
            let person: i64 = changing
                .transaction
                .query_row(set, values, |row| row.get(0))
                .map_err(changing.cannot())?;
            changing.check_count("people", "SELECT count(*) FROM people")?;
            make_room(changing, person, session)?;
            let add = "INSERT INTO sessions (id, hash, person, created, expires, seen)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?4) ON CONFLICT DO NOTHING";
            let (now, expires) = (at.nanos(), session.expires.nanos());
            let values = params![session.id, session.hash, person, now, expires];
            if changing.transaction.execute(add, values).map_err(changing.cannot())? == 0 {
                return Err(StoreError::Exists { what: "session", name: session.id.clone() });
            }
            let detail = json!({ "issuer": issuer, "subject": subject });
            changing.record("session.begin", &session.id, &detail)
        })
    }

    /// The people who have a session or a token, or have made one, by id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn people(&self) -> Result<Vec<Person>, StoreError> {
        let sql = "SELECT id, issuer, subject, email, name, groups FROM people
                   WHERE id IN (SELECT person FROM sessions)
                      OR id IN (SELECT person FROM tokens WHERE person IS NOT NULL)
                      OR id IN (SELECT made_by FROM tokens WHERE made_by IS NOT NULL)
                   ORDER BY id";
        self.rows(sql, [], person)
    }

    /// All sessions, those that are over and not deleted yet too, the oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        let sql = "SELECT id, hash, person, created, expires, seen FROM sessions
                   ORDER BY created, id";
        self.rows(sql, [], |row| {
            Ok(Session {
                id: row.get(0)?,
                hash: row.get(1)?,
                person: row.get(2)?,
                created: Timestamp::from_nanos(row.get(3)?),
                expires: Timestamp::from_nanos(row.get(4)?),
                seen: Timestamp::from_nanos(row.get(5)?),
            })
        })
    }

    /// Notes that a session was used at `at`; of one that is not there, nothing. Records nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn see_session(&mut self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET seen = max(seen, ?2) WHERE id = ?1";
        let cannot = crate::sqlite::cannot("write to", &self.path);
        self.connection.execute(sql, params![id, at.nanos()]).map(|_| ()).map_err(cannot)
    }

    /// Ends a session; records `session.end`. `false`, and nothing recorded, when it is not there.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`StoreError::Invalid`] for an empty actor, [`StoreError::TooLong`],
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn end_session(
        &mut self,
        id: &str,
        actor: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change(actor, at, |changing| {
            let remove = "DELETE FROM sessions WHERE id = ?1 RETURNING id";
            let gone: Option<String> = changing
                .transaction
                .query_row(remove, [id], |row| row.get(0))
                .optional()
                .map_err(changing.cannot())?;
            if gone.is_none() {
                return Ok(false);
            }
            changing.record("session.end", id, &json!({}))?;
            Ok(true)
        })
    }

    /// Ends all sessions of the person whom providers call `subject`, and revokes their tokens,
    /// those that they made for others among them; records `session.end` and `token.revoke` for each.
    /// Returns how many of both there were.
    ///
    /// # Errors
    ///
    /// As [`Self::end_session`]; for a subject that nobody can have, too.
    pub fn expel(
        &mut self,
        subject: &str,
        actor: &str,
        at: Timestamp,
    ) -> Result<usize, StoreError> {
        check_text("the subject of a person", subject)?;
        self.change(actor, at, |changing| {
            let they = "SELECT id FROM people WHERE subject = ?1";
            let theirs = format!("person IN ({they})");
            let end = format!("DELETE FROM sessions WHERE {theirs} RETURNING id");
            let ended = ids(changing, &end, params![subject])?;
            let revoke = format!(
                "UPDATE tokens SET revoked_at = ?2
                 WHERE ({theirs} OR made_by IN ({they})) AND revoked_at IS NULL
                 RETURNING id"
            );
            let revoked = ids(changing, &revoke, params![subject, at.nanos()])?;
            for (action, targets) in [("session.end", &ended), ("token.revoke", &revoked)] {
                targets.iter().try_for_each(|id| changing.record(action, id, &json!({})))?;
            }
            Ok(ended.len() + revoked.len())
        })
    }
}

/// The ids that a statement has changed.
fn ids(
    changing: &Changing<'_>,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<String>, StoreError> {
    rows(changing.transaction, sql, values, |row| row.get(0)).map_err(changing.cannot())
}

/// Deletes sessions that are over, and the oldest of `person` where they have too many.
fn make_room(changing: &Changing<'_>, person: i64, session: &NewSession) -> Result<(), StoreError> {
    let over = "DELETE FROM sessions WHERE expires <= ?1 OR seen <= ?2";
    let (at, idle_since) = (changing.at.nanos(), session.idle_since.nanos());
    changing.transaction.execute(over, [at, idle_since]).map_err(changing.cannot())?;
    let others = SESSIONS_OF_PERSON_MAX - 1;
    let oldest = format!(
        "DELETE FROM sessions WHERE person = ?1 AND id NOT IN (SELECT id FROM sessions
             WHERE person = ?1 ORDER BY created DESC, id LIMIT {others})"
    );
    changing.transaction.execute(&oldest, [person]).map_err(changing.cannot())?;
    let count: i64 = changing
        .transaction
        .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
        .map_err(changing.cannot())?;
    if usize::try_from(count).is_ok_and(|count| count < SESSIONS_MAX) {
        return Ok(());
    }
    Err(StoreError::TooMany { what: "sessions", most: SESSIONS_MAX })
}

/// A person from a row of their columns in order.
fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    let identity = Identity {
        issuer: row.get(1)?,
        subject: row.get(2)?,
        email: row.get(3)?,
        name: row.get(4)?,
        groups: list(row, 5)?,
    };
    Ok(Person { id: row.get(0)?, identity })
}
