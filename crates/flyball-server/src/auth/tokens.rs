//! Making, listing and revoking tokens, and the log of who did.
//!
//! The same for a server's routes and for a command beside a server that does not run.

use std::path::Path;

use flyball_govern::policy::Role as Function;
use flyball_model::{Duration, Timestamp};
use flyball_store::{Control, NewToken, Person, StoreError, Token};
use utoipa::ToSchema;

use super::caller::Caller;
use super::functions;
use super::role::Role;
use super::scope::Scope;
use super::secret::Secret;
use crate::control::SharedControl;
use crate::hex::hex;

/// How long a token of a person is taken at most.
const PERSONAL_LIFE_MAX: Duration = Duration::from_days(90);

/// How long an admin token must still be taken to count as another one when one is revoked: time enough to
/// notice that the one that is left ends, and to make one that stays.
const ADMIN_LIFE_MIN: Duration = Duration::from_days(1);

/// A token to make.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What people call it.
    #[schema(min_length = 1, max_length = 1024, pattern = r"\S")]
    pub name: String,
    /// What it may be used for; at least one.
    #[schema(min_items = 1, max_items = 4)]
    pub scopes: Vec<Scope>,
    /// The services that it may be used for; none for all.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub services: Vec<String>,
    /// The functions in the company that it acts in for them, such as `security`: one that somebody was granted is nobody
    /// else's.
    #[serde(rename = "as", default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, max_items = 256)]
    pub functions: Vec<Function>,
    /// From when on it is no longer taken, as RFC 3339; never when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    pub expires: Option<String>,
}

/// What everybody who manages tokens may know of one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct TokenInfo {
    /// What it is called by in logs and in the audit log.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// The services that it may be used for; none for all.
    pub services: Vec<String>,
    /// The functions in the company that it acts in for them.
    #[serde(rename = "as", default)]
    pub functions: Vec<String>,
    /// When it was made.
    pub created: String,
    /// From when on it is no longer taken.
    pub expires: Option<String>,
    /// When it was revoked.
    pub revoked: Option<String>,
    /// The person whom it belongs to, by the provider's `sub`: it may do no more than they may.
    #[serde(default)]
    pub person: Option<String>,
    /// The person who made it, by the provider's `sub`, by themselves or with another token that they
    /// made: it is revoked when an admin ends their sessions.
    #[serde(default)]
    pub made_by: Option<String>,
}

impl TokenInfo {
    fn new(token: Token, people: &[Person]) -> Self {
        let Token { id, name, scopes, services, functions, created, expires, revoked_at, .. } =
            token;
        let text = |at: Timestamp| at.to_string();
        let (created, expires, revoked) = (text(created), expires.map(text), revoked_at.map(text));
        let subject = |id: Option<i64>| {
            let person = people.binary_search_by_key(&id?, |person| person.id).ok()?;
            Some(people[person].identity.subject.clone())
        };
        let (person, made_by) = (subject(token.person), subject(token.made_by));
        Self { id, name, scopes, services, functions, created, expires, revoked, person, made_by }
    }
}

/// A token that was made just now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct MadeToken {
    /// What it is called by in logs and in the audit log.
    pub id: String,
    /// The token itself. It is shown this once.
    pub token: String,
    /// Whether it is the first one ever: from now on every request needs a token or a session.
    #[serde(default)]
    pub first: bool,
}

/// A change as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct RecordedChange {
    /// 1 for the first ever, then without gaps.
    pub number: u64,
    /// When it was made.
    pub at: String,
    /// Who made it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// More about it.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
    /// The record's hash, which covers the hash of the one before. Hexadecimal.
    pub hash: String,
}

/// Some changes in order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct AuditPage {
    /// The changes.
    pub records: Vec<RecordedChange>,
    /// What to ask with as `after` for the next page; null when this is the last.
    pub next: Option<u64>,
}

/// Whether the audit log is whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct AuditVerdict {
    /// Whether every record follows the one before it and is as it was written.
    pub whole: bool,
    /// How many records were compared.
    pub records: u64,
    /// The last record's hash, hexadecimal: noted elsewhere, it shows later that none was cut off.
    pub head: Option<String>,
    /// What is wrong, where something is.
    pub finding: Option<String>,
}

/// Why tokens, grants and sessions cannot be read or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ControlError {
    /// What was asked for cannot be.
    #[error("{0}")]
    Invalid(String),
    /// Nobody could make a token any more.
    #[error(
        "it is the last token with the scope admin that is taken for a day or longer: nobody could make another \
         through the server; hint: make another one first, or revoke it with `force` (--force); with `flyball token create --data` \
         one is made while the server does not run"
    )]
    LastAdmin,
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system has no random bytes, or a bug was met.
    #[error("the change was given up: {0}")]
    GivenUp(String),
}

/// The tokens of a server, and the audit log.
#[derive(Debug, Clone)]
pub struct Tokens(SharedControl);

