//! Whether a request may pass.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use flyball_model::Timestamp;
use flyball_store::{StoreError, Token};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::rate::{Rates, Used};
use super::scope::Scope;
use super::secret::Secret;
use crate::clock::Clock;
use crate::control::SharedControl;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Anybody: there are no tokens, or the route is open.
    Anyone,
    /// Whoever holds this token.
    Token(Arc<Known>),
}

/// A token with what it has used.
#[derive(Debug)]
pub(crate) struct Known {
    token: Token,
    scopes: Vec<Scope>,
    used: Arc<Used>,
}

/// Why a request may not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// It shows no token.
    #[error("a token is needed; hint: send it as `Authorization: Bearer …`")]
    Missing,
    /// It shows something that is no token of this server, or one that is revoked or expired. Which
    /// of them it is, only its holder could use.
    #[error("the token is not valid; hint: it may be revoked or expired, make a new one")]
    Invalid,
    /// The token is for something else.
    #[error("the token does not have the scope `{0}`; hint: make one that has it")]
    Scope(Scope),
    /// The token asks too fast.
    #[error("the token asks for more than its rate; hint: send it again after a moment")]
    Rate(Duration),
}

impl Denied {
    /// The reason in one word, for counters.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Missing => "no token",
            Self::Invalid => "invalid token",
            Self::Scope(_) => "scope",
            Self::Rate(_) => "rate",
        }
    }
}

impl Caller {
    /// Who this is in the audit log.
    pub(crate) fn actor(&self) -> String {
        match self {
            Self::Anyone => "anyone".to_owned(),
            Self::Token(known) => format!("token:{}", known.token.id),
        }
    }

    /// The services that the caller is bound to; none for all.
    pub(crate) fn services(&self) -> &[String] {
        match self {
            Self::Anyone => &[],
            Self::Token(known) => &known.token.services,
        }
    }

    /// Whether the caller may know of `service`.
    pub(crate) fn sees(&self, service: &str) -> bool {
        let services = self.services();
        services.is_empty() || services.iter().any(|known| known == service)
    }

    /// Charges bytes of a body that came, and notes that they are in memory. `false` when the caller
    /// would have more than `most` there; then they are charged only.
    pub(crate) fn hold(&self, bytes: usize, most: usize) -> bool {
        let Self::Token(known) = self else { return true };
        known.used.charge(Instant::now(), bytes);
        known.used.hold(bytes, most)
    }

    /// Notes that bytes of a body are no longer in memory.
    pub(crate) fn release(&self, bytes: usize) {
        if let Self::Token(known) = self {
            known.used.release(bytes);
        }
    }
}

/// All tokens as they are now, by their ids.
type Table = HashMap<String, Arc<Known>>;

/// Decides which requests pass.
#[derive(Debug)]
pub(crate) struct Gate {
    control: SharedControl,
    tokens: RwLock<Arc<Table>>,
    rates: Rates,
    clock: Clock,
}

impl Gate {
    /// # Errors
    ///
    /// What the store answers when the tokens cannot be read.
    pub(crate) fn new(
        control: SharedControl,
        rates: Rates,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let this = Self { control, tokens: RwLock::default(), rates, clock };
        this.refresh()?;
        Ok(this)
    }

    /// Reads the tokens again, after a change. What they have used stays.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        // The lock is held until the table is in place: a later change must not be overtaken.
        let control = self.control.lock();
        let before = self.table();
        let now = Instant::now();
        let known = |token: Token| {
            let used = before.get(&token.id).map(|known| Arc::clone(&known.used));
            let used = used.unwrap_or_else(|| Arc::new(Used::new(self.rates, now)));
            // A scope of a newer version gives nothing here.
            let scopes = token.scopes.iter().filter_map(|name| Scope::named(name)).collect();
            (token.id.clone(), Arc::new(Known { token, scopes, used }))
        };
        let table = control.tokens()?.into_iter().map(known).collect();
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether everybody may do everything: no token was ever made.
    pub(crate) fn is_open(&self) -> bool {
        self.table().is_empty()
    }

    /// Who shows `credentials` (the value of `Authorization`), if they may do what needs `scope`.
    ///
    /// # Errors
    ///
    /// [`Denied`].
    pub(crate) fn pass(&self, credentials: Option<&[u8]>, scope: Scope) -> Result<Caller, Denied> {
        let table = self.table();
        if table.is_empty() {
            return Ok(Caller::Anyone);
        }
        let credentials = credentials.ok_or(Denied::Missing)?;
        let text = std::str::from_utf8(credentials).map_err(|_| Denied::Invalid)?;
        let (kind, token) = text.split_once(' ').ok_or(Denied::Invalid)?;
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(Denied::Invalid);
        }
        let secret = Secret::read(token.trim()).ok_or(Denied::Invalid)?;
        // The id is public: only the digest is compared in constant time.
        let known = table.get(secret.id()).ok_or(Denied::Invalid)?;
        let is_same = bool::from(known.token.hash.ct_eq(secret.digest()));
        if !is_same || !is_valid(&known.token, self.clock.now()) {
            return Err(Denied::Invalid);
        }
        known.used.admit(Instant::now()).map_err(Denied::Rate)?;
        if !known.scopes.iter().any(|has| has.allows(scope)) {
            return Err(Denied::Scope(scope));
        }
        Ok(Caller::Token(Arc::clone(known)))
    }
}

fn is_valid(token: &Token, now: Timestamp) -> bool {
    token.revoked_at.is_none() && token.expires.is_none_or(|expires| now < expires)
}
