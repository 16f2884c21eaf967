//! What people decide: signatures under policies, sign-offs of latches, blocks, overrides.
//!
//! Who acts is the caller, as the audit log names them; as what is what they say, and is kept with it.
//! Nobody signs one version of a policy as two roles, where they can be told apart.

use std::collections::BTreeSet;

use flyball_govern::gate::{ApprovalError, EndedEarly, Latch, LatchError, Override, OverrideError};
use flyball_govern::policy::{
    Act, Block, BlockError, ChangeClass, ClassingError, ContestError, NewBlock, Policy, Role,
    Signature,
};
use flyball_model::Timestamp;
use flyball_store::{NewRecord, RecordFilter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    ACTS, BLOCK, GateError, Gatekeeper, Known, LATCH, LOOKED_AT, OVERRIDE, SIGNATURE, USE, Use,
    keep_latch, parse, read, text,
};

/// Why an act is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActError {
    /// It cannot be kept.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The block may not be made.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The level cannot be signed off.
    #[error(transparent)]
    Latch(#[from] LatchError),
    /// The override does not take it.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// The change is not approved like this.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// Nothing is put into such a class, or not by this role.
    #[error(transparent)]
    Classing(#[from] ClassingError),
    /// The contest does not take it.
    #[error(transparent)]
    Contest(#[from] ContestError),
    /// There is none.
    #[error(
        "the service has no {what} `{id}`; hint: GET /api/v1/gate/{service}/{what}s lists them"
    )]
    Unknown {
        /// The kind.
        what: &'static str,
        /// The service.
        service: String,
        /// What was asked for.
        id: String,
    },
    /// The act is not this role's, or not like this.
    #[error("{0}")]
    Refused(String),
}

impl From<flyball_store::StoreError> for ActError {
    fn from(error: flyball_store::StoreError) -> Self {
        Self::Gate(error.into())
    }
}

/// A block to make.
#[derive(Debug)]
pub(crate) struct NewStop {
    pub(crate) service: String,
    pub(crate) classes: BTreeSet<ChangeClass>,
    pub(crate) role: Role,
    pub(crate) why: String,
    pub(crate) expires: Timestamp,
}

/// An override to make.
#[derive(Debug)]
pub(crate) struct NewOverride {
    pub(crate) service: String,
    pub(crate) change: Option<String>,
    pub(crate) class: ChangeClass,
    pub(crate) role: Role,
    pub(crate) why: String,
    pub(crate) expires: Timestamp,
}

/// Before which number, and how many.
pub(crate) type Page = (Option<u64>, usize);

/// Overrides of a service.
#[derive(Debug)]
pub(crate) struct OverridesKept {
    /// The last, at most [`LOOKED_AT`].
    pub(crate) all: Vec<Override>,
    /// Those of the page that is asked for.
    pub(crate) page: Vec<Override>,
    /// Before what the next page begins.
    pub(crate) next: Option<u64>,
    /// The changes that they let through, the last first.
    pub(crate) uses: Vec<Use>,
}

impl Gatekeeper {
    /// Every signature, the last first; at most [`LOOKED_AT`].
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn signatures(&self) -> Result<Vec<Signature>, GateError> {
        let all = RecordFilter { services: None, before: None, limit: LOOKED_AT };
        read(&self.control.lock().records(SIGNATURE, &all)?)
    }

    /// Signs the version of `policy` that is in force, as `role`. Signed again, it changes nothing.
    ///
    /// # Errors
    ///
    /// [`ActError::Refused`] when the policy does not ask this role, or `who` has signed it as another.
    pub(crate) fn sign(
        &self,
        policy: &Policy,
        role: Role,
        who: &str,
        at: Timestamp,
    ) -> Result<Signature, ActError> {
        let _held = self.hold();
        let (name, version) = (policy.name(), policy.spec().version);
        if !policy.spec().approvers.contains(&role) {
            let asked: Vec<&str> = policy.spec().approvers.iter().map(Role::name).collect();
            return Err(ActError::Refused(format!(
                "the policy `{name}` is not signed by `{role}`; hint: it asks for {}",
                asked.join(", ")
            )));
        }
        let known = self.signatures()?;
        let of_version = |of: &&Signature| of.policy == name && of.version == version;
        let signed: Vec<&Signature> = known.iter().filter(of_version).collect();
        if let Some(again) = signed.iter().find(|of| of.role == role) {
            return Ok((*again).clone());
        }
        if who != "anyone" && signed.iter().any(|of| of.who == who) {
            return Err(ActError::Refused(format!(
                "you have signed version {version} of `{name}` as another role; hint: each role is \
                 another person's"
            )));
        }
        let signature =
            Signature { policy: name.to_owned(), version, role, who: who.to_owned(), at };
        let id = format!("{name}/{version}/{}", signature.role);
        let text = text(&signature, &id)?;
        let detail = json!({ "policy": name, "version": version, "role": signature.role });
        let kept = NewRecord { kind: SIGNATURE, id, service: None, at, text };
        self.control.lock().note(who, at, |noting| {
            noting.keep(&kept, ACTS, Some(("policy.sign", &detail))).map(|_| ())
        })?;
        Ok(signature)
    }

