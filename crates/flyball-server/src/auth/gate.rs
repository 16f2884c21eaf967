//! Whether a request may pass.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flyball_govern::policy::Role as Function;
use flyball_model::Timestamp;
use flyball_store::{Control, Grant, Identity, Session, StoreError, Token};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::caller::{Caller, Known, Open, Standing};
use super::functions::{self, Functions, Holders, NotHeld};
use super::rate::{Rates, Used};
use super::role::{Rights, Role};
use super::scope::Scope;
use super::secret::Secret;
use super::sessions::{IDLE, SEEN_AGAIN};
use super::who::Who;
use crate::clock::Clock;
use crate::control::SharedControl;

/// What a route needs: a token this scope, a person this role for one service at least. Without a
/// role it is enough to have logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) scope: Scope,
    pub(crate) role: Option<Role>,
}

impl Needs {
    /// What only admins may.
    pub(crate) const ADMIN: Self = Self { scope: Scope::Admin, role: Some(Role::Admin) };
}

/// What a request shows of whoever sends it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown<'a> {
    /// The value of `Authorization`. Where it is there, nothing else counts.
    pub(crate) credentials: Option<&'a [u8]>,
    /// The value of the session's cookie.
    pub(crate) cookie: Option<&'a str>,
}

/// Why a request may not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// It shows nothing.
    #[error(
        "a token is needed; hint: send it as `Authorization: Bearer …`; people log \
             in at /login, where the server lets them"
    )]
    Missing,
    /// It shows something that is no token of this server, or one that is revoked or expired. Which
    /// of them it is, only its holder could use.
    #[error("the token is not valid; hint: it may be revoked or expired, make a new one")]
    Invalid,
    /// It shows something in another form.
    #[error("what `Authorization` says is no token; hint: send it as `Authorization: Bearer …`")]
    Scheme,
    /// It is part of a session that is over, or never was.
    #[error("the session is over; hint: log in again at /login")]
    Over,
    /// The token is for something else.
    #[error(
        "the token does not have the scope `{0}`; hint: make one that has it (`flyball token create --name NAME --scope {0}`)"
    )]
    Scope(Scope),
    /// The person may not do it for any service.
    #[error("the role `{0}` is needed; hint: an admin can grant it")]
    Role(Role),
    /// It would change something, and may have been made by a page of somebody else.
    #[error(
        "the request does not say that it comes from a page of this server; hint: send the header \
         X-Flyball-Request: 1"
    )]
    Forged,
    /// The token or session asks too fast.
    #[error("more is asked than the rate allows; hint: send it again after a moment")]
    Rate(Duration),
}

impl Denied {
    /// The reason in one word, for counters.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Missing => "no token",
            Self::Invalid => "invalid token",
            Self::Scheme => "no bearer token",
            Self::Over => "session over",
            Self::Scope(_) => "scope",
            Self::Role(_) => "role",
            Self::Forged => "forged",
            Self::Rate(_) => "rate",
        }
    }
}

/// Everybody who may pass, as they are now.
#[derive(Debug, Default)]
struct Table {
    /// Tokens by their ids.
    tokens: HashMap<String, Arc<Known>>,
    /// Sessions by their ids.
    sessions: HashMap<String, Arc<Open>>,
    /// Who carries which function in the company.
    holders: Holders,
}

/// Which people are let in.
#[derive(Debug, Clone)]
pub(crate) struct People {
    /// The provider that they have logged in at; sessions of another are over.
    pub(crate) issuer: String,
    /// Who is an admin, whatever was granted.
    pub(crate) admins: Vec<Who>,
}

/// Decides which requests pass.
#[derive(Debug)]
pub(crate) struct Gate {
    control: SharedControl,
    table: RwLock<Arc<Table>>,
    rates: Rates,
    clock: Clock,
    people: Option<People>,
}

impl Gate {
    /// A gate for the holders of tokens, and for `people` if any are to be let in.
    ///
    /// # Errors
    ///
    /// What the store answers when tokens, sessions or grants cannot be read.
    pub(crate) fn new(
        control: SharedControl,
        rates: Rates,
        clock: Clock,
        people: Option<People>,
    ) -> Result<Self, StoreError> {
        let this = Self { control, table: RwLock::default(), rates, clock, people };
        this.refresh()?;
        Ok(this)
    }

