//! Whether a change may ship.
//!
//! [`gate`] maps a policy, a question and facts to a [`Decision`] that says which policy decided, at
//! which level, from which inputs, and what would change it. It is a pure function: the same inputs
//! give the same decision, to the byte ([`Decision::canonical_json`]).
//!
//! What always holds, whatever a policy says:
//!
//! - a change that restores is never denied ([`ChangeClass::restores`](crate::policy::ChangeClass::restores));
//! - a service that has no data yet is told so, and not blocked for it;
//! - what cannot be told is undecidable, and features wait unless the policy lets them pass;
//! - an advisory policy denies nothing and says what it would have denied;
//! - an override that is over, or not by the policy's rules, does nothing.

mod approving;
mod backtest;
mod cases;
mod decision;
mod facts;
mod failing;
mod latch;
mod levels;
mod overriding;
mod prerelease;
mod rollout;
mod scene;

pub use approving::{APPROVAL_LONGEST, Approval, ApprovalError};
pub use backtest::{Backtest, Backtested, LISTED_MAX, Outcomes, RecordedChange, backtest};
pub use cases::{Case, CaseFailure, CaseOutcome, PolicyTest};
pub use decision::{
    BudgetSeen, Decision, Input, Lift, Outcome, PolicyUsed, Reach, Reason, ReasonKind,
};
pub use facts::{
    BudgetFacts, Counts, Data, Facts, LEAVING_MAX, Leaving, Lookback, Outlook, Question, SpentOn,
    WindowFacts,
};
pub use failing::Failing;
pub use latch::{Latch, LatchError, LatchState};
pub use overriding::{
    Agreement, Ended, EndedEarly, Override, OverrideError, OverrideRecord, override_report,
};
pub use prerelease::{
    FAILURES_MIN, FailedChange, HISTORY_MAX, History, Mitigation, MitigationKind, Prerelease,
    PrereleaseInputs, Risk, TRIALS, prerelease,
};
pub use rollout::{Rollout, RolloutError, STEPS_MAX, Step};

use std::collections::BTreeSet;

use flyball_model::Timestamp;

use crate::checklist::Control;
use crate::policy::{Block, Condition, Policy, Role, SignOff, Signature, Standing, standing};
use approving::controllers;
use levels::{Candidate, Recovery, asking, candidates, recovery, together};
use scene::Scene;

/// Everything that a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct GateInputs<'a> {
    /// The policy of the service.
    pub policy: &'a Policy,
    /// What is asked.
    pub question: &'a Question,
    /// What is known.
    pub facts: &'a Facts,
    /// Who has signed the policy.
    pub signatures: &'a [Signature],
    /// The latches of the service; a latched level without one is open.
    pub latches: &'a [Latch],
    /// Blocks by hand.
    pub blocks: &'a [Block],
    /// Exceptions.
    pub overrides: &'a [Override],
    /// Signatures under changes.
    pub approvals: &'a [Approval],
}

/// Whether `condition` holds now, of any budget that `inputs` know of; `None` where what is unknown decides.
pub fn holds(inputs: &GateInputs<'_>, condition: &Condition) -> Option<bool> {
    Scene::of(inputs, condition).holds(condition)
}