    /// Signs the latched `level` of the service off, as `role`.
    ///
    /// # Errors
    ///
    /// [`ActError::Latch`] when it is not latched, or another role's to sign.
    pub(crate) fn sign_off(
        &self,
        (service, known): (&str, &Known),
        level: &str,
        role: &Role,
        who: &str,
        at: Timestamp,
    ) -> Result<Latch, ActError> {
        let _held = self.hold();
        let own = [service.to_owned()];
        let filter = RecordFilter { services: Some(&own), before: None, limit: LOOKED_AT };
        let latches: Vec<Latch> = read(&self.control.lock().records(LATCH, &filter)?)?;
        let name = known.policy.name();
        let found = latches.into_iter().find(|of| of.policy == name && of.level == level);
        let latch = found.unwrap_or_else(|| Latch::open(name, level));
        let released = latch.release(&known.policy, role, who, &known.facts.budgets, at)?;
        self.control
            .lock()
            .note(who, at, |noting| keep_latch(noting, &released, service, at, "latch.release"))?;
        Ok(released)
    }

    /// Stops changes of a service by hand, if the rights of its tier let the role freeze.
    ///
    /// # Errors
    ///
    /// [`ActError::Block`].
    pub(crate) fn block(
        &self,
        new: NewStop,
        known: &Known,
        who: &str,
        at: Timestamp,
    ) -> Result<Block, ActError> {
        let _held = self.hold();
        let NewStop { service, classes, role, why, expires } = new;
        let id = self.new_id(BLOCK, &service, at)?;
        let new = NewBlock {
            id: id.clone(),
            service: Some(service.clone()),
            classes,
            role,
            who: who.to_owned(),
            why,
            from: at,
            expires,
        };
        let detail =
            json!({ "service": service, "role": new.role, "why": new.why, "expires": expires });
        let block = Block::new(new, &known.tier.spec.rights)?;
        let text = text(&block, &id)?;
        let kept = NewRecord { kind: BLOCK, id, service: Some(service), at, text };
        self.control.lock().note(who, at, |noting| {
            noting.keep(&kept, ACTS, Some(("gate.block", &detail))).map(|_| ())
        })?;
        Ok(block)
    }

    /// Makes an exception, if tier and policy let the role make one for as long. Where the policy asks for a
    /// second person it does nothing until they [agree](Self::agree).
    ///
    /// # Errors
    ///
    /// [`ActError::Refused`] with the reason.
    pub(crate) fn except(
        &self,
        new: NewOverride,
        known: &Known,
        who: &str,
        at: Timestamp,
    ) -> Result<Override, ActError> {
        let _held = self.hold();
        let NewOverride { service, change, class, role, why, expires } = new;
        let rule = &known.policy.spec().overrides;
        let refused = |said: String| Err(ActError::Refused(said));
        if why.trim().is_empty() {
            return refused("an override needs a reason; hint: say why in a sentence".to_owned());
        }
        if !rule.roles.contains(&role) || !known.tier.spec.rights.may(&role, Act::Override) {
            let may: Vec<&str> = rule.roles.iter().map(Role::name).collect();
            let may = if may.is_empty() { "nobody".to_owned() } else { may.join(", ") };
            return refused(format!("`{role}` makes no exceptions; hint: these may: {may}"));
        }
        if expires <= at || expires.since(at) > rule.longest {
            return refused(format!(
                "an override ends after it begins and lasts at most {}; hint: end it earlier",
                rule.longest
            ));
        }
        let id = self.new_id(OVERRIDE, &service, at)?;
        let made = Override {
            id: id.clone(),
            service: service.clone(),
            change,
            class,
            role,
            who: who.to_owned(),
            why,
            from: at,
            expires,
            second: None,
            revoked: None,
        };
        let detail = json!({
            "service": service, "class": class.word(), "role": made.role, "why": made.why,
            "change": made.change, "expires": expires,
        });
        let text = text(&made, &id)?;
        let kept = NewRecord { kind: OVERRIDE, id, service: Some(service), at, text };
        self.control.lock().note(who, at, |noting| {
            noting.keep(&kept, ACTS, Some(("gate.override", &detail))).map(|_| ())
        })?;
        Ok(made)
    }

    /// Agrees to the override `id` of `service` as another person.
    ///
    /// # Errors
    ///
    /// [`ActError::Unknown`], [`ActError::Override`].
    pub(crate) fn agree(
        &self,
        (service, id): (&str, &str),
        known: &Known,
        role: &Role,
        who: &str,
        at: Timestamp,
    ) -> Result<Override, ActError> {
        let rule = &known.policy.spec().overrides;
        let act = ("gate.agree", json!({ "service": service, "role": role }));
        self.amend((OVERRIDE, service, id), (who, at), act, |one: &mut Override| {
            one.agree(role, who, at, rule)?;
            Ok(one.from)
        })
    }