    /// Reads everything again, after a change. What tokens and sessions have used stays.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        // The lock is held until the table is in place: a later change must not be overtaken.
        let control = self.control.lock();
        let before = self.table();
        let now = Instant::now();
        let unused = || Arc::new(Used::new(self.rates, now));
        let (grants, tokens) = (control.grants()?, control.tokens()?);
        let holders = Holders::of(&grants, &tokens);
        let standings = match &self.people {
            Some(people) => standings(&control, &grants, people)?,
            None => HashMap::new(),
        };
        let known = |token: Token| {
            let used = before.tokens.get(&token.id).map(|known| Arc::clone(&known.used));
            // A scope of a newer version gives nothing here.
            let scopes = token.scopes.iter().filter_map(|name| Scope::named(name)).collect();
            let standing = token.person.and_then(|person| standings.get(&person)).map(|standing| {
                let rights = standing.rights.within(&token.services);
                let functions = standing.functions.within(&token.services);
                Standing { rights, functions, ..standing.clone() }
            });
            let functions = carried(&token);
            let used = used.unwrap_or_else(unused);
            (token.id.clone(), Arc::new(Known { token, scopes, functions, used, standing }))
        };
        let open = |session: Session| {
            let standing = standings.get(&session.person)?.clone();
            let before = before.sessions.get(&session.id);
            let used = before.map_or_else(unused, |open| Arc::clone(&open.used));
            let seen = before.map(|open| Arc::clone(&open.seen));
            let seen = seen.unwrap_or_else(|| Arc::new(AtomicI64::new(session.seen.nanos())));
            Some((session.id.clone(), Arc::new(Open { session, used, standing, seen })))
        };
        let table = Table {
            tokens: tokens.into_iter().map(known).collect(),
            sessions: control.sessions()?.into_iter().filter_map(open).collect(),
            holders,
        };
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether everybody may do everything: no token was ever made, and nobody can log in.
    pub(crate) fn is_open(&self) -> bool {
        self.people.is_none() && self.table().tokens.is_empty()
    }

    /// Refuses that `caller` acts as `function` for `service`, or for every service (`None`), where others were granted
    /// that.
    ///
    /// # Errors
    ///
    /// [`NotHeld`], with who may.
    pub(crate) fn acts(
        &self,
        caller: &Caller,
        function: &Function,
        service: Option<&str>,
    ) -> Result<(), NotHeld> {
        if caller.holds(function, service) {
            return Ok(());
        }
        self.table().holders.held(function, service).map_or(Ok(()), Err)
    }

    /// Whether people are admins by the server's configuration.
    pub(crate) fn has_admins(&self) -> bool {
        self.people.as_ref().is_some_and(|people| !people.admins.is_empty())
    }

    /// Who sends what is `shown`, if they may do what `needs` something.
    ///
    /// # Errors
    ///
    /// [`Denied`].
    pub(crate) fn pass(&self, shown: Shown<'_>, needs: Needs) -> Result<Caller, Denied> {
        if self.is_open() {
            return Ok(Caller::Anyone);
        }
        let table = self.table();
        match shown {
            Shown { credentials: Some(credentials), .. } => {
                self.pass_token(&table, credentials, needs)
            }
            Shown { cookie: Some(cookie), .. } => self.pass_session(&table, cookie, needs),
            Shown { .. } => Err(Denied::Missing),
        }
    }

    fn pass_token(
        &self,
        table: &Table,
        credentials: &[u8],
        needs: Needs,
    ) -> Result<Caller, Denied> {
        let text = std::str::from_utf8(credentials).map_err(|_| Denied::Invalid)?;
        let (kind, shown) = text.split_once(' ').ok_or(Denied::Scheme)?;
        let token = if kind.eq_ignore_ascii_case("bearer") {
            shown.trim().to_owned()
        } else if kind.eq_ignore_ascii_case("basic") {
            password(shown.trim()).ok_or(Denied::Invalid)?
        } else {
            return Err(Denied::Scheme);
        };
        let secret = Secret::read(&token).ok_or(Denied::Invalid)?;
        // The id is public: only the digest is compared in constant time.
        let known = table.tokens.get(secret.id()).ok_or(Denied::Invalid)?;
        let is_same = bool::from(known.token.hash.ct_eq(secret.digest()));
        if !is_same || !known.is_valid(self.clock.now()) {
            return Err(Denied::Invalid);
        }
        known.used.admit(Instant::now()).map_err(Denied::Rate)?;
        if !known.scopes.iter().any(|has| has.allows(needs.scope)) {
            return Err(Denied::Scope(needs.scope));
        }
        if let Some(standing) = &known.standing {
            standing.check(needs.role)?;
        }
        Ok(Caller::Token(Arc::clone(known)))
    }

    fn pass_session(&self, table: &Table, cookie: &str, needs: Needs) -> Result<Caller, Denied> {
        let secret = Secret::read(cookie).ok_or(Denied::Over)?;
        let open = table.sessions.get(secret.id()).ok_or(Denied::Over)?;
        let now = self.clock.now();
        let is_same = bool::from(open.session.hash.ct_eq(secret.digest()));
        if !is_same || !open.is_valid(now) {
            return Err(Denied::Over);
        }
        open.used.admit(Instant::now()).map_err(Denied::Rate)?;
        let before = open.seen.fetch_max(now.nanos(), Ordering::Relaxed);
        self.see(open, Timestamp::from_nanos(before), now);
        open.standing.check(needs.role)?;
        Ok(Caller::Session(Arc::clone(open)))
    }