/// Decides whether a change may ship.
///
/// Never fails: what is missing is an answer of its own.
pub fn gate(inputs: &GateInputs<'_>) -> Decision {
    let GateInputs { policy, question, facts, .. } = *inputs;
    let latches = inputs.latches.iter().filter(|latch| latch.policy == policy.name());
    let scene = Scene::new(inputs);
    let candidates = candidates(inputs, &scene, &[]);
    let standing = standing(policy, inputs.signatures, question.at);
    let level = match candidates.as_slice() {
        [only] => Some(only.level.name.clone()),
        _ => None,
    };
    let notify: BTreeSet<_> =
        candidates.iter().flat_map(|candidate| &candidate.level.notify).collect();
    let mut decision = Decision {
        service: question.service.clone(),
        class: question.class,
        change: question.change.clone(),
        revision: question.revision.clone(),
        environment: question.environment.clone(),
        rollout: question.rollout.as_ref().map(ToString::to_string),
        asked_by: question.asked_by.clone(),
        at: question.at,
        outcome: Outcome::Allow,
        otherwise: None,
        policy: PolicyUsed {
            name: policy.name().to_owned(),
            version: policy.spec().version,
            standing,
        },
        level,
        levels: candidates.iter().map(|candidate| candidate.level.name.clone()).collect(),
        reasons: Vec::new(),
        inputs: scene.inputs(),
        budgets: facts.budgets.iter().map(|budget| budget.seen(policy, question.at)).collect(),
        approvals: inputs.signed().cloned().collect(),
        latches: latches.cloned().collect(),
        until: None,
        overridden_by: None,
        reach: None,
        notify: notify.into_iter().cloned().collect(),
    };
    if question.class.restores() {
        decision.reasons.push(Reason {
            outcome: Outcome::Allow,
            kind: ReasonKind::Restores,
            text: format!("A {} restores; restoring is never denied.", question.class),
            lifts: Vec::new(),
        });
        decision.reasons.extend(owed(inputs));
    } else {
        let ruling = together(inputs, &scene, &candidates);
        decision.reach = ruling.reach.map(Reach);
        decision.reasons = ruling.reasons;
        decision.reasons.extend(approvals(inputs, &candidates));
        decision.reasons.extend(freezes(inputs));
        advise(&mut decision);
        decision.reasons.extend(blocks(inputs));
        decision.reasons.extend(uncontrolled(inputs));
        settle(&mut decision);
        if !decision.outcome.passes() {
            promise(&mut decision, inputs, &candidates);
        }
        except(&mut decision, inputs);
    }
    remark(&mut decision, inputs);
    let through = decision.overridden_by.is_some();
    decision.reasons.sort_by_key(|reason| {
        let settles = through && reason.kind == ReasonKind::Override;
        (!settles, std::cmp::Reverse(reason.outcome))
    });
    decision
}

/// Whether the condition of each latched level of the policy holds now, by the level's name; `None` where
/// it cannot be told. What [`Latch::after`] is told.
pub fn latch_conditions(inputs: &GateInputs<'_>) -> Vec<(String, Option<bool>)> {
    levels::latch_conditions(inputs)
}

impl<'a> GateInputs<'a> {
    /// The approvals of the change that is asked about, those that do nothing among them.
    fn approvals(&self) -> impl Iterator<Item = &'a Approval> + use<'a> {
        let Self { question, approvals, .. } = *self;
        approvals.iter().filter(|approval| approval.concerns(question))
    }

    /// The approvals that are signatures under the change.
    fn signed(&self) -> impl Iterator<Item = &'a Approval> + use<'a> {
        let question = self.question;
        self.approvals().filter(|approval| approval.refusal(question).is_none())
    }
}

/// Who has approved the change where a level in force asks for it, and which approvals do nothing.
fn approvals(inputs: &GateInputs<'_>, candidates: &[Candidate<'_>]) -> Vec<Reason> {
    let controls = &inputs.facts.controls;
    let asked = |role: &Role| {
        candidates.iter().any(|candidate| candidate.asks(inputs, role))
            || controllers(controls, inputs.question.class).any(|asked| asked == role)
    };
    let asked = inputs.approvals().filter(|approval| asked(&approval.role));
    let text = |approval: &Approval| match approval.refusal(inputs.question) {
        None => approval.sentence(),
        Some(why) => format!("The approval `{}` does nothing: {why}.", approval.id),
    };
    asked
        .map(|approval| Reason {
            outcome: Outcome::Allow,
            kind: ReasonKind::Approval,
            text: text(approval),
            lifts: Vec::new(),
        })
        .collect()
}

/// The freezes of the policy's calendar that stop the change.
fn freezes(inputs: &GateInputs<'_>) -> Vec<Reason> {
    let Question { class, at, .. } = *inputs.question;
    let freezes = inputs.policy.spec().freezes.iter();
    freezes
        .filter(|freeze| freeze.stops(class, at))
        .map(|freeze| Reason {
            outcome: Outcome::Deny,
            kind: ReasonKind::Freeze,
            text: format!("Changes wait for `{}` until {:.0}.", freeze.name, freeze.until),
            lifts: vec![Lift::Time { at: freeze.until }],
        })
        .collect()
}