    /// Takes the override `id` of `service` back.
    ///
    /// # Errors
    ///
    /// [`ActError::Unknown`], [`ActError::Override`].
    pub(crate) fn revoke(
        &self,
        (service, id): (&str, &str),
        known: &Known,
        role: &Role,
        ended: EndedEarly,
    ) -> Result<Override, ActError> {
        let rule = &known.policy.spec().overrides;
        let EndedEarly { who, why, at } = ended.clone();
        let act = ("gate.revoke", json!({ "service": service, "role": role, "why": why }));
        self.amend((OVERRIDE, service, id), (&who, at), act, |one: &mut Override| {
            one.revoke(role, ended, rule)?;
            Ok(one.from)
        })
    }

    /// Ends the block `id` of `service` early.
    ///
    /// # Errors
    ///
    /// [`ActError::Unknown`], [`ActError::Block`].
    pub(crate) fn lift(
        &self,
        (service, id): (&str, &str),
        known: &Known,
        role: &Role,
        ended: EndedEarly,
    ) -> Result<Block, ActError> {
        let EndedEarly { who, why, at } = ended.clone();
        let act = ("gate.lift", json!({ "service": service, "role": role, "why": why }));
        self.amend((BLOCK, service, id), (&who, at), act, |block: &mut Block| {
            block.lift(role, ended, &known.tier.spec.rights)?;
            Ok(block.from())
        })
    }

    /// Changes what is kept of `kind` under `id`, of `service`, as `work` does, which answers the moment that
    /// it is about. Nothing comes between reading it and writing it.
    pub(super) fn amend<T: DeserializeOwned + Serialize>(
        &self,
        (kind, service, id): (&'static str, &str, &str),
        (who, at): (&str, Timestamp),
        (action, detail): (&str, Value),
        work: impl FnOnce(&mut T) -> Result<Timestamp, ActError>,
    ) -> Result<T, ActError> {
        let unknown = || {
            let (service, id) = (service.to_owned(), id.to_owned());
            ActError::Unknown { what: kind, service, id }
        };
        // Ids begin with the service that they are of.
        let is_own = id.strip_prefix(service).is_some_and(|rest| rest.starts_with(':'));
        if !is_own {
            return Err(unknown());
        }
        let _held = self.hold();
        self.control.lock().note(who, at, |noting| {
            let record = noting.record(kind, id)?.ok_or_else(unknown)?;
            let mut kept: T = parse(&record)?;
            let at = work(&mut kept)?;
            let (id, service) = (id.to_owned(), Some(service.to_owned()));
            let text = text(&kept, &id)?;
            noting.keep(
                &NewRecord { kind, id, service, at, text },
                ACTS,
                Some((action, &detail)),
            )?;
            Ok(kept)
        })
    }

    /// A page of blocks of `service`, those made last first, and before what the next begins.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn blocks(
        &self,
        service: &str,
        page: Page,
    ) -> Result<(Vec<Block>, Option<u64>), GateError> {
        self.page_of(BLOCK, service, page)
    }

    /// Overrides of `service`, those made last first, and which changes they let through.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn overrides(&self, service: &str, page: Page) -> Result<OverridesKept, GateError> {
        let all = self.of_service(OVERRIDE, service)?;
        let (page, next) = self.page_of(OVERRIDE, service, page)?;
        let (mut uses, mut before) = self.page_of(USE, service, (None, LOOKED_AT))?;
        while before.is_some() {
            let (more, rest) = self.page_of::<Use>(USE, service, (before, LOOKED_AT))?;
            uses.extend(more);
            before = rest;
        }
        Ok(OverridesKept { all, page, next, uses })
    }

    /// A page of what is kept of `service`, the last first, and before what the next begins.
    pub(super) fn page_of<T: DeserializeOwned>(
        &self,
        kind: &str,
        service: &str,
        (before, limit): Page,
    ) -> Result<(Vec<T>, Option<u64>), GateError> {
        let own = [service.to_owned()];
        let filter = RecordFilter { services: Some(&own), before, limit };
        let found = self.control.lock().records(kind, &filter)?;
        let next = found.last().filter(|_| found.len() == limit).map(|last| last.number);
        Ok((read(&found)?, next))
    }

    pub(super) fn of_service<T: DeserializeOwned>(
        &self,
        kind: &str,
        service: &str,
    ) -> Result<Vec<T>, GateError> {
        let own = [service.to_owned()];
        let filter = RecordFilter { services: Some(&own), before: None, limit: LOOKED_AT };
        read(&self.control.lock().records(kind, &filter)?)
    }
}
