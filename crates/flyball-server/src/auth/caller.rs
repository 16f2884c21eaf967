//! Who asks, and what they may do where.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use flyball_govern::policy::Role as Function;
use flyball_store::{Identity, Session, Token};
use tokio::time::Instant;

use super::functions::Functions;
use super::rate::Used;
use super::role::{Rights, Role};
use super::scope::Scope;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Anybody: nobody is asked who they are, or the route is open.
    Anyone,
    /// Whoever holds this token.
    Token(Arc<Known>),
    /// A person who has logged in.
    Session(Arc<Open>),
}

/// A token with what it has used.
#[derive(Debug)]
pub(crate) struct Known {
    pub(super) token: Token,
    pub(super) scopes: Vec<Scope>,
    /// What a token of its own acts as in the company.
    pub(super) functions: Functions,
    pub(super) used: Arc<Used>,
    /// For a person's token: what they may do at the moment, as far as the token goes.
    pub(super) standing: Option<Standing>,
}

/// A session with what it has used.
#[derive(Debug)]
pub(crate) struct Open {
    pub(super) session: Session,
    pub(super) used: Arc<Used>,
    pub(super) standing: Standing,
    /// When it was used last, in nanoseconds since 1970.
    pub(super) seen: Arc<AtomicI64>,
}

/// A person and what they may do.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) person: i64,
    pub(super) identity: Arc<Identity>,
    pub(super) rights: Rights,
    /// What they act as in the company.
    pub(super) functions: Functions,
}

impl Caller {
    /// Who this is in the audit log.
    pub(crate) fn actor(&self) -> String {
        match self {
            Self::Anyone => "anyone".to_owned(),
            Self::Token(known) => format!("token:{}", known.token.id),
            Self::Session(open) => format!("person:{}", open.standing.identity.subject),
        }
    }

    /// Who this is, whichever of their own tokens they show; `None` where nobody can be told from others.
    pub(crate) fn somebody(&self) -> Option<String> {
        match self {
            Self::Anyone => None,
            Self::Token(known) => Some(known.standing.as_ref().map_or_else(
                || self.actor(),
                |standing| format!("person:{}", standing.identity.subject),
            )),
            Self::Session(_) => Some(self.actor()),
        }
    }

    /// The services that what the caller sends must belong to; none for all. Only admins among people
    /// may send, and they may for all.
    pub(crate) fn services(&self) -> &[String] {
        match self {
            Self::Anyone | Self::Session(_) => &[],
            Self::Token(known) => &known.token.services,
        }
    }

    /// Whether the caller may know of `service`.
    pub(crate) fn sees(&self, service: &str) -> bool {
        self.may(Role::Viewer, service)
    }

    /// Whether the caller may know of every service.
    pub(crate) fn sees_all(&self) -> bool {
        self.may_everywhere(Role::Viewer)
    }

    /// The services that the caller may know of; `None` for all.
    pub(crate) fn seen(&self) -> Option<Vec<String>> {
        if self.sees_all() {
            return None;
        }
        Some(match self.rights() {
            Some(rights) => {
                rights.iter().filter_map(|(service, _)| service.map(str::to_owned)).collect()
            }
            None => self.services().to_vec(),
        })
    }

    /// Whether the caller may do for `service` what needs `role`. A token of its own has the scope for
    /// what it asks, and may do it for the services that it is bound to.
    pub(crate) fn may(&self, role: Role, service: &str) -> bool {
        if let Some(rights) = self.rights() {
            return rights.on(service) >= Some(role);
        }
        let services = self.services();
        services.is_empty() || services.iter().any(|known| known == service)
    }

    /// Whether the caller may do for every service what needs `role`.
    pub(crate) fn may_everywhere(&self, role: Role) -> bool {
        match self.rights() {
            Some(rights) => rights.everywhere() >= Some(role),
            None => self.services().is_empty(),
        }
    }

    /// Whether there is a service for which the caller may do what needs `role`.
    pub(crate) fn may_somewhere(&self, role: Role) -> bool {
        self.rights().is_none_or(|rights| rights.somewhere(role))
    }

    /// Whether the caller acts as `function` for `service`, or for every service (`None`), by what was granted.
    pub(super) fn holds(&self, function: &Function, service: Option<&str>) -> bool {
        self.functions().is_none_or(|functions| functions.hold(function, service))
    }

    /// What the caller acts as by what was granted; `None` where nobody can be told from others.
    pub(crate) fn functions(&self) -> Option<&Functions> {
        match self {
            Self::Anyone => None,
            Self::Token(known) => {
                let standing = known.standing.as_ref();
                Some(standing.map_or(&known.functions, |standing| &standing.functions))
            }
            Self::Session(open) => Some(&open.standing.functions),
        }
    }

    /// What the person behind the request may do; `None` when there is none.
    pub(crate) fn rights(&self) -> Option<&Rights> {
        self.standing().map(|standing| &standing.rights)
    }

    /// The person behind the request, by number and as they are; `None` when there is none.
    pub(crate) fn person(&self) -> Option<(i64, &Identity)> {
        self.standing().map(|standing| (standing.person, &*standing.identity))
    }

    /// The person who has made what the caller makes: for a token whoever made it, or had it made.
    /// `None` when there is none.
    pub(crate) fn maker(&self) -> Option<i64> {
        match self {
            Self::Anyone => None,
            Self::Token(known) => known.token.made_by,
            Self::Session(open) => Some(open.standing.person),
        }
    }

    /// The session that the request is part of.
    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::Session(open) => Some(&open.session),
            Self::Anyone | Self::Token(_) => None,
        }
    }

    /// The token that the request shows, with its scopes.
    pub(crate) fn token(&self) -> Option<(&str, &[Scope])> {
        match self {
            Self::Token(known) => Some((&known.token.id, &known.scopes)),
            Self::Anyone | Self::Session(_) => None,
        }
    }

    /// What the token that the request shows is called, one that is no person's.
    pub(crate) fn token_name(&self) -> Option<&str> {
        match self {
            Self::Token(known) if known.standing.is_none() => Some(&known.token.name),
            Self::Anyone | Self::Token(_) | Self::Session(_) => None,
        }
    }

    /// Charges bytes of a body that came, and notes that they are in memory. `false` when the caller
    /// would have more than `most` there; then they are charged only.
    pub(crate) fn hold(&self, bytes: usize, most: usize) -> bool {
        let Some(used) = self.used() else { return true };
        used.charge(Instant::now(), bytes);
        used.hold(bytes, most)
    }

    /// Notes that bytes of a body are no longer in memory.
    pub(crate) fn release(&self, bytes: usize) {
        if let Some(used) = self.used() {
            used.release(bytes);
        }
    }

    fn standing(&self) -> Option<&Standing> {
        match self {
            Self::Anyone => None,
            Self::Token(known) => known.standing.as_ref(),
            Self::Session(open) => Some(&open.standing),
        }
    }

    fn used(&self) -> Option<&Used> {
        match self {
            Self::Anyone => None,
            Self::Token(known) => Some(&known.used),
            Self::Session(open) => Some(&open.used),
        }
    }
}