/// The blocks by hand that stop the change.
fn blocks(inputs: &GateInputs<'_>) -> Vec<Reason> {
    let Question { service, class, at, .. } = inputs.question;
    let blocks = inputs.blocks.iter().filter(|block| block.stops(service, *class, *at));
    blocks
        .map(|block| Reason {
            outcome: Outcome::Deny,
            kind: ReasonKind::Block,
            text: format!("{}.", block.sentence().trim_end_matches('.')),
            lifts: vec![Lift::Time { at: block.expires() }],
        })
        .collect()
}

/// The controls whose signature the change lacks.
fn lacking<'a>(inputs: &GateInputs<'a>) -> impl Iterator<Item = &'a Control> + use<'a> {
    let GateInputs { question, facts, .. } = *inputs;
    let inputs = *inputs;
    facts.controls.iter().filter(move |control| {
        let SignOff { role, classes } = &control.sign_off;
        classes.contains(&question.class) && inputs.signed().all(|approval| approval.role != *role)
    })
}

/// The signatures that the change lacks because of what the service is. Whoever signed the review asks for them, so
/// that they are asked for whether the policy is signed or not.
fn uncontrolled(inputs: &GateInputs<'_>) -> Vec<Reason> {
    let class = inputs.question.class;
    lacking(inputs)
        .map(|control| Reason {
            outcome: Outcome::Deny,
            kind: ReasonKind::SignOff,
            text: format!(
                "A {class} needs the signature of `{}`: a review answered `{}` with yes ({}).",
                control.sign_off.role, control.item, control.ask
            ),
            lifts: vec![asking(inputs, &control.sign_off.role)],
        })
        .collect()
}

/// The same of a change that restores: it is not held up, and whoever signs does so after it.
fn owed(inputs: &GateInputs<'_>) -> Vec<Reason> {
    let mut reasons = uncontrolled(inputs);
    for reason in &mut reasons {
        reason.outcome = Outcome::Allow;
        reason.text.push_str(" It restores, and is not held up: the signature is owed.");
    }
    reasons
}

/// Makes warnings of what an advisory policy would have stopped.
fn advise(decision: &mut Decision) {
    let Standing::Advisory { missing } = &decision.policy.standing else { return };
    let would = decision.reasons.iter().map(|reason| reason.outcome).max();
    let Some(would) = would.filter(|would| !would.passes()) else { return };
    let missing: Vec<String> = missing.iter().map(|role| format!("`{role}`")).collect();
    for reason in &mut decision.reasons {
        reason.outcome = reason.outcome.min(Outcome::Warn);
    }
    decision.otherwise = Some(would);
    let said = if would == Outcome::Deny { "denied" } else { "held until it can be told" };
    decision.reasons.push(Reason {
        outcome: Outcome::Warn,
        kind: ReasonKind::Advisory,
        text: format!(
            "The policy is advisory until {} sign; in force, it would be {said}.",
            missing.join(", ")
        ),
        lifts: Vec::new(),
    });
}

/// The outcome is the gravest of the reasons' outcomes.
fn settle(decision: &mut Decision) {
    let gravest = decision.reasons.iter().map(|reason| reason.outcome).max();
    decision.outcome = gravest.unwrap_or(Outcome::Allow);
    if !decision.outcome.passes() {
        decision.reach = None;
    }
}