impl Tokens {
    /// Those of the data directory at `path`, which no server uses at the moment. The directory is
    /// made where it is not there yet.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`]; with [`StoreError::Locked`] inside while a server runs.
    pub fn open(path: &Path) -> Result<Self, ControlError> {
        Ok(Self(SharedControl::new(Control::open_alone(path)?)))
    }

    pub(crate) const fn of(control: SharedControl) -> Self {
        Self(control)
    }

    /// Makes a token.
    ///
    /// # Errors
    ///
    /// [`ControlError::Invalid`] for one that could never be used or would lock everybody out;
    /// nothing was made then.
    pub fn create(
        &self,
        request: &TokenRequest,
        actor: &str,
        at: Timestamp,
    ) -> Result<MadeToken, ControlError> {
        let maker = Maker { actor, is_person: false, bound_to: None, person: None };
        self.make(request, &maker, at)
    }

    /// Makes a token for `caller`: for admins as [`Self::create`] does, for anybody else one with which
    /// they may do no more than without it, now and later, and which expires.
    ///
    /// # Errors
    ///
    /// As [`Self::create`]; [`ControlError::Invalid`] also for a token that could do more.
    pub(crate) fn create_for(
        &self,
        caller: &Caller,
        request: &TokenRequest,
        at: Timestamp,
    ) -> Result<MadeToken, ControlError> {
        let actor = caller.actor();
        let bound_to = not_admin(caller);
        let is_person = caller.person().is_some();
        let maker = Maker { actor: &actor, is_person, bound_to, person: caller.maker() };
        if bound_to.is_none() {
            return self.make(request, &maker, at);
        }
        let invalid = |said: &str| Err(ControlError::Invalid(said.to_owned()));
        for scope in &request.scopes {
            let is_theirs = match scope {
                Scope::Read => caller.may_somewhere(Role::Viewer),
                Scope::Deploy => caller.may_somewhere(Role::Developer),
                Scope::Ingest | Scope::Admin => false,
            };
            if !is_theirs {
                return invalid(&format!(
                    "you may make no token with the scope `{scope}`; hint: ask an admin for one"
                ));
            }
        }
        if let Some(hidden) = request.services.iter().find(|service| !caller.sees(service)) {
            return invalid(&format!("you have no role for a service `{hidden}`"));
        }
        if !request.functions.is_empty() {
            return invalid("a token of your own acts as you may; hint: leave `as` out");
        }
        let last = at.plus(PERSONAL_LIFE_MAX).floor(Duration::from_seconds(1));
        let expires = request.expires.as_deref().map(Timestamp::parse);
        if !matches!(expires, Some(Ok(expires)) if expires <= last) {
            return invalid(&format!(
                "`expires` must be a time up to {last}; hint: a token of your own lasts \
                 {PERSONAL_LIFE_MAX} at most"
            ));
        }
        self.make(request, &maker, at)
    }