    /// Keeps that a session was used, now and then, so that a restart does not end it. It is written
    /// beside the request: one that fails is told when another change fails.
    fn see(&self, open: &Open, before: Timestamp, now: Timestamp) {
        let step = |at: Timestamp| at.nanos().div_euclid(SEEN_AGAIN.nanos());
        if step(before) == step(now) {
            return;
        }
        let (control, id) = (self.control.clone(), open.session.id.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = control.lock().see_session(&id, now) {
                tracing::warn!(%error, "that a session is used cannot be kept");
            }
        });
    }

    /// The caller as they are now, if they may still do what `needs` something. Whoever reads a body for a
    /// minute asks before they change anything.
    ///
    /// # Errors
    ///
    /// [`Denied`].
    pub(crate) fn still(&self, caller: &Caller, needs: Needs) -> Result<Caller, Denied> {
        let gone = if caller.session().is_some() { Denied::Over } else { Denied::Invalid };
        let caller = self.again(caller).ok_or(gone)?;
        match (needs.role, caller.rights()) {
            (Some(role), Some(rights)) if !rights.somewhere(role) => Err(Denied::Role(role)),
            _ => Ok(caller),
        }
    }

    /// The caller as they are now; `None` when they would not be let in any more. For answers that go
    /// on for long.
    pub(crate) fn again(&self, caller: &Caller) -> Option<Caller> {
        let (table, now) = (self.table(), self.clock.now());
        match caller {
            Caller::Anyone => self.is_open().then_some(Caller::Anyone),
            Caller::Token(known) => {
                let known = table.tokens.get(&known.token.id)?;
                known.is_valid(now).then(|| Caller::Token(Arc::clone(known)))
            }
            Caller::Session(open) => {
                let open = table.sessions.get(&open.session.id)?;
                open.is_valid(now).then(|| Caller::Session(Arc::clone(open)))
            }
        }
    }
}

impl Known {
    fn is_valid(&self, now: Timestamp) -> bool {
        let Token { revoked_at, expires, person, .. } = &self.token;
        let is_somebodys = person.is_none() || self.standing.is_some();
        is_somebodys && revoked_at.is_none() && expires.is_none_or(|expires| now < expires)
    }
}

impl Open {
    fn is_valid(&self, now: Timestamp) -> bool {
        let seen = Timestamp::from_nanos(self.seen.load(Ordering::Relaxed));
        now < self.session.expires && now < seen.plus(IDLE)
    }

    /// What the session is called by, when it is over at the latest, and when if it is not used.
    pub(crate) fn times(&self) -> (&str, Timestamp, Timestamp) {
        let seen = Timestamp::from_nanos(self.seen.load(Ordering::Relaxed));
        let Session { id, expires, .. } = &self.session;
        (id, *expires, seen.plus(IDLE).min(*expires))
    }
}

impl Standing {
    fn check(&self, role: Option<Role>) -> Result<(), Denied> {
        match role {
            Some(role) if !self.rights.somewhere(role) => Err(Denied::Role(role)),
            _ => Ok(()),
        }
    }
}

/// The password of user and password, where clients show a token that know nothing else; whatever the user is
/// called.
fn password(shown: &str) -> Option<String> {
    let pair = String::from_utf8(STANDARD.decode(shown).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// What everybody who has a session or a token may do, by person.
fn standings(
    control: &Control,
    grants: &[Grant],
    people: &People,
) -> Result<HashMap<i64, Standing>, StoreError> {
    let mut granted: HashMap<Who, (Rights, Functions)> = HashMap::new();
    for grant in grants {
        // What a newer version grants, or an older one wrote, gives nothing here.
        if let (Ok(who), Some(role)) = (grant.subject.parse(), Role::named(&grant.role)) {
            let (rights, functions) = granted.entry(who).or_default();
            rights.add(grant.service.as_deref(), role);
            functions.add(grant.service.as_deref(), &functions::read(&grant.functions));
        }
    }
    for who in &people.admins {
        granted.entry(who.clone()).or_default().0.add(None, Role::Admin);
    }
    let standing = |identity: Identity, person: i64| {
        let (mut rights, mut functions) = (Rights::default(), Functions::default());
        for (granted, acts) in Who::all_of(&identity).filter_map(|who| granted.get(&who)) {
            granted.iter().for_each(|(service, role)| rights.add(service, role));
            for (function, service) in acts.iter() {
                functions.add(service, std::slice::from_ref(function));
            }
        }
        Standing { person, identity: Arc::new(identity), rights, functions }
    };
    let people = control.people()?.into_iter().filter(|one| one.identity.issuer == people.issuer);
    Ok(people.map(|one| (one.id, standing(one.identity, one.id))).collect())
}

/// What a token of its own acts as, for the services that it is bound to.
fn carried(token: &Token) -> Functions {
    let (mut carried, functions) = (Functions::default(), functions::read(&token.functions));
    carried.add(None, &functions);
    carried.within(&token.services)
}