/// Says until when the change waits, and who could make an exception.
fn promise(decision: &mut Decision, inputs: &GateInputs<'_>, now: &[Candidate<'_>]) {
    let Question { service, class, at, .. } = inputs.question;
    let enforced = decision.policy.standing.is_enforced();
    let freezes = || inputs.policy.spec().freezes.iter().filter(|_| enforced);
    let frozen = |at| freezes().any(|freeze| freeze.stops(*class, at));
    let blocked = |at| inputs.blocks.iter().any(|block| block.stops(service, *class, at));
    let blocks = inputs.blocks.iter().filter(|block| block.stops(service, *class, *at));
    let block_ends: Vec<_> = blocks.map(Block::expires).collect();
    // What waits for a signature waits for nothing else.
    let controlled = uncontrolled(inputs);
    let unsigned = !controlled.is_empty();
    if enforced {
        let ends = freezes().map(|freeze| freeze.until).chain(block_ends);
        let Recovery { levels, all } =
            recovery(inputs, now, ends, |at| unsigned || frozen(at) || blocked(at));
        decision.until = all;
        let of_levels = |reason: &&mut Reason| {
            reason.outcome == Outcome::Deny && reason.kind == ReasonKind::Level
        };
        for reason in decision.reasons.iter_mut().filter(of_levels) {
            reason.lifts.extend(levels.map(|at| Lift::Time { at }));
        }
    } else {
        let passes = |end: &Timestamp| !unsigned && !blocked(*end);
        decision.until = block_ends.into_iter().filter(passes).max();
    }
    let roles: Vec<_> = inputs.policy.spec().overrides.roles.iter().cloned().collect();
    if !roles.is_empty() {
        let is_lifted =
            |reason: &&mut Reason| !reason.outcome.passes() && !controlled.contains(reason);
        for reason in decision.reasons.iter_mut().filter(is_lifted) {
            reason.lifts.push(Lift::Override { roles: roles.clone() });
        }
    }
}

/// Lets the change through by an override, or says why one does not.
fn except(decision: &mut Decision, inputs: &GateInputs<'_>) {
    if decision.outcome.passes() {
        return;
    }
    let rule = &inputs.policy.spec().overrides;
    let mut refused = Vec::new();
    for one in inputs.overrides.iter().filter(|one| one.concerns(inputs.question)) {
        let reason =
            |outcome, text| Reason { outcome, kind: ReasonKind::Override, text, lifts: Vec::new() };
        let refusal = one.refusal(inputs.question, rule).or_else(|| unsigned_by(one, inputs));
        let Some(why) = refusal else {
            decision.otherwise = Some(decision.outcome);
            decision.outcome = Outcome::Warn;
            decision.until = None;
            decision.overridden_by = Some(one.id.clone());
            let text = format!(
                "{} ({}) lets it through until {:.0}: {}",
                one.who, one.role, one.expires, one.why
            );
            decision.reasons.push(reason(Outcome::Warn, text));
            return;
        };
        refused.push(reason(
            Outcome::Allow,
            format!("The override `{}` does nothing: {why}.", one.id),
        ));
    }
    decision.reasons.extend(refused);
}

/// Why an override does not stand for the signatures that the change lacks because of what the service is; `None` when
/// whoever makes it, or agrees to it, holds each of these roles.
fn unsigned_by(one: &Override, inputs: &GateInputs<'_>) -> Option<String> {
    let second = one.second.as_ref().map(|second| &second.role);
    let mut roles = lacking(inputs).map(|control| &control.sign_off.role);
    let role = roles.find(|role| **role != one.role && Some(*role) != second);
    role.map(|role| format!("it does not stand for the signature of `{role}`"))
}

/// Adds what people should know whatever is decided.
fn remark(decision: &mut Decision, inputs: &GateInputs<'_>) {
    let GateInputs { policy, question, facts, .. } = *inputs;
    let mut tell = |kind, text| {
        decision.reasons.push(Reason { outcome: Outcome::Warn, kind, text, lifts: Vec::new() });
        decision.outcome = decision.outcome.max(Outcome::Warn);
    };
    let never = |budget: &BudgetFacts| budget.data(question.at, policy.spec().fresh) == Data::Never;
    if facts.budgets.iter().all(never) {
        let text = if facts.budgets.is_empty() {
            "The service has no objective yet: nothing is known of how it does, and it is not blocked for that."
        } else {
            "The service has no data yet: nothing is known of its budget, and it is not blocked for that."
        };
        tell(ReasonKind::NoDataYet, text.to_owned());
    }
    if policy.is_overdue(question.at) {
        let text = format!("The policy was to be looked at again on {}.", policy.spec().revisit);
        tell(ReasonKind::Revisit, text);
    }
}

#[cfg(test)]
mod tests;