    fn make(
        &self,
        request: &TokenRequest,
        maker: &Maker<'_>,
        at: Timestamp,
    ) -> Result<MadeToken, ControlError> {
        let invalid = |said: &str| Err(ControlError::Invalid(said.to_owned()));
        let TokenRequest { name, scopes, services, functions, expires } = request;
        if name.trim().is_empty() {
            return invalid("a token needs a name; hint: say who will use it");
        }
        if scopes.is_empty() {
            return invalid(
                "a token needs at least one scope; hint: ingest, read, deploy or admin",
            );
        }
        if scopes.len() > Scope::ALL.len() {
            return invalid("there are more scopes than there can be; hint: name each one once");
        }
        let is_admin = scopes.contains(&Scope::Admin);
        if is_admin && !services.is_empty() {
            return invalid(
                "an admin token is for all services; hint: it could make itself one for any",
            );
        }
        if let Some(fault) = functions::fault(functions) {
            return invalid(&fault);
        }
        if !functions.is_empty() && !is_admin && !scopes.contains(&Scope::Deploy) {
            return invalid(
                "a token that may not act holds no function; hint: give it the scope deploy or admin as well",
            );
        }
        let expires = match expires.as_deref().map(Timestamp::parse) {
            None => None,
            Some(Ok(expires)) if expires > at => Some(expires),
            Some(Ok(_)) => return invalid("`expires` has passed already"),
            Some(Err(error)) => return invalid(&format!("`expires` cannot be read: {error}")),
        };
        let mut control = self.0.lock();
        let first = control.tokens()?.is_empty();
        if !is_admin && !maker.is_person && first {
            return invalid(
                "the first token must have the scope admin, since from then on nobody without a \
                 token may make another; hint: make an admin token first",
            );
        }
        let (secret, token) =
            Secret::generate().map_err(|error| ControlError::GivenUp(error.to_string()))?;
        let new = NewToken {
            id: secret.id().to_owned(),
            name: name.clone(),
            hash: *secret.digest(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            services: services.clone(),
            role: None,
            functions: functions.iter().map(ToString::to_string).collect(),
            person: maker.bound_to,
            made_by: maker.person,
            expires,
        };
        control.insert_token(&new, maker.actor, at).map_err(blame)?;
        Ok(MadeToken { id: new.id, token, first })
    }

    /// All tokens, revoked and expired ones too, the oldest first.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`].
    pub fn list(&self) -> Result<Vec<TokenInfo>, ControlError> {
        self.list_of(None)
    }

    /// The tokens that `caller` may know of: an admin all, anybody else their own.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`].
    pub(crate) fn list_for(&self, caller: &Caller) -> Result<Vec<TokenInfo>, ControlError> {
        self.list_of(not_admin(caller))
    }

    /// The tokens of one person, or all.
    fn list_of(&self, person: Option<i64>) -> Result<Vec<TokenInfo>, ControlError> {
        let control = self.0.lock();
        let people = control.people()?;
        let tokens = control.tokens()?.into_iter();
        let tokens = tokens.filter(|token| person.is_none() || token.person == person);
        Ok(tokens.map(|token| TokenInfo::new(token, &people)).collect())
    }

    /// Revokes a token for good, as `caller`: an admin any, anybody else their own. `false` when it is
    /// not there for them, or was revoked before. With `keep_admin` the last one that can make others
    /// is refused.
    ///
    /// # Errors
    ///
    /// [`ControlError::LastAdmin`], [`ControlError::Store`]; nothing was changed then.
    pub(crate) fn revoke_for(
        &self,
        caller: &Caller,
        id: &str,
        keep_admin: bool,
        at: Timestamp,
    ) -> Result<bool, ControlError> {
        let mut control = self.0.lock();
        let person = not_admin(caller);
        let is_theirs = |token: &Token| token.id == id && token.person == person;
        if person.is_some() && !control.tokens()?.iter().any(is_theirs) {
            return Ok(false);
        }
        let is_admin = |token: &Token, at: Timestamp| {
            let is_valid = token.revoked_at.is_none() && token.expires.is_none_or(|end| at < end);
            is_valid
                && token.person.is_none()
                && token.scopes.iter().any(|s| s == Scope::Admin.name())
        };
        if keep_admin {
            let tokens = control.tokens()?;
            let lasting = at.plus(ADMIN_LIFE_MIN);
            let mut others = tokens.iter().filter(|token| token.id != id);
            let goes = tokens.iter().any(|token| token.id == id && is_admin(token, at));
            if goes && !others.any(|token| is_admin(token, lasting)) {
                return Err(ControlError::LastAdmin);
            }
        }
        control.revoke_token(id, &caller.actor(), at).map_err(blame)
    }

    /// Revokes a token for good. `false` when it is not there, or was revoked before.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`]; nothing was changed then.
    pub fn revoke(&self, id: &str, actor: &str, at: Timestamp) -> Result<bool, ControlError> {
        self.0.lock().revoke_token(id, actor, at).map_err(blame)
    }

    /// The changes behind number `after` (0 for all), at most `most` of them.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`].
    pub fn audit(&self, after: u64, most: usize) -> Result<AuditPage, ControlError> {
        let records = self.0.lock().audit(after, most)?.into_iter().map(|record| RecordedChange {
            number: record.number,
            at: record.at.to_string(),
            actor: record.actor,
            action: record.action,
            target: record.target,
            // What is not JSON was not written by this program; it is shown as it is.
            detail: serde_json::from_str(&record.detail)
                .unwrap_or(serde_json::Value::String(record.detail)),
            hash: hex(&record.hash),
        });
        let records: Vec<RecordedChange> = records.collect();
        let next = records.last().filter(|_| records.len() == most).map(|last| last.number);
        Ok(AuditPage { records, next })
    }

    /// Compares every hash of the audit log.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`] when it cannot be read; one that is broken is an answer.
    pub fn verify_audit(&self) -> Result<AuditVerdict, ControlError> {
        match self.0.lock().verify_audit() {
            Ok(checked) => Ok(AuditVerdict {
                whole: true,
                records: checked.records,
                head: (checked.records > 0).then(|| hex(&checked.head.hash)),
                finding: None,
            }),
            Err(StoreError::AuditBroken { number, what, .. }) => Ok(AuditVerdict {
                whole: false,
                records: number,
                head: None,
                finding: Some(format!("record {number}: {what}")),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

/// Who makes a token.
struct Maker<'a> {
    actor: &'a str,
    /// Whether they get in without one.
    is_person: bool,
    /// Whose rights bound it.
    bound_to: Option<i64>,
    /// Who it is in the end: also who made the token that is used for it.
    person: Option<i64>,
}

/// The person who asks, unless they are an admin.
fn not_admin(caller: &Caller) -> Option<i64> {
    let person = caller.person().filter(|_| !caller.may_everywhere(Role::Admin));
    person.map(|(id, _)| id)
}

/// Tells what the caller has asked wrongly from what the store cannot do.
pub(super) fn blame(error: StoreError) -> ControlError {
    match error {
        StoreError::Invalid { .. }
        | StoreError::TooLong { .. }
        | StoreError::TooMany { .. }
        | StoreError::Exists { .. } => ControlError::Invalid(error.to_string()),
        other => ControlError::Store(other),
    }
}
