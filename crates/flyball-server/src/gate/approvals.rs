//! Approvals of one change: given by who has the role that a level asks to sign, withdrawn by who gave them.

use flyball_govern::gate::{Approval, ApprovalError, EndedEarly, Rollout};
use flyball_govern::policy::{ChangeClass, Role};
use flyball_model::Timestamp;
use flyball_store::NewRecord;
use serde_json::json;

use super::{ACTS, APPROVAL, ActError, GateError, Gatekeeper, Known, Page, text};

/// An approval to give.
#[derive(Debug)]
pub(crate) struct NewApproval {
    pub(crate) service: String,
    pub(crate) change: String,
    pub(crate) class: ChangeClass,
    pub(crate) rollout: Option<Rollout>,
    pub(crate) environment: Option<String>,
    pub(crate) role: Role,
    pub(crate) why: String,
    pub(crate) expires: Timestamp,
}

/// Who acts: as the audit log names them, and who they are where they can be told from others.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) somebody: Option<String>,
}

impl Actor {
    /// Who answers for what is done.
    pub(crate) fn who(&self) -> &str {
        self.somebody.as_deref().unwrap_or(&self.name)
    }
}

impl Gatekeeper {
    /// Approves one change, if some level of the policy asks the role to sign changes like it.
    ///
    /// # Errors
    ///
    /// [`ActError::Approval`]; where people can be told apart, also when this one has approved the change as another
    /// role.
    pub(crate) fn approve(
        &self,
        new: NewApproval,
        known: &Known,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Approval, ActError> {
        let _held = self.hold();
        let NewApproval { service, change, class, rollout, environment, role, why, expires } = new;
        let (id, who) = (format!("{service}:{at}:{role}"), actor.who().to_owned());
        let made = Approval {
            id: id.clone(),
            service: service.clone(),
            change,
            class,
            rollout,
            environment,
            role,
            who: who.clone(),
            why,
            from: at,
            expires,
            withdrawn: None,
        };
        made.check(&known.policy, &known.facts.controls)?;
        let others: Vec<Approval> = self.of_service(APPROVAL, &service)?;
        let is_same = |other: &Approval| {
            other.is_beside(&made) && other.holds(at) && other.who == who && other.role != made.role
        };
        if actor.somebody.is_some() && others.iter().any(is_same) {
            return Err(ApprovalError::Same { who, change: made.change }.into());
        }
        let detail = json!({
            "service": service, "change": made.change, "class": class.word(), "role": made.role,
            "rollout": made.rollout, "environment": made.environment, "why": made.why,
            "expires": expires,
        });
        let text = text(&made, &id)?;
        let kept = NewRecord { kind: APPROVAL, id, service: Some(service), at, text };
        self.control.lock().note(&actor.name, at, |noting| {
            noting.keep(&kept, ACTS, Some(("gate.approve", &detail))).map(|_| ())
        })?;
        Ok(made)
    }

    /// Withdraws the approval `id` of `service`.
    ///
    /// # Errors
    ///
    /// [`ActError::Unknown`], [`ActError::Approval`].
    pub(crate) fn withdraw(
        &self,
        (service, id): (&str, &str),
        why: String,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Approval, ActError> {
        let act = ("gate.withdraw", json!({ "service": service, "why": why }));
        let ended = EndedEarly { who: actor.who().to_owned(), why, at };
        self.amend((APPROVAL, service, id), (&actor.name, at), act, |made: &mut Approval| {
            made.withdraw(ended)?;
            Ok(made.from)
        })
    }

    /// A page of approvals of changes of `service`, those given last first, and before what the next begins.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn approvals(
        &self,
        service: &str,
        page: Page,
    ) -> Result<(Vec<Approval>, Option<u64>), GateError> {
        self.page_of(APPROVAL, service, page)
    }
}
