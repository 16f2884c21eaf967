//! What people decide: signatures under policies, sign-offs of latches, blocks, overrides.
//!
//! Who acts is the caller, as the audit log names them; as what is what they say, and is kept with it.
//! Nobody signs one version of a policy as two roles, where they can be told apart.

use std::collections::BTreeSet;

use flyball_govern::gate::{Latch, LatchError, Override};
use flyball_govern::policy::{
    Act, Block, BlockError, ChangeClass, NewBlock, Policy, Role, Signature,
};
use flyball_model::Timestamp;
use flyball_store::{NewRecord, RecordFilter};
use serde_json::json;

use super::{
    ACTS, BLOCK, GateError, Gatekeeper, Known, LATCH, LOOKED_AT, OVERRIDE, SIGNATURE, keep_latch,
    read, text,
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
        let NewStop { service, classes, role, why, expires } = new;
        let id = format!("{service}:{at}");
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

    /// Makes an exception, if tier and policy let the role make one for as long.
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
        if let Some(second) = &rule.second {
            return refused(format!(
                "the policy wants another person's agreement as `{second}`, which cannot be given here \
                 yet; hint: `second` of the policy's overrides asks for it"
            ));
        }
        if expires <= at || expires.since(at) > rule.longest {
            return refused(format!(
                "an override ends after it begins and lasts at most {}; hint: end it earlier",
                rule.longest
            ));
        }
        let id = format!("{service}:{at}");
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
}
